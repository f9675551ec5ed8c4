"""Recordings of what a camera saw and of the poses in it, as frames come."""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from time import monotonic
from typing import Any

import numpy as np

from keras_handpose.capture import RECORDING_FILE, CapturedFrame
from keras_handpose.checks import HANDS, check_path
from keras_handpose.datasets.pngs import write_png
from keras_handpose.estimator import Pose
from keras_handpose.evaluation import write_predictions
from keras_handpose.files import whole_file
from keras_handpose.live.viewer import scale_of
from keras_handpose.preprocessing import check_depth

__all__ = ["POSES_FILE", "Recorder"]

POSES_FILE = "poses.jsonl"
"""Name of the file with a recording's poses: a JSON object a line, `Pose.to_dict` with the frame's file and time."""

_WAITING = 16  # Frames that wait to be written at most; then whoever adds one waits.
_EVERY = 5.0  # Seconds after which the list of frames is written anew: what a killed process loses.
_SCALE_OF_OTHERS = 0.25  # mm in a unit for frames that are not of 16 bits; these reach to 16 m.


class Recorder:
    """Writes frames and poses to a folder, in a thread of its own.

    A recording is a folder of 16-bit PNG files, for ``keras-handpose predict`` and `FolderSource`, with their camera,
    scale, times and the hands that were estimated in ``recording.json``, the poses in ``poses.jsonl``, and for
    ``keras-handpose evaluate`` the joints in ``predictions_right.txt`` or ``predictions_left.txt`` once it is closed.
    Frames of 16 bits are kept as they are, others to 0.25 mm. A process that is killed loses the last seconds.

    Args:
        folder: Where to write; it is made where it does not exist.

    Raises:
        FileExistsError: The folder holds something.

    Example:
        >>> import tempfile
        >>> from keras_handpose.cameras import CAMERAS
        >>> from keras_handpose.skeletons import MSRA21
        >>> camera = CAMERAS["msra15"]
        >>> frame = CapturedFrame(np.full((240, 320), 900, np.uint16), camera, 1.0, 0.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Recorder(f"{folder}/mine") as recorder:
        ...         recorder.add(frame, [Pose.not_found(skeleton=MSRA21, camera=camera)])
        ...     sorted(path.name for path in recorder.folder.iterdir())
        ['frame_000000.png', 'poses.jsonl', 'predictions_right.txt', 'recording.json']
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = check_path(folder, "folder")
        if self.folder.exists() and not self.folder.is_dir():
            raise FileExistsError(f"A recording is a folder. Received: the file {self.folder}.")
        self.folder.mkdir(parents=True, exist_ok=True)
        if any(self.folder.iterdir()):
            raise FileExistsError(
                f"A recording needs a folder of its own. Received: {self.folder}, which is not empty."
            )
        self._settings: dict[str, Any] = {}
        self._files: list[dict[str, Any]] = []
        self._joints_uvd: dict[str, dict[int, np.ndarray]] = {}
        self._last_time: float | None = None
        self._poses = (self.folder / POSES_FILE).open("w", encoding="utf-8")
        self._error: Exception | None = None
        self._closed = False
        self._waiting: queue.Queue[tuple[np.ndarray, float | None, tuple[Pose, ...]] | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._write_all, name="recorder", daemon=True)
        self._thread.start()

    def add(self, frame: CapturedFrame, poses: Sequence[Pose]) -> None:
        """Record a frame and the poses in it. It is written a little later.

        Times that do not increase become those of a millisecond later; if the first frame has none, none is kept.

        Raises:
            OSError: A frame could not be written.
            TypeError, ValueError: The frame is not a depth frame, does not say its camera, or is of another camera or
                scale than the first; or the recorder is closed.
        """
        if self._closed:
            raise ValueError(f"The recording {self.folder} is closed. Make a new Recorder.")
        self._raise()
        camera = frame.camera or (poses[0].camera if poses else None)
        if camera is None:
            raise ValueError("A frame without a pose must say which camera took it. Received: a frame without either.")
        scale = float(scale_of(frame, tuple(poses)))
        depth = check_depth(frame.depth, depth_scale=scale, camera=camera)
        if np.shares_memory(depth, frame.depth):
            depth = depth.copy()  # It is written later, and sources may use their memory again.
        in_16_bits = np.asarray(frame.depth).dtype in (np.uint16, np.int16)
        settings = {
            "camera": {name: _plain(value) for name, value in asdict(camera).items()},
            "depth_scale": scale if in_16_bits else _SCALE_OF_OTHERS,
        }
        self._settings = self._settings or settings
        if settings != self._settings:
            raise ValueError(f"A recording is of one camera and one scale, {self._settings}. Received: {settings}.")
        self._waiting.put((depth, frame.time, tuple(poses)))

    def close(self) -> None:
        """Write what is left. Closing it twice does no harm.

        Raises:
            OSError: A frame could not be written.
        """
        if self._closed:
            return
        self._closed = True
        self._waiting.put(None)
        self._thread.join()
        with suppress(OSError):  # Of a full disk, which is raised below.
            self._poses.close()
        if not self._files:  # Nothing was recorded: the folder can be used again.
            (self.folder / POSES_FILE).unlink(missing_ok=True)
            return self._raise()
        self._write_list()
        files = [frame["file"] for frame in self._files]
        for hand, joints_uvd in self._joints_uvd.items():
            nowhere = np.full_like(next(iter(joints_uvd.values())), np.nan)
            rows = np.stack([joints_uvd.get(i, nowhere) for i in range(len(files))])
            write_predictions(self.folder / f"predictions_{hand}.txt", rows, image_paths=files)
        self._raise()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _write_all(self) -> None:
        due = monotonic() + _EVERY
        while (item := self._waiting.get()) is not None:
            try:
                if self._error is None:  # Afterwards nothing is written, but nobody waits either.
                    self._write(*item)
                    start = monotonic()
                    if start >= due:
                        self._write_list()
                        due = monotonic() + max(_EVERY, 100 * (monotonic() - start))
            except Exception as error:  # It is raised where frames are added.
                self._error = error
            finally:
                self._waiting.task_done()

    def _write(self, depth: np.ndarray, time: float | None, poses: Sequence[Pose]) -> None:
        number = len(self._files)
        file = f"frame_{number:06d}.png"
        write_png(self.folder / file, depth, depth_scale=self._settings["depth_scale"])
        place = {"file": file, "time": self._increasing(time)}
        lines = [json.dumps({**place, **pose.to_dict()}, allow_nan=False) + "\n" for pose in poses]
        self._poses.write("".join(lines))
        self._poses.flush()
        for pose in poses:
            self._joints_uvd.setdefault(pose.hand, {})[number] = pose.joints_uvd
        self._files.append(place)

    def _increasing(self, time: float | None) -> float | None:
        """Return a time to a microsecond, after the last one."""
        last, first = self._last_time, not self._files
        if first or last is None:
            time = None if time is None or not first else round(float(time), 6)
        else:
            time = last if time is None else round(float(time), 6)
            time = time if time > last else round(last + 0.001, 6)
        self._last_time = time
        return time

    def _write_list(self) -> None:
        with whole_file(self.folder / RECORDING_FILE) as partial:
            hands = [hand for hand in HANDS if hand in self._joints_uvd]
            document = {"format_version": 1, **self._settings, "hands": hands, "frames": self._files}
            partial.write_text(json.dumps(document, allow_nan=False) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
