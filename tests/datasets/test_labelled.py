"""Labelled frames, the layout for recordings of one's own; and datasets by name."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from made_frames import assert_same, made_frame

from keras_handpose import CAMERAS
from keras_handpose.datasets import DATASETS, MSRA15, LabelledFrames, open_dataset, write_labelled, write_msra15

PATHS = ("frame_000000.png", "frame_000001.png")
FRAMES = [made_frame(MSRA15, path, seed, whole_mm=True) for seed, path in enumerate(PATHS)]


@pytest.fixture
def folder(tmp_path):
    return write_labelled(tmp_path / "frames", FRAMES)


def change_label(folder, **changes):
    labels = json.loads((folder / "labels.json").read_text())
    labels[1].update(changes)
    labels[1] = {key: value for key, value in labels[1].items() if value is not None}
    (folder / "labels.json").write_text(json.dumps(labels))


def test_what_is_written_is_read(folder):
    assert_same(LabelledFrames(folder), FRAMES, within_mm=0.00052)


@pytest.mark.parametrize("depth_scale", [0.125, 0.25])
def test_finer_units_keep_fractions_of_mm(tmp_path, depth_scale):
    frames = [replace(frame, depth=np.round(frame.depth / 8) * np.float32(0.25), subject="anna") for frame in FRAMES]
    dataset = LabelledFrames(write_labelled(tmp_path, frames, depth_scale=depth_scale))
    assert_same(dataset, frames, within_mm=0.00052)
    assert dataset[1].depth.dtype == np.float32 and dataset.subjects.tolist() == ["anna", "anna"]


def test_a_label_of_ones_own_needs_little(folder):
    """A camera by name, and neither hand, nor subject, nor scale."""
    labels = json.loads((folder / "labels.json").read_text())
    kept = [{key: label[key] for key in ("file", "skeleton", "joints_xyz")} for label in labels]
    (folder / "labels.json").write_text(json.dumps([{**label, "camera": "msra15"} for label in kept]))
    assert_same(LabelledFrames(folder), FRAMES, within_mm=0.00052)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"joints_xyz": None}, "labels.json, frame 1: a label needs joints_xyz"),
        ({"joints_xyz": [[0, 0, 400]] * 20}, "frame 1: expected 21 joints of three finite numbers"),
        ({"joints_xyz": [[0, 0, float("nan")]] * 21}, "frame 1: expected 21 joints"),
        ({"joints_xyz": [[0, 0, "far"]] * 21}, "frame 1: expected 21 joints"),
        ({"camera": "webcam"}, "frame 1: the camera must be one of msra15"),
        ({"camera": {"width": 320}}, "frame 1: the camera must be one of msra15.*'width': 320"),
        ({"camera": "sr305"}, "all frames of a folder have one camera. Received: 'sr305'"),
        ({"hand": "left"}, "all frames of a folder have one hand. Received: 'left'"),
        ({"hand": "both"}, "the hand must be 'right' or 'left'"),
        ({"skeleton": "mano"}, "the skeleton must be one of msra21"),
        ({"skeleton": ["msra21"]}, "the skeleton must be one of msra21"),
        ({"camera": {"width": 320, "height": 240, "fx": -1, "fy": 1, "cx": 0, "cy": 0}}, "frame 1: the camera .*fx=-1"),
        ({"camera": {"width": float("inf"), "height": 1, "fx": 1, "fy": 1, "cx": 0, "cy": 0}}, "frame 1: the camera"),
        ({"joints_xyz": [[0, 0, 0.4]] * 21}, "frame 1: joints must be in mm.*z = 0.4. Multiply metres"),
        ({"joints_xyz": [[0, 0, -400]] * 21}, "frame 1: .* in front of the camera.*z = -400"),
        *(
            ({"file": file}, "labels.json must name files below")
            for file in ("../a.png", "/a.png", "a\\..\\..\\a.png", "C:a")
        ),
        ({"depth_scale": 0}, "frame 1: the depth scale must be a positive number.*0"),
    ],
)
def test_damaged_labels_are_named(folder, changes, message):
    change_label(folder, **changes)
    with pytest.raises(ValueError, match=message):
        LabelledFrames(folder)


def test_labels_may_begin_with_a_byte_order_mark(folder):
    labels = folder / "labels.json"
    labels.write_text(labels.read_text(), encoding="utf-8-sig")
    assert_same(LabelledFrames(folder), FRAMES, within_mm=0.00052)


def test_a_hand_is_missed_where_the_others_are_left(folder):
    labels = [{**label, "hand": "left"} for label in json.loads((folder / "labels.json").read_text())]
    del labels[1]["hand"]
    (folder / "labels.json").write_text(json.dumps(labels))
    with pytest.raises(ValueError, match="frame 1: all frames of a folder have one hand. Received: None after 'left'"):
        LabelledFrames(folder)


@pytest.mark.parametrize("text", ["", "[", "[]", "{}", "[1, 2]", "[" * 100_000])
def test_a_label_file_that_is_none(folder, text):
    (folder / "labels.json").write_text(text)
    with pytest.raises(ValueError, match="labels.json (is not JSON|must be a list)"):
        LabelledFrames(folder)


def test_an_interrupted_writing_is_no_dataset(tmp_path):
    with pytest.raises(
        ValueError, match="A folder of labelled frames holds frames of Camera.*msra15.*Received: Camera.*icvl"
    ):
        write_labelled(tmp_path, [FRAMES[0], replace(FRAMES[1], camera=CAMERAS["icvl"])])
    with pytest.raises(FileNotFoundError, match="interrupted"):
        LabelledFrames(tmp_path)
    write_labelled(tmp_path, FRAMES)
    with pytest.raises(FileExistsError, match="holds a dataset already"):
        write_labelled(tmp_path, FRAMES)


def test_datasets_are_opened_by_name(tmp_path):
    assert list(DATASETS) == ["msra15", "icvl", "nyu", "frames"]
    frames = [replace(frame, path=f"{subject}/1/") for subject, frame in zip(("P0", "P5"), FRAMES, strict=True)]
    write_msra15(tmp_path, frames)
    assert len(open_dataset("msra15", tmp_path)) == 2
    assert open_dataset("msra15", tmp_path, subjects=["P5"]).paths == ("P5/1/000000_depth.bin",)
    with pytest.raises(ValueError, match="`split` can be chosen for icvl, nyu only. Received: 'test' for msra15"):
        open_dataset("msra15", tmp_path, split="test")
    with pytest.raises(ValueError, match="`subjects` can be chosen for msra15 only"):
        open_dataset("icvl", tmp_path, subjects=["P5"])
    with pytest.raises(ValueError, match="no dataset 'hands17'"):
        open_dataset("hands17", tmp_path)
