"""`keras-handpose train`: where crops come from, what goes together, and the chain from frames to figures."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pytest
import typer
from tiny import make_store
from typer.testing import CliRunner

import keras_handpose as khp
from keras_handpose.cli import app
from keras_handpose.datasets import Augmentation
from keras_handpose.models.presets import Preset
from keras_handpose.training import FINETUNING, PAPER, RENDERED, RenderedHands, finetuning

TINY = {"filters": [4], "poolings": [1], "stem": [4, 3], "top_filters": [4], "hidden": 8}


def run(*arguments):
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--dataset msra15", "--dataset goes with --data-dir"),
        ("--data-dir somewhere", "--data-dir goes with --dataset. Received: neither."),
        ("--leave-out P0", "--leave-out goes with --store or --dataset"),
        ("--test-store b.h5", "--test-store goes with --store"),
        ("--store a.h5 --dataset msra15 --data-dir d", "--store and --dataset do not go together"),
        ("--store a.h5 --folds all --leave-out P0", "--folds and --leave-out do not go together"),
        ("--store a.h5 --samples 5", "--store and --samples do not go together"),
        ("--store a.h5 --cube 200", "--store and --cube do not go together"),
        ("--store a.h5 --folds 3", "--folds must be all"),
        ("--dataset msra --data-dir d", "There is no dataset 'msra'. Choose one of msra15"),
        ("--store a.h5", "a.h5"),
        ("--cube wide", "--cube must be a number of mm for rendered hands. Received: 'wide'."),
        ("--architecture {", "--architecture must be JSON"),
        ("--architecture [1]", "--architecture must be a JSON object. Received: [1]"),
        ("--precision float8", "`precision` must be one of float32"),
        ("--rotation 200", "`rotation` must be"),
        ("--preset msra --finetune msra", "--preset and --finetune do not go together"),
        ("--preset msra --store a.h5", "--preset and --store do not go together"),
        ("--preset msra --skeleton nyu14", "--preset and --skeleton do not go together"),
        ("--rank 1", "--rank goes with --coordinator. Received: neither."),
        ("--coordinator a:1", "--coordinator goes with --processes. Received: neither."),
        ("--processes 2 --store a.h5 --folds all", "--processes and --folds do not go together"),
        ("--processes 2 --dataset msra15 --data-dir d", "--processes and --dataset do not go together"),
        ("--devices 0 --samples 64", "`devices` must be positive. Received: devices=0."),
        ("--processes 0", "`processes` must be positive"),
        ("--processes 2 --coordinator here", "HOST:PORT at which process 0 listens"),
        ("--preset octopus", "--preset must be one of icvl, msra, nyu. Received: 'octopus'."),
        ("--finetune msra --components 5", "--finetune and --components do not go together"),
        (
            "--finetune msra --no-attention",
            "--finetune and --no-attention do not go together: weights to start from bring their own network",
        ),
        ("--finetune msra --attention", "--finetune and --attention do not go together"),
        ("--finetune msra --configuration paper", "--finetune and --configuration do not go together"),
        ("--samples 64 --epochs 0", "`epochs` must be a whole number, at least 1. Received: epochs=0."),
        ("--finetune msra --samples 64 --skeleton nyu14", "are of the layout msra21, the crops of nyu14"),
    ],
)
def test_what_does_not_go_together_is_said(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    result = run("--output", "run", *options.split())
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert not (tmp_path / "run" / "plan.json").exists()


@pytest.mark.parametrize("store", [True, False])
def test_defaults_are_the_recipes(tmp_path, monkeypatch, store):
    """What is not given comes from the paper for a store, and from the recipe for rendered hands without one."""
    seen = []
    monkeypatch.setattr("keras_handpose.training.train", lambda output, data, recipe, **_: seen.append((data, recipe)))
    path = tmp_path / "palms.h5"
    make_store(path, frames=6).close()
    source = ["--store", path, "--leave-out", "P0, P2"] if store else ["--samples", "640", "--cube", "200"]
    options = ["--epochs", 3, "--components", 0, "--no-attention", "--rotation", 10, "--architecture", '{"t": 2}']
    result = run("--output", tmp_path / "run", *source, *options)
    assert result.exit_code == 0, result.stderr
    ((data, recipe),) = seen
    changed = {key for key, value in asdict(recipe).items() if value != asdict(PAPER if store else RENDERED)[key]}
    assert changed == {"epochs", "components", "architecture", "augmentation"}
    assert recipe.architecture == {"t": 2, "attention": False} and recipe.components is None
    if store:
        assert data.leave_out == ("P0", "P2")
    else:
        assert (data.samples, data.cube, data.joints) == (640, 200.0, "msra21")


def test_presets_are_trained_as_their_records_say(tmp_path, monkeypatch):
    seen, chosen = [], []
    monkeypatch.setattr("keras_handpose.training.train", lambda output, data, recipe, **_: seen.append((data, recipe)))
    monkeypatch.setattr(
        "keras_handpose.models.joint_choice.choose_layout", lambda *arguments, **_: chosen.append(arguments)
    )
    result = run("--output", tmp_path, "--preset", "nyu", "--samples", 1024, "--precision", "float32")
    assert result.exit_code == 0, result.stderr
    ((data, recipe),) = seen
    record = next(preset for preset in khp.weights.list() if preset.name == "nyu")
    kept = record.training["data"]
    assert (data.samples, data.joints, data.repeats) == (1024, "hand56", 2)
    assert asdict(data.ingredients) == kept["ingredients"]
    assert (recipe.precision, recipe.batch, recipe.components, recipe.name) == ("float32", 512, 60, "hand56")
    assert recipe.augmentation.rotation == 40
    assert chosen == [(tmp_path / "hand56.weights.h5", tmp_path / "nyu.weights.h5", "nyu14")]


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """What trainings from a store of six crops, one of which shows no hand, are called with in place of being run."""
    seen = []
    monkeypatch.setattr("keras_handpose.models.joint_choice.choose_layout", lambda *_, **__: None)
    for name in ("train", "train_folds"):
        monkeypatch.setattr(f"keras_handpose.training.{name}", lambda output, data, recipe, **_: seen.append(recipe))
    path = tmp_path / "palms.h5"
    make_store(path, frames=6).close()

    def recipe(*options):
        result = run("--output", tmp_path / "run", *options)
        assert result.exit_code == 0, result.stderr
        return seen.pop()

    return partial(recipe, "--store", path), recipe


@pytest.mark.parametrize(
    ("options", "crops", "changed"),
    [
        ("", 5, {}),
        ("--epochs 3", 5, {"epochs": 3}),
        ("--batch 2 --learning-rate 1e-5", 5, {"batch": 2, "learning_rate": 1e-5}),
        ("--leave-out P1", 4, {}),
        ("--folds all", 3, {}),
    ],
)
def test_finetuning_is_planned_by_the_crops_that_are_trained_on(planned, options, crops, changed):
    recipe = planned[0]("--finetune", "msra", *options.split())
    assert recipe == replace(finetuning(crops), **changed)


def test_finetuning_on_rendered_hands_counts_them(planned):
    assert planned[1]("--finetune", "nyu", "--skeleton", "nyu14", "--samples", 64) == finetuning(64, weights="nyu")


@pytest.mark.parametrize(
    ("options", "augmentation"),
    [
        ("", None),
        ("--rotation 10", Augmentation(rotation=10)),
        ("--rotation 0 --noise-mm 0", None),
        ("--finetune msra", Augmentation(rotation=40, jitter_mm=5)),
        ("--finetune msra --rotation 10", Augmentation(rotation=10, jitter_mm=5)),
        ("--finetune msra --rotation 0", Augmentation(jitter_mm=5)),
        ("--finetune msra --scale 0.1", Augmentation(rotation=40, scale=0.1, jitter_mm=5)),
        ("--finetune msra --rotation 0 --jitter-mm 0", None),
    ],
)
def test_augmentation_is_changed_where_options_say_so(planned, options, augmentation):
    assert planned[0](*options.split()).augmentation == augmentation


@pytest.mark.parametrize(
    ("options", "augmentation"),
    [("--rotation 0", Augmentation(jitter_mm=5)), ("--rotation 0 --jitter-mm 0", None)],
)
def test_a_presets_augmentation_is_changed_too(planned, options, augmentation):
    assert planned[1]("--preset", "msra", *options.split()).augmentation == augmentation


def test_the_help_shows_the_recipes_defaults():
    """Each default reads `paper; rendered: value; finetune: value`, and what is not named is the paper's."""
    shown = {option.name: option.show_default for option in typer.main.get_command(app).commands["train"].params}
    counted = {
        "components": "those of the weights",
        "batch": f"by crops, up to {finetuning(10**6).batch}",
        "epochs": f"by crops, {finetuning(1).epochs} to {finetuning(10**6).epochs}",
    }
    values = {
        kind: {**recipe.as_dict(), **asdict(recipe.augmentation or Augmentation())}
        for kind, recipe in (("paper", PAPER), ("rendered", RENDERED), ("finetune", FINETUNING))
    }
    compared = values["paper"].keys() - {"architecture", "augmentation", "deterministic", "weights"}
    assert compared <= shown.keys() and len(compared) == 17
    for name in compared:
        first, *others = shown[name].split("; ")
        told = {"paper": first} | {
            kind: text for kinds, text in (other.split(": ") for other in others) for kind in kinds.split(", ")
        }
        assert told.keys() <= values.keys()
        for kind in values:
            text, value = told.get(kind, first), values[kind][name]
            if kind == "finetune" and name in counted:
                assert text == counted[name]
            elif value is None:
                assert text == ("a pass" if name == "checkpoint_steps" else "0"), (name, kind)
            else:
                assert (text if isinstance(value, str) else float(text)) == value, (name, kind)
    hands = RenderedHands()
    assert (shown["samples"], shown["skeleton"], shown["repeats"]) == (str(hands.samples), hands.joints, "1")


@pytest.mark.slow
def test_finetuning_keeps_what_the_weights_know(tmp_path):
    path = tmp_path / "palms.h5"
    make_store(path, frames=12).close()
    options = ["--epochs", 1, "--leave-out", "P1", "--rotation", 0]
    result = run("--output", tmp_path / "run", "--store", path, "--finetune", "msra", *options)
    assert result.exit_code == 0, result.stderr
    record = Preset.read(tmp_path / "run" / "trained.json")
    assert record.trained_on.startswith("3,800,000 rendered hands, then ")
    model = khp.ResidualAttentionRegressor(weights=tmp_path / "run" / "trained.weights.h5")
    start = khp.ResidualAttentionRegressor(weights="msra")
    assert (model.get_layer("prior").get_weights()[0] == start.get_layer("prior").get_weights()[0]).all()
    moved = np.abs(model.get_layer("stem").get_weights()[0] - start.get_layer("stem").get_weights()[0]).max()
    assert 0 < moved < 0.01


def test_frames_without_a_hand_are_not_kept_quiet(tmp_path, monkeypatch):
    figures = {"mean_error_mm": 9.7, "frames": 8499, "frames_missed": 1200, "data": "P0 of MSRA15"}
    monkeypatch.setattr("keras_handpose.training.train_folds", lambda *_, **__: figures)
    path = tmp_path / "palms.h5"
    make_store(path, frames=6).close()
    result = run("--output", tmp_path / "run", "--store", path, "--folds", "all")
    assert "Mean error 9.70 mm on 8,499 frames, 1,200 of them missed: P0 of MSRA15" in result.stderr


@pytest.mark.slow
def test_from_a_datasets_files_to_figures(tmp_path):
    frames, output = tmp_path / "msra15", tmp_path / "run"
    synth = ["synth", str(frames), "--layout", "msra15", "--frames", "34", "--subjects", "2"]
    assert CliRunner().invoke(app, synth).exit_code == 0
    options = ["--leave-out", "P1", "--batch", 4, "--epochs", 2, "--components", 5, "--architecture", json.dumps(TINY)]
    command = ["--output", output, "--dataset", "msra15", "--data-dir", frames, *options]
    result = run(*command)
    assert result.exit_code == 0, result.stderr
    figures = json.loads((output / "errors.json").read_text())
    assert f"Mean error {figures['mean_error_mm']:.2f} mm on 17 frames" in " ".join(result.stderr.split())
    assert khp.ResidualAttentionRegressor(weights=output / "trained.weights.h5").output_shape == (None, 21, 3)
    again = run(*command)
    assert again.exit_code == 0, again.stderr
    assert json.loads((output / "errors.json").read_text()) == figures
