"""Tables of numbers in text, with or without a name in front of each line."""

from __future__ import annotations

import os

import numpy as np

__all__ = ["parse_table"]

_SEPARATORS = bytes.maketrans(b",;\t", b"   ")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def parse_table(text: bytes, source: str) -> tuple[tuple[str, ...] | None, np.ndarray]:
    """Read lines of numbers, all equally many, that may have a name in front.

    Numbers are separated by spaces, tabs, commas or semicolons, in any notation; blank lines are skipped. What stands
    first in the first line is a name if it is no number, and then it is one in every line.

    Args:
        text: The text, with any kind of line ends.
        source: What to call it in errors.

    Returns:
        The names, if there are any, and the numbers, shape ``(lines, columns)``, float64.

    Raises:
        ValueError: There is nothing, something is not a number, or a line has more or fewer numbers than the first.

    Example:
        >>> parse_table(b"a.png 1 2.5 -3e1\\r\\n\\r\\nb.png,4,5,nan\\n", "example.txt")
        (('a.png', 'b.png'), array([[  1. ,   2.5, -30. ],
               [  4. ,   5. ,   nan]]))
    """
    text = text.removeprefix(_BYTE_ORDER_MARK).translate(_SEPARATORS)
    if b"\n" not in text:
        text = text.replace(b"\r", b"\n")
    lines = text.split(b"\n")
    numbered = {number: stripped for number, line in enumerate(lines, 1) if (stripped := line.strip())}
    if not numbered:
        raise ValueError(f"{source} is empty. Received: no line with numbers in it.")
    names = None
    if not _is_number(next(iter(numbered.values())).split(None, 1)[0]):
        split = {number: line.partition(b" ") for number, line in numbered.items()}
        names = tuple(os.fsdecode(name) for name, _, _ in split.values())
        numbered = {number: rest for number, (_, _, rest) in split.items()}
        if not any(numbered.values()):
            raise ValueError(f"{source} must hold a frame's numbers in each line. Received: names alone.")
    try:
        numbers = np.loadtxt(list(numbered.values()), ndmin=2, comments=None)
    except ValueError:
        numbers = None
    if numbers is None or len(numbers) != len(numbered):
        numbers = _line_by_line(numbered, source)
    return names, numbers


def _line_by_line(numbered: dict[int, bytes], source: str) -> np.ndarray:
    """Tell in which line there is no number, or not as many as in the first; or read what NumPy does not know."""
    rows = []
    for number, line in numbered.items():
        words = line.split()
        try:
            rows.append([float(word) for word in words])
        except ValueError:
            wrong = next(word for word in words if not _is_number(word))
            raise ValueError(
                f"{source}, line {number}: {os.fsdecode(wrong[:40])!r} is not a number. "
                "A line holds one frame's numbers, with at most a name without spaces in front."
            ) from None
        if len(rows[-1]) != len(rows[0]):
            raise ValueError(
                f"{source}, line {number}: every frame must have as many numbers as the first, {len(rows[0])}. "
                f"Received: {len(rows[-1])}. The file may have been cut off."
            )
    return np.array(rows, np.float64)


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
