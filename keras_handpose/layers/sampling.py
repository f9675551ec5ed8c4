"""Looking at depth frames inside of a graph: what the layers of the pre-processing share.

Everything is float32 arithmetic, comparisons and gathers of single pixels from the flattened frame, because these are
what the formats that graphs are exported to do fast. Missing depth is never removed from a frame, which would cost more
than all the rest: comparisons with NaN are false, and what they leave out becomes infinite and is cut off. The infinity
is needed. Where neither side of a choice is known to be NaN or infinite, a converter may write it as a sum of products,
which NaN survives.

Positions are counted in px from the frame's left and top edge: pixel ``k`` covers ``[k, k + 1)``. They and everything
else have rank 4: ``(batch, 2, ...)`` for u and v, or x and y, and ``(batch, 1, ...)`` for depth.
"""

from __future__ import annotations

import numpy as np
from keras import ops

__all__ = ["FAR", "at_crossings", "at_points", "cut_off", "first_of_each", "lens", "within"]

FAR = 1e9
"""A number of px or mm that is far outside of every frame and cube, and finite."""

# Of fx, fy, cx, cy in px: focal lengths lie in (0, 1e6), a principal point in (-1e6, 1e6).
_MIDDLE, _REACH = np.float32([[5e5, 5e5, 0, 0], [5e5, 5e5, 1e6, 1e6]])


def cut_off(values, inside, largest):
    """Return the values that are inside, none above the largest, and the largest for the others."""
    return ops.minimum(ops.where(inside, values, np.inf), largest)


def lens(camera):
    """Return focal length and principal point, both ``(batch, 2, 1, 1)``, of cameras ``fx fy cx cy``, ``(batch, 4)``.

    The principal point is counted from the frame's edges. Numbers that no camera has, and NaN, become `FAR`: what such
    a camera sees is empty, and no pixel is ever computed from NaN.
    """
    sound = ops.less(ops.abs(ops.subtract(camera, _MIDDLE)), _REACH)
    focal, principal = ops.split(ops.reshape(cut_off(camera, sound, FAR), (-1, 4, 1, 1)), 2, axis=1)
    return focal, principal + 0.5


def at_points(depth, uv):
    """Gather the pixels of depth frames that points fall on.

    Args:
        depth: Frames ``(batch, height, width)``, at most 2 ** 24 px each.
        uv: Positions ``(batch, 2, n, m)``, finite.

    Returns:
        The depth there, and zero or, outside of the frame, at least `FAR`; both ``(batch, 1, n, m)``. Outside the
        depth is that of some pixel on the frame's border.
    """
    (u, v), (beyond_u, beyond_v) = (ops.split(values, 2, axis=1) for values in _pixels(depth, uv))
    return _gather(depth, u, v), beyond_u + beyond_v


def at_crossings(depth, uv):
    """Gather the pixels of depth frames that the crossings of columns and rows fall on.

    Args:
        depth: Frames as for `at_points`.
        uv: Positions of the columns, and of as many rows, ``(batch, 2, n, 1)``, finite.

    Returns:
        As `at_points`, ``(batch, 1, n, n)``, rows first.
    """
    size = uv.shape[2]
    (u, v), (beyond_u, beyond_v) = (ops.split(values, 2, axis=1) for values in _pixels(depth, uv))
    u, beyond_u = (ops.reshape(values, (-1, 1, 1, size)) for values in (u, beyond_u))
    return _gather(depth, u, v), beyond_u + beyond_v


def within(values, outside, middle, reach):
    """Return where values inside of the frame are nearer to a middle than some reach; NaN is not."""
    return ops.abs(values - middle) + outside < reach


def first_of_each(batch, length):
    """Return where each one of a flattened batch begins, ``(batch, 1, 1, 1)``, int32."""
    return ops.reshape(ops.arange(batch, dtype="int32") * length, (-1, 1, 1, 1))


def _pixels(depth, uv):
    """Return the pixels in the frame nearest to positions, and zero or, outside, at least `FAR`."""
    _, height, width = ops.shape(depth)
    last = ops.reshape(ops.cast(ops.stack([width, height]), "float32") - 1.0, (2, 1, 1))
    pixels = ops.floor(uv)
    inside = ops.minimum(ops.maximum(pixels, 0.0), last)
    return inside, ops.abs(pixels - inside) * FAR


def _gather(depth, u, v):
    batch, height, width = ops.shape(depth)
    pixels = ops.cast(v * ops.cast(width, "float32") + u, "int32")
    if depth.shape[0] != 1:
        pixels = pixels + first_of_each(batch, height * width)
    sampled = ops.take(ops.reshape(depth, (-1,)), ops.reshape(pixels, (-1,)), axis=0)
    return ops.reshape(sampled, (-1, 1, v.shape[2], u.shape[3]))
