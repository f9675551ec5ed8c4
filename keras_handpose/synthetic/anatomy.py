"""Sizes and shapes of people's hands.

The hand's own frame is right-handed, in mm: x to the thumb's side (radial), y to the finger tips (distal),
z out of the palm (palmar); its origin is the middle of the carpus, MSRA15's wrist joint. It shows a right hand.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache

import numpy as np

__all__ = ["FINGERS", "HandShapes", "mean_shape", "sample_shapes"]

FINGERS = ("thumb", "index", "middle", "ring", "little")
"""Order of the finger axis in every array of this package."""

# A large adult's hand, 190 mm from the wrist's crease to the tip of the middle finger: finger roots (thumb CMC, then
# the MCP joints) in mm from the middle of the carpus, where MSRA15 has its wrist joint. The breadth of the palm is that
# of MSRA15's annotations; their fingers, and above all their thumb, are shorter than those that sensors see.
_ROOTS = np.array(
    [[19.0, 12.0, 10.0], [21.0, 74.0, 2.0], [1.0, 78.0, 0.0], [-18.0, 73.0, 0.0], [-36.0, 65.0, 3.0]], np.float64
)
# Bone lengths from the root out, in mm; the last one ends in the middle of the finger tip's flesh.
_BONES = np.array(
    [[43.0, 31.0, 21.0], [40.0, 24.0, 19.0], [45.0, 28.0, 20.0], [41.0, 27.0, 19.0], [33.0, 20.0, 17.0]], np.float64
)
# Flesh around the joints of each finger, from the root to the tip: radii in mm.
_RADII = np.array(
    [
        [15.0, 12.0, 10.3, 7.8],
        [11.5, 9.2, 7.9, 6.4],
        [11.6, 9.3, 8.0, 6.5],
        [11.0, 8.8, 7.6, 6.2],
        [10.0, 7.8, 6.7, 5.6],
    ],
    np.float64,
)


@dataclass(frozen=True)
class HandShapes:
    """Shapes of ``n`` right hands.

    Attributes:
        scale: Overall size, 1 for a large adult's hand, shape ``(n,)``.
        roots: Thumb CMC and finger MCP joints in the hand's frame in mm, shape ``(n, 5, 3)``.
        bones: Lengths of the three bones a finger, from the root out, in mm, shape ``(n, 5, 3)``.
        radii: Flesh around the four joints a finger, from the root out, in mm, shape ``(n, 5, 4)``.
        palm_thickness: Half the thickness of the palm in mm, shape ``(n,)``.
        wrist_width, wrist_thickness: Half the width and thickness of the wrist in mm, shape ``(n,)``.
        knuckles: How far joints stand out between the bones, 0 for not at all, 1 for most people's, shape ``(n,)``.
        arm_growth: How much wider than the wrist the forearm (or its sleeve) becomes, shape ``(n,)``.
    """

    scale: np.ndarray
    roots: np.ndarray
    bones: np.ndarray
    radii: np.ndarray
    palm_thickness: np.ndarray
    wrist_width: np.ndarray
    wrist_thickness: np.ndarray
    knuckles: np.ndarray
    arm_growth: np.ndarray

    def __len__(self) -> int:
        return len(self.scale)

    def repeated(self, times: int) -> HandShapes:
        """Return every hand ``times`` times: one person's hand for many poses."""
        return HandShapes(**{field.name: np.repeat(getattr(self, field.name), times, axis=0) for field in fields(self)})


def sample_shapes(n: int, rng: np.random.Generator) -> HandShapes:
    """Draw the hands of ``n`` people, from children to large adults.

    Overall size, finger length against palm, thickness and single bones vary independently around the means.

    Args:
        n: Number of hands.
        rng: Source of randomness.

    Returns:
        `HandShapes` of ``n`` right hands.

    Example:
        >>> import numpy as np
        >>> sample_shapes(4, np.random.default_rng(0)).bones.shape
        (4, 5, 3)
    """
    scale = np.clip(rng.normal(0.93, 0.1, n), 0.6, 1.2)
    finger_length = np.clip(rng.normal(1.0, 0.07, n), 0.82, 1.2)
    palm_width = np.clip(rng.normal(1.0, 0.06, n), 0.85, 1.15)
    palm_length = np.clip(rng.normal(0.98, 0.06, n), 0.82, 1.15)
    stoutness = np.clip(rng.normal(1.0, 0.1, n), 0.76, 1.32)

    roots = _ROOTS * np.stack([palm_width, palm_length, np.ones(n)], -1)[:, None] * scale[:, None, None]
    roots += rng.normal(0.0, 1.2, roots.shape)
    bones = _BONES * (scale * finger_length)[:, None, None] * rng.normal(1.0, 0.04, (n, 5, 3))
    bones[:, 0] *= rng.normal(1.0, 0.06, (n, 1))
    thickness = (scale * stoutness)[:, None, None]
    radii = _RADII * thickness * rng.normal(1.0, 0.04, (n, 5, 1))
    return HandShapes(
        scale=scale,
        roots=roots,
        bones=bones,
        radii=radii,
        palm_thickness=14.2 * scale * stoutness * rng.normal(1.0, 0.06, n),
        wrist_width=29.0 * scale * palm_width * rng.normal(1.0, 0.06, n),
        wrist_thickness=19.0 * scale * stoutness * rng.normal(1.0, 0.06, n),
        # Fat hides the joints.
        knuckles=np.clip(rng.normal(1.0, 0.45, n) - 3.0 * (stoutness - 1.0), 0.0, 2.0),
        arm_growth=1.0 + np.abs(rng.normal(0.28, 0.14, n)),
    )


@cache
def mean_shape() -> HandShapes:
    """Return one hand, the mean of those of many people.

    Example:
        >>> len(mean_shape())
        1
    """
    many = sample_shapes(4000, np.random.default_rng(0))
    return HandShapes(**{field.name: getattr(many, field.name).mean(axis=0, keepdims=True) for field in fields(many)})
