"""The shared rituals: what every layer and every network of ours must stand, and the layers that stand it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_handpose.layers import (
    AttentionModule,
    HandCrop,
    HandDetector,
    PCAPrior,
    ResidualUnit,
    SoftArgmax,
    UnitToCamera,
)
from keras_handpose.models import ResidualAttentionRegressor

__all__ = [
    "LAYERS",
    "POLICIES",
    "LayerCase",
    "answer",
    "check_files",
    "check_layer",
    "check_network",
    "check_summary",
    "check_training",
    "features",
    "model_of",
    "numpy",
    "pose_question",
    "under_policy",
]

POLICIES = ("mixed_float16", "mixed_bfloat16")
ON_JAX = keras.backend.backend() == "jax"


@dataclass(frozen=True, kw_only=True)
class LayerCase:
    """A layer and what it is called with.

    Args:
        layer, arguments: How to make it.
        inputs: What it is called with: arrays with the batch first.
        output_shapes: Shapes of its outputs, with the batch.
        keeps_float32: Whether it computes in float32 under any policy.
    """

    layer: type[keras.layers.Layer]
    arguments: Mapping[str, Any]
    inputs: tuple[np.ndarray, ...]
    output_shapes: tuple[tuple[int, ...], ...]
    keeps_float32: bool = False

    def make(self, **arguments) -> keras.layers.Layer:
        return self.layer(**self.arguments, **arguments)


def features(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def _block(layer: type, arguments: dict, shape: tuple[int, ...], output_shape: tuple[int, ...]) -> LayerCase:
    return LayerCase(layer=layer, arguments=arguments, inputs=(features(*shape),), output_shapes=(output_shape,))


_FRAMES = np.zeros((2, 60, 80), np.float32)
_FRAMES[0, 20:46, 30:56] = 400  # The second shows no hand.
_CAMERAS = np.float32([[120, 120, 40, 30]] * 2)
_CENTRES_XYZ = np.float32([[10, -5, 405], [0, 0, 400]])
_MIRROR = np.array([False, True])

LAYERS = {
    "unit": _block(ResidualUnit, {"filters": 3}, (2, 5, 4, 3), (2, 5, 4, 3)),
    "unit, strides": _block(ResidualUnit, {"filters": 8, "strides": 2}, (2, 5, 4, 3), (2, 3, 2, 8)),
    "unit, bottleneck": _block(
        ResidualUnit,
        {"filters": 8, "bottleneck": True, "strides": 2, "kernel_regularizer": "l2"},
        (2, 5, 4, 3),
        (2, 3, 2, 8),
    ),
    "unit, normalised after": _block(ResidualUnit, {"filters": 3, "preactivation": False}, (2, 5, 4, 3), (2, 5, 4, 3)),
    "unit, normalised after, strides": _block(
        ResidualUnit, {"filters": 8, "preactivation": False, "strides": 2}, (2, 5, 4, 3), (2, 3, 2, 8)
    ),
    "unit, normalised after, bottleneck": _block(
        ResidualUnit, {"filters": 8, "preactivation": False, "bottleneck": True}, (2, 5, 4, 3), (2, 5, 4, 8)
    ),
    "module": _block(
        AttentionModule,
        {"filters": 6, "poolings": 2, "p": 0, "t": 1, "kernel_regularizer": "l2"},
        (2, 5, 4, 3),
        (2, 5, 4, 6),
    ),
    "module, bottleneck": _block(
        AttentionModule, {"filters": 16, "poolings": 1, "t": 1, "bottleneck": True}, (2, 3, 3, 3), (2, 3, 3, 16)
    ),
    "module, no attention": _block(AttentionModule, {"filters": 4, "attention": False}, (2, 3, 3, 2), (2, 3, 3, 4)),
    "module, normalised after": _block(
        AttentionModule, {"filters": 6, "poolings": 2, "t": 1, "preactivation": False}, (2, 5, 4, 3), (2, 5, 4, 6)
    ),
    "prior": LayerCase(
        layer=PCAPrior,
        arguments={"joints": 5, "components": 6},
        inputs=(features(2, 6),),
        output_shapes=((2, 5, 3),),
        keeps_float32=True,
    ),
    "points": LayerCase(
        layer=SoftArgmax,
        arguments={},
        inputs=(features(2, 5, 4, 3), features(2, 5, 4, 3)[::-1]),
        output_shapes=((2, 3, 3),),
        keeps_float32=True,
    ),
    "detector": LayerCase(
        layer=HandDetector,
        arguments={"cube": np.float32(250), "min_score": 0.25},
        inputs=(_FRAMES, _CAMERAS),
        output_shapes=((2, 3), (2,)),
        keeps_float32=True,
    ),
    "detector, given centres": LayerCase(
        layer=HandDetector,
        arguments={"cube": 250},
        inputs=(_FRAMES, _CAMERAS, _CENTRES_XYZ * np.float32([[0], [1]])),
        output_shapes=((2, 3), (2,)),
        keeps_float32=True,
    ),
    "crop": LayerCase(
        layer=HandCrop,
        arguments={"cube": 250, "size": np.int64(16)},
        inputs=(_FRAMES, _CAMERAS, _CENTRES_XYZ),
        output_shapes=((2, 16, 16, 1),),
        keeps_float32=True,
    ),
    "crop, mirrored": LayerCase(
        layer=HandCrop,
        arguments={"cube": 300, "size": 12},
        inputs=(_FRAMES, _CAMERAS, _CENTRES_XYZ, _MIRROR),
        output_shapes=((2, 12, 12, 1),),
        keeps_float32=True,
    ),
    "camera space": LayerCase(
        layer=UnitToCamera,
        arguments={"cube": 250},
        inputs=(features(2, 5, 3), _CENTRES_XYZ, _MIRROR, _CAMERAS),
        output_shapes=((2, 5, 3), (2, 5, 3)),
        keeps_float32=True,
    ),
}
"""Every layer, in every form that has code of its own."""


def check_layer(case: LayerCase, folder: Path) -> None:
    """Check a layer's config, shapes, files, training and mixed precision; files are written to the folder."""
    keras.utils.set_random_seed(0)
    layer = case.make(name="subject")
    input_shapes = [array.shape for array in case.inputs]

    # The config is JSON, and makes the same layer again.
    config = json.loads(json.dumps(layer.get_config()))
    assert case.layer.from_config(config).get_config() == layer.get_config()

    # Shapes agree: promised, symbolic, symbolic without a batch size, and eager.
    assert _shapes(layer.compute_output_shape(*input_shapes)) == case.output_shapes
    fixed = [keras.KerasTensor(array.shape, _dtype(array)) for array in case.inputs]
    assert _shapes(case.make()(*fixed)) == case.output_shapes
    free = tuple((None, *shape[1:]) for shape in case.output_shapes)
    assert _shapes(case.make()(*_inputs_of(case))) == free
    assert _shapes(layer(*case.inputs)) == case.output_shapes

    # Building makes all the weights there are.
    built = case.make()
    if layer.weights:
        built.build(*input_shapes)
    assert [weight.shape for weight in built.weights] == [weight.shape for weight in layer.weights]

    model = model_of(case, layer)
    check_files(model, case.inputs, folder)
    if layer.trainable_weights:
        check_training(model, case.inputs, features(*case.output_shapes[0])[::-1])

    # Mixed precision: the output in the policy's compute type, the weights in float32.
    for policy in POLICIES:
        compute = policy.removeprefix("mixed_")
        mixed = case.make(**({} if case.keeps_float32 else {"dtype": policy}))
        outputs = keras.tree.flatten(mixed(*(_halved(array, compute) for array in case.inputs)))
        expected = "float32" if case.keeps_float32 else compute
        assert {keras.backend.standardize_dtype(output.dtype) for output in outputs} == {expected}
        assert {keras.backend.standardize_dtype(weight.dtype) for weight in mixed.weights} <= {"float32"}
        for values, exact in zip(numpy(outputs), numpy(layer(*case.inputs)), strict=True):
            np.testing.assert_array_equal(np.isnan(values), np.isnan(exact))


def check_network(
    build: Callable[[], keras.Model],
    crops: np.ndarray,
    output_shape: tuple[int, ...],
    folder: Path,
    *,
    keeps_float32: bool,
) -> None:
    """Check a whole network as `check_layer` checks a layer.

    Args:
        build: Makes it, with the same architecture in every call.
        crops: What it is called with.
        output_shape: Shape of what it returns, with the batch.
        folder: Where files may be written.
        keeps_float32: Whether its output is float32 under any policy.
    """
    keras.utils.set_random_seed(0)
    model = build()
    assert model.compute_output_shape(crops.shape) == output_shape
    assert _shapes(model(crops)) == (output_shape,)
    check_summary(model)
    check_files(model, crops, folder)
    check_training(model, crops, features(*output_shape), compiled=False)
    for policy in POLICIES:
        with under_policy(policy):
            mixed = build()
        compute = policy.removeprefix("mixed_")
        output = mixed(crops)
        assert keras.backend.standardize_dtype(output.dtype) == ("float32" if keeps_float32 else compute)
        assert {keras.backend.standardize_dtype(weight.dtype) for weight in mixed.trainable_weights} == {"float32"}
        assert compute in {layer.compute_dtype for layer in mixed.layers}
        assert np.isfinite(numpy(output)[0]).all()


def check_files(
    model: keras.Model,
    inputs: np.ndarray | Sequence[np.ndarray],
    folder: Path,
    *,
    fresh: keras.Model | None = None,
) -> None:
    """Check that both kinds of file bring a model back, the weights' also under another name.

    Args:
        model, inputs: The model, and what it is called with.
        folder: Where files may be written.
        fresh: Another model of the same architecture, by default a clone.
    """
    expected = numpy(_call(model, inputs))
    model.save(folder / "model.keras")
    model.save_weights(folder / "model.weights.h5")
    restored = keras.saving.load_model(folder / "model.keras")
    assert json.loads(restored.to_json()) == json.loads(model.to_json())
    _assert_close(numpy(_call(restored, inputs)), expected)

    fresh = fresh or keras.models.clone_model(model)
    fresh.name = "another_name"
    fresh.load_weights(folder / "model.weights.h5")
    _assert_close(numpy(_call(fresh, inputs)), expected)
    assert [weight.shape for weight in fresh.trainable_weights] == [w.shape for w in model.trainable_weights]


def check_training(
    model: keras.Model, inputs: np.ndarray | Sequence[np.ndarray], targets: np.ndarray, *, compiled: bool = True
) -> None:
    """Check that one step of training moves every trainable weight, and of the others only moving statistics.

    Args:
        model, inputs, targets: What to train on what.
        compiled: Whether to trace the step on TensorFlow, which takes seconds for a network. JAX always does.
    """
    before = {weight.path: numpy(weight.value)[0].copy() for weight in model.weights}
    eager = not compiled and not ON_JAX
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=ON_JAX, run_eagerly=eager)
    assert np.isfinite(model.train_on_batch(_batch(model, inputs), targets))
    trainable = {weight.path for weight in model.trainable_weights}
    for weight in model.weights:
        moved = not np.array_equal(before[weight.path], numpy(weight.value)[0])
        if weight.path in trainable:
            assert moved, weight.path
        elif moved:
            assert weight.name.startswith("moving_"), weight.path


def check_summary(model: keras.Model) -> None:
    """Check that a summary prints, names every layer, and has the parameters' number."""
    lines: list[str] = []
    model.summary(print_fn=lines.append, line_length=160)
    text = "\n".join(lines)
    assert all(layer.name in text for layer in model.layers)
    assert f"Total params: {sum(int(np.prod(weight.shape)) for weight in model.weights):,}" in text
    assert f"Trainable params: {sum(int(np.prod(weight.shape)) for weight in model.trainable_weights):,}" in text


def model_of(case: LayerCase, layer: keras.layers.Layer | None = None) -> keras.Model:
    """Return a functional model of a layer alone."""
    inputs = _inputs_of(case)
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], (layer or case.make())(*inputs))


@contextlib.contextmanager
def under_policy(policy: str) -> Iterator[None]:
    """Build what is built under another dtype policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def numpy(tree: Any) -> list[np.ndarray]:
    """Return the tensors of a nest as arrays; half precision becomes float32."""
    tensors = keras.tree.flatten(tree)
    halves = ("float16", "bfloat16")
    return [
        keras.ops.convert_to_numpy(
            keras.ops.cast(tensor, "float32") if keras.backend.standardize_dtype(tensor.dtype) in halves else tensor
        )
        for tensor in tensors
    ]


# === Across backends ===


def pose_question(
    model: keras.Model, inputs: np.ndarray | Sequence[np.ndarray], folder: Path, *, weights: str | None = None
) -> None:
    """Write a model, as one file and as weights, what to call it with, and what it then returns.

    Args:
        model, inputs: The model, and what it is called with.
        folder: Where to.
        weights: What the factory makes the same model of.
    """
    folder.mkdir(parents=True)
    if weights is not None:
        (folder / "weights.txt").write_text(weights)
    model.save(folder / "model.keras")
    model.save_weights(folder / "model.weights.h5")
    (folder / "model.json").write_text(model.to_json())
    np.savez(folder / "inputs.npz", *([inputs] if isinstance(inputs, np.ndarray) else inputs))
    np.savez(folder / "expected.npz", *numpy(_call(model, inputs)))


def answer(folder: str) -> None:
    """Read every model below a folder on the backend at hand, in every way, and write what it returns beside it."""
    for question in sorted(path.parent for path in Path(folder).rglob("model.keras")):
        inputs = list(np.load(question / "inputs.npz").values())
        whole = keras.saving.load_model(question / "model.keras")
        rebuilt = keras.models.model_from_json((question / "model.json").read_text())
        rebuilt.load_weights(question / "model.weights.h5")
        models = {"whole": whole, "rebuilt": rebuilt}
        if (question / "weights.txt").exists():
            models["named"] = ResidualAttentionRegressor(weights=(question / "weights.txt").read_text())
        for name, model in models.items():
            np.savez(question / f"{name}.{keras.backend.backend()}.npz", *numpy(_call(model, inputs)))


def _inputs_of(case: LayerCase) -> list[keras.KerasTensor]:
    return [keras.Input(array.shape[1:], dtype=_dtype(array)) for array in case.inputs]


def _call(model: keras.Model, inputs: np.ndarray | Sequence[np.ndarray]) -> Any:
    return model(_batch(model, inputs))


def _batch(model: keras.Model, inputs: np.ndarray | Sequence[np.ndarray]) -> np.ndarray | list[np.ndarray]:
    """Return inputs as a model takes them: an array, or a list of them where it has several inputs."""
    if isinstance(inputs, np.ndarray):
        return inputs
    return inputs[0] if len(model.inputs) == 1 else list(inputs)


def _shapes(tree: Any) -> tuple[tuple[int | None, ...], ...]:
    """Return the shapes in a nest of shapes or tensors."""
    if hasattr(tree, "shape"):
        return (tuple(tree.shape),)
    if all(isinstance(size, int | None) for size in tree):
        return (tuple(tree),)
    return tuple(shape for part in tree for shape in _shapes(part))


def _dtype(array: np.ndarray) -> str:
    return keras.backend.standardize_dtype(array.dtype)


def _halved(array: np.ndarray, dtype: str) -> Any:
    return array if array.dtype == bool else keras.ops.cast(array, dtype)


def _assert_close(values: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> None:
    for ours, theirs in zip(values, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
