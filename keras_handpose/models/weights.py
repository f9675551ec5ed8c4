"""Weight files: where they are, whether they are whole, and what their records say.

A preset's file is looked for in the folder that came with the package, then in the cache
(``$KERAS_HOME/keras_handpose``, by default ``~/.keras/keras_handpose``), and last it is downloaded to the cache from
the address in the environment variable ``KERAS_HANDPOSE_WEIGHTS_URL``: an http(s) mirror, a ``file://`` address or a
folder. Whatever the place, size and SHA-256 are checked against the record before use.

A mirror may have weights of its own, put there by `publish`: under a name that no preset of the package has, the record
is downloaded as well, and both are kept. From then on they are used as they are in the cache. The mirror is asked again
when the pair in the cache is not whole, and by `download`. The record of a preset of the package never comes from
elsewhere.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from pathlib import Path

from keras_handpose.checks import suggestion
from keras_handpose.models.presets import WEIGHTS_SUFFIX, Preset, is_preset_name
from keras_handpose.models.weight_files import load, record_path, save, user_path

__all__ = [
    "ADDRESS_VARIABLE",
    "cache_folder",
    "download",
    "list",
    "load",
    "locate",
    "publish",
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
    """List the records of all presets by name: those of the package, and those in the cache that a mirror had.

    A malformed record in the cache is passed over with a warning.

    Example:
        >>> all(preset.file.endswith(".weights.h5") for preset in list())
        True
    """
    presets = _shipped()
    for name in sorted(_cached_names() - presets.keys()):
        try:
            presets[name] = _cached(name)
        except (ValueError, OSError) as error:
            _logger.warning("%s It is passed over.", error)
    return tuple(presets[name] for name in sorted(presets))


def resolve(weights: str | os.PathLike) -> tuple[Path, Preset]:
    """Find a weight file and its record, and download what is missing.

    Args:
        weights: A preset's name, or the path of ``X.weights.h5`` with its record ``X.json`` beside it. A preset's name
            beats a path of the same name.

    Returns:
        The path of a file that matches its record, and the record.

    Raises:
        TypeError: It is neither text nor a path.
        ValueError: There is no such preset, or a record is malformed.
        OSError: The file is missing, damaged or cannot be downloaded.
    """
    name = _as_text(weights)
    if not _is_preset(name):
        path, preset = _beside_record(name)
        preset.check(path)
        return path, preset
    try:
        preset = _record(name)
        path = _whole(preset)
    except ValueError as error:
        if not os.environ.get(ADDRESS_VARIABLE):
            raise
        path = None
        if name in _cached_names():
            _logger.warning("%s It is passed over.", error)
    return (path, preset) if path else _download(name)


def locate(name: str) -> Path | None:
    """Return the path of a preset's file if a whole one is on this machine, otherwise None. Nothing is downloaded.

    Raises:
        ValueError: There is no record of this name on this machine, or it is malformed.
    """
    return _whole(_record(_as_text(name)))


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
    name = _as_text(weights)
    if _is_preset(name):
        preset = _record(name)
        paths = [path for path in _places(preset) if path.exists()]
        if not paths:
            raise FileNotFoundError(
                f"The weights {name!r} are not on this machine. Looked for {_places_of(preset)}. "
                f"Fetch them with keras_handpose.weights.download({name!r})."
            )
    else:
        path, preset = _beside_record(name)
        paths = [path]
    for path in paths:
        preset.check(path)
    return paths[0]


def download(name: str, *, address: str | os.PathLike | None = None) -> Path:
    """Download a preset's file, unless a whole one is on this machine; of a mirror's own weights, look for newer ones.

    The file takes its place in one step, after it was checked; a failed attempt leaves nothing behind. Processes that
    want the same file wait for the one that came first.

    Args:
        name: A preset's name, or what a mirror calls weights of its own. Of the latter the record is downloaded in any
            case, and the file where it is not the one in the cache: so they are brought up to date.
        address: Where to find a file of that name: an http(s) or ``file://`` address or a folder. By default, what
            ``KERAS_HANDPOSE_WEIGHTS_URL`` says.

    Returns:
        The path of the file.

    Raises:
        TypeError: The name or the address is none.
        ValueError: There is no such preset, or the mirror's record or the address is malformed.
        OSError: No address is given, the file cannot be had there, or it is not the one that the record describes.
            What was in the cache stays.

    See Also:
        `publish`, the way to a mirror.
    """
    from keras_handpose.models.fetching import file_address

    name = _as_text(name)
    if address is not None:
        file_address(address, name)  # What is no address is refused whether it is needed or not.
    if name in _shipped() or not (address or os.environ.get(ADDRESS_VARIABLE)):
        path = locate(name)
        if path is not None:
            return path
    return _download(name, address)[0]


def publish(
    weights: str | os.PathLike, folder: str | os.PathLike, *, name: str | None = None, replace: bool = False
) -> Preset:
    """Copy weights and their record to a mirror's folder, from where others have them by name.

    They are checked first. Each of the two files takes its place in one step, the record last. Served as it is, over
    http(s) or as a shared folder, the folder is what ``KERAS_HANDPOSE_WEIGHTS_URL`` names on other machines, and
    ``weights="NAME"`` finds them there.

    Args:
        weights: The path of ``X.weights.h5`` with its record beside it, or a preset's name.
        folder: The mirror's folder, made where it does not exist.
        name: What to call them there, by default as before.
        replace: Whether other weights of that name in the folder may be replaced.

    Returns:
        The record that was published.

    Raises:
        TypeError: `weights` or `folder` is no path.
        ValueError: The name is malformed, that of a preset of the package with other weights, or not that of the file;
            or the folder is a web address or malformed.
        FileExistsError: There are other weights of that name in the folder.
        OSError: The weights are missing, damaged or other ones than their record says, or the folder cannot be written.

    See Also:
        `download`, the way back.

    Example:
        ``publish("runs/mine/trained.weights.h5", "/srv/hands", name="mine")``
    """
    from keras_handpose.models.fetching import folder_path
    from keras_handpose.models.fetching import publish as copy_pair

    mirror = folder_path(folder)
    path, preset = resolve(weights)
    if name is None and not path.name == preset.file == f"{preset.name}{WEIGHTS_SUFFIX}":
        raise ValueError(
            f"{path} has a record of name={preset.name!r}, file={preset.file!r}. Say with name= (--name) what to "
            "call them."
        )
    if name is not None:
        preset = dataclasses.replace(preset, name=name, file=f"{name}{WEIGHTS_SUFFIX}")
    shipped = _shipped().get(preset.name)
    if shipped is not None and shipped.sha256 != preset.sha256:
        raise ValueError(
            f"{preset.name!r} is a preset of the package, with other weights, and nobody would get these. "
            f"Received: {path}. Publish them under another name (name=, --name)."
        )
    copy_pair(path, preset, mirror, replace=replace)
    return preset


def shipped_export(name: str) -> Path | None:
    """Return the path of a preset's network for LiteRT that came with the package, None if there is none.

    What is in it says which weights it was made of; `keras_handpose.exporting.cached_export` looks at that.
    """
    path = _shipped_folder() / f"{name}.tflite"
    return path if name in _shipped() and path.is_file() else None


def cache_folder() -> Path:
    """Return the folder that downloads go to, whether it exists or not."""
    return Path(os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")) / "keras_handpose"


def _shipped() -> dict[str, Preset]:
    presets = {}
    for record in sorted(_shipped_folder().glob("*.json")):
        preset = Preset.read(record)
        if preset.name != record.stem:
            raise ValueError(f"{record} must have the name of its preset. Received: name={preset.name!r}.")
        presets[preset.name] = preset
    return presets


def _cached_names() -> set[str]:
    return {path.stem for path in cache_folder().glob("*.json") if is_preset_name(path.stem)}


def _cached(name: str) -> Preset:
    from keras_handpose.models.fetching import read_record

    return read_record(cache_folder() / f"{name}.json", name)


def _record(name: str) -> Preset:
    """Read the record of a name from the package, else from the cache."""
    shipped = _shipped()
    if name in shipped:
        return shipped[name]
    if name in _cached_names():
        return _cached(name)
    raise _unknown(name)


def _unknown(name: str) -> ValueError:
    meant = suggestion(name, _shipped().keys() | _cached_names())
    return ValueError(f"There are no weights of this name. {_choices()} Received: {name!r}.{meant}")


def _as_text(weights: str | os.PathLike) -> str:
    text = os.fspath(weights) if isinstance(weights, os.PathLike) else weights
    if not isinstance(text, str):
        raise TypeError(
            f"`weights` must be the name of a preset or a path. {_choices()} Received: a {type(weights).__name__}."
        )
    return text


def _is_preset(name: str) -> bool:
    """Return whether it may be a preset's name and is no path."""
    return is_preset_name(name) or name in _shipped()


def _choices() -> str:
    names = sorted(_shipped().keys() | _cached_names())
    others = "" if os.environ.get(ADDRESS_VARIABLE) else f" Those of a mirror need its address in {ADDRESS_VARIABLE}."
    return f"The presets are: {', '.join(names) or 'none'}.{others} A path must end in {WEIGHTS_SUFFIX}."


def _download(name: str, address: str | os.PathLike | None = None) -> tuple[Path, Preset]:
    """Download a preset's file, or a mirror's record and file, to the cache."""
    import filelock

    from keras_handpose.models.fetching import cause_to_show, fetch, file_address, read_record, without_secrets

    preset = _shipped().get(name)
    is_shipped = preset is not None
    argument = "address" if address else ADDRESS_VARIABLE
    address = address or os.environ.get(ADDRESS_VARIABLE, "")
    if not is_preset_name(name) and not is_shipped:
        raise _unknown(name)
    if not address:
        preset = _record(name)
        raise FileNotFoundError(
            f"{_described(preset)} are not on this machine and no download address is set. Looked for "
            f"{_places_of(preset)}. Set {ADDRESS_VARIABLE} to an http(s) address or a folder "
            f"that has {preset.file}, or put the file at {cache_folder() / preset.file} yourself."
        )
    check = f"Check the address ({ADDRESS_VARIABLE}), the network"
    if not is_shipped:
        source = file_address(address, f"{name}.json", name=argument)
        try:
            preset = read_record(source, name)
        except OSError as error:
            raise OSError(
                f"{name!r} is no preset of the package, and its record could not be fetched from "
                f"{without_secrets(str(source))}: {_reason(error)}. {check} and the name. {_choices()}"
            ) from cause_to_show(error)
    source, target = file_address(address, preset.file, name=argument), cache_folder() / preset.file
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{target}.lock", timeout=_LOCK_TIMEOUT):
            fetch(source, target, preset, keep_record=not is_shipped)
    except OSError as error:
        raise OSError(
            f"{_described(preset)} could not be fetched from {without_secrets(str(source))} to {target.parent}: "
            f"{_reason(error)}. {check} and the folder (KERAS_HOME moves it), or put the file at {target} yourself."
        ) from cause_to_show(error)
    return target, preset


def _described(preset: Preset) -> str:
    return f"The weights {preset.name!r} ({preset.file}, {preset.size / 1e6:.1f} MB)"


def _reason(error: OSError) -> str:
    from keras_handpose.models.fetching import without_secrets

    return f"{type(error).__name__}: {without_secrets(str(error)).rstrip('.')}"


def _beside_record(name: str) -> tuple[Path, Preset]:
    if name.endswith(".keras"):
        raise ValueError(
            "A .keras file is a whole model: open it with `keras.models.load_model`, after `import "
            "keras_handpose.layers, keras_handpose.models.metrics`, and pass the model; an estimator needs `skeleton` "
            f"and `cube` with it. Received: {name!r}."
        )
    if not name.endswith(WEIGHTS_SUFFIX):
        raise ValueError(
            f"`weights` must be the name of a preset or the path of a file. {_choices()} Received: weights={name!r}."
        )
    path = user_path(name, "weights")
    record = record_path(path)
    for needed in (path, record):
        if not os.path.isfile(needed):  # `Path.is_file` raises where a name is too long.
            raise FileNotFoundError(f"{needed} does not exist. Weights are a pair: {path.name} beside {record.name}.")
    return path, Preset.read(record)


def _shipped_folder() -> Path:
    package = Path(__file__).parents[1]
    installed = package / "shipped_weights"
    return installed if installed.is_dir() else package.parent / "weights"  # the latter in an editable install


def _places(preset: Preset) -> tuple[Path, Path]:
    return _shipped_folder() / preset.file, cache_folder() / preset.file


def _places_of(preset: Preset) -> str:
    return " and ".join(map(str, _places(preset)))


def _whole(preset: Preset) -> Path | None:
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
