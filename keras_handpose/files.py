"""Files that are whole or not there, and those that they name."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["require_inside", "whole_file"]

_OUTSIDE = re.compile(r"[/\\]|[A-Za-z]:|(.*[/\\])?\.\.([/\\]|$)", re.DOTALL)


@contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[Path]:
    """Give a path to write to, which becomes ``path`` in one step if all went well and vanishes if not.

    Args:
        path: The file to make or to replace; its folder is made where it does not exist.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole_file(Path(folder) / "pose.txt") as partial:
        ...         written = partial.write_text("1 2 3")
        ...     (Path(folder) / "pose.txt").read_text()
        '1 2 3'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{os.getpid()}-{threading.get_ident()}.partial.{path.name}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def require_inside(names: Iterable[str], *, listed_in: Path) -> None:
    """Check that a file names files below its folder: one from elsewhere must not read other folders.

    Args:
        names: Paths as the file has them.
        listed_in: The file that names them, for the message.

    Raises:
        ValueError: A path is absolute or leads up.

    Example:
        >>> require_inside(["seq/../../private.png"], listed_in=Path("labels.txt"))
        Traceback (most recent call last):
        ...
        ValueError: labels.txt must name files below its folder. Received: 'seq/../../private.png'. Copy the files ...
    """
    for name in names:
        if _OUTSIDE.match(name):
            raise ValueError(
                f"{listed_in} must name files below its folder. Received: {name!r}. Copy the files there, and name "
                "them by where they are in it."
            )
