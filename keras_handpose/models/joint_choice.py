"""Networks of some of another network's joints, with the same weights otherwise."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_handpose.models import weights
from keras_handpose.models.presets import Preset
from keras_handpose.models.residual_attention import ResidualAttentionRegressor
from keras_handpose.skeletons import SKELETONS, corresponding_joints

__all__ = ["choose_joints", "choose_layout"]

_NEGLIGIBLE = 1e-6  # of the longest component


def choose_joints(
    model: keras.Model, indices: Sequence[int], architecture: Mapping[str, Any]
) -> tuple[keras.Model, dict[str, Any]]:
    """Make a network that predicts some of a network's joints exactly as that one does.

    The prior's components, restricted to the joints, are no longer orthonormal. With their singular value decomposition
    ``W = U S V``, ``V`` becomes the new prior and the layer before it, which is linear, takes over ``U S``.

    Args:
        model: A `ResidualAttentionRegressor` with a prior.
        indices: Which of its joints, in the new order.
        architecture: The factory's arguments for `model`.

    Returns:
        The network and the factory's arguments for it. Its prior has at most three components a joint.

    Raises:
        ValueError: The model has no prior, or no such joints.

    Example:
        >>> arguments = {"joints": 16, "filters": (8, 16), "poolings": (2, 1), "prior": 20}
        >>> small, arguments = choose_joints(ResidualAttentionRegressor(**arguments), [0, 3], arguments)
        >>> small.output_shape, arguments["prior"]
        ((None, 2, 3), 6)
    """
    if not {"code", "prior"} <= {layer.name for layer in model.layers}:
        raise ValueError(f"`model` must end in a pose prior. Received: {model.name!r}.")
    basis, mean = (np.asarray(weight, np.float64) for weight in model.get_layer("prior").get_weights())
    joints = mean.size // 3
    if not len(indices) or not all(0 <= i < joints for i in indices):
        raise ValueError(f"`indices` must be joints from 0 to {joints - 1}. Received: {list(indices)}.")
    basis = basis.reshape(-1, joints, 3)[:, indices].reshape(len(basis), -1)
    mixing, lengths, components = np.linalg.svd(basis, full_matrices=False)
    kept = lengths > _NEGLIGIBLE * lengths[0]
    mixing, components = (mixing * lengths)[:, kept], components[kept]

    changed = {**architecture, "joints": len(indices), "prior": len(components)}
    prior = components, mean.reshape(joints, 3)[indices].reshape(-1)
    chosen = ResidualAttentionRegressor(**{**changed, "prior": prior})
    for layer in chosen.layers:
        if layer.name == "code":
            kernel, bias = (np.asarray(weight, np.float64) for weight in model.get_layer("code").get_weights())
            layer.set_weights([kernel @ mixing, bias @ mixing])
        elif layer.name != "prior":
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return chosen, changed


def choose_layout(
    source: str | os.PathLike, path: str | os.PathLike, skeleton: str, *, camera: str | None = None
) -> Preset:
    """Write weights of one joint layout, chosen from weights of more joints.

    Args:
        source: A preset's name or the path of weights, such as those of ``hand56``.
        path: ``X.weights.h5``; the record goes to ``X.json`` beside it.
        skeleton: Name of the layout in `SKELETONS`.
        camera: Name of the camera that the record names, by default that of the source.

    Returns:
        The record; figures of errors are left to those who measure them.

    Raises:
        ValueError: The layout is unknown or has joints that the source has not.
        OSError: The source is missing or damaged.

    Example:
        ``choose_layout("runs/hand56/hand56.weights.h5", "weights/nyu.weights.h5", "nyu14", camera="nyu")``
    """
    if skeleton not in SKELETONS:
        raise ValueError(f"`skeleton` must be one of {', '.join(SKELETONS)}. Received: {skeleton!r}.")
    _, record = weights.resolve(source)
    layout, target = SKELETONS[record.skeleton], SKELETONS[skeleton]
    indices, found = corresponding_joints(layout, target)
    if len(found) < len(target):
        missing = [name for i, name in enumerate(target.joint_names) if i not in found]
        raise ValueError(f"{layout.name} has no {', '.join(missing)}. Received: skeleton={skeleton!r}.")
    model, architecture = choose_joints(
        ResidualAttentionRegressor(weights=source), indices.tolist(), record.architecture
    )
    return weights.save(
        model,
        Path(path),
        architecture=architecture,
        skeleton=skeleton,
        camera=camera or record.camera,
        cube=record.cube,
        hand=record.hand,
        trained_on=record.trained_on,
        training=record.training,
        errors={},
        licence=record.licence,
    )
