"""Networks exported for the estimator's own use, once for each precision."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from keras_handpose import __version__
from keras_handpose.engines.metadata import read_metadata
from keras_handpose.models.weights import cache_folder, resolve, shipped_export
from keras_handpose.skeletons import SKELETONS, Skeleton

if TYPE_CHECKING:
    import keras

__all__ = ["cached_export"]

_SUFFIXES = {"onnx": ".onnx", "litert": ".tflite"}
_LOCK_TIMEOUT = 900.0  # Seconds to wait for another process that exports the same network.

_logger = logging.getLogger("keras_handpose")


def cached_export(
    source: str | os.PathLike | keras.Model,
    *,
    format: Literal["onnx", "litert"],
    quantize: Literal["float16", "dynamic", "int8"] | None = None,
    skeleton: Skeleton | None = None,
    cube: float | None = None,
    hand: Literal["right", "left"] = "right",
) -> Path:
    """Return the file of an exported network in the cache, and export it there if it is not.

    A preset's network for LiteRT that came with the package is taken as it is; its weights are float16. All others are
    in ``exports`` in the folder of `keras_handpose.weights.cache_folder`, named after the weights, their SHA-256, this
    package's version and the precision. A damaged one is made anew. Processes that want the same file wait for the one
    that came first.

    Args:
        source: A preset's name, the path of weights with their record beside them, or a model.
        format: The engine that the file is for.
        quantize, skeleton, cube, hand: See `export`; the latter three are for a model, weights have them in their
            record.

    Raises:
        ValueError, ImportError, OSError: As `export` does.
    """
    import filelock

    if isinstance(source, str | os.PathLike):
        record = resolve(source)[1]
        name, key = record.name, record.sha256
        said = {"skeleton": SKELETONS[record.skeleton], "cube": float(record.cube), "hand": record.hand}
        arguments = {}
        shipped = shipped_export(os.fspath(source))
        if shipped and _SUFFIXES[format] == shipped.suffix and quantize is None:
            if _is_whole(shipped, {**said, "weights_sha256": key}):
                return shipped
            _logger.warning("%s is damaged or was made of other weights. It is passed over.", shipped)
    else:
        arguments = said = {"skeleton": skeleton, "cube": cube, "hand": hand}
        name, key = "model", _fingerprint(source, said)
    file = f"{name}-{key[:12]}-{__version__}-{quantize or 'float32'}{_SUFFIXES[format]}"
    path = cache_folder() / "exports" / file
    if not _is_whole(path, said):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(f"{path}.lock", timeout=_LOCK_TIMEOUT).acquire()
        except OSError as error:
            raise OSError(
                f"The network cannot be exported to the cache, {path.parent}: {error}. Choose another folder with "
                "KERAS_HOME, or write a file with keras_handpose.export and pass that."
            ) from error
        with lock:
            if not _is_whole(path, said):
                from keras_handpose.exporting.exports import export

                _logger.warning("%s: exporting the network once, to %s", name, path)
                export(source, path, quantize=quantize, **arguments)
    return path


def _is_whole(path: Path, said: dict) -> bool:
    """Return whether an undamaged file is there that says of itself what it should; None may be anything."""
    try:
        metadata = read_metadata(path)
    except (ValueError, OSError):
        return False
    return all(value in (None, getattr(metadata, name)) for name, value in said.items())


def _fingerprint(model: keras.Model, said: dict) -> str:
    """Return a SHA-256 of a model's weights, of how it computes with them and of what is said of it."""
    from keras_handpose.models.origins import weights_sha256

    text = json.dumps([weights_sha256(model), model.get_config(), said], default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
