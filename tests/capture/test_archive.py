"""Archives of frames: what is written is read, a frame at a time, and what is damaged is refused."""

from __future__ import annotations

import tracemalloc
import zipfile

import numpy as np
import pytest

from keras_handpose import Camera
from keras_handpose.capture import CapturedFrame, FrameSource
from keras_handpose.capture.archive import ArchiveSource, write_archive

CAMERA = Camera(width=80, height=60, fx=100.0, fy=101.0, cx=39.5, cy=30.25, name="mine")
DEPTH = np.random.default_rng(0).integers(0, 65536, (5, *CAMERA.shape), np.uint16)
LENS = (CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mine.npz"


def test_what_is_written_is_read(path):
    frames = [CapturedFrame(depth, CAMERA, 0.125, 7 + i**2) for i, depth in enumerate(DEPTH)]
    write_archive(path, iter(frames))
    source = ArchiveSource(path)
    assert isinstance(source, FrameSource) and not source.live and len(source) == 5
    assert (source.camera, source.depth_scale) == (CAMERA, 0.125)
    for read, written in zip(source, frames, strict=True):
        np.testing.assert_array_equal(read.depth, written.depth)
        assert read.depth.dtype == np.uint16 and read.depth.flags.writeable
        assert read[1:] == written[1:]
    assert [p.name for p in path.parent.iterdir()] == ["mine.npz"]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", [np.uint16, ">u2", np.float32, np.float64, np.int32])
def test_archives_of_other_programs(path, save, dtype):
    save(path, depth=DEPTH.astype(dtype), colour=np.zeros(3, np.uint8))
    source = ArchiveSource(path, CAMERA, depth_scale=0.5, rate=10)
    frames = [*source]
    assert [frame.time for frame in frames] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert {frame.depth_scale for frame in frames} == {0.5} and frames[0].depth.dtype == dtype
    np.testing.assert_array_equal([frame.depth for frame in frames], DEPTH)


def test_what_is_given_overrides_the_file(path):
    np.savez(path, depth=DEPTH, camera=LENS, depth_scale=0.125, times=np.arange(5))
    other = Camera.from_fov(80, 60, horizontal=60)
    source = ArchiveSource(path, other, depth_scale=4.0)
    assert (source.camera, source.depth_scale) == (other, 4.0)
    assert ArchiveSource(path).camera.fx == CAMERA.fx


def test_a_frame_at_a_time_is_in_memory(path):
    np.savez(path, depth=np.ones((40, 240, 320), np.uint16))  # 6 MB.
    tracemalloc.start()
    count = sum(1 for _ in ArchiveSource(path, Camera.from_fov(320, 240, horizontal=60)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 40 and peak < 1.5e6


def test_closing_ends_it(path):
    np.savez(path, depth=DEPTH)
    source = ArchiveSource(path, CAMERA)
    frames = iter(source)
    next(frames)
    source.close()
    source.close()
    assert next(frames, None) is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"frames": DEPTH}, "it has no array `depth`"),
        ({"depth": DEPTH[0]}, r"must have the shape \(frames, height, width\). Received: \(60, 80\)"),
        ({"depth": DEPTH[:0]}, r"Received: \(0, 60, 80\)"),
        ({"depth": DEPTH.astype(np.uint8)}, "integers of 16 bits or more, or floats. Received: dtype uint8"),
        ({"depth": DEPTH.astype(complex)}, "Received: dtype complex128"),
        ({"depth": np.asfortranarray(DEPTH)}, "np.ascontiguousarray"),
        ({"depth": np.array([[[{}]]], object)}, "Received: dtype object"),
        ({"depth": DEPTH, "times": np.array([None] * 5)}, "Object arrays cannot be loaded"),
        (
            {"depth": DEPTH, "times": [0, 1, 2]},
            r"`times` must be finite numbers of shape \(5,\). Received: shape \(3,\)",
        ),
        ({"depth": DEPTH, "times": [0, 1, 1, 2, 3]}, "`times` must increase"),
        ({"depth": DEPTH, "times": [0, 1, np.nan, 2, 3]}, "`times` must be finite"),
        ({"depth": DEPTH, "depth_scale": 0.0}, "`depth_scale` must be positive"),
        ({"depth": DEPTH, "depth_scale": [1, 2]}, r"`depth_scale` must be finite numbers of shape \(\)"),
        ({"depth": DEPTH, "camera": [1, 2, 3]}, r"`camera` must be finite numbers of shape \(4,\)"),
        ({"depth": DEPTH, "camera": [0, 1, 2, 3]}, "`fx` and `fy` must be positive"),
        ({"depth": DEPTH, "camera": ["a"] * 4}, "`camera` must be finite numbers"),
    ],
)
def test_malformed_archives_are_refused(path, arrays, message):
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=rf"mine\.npz is not an .npz file of depth frames.*{message}"):
        ArchiveSource(path)


def test_a_camera_is_needed_that_fits(path):
    np.savez(path, depth=DEPTH)
    with pytest.raises(ValueError, match=r"mine\.npz has no camera. Pass `camera`"):
        ArchiveSource(path)
    with pytest.raises(ValueError, match=r"size of camera 'custom', 320 x 240. Received: .*mine\.npz, 80 x 60"):
        ArchiveSource(path, Camera.from_fov(320, 240, horizontal=60))
    with pytest.raises(FileNotFoundError, match="There is no archive"):
        ArchiveSource(path.with_name("nowhere.npz"), CAMERA)
    with pytest.raises(ValueError, match="`rate` must be"):
        ArchiveSource(path, CAMERA, rate=-1)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_archives_are_refused(path, save):
    save(path, depth=DEPTH)
    whole = path.read_bytes()
    for part in (
        b"",
        whole[:100],
        whole[: len(whole) // 2],
        whole[:-30],
        b"PK\x03\x04" + bytes(50),
        np.arange(3).tobytes(),
    ):
        path.write_bytes(part)
        with pytest.raises(ValueError, match="is not an .npz file of depth frames, or it is damaged"):
            ArchiveSource(path, CAMERA)
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes(byte ^ 255 for byte in whole[middle : middle + 64]) + whole[middle + 64 :])
    with pytest.raises(ValueError, match=r"mine\.npz is damaged"):
        [*ArchiveSource(path, CAMERA)]


def test_a_header_that_promises_more_than_there_is_is_refused(path):
    np.save(path.with_suffix(".npy"), DEPTH)
    content = path.with_suffix(".npy").read_bytes().replace(b"(5, 60, 80)", b"(9, 60, 80)")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("depth.npy", content)
    with pytest.raises(ValueError, match=r"shape \(9, 60, 80\) has 86,528 bytes. Received: 48,128"):
        ArchiveSource(path, CAMERA)


def test_frames_that_differ_are_not_written(path):
    frame = CapturedFrame(DEPTH[0], CAMERA, 1.0, 0.0)
    for frames in (
        [],
        [frame, frame._replace(camera=None)],
        [frame, frame._replace(depth_scale=2.0)],
        [frame, frame._replace(time=None)],
        [frame, frame._replace(depth=DEPTH[0].astype(np.float32))],
        [frame, frame._replace(depth=DEPTH[0, 1:])],
    ):
        with pytest.raises(ValueError, match="An archive holds frames of one camera"):
            write_archive(path, frames)
    with pytest.raises(ValueError, match="does not have the size"):
        write_archive(path, [frame._replace(depth=DEPTH[0, 1:])])
    assert not path.exists()
