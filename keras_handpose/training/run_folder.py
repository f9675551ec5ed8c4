"""The folder of a run: one plan, one process at a time, and nothing in it that a kill left half-written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock

from keras_handpose.files import whole_file

__all__ = ["check_same_plan", "hold_folder", "settle_plan", "write_json"]


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Keep other processes out of a run's folder, and clear it of what killed ones were writing.

    Raises:
        OSError: Another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise OSError(f"Another process is training in {folder}. Wait for it, or choose another folder.") from None
    try:
        for leftover in (*folder.glob(".*.partial.*"), *folder.glob(".*.weights.h5.*")):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()
        yield
    finally:
        lock.release()


def settle_plan(folder: Path, plan: dict[str, Any]) -> None:
    """Write the plan of a run to its folder, or see that it is the one there.

    Raises:
        ValueError: The folder holds a run of another plan.
    """
    path = folder / "plan.json"
    if not path.exists():
        write_json(path, plan)
        return
    kept = json.loads(path.read_text(encoding="utf-8"))
    check_same_plan(kept, plan, f"{folder} holds", remedy="Choose another folder, or remove this one to start anew.")


def check_same_plan(kept: dict[str, Any], plan: dict[str, Any], where: str, *, remedy: str = "") -> None:
    """See that a plan is the one that is kept somewhere.

    Raises:
        ValueError: It is another one.
    """
    kept, given = _flat(kept), _flat(json.loads(json.dumps(plan)))
    differences = [
        f"{key}={given.get(key)!r} (there: {kept.get(key)!r})"
        for key in sorted(kept.keys() | given.keys())
        if kept.get(key) != given.get(key)
    ]
    if differences:
        raise ValueError(f"{where} a run of another plan. Received: {', '.join(differences)}. {remedy}".rstrip())


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a JSON file in one step."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name the leaves of nested mappings by their paths."""
    flat = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
