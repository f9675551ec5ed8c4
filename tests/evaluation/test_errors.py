"""Errors of joints against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from keras_handpose import MSRA21, NYU14
from keras_handpose.evaluation import area_under_curve, joint_errors, success_rate, summarise_errors


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


# === Success rates ===

ERRORS = np.array([[10.0, 30.0], [10.0, 50.0], [0.0, 0.0], [np.nan, 5.0]])


@pytest.mark.parametrize(
    ("by", "rates"),
    [
        ("worst_joint", [0.25, 0.25, 0.5, 0.75]),
        ("mean_joint", [0.25, 0.5, 0.75, 0.75]),
        ("joint", [0.25, 0.625, 0.75, 0.875]),
    ],
)
def test_success_rates_in_all_readings(by, rates):
    np.testing.assert_allclose(success_rate(ERRORS, [0.0, 20.0, 30.0, 50.0], by=by), rates)
    fine = np.linspace(0, 80, 80_001)
    assert area_under_curve(ERRORS, by=by) == pytest.approx(success_rate(ERRORS, fine, by=by).mean(), abs=1e-4)


def test_a_perfect_curve_and_a_hopeless_one():
    assert area_under_curve(np.zeros((3, 2))) == 1
    assert area_under_curve(np.full((3, 2), 90.0), up_to=80) == 0


@pytest.mark.parametrize(
    ("errors", "arguments", "message"),
    [
        (np.zeros(3), {}, r"shape \(frames, joints\)"),
        (np.zeros((0, 3)), {}, r"shape \(frames, joints\)"),
        (ERRORS, {"by": "hand"}, "worst_joint, mean_joint, joint"),
    ],
)
def test_curves_of_nothing(errors, arguments, message):
    with pytest.raises(ValueError, match=message):
        success_rate(errors, 40.0, **arguments)
    with pytest.raises(ValueError, match=message):
        area_under_curve(errors, **arguments)
    with pytest.raises(ValueError, match="`up_to`"):
        area_under_curve(ERRORS, up_to=0)
