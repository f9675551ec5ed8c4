"""Where depth frames come from, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from keras_handpose.cameras import Camera
from keras_handpose.checks import check_positive

__all__ = ["CapturedFrame", "FrameSource", "check_rate"]


class CapturedFrame(NamedTuple):
    """A depth frame as it came from a camera or a recording. A pair ``(depth, camera)`` is the start of one.

    Args:
        depth: The frame, shape ``(height, width)``, in units of ``depth_scale`` mm.
        camera: The camera that took it.
        depth_scale: Millimetres in one unit; None for what the estimator was told.
        time: When it was taken, in seconds of a clock of the source's own, increasing; None where that is not known.

    Example:
        >>> from keras_handpose.cameras import CAMERAS
        >>> CapturedFrame(np.zeros((240, 320), np.uint16), CAMERAS["msra15"]).time is None
        True
    """

    depth: np.ndarray
    camera: Camera
    depth_scale: float | None = None
    time: float | None = None


def check_rate(rate: float) -> float:
    """Return a rate in frames per second as a float.

    Raises:
        ValueError: It is not a positive number.
    """
    return check_positive(rate, "rate", "number of frames per second")


@runtime_checkable
class FrameSource(Protocol):
    """Anything that gives depth frames of one camera: a device, a recording, a folder.

    A generator of ``(depth, camera)`` does for `HandPoseEstimator.stream` as well; this is for what knows its camera
    before the first frame and has something to close.

    Attributes:
        camera: The camera of all frames.
        depth_scale: Millimetres in one unit of them.
        live: Whether frames come whether or not somebody takes them, so that those that come meanwhile are to be
            dropped. All frames of other sources are used.
    """

    camera: Camera
    depth_scale: float
    live: bool

    def __iter__(self) -> Iterator[CapturedFrame]:
        """Yield the frames, maybe without end. It is called once."""
        ...

    def close(self) -> None:
        """Let go of the device or the file. Calling it twice does no harm."""
        ...
