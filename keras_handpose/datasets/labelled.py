"""Labelled frames in 16-bit PNG files: the layout for recordings of one's own, and the renderer's by default."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from keras_handpose.cameras import CAMERAS, Camera
from keras_handpose.checks import HANDS, check_path
from keras_handpose.datasets.dataset import Dataset
from keras_handpose.datasets.frame import Frame
from keras_handpose.datasets.labels import refuse_to_overwrite
from keras_handpose.datasets.pngs import read_png, write_png
from keras_handpose.files import require_inside, whole_file
from keras_handpose.skeletons import SKELETONS

__all__ = ["LABELS_FILE", "LabelledFrames", "frame_label", "write_labelled", "write_labels"]

LABELS_FILE = "labels.json"
"""Name of the file with a folder's labels: a list of one object a frame."""

_NEAREST = 10.0  # mm. Nearer than this there are no hands, but joints in metres, or behind the camera.


class LabelledFrames(Dataset):
    """A folder of 16-bit PNG files with their labels in ``labels.json``, a list of one object a frame::

        {"file": "frame_000000.png", "camera": "sr305", "depth_scale": 0.125, "hand": "right", "subject": "anna",
         "skeleton": "msra21", "joints_xyz": [[x, y, z], ...]}

    ``file`` is relative to the folder, ``camera`` the name of one of `CAMERAS` or an object with the arguments of
    `Camera`, ``joints_xyz`` the joints in mm in camera space (x right, y down, z away). ``depth_scale`` is the mm in a
    unit of the PNG file, 1 by default; ``hand`` is "right" by default and ``subject`` empty. Camera, hand and skeleton
    are the same for all frames of a folder.

    Args:
        folder: The folder with ``labels.json``.

    Attributes:
        depth_scales: Millimetres in a unit of each PNG file.

    Raises:
        FileNotFoundError: There is no label file.
        ValueError: It is damaged, or a label lacks something, contradicts the first one, names a file outside of the
            folder or has joints that are not finite and in front of the camera.

    See Also:
        `write_labelled`, the inverse.
    """

    name = "labelled frames"

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = check_path(folder, "folder")
        path = self.folder / LABELS_FILE
        if not path.is_file():
            raise FileNotFoundError(
                f"There is no label file {path}. Pass the folder that holds it; a folder of frames without it may be "
                "one whose writing was interrupted."
            )
        labels = _load(path)
        first = _Label(labels[0], f"{path}, frame 0")
        self.camera, self.skeleton, self.hand = first.camera, first.skeleton, first.hand
        joints_xyz, subjects, paths, scales = [], [], [], []
        for i, label in enumerate(labels):
            read = _Label(label, f"{path}, frame {i}")
            for what in ("camera", "skeleton", "hand"):
                if getattr(read, what) != getattr(first, what):
                    raise ValueError(
                        f"{read.where}: all frames of a folder have one {what}. Received: {label.get(what)!r} after "
                        f"{labels[0].get(what)!r}. Put the frames of each {what} into a folder of their own."
                    )
            joints_xyz.append(read.joints_xyz)
            subjects.append(str(label.get("subject", "")))
            paths.append(str(label["file"]))
            scales.append(float(read.depth_scale))
        require_inside(paths, listed_in=path)
        self.joints_xyz = np.array(joints_xyz, np.float32)
        self.subjects = np.array(subjects)
        self.paths = tuple(paths)
        self.depth_scales = tuple(scales)

    def describe(self) -> str:
        return f"{self.name} ({len(self):,} of camera {self.camera.name}, {self.hand} hands, {self.skeleton.name})"

    def read_depth(self, i: int) -> np.ndarray:
        return read_png(self.folder / self.paths[i], self.camera, depth_scale=self.depth_scales[i])


def write_labelled(folder: str | os.PathLike, frames: Iterable[Frame], *, depth_scale: float = 1.0) -> Path:
    """Write frames as ``frame_000000.png`` and so on, with their labels in ``labels.json``, which is written last.

    Args:
        folder: Where to write; it is made where it does not exist.
        frames: Frames of one camera, hand and skeleton.
        depth_scale: Millimetres a unit of the PNG files.

    Returns:
        The folder.

    Raises:
        FileExistsError: The folder holds labels already.
        ValueError: A frame is of another camera, hand or skeleton than the first.

    See Also:
        `LabelledFrames`, the inverse.

    Example:
        >>> import tempfile
        >>> from keras_handpose.skeletons import MSRA21
        >>> depth, joints_xyz = np.full((240, 320), 400, np.uint16), np.full((21, 3), 400.0)
        >>> frame = Frame(depth=depth, joints_xyz=joints_xyz, camera=CAMERAS["msra15"], skeleton=MSRA21)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     LabelledFrames(write_labelled(folder, [frame])).describe()
        'labelled frames (1 of camera msra15, right hands, msra21)'
    """
    folder = check_path(folder, "folder")
    refuse_to_overwrite(folder / LABELS_FILE)
    labels = []
    for i, frame in enumerate(frames):
        if i == 0:
            kept = SimpleNamespace(
                name="A folder of labelled frames", camera=frame.camera, skeleton=frame.skeleton, hand=frame.hand
            )
        frame.require(kept)
        file = f"frame_{i:06d}.png"
        write_png(folder / file, frame.depth, depth_scale=depth_scale)
        labels.append(frame_label(frame, file, depth_scale))
    write_labels(folder / LABELS_FILE, labels)
    return folder


def frame_label(frame: Frame, file: str, depth_scale: float) -> dict[str, Any]:
    """Return a frame's object of the label file."""
    return {
        "file": file,
        "camera": asdict(frame.camera),
        "depth_scale": depth_scale,
        "hand": frame.hand,
        "subject": frame.subject,
        "skeleton": frame.skeleton.name,
        "joints_xyz": np.round(frame.joints_xyz, 3).tolist(),
    }


def write_labels(path: Path, labels: list[dict[str, Any]]) -> None:
    """Write a label file in one step."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(labels, indent=1) + "\n", encoding="utf-8")


def _load(path: Path) -> list[dict[str, Any]]:
    try:
        labels = json.loads(path.read_text(encoding="utf-8-sig"))  # Some editors write a byte order mark.
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}. Write the labels anew.") from error
    if not isinstance(labels, list) or not labels or not all(isinstance(label, dict) for label in labels):
        raise ValueError(f"{path} must be a list of one object a frame, at least one. Write the labels anew.")
    return labels


class _Label:
    """One object of the label file, checked."""

    def __init__(self, label: dict[str, Any], where: str) -> None:
        self.where = where
        missing = [key for key in ("file", "camera", "skeleton", "joints_xyz") if key not in label]
        if missing:
            raise ValueError(f"{where}: a label needs {', '.join(missing)}. Received: {', '.join(label)}.")
        self.camera = self._camera(label["camera"])
        if label["skeleton"] not in [*SKELETONS]:  # A list, as what is asked for may be anything that JSON holds.
            raise ValueError(
                f"{where}: the skeleton must be one of {', '.join(SKELETONS)}. Received: {label['skeleton']!r}."
            )
        self.skeleton = SKELETONS[label["skeleton"]]
        self.hand = label.get("hand", "right")
        if self.hand not in HANDS:
            raise ValueError(f"{where}: the hand must be 'right' or 'left'. Received: {self.hand!r}.")
        self.depth_scale = label.get("depth_scale", 1.0)
        if not isinstance(self.depth_scale, int | float) or not 0 < self.depth_scale < np.inf:
            raise ValueError(
                f"{where}: the depth scale must be a positive number of mm in one unit. Received: {self.depth_scale!r}."
            )
        self.joints_xyz = label["joints_xyz"]
        try:
            fits = np.isfinite(np.array(self.joints_xyz, np.float64)).all()
            fits &= np.shape(self.joints_xyz) == (len(self.skeleton), 3)
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise ValueError(
                f"{where}: expected {len(self.skeleton)} joints of three finite numbers in mm for "
                f"{self.skeleton.name}. Received: {str(self.joints_xyz)[:60]}... Repair the label, or take it out."
            )
        distance = float(np.median(np.array(self.joints_xyz, np.float64)[:, 2]))
        if distance < _NEAREST:
            raise ValueError(
                f"{where}: joints must be in mm, in front of the camera, with z away from it. Received: a hand at "
                f"z = {distance:g}. Multiply metres by 1000; change the sign of a z, and y, that point the other way."
            )

    def _camera(self, camera: str | dict[str, Any]) -> Camera:
        if isinstance(camera, str) and camera in CAMERAS:
            return CAMERAS[camera]
        try:
            return Camera(**camera)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"{self.where}: the camera must be one of {', '.join(CAMERAS)}, or an object with width, height, "
                f"fx, fy, cx and cy. Received: {camera!r} ({error})."
            ) from error
