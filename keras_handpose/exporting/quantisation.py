"""Quantisation of exported files: fewer bits where they cost no millimetres."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

__all__ = ["quantise"]


def quantise(source: Path, target: Path, mode: str, inputs: Iterable[Mapping[str, np.ndarray]] = ()) -> None:
    """Make a smaller, faster file of an exported float32 file of the same format.

    Args:
        source: The float32 file, ``.onnx`` or ``.tflite``, of a network or a whole pipeline.
        target: The file to write, with the same suffix, inputs and outputs; all float32 outside.
        mode: ``"float16"``, ``"dynamic"`` or ``"int8"``.
        inputs: For ``"int8"``, what to calibrate with: for each run an array for every input by name, with the very
            shape that the file takes (a network's ``crop`` with its batch axis).

    Raises:
        ValueError: There is no such mode, the suffixes differ, or there is nothing to calibrate with.
        ImportError: The packages of ``keras-handpose[export]`` are not installed.
    """
    raise NotImplementedError
