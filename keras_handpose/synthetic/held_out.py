"""The rendered test set: fixed by its seed before the first training, and drawn from by none."""

from __future__ import annotations

import hashlib

import numpy as np

from keras_handpose.datasets.crops import LabelledCrops
from keras_handpose.skeletons import MSRA21, Skeleton
from keras_handpose.synthetic.crops import render_crops

__all__ = ["describe_test_set", "rendered_test_set"]

_SEED = 20190808
_CROPS = 2000


def rendered_test_set(*, skeleton: Skeleton = MSRA21, cube: float = 250.0, workers: int = 2) -> LabelledCrops:
    """Render the test set: 2,000 crops of hands, poses and views like those of training, but none of them.

    Args:
        skeleton: Layout of the labels.
        cube: Edge of the cube in mm.
        workers: Number of threads.
    """
    return render_crops(_CROPS, seed=_SEED, skeleton=skeleton, cube=cube, workers=workers)


def describe_test_set(crops: LabelledCrops) -> str:
    """Name the test set in a result file: how it was made, and a hash of its labels rounded to 0.1 mm."""
    rounded = np.round(crops.joints_unit * (crops.cubes[:, None, None] / 2).astype(np.float32), 1) + 0.0
    digest = hashlib.sha256(rounded.astype("<f4").tobytes()).hexdigest()[:16]
    return (
        f"{len(crops)} rendered crops, seed {_SEED}, {crops.skeleton.name}, "
        f"cube {crops.cubes[0]:g} mm, labels {digest}; "
        "centre: two thirds centre of mass, one third near the middle of the joints, both jittered"
    )
