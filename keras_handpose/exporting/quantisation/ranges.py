"""Ranges of activations: what 8 bits are to hold."""

from __future__ import annotations

import numpy as np

__all__ = ["Range"]

_SAMPLES = 256  # of one run's values
_LEVELS = 255
_CUTS = np.linspace(1.0, 0.2, 33)


class Range:
    """The range of one tensor, measured on many runs.

    Few values of a network's activations lie near their extremes. A range that leaves these out has finer steps; the
    one that is chosen gives the least mean squared error over a sample of the values.

    Args:
        exact: Whether to keep to the extremes, as for a network's input.

    Example:
        >>> values = np.append(np.random.default_rng(0).normal(size=9999), 1000).astype(np.float32)
        >>> exact, chosen = Range(exact=True), Range()
        >>> exact.update(values), chosen.update(values)
        (None, None)
        >>> exact.bounds()[1] == 1000 > chosen.bounds()[1]
        True
    """

    def __init__(self, *, exact: bool = False) -> None:
        self._exact = exact
        self._lowest, self._highest = np.inf, -np.inf
        self._samples: list[np.ndarray] = []

    def update(self, values: np.ndarray) -> None:
        """Take note of a run's values."""
        if not values.size:
            return
        self._lowest = min(self._lowest, float(values.min()))
        self._highest = max(self._highest, float(values.max()))
        if not self._exact:
            # A prime stride and another start in each run, so as not to fall on one channel alone.
            stride = max(1, values.size // _SAMPLES) | 1
            self._samples.append(values.ravel()[len(self._samples) % stride :: stride].copy())

    def bounds(self) -> tuple[float, float]:
        """Return the least and the greatest value of the range; 0 is in it."""
        lowest, highest = min(self._lowest, 0.0), max(self._highest, 0.0)
        if self._exact or not np.isfinite(highest - lowest):
            return lowest, highest
        values = np.concatenate(self._samples)
        for _ in range(2):  # One bound after the other, and once more.
            highest = min((highest * cut for cut in _CUTS), key=lambda bound: _error(values, lowest, bound))
            lowest = min((lowest * cut for cut in _CUTS), key=lambda bound: _error(values, bound, highest))
        return lowest, highest


def _error(values: np.ndarray, lowest: float, highest: float) -> float:
    """Mean squared error of values that are rounded to the steps of a range."""
    step = np.float32((highest - lowest) / _LEVELS) or np.float32(1)
    rounded = np.clip(np.round(values / step), lowest / step, highest / step) * step
    return float(np.square(rounded - values, dtype=np.float32).mean())
