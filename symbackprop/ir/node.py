"""Nodes and their types. A node is its own intern key: equal nodes are one node."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

from symbackprop.ops import DType, Op
from symbackprop.ops.extents import Extent

NAMED_NUMBERS = {
    "pi": math.pi,
    "e": math.e,
    "euler_gamma": 0.5772156649015329,
    "golden_ratio": 1.618033988749895,
    "catalan": 0.915965594177219,
    "inf": math.inf,
    "-inf": -math.inf,
    "nan": math.nan,
}
"""Numbers that no Fraction holds, with their correctly rounded values."""

Number = Fraction | bool | str
"""The attribute of a `const` node: exact, a truth value, or a name out of `NAMED_NUMBERS`."""


class Type(NamedTuple):
    """What a node's value is: real, bool or int, and of what shape."""

    dtype: DType
    shape: tuple[Extent, ...]


REAL = Type("real", ())
BOOL = Type("bool", ())
INT = Type("int", ())


class Node(NamedTuple):
    """One operation applied to earlier nodes.

    Attributes hold what is no operand: the number of a constant, the identifier of an input, the axes of a sum.
    """

    op: Op
    operands: tuple[int, ...]
    attributes: Any
    type: Type


def to_float(number: Number) -> float:
    """The double nearest to an exact number.

    >>> to_float(Fraction(1, 3))
    0.3333333333333333
    >>> to_float(Fraction(10) ** 400)
    inf
    """
    if isinstance(number, str):
        return NAMED_NUMBERS[number]
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
