"""From a candidate's values to the recipe that trains it, and to the command line that does."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from keras_handpose.datasets import Augmentation
from keras_handpose.models.residual_attention import CONFIGURATIONS
from keras_handpose.training import PAPER, RENDERED, Recipe, RenderedHands, StoredCrops, TrainingData
from keras_handpose.tuning.spaces import Space

__all__ = ["STRONGEST", "default_recipe", "recipe_of", "train_command"]

STRONGEST = Augmentation(rotation=40, scale=0.1, jitter_mm=5, noise_mm=1)
"""What the parameter ``augmentation`` is a share of."""

_ARCHITECTURE = ("p", "t", "r", "bottleneck", "maps", "hidden", "dropout")
_RECIPE = ("learning_rate", "weight_decay", "batch")


def default_recipe(data: TrainingData, space: Space) -> Recipe:
    """Return the recipe that ``keras-handpose train`` has for such data, with the changes of the space."""
    return replace(PAPER if isinstance(data, StoredCrops) else RENDERED, **space.recipe)


def recipe_of(values: Mapping[str, Any], *, configuration: str, base: Recipe) -> Recipe:
    """Return how to train a candidate.

    Args:
        values: The parameters' values; those that are left out are as in ``base``.
        configuration: Where the network's other arguments come from.
        base: The recipe to change.

    Example:
        >>> recipe = recipe_of({"filters": 8, "stages": 2, "components": 0}, configuration="compact", base=RENDERED)
        >>> recipe.architecture, recipe.components
        ({'configuration': 'compact', 'filters': [8, 16], 'poolings': [3, 2]}, None)
    """
    architecture = {"configuration": configuration, **base.architecture}
    table = {**CONFIGURATIONS[configuration], **base.architecture}
    stages = values.get("stages", len(table["filters"]))
    if values.keys() & {"filters", "stages"}:
        architecture["filters"] = [values.get("filters", table["filters"][0]) * 2**i for i in range(stages)]
    if values.keys() & {"poolings", "stages"}:
        architecture["poolings"] = [max(1, values.get("poolings", table["poolings"][0]) - i) for i in range(stages)]
    architecture |= {name: values[name] for name in _ARCHITECTURE if name in values}
    changes: dict[str, Any] = {name: values[name] for name in _RECIPE if name in values}
    if "components" in values:
        changes["components"] = values["components"] or None
    if "augmentation" in values:
        changes["augmentation"] = _augmentation(values["augmentation"])
    return replace(base, architecture=architecture, **changes)


def train_command(data: TrainingData, recipe: Recipe, output: str) -> str | None:
    """Return the command line that trains a candidate as the search did; None where it has no options for the data."""
    if isinstance(data, StoredCrops):
        words = ["--store", str(data.path)]
        words += ["--leave-out", ",".join(data.leave_out)] if data.leave_out else []
        words += ["--test-store", str(data.test)] if data.test is not None else []
    elif isinstance(data, RenderedHands):
        words = ["--samples", data.samples, "--skeleton", data.joints, "--cube", data.cube, "--repeats", data.repeats]
    else:
        return None
    architecture = dict(recipe.architecture)
    words += ["--configuration", architecture.pop("configuration")]
    if architecture:
        words += ["--architecture", json.dumps(architecture)]
    defaults = PAPER if isinstance(data, StoredCrops) else RENDERED
    for field in fields(Recipe):
        value = getattr(recipe, field.name)
        if field.name in ("architecture", "augmentation", "weights") or value == getattr(defaults, field.name):
            continue
        words += [f"--{field.name.replace('_', '-')}"]
        words += [] if value is True else [0 if value is None else value]  # 0 is the command line's None.
    if recipe.augmentation is not None:
        for field in fields(Augmentation):
            words += [f"--{field.name.replace('_', '-')}", getattr(recipe.augmentation, field.name)]
    return shlex.join(map(str, ["keras-handpose", "train", "--output", output, *words]))


def _augmentation(share: float) -> Augmentation | None:
    if not share:
        return None
    return Augmentation(**{field.name: share * getattr(STRONGEST, field.name) for field in fields(Augmentation)})
