"""One method's predictions beside the truth."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from keras_handpose.evaluation.errors import joint_errors, summarise_errors
from keras_handpose.evaluation.predictions import read_predictions
from keras_handpose.evaluation.protocols import protocol_for
from keras_handpose.evaluation.success import READINGS, Reading, area_under_curve, success_rate
from keras_handpose.evaluation.truth import GroundTruth

__all__ = ["THRESHOLDS", "UP_TO", "Evaluation", "evaluate"]

THRESHOLDS: tuple[float, ...] = tuple(float(threshold) for threshold in range(0, 81, 5))
"""Thresholds in mm for which success rates are reported if no others are asked for."""

UP_TO = 80.0
"""Where the area under a success curve ends, in mm."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """What came out for one method; `evaluate` makes it.

    Args:
        name: What to call the method.
        truth: What it was compared with.
        predicted_xyz: Its joints in mm, shape ``(frames, joints, 3)``; NaN where it found no hand.
        centre_joint: Whether the joint that crops are centred on counts.

    Example:
        >>> from keras_handpose.evaluation import PROTOCOLS
        >>> from keras_handpose.skeletons import NYU14
        >>> truth = GroundTruth.of(np.full((3, 14, 3), 700.0), skeleton=NYU14, camera=PROTOCOLS["nyu"].camera)
        >>> evaluate(truth, truth.joints_xyz + [0, 3, 4], axes="xyz").mean_error
        5.0
    """

    name: str
    truth: GroundTruth
    predicted_xyz: np.ndarray
    centre_joint: bool = True
    _all_errors: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_all_errors", joint_errors(self.predicted_xyz, self.truth.joints_xyz))

    @property
    def joints(self) -> list[int]:
        """Indices of the joints that count."""
        skeleton = self.truth.skeleton
        return [joint for joint in range(len(skeleton)) if self.centre_joint or joint != skeleton.centre_joint]

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the joints that count."""
        return tuple(self.truth.skeleton.joint_names[joint] for joint in self.joints)

    @property
    def errors(self) -> np.ndarray:
        """Errors in mm of the joints that count, shape ``(frames, joints)``; NaN where one was not found."""
        return self._all_errors[:, self.joints]

    @property
    def missed(self) -> np.ndarray:
        """Whether a joint of a frame was not found, shape ``(frames,)``."""
        return np.isnan(self.errors).any(axis=1)

    @property
    def mean_error(self) -> float:
        """Mean error in mm of the joints that were found (Eq. 3 of the paper); NaN where there are none."""
        errors = self.errors
        found = errors[~np.isnan(errors)]
        return float(found.mean()) if found.size else float("nan")

    def success_rate(self, thresholds: np.ndarray, *, by: Reading = "worst_joint") -> np.ndarray:
        """Return the share of good frames by threshold; see `keras_handpose.evaluation.success_rate`."""
        return success_rate(self.errors, thresholds, by=by)

    def area_under_curve(self, *, up_to: float = UP_TO, by: Reading = "worst_joint") -> float:
        """Return the area under the success curve; see `keras_handpose.evaluation.area_under_curve`."""
        return area_under_curve(self.errors, up_to=up_to, by=by)

    def to_dict(self, *, thresholds: Sequence[float] = THRESHOLDS, up_to: float = UP_TO) -> dict[str, Any]:
        """Return all figures as plain values that JSON can hold.

        Args:
            thresholds: Thresholds in mm of the success rates.
            up_to: Where the areas under the curves end, in mm.

        Returns:
            The keys of `summarise_errors`, with ``name``, ``skeleton``, ``camera`` (what brought pixels to mm) and
            ``centre_joint`` before them, and ``success_rate`` and ``area_under_curve`` in all readings behind.
        """
        rates = {by: self.success_rate(thresholds, by=by).round(4).tolist() for by in READINGS}
        areas = {by: round(self.area_under_curve(up_to=up_to, by=by), 4) for by in READINGS}
        return {
            "name": self.name,
            "skeleton": self.truth.skeleton.name,
            "camera": self.truth.cameras[0].name,
            "centre_joint": self.centre_joint,
            **summarise_errors(self._all_errors, self.truth.skeleton, centre_joint=self.centre_joint),
            "success_rate": {"thresholds_mm": [float(threshold) for threshold in thresholds], **rates},
            "area_under_curve": {"up_to_mm": float(up_to), **areas},
        }


def evaluate(
    ground_truth: GroundTruth | str | os.PathLike,
    predictions: np.ndarray | str | os.PathLike,
    *,
    name: str | None = None,
    axes: str = "uvd",
    order: str | Sequence[int] | None = None,
    variable: str | None = None,
    centre_joint: bool = True,
) -> Evaluation:
    """Compare predictions with the truth, in mm.

    Pixels are lifted to mm by the ground truth's camera, the same for both, as the field does it.

    Args:
        ground_truth: What `GroundTruth.read` returned, or a file for it.
        predictions: A file that `read_predictions` can read, or an array of shape ``(frames, joints, 3)``. It may have
            all frames of the test set when the ground truth has some of them; of a crop store's frames, also only
            those where a hand was found, and the others count as missed.
        name: What to call the method; by default the file's name.
        axes, order, variable: How predictions hold joints; see `read_predictions`. An array is in our order and signs:
            only whether it is "uvd" or "xyz" matters.
        centre_joint: Whether the joint that crops are centred on counts. The paper leaves it out.

    Returns:
        An `Evaluation`.

    Raises:
        OSError: There is no such file.
        ValueError: A file is damaged, or frames or joints do not fit.

    Example:
        >>> from keras_handpose.evaluation import PROTOCOLS
        >>> from keras_handpose.skeletons import NYU14
        >>> truth = GroundTruth.of(np.full((3, 14, 3), 700.0), skeleton=NYU14, camera=PROTOCOLS["nyu"].camera)
        >>> joints_uvd = np.full((3, 14, 3), np.nan)
        >>> evaluate(truth, joints_uvd).to_dict()["frames_missed"]
        3
    """
    truth = ground_truth if isinstance(ground_truth, GroundTruth) else GroundTruth.read(ground_truth)
    if isinstance(predictions, np.ndarray):
        source, joints = name or "The predictions", _as_joints(predictions)
        if axes not in ("uvd", "xyz") or order is not None or variable is not None:
            raise ValueError("An array of predictions has our axes and order: give `axes` as 'uvd' or 'xyz' alone.")
    else:
        source = str(predictions)
        joints = read_predictions(predictions, skeleton=truth.skeleton, axes=axes, order=order, variable=variable)
    joints = _of_frames(joints, truth, source)
    return Evaluation(
        name=name or ("predictions" if isinstance(predictions, np.ndarray) else Path(predictions).stem),
        truth=truth,
        predicted_xyz=truth.lift(joints) if "u" in axes else joints,
        centre_joint=centre_joint,
    )


def _as_joints(predictions: np.ndarray) -> np.ndarray:
    if predictions.dtype.kind not in "fiu" or predictions.ndim != 3 or predictions.shape[2] != 3:
        raise ValueError(
            "`predictions` must be numbers of shape (frames, joints, 3), or a file's path. "
            f"Received: shape {predictions.shape}, dtype {predictions.dtype}."
        )
    return predictions


def _of_frames(joints: np.ndarray, truth: GroundTruth, source: str) -> np.ndarray:
    """Return the predictions for the ground truth's frames."""
    frames = len(joints)
    if frames == len(truth):
        return joints
    if frames == truth.total and frames > truth.numbers.max():
        return joints[truth.numbers]
    if frames == truth.found.sum():
        of_all = np.full((len(truth), *joints.shape[1:]), np.nan)
        of_all[truth.found] = joints
        return of_all
    raise ValueError(
        f"{source} must have as many frames as the ground truth, {len(truth)}. "
        f"Received: {frames} frames. {_remedy(frames, truth)}"
    )


def _remedy(frames: int, truth: GroundTruth) -> str:
    protocol = protocol_for(truth.skeleton)
    subsets = protocol.subsets if protocol else {}
    fitting = {name: part for name, part in subsets.items() if part[1] - part[0] == frames}
    if fitting:
        (name, (first, stop)), *_ = fitting.items()
        return f"That is a part of {protocol.name}'s test set: --subset {name}, or --frames {first}:{stop}."
    whole = {name: part for name, part in subsets.items() if part[1] - part[0] == len(truth)}
    if protocol and frames == protocol.frames and whole:
        (name, (first, stop)), *_ = whole.items()
        return f"The ground truth is a part of {protocol.name}'s test set: --subset {name}, or --frames {first}:{stop}."
    if frames < len(truth):
        return f"If they are the first frames: --frames 0:{frames}; otherwise name the part as FIRST:STOP."
    return "Is this the ground truth that they belong to, and all of it?"
