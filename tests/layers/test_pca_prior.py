from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_handpose.layers import PCAPrior


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.fixture
def poses():
    """Poses with a mean and with variances that fall from component to component."""
    rng = np.random.default_rng(0)
    spread = 0.7 ** np.arange(15)
    return (rng.normal(size=(200, 15)) * spread @ rng.normal(size=(15, 15)) + rng.normal(size=15)).reshape(200, 5, 3)


@pytest.fixture
def adapted(poses):
    prior = PCAPrior(5, 6)
    prior.adapt(poses)
    return prior


def test_equals_an_independent_projection(adapted, poses):
    flat = poses.reshape(200, 15)
    offsets = flat - flat.mean(axis=0)
    values, vectors = np.linalg.eigh(offsets.T @ offsets)
    leading = vectors[:, np.argsort(values)[::-1][:6]]
    expected = flat.mean(axis=0) + offsets @ leading @ leading.T
    np.testing.assert_allclose(numpy(adapted(adapted.encode(poses))), expected.reshape(poses.shape), atol=1e-4)


def test_poses_of_the_subspace_come_back_unchanged(adapted):
    codes = np.random.default_rng(1).normal(size=(50, 6)).astype("float32")
    poses = adapted(codes)
    np.testing.assert_allclose(numpy(adapted.encode(poses)), codes, atol=1e-5)
    np.testing.assert_allclose(numpy(adapted(adapted.encode(poses))), numpy(poses), atol=1e-5)


def test_errors_are_those_of_the_code(adapted):
    a, b = np.random.default_rng(1).normal(size=(2, 50, 6)).astype("float32")
    squares = ((numpy(adapted(a)) - numpy(adapted(b))) ** 2).sum(axis=(1, 2))
    np.testing.assert_allclose(squares, ((a - b) ** 2).sum(axis=1), rtol=1e-4)


def test_a_trained_basis_is_still_inverted(adapted):
    adapted.basis.assign(adapted.basis * 3 + 0.1)
    codes = np.random.default_rng(1).normal(size=(50, 6)).astype("float32")
    np.testing.assert_allclose(numpy(adapted.encode(adapted(codes))), codes, atol=1e-4)


def test_until_adapted_it_is_orthonormal_and_trained():
    prior = PCAPrior(5, 6)
    prior.build((None, 6))
    basis = numpy(prior.basis)
    np.testing.assert_allclose(basis @ basis.T, np.eye(6), atol=1e-5)
    np.testing.assert_array_equal(numpy(prior.mean), 0)
    assert len(prior.trainable_weights) == 2


@pytest.mark.parametrize("trainable", [False, True])
def test_adapted_state_survives_saving(poses, trainable, tmp_path):
    prior = PCAPrior(5, 6)
    prior.adapt(poses, trainable=trainable)
    tensor = keras.Input((6,))
    keras.Model(tensor, prior(tensor)).save(tmp_path / "prior.keras")
    restored = keras.saving.load_model(tmp_path / "prior.keras").layers[-1]
    assert len(restored.trainable_weights) == 2 * trainable
    for ours, theirs in zip(prior.get_weights(), restored.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_float32_under_a_mixed_policy(poses):
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_float16")
        prior = PCAPrior(5, 6)
        prior.adapt(poses)
        joints = prior(keras.ops.ones((1, 6), "float16"))
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(joints.dtype) == "float32"
    np.testing.assert_allclose(
        numpy(joints)[0].ravel(), prior.get_weights()[0].sum(0) + prior.get_weights()[1], atol=1e-5
    )


def test_assign_takes_either_shape(adapted):
    basis, mean = adapted.get_weights()
    other = PCAPrior(5, 6)
    other.assign(basis.reshape(6, 5, 3), mean.reshape(5, 3))
    np.testing.assert_array_equal(other.get_weights()[0], basis)
    assert not other.trainable


def test_the_same_poses_give_the_same_components(adapted, poses):
    again = PCAPrior(5, 6)
    again.adapt(poses[::-1])
    np.testing.assert_allclose(again.get_weights()[0], adapted.get_weights()[0], atol=1e-5)


def broken(poses):
    poses = poses.copy()
    poses[[3, 7], 0, 0] = np.nan
    return poses


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda poses: poses[:6], "more than 6 poses. Received: 6 poses"),
        (lambda poses: poses[:, :4], r"shape \(n, 5, 3\). Received: \(200, 4, 3\)"),
        (lambda poses: poses.reshape(200, 15), r"shape \(n, 5, 3\)"),
        (broken, "Received: 2 poses with NaN or inf, the first at index 3"),
    ],
)
def test_poses_that_cannot_be_fitted(poses, spoil, message):
    with pytest.raises(ValueError, match=message):
        PCAPrior(5, 6).adapt(spoil(poses))


def test_code_of_the_wrong_length():
    with pytest.raises(ValueError, match="Received: input_shape="):
        PCAPrior(5, 6)(np.zeros((2, 7), "float32"))


def test_assign_refuses_what_does_not_fit(adapted):
    basis, mean = adapted.get_weights()
    with pytest.raises(ValueError, match=r"Received: \(5, 15\)"):
        adapted.assign(basis[:5], mean)
    with pytest.raises(ValueError, match="finite"):
        adapted.assign(basis * np.nan, mean)
