"""Augmented crops are what the camera would have shown: the frame, cropped again, is the referee."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keras_handpose import CAMERAS, MSRA21, Camera, crop_hand, xyz_to_uvd
from keras_handpose.datasets import Augmentation, LabelledCrops, recrop
from keras_handpose.synthetic import render_crops, render_spheres

MIRROR = np.array([-1, 1, 1])


@pytest.fixture(scope="module")
def rendered() -> LabelledCrops:
    return render_crops(24, seed=4)


def as_labelled(crop, joints_xyz: np.ndarray) -> LabelledCrops:
    """One crop as a batch, in the mirrored space if it was mirrored."""
    return LabelledCrops(
        images=crop.image[None, ..., None],
        joints_unit=crop.xyz_to_unit(joints_xyz)[None].astype(np.float32),
        centres_xyz=np.array([crop.cube.centre_xyz]) * (MIRROR if crop.mirrored else 1),
        cubes=np.array([crop.cube.size]),
        skeleton=MSRA21,
    )


def turned(points: np.ndarray, degrees: float, about: float = 0.0) -> np.ndarray:
    """Turn points clockwise in a picture whose rows go down."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (points - about) @ np.array([[c, s], [-s, c]]) + about


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize(
    ("shift", "cube"),
    [
        ((0, 0, 0), 250.0),
        ((7.3, -4.1, 0), 250.0),
        ((0, 0, 11.9), 250.0),
        ((0, 0, 0), 217.0),
        ((0, 0, 0), 290.0),
        ((-9.2, 5.7, -8.4), 263.0),
    ],
)
def test_another_cube_is_what_the_frame_shows_in_it(shift, cube, mirror):
    """The camera's pixels are the crop's, so both take the very same ones; each has a depth of its own, some none."""
    camera = Camera(width=330, height=310, fx=204.8, fy=204.8, cx=160.0, cy=150.5)
    centre = np.array([(140.5 - camera.cx) * 400 / camera.fx, (160.5 - camera.cy) * 400 / camera.fy, 400.0])
    rng = np.random.default_rng(0)
    depth = rng.uniform(250, 560, camera.shape).astype(np.float32)
    depth[rng.random(camera.shape) < 0.1] = 0
    joints_xyz = centre + rng.uniform(-90, 90, (21, 3))
    crops = as_labelled(crop_hand(depth, camera, centre, mirror=mirror), joints_xyz)

    moved = centre + np.array(shift) * (MIRROR if mirror else 1)
    truth = crop_hand(depth, camera, moved, cube=cube, mirror=mirror)
    cut = recrop(crops, centres_xyz=crops.centres_xyz + shift, cubes=cube)

    np.testing.assert_allclose(cut.joints_unit[0], truth.xyz_to_unit(joints_xyz), atol=1e-6)
    np.testing.assert_allclose(cut.joints_xyz, crops.joints_xyz, atol=1e-4)
    # Of the truth the crop shows what lies in its own window and cube.
    first = crop_hand(depth, camera, centre, mirror=mirror)
    rows, columns = np.indices((128, 128))
    at = first.uv_to_crop(truth.crop_to_uv(np.stack([columns, rows], axis=-1)))
    shown = ((at > -0.5) & (at < 127.5)).all(axis=-1)
    truth_mm = moved[2] + truth.image * (cube / 2)
    shown &= np.abs(truth_mm - centre[2]) < 125
    expected = np.where(shown, truth.image, 1.0)
    same = np.isclose(cut.images[0, ..., 0], expected, atol=1e-5)
    assert shown.mean() > 0.5
    assert same.mean() > 0.999, "but for samples between two pixels, where rounding decides"


@pytest.mark.parametrize(("degrees", "turns"), [(90, -1), (-90, 1), (180, 2)])
def test_quarters_of_a_turn(rendered, degrees, turns):
    cut = recrop(rendered, angles=degrees)
    np.testing.assert_array_equal(cut.images[..., 0], np.rot90(rendered.images[..., 0], turns, axes=(1, 2)))


def test_turning_leaves_depths_and_turns_pixels_about_the_middle():
    camera = Camera(width=320, height=240, fx=241.0, fy=290.0, cx=160.0, cy=120.0)
    rng = np.random.default_rng(1)
    for degrees in (-133.0, 17.0, 180.0):
        centre = rng.uniform([-80, -60, 350], [80, 60, 600])
        joints_xyz = centre + rng.uniform(-100, 100, (21, 3))
        crop = crop_hand(np.zeros(camera.shape, np.float32), camera, centre)
        cut = recrop(as_labelled(crop, joints_xyz), angles=degrees)

        def pixels(joints_xyz, crop=crop):
            return crop.uv_to_crop(xyz_to_uvd(joints_xyz, camera)[:, :2])

        np.testing.assert_allclose(cut.joints_xyz[0, :, 2], joints_xyz[:, 2], atol=1e-4)
        np.testing.assert_allclose(
            pixels(cut.joints_xyz[0]), turned(pixels(joints_xyz), degrees, about=63.5), atol=1e-4
        )


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(rotation=180),
        Augmentation(scale=0.2),
        Augmentation(jitter_mm=8),
        Augmentation(rotation=180, scale=0.2, jitter_mm=8, noise_mm=0.5),
    ],
)
def test_joints_stay_in_what_they_are_joints_of(augmentation):
    """Every joint is the middle of a ball: the depth at its pixel is that of the ball's front."""
    camera, radius = CAMERAS["msra15"], 9.0
    rng = np.random.default_rng(2)
    across, down = np.meshgrid(np.linspace(-66, 66, 5), np.linspace(-66, 66, 5))
    checked = 0
    for _ in range(12):
        centre = rng.uniform([-60, -40, 330], [60, 40, 450])
        offsets = np.stack([across, down, rng.uniform(-40, 40, across.shape)], axis=-1).reshape(-1, 3)[:21]
        joints_xyz = centre + offsets
        spheres = np.column_stack([joints_xyz, np.full(21, radius)])
        crops = as_labelled(crop_hand(render_spheres(spheres, camera), camera, centre), joints_xyz)
        cut = augmentation.apply(crops, rng)

        xyz, h = cut.joints_xyz[0], cut.cubes[0] / 2
        ab = (xyz[:, :2] * cut.centres_xyz[0, 2] / xyz[:, 2:] - cut.centres_xyz[0, :2]) / h
        columns, rows = np.floor((ab + 1) * 64).astype(int).T
        inside = (ab > -0.95).all(axis=1) & (ab < 0.95).all(axis=1)
        front = cut.images[0, rows[inside], columns[inside], 0] * h + cut.centres_xyz[0, 2]
        np.testing.assert_allclose(front, xyz[inside, 2] - radius, atol=2.5)
        checked += inside.sum()
    assert checked > 200


def test_what_augmented_crops_keep(rendered):
    before = rendered.images.copy(), rendered.joints_unit.copy(), rendered.centres_xyz.copy()
    augmentation = Augmentation(rotation=180, scale=0.3, jitter_mm=20, noise_mm=5)
    first = augmentation.apply(rendered, np.random.default_rng(3))
    again = augmentation.apply(rendered, np.random.default_rng(3))
    other = augmentation.apply(rendered, np.random.default_rng(4))
    for name in ("images", "joints_unit", "centres_xyz", "cubes"):
        array = getattr(first, name)
        np.testing.assert_array_equal(array, getattr(again, name))
        assert not np.array_equal(array, getattr(other, name))
        assert array.dtype == getattr(rendered, name).dtype and array.shape == getattr(rendered, name).shape
    assert first.images.min() > -1 and first.images.max() == 1.0
    assert ((first.cubes >= 0.7 * 250) & (first.cubes <= 1.3 * 250)).all() and first.cubes.std() > 20
    assert first.skeleton is rendered.skeleton
    for array, kept in zip((rendered.images, rendered.joints_unit, rendered.centres_xyz), before, strict=True):
        np.testing.assert_array_equal(array, kept)


def test_noise_is_on_the_hand_only_and_in_mm(rendered):
    noisy = Augmentation(noise_mm=2.0).apply(replace(rendered, cubes=rendered.cubes * 1.6), np.random.default_rng(5))
    hand = (rendered.images < 1) & (noisy.images < 1)
    assert (noisy.images[rendered.images == 1] == 1).all() and hand.sum() > 0.95 * (rendered.images < 1).sum()
    difference_mm = (noisy.images - rendered.images)[hand] * 200
    assert abs(difference_mm.mean()) < 0.05 and difference_mm.std() == pytest.approx(2.0, rel=0.05)
    np.testing.assert_array_equal(noisy.joints_unit, rendered.joints_unit)


def test_jitter_and_scale_have_the_size_that_was_asked_for(rendered):
    crops = rendered.crops(np.zeros(400, int))
    cut = Augmentation(jitter_mm=6.0, scale=0.1).apply(crops, np.random.default_rng(6))
    np.testing.assert_allclose((cut.centres_xyz - crops.centres_xyz).std(axis=0), 6.0, rtol=0.15)
    assert (cut.cubes / crops.cubes).std() == pytest.approx(0.2 / np.sqrt(12), rel=0.1)
    np.testing.assert_allclose(cut.joints_xyz, crops.joints_xyz, atol=1e-3)


def test_off_by_default(rendered):
    assert Augmentation().apply(rendered, np.random.default_rng(0)) is rendered


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rotation": 181.0}, "`rotation` must be from 0 to 180 degrees. Received: rotation=181.0"),
        ({"scale": 1.0}, "`scale` must be at least 0 and less than 1"),
        ({"jitter_mm": -1.0}, "`jitter_mm` must be a finite number of mm, at least 0"),
        ({"noise_mm": float("nan")}, "Received: noise_mm=nan"),
    ],
)
def test_impossible_augmentations(wrong, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"centres_xyz": np.zeros((24, 3))}, "in front of the camera"),
        ({"centres_xyz": np.ones((3, 3))}, r"shape \(24, 3\)"),
        ({"cubes": 0.0}, "Cubes must be positive"),
        ({"angles": np.inf}, "angles finite"),
    ],
)
def test_impossible_crops(rendered, wrong, message):
    with pytest.raises(ValueError, match=message):
        recrop(rendered, **wrong)
