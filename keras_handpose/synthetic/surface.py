"""The skin: a closed surface swept by spheres.

Every finger, the palm, the ball of the thumb, the webs and the forearm are swept by spheres whose centres and radii are
interpolated between a few control points. The spheres lie so close (at most half a radius apart) that their union is
smooth to within a few tenths of a millimetre. Interpolation is linear, so one constant weight matrix makes the
surface of any number of hands: ``spheres = weights @ control_points``.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from keras_handpose.synthetic.anatomy import FINGERS, HandShapes
from keras_handpose.synthetic.kinematics import PosedHands

__all__ = ["count_spheres", "cover_with_spheres"]

_LONG_FINGERS = FINGERS[1:]
_ARM_STATIONS = np.array([0.0, 60.0, 190.0, 340.0])  # mm from the wrist, the last one beyond the elbow
# The palm is hollow in the middle: mm towards its inner side and thickness of the metacarpals, index to little finger.
_HOLLOW = np.array([0.5, -1.5, -1.5, 0.5])
_PALM = np.array([0.98, 0.94, 0.94, 0.92])
# Where the points at the carpus lie between the wrist's sides, index to little finger.
_CARPUS = np.linspace(0.62, -0.86, 4)
# How much thinner bones are than joints, from the root out.
_SLENDER = np.array([0.042, 0.07, 0.07])
# Pad and end of a finger, on the radial and ulnar side each: offset and radius as shares of the tip's radius.
_TIPS = np.array([[0.22, 0.0, 0.16, 0.93], [-0.22, 0.0, 0.16, 0.93], [0.2, 0.0, 0.05, 0.86], [-0.2, 0.0, 0.05, 0.86]])
_FULL_GROWTH = 190.0  # mm from the wrist to where the forearm is broadest


def cover_with_spheres(
    shapes: HandShapes,
    posed: PosedHands,
    *,
    arm: bool = True,
    rotations: np.ndarray | None = None,
    shifts: np.ndarray | None = None,
) -> np.ndarray:
    """Cover posed hands with spheres.

    Args:
        shapes, posed: ``n`` hands.
        arm: Whether a forearm hangs on the hand.
        rotations, shifts: Where to bring the spheres from the hand's frame, shapes ``(n, 3, 3)`` and ``(n, 3)``, both
            or neither; by default they stay there.

    Returns:
        Centres and radii ``x y z r`` in mm, float32, shape ``(n, spheres, 4)``.

    Example:
        >>> import numpy as np
        >>> from keras_handpose.synthetic import pose_hands, sample_angles, sample_shapes
        >>> rng = np.random.default_rng(0)
        >>> shapes = sample_shapes(1, rng)
        >>> cover_with_spheres(shapes, pose_hands(shapes, sample_angles(1, rng))).shape[-1]
        4
    """
    weights = _weights(arm)
    points = _control_points(shapes, posed)
    # The control points, being fewer, are moved instead of the spheres.
    if rotations is not None and shifts is not None:
        moved = np.einsum("nij,cnj->cni", rotations.astype(np.float32), points[..., :3], optimize=False)
        points[..., :3] = moved + shifts.astype(np.float32)
    spheres = weights @ points.reshape(len(points), -1)
    return np.ascontiguousarray(spheres.reshape(len(weights), len(shapes), 4).swapaxes(0, 1))


def count_spheres(*, arm: bool = True) -> int:
    """Return how many spheres make a hand; those of the forearm come last.

    Example:
        >>> count_spheres(arm=False) < count_spheres()
        True
    """
    return len(_weights(arm))


def _control_points(shapes: HandShapes, posed: PosedHands) -> np.ndarray:
    """Return ``x y z r`` of the points of `_NAMES`, float32, shape ``(points, n, 4)``."""
    scale, palm = shapes.scale[:, None], shapes.palm_thickness[:, None]
    joints = np.concatenate([posed.joints, shapes.radii[..., None]], axis=-1)
    roots = joints[:, 1:, 0]

    # Between the joints fingers are a little thinner; the tip is broad and flat, with its pad on the palm's side.
    middles = 0.5 * (joints[:, :, 1:] + joints[:, :, :-1])
    middles[..., 3] *= 1.0 - shapes.knuckles[:, None, None] * _SLENDER
    tips = np.stack([0.68 * joints[:, :, 3] + 0.32 * joints[:, :, 2], joints[:, :, 3]], axis=2).repeat(2, axis=2)
    tips[..., :3] += shapes.radii[:, :, 3, None, None] * (_TIPS[:, :3] @ posed.frames[:, :, 2].swapaxes(-1, -2))
    tips[..., 3] = shapes.radii[:, :, 3, None] * _TIPS[:, 3]

    # The palm: a row of four points at the carpus, one in the middle of the metacarpals, one at the MCP joints.
    carpus = np.empty_like(roots)
    carpus[..., 0] = _CARPUS * (shapes.wrist_width - 0.55 * shapes.wrist_thickness)[:, None]
    carpus[..., 1] = -8.0 * scale
    carpus[..., 2] = 1.5 * scale
    carpus[..., 3] = 1.02 * palm
    metacarpals = 0.5 * (carpus + roots)
    metacarpals[..., 2] += _HOLLOW * scale
    metacarpals[..., 3] = _PALM * palm

    # Ball of the thumb and of the little finger, webs between the fingers and from the thumb to the index finger.
    thumb_root, thumb_knuckle = joints[:, 0, 0], joints[:, 0, 1]
    thenar = 0.55 * thumb_root + 0.45 * thumb_knuckle
    thenar[:, 2] += 2.0 * shapes.scale
    thenar[:, 3] = 1.08 * thumb_root[:, 3]
    hypothenar = 0.55 * carpus[:, 3] + 0.45 * roots[:, 3]
    hypothenar[:, 2] += 4.5 * shapes.scale
    hypothenar[:, 3] = 0.95 * shapes.palm_thickness
    knuckles = joints[:, 1:, 1]
    webs = 0.31 * (roots[:, :3] + roots[:, 1:]) + 0.19 * (knuckles[:, :3] + knuckles[:, 1:])
    webs[..., 3] = 0.55 * roots[:, 1:, 3]
    thumb_webs = np.stack(
        [
            0.78 * roots[:, 0] + 0.22 * carpus[:, 0],
            0.35 * roots[:, 0] + 0.65 * carpus[:, 0],
            0.85 * thumb_knuckle + 0.15 * thumb_root,
        ],
        axis=1,
    )
    thumb_webs[:, :2, 3] = 0.62 * palm
    thumb_webs[:, 2, 3] = 0.55 * thumb_knuckle[:, 3]

    # The forearm, broader than thick: two rows of points along its sides.
    growth = 1.0 + (shapes.arm_growth[:, None] - 1.0) * np.minimum(_ARM_STATIONS / _FULL_GROWTH, 1.0)
    radius = shapes.wrist_thickness[:, None] * growth
    side = np.maximum(shapes.wrist_width[:, None] * growth - radius, 1.0)[..., None] * posed.arm[:, None, :, 0]
    middle = -posed.arm[:, None, :, 1] * ((_ARM_STATIONS + 14.0) * scale)[..., None]
    middle[..., 0] -= 3.0 * scale
    arm = np.empty((len(shapes), len(_ARM_STATIONS), 2, 4))
    arm[:, :, 0, :3], arm[:, :, 1, :3], arm[..., 3] = middle + side, middle - side, radius[..., None]

    groups = (joints, middles, tips, carpus, metacarpals, thenar, hypothenar, webs, thumb_webs, arm)
    points = np.concatenate([group.reshape(len(shapes), -1, 4) for group in groups], axis=1)
    return np.ascontiguousarray(points.swapaxes(0, 1), np.float32)


_NAMES = (
    *(f"{finger}_{joint}" for finger in FINGERS for joint in range(4)),
    *(f"{finger}_middle_{bone}" for finger in FINGERS for bone in range(3)),
    *(f"{finger}_{part}_{side}" for finger in FINGERS for part in ("pad", "end") for side in ("radial", "ulnar")),
    *(f"{row}_{finger}" for row in ("carpus", "metacarpal") for finger in _LONG_FINGERS),
    *("thenar", "hypothenar", *(f"web_{finger}" for finger in _LONG_FINGERS[:-1])),
    *("thumb_web_far", "thumb_web_near", "thumb_web_edge"),
    *(f"arm_{side}_{station}" for station in range(len(_ARM_STATIONS)) for side in ("radial", "ulnar")),
)
"""Control points in their order."""


@cache
def _weights(arm: bool) -> np.ndarray:
    rows: list[np.ndarray] = []

    def sheet(near: tuple[str, str], far: tuple[str, str], along: int, across: int) -> None:
        """Interpolate between the edge ``near`` and the edge ``far``, both ends included."""
        for s in np.linspace(0.0, 1.0, along):
            for t in np.linspace(0.0, 1.0, across):
                row = np.zeros(len(_NAMES))
                for (a, b), share in ((near, 1.0 - s), (far, s)):
                    row[_NAMES.index(a)] += share * (1.0 - t)
                    row[_NAMES.index(b)] += share * t
                rows.append(row)

    def chain(a: str, b: str, count: int) -> None:
        sheet((a, a), (b, b), count, 1)

    for finger in FINGERS:
        for bone, count in enumerate((7, 5, 4)):
            chain(f"{finger}_{bone}", f"{finger}_middle_{bone}", count)
            if bone < 2:
                chain(f"{finger}_middle_{bone}", f"{finger}_{bone + 1}", count)
        pad, end = ((f"{finger}_{part}_radial", f"{finger}_{part}_ulnar") for part in ("pad", "end"))
        sheet((f"{finger}_middle_2", f"{finger}_middle_2"), pad, 3, 2)
        sheet(pad, end, 3, 2)
        chain(f"{finger}_middle_2", f"{finger}_3", 5)
    for a, b in zip(_LONG_FINGERS[:-1], _LONG_FINGERS[1:], strict=True):
        sheet((f"carpus_{a}", f"carpus_{b}"), (f"metacarpal_{a}", f"metacarpal_{b}"), 7, 4)
        sheet((f"metacarpal_{a}", f"metacarpal_{b}"), (f"{a}_0", f"{b}_0"), 7, 4)
        chain(f"{a}_0", f"web_{a}", 4)
        chain(f"{b}_0", f"web_{a}", 4)
    chain("carpus_index", "thumb_0", 6)
    chain("thumb_0", "thenar", 4)
    chain("thenar", "thumb_1", 4)
    sheet(("carpus_index", "thenar"), ("metacarpal_middle", "metacarpal_index"), 4, 4)
    sheet(("thumb_web_near", "thumb_0"), ("thumb_web_far", "thumb_web_edge"), 8, 7)
    chain("carpus_little", "hypothenar", 5)
    chain("hypothenar", "little_0", 7)
    hand = np.unique(np.array(rows), axis=0)
    rows.clear()
    sheet(("arm_ulnar_0", "arm_radial_0"), ("carpus_little", "carpus_index"), 4, 4)
    for station, count in ((0, 8), (1, 14), (2, 15)):
        here, beyond = [(f"arm_ulnar_{s}", f"arm_radial_{s}") for s in (station, station + 1)]
        sheet(here, beyond, count, 3)
    # The last station comes last: the end of the forearm.
    forearm = np.array(list(dict.fromkeys(map(tuple, rows))))
    return np.concatenate([hand, forearm] if arm else [hand]).astype(np.float32)
