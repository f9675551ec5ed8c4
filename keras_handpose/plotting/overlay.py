"""Pictures of frames that come many times a second: depth in colours, with skeletons and a few words over it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from matplotlib.colors import to_rgb

from keras_handpose.cameras import Camera, check_camera, xyz_to_uvd
from keras_handpose.checks import as_number
from keras_handpose.plotting.drawing import brightness, check_poses
from keras_handpose.plotting.look import DEPTH, FINGER_COLOURS, GROUND, INK, NO_DEPTH, NO_DEPTH_DOTS, PALM
from keras_handpose.preprocessing import BACKGROUND, check_depth

if TYPE_CHECKING:
    from keras_handpose.estimator import Pose
    from keras_handpose.skeletons import Skeleton

__all__ = ["overlay_poses"]

_LEVELS = 255  # Of depth; the last index of the palette is for no depth.
_STEP = 0.25  # mm that are told apart in frames of floats; 16 bits of it reach to 16 m.
_SAMPLED = 10_000  # Pixels that say where the nearer part of a frame is.
_FADED = 2000.0  # mm behind the hand at which all is equally dark.
_FULL_LIGHT = 200.0
_SHIFT = 4  # OpenCV draws to 1/16 px.
_HUGE = float(np.finfo(np.float32).max)
_FURTHEST = 30_000.0  # px. OpenCV's lines end there.


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in to_rgb(colour))
    return red, green, blue


_PALETTE = np.concatenate([DEPTH(np.linspace(0, 1, _LEVELS), bytes=True)[:, :3], [_rgb(NO_DEPTH)]]).astype(np.uint8)
_WHITE = (255, 255, 255)


def overlay_poses(
    depth: np.ndarray,
    poses: Sequence[Pose],
    *,
    camera: Camera | None = None,
    depth_scale: float = 1.0,
    text: Sequence[str] = (),
    width: int | None = None,
) -> np.ndarray:
    """Draw the poses in a frame over its depth, fast enough for every frame of a camera.

    Depth has contrast on the hands, or, where there is none, on the nearer part of the frame; dots are where there is
    no depth. Joints that are NaN or behind the camera are left out with their bones, and those outside of the frame
    are not seen.

    Args:
        depth: The frame, shape ``(height, width)``, in units of ``depth_scale`` mm.
        poses: The poses in it, possibly none; those without a hand draw nothing.
        camera: The camera that took the frame; by default that of each pose.
        depth_scale: Millimetres in one unit of the frame.
        text: Lines to write in the upper left corner.
        width: Width of the picture in px; by default the frame's. Lines stay as sharp.

    Returns:
        The picture in RGB, shape ``(height, width, 3)``, uint8.

    Raises:
        TypeError, ValueError: The frame is not a depth frame of the camera, something is no pose or no text, or the
            width is not positive.

    See Also:
        `plot_pose`, a figure with the crop and the hand in space.

    Example:
        >>> from keras_handpose.cameras import CAMERAS
        >>> from keras_handpose.estimator import Pose
        >>> from keras_handpose.skeletons import MSRA21
        >>> nothing = Pose.not_found(skeleton=MSRA21, camera=CAMERAS["msra15"])
        >>> overlay_poses(np.full((240, 320), 900, np.uint16), [nothing], text=["30 frames/s"], width=640).shape
        (480, 640, 3)
    """
    check_poses(poses)
    if width is not None and not (as_number(width) >= 1 and as_number(width).is_integer()):
        raise ValueError(f"`width` must be a whole number of px, at least 1. Received: {width!r}.")
    if isinstance(text, str) or not isinstance(text, Sequence) or not all(isinstance(line, str) for line in text):
        raise TypeError(f"`text` must be a list of lines. Received: {text!r:.80}.")
    if camera is not None:
        check_camera(camera)
    cameras = {camera} if camera is not None else {pose.camera for pose in poses}
    for seen_by in cameras or {None}:
        check_depth(depth, camera=seen_by)
    units, step = _as_integers(depth, depth_scale)
    frame_width = units.shape[1]
    # A frame alone does not say how large its pixels are: 60 degrees is a usual field of view.
    focal_length = max((seen_by.fx for seen_by in cameras), default=0.87 * frame_width)
    near, far = _range_of_interest(units, step, poses)
    image = _resized(_coloured(units, step, near, far, (near + far) / 2 / focal_length), width)
    zoom = image.shape[1] / frame_width
    unit = min(max(image.shape[1] / 640, 0.5), 4.0)
    for pose in poses:
        if pose.crop is not None:
            corner = np.array([pose.crop.left - 0.5, pose.crop.top - 0.5])
            size = np.array([pose.crop.width, pose.crop.height])
            _draw_corners(image, _zoomed(corner, zoom), size * zoom, unit)
        if pose.found:
            points = xyz_to_uvd(pose.joints_xyz, camera or pose.camera)[:, :2]
            _draw_skeleton(image, _zoomed(points, zoom), pose.skeleton, unit)
    _write(image, text, unit)
    return image


def _as_integers(depth: np.ndarray, depth_scale: float) -> tuple[np.ndarray, float]:
    """Return a frame as 16-bit integers, 0 where there is no depth, and the mm in one unit of it."""
    depth = np.asarray(depth)
    if depth.dtype == np.uint16:
        check_depth(depth[:1, :1], depth_scale=depth_scale)
        return depth, depth_scale
    depth = check_depth(depth, depth_scale=depth_scale)
    # OpenCV rounds to 16 bits what it can hold, and makes 0 of what is negative or NaN.
    return cv2.multiply(cv2.threshold(depth, _HUGE, 0, cv2.THRESH_TOZERO_INV)[1], 1 / _STEP, dtype=cv2.CV_16U), _STEP


def _range_of_interest(units: np.ndarray, step: float, poses: Sequence[Pose]) -> tuple[float, float]:
    """Return the depths in mm to show with contrast: the hands', or those of the nearer part of a frame without one."""
    seen = [_depth_of_hand(pose) for pose in poses if pose.found]
    every = max(1, math.isqrt(units.size // _SAMPLED))
    values, shares = (np.concatenate(seen), (2, 98)) if seen else (units[::every, ::every] * step, (1, 75))
    values = values[np.isfinite(values) & (values > 0)]
    near, far = np.percentile(values, shares) if values.size else (0.0, 0.0)
    return float(near), float(max(far, near + 100))


def _depth_of_hand(pose: Pose) -> np.ndarray:
    if pose.crop is None:
        return pose.joints_xyz[:, 2]
    image = pose.crop.image[::2, ::2]
    return image[image < BACKGROUND] * (pose.crop.cube.size / 2) + pose.crop.cube.centre_xyz[2]


def _coloured(units: np.ndarray, step: float, near: float, far: float, pixel: float) -> np.ndarray:
    """Return a frame's colours: two tables lead from depth to one of a few levels and from there to RGB."""
    last = min(math.ceil((far + _FADED) / step), 65_535)
    levels = np.rint((_LEVELS - 1) * brightness(np.arange(last + 1) * step, near, far)).astype(np.uint8)
    levels[0] = _LEVELS
    level = levels.take(units, mode="clip")
    image = cv2.applyColorMap(level, _PALETTE[:, None])
    cv2.multiply(image, _light_on(units, step, pixel), image, scale=1 / _FULL_LIGHT)
    return _dotted(image, level == _LEVELS)


def _light_on(units: np.ndarray, step: float, pixel: float) -> np.ndarray:
    """Return how brightly a frame is lit from the upper left in 1 / 200, shape ``(height, width, 3)``, uint8.

    It is the light of `plot_pose` at half the resolution; ``pixel`` is the size of a pixel in mm on the hand.
    """
    height, width = units.shape
    half = units[::2, ::2] * np.float32(step)
    smooth = cv2.bilateralFilter(half, 5, sigmaColor=12, sigmaSpace=1.5 / pixel)
    slope_u, slope_v = (
        cv2.Sobel(smooth, cv2.CV_32F, along_u, 1 - along_u, ksize=1, scale=0.25 / pixel) for along_u in (1, 0)
    )
    # Depths that differ by much are different surfaces, not a tilted one.
    for slope in (slope_u, slope_v):
        slope[abs(slope) > 4] = 0
    facing = (1.0 - 0.7 * slope_u - 0.8 * slope_v) / np.sqrt(slope_u * slope_u + slope_v * slope_v + 1)
    light = cv2.convertScaleAbs(np.clip(0.4 + 0.6 * facing, 0.45, 1.12), alpha=_FULL_LIGHT)
    return cv2.cvtColor(cv2.resize(light, (width, height)), cv2.COLOR_GRAY2RGB)


def _dotted(image: np.ndarray, missing: np.ndarray) -> np.ndarray:
    height, width = missing.shape
    step = max(height / 32, 4.0)
    rows, columns = (np.arange(step / 2, length, step).astype(int) for length in (height, width))
    places = np.ix_(rows, columns)
    image[places] = np.where(missing[places][..., None], np.uint8(_rgb(NO_DEPTH_DOTS)), image[places])
    return image


def _resized(image: np.ndarray, width: int | None) -> np.ndarray:
    if width is None or width == image.shape[1]:
        return image
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    smaller = width < image.shape[1]
    return cv2.resize(image, (int(width), height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def _zoomed(points_uv: np.ndarray, zoom: float) -> np.ndarray:
    """Bring pixels of a frame to those of its resized picture; both have their centres at integers."""
    return (points_uv + 0.5) * zoom - 0.5


def _fixed(point: np.ndarray) -> tuple[int, int]:
    u, v = np.rint(np.clip(point, -_FURTHEST, _FURTHEST) * 2**_SHIFT).astype(int).tolist()
    return u, v


def _draw_skeleton(image: np.ndarray, points: np.ndarray, skeleton: Skeleton, unit: float) -> None:
    seen = np.isfinite(points).all(axis=1)
    places = [_fixed(point) for point in np.nan_to_num(points)]
    colours = [_rgb(PALM)] * len(skeleton)
    for finger, joints in skeleton.fingers.items():
        for joint in joints:
            colours[joint] = _rgb(FINGER_COLOURS.get(finger, PALM))
    bones = [(inner, outer) for inner, outer in skeleton.bones if seen[inner] and seen[outer]]
    for ground, thickness in ((_rgb(GROUND), _px(6 * unit)), (None, _px(4 * unit))):
        for inner, outer in bones:
            colour = ground or colours[outer]
            cv2.line(image, places[inner], places[outer], colour, thickness, cv2.LINE_AA, _SHIFT)
    radius = max(3.2 * unit, 1.5)
    for joint in np.flatnonzero(seen):
        for colour, size in ((_WHITE, radius + max(1.1 * unit, 0.7)), (colours[joint], radius)):
            cv2.circle(image, places[joint], round(size * 2**_SHIFT), colour, cv2.FILLED, cv2.LINE_AA, _SHIFT)


def _draw_corners(image: np.ndarray, corner: np.ndarray, size: np.ndarray, unit: float) -> None:
    """Mark the corners of the cube's window, given its upper left one."""
    for side in np.array([(0, 0), (1, 0), (0, 1), (1, 1)]):
        start = corner + side * size
        for inwards in (1 - 2 * side) * size * ((0.1, 0), (0, 0.1)):
            cv2.line(image, _fixed(start), _fixed(start + inwards), _rgb(INK), _px(2 * unit), cv2.LINE_AA, _SHIFT)


def _write(image: np.ndarray, text: Sequence[str], unit: float) -> None:
    size = max(0.5 * unit, 0.3)
    for number, line in enumerate(text, 1):
        place = (round(10 * unit), round(24 * unit * number))
        shadow = (place[0] + _px(unit), place[1] + _px(unit))
        for where, colour in ((shadow, _rgb(GROUND)), (place, _rgb(INK))):
            cv2.putText(image, line, where, cv2.FONT_HERSHEY_SIMPLEX, size, colour, _px(unit), cv2.LINE_AA)


def _px(thickness: float) -> int:
    return max(1, round(thickness))
