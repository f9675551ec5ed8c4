"""How the cost of preparing a store and of evaluating grows with the frames, up to a million.

    python benchmarks/many_frames.py --output benchmarks/results/many_frames.json

Every measurement is a process of its own, so that its peak memory is its own. Frames to prepare are a few rendered
ones, and labels to evaluate those of 10,000 rendered hands with random errors, again and again: labels come in parts,
and only their errors are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from own_process import in_own_process, print_figures
from report import write_report

COUNTS = (10_000, 100_000, 1_000_000)
PART = 10_000


@dataclass(frozen=True)
class Repeated(Sequence):
    """Some frames, again and again, without more memory."""

    frames: Sequence
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Any:
        if not 0 <= number < self.count:
            raise IndexError(number)
        return replace(self.frames[number % len(self.frames)], path=f"{number}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the frames: to see that it runs")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    if arguments.one:
        options = json.loads(arguments.one)
        print_figures({"preparing": preparing, "evaluating": evaluating}[options["what"]](options["count"]))
        return

    load = [round(value, 2) for value in os.getloadavg()]
    counts = [count // (100 if arguments.quick else 1) for count in COUNTS]
    figures = {
        what: {f"{count:,}": in_own_process(__file__, what=what, count=count) for count in counts}
        for what in ("preparing", "evaluating")
    }
    write_report({"load average of the last 1, 5, 15 minutes": load, **figures}, arguments.output)


def preparing(count: int) -> dict[str, float]:
    """Time the crops of frames to a store."""
    from keras_handpose.datasets import MSRA15, prepare
    from keras_handpose.synthetic import write_frames

    with TemporaryDirectory() as folder:
        few = [*MSRA15(write_frames(Path(folder) / "few", layout="msra15", frames=64))]
        start = time.perf_counter()
        store = prepare(Repeated(few, count), Path(folder) / "crops.h5", workers=1)
        spent = time.perf_counter() - start
        size = store.path.stat().st_size
        store.close()
    return {"seconds": round(spent, 2), "frames_per_s": round(count / spent), "store_mb": round(size / 1e6, 1)}


def evaluating(count: int) -> dict[str, float]:
    """Time the figures of labels, in parts; only their errors are kept."""
    from keras_handpose.evaluation import joint_errors, summarise_errors
    from keras_handpose.skeletons import MSRA21
    from keras_handpose.synthetic import sample_poses

    errors = np.empty((count, len(MSRA21)))
    rng, spent = np.random.default_rng(0), 0.0
    rendered_xyz = sample_poses(PART, seed=0) * 125.0  # Again and again; their errors differ.
    for first in range(0, count, PART):
        joints_xyz = rendered_xyz[: count - first]
        predicted_xyz = joints_xyz + rng.normal(0.0, 6.0, joints_xyz.shape)
        start = time.perf_counter()
        errors[first : first + PART] = joint_errors(predicted_xyz, joints_xyz)
        spent += time.perf_counter() - start
    start = time.perf_counter()
    figures = summarise_errors(errors, MSRA21)
    spent += time.perf_counter() - start
    return {"seconds": round(spent, 3), "mean_error_mm": figures["mean_error_mm"]}


if __name__ == "__main__":
    main()
