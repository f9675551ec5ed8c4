"""What every network must stand: the factory's in its forms, the presets, and other people's that hold our blocks."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from rendered_frames import rendered_frames
from rituals import (
    LAYERS,
    POLICIES,
    check_files,
    check_network,
    check_summary,
    check_training,
    features,
    model_of,
    numpy,
    pose_question,
    under_policy,
)

import keras_handpose as khp
from keras_handpose.models import weights

SMALL = {
    "joints": 5,
    "filters": (4, 6),
    "poolings": (1, 1),
    "stem": (4, 3),
    "maps": 3,
    "hidden": 16,
    "prior": 6,
    "input_shape": (24, 24, 1),
}
PRESETS = [preset.name for preset in weights.list()]
POSES = np.random.default_rng(0).normal(size=(40, 5, 3))


def small(**arguments):
    return khp.ResidualAttentionRegressor(**{**SMALL, **arguments})


def behind_other_layers():
    return small(input_tensor=keras.layers.Rescaling(0.5)(keras.Input(SMALL["input_shape"])))


def crops(*shape):
    return np.random.default_rng(0).uniform(-1, 1, shape or (2, *SMALL["input_shape"])).astype("float32")


def settled(model, inputs):
    """Bring a model's moving statistics to its inputs, so that its outputs are of a trained one's size."""
    for _ in range(20):
        model(inputs, training=True)
    return model


@pytest.fixture(scope="module")
def hands():
    """Two crops that show a hand, as the presets take them."""
    camera, frames = rendered_frames("msra15")
    inputs, found = khp.preprocess_input(frames, camera=camera)
    return inputs[[crop is not None for crop in found]][:2]


# === The factory ===


@pytest.mark.parametrize(
    ("build", "input_shape", "output_shape"),
    [
        (small, (24, 24, 1), (5, 3)),
        (
            lambda: small(
                head="regression", bottleneck=True, preactivation=True, t=2, filters=(12, 16), top_filters=(16,)
            ),
            (24, 24, 1),
            (5, 3),
        ),
        (lambda: small(prior=None, filters=(4,), poolings=(1,)), (24, 24, 1), (5, 3)),
        pytest.param(lambda: small(prior=POSES), (24, 24, 1), (5, 3), marks=pytest.mark.slow),
        pytest.param(
            lambda: small(attention=False, dropout=0.3, weight_decay=1e-3), (24, 24, 1), (5, 3), marks=pytest.mark.slow
        ),
        pytest.param(lambda: small(input_shape=(20, 28, 2)), (20, 28, 2), (5, 3), marks=pytest.mark.slow),
        (behind_other_layers, (24, 24, 1), (5, 3)),
        pytest.param(lambda: small(include_top=False, pooling="avg"), (24, 24, 1), (6,), marks=pytest.mark.slow),
        (lambda: small(include_top=False, pooling="max", preactivation=True), (24, 24, 1), (6,)),
        (lambda: small(include_top=False, input_shape=(None, None, 1)), (40, 17, 1), (5, 3, 6)),
    ],
    ids=[
        "integral head",
        "as in the paper",
        "one stage, no prior",
        "fitted prior",
        "no attention, dropout, decay",
        "oblong, two channels",
        "input tensor",
        "features, avg",
        "features, max",
        "features of any size",
    ],
)
def test_networks(build, input_shape, output_shape, tmp_path):
    keeps_float32 = output_shape == (5, 3)
    check_network(build, crops(2, *input_shape), (2, *output_shape), tmp_path, keeps_float32=keeps_float32)


def test_weights_under_another_name(tiny_weights):
    trained = khp.ResidualAttentionRegressor(weights=tiny_weights)
    inputs = crops(2, *trained.input_shape[1:])
    expected = numpy(trained(inputs))[0]
    model = khp.ResidualAttentionRegressor(weights=tiny_weights, name="mine")
    assert model.name == "mine"
    np.testing.assert_allclose(numpy(model(inputs))[0], expected, atol=1e-6)
    tensor = keras.Input(trained.input_shape[1:])
    behind = khp.ResidualAttentionRegressor(weights=tiny_weights, input_tensor=keras.layers.Rescaling(0.5)(tensor))
    np.testing.assert_allclose(numpy(behind(2 * inputs))[0], expected, atol=1e-6)


def test_a_fitted_prior_is_frozen_until_asked_otherwise(tmp_path):
    fitted = khp.PCAPrior(5, 6)
    fitted.adapt(POSES)
    model = small(prior=fitted.get_weights())
    check_training(model, crops(), features(2, 5, 3), compiled=False)
    for ours, theirs in zip(fitted.get_weights(), model.get_layer("prior").get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)

    model.get_layer("prior").trainable = True
    check_training(model, crops(), features(2, 5, 3), compiled=False)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").get_layer("prior")
    assert again.trainable
    for ours, theirs in zip(again.get_weights(), model.get_layer("prior").get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_only_the_head_is_trained(tiny_weights):
    # What fine-tuning starts with: a body that rests, but for what is normalised by the batch.
    body = khp.ResidualAttentionRegressor(
        weights=tiny_weights, include_top=False, input_shape=SMALL["input_shape"], pooling="avg"
    )
    body.trainable = False
    code = keras.layers.Dense(6)(body.output)
    model = keras.Model(body.input, khp.PCAPrior(5, 6)(code))
    before = body.get_weights()
    check_training(model, crops(), features(2, 5, 3), compiled=False)
    for ours, theirs in zip(before, body.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert len(model.trainable_weights) == 4


def check_masks(model, inputs, stages):
    """Check the masks of a model, read out for display: by the module itself, and by a model that holds a copy."""
    joints_unit = numpy(model(inputs))[0]
    for name in stages:
        module = model.get_layer(name)
        weighted, mask = numpy(module(keras.Model(model.input, module.input)(inputs), return_mask=True))
        assert mask.shape == weighted.shape == (len(inputs), *module.output.shape[1:])
        assert 0 < mask.min() < mask.max() < 1
        plain = numpy(keras.Model(model.input, module.output)(inputs))[0]
        np.testing.assert_allclose(weighted, plain, atol=1e-5)

        copy = khp.AttentionModule.from_config(module.get_config())
        display = keras.Model(model.input, copy(module.input, return_mask=True))
        copy.set_weights(module.get_weights())
        np.testing.assert_allclose(numpy(display(inputs))[1], mask, atol=1e-5)
    np.testing.assert_array_equal(numpy(model(inputs))[0], joints_unit)


def test_masks_for_display(tiny_weights, tmp_path):
    model = khp.ResidualAttentionRegressor(weights=tiny_weights)
    inputs = crops(2, *model.input_shape[1:])
    settled(model, inputs)  # Masks of features that are too large are 0 and 1.
    check_masks(model, inputs, ("attention1", "attention2"))
    check_files(model, inputs, tmp_path)  # Reading them out left nothing behind.


# === Presets ===


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name, hands):
    model = khp.ResidualAttentionRegressor(weights=name, name="mine")
    skeleton = khp.SKELETONS[weights.resolve(name)[1].skeleton]
    assert model.output_shape == (None, len(skeleton), 3)
    joints_unit = numpy(model(hands))[0]
    assert joints_unit.shape == (2, len(skeleton), 3) and np.abs(joints_unit).max() < 1.5
    assert not model.get_layer("prior").trainable
    check_summary(model)
    check_masks(model, hands, ("attention2",))


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_presets_stand_the_whole_ritual(name, hands, tmp_path):
    output_shape = (2, len(khp.SKELETONS[weights.resolve(name)[1].skeleton]), 3)
    check_network(
        lambda: khp.ResidualAttentionRegressor(weights=name), hands, output_shape, tmp_path, keeps_float32=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", PRESETS)
def test_presets_in_mixed_precision_stay_within_millimetres(name, policy, hands):
    exact = numpy(khp.ResidualAttentionRegressor(weights=name)(hands))[0]
    with under_policy(policy):
        mixed = numpy(khp.ResidualAttentionRegressor(weights=name)(hands))[0]
    errors_mm = np.linalg.norm(mixed - exact, axis=-1) * weights.resolve(name)[1].cube / 2
    assert errors_mm.mean() < {"mixed_float16": 0.5, "mixed_bfloat16": 4.0}[policy]


# === Our blocks in other models ===


@keras.saving.register_keras_serializable(package="keras_handpose_tests")
class Subclassed(keras.Model):
    """A model of somebody else's, which holds a module and a prior."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.module = khp.AttentionModule(4, poolings=1, t=1)
        self.pool = keras.layers.GlobalAveragePooling2D()
        self.code = keras.layers.Dense(6)
        self.prior = khp.PCAPrior(5, 6)

    def build(self, input_shape):
        self.module.build(input_shape)
        self.code.build((None, 4))
        self.prior.build((None, 6))

    def call(self, inputs, training=None):
        x, mask = self.module(inputs, training=training, return_mask=True)
        return self.prior(self.code(self.pool(x * mask)))


def functional():
    inputs = keras.Input((6, 6, 3))
    x = khp.AttentionModule(4, poolings=1, t=1)(keras.layers.Conv2D(4, 3, data_format="channels_last")(inputs))
    x = keras.layers.GlobalAveragePooling2D(data_format="channels_last")(x)
    return keras.Model(inputs, khp.PCAPrior(5, 6, name="prior")(keras.layers.Dense(6)(x)))


def sequential():
    layers = [
        keras.Input((6, 6, 3)),
        khp.AttentionModule(4, poolings=1, t=1),
        khp.ResidualUnit(6, strides=2),
        keras.layers.GlobalAveragePooling2D(data_format="channels_last"),
        keras.layers.Dense(6),
        khp.PCAPrior(5, 6, name="prior"),
    ]
    return keras.Sequential(layers)


def subclassed():
    model = Subclassed()
    model.build((None, 6, 6, 3))
    return model


@pytest.mark.parametrize("adapted", [False, True])
@pytest.mark.parametrize("build", [functional, sequential, subclassed])
def test_blocks_in_other_models(build, adapted, tmp_path):
    model = build()
    prior = model.prior if build is subclassed else model.get_layer("prior")
    fresh = build() if build is subclassed else None
    if adapted:
        prior.adapt(POSES)
        if fresh is not None:
            fresh.prior.adapt(POSES[::2])
    check_summary(model)
    check_files(model, features(2, 6, 6, 3), tmp_path, fresh=fresh)
    check_training(model, features(2, 6, 6, 3), features(2, 5, 3), compiled=adapted)
    assert prior.trainable != adapted


# === Across backends ===


@pytest.mark.slow
def test_other_backends_read_what_this_one_wrote(tiny_weights, hands, tmp_path):
    questions = tmp_path / "questions"
    for i, case in enumerate(LAYERS.values()):
        pose_question(model_of(case), case.inputs, questions / f"layer_{i}")
    trained = khp.ResidualAttentionRegressor(weights=tiny_weights)
    inputs = crops(2, *trained.input_shape[1:])
    pose_question(trained, inputs, questions / "network", weights=str(tiny_weights))
    pose_question(settled(small(prior=POSES), crops()), crops(), questions / "fitted")
    pose_question(settled(functional(), features(2, 6, 6, 3)), features(2, 6, 6, 3), questions / "blocks")
    for name in PRESETS:
        model = khp.ResidualAttentionRegressor(weights=name)
        pose_question(model, hands, questions / f"preset_{name}", weights=name)

    readers = {name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name) is not None}
    readers -= {keras.backend.backend()}
    assert readers, "no other backend is installed"
    command = [sys.executable, "-c", "import sys, rituals; rituals.answer(sys.argv[1])", str(questions)]
    for backend in sorted(readers):
        environment = {
            **os.environ,
            "KERAS_BACKEND": backend,
            "PYTHONPATH": os.pathsep.join(part for part in sys.path if part),
        }
        root = Path(__file__).parents[2]
        done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=1200)
        assert done.returncode == 0, done.stderr
        for question in questions.iterdir():
            ways = ["whole", "rebuilt", *(["named"] if (question / "weights.txt").exists() else [])]
            expected = np.load(question / "expected.npz")
            for way in ways:
                answered = np.load(question / f"{way}.{backend}.npz")
                assert answered.files == expected.files
                for part in expected.files:
                    np.testing.assert_allclose(
                        answered[part],
                        expected[part],
                        rtol=1e-4,
                        atol=2e-4,
                        err_msg=f"{question.name}, {way}, {backend}",
                    )
