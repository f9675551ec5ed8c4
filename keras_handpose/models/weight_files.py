"""A model's weights in a file with their record beside it: writing both, and loading them into a model."""

from __future__ import annotations

import logging
import os
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_handpose.checks import check_path
from keras_handpose.confidence import Confidence
from keras_handpose.models.origins import origin_of, remember_origin
from keras_handpose.models.presets import WEIGHTS_SUFFIX, Preset, file_sha256
from keras_handpose.skeletons import SKELETONS

if TYPE_CHECKING:
    import keras

__all__ = ["load", "record_path", "save", "user_path"]

_logger = logging.getLogger("keras_handpose")


def save(
    model: keras.Model,
    path: str | os.PathLike,
    *,
    trained_on: str,
    architecture: Mapping[str, Any] | None = None,
    skeleton: str | None = None,
    camera: str | None = None,
    cube: float | None = None,
    hand: str | None = None,
    training: Mapping[str, Any] | None = None,
    errors: Mapping[str, Any] | None = None,
    licence: str | None = None,
    confidence: Confidence | None = None,
) -> Preset:
    """Write a model's weights and their record, each in one step.

    Of a compiled model only the weights are stored, not the optimizer.

    Args:
        model: A functional model.
        path: ``X.weights.h5``; the record goes to ``X.json`` beside it, and ``X`` becomes its name.
        trained_on: What the weights learned from, in a few words.
        architecture, skeleton, camera, cube, hand: See `Preset`; by default what the weights came with that the model
            was made of and trained further from. All are needed for another model.
        training, errors: See `Preset`; empty by default.
        licence: SPDX identifier, by default that of the weights that the model was made of, or Apache-2.0.
        confidence: See `Preset`; without a ``cube``, by default what the weights came with.

    Returns:
        The record.

    Raises:
        TypeError: The path is none.
        ValueError: The path does not end in ``.weights.h5``, the model is not functional, does not predict the
            skeleton's joints, something is missing, or the record would not be valid. What was there before stays.

    See Also:
        `load` and `weights.resolve`, the way back.

    Example:
        ``model = ResidualAttentionRegressor(weights="msra")``, then ``model.fit(...)`` and
        ``save(model, "mine.weights.h5", trained_on="300 frames of my own camera")``.
    """
    import keras

    path = user_path(path)
    beside = record_path(path)
    if not getattr(model, "inputs", None):
        raise ValueError(
            f"`model` must be functional, with inputs and outputs. Received: {type(model).__name__} {model.name!r}."
        )
    before = origin_of(model)
    if before is not None and confidence is None and cube is None:
        confidence = before.kept_confidence()
    described = {"architecture": architecture, "skeleton": skeleton, "camera": camera, "cube": cube, "hand": hand}
    described = {key: getattr(before, key, None) if value is None else value for key, value in described.items()}
    missing = [f"`{key}`" for key, value in described.items() if value is None]
    if missing:
        raise ValueError(
            f"A model that was not made of weights with a record needs {', '.join(missing)}. "
            f"Received: {model.name!r}. `weights.Preset` says what they are."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        written = Path(folder) / path.name
        # The same layers in a model that was never compiled: the optimizer would more than double the file.
        keras.Model(model.inputs, model.outputs, name=model.name).save_weights(written)
        preset = Preset(
            name=beside.stem,
            file=path.name,
            size=written.stat().st_size,
            sha256=file_sha256(written),
            **described,
            trained_on=trained_on,
            training=training or {},
            errors=errors or {},
            licence=licence or getattr(before, "licence", "Apache-2.0"),
            confidence=confidence,
        )
        _check_joints(model, preset)
        record = Path(folder) / beside.name
        record.write_text(preset.to_json(), encoding="utf-8")
        os.replace(written, path)
        os.replace(record, beside)
    return preset


def load(model: keras.Model, path: str | os.PathLike, preset: Preset) -> None:
    """Load weights into a model of the same architecture and say in one line what they were trained on.

    Args:
        model: A built model.
        path, preset: What `weights.resolve` returned.

    Raises:
        ValueError: The model is of another architecture, or predicts other joints than the record's skeleton has; its
            weights are left as they were.
        OSError: The file is no HDF5 file.
    """
    expected = Counter(tuple(weight.shape) for weight in model.weights)
    stored = _stored_shapes(Path(path))
    if stored != expected:
        differences = [
            f"{label} {count} x {shape}"
            for label, counts in (("the file has", stored - expected), ("the model has", expected - stored))
            for shape, count in counts.items()
        ]
        raise ValueError(
            f"The weights {preset.name!r} do not fit this model. Beyond the arrays that both have, "
            f"{', '.join(differences[:4])}{', ...' if len(differences) > 4 else ''}. Received: {path}. "
            f"Build the model as the record says: {dict(preset.architecture)}."
        )
    _check_joints(model, preset)
    model.load_weights(path)
    remember_origin(model, preset)
    # Shown by default, on stderr and as it stands, and silenced like any other message of the logging module.
    _logger.warning("%s: trained on %s", preset.name, preset.trained_on)


def record_path(path: Path) -> Path:
    """Return where the record of a weight file is.

    Raises:
        ValueError: The path does not end in ``.weights.h5``.
    """
    if not path.name.endswith(WEIGHTS_SUFFIX) or path.name == WEIGHTS_SUFFIX:
        raise ValueError(f"`path` must end in {WEIGHTS_SUFFIX}, after a name. Received: {path}.")
    return path.with_name(path.name.removesuffix(WEIGHTS_SUFFIX) + ".json")


def user_path(path: str | os.PathLike, name: str = "path") -> Path:
    """Return a path with the home folder that a ``~`` at its beginning stands for.

    Args:
        path: The path.
        name: What the message calls it.

    Raises:
        TypeError: It is no path.
        ValueError: It is empty, no file can be called so, or it is in the home folder of nobody.

    Example:
        >>> user_path("~nobody-is-called-so/hands", "folder")
        Traceback (most recent call last):
        ...
        ValueError: `folder` must be a path that there can be. Received: '~nobody-is-called-so/hands', ...
    """
    checked = check_path(path, name)
    text, why = os.fspath(path), ""
    try:
        os.fsencode(text)
        checked = checked.expanduser()
    except UnicodeEncodeError:
        why = "which no file can be called"
    except RuntimeError:
        why = "but nobody is called so here. Write the home folder out"
    if not text:
        why = "which is empty. The folder where you are is '.'"
    elif "\0" in text:
        why = "which no file can be called"
    if why:
        raise ValueError(f"`{name}` must be a path that there can be. Received: {text!r}, {why}.")
    return checked


def _check_joints(model: keras.Model, preset: Preset) -> None:
    """Refuse a model of joints ``(batch, joints, 3)`` that are not as many as the skeleton's."""
    joints = len(SKELETONS[preset.skeleton])
    match model.output_shape:
        case (_, count, 3) if count != joints:
            raise ValueError(
                f"The model must predict the {joints} joints of {preset.skeleton!r}, as the record {preset.name!r} "
                f"says. Received: {model.name!r} with output {model.output_shape}. Name the layout that the network "
                "was trained on as `skeleton`."
            )


def _stored_shapes(path: Path) -> Counter[tuple[int, ...]]:
    import h5py

    shapes: Counter[tuple[int, ...]] = Counter()

    def count(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer/"):
            shapes[item.shape] += 1

    try:
        with h5py.File(path) as file:
            file.visititems(count)
    except (OSError, RuntimeError) as error:
        raise OSError(f"{path} is the file of its record, but no HDF5 file that can be read: {error}.") from error
    return shapes
