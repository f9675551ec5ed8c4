"""A network run on the crops of a whole dataset."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from keras_handpose.engines import Engine, PipelineEngine
from keras_handpose.estimator.sources import EngineName, open_source

if TYPE_CHECKING:
    import keras

    from keras_handpose.datasets import CropStore

__all__ = ["predict_store"]

_CHUNK = 512  # Crops that are read at a time.


def predict_store(
    source: str | os.PathLike | keras.Model | Engine,
    store: CropStore,
    frames: np.ndarray | None = None,
    *,
    engine: EngineName | None = None,
    threads: int | None = None,
) -> np.ndarray:
    """Estimate the joints of a crop store's frames.

    Args:
        source: What to run, as for `HandPoseEstimator`, but no whole pipeline.
        store: The crops.
        frames: Numbers of the store's frames, shape ``(n,)``; by default all.
        engine, threads: What runs it, as for `HandPoseEstimator`.

    Returns:
        Joints in camera space in mm, shape ``(n, joints, 3)``, float64, left hands' as they were recorded; NaN where
        no hand was found.

    Raises:
        ValueError: The network has other joints, or was made for crops of another size or cube.

    See Also:
        `keras_handpose.evaluation.write_predictions`, with `CropStore.project`, to hand them on.
    """
    opened = open_source(source, engine=engine, threads=threads)
    run, skeleton = opened.engine, opened.skeleton or store.skeleton
    if isinstance(run, PipelineEngine):
        raise ValueError(f"A store has crops, and a whole pipeline takes frames. Received: {run.path}.")
    if (skeleton, run.joints, run.crop_size) != (store.skeleton, len(store.skeleton), store.size):
        raise ValueError(
            f"The network must fit {store.path}: {len(store.skeleton)} joints ({store.skeleton.name}), crops of "
            f"{store.size} px. Received: {run.joints} joints{f' ({skeleton.name})' if opened.skeleton else ''}, crops "
            f"of {run.crop_size} px."
        )
    if opened.cube is not None:
        cubes = store.cubes[store.found]
        least, most = opened.cubes or (opened.cube, opened.cube)
        if ((cubes < least) | (cubes > most)).any():
            raise ValueError(
                f"The network knows cubes of {least:g} to {most:g} mm. Received: cubes of {cubes.min():g} to "
                f"{cubes.max():g} mm in {store.path}. Prepare a store with cube={opened.cube:g}."
            )
    frames = np.arange(len(store)) if frames is None else np.asarray(frames)
    joints_xyz = np.full((len(frames), run.joints, 3), np.nan)
    found = np.flatnonzero(store.found[frames])
    for part in np.split(found, range(_CHUNK, len(found), _CHUNK)):
        if len(part):
            crops = store.crops(frames[part])
            joints_xyz[part] = store.unit_to_xyz(run(crops.images), frames[part])
    return joints_xyz
