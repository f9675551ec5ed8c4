"""From whole frames with other things in them to poses: how often the hand is found, and what it costs.

    python benchmarks/whole_frames.py --output benchmarks/results/whole_frames.json

Rendered frames of all rigs that nothing was fitted to, with the usual ingredients of a scene, and others of which the
hand was taken away and walls, bodies and things were left. An estimator that looks only at the place that `detect_hand`
finds is compared with those that look at more places where the network is not sure of a hand; they take turns with each
frame. A pose is good with a mean joint error of at most 20 mm, and sure with a score of at least 0.9.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from report import write_report

import keras_handpose as khp
from keras_handpose.estimator import Pose
from keras_handpose.evaluation import joint_errors
from keras_handpose.synthetic import RIGS, SENSORS, Ingredients, Rig, sample_scenes
from keras_handpose.synthetic.scenes import Scenes

SEED, TAKE = 530_003, 16
PLACES = (1, 2, 4)
GOOD, SURE = 20.0, 0.9
AROUND = Ingredients(walls=0.5, bodies=0.7, distractors=0.7)
"""Of scenes whose hand is taken away."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="msra", help="a preset or a weight file")
    parser.add_argument("--takes", type=int, default=10, help=f"groups of {TAKE} frames for each rig and kind")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()

    poses: dict[int, list[Pose]] = {places: [] for places in PLACES}
    without: dict[int, list[Pose]] = {places: [] for places in PLACES}
    times: dict[int, list[float]] = {places: [] for places in PLACES}
    empty_times: dict[int, list[float]] = {places: [] for places in PLACES}
    errors: dict[int, list[float]] = {places: [] for places in PLACES}
    for rig in RIGS.values():
        estimators = {n: khp.HandPoseEstimator(arguments.weights, camera=rig.camera, places=n) for n in PLACES}
        skeleton = estimators[PLACES[0]].skeleton
        for depth, joints_xyz in frames_of(rig, arguments.takes, skeleton):
            for places, estimator in estimators.items():
                start = time.perf_counter()
                pose = estimator(depth)
                spent = 1000 * (time.perf_counter() - start)
                if joints_xyz is None:
                    without[places].append(pose)
                    empty_times[places].append(spent)
                    continue
                times[places].append(spent)
                poses[places].append(pose)
                errors[places].append(joint_errors(pose.joints_xyz, joints_xyz).mean() if pose.found else np.inf)
    results = {
        f"{places} place{'s' * (places > 1)}": {
            "with a hand": figures(poses[places], np.array(errors[places]), times[places]),
            "without one": {
                "frames": len(without[places]),
                "found": share([pose.found for pose in without[places]]),
                "sure": share([pose.found and pose.score >= SURE for pose in without[places]]),
                "ms_a_frame": milliseconds(empty_times[places]),
            },
        }
        for places in PLACES
    }
    write_report(
        {"good": f"at most {GOOD:g} mm", "sure": f"score of at least {SURE}", "results": results}, arguments.output
    )


def frames_of(rig: Rig, takes: int, skeleton: khp.Skeleton) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Render frames in mm with a hand and its joints in mm, and as many without both."""
    for ingredients in (Ingredients(), AROUND):
        for take in range(takes):
            rng = np.random.default_rng([SEED, [*RIGS.values()].index(rig), take])
            scenes = sample_scenes(TAKE, rng, rig.camera, distance=rig.distance, ingredients=ingredients)
            joints_xyz = scenes.joints_xyz(skeleton)
            if ingredients is AROUND:
                scenes = without_hands(scenes)
            for i in range(TAKE):
                depth = scenes.shoot(i, rig.camera, SENSORS[rig.sensor], seed=int(rng.integers(2**63)))
                yield depth, None if ingredients is AROUND else joints_xyz[i]


def without_hands(scenes: Scenes) -> Scenes:
    """Take the hands, with their forearms, out of scenes, and leave what was around them."""
    nothing = np.concatenate([scenes.spheres[..., :3], -np.ones_like(scenes.spheres[..., 3:])], axis=-1)
    return replace(scenes, spheres=nothing, others=())


def figures(poses: list[Pose], errors: np.ndarray, times: list[float]) -> dict[str, Any]:
    """Return what is reported of poses and their mean errors in mm, infinite where none was found."""
    found, good = np.isfinite(errors), errors <= GOOD
    sure = np.array([pose.found and pose.score >= SURE for pose in poses])
    return {
        "frames": len(poses),
        "found": share(found),
        "good": share(good),
        "good, of those found": share(good[found]),
        "sure": share(sure),
        "good, of those sure": share(good[sure]),
        "median_error_mm": round(float(np.median(errors)), 1),
        "ms_a_frame": milliseconds(times),
    }


def milliseconds(times: list[float]) -> dict[str, float]:
    return {"median": round(float(np.median(times)), 1), "95 %": round(float(np.percentile(times, 95)), 1)}


def share(which: Any) -> float:
    return round(float(np.mean(which)), 3)


if __name__ == "__main__":
    main()
