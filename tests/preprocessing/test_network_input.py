"""A network's input and output for those who call the model themselves: what the estimator makes of the same frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rendered_frames import rendered_frames

from keras_handpose import CAMERAS, MSRA21, HandPoseEstimator, decode_predictions, preprocess_input, xyz_to_uvd
from keras_handpose.preprocessing import Crop
from keras_handpose.synthetic import RIGS

CAMERA = CAMERAS["msra15"]


class Witness:
    """An engine that puts joints all over the cube, a function of each crop alone, and keeps what it was given."""

    joints = 21

    def __init__(self, crop_size: int = 128) -> None:
        self.crop_size = crop_size
        self.crops = np.empty((0, crop_size, crop_size, 1), np.float32)

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        self.crops = crops
        return np.stack([np.cos(np.arange(63, dtype=np.float32) * crop.mean()).reshape(21, 3) for crop in crops])


def palm(z: float = 400.0) -> np.ndarray:
    """Draw a square palm."""
    frame = np.zeros(CAMERA.shape, np.uint16)
    frame[95:146, 135:186] = z
    return frame


def assert_same(inputs, crops, poses, witness):
    """Check inputs, crops and joints against what the estimator gave its engine and made of the answer, to the bit."""
    found = np.array([pose.found for pose in poses])
    np.testing.assert_array_equal([crop is not None for crop in crops], found)
    assert inputs.dtype == np.float32 and (inputs[~found] == 1).all()
    np.testing.assert_array_equal(inputs[found], witness.crops)
    joints_xyz = decode_predictions(witness(inputs), crops)
    assert joints_xyz.dtype == np.float64
    for i, pose in enumerate(poses):
        np.testing.assert_array_equal(joints_xyz[i], pose.joints_xyz)
        np.testing.assert_array_equal(xyz_to_uvd(joints_xyz, pose.camera)[i], pose.joints_uvd)


@pytest.mark.parametrize("hand", ["right", "left"])
@pytest.mark.parametrize("name", RIGS)
def test_the_estimators_crops_and_joints(name, hand):
    camera, frames = rendered_frames(name)
    frames = np.concatenate([frames, np.zeros_like(frames[:1])])
    witness = Witness()
    poses = HandPoseEstimator(witness, camera=camera, skeleton=MSRA21, cube=250, hand=hand).batch(frames)
    inputs, crops = preprocess_input(frames, camera=camera, hand=hand)
    assert inputs.shape == (5, 128, 128, 1) and 0 < sum(crop is not None for crop in crops) < 5
    assert all(crop.mirrored == (hand == "left") for crop in crops if crop is not None)
    assert_same(inputs, crops, poses, witness)


def test_other_cubes_sizes_scores_and_units():
    camera, frames = rendered_frames("sr305")
    frames = (frames * 8).astype(np.uint16)
    settings = {"camera": "sr305", "cube": 220, "depth_scale": 0.125, "min_score": 0.5}
    witness = Witness(96)
    poses = HandPoseEstimator(witness, skeleton=MSRA21, **settings).batch(frames)
    assert_same(*preprocess_input(list(frames), **settings, size=96), poses, witness)
    assert any(pose.found for pose in poses)


def test_given_centres():
    frames = [palm()] * 4
    centres_xyz = [(5, -3, 410), None, (0, 0, 2000), np.float32([4000, 0, 400])]  # Nothing is around the last two.
    witness = Witness()
    estimator = HandPoseEstimator(witness, camera=CAMERA, skeleton=MSRA21, cube=250)
    poses = estimator.batch(frames, centres_xyz=centres_xyz)
    inputs, crops = preprocess_input(frames, camera=CAMERA, centres_xyz=centres_xyz)
    assert [crop is not None for crop in crops] == [True, True, False, False]
    assert crops[0].cube.centre_xyz == (5, -3, 410)
    assert_same(inputs, crops, poses, witness)


@pytest.mark.parametrize("hand", ["right", "left"])
def test_round_trip(hand):
    joints_xyz = np.random.default_rng(0).normal((0, 0, 400), 50, (2, 21, 3))
    _, crops = preprocess_input([palm(), palm(410)], camera=CAMERA, hand=hand)
    joints_unit = np.stack([crop.xyz_to_unit(joints) for crop, joints in zip(crops, joints_xyz, strict=True)])
    np.testing.assert_allclose(decode_predictions(joints_unit, crops), joints_xyz, atol=1e-9)
    close = decode_predictions(joints_unit.astype(np.float32), crops)
    np.testing.assert_allclose(close, joints_xyz, atol=1e-4)


def test_one_frame_is_a_batch_of_one_and_stays_as_it_was():
    frame = palm()
    before = frame.copy()
    inputs, crops = preprocess_input(frame, camera="msra15")
    assert inputs.shape == (1, 128, 128, 1) and isinstance(crops[0], Crop)
    np.testing.assert_array_equal(inputs[0, ..., 0], crops[0].image)
    np.testing.assert_array_equal(frame, before)
    for frames in ([frame], frame[None], iter([frame]), frame.tolist(), [frame.tolist()]):
        np.testing.assert_array_equal(preprocess_input(frames, camera="msra15")[0], inputs)


def test_no_frames_and_no_hands():
    inputs, crops = preprocess_input([], camera=CAMERA)
    assert inputs.shape == (0, 128, 128, 1) and crops == []
    assert decode_predictions(np.zeros((0, 21, 3)), crops).shape == (0, 21, 3)
    inputs, crops = preprocess_input(np.zeros(CAMERA.shape, np.uint16), camera=CAMERA)
    assert (inputs == 1).all() and crops == [None]
    assert np.isnan(decode_predictions(np.zeros((1, 21, 3)), crops)).all()


def test_with_a_keras_model(tiny_weights):
    # What the docstring says: the record has the cube, and the model is called by hand.
    import keras_handpose as khp

    cube = khp.weights.resolve(tiny_weights)[1].cube
    model = khp.ResidualAttentionRegressor(weights=tiny_weights)
    frames = [palm(), palm(0), palm(420)]
    inputs, crops = khp.preprocess_input(frames, camera=CAMERA, cube=cube)
    joints_xyz = khp.decode_predictions(model.predict(inputs, verbose=0), crops)
    poses = HandPoseEstimator(tiny_weights, camera=CAMERA, engine="keras").batch(frames)
    np.testing.assert_allclose(joints_xyz, [pose.joints_xyz for pose in poses], atol=1e-2)
    assert np.isnan(joints_xyz).all(axis=(1, 2)).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"camera": "kinect"},
            ValueError,
            "`camera` must be one of msra15.*, or a Camera.*: 'kinect'",
        ),
        ({"camera": "kinect_V3"}, ValueError, "Did you mean 'kinect_v2'?"),
        ({"camera": None}, TypeError, "Received: None"),
        ({"camera": "sr305"}, ValueError, "size of camera 'sr305', 640 x 480. Received: 320 x 240"),
        ({"cube": 0}, ValueError, "`cube` must be a positive edge in mm. Received: cube=0"),
        (
            {"cube": np.nan, "centres_xyz": [(0, 0, 400)]},
            ValueError,
            "`cube` must be .* Received: cube=nan",
        ),
        ({"hand": "both"}, ValueError, "'right' or 'left'. Received: hand='both'"),
        ({"depth_scale": 0}, ValueError, "`depth_scale` must be a positive number"),
        ({"min_score": 0}, ValueError, r"`min_score` must be in \(0, 1\]"),
        ({"min_score": "x", "centres_xyz": [(0, 0, 400)]}, ValueError, "`min_score` must be .*Received: min_score='x'"),
        ({"size": 0}, ValueError, "`size` must be a whole number of px from 1 to 4096. Received: size=0"),
        ({"size": 10**9}, ValueError, "from 1 to 4096. Received: size=1000000000"),
        ({"size": 12.5}, ValueError, "Received: size=12.5"),
        ({"centres_xyz": []}, ValueError, "for each frame. Received: 0 for 1 frames"),
        ({"centres_xyz": (0, 0, 400)}, ValueError, r"Received: 3 for 1 frames. One centre for one frame is \[\(x"),
        ({"centres_xyz": [(0, 0, -1)]}, ValueError, "in front of the camera"),
        ({"centres_xyz": [(np.nan, 0, 400)]}, ValueError, "three finite numbers"),
        (
            {"depth": np.zeros((1, 240, 320, 1), np.uint16)},
            ValueError,
            r"\(height, width\). Received: shape \(240, 320, 1",
        ),
        ({"depth": np.zeros((240, 320, 3), np.uint16)}, ValueError, "320 x 240. Received: 3 x 320"),
        ({"depth": np.zeros((1, 240, 320), np.uint8)}, TypeError, "16-bit integers or floats. Received: dtype uint8"),
        ({"depth": np.zeros(320, np.uint16)}, ValueError, r"\(height, width\). Received: shape \(320,\)"),
        ({"depth": np.array(5)}, ValueError, r"Received: shape \(\)"),
        ({"depth": [[1, 2, 3], [4]]}, TypeError, "from a list of list"),
        ({"depth": "frame.png"}, TypeError, "`depth` must be a depth frame .*Received: 'frame.png'. read_depth reads"),
        ({"depth": ""}, TypeError, "`depth` must be a depth frame .*Received: ''"),
        ({"depth": Path("")}, TypeError, "`depth` must be a depth frame .*Path"),
        ({"depth": {}}, TypeError, "`depth` must be a depth frame .*Received: {}"),
        ({"centres_xyz": np.array(5)}, TypeError, "one centre for each frame, or None. Received: array"),
        ({"depth": None}, TypeError, "16-bit integers or floats. Received: dtype object"),
    ],
)
def test_input_that_is_refused(change, error, message):
    arguments = {"depth": palm(), "camera": CAMERA} | change
    with pytest.raises(error, match=message):
        preprocess_input(arguments.pop("depth"), **arguments)


@pytest.mark.parametrize(
    "change", [{"cube": "x"}, {"depth_scale": "x"}, {"min_score": "x"}, {"size": "x"}, {"hand": "x"}, {"camera": "x"}]
)
def test_settings_are_checked_also_where_there_is_no_frame(change):
    with pytest.raises(ValueError, match=f"`{next(iter(change))}` must be .*Received: .*'x'"):
        preprocess_input([], **{"camera": CAMERA, **change})


@pytest.mark.parametrize(
    ("joints_unit", "count", "message"),
    [
        (
            np.zeros((21, 3)),
            1,
            r"shape \(n, joints, 3\). Received: shape \(21, 3\), dtype float64. Pass the whole batch",
        ),
        (np.zeros((1, 63)), 1, r"Received: shape \(1, 63\)"),
        (np.zeros((1, 21, 2)), 1, r"Received: shape \(1, 21, 2\)"),
        (np.zeros((2, 21, 3)), 1, "Received: 1 crops for 2 predictions"),
        (np.zeros((1, 21, 3)), None, "Received: a Crop for 1 predictions"),
    ],
)
def test_predictions_that_are_refused(joints_unit, count, message):
    _, crops = preprocess_input(palm(), camera=CAMERA)
    with pytest.raises(ValueError, match=message):
        decode_predictions(joints_unit, crops[0] if count is None else crops * count)
