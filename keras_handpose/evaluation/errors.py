"""Distances between predicted and true joints, and the figures that stand for many of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_handpose.checks import as_array
from keras_handpose.evaluation.success import success_rate
from keras_handpose.skeletons import Skeleton

__all__ = ["joint_errors", "summarise_errors"]


def joint_errors(predicted_xyz: np.ndarray, true_xyz: np.ndarray) -> np.ndarray:
    """Return the distance of every predicted joint from the true one.

    Args:
        predicted_xyz, true_xyz: Joints in mm, shape ``(..., joints, 3)``; NaN where one is unknown.

    Returns:
        Errors in mm, shape ``(..., joints)``.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> joint_errors(np.zeros((2, 21, 3)), np.ones((2, 21, 3))).shape
        (2, 21)
    """
    predicted_xyz, true_xyz = as_array(predicted_xyz), as_array(true_xyz)
    numbers = predicted_xyz.dtype.kind in "fiu" and true_xyz.dtype.kind in "fiu"
    shape = predicted_xyz.shape
    if not numbers or shape != true_xyz.shape or len(shape) < 2 or shape[-1] != 3:
        raise ValueError(
            "`predicted_xyz` and `true_xyz` must have the same shape (..., joints, 3). "
            f"Received: {predicted_xyz.shape} and {true_xyz.shape}, of {predicted_xyz.dtype} and {true_xyz.dtype}."
        )
    return np.linalg.norm(predicted_xyz - true_xyz, axis=-1)


def summarise_errors(
    errors: np.ndarray, skeleton: Skeleton, *, threshold: float = 40.0, centre_joint: bool = True
) -> dict[str, Any]:
    """Return the field's figures of many frames' errors.

    Frames where the hand was not found have no error that a mean could hold. They are counted on their own, are bad in
    every success rate, and the means, the median and the maximum are those of the joints that were found: without the
    number of missed frames beside it such a mean says nothing.

    Args:
        errors: Errors in mm, shape ``(frames, joints)``; NaN where a joint was not found.
        skeleton: Layout of the joints.
        threshold: Error in mm up to which a frame is good.
        centre_joint: Whether the joint that crops are centred on counts. The paper leaves it out.

    Returns:
        ``frames``, and ``frames_missed`` of them, with a joint that was not found; ``mean_error_mm`` (Eq. 3 of the
        paper), the same without the centre joint in any case, the median and the maximum over all joints, the mean of
        the finger tips, the shares of frames that are good by their worst and by their mean joint (Eq. 4 in both
        readings), and the mean of every joint. A figure of nothing is None.

    See Also:
        `success_rate` and `area_under_curve`, for other thresholds and readings.

    Example:
        >>> from keras_handpose.skeletons import MSRA21
        >>> summarise_errors(np.full((5, 21), 10.0), MSRA21)["mean_error_mm"]
        10.0
    """
    errors = np.asarray(errors)
    if errors.ndim != 2 or errors.shape[1] != len(skeleton) or not len(errors):
        raise ValueError(
            f"`errors` must have shape (frames, {len(skeleton)}) for {skeleton.name}. Received: {errors.shape}."
        )
    joints = [joint for joint in range(len(skeleton)) if centre_joint or joint != skeleton.centre_joint]
    counted = errors if centre_joint else errors[:, joints]
    worst, mean = (float(success_rate(counted, threshold, by=by)) for by in ("worst_joint", "mean_joint"))
    return {
        "frames": len(errors),
        "frames_missed": int(np.isnan(counted).any(axis=1).sum()),
        "mean_error_mm": _figure(np.mean, counted),
        "mean_error_without_centre_joint_mm": _figure(np.mean, np.delete(errors, skeleton.centre_joint, axis=1)),
        "median_error_mm": _figure(np.median, counted),
        "max_error_mm": _figure(np.max, counted),
        "tips_error_mm": _figure(np.mean, errors[:, skeleton.tips]),
        f"success_rate_worst_joint_{threshold:g}_mm": round(worst, 4),
        f"success_rate_mean_joint_{threshold:g}_mm": round(mean, 4),
        "per_joint_error_mm": {skeleton.joint_names[joint]: _figure(np.mean, errors[:, joint]) for joint in joints},
    }


def _figure(statistic: Callable[[np.ndarray], np.floating], errors: np.ndarray) -> float | None:
    """Return a statistic of the joints that were found, None where there are none."""
    missing = np.isnan(errors)
    found = errors[~missing] if missing.any() else errors
    return round(float(statistic(found)), 4) if found.size else None
