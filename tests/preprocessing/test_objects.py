"""Taking a hand out of a frame: what goes with it, and what stays."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest

from keras_handpose.cameras import CAMERAS, Camera
from keras_handpose.preprocessing import detect_hand
from keras_handpose.preprocessing.objects import COVERED, object_area, remove_object

CAMERA = CAMERAS["sr305"]
HAND = (-120.0, -60.0, 450.0)


def paint(frame: np.ndarray, x: tuple, y: tuple, z, camera: Camera = CAMERA) -> np.ndarray:
    """Paint a rectangle in mm, seen at a depth or at one for each row, over what lies behind it."""
    v, u = np.mgrid[: camera.height, : camera.width]
    depth = np.float32(z(v)) if callable(z) else np.float32(z)
    across, down = (u - camera.cx) * depth / camera.fx, (v - camera.cy) * depth / camera.fy
    inside = (across >= x[0]) & (across < x[1]) & (down >= y[0]) & (down < y[1])
    np.copyto(frame, depth, where=inside & ((frame == 0) | (frame > depth)), casting="unsafe")
    return frame


def paint_hand(frame: np.ndarray, x: float, y: float, z: float, *, forearm: float = 260.0) -> np.ndarray:
    """Paint a palm with fingers up, and a forearm."""
    paint(frame, (x - 42, x + 42), (y - 40, y + 45), z)
    for finger in range(4):
        paint(frame, (x - 42 + 22 * finger, x - 26 + 22 * finger), (y - 110, y - 40), z - 5)
    return paint(frame, (x - 28, x + 28), (y + 45, y + 45 + forearm), z)


def empty(dtype=np.float32) -> np.ndarray:
    return np.zeros(CAMERA.shape, dtype)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("name", ["msra15", "sr305", "realsense_d435"])
def test_a_hand_goes_with_its_forearm_and_another_one_stays(name, dtype):
    camera = CAMERAS[name]
    alone, frame = np.zeros(camera.shape, dtype), np.zeros(camera.shape, dtype)
    for painted in (alone, frame):
        paint(painted, (80, 160), (-50, 60), 500, camera)
    paint(frame, (-160, -80), (-50, 60), 400, camera)
    paint(frame, (-145, -95), (60, 900), 405, camera)
    frame.setflags(write=False)
    rest = remove_object(frame, camera, (-120, 0, 400), reach=1200)
    assert rest.dtype == dtype
    np.testing.assert_array_equal(rest, alone)


@pytest.mark.parametrize("gap", [60.0, 200.0])
def test_a_body_behind_the_hand_stays(gap):
    body = paint(empty(), (-600, 600), (-600, 600), HAND[2] + gap)
    frame = paint_hand(body.copy(), *HAND)
    rest = remove_object(frame, CAMERA, HAND)
    assert not (rest[frame < body] > 0).any()
    assert (rest == body).mean() > (frame == body).mean() - 0.03  # But for an edge around the hand.


def test_what_the_arm_joins_is_taken_within_reach_alone():
    def slope(v):
        return 450 + np.maximum(0, v - 200) * 0.5

    frame = paint(paint(empty(), (-30, 30), (-60, 200), slope), (-600, 600), (100, 600), slope)
    rest = remove_object(frame, CAMERA, (0, -30, 450), reach=250)
    taken = (frame > 0) & (rest == 0)
    v, u = np.nonzero(taken)
    z = frame[taken]
    xyz = np.stack([(u - CAMERA.cx) * z / CAMERA.fx, (v - CAMERA.cy) * z / CAMERA.fy, z], axis=-1)
    assert 230 < np.linalg.norm(xyz - (0, -30, 450), axis=-1).max() < 270
    assert (rest[400:] == frame[400:])[:, [0, -1]].all() and (rest[frame > 0] > 0).any()


def test_the_other_hand_on_the_same_body_stays():
    frame = paint_hand(paint_hand(empty(), -130, -60, 450, forearm=160), 130, -60, 450, forearm=160)
    paint(frame, (-200, 200), (145, 220), 450)
    rest = remove_object(frame, CAMERA, (-130, -60, 450))
    np.testing.assert_allclose(detect_hand(rest, CAMERA).centre_xyz, (130, -60, 450), atol=45)
    upper_left, upper_right = np.s_[:320, :310], np.s_[:320, 330:]
    assert not rest[upper_left].any()
    np.testing.assert_array_equal(rest[upper_right], frame[upper_right])


def test_fingers_before_the_palm_belong_to_it():
    frame = paint(paint_hand(empty(), *HAND), (-150, -130), (-90, -40), HAND[2] - 40)
    assert not remove_object(frame, CAMERA, HAND).any()


@pytest.mark.parametrize("missing", [0, np.nan, np.inf, -np.inf, -250.0])
def test_missing_depth_stays_missing(missing):
    frame = paint_hand(empty(), *HAND)
    frame[(frame == 0) | (np.random.default_rng(0).random(frame.shape) < 0.1)] = missing
    rest = remove_object(frame, CAMERA, HAND)
    assert (np.isfinite(rest) & (rest > 0)).sum() < 0.02 * (np.isfinite(frame) & (frame > 0)).sum()


def test_where_nothing_is_nothing_is_taken():
    frame = paint_hand(empty(), *HAND)
    rest = remove_object(frame, CAMERA, (200, 0, 450))
    np.testing.assert_array_equal(rest, frame)
    assert not np.shares_memory(rest, frame)
    assert object_area(frame, CAMERA, (200, 0, 450)) == 0


def test_what_is_covered_stays_in_the_way():
    frame = paint_hand(empty(), *HAND, forearm=600)
    (open_, covered) = (remove_object(frame, CAMERA, HAND, cover=cover) for cover in (False, True))
    np.testing.assert_array_equal(covered == COVERED, (covered != open_) & (open_ == 0))
    v = np.nonzero(covered == COVERED)[0]
    assert (v.min() - CAMERA.cy) * HAND[2] / CAMERA.fy == pytest.approx(HAND[1] + 250, abs=10)
    assert detect_hand(covered, CAMERA).score < detect_hand(open_, CAMERA).score + 1e-6
    before_wall = remove_object(paint(frame.copy(), (-600, 600), (-600, 600), 700), CAMERA, HAND, cover=True)
    assert np.count_nonzero(before_wall == COVERED) > 1.5 * len(v)


def test_areas_tell_hands_from_walls_and_fragments():
    frame = paint_hand(empty(), *HAND)
    expected = 84 * 85 + 4 * 16 * 70 + 56 * 100
    assert object_area(frame, CAMERA, HAND) == pytest.approx(expected, rel=0.1)
    assert object_area(paint(empty(), (-600, 600), (-600, 600), 450), CAMERA, HAND) == pytest.approx(
        np.pi * 150**2, rel=0.05
    )
    assert object_area(paint(empty(), (-140, -100), (-80, -40), 450), CAMERA, HAND) == pytest.approx(1600, rel=0.2)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (7, 481)])
def test_frames_of_any_size(shape):
    camera = Camera(width=shape[1], height=shape[0], fx=240, fy=240, cx=shape[1] / 2, cy=shape[0] / 2)
    assert not remove_object(np.full(shape, 400, np.uint16), camera, (0, 0, 400), reach=1e4).any()


def test_it_is_fast():
    frame = paint_hand(paint(empty(), (-900, 900), (-900, 900), 620), *HAND)
    times = []
    for _ in range(20):
        start = perf_counter()
        remove_object(frame, CAMERA, HAND, cover=True)
        times.append(perf_counter() - start)
    assert min(times) < 0.01  # It takes 1 to 2 ms; machines are slow at times.


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"depth": np.zeros((480, 640, 3), np.uint8)}, TypeError, "colour"),
        ({"depth": np.zeros((240, 320), np.uint16)}, ValueError, "640 x 480. Received: 320 x 240"),
        ({"centre_xyz": (np.nan, 0.0, 400.0)}, ValueError, "no hand was found"),
        ({"centre_xyz": (0.0, 0.0, -400.0)}, ValueError, "in front of the camera"),
        ({"reach": 0.0}, ValueError, "`reach`"),
        ({"step": 0.0}, ValueError, "`step`"),
        ({"step": np.nan}, ValueError, "`step`"),
    ],
)
@pytest.mark.parametrize("function", [remove_object, object_area])
def test_what_cannot_be_taken_out_is_refused(function, arguments, error, message):
    arguments = {"depth": np.zeros((480, 640), np.uint16), "centre_xyz": HAND, **arguments}
    with pytest.raises(error, match=message):
        function(arguments.pop("depth"), CAMERA, arguments.pop("centre_xyz"), **arguments)
