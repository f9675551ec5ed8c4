"""The crop store: one file with everything that training and evaluation need of a dataset."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from keras_handpose.checks import check_path
from keras_handpose.datasets.crops import LabelledCrops
from keras_handpose.datasets.frame import Frame
from keras_handpose.datasets.store_file import ChunkReader, check_store, damaged, inflate_crop, open_store, read_table

__all__ = ["CropStore"]


class CropStore:
    """Crops of labelled frames in one HDF5 file; crops and labels are read when they are asked for.

    A `CropSource`. All of the file but its crops is checked when it is opened, a little at a time; labels are kept once
    they were asked for. It can be pickled and be read by several threads and processes at once. Crops and `joints_unit`
    are those of right hands (a left hand was mirrored when it was cropped); all else is as it was recorded.

    Args:
        path: The file, written by `from_frames` or ``keras-handpose prepare``.

    Attributes:
        path: The file.
        skeleton: Layout of the joints.
        size: Edge of the crops in px.
        settings: How the store was made: dataset, kind of centre, cube, version of this package.
        joints_unit: Joints in the unit cube, of right hands, float32, shape ``(n, joints, 3)``.
        joints_xyz: Joints in camera space in mm, float32, shape ``(n, joints, 3)``.
        centres_xyz: Centres of the cubes in mm, float64, shape ``(n, 3)``; NaN where no hand was found.
        cubes: Edges of the cubes in mm, float64, shape ``(n,)``.
        cameras: Width, height, fx, fy, cx, cy in px, float64, shape ``(n, 6)``.
        hands: "right" or "left", shape ``(n,)``.
        subjects: Whose hand it is, shape ``(n,)``.
        paths: The frames' files, relative to the dataset's folder, shape ``(n,)``.
        found: Whether there is a crop, shape ``(n,)``.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: The file is truncated, was not written to its end, is of a newer version, or is no crop store.

    Example:
        >>> import tempfile
        >>> from keras_handpose.cameras import CAMERAS
        >>> from keras_handpose.skeletons import MSRA21
        >>> camera = CAMERAS["msra15"]
        >>> depth, joints_xyz = np.zeros(camera.shape, np.float32), np.full((21, 3), [0.0, 0.0, 400.0])
        >>> depth[95:146, 135:186] = 400
        >>> frame = Frame(depth=depth, joints_xyz=joints_xyz, camera=camera, skeleton=MSRA21)
        >>> with (
        ...     tempfile.TemporaryDirectory() as folder,
        ...     CropStore.from_frames(f"{folder}/mine.h5", [frame] * 3) as store,
        ... ):
        ...     len(store), store.crops(np.array([2, 0])).images.shape
        (3, (2, 128, 128, 1))
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = check_path(path)
        self._lock = threading.Lock()
        self._reader: ChunkReader | None = None
        with open_store(self.path) as file:
            self._written = _state(self.path)
            self.skeleton, self.size, self.settings, self._places = check_store(file, self.path)
            self.found = read_table(file, "found").astype(bool)

    joints_unit = cached_property(lambda store: store._table("joints_unit"))
    joints_xyz = cached_property(lambda store: store._table("joints_xyz"))
    centres_xyz = cached_property(lambda store: store._table("centres_xyz"))
    cubes = cached_property(lambda store: store._table("cubes"))
    cameras = cached_property(lambda store: store._table("cameras"))
    hands = cached_property(lambda store: store._table("hands"))
    subjects = cached_property(lambda store: store._table("subjects"))
    paths = cached_property(lambda store: store._table("paths"))
    _mirror = cached_property(lambda store: np.where(store.hands == "left", -1, 1))

    @classmethod
    def from_frames(
        cls,
        path: str | os.PathLike,
        frames: Sequence[Frame],
        *,
        centre: str | np.ndarray = "com",
        cube: float | np.ndarray | Mapping[str, float] = 250.0,
        size: int = 128,
        workers: int = 1,
        skip_bad: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> CropStore:
        """Crop one's own recordings, or a dataset's frames, to a new store.

        See `prepare`, which it calls, for the arguments, the errors and what happens when it is interrupted.
        """
        from keras_handpose.datasets.preparation import prepare

        return prepare(
            frames, path, centre=centre, cube=cube, size=size, workers=workers, skip_bad=skip_bad, progress=progress
        )

    def __len__(self) -> int:
        return len(self.found)

    def __repr__(self) -> str:
        return f"<crop store {os.fspath(self.path)}: {len(self)} frames of {self.settings.get('dataset')}>"

    def __reduce__(self):
        return type(self), (self.path,)

    def __enter__(self) -> CropStore:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; it opens again when crops or labels are asked for."""
        with self._lock:
            if self._reader is not None:
                self._reader.close()
            self._reader = None

    def crops(self, indices: np.ndarray) -> LabelledCrops:
        """Read crops.

        Args:
            indices: Numbers of frames in which a hand was found, shape ``(m,)``; see `indices`.

        Raises:
            ValueError: There is no such frame, or no hand was found in it.
            OSError: The file is damaged.
        """
        indices = self._checked(indices)
        if not self.found[indices].all():
            frame = indices[~self.found[indices]][0]
            raise ValueError(
                f"{self.path} has no crop of frame {frame} ({self.paths[frame]}): no hand was found in it. "
                "`CropStore.indices()` gives the frames that have one."
            )
        images = np.empty((len(indices), self.size, self.size, 1), np.float32)
        reader = self._open()
        for frame, image in zip(indices.tolist(), images, strict=True):
            try:
                inflate_crop(reader.read(frame), image[..., 0])
            except ValueError as error:
                raise damaged(self.path, f"{error}, that of frame {frame}") from error
        centres_xyz = self.centres_xyz[indices]
        centres_xyz[:, 0] *= self._mirror[indices]
        return LabelledCrops(
            images=images,
            joints_unit=self.joints_unit[indices],
            centres_xyz=centres_xyz,
            cubes=self.cubes[indices],
            skeleton=self.skeleton,
        )

    def indices(
        self, subjects: Collection[str] | None = None, *, leave_out: Collection[str] | None = None
    ) -> np.ndarray:
        """Return the numbers of the frames that have a crop, in their order.

        Args:
            subjects: Whose frames; by default everybody's.
            leave_out: Whose frames not.

        Raises:
            ValueError: There is nobody of that name, or no frame is left.
        """
        wanted = self.found.copy()
        there = np.unique(self.subjects)
        for names, chosen in ((subjects, True), (leave_out, False)):
            if names is None:
                continue
            names = [names] if isinstance(names, str) else list(names)
            unknown = [name for name in names if name not in there]
            if unknown:
                known = f"has the subjects {', '.join(there)}" if any(there) else "names no subjects"
                raise ValueError(f"{self.path} {known}. Received: {', '.join(unknown)}.")
            wanted &= np.isin(self.subjects, names) == chosen
        if not wanted.any():
            raise ValueError(
                f"{self.path} has no crop of these subjects. Received: subjects={subjects}, leave_out={leave_out}."
            )
        return np.flatnonzero(wanted)

    def unit_to_xyz(self, joints_unit: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Bring joints from the unit cube of these crops to camera space (mm), left hands back to the left.

        Args:
            joints_unit: Joints as a network gives them, of right hands, shape ``(m, joints, 3)``.
            indices: Numbers of the frames, shape ``(m,)``.

        Returns:
            Joints in mm, float64, shape ``(m, joints, 3)``; NaN where no hand was found.
        """
        indices = self._checked(indices)
        joints_xyz = joints_unit * (self.cubes[indices] / 2)[:, None, None]
        joints_xyz[..., 0] *= self._mirror[indices][:, None]
        return joints_xyz + self.centres_xyz[indices][:, None]

    def project(self, joints_xyz: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Project joints in mm to the pixels of the frames' own cameras.

        Args:
            joints_xyz: Joints in mm, shape ``(m, joints, 3)``.
            indices: Numbers of the frames, shape ``(m,)``.

        Returns:
            Joints ``u v d`` in px, px, mm, shape ``(m, joints, 3)``.

        See Also:
            `lift`, the inverse; `keras_handpose.cameras.xyz_to_uvd`, for one camera.
        """
        fx, fy, cx, cy = self._intrinsics(indices)
        x, y, z = np.moveaxis(np.asarray(joints_xyz), -1, 0)
        in_front = np.where(z > 0, z, np.nan)
        return np.stack([x * fx / in_front + cx, y * fy / in_front + cy, z], axis=-1)

    def lift(self, joints_uvd: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Lift pixels with depth of the frames' own cameras to camera space.

        Args:
            joints_uvd: Joints ``u v d`` in px, px, mm, shape ``(m, joints, 3)``.
            indices: Numbers of the frames, shape ``(m,)``.

        Returns:
            Joints in mm, shape ``(m, joints, 3)``.

        See Also:
            `project`, the inverse; `keras_handpose.cameras.uvd_to_xyz`, for one camera.
        """
        fx, fy, cx, cy = self._intrinsics(indices)
        u, v, d = np.moveaxis(np.asarray(joints_uvd), -1, 0)
        return np.stack([(u - cx) * d / fx, (v - cy) * d / fy, d], axis=-1)

    def _intrinsics(self, indices: np.ndarray) -> np.ndarray:
        """Return fx, fy, cx, cy of the frames' cameras, shape ``(4, m, 1)``."""
        return self.cameras[self._checked(indices), 2:].T[..., None]

    def _checked(self, indices: np.ndarray) -> np.ndarray:
        indices = np.asarray(indices)
        if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
            raise ValueError(
                f"`indices` must be whole numbers of shape (m,). Received: {indices.dtype}, {indices.shape}."
            )
        indices = indices.astype(np.intp)
        if indices.size and not (indices.min() >= 0 and indices.max() < len(self)):
            raise ValueError(
                f"{self.path} has frames 0 to {len(self) - 1}. Received: {indices.min()}, {indices.max()}."
            )
        return indices

    def _table(self, name: str) -> np.ndarray:
        """Read one of the labels of all frames."""
        with self._lock:
            self._require_unchanged()
            with open_store(self.path) as file:
                return read_table(file, name)

    def _open(self) -> ChunkReader:
        with self._lock:
            if self._reader is None:
                self._require_unchanged()
                self._reader = ChunkReader(io.FileIO(self.path), self._places)
            return self._reader

    def _require_unchanged(self) -> None:
        if not self.path.is_file() or _state(self.path) != self._written:
            raise OSError(f"{self.path} was moved, deleted or written anew since it was opened. Open it again.")


def _state(path: Path) -> tuple[int, int]:
    """Return what changes when a file is written."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size
