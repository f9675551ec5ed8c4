"""Poses of frames that come one after the other, and how long they took."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from time import perf_counter
from typing import Generic, TypeVar

import numpy as np

from keras_handpose.capture import CapturedFrame, Newest
from keras_handpose.estimator.pose import Pose

__all__ = ["Stream", "StreamStatistics"]

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
        ValueError: The rate or the budget is not a positive number, there are not as many times as frames, or times
            are given for the newest frames alone.
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
        if not 0 < rate < math.inf:
            raise ValueError(f"`rate` must be a positive number of frames per second. Received: {rate}.")
        if latency_budget is not None and not 0 < latency_budget < math.inf:
            raise ValueError(f"`latency_budget` must be a positive time in seconds. Received: {latency_budget}.")
        newest = bool(getattr(source, "live", False)) if newest is None else newest
        if newest and timestamps is not None:
            raise ValueError(
                "Frames that are dropped would not fit their `timestamps`. Leave these out, or pass newest=False. "
                "A source's frames can have times of their own: see CapturedFrame."
            )
        self.frame: CapturedFrame | None = None
        self._step, self._budget = step, latency_budget
        self._newest: Newest | None = Newest(source) if newest else None
        times = count(step=1 / rate) if timestamps is None else timestamps
        self._timed = timestamps is not None
        self._items = None if newest else zip(source, times, strict=self._timed)
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
            if frame.time is not None and not self._timed:
                time = frame.time
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


def _captured(item: object) -> CapturedFrame:
    """Return a frame of what is a frame's depth, or a pair of it and its camera."""
    if isinstance(item, tuple):
        if not 2 <= len(item) <= len(CapturedFrame._fields):
            raise ValueError(f"A frame that is a tuple must be (depth, camera). Received: {len(item)} things.")
        return CapturedFrame(*item)
    return CapturedFrame(item, None)
