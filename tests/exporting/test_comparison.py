"""The judgement over an export."""

from __future__ import annotations

import json

import numpy as np
import pytest

from keras_handpose.exporting.comparison import LIMITS, Comparison, ExportError, compare

TRUTH = np.random.default_rng(0).normal(0, 60, (10, 21, 3))
KERAS = TRUTH + [0.0, 12.0, 0.0]


@pytest.mark.parametrize(
    ("quantize", "shift", "passes"),
    [
        (None, (0, 0, 0), True),
        (None, (0.009, 0, 0), True),
        (None, (0.011, 0, 0), False),
        ("float16", (0.09, 0, 0), True),
        ("float16", (0.11, 0, 0), False),
        ("int8", (1.4, 0, 0), True),
        ("dynamic", (1.4, 0, 0), True),
        ("dynamic", (1.6, 0, 0), False),
        # Near enough to Keras, but more than 2 % further from the truth.
        ("int8", (0, 0.2, 0), True),
        ("int8", (0, 0.3, 0), False),
        ("int8", (0, -1.4, 0), True),
    ],
)
def test_an_export_is_judged_by_both_limits(quantize, shift, passes):
    comparison = compare(KERAS + shift, KERAS, TRUTH, quantize=quantize)
    assert comparison.mean_difference_mm == pytest.approx(np.linalg.norm(shift))
    assert comparison.keras_error_mm == pytest.approx(12)
    assert comparison.error_mm == pytest.approx(np.linalg.norm(np.add(shift, [0, 12, 0])))
    assert comparison.passed == passes
    if passes:
        comparison.check()
    else:
        with pytest.raises(ExportError, match=f"(?s)was not kept.*limit {LIMITS[quantize]:g} mm.*quantize"):
            comparison.check()


def test_joints_that_are_no_numbers_never_pass():
    joints = KERAS.copy()
    joints[3, 4, 1] = np.nan
    comparison = compare(joints, KERAS, TRUTH, quantize="int8")
    assert np.isnan(comparison.mean_difference_mm) and not comparison.passed
    with pytest.raises(ExportError, match="nan mm mean"):
        comparison.check()


def test_joints_whose_truth_is_unknown_count_in_the_difference_alone():
    truth = TRUTH.copy()
    truth[:, 0] = np.nan
    joints = KERAS.copy()
    joints[:, 0] += 21.0
    comparison = compare(joints, KERAS, truth, quantize="int8")
    assert comparison.error_mm == comparison.keras_error_mm == pytest.approx(12)
    assert comparison.mean_difference_mm == pytest.approx(3**0.5)
    assert comparison.max_difference_mm == pytest.approx(21 * 3**0.5)


def test_without_any_true_joint_the_difference_alone_decides():
    unknown = np.full_like(TRUTH, np.nan)
    near, far = (compare(KERAS + [shift, 0, 0], KERAS, unknown, quantize="int8") for shift in (1.4, 1.6))
    assert near.passed and near.error_mm is near.keras_error_mm is None
    assert near.describe().endswith("(limit 1.5 mm);\nno true joint is known, so that the errors were not compared")
    with pytest.raises(ExportError, match="(?s)limit 1.5 mm.*errors were not compared"):
        far.check()


def test_a_comparison_can_be_read_and_stored():
    comparison = compare(KERAS + [0.5, 0, 0], KERAS, TRUTH, quantize="dynamic")
    assert comparison.describe() == (
        "10 held-out crops: 0.5 mm mean (0.5 mm greatest) difference from Keras (limit 1.5 mm);\n"
        "mean error 12.01 mm, Keras 12.00 mm (+0.1 %, limit +2 %)"
    )
    assert Comparison(**json.loads(json.dumps(comparison.to_dict()))) == comparison


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((KERAS[:5], KERAS, TRUTH), r"same shape .*Received: \(5, 21, 3\), \(10, 21, 3\)"),
        ((KERAS[:0], KERAS[:0], TRUTH[:0]), "n >= 1"),
        ((KERAS[0], KERAS[0], TRUTH[0]), "same shape"),
    ],
)
def test_joints_that_do_not_fit_each_other_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        compare(*arguments)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="`quantize` must be one of None, 'float16'.*Received: 'int4'"):
        compare(KERAS, KERAS, TRUTH, quantize="int4")
