"""Quantisation of TFLite files with ai-edge-quantizer.

XNNPACK runs what comes out with 8-bit kernels. Ranges of activations are measured here: ai-edge-quantizer's own
calibration takes a moving average of extremes, and a second for three crops.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_handpose.exporting.quantisation.body import Body, Kind, Operation, find_body
from keras_handpose.exporting.quantisation.ranges import Range

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

__all__ = ["quantise_tflite", "tflite_body"]

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
_PRODUCTS = ("FULLY_CONNECTED", "BATCH_MATMUL")
_ACTIVATIONS = ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU", "PRELU", "ELU", "GELU")
_ACTIVATIONS += ("LOGISTIC", "TANH", "HARD_SWISH")
_KINDS = {name: Kind.ACTIVATION for name in _ACTIVATIONS} | {
    "SOFTMAX": Kind.SOFTMAX,
    "LOG_SOFTMAX": Kind.SOFTMAX,
    "EXP": Kind.SOFTMAX,  # One that is written out.
    "GATHER": Kind.LOOKUP,
    "GATHER_ND": Kind.LOOKUP,
}
_WEIGHTS = {"symmetric": True, "granularity": "CHANNELWISE", "block_size": 0}


def quantise_tflite(source: Path, target: Path, mode: str, inputs: Iterable[Mapping[str, np.ndarray]]) -> None:
    """Quantise a TFLite file; see `keras_handpose.exporting.quantisation`."""
    from ai_edge_quantizer.quantizer import Quantizer

    content = source.read_bytes()
    body, graph = tflite_body(content)
    chosen = sorted(body.weighted | body.between if mode == "int8" else body.weighted)
    ranges = _calibrate(content, [graph.operators[number] for number in chosen], inputs) if mode == "int8" else None
    # A scope is the name of an operation's result; the last entry that fits counts.
    recipe = [_entry(re.escape(_scope(graph, graph.operators[number])), mode) for number in chosen]
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")  # It has all tensors kept, and says so.
        result = Quantizer(bytearray(content), recipe).quantize(ranges)
    target.write_bytes(result.quantized_model)


def tflite_body(content: bytes) -> tuple[Body, Any]:
    """Find the body of the network in a TFLite file; return it with the file's graph."""
    from ai_edge_litert import schema_py_generated as schema

    file = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
    graph = file.subgraphs[0]
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    constants = {number for number, tensor in enumerate(graph.tensors) if _has_data(file.buffers[tensor.buffer])}
    operations = []
    for operator in graph.operators:
        code = file.operatorCodes[operator.opcodeIndex]
        name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        given = [number for number in operator.inputs if number >= 0 and number not in constants]
        kind = _KINDS.get(name, Kind.OTHER)
        if name in _CONVOLUTIONS + _PRODUCTS and len(given) < sum(number >= 0 for number in operator.inputs):
            kind = Kind.CONVOLUTION if name in _CONVOLUTIONS else Kind.DENSE
        if kind is Kind.LOOKUP and len(given) < 2:
            kind = Kind.OTHER  # Places that are constant.
        operations.append(
            Operation(
                kind=kind,
                inputs=() if name in ("SHAPE", "RANK") else tuple(map(str, given)),
                outputs=tuple(map(str, operator.outputs)),
                activated=bool(getattr(operator.builtinOptions, "fusedActivationFunction", 0)),
            )
        )
    return find_body(operations), graph


def _has_data(buffer: Any) -> bool:
    return (buffer.data is not None and len(buffer.data) > 0) or buffer.size > 0


def _scope(graph: Any, operator: Any) -> str:
    return "".join(graph.tensors[number].name.decode() + ";" for number in operator.outputs)


def _entry(scope: str, mode: str) -> dict[str, Any]:
    """Return the recipe's entry for one operation."""
    if mode == "float16":
        weights = {**_WEIGHTS, "num_bits": 16, "dtype": "FLOAT", "granularity": "TENSORWISE"}
        algorithm, precision = "float_casting", "FLOAT"
    else:
        weights = {**_WEIGHTS, "num_bits": 8, "dtype": "INT"}
        algorithm, precision = "min_max_uniform_quantize", "INTEGER"
    config = {
        "weight_tensor_config": weights,
        "compute_precision": precision,
        "explicit_dequantize": mode == "float16",
        "skip_checks": False,
        "min_weight_elements": 0,
    }
    if mode == "int8":
        activations = {"num_bits": 8, "symmetric": False, "granularity": "TENSORWISE", "dtype": "INT", "block_size": 0}
        config["activation_tensor_config"] = activations
    return {"regex": f"^{scope}$", "operation": "*", "algorithm_key": algorithm, "op_config": config}


# === Calibration ===


def _calibrate(
    content: bytes, operators: list[Any], inputs: Iterable[Mapping[str, np.ndarray]]
) -> dict[str, dict[str, np.ndarray]]:
    """Measure the range of every tensor that the operations read or write; by name, as the quantizer takes it."""
    interpreter = _interpreter(content)
    run = interpreter.get_signature_runner()
    results = {number for operator in operators for number in operator.outputs}
    wanted = sorted(results.union(*(operator.inputs for operator in operators)) - {-1})
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    ranges = {number: Range() for number in wanted if details[number]["dtype"] == np.float32}
    for values in inputs:
        run(**values)
        for number, measured in ranges.items():
            measured.update(interpreter.get_tensor(number))
    found = {}
    for number, measured in ranges.items():
        lowest, highest = measured.bounds()
        rank = (1,) * len(details[number]["shape"])
        found[details[number]["name"]] = {
            "min": np.full(rank, lowest, np.float32),
            "max": np.full(rank, highest, np.float32),
        }
    return found


def _interpreter(content: bytes) -> Interpreter:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    return Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
