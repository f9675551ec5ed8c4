"""The parameters of a search, and what their values may be."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, NamedTuple

__all__ = ["PARAMETERS", "Parameter", "Span", "Values", "checked_values", "read_setting", "settled"]


class Parameter(NamedTuple):
    """What a parameter's values may be: their type and range, both ends included."""

    kind: type
    least: float = 0
    most: float = math.inf
    log: bool = False  # Whether a span of it is drawn evenly by ratios.


PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "p": Parameter(int),
        "t": Parameter(int, 1),
        "r": Parameter(int, 1),
        "filters": Parameter(int, 1),  # of the first stage; every next one has twice as many
        "stages": Parameter(int, 1),
        "poolings": Parameter(int, 1),  # of the first stage's mask; every next one has one less, at least 1
        "bottleneck": Parameter(bool),
        "maps": Parameter(int, 1),
        "hidden": Parameter(int, 1),
        "components": Parameter(int),  # 0: no prior
        "dropout": Parameter(float, 0, 0.99),
        "learning_rate": Parameter(float, 1e-12, log=True),
        "weight_decay": Parameter(float),
        "batch": Parameter(int, 1),
        "augmentation": Parameter(float, 0, 1),  # share of the strongest one
    }
)
"""The parameters of a search. What a space does not name is as in its configuration and recipe."""


@dataclass(frozen=True)
class Span:
    """Every number between two ends.

    Args:
        low, high: The ends, both included.
        log: Whether to draw evenly by ratios, for numbers of many magnitudes.

    Raises:
        ValueError: The ends are not in order, not finite, or not positive under `log`.

    Example:
        >>> Span(1e-4, 1e-2, log=True)
        Span(low=0.0001, high=0.01, log=True)
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        ends = (self.low, self.high)
        if not all(isinstance(end, Real) and math.isfinite(end) for end in ends) or not self.low < self.high:
            raise ValueError(f"A span needs two finite ends in ascending order. Received: {self.low!r}, {self.high!r}.")
        if self.log and self.low <= 0:
            raise ValueError(f"A span by ratios needs a positive low end. Received: low={self.low!r}.")


Values = Span | tuple
"""What a parameter may be: a span, or one or more values."""


def read_setting(text: str) -> tuple[str, Values]:
    """Read a change to a space as the command line has it.

    Args:
        text: ``name=value``, ``name=value,value`` or ``name=low..high``.

    Raises:
        ValueError: It is none of these, or does not fit the parameter.

    Example:
        >>> read_setting("t=1,2"), read_setting("learning_rate=1e-4..1e-2")
        (('t', (1, 2)), ('learning_rate', Span(low=0.0001, high=0.01, log=True)))
    """
    name, equals, written = (part.strip() for part in text.partition("="))
    if not equals or not written:
        raise ValueError(f"A setting is name=value, name=value,value or name=low..high. Received: {text!r}.")
    parameter = _parameter(name)
    ends = written.split("..")
    if len(ends) == 2:
        low, high = (_read(name, float, end) for end in ends)
        return name, checked_values(name, Span(low, high, log=parameter.log))
    return name, checked_values(name, [_read(name, parameter.kind, part) for part in written.split(",")])


def settled(name: str, value: Any) -> Any:
    """Return a value as a training takes it: of the parameter's type, and a number with four digits.

    More digits say nothing, and would not be the same in the command that trains the winner.

    Example:
        >>> settled("bottleneck", 1), settled("learning_rate", 0.000518902641874088)
        (True, 0.0005189)
    """
    value = _parameter(name).kind(value)
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _read(name: str, kind: type, text: str) -> Any:
    text = text.strip()
    if kind is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind is int and re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    if kind is float:
        try:
            return float(text)
        except ValueError:
            pass
    raise ValueError(f"`{name}` takes {_words(kind)}. Received: {text!r}.")


def _parameter(name: str) -> Parameter:
    if name not in PARAMETERS:
        raise ValueError(f"There is no parameter {name!r}. Choose from {', '.join(PARAMETERS)}.")
    return PARAMETERS[name]


def checked_values(name: str, values: Any) -> Values:
    """Return a parameter's values: a span, or different values in ascending order.

    Args:
        name: Name of the parameter.
        values: A span, a value, or several.

    Raises:
        ValueError: The parameter is unknown, or a value is of another type or out of its range.

    Example:
        >>> checked_values("t", [2, 1, 2]), checked_values("bottleneck", True)
        ((1, 2), (True,))
    """
    kind, least, most, _ = _parameter(name)
    if isinstance(values, Span):
        if kind is not float:
            raise ValueError(f"`{name}` takes {_words(kind)} one by one, not a span. Received: {values}.")
        ends: Iterable[Any] = (values.low, values.high)
    else:
        values = tuple(values) if isinstance(values, Sequence) and not isinstance(values, str) else (values,)
        ends = values
    for value in ends:
        if not _fits(value, kind) or not least <= value <= most:
            end = "" if kind is bool else f" of at least {least:g}" + (f" and at most {most:g}" if most < 1e9 else "")
            raise ValueError(f"`{name}` takes {_words(kind)}{end}. Received: {value!r}.")
    if isinstance(values, Span):
        return values
    if not values:
        raise ValueError(f"`{name}` needs at least one value. Received: none.")
    return tuple(sorted({kind(value) for value in values}))


def _fits(value: Any, kind: type) -> bool:
    if kind is bool or isinstance(value, bool):
        return isinstance(value, bool) and kind is bool
    return isinstance(value, Integral if kind is int else Real)


def _words(kind: type) -> str:
    return {int: "whole numbers", float: "numbers", bool: "true or false"}[kind]
