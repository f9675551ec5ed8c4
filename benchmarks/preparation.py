"""How fast a dataset becomes a crop store and is read from it, and why the store is laid out as it is.

    python benchmarks/preparation.py --output benchmarks/results/preparation.json

Without ``--msra15`` it renders frames in MSRA15's format first. Preparing is timed from the call to the finished
store, with the start of processes; the time that its processes computed tells more of a machine that does other
things as well. The layouts are compared on the same crops, shuffled, one at a time.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
from report import write_report

from keras_handpose.datasets import MSRA15, CropStore, prepare, write_msra15
from keras_handpose.synthetic import write_frames

RENDERED = 1024
FRAMES = 8 * 1024  # The rendered ones, again and again.
BATCH = 128
READ = 4096
COMPARED = 1024
LAYOUTS: dict[str, tuple[int, str, dict[str, Any]]] = {
    "int16, 1 crop a chunk, gzip 1": (1, "<i2", {"compression": "gzip", "compression_opts": 1}),
    "int16, 4 crops a chunk, gzip 1": (4, "<i2", {"compression": "gzip", "compression_opts": 1}),
    "int16, 16 crops a chunk, gzip 1": (16, "<i2", {"compression": "gzip", "compression_opts": 1}),
    "int16, 1 crop a chunk, gzip 4": (1, "<i2", {"compression": "gzip", "compression_opts": 4}),
    "int16, 1 crop a chunk, shuffle, gzip 1": (
        1,
        "<i2",
        {"compression": "gzip", "compression_opts": 1, "shuffle": True},
    ),
    "int16, 1 crop a chunk, lzf": (1, "<i2", {"compression": "lzf"}),
    "int16, 1 crop a chunk, as it is": (1, "<i2", {}),
    "float32, 1 crop a chunk, gzip 1": (1, "<f4", {"compression": "gzip", "compression_opts": 1}),
}
"""Crops a chunk, type and filters."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--msra15", type=Path, help="folder of the real dataset; subject P0 is read")
    parser.add_argument("--rounds", type=int, default=5, help="times that each rate is measured, in turns")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()

    with TemporaryDirectory() as name:
        folder = Path(name)
        dataset = MSRA15(arguments.msra15, subjects="P0") if arguments.msra15 else rendered(folder)
        store_file = folder / "crops.h5"
        measured = {
            "prepare, centre of mass, 1 process": lambda: preparing(dataset, store_file, "com", 1),
            "prepare, centre of mass, 2 processes": lambda: preparing(dataset, store_file, "com", 2),
            "prepare, ground truth, 2 processes": lambda: preparing(dataset, store_file, "ground-truth", 2),
            "read shuffled, 1 thread": lambda: reading(store_file, 1),
            "read shuffled, 2 threads": lambda: reading(store_file, 2),
        }
        rates: dict[str, list[float]] = {name: [] for name in measured}
        for _, (name, measure) in itertools.product(range(arguments.rounds), measured.items()):
            rates[name].append(measure())
        spent = computing(dataset, store_file)
        store = CropStore(store_file)
        write_report(
            {
                "data": dataset.describe() if arguments.msra15 else "rendered frames in MSRA15's format",
                "frames": len(dataset),
                "rounds": arguments.rounds,
                "load average of the last 1, 5, 15 minutes": [round(load, 2) for load in os.getloadavg()],
                "unit": "frames or crops/s, median",
                "results": {name: round(statistics.median(values)) for name, values in rates.items()},
                "best": {name: round(max(values)) for name, values in rates.items()},
                "frames a second of computing, centre of mass": round(len(dataset) / spent),
                "frames with a hand": round(float(store.found.mean()), 4),
                "bytes a crop": store.path.stat().st_size // len(store),
                "ms to open the store": round(1000 * seconds(lambda: CropStore(store_file)), 1),
                "layouts": layouts(store, folder),
            },
            arguments.output,
        )


def rendered(folder: Path) -> MSRA15:
    """Render frames and write them until there are enough."""
    few = MSRA15(write_frames(folder / "few", layout="msra15", frames=RENDERED))
    return MSRA15(write_msra15(folder / "msra15", itertools.islice(itertools.cycle(few), FRAMES)))


def preparing(dataset: MSRA15, output: Path, centre: str, workers: int) -> float:
    output.unlink(missing_ok=True)
    return len(dataset) / seconds(lambda: prepare(dataset, output, centre=centre, workers=workers))


def computing(dataset: MSRA15, output: Path) -> float:
    """Return the seconds that all processors together spend on preparing a dataset."""
    before = os.times()
    preparing(dataset, output, "com", 2)
    return sum(os.times()[:4]) - sum(before[:4])


def reading(path: Path, threads: int) -> float:
    with CropStore(path) as store, ThreadPoolExecutor(threads) as pool:
        indices = np.random.default_rng(0).permutation(store.indices())[:READ]
        batches = np.array_split(indices, len(indices) // BATCH)
        return len(indices) / seconds(lambda: list(pool.map(store.crops, batches)))


def layouts(store: CropStore, folder: Path) -> dict[str, dict[str, float]]:
    """Write the same crops in several layouts and read them by h5py's selections."""
    images = store.crops(store.indices()[:COMPARED]).images[..., 0]
    return {name: layout(images, folder / "layout.h5", *options) for name, options in LAYOUTS.items()}


def layout(images: np.ndarray, path: Path, a_chunk: int, kind: str, filters: dict[str, Any]) -> dict[str, float]:
    crops = np.rint(images * 32767).astype(kind) if kind == "<i2" else images
    order = np.random.default_rng(0).permutation(len(crops)).tolist()
    with h5py.File(path, "w") as file:
        write = seconds(lambda: file.create_dataset("crops", data=crops, chunks=(a_chunk, 128, 128), **filters))
    with h5py.File(path) as file:
        read = seconds(lambda: [file["crops"][i] for i in order])
    return {
        "bytes a crop": path.stat().st_size // len(crops),
        "us to write a crop": round(write / len(crops) * 1e6, 1),
        "us to read a crop": round(read / len(crops) * 1e6, 1),
    }


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
