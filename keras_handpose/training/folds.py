"""Every subject left out once: as many trainings as subjects, and one result."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import keras
import numpy as np

from keras_handpose.datasets.store import CropStore
from keras_handpose.evaluation import joint_errors, read_predictions, summarise_errors, write_predictions
from keras_handpose.training.distribution import ONE_DEVICE, Distribution
from keras_handpose.training.fitting import Network, is_finished, train
from keras_handpose.training.recipe import PAPER, Recipe
from keras_handpose.training.run_folder import hold_folder, write_json
from keras_handpose.training.stored_crops import StoredCrops, store_name

__all__ = ["train_folds"]


def train_folds(
    output: str | os.PathLike,
    store: str | os.PathLike,
    recipe: Recipe = PAPER,
    *,
    network: Network | None = None,
    distribution: Distribution = ONE_DEVICE,
    workers: int = 2,
    tensorboard: bool = False,
    verbose: int | str = "auto",
) -> dict[str, Any]:
    """Leave out every subject of a store once, and join what the networks predict for those they have not seen.

    Writes to ``output`` a folder ``without-SUBJECT`` for each subject, as `train` does, and over all frames in the
    store's order ``predictions.txt``, ``truth.txt`` and ``errors.json``. Interrupted, the same call goes on: folds that
    are done are not done again.

    Args:
        output: Folder of the folds.
        store: Path of a `CropStore` with at least two subjects.
        recipe, network, distribution, workers, tensorboard, verbose: As for `train`, in one process.

    Returns:
        The figures of `summarise_errors` over all frames, as in ``errors.json``, with each subject's own mean error.

    Raises:
        ValueError: The store has fewer than two subjects, a folder holds a run of another plan, or several processes
            are asked for.
        OSError: Another process is at work in a folder, or the store cannot be read.
    """
    if distribution.processes > 1:
        raise ValueError(
            f"Folds are trained in one process. Received: processes={distribution.processes}. Call `train` for each."
        )
    folder = Path(output)
    shared = {"workers": workers, "tensorboard": tensorboard, "verbose": verbose}
    with CropStore(store) as crops, hold_folder(folder):
        subjects = [str(subject) for subject in np.unique(crops.subjects)]
        if len(subjects) < 2:
            raise ValueError(f"Leaving one out takes at least two subjects. Received: {subjects} in {store}.")
        joints_uvd = np.full(crops.joints_xyz.shape, np.nan)
        for subject in subjects:
            data = StoredCrops(store, leave_out=(subject,))
            fold = folder / f"without-{quote(subject, safe=' ')}"
            if not is_finished(fold, data, recipe, network=network):
                train(fold, data, recipe, network=network, distribution=distribution, **shared)
                keras.backend.clear_session()
            joints_uvd[crops.subjects == subject] = read_predictions(fold / "predictions.txt", skeleton=crops.skeleton)
        frames = np.arange(len(crops))
        errors = joint_errors(crops.lift(joints_uvd, frames), crops.joints_xyz)
        figures = {
            "data": f"each of {len(subjects)} subjects left out once, {store_name(crops)}",
            **summarise_errors(errors, crops.skeleton),
            "mean_error_by_subject_mm": {
                subject: summarise_errors(errors[crops.subjects == subject], crops.skeleton)["mean_error_mm"]
                for subject in subjects
            },
        }
        write_predictions(folder / "predictions.txt", joints_uvd)
        write_predictions(folder / "truth.txt", crops.project(crops.joints_xyz, frames))
        write_json(folder / "errors.json", figures)
    return figures
