"""Forward kinematics: from shapes and joint angles to landmarks in the hand's frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_handpose.skeletons import HAND56, Skeleton, corresponding_joints
from keras_handpose.synthetic.anatomy import FINGERS, HandShapes
from keras_handpose.synthetic.definitions import DEFINITIONS, Along

__all__ = [
    "LANDMARKS",
    "HandAngles",
    "PosedHands",
    "finger_joints",
    "landmark_indices",
    "landmarks_to_joints",
    "pose_hands",
]

LANDMARKS = HAND56.joint_names
"""What the kinematics places: anatomical landmarks, the first 21 of which are the joints' centres in `MSRA21`'s order,
then the joints that a dataset places elsewhere, ``layout:joint``."""


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


@dataclass(frozen=True)
class PosedHands:
    """Joints and local frames of ``n`` posed right hands, in the hand's own frame.

    Attributes:
        joints: Joints of the fingers from the root to the tip in mm, shape ``(n, 5, 4, 3)``.
        frames: Rotations of the three bones a finger, shape ``(n, 5, 3, 3, 3)``; columns are the bone's x, y, z.
        landmarks: `LANDMARKS` in mm, shape ``(n, len(LANDMARKS), 3)``.
        arm: Rotation of the forearm, shape ``(n, 3, 3)``; its ``-y`` points to the elbow.
    """

    joints: np.ndarray
    frames: np.ndarray
    landmarks: np.ndarray
    arm: np.ndarray


def pose_hands(shapes: HandShapes, angles: HandAngles) -> PosedHands:
    """Bend hands.

    Args:
        shapes: ``n`` hands.
        angles: ``n`` poses.

    Example:
        >>> import numpy as np
        >>> from keras_handpose.synthetic.anatomy import sample_shapes
        >>> from keras_handpose.synthetic import sample_angles
        >>> rng = np.random.default_rng(0)
        >>> pose_hands(sample_shapes(2, rng), sample_angles(2, rng)).landmarks.shape
        (2, 56, 3)
    """
    joints, frames = finger_joints(shapes, angles)
    arm = _rotation(angles.wrist[:, 1], axis=2) @ _rotation(-angles.wrist[:, 0], axis=0)
    return PosedHands(joints=joints, frames=frames, landmarks=_landmarks(joints, shapes, arm), arm=arm)


def finger_joints(shapes: HandShapes, angles: HandAngles) -> tuple[np.ndarray, np.ndarray]:
    """Bend fingers alone: `PosedHands.joints` and `PosedHands.frames`.

    Args:
        shapes: ``n`` hands, or one for all poses.
        angles: ``n`` poses.
    """
    n = len(angles)
    bases = np.empty((n, 5, 3, 3))
    bases[:, 0] = _thumb_base(angles.thumb)
    bases[:, 1:] = _rotation(-angles.abduction, axis=2)
    bends = np.empty((n, 5, 3))
    bends[:, 0] = np.concatenate([np.zeros((n, 1)), angles.thumb[:, 2:4]], -1)
    bends[:, 1:] = angles.flexion
    bend_matrices = _rotation(bends, axis=0)

    joints = np.empty((n, 5, 4, 3))
    frames = np.empty((n, 5, 3, 3, 3))
    joints[:, :, 0] = shapes.roots
    frame = bases
    for bone in range(3):
        frame = frame @ bend_matrices[:, :, bone]
        frames[:, :, bone] = frame
        joints[:, :, bone + 1] = joints[:, :, bone] + frame[..., :, 1] * shapes.bones[:, :, bone, None]
    return joints, frames


def landmarks_to_joints(landmarks: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Pick a skeleton's joints, shape ``(..., joints, 3)``, from landmarks of shape ``(..., len(LANDMARKS), 3)``.

    A joint lies where its dataset places it (`DEFINITIONS`), otherwise on the anatomical landmark that it stands for.

    Raises:
        ValueError: The hand has no such landmark.

    Example:
        >>> import numpy as np
        >>> from keras_handpose.skeletons import NYU14
        >>> landmarks_to_joints(np.zeros((2, len(LANDMARKS), 3)), NYU14).shape
        (2, 14, 3)
    """
    return landmarks[..., landmark_indices(skeleton), :]


def landmark_indices(skeleton: Skeleton) -> list[int]:
    """Return where in `LANDMARKS` a skeleton's joints are."""
    indices, joints = corresponding_joints(HAND56, skeleton)
    if len(joints) < len(skeleton):
        unknown = [name for i, name in enumerate(skeleton.joint_names) if i not in joints]
        raise ValueError(f"The rendered hand has no such joints. Received: {skeleton.name}, {', '.join(unknown)}.")
    return indices.tolist()


def _landmarks(joints: np.ndarray, shapes: HandShapes, arm: np.ndarray) -> np.ndarray:
    n = len(shapes)
    wrist = np.zeros((n, 3))
    across = arm[:, :, 0] * shapes.wrist_width[:, None] * 0.8
    carpus = wrist - arm[:, :, 1] * (12.0 * shapes.scale)[:, None]
    named = {
        "wrist": wrist,
        "palm": 0.5 * joints[:, 2, 0] + 0.25 * joints[:, 4, 0],
        # Named as they appear in front of the camera with the palm to it and the fingers up.
        "wrist_left": carpus - across,
        "wrist_right": carpus + across,
    }
    for i, finger in enumerate(FINGERS):
        parts = ("cmc", "mcp", "ip", "tip") if finger == "thumb" else ("mcp", "pip", "dip", "tip")
        named.update({f"{finger}_{part}": joints[:, i, k] for k, part in enumerate(parts)})
    for layout, table in DEFINITIONS.items():
        for joint, place in table.items():
            if isinstance(place, Along):
                near, far = joints[:, FINGERS.index(place.finger), place.bone : place.bone + 2].transpose(1, 0, 2)
                named[f"{layout}:{joint}"] = near + place.share * (far - near)
            else:
                named[f"{layout}:{joint}"] = place.xyz * shapes.scale[:, None]
    return np.stack([named[name] for name in LANDMARKS], axis=1)


def _thumb_base(thumb: np.ndarray) -> np.ndarray:
    """Frame of the thumb's metacarpal from azimuth, splay and roll, shape ``(n, 3, 3)``."""
    azimuth, splay, roll = thumb[:, 0], thumb[:, 1], thumb[:, 4]
    zero = np.zeros_like(azimuth)
    outwards = np.stack([np.cos(azimuth), zero, np.sin(azimuth)], -1)
    along = outwards * np.sin(splay)[:, None]
    along[:, 1] = np.cos(splay)
    around = np.stack([-np.sin(azimuth), zero, np.cos(azimuth)], -1)
    pad = np.sin(roll)[:, None] * around - np.cos(roll)[:, None] * outwards
    pad -= (pad * along).sum(-1, keepdims=True) * along
    pad /= np.linalg.norm(pad, axis=-1, keepdims=True)
    return np.stack([np.cross(along, pad), along, pad], axis=-1)


def _rotation(angle: np.ndarray, *, axis: int) -> np.ndarray:
    """Rotation matrices about x (0), y (1) or z (2), shape ``(*angle.shape, 3, 3)``."""
    matrix = np.zeros((*angle.shape, 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix[..., axis, axis] = 1.0
    matrix[..., i, i] = matrix[..., j, j] = cosine
    matrix[..., j, i] = sine
    matrix[..., i, j] = -sine
    return matrix
