"""The estimator on exported files: the same poses, no other settings than the file's, and no Keras."""

from __future__ import annotations

import json
import logging
import pickle
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from exported_models import CAMERA, FORMATS, JOINTS, SIZE, metadata_of, network_joints
from typer.testing import CliRunner

import keras_handpose.exporting.cache
from keras_handpose.cameras import CAMERAS, Camera
from keras_handpose.cli import app
from keras_handpose.datasets import CropStore, Frame
from keras_handpose.engines import open_engine, write_metadata
from keras_handpose.estimator import HandPoseEstimator, predict_store
from keras_handpose.skeletons import ICVL16, MSRA21

KINDS = ("network", "pipeline")
NOTHING = np.zeros(CAMERA.shape, np.uint16)


def palm(x: float, y: float, z: float, *, camera: Camera = CAMERA) -> np.ndarray:
    """A frame with a disc of a palm's size and nothing else."""
    v, u = np.mgrid[: camera.height, : camera.width]
    across, down = (u - camera.cx) * z / camera.fx - x, (v - camera.cy) * z / camera.fy - y
    return np.where(np.hypot(across, 0.8 * down) < 45, z + 0.2 * across, 0).round().astype(np.uint16)


class InNumPy:
    """An engine that does what the small exported network does."""

    crop_size, joints = SIZE, JOINTS

    def __call__(self, crops):
        return network_joints(crops)


FRAMES = [palm(8 * i - 30, 4 * i, 380 + 3 * i) for i in range(4)] + [NOTHING, palm(50, 20, 500)]


# === The same poses ===


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("hand", ["right", "left"])
def test_a_network_file_gives_the_poses_of_its_network(suffix, hand, exported):
    estimator = HandPoseEstimator(exported["network", suffix], camera=CAMERA, hand=hand)
    expected = HandPoseEstimator(InNumPy(), camera=CAMERA, hand=hand, skeleton=MSRA21, cube=250)
    assert (estimator.skeleton, estimator.cube, estimator.min_score) == (MSRA21, 250, 0.3)
    for poses, others in (
        ([estimator(frame) for frame in FRAMES], [expected(frame) for frame in FRAMES]),
        (estimator.batch(FRAMES), expected.batch(FRAMES)),
        (estimator.stream(FRAMES, smooth=True), expected.stream(FRAMES, smooth=True)),
    ):
        for pose, other in zip(poses, others, strict=True):
            assert (pose.found, pose.score, pose.hand) == (other.found, other.score, hand)
            np.testing.assert_allclose(pose.joints_xyz, other.joints_xyz, atol=1e-3)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_pipeline_file_gives_whole_poses(suffix, exported):
    estimator = HandPoseEstimator(exported["pipeline", suffix], camera="msra15")
    pose = estimator(palm(0, 0, 400))
    assert pose.found and pose.score == 0.75 and pose.skeleton is MSRA21 and pose.joints_xyz.dtype == np.float64
    np.testing.assert_allclose(pose.centre_xyz, (0, 0, 400), atol=0.5)
    np.testing.assert_allclose(pose.joints_xyz, np.broadcast_to(pose.centre_xyz, (JOINTS, 3)), atol=1e-3)
    assert pose.crop.image.shape == (SIZE, SIZE) and pose.crop.cube.centre_xyz == tuple(pose.centre_xyz)
    given = estimator(palm(0, 0, 400), centre_xyz=(10, 20, 390))
    assert given.centre_xyz.tolist() == [10, 20, 390] and given.score == 1
    nothing = estimator(NOTHING)
    assert not nothing.found and nothing.crop is None and nothing.score == 0 and np.isnan(nothing.joints_xyz).all()


@pytest.mark.parametrize("kind", ["network", "pipeline"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_an_estimator_on_a_file_can_be_sent_to_another_process(kind, suffix, exported):
    estimator = HandPoseEstimator(exported[kind, suffix], camera="msra15", threads=2)
    sent = pickle.loads(pickle.dumps(estimator))
    frame = palm(0, 0, 400)
    np.testing.assert_array_equal(sent(frame).joints_xyz, estimator(frame).joints_xyz)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_pipeline_file_mirrors_the_hand_that_it_does_not_know(suffix, exported, tmp_path):
    right, left = (HandPoseEstimator(exported["pipeline", suffix], camera=CAMERA, hand=h) for h in ("right", "left"))
    frame = palm(0, 0, 400)
    np.testing.assert_allclose(left(frame).joints_xyz - right(frame).joints_xyz, 1, atol=1e-3)
    assert left(frame).crop.mirrored and not right(frame).crop.mirrored
    path = tmp_path / f"left{suffix}"
    path.write_bytes(exported["pipeline", suffix].read_bytes())
    write_metadata(path, metadata_of("pipeline", hand="left"))
    assert HandPoseEstimator(path, camera=CAMERA, hand="right").mirror


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_pipeline_file_runs_on_batches_and_streams(suffix, exported):
    estimator = HandPoseEstimator(exported["pipeline", suffix], camera=CAMERA)
    for pose, frame in zip(estimator.batch(FRAMES), FRAMES, strict=True):
        np.testing.assert_array_equal(pose.joints_xyz, estimator(frame).joints_xyz)
    poses = list(estimator.stream(FRAMES))
    assert [pose.found for pose in poses] == [True, True, True, True, False, True]
    # The stand-in sees every hand on the axis; one that is followed is where it is.
    for i in (1, 2, 3):
        np.testing.assert_allclose(poses[i].joints_xyz[0], (8 * i - 30, 4 * i, 380 + 3 * i), atol=3)
    np.testing.assert_allclose(poses[5].joints_xyz[0, :2], 0, atol=1e-3)


def test_an_onnx_pipeline_takes_the_frames_of_any_camera(exported):
    camera = CAMERAS["sr305"]
    assert HandPoseEstimator(exported["pipeline", ".onnx"], camera=camera)(palm(0, 0, 400, camera=camera)).found


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_bad_frames_have_no_hand_or_are_one_error(kind, suffix, exported):
    estimator = HandPoseEstimator(exported[kind, suffix], camera=CAMERA)
    for frame in (NOTHING, np.full(CAMERA.shape, np.nan, np.float32), np.full(CAMERA.shape, -1, np.int32)):
        pose = estimator(frame)
        assert not pose.found and np.isnan(pose.joints_xyz).all() and 0 <= pose.score < 0.3
    for frame, error in (
        (np.zeros((*CAMERA.shape, 3), np.uint8), TypeError),
        (np.zeros(CAMERA.shape, bool), TypeError),
        (np.zeros((480, 640), np.uint16), ValueError),
        (np.zeros((0, 320), np.uint16), ValueError),
    ):
        with pytest.raises(error, match="Received"):
            estimator(frame)
    with pytest.raises(ValueError, match="A hand's centre"):
        estimator(palm(0, 0, 400), centre_xyz=(0, 0, 0))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_exports_give_the_poses_of_keras(kind, suffix, tiny_weights, tmp_path):
    from keras_handpose.exporting import export

    in_keras = HandPoseEstimator(tiny_weights, camera=CAMERA)
    path = tmp_path / f"hand{suffix}"
    export(tiny_weights if kind == "network" else in_keras, path)
    border = np.where(np.arange(CAMERA.width) > 250, palm(0, 0, 400), 0).astype(np.uint16)
    holes = palm(0, 0, 400).astype(np.float32)
    holes[::3], holes[1::7], holes[:, ::11] = np.nan, np.inf, -1
    noise = np.random.default_rng(0).integers(0, 2**16, CAMERA.shape, np.uint16)
    everything = [*FRAMES, border, holes, noise, np.full(CAMERA.shape, np.nan, np.float32), NOTHING + 100]
    for hand in ("right", "left"):
        expected = HandPoseEstimator(in_keras.engine, camera=CAMERA, hand=hand, skeleton=MSRA21, cube=250)
        estimator = HandPoseEstimator(path, camera=CAMERA, hand=hand)
        for poses, others in (
            (estimator.batch(everything), expected.batch(everything)),
            (estimator.stream(FRAMES, smooth=True), expected.stream(FRAMES, smooth=True)),
            (
                estimator.batch(FRAMES, centres_xyz=[(0, 0, 400)] * 6),
                expected.batch(FRAMES, centres_xyz=[(0, 0, 400)] * 6),
            ),
        ):
            for pose, other in zip(poses, others, strict=True):
                assert pose.found == other.found
                np.testing.assert_allclose(pose.score, other.score, atol=1e-3)
                np.testing.assert_allclose(pose.centre_xyz, other.centre_xyz, atol=0.1)
                np.testing.assert_allclose(pose.joints_xyz, other.joints_xyz, atol=0.5)


# === Settings ===


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("opened", [False, True])
def test_settings_that_contradict_a_file_are_refused(opened, kind, suffix, exported):
    path = exported[kind, suffix]
    source = open_engine(path) if opened else path
    agreed = {"skeleton": "msra21", "cube": 250, "min_score": 0.3}
    assert HandPoseEstimator(source, camera=CAMERA, **agreed).skeleton is MSRA21
    for changes, message in (
        ({"skeleton": ICVL16}, f"`skeleton` is 'msra21' in .*{kind}{suffix}. Received: skeleton='icvl16'"),
        ({"cube": 200}, "`cube` is 250.0 in .* Received: cube=200"),
        ({"min_score": 0.5}, "`min_score` is 0.3 in .* Received: min_score=0.5"),
    ):
        if kind == "network" and "min_score" in changes:
            assert HandPoseEstimator(source, camera=CAMERA, **changes).min_score == 0.5
            continue
        with pytest.raises(ValueError, match=message):
            HandPoseEstimator(source, camera=CAMERA, **changes)


def test_a_camera_of_another_size_is_refused_where_the_size_is_fixed(exported):
    with pytest.raises(ValueError, match=r"pipeline.tflite takes frames of 320 x 240 px. Received: camera 'sr305'"):
        HandPoseEstimator(exported["pipeline", ".tflite"], camera="sr305")
    HandPoseEstimator(exported["network", ".tflite"], camera="sr305")


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("hand.onnx", {"engine": "litert"}, "A .onnx file runs with engine='onnx'"),
        ("hand.tflite", {"engine": "keras"}, "A .tflite file runs with engine='litert'"),
        ("hand.tflite", {"engine": "torch"}, "`engine` must be one of 'keras', 'onnx', 'litert'"),
        ("msra", {"engine": "tflite"}, "`engine` must be one of"),
        ("msra", {"engine": "keras", "threads": 2}, "`threads` is for"),
        (InNumPy(), {"engine": "onnx"}, "An engine runs as it is"),
        (InNumPy(), {"threads": 1}, "An engine runs as it is"),
        ("nowhere.onnx", {}, "There is no model file 'nowhere.onnx'"),
    ],
)
def test_engines_that_do_not_fit_are_refused(source, settings, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        HandPoseEstimator(source, camera=CAMERA, **settings)


@pytest.mark.parametrize(("engine", "suffix"), [("onnx", ".onnx"), ("litert", ".tflite")])
def test_weights_and_models_run_on_other_engines(engine, suffix, exported, tiny_weights, monkeypatch):
    calls = []

    def cached(source, **settings):
        calls.append((source, settings))
        return exported["network", suffix]

    monkeypatch.setattr(keras_handpose.exporting.cache, "cached_export", cached)
    estimator = HandPoseEstimator(tiny_weights, camera=CAMERA, engine=engine, threads=2, cube=200)
    assert estimator.cube == 200 and estimator.engine.path == exported["network", suffix]
    model = keras.Sequential([keras.Input((SIZE, SIZE, 1)), keras.layers.Flatten()])
    HandPoseEstimator(model, camera=CAMERA, engine=engine, skeleton="msra21", cube=250)
    assert calls == [
        (tiny_weights, {"format": engine, "skeleton": None, "cube": 200}),
        (model, {"format": engine, "skeleton": MSRA21, "cube": 250}),
    ]
    known = HandPoseEstimator(model, camera=CAMERA, engine=engine)  # The export knew what a preset's model is.
    assert (known.skeleton, known.cube) == (MSRA21, 250)


def test_what_a_file_was_trained_on_is_said(exported, tmp_path, caplog):
    path = tmp_path / "hand.onnx"
    path.write_bytes(exported["network", ".onnx"].read_bytes())
    write_metadata(path, metadata_of(trained_on="nothing"))
    with caplog.at_level(logging.WARNING, "keras_handpose"):
        HandPoseEstimator(path, camera=CAMERA)
    assert caplog.messages == ["hand.onnx: trained on nothing"]


# === Stores ===


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("engines") / "hands.h5"
    joints_xyz = np.full((JOINTS, 3), (0.0, 0.0, 400.0))
    frames = [
        Frame(depth=frame, joints_xyz=joints_xyz, camera=CAMERA, skeleton=MSRA21, hand="right") for frame in FRAMES
    ]
    CropStore.from_frames(path, frames, workers=1, size=SIZE).close()
    return path


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_network_file_runs_on_a_store(suffix, store, exported):
    with CropStore(store) as crops:
        joints_xyz = predict_store(exported["network", suffix], crops, threads=1)
        np.testing.assert_allclose(joints_xyz, predict_store(InNumPy(), crops), atol=1e-3)
        with pytest.raises(ValueError, match="a whole pipeline takes frames. Received: .*pipeline"):
            predict_store(exported["pipeline", suffix], crops)


# === The command line ===


def predict(*arguments: object):
    return CliRunner().invoke(app, ["predict", *map(str, arguments)], env={"COLUMNS": "120"})


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_predict_takes_exported_files(kind, suffix, exported, tmp_path):
    frame = tmp_path / "frame.png"
    cv2.imwrite(str(frame), palm(0, 0, 400))
    path = exported[kind, suffix]
    result = predict(frame, "--camera", "msra15", "--weights", path, "--threads", 1, "--json")
    assert result.exit_code == 0, result.stderr
    (record,) = json.loads(result.stdout)["poses"]
    expected = HandPoseEstimator(path, camera=CAMERA)(palm(0, 0, 400))
    np.testing.assert_allclose(record["joints_xyz"], expected.joints_xyz, atol=1e-3)
    for wrong, message in (
        (("--weights", path, "--engine", "keras"), "runs with engine="),
        (("--weights", tmp_path / f"nowhere{suffix}"), "There is no model file"),
    ):
        result = predict(frame, "--camera", "msra15", *wrong)
        assert result.exit_code == 2 and result.stderr.startswith("Error: ") and message in result.stderr
