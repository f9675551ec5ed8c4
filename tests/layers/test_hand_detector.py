"""Detection as a layer: the same as the NumPy function."""

from __future__ import annotations

import os
from pathlib import Path

import keras
import numpy as np
import pytest
from rendered_frames import NAMES, parameters, rendered_frames

from keras_handpose import CAMERAS, Camera, xyz_to_uvd
from keras_handpose.layers import HandDetector
from keras_handpose.preprocessing import check_depth, detect_hand, read_depth

CAMERA = CAMERAS["msra15"]
DATA = os.environ.get("KERAS_HANDPOSE_TEST_DATA")
REAL = [
    (file, camera, scale)
    for folder, camera, scale in (("sr305", "sr305", 0.125), ("kinect2", "kinect_v2", 1.0))
    for file in (sorted((Path(DATA) / folder).glob("*.png"))[::4] if DATA else ())
]


def detect(frames, camera, *, cube=250.0, **call):
    layer = HandDetector(cube)
    return map(keras.ops.convert_to_numpy, layer(np.asarray(frames), parameters(camera, len(frames)), **call))


def assert_same(frames, camera, *, cube=250.0):
    """Check that layer and function agree, and return which frames show a hand."""
    expected = [detect_hand(frame, camera, cube=cube, min_score=0.3) for frame in frames]
    centres_xyz, scores = detect(frames, camera, cube=cube)
    assert centres_xyz.shape == (len(frames), 3) and scores.shape == (len(frames),)
    found = [detection.found for detection in expected]
    np.testing.assert_array_equal(~np.isnan(centres_xyz).any(axis=1), found)
    np.testing.assert_allclose(scores, [detection.score for detection in expected], atol=1e-3)
    for centre_xyz, detection in zip(centres_xyz, expected, strict=True):
        if detection.found:
            np.testing.assert_allclose(centre_xyz, detection.centre_xyz, atol=0.5)
            uv, expected_uv = (xyz_to_uvd(xyz, camera)[:2] for xyz in (centre_xyz, detection.centre_xyz))
            np.testing.assert_allclose(uv, expected_uv, atol=0.5)
    return found


def hand(u=160, v=120, camera=CAMERA, z=400.0):
    """Draw a square palm."""
    frame = np.zeros(camera.shape, np.float32)
    frame[max(0, v - 25) : v + 26, max(0, u - 25) : u + 26] = z
    return frame


@pytest.mark.parametrize("cube", [250.0, 300.0])
@pytest.mark.parametrize("name", NAMES)
def test_rendered_frames(name, cube):
    camera, frames = rendered_frames(name)
    found = assert_same(frames, camera, cube=cube)
    assert sum(found) >= len(found) / 2


def test_one_by_one_and_mirrored():
    camera, frames = rendered_frames("msra15")
    centres_xyz, _ = detect(frames, camera)
    for frame, centre_xyz in zip(frames, centres_xyz, strict=True):
        np.testing.assert_allclose(next(detect(frame[None], camera))[0], centre_xyz, atol=1e-2)
    assert_same(np.ascontiguousarray(frames[..., ::-1]), camera.mirrored())


@pytest.mark.skipif(not DATA, reason="KERAS_HANDPOSE_TEST_DATA names no folder with real frames")
def test_real_frames():
    found = []
    for file, name, scale in REAL:
        frame = check_depth(read_depth(file), depth_scale=scale).astype(np.float32)
        found += assert_same(frame[None], CAMERAS[name])
    assert sum(found) > 4


@pytest.mark.parametrize("missing", [0.0, np.nan, np.inf, -np.inf, -250.0])
def test_missing_depth(missing):
    camera, frames = rendered_frames("msra15")
    frames = frames.copy()
    frames[(frames == 0) | (np.random.default_rng(0).random(frames.shape) < 0.1)] = missing
    assert any(assert_same(frames, camera))


def test_at_the_border():
    frames = np.stack([hand(u, v) for u, v in ((8, 120), (310, 120), (160, 8), (312, 230))])
    assert any(assert_same(frames, CAMERA))


@pytest.mark.parametrize("depth", [0.0, np.nan, np.inf, -np.inf, -1.0, 50.0, 500.0, 1e8])
def test_nothing_or_a_wall(depth):
    assert not any(assert_same(np.full((1, *CAMERA.shape), depth, np.float32), CAMERA))


@pytest.mark.parametrize("depth", [0.0, 400.0, np.nan])
def test_a_tiny_frame(depth):
    camera = Camera(width=3, height=2, fx=240, fy=240, cx=1, cy=1)
    assert_same(np.full((2, 2, 3), depth, np.float32), camera)


def test_integers_and_a_given_centre():
    given_xyz = np.float32([[0, 0, 0], [10, 20, 500], [0, 0, 0], [0, 0, 300]])
    frames = np.stack([hand(), hand(), 0 * hand(), hand()]).astype("int32")
    centres_xyz, scores = detect(frames, CAMERA, given_xyz=given_xyz)
    np.testing.assert_allclose(centres_xyz[0], detect_hand(hand(), CAMERA).centre_xyz, atol=0.01)
    np.testing.assert_array_equal(centres_xyz[1], given_xyz[1])
    assert np.isnan(centres_xyz[2]).all()
    assert 0.3 < scores[0] <= 1 and scores[1:].tolist() == [1, 0, 1]


@pytest.mark.parametrize("factor", [np.nan, np.inf, 0, -1])
def test_a_camera_that_is_none_sees_nothing(factor):
    centre_xyz, score = HandDetector(250)(hand()[None], parameters(CAMERA) * np.float32(factor))
    assert np.isnan(keras.ops.convert_to_numpy(centre_xyz)).all() and float(score[0]) == 0


def test_frames_of_unknown_size():
    layer = HandDetector(300)
    for size in ((None, None), (240, 320)):
        centre_xyz, score = layer(keras.Input(size), keras.Input((4,)), keras.Input((3,)))
        assert (centre_xyz.shape, score.shape) == ((None, 3), (None,))
        assert centre_xyz.dtype == score.dtype == "float32"
    assert not layer.weights
