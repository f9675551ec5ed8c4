"""The residual unit, the brick of trunk and mask."""

from __future__ import annotations

import keras

from keras_handpose.checks import are_whole

__all__ = ["ResidualUnit"]


@keras.saving.register_keras_serializable(package="keras_handpose")
class ResidualUnit(keras.layers.Layer):
    """Add to its input what a few normalised convolutions make of it.

    Two 3x3 convolutions; with a bottleneck a 1x1, a 3x3 and a 1x1 convolution of which the first two have a quarter of
    the width. With pre-activation, batch normalisation and ReLU stand before each convolution and the sum is passed on
    as it is. (He et al., Identity Mappings in Deep Residual Networks, ECCV 2016.) Without, each convolution is followed
    by its normalisation, and ReLU by all but the last one and by the sum. (He et al., Deep Residual Learning for Image
    Recognition, CVPR 2016.) A runtime can then fold every normalisation into the convolution before it. Where the shape
    changes, the shortcut is a 1x1 convolution.

    Args:
        filters: Channels of the output.
        strides: Step of the unit's 3x3 convolution, the first one where there are two.
        bottleneck: Whether to use the 1x1, 3x3, 1x1 form.
        preactivation: Whether to normalise before the convolutions, or after them.
        kernel_regularizer: Penalty on the convolutions' kernels, e.g. ``keras.regularizers.L2(3e-4)``.

    Shape:
        ``(batch, height, width, channels)`` to ``(batch, ceil(height / strides), ceil(width / strides), filters)``.

    Raises:
        ValueError: `filters` or `strides` is not a positive integer, or too small for a bottleneck; or the features do
            not have such a shape.

    Example:
        >>> unit = ResidualUnit(16, strides=2)
        >>> tuple(unit(keras.ops.zeros((1, 9, 8, 4))).shape)
        (1, 5, 4, 16)
    """

    def __init__(self, filters, *, strides=1, bottleneck=False, preactivation=True, kernel_regularizer=None, **kwargs):
        super().__init__(**kwargs)
        narrowest = 4 if bottleneck else 1
        if not are_whole(filters, strides) or filters < narrowest or strides < 1:
            raise ValueError(
                f"`filters` must be a whole number, at least {narrowest}, and `strides` one of at least 1. "
                f"Received: filters={filters!r}, strides={strides!r}, bottleneck={bottleneck}."
            )
        filters, strides = int(filters), int(strides)
        self.filters = filters
        self.strides = strides
        self.bottleneck = bottleneck
        self.preactivation = preactivation
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        if bottleneck:
            plan = ((filters // 4, 1, 1), (filters // 4, 3, strides), (filters, 1, 1))
        else:
            plan = ((filters, 3, strides), (filters, 3, 1))
        self.norms = [self._norm(f"norm{i}") for i in range(1, len(plan) + 1)]
        self.convs = [self._conv(*step, name=f"conv{i}") for i, step in enumerate(plan, 1)]
        self.projection = None
        self.projection_norm = None

    def build(self, input_shape):
        if len(input_shape) != 4 or input_shape[-1] is None:
            raise ValueError(
                "Features must have shape (batch, height, width, channels), with a known number of channels. "
                f"Received: input_shape={tuple(input_shape)}."
            )
        if self.strides != 1 or input_shape[-1] != self.filters:
            self.projection = self._conv(self.filters, 1, self.strides, name="projection")
            self.projection.build(input_shape)
            if not self.preactivation:
                self.projection_norm = self._norm("projection_norm")
                self.projection_norm.build(self.compute_output_shape(input_shape))
        shape = input_shape
        for norm, conv in zip(self.norms, self.convs, strict=True):
            conv.build(shape)
            conv_shape = conv.compute_output_shape(shape)
            norm.build(shape if self.preactivation else conv_shape)
            shape = conv_shape

    def call(self, inputs, training=None):
        if not self.preactivation:
            return self._normalised_after(inputs, training)
        x = keras.ops.relu(self.norms[0](inputs, training=training))
        shortcut = inputs if self.projection is None else self.projection(x)
        x = self.convs[0](x)
        for norm, conv in zip(self.norms[1:], self.convs[1:], strict=True):
            x = conv(keras.ops.relu(norm(x, training=training)))
        return shortcut + x

    def _normalised_after(self, inputs, training):
        shortcut = inputs
        if self.projection is not None:
            shortcut = self.projection_norm(self.projection(inputs), training=training)
        *steps, (last_norm, last_conv) = zip(self.norms, self.convs, strict=True)
        x = inputs
        for norm, conv in steps:
            x = keras.ops.relu(norm(conv(x), training=training))
        return keras.ops.relu(shortcut + last_norm(last_conv(x), training=training))

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        return batch, _ceil_div(height, self.strides), _ceil_div(width, self.strides), self.filters

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "strides": self.strides,
            "bottleneck": self.bottleneck,
            "preactivation": self.preactivation,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }

    def _norm(self, name):
        return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=self.dtype_policy, name=name)

    def _conv(self, filters, kernel_size, strides, name):
        return keras.layers.Conv2D(
            filters,
            kernel_size,
            strides=strides,
            padding="same",
            data_format="channels_last",
            use_bias=False,
            kernel_initializer="he_normal",
            kernel_regularizer=self.kernel_regularizer,
            dtype=self.dtype_policy,
            name=name,
        )


def _ceil_div(size, strides):
    return None if size is None else -(-size // strides)
