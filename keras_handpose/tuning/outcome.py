"""What a search ends with: the winner, its command line, a table and a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from keras_handpose.training import Recipe
from keras_handpose.training.run_folder import write_json
from keras_handpose.tuning.candidates import train_command
from keras_handpose.tuning.figure import plot_trials
from keras_handpose.tuning.hyper_model import HyperResidualAttention
from keras_handpose.tuning.records import PROJECT, SearchRecord, TrialRecord, read_search, write_trials

__all__ = ["Outcome", "conclude"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a search has found.

    Args:
        record: All of its trials and rejected candidates.
        best: The winner.
        recipe: How the winner was trained.
        command: The command line that trains it so again; None where it has no options for such data.
        weights: The winner's weights, with their record beside them; None if they lie on another machine.
    """

    record: SearchRecord
    best: TrialRecord
    recipe: Recipe
    command: str | None
    weights: Path | None

    def describe(self) -> str:
        """Say in a few lines what came out, failures and rejections as well."""
        record, failed = self.record, self.record.by_status("failed")
        lines = [f"{len(record.by_status('completed'))} of {len(record.trials)} trials completed."]
        lines += [f"Trial {trial.name} failed: {trial.reason}" for trial in failed]
        lines += [record.rejections()]
        lines += [f"The search ended early: {record.ended}."] if record.ended else []
        lines += [f"Best: trial {self.best.name}, {self.best.score:.3f} at {self.best.mmacs:.1f} MMACs."]
        return "\n".join(lines)


def conclude(folder: Path, model: HyperResidualAttention, *, objective: str) -> Outcome:
    """Write ``trials.csv``, ``trials.png`` and ``winner.json`` from the files of a search, and return what it found.

    Raises:
        ValueError: No trial completed.
    """
    record = read_search(folder)
    write_trials(record, folder / "trials.csv")
    best = record.best
    if best is None:
        raise ValueError(_nothing(record, folder))
    recipe = model.recipe_for(best.values, epochs=best.epochs)
    run = folder / PROJECT / f"trial_{best.name}" / "run"
    weights = run / f"{recipe.name}.weights.h5"
    command = train_command(model.data.data, recipe, str(folder / "winner"))
    plot_trials(record, objective=objective, max_mmacs=model.budget.max_mmacs).savefig(folder / "trials.png")
    write_json(
        folder / "winner.json",
        {"trial": best.name, objective: best.score, "command": command, "recipe": recipe.as_dict()},
    )
    return Outcome(
        record=record, best=best, recipe=recipe, command=command, weights=weights if weights.exists() else None
    )


def _nothing(record: SearchRecord, folder: Path) -> str:
    failed = record.by_status("failed")
    ended = f" The search ended: {record.ended}." if record.ended else ""
    if failed:
        return (
            f"None of {len(record.trials)} trials in {folder} completed: {len(failed)} failed.{ended} "
            f"The last error, of trial {failed[-1].name}: {failed[-1].reason}"
        )
    return f"There was no trial in {folder}.{ended} {record.rejections()} Raise the budget or widen the space."
