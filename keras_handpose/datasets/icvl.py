"""ICVL: 16 joints of left hands, in its original files.

``Training/labels.txt``, ``Testing/test_seq_1.txt`` and ``Testing/test_seq_2.txt`` hold a line a frame, a path below
``Training/Depth`` or ``Testing/Depth`` and 16 joints in px, px, mm: ``path.png u1 v1 d1 ... u16 v16 d16``. Blank lines
occur.
Frames are 16-bit PNG files in mm, in which a pixel without depth has a code above 30,000.

Most of the training set are copies of its frames, turned by an angle. Frames as recorded lie in folders named by the
date of the recording, like ``201403121135/image_0000.png``; copies in folders named by the angle, like ``22-5``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np

from keras_handpose.cameras import CAMERAS, uvd_to_xyz, xyz_to_uvd
from keras_handpose.checks import check_path
from keras_handpose.datasets.dataset import Dataset
from keras_handpose.datasets.frame import Frame
from keras_handpose.datasets.labels import read_joints, refuse_to_overwrite, require_frames
from keras_handpose.datasets.pngs import read_png, write_png
from keras_handpose.files import require_inside, whole_file
from keras_handpose.skeletons import ICVL16

__all__ = ["ICVL", "ICVL_TEST_SEQUENCES", "write_icvl"]

ICVL_TEST_SEQUENCES = ("test_seq_1", "test_seq_2")
"""Names of the test sequences, of 702 and 894 frames."""

_LABELS = {
    "train": ("Training/labels.txt",),
    "test": tuple(f"Testing/{sequence}.txt" for sequence in ICVL_TEST_SEQUENCES),
}
_RECORDING = re.compile(r"\d{8,}")
_WITHOUT_A_FRAME = "201406030937/image_-001.png"  # A label of the training set to which no frame belongs.
_NO_DEPTH = 30_000


class ICVL(Dataset):
    """The training or the test frames of ICVL, in the order of its label files.

    All hands are taken to be left ones (so are 99.7 % of the test labels). The dataset does not say whose hand a frame
    shows; the subject is the recording's folder or the test sequence.

    Args:
        folder: The folder with ``Training`` and ``Testing``.
        split: "train" or "test". Of the test sequences those are read whose label files are there.
        rotated: Whether to read the rotated copies of the training frames as well.

    Raises:
        FileNotFoundError: There is no label file, or a labelled frame is missing.
        ValueError: Unknown split, or a label line that is not a path below the folder and 48 finite numbers with
            depths above 0.

    See Also:
        `write_icvl`, the inverse.
    """

    name = "ICVL"
    skeleton = ICVL16
    camera = CAMERAS["icvl"]
    hand = "left"

    def __init__(self, folder: str | os.PathLike, *, split: str = "train", rotated: bool = False) -> None:
        if split not in _LABELS:
            raise ValueError(f"`split` must be 'train' or 'test'. Received: {split!r}.")
        self.folder, self.split = check_path(folder, "folder"), split
        joints_uvd, frames = [], []
        self._left_out = 0
        self._sequences = [file for file in _LABELS[split] if (self.folder / file).is_file()]
        if not self._sequences:
            raise FileNotFoundError(
                f"There is no label file {self.folder / _LABELS[split][0]}. Pass the folder that holds Training and "
                "Testing, unpacked; one without label files may be a folder whose writing was interrupted."
            )
        for file in self._sequences:
            read, names, left_out = _read_labels(self.folder / file, rotated=rotated or split == "test")
            joints_uvd.append(read)
            frames += names
            self._left_out += left_out
        if not frames:
            copies = f" but {self._left_out:,} of rotated copies" if self._left_out else ""
            raise ValueError(f"{self.folder / self._sequences[0]} has no labels{copies}. Fetch the file anew.")
        depth = PurePosixPath(self._sequences[0]).parent / "Depth"
        by_folder: dict[str, list[str]] = {}
        for name in frames:
            place, _, file = name.rpartition("/")
            by_folder.setdefault(place, []).append(file)
        for place, files in by_folder.items():
            require_frames(self.folder / depth / place, files, labels=self.folder / self._sequences[0])
        self.joints_xyz = uvd_to_xyz(np.concatenate(joints_uvd), self.camera).astype(np.float32)
        self.subjects = np.array([name.partition("/")[0] for name in frames])
        self.paths = tuple(f"{depth}/{name}" for name in frames)

    def describe(self) -> str:
        which = self.split
        if self.split == "test" and len(self._sequences) == 1:
            which = f"{PurePosixPath(self._sequences[0]).stem} only"
        left_out = f", {self._left_out:,} rotated copies left out" if self._left_out else ""
        return f"{self.name} ({which}: {len(self):,} frames{left_out})"

    def read_depth(self, i: int) -> np.ndarray:
        depth = read_png(self.folder / self.paths[i], self.camera)
        return np.where(depth > _NO_DEPTH, np.uint16(0), depth)


def write_icvl(folder: str | os.PathLike, frames: Iterable[Frame], *, split: str = "train") -> Path:
    """Write frames as ICVL keeps them: 16-bit PNG files in mm, labels ``u v d`` with three decimals.

    A frame goes to the folder that its path names (``201403121135/...``, ``test_seq_1/...``), or its subject if it has
    no path, and is numbered there in the order in which frames come. The label file is written last: a folder without
    it is one whose writing was interrupted, and is written anew.

    Args:
        folder: Where to write ``Training`` or ``Testing``; it is made where it does not exist.
        frames: Frames of left hands with 16 joints, taken by the dataset's camera.
        split: "train" or "test".

    Returns:
        The folder.

    Raises:
        FileExistsError: The folder holds labels of the split already.
        ValueError: A frame is of another camera, hand or skeleton, or names no recording or test sequence.

    See Also:
        `ICVL`, the inverse.
    """
    if split not in _LABELS:
        raise ValueError(f"`split` must be 'train' or 'test'. Received: {split!r}.")
    folder = check_path(folder, "folder")
    for file in _LABELS[split]:
        refuse_to_overwrite(folder / file)
    lines: dict[str, list[str]] = {}
    for frame in frames:
        frame.require(ICVL)
        place = PurePosixPath(frame.path).parent.name or frame.subject
        if place not in ICVL_TEST_SEQUENCES if split == "test" else not _RECORDING.fullmatch(place):
            raise ValueError(
                "ICVL's frames belong to a recording, named by its date as in '201403121135', or to "
                f"{' or '.join(map(repr, ICVL_TEST_SEQUENCES))} for the test. Received: {place!r} for split={split!r}."
            )
        labels = lines.setdefault(place, [])
        name = f"{place}/image_{len(labels):04d}.png"
        write_png((folder / _LABELS[split][0]).parent / "Depth" / name, frame.depth)
        uvd = xyz_to_uvd(frame.joints_xyz, frame.camera)
        labels.append(" ".join([name, *(f"{number:.3f}" for number in uvd.ravel().tolist())]))
    if split == "train":
        lines = {"labels": [line for labels in lines.values() for line in labels]}
    for name, labels in lines.items():
        with whole_file((folder / _LABELS[split][0]).with_name(f"{name}.txt")) as partial:
            partial.write_text("\n".join([*labels, ""]), encoding="ascii", newline="\n")
    return folder


def _read_labels(path: Path, *, rotated: bool) -> tuple[np.ndarray, list[str], int]:
    """Read joints ``u v d`` and frames of a label file, and count the rotated copies that were left out."""
    names, poses, numbers, copies = [], [], [], 0
    with path.open(encoding="ascii", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            name, pose = (*line.split(None, 1), "", "")[:2]
            if not name or name == _WITHOUT_A_FRAME:
                continue
            if not rotated and not _RECORDING.fullmatch(name.rpartition("/")[0]):
                copies += 1
                continue
            names.append(name)
            poses.append(pose)
            numbers.append(number)
    require_inside(names, listed_in=path)
    joints_uvd = read_joints(poses, len(ICVL16), path=path, numbers=numbers)
    behind = np.flatnonzero((joints_uvd[..., 2] <= 0).any(axis=1))
    if behind.size:
        raise ValueError(
            f"{path}, line {numbers[behind[0]]}: a joint's depth must be above 0 mm. Received: "
            f"{joints_uvd[behind[0], :, 2].min():g}. Fetch the file anew, or take the frame out."
        )
    return joints_uvd, names, copies
