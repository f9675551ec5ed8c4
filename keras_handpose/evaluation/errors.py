"""Distances between predicted and true joints, and the figures that stand for many of them."""

from __future__ import annotations

from typing import Any

import numpy as np

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
    predicted_xyz, true_xyz = np.asarray(predicted_xyz), np.asarray(true_xyz)
    if predicted_xyz.shape != true_xyz.shape or predicted_xyz.ndim < 2 or predicted_xyz.shape[-1] != 3:
        raise ValueError(
            "`predicted_xyz` and `true_xyz` must have the same shape (..., joints, 3). "
            f"Received: {predicted_xyz.shape} and {true_xyz.shape}."
        )
    return np.linalg.norm(predicted_xyz - true_xyz, axis=-1)


def summarise_errors(errors: np.ndarray, skeleton: Skeleton, *, threshold: float = 40.0) -> dict[str, Any]:
    """Return the field's figures of many frames' errors.

    Args:
        errors: Errors in mm, shape ``(frames, joints)``.
        skeleton: Layout of the joints.
        threshold: Error in mm up to which a frame is good.

    Returns:
        ``mean_error_mm`` (Eq. 3 of the paper), the same without the centre joint as in the paper's tables, the median,
        the mean of the finger tips, the shares of frames that are good by their worst and by their mean joint (Eq. 4
        in both readings), and the mean of every joint.

    Example:
        >>> from keras_handpose.skeletons import MSRA21
        >>> summarise_errors(np.full((5, 21), 10.0), MSRA21)["mean_error_mm"]
        10.0
    """
    if errors.ndim != 2 or errors.shape[1] != len(skeleton) or not len(errors):
        raise ValueError(
            f"`errors` must have shape (frames, {len(skeleton)}) for {skeleton.name}. Received: {errors.shape}."
        )
    return {
        "frames": len(errors),
        "mean_error_mm": _rounded(errors.mean()),
        "mean_error_without_centre_joint_mm": _rounded(np.delete(errors, skeleton.centre_joint, axis=1).mean()),
        "median_error_mm": _rounded(np.median(errors)),
        "tips_error_mm": _rounded(errors[:, skeleton.tips].mean()),
        f"success_rate_worst_joint_{threshold:g}_mm": _rounded((errors.max(axis=1) <= threshold).mean()),
        f"success_rate_mean_joint_{threshold:g}_mm": _rounded((errors.mean(axis=1) <= threshold).mean()),
        "per_joint_error_mm": dict(zip(skeleton.joint_names, map(_rounded, errors.mean(axis=0)), strict=True)),
    }


def _rounded(value: float) -> float:
    return round(float(value), 4)
