"""Streams in real time: latency, drops, CPU and memory; and what smoothing does to hands that rest and that move.

    python benchmarks/live.py --output benchmarks/results/live.json

1. A rendered hand moves before a camera of 30 frames/s, in real time, through `HandPoseEstimator.stream` with
   smoothing. The frames were rendered before and lie in a file: each is copied from there when its time comes, as a
   driver would do it. Each engine runs in a process of its own; latency is the time from a frame's arrival to its pose.
2. Hands that rest and hands that move at several speeds, every frame used, with and without smoothing: jitter, delay
   and error. Delay is the shift in time at which a path fits the truth best in least squares, each joint's mean put
   aside; what smoothing costs is the difference from the delay without it. The rendered sensor's noise differs from
   frame to frame; a real one's is in part the same for a while. Twice as many hands rest as move, and jitter is that of
   the median hand, as a few are seen so badly that their poses jump.
3. The same for other settings of the filter; kept are those that no other one beats in step at rest, in mean error and
   in mean delay at once.

Errors are means over the joints of the frames in which a hand was found.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from report import write_report

import keras_handpose as khp
from keras_handpose.capture import CapturedFrame, Paced
from keras_handpose.estimator import HandPoseEstimator, OneEuroFilter, Pose
from keras_handpose.estimator.following import Follower

# SciPy and the renderer, with its compiler, are imported where they are used: the memory of a stream is without them.

CAMERA = khp.CAMERAS["sr305"]
RATE = 30.0
SPEEDS = (0.5, 1.0, 2.0, 4.0)
SETTLED = 30  # Frames after which the filter has forgotten how it started.
MIN_CUTOFFS = (0.5, 1.0, 1.5)
BETAS = (0.01, 0.02, 0.04, 0.06)
SPEED_CUTOFFS = (0.5, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="msra")
    parser.add_argument("--frames", type=int, default=1000, help="frames of each stream in real time")
    parser.add_argument("--motions", type=int, default=6, help="people that move, each at all speeds")
    parser.add_argument("--length", type=int, default=300, help="frames of each of their motions")
    parser.add_argument("--viewer", action="store_true", help="also stream to a Rerun file")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()

    load = round(os.getloadavg()[0], 2)
    with tempfile.TemporaryDirectory() as folder:
        figures = {
            "camera": f"{CAMERA.name}, {CAMERA.width}x{CAMERA.height}, {RATE:g} frames/s",
            "weights": arguments.weights,
            "load average before": load,
            "streams": measure_streams(Path(folder), arguments),
            **measure_smoothing(arguments),
        }
    write_report(figures, arguments.output)


# === Streams in real time ===


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """Frames in a file, one after the other; a `FrameSource`."""

    path: Path
    camera: khp.Camera
    depth_scale: float
    rate: float
    live: bool = False

    def __iter__(self) -> Iterator[CapturedFrame]:
        size = self.camera.width * self.camera.height
        for number in range(self.path.stat().st_size // (2 * size)):
            depth = np.fromfile(self.path, np.uint16, size, offset=2 * size * number).reshape(self.camera.shape)
            yield CapturedFrame(depth, self.camera, self.depth_scale, number / self.rate)

    def close(self) -> None:
        pass


def measure_streams(folder: Path, arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Stream one motion through each engine."""
    from keras_handpose.synthetic.motion import RenderedMotion

    motion = RenderedMotion(arguments.frames, camera=CAMERA, rate=RATE, seed=1, wall=True)
    path = folder / "frames.raw"
    with path.open("wb") as file:
        for frame in motion:
            file.write(frame.depth.tobytes())
    joints_xyz = np.stack([motion.joints_xyz(i) for i in range(arguments.frames)])
    source = Recorded(path=path, camera=motion.camera, depth_scale=motion.depth_scale, rate=motion.rate)

    int8 = folder / "int8.tflite"
    print(khp.export(arguments.weights, int8, quantize="int8"), flush=True)
    subjects = {
        f"{arguments.weights}, the package's network on LiteRT": (arguments.weights, None),
        "int8 on LiteRT": (str(int8), None),
    }
    if arguments.viewer:
        subjects["the package's network, shown in a Rerun file"] = (arguments.weights, folder / "shown.rrd")
    results = {}
    for name, (weights, shown) in subjects.items():
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            results[name] = process.submit(stream_frames, weights, source, joints_xyz, shown).result()
        print(name, results[name], flush=True)
    return results


def stream_frames(weights: str, source: Recorded, joints_xyz: np.ndarray, shown: Path | None) -> dict[str, Any]:
    """Stream frames in real time, after one that warms up."""
    estimator = HandPoseEstimator(weights, camera=source.camera, depth_scale=source.depth_scale)
    estimator(next(iter(source)).depth)
    viewer = None
    if shown is not None:
        from keras_handpose.live import RerunViewer

        viewer = RerunViewer(save=shown, spawn=False)
    start, used = time.perf_counter(), time.process_time()
    memory, errors = {}, []
    with estimator.stream(Paced(source), smooth=True, latency_budget=1 / source.rate) as stream:
        for count, pose in enumerate(stream, start=1):
            if viewer is not None:
                viewer.show(stream.frame, (pose,), stream.statistics)
            if pose.found:
                truth = joints_xyz[round(stream.frame.time * source.rate)]
                errors.append(np.linalg.norm(pose.joints_xyz - truth, axis=-1).mean())
            if count == 100:
                memory["MB after 100 frames"] = resident()
    share = (time.process_time() - used) / (time.perf_counter() - start)
    if viewer is not None:
        viewer.close()
    statistics = stream.statistics
    return {
        "frames": statistics.frames,
        "dropped": statistics.dropped,
        "late, more than a frame": statistics.late,
        "frames/s": round(statistics.rate, 2),
        "latency ms, median": round(statistics.latency_p50_ms, 2),
        "latency ms, 99 %": round(statistics.latency_p99_ms, 2),
        "latency ms, greatest": round(statistics.latency_max_ms, 2),
        "share of a core": round(share, 3),
        **memory,
        "MB at the end": resident(),
        "found": round(statistics.found / statistics.frames, 4),
        "error mm, mean": round(float(np.mean(errors)), 2),
        "error mm, median frame": round(float(np.median(errors)), 2),
    }


def resident() -> float:
    """Return the memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


# === Smoothing ===


@dataclass(frozen=True, kw_only=True, eq=False)
class Path3D:
    """What was estimated of a motion: a pose a frame, the true joints, and the speed, 0 for a hand at rest."""

    poses: Sequence[Pose]
    cube: float
    joints_xyz: np.ndarray
    speed: float

    def estimated(self, smoother: OneEuroFilter | None) -> np.ndarray:
        """Return the joints as a stream gives them, shape ``(frames, joints, 3)``; NaN without a hand."""
        follow = Follower(Replay(self.poses, self.cube), smoother)
        frames = (CapturedFrame(np.array(i), None) for i in range(len(self.poses)))
        return np.stack([follow(frame, i / RATE).joints_xyz for i, frame in enumerate(frames)])


class Replay:
    """Gives poses again that were estimated before, in an estimator's place; a frame is the number of one."""

    def __init__(self, poses: Sequence[Pose], cube: float) -> None:
        self.poses, self.cube, self.camera, self.depth_scale = poses, cube, poses[0].camera, 1.0

    def __call__(self, depth: np.ndarray, *, last: Pose | None = None) -> Pose:
        return self.poses[int(depth)]


def measure_smoothing(arguments: argparse.Namespace) -> dict[str, Any]:
    """Compare paths without smoothing, with the filter as it is, and with others."""
    estimator = HandPoseEstimator(arguments.weights, camera=CAMERA)
    paths = [
        estimate(estimator, arguments.length, seed=seed, speed=speed)
        for speed in (0.0, *SPEEDS)
        for seed in range(arguments.motions if speed else 2 * arguments.motions)
    ]
    default = OneEuroFilter()
    settings = [
        {"min_cutoff": cutoff, "beta": beta, "speed_cutoff": speed_cutoff}
        for cutoff, beta, speed_cutoff in product(MIN_CUTOFFS, BETAS, SPEED_CUTOFFS)
    ]
    judged = [{**setting, **judge(paths, OneEuroFilter(**setting))} for setting in settings]
    return {
        "motions": f"{2 * arguments.motions} at rest, {arguments.motions} at each speed, of {arguments.length} frames",
        "speed of the joints, mm/s": {named(speed): mean_speed(paths, speed) for speed in SPEEDS},
        "without smoothing": judge(paths, None),
        f"as it is: {default.min_cutoff:g}, {default.beta:g}, {default.speed_cutoff:g}": judge(paths, default),
        f"settings, the best of {len(settings)}": unbeaten(judged),
    }


def estimate(estimator: HandPoseEstimator, length: int, *, seed: int, speed: float) -> Path3D:
    """Estimate the poses of a motion frame by frame, without smoothing; its person is not that of the streams."""
    from keras_handpose.synthetic.motion import RenderedMotion

    pace = {"speed": speed} if speed else {"still": True}
    motion = RenderedMotion(length, camera=CAMERA, rate=RATE, seed=100 + seed, **pace)
    poses = [replace(pose, crop=None) for pose in estimator.stream(motion)]
    joints_xyz = np.stack([motion.joints_xyz(i) for i in range(length)])
    return Path3D(poses=poses, cube=estimator.cube, joints_xyz=joints_xyz, speed=speed)


def unbeaten(judged: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """Return the settings that no other one beats, or equals and partly beats, by step, mean error and mean delay."""
    goals = np.array(
        [
            [
                setting["step at rest mm, RMS"],
                np.mean([setting[f"error mm, {named(speed)}"] for speed in SPEEDS]),
                np.mean([setting[f"delay ms, {named(speed)}"] for speed in SPEEDS]),
            ]
            for setting in judged
        ]
    )
    beaten = [((goals <= goal).all(axis=1) & (goals < goal).any(axis=1)).any() for goal in goals]
    return [setting for setting, worse in zip(judged, beaten, strict=True) if not worse]


def judge(paths: Sequence[Path3D], smoother: OneEuroFilter | None) -> dict[str, float]:
    """Return jitter at rest, and error and delay at every speed."""
    steps, spreads = [], []
    moving: dict[float, list[tuple[np.ndarray, np.ndarray]]] = {speed: [] for speed in SPEEDS}
    errors: dict[float, list[float]] = {speed: [] for speed in (0.0, *SPEEDS)}
    for path in paths:
        if smoother is not None:
            smoother.reset()
        estimated = path.estimated(smoother)[SETTLED:]
        truth = path.joints_xyz[SETTLED:]
        errors[path.speed].append(float(np.nanmean(np.linalg.norm(estimated - truth, axis=-1))))
        if path.speed:
            moving[path.speed].append((estimated, truth))
        else:
            steps.append(np.sqrt(np.nanmean((np.diff(estimated, axis=0) ** 2).sum(axis=-1))))
            spreads.append(np.sqrt(np.nanmean(np.nanvar(estimated, axis=0).sum(axis=-1))))
    return {
        "step at rest mm, RMS": round(float(np.median(steps)), 3),
        "step at rest mm, RMS, worst hand": round(float(np.max(steps)), 3),
        "deviation at rest mm": round(float(np.median(spreads)), 3),
        "deviation at rest mm, worst hand": round(float(np.max(spreads)), 3),
        **{f"error mm, {named(speed)}": round(float(np.mean(values)), 2) for speed, values in errors.items()},
        **{f"delay ms, {named(speed)}": round(1000 * delay(pairs), 1) for speed, pairs in moving.items()},
    }


def named(speed: float) -> str:
    return f"speed {speed:g}" if speed else "at rest"


def delay(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Return the seconds by which estimated paths come after true ones."""
    from scipy.interpolate import CubicSpline
    from scipy.optimize import minimize_scalar

    edge = round(0.5 * RATE)  # Frames at either end that the truth may be shifted into.
    prepared = []
    for estimated, truth in pairs:
        times = np.arange(len(truth)) / RATE
        found = np.isfinite(estimated[:, 0, 0])
        found[:edge] = found[-edge:] = False
        prepared.append((times[found], estimated[found], CubicSpline(times, truth)))

    def misfit(shift: float) -> float:
        return sum(
            float(((difference - difference.mean(axis=0)) ** 2).sum())
            for difference in (estimated - truth(times - shift) for times, estimated, truth in prepared)
        )

    return float(minimize_scalar(misfit, bounds=(-0.1, 0.4), method="bounded", options={"xatol": 1e-4}).x)


def mean_speed(paths: Sequence[Path3D], speed: float) -> float:
    steps = [np.linalg.norm(np.diff(path.joints_xyz, axis=0), axis=-1) for path in paths if path.speed == speed]
    return round(RATE * float(np.mean(steps)))


if __name__ == "__main__":
    main()
