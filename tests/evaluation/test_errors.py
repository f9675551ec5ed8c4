"""Errors of joints against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from keras_handpose import MSRA21, NYU14
from keras_handpose.evaluation import joint_errors, summarise_errors


def test_distances():
    truth = np.zeros((2, 21, 3))
    predicted = truth + [3.0, 4.0, 12.0]
    np.testing.assert_allclose(joint_errors(predicted, truth), 13.0)
    predicted[1, 4] = np.nan
    assert np.isnan(joint_errors(predicted, truth)[1, 4]) and np.isfinite(joint_errors(predicted, truth)).sum() == 41


def test_figures_of_two_frames():
    errors = np.full((2, 14), 10.0)
    errors[1] = 30.0
    errors[1, 0] = 58.0  # a tip
    errors[:, NYU14.centre_joint] = 0.0
    figures = summarise_errors(errors, NYU14)
    assert figures["frames"] == 2
    assert figures["mean_error_mm"] == pytest.approx((13 * 10 + 12 * 30 + 58) / 28, abs=1e-4)
    assert figures["mean_error_without_centre_joint_mm"] == pytest.approx((13 * 10 + 12 * 30 + 58) / 26, abs=1e-4)
    assert figures["tips_error_mm"] == pytest.approx((5 * 10 + 4 * 30 + 58) / 10, abs=1e-4)
    assert figures["success_rate_worst_joint_40_mm"] == 0.5
    assert figures["success_rate_mean_joint_40_mm"] == 1.0
    assert figures["per_joint_error_mm"]["little_tip"] == 34.0


@pytest.mark.parametrize("shape", [(5, 14), (21,), (0, 21)])
def test_errors_of_another_layout(shape):
    with pytest.raises(ValueError, match=r"\(frames, 21\) for msra21"):
        summarise_errors(np.zeros(shape), MSRA21)


def test_poses_of_different_shapes():
    with pytest.raises(ValueError, match=r"Received: \(2, 21, 3\) and \(2, 14, 3\)"):
        joint_errors(np.zeros((2, 21, 3)), np.zeros((2, 14, 3)))
