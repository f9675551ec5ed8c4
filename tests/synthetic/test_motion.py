"""The rendered hand that moves: the same for the same seed, smooth, in the frame, and where its labels say."""

from __future__ import annotations

import numpy as np
import pytest

from keras_handpose import CAMERAS, MSRA21, SKELETONS, Camera, corresponding_joints, xyz_to_uvd
from keras_handpose.capture import FrameSource, Paced
from keras_handpose.preprocessing import detect_hand
from keras_handpose.skeletons import HAND56, Skeleton
from keras_handpose.synthetic.motion import RenderedMotion

SECONDS = 20


def joints_of(motion: RenderedMotion, frames: int, skeleton: Skeleton = MSRA21) -> np.ndarray:
    return np.stack([motion.joints_xyz(i, skeleton) for i in range(frames)])


def in_mm(frame) -> np.ndarray:
    return frame.depth * np.float32(frame.depth_scale)


def test_it_is_a_source_of_frames():
    motion = RenderedMotion(3, camera="realsense_d435", depth_scale=1.0, rate=60)
    assert isinstance(motion, FrameSource) and not motion.live
    frames = list(motion)
    assert [frame.time for frame in frames] == [0, 1 / 60, 2 / 60]
    assert all(frame.camera is CAMERAS["realsense_d435"] and frame.depth_scale == 1.0 for frame in frames)
    assert all(frame.depth.shape == (480, 848) and frame.depth.dtype == np.uint16 for frame in frames)
    assert [frame.time for frame in Paced(RenderedMotion(2, camera="msra15", rate=200))] == [0, 0.005]
    motion.close()


def test_frames_depend_on_seed_and_number_alone():
    forwards = [frame.depth for frame in RenderedMotion(40, camera="msra15", seed=4)]
    again = RenderedMotion(camera="msra15", seed=4)
    for i in (39, 0, 16, 15, 33):
        np.testing.assert_array_equal(again.frame(i).depth, forwards[i])
    joints_xyz = again.joints_xyz(7)
    again.joints_xyz(100_000)  # After hours, in as little time.
    np.testing.assert_array_equal(again.joints_xyz(7), joints_xyz)
    other = RenderedMotion(camera="msra15", seed=5)
    assert (other.frame(0).depth != forwards[0]).any() and abs(other.joints_xyz(0) - again.joints_xyz(0)).max() > 10


def test_the_units_are_those_of_the_frames():
    fine, coarse = (RenderedMotion(1, camera="msra15", wall=True, depth_scale=scale).frame(0) for scale in (0.125, 1.0))
    assert abs(in_mm(fine) - in_mm(coarse)).max() <= 0.5 + 0.0625
    tiny = RenderedMotion(1, camera="msra15", wall=True, depth_scale=0.01).frame(0)  # Says no more than 655 mm.
    near = in_mm(fine) < 650
    np.testing.assert_allclose(in_mm(tiny)[near], in_mm(fine)[near], atol=0.07)
    assert (in_mm(tiny)[in_mm(fine) > 660] == 0).all() and (in_mm(fine) > 660).any()


@pytest.mark.parametrize("seed", range(4))
def test_joints_move_smoothly(seed):
    joints_xyz = joints_of(RenderedMotion(camera="msra15", seed=seed), SECONDS * 30)
    steps = np.linalg.norm(np.diff(joints_xyz, axis=0), axis=-1)
    assert 1.0 < np.median(steps) < 4.0 and steps.max() < 30
    changes = np.linalg.norm(np.diff(joints_xyz, 2, axis=0), axis=-1)
    assert changes.max() < 4  # mm a frame more or less from one frame to the next
    centres_xyz = joints_of(RenderedMotion(camera="msra15", seed=seed), SECONDS * 30, HAND56)
    bones = np.linalg.norm(np.diff(centres_xyz[:, HAND56.fingers["index"]], axis=1), axis=-1)
    assert np.ptp(bones, axis=0).max() < 1e-6
    # Meanwhile, fingers close and open, and the hand turns and goes places.
    spans = np.linalg.norm(joints_xyz[:, list(MSRA21.tips)] - joints_xyz[:, [MSRA21.index("wrist")]], axis=-1)
    assert np.ptp(spans, axis=0).max() > 50 and (np.ptp(joints_xyz[:, 0], axis=0) > 60).all()


def test_speed_and_rate_say_how_far_a_frame_goes():
    slow = joints_of(RenderedMotion(camera="msra15", rate=60), 64)
    quick = joints_of(RenderedMotion(camera="msra15", rate=30, speed=2.0), 16)
    np.testing.assert_allclose(slow[::4], quick, atol=1e-9)


@pytest.mark.parametrize(
    "camera",
    [*CAMERAS.values(), Camera(width=400, height=300, fx=700, fy=900, cx=120, cy=200, name="narrow")],
    ids=lambda camera: camera.name,
)
def test_the_whole_hand_stays_in_the_frame(camera):
    for seed, hand in ((0, "right"), (1, "left"), (2, "right")):
        motion = RenderedMotion(camera=camera, seed=seed, hand=hand, speed=20)
        uvd = xyz_to_uvd(joints_of(motion, 320), camera)
        assert (uvd[..., :2] > 0).all() and (uvd[..., :2] < [camera.width - 1, camera.height - 1]).all()
        nearest, farthest = uvd[..., 2].min(), uvd[..., 2].max()
        assert nearest > 150 and (camera.name == "narrow" or farthest < 750)


def test_distances_are_those_of_the_middle_of_the_hand():
    z = joints_of(RenderedMotion(camera="msra15", distance=(800, 900), speed=20), 200)[..., 2]
    assert 700 < z.min() < 800 < 900 < z.max() < 1000


@pytest.mark.parametrize("wall", [False, True])
def test_joints_lie_behind_the_surface_that_shows_them(wall):
    motion = RenderedMotion(camera="kinect_v2", sensor="ideal", wall=wall, seed=3, speed=10)
    for i in range(0, 160, 8):
        u, v, d = xyz_to_uvd(motion.joints_xyz(i), motion.camera).T
        seen = in_mm(motion.frame(i))[v.round().astype(int), u.round().astype(int)]
        assert (seen > 0).mean() > 0.9
        shown = (seen > 0) & (seen < d + 60)  # Else a joint's pixel shows what is beside the finger.
        assert shown.mean() > 0.8 and (seen[shown] < d[shown] + 2).mean() > 0.95
        assert np.median(d[shown] - seen[shown]) < 40


def test_walls_stand_behind_the_hand():
    motion = RenderedMotion(camera="msra15", sensor="ideal", wall=True, seed=0, speed=20)
    for i in range(0, 160, 16):
        depth, joints_xyz = in_mm(motion.frame(i)), motion.joints_xyz(i)
        assert (depth > 0).all() and (depth[:, [0, -1]].min(axis=0) > joints_xyz[:, 2].max()).all()
    assert {RenderedMotion(camera="msra15", seed=seed).wall for seed in range(12)} == {False, True}


def test_left_hands_are_right_ones_in_a_mirror():
    camera = CAMERAS["sr305"]
    left = RenderedMotion(camera=camera, hand="left", seed=2)
    right = RenderedMotion(camera=camera.mirrored(), hand="right", seed=2)
    for i in (0, 40):
        np.testing.assert_array_equal(left.frame(i).depth, right.frame(i).depth[:, ::-1])
        np.testing.assert_array_equal(left.joints_xyz(i), right.joints_xyz(i) * [-1, 1, 1])
        assert left.frame(i).camera == camera


def test_a_hand_that_rests_rests():
    motion = RenderedMotion(camera="msra15", still=True, wall=False, seed=1)
    assert np.ptp(joints_of(motion, 50), axis=0).max() == 0
    first, later = (in_mm(motion.frame(i)) for i in (0, 40))
    both = (first > 0) & (later > 0)
    assert 0.2 < np.std(first[both] - later[both]) < 20 and (first != later).any()
    exact = RenderedMotion(camera="msra15", sensor="ideal", still=True)
    np.testing.assert_array_equal(exact.frame(0).depth, exact.frame(40).depth)


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda skeleton: skeleton.name)
def test_joints_are_those_of_any_skeleton(skeleton):
    motion = RenderedMotion(camera="msra15")
    joints_xyz = motion.joints_xyz(5, skeleton)
    assert joints_xyz.shape == (len(skeleton), 3)
    indices, _ = corresponding_joints(HAND56, skeleton)
    np.testing.assert_array_equal(joints_xyz, motion.joints_xyz(5, HAND56)[indices])


def test_the_hand_is_found():
    near = []
    for seed, camera in enumerate(("msra15", "sr305", "kinect_v2", "realsense_d435", "nyu")):
        motion = RenderedMotion(camera=camera, seed=seed, speed=16)
        for i in range(0, 96, 4):
            found = detect_hand(in_mm(motion.frame(i)), motion.camera, min_score=0.3)
            near.append(found.found and np.linalg.norm(found.centre_xyz - motion.joints_xyz(i).mean(axis=0)) < 100)
    assert np.mean(near) >= 0.95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"camera": "sr306"}, "`camera` must be one of msra15"),
        ({"sensor": "sonar"}, "`sensor` must be one of ideal.*Received: 'sonar'"),
        ({"distance": (500, 300)}, "two growing positive numbers"),
        ({"hand": "both"}, "'right' or 'left'"),
        ({"rate": 0}, "positive number of frames per second"),
        ({"speed": 0.0}, "still=True"),
        ({"depth_scale": float("nan")}, "mm in one unit"),
        ({"frames": -1}, "a number of frames or None"),
        ({"seed": -1}, "`seed` must be at least 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        RenderedMotion(**arguments)


def test_there_are_no_frames_beyond_the_last_one():
    motion = RenderedMotion(2, camera="msra15")
    with pytest.raises(IndexError, match="of 2 frames. Received: 2"):
        motion.frame(2)
    with pytest.raises(IndexError, match="Received: -1"):
        RenderedMotion(camera="msra15").joints_xyz(-1)
