"""Checks of arguments that rooms share, so that what is wrong is said in one way."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from numbers import Integral, Real
from pathlib import Path
from typing import TypeVar

import numpy as np

__all__ = [
    "HANDS",
    "are_whole",
    "as_array",
    "as_number",
    "check_hand",
    "check_named",
    "check_path",
    "check_positive",
    "check_share",
    "check_whole",
    "suggestion",
]

T = TypeVar("T")

HANDS = ("right", "left")
"""Which hands there are."""


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


def check_share(value: object, name: str) -> float:
    """Return a number above 0 and up to 1 as a float.

    Raises:
        ValueError: It is something else.
    """
    number = as_number(value)
    if not 0 < number <= 1:
        raise ValueError(f"`{name}` must be in (0, 1]. Received: {name}={value!r:.80}.")
    return number


def check_whole(
    value: object, name: str, meaning: str = "whole number", *, at_least: int = 1, at_most: int | None = None
) -> int:
    """Return a whole number as an int.

    Raises:
        ValueError: It is none, too small or too large.

    Example:
        >>> check_whole(0, "workers")
        Traceback (most recent call last):
        ...
        ValueError: `workers` must be a whole number, at least 1. Received: workers=0.
    """
    if not are_whole(value) or value < at_least or (at_most is not None and value > at_most):
        accepted = f", at least {at_least}" if at_most is None else f" from {at_least} to {at_most}"
        raise ValueError(f"`{name}` must be a {meaning}{accepted}. Received: {name}={value!r:.80}.")
    return int(value)


def check_hand(hand: str) -> str:
    """Return which hand it is.

    Raises:
        ValueError: It is neither the right nor the left one.
    """
    if not isinstance(hand, str) or hand not in HANDS:
        raise ValueError(f"`hand` must be 'right' or 'left'. Received: hand={hand!r:.80}.")
    return hand


def check_named(value: T | str, table: Mapping[str, T], kind: type[T], name: str) -> T:
    """Return a value of a kind, or the one that a table has under that name.

    Raises:
        ValueError: The table has no such name; the message says which one is meant, where that can be told.
        TypeError: It is neither a name nor of the kind.

    Example:
        >>> from keras_handpose.cameras import CAMERAS, Camera
        >>> check_named("msra15", CAMERAS, Camera, "camera").shape
        (240, 320)
    """
    if isinstance(value, kind):
        return value
    if isinstance(value, str) and value in table:
        return table[value]
    raise (ValueError if isinstance(value, str) else TypeError)(
        f"`{name}` must be one of {', '.join(table)}, or a {kind.__name__} of your own. Received: {value!r:.80}."
        + (suggestion(value, table) if isinstance(value, str) else "")
    )


def suggestion(name: str, names: Iterable[str]) -> str:
    """Return the end of an error's message about an unknown name: which of the known ones is meant, if any.

    Example:
        >>> suggestion("Kinect2", ["kinect_v2", "sr305"]), suggestion("webcam", ["kinect_v2", "sr305"])
        (" Did you mean 'kinect_v2'?", '')
    """
    return "".join(f" Did you mean {found!r}?" for found in get_close_matches(name.lower(), names, n=1))


def check_path(path: str | os.PathLike, name: str = "path") -> Path:
    """Return the path of a file or a folder.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"`{name}` must be a path. Received: a {type(path).__name__}.")
    return Path(path)
