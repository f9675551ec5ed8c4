"""A network on a crop store's frames does what the estimator does on the frames themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from keras_handpose.cameras import CAMERAS
from keras_handpose.cli import app
from keras_handpose.datasets import CropStore, Frame
from keras_handpose.estimator import HandPoseEstimator, predict_store
from keras_handpose.skeletons import ICVL16, MSRA21

CAMERA = CAMERAS["msra15"]


def frames_of(skeleton=MSRA21) -> list[Frame]:
    """A right hand, a left one and nothing: palms of which the depth is all that matters."""
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width]
    joints_xyz = np.full((len(skeleton), 3), (10.0, 0.0, 400.0))
    return [
        Frame(
            depth=(np.where(np.hypot(u - 170, v - 120) < 30, 400 + u // 8, 0) * shown).astype(np.uint16),
            joints_xyz=joints_xyz,
            camera=CAMERA,
            skeleton=skeleton,
            hand=hand,
        )
        for hand, shown in (("right", 1), ("left", 1), ("right", 0))
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("store") / "hands.h5"
    CropStore.from_frames(path, frames_of(), workers=1).close()
    return path


def test_it_agrees_with_the_estimator(store, tiny_weights):
    with CropStore(store) as crops:
        joints_xyz = predict_store(tiny_weights, crops)
        again = predict_store(tiny_weights, crops, frames=np.array([1, 2]))
    for frame, found in zip(frames_of()[:2], joints_xyz[:2], strict=True):
        pose = HandPoseEstimator(tiny_weights, camera=CAMERA, hand=frame.hand)(frame.depth)
        np.testing.assert_allclose(found, pose.joints_xyz, atol=0.02)
    assert np.isnan(joints_xyz[2]).all()
    np.testing.assert_allclose(again, joints_xyz[1:], atol=0.01)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"skeleton": ICVL16}, r"16 joints \(icvl16\), crops of 128 px. Received: 21 joints \(msra21\)"),
        ({"cube": 200.0}, "knows cubes of 250 to 250 mm. Received: cubes of 200 to 200 mm"),
        ({"size": 96}, "crops of 96 px. Received: 21 joints"),
    ],
)
def test_networks_that_do_not_fit(made, message, tiny_weights, tmp_path):
    frames = frames_of(made.pop("skeleton", MSRA21))
    with (
        CropStore.from_frames(tmp_path / "other.h5", frames, workers=1, **made) as crops,
        pytest.raises(ValueError, match=message),
    ):
        predict_store(tiny_weights, crops)


def test_evaluate_runs_weights(store, tiny_weights, tmp_path):
    arguments = ["evaluate", "--ground-truth", store, "--weights", tiny_weights, "--json"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    (record,) = json.loads(result.stdout)["results"]
    with CropStore(store) as crops:
        errors = np.linalg.norm(predict_store(tiny_weights, crops) - crops.joints_xyz, axis=-1)
    assert (record["name"], record["frames"], record["frames_missed"]) == ("tiny", 3, 1)
    assert record["mean_error_mm"] == pytest.approx(np.nanmean(errors), abs=1e-3)
    truth = tmp_path / "truth.txt"
    truth.write_text("1 2 400 " * 21)
    wrong = CliRunner().invoke(app, ["evaluate", "--ground-truth", str(truth), "--weights", "msra"])
    assert wrong.exit_code == 2 and "must be a store (.h5)" in wrong.stderr
