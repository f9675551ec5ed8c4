"""``keras-handpose predict``: poses for one's own frames."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from keras_handpose.cli.cameras import camera_of, numbers_in
from keras_handpose.cli.folders import known_of
from keras_handpose.cli.options import engine_option, format_option
from keras_handpose.cli.output import (
    joints_table,
    messages,
    pose_document,
    report_error,
    results,
    silent_runtimes,
    to_json,
)
from keras_handpose.files import whole_file

if TYPE_CHECKING:
    import numpy as np

    from keras_handpose.estimator import Pose

__all__ = ["predict"]


def predict(
    frames: Annotated[Path, typer.Argument(help="A depth frame's file, or a folder of them.")],
    camera: Annotated[
        str | None,
        typer.Option(help="A camera's name, or fx,fy,cx,cy in px.", show_default="what the folder says"),
    ] = None,
    depth_scale: Annotated[
        float | None,
        typer.Option(help="Millimetres in one unit of the frames.", show_default="what the folder says, or 1"),
    ] = None,
    weights: Annotated[
        str, typer.Option(help="A preset's name, a .weights.h5 file beside its record, or an exported file.")
    ] = "msra",
    engine: Annotated[Literal["keras", "onnx", "litert"] | None, engine_option] = None,
    threads: Annotated[int | None, typer.Option(help="Threads for ONNX and LiteRT.", min=1, show_default="1")] = None,
    hand: Annotated[
        Literal["right", "left"] | None,
        typer.Option(help="Which hand is in the frames.", show_default="what the folder says, or right"),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(help="Evidence from which on something is a hand.", show_default="0.3, or what a file says"),
    ] = None,
    centre: Annotated[
        str | None,
        typer.Option(help="For one frame: the hand's centre x,y,z in mm.", show_default="found in the frame"),
    ] = None,
    format: Annotated[Literal["depth16", "nyu", "npy"] | None, format_option] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for a picture of each frame and poses.json.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the poses as JSON.")] = False,
) -> None:
    """Estimate the hand's joints in a depth frame, or in each of a folder's.

    A folder recorded by `keras-handpose live`, or with a labels.json as `keras-handpose synth` writes it, says which
    camera took its frames and which hand they show; for a recording of both hands, --hand says which one to look for.
    Where labels are of the same joints as the poses, errors are shown beside these. A folder's frames that cannot be
    read are reported and left out; the exit status is then 1.
    """
    from keras_handpose.estimator import HandPoseEstimator
    from keras_handpose.preprocessing import list_depth_files, read_depth

    if not frames.exists():
        raise FileNotFoundError(f"There is no depth file or folder {str(frames)!r}.")
    files = list_depth_files(frames, format=format) if frames.is_dir() else [frames]
    known = known_of(files[0].parent, camera_given=camera is not None)
    if camera is None and known.camera is None:
        raise ValueError(
            f"`--camera` is needed: {frames} has no recording.json of `keras-handpose live` and no labels.json, which "
            "say what camera took the frames."
        )
    hand = hand or known.hand
    if hand == "both":
        folder = files[0].parent
        raise ValueError(
            f"`--hand` is needed: {folder} is a recording of both hands, and one hand is estimated in a frame, the "
            f"closest. Add --hand right or --hand left; `keras-handpose live --source folder:{folder}` follows both."
        )
    depth_scale = known.depth_scale(files) if depth_scale is None else depth_scale
    centre_xyz = None if centre is None else _centre_of(centre, frames)
    shape = _first_shape(files, format)
    if shape is not None:
        with messages.status("Loading the network"), silent_runtimes():
            estimator = HandPoseEstimator(
                weights,
                camera=camera_of(camera, shape=shape) if camera else known.camera,
                engine=engine,
                threads=threads,
                hand=hand,
                depth_scale=depth_scale,
                min_score=min_score,
            )
    poses: dict[Path, Pose] = {}
    failures: dict[Path, Exception] = {}
    for file in track(files, "Estimating", console=messages, transient=True, disable=not messages.is_terminal):
        try:
            depth = read_depth(file, format=format)
            pose = estimator(depth, centre_xyz=centre_xyz)
        except (TypeError, ValueError, OSError) as error:
            failures[file] = error
            continue
        if output is not None:
            _write_picture(output / _picture_name(file, files), depth, pose, title=file.name)
        poses[file] = replace(pose, crop=None)  # Crops of thousands of frames would fill the memory.

    if poses:
        document = pose_document(estimator.skeleton, [{"file": f.name, **pose.to_dict()} for f, pose in poses.items()])
        if output is not None:
            with whole_file(output / "poses.json") as path:
                path.write_text(to_json(document), encoding="utf-8")
        if json:
            typer.echo(to_json(document))
        else:
            comparable = known.skeleton == estimator.skeleton
            results.print(_table(poses, known.joints_xyz if comparable else {}))
    _report(failures)
    if failures:
        raise typer.Exit(1 if frames.is_dir() else 2)


def _centre_of(text: str, frames: Path) -> np.ndarray:
    """Return the hand's centre in mm that ``--centre`` gives for one frame."""
    import numpy as np

    if frames.is_dir():
        raise ValueError(
            f"`--centre` is of one frame. Received: {frames}, a folder. Centres of many frames go with "
            "`keras-handpose prepare --centre FILE` and `evaluate`."
        )
    try:
        numbers = numbers_in(text)
        if len(numbers) != 3:
            raise ValueError(f"{len(numbers)} number{'s' * (len(numbers) > 1)}")
    except ValueError as error:
        raise ValueError(f"`--centre` must be x,y,z in mm. Received: {text!r}: {error}.") from error
    return np.array(numbers)


def _first_shape(files: list[Path], format: str) -> tuple[int, int] | None:
    """Return the shape of the first frame that can be read."""
    from keras_handpose.preprocessing import read_depth

    for file in files:
        with suppress(TypeError, ValueError, OSError):
            return read_depth(file, format=format).shape
    return None


def _picture_name(file: Path, files: list[Path]) -> str:
    """Return a name that no other frame's picture has, and no frame."""
    from keras_handpose.preprocessing.frames import POSE_PICTURE

    alone = sum(other.stem == file.stem for other in files) == 1
    return f"{file.stem if alone else file.name}{POSE_PICTURE}"


def _write_picture(path: Path, depth: np.ndarray, pose: Pose, *, title: str) -> None:
    from keras_handpose.plotting import plot_pose

    with whole_file(path) as partial:
        plot_pose(depth, pose, title=title).savefig(partial)


def _report(failures: dict[Path, Exception]) -> None:
    """Print each error once, with the first of the frames that it came of."""
    alike: dict[str, list[Path]] = {}
    for file, error in failures.items():
        alike.setdefault(str(error).replace(f"{file} ", ""), []).append(file)
    for error, files in alike.items():
        more = f" and {len(files) - 1} more frames" if len(files) > 1 else ""
        report_error(f"{files[0].name}{more}: {error}")


def _table(poses: dict[Path, Pose], truth_xyz: Mapping[Path, np.ndarray]) -> Table:
    """Return the joints of a single pose, or a line for each of many, with errors where the truth is known."""
    from keras_handpose.evaluation import joint_errors

    (file, pose), *more = poses.items()
    if pose.found and not more:
        return joints_table(pose, truth_xyz=truth_xyz.get(file), title=f"{file.name}, score {pose.score:.2f}")
    errors = {
        file: float(joint_errors(pose.joints_xyz, truth_xyz[file]).mean())
        for file, pose in poses.items()
        if pose.found and file in truth_xyz
    }
    hands = sum(pose.found for pose in poses.values())
    mean = f", mean error {sum(errors.values()) / len(errors):.1f} mm" if errors else ""
    table = Table(title=f"Hands in {hands} of {len(poses)} frames{mean}", title_justify="left", title_style="bold")
    table.add_column("frame")
    for column in ("score", "evidence", "centre x mm", "y mm", "z mm") + ("error mm",) * bool(errors):
        table.add_column(column, justify="right")
    for file, pose in poses.items():
        centre = [f"{value:.1f}" for value in pose.centre_xyz] if pose.found else ["no hand"]
        error = [f"{errors[file]:.1f}"] if file in errors else []
        table.add_row(escape(file.name), f"{pose.score:.2f}", f"{pose.evidence:.2f}", *centre, *error)
    return table
