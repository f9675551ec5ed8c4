"""What all datasets have in common: a sequence of labelled frames, read when they are asked for."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from operator import index
from pathlib import Path

import numpy as np

from keras_handpose.cameras import Camera
from keras_handpose.datasets.frame import Frame
from keras_handpose.skeletons import Skeleton

__all__ = ["Dataset"]


class Dataset(Sequence[Frame], ABC):
    """A folder of labelled depth frames as a sequence of `Frame`.

    The labels are read at once, a frame's depth when it is asked for, so that a dataset is small, can be pickled and
    be read by several processes.

    Attributes:
        name: Name of the dataset.
        folder: Where its files are.
        skeleton: Layout of the joints.
        camera: The camera of all frames.
        hand: "right" or "left", of all frames.
        joints_xyz: Joints in camera space in mm, float32, shape ``(frames, joints, 3)``.
        subjects: Whose hand it is, shape ``(frames,)``; empty where it is unknown.
        paths: The frames' files, relative to the folder.
    """

    name: str
    folder: Path
    skeleton: Skeleton
    camera: Camera
    hand: str
    joints_xyz: np.ndarray
    subjects: np.ndarray
    paths: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, frame: int) -> Frame:
        i = index(frame)
        if not -len(self) <= i < len(self):
            raise IndexError(f"{self.describe()} has no frame {i}.")
        i %= len(self)
        return Frame(
            depth=self.read_depth(i),
            joints_xyz=self.joints_xyz[i],
            camera=self.camera,
            skeleton=self.skeleton,
            hand=self.hand,
            subject=str(self.subjects[i]),
            path=self.paths[i],
        )

    def __repr__(self) -> str:
        return f"<{self.describe()}, {os.fspath(self.folder)}>"

    @abstractmethod
    def read_depth(self, i: int) -> np.ndarray:
        """Read one frame's depth in mm, shape ``(height, width)``, float32 or uint16.

        Raises:
            FileNotFoundError: The file is missing.
            ValueError: The file is damaged, or of another format or size.
        """

    @abstractmethod
    def describe(self) -> str:
        """Say in a few words what was read: dataset, version, split, number of frames, what was left out."""
