"""``keras-handpose tune``: a search for a network within a budget."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from keras_handpose.cli.options import data_option, in_panel, read_architecture
from keras_handpose.cli.output import load_keras, messages, names_in, say

if TYPE_CHECKING:
    from keras_handpose.tuning import HyperResidualAttention, Outcome
    from keras_handpose.tuning.records import SearchRecord, TrialRecord

__all__ = ["tune"]

_ROWS = 12  # of the live table
_REFRESH = 0.5  # Hz: it reads files.


def _budget(*, help: str) -> Any:
    return in_panel("Budget", help=help, default="none")


def tune(
    output: Annotated[Path, typer.Option(help="Folder of the search. One that was interrupted there goes on.")],
    store: Annotated[Path | None, data_option(help="Crops to train on, as `prepare` writes them.")] = None,
    leave_out: Annotated[
        str | None, data_option(help="With --store: subjects to measure on, such as P0 or P0,P3.")
    ] = None,
    test_store: Annotated[Path | None, data_option(help="With --store: other crops to measure on.")] = None,
    samples: Annotated[int, data_option(help="Without --store: rendered hands to train on.", default="24000")] = 24_000,
    skeleton: Annotated[str, data_option(help="Rendered hands: msra21, icvl16, nyu14 or hand56.")] = "msra21",
    space: Annotated[str, typer.Option(help="paper, compact or mobile: what is searched over.")] = "compact",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change the space: t=1,2 or filters=16 or learning_rate=1e-4..1e-2; often."),
    ] = None,
    architecture: Annotated[
        str | None, typer.Option(help="Fixed arguments of ResidualAttentionRegressor, as JSON.", show_default="none")
    ] = None,
    tuner: Annotated[str, typer.Option(help="hyperband, bayesian or random.")] = "hyperband",
    objective: Annotated[str, typer.Option(help="val_mean_error_mm or val_loss.")] = "val_mean_error_mm",
    max_mmacs: Annotated[float | None, _budget(help="Most million multiply-accumulate operations.")] = None,
    max_params: Annotated[float | None, _budget(help="Most weights.")] = None,
    max_ms: Annotated[float | None, _budget(help="Most ms in onnxruntime on one thread of this machine.")] = None,
    trials: Annotated[
        int | None, typer.Option(help="Most trials.", show_default="20; hyperband: one iteration")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the crops, of the longest trials.", min=1)] = 9,
    seed: Annotated[int, typer.Option(help="Source of all randomness.", min=0)] = 0,
    processes: Annotated[
        int, typer.Option(help="Trials at a time, each in a process of its own on this machine.", min=1)
    ] = 1,
    workers: Annotated[int, typer.Option(help="Threads that read or render crops, for each trial.", min=1)] = 2,
) -> None:
    """Search for a network with KerasTuner, within a budget that nothing over it is trained.

    The folder gets trials.csv, trials.png, winner.json, and for every trial its weights and log. The command that
    trains the winner again is printed. Killed at any moment, the same command goes on.
    """
    options = dict(locals())
    if store is None and (leave_out or test_store):
        raise ValueError("--leave-out and --test-store go with --store. Received: no --store.")
    with messages.status("Loading Keras"):
        load_keras()
        from keras_handpose.training.launching import end_with_launcher
        from keras_handpose.tuning.packages import is_member, is_worker
        from keras_handpose.tuning.processes import run_processes
        from keras_handpose.tuning.search import conclude, prepare_search
        from keras_handpose.tuning.search import tune as search

    end_with_launcher()
    model = _model(options)
    how = {"tuner": tuner, "objective": objective, "seed": seed}
    if processes > 1 and not is_member():
        prepare_search(output, model, **how)
        with _watched(output) as tell:
            run_processes(sys.argv[1:], output, workers=processes, progress=tell)
        outcome = conclude(output, model, objective=objective)
    elif is_worker():
        search(output, model, trials=trials, **how)
        return
    else:
        with _watched(output) as tell:
            outcome = search(output, model, trials=trials, progress=tell, **how)
    _report(outcome, output)


def _model(options: dict[str, Any]) -> HyperResidualAttention:
    from keras_handpose.training import RenderedHands, StoredCrops
    from keras_handpose.tuning import SPACES, Budget, HyperResidualAttention
    from keras_handpose.tuning.candidates import default_recipe
    from keras_handpose.tuning.parameters import read_setting

    if options["space"] not in SPACES:
        raise ValueError(f"--space must be one of {', '.join(SPACES)}. Received: {options['space']!r}.")
    space = SPACES[options["space"]].changed(dict(map(read_setting, options["settings"] or ())))
    if options["store"] is None:
        data = RenderedHands(samples=options["samples"], joints=options["skeleton"])
    else:
        data = StoredCrops(options["store"], leave_out=names_in(options["leave_out"]), test=options["test_store"])
    recipe = replace(
        default_recipe(data, space),
        architecture=read_architecture(options["architecture"]),
        epochs=options["epochs"],
        seed=options["seed"],
    )
    budget = Budget(**{key: options[key] for key in ("max_mmacs", "max_params", "max_ms")})
    return HyperResidualAttention(data, space=space, budget=budget, recipe=recipe, workers=options["workers"])


# === What is seen of it ===


@contextmanager
def _watched(folder: Path) -> Iterator[Callable[[], None] | None]:
    """Show the trials as they go on: a live table on a terminal, a line for each that ends elsewhere."""
    from keras_handpose.tuning.records import read_search

    if messages.is_terminal:
        with Live(get_renderable=lambda: _table(read_search(folder)), console=messages, refresh_per_second=_REFRESH):
            yield None
        return
    seen = {trial.name for trial in read_search(folder).trials if trial.status != "running"}
    begun = {*seen}
    rejected = len(read_search(folder).rejected)

    def tell() -> None:
        nonlocal rejected
        record = read_search(folder)
        if len(record.rejected) > rejected:
            rejected = len(record.rejected)
            say(record.rejections())
        for trial in record.trials:
            if trial.name not in begun:
                begun.add(trial.name)
                say(f"Trial {trial.name} begins: {_values(trial)}")
            if trial.status != "running" and trial.name not in seen:
                seen.add(trial.name)
                say(f"Trial {trial.name} {trial.status}: {trial.reason or _figures(trial)}")

    yield tell
    tell()


def _table(record: SearchRecord) -> Table:
    """Tabulate the trials that are running and the best of the others."""
    best = record.best
    done = sorted(record.by_status("completed"), key=lambda trial: trial.score)
    shown = [*record.by_status("running"), *done, *record.by_status("failed")][:_ROWS]
    table = Table(
        title=f"{len(record.trials)} trials, {len(record.rejected)} rejected",
        title_justify="left",
        title_style="bold",
    )
    for column in ("trial", "score", "MMACs", "passes"):
        table.add_column(column, justify="right")
    table.add_column("", overflow="fold")
    for trial in shown:
        latest = trial.latest.get("val_mean_error_mm")
        score = trial.score if trial.score is not None else latest
        style = {"running": "dim", "failed": "red"}.get(trial.status, "bold green" if trial is best else None)
        table.add_row(
            trial.name,
            "" if score is None else f"{score:.3f}",
            "" if trial.mmacs is None else f"{trial.mmacs:.1f}",
            f"{trial.latest['epoch']:g}" if trial.latest else f"{trial.epochs or ''}",
            escape(trial.reason or _values(trial)),
            style=style,
        )
    return table


def _values(trial: TrialRecord) -> str:
    return " ".join(f"{name}={value}" for name, value in trial.values.items())


def _figures(trial: TrialRecord) -> str:
    return f"{trial.score:.3f} at {trial.mmacs:.1f} MMACs, {_values(trial)}"


def _report(outcome: Outcome, output: Path) -> None:
    say(outcome.describe())
    say(f"See {output / 'trials.csv'} and {output / 'trials.png'}.")
    if outcome.weights is not None:
        say(f"Its weights are {outcome.weights}")
    if outcome.command is not None:
        say("This trains it again; give it more epochs:")
        typer.echo(outcome.command)
