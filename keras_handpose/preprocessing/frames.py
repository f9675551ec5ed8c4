"""Depth frames: the check that every frame passes, and reading them from files.

A depth frame is a 2-D array ``(height, width)`` of mm, uint16 or float32, in which 0, NaN, infinities and negative
values mean "no depth". Nothing in this package writes into a frame that it was given.
"""

from __future__ import annotations

import os
import re
import sys
import tokenize
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from keras_handpose.cameras import Camera, check_camera
from keras_handpose.checks import as_array, check_path, check_positive

__all__ = [
    "FARTHEST",
    "FRAME_FORMATS",
    "LONGEST",
    "NEAREST",
    "POSE_PICTURE",
    "check_depth",
    "check_scale",
    "list_depth_files",
    "read_depth",
    "warn_of_distance",
    "warn_of_unit",
]

NEAREST, FARTHEST = 20.0, 100_000.0
"""Depths in mm that no depth camera measures of a hand, nearer than the first and farther than the second. So far away
are marks for missing depth, such as the largest float, and frames in another unit."""

_MARKS = 1e10  # No wrong unit leads so far: depth of as many mm or more marks what has none.
_STRAY = 0.05  # Share of a frame's depth that says nothing of its unit, as flying pixels and hot ones may be anywhere.
_UNIT_ROWS, _UNIT_COLUMNS = 60, 80  # At least as many are looked at, or all: fewer pixels would miss a hand alone.
_TOO_NEAR = (
    f"Almost all depth in this frame is nearer than {NEAREST:g} mm: frames in metres need depth_scale=1000. "
    "No hand is looked for there."
)
_TOO_FAR = (
    f"Almost all depth in this frame is farther than {FARTHEST / 1000:g} m: frames in mm need depth_scale=1. "
    "No hand is looked for there."
)
_FAR_HAND = 2_000.0  # mm
_TOO_FAR_HAND = (
    f"A hand was found more than {_FAR_HAND / 1000:g} m from the camera, twice as far as presets learned from. "
    "If it is nearer, the frames are in another unit: pass depth_scale, the mm in one (0.125 for an SR305)."
)

LONGEST = 32_766
"""Most pixels of a frame's side."""

POSE_PICTURE = ".pose.png"
"""How the names of pictures of poses end, which may lie beside the frames."""

_PATTERNS = {
    "depth16": ("*.png", "*.tif", "*.tiff", "*.pgm"),
    "nyu": ("depth_*.png",),  # Colour images lie in the same folder.
    "npy": ("*.npy",),
}


def check_depth(depth: np.ndarray, *, depth_scale: float = 1.0, camera: Camera | None = None) -> np.ndarray:
    """Check a depth frame and bring it to mm.

    Args:
        depth: Frame of shape ``(height, width)``, integers of 16 bits or more, or floats. What a masked array masks has
            no depth.
        depth_scale: Millimetres in one unit of the frame (0.125 for an SR305, 1000 for metres).
        camera: The camera that took it; its frame size must be the frame's.

    Returns:
        The frame in mm, uint16 or float32, C-contiguous; the given array itself where it is all that already.

    Raises:
        TypeError: The frame does not hold numbers of 16 bits or more, or the camera is none.
        ValueError: The frame is not 2-D, is empty, has a side of more than 32,766 px or not the camera's size, or the
            scale is not positive.

    See Also:
        `warn_of_unit`, which tells a frame in another unit.

    Example:
        >>> check_depth(np.array([[4000, 0]], np.uint16), depth_scale=0.125).tolist()
        [[500.0, 0.0]]
    """
    given = depth
    depth = given.filled(0) if isinstance(given, np.ma.MaskedArray) else as_array(given)
    if depth.dtype.kind not in "iuf" or depth.dtype.itemsize < 2:
        raise TypeError(
            f"A depth frame holds 16-bit integers or floats. Received: {_said(given, depth)}. "
            "A picture of 8 bits a pixel is a colour or grey image: read the depth stream, or a 16-bit file."
        )
    if depth.ndim != 2:
        raise ValueError(
            f"A depth frame has shape (height, width). Received: shape {depth.shape}. "
            "Pass one frame without a channel axis; RGB images are not depth."
        )
    if depth.size == 0:
        raise ValueError(f"The depth frame is empty. Received: shape {depth.shape}. Pass a frame that has pixels.")
    if max(depth.shape) > LONGEST:
        raise ValueError(
            f"A depth frame has at most {LONGEST:,} px a side, as OpenCV does. Received: shape {depth.shape}. "
            "Pass a part of it, with `Camera.window` for its camera."
        )
    if camera is not None and depth.shape != check_camera(camera).shape:
        raise ValueError(
            f"The frame does not have the size of camera {camera.name!r}, {camera.width} x {camera.height}. "
            f"Received: {depth.shape[1]} x {depth.shape[0]}. "
            "Pass the camera that took it; `Camera.window` gives the camera of a part of a frame."
        )
    depth_scale = check_scale(depth_scale)
    if depth_scale == 1.0 and depth.dtype in (np.uint16, np.float32):
        return np.ascontiguousarray(depth)
    with np.errstate(over="ignore", invalid="ignore"):  # What float32 cannot hold is infinite or NaN: no depth.
        return np.multiply(depth, depth_scale, dtype=np.float64 if depth.dtype.itemsize > 4 else np.float32).astype(
            np.float32, copy=False
        )


def check_scale(depth_scale: float) -> float:
    """Return the mm in one unit of a frame as a float.

    Raises:
        ValueError: It is not a positive number.
    """
    return check_positive(depth_scale, "depth_scale", "number of mm in one unit")


def warn_of_unit(depth: np.ndarray) -> None:
    """Warn where almost all depth of a frame without a hand is nearer or farther than any that hands are looked for in.

    Such frames are mostly in metres and are taken for mm, or the other way round. Other wrong units cannot be told
    from a hand far away or close by. The warning is that of the line that called this package, and its text is the
    same for every frame, so that Python shows it once for a stream.

    Args:
        depth: Frame in mm as `check_depth` returns it.

    See Also:
        `warn_of_distance`, for frames in which a hand was found.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as said:
        ...     warnings.simplefilter("always")
        ...     warn_of_unit(np.full((240, 320), 0.4, np.float32))
        >>> str(said[0].message)[:60]
        'Almost all depth in this frame is nearer than 20 mm: frames '
    """
    height, width = depth.shape
    sample = depth[:: max(1, height // _UNIT_ROWS), :: max(1, width // _UNIT_COLUMNS)]
    valid = sample[(sample > 0) & (sample < _MARKS)]
    near, far = np.count_nonzero(valid < NEAREST), np.count_nonzero(valid > FARTHEST)
    if near + far <= (1 - _STRAY) * valid.size:
        return
    # Marks for missing depth are never near.
    warnings.warn(_TOO_NEAR if near > _STRAY * valid.size else _TOO_FAR, UserWarning, stacklevel=_users_level())


def warn_of_distance(centre_xyz: np.ndarray) -> None:
    """Warn of a hand that is so far away that the unit may be another, as `warn_of_unit` does.

    Args:
        centre_xyz: The hand's centre in mm, shape ``(3,)``; NaN for none.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as said:
        ...     warnings.simplefilter("always")
        ...     warn_of_distance(np.array([0.0, 0.0, 3200.0]))
        >>> str(said[0].message)[:60]
        'A hand was found more than 2 m from the camera, twice as far'
    """
    if centre_xyz[2] > _FAR_HAND:
        warnings.warn(_TOO_FAR_HAND, UserWarning, stacklevel=_users_level())


def _users_level() -> int:
    """Return the ``stacklevel`` for a warning of the calling function that names the line outside of this package."""
    room = __name__.partition(".")[0]
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == room:
        frame, level = frame.f_back, level + 1
    return level


def _said(given: object, depth: np.ndarray) -> str:
    if depth.dtype != object or isinstance(given, np.ndarray):
        return f"dtype {depth.dtype}, shape {depth.shape}"
    parts = (
        f" of {', '.join(sorted({type(part).__name__ for part in given}))}" if isinstance(given, tuple | list) else ""
    )
    return f"dtype object, from a {type(given).__name__}{parts}"


def _from_depth16(path: Path) -> np.ndarray:
    image = _read_image(path)
    if image.dtype != np.uint16 or image.ndim != 2:
        raise ValueError(
            f"{path} is not a 16-bit depth image of one channel. Received: {_described(image)}. "
            "NYU's files (three channels of 8 bits) are read with format='nyu'."
        )
    return image


def _from_nyu(path: Path) -> np.ndarray:
    image = _read_image(path)
    if image.dtype != np.uint8 or image.ndim != 3:
        raise ValueError(
            f"{path} is not in NYU's encoding, three channels of 8 bits with mm = (G << 8) + B. "
            f"Received: {_described(image)}. One channel of 16 bits is read with format='depth16'."
        )
    blue, green = image[..., 0], image[..., 1]
    return (green.astype(np.uint16) << 8) + blue


def _from_npy(path: Path) -> np.ndarray:
    try:
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, TypeError, EOFError, OSError, MemoryError, tokenize.TokenError) as error:
        raise ValueError(f"{path} is not a NumPy array file of plain numbers: {error}") from error


FRAME_FORMATS: dict[str, Callable[[Path], np.ndarray]] = {
    "depth16": _from_depth16,
    "nyu": _from_nyu,
    "npy": _from_npy,
}
"""Readers of depth files by format."""


def read_depth(path: str | Path, *, format: str | None = None) -> np.ndarray:
    """Read a depth frame from a file, in the file's own unit.

    Args:
        path: The file.
        format: ``"depth16"`` for a 16-bit image of one channel (PNG, TIFF, PGM), ``"nyu"`` for the encoding of the NYU
            hand dataset, ``"npy"`` for a NumPy array; by default ``"npy"`` for files that end in ``.npy``, and
            ``"depth16"`` for all others.

    Returns:
        The frame, shape ``(height, width)``: uint16, or what the array file holds. ``"nyu"`` is in mm.

    Raises:
        FileNotFoundError: There is no such file.
        TypeError: The file does not hold numbers of 16 bits or more, or the path is no path.
        ValueError: The format is unknown, or the file is not a depth frame in that format.

    See Also:
        `check_depth`, which turns the file's unit into mm.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(f"{folder}/frame.npy", np.full((2, 3), 400, np.uint16))
        ...     read_depth(f"{folder}/frame.npy").shape
        (2, 3)
    """
    _check_format(format)
    path = check_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no depth file {str(path)!r}.")
    frame = FRAME_FORMATS[format or ("npy" if path.suffix == ".npy" else "depth16")](path)
    check_depth(frame)
    return frame


def list_depth_files(folder: str | os.PathLike, *, format: str | None = None) -> list[Path]:
    """Return a folder's depth frames in the order in which they were numbered: ``frame_9.png`` before ``frame_10.png``.

    Args:
        folder: The folder. What is in folders below it is left out, as are pictures of poses and hidden files.
        format: How the files hold depth, as for `read_depth`; by default images, or arrays where there are no images.

    Raises:
        FileNotFoundError: There is no such folder, or there are no such files in it.
        ValueError: The format is unknown.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("a10.png", "a9.png", "a9.pose.png", "notes.txt"):
        ...         (Path(folder) / name).touch()
        ...     [path.name for path in list_depth_files(folder)]
        ['a9.png', 'a10.png']
    """
    _check_format(format)
    folder = check_path(folder, "folder")
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {str(folder)!r}.")
    kinds = ("depth16", "npy") if format is None else (format,)
    for kind in kinds:
        found = {path for pattern in _PATTERNS[kind] for path in folder.glob(pattern) if not path.name.startswith(".")}
        files = [path for path in found if not path.name.endswith(POSE_PICTURE)]
        if files:
            return sorted(files, key=_numbered)
    patterns = [pattern for kind in kinds for pattern in _PATTERNS[kind]]
    others = [f"format={name!r}" for name, its in _PATTERNS.items() if any(any(folder.glob(each)) for each in its)]
    hint = f" There are files for {' and '.join(others)}." if others else ""
    raise FileNotFoundError(f"There are no frames in {folder}: looked for {', '.join(patterns)}.{hint}")


def _numbered(path: Path) -> tuple[list[str | int], str]:
    """Return what to sort names by: numbers in them by their value, and otherwise equal names by themselves."""
    parts = re.split("([0-9]+)", path.name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], path.name


def _check_format(format: str | None) -> None:
    if format is not None and (not isinstance(format, str) or format not in FRAME_FORMATS):
        raise ValueError(f"`format` must be one of {', '.join(map(repr, FRAME_FORMATS))}. Received: {format!r}.")


def _read_image(path: Path) -> np.ndarray:
    # The bytes are read here because OpenCV prints its own warnings about files that it cannot open.
    encoded = np.fromfile(path, np.uint8)
    try:
        image = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED) if encoded.size else None
    except cv2.error:  # The header announces a picture larger than OpenCV reads.
        image = None
    if image is None:
        hint = " Array files are read with format='npy'." if encoded[:6].tobytes() == b"\x93NUMPY" else ""
        raise ValueError(
            f"{path} is not an image that OpenCV can read, or it is damaged. Received: {encoded.size:,} bytes.{hint}"
        )
    return image


def _described(image: np.ndarray) -> str:
    channels = 1 if image.ndim == 2 else image.shape[2]
    return f"{channels} channel{'s' if channels > 1 else ''} of {image.dtype.itemsize * 8} bits, shape {image.shape}"
