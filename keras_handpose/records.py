"""Records: what a file says of itself, as JSON that is read strictly."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

__all__ = ["plain", "read_object", "write_object"]


def read_object(
    text: str | bytes, keys: Collection[str], *, optional: Collection[str] = (), format_version: int | None = None
) -> dict[str, Any]:
    """Read a JSON object that has certain keys, may have some, and has no others.

    Args:
        text: The JSON text.
        keys: The keys.
        optional: Those of them that may be missing.
        format_version: What the key ``format_version`` must hold, which is looked at before the other keys.

    Raises:
        ValueError: The text is not JSON, not an object or holds NaN or infinities, it is of another version, or a key
            is missing, unknown or doubled.

    See Also:
        `write_object`, the inverse.

    Example:
        >>> read_object('{"cube": 250}', ["cube"])
        {'cube': 250}
        >>> read_object('{"cube": 250}', ["cube", "hand"])
        Traceback (most recent call last):
        ValueError: The record misses keys: hand.
    """
    try:
        values = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("A record must be a JSON object. Received: lists or objects too deep to be read.") from None
    if not isinstance(values, dict):
        raise ValueError(f"A record must be a JSON object. Received: a {type(values).__name__}.")
    if format_version is not None and values.get("format_version", format_version) != format_version:
        raise ValueError(
            f"The record must have format_version {format_version} for this version of the library. "
            f"Received: {values['format_version']!r}. A newer one is read by a newer keras-handpose."
        )
    known = set(keys)
    for label, wrong in (("misses", known - values.keys() - set(optional)), ("has unknown", values.keys() - known)):
        if wrong:
            raise ValueError(f"The record {label} keys: {', '.join(sorted(wrong))}.")
    return values


def write_object(values: Mapping[str, Any]) -> str:
    """Write values as JSON text; the inverse of `read_object`."""
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


def plain(value: Any, key: str) -> Any:
    """Copy a value that JSON can hold, lists as tuples, so that a record equals what is read back from its file.

    Raises:
        ValueError: JSON cannot hold it; the message calls it ``key``.

    Example:
        >>> plain({"filters": [24, 48]}, "architecture")
        {'filters': (24, 48)}
    """
    if isinstance(value, Mapping) and all(isinstance(k, str) for k in value):
        return {k: plain(v, f"{key}.{k}") for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(plain(v, key) for v in value)
    if value is None or isinstance(value, (str, bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ValueError(
        f"`{key}` must hold what JSON can: text, finite numbers, true, false, null, lists and objects with text keys. "
        f"Received: {value!r} of type {type(value).__name__}."
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise ValueError(f"The record has doubled keys: {', '.join(sorted(k for k, n in counts.items() if n > 1))}.")
    return values


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"A record holds finite numbers only. Received: {constant}.")
