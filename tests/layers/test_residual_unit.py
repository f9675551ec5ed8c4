from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_handpose.layers import ResidualUnit


@pytest.mark.parametrize("bottleneck", [False, True])
def test_dead_convolutions_leave_the_shortcut(bottleneck):
    unit = ResidualUnit(8, bottleneck=bottleneck)
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 8)).astype("float32")
    unit.build(x.shape)
    unit.convs[-1].kernel.assign(np.zeros(unit.convs[-1].kernel.shape))
    assert unit.projection is None
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(unit(x)), x)


def test_dead_convolutions_leave_the_activated_shortcut():
    unit = ResidualUnit(8, preactivation=False)
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 8)).astype("float32")
    unit.build(x.shape)
    unit.norms[-1].gamma.assign(np.zeros(8))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(unit(x)), np.maximum(x, 0))


@pytest.mark.parametrize("strides", [1, 2])
def test_normalisations_after_convolutions_fold_into_them(strides):
    # What a runtime does: the convolution's kernel times the normalisation's factor, plus its offset.
    unit = ResidualUnit(6, strides=strides, preactivation=False)
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 4)).astype("float32")
    for _ in range(5):
        unit(x, training=True)
    expected = keras.ops.convert_to_numpy(unit(x))
    for conv, norm in zip((*unit.convs, unit.projection), (*unit.norms, unit.projection_norm), strict=True):
        gamma, beta, mean, variance = norm.get_weights()
        factor = gamma / np.sqrt(variance + norm.epsilon)
        conv.kernel.assign(conv.get_weights()[0] * factor)
        identity = np.full_like(variance, 1 - norm.epsilon)
        norm.set_weights([np.ones_like(gamma), beta - mean * factor, np.zeros_like(mean), identity])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(unit(x)), expected, atol=1e-5)


def test_projection_sees_the_activated_input():
    unit = ResidualUnit(4)
    x = -np.ones((1, 3, 3, 2), "float32")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(unit(x)), 0, atol=1e-6)


@pytest.mark.parametrize(("bottleneck", "kernels"), [(False, [(3, 3, 4, 8), (3, 3, 8, 8)]), (True, None)])
def test_kernels(bottleneck, kernels):
    unit = ResidualUnit(8, strides=2, bottleneck=bottleneck, kernel_regularizer=keras.regularizers.L2(0.1))
    unit.build((None, 9, 9, 4))
    convs = [tuple(conv.kernel.shape) for conv in unit.convs]
    assert convs == (kernels or [(1, 1, 4, 2), (3, 3, 2, 2), (1, 1, 2, 8)])
    penalty = sum(float((keras.ops.convert_to_numpy(c.kernel) ** 2).sum()) for c in (*unit.convs, unit.projection))
    assert keras.ops.convert_to_numpy(sum(unit.losses)) == pytest.approx(0.1 * penalty, rel=1e-4)
