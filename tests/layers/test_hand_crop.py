"""The crop as a layer, and the way back: the same as the NumPy functions."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from rendered_frames import NAMES, parameters, rendered_frames

from keras_handpose import CAMERAS, xyz_to_uvd
from keras_handpose.layers import HandCrop, UnitToCamera
from keras_handpose.preprocessing import BACKGROUND, crop_hand

CAMERA = CAMERAS["msra15"]
CENTRE = (12.3, -4.5, 430.0)
CENTRES = [
    CENTRE,
    (-212.3, -104.5, 430.0),  # over the left and top border
    (230.0, 170.0, 415.0),  # over the right and bottom border
    (0.0, 0.0, 60.0),  # the front face lies behind the camera, the window is larger than the frame
    (0.0, 0.0, 5000.0),  # fewer frame pixels than crop pixels
    (2000.0, 0.0, 430.0),  # outside of the frame
]


def crop(frames, camera, centres_xyz, mirror=None, *, cube=250.0, size=128):
    layer = HandCrop(cube, size=size)
    mirror = None if mirror is None else np.asarray(mirror)
    images = layer(frames, parameters(camera, len(frames)), np.asarray(centres_xyz, np.float32), mirror=mirror)
    return keras.ops.convert_to_numpy(images)


def assert_same(images, frames, camera, centres_xyz, mirror, *, cube=250.0):
    """Check crops against the NumPy function, but for a few samples that fall on the border between two pixels."""
    size = images.shape[1]
    assert images.shape == (len(frames), size, size, 1) and images.dtype == np.float32
    for image, frame, centre_xyz, mirrored in zip(images, frames, centres_xyz, mirror, strict=True):
        expected = crop_hand(frame, camera, centre_xyz, cube=cube, size=size, mirror=mirrored).image
        assert (np.abs(image[..., 0] - expected) > 1e-5).mean() < 0.02
        assert ((image[..., 0] == BACKGROUND) != (expected == BACKGROUND)).mean() < 0.02


def noise(camera=CAMERA, n=6):
    return np.random.default_rng(0).integers(0, 800, (n, *camera.shape)).astype(np.float32)


@pytest.mark.parametrize(("cube", "size"), [(250.0, 128), (300.0, 49)])
@pytest.mark.parametrize(
    "camera", [CAMERA, CAMERAS["nyu"], CAMERA.window(100, 60, 40, 30)], ids=["qvga", "vga", "tiny"]
)
def test_noise(camera, cube, size):
    mirror = np.arange(len(CENTRES)) % 2 == 1
    images = crop(noise(camera), camera, CENTRES, mirror, cube=cube, size=size)
    assert_same(images, noise(camera), camera, CENTRES, mirror, cube=cube)
    assert (images[-1] == BACKGROUND).all()


@pytest.mark.parametrize("name", NAMES)
def test_rendered_frames(name):
    camera, frames = rendered_frames(name)
    depth = [np.median(frame[frame > 0]) for frame in frames]
    centres_xyz = np.stack([[20 * i, -10.0, z] for i, z in enumerate(depth)])
    images = crop(frames, camera, centres_xyz)
    assert_same(images, frames, camera, centres_xyz, [False] * len(frames))
    mirrored = crop(frames, camera, centres_xyz, [True] * len(frames))
    assert (mirrored != images[:, :, ::-1]).mean() < 0.01


@pytest.mark.parametrize(
    "depth", [0, np.nan, np.inf, -np.inf, -400.0, 555.0, 555.1, 9999.0, 305.0, 304.9, 1.0, 1e-30, -0.0, 3e38]
)
def test_all_but_the_cubes_contents_is_exactly_background(depth):
    frame = np.full((1, *CAMERA.shape), 430, np.float32)
    frame[:, ::2] = depth
    image = crop(frame, CAMERA, [(0.0, 0.0, 430.0)])
    assert set(np.unique(image)) == {np.float32(0), np.float32(BACKGROUND)}


@pytest.mark.parametrize(
    "centre",
    [(np.nan, 0, 400), (0, np.inf, 400), (0, 0, 0), (0, 0, -400), (0, 0, np.nan), (0, 0, np.inf), (0, 0, 1e-38)],
)
def test_no_centre_shows_nothing(centre):
    assert (crop(noise(n=1), CAMERA, [centre]) == BACKGROUND).all()


@pytest.mark.parametrize("factor", [np.nan, np.inf, 0, -1])
def test_a_camera_that_is_none_sees_nothing(factor):
    image = HandCrop(250)(noise(n=1), parameters(CAMERA) * np.float32(factor), np.float32([CENTRE]))
    assert (keras.ops.convert_to_numpy(image) == BACKGROUND).all()


def test_a_single_pixel():
    frame = np.full((1, 1, 1), 800, np.float32)
    image = crop(frame, CAMERA.window(160, 120, 1, 1), [(0, 0, 800)])
    assert 0 < (image < BACKGROUND).sum() < 16


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mirror", [False, True])
def test_the_way_back(name, mirror):
    camera = CAMERAS[name]
    joints_unit = np.random.default_rng(0).uniform(-1, 1, (2, 21, 3)).astype(np.float32)
    centres_xyz = [CENTRE, (80.0, 90.0, 100.0)]  # Some joints of the second hand lie behind the camera.
    joints_xyz, joints_uvd = map(
        keras.ops.convert_to_numpy,
        UnitToCamera(250)(joints_unit, np.float32(centres_xyz), np.array([mirror] * 2), parameters(camera, 2)),
    )
    for i, centre_xyz in enumerate(centres_xyz):
        numpy_crop = crop_hand(np.zeros(camera.shape, np.float32), camera, centre_xyz, mirror=mirror)
        expected_xyz = numpy_crop.unit_to_xyz(joints_unit[i].astype(np.float64))
        np.testing.assert_allclose(joints_xyz[i], expected_xyz, atol=1e-3)
        in_front = np.abs(expected_xyz[:, 2]) > 1.0
        np.testing.assert_allclose(joints_uvd[i][in_front], xyz_to_uvd(expected_xyz, camera)[in_front], rtol=1e-3)
    assert np.isnan(joints_uvd[1]).any() and not np.isnan(joints_uvd[0]).any()


def test_no_centre_no_joints():
    joints = UnitToCamera(250)(
        np.zeros((1, 21, 3), "float32"), np.full((1, 3), np.nan, "float32"), np.array([False]), parameters(CAMERA)
    )
    assert all(np.isnan(keras.ops.convert_to_numpy(values)).all() for values in joints)


def test_frames_of_unknown_size():
    camera, mirror, centre_xyz = keras.Input((4,)), keras.Input((), dtype="bool"), keras.Input((3,))
    image = HandCrop(300, size=64)(keras.Input((None, None)), camera, centre_xyz, mirror)
    assert (image.shape, image.dtype) == ((None, 64, 64, 1), "float32")
    for joints in UnitToCamera(300)(keras.Input((14, 3), dtype="float16"), centre_xyz, mirror, camera):
        assert (joints.shape, joints.dtype) == ((None, 14, 3), "float32")
