"""Searches over networks that are traced in a second, and trainings that are none."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "training"))

from tiny import make_store

from keras_handpose.training import Recipe

__all__ = ["FIXED", "TINY", "Trainings", "make_store", "options"]

TINY = {"stem": [4, 3]}
FIXED = {"p": 0, "t": 1, "r": 1, "filters": 4, "stages": 1, "poolings": 1, "bottleneck": False, "dropout": 0.0}
FIXED |= {"maps": 4, "hidden": 8, "components": 5, "weight_decay": 0.0, "batch": 4, "augmentation": 0.0}


def options(store: Path, output: Path, *more: object, **settings: str) -> list[str]:
    """Return the arguments of `keras-handpose tune` for such networks."""
    settings = {**{name: str(value) for name, value in FIXED.items()}, "learning_rate": "1e-3,2e-3", **settings}
    words = ["tune", "--store", store, "--leave-out", "P0", "--output", output, "--workers", 1, "--epochs", 2, *more]
    words += ["--architecture", json.dumps(TINY)]
    return [*map(str, words), *(f"--set={name}={value}" for name, value in settings.items())]


class Trainings:
    """Stands in for `train`: writes what a training leaves, with an error that its recipe decides."""

    def __init__(self, error=lambda recipe: 1e3 * recipe.learning_rate) -> None:
        self.error = error
        self.recipes: list[Recipe] = []

    def __call__(self, folder: Path, data, recipe: Recipe, **_) -> None:
        self.recipes.append(recipe)
        error = self.error(recipe)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "log.csv").write_text(f"step,epoch,val_mean_error_mm\n1,{recipe.epochs},{error}\n")
        (folder / f"{recipe.name}.json").write_text("{}")
