"""What `keras-handpose evaluate` leaves behind: a table, and a folder with figures and pictures."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.markup import escape
from rich.table import Table

from keras_handpose.cli.output import to_json
from keras_handpose.files import whole_file

if TYPE_CHECKING:
    import numpy as np

    from keras_handpose.evaluation import Evaluation, GroundTruth

__all__ = ["depth_reader", "figures_table", "write_report"]

_FRAME_FILES = {"depth16": "*.png", "nyu": "depth_1_*.png", "npy": "*.npy"}


def figures_table(records: list[dict[str, Any]]) -> Table:
    """Tabulate the figures of several methods, as `Evaluation.to_dict` gives them."""
    frames, joints = records[0]["frames"], len(records[0]["per_joint_error_mm"])
    table = Table(
        title=f"{frames:,} frames, {joints} joints ({records[0]['skeleton']}), errors in mm by camera "
        + escape(records[0]["camera"]),
        title_justify="left",
        title_style="bold",
        caption="no centre: mean without the joint that crops are centred on; <= 40: all joints within 40 mm; "
        "AUC: area under that curve.",
        caption_justify="left",
        box=box.SIMPLE_HEAD,  # Without lines between them, the columns fit into a narrow terminal.
        padding=(0, 1, 0, 0),
    )
    table.add_column("predictions", overflow="fold")
    for column in ("mean", "no centre", "median", "tips", "worst", "<= 40", "AUC", "missed"):
        table.add_column(column, justify="right", no_wrap=True)
    for record in records:
        figures = (
            record[f"{key}_error_mm"] if key != "without" else record["mean_error_without_centre_joint_mm"]
            for key in ("mean", "without", "median", "tips", "max")
        )
        table.add_row(
            escape(record["name"]),
            *("-" if figure is None else f"{figure:.2f}" for figure in figures),
            f"{record['success_rate_worst_joint_40_mm']:.1%}",
            f"{record['area_under_curve']['worst_joint']:.3f}",
            str(record["frames_missed"]),
        )
    return table


def write_report(
    folder: Path,
    ground_truth: Path,
    evaluations: list[Evaluation],
    document: dict[str, Any],
    up_to: float,
    read_depth: Callable[[int], np.ndarray] | None,
) -> list[str]:
    """Write a report's files and return their names.

    Args:
        folder: Where to.
        ground_truth: The file that the predictions were compared with.
        evaluations: One for each method; the frames that are drawn are telling for the first.
        document: The figures.
        up_to: Where the curves end, in mm.
        read_depth: What reads the depth of one of the ground truth's frames by its row, if some are to be drawn.
    """
    from keras_handpose.plotting import plot_errors, plot_overlays

    written = ["report.json", "errors.png", "curves.csv"]
    overlays = None
    if read_depth is not None:
        rows, titles = _telling_rows(evaluations[0])
        overlays = plot_overlays(evaluations, [read_depth(row) for row in rows], rows, titles=titles)
        written.append("overlays.png")
    with whole_file(folder / "errors.png") as path:
        plot_errors(evaluations, up_to=up_to).savefig(path)
    with whole_file(folder / "curves.csv") as path:
        _write_curves(path, evaluations, up_to)
    if overlays is not None:
        with whole_file(folder / "overlays.png") as path:
            overlays.savefig(path)
    with whole_file(folder / "report.json") as path:
        path.write_text(to_json({**document, "ground_truth": str(ground_truth)}), encoding="utf-8")
    return written


def _write_curves(path: Path, evaluations: list[Evaluation], up_to: float) -> None:
    import numpy as np

    from keras_handpose.evaluation import READINGS

    thresholds = np.arange(0, up_to + 0.25, 0.5)
    columns = {
        f"{evaluation.name} {by}": evaluation.success_rate(thresholds, by=by)
        for evaluation in evaluations
        for by in READINGS
    }
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["threshold_mm", *columns])
        for threshold, *rates in zip(thresholds, *columns.values(), strict=True):
            writer.writerow([f"{threshold:g}", *(f"{rate:.4f}" for rate in rates)])


# === Frames to draw ===


def _telling_rows(evaluation: Evaluation) -> tuple[list[int], list[str]]:
    """Return the rows of the best, the middle and the worst frame, and what to write above them."""
    import numpy as np

    means = evaluation.errors.mean(axis=1)
    ranked = np.argsort(means)[: max(1, int(np.isfinite(means).sum()))]  # NaN sorts last.
    rows = {"worst": int(ranked[-1]), "middle": int(ranked[len(ranked) // 2]), "best": int(ranked[0])}
    by_row = {row: title for title, row in rows.items()}
    shown = [row for title, row in reversed(rows.items()) if by_row[row] == title]
    return shown, [f"{by_row[row]}: frame {evaluation.truth.numbers[row]}" for row in shown]


def depth_reader(
    truth: GroundTruth, frames_dir: Path | None, depth_format: str | None, dataset: str | None, data_dir: Path | None
) -> Callable[[int], np.ndarray] | None:
    """Return what reads the depth of one of the ground truth's frames by its row."""
    if dataset is not None:
        return _dataset_reader(truth, dataset, data_dir)
    if frames_dir is None:
        return None
    from keras_handpose.evaluation import protocol_for
    from keras_handpose.preprocessing import FRAME_FORMATS, read_depth

    protocol = protocol_for(truth.skeleton)
    format = depth_format or ("nyu" if protocol and protocol.name == "nyu" else "depth16")
    if format not in FRAME_FORMATS:
        raise ValueError(f"`--depth-format` must be one of {', '.join(FRAME_FORMATS)}. Received: {format!r}.")
    if truth.image_paths is not None:
        return lambda row: read_depth(frames_dir / truth.image_paths[row], format=format)
    files = sorted(frames_dir.glob(_FRAME_FILES[format]))
    if len(files) not in (truth.total, len(truth)):
        raise ValueError(
            f"{frames_dir} must hold a file {_FRAME_FILES[format]} for each of {len(truth)} frames, in their order. "
            f"Received: {len(files)} files. A ground truth with image paths in front does not need them all."
        )
    of_rows: Sequence[int] = truth.numbers if len(files) == truth.total else range(len(truth))
    return lambda row: read_depth(files[of_rows[row]], format=format)


def _dataset_reader(truth: GroundTruth, dataset: str, data_dir: Path | None) -> Callable[[int], np.ndarray]:
    from keras_handpose.datasets import open_dataset

    if data_dir is None:
        raise ValueError(f"Name the folder of {dataset} with --data-dir.")
    frames = open_dataset(dataset, data_dir, split="test" if dataset in ("icvl", "nyu") else None)
    if truth.image_paths is not None:
        places = {path: place for place, path in enumerate(frames.paths)}
        unknown = [path for path in truth.image_paths if path not in places]
        if unknown:
            raise ValueError(f"{frames.describe()} in {data_dir} has no frame {unknown[0]}.")
        return lambda row: frames.read_depth(places[truth.image_paths[row]])
    if truth.total not in (None, len(frames)):
        raise ValueError(f"The ground truth has {truth.total} frames. Received: {len(frames)} ({frames.describe()}).")
    return lambda row: frames.read_depth(int(truth.numbers[row]))
