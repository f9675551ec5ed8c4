"""Solids that stand about a hand: boxes, cylinders and ellipsoids as rows of sixteen numbers.

A row holds the kind (1 box, 2 elliptic cylinder around the own y axis, 3 ellipsoid), the centre in mm, the three own
axes as the rows of a 3 x 3 matrix and the half sizes along them in mm.
"""

from __future__ import annotations

import numpy as np

__all__ = ["box", "cylinder", "ellipsoid", "frame_along", "moved"]


def box(centre: np.ndarray, axes: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Return a box.

    Args:
        centre: Its centre in mm, shape ``(3,)``.
        axes: Own axes as columns, shape ``(3, 3)``.
        half: Half sizes along the own x, y and z in mm, shape ``(3,)``.

    Returns:
        The solid, float32, shape ``(16,)``.

    Example:
        >>> import numpy as np
        >>> box([0, 0, 500], np.eye(3), [20, 20, 10]).shape
        (16,)
    """
    return _solid(1.0, centre, axes, half)


def cylinder(centre: np.ndarray, axes: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Return a cylinder around its own y axis, with flat ends; arguments as for `box`."""
    return _solid(2.0, centre, axes, half)


def ellipsoid(centre: np.ndarray, axes: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Return an ellipsoid; arguments as for `box`."""
    return _solid(3.0, centre, axes, half)


def moved(solids: np.ndarray, rotation: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Rotate solids of shape ``(solids, 16)`` about the origin, then shift them by mm.

    Example:
        >>> import numpy as np
        >>> moved(box([0, 0, 500], np.eye(3), [20, 20, 10])[None], np.eye(3), np.array([1, 2, 3]))[0, 1:4].tolist()
        [1.0, 2.0, 503.0]
    """
    out = solids.copy()
    out[:, 1:4] = solids[:, 1:4] @ rotation.T + shift
    out[:, 4:13] = (solids[:, 4:13].reshape(-1, 3, 3) @ rotation.T).reshape(-1, 9)
    return out


def frame_along(direction: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """Return axes as columns: y along a direction, z as near as may be to another one, shape ``(3, 3)``.

    Example:
        >>> import numpy as np
        >>> frame_along(np.array([0.0, 2.0, 0.0]), np.array([0.0, 1.0, 1.0])).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    y = direction / np.sqrt(direction @ direction)
    z = towards - (towards @ y) * y
    size = np.sqrt(z @ z)
    if size < 1e-6:
        return frame_along(direction, np.roll(y, 1) + [0.1, 0.0, 0.0])
    z = z / size
    x = np.array([y[1] * z[2] - y[2] * z[1], y[2] * z[0] - y[0] * z[2], y[0] * z[1] - y[1] * z[0]])
    return np.stack([x, y, z], axis=-1)


def _solid(kind: float, centre: np.ndarray, axes: np.ndarray, half: np.ndarray) -> np.ndarray:
    out = np.empty(16, np.float32)
    out[0] = kind
    out[1:4] = centre
    out[4:13] = axes.T.ravel()
    out[13:] = half
    return out
