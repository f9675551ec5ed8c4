"""Pictures of poses: the depth frame, what the network saw, and the hand in space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MultipleLocator
from mpl_toolkits.mplot3d.axes3d import Axes3D

from keras_handpose.cameras import uvd_to_xyz, xyz_to_uvd
from keras_handpose.checks import as_array
from keras_handpose.plotting.drawing import (
    brightness,
    check_poses,
    check_title,
    draw_corners,
    draw_depth,
    draw_skeleton,
    draw_truth,
)
from keras_handpose.plotting.look import DEPTH, FAINT, FINGER_COLOURS, GROUND, PALM, STYLE
from keras_handpose.preprocessing import BACKGROUND, Crop, check_depth

if TYPE_CHECKING:
    from keras_handpose.estimator import Pose

__all__ = ["plot_pose", "plot_poses"]

_ROW_HEIGHT, _LEGEND_HEIGHT, _WIDTH = 4.3, 0.4, 13.0  # Inches.


def plot_pose(
    depth: np.ndarray, pose: Pose, *, truth_xyz: np.ndarray | None = None, title: str | None = None
) -> Figure:
    """Draw a pose: over its frame, over its crop, and in space.

    Args:
        depth: The frame that the estimator was given, in the same unit.
        pose: What it made of it. A frame without a hand gets a picture that says so.
        truth_xyz: The true joints in mm, shape ``(joints, 3)``, drawn thin; the mean error is written above.
        title: What to write above; by default the camera and the hand.

    Returns:
        A figure of its own, not managed by pyplot: ``plot_pose(depth, pose).savefig("pose.png")``.

    Raises:
        TypeError, ValueError: The frame is not a depth frame of the pose's camera, or the truth has another shape.

    See Also:
        `plot_poses`, one row for each of several frames.

    Example:
        >>> from keras_handpose.cameras import CAMERAS
        >>> from keras_handpose.estimator import Pose
        >>> from keras_handpose.skeletons import MSRA21
        >>> pose = Pose.not_found(skeleton=MSRA21, camera=CAMERAS["msra15"])
        >>> figure = plot_pose(np.full((240, 320), 900, np.uint16), pose)
    """
    return plot_poses([depth], [pose], truths_xyz=[truth_xyz], titles=[title])


def plot_poses(
    depths: Sequence[np.ndarray],
    poses: Sequence[Pose],
    *,
    truths_xyz: Sequence[np.ndarray | None] | None = None,
    titles: Sequence[str | None] | None = None,
) -> Figure:
    """Draw several poses, one below the other; see `plot_pose`.

    Raises:
        TypeError: Something is no pose, or a title no text.
        ValueError: There is no pose, or the sequences do not have the same length.
    """
    check_poses(poses)
    for name, values in (("depths", depths), ("truths_xyz", truths_xyz), ("titles", titles)):
        if values is not None and not hasattr(values, "__len__"):
            raise TypeError(f"`{name}` must be a list, one for each pose. Received: a {type(values).__name__}.")
    count = len(poses)
    truths_xyz = [None] * count if truths_xyz is None else truths_xyz
    titles = [None] * count if titles is None else titles
    if not count or {len(depths), len(truths_xyz), len(titles)} != {count}:
        raise ValueError(
            "One frame, and one truth and title if any, for each of one or more poses. Received: "
            f"{len(depths)} frames, {count} poses, {len(truths_xyz)} truths, {len(titles)} titles."
        )
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, _ROW_HEIGHT * count + _LEGEND_HEIGHT), dpi=110, facecolor=GROUND)
        FigureCanvasAgg(figure)
        heights = [_ROW_HEIGHT] * count + [_LEGEND_HEIGHT]
        *rows, last = figure.subfigures(count + 1, 1, height_ratios=heights, squeeze=False)[:, 0]
        for row, depth, pose, truth_xyz, title in zip(rows, depths, poses, truths_xyz, titles, strict=True):
            _draw_row(row, depth, pose, truth_xyz, title)
        if any(pose.found for pose in poses):
            _draw_legend(last, truth=any(truth is not None for truth in truths_xyz))
    return figure


def _draw_row(row: SubFigure, depth: np.ndarray, pose: Pose, truth_xyz: np.ndarray | None, title: str | None) -> None:
    depth = check_depth(depth, depth_scale=pose.depth_scale, camera=pose.camera)
    check_title(title)
    if truth_xyz is not None:
        truth_xyz = _as_truth(truth_xyz, pose.joints_xyz.shape)
    row.set_facecolor(GROUND)
    mirrored = ", mirrored" if pose.crop and pose.crop.mirrored else ""
    title = title or f"{pose.camera.name}, {pose.hand} hand"
    row.text(0.02, 0.945, _shortened(title), size=12, weight="bold", va="center")
    row.text(0.985, 0.945, _verdict(pose, truth_xyz), size=10, ha="right", va="center")
    row.text(0.415, 0.945, f"what the network saw{mirrored}", size=10, va="center", color=FAINT)
    _draw_frame(row.add_axes((0.02, 0.02, 0.384, 0.87), anchor="W"), depth, pose, truth_xyz)
    _draw_crop(row.add_axes((0.415, 0.02, 0.288, 0.87)), pose, truth_xyz)
    if pose.found:
        row.text(0.714, 0.945, "in space, mm", size=10, va="center", color=FAINT)
        _draw_space(row.add_axes((0.70, -0.01, 0.29, 0.95), projection="3d", computed_zorder=False), pose, truth_xyz)


def _as_truth(truth_xyz: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    truth_xyz = as_array(truth_xyz)
    if truth_xyz.shape != shape or truth_xyz.dtype.kind not in "fiu" or np.isnan(truth_xyz).all():
        raise ValueError(
            f"`truth_xyz` must have shape {shape}, numbers of which some are known. "
            f"Received: {truth_xyz.shape}, dtype {truth_xyz.dtype}."
        )
    return truth_xyz


def _shortened(title: str) -> str:
    return title if len(title) <= 48 else f"{title[:23]}…{title[-24:]}"


def _verdict(pose: Pose, truth_xyz: np.ndarray | None) -> str:
    if truth_xyz is None or not pose.found:
        return f"score {pose.score:.2f}"
    error = np.nanmean(np.linalg.norm(pose.joints_xyz - truth_xyz, axis=-1))
    return f"score {pose.score:.2f}    mean error {error:.1f} mm"


def _draw_frame(axes: Axes, depth: np.ndarray, pose: Pose, truth_xyz: np.ndarray | None) -> None:
    depth = np.where(np.isfinite(depth) & (depth > 0), depth, np.nan)
    near, far = _range_of_interest(depth, pose)
    draw_depth(axes, depth, near, far, pixel=(near + far) / 2 / pose.camera.fx)
    if pose.crop:
        draw_corners(axes, pose.crop.left - 0.5, pose.crop.top - 0.5, pose.crop.width, pose.crop.height)
    if pose.found:
        draw_skeleton(axes, pose.joints_uvd[:, :2], pose.skeleton, scale=0.6)
    if truth_xyz is not None:
        draw_truth(axes, xyz_to_uvd(truth_xyz, pose.camera)[:, :2], pose.skeleton, scale=0.7)


def _draw_crop(axes: Axes, pose: Pose, truth_xyz: np.ndarray | None) -> None:
    crop = pose.crop
    if crop is None:
        draw_depth(axes, np.full((128, 128), np.nan), 0, 1, pixel=1)
        message = "the crop was not kept" if pose.found else "no hand found"
        axes.text(64, 64, message, size=15, ha="center", va="center", color=FAINT)
        return
    depth = _crop_depth(crop)
    draw_depth(axes, depth, *_range_of_interest(depth, pose), pixel=crop.cube.size / len(depth))
    draw_skeleton(axes, crop.uv_to_crop(pose.joints_uvd[:, :2]), pose.skeleton)
    if truth_xyz is not None:
        draw_truth(axes, crop.uv_to_crop(xyz_to_uvd(truth_xyz, pose.camera)[:, :2]), pose.skeleton)


def _draw_space(axes: Axes3D, pose: Pose, truth_xyz: np.ndarray | None) -> None:
    """Draw the skeleton and the seen surface as if looked at from beside the camera."""
    skeleton = _upright(pose.joints_xyz)
    shown = [skeleton]
    if truth_xyz is not None:
        shown.append(_upright(np.asarray(truth_xyz)))
    points = np.concatenate(shown)
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    middle, reach = (low + high) / 2, float(np.max(high - low)) * 0.55
    limits = [(m - reach, m + reach) for m in middle]
    axes.set(xlim=limits[0], ylim=limits[1], zlim=limits[2], facecolor="none", xlabel="x", ylabel="z", zlabel="y")
    axes.set_box_aspect((1, 1, 1), zoom=1.05)
    axes.view_init(elev=14, azim=-62)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_major_locator(MultipleLocator(50))
        axis.line.set_color("none")
        axis.labelpad = -8
        axis.set_tick_params(pad=-3)
    axes.zaxis.set_major_formatter(FuncFormatter(lambda up, _: f"{0 - up:.0f}"))

    if pose.crop:
        surface = _upright(_seen_surface(pose.crop))
        surface = surface[(abs(surface - middle) <= reach).all(axis=1)]
        near, far = _range_of_interest(_crop_depth(pose.crop), pose)
        colours = DEPTH(brightness(surface[:, 1], near, far))
        axes.scatter(*surface.T, s=4, c=colours, alpha=0.45, lw=0, depthshade=False)
    draw_skeleton(axes, shown[0], pose.skeleton)
    for truth in shown[1:]:
        draw_truth(axes, truth, pose.skeleton)


def _draw_legend(row: SubFigure, *, truth: bool) -> None:
    row.set_facecolor(GROUND)
    entries = {**FINGER_COLOURS, "palm": PALM}
    handles = [
        Line2D([], [], color=colour, lw=4, solid_capstyle="round", label=name) for name, colour in entries.items()
    ]
    if truth:
        handles.append(Line2D([], [], color="white", lw=1, label="truth"))
    row.legend(handles=handles, loc="center", ncols=len(handles), frameon=False, fontsize=9, handlelength=1.6)


def _range_of_interest(depth: np.ndarray, pose: Pose) -> tuple[float, float]:
    """Return the depths in mm to show with contrast: the hand's, or those of the nearer part of a frame without one."""
    if pose.crop:
        depth = _crop_depth(pose.crop)
    elif pose.found:
        depth = pose.joints_xyz[:, 2]
    depth = depth[np.isfinite(depth)]
    near, far = np.percentile(depth, (2, 98) if pose.found else (1, 75)) if depth.size else (0.0, 0.0)
    return float(near), float(max(far, near + 100))


def _crop_depth(crop: Crop) -> np.ndarray:
    """Return a crop's depth in mm, NaN in the background."""
    depth = crop.image.astype(np.float64) * (crop.cube.size / 2) + crop.cube.centre_xyz[2]
    return np.where(crop.image < BACKGROUND, depth, np.nan)


def _seen_surface(crop: Crop) -> np.ndarray:
    """Return the points that a crop shows in mm, shape ``(n, 3)``."""
    depth = _crop_depth(crop)
    rows, columns = np.nonzero(np.isfinite(depth))
    uv = crop.crop_to_uv(np.column_stack([columns, rows]).astype(np.float64))
    return uvd_to_xyz(np.column_stack([uv, depth[rows, columns]]), crop.camera)


def _upright(points_xyz: np.ndarray) -> np.ndarray:
    """Turn camera space to the axes of a plot: x to the right, z to the back, y up."""
    return points_xyz[:, [0, 2, 1]] * (1, 1, -1)
