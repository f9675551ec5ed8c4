"""The Keras engine: a compiled forward pass on TensorFlow, JAX or PyTorch. The only place that tells them apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_handpose.engines.engine import check_crops

if TYPE_CHECKING:
    import keras

__all__ = ["KerasEngine"]


class KerasEngine:
    """Runs a `keras.Model` on crops, one or many, without the overhead of ``model.predict``.

    The model is compiled once on its first call (TensorFlow, JAX; PyTorch runs as it is) and reads its weights anew on
    each, so a model may be trained further between calls.

    Args:
        model: From crops ``(batch, size, size, 1)`` to ``joints_unit`` ``(batch, joints, 3)``.
        batch_size: How many crops to run at once at most.

    Raises:
        ValueError: The model has other inputs or outputs, or ``batch_size`` is below 1.
    """

    def __init__(self, model: keras.Model, *, batch_size: int = 32) -> None:
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}.")
        self.model = model
        self.batch_size = batch_size
        self.crop_size, self.joints = _crop_size_and_joints(model)
        self._forward = _compiled(model, self.crop_size)

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """Estimate ``joints_unit`` ``(n, joints, 3)`` from crops ``(n, size, size, 1)``; see `Engine`."""
        crops = check_crops(crops, self.crop_size)
        chunks = [self._forward(crops[i : i + self.batch_size]) for i in range(0, len(crops), self.batch_size)]
        return np.concatenate(chunks).astype(np.float32, copy=False)


def _crop_size_and_joints(model: keras.Model) -> tuple[int, int]:
    inputs = getattr(model, "input_shape", None)
    outputs = getattr(model, "output_shape", None)
    fits = (
        isinstance(inputs, tuple)
        and isinstance(outputs, tuple)
        and len(inputs) == 4
        and inputs[1] == inputs[2]
        and inputs[1] is not None
        and inputs[3] == 1
        and len(outputs) == 3
        and outputs[1] is not None
        and outputs[2] == 3
    )
    if not fits:
        raise ValueError(
            "`model` must be a built keras.Model from crops (batch, size, size, 1) to joints (batch, joints, 3). "
            f"Received: {type(model).__name__} with input shape {inputs} and output shape {outputs}. "
            "Build a subclassed model on a keras.Input first; ResidualAttentionRegressor() gives a model that fits."
        )
    return inputs[1], outputs[1]


def _compiled(model: keras.Model, crop_size: int) -> Callable[[np.ndarray], np.ndarray]:
    import keras

    compilers: dict[str, Callable[..., Any]] = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
    compiler = compilers.get(keras.backend.backend())
    return model.predict_on_batch if compiler is None else compiler(model, crop_size)


def _tensorflow(model: keras.Model, crop_size: int) -> Callable[[np.ndarray], np.ndarray]:
    import tensorflow as tf

    signature = tf.TensorSpec((None, crop_size, crop_size, 1), tf.float32)
    forward = tf.function(lambda crops: model(crops, training=False), input_signature=[signature])
    return lambda crops: forward(crops).numpy()


def _jax(model: keras.Model, crop_size: int) -> Callable[[np.ndarray], np.ndarray]:
    import jax

    @jax.jit
    def forward(trainable: list, non_trainable: list, crops: np.ndarray) -> jax.Array:
        return model.stateless_call(trainable, non_trainable, crops, training=False)[0]

    def run(crops: np.ndarray) -> np.ndarray:
        # A compiled function holds for one shape only: round the batch up to a power of two, so there are few.
        count = len(crops)
        padding = (1 << (count - 1).bit_length()) - count
        crops = np.pad(crops, ((0, padding), (0, 0), (0, 0), (0, 0)))
        trainable = [variable.value for variable in model.trainable_variables]
        non_trainable = [variable.value for variable in model.non_trainable_variables]
        return np.asarray(forward(trainable, non_trainable, crops))[:count]

    return run


def _torch(model: keras.Model, crop_size: int) -> Callable[[np.ndarray], np.ndarray]:
    import keras
    import torch

    def run(crops: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return keras.ops.convert_to_numpy(model(crops, training=False))

    return run
