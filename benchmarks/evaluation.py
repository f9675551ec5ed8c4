"""Time of reading and evaluating a result file of NYU's size on one thread, and published means recomputed.

    python benchmarks/evaluation.py --output benchmarks/results/evaluation.json

The file that is timed has 8,252 frames of 14 joints with three decimals, as published ones have; it is made up, so that
anybody can repeat it. Reading it line by line, as the community's tool does, and with `numpy.loadtxt` take turns with
our reading. Each figure is the fastest and the median of fresh calls by the wall clock, and the fastest by the time
that the processor gave to this thread, which says what else the machine did.

Where the environment variable KERAS_HANDPOSE_TEST_DATA names a folder with published predictions (``eval/icvl``,
``eval/nyu``), their mean errors are computed too.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from report import write_report

from keras_handpose.cameras import xyz_to_uvd
from keras_handpose.evaluation import PROTOCOLS, GroundTruth, evaluate, read_predictions, write_predictions

FRAMES, JOINTS = 8252, 14


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="calls of each procedure")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        truth, file = made_up(Path(folder))
        seconds = timed(
            {
                "read and evaluate, all figures": lambda: evaluate(truth, file).to_dict(),
                "read": lambda: read_predictions(file),
                "read with numpy.loadtxt": lambda: np.loadtxt(file),
                "read line by line": lambda: line_by_line(file),
                "write": lambda: write_predictions(file.with_name("written.txt"), read_predictions(file)),
            },
            arguments.rounds,
        )
        size = file.stat().st_size
    write_report(
        {
            "file": f"{FRAMES} frames of {JOINTS} joints, {size / 1e6:.1f} MB of text",
            "threads": 1,
            "rounds": arguments.rounds,
            "load average": round(os.getloadavg()[0], 2),
            "seconds": seconds,
            "published predictions": published(),
        },
        arguments.output,
    )


def made_up(folder: Path) -> tuple[GroundTruth, Path]:
    """Make a ground truth, and a file of predictions that are off by some mm."""
    protocol, rng = PROTOCOLS["nyu"], np.random.default_rng(0)
    joints_xyz = rng.uniform((-150, -150, 600), (150, 150, 1000), (FRAMES, JOINTS, 3))
    truth = GroundTruth.of(joints_xyz, skeleton=protocol.skeleton, camera=protocol.camera)
    predicted_uvd = xyz_to_uvd(joints_xyz + rng.normal(0, 8, joints_xyz.shape), protocol.camera)
    return truth, write_predictions(folder / "result.txt", predicted_uvd)


def line_by_line(file: Path) -> np.ndarray:
    with open(file, encoding="utf-8") as lines:
        return np.array([[float(word) for word in line.strip().split()] for line in lines])


def timed(procedures: dict[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, float]]:
    wall, processor = ({name: [] for name in procedures} for _ in range(2))
    for _ in range(rounds):
        for name, procedure in procedures.items():
            start = time.perf_counter(), time.thread_time()
            procedure()
            wall[name].append(time.perf_counter() - start[0])
            processor[name].append(time.thread_time() - start[1])
    return {
        name: {
            "fastest": round(min(wall[name]), 4),
            "median": round(float(np.median(wall[name])), 4),
            "fastest, processor": round(min(processor[name]), 4),
        }
        for name in procedures
    }


def published() -> dict[str, dict[str, float]]:
    """Evaluate the published predictions that are on this machine."""
    root = os.environ.get("KERAS_HANDPOSE_TEST_DATA")
    if root is None:
        return {}
    figures = {}
    for dataset in ("icvl", "nyu"):
        folder = Path(root) / "eval" / dataset
        truth = GroundTruth.read(folder / f"{dataset}_test_groundtruth_label.txt")
        for file in sorted(folder.glob("*.txt")):
            if len(file.stem.split("_")) > 2 and "groundtruth" not in file.stem and "seq" not in file.stem:
                start = time.perf_counter()
                record = evaluate(truth, file).to_dict()
                figures[file.stem] = {
                    "seconds": round(time.perf_counter() - start, 3),
                    **{key: record[key] for key in ("frames", "mean_error_mm", "success_rate_worst_joint_40_mm")},
                }
    return figures


if __name__ == "__main__":
    main()
