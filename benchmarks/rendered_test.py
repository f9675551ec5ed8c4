"""Errors on the rendered test set, beside the mean pose put at the centre of every crop.

    python benchmarks/rendered_test.py RUN_OR_WEIGHTS [...] --output benchmarks/results/rendered_test.json

A run is a folder with ``last.keras``, as `keras-handpose train` writes it; weights are a preset's name or a path.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from report import write_report

import keras_handpose as khp
import keras_handpose.layers  # makes the blocks known to Keras
from keras_handpose.evaluation import joint_errors, summarise_errors
from keras_handpose.models import count_macs
from keras_handpose.synthetic import describe_test_set, rendered_test_set, sample_poses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="run folders, presets or weight files")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()

    crops = rendered_test_set()

    def figures(joints_unit: np.ndarray) -> dict:
        to_mm = crops.cubes[:, None, None] / 2
        return summarise_errors(joint_errors(joints_unit * to_mm, crops.joints_unit * to_mm), crops.skeleton)

    mean_pose = sample_poses(20_000, seed=11, skeleton=crops.skeleton, cube=crops.cubes[0]).mean(axis=0)
    results = {"mean pose": figures(np.broadcast_to(mean_pose, crops.joints_unit.shape))}
    for name in arguments.models:
        run = Path(name) / "last.keras"
        model = (
            keras.saving.load_model(run, compile=False)
            if run.exists()
            else khp.ResidualAttentionRegressor(weights=name)
        )
        results[name] = {
            "mmacs": round(count_macs(model) / 1e6, 1),
            "parameters": model.count_params(),
            **figures(model.predict(crops.images, batch_size=64, verbose=0)),
        }
    write_report({"data": describe_test_set(crops), "results": results}, arguments.output)


if __name__ == "__main__":
    main()
