"""KerasTuner's oracles, which draw candidates within a budget and lose nothing when they are killed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras_tuner
import numpy as np

from keras_handpose.files import whole_file
from keras_handpose.tuning.hyper_model import HyperResidualAttention

__all__ = ["TUNERS", "make_oracle"]

_DRAWS = 100  # Candidates in a row over the budget after which a search gives up.
_PROPOSALS = 10  # The same of the Bayesian oracle's own, after which it draws one at random.
_FAILURES = 3  # Trials in a row that fail after which a search stops: the next ones would, too.
_TAUGHT = 50  # Rejected candidates that the Bayesian oracle learns from.
_RUNNING, _STOPPED, _FAILED = "RUNNING", "STOPPED", "FAILED"


class _WithinBudget(keras_tuner.Oracle):
    """What the oracles have in common: this class goes before KerasTuner's own in the order of resolution.

    A candidate that the model's `check` objects to is written down and drawn anew, so it is no trial and no failure.
    The files of the search are replaced in one step, so a kill leaves the old or the new one.
    """

    def __init__(self, model: HyperResidualAttention, **options: Any) -> None:
        # KerasTuner's own limit raises an error in the middle of its lock, behind which a chief would wait for ever.
        super().__init__(**options, max_consecutive_failed_trials=10**9)
        self.model = model
        self.rejected: dict[str, dict[str, Any]] = {}
        self.costs: dict[str, dict[str, Any]] = {}
        self.ended: str | None = None
        self._failures = 0
        self.verbose = 0

    def populate_space(self, trial_id):
        self.ended = None
        if self._failures >= _FAILURES:
            return self._stop(f"the last {_FAILURES} trials failed")
        response = self._propose(trial_id)
        if response["status"] == _RUNNING:
            self._note_cost(trial_id, response["values"])
        elif response["status"] == _STOPPED and self.ended is None:
            self._stop("every candidate of the space was tried")
        return response

    def _propose(self, trial_id: str) -> dict[str, Any]:
        return super().populate_space(trial_id)

    def _random_values(self):
        for _ in range(_DRAWS):
            values = super()._random_values()
            if values is None or self._admits(values):
                return values
        self._stop(f"{_DRAWS} candidates in a row were rejected")
        return None

    def _admits(self, values: Mapping[str, Any]) -> bool:
        """Say whether a candidate may be trained; write it down if not, and never draw it again."""
        cost, reason = self.model.check(values)
        if reason is None:
            return True
        key = self._compute_values_hash(values)
        self._tried_so_far.add(key)
        if key not in self.rejected:
            cost = {} if cost is None else asdict(cost)
            self.rejected[key] = {"values": dict(values), "reason": reason, **cost}
            self.save()
        return False

    def _note_cost(self, trial_id: str, values: Mapping[str, Any]) -> None:
        cost, _ = self.model.check(values)
        self.costs[trial_id] = asdict(cost)

    def _stop(self, why: str) -> dict[str, Any]:
        self.ended = why
        self.save()
        return {"status": _STOPPED, "values": None}

    @keras_tuner.synchronized
    def end_trial(self, trial):
        super().end_trial(trial)
        self._failures = self._failures + 1 if self.trials[trial.trial_id].status == _FAILED else 0
        self.save()  # KerasTuner's own state says until the next trial that this one goes on.

    # === Files ===

    def get_state(self):
        return {**super().get_state(), "rejected": self.rejected, "costs": self.costs, "ended": self.ended}

    def set_state(self, state):
        super().set_state(state)
        self.rejected, self.costs = state["rejected"], state["costs"]

    def save(self):
        with whole_file(self._get_oracle_fname()) as partial:
            partial.write_text(json.dumps(self.get_state()), encoding="utf-8")

    def _save_trial(self, trial):
        with whole_file(Path(self._get_trial_dir(trial.trial_id)) / "trial.json") as partial:
            trial.save(str(partial))

    def reload(self):
        super().reload()
        # KerasTuner writes its own state after the trials', and would lose one that began, or repeat one that ended.
        self.start_order += sorted(self.trials.keys() - {*self.start_order}, key=int)
        self._retry_queue = [name for name in self.start_order if self.trials[name].status == _RUNNING]
        for name in self._retry_queue:
            self.trials[name].metrics.metrics.clear()  # It will report again.
            self._note_cost(name, self.trials[name].hyperparameters.values)


class _RandomOracle(_WithinBudget, keras_tuner.oracles.RandomSearchOracle):
    pass


class _HyperbandOracle(_WithinBudget, keras_tuner.oracles.HyperbandOracle):
    def trials_of_one_iteration(self) -> int:
        """Number of trials of all brackets."""
        brackets = range(self._get_num_brackets())
        return sum(self._get_size(n, k) for n in brackets for k in range(self._get_num_rounds(n)))


class _BayesianOracle(_WithinBudget, keras_tuner.oracles.BayesianOptimizationOracle):
    def _propose(self, trial_id):
        for _ in range(_PROPOSALS):
            response = super()._propose(trial_id)
            values = response["values"]
            if values is None or (not self._duplicate(values) and self._admits(values)):
                return response
            if self._compute_values_hash(values) not in self.rejected:
                break  # It was trained: the process would propose it again.
        return self._random_populate_space()

    def _vectorize_trials(self):
        """Add rejected candidates, as bad as the worst trial, so that the process learns what the budget forbids."""
        x, y = super()._vectorize_trials()
        rejected = [candidate["values"] for candidate in self.rejected.values()][-_TAUGHT:]
        if not rejected:
            return x, y
        space = self._nonfixed_space()
        forbidden = [[hp.value_to_prob(values.get(hp.name, hp.default)) for hp in space] for values in rejected]
        return np.concatenate([x, forbidden]), np.concatenate([y, np.full(len(rejected), y.max())])


def _hyperband(model: HyperResidualAttention, trials: int | None, **options: Any) -> _HyperbandOracle:
    oracle = _HyperbandOracle(model, max_epochs=model.recipe.epochs, hyperband_iterations=math.inf, **options)
    oracle.max_trials = trials or oracle.trials_of_one_iteration()
    return oracle


TUNERS: Mapping[str, Callable[..., _WithinBudget]] = MappingProxyType(
    {
        "hyperband": _hyperband,
        "bayesian": lambda model, trials, **options: _BayesianOracle(model, max_trials=trials or 20, **options),
        "random": lambda model, trials, **options: _RandomOracle(model, max_trials=trials or 20, **options),
    }
)
"""Ways to search by name. Hyperband trains many candidates shortly and the best of them longer."""


def make_oracle(
    name: str, model: HyperResidualAttention, *, objective: str, trials: int | None, seed: int
) -> _WithinBudget:
    """Return an oracle of `TUNERS`.

    Args:
        name: Its name.
        model: What candidates are.
        objective: What to minimise.
        trials: How many; None for 20, or for Hyperband for one iteration.
        seed: Source of all randomness of the candidates.
    """
    # KerasTuner takes a seed of 0 for none.
    return TUNERS[name](model, trials, objective=keras_tuner.Objective(objective, "min"), seed=seed + 1)
