"""Trainings that take seconds: a few crops of painted palms, a recipe and a network for them."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from keras_handpose.cameras import CAMERAS
from keras_handpose.datasets import Frame
from keras_handpose.datasets.store import CropStore
from keras_handpose.skeletons import MSRA21
from keras_handpose.training import Recipe

SUBJECTS = ("P0", "P1", "P2")
LOST = 4  # the frame, of P1, that shows no hand
RECIPE = Recipe(name="tiny", batch=4, epochs=3, components=6, learning_rate=1e-3, weight_decay=1e-4, deterministic=True)


def make_store(path: Path, *, frames: int = 30, cube: float | np.ndarray = 220.0) -> CropStore:
    """Crop frames of a disc, whose place and size say where the joints are, of three subjects in turn."""
    camera = CAMERAS["msra15"]
    rng = np.random.default_rng(0)
    v, u = np.mgrid[: camera.height, : camera.width]
    layout = rng.normal(0.0, 20.0, (21, 3))

    def frame(i: int) -> Frame:
        z, size = rng.uniform(350.0, 450.0), rng.uniform(30.0, 40.0)
        at_u, at_v = rng.uniform(120.0, 200.0), rng.uniform(90.0, 150.0)
        disc = np.hypot(u - at_u, v - at_v) < size * camera.fx / z
        centre = np.array([(at_u - camera.cx) * z / camera.fx, (at_v - camera.cy) * z / camera.fy, z])
        return Frame(
            depth=np.where(disc & (i != LOST), z, 0).astype(np.float32),
            joints_xyz=centre + layout * size / 35 + rng.normal(0.0, 2.0, (21, 3)),
            camera=camera,
            skeleton=MSRA21,
            subject=SUBJECTS[i % 3],
            path=f"{i}.png",
        )

    return CropStore.from_frames(path, [frame(i) for i in range(frames)], cube=cube, workers=1)


def network(joints: int, prior: keras.layers.Layer | None) -> keras.Model:
    """Build a network that is traced in a second and has all kinds of state: statistics and random numbers."""
    inputs = keras.Input((128, 128, 1))
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(16)(inputs))
    x = keras.layers.BatchNormalization()(keras.layers.Dense(16, activation="relu")(x))
    x = keras.layers.Dropout(0.2)(x)
    if prior is None:
        return keras.Model(inputs, keras.layers.Reshape((joints, 3))(keras.layers.Dense(3 * joints)(x)))
    return keras.Model(inputs, prior(keras.layers.Dense(prior.components)(x)))
