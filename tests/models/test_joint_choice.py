"""Some of a network's joints: the same predictions, an orthonormal prior, a pair of files."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from keras_handpose import HAND56, NYU14, ResidualAttentionRegressor, corresponding_joints
from keras_handpose.models import weights
from keras_handpose.models.joint_choice import choose_joints, choose_layout

SMALL = {"filters": (8, 16), "poolings": (2, 1), "stem": (8, 3), "hidden": 32, "maps": 8}


@pytest.fixture(scope="module")
def network():
    rng = np.random.default_rng(0)
    arguments = {**SMALL, "joints": 56, "prior": 50}
    basis = np.linalg.qr(rng.normal(size=(168, 50)))[0].T
    model = ResidualAttentionRegressor(**{**arguments, "prior": (basis, rng.normal(0, 0.2, 168))})
    return model, arguments


def predicted(model, crops):
    return ops.convert_to_numpy(model(crops, training=False))


def test_chosen_joints_are_predicted_alike(network):
    model, arguments = network
    crops = np.random.default_rng(1).uniform(-1, 1, (3, 128, 128, 1)).astype("float32")
    indices, _ = corresponding_joints(HAND56, NYU14)
    chosen, changed = choose_joints(model, indices, arguments)
    np.testing.assert_allclose(predicted(chosen, crops), predicted(model, crops)[:, indices], atol=2e-5)
    assert (changed["joints"], changed["prior"]) == (14, 42)
    basis = ops.convert_to_numpy(chosen.get_layer("prior").basis)
    np.testing.assert_allclose(basis @ basis.T, np.eye(42), atol=1e-5)


@pytest.mark.parametrize("indices", [[], [56], [-1, 2]])
def test_joints_that_are_not_there(network, indices):
    with pytest.raises(ValueError, match="joints from 0 to 55"):
        choose_joints(network[0], indices, network[1])


def test_a_network_without_a_prior():
    arguments = {**SMALL, "joints": 4, "prior": None}
    with pytest.raises(ValueError, match="must end in a pose prior"):
        choose_joints(ResidualAttentionRegressor(**arguments), [0], arguments)


def test_a_layout_becomes_weights_of_its_own(network, tmp_path, caplog):
    model, arguments = network
    source = tmp_path / "all.weights.h5"
    settings = {"camera": "msra15", "cube": 250.0, "hand": "right", "trained_on": "nothing", "training": {}}
    weights.save(model, source, architecture=arguments, skeleton="hand56", errors={}, **settings)
    record = choose_layout(source, tmp_path / "nyu.weights.h5", "nyu14", camera="nyu")
    assert (record.name, record.skeleton, record.camera, record.trained_on) == ("nyu", "nyu14", "nyu", "nothing")
    loaded = ResidualAttentionRegressor(weights=tmp_path / "nyu.weights.h5")
    crops = np.ones((1, 128, 128, 1), "float32")
    indices, _ = corresponding_joints(HAND56, NYU14)
    np.testing.assert_allclose(predicted(loaded, crops), predicted(model, crops)[:, indices], atol=2e-5)

    with pytest.raises(ValueError, match="nyu14 has no .*Received: skeleton='icvl16'"):
        choose_layout(tmp_path / "nyu.weights.h5", tmp_path / "icvl.weights.h5", "icvl16")
    with pytest.raises(ValueError, match="must be one of msra21"):
        choose_layout(source, tmp_path / "x.weights.h5", "octopus")
