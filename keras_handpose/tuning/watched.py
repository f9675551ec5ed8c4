"""The data of a search: watched, never judged by."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from keras_handpose.datasets.crops import LabelledCrops
from keras_handpose.training import StoredCrops, TrainingData

__all__ = ["WatchedData"]


class WatchedData:
    """Training data whose error is watched during training, and whose frames to judge by are left alone.

    A search chooses by what it sees: what the chosen one is judged by is not for it. What many trainings need alike is
    kept in memory.

    Args:
        data: The data.

    Raises:
        ValueError: There are no crops to watch the error on.
    """

    def __init__(self, data: TrainingData) -> None:
        if isinstance(data, StoredCrops) and not data.leave_out and data.test is None:
            raise ValueError(
                "A search measures candidates on crops that they were not trained on. Received: a store with no "
                "subject left out. Pass `leave_out`, or a store of other frames as `test`."
            )
        self.data = data
        self._watched: LabelledCrops | None = None

    def __getattr__(self, name: str) -> Any:
        if name == "data":  # Not yet there, as while it is copied.
            raise AttributeError(name)
        return getattr(self.data, name)

    def __len__(self) -> int:
        return len(self.data)

    @cached_property
    def _poses(self) -> np.ndarray:
        return self.data.poses()

    def poses(self) -> np.ndarray:
        """Return the poses that a prior is fitted to."""
        return self._poses

    def validation(self, *, workers: int) -> LabelledCrops | None:
        """Return the crops to watch the error on."""
        if self._watched is None:
            self._watched = self.data.validation(workers=workers)
        return self._watched

    def judge(self, *arguments: Any, **options: Any) -> None:
        """Measure nothing."""
