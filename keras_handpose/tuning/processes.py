"""A search in several processes of this machine: KerasTuner's chief, and workers that are started again if they die."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from keras_handpose.training.launching import LAUNCHED_VARIABLE
from keras_handpose.tuning.records import read_search

__all__ = ["run_processes"]

_POLL = 0.5  # s
_GRACE = 5.0  # s for a process to end by itself
_DEATHS = 3  # of workers, without a trial that ends in between, after which nothing would come of another start
_LAST = 1000  # characters of a log that are shown


def run_processes(
    arguments: Sequence[str], folder: Path, *, workers: int, progress: Callable[[], object] | None = None
) -> None:
    """Run ``keras-handpose`` as a chief and as workers, until the chief is done.

    A worker that dies is started again under its name, so that the chief, which waits for its trial, gets it from the
    new one. What they print goes to ``chief.log`` and ``worker-N.log``. When this process ends, so do all.

    Args:
        arguments: The command's arguments.
        folder: Folder of the search.
        workers: How many.
        progress: Called now and then.

    Raises:
        ChildProcessError: The chief failed, or workers die again and again.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    family = _Family(list(arguments), folder, port)
    try:
        family.start("chief")
        for number in range(1, workers + 1):
            family.start(f"worker-{number}")
        while family.go_on():
            if progress is not None:
                progress()
            time.sleep(_POLL)
    finally:
        family.end()


class _Family:
    def __init__(self, arguments: list[str], folder: Path, port: int) -> None:
        self.command = [sys.executable, "-m", "keras_handpose", *arguments]
        self.folder = folder
        paths = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
        self.environment = {
            # Workers share an accelerator.
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
            **os.environ,
            "PYTHONPATH": paths,
            LAUNCHED_VARIABLE: "1",  # See `training.launching.end_with_launcher`.
            "KERASTUNER_ORACLE_IP": "127.0.0.1",
            "KERASTUNER_ORACLE_PORT": str(port),
        }
        self.processes: dict[str, subprocess.Popen] = {}
        self.deaths = 0
        self.ended_trials = 0

    def start(self, name: str) -> None:
        environment = {**self.environment, "KERASTUNER_TUNER_ID": name}
        if name == "chief":
            environment["CUDA_VISIBLE_DEVICES"] = "-1"  # It counts what networks cost, and trains none.
        with self._log(name).open("ab") as file:
            self.processes[name] = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=file, stderr=subprocess.STDOUT, env=environment
            )

    def go_on(self) -> bool:
        """Look after all processes; say whether there is more to wait for."""
        code = self.processes["chief"].poll()
        if code is not None:
            if code:
                raise ChildProcessError(f"The search's chief ended with exit code {code}. {self._said('chief')}")
            return False
        for name in [name for name in self.processes if name != "chief" and self.processes[name].poll()]:
            self._restart(name)
        return True

    def end(self) -> None:
        for process in self.processes.values():
            process.stdin.close()  # By which they notice, also if this process is killed.
        until = time.monotonic() + _GRACE
        for process in self.processes.values():
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _restart(self, name: str) -> None:
        code = self.processes[name].returncode
        record = read_search(self.folder)
        ended = len(record.trials) - len(record.by_status("running"))
        self.deaths = self.deaths + 1 if ended == self.ended_trials else 1
        self.ended_trials = ended
        if self.deaths > _DEATHS:
            raise ChildProcessError(
                f"Workers died {self.deaths} times without a trial that ended, the last one with exit code {code}. "
                f"The same command goes on once the reason is gone. {self._said(name)}"
            )
        self.processes[name].stdin.close()
        self.start(name)

    def _said(self, name: str) -> str:
        last = self._log(name).read_text(encoding="utf-8", errors="replace")[-_LAST:].strip()
        return f"{self._log(name)} ends: {last}" if last else f"{self._log(name)} is empty."

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"
