from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_handpose.layers import AttentionModule


def features(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def set_logits(module, value):
    """Make every logit of a built module's mask the same."""
    logits = module.mask_logits
    logits.kernel.assign(np.zeros(logits.kernel.shape))
    logits.bias.assign(np.full(logits.bias.shape, value))


@pytest.mark.parametrize("preactivation", [True, False])
@pytest.mark.parametrize(("logit", "gain"), [(-np.inf, 1), (0, 1.5), (np.inf, 2)])
def test_mask_weights_the_trunk(logit, gain, preactivation):
    # Eq. 1 at its ends: a mask of 0 lets the trunk through, a mask of 1 doubles it.
    module = AttentionModule(6, poolings=2, preactivation=preactivation)
    x = features((2, 7, 10, 6))
    module.build(x.shape)
    set_logits(module, logit)
    trunk = x
    for unit in (*module.head, *module.trunk):
        trunk = unit(trunk)
    weighted, mask = module(x, return_mask=True)
    np.testing.assert_array_equal(numpy(mask), gain - 1)
    np.testing.assert_array_equal(numpy(weighted), gain * numpy(trunk))


def test_without_attention_it_is_its_trunk():
    module, bare = AttentionModule(6, poolings=2), AttentionModule(6, poolings=2, attention=False)
    x = features((2, 8, 8, 6))
    for layer in (module, bare):
        layer.build(x.shape)
    set_logits(module, -np.inf)
    for units in ("head", "trunk"):
        for ours, theirs in zip(getattr(bare, units), getattr(module, units), strict=True):
            ours.set_weights(theirs.get_weights())
    np.testing.assert_array_equal(numpy(bare(x)), numpy(module(x)))
    for inputs in (x, keras.KerasTensor(x.shape)):
        with pytest.raises(ValueError, match="no mask"):
            bare(inputs, return_mask=True)


@pytest.mark.parametrize("size", [(5, 5), (9, 7), (6, 15), (16, 8)])
def test_mask_has_the_trunks_size(size):
    keras.utils.set_random_seed(0)  # Of few channels all may be dead, which makes the mask one half everywhere.
    module = AttentionModule(4, poolings=3)
    weighted, mask = module(features((1, *size, 4)), return_mask=True)
    assert tuple(weighted.shape) == tuple(mask.shape) == (1, *size, 4)
    assert 0 <= numpy(mask).min() < numpy(mask).max() <= 1


def test_mask_in_a_functional_model(tmp_path):
    tensor = keras.Input((8, 8, 4))
    model = keras.Model(tensor, AttentionModule(4, poolings=2)(tensor, return_mask=True))
    assert [output.shape for output in model.outputs] == [(None, 8, 8, 4)] * 2
    model.save(tmp_path / "mask.keras")
    x = features((2, 8, 8, 4))
    for ours, theirs in zip(model(x), keras.saving.load_model(tmp_path / "mask.keras")(x), strict=True):
        np.testing.assert_allclose(numpy(theirs), numpy(ours), atol=1e-6)


def test_features_of_unknown_size():
    tensor = keras.Input((None, None, 4))
    module = AttentionModule(4, poolings=2)
    model = keras.Model(tensor, module(tensor))
    assert model.output_shape == (None, None, None, 4)
    for size in ((8, 8), (7, 5)):
        assert tuple(model(features((1, *size, 4))).shape) == (1, *size, 4)


def test_number_of_units():
    module = AttentionModule(4, p=2, t=3, r=2, poolings=3)
    count = [len(units) for units in (module.head, module.trunk, *module.down, *module.skip, *module.up)]
    assert count == [2, 3, 2, 2, 2, 1, 1, 2, 2, 2]


def test_too_small_for_its_poolings():
    with pytest.raises(ValueError, match="at least 5 px high and wide.*Received: input_shape="):
        AttentionModule(4, poolings=3).build((None, 4, 8, 4))
