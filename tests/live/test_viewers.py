"""Windows, videos and the Rerun viewer: what is shown, how fast, and what remains."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from importlib import util
from types import SimpleNamespace

import cv2
import matplotlib
import numpy as np
import pytest
from matplotlib.backend_bases import CloseEvent, FigureManagerBase, KeyEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image, ImageSequence

from keras_handpose.cameras import CAMERAS
from keras_handpose.capture import CapturedFrame
from keras_handpose.estimator import Pose, StreamStatistics
from keras_handpose.live import RerunViewer, VideoWriter, Viewer, WindowViewer, rerun_viewer
from keras_handpose.live import window as window_module
from keras_handpose.live.joint_angles import joint_angles
from keras_handpose.live.viewer import draw, scale_of
from keras_handpose.preprocessing import crop_hand
from keras_handpose.skeletons import MSRA21

CAMERA = CAMERAS["msra15"]
STATISTICS = StreamStatistics(
    frames=9,
    found=8,
    dropped=1,
    late=0,
    rate=29.9,
    latency_ms=7.2,
    latency_p50_ms=7.0,
    latency_p99_ms=9.0,
    latency_max_ms=9.5,
)
NOTHING = Pose.not_found(skeleton=MSRA21, camera=CAMERA)


def frame(time: float | None = 0.0, *, left: int = 120) -> CapturedFrame:
    """A square before a wall, and no depth at the border."""
    depth = np.full(CAMERA.shape, 900, np.uint16)
    depth[80:160, left : left + 80] = 400
    depth[:, :20] = 0
    return CapturedFrame(depth, CAMERA, 1.0, time)


def pose_in(shown: CapturedFrame, *, hand: str = "right") -> Pose:
    crop = crop_hand(shown.depth, CAMERA, (0.0, 0.0, 400.0))
    joints_unit = np.random.default_rng(0).uniform(-0.4, 0.4, (21, 3))
    return Pose(
        found=True,
        joints_xyz=crop.unit_to_xyz(joints_unit),
        centre_xyz=np.array([0.0, 0.0, 400.0]),
        crop=crop,
        score=0.9,
        hand=hand,
        skeleton=MSRA21,
        camera=CAMERA,
    )


def show(viewer: Viewer, *times: float | None, **settings) -> None:
    for number, time in enumerate(times):
        shown = frame(time, left=40 + 8 * number)
        viewer.show(shown, (pose_in(shown, **settings),), STATISTICS)


def test_the_picture_has_the_unit_of_the_frame_or_of_the_estimator():
    shown = frame()
    metres = CapturedFrame((shown.depth / 1000).astype(np.float32), CAMERA, None)
    pose = replace(pose_in(shown), depth_scale=1000.0)
    assert (scale_of(shown, (pose,)), scale_of(metres, (pose,)), scale_of(metres, ())) == (1.0, 1000.0, 1.0)
    pictures = [draw(shown, (pose,), STATISTICS), draw(metres, (pose,), STATISTICS)]
    assert abs(pictures[0].astype(int) - pictures[1]).max() <= 3


def test_the_picture_says_how_fast_it_is_once_that_is_known():
    unknown = replace(STATISTICS, rate=np.nan, latency_ms=np.nan)
    written = [draw(frame(), (NOTHING,), statistics) for statistics in (STATISTICS, unknown)]
    assert (written[0] != written[1]).any()
    assert draw(CapturedFrame(frame().depth, None), (NOTHING,), unknown, width=640).shape == (480, 640, 3)


# Videos.


def frames_of(path) -> list[np.ndarray]:
    if path.suffix == ".gif":
        with Image.open(path) as gif:
            return [np.asarray(picture.convert("RGB")) for picture in ImageSequence.Iterator(gif)]
    video = cv2.VideoCapture(str(path))
    pictures = []
    while (read := video.read())[0]:
        pictures.append(read[1][..., ::-1])
    return pictures


def durations_of(path) -> list[int]:
    with Image.open(path) as gif:
        return [picture.info["duration"] for picture in ImageSequence.Iterator(gif)]


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
@pytest.mark.parametrize("width", [None, 160])
def test_a_video_shows_what_was_seen(tmp_path, suffix, width):
    video = VideoWriter(tmp_path / f"new/hand{suffix}", rate=10, width=width)
    assert isinstance(video, Viewer) and video.open
    show(video, *np.arange(6) / 10)
    video.close()
    video.close()
    pictures = frames_of(video.path)
    assert len(pictures) == 6
    for number, picture in enumerate(pictures):
        shown = frame(left=40 + 8 * number)
        expected = draw(shown, (pose_in(shown),), STATISTICS, width=width)
        assert picture.shape == expected.shape
        assert abs(picture.astype(int) - expected).mean() < 6


def test_a_gif_plays_at_the_frames_own_times(tmp_path):
    video = VideoWriter(tmp_path / "hand.gif", rate=50)
    show(video, 100.0, 100.1, 100.3, 100.32)
    video.close()
    assert durations_of(video.path) == [100, 200, 20, 20]
    with Image.open(video.path) as gif:
        assert gif.info["loop"] == 0


@pytest.mark.parametrize(
    ("times", "rate", "slots"),
    [
        (np.arange(12) / 60, 15, [0, 1, 2, 3]),  # A fast camera: some are left out.
        (np.arange(4) / 5, 10, [0, 2, 4, 6]),  # A slow one: they stay.
        ([None] * 4, 10, [0, 1, 2, 3]),
        ([7.0, 7.1, 0.0, 0.1], 10, [0, 1, 2, 3]),  # A recording that starts anew.
        ([0.0, 0.0, 0.1], 10, [0, 1]),
        ([0.0, 1e9, 1e9 + 0.1], 10, [0, 100, 101]),
        ([0.0, 0.107, 0.195, 0.303], 10, [0, 1, 2, 3]),  # Times are not that even.
    ],
)
def test_a_video_plays_in_real_time(tmp_path, times, rate, slots):
    gif, film = (VideoWriter(tmp_path / f"hand{suffix}", rate=rate, width=64) for suffix in (".gif", ".mp4"))
    for video in (gif, film):
        show(video, *times)
        video.close()
    length = 1000 * (slots[-1] + 1) / rate
    assert len(frames_of(film.path)) == slots[-1] + 1
    durations = durations_of(gif.path)
    assert len(durations) == len(slots)
    np.testing.assert_allclose(np.cumsum(durations), [*np.array(slots[1:]) * 1000 / rate, length], atol=5.01)


def test_a_gif_has_one_palette_and_holds_what_changed(tmp_path):
    sizes = []
    for count in (2, 12):
        video = VideoWriter(tmp_path / "hand.gif")
        for number in range(count):
            video.show(frame(number / 10), (NOTHING,), STATISTICS)
        video.close()
        sizes.append(video.path.stat().st_size)
    assert sizes[1] - sizes[0] < 10 * 60  # Nothing changed: no pixels, and no palette of 768 bytes.


def test_frames_of_a_gif_are_written_as_they_come(tmp_path):
    video = VideoWriter(tmp_path / "hand.gif")
    noise = np.random.default_rng(0)
    sizes = []
    for number in range(4):
        depth = noise.integers(400, 900, CAMERA.shape).astype(np.uint16)
        video.show(CapturedFrame(depth, CAMERA, 1.0, number / 10), (), STATISTICS)
        sizes.append(sum(path.stat().st_size for path in tmp_path.iterdir()))
    # The last frame waits until it is known how long it stays.
    assert sizes[0] == 0 and (np.diff(sizes) > 20_000).all()
    video.close()


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_a_video_appears_when_it_is_closed(tmp_path, suffix):
    path = tmp_path / f"hand{suffix}"
    path.write_bytes(b"the one before")
    video = VideoWriter(path)
    show(video, 0.0, 0.1)
    assert path.read_bytes() == b"the one before"
    video.close()
    assert len(frames_of(path)) >= 2 and [other.name for other in tmp_path.iterdir()] == [path.name]
    with pytest.raises(ValueError, match="closed"):
        show(video, 0.2)


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_a_video_without_frames_is_none(tmp_path, suffix):
    VideoWriter(tmp_path / f"hand{suffix}").close()
    assert not list(tmp_path.iterdir())


def test_a_video_that_fails_leaves_nothing(tmp_path, monkeypatch):
    video = VideoWriter(tmp_path / "hand.gif")
    show(video, 0.0, 0.1)
    monkeypatch.setattr("PIL.GifImagePlugin.getdata", lambda *arguments, **settings: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        show(video, 0.2)
    video.close()
    assert not list(tmp_path.iterdir())


def test_a_killed_process_leaves_nothing_under_the_name(tmp_path):
    code = f"""if True:
        import os, signal
        import numpy as np
        from keras_handpose.cameras import CAMERAS
        from keras_handpose.capture import CapturedFrame
        from keras_handpose.live import VideoWriter
        from types import SimpleNamespace
        video = VideoWriter({str(tmp_path / "hand.gif")!r})
        for time in (0, 0.1, 0.2):
            depth = np.full((240, 320), 900, np.uint16)
            statistics = SimpleNamespace(rate=30.0, latency_ms=7.0)
            video.show(CapturedFrame(depth, CAMERAS["msra15"], 1.0, time), (), statistics)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == -signal.SIGKILL
    assert not (tmp_path / "hand.gif").exists()


def test_frames_that_change_their_size_are_fitted(tmp_path):
    video = VideoWriter(tmp_path / "hand.gif")
    show(video, 0.0)
    wide = CAMERA.window(0, 0, 300, 100)
    video.show(CapturedFrame(np.full((100, 300), 700, np.uint16), wide, 1.0, 0.1), (), STATISTICS)
    video.close()
    assert [picture.shape for picture in frames_of(video.path)] == [(240, 320, 3)] * 2


@pytest.mark.parametrize(
    ("path", "settings", "error", "message"),
    [
        ("hand.avi", {}, ValueError, r"\.gif or \.mp4.*hand\.avi"),
        ("hand", {}, ValueError, "ends in"),
        ("hand.gif", {"rate": 0}, ValueError, "positive number of frames per second.*Received: rate=0"),
        ("hand.gif", {"rate": 60}, ValueError, "at most 50 for a GIF"),
        ("hand.mp4", {"rate": np.nan}, ValueError, "Received: rate=nan"),
        ("hand.mp4", {"width": 1}, ValueError, "at least 2"),
        ("file/hand.gif", {}, OSError, "file"),
        ("folder.gif", {}, IsADirectoryError, "is a folder"),
    ],
)
def test_videos_that_cannot_be_are_refused_before_the_first_frame(tmp_path, path, settings, error, message):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.gif").mkdir()
    with pytest.raises(error, match=message):
        VideoWriter(tmp_path / path, **settings)
    assert {other.name for other in tmp_path.iterdir()} == {"file", "folder.gif"}


# Windows.


class Manager(FigureManagerBase):
    """A window that nobody sees."""

    def __init__(self, canvas, num) -> None:
        super().__init__(canvas, num)
        self.title, self.visible, self.toolbars = None, False, matplotlib.rcParams["toolbar"]

    def show(self) -> None:
        self.visible = True

    def resize(self, width, height) -> None:
        figure = self.canvas.figure
        figure.set_size_inches(width / figure.dpi, height / figure.dpi, forward=False)

    def set_window_title(self, title) -> None:
        self.title = title

    def destroy(self) -> None:
        self.visible = False
        CloseEvent("close_event", self.canvas)._process()


class Canvas(FigureCanvasAgg):
    manager_class = Manager
    drawn = 0

    def flush_events(self) -> None:
        self.draw()
        self.drawn += 1


@pytest.fixture
def invisible(monkeypatch) -> None:
    """Windows without a display."""
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(window_module, "_installed", lambda package: True)
    backend = SimpleNamespace(FigureCanvas=Canvas)
    monkeypatch.setattr(window_module.backend_registry, "load_backend_module", lambda name: backend)


def test_a_window_shows_the_picture_pixel_by_pixel(invisible):
    window = WindowViewer(title="my hand")
    assert isinstance(window, Viewer) and window.open
    manager = window._manager
    assert manager.title == "my hand" and manager.toolbars == "None" and not manager.visible
    shown = frame()
    window.show(shown, (pose_in(shown),), STATISTICS)
    assert manager.visible
    pixels = np.asarray(manager.canvas.buffer_rgba())[..., :3]
    np.testing.assert_array_equal(pixels, draw(shown, (pose_in(shown),), STATISTICS, width=640))
    window.close()
    assert not window.open and not manager.visible


def test_a_window_of_another_shape_keeps_the_pictures_shape(invisible):
    window = WindowViewer(rate=1e9)
    show(window, 0.0)
    window._manager.resize(400, 500)
    show(window, 0.1)
    pixels = np.asarray(window._manager.canvas.buffer_rgba())[..., :3]
    picture = draw(frame(left=40), (pose_in(frame(left=40)),), STATISTICS, width=400)
    np.testing.assert_array_equal(pixels[100:400], picture)
    assert (pixels[:99] == pixels[0, 0]).all() and (pixels[401:] == pixels[0, 0]).all()
    window.close()


def test_a_window_does_not_hold_up_the_poses(invisible):
    window = WindowViewer(rate=0.01)
    show(window, 0.0)
    drawn = window._manager.canvas.drawn
    show(window, *np.arange(1, 50) / 10)
    assert window._manager.canvas.drawn == drawn
    window.close()


@pytest.mark.parametrize("key", ["q", "escape"])
def test_a_window_is_closed_by_a_key(invisible, key):
    window = WindowViewer()
    show(window, 0.0)
    canvas = window._manager.canvas
    KeyEvent("key_press_event", canvas, "x")._process()
    assert window.open
    KeyEvent("key_press_event", canvas, key)._process()
    assert not window.open
    show(window, 1.0)
    window.close()


def test_a_window_is_closed_by_its_button(invisible):
    window = WindowViewer()
    show(window, 0.0)
    window._manager.destroy()
    assert not window.open
    show(window, 1.0)
    window.close()


def test_the_configured_backend_comes_first(invisible):
    with matplotlib.rc_context():
        dict.__setitem__(matplotlib.rcParams, "backend", "WXAgg")
        assert window_module._candidates()[0] == "wxagg"
        dict.__setitem__(matplotlib.rcParams, "backend", "agg")
        assert "agg" not in window_module._candidates() and "tkagg" in window_module._candidates()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is always a display")
def test_no_display_is_said_clearly(monkeypatch):
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(OSError, match="neither DISPLAY nor WAYLAND_DISPLAY is set.*--viewer rerun or --viewer none"):
        WindowViewer()


def test_no_toolkit_is_said_clearly(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(window_module, "_installed", lambda package: False)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(OSError, match="no toolkit is installed.*pip install PyQt6"):
        WindowViewer()


def test_what_a_toolkit_says_is_passed_on(invisible, monkeypatch):
    def broken(name):
        raise RuntimeError(f"{name} is broken")

    monkeypatch.setattr(window_module.backend_registry, "load_backend_module", broken)
    with pytest.raises(OSError, match="tkagg is broken; "):
        WindowViewer()


def test_a_window_leaves_pyplot_alone(tmp_path):
    code = """if True:
        import matplotlib, os, sys
        before = dict.__getitem__(matplotlib.rcParams, "backend"), matplotlib.rcParams["toolbar"]
        from keras_handpose.live import WindowViewer
        try:
            WindowViewer().close()
        except OSError:
            pass
        assert before == (dict.__getitem__(matplotlib.rcParams, "backend"), matplotlib.rcParams["toolbar"])
        assert "matplotlib.pyplot" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)


@pytest.mark.parametrize("rate", [0, -1, np.inf, np.nan])
def test_rates_of_windows_that_cannot_be_are_refused(rate):
    with pytest.raises(ValueError, match="positive number of pictures"):
        WindowViewer(rate=rate)


@pytest.mark.skipif(
    not (os.environ.get("DISPLAY") and util.find_spec("tkinter")), reason="needs a display (xvfb-run) and tkinter"
)
def test_a_real_window():
    window = WindowViewer(rate=1e9)
    show(window, 0.0, 0.1)
    width, height = window._manager.canvas.get_width_height(physical=True)
    assert 600 < width < 1400 and abs(width / height - 4 / 3) < 0.02  # Desktops enlarge windows.
    pixels = np.asarray(window._manager.canvas.buffer_rgba())[..., :3]
    assert pixels.std() > 20
    KeyEvent("key_press_event", window._manager.canvas, "q")._process()
    assert not window.open
    window = WindowViewer(rate=1e9)
    show(window, 0.0)
    tk = window._manager.window
    tk.tk.eval(tk.protocol("WM_DELETE_WINDOW"))
    assert not window.open
    show(window, 0.1)
    window.close()


# Rerun.


class Recorded:
    """What an .rrd file holds, by entity and component: values of the frames in which there is one."""

    def __init__(self, path) -> None:
        from rerun.chunk import RrdReader

        reader = RrdReader(str(path))
        self.blueprints = reader.blueprints()
        self.static, self.values, self.times = {}, {}, {}
        for chunk in reader.stream():
            batch = chunk.to_record_batch()
            place = self.static if chunk.is_static else self.values
            for name in set(batch.schema.names) - {"rerun.controls.RowId", "frame", "log_time", "time"}:
                column = place.setdefault((chunk.entity_path, name), {})
                for row, value in enumerate(batch.column(name)):
                    if value.is_valid:
                        number = None if chunk.is_static else batch.column("frame")[row].as_py()
                        column[number] = value
                        if number is not None:
                            self.times[number] = batch.column("time")[row].value

    def array(self, entity: str, component: str, number: int | None = None) -> np.ndarray:
        place = self.static if number is None else self.values
        return np.array(place[entity, component][number].as_py())

    def frames_with(self, entity: str, component: str) -> list[int]:
        return sorted(self.values.get((entity, component), {}))


@pytest.fixture
def rerun():
    return pytest.importorskip("rerun", reason="rerun-sdk is not installed")


def recorded(path, shown) -> Recorded:
    viewer = RerunViewer(save=path, spawn=False)
    for item, poses in shown:
        viewer.show(item, poses, STATISTICS)
    assert viewer.open
    viewer.close()
    viewer.close()
    assert not viewer.open
    return Recorded(path)


def test_a_file_holds_the_frames_and_the_poses(rerun, tmp_path):
    shown = [frame(5 + number / 10, left=40 + 8 * number) for number in range(4)]
    poses = [pose_in(item) for item in shown]
    file = recorded(tmp_path / "new" / "hand.rrd", [(item, (pose,)) for item, pose in zip(shown, poses, strict=True)])
    for number, (item, pose) in enumerate(zip(shown, poses, strict=True)):
        np.testing.assert_allclose(
            file.array("/hands/right", "Points3D:positions", number), pose.joints_xyz, rtol=1e-6, atol=1e-4
        )
        np.testing.assert_allclose(
            file.array("/camera/hands/right", "Points2D:positions", number), pose.joints_uvd[:, :2], rtol=1e-5
        )
        bones = file.array("/hands/right/bones", "LineStrips3D:strips", number)
        np.testing.assert_allclose(bones, pose.joints_xyz[np.array(MSRA21.bones)], rtol=1e-6, atol=1e-4)
        buffer = file.array("/camera", "DepthImage:buffer", number)
        np.testing.assert_array_equal(buffer.astype(np.uint8).view(np.uint16).reshape(CAMERA.shape), item.depth)
        angles = file.array("/angles/right", "Scalars:scalars", number)
        np.testing.assert_allclose(angles, list(joint_angles(pose.joints_xyz, MSRA21).values()))
        np.testing.assert_allclose(file.array("/timing/latency_ms", "Scalars:scalars", number), [7.2])
        np.testing.assert_allclose(file.array("/timing/frames_per_s", "Scalars:scalars", number), [29.9])
        np.testing.assert_allclose(file.times[number], 1e8 * number, atol=1e3)  # Nanoseconds from the first frame.
    np.testing.assert_allclose(file.array("/hands/right/cube", "Boxes3D:half_sizes", 0), [[125, 125, 125]])
    np.testing.assert_allclose(file.array("/hands/right/cube", "Boxes3D:centers", 0), [[0, 0, 400]])
    np.testing.assert_array_equal(file.array("/hands/right", "Points3D:keypoint_ids", 0), np.arange(21))
    assert len(file.blueprints) == 1


def test_space_is_that_of_the_camera_and_joints_and_depth_agree(rerun, tmp_path):
    file = recorded(tmp_path / "hand.rrd", [(frame(), (pose_in(frame()),))])
    np.testing.assert_allclose(file.array("/hands", "Transform3D:scale"), [[0.001] * 3])
    np.testing.assert_allclose(file.array("/camera", "DepthImage:meter", 0), [1000])
    matrix = file.array("/camera", "Pinhole:image_from_camera").reshape(3, 3).T
    np.testing.assert_allclose(matrix, [[CAMERA.fx, 0, CAMERA.cx], [0, CAMERA.fy, CAMERA.cy], [0, 0, 1]], rtol=1e-6)
    right_down_forward = [[3, 2, 5]]
    assert file.array("/", "ViewCoordinates:xyz").tolist() == right_down_forward
    assert file.array("/camera", "Pinhole:camera_xyz").tolist() == right_down_forward


def test_joints_have_their_names_and_colours(rerun, tmp_path):
    file = recorded(tmp_path / "hand.rrd", [(frame(), (pose_in(frame()),))])
    described = str(file.static["/", "AnnotationContext:context"][None])
    assert "right hand" in described and all(name.replace("_", " ") in described for name in MSRA21.joint_names)
    names = file.array("/angles/right", "SeriesLines:names").tolist()
    assert names == [name.replace("_", " ") for name in joint_angles(np.zeros((21, 3)), MSRA21)]
    colours = file.array("/hands/right", "Points3D:colors", 0)
    fingers = [{colours[joint] for joint in joints} for joints in MSRA21.fingers.values()]
    assert all(len(colour) == 1 for colour in fingers) and len(set.union(*fingers)) == 5


def test_a_lost_hand_is_taken_away_and_comes_back(rerun, tmp_path):
    found, lost = (pose_in(frame()),), (NOTHING,)
    shown = [(frame(number / 10), poses) for number, poses in enumerate([lost, found, lost, lost, found])]
    file = recorded(tmp_path / "hand.rrd", shown)
    assert file.frames_with("/hands/right", "Points3D:positions") == [1, 4]
    for entity in ("/hands/right", "/camera/hands/right", "/angles/right"):
        assert file.frames_with(entity, "Clear:is_recursive") == [2]
        assert file.array(entity, "Clear:is_recursive", 2).tolist() == [True]
    assert file.frames_with("/camera", "DepthImage:buffer") == [0, 1, 2, 3, 4]


def test_both_hands_have_their_own_entities(rerun, tmp_path):
    both = pose_in(frame()), pose_in(frame(), hand="left")
    one = replace(NOTHING, hand="right"), both[1]
    file = recorded(tmp_path / "hand.rrd", [(frame(0.0), both), (frame(0.1), one)])
    assert file.frames_with("/hands/left", "Points3D:positions") == [0, 1]
    assert file.frames_with("/hands/right", "Points3D:positions") == [0]
    assert file.frames_with("/hands/left", "Clear:is_recursive") == []
    assert file.array("/hands/left", "Points3D:class_ids", 0) != file.array("/hands/right", "Points3D:class_ids", 0)
    assert "left hand" in str(file.static["/", "AnnotationContext:context"][None])


def test_unknown_joints_are_left_out(rerun, tmp_path):
    pose = pose_in(frame())
    joints_xyz = pose.joints_xyz.copy()
    joints_xyz[3] = np.nan
    file = recorded(tmp_path / "hand.rrd", [(frame(), (replace(pose, joints_xyz=joints_xyz),))])
    known = [joint for joint in range(21) if joint != 3]
    assert file.array("/hands/right", "Points3D:keypoint_ids", 0).tolist() == known
    np.testing.assert_allclose(file.array("/hands/right", "Points3D:positions", 0), joints_xyz[known], rtol=1e-5)
    assert len(file.array("/hands/right/bones", "LineStrips3D:strips", 0)) == 18


@pytest.mark.parametrize(
    ("dtype", "scale", "meter"),
    [(np.uint16, 0.125, 8000), (np.float32, 1000.0, 1), (np.float64, 1000.0, 1000), (np.int32, 1.0, 1000)],
)
def test_depth_of_every_type_and_unit_is_in_the_right_place(rerun, tmp_path, dtype, scale, meter):
    depth = (frame().depth[::-1] / scale).astype(dtype)[::-1]
    file = recorded(tmp_path / "hand.rrd", [(CapturedFrame(depth, CAMERA, scale, 0.0), (pose_in(frame()),))])
    np.testing.assert_allclose(file.array("/camera", "DepthImage:meter", 0), [meter])
    kept = np.uint16 if dtype == np.uint16 else np.float32
    values = file.array("/camera", "DepthImage:buffer", 0).astype(np.uint8).view(kept).reshape(CAMERA.shape)
    np.testing.assert_allclose(values * (1000 / meter), frame().depth, rtol=1e-6)


def test_frames_without_times_or_cameras_are_shown(rerun, tmp_path):
    shown = [(CapturedFrame(frame().depth, None), (pose_in(frame()),))] * 3 + [(CapturedFrame(frame().depth, None), ())]
    file = recorded(tmp_path / "hand.rrd", shown)
    assert file.frames_with("/camera", "DepthImage:buffer") == [0, 1, 2, 3]
    assert sorted(file.times.values()) == [file.times[number] for number in range(4)]
    assert ("/camera", "Pinhole:resolution") in file.static


def test_a_file_grows_by_little_more_than_the_frames(rerun, tmp_path):
    noise = np.random.default_rng(0)
    sizes = []
    for count in (3, 13):
        shown = [frame(number / 30)._replace(depth=noise.integers(0, 2**16, CAMERA.shape).astype(np.uint16))
                 for number in range(count)]  # fmt: skip
        recorded(tmp_path / "hand.rrd", [(item, (pose_in(frame()),)) for item in shown])
        sizes.append((tmp_path / "hand.rrd").stat().st_size)
    assert (sizes[1] - sizes[0]) / 10 < frame().depth.nbytes * 1.01 + 6_000


def test_other_recordings_are_left_alone(rerun, tmp_path):
    before = rerun.get_global_data_recording()
    recorded(tmp_path / "hand.rrd", [(frame(), (pose_in(frame()),))])
    assert rerun.get_global_data_recording() is before


def test_a_closed_viewer_and_what_is_no_frame_are_refused(rerun, tmp_path):
    viewer = RerunViewer(save=tmp_path / "hand.rrd", spawn=False)
    with pytest.raises(TypeError, match="16-bit"):
        viewer.show(CapturedFrame(np.zeros(CAMERA.shape, np.uint8), CAMERA), (), STATISTICS)
    with pytest.raises(ValueError, match="size of camera"):
        viewer.show(CapturedFrame(frame().depth[1:], CAMERA), (), STATISTICS)
    viewer.close()
    with pytest.raises(ValueError, match="closed"):
        show(viewer, 0.0)


def test_files_that_cannot_be_written_are_refused(rerun, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        RerunViewer(save=tmp_path / "file" / "hand.rrd", spawn=False)
    with pytest.raises(OSError):
        RerunViewer(save=tmp_path, spawn=False)
    with pytest.raises(ValueError, match="nowhere to show"):
        RerunViewer(spawn=False)


def test_without_rerun_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(ImportError, match=r'pip install "keras-handpose\[live\]"'):
        RerunViewer(save="hand.rrd", spawn=False)


@pytest.fixture
def started(rerun, tmp_path, monkeypatch):
    """Puts another program in the place of Rerun's, on a port of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setattr(rerun_viewer, "_PORT", probe.getsockname()[1])
    monkeypatch.setattr(rerun_viewer, "_SETTLING", 0.2)
    monkeypatch.setenv("DISPLAY", ":0")
    package = tmp_path / "programs" / "rerun_cli"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(package.parent))

    def program(code: str) -> None:
        (package / "__main__.py").write_text(f"import os, sys\n{code}\n")

    return program


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is always a display")
def test_without_a_display_rerun_is_not_started(rerun, monkeypatch):
    monkeypatch.setattr(rerun_viewer, "_answers", lambda: False)
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(OSError, match="cannot be started: neither DISPLAY nor WAYLAND_DISPLAY is set.*--viewer window"):
        RerunViewer()


def test_why_rerun_did_not_start_is_passed_on(started, tmp_path):
    started("sys.exit('Error: no graphics adapter')")
    with pytest.raises(OSError, match="cannot be started: Error: no graphics adapter"):
        RerunViewer(save=tmp_path / "hand.rrd")
    assert not (tmp_path / "hand.rrd").exists()


def test_a_viewer_that_never_answers_is_ended(started, tmp_path, monkeypatch):
    monkeypatch.setattr(rerun_viewer, "_START", 0.5)
    started(f"open({str(tmp_path / 'id')!r}, 'w').write(str(os.getpid()))\nimport time\ntime.sleep(60)")
    with pytest.raises(OSError, match=r"did not answer within 0\.5 s"):
        RerunViewer()
    if (tmp_path / "id").exists():  # It had the time to begin.
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "id").read_text()), 0)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs groups of processes")
def test_a_started_viewer_gets_frames_until_it_is_gone(started, rerun, tmp_path):
    binary = util.find_spec("rerun_cli").submodule_search_locations[0] + "/rerun"
    arguments = "[arg for arg in sys.argv[1:] if arg not in ('--hide-welcome-screen', '--expect-data-soon')]"
    started(f"os.execv({binary!r}, ['rerun', '--serve-grpc', *{arguments}])")
    viewer = RerunViewer(save=tmp_path / "hand.rrd")
    show(viewer, *np.arange(20) / 30)
    assert viewer.open
    os.killpg(viewer._process.pid, signal.SIGKILL)
    viewer._process.wait()
    assert not viewer.open
    show(viewer, *np.arange(20, 60) / 30)
    viewer.close()
    assert len(Recorded(tmp_path / "hand.rrd").frames_with("/hands/right", "Points3D:positions")) >= 20
