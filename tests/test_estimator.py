"""Frames in, poses out: detection, crop, network and back, one by one, in batches and in streams."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest

import keras_handpose
from keras_handpose.cameras import CAMERAS, Camera
from keras_handpose.confidence import Confidence
from keras_handpose.engines import Engine
from keras_handpose.engines.keras import KerasEngine
from keras_handpose.estimator import BothHands, HandPoseEstimator, OneEuroFilter, Pose
from keras_handpose.skeletons import ICVL16, MSRA21, Skeleton

CAMERA = CAMERAS["msra15"]
NOTHING = np.zeros(CAMERA.shape, np.uint16)


def palm(x: float, y: float, z: float, *, camera: Camera = CAMERA, radius: float = 45.0) -> np.ndarray:
    """A frame with a tilted disc of a palm's size and nothing else."""
    v, u = np.mgrid[: camera.height, : camera.width]
    across, down = (u - camera.cx) * z / camera.fx - x, (v - camera.cy) * z / camera.fy - y
    depth = z + 0.3 * across + 0.2 * down
    return np.where(np.hypot(across, 0.8 * down) < radius, depth, 0).round().astype(np.uint16)


class Projection:
    """An engine whose joints depend on every part of the crop: a fixed random projection of its blocks."""

    def __init__(self, joints: int = 21, crop_size: int = 128) -> None:
        self.joints, self.crop_size = joints, crop_size
        self.weights = np.random.default_rng(0).normal(0, 0.02, (256, joints * 3))

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        block = self.crop_size // 16
        blocks = crops.reshape(len(crops), 16, block, 16, block).mean(axis=(2, 4), dtype=np.float64)
        return (blocks.reshape(len(crops), 256) @ self.weights).reshape(-1, self.joints, 3).astype(np.float32)


class Middle(Projection):
    """An engine that puts every joint into the middle of the cube."""

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        return np.zeros((len(crops), self.joints, 3), np.float32)


def small_model(size: int = 64, joints: int = 21) -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((size, size, 1))
    x = keras.layers.AveragePooling2D(8, data_format="channels_last")(inputs)
    x = keras.layers.Dense(3 * joints, activation="tanh")(keras.layers.Flatten()(x))
    return keras.Model(inputs, keras.layers.Reshape((joints, 3))(x))


def estimator_of(source=None, **settings) -> HandPoseEstimator:
    settings = {"camera": CAMERA, "skeleton": MSRA21, "cube": 250.0, **settings}
    return HandPoseEstimator(Projection() if source is None else source, **settings)


# === One frame ===


def test_a_hand_gives_a_pose():
    pose = estimator_of(small_model())(palm(30, -20, 400))
    assert pose.found and 0.3 <= pose.score <= 1
    np.testing.assert_allclose(pose.centre_xyz, (30, -20, 400), atol=3)
    assert pose.joints_xyz.shape == pose.joints_uvd.shape == (21, 3)
    np.testing.assert_allclose(pose.crop.unit_to_xyz(pose.crop.xyz_to_unit(pose.joints_xyz)), pose.joints_xyz)
    assert abs(pose.joints_xyz - pose.centre_xyz).max() < 125
    assert pose.crop.image.shape == (64, 64)


def test_no_hand_gives_no_pose_and_no_error():
    pose = estimator_of()(NOTHING)
    assert not pose.found and pose.crop is None and 0 <= pose.score < 0.3
    assert np.isnan(pose.joints_xyz).all() and np.isnan(pose.joints_uvd).all() and np.isnan(pose.centre_xyz).all()


def test_a_given_centre_is_taken_as_it_is():
    pose = estimator_of()(palm(0, 0, 400), centre_xyz=(10, 5, 410))
    assert pose.centre_xyz.tolist() == [10, 5, 410] and pose.score == 1


def test_a_given_centre_without_anything_there_is_no_hand():
    assert not estimator_of()(palm(0, 0, 400), centre_xyz=(0, 0, 2000)).found


def test_units_do_not_matter():
    frame = palm(0, 0, 400)
    in_mm = estimator_of()(frame)
    in_metres = estimator_of(depth_scale=1000)(frame / np.float32(1000))
    np.testing.assert_allclose(in_metres.joints_xyz, in_mm.joints_xyz, atol=1e-3)
    assert in_metres.depth_scale == 1000


def test_missing_depth_may_be_anything():
    frame = palm(0, 0, 400).astype(np.float32)
    marked = np.where(frame > 0, frame, np.nan)
    marked[:50], marked[50:60] = -1, np.inf
    np.testing.assert_array_equal(estimator_of()(marked).joints_xyz, estimator_of()(frame).joints_xyz)


@pytest.mark.parametrize("centre", [(33.3, -21.7, 401.3), (-120.1, 60.2, 380.7)])  # The second reaches over the border.
def test_a_left_hand_is_a_mirrored_right_hand(centre):
    frame, mirror = palm(*centre), np.array([-1, 1, 1])
    right = estimator_of()(frame, centre_xyz=centre)
    left = estimator_of(camera=CAMERA.mirrored(), hand="left")(frame[:, ::-1], centre_xyz=mirror * centre)
    np.testing.assert_array_equal(left.joints_xyz, right.joints_xyz * mirror)
    np.testing.assert_array_equal(left.crop.image, right.crop.image)
    assert left.hand == "left" and left.crop.mirrored
    np.testing.assert_allclose(left.joints_uvd[:, 0], CAMERA.width - 1 - right.joints_uvd[:, 0])


def test_a_detected_left_hand_is_a_mirrored_right_hand_within_the_grid_of_detection():
    frame = palm(33, -21, 400)
    right = estimator_of(Middle())(frame)
    left = estimator_of(Middle(), camera=CAMERA.mirrored(), hand="left")(frame[:, ::-1])
    np.testing.assert_allclose(left.joints_xyz, right.joints_xyz * (-1, 1, 1), atol=2)


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        (np.zeros((240, 320, 3), np.uint8), TypeError),
        (np.zeros((240, 320, 1), np.uint16), ValueError),
        (np.zeros((480, 640), np.uint16), ValueError),
        (np.zeros((240, 320), complex), TypeError),
    ],
)
def test_a_malformed_frame_is_an_error(frame, error):
    estimator = estimator_of()
    for estimate in (estimator, lambda depth: estimator.batch([depth]), lambda depth: list(estimator.stream([depth]))):
        with pytest.raises(error, match="Received"):
            estimate(frame)


# === Construction ===


def test_names_stand_for_cameras_and_skeletons():
    estimator = estimator_of(camera="msra15", skeleton="msra21")
    assert estimator.camera is CAMERA and estimator.skeleton is MSRA21


def test_a_skeleton_of_ones_own():
    pair = Skeleton(
        name="pair", joint_names=("a", "b"), landmarks=("a", "b"), fingers={}, palm=(0, 1), bones=((0, 1),),
        centre_joint=0,
    )  # fmt: skip
    pose = estimator_of(Projection(joints=2), skeleton=pair)(palm(0, 0, 400))
    assert pose.joints_xyz.shape == (2, 3)
    with pytest.raises(ValueError, match="`skeleton`"):
        Pose.from_dict(pose.to_dict())
    assert Pose.from_dict(pose.to_dict(), skeleton=pair).skeleton is pair


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"camera": "kinect"}, "`camera` must be one of msra15"),
        ({"skeleton": "msra"}, "`skeleton` must be one of msra21"),
        ({"skeleton": None}, "pass `skeleton` and `cube`"),
        ({"cube": None}, "pass `skeleton` and `cube`"),
        ({"skeleton": ICVL16}, "21 joints and the skeleton 'icvl16' has 16"),
        ({"hand": "both"}, "`hand` must be"),
        ({"depth_scale": 0}, "`depth_scale` must be"),
        ({"min_score": 0}, "`min_score` must be"),
        ({"cube": -1}, "`cube` must be"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(settings, message):
    with pytest.raises(ValueError, match=message):
        estimator_of(**settings)


def test_weights_bring_their_skeleton_and_cube(tiny_weights):
    estimator = HandPoseEstimator(tiny_weights, camera="sr305")
    assert estimator.skeleton is MSRA21 and estimator.cube == 250
    assert estimator(palm(0, 0, 400, camera=CAMERAS["sr305"])).found
    assert HandPoseEstimator(tiny_weights, camera="sr305", cube=200).cube == 200
    with pytest.raises(ValueError, match="presets are"):
        HandPoseEstimator("no-such-preset", camera="sr305")


def test_a_presets_model_brings_them_as_well():
    model = keras_handpose.ResidualAttentionRegressor(weights="msra")
    own, preset = HandPoseEstimator(model, camera=CAMERA), HandPoseEstimator("msra", camera=CAMERA)
    assert (own.skeleton, own.cube, own.mirror, own.confidence) == (
        preset.skeleton,
        preset.cube,
        preset.mirror,
        preset.confidence,
    )
    model.set_weights([weight * 1.001 for weight in model.get_weights()])
    changed = HandPoseEstimator(model, camera=CAMERA)
    assert (changed.skeleton, changed.confidence) == (preset.skeleton, None)  # Nobody knows how good it is.


def test_weights_without_a_calibrated_score_say_so(tiny_weights, caplog):
    HandPoseEstimator(tiny_weights, camera=CAMERA)
    assert any("no calibrated score" in message for message in caplog.messages)
    caplog.clear()
    HandPoseEstimator("msra", camera=CAMERA)
    assert [message for message in caplog.messages if "score" in message] == []


# === Engines ===


def test_the_keras_engine_does_what_the_model_does():
    model = small_model()
    engine = KerasEngine(model, batch_size=4)
    crops = np.random.default_rng(0).uniform(-1, 1, (11, 64, 64, 1)).astype(np.float32)
    assert isinstance(engine, Engine) and (engine.crop_size, engine.joints) == (64, 21)
    expected = keras.ops.convert_to_numpy(model(crops))
    for n in (1, 3, 4, 11):
        np.testing.assert_allclose(engine(crops[:n]), expected[:n], atol=1e-5)


def test_the_keras_engine_sees_new_weights():
    model = small_model()
    engine = KerasEngine(model)
    crops = np.ones((1, 64, 64, 1), np.float32)
    before = engine(crops)
    model.set_weights([2 * weight for weight in model.get_weights()])
    assert abs(engine(crops) - before).max() > 1e-3
    np.testing.assert_allclose(engine(crops), keras.ops.convert_to_numpy(model(crops)), atol=1e-5)


def test_the_keras_engine_refuses_other_models_and_crops():
    with pytest.raises(ValueError, match="must be a built keras.Model"):
        KerasEngine(keras.Sequential([keras.layers.Dense(3)]))
    inputs = keras.Input((64, 64, 3))
    with pytest.raises(ValueError, match=r"input shape \(None, 64, 64, 3\)"):
        KerasEngine(keras.Model(inputs, inputs))
    with pytest.raises(ValueError, match="`crops` must have shape"):
        KerasEngine(small_model())(np.zeros((1, 128, 128, 1), np.float32))
    with pytest.raises(ValueError, match="batch_size"):
        KerasEngine(small_model(), batch_size=0)


# === More places ===


class ByDistance(Confidence):
    """Scores poses by how far away they are: there is one for each 100 mm."""

    def __call__(self, crop, joints_xyz, skeleton) -> float:
        return SCORES[round(crop.cube.centre_xyz[2] / 100)]


SCORES: dict[int, float] = {}


def judged(monkeypatch, scores: dict[int, float], **settings) -> HandPoseEstimator:
    """An estimator whose poses have these scores at so many 100 mm."""
    monkeypatch.setattr(f"{__name__}.SCORES", scores)
    values = {"features": ["off"], "means": [0.0], "stds": [1.0], "coefficients": [0.0], "intercept": 0.0}
    confidence = ByDistance.from_dict({**values, "bones_mm": [30.0] * 20, "threshold_mm": 20.0, "data": "none"})
    return estimator_of(Middle(), confidence=confidence, **settings)


TWO = np.maximum(palm(-80, 0, 400), palm(100, 0, 600))
"""A frame with something near and something farther."""


@pytest.mark.parametrize(
    ("scores", "settings", "distance"),
    [
        ({4: 0.9, 6: 1.0}, {}, 400),  # The near one is surely a hand.
        ({4: 0.3, 6: 0.9}, {}, 600),
        ({4: 0.3, 6: 0.5}, {}, 600),  # Neither is, so the better one it is.
        ({4: 0.3, 6: 0.2}, {}, 400),
        ({4: 0.3, 6: 0.9}, {"places": 1}, 400),
        ({4: 0.05, 6: 0.07}, {}, None),  # Both are something else.
        ({4: 0.05, 6: 0.9}, {"places": 1}, None),
    ],
)
def test_the_place_that_surely_shows_a_hand_is_taken(monkeypatch, scores, settings, distance):
    estimator = judged(monkeypatch, scores, **settings)
    for pose in (estimator(TWO), *estimator.batch([TWO] * 70)):  # More than the network sees in one go.
        assert pose.found == (distance is not None)
        if pose.found:
            assert pose.centre_xyz[2] == pytest.approx(distance, abs=5)
            assert pose.score == scores[distance // 100]
        else:
            assert 0 < pose.score < 0.1 and pose.evidence > 0.3


@pytest.mark.parametrize(("score", "found"), [(0.9, True), (0.8, False)])
def test_less_evidence_is_enough_for_what_is_surely_a_hand(monkeypatch, score, found):
    frame = palm(0, 0, 400, radius=30)  # Smaller than a palm.
    estimator = judged(monkeypatch, {4: score}, min_score=0.9)
    pose = estimator(frame)
    assert pose.found == found and estimator(frame, last=pose).found == found
    if found:
        assert 0.3 < pose.evidence < 0.9 and pose.score == score


def test_a_centre_that_is_given_is_not_doubted(monkeypatch):
    estimator = judged(monkeypatch, {4: 0.01, 6: 1.0})
    pose, (again,) = estimator(TWO, centre_xyz=(-80, 0, 400)), estimator.batch([TWO], centres_xyz=[(-80, 0, 400)])
    assert pose.found and again.found and pose.score == again.score == 0.01


@pytest.mark.parametrize(
    ("scores", "distance"),
    [({4: 0.3, 6: 1.0}, 400), ({4: 0.2, 6: 0.9}, 600), ({4: 0.2, 6: 0.8}, 400)],
)
def test_a_hand_that_is_followed_is_left_for_one_that_is_sure(monkeypatch, scores, distance):
    estimator = judged(monkeypatch, scores)
    last = estimator(TWO, centre_xyz=(-80, 0, 400))
    assert estimator(TWO, last=last).centre_xyz[2] == pytest.approx(distance, abs=5)


@pytest.mark.parametrize("hands", [1, 2])
def test_a_hand_that_is_seen_badly_in_one_frame_is_kept_and_in_two_it_is_none(monkeypatch, hands):
    estimator = judged(monkeypatch, scores := {4: 0.5})
    if hands == 2:
        estimator = BothHands(
            Middle(), camera=CAMERA, skeleton=MSRA21, cube=250.0, confidence=estimator.confidence, facing=True
        )
    last, found = None, []
    for score in (0.5, 0.02, 0.5, 0.02, 0.03, 0.03):
        scores[4] = score
        pose = last = estimator(palm(-80, 0, 400), last=last)
        found.append(pose.found if hands == 1 else any(hand.found for hand in pose))
    assert found == [True, True, True, True, False, False]


def test_the_best_place_is_no_hand_where_the_first_showed_nothing(monkeypatch):
    near = palm(-80, 0, 400, radius=22)  # Nearer, and not enough of a palm.
    frame = np.maximum(near, palm(100, 0, 600))
    for score, found in ((0.9, True), (0.7, False)):
        estimator = judged(monkeypatch, {6: score, 4: 0.0})
        monkeypatch.setattr(estimator, "_look", partial(first_look, estimator._look))
        assert estimator(frame).found == found


def first_look(look, depth, centre_xyz=None, **options):
    """Look as an estimator does whose detection starts at something that turns out to be nothing."""
    return look(np.zeros_like(depth)) if centre_xyz is None else look(depth, centre_xyz, **options)


class Aside(Middle):
    """An engine that sees the hand aside in its first crop, and in the middle of all others."""

    def __init__(self, aside_mm: float) -> None:
        super().__init__()
        self.aside_mm, self.looks = aside_mm, 0

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        joints_unit = super().__call__(crops)
        joints_unit[..., 1] = 0 if self.looks else self.aside_mm / 125
        self.looks += 1
        return joints_unit


@pytest.mark.parametrize(("aside_mm", "looks"), [(50, 1), (-60, 2), (60, 2), (1000, 2)])
def test_a_hand_that_lies_aside_is_looked_at_from_its_middle(monkeypatch, aside_mm, looks):
    confidence = judged(monkeypatch, {4: 0.95}).confidence
    frame = palm(0, 0, 400, radius=60)
    detected = estimator_of(Middle())(frame).centre_xyz
    moved = min(aside_mm, 125) if looks == 2 else 0

    def aside() -> HandPoseEstimator:
        return estimator_of(Aside(aside_mm), confidence=confidence)

    estimator = aside()
    pose = estimator(frame)
    assert estimator.engine.looks == looks
    np.testing.assert_allclose(pose.centre_xyz, detected + [0, moved, 0], atol=1)
    assert estimator(frame, last=pose).found and estimator.engine.looks == looks + 1  # Following costs one look.
    (again,) = aside().batch([frame])
    np.testing.assert_array_equal(again.joints_xyz, pose.joints_xyz)
    both = BothHands(Aside(aside_mm), camera=CAMERA, skeleton=MSRA21, cube=250.0, confidence=confidence)
    hand = max(both(frame), key=lambda pose: pose.found)
    assert both.engine.looks == looks
    np.testing.assert_allclose(hand.centre_xyz, pose.centre_xyz, atol=1)

    given = aside()
    np.testing.assert_array_equal(given(frame, centre_xyz=detected).centre_xyz, detected)
    assert given.engine.looks == 1


def test_a_clear_frame_costs_one_look(monkeypatch):
    estimator = judged(monkeypatch, {4: 0.9, 6: 1.0})
    crops = []
    monkeypatch.setattr(Middle, "__call__", lambda _, batch: crops.append(len(batch)) or np.zeros((len(batch), 21, 3)))
    estimator.batch([TWO, NOTHING, TWO])
    assert crops == [2]


# === Batches ===


def test_a_batch_is_its_frames_one_by_one():
    estimator = estimator_of(small_model())
    frames = [palm(30 * i - 40, 10 * i, 350 + 20 * i) for i in range(4)] + [NOTHING, palm(0, 0, 500)]
    poses = estimator.batch(frames)
    assert [pose.found for pose in poses] == [True, True, True, True, False, True]
    for pose, frame in zip(poses, frames, strict=True):
        np.testing.assert_allclose(pose.joints_xyz, estimator(frame).joints_xyz, atol=1e-4)


def test_a_batch_takes_centres():
    estimator = estimator_of()
    first, second = estimator.batch([palm(0, 0, 400)] * 2, centres_xyz=[(9, 9, 390), None])
    assert first.centre_xyz.tolist() == [9, 9, 390]
    np.testing.assert_allclose(second.centre_xyz, (0, 0, 400), atol=3)
    with pytest.raises(ValueError, match="`centres_xyz` must have one for each frame"):
        estimator.batch([NOTHING], centres_xyz=[])


def test_an_empty_batch_is_empty():
    assert estimator_of().batch([]) == []


# === Streams ===


def test_a_stream_follows_a_hand_that_moves():
    path = [(8.0 * i - 100, 3.0 * i - 30, 380 + 4.0 * i) for i in range(24)]
    poses = list(estimator_of(Middle()).stream(palm(*xyz) for xyz in path))
    np.testing.assert_allclose([pose.centre_xyz for pose in poses], path, atol=5)


def test_a_stream_keeps_its_hand_when_another_comes_closer():
    hand, other = palm(60, 0, 450), palm(-160, 0, 330)
    frames = [hand, np.where(other > 0, other, hand)]
    estimator = estimator_of(Middle())
    *_, followed = estimator.stream(frames)
    np.testing.assert_allclose(followed.centre_xyz, (60, 0, 450), atol=5)
    np.testing.assert_allclose(estimator(frames[-1]).centre_xyz, (-160, 0, 330), atol=5)


def test_a_stream_finds_a_lost_hand_again():
    frames = [palm(-80, 0, 400), NOTHING, palm(90, 30, 500), palm(-90, -30, 350)]
    poses = list(estimator_of(Middle()).stream(frames, smooth=True))
    assert [pose.found for pose in poses] == [True, False, True, True]
    np.testing.assert_allclose(poses[2].joints_xyz[0], (90, 30, 500), atol=5)
    np.testing.assert_allclose(poses[3].joints_xyz[0], (-90, -30, 350), atol=5)  # No smoothing across a jump.


def test_following_takes_less_evidence_than_finding():
    whole = palm(0, 0, 400)
    half = np.where(np.arange(320) < 160, whole, 0)
    scores = [pose.score for pose in estimator_of().batch([whole, half])]
    assert scores[0] / 2 < scores[1] < scores[0]
    estimator = estimator_of(Middle(), min_score=sum(scores) / 2)
    assert [pose.found for pose in estimator.stream([half, whole, half])] == [False, True, True]


def test_a_stream_without_end_gives_poses_as_it_goes():
    def camera():
        while True:
            yield palm(0, 0, 400)

    stream = estimator_of(Middle()).stream(camera())
    assert next(stream).found and next(stream).found


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"timestamps": [0.0, 0.1, 0.1]}, "timestamps have to increase"),
        ({"timestamps": [0.0]}, "`timestamps` must have one for each frame. Received: 1, and more"),
        ({"rate": 0}, "`rate` must be"),
    ],
)
def test_times_must_make_sense(settings, message):
    with pytest.raises(ValueError, match=message):
        list(estimator_of(Middle()).stream([palm(0, 0, 400)] * 3, smooth=True, **settings))


class Jittery(Middle):
    """An engine whose joints jitter around the middle of the cube by 5 mm."""

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        self.rng = getattr(self, "rng", np.random.default_rng(0))
        return self.rng.normal(0, 5 / 125, (len(crops), self.joints, 3)).astype(np.float32)


def jitter(joints_xyz: np.ndarray) -> float:
    """Root-mean-square step between frames in mm."""
    return float(np.sqrt((np.diff(joints_xyz, axis=0) ** 2).mean()))


def test_smoothing_calms_a_hand_at_rest():
    frames = [palm(0, 0, 400)] * 60
    rough = np.array([pose.joints_xyz for pose in estimator_of(Jittery()).stream(frames)])
    smooth = np.array([pose.joints_xyz for pose in estimator_of(Jittery()).stream(frames, smooth=True)])
    assert jitter(smooth) < 0.45 * jitter(rough)
    np.testing.assert_allclose(smooth[30:].mean(axis=(0, 1)), (0, 0, 400), atol=1)


def test_a_filter_of_ones_own_smooths_and_its_past_is_forgotten():
    frames = [palm(0, 0, 400)] * 20
    smoother = OneEuroFilter(min_cutoff=0.3, beta=0)
    smoother(np.full((21, 3), 1e6), dt=1)
    poses = list(estimator_of(Jittery()).stream(frames, smooth=smoother))
    calmer = np.array([pose.joints_xyz for pose in poses])
    smooth = np.array([pose.joints_xyz for pose in estimator_of(Jittery()).stream(frames, smooth=True)])
    assert jitter(calmer) < jitter(smooth)
    np.testing.assert_array_equal(calmer[0], smooth[0])


# === The One-Euro filter ===


def test_what_stands_still_stays():
    smooth, joints_xyz = OneEuroFilter(), np.random.default_rng(0).normal(size=(21, 3))
    for _ in range(5):
        np.testing.assert_allclose(smooth(joints_xyz, dt=1 / 30), joints_xyz, rtol=1e-12)


def test_without_beta_it_is_a_first_order_low_pass():
    smooth, dt, cutoff = OneEuroFilter(min_cutoff=2.0, beta=0.0), 1 / 60, 2.0
    smooth(np.zeros((1, 3)), dt=dt)
    steps = np.array([smooth(np.ones((1, 3)), dt=dt)[0, 0] for _ in range(10)])
    gain = 2 * np.pi * cutoff * dt / (1 + 2 * np.pi * cutoff * dt)
    np.testing.assert_allclose(steps, 1 - (1 - gain) ** np.arange(1, 11))


def test_a_fast_hand_is_not_dragged_behind():
    positions = np.arange(60)[:, None, None] * np.array([1000 / 30, 0, 0])  # 1 m/s at 30 frames a second.
    prompt, slow = OneEuroFilter(), OneEuroFilter(beta=0)
    lag = [np.linalg.norm(f(xyz, dt=1 / 30) - xyz) for f in (prompt, slow) for xyz in positions]
    assert lag[59] < 15 < 80 < lag[119]


def test_the_result_does_not_depend_on_the_axes():
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    here, there = OneEuroFilter(), OneEuroFilter()
    for joints_xyz in rng.normal(0, 30, (10, 21, 3)):
        np.testing.assert_allclose(here(joints_xyz, dt=0.03) @ turn, there(joints_xyz @ turn, dt=0.03), atol=1e-9)


def test_the_filter_leaves_its_input_alone():
    joints_xyz = np.ones((21, 3))
    smooth = OneEuroFilter()
    smooth(joints_xyz * 2, dt=1), smooth(joints_xyz, dt=1)
    assert (joints_xyz == 1).all()


@pytest.mark.parametrize("settings", [{"min_cutoff": 0}, {"beta": -1}, {"speed_cutoff": -1}])
def test_a_filter_needs_sensible_numbers(settings):
    with pytest.raises(ValueError, match="Received"):
        OneEuroFilter(**settings)


# === Poses ===


def test_a_pose_prints_in_a_line():
    estimator = estimator_of(Middle())
    assert repr(estimator(palm(30, -20, 400))).startswith(
        "<Pose of a right hand: found=True, score=1.00, evidence=1.00,"
    )
    assert "centre none" in repr(estimator(NOTHING)) and "\n" not in repr(estimator(NOTHING))


@pytest.mark.parametrize("frame", [palm(10, 20, 400), NOTHING])
def test_a_pose_goes_through_json_and_back(frame):
    pose = estimator_of(hand="left", depth_scale=0.5, cube=200)((frame * 2).astype(np.uint16))
    text = json.dumps(pose.to_dict(), allow_nan=False)
    restored = Pose.from_dict(json.loads(text))
    for name in ("found", "hand", "skeleton", "camera", "depth_scale"):
        assert getattr(restored, name) == getattr(pose, name)
    for name in ("joints_xyz", "joints_uvd", "centre_xyz", "score"):
        np.testing.assert_allclose(getattr(restored, name), getattr(pose, name), atol=2e-3)
    assert restored.crop is None


def test_a_pose_needs_all_its_joints():
    pose = Pose.not_found(skeleton=MSRA21, camera=CAMERA)
    with pytest.raises(ValueError, match=r"must have shape \(21, 3\) for msra21. Received: \(20, 3\)"):
        replace(pose, joints_xyz=pose.joints_xyz[1:])


@pytest.mark.parametrize("missing", ["joints_xyz", "camera", "skeleton"])
def test_values_that_are_no_pose_are_refused(missing):
    values = Pose.not_found(skeleton=MSRA21, camera=CAMERA).to_dict()
    del values[missing]
    with pytest.raises(ValueError, match=missing):
        Pose.from_dict(values)
