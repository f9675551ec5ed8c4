"""``keras-handpose evaluate``: errors of anybody's predictions, in a table, as JSON, in pictures."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keras_handpose.cli.evaluation_report import depth_reader, figures_table, write_report
from keras_handpose.cli.output import load_keras, messages, names_in, results, say, to_json

if TYPE_CHECKING:
    import numpy as np

    from keras_handpose.cameras import Camera
    from keras_handpose.skeletons import Skeleton

__all__ = ["evaluate"]


def evaluate(
    ground_truth: Annotated[Path, typer.Option(help="Result file with the true joints, or a crop store (.h5).")],
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="[PREDICTIONS]...", help="Result files, as after --predictions.")
    ] = None,
    predictions: Annotated[
        list[Path] | None, typer.Option(help="Result files, one or several: u v d per joint, a frame a line.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(help="A preset or .weights.h5 file to run on a store that is the ground truth; again for more."),
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
    from keras_handpose.evaluation import STORE_SUFFIXES, THRESHOLDS, GroundTruth
    from keras_handpose.evaluation import evaluate as evaluate_file
    from keras_handpose.skeletons import SKELETONS

    files = [*(predictions or []), *(more or [])]
    networks = weights or []
    misplaced = [file for file in files if file.name.endswith(".weights.h5")]
    if misplaced:
        raise ValueError(f"Weights are no predictions: write --weights {' --weights '.join(map(str, misplaced))}.")
    if not files and not networks:
        raise ValueError("Name at least one result file, --predictions FILE [FILE ...], or --weights to run.")
    if networks and ground_truth.suffix.lower() not in STORE_SUFFIXES:
        raise ValueError(
            f"--weights are run on crops: the ground truth must be a store (.h5). Received: {ground_truth}."
        )
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
        subjects=names_in(subjects) or None,
        axes=truth_axes,
        order=_order(truth_order),
        variable=truth_variable,
    )
    if subset is not None or frames is not None:
        truth = truth.select(subset or _part(frames))
    read_depth = depth_reader(truth, frames_dir, depth_format, dataset, data_dir)
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
    for name in networks:
        joints_xyz = _predict(name, ground_truth, truth.numbers)
        name = Path(name).name.removesuffix(".weights.h5")
        evaluations.append(evaluate_file(truth, joints_xyz, name=name, axes="xyz", centre_joint=centre_joint))
    chosen = _numbers(thresholds, "--thresholds") if thresholds else THRESHOLDS
    document = {"results": [evaluation.to_dict(thresholds=chosen, up_to=up_to) for evaluation in evaluations]}
    if json:
        typer.echo(to_json(document))
    else:
        results.print(figures_table(document["results"]))
    for record in document["results"]:
        if record["frames_missed"]:
            say(
                f"{record['name']} missed {record['frames_missed']:,} of {record['frames']:,} frames. "
                "They are bad frames in the success rates and in no mean: say so beside it."
            )
    if output is not None:
        written = write_report(output, ground_truth, evaluations, document, up_to, read_depth)
        say(f"Wrote {', '.join(written)} to {output}")


def _predict(weights: str, store: Path, frames: np.ndarray) -> np.ndarray:
    """Run a network on these frames of a store, and return its joints in mm."""
    from keras_handpose.datasets import CropStore

    with messages.status(f"Running {weights}", spinner="dots"):
        load_keras()
        from keras_handpose.estimator import predict_store

        with CropStore(store) as crops:
            return predict_store(weights, crops, frames)


def _names(files: list[Path]) -> list[str]:
    """Return the shortest ends of the paths that tell them apart."""
    # What a training predicts is called as its folder.
    names = [file.parent.name if file.stem == "predictions" and file.parent.name else file.stem for file in files]
    for parts in range(2, max((len(file.parts) for file in files), default=0) + 1):
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
