"""Cropping labelled frames: which, around which centres, in which cubes, and what becomes of bad ones."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from keras_handpose.cameras import Camera
from keras_handpose.checks import as_array
from keras_handpose.datasets.centres import CENTRES, find_centre
from keras_handpose.datasets.dataset import Dataset
from keras_handpose.datasets.frame import Frame
from keras_handpose.datasets.store_file import deflate_crop
from keras_handpose.preprocessing import BACKGROUND, crop_hand
from keras_handpose.preprocessing.crop import check_size
from keras_handpose.skeletons import SKELETONS, Skeleton

__all__ = ["CropPlan", "check_distances"]

_BAD_FRAME = (OSError, ValueError, TypeError)
_FAR = 125.0  # Half a hand's cube in mm: centres that are mostly farther from the joints are not theirs.


@dataclass(frozen=True, eq=False)
class CropPlan:
    """What to crop and how, checked.

    Args:
        frames, centre, cube, size, skip_bad: As for `prepare`.
    """

    frames: Sequence[Frame]
    centre: str | np.ndarray
    cube: float | np.ndarray | Mapping[str, float]
    size: int
    skip_bad: bool

    def __post_init__(self) -> None:
        if not hasattr(self.frames, "__len__") or not hasattr(self.frames, "__getitem__"):
            raise TypeError(
                f"`frames` must be a list of Frame or a dataset. Received: a {type(self.frames).__name__}. "
                "Frames that are made one by one come in a class with `__len__` and `__getitem__`."
            )
        if not len(self.frames):
            raise ValueError("There are no frames to crop. Received: an empty sequence.")
        first = self.frames if isinstance(self.frames, Dataset) else self.frames[0]
        if not hasattr(first, "skeleton"):
            raise TypeError(
                "`frames` must be of datasets.Frame, depth with its joints and camera. "
                f"Received: {type(first).__name__}."
            )
        if SKELETONS.get(self.skeleton.name) != self.skeleton:
            raise ValueError(
                f"The joints' layout must be one of {', '.join(SKELETONS)}. Received: {self.skeleton.name!r}."
            )
        object.__setattr__(self, "size", check_size(self.size))
        object.__setattr__(self, "centre", _checked_centre(self.centre, self.frames))
        object.__setattr__(self, "cube", _checked_cube(self.cube, self.frames))

    @property
    def skeleton(self) -> Skeleton:
        """Layout of the frames' joints."""
        return self.frames.skeleton if isinstance(self.frames, Dataset) else self.frames[0].skeleton

    def settings(self, centre_name: str | None) -> dict[str, Any]:
        """Describe how the store comes to be."""
        from keras_handpose import __version__

        frames = self.frames
        described = {"frames": len(frames)}
        if isinstance(frames, Dataset):
            labels = (frames.joints_xyz, frames.subjects, np.array(frames.paths))
            described |= {
                "dataset": frames.describe(),
                "folder": os.fspath(frames.folder),
                "labels_sha256": _digest(*labels),
            }
        else:
            described["dataset"] = "own recordings"
        given = isinstance(self.centre, np.ndarray)
        described["centre"] = (centre_name or "given") if given else self.centre
        if given:
            described["centres_sha256"] = _digest(self.centre)
        described["cube"] = self.cube if isinstance(self.cube, float) else "a frame's own"
        if isinstance(self.cube, Mapping):
            described["cube"] = dict(self.cube)
        elif isinstance(self.cube, np.ndarray):
            described["cubes_sha256"] = _digest(self.cube)
        return described | {"size": self.size, "skip_bad": self.skip_bad, "package_version": __version__}

    def crop(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Crop consecutive frames.

        Returns:
            The crop store's tables; ``chunks``, the compressed crops one after another, uint8, and ``ends``, where each
            ends; and ``problems``, what is wrong with each frame that was passed over, else empty.

        Raises:
            OSError, ValueError: A frame is bad, and bad ones are not skipped.
        """
        rows = [self._crop(i) for i in range(start, stop)]
        columns = {name: np.array([row[name] for row in rows]) for name in rows[0] if name != "chunk"}
        chunks = [row["chunk"] for row in rows]
        return {
            **columns,
            "chunks": np.frombuffer(b"".join(chunks), np.uint8),
            "ends": np.cumsum([len(chunk) for chunk in chunks]),
        }

    def _crop(self, i: int) -> dict[str, Any]:
        try:
            frame = self.frames[i]
            return self._row(frame, i)
        except _BAD_FRAME as error:
            if not self.skip_bad:
                kind = OSError if isinstance(error, OSError) else ValueError
                raise kind(
                    f"Frame {i} cannot be cropped: {error} What was done is kept; the same call goes on from there "
                    "once the frame is mended, or passes over it when told to skip bad frames."
                ) from error
            return self._row_of_bad_frame(i, str(error))

    def _row(self, frame: Frame, i: int) -> dict[str, Any]:
        if frame.skeleton.name != self.skeleton.name:
            raise ValueError(f"its layout is {frame.skeleton.name}, that of the frames before is {self.skeleton.name}.")
        if not np.isfinite(frame.joints_xyz).all():
            raise ValueError("its joints are not finite.")
        cube = self._cube_of(frame, i)
        if isinstance(self.centre, np.ndarray):
            centre_xyz = None if np.isnan(self.centre[i]).any() else self.centre[i]
        else:
            centre_xyz = find_centre(frame, centre=self.centre, cube=cube)
        row = self._empty_row() | {
            "joints_xyz": np.asarray(frame.joints_xyz, np.float32),
            "cubes": cube,
            "cameras": _camera_row(frame.camera),
            "hands": frame.hand,
            "subjects": frame.subject,
            "paths": frame.path,
        }
        if centre_xyz is not None:
            mirror = frame.hand == "left"
            crop = crop_hand(frame.depth, frame.camera, centre_xyz, cube=cube, size=self.size, mirror=mirror)
            row |= {
                "chunk": deflate_crop(crop.image),
                "joints_unit": crop.xyz_to_unit(frame.joints_xyz).astype(np.float32),
                "centres_xyz": np.array(crop.cube.centre_xyz),
                "found": True,
            }
        return row

    def _row_of_bad_frame(self, i: int, problem: str) -> dict[str, Any]:
        row = self._empty_row() | {"problems": problem or "unknown"}
        if isinstance(self.frames, Dataset):
            row |= {
                "joints_xyz": self.frames.joints_xyz[i].astype(np.float32),
                "cameras": _camera_row(self.frames.camera),
                "hands": self.frames.hand,
                "subjects": str(self.frames.subjects[i]),
                "paths": self.frames.paths[i],
            }
        return row

    @cached_property
    def _empty_chunk(self) -> bytes:
        return deflate_crop(np.full((self.size, self.size), BACKGROUND, np.float32))

    def _empty_row(self) -> dict[str, Any]:
        nowhere = np.full((len(self.skeleton), 3), np.nan, np.float32)
        return {
            "chunk": self._empty_chunk,
            "joints_unit": nowhere,
            "joints_xyz": nowhere,
            "centres_xyz": np.full(3, np.nan),
            "cubes": np.nan,
            "cameras": [np.nan] * 6,
            "hands": "right",
            "subjects": "",
            "paths": "",
            "found": False,
            "problems": "",
        }

    def _cube_of(self, frame: Frame, i: int) -> float:
        if isinstance(self.cube, np.ndarray):
            return float(self.cube[i])
        if isinstance(self.cube, Mapping):
            if frame.subject not in self.cube:
                raise ValueError(_no_cube(self.cube, frame.subject))
            return self.cube[frame.subject]
        return self.cube


def _camera_row(camera: Camera) -> list[float]:
    return [camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy]


def _checked_centre(centre: str | np.ndarray, frames: Sequence[Frame]) -> str | np.ndarray:
    if isinstance(centre, str):
        if centre not in CENTRES:
            raise ValueError(f"`centre` must be one of {', '.join(CENTRES)}, or centres in mm. Received: {centre!r}.")
        return centre
    centres = np.array(centre, np.float64)
    if centres.shape != (len(frames), 3):
        raise ValueError(
            f"There must be one centre a frame, shape ({len(frames)}, 3). Received: shape {centres.shape}. "
            "Centre files go with a split, a choice of subjects and an order of frames: read the same ones."
        )
    if isinstance(frames, Dataset):
        check_distances(np.linalg.norm(frames.joints_xyz.mean(axis=1) - centres, axis=-1))
    return centres


def check_distances(distances: np.ndarray) -> None:
    """Check that centres belong to the joints of their frames.

    Args:
        distances: Of centres from the middle of the joints in mm, NaN where there is none.

    Raises:
        ValueError: Most are farther apart than a hand is large.
    """
    if not np.isnan(distances).all() and np.nanmedian(distances) > _FAR:
        raise ValueError(
            "The crops' centres are not at the labelled joints. Received: a median distance of "
            f"{np.nanmedian(distances):.0f} mm between a centre and the middle of the joints. Check the joints (mm, z "
            "away from the camera) and, of centres from a file, the format (which way y points, xyz or uvd), the "
            "split, the subjects and the order of the frames."
        )


def _checked_cube(
    cube: float | np.ndarray | Mapping[str, float], frames: Sequence[Frame]
) -> float | np.ndarray | dict[str, float]:
    if isinstance(cube, Mapping):
        checked = {str(subject): float(edge) for subject, edge in cube.items()}
        edges = np.array(list(checked.values()))
        unknown = set(map(str, frames.subjects)) - set(checked) if isinstance(frames, Dataset) else ()
        if unknown:
            raise ValueError(_no_cube(checked, ", ".join(sorted(unknown))))
    else:
        edges = as_array(cube)
        if edges.dtype.kind not in "fiu":
            raise ValueError(f"`cube` must be positive edges in mm. Received: {cube!r:.80}.")
        edges = checked = edges.astype(np.float64)
        if edges.ndim and edges.shape != (len(frames),):
            raise ValueError(f"There must be one cube, or one a frame. Received: shape {edges.shape}.")
        if not edges.ndim:
            checked = float(cube)
    if not (edges.size and np.isfinite(edges).all() and (edges > 0).all()):
        raise ValueError(f"`cube` must be positive edges in mm. Received: {cube!r}.")
    return checked


def _no_cube(cubes: Mapping[str, float], subject: str) -> str:
    return f"There must be a cube for every subject; there are those of {', '.join(cubes)}. Received: {subject!r}."


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        array = np.char.encode(array, "utf-8") if array.dtype.kind == "U" else array
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
