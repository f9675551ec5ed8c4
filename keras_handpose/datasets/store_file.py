"""The layout of a crop store's file: writing it in one step, and reading it without trusting it.

An HDF5 file whose root has the attributes ``format``, ``version``, ``count``, ``size``, ``skeleton``, ``settings``
(JSON), ``checksum`` (CRC-32 of the tables) and, written last, ``complete``. Its datasets are ``crops``, int16 of shape
``(n, size, size)``, and the tables in `TABLES`. A crop's values are its normalised depth times 32767, so that the
background is 1.0 exactly and everything else is within 0.002 mm in a cube of 250 mm.

A crop is a chunk, compressed with deflate at level 1. Shuffled bytes, higher levels and lzf change the size by less
than 10 %, float32 makes it three quarters larger. A shuffled crop takes h5py's selections 1.5 to 3 times as long from
chunks of 4 crops and 3 to 8 times as long from chunks of 16 (``benchmarks/preparation.py``). HDF5 is asked once where
the chunks are, when the store is opened; then they are read from the file as they are and inflated here: threads
would wait for each other in h5py, and its direct reads of chunks take no lock and fail when two threads do one.
"""

from __future__ import annotations

import io
import json
import os
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from keras_handpose.checks import HANDS
from keras_handpose.files import whole_file
from keras_handpose.preprocessing import BACKGROUND
from keras_handpose.skeletons import SKELETONS, Skeleton

__all__ = [
    "TABLES",
    "ChunkReader",
    "check_store",
    "deflate_crop",
    "inflate_crop",
    "open_store",
    "read_table",
    "text_bytes",
    "write_store",
]

FORMAT = "keras-handpose crop store"
VERSION = 1

TABLES: dict[str, tuple[str, tuple[str | int, ...]]] = {
    "joints_unit": ("<f4", ("joints", 3)),
    "joints_xyz": ("<f4", ("joints", 3)),
    "centres_xyz": ("<f8", (3,)),
    "cubes": ("<f8", ()),
    "cameras": ("<f8", (6,)),
    "hands": ("S", ()),
    "subjects": ("S", ()),
    "paths": ("S", ()),
    "found": ("|u1", ()),
}
"""Type and shape, after the number of frames, of what is kept beside the crops. Strings (S) are UTF-8."""

_STEPS = 32767
_CROP_TYPE = np.dtype("<i2")
_LEVEL = 1
_LONGEST = 4096  # Bytes of a name.
_ROWS = 1024  # Of a table in memory at a time.
# What h5py and NumPy raise for damaged files.
_DAMAGE = (OSError, KeyError, RuntimeError, ValueError, TypeError, ArithmeticError)


def deflate_crop(image: np.ndarray) -> bytes:
    """Compress a crop of shape ``(size, size)`` to a chunk.

    What is inside of the cube stays inside: only the background becomes the largest value.

    See Also:
        `inflate_crop`, the inverse.
    """
    steps = np.rint(image * np.float32(_STEPS)).astype(_CROP_TYPE)
    steps[(steps == _STEPS) & (image < BACKGROUND)] = _STEPS - 1
    return zlib.compress(steps, _LEVEL)


def inflate_crop(chunk: bytes, image: np.ndarray) -> None:
    """Put the crop of a chunk into an array of shape ``(size, size)`` and type float32.

    Raises:
        ValueError: The chunk is damaged.

    See Also:
        `deflate_crop`, the inverse.
    """
    expected = image.size * _CROP_TYPE.itemsize
    inflater = zlib.decompressobj()
    try:
        steps = inflater.decompress(chunk, expected)
        whole = len(steps) == expected and (inflater.eof or (not inflater.decompress(b"", 1) and inflater.eof))
    except zlib.error:
        whole = False
    if not whole:
        raise ValueError("a crop is damaged")
    np.multiply(np.frombuffer(steps, _CROP_TYPE).reshape(image.shape), np.float32(1 / _STEPS), out=image)


def write_store(
    path: str | os.PathLike,
    parts: Iterable[tuple[list[bytes], Mapping[str, np.ndarray]]],
    *,
    count: int,
    longest: Mapping[str, int],
    skeleton: Skeleton,
    size: int,
    settings: Mapping[str, Any],
) -> None:
    """Write a crop store in one step, part by part; nothing of a part is kept in memory.

    Args:
        path: The file to make or to replace.
        parts: Chunks of consecutive frames as `deflate_crop` gives them, with these frames' tables.
        count: Number of frames in all parts.
        longest: Bytes of the longest text in each of the tables of strings; see `text_bytes`.
        skeleton: Layout of the joints.
        size: Edge of the crops in px.
        settings: How the store came to be; what JSON can hold.
    """
    with whole_file(path) as partial, h5py.File(partial, "w-", libver=("earliest", "v110")) as file:
        crops = file.create_dataset(
            "crops",
            (count, size, size),
            _CROP_TYPE,
            chunks=(1, size, size),
            compression="gzip",
            compression_opts=_LEVEL,
        )
        for name, (kind, _) in TABLES.items():
            of_text = h5py.string_dtype("utf-8", max(1, longest[name])) if kind == "S" else None
            file.create_dataset(name, _shape(name, count, skeleton), of_text or kind)
        frame = 0
        for chunks, tables in parts:
            first = frame
            for chunk in chunks:
                crops.id.write_direct_chunk((frame, 0, 0), chunk)
                frame += 1
            for name, (kind, _) in TABLES.items():
                column = np.char.encode(tables[name], "utf-8") if kind == "S" else tables[name]
                file[name][first:frame] = column.astype(file[name].dtype)
        if frame != count:
            raise ValueError(f"`count` must be the number of frames in all parts, {frame}. Received: {count}.")
        checksum = 0
        for name in TABLES:
            for rows in _slices(count):
                checksum = zlib.crc32(file[name][rows], checksum)
        file.attrs.update(format=FORMAT, version=VERSION, count=count, size=size, skeleton=skeleton.name)
        file.attrs.update(settings=json.dumps(settings), checksum=checksum)
        file.flush()
        file.attrs["complete"] = True


def text_bytes(column: np.ndarray) -> int:
    """Return how many bytes the longest text of a table's part has in a file."""
    return np.char.encode(column, "utf-8").itemsize


def open_store(path: Path) -> h5py.File:
    """Open a store's file for reading.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: The file is truncated, was not written to its end, is of a newer version, or is no crop store.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no crop store {str(path)!r}.")
    try:
        file = h5py.File(path, "r", locking=False)
    except OSError as error:
        raise damaged(path, f"HDF5 cannot open it ({error})") from error
    try:
        attributes = dict(file.attrs)
    except _DAMAGE as error:
        file.close()
        raise damaged(path, str(error)) from error
    problem = None
    if not np.array_equal(attributes.get("format"), FORMAT):
        problem = damaged(path, "it is another kind of HDF5 file")
    elif not np.array_equal(attributes.get("version"), VERSION):
        problem = OSError(
            f"{path} is a crop store of version {attributes.get('version')}, this package knows version {VERSION}. "
            "Install a newer keras-handpose, or prepare the frames again."
        )
    elif not np.array_equal(attributes.get("complete"), True):
        problem = damaged(path, "it was not written to its end")
    if problem is not None:
        file.close()
        raise problem
    return file


def check_store(file: h5py.File, path: Path) -> tuple[Skeleton, int, dict[str, Any], np.ndarray]:
    """Read all that a store holds but its crops, a slice after the other, and check it.

    Returns:
        Skeleton, edge of the crops in px, settings, and the places of the crops' chunks for a `ChunkReader`.

    Raises:
        OSError: Something in the file is not as it was written.
    """
    try:
        count, size = (int(file.attrs[name]) for name in ("count", "size"))
        skeleton = SKELETONS[str(file.attrs["skeleton"])]
        settings = json.loads(file.attrs["settings"])
        if not isinstance(settings, dict):
            raise ValueError("its settings are none")
        crops = _dataset(file, "crops")
        laid_out = (crops.shape, crops.dtype, crops.chunks, crops.compression, crops.shuffle, crops.fletcher32)
        if laid_out != ((count, size, size), _CROP_TYPE, (1, size, size), "gzip", False, False):
            raise ValueError(f"its crops are laid out as {laid_out}")
        places = _chunk_places(crops, path.stat().st_size)
        checksum = 0
        for name, (kind, _) in TABLES.items():
            table = _dataset(file, name)
            if (
                table.shape != _shape(name, count, skeleton)
                or table.chunks
                or table.dtype.kind != np.dtype(kind).kind
                or table.dtype.itemsize > _LONGEST
            ):
                raise ValueError(f"its {name} are {table.dtype} of shape {table.shape}")
            for rows in _slices(count):
                checksum = zlib.crc32(table[rows], checksum)
        if checksum != file.attrs["checksum"]:
            raise ValueError("its tables do not have their checksum")
        for rows in _slices(count):
            _check_values({name: read_table(file, name, rows) for name in TABLES})
    except _DAMAGE as error:
        raise damaged(path, str(error)) from error
    return skeleton, size, settings, places


def read_table(file: h5py.File, name: str, rows: slice = slice(None)) -> np.ndarray:
    """Read one of the `TABLES` of a store that was checked."""
    kind, column = TABLES[name][0], file[name][rows]
    return np.char.decode(column, "utf-8") if kind == "S" else column.astype(kind, copy=False)


class ChunkReader:
    """Reads crops' chunks from a store's file without HDF5; several threads may do so at once.

    Args:
        file: The store's file, open; it is closed with the reader.
        places: Where the chunks begin and how many bytes they have, shape ``(n, 2)``.
    """

    def __init__(self, file: io.FileIO, places: np.ndarray) -> None:
        self._file = file
        self._places = places
        self._lock = threading.Lock()

    def read(self, frame: int) -> bytes:
        """Read a crop's chunk."""
        place, length = self._places[frame].tolist()
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), length, place)
        with self._lock:
            self._file.seek(place)
            return self._file.read(length)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    __del__ = close


def damaged(path: Path, why: str) -> OSError:
    """Return the error for a file that cannot be used."""
    return OSError(
        f"{path} is not a whole crop store: {why}. Delete it and prepare the frames again, or copy it again from where "
        "it came."
    )


def _dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """Return a dataset that lies in this file itself."""
    if not isinstance(file.get(name, getlink=True), h5py.HardLink) or not isinstance(file[name], h5py.Dataset):
        raise ValueError(f"its {name} are not in it")
    if file[name].is_virtual or file[name].external:
        raise ValueError(f"its {name} are in another file")
    return file[name]


def _shape(name: str, count: int, skeleton: Skeleton) -> tuple[int, ...]:
    """Return the shape of one of the `TABLES`."""
    return (count, *(len(skeleton) if axis == "joints" else axis for axis in TABLES[name][1]))


def _slices(count: int) -> Iterator[slice]:
    """Divide rows so that a slice of any table is small."""
    return (slice(first, first + _ROWS) for first in range(0, count, _ROWS))


def _chunk_places(crops: h5py.Dataset, file_size: int) -> np.ndarray:
    """Find where each crop's chunk begins in the file and how many bytes it has, shape ``(n, 2)``."""
    there = crops.id.get_num_chunks()
    if there != len(crops):
        raise ValueError(f"it has {there} of {len(crops)} crops")
    places = np.full((there, 2), -1, np.int64)

    def note(chunk: h5py.h5d.StoreInfo) -> None:
        if not chunk.filter_mask:  # Or it is not compressed.
            places[chunk.chunk_offset[0]] = chunk.byte_offset, chunk.size

    crops.id.chunk_iter(note)
    if (places < 0).any() or (places.sum(axis=1) > file_size).any():
        raise ValueError("its crops are not where they should be")
    return places


def _check_values(tables: Mapping[str, np.ndarray]) -> None:
    """Check rows of all tables."""
    found = tables["found"].astype(bool)
    sound = (
        tables["found"].max(initial=0) <= 1
        and np.isin(tables["hands"], HANDS).all()
        and all(
            np.isfinite(tables[name][found]).all()
            for name in ("joints_unit", "joints_xyz", "centres_xyz", "cubes", "cameras")
        )
        and (tables["centres_xyz"][found, 2] > 0).all()
        and (tables["cubes"][found] > 0).all()
        and (tables["cameras"][found, :4] > 0).all()
    )
    if not sound:
        raise ValueError("it holds values that no crop has")
