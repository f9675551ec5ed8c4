"""Things that hands hold: pens, bottles, balls, boxes, phones and cups, fitted between the fingers and the palm.

Everything here is in the hand's own frame in mm. Nothing is solved for contact: among a few places along the way from
the palm to the finger tips, a thing stands where the flesh leaves it the room it needs, sunk into it by a mm or two.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from keras_handpose.synthetic.anatomy import HandShapes
from keras_handpose.synthetic.kinematics import PosedHands
from keras_handpose.synthetic.solids import box, cylinder, ellipsoid, frame_along

__all__ = ["HELD", "hold"]

_SUNK = 2.0  # mm by which skin gives way
_PINCH = 50.0  # mm between the tips of thumb and index finger, up to which they can hold a pen
_ALONG = np.repeat(np.array([0.35, 0.5, 0.65, 0.8, 1.0]), 4)[:, None]
_AWAY = np.tile(np.array([0.0, 12.0, 26.0, 42.0]), 5)[:, None] * [[0.0, 0.0, 1.0]]


class _Grasp:
    """The flesh of one hand, and the middle of what it closes around."""

    def __init__(self, shapes: HandShapes, posed: PosedHands, index: int) -> None:
        self.joints, radii = posed.joints[index], shapes.radii[index]
        self.thick = float(shapes.palm_thickness[index])
        self.palm = 0.55 * self.joints[1:, 0].mean(axis=0) + [0.0, 0.0, self.thick]
        self.tips = 0.5 * self.joints[0, 3] + 0.5 * self.joints[1:4, 3].mean(axis=0)
        fingers = np.concatenate([self.joints, 0.5 * (self.joints[:, 1:] + self.joints[:, :-1])], axis=1)
        thickness = np.concatenate([radii, 0.5 * (radii[:, 1:] + radii[:, :-1])], axis=1)
        inner = self.joints[1:, 0] * np.array([0.25, 0.6])[:, None, None]
        self.points = np.concatenate([fingers.reshape(-1, 3), inner.reshape(-1, 3)])
        self.radii = np.concatenate([thickness.ravel(), np.full(8, self.thick)])

    def fit(self, axis: np.ndarray | None, radius: float) -> tuple[np.ndarray, float]:
        """Return where a bar along an axis (a ball without one) fits best, and how thick it can be there."""
        middles = self.palm + _ALONG * (self.tips - self.palm) + _AWAY
        away = self.points - middles[:, None]
        if axis is not None:
            away -= (away @ axis)[..., None] * axis
        room = (np.sqrt((away**2).sum(-1)) - self.radii).min(axis=1)
        reach = np.sqrt(((middles - self.tips) ** 2).sum(-1)) + np.sqrt(((middles - self.palm) ** 2).sum(-1))
        best = int(np.argmin(np.abs(room - radius) + 0.6 * reach))
        return middles[best], float(np.clip(room[best] + _SUNK, 4.0, radius))


def _pen(grasp: _Grasp, rng: np.random.Generator) -> np.ndarray:
    thumb, index = grasp.joints[0, 3], grasp.joints[1, 3]
    if np.linalg.norm(thumb - index) > _PINCH:
        return _bar(grasp, rng, thickness=(3.5, 9.0), length=(90.0, 280.0))
    pinch = 0.5 * (thumb + index)
    web = 0.5 * (grasp.joints[0, 1] + grasp.joints[1, 0])  # where a pen rests while it writes
    axis = web - pinch + rng.normal(0.0, 14.0, 3)
    axis /= np.linalg.norm(axis)
    length = rng.uniform(90.0, 170.0)
    radius = rng.uniform(3.0, 6.5)
    return cylinder(
        pinch + axis * (0.5 * length - rng.uniform(12.0, 45.0)),
        frame_along(axis, np.array([0.0, 0.0, 1.0])),
        [radius, 0.5 * length, radius],
    )[None]


def _across(rng: np.random.Generator) -> np.ndarray:
    """Direction of a bar that fingers close around: across the palm, the little finger's end nearer to the wrist."""
    axis = np.array([1.0, 0.25, 0.15]) + rng.normal(0.0, 0.22, 3)
    return axis / np.linalg.norm(axis)


def _bar(
    grasp: _Grasp, rng: np.random.Generator, *, thickness: tuple[float, float], length: tuple[float, float]
) -> np.ndarray:
    axis = _across(rng)
    middle, radius = grasp.fit(axis, rng.uniform(*thickness))
    half = 0.5 * rng.uniform(*length)
    middle = middle + axis * rng.uniform(-0.5, 0.5) * half
    return cylinder(middle, frame_along(axis, np.array([0.0, 0.0, 1.0])), [radius, half, radius])[None]


def _bottle(grasp: _Grasp, rng: np.random.Generator) -> np.ndarray:
    body = _bar(grasp, rng, thickness=(14.0, 40.0), length=(85.0, 230.0))
    if rng.random() < 0.5:
        return body
    neck = body.copy()
    radius, half = body[0, 13], body[0, 14]
    longer = rng.uniform(10.0, 35.0)
    neck[0, 1:4] += neck[0, 7:10] * (half + longer)
    neck[0, 13:] = [0.42 * radius, longer, 0.42 * radius]
    shoulder = ellipsoid(body[0, 1:4] + body[0, 7:10] * half, np.eye(3), [radius] * 3)[None]
    return np.concatenate([body, neck, shoulder])


def _ball(grasp: _Grasp, rng: np.random.Generator) -> np.ndarray:
    middle, radius = grasp.fit(None, rng.uniform(12.0, 42.0))
    return ellipsoid(middle, np.eye(3), np.full(3, radius) * rng.uniform(0.9, 1.1, 3))[None]


def _box(grasp: _Grasp, rng: np.random.Generator) -> np.ndarray:
    axis = _across(rng)
    middle, radius = grasp.fit(axis, rng.uniform(10.0, 38.0))
    half = [radius * rng.uniform(0.6, 1.0), rng.uniform(20.0, 75.0), radius * rng.uniform(0.6, 1.0)]
    return box(middle, frame_along(axis, rng.normal(0.0, 1.0, 3)), half)[None]


def _slab(grasp: _Grasp, rng: np.random.Generator) -> np.ndarray:
    """A phone or book that lies on the palm, along the fingers or across."""
    half = np.array([rng.uniform(28.0, 45.0), rng.uniform(55.0, 85.0), rng.uniform(3.0, 9.0)])
    middle = grasp.palm * [1.0, 1.0, 0.0] + [rng.normal(0.0, 8.0), rng.uniform(5.0, 45.0), 0.95 * grasp.thick + half[2]]
    turn = rng.normal(0.0, 0.35) + (0.0 if rng.random() < 0.7 else 0.5 * np.pi)
    up = np.array([rng.normal(0.0, 0.1), rng.normal(-0.05, 0.1), 1.0])
    return box(middle, frame_along(np.array([np.sin(turn), np.cos(turn), 0.0]), up), half)[None]


def _cup(grasp: _Grasp, rng: np.random.Generator) -> np.ndarray:
    body = _bar(grasp, rng, thickness=(26.0, 44.0), length=(65.0, 115.0))
    middle, half = body[0, 1:4], body[0, 14]
    if rng.random() < 0.4:
        return body
    # The handle stands on the side away from the palm.
    out = middle - grasp.palm
    out = out - (out @ body[0, 7:10]) * body[0, 7:10]
    size = np.linalg.norm(out)
    if size < 1.0:
        return body
    axes = frame_along(out / size, body[0, 7:10])
    handle = cylinder(middle + out / size * body[0, 13], axes[:, [1, 0, 2]], [24.0, 4.5, 0.55 * half])
    return np.concatenate([body, handle[None]])


HELD: dict[str, Callable[[_Grasp, np.random.Generator], np.ndarray]] = {
    "pen": _pen,
    "bottle": _bottle,
    "ball": _ball,
    "box": _box,
    "slab": _slab,
    "cup": _cup,
}
"""What hands hold, by name."""


def hold(
    shapes: HandShapes, posed: PosedHands, index: int, rng: np.random.Generator, *, thing: str | None = None
) -> np.ndarray:
    """Put a thing of random size into a posed hand.

    Args:
        shapes, posed: Hands.
        index: Which of them.
        rng: Source of randomness.
        thing: One of `HELD`; drawn by default.

    Returns:
        `solids` in the hand's frame in mm, shape ``(solids, 16)``.

    Example:
        >>> import numpy as np
        >>> from keras_handpose.synthetic import pose_hands, sample_angles, sample_shapes
        >>> rng = np.random.default_rng(0)
        >>> shapes = sample_shapes(1, rng)
        >>> hold(shapes, pose_hands(shapes, sample_angles(1, rng)), 0, rng, thing="ball").shape
        (1, 16)
    """
    name = thing if thing is not None else tuple(HELD)[rng.integers(len(HELD))]
    if name not in HELD:
        raise ValueError(f"`thing` must be one of {', '.join(HELD)}. Received: {name!r}.")
    return HELD[name](_Grasp(shapes, posed, index), rng)
