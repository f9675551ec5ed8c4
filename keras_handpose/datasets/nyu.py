"""NYU: 36 annotated joints of which 14 are compared, seen by three cameras, in its original files.

``train`` and ``test`` hold ``joint_data.mat`` with ``joint_xyz`` (x y z in mm, y up, z positive) and ``joint_uvd``, of
shape ``(views, frames, 36, 3)``, and ``depth_{view}_{frame:07d}.png``, counted from 1, with mm = (G << 8) + B.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np

from keras_handpose.cameras import CAMERAS, xyz_to_uvd
from keras_handpose.checks import check_path
from keras_handpose.datasets.dataset import Dataset
from keras_handpose.datasets.frame import Frame
from keras_handpose.datasets.labels import refuse_to_overwrite, require_frames
from keras_handpose.datasets.pngs import read_png, write_png
from keras_handpose.files import whole_file
from keras_handpose.skeletons import NYU14

__all__ = ["NYU", "NYU_EVALUATED", "NYU_FRAMES_OF_SUBJECT_1", "write_nyu"]

NYU_EVALUATED = (0, 3, 6, 9, 12, 15, 18, 21, 24, 25, 27, 30, 31, 32)
"""Which of the 36 annotated joints are those of `NYU14`, in its order."""

NYU_FRAMES_OF_SUBJECT_1 = 2440
"""How many test frames show subject 1; the other 5,812 show subject 2."""

_ANNOTATED = 36
_SPLITS = ("train", "test")
_LABELS = "joint_data.mat"
_HEADER = b"MATLAB 5.0 MAT-file, written by keras-handpose"
_AXES = np.array([1.0, -1.0, 1.0])  # The file's y points up; this is its own inverse.


class NYU(Dataset):
    """The training or the test frames of NYU, from one of its cameras.

    All hands are taken to be right ones (so are 96.5 % of the test labels). Test frames are of subject "1" or "2"; the
    files do not say whose hand the training frames show. No bad frames are known, and none are left out.

    Args:
        folder: The folder with ``train`` and ``test``.
        split: "train" or "test".
        view: The camera, 1 to 3. Methods are compared on view 1. All are read with the one calibration
            that comes with the dataset.

    Raises:
        FileNotFoundError: There is no label file, or a labelled frame is missing.
        ValueError: Unknown split or view, or a label file without 36 finite joints a frame in front of the camera.

    See Also:
        `write_nyu`, the inverse.
    """

    name = "NYU"
    skeleton = NYU14
    camera = CAMERAS["nyu"]
    hand = "right"

    def __init__(self, folder: str | os.PathLike, *, split: str = "train", view: int = 1) -> None:
        self.folder, self.split, self.view = check_path(folder, "folder"), _checked(split), view
        labels = self.folder / split / _LABELS
        annotated = _read_labels(labels)
        if view not in range(1, len(annotated) + 1):
            raise ValueError(f"{labels} has the views 1 to {len(annotated)}. Received: view={view!r}.")
        joints = annotated[view - 1][:, NYU_EVALUATED]
        wrong = np.flatnonzero(~(np.isfinite(joints).all(axis=(1, 2)) & (joints[..., 2] > 0).all(axis=1)))
        if wrong.size:
            raise ValueError(
                f"{labels}, view {view}, frame {wrong[0] + 1}: joints must be finite with z > 0. Received: "
                f"{joints[wrong[0]].tolist()}. {wrong.size} frames are like that. Fetch the file anew."
            )
        files = [f"depth_{view}_{i:07d}.png" for i in range(1, len(joints) + 1)]
        require_frames(labels.parent, files, labels=labels)
        self.joints_xyz = (joints * _AXES).astype(np.float32)
        self.paths = tuple(f"{split}/{file}" for file in files)
        self.subjects = np.full(len(files), "")
        if split == "test":
            self.subjects = np.where(np.arange(len(files)) < NYU_FRAMES_OF_SUBJECT_1, "1", "2")

    def describe(self) -> str:
        return f"{self.name} ({self.split}, view {self.view}: {len(self):,} frames)"

    def read_depth(self, i: int) -> np.ndarray:
        return read_png(self.folder / self.paths[i], self.camera, format="nyu")


def write_nyu(folder: str | os.PathLike, frames: Iterable[Frame], *, split: str = "train") -> Path:
    """Write frames as NYU keeps them, as view 1 and the only one.

    The 14 evaluated joints take their places among the 36; each place between them repeats the evaluated joint before
    it. Frames are numbered in the order in which they come. The label file is written last: a folder without it is one
    whose writing was interrupted, and is written anew.

    Args:
        folder: Where to write ``train`` or ``test``; it is made where it does not exist.
        frames: Frames of right hands with 14 joints, taken by the dataset's camera.
        split: "train" or "test".

    Returns:
        The folder.

    Raises:
        FileExistsError: The folder holds labels of the split already.
        ValueError: A frame is of another camera, hand or skeleton.

    See Also:
        `NYU`, the inverse.
    """
    from scipy.io import savemat

    folder = check_path(folder, "folder")
    labels = folder / _checked(split) / _LABELS
    refuse_to_overwrite(labels)
    joints_xyz = []
    for number, frame in enumerate(frames, 1):
        frame.require(NYU)
        write_png(labels.with_name(f"depth_1_{number:07d}.png"), frame.depth, format="nyu")
        joints_xyz.append(frame.joints_xyz)
    places = np.searchsorted(NYU_EVALUATED, np.arange(_ANNOTATED), side="right") - 1
    annotated = np.array(joints_xyz, np.float64).reshape(-1, len(NYU14), 3)[:, places]
    content = {"joint_xyz": (annotated * _AXES)[None], "joint_uvd": xyz_to_uvd(annotated, NYU.camera)[None]}
    buffer = BytesIO()
    savemat(buffer, content, do_compression=True)
    with whole_file(labels) as partial:
        # SciPy dates the file in its header; the same frames make the same file.
        partial.write_bytes(_HEADER.ljust(116) + buffer.getvalue()[116:])
    return folder


def _checked(split: str) -> str:
    if split not in _SPLITS:
        raise ValueError(f"`split` must be 'train' or 'test'. Received: {split!r}.")
    return split


def _read_labels(path: Path) -> np.ndarray:
    """Read the joints of all views, shape ``(views, frames, 36, 3)``, with the file's own axes."""
    from scipy.io import loadmat

    if not path.is_file():
        raise FileNotFoundError(
            f"There is no label file {path}. Pass the folder that holds train and test, unpacked; one without "
            f"{_LABELS} may be a folder whose writing was interrupted."
        )
    try:
        joints = loadmat(path, variable_names=["joint_xyz"]).get("joint_xyz")
    except Exception as error:  # SciPy raises whatever its parsing stumbles over in a damaged file.
        raise ValueError(
            f"{path} is not a MATLAB file that SciPy can read, or it is damaged: {error}. "
            "Fetch the file anew, or save it with MATLAB's -v7."
        ) from error
    if joints is None or joints.ndim != 4 or joints.shape[2:] != (_ANNOTATED, 3) or joints.dtype.kind not in "fiu":
        received = "no joint_xyz" if joints is None else f"joint_xyz of {joints.dtype}, shape {joints.shape}"
        raise ValueError(
            f"{path} must hold the numbers joint_xyz, shape (views, frames, 36, 3). Received: {received}. "
            f"Pass the dataset's own {_LABELS}."
        )
    return joints
