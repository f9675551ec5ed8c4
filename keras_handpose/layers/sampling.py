"""Looking at depth frames inside of a graph: what the layers of the pre-processing share.

Everything is float32 arithmetic, comparisons and gathers of single pixels from the flattened frame, because these are
what the formats that graphs are exported to do fast. Missing depth is never removed from a frame, which would cost more
than all the rest, but falls out by comparisons: those with NaN are false.
"""

from __future__ import annotations

import numpy as np
from keras import ops

__all__ = ["FAR", "at_pixels", "sound", "within"]

FAR = 1e9
"""A number of px or mm that is far outside of every frame and cube, and finite."""

# Of fx, fy, cx, cy in px: focal lengths lie in (0, 1e6), a principal point in (-1e6, 1e6).
_MIDDLE, _REACH = np.float32([[5e5, 5e5, 0, 0], [5e5, 5e5, 1e6, 1e6]])


def sound(camera):
    """Return ``fx fy cx cy``, shape ``(batch, 4)``, with a number that is none replaced by `FAR`.

    A frame seen by such a camera shows nothing, and no pixel is ever computed from NaN.
    """
    off_middle = ops.abs(ops.subtract(camera, _MIDDLE))
    return ops.where(ops.less(off_middle, _REACH), camera, FAR)


def at_pixels(depth, u, v):
    """Gather pixels of depth frames.

    Args:
        depth: Frames ``(batch, height, width)``, at most 2 ** 24 px each.
        u, v: Pixels in whole numbers, float32, finite; shapes of rank 3 that together broadcast to the result's.

    Returns:
        The depth there, shape ``(batch, ...)``, and by how many px each lies outside of the frame; what comes from
        there is the depth of some pixel on the frame's border.
    """
    batch, height, width = ops.shape(depth)
    u_inside = _clip(u, width)
    v_inside = _clip(v, height)
    pixels = ops.cast(v_inside * ops.cast(width, "float32") + u_inside, "int32")
    if depth.shape[0] != 1:
        pixels = pixels + ops.reshape(ops.arange(batch, dtype="int32") * (height * width), (-1, 1, 1))
    outside = ops.abs(u - u_inside) + ops.abs(v - v_inside)
    return ops.take(ops.reshape(depth, (-1,)), pixels, axis=0), outside


def within(values, outside, low, high):
    """Return where ``low < values < high`` inside of the frame; NaN is not within."""
    middle, reach = (low + high) / 2, (high - low) / 2
    return ops.abs(values - middle) + outside * FAR < reach


def _clip(pixels, length):
    return ops.minimum(ops.maximum(pixels, 0.0), ops.cast(length, "float32") - 1.0)
