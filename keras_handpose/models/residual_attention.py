"""Residual attention regression: from a depth crop of a hand to its 3D joints.

The network of "Residual Attention Regression for 3D Hand Pose Estimation" (ICIRA 2019): attention modules with a
residual unit between two of them, and a head that regresses the code of a linear pose prior.

The paper's head, "regression", flattens the last features. The head "integral" keeps places: it brings the last
features up to the size of the stage before and adds them, makes heat maps of the sum, and regresses the code from the
heat maps' means (`SoftArgmax`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import MappingProxyType

import keras
import numpy as np

from keras_handpose.checks import are_whole
from keras_handpose.layers import AttentionModule, PCAPrior, ResidualUnit, SoftArgmax
from keras_handpose.models.presets import DEFAULT_JOINTS, Preset

__all__ = ["CONFIGURATIONS", "ResidualAttentionRegressor"]

CONFIGURATIONS = MappingProxyType(
    {
        # Made for CPUs: 3x3 units of few channels keep them busier than bottlenecks do, and normalisations that follow
        # their convolutions cost nothing once they are folded into them.
        "compact": MappingProxyType(
            {
                "stem": (16, 5),
                "filters": (24, 48, 96),
                "top_filters": (),
                "p": 1,
                "t": 1,
                "r": 1,
                "poolings": (3, 2, 1),
                "bottleneck": False,
                "preactivation": False,
                "head": "integral",
                "maps": 64,
                "hidden": 256,
            }
        ),
        # Attention-56 of Wang et al. (CVPR 2017), Table 1, with the paper's head.
        "paper": MappingProxyType(
            {
                "stem": (64, 7),
                "filters": (256, 512, 1024),
                "top_filters": (2048, 2048, 2048),
                "p": 1,
                "t": 2,
                "r": 1,
                "poolings": (3, 2, 1),
                "bottleneck": True,
                "preactivation": True,
                "head": "regression",
                "maps": 64,
                "hidden": 512,
            }
        ),
    }
)
"""Architectures by name: every argument of the factory that shapes the network's body and its head's layers."""

_DEFAULTS = MappingProxyType(
    {
        "configuration": "compact",
        "joints": DEFAULT_JOINTS,
        "attention": True,
        "prior": "auto",
        "dropout": 0.0,
        "weight_decay": 0.0,
        "input_shape": (128, 128, 1),
    }
)
_SEQUENCES = MappingProxyType(
    {
        "stem": (2, "filters and kernel size"),
        "filters": (None, "one whole number for each stage"),
        "poolings": (None, "one whole number for each stage"),
        "top_filters": (None, "one whole number for each unit after the last stage"),
        "input_shape": (3, "height, width and channels"),
    }
)
"""What has to be a sequence: its length, if that is fixed, and what is in it."""

_COMPONENTS = 30  # of the default prior
_HEADS = ("regression", "integral")
_HEAD = frozenset({"joints", "head", "maps", "hidden", "prior"})
_TRAINING = frozenset({"dropout", "weight_decay"})
_POOLINGS = {"avg": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}


def ResidualAttentionRegressor(
    *,
    joints: int | None = None,
    configuration: str | None = None,
    filters: Sequence[int] | None = None,
    p: int | None = None,
    t: int | None = None,
    r: int | None = None,
    poolings: Sequence[int] | None = None,
    bottleneck: bool | None = None,
    preactivation: bool | None = None,
    attention: bool | None = None,
    stem: tuple[int, int] | None = None,
    top_filters: Sequence[int] | None = None,
    head: str | None = None,
    maps: int | None = None,
    hidden: int | None = None,
    prior: int | np.ndarray | tuple[np.ndarray, np.ndarray] | str | None = "auto",
    dropout: float | None = None,
    weight_decay: float | None = None,
    include_top: bool = True,
    weights: str | os.PathLike | None = None,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: tuple[int, int, int] | None = None,
    pooling: str | None = None,
    name: str = "residual_attention_regressor",
) -> keras.Model:
    """Build a network that regresses hand joints from a depth crop.

    What is left out comes from the record of `weights`, or without weights from `configuration`.

    Args:
        joints: Joints of the output, by default 21.
        configuration: Where the architecture's other arguments come from: "compact" (the default) or "paper".
        filters: Width of each stage; there are as many stages. Each one halves the features of the one before.
        p, t, r: Residual units before the split, in the trunk, and between the mask's poolings; see `AttentionModule`.
        poolings: Halvings of each stage's mask branch, as many as stages.
        bottleneck: Whether residual units are bottlenecks.
        preactivation: Whether normalisations stand before the convolutions, or after them; see `ResidualUnit`.
        attention: False leaves out the mask branches: the network to compare with.
        stem: Filters and kernel size of the first convolution, which halves the crop before a max-pooling does.
        top_filters: Widths of the residual units after the last stage; the first one halves the features again.
        head: "regression" (the paper's) or "integral"; see this module's description.
        maps: Heat maps of the integral head.
        hidden: Width of the dense layer before the code.
        prior: Components of the pose prior, by default 30; or training poses ``(n, joints, 3)`` in the unit cube to
            fit 30 components to; or ``(components, mean)`` arrays. None regresses the coordinates without a prior.
        dropout: Share of the hidden layer's units dropped in training, by default 0.
        weight_decay: Factor of the L2 penalty, ``weight_decay * sum(kernel ** 2)``, on the kernels of convolutions and
            dense layers, by default 0. The paper trains with 3e-4.
        include_top: False ends the network after the last normalised features.
        weights: None for random ones, the name of a preset, or the path of a ``.weights.h5`` file beside its record.
        input_tensor: Keras tensor to use as the input.
        input_shape: Shape of a crop, by default ``(128, 128, 1)``.
        pooling: With ``include_top=False``: None for a feature map, "avg" or "max" for global pooling.
        name: Name of the model.

    Returns:
        A functional model from crops ``(batch, 128, 128, 1)`` in [-1, 1] to joints ``(batch, joints, 3)`` in the unit
        cube, float32; with ``include_top=False`` to features.

    Raises:
        ValueError: Arguments do not fit each other or the weights.

    Example:
        >>> model = ResidualAttentionRegressor(joints=16, filters=(8, 16), poolings=(2, 1), prior=20)
        >>> model.output_shape
        (None, 16, 3)
    """
    if input_tensor is not None:
        if not isinstance(input_tensor, keras.KerasTensor):
            raise ValueError(
                "`input_tensor` must be a Keras tensor, as keras.Input or a layer returns one. "
                f"Received: input_tensor of type {type(input_tensor).__name__}."
            )
        if input_shape not in (None, tuple(input_tensor.shape[1:])):
            raise ValueError(
                "`input_shape` must be that of `input_tensor`. "
                f"Received: input_shape={input_shape}, input_tensor of shape {tuple(input_tensor.shape)}."
            )
        input_shape = tuple(input_tensor.shape[1:])
    given = {
        "configuration": configuration,
        "joints": joints,
        "filters": filters,
        "p": p,
        "t": t,
        "r": r,
        "poolings": poolings,
        "bottleneck": bottleneck,
        "preactivation": preactivation,
        "attention": attention,
        "stem": stem,
        "top_filters": top_filters,
        "head": head,
        "maps": maps,
        "hidden": hidden,
        "dropout": dropout,
        "weight_decay": weight_decay,
        "input_shape": input_shape,
    }
    given = {key: _frozen(value) for key, value in given.items() if value is not None}
    if isinstance(prior, list) and len(prior) == 2:  # As `get_weights` of a prior returns them.
        prior = tuple(prior)
    if not isinstance(prior, str):
        given["prior"] = prior
    elif prior != "auto":
        raise ValueError(
            f"`prior` must be components, poses, (components, mean), None or 'auto'. Received: prior={prior!r}."
        )
    if pooling not in (None, *_POOLINGS):
        raise ValueError(f"`pooling` must be None, 'avg' or 'max'. Received: pooling={pooling!r}.")
    weights_file, preset, record = _resolve(weights)
    plan = _plan(given, record, weights, include_top)
    regularizer = keras.regularizers.L2(plan["weight_decay"]) if plan["weight_decay"] else None
    unit = {
        "bottleneck": plan["bottleneck"],
        "preactivation": plan["preactivation"],
        "kernel_regularizer": regularizer,
    }
    dense = {"kernel_initializer": "he_normal", "kernel_regularizer": regularizer}

    # === Inputs ===
    inputs = keras.Input(plan["input_shape"], name="crop") if input_tensor is None else input_tensor

    # === Body ===
    stem_filters, stem_kernel = plan["stem"]
    x = _conv(stem_filters, stem_kernel, strides=2, regularizer=regularizer, name="stem")(inputs)
    if not plan["preactivation"]:
        x = keras.layers.ReLU(name="stem_relu")(_norm("stem_norm")(x))
    x = keras.layers.MaxPooling2D(2, padding="same", data_format="channels_last", name="stem_pool")(x)
    stages = []
    for stage, (width, depth) in enumerate(zip(plan["filters"], plan["poolings"], strict=True), 1):
        if stage > 1:
            x = ResidualUnit(width, strides=2, **unit, name=f"between{stage - 1}")(x)
        x = AttentionModule(
            width,
            p=plan["p"],
            t=plan["t"],
            r=plan["r"],
            poolings=depth,
            attention=plan["attention"],
            **unit,
            name=f"attention{stage}",
        )(x)
        stages.append(x)
    for i, width in enumerate(plan["top_filters"], 1):
        x = ResidualUnit(width, strides=2 if i == 1 else 1, **unit, name=f"top{i}")(x)
    x = keras.layers.ReLU(name="features")(_norm("norm")(x) if plan["preactivation"] else x)

    # === Head ===
    if include_top:
        if plan["head"] == "integral":
            x = _points(x, stages[-2:], plan["maps"], regularizer)
        x = keras.layers.Flatten(data_format="channels_last", dtype="float32", name="flatten")(x)
        # Half a bfloat16 step is half a millimetre: places are kept in float32 from here on.
        x = keras.layers.Dense(plan["hidden"], activation="relu", **dense, dtype="float32", name="hidden")(x)
        x = keras.layers.Dropout(plan["dropout"], name="dropout")(x)
        if plan["prior"] is None:
            x = keras.layers.Dense(3 * plan["joints"], **dense, dtype="float32", name="coordinates")(x)
            x = keras.layers.Reshape((plan["joints"], 3), dtype="float32", name="joints")(x)
        else:
            pose_prior = _prior(plan["prior"], plan["joints"])
            x = keras.layers.Dense(pose_prior.components, **dense, dtype="float32", name="code")(x)
            x = pose_prior(x)
    elif pooling is not None:
        x = _POOLINGS[pooling](data_format="channels_last", name=f"{pooling}_pool")(x)
    sources = inputs
    if input_tensor is not None:
        sources = keras.utils.get_source_inputs(input_tensor)
        if len(sources) == 1:  # A model of one input, not of a list of one.
            sources = sources[0]
    model = keras.Model(sources, x, name=name)

    # === Weights ===
    if preset is not None:
        from keras_handpose.models.weights import load

        # A body's weights come out of the whole network, whose head belongs to the file.
        whole = model if include_top else ResidualAttentionRegressor(**record)
        load(whole, weights_file, preset)
        if include_top and plan["prior"] is not None:
            pose_prior.trainable = False
        if not include_top:
            trained = {layer.name: layer for layer in whole.layers}
            for layer in model.layers:
                if layer.name in trained:
                    layer.set_weights(trained[layer.name].get_weights())
    return model


def _points(
    features: keras.KerasTensor,
    stages: Sequence[keras.KerasTensor],
    maps: int,
    regularizer: keras.Regularizer | None,
) -> keras.KerasTensor:
    """Regress points ``(batch, maps, 3)`` from the last features and the finest of the last two stages'."""
    finest = stages[0]
    height, width, channels = finest.shape[1:]
    x = _conv(channels, 1, regularizer=regularizer, name="lateral")(features)
    x = keras.layers.ReLU(name="lateral_relu")(_norm("lateral_norm")(x))
    # Not `Resizing`: called without `training` it puts the layers after it into training mode.
    scale = -(-height // x.shape[1]), -(-width // x.shape[2])
    x = keras.layers.UpSampling2D(scale, interpolation="bilinear", data_format="channels_last", name="enlarge")(x)
    beyond = (0, x.shape[1] - height), (0, x.shape[2] - width)
    x = keras.layers.Cropping2D(beyond, data_format="channels_last", name="enlarged")(x)
    x = keras.layers.Add(name="join")([x, finest])
    x = _conv(channels, 3, regularizer=regularizer, name="joined")(x)
    x = keras.layers.ReLU(name="joined_relu")(_norm("joined_norm")(x))
    heat_maps, values = (
        _conv(maps, 1, regularizer=regularizer, use_bias=True, name=name)(x) for name in ("heat_maps", "values")
    )
    return SoftArgmax(name="points")(heat_maps, values)


def _conv(
    filters: int,
    kernel_size: int,
    *,
    strides: int = 1,
    regularizer: keras.Regularizer | None,
    use_bias: bool = False,
    name: str,
) -> keras.layers.Layer:
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        data_format="channels_last",
        use_bias=use_bias,
        kernel_initializer="he_normal",
        kernel_regularizer=regularizer,
        name=name,
    )


def _norm(name: str) -> keras.layers.Layer:
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)


def _resolve(weights: str | os.PathLike | None) -> tuple[os.PathLike | None, Preset | None, dict]:
    """Find a weights file, its record, and the arguments that the record names."""
    if weights is None:
        return None, None, {}
    from keras_handpose.models.weights import resolve

    path, preset = resolve(weights)
    record = {"configuration": "compact", **preset.architecture}
    unknown = record.keys() - _DEFAULTS.keys() - CONFIGURATIONS["compact"].keys()
    if unknown:
        raise ValueError(
            f"The record of weights={str(weights)!r} names arguments that this version does not know. "
            f"Received: {', '.join(sorted(unknown))}. Install the keras-handpose that wrote it, or a later one."
        )
    return path, preset, record


def _plan(given: dict, record: dict, weights: str | os.PathLike | None, include_top: bool) -> dict:
    """Complete the given arguments from the weights' record and the configuration's table."""
    configuration = (record or given).get("configuration", "compact")
    if configuration not in CONFIGURATIONS:
        raise ValueError(f"`configuration` must be one of {', '.join(CONFIGURATIONS)}. Received: {configuration!r}.")
    plan = {**_DEFAULTS, **CONFIGURATIONS[configuration], **record}
    if record:
        free = _TRAINING if include_top else _TRAINING | _HEAD | {"input_shape"}
        for key in given.keys() - free:
            value = "arrays" if key == "prior" and _is_fitted(given[key]) else given[key]
            if value != plan[key]:
                raise ValueError(
                    f"`{key}={value}` does not fit weights={str(weights)!r} ({key}={plan[key]}). "
                    f"Received: {key}={value}. "
                    + ("Pass include_top=False to train a new head." if key in _HEAD else f"Leave `{key}` out.")
                )
    plan |= given
    if isinstance(plan["prior"], str):
        plan["prior"] = min(_COMPONENTS, 3 * plan["joints"])
    if not are_whole(plan["joints"]) or plan["joints"] < 1:
        raise ValueError(f"`joints` must be a whole number, at least 1. Received: joints={plan['joints']!r}.")
    for key, (length, expected) in _SEQUENCES.items():
        value = plan[key]
        if not isinstance(value, tuple) or length not in (None, len(value)):
            raise ValueError(f"`{key}` must be a tuple or list, {expected}. Received: {key}={value!r}.")
    if not are_whole(plan["input_shape"][-1]) or plan["input_shape"][-1] < 1:
        raise ValueError(
            "`input_shape` must have at least one channel, which comes last. "
            f"Received: input_shape={plan['input_shape']}."
        )
    if len(plan["filters"]) != len(plan["poolings"]) or not plan["filters"]:
        raise ValueError(
            "`filters` and `poolings` need one number for each stage. "
            f"Received: filters={plan['filters']}, poolings={plan['poolings']}."
        )
    if plan["head"] not in _HEADS:
        raise ValueError(f"`head` must be one of {', '.join(_HEADS)}. Received: head={plan['head']!r}.")
    if include_top and None in plan["input_shape"]:
        raise ValueError(
            "The head needs features of a fixed size. "
            f"Received: input_shape={plan['input_shape']}. Give height and width, or pass include_top=False."
        )
    return plan


def _prior(prior: int | np.ndarray | tuple[np.ndarray, np.ndarray], joints: int) -> PCAPrior:
    """Make the prior from a number of components, from components and mean, or from poses to fit."""
    if not _is_fitted(prior):
        return PCAPrior(joints, prior, name="prior")
    if isinstance(prior, tuple):
        if len(prior) != 2:
            raise ValueError(f"`prior` as a tuple is (components, mean). Received: prior of {len(prior)} parts.")
        basis, mean = prior
        layer = PCAPrior(joints, len(basis), name="prior")
        layer.assign(basis, mean)
    else:
        layer = PCAPrior(joints, min(_COMPONENTS, 3 * joints), name="prior")
        layer.adapt(prior)
    return layer


def _is_fitted(prior: object) -> bool:
    return isinstance(prior, tuple) or np.ndim(prior) > 0


def _frozen(value):
    return tuple(value) if isinstance(value, list) else value
