"""Conversion of a Keras model to a float32 ONNX or TFLite file.

Both converters start from TensorFlow's graph. On the TensorFlow backend the model is converted where it is; on any
other one it goes, as a ``.keras`` file, to a process of its own with ``KERAS_BACKEND=tensorflow``. So the same file
comes out whatever the backend.

ONNX files have opset 18, the newest that tf2onnx writes; their batch (a network's) or frame size (a pipeline's) is
free. TFLite files have built-in operations only and fixed shapes, which every delegate takes: one crop at a time, which
costs a tenth of the speed of a batch of 32 and nothing otherwise, and frames of one size.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_handpose.exporting.comparison import ExportError

if TYPE_CHECKING:
    import keras
    import onnx

__all__ = ["NETWORK_OUTPUT", "convert", "network_signature", "pipeline_signature", "require_packages"]

NETWORK_OUTPUT = "joints_unit"
_OPSET = 18
_PACKAGES = {".onnx": ("tf2onnx", "onnx", "onnxruntime"), ".tflite": ("ai_edge_litert",)}
_FREE_SIZES = {"crop": ("batch",), NETWORK_OUTPUT: ("batch",), "depth": ("height", "width")}
_TIMEOUT = 900.0  # Seconds for the other process.

Signature = Mapping[str, tuple[tuple[int | None, ...], str]]
"""Shape and type of each of a file's inputs, by name; None where a size is free."""


def network_signature(crop_size: int, batch: int | None) -> Signature:
    """Return the inputs of a network's file."""
    return {"crop": ((batch, crop_size, crop_size, 1), "float32")}


def pipeline_signature(height: int | None, width: int | None) -> Signature:
    """Return the inputs of a whole pipeline's file, which takes one frame at a time."""
    return {
        "depth": ((height, width), "float32"),
        "camera": ((4,), "float32"),
        "mirror": ((), "bool"),
        "centre": ((3,), "float32"),
    }


def convert(model: keras.Model, path: Path, inputs: Signature) -> None:
    """Write a Keras model as a float32 file.

    Args:
        model: Takes the inputs in a dictionary with a batch axis before each of them and returns a dictionary; or a
            network from ``crop`` to ``joints_unit``.
        path: The file to write, ``.onnx`` or ``.tflite``.
        inputs: `network_signature` or `pipeline_signature`.

    Raises:
        ExportError: The model cannot be converted, or not be handed to the other process; the message has the
            converter's last lines.
        ImportError: The packages of ``keras-handpose[export]`` are not installed.
    """
    import keras

    require_packages(path.suffix)
    if keras.backend.backend() == "tensorflow":
        _convert_here(model, path, inputs)
    else:
        _convert_elsewhere(model, path, inputs)


def require_packages(suffix: str, quantize: str | None = None) -> None:
    """Refuse to begin an export whose packages are missing.

    Args:
        suffix: ``.onnx`` or ``.tflite``.
        quantize: The mode of quantisation.

    Raises:
        ImportError: One is missing; the message says how to install them.
    """
    needed = _PACKAGES[suffix] + (("ai_edge_quantizer",) if quantize and suffix == ".tflite" else ())
    missing = [name.replace("_", "-") for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"Exporting to {suffix} needs {' and '.join(missing)}, which is not installed. "
            'Run `pip install "keras-handpose[export]"`.'
        )


# === In this process, on TensorFlow ===


def _convert_here(model: keras.Model, path: Path, inputs: Signature) -> None:
    with tempfile.TemporaryFile("w+") as log:
        try:
            with _silenced(log):
                _WRITERS[path.suffix](model, path, inputs)
        except Exception as error:
            log.seek(0)
            raise _conversion_error(model, path, f"{log.read()}\n{error}") from error


def _write_onnx(model: keras.Model, path: Path, inputs: Signature) -> None:
    import onnx
    import tf2onnx

    function, signature = _function(model, inputs)
    file, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=_OPSET)
    for value in (*file.graph.input, *file.graph.output):
        for size, name in zip(value.type.tensor_type.shape.dim, _FREE_SIZES.get(value.name, ()), strict=False):
            if not size.dim_value:
                size.dim_param = name
    _gather_elements(file)
    onnx.checker.check_model(file, full_check=True)  # tf2onnx passes on what it does not know.
    onnx.save(file, path)


def _gather_elements(file: onnx.ModelProto) -> None:
    """Have single pixels gathered by the operation made for them; `Gather` copies slices, six times as slowly.

    Where values and indices have one axis, both do the same.
    """
    import onnx

    values = onnx.shape_inference.infer_shapes(file).graph.value_info
    axes = {value.name: len(value.type.tensor_type.shape.dim) for value in values}
    for node in file.graph.node:
        if node.op_type == "Gather" and axes.get(node.input[0]) == axes.get(node.input[1]) == 1:
            node.op_type = "GatherElements"


def _write_tflite(model: keras.Model, path: Path, inputs: Signature) -> None:
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    function, signature = _function(model, inputs)
    traced = function.get_concrete_function()
    constant = convert_variables_to_constants_v2(traced)
    names = sorted(traced.structured_outputs)  # The order in which TensorFlow lays out a dictionary.
    module = tf.Module()
    module.run = tf.function(
        lambda *values: dict(zip(names, constant(*values), strict=True)), input_signature=signature, autograph=False
    )
    with tempfile.TemporaryDirectory() as folder:
        # Only a SavedModel hands the inputs' and outputs' names on to the file.
        tf.saved_model.save(module, folder, signatures={"serving_default": module.run})
        path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


_WRITERS: dict[str, Callable[[Any, Path, Signature], None]] = {".onnx": _write_onnx, ".tflite": _write_tflite}


def _function(model: keras.Model, inputs: Signature) -> tuple[Any, list]:
    """Return the model as a function of TensorFlow with the file's inputs and outputs, and its signature."""
    import tensorflow as tf

    def run(*values: tf.Tensor) -> dict[str, tf.Tensor]:
        if "crop" in inputs:
            return {NETWORK_OUTPUT: tf.cast(model(*values, training=False), tf.float32)}
        # Not by indices: tf2onnx makes a copy of the frame of them.
        frame = {name: tf.expand_dims(value, 0) for name, value in zip(inputs, values, strict=True)}
        return {name: tf.squeeze(value, 0) for name, value in model(frame, training=False).items()}

    signature = [tf.TensorSpec(shape, dtype, name=name) for name, (shape, dtype) in inputs.items()]
    return tf.function(run, input_signature=signature, autograph=False), signature


@contextmanager
def _silenced(log: Any) -> Iterator[None]:
    """Send what C++ writes to stderr to a file, and keep quiet about warnings."""
    handlers, level = logging.root.handlers[:], logging.root.manager.disable
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        os.dup2(log.fileno(), 2)
        logging.disable(max(level, logging.WARNING))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
        logging.root.handlers[:] = handlers  # absl puts its own in.
        sys.stderr.flush()
        os.dup2(stderr, 2)
        os.close(stderr)


def _conversion_error(model: keras.Model, path: Path, log: str) -> ExportError:
    lines = [line.strip()[:300] for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if "error: " in line.lower()] or lines  # A graph may follow the error.
    return ExportError(
        f"{model.name!r} cannot be converted to {path.suffix}. The converter says: {' / '.join(telling[-3:])}"
    )


# === In another process, from any backend ===


def _convert_elsewhere(model: keras.Model, path: Path, inputs: Signature) -> None:
    modules = _modules_of(model)
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "model.keras"
        model.save(archive)
        task = json.dumps({"model": str(archive), "path": str(path), "inputs": inputs, "modules": modules})
        environment = {
            **os.environ,
            "KERAS_BACKEND": "tensorflow",
            "CUDA_VISIBLE_DEVICES": "-1",  # The accelerator is the caller's.
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        }
        command = [sys.executable, "-c", f"from {__name__} import _convert_task; _convert_task()"]
        try:
            process = subprocess.run(
                command, env=environment, input=task, capture_output=True, text=True, timeout=_TIMEOUT
            )
        except subprocess.TimeoutExpired as error:
            raise ExportError(f"{model.name!r} was not converted within {_TIMEOUT:g} s.") from error
    if process.returncode:
        raise _conversion_error(model, path, process.stderr)


def _convert_task() -> None:
    import keras

    task = json.loads(sys.stdin.read())
    for module in ("keras_handpose.layers", *task["modules"]):
        importlib.import_module(module)
    model = keras.saving.load_model(task["model"], compile=False)
    inputs = {name: (tuple(shape), dtype) for name, (shape, dtype) in task["inputs"].items()}
    path = Path(task["path"])
    _WRITERS[path.suffix](model, path, inputs)


def _modules_of(model: keras.Model) -> list[str]:
    """Return the modules that another process imports to know the classes of a model's layers."""
    import keras

    classes = {type(layer) for layer in model._flatten_layers()}
    own = {cls for cls in classes if cls.__module__.partition(".")[0] not in ("keras", "keras_handpose")}
    for cls in sorted(own, key=lambda cls: cls.__name__):
        if (
            cls.__module__ == "__main__"
            or keras.saving.get_registered_object(keras.saving.get_registered_name(cls)) is not cls
        ):
            raise ExportError(
                f"On the {keras.backend.backend()} backend, a model is exported by another process, which must know "
                f"the classes of its layers. Received: {cls.__module__}.{cls.__qualname__}. Define it in a module that "
                "can be imported and register it with @keras.saving.register_keras_serializable(), or export with "
                "KERAS_BACKEND=tensorflow."
            )
    return sorted({cls.__module__ for cls in own})
