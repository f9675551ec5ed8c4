"""The rendered benchmark: fixed by its version before networks were trained, and drawn from by none.

Its learned poses are those of the components that training never draws (`sample_angles`), its people, views, scenes and
noise come from seeds of its own. Version 1 had 2,000 crops of the simpler hand before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from keras_handpose.datasets.crops import LabelledCrops
from keras_handpose.skeletons import HAND56, MSRA21, Skeleton
from keras_handpose.synthetic.crops import RIGS, render_crops
from keras_handpose.synthetic.kinematics import landmark_indices
from keras_handpose.synthetic.scenes import Ingredients

__all__ = ["BENCHMARK_VERSION", "SLICES", "Slice", "describe_test_set", "rendered_slice", "rendered_test_set"]

BENCHMARK_VERSION = 2
_SEED = 20261127
_CROPS, _SLICE_CROPS = 5000, 1000


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One condition of the benchmark.

    Args:
        ingredients: What its scenes are made of.
        rigs: Names of its `RIGS`.
    """

    ingredients: Ingredients
    rigs: tuple[str, ...] = tuple(RIGS)


_PLAIN = Ingredients().alone(sleeves=0.0, watches=0.0, wide_views=0.0)
_SENSORS = sorted({rig.sensor for rig in RIGS.values()})

SLICES: Mapping[str, Slice] = MappingProxyType(
    {
        "hand and forearm alone": Slice(ingredients=_PLAIN),
        "no forearm": Slice(ingredients=replace(_PLAIN, arms=0.0)),
        "sleeve or watch": Slice(ingredients=replace(_PLAIN, sleeves=1.0, watches=0.5)),
        "wall close behind": Slice(ingredients=replace(_PLAIN, walls=1.0)),
        "body behind": Slice(ingredients=replace(_PLAIN, bodies=1.0)),
        "object held": Slice(ingredients=replace(_PLAIN, held=1.0)),
        "something beside": Slice(ingredients=replace(_PLAIN, distractors=1.0)),
        "any view": Slice(ingredients=replace(_PLAIN, wide_views=1.0)),
        **{
            f"sensor: {sensor.replace('_', ' ')}": Slice(
                ingredients=_PLAIN, rigs=tuple(name for name, rig in RIGS.items() if rig.sensor == sensor)
            )
            for sensor in _SENSORS
        },
    }
)
"""Conditions by name, each of which differs from the first in one thing."""


def rendered_test_set(*, skeleton: Skeleton = MSRA21, cube: float = 250.0, workers: int = 2) -> LabelledCrops:
    """Render the benchmark: 5,000 crops, the same images for every skeleton.

    Args:
        skeleton: Layout of the labels.
        cube: Edge of the cube in mm.
        workers: Number of threads.
    """
    crops = render_crops(_CROPS, seed=_SEED, skeleton=HAND56, cube=cube, held_out=True, workers=workers)
    return _in_layout(crops, skeleton)


def rendered_slice(name: str, *, skeleton: Skeleton = MSRA21, cube: float = 250.0, workers: int = 2) -> LabelledCrops:
    """Render 1,000 crops of one condition in `SLICES`.

    Args:
        name: Name of the condition.
        skeleton, cube, workers: As for `rendered_test_set`.

    Raises:
        ValueError: There is no such condition.
    """
    if name not in SLICES:
        raise ValueError(f"`name` must be one of {', '.join(SLICES)}. Received: {name!r}.")
    condition = SLICES[name]
    # One seed for all: the conditions differ in what they are about, as far as the random numbers go alike.
    crops = render_crops(
        _SLICE_CROPS,
        seed=_SEED + 1,
        skeleton=HAND56,
        cube=cube,
        rigs=condition.rigs,
        ingredients=condition.ingredients,
        held_out=True,
        workers=workers,
    )
    return _in_layout(crops, skeleton)


def describe_test_set(crops: LabelledCrops) -> str:
    """Name the benchmark in a result file: how it was made, and figures of its labels that tell it from another.

    Processors differ in the last bits, which would make another hash: so there are the labels' mean and spread.
    """
    labels_mm = crops.joints_unit.astype(np.float64) * (crops.cubes[:, None, None] / 2)
    mean = " ".join(f"{value:.2f}" for value in labels_mm.mean(axis=(0, 1)))
    return (
        f"rendered benchmark {BENCHMARK_VERSION}: {len(crops)} crops, seed {_SEED}, {crops.skeleton.name}, "
        f"cube {crops.cubes[0]:g} mm, labels' mean {mean} mm, spread {labels_mm.std():.2f} mm; "
        "centre: two thirds centre of mass, one third near the middle of the joints, both jittered"
    )


def _in_layout(crops: LabelledCrops, skeleton: Skeleton) -> LabelledCrops:
    joints_unit = np.ascontiguousarray(crops.joints_unit[:, landmark_indices(skeleton)])
    return replace(crops, joints_unit=joints_unit, skeleton=skeleton)
