"""Where an expression in one variable cancels: its values beside such points, and how fast its parts vanish there."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import mpmath as mp
from mpmath.libmp import NoConvergence

from symbackprop.ir.interpret import number_to_mpmath
from symbackprop.ops import REGISTRY, Op
from symbackprop.ops.leaves import CONST

_ADD, _SUB, _MUL, _DIV, _POW1P, _ABS, _LOG, _NEG = (
    REGISTRY[name] for name in ("add", "sub", "mul", "div", "pow1p", "abs", "log", "neg")
)
_RATIOS = frozenset({_MUL, _DIV})
_SUMS = frozenset({_ADD, _SUB})
ENDING_AT_ONE = frozenset(REGISTRY[name] for name in ("asin", "acos", "asin_slope", "acosh"))
"""Rows that end like a root at 1 or -1."""
_NAMES = ("log", "log_near_one", "log_sinh", "log_expm1", "log1mexp", "log_exp_sum")
LOGARITHMS = frozenset(REGISTRY[name] for name in _NAMES)
_ZEROS = {REGISTRY["log"]: (Fraction(1),), REGISTRY["one_minus_square"]: (Fraction(1), Fraction(-1))}
RATIONAL = frozenset({CONST, *(REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "pow"))})
_NO_VALUE = (
    ValueError,
    ZeroDivisionError,
    OverflowError,
    TypeError,
    AttributeError,
    NotImplementedError,
    NoConvergence,
)
_LARGEST = 1000

Step = tuple[Any, ...]
"""An operation, its attributes, and for each operand its position among the steps, or -1 for the variable."""


def centres(steps: tuple[Step, ...]) -> Iterator[Fraction | None]:
    """Where an expression may cancel."""
    seen = {Fraction(0)}
    yield Fraction(0)
    for op, _, *operands in steps:
        if op in (_ADD, _SUB) and -1 in operands:
            other = operands[1] if operands[0] == -1 else operands[0]
            number = steps[other][1] if other >= 0 and steps[other][0] is CONST else None
            if isinstance(number, Fraction):
                centre = number if op is _SUB else -number
                if centre not in seen:
                    seen.add(centre)
                    yield centre
        if op in ENDING_AT_ONE and operands == [-1]:
            yield from sorted({Fraction(1), Fraction(-1)} - seen, reverse=True)
            seen |= {Fraction(1), Fraction(-1)}
    # (sqrt(u) - 1)/log(u) has no u - 1.
    if steps[-1][0] is _DIV:
        zeros = {zero for op, _, *operands in steps if -1 in operands for zero in _ZEROS.get(op, ())}
        yield from sorted(zeros - seen, reverse=True)
    # Quotients of polynomials have shares of their own at infinity, see `passes.quotients`.
    if any(step[0] not in RATIONAL for step in steps):
        yield None


def values_at(steps: tuple[Step, ...], u: Any) -> list[Any] | None:
    """The value of each step at u, and of u last; None where one has none."""
    values: list[Any] = []
    for op, attributes, *operands in steps:
        value = value_of(op, attributes, [u if operand < 0 else values[operand] for operand in operands])
        if value is None:
            return None
        values.append(value)
    return [*values, u]


def value_of(op: Op, attributes: Any, operands: list[Any]) -> Any:
    """A row over numbers of mpmath; None where it has no value."""
    if op.mpmath is None and op is not CONST:
        return None
    if op is _ABS:
        # Of log(|u|), which is a logarithm of u, but for half a turn.
        return operands[0] if mp.re(operands[0]) >= 0 else -operands[0]
    try:
        value = op.mpmath(*operands) if op.mpmath is not None else number_to_mpmath(attributes)
    except _NO_VALUE:
        return None
    # Of a number with a thousand digits before the point mpmath would compute the sine, with as many digits of pi.
    return value if mp.isfinite(value) and mp.mag(value) <= _LARGEST else None


def point(centre: Fraction | None, t: Any, singularity: Fraction | None = None) -> Any:
    if singularity is not None:
        # w = t/(t + 2*a), solved for t.
        t = 2 * number_to_mpmath(singularity) * t / (1 - t)
    return 1 / t if centre is None else number_to_mpmath(centre) + t


def orders_of(steps: tuple[Step, ...], centre: Fraction | None) -> list[Any] | None:
    """The orders to which the last step and its operands vanish where it is 0/0, 0*inf or 1**inf, a sum that vanishes
    faster than its terms, or the logarithm of what is 0/0 and tends to 1; None where it is none of these.

    The power of t with which a value goes to 0 is read off two points; one that is no half of a whole number is none.
    """
    near, nearer = (values_at(steps, point(centre, mp.mpf(10) ** -digits)) for digits in (8, 12))
    if near is None or nearer is None:
        return None
    op, _, *operands = steps[-1]
    orders = []
    for place in (len(steps) - 1, *operands):
        if near[place] == 0 or nearer[place] == 0:
            return None
        order = mp.log(abs(nearer[place] / near[place])) / mp.log(mp.mpf(10) ** -4)
        # sin(sqrt(x))/sqrt(x) has a series, of factors that have none.
        orders.append(mp.nint(2 * order) / 2)
        if op in _SUMS and place != len(steps) - 1 and -0.1 < order < 0:
            # A logarithm grows like no power.
            orders[-1] = mp.mpf(0)
        elif abs(order - orders[-1]) > 1e-3:
            return None
    own, a, *others = orders
    if own < 0:
        return None
    if op is _LOG:
        # Of what tends to 1, and is 0/0.
        inner = _factors(steps, operands[0]) if own > 0 == a else ()
        ratios = [place for place in inner if steps[place][0] in _RATIOS]
        return orders if any(orders_of(steps[: place + 1], centre) is not None for place in ratios) else None
    b = others[0]
    if op is _POW1P:
        return orders if a > 0 > b else None
    cancels = a * b > 0 if op is _DIV else a * b < 0 if op is _MUL else own > min(a, b)
    return orders if cancels else None


def _factors(steps: tuple[Step, ...], place: int) -> Iterator[int]:
    """A product, and what is left of it without numbers."""
    while place >= 0:
        yield place
        op, _, *operands = steps[place]
        others = [k for k in operands if k < 0 or steps[k][0] is not CONST] if op in (_MUL, _DIV, _NEG) else []
        place = others[0] if len(others) == 1 else -1


def is_of_logarithms(steps: tuple[Step, ...]) -> bool:
    return steps[-1][0] in _SUMS and any(step[0] in LOGARITHMS for step in steps)
