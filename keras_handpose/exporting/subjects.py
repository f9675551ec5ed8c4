"""What can be exported, and what its file will say of itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_handpose.checks import check_hand, check_named, check_positive
from keras_handpose.engines.metadata import Metadata
from keras_handpose.engines.sealed_files import SUFFIXES
from keras_handpose.skeletons import SKELETONS, Skeleton

if TYPE_CHECKING:
    import keras

    from keras_handpose.estimator import HandPoseEstimator

__all__ = ["Subject", "open_subject"]

_EXPORTED = "{} is exported already. Export the preset, the weights or the model that it was made of."


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A network to export, and what its file will say.

    Args:
        network: From crops to ``joints_unit``.
        metadata: All but the comparison.
    """

    network: keras.Model
    metadata: Metadata


def open_subject(
    source: keras.Model | HandPoseEstimator | str | os.PathLike,
    *,
    skeleton: Skeleton | str | None = None,
    cube: float | None = None,
    hand: str | None = None,
    quantize: str | None = None,
) -> Subject:
    """Find out what to export; see `keras_handpose.export` for the arguments and errors."""
    given = {
        "skeleton": None if skeleton is None else check_named(skeleton, SKELETONS, Skeleton, "skeleton"),
        "cube": None if cube is None else check_positive(cube, "cube", "edge in mm"),
        "hand": None if hand is None else check_hand(hand),
    }
    if isinstance(source, str | os.PathLike):
        if Path(source).suffix in SUFFIXES:
            raise ValueError(_EXPORTED.format(os.fspath(source)))
        from keras_handpose.models.weights import resolve

        _merge(given, _known(resolve(source)[1]), f"weights={os.fspath(source)!r}")  # Before anything heavy loads.
        from keras_handpose.models import ResidualAttentionRegressor

        network, pipeline = ResidualAttentionRegressor(weights=source), {}
    elif hasattr(source, "engine") and hasattr(source, "camera"):
        network, known, pipeline = _taken_apart(source)
        given = _merge(given, known, "the estimator")
    else:
        network, pipeline = source, {}
    import keras

    from keras_handpose.engines.keras import KerasEngine
    from keras_handpose.models.origins import origin

    if not isinstance(network, keras.Model):
        raise TypeError(
            "`source` must be a keras.Model, the name of a preset, the path of weights, or a HandPoseEstimator on one "
            f"of these. Received: {_described(source)}."
        )
    preset, sha256 = origin(network)
    unchanged = preset is not None and preset.sha256 == sha256
    if preset is not None and not pipeline:
        known = _known(preset)
        if unchanged:
            given = _merge(given, known, f"weights {preset.name!r} of the model")
        else:  # Trained further, maybe for another cube.
            given = {name: known[name] if value is None else value for name, value in given.items()}
    missing = [name for name, value in given.items() if value is None]
    if missing:
        raise ValueError(
            "A model does not say what its joints are, what cube it was trained for and which hand it knows: pass "
            f"{' and '.join(f'`{name}`' for name in missing)}. Received: {network.name!r}."
        )
    network = _in_float32(network)
    engine = KerasEngine(network)
    if engine.joints != len(given["skeleton"]):
        raise ValueError(
            f"The model has {engine.joints} joints and the skeleton {given['skeleton'].name!r} has "
            f"{len(given['skeleton'])}. Pass the layout that the model was trained on as `skeleton`."
        )
    confidence = getattr(source, "confidence", None) if pipeline else preset.confidence if unchanged else None
    metadata = Metadata(
        kind="pipeline" if pipeline else "network",
        **given,
        **pipeline,
        crop_size=engine.crop_size,
        preset=preset.name if unchanged else None,
        trained_on=preset.trained_on if unchanged else None,
        quantize=quantize,
        weights_sha256=sha256,
        confidence=confidence,
    )
    return Subject(network=network, metadata=metadata)


def _in_float32(model: keras.Model) -> keras.Model:
    """Return a model that computes in float32, as exported files do: a copy if it has a policy of mixed precision."""
    import keras

    if all(layer.compute_dtype == "float32" for layer in model._flatten_layers(include_self=False)):
        return model

    def in_float32(config: Any) -> Any:
        if isinstance(config, dict):
            if config.get("class_name") == "DTypePolicy":
                return {**config, "config": {"name": "float32"}}
            return {key: in_float32(value) for key, value in config.items()}
        return [in_float32(value) for value in config] if isinstance(config, list) else config

    config = keras.saving.serialize_keras_object(model)
    copy = keras.saving.deserialize_keras_object(in_float32(config))
    copy.set_weights(model.get_weights())
    return copy


def _described(source: Any) -> str:
    engine = getattr(source, "engine", None)
    return type(source).__name__ + (f" on a {type(engine).__name__}" if engine is not None else "")


def _known(preset: Any) -> dict[str, Any]:
    return {"skeleton": SKELETONS[preset.skeleton], "cube": float(preset.cube), "hand": preset.hand}


def _merge(given: dict[str, Any], known: dict[str, Any], origin: str) -> dict[str, Any]:
    """Complete what was given by what is known, and refuse what contradicts it."""
    for name, value in given.items():
        if value not in (None, known[name]):
            label = getattr(value, "name", value)
            raise ValueError(
                f"`{name}={label!r}` does not fit {origin}, which has {getattr(known[name], 'name', known[name])!r}. "
                f"Leave `{name}` out."
            )
    return known


def _taken_apart(estimator: HandPoseEstimator) -> tuple[keras.Model, dict[str, Any], dict[str, Any]]:
    """Return an estimator's network, what it says of it, and what makes it a pipeline."""
    source = estimator.source
    if hasattr(estimator.engine, "model"):
        network = estimator.engine.model
    elif isinstance(source, str | os.PathLike):
        if Path(source).suffix in SUFFIXES:
            raise ValueError(_EXPORTED.format(os.fspath(source)))
        from keras_handpose.models import ResidualAttentionRegressor

        network = ResidualAttentionRegressor(weights=source)
    else:
        network = source
    other = {"right": "left", "left": "right"}[estimator.hand]
    known = {
        "skeleton": estimator.skeleton,
        "cube": estimator.cube,
        "hand": other if estimator.mirror else estimator.hand,
    }
    return network, known, {"camera": estimator.camera, "min_score": estimator.min_score}
