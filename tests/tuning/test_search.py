"""Searches whose trainings are none: budgets, failures, interruptions, and what is written."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras_tuner")

from tiny_searches import FIXED, Trainings

from keras_handpose.training import RENDERED, RenderedHands, StoredCrops
from keras_handpose.tuning import Budget, Cost, HyperResidualAttention, Span, plot_trials, tune
from keras_handpose.tuning.records import SearchRecord, TrialRecord, read_search

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras_tuner.src.engine.oracle")

BUDGET = Budget(max_mmacs=25)
SPACE = {**FIXED, "t": [1, 2, 3, 4], "r": [1, 2, 3], "learning_rate": Span(1e-3, 1e-2, log=True)}


class Counted(HyperResidualAttention):
    """A hyper model whose networks cost ten million operations for each unit of the trunk, and need not be built."""

    def check(self, hp):
        if self.values(hp)["r"] == 3:
            return None, "it cannot be built: too small"
        cost = Cost(mmacs=10.0 * self.values(hp)["t"], params=100)
        return cost, self.budget.excess(cost)


@pytest.fixture
def trainings(monkeypatch) -> Trainings:
    trainings = Trainings()
    monkeypatch.setattr("keras_handpose.tuning.search.train", trainings)
    # There are no networks to forget, and nobody to wait for.
    monkeypatch.setattr("keras_handpose.tuning.search._forget_networks", lambda: None)
    monkeypatch.setattr("keras_handpose.tuning.search._PAUSE", 0.0)
    return trainings


def model(*, epochs=9, space=SPACE, budget=BUDGET) -> Counted:
    return Counted(RenderedHands(samples=64), space=space, budget=budget, recipe=replace(RENDERED, epochs=epochs))


@pytest.mark.parametrize("tuner", ["random", "bayesian", "hyperband"])
def test_nothing_over_the_budget_is_trained_and_nothing_is_lost(tmp_path, trainings, tuner):
    """Candidates over the budget are drawn anew: they are no trials, are written down, and are counted by reason."""
    outcome = tune(tmp_path, model(), tuner=tuner, trials=12, seed=3)
    record = outcome.record
    assert len(record.trials) == len(trainings.recipes) == len(record.by_status("completed")) == 12
    assert all(recipe.architecture["t"] <= 2 and recipe.architecture["r"] < 3 for recipe in trainings.recipes)
    assert {trial.mmacs for trial in record.trials} <= {10.0, 20.0} and len(record.rejected) > 3
    assert all(candidate.values["t"] > 2 or candidate.values["r"] == 3 for candidate in record.rejected)
    kinds = [candidate.reason.split(":")[0] for candidate in record.rejected]
    built = kinds.count("it cannot be built")
    assert f"{len(kinds)} (" in record.rejections() and f"{built} it cannot be built" in record.rejections()
    assert f"{len(kinds) - built} above 25 MMACs" in record.rejections()
    rows = list(csv.DictReader((tmp_path / "trials.csv").read_text().splitlines()))
    assert [row["status"] for row in rows] == ["completed"] * 12 + ["rejected"] * len(kinds)
    assert "more than 25" in {row["reason"][-12:] for row in rows}
    best = min(recipe.learning_rate for recipe in trainings.recipes)
    assert outcome.recipe.learning_rate == best and outcome.best.score == pytest.approx(1e3 * best)
    assert json.loads((tmp_path / "winner.json").read_text())["command"] == outcome.command
    assert (tmp_path / "trials.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_bayesian_search_learns_what_is_good_and_what_is_forbidden(tmp_path, trainings):
    """Where the best networks are over the budget, proposals still end up near its edge, not at random."""
    trainings.error = lambda recipe: 20.0 - 4.0 * recipe.architecture["t"] + 1e3 * recipe.learning_rate
    space = {**SPACE, "r": 1, "t": [*range(1, 13)]}
    outcome = tune(tmp_path, model(space=space, budget=Budget(max_mmacs=65)), tuner="bayesian", trials=24)
    late = [recipe.architecture["t"] for recipe in trainings.recipes[-12:]]
    # Without learning from rejected candidates it is 3.4 on average, as at random, and 192 of them.
    assert max(late) == 6 and np.mean(late) > 4 and len(outcome.record.rejected) < 40
    assert outcome.recipe.architecture["t"] == 6


def test_hyperband_trains_the_best_longer(tmp_path, trainings):
    outcome = tune(tmp_path, model(), tuner="hyperband")
    epochs = [recipe.epochs for recipe in trainings.recipes]
    assert epochs.count(1) == 9 and set(epochs) == {1, 3, 9} and len(epochs) == len(outcome.record.trials)
    bracket = [recipe for recipe in trainings.recipes[:13]]
    shortly = sorted(recipe.learning_rate for recipe in bracket if recipe.epochs == 1)
    assert sorted(recipe.learning_rate for recipe in bracket if recipe.epochs == 3) == shortly[:3]
    assert outcome.recipe.epochs == outcome.best.epochs


def test_a_search_goes_on_where_it_was_killed(tmp_path, trainings):
    """Also in the middle of a trial, and ends with the trials of one that was not."""
    undisturbed = tune(tmp_path / "undisturbed", model(), tuner="random", trials=6)
    known = trainings.error

    def killed(recipe):
        if len(trainings.recipes) == 10:  # The fourth trial.
            raise KeyboardInterrupt
        return known(recipe)

    trainings.error = killed
    with pytest.raises(KeyboardInterrupt):
        tune(tmp_path / "killed", model(), tuner="random", trials=6)
    statuses = [trial.status for trial in read_search(tmp_path / "killed").trials]
    assert statuses == ["completed"] * 3 + ["running"]
    outcome = tune(tmp_path / "killed", model(), tuner="random", trials=6)
    assert outcome.record == undisturbed.record
    assert len(trainings.recipes) == 6 + 4 + 3
    more = tune(tmp_path / "killed", model(), tuner="random", trials=8)
    assert more.record.trials[:6] == outcome.record.trials and len(more.record.trials) == 8


def test_a_trial_of_which_the_oracle_did_not_hear_is_not_lost(tmp_path, trainings):
    """KerasTuner writes a new trial before its own state: a kill in between leaves one that nobody knows."""
    tune(tmp_path, model(), tuner="random", trials=2)
    folder = tmp_path / "trials"
    (folder / "trial_2").mkdir()
    state = json.loads((folder / "trial_1" / "trial.json").read_text())
    state |= {"trial_id": "2", "status": "RUNNING", "score": None}
    (folder / "trial_2" / "trial.json").write_text(json.dumps(state))
    outcome = tune(tmp_path, model(), tuner="random", trials=3)
    assert [trial.status for trial in outcome.record.trials] == ["completed"] * 3 and len(trainings.recipes) == 3


def test_another_search_does_not_go_on_there(tmp_path, trainings):
    tune(tmp_path, model(), tuner="random", trials=1)
    for changed in (model(epochs=3), model(budget=Budget(max_mmacs=30)), model(space={**SPACE, "t": [1, 2]})):
        with pytest.raises(ValueError, match="holds a run of another plan"):
            tune(tmp_path, changed, tuner="random", trials=2)
    with pytest.raises(ValueError, match=r"tuner='bayesian' \(there: 'random'\)"):
        tune(tmp_path, model(), tuner="bayesian", trials=2)
    assert len(trainings.recipes) == 1


def test_failing_trials_are_reported_with_their_errors(tmp_path, trainings):
    known = trainings.error

    def failing(recipe):
        if len(trainings.recipes) == 2:
            raise OSError("the disc\nis full")
        return math.nan if len(trainings.recipes) == 3 else known(recipe)

    trainings.error = failing
    outcome = tune(tmp_path, model(), tuner="random", trials=5)
    assert [trial.status for trial in outcome.record.trials] == [
        "completed",
        "failed",
        "failed",
        "completed",
        "completed",
    ]
    said = outcome.describe()
    assert "3 of 5 trials completed." in said
    assert "Trial 1 failed: OSError: the disc is full" in said
    assert (
        "Trial 2 failed: keras_tuner.src.errors.FailedTrialError: The objective is not a number: the training diverged."
        in said
    )


def test_a_search_in_which_all_fail_stops_and_says_why(tmp_path, trainings):
    def failing(recipe):
        raise RuntimeError("out of memory")

    trainings.error = failing
    with pytest.raises(ValueError, match="None of 3 trials .* the last 3 trials failed.* RuntimeError: out of memory"):
        tune(tmp_path, model(), tuner="random", trials=20)
    assert len(trainings.recipes) == 3 and (tmp_path / "trials.csv").exists()
    trainings.error = Trainings().error  # The reason is gone: the same call goes on.
    outcome = tune(tmp_path, model(), tuner="random", trials=5)
    assert len(outcome.record.by_status("completed")) == 2


@pytest.mark.parametrize("tuner", ["random", "bayesian", "hyperband"])
def test_a_budget_that_nothing_fits_is_said(tmp_path, trainings, tuner):
    with pytest.raises(ValueError, match=r"no trial.* 100 candidates in a row were rejected.* above 5 MMACs"):
        tune(tmp_path, model(budget=Budget(max_mmacs=5)), tuner=tuner, trials=3)
    assert trainings.recipes == []


def test_a_space_that_is_used_up_ends_the_search(tmp_path, trainings):
    space = {**FIXED, "t": [1, 2], "learning_rate": [1e-3, 2e-3]}
    outcome = tune(tmp_path, model(space=space), tuner="random", trials=20)
    assert len(outcome.record.trials) == 4 == len({(r.learning_rate, r.architecture["t"]) for r in trainings.recipes})
    assert "every candidate of the space was tried" in outcome.describe()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tuner": "grid"}, "`tuner` must be one of hyperband, bayesian, random. Received: 'grid'"),
        ({"objective": "loss"}, "`objective` must be one of val_mean_error_mm, val_loss"),
        ({"trials": 0}, "`trials` must be a whole number, at least 1. Received: trials=0"),
        ({"model": model(space={**FIXED, "learning_rate": 1e-3})}, "there is nothing to search"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, changes, message):
    changes = {"model": model(), **changes}
    with pytest.raises(ValueError, match=message):
        tune(tmp_path, changes.pop("model"), **changes)
    assert not (tmp_path / "plan.json").exists()


def test_missing_packages_are_said_before_anything_fails(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in ("sklearn", "onnx") else object())
    with pytest.raises(ImportError, match=r"A search needs scikit-learn, .*keras-handpose\[tuner\]"):
        tune(tmp_path, model(), tuner="bayesian")
    with pytest.raises(ImportError, match=r"A limit in ms needs onnx, .*keras-handpose\[export\]"):
        tune(tmp_path, model(budget=Budget(max_ms=3)), tuner="random")


def test_another_process_at_work_is_noticed(tmp_path, trainings, store):
    data = StoredCrops(store, leave_out="P0")
    other = Counted(data, space=SPACE, recipe=replace(RENDERED, epochs=1))
    trainings.error = lambda recipe: tune(tmp_path, other, tuner="random", trials=1)
    with pytest.raises(ValueError, match="OSError: Another process"):
        tune(tmp_path, other, tuner="random", trials=1)


def test_pictures_need_a_completed_trial():
    failed = TrialRecord(name="0", status="failed", values={}, reason="out of memory")
    with pytest.raises(ValueError, match="nothing to draw. Received: 1 trials"):
        plot_trials(SearchRecord(trials=(failed,)))
