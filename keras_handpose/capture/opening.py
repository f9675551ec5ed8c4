"""Sources of frames by what they are called on a command line."""

from __future__ import annotations

from typing import Literal

from keras_handpose.cameras import Camera
from keras_handpose.capture.archive import ArchiveSource
from keras_handpose.capture.folder import FolderSource
from keras_handpose.capture.frame_source import FrameSource
from keras_handpose.capture.realsense import RealSenseRecording, RealSenseSource

__all__ = ["SOURCES", "open_capture"]

SOURCES = ("realsense", "realsense:SERIAL", "folder:PATH", "recording:FILE", "npz:FILE")
"""What `open_capture` opens."""


def open_capture(
    source: str,
    *,
    camera: Camera | None = None,
    depth_scale: float | None = None,
    format: str | None = None,
    rate: float | None = None,
    align_to: Literal["depth", "color"] = "depth",
) -> FrameSource:
    """Open a source of depth frames.

    Args:
        source: ``realsense`` for the first RealSense camera, ``realsense:SERIAL`` for a certain one, ``folder:PATH``
            for a folder of frames, ``recording:FILE`` for a recording of librealsense, ``npz:FILE`` for a NumPy
            archive.
        camera: The camera that took a folder's or an archive's frames, where they do not say.
        depth_scale: Millimetres in one unit of them, where they do not say.
        format: How a folder's files hold depth, as for `read_depth`.
        rate: Frames per second of a RealSense camera, or of files that have no times; by default 30.
        align_to: Which RealSense stream's view to use, "depth" or "color".

    Returns:
        A `FrameSource`. Close it.

    Raises:
        ValueError: There is no such kind of source, an option does not fit it, or see the sources themselves.
        OSError: There is no such device, folder or file, or it cannot be opened.
        ImportError: It needs a package that is not installed.

    See Also:
        `RealSenseSource`, `RealSenseRecording`, `FolderSource`, `ArchiveSource`.

    Example:
        >>> open_capture("webcam")
        Traceback (most recent call last):
        ...
        ValueError: A source is one of realsense, realsense:SERIAL, folder:PATH, ... Received: 'webcam'.
    """
    if not isinstance(source, str):
        raise TypeError(f"A source is text, one of {', '.join(SOURCES)}. Received: {source!r:.80}.")
    kind, _, place = source.partition(":")
    rate = 30.0 if rate is None else rate
    if kind == "realsense":
        _refuse(source, camera=camera, depth_scale=depth_scale)
        return RealSenseSource(place or None, rate=rate, align_to=align_to)
    if kind == "recording" and place:
        _refuse(source, camera=camera, depth_scale=depth_scale)
        return RealSenseRecording(place, align_to=align_to)
    if kind in ("folder", "npz") and place:
        _refuse(source, align_to=None if align_to == "depth" else align_to)
        if kind == "npz":
            return ArchiveSource(place, camera, depth_scale=depth_scale, rate=rate)
        return FolderSource(place, camera, depth_scale=depth_scale, format=format, rate=rate)
    raise ValueError(f"A source is one of {', '.join(SOURCES)}. Received: {source!r}.")


def _refuse(source: str, **options: object) -> None:
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"`{name}` does not fit {source!r}. Received: {value!r}. Leave it out.")
