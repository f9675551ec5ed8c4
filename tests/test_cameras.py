"""Cameras: the round trip, known geometry, and what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keras_handpose import CAMERAS, Camera, uvd_to_xyz, xyz_to_uvd


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=lambda camera: camera.name)
@pytest.mark.parametrize("shape", [(3,), (21, 3), (2, 5, 21, 3), (0, 3)])
def test_there_and_back(camera, shape):
    points = np.random.default_rng(0).uniform(-300, 300, shape) + [0, 0, 600]
    np.testing.assert_allclose(uvd_to_xyz(xyz_to_uvd(points, camera), camera), points, atol=1e-9)


def test_axes_point_right_and_down_and_away():
    camera = CAMERAS["nyu"]
    u, v, d = xyz_to_uvd(np.array([100.0, 50.0, 500.0]), camera)
    assert u == pytest.approx(320 + 588.036865 / 5) and v == pytest.approx(240 + 58.7075073) and d == 500


def test_floating_types_stay_and_integers_become_float64():
    camera = CAMERAS["msra15"]
    assert xyz_to_uvd(np.ones((4, 3), np.float32), camera).dtype == np.float32
    assert uvd_to_xyz(np.ones((4, 3), np.uint16), camera).dtype == np.float64


def test_points_behind_the_camera_have_no_pixel():
    uvd = xyz_to_uvd(np.array([[1.0, 2.0, -300.0], [1.0, 2.0, 0.0]]), CAMERAS["msra15"])
    assert np.isnan(uvd[:, :2]).all() and (uvd[:, 2] == [-300, 0]).all()


def test_field_of_view():
    camera = Camera.from_fov(640, 480, horizontal=90, vertical=60)
    assert camera.nominal and camera.fx == pytest.approx(320)
    assert camera.fy == pytest.approx(240 / math.tan(math.radians(30)))
    # The edge of the first and of the last pixel see the field's borders.
    border = uvd_to_xyz(np.array([[-0.5, 239.5, 1.0], [639.5, 239.5, 1.0]]), camera)
    np.testing.assert_allclose(np.degrees(np.arctan(border[:, 0])), [-45, 45])


def test_windows_and_mirrors_see_the_same_points():
    camera = CAMERAS["sr305"]
    points = np.random.default_rng(1).uniform(-100, 100, (50, 3)) + [0, 0, 400]
    uvd = xyz_to_uvd(points, camera)
    np.testing.assert_allclose(xyz_to_uvd(points, camera.window(30, -7, 64, 64)), uvd - [30, -7, 0])
    mirrored = xyz_to_uvd(points * [-1, 1, 1], camera.mirrored())
    np.testing.assert_allclose(mirrored[:, 0], camera.width - 1 - uvd[:, 0])
    assert camera.mirrored().mirrored() == camera


def test_typical_figures_are_nominal():
    assert {camera.name for camera in CAMERAS.values() if camera.nominal} == {"realsense_d435", "azure_kinect"}
    assert all(name == camera.name for name, camera in CAMERAS.items())


@pytest.mark.parametrize(
    ("name", "calibrated"),  # fx, fy, cx, cy that owners of such cameras published, for whole pixels as ours.
    [
        ("azure_kinect", (503.93, 503.98, 332.06, 325.88)),
        ("azure_kinect", (503.85, 503.74, 321.01, 328.48)),
        ("azure_kinect", (504.53, 504.63, 310.07, 335.05)),
        ("realsense_d435", (424.23, 424.23, 423.43, 236.05)),
        ("realsense_d435", (422.81, 422.81, 425.12, 235.45)),
        ("realsense_d435", (422.41, 422.41, 422.87, 246.96)),
    ],
)
def test_nominal_cameras_are_near_calibrated_ones(name, calibrated):
    camera = CAMERAS[name]
    np.testing.assert_allclose((camera.fx, camera.fy), calibrated[:2], rtol=0.005)
    np.testing.assert_allclose((camera.cx, camera.cy), calibrated[2:], atol=13)


_GOOD = {"width": 320, "height": 240, "fx": 200.0, "fy": 200.0, "cx": 160.0, "cy": 120.0}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fx": -200.0}, "sign of a focal length"),
        ({"fy": 0.0}, "must be positive"),
        ({"cx": math.nan}, "finite"),
        ({"width": 0}, "whole numbers"),
        ({"height": 240.5}, "whole numbers"),
    ],
)
def test_impossible_cameras(wrong, message):
    with pytest.raises(ValueError, match=message):
        Camera(**{**_GOOD, **wrong})


@pytest.mark.parametrize("angle", [0, 180, -20, math.nan])
def test_impossible_fields_of_view(angle):
    with pytest.raises(ValueError, match="between 0 and 180"):
        Camera.from_fov(640, 480, horizontal=angle)


@pytest.mark.parametrize("points", [np.zeros((4, 2)), np.zeros(()), np.array([["a", "b", "c"]]), np.zeros(3, bool)])
@pytest.mark.parametrize("convert", [xyz_to_uvd, uvd_to_xyz])
def test_what_is_no_point(convert, points):
    with pytest.raises(ValueError, match=r"shape \(\.\.\., 3\)"):
        convert(points, CAMERAS["msra15"])
