"""Which values are finite wherever the inputs are, overflow aside: what is 0 beside them stays 0, with no gate."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from symbackprop.ir import Node
from symbackprop.ops import REGISTRY
from symbackprop.ops.contraction import BROADCAST, DIAGONAL, RESHAPE, TRANSPOSE
from symbackprop.ops.finite import FINITE
from symbackprop.ops.indexing import SLICE
from symbackprop.ops.leaves import CONST, LENGTH
from symbackprop.ops.reduction import REDUCE_SUM
from symbackprop.passes.rewrite import Rewriter

_ADD, _MUL, _DIV, _ABS, _SQRT, _EXP, _SELECT = (
    REGISTRY[name] for name in ("add", "mul", "div", "abs", "sqrt", "exp", "select")
)
_POW, _POWER_SLOPE, _SQRT_SLOPE = (REGISTRY[name] for name in ("pow", "power_slope", "sqrt_slope"))
_VIEWS = frozenset({BROADCAST, TRANSPOSE, RESHAPE, SLICE, DIAGONAL})
_LEAST = 1.2e-38
"""The least number whose reciprocal is finite in float32 as well."""


class _Known(NamedTuple):
    """What is known of every entry of a value. `apart` is positive and so far from 0 that its reciprocal is finite."""

    finite: bool
    nonnegative: bool = False
    apart: bool = False


def is_finite(r: Rewriter, index: int) -> bool:
    """Whether nothing in a value makes infinities or nan out of numbers."""
    known: list[_Known] = vars(r).setdefault("finite", [])
    for node in r.nodes[len(known) : index + 1]:
        known.append(_known(r, node, [known[operand] for operand in node.operands]))
    return known[index].finite


def _known(r: Rewriter, node: Node, operands: Sequence[_Known]) -> _Known:
    op = node.op
    finite = op in FINITE and (op is _SELECT or all(operand.finite for operand in operands))
    if op is CONST:
        number = node.attributes if isinstance(node.attributes, int | float | Fraction) else -1
        return _Known(finite, number >= 0, number >= _LEAST)
    if op is LENGTH:
        # Where there are no samples, there is nothing to be gated.
        return _Known(True, True, True)
    if op in _VIEWS:
        return operands[0]
    if op is _ADD:
        signed = all(operand.nonnegative for operand in operands)
        return _Known(finite, signed, signed and any(operand.apart for operand in operands))
    if op is _MUL:
        squared = node.operands[0] == node.operands[1]
        return _Known(finite, squared or all(operand.nonnegative for operand in operands))
    if op is _DIV:
        over, under = operands
        return _Known(over.finite and under.apart, over.nonnegative and under.nonnegative)
    if op is _POW or op is _POWER_SLOPE:
        exponent = r.number(node.operands[1]) or Fraction(0)
        whole = exponent >= 1 and exponent.denominator == 1
        even = whole and exponent.numerator % 2 == (op is _POWER_SLOPE)
        return _Known(operands[0].finite and whole, even or (op is _POW and operands[0].nonnegative))
    if op is _SQRT_SLOPE:
        return _Known(operands[0].finite and operands[0].apart, True)
    if op is _SQRT:
        return _Known(operands[0].finite and operands[0].nonnegative, True, operands[0].apart)
    if op is _ABS:
        return _Known(finite, True, operands[0].apart)
    return _Known(finite, op is _EXP or (op is REDUCE_SUM and operands[0].nonnegative))
