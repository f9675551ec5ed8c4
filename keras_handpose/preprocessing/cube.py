"""The cube in camera space that holds the hand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from keras_handpose.checks import as_array, as_number

__all__ = ["HandCube", "as_points"]


@dataclass(frozen=True, kw_only=True)
class HandCube:
    """An axis-aligned cube around a hand, and the way between mm and the unit cube.

    ``joints_unit = (joints_xyz - centre_xyz) / (size / 2)``: the cube's faces are at -1 and 1.

    Args:
        centre_xyz: Centre in camera space, three numbers in mm; it lies in front of the camera.
        size: Edge in mm.

    Raises:
        ValueError: The centre is not three finite numbers with ``z > 0``, or the edge is not positive.

    Example:
        >>> cube = HandCube(centre_xyz=(0, 0, 400), size=250)
        >>> cube.xyz_to_unit([[125.0, 0.0, 400.0]]).tolist()
        [[1.0, 0.0, 0.0]]
    """

    centre_xyz: tuple[float, float, float]
    size: float

    def __post_init__(self) -> None:
        centre = as_array(self.centre_xyz)
        x, y, z = centre.tolist() if centre.shape == (3,) and centre.dtype.kind in "iuf" else (math.nan,) * 3
        if not (math.isfinite(x) and math.isfinite(y) and math.isfinite(z) and z > 0):
            raise ValueError(
                "A hand's centre is three finite numbers x, y, z in mm with z > 0 (in front of the camera). "
                f"Received: {self.centre_xyz!r}. Where no hand was found there is nothing to crop."
            )
        size = as_number(self.size)
        if not 0 < size < math.inf:
            raise ValueError(f"A cube's edge must be a positive number of mm. Received: {self.size!r}.")
        object.__setattr__(self, "centre_xyz", (float(x), float(y), float(z)))
        object.__setattr__(self, "size", size)

    def xyz_to_unit(self, joints_xyz: np.ndarray) -> np.ndarray:
        """Bring points from camera space to the unit cube.

        Args:
            joints_xyz: Points in mm, shape ``(..., 3)``.

        Returns:
            Points of shape ``(..., 3)``, in the input's floating type (integers become float64).

        See Also:
            `unit_to_xyz`, the inverse.
        """
        points = as_points(joints_xyz)
        return ((points - self.centre_xyz) / (self.size / 2)).astype(points.dtype, copy=False)

    def unit_to_xyz(self, joints_unit: np.ndarray) -> np.ndarray:
        """Bring points from the unit cube to camera space.

        Args:
            joints_unit: Points in the cube, shape ``(..., 3)``.

        Returns:
            Points in mm, shape ``(..., 3)``, in the input's floating type (integers become float64).

        See Also:
            `xyz_to_unit`, the inverse.
        """
        points = as_points(joints_unit)
        return (points * (self.size / 2) + self.centre_xyz).astype(points.dtype, copy=False)


def as_points(values: np.ndarray) -> np.ndarray:
    """Return points as floats.

    Raises:
        ValueError: They are not numbers of shape ``(..., 3)``.
    """
    points = as_array(values)
    if points.dtype.kind not in "fiu" or points.ndim < 1 or points.shape[-1] != 3:
        raise ValueError(f"Points are numbers of shape (..., 3). Received: shape {points.shape}, dtype {points.dtype}.")
    return points if points.dtype.kind == "f" else points.astype(np.float64)
