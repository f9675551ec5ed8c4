"""How long a pose takes: engines, precisions and threads, for the network alone and for whole frames.

    python benchmarks/latency.py --output benchmarks/results/latency.json

Each number of threads is measured in a process of its own, which first finds the machine's greatest rate of
convolutions in float32 and in int8, and then goes through all subjects in turn, many times over, so that what else the
machine does meets all of them alike. Times are medians. Beside the JSON file, a CSV file and a figure are written.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from networks import FIRST_COMPACT
from report import write_report

import keras_handpose as khp
from keras_handpose.engines import open_engine
from keras_handpose.engines.metadata import read_metadata, write_metadata
from keras_handpose.exporting import calibration_crops
from keras_handpose.exporting.conversion import convert, network_signature
from keras_handpose.exporting.quantisation import quantise

CAMERA = khp.CAMERAS["sr305"]
ENGINES = {"litert": ".tflite", "onnx": ".onnx"}
PRECISIONS = ("float32", "float16", "dynamic", "int8")
BATCHES = (1, 32)
PEAK_LAYERS = 4
PEAK_SHAPES = ((64, 64), (32, 128), (16, 256))  # Edge of the features and channels.


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is timed.

    Args:
        network: The preset's name, or what else the network is.
        what: "network" on crops; "frame", from a depth frame to joints, by a whole pipeline's file or around a
            network's.
        engine, precision: What runs it and in which arithmetic.
        batch: Crops in one call.
        mmacs, parameters: The network's.
        difference_mm: How far an export's joints are from those of Keras, on average, on the hands held out for it.
        path: The file; None where Keras runs the preset.
    """

    network: str
    what: str
    engine: str
    precision: str
    batch: int
    mmacs: float
    parameters: int
    path: Path | None
    difference_mm: float | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="msra", help="a preset's name, or weights beside their record")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads")
    parser.add_argument("--rounds", type=int, default=60, help="turns through all subjects")
    parser.add_argument("--output", type=Path, help="JSON file to write; the CSV file and the figure go beside it")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        peaks = {precision: peak_files(Path(folder), precision) for precision in ("float32", "int8")}
        subjects = export_all(Path(folder), arguments.weights)
        results, rates = [], {}
        for threads in arguments.threads:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
                rate, times = process.submit(measure, subjects, peaks, threads, arguments.rounds).result()
            rates[f"{threads} threads"] = rate
            for subject, (median, fastest) in zip(subjects, times, strict=True):
                row = {key: value for key, value in asdict(subject).items() if key != "path"}
                macs = subject.mmacs * subject.batch / median
                share = macs / rate["int8" if subject.precision in ("dynamic", "int8") else "float32"]
                results.append(
                    {**row, "threads": threads, "ms": median, "fastest_ms": fastest, "share": round(share, 3)}
                )
    write_report(
        {
            "unit": "ms, median; peaks in MMACs a ms; share of the peak of the same arithmetic and threads",
            "rounds": arguments.rounds,
            "frame": f"{CAMERA.width}x{CAMERA.height}",
            "peaks": rates,
            "results": results,
        },
        arguments.output,
    )
    if arguments.output:
        with arguments.output.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(results[0]))
            writer.writeheader()
            writer.writerows(results)
        plot(results, arguments.output.with_suffix(".png"))


# === What is timed ===


def export_all(folder: Path, weights: str) -> list[Subject]:
    """Export the preset in every format and precision, and the networks to compare with."""
    from keras_handpose.models import count_macs

    model = khp.ResidualAttentionRegressor(weights=weights)
    shared = {"network": weights, "mmacs": round(count_macs(model) / 1e6, 1), "parameters": model.count_params()}
    estimator = khp.HandPoseEstimator(weights, camera=CAMERA)
    subjects = []
    for batch in BATCHES:
        subjects.append(Subject(what="network", engine="keras", precision="float32", batch=batch, path=None, **shared))
    subjects.append(
        Subject(what="frame, network's file", engine="keras", precision="float32", batch=1, path=None, **shared)
    )
    for engine, suffix in ENGINES.items():
        for precision in PRECISIONS:
            quantize = None if precision == "float32" else precision
            network = khp.export(weights, folder / f"network-{precision}{suffix}", quantize=quantize)
            print(network, flush=True)
            difference_mm = round(network.comparison.mean_difference_mm, 4)
            one = partial(Subject, engine=engine, precision=precision, difference_mm=difference_mm, **shared)
            subjects += [one(what="network", batch=batch, path=network.path) for batch in BATCHES]
            if precision != "dynamic":
                subjects.append(one(what="frame, network's file", batch=1, path=network.path))
            if precision in ("float32", "int8"):
                pipeline = khp.export(estimator, folder / f"pipeline-{precision}{suffix}", quantize=quantize)
                subjects.append(one(what="frame", batch=1, path=pipeline.path))
    metadata = read_metadata(folder / "network-float32.tflite")
    for name, arguments, precisions in (
        ("compact as it was", FIRST_COMPACT, ("float32", "int8")),
        ("paper", {"configuration": "paper"}, ("float32",)),
    ):
        other = khp.ResidualAttentionRegressor(**arguments)
        figures = {"network": name, "mmacs": round(count_macs(other) / 1e6, 1), "parameters": other.count_params()}
        for precision in precisions:
            path = folder / f"{name}-{precision}.tflite".replace(" ", "-")
            write_network(other, path, precision)
            write_metadata(path, replace(metadata, preset=None))
            subjects.append(
                Subject(what="network", engine="litert", precision=precision, batch=1, path=path, **figures)
            )
    return subjects


def write_network(model: Any, path: Path, precision: str, crops: np.ndarray | None = None) -> None:
    """Convert a network with random weights, which nothing is known of that an export could be judged by."""
    size = model.input_shape[1]
    if precision == "float32":
        convert(
            model, path, network_signature(size, 1) if crops is None else {"crop": ((1, *crops.shape[1:]), "float32")}
        )
        return
    whole = path.with_name(f"whole-{path.name}")
    write_network(model, whole, "float32", crops)
    if crops is None:
        crops = calibration_crops(32, skeleton=khp.MSRA21, cube=250.0, size=size).images
    quantise(whole, path, precision, ({"crop": crop[None]} for crop in crops))


def peak_files(folder: Path, precision: str) -> list[tuple[Path, float]]:
    """Write chains of plain convolutions; return the files and their MMACs."""
    import keras

    from keras_handpose.models import count_macs

    files = []
    for size, channels in PEAK_SHAPES:
        inputs = x = keras.Input((size, size, 4))
        for filters in (4, channels):  # The first two convolutions of a network stay float32, so they are small ones.
            x = keras.layers.Conv2D(filters, 1, activation="relu")(x)
        for _ in range(PEAK_LAYERS):
            x = keras.layers.Conv2D(channels, 3, padding="same", activation="relu")(x)
        x = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x))
        model = keras.Model(inputs, keras.layers.Reshape((1, 3))(x))
        path = folder / f"peak-{size}-{precision}.tflite"
        crops = np.random.default_rng(0).normal(size=(4, *inputs.shape[1:])).astype(np.float32)
        write_network(model, path, precision, crops)
        files.append((path, count_macs(model) / 1e6))
    return files


# === Timing ===


def measure(
    subjects: list[Subject], peaks: dict[str, list[tuple[Path, float]]], threads: int, rounds: int
) -> tuple[dict[str, float], list[tuple[float, float]]]:
    """Return the machine's peaks in MMACs a ms, and median and fastest time of every subject in ms."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    depth = example_frame()
    calls = [prepare(subject, depth, threads) for subject in subjects]
    rates = {precision: max(peak(*file, threads) for file in files) for precision, files in peaks.items()}
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, own in zip(calls, times, strict=True):
            call()  # Brings the weights back to the caches.
            start = time.perf_counter()
            call()
            own.append(1e3 * (time.perf_counter() - start))
    return rates, [(round(statistics.median(own), 3), round(min(own), 3)) for own in times]


def prepare(subject: Subject, depth: np.ndarray, threads: int) -> Callable[[], object]:
    """Return what runs a subject once."""
    if subject.what != "network":
        if subject.path is None:
            estimator = khp.HandPoseEstimator(subject.network, camera=CAMERA, engine="keras")
        else:
            estimator = khp.HandPoseEstimator(subject.path, camera=CAMERA, threads=threads)
        assert estimator(depth).found
        return lambda: estimator(depth)
    crops = np.random.default_rng(0).uniform(-1, 1, (subject.batch, 128, 128, 1)).astype(np.float32)
    if subject.path is None:
        from keras_handpose.engines.keras import KerasEngine

        engine = KerasEngine(khp.ResidualAttentionRegressor(weights=subject.network))
    else:
        engine = open_engine(subject.path, threads=threads)
    return lambda: engine(crops)


def peak(path: Path, mmacs: float, threads: int) -> float:
    """Return the rate of a chain of convolutions in MMACs a ms."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    interpreter.allocate_tensors()
    times = []
    for _ in range(30):
        start = time.perf_counter()
        interpreter.invoke()
        times.append(1e3 * (time.perf_counter() - start))
    return round(mmacs / statistics.median(times), 1)


def example_frame() -> np.ndarray:
    """Render a hand in front of the camera, uint16 mm."""
    from keras_handpose.synthetic import Ingredients, render_spheres, sample_scenes

    scenes = sample_scenes(
        16, np.random.default_rng(0), CAMERA, distance=(380.0, 420.0), ingredients=Ingredients().alone()
    )
    frames = (render_spheres(spheres, CAMERA).round().astype(np.uint16) for spheres in scenes.spheres)
    return next(frame for frame in frames if khp.detect_hand(frame, CAMERA).found)


def plot(results: list[dict[str, Any]], path: Path) -> None:
    """Draw the times of one crop and one frame with the first number of threads."""
    import matplotlib.pyplot as plt

    threads = results[0]["threads"]
    rows = [row for row in results if row["threads"] == threads and row["batch"] == 1 and row["network"] != "paper"]
    rows.sort(key=lambda row: row["ms"], reverse=True)
    labels = [f"{row['network']}, {row['what']}: {row['engine']} {row['precision']}" for row in rows]
    colours = {"keras": "tab:gray", "onnx": "tab:orange", "litert": "tab:blue"}
    figure, axes = plt.subplots(figsize=(9, 0.3 * len(rows) + 1), layout="constrained")
    bars = axes.barh(labels, [row["ms"] for row in rows], color=[colours[row["engine"]] for row in rows])
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.set_xlabel(f"ms, median, {threads} thread{'s' if threads > 1 else ''}")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
