"""Training on rendered hands: it learns, it goes on after a kill, and what it writes can be used."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_handpose as khp
from keras_handpose.models.metrics import MeanJointErrorMM
from keras_handpose.synthetic import render_crops
from keras_handpose.training import RenderedTraining, train

TINY = {"filters": (4, 8), "poolings": (2, 1), "stem": (4, 5), "top_filters": (8,), "hidden": 16}


def tiny_plan(**changes) -> RenderedTraining:
    return RenderedTraining(
        **{"name": "tiny", "samples": 64, "batch": 8, "steps_per_epoch": 2, "architecture": TINY, **changes}
    )


def test_metric_is_the_mean_distance_in_mm():
    rng = np.random.default_rng(0)
    truth, predicted = rng.normal(size=(2, 6, 21, 3)).astype(np.float32)
    metric = MeanJointErrorMM(cube=200.0)
    for part in (slice(0, 4), slice(4, 6)):
        metric.update_state(truth[part], predicted[part])
    expected = np.linalg.norm(predicted - truth, axis=-1).mean() * 100
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    again = MeanJointErrorMM.from_config(metric.get_config())
    assert again.cube == 200.0 and again.name == "mean_error_mm"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"skeleton": "octopus"}, "`skeleton` must be one of msra21"),
        ({"samples": 0}, "`samples` must be positive"),
        ({"learning_rate": -1.0}, "`learning_rate` must be positive"),
    ],
)
def test_impossible_plans(wrong, message):
    with pytest.raises(ValueError, match=message):
        RenderedTraining(**wrong)


def test_a_folder_holds_one_run(tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps({"samples": 64, "architecture": {}}))
    with pytest.raises(ValueError, match="holds a run of another plan"):
        train(tmp_path, RenderedTraining(samples=128))


@pytest.mark.slow
def test_a_run_ends_in_weights_that_load(tmp_path):
    model = train(tmp_path, tiny_plan(), workers=1, verbose=0)
    loaded = khp.ResidualAttentionRegressor(weights=tmp_path / "tiny.weights.h5")
    images = render_crops(4, seed=0).images
    np.testing.assert_allclose(loaded.predict(images, verbose=0), model.predict(images, verbose=0), atol=1e-5)
    record = json.loads((tmp_path / "tiny.json").read_text())
    assert record["skeleton"] == "msra21" and record["trained_on"] == "64 rendered hands"
    (figures,) = record["errors"].values()
    assert figures["frames"] == 2000 and 20 < figures["mean_error_mm"] < 200


@pytest.mark.slow
def test_it_learns(tmp_path):
    """In a minute, better than the mean pose by a clear margin."""
    plan = tiny_plan(
        samples=6400, batch=32, steps_per_epoch=50, learning_rate=3e-3, architecture={**TINY, "hidden": 128}
    )
    train(tmp_path, plan, workers=2, verbose=0)
    with (tmp_path / "log.csv").open() as file:
        errors = [float(row["mean_error_mm"]) for row in csv.DictReader(file)]
    assert errors[-1] < 0.85 * errors[0]


@pytest.mark.slow
def test_killed_runs_go_on(tmp_path):
    """Killed without warning after its first checkpoints, the same call ends where an undisturbed one would."""
    script = (
        "import sys\nsys.path.insert(0, sys.argv[2])\nfrom test_training import tiny_plan\n"
        "from keras_handpose.training import train\ntrain(sys.argv[1], tiny_plan(samples=480), workers=1, verbose=0)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    checkpoint = tmp_path / "last.keras"
    for _ in range(2):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 240
        while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
            assert process.poll() is None and time.monotonic() < deadline, "no checkpoint was written"
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        steps = int(keras.saving.load_model(checkpoint).optimizer.iterations)
        assert 0 < steps < 60 and steps % 2 == 0
    model = train(tmp_path, workers=1, verbose=0)
    assert int(model.optimizer.iterations) == 60
    with (tmp_path / "log.csv").open() as file:
        epochs = [int(row["epoch"]) for row in csv.DictReader(file)]
    assert epochs[-1] == 29 and sorted(set(epochs)) == list(range(30))
    assert (tmp_path / "tiny.weights.h5").exists()
