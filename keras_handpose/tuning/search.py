"""The whole search: trials that are trainings of their own, and go on where they were interrupted."""

from __future__ import annotations

import gc
import io
import math
import os
import time
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from keras_handpose.checks import check_whole
from keras_handpose.models import ResidualAttentionRegressor
from keras_handpose.training import train
from keras_handpose.training.run_folder import hold_folder, settle_plan
from keras_handpose.tuning.hyper_model import HyperResidualAttention, last_figures
from keras_handpose.tuning.oracles import TUNERS, make_oracle
from keras_handpose.tuning.outcome import Outcome, conclude
from keras_handpose.tuning.packages import is_worker, require_exporter, require_tuner
from keras_handpose.tuning.records import PROJECT

__all__ = ["OBJECTIVES", "prepare_search", "tune"]

OBJECTIVES = ("val_mean_error_mm", "val_loss")
"""What may be minimised: the error on the crops that are watched, after a trial's last pass."""

_PAUSE = 0.2  # s before the next trial is asked for: an oracle that waits for others is asked again and again.


def tune(
    output: str | os.PathLike,
    model: HyperResidualAttention,
    *,
    tuner: str = "hyperband",
    objective: str = "val_mean_error_mm",
    trials: int | None = None,
    seed: int = 0,
    progress: Callable[[], object] | None = None,
) -> Outcome | None:
    """Search for a network, or go on searching.

    Every trial is a training of its own, with the whole schedule of its learning rate, in ``trials/trial_N/run``; so
    the command that comes out trains the winner as it was found. Writes to ``output``, besides KerasTuner's files,
    ``plan.json``, ``trials.csv``, ``trials.png`` and ``winner.json``. Killed at any moment, the same call goes on, also
    in the middle of a trial, and one with more `trials` adds to them.

    With KerasTuner's environment for searches in several processes, this is the chief or one of the workers.

    Args:
        output: Folder of the search.
        model: The space, the data, the budget and the recipe.
        tuner: "hyperband", "bayesian" or "random".
        objective: "val_mean_error_mm", or "val_loss", which has the weight decay's penalty in it.
        trials: How many at most, by default 20, or all of one iteration of Hyperband.
        seed: Source of the candidates' randomness; the trainings' is the recipe's.
        progress: Called when a trial begins or ends.

    Returns:
        What was found; None in a worker, which does not know.

    Raises:
        ValueError: An argument is wrong, the folder holds another search, or no trial completed: all failed, or all
            candidates were rejected.
        ImportError: A package that the search needs is not installed.
        OSError: Another process is at work in the folder.
    """
    folder = Path(output)
    trials = None if trials is None else check_whole(trials, "trials")
    worker = is_worker()
    with nullcontext() if worker else hold_folder(folder):
        prepare_search(folder, model, tuner=tuner, objective=objective, seed=seed)
        oracle = make_oracle(tuner, model, objective=objective, trials=trials, seed=seed)
        with redirect_stdout(io.StringIO()):  # KerasTuner tells of what it reads.
            search = _Search(model, oracle, folder, progress or (lambda: None))
        search.search()
        return None if worker else conclude(folder, model, objective=objective)


def prepare_search(folder: Path, model: HyperResidualAttention, *, tuner: str, objective: str, seed: int) -> None:
    """See that a search can be made, and write its plan to its folder or see that it is the one there.

    Raises:
        ValueError, ImportError: As `tune` does.
    """
    for name, value, choices in (("tuner", tuner, TUNERS), ("objective", objective, OBJECTIVES)):
        if value not in choices:
            raise ValueError(f"`{name}` must be one of {', '.join(choices)}. Received: {value!r}.")
    require_tuner(backend=keras.backend.backend(), tuner=tuner)
    if model.budget.max_ms is not None:
        require_exporter()
    if not model.space.free:
        raise ValueError(f"Every parameter has one value: there is nothing to search. Received: {model.space.fixed}.")
    plan = {
        "kind": "search",
        "tuner": tuner,
        "objective": objective,
        "seed": seed,
        "space": model.space.as_dict(),
        "budget": model.budget.as_dict(),
        "recipe": model.recipe.as_dict(),
        "data": model.data.identity(),
    }
    model.data.close()
    settle_plan(folder, plan)


class _Search(keras_tuner.Tuner):
    """A tuner whose trials are trainings, and whose only state is its oracle's."""

    def __init__(
        self,
        model: HyperResidualAttention,
        oracle: keras_tuner.Oracle,
        folder: Path,
        progress: Callable[[], object],
    ) -> None:
        self._progress = progress
        super().__init__(oracle=oracle, hypermodel=model, directory=str(folder), project_name=PROJECT)

    def _populate_initial_space(self):
        # KerasTuner would build networks to find out what is searched over.
        space = self.oracle.get_space()
        self.hypermodel.declare_hyperparameters(space)
        self.oracle.update_space(space)

    def _get_tuner_fname(self):
        # By KerasTuner's own file, a search would be taken up by the process only that began it.
        return os.path.join(self.project_dir, "oracle.json")

    def save(self):
        if not is_worker():
            self.oracle.save()

    def on_search_begin(self):
        self.save()

    def pre_create_trial(self):
        time.sleep(_PAUSE)

    def on_trial_begin(self, trial):
        self._progress()

    def on_trial_end(self, trial):
        super().on_trial_end(trial)
        self._progress()

    def run_trial(self, trial: Any, *arguments: Any, **options: Any) -> dict[str, float]:
        _forget_networks()
        model, values = self.hypermodel, trial.hyperparameters.values
        recipe = model.recipe_for(values, epochs=values.get("tuner/epochs"))
        folder = self._run_folder(trial.trial_id)
        # The weights' record is written last. A kill may come before the oracle hears of it.
        if not (folder / f"{recipe.name}.json").exists():
            train(folder, model.data, recipe, workers=model.workers, verbose=0)
        for name in ("last.keras", "best.keras"):  # Three times as large as the weights.
            (folder / name).unlink(missing_ok=True)
        figures = last_figures(folder)
        if not math.isfinite(figures[self.oracle.objective.name]):
            raise keras_tuner.errors.FailedTrialError("The objective is not a number: the training diverged.")
        return figures

    def load_model(self, trial):
        recipe = self.hypermodel.recipe_for(trial.hyperparameters.values)
        return ResidualAttentionRegressor(weights=self._run_folder(trial.trial_id) / f"{recipe.name}.weights.h5")

    def _run_folder(self, trial_id: str) -> Path:
        return Path(self.get_trial_dir(trial_id)) / "run"


def _forget_networks() -> None:
    """Free what is left of the trial before."""
    keras.backend.clear_session()
    gc.collect()
