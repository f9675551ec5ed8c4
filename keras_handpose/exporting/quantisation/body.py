"""The body of a network in the graph of an exported file: the part that can do with few bits.

It is found by what the operations do, since names come and go in converters:

- Weighted operations are convolutions and products with constant weights. Those whose results only say where to look
  something up (a gather with computed indices) are pre-processing: they find the hand and crop it.
- What a softmax gives, as of heat maps, are coordinates sooner or later: all that comes after one stays out.
- Of the others, the last ones are linear regression: no activation comes after them that another weighted operation
  would see. These are the layers of the pose's code and of the prior, or that of the coordinates, or of heat maps.
- The first two convolutions on any way from the crop stay out where others follow: rounding errors in the depth itself,
  spread over the whole background, cost the most, and these layers' few weights the least time.
- The rest is the body, and whatever lies between two of its operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

__all__ = ["Body", "Kind", "Operation", "find_body"]

_FIRST = 2  # Convolutions on the way from the crop that stay out.


class Kind(Enum):
    """What an operation does, as far as the body of a network is concerned."""

    CONVOLUTION = "convolution"
    DENSE = "dense"
    ACTIVATION = "activation"
    SOFTMAX = "softmax"
    LOOKUP = "lookup"
    OTHER = "other"

    @property
    def weighted(self) -> bool:
        """Whether it multiplies by weights."""
        return self in (Kind.CONVOLUTION, Kind.DENSE)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An operation of a graph.

    Args:
        kind: What it does.
        inputs: Names of the values that it computes with, without constants and without those that it only takes the
            shape of.
        outputs: Names of its results.
        activated: Whether a weighted operation ends in an activation.
    """

    kind: Kind
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    activated: bool = False


@dataclass(frozen=True, kw_only=True)
class Body:
    """Numbers of a body's operations.

    Args:
        weighted: Its convolutions and dense layers.
        between: What lies between these, or between them and the float32 layers that follow.
    """

    weighted: frozenset[int]
    between: frozenset[int]


def find_body(operations: Sequence[Operation]) -> Body:
    """Find the body of the network in a graph.

    Args:
        operations: In an order in which every value is computed before it is used.

    Returns:
        The body's operations by their numbers.

    Raises:
        ValueError: There is no body, because the whole network is linear or begins with a softmax.

    Example:
        >>> stem = Operation(kind=Kind.CONVOLUTION, inputs=("crop",), outputs=("a",), activated=True)
        >>> conv = Operation(kind=Kind.CONVOLUTION, inputs=("a",), outputs=("b",), activated=True)
        >>> pool = Operation(kind=Kind.OTHER, inputs=("b",), outputs=("c",))
        >>> hidden = Operation(kind=Kind.DENSE, inputs=("c",), outputs=("d",), activated=True)
        >>> code = Operation(kind=Kind.DENSE, inputs=("d",), outputs=("code",))
        >>> find_body([stem, conv, pool, hidden, code])
        Body(weighted=frozenset({3}), between=frozenset())
    """
    readers: dict[str, list[int]] = {}
    for number, operation in enumerate(operations):
        for name in operation.inputs:
            readers.setdefault(name, []).append(number)
    following = [sorted({r for name in op.outputs for r in readers.get(name, ())}) for op in operations]

    n = len(operations)
    soft = [operation.kind is Kind.SOFTMAX for operation in operations]
    for number in range(n):
        if soft[number]:
            for reader in following[number]:
                soft[reader] = True
    weighted = [operation.kind.weighted and not soft[i] for i, operation in enumerate(operations)]

    # From the end to the beginning: what comes of each operation's result.
    weighs = [False] * n  # A weighted operation reads it,
    activated = [False] * n  # after an activation,
    locates = [False] * n  # or after a lookup.
    for number in reversed(range(n)):
        for reader in following[number]:
            operation = operations[reader]
            activates = operation.kind is Kind.ACTIVATION or operation.activated
            weighs[number] |= weighted[reader] or weighs[reader]
            activated[number] |= activated[reader] or (activates and weighs[reader])
            locates[number] |= locates[reader] or (operation.kind is Kind.LOOKUP and weighs[reader])
    body = frozenset(
        number
        for number, operation in enumerate(operations)
        if weighted[number] and not locates[number] and (activated[number] or (operation.activated and weighs[number]))
    )

    if not body:
        raise ValueError(
            "There is nothing to quantise: the network has no convolution or dense layer with an activation before its "
            "last ones. Export it with quantize=None."
        )

    # From the beginning to the end: how many operations of the body come before.
    before = [0] * n
    for number in range(n):
        for reader in following[number]:
            before[reader] = max(before[reader], before[number] + (number in body))
    first = {number for number in body if operations[number].kind is Kind.CONVOLUTION and before[number] < _FIRST}
    body = body - first or body

    # And what comes of the body before the next weighted operation.
    of_body = [number in body for number in range(n)]
    for number in range(n):
        if of_body[number]:
            for reader in following[number]:
                of_body[reader] |= operations[reader].kind in (Kind.ACTIVATION, Kind.OTHER) and not soft[reader]
    between = frozenset(number for number in range(n) if of_body[number] and number not in body and weighs[number])
    return Body(weighted=body, between=between)
