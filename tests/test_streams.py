"""Streams: what they drop, what they count, and whose frames they take."""

from __future__ import annotations

import math
from time import sleep

import numpy as np
import pytest

from keras_handpose.cameras import CAMERAS, Camera
from keras_handpose.capture import CapturedFrame
from keras_handpose.estimator import HandPoseEstimator, OneEuroFilter

CAMERA = CAMERAS["msra15"]


class Middle:
    """An engine whose joints are in the middle of the cube, after a while."""

    crop_size, joints = 128, 21

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        sleep(self.seconds)
        return np.zeros((len(crops), self.joints, 3), np.float32)


def estimator_of(seconds: float = 0.0, **settings) -> HandPoseEstimator:
    return HandPoseEstimator(Middle(seconds), camera=CAMERA, skeleton="msra21", cube=250, **settings)


def palm(z: float = 400.0) -> np.ndarray:
    frame = np.zeros(CAMERA.shape, np.uint16)
    frame[80:140, 150:200] = z
    return frame


def camera_at(rate: float, count: int, made: list | None = None):
    """Frames that come by the clock, numbered by their depth."""
    for i in range(count):
        sleep(1 / rate)
        if made is not None:
            made.append(i)
        yield palm(400 + i)


def test_every_frame_of_a_list_is_used_and_counted():
    stream = estimator_of().stream([palm(), np.zeros_like(palm()), palm(500)])
    assert stream.frame is None and stream.statistics.frames == 0 and math.isnan(stream.statistics.rate)
    assert "no frames" in stream.statistics.describe()
    assert [pose.found for pose in stream] == [True, False, True]
    statistics = stream.statistics
    assert (statistics.frames, statistics.found, statistics.dropped, statistics.late) == (3, 2, 0, 0)
    assert 0 < statistics.latency_p50_ms <= statistics.latency_p99_ms <= statistics.latency_max_ms
    assert statistics.rate > 0 and "3 frames, 0 dropped, a hand in 2" in str(statistics)
    assert stream.frame.depth.max() == 500 and stream.frame.camera is None


def test_the_newest_frame_is_used_when_they_come_faster_than_poses():
    made = []
    stream = estimator_of(0.05).stream(camera_at(200, 60, made), newest=True)
    used = []
    for pose in stream:
        used.append(int(stream.frame.depth.max()) - 400)
        assert used[-1] == round(pose.centre_xyz[2]) - 400
        # Waiting for a turn costs no more than the frames that came while the last pose was made.
        assert made[-1] - used[-1] <= 30
    assert used == sorted(set(used)) and used[-1] == 59 and len(used) < 30
    assert stream.statistics.dropped == 60 - len(used)
    assert stream.statistics.latency_p50_ms >= 50


def test_a_live_source_is_read_ahead_by_itself():
    class Device:
        camera, depth_scale, live = CAMERA, 1.0, True

        def __iter__(self):
            for depth in camera_at(200, 30):
                yield CapturedFrame(depth, CAMERA, 1.0)

    with estimator_of(0.03).stream(Device()) as stream:
        assert sum(1 for _ in stream) < 20
    assert stream.statistics.dropped > 5
    assert sum(1 for _ in estimator_of().stream(Device(), newest=False)) == 30


def test_a_budget_counts_what_is_late_and_drops_what_is_too_old():
    stream = estimator_of(0.02).stream([palm()] * 4, latency_budget=0.005)
    assert len(list(stream)) == 4 and stream.statistics.late == 4 and "4 late" in str(stream.statistics)

    class Stalling(list):
        live = True

    stream = estimator_of().stream(Stalling([palm()]), latency_budget=0.02)
    sleep(0.06)  # The frame has come and nobody took it.
    assert list(stream) == [] and stream.statistics.dropped == 1 and stream.statistics.late == 0


def test_closing_a_stream_ends_it():
    def endless():
        while True:
            sleep(0.001)
            yield palm()

    for newest in (False, True):
        with estimator_of().stream(endless(), newest=newest) as stream:
            assert next(stream).found
        assert list(stream) == []


def test_pairs_with_a_camera_are_frames():
    same = Camera(width=320, height=240, fx=CAMERA.fx, fy=CAMERA.fy, cx=CAMERA.cx, cy=CAMERA.cy, name="mine")
    (pose,) = estimator_of().stream([(palm(), same)])
    assert pose.found
    other = CAMERAS["icvl"] if CAMERAS["icvl"].fx != CAMERA.fx else CAMERAS["nyu"]
    for wrong, message in (
        ((palm(), other), "must be of the estimator's camera, .*Received: a frame of Camera"),
        ((palm(),), r"must be \(depth, camera\). Received: 1 things"),
    ):
        with pytest.raises(ValueError, match=message):
            list(estimator_of().stream([wrong]))


def test_a_frame_may_have_a_scale_of_its_own():
    metres = palm().astype(np.float32) / 1000
    (pose,) = estimator_of(depth_scale=0.125).stream([CapturedFrame(metres, CAMERA, 1000.0)])
    (expected,) = estimator_of().stream([palm()])
    np.testing.assert_allclose(pose.joints_xyz, expected.joints_xyz, atol=0.01)
    assert pose.depth_scale == 1000


def test_the_frames_own_times_are_those_of_smoothing():
    class Spy(OneEuroFilter):
        def __call__(self, joints_xyz, *, dt):
            steps.append(round(dt, 6))
            return super().__call__(joints_xyz, dt=dt)

    taken = [CapturedFrame(palm(400 + i), CAMERA, 1.0, time) for i, time in enumerate((2.0, 2.5, 2.6))]
    steps: list[float] = []
    list(estimator_of().stream(taken, smooth=Spy()))
    assert steps[1:] == [0.5, 0.1]
    steps.clear()
    list(estimator_of().stream(taken, smooth=Spy(), timestamps=(0.0, 1.0, 3.0)))
    assert steps[1:] == [1.0, 2.0]


def test_a_call_with_the_last_pose_follows_the_hand():
    estimator = estimator_of()
    hand, other = palm(450), np.zeros_like(palm())
    other[80:140, 20:70] = 330
    both = np.where(other > 0, other, hand)
    last = estimator(hand)
    assert abs(estimator(both).centre_xyz[2] - 330) < 5
    assert abs(estimator(both, last=last).centre_xyz[2] - 450) < 5
    assert abs(estimator(other, last=last).centre_xyz[2] - 330) < 5  # Not there any more: found anew.


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"latency_budget": 0}, "`latency_budget` must be a positive time in seconds. Received: latency_budget=0"),
        ({"newest": True, "timestamps": [0.0]}, "would not fit their `timestamps`"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        estimator_of().stream([palm()], **settings)
