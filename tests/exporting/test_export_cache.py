"""The cache of exported networks: each made once, and anew when it is damaged."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from keras_handpose import __version__
from keras_handpose.engines import read_metadata, write_metadata
from keras_handpose.exporting import cached_export, exports
from keras_handpose.models.presets import Preset
from keras_handpose.skeletons import MSRA21

SAID = {"skeleton": MSRA21, "cube": 240.0, "hand": "right"}


@pytest.fixture
def made(tmp_path, monkeypatch, exported) -> list[Path]:
    """The files that were exported into an empty cache, all of the same network and as fast as a copy."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    paths = []

    def export(source, path, *, quantize=None, **said):
        time.sleep(0.05)
        ready = exported("network", path.suffix)
        shutil.copy(ready.path, path)
        if said:
            said = {name: value for name, value in said.items() if value is not None}
            write_metadata(path, replace(ready.metadata, quantize=quantize, **said))
        else:
            record = Preset.read(str(source).replace(".weights.h5", ".json"))
            write_metadata(path, replace(ready.metadata, cube=record.cube, weights_sha256=record.sha256))
        paths.append(path)

    monkeypatch.setattr(exports, "export", export)
    return paths


def test_a_network_is_exported_once_for_each_format_and_precision(made, tmp_path, network):
    for _ in range(2):
        for arguments in ({"format": "onnx"}, {"format": "litert"}, {"format": "litert", "quantize": "int8"}):
            path = cached_export(network, **arguments, **SAID)
            assert path.parent == tmp_path / "keras_handpose" / "exports"
            assert path.suffix == {"onnx": ".onnx", "litert": ".tflite"}[arguments["format"]]
            assert read_metadata(path).quantize == arguments.get("quantize")
    assert len(made) == len(set(made)) == 3


def test_a_weight_file_gives_its_name_and_hash(made, tiny_weights):
    path = cached_export(tiny_weights, format="onnx")
    record = Preset.read(tiny_weights.with_name("tiny.json"))
    assert path.name == f"tiny-{record.sha256[:12]}-{__version__}-float32.onnx"
    assert cached_export(tiny_weights, format="onnx") == path and made == [path]


def test_other_weights_and_another_cube_are_other_files(made, network):
    first = cached_export(network, format="onnx", **SAID)
    assert cached_export(network, format="onnx", **{**SAID, "cube": 250.0}) != first
    code = network.get_layer("code")
    kernel = code.kernel.numpy()
    code.kernel.assign(2 * kernel)
    try:
        assert cached_export(network, format="onnx", **SAID) != first
    finally:
        code.kernel.assign(kernel)
    assert cached_export(network, format="onnx", **SAID) == first and len(made) == 3


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-100], lambda data: b"x" + data[1:]])
def test_a_damaged_file_is_made_anew(made, network, damage):
    path = cached_export(network, format="litert", **SAID)
    path.write_bytes(damage(path.read_bytes()))
    assert cached_export(network, format="litert", **SAID) == path
    assert made == [path, path]
    assert read_metadata(path).cube == 240.0


def test_a_cache_that_cannot_be_written_is_named(made, network, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"cannot be exported to the cache, .*file.*KERAS_HOME"):
        cached_export(network, format="onnx", **SAID)


def test_what_is_not_said_of_a_model_is_what_its_file_says(made, network):
    first = cached_export(network, format="onnx")
    assert cached_export(network, format="onnx") == first and made == [first]


def test_who_comes_second_waits_for_the_first(made, network):
    with ThreadPoolExecutor(4) as threads:
        paths = [*threads.map(lambda _: cached_export(network, format="onnx", **SAID), range(4))]
    assert len(set(paths)) == len(made) == 1
