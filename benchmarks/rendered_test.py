"""Errors on the rendered test set: crops of hands that no training draws, fixed by their seed before the first training.

    python benchmarks/rendered_test.py RUN_OR_WEIGHTS [...] --output benchmarks/results/rendered_test.json

A run is a folder with ``last.keras``, as `keras-handpose train` writes it; weights are a preset's name or a path. The
mean pose, put at the centre of every crop, stands beside them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_handpose as khp
from keras_handpose.skeletons import MSRA21
from keras_handpose.synthetic import LabelledCrops, render_crops, sample_poses

TEST_SEED = 20190808
TEST_CROPS = 2000
CUBE = 250.0


def test_set() -> LabelledCrops:
    """Return the rendered test set."""
    return render_crops(TEST_CROPS, seed=TEST_SEED, skeleton=MSRA21, cube=CUBE, workers=2)


def fingerprint(crops: LabelledCrops) -> str:
    """Return a hash of the labels, rounded so that it is the same on any machine."""
    rounded = np.round(crops.joints_unit * (CUBE / 2), 1) + 0.0
    return hashlib.sha256(rounded.astype("<f4").tobytes()).hexdigest()[:16]


def errors(joints_unit: np.ndarray, crops: LabelledCrops) -> dict:
    """Return the errors of predicted joints in mm."""
    distance = np.linalg.norm(joints_unit - crops.joints_unit, axis=-1) * (CUBE / 2)
    without_centre = np.delete(distance, MSRA21.centre_joint, axis=1)
    return {
        "mean_error_mm": round(float(distance.mean()), 3),
        "mean_error_without_centre_joint_mm": round(float(without_centre.mean()), 3),
        "median_error_mm": round(float(np.median(distance)), 3),
        "tips_error_mm": round(float(distance[:, MSRA21.tips].mean()), 3),
        "frames_worst_joint_within_40_mm": round(float((distance.max(axis=1) < 40).mean()), 4),
        "per_joint_mm": {
            name: round(float(e), 2) for name, e in zip(MSRA21.joint_names, distance.mean(0), strict=True)
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help="run folders, presets or weight files")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()

    crops = test_set()
    mean_pose = sample_poses(20_000, seed=11, skeleton=MSRA21, cube=CUBE).mean(axis=0)
    results = {"mean pose": errors(np.broadcast_to(mean_pose, crops.joints_unit.shape), crops)}
    for name in arguments.models:
        run = Path(name) / "last.keras"
        model = keras.saving.load_model(run) if run.exists() else khp.ResidualAttentionRegressor(weights=name)
        results[name] = {
            "mmacs": round(khp.models.count_macs(model) / 1e6, 1),
            "parameters": model.count_params(),
            "steps": int(model.optimizer.iterations) if run.exists() else None,
            **errors(model.predict(crops.images, batch_size=64, verbose=0), crops),
        }
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    report = {
        "command": " ".join(["python", *sys.argv]),
        "commit": commit.stdout.strip(),
        "device": f"{platform.machine()}, {os.cpu_count()} cores",
        "data": f"render_crops({TEST_CROPS}, seed={TEST_SEED}), labels {fingerprint(crops)}, cube {CUBE:g} mm",
        "centre": "as in training: two thirds centre of mass, one third near the middle of the joints, both jittered",
        "results": results,
    }
    text = json.dumps(report, indent=2) + "\n"
    print(text)
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
