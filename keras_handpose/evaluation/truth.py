"""What predictions are compared with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from keras_handpose.cameras import CAMERAS, Camera, check_camera, uvd_to_xyz
from keras_handpose.checks import as_array, check_path
from keras_handpose.evaluation.predictions import read_image_paths, read_predictions
from keras_handpose.evaluation.protocols import PROTOCOLS, protocol_for
from keras_handpose.skeletons import SKELETONS, Skeleton

__all__ = ["STORE_SUFFIXES", "GroundTruth"]

STORE_SUFFIXES = (".h5", ".hdf5")
"""What the names of crop stores end with."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GroundTruth:
    """The true joints of a test set's frames, or of some of them; `of` and `read` make one.

    Args:
        joints_xyz: Joints in camera space in mm, shape ``(frames, joints, 3)``, float64, all of them known.
        skeleton: Layout of the joints.
        cameras: The cameras that took the frames.
        camera_indices: Which of them took each frame, shape ``(frames,)``.
        numbers: The frames' numbers in the whole test set, shape ``(frames,)``.
        total: Number of frames of the whole test set; None where it is not known.
        found: Whether a hand was found in a frame when it was cropped, shape ``(frames,)``.
        image_paths: The frames' files, where they are known.

    Raises:
        ValueError: The joints do not fit the skeleton, or one is not known.
    """

    joints_xyz: np.ndarray
    skeleton: Skeleton
    cameras: tuple[Camera, ...]
    camera_indices: np.ndarray
    numbers: np.ndarray
    total: int | None
    found: np.ndarray
    image_paths: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.joints_xyz.shape != (len(self.numbers), len(self.skeleton), 3) or not len(self):
            raise ValueError(
                f"`joints_xyz` must have shape (frames, {len(self.skeleton)}, 3) for {self.skeleton.name}. "
                f"Received: {self.joints_xyz.shape}."
            )
        unknown = self.numbers[~np.isfinite(self.joints_xyz).all(axis=(1, 2))]
        if len(unknown):
            raise ValueError(
                f"The ground truth must be known for every joint. Received: unknown joints in {len(unknown)} of "
                f"{len(self)} frames, such as frame {unknown[0]} (from 0). Leave such frames out of the evaluation."
            )

    def __len__(self) -> int:
        return len(self.joints_xyz)

    @classmethod
    def of(
        cls,
        joints_xyz: np.ndarray,
        *,
        skeleton: Skeleton,
        camera: Camera,
        image_paths: tuple[str, ...] | None = None,
    ) -> GroundTruth:
        """Take joints in mm for the ground truth of a whole test set.

        Args:
            joints_xyz: Joints in camera space, shape ``(frames, joints, 3)``.
            skeleton: Layout of the joints.
            camera: The camera that took the frames.
            image_paths: The frames' files.

        Raises:
            TypeError: The skeleton or the camera is none.
            ValueError: The joints do not fit the skeleton, or one is not known.

        Example:
            >>> from keras_handpose.skeletons import NYU14
            >>> len(GroundTruth.of(np.ones((5, 14, 3)), skeleton=NYU14, camera=PROTOCOLS["nyu"].camera))
            5
        """
        check_camera(camera)
        if not isinstance(skeleton, Skeleton):
            raise TypeError(f"`skeleton` must be a Skeleton. Received: {skeleton!r:.80}.")
        joints_xyz = as_array(joints_xyz)
        if joints_xyz.dtype.kind not in "fiu" or joints_xyz.ndim != 3:
            raise ValueError(
                f"`joints_xyz` must be numbers of shape (frames, {len(skeleton)}, 3) for {skeleton.name}. "
                f"Received: {joints_xyz.shape}, dtype {joints_xyz.dtype}."
            )
        joints_xyz = joints_xyz.astype(np.float64, copy=False)
        frames = len(joints_xyz)
        return cls(
            joints_xyz=joints_xyz,
            skeleton=skeleton,
            cameras=(camera,),
            camera_indices=np.zeros(frames, np.intp),
            numbers=np.arange(frames),
            total=frames,
            found=np.ones(frames, bool),
            image_paths=image_paths,
        )

    @classmethod
    def read(
        cls,
        path: str | os.PathLike,
        *,
        skeleton: Skeleton | None = None,
        camera: Camera | None = None,
        subjects: Sequence[str] | None = None,
        axes: str = "uvd",
        order: str | Sequence[int] | None = None,
        variable: str | None = None,
    ) -> GroundTruth:
        """Read a ground truth: a result file, or a crop store (``.h5``).

        Args:
            path: The file.
            skeleton: Layout of the joints; by default the one that has as many.
            camera: The camera of a result file's pixels; by default that of the protocol by which published results on
                this layout are compared. A store knows its cameras.
            subjects: Subjects of a store to take; by default all.
            axes, order, variable: Of a result file, as `read_predictions` has them.

        Raises:
            OSError: There is no such file.
            ValueError: It is damaged, does not fit the skeleton, or names no such subject.
        """
        path = check_path(path)
        if path.suffix.lower() in STORE_SUFFIXES:
            if camera is not None or (axes, order, variable) != ("uvd", None, None):
                raise ValueError(f"{path} is a crop store and knows its camera, axes and order. Give none of them.")
            return cls._of_store(path, skeleton, subjects)
        if subjects is not None:
            raise ValueError(f"{path} knows no subjects. Received: {', '.join(subjects)}. Take frames (--frames).")
        joints = read_predictions(path, skeleton=skeleton, axes=axes, order=order, variable=variable)
        skeleton = skeleton or _skeleton_of(joints.shape[1], path)
        protocol = protocol_for(skeleton)
        camera = camera or (protocol.camera if protocol else None)
        if camera is None:
            raise ValueError(f"{skeleton.name} belongs to no public dataset. Give the camera of {path}.")
        joints_xyz = uvd_to_xyz(joints, camera) if "u" in axes else joints
        return cls.of(joints_xyz, skeleton=skeleton, camera=camera, image_paths=read_image_paths(path))

    @classmethod
    def _of_store(cls, path: Path, skeleton: Skeleton | None, subjects: Sequence[str] | None) -> GroundTruth:
        from keras_handpose.datasets import CropStore

        with CropStore(path) as store:
            if skeleton not in (None, store.skeleton):
                raise ValueError(f"{path} has the joints of {store.skeleton.name}. Received: {skeleton.name}.")
            there = np.asarray(store.subjects)
            unknown = sorted(set(subjects or ()) - set(there.tolist()))
            if unknown:
                raise ValueError(
                    f"{path} has no subject {', '.join(unknown)}. Its subjects are: {', '.join(np.unique(there))}."
                )
            # A frame that could not be read when the store was made has no truth.
            known = np.isfinite(store.joints_xyz).all(axis=(1, 2))
            numbers = np.flatnonzero(known if subjects is None else known & np.isin(there, subjects))
            rows, indices = np.unique(np.asarray(store.cameras)[numbers], axis=0, return_inverse=True)
            names = ("width", "height", "fx", "fy", "cx", "cy")
            return cls(
                joints_xyz=np.asarray(store.joints_xyz, np.float64)[numbers],
                skeleton=store.skeleton,
                cameras=tuple(_named(Camera(**dict(zip(names, row.tolist(), strict=True)))) for row in rows),
                camera_indices=indices.reshape(-1),
                numbers=numbers,
                total=len(there),
                found=np.asarray(store.found)[numbers],
                image_paths=tuple(np.asarray(store.paths)[numbers].tolist()),
            )

    def select(self, frames: tuple[int, int] | str) -> GroundTruth:
        """Take a part of the frames.

        Args:
            frames: The first frame and the one after the last, or the name of a protocol's subset. A ground truth that
                has exactly as many frames, none left out, is taken for this part.

        Raises:
            ValueError: There is no such subset, or there are no such frames.

        Example:
            >>> from keras_handpose.skeletons import ICVL16
            >>> truth = GroundTruth.of(np.ones((1596, 16, 3)), skeleton=ICVL16, camera=PROTOCOLS["icvl"].camera)
            >>> truth.select("icvl-seq2").numbers[[0, -1]].tolist()
            [702, 1595]
        """
        first, stop = _subset(frames) if isinstance(frames, str) else frames
        if not 0 <= first < stop:
            raise ValueError(f"`frames` must be a first frame and a later one after the last. Received: {frames}.")
        if len(self) == self.total == stop - first:
            protocol = protocol_for(self.skeleton)
            return replace(self, numbers=np.arange(first, stop), total=protocol.frames if protocol else None)
        if stop > len(self):
            raise ValueError(f"The ground truth has {len(self)} frames, numbered from 0. Received: {first}:{stop}.")
        part = slice(first, stop)
        return replace(
            self,
            joints_xyz=self.joints_xyz[part],
            camera_indices=self.camera_indices[part],
            numbers=self.numbers[part],
            found=self.found[part],
            image_paths=self.image_paths and self.image_paths[part],
        )

    def lift(self, joints_uvd: np.ndarray) -> np.ndarray:
        """Bring pixels of these frames to camera space in mm, shape ``(frames, joints, 3)``, each by its camera."""
        if len(self.cameras) == 1:
            return uvd_to_xyz(joints_uvd, self.cameras[0])
        joints_xyz = np.empty(joints_uvd.shape, np.float64)
        for index, camera in enumerate(self.cameras):
            of_camera = self.camera_indices == index
            joints_xyz[of_camera] = uvd_to_xyz(joints_uvd[of_camera], camera)
        return joints_xyz


def _named(camera: Camera) -> Camera:
    """Return the camera by the name under which it is known."""
    known = (other for other in CAMERAS.values() if replace(other, name="custom", nominal=False) == camera)
    return next(known, camera)


def _skeleton_of(joints: int, path: Path) -> Skeleton:
    fitting = [skeleton for skeleton in SKELETONS.values() if len(skeleton) == joints]
    if len(fitting) != 1:
        raise ValueError(
            f"Name the skeleton of {path}: one of {', '.join(SKELETONS)}. Received: {joints} joints a frame, which "
            f"{'fit several' if fitting else 'fit none'}. For 14 of NYU's 36 joints, also order='nyu36'."
        )
    return fitting[0]


def _subset(name: str) -> tuple[int, int]:
    subsets = {name: frames for protocol in PROTOCOLS.values() for name, frames in protocol.subsets.items()}
    if name not in subsets:
        raise ValueError(f"`subset` must be one of {', '.join(subsets)}. Received: {name!r}.")
    return subsets[name]
