"""A run's files, what it refuses, and that what it writes can be used."""

from __future__ import annotations

import csv
import gc
import json
import threading
import weakref
from dataclasses import replace
from functools import partial
from pathlib import Path

import filelock
import keras
import numpy as np
import pytest
from tiny import LOST, RECIPE, SUBJECTS, make_store, network

import keras_handpose as khp
from keras_handpose.datasets import Augmentation
from keras_handpose.datasets.store import CropStore
from keras_handpose.evaluation import (
    GroundTruth,
    area_under_roc,
    evaluate,
    joint_errors,
    pose_errors,
    read_predictions,
    score_poses,
)
from keras_handpose.layers import PCAPrior
from keras_handpose.skeletons import MSRA21
from keras_handpose.synthetic import render_crops
from keras_handpose.training import RENDERED, RenderedHands, StoredCrops, train, train_folds
from keras_handpose.training.fitting import _calibrated

TINY = {"filters": (4, 4), "poolings": (1, 1), "stem": (4, 3), "top_filters": (4,), "hidden": 8}
quiet = partial(train, workers=1, verbose=0)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("store") / "palms.h5"
    make_store(path).close()
    return path


def log_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


# === A run from a store ===


@pytest.fixture(scope="module")
def run(store, tmp_path_factory) -> tuple[Path, keras.Model]:
    folder = tmp_path_factory.mktemp("run")
    return folder, quiet(folder, StoredCrops(store, leave_out=("P1",)), RECIPE, network=network)


def test_the_log_has_a_row_for_every_pass(run):
    folder, _ = run
    rows = log_of(folder)
    assert [row["epoch"] for row in rows] == ["1.0", "2.0", "3.0"]
    assert [row["step"] for row in rows] == ["5", "10", "15"]
    assert all(float(row[key]) > 0 for row in rows for key in ("loss", "mean_error_mm", "val_mean_error_mm"))
    assert {row["learning_rate"] for row in rows} == {"0.001"}


def test_figures_are_the_last_weights_on_the_subject_left_out(run, store):
    folder, model = run
    figures = json.loads((folder / "errors.json").read_text())
    assert (figures["frames"], figures["frames_missed"]) == (10, 1)
    assert figures["mean_error_mm"] == pytest.approx(float(log_of(folder)[-1]["val_mean_error_mm"]), abs=1e-3)
    predicted, truth = (read_predictions(folder / f"{name}.txt") for name in ("predictions", "truth"))
    with CropStore(store) as crops:
        frames = np.flatnonzero(crops.subjects == "P1")
        found = frames[crops.found[frames]]
        joints_unit = model.predict(crops.crops(found).images, verbose=0)
        expected = crops.project(crops.unit_to_xyz(joints_unit, found), found)
        np.testing.assert_allclose(truth, crops.project(crops.joints_xyz[frames], frames), atol=1e-3)
    assert np.isnan(predicted[frames == LOST]).all()
    np.testing.assert_allclose(predicted[frames != LOST], expected, atol=2e-3)


def test_checkpoints_hold_the_last_and_the_best_state(run):
    folder, model = run
    last = keras.saving.load_model(folder / "last.keras")
    for a, b in zip(last.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    errors = [float(row["val_mean_error_mm"]) for row in log_of(folder)]
    best = keras.saving.load_model(folder / "best.keras")
    assert int(best.optimizer.iterations) == 5 * (1 + int(np.argmin(errors)))


def test_the_prior_is_fitted_to_the_poses_trained_on(run, store):
    _, model = run
    prior = next(layer for layer in model.layers if isinstance(layer, PCAPrior))
    with CropStore(store) as crops:
        poses = crops.joints_unit[crops.indices(leave_out=("P1",))]
    np.testing.assert_allclose(prior.get_weights()[1], poses.mean(axis=0).ravel(), atol=1e-6)


def test_nothing_of_a_training_is_left_in_memory(store, tmp_path):
    before = {*threading.enumerate()}
    model = weakref.ref(quiet(tmp_path, StoredCrops(store, leave_out=("P1",)), RECIPE, network=network))
    keras.backend.clear_session()
    gc.collect()
    for thread in {*threading.enumerate()} - before:
        thread.join(timeout=10)
        assert not thread.is_alive(), thread
    assert model() is None


def test_what_cannot_be_rebuilt_has_no_record(run):
    folder, _ = run
    assert sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")) == [
        "best.keras",
        "errors.json",
        "last.keras",
        "log.csv",
        "plan.json",
        "predictions.txt",
        "truth.txt",
    ]


def test_a_finished_run_is_not_trained_again(run, store):
    folder, model = run
    before = (folder / "last.keras").stat().st_mtime_ns
    again = quiet(folder, StoredCrops(store, leave_out=("P1",)), RECIPE, network=network)
    assert (folder / "last.keras").stat().st_mtime_ns == before
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])


@pytest.mark.parametrize(
    ("leave_out", "recipe", "builder", "message"),
    [
        ("P2", RECIPE, network, r"another plan. Received: data.leave_out=\['P2'\] \(there: \['P1'\]\)"),
        ("P1", replace(RECIPE, epochs=4), network, r"recipe.epochs=4 \(there: 3\)"),
        ("P1", RECIPE, None, r"network=None \(there: 'network'\)"),
        ("P7", RECIPE, network, "has the subjects P0, P1, P2. Received: P7"),
        ("P1", replace(RECIPE, batch=64), network, "A batch needs 64 crops. Received: 20. Choose a smaller `batch`"),
    ],
)
def test_a_folder_holds_one_run(run, store, leave_out, recipe, builder, message):
    with pytest.raises(ValueError, match=message):
        quiet(run[0], StoredCrops(store, leave_out=(leave_out,)), recipe, network=builder)


def test_a_changed_store_is_refused(run, tmp_path):
    make_store(tmp_path / "other.h5", frames=33).close()
    with pytest.raises(ValueError, match="another plan. Received: .*data.store.frames=33"):
        quiet(run[0], StoredCrops(tmp_path / "other.h5", leave_out=("P1",)), RECIPE, network=network)


def test_a_folder_has_one_process(tmp_path, store):
    with (
        filelock.FileLock(tmp_path / ".lock"),
        pytest.raises(OSError, match="Another process is training in"),
    ):
        quiet(tmp_path, StoredCrops(store), RECIPE, network=network)


def test_impossible_data(store):
    with pytest.raises(ValueError, match="either subjects to leave out or a test store"):
        StoredCrops(store, leave_out=("P1",), test=store)
    with pytest.raises(ValueError, match="`joints` must be one of msra21, icvl16, nyu14, hand56. Received: 'octopus'"):
        RenderedHands(joints="octopus")
    with pytest.raises(ValueError, match="`samples` must be a whole number"):
        RenderedHands(samples=0)


def test_tensorboard_is_asked_for_where_it_is_missing(tmp_path, store, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="needs TensorBoard, which is not installed. Install it with pip install"):
        quiet(tmp_path, StoredCrops(store), RECIPE, network=network, tensorboard=True)


# === Variants ===


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_errors_are_in_mm_where_cubes_differ(tmp_path, precision):
    """Per-subject cubes and scaled crops: the log and the files still agree in millimetres."""
    cube = np.array([220.0, 180.0, 200.0] * 10)
    make_store(tmp_path / "store.h5", cube=cube).close()
    data = StoredCrops(tmp_path / "store.h5", leave_out=("P1",))
    recipe = replace(RECIPE, augmentation=Augmentation(rotation=30, scale=0.1), precision=precision, components=None)
    policy = keras.config.dtype_policy()
    quiet(tmp_path / "run", data, recipe, network=network)
    assert keras.config.dtype_policy() == policy
    predicted, truth = (read_predictions(tmp_path / "run" / f"{n}.txt") for n in ("predictions", "truth"))
    camera = khp.CAMERAS["msra15"]
    errors = joint_errors(khp.uvd_to_xyz(predicted, camera), khp.uvd_to_xyz(truth, camera))
    last = float(log_of(tmp_path / "run")[-1]["val_mean_error_mm"])
    assert np.nanmean(errors) == pytest.approx(last, rel=1e-3 if precision == "float32" else 3e-2)
    # It goes on from there, loss scale and all.
    longer = quiet(tmp_path / "run", data, recipe, network=network)
    assert int(longer.optimizer.iterations) == 15


class Guessing(StoredCrops):
    """Crops of a store, watched beside as many more, rendered, as a score takes."""

    def validation(self, *, workers):
        return render_crops(96, seed=0)


def test_the_score_is_fitted_to_watched_crops_or_kept(store, monkeypatch):
    data, recipe = Guessing(store, leave_out=("P0",)), RECIPE
    crops = data.validation(workers=1)
    noise = np.random.default_rng(0).normal(0, 1, crops.joints_unit.shape) * np.linspace(0, 0.25, 96)[:, None, None]
    engine = lambda images: crops.joints_unit + noise  # noqa: E731
    fitted = _calibrated(engine, data, recipe, workers=1)
    assert fitted.data == "the 96 crops that were watched"
    scores = score_poses(fitted, crops, engine(crops.images))
    assert area_under_roc(scores, pose_errors(crops, engine(crops.images)) <= 20) > 0.9
    assert _calibrated(lambda images: crops.joints_unit, data, recipe, workers=1) is None  # No pose is bad.
    assert _calibrated(engine, StoredCrops(store), recipe, workers=1) is None  # Nothing is watched.

    started = replace(RECIPE, weights="msra", components=None)
    known = khp.weights.resolve("msra")[1]
    assert _calibrated(engine, data, started, workers=1).data == "the 96 crops that were watched"  # Of another cube.
    monkeypatch.setattr(Guessing, "cube", known.cube)
    kept = _calibrated(engine, Guessing(store, leave_out=("P0",)), started, workers=1)
    assert kept.coefficients == known.confidence.coefficients and kept.data.endswith(
        "; before msra was trained further"
    )


@pytest.mark.slow
def test_a_run_ends_in_weights_that_load(tmp_path, store):
    recipe = replace(RECIPE, architecture=TINY, checkpoint_steps=2)
    model = quiet(tmp_path, StoredCrops(store, leave_out=("P0", "P2")), replace(recipe, batch=2, epochs=2))
    loaded = khp.ResidualAttentionRegressor(weights=tmp_path / "tiny.weights.h5")
    with CropStore(store) as crops:
        images = crops.crops(np.array([0, 1])).images
    np.testing.assert_allclose(loaded.predict(images, verbose=0), model.predict(images, verbose=0), atol=1e-5)
    record = json.loads((tmp_path / "tiny.json").read_text())
    assert (record["skeleton"], record["camera"], record["cube"]) == ("msra21", "msra15", 220.0)
    assert record["trained_on"] == "9 crops of own recordings (centre: com), P0, P2 left out"
    assert record["training"]["recipe"]["weight_decay"] == 1e-4
    assert list(record["errors"]) == ["P0, P2 of own recordings (centre: com)"]
    assert [row["epoch"] for row in log_of(tmp_path)] == ["0.5", "1.0", "1.5", "2.0"]


@pytest.mark.slow
def test_the_test_split_may_be_another_store(tmp_path, store):
    make_store(tmp_path / "test.h5", frames=6, cube=150.0).close()
    quiet(tmp_path / "run", StoredCrops(store, test=tmp_path / "test.h5"), RECIPE, network=network)
    figures = json.loads((tmp_path / "run" / "errors.json").read_text())
    assert figures["frames"] == 6 and figures["data"].startswith("all subjects of")
    # The error that was watched is in the mm of the cubes that were watched, not of those trained on.
    watched = float(log_of(tmp_path / "run")[-1]["val_mean_error_mm"])
    assert watched == pytest.approx(figures["mean_error_mm"], rel=1e-3)


def test_joints_behind_the_camera_are_no_missed_frames(tmp_path, store):
    """A network so bad that its joints have no pixels is bad in its files as well: they say what its figures say."""

    class Backwards:
        crop_size, joints = 128, 21

        def __call__(self, crops):
            return np.full((len(crops), 21, 3), -9.0, np.float32)

    data = StoredCrops(store, leave_out=("P1",))
    figures = data.judge(Backwards(), tmp_path, workers=1)
    again = evaluate(GroundTruth.read(tmp_path / "truth.txt"), tmp_path / "predictions.txt").to_dict()
    assert figures["frames_missed"] == again["frames_missed"] == 1  # The one without a hand.
    assert figures["mean_error_mm"] == pytest.approx(again["mean_error_mm"], abs=0.01)
    assert figures["mean_error_mm"] > 400


@pytest.mark.slow
def test_folds_leave_out_each_subject_once(tmp_path, store):
    figures = train_folds(tmp_path, store, RECIPE, network=network, workers=1, verbose=0)
    assert json.loads((tmp_path / "errors.json").read_text()) == figures
    assert (figures["frames"], figures["frames_missed"]) == (30, 1)
    predicted = read_predictions(tmp_path / "predictions.txt")
    for i, subject in enumerate(SUBJECTS):
        fold = tmp_path / f"without-{subject}"
        own = json.loads((fold / "errors.json").read_text())["mean_error_mm"]
        assert figures["mean_error_by_subject_mm"][subject] == pytest.approx(own, abs=2e-3)
        np.testing.assert_array_equal(predicted[i::3], read_predictions(fold / "predictions.txt"))
    before = (tmp_path / "without-P0" / "errors.json").stat().st_mtime_ns
    (tmp_path / "without-P2" / "errors.json").unlink()
    assert train_folds(tmp_path, store, RECIPE, network=network, workers=1, verbose=0) == figures
    assert (tmp_path / "without-P0" / "errors.json").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match=r"P0 holds a run of another plan. Received: recipe.seed=1"):
        train_folds(tmp_path, store, replace(RECIPE, seed=1), network=network, workers=1, verbose=0)


@pytest.mark.slow
def test_rendered_hands_are_learned(tmp_path):
    """In a minute, better than the mean pose by a clear margin."""
    recipe = replace(
        RENDERED,
        name="tiny",
        batch=32,
        learning_rate=3e-3,
        checkpoint_steps=50,
        architecture={"filters": (4, 8), "poolings": (2, 1), "stem": (4, 5), "top_filters": (8,), "hidden": 128},
    )
    train(tmp_path, RenderedHands(samples=6400), recipe, verbose=0)
    errors = [float(row["mean_error_mm"]) for row in log_of(tmp_path)]
    assert len(errors) == 4 and errors[-1] < 0.85 * errors[0]
    record = json.loads((tmp_path / "tiny.json").read_text())
    assert record["trained_on"] == "6,400 rendered hands" and record["skeleton"] == MSRA21.name
    (figures,) = record["errors"].values()
    assert figures["frames"] == 5000 and 20 < figures["mean_error_mm"] < 200
