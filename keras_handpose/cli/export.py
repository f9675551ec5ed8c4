"""``keras-handpose export``: one file that estimates poses without Keras."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from keras_handpose.cli.cameras import camera_of
from keras_handpose.cli.output import messages, results, silent_runtimes, to_json

if TYPE_CHECKING:
    from keras_handpose.exporting import Comparison

__all__ = ["export"]


def export(
    file: Annotated[Path, typer.Argument(help="The file to write: .onnx or .tflite.")],
    weights: Annotated[str, typer.Option(help="A preset's name, or a .weights.h5 file beside its record.")] = "msra",
    quantize: Annotated[
        Literal["float16", "dynamic", "int8"] | None,
        typer.Option(help="Fewer bits for the network's body.", show_default="float32"),
    ] = None,
    pipeline: Annotated[
        bool, typer.Option("--pipeline", help="The whole way from a depth frame, not only the network.")
    ] = False,
    camera: Annotated[
        str | None,
        typer.Option(
            help="With --pipeline: a camera's name, or fx,fy,cx,cy,width,height in px. A TFLite file takes frames of "
            "its size, an ONNX file any.",
            show_default="ONNX: that of the record; TFLite: none",
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="Crops to calibrate and compare with, as `prepare` writes them.", show_default="rendered"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what the file says of itself as JSON.")] = False,
) -> None:
    """Write a network, or all of the way from a depth frame to joints in mm, to one file, and compare it with Keras.

    A file whose joints are not those of the Keras network is not kept.
    """
    from keras_handpose.exporting import export as write
    from keras_handpose.models.weights import resolve

    if camera is not None and not pipeline:
        raise ValueError(f"`--camera` is for a whole pipeline. Received: --camera {camera}. Add --pipeline.")
    if pipeline and camera is None and file.suffix == ".tflite":
        raise ValueError(
            f"`--camera` is needed: a TFLite pipeline takes frames of one camera's size. Received: {file}."
        )
    viewed_by = camera_of(camera or resolve(weights)[1].camera) if pipeline else None
    source = weights
    with messages.status("Loading the network") as status, silent_runtimes():
        if viewed_by is not None:
            from keras_handpose.estimator import HandPoseEstimator

            source = HandPoseEstimator(weights, camera=viewed_by, engine="keras")
        exported = write(source, file, quantize=quantize, calibration=store, progress=status.update)
    if json:
        document = json_text.loads(exported.metadata.to_json())
        typer.echo(to_json({"path": str(exported.path), "size": exported.size, **document}))
    else:
        if viewed_by is not None and file.suffix == ".tflite":
            messages.print(f"It takes frames of {viewed_by.width} x {viewed_by.height} px.", highlight=False)
        results.print(f"[bold]{escape(exported.describe().splitlines()[0])}[/]", highlight=False, soft_wrap=True)
        results.print(_table(exported.comparison))


def _table(comparison: Comparison) -> Table:
    table = Table(f"on {comparison.crops:,} held-out crops")
    table.add_column("mm", justify="right")
    table.add_column("at most", justify="right")
    table.add_row("mean difference from Keras", f"{comparison.mean_difference_mm:.2g}", f"{comparison.limit_mm:g}")
    table.add_row("greatest difference", f"{comparison.max_difference_mm:.2g}", "")
    if comparison.error_mm is not None:
        highest = comparison.keras_error_mm * (1 + comparison.worse)
        table.add_row("mean error of Keras", f"{comparison.keras_error_mm:.2f}", "")
        table.add_row("mean error", f"{comparison.error_mm:.2f}", f"{highest:.2f}")
    return table
