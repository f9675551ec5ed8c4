"""Recordings of what a camera saw and of the poses in it, as frames come."""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from keras_handpose.capture import RECORDING_FILE, CapturedFrame
from keras_handpose.datasets.pngs import write_png
from keras_handpose.estimator import Pose
from keras_handpose.evaluation import write_predictions
from keras_handpose.files import whole_file
from keras_handpose.preprocessing import check_depth
from keras_handpose.records import write_object

__all__ = ["POSES_FILE", "Recorder"]

POSES_FILE = "poses.jsonl"
"""Name of the file with a recording's poses: a JSON object a line, `Pose.to_dict` with the frame's file and time."""

_WAITING = 16  # Frames that wait to be written at most; then whoever adds one waits.
_EVERY = 5.0  # Seconds after which the list of frames is written anew: what a killed process loses.
_SCALE_OF_FLOATS = 0.25  # mm. 16 bits of it reach to 16 m.


class Recorder:
    """Writes frames and poses to a folder, in a thread of its own.

    A recording is a folder of 16-bit PNG files, for ``keras-handpose predict`` and `FolderSource`, with their camera,
    scale and times in ``recording.json``, the poses in ``poses.jsonl``, and for ``keras-handpose evaluate`` the joints
    in ``predictions_right.txt`` or ``predictions_left.txt`` once it is closed. Frames of integers are kept as they
    are, those of floats to 0.25 mm. A process that is killed loses the last seconds.

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
        ...     with Recorder(Path(folder) / "mine") as recorder:
        ...         recorder.add(frame, [Pose.not_found(skeleton=MSRA21, camera=camera)])
        ...     sorted(path.name for path in recorder.folder.iterdir())
        ['frame_000000.png', 'poses.jsonl', 'predictions_right.txt', 'recording.json']
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        if any(self.folder.iterdir()):
            raise FileExistsError(
                f"A recording needs a folder of its own. Received: {self.folder}, which is not empty."
            )
        self._settings: dict[str, Any] = {}
        self._files: list[dict[str, Any]] = []
        self._joints_uvd: dict[str, list[np.ndarray]] = {}
        self._poses = (self.folder / POSES_FILE).open("w", encoding="utf-8")
        self._error: Exception | None = None
        self._waiting: queue.Queue[tuple[np.ndarray, float | None, tuple[Pose, ...]] | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._write_all, name="recorder", daemon=True)
        self._thread.start()

    def add(self, frame: CapturedFrame, poses: Sequence[Pose]) -> None:
        """Record a frame and the poses in it. It is written a little later.

        Raises:
            OSError: A frame could not be written.
            ValueError: The frame is of another camera or scale than the first.
        """
        if self._error is not None:
            raise self._error
        scale = float(frame.depth_scale or poses[0].depth_scale)
        depth = check_depth(frame.depth, depth_scale=scale)
        settings = {
            "camera": asdict(frame.camera or poses[0].camera),
            "depth_scale": _SCALE_OF_FLOATS if np.asarray(frame.depth).dtype.kind == "f" else scale,
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
        if self._poses.closed:
            return
        self._waiting.put(None)
        self._thread.join()
        self._poses.close()
        self._write_list()
        for hand, joints_uvd in self._joints_uvd.items():
            files = [frame["file"] for frame in self._files]
            write_predictions(self.folder / f"predictions_{hand}.txt", np.stack(joints_uvd), image_paths=files)
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _write_all(self) -> None:
        written = monotonic()
        while (item := self._waiting.get()) is not None:
            try:
                if self._error is None:  # Afterwards nothing is written, but nobody waits either.
                    self._write(*item)
                    if monotonic() - written > _EVERY:
                        self._write_list()
                        written = monotonic()
            except Exception as error:  # It is raised where frames are added.
                self._error = error
            finally:
                self._waiting.task_done()

    def _write(self, depth: np.ndarray, time: float | None, poses: Sequence[Pose]) -> None:
        file = f"frame_{len(self._files):06d}.png"
        write_png(self.folder / file, depth, depth_scale=self._settings["depth_scale"])
        place = {"file": file, "time": None if time is None else round(time, 6)}
        lines = [json.dumps({**place, **pose.to_dict()}, allow_nan=False) + "\n" for pose in poses]
        self._poses.write("".join(lines))
        self._poses.flush()
        for pose in poses:
            self._joints_uvd.setdefault(pose.hand, []).append(pose.joints_uvd)
        self._files.append(place)

    def _write_list(self) -> None:
        with whole_file(self.folder / RECORDING_FILE) as partial:
            document = {"format_version": 1, **self._settings, "frames": self._files}
            partial.write_text(write_object(document), encoding="utf-8")
