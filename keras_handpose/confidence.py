"""How far a pose can be trusted: what its crop says against it, and a calibrated probability that it is good.

The score is a logistic regression on a few quantities that any pose and its crop have, whatever estimated the pose:

    score = 1 / (1 + exp(-(intercept + sum of coefficient * clip((feature - mean) / std, -6, 6))))

Joints lie inside of the hand, so a joint beside the hand's picture, before its surface or far behind it is suspect,
and so are surface that no bone explains, bones of unusual lengths, and views that are hard. Things that are no hand
have no fingers: they are thick where the joints are said to be, hang in the air without an arm, or are all hills.
Steps are ramps, so that a small change of the joints changes the score by little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np

from keras_handpose.preprocessing import BACKGROUND, Crop
from keras_handpose.skeletons import Skeleton

__all__ = ["FEATURES", "Confidence", "bone_lengths", "measure_pose"]

FEATURES: dict[str, str] = {
    "explained": "share of the crop's samples that show something at most 14 to 22 mm from a bone",
    "unexplained": "samples that show something beyond that, but within 30 mm of a bone, as a share of both",
    "off": "mean distance in mm, at most 20, of the joints from what the crop shows",
    "before": "share of the joints that are less than 5 to -5 mm behind the surface",
    "before_mm": "mean distance in mm of the joints before the surface, at most 60",
    "hidden": "share of the joints that are 15 to 35 mm behind the surface or more",
    "odd_bones": "mean deviation of the bones' lengths from their means, as a share of these",
    "last_bones": "mean length in mm of the fingers' last bones: a network in doubt draws them short",
    "downwards": "how much the way from the palm's joints to the roots of the fingers leads down in the picture",
    "aside": "distance of the joints' middle from the cube's centre in halves of the cube's edge",
    "edge": "greatest step between neighbouring rows or columns in how much of them shows something: a straight edge",
    "thick": "mean distance in mm, at most 25, of the fingers' joints from where the surface ends or falls by 20 mm",
    "around": "share of the circle of 0.44 cubes around the centre that shows something less than 0.16 cubes behind it",
    "tips_apart": "root mean square distance in mm of the fingertips from their middle",
    "relief": "mean distance in mm, at most 20, of what the crop shows from its mean within 16 mm",
}
"""What is measured, by name. A range, as in "14 to 22 mm", is a ramp from all to nothing."""

_FINE = 64  # Pixels along each side of the crop that are looked at, and
_SAMPLES = 16  # samples that are explained by bones.
_AROUND = np.ones((3, 3), np.uint8)  # The surface at a joint is the nearest around it, within some 6 mm.
_NEITHER = 10.0  # mm behind the surface where there is none: `off` has these joints.
_THICKEST, _EDGE = 25.0, 20.0  # mm to a finger's side at most, and from a finger to what is behind it at least.
_CIRCLE, _BEHIND = 0.44, 0.16  # Cubes: where a hand has its arm and nothing else, as `detect_hand` asks.
_NEAR, _HIGHEST = 16.0, 20.0  # mm around a point that its height is taken from, and the height that counts at most.
_FARTHEST = 6.0  # Standard deviations: nothing speaks for or against a pose by more.


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """The probability that a pose is good, as it was calibrated for a network. Call it with a crop and its joints.

    Args:
        features: Which of the `FEATURES` it looks at.
        means, stds, coefficients: What a feature is standardised with, and what it counts, one number for each.
        intercept: What the sum starts from.
        bones_mm: Mean length in mm of each of the skeleton's bones.
        threshold_mm: A pose is good if the mean error of its joints is at most this.
        data: The poses that it was fitted to, in a few words.

    Raises:
        ValueError: A name is unknown or doubled, a number is missing or not finite, or a scale is not positive.

    See Also:
        `keras_handpose.evaluation.fit_confidence`, which makes one.

    Example:
        >>> confidence = Confidence(features=("off",), means=(2.0,), stds=(1.0,), coefficients=(-1.0,), intercept=0.5,
        ...                         bones_mm=(30.0,), threshold_mm=20.0, data="an example")
        >>> Confidence.from_dict(confidence.to_dict()) == confidence
        True
    """

    features: tuple[str, ...]
    means: tuple[float, ...]
    stds: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    bones_mm: tuple[float, ...]
    threshold_mm: float
    data: str

    def __post_init__(self) -> None:
        for key in ("features", "means", "stds", "coefficients", "bones_mm"):
            value = getattr(self, key)
            if not isinstance(value, list | tuple):
                raise ValueError(f"`{key}` of a confidence must be a list. Received: {value!r}.")
            object.__setattr__(self, key, tuple(value))
        several, count = ("means", "stds", "coefficients", "bones_mm"), len(self.features)
        names = [name for name in self.features if isinstance(name, str) and name in FEATURES]
        for key, fits, expected in (
            ("features", names and len(names) == len(set(names)) == count, f"some of {', '.join(FEATURES)}, each once"),
            *((key, all(map(_is_number, getattr(self, key))), "finite numbers") for key in several),
            *((key, len(getattr(self, key)) == count, f"{count} numbers, one a feature") for key in several[:3]),
            *((key, all(value > 0 for value in getattr(self, key)), "positive") for key in ("stds", "bones_mm")),
            ("bones_mm", self.bones_mm, "one length for each bone"),
            ("intercept", _is_number(self.intercept), "a finite number"),
            ("threshold_mm", _is_number(self.threshold_mm) and self.threshold_mm > 0, "a positive length in mm"),
            ("data", isinstance(self.data, str) and self.data, "text that names the poses it was fitted to"),
        ):
            if not fits:
                raise ValueError(f"`{key}` of a confidence must be {expected}. Received: {key}={getattr(self, key)!r}.")
        arrays = {name: np.array(getattr(self, name), np.float64) for name in several}
        object.__setattr__(self, "_columns", [list(FEATURES).index(name) for name in self.features])
        object.__setattr__(self, "_arrays", arrays)

    def __call__(self, crop: Crop, joints_xyz: np.ndarray, skeleton: Skeleton) -> float:
        """Return the probability that a pose is good.

        Args:
            crop: What the pose was estimated from.
            joints_xyz: Its joints in mm, shape ``(joints, 3)``.
            skeleton: Their layout.

        Raises:
            ValueError: The layout has other bones than the confidence was fitted for.
        """
        x, y, z = crop.cube.centre_xyz
        return float(
            self.probability(
                measure_pose(
                    crop.image,
                    crop.xyz_to_unit(joints_xyz),
                    centre_xyz=(-x if crop.mirrored else x, y, z),
                    cube=crop.cube.size,
                    skeleton=skeleton,
                    bones_mm=self._arrays["bones_mm"],
                )
            )
        )

    def probability(self, measured: np.ndarray) -> np.ndarray:
        """Return the probability for what `measure_pose` returned, shape ``(..., len(FEATURES))``: shape ``(...)``."""
        evidence = self.standardise(measured) @ self._arrays["coefficients"] + self.intercept
        return 1 / (1 + np.exp(-evidence.clip(-50, 50)))

    def standardise(self, measured: np.ndarray) -> np.ndarray:
        """Return what `probability` weighs, shape ``(..., len(features))``."""
        standard = (measured[..., self._columns] - self._arrays["means"]) / self._arrays["stds"]
        return standard.clip(-_FARTHEST, _FARTHEST)

    def require(self, skeleton: Skeleton) -> None:
        """Refuse a skeleton with another number of bones.

        Raises:
            ValueError: It has one.
        """
        if len(self.bones_mm) != len(skeleton.bones):
            raise ValueError(
                f"`bones_mm` of a confidence must be {len(skeleton.bones)} lengths for {skeleton.name}. "
                f"Received: {len(self.bones_mm)}. It was fitted for another layout."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values that JSON can hold.

        See Also:
            `from_dict`, the inverse.
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Confidence:
        """Rebuild a confidence from `to_dict`'s values, also after a way through JSON.

        Raises:
            ValueError: A key is missing or unknown, or a value is wrong.
        """
        names = [field.name for field in fields(cls)]
        if not isinstance(values, Mapping) or set(values) != set(names):
            received = ", ".join(map(str, values)) if isinstance(values, Mapping) else repr(values)
            raise ValueError(f"`confidence` must have the keys {', '.join(names)}. Received: {received}.")
        return cls(**values)


def measure_pose(
    image: np.ndarray,
    joints_unit: np.ndarray,
    *,
    centre_xyz: np.ndarray,
    cube: float,
    skeleton: Skeleton,
    bones_mm: np.ndarray,
) -> np.ndarray:
    """Measure the `FEATURES` of a pose and the crop that it was estimated from.

    Args:
        image: The crop, shape ``(size, size)``; see `Crop.image`.
        joints_unit: Joints in the unit cube as the image shows it, shape ``(joints, 3)``.
        centre_xyz: The cube's centre in mm, shape ``(3,)``, in the mirror for a crop that is mirrored.
        cube: The cube's edge in mm.
        skeleton: Layout of the joints.
        bones_mm: Mean length in mm of each of the skeleton's bones, shape ``(bones,)``.

    Returns:
        One number for each of the `FEATURES`, in their order, float64.

    Raises:
        ValueError: The layout has no fingers or no palm, or not as many bones as lengths are given.

    Example:
        >>> from keras_handpose.skeletons import MSRA21
        >>> joints_unit, image = np.random.default_rng(0).uniform(-0.5, 0.5, (21, 3)), np.ones((128, 128), np.float32)
        >>> measured = measure_pose(
        ...     image, joints_unit, centre_xyz=(0, 0, 400), cube=250, skeleton=MSRA21, bones_mm=np.full(20, 30.0)
        ... )
        >>> dict(zip(FEATURES, measured.tolist()))["explained"]
        0.0
    """
    layout = _layout_of(skeleton)
    if len(skeleton.bones) != len(bones_mm):
        raise ValueError(
            f"`bones_mm` must be {len(skeleton.bones)} lengths for {skeleton.name}. Received: {len(bones_mm)}."
        )
    step = max(1, image.shape[0] // _FINE)
    image = np.ascontiguousarray(image[step // 2 :: step, step // 2 :: step])
    size, half = image.shape[0], cube / 2
    x, y, z = centre_xyz
    joints = np.asarray(joints_unit, np.float64) * half  # mm from the cube's centre.

    # Where the joints are in the picture, how far from something, and how far behind the nearest surface there.
    nearness = z / np.maximum(joints[:, 2:] + z, 1.0)
    pixels = ((joints[:, :2] + (x, y)) * nearness - (x, y)) * (size / cube) + size / 2
    columns, rows = pixels.clip(0, size - 1).astype(np.intp).T
    at = rows * size + columns
    empty = (image >= BACKGROUND).view(np.uint8)
    away = cv2.distanceTransform(empty, cv2.DIST_L2, 3).ravel()[at]
    surface = cv2.erode(image, _AROUND).ravel()[at]
    behind = np.where(surface < BACKGROUND, joints[:, 2] - surface * half, _NEITHER)
    ramps = np.array([away * (cube / size / 20), (5 - behind) / 10, behind / -60, (behind - 15) / 20])
    off, before, before_60_mm, hidden = (ramps.clip(0, 1).sum(axis=1) / len(joints)).tolist()

    sums = np.concatenate([cv2.reduce(empty, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel() for axis in (0, 1)])
    steps = abs(sums[1:] - sums[:-1])
    steps[size - 1] = 0  # From the last column to the first row.
    seen = 1 - empty
    sides = empty | (cv2.dilate(image, _AROUND) - image > _EDGE / half)
    to_side = cv2.distanceTransform(1 - sides, cv2.DIST_L2, 3).ravel()[at[layout.fingers]]  # Endless without a side.
    tips = joints[layout.tips]
    tips_apart = np.sqrt(np.square(tips - tips.mean(axis=0)).sum(axis=1).mean())

    ways = layout.ways @ joints
    (middle, up), (starts, bones) = ways[:2].tolist(), ways[2:].reshape(2, -1, 3)
    lengths = np.sqrt((bones * bones).sum(axis=1))
    to_bone = _distances_to_bones(image, starts.astype(np.float32), bones.astype(np.float32), (x, y, z), cube)
    explained = ((22 - to_bone) / 8).clip(0, 1)
    around = explained[to_bone < 30]
    return np.array(
        [
            explained.sum() / _SAMPLES**2,
            1 - around.sum() / len(around) if len(around) else 1.0,
            20 * off,
            before,
            60 * before_60_mm,
            hidden,
            abs(lengths / bones_mm - 1).sum() / len(lengths),
            lengths[layout.last].sum() / len(layout.last),
            up[1] / max(math.hypot(*up), 1e-6),
            math.hypot(*middle) / half,
            steps.max() / size,
            np.minimum(to_side, _THICKEST * size / cube).mean() * (cube / size),
            (image.ravel()[_circle(size)] < 2 * _BEHIND).mean(),
            tips_apart,
            _relief(image, seen, half),
        ]
    )


def bone_lengths(joints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Return the lengths of bones in poses of shape ``(..., joints, 3)``, shape ``(..., bones)``, in their unit.

    Example:
        >>> from keras_handpose.skeletons import MSRA21
        >>> bone_lengths(np.zeros((5, 21, 3)), MSRA21).shape
        (5, 20)
    """
    starts, ends = np.array(skeleton.bones, np.intp).T
    joints = np.asarray(joints)
    return np.linalg.norm(joints[..., ends, :] - joints[..., starts, :], axis=-1)


class _Layout(NamedTuple):
    """What a skeleton's joints are multiplied with, and which bones and joints are the fingers'.

    The rows of ``ways`` give the middle of the joints, the way from the palm's joints to the fingers' roots, the starts
    of the bones, and the bones. ``last`` are the fingers' last bones, ``fingers`` the joints that are not the palm's.
    """

    ways: np.ndarray
    last: np.ndarray
    fingers: np.ndarray
    tips: np.ndarray


def _layout_of(skeleton: Skeleton) -> _Layout:
    return _layout(len(skeleton), skeleton.bones, tuple(skeleton.fingers.values()), skeleton.palm)


@lru_cache
def _layout(
    joints: int, bones: tuple[tuple[int, int], ...], fingers: tuple[tuple[int, ...], ...], palm: tuple[int, ...]
) -> _Layout:
    tips = {finger[-1] for finger in fingers}
    last = [i for i, bone in enumerate(bones) if tips & set(bone)]
    if not (palm and last):
        raise ValueError(
            "A pose is measured along fingers that end in a bone, and from a palm. Received: a skeleton with the "
            f"fingers {fingers}, the palm {palm} and the bones {bones}."
        )
    one = np.eye(joints)
    starts, ends = np.array(bones, np.intp).T
    roots = [finger[0] for finger in fingers]
    up = one[roots].mean(axis=0) - one[list(palm)].mean(axis=0)
    return _Layout(
        ways=np.vstack([one.mean(axis=0), up, one[starts], one[ends] - one[starts]]),
        last=np.array(last, np.intp),
        fingers=np.setdiff1d(np.arange(joints), palm),
        tips=np.array([finger[-1] for finger in fingers], np.intp),
    )


def _distances_to_bones(
    image: np.ndarray, starts: np.ndarray, bones: np.ndarray, centre: tuple[float, float, float], cube: float
) -> np.ndarray:
    """Return the distance in mm of each sample that shows something to the nearest bone, shape ``(samples,)``."""
    pixels, sides = _samples(image.shape[0])
    depth = image.ravel()[pixels]
    seen = np.flatnonzero(depth < BACKGROUND)
    if not len(seen):
        return np.empty(0, np.float32)
    xy = np.float32(centre[:2])[:, None]
    points = np.empty((3, len(seen)), np.float32)
    np.multiply(depth.take(seen), cube / 2, out=points[2])
    points[:2] = (sides.take(seen, axis=1) * cube + xy) * (points[2] / centre[2] + 1) - xy

    # |p - a - t d|² with the t in [0, 1] for which it is least, of points p and bones from a to a + d.
    squares = np.maximum((bones * bones).sum(axis=1, keepdims=True), 1e-6)
    along = bones @ points
    along -= (starts * bones).sum(axis=1, keepdims=True)
    t = along / squares
    np.maximum(np.minimum(t, 1, out=t), 0, out=t)
    distances = t * squares
    along *= 2
    distances -= along
    distances *= t
    distances -= (2 * starts) @ points
    distances += (starts * starts).sum(axis=1, keepdims=True)
    return np.sqrt(np.maximum(distances.min(axis=0) + (points * points).sum(axis=0), 0))


@lru_cache
def _samples(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples' flat pixels in an image, and their columns and rows in edges from its middle."""
    at = ((np.arange(_SAMPLES) + 0.5) * (size / _SAMPLES)).astype(np.intp)
    rows, columns = (pixels.ravel() for pixels in np.meshgrid(at, at, indexing="ij"))
    return rows * size + columns, ((np.stack([columns, rows]) + 0.5) / size - 0.5).astype(np.float32)


@lru_cache
def _circle(size: int) -> np.ndarray:
    """Return the flat pixels of a circle around the middle of an image, shape ``(32,)``."""
    angles = np.arange(32) * (np.pi / 16)
    columns, rows = ((0.5 + _CIRCLE * np.array([np.cos(angles), np.sin(angles)])) * size).astype(np.intp)
    return rows * size + columns


def _relief(image: np.ndarray, seen: np.ndarray, half: float) -> float:
    """Return how far in mm what an image shows is from its mean around, on average."""
    width = 2 * round(image.shape[0] * _NEAR / (2 * half)) + 1
    shown = image * seen
    counts = cv2.blur(seen.astype(np.float32), (width, width))
    heights = abs(shown - cv2.blur(shown, (width, width)) / np.maximum(counts, 1e-3)) * half
    return float((np.minimum(heights, _HIGHEST) * seen).sum() / max(seen.sum(), 1))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
