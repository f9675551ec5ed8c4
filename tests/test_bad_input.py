"""What a user can get wrong, across the public face: one clear error each, or a pose that says there is no hand.

It is the overview; what a single function refuses in detail stands in that function's tests.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import keras_handpose as khp
from keras_handpose.capture import ArchiveSource, CapturedFrame, FolderSource, Paced, open_capture, write_archive
from keras_handpose.datasets import CropStore, Frame, LabelledFrames
from keras_handpose.engines import open_engine
from keras_handpose.estimator import BothHands, HandPoseEstimator, OneEuroFilter, Pose
from keras_handpose.evaluation import (
    PROTOCOLS,
    GroundTruth,
    area_under_curve,
    evaluate,
    joint_errors,
    leaderboard,
    read_predictions,
    success_rate,
    write_predictions,
)
from keras_handpose.plotting import overlay_poses
from keras_handpose.preprocessing import check_depth, hand_candidates

CAMERA, NYU = khp.CAMERAS["msra15"], khp.CAMERAS["nyu"]
FRAME = np.zeros(CAMERA.shape, np.uint16)
FRAME[80:140, 150:200] = 400
JOINTS = np.zeros((21, 3)) + (0.0, 0.0, 400.0)
CENTRE = (20.0, -15.0, 400.0)
WITH_CUBE, FLAT = np.full((1, 21, 4), 300.0), np.zeros((1, 63))
RAGGED = [[1, 2, 3], [4]]
TOO_BIG = 10**400


class Still:
    """An engine whose joints are in the middle of the cube."""

    crop_size, joints = 128, 21

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        return np.zeros((len(crops), 21, 3), np.float32)


def estimator_of(source=None, **settings) -> HandPoseEstimator:
    return HandPoseEstimator(source or Still(), **{"camera": "msra15", "skeleton": "msra21", "cube": 250, **settings})


def camera_of(**values) -> khp.Camera:
    return khp.Camera(**{"width": 320, "height": 240, "fx": 240, "fy": 240, "cx": 160, "cy": 120, **values})


def pose_of(**values) -> Pose:
    return Pose.from_dict({**POSE.to_dict(), **values})


def smoothed(joints_xyz, dt=0.1) -> np.ndarray:
    smooth = OneEuroFilter()
    smooth(JOINTS, dt=0.1)
    return smooth(joints_xyz, dt=dt)


def inputs_of(depth=None, **settings) -> tuple:
    return khp.preprocess_input(FRAME if depth is None else depth, **{"camera": CAMERA, **settings})


def error_of(joints_unit, cube) -> None:
    khp.MeanJointErrorMM(cube=cube).update_state(joints_unit, JOINTS[None])


def stream(*frames, **settings) -> list[Pose]:
    return list(ESTIMATOR.stream(frames, **settings))


ESTIMATOR = estimator_of()
POSE = ESTIMATOR(FRAME)


# === Frames ===

NO_FRAME = {
    "empty": (np.zeros((0, 320), np.uint16), ValueError, "empty. Received: shape"),
    "RGB": (np.zeros((240, 320, 3), np.uint8), TypeError, "colour or grey image"),
    "RGB of 16 bits": (np.zeros((240, 320, 3), np.uint16), ValueError, r"\(height, width\).*RGB images are not depth"),
    "a channel axis": (np.zeros((240, 320, 1), np.uint16), ValueError, "without a channel axis"),
    "a batch": (np.zeros((4, 240, 320), np.uint16), ValueError, "Pass one frame"),
    "a row": (np.zeros(320, np.uint16), ValueError, r"Received: shape \(320,\)"),
    "a number": (400, ValueError, r"Received: shape \(\)"),
    "8 bits": (np.zeros((240, 320), np.uint8), TypeError, "16-bit integers or floats. Received: dtype uint8"),
    "boolean": (FRAME > 0, TypeError, "Received: dtype bool"),
    "complex": (FRAME.astype(complex), TypeError, "Received: dtype complex128"),
    "objects": (FRAME.astype(object), TypeError, "Received: dtype object"),
    "texts": (FRAME.astype(str), TypeError, "Received: dtype <U5"),
    "times": (FRAME.astype("M8[s]"), TypeError, "Received: dtype datetime64"),
    "named columns": (np.zeros((240, 320), [("depth", "u2")]), TypeError, r"Received: dtype \[\('depth'"),
    "a path": (Path("frame.png"), TypeError, "Received: dtype object, from a PosixPath"),
    "a file's name": ("frame.png", TypeError, "Received: dtype <U9"),
    "None": (None, TypeError, "Received: dtype object, from a NoneType"),
    "rows of unequal length": (RAGGED, TypeError, "from a list of list"),
    "a pair": ((FRAME, CAMERA), TypeError, "from a tuple of Camera, ndarray"),
    "the camera": (CAMERA, TypeError, "from a Camera"),
    "another size": (np.zeros(NYU.shape, np.uint16), ValueError, "'msra15', 320 x 240. Received: 640 x 480"),
    "another way round": (FRAME.T, ValueError, "'msra15', 320 x 240. Received: 240 x 320"),
}


@pytest.mark.parametrize(("frame", "error", "message"), NO_FRAME.values(), ids=NO_FRAME)
@pytest.mark.parametrize(
    "use",
    [
        ESTIMATOR,
        lambda frame: ESTIMATOR.batch([frame]),
        lambda frame: list(ESTIMATOR.stream([CapturedFrame(frame, CAMERA)])),
        lambda frame: list(ESTIMATOR.stream([CapturedFrame(frame, CAMERA, 0.125)], newest=True)),
        BothHands(Still(), camera=CAMERA, skeleton="msra21", cube=250),
        lambda frame: khp.detect_hand(frame, CAMERA),
        lambda frame: hand_candidates(frame, CAMERA),
        lambda frame: khp.refine_centre(frame, CAMERA, CENTRE),
        lambda frame: khp.crop_hand(frame, CAMERA, CENTRE),
        lambda frame: khp.plot_pose(frame, POSE),
        lambda frame: overlay_poses(frame, [POSE]),
        lambda frame: check_depth(frame, camera=CAMERA),
    ],
    ids=[
        "call",
        "batch",
        "stream",
        "newest",
        "both",
        "detect",
        "candidates",
        "refine",
        "crop",
        "plot",
        "overlay",
        "check",
    ],
)
def test_what_is_no_frame_is_refused_everywhere(use, frame, error, message):
    if frame is CAMERA:
        message = f"{message}|comes before its camera"
    with pytest.raises(error, match=message):
        use(frame)


@pytest.mark.parametrize("shape", [(40_000, 2), (2, 40_000)])
def test_a_frame_that_is_too_long_is_refused(shape):
    camera = camera_of(width=shape[1], height=shape[0])
    for use in (
        khp.detect_hand,
        lambda *given: khp.crop_hand(*given, CENTRE),
        lambda frame, camera: check_depth(frame),
    ):
        with pytest.raises(ValueError, match=r"at most 32,766 px a side.*Received: shape \((40000, 2|2, 40000)\)"):
            use(np.full(shape, 400, np.uint16), camera)


NO_HAND = {
    "zeros": np.zeros_like(FRAME),
    "NaN": np.full(CAMERA.shape, np.nan),
    "infinite": np.full(CAMERA.shape, np.inf, np.float32),
    "negative": -FRAME.astype(np.int16),
    "a wall": np.full(CAMERA.shape, 400.0),
    "noise": np.random.default_rng(0).integers(1, 5000, CAMERA.shape),
    "the largest float": np.where(FRAME, np.finfo(np.float32).max, 900),
    "masked": np.ma.masked_equal(FRAME, 400),
    "lists": np.zeros_like(FRAME).tolist(),
}


@pytest.mark.parametrize("frame", NO_HAND.values(), ids=NO_HAND)
def test_a_frame_without_a_hand_is_no_error(frame):
    pose = ESTIMATOR(frame)
    assert not pose.found and np.isnan(pose.joints_xyz).all() and 0 <= pose.score < 0.3


@pytest.mark.parametrize("shape", [(2, 2), (64, 48)])
@pytest.mark.parametrize("depth", [2e5, 1e9, 3e38])
def test_nothing_is_a_hand_at_the_end_of_the_world(shape, depth):
    # To float32, what is so far away has no surroundings that would tell it from a hand.
    camera = camera_of(width=shape[1], height=shape[0])
    frame = np.full(shape, depth, np.float32)
    detection = khp.detect_hand(frame, camera)
    assert not detection.found and detection.score == 0
    assert not khp.detect_hand(frame, camera, around=(0, 0, depth)).found


@pytest.mark.parametrize(
    "use",
    [
        lambda: khp.crop_hand(FRAME, CAMERA, CENTRE, cube=1e-170).image,
        lambda: khp.crop_hand(FRAME, CAMERA, (0, 0, 1e300)).image,
        lambda: khp.crop_hand(check_depth(FRAME, depth_scale=3e38), CAMERA, CENTRE).image,
    ],
    ids=["tiny cube", "far centre", "huge unit"],
)
def test_numbers_that_float32_cannot_hold_show_nothing(use):
    assert (use() == 1).all()


@pytest.mark.parametrize("dtype", ["u2", ">u2", "i4", "u8", "f2", "f4", ">f8", "g"])
def test_a_frame_of_any_other_number_is_a_frame(dtype):
    assert ESTIMATOR(FRAME.astype(dtype)).centre_xyz[2] == 400
    assert ESTIMATOR(FRAME.astype(dtype).tolist()).centre_xyz[2] == 400


@pytest.mark.parametrize(
    ("frame", "depth_scale", "message"),
    [
        (FRAME / 1000, 1.0, "nearer than 20 mm: frames in metres need depth_scale=1000"),
        (np.where(np.arange(320 * 240).reshape(240, 320) == 9, 800, FRAME / 1000), 1.0, "nearer than 20 mm"),
        (FRAME // 400, 1.0, "nearer than 20 mm"),
        (FRAME, 1000.0, "farther than 100 m: frames in mm need depth_scale=1"),
        (FRAME.astype(np.int64), 1e6, "farther than 100 m"),
    ],
)
def test_a_unit_that_cannot_be_is_told(frame, depth_scale, message):
    estimator = estimator_of(depth_scale=depth_scale)
    both = BothHands(Still(), camera=CAMERA, skeleton="msra21", cube=250, depth_scale=depth_scale)
    for use in (
        estimator,
        lambda frame: estimator(frame, centre_xyz=CENTRE),
        lambda frame: estimator.batch([frame])[0],
        lambda frame: estimator.batch([frame], centres_xyz=[CENTRE])[0],
        lambda frame: next(estimator.stream([frame])),
        lambda frame: next(estimator.stream([frame], newest=True)),
        lambda frame: both(frame)[0],
        lambda frame: khp.preprocess_input(frame, camera=CAMERA, depth_scale=depth_scale)[1][0],
    ):
        with pytest.warns(UserWarning, match=message) as said:
            pose = use(frame)
        assert pose is None or not pose.found
        assert [warning.filename for warning in said] == [__file__]  # Whose line it is that can be mended.


@pytest.mark.parametrize("use", ["call", "batch", "stream", "input"])
def test_a_unit_is_told_once_for_each_line_that_asks(use):
    estimator = estimator_of()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        for i in range(5):
            frames = [FRAME / 1000 * (1 + i)] * 2
            if use == "call":
                estimator(frames[0])
            elif use == "batch":
                estimator.batch(frames)
            elif use == "stream":
                list(estimator.stream(frames))
            else:
                khp.preprocess_input(frames, camera=CAMERA)
    assert len(said) == 1


@pytest.mark.parametrize("frame", [*NO_HAND.values(), FRAME, FRAME * 8, FRAME // 8], ids=lambda _: "")
def test_a_unit_that_can_be_is_not_doubted(frame):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ESTIMATOR(frame)


# === Everything else ===

POSE_VALUES = POSE.to_dict()
TRUTH = GroundTruth.of(np.full((3, 14, 3), 700.0), skeleton=khp.NYU14, camera=PROTOCOLS["nyu"].camera)
EVALUATION = evaluate(TRUTH, TRUTH.joints_xyz + 1, axes="xyz", name="mine")

CALLS = {
    # Cameras.
    "camera unknown": (lambda: estimator_of(camera="kinect"), ValueError, "one of msra15, .*Received: 'kinect'"),
    "camera mistyped": (lambda: estimator_of(camera="kinect_V3"), ValueError, "Did you mean 'kinect_v2'?"),
    "camera None": (lambda: estimator_of(camera=None), TypeError, "`camera` must be one of .* or a Camera"),
    "camera numbers": (lambda: estimator_of(camera=(240, 240, 160, 120)), TypeError, r"Received: \(240, 240"),
    "camera a frame": (lambda: estimator_of(camera=FRAME), TypeError, "`camera` must be one of"),
    "fx zero": (lambda: camera_of(fx=0), ValueError, "`fx` and `fy` must be positive.*Received: fx=0"),
    "fy negative": (lambda: camera_of(fy=-240), ValueError, "fy=-240.*Flipped axes belong into the data"),
    "fx NaN": (lambda: camera_of(fx=float("nan")), ValueError, "fx=nan"),
    "cx infinite": (lambda: camera_of(cx=float("inf")), ValueError, "`cx` and `cy` finite.*cx=inf"),
    "fx text": (lambda: camera_of(fx="240"), ValueError, "fx='240'"),
    "fx None": (lambda: camera_of(fx=None), ValueError, "fx=None"),
    "fx an array": (lambda: camera_of(fx=np.ones(2)), ValueError, "fx=array"),
    "fx too big": (lambda: camera_of(fx=TOO_BIG), ValueError, "`fx` and `fy` must be positive"),
    "width zero": (lambda: camera_of(width=0), ValueError, "whole numbers of px, at least 1. Received: width=0"),
    "width half": (lambda: camera_of(width=320.5), ValueError, "width=320.5"),
    "width NaN": (lambda: camera_of(width=float("nan")), ValueError, "width=nan"),
    "height text": (lambda: camera_of(height="240"), ValueError, "height='240'"),
    "name no text": (lambda: camera_of(name=5), TypeError, "`name` must be text. Received: name=5"),
    "fov 180": (lambda: khp.Camera.from_fov(640, 480, horizontal=180), ValueError, "`horizontal` must be .* 180"),
    "fov text": (lambda: khp.Camera.from_fov(640, 480, horizontal="70"), ValueError, "Received: '70'"),
    "fov None": (lambda: khp.Camera.from_fov(640, 480, horizontal=None), ValueError, "Received: None"),
    "fov width": (lambda: khp.Camera.from_fov("640", 480, horizontal=70), ValueError, "`width` must be .*'640'"),
    "window": (lambda: CAMERA.window("0", 0, 64, 64), ValueError, "`left` and `top` must be .*left='0'"),
    # Points.
    "project swapped": (lambda: khp.xyz_to_uvd(CAMERA, JOINTS), ValueError, "`joints_xyz` must be numbers of shape"),
    "project by a name": (lambda: khp.xyz_to_uvd(JOINTS, "msra15"), TypeError, "`camera` must be a Camera.*'msra15'"),
    "project pairs": (lambda: khp.xyz_to_uvd(JOINTS[:, :2], CAMERA), ValueError, r"Received: shape \(21, 2\)"),
    "project ragged": (lambda: khp.xyz_to_uvd(RAGGED, CAMERA), ValueError, "Received: shape"),
    "lift by None": (lambda: khp.uvd_to_xyz(JOINTS, None), TypeError, "Received: a NoneType"),
    "lift text": (lambda: khp.uvd_to_xyz("abc", CAMERA), ValueError, "`joints_uvd` must be numbers"),
    "lift complex": (lambda: khp.uvd_to_xyz(JOINTS + 0j, CAMERA), ValueError, "dtype complex128"),
    "convert by names": (lambda: khp.convert_joints(JOINTS, "msra21", "nyu14"), TypeError, "`source`.*'msra21'"),
    "convert to None": (lambda: khp.convert_joints(JOINTS, khp.MSRA21, None), TypeError, "`target` must be a Skeleton"),
    "convert swapped": (lambda: khp.convert_joints(khp.MSRA21, JOINTS, khp.NYU14), TypeError, "`source` must be"),
    "convert others": (lambda: khp.convert_joints(JOINTS, khp.NYU14, khp.MSRA21), ValueError, r"\(21, 3\)"),
    "convert texts": (lambda: khp.convert_joints(JOINTS.astype(str), khp.MSRA21, khp.NYU14), ValueError, "dtype <U"),
    "convert a pose": (lambda: khp.convert_joints(POSE, khp.MSRA21, khp.NYU14), ValueError, "dtype object"),
    "joint unknown": (lambda: khp.MSRA21.index("thumb"), ValueError, "no joint 'thumb'. Its joints are: wrist"),
    # Pre-processing.
    "detect swapped": (lambda: khp.detect_hand(CAMERA, FRAME), TypeError, "`camera` must be a Camera.*a ndarray"),
    "detect by a name": (lambda: khp.detect_hand(FRAME, "msra15"), TypeError, "`camera` must be .*'msra15'"),
    "detect cube": (lambda: khp.detect_hand(FRAME, CAMERA, cube="250"), ValueError, "`cube` must be .*'250'"),
    "candidates cube": (lambda: hand_candidates(FRAME, CAMERA, cube=0), ValueError, "`cube` must be .*cube=0"),
    "detect around": (lambda: khp.detect_hand(FRAME, CAMERA, around=POSE), ValueError, "three finite numbers"),
    "detect min_score": (lambda: khp.detect_hand(FRAME, CAMERA, min_score=None), ValueError, "`min_score` must be"),
    "crop swapped": (lambda: khp.crop_hand(FRAME, CENTRE, CAMERA), TypeError, "`camera` must be a Camera.*a tuple"),
    "crop centre NaN": (lambda: khp.crop_hand(FRAME, CAMERA, (0, 0, np.nan)), ValueError, "no hand was found"),
    "crop centre behind": (lambda: khp.crop_hand(FRAME, CAMERA, (0, 0, -400)), ValueError, "in front of the camera"),
    "crop centre in pixels": (lambda: khp.crop_hand(FRAME, CAMERA, (160, 120)), ValueError, "three finite numbers"),
    "crop centre ragged": (lambda: khp.crop_hand(FRAME, CAMERA, RAGGED), ValueError, "three finite numbers"),
    "crop centre too near": (lambda: khp.crop_hand(FRAME, CAMERA, (0, 0, 1e-320)), ValueError, "neither so near nor"),
    "crop cube": (lambda: khp.crop_hand(FRAME, CAMERA, CENTRE, cube=-1), ValueError, "edge must be .*Received: -1"),
    "crop size": (lambda: khp.crop_hand(FRAME, CAMERA, CENTRE, size=12.5), ValueError, "`size` must be .*12.5"),
    "crop size True": (lambda: khp.crop_hand(FRAME, CAMERA, CENTRE, size=True), ValueError, "`size` must be"),
    "refine steps": (lambda: khp.refine_centre(FRAME, CAMERA, CENTRE, steps=-1), ValueError, "`steps` must be"),
    "scale zero": (
        lambda: check_depth(FRAME, depth_scale=0),
        ValueError,
        "`depth_scale` must be .*Received: depth_scale=0",
    ),
    "scale text": (lambda: check_depth(FRAME, depth_scale="mm"), ValueError, "Received: depth_scale='mm'"),
    "scale several": (lambda: check_depth(FRAME, depth_scale=np.ones(2)), ValueError, "`depth_scale` must be"),
    "crop's points": (lambda: POSE.crop.xyz_to_unit(RAGGED), ValueError, "Points are numbers"),
    # The estimator.
    "preset mistyped": (lambda: HandPoseEstimator("mrsa", camera=CAMERA), ValueError, "presets are: .*msra"),
    "preset in capitals": (lambda: HandPoseEstimator("MSRA", camera=CAMERA), ValueError, "Received: .*'MSRA'"),
    "source None": (lambda: HandPoseEstimator(None, camera=CAMERA), ValueError, "must be a built keras.Model"),
    "source a function": (lambda: estimator_of(lambda crops: crops), ValueError, "Received: function"),
    "skeleton mistyped": (lambda: estimator_of(skeleton="msra"), ValueError, "Did you mean 'msra21'"),
    "skeleton a number": (lambda: estimator_of(skeleton=21), TypeError, "or a Skeleton of your own. Received: 21"),
    "skeleton of others": (lambda: estimator_of(skeleton="nyu14"), ValueError, "21 joints and the skeleton 'nyu14'"),
    "cube text": (lambda: estimator_of(cube="250"), ValueError, "`cube` must be a positive edge.*cube='250'"),
    "cube a list": (lambda: estimator_of(cube=[250]), ValueError, r"cube=\[250\]"),
    "cube too big": (lambda: estimator_of(cube=TOO_BIG), ValueError, "`cube` must be a positive edge"),
    "hand both": (lambda: estimator_of(hand="both"), ValueError, "'right' or 'left'. Received: hand='both'"),
    "hand in capitals": (lambda: estimator_of(hand="Right"), ValueError, "Received: hand='Right'"),
    "hand a list": (lambda: estimator_of(hand=["right"]), ValueError, "`hand` must be"),
    "depth_scale zero": (lambda: estimator_of(depth_scale=0), ValueError, "`depth_scale` must be .*depth_scale=0"),
    "depth_scale NaN": (lambda: estimator_of(depth_scale=np.nan), ValueError, "depth_scale=nan"),
    "depth_scale None": (lambda: estimator_of(depth_scale=None), ValueError, "depth_scale=None"),
    "min_score text": (lambda: estimator_of(min_score="0.3"), ValueError, r"`min_score` must be in \(0, 1\].*'0.3'"),
    "min_score 30": (lambda: estimator_of(min_score=30), ValueError, "min_score=30"),
    "confidence": (lambda: estimator_of(confidence=0.9), ValueError, "`confidence` must be a Confidence.*=0.9"),
    "engine": (lambda: estimator_of(engine="tensorrt"), ValueError, "'keras', 'onnx', 'litert'. Received: .*tensorrt"),
    "threads": (lambda: estimator_of(threads=2), ValueError, "leave `engine` and `threads` out"),
    "centre": (lambda: ESTIMATOR(FRAME, centre_xyz="here"), ValueError, "three finite numbers"),
    "last": (lambda: ESTIMATOR(FRAME, last=FRAME), TypeError, "`last` must be the Pose .*Received: a ndarray"),
    "batch of None": (lambda: ESTIMATOR.batch(None), TypeError, "one after the other. Received: a NoneType"),
    "batch of one": (lambda: ESTIMATOR.batch(FRAME), TypeError, r"a single one of shape \(240, 320\)"),
    "batch of a number": (lambda: ESTIMATOR.batch(np.array(5)), TypeError, "`frames` must be depth frames"),
    "batch's centres": (lambda: ESTIMATOR.batch([FRAME], centres_xyz=np.array(5)), TypeError, "`centres_xyz` must be"),
    "batch of too few": (lambda: ESTIMATOR.batch([FRAME], centres_xyz=[]), ValueError, "`centres_xyz` must have one"),
    "batch of too many": (lambda: ESTIMATOR.batch([], centres_xyz=[None]), ValueError, "Received: more than 0, for 0"),
    "both last": (
        lambda: BothHands(Still(), camera=CAMERA, skeleton="msra21", cube=250)(FRAME, last=POSE),
        ValueError,
        "`last` must be the right and the left pose.*a Pose",
    ),
    # Streams.
    "stream of None": (lambda: ESTIMATOR.stream(None), TypeError, "`frames` must be depth frames.*a NoneType"),
    "stream of one": (lambda: ESTIMATOR.stream(FRAME), TypeError, "a single one of shape"),
    "stream of a path": (lambda: ESTIMATOR.stream("frames"), TypeError, "open_capture opens folders"),
    "stream of a function": (lambda: ESTIMATOR.stream(lambda: [FRAME]), TypeError, "A generator function is called"),
    "stream of anything": (lambda: list(ESTIMATOR.stream(x for x in ["a"])), TypeError, "16-bit integers or floats"),
    "newest of anything": (lambda: list(ESTIMATOR.stream([{}], newest=True)), TypeError, "from a dict"),
    "swapped pair": (lambda: stream((CAMERA, FRAME)), TypeError, r"comes before its camera, \(depth, camera\)"),
    "list for a pair": (lambda: stream([FRAME, CAMERA]), TypeError, "from a list of Camera, ndarray"),
    "name for a camera": (lambda: stream((FRAME, "msra15")), TypeError, "`camera` must be a Camera.*'msra15'"),
    "other camera": (lambda: stream((FRAME, NYU)), ValueError, "must be of the estimator's camera"),
    "too long a pair": (lambda: stream((FRAME, CAMERA, 1, 2, 3)), ValueError, "Received: 5 things"),
    "frame's scale": (lambda: stream((FRAME, CAMERA, "1")), ValueError, "`depth_scale` must be .*'1'"),
    "frame's time": (lambda: stream((FRAME, CAMERA, 1, "now")), ValueError, "`time` of a frame must be .*'now'"),
    "rate": (lambda: stream(FRAME, rate="30"), ValueError, "`rate` must be a positive number.*'30'"),
    "budget": (
        lambda: stream(FRAME, latency_budget=-1),
        ValueError,
        "`latency_budget` must be .*Received: latency_budget=-1",
    ),
    "timestamps one": (lambda: stream(FRAME, timestamps=5), TypeError, "`timestamps` must be .*Received: 5"),
    "timestamps few": (lambda: stream(FRAME, FRAME, timestamps=[0]), ValueError, "`timestamps` must have one for each"),
    "timestamps many": (lambda: stream(FRAME, timestamps=[0, 1]), ValueError, "more than 1, for 1 frames"),
    "timestamps text": (lambda: stream(FRAME, timestamps="a"), ValueError, "`timestamps` of a frame must be .*'a'"),
    "timestamps back": (lambda: stream(FRAME, FRAME, timestamps=[1, 0]), ValueError, "timestamps have to increase"),
    "watch None": (lambda: khp.live.watch(None), TypeError, "`stream` must be what .*Received: a NoneType"),
    "watch poses": (lambda: khp.live.watch([POSE]), TypeError, "`stream` must be what .*Received: a list"),
    "watch frames": (
        lambda: khp.live.watch(ESTIMATOR.stream([FRAME]), frames="3"),
        ValueError,
        "`frames` must be a whole number.*'3'",
    ),
    "watch seconds": (
        lambda: khp.live.watch(ESTIMATOR.stream([FRAME]), seconds=-1),
        ValueError,
        "`seconds` must be a positive.*seconds=-1",
    ),
    "video None": (lambda: khp.live.VideoWriter(None), TypeError, "`path` must be a path. Received: a NoneType"),
    "video width": (lambda: khp.live.VideoWriter("x.gif", width="x"), ValueError, "`width` must be .*width='x'"),
    "video rate": (lambda: khp.live.VideoWriter("x.gif", rate="x"), ValueError, "`rate` must be .*rate='x'"),
    "recorder None": (lambda: khp.live.Recorder(None), TypeError, "`folder` must be a path. Received: a NoneType"),
    "window rate": (lambda: khp.live.WindowViewer(rate="x"), ValueError, "`rate` must be .*rate='x'"),
    "smooth": (
        lambda: stream(FRAME, smooth="yes"),
        TypeError,
        "`smooth` must be True, False or .*'yes'",
    ),
    "filter cut-off": (lambda: OneEuroFilter(min_cutoff="1"), ValueError, "min_cutoff='1'"),
    "filter beta": (lambda: OneEuroFilter(beta=float("inf")), ValueError, "all finite.*beta=inf"),
    "filter joints": (lambda: OneEuroFilter()("abc", dt=1), ValueError, "`joints_xyz` must be numbers"),
    "filter pairs": (lambda: OneEuroFilter()(JOINTS[:, :2], dt=1), ValueError, r"Received: shape \(21, 2\)"),
    "filter others": (lambda: smoothed(JOINTS[:14]), ValueError, r"the shape of those before, \(21, 3\)"),
    "filter time": (lambda: smoothed(JOINTS, dt="1"), ValueError, "`dt` must be a positive time.*'1'"),
    # Sources.
    "source kind": (lambda: open_capture("webcam"), ValueError, "one of realsense.*Received: 'webcam'"),
    "source a path": (lambda: open_capture(Path("frames")), TypeError, "A source is text"),
    "source nowhere": (lambda: open_capture("folder:nowhere", camera=CAMERA), FileNotFoundError, "no folder 'nowhere'"),
    "source rate": (lambda: open_capture("folder:nowhere", camera=CAMERA, rate=0), ValueError, "`rate` must be"),
    "folder None": (lambda: FolderSource(None, CAMERA), TypeError, "`path` must be a path. Received: a NoneType"),
    "folder camera": (lambda: FolderSource("nowhere", "msra15"), TypeError, "`camera` must be a Camera"),
    "folder scale": (lambda: FolderSource("nowhere", CAMERA, depth_scale="1"), ValueError, "`depth_scale` must be"),
    "archive nowhere": (lambda: ArchiveSource("nowhere.npz"), FileNotFoundError, "no archive 'nowhere.npz'"),
    "archive of arrays": (lambda: write_archive("x.npz", [FRAME]), TypeError, "Received: a ndarray"),
    "archive swapped": (lambda: write_archive("x.npz", [CapturedFrame(CAMERA, FRAME)]), TypeError, "a Camera"),
    "pace of a list": (lambda: Paced([FRAME]), TypeError, "`source` must be a FrameSource.*a list"),
    # Poses and pictures.
    "pose None": (lambda: Pose.from_dict(None), ValueError, "`values` must be what `to_dict` returns"),
    "pose's joints": (lambda: pose_of(joints_xyz="x"), ValueError, "These values are not a pose"),
    "pose's few joints": (lambda: pose_of(joints_xyz=[[0, 0, 1]]), ValueError, r"must have shape \(21, 3\)"),
    "pose's hand": (lambda: pose_of(hand="both"), ValueError, "not a pose: `hand` must be 'right' or 'left'"),
    "pose's camera": (lambda: pose_of(camera="msra15"), ValueError, "These values are not a pose"),
    "pose's skeleton": (lambda: pose_of(skeleton="hand"), ValueError, "its skeleton is not among msra21"),
    "plot swapped": (lambda: khp.plot_pose(POSE, FRAME), TypeError, "Received: a ndarray. The frame comes before"),
    "plot values": (lambda: khp.plot_pose(FRAME, POSE_VALUES), TypeError, "Received: a dict.*Pose.from_dict"),
    "plot truth": (lambda: khp.plot_pose(FRAME, POSE, truth_xyz=JOINTS[:14]), ValueError, r"`truth_xyz`.*\(14, 3\)"),
    "plot no truth": (lambda: khp.plot_pose(FRAME, POSE, truth_xyz=JOINTS * np.nan), ValueError, "some are known"),
    "plot title": (lambda: khp.plot_pose(FRAME, POSE, title=5), TypeError, "`title` must be text. Received: 5"),
    "plot one as many": (lambda: khp.plot_poses(FRAME, POSE), TypeError, "`poses` must be a list"),
    "plot too few": (lambda: khp.plot_poses([], [POSE]), ValueError, "Received: 0 frames, 1 poses"),
    "plot none": (lambda: khp.plot_poses([], []), ValueError, "one or more poses"),
    "overlay one": (lambda: overlay_poses(FRAME, POSE), TypeError, r"A single one is \[pose\]"),
    "overlay None": (lambda: overlay_poses(FRAME, [None]), TypeError, "Received: a NoneType"),
    "overlay width": (lambda: overlay_poses(FRAME, [], width=float("nan")), ValueError, "`width` must be .*nan"),
    "overlay text": (lambda: overlay_poses(FRAME, [], text="one"), TypeError, "`text` must be a list of lines"),
    "overlay camera": (lambda: overlay_poses(FRAME, [], camera="msra15"), TypeError, "`camera` must be a Camera"),
    "overlay scale": (lambda: overlay_poses(FRAME, [], depth_scale=0), ValueError, "`depth_scale` must be"),
    "errors of one": (lambda: khp.plot_errors(EVALUATION), TypeError, "`evaluations` must be a list.*an? Evaluation"),
    "errors of poses": (lambda: khp.plot_errors([POSE]), TypeError, "what `evaluate` returns. Received: a Pose"),
    "errors up to": (lambda: khp.plot_errors([EVALUATION], up_to=0), ValueError, "`up_to` must be a positive"),
    "overlays' row": (
        lambda: khp.plot_overlays([EVALUATION], [FRAME], [7]),
        ValueError,
        r"from 0 to 2. Received: \[7\]",
    ),
    # Evaluation.
    "evaluate None": (lambda: evaluate(TRUTH, None), TypeError, "`path` must be a path. Received: a NoneType"),
    "evaluate nowhere": (lambda: evaluate(TRUTH, "nowhere.txt"), FileNotFoundError, "no result file nowhere.txt"),
    "evaluate others": (lambda: evaluate(TRUTH, np.ones((3, 21, 3))), ValueError, r"\(3, 21, 3\) and \(3, 14, 3\)"),
    "evaluate few": (lambda: evaluate(TRUTH, np.ones((2, 14, 3))), ValueError, "as many frames .*Received: 2 frames"),
    "evaluate flat": (lambda: evaluate(TRUTH, np.ones((3, 42))), ValueError, r"Received: shape \(3, 42\)"),
    "evaluate axes": (lambda: read_predictions("nowhere.txt", axes=None), ValueError, "`axes` must be .*None"),
    "truth by a name": (
        lambda: GroundTruth.of(np.ones((3, 14, 3)), skeleton=khp.NYU14, camera="nyu"),
        TypeError,
        "`camera` must be a Camera",
    ),
    "errors of texts": (lambda: joint_errors(JOINTS.astype(str), JOINTS), ValueError, "and float64"),
    "success of texts": (lambda: success_rate(np.ones((3, 14)), "40"), ValueError, "`thresholds` must be numbers"),
    "area up to": (lambda: area_under_curve(np.ones((3, 14)), up_to="80"), ValueError, "`up_to` must be .*'80'"),
    "leaderboard": (lambda: leaderboard("imagenet"), ValueError, "one of msra15, icvl, nyu. Received: 'imagenet'"),
    "write flat": (lambda: write_predictions("x.txt", np.ones((3, 42))), ValueError, r"Received: \(3, 42\)"),
    "write texts": (lambda: write_predictions("x.txt", "abc"), ValueError, "`joints_uvd` must be numbers"),
    "write decimals": (
        lambda: write_predictions("x.txt", np.ones((1, 1, 3)), decimals=-1),
        ValueError,
        "`decimals` must be .*-1",
    ),
    # Datasets, models and exports.
    "frame swapped": (
        lambda: Frame(depth=CAMERA, joints_xyz=JOINTS, camera=FRAME, skeleton=khp.MSRA21),
        TypeError,
        "`camera` must be a Camera. Received: a ndarray",
    ),
    "frame's hand": (
        lambda: Frame(depth=FRAME, joints_xyz=JOINTS, camera=CAMERA, skeleton=khp.MSRA21, hand="both"),
        ValueError,
        "`hand` must be 'right' or 'left'. Received: hand='both'",
    ),
    "frame's joints": (
        lambda: Frame(depth=FRAME, joints_xyz=JOINTS[:14], camera=CAMERA, skeleton=khp.MSRA21),
        ValueError,
        r"must have shape \(21, 3\) for msra21. Received: \(14, 3\)",
    ),
    "store of arrays": (
        lambda: CropStore.from_frames("x.h5", [FRAME]),
        TypeError,
        "must be of datasets.Frame.*ndarray",
    ),
    "store of a generator": (lambda: CropStore.from_frames("x.h5", (f for f in [])), TypeError, "a generator"),
    "store nowhere": (lambda: CropStore("nowhere.h5"), FileNotFoundError, "no crop store 'nowhere.h5'"),
    "labels nowhere": (lambda: LabelledFrames("nowhere"), FileNotFoundError, "no label file"),
    "model number": (lambda: khp.ResidualAttentionRegressor(weights=3), TypeError, "`weights` must be .*an? int"),
    "model upper case": (lambda: khp.weights.download("MSRA"), ValueError, "Did you mean 'msra'"),
    "input's size": (lambda: inputs_of(size=True), ValueError, "size=True"),
    "input's huge size": (lambda: inputs_of(size=10**9), ValueError, "from 1 to 4096. Received: size=1000000000"),
    "input's centres": (lambda: inputs_of(centres_xyz=5), TypeError, "Received: 5"),
    "input's camera": (lambda: inputs_of(camera="kinect_V3"), ValueError, "Did you mean 'kinect_v2'?"),
    "input's cube": (lambda: inputs_of([], cube="x"), ValueError, "`cube` must be a positive edge in mm.*cube='x'"),
    "input's scale": (lambda: inputs_of([], depth_scale=0), ValueError, "`depth_scale` must be .*depth_scale=0"),
    "input's hand": (lambda: inputs_of([], hand="both"), ValueError, "'right' or 'left'. Received: hand='both'"),
    "input's score": (
        lambda: inputs_of(centres_xyz=[CENTRE], min_score="x"),
        ValueError,
        r"`min_score` must be in \(0, 1\]. Received: min_score='x'",
    ),
    "input of a path": (lambda: inputs_of(Path("")), TypeError, "`depth` must be a depth frame .*read_depth reads"),
    "input of nothing": (lambda: inputs_of(""), TypeError, "`depth` must be a depth frame .*Received: ''"),
    "input of a number": (lambda: inputs_of(np.array(400)), ValueError, r"Received: shape \(\)"),
    "crop huge": (lambda: khp.crop_hand(FRAME, CAMERA, CENTRE, size=10**9), ValueError, "from 1 to 4096"),
    "predictions text": (lambda: khp.decode_predictions("abc", []), ValueError, "`joints_unit` must have shape"),
    "predictions flat": (lambda: khp.decode_predictions(JOINTS, [None]), ValueError, r"shape \(21, 3\).*whole batch"),
    "predictions ragged": (lambda: khp.decode_predictions(RAGGED, [None] * 2), ValueError, "`joints_unit` must have"),
    "predictions' crops": (lambda: khp.decode_predictions(JOINTS[None], [1]), ValueError, "`crops` must be the list"),
    "predictions' none": (lambda: khp.decode_predictions(JOINTS[None], None), ValueError, "Received: a NoneType"),
    "predictions' few": (lambda: khp.decode_predictions(JOINTS[None], []), ValueError, "Received: 0 crops for 1"),
    "loss delta": (lambda: khp.JointLoss(huber_delta="x"), ValueError, "`huber_delta` must be .*Received: 'x'"),
    "loss ragged": (lambda: khp.JointLoss()(RAGGED, JOINTS[None]), ValueError, "must be numbers in the unit cube"),
    "loss text": (lambda: khp.JointLoss()(JOINTS[None], "abc"), ValueError, "must be numbers in the unit cube"),
    "loss flat": (lambda: khp.JointLoss()(FLAT, FLAT), ValueError, r"Received: \(1, 63\) and \(1, 63\)"),
    "loss swapped": (lambda: khp.JointLoss()(JOINTS[None], WITH_CUBE), ValueError, r"and \(1, 21, 4\)"),
    "metric cube": (lambda: khp.MeanJointErrorMM(cube="x"), ValueError, "`cube` must be .*Received: cube='x'"),
    "metric none": (lambda: error_of(JOINTS[None], cube=None), ValueError, "Pass `cube` where targets do not carry"),
    "metric both": (lambda: error_of(WITH_CUBE, cube=250), ValueError, "Leave `cube=250.*` out where targets"),
    "metric ragged": (lambda: error_of(RAGGED, cube=250), ValueError, "must be numbers in the unit cube"),
    "resolve None": (lambda: khp.weights.resolve(None), TypeError, "`weights` must be .*NoneType"),
    "resolve nothing": (lambda: khp.weights.resolve(""), ValueError, "`weights` must be .*Received: .*''"),
    "resolve nobody": (lambda: khp.weights.resolve("~nouser/x.weights.h5"), ValueError, "nobody is called so here"),
    "locate a number": (lambda: khp.weights.locate(5), TypeError, "`weights` must be .*an? int"),
    "locate mistyped": (lambda: khp.weights.locate("mrsa"), ValueError, "presets are: .*Did you mean 'msra'"),
    "verify bytes": (lambda: khp.weights.verify(b"msra"), TypeError, "`weights` must be .*bytes"),
    "verify nowhere": (lambda: khp.weights.verify("x.weights.h5"), FileNotFoundError, "x.weights.h5"),
    "download from 5": (lambda: khp.weights.download("mine", address=5), TypeError, "`address` must be .*an? int"),
    "download by ftp": (lambda: khp.weights.download("mine", address="ftp://x"), ValueError, "http.*Received: ftp://x"),
    "download from [": (lambda: khp.weights.download("mine", address="//[x"), ValueError, "which is malformed"),
    "publish to None": (lambda: khp.weights.publish("msra", None), TypeError, "`folder` must be .*NoneType"),
    "publish to 5": (lambda: khp.weights.publish("msra", 5), TypeError, "`folder` must be .*an? int"),
    "publish to bytes": (lambda: khp.weights.publish("msra", b""), TypeError, "`folder` must be .*bytes"),
    "publish to nothing": (lambda: khp.weights.publish("msra", ""), ValueError, "`folder` must be .*Received: ''"),
    "publish to [": (lambda: khp.weights.publish("msra", "//[x"), ValueError, "`folder` must be .*malformed"),
    "publish to a web": (lambda: khp.weights.publish("msra", "http://x/y"), ValueError, "`folder` must be a folder on"),
    "publish to a file": (lambda: khp.weights.publish("msra", os.devnull), OSError, "`folder` must be a folder that"),
    "publish as": (lambda: khp.weights.publish("msra", "out", name="a/b"), ValueError, "`name` must be .*'a/b'"),
    "export nowhere": (lambda: khp.export("msra", None), TypeError, "`path` must be a path.*NoneType"),
    "model mistyped": (
        lambda: khp.ResidualAttentionRegressor(weights="mrsa"),
        ValueError,
        "presets are: .*msra.*Did you mean 'msra'",
    ),
    "model's joints": (
        lambda: khp.ResidualAttentionRegressor(weights="msra", joints=14),
        ValueError,
        "Received: joints=14. Pass include_top=False",
    ),
    "export to": (lambda: khp.export("msra", "hand.pt"), ValueError, ".onnx or .tflite. Received: 'hand.pt'"),
    "export as": (lambda: khp.export("msra", "x.onnx", quantize="int4"), ValueError, "`quantize`.*Received: 'int4'"),
    "export None": (lambda: khp.export(None, "x.onnx"), TypeError, "`source` must be .*Received: NoneType"),
    "export an engine": (lambda: khp.export(ESTIMATOR, "x.onnx"), TypeError, "HandPoseEstimator on a Still"),
    "export calibration": (
        lambda: khp.export("msra", "x.onnx", calibration="nowhere.h5"),
        FileNotFoundError,
        "no crop store 'nowhere.h5'",
    ),
}


@pytest.mark.parametrize(("call", "error", "message"), CALLS.values(), ids=CALLS)
def test_what_is_wrong_is_one_clear_error(call, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        call()
    assert not list(tmp_path.iterdir())  # Nothing is begun that cannot be ended.


# === Files ===


@pytest.fixture(scope="module")
def files(tmp_path_factory, tiny_weights) -> Path:
    """A folder of files that are not what their names say."""
    folder = tmp_path_factory.mktemp("files")
    frame = Frame(depth=FRAME, joints_xyz=JOINTS, camera=CAMERA, skeleton=khp.MSRA21)
    CropStore.from_frames(folder / "whole.h5", [frame] * 3).close()
    whole = (folder / "whole.h5").read_bytes()
    (folder / "cut.h5").write_bytes(whole[: len(whole) // 2])
    encoded = cv2.imencode(".png", FRAME)[1].tobytes()
    (folder / "cut.png").write_bytes(encoded[: len(encoded) // 2])
    for name in ("text.h5", "text.png", "text.npy", "text.npz", "text.onnx", "text.tflite", "text.mat", "words.txt"):
        (folder / name).write_text("not what it seems to be\n")
    for name in ("empty.h5", "empty.png", "empty.tflite", "empty.txt"):
        (folder / name).touch()
    cv2.imwrite(str(folder / "rgb.png"), np.zeros((240, 320, 3), np.uint8))
    cv2.imwrite(str(folder / "grey.png"), FRAME.astype(np.uint8))
    np.savez(folder / "rgb.npz", depth=np.zeros((2, 240, 320, 3), np.uint8))
    np.savez(folder / "unnamed.npz", FRAME[None])
    np.savez(folder / "camera.npz", depth=FRAME[None])
    record = tiny_weights.with_name(tiny_weights.name.removesuffix(".weights.h5") + ".json")
    weights = tiny_weights.read_bytes()
    for name, kept in (
        ("cut", weights[:-100]),
        ("changed", weights[:-1] + bytes([weights[-1] ^ 255])),
        ("bad", weights),
    ):
        (folder / f"{name}.weights.h5").write_bytes(kept)
        shutil.copy(record, folder / f"{name}.json")
    (folder / "bad.json").write_text("{")
    (folder / "alone.weights.h5").write_bytes(weights)
    write_predictions(folder / "nyu.txt", np.ones((2, 14, 3)))
    (folder / "ragged.txt").write_text("1 2 3\n1 2\n")
    (folder / "two.txt").write_text("1 2\n")
    for name, content in (("recording", "{}"), ("labels", "[]")):
        (folder / name).mkdir()
        (folder / name / f"{name}.json").write_text(json.dumps(json.loads(content)))
    return folder


@pytest.mark.parametrize(
    ("open_it", "name", "error", "message"),
    [
        (khp.read_depth, "nowhere.png", FileNotFoundError, "no depth file"),
        (khp.read_depth, "labels", FileNotFoundError, "no depth file"),
        (khp.read_depth, "text.png", ValueError, "not an image .* or it is damaged"),
        (khp.read_depth, "empty.png", ValueError, "damaged. Received: 0 bytes"),
        (khp.read_depth, "rgb.png", ValueError, "Received: 3 channels of 8 bits"),
        (khp.read_depth, "grey.png", ValueError, "Received: 1 channel of 8 bits"),
        (lambda path: khp.read_depth(path, format="npy"), "text.npy", ValueError, "not a NumPy array file"),
        (lambda path: khp.read_depth(path, format="png"), "rgb.png", ValueError, "'nyu', 'npy'. Received: 'png'"),
        (CropStore, "text.h5", OSError, "not a whole crop store"),
        (CropStore, "empty.h5", OSError, "not a whole crop store"),
        (CropStore, "cut.h5", OSError, "not a whole crop store.*[Pp]repare the frames again"),
        (CropStore, "labels", FileNotFoundError, "no crop store"),
        (lambda path: CropStore(path).crops([9]), "whole.h5", ValueError, "frames 0 to 2. Received: 9"),
        (open_engine, "text.onnx", ValueError, "damaged: it is not in its format. Make one with"),
        (open_engine, "text.tflite", ValueError, "damaged: it is not in its format. Make one with"),
        (open_engine, "empty.tflite", ValueError, "damaged"),
        (open_engine, "nowhere.onnx", FileNotFoundError, "nowhere.onnx"),
        (open_engine, "text.png", ValueError, "ends in .onnx or .tflite. Received: .*text.png"),
        (estimator_of, "alone.weights.h5", FileNotFoundError, "Weights are a pair"),
        (estimator_of, "cut.weights.h5", OSError, "not the file of its record|bytes"),
        (estimator_of, "changed.weights.h5", OSError, "not the file of its record: its SHA-256 is"),
        (estimator_of, "bad.weights.h5", ValueError, "not a valid weights record"),
        (estimator_of, "text.png", ValueError, "must end in .weights.h5. Received"),
        (estimator_of, "labels", ValueError, "must end in .weights.h5. Received"),
        (ArchiveSource, "text.npz", ValueError, "not an .npz file of depth frames"),
        (ArchiveSource, "unnamed.npz", ValueError, "no array `depth`"),
        (ArchiveSource, "rgb.npz", ValueError, "Received: dtype uint8"),
        (ArchiveSource, "camera.npz", ValueError, "has no camera. Pass `camera`"),
        (lambda path: ArchiveSource(path, NYU), "camera.npz", ValueError, "640 x 480. Received: .*320 x 240"),
        (FolderSource, "labels", FileNotFoundError, "no frames in"),
        (FolderSource, "recording", ValueError, "recording.json is not .* misses keys: camera"),
        (lambda path: list(FolderSource(path, CAMERA)), "", ValueError, "cut.png is not|empty.png is not"),
        (LabelledFrames, "labels", ValueError, "labels.json must be a list"),
        (read_predictions, "labels", IsADirectoryError, "no result file"),
        (read_predictions, "words.txt", ValueError, "line 1: 'what' is not a number"),
        (read_predictions, "empty.txt", ValueError, "is empty"),
        (read_predictions, "ragged.txt", ValueError, "line 2: .*Received: 2"),
        (read_predictions, "two.txt", ValueError, "three numbers a joint. Received: 2"),
        (read_predictions, "text.mat", ValueError, "damaged or no MATLAB file"),
        (read_predictions, "text.npy", ValueError, "no array of numbers, or it is damaged"),
        (lambda path: read_predictions(path, skeleton=khp.MSRA21), "nyu.txt", ValueError, "Its joints fit nyu14"),
        (lambda path: evaluate(TRUTH, path), "nyu.txt", ValueError, "3. Received: 2 frames"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value[-8:] else "",
)
def test_a_file_that_is_not_what_it_should_be_is_named(open_it, name, error, message, files):
    with pytest.raises(error, match=message):
        open_it(files / name)


def test_a_stream_ends_where_a_frame_is_wrong_and_keeps_what_it_had():
    stream = ESTIMATOR.stream([FRAME, FRAME.astype(np.uint8)])
    assert next(stream).found
    with pytest.raises(TypeError, match="8 bits"):
        next(stream)
    assert stream.statistics.frames == 1


def test_a_source_of_wrong_things_is_an_error_also_in_its_thread():
    source = SimpleNamespace(live=True, __iter__=None)
    with pytest.raises(TypeError, match="`frames` must be depth frames"):
        ESTIMATOR.stream(source)
