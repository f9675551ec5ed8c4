"""RealSense cameras and their recordings, through librealsense. It is imported when one is opened."""

from __future__ import annotations

import logging
import math
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from keras_handpose.capture.frame_source import CapturedFrame
from keras_handpose.capture.librealsense import (
    AlignTo,
    Clock,
    DepthPipeline,
    depth_modes,
    depth_scale_of,
    has_depth,
    keep_for_ever,
    load_librealsense,
    video_streams,
)
from keras_handpose.checks import as_number

if TYPE_CHECKING:
    import pyrealsense2 as rs

__all__ = ["RealSenseRecording", "RealSenseSource"]

_logger = logging.getLogger("keras_handpose")

_RETRY = 0.5  # Seconds between looks whether a lost camera is there again.
_HEADS = {".bag": b"#ROSBAG V2.0\n", ".db3": b"SQLite format 3\0"}
_STUCK = 5.0  # Seconds without a frame of a recording that has not ended.
_MISSING_END = 0.5  # Seconds at a recording's end without frames, from which on it counts as damaged.
_CHECKS = (
    "Check the cable and that it is in a USB 3 port, that you may use the camera (on Linux: librealsense's udev "
    "rules), and that no other program uses it."
)


class RealSenseSource:
    """Depth frames of a RealSense camera; a `FrameSource`.

    librealsense keeps the newest frame only: whoever is slower than the camera misses some, and none is older than one
    interval when it is taken. Camera and depth scale are what the device says of itself.

    Args:
        serial: Serial number of the camera, by default the first one found.
        width, height: Size of the depth frames in px, by default the device's choice.
        rate: Frames per second.
        align_to: "depth" for the frames as they were taken, "color" for depth as the colour camera sees it; `camera`
            is that camera.
        recording: A ``.db3`` file that librealsense records all frames to, also those that nobody takes. It is whole
            once the source is closed.
        timeout_s: Longest time in seconds without a frame; then the camera counts as lost.
        reconnect_s: Time in seconds for a lost camera to come back. By default that is an error at once.
        device: A librealsense device to use, such as a ``software_device``, instead of looking for one.
        context: The librealsense context to look in.

    Attributes:
        camera: The camera of all frames. Distortion of the lens is not corrected, but said once in the log.
        depth_scale: Millimetres in one unit of the frames.
        live: True.

    Raises:
        ImportError: pyrealsense2 is not installed.
        OSError: There is no camera, none with that serial number, or it cannot be started; while frames are read, it
            was lost.
        ValueError: The device cannot stream that size at that rate, has no depth or colour, or an argument is
            malformed.
        FileExistsError: The file to record to is there.

    Example:
        >>> source = RealSenseSource("123", align_to="colour")
        Traceback (most recent call last):
        ...
        ValueError: `align_to` must be 'depth' or 'color'. Received: 'colour'.
    """

    live = True

    def __init__(
        self,
        serial: str | None = None,
        *,
        width: int | None = None,
        height: int | None = None,
        rate: int = 30,
        align_to: AlignTo = "depth",
        recording: str | os.PathLike | None = None,
        timeout_s: float = 5.0,
        reconnect_s: float = 0.0,
        device: rs.device | None = None,
        context: rs.context | None = None,
    ) -> None:
        _check_align_to(align_to)
        if not as_number(timeout_s) > 0 or not as_number(reconnect_s) >= 0:
            raise ValueError(
                "`timeout_s` must be positive and `reconnect_s` not negative, both in seconds. "
                f"Received: timeout_s={timeout_s!r:.80}, reconnect_s={reconnect_s!r:.80}."
            )
        if not as_number(rate).is_integer():
            raise ValueError(f"A RealSense camera's `rate` is a whole number of frames per second. Received: {rate!r}.")
        self._recording = None if recording is None else _new_recording(recording, reconnect_s)
        self._rs = load_librealsense()
        self._serial, self._size, self._rate, self._align_to = serial, (width, height), int(rate), align_to
        self._timeout, self._reconnect = timeout_s, reconnect_s
        self._given, self._context = device, context or self._rs.context()
        self._closed = threading.Event()
        self._pipeline = self._start()
        self._pipeline.warn_of_distortion()
        self.camera = self._pipeline.camera

    def __iter__(self) -> Iterator[CapturedFrame]:
        clock = Clock()
        last_frame = last_sign = monotonic()
        lost: float | None = None  # Since when.
        while True:
            reading, reason = None, None
            try:
                reading = self._pipeline.wait()
                if reading is None and not self._device.is_connected():
                    reason = "it is not connected any more"
            except RuntimeError as error:
                reason = f"{error}"
            if self._closed.is_set():
                return
            now = monotonic()
            if reading is not None:
                time = clock(reading.seconds, reading.domain, since=now - last_frame)
                last_frame = last_sign = now
                lost = None
                if time is not None:
                    yield CapturedFrame(reading.depth, self.camera, reading.depth_scale, time)
                continue
            if now - last_sign > self._timeout or (lost is not None and now - lost > self._reconnect):
                reason = reason or f"no frame came for {now - last_frame:.1f} s"
            if reason is not None:
                lost = now if lost is None else lost
                if not self._restart(reason, until=lost + self._reconnect):
                    return
                last_sign = monotonic()

    def close(self) -> None:
        """Stop the camera, also while another thread waits for a frame. Closing it twice does no harm."""
        self._closed.set()
        self._pipeline.stop()

    def _start(self) -> DepthPipeline:
        rs = self._rs
        try:
            self._device = device = self._given or self._find()
            name = device.get_info(rs.camera_info.name)
        except RuntimeError as error:
            raise OSError(f"RealSense cameras cannot be looked for: {error}. {_CHECKS}") from error
        if not has_depth(device):
            raise ValueError(f"A camera with a depth sensor is needed. Received: {name}.")
        try:
            self.depth_scale = depth_scale_of(device)
            self._check_mode(depth_modes(rs, device), name)
            pipeline, config = rs.pipeline(self._context), rs.config()
            config.enable_stream(rs.stream.depth, *(side or 0 for side in self._size), rs.format.z16, self._rate)
            if self._align_to == "color":
                config.enable_stream(rs.stream.color, 0, 0, rs.format.rgb8, self._rate)
            if self._recording is not None:
                config.enable_record_to_file(str(self._recording))
            if self._given is None:
                self._serial = device.get_info(rs.camera_info.serial_number)  # If it is lost, no other takes its place.
                config.enable_device(self._serial)
            else:
                pipeline.set_device(device)
            view = pipeline.start(config).get_stream(getattr(rs.stream, self._align_to))
            return DepthPipeline(rs, pipeline, view.as_video_stream_profile(), name=name)
        except RuntimeError as error:
            colour = " That it has a colour stream at this rate is needed, too." if self._align_to == "color" else ""
            raise OSError(f"{name} could not be started: {error}. {_CHECKS}{colour}") from error

    def _find(self) -> rs.device:
        """Return the wanted camera among those that are connected."""
        info = self._rs.camera_info.serial_number
        cameras = {device.get_info(info): device for device in self._context.query_devices() if device.supports(info)}
        if not cameras:
            raise OSError(f"No RealSense camera was found. {_CHECKS}")
        if self._serial is not None:
            if self._serial not in cameras:
                raise OSError(
                    f"No RealSense camera has the serial number {self._serial!r}. Connected: {', '.join(cameras)}. "
                    f"{_CHECKS}"
                )
            return cameras[self._serial]
        return next(filter(has_depth, cameras.values()), [*cameras.values()][0])

    def _check_mode(self, modes: list[tuple[int, int, int]], name: str) -> None:
        wanted = (*self._size, self._rate)
        if not any(all(w in (None, m) for w, m in zip(wanted, mode, strict=True)) for mode in modes):
            asked = " x ".join("any" if side is None else str(side) for side in self._size)
            there = ", ".join(f"{width} x {height} at {rate}/s" for width, height, rate in modes)
            raise ValueError(
                f"{name} does not stream depth of that size at that rate. Received: {asked} px at {self._rate}/s. "
                f"It has {there}; in a USB 2 port there are fewer."
            )

    def _restart(self, reason: str, *, until: float) -> bool:
        """Wait for a lost camera to come back and start it; False where the source was closed meanwhile.

        Raises:
            OSError: It did not come back in time, or with another lens or size.
        """
        self._pipeline.stop()
        lost = f"{self.camera.name} was lost: {reason}. {_CHECKS}"
        if monotonic() < until:
            _logger.warning("%s", lost)
        while not self._closed.is_set():
            if monotonic() >= until:
                raise OSError(lost)
            try:
                self._pipeline = self._start()
            except (OSError, ValueError, RuntimeError):
                self._closed.wait(_RETRY)
                continue
            if self._closed.is_set():
                self._pipeline.stop()
            elif self._pipeline.camera != self.camera:
                raise OSError(
                    f"The camera that came back is not as it was, {self.camera}. Received: {self._pipeline.camera}."
                )
            else:
                return True
        return False


class RealSenseRecording:
    """Depth frames of a RealSense recording, ``.bag`` or ``.db3``; a `FrameSource`.

    All frames come, each once, as fast as they are taken, with the times that the device gave them. Colour is not
    played, also not for the colour camera's view, which needs only what the file says of the two cameras. `Paced` plays
    frames as fast as they were recorded.

    Args:
        path: The file.
        align_to: "depth" for the frames as they were taken, "color" for depth as the colour camera sees it.

    Attributes:
        camera: The camera of all frames. Distortion of the lens is not corrected, but said once in the log.
        depth_scale: Millimetres in one unit of the frames.
        live: False.

    Raises:
        ImportError: pyrealsense2 is not installed.
        FileNotFoundError: There is no such file.
        ValueError: It is not a recording, is damaged, or has no depth or colour; while frames are read, it turned out
            to be damaged.

    Example:
        >>> RealSenseRecording("frame.png")
        Traceback (most recent call last):
        ...
        FileNotFoundError: There is no recording 'frame.png'.
    """

    live = False

    def __init__(self, path: str | os.PathLike, *, align_to: AlignTo = "depth") -> None:
        _check_align_to(align_to)
        self._path = path = Path(path)
        _require_recording(path)
        rs = load_librealsense()
        context = rs.context()
        try:
            self._playback = playback = context.load_device(str(path))
            playback.set_real_time(False)
            modes = depth_modes(rs, playback)
            colours = video_streams(playback, rs.stream.color)
            scale = depth_scale_of(playback) if modes else None
            name = playback.get_info(rs.camera_info.name)
        except RuntimeError as error:
            raise ValueError(
                f"{path} is not a recording that librealsense can read, or it is damaged: {error}"
            ) from error
        if scale is None:
            raise ValueError(f"{path} has no depth stream. Record one that has: RealSenseSource(recording=...).")
        if align_to == "color" and not colours:
            raise ValueError(
                f"{path} has no colour stream, which align_to='color' needs. Record one that has: "
                "RealSenseSource(align_to='color', recording=...)."
            )
        config, pipeline = rs.config(), rs.pipeline(context)
        # Depth alone: librealsense starts two streams one after the other, and loses frames in between or stands still.
        config.enable_stream(rs.stream.depth)
        pipeline.set_device(playback)
        try:
            depth = pipeline.start(config).get_stream(rs.stream.depth).as_video_stream_profile()
            view = colours[0] if align_to == "color" else depth
            self._pipeline = DepthPipeline(rs, pipeline, view, name=name)
        except RuntimeError as error:
            raise ValueError(f"{path} cannot be played: {error}.") from error
        self._pipeline.warn_of_distortion()
        self.camera, self.depth_scale = self._pipeline.camera, scale
        self._stopped = rs.playback_status.stopped
        self._closed = threading.Event()
        # Also where nobody closes it.
        self._let_go = weakref.finalize(self, _let_go, self._pipeline, playback, self._stopped)

    def __iter__(self) -> Iterator[CapturedFrame]:
        clock, position, last_frame = Clock(), -math.inf, monotonic()
        playback = self._playback
        while not self._closed.is_set():
            ended = playback.current_status() == self._stopped  # What came before is still given out.
            try:
                reading = self._pipeline.wait()
            except RuntimeError as error:
                raise ValueError(f"{self._path} is damaged: {error}") from error
            if reading is not None:
                position = max(position, playback.get_position() / 1e9)
                time = clock(reading.seconds, reading.domain, since=self._pipeline.interval)
                if time is not None:
                    yield CapturedFrame(reading.depth, self.camera, reading.depth_scale, time)
                last_frame = monotonic()
            elif self._closed.is_set():
                return
            elif ended:
                self._require_end(position, playback.get_duration().total_seconds())
                return
            elif monotonic() - last_frame > _STUCK:
                raise ValueError(f"{self._path} is damaged: no frame and no end comes after {position:.1f} s.")

    def close(self) -> None:
        """Stop, and let go of the file if all of it was played. Closing it twice does no harm."""
        self._closed.set()
        self._playback = None
        self._let_go()

    def _require_end(self, position: float, duration: float) -> None:
        """Refuse a recording that ends before its time: librealsense takes damage in its middle for its end."""
        if duration - position > _MISSING_END:
            last = f"the last frame is at {position:.1f} s" if position >= 0 else "there is no frame"
            raise ValueError(f"{self._path} is damaged, or its depth stream ends early: {last} of {duration:.1f} s.")


def _let_go(pipeline: DepthPipeline, playback: rs.playback, stopped: rs.playback_status) -> None:
    """Stop playing, or leave it as it is before its end, where librealsense crashes at times if it is stopped."""
    if playback.current_status() != stopped:
        pipeline.abandon()
        keep_for_ever(playback)
    pipeline.stop()


def _check_align_to(align_to: str) -> None:
    if align_to not in ("depth", "color"):
        raise ValueError(f"`align_to` must be 'depth' or 'color'. Received: {align_to!r}.")


def _new_recording(path: str | os.PathLike, reconnect_s: float) -> Path:
    path = Path(path)
    if path.suffix != ".db3":
        raise ValueError(f"librealsense records to a .db3 file. Received: {str(path)!r}.")
    if reconnect_s:
        raise ValueError(
            f"A camera that was lost cannot go on with its recording. Received: reconnect_s={reconnect_s}."
        )
    if path.exists():
        raise FileExistsError(f"{path} is there already. Record to another file, or delete it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _require_recording(path: Path) -> None:
    """Look at a file's name and first bytes, for clear messages."""
    if not path.is_file():
        raise FileNotFoundError(f"There is no recording {str(path)!r}.")
    head = _HEADS.get(path.suffix)
    with path.open("rb") as file:
        if head is None or file.read(len(head)) != head:
            raise ValueError(
                f"A RealSense recording is a .bag or .db3 file. Received: {path}, which is none, or is damaged."
            )
