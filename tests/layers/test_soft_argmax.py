from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_handpose.layers import SoftArgmax


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def maps(shape=(2, 5, 4, 3), seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_against_the_definition():
    heat_maps, values = maps(), maps(seed=1)
    shares = np.exp(heat_maps.astype(np.float64))
    shares /= shares.sum(axis=(1, 2), keepdims=True)
    x = np.array([-0.75, -0.25, 0.25, 0.75])[None, None, :, None]
    y = np.array([-0.8, -0.4, 0, 0.4, 0.8])[None, :, None, None]
    expected = np.stack([(shares * part).sum(axis=(1, 2)) for part in (x, y, values)], axis=-1)
    np.testing.assert_allclose(numpy(SoftArgmax()(heat_maps, values)), expected, atol=1e-6)


@pytest.mark.parametrize(("row", "column", "point"), [(0, 0, (-0.75, -0.8)), (4, 3, (0.75, 0.8)), (2, 1, (-0.25, 0))])
def test_a_peak_is_where_it_is(row, column, point):
    heat_maps = np.zeros((1, 5, 4, 1), "float32")
    heat_maps[0, row, column] = 1000
    values = maps((1, 5, 4, 1))
    expected = [*point, values[0, row, column, 0]]
    np.testing.assert_allclose(numpy(SoftArgmax()(heat_maps, values))[0, 0], expected, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_it_computes_in_float32(policy):
    half = keras.ops.cast(maps(), policy.removeprefix("mixed_"))
    points = SoftArgmax()(half, half)
    assert keras.backend.standardize_dtype(points.dtype) == "float32"
    exact = SoftArgmax()(keras.ops.cast(half, "float32"), keras.ops.cast(half, "float32"))
    np.testing.assert_allclose(numpy(points), numpy(exact), atol=1e-6)


@pytest.mark.parametrize("shapes", [((2, 5, 4, 3), (2, 5, 4, 2)), ((2, 5, 4), (2, 5, 4)), ((2, 5, 4, 3), (2, 5, 3, 3))])
def test_maps_that_do_not_fit(shapes):
    with pytest.raises(ValueError, match="known sizes. Received: "):
        SoftArgmax()(*map(maps, shapes))


def test_maps_of_unknown_size():
    tensor = keras.Input((None, None, 3))
    with pytest.raises(ValueError, match="known sizes. Received: "):
        SoftArgmax()(tensor, tensor)
