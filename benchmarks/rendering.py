"""How many labelled crops a second the rendered hand gives, with one thread and with two.

python benchmarks/rendering.py --output benchmarks/results/rendering.json
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from report import write_report

from keras_handpose.synthetic import render_crops

CROPS = 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()

    rates: dict[int, list[float]] = {1: [], 2: []}
    render_crops(64, seed=0)  # compiles
    for turn in range(arguments.rounds):
        for workers, measured in rates.items():
            start = time.perf_counter()
            render_crops(CROPS, seed=turn, workers=workers)
            measured.append(CROPS / (time.perf_counter() - start))
    results = {f"{workers} threads": round(statistics.median(measured)) for workers, measured in rates.items()}
    write_report({"unit": "labelled crops/s, median", "rounds": arguments.rounds, "results": results}, arguments.output)


if __name__ == "__main__":
    main()
