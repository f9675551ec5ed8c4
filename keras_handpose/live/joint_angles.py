"""How far fingers are bent."""

from __future__ import annotations

import numpy as np

from keras_handpose.skeletons import Skeleton

__all__ = ["joint_angles"]


def joint_angles(joints_xyz: np.ndarray, skeleton: Skeleton) -> dict[str, np.ndarray]:
    """Return the flexion of every joint of the fingers: the angle between the bones that meet there.

    A straight finger has 0 degrees everywhere; a right angle is 90. The first joint of a finger is measured against
    the bone that leads to it from the palm.

    Args:
        joints_xyz: Joints in any unit, shape ``(..., joints, 3)``.
        skeleton: What the joints are.

    Returns:
        Angles in degrees from 0 to 180, shape ``(...)``, by the name of the joint, thumb first and from the palm to
        the tip. They are NaN where a bone's end is, or where a bone has no length.

    Raises:
        ValueError: The joints do not have the skeleton's shape.

    Example:
        >>> from keras_handpose.skeletons import NYU14
        >>> joints_xyz = np.zeros((14, 3))
        >>> for name, point in {"index_mid": (0, -80, 0), "index_tip": (0, -80, 40)}.items():
        ...     joints_xyz[NYU14.index(name)] = point
        >>> float(joint_angles(joints_xyz, NYU14)["index_mid"])
        90.0
    """
    joints_xyz = np.asarray(joints_xyz, np.float64)
    if joints_xyz.ndim < 2 or joints_xyz.shape[-2:] != (len(skeleton), 3):
        raise ValueError(
            f"`joints_xyz` must have shape (..., {len(skeleton)}, 3) for {skeleton.name}. Received: {joints_xyz.shape}."
        )
    inner, middle, outer = np.array(_chains_of_three(skeleton), np.intp).reshape(-1, 3).T
    inwards = joints_xyz[..., middle, :] - joints_xyz[..., inner, :]
    outwards = joints_xyz[..., outer, :] - joints_xyz[..., middle, :]
    across = np.linalg.norm(np.cross(inwards, outwards), axis=-1)
    along = (inwards * outwards).sum(axis=-1)
    lengths = np.linalg.norm(inwards, axis=-1) * np.linalg.norm(outwards, axis=-1)
    # Unlike the arc cosine, this is exact for fingers that are nearly straight.
    angles = np.where(lengths > 0, np.degrees(np.arctan2(across, along)), np.nan)
    return {skeleton.joint_names[joint]: angles[..., i] for i, joint in enumerate(middle)}


def _chains_of_three(skeleton: Skeleton) -> list[tuple[int, int, int]]:
    """Return the joints before, at and after each joint of the fingers that has both."""
    triples = []
    for finger in skeleton.fingers.values():
        roots = [inner for inner, outer in skeleton.bones if outer == finger[0]]
        chain = (*roots[:1], *finger)
        triples += list(zip(chain[:-2], chain[1:-1], chain[2:], strict=True))
    return triples
