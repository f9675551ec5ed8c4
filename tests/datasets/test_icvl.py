"""ICVL: what is written is read, copies are left out, and the original label file is the referee."""

from __future__ import annotations

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from made_frames import DATA, assert_same, made_frame, needs_data

from keras_handpose import xyz_to_uvd
from keras_handpose.datasets import ICVL, MSRA15, chirality, write_icvl

RECORDINGS = ("201403121135", "201406030937")
PATHS = [f"Training/Depth/{recording}/image_{i:04d}.png" for recording in RECORDINGS for i in range(2)]
FRAMES = [made_frame(ICVL, path, seed, whole_mm=True) for seed, path in enumerate(PATHS)]
TEST_PATHS = [f"Testing/Depth/test_seq_{i}/image_0000.png" for i in (1, 2)]
TEST_FRAMES = [made_frame(ICVL, path, seed, whole_mm=True) for seed, path in enumerate(TEST_PATHS, 10)]


@pytest.fixture
def folder(tmp_path):
    write_icvl(tmp_path / "icvl", TEST_FRAMES, split="test")
    return write_icvl(tmp_path / "icvl", FRAMES)


def add_copies(folder):
    """Add two turned copies, named by their angle, and the label that has no frame, as the dataset has them."""
    labels = folder / "Training/labels.txt"
    first = labels.read_text().splitlines()[0].partition(" ")
    copies = ("22-5/image_0000.png", f"{RECORDINGS[0]}/180/image_0000.png")
    for copy in copies:
        (folder / "Training/Depth" / copy).parent.mkdir(parents=True)
        shutil.copy(folder / PATHS[0], folder / "Training/Depth" / copy)
    added = [f"{name} {first[2]} \r\n\r\n" for name in (*copies, "201406030937/image_-001.png")]
    with labels.open("a", newline="") as file:
        file.writelines(added)


def test_what_is_written_is_read(folder):
    train, test = ICVL(folder), ICVL(folder, split="test")
    assert_same(train, FRAMES, within_mm=0.003)
    assert_same(test, TEST_FRAMES, within_mm=0.003)
    assert train.subjects.tolist() == [RECORDINGS[0]] * 2 + [RECORDINGS[1]] * 2
    assert test.subjects.tolist() == ["test_seq_1", "test_seq_2"]
    assert train[0].depth.dtype == np.uint16 and train.describe() == "ICVL (train: 4 frames)"


def test_turned_copies_are_left_out_unless_asked_for(folder):
    add_copies(folder)
    assert_same(ICVL(folder), FRAMES, within_mm=0.003)
    assert ICVL(folder).describe() == "ICVL (train: 4 frames, 2 rotated copies left out)"
    every = ICVL(folder, rotated=True)
    assert len(every) == 6 and every.describe() == "ICVL (train: 6 frames)"
    np.testing.assert_array_equal(every[4].depth, every[0].depth)


def test_codes_for_no_depth_become_0(folder):
    depth = FRAMES[0].depth.astype(np.uint16)
    depth[depth == 0] = 32001
    cv2.imwrite(str(folder / PATHS[0]), depth)
    np.testing.assert_array_equal(ICVL(folder)[0].depth, FRAMES[0].depth)


@needs_data
def test_the_original_labels_of_sequence_1(tmp_path):
    """The file's own u v d come back, the frames are found by its paths, and its hands are left ones."""
    original = DATA / "eval/icvl/test_seq_1.txt"
    depth = tmp_path / "Testing/Depth/test_seq_1"
    depth.mkdir(parents=True)
    shutil.copy(original, tmp_path / "Testing")
    rows = [line.split() for line in original.read_text().splitlines() if line.strip()]
    for name, *_ in rows:
        (depth.parent / name).touch()
    cv2.imwrite(str(depth / "image_0004.png"), np.full((240, 320), 400, np.uint16))

    dataset = ICVL(tmp_path, split="test")
    assert dataset.describe() == "ICVL (test_seq_1 only: 702 frames)"
    assert [f"Testing/Depth/{name}" for name, *_ in rows] == list(dataset.paths)
    expected = np.array([row[1:] for row in rows], float).reshape(-1, 16, 3)
    np.testing.assert_allclose(xyz_to_uvd(dataset.joints_xyz, dataset.camera), expected, atol=1e-3)
    assert (chirality(dataset.joints_xyz, dataset.skeleton) < 0).mean() > 0.9
    assert dataset[4].hand == "left" and (dataset[4].depth == 400).all()
    with pytest.raises(ValueError, match=r"image_0005\.png is not an image"):
        dataset[5]


def edit(change):
    def damage(folder):
        labels = folder / "Training/labels.txt"
        labels.write_text(change(labels.read_text()))

    return damage


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (edit(lambda text: text[:-9]), ValueError, "labels.txt, line 4: expected 48 numbers. Received: 47"),
        (edit(lambda text: "\n\n" + text.replace(" ", " 1 ", 1)), ValueError, "line 3: expected 48.*Received: 49"),
        (edit(lambda text: "\n" + text.replace(".", "x", 2)), ValueError, "line 2: column 1 is not a finite number"),
        (edit(lambda text: text.rpartition(" ")[0] + " -7"), ValueError, "line 4: a joint's depth must be above 0.*-7"),
        (edit(lambda text: "\n\n"), ValueError, "labels.txt has no labels. Fetch"),
        (edit(lambda text: "45/" + text.splitlines()[0]), ValueError, "no labels but 1 of rotated copies"),
        (lambda folder: (folder / PATHS[3]).unlink(), FileNotFoundError, f"no frame .*{PATHS[3]}, though .*1 of 2"),
        (lambda folder: shutil.rmtree(folder / "Training"), FileNotFoundError, "no label file .*Training/labels.txt"),
    ],
)
def test_damaged_labels_are_named(folder, damage, error, message):
    damage(folder)
    with pytest.raises(error, match=message):
        ICVL(folder)


def test_labels_lead_nowhere_else(tmp_path):
    write_icvl(tmp_path, TEST_FRAMES, split="test")
    labels = tmp_path / "Testing/test_seq_1.txt"
    labels.write_text("../../" + labels.read_text())
    with pytest.raises(ValueError, match=r"test_seq_1.txt must name files below its folder. Received: '\.\./\.\./"):
        ICVL(tmp_path, split="test")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((240, 320), np.uint8), "image_0001.png is not a 16-bit depth image of one channel.*8 bits"),
        (np.zeros((240, 320, 3), np.uint8), "not a 16-bit depth image.*3 channels of 8 bits"),
        (np.zeros((480, 640), np.uint16), "image_0001.png is not a frame of camera 'icvl', 320 x 240.*640 x 480"),
        (None, "image_0001.png is not an image"),
    ],
)
def test_damaged_frames_are_named(folder, image, message):
    content = b"\x89PNG" if image is None else cv2.imencode(".png", image)[1].tobytes()
    dataset = ICVL(folder)
    (folder / PATHS[1]).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        dataset[1]


@pytest.mark.parametrize(
    ("split", "frame", "message"),
    [
        ("train", made_frame(MSRA15, "", 0), "ICVL holds left hands in icvl16. Received: a right hand in msra21"),
        ("train", replace(FRAMES[0], path="", subject="45"), "named by its date.*'45' for split='train'"),
        ("test", replace(FRAMES[0], path="", subject="test_seq_3"), "'test_seq_1' or 'test_seq_2'.*'test_seq_3'"),
        ("validation", FRAMES[0], "`split` must be 'train' or 'test'"),
    ],
)
def test_an_interrupted_writing_is_no_dataset(tmp_path, split, frame, message):
    good = FRAMES if split == "train" else TEST_FRAMES
    with pytest.raises(ValueError, match=message):
        write_icvl(tmp_path, [good[0], frame], split=split)
    assert not list(tmp_path.rglob("*.txt"))
    if split in ("train", "test"):
        with pytest.raises(FileNotFoundError, match="interrupted"):
            ICVL(tmp_path, split=split)
        assert len(ICVL(write_icvl(tmp_path, good, split=split), split=split)) == len(good)


def test_a_dataset_is_not_written_over(folder):
    for split in ("train", "test"):
        with pytest.raises(FileExistsError, match="holds a dataset already"):
            write_icvl(folder, FRAMES, split=split)
