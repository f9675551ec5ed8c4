"""Joint layouts: sizes, trees, and the way from one to another."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from keras_handpose import ICVL16, MSRA21, NYU14, SKELETONS, convert_joints, corresponding_joints

ALL = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda skeleton: skeleton.name)


@ALL
def test_bones_make_one_tree_over_all_joints(skeleton):
    assert len(skeleton.bones) == len(skeleton) - 1
    reached = {skeleton.bones[0][0]}
    for _ in skeleton.bones:
        reached |= {b for a, b in skeleton.bones if a in reached} | {a for a, b in skeleton.bones if b in reached}
    assert reached == set(range(len(skeleton)))


@ALL
def test_every_joint_is_on_one_finger_or_in_the_palm(skeleton):
    joints = [*skeleton.palm, *(joint for finger in skeleton.fingers.values() for joint in finger)]
    assert sorted(joints) == list(range(len(skeleton)))
    assert list(skeleton.fingers) == ["thumb", "index", "middle", "ring", "little"]
    assert all(skeleton.joint_names[tip].endswith("_tip") for tip in skeleton.tips)


@ALL
def test_layouts_survive_pickling_and_do_not_change(skeleton):
    mine = replace(skeleton, name="mine", fingers={"thumb": skeleton.fingers["thumb"]})
    for layout in (skeleton, mine):
        assert pickle.loads(pickle.dumps(layout)) == layout
    assert mine != skeleton
    with pytest.raises(TypeError):
        skeleton.fingers["thumb"] = ()


def test_orders_of_the_datasets():
    assert MSRA21.joint_names[:5] == ("wrist", "index_mcp", "index_pip", "index_dip", "index_tip")
    assert MSRA21.joint_names[-4:] == ("thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip")
    assert ICVL16.joint_names[:5] == ("palm", "thumb_root", "thumb_mid", "thumb_tip", "index_root")
    assert NYU14.joint_names[:2] == ("little_tip", "little_mid")
    assert NYU14.joint_names[8:] == ("thumb_tip", "thumb_mid", "thumb_root", "wrist_left", "wrist_right", "palm")
    assert [skeleton.joint_names[skeleton.centre_joint] for skeleton in (MSRA21, ICVL16, NYU14)] == [
        "middle_mcp",
        "palm",
        "palm",
    ]


@ALL
def test_conversion_to_itself_changes_nothing(skeleton):
    joints = np.random.default_rng(0).normal(size=(3, len(skeleton), 3))
    np.testing.assert_array_equal(convert_joints(joints, skeleton, skeleton), joints)


def test_conversion_keeps_what_corresponds_and_marks_the_rest():
    joints = np.arange(63.0, dtype=np.float32).reshape(21, 3)
    converted = convert_joints(joints, MSRA21, NYU14)
    assert converted.dtype == np.float32
    np.testing.assert_array_equal(converted[NYU14.index("index_tip")], joints[MSRA21.index("index_tip")])
    np.testing.assert_array_equal(converted[NYU14.index("thumb_root")], joints[MSRA21.index("thumb_mcp")])
    unknown = [name for name, row in zip(NYU14.joint_names, converted, strict=True) if np.isnan(row).all()]
    assert unknown == ["wrist_left", "wrist_right", "palm"]


@pytest.mark.parametrize(
    ("source", "target", "shared"), [(MSRA21, ICVL16, 15), (MSRA21, NYU14, 11), (ICVL16, NYU14, 12)]
)
def test_number_of_shared_joints(source, target, shared):
    from_indices, to_indices = corresponding_joints(source, target)
    assert len(from_indices) == len(to_indices) == shared
    back_to, back_from = corresponding_joints(target, source)
    assert set(zip(from_indices, to_indices, strict=True)) == set(zip(back_from, back_to, strict=True))


def test_errors():
    with pytest.raises(ValueError, match=r"shape \(\.\.\., 21, 3\).*Received: \(16, 3\)"):
        convert_joints(np.zeros((16, 3)), MSRA21, ICVL16)
    with pytest.raises(ValueError, match="no joint 'elbow'"):
        MSRA21.index("elbow")
