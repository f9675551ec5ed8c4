"""The whole state of a training in one file: the model, its optimizer, its random numbers, and what was logged."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import keras

from keras_handpose.files import whole_file

__all__ = ["load_checkpoint", "save_checkpoint"]

_MEMBER = "training.json"


def save_checkpoint(path: str | os.PathLike, model: keras.Model, history: list[dict[str, Any]]) -> None:
    """Write a ``.keras`` file that also holds the history and the state of random layers, in one step.

    Keras stores all weights, but not how far the generators of dropout and the like have come.

    Args:
        path: ``*.keras``; it loads as any other such file, too.
        model: A compiled model.
        history: A record for each checkpoint up to this one.
    """
    state = {"history": history, "random": [keras.ops.convert_to_numpy(v).tolist() for v in _random_state(model)]}
    with whole_file(path) as partial:
        model.save(partial)
        with zipfile.ZipFile(partial, "a") as archive:
            archive.writestr(_MEMBER, json.dumps(state))


def load_checkpoint(path: Path) -> tuple[keras.Model, list[dict[str, Any]]]:
    """Read back a model and its history; the inverse of `save_checkpoint`.

    Raises:
        ValueError: It is another kind of ``.keras`` file.
    """
    model = keras.saving.load_model(path)
    with zipfile.ZipFile(path) as archive:
        if _MEMBER not in archive.namelist():
            raise ValueError(f"{path} is not a checkpoint of a training: it has no {_MEMBER}. Remove it to start anew.")
        state = json.loads(archive.read(_MEMBER))
    for variable, value in zip(_random_state(model), state["random"], strict=True):
        variable.assign(value)
    return model, state["history"]


def _random_state(model: keras.Model) -> list[keras.Variable]:
    return [variable for variable in model.variables if variable.path.endswith("seed_generator_state")]
