"""MSRA15: nine subjects, 17 gestures, 21 joints, in its original files.

``P{0-8}/{1-9, I, IP, L, MP, RP, T, TIP, Y}/joint.txt`` begins with the number of frames; then comes a line of 63
numbers a frame, x y z in mm with y up and z negative. ``000000_depth.bin`` and so on, in the lines' order, hold six
little-endian int32 ``width height left top right bottom`` (a half-open box around the hand) and the box's depth in mm,
float32, row by row, 0 for none. What is outside of the box was not kept.

Two versions are in use, the second with a few frames more for some subjects and fewer for others; which one was read is
told from the subjects' frame counts.

The dataset's own description says that the subjects' right hands were recorded. The labels agree: of poses drawn from
the published mean and principal components of subjects P1 to P8, 96 % have a right hand's `chirality`, as have 98 % of
rendered right hands; the rest bend their fingers too little to tell.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from keras_handpose.cameras import CAMERAS
from keras_handpose.checks import check_path
from keras_handpose.datasets.dataset import Dataset
from keras_handpose.datasets.frame import Frame
from keras_handpose.datasets.labels import read_joints, refuse_to_overwrite, require_frames
from keras_handpose.files import whole_file
from keras_handpose.skeletons import MSRA21

__all__ = ["MSRA15", "MSRA15_GESTURES", "MSRA15_SUBJECTS", "MSRA15_VERSIONS", "write_msra15"]

MSRA15_SUBJECTS = tuple(f"P{i}" for i in range(9))
"""Names of the subjects' folders."""

MSRA15_GESTURES = (*"123456789", "I", "IP", "L", "MP", "RP", "T", "TIP", "Y")
"""Names of the gestures' folders."""

MSRA15_VERSIONS = {
    "v1": (8499, 8492, 8412, 8488, 8500, 8497, 8497, 8498, 8492),
    "v2": (8499, 8499, 8406, 8498, 8500, 8497, 8498, 8498, 8496),
}
"""Frames of each subject in the versions of the dataset: 76,375 and 76,391 in all."""

_LABELS = "joint.txt"
_AXES = np.array([1.0, -1.0, -1.0])  # The files' y points up and their z to the viewer; this is its own inverse.
_HEADER = np.dtype("<i4")
_DEPTH = np.dtype("<f4")


class MSRA15(Dataset):
    """The frames of MSRA15, subject by subject, gesture by gesture.

    A frame's depth is the full 240 x 320 picture, 0 outside of the box that the file keeps. A file with an empty box
    reads as a frame without any depth, in which no hand will be found.

    Args:
        folder: The folder with ``P0`` to ``P8``, or with some of them.
        subjects: Names of the subjects to read, by default all that are there.
        gestures: Names of the gestures to read, by default all that are there.

    Raises:
        FileNotFoundError: There is no such dataset, subject or gesture, or a label file or labelled frame is missing.
        ValueError: A label file has other lines than it announces, a line without 63 finite numbers, or joints behind
            the camera.

    See Also:
        `write_msra15`, the inverse.

    Example:
        >>> import tempfile
        >>> from keras_handpose.datasets import Frame
        >>> depth = np.zeros((240, 320), np.float32)
        >>> depth[100:140, 150:180] = 400
        >>> frame = Frame(
        ...     depth=depth, joints_xyz=np.full((21, 3), 400.0), camera=CAMERAS["msra15"], skeleton=MSRA21, subject="P3"
        ... )
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     dataset = MSRA15(write_msra15(folder, [frame]))
        ...     print(dataset.describe(), dataset[0].path, bool((dataset[0].depth == depth).all()))
        MSRA15 (neither v1 nor v2: 1 frames of P3) P3/1/000000_depth.bin True
    """

    name = "MSRA15"
    skeleton = MSRA21
    camera = CAMERAS["msra15"]
    hand = "right"

    def __init__(
        self,
        folder: str | os.PathLike,
        *,
        subjects: Sequence[str] | None = None,
        gestures: Sequence[str] | None = None,
    ) -> None:
        self.folder = check_path(folder, "folder")
        self._gestures = None if gestures is None else _chosen(gestures, MSRA15_GESTURES, "gestures")
        subjects = None if subjects is None else _chosen(subjects, MSRA15_SUBJECTS, "subjects")
        joints_xyz, names, paths = [], [], []
        for subject in subjects or MSRA15_SUBJECTS:
            for gesture in self._gestures or MSRA15_GESTURES:
                labels = self.folder / subject / gesture / _LABELS
                if not labels.parent.is_dir():
                    continue
                if not labels.is_file():
                    raise FileNotFoundError(
                        f"There is no label file {labels}, though its folder is there: its writing was interrupted, or "
                        "it was unpacked in part. Unpack the dataset's archive, or write it, anew."
                    )
                joints_xyz.append(_read_labels(labels))
                frames = [f"{i:06d}_depth.bin" for i in range(len(joints_xyz[-1]))]
                require_frames(labels.parent, frames, labels=labels)
                names += [subject] * len(frames)
                paths += [f"{subject}/{gesture}/{file}" for file in frames]
        read = {name for path in paths for name in path.split("/")[:2]}
        missing = [name for name in (*(subjects or ()), *(self._gestures or ())) if name not in read]
        if not paths or missing:
            raise FileNotFoundError(
                f"There are no labelled frames of MSRA15{', ' * bool(missing) + ', '.join(missing)} in {self.folder}. "
                f"Pass the folder that holds P0 to P8, unpacked: P0/1/{_LABELS} and so on."
            )
        self.joints_xyz = np.concatenate(joints_xyz)
        self.subjects = np.array(names)
        self.paths = tuple(paths)

    @property
    def version(self) -> str | None:
        """The version that was read: "v1", "v2", "v1 or v2" where the subjects read do not differ, or None."""
        if self._gestures is not None:
            return None
        names, counts = np.unique(self.subjects, return_counts=True)
        places = [MSRA15_SUBJECTS.index(name) for name in names]
        fitting = [v for v, frames in MSRA15_VERSIONS.items() if counts.tolist() == [frames[i] for i in places]]
        return " or ".join(fitting) or None

    def describe(self) -> str:
        which = self.version or ("a choice of gestures" if self._gestures else "neither v1 nor v2")
        read = np.unique(self.subjects)
        of = "" if len(read) == len(MSRA15_SUBJECTS) else f" of {', '.join(read)}"
        return f"{self.name} ({which}: {len(self):,} frames{of})"

    def read_depth(self, i: int) -> np.ndarray:
        path = self.folder / self.paths[i]
        if not path.is_file():
            raise FileNotFoundError(f"There is no frame {path}. Fetch the dataset's archive anew.")
        content = path.read_bytes()
        width, height, left, top, right, bottom = (
            np.frombuffer(content, _HEADER, 6).tolist() if len(content) >= 24 else [0] * 6
        )
        if (height, width) != self.camera.shape or not (0 <= left <= right <= width and 0 <= top <= bottom <= height):
            raise ValueError(
                f"{path} does not begin with MSRA15's header, {self.camera.width} x {self.camera.height} and a box "
                f"inside. Received: {len(content)} bytes, width height left top right bottom "
                f"{width} {height} {left} {top} {right} {bottom}. Fetch the file anew."
            )
        box = (bottom - top, right - left)
        if len(content) != 24 + 4 * box[0] * box[1]:
            raise ValueError(
                f"{path} is cut or too long: its box of {box[1]} x {box[0]} px makes {24 + 4 * box[0] * box[1]} bytes. "
                f"Received: {len(content)} bytes. Fetch the file anew."
            )
        depth = np.zeros(self.camera.shape, np.float32)
        depth[top:bottom, left:right] = np.frombuffer(content, _DEPTH, offset=24).reshape(box)
        return depth


def write_msra15(folder: str | os.PathLike, frames: Iterable[Frame]) -> Path:
    """Write frames as MSRA15 keeps them: the box around what has depth, joints with three decimals.

    Subject and gesture are those of a frame's path, ``P0/1/...``; without such a path, the frame's subject and
    gesture 1. Frames are numbered in the order in which they come. The label files are written last: a folder without
    them is one whose writing was interrupted, and is written anew.

    Args:
        folder: Where to write; it is made where it does not exist.
        frames: Frames of right hands with 21 joints, taken by the dataset's camera.

    Returns:
        The folder.

    Raises:
        FileExistsError: The folder holds a dataset already.
        ValueError: A frame is of another camera, hand, skeleton or subject.

    See Also:
        `MSRA15`, the inverse.
    """
    folder = check_path(folder, "folder")
    for labels in folder.glob(f"P[0-8]/*/{_LABELS}"):
        refuse_to_overwrite(labels)
    lines: dict[tuple[str, str], list[str]] = {}
    for frame in frames:
        frame.require(MSRA15)
        place = _place(frame)
        poses = lines.setdefault(place, [])
        with whole_file(folder.joinpath(*place, f"{len(poses):06d}_depth.bin")) as partial:
            partial.write_bytes(_encode(frame.depth))
        poses.append(" ".join(f"{number:.3f}" for number in (frame.joints_xyz * _AXES).ravel().tolist()))
    for place, poses in lines.items():
        with whole_file(folder.joinpath(*place, _LABELS)) as partial:
            partial.write_text("\n".join([str(len(poses)), *poses, ""]), encoding="ascii", newline="\n")
    return folder


def _chosen(names: Sequence[str], known: tuple[str, ...], what: str) -> tuple[str, ...]:
    names = (names,) if isinstance(names, str) else tuple(names)
    if not names or not set(names) <= set(known):
        raise ValueError(f"`{what}` must be among {', '.join(known)}. Received: {', '.join(map(str, names))}.")
    return tuple(name for name in known if name in names)


def _read_labels(path: Path) -> np.ndarray:
    """Read a ``joint.txt`` into camera space, float32."""
    first, *lines = path.read_text(encoding="ascii", errors="replace").splitlines() or [""]
    while lines and not lines[-1].strip():
        lines.pop()
    if first.strip() != str(len(lines)):
        raise ValueError(
            f"{path} announces another number of frames than it has lines. Received: {first.strip()[:20]!r} before "
            f"{len(lines)} lines. Fetch the file anew."
        )
    joints = read_joints(lines, len(MSRA21), path=path, numbers=range(2, len(lines) + 2))
    if (joints[..., 2] >= 0).any():
        line = int((joints[..., 2] >= 0).any(axis=1).argmax()) + 2
        raise ValueError(
            f"{path}, line {line}: MSRA15's z is negative in front of the camera. Received: a joint with z >= 0. "
            "Fetch the file anew: this one was converted, or it is damaged."
        )
    return (joints * _AXES).astype(np.float32)


def _place(frame: Frame) -> tuple[str, str]:
    subject, _, rest = frame.path.partition("/")
    gesture = rest.partition("/")[0]
    if subject not in MSRA15_SUBJECTS or gesture not in MSRA15_GESTURES:
        subject, gesture = frame.subject, MSRA15_GESTURES[0]
    if subject not in MSRA15_SUBJECTS:
        raise ValueError(
            f"MSRA15's subjects are {', '.join(MSRA15_SUBJECTS)}. Received: subject {subject!r}, path {frame.path!r}."
        )
    return subject, gesture


def _encode(depth: np.ndarray) -> bytes:
    with np.errstate(invalid="ignore"):
        seen = (depth > 0) & (depth < np.inf)
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    top, bottom = (int(rows[0]), int(rows[-1]) + 1) if rows.size else (0, 0)
    left, right = (int(columns[0]), int(columns[-1]) + 1) if columns.size else (0, 0)
    box = slice(top, bottom), slice(left, right)
    header = np.array([depth.shape[1], depth.shape[0], left, top, right, bottom], _HEADER)
    return header.tobytes() + np.where(seen[box], depth[box], 0).astype(_DEPTH).tobytes()
