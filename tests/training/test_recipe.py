"""Recipes: the paper's numbers, the learning rate step by step, and what makes no sense."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keras_handpose.models.metrics import JointLoss, MeanJointErrorMM
from keras_handpose.training import PAPER, RENDERED, Recipe


def test_the_papers_recipe():
    assert (PAPER.learning_rate, PAPER.drop_epoch, PAPER.drop) == (1e-4, 30, 0.1)
    assert (PAPER.batch, PAPER.epochs, PAPER.weight_decay, PAPER.components) == (128, 70, 3e-4, 30)
    assert PAPER.huber_delta is None and PAPER.augmentation is None


@pytest.mark.parametrize(
    ("recipe", "rates"),
    [
        (PAPER, {0: 1e-4, 30 * 5 - 1: 1e-4, 30 * 5: 1e-5, 70 * 5 - 1: 1e-5}),
        (replace(PAPER, drop_epoch=1, drop=0.5), {4: 1e-4, 5: 5e-5}),
        (RENDERED, {0: 2e-5, 10: 1e-3, 349: 1e-6}),
    ],
)
def test_learning_rates(recipe, rates):
    schedule = recipe.learning_rates(pass_steps=5, steps=350)
    for step, rate in rates.items():
        assert float(schedule(step)) == pytest.approx(rate, rel=0.05), step


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch": 0}, "`batch` must be positive. Received: batch=0"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be positive"),
        ({"components": 0}, "`components` must be positive"),
        ({"weight_decay": -1.0}, "`weight_decay` must not be negative"),
        ({"schedule": "stairs"}, "`schedule` must be one of step, cosine. Received: schedule='stairs'"),
        ({"precision": "float8"}, "`precision` must be one of float32, mixed_bfloat16, mixed_float16"),
        ({"architecture": {"prior": 3}}, "`architecture` must not name `prior`, which recipe and data settle"),
    ],
)
def test_impossible_recipes(wrong, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**wrong)


# === What is minimised, and what is reported ===


@pytest.mark.parametrize("own_cubes", [False, True])
def test_error_is_the_mean_distance_in_mm(own_cubes):
    rng = np.random.default_rng(0)
    truth, predicted = rng.normal(size=(2, 6, 21, 3)).astype(np.float32)
    cubes = np.array([200, 200, 180, 160, 200, 150]) if own_cubes else np.full(6, 200)
    expected = (np.linalg.norm(predicted - truth, axis=-1) * cubes[:, None] / 2).mean()
    target = np.concatenate([truth, np.tile(cubes[:, None, None], (1, 21, 1))], -1) if own_cubes else truth
    metric = MeanJointErrorMM(None if own_cubes else 200.0)
    for part in (slice(0, 4), slice(4, 6)):
        metric.update_state(target[part], predicted[part])
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    again = MeanJointErrorMM.from_config(metric.get_config())
    assert again.cube == metric.cube and again.name == "mean_error_mm"


@pytest.mark.parametrize("delta", [None, 0.5])
def test_loss_is_the_mean_over_all_coordinates_and_not_over_cubes(delta):
    rng = np.random.default_rng(0)
    truth, predicted = rng.normal(size=(2, 6, 21, 3)).astype(np.float32)
    difference = np.abs(predicted - truth)
    terms = difference**2
    if delta is not None:
        terms = np.where(difference < delta, terms / 2, delta * difference - delta**2 / 2)
    with_cubes = np.concatenate([truth, np.full((6, 21, 1), 200, np.float32)], -1)
    loss = JointLoss.from_config(JointLoss(delta).get_config())
    for target in (truth, with_cubes):
        assert float(loss(target, predicted)) == pytest.approx(terms.mean(), rel=1e-5)
