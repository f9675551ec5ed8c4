"""Detection on real frames, with hand-drawn boxes and measured joints as referees.

The frames do not belong to the project: KERAS_HANDPOSE_TEST_DATA names the folder that holds them.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from keras_handpose import CAMERAS, uvd_to_xyz, xyz_to_uvd
from keras_handpose.preprocessing import check_depth, crop_hand, detect_hand, read_depth

DATA = os.environ.get("KERAS_HANDPOSE_TEST_DATA")
pytestmark = pytest.mark.skipif(not DATA, reason="KERAS_HANDPOSE_TEST_DATA names no folder with real frames")

SENSORS = {"kinect2": (CAMERAS["kinect_v2"], 1.0), "sr305": (CAMERAS["sr305"], 0.125)}


def boxes(folder: str) -> dict[str, list[str]]:
    with (Path(DATA) / "hand_boxes.csv").open(encoding="utf-8", newline="") as lines:
        return {file: box for file, *box in csv.reader(lines) if file.startswith(folder)}


def detect(file: str):
    camera, depth_scale = SENSORS[file.split("/")[0]]
    depth = check_depth(read_depth(Path(DATA) / file), depth_scale=depth_scale)
    return depth, camera, detect_hand(depth, camera)


@pytest.mark.parametrize(("folder", "least"), [("kinect2", 10), ("sr305", 19)])
def test_centre_lies_in_the_hands_box(folder, least):
    hits = 0
    for file, box in boxes(folder).items():
        if all(box):
            depth, camera, detection = detect(file)
            left, top, right, bottom = map(float, box)
            u, v, _ = xyz_to_uvd(detection.centre_xyz, camera)
            hits += left <= u <= right and top <= v <= bottom
            # The crop shows a hand: something, but far from all of the window.
            assert 0.08 < (crop_hand(depth, camera, detection.centre_xyz).image < 1).mean() < 0.5
    assert hits >= least


def test_no_hand():
    files = [file for file, box in boxes("kinect2").items() if not all(box)]
    assert files
    for file in files:
        _, _, detection = detect(file)
        assert not detection.found and detection.score < 0.2


@pytest.mark.parametrize("cube", [250.0, 300.0])
def test_centre_is_near_the_mean_of_the_joints(cube):
    camera = CAMERAS["nyu"]
    depth = read_depth(Path(DATA) / "nyu/depth_1_0000001.png", format="nyu")
    joints_xyz = uvd_to_xyz(np.loadtxt(Path(DATA) / "nyu/joint_uvd_1_0000001.txt"), camera)
    detection = detect_hand(depth, camera, cube=cube)
    assert np.linalg.norm(detection.centre_xyz - joints_xyz.mean(axis=0)) < 30.0
