"""Engines run a network on crops. They are all that the estimator knows of Keras, and of any other runtime."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

__all__ = ["Engine"]


@runtime_checkable
class Engine(Protocol):
    """Anything that turns crops into joints; `keras_handpose.engines.keras.KerasEngine` is one.

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
