"""A window with the frame, the skeletons over it and how fast they come."""

from __future__ import annotations

import importlib.util
import math
import os
import sys
from time import perf_counter
from typing import TYPE_CHECKING

import cv2
import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends import BackendFilter, backend_registry
from matplotlib.figure import Figure

from keras_handpose.checks import check_positive
from keras_handpose.live.viewer import draw
from keras_handpose.plotting.look import GROUND

if TYPE_CHECKING:
    from matplotlib.backend_bases import RendererBase

    from keras_handpose.capture import CapturedFrame
    from keras_handpose.estimator import Pose, StreamStatistics

__all__ = ["WindowViewer"]

_DPI = 128  # A power of two: sizes in px stay whole when they become inches.
_SMALLEST, _LARGEST = 640, 1280  # Width of a new window in px.
_CLOSING_KEYS = ("q", "escape")
# What matplotlib draws windows with, and the packages that it needs: the ones that start fast come first.
_BACKENDS = {
    "macosx": (),
    "tkagg": ("tkinter",),
    "qtagg": ("PyQt6", "PySide6", "PyQt5", "PySide2"),
    "gtk4agg": ("gi",),
    "gtk3agg": ("gi",),
    "wxagg": ("wx",),
}


class WindowViewer:
    """Shows frames and the poses in them in a window of its own; a `Viewer`.

    The window is closed by its button, ``q`` or Escape. It is drawn by matplotlib, with the backend that is configured
    if that one has windows, otherwise with the first one that works. pyplot and its figures are left alone.

    Args:
        rate: Most pictures per second. Between them `show` returns at once; for a picture it takes some 15 ms.
        title: What to write on the window's bar.

    Raises:
        ValueError: The rate is not a positive number.
        OSError: There is no display, or nothing to draw windows with.

    Attributes:
        open: False once the window is closed.

    Example:
        >>> WindowViewer(rate=0)
        Traceback (most recent call last):
        ...
        ValueError: `rate` must be a positive number of pictures per second. Received: rate=0.
    """

    def __init__(self, *, rate: float = 15.0, title: str = "keras-handpose") -> None:
        rate = check_positive(rate, "rate", "number of pictures per second")
        self._interval, self._last = 1 / rate, -math.inf
        self._open = True
        self._shown = False
        self._figure = Figure(figsize=(5, 3.75), dpi=_DPI, facecolor=GROUND)
        self._picture = self._figure.add_artist(_Picture())
        self._manager = _new_manager(self._figure)
        self._manager.set_window_title(title)
        canvas = self._figure.canvas
        canvas.mpl_connect("close_event", self._on_close)
        canvas.mpl_connect("key_press_event", self._on_key)

    @property
    def open(self) -> bool:
        return self._open

    def show(self, frame: CapturedFrame, poses: tuple[Pose, ...], statistics: StreamStatistics) -> None:
        """Draw a frame, if the last one is long enough ago and the window is open.

        Raises:
            TypeError, ValueError: The frame is not a depth frame.
        """
        now = perf_counter()
        if not self._open or now - self._last < self._interval:
            return
        self._last = now
        canvas = self._figure.canvas
        frame_height, frame_width = np.shape(frame.depth)
        if not self._shown:
            self._shown = True
            width = min(max(frame_width, _SMALLEST), _LARGEST)
            self._manager.resize(width, round(width * frame_height / frame_width))
            self._manager.show()
            canvas.flush_events()
        width, height = canvas.get_width_height(physical=True)
        width = max(1, min(width, int(height * frame_width / frame_height)))
        self._picture.show(draw(frame, poses, statistics, width=width))
        canvas.draw_idle()
        canvas.flush_events()

    def close(self) -> None:
        """Close the window. Closing it twice does no harm."""
        if self._open:
            self._open = False
            self._manager.destroy()

    def _on_close(self, event: object) -> None:
        self._open = False

    def _on_key(self, event: object) -> None:
        if event.key in _CLOSING_KEYS:
            self.close()


class _Picture(Artist):
    """A picture in the middle of the figure, pixel by pixel.

    An AxesImage would resample it, which takes 30 ms where this takes 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pixels = np.zeros((1, 1, 4), np.uint8)

    def show(self, image: np.ndarray) -> None:
        """Take a picture in RGB."""
        self.pixels = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)
        self.stale = True

    def draw(self, renderer: RendererBase) -> None:
        height, width = self.pixels.shape[:2]
        left, bottom = (round((free - used) / 2) for free, used in ((renderer.width, width), (renderer.height, height)))
        renderer.draw_image(renderer.new_gc(), left, bottom, self.pixels[::-1])
        self.stale = False


def _new_manager(figure: Figure):
    """Put a figure in a window, without pyplot.

    Raises:
        OSError: No backend has windows here.
    """
    reasons = []
    if sys.platform.startswith("linux") and not any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY"))):
        reasons.append("neither DISPLAY nor WAYLAND_DISPLAY is set")
    else:
        for name in _candidates():
            try:
                backend = backend_registry.load_backend_module(name)
                # Keys of the toolbar do not fit a picture that changes, and there is nothing to zoom into.
                with matplotlib.rc_context({"toolbar": "None"}):
                    return backend.FigureCanvas.new_manager(figure, 0)
            except Exception as error:  # Every toolkit has its own.
                reasons.append(f"{name}: {error}")
    raise OSError(
        f"There is no window to show poses in ({'; '.join(reasons) or 'no toolkit is installed'}). "
        "Run it where there is a desktop, with tkinter (Debian: apt install python3-tk) or `pip install PyQt6`, "
        "or use another viewer: --viewer rerun or --viewer none, with --video for a file."
    )


def _candidates() -> list[str]:
    """Return the names of backends with windows, the configured one first."""
    windows = {name.lower() for name in backend_registry.list_builtin(BackendFilter.INTERACTIVE)}
    configured = dict.__getitem__(matplotlib.rcParams, "backend")
    present = [
        name
        for name, packages in _BACKENDS.items()
        if name in windows and (sys.platform == "darwin" if name == "macosx" else any(map(_installed, packages)))
    ]
    if isinstance(configured, str) and configured.lower() in windows:
        return list(dict.fromkeys([configured.lower(), *present]))
    return present


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
