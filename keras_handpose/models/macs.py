"""The arithmetic that a network costs."""

from __future__ import annotations

import math

import keras

from keras_handpose.layers import AttentionModule, ResidualUnit

__all__ = ["count_macs"]


def count_macs(model: keras.Model) -> int:
    """Count the multiplications of a model's convolutions and dense layers for one image.

    Everything else (normalisation, pooling, up-sampling, element-wise arithmetic) is left out, as is customary.

    Args:
        model: A functional or sequential model with a fixed input shape, made of Keras' layers and ours.

    Returns:
        Multiply-accumulate operations for a batch of one.

    Example:
        >>> inputs = keras.Input((32, 32, 1))
        >>> count_macs(keras.Model(inputs, keras.layers.Conv2D(8, 3, padding="same")(inputs)))
        73728
    """
    return sum(_layer_macs(layer) for layer in model.layers)


def _layer_macs(layer: keras.layers.Layer) -> int:
    if isinstance(layer, keras.layers.Conv2D):
        return math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:3])
    if isinstance(layer, keras.layers.Dense):
        return math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
    if isinstance(layer, keras.Model):
        return count_macs(layer)
    if isinstance(layer, AttentionModule | ResidualUnit):
        return count_macs(_opened(layer))
    return 0


def _opened(layer: keras.layers.Layer) -> keras.Model:
    """Lay a copy of a composite layer open as a functional model, where every inner layer knows its shapes."""
    inputs = keras.Input(batch_shape=layer.input.shape)
    copy = type(layer).from_config(layer.get_config())
    copy.build(inputs.shape)
    return keras.Model(inputs, copy.call(inputs))
