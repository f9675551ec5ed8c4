"""Recipes: the paper's numbers, the learning rate step by step, what fine-tuning takes, and what makes no sense."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import keras_handpose as khp
from keras_handpose.models.presets import Preset
from keras_handpose.training import FINETUNING, PAPER, RENDERED, Recipe, finetuning

ROOT = Path(khp.__file__).parents[1]


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


# === Fine-tuning ===


@pytest.mark.parametrize("file", ["finetuning", "finetuning_coarse"])
def test_finetuning_is_what_its_figures_were_measured_with(file):
    results = json.loads((ROOT / "benchmarks" / "results" / f"{file}.json").read_text(encoding="utf-8"))
    figures = {int(frames): figure for frames, figure in results["frames trained on"].items() if frames != "0"}
    assert figures.keys() == {10, 100, 1000}
    for frames, figure in figures.items():
        recipe = finetuning(frames, weights=results["weights"])
        assert (recipe.batch, recipe.epochs) == (figure["batch"], figure["passes"])


def test_the_page_on_training_shows_the_plans_of_finetuning():
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    for crops in (10, 100, 1000):
        recipe = finetuning(crops)
        assert f"| {crops:,} | {recipe.batch} | {recipe.epochs} |" in page


def test_finetuning_has_smaller_batches_and_more_passes_for_fewer_crops():
    plans = [(crops, finetuning(crops)) for crops in (*range(1, 120), 300, 1000, 10**6)]
    assert all(1 <= recipe.batch <= min(crops, 32) and 20 <= recipe.epochs <= 60 for crops, recipe in plans)
    for (_, fewer), (_, more) in zip(plans, plans[1:], strict=False):
        assert fewer.batch <= more.batch and fewer.epochs >= more.epochs
    assert [(recipe.batch, recipe.epochs) for crops, recipe in plans if crops in (1, 5, 9)] == [
        (1, 60),
        (5, 60),
        (9, 60),
    ]
    assert finetuning(10**6) == FINETUNING


def test_finetuning_changes_nothing_else():
    assert replace(finetuning(12, weights="nyu"), batch=32, epochs=20, weights="msra") == FINETUNING


@pytest.mark.parametrize("crops", [0, 12.0, "12", None])
def test_finetuning_counts_crops(crops):
    with pytest.raises(ValueError, match="`crops` must be a whole number, at least 1. Received: crops="):
        finetuning(crops)


def test_weights_bring_their_own_components():
    assert Recipe(weights="msra").components is None
    assert Recipe(weights=Path("mine.weights.h5")).weights == "mine.weights.h5"
    assert Recipe().components == Recipe(components="auto").components == 30
    assert replace(FINETUNING, epochs=3).components is None


# === As data ===


@pytest.mark.parametrize(
    "recipe", [PAPER, RENDERED, FINETUNING, finetuning(np.int64(12)), Recipe(batch=np.int32(8), drop=np.float64(0.5))]
)
def test_recipes_go_through_json(recipe):
    kept = json.loads(json.dumps(recipe.as_dict()))
    assert Recipe.from_dict(kept) == recipe
    assert kept["components"] in (30, 45, None)


@pytest.mark.parametrize("name", ["msra", "icvl", "nyu"])
def test_recipes_of_records_are_read_as_they_were_written(name):
    kept = Preset.read(ROOT / "weights" / f"{name}.json").training["recipe"]
    assert kept.items() <= Recipe.from_dict(kept).as_dict().items()


# === What makes no sense ===


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"batch": 0}, ValueError, "`batch` must be a whole number, at least 1. Received: batch=0."),
        ({"batch": None}, ValueError, "`batch` must be a whole number, at least 1. Received: batch=None."),
        ({"epochs": 2.5}, ValueError, "`epochs` must be a whole number, at least 1. Received: epochs=2.5."),
        ({"epochs": "20"}, ValueError, "`epochs` must be a whole number, at least 1. Received: epochs='20'."),
        ({"epochs": True}, ValueError, "`epochs` must be a whole number"),
        ({"drop_epoch": 0.5}, ValueError, "`drop_epoch` must be a whole number"),
        ({"checkpoint_steps": 0}, ValueError, "`checkpoint_steps` must be a whole number"),
        ({"seed": -1}, ValueError, "`seed` must be a whole number from 0 to 4294967295. Received: seed=-1."),
        ({"learning_rate": float("nan")}, ValueError, "`learning_rate` must be a positive number. Received:"),
        ({"learning_rate": "1e-3"}, ValueError, "`learning_rate` must be a positive number. Received:"),
        ({"drop": None}, ValueError, "`drop` must be a positive number"),
        ({"huber_delta": 0.0}, ValueError, "`huber_delta` must be a positive number"),
        ({"components": 0}, ValueError, "`components` must be a whole number"),
        ({"components": "all"}, ValueError, "`components` must be a whole number"),
        ({"components": [30]}, ValueError, "`components` must be a whole number"),
        ({"weight_decay": -1.0}, ValueError, "`weight_decay` must be a finite number, at least 0. Received:"),
        ({"weight_decay": None}, ValueError, "`weight_decay` must be a finite number, at least 0"),
        ({"schedule": "stairs"}, ValueError, "`schedule` must be one of step, cosine. Received: schedule='stairs'"),
        ({"precision": "float8"}, ValueError, "`precision` must be one of float32, mixed_bfloat16, mixed_float16"),
        ({"architecture": {"prior": 3}}, ValueError, "`architecture` must not name `prior`, which recipe and data"),
        ({"architecture": "compact"}, TypeError, "`architecture` must be a mapping. Received: a str."),
        ({"augmentation": {"rotation": 9}}, TypeError, "`augmentation` must be an Augmentation or None. Received: a"),
        ({"weights": 5}, TypeError, "`weights` must be a path. Received: a int."),
        ({"weights": "msra", "components": 5}, ValueError, "bring their own architecture and prior: pass no"),
        ({"weights": "msra", "architecture": {"t": 2}}, ValueError, "bring their own architecture and prior: pass no"),
    ],
)
def test_impossible_recipes(wrong, error, message):
    with pytest.raises(error, match=message):
        Recipe(**wrong)
