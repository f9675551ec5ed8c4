"""Pictures: what is in them, and that they leave the world alone."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.axes3d import Axes3D

from keras_handpose.cameras import CAMERAS
from keras_handpose.estimator import Pose
from keras_handpose.plotting import FINGER_COLOURS, plot_pose, plot_poses
from keras_handpose.preprocessing import crop_hand
from keras_handpose.skeletons import SKELETONS

CAMERA = CAMERAS["sr305"]
SCALE = 0.125


def frame() -> np.ndarray:
    """A tilted disc before a wall with holes in it, in units of 0.125 mm."""
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width]
    depth = np.where(np.hypot(u - 300, v - 200) < 60, 400 + 0.2 * (u - 300), 900)
    return np.where((u + v) % 50 < 3, 0, depth / SCALE).astype(np.uint16)


def pose_of(skeleton: str = "msra21", *, hand: str = "right") -> Pose:
    depth = frame() * np.float32(SCALE)
    crop = crop_hand(depth, CAMERA, (-11.0, -36.0, 400.0), mirror=hand == "left")
    layout = SKELETONS[skeleton]
    joints_unit = np.random.default_rng(0).uniform(-0.5, 0.5, (len(layout), 3))
    return Pose(
        found=True,
        joints_xyz=crop.unit_to_xyz(joints_unit),
        centre_xyz=np.array(crop.cube.centre_xyz),
        crop=crop,
        score=0.87,
        hand=hand,
        skeleton=layout,
        camera=CAMERA,
        depth_scale=SCALE,
    )


def texts(figure: Figure) -> list[str]:
    found = [text.get_text() for part in (figure, *figure.subfigs) for text in part.texts]
    return found + [text.get_text() for axes in figure.axes for text in axes.texts]


def pixels(figure: Figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


@pytest.mark.parametrize("skeleton", SKELETONS)
@pytest.mark.parametrize("hand", ["right", "left"])
def test_a_pose_is_drawn_over_frame_and_crop_and_in_space(skeleton, hand):
    pose = pose_of(skeleton, hand=hand)
    figure = plot_pose(frame(), pose, truth_xyz=pose.joints_xyz + [3, 0, 4])
    on_frame, on_crop, in_space = figure.axes
    assert isinstance(in_space, Axes3D)
    (joints,) = (scatter for scatter in on_frame.collections if len(scatter.get_offsets()) == len(pose.skeleton))
    np.testing.assert_allclose(joints.get_offsets(), pose.joints_uvd[:, :2])
    (joints,) = (scatter for scatter in on_crop.collections if len(scatter.get_offsets()) == len(pose.skeleton))
    np.testing.assert_allclose(joints.get_offsets(), pose.crop.uv_to_crop(pose.joints_uvd[:, :2]))
    assert "score 0.87    mean error 5.0 mm" in texts(figure)
    assert ("what the network saw, mirrored" in texts(figure)) == (hand == "left")
    assert pixels(figure).std() > 20


def test_the_truth_is_thinner_than_the_estimate():
    pose = pose_of()
    with_truth, without = (plot_pose(frame(), pose, truth_xyz=truth).axes[1] for truth in (pose.joints_xyz + 2, None))
    widths = [line.get_linewidth()[0] for line in with_truth.collections if isinstance(line, LineCollection)]
    estimate = [line.get_linewidth()[0] for line in without.collections if isinstance(line, LineCollection)]
    assert widths[: len(estimate)] == estimate and max(widths[len(estimate) :]) < min(estimate)


def test_space_has_equal_axes_around_the_whole_hand():
    pose = pose_of()
    in_space = plot_pose(frame(), pose).axes[2]
    limits = np.array([in_space.get_xlim(), in_space.get_ylim(), in_space.get_zlim()])
    np.testing.assert_allclose(np.ptp(limits, axis=1), np.ptp(limits[0]))
    points = pose.joints_xyz[:, [0, 2, 1]] * (1, 1, -1)
    assert (points > limits[:, 0]).all() and (points < limits[:, 1]).all()


def test_a_frame_without_a_hand_says_so():
    nothing = Pose.not_found(skeleton=SKELETONS["msra21"], camera=CAMERA, depth_scale=SCALE)
    for depth in (frame(), np.zeros(CAMERA.shape, np.uint16), np.full(CAMERA.shape, np.nan, np.float32)):
        figure = plot_pose(depth, nothing)
        assert "no hand found" in texts(figure)
        pixels(figure)


def test_missing_depth_does_not_look_like_any_depth():
    pose = pose_of()
    depth = np.linspace(1, 65535, CAMERA.width * CAMERA.height).reshape(CAMERA.shape).astype(np.uint16)
    depth[200:300, 300:400] = 0
    image = plot_pose(depth, pose).axes[0].images[0].get_array()
    assert (image[200:300, 300:400, 3] == 0).all()
    assert (image[:200, :, 3] == 1).all()


def test_a_pose_from_a_file_is_drawn_without_its_crop():
    pose = Pose.from_dict(pose_of().to_dict())
    figure = plot_pose(frame(), pose)
    assert "the crop was not kept" in texts(figure) and len(figure.axes) == 3


def test_several_poses_get_a_row_each():
    poses = [pose_of(), pose_of(hand="left"), Pose.not_found(skeleton=SKELETONS["msra21"], camera=CAMERA)]
    figure = plot_poses([frame()] * 3, poses, titles=["one", None, "three"])
    assert {"one", "sr305, left hand", "three"} <= set(texts(figure))
    assert len(figure.axes) == 3 + 3 + 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depths": [], "poses": []}, "one or more poses"),
        ({"depths": [frame()], "poses": [pose_of()] * 2}, "1 frames, 2 poses"),
        ({"depths": [frame()], "poses": [pose_of()], "titles": []}, "0 titles"),
        ({"depths": [frame()], "poses": [pose_of()], "truths_xyz": [np.zeros((20, 3))]}, r"shape \(21, 3\)"),
        ({"depths": [frame()[1:]], "poses": [pose_of()]}, "size of camera"),
    ],
)
def test_what_does_not_belong_together_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        plot_poses(**arguments)


def test_long_titles_are_shortened_in_the_middle():
    (title,) = (text for text in texts(plot_pose(frame(), pose_of(), title="a" * 60 + "b")) if text.startswith("aa"))
    assert len(title) == 48 and title.endswith("ab")


def test_a_frame_is_not_changed():
    depth, pose = frame(), pose_of()
    before, image = depth.copy(), pose.crop.image.copy()
    plot_pose(depth, pose)
    np.testing.assert_array_equal(depth, before)
    np.testing.assert_array_equal(pose.crop.image, image)


def test_joints_beyond_the_cube_and_behind_the_camera_are_drawn_where_they_can_be():
    pose = pose_of()
    joints_xyz = pose.joints_xyz.copy()
    joints_xyz[3], joints_xyz[4] = (0, 0, -50), (500, 0, 400)
    pixels(plot_pose(frame(), replace(pose, joints_xyz=joints_xyz)))


def test_pyplot_is_not_touched():
    code = "import sys, keras_handpose.plotting; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# How people without one kind of cone see linear RGB (Machado, Oliveira and Fernandes 2009, severity 1).
COLOUR_VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("vision", COLOUR_VISION)
def test_fingers_differ_for_every_colour_vision(vision):
    srgb = np.array([to_rgb(colour) for colour in FINGER_COLOURS.values()])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(COLOUR_VISION[vision]).T, 0, 1)
    # CIE L*a*b* for the white of sRGB.
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(seen @ to_xyz.T / to_xyz.sum(axis=1)).T
    lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)[np.triu_indices(5, 1)]
    assert distances.min() > 20
