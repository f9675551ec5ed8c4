"""Shares of good frames by a threshold on their errors (Eq. 4 of the paper, in all its readings)."""

from __future__ import annotations

from typing import Literal

import numpy as np

from keras_handpose.checks import as_array, as_number

__all__ = ["READINGS", "Reading", "area_under_curve", "success_rate"]

Reading = Literal["worst_joint", "mean_joint", "joint"]

READINGS: tuple[Reading, ...] = ("worst_joint", "mean_joint", "joint")
"""What the threshold is on: a frame's worst joint, as the paper's text has it and most figures of the field; the mean
of a frame's joints, as the sentence under the paper's Eq. 4 has it; or every joint for itself."""


def success_rate(errors: np.ndarray, thresholds: np.ndarray, *, by: Reading = "worst_joint") -> np.ndarray:
    """Return the share of frames (or joints) whose error is at most a threshold.

    Args:
        errors: Errors in mm, shape ``(frames, joints)``. NaN, where a joint was not found, is above any threshold, and
            a frame with one is bad.
        thresholds: Thresholds in mm, any shape.
        by: One of `READINGS`.

    Returns:
        Shares from 0 to 1, the shape of ``thresholds``.

    Raises:
        ValueError: There are no errors, thresholds are no numbers, or ``by`` is not a reading.

    See Also:
        `area_under_curve`, one figure for all thresholds.

    Example:
        >>> errors = np.array([[10.0, 30.0], [10.0, 50.0], [np.nan, np.nan]])
        >>> success_rate(errors, [20, 40], by="worst_joint").round(3).tolist()
        [0.0, 0.333]
        >>> success_rate(errors, [20, 40], by="joint").round(3).tolist()
        [0.333, 0.5]
    """
    values, thresholds = _deciding(errors, by), as_array(thresholds)
    if thresholds.dtype.kind not in "fiu":
        raise ValueError(f"`thresholds` must be numbers of mm. Received: dtype {thresholds.dtype}.")
    return np.searchsorted(np.sort(values), thresholds, side="right") / len(values)  # NaN sorts last.


def area_under_curve(errors: np.ndarray, *, up_to: float = 80.0, by: Reading = "worst_joint") -> float:
    """Return the area under the curve of `success_rate`, from 0 mm to a threshold, 1 for no error at all.

    It is the curve's mean over all thresholds, exact, not over a few of them.

    Args:
        errors, by: As `success_rate`.
        up_to: The last threshold in mm.

    Example:
        >>> area_under_curve(np.full((5, 14), 20.0), up_to=80.0)
        0.75
    """
    if not 0 < as_number(up_to) < np.inf:
        raise ValueError(f"`up_to` must be a threshold in mm above 0. Received: {up_to!r}.")
    good_for = 1 - _deciding(errors, by) / up_to
    return float(np.clip(np.nan_to_num(good_for, nan=0.0), 0, 1).mean())


def _deciding(errors: np.ndarray, by: Reading) -> np.ndarray:
    """Return the errors that thresholds are on, one for each frame or joint."""
    errors = as_array(errors)
    if errors.dtype.kind not in "fiu" or errors.ndim != 2 or not errors.size:
        raise ValueError(f"`errors` must have shape (frames, joints). Received: {errors.shape}, dtype {errors.dtype}.")
    errors = errors.astype(np.float64, copy=False)
    if by == "worst_joint":
        return errors.max(axis=1)
    if by == "mean_joint":
        return errors.mean(axis=1)
    if by == "joint":
        return errors.ravel()
    raise ValueError(f"`by` must be one of {', '.join(READINGS)}. Received: {by!r}.")
