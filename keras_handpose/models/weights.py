"""Weight files: where they are, whether they are whole, and what their records say.

A preset's file is looked for in the folder that came with the package, then in the cache
(``$KERAS_HOME/keras_handpose``, by default ``~/.keras/keras_handpose``), and last it is downloaded to the cache from
the address in the environment variable ``KERAS_HANDPOSE_WEIGHTS_URL``: an http(s) mirror, a ``file://`` address or a
folder. Whatever the place, size and SHA-256 are checked against the record before use.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_handpose.models.origins import remember_origin
from keras_handpose.models.presets import WEIGHTS_SUFFIX, Preset, file_sha256

if TYPE_CHECKING:
    import keras

__all__ = [
    "ADDRESS_VARIABLE",
    "cache_folder",
    "download",
    "list",
    "load",
    "locate",
    "resolve",
    "save",
    "shipped_export",
    "verify",
]

ADDRESS_VARIABLE = "KERAS_HANDPOSE_WEIGHTS_URL"
"""Name of the environment variable with the download address."""

_LOCK_TIMEOUT = 900.0
"""Seconds to wait for another process that downloads the same file."""

_logger = logging.getLogger("keras_handpose")


def list() -> tuple[Preset, ...]:
    """List the records of all presets, by name.

    Example:
        >>> all(preset.file.endswith(".weights.h5") for preset in list())
        True
    """
    return tuple(_presets().values())


def resolve(weights: str | os.PathLike) -> tuple[Path, Preset]:
    """Find a weight file and its record, and download it if it has to be.

    Args:
        weights: A preset's name, or the path of ``X.weights.h5`` with its record ``X.json`` beside it. A preset's name
            beats a path of the same name.

    Returns:
        The path of a file that matches its record, and the record.

    Raises:
        ValueError: There is no such preset, or a record is malformed.
        OSError: The file is missing, damaged or cannot be downloaded.
    """
    presets = _presets()
    name = os.fspath(weights)
    if name not in presets:
        path, preset = _beside_record(name, presets)
        preset.check(path)
        return path, preset
    preset = presets[name]
    return locate(name) or download(name), preset


def locate(name: str) -> Path | None:
    """Return the path of a preset's file if a whole one is on this machine, otherwise None. Nothing is downloaded.

    Raises:
        ValueError: There is no such preset.
    """
    preset = _named(name)
    for path in _places(preset):
        try:
            preset.check(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            _logger.warning("%s It is passed over.", error)
            continue
        return path
    return None


def verify(weights: str | os.PathLike) -> Path:
    """Check the files on this machine against their record. Nothing is downloaded.

    Args:
        weights: A preset's name or a path, as in `resolve`. All copies of a preset's file are checked.

    Returns:
        The path of the file that `resolve` returns.

    Raises:
        ValueError: There is no such preset, or a record is malformed.
        OSError: A file is damaged, or there is none.
    """
    presets = _presets()
    name = os.fspath(weights)
    if name in presets:
        preset = presets[name]
        paths = [path for path in _places(preset) if path.exists()]
        if not paths:
            raise FileNotFoundError(
                f"The weights {name!r} are not on this machine. Looked for {' and '.join(map(str, _places(preset)))}. "
                f"Fetch them with keras_handpose.weights.download({name!r})."
            )
    else:
        path, preset = _beside_record(name, presets)
        paths = [path]
    for path in paths:
        preset.check(path)
    return paths[0]


def download(name: str, *, address: str | None = None) -> Path:
    """Download a preset's file to the cache, unless a whole one is there.

    The file takes its place in one step, after it was checked; a failed attempt leaves nothing behind. Processes that
    want the same file wait for the one that came first.

    Args:
        name: A preset's name.
        address: Where to find a file of that name: an http(s) or ``file://`` address or a folder. By default, what
            ``KERAS_HANDPOSE_WEIGHTS_URL`` says.

    Returns:
        The path in the cache.

    Raises:
        ValueError: There is no such preset, or the address is of an unknown kind.
        OSError: No address is given, the file cannot be had there, or it is not the one that the record describes.
    """
    import filelock

    from keras_handpose.models.fetching import fetch, file_address, without_password

    preset = _named(name)
    target = cache_folder() / preset.file
    if _is_whole(target, preset):
        return target
    address = address or os.environ.get(ADDRESS_VARIABLE, "")
    wanted = f"The weights {name!r} ({preset.file}, {preset.size / 1e6:.1f} MB)"
    by_hand = f"or put the file at {target} yourself"
    if not address:
        raise FileNotFoundError(
            f"{wanted} are not on this machine and no download address is set. Looked for "
            f"{' and '.join(map(str, _places(preset)))}. Set {ADDRESS_VARIABLE} to an http(s) address or a folder "
            f"that has {preset.file}, {by_hand}."
        )
    source = file_address(address, preset.file)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{target}.lock", timeout=_LOCK_TIMEOUT):
            if not _is_whole(target, preset):
                fetch(source, target, preset)
    except OSError as error:
        raise OSError(
            f"{wanted} could not be fetched from {without_password(str(source))} to {target.parent}: "
            f"{type(error).__name__}: {without_password(str(error)).rstrip('.')}. "
            f"Check the address ({ADDRESS_VARIABLE}), the network and the folder (KERAS_HOME moves it), {by_hand}."
        ) from error
    return target


def shipped_export(name: str) -> Path | None:
    """Return the path of a preset's network for LiteRT that came with the package, None if there is none.

    What is in it says which weights it was made of; `keras_handpose.exporting.cached_export` looks at that.
    """
    path = _shipped_folder() / f"{name}.tflite"
    return path if name in _presets() and path.is_file() else None


def cache_folder() -> Path:
    """Return the folder that downloads go to, whether it exists or not."""
    return Path(os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")) / "keras_handpose"


def save(
    model: keras.Model,
    path: str | os.PathLike,
    *,
    architecture: Mapping[str, Any],
    skeleton: str,
    camera: str,
    cube: float,
    hand: str,
    trained_on: str,
    training: Mapping[str, Any],
    errors: Mapping[str, Any],
    licence: str = "Apache-2.0",
) -> Preset:
    """Write a model's weights and their record, each in one step.

    Of a compiled model only the weights are stored, not the optimizer.

    Args:
        model: A functional model.
        path: ``X.weights.h5``; the record goes to ``X.json`` beside it, and ``X`` becomes its name.
        architecture, skeleton, camera, cube, hand, trained_on, training, errors, licence: See `Preset`.

    Returns:
        The record.

    Raises:
        ValueError: The path does not end in ``.weights.h5``, the model is not functional, or the record would not be
            valid. What was there before stays.

    See Also:
        `load` and `resolve`, the way back.
    """
    import keras

    path = Path(path)
    record_path = _record_path(path)
    if not getattr(model, "inputs", None):
        raise ValueError(
            f"`model` must be functional, with inputs and outputs. Received: {type(model).__name__} {model.name!r}."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        written = Path(folder) / path.name
        # The same layers in a model that was never compiled: the optimizer would more than double the file.
        keras.Model(model.inputs, model.outputs, name=model.name).save_weights(written)
        preset = Preset(
            name=record_path.stem,
            file=path.name,
            size=written.stat().st_size,
            sha256=file_sha256(written),
            architecture=architecture,
            skeleton=skeleton,
            camera=camera,
            cube=cube,
            hand=hand,
            trained_on=trained_on,
            training=training,
            errors=errors,
            licence=licence,
        )
        record = Path(folder) / record_path.name
        record.write_text(preset.to_json(), encoding="utf-8")
        os.replace(written, path)
        os.replace(record, record_path)
    return preset


def load(model: keras.Model, path: str | os.PathLike, preset: Preset) -> None:
    """Load weights into a model of the same architecture and say in one line what they were trained on.

    Args:
        model: A built model.
        path, preset: What `resolve` returned.

    Raises:
        ValueError: The model is of another architecture; its weights are left as they were.
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
    model.load_weights(path)
    remember_origin(model, preset)
    # Shown by default, on stderr and as it stands, and silenced like any other message of the logging module.
    _logger.warning("%s: trained on %s", preset.name, preset.trained_on)


def _presets() -> dict[str, Preset]:
    presets = {}
    for record in sorted(_shipped_folder().glob("*.json")):
        preset = Preset.read(record)
        if preset.name != record.stem:
            raise ValueError(f"{record} must have the name of its preset. Received: name={preset.name!r}.")
        presets[preset.name] = preset
    return presets


def _named(name: str) -> Preset:
    presets = _presets()
    if name not in presets:
        raise ValueError(f"There are no weights of this name. {_choices(presets)} Received: {name!r}.")
    return presets[name]


def _choices(presets: Mapping[str, Preset]) -> str:
    return f"The presets are: {', '.join(presets) or 'none'}."


def _beside_record(name: str, presets: Mapping[str, Preset]) -> tuple[Path, Preset]:
    if not name.endswith(WEIGHTS_SUFFIX):
        raise ValueError(
            "`weights` must be the name of a preset or the path of a file that ends in "
            f"{WEIGHTS_SUFFIX}. {_choices(presets)} Received: weights={name!r}."
        )
    path = Path(name).expanduser()
    record = _record_path(path)
    for needed in (path, record):
        if not needed.is_file():
            raise FileNotFoundError(f"{needed} does not exist. Weights are a pair: {path.name} beside {record.name}.")
    return path, Preset.read(record)


def _record_path(path: Path) -> Path:
    if not path.name.endswith(WEIGHTS_SUFFIX) or path.name == WEIGHTS_SUFFIX:
        raise ValueError(f"`path` must end in {WEIGHTS_SUFFIX}, after a name. Received: {path}.")
    return path.with_name(path.name.removesuffix(WEIGHTS_SUFFIX) + ".json")


def _shipped_folder() -> Path:
    package = Path(__file__).parents[1]
    installed = package / "shipped_weights"
    return installed if installed.is_dir() else package.parent / "weights"  # the latter in an editable install


def _places(preset: Preset) -> tuple[Path, Path]:
    return _shipped_folder() / preset.file, cache_folder() / preset.file


def _is_whole(path: Path, preset: Preset) -> bool:
    try:
        preset.check(path)
    except OSError:
        return False
    return True


def _stored_shapes(path: Path) -> Counter[tuple[int, ...]]:
    import h5py

    shapes: Counter[tuple[int, ...]] = Counter()

    def count(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer/"):
            shapes[item.shape] += 1

    with h5py.File(path) as file:
        file.visititems(count)
    return shapes
