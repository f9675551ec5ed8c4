"""Frames with a disc of a palm's size, which is all that it takes to find a hand."""

from __future__ import annotations

import numpy as np

from keras_handpose import CAMERAS, MSRA21
from keras_handpose.cameras import Camera
from keras_handpose.datasets import Frame


def palm_frame(seed: int, *, hand: str = "right", camera: Camera = CAMERAS["msra15"], **labels: str) -> Frame:
    """Return a frame with a tilted disc 350 to 450 mm away and joints scattered around it, mm with decimals."""
    rng = np.random.default_rng(seed)
    x, y, z = rng.uniform((-60, -40, 350), (60, 40, 450)).round(1)
    v, u = np.mgrid[: camera.height, : camera.width]
    across, down = (u - camera.cx) / camera.fx * z - x, (v - camera.cy) / camera.fy * z - y
    depth = np.where(np.hypot(across, down) < 45, z + 0.3 * across, 0).astype(np.float32)
    joints_xyz = (rng.normal(0, 30, (21, 3)) + (x, y, z)).round(3).astype(np.float32)
    return Frame(depth=depth, joints_xyz=joints_xyz, camera=camera, skeleton=MSRA21, hand=hand, **labels)


def blank_frame(**labels: str) -> Frame:
    """Return a frame in which there is nothing."""
    camera = CAMERAS["msra15"]
    return Frame(
        depth=np.zeros(camera.shape, np.float32),
        joints_xyz=np.full((21, 3), 400.0),
        camera=camera,
        skeleton=MSRA21,
        **labels,
    )
