"""Labelled crops turned, scaled, moved and made noisy, with their joints moved along exactly.

No intrinsics are needed. With ``h = cube / 2``, the sample at ``(a, b)`` of a crop, in [-1, 1] from its left and top
edge to its right and bottom one, lies on the ray through ``x = (xc + a h) d / zc``, ``y = (yc + b h) d / zc`` at the
depth ``d = zc + n h``, ``n`` being its value (see `keras_handpose.preprocessing.crop`). So

- another cube with centre ``(xc', yc', zc')`` and half edge ``h'`` shows at ``a'`` what is at
  ``a = a' (h' zc) / (h zc') + (xc' zc / zc' - xc) / h``, with ``n' = (n h + zc - zc') / h'``;
- a picture that is turned in its window keeps every depth and turns ``(a, b)``: joints go to ``(a, b, d)``, turn, and
  come back. That is not a turn in space but for a hand on the optical axis, where it is one about that axis.

Both together are one nearest sample a pixel: depth is never interpolated across an edge.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from keras_handpose.datasets.crops import LabelledCrops
from keras_handpose.preprocessing.crop import BACKGROUND

__all__ = ["Augmentation", "recrop"]

_NEAREST = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP

_RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    "rotation": (lambda value: 0 <= value <= 180, "from 0 to 180 degrees"),
    "scale": (lambda value: 0 <= value < 1, "at least 0 and less than 1"),
    "jitter_mm": (lambda value: 0 <= value < math.inf, "a finite number of mm, at least 0"),
    "noise_mm": (lambda value: 0 <= value < math.inf, "a finite number of mm, at least 0"),
}


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How far crops are changed at random, each on its own, every time they are used.

    All is off by default, as in the paper that this library follows (Residual Attention Regression for 3D Hand Pose
    Estimation, ICIRA 2019), which trains on the crops as they are. The published code of DeepPrior++ (Oberweger and
    Lepetit, ICCV workshops 2017) turns a crop by any angle, moves its centre by 5 mm along each axis (standard
    deviation), or does nothing, one of the three drawn anew each time; it can change the cube by 2 %, but the training
    scripts leave that out. ``Augmentation(rotation=180, jitter_mm=5)`` turns and moves every crop.

    A crop shows no more than it was cut with: what a moved, larger or turned cube reaches beyond it is background.

    Args:
        rotation: Largest angle in degrees by which a picture is turned in its window, either way; uniform. At most 180.
        scale: Largest relative change of the cube's edge; uniform. 0.1 is from 0.9 to 1.1 times the edge: the hand
            looks larger in a smaller cube. Below 1.
        jitter_mm: Standard deviation in mm of what is added to the centre's x, y and z each; normal.
        noise_mm: Standard deviation in mm of what is added to each depth; normal.

    Raises:
        ValueError: A number is negative, not finite or too large.

    See Also:
        `recrop`, which does the same by given amounts; `iterate_batches`, which augments what it reads.

    Example:
        >>> from keras_handpose.synthetic import render_crops
        >>> crops = render_crops(4, seed=0)
        >>> augmentation = Augmentation(rotation=180, scale=0.1, jitter_mm=5, noise_mm=1)
        >>> augmented = augmentation.apply(crops, np.random.default_rng(0))
        >>> augmented.cubes.round(1).tolist()
        [265.7, 270.6, 255.3, 261.5]
    """

    rotation: float = 0.0
    scale: float = 0.0
    jitter_mm: float = 0.0
    noise_mm: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            accepted, words = _RANGES[name]
            if not accepted(value):
                raise ValueError(f"`{name}` must be {words}. Received: {name}={value!r}.")

    def apply(self, crops: LabelledCrops, rng: np.random.Generator) -> LabelledCrops:
        """Return changed copies of crops; the same state of ``rng`` gives the same ones.

        Args:
            crops: Any number of crops.
            rng: Source of all randomness.

        Returns:
            As many crops of the same shape; centres, cubes and joints are those of the new crops, so that an error in
            mm needs the new cubes.
        """
        if self == Augmentation():
            return crops
        angles = rng.uniform(-self.rotation, self.rotation, len(crops))
        factors = rng.uniform(1 - self.scale, 1 + self.scale, len(crops))
        centres_xyz = crops.centres_xyz + rng.normal(0.0, self.jitter_mm, (len(crops), 3))
        centres_xyz[:, 2] = np.maximum(centres_xyz[:, 2], crops.centres_xyz[:, 2] / 2)  # Never behind the camera.
        if self.rotation or self.scale or self.jitter_mm:
            crops = recrop(crops, angles=angles, centres_xyz=centres_xyz, cubes=crops.cubes * factors)
        return _with_noise(crops, self.noise_mm, rng) if self.noise_mm else crops


def recrop(
    crops: LabelledCrops,
    *,
    angles: np.ndarray | float = 0.0,
    centres_xyz: np.ndarray | None = None,
    cubes: np.ndarray | float | None = None,
) -> LabelledCrops:
    """Cut other cubes out of crops, then turn the pictures in their windows; the joints move along.

    It is what `crop_hand` would cut out of the frame, as far as the crop shows it: beyond is background, and the
    nearest pixel of the crop stands for the frame's.

    Args:
        crops: What to cut out of.
        angles: Angle of each picture in degrees, shape ``(n,)``, clockwise as one looks at it; or one for all.
        centres_xyz: Centres of the new cubes in mm, shape ``(n, 3)``; None for those that are there.
        cubes: Edges of the new cubes in mm, shape ``(n,)``, or one for all; None for those that are there.

    Returns:
        As many crops of the same size.

    Raises:
        ValueError: A centre is not finite and in front of the camera, or an edge or angle is not finite and positive.

    See Also:
        `Augmentation`, which draws the amounts at random.

    Example:
        >>> from keras_handpose.synthetic import render_crops
        >>> crops = render_crops(2, seed=0)
        >>> larger = recrop(crops, cubes=300.0)
        >>> bool(np.abs(larger.joints_xyz - crops.joints_xyz).max() < 1e-3)
        True
    """
    n, size = crops.images.shape[:2]
    angles = np.radians(np.broadcast_to(np.asarray(angles, np.float64), n))
    old, new = crops.centres_xyz, crops.centres_xyz if centres_xyz is None else np.asarray(centres_xyz, np.float64)
    h_old = crops.cubes / 2
    h_new = np.broadcast_to(np.asarray(crops.cubes if cubes is None else cubes, np.float64), n) / 2
    if not (new.shape == (n, 3) and np.isfinite(new).all() and (new[:, 2] > 0).all()):
        raise ValueError(f"`centres_xyz` must be finite and in front of the camera, shape ({n}, 3). Received: {new!r}.")
    if not (np.isfinite(h_new) & (h_new > 0) & np.isfinite(angles)).all():
        raise ValueError(f"Cubes must be positive and angles finite. Received: cubes {h_new * 2}, angles {angles}.")

    # === Where each new pixel lies in the old picture ===
    turns = np.stack([np.cos(angles), -np.sin(angles), np.sin(angles), np.cos(angles)], axis=-1).reshape(n, 2, 2)
    nearer = old[:, 2] / new[:, 2]
    steps = turns.transpose(0, 2, 1) * (h_new / h_old * nearer)[:, None, None]
    shifts = (new[:, :2] * nearer[:, None] - old[:, :2]) / h_old[:, None]
    # From a and b to columns and rows: i = (a + 1) size / 2 - 0.5.
    firsts = (shifts + 1) * (size / 2) - 0.5 - steps.sum(axis=2) * ((size - 1) / 2)
    maps = np.concatenate([steps, firsts[..., None]], axis=2)

    # === Pictures ===
    gains, offsets = (h_old / h_new).astype(np.float32), ((old - new)[:, 2] / h_new).astype(np.float32)
    nearest = _nearest(new, h_new)
    images = np.empty_like(crops.images)
    for i, image in enumerate(crops.images):
        sampled = cv2.warpAffine(image, maps[i], (size, size), flags=_NEAREST, borderValue=BACKGROUND)
        images[i, ..., 0] = _inside(sampled * gains[i] + offsets[i], sampled, nearest[i])

    # === Joints ===
    joints_xyz = crops.joints_xyz
    depths = joints_xyz[..., 2:]
    joints_ab = (joints_xyz[..., :2] * new[:, None, 2:] / depths - new[:, None, :2]) / h_new[:, None, None]
    joints_ab = joints_ab @ turns.transpose(0, 2, 1)
    joints_xy = (joints_ab * h_new[:, None, None] + new[:, None, :2]) * depths / new[:, None, 2:]
    joints_unit = (np.concatenate([joints_xy, depths], axis=-1) - new[:, None]) / h_new[:, None, None]
    return LabelledCrops(
        images=images,
        joints_unit=joints_unit.astype(np.float32),
        centres_xyz=new.copy(),
        cubes=h_new * 2,
        skeleton=crops.skeleton,
    )


def _with_noise(crops: LabelledCrops, noise_mm: float, rng: np.random.Generator) -> LabelledCrops:
    """Add normal noise to what is not background; what it moves out of the cube becomes background."""
    deviations = (noise_mm / (crops.cubes / 2)).astype(np.float32)
    nearest = _nearest(crops.centres_xyz, crops.cubes / 2)
    images = crops.images.copy()
    for i, image in enumerate(images):
        hand = np.flatnonzero(image < BACKGROUND)
        noisy = image.take(hand) + deviations[i] * rng.standard_normal(len(hand), np.float32)
        noisy[(noisy <= nearest[i]) | (noisy >= BACKGROUND)] = BACKGROUND
        image.put(hand, noisy)
    return replace(crops, images=images)


def _nearest(centres_xyz: np.ndarray, halves: np.ndarray) -> np.ndarray:
    """Return the value that a crop's contents exceed: on the front face, or on the camera if that is in the cube."""
    return np.maximum(-1.0, -centres_xyz[:, 2] / halves).astype(np.float32)


def _inside(image: np.ndarray, before: np.ndarray, nearest: np.float32) -> np.ndarray:
    """Make background of what it was before, and of what is out of the cube now, as `crop_hand` does."""
    inside = (image > nearest) & (image < BACKGROUND) & (before < BACKGROUND)
    return cv2.copyTo(image, inside.view(np.uint8), np.full(image.shape, BACKGROUND, np.float32))
