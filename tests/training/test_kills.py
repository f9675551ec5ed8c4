"""Killed at any moment, the same call goes on, and ends as if nothing had happened: bit for bit."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from tiny import RECIPE, make_store, network

from keras_handpose.training import Recipe, StoredCrops, train

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="made for TensorFlow's operations"),
]

ATTENTION = {"filters": (4,), "poolings": (1,), "stem": (4, 3), "top_filters": (4,), "hidden": 8, "dropout": 0.2}


@dataclass(frozen=True)
class Moment:
    """The n-th time that a process is about to open, replace or remove a file of its folder, and a little later."""

    count: int
    name: str = ""  # part of the file's
    delay: float = 0.0  # seconds


def run(folder: Path, store: Path, recipe: Recipe, builder: Callable | None, moment: Moment | None) -> None:
    """Train, up to the moment at which the process kills itself as nobody can prevent or notice."""
    seen = 0

    def watch(event: str, arguments: tuple) -> None:
        nonlocal seen
        if event not in ("open", "os.rename", "os.remove", "os.mkdir") or not isinstance(arguments[0], (str, Path)):
            return
        path = Path(arguments[0])
        if path.is_relative_to(folder) and moment.name in path.name:
            seen += 1
            if seen == moment.count and moment.delay:
                threading.Timer(moment.delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
            elif seen == moment.count:
                os.kill(os.getpid(), signal.SIGKILL)

    if moment is not None:
        sys.addaudithook(watch)
    train(folder, StoredCrops(store, leave_out=("P0",)), recipe, network=builder, workers=1, verbose=0)


@pytest.fixture(scope="module")
def start():
    """Run in a process that need not import TensorFlow anew, and return how it ended."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["keras_handpose.training"])

    def start(*arguments) -> int:
        process = context.Process(target=run, args=arguments, daemon=True)
        process.start()
        process.join(300)
        return process.exitcode

    return start


def state(folder: Path) -> dict[str, np.ndarray]:
    """Return weights, statistics, and the optimizer's state."""
    model = keras.saving.load_model(folder / "last.keras")
    model.save_weights(folder / "state.weights.h5")
    arrays = {}
    with h5py.File(folder / "state.weights.h5") as file:
        file.visititems(lambda name, item: arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return arrays


def assert_same(folder: Path, undisturbed: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in undisturbed.iterdir())
    for name in ("plan.json", "log.csv", "errors.json", "predictions.txt", "truth.txt"):
        assert (folder / name).read_bytes() == (undisturbed / name).read_bytes(), name
    ours, theirs = state(folder), state(undisturbed)
    assert ours.keys() == theirs.keys() and len(ours) > 10
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array, err_msg=name)


def test_ten_kills_change_nothing(tmp_path, start):
    """Kills at any of the accesses to files, and in the middle of the work between them."""
    make_store(tmp_path / "store.h5").close()
    arguments = tmp_path / "store.h5", replace(RECIPE, epochs=24), network
    assert start(tmp_path / "undisturbed", *arguments, None) == 0
    rng = np.random.default_rng(0)
    moments = [
        *(Moment(int(rng.integers(1, 30))) for _ in range(5)),
        *(Moment(int(rng.integers(1, 20)), delay=rng.uniform(0.0, 0.2)) for _ in range(3)),
        Moment(2, "predictions.txt"),
        Moment(1, "errors.json"),
    ]
    for moment in moments:
        assert start(tmp_path / "killed", *arguments, moment) == -signal.SIGKILL, f"it ended before {moment}"
    assert start(tmp_path / "killed", *arguments, None) == 0
    assert_same(tmp_path / "killed", tmp_path / "undisturbed")


def test_kills_of_the_network_with_attention_change_nothing(tmp_path, start):
    """Also while its weights are published."""
    make_store(tmp_path / "store.h5").close()
    arguments = tmp_path / "store.h5", replace(RECIPE, architecture=ATTENTION), None
    assert start(tmp_path / "undisturbed", *arguments, None) == 0
    for moment in (Moment(2, "best.keras"), Moment(2, "tiny.weights.h5")):
        assert start(tmp_path / "killed", *arguments, moment) == -signal.SIGKILL, f"it ended before {moment}"
    assert start(tmp_path / "killed", *arguments, None) == 0
    assert_same(tmp_path / "killed", tmp_path / "undisturbed")
