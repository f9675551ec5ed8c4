"""Depth frames: what is taken, what is refused, and the file formats."""

from __future__ import annotations

import struct
import warnings
import zlib

import cv2
import numpy as np
import pytest

from keras_handpose import CAMERAS
from keras_handpose.preprocessing import check_depth, list_depth_files, preprocess_input, read_depth
from keras_handpose.preprocessing.frames import warn_of_distance, warn_of_unit

FRAME = np.arange(12, dtype=np.uint16).reshape(3, 4) * 100


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_frames_in_mm_are_not_copied(dtype):
    frame = FRAME.astype(dtype)
    assert check_depth(frame) is frame


@pytest.mark.parametrize(
    "dtype", [np.int16, np.int32, np.int64, np.uint32, np.uint64, np.float16, np.float64, ">u2", ">f4"]
)
def test_other_numbers_become_float32(dtype):
    frame = check_depth(FRAME.astype(dtype))
    assert frame.dtype == np.float32
    np.testing.assert_array_equal(frame, FRAME)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_scale(dtype):
    given = FRAME.astype(dtype)
    frame = check_depth(given, depth_scale=0.125)
    assert frame.dtype == np.float32
    np.testing.assert_array_equal(frame, FRAME / 8)
    np.testing.assert_array_equal(given, FRAME)


def test_depth_that_float32_cannot_hold_is_no_depth():
    assert np.isinf(check_depth(np.array([[1e300, 1e39]]))).all()


@pytest.mark.parametrize(
    ("frame", "error", "message"),
    [
        (np.zeros((4, 4), np.uint8), TypeError, "8 bits"),
        (np.zeros((4, 4, 3), np.uint8), TypeError, "colour"),
        (np.zeros((4, 4), bool), TypeError, "dtype bool"),
        (np.zeros((4, 4), np.complex64), TypeError, "dtype complex64"),
        (np.zeros((4, 4), object), TypeError, "dtype object"),
        ("frame.png", TypeError, "16-bit integers or floats"),
        (np.zeros((4, 4, 3), np.uint16), ValueError, r"\(4, 4, 3\)"),
        (np.zeros((4, 4, 1), np.uint16), ValueError, "without a channel axis"),
        (np.zeros(4, np.uint16), ValueError, r"\(height, width\)"),
        (np.float32(3), ValueError, r"\(height, width\)"),
        (np.zeros((0, 4), np.uint16), ValueError, "empty"),
    ],
)
def test_what_is_no_depth_frame(frame, error, message):
    with pytest.raises(error, match=message):
        check_depth(frame)


@pytest.mark.parametrize("scale", [0, -1, np.nan, np.inf])
def test_scale_must_be_positive(scale):
    with pytest.raises(ValueError, match="depth_scale"):
        check_depth(FRAME, depth_scale=scale)


def test_frame_must_be_the_cameras():
    with pytest.raises(ValueError, match="'msra15', 320 x 240. Received: 640 x 480"):
        check_depth(np.zeros((480, 640), np.uint16), camera=CAMERAS["msra15"])


# === Files ===


def room(*, hand_only: bool = False) -> np.ndarray:
    """A hand before a wall in mm, 640 x 480."""
    frame = np.full((480, 640), 0 if hand_only else 1500, np.float32)
    frame[200:270, 300:360] = 400
    return frame


def with_stray(frame: np.ndarray, share: float, depth: float) -> np.ndarray:
    """Give pixels anywhere another depth: one at least."""
    frame, rng = frame.copy(), np.random.default_rng(0)
    frame.flat[rng.choice(frame.size, max(1, int(share * frame.size)), replace=False)] = depth
    return frame


@pytest.mark.parametrize("hand_only", [False, True])
@pytest.mark.parametrize("missing", [0, np.nan, np.inf, -1, np.finfo(np.float32).max])
@pytest.mark.parametrize(
    ("scale", "stray", "message"), [(1e-3, 800, "nearer than 20 mm.*metres"), (1e3, 50, "farther than 100 m.*mm")]
)
def test_a_wrong_unit_is_told_whatever_a_few_pixels_say(hand_only, missing, scale, stray, message):
    frame = room(hand_only=hand_only) * np.float32(scale)
    frame[frame == 0] = missing
    frame[:100] = missing
    for given in (frame, with_stray(frame, 0, stray), *([] if hand_only else [with_stray(frame, 0.02, stray)])):
        with pytest.warns(UserWarning, match=message):
            warn_of_unit(given)


@pytest.mark.parametrize(
    "frame",
    [
        room(),
        room(hand_only=True),
        room().astype(np.uint16),
        with_stray(room(), 0.02, 3),
        with_stray(room(hand_only=True), 0.001, 3e5),
        np.where(room(hand_only=True) == 0, np.finfo(np.float32).max, 400),  # Marks, which nobody measured.
        np.where(room(hand_only=True) == 0, np.inf, 400),
        np.zeros((480, 640), np.uint16),
        np.full((480, 640), np.nan, np.float32),
        np.full((480, 640), np.finfo(np.float32).max),
        np.full((1, 1), 500, np.uint16),
    ],
    ids=lambda _: "",
)
def test_a_unit_that_can_be_is_not_doubted(frame):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_unit(frame)


def test_a_hand_that_is_too_far_away_is_doubted():
    frame = np.zeros(CAMERAS["sr305"].shape, np.float32)
    frame[140:340, 220:420] = 3200  # 400 mm in units of 0.125 mm.
    with pytest.warns(UserWarning, match=r"more than 2 m from the camera.*depth_scale") as said:
        preprocess_input(frame, camera="sr305", cube=2000.0, size=64)
    assert said[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        preprocess_input(frame, camera="sr305", cube=250.0, depth_scale=0.125)
        warn_of_distance(np.full(3, np.nan))


@pytest.mark.parametrize("name", ["frame.png", "frame.tiff", "frame.pgm", "with space and ü.png"])
def test_16_bit_images(tmp_path, name):
    encoded = cv2.imencode((tmp_path / name).suffix, FRAME)[1]
    (tmp_path / name).write_bytes(encoded.tobytes())
    frame = read_depth(tmp_path / name)
    assert frame.dtype == np.uint16
    np.testing.assert_array_equal(frame, FRAME)


def test_nyu_encoding(tmp_path):
    mm = np.array([[0, 255, 256], [736, 2047, 65535]], np.uint16)
    encoded = np.stack([mm & 255, mm >> 8, np.full_like(mm, 77)], axis=-1).astype(np.uint8)  # blue, green, red
    cv2.imwrite(str(tmp_path / "frame.png"), encoded)
    frame = read_depth(str(tmp_path / "frame.png"), format="nyu")
    assert frame.dtype == np.uint16
    np.testing.assert_array_equal(frame, mm)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_arrays(tmp_path, dtype):
    np.save(tmp_path / "frame.npy", FRAME.astype(dtype))
    frame = read_depth(tmp_path / "frame.npy", format="npy")
    assert frame.dtype == dtype
    np.testing.assert_array_equal(frame, FRAME)
    np.testing.assert_array_equal(read_depth(tmp_path / "frame.npy"), FRAME)
    assert [path.name for path in list_depth_files(tmp_path)] == ["frame.npy"]
    cv2.imwrite(str(tmp_path / "frame.png"), FRAME)
    assert [path.name for path in list_depth_files(tmp_path)] == ["frame.png"]  # Arrays only where there are no images.


def _grey(path):
    cv2.imwrite(str(path), FRAME.astype(np.uint8))


def _colour(path):
    cv2.imwrite(str(path), np.zeros((3, 4, 3), np.uint8))


def _depth(path):
    cv2.imwrite(str(path), FRAME)


def _cut_off(path):
    path.write_bytes(cv2.imencode(".png", FRAME)[1].tobytes()[:40])


def _endless(path):
    header = bytearray(cv2.imencode(".png", FRAME)[1].tobytes())
    header[16:24] = struct.pack(">II", 60_000, 60_000)
    header[29:33] = struct.pack(">I", zlib.crc32(header[12:29]))
    path.write_bytes(header)


def _empty(path):
    path.write_bytes(b"")


def _text(path):
    path.write_text("not a frame")


def _pickled(path):
    with path.open("wb") as file:
        np.save(file, np.array([[None]], object), allow_pickle=True)


def _several(path):
    with path.open("wb") as file:
        np.savez(file, frame=FRAME)


def _volume(path):
    with path.open("wb") as file:
        np.save(file, np.zeros((2, 3, 4), np.float32))


@pytest.mark.parametrize(
    ("write", "format", "message"),
    [
        (_grey, "depth16", "1 channel of 8 bits"),
        (_colour, "depth16", "3 channels of 8 bits.*format='nyu'"),
        (_depth, "nyu", "1 channel of 16 bits.*format='depth16'"),
        (_cut_off, "depth16", "damaged"),
        (_endless, "depth16", "damaged"),
        (_empty, "depth16", "damaged"),
        (_text, "nyu", "damaged"),
        (_text, "npy", "not a NumPy array file"),
        (_empty, "npy", "not a NumPy array file"),
        (_pickled, "npy", "not a NumPy array file"),
        (_several, "npy", "not a NumPy array file"),
        (_volume, "npy", r"\(height, width\)"),
        (_depth, "png", "'depth16', 'nyu', 'npy'"),
    ],
)
def test_files_that_are_no_depth_frame(tmp_path, write, format, message):
    path = tmp_path / "frame.png"
    write(path)
    with pytest.raises(ValueError, match=message):
        read_depth(path, format=format)


@pytest.mark.parametrize("format", ["depth16", "nyu", "npy"])
def test_missing_files_and_folders(tmp_path, format):
    for path in (tmp_path / "nothing.png", tmp_path):
        with pytest.raises(FileNotFoundError, match="no depth file"):
            read_depth(path, format=format)
