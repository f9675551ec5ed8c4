"""Recordings that play as fast as they were taken."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from time import perf_counter

from keras_handpose.capture.frame_source import CapturedFrame, FrameSource, check_rate

__all__ = ["Paced"]


class Paced:
    """Gives a source's frames at the pace at which they were taken, as a camera would; a `FrameSource`.

    Args:
        source: The frames.
        rate: Frames per second; by default the frames' own times say when they come, and 30 frames/s where they have
            none.

    Raises:
        TypeError: The source is none.
        ValueError: The rate is not a positive number.

    Example:
        >>> import numpy as np
        >>> from keras_handpose.cameras import CAMERAS
        >>> from types import SimpleNamespace
        >>> frames = [CapturedFrame(np.zeros((240, 320), np.uint16), CAMERAS["msra15"])] * 3
        >>> class Recording(list):
        ...     camera, depth_scale, live = CAMERAS["msra15"], 1.0, False
        ...     def close(self): pass
        >>> paced = Paced(Recording(frames), rate=1000)
        >>> paced.live, [frame.time for frame in paced]
        (True, [0.0, 0.001, 0.002])
    """

    live = True

    def __init__(self, source: FrameSource, *, rate: float | None = None) -> None:
        if rate is not None:
            rate = check_rate(rate)
        if not hasattr(source, "camera") or not hasattr(source, "close"):
            raise TypeError(
                f"`source` must be a FrameSource, which knows its camera. Received: a {type(source).__name__}."
            )
        self.camera, self.depth_scale = source.camera, source.depth_scale
        self._source, self._rate = source, rate
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[CapturedFrame]:
        start = first = None
        for number, frame in enumerate(self._source):
            if self._rate is not None or frame.time is None:
                frame = frame._replace(time=number / (self._rate or 30.0))
            if start is None:
                start, first = perf_counter(), frame.time
            wait = start + (frame.time - first) - perf_counter()
            if wait > 0 and self._closed.wait(min(wait, threading.TIMEOUT_MAX)):
                return
            yield frame

    def close(self) -> None:
        """Close the source, also while somebody waits for the next frame."""
        self._closed.set()
        self._source.close()
