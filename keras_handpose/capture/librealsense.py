"""librealsense: loading it, and what its streams say of themselves and of their frames."""

from __future__ import annotations

import ctypes
import logging
import sys
import threading
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from keras_handpose.cameras import Camera

if TYPE_CHECKING:
    import pyrealsense2 as rs

__all__ = [
    "AlignTo",
    "Clock",
    "ColourView",
    "DepthPipeline",
    "Reading",
    "depth_modes",
    "depth_scale_of",
    "has_depth",
    "keep_for_ever",
    "load_librealsense",
    "video_streams",
]

AlignTo = Literal["depth", "color"]

_logger = logging.getLogger("keras_handpose")

_WAIT_MS = 100  # How long librealsense waits at a time: what closing and Ctrl+C may take.
_CLOCK_SET = 1.0  # Seconds by which a clock goes back when it was set, and not when a frame comes twice.


def load_librealsense() -> ModuleType:
    """Import pyrealsense2, with the libusb that comes as a package where the system has none.

    Raises:
        ImportError: It is not installed, or cannot be loaded.
    """
    try:
        import pyrealsense2
    except ImportError as error:
        reason = error
    else:
        return pyrealsense2
    if sys.platform == "linux":
        try:
            import libusb_package

            # The wheel needs libusb-1.0.so.0, which is found by its name once it is loaded.
            ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)
            import pyrealsense2
        except (ImportError, OSError) as error:
            reason = error
        else:
            return pyrealsense2
    raise ImportError(
        f'RealSense cameras and recordings need pyrealsense2: pip install "keras-handpose[live]". Received: {reason}.'
    ) from reason


class Reading(NamedTuple):
    """What a set of frames holds of depth.

    Args:
        depth: The frame, shape ``(height, width)``, uint16.
        depth_scale: Millimetres in one unit.
        seconds: The device's time.
        domain: Whose clock that is.
    """

    depth: np.ndarray
    depth_scale: float
    seconds: float
    domain: str


class DepthPipeline:
    """A pipeline that streams depth.

    Args:
        librealsense: The module.
        pipeline: The pipeline, started.
        view: The stream in whose view depth is wanted, of depth or colour.
        name: What to call the camera.

    Attributes:
        camera: The camera that sees this depth.
        interval: Seconds from one frame to the next.
    """

    def __init__(
        self, librealsense: ModuleType, pipeline: rs.pipeline, view: rs.video_stream_profile, *, name: str
    ) -> None:
        intrinsics = view.get_intrinsics()
        self.camera = Camera(
            width=intrinsics.width,
            height=intrinsics.height,
            fx=intrinsics.fx,
            fy=intrinsics.fy,
            cx=intrinsics.ppx,
            cy=intrinsics.ppy,
            name=name,
        )
        self.interval = 1 / max(view.fps(), 1)
        self._distortion = [float(value) for value in intrinsics.coeffs]
        self._view = None if view.stream_type() == librealsense.stream.depth else ColourView(librealsense, view)
        self._pipeline: rs.pipeline | None = pipeline
        self._waiting, self._stopping = threading.Lock(), threading.Lock()

    def warn_of_distortion(self) -> None:
        """Say in the log if the lens is not the pinhole that it is taken for."""
        if any(self._distortion):
            _logger.warning(
                "%s: the lens distorts, which is not corrected; joints far from the middle are off by a little. "
                "Coefficients: %s",
                self.camera.name,
                ", ".join(f"{value:.4g}" for value in self._distortion),
            )

    def wait(self) -> Reading | None:
        """Return what comes next, None where nothing comes for a moment, or the pipeline was stopped.

        Raises:
            RuntimeError: The device is lost.
        """
        with self._waiting:
            try:
                return self._take()
            except RuntimeError:
                if self._pipeline is None:  # It was stopped meanwhile.
                    return None
                raise

    def abandon(self) -> None:
        """Leave a recording where it is: librealsense crashes at times where one is stopped before its end."""
        with self._stopping:
            pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            keep_for_ever(pipeline)

    def stop(self) -> None:
        """Stop, also while another thread waits, and let go of the device. Stopping twice does no harm."""
        with self._stopping:
            pipeline, self._pipeline = self._pipeline, None
            if pipeline is not None:
                with suppress(RuntimeError):
                    pipeline.stop()
                # librealsense finishes a recording when nobody holds its pipeline any more.
                with self._waiting:
                    del pipeline

    def _take(self) -> Reading | None:
        """Copy depth out of librealsense's buffers, of which there are few."""
        pipeline = self._pipeline
        if pipeline is None:
            return None
        arrived, frames = pipeline.try_wait_for_frames(_WAIT_MS)
        if not arrived:
            return None
        depth = frames.get_depth_frame()
        if not depth:
            return None
        scale, seconds = _in_mm(depth.get_units()), depth.get_timestamp() / 1000
        domain = str(depth.get_frame_timestamp_domain())
        if self._view is not None:
            depth = self._view(depth)
        return Reading(np.array(depth.get_data()), scale, seconds, domain)


class ColourView:
    """Shows depth as the colour camera sees it, without a frame of colour.

    librealsense aligns depth to colour only where a frame of each is given, but takes no more of the colour than its
    camera: an empty frame stands in for it.

    Args:
        librealsense: The module.
        colour: The colour stream.
    """

    def __init__(self, librealsense: ModuleType, colour: rs.video_stream_profile) -> None:
        width, height = colour.width(), colour.height()

        def pair(depth: rs.frame, source: rs.frame_source) -> None:
            stand_in = source.allocate_video_frame(colour, depth, 1, width, height, width)  # A byte a pixel.
            source.frame_ready(source.allocate_composite_frame([depth, stand_in]))

        self._pairs = librealsense.frame_queue(1)
        self._pair = librealsense.processing_block(pair)
        self._pair.start(self._pairs)
        self._align = librealsense.align(librealsense.stream.color)

    def __call__(self, depth: rs.depth_frame) -> rs.depth_frame:
        """Return a frame of the colour stream's size, 0 where no depth falls."""
        self._pair.invoke(depth)
        return self._align.process(self._pairs.poll_for_frame().as_frameset()).get_depth_frame()


class Clock:
    """Makes times that increase from those of frames: they go on where a device's clock was set or started anew.

    Example:
        >>> clock = Clock()
        >>> [clock(seconds, "hardware", since=0.5) for seconds in (7.0, 7.5, 7.5, 8.0, 0.25, 0.75)]
        [7.0, 7.5, None, 8.0, 8.5, 9.0]
    """

    def __init__(self) -> None:
        self._last: float | None = None
        self._offset = 0.0
        self._domain = ""

    def __call__(self, seconds: float, domain: str, *, since: float) -> float | None:
        """Return a frame's time, None where it is not after the last one.

        Args:
            seconds: What the clock says.
            domain: Which clock it is.
            since: Seconds since the last frame, as far as is known without the clock.
        """
        if self._last is not None:
            back = self._last - (seconds + self._offset)
            if domain != self._domain or back > _CLOCK_SET:
                self._offset = self._last + since - seconds
            elif back >= 0:
                return None
        self._last, self._domain = seconds + self._offset, domain
        return self._last


def has_depth(device: rs.device) -> bool:
    """Say whether a device has a depth sensor. Nothing else of it is looked at."""
    return any(sensor.is_depth_sensor() for sensor in device.query_sensors())


def keep_for_ever(thing: object) -> None:
    """Keep an object from being taken down, also at the end of the process."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def depth_scale_of(device: rs.device) -> float:
    """Return the millimetres in one unit of a device's depth.

    Raises:
        RuntimeError: It does not say, or has no depth.
    """
    return _in_mm(device.first_depth_sensor().get_depth_scale())


def depth_modes(librealsense: ModuleType, device: rs.device) -> list[tuple[int, int, int]]:
    """Return width, height and rate of the depth that a device can stream, sorted."""
    videos = video_streams(device, librealsense.stream.depth)
    z16 = librealsense.format.z16
    return sorted({(video.width(), video.height(), video.fps()) for video in videos if video.format() == z16})


def video_streams(device: rs.device, kind: rs.stream) -> list[rs.video_stream_profile]:
    """Return what a device can stream of a kind."""
    return [
        profile.as_video_stream_profile()
        for sensor in device.query_sensors()
        for profile in sensor.get_stream_profiles()
        if profile.stream_type() == kind
    ]


def _in_mm(metres: float) -> float:
    """Return millimetres of what librealsense holds as a 32-bit float, so that 0.001 m are 1 mm."""
    return float(f"{1000 * metres:.6g}")
