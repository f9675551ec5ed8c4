"""Presets and their files: records, places, own training, and what goes wrong with them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import keras_handpose
from keras_handpose.models import fetching, weights
from keras_handpose.models.presets import Preset

CONTENT = bytes(range(256)) * 2000
RECORD = {
    "name": "tiny",
    "file": "tiny.weights.h5",
    "size": len(CONTENT),
    "sha256": hashlib.sha256(CONTENT).hexdigest(),
    "architecture": {"joints": 21, "filters": [8, 16]},
    "skeleton": "msra21",
    "camera": "msra15",
    "cube": 250.0,
    "hand": "right",
    "trained_on": "rendered hands",
    "training": {"data": "rendered hands", "samples": 100, "seed": 0},
    "errors": {"rendered hands, held out": {"mean_mm": 12.5}},
    "licence": "Apache-2.0",
    "format_version": 1,
}


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A shipped folder with the record of one preset but without its file, an empty cache, and no address."""
    shipped, home = tmp_path / "shipped", tmp_path / "home"
    shipped.mkdir()
    (shipped / "tiny.json").write_text(json.dumps(RECORD))
    monkeypatch.setattr(weights, "_shipped_folder", lambda: shipped)
    monkeypatch.setattr(fetching, "_PAUSES", (0.0, 0.0))
    monkeypatch.setenv("KERAS_HOME", str(home))
    monkeypatch.delenv(weights.ADDRESS_VARIABLE, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return shipped / "tiny.weights.h5", home / "keras_handpose" / "tiny.weights.h5"


def left_behind(cached: Path) -> set[str]:
    """Files in the cache besides the lock."""
    names = {path.name for path in cached.parent.iterdir()} if cached.parent.is_dir() else set()
    return names - {f"{cached.name}.lock"}


# --- Records ---


def test_record_round_trip(tmp_path):
    (tmp_path / "tiny.json").write_text(json.dumps(RECORD))
    preset = Preset.read(tmp_path / "tiny.json")
    assert preset.architecture == {"joints": 21, "filters": (8, 16)}
    assert Preset.from_json(preset.to_json()) == preset
    assert json.loads(preset.to_json()) == RECORD
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset.size = 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"file": "../tiny.weights.h5"}, "`file` must be a plain file name"),
        ({"file": "/etc/tiny.weights.h5"}, "`file` must be a plain file name"),
        ({"file": "a\\b.weights.h5"}, "`file` must be a plain file name"),
        ({"file": "C:tiny.weights.h5"}, "`file` must be a plain file name"),
        ({"file": ".weights.h5"}, "`file` must be a plain file name"),
        ({"file": "..weights.h5"}, "`file` must be a plain file name"),
        ({"file": "tiny.weights.h5\n"}, "`file` must be a plain file name"),
        ({"file": "tiny.weights.h5\0"}, "`file` must be a plain file name"),
        ({"file": "tiny.keras"}, "`file` must be a plain file name"),
        ({"name": "../tiny"}, "`name` must be letters"),
        ({"name": ""}, "`name` must be letters"),
        ({"sha256": "0" * 63}, "`sha256` must be 64"),
        ({"sha256": "A" * 64}, "`sha256` must be 64"),
        ({"size": 0}, "`size` must be a positive number"),
        ({"size": 1.5}, "`size` must be a whole number"),
        ({"size": True}, "`size` must be a whole number"),
        ({"cube": -1.0}, "`cube` must be a positive length"),
        ({"cube": "250"}, "`cube` must be a number"),
        ({"hand": "both"}, "`hand` must be 'right' or 'left'"),
        ({"skeleton": "msra"}, "`skeleton` must be one of msra21, icvl16, nyu14"),
        ({"skeleton": "nyu14"}, "`skeleton` must have the network's 21 joints, and 'nyu14' has 14. Received: "),
        ({"architecture": {}, "skeleton": "nyu14"}, "the network's 21 joints, and 'nyu14' has 14"),
        ({"architecture": {"joints": 14}}, "the network's 14 joints, and 'msra21' has 21"),
        ({"architecture": {"joints": "21"}}, "Received: skeleton='msra21', architecture with joints='21'"),
        ({"camera": ""}, "`camera` must be the name"),
        ({"trained_on": ""}, "`trained_on` must be one line"),
        ({"trained_on": "two\nlines"}, "`trained_on` must be one line"),
        ({"licence": ""}, "`licence` must be"),
        ({"name": "tiny.weights.h5"}, r"`name` must be letters.* and not end in \.weights\.h5"),
        ({"architecture": []}, "`architecture` must be an object"),
        ({"format_version": 2}, "`format_version` must be 1 in this version"),
        ({"sha265": ""}, "has unknown keys: sha265"),
        ({"size": None}, "`size` must be a whole number"),
    ],
)
def test_malformed_records_are_refused(tmp_path, change, message):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps({**RECORD, **change}))
    with pytest.raises(ValueError, match=message) as caught:
        Preset.read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("[]", "must be a JSON object"),
        ("{}", "misses keys: architecture"),
        ('{"name": "a", "name": "b"}', "doubled keys: name"),
        (json.dumps({**RECORD, "cube": float("nan")}), "finite numbers only"),
        (json.dumps({**RECORD, "training": {"loss": float("inf")}}), "finite numbers only"),
        ('{"name": "\xff"}'.encode("latin-1"), "codec can't decode"),
    ],
)
def test_malformed_json_is_refused(tmp_path, text, message):
    path = tmp_path / "tiny.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=message) as caught:
        Preset.read(path)
    assert str(path) in str(caught.value)


def test_what_json_cannot_hold_is_refused():
    with pytest.raises(ValueError, match=r"`errors.mean_mm` must hold what JSON can.*float32"):
        Preset(**{**RECORD, "errors": {"mean_mm": np.float32(1.0)}})


# --- Places ---


def test_the_shipped_weights_are_whole_and_small():
    for preset in weights.list():
        shipped = weights._shipped_folder() / preset.file
        if shipped.exists():
            preset.check(shipped)
    assert sum(path.stat().st_size for path in weights._shipped_folder().rglob("*") if path.is_file()) < 28e6


def test_shipped_beats_cached(places):
    for path in reversed(places):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENT)
        assert weights.resolve("tiny")[0] == weights.locate("tiny") == weights.verify("tiny") == path
    assert weights.resolve("tiny")[1] == Preset(**RECORD) == weights.list()[0]


def test_a_damaged_shipped_file_is_passed_over(places, caplog):
    shipped, cached = places
    shipped.write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(FileNotFoundError, match="no download address is set"):
        weights.resolve("tiny")
    cached.parent.mkdir(parents=True)
    cached.write_bytes(CONTENT)
    caplog.clear()
    assert weights.resolve("tiny")[0] == cached
    assert str(shipped) in caplog.text
    with pytest.raises(OSError, match=f"{shipped} is not the file of its record: its SHA-256"):
        weights.verify("tiny")


def test_nothing_anywhere(places):
    assert weights.locate("tiny") is None
    for ask in (weights.resolve, weights.download, weights.verify):
        with pytest.raises(FileNotFoundError) as caught:
            ask("tiny")
        assert all(str(path) in str(caught.value) for path in places)
    with pytest.raises(FileNotFoundError, match=rf"tiny\.weights\.h5, 0\.5 MB.*Set {weights.ADDRESS_VARIABLE}"):
        weights.resolve("tiny")
    assert not places[1].parent.exists()


@pytest.mark.parametrize("ask", [weights.download, weights.locate])
@pytest.mark.parametrize("name", ["huge", "", "../tiny", "tiny.weights.h5"])
def test_unknown_presets(places, ask, name):
    with pytest.raises(ValueError, match="The presets are: tiny"):
        ask(name)


def test_a_whole_model_is_opened_by_keras():
    with pytest.raises(ValueError, match=r"open it with `keras.models.load_model`.* Received: 'runs/best.keras'"):
        weights.resolve("runs/best.keras")


@pytest.mark.parametrize("name", ["huge", "", "hand.h5", ".weights.h5", "runs/mine"])
def test_neither_preset_nor_path(places, name):
    with pytest.raises(ValueError, match="Received"):
        weights.resolve(name)


@pytest.mark.parametrize("ask", [weights.resolve, weights.verify, weights.download, weights.locate])
@pytest.mark.parametrize("name", [None, 5, b"tiny", 0.5, ["tiny"], b""])
def test_what_is_neither_text_nor_a_path(places, ask, name):
    with pytest.raises(TypeError, match="must be the name of a preset or a path. The presets are: tiny.*Received: a "):
        ask(name)


@pytest.mark.parametrize("ask", [weights.resolve, weights.verify, lambda path: weights.save(None, path, **DESCRIPTION)])
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("~nobody-is-called-so/mine.weights.h5", "nobody is called so here. Write the home folder out"),
        (Path("~nobody-is-called-so/mine.weights.h5"), "nobody is called so here"),
        ("mine\0.weights.h5", "which no file can be called"),
        ("mine\ud800.weights.h5", "which no file can be called"),
    ],
)
def test_paths_that_there_cannot_be(places, ask, path, why):
    with pytest.raises(ValueError, match=f"must be a path that there can be. Received: .*{why}"):
        ask(path)


@pytest.mark.parametrize("path", ["x" * 300 + ".weights.h5", f"{os.devnull}/x.weights.h5", "/x" * 3000 + ".weights.h5"])
def test_paths_where_nothing_is(places, path):
    for ask in (weights.resolve, weights.verify):
        with pytest.raises(FileNotFoundError, match="does not exist. Weights are a pair: x+.weights.h5 beside x+.json"):
            ask(path)


def test_record_under_another_name(places):
    places[0].with_name("other.json").write_text(json.dumps(RECORD))
    with pytest.raises(ValueError, match=r"other\.json must have the name of its preset.*tiny"):
        weights.resolve("tiny")


def test_a_path_takes_its_record_along(places, tmp_path, monkeypatch):
    path = tmp_path / "mine.weights.h5"
    with pytest.raises(FileNotFoundError, match=r"mine\.weights\.h5 does not exist"):
        weights.resolve(path)
    path.write_bytes(CONTENT)
    with pytest.raises(FileNotFoundError, match=r"mine\.json does not exist"):
        weights.resolve(path)
    (tmp_path / "mine.json").write_text(json.dumps({**RECORD, "name": "mine"}))
    assert weights.resolve(path) == weights.resolve(str(path)) == (path, Preset(**{**RECORD, "name": "mine"}))
    assert weights.verify(path) == path
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights.resolve("~/mine.weights.h5")[0] == path
    assert weights.save(tiny_model(), "~/saved.weights.h5", **DESCRIPTION) == weights.resolve("~/saved.weights.h5")[1]
    assert (tmp_path / "saved.weights.h5").is_file()
    path.write_bytes(CONTENT[:-1])
    for ask in (weights.resolve, weights.verify):
        with pytest.raises(OSError, match=f"{path} is not the file of its record: it has 511999 bytes, not 512000"):
            ask(path)


def test_the_record_of_another_file(places, tmp_path):
    for name, content in (("mine", CONTENT), ("other", CONTENT[::-1])):
        (tmp_path / f"{name}.weights.h5").write_bytes(content)
        record = {**RECORD, "sha256": hashlib.sha256(content).hexdigest(), "name": name, "file": f"{name}.weights.h5"}
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
        assert weights.verify(tmp_path / f"{name}.weights.h5").name == record["file"]
    shutil.copy(tmp_path / "other.json", tmp_path / "mine.json")
    for ask in (weights.resolve, weights.verify):
        with pytest.raises(OSError, match=r"mine\.weights\.h5 is not the file of its record: its SHA-256"):
            ask(tmp_path / "mine.weights.h5")


def test_a_preset_beats_a_path(places, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny").mkdir()
    places[0].write_bytes(CONTENT)
    assert weights.resolve("tiny")[0] == places[0]


# --- Models ---


def tiny_model(joints: int = 21):
    import keras

    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(2, 3, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Dense(joints * 3, name="dense")(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, keras.layers.Reshape((joints, 3))(x))


DESCRIPTION = {
    key: RECORD[key]
    for key in ("architecture", "skeleton", "camera", "cube", "hand", "trained_on", "training", "errors")
}


def test_save_and_load(tmp_path, caplog):
    model = tiny_model()
    path = tmp_path / "runs" / "mine.weights.h5"
    preset = weights.save(model, path, **DESCRIPTION)
    assert (path, preset) == weights.resolve(path)
    assert (preset.name, preset.file, preset.size) == ("mine", path.name, path.stat().st_size)
    assert {entry.name for entry in path.parent.iterdir()} == {"mine.weights.h5", "mine.json"}

    other = tiny_model()
    with caplog.at_level(logging.WARNING):
        weights.load(other, *weights.resolve(path))
    assert caplog.messages == ["mine: trained on rendered hands"]
    for ours, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_a_preset_was_trained_further_to_is_saved_with_what_it_came_with(tmp_path):
    model = keras_handpose.ResidualAttentionRegressor(weights="msra")
    model.set_weights([1.001 * weight for weight in model.get_weights()])
    preset = weights.save(model, tmp_path / "mine.weights.h5", trained_on="msra, then 300 frames of mine")
    msra = weights.resolve("msra")[1]
    for key in ("architecture", "skeleton", "camera", "cube", "hand", "licence"):
        assert getattr(preset, key) == getattr(msra, key)
    assert (preset.name, preset.trained_on, dict(preset.training), dict(preset.errors)) == (
        "mine",
        "msra, then 300 frames of mine",
        {},
        {},
    )
    assert preset.confidence.coefficients == msra.confidence.coefficients
    assert preset.confidence.data.endswith("; before msra was trained further")
    loaded = keras_handpose.ResidualAttentionRegressor(weights=tmp_path / "mine.weights.h5")
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])
    other = weights.save(model, tmp_path / "other.weights.h5", trained_on="mine", cube=300.0)
    assert (other.cube, other.confidence) == (300.0, None)  # It was calibrated for another cube.


def test_a_model_that_came_with_nothing_must_be_described(tmp_path):
    with pytest.raises(ValueError, match="needs `architecture`, `camera`, `hand`. Received: 'functional"):
        weights.save(tiny_model(), tmp_path / "a.weights.h5", trained_on="mine", skeleton="msra21", cube=250.0)
    assert not any(tmp_path.iterdir())


def test_the_factory_takes_a_path(tmp_path):
    path = tmp_path / "mine.weights.h5"
    architecture = {
        "joints": 21,
        "stem": [4, 3],
        "filters": [4, 8],
        "poolings": [1, 1],
        "top_filters": [8],
        "hidden": 8,
        "prior": 5,
        "input_shape": [32, 32, 1],
    }
    rng = np.random.default_rng(0)
    trained = keras_handpose.ResidualAttentionRegressor(**architecture)
    trained.get_layer("prior").adapt(rng.normal(size=(50, 21, 3)))
    weights.save(trained, path, **{**DESCRIPTION, "architecture": architecture})

    model = keras_handpose.ResidualAttentionRegressor(weights=str(path))
    for ours, theirs in zip(model.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    body = keras_handpose.ResidualAttentionRegressor(weights=path, include_top=False)
    np.testing.assert_array_equal(body.get_layer("stem").get_weights()[0], trained.get_layer("stem").get_weights()[0])
    with pytest.raises(ValueError, match="joints.*does not fit.*Received: joints=14"):
        keras_handpose.ResidualAttentionRegressor(weights=path, joints=14)


@pytest.mark.parametrize("change", [{"skeleton": "nyu14"}, {"architecture": {"joints": 14}}])
def test_joints_that_are_not_the_skeletons_are_refused_wherever_weights_are_loaded(tiny_weights, tmp_path, change):
    path = Path(shutil.copy(tiny_weights, tmp_path / "mine.weights.h5"))
    record = json.loads(tiny_weights.with_name("tiny.json").read_text())
    change = {key: {**record[key], **value} if isinstance(value, dict) else value for key, value in change.items()}
    (tmp_path / "mine.json").write_text(json.dumps({**record, **change}))
    for ask in (
        weights.resolve,
        weights.verify,
        lambda path: weights.publish(path, tmp_path / "served"),
        lambda path: keras_handpose.ResidualAttentionRegressor(weights=path),
        lambda path: keras_handpose.ResidualAttentionRegressor(weights=path, include_top=False),
        lambda path: keras_handpose.HandPoseEstimator(path, camera="msra15"),
    ):
        with pytest.raises(ValueError, match=r"mine\.json is not a valid .*must have the network's \d+ joints"):
            ask(path)
    assert not (tmp_path / "served").exists()


def test_a_model_predicts_the_joints_that_its_record_says(tmp_path):
    import keras

    path = tmp_path / "mine.weights.h5"
    message = r"must predict the 21 joints of 'msra21'.*Received: .* with output \(None, 14, 3\)"
    with pytest.raises(ValueError, match=message):
        weights.save(tiny_model(14), path, **DESCRIPTION)
    assert not list(tmp_path.iterdir())

    def repeated(times: int):
        inputs = keras.Input((6,))
        joints = keras.layers.Reshape((7, 3))(keras.layers.Dense(21)(inputs))
        return keras.Model(inputs, keras.layers.Concatenate(axis=1)([joints] * times))

    preset = weights.save(repeated(3), path, **DESCRIPTION)
    twice = repeated(2)  # Its arrays are those of the file.
    before = twice.get_weights()
    with pytest.raises(ValueError, match=message):
        weights.load(twice, path, preset)
    for ours, theirs in zip(before, twice.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("change", [{"joints": 14}, {"filters": [4, 8]}, {"prior": None}, {"stem": [4, 7]}])
def test_the_factory_refuses_weights_of_another_architecture(tiny_weights, tmp_path, change):
    path = Path(shutil.copy(tiny_weights, tmp_path / "mine.weights.h5"))
    record = json.loads(tiny_weights.with_name("tiny.json").read_text())
    skeleton = "nyu14" if "joints" in change else record["skeleton"]
    architecture = {**record["architecture"], **change}
    (tmp_path / "mine.json").write_text(json.dumps({**record, "skeleton": skeleton, "architecture": architecture}))
    weights.verify(path)
    with pytest.raises(ValueError, match=r"The weights 'tiny' do not fit.*the file has .*mine\.weights\.h5"):
        keras_handpose.ResidualAttentionRegressor(weights=path)


def test_what_is_no_weight_file_at_all(tmp_path):
    path = tmp_path / "mine.weights.h5"
    path.write_bytes(CONTENT)
    with pytest.raises(OSError, match=r"mine\.weights\.h5 is the file of its record, but no HDF5 file"):
        weights.load(tiny_model(), path, Preset(**RECORD))


def test_the_optimizer_is_not_saved(tmp_path):
    model = tiny_model()
    plain = weights.save(model, tmp_path / "plain.weights.h5", **DESCRIPTION)
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    assert weights.save(model, tmp_path / "compiled.weights.h5", **DESCRIPTION).size == plain.size
    weights.load(tiny_model(), *weights.resolve(tmp_path / "compiled.weights.h5"))
    assert model.optimizer is not None


def test_loading_into_another_architecture(tmp_path):
    path = tmp_path / "mine.weights.h5"
    preset = weights.save(tiny_model(), path, **DESCRIPTION)
    other = tiny_model(14)
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"'mine' do not fit.*the file has 1 x \(63,\).*'joints': 21"):
        weights.load(other, path, preset)
    for ours, theirs in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_record_that_cannot_be_written_keeps_the_old_pair(tmp_path):
    path = tmp_path / "mine.weights.h5"
    weights.save(tiny_model(), path, **DESCRIPTION)
    with pytest.raises(ValueError, match="`hand` must be"):
        weights.save(tiny_model(), path, **{**DESCRIPTION, "hand": "both"})
    weights.verify(path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"mine.weights.h5", "mine.json"}


def test_saving_needs_the_right_ending_and_a_functional_model(tmp_path):
    import keras

    with pytest.raises(ValueError, match=r"must end in \.weights\.h5"):
        weights.save(tiny_model(), tmp_path / "mine.keras", **DESCRIPTION)

    class Subclassed(keras.Model):
        pass

    with pytest.raises(ValueError, match="must be functional.*Subclassed"):
        weights.save(Subclassed(), tmp_path / "mine.weights.h5", **DESCRIPTION)


@pytest.mark.slow
def test_the_line_about_the_data_shows_by_default(tmp_path):
    path = tmp_path / "mine.weights.h5"
    weights.save(tiny_model(), path, **DESCRIPTION)
    code = (
        "import keras; from keras_handpose.models import weights\n"
        "inputs = keras.Input((8, 8, 1)); x = keras.layers.BatchNormalization()(keras.layers.Conv2D(2, 3)(inputs))\n"
        "x = keras.layers.Dense(63)(keras.layers.GlobalAveragePooling2D()(x))\n"
        f"weights.load(keras.Model(inputs, x), *weights.resolve({str(path)!r}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(keras_handpose.__file__).parents[1])}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    assert "mine: trained on rendered hands" in result.stderr.splitlines()
