"""The way into quantisation, whatever the format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path

import numpy as np

from keras_handpose.exporting.comparison import MODES
from keras_handpose.files import whole_file

__all__ = ["quantise"]


def quantise(source: Path, target: Path, mode: str, inputs: Iterable[Mapping[str, np.ndarray]] = ()) -> None:
    """Make a smaller, faster file of an exported float32 file of the same format.

    Args:
        source: The float32 file, ``.onnx`` or ``.tflite``, of a network or a whole pipeline.
        target: The file to write, with the same suffix, inputs and outputs; these are float32 as before.
        mode: ``"float16"``, ``"dynamic"`` or ``"int8"``.
        inputs: For ``"int8"``, what to calibrate with: for each run an array for every input by name, a network's
            ``crop`` with its batch axis.

    Raises:
        ValueError: There is no such mode, the suffixes differ, there is nothing to calibrate with, or the network has
            no layer that could be quantised.
        ImportError: The packages of ``keras-handpose[export]`` are not installed.

    See Also:
        `keras_handpose.exporting.export`, which calls it and compares what comes out with the Keras network.
    """
    if mode not in MODES or mode is None:
        raise ValueError(f"`mode` must be 'float16', 'dynamic' or 'int8'. Received: {mode!r}.")
    source, target = Path(source), Path(target)
    if source.suffix != target.suffix or source.suffix not in (".onnx", ".tflite"):
        raise ValueError(
            "`source` and `target` must be files of one format, .onnx or .tflite. "
            f"Received: {source.name} and {target.name}."
        )
    if source.suffix == ".tflite":
        from keras_handpose.exporting.quantisation.tflite import quantise_tflite as quantise_format
    else:
        from keras_handpose.exporting.quantisation.onnx import quantise_onnx as quantise_format
    if mode == "int8":
        runs = iter(inputs)
        first = next(runs, None)
        if first is None:
            raise ValueError("Quantisation to 'int8' needs crops to calibrate with. Received: none.")
        inputs = chain([first], runs)
    with whole_file(target) as partial:
        quantise_format(source, partial, mode, inputs)
