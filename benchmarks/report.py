"""What every result file says beside its figures: command, commit, device and versions."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("keras-handpose", "keras", "tensorflow", "numpy", "opencv-python-headless")


def write_report(figures: dict[str, Any], output: Path | None) -> None:
    """Print a report, and write it to a file if one is named."""
    report = {
        "command": " ".join(["python", *sys.argv]),
        "commit": _commit(),
        "device": f"{_processor()}, {os.cpu_count()} cores",
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
        **figures,
    }
    text = json.dumps(report, indent=2) + "\n"
    print(text)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")


def _commit() -> str:
    result = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
