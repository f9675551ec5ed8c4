"""What the datasets' label files have in common: lines of numbers, frames that must be there, being written last."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

__all__ = ["read_joints", "refuse_to_overwrite", "require_frames"]


def read_joints(
    lines: Sequence[str], joints: int, *, path: str | os.PathLike, numbers: Sequence[int] | None = None
) -> np.ndarray:
    """Turn lines of ``3 * joints`` numbers into points.

    Args:
        lines: One frame a line, the numbers separated by blanks.
        joints: Number of joints.
        path: The file that they come from, for messages.
        numbers: The lines' numbers in the file, by default from 1.

    Returns:
        Points of shape ``(frames, joints, 3)``, float64, all finite.

    Raises:
        ValueError: A line has another number of columns, or something in it that is not a finite number.

    Example:
        >>> read_joints(["1 2 3 4 5 6"], 2, path="labels.txt").tolist()
        [[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]
        >>> read_joints(["1 2 3", "1 nan 3"], 1, path="labels.txt")
        Traceback (most recent call last):
        ...
        ValueError: labels.txt, line 2: column 2 is not a finite number. Received: 'nan'. Fetch the file anew, or ...
    """
    try:
        points = np.loadtxt(lines, ndmin=2, comments=None) if lines else np.empty((0, 3 * joints))
    except ValueError:
        points = None
    if points is None or points.shape != (len(lines), 3 * joints) or not np.isfinite(points).all():
        raise ValueError(_fault(lines, 3 * joints, path, numbers or range(1, len(lines) + 1)))
    return points.reshape(-1, joints, 3)


def require_frames(folder: Path, frames: Sequence[str], *, labels: Path) -> None:
    """Check that labelled frames are there.

    Args:
        folder: Folder of the frames.
        frames: Their files.
        labels: The label file that names or counts them, for the message.

    Raises:
        FileNotFoundError: Naming the first frame that is not there.
    """
    there = set(os.listdir(folder)) if folder.is_dir() else set()
    missing = [file for file in frames if file not in there]
    if missing:
        raise FileNotFoundError(
            f"There is no frame {folder / missing[0]}, though {labels} has a label for it; {len(missing)} of "
            f"{len(frames)} frames are missing there. Unpack the dataset's archive anew."
        )


def refuse_to_overwrite(labels: Path) -> None:
    """Check that a writer's label file is not there yet.

    Raises:
        FileExistsError: It is there.
    """
    if labels.exists():
        raise FileExistsError(
            f"{labels.parent} holds a dataset already: {labels.name}. Write to another folder, or delete it."
        )


def _fault(lines: Sequence[str], columns: int, path: str | os.PathLike, numbers: Sequence[int]) -> str:
    """Say what is wrong with the first line that is wrong."""
    remedy = "Fetch the file anew, or take the frame out."
    for number, line in zip(numbers, lines, strict=True):
        words = line.split()
        if len(words) != columns:
            return f"{path}, line {number}: expected {columns} numbers. Received: {len(words)}. {remedy}"
        for column, word in enumerate(words, 1):
            if not _is_finite(word):
                return f"{path}, line {number}: column {column} is not a finite number. Received: {word!r}. {remedy}"
    return f"{path} is not a table of {columns} numbers a line. {remedy}"


def _is_finite(word: str) -> bool:
    try:
        return "_" not in word and math.isfinite(float(word))  # Python reads 1_000 as a number; NumPy does not.
    except ValueError:
        return False
