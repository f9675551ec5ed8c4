"""Bringing a preset's file from an address to the cache, whole or not at all."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import time
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

from keras_handpose.models.presets import Preset

__all__ = ["fetch", "file_address", "without_password"]

_TIMEOUT = 30.0
"""Seconds that a server may keep silent."""

_PAUSES = (1.0, 4.0)
"""Seconds between attempts at a server."""

_CHUNK = 1 << 18

_logger = logging.getLogger("keras_handpose")


def file_address(address: str, file: str) -> str | Path:
    """Return where a file is at a download address: a web address or a path.

    Args:
        address: An http(s) or ``file://`` address or a folder.
        file: Plain name of the file.

    Raises:
        ValueError: The address is of another kind.

    Example:
        >>> file_address("https://mirror.example/hands/", "msra.weights.h5")
        'https://mirror.example/hands/msra.weights.h5'
    """
    parts = urlsplit(address)
    if parts.scheme in ("http", "https"):
        return f"{address.rstrip('/')}/{file}"
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(url2pathname(parts.path)) / file
    if "://" not in address:
        return Path(address).expanduser() / file
    raise ValueError(
        "A download address must be http(s)://host/..., file:///folder or a folder. "
        f"Received: {without_password(address)}."
    )


def without_password(text: str) -> str:
    """Return a text without what stands before the @ of its web addresses, fit to be shown.

    Example:
        >>> without_password("No answer from https://me:secret@mirror.example/hands.")
        'No answer from https://mirror.example/hands.'
    """
    return re.sub(r"://[^/@\s]*@", "://", text)


def fetch(source: str | Path, target: Path, preset: Preset) -> None:
    """Bring a file to its place in one step, once it has proved to be the one that the record describes.

    A server gets three attempts, unless it says that the request is wrong (4xx).

    Args:
        source: What `file_address` returned.
        target: Its place. The caller holds the lock that goes with it.
        preset: The record.

    Raises:
        OSError: The file cannot be read, fetched or written, or is not the right one. What lay at the place before
            stays.
    """
    partial = target.with_name(f"{target.name}.partial")
    try:
        for pause in (*_PAUSES, None):
            try:
                _transfer(source, partial, preset)
                preset.check(partial)
                break
            except OSError as error:
                status = getattr(getattr(error, "response", None), "status_code", 0)
                if pause is None or isinstance(source, Path) or 400 <= status < 500:
                    raise
                _logger.info("%s Trying again in %g s.", without_password(str(error)), pause)
                time.sleep(pause)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _transfer(source: str | Path, partial: Path, preset: Preset) -> None:
    import pooch
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress

    columns = (*Progress.get_default_columns(), DownloadColumn())
    progress = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
    with partial.open("wb") as file, progress:
        sink = _Sink(file, preset, progress)
        if isinstance(source, Path):
            with source.open("rb") as original:
                while chunk := original.read(_CHUNK):
                    sink.write(chunk)
        else:
            with contextlib.ExitStack() as connections:

                def close_at_last(response, **_) -> None:
                    connections.callback(response.close)  # pooch forgets it when a download ends early.

                hooks = {"response": close_at_last}
                pooch.HTTPDownloader(chunk_size=_CHUNK, timeout=_TIMEOUT, hooks=hooks)(source, sink, None)


class _Sink:
    """A file that moves a progress bar and takes no more bytes than the record says."""

    def __init__(self, file: BinaryIO, preset: Preset, progress) -> None:
        self.file = file
        self.left = preset.size
        self.progress = progress
        self.task = progress.add_task(preset.file, total=preset.size)

    def write(self, chunk: bytes) -> None:
        self.left -= len(chunk)
        if self.left < 0:
            raise OSError("There are more bytes than the record says: it is another file.")
        self.file.write(chunk)
        self.progress.advance(self.task, len(chunk))

    def flush(self) -> None:
        self.file.flush()
