"""The judgement over an export: how far it is from the network that it was made of, on crops held out for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

__all__ = ["LIMITS", "MODES", "WORSE", "Comparison", "ExportError", "compare"]

LIMITS: Mapping[str | None, float] = MappingProxyType({None: 0.01, "float16": 0.1, "dynamic": 1.5, "int8": 1.5})
"""Most mean difference in mm between the joints of an export and of its Keras network, by the mode of quantisation."""

MODES = tuple(LIMITS)
"""The modes of quantisation, ``None`` for float32."""

WORSE = 0.02
"""Most by which an export's mean error may exceed that of its Keras network, as a share of the latter."""


class ExportError(ValueError):
    """An exported file does not give the joints of the network that it was made of."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How an export compares with its Keras network on crops that it was not calibrated with.

    Args:
        crops: Number of crops.
        mean_difference_mm, max_difference_mm: Distance of the export's joints from those of the Keras network; NaN
            when some of them are not numbers.
        error_mm, keras_error_mm: Mean distance of either's joints from the true ones; None where none is known.
        limit_mm: Most mean difference that is allowed.
        worse: Most by which ``error_mm`` may exceed ``keras_error_mm``, as a share.

    See Also:
        `compare`, which measures it.

    Example:
        >>> comparison = Comparison(crops=256, mean_difference_mm=0.61, max_difference_mm=5.2,
        ...                         error_mm=19.93, keras_error_mm=19.89, limit_mm=1.5)
        >>> print(comparison.describe())
        256 held-out crops: 0.61 mm mean (5.2 mm greatest) difference from Keras (limit 1.5 mm);
        mean error 19.93 mm, Keras 19.89 mm (+0.2 %, limit +2 %)
        >>> comparison.check()
    """

    crops: int
    mean_difference_mm: float
    max_difference_mm: float
    error_mm: float | None
    keras_error_mm: float | None
    limit_mm: float
    worse: float = WORSE

    @property
    def passed(self) -> bool:
        """Whether the limits are kept: the difference's, and the error's where true joints are known."""
        near = self.mean_difference_mm <= self.limit_mm
        return near and (self.error_mm is None or self.error_mm <= self.keras_error_mm * (1 + self.worse))

    def describe(self) -> str:
        """Say in two lines what was measured and what is allowed."""
        difference = (
            f"{self.crops:,} held-out crops: {self.mean_difference_mm:.2g} mm mean ({self.max_difference_mm:.2g} mm "
            f"greatest) difference from Keras (limit {self.limit_mm:g} mm);"
        )
        if self.error_mm is None:
            return f"{difference}\nno true joint is known, so that the errors were not compared"
        change = round(100 * (self.error_mm / self.keras_error_mm - 1), 1) if self.keras_error_mm else 0.0
        return (
            f"{difference}\nmean error {self.error_mm:.2f} mm, Keras {self.keras_error_mm:.2f} mm "
            f"({change + 0.0:+.1f} %, limit {100 * self.worse:+g} %)"
        )

    def check(self) -> None:
        """Refuse an export that is not the network that it was made of.

        Raises:
            ExportError: A limit is exceeded; the message has the figures and says what to do.
        """
        if not self.passed:
            raise ExportError(
                "The exported file does not give the joints of its Keras network, and was not kept.\n"
                f"Received: {self.describe()}.\n"
                "If the network's weights are finite, pass a finer `quantize` ('dynamic' is finer than 'int8', "
                "'float16' than both), or as `calibration` a store of the crops that the network will see."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the figures and limits as JSON can hold them, for the export's metadata."""
        return asdict(self)


def compare(
    joints_xyz: np.ndarray, keras_xyz: np.ndarray, true_xyz: np.ndarray, *, quantize: str | None = None
) -> Comparison:
    """Compare the joints of an export with those of its Keras network and the true ones.

    Args:
        joints_xyz, keras_xyz: Joints that the export and the Keras network give for the same crops, in mm, shape
            ``(n, joints, 3)``. They may be relative to the crops' centres, all three alike.
        true_xyz: The true joints; NaN where one is not known.
        quantize: The mode, which has its `LIMITS`.

    Raises:
        ValueError: The shapes differ, or there is no such mode.

    Example:
        >>> truth = np.zeros((4, 21, 3))
        >>> compare(truth + [0.0, 1.0, 0.0], truth, truth, quantize="int8").mean_difference_mm
        1.0
    """
    if quantize not in LIMITS:
        raise ValueError(f"`quantize` must be one of {', '.join(map(repr, MODES))}. Received: {quantize!r}.")
    arrays = [np.asarray(array, np.float64) for array in (joints_xyz, keras_xyz, true_xyz)]
    if (
        len({array.shape for array in arrays}) > 1
        or arrays[0].ndim != 3
        or arrays[0].shape[2] != 3
        or not arrays[0].size
    ):
        raise ValueError(
            "All joints must have the same shape (n, joints, 3), n >= 1. "
            f"Received: {', '.join(str(array.shape) for array in arrays)}."
        )
    joints_xyz, keras_xyz, true_xyz = arrays
    differences = np.linalg.norm(joints_xyz - keras_xyz, axis=-1)
    known = ~np.isnan(true_xyz).any(axis=-1)
    error, keras_error = (
        float(np.linalg.norm(joints - true_xyz, axis=-1)[known].mean()) if known.any() else None
        for joints in (joints_xyz, keras_xyz)
    )
    return Comparison(
        crops=len(joints_xyz),
        mean_difference_mm=float(differences.mean()),
        max_difference_mm=float(differences.max()),
        error_mm=error,
        keras_error_mm=keras_error,
        limit_mm=LIMITS[quantize],
    )
