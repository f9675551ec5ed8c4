"""Small exported files that need no exporter: a network, and a stand-in for a whole pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from keras_handpose.cameras import CAMERAS
from keras_handpose.engines import Metadata, write_metadata
from keras_handpose.skeletons import MSRA21

CAMERA = CAMERAS["msra15"]
SIZE, JOINTS = 32, len(MSRA21)
FORMATS = (".onnx", ".tflite")
WEIGHTS = np.random.default_rng(0).normal(0, 0.05, (64, 3 * JOINTS)).astype(np.float32)


def metadata_of(kind: str = "network", **changes) -> Metadata:
    pipeline = {"camera": CAMERA, "min_score": 0.3} if kind == "pipeline" else {}
    settings = {"skeleton": MSRA21, "cube": 250.0, "hand": "right", "crop_size": SIZE, "weights_sha256": "0" * 64}
    return Metadata(**{"kind": kind, **settings, **pipeline, **changes})


def network_joints(crops: np.ndarray) -> np.ndarray:
    """What the network does: blocks of 4 x 4 px, and a projection."""
    blocks = crops.reshape(len(crops), 8, 4, 8, 4).mean(axis=(2, 4))
    return (blocks.reshape(len(crops), 64) @ WEIGHTS).reshape(-1, JOINTS, 3)


def write_model(path: Path, kind: str) -> Path:
    """Write a model without metadata.

    The pipeline takes all that has depth for the hand, its centre to be on the axis at the mean depth, and puts every
    joint into the middle of the cube, moved by 1 mm where it is told to mirror.
    """
    import tensorflow as tf

    onnx = path.suffix == ".onnx"

    def network(crop):
        blocks = tf.reshape(tf.nn.avg_pool2d(crop, 4, 4, "VALID"), (-1, 64))
        return {"joints_unit": tf.reshape(blocks @ WEIGHTS, (-1, JOINTS, 3))}

    def pipeline(depth, camera, mirror, centre):
        shown = tf.cast(depth > 0, tf.float32)
        count = tf.reduce_sum(shown)
        mean = tf.reduce_sum(tf.maximum(depth, 0)) / tf.maximum(count, 1)
        given = tf.cast(centre[2] > 0, tf.float32)
        found_centre = given * centre + (1 - given) * tf.stack([0.0, 0.0, 1.0]) * mean
        centre_xyz = found_centre + 0 / tf.minimum(count, 1)  # NaN without a hand.
        joints_xyz = tf.zeros((JOINTS, 1)) + centre_xyz + tf.cast(mirror, tf.float32)
        uv = joints_xyz[:, :2] / joints_xyz[:, 2:] * camera[:2] + camera[2:]
        return {
            "joints_xyz": joints_xyz,
            "joints_uvd": tf.concat([uv, joints_xyz[:, 2:]], axis=1),
            "centre_xyz": centre_xyz + 0.0,
            "found": count > 0,
            "score": tf.minimum(count, 1) * 0.75,
        }

    shapes = {
        "network": {"crop": ((None if onnx else 1, SIZE, SIZE, 1), tf.float32)},
        "pipeline": {
            "depth": ((None, None) if onnx else CAMERA.shape, tf.float32),
            "camera": ((4,), tf.float32),
            "mirror": ((), tf.bool),
            "centre": ((3,), tf.float32),
        },
    }[kind]
    signature = [tf.TensorSpec(shape, dtype, name=name) for name, (shape, dtype) in shapes.items()]
    function = tf.function({"network": network, "pipeline": pipeline}[kind], input_signature=signature)
    if onnx:
        import tf2onnx

        tf2onnx.convert.from_function(function, input_signature=signature, opset=18, output_path=str(path))
    else:
        module = tf.Module()
        module.run = function
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], module)
        path.write_bytes(converter.convert())
    return path


def write_export(path: Path, kind: str, **changes) -> Path:
    """Write a model with metadata, some of them changed."""
    write_metadata(write_model(path, kind), metadata_of(kind, **changes))
    return path
