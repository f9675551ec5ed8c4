"""`keras-handpose tune`: real searches over tiny networks, on one process and on several."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import pytest

pytest.importorskip("keras_tuner")

from rich.console import Console
from tiny_searches import Trainings, options
from typer.testing import CliRunner

import keras_handpose as khp
from keras_handpose.cli import app
from keras_handpose.cli.tune import _table
from keras_handpose.tuning.records import SearchRecord, TrialRecord, read_search

ROOT = Path(khp.__file__).parents[1]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras_tuner.src.engine.oracle")


def run(words):
    return CliRunner().invoke(app, words)


def start(words, **environment: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-m", "keras_handpose", *words], env=environment, text=True, **pipes)


def wait_for(condition, process: subprocess.Popen, *, seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def test_a_search_ends_with_the_command_that_trains_its_winner(tmp_path, store, monkeypatch):
    """Of two tiny networks on a tiny store; the command leads to the winner's recipe, and its weights are there."""
    result = run(options(store, tmp_path, "--tuner", "random", "--trials", 2, "--max-mmacs", 5))
    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stderr.split())
    assert "2 of 2 trials completed. No candidate was rejected. Best: trial" in said
    record = read_search(tmp_path)
    assert [trial.status for trial in record.trials] == ["completed"] * 2
    assert all(0 < trial.score < 100 and 0 < trial.mmacs < 5 for trial in record.trials)
    run_folder = tmp_path / "trials" / f"trial_{record.best.name}" / "run"
    model = khp.ResidualAttentionRegressor(weights=run_folder / "trained.weights.h5")
    assert model.output_shape == (None, 21, 3)
    assert not list(tmp_path.rglob("*.keras")) and not (run_folder / "errors.json").exists()

    seen = []
    monkeypatch.setattr("keras_handpose.training.train", lambda output, data, recipe, **_: seen.append((data, recipe)))
    program, *words = shlex.split(result.stdout)
    assert program == "keras-handpose" and run(words).exit_code == 0
    ((data, recipe),) = seen
    winner = json.loads((tmp_path / "winner.json").read_text())
    assert recipe.as_dict() == winner["recipe"] and winner["trial"] == record.best.name
    assert data.identity() == json.loads((tmp_path / "plan.json").read_text())["data"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--space huge", "--space must be one of paper, compact, mobile. Received: 'huge'"),
        ("--set depth=3", "There is no parameter 'depth'"),
        ("--architecture [1]", "--architecture must be a JSON object"),
        ("--leave-out P0", "--leave-out and --test-store go with --store"),
        ("--store a.h5", "not trained on"),
        ("--tuner grid", "`tuner` must be one of hyperband, bayesian, random"),
        ("--max-mmacs -3", "`max_mmacs` must be a positive number"),
    ],
)
def test_what_does_not_go_is_said(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    result = run(["tune", "--output", "search", *words.split()])
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert not (tmp_path / "search" / "plan.json").exists()


def test_failures_are_said_and_a_search_of_failures_only_fails(tmp_path, store, monkeypatch):
    trainings = Trainings()
    monkeypatch.setattr("keras_handpose.tuning.search.train", trainings)
    known = trainings.error

    def failing(recipe):
        if len(trainings.recipes) != 2:
            raise RuntimeError("out of memory")
        return known(recipe)

    trainings.error = failing
    words = options(store, tmp_path / "some", "--tuner", "random", "--trials", 2)
    result = run(words)
    assert result.exit_code == 0, result.stderr
    assert "Trial 0 failed: RuntimeError: out of memory" in result.stderr
    assert "1 of 2 trials completed." in result.stderr
    result = run(options(store, tmp_path / "none", "--tuner", "random", "--trials", 2))
    assert result.exit_code == 2
    assert "None of 2 trials in" in result.stderr and "RuntimeError: out of memory" in result.stderr
    assert not result.stdout


def test_the_live_table_shows_what_runs_and_the_best_first():
    def record(name, status, **figures):
        return TrialRecord(name=name, status=status, values={"t": int(name)}, mmacs=10.0, **figures)

    trials = (
        record("0", "completed", score=9.5),
        record("1", "completed", score=8.25),
        record("2", "failed", reason="RuntimeError: out of [memory]"),
        record("3", "running", latest={"epoch": 2.0, "val_mean_error_mm": 12.5}),
    )
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(_table(SearchRecord(trials=trials, rejected=(TrialRecord(name="", status="rejected", values={}),))))
    title, *lines = console.export_text().splitlines()
    assert "4 trials, 1 rejected" in title
    rows = [line.replace("│", " ").split() for line in lines if line.startswith("│")]
    assert [row[0] for row in rows] == ["3", "1", "0", "2"]
    assert rows[0] == ["3", "12.500", "10.0", "2", "t=3"] and rows[1][1] == "8.250"
    assert "RuntimeError: out of [memory]" in "\n".join(lines)


# === Slow: other processes ===


@pytest.mark.slow
def test_the_winners_command_runs(tmp_path, store):
    result = run(options(store, tmp_path / "search", "--tuner", "random", "--trials", 1, "--seed", 3))
    assert result.exit_code == 0, result.stderr
    best = read_search(tmp_path / "search").best
    trained = run(shlex.split(result.stdout)[1:])
    assert trained.exit_code == 0, trained.stderr
    again = khp.tuning.hyper_model.last_figures(tmp_path / "search" / "winner")
    assert again["val_mean_error_mm"] == pytest.approx(best.score, rel=0.05)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="is of TensorFlow's processes")
def test_killed_in_the_middle_of_a_trial_the_same_command_goes_on(tmp_path, store):
    words = options(store, tmp_path, "--tuner", "random", "--trials", 3, batch="4,5")
    for moment in ("trial_0/run/last.keras", "trial_1/run/plan.json"):
        process = start(words)
        wait_for(lambda path=moment: (tmp_path / "trials" / path).exists(), process)
        process.kill()
        process.communicate()
    process = start(words)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    record = read_search(tmp_path)
    assert [trial.status for trial in record.trials] == ["completed"] * 3 and "3 of 3 trials" in said


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="starts it itself")
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends(tmp_path, store, backend):
    pytest.importorskip(backend)
    words = options(store, tmp_path, "--tuner", "random", "--trials", 2, batch="4,5")
    process = start(words, KERAS_BACKEND=backend, OMP_NUM_THREADS="1")
    command, said = process.communicate(timeout=500)
    assert process.returncode == 0, said
    assert "2 of 2 trials completed." in said and command.startswith("keras-handpose train")


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="is of TensorFlow's processes")
def test_a_chief_and_two_workers_of_which_one_is_killed(tmp_path, store):
    """The killed worker's trial is taken up by the one that takes its place, and none is lost or done twice."""
    words = options(
        store, tmp_path, "--tuner", "random", "--trials", 5, "--processes", 2, batch="4,5", weight_decay="0,1e-5"
    )
    process = start(words)

    def ongoing() -> dict[str, str]:
        path = tmp_path / "trials" / "oracle.json"
        return json.loads(path.read_text())["ongoing_trials"] if path.exists() else {}

    wait_for(lambda: {"worker-1", "worker-2"} <= ongoing().keys(), process)
    trial = ongoing()["worker-2"]
    wait_for(lambda: (tmp_path / "trials" / f"trial_{trial}" / "run" / "plan.json").exists(), process)
    (victim,) = [pid for pid in children(process.pid) if tuner_id(pid) == "worker-2"]
    os.kill(victim, signal.SIGKILL)
    command, said = process.communicate(timeout=500)
    assert process.returncode == 0, said
    record = read_search(tmp_path)
    assert [t.status for t in record.trials] == ["completed"] * 5
    assert "5 of 5 trials completed." in said and command.startswith("keras-handpose train")
    assert not ongoing() and not children(process.pid)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="is of TensorFlow's processes")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_all_processes_end_with_the_one_that_started_them(tmp_path, store, end):
    process = start(options(store, tmp_path, "--tuner", "random", "--trials", 4, "--processes", 2, batch="4,5"))
    wait_for((tmp_path / "trials" / "oracle.json").exists, process)
    family = children(process.pid)
    assert len(family) == 3
    process.send_signal(end)
    process.communicate(timeout=60)
    until = time.monotonic() + 20
    while any(map(is_alive, family)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [pid for pid in family if is_alive(pid)]


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="is of TensorFlow's processes")
def test_workers_that_cannot_live_end_the_search(tmp_path, store):
    process = start(options(store, tmp_path, "--tuner", "random", "--trials", 2, "--processes", 2))

    def workers() -> list[int]:
        return [pid for pid in children(process.pid) if (tuner_id(pid) or "").startswith("worker")]

    end = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < end:
        for pid in workers():
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2 and "Workers died 4 times" in " ".join(said.split())


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [int(word) for word in listed.split()]


def tuner_id(pid: int) -> str | None:
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # It has just ended.
        return None
    return next((v.partition(b"=")[2].decode() for v in variables if v.startswith(b"KERASTUNER_TUNER_ID=")), None)


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
