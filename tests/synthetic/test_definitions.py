"""Joints lie where the datasets place them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keras_handpose import HAND56, ICVL16, MSRA21, NYU14, corresponding_joints
from keras_handpose.synthetic import LANDMARKS, landmarks_to_joints, pose_hands, sample_angles, sample_shapes

# Root-mean-square distances of MSRA15's labels in mm, as published with its statistics.
MSRA15_MM = {
    ("wrist", "index_mcp"): 62.1,
    ("index_mcp", "index_pip"): 27.7,
    ("index_pip", "index_dip"): 20.8,
    ("index_dip", "index_tip"): 18.8,
    ("wrist", "middle_mcp"): 66.9,
    ("middle_mcp", "middle_pip"): 32.7,
    ("wrist", "ring_mcp"): 69.7,
    ("ring_mcp", "ring_pip"): 28.7,
    ("wrist", "little_mcp"): 72.2,
    ("little_mcp", "little_pip"): 20.8,
    ("little_pip", "little_dip"): 12.9,
    ("little_dip", "little_tip"): 13.9,
    ("wrist", "thumb_cmc"): 26.1,
    ("thumb_cmc", "thumb_mcp"): 24.6,
    ("thumb_mcp", "thumb_ip"): 19.8,
    ("thumb_ip", "thumb_tip"): 19.8,
}


@pytest.fixture(scope="module")
def landmarks():
    rng = np.random.default_rng(0)
    return pose_hands(sample_shapes(4000, rng), sample_angles(4000, rng)).landmarks


def test_msra15s_bones_are_as_long_as_published(landmarks):
    joints = landmarks_to_joints(landmarks, MSRA21)
    # Joints that are not at the bends see bent fingers shorter than they are.
    for (a, b), expected in MSRA15_MM.items():
        length = np.linalg.norm(joints[:, MSRA21.index(a)] - joints[:, MSRA21.index(b)], axis=-1)
        assert np.sqrt((length**2).mean()) == pytest.approx(expected, abs=3), (a, b)


def test_icvls_joints_are_the_middles_of_bones(landmarks):
    centres, joints = landmarks_to_joints(landmarks, HAND56), landmarks_to_joints(landmarks, ICVL16)
    for finger, chain in ICVL16.fingers.items():
        bones = centres[:, HAND56.fingers[finger]]
        np.testing.assert_allclose(joints[:, chain], (bones[:, 1:] + bones[:, :-1]) / 2, atol=1e-9)


def test_tips_of_msra15_and_nyu_are_the_same(landmarks):
    msra, nyu = landmarks_to_joints(landmarks, MSRA21), landmarks_to_joints(landmarks, NYU14)
    np.testing.assert_array_equal(msra[:, MSRA21.tips], nyu[:, NYU14.tips])


@pytest.mark.parametrize("skeleton", [MSRA21, ICVL16, NYU14, HAND56], ids=lambda skeleton: skeleton.name)
def test_the_joints_of_all_layouts_are_among_those_of_hand56(landmarks, skeleton):
    assert HAND56.joint_names == LANDMARKS
    indices, found = corresponding_joints(HAND56, skeleton)
    assert found.tolist() == list(range(len(skeleton)))
    np.testing.assert_array_equal(landmarks[:, indices], landmarks_to_joints(landmarks, skeleton))


def test_joints_that_the_hand_has_not(landmarks):
    other = replace(NYU14, name="other", landmarks=("sixth_finger_tip", *NYU14.landmarks[1:]))
    with pytest.raises(ValueError, match="has no such joints. Received: other, little_tip"):
        landmarks_to_joints(landmarks, other)
