"""Labelled crops, what a network learns from, and what any source of them can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from keras_handpose.skeletons import Skeleton

__all__ = ["CropSource", "LabelledCrops"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledCrops:
    """Crops of right hands with their joints; in memory, and so a `CropSource` as well.

    A left hand was mirrored when it was cropped: its image, joints and centre are those of the right hand that a camera
    would have seen in a mirror.

    Args:
        images: Normalised depth, background exactly 1.0, float32, shape ``(n, size, size, 1)``.
        joints_unit: Joints in the unit cube, float32, shape ``(n, joints, 3)``.
        centres_xyz: Centres of the cubes in mm, float64, shape ``(n, 3)``.
        cubes: Edges of the cubes in mm, float64, shape ``(n,)``.
        skeleton: Layout of the joints.

    Example:
        >>> from keras_handpose.synthetic import render_crops
        >>> crops = render_crops(3, seed=0)
        >>> crops.joints_xyz.shape, len(crops.crops(np.array([2, 0])))
        ((3, 21, 3), 2)
    """

    images: np.ndarray
    joints_unit: np.ndarray
    centres_xyz: np.ndarray
    cubes: np.ndarray
    skeleton: Skeleton

    def __len__(self) -> int:
        return len(self.images)

    @property
    def joints_xyz(self) -> np.ndarray:
        """Joints in camera space in mm, float64, shape ``(n, joints, 3)``."""
        return self.joints_unit * (self.cubes[:, None, None] / 2) + self.centres_xyz[:, None]

    def crops(self, indices: np.ndarray) -> LabelledCrops:
        """Copy the crops of these numbers, shape ``(m,)``, in their order."""
        return LabelledCrops(
            images=self.images[indices],
            joints_unit=self.joints_unit[indices],
            centres_xyz=self.centres_xyz[indices],
            cubes=self.cubes[indices],
            skeleton=self.skeleton,
        )


class CropSource(Protocol):
    """Anything that gives labelled crops by their numbers: a crop store, crops in memory, the renderer.

    The same numbers give the same crops. Several threads may ask at once.
    """

    @property
    def skeleton(self) -> Skeleton:
        """Layout of the joints."""

    def __len__(self) -> int:
        """Number of crops."""

    def crops(self, indices: np.ndarray) -> LabelledCrops:
        """Return the crops of these numbers, shape ``(m,)``, in their order."""
