"""What shows frames and poses as they come, and the picture that windows and videos have in common."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from keras_handpose.capture import CapturedFrame
from keras_handpose.plotting.overlay import overlay_poses

if TYPE_CHECKING:
    from keras_handpose.estimator import Pose, StreamStatistics

__all__ = ["Viewer", "draw", "scale_of"]


@runtime_checkable
class Viewer(Protocol):
    """Anything that shows poses: a window, another program, a video.

    Attributes:
        open: Whether it still shows something; False once the user closed it, which ends `watch`.
    """

    @property
    def open(self) -> bool: ...

    def show(self, frame: CapturedFrame, poses: tuple[Pose, ...], statistics: StreamStatistics) -> None:
        """Show a frame and the poses in it, and return soon: frames that come meanwhile are dropped.

        Args:
            frame: The frame as it came.
            poses: The poses in it, with or without a hand.
            statistics: How the stream keeps up.
        """
        ...

    def close(self) -> None:
        """Let go of the window or finish the file. Calling it twice does no harm."""
        ...


def scale_of(frame: CapturedFrame, poses: tuple[Pose, ...]) -> float:
    """Return the mm in one unit of a frame: its own, or what the estimator was told."""
    if frame.depth_scale is not None:
        return frame.depth_scale
    return poses[0].depth_scale if poses else 1.0


def draw(
    frame: CapturedFrame, poses: tuple[Pose, ...], statistics: StreamStatistics, *, width: int | None = None
) -> np.ndarray:
    """Draw a frame with its poses and how fast they came.

    Args:
        frame: The frame as it came.
        poses: The poses in it.
        statistics: How the stream keeps up.
        width: Width of the picture in px; by default the frame's.

    Returns:
        The picture in RGB, shape ``(height, width, 3)``, uint8.
    """
    speed = [
        text
        for value, text in (
            (statistics.rate, f"{statistics.rate:.1f} frames/s"),
            (statistics.latency_ms, f"latency {statistics.latency_ms:.1f} ms"),
        )
        if math.isfinite(value)
    ]
    hands = ", ".join(f"{pose.hand} hand {pose.score:.2f}" for pose in poses if pose.found) or "no hand"
    return overlay_poses(
        frame.depth,
        poses,
        camera=frame.camera,
        depth_scale=scale_of(frame, poses),
        text=[text for text in (", ".join(speed), hands) if text],
        width=width,
    )
