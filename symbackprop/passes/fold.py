"""Constant folding, exact where the rationals are closed, correctly rounded where they are not.

Arithmetic on rationals stays rational, and on integers integer. Everything else over constants is evaluated once with
40 digits, more than twice those of a double, so that what is emitted is the double nearest to the exact result.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath as mp
from mpmath.libmp import NoConvergence

from symbackprop.ir.interpret import number_to_mpmath
from symbackprop.ops import REGISTRY, Op
from symbackprop.passes.rewrite import Rewriter

_DIGITS = 40
# A rational power is kept exact up to this many bits; beyond, no double holds it anyway.
_BITS = 4096
_INDEX_BITS = 64

_NEVER = frozenset(REGISTRY[name] for name in ("sum_of", "product_of"))


def fold(r: Rewriter, op: Op, operands: tuple[int, ...]) -> int | None:
    """The constant that `op` gives over constant operands; None where it has no finite real value."""
    if not op.elementwise or op in _NEVER or op.mpmath is None or not operands:
        return None
    numbers = [r.nodes[operand].attributes for operand in operands]
    if op.result == "int":
        return _integer(r, op, numbers)
    if op.rational is not None and all(type(number) is Fraction for number in numbers):
        result = op.rational(*numbers)
        if result is None or result.numerator.bit_length() + result.denominator.bit_length() > _BITS:
            return None
        return r.const(result)
    if op is REGISTRY["select"]:
        return operands[1] if numbers[0] else operands[2]
    if any(number in ("nan", "inf", "-inf") for number in numbers):
        return None
    return _evaluated(r, op, numbers)


def _integer(r: Rewriter, op: Op, numbers: list[Any]) -> int | None:
    """Python's own integers are exact. What is an error, or more than an index holds, is left to the call."""
    assert op.mpmath is not None
    try:
        value = int(op.mpmath(*[number if isinstance(number, bool) else int(number) for number in numbers]))
    except (IndexError, ZeroDivisionError):
        return None
    return r.integer(value) if value.bit_length() < _INDEX_BITS else None


def _evaluated(r: Rewriter, op: Op, numbers: list[Any]) -> int | None:
    assert op.mpmath is not None
    with mp.workdps(_DIGITS):
        try:
            value = op.mpmath(*[number_to_mpmath(number) for number in numbers])
        except (ValueError, ZeroDivisionError, OverflowError, NoConvergence):
            return None
        if op.result == "bool":
            return r.const(bool(value))
        if isinstance(value, mp.mpc) or not mp.isfinite(value):
            return None
        sign, mantissa, exponent, _ = mp.mpf(value)._mpf_
        if abs(exponent) > _BITS:
            return None
        return r.const((-1 if sign else 1) * int(mantissa) * Fraction(2) ** exponent)
