"""Joint angles that hands take, within their limits and with the correlations between fingers."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np

from keras_handpose.synthetic.anatomy import mean_shape
from keras_handpose.synthetic.kinematics import HandAngles, finger_joints

__all__ = ["LEARNED_POSES", "PoseMix", "sample_angles"]

LEARNED_POSES = Path(__file__).with_name("learned_poses.json")
"""A mixture of normal distributions of joint angles, written by ``benchmarks/learn_poses.py``."""

_HELD_OUT = 6  # One in so many of the mixture's components is kept for tests.

# How a long finger is held: MCP and PIP flexion in degrees. The DIP joint follows the PIP joint.
_HOLDS = np.array(
    [
        [2.0, 6.0],  # straight
        [72.0, 98.0],  # curled into the fist
        [32.0, 45.0],  # relaxed
        [8.0, 85.0],  # hooked
        [68.0, 14.0],  # bent at the knuckle only
    ]
)
_HOLD_CHANCES = np.array([0.42, 0.27, 0.17, 0.07, 0.07])
# How the thumb is held: azimuth around the palm's long axis (0 beside the palm, 90 in front of it), splay away from
# that axis, MCP flexion, IP flexion, roll of the pad; degrees.
_THUMB_HOLDS = np.array(
    [
        [15.0, 52.0, 5.0, 0.0, 45.0],  # stretched away
        [30.0, 33.0, 15.0, 15.0, 45.0],  # relaxed
        [20.0, 16.0, 12.0, 12.0, 50.0],  # beside the index finger
        [78.0, 36.0, 35.0, 40.0, 30.0],  # across the fingers, as in a fist
        [68.0, 34.0, 20.0, 35.0, 30.0],  # opposed, as in a pinch
        [85.0, 28.0, 45.0, 30.0, 25.0],  # across the palm, as in counting four
    ]
)
_THUMB_CHANCES_OPEN = np.array([0.30, 0.24, 0.16, 0.06, 0.12, 0.12])
_THUMB_CHANCES_CLOSED = np.array([0.12, 0.10, 0.16, 0.40, 0.14, 0.08])

_OPPOSED = 4  # of the thumb's holds
_TRIES = 10

_MCP_LIMITS, _PIP_LIMITS, _DIP_LIMITS = (-25.0, 92.0), (-6.0, 112.0), (-12.0, 82.0)
_THUMB_LIMITS = ((-10.0, 105.0), (5.0, 68.0), (-12.0, 62.0), (-22.0, 82.0), (0.0, 80.0))
# Fingers fan out when straight and converge on the thumb's base when bent (index to little, degrees to the thumb).
_FAN = np.array([9.0, 1.0, -7.0, -15.0])
_CONVERGENCE = np.array([-3.0, 0.0, 5.0, 11.0])

_STRAIGHT, _CURLED, _RELAXED, _HOOKED, _BENT = range(5)
_AWAY, _EASY, _BESIDE, _ACROSS, _PINCH, _FOLDED = range(6)
_CROSSED = 0.05
# Gestures and grasps: holds of index to little finger, the thumb's, and how far fingers fan out (1: naturally).
_NAMED = (
    ((_STRAIGHT, _CURLED, _CURLED, _CURLED), _ACROSS, 0.3),  # pointing
    ((_STRAIGHT, _CURLED, _CURLED, _CURLED), _AWAY, 0.3),  # pointing, thumb up
    ((_STRAIGHT, _STRAIGHT, _CURLED, _CURLED), _ACROSS, 1.2),  # victory
    ((_STRAIGHT, _STRAIGHT, _CURLED, _CURLED), _ACROSS, _CROSSED),  # two fingers side by side, or crossed
    ((_STRAIGHT, _STRAIGHT, _STRAIGHT, _CURLED), _FOLDED, 0.8),  # three
    ((_CURLED, _STRAIGHT, _STRAIGHT, _STRAIGHT), _PINCH, 0.9),  # three, as in "OK"
    ((_STRAIGHT, _STRAIGHT, _STRAIGHT, _STRAIGHT), _FOLDED, 0.9),  # four
    ((_STRAIGHT, _STRAIGHT, _STRAIGHT, _STRAIGHT), _AWAY, 1.3),  # five, spread
    ((_STRAIGHT, _STRAIGHT, _STRAIGHT, _STRAIGHT), _BESIDE, 0.0),  # flat, fingers together
    ((_STRAIGHT, _CURLED, _CURLED, _STRAIGHT), _ACROSS, 0.8),  # horns
    ((_CURLED, _CURLED, _CURLED, _STRAIGHT), _AWAY, 0.8),  # calling
    ((_CURLED, _CURLED, _CURLED, _STRAIGHT), _ACROSS, 0.8),  # the little finger alone
    ((_CURLED, _CURLED, _CURLED, _CURLED), _AWAY, 0.3),  # thumb up
    ((_CURLED, _CURLED, _CURLED, _CURLED), _ACROSS, 0.3),  # fist
    ((_CURLED, _CURLED, _CURLED, _CURLED), _BESIDE, 0.3),  # fist, thumb beside it
    ((_CURLED, _CURLED, _CURLED, _CURLED), _BESIDE, 0.3),  # key grip
    ((_HOOKED, _HOOKED, _HOOKED, _HOOKED), _EASY, 0.8),  # claw
    ((_RELAXED, _RELAXED, _RELAXED, _RELAXED), _EASY, 0.6),  # at rest, or around a cylinder
    ((_RELAXED, _RELAXED, _RELAXED, _RELAXED), _PINCH, 0.9),  # around a ball
    ((_BENT, _BENT, _BENT, _BENT), _PINCH, 0.2),  # a flat pinch of all fingers
    ((_RELAXED, _RELAXED, _CURLED, _CURLED), _PINCH, 0.2),  # around a pen
)


@dataclass(frozen=True, kw_only=True)
class PoseMix:
    """What poses are drawn from, as shares that are taken relative to their sum.

    Args:
        gestures: Each finger is held in one of a few ways (straight, curled, relaxed, hooked, bent at the knuckle), and
            neighbours are often held alike.
        closing: All fingers share one degree of closing and differ a little.
        named: Gestures and grasps that people use: pointing, counting, a fist, horns, a flat hand, a claw, grips.
        contacts: The thumb's tip touches that of another finger.
        learned: A mixture of normal distributions that was learned from tracked hands.

    Raises:
        ValueError: A share is negative, or all are 0.

    Example:
        >>> PoseMix(learned=0.0).learned
        0.0
    """

    gestures: float = 0.2
    closing: float = 0.15
    named: float = 0.2
    contacts: float = 0.13
    learned: float = 0.32

    def __post_init__(self) -> None:
        if min(astuple(self)) < 0 or not 0 < sum(astuple(self)) < np.inf:
            raise ValueError(f"Shares must be at least 0, and one of them more. Received: {self}.")

    @property
    def chances(self) -> np.ndarray:
        """The shares, in their order, with a sum of 1."""
        return np.array(astuple(self)) / sum(astuple(self))


def sample_angles(n: int, rng: np.random.Generator, *, mix: PoseMix = PoseMix(), held_out: bool = False) -> HandAngles:
    """Draw hand poses within the limits of the joints.

    Args:
        n: Number of poses.
        rng: Source of randomness.
        mix: What to draw from.
        held_out: Whether the learned poses are those of the components that are kept for tests, which are in no other
            draw.

    Example:
        >>> import numpy as np
        >>> angles = sample_angles(100, np.random.default_rng(0))
        >>> bool((np.rad2deg(angles.flexion[..., 1]) <= 112.01).all())
        True
    """
    kinds = rng.choice(len(fields(mix)), n, p=mix.chances)
    poses = np.empty((n, _SIZE))
    for kind, draw in enumerate((_gestures, _closing_hands, _named, _contacts, _learned)):
        chosen = np.flatnonzero(kinds == kind)
        if len(chosen):
            poses[chosen] = draw(len(chosen), rng, held_out) if draw is _learned else draw(len(chosen), rng)
    return _angles(poses.clip(*_LIMITS))


# A pose as one row, in degrees: abduction 4, flexion 4 x 3, thumb 5, wrist 2.
_ABDUCTION, _FLEXION, _THUMB, _WRIST = slice(0, 4), slice(4, 16), slice(16, 21), slice(21, 23)
_SIZE = 23
_LIMITS = np.concatenate(
    [
        np.tile([-28.0, 28.0], (4, 1)),
        np.tile([_MCP_LIMITS, _PIP_LIMITS, _DIP_LIMITS], (4, 1)),
        np.array(_THUMB_LIMITS),
        np.array([[-60.0, 65.0], [-32.0, 22.0]]),
    ]
).T


def _angles(poses: np.ndarray) -> HandAngles:
    radians = np.deg2rad(poses)
    return HandAngles(
        abduction=radians[:, _ABDUCTION],
        flexion=radians[:, _FLEXION].reshape(-1, 4, 3),
        thumb=radians[:, _THUMB],
        wrist=radians[:, _WRIST],
    )


def _gestures(n: int, rng: np.random.Generator) -> np.ndarray:
    held = rng.choice(len(_HOLDS), (n, 4), p=_HOLD_CHANCES)
    for finger in range(1, 4):
        like_its_neighbour = rng.random(n) < 0.45
        held[like_its_neighbour, finger] = held[like_its_neighbour, finger - 1]
    bent = _HOLDS[held] + rng.normal(0.0, [9.0, 10.0], (n, 4, 2))
    return _completed(bent, rng)


def _closing_hands(n: int, rng: np.random.Generator) -> np.ndarray:
    closing = rng.beta(0.9, 1.1, (n, 1, 2))
    together = rng.random((n, 1, 1)) < 0.6
    closing = np.where(together, closing[..., :1], closing)
    each = np.clip(closing + rng.normal(0.0, 0.14, (n, 4, 2)), -0.12, 1.1)
    return _completed(each * np.array([82.0, 100.0]) + rng.normal(0.0, 4.0, (n, 4, 2)), rng)


def _named(n: int, rng: np.random.Generator) -> np.ndarray:
    names = rng.integers(len(_NAMED), size=n)
    holds, thumbs, fans = (np.array(column) for column in zip(*_NAMED, strict=True))
    bent = _HOLDS[holds[names]] + rng.normal(0.0, [7.0, 8.0], (n, 4, 2))
    poses = _completed(bent, rng, fan=fans[names][:, None] + rng.normal(0.0, 0.25, (n, 1)))
    poses[:, _THUMB] = _THUMB_HOLDS[thumbs[names]] + rng.normal(0.0, [9.0, 5.0, 8.0, 10.0, 8.0], (n, 5))
    crossed = np.flatnonzero((fans[names] == _CROSSED) & (rng.random(n) < 0.5))
    poses[crossed, 0], poses[crossed, 1] = rng.normal(-11.0, 3.0, len(crossed)), rng.normal(9.0, 3.0, len(crossed))
    poses[crossed, 4] -= rng.uniform(8.0, 18.0, len(crossed))  # The index finger lies behind the middle one, or before.
    return poses


def _contacts(n: int, rng: np.random.Generator) -> np.ndarray:
    """Bring the thumb's tip to that of another finger: of some random changes the best is kept, again and again."""
    finger = rng.choice(4, n, p=[0.45, 0.25, 0.15, 0.15])
    poses = _closing_hands(n, rng)
    alike = rng.random(n) < 0.5  # The other fingers stay out of the way, or close as well.
    poses[alike] = _gestures(int(alike.sum()), rng)
    rows = np.arange(n)
    flexed = _FLEXION.start + 3 * finger
    poses[rows, flexed], poses[rows, flexed + 1] = rng.uniform(25.0, 62.0, n), rng.uniform(20.0, 75.0, n)
    poses[rows, flexed + 2] = rng.uniform(0.0, 45.0, n)
    poses[:, _THUMB] = _THUMB_HOLDS[_OPPOSED] + rng.normal(0.0, [10.0, 6.0, 10.0, 14.0, 8.0], (n, 5))
    moved = np.concatenate([flexed[:, None] + np.arange(3), np.tile(np.arange(16, 21), (n, 1))], axis=1)
    for width in (16.0, 10.0, 6.0, 3.5):
        tries = np.repeat(poses[:, None], _TRIES, axis=1)
        changes = rng.normal(0.0, width, (n, _TRIES, moved.shape[1]))
        changes[:, 0] = 0.0
        tries[rows[:, None, None], np.arange(_TRIES)[:, None], moved[:, None]] += changes
        tries = tries.clip(*_LIMITS)
        poses = tries[rows, np.abs(_gaps(tries, finger)).argmin(axis=1)]
    return poses


def _gaps(poses: np.ndarray, finger: np.ndarray) -> np.ndarray:
    """Return the gap in mm between the thumb's tip and a finger's on a mean hand, shape ``(n, tries)``."""
    n, tries = poses.shape[:2]
    shape = mean_shape()
    joints, _ = finger_joints(shape, _angles(poses.reshape(n * tries, _SIZE)))
    tips = joints[:, :, 3].reshape(n, tries, 5, 3)
    touched = tips[np.arange(n), :, 1 + finger]
    return np.linalg.norm(touched - tips[:, :, 0], axis=-1) - (
        shape.radii[0, 0, 3] + shape.radii[0, 1 + finger, 3][:, None]
    )


def _learned(n: int, rng: np.random.Generator, held_out: bool) -> np.ndarray:
    means, factors, chances, floor = _mixture(held_out)
    component = rng.choice(len(means), n, p=chances)
    spread = np.einsum("nij,nj->ni", factors[component], rng.normal(0.0, 1.15, (n, factors.shape[2])))
    return np.rad2deg(means[component] + spread + rng.normal(0.0, floor, (n, _SIZE)))


@cache
def _mixture(held_out: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return means, factors, chances and floor of the components that are held out, or of the others."""
    document = json.loads(LEARNED_POSES.read_text(encoding="utf-8"))
    components = [c for i, c in enumerate(document["components"]) if (i % _HELD_OUT == _HELD_OUT - 1) == held_out]
    # Rare poses are drawn more often than they were tracked.
    chances = np.sqrt([c["poses"] for c in components])
    means, factors = (np.array([c[key] for c in components]) for key in ("mean", "factor"))
    return means, factors, chances / chances.sum(), document["floor"]


def _completed(bent: np.ndarray, rng: np.random.Generator, *, fan: np.ndarray | None = None) -> np.ndarray:
    """Add DIP joints, abduction, thumb and wrist to MCP and PIP flexion of shape ``(n, 4, 2)``."""
    n = len(bent)
    mcp, pip = np.clip(bent[..., 0], *_MCP_LIMITS), np.clip(bent[..., 1], *_PIP_LIMITS)
    dip = 0.62 * pip * rng.normal(1.0, 0.2, (n, 4)) + rng.normal(-2.0, 6.0, (n, 4))
    # A straight finger moves sideways freely, a bent one hardly.
    freedom = np.clip(1.0 - mcp / 80.0, 0.1, 1.0)
    if fan is None:
        fan = rng.beta(1.6, 1.6, (n, 1)) * 1.7 - 0.35
    poses = np.empty((n, _SIZE))
    poses[:, _ABDUCTION] = (
        freedom * (_FAN * fan + rng.normal(0.0, 4.0, (n, 4))) + _CONVERGENCE * np.clip(mcp, 0.0, None) / 80.0
    )
    poses[:, _FLEXION] = np.stack([mcp, pip, dip], axis=-1).reshape(n, 12)
    poses[:, _THUMB] = _thumbs(mcp + pip, rng)
    poses[:, _WRIST] = rng.normal([8.0, -4.0], [24.0, 11.0], (n, 2))
    return poses


def _thumbs(flexion_of_fingers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n = len(flexion_of_fingers)
    closed = rng.random(n) < np.clip(flexion_of_fingers[:, :2].mean(1) / 150.0, 0.0, 1.0)
    open_hold = rng.choice(len(_THUMB_HOLDS), n, p=_THUMB_CHANCES_OPEN)
    closed_hold = rng.choice(len(_THUMB_HOLDS), n, p=_THUMB_CHANCES_CLOSED)
    return _THUMB_HOLDS[np.where(closed, closed_hold, open_hold)] + rng.normal(0.0, [11.0, 6.0, 9.0, 12.0, 9.0], (n, 5))
