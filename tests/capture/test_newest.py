"""Back pressure and pace: the newest frame, never a queue."""

from __future__ import annotations

import threading
from time import perf_counter, sleep

import numpy as np
import pytest

from keras_handpose.cameras import CAMERAS
from keras_handpose.capture import CapturedFrame, FrameSource, Newest, Paced

CAMERA = CAMERAS["msra15"]


class Files(list):
    """Frames that do not come by themselves."""

    camera, depth_scale, live = CAMERA, 1.0, False
    closed = False

    def close(self) -> None:
        self.closed = True


def frames(times) -> Files:
    return Files(CapturedFrame(np.full((1, 1), i), CAMERA, time=time) for i, time in enumerate(times))


def test_what_nobody_takes_in_time_is_dropped_and_the_last_is_not():
    gate, made = threading.Event(), []

    def camera():
        for i in range(50):
            made.append(i)
            yield i
            if i == 9:
                gate.wait(5)

    newest = Newest(camera())
    while len(made) < 10:
        sleep(0.001)
    sleep(0.01)
    assert next(newest)[0] == 9 and newest.dropped == 9
    gate.set()
    taken = [item for item, _ in newest]
    assert taken[-1] == 49 and len(taken) + 1 + newest.dropped == 50
    assert next(newest, None) is None


def test_items_come_with_the_time_at_which_they_came():
    newest = Newest([1])
    sleep(0.05)
    before = perf_counter()
    _, received = next(newest)
    assert before - 0.2 < received < before - 0.03


def test_an_error_of_the_source_comes_after_its_last_frame():
    def camera():
        yield 1
        raise OSError("unplugged")

    newest = Newest(camera())
    assert next(newest)[0] == 1
    with pytest.raises(OSError, match="unplugged"):
        next(newest)
    assert list(newest) == []


def test_closing_ends_the_thread_and_the_generator_in_it():
    ended = threading.Event()

    def camera():
        try:
            while True:
                sleep(0.001)
                yield 0
        finally:
            ended.set()

    newest = Newest(camera())
    next(newest)
    newest.close()
    assert ended.is_set() and list(newest) == []
    assert "frames" not in {thread.name for thread in threading.enumerate()}


def test_recordings_play_at_their_own_pace():
    paced = Paced(frames([5.0, 5.02, 5.06]))
    assert isinstance(paced, FrameSource) and paced.live
    start = perf_counter()
    came = [(frame.time, perf_counter() - start) for frame in paced]
    assert [time for time, _ in came] == [5.0, 5.02, 5.06]
    assert [round(at, 2) >= due for (_, at), due in zip(came, (0, 0.02, 0.06), strict=True)] == [True] * 3
    assert came[-1][1] < 0.5


def test_a_rate_and_frames_without_times_make_an_even_pace():
    assert [frame.time for frame in Paced(frames([7.0, 8.0]), rate=200)] == [0.0, 0.005]
    assert [frame.time for frame in Paced(frames([None, None]))] == [0.0, 1 / 30]
    source = frames([0.0])
    Paced(source).close()
    assert source.closed
    with pytest.raises(ValueError, match="`rate` must be a positive number of frames per second. Received: rate=-1"):
        Paced(source, rate=-1)
