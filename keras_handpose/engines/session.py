"""What the runtimes of exported files have in common."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from keras_handpose.checks import check_whole
from keras_handpose.engines.metadata import Metadata

__all__ = ["Session", "Tensor", "check_threads", "missing_runtime"]


class Tensor(NamedTuple):
    """The shape of an input or output, None where a size is free, and its type, None for one we do not use."""

    shape: tuple[int | None, ...]
    dtype: type | None


class Session(Protocol):
    """An exported file in its runtime, ready to run.

    Attributes:
        path: The file.
        metadata: What it says of itself.
        inputs, outputs: What its graph takes and gives, by name.
    """

    path: Path
    metadata: Metadata
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs for arrays of the inputs' shapes, of their types or ones that fit into them."""
        ...


def check_threads(threads: int | None) -> int:
    """Return a number of threads, by default 1: the other cores are the application's.

    Raises:
        ValueError: It is not a positive whole number.
    """
    if threads is None:
        return 1
    return check_whole(threads, "threads")


def missing_runtime(path: str | os.PathLike, package: str) -> ImportError:
    """Return the error that says how to install the package that runs a file."""
    return ImportError(f"Running {path} needs {package}. Install it with `pip install {package}`.")
