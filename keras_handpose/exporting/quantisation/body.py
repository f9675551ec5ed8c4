"""The body of a network in the graph of an exported file: the part that can do with few bits.

It is found by what the operations do, since names come and go in converters:

- Weighted operations are convolutions and products with constant weights. Those whose results only say where to look
  something up (a gather with computed indices) are pre-processing: they find the hand and crop it.
- Of the others, the last ones are linear regression: no activation comes after them that another weighted operation
  would see. These are the layer of the pose's code, the prior and all that turns units into mm, or the dense layer of
  coordinates. So are the ones whose results go into a softmax, as of heat maps: coordinates come out of it.
- The rest is the body, and whatever lies between two of its operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

__all__ = ["Body", "Kind", "Operation", "find_body"]


class Kind(Enum):
    """What an operation does, as far as the body of a network is concerned."""

    WEIGHTED = "weighted"
    ACTIVATION = "activation"
    SOFTMAX = "softmax"
    LOOKUP = "lookup"
    OTHER = "other"


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
        The body's operations by their numbers; none where the whole network is linear.

    Example:
        >>> conv = Operation(kind=Kind.WEIGHTED, inputs=("crop",), outputs=("a",), activated=True)
        >>> pool = Operation(kind=Kind.OTHER, inputs=("a",), outputs=("b",))
        >>> code = Operation(kind=Kind.WEIGHTED, inputs=("b",), outputs=("code",))
        >>> find_body([conv, pool, code])
        Body(weighted=frozenset({0}), between=frozenset({1}))
    """
    readers: dict[str, list[int]] = {}
    for number, operation in enumerate(operations):
        for name in operation.inputs:
            readers.setdefault(name, []).append(number)
    following = [sorted({r for name in op.outputs for r in readers.get(name, ())}) for op in operations]

    # From the end to the beginning: what becomes of each operation's result.
    n = len(operations)
    weighs = [False] * n  # A weighted operation comes after it,
    activated = [False] * n  # with an activation before that,
    locates = [False] * n  # or a lookup before that.
    softened = [False] * n  # A softmax comes before any other weighted operation.
    for number in reversed(range(n)):
        for reader in following[number]:
            kind = operations[reader].kind
            is_weighted = kind is Kind.WEIGHTED
            weighs[number] |= is_weighted or weighs[reader]
            locates[number] |= locates[reader] or (kind is Kind.LOOKUP and weighs[reader])
            activates = kind is Kind.ACTIVATION or operations[reader].activated
            activated[number] |= activated[reader] or (activates and weighs[reader])
            softened[number] |= kind is Kind.SOFTMAX or (not is_weighted and softened[reader])

    weighted = frozenset(
        number
        for number, operation in enumerate(operations)
        if operation.kind is Kind.WEIGHTED
        and not locates[number]
        and not softened[number]
        and (activated[number] or (operation.activated and weighs[number]))
    )

    # From the beginning to the end: what comes of the body, up to a softmax or the next weighted operation outside.
    of_body = [False] * n
    for number, operation in enumerate(operations):
        if number in weighted:
            of_body[number] = True
        if of_body[number]:
            for reader in following[number]:
                if operations[reader].kind not in (Kind.WEIGHTED, Kind.SOFTMAX, Kind.LOOKUP):
                    of_body[reader] = True
    between = frozenset(n for n in range(n) if of_body[n] and n not in weighted and weighs[n] and not softened[n])
    return Body(weighted=weighted, between=between)
