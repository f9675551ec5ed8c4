"""The pre-processing in exported files: nothing of it is lost in conversion, least of all missing depth."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from rendered_frames import parameters, rendered_frames

from keras_handpose.exporting.conversion import convert, pipeline_signature
from keras_handpose.models import hand_pose_pipeline

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="compared with TensorFlow in one process"),
]


@pytest.fixture(scope="module")
def pipeline():
    crop = keras.Input((32, 32, 1))
    pooled = keras.layers.AveragePooling2D(8)(crop)
    joints_unit = keras.layers.Reshape((21, 3))(keras.layers.Dense(63)(keras.layers.Flatten()(pooled)))
    return hand_pose_pipeline(keras.Model(crop, joints_unit), cube=250)


def onnx_runner(path):
    session = pytest.importorskip("onnxruntime").InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    return lambda **inputs: dict(zip(names, session.run(None, inputs), strict=True))


def litert_runner(path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(str(path))
    return interpreter.get_signature_runner()


@pytest.mark.parametrize(("suffix", "runner"), [(".onnx", onnx_runner), (".tflite", litert_runner)])
def test_missing_depth_survives_conversion(pipeline, suffix, runner, tmp_path):
    camera, frames = rendered_frames("msra15")
    path = tmp_path / f"pipeline{suffix}"
    convert(pipeline, path, pipeline_signature(*camera.shape))
    run = runner(path)
    centres = [(0, 0, 0), (0, 0, 400), (np.nan, 0, 400), (0, 0, -1)]
    for missing in (0, np.nan, np.inf, -np.inf, -100):
        for frame, centre in zip(frames, centres, strict=True):
            inputs = {
                "depth": np.where(frame == 0, np.float32(missing), frame),
                "camera": parameters(camera)[0],
                "mirror": np.array(missing == 0),
                "centre": np.float32(centre),
            }
            expected = pipeline({name: values[None] for name, values in inputs.items()})
            outputs = run(**inputs)
            assert set(outputs) == set(expected)
            for name, values in expected.items():
                np.testing.assert_allclose(outputs[name], values[0], atol=0.02, err_msg=name)
