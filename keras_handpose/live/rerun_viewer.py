"""Frames and poses in the Rerun viewer: depth, hands in space, and how joints bend over time."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from time import perf_counter, sleep
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import to_rgb

from keras_handpose.checks import HANDS
from keras_handpose.live.joint_angles import joint_angles
from keras_handpose.live.viewer import scale_of
from keras_handpose.plotting.look import FAINT, FINGER_COLOURS, GROUND, INK, PALM
from keras_handpose.preprocessing import check_depth

if TYPE_CHECKING:
    from keras_handpose.cameras import Camera
    from keras_handpose.capture import CapturedFrame
    from keras_handpose.estimator import Pose, StreamStatistics
    from keras_handpose.skeletons import Skeleton

__all__ = ["RerunViewer"]

_PORT = 9876  # Rerun's own.
_MEMORY = "1GiB"  # Of the viewer; beyond it the oldest frames go.
_BACKLOG = "256MiB"  # Of what the viewer has got and not looked at.
_START = 20.0  # Seconds that the viewer may take to answer.
_SETTLING = 1.0  # Seconds after its start in which the viewer finds out whether it gets a window.
_LOOK = 1.0  # Seconds between looks whether a viewer that was there before still is.
_FLUSHED = 15  # Frames after which to wait for those before to have arrived.
_LONG, _SHORT, _PATIENCE = 0.5, 0.02, 5.0  # Seconds to wait: then, while nothing arrives, and at the end.
_JOINT_MM, _BONE_MM = 5.0, 2.5  # Radii.
_JOINT_PX, _BONE_PX = 3.0, 1.5
_COLOURS = "grayscale"  # Of depth: quiet, so that the fingers' colours stand out.
_FILLED = 0.4  # Of the surface by its points: bones are seen between them.
_WHITE = 1500.0  # mm: the depth that is white in the frame.
_SHOWN_BEFORE, _SHOWN_BEHIND = 60.0, 300.0  # mm around the nearest joint, from white to black.


class RerunViewer:
    """Shows frames and poses in the Rerun viewer, or writes them to a file for it; a `Viewer`.

    There are a view in space with the depth's points, the skeletons and the hands' cubes, one of the frame with the
    skeletons over it, and plots of latency, frame rate and the flexion of every joint of the fingers. Space is that of
    the camera: x right, y down, z away; the joints are in mm. Frames carry their number and their time.

    ======================== =================================================================
    entity                   what it holds
    ======================== =================================================================
    ``camera``               the camera and the depth frames
    ``camera/hands/right``   joints in px, ``.../bones`` between them; ``left`` alike
    ``hands/right``          joints in mm, ``.../bones`` between them, ``.../cube``
    ``angles/right``         the flexion of each joint in degrees, as `joint_angles` gives it
    ``timing/latency_ms``    from a frame's arrival to its poses
    ``timing/frames_per_s``  poses per second
    ======================== =================================================================

    Args:
        save: File (``.rrd``) to write all that to. It can be looked at while it grows, by the size of a frame each;
            of a process that is killed, what was written remains.
        spawn: Whether to start the viewer, with at most 1 GiB of memory for what it remembers, and to stream to it.
            One that is running already is used. It stays when this one is closed.
        application: The name under which the viewer remembers how its views are arranged.

    Raises:
        ImportError: Rerun is not installed.
        ValueError: Neither a file nor the viewer is wanted.
        OSError: The viewer did not start, or the file cannot be written.

    Attributes:
        open: False once the viewer is gone.

    Example:
        >>> RerunViewer(spawn=False)
        Traceback (most recent call last):
        ...
        ValueError: There is nowhere to show anything: pass `save`, or leave `spawn` as it is.
    """

    def __init__(
        self, *, save: str | os.PathLike | None = None, spawn: bool = True, application: str = "keras-handpose"
    ) -> None:
        if save is None and not spawn:
            raise ValueError("There is nowhere to show anything: pass `save`, or leave `spawn` as it is.")
        self._rr = rr = _rerun()
        self._recording = rr.RecordingStream(application)
        self._spawned, self._process = spawn, None
        self._open, self._closed = True, False
        self._looked = perf_counter()
        self._frames = 0
        self._start = perf_counter()
        self._first_time: float | None = None
        self._behind = False
        self._scale = 1.0
        self._camera: Camera | None = None
        self._known: dict[str, Skeleton] = {}
        self._colours: dict[str, np.ndarray] = {}
        self._shown: set[str] = set()
        sinks = []
        if spawn:
            self._process = _start_viewer()
            sinks.append(rr.GrpcSink(f"rerun+http://127.0.0.1:{_PORT}/proxy"))
        if save is not None:
            sinks.append(rr.FileSink(_writable(Path(save))))
        self._recording.set_sinks(*sinks)
        # Camera space is in mm, Rerun's depth in metres: this brings the one to the other.
        self._log("/", rr.ViewCoordinates.RDF, static=True)
        self._log("hands", rr.Transform3D(scale=0.001), static=True)
        for name, colour in (("latency_ms", INK), ("frames_per_s", FAINT)):
            series = rr.SeriesLines(names=[name.replace("_", " ")], colors=[_rgb(colour)])
            self._log(f"timing/{name}", series, static=True)

    @property
    def open(self) -> bool:
        if self._open and self._process is not None:
            self._open = self._process.poll() is None
        elif self._open and self._spawned and perf_counter() - self._looked > _LOOK:
            self._looked = perf_counter()
            self._open = _answers()
        return self._open

    def show(self, frame: CapturedFrame, poses: tuple[Pose, ...], statistics: StreamStatistics) -> None:
        """Send a frame and the poses in it. A viewer that takes nothing misses frames: they do not pile up.

        Raises:
            TypeError, ValueError: The frame is not a depth frame, or the viewer is closed.
        """
        if self._closed:
            raise ValueError("This viewer is closed. Make a new RerunViewer.")
        if self._spawned and (self._frames % _FLUSHED == 0 or self._behind):
            self._behind = not self._flushed(_SHORT if self._behind else _LONG)
        if self._behind:
            return
        depth = self._depth_image(frame, poses)
        if self._frames == 0:
            self._arrange()
        self._set_time(frame)
        camera = frame.camera or next((pose.camera for pose in poses), None)
        if camera is not None and camera != self._camera:
            self._show_camera(camera)
        self._log("camera", depth)
        for pose in poses:
            if pose.found:
                self._show_hand(pose)
        for hand in self._shown - {pose.hand for pose in poses if pose.found}:
            self._clear(hand)
        for name, value in (("latency_ms", statistics.latency_ms), ("frames_per_s", statistics.rate)):
            if math.isfinite(value):
                self._log(f"timing/{name}", self._rr.Scalars(value))
        self._frames += 1

    def close(self) -> None:
        """Finish the file, and leave the viewer to its user. Closing it twice does no harm."""
        if self._closed:
            return
        hangs = self._spawned and not self._flushed(_PATIENCE) and self.open
        self._closed, self._open = True, False
        if hangs and self._process is not None:
            # Rerun would wait for it without end.
            _end(self._process)
        self._recording.disconnect()

    def _flushed(self, seconds: float) -> bool:
        """Wait until all that was sent has arrived; return whether it has."""
        try:
            self._recording.flush(timeout_sec=seconds)
        except RuntimeError:
            return False
        return True

    def _log(self, entity: str, *what: object, static: bool = False) -> None:
        self._recording.log(entity, *what, static=static)

    def _set_time(self, frame: CapturedFrame) -> None:
        time = perf_counter() - self._start if frame.time is None else frame.time
        self._first_time = time if self._first_time is None else self._first_time
        self._recording.set_time("frame", sequence=self._frames)
        self._recording.set_time("time", duration=time - self._first_time)

    def _show_camera(self, camera: Camera) -> None:
        self._camera = camera
        pinhole = self._rr.Pinhole(
            focal_length=(camera.fx, camera.fy),
            principal_point=(camera.cx, camera.cy),
            resolution=(camera.width, camera.height),
            camera_xyz=self._rr.ViewCoordinates.RDF,
            image_plane_distance=0.06,
            color=_rgb(FAINT),
        )
        self._log("camera", pinhole, static=True)

    def _depth_image(self, frame: CapturedFrame, poses: tuple[Pose, ...]):
        depth, scale = np.asarray(frame.depth), scale_of(frame, poses)
        in_mm = check_depth(depth, depth_scale=scale, camera=frame.camera)
        if depth.dtype not in (np.uint16, np.float32):
            depth, scale = in_mm, 1.0
        self._scale = scale
        nearest = [np.nanmin(pose.joints_xyz[:, 2]) for pose in poses if pose.found and _seen(pose.joints_xyz).any()]
        contrast = None
        if nearest:
            contrast = tuple((min(nearest) + np.array([_SHOWN_BEHIND, -_SHOWN_BEFORE])) / scale)
        return self._rr.DepthImage(
            depth, meter=1000 / scale, colormap=_COLOURS, depth_range=contrast, point_fill_ratio=_FILLED
        )

    def _show_hand(self, pose: Pose) -> None:
        rr, hand, skeleton = self._rr, pose.hand, pose.skeleton
        if self._known.get(hand) != skeleton:
            self._introduce(hand, skeleton)
        self._shown.add(hand)
        colours = self._colours[hand]
        in_space = (rr.Points3D, rr.LineStrips3D, pose.joints_xyz, f"hands/{hand}", _JOINT_MM, _BONE_MM)
        in_frame = (rr.Points2D, rr.LineStrips2D, pose.joints_uvd[:, :2], f"camera/hands/{hand}", _JOINT_PX, _BONE_PX)
        for points, strips, joints, entity, joint_radius, bone_radius in (in_space, in_frame):
            seen = _seen(joints)
            bones = np.array([bone for bone in skeleton.bones if seen[list(bone)].all()], np.intp).reshape(-1, 2)
            marks = points(
                joints[seen],
                radii=joint_radius,
                colors=colours[seen],
                class_ids=HANDS.index(hand),
                keypoint_ids=np.flatnonzero(seen),
                show_labels=False,
            )
            self._log(entity, marks)
            self._log(f"{entity}/bones", strips(joints[bones], radii=bone_radius, colors=colours[bones[:, 1]]))
        if pose.crop is not None:
            cube = pose.crop.cube
            box = rr.Boxes3D(
                centers=[cube.centre_xyz],
                half_sizes=[[cube.size / 2] * 3],
                colors=[_rgb(FAINT)],
                fill_mode="majorwireframe",
            )
            self._log(f"hands/{hand}/cube", box)
        angles = joint_angles(pose.joints_xyz, skeleton)
        if angles:
            self._log(f"angles/{hand}", rr.Scalars(np.array(list(angles.values()))))

    def _arrange(self, hands: Collection[str] = ()) -> None:
        """Propose an arrangement of views; the viewer keeps to one that its user made."""
        self._recording.send_blueprint(_blueprint(self._scale, hands), make_active=False)

    def _clear(self, hand: str) -> None:
        self._shown.discard(hand)
        for entity in (f"hands/{hand}", f"camera/hands/{hand}", f"angles/{hand}"):
            self._log(entity, self._rr.Clear(recursive=True))

    def _introduce(self, hand: str, skeleton: Skeleton) -> None:
        """Tell the viewer the names and colours of a hand's joints and of their angles."""
        rr = self._rr
        self._known[hand] = skeleton
        colours = np.full((len(skeleton), 3), _rgb(PALM), np.uint8)
        for finger, joints in skeleton.fingers.items():
            colours[list(joints)] = _rgb(FINGER_COLOURS.get(finger, PALM))
        self._colours[hand] = colours
        classes = [
            rr.ClassDescription(
                info=rr.AnnotationInfo(id=HANDS.index(known), label=f"{known} hand", color=_rgb(PALM)),
                keypoint_annotations=[
                    rr.AnnotationInfo(id=i, label=name.replace("_", " "), color=tuple(self._colours[known][i].tolist()))
                    for i, name in enumerate(layout.joint_names)
                ],
            )
            for known, layout in self._known.items()
        ]
        self._log("/", rr.AnnotationContext(classes), static=True)
        names = list(joint_angles(np.zeros((len(skeleton), 3)), skeleton))
        shades = [colours[skeleton.index(name)] for name in names]
        series = rr.SeriesLines(
            names=[name.replace("_", " ") for name in names], colors=np.array(shades).reshape(-1, 3)
        )
        self._log(f"angles/{hand}", series, static=True)
        if len(self._known) == len(HANDS):
            self._arrange(HANDS)


def _rerun():
    try:
        import rerun
    except ImportError as error:
        raise ImportError(
            'The Rerun viewer needs the package rerun-sdk: pip install "keras-handpose[live]". '
            "Without it there are --viewer window and --viewer none."
        ) from error
    return rerun


def _blueprint(scale: float, hands: Collection[str]):
    """Return how the views are arranged, with a plot of joint angles for each of two hands."""
    import rerun.blueprint as views
    from rerun import DepthImage

    hidden = views.PlotLegend(visible=False)
    # In the plane, no depth is black like what is near; in space, where it is not seen, what is far is black.
    grey = DepthImage.from_fields(depth_range=(0.0, _WHITE / scale)).visualizer()
    if len(hands) < 2:
        flexion = views.TimeSeriesView(origin="angles", name="flexion, degrees", plot_legend=hidden)
    else:
        flexion = views.Horizontal(
            *(
                views.TimeSeriesView(origin=f"angles/{hand}", name=f"flexion, {hand} hand, degrees", plot_legend=hidden)
                for hand in hands
            )
        )
    return views.Blueprint(
        views.Horizontal(
            views.Spatial3DView(
                origin="/",
                contents=["+ /**", "- /camera/hands/**"],
                name="space",
                background=_rgb(GROUND),
                eye_controls=views.EyeControls3D(position=(-0.3, -0.25, -0.05), look_target=(0, 0, 0.4)),
            ),
            views.Vertical(
                views.Spatial2DView(origin="camera", name="frame", background=_rgb(GROUND), overrides={"camera": grey}),
                flexion,
                views.TimeSeriesView(origin="timing", name="latency, ms, and frames/s"),
                row_shares=[3, 2, 1],
            ),
            column_shares=[3, 2],
        ),
        views.TimePanel(timeline="time", state="collapsed", play_state="following"),
        views.SelectionPanel(state="collapsed"),
        views.BlueprintPanel(state="collapsed"),
    )


def _start_viewer() -> subprocess.Popen | None:
    """Start the viewer and return its process; None where one runs already.

    Raises:
        OSError: It did not start.
    """
    if _answers():
        return None
    if sys.platform.startswith("linux") and not any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY"))):
        raise _no_viewer("neither DISPLAY nor WAYLAND_DISPLAY is set")
    # Rerun's own function would let the whole network look at the frames.
    limits = ("--memory-limit", _MEMORY, "--server-memory-limit", _BACKLOG)
    command = [sys.executable, "-m", "rerun_cli", "--bind", "127.0.0.1", "--port", str(_PORT), *limits]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [*command, "--hide-welcome-screen", "--expect-data-soon"],
            env={**os.environ, "RERUN_APP_ONLY": "true", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        threading.Thread(target=process.wait, name="rerun", daemon=True).start()
        late = perf_counter() + _START
        while process.poll() is None and not _answers() and perf_counter() < late:
            sleep(0.05)
        # It answers before it has a window; where it gets none, it ends at once.
        settled = perf_counter() + _SETTLING
        while process.poll() is None and perf_counter() < settled:
            sleep(0.05)
        if process.poll() is not None:
            said.seek(0)
            lines = said.read().decode(errors="replace").splitlines()
            raise _no_viewer(next((line for line in reversed(lines) if line.startswith("Error")), "it ended at once"))
    if not _answers():
        _end(process)
        raise _no_viewer(f"it did not answer within {_START:g} s")
    return process


def _end(process: subprocess.Popen) -> None:
    """End the viewer and what started it."""
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _no_viewer(reason: str) -> OSError:
    return OSError(
        f"The Rerun viewer cannot be started: {reason}. Run it where there is a desktop, write a file for it with "
        "--rrd, or use another viewer: --viewer window or --viewer none."
    )


def _answers() -> bool:
    """Say whether somebody listens where the viewer does."""
    try:
        socket.create_connection(("127.0.0.1", _PORT), timeout=1.0).close()
    except OSError:
        return False
    return True


def _writable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.open("wb").close()
    return path


def _seen(points: np.ndarray) -> np.ndarray:
    return np.isfinite(points).all(axis=1)


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in to_rgb(colour))
    return red, green, blue
