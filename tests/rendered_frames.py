"""Rendered frames of several cameras, for what must compute the same as the NumPy pre-processing."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from keras_handpose import Camera
from keras_handpose.synthetic import RIGS, SENSORS, sample_scenes

__all__ = ["NAMES", "parameters", "rendered_frames"]

NAMES = ("msra15", "sr305", "realsense_d435")


@lru_cache
def rendered_frames(name: str, n: int = 4) -> tuple[Camera, np.ndarray]:
    """Return a camera and frames of it in mm, float32, shape ``(n, height, width)``."""
    rig = RIGS[name]
    scenes = sample_scenes(n, np.random.default_rng(0), rig.camera)
    frames = np.stack([scenes.shoot(i, rig.camera, SENSORS[rig.sensor], seed=i) for i in range(n)])
    frames.setflags(write=False)
    return rig.camera, frames


def parameters(camera: Camera, n: int = 1) -> np.ndarray:
    """Return ``fx fy cx cy`` as layers take them, shape ``(n, 4)``."""
    return np.tile(np.float32([camera.fx, camera.fy, camera.cx, camera.cy]), (n, 1))
