"""What a network may cost: arithmetic, parameters, and time on this machine."""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_handpose.models import count_macs
from keras_handpose.tuning.packages import require_exporter

__all__ = ["Budget", "Cost", "cost_of"]

_WARM_UP, _RUNS = 5, 30
_UNITS = {"mmacs": "MMACs", "params": "parameters", "ms": "ms"}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a network costs.

    Args:
        mmacs: Millions of multiply-accumulate operations for one crop; see `count_macs`.
        params: Number of its weights.
        ms: Median time in ms for one crop in onnxruntime, on one thread of this machine; None where it is not measured.
    """

    mmacs: float
    params: int
    ms: float | None = None


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a network may cost at most. None sets no limit.

    Args:
        max_mmacs: Millions of multiply-accumulate operations for one crop.
        max_params: Number of weights.
        max_ms: Median time in ms for one crop in onnxruntime, on one thread of this machine. Measuring takes an export,
            and so ``keras-handpose[export]`` and some seconds for every network that is within the other limits.

    Raises:
        ValueError: A limit is not a positive number.

    Example:
        >>> Budget(max_mmacs=140, max_params=2_000_000).excess(Cost(mmacs=150.4, params=1_500_000))
        '150.4 MMACs are more than 140'
    """

    max_mmacs: float | None = None
    max_params: float | None = None
    max_ms: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not (isinstance(value, (int, float)) and 0 < value < math.inf):
                raise ValueError(f"`{name}` must be a positive number, or None for no limit. Received: {value!r}.")

    def excess(self, cost: Cost) -> str | None:
        """Say by what a network is too expensive; None if it is not."""
        for name, unit in _UNITS.items():
            value, limit = getattr(cost, name), getattr(self, f"max_{name}")
            if None not in (value, limit) and value > limit:
                return f"{value:,.{0 if name == 'params' else 1}f} {unit} are more than {limit:,.10g}"
        return None

    def as_dict(self) -> dict[str, float | None]:
        """Return the limits as what JSON can hold."""
        return asdict(self)


def cost_of(model: keras.Model, budget: Budget) -> Cost:
    """Count what a network costs, and measure its time if the budget limits it and nothing else forbids the network.

    Raises:
        ImportError: The budget limits the time, and the packages of ``keras-handpose[export]`` are not installed.
    """
    counted = Cost(mmacs=count_macs(model) / 1e6, params=model.count_params())
    if budget.max_ms is None or budget.excess(counted):
        return counted
    return Cost(mmacs=counted.mmacs, params=counted.params, ms=_measure(model))


def _measure(model: keras.Model) -> float:
    require_exporter()
    import onnxruntime

    from keras_handpose.exporting.conversion import convert, network_signature

    size = model.input_shape[1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "candidate.onnx"
        convert(model, path, network_signature(size, 1))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        inputs: dict[str, Any] = {session.get_inputs()[0].name: np.zeros((1, size, size, 1), np.float32)}
        times = []
        for _ in range(_WARM_UP + _RUNS):
            start = time.perf_counter()
            session.run(None, inputs)
            times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[_WARM_UP:])
