"""What runs a network on crops."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

__all__ = ["Engine", "check_crops"]


@runtime_checkable
class Engine(Protocol):
    """Anything that turns crops into joints: a `KerasEngine`, a `NetworkEngine`, or something of your own.

    Attributes:
        crop_size: Edge of the crops in px.
        joints: Number of joints.
    """

    crop_size: int
    joints: int

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """Estimate joints.

        Args:
            crops: Normalised crops, shape ``(n, crop_size, crop_size, 1)``, float32, any ``n >= 1``.

        Returns:
            ``joints_unit`` in the cubes of the crops, shape ``(n, joints, 3)``, float32.
        """
        ...


def check_crops(crops: np.ndarray, crop_size: int) -> np.ndarray:
    """Return crops as float32, C-contiguous.

    Raises:
        TypeError: They do not hold floats: depth that is not normalised, or a picture.
        ValueError: They do not have the shape ``(n, crop_size, crop_size, 1)`` with ``n >= 1``.
    """
    if crops.dtype.kind != "f":
        raise TypeError(f"`crops` must hold floats from -1 to 1, as `crop_hand` gives. Received: dtype {crops.dtype}.")
    expected = (crop_size, crop_size, 1)
    if crops.ndim != 4 or crops.shape[0] < 1 or crops.shape[1:] != expected:
        raise ValueError(f"`crops` must have shape (n, {', '.join(map(str, expected))}). Received: {crops.shape}.")
    return np.ascontiguousarray(crops, dtype=np.float32)
