"""The networks to compare with: DeepPrior and DeepPrior++, and `compact` as it was at first.

All take the library's crops and give joints in the unit cube, as `ResidualAttentionRegressor` does.
"""

from __future__ import annotations

import keras

from keras_handpose.layers import PCAPrior, ResidualUnit

__all__ = ["FIRST_COMPACT", "deep_prior", "deep_prior_plus_plus"]

FIRST_COMPACT = {
    "stem": (16, 5),
    "filters": (24, 48, 96),
    "top_filters": (128,),
    "p": 1,
    "t": 1,
    "r": 1,
    "poolings": (3, 2, 1),
    "bottleneck": False,
    "preactivation": True,
    "head": "regression",
    "hidden": 512,
}
"""The factory's arguments for the first `compact`: pre-activated units, and a head that flattens 4 x 4 features."""


def deep_prior(joints: int, prior: PCAPrior | None, *, width: int = 8) -> keras.Model:
    """Build DeepPrior (Oberweger et al., Hands Deep in Deep Learning for Hand Pose Estimation, CVWW 2015).

    Three convolutions of 5, 5 and 3 px with poolings of 4, 2 and 1, two hidden layers of 1,024, and the prior.

    Args:
        joints: Joints of the output.
        prior: The pose prior, or None for plain coordinates.
        width: Channels of the convolutions; 8 in the original, more to give it the arithmetic of a larger network.
    """
    inputs = keras.Input((128, 128, 1), name="crop")
    x = inputs
    for kernel, pool in ((5, 4), (5, 2), (3, 1)):
        x = keras.layers.Conv2D(width, kernel, activation="relu", kernel_initializer="he_normal")(x)
        x = keras.layers.MaxPooling2D(pool)(x) if pool > 1 else x
    return _with_head(inputs, x, joints, prior, dropout=0.0, name="deep_prior")


def deep_prior_plus_plus(
    joints: int,
    prior: PCAPrior | None,
    *,
    filters: tuple[int, ...] = (64, 128, 256, 256),
    units: int = 5,
    dropout: float = 0.3,
) -> keras.Model:
    """Build DeepPrior++ (Oberweger and Lepetit, ICCV workshops 2017).

    A 5 px convolution and a pooling, four stages of bottleneck units of which the first three halve the features, two
    hidden layers of 1,024 with dropout, and the prior.

    Args:
        joints: Joints of the output.
        prior: The pose prior, or None for plain coordinates.
        filters: Channels of the stages.
        units: Residual units a stage.
        dropout: Share of the hidden units that are dropped in training.
    """
    inputs = keras.Input((128, 128, 1), name="crop")
    x = keras.layers.Conv2D(32, 5, padding="same", kernel_initializer="he_normal")(inputs)
    x = keras.layers.MaxPooling2D(2)(x)
    for stage, width in enumerate(filters, 1):
        for unit in range(units):
            halves = unit == 0 and stage < len(filters)
            x = ResidualUnit(width, strides=2 if halves else 1, bottleneck=True)(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))
    return _with_head(inputs, x, joints, prior, dropout=dropout, name="deep_prior_plus_plus")


def _with_head(
    inputs: keras.KerasTensor,
    features: keras.KerasTensor,
    joints: int,
    prior: PCAPrior | None,
    *,
    dropout: float,
    name: str,
) -> keras.Model:
    x = keras.layers.Flatten()(features)
    for _ in range(2):
        x = keras.layers.Dense(1024, activation="relu", kernel_initializer="he_normal")(x)
        x = keras.layers.Dropout(dropout)(x) if dropout else x
    if prior is None:
        x = keras.layers.Reshape((joints, 3))(keras.layers.Dense(3 * joints)(x))
    else:
        x = prior(keras.layers.Dense(prior.components)(x))
    return keras.Model(inputs, x, name=name)
