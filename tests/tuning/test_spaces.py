"""Spaces, budgets, and from values to recipes: without a search."""

from __future__ import annotations

import pytest

pytest.importorskip("keras_tuner")

import keras_tuner
from tiny_searches import FIXED, TINY

from keras_handpose.models import ResidualAttentionRegressor
from keras_handpose.models.residual_attention import CONFIGURATIONS
from keras_handpose.training import PAPER, RENDERED, Recipe, RenderedHands, StoredCrops
from keras_handpose.tuning import SPACES, Budget, Cost, HyperResidualAttention, Space, Span
from keras_handpose.tuning.candidates import STRONGEST, recipe_of
from keras_handpose.tuning.parameters import PARAMETERS, read_setting

SMALL = {**FIXED, "t": [1, 2], "learning_rate": [1e-3, 2e-3]}


@pytest.mark.parametrize("name", SPACES)
def test_spaces_hold_their_configurations(name):
    space = SPACES[name]
    assert space.configuration in CONFIGURATIONS
    assert len(space.free) >= 3 and not space.free.keys() - PARAMETERS.keys()
    assert not space.recipe.keys() - Recipe().as_dict().keys()


def test_the_papers_space_is_the_papers():
    assert set(SPACES["paper"].free) == {"p", "t", "r"}
    recipe = HyperResidualAttention(RenderedHands(), space="paper", recipe=PAPER).recipe_for({"p": 1, "t": 2, "r": 1})
    assert recipe.architecture == {"configuration": "paper", "p": 1, "t": 2, "r": 1}
    assert recipe.as_dict() | {"architecture": {}} == PAPER.as_dict()


def test_spaces_are_narrowed_and_widened():
    space = SPACES["compact"].changed({"t": [3, 1], "filters": 12, "dropout": Span(0.1, 0.2)})
    assert space.free["t"] == (1, 3) and space.fixed["filters"] == 12 and space.free["dropout"].high == 0.2
    assert SPACES["compact"].free["t"] == (1, 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t=1,2", (1, 2)),
        ("bottleneck=true,false", (False, True)),
        ("learning_rate=1e-4..1e-2", Span(1e-4, 1e-2, log=True)),
        ("dropout = 0..0.5", Span(0.0, 0.5)),
        ("weight_decay=0, 1e-5", (0.0, 1e-5)),
    ],
)
def test_settings_of_the_command_line(text, expected):
    assert read_setting(text) == (text.split("=")[0].strip(), expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t", "A setting is name=value"),
        ("depth=3", "There is no parameter 'depth'. Choose from p, t, r"),
        ("t=1.5", "`t` takes whole numbers. Received: '1.5'"),
        ("t=0", "`t` takes whole numbers of at least 1. Received: 0"),
        ("t=1..3", "`t` takes whole numbers one by one, not a span"),
        ("bottleneck=2", "`bottleneck` takes true or false"),
        ("dropout=2", "`dropout` takes numbers of at least 0 and at most 0.99"),
        ("learning_rate=1e-2..1e-4", "two finite ends in ascending order"),
        ("learning_rate=0..1e-4", "a positive low end"),
        ("learning_rate=nan", "`learning_rate` takes numbers"),
    ],
)
def test_settings_that_do_not_fit_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        read_setting(text)


def test_stages_and_widths_become_the_factorys_arguments():
    values = {"filters": 8, "stages": 4, "poolings": 2, "bottleneck": True, "components": 0, "augmentation": 0.5}
    recipe = recipe_of(values, configuration="compact", base=RENDERED)
    assert recipe.architecture["filters"] == [8, 16, 32, 64]
    assert recipe.architecture["poolings"] == [2, 1, 1, 1]
    assert recipe.components is None
    assert recipe.augmentation.rotation == STRONGEST.rotation / 2
    kept = recipe_of({"t": 2}, configuration="compact", base=RENDERED)
    assert kept.architecture == {"configuration": "compact", "t": 2} and kept.augmentation is None


def test_what_kerastuner_draws_comes_back_as_values():
    model = HyperResidualAttention(RenderedHands(samples=8), space={"bottleneck": [False, True], "dropout": 0.1})
    hp = keras_tuner.HyperParameters()
    model.declare_hyperparameters(hp)
    assert {p.name for p in hp.space} == set(model.space.free) and "dropout" not in model.space.free
    hp.values |= {"bottleneck": 1, "learning_rate": 0.00123456}
    values = model.values(hp)
    assert values["bottleneck"] is True and values["learning_rate"] == 0.001235 and values["dropout"] == 0.1
    assert list(values) == [name for name in PARAMETERS if name in model.space.parameters]


@pytest.mark.parametrize(
    ("budget", "reason"),
    [
        (Budget(), None),
        (Budget(max_mmacs=140.0, max_params=2e6, max_ms=3.0), None),
        (Budget(max_mmacs=100), "120.0 MMACs are more than 100"),
        (Budget(max_params=1_000_000), "1,500,000 parameters are more than 1,000,000"),
        (Budget(max_ms=2), "2.5 ms are more than 2"),
    ],
)
def test_budgets_say_what_is_too_much(budget, reason):
    assert budget.excess(Cost(mmacs=120.0, params=1_500_000, ms=2.5)) == reason


def test_budgets_are_positive():
    with pytest.raises(ValueError, match="`max_mmacs` must be a positive number, or None"):
        Budget(max_mmacs=0)


def test_candidates_are_counted_without_training_and_once(store):
    data = StoredCrops(store, leave_out="P0")
    recipe = Recipe(architecture=TINY, epochs=1)
    model = HyperResidualAttention(data, space=SMALL, recipe=recipe, budget=Budget(max_mmacs=1.0))
    cost, reason = model.check({"t": 1, "learning_rate": 1e-3})
    network = ResidualAttentionRegressor(**model.recipe_for({"t": 1, "learning_rate": 1e-3}).architecture, prior=5)
    assert cost.params == network.count_params() and cost.ms is None and reason is None
    model._network = None  # What is asked for again is not built again.
    assert model.check({"t": 1, "learning_rate": 2e-3}) == (cost, None)


def test_networks_that_cannot_be_built_are_rejected_with_the_reason():
    model = HyperResidualAttention(RenderedHands(), space={**SMALL, "poolings": [1, 9]}, recipe=Recipe())
    cost, reason = model.check({"t": 1, "learning_rate": 1e-3, "poolings": 9})
    assert cost is None and reason.startswith("it cannot be built: An input of `poolings=9`")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"space": "huge"}, "`space` must be one of paper, compact, mobile. Received: 'huge'"),
        ({"space": {"depth": 3}}, "There is no parameter 'depth'"),
        ({"recipe": Recipe(weights="msra", components=None)}, "Weights to start from bring their own network"),
    ],
)
def test_hyper_models_refuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        HyperResidualAttention(RenderedHands(), **arguments)


def test_a_store_needs_crops_that_are_not_trained_on(store):
    with pytest.raises(ValueError, match="not trained on.*no subject left out.*`leave_out`"):
        HyperResidualAttention(StoredCrops(store))


def test_a_space_of_ones_own():
    space = Space(configuration="paper", parameters={"p": [0, 1]}, recipe={"precision": "mixed_bfloat16"})
    model = HyperResidualAttention(RenderedHands(), space=space)
    assert model.recipe_for({"p": 0}).precision == "mixed_bfloat16"
    assert space.as_dict()["parameters"] == {"p": [0, 1]}
