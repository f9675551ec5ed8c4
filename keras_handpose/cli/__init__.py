"""The `keras-handpose` command, a thin face over the library. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import os
import warnings
from typing import Annotated

import typer
from typer.core import TyperGroup

from keras_handpose.cli import demo, evaluate, export, leaderboard, live, predict, prepare, synth, train, tune, weights
from keras_handpose.cli.output import report_error, show_warning

__all__ = ["app", "main"]


class _Group(TyperGroup):
    """Turns the library's errors into one line on stderr and exit status 2."""

    def invoke(self, ctx: typer.Context):
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (ValueError, OSError, ImportError) as error:
            report_error(error)
            raise typer.Exit(2) from None


app = typer.Typer(cls=_Group, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        from keras_handpose import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _before_any_command(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """3D hand joints in millimetres from depth frames."""
    # TensorFlow reports on its build from C++ as soon as it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


app.command("demo")(demo.demo)
app.command("evaluate")(evaluate.evaluate)
app.command("export")(export.export)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("live")(live.live)
app.command("predict")(predict.predict)
app.command("prepare")(prepare.prepare)
app.command("synth")(synth.synth)
app.command("train")(train.train)
app.command("tune")(tune.tune)
app.add_typer(weights.app, name="weights")


def main() -> None:
    """Run the command line."""
    warnings.showwarning = show_warning
    app(prog_name="keras-handpose")
