"""Crops to calibrate a quantised export with, and others to judge every export by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from keras_handpose.datasets import CropStore
from keras_handpose.datasets.crops import LabelledCrops
from keras_handpose.preprocessing import BACKGROUND
from keras_handpose.skeletons import MSRA21, Skeleton
from keras_handpose.synthetic import LANDMARKS, render_crops

__all__ = ["calibration_crops", "held_out_crops", "pipeline_inputs"]

# Seeds of rendered crops; no training, validation or test set has them.
_CALIBRATION_SEED, _HELD_OUT_SEED = 5_150_311, 5_150_312
_SHUFFLE = 3  # Seed of the order in which a store's crops are taken.


def calibration_crops(
    n: int,
    *,
    skeleton: Skeleton,
    cube: float = 250.0,
    size: int = 128,
    hand: str = "right",
    store: CropStore | None = None,
    workers: int = 1,
) -> LabelledCrops:
    """Return crops to calibrate with: the user's where there is a store, rendered ones otherwise.

    Where the renderer does not know the joints, ``joints_unit`` of rendered crops is NaN.
    Of a store they are drawn from its first half, in an order shuffled once and for all; `held_out_crops` has the rest.

    Args:
        n: Number of crops; fewer come from a store that has fewer.
        skeleton: Layout of the network's joints.
        cube: Edge of the cube in mm. The crops of a store have their own.
        size: Edge of the crops in px.
        hand: ``"left"`` for a network that knows left hands: the crops and joints are mirrored.
        store: Crops of the kind that the network will see.
        workers: Number of threads that render.

    Raises:
        ValueError: The store has other joints, crops of another size, or fewer than two of them.

    See Also:
        `held_out_crops`, which are never among these.

    Example:
        >>> from keras_handpose.skeletons import MSRA21
        >>> calibration_crops(2, skeleton=MSRA21).images.shape
        (2, 128, 128, 1)
    """
    return _crops(
        n, 0, skeleton=skeleton, cube=cube, size=size, hand=hand, store=store, workers=workers, seed=_CALIBRATION_SEED
    )


def held_out_crops(
    n: int,
    *,
    skeleton: Skeleton,
    cube: float = 250.0,
    size: int = 128,
    hand: str = "right",
    store: CropStore | None = None,
    workers: int = 1,
) -> LabelledCrops:
    """Return crops to judge an export by; see `calibration_crops`, none of which is among them.

    Example:
        >>> from keras_handpose.skeletons import NYU14
        >>> held_out_crops(2, skeleton=NYU14, cube=300).joints_unit.shape
        (2, 14, 3)
    """
    return _crops(
        n, 1, skeleton=skeleton, cube=cube, size=size, hand=hand, store=store, workers=workers, seed=_HELD_OUT_SEED
    )


def pipeline_inputs(
    images: np.ndarray, *, shape: tuple[int, int], cube: float = 250.0
) -> Iterator[dict[str, np.ndarray]]:
    """Turn crops into inputs of a whole pipeline that make the pipeline's own crops the very same images.

    A crop's pixels, in mm, lie in the top left corner of a frame before a camera that sees the cube in exactly these:
    its focal length is ``size * z / cube`` and its principal point is their middle, at the depth ``z = cube``.
    In a frame smaller than a crop lies every second or third pixel of it, say, and the pipeline's crop is as coarse.

    Args:
        images: Crops, background exactly 1.0, shape ``(n, size, size, 1)``.
        shape: Height and width of the frames in px.
        cube: Edge of the pipeline's cube in mm.

    Yields:
        For each crop ``depth`` (H, W) in mm, ``camera`` (4,) in px and ``centre`` (3,) in mm, float32, and ``mirror``
        (), False.

    Example:
        >>> from keras_handpose.cameras import Camera
        >>> from keras_handpose.preprocessing import crop_hand
        >>> from keras_handpose.skeletons import MSRA21
        >>> images = held_out_crops(1, skeleton=MSRA21).images
        >>> inputs = next(pipeline_inputs(images, shape=(240, 320)))
        >>> fx, fy, cx, cy = inputs["camera"].tolist()
        >>> camera = Camera(width=320, height=240, fx=fx, fy=fy, cx=cx, cy=cy)
        >>> crop = crop_hand(inputs["depth"], camera, inputs["centre"], cube=250.0)
        >>> bool(np.allclose(crop.image, images[0, ..., 0], rtol=0, atol=1e-6))
        True
    """
    size = images.shape[1]
    side = min(size, *shape)
    taken = ((np.arange(side) + 0.5) * size / side).astype(np.intp)
    z, middle = cube, (side - 1) / 2
    camera = np.array([side * z / cube, side * z / cube, middle, middle], np.float32)
    for image in images[:, taken][:, :, taken, 0]:
        depth = np.zeros(shape, np.float32)
        depth[:side, :side] = np.where(image == BACKGROUND, 0, image * np.float32(cube / 2) + np.float32(z))
        yield {
            "depth": depth,
            "camera": camera,
            "mirror": np.array(False),
            "centre": np.array([0, 0, z], np.float32),
        }


def _crops(
    n: int,
    half: int,
    *,
    skeleton: Skeleton,
    cube: float,
    size: int,
    hand: str,
    store: CropStore | None,
    workers: int,
    seed: int,
) -> LabelledCrops:
    if store is None:
        known = set(skeleton.landmarks) <= set(LANDMARKS)
        crops = render_crops(
            n, seed=seed, skeleton=skeleton if known else MSRA21, cube=cube, size=size, workers=workers
        )
        if not known:
            nowhere = np.full((len(crops.images), len(skeleton), 3), np.nan, np.float32)
            crops = replace(crops, joints_unit=nowhere, skeleton=skeleton)
    else:
        crops = _stored(store, n, half, skeleton, size)
    return crops if hand == "right" else _mirrored(crops)


def _stored(store: CropStore, n: int, half: int, skeleton: Skeleton, size: int) -> LabelledCrops:
    if (store.skeleton.joint_names, store.size) != (skeleton.joint_names, size):
        raise ValueError(
            f"The crops to calibrate with must be those of the network: {skeleton.name} joints, {size} px. "
            f"Received: {store.path} with {store.skeleton.name} joints, {store.size} px."
        )
    indices = np.random.default_rng(_SHUFFLE).permutation(store.indices())
    if len(indices) < 2:
        raise ValueError(f"{store.path} has one crop; calibrating with some and judging by others takes two or more.")
    halves = np.split(indices, [len(indices) // 2])
    return store.crops(np.sort(halves[half][:n]))


def _mirrored(crops: LabelledCrops) -> LabelledCrops:
    """Make left hands of right ones."""
    flip = np.array([-1.0, 1.0, 1.0])
    return LabelledCrops(
        images=np.ascontiguousarray(crops.images[:, :, ::-1]),
        joints_unit=crops.joints_unit * flip.astype(np.float32),
        centres_xyz=crops.centres_xyz * flip,
        cubes=crops.cubes,
        skeleton=crops.skeleton,
    )
