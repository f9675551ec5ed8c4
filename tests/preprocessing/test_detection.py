"""Detection: which of the things in a frame is the hand, and when there is none."""

from __future__ import annotations

import numpy as np
import pytest

from keras_handpose import CAMERAS, Camera
from keras_handpose.preprocessing import Detection, crop_hand, detect_hand, hand_candidates, refine_centre, track_hand

SENSORS = [CAMERAS[name] for name in ("msra15", "nyu", "kinect_v2", "sr305", "realsense_d435", "azure_kinect")]
PALM = np.array([20.0, -10.0, 480.0])


def paint(frame: np.ndarray, camera: Camera, x: tuple, y: tuple, z: float) -> np.ndarray:
    """Paint a rectangle in mm that faces the camera over what lies behind it."""
    (left, right), (top, bottom) = (
        np.round(np.array(edges) * f / z + c).astype(int).clip(0, length)
        for edges, f, c, length in ((x, camera.fx, camera.cx, camera.width), (y, camera.fy, camera.cy, camera.height))
    )
    part = frame[top:bottom, left:right]
    part[(part == 0) | (part > z)] = z
    return frame


def paint_hand(frame: np.ndarray, camera: Camera, palm=PALM, *, forearm: float = 0.0, upside: int = 1) -> np.ndarray:
    """Paint an open hand with the fingers up, and a forearm of some length in mm."""
    x, y, z = palm

    def bar(x_range, y_range, depth):
        paint(frame, camera, x_range, sorted(y + upside * (edge - y) for edge in y_range), depth)

    bar((x - 42, x + 42), (y - 40, y + 45), z)
    for finger in range(4):
        bar((x - 42 + 22 * finger, x - 26 + 22 * finger), (y - 110, y - 40), z - 5)
    bar((x + 42, x + 80), (y - 5, y + 15), z - 10)
    for along in np.arange(0.0, forearm, 10.0):
        bar((x - 28, x + 28), (y + 45 + along, y + 55 + along), z + along / 4)
    return frame


def paint_body(frame: np.ndarray, camera: Camera, z: float) -> np.ndarray:
    """Paint a torso that is cut off by the bottom of the frame."""
    return paint(frame, camera, (-200, 230), (-60, 3000), z)


def empty(camera: Camera, dtype=np.float32) -> np.ndarray:
    return np.zeros(camera.shape, dtype)


def assert_found(detection: Detection, palm=PALM, within: float = 45.0) -> None:
    assert detection.found and 0 < detection.score <= 1
    assert detection.centre_xyz.shape == (3,) and detection.centre_xyz.dtype == np.float64
    assert np.linalg.norm(detection.centre_xyz - palm) < within


def assert_not_found(detection: Detection) -> None:
    assert not detection.found and np.isnan(detection.centre_xyz).all() and 0 <= detection.score < 0.25


@pytest.mark.parametrize("camera", SENSORS, ids=lambda camera: camera.name)
def test_a_hand(camera):
    assert_found(detect_hand(paint_hand(empty(camera), camera), camera))


@pytest.mark.parametrize("upside", [1, -1], ids=["fingers up", "fingers down"])
@pytest.mark.parametrize("camera", SENSORS, ids=lambda camera: camera.name)
def test_a_forearm_does_not_pull(camera, upside):
    assert_found(detect_hand(paint_hand(empty(camera), camera, forearm=250.0, upside=upside), camera))


@pytest.mark.parametrize("gap", [70.0, 150.0, 400.0])
@pytest.mark.parametrize("camera", SENSORS, ids=lambda camera: camera.name)
def test_a_body_behind_the_hand(camera, gap):
    frame = paint_body(paint_hand(empty(camera), camera, forearm=gap), camera, PALM[2] + gap)
    assert_found(detect_hand(frame, camera))


def test_a_body_nearer_than_the_hand():
    camera = CAMERAS["sr305"]
    frame = paint_hand(empty(camera), camera, (-170.0, -10.0, 500.0), forearm=120.0)
    paint(frame, camera, (-20, 330), (-60, 3000), 470.0)
    assert_found(detect_hand(frame, camera), (-170.0, -10.0, 500.0))


def test_the_closer_of_two_hands():
    camera = CAMERAS["sr305"]
    far, near = (-150.0, 0.0, 600.0), (120.0, 0.0, 480.0)
    assert_found(detect_hand(paint_hand(paint_hand(empty(camera), camera, far), camera, near), camera), near)
    assert_found(detect_hand(paint_hand(empty(camera), camera, far), camera), far)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.03])
@pytest.mark.parametrize("camera", SENSORS, ids=lambda camera: camera.name)
def test_speckle(camera, share):
    rng = np.random.default_rng(0)
    frame = paint_body(paint_hand(empty(camera), camera, forearm=200.0), camera, 750.0)
    speckle = rng.random(camera.shape) < share
    frame[speckle] = rng.uniform(130, 460, speckle.sum())
    assert_found(detect_hand(frame, camera))


@pytest.mark.parametrize("missing", [0, np.nan, np.inf, -np.inf, -250.0])
@pytest.mark.parametrize("share", [0.1, 0.4])
def test_missing_depth(missing, share):
    camera = CAMERAS["sr305"]
    frame = paint_body(paint_hand(empty(camera), camera, forearm=200.0), camera, 750.0)
    frame[(frame == 0) | (np.random.default_rng(0).random(camera.shape) < share)] = missing
    assert_found(detect_hand(frame, camera))


@pytest.mark.parametrize("palm", [(-290.0, 0, 480), (270.0, 0, 480), (0.0, -150, 480), (0.0, 190, 480)])
def test_near_the_border(palm):
    camera = CAMERAS["sr305"]
    assert_found(detect_hand(paint_hand(empty(camera), camera, palm), camera), palm)


def test_left_and_right_alike():
    camera = CAMERAS["sr305"]
    frame = paint_hand(empty(camera), camera, forearm=200.0)
    detection = detect_hand(frame, camera)
    mirrored = detect_hand(frame[:, ::-1], camera.mirrored())
    np.testing.assert_allclose(mirrored.centre_xyz * [-1, 1, 1], detection.centre_xyz, atol=5.0)


def test_types_agree_and_nothing_is_changed():
    camera = CAMERAS["nyu"]
    frame = paint_body(paint_hand(empty(camera, np.uint16), camera, forearm=200.0), camera, 750.0)
    kept = frame.copy()
    detection = detect_hand(frame, camera)
    np.testing.assert_array_equal(frame, kept)
    for other in (frame.astype(np.float32), frame.astype(np.int32), np.asfortranarray(frame)):
        again = detect_hand(other, camera)
        np.testing.assert_allclose(again.centre_xyz, detection.centre_xyz)
        assert again.score == detection.score


def test_centre_is_a_refined_one():
    camera = CAMERAS["sr305"]
    frame = paint_hand(empty(camera), camera)
    detection = detect_hand(frame, camera)
    np.testing.assert_allclose(refine_centre(frame, camera, detection.centre_xyz), detection.centre_xyz, atol=5.0)
    assert (crop_hand(frame, camera, detection.centre_xyz).image < 1).mean() > 0.1


# === No hand ===


@pytest.mark.parametrize("depth", [0, np.nan, np.inf, -1.0, 50.0, 500.0, 4000.0])
def test_nothing_or_a_wall(depth):
    assert_not_found(detect_hand(np.full((240, 320), depth, np.float32), CAMERAS["msra15"]))


def test_speckle_alone():
    rng = np.random.default_rng(0)
    frame = np.where(rng.random((240, 320)) < 0.03, rng.uniform(200, 900, (240, 320)), 0)
    assert_not_found(detect_hand(frame, CAMERAS["msra15"]))


@pytest.mark.parametrize("camera", SENSORS, ids=lambda camera: camera.name)
def test_a_torso_alone(camera):
    assert_not_found(detect_hand(paint(empty(camera), camera, (-3000, 3000), (-60, 3000), 550.0), camera))


def test_a_tiny_frame():
    camera = Camera(width=3, height=2, fx=240, fy=240, cx=1, cy=1)
    assert_not_found(detect_hand(np.zeros((2, 3), np.uint16), camera))
    detect_hand(np.full((2, 3), 400, np.uint16), camera)  # Whatever it says, it says it.


# === Following ===


def test_candidates_are_the_detection_and_what_it_passes_by():
    camera = CAMERAS["sr305"]
    far, near = (-150.0, 0.0, 600.0), (120.0, 0.0, 480.0)
    frame = paint_hand(paint_hand(empty(camera), camera, far), camera, near)
    first, second, *others = hand_candidates(frame, camera)
    np.testing.assert_array_equal(first.centre_xyz, detect_hand(frame, camera).centre_xyz)
    assert_found(first, near)
    assert_found(second, far)
    for other in others:  # Ends of fingers, at most.
        assert other.found and 0.25 / 3 <= other.score < min(first.score, second.score)


def test_candidates_with_less_evidence_come_last():
    camera = CAMERAS["sr305"]
    frame = paint_hand(empty(camera), camera, (120.0, 0.0, 480.0))
    paint(frame, camera, (-190, -140), (-25, 25), 400.0)  # Nearer, and smaller than a palm.
    first, second = hand_candidates(frame, camera, min_score=0.7)
    assert_found(first, (120.0, 0.0, 480.0))
    assert_found(second, (-165.0, 0.0, 400.0))
    assert second.score < 0.7 <= first.score


def test_candidates_are_apart_and_come_to_an_end():
    camera = CAMERAS["sr305"]
    rng = np.random.default_rng(0)
    frame = np.where(rng.random(camera.shape) < 0.2, rng.uniform(300, 900, camera.shape), 0).astype(np.float32)
    centres_xyz = np.array([found.centre_xyz for found in hand_candidates(frame, camera, min_score=0.05)])
    distances = np.linalg.norm(centres_xyz[:, None] - centres_xyz, axis=-1)[~np.eye(len(centres_xyz), dtype=bool)]
    assert len(centres_xyz) > 3 and distances.min() > 0.1 * 250
    assert [*hand_candidates(empty(camera), camera)] == []


def test_following_stays_with_the_hand():
    camera = CAMERAS["sr305"]
    far, near = np.array([-150.0, 0.0, 600.0]), np.array([120.0, 0.0, 480.0])
    frame = paint_hand(paint_hand(empty(camera), camera, far), camera, near)
    assert_found(detect_hand(frame, camera, around=far + [30, -20, 25]), far)
    assert_found(detect_hand(frame, camera, around=near + [30, -20, 25]), near)


def test_tracking_stays_on_its_hand_and_notices_when_it_is_lost():
    camera = CAMERAS["sr305"]
    frame = paint_hand(empty(camera), camera)
    centre = detect_hand(frame, camera).centre_xyz
    for off in ([0, 0, 0], [15, -10, 12], [-20, 15, -20]):
        assert_found(track_hand(frame, camera, centre + off), centre)
    for elsewhere in ((250.0, 0.0, 480.0), (0.0, 0.0, 900.0), (9000.0, 0.0, 480.0)):
        assert_not_found(track_hand(frame, camera, elsewhere))
    with pytest.raises(ValueError, match="`min_score` must be in"):
        track_hand(frame, camera, centre, min_score=0)


def test_a_tracked_centre_rests_while_the_hand_does():
    camera, rng = CAMERAS["sr305"], np.random.default_rng(0)
    still = paint_hand(empty(camera), camera).astype(np.float32)
    frames = [
        np.where((still > 0) & (rng.random(still.shape) > 0.05), still + rng.normal(0, 2, still.shape), 0)
        for _ in range(8)
    ]
    middle = detect_hand(still, camera).centre_xyz
    centres = [track_hand(frame.astype(np.float32), camera, middle).centre_xyz for frame in frames]
    assert np.std(centres, axis=0).max() < 1


@pytest.mark.parametrize("around", [(250.0, 0.0, 480.0), (0.0, 0.0, 900.0), (9000.0, 0.0, 480.0), (0.0, 0.0, 1e-3)])
def test_following_notices_that_the_hand_is_lost(around):
    camera = CAMERAS["sr305"]
    assert_not_found(detect_hand(paint_hand(empty(camera), camera), camera, around=around))


# === Refused ===


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"depth": np.zeros((480, 640, 3), np.uint8)}, TypeError, "colour"),
        ({"depth": np.zeros((240, 320), np.uint16)}, ValueError, "640 x 480. Received: 320 x 240"),
        ({"cube": 0.0}, ValueError, "`cube`"),
        ({"cube": np.nan}, ValueError, "`cube`"),
        ({"around": (np.nan, 0.0, 400.0)}, ValueError, "no hand was found"),
        ({"around": (0.0, 0.0, -400.0)}, ValueError, "in front of the camera"),
        ({"min_score": 0.0}, ValueError, "`min_score`"),
        ({"min_score": 1.1}, ValueError, "`min_score`"),
        ({"min_score": np.nan}, ValueError, "`min_score`"),
    ],
)
def test_what_is_refused(arguments, error, message):
    arguments = {"depth": np.zeros((480, 640), np.uint16), **arguments}
    with pytest.raises(error, match=message):
        detect_hand(arguments.pop("depth"), CAMERAS["sr305"], **arguments)
