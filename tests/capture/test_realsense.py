"""RealSense cameras and recordings, on librealsense's software device: what goes in comes out, what fails is said."""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import perf_counter, sleep
from types import SimpleNamespace

import numpy as np
import pytest
from rendered_frames import rendered_frames

from keras_handpose import CAMERAS, Camera, HandPoseEstimator, uvd_to_xyz, xyz_to_uvd
from keras_handpose.capture import FrameSource, Newest, realsense
from keras_handpose.capture.librealsense import ColourView, keep_for_ever, load_librealsense
from keras_handpose.capture.realsense import RealSenseRecording, RealSenseSource
from keras_handpose.preprocessing import read_depth

try:
    rs = load_librealsense()
except ImportError as error:
    pytest.skip(f"{error}", allow_module_level=True)

from software_camera import SoftwareCamera

CAMERA = Camera(width=64, height=48, fx=60.0, fy=61.5, cx=30.5, cy=24.25, name="Software camera")
BAG = Path(__file__).parent / "librealsense_2_57.bag"  # The last version that wrote such files.
FLAT = np.full(CAMERA.shape, 500, np.uint16)
DATA = os.environ.get("KERAS_HANDPOSE_TEST_DATA")


def numbered(n: int, camera: Camera = CAMERA) -> list[np.ndarray]:
    """Return frames that differ everywhere, the first pixel of which says which one it is."""
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 65536, camera.shape, np.uint16) for _ in range(n)]
    for number, frame in enumerate(frames):
        frame[0, 0] = number
    return frames


@pytest.fixture
def open_source():
    """Open sources that are closed afterwards."""
    opened = []

    def open_one(camera: SoftwareCamera, **options) -> RealSenseSource:
        opened.append(camera.open(**options))
        return opened[-1]

    yield open_one
    for source in opened:
        source.close()


def record(
    path: Path,
    frames: list[np.ndarray],
    *,
    camera: Camera = CAMERA,
    units: float = 0.000125,
    pause: float = 0.002,
    **options,
) -> Path:
    software = SoftwareCamera(camera, units=units, **options)
    source = software.open(recording=path, align_to="color" if "colour" in options else "depth")
    for _ in software.step(source, frames):
        sleep(pause)
    source.close()
    return path


# === The camera ===


@pytest.mark.parametrize(("units", "scale"), [(0.001, 1.0), (0.000125, 0.125), (0.00025, 0.25)])
def test_frames_camera_and_scale_are_the_devices(open_source, units, scale):
    software = SoftwareCamera(CAMERA, units=units)
    source = open_source(software)
    assert isinstance(source, FrameSource) and source.live
    assert (source.camera, source.depth_scale) == (CAMERA, scale)
    frames = numbered(4)
    taken = [*software.step(source, frames, rate=10)]
    for number, (frame, sent) in enumerate(zip(taken, frames, strict=True)):
        np.testing.assert_array_equal(
            frame.depth, sent
        )  # Also the first, long after librealsense used its memory anew.
        assert frame.depth.dtype == np.uint16 and frame.depth.flags.owndata and frame.depth.flags.writeable
        assert (frame.camera, frame.depth_scale) == (CAMERA, scale)
        assert frame.time == pytest.approx(100 + number / 10)


def test_a_lens_that_distorts_is_said_once(open_source, caplog):
    with caplog.at_level(logging.WARNING, "keras_handpose"):
        open_source(SoftwareCamera(CAMERA))
        assert not caplog.records
        software = SoftwareCamera(CAMERA, distortion=(0.1, -0.05, 0, 0, 0))
        assert len([*software.step(open_source(software), numbered(3))]) == 3
    (record,) = caplog.records
    assert "Software camera: the lens distorts" in record.message and "0.1, -0.05" in record.message


@pytest.mark.parametrize("align_to", ["depth", "color"])
def test_depth_in_the_colour_cameras_view(open_source, align_to):
    baseline, near, far = 40.0, 400, 1000
    depth_camera = replace(CAMERA, width=160, height=120, fx=130.0, fy=130.0, cx=80.0, cy=60.0)
    colour = replace(depth_camera, width=200, height=150, fx=170.0, fy=168.0, cx=101.0, cy=74.0)
    depth = np.full(depth_camera.shape, far, np.uint16)
    depth[40:80, 60:100] = near
    software = SoftwareCamera(depth_camera, colour=colour, baseline=baseline)
    source = open_source(software, align_to=align_to)
    (frame,) = software.step(source, [depth])
    block = np.argwhere(frame.depth == near)[:, ::-1]
    if align_to == "depth":
        assert source.camera == depth_camera
        np.testing.assert_array_equal(frame.depth, depth)
        return
    assert source.camera == frame.camera == colour
    middle = uvd_to_xyz([79.5, 59.5, near], depth_camera)
    expected = xyz_to_uvd(middle - (baseline, 0, 0), colour)
    np.testing.assert_allclose(block.mean(axis=0), expected[:2], atol=0.5)
    shift = xyz_to_uvd(middle, colour)[0] - block[:, 0].mean()
    assert shift == pytest.approx(colour.fx * baseline / near, abs=0.5)  # 17 px; what is far moves by 7.


def test_the_colour_cameras_view_is_the_one_that_librealsense_makes_with_colour_frames():
    colour = Camera(width=80, height=70, fx=80.0, fy=79.0, cx=38.0, cy=36.5)
    software = SoftwareCamera(CAMERA, colour=colour, baseline=25.0, distortion=(0.1, -0.2, 0.001, 0.002, 0.05))
    pipeline, config = rs.pipeline(software.context), rs.config()
    config.enable_stream(rs.stream.depth)
    config.enable_stream(rs.stream.color)
    pipeline.set_device(software.device)
    stream = pipeline.start(config).get_stream(rs.stream.color).as_video_stream_profile()
    view, align = ColourView(rs, stream), rs.align(rs.stream.color)
    rng = np.random.default_rng(0)
    for number in range(5):
        software.send(rng.integers(0, 4000, CAMERA.shape, np.uint16) * (rng.random(CAMERA.shape) < 0.5), number / 30)
        arrived, frames = pipeline.try_wait_for_frames(1000)
        assert arrived
        expected = np.array(align.process(frames).get_depth_frame().get_data())
        assert expected.shape == colour.shape and 0.2 < np.count_nonzero(expected) / expected.size < 1.0
        np.testing.assert_array_equal(view(frames.get_depth_frame()).get_data(), expected)
    pipeline.stop()


def test_joints_are_those_of_the_frames_themselves(open_source):
    camera, frames = rendered_frames("realsense_d435", 6)
    frames = [np.round(frame / 0.125).clip(0, 65535).astype(np.uint16) for frame in frames]
    software = SoftwareCamera(camera, units=0.000125)
    source = open_source(software)
    joints_are_equal(software, source, frames)


@pytest.mark.skipif(not DATA, reason="KERAS_HANDPOSE_TEST_DATA names no folder with real frames")
@pytest.mark.parametrize(("folder", "camera", "units"), [("sr305", "sr305", 0.000125), ("kinect2", "kinect_v2", 0.001)])
def test_joints_of_real_frames_are_those_of_the_frames_themselves(open_source, folder, camera, units):
    frames = [read_depth(path) for path in sorted((Path(DATA) / folder).glob("*.png"))]
    software = SoftwareCamera(CAMERAS[camera], units=units)
    joints_are_equal(software, open_source(software), frames)


def joints_are_equal(software: SoftwareCamera, source: RealSenseSource, frames: list[np.ndarray]) -> None:
    estimator = HandPoseEstimator("msra", camera=source.camera, depth_scale=source.depth_scale)
    through = [*estimator.stream(software.step(source, frames))]
    directly = [*estimator.stream(frames, timestamps=[100 + i / 30 for i in range(len(frames))])]
    assert sum(pose.found for pose in directly) > len(frames) // 2
    for a, b in zip(through, directly, strict=True):
        np.testing.assert_array_equal(a.joints_xyz, b.joints_xyz)


# === Time ===


def test_poses_of_what_comes_live(open_source):
    camera, frames = rendered_frames("realsense_d435", 4)
    frames = np.round(frames).astype(np.uint16)
    software = SoftwareCamera(camera)
    source = open_source(software)
    estimator = HandPoseEstimator("msra", camera=source.camera, depth_scale=source.depth_scale)
    with software.feed((frames[i // 20] for i in range(80)), 30), estimator.stream(source) as stream:
        poses = [next(stream) for _ in range(8)]
        seconds = stream.frame.time - 100
        start = perf_counter()
        source.close()
        assert perf_counter() - start < 1.0 and len([*stream]) <= 1
    assert all(pose.found for pose in poses[1:]) and stream.statistics.frames >= 8
    assert seconds * 30 + 1.5 > stream.statistics.frames + stream.statistics.dropped - 2


def test_whoever_is_slow_gets_the_newest_frame(open_source):
    rate, frames = 60, numbered(240)
    software = SoftwareCamera(CAMERA)
    source = open_source(software)
    ages, seen, newer = [], [], []
    with software.feed(frames, rate):
        for frame in source:
            seen.append(int(frame.depth[0, 0]))
            newer.append(len(software.sent) - 1 - seen[-1])
            ages.append(perf_counter() - software.sent[seen[-1]])
            if len(seen) == 8:
                break
            sleep(0.1)
    assert seen[-1] - seen[0] + 1 > 3 * len(seen)  # The others were dropped.
    assert np.median(ages) < 1.1 / rate and np.median(newer) <= 1 and max(newer) <= 3


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc tells the memory in use")
def test_frames_that_nobody_takes_are_not_kept(open_source):
    def memory() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    big = CAMERAS["sr305"]
    software = SoftwareCamera(big)
    source = open_source(software)
    depth = np.full(big.shape, 500, np.uint16)
    for number in range(50):
        software.send(depth, number / 30)
    before = memory()
    for number in range(50, 450):  # 246 MB.
        software.send(depth, number / 30)
    assert memory() - before < 40e6
    assert next(iter(source)).time > 14


def test_times_increase_whatever_the_devices_clock_does(open_source):
    software = SoftwareCamera(CAMERA)
    taken = iter(open_source(software))
    times = []
    for clock, domain, is_new in (
        (7.0, "hardware_clock", True),
        (7.1, "hardware_clock", True),
        (7.1, "hardware_clock", False),  # The same again.
        (7.05, "hardware_clock", False),
        (7.2, "hardware_clock", True),
        (1e9, "global_time", True),  # Another clock, as some frames after the start.
        (1e9 + 0.1, "global_time", True),
        (5.0, "global_time", True),  # It was set.
        (5.1, "global_time", True),
    ):
        software.send(FLAT, clock, domain=domain)
        if is_new:
            times.append(next(taken).time)
        else:
            sleep(0.02)
    assert times[:3] == pytest.approx([7.0, 7.1, 7.2])
    steps = np.diff(times)
    assert (steps > 0).all() and (steps < 1).all()
    assert steps[[3, 5]] == pytest.approx(0.1, abs=1e-4)


# === What goes wrong ===


def test_a_camera_that_stops_is_an_error_in_time(open_source):
    software = SoftwareCamera(CAMERA)
    source = open_source(software, timeout_s=0.3)
    taken = Newest(source)
    with software.feed(numbered(5), 60):
        sleep(0.2)
    assert next(taken)[0].depth[0, 0] == 4
    with pytest.raises(OSError, match=r"Software camera was lost: no frame came for 0\.\d s\. Check the cable"):
        next(taken)
    assert 0.3 < perf_counter() - software.sent[-1] < 1.0


def test_an_unplugged_camera_is_an_error(open_source, monkeypatch):
    def lost():
        raise RuntimeError("Device disconnected")

    gone = SimpleNamespace(is_connected=lambda: False)
    for name, stand_in, message in (
        ("_device", gone, "was lost: it is not connected any more. Check the cable"),
        ("_pipeline", SimpleNamespace(wait=lost, stop=lambda: None), "was lost: Device disconnected. Check the cable"),
    ):
        software = SoftwareCamera(CAMERA)
        source = open_source(software)
        taken = iter(source)
        software.send(FLAT, 1.0)
        next(taken)
        with monkeypatch.context() as patch:
            patch.setattr(source, name, stand_in)
            with pytest.raises(OSError, match=message):
                next(taken)


def test_a_camera_that_comes_back_goes_on(open_source, caplog):
    software = SoftwareCamera(CAMERA)
    source = open_source(software, timeout_s=0.2, reconnect_s=5.0)
    taken = iter(source)
    for time in (50.0, 50.1):
        software.send(FLAT, time)
        before = next(taken)
    with caplog.at_level(logging.WARNING, "keras_handpose"):
        pause = threading.Timer(0.5, lambda: [(software.send(FLAT, 0.1 * i), sleep(0.05)) for i in range(8)])
        pause.start()
        after = [next(taken) for _ in range(3)]
        pause.join()
    assert "was lost" in caplog.text
    times = [before.time, *(frame.time for frame in after)]
    assert (np.diff(times) > 0).all() and 0.3 < times[1] - times[0] < 2.0


def test_a_camera_that_does_not_come_back_is_an_error_after_the_wait(open_source):
    source = open_source(SoftwareCamera(CAMERA), timeout_s=0.1, reconnect_s=0.3)
    start = perf_counter()
    with pytest.raises(OSError, match="was lost"):
        next(iter(source))
    assert 0.3 < perf_counter() - start < 1.5


@pytest.mark.parametrize("reconnect_s", [0.0, 20.0])
def test_closing_while_another_thread_waits(open_source, reconnect_s):
    source = open_source(SoftwareCamera(CAMERA), timeout_s=0.1 if reconnect_s else 20.0, reconnect_s=reconnect_s)
    taken = []
    thread = threading.Thread(target=lambda: taken.extend(source))
    thread.start()
    sleep(0.3)
    start = perf_counter()
    source.close()
    thread.join(5)
    assert not thread.is_alive() and perf_counter() - start < 1.0 and taken == []
    source.close()
    assert [*source] == []


def test_opening_fails_with_what_to_do(open_source, tmp_path):
    software = SoftwareCamera(CAMERA)
    here, nothing = (SimpleNamespace(query_devices=lambda found=found: found) for found in ([software.device], []))
    with pytest.raises(OSError, match=r"No RealSense camera was found\. Check the cable .* USB 3 .* udev rules"):
        RealSenseSource(context=nothing)
    with pytest.raises(OSError, match=r"serial number '99'\. Connected: 123\."):
        RealSenseSource("99", context=here)
    with pytest.raises(ValueError, match=r"Received: 640 x any px at 30/s\. It has 64 x 48 at 30/s"):
        software.open(width=640)
    with pytest.raises(ValueError, match=r"Received: any x any px at 90/s"):
        software.open(rate=90)
    with pytest.raises(OSError, match=r"could not be started: .*colour stream at this rate"):
        software.open(align_to="color")
    open_source(software)
    with pytest.raises(OSError, match=r"could not be started: .*streaming.*no other program"):
        software.open()
    with pytest.raises(ValueError, match="with a depth sensor is needed. Received: Software camera"):
        SoftwareCamera(None, colour=CAMERA).open()
    (tmp_path / "there.db3").touch()
    with pytest.raises(FileExistsError, match=r"there\.db3 is there already"):
        software.open(recording=tmp_path / "there.db3")
    for options, message in (
        ({"recording": tmp_path / "mine.bag"}, r"records to a \.db3 file"),
        ({"recording": tmp_path / "mine.db3", "reconnect_s": 1}, "cannot go on with its recording"),
        ({"timeout_s": 0}, "`timeout_s` must be positive"),
        ({"rate": 29.97}, "whole number"),
        ({"align_to": "colour"}, "`align_to` must be 'depth' or 'color'"),
    ):
        with pytest.raises(ValueError, match=message):
            software.open(**options)


def test_without_the_package_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyrealsense2", None)
    with pytest.raises(ImportError, match=r"pip install \"keras-handpose\[live\]\""):
        RealSenseSource()
    with pytest.raises(ImportError, match="need pyrealsense2"):
        RealSenseRecording(BAG)


# === Recordings ===


def test_a_recording_plays_what_was_recorded(tmp_path):
    frames = numbered(40)
    path = record(tmp_path / "new" / "mine.db3", frames)
    source = RealSenseRecording(path)
    assert isinstance(source, FrameSource) and not source.live
    assert (source.camera, source.depth_scale) == (CAMERA, 0.125)
    played = []
    for frame in source:
        sleep(0.01 if len(played) % 3 else 0.0)  # None is dropped.
        played.append(frame)
    assert len(played) == len(frames)
    for number, (frame, sent) in enumerate(zip(played, frames, strict=True)):
        np.testing.assert_array_equal(frame.depth, sent)
        assert frame.time == pytest.approx(100 + number / 30) and frame.depth_scale == 0.125
    source.close()
    source.close()


def test_all_frames_are_recorded_also_those_that_nobody_takes(tmp_path):
    frames = numbered(60)
    software = SoftwareCamera(CAMERA)
    source = software.open(recording=tmp_path / "mine.db3")
    waiting = Newest(source)
    with software.feed(frames, 200):
        sleep(0.4)
    source.close()
    assert len([*waiting]) == 1
    assert [frame.depth[0, 0] for frame in RealSenseRecording(tmp_path / "mine.db3")] == [*range(60)]


def test_a_recording_in_the_colour_cameras_view(tmp_path):
    depth = np.full(CAMERA.shape, 600, np.uint16)
    depth[10:30, 20:40] = 300
    colour = replace(CAMERA, fx=70.0, cx=28.0)
    # Of two streams a busy machine would not record all frames in a hurry.
    path = record(tmp_path / "mine.db3", [depth] * 12, units=0.001, colour=colour, baseline=30.0, pause=0.1)
    recorded = [frame.time for frame in RealSenseRecording(path)]
    assert len(recorded) >= 10
    for _ in range(20):  # Played with colour, one in ten loses frames or stands still.
        source = RealSenseRecording(path, align_to="color")
        played = [*source]
        source.close()
        assert [frame.time for frame in played] == recorded
    assert source.camera == colour
    u = np.flatnonzero(played[5].depth[20] == 300)
    expected = xyz_to_uvd(uvd_to_xyz([[20, 20, 300], [39, 20, 300]], CAMERA) - (30.0, 0, 0), colour)[:, 0]
    assert u[[0, -1]].mean() == pytest.approx(expected.mean(), abs=0.5)


def test_bag_files_of_older_versions_play():
    source = RealSenseRecording(BAG)
    assert source.camera == Camera(width=64, height=48, fx=60, fy=61, cx=31.5, cy=24, name="Software camera")
    played = [*source]
    assert [frame.time for frame in played] == pytest.approx([5.0, 5.1, 5.2])
    assert [(frame.depth * frame.depth_scale).max() for frame in played] == [400, 401, 402]


@pytest.mark.parametrize("taken", [0, 2])
def test_closing_a_recording_before_its_end(tmp_path, taken):
    source = RealSenseRecording(record(tmp_path / "mine.db3", numbered(20)))
    frames = iter(source)
    for _ in range(taken):
        next(frames)
    start = perf_counter()
    source.close()
    assert next(frames, None) is None and perf_counter() - start < 1.0


def test_a_recording_that_nobody_closes_is_not_stopped(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(realsense, "keep_for_ever", lambda thing: kept.append(thing) or keep_for_ever(thing))
    source = RealSenseRecording(record(tmp_path / "mine.db3", numbered(20)))
    next(iter(source))
    playback = source._playback
    del source
    assert kept == [playback] and playback.current_status() == rs.playback_status.playing


def test_a_playback_that_stands_still_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(realsense, "_STUCK", 0.2)
    source = RealSenseRecording(record(tmp_path / "mine.db3", numbered(20)))
    frames = iter(source)
    next(frames)
    monkeypatch.setattr(source._pipeline, "wait", lambda: sleep(0.01))
    with pytest.raises(ValueError, match=r"mine\.db3 is damaged: no frame and no end comes after 0\.\d s"):
        next(frames)
    source.close()


def test_recordings_that_are_none_are_refused(tmp_path):
    whole = record(tmp_path / "whole.db3", numbered(30)).read_bytes()
    for name, content, error, message in (
        ("missing.db3", None, FileNotFoundError, "There is no recording"),
        ("frame.png", b"\x89PNG", ValueError, r"is a \.bag or \.db3 file"),
        ("empty.db3", b"", ValueError, "or is damaged"),
        ("short.bag", BAG.read_bytes()[:5], ValueError, "or is damaged"),
        ("half.bag", BAG.read_bytes()[:12000], ValueError, "or it is damaged"),
        ("half.db3", whole[: len(whole) // 2], ValueError, "damaged"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(error, match=message):
            [*RealSenseRecording(tmp_path / name)]
    with pytest.raises(FileNotFoundError):
        RealSenseRecording(tmp_path)


def test_a_recording_without_depth_or_colour(tmp_path):
    software = SoftwareCamera(None, colour=CAMERA)
    pipeline, config = rs.pipeline(software.context), rs.config()
    pipeline.set_device(software.device)
    config.enable_stream(rs.stream.color)
    config.enable_record_to_file(str(tmp_path / "colour.db3"))
    pipeline.start(config)
    for number in range(10):
        software.send(None, number / 30)
        assert pipeline.try_wait_for_frames(1000)[0]
    pipeline.stop()
    del pipeline, config
    with pytest.raises(ValueError, match=r"colour\.db3 has no depth stream"):
        RealSenseRecording(tmp_path / "colour.db3")
    with pytest.raises(ValueError, match=r"\.bag has no colour stream, which align_to='color' needs"):
        RealSenseRecording(BAG, align_to="color")


def test_damage_within_a_recording_is_an_error_after_the_frames_before_it(tmp_path):
    path = tmp_path / "mine.db3"
    software = SoftwareCamera(CAMERA)
    source = software.open(recording=path)
    with software.feed(numbered(14), 20):
        sleep(0.75)
    source.close()
    images = "SELECT messages.id FROM messages JOIN topics ON topic_id = topics.id WHERE name LIKE '%compressedDepth'"
    for first in (2, 0):
        with closing(sqlite3.connect(path)) as database, database:
            number = database.execute(f"{images} ORDER BY timestamp LIMIT 1 OFFSET {first}").fetchone()
            database.execute("UPDATE messages SET data = substr(data, 1, 2000) WHERE id = ?", number)
        played = []
        with pytest.raises(ValueError, match=r"mine\.db3 is damaged, or its depth stream ends early"):
            for frame in RealSenseRecording(path):
                played.append(frame.depth[0, 0])
        assert played == [*range(first)]
