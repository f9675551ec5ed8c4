"""Bringing weights and their records from a mirror to the cache, and to a mirror: whole or not at all."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import SplitResult, urlsplit
from urllib.request import url2pathname

from keras_handpose.files import whole_file
from keras_handpose.models.presets import WEIGHTS_SUFFIX, Preset
from keras_handpose.models.weight_files import user_path

__all__ = [
    "cause_to_show",
    "fetch",
    "file_address",
    "folder_path",
    "is_whole",
    "publish",
    "read_record",
    "without_secrets",
]

_TIMEOUT = 30.0
"""Seconds that a server may keep silent."""

_PAUSES = (1.0, 4.0)
"""Seconds between attempts at a server."""

_CHUNK = 1 << 18

_RECORD_LIMIT = 1_000_000
"""Bytes that a record may have. Those of the presets have 5000."""

_logger = logging.getLogger("keras_handpose")


def file_address(address: str | os.PathLike, file: str, *, name: str = "address") -> str | Path:
    """Return where a file is at a download address: a web address or a path.

    Args:
        address: An http(s) or ``file://`` address or a folder. What a web address asks for after ``?``, such as a
            token, is asked for every file.
        file: Plain name of the file.
        name: What the message calls the address.

    Raises:
        TypeError: The address is neither text nor a path.
        ValueError: It is malformed or of another kind.

    Example:
        >>> file_address("https://mirror.example/hands/?token=abc", "msra.weights.h5")
        'https://mirror.example/hands/msra.weights.h5?token=abc'
    """
    place = _place(address, name, expected="http(s)://host/..., file:///folder or a folder")
    if isinstance(place, Path):
        return place / file
    return place._replace(path=f"{place.path.rstrip('/')}/{file}").geturl()


def folder_path(folder: str | os.PathLike, *, name: str = "folder") -> Path:
    """Return a folder on this machine, given as a path or as a ``file://`` address.

    Raises:
        TypeError: It is neither text nor a path.
        ValueError: It is malformed, or elsewhere.

    Example:
        >>> folder_path("file:///srv/hands").as_posix()
        '/srv/hands'
    """
    expected = "a folder on this machine"
    place = _place(folder, name, expected=expected)
    if not isinstance(place, Path):
        raise ValueError(
            f"`{name}` must be {expected}. Received: {without_secrets(place.geturl())}. Publish to a folder, and copy "
            "the two files to the server yourself."
        )
    return place


def without_secrets(text: str) -> str:
    """Return a text fit to be shown: without what its web addresses have before the @ and after the question mark.

    Example:
        >>> without_secrets("No answer from https://me:secret@mirror.example/hands?token=abc within 30 s")
        'No answer from https://mirror.example/hands?... within 30 s'
    """
    text = re.sub(r"://[^/?#\s]*@", "://", text)
    # Errors of connections have the address without its host.
    return re.sub(r"(://|\burl: )([^?\s]*)\?\S+", r"\1\2?...", text)


def cause_to_show(error: Exception) -> Exception | None:
    """Return an error to raise another one from, None where its own text holds what is not to be shown."""
    return error if without_secrets(str(error)) == str(error) else None


def fetch(source: str | Path, target: Path, preset: Preset, *, keep_record: bool = False) -> None:
    """Bring a file to its place in one step, once it has proved to be the one that the record describes.

    Where that file is there already, nothing is transferred. A server gets three attempts, unless it says that the
    request is wrong (4xx) or redirects in circles; a disk that is full does not get better by another one.

    Args:
        source: What `file_address` returned.
        target: Its place. The caller holds the lock that goes with it.
        preset: The record.
        keep_record: Whether to put the record beside the file, after it.

    Raises:
        OSError: The file cannot be read, fetched or written, or is not the right one. What lay at the place before
            stays.
    """
    partial = target.with_name(f"{target.name}.partial")

    def attempt() -> None:
        with partial.open("wb") as file, _progress_of(preset) as advance:
            excess = OSError("There are more bytes than the record says: it is another file.")
            _transfer(source, _Sink(file, limit=preset.size, excess=excess, advance=advance))
        preset.check(partial)

    with contextlib.ExitStack() as record:
        if keep_record:
            # Written first, so that a full disk does not leave the file without it, and put in its place last.
            kept = record.enter_context(whole_file(target.with_name(f"{preset.name}.json")))
            kept.write_text(preset.to_json(), encoding="utf-8")
        if is_whole(target, preset):
            return
        try:
            _attempts(source, attempt)
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)


def is_whole(path: Path, preset: Preset) -> bool:
    """Return whether a file is there and the one that the record describes."""
    try:
        preset.check(path)
    except OSError:
        return False
    return True


def read_record(source: str | Path, name: str) -> Preset:
    """Read the record of the weights that a mirror or the cache has under a name.

    Args:
        source: What `file_address` returned for ``NAME.json``.
        name: What the weights are called. Their file must be ``NAME.weights.h5``: it shares the cache with others.

    Raises:
        OSError: The record cannot be read or fetched.
        ValueError: It is malformed, of other weights or has more than a megabyte.
    """

    def attempt() -> bytes:
        content = io.BytesIO()
        excess = ValueError(f"It has more than {_RECORD_LIMIT} bytes.")
        _transfer(source, _Sink(content, limit=_RECORD_LIMIT, excess=excess))
        return content.getvalue()

    try:
        preset = Preset.from_json(_attempts(source, attempt).decode("utf-8"))
        if (preset.name, preset.file) != (name, f"{name}{WEIGHTS_SUFFIX}"):
            raise ValueError(
                f"It must be of name={name!r}, file={name + WEIGHTS_SUFFIX!r}. "
                f"Received: name={preset.name!r}, file={preset.file!r}."
            )
    except OSError:
        raise  # Some of those that the network raises are a ValueError, too.
    except ValueError as error:
        raise ValueError(f"{without_secrets(str(source))} is not a valid weights record. {error}") from error
    return preset


def publish(path: Path, preset: Preset, folder: Path, *, replace: bool = False) -> None:
    """Copy a weight file and its record to a mirror's folder, each in one step, the record last.

    Publishers of the same name wait for one another.

    Args:
        path: The file.
        preset: The record that it was checked against, which says what the copies are called.
        folder: The mirror's folder, made where it does not exist.
        replace: Whether other files of these names may be replaced.

    Raises:
        FileExistsError: There are other files of these names. Nothing is written.
        OSError: A file cannot be read or written.
    """
    import filelock

    with contextlib.ExitStack() as locked:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            locked.enter_context(filelock.FileLock(folder / f".{preset.name}.lock"))
        except OSError as error:
            # That a file is in the way is another matter than that the mirror has other weights.
            kind = NotADirectoryError if isinstance(error, FileExistsError) else type(error)
            raise kind(
                f"`folder` must be a folder that can be written, or made. Received: {folder} ({error.strerror})."
            ) from error
        _publish(path, preset, folder, replace=replace)


def _publish(path: Path, preset: Preset, folder: Path, *, replace: bool) -> None:
    file, record = folder / preset.file, folder / f"{preset.name}.json"
    same_file, same_record = is_whole(file, preset), _is_record(record, preset)
    for target, is_same in ((file, same_file), (record, same_record)):
        if target.exists() and not is_same and not replace:
            raise FileExistsError(
                f"{target} exists and is another file than the one to be published. Publish under another name "
                "(name=, --name), or replace it (replace=True, --replace)."
            )
    with contextlib.ExitStack() as last:
        if not same_record:
            # As in `fetch`: written first and put in its place last. Who finds a record finds its file.
            last.enter_context(whole_file(record)).write_text(preset.to_json(), encoding="utf-8")
        if not same_file:
            with whole_file(file) as partial:
                shutil.copyfile(path, partial)
                preset.check(partial)


def _place(address: str | os.PathLike, name: str, *, expected: str) -> SplitResult | Path:
    """Return the parts of a web address, or the path of a folder."""
    if not isinstance(address, str):
        return user_path(address, name)
    try:
        parts = urlsplit(address)
        fault = _fault(parts, address)
    except ValueError:  # Its text may have a password.
        fault = "which is malformed"
    if fault:
        # A malformed address may have its password anywhere.
        shown = re.sub(r"(:/*).*@", r"\1", address, flags=re.DOTALL)
        shown = re.sub(r"[?#].+", "...", shown, flags=re.DOTALL)
        raise ValueError(f"`{name}` must be {expected}. Received: {shown}, {fault}.")
    if parts.scheme in ("http", "https"):
        return parts
    return user_path(url2pathname(parts.path) if parts.scheme == "file" else address, name)


def _fault(parts: SplitResult, address: str) -> str:
    """Return what is wrong with an address, nothing where it will do or is a path."""
    if parts.scheme in ("http", "https"):
        if re.search(r"[\s\0]", address):
            return "which has spaces; one is written %20"
        if "#" in address:
            return "which has a fragment; leave out what begins with #"
        host, _ = parts.hostname, parts.port  # One that is no number raises.
        if not host:
            return "which names no host"
        fits = all(0 < len(label) < 64 for label in host.rstrip(".").split("."))
        return "" if fits else "in which no host can be called so"
    if parts.scheme == "file":
        if "?" in address or "#" in address:
            return "in which ? is written %3F, and # is written %23"
        is_here = parts.netloc in ("", "localhost") and parts.path.startswith("/")
        return "" if is_here else "which is no whole path on this machine"
    if "://" in address:
        return "which is of another kind"
    if ("@" in address or "?" in address) and not Path(address).exists():
        return "which is no folder; a web address begins with https://"
    return ""


def _is_record(path: Path, preset: Preset) -> bool:
    try:
        return Preset.read(path) == preset
    except (OSError, ValueError):
        return False


def _attempts(source: str | Path, attempt: Callable[[], Any]) -> Any:
    pauses = iter(_PAUSES)
    while True:
        try:
            return attempt()
        except OSError as error:
            status = getattr(getattr(error, "response", None), "status_code", 0)
            is_local = isinstance(source, Path) or error.errno is not None  # What the network raises has no number.
            pause = next(pauses, None)
            if pause is None or is_local or 300 <= status < 500:
                raise
            _logger.info("%s Trying again in %g s.", without_secrets(str(error)), pause)
            time.sleep(pause)


def _transfer(source: str | Path, sink: _Sink) -> None:
    if isinstance(source, Path):
        with source.open("rb") as original:
            while chunk := original.read(_CHUNK):
                sink.write(chunk)
        return
    import pooch

    with contextlib.ExitStack() as connections:

        def close_at_last(response, **_) -> None:
            connections.callback(response.close)  # pooch forgets it when a download ends early.

        hooks = {"response": close_at_last}
        pooch.HTTPDownloader(chunk_size=_CHUNK, timeout=_TIMEOUT, hooks=hooks)(source, sink, None)


@contextlib.contextmanager
def _progress_of(preset: Preset) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress

    columns = (*Progress.get_default_columns(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(preset.file, total=preset.size)
        yield lambda size: progress.advance(task, size)


class _Sink:
    """A file that takes no more bytes than it should, and says how many came."""

    def __init__(
        self, file: BinaryIO, *, limit: int, excess: Exception, advance: Callable[[int], None] = lambda size: None
    ) -> None:
        self.file = file
        self.left = limit
        self.excess = excess
        self.advance = advance

    def write(self, chunk: bytes) -> None:
        self.left -= len(chunk)
        if self.left < 0:
            raise self.excess
        self.file.write(chunk)
        self.advance(len(chunk))

    def flush(self) -> None:
        self.file.flush()
