"""A tiny network and its estimator, to be exported in a second."""

from __future__ import annotations

import keras
import numpy as np

from keras_handpose.cameras import Camera
from keras_handpose.estimator import HandPoseEstimator
from keras_handpose.layers import PCAPrior

SAID = {"skeleton": "msra21", "cube": 240.0, "hand": "right"}
CAMERA = Camera(width=160, height=120, fx=120.0, fy=121.0, cx=80.0, cy=59.0)


def make_network(scale: float = 0.1) -> keras.Model:
    """A network of 64 px crops with what there is to fold and to grow; its joints stay within the cube."""
    keras.utils.set_random_seed(0)
    crop = keras.Input((64, 64, 1), name="crop")
    x = keras.layers.Conv2D(4, 5, strides=4, padding="same", use_bias=False)(crop)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = x + keras.layers.UpSampling2D(interpolation="bilinear")(keras.layers.MaxPooling2D()(x))
    x = keras.layers.Dense(16, activation="relu")(keras.layers.Flatten()(keras.layers.AveragePooling2D(2)(x)))
    code = scale * keras.layers.Dense(12, dtype="float32", name="code")(x)
    return keras.Model(crop, PCAPrior(21, 12, name="prior")(code), name="tiny")


def make_estimator(network: keras.Model, *, camera: Camera = CAMERA, hand: str = "right") -> HandPoseEstimator:
    """An estimator by a network of right hands."""
    return HandPoseEstimator(network, camera=camera, skeleton="msra21", cube=240.0, hand=hand, min_score=0.4)


def palm(camera: Camera = CAMERA) -> np.ndarray:
    """A frame with a disc of a palm's size at 400 mm, away from the middle."""
    v, u = np.mgrid[: camera.height, : camera.width]
    near = np.hypot(u - 0.45 * camera.width, v - 0.45 * camera.height) < 0.07 * camera.fx
    return np.where(near, 400, 0).astype(np.uint16)
