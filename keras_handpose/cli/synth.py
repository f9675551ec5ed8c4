"""``keras-handpose synth``: labelled depth frames for people who own no dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from keras_handpose.cli.cameras import camera_of
from keras_handpose.cli.output import messages, say

__all__ = ["synth"]


def synth(
    output: Annotated[Path, typer.Argument(help="Folder to write to.")],
    layout: Annotated[
        str, typer.Option(help="frames (PNG files and a labels.json), or a dataset's own files: msra15, icvl or nyu.")
    ] = "frames",
    frames: Annotated[
        int, typer.Option(help="Number of frames; icvl and nyu get a tenth as many test frames besides.", min=1)
    ] = 100,
    subjects: Annotated[
        int | None,
        typer.Option(
            help="Number of people, each with a hand of their own; by default the dataset's, or for frames another "
            "one in every frame.",
            min=1,
        ),
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option(
            help="For frames: name of a camera, msra15, sr305, kinect_v2, ..., or fx,fy,cx,cy,width,height in px.",
            show_default="msra15",
        ),
    ] = None,
    sensor: Annotated[
        str | None,
        typer.Option(help="ideal, time_of_flight, structured_light or active_stereo; by default the camera's kind."),
    ] = None,
    hand: Annotated[str | None, typer.Option(help="For frames: right or left.", show_default="right")] = None,
    skeleton: Annotated[
        str | None,
        typer.Option(help="For frames: joints of the labels, msra21, icvl16 or nyu14.", show_default="msra21"),
    ] = None,
    depth_scale: Annotated[
        float | None, typer.Option(help="For frames: millimetres a unit of the PNG files.", show_default="1")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same frames.")] = 0,
    workers: Annotated[int, typer.Option(help="Threads that render.", min=1)] = 2,
) -> None:
    """Render labelled depth frames, in a layout of their own or in the original files of a dataset."""
    from keras_handpose.skeletons import SKELETONS
    from keras_handpose.synthetic import write_frames

    if skeleton is not None and skeleton not in SKELETONS:
        raise ValueError(f"`skeleton` must be one of {', '.join(SKELETONS)}. Received: {skeleton!r}.")
    with Progress(console=messages, transient=True, disable=not messages.is_terminal) as progress:
        task = progress.add_task("Rendering", total=None)
        write_frames(
            output,
            frames=frames,
            layout=layout,
            subjects=subjects,
            camera=None if camera is None else camera_of(camera),
            sensor=sensor,
            hand=hand,
            skeleton=None if skeleton is None else SKELETONS[skeleton],
            depth_scale=depth_scale,
            seed=seed,
            workers=workers,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    say(f"Wrote {int(progress.tasks[task].completed)} frames to {output}")
