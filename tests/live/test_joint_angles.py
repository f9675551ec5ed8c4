"""How far fingers are bent, in every layout of joints."""

from __future__ import annotations

import numpy as np
import pytest

from keras_handpose.live.joint_angles import joint_angles
from keras_handpose.skeletons import ICVL16, MSRA21, NYU14, SKELETONS


def bent(degrees: float, skeleton=MSRA21, finger: str = "index") -> np.ndarray:
    """A finger of which every bone is turned by an angle against the one before it; the other joints lie apart."""
    joints_xyz = np.random.default_rng(0).uniform(-100, 100, (len(skeleton), 3))
    root = next(inner for inner, outer in skeleton.bones if outer == skeleton.fingers[finger][0])
    place, heading = joints_xyz[root], 0.3
    for joint, length in zip(skeleton.fingers[finger], (80, 40, 25, 20), strict=False):
        place = place + length * np.array([0.0, -np.cos(heading), np.sin(heading)])
        heading += np.radians(degrees)
        joints_xyz[joint] = place
    return joints_xyz


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
@pytest.mark.parametrize("degrees", [0, 1e-3, 30, 90, 135])
def test_every_joint_of_a_bent_finger_has_its_angle(skeleton, degrees):
    for finger, chain in skeleton.fingers.items():
        angles = joint_angles(bent(degrees, skeleton, finger), skeleton)
        names = [skeleton.joint_names[joint] for joint in chain[:-1]]
        np.testing.assert_allclose([angles[name] for name in names], degrees, atol=1e-5)


@pytest.mark.parametrize(("skeleton", "count"), [(MSRA21, 15), (ICVL16, 10), (NYU14, 6)])
def test_every_joint_between_two_bones_has_one_thumb_first(skeleton, count):
    names = list(joint_angles(np.zeros((len(skeleton), 3)), skeleton))
    assert len(names) == count and names[0] == skeleton.joint_names[skeleton.fingers["thumb"][0]]
    assert not {skeleton.joint_names[tip] for tip in skeleton.tips} & set(names)


def test_angles_do_not_depend_on_place_size_or_side():
    joints_xyz = bent(40)
    moved = (joints_xyz * (-1, 1, 1)) * 0.001 + 5
    for name, angle in joint_angles(joints_xyz, MSRA21).items():
        np.testing.assert_allclose(joint_angles(moved, MSRA21)[name], angle, atol=1e-6)


def test_many_hands_at_once():
    hands = np.stack([bent(10), bent(20)])[None]
    np.testing.assert_allclose(joint_angles(hands, MSRA21)["index_pip"], [[10, 20]], atol=1e-6)


def test_unknown_joints_have_unknown_angles():
    joints_xyz = bent(10)
    joints_xyz[MSRA21.index("index_tip")] = np.nan
    joints_xyz[MSRA21.index("ring_pip")] = joints_xyz[MSRA21.index("ring_mcp")]
    angles = joint_angles(joints_xyz, MSRA21)
    unknown = {name for name, angle in angles.items() if np.isnan(angle)}
    assert unknown == {"index_dip", "ring_mcp", "ring_pip"}


def test_joints_of_another_layout_are_refused():
    with pytest.raises(ValueError, match=r"shape \(\.\.\., 21, 3\) for msra21\. Received: \(14, 3\)"):
        joint_angles(np.zeros((14, 3)), MSRA21)
