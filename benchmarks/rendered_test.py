"""Errors on the rendered benchmark and its slices, beside the mean pose put at the centre of every crop.

    python benchmarks/rendered_test.py msra icvl nyu --output benchmarks/results/rendered_test.json --write-records
    python benchmarks/rendered_test.py --output benchmarks/results/rendered_benchmark.json

Names are presets, weight files or run folders with ``last.keras``. Each network is judged in its own joint layout; the
images are the same for all. Without a name, only the benchmark itself is described: its labels, hashed as this
machine's processor renders them, the mean poses' errors, and, where ``KERAS_HANDPOSE_TEST_DATA`` names the folder with
``msra_stats/``, the spread of its poses beside that of MSRA15's labels. With ``--write-records`` the figures go into
the weights' records.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from report import write_report

import keras_handpose as khp
import keras_handpose.layers  # makes the blocks known to Keras
from keras_handpose.datasets import LabelledCrops
from keras_handpose.evaluation import joint_errors, summarise_errors
from keras_handpose.files import whole_file
from keras_handpose.models import count_macs
from keras_handpose.models.weights import resolve
from keras_handpose.skeletons import ICVL16, MSRA21, NYU14, SKELETONS
from keras_handpose.synthetic import SLICES, describe_test_set, rendered_slice, rendered_test_set, sample_poses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help="run folders, presets or weight files")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--write-records", action="store_true", help="write the figures into the weights' records")
    arguments = parser.parse_args()
    if not arguments.models:
        write_report(
            {"data": "the rendered benchmark, mean pose at the centre", "results": described()}, arguments.output
        )
        return

    slices = {name: rendered_slice(name, skeleton=khp.HAND56) for name in SLICES}
    results = {}
    for name in arguments.models:
        model, skeleton, cube = opened(name)
        crops = rendered_test_set(skeleton=skeleton, cube=cube)
        whole = figures(model, crops)
        floor = mean_pose_figures(crops)
        results[name] = {
            "data": describe_test_set(crops),
            "mmacs": round(count_macs(model) / 1e6, 1),
            "parameters": model.count_params(),
            **whole,
            "mean_pose_error_mm": floor["mean_error_mm"],
            "ratio_to_mean_pose": round(whole["mean_error_mm"] / floor["mean_error_mm"], 3),
            "slices": {
                title: {
                    key: value
                    for key, value in figures(model, in_layout(part, skeleton)).items()
                    if key in ("mean_error_mm", "median_error_mm", "tips_error_mm", "success_rate_worst_joint_40_mm")
                }
                for title, part in slices.items()
            },
        }
        if arguments.write_records:
            write_record(name, describe_test_set(crops), {**whole, "mean_pose_error_mm": floor["mean_error_mm"]})
    write_report({"data": "the rendered benchmark, each network in its layout", "results": results}, arguments.output)


def described() -> dict:
    """Return what the benchmark is, in the layouts of the presets, and how widely its poses are spread."""
    crops = rendered_test_set(skeleton=khp.HAND56)
    results: dict = {"images": hash_of(crops.images)}
    for skeleton in (MSRA21, ICVL16, NYU14):
        own = in_layout(crops, skeleton)
        results[describe_test_set(own)] = {"labels": hash_of(own.joints_unit), **mean_pose_figures(own)}
    joints_mm = in_layout(crops, MSRA21).joints_unit.astype(np.float64) * (crops.cubes[:, None, None] / 2)
    spreads = {"of the benchmark": spread((joints_mm - joints_mm.mean(axis=0)) / np.sqrt(len(joints_mm)))}
    stored = sorted(Path(os.environ.get("KERAS_HANDPOSE_TEST_DATA", "")).glob("msra_stats/*.npz"))
    if stored:
        labels = np.load(stored[0])
        axes = labels["components"] * np.sqrt(labels["eigenvalues"].clip(0))[:, None]
        spreads["of MSRA15's labels"] = spread(axes.reshape(-1, len(MSRA21), 3))
    results["spread of MSRA15's joints about their mean, mm"] = spreads
    return results


def hash_of(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values, "<f4").tobytes()).hexdigest()[:16]


def spread(axes: np.ndarray) -> float:
    """Return the joints' standard deviation about their mean, of axes whose outer products sum up to the covariance."""
    return round(float(np.sqrt(((axes - axes.mean(axis=1, keepdims=True)) ** 2).sum(axis=(0, 2))).mean()), 1)


def opened(name: str) -> tuple[keras.Model, khp.Skeleton, float]:
    """Return a network, its joint layout and its cube."""
    run = Path(name) / "last.keras"
    if run.exists():
        model = keras.saving.load_model(run, compile=False)
        return model, next(s for s in SKELETONS.values() if len(s) == model.output_shape[1]), 250.0
    record = resolve(name)[1]
    return khp.ResidualAttentionRegressor(weights=name), SKELETONS[record.skeleton], record.cube


def in_layout(crops: LabelledCrops, skeleton: khp.Skeleton) -> LabelledCrops:
    joints_unit = khp.convert_joints(crops.joints_unit, crops.skeleton, skeleton)
    return replace(crops, joints_unit=joints_unit, skeleton=skeleton)


def figures(model: keras.Model, crops: LabelledCrops) -> dict:
    return errors(model.predict(crops.images, batch_size=64, verbose=0), crops)


def mean_pose_figures(crops: LabelledCrops) -> dict:
    mean_pose = sample_poses(20_000, seed=11, skeleton=crops.skeleton, cube=crops.cubes[0]).mean(axis=0)
    return errors(np.broadcast_to(mean_pose, crops.joints_unit.shape), crops)


def errors(joints_unit: np.ndarray, crops: LabelledCrops) -> dict:
    to_mm = crops.cubes[:, None, None] / 2
    return summarise_errors(joint_errors(joints_unit * to_mm, crops.joints_unit * to_mm), crops.skeleton)


def write_record(name: str, data: str, measured: dict) -> None:
    path, record = resolve(name)
    with whole_file(path.with_name(f"{record.name}.json")) as partial:
        partial.write_text(replace(record, errors={data: measured}).to_json(), encoding="utf-8")


if __name__ == "__main__":
    main()
