"""How many labelled crops a second the rendered hand gives: one thread, two threads, two processes.

python benchmarks/rendering.py --output benchmarks/results/rendering.json
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from report import write_report

from keras_handpose.synthetic import render_crops

CROPS = 512


def render_share(seed: int) -> float:
    """Render one process's half of the crops. They stay there, as a training process's own crops would."""
    return float(render_crops(CROPS // 2, seed=seed).joints_unit.sum())


def rate(render: Callable[[], object]) -> float:
    start = time.perf_counter()
    render()
    return CROPS / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()

    rates: dict[str, list[float]] = {"1 thread": [], "2 threads": [], "2 processes": []}
    render_crops(64, seed=0)  # compiles
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(render_share, range(8)))
        for turn in range(arguments.rounds):
            rates["1 thread"].append(rate(lambda turn=turn: render_crops(CROPS, seed=turn)))
            rates["2 threads"].append(rate(lambda turn=turn: render_crops(CROPS, seed=turn, workers=2)))
            rates["2 processes"].append(rate(lambda turn=turn: list(pool.map(render_share, (2 * turn, 2 * turn + 1)))))
    results = {name: round(statistics.median(measured)) for name, measured in rates.items()}
    write_report({"unit": "labelled crops/s, median", "rounds": arguments.rounds, "results": results}, arguments.output)


if __name__ == "__main__":
    main()
