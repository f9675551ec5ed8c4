"""Ranges of activations: what 8 bits are to hold."""

from __future__ import annotations

import numpy as np

__all__ = ["Range"]

_BINS = 4096
_LEVELS = 255
_CUTS = np.linspace(1.0, 0.1, 91)


class Range:
    """The range of one tensor, measured on many runs.

    Few of a network's activations lie near their extremes, and a range that leaves those out has finer steps. The one
    that is chosen has the least mean squared error over all values that were seen.

    Example:
        >>> measured = Range()
        >>> measured.update(np.append(np.random.default_rng(0).normal(size=99_999), 20.0).astype(np.float32))
        >>> round(measured.bounds()[1])
        17
    """

    def __init__(self) -> None:
        self._lowest = self._highest = 0.0  # 0 has a level of its own in any range.
        self._reach = 2.0**-20  # The histogram is of values from -reach to reach.
        self._counts = np.zeros(_BINS, np.int64)

    def update(self, values: np.ndarray) -> None:
        """Take note of a run's values."""
        if not values.size:
            return
        self._lowest = min(self._lowest, float(values.min()))
        self._highest = max(self._highest, float(values.max()))
        if not np.isfinite(self._highest - self._lowest):
            return
        while self._reach < max(-self._lowest, self._highest):
            self._reach *= 2
            counts = self._counts.reshape(-1, 2).sum(axis=1)
            self._counts = np.pad(counts, _BINS // 4)
        values = values[values != 0]  # What a ReLU holds back costs nothing.
        bins = ((values / self._reach + 1) * (_BINS / 2)).astype(np.intp)
        self._counts += np.bincount(bins.clip(0, _BINS - 1), minlength=_BINS)

    def bounds(self) -> tuple[float, float]:
        """Return the least and the greatest value of the range, which holds 0."""
        lowest, highest = self._lowest, self._highest
        if not self._counts.any():
            return lowest, highest
        for _ in range(2):  # One bound, the other, and once more.
            highest = min((self._highest * cut for cut in _CUTS), key=lambda bound: self._error(lowest, bound))
            lowest = min((self._lowest * cut for cut in _CUTS), key=lambda bound: self._error(bound, highest))
        return float(lowest), float(highest)

    def _error(self, lowest: float, highest: float) -> float:
        """Sum of squared errors of values that are rounded to the levels of a range."""
        middles = (np.arange(_BINS) + 0.5) * (2 * self._reach / _BINS) - self._reach
        beyond = np.maximum(np.maximum(lowest - middles, middles - highest), 0)
        rounding = ((highest - lowest) / _LEVELS) ** 2 / 12
        return float(self._counts @ (beyond**2 + rounding * (beyond == 0)))
