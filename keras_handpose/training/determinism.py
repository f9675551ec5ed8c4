"""The same bits every time: what each backend needs for it."""

from __future__ import annotations

import keras

__all__ = ["use_deterministic_operations"]


def use_deterministic_operations() -> None:
    """Have this process use deterministic operations only, from now on. JAX has no others on the CPU."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        torch.use_deterministic_algorithms(True)
