"""Crops to calibrate with and to judge by: the user's or rendered ones, never the same."""

from __future__ import annotations

import numpy as np
import pytest

from keras_handpose.cameras import CAMERAS, Camera
from keras_handpose.datasets import CropStore, Frame
from keras_handpose.exporting.calibration import calibration_crops, held_out_crops, pipeline_inputs
from keras_handpose.preprocessing import crop_hand
from keras_handpose.skeletons import MSRA21, NYU14, Skeleton


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> CropStore:
    """Nine crops of squares at different depths."""
    frames = [_frame(i) for i in range(9)]
    with CropStore.from_frames(tmp_path_factory.mktemp("store") / "mine.h5", frames, cube=220.0) as store:
        yield store


def test_rendered_crops_are_the_same_every_time_and_others_than_those_held_out():
    first, again, others = (
        crops(4, skeleton=NYU14, cube=300.0, size=32)
        for crops in (calibration_crops, calibration_crops, held_out_crops)
    )
    assert first.images.shape == (4, 32, 32, 1) and first.joints_unit.shape == (4, 14, 3)
    assert (first.cubes == 300).all()
    np.testing.assert_array_equal(first.images, again.images)
    assert not (first.joints_unit[:, None] == others.joints_unit).all(axis=(2, 3)).any()


def test_a_store_is_shared_out(store):
    drawn, kept = (crops(100, skeleton=MSRA21, store=store) for crops in (calibration_crops, held_out_crops))
    assert (len(drawn), len(kept)) == (4, 5)
    both = np.concatenate([drawn.joints_unit, kept.joints_unit])
    assert len(np.unique(both, axis=0)) == 9
    assert (drawn.cubes == 220).all()
    few = calibration_crops(2, skeleton=MSRA21, store=store)
    assert len(few) == 2 and np.isin(few.joints_unit, drawn.joints_unit).all()


def test_a_network_of_left_hands_is_shown_left_hands(store):
    right, left = (held_out_crops(3, skeleton=MSRA21, store=store, hand=hand) for hand in ("right", "left"))
    np.testing.assert_array_equal(left.images[:, :, ::-1], right.images)
    np.testing.assert_array_equal(left.joints_unit, right.joints_unit * np.float32([-1, 1, 1]))
    np.testing.assert_array_equal(left.centres_xyz, right.centres_xyz * [-1, 1, 1])


def test_hands_are_rendered_for_joints_that_the_renderer_does_not_know():
    mine = Skeleton(
        name="mine",
        joint_names=("elbow", "thumb"),
        landmarks=("elbow", "thumb_tip"),
        fingers={"thumb": (1,)},
        palm=(0,),
        bones=((0, 1),),
        centre_joint=0,
    )
    crops = held_out_crops(2, skeleton=mine, cube=300)
    assert crops.skeleton == mine
    np.testing.assert_array_equal(crops.images, held_out_crops(2, skeleton=MSRA21, cube=300).images)
    assert crops.joints_unit.shape == (2, 2, 3) and np.isnan(crops.joints_unit).all()


def test_what_cannot_be_calibrated_with_is_refused(store, tmp_path):
    for wanted in ({"skeleton": NYU14}, {"skeleton": MSRA21, "size": 64}):
        with pytest.raises(
            ValueError, match="must be those of the network: .*Received: .*mine.h5 with msra21 .*128 px"
        ):
            held_out_crops(2, store=store, **wanted)
    with (
        CropStore.from_frames(tmp_path / "one.h5", [_frame(0)]) as one,
        pytest.raises(ValueError, match="has one crop"),
    ):
        calibration_crops(1, skeleton=MSRA21, store=one)


@pytest.mark.parametrize("shape", [(240, 320), (128, 128), (480, 640)])
@pytest.mark.parametrize("cube", [220.0, 250.0, 300.0])
def test_a_pipeline_crops_the_very_same_images(shape, cube):
    images = held_out_crops(4, skeleton=MSRA21, cube=cube).images
    frames = list(pipeline_inputs(images, shape=shape, cube=cube))
    assert len(frames) == 4
    for image, frame in zip(images, frames, strict=True):
        np.testing.assert_allclose(_crop(frame, cube, 128), image[..., 0], rtol=0, atol=1e-6)
        assert {name: (array.shape, array.dtype.name) for name, array in frame.items()} == {
            "depth": (shape, "float32"),
            "camera": ((4,), "float32"),
            "mirror": ((), "bool"),
            "centre": ((3,), "float32"),
        }


def test_in_a_small_frame_a_crop_is_coarser():
    images = held_out_crops(2, skeleton=MSRA21).images
    for image, frame in zip(images, pipeline_inputs(images, shape=(64, 90), cube=250.0), strict=True):
        crop = _crop(frame, 250.0, 128)
        np.testing.assert_allclose(crop[1::2, 1::2], image[1::2, 1::2, 0], rtol=0, atol=1e-6)
        np.testing.assert_array_equal(crop[::2, ::2], crop[1::2, 1::2])


def _frame(i: int) -> Frame:
    depth = np.zeros(CAMERAS["msra15"].shape, np.float32)
    depth[95:146, 135:186] = 400 + 3 * i
    joints_xyz = np.random.default_rng(i).normal((0, 0, 400), 30, (21, 3))
    return Frame(depth=depth, joints_xyz=joints_xyz, camera=CAMERAS["msra15"], skeleton=MSRA21, path=f"{i}.png")


def _crop(frame: dict[str, np.ndarray], cube: float, size: int) -> np.ndarray:
    height, width = frame["depth"].shape
    fx, fy, cx, cy = frame["camera"].tolist()
    camera = Camera(width=width, height=height, fx=fx, fy=fy, cx=cx, cy=cy)
    return crop_hand(frame["depth"], camera, frame["centre"], cube=cube, size=size).image
