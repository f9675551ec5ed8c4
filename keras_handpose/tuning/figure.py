"""A picture of a search: error against arithmetic."""

from __future__ import annotations

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from keras_handpose.plotting.look import FAINT, GRID, GROUND, INK, METHOD_COLOURS, STYLE
from keras_handpose.tuning.records import SearchRecord, pareto_front

__all__ = ["plot_trials"]


def plot_trials(
    record: SearchRecord, *, objective: str = "val_mean_error_mm", max_mmacs: float | None = None
) -> Figure:
    """Draw the completed trials by arithmetic and error, and those that none is better than with as little of it.

    Args:
        record: The search, as `Outcome.record`. Trials of fewer epochs are drawn smaller, rejected candidates as marks
            on the lower edge.
        objective: What the score is.
        max_mmacs: Where the budget ends.

    Returns:
        A figure of its own, not managed by pyplot.

    Raises:
        ValueError: No trial completed.

    Example:
        >>> from keras_handpose.tuning import TrialRecord
        >>> trials = tuple(TrialRecord(name=str(n), status="completed", values={}, score=9.0 - n, mmacs=50.0 + n)
        ...                for n in range(3))
        >>> figure = plot_trials(SearchRecord(trials=trials), max_mmacs=60)
    """
    trials = record.by_status("completed")
    if not trials:
        raise ValueError(f"There is nothing to draw. Received: {len(record.trials)} trials, none of them completed.")
    front = pareto_front(trials)
    most = max(trial.epochs or 1 for trial in trials)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 5.0), dpi=110, facecolor=GROUND, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot(facecolor=GROUND)
        axes.set_xscale("log")
        axes.grid(True)
        axes.spines[:].set_color(GRID)
        axes.scatter(
            [trial.mmacs for trial in trials],
            [trial.score for trial in trials],
            s=[12 + 36 * (trial.epochs or most) / most for trial in trials],
            color=METHOD_COLOURS[0],
            alpha=0.7,
            linewidths=0,
            label="trials, larger with more passes",
        )
        costs, scores = [trial.mmacs for trial in front], [trial.score for trial in front]
        axes.step(costs, scores, where="post", color=METHOD_COLOURS[1], label="none is better for as little")
        for trial in front:
            place = {"textcoords": "offset points", "xytext": (5, 5), "color": INK, "fontsize": 7}
            axes.annotate(trial.name, (trial.mmacs, trial.score), **place)
        rejected = [candidate.mmacs for candidate in record.rejected if candidate.mmacs is not None]
        if rejected:
            edge = axes.get_xaxis_transform()
            axes.plot(rejected, [0.0] * len(rejected), "|", color=FAINT, transform=edge, label="rejected")
        if max_mmacs is not None:
            axes.axvline(max_mmacs, color=FAINT, linestyle="--", linewidth=0.8, label="budget")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("million multiply-accumulate operations")
        axes.set_ylabel("mean error, mm" if objective == "val_mean_error_mm" else objective)
        axes.set_title(f"{len(trials)} trials, {len(record.rejected)} rejected", loc="left", color=INK)
        axes.legend(frameon=False, labelcolor=FAINT, fontsize=7)
    return figure
