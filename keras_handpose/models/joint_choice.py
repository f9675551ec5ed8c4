"""Networks of some of another network's joints, with the same weights otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from keras_handpose.models.residual_attention import ResidualAttentionRegressor

__all__ = ["choose_joints"]

_NEGLIGIBLE = 1e-6  # of a component's length


def choose_joints(model: keras.Model, indices: Sequence[int], *, architecture: dict) -> tuple[keras.Model, int]:
    """Make a network that predicts some of a network's joints exactly as that one does.

    The prior's components, restricted to the joints, are no longer orthonormal. With their singular value decomposition
    ``W = U S V``, ``V`` becomes the new prior and the layer before it, which is linear, takes over ``U S``.

    Args:
        model: A `ResidualAttentionRegressor` with a prior.
        indices: Which of its joints, in the new order.
        architecture: The factory's arguments for `model`.

    Returns:
        The network, and the number of its prior's components: at most three a joint.

    Raises:
        ValueError: The model has no prior, or no such joints.

    Example:
        >>> model = ResidualAttentionRegressor(joints=16, filters=(8, 16), poolings=(2, 1), prior=20)
        >>> small, components = choose_joints(
        ...     model, [0, 3], architecture={"joints": 16, "filters": (8, 16), "poolings": (2, 1), "prior": 20}
        ... )
        >>> small.output_shape, components
        ((None, 2, 3), 6)
    """
    names = {layer.name for layer in model.layers}
    if not {"code", "prior"} <= names:
        raise ValueError(f"`model` must end in a pose prior. Received: {model.name!r} without one.")
    basis, mean = (keras.ops.convert_to_numpy(weight) for weight in model.get_layer("prior").get_weights())
    joints = len(mean) // 3
    if not all(0 <= i < joints for i in indices) or not len(indices):
        raise ValueError(f"`indices` must be joints from 0 to {joints - 1}. Received: {list(indices)}.")
    basis = basis.astype(np.float64).reshape(-1, joints, 3)[:, indices].reshape(len(basis), -1)
    mixing, lengths, components = np.linalg.svd(basis, full_matrices=False)
    kept = lengths > _NEGLIGIBLE * lengths[0]
    mixing, components = (mixing * lengths)[:, kept], components[kept]

    chosen = ResidualAttentionRegressor(
        **{
            **architecture,
            "joints": len(indices),
            "prior": (components, mean.reshape(joints, 3)[indices].reshape(-1)),
        }
    )
    for layer in chosen.layers:
        if layer.name == "code":
            kernel, bias = (np.asarray(weight, np.float64) for weight in model.get_layer("code").get_weights())
            layer.set_weights([kernel @ mixing, bias @ mixing])
        elif layer.name != "prior":
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return chosen, int(kept.sum())
