"""Tables of numbers in text, read at once.

Result files of the field hold hundreds of thousands of plain decimals, and reading them is nearly all the time that an
evaluation takes. `numpy.loadtxt` needs nearly twice as long and knows no names in front of the numbers.
"""

from __future__ import annotations

import os

import numpy as np

__all__ = ["parse_table"]

_SPACE, _NEWLINE, _MINUS, _DOT, _ZERO = b" \n-.0"
_SEPARATORS = bytes.maketrans(b",;\t", b"   ")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_EXACT_DIGITS = 15  # So many digits fit a float64, which then is as exact as the slow way.


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
        raise ValueError(f"{source} is empty.")
    names = None
    if not _is_number(next(iter(numbered.values())).split(None, 1)[0]):
        split = {number: line.partition(b" ") for number, line in numbered.items()}
        names = tuple(os.fsdecode(name) for name, _, _ in split.values())
        numbered = {number: rest for number, (_, _, rest) in split.items()}
    table = _plain_decimals(b"\n".join(numbered.values()), len(numbered))
    return names, _any_numbers(numbered, source) if table is None else table


def _plain_decimals(text: bytes, lines: int) -> np.ndarray | None:
    """Read numbers like -12.345 in lines of equally many; None where there is anything else."""
    characters = np.frombuffer(b"\n%b\n" % text, np.uint8)
    inside = characters > _SPACE
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    starts, ends = edges[::2], edges[1::2]
    columns, rest = divmod(len(starts), lines)
    newlines = np.flatnonzero(characters == _NEWLINE)
    if rest or not columns or (np.searchsorted(starts, newlines[1:]) != columns * np.arange(1, lines + 1)).any():
        return None

    dots = np.flatnonzero(characters == _DOT)
    if len(dots) != len(starts):
        numbers = np.searchsorted(starts, dots, side="right") - 1
        points = ends.copy()
        points[numbers] = dots
    else:
        points = dots
    negative = characters[starts] == _MINUS
    before, after = points - starts - negative, np.maximum(ends - points - 1, 0)
    digits = characters - np.uint8(_ZERO)
    if before.min() < 1 or before.max() + after.max() > _EXACT_DIGITS:
        return None
    # Were a dot outside of its number or another character in it, these counts would not agree.
    if (points > ends).any() or np.count_nonzero(digits < 10) != before.sum() + after.sum():
        return None

    mantissas = np.zeros(len(starts), np.int64)
    for place in range(int(before.max()), 0, -1):
        mantissas *= 10
        mantissas += np.where(place <= before, digits[points - place], 0)
    for place in range(1, int(after.max()) + 1):
        longer = mantissas * 10 + digits.take(points + place, mode="clip")
        mantissas = np.where(place <= after, longer, mantissas)
    values = mantissas / (10.0 ** np.arange(_EXACT_DIGITS + 1))[after]
    return np.where(negative, -values, values).reshape(lines, columns)


def _any_numbers(numbered: dict[int, bytes], source: str) -> np.ndarray:
    """Read numbers in any notation, or tell in which line there are none or not as many as in the first."""
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
