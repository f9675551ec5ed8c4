"""Quantisation of ONNX files, for onnxruntime.

- ``"int8"``: quantize and dequantize operations around the body's (QDQ), which onnxruntime fuses to 8-bit kernels:
  activations uint8, weights int8 with a step for each channel. Both int8 would be slower than float32 on x86.
- ``"dynamic"``: the body's weights are stored as int8 and widened when the file is loaded; the arithmetic is float32.
  onnxruntime could measure ranges as it goes, but has no fast convolution for it.
- ``"float16"``: the same with float16.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_handpose.exporting.quantisation.body import Body, Kind, Operation, find_body
from keras_handpose.exporting.quantisation.ranges import Range

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["onnx_body", "quantise_onnx"]

_CONVOLUTIONS = ("Conv", "ConvTranspose")
_PRODUCTS = ("Gemm", "MatMul")
_ACTIVATIONS = ("Relu", "Clip", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Gelu", "Erf")
_ACTIVATIONS += ("Sigmoid", "HardSigmoid", "Tanh", "Softplus", "Softsign", "HardSwish", "Mish")
_KINDS = {name: Kind.ACTIVATION for name in _ACTIVATIONS} | {
    "Softmax": Kind.SOFTMAX,
    "LogSoftmax": Kind.SOFTMAX,
    "Exp": Kind.SOFTMAX,  # One that is written out.
    "Gather": Kind.LOOKUP,
    "GatherND": Kind.LOOKUP,
    "GatherElements": Kind.LOOKUP,
}


def quantise_onnx(source: Path, target: Path, mode: str, inputs: Iterable[Mapping[str, np.ndarray]]) -> None:
    """Quantise an ONNX file; see `keras_handpose.exporting.quantisation`."""
    import onnx

    if mode == "int8":
        _quantise_statically(source, target, inputs)
        return
    model = onnx.load(source)
    _store_weights(model, onnx_body(model).weighted, mode)
    onnx.checker.check_model(model)
    onnx.save(model, target)


def onnx_body(model: ModelProto) -> Body:
    """Find the body of the network in an ONNX model."""
    constants = {constant.name for constant in model.graph.initializer} | {""}
    operations = []
    for node in model.graph.node:
        given = tuple(name for name in node.input if name not in constants)
        if not given:  # Computed once for all.
            constants.update(node.output)
        kind = _KINDS.get(node.op_type, Kind.OTHER)
        if node.op_type in _CONVOLUTIONS + _PRODUCTS and node.input[1] in constants:
            kind = Kind.CONVOLUTION if node.op_type in _CONVOLUTIONS else Kind.DENSE
        if kind is Kind.LOOKUP and node.input[1] in constants:
            kind = Kind.OTHER
        shape_only = node.op_type in ("Shape", "Size")
        operations.append(Operation(kind=kind, inputs=() if shape_only else given, outputs=tuple(node.output)))
    return find_body(operations)


# === Weights stored with fewer bits ===


def _store_weights(model: ModelProto, weighted: Iterable[int], mode: str) -> None:
    """Replace the weights of some nodes by narrower ones and an operation that widens them."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    constants = {constant.name: constant for constant in graph.initializer}
    replaced: set[str] = set()
    added: list[NodeProto] = []
    for number in sorted(weighted):
        node = graph.node[number]
        name = node.input[1]
        if name not in constants:
            continue
        if name not in replaced:
            replaced.add(name)
            values = numpy_helper.to_array(constants[name])
            if mode == "float16":
                graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), f"{name}_float16"))
                added.append(helper.make_node("Cast", [f"{name}_float16"], [f"{name}_widened"], to=TensorProto.FLOAT))
            else:
                axis = values.ndim - 1 if node.op_type in ("MatMul", "ConvTranspose") else 0
                rounded, steps = _round(values, axis)
                graph.initializer.append(numpy_helper.from_array(rounded, f"{name}_int8"))
                graph.initializer.append(numpy_helper.from_array(steps, f"{name}_steps"))
                added.append(helper.make_node("Cast", [f"{name}_int8"], [f"{name}_whole"], to=TensorProto.FLOAT))
                added.append(helper.make_node("Mul", [f"{name}_whole", f"{name}_steps"], [f"{name}_widened"]))
        node.input[1] = f"{name}_widened"
    used = {name for node in graph.node for name in node.input}
    kept = [constant for constant in graph.initializer if constant.name in used or constant.name not in replaced]
    nodes = [*added, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)


def _round(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Round weights to int8 with a step for each channel; return both."""
    others = tuple(i for i in range(values.ndim) if i != axis)
    steps = np.maximum(np.abs(values).max(axis=others, keepdims=True) / 127, np.finfo(np.float32).tiny)
    return np.round(values / steps).astype(np.int8), steps.astype(np.float32)


# === Arithmetic of 8 bits ===


def _quantise_statically(source: Path, target: Path, inputs: Iterable[Mapping[str, np.ndarray]]) -> None:
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class OneRun(CalibrationDataReader):
        """The calibration that `quantize_static` insists on; the ranges that count are given to it."""

        def __init__(self, values: Mapping[str, np.ndarray]) -> None:
            self.values: Mapping[str, np.ndarray] | None = values

        def get_next(self) -> Mapping[str, np.ndarray] | None:
            values, self.values = self.values, None
            return values

    runs = iter(inputs)
    first = next(runs)
    with tempfile.TemporaryDirectory() as folder:
        simplified = Path(folder) / "simplified.onnx"
        quant_pre_process(source, simplified, skip_symbolic_shape=True)
        model = onnx.load(simplified)
        for number, node in enumerate(model.graph.node):
            node.name = node.name or f"{node.op_type}_{number}"
        body = onnx_body(model)
        chosen = [model.graph.node[number] for number in sorted(body.weighted | body.between)]
        ranges = _calibrate(model, chosen, chain([first], runs))
        quantize_static(
            model,
            target,
            OneRun(first),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=[node.name for node in chosen],
            extra_options={
                "TensorQuantOverrides": {
                    name: [{"quant_type": QuantType.QUInt8, "rmin": low, "rmax": high}]
                    for name, (low, high) in ranges.items()
                }
            },
        )


def _calibrate(
    model: ModelProto, nodes: Sequence[NodeProto], runs: Iterable[Mapping[str, np.ndarray]]
) -> dict[str, tuple[np.float32, np.float32]]:
    """Measure the range of every tensor that the nodes read or write."""
    import onnx
    import onnxruntime

    constants = {constant.name for constant in model.graph.initializer} | {""}
    results = {name for node in nodes for name in node.output}
    wanted = results.union(*(node.input for node in nodes)) - constants
    types = {value.name: value.type.tensor_type.elem_type for value in (*model.graph.value_info, *model.graph.input)}
    ranges = {name: Range() for name in sorted(wanted) if types.get(name, 1) == 1}
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    known = {value.name for value in (*model.graph.input, *model.graph.output)}
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in ranges if name not in known)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(watched.SerializeToString(), options, providers=["CPUExecutionProvider"])
    fetched = [name for name in ranges if name not in {value.name for value in model.graph.input}]
    for values in runs:
        measured = dict(zip(fetched, session.run(fetched, dict(values)), strict=True)) | dict(values)
        for name, tensor in ranges.items():
            tensor.update(measured[name])
    return {name: tuple(np.float32(bound) for bound in tensor.bounds()) for name, tensor in ranges.items()}
