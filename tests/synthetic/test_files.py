"""Rendered frames on disk, read back by the datasets' own readers."""

from __future__ import annotations

import numpy as np
import pytest

from keras_handpose import CAMERAS, ICVL16, MSRA21, Camera, crop_hand, xyz_to_uvd
from keras_handpose.datasets import ICVL, MSRA15, NYU, LabelledFrames, chirality
from keras_handpose.synthetic import write_frames


def share_of_joints_on_the_hand(dataset) -> float:
    """Share of the joints at whose pixels the hand's crop shows something."""
    covered = []
    for frame in dataset:
        crop = crop_hand(frame.depth, frame.camera, frame.joints_xyz.mean(axis=0))
        at = np.floor(crop.uv_to_crop(xyz_to_uvd(frame.joints_xyz, frame.camera)[:, :2]) + 0.5).astype(int)
        at = at[((at >= 0) & (at < 128)).all(axis=1)]
        covered += (crop.image[at[:, 1], at[:, 0]] < 1).tolist()
    return float(np.mean(covered))


def share_of_right_hands(dataset) -> float:
    return float((chirality(dataset.joints_xyz, dataset.skeleton) > 0).mean())


def palm_lengths(dataset, a: int, b: int) -> np.ndarray:
    """Distance of two joints that no bending changes, to 0.01 mm."""
    return np.linalg.norm(dataset.joints_xyz[:, a] - dataset.joints_xyz[:, b], axis=-1).round(2)


def contents(folder) -> dict:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    ("hand", "camera", "depth_scale"),
    [("right", "msra15", 1.0), ("left", "sr305", 0.125), ("left", "azure_kinect", 1.0)],
)
def test_frames_of_any_camera(tmp_path, hand, camera, depth_scale):
    options = {"camera": camera, "hand": hand, "depth_scale": depth_scale}
    dataset = LabelledFrames(write_frames(tmp_path, frames=18, seed=9, **options))
    assert len(dataset) == 18 and dataset.camera == CAMERAS[camera] and dataset.skeleton == MSRA21
    assert dataset.hand == hand and (share_of_right_hands(dataset) > 0.5) == (hand == "right")
    assert share_of_joints_on_the_hand(dataset) > 0.8
    assert len(set(palm_lengths(dataset, 0, 1).tolist())) == 18  # Another person in every frame.


def test_a_left_hand_is_a_right_hand_in_a_mirror(tmp_path):
    """For a camera whose principal point is in the middle, the same seed gives the same scene."""
    camera = Camera.from_fov(320, 240, horizontal=70)
    right, left = (
        LabelledFrames(write_frames(tmp_path / hand, frames=2, camera=camera, hand=hand, seed=1, skeleton=ICVL16))[1]
        for hand in ("right", "left")
    )
    np.testing.assert_array_equal(right.depth[:, ::-1], left.depth)
    np.testing.assert_array_equal(right.joints_xyz * [-1, 1, 1], left.joints_xyz)


def test_msra15s_files(tmp_path):
    seen = []
    dataset = MSRA15(
        write_frames(
            tmp_path, layout="msra15", frames=130, subjects=3, seed=3, progress=lambda *counts: seen.append(counts)
        )
    )
    assert seen == [(i, 130) for i in range(1, 131)]
    gestures = np.array([path.split("/")[1] for path in dataset.paths])
    for subject in ("P0", "P1", "P2"):
        _, counts = np.unique(gestures[dataset.subjects == subject], return_counts=True)
        assert len(counts) == 17 and set(counts) <= {2, 3} and counts.sum() in (43, 44)
    assert share_of_right_hands(dataset) > 0.9 and share_of_joints_on_the_hand(dataset) > 0.8
    # Subjects have hands of their own, the same ones in all their frames but for the labels' rounding.
    # Of MSRA15's joints, the little finger's last two are those that lie on one bone.
    lengths = [palm_lengths(dataset, 15, 16)[dataset.subjects == subject] for subject in ("P0", "P1", "P2")]
    assert max(np.ptp(one) for one in lengths) < 0.02 and np.ptp([one[0] for one in lengths]) > 0.3
    # Nothing but the hand and some of the forearm is in a frame.
    for frame in list(dataset)[::10]:
        rows, columns = np.nonzero(frame.depth)
        uvd = xyz_to_uvd(frame.joints_xyz, frame.camera)
        reach = 241.42 * 60 / uvd[:, 2].mean() + 2
        assert uvd[:, 0].min() - reach < columns.min() and columns.max() < uvd[:, 0].max() + reach
        assert uvd[:, 1].min() - reach < rows.min() and rows.max() < uvd[:, 1].max() + reach


def test_icvls_files(tmp_path):
    write_frames(tmp_path, layout="icvl", frames=45, subjects=3, seed=3)
    train, test = ICVL(tmp_path), ICVL(tmp_path, split="test")
    assert train.describe() == "ICVL (train: 45 frames)" and test.describe() == "ICVL (test: 5 frames)"
    assert share_of_right_hands(train) < 0.1 and share_of_joints_on_the_hand(train) > 0.8
    recordings, counts = np.unique(train.subjects, return_counts=True)
    assert counts.tolist() == [15, 15, 15]
    assert np.unique(test.subjects).tolist() == ["test_seq_1", "test_seq_2"]
    # Roots and mids are middles of bones: they are farthest from each other when the finger is straight, and how far
    # that is, is each person's own.
    people = [palm_lengths(train, 7, 8)[train.subjects == name] for name in recordings]
    longest = np.array([person.max() for person in people])
    assert (longest > 20).all() and np.diff(np.sort(longest)).min() > 0.05


def test_nyus_files(tmp_path):
    write_frames(tmp_path, layout="nyu", frames=20, subjects=2, seed=3)
    train, test = NYU(tmp_path), NYU(tmp_path, split="test")
    assert (len(train), len(test)) == (20, 2) and test.subjects.tolist() == ["1"] * 2
    assert share_of_right_hands(train) > 0.85 and share_of_joints_on_the_hand(train) > 0.8
    lengths = palm_lengths(train, 11, 12)
    assert max(np.ptp(lengths[:10]), np.ptp(lengths[10:])) < 0.02 and abs(lengths[0] - lengths[-1]) > 0.1
    np.testing.assert_allclose(palm_lengths(test, 11, 12), lengths[0], atol=0.02)
    assert not {frame.depth.tobytes() for frame in test} & {frame.depth.tobytes() for frame in train}


@pytest.mark.parametrize(("layout", "frames"), [("frames", 20), ("msra15", 36), ("icvl", 20), ("nyu", 3)])
def test_seed_decides_not_the_number_of_workers(tmp_path, layout, frames):
    one, three, other = (
        contents(write_frames(tmp_path / f"{seed}-{workers}", layout=layout, frames=frames, seed=seed, workers=workers))
        for seed, workers in ((5, 1), (5, 3), (6, 2))
    )
    assert one == three and one.keys() <= other.keys()
    assert sum(one[name] == other[name] for name in one) == 0


def test_an_interrupted_run_starts_anew(tmp_path):
    def interrupt(written: int, total: int) -> None:
        if written == 20:
            raise KeyboardInterrupt

    options = {"layout": "msra15", "frames": 40, "subjects": 2}
    with pytest.raises(KeyboardInterrupt):
        write_frames(tmp_path / "a", **options, progress=interrupt)
    assert not list(tmp_path.rglob("joint.txt"))
    assert contents(write_frames(tmp_path / "a", **options)) == contents(write_frames(tmp_path / "b", **options))
    with pytest.raises(FileExistsError, match="holds a dataset already"):
        write_frames(tmp_path / "a", **options)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"camera": "webcam"}, "`camera` must be one of msra15"),
        ({"sensor": "radar"}, "`sensor` must be one of ideal"),
        ({"hand": "both"}, "'right' or 'left'"),
        ({"frames": 0}, "`frames` must be at least 1"),
        ({"subjects": 0}, "`subjects` between 1 and that"),
        ({"subjects": 7}, "`subjects` between 1 and that. Received: frames=3, subjects=7"),
        ({"layout": "hands17"}, "`layout` must be one of frames, msra15, icvl, nyu"),
        ({"layout": "msra15", "hand": "left"}, "has its own hand"),
        ({"layout": "nyu", "camera": "nyu", "depth_scale": 0.5}, "has its own camera, depth_scale"),
        ({"depth_scale": 0.001}, "from 0.0084 to 10 mm for hands up to 550 mm away in 16 bits. Received: .*0.001"),
        ({"depth_scale": 1000}, "from 0.0084 to 10 mm .* Received: depth_scale=1000"),
        ({"layout": "msra15", "frames": 20, "subjects": 10}, "MSRA15 has 9 subjects"),
    ],
)
def test_wrong_arguments_write_nothing(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        write_frames(tmp_path / "out", **{"frames": 3, **wrong})
    assert not (tmp_path / "out").exists()
