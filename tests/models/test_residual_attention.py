"""The factory: what it builds, what it refuses, and what it loads."""

from __future__ import annotations

import builtins
import os
import socket
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_handpose.layers import AttentionModule, PCAPrior, ResidualUnit
from keras_handpose.models import ResidualAttentionRegressor, count_macs, weights
from keras_handpose.models.residual_attention import CONFIGURATIONS

TINY = {
    "joints": 5,
    "filters": (4, 6),
    "poolings": (2, 1),
    "top_filters": (8,),
    "stem": (4, 3),
    "hidden": 16,
    "prior": 6,
    "input_shape": (36, 36, 1),
}
OF_NYU = {**TINY, "joints": 14}
"""A record's network has the joints of a layout."""

RECORD = {
    "skeleton": "nyu14",
    "camera": "msra15",
    "cube": 250.0,
    "hand": "right",
    "trained_on": "nothing: random weights",
    "training": {},
    "errors": {},
}


def crops(count=2, shape=TINY["input_shape"]):
    return np.random.default_rng(0).uniform(-1, 1, (count, *shape)).astype("float32")


def joints(count=2):
    return np.random.default_rng(1).normal(0, 0.3, (count, TINY["joints"], 3)).astype("float32")


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.fixture(scope="module")
def tiny():
    """A tiny network whose moving statistics fit its crops."""
    keras.utils.set_random_seed(0)
    model = ResidualAttentionRegressor(**OF_NYU)
    for _ in range(20):
        model(crops(8), training=True)
    return model


@pytest.fixture(scope="module")
def tiny_file(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny") / "tiny.weights.h5"
    weights.save(tiny, path, architecture=OF_NYU, **RECORD)
    return path


def test_compact_is_compact():
    model = ResidualAttentionRegressor()
    assert model.input_shape == (None, 128, 128, 1)
    assert model.output_shape == (None, 21, 3)
    assert [model.get_layer(f"attention{stage}").output.shape[1:3] for stage in (1, 2, 3)] == [
        (32, 32),
        (16, 16),
        (8, 8),
    ]
    assert model.get_layer("prior").components == 30
    assert model.get_layer("points").output.shape == (None, 64, 3)
    assert count_macs(model) <= 140e6
    assert model.count_params() <= 1.5e6


@pytest.mark.slow
def test_paper_is_attention_56():
    model = ResidualAttentionRegressor(configuration="paper")
    outputs = [model.get_layer(name).output.shape[1:] for name in ("attention1", "attention2", "attention3", "top3")]
    assert outputs == [(32, 32, 256), (16, 16, 512), (8, 8, 1024), (4, 4, 2048)]
    modules = [layer for layer in model.layers if isinstance(layer, AttentionModule)]
    assert [module.get_config()["poolings"] for module in modules] == [3, 2, 1]
    assert all((m.p, m.t, m.r, m.bottleneck) == (1, 2, 1, True) for m in modules)


@pytest.mark.parametrize(
    "arguments",
    [
        {"head": "regression"},
        {"head": "regression", "preactivation": True},
        {"preactivation": True},
        {"filters": (4,), "poolings": (2,), "top_filters": ()},
        {"maps": 3, "prior": None},
    ],
)
def test_other_shapes(arguments, tmp_path):
    arguments = OF_NYU | arguments
    model = ResidualAttentionRegressor(**arguments)
    path = tmp_path / "other.weights.h5"
    weights.save(model, path, architecture=arguments, **RECORD)
    restored = ResidualAttentionRegressor(weights=path)
    np.testing.assert_allclose(numpy(restored(crops())), numpy(model(crops())), atol=1e-6)
    names = {layer.name for layer in model.layers}
    assert ("points" in names) == (arguments.get("head") != "regression")
    assert ("norm" in names) == arguments.get("preactivation", False)
    assert ("stem_norm" in names) != arguments.get("preactivation", False)


def test_a_residual_unit_lies_between_two_modules(tiny):
    blocks = [type(layer) for layer in tiny.layers if isinstance(layer, AttentionModule | ResidualUnit)]
    assert blocks == [AttentionModule, ResidualUnit, AttentionModule, ResidualUnit]


def test_configurations_are_complete():
    assert {frozenset(table) for table in CONFIGURATIONS.values()} == {frozenset(CONFIGURATIONS["compact"])}
    with pytest.raises(ValueError, match="one of compact, paper. Received: 'large'"):
        ResidualAttentionRegressor(configuration="large")


def test_random_weights_touch_neither_disk_nor_network(monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError("weights=None must stay in memory")

    ResidualAttentionRegressor(**TINY)  # imports what is imported late
    for place, name in ((builtins, "open"), (os, "open"), (Path, "open"), (socket, "socket"), (weights, "resolve")):
        monkeypatch.setattr(place, name, forbidden)
    ResidualAttentionRegressor(**TINY)


def test_learns():
    keras.utils.set_random_seed(0)
    model = ResidualAttentionRegressor(**TINY, weight_decay=1e-5)
    model.compile(keras.optimizers.Adam(3e-3), "mse", jit_compile=keras.backend.backend() == "jax")
    x, y = crops(8), joints(8)
    losses = [model.train_on_batch(x, y) for _ in range(40)]
    assert losses[-1] < 0.3 * losses[0]


def test_prior_from_poses():
    poses = np.random.default_rng(0).normal(size=(60, 11, 3))
    model = ResidualAttentionRegressor(**TINY | {"joints": 11, "prior": poses})
    prior = model.get_layer("prior")
    assert prior.components == 30 and not prior.trainable
    np.testing.assert_allclose(prior.get_weights()[1], poses.mean(axis=0).ravel(), atol=1e-6)


def test_prior_from_components_and_mean():
    basis, mean = np.linalg.qr(np.random.default_rng(0).normal(size=(15, 4)))[0].T, np.linspace(-1, 1, 15)
    prior = ResidualAttentionRegressor(**TINY | {"prior": (basis, mean)}).get_layer("prior")
    assert not prior.trainable
    for ours, theirs in zip(prior.get_weights(), (basis, mean), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_prior_as_a_number_is_trained():
    assert ResidualAttentionRegressor(**TINY).get_layer("prior").trainable
    left_out = {key: value for key, value in TINY.items() if key != "prior"}
    assert ResidualAttentionRegressor(**left_out).get_layer("prior").components == 15


def test_no_prior():
    model = ResidualAttentionRegressor(**TINY | {"prior": None})
    assert model.output_shape == (None, 5, 3)
    assert not any(isinstance(layer, PCAPrior) for layer in model.layers)


def test_without_attention_only_the_masks_are_missing(tiny):
    plain = ResidualAttentionRegressor(**OF_NYU, attention=False)
    assert [layer.name for layer in plain.layers] == [layer.name for layer in tiny.layers]
    names = {weight.path for weight in tiny.weights} - {weight.path for weight in plain.weights}
    assert names and all(path.split("/")[1].startswith(("down", "up", "skip", "mask")) for path in names)
    assert count_macs(plain) < count_macs(tiny)


def test_weight_decay_weighs_kernels_only():
    model = ResidualAttentionRegressor(**TINY, weight_decay=0.1)
    kernels = [weight for weight in model.weights if weight.name == "kernel"]
    others = {weight.name for weight in model.weights} - {"kernel"}
    assert others == {"gamma", "beta", "moving_mean", "moving_variance", "bias", "basis", "mean"}
    penalty = 0.1 * sum((numpy(kernel.value) ** 2).sum() for kernel in kernels)
    assert len(model.losses) == len(kernels)
    assert numpy(sum(model.losses)) == pytest.approx(penalty, rel=1e-4)
    assert not ResidualAttentionRegressor(**TINY).losses


def test_features_of_any_size():
    model = ResidualAttentionRegressor(**TINY | {"input_shape": (None, None, 1)}, include_top=False)
    assert tuple(model(crops(1, (50, 41, 1))).shape) == (1, 4, 3, 8)


def test_input_tensor():
    depth = keras.Input((36, 36, 1))
    model = ResidualAttentionRegressor(**TINY, input_tensor=keras.layers.Rescaling(0.5)(depth))
    assert model.input is depth  # Not a list of one, which Keras would want in every call.
    with pytest.raises(ValueError, match="must be that of `input_tensor`"):
        ResidualAttentionRegressor(input_tensor=depth, input_shape=(32, 32, 1))
    with pytest.raises(ValueError, match="Received: input_tensor of type ndarray"):
        ResidualAttentionRegressor(input_tensor=np.zeros((1, 36, 36, 1)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"poolings": (3,)}, "one number for each stage. Received: "),
        ({"filters": (), "poolings": ()}, "one number for each stage. Received: "),
        ({"input_shape": (None, None, 1)}, "fixed size. Received: "),
        ({"input_shape": (16, 16, 1), "poolings": (3, 1)}, "poolings=3"),
        ({"prior": "pca"}, "Received: prior='pca'"),
        ({"prior": (np.zeros((6, 15)),)}, r"\(components, mean\). Received: prior of 1 parts"),
        ({"prior": np.zeros((40, 4, 3))}, r"shape \(n, 5, 3\). Received: \(40, 4, 3\)"),
        ({"joints": 0}, "`joints` must be a whole number, at least 1. Received: joints=0"),
        ({"joints": 2.5}, "Received: joints=2.5"),
        ({"filters": 8}, "`filters` must be a tuple or list, one whole number for each stage. Received: filters=8"),
        ({"poolings": 2}, "Received: poolings=2"),
        ({"stem": (4,)}, r"`stem` must be a tuple or list, filters and kernel size. Received: stem=\(4,\)"),
        ({"top_filters": 8}, "Received: top_filters=8"),
        ({"input_shape": (36, 36)}, r"height, width and channels. Received: input_shape=\(36, 36\)"),
        ({"input_shape": (36, 36, 0)}, "at least one channel, which comes last. Received: "),
        ({"filters": (4.5, 6)}, "Received: filters=4.5"),
        ({"dropout": 2}, "Received: rate=2"),
        ({"weight_decay": -1}, "Received: l2=-1"),
        ({"head": "heatmap"}, "one of regression, integral. Received: head='heatmap'"),
        ({"prior": 16}, "Received: components=16, joints=5"),
        ({"pooling": "mean", "include_top": False}, "Received: pooling='mean'"),
    ],
)
def test_arguments_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResidualAttentionRegressor(**TINY | arguments)


def test_weights_bring_their_architecture(tiny, tiny_file):
    model = ResidualAttentionRegressor(weights=tiny_file, dropout=0.5, joints=14)
    np.testing.assert_allclose(numpy(model(crops())), numpy(tiny(crops())), atol=1e-6)
    assert not model.get_layer("prior").trainable
    assert model.get_layer("dropout").rate == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"joints": 16}, r"`joints=16` .*joints=14.*Received: joints=16. Pass include_top=False to train a new head"),
        ({"prior": np.zeros((40, 14, 3))}, "prior=6.*Received: prior=arrays. Pass include_top=False"),
        ({"prior": None}, "prior=6.*Received: prior=None"),
        ({"filters": [8, 8]}, r"filters=\(4, 6\).*Received: filters=\(8, 8\). Leave `filters` out"),
        ({"attention": False}, "Received: attention=False. Leave `attention` out"),
        ({"configuration": "paper"}, "configuration=compact.*Received: configuration=paper"),
        ({"filters": (8, 8), "include_top": False}, "Received: filters="),
    ],
)
def test_arguments_that_contradict_the_weights(tiny_file, arguments, message):
    with pytest.raises(ValueError, match=message):
        ResidualAttentionRegressor(weights=tiny_file, **arguments)


def test_features_with_weights(tiny, tiny_file):
    # A new head asks for other joints and other crops; the body is the trained one.
    model = ResidualAttentionRegressor(weights=tiny_file, include_top=False, joints=16, input_shape=(48, 48, 1))
    body = keras.Model(tiny.inputs, tiny.get_layer("features").output)
    for ours, theirs in zip(model.get_weights(), body.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert model.output_shape == (None, 3, 3, 8)


def test_a_record_from_the_future(tiny, tmp_path):
    weights.save(tiny, tmp_path / "new.weights.h5", architecture={**OF_NYU, "depthwise": True}, **RECORD)
    with pytest.raises(ValueError, match="does not know. Received: depthwise. Install"):
        ResidualAttentionRegressor(weights=tmp_path / "new.weights.h5")


def test_macs_by_hand():
    inputs = keras.Input((9, 8, 2))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same")(inputs)
    x = ResidualUnit(6)(x)
    inner = keras.Input((5, 4, 6))
    x = keras.Model(inner, keras.layers.Conv2D(3, 1)(inner))(x)
    x = keras.layers.Dense(7)(keras.layers.Flatten()(x))
    positions = 5 * 4
    expected = positions * (9 * 2 * 4 + 9 * 4 * 6 + 9 * 6 * 6 + 4 * 6 + 6 * 3) + positions * 3 * 7
    assert count_macs(keras.Model(inputs, x)) == expected
