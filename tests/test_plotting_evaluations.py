"""Pictures of evaluations: what is in them."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from keras_handpose import NYU14
from keras_handpose.evaluation import PROTOCOLS, Evaluation, GroundTruth, evaluate
from keras_handpose.plotting import plot_errors, plot_overlays

CAMERA = PROTOCOLS["nyu"].camera


@pytest.fixture(scope="module")
def evaluations() -> list[Evaluation]:
    rng = np.random.default_rng(0)
    truth = GroundTruth.of(rng.uniform((-80, -80, 650), (80, 80, 750), (20, 14, 3)), skeleton=NYU14, camera=CAMERA)
    near, far = truth.joints_xyz + [0, 3, 4], truth.joints_xyz + [0, 30, 40]
    far[7] = np.nan
    return [evaluate(truth, joints, axes="xyz", name=name) for name, joints in (("near", near), ("far", far))]


def test_bars_and_curves_show_the_figures(evaluations):
    figure = plot_errors(evaluations, up_to=100)
    bars, worst, mean = figure.axes
    heights = [bar.get_height() for bar in bars.patches]
    np.testing.assert_allclose(heights, [5] * 15 + [50] * 15, atol=1e-4)
    assert [label.get_text() for label in bars.get_xticklabels()][-2:] == ["palm", "mean"]
    for axes in (worst, mean):
        near, far = (line.get_ydata() for line in axes.lines)
        thresholds = axes.lines[0].get_xdata()
        np.testing.assert_array_equal(near, thresholds >= 5)
        np.testing.assert_array_equal(far, np.where(thresholds >= 50, 0.95, 0))
        assert [text.get_text() for text in axes.texts] == ["area 0.950", "area 0.475"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["near: 5.00 mm", "far: 50.00 mm, 1 missed"]


def test_overlays_show_prediction_and_truth(evaluations):
    depth = np.full(CAMERA.shape, 700, np.uint16)
    figure = plot_overlays(evaluations, [depth, depth], [3, 7])
    near_3, near_7, far_3, far_7 = figure.axes
    bones = [sum(isinstance(part, LineCollection) for part in axes.collections) for axes in figure.axes]
    assert bones == [4, 4, 4, 2]  # Ground and colour, of the prediction and of the truth.
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        "frame 3\n5.0 mm, worst joint 5.0 mm",
        "frame 7\n5.0 mm, worst joint 5.0 mm",
        "50.0 mm, worst joint 50.0 mm",
        "no hand found",
    ]
    assert [axes.get_ylabel() for axes in (near_3, far_3)] == ["near", "far"]


def test_a_hand_at_the_border_of_the_frame(evaluations):
    beside = evaluations[0].truth.joints_xyz + [400, 300, 0]
    truth = GroundTruth.of(beside, skeleton=NYU14, camera=CAMERA)
    evaluation = evaluate(truth, beside, axes="xyz", name="beside")
    plot_overlays([evaluation], [np.zeros(CAMERA.shape, np.uint16)], [0]).canvas.draw()


def test_pictures_of_nothing(evaluations):
    with pytest.raises(ValueError, match="one or more, of the same joints"):
        plot_errors([])
    other = Evaluation(
        name="other", truth=evaluations[0].truth, predicted_xyz=evaluations[0].predicted_xyz, centre_joint=False
    )
    with pytest.raises(ValueError, match="near, 14 joints.*other, 13 joints"):
        plot_errors([evaluations[0], other])
    for depths, rows in (([], []), ([np.zeros(CAMERA.shape)], [0, 1])):
        with pytest.raises(ValueError, match="one depth frame"):
            plot_overlays(evaluations, depths, rows)
