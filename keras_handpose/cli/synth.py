"""``keras-handpose synth``: labelled depth frames for people who own no dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from keras_handpose.cli.output import messages

__all__ = ["synth"]


def synth(
    output: Annotated[Path, typer.Argument(help="Folder to write to.")],
    frames: Annotated[int, typer.Option(help="Number of frames.", min=1)] = 100,
    camera: Annotated[str, typer.Option(help="Name of a camera: msra15, sr305, kinect_v2, ...")] = "msra15",
    sensor: Annotated[
        str | None,
        typer.Option(help="ideal, time_of_flight, structured_light or active_stereo; by default the camera's kind."),
    ] = None,
    hand: Annotated[str, typer.Option(help="right or left.")] = "right",
    skeleton: Annotated[str, typer.Option(help="Joints of the labels: msra21, icvl16 or nyu14.")] = "msra21",
    depth_scale: Annotated[float, typer.Option(help="Millimetres a unit of the PNG files.")] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same frames.")] = 0,
) -> None:
    """Render labelled depth frames: 16-bit PNG files and a labels.json with the joints in mm."""
    from keras_handpose.skeletons import SKELETONS
    from keras_handpose.synthetic import write_frames

    if skeleton not in SKELETONS:
        raise ValueError(f"`skeleton` must be one of {', '.join(SKELETONS)}. Received: {skeleton!r}.")
    with Progress(console=messages, transient=True, disable=not messages.is_terminal) as progress:
        task = progress.add_task("Rendering", total=frames)
        written = write_frames(
            output,
            frames=frames,
            camera=camera,
            sensor=sensor,
            hand=hand,
            skeleton=SKELETONS[skeleton],
            depth_scale=depth_scale,
            seed=seed,
            progress=lambda done: progress.update(task, completed=done),
        )
    messages.print(f"Wrote {frames} frames and {written}", highlight=False, markup=False)
