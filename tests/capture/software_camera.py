"""A camera of librealsense's own making: what it is fed goes through the same code as a device's frames."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter, sleep

import numpy as np

from keras_handpose.cameras import Camera
from keras_handpose.capture import CapturedFrame
from keras_handpose.capture.librealsense import load_librealsense
from keras_handpose.capture.realsense import RealSenseSource

__all__ = ["SoftwareCamera"]


class SoftwareCamera:
    """A librealsense ``software_device`` with a depth stream, or a colour stream, or both.

    Args:
        camera: The depth camera, None for none.
        units: Metres in one unit of depth.
        colour: The colour camera, to the right of the other.
        baseline: Distance of the two in mm.
        distortion: Coefficients of the depth camera.
    """

    def __init__(
        self,
        camera: Camera | None,
        *,
        units: float = 0.001,
        colour: Camera | None = None,
        baseline: float = 0.0,
        distortion: Iterable[float] = (0, 0, 0, 0, 0),
    ) -> None:
        self.rs = rs = load_librealsense()
        self.units = units
        self.device, self.context = rs.software_device(), rs.context()
        self.device.register_info(rs.camera_info.name, "Software camera")
        self.device.register_info(rs.camera_info.serial_number, "123")
        self.sent: list[float] = []
        self._colour_shape = None if colour is None else (*colour.shape, 3)
        self._depth = self._colour = None
        if camera is not None:
            self._sensor = self.device.add_sensor("Stereo Module")
            self._sensor.add_read_only_option(rs.option.depth_units, units)
            self._depth = self._stream(self._sensor, rs.stream.depth, rs.format.z16, 2, camera, distortion)
        if colour is not None:
            self._colour_sensor = self.device.add_sensor("RGB Camera")
            self._colour = self._stream(self._colour_sensor, rs.stream.color, rs.format.rgb8, 3, colour, (0,) * 5)
        if camera is not None and colour is not None:
            apart = rs.extrinsics()
            apart.rotation, apart.translation = np.eye(3).ravel().tolist(), [-baseline / 1000, 0, 0]
            self._depth.register_extrinsics_to(self._colour, apart)
        self.device.add_to(self.context)

    def open(self, **options) -> RealSenseSource:
        return RealSenseSource(device=self.device, context=self.context, **options)

    def send(self, depth: np.ndarray | None, time: float, *, domain: str = "system_time") -> None:
        """Send a frame, and black in colour if there is a colour stream."""
        if depth is not None:
            self._send(self._sensor, self._depth, depth, time, domain)
        if self._colour is not None:
            self._send(self._colour_sensor, self._colour, np.zeros(self._colour_shape, np.uint8), time, domain)
        self.sent.append(perf_counter())

    def step(
        self, source: RealSenseSource, frames: Iterable[np.ndarray], rate: float = 30.0
    ) -> Iterator[CapturedFrame]:
        """Send a frame and yield what comes of it, one after the other."""
        taken = iter(source)
        for number, depth in enumerate(frames):
            self.send(depth, 100 + number / rate)
            yield next(taken)

    @contextmanager
    def feed(self, frames: Iterable[np.ndarray], rate: float) -> Iterator[None]:
        """Send frames at a rate, in a thread, for as long as there are some or the block lasts."""
        over = threading.Event()

        def run() -> None:
            start = perf_counter()
            for number, depth in enumerate(frames):
                sleep(max(0.0, start + number / rate - perf_counter()))
                if over.is_set():
                    return
                self.send(depth, 100 + number / rate)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _stream(self, sensor, kind, format, bytes_a_pixel: int, camera: Camera, distortion: Iterable[float]):
        rs = self.rs
        lens, video = rs.intrinsics(), rs.video_stream()
        lens.width, lens.height = camera.width, camera.height
        lens.fx, lens.fy, lens.ppx, lens.ppy = camera.fx, camera.fy, camera.cx, camera.cy
        lens.model, lens.coeffs = rs.distortion.brown_conrady, [float(value) for value in distortion]
        video.type, video.fmt, video.bpp, video.fps = kind, format, bytes_a_pixel, 30
        video.index, video.uid, video.intrinsics = 0, int(kind), lens
        video.width, video.height = camera.width, camera.height
        return sensor.add_video_stream(video, True)

    def _send(self, sensor, profile, pixels: np.ndarray, time: float, domain: str) -> None:
        frame = self.rs.software_video_frame()
        frame.pixels, frame.bpp = pixels, pixels.strides[1]
        frame.stride, frame.frame_number = pixels.strides[0], len(self.sent)
        frame.timestamp, frame.domain = 1000 * time, getattr(self.rs.timestamp_domain, domain)
        frame.profile, frame.depth_units = profile.as_video_stream_profile(), self.units
        sensor.on_video_frame(frame)
