"""Poses of frames that come one after the other, and how long they took."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from time import perf_counter
from typing import Generic, TypeVar

import numpy as np

from keras_handpose.cameras import Camera
from keras_handpose.capture import CapturedFrame, Newest
from keras_handpose.capture.frame_source import check_rate
from keras_handpose.checks import as_number, check_positive
from keras_handpose.estimator.pose import Pose

__all__ = ["Stream", "StreamStatistics", "paired", "require_frames"]

T = TypeVar("T", Pose, tuple[Pose, ...])

_REMEMBERED = 1000  # Frames that rate and latencies are of.


@dataclass(frozen=True, kw_only=True)
class StreamStatistics:
    """How a stream keeps up, so far. Rate and latencies are those of the last 1,000 poses; NaN before the first ones.

    Args:
        frames: Number of frames of which poses were given.
        found: Number of these in which there was a hand.
        dropped: Number of frames that were passed over: newer ones had come, or they were older than the budget.
        late: Number of frames whose poses took longer than the budget.
        rate: Poses per second.
        latency_ms: Time from the arrival of the last frame to its poses, in ms.
        latency_p50_ms, latency_p99_ms, latency_max_ms: Median, 99th percentile and greatest of these times.
    """

    frames: int
    found: int
    dropped: int
    late: int
    rate: float
    latency_ms: float
    latency_p50_ms: float
    latency_p99_ms: float
    latency_max_ms: float

    def describe(self) -> str:
        """Say it in a line."""
        if not self.frames:
            return f"no frames, {self.dropped:,} dropped"
        frames = "1 frame" if self.frames == 1 else f"{self.frames:,} frames"
        late = f", {self.late:,} late" if self.late else ""
        rate = f"{self.rate:.1f} frames/s; " if math.isfinite(self.rate) else ""
        latency = f"{self.latency_p50_ms:.1f} ms (p99 {self.latency_p99_ms:.1f}, max {self.latency_max_ms:.1f})"
        return f"{frames}, {self.dropped:,} dropped{late}, a hand in {self.found:,}; {rate}latency {latency}"

    __str__ = describe


class Stream(Iterator[T], Generic[T]):
    """The poses of a source's frames, as `HandPoseEstimator.stream` gives them.

    Args:
        source: Frames ``(height, width)``, pairs ``(depth, camera)`` or `CapturedFrame`s, possibly without end.
        step: Called with a frame and its time in seconds; returns its pose, or a tuple of poses.
        newest: Whether frames are read in a thread of their own and only the newest one is used whenever the one
            before is done. By default that is so for a `FrameSource` that is live; all frames of others are used.
        latency_budget: Most time in seconds from a frame's arrival to its poses. A frame that is older before its turn
            comes is dropped; one whose poses came later is counted as late.
        timestamps: The frames' times in seconds, increasing; by default their own, or, where they have none, those of
            their arrival for the newest frames and an even `rate` for others.
        rate: Frames per second.

    Yields:
        What ``step`` returns.

    Attributes:
        frame: The frame of the poses that came last, None before.
        statistics: `StreamStatistics` so far.

    Raises:
        TypeError: The source or the times are nothing to iterate over, or a frame is none.
        ValueError: The rate or the budget is not a positive number, there are not as many times as frames, they do not
            increase, or times are given for the newest frames alone.
    """

    def __init__(
        self,
        source: Iterable,
        step: Callable[[CapturedFrame, float], T],
        *,
        newest: bool | None = None,
        latency_budget: float | None = None,
        timestamps: Iterable[float] | None = None,
        rate: float = 30.0,
    ) -> None:
        source, rate = require_frames(source), check_rate(rate)
        if latency_budget is not None:
            latency_budget = check_positive(latency_budget, "latency_budget", "time in seconds")
        if timestamps is not None and not isinstance(timestamps, Iterable):
            raise TypeError(f"`timestamps` must be one time in seconds for each frame. Received: {timestamps!r:.80}.")
        newest = bool(getattr(source, "live", False)) if newest is None else newest
        if newest and timestamps is not None:
            raise ValueError(
                "Frames that are dropped would not fit their `timestamps`. Leave these out, or pass newest=False. "
                "A source's frames can have times of their own: see CapturedFrame."
            )
        self.frame: CapturedFrame | None = None
        self._step, self._budget = step, latency_budget
        self._newest: Newest | None = Newest(source) if newest else None
        self._timed = timestamps is not None
        if self._timed:
            self._items = paired(source, _increasing(timestamps), "timestamps")
        else:
            self._items = None if newest else zip(source, count(step=1 / rate), strict=False)
        self._frames = self._found = self._dropped = self._late = 0
        self._latencies: deque[float] = deque(maxlen=_REMEMBERED)
        self._ends: deque[float] = deque(maxlen=_REMEMBERED)

    def __next__(self) -> T:
        while True:
            item, time, received = self._take()
            if self._budget is not None and perf_counter() - received > self._budget:
                self._dropped += 1
                continue
            frame = item if isinstance(item, CapturedFrame) else _captured(item)
            if isinstance(frame.depth, Camera):
                raise TypeError("A frame comes before its camera, (depth, camera). Received: a Camera as the depth.")
            if frame.time is not None and not self._timed:
                time = _seconds(frame.time, "time")
            poses = self._step(frame, time)
            end = perf_counter()
            self.frame = frame
            self._frames += 1
            self._found += any(pose.found for pose in ([poses] if isinstance(poses, Pose) else poses))
            self._late += self._budget is not None and end - received > self._budget
            self._latencies.append(1000 * (end - received))
            self._ends.append(end)
            return poses

    @property
    def statistics(self) -> StreamStatistics:
        latencies = np.array(self._latencies or [math.nan])
        median, high, greatest = np.percentile(latencies, (50, 99, 100))
        seconds = self._ends[-1] - self._ends[0] if len(self._ends) > 1 else math.nan
        return StreamStatistics(
            frames=self._frames,
            found=self._found,
            dropped=self._dropped + (self._newest.dropped if self._newest else 0),
            late=self._late,
            rate=(len(self._ends) - 1) / seconds,
            latency_ms=float(latencies[-1]),
            latency_p50_ms=float(median),
            latency_p99_ms=float(high),
            latency_max_ms=float(greatest),
        )

    def close(self) -> None:
        """Stop reading frames. The source itself stays open."""
        if self._newest is not None:
            self._newest.close()
        self._items = iter(())

    def __del__(self) -> None:
        if getattr(self, "_newest", None) is not None:  # Whoever leaves a loop early need not close the stream.
            self._newest.close()

    def __enter__(self) -> Stream[T]:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _take(self) -> tuple[object, float, float]:
        """Return the next frame, its time and when it arrived."""
        if self._newest is not None:
            item, received = next(self._newest)
            return item, received, received
        item, time = next(self._items)
        return item, time, perf_counter()


def require_frames(frames: Iterable) -> Iterable:
    """Return frames that can be gone through.

    Raises:
        TypeError: They cannot, or are the place where frames are.
    """
    if isinstance(frames, str | bytes | os.PathLike):
        raise TypeError(
            f"`frames` must be depth frames, one after the other. Received: {frames!r}. keras_handpose.capture."
            "open_capture opens folders, recordings and devices, and read_depth reads a file."
        )
    if getattr(frames, "ndim", None) == 2:
        raise TypeError(
            f"`frames` must be depth frames, one after the other. Received: a single one of shape {frames.shape}. "
            "Call the estimator with it, or pass [frame]."
        )
    if getattr(frames, "ndim", 1) == 0 or not (isinstance(frames, Iterable) or hasattr(frames, "__getitem__")):
        raise TypeError(
            f"`frames` must be depth frames, one after the other. Received: a {type(frames).__name__}. "
            "A generator function is called: frames()."
        )
    return frames


def paired(frames: Iterable, values: Iterable, name: str) -> Iterator[tuple]:
    """Yield each frame with its value.

    Raises:
        ValueError: There are more of the one than of the other; the message calls the values ``name``.
    """
    values, missing = iter(values), object()
    number = 0
    for number, frame in enumerate(frames, start=1):
        value = next(values, missing)
        if value is missing:
            raise ValueError(f"`{name}` must have one for each frame. Received: {number - 1}, and more frames.")
        yield frame, value
    if next(values, missing) is not missing:
        raise ValueError(f"`{name}` must have one for each frame. Received: more than {number}, for {number} frames.")


def _increasing(times: Iterable[float]) -> Iterator[float]:
    last = -math.inf
    for time in times:
        seconds = _seconds(time, "timestamps")
        if seconds <= last:
            raise ValueError(f"The frames' timestamps have to increase. Received: timestamps={seconds} after {last}.")
        yield (last := seconds)


def _seconds(time: object, name: str) -> float:
    seconds = as_number(time)
    if not math.isfinite(seconds):
        raise ValueError(f"The `{name}` of a frame must be a number of seconds. Received: {time!r:.80}.")
    return seconds


def _captured(item: object) -> CapturedFrame:
    """Return a frame of what is a frame's depth, or a pair of it and its camera."""
    if isinstance(item, tuple):
        if not 2 <= len(item) <= len(CapturedFrame._fields):
            raise ValueError(f"A frame that is a tuple must be (depth, camera). Received: {len(item)} things.")
        return CapturedFrame(*item)
    return CapturedFrame(item, None)
