"""Measurements in processes of their own, whose peak memory is theirs alone."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from functools import cache
from typing import Any

__all__ = ["in_own_process", "print_figures"]


def in_own_process(script: str, *, environment: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
    """Run a script with ``--one OPTIONS`` (JSON), and return what `print_figures` printed there; nothing runs twice."""
    return _run(script, json.dumps(options), json.dumps(environment or {}))


@cache
def _run(script: str, options: str, environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, script, "--one", options],
        env={**os.environ, **json.loads(environment)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{options}: {done.stderr[-2000:]}")
    figures = json.loads(done.stdout.splitlines()[-1])
    print(options, figures, file=sys.stderr)
    return figures


def print_figures(figures: dict[str, Any]) -> None:
    """Print figures with this process's peak memory in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000  # On Linux in kB.
    print(json.dumps({**figures, "peak_mb": round(peak)}))
