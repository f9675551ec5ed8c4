"""Quantised files: smaller, close to the float32 ones, and float32 where bits are millimetres."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tiny_pipeline import CAMERA, palm

from keras_handpose.engines import read_metadata, write_metadata
from keras_handpose.engines.litert import LiteRTSession
from keras_handpose.engines.onnx import OnnxSession
from keras_handpose.exporting.calibration import held_out_crops, pipeline_inputs
from keras_handpose.exporting.quantisation import quantise
from keras_handpose.exporting.quantisation.body import Kind, Operation, find_body
from keras_handpose.exporting.quantisation.onnx import onnx_body
from keras_handpose.exporting.quantisation.ranges import Range
from keras_handpose.exporting.quantisation.tflite import tflite_body
from keras_handpose.skeletons import MSRA21

SUFFIXES = (".onnx", ".tflite")
MODES = ("float16", "dynamic", "int8")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return held_out_crops(8, skeleton=MSRA21, cube=240.0, size=64).images


@pytest.fixture(scope="module")
def quantised(exported, images, tmp_path_factory):
    """Sessions of files by kind, suffix and mode."""
    folder = tmp_path_factory.mktemp("quantised")

    def open_file(kind: str, suffix: str, mode: str | None):
        source = exported(kind, suffix).path
        target = source
        if mode is not None:
            target = folder / f"{kind}-{mode}{suffix}"
            frames = pipeline_inputs(images, shape=CAMERA.shape, cube=240.0)
            quantise(source, target, mode, ({"crop": image[None]} for image in images) if kind == "network" else frames)
            write_metadata(target, read_metadata(source))
        return (OnnxSession if suffix == ".onnx" else LiteRTSession)(target)

    return open_file


# === The body of a network ===


def graph(*operations: str) -> list[Operation]:
    """Read operations like ``relu a -> b``; an exclamation mark stands for an activation at the end."""
    kinds = {
        "conv": Kind.CONVOLUTION,
        "dense": Kind.DENSE,
        "relu": Kind.ACTIVATION,
        "softmax": Kind.SOFTMAX,
        "gather": Kind.LOOKUP,
    }
    read = []
    for operation in operations:
        inputs, outputs = operation.split("->")
        name, *inputs = inputs.split()
        read.append(
            Operation(
                kind=kinds.get(name.rstrip("!"), Kind.OTHER),
                inputs=tuple(inputs),
                outputs=tuple(outputs.split()),
                activated=name.endswith("!"),
            )
        )
    return read


@pytest.mark.parametrize(
    ("operations", "weighted", "between"),
    [
        # The last layers are linear: the code and the prior.
        (["dense x -> a", "relu a -> b", "dense b -> c", "dense c -> d"], {0}, {1}),
        (["dense! x -> a", "dense! a -> b", "dense b -> c", "reshape c -> d"], {0, 1}, set()),
        # The first two convolutions stay out, unless they are all there is,
        (
            ["conv! x -> a", "pool a -> b", "conv! b -> c", "conv! c -> d", "conv! d -> e", "dense e -> f"],
            {3, 4},
            set(),
        ),
        (["conv! x -> a", "pool a -> b", "conv! b -> c", "dense c -> d"], {0, 2}, {1}),
        # on all ways from the crop, where these join.
        (
            [
                "conv! x -> a",
                "conv! a -> b",
                "conv! b -> c",
                "conv a -> d",
                "add c d -> e",
                "relu e -> f",
                "dense f -> g",
            ],
            {2},
            {4, 5},
        ),
        # Shortcuts, and what comes before the first layer or after the last.
        (
            ["scale x -> s", "dense! s -> a", "dense a -> b", "add a b -> c", "relu c -> d", "conv d -> e"],
            {1, 2},
            {3, 4},
        ),
        # An activation at the very end is no layer's input.
        (["conv! x -> a", "conv a -> b", "relu b -> c", "scale c -> d"], {0}, set()),
        # A mask is an activation on the way.
        (["dense x -> a", "dense! a -> b", "sigmoid a -> m", "mul b m -> c", "conv c -> d"], {0, 1}, {2, 3}),
        # Detection and crop: products whose results are places.
        (
            ["conv! x -> a", "conv a -> u", "gather x u -> crop", "sub crop u -> s", "dense! s -> f", "dense f -> d"],
            {4},
            set(),
        ),
        # Heat maps: the layers that give them, and those that read the places that come of them.
        (
            [
                "dense! x -> e",
                "dense! e -> f",
                "conv f -> h",
                "softmax h -> p",
                "conv f -> v",
                "mul p v -> q",
                "dense! q -> r",
                "dense r -> d",
            ],
            {0, 1},
            set(),
        ),
    ],
)
def test_the_body_is_found_by_what_its_operations_do(operations, weighted, between):
    body = find_body(graph(*operations))
    assert (body.weighted, body.between) == (weighted, between)


@pytest.mark.parametrize("operations", [[], ["conv x -> a", "conv a -> b"], ["conv x -> a", "relu a -> b"]])
def test_a_network_without_a_body_is_refused(operations):
    with pytest.raises(ValueError, match="nothing to quantise"):
        find_body(graph(*operations))


@pytest.mark.parametrize("kind", ["network", "pipeline"])
def test_the_tiny_network_has_the_same_body_in_both_formats(exported, kind):
    # The hidden dense layer after the first convolution; of the pipeline too, whose detector multiplies by constants.
    assert len(onnx_body(onnx.load(exported(kind, ".onnx").path)).weighted) == 1
    assert len(tflite_body(exported(kind, ".tflite").path.read_bytes())[0].weighted) == 1


# === Quantised files ===


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("mode", "limit"), [("float16", 1e-3), ("dynamic", 0.03), ("int8", 0.03)])
def test_a_quantised_network_is_close_to_its_source(quantised, images, suffix, mode, limit):
    source, session = quantised("network", suffix, None), quantised("network", suffix, mode)
    assert session.inputs == source.inputs
    assert session.outputs.keys() == source.outputs.keys()
    expected, joints = (
        np.concatenate([s.run({"crop": image[None]})["joints_unit"] for image in images]) for s in (source, session)
    )
    assert joints.dtype == np.float32
    assert 0 < np.abs(joints - expected).max() <= limit * np.ptp(expected)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("mode", MODES)
def test_the_code_and_the_prior_stay_float32(quantised, network, suffix, mode):
    shapes = {tuple(sorted(array.shape)) for array in _float_arrays(quantised("network", suffix, mode).path)}
    for name, expected in (("code", True), ("prior", True), ("dense", False)):
        layer = next(layer for layer in network.layers if layer.name.startswith(name))
        assert (tuple(sorted(layer.weights[0].shape)) in shapes) == expected, name


def _float_arrays(file) -> list[np.ndarray]:
    """Constants of type float32."""
    if file.suffix == ".onnx":
        arrays = map(numpy_helper.to_array, onnx.load(file).graph.initializer)
        return [array for array in arrays if array.dtype == np.float32]
    from ai_edge_litert import schema_py_generated as schema

    content = schema.ModelT.InitFromObj(schema.Model.GetRootAs(file.read_bytes()))
    return [
        np.frombuffer(bytes(content.buffers[tensor.buffer].data), np.float32).reshape(tensor.shape)
        for tensor in content.subgraphs[0].tensors
        if tensor.type == schema.TensorType.FLOAT32 and content.buffers[tensor.buffer].data is not None
    ]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_quantised_pipeline_finds_the_hand_where_the_float32_one_does(quantised, suffix):
    source, session = quantised("pipeline", suffix, None), quantised("pipeline", suffix, "int8")
    inputs = {
        "depth": palm().astype(np.float32),
        "camera": np.float32([CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy]),
        "mirror": np.array(True),
        "centre": np.zeros(3, np.float32),
    }
    expected, pose = source.run(inputs), session.run(inputs)
    assert expected["found"] and pose["found"]
    for name in ("centre_xyz", "score"):
        np.testing.assert_allclose(pose[name], expected[name], rtol=1e-6)
    differences = np.linalg.norm(pose["joints_xyz"] - expected["joints_xyz"], axis=-1)
    assert 0 < differences.mean() < 3


def test_a_quantised_file_is_smaller(quantised, exported):
    # The tiny network's file is mostly its dense layer and what a file holds besides.
    sizes = {mode: quantised("network", ".tflite", mode).path.stat().st_size for mode in (None, *MODES)}
    assert sizes["float16"] < sizes[None] and sizes["dynamic"] < sizes[None]


@pytest.mark.parametrize(
    ("names", "mode", "message"),
    [
        (("a.onnx", "b.tflite"), "int8", r"one format, .*Received: a\.onnx and b\.tflite"),
        (("a.h5", "b.h5"), "int8", "one format"),
        (("a.onnx", "b.onnx"), "int4", "`mode` must be .* Received: 'int4'"),
        (("a.onnx", "b.onnx"), None, "`mode` must be .* Received: None"),
        (("a.onnx", "b.onnx"), "int8", "needs crops to calibrate with"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, names, mode, message):
    with pytest.raises(ValueError, match=message):
        quantise(tmp_path / names[0], tmp_path / names[1], mode)
    assert not list(tmp_path.iterdir())


# === Ranges ===


def test_a_range_leaves_out_what_costs_more_than_it_brings():
    values = np.maximum(np.random.default_rng(0).normal(1.0, 1.0, 1_000_000), 0).astype(np.float32)
    measured = Range()
    assert measured.bounds() == (0, 0)
    for part in (*np.split(values, 10), np.float32([8.0]), np.empty(0, np.float32)):
        measured.update(part)
    lowest, highest = measured.bounds()
    assert lowest == 0 and 5 < highest < 7.5


# === The shipped network ===


@pytest.mark.slow
@pytest.mark.usefixtures("all_crops")
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("mode", [None, *MODES])
def test_the_shipped_network_keeps_the_limits(tmp_path, suffix, mode):
    from keras_handpose.exporting import export

    comparison = export("msra", tmp_path / f"hand{suffix}", quantize=mode).comparison
    assert comparison.passed, comparison.describe()
