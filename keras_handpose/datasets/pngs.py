"""Depth frames in PNG files, as ICVL, NYU and most recordings keep them."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from keras_handpose.cameras import Camera
from keras_handpose.files import whole_file
from keras_handpose.preprocessing import check_depth, read_depth

__all__ = ["LARGEST", "read_png", "write_png"]

LARGEST = 2**16 - 1
"""Greatest number of units that a PNG file holds."""


def read_png(path: Path, camera: Camera, *, format: str = "depth16", depth_scale: float = 1.0) -> np.ndarray:
    """Read a camera's frame in mm, shape ``(height, width)``, uint16 or float32.

    Args:
        path: The file.
        camera: The camera that took it.
        format: "depth16", or "nyu" for that dataset's three channels.
        depth_scale: Millimetres a unit of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or of another format or size.

    See Also:
        `write_png`, the inverse.
    """
    depth = read_depth(path, format=format)
    if depth.shape != camera.shape:
        raise ValueError(
            f"{path} is not a frame of camera {camera.name!r}, {camera.width} x {camera.height} px. "
            f"Received: {depth.shape[1]} x {depth.shape[0]} px. Fetch the file anew."
        )
    return check_depth(depth, depth_scale=depth_scale)


def write_png(path: str | os.PathLike, depth: np.ndarray, *, format: str = "depth16", depth_scale: float = 1.0) -> None:
    """Write a frame in mm, rounded to the file's units; missing depth, and depth beyond 16 bits, becomes 0.

    Args:
        path: The file.
        depth: Depth in mm, shape ``(height, width)``.
        format: "depth16", or "nyu" for that dataset's three channels.
        depth_scale: Millimetres a unit of the file.

    See Also:
        `read_png`, the inverse.
    """
    with np.errstate(invalid="ignore"):
        units = np.floor(depth / np.float32(depth_scale) + np.float32(0.5))
        units = np.where((units > 0) & (units <= LARGEST), units, 0).astype(np.uint16)
    if format == "nyu":
        units = np.stack([units & 255, units >> 8, np.zeros_like(units)], axis=-1).astype(np.uint8)
    written, encoded = cv2.imencode(".png", units)
    if not written:
        raise OSError(f"{path} could not be encoded as PNG.")
    with whole_file(path) as partial:
        partial.write_bytes(encoded.tobytes())
