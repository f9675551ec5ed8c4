"""The shared ritual: what every layer of ours must stand, in one call."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np

__all__ = ["check_layer"]


def check_layer(layer_class, arguments: dict, *, input_shape, output_shape, folder: Path, output_dtype=None) -> None:
    """Check a layer's config, shapes, files, training and mixed precision.

    Args:
        layer_class, arguments: How to make the layer.
        input_shape, output_shape: Shapes with the batch.
        folder: Where files may be written.
        output_dtype: Type of the output under a mixed policy; by default the policy's.
    """
    inputs = np.random.default_rng(0).normal(size=input_shape).astype("float32")
    layer = layer_class(**arguments, name="subject")

    # The config is JSON, and makes the same layer again.
    config = json.loads(json.dumps(layer.get_config()))
    assert layer_class.from_config(config).get_config() == layer.get_config()

    # Shapes agree: promised, symbolic, symbolic without a batch size, and eager.
    assert tuple(layer.compute_output_shape(input_shape)) == output_shape
    assert layer_class(**arguments)(keras.KerasTensor(input_shape)).shape == output_shape
    assert layer_class(**arguments)(keras.Input(input_shape[1:])).shape == (None, *output_shape[1:])
    assert tuple(layer(inputs).shape) == output_shape

    # Building makes all the weights there are.
    built = layer_class(**arguments)
    built.build(input_shape)
    assert [w.shape for w in built.weights] == [w.shape for w in layer.weights]

    # Both kinds of file bring a model back.
    tensor = keras.Input(input_shape[1:])
    model = keras.Model(tensor, layer(tensor))
    expected = keras.ops.convert_to_numpy(model(inputs))
    model.save(folder / "model.keras")
    restored = keras.saving.load_model(folder / "model.keras")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(restored(inputs)), expected, atol=1e-6)
    fresh = keras.models.clone_model(model)
    model.save_weights(folder / "model.weights.h5")
    fresh.load_weights(folder / "model.weights.h5")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(fresh(inputs)), expected, atol=1e-6)

    # One step of training moves every trainable weight.
    before = [np.array(keras.ops.convert_to_numpy(w.value)) for w in model.trainable_weights]
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=keras.backend.backend() == "jax")
    target = np.random.default_rng(1).normal(size=output_shape).astype("float32")
    assert np.isfinite(model.train_on_batch(inputs, target))
    for old, weight in zip(before, model.trainable_weights, strict=True):
        assert not np.array_equal(old, keras.ops.convert_to_numpy(weight.value)), weight.path

    # Mixed precision: the output in the policy's compute type, the weights in float32.
    for policy in ("mixed_float16", "mixed_bfloat16"):
        mixed = layer_class(**arguments, **({} if output_dtype else {"dtype": policy}))
        compute = keras.ops.cast(inputs, policy.removeprefix("mixed_"))
        output = mixed(compute)
        assert keras.backend.standardize_dtype(output.dtype) == (output_dtype or policy.removeprefix("mixed_"))
        assert {keras.backend.standardize_dtype(w.dtype) for w in mixed.weights} <= {"float32"}
        values = keras.ops.convert_to_numpy(keras.ops.cast(output, "float32"))
        assert np.isfinite(values).all()
