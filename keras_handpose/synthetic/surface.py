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

__all__ = ["cover_with_spheres"]

_LONG_FINGERS = FINGERS[1:]
_ARM_STATIONS = (0.0, 60.0, 190.0, 400.0)  # mm from the wrist, the last one beyond the elbow
_FULL_GROWTH = 190.0  # mm from the wrist to where the forearm is broadest


def cover_with_spheres(shapes: HandShapes, posed: PosedHands, *, arm: bool = True) -> np.ndarray:
    """Cover posed hands with spheres.

    Args:
        shapes, posed: ``n`` hands.
        arm: Whether a forearm hangs on the hand.

    Returns:
        Centres and radii ``x y z r`` in mm in the hand's frame, shape ``(n, spheres, 4)``.

    Example:
        >>> import numpy as np
        >>> from keras_handpose.synthetic import pose_hands, sample_angles, sample_shapes
        >>> rng = np.random.default_rng(0)
        >>> shapes = sample_shapes(1, rng)
        >>> cover_with_spheres(shapes, pose_hands(shapes, sample_angles(1, rng))).shape[-1]
        4
    """
    control = _control_points(shapes, posed)
    weights = _weights(arm)
    points = np.stack([control[name] for name in _control_names()], axis=1)
    return (weights @ points).astype(np.float32)


def _control_points(shapes: HandShapes, posed: PosedHands) -> dict[str, np.ndarray]:
    """Name -> ``x y z r``, shape ``(n, 4)``."""
    joints = np.concatenate([posed.joints, shapes.radii[..., None]], axis=-1)
    control = {f"{finger}_{k}": joints[:, i, k] for i, finger in enumerate(FINGERS) for k in range(4)}

    # The palm: a row of four points at the carpus, one in the middle of the metacarpals, one at the MCP joints.
    carpus_x = np.linspace(0.62, -0.86, 4)
    for i, finger in enumerate(_LONG_FINGERS):
        carpus = np.stack(
            [
                carpus_x[i] * (shapes.wrist_width - 0.55 * shapes.wrist_thickness),
                -8.0 * shapes.scale,
                1.5 * shapes.scale,
                1.02 * shapes.palm_thickness,
            ],
            axis=-1,
        )
        middle = 0.5 * (carpus + control[f"{finger}_0"])
        middle[:, 2] += 0.5 * shapes.scale
        middle[:, 3] = shapes.palm_thickness * (1.0 if finger != "little" else 0.92)
        control[f"carpus_{finger}"] = carpus
        control[f"metacarpal_{finger}"] = middle

    # Ball of the thumb and of the little finger, webs between the fingers and from the thumb to the index finger.
    ball = 0.55 * control["thumb_0"] + 0.45 * control["thumb_1"]
    ball[:, 3] = 1.02 * control["thumb_0"][:, 3]
    control["thenar"] = ball
    hypothenar = 0.55 * control["carpus_little"] + 0.45 * control["little_0"]
    hypothenar[:, 2] += 4.5 * shapes.scale
    hypothenar[:, 3] = shapes.palm_thickness * 0.95
    control["hypothenar"] = hypothenar
    for a, b in zip(_LONG_FINGERS[:-1], _LONG_FINGERS[1:], strict=True):
        web = 0.33 * (control[f"{a}_0"] + control[f"{b}_0"]) + 0.17 * (control[f"{a}_1"] + control[f"{b}_1"])
        web[:, 3] = 0.58 * control[f"{b}_0"][:, 3]
        control[f"web_{a}"] = web
    for name, share in (("thumb_web_far", 0.78), ("thumb_web_near", 0.35)):
        web = share * control["index_0"] + (1 - share) * control["carpus_index"]
        web[:, 3] = 0.62 * shapes.palm_thickness
        control[name] = web
    edge = 0.85 * control["thumb_1"] + 0.15 * control["thumb_0"]
    edge[:, 3] = 0.55 * control["thumb_1"][:, 3]
    control["thumb_web_edge"] = edge

    # The forearm, broader than thick: two rows of points along its sides.
    for station, distance in enumerate(_ARM_STATIONS):
        growth = 1.0 + (shapes.arm_growth - 1.0) * min(distance / _FULL_GROWTH, 1.0)
        radius = shapes.wrist_thickness * growth
        half_width = np.maximum(shapes.wrist_width * growth - radius, 1.0)
        middle = -posed.arm[:, :, 1] * ((distance + 14.0) * shapes.scale)[:, None]
        middle[:, 0] -= 3.0 * shapes.scale
        for side, sign in (("radial", 1.0), ("ulnar", -1.0)):
            point = middle + sign * posed.arm[:, :, 0] * half_width[:, None]
            control[f"arm_{side}_{station}"] = np.concatenate([point, radius[:, None]], axis=-1)
    return control


@cache
def _control_names() -> tuple[str, ...]:
    names = [f"{finger}_{k}" for finger in FINGERS for k in range(4)]
    names += [f"{row}_{finger}" for row in ("carpus", "metacarpal") for finger in _LONG_FINGERS]
    names += ["thenar", "hypothenar", *(f"web_{finger}" for finger in _LONG_FINGERS[:-1])]
    names += ["thumb_web_far", "thumb_web_near", "thumb_web_edge"]
    names += [f"arm_{side}_{station}" for station in range(len(_ARM_STATIONS)) for side in ("radial", "ulnar")]
    return tuple(names)


@cache
def _weights(arm: bool) -> np.ndarray:
    rows: list[np.ndarray] = []

    def sheet(near: tuple[str, str], far: tuple[str, str], along: int, across: int) -> None:
        """Interpolate between the edge ``near`` and the edge ``far``, both ends included."""
        for s in np.linspace(0.0, 1.0, along):
            for t in np.linspace(0.0, 1.0, across):
                row = np.zeros(len(_control_names()))
                for (a, b), share in ((near, 1.0 - s), (far, s)):
                    row[_control_names().index(a)] += share * (1.0 - t)
                    row[_control_names().index(b)] += share * t
                rows.append(row)

    def chain(a: str, b: str, count: int) -> None:
        sheet((a, a), (b, b), count, 1)

    for finger in FINGERS:
        for bone, count in enumerate((12, 9, 9)):
            chain(f"{finger}_{bone}", f"{finger}_{bone + 1}", count)
    for a, b in zip(_LONG_FINGERS[:-1], _LONG_FINGERS[1:], strict=True):
        sheet((f"carpus_{a}", f"carpus_{b}"), (f"metacarpal_{a}", f"metacarpal_{b}"), 7, 4)
        sheet((f"metacarpal_{a}", f"metacarpal_{b}"), (f"{a}_0", f"{b}_0"), 7, 5)
        chain(f"{a}_0", f"web_{a}", 4)
        chain(f"{b}_0", f"web_{a}", 4)
    chain("carpus_index", "thumb_0", 6)
    chain("thumb_0", "thenar", 4)
    chain("thenar", "thumb_1", 4)
    sheet(("carpus_index", "thenar"), ("metacarpal_middle", "metacarpal_index"), 4, 4)
    sheet(("thumb_web_near", "thumb_0"), ("thumb_web_far", "thumb_web_edge"), 8, 7)
    chain("carpus_little", "hypothenar", 5)
    chain("hypothenar", "little_0", 7)
    if arm:
        sheet(("arm_ulnar_0", "arm_radial_0"), ("carpus_little", "carpus_index"), 4, 4)
        for station, count in ((0, 6), (1, 10), (2, 14)):
            here, beyond = [(f"arm_ulnar_{s}", f"arm_radial_{s}") for s in (station, station + 1)]
            sheet(here, beyond, count, 3)
    return np.unique(np.array(rows), axis=0)
