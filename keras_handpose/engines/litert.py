"""TFLite files in LiteRT. It is imported when a file is opened."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from keras_handpose.engines.metadata import read_metadata
from keras_handpose.engines.session import Tensor, check_threads, missing_runtime

__all__ = ["LiteRTSession"]


class LiteRTSession:
    """Runs an exported ``.tflite`` file; a `Session`.

    Args:
        path: The file.
        threads: Number of threads to run with, by default 1.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a TFLite file that this package exported, or `threads` is not a positive number.
        ImportError: ai-edge-litert is not installed.
    """

    def __init__(self, path: str | os.PathLike, *, threads: int | None = None) -> None:
        self.path = Path(path)
        self.metadata = read_metadata(path)
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise missing_runtime(path, "ai-edge-litert") from error

        self._threads = check_threads(threads)
        try:
            self._interpreter = Interpreter(model_path=os.fspath(path), num_threads=self._threads)
            self._interpreter.allocate_tensors()
            # A runner that is kept would keep the interpreter from running.
            runner = self._interpreter.get_signature_runner()
            inputs, outputs = runner.get_input_details(), runner.get_output_details()
            del runner
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{path} cannot be run by LiteRT: {' '.join(str(error).split())}") from error
        self.inputs, self.outputs = (
            {name: Tensor(tuple(detail["shape"].tolist()), detail["dtype"]) for name, detail in details.items()}
            for details in (inputs, outputs)
        )
        self._input_indices = {name: detail["index"] for name, detail in inputs.items()}
        self._output_indices = {name: detail["index"] for name, detail in outputs.items()}
        self._lock = threading.Lock()  # The interpreter's inputs and outputs are in one place.

    def __reduce__(self):
        # The runtime's own objects cannot be pickled: the file is opened again.
        return partial(type(self), self.path, threads=self._threads), ()

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs for arrays of the inputs' shapes, of their types or ones that fit into them."""
        for name, expected in self.inputs.items():
            if np.shape(inputs[name]) != expected.shape:
                raise ValueError(
                    f"`{name}` must have shape {expected.shape} for {self.path}. Received: {np.shape(inputs[name])}."
                )
        with self._lock:
            for name, index in self._input_indices.items():
                if self.inputs[name].shape:
                    np.copyto(self._interpreter.tensor(index)(), inputs[name])  # Converts a frame on the way.
                else:
                    self._interpreter.set_tensor(index, inputs[name])
            self._interpreter.invoke()
            return {name: self._interpreter.get_tensor(index) for name, index in self._output_indices.items()}
