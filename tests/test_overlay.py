"""Pictures for every frame of a camera: the depth, the skeletons and the words in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from keras_handpose.cameras import CAMERAS, uvd_to_xyz
from keras_handpose.estimator import Pose
from keras_handpose.plotting.look import DEPTH, FINGER_COLOURS, NO_DEPTH, NO_DEPTH_DOTS
from keras_handpose.plotting.overlay import overlay_poses
from keras_handpose.preprocessing import crop_hand
from keras_handpose.skeletons import MSRA21, NYU14, SKELETONS

CAMERA = CAMERAS["msra15"]


def frame() -> np.ndarray:
    """A flat disc of 100 px before a wall, and a corner without depth, in mm."""
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width]
    depth = np.where(np.hypot(u - 160, v - 120) < 50, 400, 900)
    depth[:60, :60] = 0
    return depth.astype(np.uint16)


def pose_at(points_uv: dict[int, tuple[float, float]], *, hand: str = "right", skeleton=MSRA21) -> Pose:
    """A pose with a few joints at 400 mm; the others are NaN."""
    joints_xyz = np.full((len(skeleton), 3), np.nan)
    for joint, (u, v) in points_uv.items():
        joints_xyz[joint] = uvd_to_xyz(np.array([u, v, 400.0]), CAMERA)
    return Pose(
        found=True,
        joints_xyz=joints_xyz,
        centre_xyz=np.array([0.0, 0.0, 400.0]),
        crop=crop_hand(frame(), CAMERA, (0.0, 0.0, 400.0)),
        score=0.9,
        hand=hand,
        skeleton=skeleton,
        camera=CAMERA,
    )


def rgb(colour) -> np.ndarray:
    return np.rint(255 * np.array(to_rgb(colour)))


def drawn(image: np.ndarray, colour: str) -> np.ndarray:
    """Return the pixels (u, v) of just a colour."""
    return np.argwhere((abs(image - rgb(colour)) <= 2).all(axis=-1))[:, ::-1]


NOTHING = Pose.not_found(skeleton=MSRA21, camera=CAMERA)
FINGER = {joint: (100.0 + 30 * i, 200.0) for i, joint in enumerate(MSRA21.fingers["ring"])}


def test_depth_is_brighter_the_nearer_it_is_and_none_looks_like_nothing_else():
    image = overlay_poses(frame(), [NOTHING])
    assert image.shape == (240, 320, 3) and image.dtype == np.uint8
    hand, wall = image[120, 160].astype(int), image[120, 20].astype(int)
    assert hand.sum() > wall.sum() + 200
    assert abs(hand - rgb(DEPTH(1.0)[:3])).max() <= 2  # A surface that faces the camera is as bright as its depth.
    missing = image[:60, :60].reshape(-1, 3)
    dots = (missing == rgb(NO_DEPTH_DOTS)).all(axis=1)
    assert 20 < dots.sum() < 200 and (abs(missing[~dots] - rgb(NO_DEPTH)) <= 1).all()


def test_contrast_is_on_the_hand():
    depth = frame()
    depth[:, 160:] = np.where(depth[:, 160:] == 400, 440, depth[:, 160:])
    with_hand, without = (overlay_poses(depth, [pose]).astype(int) for pose in (pose_at({}), NOTHING))
    difference = [abs(image[120, 140] - image[120, 180]).sum() for image in (with_hand, without)]
    assert difference[0] > 2 * difference[1]


@pytest.mark.parametrize("width", [None, 640, 200])
def test_a_finger_is_drawn_in_its_colour_where_it_is(width):
    image = overlay_poses(frame(), [pose_at(FINGER)], width=width)
    zoom = (width or 320) / 320
    assert image.shape == (240 * zoom, 320 * zoom, 3)
    places = drawn(image, FINGER_COLOURS["ring"])
    expected = (np.array([100.0, 200.0]) + 0.5) * zoom - 0.5
    assert abs(places[:, 1] - expected[1]).max() <= 4 * max(zoom, 1) and len(places) > 100 * zoom
    np.testing.assert_allclose(places[:, 0].min(), expected[0], atol=3 * max(zoom, 1))
    np.testing.assert_allclose(places[:, 0].max(), expected[0] + 90 * zoom, atol=3 * max(zoom, 1))
    for finger in set(FINGER_COLOURS) - {"ring"}:
        assert len(drawn(image, FINGER_COLOURS[finger])) == 0


def test_joints_are_drawn_between_pixels():
    tip = MSRA21.index("ring_tip")
    centres = []
    for shift in (0.0, 0.5):
        image = overlay_poses(frame(), [pose_at({tip: (100.0 + shift, 200.0)})], width=1280).astype(float)
        weight = abs(image - overlay_poses(frame(), [pose_at({})], width=1280)).sum(axis=-1)
        centres.append((weight.sum(axis=0) * np.arange(1280)).sum() / weight.sum())
    np.testing.assert_allclose(centres[1] - centres[0], 2.0, atol=0.15)
    np.testing.assert_allclose(centres[0], 100.5 * 4 - 0.5, atol=0.3)


def test_a_bone_with_an_unknown_end_is_left_out():
    knuckle, *_, tip = MSRA21.fingers["ring"]
    image = overlay_poses(frame(), [pose_at({knuckle: (100, 200), tip: (190, 200)})])
    places = drawn(image, FINGER_COLOURS["ring"])
    assert len(places) and not ((places[:, 0] > 110) & (places[:, 0] < 180)).any()


def test_joints_far_outside_of_the_frame_are_cut_off():
    knuckle, middle, *_ = MSRA21.fingers["ring"]
    outside = {knuckle: (160.0, 200.0), middle: (1e7, 200.0), MSRA21.index("thumb_tip"): (-400.0, -300.0)}
    image = overlay_poses(frame(), [pose_at(outside)])
    places = drawn(image, FINGER_COLOURS["ring"])
    assert places[:, 0].max() >= 316 and len(drawn(image, FINGER_COLOURS["thumb"])) == 0


def test_joints_behind_the_camera_are_left_out():
    pose = pose_at(FINGER)
    image = overlay_poses(frame(), [replace(pose, joints_xyz=pose.joints_xyz * (1, 1, -1))])
    assert len(drawn(image, FINGER_COLOURS["ring"])) == 0


def test_two_hands_are_drawn():
    other = {joint: (u, 60.0) for joint, (u, v) in FINGER.items()}
    image = overlay_poses(frame(), (pose_at(FINGER), pose_at(other, hand="left")))
    assert {60, 200} <= set(drawn(image, FINGER_COLOURS["ring"])[:, 1])


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_every_skeleton_is_drawn(skeleton):
    layout = SKELETONS[skeleton]
    points = {i: (40.0 + 10 * i, 40.0 + 9 * (i % 7)) for i in range(len(layout))}
    image = overlay_poses(frame(), [pose_at(points, skeleton=layout)])
    assert all(len(drawn(image, colour)) for colour in FINGER_COLOURS.values())


def test_words_are_written_in_the_corner():
    plain, written = (overlay_poses(frame(), [], text=text) for text in ((), ("29.9 frames/s", "latency 7.2 ms")))
    rows, columns = np.nonzero((plain != written).any(axis=-1))
    assert len(rows) > 100 and rows.max() < 32 and columns.max() < 160
    assert rows[rows > 14].size and rows[rows < 12].size


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.uint64, np.float16, np.float32, np.float64, ">u2"])
@pytest.mark.parametrize("depth_scale", [1.0, 0.5])
def test_a_frame_looks_the_same_in_every_type_and_unit(dtype, depth_scale):
    depth = (frame() / depth_scale).astype(dtype)
    before = depth.copy()
    image = overlay_poses(depth, [pose_at(FINGER)], depth_scale=depth_scale)
    np.testing.assert_array_equal(depth, before)
    assert abs(image.astype(int) - overlay_poses(frame(), [pose_at(FINGER)])).max() <= 3


@pytest.mark.parametrize("nothing", [0, -5, np.nan, np.inf, -np.inf])
def test_everything_that_is_no_depth_looks_alike(nothing):
    depth = frame().astype(np.float32)
    depth[depth == 0] = nothing
    np.testing.assert_array_equal(overlay_poses(depth, []), overlay_poses(frame().astype(np.float32), []))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 3), (480, 848), (33, 700)])
@pytest.mark.parametrize("value", [0, 1, 500, 65535])
def test_frames_of_any_size_are_drawn(shape, value):
    assert overlay_poses(np.full(shape, value, np.uint16), [], text=["x"]).shape == (*shape, 3)
    assert overlay_poses(np.full(shape, value, np.uint16)[::-1], [], width=64).shape[1] == 64


def test_a_window_of_the_frame_has_its_own_camera():
    window = CAMERA.window(60, 150, 200, 90)
    image = overlay_poses(frame()[150:, 60:260], [pose_at(FINGER)], camera=window)
    places = drawn(image, FINGER_COLOURS["ring"])
    assert abs(places[:, 1] - 50).max() <= 4 and places[:, 0].min() > 30


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"depth": frame()[1:]}, ValueError, "size of camera"),
        ({"depth": frame().astype(np.uint8)}, TypeError, "16-bit"),
        ({"depth": frame()[..., None]}, ValueError, "shape"),
        ({"depth": frame(), "depth_scale": 0}, ValueError, "positive number of mm"),
        ({"depth": frame(), "depth_scale": np.nan}, ValueError, "positive number of mm"),
        ({"depth": frame(), "width": 0}, ValueError, "whole number of px"),
        ({"depth": frame(), "width": 99.5}, ValueError, "whole number of px"),
    ],
)
def test_what_is_no_frame_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        overlay_poses(arguments.pop("depth"), [NOTHING], **arguments)


def test_a_pose_from_a_file_is_drawn_without_its_crop():
    pose = replace(pose_at({i: (100.0 + 5 * i, 150.0) for i in range(14)}, skeleton=NYU14), crop=None)
    assert all(len(drawn(overlay_poses(frame(), [pose]), colour)) for colour in FINGER_COLOURS.values())
