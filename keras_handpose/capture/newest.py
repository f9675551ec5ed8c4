"""Back pressure: what comes faster than it is used is dropped, never queued."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from time import perf_counter
from typing import Generic, TypeVar

__all__ = ["Newest"]

T = TypeVar("T")

_PATIENCE = 1.0  # Seconds to wait for a source that is reading when all is over.


class Newest(Iterator[tuple[T, float]], Generic[T]):
    """Reads from a source in a thread of its own and gives what came last, with the time at which it came.

    There is room for one. What nobody took before the next one came is dropped; the last of all is not.

    Args:
        items: The source. It is read, and closed if it is a generator, in the thread.

    Yields:
        An item that was not given yet and the `time.perf_counter` at which it came. An error of the source is raised
        here, after what came before it.

    Attributes:
        dropped: Number of items that nobody took in time.

    Example:
        >>> newest = Newest(iter(range(1000)))
        >>> taken = [item for item, received in newest]
        >>> taken[-1], len(taken) + newest.dropped
        (999, 1000)
    """

    def __init__(self, items: Iterable[T]) -> None:
        self.dropped = 0
        self._items = items
        self._changed = threading.Condition()
        self._slot: tuple[T, float] | None = None
        self._error: BaseException | None = None
        self._over = self._closed = False
        self._thread = threading.Thread(target=self._read, name="frames", daemon=True)
        self._thread.start()

    def __next__(self) -> tuple[T, float]:
        with self._changed:
            # With a time-out the main thread stays open to Ctrl+C everywhere.
            while self._slot is None and not self._over:
                self._changed.wait(1.0)
            if self._slot is not None:
                taken, self._slot = self._slot, None
                return taken
            if self._error is not None:
                error, self._error = self._error, None
                raise error
        raise StopIteration

    def close(self) -> None:
        """Stop reading, and wait a little for the thread to end. Nothing comes afterwards."""
        with self._changed:
            self._closed = self._over = True
            self._slot = None
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(_PATIENCE)

    def _read(self) -> None:
        items = None
        try:
            items = iter(self._items)
            for item in items:
                received = perf_counter()
                with self._changed:
                    if self._closed:
                        break
                    self.dropped += self._slot is not None
                    self._slot = item, received
                    self._changed.notify_all()
        except BaseException as error:  # It is raised where the items are taken.
            self._error = error
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                with suppress(Exception):
                    close()
            with self._changed:
                self._over = True
                self._changed.notify_all()
