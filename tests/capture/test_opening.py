"""Sources by their names on a command line."""

from __future__ import annotations

import numpy as np
import pytest

from keras_handpose import CAMERAS, Camera
from keras_handpose.capture import opening
from keras_handpose.capture.archive import ArchiveSource
from keras_handpose.capture.folder import FolderSource
from keras_handpose.capture.opening import open_capture

CAMERA = Camera(width=8, height=6, fx=10.0, fy=11.0, cx=3.5, cy=2.5)


def test_folders_and_archives(tmp_path):
    depth = np.full((2, *CAMERA.shape), 500, np.float32)
    np.save(tmp_path / "frame.npy", depth[0])
    np.savez(tmp_path / "mine.npz", depth=depth, camera=(1, 2, 3, 4))
    folder = open_capture(f"folder:{tmp_path}", camera=CAMERA, depth_scale=2.0, format="npy", rate=5.0)
    assert isinstance(folder, FolderSource)
    assert [(f.camera, f.depth_scale, f.time) for f in folder] == [(CAMERA, 2.0, 0.0)]
    archive = open_capture(f"npz:{tmp_path / 'mine.npz'}", rate=5.0)
    assert isinstance(archive, ArchiveSource)
    assert [(f.camera.fy, f.depth_scale, f.time) for f in archive] == [(2.0, 1.0, 0.0), (2.0, 1.0, 0.2)]


@pytest.mark.parametrize(
    ("source", "options", "name", "expected"),
    [
        ("realsense", {}, "RealSenseSource", ((None,), {"rate": 30.0, "align_to": "depth"})),
        ("realsense:", {"rate": 60}, "RealSenseSource", ((None,), {"rate": 60, "align_to": "depth"})),
        ("realsense:0123", {"align_to": "color"}, "RealSenseSource", (("0123",), {"rate": 30.0, "align_to": "color"})),
        ("recording:C:\\a b\\x.db3", {}, "RealSenseRecording", (("C:\\a b\\x.db3",), {"align_to": "depth"})),
        (
            "folder:C:\\frames",
            {"camera": CAMERA},
            "FolderSource",
            (("C:\\frames", CAMERA), {"depth_scale": None, "format": None, "rate": 30.0}),
        ),
    ],
)
def test_names_become_arguments(monkeypatch, source, options, name, expected):
    monkeypatch.setattr(opening, name, lambda *args, **kwargs: (args, kwargs))
    assert open_capture(source, **options) == expected


@pytest.mark.parametrize("source", ["", "webcam", "folder", "folder:", "npz:", "recording:", "RealSense", "frames/"])
def test_other_names_are_refused(source):
    with pytest.raises(
        ValueError, match=r"one of realsense, realsense:SERIAL, folder:PATH, recording:FILE, npz:FILE\."
    ):
        open_capture(source)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("realsense", {"camera": CAMERAS["sr305"]}, "`camera` does not fit 'realsense'"),
        ("recording:a.bag", {"depth_scale": 1.0}, r"`depth_scale` does not fit 'recording:a\.bag'. Received: 1\.0"),
        ("folder:frames", {"align_to": "color"}, "`align_to` does not fit 'folder:frames'"),
        ("npz:a.npz", {"align_to": "color"}, "`align_to` does not fit"),
    ],
)
def test_options_that_do_not_fit_are_refused(source, options, message):
    with pytest.raises(ValueError, match=message):
        open_capture(source, **options)
