"""Model files that carry a text and a seal over both.

A sealed file is the model as its format has it, and behind it

- in ONNX two more ``metadata_props``: ``keras_handpose``, the text, and ``keras_handpose_sha256``;
- in TFLite a zip archive, as TFLite's own metadata has for associated files, of ``keras_handpose.json`` and
  ``keras_handpose.sha256``.

The seal is the SHA-256 of the model's bytes followed by the text's. A runtime may crash on a damaged model, so it is
checked before one sees the file. Other readers of both formats pass over what they do not know: the files run anywhere.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from keras_handpose.files import whole_file

__all__ = ["SUFFIXES", "seal", "unseal"]

_LIMIT = 1_000_000  # Bytes of text.
_CHUNK = 1 << 20


def unseal(path: str | os.PathLike) -> bytes:
    """Return the text of a sealed file, after checking that the file is as it was written.

    Args:
        path: A ``.onnx`` or ``.tflite`` file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is of another format, not sealed, damaged, or changed after it was sealed.

    See Also:
        `seal`, the inverse.
    """
    path = Path(path)
    form = _form(path)
    with path.open("rb") as file:
        try:
            start, text, sha256 = form.find(file)
        except ValueError as error:
            raise ValueError(
                f"{path} is not a model that keras-handpose exported, or it is damaged: {error}. "
                "Make one with keras_handpose.export."
            ) from error
        if _sha256(file, start, text) != sha256:
            raise ValueError(
                f"{path} is damaged, or was changed after it was exported: it does not have the SHA-256 that is "
                "written in it. Export it again with keras_handpose.export."
            )
    return text


def seal(path: str | os.PathLike, text: bytes) -> None:
    """Write a text and a seal into a model's file, in one step. Those that it has are replaced.

    Args:
        path: A ``.onnx`` or ``.tflite`` file.
        text: At most a million bytes.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is of another format, or the text is too long.

    See Also:
        `unseal`, the inverse.
    """
    path = Path(path)
    form = _form(path)
    if len(text) > _LIMIT:
        raise ValueError(f"A model's metadata have at most {_LIMIT} bytes. Received: {len(text)} bytes for {path}.")
    with path.open("rb") as file:
        try:
            end = form.find(file).start
        except ValueError:
            end = path.stat().st_size
        sha256 = _sha256(file, end, text)
        file.seek(0)
        model = file.read(end)
    with whole_file(path) as partial, partial.open("xb") as file:
        file.write(model)
        form.append(file, text, sha256)


class _Found(NamedTuple):
    start: int  # Where the model ends.
    text: bytes
    sha256: str


class _Form(NamedTuple):
    find: Callable[[BinaryIO], _Found]  # Raises ValueError.
    append: Callable[[BinaryIO, bytes, str], None]


def _form(path: Path) -> _Form:
    if path.suffix not in _FORMS:
        raise ValueError(f"An exported model's file ends in {' or '.join(_FORMS)}. Received: {str(path)!r}.")
    if not path.is_file():
        raise FileNotFoundError(f"There is no model file {str(path)!r}.")
    return _FORMS[path.suffix]


def _sha256(file: BinaryIO, end: int, text: bytes) -> str:
    """Return the SHA-256 of a file's first bytes and a text, without holding the file in memory."""
    digest = hashlib.sha256()
    file.seek(0)
    while end > 0 and (chunk := file.read(min(end, _CHUNK))):
        digest.update(chunk)
        end -= len(chunk)
    digest.update(text)
    return digest.hexdigest()


# === ONNX: two more fields at the end of the message, which Protocol Buffers allows ===

_PROPERTIES = 14  # ModelProto.metadata_props, messages of a key (1) and a value (2).
_TEXT_KEY, _SEAL_KEY = b"keras_handpose", b"keras_handpose_sha256"


def _find_in_onnx(file: BinaryIO) -> _Found:
    values, start = {}, None
    size = os.fstat(file.fileno()).st_size
    if not size:
        raise ValueError("it is empty")
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as model:
        for number, begin, payload, end in _fields(model):
            if number == _PROPERTIES and end - payload <= _LIMIT + 100:
                entry = model[payload:end]
                parts = {part: entry[a:b] for part, _, a, b in _fields(entry)}
                if parts.get(1) in (_TEXT_KEY, _SEAL_KEY):
                    values[parts[1]] = parts.get(2, b"")
                    start = begin if start is None else start
    if len(values) < 2:
        raise ValueError("it has no metadata of keras-handpose")
    return _Found(start, values[_TEXT_KEY], values[_SEAL_KEY].decode("ascii", "replace"))


def _append_to_onnx(file: BinaryIO, text: bytes, sha256: str) -> None:
    for key, value in ((_TEXT_KEY, text), (_SEAL_KEY, sha256.encode())):
        file.write(_field(_PROPERTIES, _field(1, key) + _field(2, value)))


def _fields(message: mmap.mmap | bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield the number of each field of a message, where it begins, and its payload's begin and end."""
    position = 0
    while position < len(message):
        begin = position
        tag, payload = _varint(message, position)
        match tag & 7:
            case 0:
                position = _varint(message, payload)[1]
            case 1:
                position = payload + 8
            case 2:
                length, payload = _varint(message, payload)
                position = payload + length
            case 5:
                position = payload + 4
            case _:
                raise ValueError("it is not in its format")
        if position > len(message):
            raise ValueError("it ends too early")
        yield tag >> 3, begin, payload, position


def _varint(message: mmap.mmap | bytes, position: int) -> tuple[int, int]:
    """Return a number that begins at a position, and the position after it."""
    value = 0
    for i, byte in enumerate(message[position : position + 10]):
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value, position + i + 1
    raise ValueError("it is not in its format, or ends too early")


def _field(number: int, payload: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _as_varint(len(payload)) + payload


def _as_varint(value: int) -> bytes:
    low = value & 127
    return bytes([low]) if value < 128 else bytes([low | 128]) + _as_varint(value >> 7)


# === TFLite: a zip archive behind the FlatBuffer ===

_IDENTIFIER = b"TFL3"
_TEXT_MEMBER, _SEAL_MEMBER = "keras_handpose.json", "keras_handpose.sha256"


def _find_in_tflite(file: BinaryIO) -> _Found:
    if file.read(8)[4:] != _IDENTIFIER:
        raise ValueError("it is not in its format")
    try:
        with zipfile.ZipFile(file) as archive:
            members = [archive.getinfo(name) for name in (_TEXT_MEMBER, _SEAL_MEMBER)]
            if any(m.file_size > _LIMIT or m.compress_type != zipfile.ZIP_STORED for m in members):
                raise ValueError("its metadata are not as keras-handpose writes them")
            text, sha256 = map(archive.read, members)
            start = min(member.header_offset for member in archive.infolist())
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError, OSError, struct.error) as error:
        raise ValueError("it has no metadata of keras-handpose") from error
    return _Found(start, text, sha256.decode("ascii", "replace"))


def _append_to_tflite(file: BinaryIO, text: bytes, sha256: str) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in ((_TEXT_MEMBER, text), (_SEAL_MEMBER, sha256)):
            archive.writestr(zipfile.ZipInfo(name), content)  # Without the time: the same model, the same file.


_FORMS = {
    ".onnx": _Form(_find_in_onnx, _append_to_onnx),
    ".tflite": _Form(_find_in_tflite, _append_to_tflite),
}

SUFFIXES = tuple(_FORMS)
"""How the names of exported models end."""
