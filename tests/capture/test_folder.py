"""Folders of frames: their order, times and camera, and what is refused."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from keras_handpose import Camera
from keras_handpose.capture import CapturedFrame, FrameSource
from keras_handpose.capture.folder import FolderSource
from keras_handpose.datasets.pngs import write_png
from keras_handpose.estimator import Pose
from keras_handpose.live import Recorder
from keras_handpose.preprocessing import read_depth
from keras_handpose.preprocessing.frames import list_depth_files
from keras_handpose.skeletons import MSRA21

CAMERA = Camera(width=8, height=6, fx=10.0, fy=11.0, cx=3.5, cy=2.5, name="mine")


def depth_of(number: int) -> np.ndarray:
    return np.full(CAMERA.shape, 100 + number, np.uint16)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder of frames without a list."""
    for number in (2, 10, 1, 9):
        write_png(tmp_path / f"take3_{number}.png", depth_of(number))
    for other in (".1.partial.take3_3.png", "take3_1.pose.png", "notes.txt"):
        (tmp_path / other).write_text("not a frame")
    return tmp_path


def recording(folder: Path, *, times=(0.5, 0.75, 2.0), **changes) -> Path:
    for number in range(3):
        write_png(folder / f"frame_{number:06d}.png", depth_of(number))
    frames = [{"file": f"frame_{number:06d}.png", "time": time} for number, time in enumerate(times)]
    record = {"format_version": 1, "camera": asdict(CAMERA), "depth_scale": 0.125, "frames": frames, **changes}
    (folder / "recording.json").write_text(json.dumps(record))
    return folder


def test_files_come_in_the_order_of_their_numbers(folder):
    source = FolderSource(folder, CAMERA, rate=10)
    frames = [*source]
    assert [frame.depth[0, 0] for frame in frames] == [101, 102, 109, 110]
    assert [frame.time for frame in frames] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert isinstance(source, FrameSource) and not source.live and len(source) == 4 and source.hands == ()
    assert all((frame.camera, frame.depth_scale) == (CAMERA, 1.0) for frame in frames)


def test_names_that_differ_in_zeros_only_have_an_order(tmp_path):
    for name in ("a1.npy", "a01.npy", "b.npy", "10.npy", "9.npy"):
        np.save(tmp_path / name, depth_of(0))
    assert [path.name for path in list_depth_files(tmp_path, format="npy")] == [
        "9.npy",
        "10.npy",
        "a01.npy",
        "a1.npy",
        "b.npy",
    ]


def test_formats_and_scale(tmp_path):
    np.save(tmp_path / "a.npy", depth_of(0).astype(np.float32) / 1000)
    (frame,) = FolderSource(tmp_path, CAMERA, format="npy", depth_scale=1000.0)
    assert (frame.depth.dtype, frame.depth_scale) == (np.float32, 1000.0)
    write_png(tmp_path / "depth_1_0000001.png", depth_of(400), format="nyu")
    (frame,) = FolderSource(tmp_path, CAMERA, format="nyu")
    assert (frame.depth == 500).all()


def test_a_recording_says_everything_itself(tmp_path):
    (tmp_path / "stray.png").touch()  # It is not in the list.
    source = FolderSource(recording(tmp_path), rate=5)
    assert (source.camera, source.depth_scale, len(source)) == (CAMERA, 0.125, 3)
    frames = [*source]
    assert [frame.time for frame in frames] == [0.5, 0.75, 2.0]
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.depth, depth_of(number))


@pytest.mark.parametrize(
    ("changes", "hands"),
    [
        ({}, ()),  # As recordings were written at first.
        ({"hands": []}, ()),
        ({"hands": ["left"]}, ("left",)),
        ({"hands": ["left", "right"]}, ("right", "left")),
    ],
)
def test_a_recording_says_its_hands(tmp_path, changes, hands):
    assert FolderSource(recording(tmp_path, **changes)).hands == hands


def test_what_is_given_overrides_a_recording(tmp_path):
    other = replace(CAMERA, fx=12.0)
    source = FolderSource(recording(tmp_path, times=(None, None, None)), other, depth_scale=2.0, rate=4)
    assert [(f.camera, f.depth_scale, f.time) for f in source] == [
        (other, 2.0, 0.0),
        (other, 2.0, 0.25),
        (other, 2.0, 0.5),
    ]


def test_what_the_recorder_writes_is_read(tmp_path):
    with Recorder(tmp_path / "mine") as recorder:
        for number in range(12):
            frame = CapturedFrame(depth_of(number), CAMERA, 0.25, number / 7)
            recorder.add(frame, [Pose.not_found(skeleton=MSRA21, camera=CAMERA)])
    source = FolderSource(tmp_path / "mine")
    assert (source.camera, source.depth_scale) == (CAMERA, 0.25)
    frames = [*source]
    assert [frame.depth[0, 0] for frame in frames] == [100 + number for number in range(12)]
    assert [frame.time for frame in frames] == pytest.approx([number / 7 for number in range(12)], abs=1e-6)


def test_closing_ends_it(folder):
    source = FolderSource(folder, CAMERA)
    frames = iter(source)
    next(frames)
    source.close()
    source.close()
    assert next(frames, None) is None


def test_a_frame_that_cannot_be_read_is_named(folder):
    frames = iter(FolderSource(folder, CAMERA))
    (folder / "take3_2.png").write_bytes(b"\x89PNG damaged")
    write_png(folder / "take3_9.png", np.ones((3, 4)))
    assert next(frames).depth[0, 0] == 101
    with pytest.raises(ValueError, match=r"take3_2\.png is not an image"):
        next(frames)
    frames = iter(FolderSource(folder, CAMERA))
    (folder / "take3_2.png").unlink()
    next(frames)
    with pytest.raises(FileNotFoundError, match=r"take3_2\.png"):
        next(frames)
    with pytest.raises(ValueError, match=r"take3_9\.png: .*does not have the size of camera 'mine'"):
        [*FolderSource(folder, CAMERA)]
    np.save(folder / "a.npy", np.zeros(CAMERA.shape, np.uint8))
    with pytest.raises(ValueError, match=r"a\.npy: .*uint8"):
        [*FolderSource(folder, CAMERA, format="npy")]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, r"camera that took the frames in .* is not known: there is no recording\.json.*Pass `camera`"),
        ({"camera": CAMERA, "format": "exr"}, ValueError, "`format` must be one of"),
        ({"camera": CAMERA, "format": "npy"}, FileNotFoundError, r"no frames in .*: looked for \*\.npy"),
        ({"camera": CAMERA, "rate": 0}, ValueError, "`rate` must be a positive number"),
        ({"camera": CAMERA, "depth_scale": -1}, ValueError, "`depth_scale` must be a positive number"),
    ],
)
def test_folders_are_refused(folder, options, error, message):
    with pytest.raises(error, match=message):
        FolderSource(folder, **options)
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        FolderSource(folder / "nowhere", CAMERA)


def frames_of(*files: object, times=None) -> list[dict]:
    return [{"file": file, "time": time} for file, time in zip(files, times or range(len(files)), strict=True)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, "read by a newer keras-handpose"),
        ({"extra": 1}, "unknown keys: extra"),
        ({"camera": None}, "`camera`: A record must be a JSON object"),
        ({"camera": {**asdict(CAMERA), "f": 1}}, "`camera`: .*unknown keys: f"),
        ({"camera": {**asdict(CAMERA), "fx": 0}}, "`fx` and `fy` must be positive"),
        ({"camera": {**asdict(CAMERA), "fx": "10"}}, "`fx` must be a number. Received: '10'"),
        ({"camera": {**asdict(CAMERA), "fx": 10**400}}, "int too large"),
        ({"depth_scale": 0}, "`depth_scale` must be a number above 0"),
        ({"depth_scale": True}, "`depth_scale` must be a number above 0"),
        ({"hands": "left"}, "`hands` must be a list of 'right' and 'left', each once. Received: left"),
        ({"hands": None}, "`hands` must be a list"),
        ({"hands": {"left": 1}}, "`hands` must be a list"),
        ({"hands": ["left", "left"]}, "`hands` must be a list .* each once"),
        ({"hands": ["both"]}, r"`hands` must be a list .*Received: \['both'\]"),
        ({"hands": [["left"], 1]}, "`hands` must be a list"),
        ({"frames": []}, "`frames` must be a list of frames, at least one"),
        ({"frames": {"file": "a.png"}}, "`frames` must be a list"),
        ({"frames": [{"file": "a.png"}]}, "`frames`: .*misses keys: time"),
        ({"frames": frames_of("../private.png")}, r"must name files below its folder. Received: '\.\./private\.png'"),
        ({"frames": frames_of("/etc/passwd")}, "must name files below its folder"),
        ({"frames": frames_of("sub/../../a.png")}, "must name files below its folder"),
        ({"frames": frames_of("C:\\a.png")}, "must name files below its folder"),
        ({"frames": frames_of("..\\a.png")}, "must name files below its folder"),
        ({"frames": frames_of(5)}, "must name a file"),
        ({"frames": frames_of("")}, "must name a file"),
        (
            {"frames": frames_of("a.png", "b.png", times=(1.0, 1.0))},
            r"`time` must increase .* Received: 1\.0, then 1\.0",
        ),
        ({"frames": frames_of("a.png", "b.png", times=(1.0, None))}, "`time` must be a number. Received: None"),
        ({"frames": frames_of("a.png", times=("now",))}, "`time` must be a number. Received: 'now'"),
    ],
)
def test_malformed_recordings_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=rf"(?s)recording\.json is not .*{message}"):
        FolderSource(recording(tmp_path, **changes))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[]", b'{"frames": NaN}', b"[" * 100_000])
def test_damaged_recordings_are_refused(tmp_path, content):
    (recording(tmp_path) / "recording.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"recording\.json is not a recording's list of frames, or it is damaged"):
        FolderSource(tmp_path)


def test_frames_are_read_as_predict_reads_them(folder):
    for frame, path in zip(FolderSource(folder, CAMERA), list_depth_files(folder), strict=True):
        np.testing.assert_array_equal(frame.depth, read_depth(path))
