"""``keras-handpose weights``: which weights there are, whether they are whole, fetching and publishing them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from keras_handpose.cli.output import load_keras, messages, report_error, results

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="List, verify, download and publish weights.")


@app.command("list")
def list_presets() -> None:
    """List the pretrained weights and what they were trained on."""
    from keras_handpose.models import weights

    table = Table(title="Pretrained weights", title_justify="left", title_style="bold")
    for column in ("name", "MB", "joints", "cube mm", "trained on", "here"):
        table.add_column(column, justify="right" if column in ("MB", "cube mm") else "left")
    for preset in weights.list():
        table.add_row(
            escape(preset.name),
            f"{preset.size / 1e6:.1f}",
            preset.skeleton,
            f"{preset.cube:g}",
            escape(preset.trained_on),
            "yes" if weights.locate(preset.name) else "no",
        )
    results.print(table)


@app.command()
def verify(
    names: Annotated[list[str] | None, typer.Argument(help="Presets or files; by default what is here.")] = None,
) -> None:
    """Check weight files against their records. Nothing is downloaded."""
    from keras_handpose.models import weights

    failed = False
    for name in names or [preset.name for preset in weights.list()]:
        try:
            _say(f"{name}: {weights.verify(name)} is whole.")
        except (ValueError, OSError) as error:
            if isinstance(error, FileNotFoundError) and not names:
                _say(f"{name} is not on this machine.")
            else:
                report_error(error)
                failed = True
    if failed:
        raise typer.Exit(2)


@app.command()
def download(
    name: Annotated[str, typer.Argument(help="A preset's name, or a mirror's for its own weights.")],
    address: Annotated[
        str | None, typer.Option(help="Folder or http(s) address; by default $KERAS_HANDPOSE_WEIGHTS_URL.")
    ] = None,
) -> None:
    """Download a preset's weights, unless they are on this machine; bring a mirror's own weights up to date."""
    from keras_handpose.models import weights

    _say(f"{name} is at {weights.download(name, address=address)}.")


@app.command()
def publish(
    source: Annotated[str, typer.Argument(help="X.weights.h5 with X.json beside it, or a preset's name.")],
    folder: Annotated[str, typer.Argument(help="Folder that others reach as a shared folder or over http(s).")],
    name: Annotated[str | None, typer.Option(help="What to call them there.", show_default="as before")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace other weights of that name.")] = False,
) -> None:
    """Check weights and copy them to a mirror, from where others have them by name."""
    from keras_handpose.models import weights

    record = weights.publish(source, folder, name=name, replace=replace)
    _say(f"Published {record.name}: {record.file} ({record.size / 1e6:.1f} MB) and {record.name}.json in {folder}.")
    _say(
        f"With {weights.ADDRESS_VARIABLE} set to that folder, or to the http(s) address that it is served at, "
        f'weights="{record.name}" gets them.'
    )


@app.command()
def choose(
    source: Annotated[str, typer.Argument(help="Weights of more joints, such as those of hand56.")],
    skeleton: Annotated[str, typer.Option(help="Layout of the joints to choose: msra21, icvl16 or nyu14.")],
    output: Annotated[Path, typer.Option(help="X.weights.h5; its record X.json is written beside it.")],
    camera: Annotated[str | None, typer.Option(help="Camera that the record names.", show_default="as before")] = None,
) -> None:
    """Write weights of one joint layout, the same network otherwise."""
    with messages.status("Loading Keras"):
        load_keras()
        from keras_handpose.models.joint_choice import choose_layout

    record = choose_layout(source, output, skeleton, camera=camera)
    _say(f"Wrote {output}: {record.skeleton}, {record.size / 1e6:.1f} MB.")


def _say(text: str) -> None:
    results.print(text, markup=False, highlight=False, soft_wrap=True)
