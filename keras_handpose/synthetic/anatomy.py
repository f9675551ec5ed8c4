"""Sizes and shapes of people's hands.

The hand's own frame is right-handed, in mm: x to the thumb's side (radial), y to the finger tips (distal),
z out of the palm (palmar); its origin is the wrist joint as MSRA15 defines it. It shows a right hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["FINGERS", "HandShapes", "sample_shapes"]

FINGERS = ("thumb", "index", "middle", "ring", "little")
"""Order of the finger axis in every array of this package."""

# The rigid palm of MSRA15's annotations, recovered from the distances between its joints in the published
# statistics of subjects P1 to P8: finger roots (thumb CMC, then the MCP joints), mm from the wrist joint.
_ROOTS = np.array(
    [[7.5, 15.6, 19.5], [19.5, 58.9, 1.4], [0.0, 66.8, 0.0], [-17.9, 67.3, -1.3], [-39.2, 60.4, 1.4]], np.float64
)
# Bone lengths from the same statistics, from the root out, mm.
_BONES = np.array(
    [[24.6, 19.8, 19.8], [27.7, 20.8, 18.8], [32.7, 21.8, 19.8], [28.7, 18.8, 17.8], [20.8, 12.9, 13.9]], np.float64
)
# Flesh around the joints of each finger, from the root to the tip: radii in mm of a hand of scale 1.
_RADII = np.array(
    [[14.0, 10.6, 9.6, 7.6], [10.4, 8.7, 7.6, 6.4], [10.8, 8.9, 7.7, 6.5], [10.2, 8.4, 7.3, 6.2], [9.2, 7.4, 6.4, 5.5]],
    np.float64,
)


@dataclass(frozen=True)
class HandShapes:
    """Shapes of ``n`` right hands.

    Attributes:
        scale: Overall size, 1 for the mean of MSRA15's subjects, shape ``(n,)``.
        roots: Thumb CMC and finger MCP joints in the hand's frame in mm, shape ``(n, 5, 3)``.
        bones: Lengths of the three bones a finger, from the root out, in mm, shape ``(n, 5, 3)``.
        radii: Flesh around the four joints a finger, from the root out, in mm, shape ``(n, 5, 4)``.
        palm_thickness: Half the thickness of the palm in mm, shape ``(n,)``.
        wrist_width, wrist_thickness: Half the width and thickness of the wrist in mm, shape ``(n,)``.
        arm_growth: How much wider than the wrist the forearm (or its sleeve) becomes, shape ``(n,)``.
    """

    scale: np.ndarray
    roots: np.ndarray
    bones: np.ndarray
    radii: np.ndarray
    palm_thickness: np.ndarray
    wrist_width: np.ndarray
    wrist_thickness: np.ndarray
    arm_growth: np.ndarray

    def __len__(self) -> int:
        return len(self.scale)


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
    scale = np.clip(rng.normal(1.04, 0.11, n), 0.74, 1.36)
    finger_length = np.clip(rng.normal(1.12, 0.10, n), 0.88, 1.42)
    palm_width = np.clip(rng.normal(1.0, 0.06, n), 0.85, 1.15)
    palm_length = np.clip(rng.normal(1.02, 0.06, n), 0.85, 1.2)
    stoutness = np.clip(rng.normal(1.0, 0.09, n), 0.78, 1.28)

    roots = _ROOTS * np.stack([palm_width, palm_length, np.ones(n)], -1)[:, None] * scale[:, None, None]
    roots += rng.normal(0.0, 1.0, roots.shape)
    bones = _BONES * (scale * finger_length)[:, None, None] * rng.normal(1.0, 0.04, (n, 5, 3))
    bones[:, 0] *= rng.normal(1.0, 0.06, (n, 1))
    thickness = (scale * stoutness)[:, None, None]
    radii = _RADII * thickness * rng.normal(1.0, 0.04, (n, 5, 1))
    return HandShapes(
        scale=scale,
        roots=roots,
        bones=bones,
        radii=radii,
        palm_thickness=13.2 * scale * stoutness * rng.normal(1.0, 0.06, n),
        wrist_width=28.0 * scale * palm_width * rng.normal(1.0, 0.06, n),
        wrist_thickness=18.0 * scale * stoutness * rng.normal(1.0, 0.06, n),
        arm_growth=1.0 + np.abs(rng.normal(0.25, 0.3, n)),
    )
