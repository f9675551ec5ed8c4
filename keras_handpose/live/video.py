"""Videos of what a viewer would show."""

from __future__ import annotations

import math
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
from matplotlib.colors import to_rgb
from PIL import GifImagePlugin, Image

from keras_handpose.checks import as_number, check_path, check_whole
from keras_handpose.files import whole_file
from keras_handpose.live.viewer import draw
from keras_handpose.plotting.look import DEPTH, FINGER_COLOURS, GROUND, INK, NO_DEPTH, NO_DEPTH_DOTS, PALM

if TYPE_CHECKING:
    from keras_handpose.capture import CapturedFrame
    from keras_handpose.estimator import Pose, StreamStatistics

__all__ = ["VideoWriter"]

_FASTEST_GIF = 50.0  # Frames/s. What is shown for less than 20 ms is shown for 100 by browsers.
_LONGEST_GAP = 10.0  # Seconds without frames that a video shows at most.


class VideoWriter:
    """Writes frames and the poses in them to a video, which plays as fast as they came; a `Viewer`.

    The file appears when the video is closed. A process that is killed leaves nothing under its name, nor does a video
    without frames. Frames play at their own times, and ``1 / rate`` apart where they have none. Where they come faster
    than ``rate`` some are left out, and where they come more slowly they stay; a gap of more than ten seconds becomes
    one of ten.

    Args:
        path: The file, ``.gif`` or ``.mp4`` (MPEG-4 Part 2, which web browsers do not play).
        rate: Frames per second of the video, at most 50 for a GIF.
        width: Width in px; by default the frames'. A GIF of 320 px takes a quarter of the room of one of 640.

    Raises:
        ValueError: The file's ending is another, or rate or width is not positive.
        OSError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> from types import SimpleNamespace
        >>> from keras_handpose.cameras import CAMERAS
        >>> from keras_handpose.capture import CapturedFrame
        >>> statistics = SimpleNamespace(rate=30.0, latency_ms=7.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     video = VideoWriter(f"{folder}/hand.gif")
        ...     for time in (0.0, 0.5):
        ...         frame = CapturedFrame(np.full((240, 320), 900, np.uint16), CAMERAS["msra15"], 1.0, time)
        ...         video.show(frame, (), statistics)
        ...     video.close()
        ...     with Image.open(video.path) as gif:
        ...         gif.n_frames, gif.size, gif.info["duration"]
        (2, (320, 240), 500)
    """

    open = True

    def __init__(self, path: str | os.PathLike, *, rate: float = 30.0, width: int | None = None) -> None:
        self.path = check_path(path)
        encoder = _ENCODERS.get(self.path.suffix.lower())
        if encoder is None:
            raise ValueError(f"A video is a file that ends in {' or '.join(_ENCODERS)}. Received: {str(path)!r}.")
        if not 0 < as_number(rate) < math.inf or (encoder is _Gif and rate > _FASTEST_GIF):
            raise ValueError(
                f"`rate` must be a positive number of frames per second, at most {_FASTEST_GIF:g} for a GIF. "
                f"Received: rate={rate!r:.80}."
            )
        if width is not None:
            width = check_whole(width, "width", "whole number of px", at_least=2)
        if self.path.is_dir():
            raise IsADirectoryError(f"{self.path} is a folder. Pass the path of a file in it.")
        self._new_encoder, self._rate, self._width = encoder, float(rate), width
        self._encoder: _Encoder | None = None
        self._time, self._last_time = 0.0, None
        self._next_slot = 0
        self._closed = False
        self._file = ExitStack()
        self._partial = self._file.enter_context(whole_file(self.path))
        self._partial.touch()

    def show(self, frame: CapturedFrame, poses: tuple[Pose, ...], statistics: StreamStatistics) -> None:
        """Add a frame, unless the video's rate leaves it out.

        Raises:
            OSError: The file cannot be written.
            TypeError, ValueError: The frame is not a depth frame, or the video is closed.
        """
        if self._closed:
            raise ValueError(f"The video {self.path} is closed. Make a new VideoWriter.")
        self._advance(frame.time)
        slot = math.floor(self._time * self._rate + 0.5)
        if slot < self._next_slot:
            return
        image = draw(frame, poses, statistics, width=self._width)
        try:
            if self._encoder is None:
                height, width = image.shape[:2]
                self._encoder = self._new_encoder(self._partial, (width, height), self._rate)
            self._encoder.add(image, slot)
        except Exception as error:  # Ctrl+C ends a video, and does not undo it.
            self._discard(error)
            raise
        self._next_slot = slot + 1

    def close(self) -> None:
        """Finish the file. Closing it twice does no harm.

        Raises:
            OSError: The file cannot be written.
        """
        if self._closed:
            return
        if self._encoder is None:
            self._discard(EOFError("no frames"))
            return
        try:
            self._encoder.finish()
        except BaseException as error:
            self._discard(error)
            raise
        self._closed = True
        self._file.close()

    def _advance(self, time: float | None) -> None:
        """Go on to a frame's time. Clocks that are set back, as where a recording starts anew, count as one frame."""
        if self._encoder is not None:
            step = math.nan if time is None or self._last_time is None else time - self._last_time
            self._time += min(step, _LONGEST_GAP) if step >= 0 else 1 / self._rate
        self._last_time = time

    def _discard(self, error: BaseException) -> None:
        self._closed = True
        try:
            if self._encoder is not None:
                self._encoder.release()
        finally:
            self._file.__exit__(type(error), error, error.__traceback__)


class _Encoder(Protocol):
    """Writes a video. A frame's slot is its time in frames of the video's rate, increasing from 0."""

    def __init__(self, path: Path, size: tuple[int, int], rate: float) -> None: ...

    def add(self, image: np.ndarray, slot: int) -> None: ...

    def finish(self) -> None: ...

    def release(self) -> None: ...


class _Gif:
    """Frames are written when it is known how long they stay, with one palette for all and only what changed."""

    def __init__(self, path: Path, size: tuple[int, int], rate: float) -> None:
        self._size, self._rate = size, rate
        self._palette = Image.new("P", (1, 1))
        self._palette.putpalette(_gif_palette())
        self._file = path.open("wb")
        self._shown: np.ndarray | None = None
        self._waiting: tuple[np.ndarray, int] | None = None

    def add(self, image: np.ndarray, slot: int) -> None:
        self._write_waiting(slot)
        picture = Image.fromarray(_fitted(image, self._size))
        indices = np.asarray(picture.quantize(palette=self._palette, dither=Image.Dither.NONE))
        self._waiting = indices, slot

    def finish(self) -> None:
        self._write_waiting(self._waiting[1] + 1)
        self._file.write(b";")
        self.release()

    def release(self) -> None:
        self._file.close()

    def _write_waiting(self, until: int) -> None:
        if self._waiting is None:
            return
        indices, since = self._waiting
        changed, corner = indices, (0, 0)
        if self._shown is not None:
            changed, corner = _difference(self._shown, indices)
        image = Image.fromarray(changed)
        image.putpalette(_gif_palette())
        if self._shown is None:
            for block in GifImagePlugin.getheader(image, info={"loop": 0, "optimize": False})[0]:
                self._file.write(block)
        # Hundredths of a second: the rounding of one frame is made up for by the next ones.
        hundredths = round(100 * until / self._rate) - round(100 * since / self._rate)
        settings = {"duration": 10 * min(hundredths, 65_535), "transparency": _SAME, "disposal": 1}
        for block in GifImagePlugin.getdata(image, corner, **settings):
            self._file.write(block)
        self._shown = indices


class _Mp4:
    """Frames are repeated for as long as they stay."""

    def __init__(self, path: Path, size: tuple[int, int], rate: float) -> None:
        self._path, self._size = path, size
        self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
        if not self._writer.isOpened():
            raise OSError(
                f"OpenCV cannot write an MP4 of {size[0]} x {size[1]} px and {rate:g} frames/s here. Try a .gif file."
            )
        self._frames = 0
        self._shown: np.ndarray | None = None

    def add(self, image: np.ndarray, slot: int) -> None:
        for _ in range(self._frames, slot):
            self._writer.write(self._shown)
        self._shown = cv2.cvtColor(_fitted(image, self._size), cv2.COLOR_RGB2BGR)
        self._writer.write(self._shown)
        self._frames = slot + 1

    def finish(self) -> None:
        self.release()
        if not self._path.is_file() or not self._path.stat().st_size:
            raise OSError(f"OpenCV did not write the video {self._path.name}. Is the disk full? Try a .gif file.")

    def release(self) -> None:
        self._writer.release()


_ENCODERS: dict[str, type[_Encoder]] = {".gif": _Gif, ".mp4": _Mp4}

_SAME = 255  # The palette's index for what is as it was.


def _gif_palette() -> list[int]:
    """Return the colours that pictures are made of, red, green and blue of each in turn."""
    ground, ink, white = (255 * np.array(to_rgb(colour)) for colour in (GROUND, INK, "white"))
    depth = 255 * DEPTH(np.linspace(0, 1, 28))[:, :3]
    lit = [depth * light for light in (0.5, 0.65, 0.8, 0.9, 1.0, 1.1)]
    words = [ground + share * (ink - ground) for share in np.linspace(0, 1, 8)]
    bones = [255 * np.array(to_rgb(colour)) for colour in (*FINGER_COLOURS.values(), PALM)]
    edges = [colour + share * (to - colour) for colour in bones for to in (ground, white) for share in (0.35, 0.7)]
    nothing = [255 * np.array(to_rgb(colour)) for colour in (NO_DEPTH, NO_DEPTH_DOTS)]
    colours = np.concatenate([*lit, words, bones, edges, nothing, [white]])
    palette = np.full((256, 3), white)
    palette[: len(colours)] = np.clip(np.rint(colours), 0, 255)
    palette[_SAME] = 0, 255, 0  # Nothing comes near this one.
    return palette.astype(int).ravel().tolist()


def _difference(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the part of a picture in which something changed, and its left upper corner."""
    changes = before != after
    rows, columns = (np.flatnonzero(changes.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        rows = columns = np.zeros(1, np.intp)
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return np.where(changes[window], after[window], np.uint8(_SAME)), (int(columns[0]), int(rows[0]))


def _fitted(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a picture of the video's size, also where a source changes its frames'."""
    return image if image.shape[1::-1] == size else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
