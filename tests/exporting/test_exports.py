"""Exported files: the same joints as Keras, named inputs and outputs, and nothing left behind after a failure."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from tiny_pipeline import CAMERA, SAID, make_estimator, make_network, palm

import keras_handpose as khp
from keras_handpose import __version__
from keras_handpose.engines import open_engine, read_metadata
from keras_handpose.engines.keras import KerasEngine
from keras_handpose.exporting import ExportError, export, exports
from keras_handpose.exporting.subjects import open_subject
from keras_handpose.models.origins import weights_sha256
from keras_handpose.skeletons import MSRA21

SUFFIXES = (".onnx", ".tflite")
PIPELINE_INPUTS = {"depth", "camera", "mirror", "centre"}
PIPELINE_OUTPUTS = {"joints_xyz", "joints_uvd", "centre_xyz", "found", "score"}


# === Networks ===


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_network_gives_the_joints_of_keras(exported, network, crops, suffix):
    joints_unit = open_engine(exported("network", suffix).path)(crops)
    np.testing.assert_allclose(joints_unit, KerasEngine(network)(crops), atol=1e-5)


def test_an_onnx_network_takes_any_batch(exported, network, crops):
    import onnxruntime

    session = onnxruntime.InferenceSession(exported("network", ".onnx").path)
    (crop,), (joints_unit,) = session.get_inputs(), session.get_outputs()
    assert (crop.name, crop.shape) == ("crop", ["batch", 64, 64, 1])
    assert (joints_unit.name, joints_unit.shape) == ("joints_unit", ["batch", 21, 3])
    for batch in (1, 5):
        np.testing.assert_allclose(
            session.run(None, {"crop": crops[:batch]})[0], KerasEngine(network)(crops[:batch]), atol=1e-5
        )


def test_a_tflite_network_has_named_inputs_fixed_shapes_and_builtin_operations(exported):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(exported("network", ".tflite").path))
    assert interpreter.get_signature_list() == {"serving_default": {"inputs": ["crop"], "outputs": ["joints_unit"]}}
    details = interpreter.get_input_details() + interpreter.get_output_details()
    assert [detail["shape_signature"].tolist() for detail in details] == [[1, 64, 64, 1], [1, 21, 3]]
    operations = {detail["op_name"] for detail in interpreter._get_ops_details()}
    assert not {name for name in operations if name.startswith("Flex") or name == "CUSTOM"}


@pytest.mark.parametrize(("suffix", "expected"), [(".onnx", {"Conv", "Relu"}), (".tflite", {"CONV_2D"})])
def test_normalisation_is_folded_and_upsampling_is_one_operation(exported, suffix, expected):
    file = exported("network", suffix).path
    if suffix == ".onnx":
        import onnx

        operations = [node.op_type for node in onnx.load(file).graph.node]
    else:
        from ai_edge_litert.interpreter import Interpreter

        operations = [detail["op_name"] for detail in Interpreter(str(file))._get_ops_details()]
    assert sum("resize" in name.lower() for name in operations) == 1
    assert expected <= set(operations)
    assert not {"Sub", "SUB", "Sqrt", "RSQRT", "BatchNormalization"} & set(operations)
    assert sum(name.lower() == "mul" for name in operations) <= 1  # Of the network's own.


def test_joints_that_the_renderer_does_not_know_are_exported_by_their_difference_alone(tmp_path, network):
    mine = replace(MSRA21, name="mine", landmarks=("elbow", *MSRA21.landmarks[1:]))
    written = export(network, tmp_path / "mine.tflite", **{**SAID, "skeleton": mine})
    assert open_engine(written.path).metadata.skeleton == mine
    assert written.comparison.error_mm is None and written.metadata.comparison["mean_difference_mm"] < 0.01
    assert "no true joint is known" in written.describe()


# === Pipelines ===


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("mirror", [False, True])
def test_a_pipeline_gives_the_joints_of_the_estimator(exported, network, suffix, mirror):
    engine = open_engine(exported("pipeline", suffix).path)
    depth = palm()
    estimator = make_estimator(network, hand="left" if mirror else "right")
    for centre_xyz in (None, np.array([-30.0, -25.0, 410.0])):
        pose = estimator(depth, centre_xyz=centre_xyz)
        result = engine(depth, camera=CAMERA, mirror=mirror, centre_xyz=centre_xyz)
        assert result.found and pose.found
        np.testing.assert_allclose(result.centre_xyz, pose.centre_xyz, atol=0.5)
        np.testing.assert_allclose(result.joints_xyz, pose.joints_xyz, atol=0.5)
        np.testing.assert_allclose(result.joints_uvd, pose.joints_uvd, atol=0.5)
    nothing = engine(np.zeros_like(depth), camera=CAMERA, mirror=mirror)
    assert not nothing.found and np.isnan(nothing.joints_xyz).all()


def test_an_onnx_pipeline_takes_frames_of_any_size(exported, network):
    import onnxruntime

    path = exported("pipeline", ".onnx").path
    session = onnxruntime.InferenceSession(path)
    inputs = {value.name: (value.shape, value.type) for value in session.get_inputs()}
    assert inputs == {
        "depth": (["height", "width"], "tensor(float)"),
        "camera": ([4], "tensor(float)"),
        "mirror": ([], "tensor(bool)"),
        "centre": ([3], "tensor(float)"),
    }
    assert {value.name: value.shape for value in session.get_outputs()} == {
        "joints_xyz": [21, 3],
        "joints_uvd": [21, 3],
        "centre_xyz": [3],
        "found": [],
        "score": [],
    }
    engine = open_engine(path)
    for camera in (
        replace(CAMERA, width=200, height=90),
        khp.Camera(width=320, height=240, fx=240.0, fy=240.0, cx=160.0, cy=120.0),
    ):
        depth = palm(camera)
        result, pose = engine(depth, camera=camera), make_estimator(network, camera=camera)(depth)
        assert result.found and pose.found
        np.testing.assert_allclose(result.joints_xyz, pose.joints_xyz, atol=0.5)


def test_a_tflite_pipeline_has_the_frame_size_of_its_camera(exported):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(exported("pipeline", ".tflite").path))
    (signature,) = interpreter.get_signature_list().values()
    assert (set(signature["inputs"]), set(signature["outputs"])) == (PIPELINE_INPUTS, PIPELINE_OUTPUTS)
    depth = interpreter.get_signature_runner().get_input_details()["depth"]
    assert tuple(depth["shape_signature"]) == CAMERA.shape


# === What a file says ===


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", ["network", "pipeline"])
def test_a_file_says_what_it_is(exported, network, kind, suffix):
    result = exported(kind, suffix)
    metadata = read_metadata(result.path)
    assert metadata == result.metadata
    assert (metadata.kind, metadata.skeleton, metadata.cube, metadata.hand) == (kind, MSRA21, 240.0, "right")
    assert (metadata.crop_size, metadata.version, metadata.quantize) == (64, __version__, None)
    assert (metadata.camera, metadata.min_score) == ((CAMERA, 0.4) if kind == "pipeline" else (None, None))
    assert metadata.weights_sha256 == weights_sha256(network)
    assert metadata.comparison == result.comparison.to_dict()
    assert result.comparison.crops == 8 and result.comparison.mean_difference_mm <= 0.01
    assert result.size == result.path.stat().st_size
    what = "whole pipeline" if kind == "pipeline" else "network"
    assert str(result).splitlines()[0].startswith(f"{result.path}: {what}, float32, 0.")
    assert "8 held-out crops" in str(result)


def test_metadata_can_be_read_without_this_package(exported):
    import onnx

    properties = {entry.key: entry.value for entry in onnx.load(exported("network", ".onnx").path).metadata_props}
    onnx_says = json.loads(properties["keras_handpose"])
    with zipfile.ZipFile(exported("network", ".tflite").path) as archive:
        tflite_says = json.loads(archive.read("keras_handpose.json"))
    for key in ("kind", "skeleton", "cube", "weights_sha256"):
        assert onnx_says[key] == tflite_says[key]


def test_weights_say_all_and_changed_ones_no_longer_have_their_name(tiny_weights):
    record = json.loads(tiny_weights.with_name("tiny.json").read_text())
    subject = open_subject(tiny_weights)
    assert (subject.metadata.preset, subject.metadata.weights_sha256) == ("tiny", record["sha256"])
    assert (subject.metadata.skeleton, subject.metadata.trained_on) == (MSRA21, record["trained_on"])

    model = subject.network
    assert open_subject(model).metadata == subject.metadata
    code = model.get_layer("code")
    code.kernel.assign(0.5 * code.kernel)
    changed = open_subject(model).metadata
    assert (changed.preset, changed.trained_on, changed.cube) == (None, None, record["cube"])
    assert changed.weights_sha256 == weights_sha256(model) != record["sha256"]
    # Trained further for another cube.
    other = open_subject(model, cube=300, hand="left").metadata
    assert (other.skeleton, other.cube, other.hand) == (MSRA21, 300.0, "left")


def test_a_network_of_left_hands(tmp_path, network):
    result = export(network, tmp_path / "left.tflite", skeleton=MSRA21, cube=200, hand="left")
    assert (result.metadata.hand, result.metadata.cube) == ("left", 200.0)


# === Models of one's own ===


@keras.saving.register_keras_serializable(package="test_exports")
class Doubled(keras.layers.Layer):
    def call(self, inputs):
        return 2.0 * inputs


def test_a_model_of_ones_own_with_a_subclassed_model_in_it(tmp_path, network, crops):
    class Wrapped(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = network

        def call(self, inputs):
            return 0.5 * self.inner(Doubled()(inputs))

        def compute_output_shape(self, input_shape):
            return (input_shape[0], 21, 3)

    tensor = keras.Input((64, 64, 1))
    model = keras.Model(tensor, Wrapped()(tensor))
    engine = open_engine(export(model, tmp_path / "own.tflite", **SAID).path)
    np.testing.assert_allclose(engine(crops), KerasEngine(model)(crops), atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_a_model_of_mixed_precision_is_exported_in_float32(network, crops, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        mixed = make_network()
    finally:
        keras.config.set_dtype_policy(before)
    mixed.set_weights(network.get_weights())
    subject = open_subject(mixed, **SAID)
    np.testing.assert_allclose(KerasEngine(subject.network)(crops), KerasEngine(network)(crops), atol=1e-6)
    assert subject.metadata.weights_sha256 == weights_sha256(network)
    assert mixed.layers[1].compute_dtype == policy.removeprefix("mixed_")


# === Failures ===


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "hand.pb"}, r"must end in .*\.onnx.*Received: '.*hand.pb'"),
        ({"path": "hand"}, r"must end in"),
        ({"quantize": "int4"}, r"`quantize` must be one of None, 'float16', 'dynamic', 'int8'\. Received: 'int4'"),
        ({"skeleton": None}, r"pass `skeleton`\. Received"),
        ({"cube": None, "hand": None}, r"pass `cube` and `hand`\. Received"),
        ({"skeleton": "icvl16"}, r"has 21 joints and the skeleton 'icvl16' has 16"),
        ({"skeleton": "thumbs"}, r"`skeleton` must be one of msra21, .*Received: 'thumbs'"),
        ({"hand": "both"}, r"`hand` must be 'right' or 'left'"),
        ({"cube": -1}, r"`cube` must be a positive edge in mm"),
        ({"cube": "250"}, r"`cube` must be a positive edge in mm. Received: cube='250'"),
        ({"source": "nope"}, r"presets are: .*Received: 'nope'"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, network, arguments, message):
    arguments = {"source": network, "path": "hand.onnx", **SAID, **arguments}
    source, path = arguments.pop("source"), tmp_path / arguments.pop("path")
    with pytest.raises(ValueError, match=message):
        export(source, path, **arguments)
    assert not list(tmp_path.iterdir())


def test_what_contradicts_a_record_or_an_estimator_is_refused(tmp_path, tiny_weights, network):
    with pytest.raises(ValueError, match=r"`cube=300.0` does not fit weights=.*which has 250.0\. Leave `cube` out"):
        export(tiny_weights, tmp_path / "hand.onnx", cube=300)
    with pytest.raises(ValueError, match=r"`cube=300.0` does not fit weights 'tiny' of the model, which has 250.0"):
        export(open_subject(tiny_weights).network, tmp_path / "hand.onnx", cube=300)
    with pytest.raises(ValueError, match=r"`hand='left'` does not fit the estimator, which has 'right'"):
        export(make_estimator(network), tmp_path / "hand.onnx", hand="left")
    with pytest.raises(TypeError, match=r"must be a keras.Model, .*Received: int"):
        export(7, tmp_path / "hand.onnx", **SAID)
    with pytest.raises(TypeError, match=r"`skeleton` must be one of .*, or a Skeleton of your own. Received: 5"):
        export(network, tmp_path / "hand.onnx", **{**SAID, "skeleton": 5})


def test_an_estimator_on_an_exported_file_cannot_be_exported(tmp_path, exported):
    on_a_file = khp.HandPoseEstimator(exported("network", ".onnx").path, camera=CAMERA)
    on_an_engine = khp.HandPoseEstimator(on_a_file.engine, camera=CAMERA)
    for source in (on_a_file, on_a_file.engine.path):
        with pytest.raises(ValueError, match=r"\.onnx is exported already. Export the preset"):
            export(source, tmp_path / "hand.onnx")
    with pytest.raises(TypeError, match="HandPoseEstimator on one of these. Received: HandPoseEstimator on a Network"):
        export(on_an_engine, tmp_path / "hand.onnx")


def test_what_cannot_be_written_is_said_before_the_work(tmp_path, monkeypatch, network):
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(exports, "convert", None)
    with pytest.raises(IsADirectoryError, match=r"must be a file's. Received: the folder .*folder\.onnx"):
        export(network, tmp_path / "folder.onnx", **SAID)
    with pytest.raises(OSError, match="file"):
        export(network, tmp_path / "file" / "hand.onnx", **SAID)


def test_a_file_that_fails_the_comparison_is_not_kept_and_what_was_there_stays(tmp_path, monkeypatch, network):
    path = tmp_path / "hand.onnx"
    path.write_bytes(b"what was there before")
    convert = exports.convert

    def convert_another(model, path, signature):
        convert(make_network(scale=0.5), path, signature)

    with monkeypatch.context() as patch:
        patch.setattr(exports, "convert", convert_another)
        with pytest.raises(ExportError, match=r"was not kept"):
            export(network, path, **SAID)
    assert path.read_bytes() == b"what was there before"
    assert [*tmp_path.iterdir()] == [path]

    steps = []
    result = export(network, path, **SAID, progress=steps.append)
    assert read_metadata(path) == result.metadata
    assert [*tmp_path.iterdir()] == [path]
    assert len(steps) == 3


def test_what_cannot_be_converted_is_one_clear_error(tmp_path, capfd):
    crop = keras.Input((16, 16, 1))
    sorted_values = keras.ops.sort(keras.ops.reshape(keras.ops.fft((crop, crop))[0], (-1, 256)), axis=-1)
    model = keras.Model(crop, keras.layers.Reshape((21, 3))(keras.layers.Dense(63)(sorted_values)))
    with pytest.raises(ExportError, match=r"cannot be converted to \.tflite\. The converter says: .*"):
        export(model, tmp_path / "hand.tflite", **SAID)
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("suffix", "package"), [(".onnx", "tf2onnx"), (".tflite", "ai-edge-litert")])
def test_missing_packages_are_named_first(tmp_path, monkeypatch, suffix, package):
    from keras_handpose.exporting import conversion

    monkeypatch.setattr(conversion.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=rf"{package}.*pip install \"keras-handpose\[export\]\""):
        export("a preset that is not looked up", tmp_path / f"hand{suffix}")


# === Other backends ===

FROM_ANOTHER_BACKEND = """
import sys
import keras, numpy as np
import keras_handpose as khp
from keras_handpose.exporting import ExportError, trial
trial._HELD_OUT = 8
weights, folder = sys.argv[1:]
crops = np.random.default_rng(0).uniform(-1, 1, (5, 128, 128, 1)).astype("float32")
khp.export(weights, f"{folder}/hand.onnx")
estimator = khp.HandPoseEstimator(weights, camera="msra15")
khp.export(estimator, f"{folder}/hand.tflite")
np.save(f"{folder}/joints.npy", estimator.engine(crops))

class Mine(keras.layers.Layer):
    def call(self, inputs):
        return inputs

crop = keras.Input((128, 128, 1))
model = keras.Model(crop, estimator.engine.model(Mine()(crop)))
try:
    khp.export(model, f"{folder}/mine.onnx", skeleton="msra21", cube=250, hand="right")
except ExportError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_every_backend_writes_the_same_file(tmp_path, tiny_weights, crops, backend):
    pytest.importorskip(backend)
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.run(
        [sys.executable, "-c", FROM_ANOTHER_BACKEND, tiny_weights, tmp_path],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert process.returncode == 0, process.stderr
    assert "__main__.Mine" in process.stdout and "register_keras_serializable" in process.stdout
    joints = np.load(tmp_path / "joints.npy")
    crops = np.random.default_rng(0).uniform(-1, 1, (5, 128, 128, 1)).astype(np.float32)
    here, there = export(tiny_weights, tmp_path / "here.onnx"), read_metadata(tmp_path / "hand.onnx")
    assert replace(there, comparison={}) == replace(here.metadata, comparison={})
    engine = open_engine(tmp_path / "hand.onnx")
    np.testing.assert_allclose(engine(crops), joints, atol=1e-5)
    np.testing.assert_array_equal(engine(crops), open_engine(here.path)(crops))
    camera = khp.CAMERAS["msra15"]
    depth = palm(camera)
    result = open_engine(tmp_path / "hand.tflite")(depth, camera=camera)
    pose = khp.HandPoseEstimator(here.path, camera=camera)(depth)
    assert result.found and pose.found
    np.testing.assert_allclose(result.joints_xyz, pose.joints_xyz, atol=0.5)
    assert not (tmp_path / "mine.onnx").exists()


# === The example ===


@pytest.mark.slow
def test_the_example_runs_alike_with_and_without_this_library(tmp_path, tiny_weights, capsys):
    example = runpy.run_path(str(Path(khp.__file__).parents[1] / "examples" / "export_and_run.py"))
    example["main"](tmp_path / "hand.tflite", tiny_weights)
    described, _, _, *lines = capsys.readouterr().out.splitlines()
    assert "hand.tflite: whole pipeline, float32, " in described
    assert [line.split()[0] for line in lines] == [*MSRA21.joint_names]
    for line in lines:
        by_estimator, alone = (part.split("]")[0].split() for part in line.split("[")[1:])
        assert by_estimator == alone
