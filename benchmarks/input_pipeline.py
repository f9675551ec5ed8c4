"""How many crops a second training can have: from a crop store, augmented, and straight from the renderer.

    python benchmarks/input_pipeline.py --output benchmarks/results/input_pipeline.json

Without ``--store`` it renders frames in MSRA15's format and prepares a store of them first. Each figure is the rate at
which batches of 128 come when nothing else is to do with them, by two threads.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Generator
from pathlib import Path
from tempfile import TemporaryDirectory

from report import write_report

from keras_handpose.datasets import MSRA15, Augmentation, CropStore, LabelledCrops, iterate_batches
from keras_handpose.synthetic import iterate_crops, write_frames

BATCH = 128
WORKERS = 2
FRAMES = 4096
MOVED = Augmentation(rotation=180, scale=0.1, jitter_mm=5)
MOVED_AND_NOISY = Augmentation(rotation=180, scale=0.1, jitter_mm=5, noise_mm=2)

Stream = Generator[LabelledCrops, None, None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, help="crop store to read, for example one of a real dataset")
    parser.add_argument("--rounds", type=int, default=9, help="times that each rate is measured, in turns")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()

    load = round(os.getloadavg()[0], 2)
    with TemporaryDirectory() as folder, open_store(arguments.store, Path(folder)) as store:
        streams: dict[str, Callable[[], Stream]] = {
            "store": lambda: stored(store, None),
            "store; rotation, scale, jitter": lambda: stored(store, MOVED),
            "store; rotation, scale, jitter, noise": lambda: stored(store, MOVED_AND_NOISY),
            "renderer": lambda: rendered(None),
            "renderer; rotation, scale, jitter, noise": lambda: rendered(MOVED_AND_NOISY),
        }
        rates: dict[str, list[float]] = {name: [] for name in streams}
        for turn in range(arguments.rounds + 1):
            for name, stream in streams.items():
                measured = rate(stream(), batches=8 if name.startswith("renderer") else 48)
                if turn > 0:  # The first compiles, and reads the file into memory.
                    rates[name].append(measured)
        write_report(
            {
                "data": arguments.store.name if arguments.store else "rendered frames in MSRA15's format",
                "crops": len(store.indices()),
                "bytes a crop": store.path.stat().st_size // len(store),
                "unit": "labelled crops/s, median",
                "batch": BATCH,
                "threads": WORKERS,
                "rounds": arguments.rounds,
                "load average before": load,
                "results": {name: round(statistics.median(measured)) for name, measured in rates.items()},
            },
            arguments.output,
        )


def open_store(path: Path | None, folder: Path) -> CropStore:
    """Open a store, or make one of rendered frames."""
    if path is not None:
        return CropStore(path)
    write_frames(folder / "msra15", frames=FRAMES, layout="msra15", workers=WORKERS)
    return CropStore.from_frames(folder / "msra15.h5", MSRA15(folder / "msra15"), workers=WORKERS)


def stored(store: CropStore, augmentation: Augmentation | None) -> Stream:
    return iterate_batches(
        store, batch=BATCH, seed=0, indices=store.indices(), augmentation=augmentation, workers=WORKERS
    )


def rendered(augmentation: Augmentation | None) -> Stream:
    return iterate_crops(BATCH, seed=0, augmentation=augmentation, workers=WORKERS)


def rate(stream: Stream, *, batches: int) -> float:
    """Return how many crops a second come once the stream flows."""
    for _ in range(4):
        next(stream)
    start = time.perf_counter()
    for _ in range(batches):
        next(stream)
    taken = time.perf_counter() - start
    stream.close()
    return batches * BATCH / taken


if __name__ == "__main__":
    main()
