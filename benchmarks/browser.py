"""Time of a frame in WebAssembly, one thread, for every precision, beside onnxruntime on the same machine.

    cd examples/browser && npm ci && cd ../..
    python benchmarks/browser.py --output benchmarks/results/browser.json

It exports the whole pipeline in each precision and runs the page's own modules in Node on the package's sample frames,
in turns with the same file in onnxruntime, so that what else the machine does hits both alike. Each figure is the
median over a round's runs and the fastest of them, both of the best round. `difference from Keras` is the largest of a
coordinate on these frames. What a visitor loads is the page's files as they are and as a server sends them, compressed
by gzip.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from report import write_report

import keras_handpose as khp

PAGE = Path(__file__).parents[1] / "examples" / "browser"
SAMPLES = Path(khp.__file__).parent / "samples"
PRECISIONS = (None, "float16", "dynamic", "int8")
LOADED = (
    *("index.html", "style.css", "page.js", "drawing.js", "hand_pose.js", "cameras.json"),
    "node_modules/pbf/index.js",
    "node_modules/fast-png/lib/**/*.js",
    "node_modules/fflate/esm/browser.js",
    "node_modules/iobuffer/lib/*.js",
    "node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs",
    "node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="msra")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=100, help="runs of a frame in a round")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()

    labels = json.loads((SAMPLES / "samples.json").read_text(encoding="utf-8"))
    keras = []
    for label in labels:
        estimator, depth = opened(arguments.weights, label, engine="keras")
        keras.append(estimator(depth).joints_xyz)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for quantize in PRECISIONS:
            path = Path(folder) / f"{quantize or 'float32'}.onnx"
            khp.export(khp.HandPoseEstimator(arguments.weights, camera="msra15"), path, quantize=quantize)
            results[path.stem] = {
                "file, MB": round(path.stat().st_size / 1e6, 2),
                **{
                    label["sensor"]: measured(path, label, expected, arguments)
                    for label, expected in zip(labels, keras, strict=True)
                },
            }
    loaded = [file.read_bytes() for pattern in LOADED for file in PAGE.glob(pattern)]
    write_report(
        {
            "unit": "ms, frame to joints",
            "threads": 1,
            "node": subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip(),
            "rounds": arguments.rounds,
            "runs": arguments.runs,
            "page, MB": {
                "as it is": round(sum(map(len, loaded)) / 1e6, 2),
                "gzip": round(sum(len(gzip.compress(content)) for content in loaded) / 1e6, 2),
            },
            "results": results,
        },
        arguments.output,
    )


def measured(path: Path, label: dict[str, Any], expected: np.ndarray, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the times of one sample frame, and how far the joints are from those of Keras."""
    estimator, depth = opened(path, label, threads=1)
    in_wasm, in_onnxruntime = [], []
    for _ in range(arguments.rounds):
        pose = in_node(path, label, arguments.runs)
        in_wasm.append((pose["milliseconds"]["median"], pose["milliseconds"]["least"]))
        in_onnxruntime.append(timed(lambda: estimator(depth), arguments.runs))
    return {
        "frame": f"{depth.shape[1]}x{depth.shape[0]}",
        "onnxruntime-web, median and least": min(in_wasm),
        "onnxruntime, median and least": min(in_onnxruntime),
        "difference from Keras, mm": round(float(np.abs(np.array(pose["joints_xyz"]) - expected).max()), 3),
    }


def opened(source: str | Path, label: dict[str, Any], **options: Any) -> tuple[khp.HandPoseEstimator, np.ndarray]:
    """Return the estimator for a sample frame, and the frame."""
    camera = khp.Camera(**label["camera"])
    estimator = khp.HandPoseEstimator(
        source, camera=camera, hand=label["hand"], depth_scale=label["depth_scale"], **options
    )
    return estimator, khp.read_depth(SAMPLES / label["file"])


def in_node(path: Path, label: dict[str, Any], runs: int) -> dict[str, Any]:
    """Run the page's modules on a sample frame."""
    command = ["node", "estimate.js", path, SAMPLES / label["file"], f"--camera={label['camera']['name']}"]
    command += [f"--depth-scale={label['depth_scale']}", f"--hand={label['hand']}", f"--repeat={runs}"]
    return json.loads(subprocess.run(command, cwd=PAGE, capture_output=True, text=True, check=True).stdout)


def timed(function: Callable[[], object], runs: int) -> tuple[float, float]:
    """Return the median and the least milliseconds that a call takes."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append((time.perf_counter() - start) * 1e3)
    return round(statistics.median(times), 2), round(min(times), 2)


if __name__ == "__main__":
    main()
