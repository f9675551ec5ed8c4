"""Depth and skeletons on axes, in the plane and in space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from mpl_toolkits.mplot3d.art3d import Line3DCollection

from keras_handpose.plotting.look import (
    CONTRAST_SHARE,
    DEPTH,
    FINGER_COLOURS,
    GROUND,
    INK,
    NO_DEPTH,
    NO_DEPTH_DOTS,
    PALM,
)
from keras_handpose.skeletons import Skeleton

if TYPE_CHECKING:
    from keras_handpose.estimator import Pose

__all__ = ["brightness", "check_poses", "check_title", "draw_corners", "draw_depth", "draw_skeleton", "draw_truth"]


def check_poses(poses: Sequence[Pose]) -> None:
    """Refuse what is no sequence of poses.

    Raises:
        TypeError: It is something else, or there is something else in it.
    """
    if not isinstance(poses, Sequence):
        raise TypeError(f"`poses` must be a list of Pose. Received: a {type(poses).__name__}. A single one is [pose].")
    for pose in poses:
        # The estimator stands on the same storey.
        if not all(hasattr(pose, name) for name in ("found", "joints_xyz", "crop", "camera", "skeleton")):
            raise TypeError(
                f"A pose is what an estimator returns, a Pose. Received: a {type(pose).__name__}. The frame comes "
                "before its pose; Pose.from_dict reads one from a file's values."
            )


def check_title(title: str | None) -> None:
    """Refuse a title that is no text.

    Raises:
        TypeError: It is neither text nor None.
    """
    if not isinstance(title, str | None):
        raise TypeError(f"`title` must be text. Received: {title!r:.80}.")


def draw_depth(axes: Axes, depth: np.ndarray, near: float, far: float, *, pixel: float) -> None:
    """Draw depth in mm with contrast between two depths, lit from the upper left; dots where there is none (NaN).

    ``pixel`` is the size of a pixel in mm on the hand.
    """
    height, width = depth.shape
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[], facecolor=NO_DEPTH)
    axes.spines[:].set_visible(False)
    image = DEPTH(np.nan_to_num(brightness(depth, near, far)))
    image[..., :3] = np.clip(image[..., :3] * _light(depth, pixel)[..., None], 0, 1)
    image[..., 3] = np.isfinite(depth)
    axes.imshow(image, interpolation="nearest")
    step = height / 32
    u, v = np.meshgrid(np.arange(step / 2, width, step), np.arange(step / 2, height, step))
    missing = np.isnan(depth[v.astype(int), u.astype(int)])
    axes.scatter(u[missing], v[missing], s=2.5, color=NO_DEPTH_DOTS, lw=0)


def _light(depth: np.ndarray, pixel: float) -> np.ndarray:
    """Return how brightly a surface is lit, 1 where it faces the camera."""
    # Noise would look like gravel. Depths that differ by much are different surfaces: neither smooth nor tilt.
    smooth = cv2.bilateralFilter(np.nan_to_num(depth).astype(np.float32), 7, sigmaColor=12, sigmaSpace=3 / pixel)
    slope_v, slope_u = (np.where(abs(slope) < 4 * pixel, slope / pixel, 0) for slope in np.gradient(smooth))
    facing = (1.0 - 0.7 * slope_u - 0.8 * slope_v) / np.sqrt(slope_u**2 + slope_v**2 + 1)
    return np.clip(0.4 + 0.6 * facing, 0.45, 1.12)


def draw_corners(axes: Axes, left: float, top: float, width: float, height: float) -> None:
    """Mark the corners of the cube's window."""
    for u, along in ((left, 0.1 * width), (left + width, -0.1 * width)):
        for v, down in ((top, 0.1 * height), (top + height, -0.1 * height)):
            axes.plot([u + along, u, u], [v, v, v + down], color=INK, lw=1.4, solid_joinstyle="miter", zorder=2)


def draw_skeleton(axes: Axes, points: np.ndarray, skeleton: Skeleton, *, scale: float = 1.0) -> None:
    """Draw bones and joints ``(joints, 2)``, or ``(joints, 3)`` on axes in space."""
    # A bone has the colour of its outer joint.
    colours = np.full(len(skeleton), PALM, dtype=object)
    for finger, joints in skeleton.fingers.items():
        colours[list(joints)] = FINGER_COLOURS[finger]
    outer = [bone[1] for bone in skeleton.bones]
    _draw_bones(axes, points, skeleton, colors=GROUND, lw=6.4 * scale, zorder=4)
    _draw_bones(axes, points, skeleton, colors=colours[outer], lw=4.2 * scale, zorder=5)
    in_space = {"depthshade": False} if points.shape[1] == 3 else {}
    style = {"edgecolors": "white", "linewidths": 1.3 * scale, "zorder": 6}
    axes.scatter(*points.T, s=46 * scale**2, c=colours, **style, **in_space)


def draw_truth(axes: Axes, points: np.ndarray, skeleton: Skeleton, *, scale: float = 1.0) -> None:
    _draw_bones(axes, points, skeleton, colors=GROUND, lw=2.4 * scale, zorder=7)
    _draw_bones(axes, points, skeleton, colors="white", lw=1.1 * scale, zorder=8)


def _draw_bones(axes: Axes, points: np.ndarray, skeleton: Skeleton, **style) -> None:
    lines = LineCollection if points.shape[1] == 2 else Line3DCollection
    axes.add_collection(lines([points[list(bone)] for bone in skeleton.bones], capstyle="round", **style))


def brightness(depth: np.ndarray, near: float, far: float) -> np.ndarray:
    """Map depth to 1 (near) to 0 (far away): linear between near and far, fading out behind."""
    t = (depth - near) / (far - near)
    behind = 1 - (1 - CONTRAST_SHARE) * np.exp(-(far - near) / 250 * 0.6 * np.maximum(t - 1, 0))
    return 1 - np.where(t < 1, np.clip(t, 0, 1) * CONTRAST_SHARE, behind)
