"""ONNX files in onnxruntime. It is imported when a file is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from keras_handpose.engines.metadata import read_metadata
from keras_handpose.engines.session import Tensor, check_threads, missing_runtime

__all__ = ["OnnxSession"]

_DTYPES = {"tensor(float)": np.float32, "tensor(bool)": np.bool_}


class OnnxSession:
    """Runs an exported ``.onnx`` file; a `Session`.

    Args:
        path: The file.
        threads: Number of threads to run with, by default 1.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not an ONNX file that this package exported, or `threads` is not a positive number.
        ImportError: onnxruntime is not installed.
    """

    def __init__(self, path: str | os.PathLike, *, threads: int | None = None) -> None:
        self.path = Path(path)
        self.metadata = read_metadata(path)
        try:
            import onnxruntime
        except ImportError as error:
            raise missing_runtime(path, "onnxruntime") from error

        self._threads = check_threads(threads)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # Idle threads wait without a load.
        options.log_severity_level = 4  # What goes wrong is raised, too.
        try:
            self._session = onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no other class in common.
            raise ValueError(
                f"{path} cannot be run by onnxruntime {onnxruntime.__version__}: {' '.join(str(error).split())}"
            ) from error
        self.inputs, self.outputs = (
            {
                value.name: Tensor(
                    tuple(size if isinstance(size, int) else None for size in value.shape), _DTYPES.get(value.type)
                )
                for value in values
            }
            for values in (self._session.get_inputs(), self._session.get_outputs())
        )
        self._names = list(self.outputs)

    def __reduce__(self):
        # The runtime's own objects cannot be pickled: the file is opened again.
        return partial(type(self), self.path, threads=self._threads), ()

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs for arrays of the inputs' shapes, of their types or ones that fit into them."""
        fitting = {name: np.asarray(inputs[name], tensor.dtype) for name, tensor in self.inputs.items()}
        return dict(zip(self._names, self._session.run(self._names, fitting), strict=True))
