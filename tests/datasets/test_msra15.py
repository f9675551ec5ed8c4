"""MSRA15: what is written is read, versions are told apart, and damage is named."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
from made_frames import DATA, assert_same, made_frame, needs_data

from keras_handpose import MSRA21
from keras_handpose.datasets import ICVL, MSRA15, chirality, write_msra15
from keras_handpose.datasets.msra15 import MSRA15_GESTURES, MSRA15_VERSIONS

PLACES = ("P1/1", "P1/1", "P1/TIP", "P7/3", "P7/3", "P7/Y")
PATHS = [f"{place}/{PLACES[:i].count(place):06d}_depth.bin" for i, place in enumerate(PLACES)]
FRAMES = [made_frame(MSRA15, path, seed) for seed, path in enumerate(PATHS)]


@pytest.fixture
def folder(tmp_path):
    return write_msra15(tmp_path / "msra15", FRAMES)


def test_what_is_written_is_read(folder):
    dataset = MSRA15(folder)
    assert_same(dataset, FRAMES, within_mm=0.00052)
    assert dataset.subjects.tolist() == ["P1"] * 3 + ["P7"] * 3 and dataset[-1].subject == "P7"
    assert_same(pickle.loads(pickle.dumps(dataset)), FRAMES, within_mm=0.00052)


def test_the_files_are_msra15s(folder):
    """The format as the dataset's description has it, read by hand."""
    first, *lines = (folder / "P7/3/joint.txt").read_text().splitlines()
    assert first == "2" and len(lines) == 2
    x, y, z = np.array(lines[1].split(), float).reshape(21, 3)[5]
    np.testing.assert_allclose([x, -y, -z], FRAMES[4].joints_xyz[5], atol=6e-4)
    content = (folder / PATHS[4]).read_bytes()
    width, height, left, top, right, bottom = np.frombuffer(content[:24], "<i4").tolist()
    assert (width, height) == (320, 240)
    box = np.frombuffer(content[24:], "<f4").reshape(bottom - top, right - left)
    np.testing.assert_array_equal(box, FRAMES[4].depth[top:bottom, left:right])
    assert np.count_nonzero(box) == np.count_nonzero(FRAMES[4].depth)
    assert all(edge.any() for edge in (box[0], box[-1], box[:, 0], box[:, -1]))


def test_a_frame_without_depth_keeps_an_empty_box(tmp_path):
    blank = replace(FRAMES[0], depth=np.full((240, 320), np.nan, np.float32))
    dataset = MSRA15(write_msra15(tmp_path, [blank]))
    assert (tmp_path / PATHS[0]).stat().st_size == 24
    assert not dataset[0].depth.any()


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        ({"subjects": ["P7"]}, PATHS[3:]),
        ({"subjects": "P1", "gestures": ["TIP"]}, [PATHS[2]]),
        ({"gestures": ["Y", "1"]}, [PATHS[0], PATHS[1], PATHS[5]]),
    ],
)
def test_subjects_and_gestures_are_chosen(folder, options, paths):
    assert MSRA15(folder, **options).paths == tuple(paths)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"subjects": ["P9"]}, ValueError, "`subjects` must be among P0, P1"),
        ({"gestures": []}, ValueError, "`gestures` must be among 1, 2"),
        ({"subjects": ["P1", "P2"]}, FileNotFoundError, "no labelled frames of MSRA15, P2 in"),
        ({"gestures": ["IP"]}, FileNotFoundError, "no labelled frames of MSRA15, IP in"),
    ],
)
def test_a_choice_that_is_not_there(folder, options, error, message):
    with pytest.raises(error, match=message):
        MSRA15(folder, **options)


@pytest.mark.parametrize(
    ("subjects", "counts", "version"),
    [
        *((tuple(f"P{i}" for i in range(9)), counts, version) for version, counts in MSRA15_VERSIONS.items()),
        (("P1",), (8492,), "v1"),
        (("P1",), (8499,), "v2"),
        (("P0", "P4"), (8499, 8500), "v1 or v2"),
        (("P1", "P2"), (8492, 8406), "neither v1 nor v2"),
        (("P1",), (8000,), "neither v1 nor v2"),
    ],
)
def test_versions_are_told_by_their_counts(folder, subjects, counts, version):
    dataset = MSRA15(folder)
    dataset.subjects = np.repeat(subjects, counts)
    dataset.paths = ("",) * sum(counts)
    assert dataset.describe().startswith(f"MSRA15 ({version}: {sum(counts):,} frames")


def test_counts_of_the_versions():
    assert [sum(counts) for counts in MSRA15_VERSIONS.values()] == [76_375, 76_391]
    assert len(MSRA15_GESTURES) == 17


def edit(place, change):
    def damage(folder):
        labels = folder / place / "joint.txt"
        labels.write_text(change(labels.read_text()))

    return damage


def nan_in_line_3(text):
    lines = text.splitlines()
    return "\n".join([*lines[:2], "nan " + lines[2].partition(" ")[2]])


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (edit("P1/1", lambda text: "3" + text[1:]), ValueError, "P1/1/joint.txt announces.*'3' before 2 lines"),
        (edit("P1/1", lambda text: ""), ValueError, "joint.txt announces another number.*'' before 0 lines"),
        (edit("P1/1", nan_in_line_3), ValueError, "joint.txt, line 3: column 1 is not a finite.*'nan'.*anew"),
        (edit("P1/1", lambda text: text.replace(".", "_", 1)), ValueError, "line 2: column 1 is not a finite"),
        (edit("P1/1", lambda text: text + "7"), ValueError, "'2' before 3 lines"),
        (edit("P7/3", lambda text: text[:-9]), ValueError, "line 3: expected 63 numbers.*Received: 62"),
        (edit("P7/Y", lambda text: text.replace("-", "")), ValueError, "Y/joint.txt, line 2: MSRA15's z is negative"),
        (lambda folder: (folder / PATHS[1]).unlink(), FileNotFoundError, "no frame .*P1/1/000001_depth.bin"),
        (lambda folder: shutil.rmtree(folder), FileNotFoundError, "Pass the folder that holds P0 to P8"),
        (
            lambda folder: (folder / "P7/3/joint.txt").unlink(),
            FileNotFoundError,
            "no label file .*P7/3/joint.txt, though",
        ),
    ],
)
def test_damaged_labels_are_named(folder, damage, error, message):
    damage(folder)
    with pytest.raises(error, match=message):
        MSRA15(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-1], "000000_depth.bin is cut or too long.*25 x 30 px makes 3024 bytes.*3023 bytes"),
        (lambda content: content + b"0000", "cut or too long"),
        (lambda content: b"", "does not begin with MSRA15's header.*0 bytes"),
        (lambda content: content[:23], "does not begin with"),
        (lambda content: b"\x80" + content[1:], "does not begin with MSRA15's header, 320 x 240 .*384 240"),
        (lambda content: content[:8] + b"\xff\xff" + content[10:], "a box inside. Received.*65"),
    ],
)
def test_damaged_frames_are_named(folder, damage, message):
    dataset = MSRA15(folder)
    file = folder / PATHS[0]
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=message):
        dataset[0]


def test_a_frame_that_vanished_is_named(folder):
    dataset = MSRA15(folder)
    (folder / PATHS[5]).unlink()
    with pytest.raises(FileNotFoundError, match=f"no frame .*{PATHS[5]}"):
        dataset[5]
    with pytest.raises(IndexError, match="6 frames of P1, P7.* has no frame 6"):
        dataset[6]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (replace(FRAMES[0], hand="left"), "right hands in msra21. Received: a left hand"),
        (made_frame(ICVL, "", 0), "right hands in msra21. Received: a left hand in icvl16"),
        (replace(FRAMES[0], camera=replace(MSRA15.camera, fx=240.0)), "MSRA15 holds frames of Camera"),
        (replace(FRAMES[0], depth=np.zeros((9, 9), np.float32)), "does not have the size of camera"),
        (replace(FRAMES[0], path="", subject="anna"), "subjects are P0, P1.*subject 'anna'"),
        (replace(FRAMES[0], joints_xyz=np.full((21, 3), np.nan)), "Joints must be finite"),
    ],
)
def test_an_interrupted_writing_is_no_dataset(tmp_path, frame, message):
    """Whatever stops the writer, there are no labels until the last frame is there, and it can start again."""
    with pytest.raises(ValueError, match=message):
        write_msra15(tmp_path, [FRAMES[3], frame])
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["000000_depth.bin"]
    with pytest.raises(FileNotFoundError, match="interrupted"):
        MSRA15(tmp_path)
    assert len(MSRA15(write_msra15(tmp_path, FRAMES))) == len(FRAMES)


def test_a_dataset_is_not_written_over(folder):
    with pytest.raises(FileExistsError, match="holds a dataset already"):
        write_msra15(folder, FRAMES)


@needs_data
def test_the_labels_show_right_hands():
    """Poses drawn from the published mean and components of subjects P1 to P8, whose y points up and z away."""
    with np.load(DATA / "msra_stats/joints_p1_to_p8.npz") as stats:
        mean_xyz, components, variances = stats["mean_xyz"], stats["components"], stats["eigenvalues"].clip(0)
    codes = np.random.default_rng(0).normal(size=(4000, len(variances))) * np.sqrt(variances)
    poses_xyz = ((codes @ components).reshape(-1, 21, 3) + mean_xyz) * [1, -1, 1]
    assert (chirality(poses_xyz, MSRA21) > 0).mean() > 0.94
    assert chirality(mean_xyz * [1, -1, 1], MSRA21) > 2
