"""``keras-handpose export``, as a shell sees it."""

from __future__ import annotations

import json

import pytest
from tiny_pipeline import CAMERA
from typer.testing import CliRunner, Result

from keras_handpose import estimator
from keras_handpose.cameras import CAMERAS
from keras_handpose.cli import app
from keras_handpose.engines import read_metadata
from keras_handpose.exporting import exports


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["export", *map(str, arguments)], env={"COLUMNS": "120"})


@pytest.fixture
def asked(monkeypatch, exported) -> list[tuple]:
    """What the library was asked for; it answers with an export that is there."""
    calls = []

    def export(source, path, **arguments):
        arguments.pop("progress")("Converting")
        calls.append((source, path, arguments))
        return exported("network", path.suffix)

    monkeypatch.setattr(exports, "export", export)
    return calls


@pytest.mark.slow
def test_a_network_is_written(tmp_path, tiny_weights):
    file = tmp_path / "hand.onnx"
    result = run("--weights", tiny_weights, file)
    assert result.exit_code == 0, result.stderr
    assert f"{file}: network, float32, " in result.stdout
    assert read_metadata(file).preset == "tiny"


def test_what_the_file_says_is_printed_as_json(asked, tmp_path, exported):
    result = run(tmp_path / "hand.onnx", "--json")
    assert result.exit_code == 0, result.stderr
    document, file = json.loads(result.stdout), exported("network", ".onnx")
    assert (document.pop("path"), document.pop("size")) == (str(file.path), file.size)
    assert document == json.loads(file.metadata.to_json())


def test_the_comparison_is_a_table(asked, tmp_path, exported):
    result = run(tmp_path / "hand.tflite", "--quantize", "int8", "--store", tmp_path / "crops.h5")
    assert result.exit_code == 0, result.stderr
    assert asked == [("msra", tmp_path / "hand.tflite", {"quantize": "int8", "calibration": tmp_path / "crops.h5"})]
    comparison = exported("network", ".tflite").comparison
    for label, value in (
        ("mean difference from Keras", f"{comparison.mean_difference_mm:.2g}"),
        ("mean error of Keras", f"{comparison.keras_error_mm:.2f}"),
        ("mean error ", f"{comparison.error_mm:.2f}"),
    ):
        assert any(label in line and value in line for line in result.stdout.splitlines())
    assert "network, float32, 0." in result.stdout.splitlines()[0]


@pytest.mark.parametrize(
    ("file", "options", "camera"),
    [
        ("hand.onnx", [], CAMERAS["msra15"]),
        ("hand.tflite", ["--camera", "sr305"], CAMERAS["sr305"]),
        ("hand.tflite", ["--camera", "120,121,80,59,160,120"], CAMERA),
    ],
)
def test_a_pipeline_has_a_camera(asked, monkeypatch, tmp_path, file, options, camera):
    monkeypatch.setattr(estimator, "HandPoseEstimator", lambda weights, *, camera, engine: (weights, camera))
    result = run("--pipeline", tmp_path / file, *options)
    assert result.exit_code == 0, result.stderr
    ((source, path, _),) = asked
    assert (source, path) == (("msra", camera), tmp_path / file)
    size = f"frames of {camera.width} x {camera.height} px"
    assert (size in result.stderr) == (path.suffix == ".tflite")


@pytest.mark.parametrize(
    ("file", "options", "message"),
    [
        ("hand.tflite", ["--pipeline", "--camera", "1,2,3"], "must be one of msra15, "),
        ("hand.tflite", ["--pipeline", "--camera", "1,1,1,1,inf,9"], "must be one of msra15, "),
        ("hand.tflite", ["--camera", "sr305"], "Add --pipeline."),
        ("hand.tflite", ["--pipeline"], "`--camera` is needed"),
        ("hand.pb", [], "must end in .onnx or .tflite"),
        ("hand.onnx", ["--weights", "nope"], "Received: 'nope'"),
    ],
)
def test_errors_are_one_line(tmp_path, file, options, message):
    result = run(tmp_path / file, *options)
    assert result.exit_code == 2
    stderr = result.stderr.strip()
    assert stderr.startswith("Error: ") and message in stderr and "\n" not in stderr
    assert not list(tmp_path.iterdir())
