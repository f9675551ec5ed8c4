"""What a training asks of its crops, wherever they come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from keras_handpose.datasets.augmentation import Augmentation
from keras_handpose.datasets.crops import LabelledCrops
from keras_handpose.engines import Engine
from keras_handpose.skeletons import Skeleton

__all__ = ["WHOLE", "TrainingData", "cut"]

WHOLE = slice(None)
"""All of a batch."""


class TrainingData(ABC):
    """Crops to train on, and others to judge by.

    Attributes:
        skeleton: Layout of the joints.
        size: Edge of the crops in px.
        camera: Name of the camera in `CAMERAS`; "unnamed" if it is not there.
        cube: Edge of the training crops' cubes in mm, the middle one where they differ.
        cubes: All edges of cubes in mm, also those of the crops to judge by, in ascending order.
    """

    skeleton: Skeleton
    size: int
    camera: str
    cube: float
    cubes: np.ndarray

    @abstractmethod
    def __len__(self) -> int:
        """Number of crops of a pass."""

    @abstractmethod
    def describe(self) -> str:
        """Say in one line what a network is trained on."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Return what tells these crops from others, as JSON can hold it: a run goes on with the same ones only."""

    @abstractmethod
    def poses(self) -> np.ndarray:
        """Return the poses that a prior is fitted to, in the unit cube, shape ``(n, joints, 3)``."""

    @abstractmethod
    def batches(
        self,
        batch: int,
        *,
        seed: int,
        start: int,
        augmentation: Augmentation | None,
        workers: int,
        part: slice = WHOLE,
    ) -> Generator[LabelledCrops, None, None]:
        """Give batches without end; batch ``k`` depends on ``seed`` and ``k`` only.

        A process among several asks for a ``part`` of each, and gets the very crops that the whole has there.
        """

    @abstractmethod
    def validation(self, *, workers: int) -> LabelledCrops | None:
        """Return crops to watch the error on during training, if there are any."""

    @abstractmethod
    def judge(self, engine: Engine, folder: Path, *, workers: int) -> dict[str, Any] | None:
        """Measure a network, and write what it predicts to the folder if others can use it.

        Returns:
            The figures of `summarise_errors` and, under "data", what they were measured on; None if there is nothing
            to measure on.
        """

    @abstractmethod
    def close(self) -> None:
        """Close what is open; it opens again when it is needed."""


def cut(batches: Generator[LabelledCrops, None, None], part: slice) -> Generator[LabelledCrops, None, None]:
    """Give a part of every batch."""
    with closing(batches):
        for crops in batches:
            yield crops if part == WHOLE else crops.crops(np.arange(len(crops))[part])
