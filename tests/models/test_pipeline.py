"""The whole pipeline as one model: what the estimator computes, in one graph."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
from rendered_frames import NAMES, parameters, rendered_frames

from keras_handpose import CAMERAS, HandPoseEstimator
from keras_handpose.models import hand_pose_pipeline

CAMERA = CAMERAS["msra15"]


def tiny_network(size=32, joints=21):
    """Return a network whose joints depend on where the hand is in the crop."""
    keras.utils.set_random_seed(0)
    crop = keras.Input((size, size, 1))
    pooled = keras.layers.AveragePooling2D(size // 4, data_format="channels_last")(crop)
    joints_unit = keras.layers.Dense(3 * joints)(keras.layers.Flatten()(pooled))
    return keras.Model(crop, keras.layers.Reshape((joints, 3))(joints_unit), name="tiny")


@pytest.fixture(scope="module")
def network():
    return tiny_network()


@pytest.fixture(scope="module")
def pipeline(network):
    return hand_pose_pipeline(network, cube=250)


def run(pipeline, frames, camera, *, mirror=False, centres_xyz=None):
    n = len(frames)
    inputs = {
        "depth": np.asarray(frames),
        "camera": parameters(camera, n),
        "mirror": np.full(n, mirror),
        "centre": np.zeros((n, 3), np.float32) if centres_xyz is None else np.asarray(centres_xyz, np.float32),
    }
    outputs = pipeline(inputs)
    return {name: keras.ops.convert_to_numpy(values) for name, values in outputs.items()}


def assert_same(outputs, poses):
    """Check the outputs against the estimator's poses."""
    np.testing.assert_array_equal(outputs["found"], [pose.found for pose in poses])
    np.testing.assert_allclose(outputs["score"], [pose.score for pose in poses], atol=1e-3)
    for i, pose in enumerate(poses):
        if pose.found:
            np.testing.assert_allclose(outputs["centre_xyz"][i], pose.centre_xyz, atol=0.5)
            np.testing.assert_allclose(outputs["joints_xyz"][i], pose.joints_xyz, atol=0.5)
            np.testing.assert_allclose(outputs["joints_uvd"][i], pose.joints_uvd, atol=0.5)
        else:
            assert all(np.isnan(outputs[name][i]).all() for name in ("centre_xyz", "joints_xyz", "joints_uvd"))


@pytest.mark.parametrize("hand", ["right", "left"])
@pytest.mark.parametrize("name", NAMES)
def test_the_estimators_poses(network, pipeline, name, hand):
    camera, frames = rendered_frames(name)
    frames = np.concatenate([frames, np.zeros_like(frames[:1])])
    estimator = HandPoseEstimator(network, camera=camera, skeleton="msra21", cube=250, hand=hand)
    outputs = run(pipeline, frames, camera, mirror=hand == "left")
    assert 0 < sum(outputs["found"]) < len(frames)
    assert_same(outputs, estimator.batch(frames))


def test_given_centres(network, pipeline):
    camera, frames = rendered_frames("msra15")
    inside = run(pipeline, frames, camera)["centre_xyz"][:1].repeat(4, axis=0)
    centres_xyz = inside + [[0, 0, 0], [20, -10, 15], [4000, 0, 0], [0, 0, 4000]]
    frames = frames[:1].repeat(4, axis=0)
    estimator = HandPoseEstimator(network, camera=camera, skeleton="msra21", cube=250)
    outputs = run(pipeline, frames, camera, centres_xyz=centres_xyz)
    assert outputs["found"].tolist() == [True, True, False, False]
    assert outputs["score"].tolist() == [1, 1, 0, 0]
    assert_same(outputs, estimator.batch(frames, centres_xyz=centres_xyz))


@pytest.mark.parametrize("centre", [(np.nan, 0, 400), (0, 0, -400), (np.inf, 0, 400), (0, 1e30, 400)])
def test_centres_that_are_none(pipeline, centre):
    camera, frames = rendered_frames("msra15")
    outputs = run(pipeline, frames[:1], camera, centres_xyz=[centre])
    assert not outputs["found"][0] and outputs["score"][0] == 0 and np.isnan(outputs["joints_xyz"]).all()


@pytest.mark.parametrize("depth", [0, np.nan, np.inf, -1, 400])
@pytest.mark.parametrize("shape", [(1, 1), (7, 400), CAMERA.shape])
def test_frames_without_a_hand(pipeline, depth, shape):
    outputs = run(pipeline, np.full((1, *shape), depth, np.float32), CAMERA)
    assert not outputs["found"][0] and np.isnan(outputs["joints_xyz"]).all() and outputs["score"][0] < 0.3


def test_a_camera_that_is_none(pipeline):
    camera, frames = rendered_frames("msra15")
    nowhere = replace(camera, fx=1e30)
    for centre in (np.zeros((1, 3)), [[0, 0, 400]]):
        outputs = run(pipeline, frames[:1], nowhere, centres_xyz=centre)
        assert not outputs["found"][0] and np.isnan(outputs["joints_xyz"]).all()


def test_shapes_and_names(pipeline):
    assert {name: tensor.shape for name, tensor in pipeline.input.items()} == {
        "depth": (None, None, None),
        "camera": (None, 4),
        "mirror": (None,),
        "centre": (None, 3),
    }
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in pipeline.output.items()} == {
        "joints_xyz": ((None, 21, 3), "float32"),
        "joints_uvd": ((None, 21, 3), "float32"),
        "centre_xyz": ((None, 3), "float32"),
        "found": ((None,), "bool"),
        "score": ((None,), "float32"),
    }


def test_a_file_brings_it_back(pipeline, tmp_path):
    camera, frames = rendered_frames("msra15")
    pipeline.save(tmp_path / "pipeline.keras")
    restored = keras.saving.load_model(tmp_path / "pipeline.keras")
    for name, expected in run(pipeline, frames, camera).items():
        np.testing.assert_allclose(run(restored, frames, camera)[name], expected, atol=1e-4)


@pytest.mark.slow
def test_predict_compiles_it(pipeline):
    camera, frames = rendered_frames("msra15")
    inputs = {
        "depth": frames[:2],
        "camera": parameters(camera, 2),
        "mirror": np.zeros(2, bool),
        "centre": np.zeros((2, 3), "float32"),
    }
    outputs = pipeline.predict(inputs, verbose=0)
    for name, expected in run(pipeline, frames[:2], camera).items():
        np.testing.assert_allclose(outputs[name], expected, atol=1e-2)


@pytest.mark.parametrize(
    ("crop", "joints"),
    [((32, 16, 1), (21, 3)), ((32, 32, 2), (21, 3)), ((32, 32, 1), (63,)), ((None, None, 1), (7, 3))],
)
def test_networks_that_do_not_fit(crop, joints):
    inputs = keras.Input(crop)
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    network = keras.Model(inputs, keras.layers.Reshape(joints)(keras.layers.Dense(int(np.prod(joints)))(pooled)))
    with pytest.raises(ValueError, match="Received:"):
        hand_pose_pipeline(network, cube=250)


@pytest.mark.parametrize("arguments", [{"cube": 0}, {"cube": 250, "min_score": 0}])
def test_refused(network, arguments):
    with pytest.raises(ValueError, match="Received:"):
        hand_pose_pipeline(network, **arguments)
