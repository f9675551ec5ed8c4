"""Centres: found, or read from the files in which others keep theirs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from palms import blank_frame, palm_frame

from keras_handpose import CAMERAS, detect_hand
from keras_handpose.cameras import xyz_to_uvd
from keras_handpose.datasets import (
    CENTRE_FORMATS,
    CENTRE_FORMATS_OF,
    CUSTOMARY_CUBES,
    DATASETS,
    MSRA15,
    find_centre,
    read_centres,
)
from keras_handpose.datasets.msra15 import MSRA15_SUBJECTS

CENTRES_XYZ = np.array([[10.5, -20.25, 400], [np.nan] * 3, [-3, 40, 312.125]])


def test_the_centre_of_mass_is_the_palms():
    for seed in range(8):
        frame = palm_frame(seed)
        v, u = np.nonzero(frame.depth)
        middle = np.array([u.mean(), v.mean(), frame.depth[v, u].mean()])
        assert np.abs(xyz_to_uvd(find_centre(frame), frame.camera) - middle).max() < 2


def test_little_evidence_is_enough_where_labels_say_that_there_is_a_hand():
    frame = palm_frame(0)
    columns = np.flatnonzero(frame.depth.any(axis=0))
    sliver = frame.depth.copy()
    sliver[:, columns[0] + 12 :] = 0
    assert not detect_hand(sliver, frame.camera).found
    assert find_centre(replace(frame, depth=sliver)) is not None


def test_there_is_no_centre_where_there_is_nothing():
    assert find_centre(blank_frame()) is None


def test_the_ground_truth_is_the_mean_joint():
    frame = palm_frame(1)
    centre_xyz = find_centre(frame, centre="ground-truth")
    np.testing.assert_allclose(centre_xyz, frame.joints_xyz.astype(float).mean(axis=0))


def test_other_centres_are_unknown():
    with pytest.raises(ValueError, match="com, ground-truth. Received: 'mcp'"):
        find_centre(palm_frame(0), centre="mcp")


@pytest.mark.parametrize("ending", ["\n", " \n", "\r\n", "\n\n"])
@pytest.mark.parametrize("format", CENTRE_FORMATS)
def test_files_are_read(tmp_path, format, ending):
    written = {
        "xyz": CENTRES_XYZ,
        "xyz-y-up": CENTRES_XYZ * (1, -1, 1),
        "uvd": xyz_to_uvd(CENTRES_XYZ, CAMERAS["msra15"]),
    }[format]
    lines = ["invalid" if np.isnan(centre).any() else " ".join(f"{x:.9f}" for x in centre) for centre in written]
    path = tmp_path / "centres.txt"
    path.write_bytes("".join(line + ending.replace("\n\n", "\n") for line in lines).encode() + ending.encode()[-1:])
    read = read_centres(path, format=format, camera=CAMERAS["msra15"])
    np.testing.assert_allclose(read, CENTRES_XYZ, atol=1e-6)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("1 2 300\n1 2\n", {}, "line 2: expected 3 numbers. Received: 2"),
        ("1 2 300\n\n1 2 300\n", {}, "line 2: expected 3 numbers. Received: 0"),
        ("1 2 300\n1 x 300\n", {}, "line 2: column 2 is not a finite number. Received: 'x'"),
        ("1 2 nan\n", {}, "line 1: column 3 is not a finite number"),
        ("invalid\n1 2 -300\n", {}, "line 2: the centre lies behind the camera. Received: '1 2 -300'"),
        ("0 0 0\n", {}, "line 1: the centre lies behind the camera"),
        ("1 2 300\n", {"format": "xzy"}, "xyz, xyz-y-up, uvd. Received: 'xzy'"),
        ("1 2 300\n", {"format": "uvd"}, "`camera` must be the camera"),
    ],
)
def test_wrong_files(tmp_path, content, options, message):
    path = tmp_path / "centres.txt"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_centres(path, **options)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file of centres"):
        read_centres(tmp_path / "centres.txt")


def test_tables_name_datasets_formats_and_subjects():
    assert set(CENTRE_FORMATS_OF) | set(CUSTOMARY_CUBES) <= set(DATASETS)
    assert set(CENTRE_FORMATS_OF.values()) <= set(CENTRE_FORMATS)
    assert tuple(CUSTOMARY_CUBES["msra15"]) == MSRA15_SUBJECTS and DATASETS["msra15"] is MSRA15
