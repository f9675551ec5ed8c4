"""What is around hands: sleeves and watches on the forearm, walls and bodies behind, other things beside and before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from keras_handpose.synthetic.anatomy import HandShapes
from keras_handpose.synthetic.kinematics import PosedHands
from keras_handpose.synthetic.solids import box, cylinder, ellipsoid, frame_along

__all__ = ["BESIDE", "body", "put_beside", "sample_walls", "sleeve", "watch"]

_WRIST = 14.0  # mm from the middle of the carpus to where the forearm starts
_ARM_LENGTH = 350.0
_AHEAD = 70.0  # mm by which things beside a hand may reach nearer to the camera than it


def sleeve(shapes: HandShapes, posed: PosedHands, index: int, rng: np.random.Generator) -> np.ndarray:
    """Pull a sleeve over a forearm: wider than it, with a sharp edge 0 to 120 mm from the wrist.

    Returns:
        `solids` in the hand's frame in mm, shape ``(2, 16)``: the cuff and what bulges behind it.
    """
    cuff = rng.uniform(0.0, 120.0)
    behind = cuff + rng.uniform(15.0, 90.0)
    growth = max(1.1, min(float(shapes.arm_growth[index]), 1.6))
    wide = growth * rng.uniform([1.05, 1.1], [1.45, 1.6])
    wider = wide * rng.uniform(1.03, 1.2)
    return np.stack(
        [
            _around_arm(shapes, posed, index, cuff, _ARM_LENGTH, wide),
            _around_arm(shapes, posed, index, behind, _ARM_LENGTH, wider),
        ]
    )


def watch(shapes: HandShapes, posed: PosedHands, index: int, rng: np.random.Generator) -> np.ndarray:
    """Put a bracelet or a watch on a wrist.

    Returns:
        `solids` in the hand's frame in mm, shape ``(1 or 2, 16)``: the band and, on the back, the watch.
    """
    place = rng.uniform(0.0, 35.0)
    growth = 1.0 + (shapes.arm_growth[index] - 1.0) * place / 190.0
    wider = growth * rng.uniform(1.06, 1.22, 2)
    band = _around_arm(shapes, posed, index, place, place + rng.uniform(5.0, 24.0), wider)
    if rng.random() < 0.4:
        return band[None]
    arm = posed.arm[index]
    axes = np.stack([arm[:, 1], -arm[:, 2], -arm[:, 0]], axis=-1)  # The watch's own y points away from the skin.
    size = rng.uniform(14.0, 23.0)
    face = rng.choice([box, cylinder])(band[1:4] + axes[:, 1] * band[15], axes, [size, rng.uniform(3.0, 8.0), size])
    return np.stack([band, face])


def _around_arm(
    shapes: HandShapes, posed: PosedHands, index: int, start: float, end: float, wider: np.ndarray
) -> np.ndarray:
    """Return a tube between two distances from the wrist in mm, so many times as wide and as thick as the wrist."""
    scale, arm = shapes.scale[index], posed.arm[index]
    centre = -arm[:, 1] * (_WRIST + 0.5 * (start + end)) * scale - np.array([3.0 * scale, 0.0, 0.0])
    half = [shapes.wrist_width[index] * wider[0], 0.5 * (end - start) * scale, shapes.wrist_thickness[index] * wider[1]]
    return cylinder(centre, arm, half)


def sample_walls(hands: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Draw planes close behind some hands: tables, walls, a chest.

    Args:
        hands: Spheres in camera space, shape ``(n, spheres, 4)``.
        share: Share of the hands with a plane behind.
        rng: Source of randomness.

    Returns:
        Planes ``a b c d`` with ``a x + b y + c z = d`` and ``c > 0``, shape ``(n, 4)``; NaN for none.
    """
    n = len(hands)
    lean = np.tan(np.clip(rng.normal(0.0, np.deg2rad(22.0), (n, 2)), -0.9, 0.9))
    normal = np.concatenate([lean, np.ones((n, 1))], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    there = rng.random(n) < share
    gap = rng.exponential(70.0, n) + 3.0
    planes = np.full((n, 4), np.nan)
    for i in np.flatnonzero(there):
        reach = float((hands[i, :, :3] @ normal[i].astype(np.float32) + hands[i, :, 3]).max())
        planes[i] = [*normal[i], reach + gap[i]]
    return planes


def body(hand: np.ndarray, elbow: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Put somebody 30 to 250 mm behind a hand, to whom the elbow is connected or not.

    Args:
        hand: Spheres of the hand in camera space in mm, shape ``(spheres, 4)``.
        elbow: The elbow in camera space in mm, shape ``(3,)``.
        rng: Source of randomness.

    Returns:
        `solids` in camera space in mm, shape ``(2 or 3, 16)``: torso, head and perhaps the upper arm.
    """
    scale = rng.uniform(0.75, 1.1)
    lean, turn = rng.normal(0.0, 0.25), rng.normal(0.0, 0.5)
    up = np.array([np.sin(lean), -np.cos(lean), 0.0])
    axes = frame_along(up, np.array([np.sin(turn), 0.0, -np.cos(turn)]))
    torso = scale * np.array([rng.uniform(150.0, 210.0), 290.0, rng.uniform(95.0, 140.0)])
    head = scale * np.array([78.0, 118.0, 98.0])
    front = hand[:, :3].mean(axis=0) + [rng.normal(0.0, 60.0), rng.normal(0.0, 80.0), 0.0]
    front[2] = (hand[:, 2] + hand[:, 3]).max() + 30.0 + min(rng.exponential(70.0), 220.0)
    # What is right behind the hand: the chest, or for a third the face.
    to_head = up * (torso[1] + 0.75 * head[1])
    middle = front + [0.0, 0.0, head[2]] - to_head if rng.random() < 0.33 else front + [0.0, 0.0, torso[2]]
    parts = [ellipsoid(middle, axes, torso), ellipsoid(middle + to_head, axes, head)]
    if rng.random() < 0.6:
        side = np.sign((elbow - middle) @ axes[:, 0]) or 1.0
        shoulder = middle + axes[:, 0] * side * torso[0] * 0.9 + up * 0.7 * torso[1]
        bone = elbow - shoulder
        length = np.linalg.norm(bone)
        thick = rng.uniform(36.0, 58.0)
        frame = frame_along(bone / length, np.array([0.0, 0.0, -1.0]))
        parts.append(ellipsoid(shoulder + 0.5 * bone, frame, [thick, 0.6 * length, thick]))
    return np.stack(parts)


def _table(rng: np.random.Generator) -> np.ndarray:
    """A table top below the hand, seen from its edge."""
    axes = frame_along(np.array([rng.normal(0.0, 0.15), -1.0, rng.normal(0.0, 0.2)]), np.array([0.0, 0.0, -1.0]))
    return box(np.zeros(3), axes, [500.0, rng.uniform(8.0, 60.0), rng.uniform(60.0, 300.0)])[None]


def _block(rng: np.random.Generator) -> np.ndarray:
    axes = frame_along(rng.normal(0.0, 1.0, 3), rng.normal(0.0, 1.0, 3))
    return box(np.zeros(3), axes, rng.uniform(12.0, 80.0, 3))[None]


def _mug(rng: np.random.Generator) -> np.ndarray:
    axes = frame_along(np.array([0.0, -1.0, 0.0]) + rng.normal(0.0, 0.3, 3), np.array([0.0, 0.0, -1.0]))
    radius, half = rng.uniform(18.0, 45.0), rng.uniform(40.0, 110.0)
    return cylinder(np.zeros(3), axes, [radius, half, radius])[None]


def _cable(rng: np.random.Generator) -> np.ndarray:
    """A cable in five straight pieces."""
    radius = rng.uniform(1.5, 5.0)
    direction = rng.normal(0.0, 1.0, 3)
    ends = [np.zeros(3)]
    for _ in range(5):
        direction = direction / np.linalg.norm(direction) + rng.normal(0.0, 0.35, 3)
        ends.append(ends[-1] + direction * 45.0)
    pieces = []
    for a, b in zip(ends[:-1], ends[1:], strict=True):
        frame = frame_along(b - a, np.array([0.1, 0.2, 1.0]))
        pieces.append(cylinder(0.5 * (a + b), frame, [radius, 0.5 * float(np.linalg.norm(b - a)) + radius, radius]))
    solids = np.stack(pieces)
    solids[:, 1:4] -= solids[:, 1:4].mean(axis=0)
    return solids


def _finger_or_arm(rng: np.random.Generator) -> np.ndarray:
    """A stretched finger or a bare forearm without its hand."""
    thick = rng.uniform(8.0, 40.0)
    axes = frame_along(rng.normal(0.0, 1.0, 3), np.array([0.0, 0.0, -1.0]))
    return ellipsoid(np.zeros(3), axes, [thick, rng.uniform(4.0, 8.0) * thick, 0.8 * thick])[None]


BESIDE: dict[str, tuple[Callable[[np.random.Generator], np.ndarray], tuple[float, float, float]]] = {
    "table": (_table, (0.0, 1.0, 0.15)),
    "block": (_block, (0.0, 0.0, 0.0)),
    "mug": (_mug, (0.0, 0.0, 0.0)),
    "cable": (_cable, (0.0, 0.0, 0.0)),
    "limb": (_finger_or_arm, (0.0, 0.0, 0.0)),
}
"""Things beside hands by name: what makes one around the origin, and the direction from the hand, zeros for any."""


def put_beside(hand: np.ndarray, rng: np.random.Generator, *, thing: str | None = None) -> np.ndarray:
    """Put a thing beside, below, behind or before a hand without touching it.

    Args:
        hand: Spheres of the hand in camera space in mm, shape ``(spheres, 4)``.
        rng: Source of randomness.
        thing: One of `BESIDE`; drawn by default.

    Returns:
        `solids` in camera space in mm, shape ``(solids, 16)``.

    Example:
        >>> import numpy as np
        >>> put_beside(np.array([[0, 0, 400, 50.0]]), np.random.default_rng(0), thing="block").shape
        (1, 16)
    """
    name = thing if thing is not None else tuple(BESIDE)[rng.integers(len(BESIDE))]
    if name not in BESIDE:
        raise ValueError(f"`thing` must be one of {', '.join(BESIDE)}. Received: {name!r}.")
    make, fixed = BESIDE[name]
    solids = make(rng)
    direction = np.array(fixed) + rng.normal(0.0, [1.0, 1.0, 0.45]) * (0.15 if any(fixed) else 1.0)
    direction[2] = min(max(direction[2], -0.35), 0.9)
    direction /= np.sqrt(direction @ direction)
    # No part of the thing reaches over the plane that bounds the hand on this side.
    bound = float((hand[:, :3] @ direction + hand[:, 3]).max()) + rng.exponential(25.0) + 2.0
    own = solids[:, 4:13].reshape(-1, 3, 3) @ direction * solids[:, 13:]
    nearest = float((solids[:, 1:4] @ direction - np.abs(own).sum(axis=1)).min())
    aside = hand[:, :3].mean(axis=0) + rng.normal(0.0, 35.0, 3)
    aside += direction * (bound - nearest - aside @ direction)
    solids[:, 1:4] += aside.astype(np.float32)
    # Nor does it hang right before the camera, where it would hide everything: then it slides back along that plane.
    ahead = solids[:, 3] - np.abs(solids[:, 4:13].reshape(-1, 3, 3)[:, :, 2] * solids[:, 13:]).sum(axis=1)
    back = max(0.0, float((hand[:, 2] - hand[:, 3]).min()) - _AHEAD - float(ahead.min()))
    slide = np.array([0.0, 0.0, 1.0]) - direction[2] * direction
    solids[:, 1:4] += (back / slide[2] * slide).astype(np.float32)
    return solids
