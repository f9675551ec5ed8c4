"""Fingers of a mean hand that meet, and fingers that pass through each other.

A pose is one row of 23 angles in radians, in the order of `HandAngles`: abduction 4, flexion 4 x 3, thumb 5, wrist 2.
All of this is drawn thousands of times, so bones are placed in closed form: each finger bends in a plane of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from keras_handpose.synthetic.anatomy import mean_shape

__all__ = ["ANGLES_OF", "Contact", "bring_together", "gaps", "overlapping", "place_fingers"]

_NONE = 22  # An angle that moves no finger.
ANGLES_OF = np.array(
    [[16, 17, 18, 19, 20], *([finger, *range(4 + 3 * finger, 7 + 3 * finger), _NONE] for finger in range(4))]
)
"""Which angles of a row move each finger, thumb first, shape ``(5, 5)``."""

_STEPS = 4
# How willingly each angle changes: of a finger abduction and flexion, of the thumb azimuth, splay, flexion and roll.
_WILLING = np.array([[1.0, 1.0, 1.0, 1.0, 0.6], *[[0.25, 1.0, 1.0, 0.5, 0.0]] * 4])
_DEEP = 0.55  # Of the sum of two radii: flesh gives way, but not that far.


@dataclass(frozen=True, eq=False)
class Contact:
    """Where the tip of one finger touches another finger, for ``n`` hands.

    Args:
        tip: The finger whose tip it is, thumb 0 to little 4, shape ``(n,)``.
        finger: The finger that is touched.
        bone: Which of its bones, 0 to 2 from the root out.
        share: How far along that bone, 0 at its root.
        side: On which side: the direction out of the skin in the bone's frame ``x y z``, of length 1, shape ``(n, 3)``.
        facing: How much it counts whether the tip's pad faces what it touches, in mm: 0 for not at all.
    """

    tip: np.ndarray
    finger: np.ndarray
    bone: np.ndarray
    share: np.ndarray
    side: np.ndarray
    facing: np.ndarray


def place_fingers(poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bend the fingers of a mean hand: what `finger_joints` returns, faster.

    Args:
        poses: Angles in radians, shape ``(n, 23)``.

    Returns:
        Joints in mm, shape ``(n, 5, 4, 3)``, and frames of the bones, shape ``(n, 5, 3, 3, 3)``.

    Example:
        >>> import numpy as np
        >>> place_fingers(np.zeros((2, 23)))[0].shape
        (2, 5, 4, 3)
    """
    along, pad, bends = _bases(poses)
    shape, sine, cosine = mean_shape(), np.sin(bends), np.cos(bends)
    across = np.stack([along[i] * pad[j] - along[j] * pad[i] for i, j in ((1, 2), (2, 0), (0, 1))])
    along, pad = along[:, :, None], pad[:, :, None]
    forth, out = cosine * along + sine * pad, cosine * pad - sine * along
    frames = np.stack([np.broadcast_to(across[:, :, None], forth.shape), forth, out]).transpose(4, 2, 3, 1, 0)
    joints = np.empty((len(poses), 5, 4, 3))
    joints[:, :, 0] = shape.roots
    steps = (forth * shape.bones[0, ..., None]).transpose(3, 1, 2, 0)
    joints[:, :, 1:] = shape.roots[:, :, None] + steps.cumsum(axis=2)
    return joints, np.ascontiguousarray(frames)


def _bases(poses: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the fingers' y and z before they bend, shape ``(3, 5, n)``, and how far bones bend, ``(5, 3, n)``."""
    n, angles = len(poses), np.ascontiguousarray(poses.T)
    along, pad = np.zeros((2, 3, 5, n), angles.dtype)
    along[0, 1:], along[1, 1:] = np.sin(angles[:4]), np.cos(angles[:4])
    pad[2, 1:] = 1.0
    azimuth, splay, roll = angles[16], angles[17], angles[20]
    (ca, cs, cr), (sa, ss, sr) = (tuple(f(angle) for angle in (azimuth, splay, roll)) for f in (np.cos, np.sin))
    along[0, 0], along[1, 0], along[2, 0] = ca * ss, cs, sa * ss
    # The pad is `sr around - cr outwards`, of which the part along the thumb is `-cr ss`.
    pad[0, 0], pad[2, 0] = -sr * sa - cr * ca, sr * ca - cr * sa
    pad[:, 0] += cr * ss * along[:, 0]
    pad[:, 0] /= np.sqrt((pad[:, 0] ** 2).sum(axis=0))
    bends = np.zeros((5, 3, n), angles.dtype)
    bends[0, 1], bends[0, 2] = angles[18], angles[18] + angles[19]
    bends[1:] = angles[4:16].reshape(4, 3, n)
    bends[1:, 1] += bends[1:, 0]
    bends[1:, 2] += bends[1:, 1]
    return along, pad, bends


def overlapping(poses: np.ndarray) -> np.ndarray:
    """Tell in which poses the thumb and a finger, or two neighbours, pass through each other by far, shape ``(n,)``.

    Args:
        poses: Angles in radians, shape ``(n, 23)``.

    Example:
        >>> import numpy as np
        >>> pose = np.zeros((1, 23))
        >>> pose[0, 17] = 0.9  # A flat hand, its thumb stretched away
        >>> bool(overlapping(pose)[0])
        False
    """
    along, pad, bends = _bases(poses.astype(np.float32))
    shape = mean_shape()
    point = np.repeat(shape.roots[0].T.astype(np.float32)[..., None], len(poses), axis=-1)
    points = np.empty((3, 5, 6, len(poses)), np.float32)
    for bone in range(3):  # The middle of each bone and its end.
        half = np.cos(bends[:, bone]) * along + np.sin(bends[:, bone]) * pad
        half *= (shape.bones[0, :, bone, None] / 2).astype(np.float32)
        points[:, :, 2 * bone] = point + half
        points[:, :, 2 * bone + 1] = point = points[:, :, 2 * bone] + half
    squares = 0.0
    for axis in points:  # of shape (5, 6, n)
        apart = axis[_ONE, :, None] - axis[_OTHER, None]
        squares += apart * apart
    return (squares < _least_squares()[..., None]).any(axis=(0, 1, 2))


_ONE, _OTHER = np.array([(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (2, 3), (3, 4)]).T  # Fingers that can be in one place.


@cache
def _least_squares() -> np.ndarray:
    """Return the squares of the least distances of points on two fingers, shape ``(7, 6, 6)``."""
    radii = mean_shape().radii[0].astype(np.float32)
    radii = np.stack([(radii[:, 1:] + radii[:, :-1]) / 2, radii[:, 1:]], axis=-1).reshape(5, 6)
    return (_DEEP * (radii[_ONE, :, None] + radii[_OTHER, None])) ** 2


def gaps(poses: np.ndarray, contact: Contact) -> np.ndarray:
    """Return the gap between the skins in mm on the mean hand, negative where they overlap, shape ``(n,)``."""
    joints, frames = place_fingers(poses)
    touched, _, radius = _touched(joints, frames, contact)
    rows = np.arange(len(poses))
    return np.linalg.norm(joints[rows, contact.tip, 3] - touched, axis=-1) - radius


def bring_together(poses: np.ndarray, contact: Contact, limits: np.ndarray) -> np.ndarray:
    """Bend two fingers until one touches the other, by damped least squares within the limits of the joints.

    Args:
        poses: Angles in radians, shape ``(n, 23)``.
        contact: What touches what.
        limits: Least and greatest angles, shape ``(2, 23)``.

    Returns:
        Poses, shape ``(n, 23)``; see `gaps` for how well the fingers meet.

    See Also:
        `gaps`, `overlapping`.
    """
    poses = poses.copy()
    rows = np.arange(len(poses))
    columns = np.concatenate([ANGLES_OF[contact.tip], ANGLES_OF[contact.finger]], axis=1)
    willing = np.concatenate([_WILLING[contact.tip], _WILLING[contact.finger]], axis=1)
    # Joints beyond the touched bone do not move what is touched.
    willing[contact.bone < 2, 8] = 0.0
    willing[contact.bone < 1, 7] = 0.0
    facing = contact.facing[:, None]
    damping = np.diag([2.0] * 3 + [20.0] * 3)
    for _ in range(_STEPS):
        joints, frames = place_fingers(poses)
        touched, side, radius = _touched(joints, frames, contact)
        tip, pad = joints[rows, contact.tip, 3], frames[rows, contact.tip, 2, :, 2]
        error = np.concatenate([tip - touched - radius[:, None] * side, facing * (pad + side)], axis=-1)
        slopes = np.empty((len(poses), 6, 10))
        for part, finger, point, direction in (
            (slice(0, 5), contact.tip, tip, pad),
            (slice(5, 10), contact.finger, touched + radius[:, None] * side, side),
        ):
            axes, centres = _axes(joints, frames, finger)
            sign = 1.0 if part.start == 0 else -1.0
            slopes[:, :3, part] = sign * np.cross(axes, point[:, None] - centres).transpose(0, 2, 1)
            slopes[:, 3:, part] = facing[..., None] * np.cross(axes, direction[:, None]).transpose(0, 2, 1)
        weighted = slopes * willing[:, None]
        step = np.linalg.solve(weighted @ slopes.transpose(0, 2, 1) + damping, error[..., None])
        change = (weighted.transpose(0, 2, 1) @ step)[..., 0].clip(-0.5, 0.5)
        moved = poses[rows[:, None], columns] - change
        poses[rows[:, None], columns] = moved.clip(limits[0, columns], limits[1, columns])
    return poses


def _touched(joints: np.ndarray, frames: np.ndarray, contact: Contact) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the touched points in a bone's middle, the directions out of it, and the sums of both radii."""
    rows, radii = np.arange(len(joints)), mean_shape().radii[0]
    near, far = joints[rows, contact.finger, contact.bone], joints[rows, contact.finger, contact.bone + 1]
    point = near + contact.share[:, None] * (far - near)
    side = (frames[rows, contact.finger, contact.bone] @ contact.side[..., None])[..., 0]
    near, far = radii[contact.finger, contact.bone], radii[contact.finger, contact.bone + 1]
    return point, side, radii[contact.tip, 3] + near + contact.share * (far - near)


def _axes(joints: np.ndarray, frames: np.ndarray, finger: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return axes about which the angles in `ANGLES_OF` turn a finger, and points on them, shapes ``(n, 5, 3)``."""
    rows = np.arange(len(joints))
    of_finger, frame = joints[rows, finger], frames[rows, finger]
    axes, centres = np.zeros((2, len(joints), 5, 3))
    axes[:, 0, 2] = -1.0
    axes[:, 1:4] = frame[..., 0]
    centres[:, 0] = of_finger[:, 0]
    centres[:, 1:4] = of_finger[:, :3]
    thumbs = finger == 0
    along = frame[thumbs, 0, :, 1]
    outwards = along * [1.0, 0.0, 1.0]
    outwards /= np.linalg.norm(outwards, axis=-1, keepdims=True)
    axes[thumbs, 0] = [0.0, -1.0, 0.0]
    axes[thumbs, 1] = np.cross([0.0, 1.0, 0.0], outwards)
    axes[thumbs, 2], axes[thumbs, 3], axes[thumbs, 4] = frame[thumbs, 1, :, 0], frame[thumbs, 2, :, 0], along
    centres[thumbs, 1] = of_finger[thumbs, 0]
    centres[thumbs, 2:4] = of_finger[thumbs, 1:3]
    centres[thumbs, 4] = of_finger[thumbs, 0]
    return axes, centres
