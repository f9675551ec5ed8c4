"""Depth frames in one NumPy archive."""

from __future__ import annotations

import lzma
import math
import os
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np

from keras_handpose.cameras import Camera, check_camera
from keras_handpose.capture.frame_source import CapturedFrame, check_rate
from keras_handpose.checks import check_path
from keras_handpose.files import whole_file
from keras_handpose.preprocessing import check_depth
from keras_handpose.preprocessing.frames import check_scale

__all__ = ["ArchiveSource", "write_archive"]

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
# What NumPy, zipfile and the decoders raise for damaged or hostile files.
_DAMAGE = (
    *(ValueError, TypeError, EOFError, OSError, MemoryError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, tokenize.TokenError),
)


class ArchiveSource:
    """Depth frames in a ``.npz`` file; a `FrameSource`. A frame at a time is in memory.

    The file has ``depth`` of shape ``(n, height, width)``, and may have ``times`` ``(n,)`` in seconds, ``camera``
    ``(fx, fy, cx, cy)`` in px and ``depth_scale``. What else is in it is not looked at.

    Args:
        path: The file.
        camera: The camera that took the frames, by default the file's.
        depth_scale: Millimetres in one unit, by default the file's, or 1.
        rate: Frames per second where the file has no times.

    Attributes:
        camera: The camera of all frames.
        depth_scale: Millimetres in one unit of the frames.
        live: False.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not such a file, is damaged, or has no camera and none is given; while frames are read, it
            turned out to be damaged.

    See Also:
        `write_archive`, the inverse.

    Example:
        >>> import tempfile
        >>> from keras_handpose.cameras import CAMERAS
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/mine.npz", depth=np.full((3, 240, 320), 400, np.uint16))
        ...     source = ArchiveSource(f"{folder}/mine.npz", CAMERAS["msra15"], rate=10)
        ...     len(source), [frame.time for frame in source]
        (3, [0.0, 0.1, 0.2])
    """

    live = False

    def __init__(
        self,
        path: str | os.PathLike,
        camera: Camera | None = None,
        *,
        depth_scale: float | None = None,
        rate: float = 30.0,
    ) -> None:
        if depth_scale is not None:
            depth_scale = check_scale(depth_scale)
        rate = check_rate(rate)
        if camera is not None:
            check_camera(camera)
        self._path = path = check_path(path)
        if not path.is_file():
            raise FileNotFoundError(f"There is no archive {str(path)!r}.")
        try:
            with zipfile.ZipFile(path) as archive:
                with _open_depth(archive) as file:
                    self._shape, self._dtype = _read_header(file)
                    size = file.tell() + math.prod(self._shape) * self._dtype.itemsize
                there = archive.getinfo("depth.npy").file_size
                if there != size:
                    raise ValueError(f"`depth` of shape {self._shape} has {size:,} bytes. Received: {there:,}.")
                count, height, width = self._shape
                own_camera = _read_numbers(archive, "camera", (4,))
                times = _read_numbers(archive, "times", (count,))
                scale = _read_numbers(archive, "depth_scale", ())
                if times is not None and (np.diff(times) <= 0).any():
                    raise ValueError("`times` must increase from frame to frame.")
                if scale is not None and scale <= 0:
                    raise ValueError(f"`depth_scale` must be positive. Received: {scale.item()}.")
                if camera is None and own_camera is not None:
                    fx, fy, cx, cy = own_camera.tolist()
                    camera = Camera(width=width, height=height, fx=fx, fy=fy, cx=cx, cy=cy, name=path.stem)
        except _DAMAGE as error:
            raise ValueError(f"{path} is not an .npz file of depth frames, or it is damaged: {error}") from error
        if camera is None:
            raise ValueError(f"{path} has no camera. Pass `camera`, a Camera with the intrinsics of your device.")
        if camera.shape != (height, width):
            raise ValueError(
                f"The frames do not have the size of camera {camera.name!r}, {camera.width} x {camera.height}. "
                f"Received: {path}, {width} x {height}."
            )
        self.camera = camera
        self.depth_scale = depth_scale if depth_scale is not None else 1.0 if scale is None else scale.item()
        self._times = [i / rate for i in range(count)] if times is None else times.tolist()
        self._closed = False

    def __len__(self) -> int:
        return self._shape[0]

    def __iter__(self) -> Iterator[CapturedFrame]:
        size = math.prod(self._shape[1:]) * self._dtype.itemsize
        try:
            with zipfile.ZipFile(self._path) as archive, _open_depth(archive) as file:
                _read_header(file)
                for time in self._times:
                    if self._closed:
                        return
                    depth = np.frombuffer(bytearray(file.read(size)), self._dtype).reshape(self._shape[1:])
                    yield CapturedFrame(depth, self.camera, self.depth_scale, time)
        except _DAMAGE as error:
            raise ValueError(f"{self._path} is damaged: {error}") from error

    def close(self) -> None:
        """Read no more frames."""
        self._closed = True


def write_archive(path: str | os.PathLike, frames: Iterable[CapturedFrame]) -> None:
    """Write frames to a ``.npz`` file that `ArchiveSource` reads. All of them are in memory meanwhile.

    Args:
        path: The file, which appears once it is whole.
        frames: Frames of one camera and scale, all with times or all without.

    Raises:
        TypeError: Something is no frame, or its camera none.
        ValueError: There are no frames, or they differ in camera, scale, size or type, or some have no time.

    Example:
        >>> import tempfile
        >>> from keras_handpose.cameras import CAMERAS
        >>> frame = CapturedFrame(np.full((240, 320), 3200, np.uint16), CAMERAS["msra15"], 0.125, time=2.5)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_archive(f"{folder}/mine.npz", [frame])
        ...     source = ArchiveSource(f"{folder}/mine.npz")
        ...     source.camera.fx, source.depth_scale, next(iter(source)).time
        (241.42, 0.125, 2.5)
    """
    frames = list(frames)
    for frame in frames:
        wrong = frame if not isinstance(frame, CapturedFrame) else frame.depth
        if wrong is frame or not isinstance(wrong, np.ndarray):
            raise TypeError(
                "An archive is written of CapturedFrame(depth, camera, ...), whose depth is an array. "
                f"Received: a {type(wrong).__name__}."
            )
    kinds = {(f.camera, f.depth_scale, f.depth.shape, f.depth.dtype.str, f.time is None) for f in frames}
    if len(kinds) != 1:
        raise ValueError(
            "An archive holds frames of one camera, scale, size and type, all with times or all without, at least one. "
            f"Received: {len(frames)} frames of {len(kinds)} kinds."
        )
    first = frames[0]
    check_depth(first.depth, camera=first.camera)
    arrays = {"depth": np.stack([frame.depth for frame in frames])}
    if first.camera is not None:
        arrays["camera"] = np.array([first.camera.fx, first.camera.fy, first.camera.cx, first.camera.cy])
    if first.depth_scale is not None:
        arrays["depth_scale"] = np.array(first.depth_scale)
    if first.time is not None:
        arrays["times"] = np.array([frame.time for frame in frames], np.float64)
        if not (np.diff(arrays["times"]) > 0).all():
            raise ValueError("The frames' times must increase from frame to frame. Received: some that do not.")
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _open_depth(archive: zipfile.ZipFile) -> IO[bytes]:
    if "depth.npy" not in archive.namelist():
        raise ValueError("it has no array `depth`.")
    return archive.open("depth.npy")


def _read_header(file: IO[bytes]) -> tuple[tuple[int, int, int], np.dtype]:
    """Read an array's header, up to its first frame: its shape and type."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"`depth` has version {version} of NumPy's format, which depth frames do not need.")
    shape, is_fortran, dtype = _HEADERS[version](file)
    if dtype.kind not in "iuf" or dtype.itemsize < 2:
        raise ValueError(f"`depth` must hold integers of 16 bits or more, or floats. Received: dtype {dtype}.")
    if len(shape) != 3 or 0 in shape:
        raise ValueError(f"`depth` must have the shape (frames, height, width). Received: {shape}.")
    if is_fortran:
        raise ValueError("`depth` is in Fortran's order. Save np.ascontiguousarray(depth).")
    return shape, dtype


def _read_numbers(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return a small array of finite numbers, None where there is none of that name."""
    if f"{name}.npy" not in archive.namelist():
        return None
    with archive.open(f"{name}.npy") as file:
        values = np.lib.format.read_array(file, allow_pickle=False)
    if values.dtype.kind not in "iuf" or values.shape != shape or not np.isfinite(values).all():
        raise ValueError(
            f"`{name}` must be finite numbers of shape {shape}. Received: shape {values.shape}, dtype {values.dtype}."
        )
    return values.astype(np.float64)
