"""The same bits every time: what each backend needs for it."""

from __future__ import annotations

import keras
import numpy as np

__all__ = ["seed_step", "use_deterministic_operations"]


def use_deterministic_operations() -> None:
    """Have this process use deterministic operations only, from now on. JAX has no others on the CPU."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        torch.use_deterministic_algorithms(True)


def seed_step(seed: int, step: int) -> None:
    """Start a step's random numbers anew where no checkpoint can hold their state.

    PyTorch's dropout draws from the process's one generator, from which loading batches draws as well; the layers of
    the other backends have their own.
    """
    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(int(np.random.SeedSequence([seed, step]).generate_state(1)[0]))
