"""What can be run on crops: a preset, a weight file, a model or an engine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from keras_handpose.engines import Engine

if TYPE_CHECKING:
    import keras

    from keras_handpose.models.presets import Preset

__all__ = ["open_source"]


def open_source(source: str | os.PathLike | keras.Model | Engine) -> tuple[Engine, Preset | None]:
    """Return the engine that runs a source, and the record of weights where it has one.

    Args:
        source: A preset's name, the path of weights, a `keras.Model`, or an `Engine`.
    """
    if isinstance(source, Engine):
        return source, None
    from keras_handpose.engines.keras import KerasEngine

    if not isinstance(source, str | os.PathLike):
        return KerasEngine(source), None
    from keras_handpose.models import ResidualAttentionRegressor
    from keras_handpose.models.weights import resolve

    return KerasEngine(ResidualAttentionRegressor(weights=source)), resolve(source)[1]
