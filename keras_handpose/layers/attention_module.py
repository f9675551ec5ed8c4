"""The attention module: a trunk of residual units, weighted by a mask that sees further than they do."""

from __future__ import annotations

import keras
from keras import ops

from keras_handpose.checks import are_whole
from keras_handpose.layers.residual_unit import ResidualUnit

__all__ = ["AttentionModule"]


@keras.saving.register_keras_serializable(package="keras_handpose")
class AttentionModule(keras.layers.Layer):
    """Weight the features of a trunk ``T`` with a mask ``M`` in [0, 1]: ``(1 + M) * T`` (Eq. 1 of the paper).

    After `p` residual units the path splits. The trunk has `t` residual units. The mask branch shrinks its input
    `poolings` times by max-pooling and `r` residual units, and grows it back by `r` residual units and bilinear
    up-sampling; between the levels a residual unit in a skip connection carries the detail over. Two 1x1
    convolutions and a sigmoid end it. (Wang et al., Residual Attention Network for Image Classification, CVPR 2017.)

    Args:
        filters: Channels of the output and of everything inside.
        p, t, r: Residual units before the split, in the trunk, and between neighbouring poolings of the mask.
        poolings: How often the mask branch halves its input. Odd sizes are halved upwards.
        bottleneck: Whether the residual units are bottlenecks.
        preactivation: Whether normalisation stands before the convolutions, or after them; see `ResidualUnit`.
        attention: False leaves the mask branch out, so that the module is its trunk: the network to compare with.
        kernel_regularizer: Penalty on the convolutions' kernels.

    Call arguments:
        inputs: Features ``(batch, height, width, channels)``.
        return_mask: Whether to return ``(features, mask)`` instead of the features.

    Raises:
        ValueError: A count is too small, or the input too small for `poolings`; or a mask is asked for where there is
            none.

    Note:
        Keras takes no second call with more outputs into a functional model. So the masks of a model that is there
        already are had by ``module(keras.Model(model.input, module.input)(crops), return_mask=True)``.

    Example:
        >>> module = AttentionModule(8, poolings=2)
        >>> features, mask = module(keras.random.normal((1, 15, 10, 4)), return_mask=True)
        >>> tuple(features.shape) == tuple(mask.shape) == (1, 15, 10, 8)
        True
    """

    def __init__(
        self,
        filters,
        *,
        p=1,
        t=2,
        r=1,
        poolings=3,
        bottleneck=False,
        preactivation=True,
        attention=True,
        kernel_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not are_whole(filters, p, t, r, poolings) or p < 0 or min(filters, t, r, poolings) < 1:
            raise ValueError(
                "`filters`, `p`, `t`, `r` and `poolings` must be whole numbers of at least 1, `p` also 0. "
                f"Received: filters={filters!r}, p={p!r}, t={t!r}, r={r!r}, poolings={poolings!r}. "
                "For a trunk without a mask pass attention=False."
            )
        self.filters = int(filters)
        self.p = int(p)
        self.t = int(t)
        self.r = int(r)
        self.poolings = int(poolings)
        self.bottleneck = bottleneck
        self.preactivation = preactivation
        self.attention = attention
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

        self.head = self._units(self.p, "head")
        self.trunk = self._units(self.t, "trunk")
        if attention:
            self.pool = keras.layers.MaxPooling2D(
                2, padding="same", data_format="channels_last", dtype=self.dtype_policy
            )
            self.down = [self._units(self.r, f"down{level}") for level in range(1, self.poolings + 1)]
            self.skip = [self._units(1, f"skip{level}") for level in range(1, self.poolings)]
            self.up = [self._units(self.r, f"up{level}") for level in range(1, self.poolings + 1)]
            self.mask_norms = [self._norm(f"mask_norm{i}") for i in ((1, 2) if preactivation else (1,))]
            self.mask_hidden = self._conv("mask_hidden", use_bias=False)
            self.mask_logits = self._conv("mask_logits", use_bias=True)

    def build(self, input_shape):
        shape = _build_chain(self.head, input_shape)
        trunk_shape = _build_chain(self.trunk, shape)
        if not self.attention:
            return
        smallest = 2 ** (self.poolings - 1)
        if any(size is not None and size <= smallest for size in shape[1:3]):
            raise ValueError(
                f"An input of `poolings={self.poolings}` halvings must be at least {smallest + 1} px high and wide. "
                f"Received: input_shape={tuple(input_shape)}. Use fewer poolings or larger features."
            )
        shapes = []
        for units in self.down:
            shape = _build_chain(units, self.pool.compute_output_shape(shape))
            shapes.append(shape)
        for units, shape in zip(self.skip, shapes, strict=False):
            _build_chain(units, shape)
        for units, shape in zip(self.up, shapes, strict=True):
            _build_chain(units, shape)
        for layer in (*self.mask_norms, self.mask_hidden, self.mask_logits):
            layer.build(trunk_shape)

    def call(self, inputs, training=None, return_mask=False):
        self._require_mask(return_mask)
        x = _chain(self.head, inputs, training)
        trunk = _chain(self.trunk, x, training)
        if not self.attention:
            return trunk
        mask = self._mask(x, training)
        features = trunk * (1.0 + mask)
        return (features, mask) if return_mask else features

    def _require_mask(self, return_mask):
        if return_mask and not self.attention:
            raise ValueError("A module with attention=False has no mask. Received: return_mask=True.")

    def _mask(self, x, training):
        details = [x]
        for units in self.down:
            x = _chain(units, self.pool(x), training)
            details.append(x)
        for level in reversed(range(self.poolings)):
            x = _chain(self.up[level], x, training)
            x = ops.image.resize(x, ops.shape(details[level])[1:3], "bilinear", data_format="channels_last")
            if level > 0:
                x = x + _chain(self.skip[level - 1], details[level], training)
        if self.preactivation:
            x = ops.relu(self.mask_norms[0](x, training=training))
        x = ops.relu(self.mask_norms[-1](self.mask_hidden(x), training=training))
        return ops.sigmoid(self.mask_logits(x))

    def compute_output_spec(self, inputs, training=None, return_mask=False):
        self._require_mask(return_mask)
        features = keras.KerasTensor((*inputs.shape[:-1], self.filters), dtype=self.compute_dtype)
        return (features, keras.KerasTensor(features.shape, dtype=features.dtype)) if return_mask else features

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "p": self.p,
            "t": self.t,
            "r": self.r,
            "poolings": self.poolings,
            "bottleneck": self.bottleneck,
            "preactivation": self.preactivation,
            "attention": self.attention,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }

    def _units(self, count, name):
        return [
            ResidualUnit(
                self.filters,
                bottleneck=self.bottleneck,
                preactivation=self.preactivation,
                kernel_regularizer=self.kernel_regularizer,
                dtype=self.dtype_policy,
                name=f"{name}_unit{i}",
            )
            for i in range(1, count + 1)
        ]

    def _norm(self, name):
        return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=self.dtype_policy, name=name)

    def _conv(self, name, use_bias):
        return keras.layers.Conv2D(
            self.filters,
            1,
            data_format="channels_last",
            use_bias=use_bias,
            kernel_initializer="he_normal",
            kernel_regularizer=self.kernel_regularizer,
            dtype=self.dtype_policy,
            name=name,
        )


def _chain(units, x, training):
    for unit in units:
        x = unit(x, training=training)
    return x


def _build_chain(units, shape):
    for unit in units:
        unit.build(shape)
        shape = unit.compute_output_shape(shape)
    return shape
