"""The presets' networks for LiteRT that come with the package, which estimators run by default."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import keras_handpose as khp
from keras_handpose import weights
from keras_handpose.engines import NetworkEngine, open_engine, read_metadata
from keras_handpose.exporting import cached_export, exports, held_out_crops
from keras_handpose.skeletons import SKELETONS

PRESETS = [preset for preset in weights.list() if weights.shipped_export(preset.name)]


def test_every_shipped_preset_has_one():
    assert [preset.name for preset in PRESETS] == sorted(
        path.name.removesuffix(".weights.h5") for path in weights._shipped_folder().glob("*.weights.h5")
    )
    assert weights.shipped_export("no-such-preset") is None


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_it_gives_the_joints_of_the_preset(preset):
    path = weights.shipped_export(preset.name)
    metadata = read_metadata(path)
    assert (metadata.weights_sha256, metadata.preset) == (preset.sha256, preset.name)
    assert (metadata.cube, metadata.hand, metadata.quantize) == (preset.cube, preset.hand, "float16")
    assert cached_export(preset.name, format="litert") == path
    crops = held_out_crops(16, skeleton=SKELETONS[preset.skeleton], cube=preset.cube, size=128, hand=preset.hand)
    model = khp.ResidualAttentionRegressor(weights=preset.name)
    difference = open_engine(path)(crops.images) - model.predict(crops.images, verbose=0)
    assert np.linalg.norm(difference, axis=-1).mean() * preset.cube / 2 < 0.1


def test_an_estimator_runs_it_without_a_framework():
    code = """
import sys
import keras_handpose as khp
estimator = khp.HandPoseEstimator("msra", camera="sr305", threads=1)
assert type(estimator.engine).__name__ == "NetworkEngine"
print("loaded:", *sys.modules)
"""
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    ).stdout
    assert not {"keras", "tensorflow", "jax", "torch", "scipy", "numba", "matplotlib"} & set(loaded.split())


def test_an_estimator_on_it_can_be_exported(tmp_path):
    estimator = khp.HandPoseEstimator("msra", camera="msra15", hand="left")
    assert isinstance(estimator.engine, NetworkEngine)
    pipeline = khp.export(estimator, tmp_path / "hand.onnx")
    assert (pipeline.metadata.kind, pipeline.metadata.preset) == ("pipeline", "msra")


@pytest.mark.parametrize("damage", [lambda data: data[:-50], lambda data: b"TFL3" + data])
def test_a_damaged_one_is_passed_over(tmp_path, monkeypatch, damage, caplog):
    folder = Path(shutil.copytree(weights.shipped_export("msra").parent, tmp_path / "weights"))
    shipped = folder / "msra.tflite"
    shipped.write_bytes(damage(shipped.read_bytes()))
    monkeypatch.setattr(weights, "_shipped_folder", lambda: folder)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    made = []
    monkeypatch.setattr(exports, "export", lambda source, path, **_: made.append(path))
    path = cached_export("msra", format="litert")
    assert made == [path] and path.is_relative_to(tmp_path / "keras_handpose")
    assert "msra.tflite is damaged or was made of other weights" in caplog.text
