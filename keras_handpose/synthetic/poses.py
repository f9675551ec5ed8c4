"""Joint angles that hands take, within their limits and with the correlations between fingers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["HandAngles", "sample_angles"]

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

_MCP_LIMITS, _PIP_LIMITS, _DIP_LIMITS = (-25.0, 92.0), (-6.0, 112.0), (-12.0, 82.0)
# Fingers fan out when straight and converge on the thumb's base when bent (index to little, degrees to the thumb).
_FAN = np.array([9.0, 1.0, -7.0, -15.0])
_CONVERGENCE = np.array([-3.0, 0.0, 5.0, 11.0])


@dataclass(frozen=True)
class HandAngles:
    """Joint angles of ``n`` hands, in radians.

    Attributes:
        abduction: MCP abduction to the thumb's side, index to little, shape ``(n, 4)``.
        flexion: Flexion of MCP, PIP and DIP joints, index to little, shape ``(n, 4, 3)``.
        thumb: Azimuth, splay, MCP flexion, IP flexion and roll of the thumb, shape ``(n, 5)``.
        wrist: Flexion towards the palm and deviation to the thumb's side of the hand against the forearm, ``(n, 2)``.
    """

    abduction: np.ndarray
    flexion: np.ndarray
    thumb: np.ndarray
    wrist: np.ndarray

    def __len__(self) -> int:
        return len(self.abduction)


def sample_angles(n: int, rng: np.random.Generator) -> HandAngles:
    """Draw hand poses: half of them gestures, half of them hands that close and open as one.

    In a gesture each finger is held in one of a few ways (straight, curled, relaxed, hooked, bent at the knuckle), and
    neighbours are often held alike. Otherwise all fingers share one degree of closing and differ a little. The thumb
    crosses the fingers more often when these are closed.

    Args:
        n: Number of poses.
        rng: Source of randomness.

    Example:
        >>> import numpy as np
        >>> angles = sample_angles(100, np.random.default_rng(0))
        >>> bool((np.rad2deg(angles.flexion[..., 1]) <= 112.01).all())
        True
    """
    gesture = rng.random(n) < 0.5
    flexion = np.where(gesture[:, None, None], _gestures(n, rng), _closing_hands(n, rng))
    mcp = np.clip(flexion[..., 0], *_MCP_LIMITS)
    pip = np.clip(flexion[..., 1], *_PIP_LIMITS)
    dip = np.clip(0.62 * pip * rng.normal(1.0, 0.2, (n, 4)) + rng.normal(-2.0, 6.0, (n, 4)), *_DIP_LIMITS)

    # A straight finger moves sideways freely, a bent one hardly.
    freedom = np.clip(1.0 - mcp / 80.0, 0.1, 1.0)
    fan = rng.beta(1.6, 1.6, (n, 1)) * 1.7 - 0.35
    abduction = freedom * (_FAN * fan + rng.normal(0.0, 4.0, (n, 4))) + _CONVERGENCE * np.clip(mcp, 0.0, None) / 80.0

    thumb = _thumbs(mcp + pip, rng)
    wrist = np.clip(rng.normal([8.0, -4.0], [24.0, 11.0], (n, 2)), [-60.0, -32.0], [65.0, 22.0])
    return HandAngles(
        abduction=np.deg2rad(abduction),
        flexion=np.deg2rad(np.stack([mcp, pip, dip], -1)),
        thumb=np.deg2rad(thumb),
        wrist=np.deg2rad(wrist),
    )


def _gestures(n: int, rng: np.random.Generator) -> np.ndarray:
    held = rng.choice(len(_HOLDS), (n, 4), p=_HOLD_CHANCES)
    for finger in range(1, 4):
        like_its_neighbour = rng.random(n) < 0.45
        held[like_its_neighbour, finger] = held[like_its_neighbour, finger - 1]
    return _HOLDS[held] + rng.normal(0.0, [9.0, 10.0], (n, 4, 2))


def _closing_hands(n: int, rng: np.random.Generator) -> np.ndarray:
    closing = rng.beta(0.9, 1.1, (n, 1, 2))
    together = rng.random((n, 1, 1)) < 0.6
    closing = np.where(together, closing[..., :1], closing)
    each = np.clip(closing + rng.normal(0.0, 0.14, (n, 4, 2)), -0.12, 1.1)
    return each * np.array([82.0, 100.0]) + rng.normal(0.0, 4.0, (n, 4, 2))


def _thumbs(flexion_of_fingers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n = len(flexion_of_fingers)
    closed = rng.random(n) < np.clip(flexion_of_fingers[:, :2].mean(1) / 150.0, 0.0, 1.0)
    open_hold = rng.choice(len(_THUMB_HOLDS), n, p=_THUMB_CHANCES_OPEN)
    closed_hold = rng.choice(len(_THUMB_HOLDS), n, p=_THUMB_CHANCES_CLOSED)
    thumb = _THUMB_HOLDS[np.where(closed, closed_hold, open_hold)]
    thumb = thumb + rng.normal(0.0, [11.0, 6.0, 9.0, 12.0, 9.0], (n, 5))
    return np.clip(thumb, [-10.0, 5.0, -12.0, -22.0, 0.0], [105.0, 68.0, 62.0, 82.0, 80.0])
