"""The loop from a stream to viewers and files: what ends it, and that everything is closed."""

from __future__ import annotations

from time import perf_counter, sleep

import numpy as np
import pytest

from keras_handpose.cameras import CAMERAS
from keras_handpose.estimator import HandPoseEstimator
from keras_handpose.live import Recorder, watch

CAMERA = CAMERAS["msra15"]
PALM = np.zeros(CAMERA.shape, np.uint16)
PALM[80:140, 150:200] = 400


class Middle:
    crop_size, joints = 128, 21

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        return np.zeros((len(crops), self.joints, 3), np.float32)


class Eyes:
    """A viewer that remembers what it saw, and is closed by its user after some frames."""

    def __init__(self, until: int | None = None) -> None:
        self.seen, self.until, self.closed = [], until, False

    @property
    def open(self) -> bool:
        return self.until is None or len(self.seen) < self.until

    def show(self, frame, poses, statistics) -> None:
        self.seen.append((frame.depth, poses, statistics.frames))

    def close(self) -> None:
        self.closed = True


def stream_of(frames, **settings):
    estimator = HandPoseEstimator(Middle(), camera=CAMERA, skeleton="msra21", cube=250)
    return estimator.stream(frames, **settings)


def endless():
    while True:
        yield PALM


def test_every_frame_is_shown_and_recorded(tmp_path):
    viewers = Eyes(), Eyes()
    statistics = watch(stream_of([PALM, PALM * 2]), viewers=viewers, recorder=Recorder(tmp_path / "mine"))
    assert statistics.frames == statistics.found == 2
    for viewer in viewers:
        assert viewer.closed and [count for _, _, count in viewer.seen] == [1, 2]
        assert viewer.seen[1][0].max() == 800 and [pose.found for pose in viewer.seen[1][1]] == [True]
    assert {"frame_000000.png", "frame_000001.png", "recording.json", "predictions_right.txt"} <= {
        path.name for path in (tmp_path / "mine").iterdir()
    }


def test_it_ends_after_frames_seconds_or_when_a_viewer_is_closed():
    assert watch(stream_of(endless()), frames=3).frames == 3
    assert watch(stream_of(endless()), viewers=[Eyes(), Eyes(until=5)]).frames == 5
    start = perf_counter()
    watch(stream_of(endless()), seconds=0.1)
    assert 0.1 <= perf_counter() - start < 3
    stream = stream_of(endless())
    next(stream)
    assert watch(stream, frames=2).frames == 3
    with pytest.raises(ValueError, match="at least 1. Received: frames=0"):
        watch(stream_of(endless()), frames=0)


def test_a_silent_camera_does_not_keep_it_from_ending():
    def silent():
        yield PALM
        sleep(3)

    start = perf_counter()
    assert watch(stream_of(silent(), newest=True), seconds=0.2).frames == 1
    assert perf_counter() - start < 2.5


def test_interrupting_is_an_end_and_an_error_is_not(tmp_path):
    def interrupted(error):
        yield PALM
        raise error

    eyes, recorder = Eyes(), Recorder(tmp_path / "a")
    assert watch(stream_of(interrupted(KeyboardInterrupt())), viewers=[eyes], recorder=recorder).frames == 1
    assert eyes.closed and (tmp_path / "a" / "predictions_right.txt").is_file()
    eyes, recorder = Eyes(), Recorder(tmp_path / "b")
    with pytest.raises(OSError, match="unplugged"):
        watch(stream_of(interrupted(OSError("unplugged"))), viewers=[eyes], recorder=recorder)
    assert eyes.closed and (tmp_path / "b" / "recording.json").is_file()


def test_a_slow_viewer_makes_frames_drop_not_wait():
    class Slow(Eyes):
        def show(self, frame, poses, statistics):
            super().show(frame, poses, statistics)
            sleep(0.05)

    def camera():
        for _ in range(40):
            sleep(0.01)
            yield PALM

    eyes = Slow()
    statistics = watch(stream_of(camera(), newest=True), viewers=[eyes])
    assert statistics.dropped > 15 and statistics.frames + statistics.dropped == 40
    assert statistics.latency_p50_ms < 30  # The time of a frame's pose does not have the viewer's in it.
