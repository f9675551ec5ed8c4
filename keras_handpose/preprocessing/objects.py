"""Taking an object out of a depth frame: the hand that was found, so that the next one can be.

The object is the surface that hangs together around a centre: hand and forearm. It is grown over samples that lie
about `PITCH` mm apart, from all that lie within `CORE` of the centre and no more than `BEHIND` behind it (so that
fingers before the palm, or behind a gap, belong to it), to neighbours

- whose depth differs by at most ``step``: a body behind the hand stays where there is a step between the two;
- that lie within ``reach`` of the centre: where the arm joins the body, only so much is taken of it;
- that do not lead back to the centre: in the plane of the centre the distance from it may shrink by no more than
  `BACK` of the way. From the arm to the body, up the other arm and out to the other hand is no way.

Pixels without depth are free space to `detect_hand`, in which what is left of an arm, or the wall beside it, may look
like a palm. Where the next hand is looked for, only the middle of the object becomes free, and the rest `COVERED`: all
beyond `FREE` mm from the centre, or `FREE_BEFORE_WALL` where there is depth in 0.3 of the object's surroundings.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from keras_handpose.cameras import Camera, check_camera
from keras_handpose.checks import check_positive
from keras_handpose.preprocessing.cube import HandCube
from keras_handpose.preprocessing.frames import check_depth

__all__ = ["COVERED", "object_area", "remove_object"]

COVERED = 1
"""Depth in mm of what is covered: so close that nothing takes it for a hand or puts it into a cube, and in the way."""

PITCH = 4.0
CORE = 75.0
BEHIND = 30.0
BACK = 0.2
FREE, FREE_BEFORE_WALL = 250.0, 80.0
_FLOOD = cv2.FLOODFILL_MASK_ONLY | 8 | 1 << 8  # Only mark, with eight neighbours, and mark with a 1.
_EDGE = np.ones((3, 3), np.uint8)  # Flying pixels around the object are taken along.
_SURROUNDINGS = np.ones((21, 21), np.uint8)  # About 30 mm on each side.


def remove_object(
    depth: np.ndarray,
    camera: Camera,
    centre_xyz: np.ndarray,
    *,
    reach: float = 450.0,
    step: float = 15.0,
    cover: bool = False,
) -> np.ndarray:
    """Take the connected surface around a point out of a depth frame, as this module describes it.

    Args:
        depth: Frame in mm, shape ``(height, width)``; see `check_depth`.
        camera: The camera that took it.
        centre_xyz: A point of the object in mm, shape ``(3,)``, such as `detect_hand`'s centre.
        reach: Greatest distance in mm from the centre of what is taken out; 450 mm are a hand and its forearm.
        step: Greatest difference in mm between the depths of samples that hang together.
        cover: Whether pixels away from the centre become `COVERED` instead of 0, as this module describes it.

    Returns:
        The frame without the object, in mm, uint16 or float32; a copy, also where there is nothing at the centre.

    Raises:
        TypeError, ValueError: The frame is not a depth frame or not the camera's, the centre is not finite and in
            front of the camera, or a length is not positive.

    Example:
        >>> from keras_handpose.cameras import CAMERAS
        >>> frame = np.full((240, 320), 700, np.uint16)
        >>> frame[100:140, 140:180] = 400
        >>> rest = remove_object(frame, CAMERAS["msra15"], (0, 0, 400))
        >>> int(rest[120, 160]), int(rest[120, 100])
        (0, 700)
    """
    depth = check_depth(depth, camera=check_camera(camera))
    surface = _grow(depth, camera, centre_xyz, reach, step)
    taken = cv2.dilate(surface.taken, _EDGE)
    if cover:
        around = surface.d[cv2.dilate(taken, _SURROUNDINGS) > taken]
        before_wall = np.count_nonzero(around > 0) > 0.3 * around.size
        taken[(taken > 0) & (surface.in_plane >= (FREE_BEFORE_WALL if before_wall else FREE))] = 2
    left = np.where(taken == 2, COVERED, 0).astype(depth.dtype)
    kept, left = (_enlarged(x, surface.stride, depth.shape) for x in ((taken == 0).view(np.uint8), left))
    return cv2.copyTo(depth, kept, left)


def object_area(
    depth: np.ndarray, camera: Camera, centre_xyz: np.ndarray, *, reach: float = 150.0, step: float = 15.0
) -> float:
    """Measure the connected surface around a point: how much of it is seen, as if it all faced the camera.

    Args:
        depth, camera, centre_xyz, reach, step: As for `remove_object`.

    Returns:
        The area in mm². Within 150 mm of their centres, hands with their forearms have 3,000 to 30,000 mm².

    Raises:
        TypeError, ValueError: As for `remove_object`.

    Example:
        >>> from keras_handpose.cameras import CAMERAS
        >>> frame = np.full((240, 320), 700, np.uint16)
        >>> frame[90:150, 130:190] = 400
        >>> round(object_area(frame, CAMERAS["msra15"], (0, 0, 400)), -3)
        10000.0
    """
    surface = _grow(check_depth(depth, camera=check_camera(camera)), camera, centre_xyz, reach, step)
    return (
        float((surface.d[surface.taken > 0].astype(np.float64) ** 2).sum())
        * surface.stride**2
        / (camera.fx * camera.fy)
    )


class _Surface(NamedTuple):
    """Samples ``stride`` px apart: which are taken, their depths, and their distances from the centre in its plane."""

    taken: np.ndarray
    d: np.ndarray
    in_plane: np.ndarray
    stride: int


def _grow(depth: np.ndarray, camera: Camera, centre_xyz: np.ndarray, reach: float, step: float) -> _Surface:
    """Grow the surface around a centre, as this module describes it."""
    for name, length in (("reach", reach), ("step", step)):
        check_positive(length, name, "number of mm")
    x, y, z = HandCube(centre_xyz=centre_xyz, size=reach).centre_xyz
    stride = max(1, min(int(PITCH * min(camera.fx, camera.fy) / z), *depth.shape))
    rows, columns = (np.minimum(np.arange(0, n, stride) + stride // 2, n - 1) for n in depth.shape)
    d = depth.take(rows, axis=0).take(columns, axis=1).astype(np.float32, copy=False)
    across, down = np.float32((columns - camera.cx) / camera.fx), np.float32((rows - camera.cy) / camera.fy)[:, None]
    with np.errstate(invalid="ignore", over="ignore"):  # Missing depth may be NaN or infinite.
        x, y, z = np.float32([x, y, z])
        away = np.square(d * across - x)
        away += np.square(d * down - y)
        away += np.square(d - z)
        near = (d > COVERED) & (away < np.float32(reach**2))
        in_plane = np.sqrt(np.square(across * z - x) + np.square(down * z - y))

    channels = cv2.merge([np.where(near, d, 0), np.maximum(in_plane, np.float32(CORE)), np.zeros_like(in_plane)])
    back = BACK * float(z) * stride / min(camera.fx, camera.fy)
    marked = np.zeros((d.shape[0] + 2, d.shape[1] + 2), np.uint8)  # With the border that OpenCV asks for.
    taken = marked[1:-1, 1:-1]
    for row, column in np.argwhere(near & (away < CORE**2) & (d < z + BEHIND)).tolist():
        if not taken[row, column]:
            cv2.floodFill(channels, marked, (column, row), 0, (step, back, 0), (step, math.inf, 0), _FLOOD)
    return _Surface(taken.copy(), d, in_plane, stride)


def _enlarged(samples: np.ndarray, stride: int, shape: tuple[int, int]) -> np.ndarray:
    """Return a frame in which each sample fills ``stride`` x ``stride`` px."""
    height, width = samples.shape
    frame = cv2.resize(samples, (width * stride, height * stride), interpolation=cv2.INTER_NEAREST)
    return np.ascontiguousarray(frame[: shape[0], : shape[1]])
