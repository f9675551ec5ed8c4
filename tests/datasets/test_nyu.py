"""NYU: what is written is read, and the original first test frame with its 36 joints is the referee."""

from __future__ import annotations

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from made_frames import DATA, assert_same, made_frame, needs_data
from scipy.io import loadmat, savemat

from keras_handpose import NYU14, xyz_to_uvd
from keras_handpose.datasets import ICVL, NYU, write_nyu
from keras_handpose.datasets.nyu import NYU_EVALUATED, NYU_FRAMES_OF_SUBJECT_1

PATHS = [f"test/depth_1_{i:07d}.png" for i in (1, 2, 3)]
FRAMES = [made_frame(NYU, path, seed, whole_mm=True) for seed, path in enumerate(PATHS)]


@pytest.fixture
def folder(tmp_path):
    return write_nyu(tmp_path / "nyu", FRAMES, split="test")


def test_what_is_written_is_read(folder):
    dataset = NYU(folder, split="test")
    assert_same(dataset, FRAMES, within_mm=1e-4)
    assert dataset.subjects.tolist() == ["1"] * 3 and dataset[0].depth.dtype == np.uint16
    assert dataset.describe() == "NYU (test, view 1: 3 frames)"


def test_the_36_joints_are_filled(folder):
    content = loadmat(folder / "test/joint_data.mat")
    xyz, uvd = content["joint_xyz"], content["joint_uvd"]
    assert xyz.shape == uvd.shape == (1, 3, 36, 3) and np.isfinite(xyz).all() and (xyz[..., 2] > 0).all()
    np.testing.assert_allclose(uvd[0, 1, NYU_EVALUATED], xyz_to_uvd(FRAMES[1].joints_xyz, NYU.camera))
    np.testing.assert_array_equal(xyz[0, 0, [1, 2, 33]], xyz[0, 0, [0, 0, 32]])


@needs_data
@pytest.mark.parametrize("view", [1, 2])
def test_the_original_frame(tmp_path, view):
    """Labels made of the published u v d by the dataset's own factors; the frame's bytes are the original ones."""
    uvd = np.loadtxt(DATA / "nyu/joint_uvd_1_0000001.txt")
    x = (uvd[:, 0] / 640 - 0.5) * uvd[:, 2] * 1.08836710
    y = (0.5 - uvd[:, 1] / 480) * uvd[:, 2] * 0.817612648
    annotated = np.zeros((3, 1, 36, 3))
    annotated[view - 1, 0] = np.stack([x, y, uvd[:, 2]], axis=-1)
    (tmp_path / "test").mkdir()
    savemat(tmp_path / "test/joint_data.mat", {"joint_xyz": annotated})
    shutil.copy(DATA / "nyu/depth_1_0000001.png", tmp_path / f"test/depth_{view}_0000001.png")

    dataset = NYU(tmp_path, split="test", view=view)
    frame = dataset[0]
    assert frame.path == f"test/depth_{view}_0000001.png" and frame.hand == "right" and frame.depth.max() == 2001
    projected = xyz_to_uvd(frame.joints_xyz, frame.camera)
    np.testing.assert_allclose(projected, uvd[list(NYU_EVALUATED)], atol=0.01)
    # Joints lie within the hand: behind the surface seen at their pixels, by less than the thickness of a palm.
    column, row = np.floor(projected[:, :2] + 0.5).astype(int).T
    fingers = [joint for finger in NYU14.fingers.values() for joint in finger]
    behind = (projected[:, 2] - frame.depth[row, column])[fingers]
    assert np.median(behind) > 0 and (np.abs(behind) < 40).mean() > 0.8
    # The reader's frame, written, has the original's very pixels.
    write_nyu(tmp_path / "copy", [replace(frame, path="")], split="train")
    written = cv2.imread(str(tmp_path / "copy/train/depth_1_0000001.png"), cv2.IMREAD_UNCHANGED)
    original = cv2.imread(str(DATA / "nyu/depth_1_0000001.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(written, original)


def test_test_frames_are_of_two_subjects(folder, monkeypatch):
    assert NYU_FRAMES_OF_SUBJECT_1 == 2440
    monkeypatch.setattr("keras_handpose.datasets.nyu.NYU_FRAMES_OF_SUBJECT_1", 2)
    assert NYU(folder, split="test").subjects.tolist() == ["1", "1", "2"]
    assert set(NYU(write_nyu(folder, FRAMES)).subjects) == {""}


def with_labels(**content):
    def damage(folder):
        savemat(folder / "test/joint_data.mat", content)

    return damage


def cut_to(length):
    def damage(folder):
        labels = folder / "test/joint_data.mat"
        labels.write_bytes(labels.read_bytes()[:length])

    return damage


XYZ = np.full((1, 3, 36, 3), 500.0)
NAN_IN_FRAME_2 = np.where(np.arange(3)[:, None, None] == 1, np.nan, XYZ)
BEHIND = np.where(np.arange(36)[:, None] == 32, -XYZ, XYZ)


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (
            with_labels(joint_uvd=XYZ),
            ValueError,
            "joint_data.mat must hold the numbers joint_xyz.*Received: no joint_xyz",
        ),
        (with_labels(joint_xyz=XYZ[0]), ValueError, r"must hold.*shape \(3, 36, 3\)"),
        (with_labels(joint_xyz=XYZ.astype(complex)), ValueError, "must hold.*joint_xyz of complex128"),
        (with_labels(joint_xyz=NAN_IN_FRAME_2), ValueError, "view 1, frame 2: joints must be finite.*1 frames"),
        (with_labels(joint_xyz=BEHIND), ValueError, "view 1, frame 1: joints must be .* z > 0.*3 frames"),
        *((cut_to(n), ValueError, "joint_data.mat is not a MATLAB file.*damaged") for n in (0, 4, 90, 150, 1000)),
        (lambda folder: (folder / "test/joint_data.mat").unlink(), FileNotFoundError, "no label file .*joint_data.mat"),
        (lambda folder: (folder / PATHS[2]).unlink(), FileNotFoundError, f"no frame .*{PATHS[2]}, though .*1 of 3"),
    ],
)
def test_damaged_labels_are_named(folder, damage, error, message):
    damage(folder)
    with pytest.raises(error, match=message):
        NYU(folder, split="test")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((480, 640), np.uint16), "depth_1_0000002.png is not in NYU's encoding"),
        (np.zeros((240, 320, 3), np.uint8), "depth_1_0000002.png is not a frame of camera 'nyu', 640 x 480.*320 x 240"),
    ],
)
def test_damaged_frames_are_named(folder, image, message):
    cv2.imwrite(str(folder / PATHS[1]), image)
    with pytest.raises(ValueError, match=message):
        NYU(folder, split="test")[1]


@pytest.mark.parametrize(("options", "message"), [({"view": 2}, "views 1 to 1.*view=2"), ({"split": "all"}, "`split`")])
def test_a_choice_that_is_not_there(folder, options, message):
    with pytest.raises(ValueError, match=message):
        NYU(folder, **{"split": "test", **options})


def test_an_interrupted_writing_is_no_dataset(tmp_path):
    with pytest.raises(ValueError, match="NYU holds right hands in nyu14. Received: a left hand in icvl16"):
        write_nyu(tmp_path, [FRAMES[0], made_frame(ICVL, "", 0)], split="test")
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["depth_1_0000001.png"]
    with pytest.raises(FileNotFoundError, match="interrupted"):
        NYU(tmp_path, split="test")
    write_nyu(tmp_path, FRAMES, split="test")
    with pytest.raises(FileExistsError, match="holds a dataset already"):
        write_nyu(tmp_path, FRAMES, split="test")
