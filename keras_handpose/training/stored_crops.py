"""Training on the crops of a store, without those of the subjects that the network is judged by."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from keras_handpose.cameras import CAMERAS, Camera
from keras_handpose.datasets.batches import iterate_batches
from keras_handpose.datasets.crops import LabelledCrops
from keras_handpose.datasets.store import CropStore
from keras_handpose.estimator import predict_store
from keras_handpose.evaluation import joint_errors, summarise_errors, write_predictions
from keras_handpose.skeletons import Skeleton
from keras_handpose.training.data import WHOLE, TrainingData, cut

__all__ = ["StoredCrops", "store_name"]

_NEAREST = 1.0  # mm


@dataclass(frozen=True)
class StoredCrops(TrainingData):
    """The crops of a `CropStore`, without those of some subjects, which the network is judged by.

    Frames in which no hand was found have no crop: they are not trained on, and have NaN for a prediction, which the
    figures count as ``frames_missed``.

    Args:
        path: The store.
        leave_out: Subjects to judge by and not to train on.
        test: A store of other frames to judge by, as of a dataset's test split, in place of subjects.
        watched: Crops of those, at most, on which the error is measured at every checkpoint. The paper has no separate
            validation set, and nor have we: the reported figures are the last weights', on all of those frames.

    Raises:
        ValueError: Subjects are left out and a test store is given; or, when the stores are opened, a subject is
            unknown, nothing is left to train on, or the stores do not fit each other.
        OSError: When they are opened: a store is missing or damaged.
    """

    path: str | os.PathLike
    leave_out: Sequence[str] = ()
    test: str | os.PathLike | None = field(default=None, kw_only=True)
    watched: int = field(default=2000, kw_only=True)

    def __post_init__(self) -> None:
        names = (self.leave_out,) if isinstance(self.leave_out, str) else tuple(self.leave_out)
        object.__setattr__(self, "leave_out", names)
        if names and self.test is not None:
            raise ValueError(
                f"Pass either subjects to leave out or a test store. Received: leave_out={names}, test={self.test!r}."
            )

    @cached_property
    def store(self) -> CropStore:
        """The store that is trained on."""
        return CropStore(self.path)

    @cached_property
    def indices(self) -> np.ndarray:
        """Numbers of the crops that are trained on."""
        return self.store.indices(leave_out=self.leave_out or None)

    @cached_property
    def judged(self) -> tuple[CropStore, np.ndarray] | None:
        """The store that is judged by and the numbers of all its frames that are, those without a hand as well."""
        if self.test is not None:
            store = CropStore(self.test)
            if (store.skeleton, store.size) != (self.store.skeleton, self.store.size):
                raise ValueError(
                    "Both stores must have the same joints and size of crops. Received: "
                    + " and ".join(f"{s.skeleton.name}, {s.size} px" for s in (self.store, store))
                    + f" in {self.path} and {self.test}."
                )
            return store, np.arange(len(store))
        if self.leave_out:
            return self.store, np.flatnonzero(np.isin(self.store.subjects, self.leave_out))
        return None

    @property
    def skeleton(self) -> Skeleton:
        return self.store.skeleton

    @property
    def size(self) -> int:
        return self.store.size

    @cached_property
    def camera(self) -> str:
        values = self.store.cameras[self.indices[0]]
        return next((name for name, camera in CAMERAS.items() if np.allclose(_values(camera), values)), "unnamed")

    @cached_property
    def cube(self) -> float:
        return float(np.median(self.store.cubes[self.indices]))

    @cached_property
    def cubes(self) -> np.ndarray:
        cubes = self.store.cubes[self.indices]
        if self.judged is not None:
            store, frames = self.judged
            cubes = np.concatenate([cubes, store.cubes[frames][store.found[frames]]])
        return np.unique(cubes)

    def __len__(self) -> int:
        return len(self.indices)

    def describe(self) -> str:
        left_out = f", {', '.join(self.leave_out)} left out" if self.leave_out else ""
        return f"{len(self):,} crops of {store_name(self.store)}{left_out}"

    def identity(self) -> dict[str, Any]:
        test = None if self.test is None else _identity(self.judged[0])
        return {
            "kind": "stored crops",
            "store": _identity(self.store),
            "leave_out": list(self.leave_out),
            "test": test,
            "watched": self.watched,
        }

    def poses(self) -> np.ndarray:
        return self.store.joints_unit[self.indices]

    def batches(self, batch, *, seed, start, augmentation, workers, part=WHOLE):
        # The random numbers of an augmentation are those of a whole batch; without one, only the part need be read.
        early = augmentation is None
        batches = iterate_batches(
            _Parts(self.store, part) if early else self.store,
            batch=batch,
            seed=seed,
            indices=self.indices,
            start=start,
            augmentation=augmentation,
            workers=workers,
        )
        return batches if early else cut(batches, part)

    def validation(self, *, workers):
        if self.judged is None:
            return None
        store, frames = self.judged
        found = frames[store.found[frames]]
        if not len(found):
            return None
        return store.crops(found[np.linspace(0, len(found) - 1, min(len(found), self.watched)).round().astype(int)])

    def judge(self, engine, folder, *, workers):
        if self.judged is None:
            return None
        store, frames = self.judged
        joints_xyz = predict_store(engine, store, frames)
        # Behind the camera there are no pixels: a joint that a bad network puts there is written as just before it.
        joints_xyz[..., 2] = np.maximum(joints_xyz[..., 2], _NEAREST)
        truth_xyz = store.joints_xyz[frames]
        write_predictions(folder / "predictions.txt", store.project(joints_xyz, frames))
        write_predictions(folder / "truth.txt", store.project(truth_xyz, frames))
        subjects = ", ".join(self.leave_out) or "all subjects"
        return {
            "data": f"{subjects} of {store_name(store)}",
            **summarise_errors(joint_errors(joints_xyz, truth_xyz), store.skeleton),
        }

    def close(self):
        self.store.close()
        if self.judged is not None:
            self.judged[0].close()


@dataclass(frozen=True)
class _Parts:
    """A `CropSource` that gives a part of the crops that it is asked for."""

    source: CropStore
    part: slice

    @property
    def skeleton(self) -> Skeleton:
        return self.source.skeleton

    def __len__(self) -> int:
        return len(self.source)

    def crops(self, indices: np.ndarray) -> LabelledCrops:
        return self.source.crops(indices[self.part])


def store_name(store: CropStore) -> str:
    """Say what frames are in a store and where their centres come from."""
    return f"{store.settings['dataset']} (centre: {store.settings['centre']})"


def _values(camera: Camera) -> list[float]:
    return [camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy]


def _identity(store: CropStore) -> dict[str, Any]:
    """Name a store by its size, its settings and a hash of what its crops are labelled with, not by its path."""
    labels = hashlib.sha256()
    for values in (store.joints_unit, store.centres_xyz, store.cubes, store.found):
        labels.update(np.ascontiguousarray(values).tobytes())
    labels.update("\n".join(map(str, store.subjects)).encode())
    settings = {key: value for key, value in store.settings.items() if key not in ("folder", "package_version")}
    return {"frames": len(store), "labels": labels.hexdigest(), "settings": settings}
