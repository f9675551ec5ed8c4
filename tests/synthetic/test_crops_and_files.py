"""Labelled crops and labelled frames: they agree with the library's own cameras and crops."""

from __future__ import annotations

import itertools
import json

import cv2
import numpy as np
import pytest

from keras_handpose import CAMERAS, ICVL16, MSRA21, Camera, crop_hand, xyz_to_uvd
from keras_handpose.synthetic import (
    describe_test_set,
    iterate_crops,
    render_crops,
    rendered_test_set,
    sample_poses,
    write_frames,
)


def same(a, b):
    return np.array_equal(a.images, b.images) and np.array_equal(a.joints_unit, b.joints_unit)


def test_crops_are_what_a_network_expects():
    crops = render_crops(40, seed=1)
    assert crops.images.shape == (40, 128, 128, 1) and crops.images.dtype == np.float32
    assert crops.images.min() > -1 and crops.images.max() == 1.0
    assert crops.joints_unit.dtype == np.float32 and np.abs(crops.joints_unit).max() < 2
    hand = (crops.images < 1).mean(axis=(1, 2, 3))
    assert (hand > 0.01).mean() > 0.95
    assert (crops.cubes == 250).all() and (render_crops(2, seed=1, cube=200).cubes == 200).all()
    np.testing.assert_allclose((crops.joints_xyz - crops.centres_xyz[:, None]) / 125, crops.joints_unit, atol=1e-5)


def test_joints_lie_on_the_hand_in_the_crop():
    crops = render_crops(64, seed=2)
    columns, rows = ((crops.joints_unit[..., :2] + 1) * 64 - 0.5).round().astype(int).transpose(2, 0, 1)
    inside = (columns >= 0) & (columns < 128) & (rows >= 0) & (rows < 128)
    frame = np.broadcast_to(np.arange(64)[:, None], inside.shape)[inside]
    covered = crops.images[frame, rows[inside], columns[inside], 0] < 1
    assert covered.mean() > 0.85


def test_seed_decides_not_the_number_of_workers():
    assert same(render_crops(40, seed=3, workers=1), render_crops(40, seed=3, workers=3))
    assert not same(render_crops(40, seed=3), render_crops(40, seed=4))


def test_a_stream_goes_on_where_it_stopped():
    whole = list(itertools.islice(iterate_crops(8, seed=5, workers=2), 4))
    rest = list(itertools.islice(iterate_crops(8, seed=5, start=2), 2))
    assert same(whole[2], rest[0]) and same(whole[3], rest[1])
    assert not same(whole[0], whole[1])


@pytest.mark.slow
def test_the_test_set_is_the_one_that_results_were_measured_on():
    assert "labels 0352000dc9fc2879;" in describe_test_set(rendered_test_set())


def test_poses_without_pictures_are_like_those_with():
    poses = sample_poses(2000, seed=0)
    crops = render_crops(200, seed=0)
    np.testing.assert_allclose(poses.std(axis=(0, 1)), crops.joints_unit.std(axis=(0, 1)), rtol=0.25)


@pytest.mark.parametrize(
    ("hand", "camera", "depth_scale"), [("right", "msra15", 1.0), ("left", "sr305", 0.125), ("left", "nyu", 1.0)]
)
def test_frames_on_disk(tmp_path, hand, camera, depth_scale):
    seen = []
    path = write_frames(
        tmp_path / "out", frames=18, camera=camera, hand=hand, depth_scale=depth_scale, seed=9, progress=seen.append
    )
    labels = json.loads(path.read_text())
    assert seen == list(range(1, 19)) and len(labels) == 18
    assert Camera(**labels[0]["camera"]) == CAMERAS[camera]
    covered = []
    for label in labels:
        units = cv2.imread(str(path.parent / label["file"]), cv2.IMREAD_UNCHANGED)
        assert units.dtype == np.uint16 and units.shape == CAMERAS[camera].shape
        depth = units * np.float32(depth_scale)
        joints_xyz = np.array(label["joints_xyz"])
        assert joints_xyz.shape == (21, 3) and label["hand"] == hand
        crop = crop_hand(depth, CAMERAS[camera], joints_xyz.mean(axis=0))
        at = np.floor(crop.uv_to_crop(xyz_to_uvd(joints_xyz, CAMERAS[camera])[:, :2]) + 0.5).astype(int)
        at = at[((at >= 0) & (at < 128)).all(axis=1)]
        covered.append((crop.image[at[:, 1], at[:, 0]] < 1).mean())
        radial, fingers = joints_xyz[1] - joints_xyz[13], joints_xyz[5] - joints_xyz[0]
        thumb = joints_xyz[17] - joints_xyz[0]
        assert (np.dot(np.cross(radial, fingers), thumb) > 0) == (hand == "right")
    assert np.mean(covered) > 0.8


def test_a_left_hand_is_a_right_hand_in_a_mirror(tmp_path):
    """For a camera whose principal point is in the middle, the same seed gives the same scene."""
    camera = Camera.from_fov(320, 240, horizontal=70)
    for hand in ("right", "left"):
        write_frames(tmp_path / hand, frames=2, camera=camera, hand=hand, seed=1, skeleton=ICVL16)
    right, left = (json.loads((tmp_path / hand / "labels.json").read_text()) for hand in ("right", "left"))
    frames = [cv2.imread(str(tmp_path / hand / "frame_000001.png"), cv2.IMREAD_UNCHANGED) for hand in ("right", "left")]
    np.testing.assert_array_equal(frames[0][:, ::-1], frames[1])
    mirrored = np.array(right[1]["joints_xyz"]) * [-1, 1, 1]
    np.testing.assert_array_equal(mirrored, np.array(left[1]["joints_xyz"]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"camera": "webcam"}, "`camera` must be one of msra15"),
        ({"sensor": "radar"}, "`sensor` must be one of ideal"),
        ({"hand": "both"}, "'right' or 'left'"),
        ({"frames": 0}, "at least 1"),
    ],
)
def test_wrong_arguments_write_nothing(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        write_frames(tmp_path / "out", **{"frames": 1, "skeleton": MSRA21, **wrong})
    assert not (tmp_path / "out").exists()
