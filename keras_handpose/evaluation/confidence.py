"""Calibrating the score of poses, and judging it: is it as often right as it says, and does it tell good from bad?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from keras_handpose.confidence import FEATURES, Confidence, bone_lengths, measure_pose
from keras_handpose.evaluation.errors import joint_errors

if TYPE_CHECKING:
    from keras_handpose.datasets import LabelledCrops

__all__ = ["area_under_roc", "fit_confidence", "pose_errors", "reliability", "risk_coverage", "score_poses"]

_PENALTY = 3.0  # On the squared coefficients of standardised features, in poses.
_LEAST = 20  # Good and bad poses, each, below which nothing can be fitted.


def fit_confidence(
    crops: LabelledCrops,
    joints_unit: np.ndarray,
    *,
    data: str,
    threshold_mm: float = 20.0,
    without_hand: tuple[LabelledCrops, np.ndarray] | None = None,
) -> Confidence:
    """Calibrate the score of a network's poses on crops that it was not trained on.

    A pose is good if the mean error of its joints is at most the threshold. The score is the probability of that, by a
    logistic regression on standardised features. What looks like a hand to `detect_hand` need not be one: with crops of
    such things among those that are fitted to, poses in them score low.

    Args:
        crops: Crops with their true joints, some thousand of them.
        joints_unit: What the network gives for them, shape ``(n, joints, 3)``.
        data: What the crops are, in a few words, for the record.
        threshold_mm: Mean joint error in mm up to which a pose is good.
        without_hand: Crops of what is detected where there is no hand, and what the network gives for them, shape
            ``(m, joints, 3)``. None of these poses is good; the crops' own joints are not looked at. The more there are
            beside the crops of hands, the lower hands score too: a twentieth of them does.

    Returns:
        The `Confidence`, for `HandPoseEstimator`'s ``confidence`` or a weights' record.

    Raises:
        ValueError: The joints do not fit the crops, the crops without a hand have another layout, or fewer than 20 of
            the poses in the others are good, or bad.

    See Also:
        `score_poses`, `reliability` and `risk_coverage`, to judge it on other crops.

    Example:
        >>> from keras_handpose.synthetic import render_crops
        >>> crops, rng = render_crops(96, seed=0), np.random.default_rng(0)
        >>> noise = rng.uniform(0.02, 0.2, (96, 1, 1)) * rng.normal(size=crops.joints_unit.shape)
        >>> confidence = fit_confidence(crops, crops.joints_unit + noise, data="96 rendered crops")
        >>> scores = score_poses(confidence, crops, crops.joints_unit + noise)
        >>> good = pose_errors(crops, crops.joints_unit + noise) <= confidence.threshold_mm
        >>> bool(scores[good].mean() > 0.3 + scores[~good].mean())
        True
    """
    good = pose_errors(crops, joints_unit) <= threshold_mm
    if min(good.sum(), (~good).sum()) < _LEAST:
        raise ValueError(
            f"A confidence is fitted to at least {_LEAST} good and {_LEAST} bad poses. Received: {good.sum()} poses of "
            f"at most {threshold_mm} mm, {(~good).sum()} beyond. Pass more crops, or another `threshold_mm`."
        )
    in_mm = joints_unit * (crops.cubes[:, None, None] / 2)
    bones_mm = bone_lengths(in_mm, crops.skeleton).mean(axis=0)
    measured = _measure(crops, joints_unit, bones_mm)
    means, stds = measured.mean(axis=0), np.maximum(measured.std(axis=0), 1e-6)
    fitted = Confidence(
        features=tuple(FEATURES),
        means=_rounded(means),
        stds=_rounded(stds),
        coefficients=(0.0,) * len(FEATURES),
        intercept=0.0,
        bones_mm=_rounded(bones_mm),
        threshold_mm=float(threshold_mm),
        data=data,
    )
    if without_hand is not None:
        others, their_joints = without_hand
        if others.skeleton != crops.skeleton or np.shape(their_joints) != (len(others), *joints_unit.shape[1:]):
            raise ValueError(
                f"`without_hand` must be crops of {crops.skeleton.name} and joints for each of them. Received: "
                f"{len(others)} crops of {others.skeleton.name} and joints of shape {np.shape(their_joints)}."
            )
        measured = np.concatenate([measured, _measure(others, their_joints, np.array(fitted.bones_mm))])
        good = np.concatenate([good, np.zeros(len(others), bool)])
    weights = _logistic_regression(fitted.standardise(measured), good)
    return Confidence(**{**fitted.to_dict(), "coefficients": _rounded(weights[1:]), "intercept": _rounded(weights)[0]})


def score_poses(confidence: Confidence, crops: LabelledCrops, joints_unit: np.ndarray) -> np.ndarray:
    """Return the scores of poses in crops, shape ``(n,)``, as an estimator would give them.

    Args:
        confidence: What to score with.
        crops: The crops.
        joints_unit: What a network gives for them, shape ``(n, joints, 3)``.
    """
    confidence.require(crops.skeleton)
    return confidence.probability(_measure(crops, joints_unit, np.array(confidence.bones_mm)))


def pose_errors(crops: LabelledCrops, joints_unit: np.ndarray) -> np.ndarray:
    """Return the mean joint error of poses in mm, shape ``(n,)``."""
    return joint_errors(joints_unit, crops.joints_unit).mean(axis=1) * (crops.cubes / 2)


def reliability(scores: np.ndarray, good: np.ndarray, *, bins: int = 10) -> dict[str, Any]:
    """Return how often poses are good for what score.

    Args:
        scores: Scores from 0 to 1, shape ``(n,)``.
        good: Whether the poses are good, shape ``(n,)``.
        bins: Number of bins of equal width.

    Returns:
        For the ``bins`` that have poses: from which score, how many poses, their mean score, and the share of good
        ones; ``calibration_error``, the mean difference of the latter two over all poses; ``greatest_error``, the
        greatest of a bin of at least 50 poses; and ``brier``, the mean squared difference of score and truth.

    Example:
        >>> reliability(np.array([0.1, 0.1, 0.9, 0.9]), np.array([False, False, True, True]))["calibration_error"]
        0.1
    """
    scores, good = _checked(scores, good)
    numbers = np.minimum((scores * bins).astype(int), bins - 1)
    rows, total, greatest = [], 0.0, None
    for number in range(bins):
        members = numbers == number
        if members.any():
            score, share = scores[members].mean(), good[members].mean()
            rows.append(
                {
                    "from": round(number / bins, 3),
                    "poses": int(members.sum()),
                    "mean_score": round(float(score), 4),
                    "good": round(float(share), 4),
                }
            )
            total += members.sum() * abs(score - share)
            if members.sum() >= 50:
                greatest = max(greatest or 0.0, float(abs(score - share)))
    return {
        "bins": rows,
        "calibration_error": round(float(total / len(scores)), 4),
        "greatest_error": None if greatest is None else round(greatest, 4),
        "brier": round(float(np.mean((scores - good) ** 2)), 4),
    }


def area_under_roc(scores: np.ndarray, good: np.ndarray) -> float:
    """Return how often a good pose has a higher score than a bad one; equal scores are half a time.

    Raises:
        ValueError: All poses are good, or all are bad.

    Example:
        >>> area_under_roc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True]))
        0.875
    """
    scores, good = _checked(scores, good)
    if good.all() or not good.any():
        raise ValueError(f"`good` must be true for some poses and false for others. Received: {good.sum()} true.")
    ordered = np.sort(scores[~good])
    below, up_to = (np.searchsorted(ordered, scores[good], side=side) for side in ("left", "right"))
    return float((below + up_to).mean() / 2 / len(ordered))


def risk_coverage(scores: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean error of the poses with the highest scores, by how many are kept.

    Args:
        scores: Scores, shape ``(n,)``.
        errors: Errors in mm, shape ``(n,)``.

    Returns:
        Shares of poses that are kept, ``1 / n`` to 1, and their mean errors in mm, both of shape ``(n,)``.

    Example:
        >>> risk_coverage(np.array([0.2, 0.9]), np.array([30.0, 10.0]))
        (array([0.5, 1. ]), array([10., 20.]))
    """
    scores, errors = _checked(scores, errors)
    order = np.argsort(-scores, kind="stable")
    kept = np.arange(1, len(scores) + 1)
    return kept / len(scores), np.cumsum(errors[order]) / kept


def _checked(scores: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, others = np.asarray(scores, np.float64), np.asarray(others)
    if scores.ndim != 1 or scores.shape != others.shape or not len(scores):
        raise ValueError(f"Scores go with as many poses, at least one. Received: {scores.shape} and {others.shape}.")
    return scores, others


def _measure(crops: LabelledCrops, joints_unit: np.ndarray, bones_mm: np.ndarray) -> np.ndarray:
    measured = np.array(
        [
            measure_pose(image, joints, centre_xyz=tuple(centre), cube=cube, skeleton=crops.skeleton, bones_mm=bones_mm)
            for image, joints, centre, cube in zip(
                crops.images[..., 0], joints_unit, crops.centres_xyz.tolist(), crops.cubes.tolist(), strict=True
            )
        ]
    )
    return measured.reshape(len(crops), len(FEATURES))


def _logistic_regression(standard: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Return intercept and coefficients, by Newton's method on the penalised likelihood."""
    columns = np.column_stack([np.ones(len(standard)), standard])
    penalty = np.diag([0.0, *[_PENALTY] * standard.shape[1]])
    weights = np.zeros(columns.shape[1])
    for _ in range(50):
        probability = 1 / (1 + np.exp(-(columns @ weights).clip(-50, 50)))
        gradient = columns.T @ (probability - good) + penalty @ weights
        curvature = (columns.T * (probability * (1 - probability))) @ columns + penalty
        step = np.linalg.solve(curvature, gradient)
        weights -= step * min(1.0, 5.0 / abs(step).max()) if abs(step).max() else 0.0
        if abs(step).max() < 1e-9:
            break
    return weights


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    """Return numbers as a record holds them."""
    return tuple(float(f"{value:.6g}") for value in values)
