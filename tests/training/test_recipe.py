"""Recipes: the paper's numbers, the learning rate step by step, and what makes no sense."""

from __future__ import annotations

from dataclasses import replace

import pytest

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
