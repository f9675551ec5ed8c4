"""The crop: against its definition written as a loop, its inverse, its borders, mirroring, and the centre's steps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keras_handpose import CAMERAS, Camera, uvd_to_xyz, xyz_to_uvd
from keras_handpose.preprocessing import BACKGROUND, HandCube, crop_hand, refine_centre

CAMERA = CAMERAS["msra15"]
CENTRE = (12.3, -4.5, 430.0)


def noise(camera=CAMERA, dtype=np.uint16):
    return np.random.default_rng(0).integers(0, 800, camera.shape).astype(dtype)


def crop_by_the_book(depth, camera, centre_xyz, cube, size):
    """Follow the module's description pixel by pixel."""
    x, y, z = centre_xyz
    w, h = cube * camera.fx / z, cube * camera.fy / z
    u0, v0 = camera.fx * x / z + camera.cx + 0.5 - w / 2, camera.fy * y / z + camera.cy + 0.5 - h / 2
    image = np.full((size, size), BACKGROUND, np.float32)
    for j in range(size):
        for i in range(size):
            u = math.floor(u0 + (i + 0.5) * w / size - 0.5 + 0.5)
            v = math.floor(v0 + (j + 0.5) * h / size - 0.5 + 0.5)
            if 0 <= u < camera.width and 0 <= v < camera.height:
                n = (float(depth[v, u]) - z) * (2 / cube)
                if max(-1, -z * (2 / cube)) < n < 1:
                    image[j, i] = n
    return image


@pytest.mark.parametrize(
    "camera", [CAMERA, CAMERAS["nyu"], CAMERA.window(100, 60, 40, 30)], ids=["qvga", "vga", "tiny"]
)
@pytest.mark.parametrize(
    ("centre", "cube"),
    [
        (CENTRE, 250.0),
        ((-212.3, -104.5, 430.0), 250.0),  # over the left and top border
        ((230.0, 170.0, 415.0), 180.0),  # over the right and bottom border
        ((0.0, 0.0, 60.0), 250.0),  # the front face lies behind the camera, the window is larger than the frame
        ((0.0, 0.0, 5000.0), 250.0),  # fewer frame pixels than crop pixels
    ],
)
def test_follows_its_definition(camera, centre, cube):
    depth = noise(camera)
    crop = crop_hand(depth, camera, centre, cube=cube, size=48)
    assert crop.image.shape == (48, 48) and crop.image.dtype == np.float32
    np.testing.assert_allclose(crop.image, crop_by_the_book(depth, camera, centre, cube, 48), atol=1e-6)


def test_outside_of_the_frame_is_background():
    crop = crop_hand(np.full(CAMERA.shape, 430, np.uint16), CAMERA, (2000.0, 0.0, 430.0))
    assert (crop.image == BACKGROUND).all()


@pytest.mark.parametrize(
    "depth", [0, np.nan, np.inf, -np.inf, -400.0, 555.0, 555.1, 9999.0, 305.0, 304.9, 1.0, 1e-30, -0.0, 3e38]
)
def test_all_but_the_cubes_contents_is_exactly_background(depth):
    frame = np.full(CAMERA.shape, 430, np.float32)
    frame[::2] = depth
    image = crop_hand(frame, CAMERA, (0.0, 0.0, 430.0)).image
    assert set(np.unique(image)) == {np.float32(0.0), np.float32(BACKGROUND)}


@pytest.mark.parametrize(("depth", "value"), [(305.5, -0.996), (430.0, 0.0), (492.5, 0.5), (554.5, 0.996)])
def test_depth_is_measured_in_half_cubes(depth, value):
    frame = np.full(CAMERA.shape, depth, np.float32)
    assert crop_hand(frame, CAMERA, (0.0, 0.0, 430.0)).image[64, 64] == pytest.approx(value)


@pytest.mark.parametrize("centre", [CENTRE, (-150.0, 100.0, 430.0)])
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.float64])
def test_types_agree(centre, dtype):
    depth = noise()
    expected = crop_hand(depth, CAMERA, centre).image
    np.testing.assert_array_equal(crop_hand(depth.astype(dtype), CAMERA, centre).image, expected)
    np.testing.assert_array_equal(crop_hand(np.asfortranarray(depth), CAMERA, centre).image, expected)


def test_nothing_is_changed():
    depth = noise(dtype=np.float32)
    depth[::7] = np.nan
    kept = depth.copy()
    depth.setflags(write=False)
    crop = crop_hand(depth, CAMERA, CENTRE, mirror=True)
    refine_centre(depth, CAMERA, CENTRE)
    np.testing.assert_array_equal(depth, kept)
    assert not np.shares_memory(crop.image, depth)


def test_perspective_scale():
    # A ball with a tenth of the cube's edge as radius covers its share of the crop, from near and from afar.
    for z in (300.0, 600.0, 1200.0):
        camera = CAMERAS["nyu"]
        v, u = np.mgrid[: camera.height, : camera.width]
        rays = uvd_to_xyz(np.stack([u, v, np.ones_like(u)], axis=-1).astype(float), camera)
        centre = np.array([40.0, -30.0, z])
        along = rays @ centre / (rays**2).sum(axis=-1)
        missed = (np.linalg.norm(rays * along[..., None] - centre, axis=-1)) > 25.0
        depth = np.where(missed, 0, z).astype(np.float32)
        inside = crop_hand(depth, camera, centre, cube=250.0).image < BACKGROUND
        assert inside.sum() == pytest.approx(math.pi * 12.8**2, rel=0.05)
        rows, columns = np.nonzero(inside)
        assert rows.mean() == pytest.approx(63.5, abs=0.5) and columns.mean() == pytest.approx(63.5, abs=0.5)


# === The way back ===


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_there_and_back(mirror, dtype):
    crop = crop_hand(noise(), CAMERA, CENTRE, mirror=mirror)
    joints_xyz = (np.random.default_rng(1).uniform(-120, 120, (2, 21, 3)) + CENTRE).astype(dtype)
    joints_unit = crop.xyz_to_unit(joints_xyz)
    assert joints_unit.dtype == dtype and np.abs(joints_unit).max() < 1
    back_xyz = crop.unit_to_xyz(joints_unit)
    assert back_xyz.dtype == dtype
    np.testing.assert_allclose(back_xyz, joints_xyz, atol=1e-3 if dtype == np.float32 else 1e-9)
    points = np.random.default_rng(2).uniform(-20, 300, (5, 2))
    np.testing.assert_allclose(crop.crop_to_uv(crop.uv_to_crop(points)), points)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("centre", [CENTRE, (-140.0, 90.0, 430.0)])
def test_crop_then_uncrop_is_the_same_mm(mirror, centre):
    # Every crop pixel leads back to the frame's pixel that it shows, and that pixel's point to the crop's value.
    depth = noise()
    crop = crop_hand(depth, CAMERA, centre, mirror=mirror)
    row, column = np.nonzero(crop.image < BACKGROUND)
    u, v = np.floor(crop.crop_to_uv(np.stack([column, row], axis=-1)) + 0.5).astype(int).T
    points_xyz = uvd_to_xyz(np.stack([u, v, depth[v, u]], axis=-1).astype(float), CAMERA)
    np.testing.assert_allclose(crop.xyz_to_unit(points_xyz)[:, 2], crop.image[row, column], atol=1e-6)
    back = crop.uv_to_crop(xyz_to_uvd(points_xyz, CAMERA)[:, :2])
    pixel = max(crop.image.shape) / min(crop.width, crop.height)
    assert np.abs(back - np.stack([column, row], axis=-1)).max() <= pixel / 2 + 1e-9


@pytest.mark.parametrize("mirror", [False, True])
def test_centre_is_the_middle(mirror):
    crop = crop_hand(noise(), CAMERA, CENTRE, mirror=mirror)
    np.testing.assert_allclose(crop.xyz_to_unit(np.array(CENTRE)), 0, atol=1e-12)
    np.testing.assert_allclose(crop.uv_to_crop(xyz_to_uvd(np.array(CENTRE), CAMERA)[:2]), 63.5)


def test_a_left_hand_becomes_a_right_one():
    depth = noise()
    mirrored = crop_hand(depth, CAMERA, CENTRE, mirror=True)
    other = crop_hand(depth[:, ::-1], CAMERA.mirrored(), np.array(CENTRE) * [-1, 1, 1])
    np.testing.assert_array_equal(mirrored.image, other.image)
    np.testing.assert_array_equal(mirrored.image[:, ::-1], crop_hand(depth, CAMERA, CENTRE).image)
    joints_xyz = np.random.default_rng(3).uniform(-100, 100, (21, 3)) + CENTRE
    np.testing.assert_allclose(mirrored.xyz_to_unit(joints_xyz), other.xyz_to_unit(joints_xyz * [-1, 1, 1]))


# === The cube ===


def test_cube_is_a_value():
    cube = HandCube(centre_xyz=np.array([1, 2, 300]), size=200)
    assert cube == HandCube(centre_xyz=(1.0, 2.0, 300.0), size=200.0) and hash(cube)
    assert cube.xyz_to_unit([101, 2, 200]).tolist() == [1.0, 0.0, -1.0]


@pytest.mark.parametrize("method", ["xyz_to_unit", "unit_to_xyz"])
@pytest.mark.parametrize("points", [np.zeros((3, 2)), np.float32(1), np.zeros(3, complex), [["a", "b", "c"]]])
def test_cube_refuses_what_are_no_points(method, points):
    with pytest.raises(ValueError, match="Received: shape"):
        getattr(HandCube(centre_xyz=(0, 0, 400), size=250), method)(points)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"centre_xyz": (np.nan, 0.0, 400.0)}, ValueError, "no hand was found"),
        ({"centre_xyz": (0.0, np.inf, 400.0)}, ValueError, "finite"),
        ({"centre_xyz": (0.0, 0.0, 0.0)}, ValueError, "in front of the camera"),
        ({"centre_xyz": (0.0, 0.0, -400.0)}, ValueError, "in front of the camera"),
        ({"centre_xyz": (0.0, 400.0)}, ValueError, "three finite numbers"),
        ({"centre_xyz": "abc"}, ValueError, "three finite numbers"),
        ({"centre_xyz": None}, ValueError, "three finite numbers"),
        ({"cube": 0.0}, ValueError, "edge"),
        ({"cube": -250.0}, ValueError, "edge"),
        ({"cube": np.nan}, ValueError, "edge"),
        ({"depth": np.zeros((240, 320, 3), np.uint8)}, TypeError, "colour"),
        ({"depth": np.zeros((480, 640), np.uint16)}, ValueError, "320 x 240"),
    ],
)
@pytest.mark.parametrize("function", [crop_hand, refine_centre])
def test_what_is_refused(function, arguments, error, message):
    given = {"depth": noise(), "centre_xyz": CENTRE, "cube": 250.0, **arguments}
    with pytest.raises(error, match=message):
        function(given["depth"], CAMERA, given["centre_xyz"], cube=given["cube"])


@pytest.mark.parametrize("size", [0, -1, 1.5, None])
def test_size_must_be_a_whole_number(size):
    with pytest.raises(ValueError, match="`size`"):
        crop_hand(noise(), CAMERA, CENTRE, size=size)


# === The centre ===


def disc(camera: Camera, centre_xyz, radius: float, depth: np.ndarray | None = None, dtype=np.float32) -> np.ndarray:
    """Draw a disc that faces the camera into a frame."""
    frame = np.zeros(camera.shape, dtype) if depth is None else depth
    u, v, z = xyz_to_uvd(np.array(centre_xyz), camera)
    rows, columns = np.mgrid[: camera.height, : camera.width]
    frame[np.hypot((columns - u) / camera.fx, (rows - v) / camera.fy) * z < radius] = z
    return frame


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=lambda camera: camera.name)
def test_steps_find_the_centre_of_what_is_there(camera):
    centre = np.array([30.0, -20.0, 500.0])
    refined = refine_centre(disc(camera, centre, 45.0), camera, centre + [40, 30, -20], steps=6)
    np.testing.assert_allclose(refined, centre, atol=2.0)


def test_steps_leave_a_wall_behind():
    centre = np.array([0.0, 0.0, 400.0])
    wall = np.full(CAMERA.shape, 450, np.float32)
    np.testing.assert_allclose(refine_centre(disc(CAMERA, centre, 45.0, wall), CAMERA, centre), centre, atol=2.0)


@pytest.mark.parametrize("missing", [0, np.nan, np.inf, -np.inf, -100.0])
def test_steps_overlook_missing_depth(missing):
    frame = disc(CAMERA, (0.0, 0.0, 400.0), 45.0)
    expected = refine_centre(frame, CAMERA, (20.0, 0.0, 390.0))
    frame[frame == 0] = missing
    np.testing.assert_array_equal(refine_centre(frame, CAMERA, (20.0, 0.0, 390.0)), expected)


def test_no_steps_and_an_empty_cube_leave_the_centre():
    frame = disc(CAMERA, (0.0, 0.0, 400.0), 45.0)
    for start, steps in (((0.0, 0.0, 410.0), 0), ((0.0, 0.0, 900.0), 3), ((4000.0, 0.0, 400.0), 3)):
        refined = refine_centre(frame, CAMERA, start, steps=steps)
        assert refined.shape == (3,) and refined.dtype == np.float64
        np.testing.assert_allclose(refined, start)


@pytest.mark.parametrize("steps", [-1, 1.5, None])
def test_steps_must_be_a_whole_number(steps):
    with pytest.raises(ValueError, match="`steps`"):
        refine_centre(noise(), CAMERA, CENTRE, steps=steps)
