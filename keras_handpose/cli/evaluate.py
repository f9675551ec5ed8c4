"""``keras-handpose evaluate``: errors of anybody's predictions, in a table, as JSON, in pictures."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from keras_handpose.cli.output import messages, results, to_json
from keras_handpose.files import whole_file

if TYPE_CHECKING:
    import numpy as np

    from keras_handpose.cameras import Camera
    from keras_handpose.evaluation import Evaluation, GroundTruth
    from keras_handpose.skeletons import Skeleton

__all__ = ["evaluate"]

_FRAME_FILES = {"depth16": "*.png", "nyu": "depth_1_*.png", "npy": "*.npy"}


def evaluate(
    ground_truth: Annotated[Path, typer.Option(help="Result file with the true joints, or a crop store (.h5).")],
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="[PREDICTIONS]...", help="Result files, as after --predictions.")
    ] = None,
    predictions: Annotated[
        list[Path] | None, typer.Option(help="Result files, one or several: u v d per joint, a frame a line.")
    ] = None,
    skeleton: Annotated[str | None, typer.Option(help="msra21, icvl16 or nyu14; by default what fits.")] = None,
    camera: Annotated[
        str | None, typer.Option(help="A camera's name, or fx,fy,cx,cy; by default that of published comparisons.")
    ] = None,
    subset: Annotated[str | None, typer.Option(help="Part of a test set: icvl-seq1, nyu-subject2, ...")] = None,
    frames: Annotated[str | None, typer.Option(help="Part of the frames as FIRST:STOP, from 0.")] = None,
    subjects: Annotated[str | None, typer.Option(help="Subjects of a crop store: P0,P3.")] = None,
    axes: Annotated[str, typer.Option(help="What predictions hold: uvd, xyz, x-yz (y up), x-y-z, ...")] = "uvd",
    order: Annotated[str | None, typer.Option(help="Joint order: nyu36, thumb-first, ... or indices.")] = None,
    variable: Annotated[str | None, typer.Option(help="Array in .mat files; wildcards join several.")] = None,
    truth_axes: Annotated[str, typer.Option(help="As --axes, of the ground truth.")] = "uvd",
    truth_order: Annotated[str | None, typer.Option(help="As --order, of the ground truth.")] = None,
    truth_variable: Annotated[str | None, typer.Option(help="As --variable, of the ground truth.")] = None,
    centre_joint: Annotated[
        bool, typer.Option("--with-centre-joint/--without-centre-joint", help="The paper leaves it out.")
    ] = True,
    thresholds: Annotated[str | None, typer.Option(help="Thresholds of success rates in mm: 10,20,40.")] = None,
    up_to: Annotated[float, typer.Option(help="Where curves and the areas under them end, in mm.", min=1.0)] = 80.0,
    frames_dir: Annotated[Path | None, typer.Option(help="Folder of the depth frames, to draw some.")] = None,
    depth_format: Annotated[str | None, typer.Option(help="depth16, nyu or npy; by default the dataset's.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Draw frames of this dataset: msra15, icvl, nyu, frames.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of --dataset.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for report.json, errors.png, curves.csv.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Compare predicted joints with the truth: mean errors, errors by joint, success rates.

    Frames whose prediction is nan (no hand found) are bad frames and counted as missed; means are of the others.
    With --frames-dir or --dataset the best, the middle and the worst frame of the first method are drawn as well.
    """
    from keras_handpose.evaluation import THRESHOLDS, GroundTruth
    from keras_handpose.evaluation import evaluate as evaluate_file
    from keras_handpose.skeletons import SKELETONS

    files = [*(predictions or []), *(more or [])]
    if not files:
        raise ValueError("Name at least one result file: --predictions FILE [FILE ...].")
    if skeleton is not None and skeleton not in SKELETONS:
        raise ValueError(f"`--skeleton` must be one of {', '.join(SKELETONS)}. Received: {skeleton!r}.")
    if subset is not None and frames is not None:
        raise ValueError("Give --subset or --frames, not both.")
    if (frames_dir or dataset) and output is None:
        raise ValueError("--frames-dir and --dataset draw frames into a report: name its folder with --output.")
    layout = SKELETONS[skeleton] if skeleton else None
    truth = GroundTruth.read(
        ground_truth,
        skeleton=layout,
        camera=_camera(camera, layout),
        subjects=subjects.split(",") if subjects else None,
        axes=truth_axes,
        order=_order(truth_order),
        variable=truth_variable,
    )
    if subset is not None or frames is not None:
        truth = truth.select(subset or _part(frames))
    evaluations = [
        evaluate_file(
            truth,
            file,
            name=name,
            axes=axes,
            order=_order(order),
            variable=variable,
            centre_joint=centre_joint,
        )
        for file, name in zip(files, _names(files), strict=True)
    ]
    chosen = _numbers(thresholds, "--thresholds") if thresholds else THRESHOLDS
    document = {"results": [evaluation.to_dict(thresholds=chosen, up_to=up_to) for evaluation in evaluations]}
    if json:
        typer.echo(to_json(document))
    else:
        results.print(_table(document["results"]))
    for record in document["results"]:
        if record["frames_missed"]:
            _say(f"{record['name']} missed {record['frames_missed']} frames, which are in no mean. Say so beside it.")
    if output is not None:
        read_depth = _depth_reader(truth, frames_dir, depth_format, dataset, data_dir)
        _write_report(output, ground_truth, evaluations, document, up_to, read_depth)


# === Arguments ===


def _names(files: list[Path]) -> list[str]:
    """Return the shortest ends of the paths that tell them apart."""
    names = [file.stem for file in files]
    for parts in range(2, max(len(file.parts) for file in files) + 1):
        if len(set(names)) == len(names):
            break
        names = [file.with_suffix("").as_posix().split("/")[-parts:] for file in files]
        names = ["/".join(name) for name in names]
    return names


def _camera(text: str | None, skeleton: Skeleton | None) -> Camera | None:
    from keras_handpose.cameras import CAMERAS, Camera
    from keras_handpose.evaluation import protocol_for

    if text is None or text in CAMERAS:
        return CAMERAS.get(text)
    values = _numbers(text, "--camera", f", or one of {', '.join(CAMERAS)}")
    if len(values) != 4:
        raise ValueError(f"`--camera` must be fx,fy,cx,cy in px, or one of {', '.join(CAMERAS)}. Received: {text!r}.")
    fx, fy, cx, cy = values
    protocol = protocol_for(skeleton) if skeleton else None
    size = (protocol.camera.width, protocol.camera.height) if protocol else (round(2 * cx), round(2 * cy))
    return Camera(width=size[0], height=size[1], fx=fx, fy=fy, cx=cx, cy=cy)


def _order(text: str | None) -> str | list[int] | None:
    if text is None or not text.replace(",", "").replace(" ", "").isdigit():
        return text
    return [int(number) for number in text.split(",")]


def _part(text: str) -> tuple[int, int]:
    with suppress(ValueError):
        first, stop = map(int, text.split(":"))
        return first, stop
    raise ValueError(f"`--frames` must be FIRST:STOP, whole numbers from 0, such as 0:702. Received: {text!r}.")


def _numbers(text: str, option: str, otherwise: str = "") -> list[float]:
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise ValueError(f"`{option}` must be numbers with commas{otherwise}. Received: {text!r}.") from None


# === Output ===


def _table(records: list[dict[str, Any]]) -> Table:
    frames, joints = records[0]["frames"], len(records[0]["per_joint_error_mm"])
    table = Table(
        title=f"{frames:,} frames, {joints} joints ({records[0]['skeleton']}), errors in mm",
        title_justify="left",
        title_style="bold",
        caption="All joints of a frame within 40 mm; AUC: the area under that curve.",
        caption_justify="left",
    )
    table.add_column("predictions", overflow="fold")
    for column in ("mean", "without centre", "median", "tips", "worst", "<= 40 mm", "AUC", "missed"):
        table.add_column(column, justify="right")
    for record in records:
        figures = (
            record[f"{key}_error_mm"] if key != "without" else record["mean_error_without_centre_joint_mm"]
            for key in ("mean", "without", "median", "tips", "max")
        )
        table.add_row(
            escape(record["name"]),
            *("-" if figure is None else f"{figure:.3f}" for figure in figures),
            f"{record['success_rate_worst_joint_40_mm']:.1%}",
            f"{record['area_under_curve']['worst_joint']:.3f}",
            str(record["frames_missed"]),
        )
    return table


def _write_report(
    folder: Path,
    ground_truth: Path,
    evaluations: list[Evaluation],
    document: dict[str, Any],
    up_to: float,
    read_depth: Callable[[int], np.ndarray] | None,
) -> None:
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
    _say(f"Wrote {', '.join(written)} to {folder}")


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


def _depth_reader(
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
    if len(files) != (truth.total or len(truth)):
        raise ValueError(
            f"{frames_dir} must hold a file {_FRAME_FILES[format]} for each of {truth.total or len(truth)} frames, in "
            f"their order. Received: {len(files)} files. A ground truth with image paths in front needs not all."
        )
    rows: Sequence[int] = truth.numbers if truth.total else range(len(truth))
    return lambda row: read_depth(files[rows[row]], format=format)


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


def _say(text: str) -> None:
    messages.print(text, markup=False, highlight=False, soft_wrap=True)
