"""Depth frames in a folder, as programs of cameras and `Recorder` leave them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from keras_handpose.cameras import Camera, check_camera
from keras_handpose.capture.frame_source import CapturedFrame, check_rate
from keras_handpose.checks import HANDS, check_path
from keras_handpose.files import require_inside
from keras_handpose.preprocessing import check_depth, list_depth_files, read_depth
from keras_handpose.preprocessing.frames import check_scale
from keras_handpose.records import read_object

__all__ = ["RECORDING_FILE", "FolderSource"]

RECORDING_FILE = "recording.json"
"""Name of the file that says what a folder's frames are: their camera, scale, hands, files and times."""

_KEYS = ("format_version", "camera", "depth_scale", "hands", "frames")


class FolderSource:
    """Depth frames in the files of a folder; a `FrameSource`.

    Where the folder has a ``recording.json``, as recordings of ``keras-handpose live`` have, it says which files the
    frames are, when they were taken, by which camera and of which hands. Otherwise they are the folder's files in the
    order of their numbers.

    Args:
        path: The folder.
        camera: The camera that took the frames, by default that of ``recording.json``.
        depth_scale: Millimetres in one unit of the files, by default that of ``recording.json``, or 1.
        format: How the files hold depth, as for `read_depth`.
        rate: Frames per second where nothing says when they were taken.

    Attributes:
        camera: The camera of all frames.
        depth_scale: Millimetres in one unit of the frames.
        hands: The hands that were looked for when the frames were recorded, "right" before "left"; empty where
            nothing says it.
        live: False.

    Raises:
        FileNotFoundError: There is no such folder, or no frame in it; while frames are read, one is not there.
        ValueError: The camera is known from nowhere, ``recording.json`` is malformed, or an argument is; while frames
            are read, one is not a depth frame of the camera.

    Example:
        >>> import tempfile
        >>> import cv2, numpy as np
        >>> from keras_handpose.cameras import CAMERAS
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("frame_9.png", "frame_10.png"):
        ...         _ = cv2.imwrite(f"{folder}/{name}", np.full((240, 320), 400, np.uint16))
        ...     [(frame.time, frame.depth.shape) for frame in FolderSource(folder, CAMERAS["msra15"], rate=10)]
        [(0.0, (240, 320)), (0.1, (240, 320))]
    """

    live = False

    def __init__(
        self,
        path: str | os.PathLike,
        camera: Camera | None = None,
        *,
        depth_scale: float | None = None,
        format: str | None = None,
        rate: float = 30.0,
    ) -> None:
        if depth_scale is not None:
            depth_scale = check_scale(depth_scale)
        rate = check_rate(rate)
        if camera is not None:
            check_camera(camera)
        path, self._format = check_path(path), format
        record = path / RECORDING_FILE
        if record.is_file():
            recording = _Recording.read(record)
            self._files = [path / name for name in recording.files]
            times, self.hands = recording.times, recording.hands
            camera, depth_scale = camera or recording.camera, depth_scale or recording.depth_scale
        else:
            self._files = list_depth_files(path, format=format)
            times, self.hands = None, ()
        if camera is None:
            raise ValueError(
                f"The camera that took the frames in {path} is not known: there is no {RECORDING_FILE}. "
                "Pass `camera`, a Camera with the intrinsics of your device."
            )
        self._times = [i / rate for i in range(len(self._files))] if times is None else times
        self.camera, self.depth_scale = camera, 1.0 if depth_scale is None else depth_scale
        self._closed = False

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[CapturedFrame]:
        for file, time in zip(self._files, self._times, strict=True):
            if self._closed:
                return
            try:
                depth = read_depth(file, format=self._format)
                check_depth(depth, camera=self.camera)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{error}" if str(file) in f"{error}" else f"{file}: {error}") from error
            yield CapturedFrame(depth, self.camera, self.depth_scale, time)

    def close(self) -> None:
        """Read no more frames."""
        self._closed = True


@dataclass(frozen=True, kw_only=True)
class _Recording:
    """What ``recording.json`` says. Times are None where the frames have none, and hands were not always written."""

    camera: Camera
    depth_scale: float
    hands: tuple[Literal["right", "left"], ...]
    files: Sequence[str]
    times: Sequence[float] | None

    @classmethod
    def read(cls, path: Path) -> _Recording:
        """Read the file.

        Raises:
            ValueError: It is malformed, or names files of another folder.
        """
        try:
            values = read_object(path.read_bytes(), _KEYS, optional=["hands"], format_version=1)
            frames = [_part(frame, ("file", "time"), "frames") for frame in _list(values["frames"])]
            files, times = [frame["file"] for frame in frames], [frame["time"] for frame in frames]
            for file in files:
                if not isinstance(file, str) or not file:
                    raise ValueError(f"`file` must name a file. Received: {file!r}.")
            require_inside(files, listed_in=path)
            return cls(
                camera=_camera(_part(values["camera"], [field.name for field in fields(Camera)], "camera")),
                depth_scale=_number(values["depth_scale"], "depth_scale", above=0.0),
                hands=_hands(values.get("hands", [])),
                files=files,
                times=None if all(time is None for time in times) else _increasing(times),
            )
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{path} is not a recording's list of frames, or it is damaged. {error}") from error


def _camera(values: dict[str, Any]) -> Camera:
    for name, kinds in (("width", int), ("height", int), ("name", str), ("nominal", bool)):
        if type(values[name]) is not kinds:
            raise ValueError(f"`{name}` of the camera must be of type {kinds.__name__}. Received: {values[name]!r}.")
    for name in ("fx", "fy", "cx", "cy"):
        _number(values[name], name)
    return Camera(**values)


def _hands(values: Any) -> tuple[Literal["right", "left"], ...]:
    hands = tuple(hand for hand in HANDS if isinstance(values, list) and hand in values)
    if not isinstance(values, list) or len(hands) != len(values):
        raise ValueError(f"`hands` must be a list of 'right' and 'left', each once. Received: {str(values)[:80]}.")
    return hands


def _list(values: Any) -> list[Any]:
    if not isinstance(values, list) or not values:
        raise ValueError(f"`frames` must be a list of frames, at least one. Received: {str(values)[:80]}.")
    return values


def _part(values: Any, keys: Sequence[str], name: str) -> dict[str, Any]:
    """Return an object inside of the record, which must have certain keys and no others."""
    try:
        return read_object(json.dumps(values), keys)
    except ValueError as error:
        raise ValueError(f"`{name}`: {error}") from error


def _number(value: Any, name: str, *, above: float = -math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not above < value < math.inf:
        raise ValueError(f"`{name}` must be a number{f' above {above:g}' if above == 0 else ''}. Received: {value!r}.")
    return float(value)


def _increasing(times: Sequence[Any]) -> list[float]:
    numbers = [_number(time, "time") for time in times]
    for before, after in zip(numbers, numbers[1:], strict=False):
        if not before < after:
            raise ValueError(f"`time` must increase from frame to frame. Received: {before}, then {after}.")
    return numbers
