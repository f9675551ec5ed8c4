"""Where the weights in a model are from."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

if TYPE_CHECKING:
    import keras

    from keras_handpose.models.presets import Preset

__all__ = ["origin", "origin_of", "remember_origin", "weights_sha256"]

_origins: WeakKeyDictionary[keras.Model, tuple[Preset, str]] = WeakKeyDictionary()


def origin(model: keras.Model) -> tuple[Preset | None, str]:
    """Return the record that came with a model's weights, and their SHA-256.

    Returns:
        The record, None where the weights were not loaded from a file with one; and the SHA-256 of the weights: that of
        the record's file while they are what it holds, otherwise `weights_sha256`.
    """
    preset, loaded = _origins.get(model, (None, None))
    sha256 = weights_sha256(model)
    return preset, preset.sha256 if preset is not None and sha256 == loaded else sha256


def origin_of(model: keras.Model) -> Preset | None:
    """Return the record that came with a model's weights, also where it was trained further since; None without one."""
    return _origins.get(model, (None, None))[0]


def remember_origin(model: keras.Model, preset: Preset) -> None:
    """Remember that a model's weights are those of a record's file, from now until they change."""
    _origins[model] = preset, weights_sha256(model)


def weights_sha256(model: keras.Model) -> str:
    """Return the SHA-256 of a model's weights: of their bytes, one array after the other as in ``model.weights``."""
    sha256 = hashlib.sha256()
    for array in model.get_weights():
        sha256.update(np.ascontiguousarray(array))
    return sha256.hexdigest()
