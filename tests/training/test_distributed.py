"""Several devices and several processes: the same crops, the same curve, the same end after a process was killed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock
import keras
import numpy as np
import pytest
from tiny import RECIPE, make_store

import keras_handpose as khp
from keras_handpose.datasets import Augmentation
from keras_handpose.training import Distribution, RenderedHands, StoredCrops, train, train_folds
from keras_handpose.training.distribution import open_replicas
from keras_handpose.training.launching import launch

ROOT = Path(khp.__file__).parents[1]
TINY = {"filters": [4], "poolings": [1], "stem": [4, 3], "top_filters": [4], "hidden": 8}
TOLERANCE = {"jax": 1e-5, "tensorflow": 1e-3}
"""Relative, of the losses and errors of training, and five times that of those watched: over replicas, TensorFlow
computes statistics by another formula."""


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("store") / "palms.h5"
    make_store(path).close()
    return path


# === What is asked for ===


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"devices": 0}, "`devices` must be positive. Received: devices=0"),
        ({"processes": -1}, "`processes` must be positive"),
        ({"rank": 1}, "`rank` must be from 0 to 0, one for each process. Received: rank=1"),
        ({"processes": 2}, "Several processes need `coordinator`, HOST:PORT .* Received: coordinator=None"),
        ({"processes": 2, "coordinator": "here"}, "Received: coordinator='here'"),
    ],
)
def test_impossible_distributions(wrong, message):
    with pytest.raises(ValueError, match=message):
        Distribution(**wrong)


@pytest.mark.parametrize(
    ("backend", "wanted", "message"),
    [
        (
            "torch",
            {"devices": 2},
            "TensorFlow or JAX. Received: devices=2 on the backend torch. Set KERAS_BACKEND=jax",
        ),
        ("torch", {"processes": 2}, "several processes takes JAX. Received: processes=2 on the backend torch"),
        ("tensorflow", {"processes": 2}, "takes JAX. Received: processes=2 on the backend tensorflow"),
        ("jax", {"devices": 3}, "`batch` must be a multiple of all devices together, 1 x 3. Received: batch=4"),
        ("jax", {"processes": 3, "devices": 2}, "of all devices together, 3 x 2"),
    ],
)
def test_who_cannot_says_who_can(tmp_path, store, monkeypatch, backend, wanted, message):
    monkeypatch.setattr("keras.backend.backend", lambda: backend)
    distribution = Distribution(**wanted, coordinator="127.0.0.1:1")
    with pytest.raises(ValueError, match=message):
        train(tmp_path / "run", StoredCrops(store), RECIPE, distribution=distribution)
    assert not (tmp_path / "run").exists()


def test_too_few_devices():
    if keras.backend.backend() == "torch":
        pytest.skip("PyTorch is refused before")
    keras.ops.zeros(1)  # From now on the devices are what they are.
    with pytest.raises(ValueError, match=r"too few devices: \d+ \(\w+\). Received: devices=999. Ask for fewer"):
        open_replicas(Distribution(devices=999), batch=999)


def test_some_things_go_with_one_process(tmp_path, store):
    two = Distribution(processes=2, coordinator="127.0.0.1:1")
    with pytest.raises(ValueError, match="`tensorboard=True` goes with one process. Received: processes=2"):
        train(tmp_path, StoredCrops(store), RECIPE, distribution=two, tensorboard=True)
    with pytest.raises(ValueError, match="Folds are trained in one process. Received: processes=2"):
        train_folds(tmp_path, store, RECIPE, distribution=two)


# === Crops ===


@pytest.mark.parametrize("kind", ["stored", "stored and augmented", "rendered"])
def test_parts_are_the_whole_without_overlap(store, kind):
    data = RenderedHands(samples=8) if kind == "rendered" else StoredCrops(store)
    augmentation = Augmentation(rotation=30, noise_mm=2) if "augmented" in kind else None
    shared = {"seed": 3, "start": 1, "augmentation": augmentation, "workers": 1}

    def second(**part):
        batches = data.batches(6, **shared, **part)
        _, crops = next(batches), next(batches)
        batches.close()
        return crops

    whole = second()
    ranks = [Distribution(processes=3, rank=rank, coordinator="127.0.0.1:1") for rank in range(3)]
    parts = [second(part=rank.part(6)) for rank in ranks]
    data.close()
    assert [len(part) for part in parts] == [2, 2, 2]
    for key in ("images", "joints_unit", "centres_xyz", "cubes"):
        np.testing.assert_array_equal(np.concatenate([getattr(part, key) for part in parts]), getattr(whole, key))


# === Processes ===


def test_a_process_that_fails_ends_all(capfd):
    with pytest.raises(ChildProcessError, match=r"Process \d of 2 ended with exit code 2.* so the others were ended"):
        launch(["train", "--no-such-option"], processes=2)
    assert "No such option" in capfd.readouterr().err


def command(folder: Path, store: Path, *options: object, backend: str = "jax") -> subprocess.Popen:
    """Start ``keras-handpose train`` in a process of its own."""
    recipe = {
        "batch": 4,
        "epochs": 3,
        "components": 6,
        "learning-rate": 1e-3,
        "architecture": json.dumps(TINY),
        "workers": 1,
    }
    arguments = [f"--{key}={value}" for key, value in recipe.items()]
    arguments += ["--output", folder, "--store", store, "--leave-out", "P1", *options]
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        [sys.executable, "-m", "keras_handpose", "train", *map(str, arguments)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen, *, code: int = 0) -> str:
    said = process.communicate(timeout=300)[1]
    assert process.returncode == code, said
    return " ".join(said.split())


def log_of(folder: Path) -> dict[str, np.ndarray]:
    with (folder / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}


def weights_of(folder: Path) -> list[np.ndarray]:
    return khp.ResidualAttentionRegressor(weights=folder / "trained.weights.h5").get_weights()


def statistics_of(folder: Path) -> list[np.ndarray]:
    model = khp.ResidualAttentionRegressor(weights=folder / "trained.weights.h5")
    return [
        keras.ops.convert_to_numpy(v) for v in model.variables if v.path.endswith(("moving_mean", "moving_variance"))
    ]


@pytest.fixture(scope="module")
def alone(store, tmp_path_factory):
    """Train on one device, once for each backend."""
    folders = {}

    def run(backend: str) -> Path:
        if backend not in folders:
            folders[backend] = tmp_path_factory.mktemp(backend)
            finish(command(folders[backend], store, backend=backend))
        return folders[backend]

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("tensorflow", ["--devices", 2]),
        ("jax", ["--devices", 2]),
        ("jax", ["--processes", 2]),
        ("jax", ["--processes", 2, "--devices", 2]),
    ],
)
def test_the_curve_is_that_of_one_device(tmp_path, store, alone, backend, options):
    """Losses agree to rounding, and so do the statistics of normalisation: they are those of whole batches."""
    finish(command(tmp_path, store, *options, backend=backend))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in alone(backend).iterdir())
    assert (tmp_path / "plan.json").read_bytes() == (alone(backend) / "plan.json").read_bytes()
    ours, theirs = log_of(tmp_path), log_of(alone(backend))
    for key, values in theirs.items():
        rtol = TOLERANCE[backend] * (5 if key.startswith("val_") else 1)
        np.testing.assert_allclose(ours[key], values, rtol=rtol, err_msg=key)
    # Weights may differ more: of gradients that are nothing but rounding, Adam makes full steps.
    for ours, theirs in zip(statistics_of(tmp_path), statistics_of(alone(backend)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-2, atol=2e-2)
    figures, expected = (json.loads((f / "errors.json").read_text()) for f in (tmp_path, alone(backend)))
    assert figures["mean_error_mm"] == pytest.approx(expected["mean_error_mm"], rel=5 * TOLERANCE[backend])


def wait_for_rows(folder: Path, count: int, process: subprocess.Popen) -> None:
    until = time.monotonic() + 200
    while not (folder / "log.csv").exists() or len((folder / "log.csv").read_text().splitlines()) <= count:
        assert process.poll() is None and time.monotonic() < until, process.stderr.read()
        time.sleep(0.05)


def child(process: subprocess.Popen, rank: int) -> int:
    """The process id of a rank that a launcher started."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (found,) = [c for c in children if f"--rank\0{rank}\0" in Path(f"/proc/{c}/cmdline").read_text()]
    return int(found)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
def test_killed_processes_change_nothing(tmp_path, store):
    """One of two is killed, then the one that started them: each time all end, and the same command goes on."""
    options = ["--processes", 2, "--epochs", 16]
    finish(command(tmp_path / "undisturbed", store, *options))

    process = command(tmp_path / "killed", store, *options)
    wait_for_rows(tmp_path / "killed", 3, process)
    os.kill(child(process, 1), signal.SIGKILL)
    said = finish(process, code=2)
    assert "Process 1 of 2 was ended by SIGKILL, so the others were ended too. The same command goes on" in said
    done = len(log_of(tmp_path / "killed")["step"])
    assert 3 <= done < 16

    process = command(tmp_path / "killed", store, *options)
    wait_for_rows(tmp_path / "killed", done + 2, process)
    process.kill()
    finish(process, code=-signal.SIGKILL)
    with filelock.FileLock(tmp_path / "killed" / ".lock", timeout=10):
        assert done + 2 <= len(log_of(tmp_path / "killed")["step"]) < 16

    finish(command(tmp_path / "killed", store, *options))
    for name in ("plan.json", "log.csv", "errors.json", "predictions.txt"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes(), name
    for ours, theirs in zip(weights_of(tmp_path / "killed"), weights_of(tmp_path / "undisturbed"), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_processes_of_different_plans_do_not_train(tmp_path, store):
    """As on two machines: each process is started with its rank, and has a folder of its own."""
    shared = ["--processes", 2, "--coordinator", "127.0.0.1:29417"]
    first = command(tmp_path / "first", store, *shared, "--rank", 0)
    other = command(tmp_path / "other", store, *shared, "--rank", 1, "--seed", 1)
    assert "Process 0 has a run of another plan. Received: recipe.seed=1 (there: 0)" in finish(other, code=2)
    said = finish(first, code=2)
    assert "Process 0 of 2 cannot go on" in said, said
    assert not (tmp_path / "other").exists()
