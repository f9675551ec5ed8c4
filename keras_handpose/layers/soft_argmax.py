"""Where a heat map has its peak, as a differentiable mean."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

__all__ = ["SoftArgmax"]


@keras.saving.register_keras_serializable(package="keras_handpose")
class SoftArgmax(keras.layers.Layer):
    """Turn heat maps into points: the mean position, and the mean of a second map, under each heat map's softmax.

    Positions are those of the features' middles with the map's edges at -1 and 1, as in the unit cube. The layer
    computes in float32 under any dtype policy. (Sun et al., Integral Human Pose Regression, ECCV 2018.)

    Call arguments:
        heat_maps: Logits ``(batch, height, width, maps)`` of known height and width.
        values: What else to take the mean of, a depth for instance, of the same shape.

    Returns:
        Points ``(batch, maps, 3)``: x, y and value.

    Raises:
        ValueError: The two shapes differ, or height or width is not known.

    Example:
        >>> heat_maps = np.zeros((1, 4, 4, 1), "float32")
        >>> heat_maps[0, 0, 3] = 100.0
        >>> points = SoftArgmax()(heat_maps, np.full((1, 4, 4, 1), 0.5, "float32"))
        >>> ops.convert_to_numpy(points)[0, 0].tolist()
        [0.75, -0.75, 0.5]
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, heat_maps, values):
        _, height, width, maps = self._checked(heat_maps.shape, values.shape)
        x, y = np.meshgrid(_middles(width), _middles(height))
        positions = ops.convert_to_tensor(np.stack([x.ravel(), y.ravel()], axis=-1), "float32")
        # Maps before positions: softmax and sums then run along the last axis, where every runtime is fast.
        shape = (-1, height * width, maps)
        heat_maps = ops.transpose(ops.reshape(ops.cast(heat_maps, "float32"), shape), (0, 2, 1))
        values = ops.transpose(ops.reshape(ops.cast(values, "float32"), shape), (0, 2, 1))
        shares = ops.softmax(heat_maps, axis=-1)
        value = ops.sum(shares * values, axis=-1, keepdims=True)
        return ops.concatenate([ops.matmul(shares, positions), value], axis=-1)

    def compute_output_shape(self, heat_maps_shape, values_shape):
        batch, _, _, maps = self._checked(heat_maps_shape, values_shape)
        return batch, maps, 3

    @staticmethod
    def _checked(heat_maps_shape, values_shape):
        shape = tuple(heat_maps_shape)
        if len(shape) != 4 or None in shape[1:] or tuple(values_shape)[1:] != shape[1:]:
            raise ValueError(
                "`heat_maps` and `values` must both have shape (batch, height, width, maps) of known sizes. "
                f"Received: {shape} and {tuple(values_shape)}."
            )
        return shape


def _middles(size):
    return (np.arange(size) + 0.5) * (2 / size) - 1
