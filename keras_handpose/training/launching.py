"""All processes of a training on one machine, started and ended together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["LAUNCHED_VARIABLE", "end_with_launcher", "launch"]

LAUNCHED_VARIABLE = "KERAS_HANDPOSE_LAUNCHED"
"""Name of the environment variable that is set in processes which another one launched; see `end_with_launcher`."""

_POLL = 0.1  # s
_GRACE = 2.0  # s in which processes that lost another one may say so and end


def launch(arguments: Sequence[str], *, processes: int, coordinator: str | None = None) -> None:
    """Run ``keras-handpose`` in several processes with their ranks, and wait until all are done.

    If one ends early, so do the others, and if this one ends, all do. What process 0 prints is seen; of the others,
    what they said last before they failed.

    Args:
        arguments: The command's arguments, without ``--rank`` and ``--coordinator``.
        processes: How many.
        coordinator: ``HOST:PORT`` at which process 0 listens; by default a free port of this machine.

    Raises:
        ChildProcessError: A process failed or was killed.
    """
    address = f"127.0.0.1:{_free_port()}" if coordinator is None else coordinator
    paths = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": paths, LAUNCHED_VARIABLE: "1"}
    started: list[subprocess.Popen] = []
    with TemporaryDirectory() as folder:
        said = [Path(folder) / f"{rank}.txt" for rank in range(processes)]
        try:
            for rank in range(processes):
                command = [sys.executable, "-m", "keras_handpose", *arguments, "--coordinator", address]
                with said[rank].open("wb") as file:
                    output = {} if rank == 0 else {"stdout": file, "stderr": subprocess.STDOUT}
                    started.append(
                        subprocess.Popen(
                            [*command, "--rank", str(rank)], stdin=subprocess.PIPE, env=environment, **output
                        )
                    )
            _wait(started)
            failed = _failed(started)
            if failed is not None:
                raise ChildProcessError(_message(failed, started[failed].returncode, processes, said[failed]))
        finally:
            for process in started:
                process.kill()
            for process in started:
                process.stdin.close()
                process.wait()


def end_with_launcher() -> None:
    """If a launcher started this process, see that it ends when that one does, however it ends.

    A launcher is one that sets `LAUNCHED_VARIABLE`, and keeps this process's standard input open while it lives.
    """
    if os.environ.get(LAUNCHED_VARIABLE):
        threading.Thread(target=_end_with_input, daemon=True).start()


def _end_with_input() -> None:
    os.read(0, 1)  # Nothing comes, and the end only with the launcher's. `sys.stdin` would not let this process end.
    os._exit(1)


def _wait(started: Sequence[subprocess.Popen]) -> None:
    """Wait until all are done, or one failed and the others had a moment to see it."""
    until = None
    while any(process.poll() is None for process in started) and (until is None or time.monotonic() < until):
        if until is None and any(process.returncode for process in started):
            until = time.monotonic() + _GRACE
        time.sleep(_POLL)


def _failed(started: Sequence[subprocess.Popen]) -> int | None:
    """Return the rank whose failure is likely to be that of the others: one that was killed, or else the first."""
    codes = {rank: process.returncode for rank, process in enumerate(started) if process.returncode}
    # SIGABRT is JAX's own way to end a process that lost the others.
    killed = [rank for rank, code in codes.items() if code < 0 and code != -signal.SIGABRT]
    return next(iter([*killed, *codes]), None)


def _message(rank: int, code: int, processes: int, said: Path) -> str:
    how = f"ended with exit code {code}"
    if code < 0:
        with suppress(ValueError):
            how = f"was ended by {signal.Signals(-code).name}"
    if rank == 0 and code > 0:
        how += " (see above)"
    last = said.read_text(encoding="utf-8", errors="replace")[-1000:].strip()
    words = f" It said: {last}" if last else ""
    return (
        f"Process {rank} of {processes} {how}, so the others were ended too. The same command goes on from the last "
        f"checkpoint.{words}"
    )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
