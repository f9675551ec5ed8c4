"""The hyper model under KerasTuner's own tuners, and the measured part of a budget."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

keras_tuner = pytest.importorskip("keras_tuner")

from tiny_searches import FIXED, TINY  # noqa: E402

from keras_handpose.training import RENDERED, StoredCrops  # noqa: E402
from keras_handpose.tuning import Budget, HyperResidualAttention  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras_tuner.src.engine.oracle"),
]

OBJECTIVE = keras_tuner.Objective("val_mean_error_mm", "min")


def model(store, *, budget=Budget(), epochs=2, **space):  # noqa: B008 - it is frozen.
    recipe = replace(RENDERED, architecture=TINY, epochs=epochs)
    space = {**FIXED, "learning_rate": [1e-3, 2e-3], **space}
    return HyperResidualAttention(
        StoredCrops(store, leave_out="P0"), space=space, budget=budget, recipe=recipe, workers=1
    )


def test_random_search_trains_the_model_that_it_built(tmp_path, store):
    """And its checkpoint is of the trained weights, with the fitted prior in them."""
    tuner = keras_tuner.RandomSearch(model(store), OBJECTIVE, max_trials=1, directory=tmp_path)
    tuner.search(verbose=0)
    (trial,) = tuner.oracle.get_best_trials()
    (best,) = tuner.get_best_models()
    crops = StoredCrops(store, leave_out="P0").validation(workers=1)
    distances = np.linalg.norm(best.predict(crops.images, verbose=0) - crops.joints_unit, axis=-1)
    assert trial.score == pytest.approx(float((distances * crops.cubes[:, None] / 2).mean()), rel=1e-3)


def test_hyperband_goes_on_from_the_weights_of_the_round_before(tmp_path, store):
    tuner = keras_tuner.Hyperband(model(store, epochs=3, batch=[4, 5]), OBJECTIVE, max_epochs=3, directory=tmp_path)
    tuner.search(verbose=0)
    trials = tuner.oracle.trials.values()
    assert {trial.status for trial in trials} == {"COMPLETED"}
    assert {trial.hyperparameters.values["tuner/epochs"] for trial in trials} == {1, 3}


def test_a_batch_of_more_crops_than_there_are_is_rejected(store):
    hp = keras_tuner.HyperParameters()
    tried = model(store, batch=[4, 5000])
    tried.declare_hyperparameters(hp)
    hp.values["batch"] = 5000
    cost, reason = tried.check(hp)
    assert cost is None and reason.startswith("a batch needs 5000 crops, and there are ")


def test_what_is_over_the_budget_fails_before_it_is_trained(tmp_path, store):
    hyper_model = model(store, budget=Budget(max_params=100))
    tuner = keras_tuner.RandomSearch(
        hyper_model, OBJECTIVE, max_trials=2, max_consecutive_failed_trials=9, directory=tmp_path
    )
    tuner.search(verbose=0)
    trials = tuner.oracle.trials.values()
    assert {trial.status for trial in trials} == {"FAILED"}
    assert all("parameters are more than 100" in trial.message for trial in trials)


def test_time_is_measured_where_the_budget_limits_it(store):
    values = {"learning_rate": 1e-3}
    cost, reason = model(store, budget=Budget(max_ms=1000.0)).check(values)
    assert reason is None and 0 < cost.ms < 1000
    _, reason = model(store, budget=Budget(max_ms=1e-4)).check(values)
    assert "ms are more than 0.0001" in reason
    cost, _ = model(store, budget=Budget(max_ms=1e-4, max_mmacs=0.01)).check(values)
    assert cost.ms is None  # What is too much anyway is not measured.
