"""Time of the estimator and of its parts, for one frame and for a batch, beside ``model.predict``.

    python benchmarks/estimator.py --output benchmarks/results/estimator.json

The frame is a rendered hand, the network has the default architecture and random weights. Each figure is the median
over many calls after a first one that compiles.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from report import write_report

from keras_handpose import CAMERAS, HandPoseEstimator, ResidualAttentionRegressor, crop_hand, detect_hand
from keras_handpose.synthetic import render_spheres, sample_scenes

CAMERA = CAMERAS["msra15"]
BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100, help="calls of each procedure")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()

    model = ResidualAttentionRegressor()
    estimator = HandPoseEstimator(model, camera=CAMERA, skeleton="msra21", cube=250.0)
    depth = example_frame()
    pose = estimator(depth)
    crops = np.repeat(pose.crop.image[None, ..., None], BATCH, axis=0)
    procedures: dict[str, Callable[[], object]] = {
        "frame to pose": lambda: estimator(depth),
        "detection": lambda: detect_hand(depth, CAMERA),
        "crop": lambda: crop_hand(depth, CAMERA, pose.centre_xyz),
        "network, one crop": lambda: estimator.engine(crops[:1]),
        "model.predict, one crop": lambda: model.predict(crops[:1], verbose=0),
        f"network, {BATCH} crops": lambda: estimator.engine(crops),
    }
    write_report(
        {
            "backend": keras.backend.backend(),
            "frame": f"{CAMERA.width}x{CAMERA.height}",
            "unit": "ms, median",
            "calls": arguments.calls,
            "results": {name: median_ms(procedure, arguments.calls) for name, procedure in procedures.items()},
        },
        arguments.output,
    )


def example_frame() -> np.ndarray:
    """Render a hand that detection finds, uint16 mm."""
    scenes = sample_scenes(16, np.random.default_rng(0), CAMERA, distance=(380.0, 420.0), walls=0.0)
    frames = (render_spheres(spheres, CAMERA).round().astype(np.uint16) for spheres in scenes.spheres)
    return next(frame for frame in frames if detect_hand(frame, CAMERA).found)


def median_ms(procedure: Callable[[], object], calls: int) -> float:
    procedure()
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        procedure()
        times.append(time.perf_counter() - start)
    return round(1000 * statistics.median(times), 3)


if __name__ == "__main__":
    main()
