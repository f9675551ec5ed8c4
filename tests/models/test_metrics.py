"""Loss and metric as parts of a `keras.Model`: in `fit`, in files, under mixed precision and on several devices."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_handpose as khp

CUBE = 200.0
RNG = np.random.default_rng(0)
CODES = RNG.normal(size=(12, 4)).astype("float32")
JOINTS_UNIT = RNG.uniform(-1, 1, (12, 5, 3)).astype("float32")
CUBES = RNG.choice([150.0, 200.0, 250.0], 12).astype("float32")
WITH_CUBES = np.concatenate([JOINTS_UNIT, np.broadcast_to(CUBES[:, None, None], (12, 5, 1))], axis=-1)


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def regressor(dtype=None):
    keras.utils.set_random_seed(0)
    code = keras.Input((4,))
    joints_unit = keras.layers.Reshape((5, 3), dtype=dtype)(keras.layers.Dense(15, dtype=dtype)(code))
    return keras.Model(code, joints_unit)


def compiled(model, metric, *, huber_delta=None):
    model.compile(
        keras.optimizers.SGD(0.0),
        khp.JointLoss(huber_delta),
        metrics=[metric],
        jit_compile=keras.backend.backend() == "jax",
    )
    return model


def distances_mm(joints_unit, cubes=CUBE):
    """Distances of joints to `JOINTS_UNIT` in mm, ``(12, 5)``."""
    return np.linalg.norm(joints_unit - JOINTS_UNIT, axis=-1) * np.reshape(cubes, (-1, 1)) / 2


@pytest.mark.parametrize("own_cubes", [False, True])
def test_fit_shows_millimetres(own_cubes):
    # The optimizer rests, so that every batch of the epoch meets the same network. The last batch is a short one.
    model = compiled(regressor(), khp.MeanJointErrorMM(None if own_cubes else CUBE))
    targets = WITH_CUBES if own_cubes else JOINTS_UNIT
    expected = distances_mm(numpy(model(CODES)), CUBES if own_cubes else CUBE)
    history = model.fit(
        CODES, targets, batch_size=5, shuffle=False, verbose=0, validation_data=(CODES[:7], targets[:7])
    ).history
    assert history["mean_error_mm"][0] == pytest.approx(expected.mean(), rel=1e-5)
    assert history["val_mean_error_mm"][0] == pytest.approx(expected[:7].mean(), rel=1e-5)
    assert history["loss"][0] == pytest.approx(((numpy(model(CODES)) - JOINTS_UNIT) ** 2).mean(), rel=1e-5)


@pytest.mark.parametrize("shape", [(12,), (12, 1), (12, 5)])
def test_sample_weights(shape):
    weights = np.random.default_rng(1).uniform(0, 2, shape).astype("float32")
    weights[3] = 0
    predicted = numpy(regressor()(CODES))
    wide = np.broadcast_to(weights.reshape(12, -1), (12, 5))
    metric = khp.MeanJointErrorMM(CUBE)
    for part in (slice(0, 8), slice(8, 12)):
        metric.update_state(JOINTS_UNIT[part], predicted[part], sample_weight=weights[part])
    assert float(metric.result()) == pytest.approx((distances_mm(predicted) * wide).sum() / wide.sum(), rel=1e-5)
    squares = ((predicted - JOINTS_UNIT) ** 2).mean(axis=-1)
    for count in (12, 5):  # As many crops as joints, too: a crop's weight is never a joint's.
        loss = khp.JointLoss()(JOINTS_UNIT[:count], predicted[:count], sample_weight=weights[:count])
        assert float(loss) == pytest.approx((squares * wide)[:count].mean(), rel=1e-5)


def test_sample_weights_in_fit():
    model = regressor()
    model.compile(
        keras.optimizers.SGD(0.0),
        khp.JointLoss(),
        weighted_metrics=[khp.MeanJointErrorMM(CUBE)],
        jit_compile=keras.backend.backend() == "jax",
    )
    weights = np.arange(12, dtype="float32")
    history = model.fit(CODES, JOINTS_UNIT, sample_weight=weights, batch_size=5, verbose=0).history
    expected = (distances_mm(numpy(model(CODES))).mean(axis=1) * weights).sum() / weights.sum()
    assert history["mean_error_mm"][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("carried", [False, True])
@pytest.mark.parametrize("delta", [None, 0.5])
def test_the_loss_is_over_all_coordinates_and_not_over_cubes(delta, carried):
    predicted = np.random.default_rng(2).normal(size=(12, 5, 3)).astype("float32")
    difference = np.abs(predicted - JOINTS_UNIT)
    terms = difference**2
    if delta is not None:
        terms = np.where(difference < delta, terms / 2, delta * difference - delta**2 / 2)
    loss = khp.JointLoss(delta)(WITH_CUBES if carried else JOINTS_UNIT, predicted)
    assert float(loss) == pytest.approx(terms.mean(), rel=1e-5)


def test_lists_are_joints_too():
    truth, predicted = [[[0, 0, 0], [1, 0, 0]]], [[[0, 0.3, 0.4], [1, 0, 0]]]
    assert float(khp.JointLoss()(truth, predicted)) == pytest.approx(0.25 / 6, rel=1e-5)
    assert float(khp.MeanJointErrorMM(CUBE)(truth, predicted)) == pytest.approx(25, rel=1e-5)


def test_states():
    metric = khp.MeanJointErrorMM(CUBE)
    assert [variable.name for variable in metric.variables] == ["total", "count"]
    assert float(metric.result()) == 0
    predicted = JOINTS_UNIT + np.float32([0.1, 0, 0])
    metric.update_state(JOINTS_UNIT, predicted)
    states = [float(numpy(variable)) for variable in metric.variables]
    assert states == pytest.approx([12 * 10, 12], rel=1e-5)  # mm and crops
    metric.reset_state()
    assert [float(numpy(variable)) for variable in metric.variables] == [0, 0]


def test_a_stateless_update_equals_one_with_state():
    # What a compiled step does on JAX; and the states of two halves add up to that of the whole, as devices need it.
    metric = khp.MeanJointErrorMM(CUBE)
    predicted = numpy(regressor()(CODES))
    empty = [variable.value for variable in metric.variables]
    halves = [metric.stateless_update_state(empty, JOINTS_UNIT[i::2], predicted[i::2]) for i in (0, 1)]
    assert [float(numpy(variable)) for variable in metric.variables] == [0, 0]
    whole = [sum(values) for values in zip(*halves, strict=True)]
    assert float(metric.stateless_result(whole)) == pytest.approx(distances_mm(predicted).mean(), rel=1e-5)
    # Two devices report their states to one: both add up.
    assert {variable.aggregation for variable in metric.variables} == {"sum"}


@pytest.mark.parametrize("own_cubes", [False, True])
def test_a_compiled_model_survives_a_file(own_cubes, tmp_path):
    metric = khp.MeanJointErrorMM(None if own_cubes else CUBE, name="error")
    model = compiled(regressor(), metric, huber_delta=0.25)
    targets = WITH_CUBES if own_cubes else JOINTS_UNIT
    expected = model.evaluate(CODES, targets, verbose=0, return_dict=True)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(restored.loss, khp.JointLoss) and restored.loss.huber_delta == 0.25
    assert restored.evaluate(CODES, targets, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-5)
    assert set(expected) == {"loss", "error"}


@pytest.mark.parametrize("value", [3, np.float32(3), np.int64(3)])
def test_config(value):
    for thing in (khp.MeanJointErrorMM(value, name="error"), khp.JointLoss(value, name="loss")):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(thing))
        assert type(again) is type(thing) and again.get_config() == thing.get_config()
        assert 3.0 in thing.get_config().values()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_does_not_reach_the_millimetres(policy):
    # A sum of squares in float16 would overflow at 65504, and a count in bfloat16 would stop at 256.
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        metric = khp.MeanJointErrorMM(CUBE)
        model = compiled(regressor(), metric)
        predicted = model(CODES)
        assert keras.backend.standardize_dtype(predicted.dtype) == policy.removeprefix("mixed_")
        expected = distances_mm(numpy(keras.ops.cast(predicted, "float32")))
        for _ in range(80):
            metric.update_state(JOINTS_UNIT, predicted)
        loss = khp.JointLoss()(JOINTS_UNIT, predicted)
        history = model.fit(CODES, JOINTS_UNIT, verbose=0).history
    finally:
        keras.config.set_dtype_policy(before)
    assert {keras.backend.standardize_dtype(variable.dtype) for variable in metric.variables} == {"float32"}
    assert float(metric.result()) == pytest.approx(expected.mean(), rel=1e-4)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert history["mean_error_mm"][0] == pytest.approx(expected.mean(), rel=2e-2)


def shapes(truth, predicted):
    return np.zeros(truth, "float32"), np.zeros(predicted, "float32")


THINGS = [khp.JointLoss(), khp.MeanJointErrorMM(CUBE), khp.MeanJointErrorMM()]


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize(
    ("truth", "predicted"),
    [
        ((2, 5, 4), (2, 1, 3)),  # One joint would be compared with all.
        ((2, 1, 4), (2, 5, 3)),
        ((1, 5, 4), (2, 5, 3)),
        ((2, 5, 4), (2, 5, 4)),
        ((2, 5, 2), (2, 5, 2)),
        ((2, 15), (2, 15)),
        ((2, 5, 4), (5, 3)),
    ],
)
def test_joints_that_do_not_fit(thing, truth, predicted):
    with pytest.raises(ValueError, match="as many joints. Received: "):
        thing(*shapes(truth, predicted))


def test_without_a_cube_targets_carry_theirs():
    with pytest.raises(ValueError, match=r"joints, 4\).*Received: \(2, 5, 3\) and \(2, 5, 3\). Pass `cube` where"):
        khp.MeanJointErrorMM()(*shapes((2, 5, 3), (2, 5, 3)))


def test_of_two_cubes_none_is_passed_over():
    metric = khp.MeanJointErrorMM(CUBE)
    with pytest.raises(ValueError, match=r"Received: \(12, 5, 4\) .*Leave `cube=200` out where targets carry theirs"):
        metric.update_state(WITH_CUBES, JOINTS_UNIT)
    assert float(metric.result()) == 0
    with pytest.raises(ValueError, match="Leave `cube=200` out where targets carry theirs"):
        compiled(regressor(), metric).fit(CODES, WITH_CUBES, verbose=0)  # In a compiled step, too.


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("joints", [[[1, 2], [3]], [["a"]], "joints", None, object(), np.array([["2020-01-01"]], "M8")])
def test_what_are_no_joints(thing, joints):
    for pair in ((joints, JOINTS_UNIT), (WITH_CUBES, joints)):
        with pytest.raises(ValueError, match="must be numbers in the unit cube.*Received: a "):
            thing(*pair)


@pytest.mark.parametrize("value", [0, -1.0, np.nan, np.inf, "250", True, [250.0]])
def test_impossible_arguments(value):
    with pytest.raises(ValueError, match="`cube` must be a positive edge in mm.*Received: cube="):
        khp.MeanJointErrorMM(value)
    with pytest.raises(ValueError, match="`huber_delta` must be a positive distance.*Received: "):
        khp.JointLoss(value)


DEVICES = """
import sys
import numpy as np
import keras
import keras_handpose as khp

backend = keras.backend.backend()
if backend == "tensorflow":
    import contextlib
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    assert strategy.num_replicas_in_sync == 2
    scope = strategy.scope()
else:
    import contextlib
    assert len(keras.distribution.list_devices()) == 2
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    scope = contextlib.nullcontext()
data = np.load(sys.argv[1])
with scope:
    code = keras.Input((4,))
    model = keras.Model(code, keras.layers.Reshape((5, 3))(keras.layers.Dense(15)(code)))
    model.compile(keras.optimizers.SGD(0.0), khp.JointLoss(), metrics=[khp.MeanJointErrorMM()])
model.set_weights([data["kernel"], data["bias"]])
history = model.fit(data["codes"], data["targets"], batch_size=4, epochs=1, verbose=0).history
print("history:", history["mean_error_mm"][0], history["loss"][0])
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_report_what_one_does(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    model = regressor()
    kernel, bias = model.get_weights()
    np.savez(tmp_path / "data.npz", codes=CODES, targets=WITH_CUBES, kernel=kernel, bias=bias)
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    command = [sys.executable, "-c", DEVICES, str(tmp_path / "data.npz")]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    error, loss = map(float, done.stdout.rpartition("history:")[2].split())
    predicted = numpy(model(CODES))
    assert error == pytest.approx(distances_mm(predicted, CUBES).mean(), rel=1e-4)
    assert loss == pytest.approx(((predicted - JOINTS_UNIT) ** 2).mean(), rel=1e-4)
