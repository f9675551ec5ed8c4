"""Hands followed through frames: lost hands, wrong locks, jumps of joints, and frames until a hand is back.

    KERAS_HANDPOSE_TEST_DATA=FOLDER python benchmarks/tracking.py --output benchmarks/results/tracking.json

Rendered motions come from people and motions that training did not show; their poses are of the kinds that it showed.
Each is followed twice: as it is, and with the hand out of the frame for 20 frames, which show nothing, or a bare wall
where the motion has one. Without the folder, or its ``sr305/`` (see `real_frames.py`), only these are measured.

A hand that comes back is in the frame as a whole at once; how it enters at an edge is not measured.

The real frames of a sequence are every 20th or 40th that its camera took, so that hands move far between two. Their
joints are not known: beside boxes of the hands, poses are compared with those of the same frame taken alone.

Joints are not smoothed. A lock is wrong where the centre is more than 100 mm from the middle of the true joints, or
outside of the hand's box.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from real_frames import SOURCES, Source, read_boxes
from report import write_report

from keras_handpose.cameras import xyz_to_uvd
from keras_handpose.capture import CapturedFrame
from keras_handpose.estimator import HandPoseEstimator, Pose
from keras_handpose.synthetic.crops import RIGS
from keras_handpose.synthetic.motion import RenderedMotion
from keras_handpose.synthetic.sensors import SENSORS, sense

CAMERAS = ("sr305", "kinect_v2", "realsense_d435")  # Structured light, time of flight, active stereo.
SPEEDS = (1.0, 2.5)
AWAY = range(90, 110)  # Frames in which the hand is out of the frame.
OFF = 100.0  # mm from the true joints' middle, from which on a lock is wrong.
GOOD = 25.0  # mm of mean error, below which a hand is back.
REAL_GAP = 5  # Empty frames put between real ones.


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", nargs="+", default=["msra"], help="presets or weights")
    parser.add_argument(
        "--seeds", type=int, default=4, help="motions of each camera and speed, every second before a wall"
    )
    parser.add_argument("--length", type=int, default=200, help="frames of a motion, more than 110")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    if arguments.length <= AWAY.stop:
        parser.error(f"--length must be more than {AWAY.stop}. Received: {arguments.length}.")

    paths: dict[str, list[Followed]] = {weights: [] for weights in arguments.weights}
    for camera in CAMERAS:
        for speed in SPEEDS:
            for seed in range(arguments.seeds):
                motion = RenderedMotion(
                    arguments.length,
                    camera=camera,
                    distance=RIGS[camera].distance,
                    speed=speed,
                    wall=seed % 2 == 1,
                    seed=2000 + seed,
                )
                for weights, followed in follow_motion(motion, speed, arguments.weights).items():
                    paths[weights] += followed
                print(camera, speed, seed, "done", flush=True)
    results: dict[str, Any] = {weights: {"rendered": rendered_figures(all_of)} for weights, all_of in paths.items()}
    folder = os.environ.get("KERAS_HANDPOSE_TEST_DATA")
    if folder and (Path(folder) / "sr305").is_dir():
        for weights in arguments.weights:
            results[weights]["real, sr305"] = real_figures(Path(folder), weights)
    write_report(
        {
            "data": (
                f"{len(CAMERAS) * len(SPEEDS) * arguments.seeds} rendered motions of {arguments.length} frames at 30 "
                f"frames/s, cameras {', '.join(CAMERAS)}, speeds {SPEEDS}, right hands"
            ),
            "results": results,
        },
        arguments.output,
    )


# === Rendered motions ===


@dataclass(frozen=True, kw_only=True, eq=False)
class Followed:
    """What was made of a motion: a pose a frame, and the true joints in mm, ``(frames, joints, 3)``."""

    camera: str
    speed: float
    wall: bool
    leaves: bool
    poses: Sequence[Pose]
    truth_xyz: np.ndarray

    @property
    def shown(self) -> np.ndarray:
        """Whether the hand is in each frame."""
        shown = np.ones(len(self.poses), bool)
        if self.leaves:
            shown[AWAY.start : AWAY.stop] = False
        return shown

    @property
    def found(self) -> np.ndarray:
        return np.array([pose.found for pose in self.poses])

    @property
    def wrong(self) -> np.ndarray:
        """Whether something was taken for the hand that is not where it is, in frames with the hand."""
        centres_xyz = np.stack([pose.centre_xyz for pose in self.poses])
        off = np.linalg.norm(centres_xyz - self.truth_xyz.mean(axis=1), axis=-1)
        return self.shown & (off > OFF)  # NaN, where nothing was found, is not.

    @property
    def errors(self) -> np.ndarray:
        """Return the mean error in mm of each frame, NaN without a hand or a pose."""
        errors = np.linalg.norm(self.joints_xyz - self.truth_xyz, axis=-1).mean(axis=-1)
        return np.where(self.shown, errors, np.nan)

    @property
    def joints_xyz(self) -> np.ndarray:
        return np.stack([pose.joints_xyz for pose in self.poses])


def follow_motion(motion: RenderedMotion, speed: float, presets: Sequence[str]) -> dict[str, list[Followed]]:
    """Follow a motion, and the same with the hand away for a while, with each network."""
    frames = list(motion)
    nothing = [background(motion, frames, i) if i in AWAY else frame for i, frame in enumerate(frames)]
    followed = {}
    for weights in presets:
        estimator = HandPoseEstimator(weights, camera=motion.camera, depth_scale=motion.depth_scale)
        truth_xyz = np.stack([motion.joints_xyz(i, estimator.skeleton) for i in range(len(frames))])
        followed[weights] = [
            Followed(
                camera=motion.camera.name,
                speed=speed,
                wall=motion.wall,
                leaves=leaves,
                poses=list(estimator.stream(shown)),
                truth_xyz=truth_xyz,
            )
            for leaves, shown in ((False, frames), (True, nothing))
        ]
    return followed


def background(motion: RenderedMotion, frames: Sequence[CapturedFrame], index: int) -> CapturedFrame:
    """Return a frame without a hand: nothing, or a wall as far away as the motion's farthest."""
    depth = frames[index].depth
    if not motion.wall:
        return frames[index]._replace(depth=np.zeros_like(depth))
    far = np.percentile(depth[depth > 0], 99) * motion.depth_scale
    wall = sense(np.full(depth.shape, far, np.float32), motion.camera, SENSORS[motion.sensor], seed=index)
    units = np.rint(wall / motion.depth_scale).clip(0, np.iinfo(depth.dtype).max)
    return frames[index]._replace(depth=units.astype(depth.dtype))


def rendered_figures(paths: Sequence[Followed]) -> dict[str, Any]:
    stay = [path for path in paths if not path.leaves]
    return {
        "hand always in the frame": {
            "all": stay_figures(stay),
            **{f"camera {name}": stay_figures([p for p in stay if p.camera == name]) for name in CAMERAS},
            **{f"speed {speed:g}": stay_figures([p for p in stay if p.speed == speed]) for speed in SPEEDS},
        },
        f"hand out of the frame for {len(AWAY)} frames": {
            "nothing to be seen": leave_figures([p for p in paths if p.leaves and not p.wall]),
            "a wall to be seen": leave_figures([p for p in paths if p.leaves and p.wall]),
        },
    }


def stay_figures(paths: Sequence[Followed]) -> dict[str, Any]:
    errors = np.concatenate([path.errors for path in paths])
    spells = [length for path in paths for length in lengths(path.wrong | ~path.found)]
    steps = [(steps_of(path.joints_xyz), steps_of(path.truth_xyz)) for path in paths]
    beyond = np.concatenate([np.linalg.norm(own - true, axis=-1).max(axis=-1) for own, true in steps])
    return {
        "motions": len(paths),
        "frames": len(errors),
        "mean error, mm": percentiles(errors),
        "frames lost": int(sum((~path.found).sum() for path in paths)),
        "frames with a wrong lock": int(sum(path.wrong.sum() for path in paths)),
        "spells lost or wrong": len(spells),
        "frames to recovery": percentiles(spells, (50, 100)),
        "largest step of a joint in a motion, mm": percentiles([largest(own) for own, _ in steps], (50, 100)),
        "the same of the true joints, mm": percentiles([largest(true) for _, true in steps], (50, 100)),
        "worst joint's step beside its true one, a frame, mm": percentiles(beyond),
    }


def leave_figures(paths: Sequence[Followed]) -> dict[str, Any]:
    if not paths:
        return {"motions": 0}
    to_hand = [first(path.found & ~path.wrong, AWAY.stop) for path in paths]
    to_pose = [first(path.errors < GOOD, AWAY.stop) for path in paths]
    return {
        "motions": len(paths),
        "frames without a hand": len(paths) * len(AWAY),
        "of these, something taken for one": int(sum(path.found[AWAY.start : AWAY.stop].sum() for path in paths)),
        "frames until the hand is found": returns(to_hand),
        f"frames until the mean error is under {GOOD:g} mm": returns(to_pose),
        "wrong locks after the return, frames": int(sum(path.wrong[AWAY.stop :].sum() for path in paths)),
        "mean error after the return, mm": percentiles(np.concatenate([path.errors[AWAY.stop :] for path in paths])),
    }


def returns(waits: Sequence[int | None]) -> dict[str, Any]:
    """Sum up after how many frames hands are back: 0 where they are in the first one."""
    back = [wait for wait in waits if wait is not None]
    return {
        "in the first one": sum(wait == 0 for wait in back),
        "never": len(waits) - len(back),
        **percentiles(back, (50, 90, 100)),
    }


def first(is_so: np.ndarray, start: int) -> int | None:
    """Return how many frames after a first one something is so; None if it never is."""
    after = np.flatnonzero(is_so[start:])
    return int(after[0]) if len(after) else None


def lengths(is_so: np.ndarray) -> list[int]:
    """Return the lengths of the spells in which something is so."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_so, [False]]).astype(int)))
    return (edges[1::2] - edges[::2]).tolist()


def steps_of(joints_xyz: np.ndarray) -> np.ndarray:
    """Return the steps of the joints in mm from frame to frame, NaN where one of two has no pose."""
    return np.diff(joints_xyz, axis=0)


def largest(steps: np.ndarray) -> float:
    return float(np.nanmax(np.linalg.norm(steps, axis=-1)))


def percentiles(values: Sequence[float] | np.ndarray, shares: tuple[int, ...] = (50, 90, 99, 100)) -> dict[str, float]:
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    names = {50: "median", 100: "greatest"}
    if not len(values):
        return {}
    return {names.get(share, f"{share} %"): round(float(np.percentile(values, share)), 1) for share in shares}


# === Real sequences ===


def real_figures(data: Path, weights: str) -> dict[str, Any]:
    """Follow the hands of each sequence, as they come and with nothing to be seen in between."""
    source = SOURCES["sr305"]
    boxes = read_boxes(data / "hand_boxes.csv")["sr305"]
    estimator = HandPoseEstimator(weights, camera=source.camera, hand=source.hand)
    figures = {}
    for name in sorted({Path(file).stem.rsplit("_", 1)[0] for file in boxes}):
        files = sorted((f for f in boxes if f"/{name}_" in f), key=lambda f: int(Path(f).stem.rsplit("_", 1)[1]))
        figures[name] = sequence_figures(data, source, estimator, {file: boxes[file] for file in files})
    return figures


def sequence_figures(data: Path, source: Source, estimator: HandPoseEstimator, boxes: dict) -> dict[str, Any]:
    depths = [source.read(data / file) for file in boxes]
    poses = list(estimator.stream(depths))
    alone = [estimator(depth) for depth in depths]
    middles_uv = np.array([[(left + right) / 2, (top + bottom) / 2] for left, top, right, bottom in boxes.values()])

    half = len(depths) // 2
    empty = [np.zeros_like(depths[0])] * REAL_GAP
    again = list(estimator.stream([*depths[:half], *empty, *depths[half:]]))
    is_on = [pose.found and inside(pose, box) for pose, box in zip(poses, boxes.values(), strict=True)]
    back = [
        pose.found and inside(pose, box)
        for pose, box in zip(again[half + REAL_GAP :], [*boxes.values()][half:], strict=True)
    ]
    differences = [
        np.linalg.norm(one.joints_xyz - other.joints_xyz, axis=-1).max()
        for one, other in zip(poses, alone, strict=True)
    ]
    joint_steps = [np.linalg.norm(b.joints_xyz - a.joints_xyz, axis=-1).max() for a, b in pairwise(poses)]
    return {
        "frames": len(depths),
        "lost": sum(not pose.found for pose in poses),
        "wrong locks": sum(pose.found for pose in poses) - sum(is_on),
        "largest step of a joint, mm": percentiles(joint_steps, (50, 100)),
        "step of the box's middle, px": percentiles(np.linalg.norm(np.diff(middles_uv, axis=0), axis=-1), (50, 100)),
        "worst joint beside the frame taken alone, mm": percentiles(differences, (50, 100)),
        f"something found in {REAL_GAP} empty frames": sum(p.found for p in again[half : half + REAL_GAP]),
        "frames until the hand is found after them": first(np.array(back), 0),
    }


def inside(pose: Pose, box: tuple[float, ...]) -> bool:
    """Return whether a pose's centre is in the hand's box."""
    left, top, right, bottom = box
    u, v, _ = xyz_to_uvd(pose.centre_xyz, pose.camera)
    return bool(left <= u <= right and top <= v <= bottom)


if __name__ == "__main__":
    main()
