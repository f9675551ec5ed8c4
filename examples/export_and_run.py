"""Export a preset to one TFLite file, and estimate poses with it: through the estimator, and without this library.

python examples/export_and_run.py hand.tflite
"""

from __future__ import annotations

import json
import sys
import zipfile
from importlib import resources
from pathlib import Path

import numpy as np

import keras_handpose as khp

CAMERA = khp.CAMERAS["msra15"]


def export(path: Path, weights: str = "msra") -> None:
    """Write the whole way from a depth frame to joints in mm, and say how it compares with Keras."""
    estimator = khp.HandPoseEstimator(weights, camera=CAMERA, engine="keras")
    print(khp.export(estimator, path))


def run_with_the_estimator(path: Path, depth: np.ndarray) -> np.ndarray:
    """Return the joints in mm. Neither Keras nor TensorFlow is needed for this."""
    estimator = khp.HandPoseEstimator(path, camera=CAMERA)
    return estimator(depth).joints_xyz


def run_with_litert(path: Path, depth: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return the joints' names and places in mm, by the runtime alone, as in an application of any language."""
    from ai_edge_litert.interpreter import Interpreter

    with zipfile.ZipFile(path) as archive:
        names = json.loads(archive.read("keras_handpose.json"))["skeleton"]["joint_names"]
    outputs = Interpreter(str(path)).get_signature_runner()(
        depth=depth.astype(np.float32),  # mm; 0 where there is none
        camera=np.float32([CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy]),
        mirror=np.array(False),  # true for left hands
        centre=np.zeros(3, np.float32),  # zeros: find the hand
    )
    return names, outputs["joints_xyz"]


def main(path: Path, weights: str = "msra") -> None:
    depth = khp.read_depth(resources.files("keras_handpose") / "samples" / "time_of_flight.png")
    export(path, weights)
    joints_xyz = run_with_the_estimator(path, depth)
    for name, alone, joint in zip(*run_with_litert(path, depth), joints_xyz, strict=True):
        print(f"{name:12} {np.round(joint, 1)} mm, by LiteRT alone {np.round(alone, 1)} mm")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "hand.tflite"))
