"""Fine-tuning on 100 labelled frames: what they bring on a sensor on which the preset is bad.

python examples/finetune.py runs/finetune

For want of a recording, both stores are rendered as by a camera of few pixels, far away; yours come from
own_frames_to_store.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import keras_handpose as khp
from keras_handpose.estimator import predict_store
from keras_handpose.training import Recipe, StoredCrops, finetuning, train

CAMERA = khp.Camera.from_fov(160, 120, horizontal=67, name="coarse")


def render_store(path: Path, frames: int, *, subject: int) -> khp.datasets.CropStore:
    """Render frames of one person, crop them to a store, or open the one that is there."""
    if path.exists():
        return khp.datasets.CropStore(path)
    folder = path.with_suffix("")
    far = {"sensor": "active_stereo", "distance": (600.0, 850.0)}
    khp.synthetic.write_frames(folder, frames=frames, subjects=1, camera=CAMERA, seed=subject, **far)
    return khp.datasets.CropStore.from_frames(path, khp.datasets.LabelledFrames(folder), centre="ground-truth")


def mean_error(source: str | Path, store: khp.datasets.CropStore) -> float:
    """Return the mean error in mm of weights on a store's frames."""
    predicted_xyz = predict_store(source, store)
    return float(np.nanmean(khp.evaluation.joint_errors(predicted_xyz, store.joints_xyz)))


def main(folder: Path, *, frames: int = 100, judged: int = 200, recipe: Recipe | None = None) -> tuple[float, float]:
    """Fine-tune, and return the mean error in mm on another person's frames, before and after."""
    render_store(folder / "mine.h5", frames, subject=1)
    test = render_store(folder / "test.h5", judged, subject=2)
    data = StoredCrops(folder / "mine.h5", test=folder / "test.h5")
    recipe = recipe or finetuning(len(data), weights="msra")
    train(folder / "run", data, recipe, verbose=2)
    before, after = mean_error(recipe.weights, test), mean_error(folder / "run" / f"{recipe.name}.weights.h5", test)
    print(f"{frames} frames of one person: {before:.1f} mm before, {after:.1f} mm after, on another person's.")
    return before, after


if __name__ == "__main__":
    main(Path(sys.argv[1]))
