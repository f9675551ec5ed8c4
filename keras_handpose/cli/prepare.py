"""``keras-handpose prepare``: a dataset's frames, cropped to one file for training and evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from keras_handpose.cli.output import messages, names_in, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from keras_handpose.datasets import CropStore, Dataset

__all__ = ["prepare"]

_SHOWN = 5


def prepare(
    dataset: Annotated[str, typer.Option(help="msra15, icvl, nyu, or frames (PNG files and a labels.json).")],
    data_dir: Annotated[Path, typer.Option(help="Folder of the dataset's own files.")],
    output: Annotated[Path, typer.Option(help="The crop store to make, an HDF5 file.")],
    split: Annotated[str | None, typer.Option(help="For icvl and nyu: train or test.", show_default="train")] = None,
    subjects: Annotated[
        str | None, typer.Option(help="For msra15: whose frames, such as P0,P1; by default all.")
    ] = None,
    centre: Annotated[
        str | None,
        typer.Option(
            help="Where the cube goes: com (the hand's centre of mass, as on unlabelled frames), ground-truth (the "
            "mean of the labelled joints) or file.",
            show_default="com, or file with --centres",
        ),
    ] = None,
    centres: Annotated[
        list[Path] | None,
        typer.Option(help="File of centres, a line a frame; several are taken one after another."),
    ] = None,
    centres_format: Annotated[
        str | None,
        typer.Option(
            help="xyz (mm, y down), xyz-y-up or uvd (px, px, mm); by default as published for the dataset with "
            "V2V-PoseNet."
        ),
    ] = None,
    cube: Annotated[
        str, typer.Option(help="Edge of the cubes in mm, or msra15 or nyu for those that are customary by subject.")
    ] = "250",
    size: Annotated[int, typer.Option(help="Edge of the crops in px.", min=1)] = 128,
    workers: Annotated[int, typer.Option(help="Processes that read and crop.", min=1)] = 2,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Go on after frames that cannot be read, and note them in the store.")
    ] = False,
) -> None:
    """Find the hands in a dataset's frames and crop them to one file.

    Interrupted at any moment, the same command goes on where it stopped.
    """
    from keras_handpose.datasets import open_dataset
    from keras_handpose.datasets import prepare as crop_frames

    with messages.status("Reading the labels"):
        frames = open_dataset(dataset, data_dir, split=split, subjects=names_in(subjects) or None)
        around = _centres(dataset, frames, centre, centres, centres_format)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as progress:
        task = progress.add_task("Cropping", total=len(frames))
        store = crop_frames(
            frames,
            output,
            centre=around,
            cube=_cube(cube),
            size=size,
            workers=workers,
            skip_bad=skip_bad,
            centre_name=", ".join(path.name for path in centres or ()) or None,
            progress=lambda done: progress.update(task, completed=done),
        )
    _report(store)


def _centres(
    dataset: str, frames: Dataset, centre: str | None, files: list[Path] | None, format: str | None
) -> str | np.ndarray:
    import numpy as np

    from keras_handpose.datasets import CENTRE_FORMATS_OF, read_centres

    if not files:
        if centre == "file" or format:
            raise ValueError("--centre file and --centres-format go with --centres FILE. Received: no file of centres.")
        return centre or "com"
    if centre not in (None, "file"):
        raise ValueError(f"--centres FILE goes with --centre file. Received: --centre {centre}.")
    format = format or CENTRE_FORMATS_OF.get(dataset, "xyz")
    return np.concatenate([read_centres(file, format=format, camera=frames.camera) for file in files])


def _cube(cube: str) -> float | Mapping[str, float]:
    from keras_handpose.datasets import CUSTOMARY_CUBES

    if cube in CUSTOMARY_CUBES:
        return CUSTOMARY_CUBES[cube]
    try:
        return float(cube)
    except ValueError:
        raise ValueError(
            f"--cube must be a number of mm, or one of {', '.join(CUSTOMARY_CUBES)}. Received: {cube!r}."
        ) from None


def _report(store: CropStore) -> None:
    """Say what was read and what became of it."""
    bad = store.settings["bad_frames"]
    for frame in bad[:_SHOWN]:
        messages.print(f"Skipped {frame['path']}: {frame['problem']}", highlight=False, markup=False, style="yellow")
    if len(bad) > _SHOWN:
        messages.print(f"and {len(bad) - _SHOWN} more, which the store's settings name", style="yellow")
    without = len(store) - int(store.found.sum()) - len(bad)
    say(
        f"Read {store.settings['dataset']}; no hand was found in {without:,} frames"
        + (f", {len(bad):,} were skipped" if bad else "")
        + f". Wrote {int(store.found.sum()):,} crops to {store.path} ({store.path.stat().st_size / 2**20:.1f} MiB)."
    )
