"""Many trainings, each in a process of its own with one thread; what is done is not done again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.progress import track

__all__ = ["folder_of", "run_all"]

ONE_THREAD = {f"{library}_THREADS": "1" for library in ("OMP_NUM", "TF_NUM_INTRAOP", "TF_NUM_INTEROP", "NUMBA_NUM")}


def run_all(command: list[str], runs: Path, names: Iterable[str], *, seeds: int, at_once: int, done: str) -> None:
    """Run a script once for every name and seed.

    Args:
        command: The script and its arguments, to which ``--one NAME SEED`` is added.
        runs: Folder of the runs' folders.
        names: What to run.
        seeds: How often, with the seeds 0 and so on.
        at_once: Runs at a time.
        done: File that a run leaves in its folder when it is done.

    Raises:
        RuntimeError: A run failed.
    """

    def run(task: tuple[str, int]) -> None:
        name, seed = task
        if (folder_of(runs, name, seed) / done).exists():
            return
        one = [sys.executable, *command, "--one", name, str(seed)]
        ended = subprocess.run(one, env={**os.environ, **ONE_THREAD}, stderr=subprocess.PIPE, text=True, check=False)
        if ended.returncode:
            raise RuntimeError(f"{name}, seed {seed}: {ended.stderr[-2000:]}")

    tasks = [(name, seed) for seed in range(seeds) for name in names]
    with ThreadPoolExecutor(at_once) as pool:
        list(track(pool.map(run, tasks), description="Training", total=len(tasks)))


def folder_of(runs: Path, name: str, seed: int) -> Path:
    """Return the folder of a run."""
    return runs / f"{name.replace(', ', '_').replace(' ', '_')}-{seed}"
