"""Pictures of evaluations: errors by joint, success curves (the paper's Figs. 3 to 5), and hands (Fig. 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from keras_handpose.cameras import xyz_to_uvd
from keras_handpose.checks import are_whole, check_positive
from keras_handpose.plotting.drawing import check_title, draw_depth, draw_skeleton, draw_truth
from keras_handpose.plotting.look import FAINT, GRID, GROUND, INK, METHOD_COLOURS, STYLE
from keras_handpose.preprocessing import check_depth

if TYPE_CHECKING:
    from keras_handpose.evaluation import Evaluation

__all__ = ["plot_errors", "plot_overlays"]

_LEGEND_COLUMNS = 4
_MARGIN = 1.35  # An overlay's window against the extent of the true hand.


def plot_errors(evaluations: Sequence[Evaluation], *, up_to: float = 80.0, title: str | None = None) -> Figure:
    """Draw what came out for one or more methods: errors by joint, and success curves in two readings.

    Args:
        evaluations: One for each method, of the same joints.
        up_to: The last threshold of the curves in mm.
        title: What to write above; by default the number of frames and the skeleton.

    Returns:
        A figure of its own, not managed by pyplot.

    Raises:
        TypeError: Something is no evaluation, or the title no text.
        ValueError: There is no evaluation, they are of different joints, or the threshold is not positive.

    See Also:
        `plot_overlays`, the hands themselves.

    Example:
        >>> from keras_handpose.evaluation import PROTOCOLS, GroundTruth, evaluate
        >>> from keras_handpose.skeletons import NYU14
        >>> truth = GroundTruth.of(np.full((3, 14, 3), 700.0), skeleton=NYU14, camera=PROTOCOLS["nyu"].camera)
        >>> figure = plot_errors([evaluate(truth, truth.joints_xyz + 5, axes="xyz", name="shifted")])
    """
    _check_evaluations(evaluations)
    check_title(title)
    check_positive(up_to, "up_to", "threshold in mm")
    if not evaluations or len({evaluation.joint_names for evaluation in evaluations}) > 1:
        raise ValueError(
            "`evaluations` must be one or more, of the same joints. Received: "
            f"{[f'{evaluation.name}, {len(evaluation.joint_names)} joints' for evaluation in evaluations]}."
        )
    truth = evaluations[0].truth
    colours = [METHOD_COLOURS[i % len(METHOD_COLOURS)] for i in range(len(evaluations))]
    with matplotlib.rc_context(STYLE):
        below = 0.85 + 0.25 * -(-len(evaluations) // _LEGEND_COLUMNS)  # Inches, for joints' names and the legend.
        height = below + 3.9
        figure = Figure(figsize=(15.0, height), dpi=110, facecolor=GROUND)
        FigureCanvasAgg(figure)
        title = title or f"{len(truth):,} frames, {truth.skeleton.name}"
        figure.text(0.02, 1 - 0.28 / height, title, size=12, weight="bold")
        columns = figure.add_gridspec(
            1, 3, width_ratios=(1.7, 1, 1), left=0.045, right=0.985, bottom=below / height, top=1 - 0.85 / height
        )
        bars, worst, mean = (figure.add_subplot(column, facecolor=GROUND) for column in columns)
        _draw_bars(bars, evaluations, colours)
        _draw_curves(worst, evaluations, colours, up_to, by="worst_joint")
        _draw_curves(mean, evaluations, colours, up_to, by="mean_joint")
        for axes, text in (
            (bars, "mean error by joint, mm"),
            (worst, "frames with every joint within the threshold"),
            (mean, "frames with the mean joint error within it"),
        ):
            axes.set_title(text, loc="left", size=9.5, color=FAINT)
        handles = [Line2D([], [], color=colour, lw=4, solid_capstyle="round") for colour in colours]
        figure.legend(
            handles,
            map(_label, evaluations),
            loc="lower center",
            ncols=min(_LEGEND_COLUMNS, len(handles)),
            frameon=False,
            fontsize=9,
        )
    return figure


def plot_overlays(
    evaluations: Sequence[Evaluation],
    depths: Sequence[np.ndarray],
    rows: Sequence[int],
    *,
    titles: Sequence[str] | None = None,
) -> Figure:
    """Draw what methods found over the depth of a few frames, with the truth in thin white.

    Args:
        evaluations: One for each method; each gets a row of pictures.
        depths: The frames in mm, shape ``(height, width)`` each.
        rows: Which of the ground truth's frames they are, from 0.
        titles: What to write above each frame; by default its number in the test set.

    Returns:
        A figure of its own, not managed by pyplot.

    Raises:
        TypeError, ValueError: Nothing is given, something is no evaluation, not as many frames as rows, there is no
            such row, or a frame is not one of the camera's.

    Example:
        >>> from keras_handpose.evaluation import PROTOCOLS, GroundTruth, evaluate
        >>> from keras_handpose.skeletons import NYU14
        >>> joints_xyz = np.random.default_rng(0).uniform((-80, -80, 650), (80, 80, 750), (3, 14, 3))
        >>> truth = GroundTruth.of(joints_xyz, skeleton=NYU14, camera=PROTOCOLS["nyu"].camera)
        >>> shifted = evaluate(truth, joints_xyz + 5, axes="xyz", name="shifted")
        >>> figure = plot_overlays([shifted], [np.full((480, 640), 900, np.uint16)], [2])
    """
    _check_evaluations(evaluations)
    if not evaluations or not rows or not len(rows) == len(depths) == len(titles or rows):
        raise ValueError(
            "Some evaluations, and one depth frame (and title, if any) for each of some rows. "
            f"Received: {len(evaluations)} evaluations, {len(depths)} frames, {len(rows)} rows."
        )
    truth = evaluations[0].truth
    if any(not are_whole(row) or not 0 <= row < len(truth) for row in rows):
        raise ValueError(f"`rows` must be whole numbers from 0 to {len(truth) - 1}. Received: {list(rows)}.")
    titles = titles or [f"frame {truth.numbers[row]}" for row in rows]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.2 * len(rows), 3.45 * len(evaluations) + 0.4), dpi=110, facecolor=GROUND)
        FigureCanvasAgg(figure)
        grid = figure.subplots(len(evaluations), len(rows), squeeze=False)
        for evaluation, line in zip(evaluations, grid, strict=True):
            for axes, depth, row in zip(line, depths, rows, strict=True):
                _draw_overlay(axes, evaluation, depth, row)
            line[0].set_ylabel(evaluation.name, color=INK, size=10, weight="bold")
        for axes, text in zip(grid[0], titles, strict=True):
            axes.set_title(f"{text}\n{axes.get_title(loc='left')}", loc="left", size=9, color=FAINT)
        figure.text(0.985, 0.06 / figure.get_figheight(), "thin white: the truth", size=8, ha="right", color=FAINT)
        figure.subplots_adjust(left=0.3 / (3.2 * len(rows)), right=0.99, wspace=0.04, hspace=0.16)
        figure.subplots_adjust(bottom=0.24 / figure.get_figheight(), top=1 - 0.55 / figure.get_figheight())
    return figure


def _check_evaluations(evaluations: Sequence[Evaluation]) -> None:
    if not isinstance(evaluations, Sequence):
        raise TypeError(f"`evaluations` must be a list, one for each method. Received: a {type(evaluations).__name__}.")
    for evaluation in evaluations:
        if not all(hasattr(evaluation, name) for name in ("truth", "predicted_xyz", "joint_names")):
            raise TypeError(f"An evaluation is what `evaluate` returns. Received: a {type(evaluation).__name__}.")


def _label(evaluation: Evaluation) -> str:
    missed = f", {evaluation.missed.sum():,} missed" if evaluation.missed.any() else ""
    return f"{evaluation.name}: {evaluation.mean_error:.2f} mm{missed}"


def _draw_bars(axes: Axes, evaluations: Sequence[Evaluation], colours: Sequence[str]) -> None:
    names = (*evaluations[0].joint_names, "mean")
    places = np.arange(len(names), dtype=float)
    places[-1] += 0.4  # The mean stands a little apart.
    width = 0.8 / len(evaluations)
    for i, (evaluation, colour) in enumerate(zip(evaluations, colours, strict=True)):
        by_joint = list(evaluation.to_dict()["per_joint_error_mm"].values())
        heights = np.array([*by_joint, evaluation.mean_error], np.float64)
        left = places - 0.4 + i * width
        axes.bar(left, np.nan_to_num(heights), width * 0.88, align="edge", color=colour, lw=0)
        if len(evaluations) <= 4:
            axes.text(
                left[-1] + width / 2, heights[-1], f" {heights[-1]:.1f}", rotation=90, size=8, ha="center", va="bottom"
            )
    axes.set_xticks(places, [name.replace("_", " ") for name in names], rotation=50, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.6, places[-1] + 0.6)
    _tidy(axes)
    axes.margins(y=0.1)
    axes.grid(axis="x", visible=False)


def _draw_curves(
    axes: Axes, evaluations: Sequence[Evaluation], colours: Sequence[str], up_to: float, *, by: str
) -> None:
    thresholds = np.linspace(0, up_to, 401)
    for i, (evaluation, colour) in enumerate(zip(evaluations, colours, strict=True)):
        dashes = "-" if i < len(METHOD_COLOURS) else "--"
        axes.plot(thresholds, evaluation.success_rate(thresholds, by=by), dashes, color=colour, lw=1.9)
        if len(evaluations) > 8:
            continue
        area = f"area {evaluation.area_under_curve(up_to=up_to, by=by):.3f}"
        height = 0.05 + 0.065 * (len(evaluations) - 1 - i)
        axes.text(0.97, height, area, color=colour, size=8, ha="right", transform=axes.transAxes)
    axes.set(xlim=(0, up_to), ylim=(0, 1.01), xlabel="threshold, mm")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    _tidy(axes)


def _tidy(axes: Axes) -> None:
    axes.spines[:].set_visible(False)
    axes.spines["bottom"].set(visible=True, color=GRID)
    axes.tick_params(length=0)
    axes.set_axisbelow(True)
    axes.grid(visible=True)


def _draw_overlay(axes: Axes, evaluation: Evaluation, depth: np.ndarray, row: int) -> None:
    truth = evaluation.truth
    camera = truth.cameras[truth.camera_indices[row]]
    depth = check_depth(depth, camera=camera)
    true_xyz, predicted_xyz = truth.joints_xyz[row], evaluation.predicted_xyz[row]
    true_uv, predicted_uv = (xyz_to_uvd(joints_xyz, camera)[:, :2] for joints_xyz in (true_xyz, predicted_xyz))
    near, far = true_xyz[:, 2].min() - 30, true_xyz[:, 2].max() + 30
    pixel = (near + far) / 2 / camera.fx
    middle = (true_uv.min(axis=0) + true_uv.max(axis=0)) / 2
    reach = max(np.ptp(true_uv, axis=0).max() * _MARGIN, 120 / pixel) / 2

    # Only what will be seen is drawn.
    left, top = np.maximum(middle - reach, 0).astype(int)
    right, bottom = np.minimum(middle + reach + 2, depth.shape[::-1]).astype(int)
    seen = depth[top : max(bottom, top + 1), left : max(right, left + 1)]
    corner = np.array([left, top])
    draw_depth(axes, np.where(np.isfinite(seen) & (seen > 0), seen, np.nan), near, far, pixel=pixel)
    middle, true_uv, predicted_uv = middle - corner, true_uv - corner, predicted_uv - corner
    axes.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] + reach, middle[1] - reach))
    if np.isfinite(predicted_uv).all():
        draw_skeleton(axes, predicted_uv, truth.skeleton, scale=1.0)
        verdict = f"{evaluation.errors[row].mean():.1f} mm, worst joint {evaluation.errors[row].max():.1f} mm"
    else:
        verdict = "no hand found"
    draw_truth(axes, true_uv, truth.skeleton, scale=0.7)
    axes.set_title(verdict, loc="left", size=9, color=INK)
