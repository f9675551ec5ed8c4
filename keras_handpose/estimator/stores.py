"""A network run on the crops of a whole dataset."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from keras_handpose.datasets import CropStore
from keras_handpose.engines import Engine
from keras_handpose.estimator.sources import open_source

if TYPE_CHECKING:
    import keras

__all__ = ["predict_store"]

_CHUNK = 512  # Crops that are read at a time.


def predict_store(
    source: str | os.PathLike | keras.Model | Engine, store: CropStore, frames: np.ndarray | None = None
) -> np.ndarray:
    """Estimate the joints of a crop store's frames.

    Args:
        source: What to run, as for `HandPoseEstimator`: a preset's name, the path of weights, a model or an `Engine`.
        store: The crops.
        frames: Numbers of the store's frames, shape ``(n,)``; by default all.

    Returns:
        Joints in camera space in mm, shape ``(n, joints, 3)``, float64, left hands' as they were recorded; NaN where
        no hand was found.

    Raises:
        ValueError: The network has other joints, or was made for crops of another size or cube.

    See Also:
        `keras_handpose.evaluation.write_predictions`, with `CropStore.project`, to hand them on.
    """
    engine, record = open_source(source)
    skeleton = store.skeleton.name if record is None else record.skeleton
    if (skeleton, engine.joints, engine.crop_size) != (store.skeleton.name, len(store.skeleton), store.size):
        raise ValueError(
            f"The network must fit {store.path}: {len(store.skeleton)} joints ({store.skeleton.name}), crops of "
            f"{store.size} px. Received: {engine.joints} joints{f' ({skeleton})' if record else ''}, crops of "
            f"{engine.crop_size} px."
        )
    if record is not None:
        cubes = store.cubes[store.found]
        least, most = record.training.get("cubes_mm", (record.cube, record.cube))
        if ((cubes < least) | (cubes > most)).any():
            raise ValueError(
                f"The network knows cubes of {least:g} to {most:g} mm. Received: cubes of {cubes.min():g} to "
                f"{cubes.max():g} mm in {store.path}. Prepare a store with cube={record.cube:g}."
            )
    frames = np.arange(len(store)) if frames is None else np.asarray(frames)
    joints_xyz = np.full((len(frames), engine.joints, 3), np.nan)
    found = np.flatnonzero(store.found[frames])
    for part in np.split(found, range(_CHUNK, len(found), _CHUNK)):
        if len(part):
            crops = store.crops(frames[part])
            joints_xyz[part] = store.unit_to_xyz(engine(crops.images), frames[part])
    return joints_xyz
