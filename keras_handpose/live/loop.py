"""From a stream of poses to the screen and to files."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from keras_handpose.checks import check_positive, check_whole
from keras_handpose.estimator import Pose, Stream, StreamStatistics

if TYPE_CHECKING:
    from keras_handpose.live.recorder import Recorder
    from keras_handpose.live.viewer import Viewer

__all__ = ["watch"]


def watch(
    stream: Stream,
    *,
    viewers: Sequence[Viewer] = (),
    recorder: Recorder | None = None,
    frames: int | None = None,
    seconds: float | None = None,
) -> StreamStatistics:
    """Show and record a stream until it ends, somebody closes a viewer, or Ctrl+C; then close all of them.

    Args:
        stream: Poses, as `HandPoseEstimator.stream` or `BothHands.stream` gives them.
        viewers: What shows every frame. While they do, newer frames come: viewers that are slow make frames drop.
        recorder: Writes every frame that was used.
        frames: Number of frames after which to end.
        seconds: Time after which to end.

    Returns:
        The stream's statistics at the end.

    Raises:
        TypeError: ``stream`` is none.
        ValueError: ``frames`` or ``seconds`` is not positive.
        OSError: The source, a viewer or the recorder failed. What was recorded before is kept.
    """
    if not isinstance(stream, Stream):
        raise TypeError(
            "`stream` must be what `HandPoseEstimator.stream` or `BothHands.stream` returned. "
            f"Received: a {type(stream).__name__}."
        )
    if frames is not None:
        frames = check_whole(frames, "frames")
    if seconds is not None:
        seconds = check_positive(seconds, "seconds", "time in seconds")
    with ExitStack() as stack:
        if recorder is not None:
            stack.callback(recorder.close)
        for viewer in viewers:
            stack.callback(viewer.close)
        stack.callback(stream.close)
        if seconds is not None:
            clock = threading.Timer(seconds, stream.close)  # Also where no pose comes.
            clock.daemon = True
            clock.start()
            stack.callback(clock.cancel)
        try:
            for number, found in enumerate(stream, start=1):
                poses = (found,) if isinstance(found, Pose) else found
                statistics = stream.statistics
                for viewer in viewers:
                    viewer.show(stream.frame, poses, statistics)
                if recorder is not None:
                    recorder.add(stream.frame, poses)
                if number == frames or not all(viewer.open for viewer in viewers):
                    break
        except KeyboardInterrupt:
            pass  # The usual end of a camera.
    return stream.statistics
