"""Checks of arguments that rooms share, so that what is wrong is said in one way."""

from __future__ import annotations

import math
import os
from numbers import Integral, Real
from pathlib import Path

import numpy as np

__all__ = ["are_whole", "as_array", "as_number", "check_path", "check_positive"]


def are_whole(*values: object) -> bool:
    """Return whether all values are whole numbers, NumPy's included.

    Example:
        >>> are_whole(3, np.int64(0)), are_whole(3.0), are_whole(True)
        (True, False, False)
    """
    return all(isinstance(value, Integral) and not isinstance(value, bool) for value in values)


def as_array(values: object) -> np.ndarray:
    """Return values as an array, and what none can be made of, lists of unequal lengths, as an object of shape ().

    Example:
        >>> as_array([[1, 2], [3, 4]]).shape, as_array([[1, 2], [3]]).dtype.kind
        ((2, 2), 'O')
    """
    try:
        return np.asarray(values)
    except ValueError:
        return np.asarray(None)


def as_number(value: object) -> float:
    """Return a real number as a float, and NaN for what is none: text, booleans, None, arrays of several.

    Example:
        >>> as_number(np.float32(0.5)), as_number("0.5")
        (0.5, nan)
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def check_positive(value: object, name: str, meaning: str) -> float:
    """Return a positive, finite number as a float.

    Raises:
        ValueError: It is something else.

    Example:
        >>> check_positive("30", "rate", "number of frames per second")
        Traceback (most recent call last):
        ...
        ValueError: `rate` must be a positive number of frames per second. Received: rate='30'.
    """
    number = as_number(value)
    if not 0 < number < math.inf:
        raise ValueError(f"`{name}` must be a positive {meaning}. Received: {name}={value!r}.")
    return number


def check_path(path: str | os.PathLike, name: str = "path") -> Path:
    """Return the path of a file or a folder.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"`{name}` must be a path. Received: a {type(path).__name__}.")
    return Path(path)
