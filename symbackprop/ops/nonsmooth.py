"""Functions with kinks and steps. What a subgradient is at a kink is decided by one policy, see `Functions.at_kink`.

Under the policy "raise" a partial goes with a check of the derivative that it multiplies, `off_kink` or `off_jump`: a
kink is an error where that derivative is not 0, which is where the result would depend on the choice of a subgradient.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from typing import Any

import mpmath as mp
import numpy as np

from symbackprop.ops.row import ARITHMETIC, DIVISION, Op, Spelling, call, helper, infix


def _sign(x: float) -> float:
    """-1, 0 or 1 by the sign of x; nan stays nan."""
    return (x > 0.0) - (x < 0.0) + 0.0 if x == x else x


def _floor(x: float) -> float:
    """The largest integer not above x, as a float."""
    return float(math.floor(x)) if math.isfinite(x) else x


def _ceil(x: float) -> float:
    """The smallest integer not below x, as a float."""
    return float(math.ceil(x)) if math.isfinite(x) else x


def _mod(x: float, y: float) -> float:
    """x - y*floor(x/y), of the sign of y; nan for y = 0 and infinite x."""
    return x % y if y != 0.0 and math.isfinite(x) else math.nan


def _maximum(x: float, y: float) -> float:
    """The larger of two; nan if either is."""
    return x if x > y or x != x else y


def _minimum(x: float, y: float) -> float:
    """The smaller of two; nan if either is."""
    return x if x < y or x != x else y


def _off_kink(derivative: Any, at: Any, words: Any) -> Any:
    """The derivative that arrives at a kink, or an error where it is not 0."""
    if at and derivative != 0.0:
        raise ValueError(words)
    return derivative


def _all_off_kink(derivative: Any, at: Any, words: Any) -> Any:
    """The derivatives that arrive at kinks, or an error where one is not 0."""
    if np.any(np.logical_and(at, np.not_equal(derivative, 0.0))):
        raise ValueError(words)
    return derivative


def _off_jump(derivative: Any, at: Any, words: Any) -> Any:
    """The derivative of a step, 0, or an error where one arrives at the jump that is not 0."""
    if at and derivative != 0.0:
        raise ValueError(words)
    return 0.0


def _all_off_jump(derivative: Any, at: Any, words: Any) -> Any:
    """The derivatives of steps, all 0, or an error where one arrives at a jump that is not 0."""
    if np.any(np.logical_and(at, np.not_equal(derivative, 0.0))):
        raise ValueError(words)
    return np.zeros_like(derivative)


def _check(name: str, doc: str, one: Any, every: Any, words: str, step: bool) -> Op:
    quoted = ascii(words)

    def partial(f: Any, z: Any, derivative: Any, at: Any) -> Any:
        return f.checked(0 if step else 1, op, at)

    op = Op(
        name=name,
        doc=doc,
        arity=2,
        partials=(partial, None),
        operands=("real", "bool"),
        python=Spelling(one.__name__, helper=one, trailing=quoted),
        numpy=Spelling(every.__name__, helper=every, trailing=quoted),
        numba=Spelling(one.__name__, helper=one, trailing=quoted),
        cost=2 * ARITHMETIC,
        analytic=False,
    )
    return op


@cache
def off_kink(words: str) -> Op:
    """The row that gives its first operand back, a derivative; a ValueError that says `words` where the second, a
    condition, holds and the derivative is not 0.
    """
    return _check("off_kink", "a derivative that must be 0 at a kink", _off_kink, _all_off_kink, words, step=False)


@cache
def off_jump(words: str) -> Op:
    """As `off_kink`, for a step: the result is 0."""
    return _check("off_jump", "0, where no derivative arrives at a jump", _off_jump, _all_off_jump, words, step=True)


# Not in the registry: they are made as they are needed, one for each place, and come of no expression.
CHECKS = (off_kink("kink"), off_jump("jump"))


def _abs_partial(f: Any, z: Any, x: Any) -> Any:
    # sign(x) is one operation where a choice of three takes four.
    if f.kinks in ("zero", "raise"):
        return f.kinked(f.sign(x), f.eq(x, 0), z)
    return f.at_kink(x, f.const(0), below=-1, above=1, at=0)


def _step_partial(f: Any, at: Any, z: Any) -> Any:
    return f.kinked(0, at, z, step=True)


def _extreme_partial(f: Any, z: Any, x: Any, y: Any, larger: Any) -> Any:
    # Against a constant nothing passes at the tie: Max(x, 0) is the relu. Between two active arguments the tie splits
    # evenly whatever the policy, since the sides of one are not those of the other.
    tie = f.eq(x, y)
    if f.is_constant(x) or f.is_constant(y):
        below, above = (0, 1) if larger else (1, 0)
        return f.kinked(f.at_kink(x, y, below=below, above=above, at=0), tie, z)
    attains = f.ge(x, y) if larger else f.le(x, y)
    return f.kinked(f.select(attains, f.select(tie, _HALF, 1), 0), tie, z)


_HALF = Fraction(1, 2)


@cache
def extreme_of(name: str, count: int) -> Op:
    """The row for the `maximum` or `minimum` of three or more active arguments: those of k that attain it get 1/k each,
    where a chain of choices between two would give the last of three a half.
    """

    def partial(f: Any, z: Any, position: int, operands: Any) -> Any:
        # Counted from 1 and 2: a choice against 0 is a gate to `guard`, and 4.2 times the operations of the value.
        attaining = [f.select(f.eq(x, z), 2, 1) for x in operands]
        number = attaining[0] - count
        for each in attaining[1:]:
            number = number + each
        share = f.select(f.eq(operands[position], z), 1 / number, 0)
        return f.kinked(share, f.gt(number, 1), z)

    def define(f: Any, first: Any, *others: Any) -> Any:
        for other in others:
            first = getattr(f, name)(first, other)
        return first

    return Op(
        name=name,
        doc="the extreme of several",
        arity=count,
        partials=tuple(lambda f, z, *operands, k=k: partial(f, z, k, operands) for k in range(count)),
        define=define,
        mpmath=max if name == "maximum" else min,
        cost=(count - 1) * _CHOICE,
        analytic=False,
    )


def _extreme(name: str, doc: str, larger: bool, python: Any, numpy: str, mpmath: Any, ball: Any) -> Op:
    return Op(
        name=name,
        doc=doc,
        arity=2,
        partials=(
            lambda f, z, x, y: _extreme_partial(f, z, x, y, larger),
            lambda f, z, x, y: _extreme_partial(f, z, y, x, larger),
        ),
        python=helper(python),
        numpy=call(numpy),
        numba=call(numpy),
        mpmath=mpmath,
        ball=ball,
        cost=_CHOICE,
        domain=((-3, 3), (-3, 3)),
        analytic=False,
        kink="at a tie of k arguments 1/k each; against a constant 0",
    )


_CHOICE = 3 * ARITHMETIC  # a comparison, a test for nan, a choice


ROWS = (
    Op(
        name="abs",
        doc="absolute value",
        sympy=("Abs",),
        partials=(_abs_partial,),
        python=call("abs"),
        numpy=call("np.abs"),
        numba=call("abs"),
        mpmath=abs,
        ball=abs,
        rational=abs,
        domain=((-3, 3),),
        analytic=False,
        kink="0 at 0",
    ),
    Op(
        name="sign",
        doc="-1, 0 or 1",
        sympy=("sign",),
        partials=(lambda f, z, x: _step_partial(f, f.eq(x, 0), z),),
        python=helper(_sign),
        numpy=call("np.sign"),
        numba=call("np.sign"),
        mpmath=mp.sign,
        ball=lambda x: x.sgn(),
        domain=((-3, 3),),
        analytic=False,
        kink="0 everywhere",
    ),
    Op(
        name="floor",
        doc="largest integer not above x",
        sympy=("floor",),
        partials=(lambda f, z, x: _step_partial(f, f.eq(x, z), z),),
        python=helper(_floor),
        numpy=call("np.floor"),
        numba=call("np.floor"),
        mpmath=mp.floor,
        ball=lambda x: x.floor(),
        domain=((-3, 3),),
        analytic=False,
        kink="0 everywhere",
    ),
    Op(
        name="ceiling",
        doc="smallest integer not below x",
        sympy=("ceiling",),
        partials=(lambda f, z, x: _step_partial(f, f.eq(x, z), z),),
        python=helper(_ceil),
        numpy=call("np.ceil"),
        numba=call("np.ceil"),
        mpmath=mp.ceil,
        ball=lambda x: x.ceil(),
        domain=((-3, 3),),
        analytic=False,
        kink="0 everywhere",
    ),
    Op(
        name="frac",
        doc="x - floor(x)",
        sympy=("frac",),
        partials=(lambda f, z, x: f.kinked(1, f.eq(z, 0), z),),
        define=lambda f, x: x - f.floor(x),
        mpmath=lambda x: x - mp.floor(x),
        cost=2 * ARITHMETIC,
        domain=((-3, 3),),
        analytic=False,
        kink="1 everywhere",
    ),
    Op(
        name="mod",
        doc="x - y*floor(x/y), of the sign of y",
        arity=2,
        sympy=("Mod",),
        partials=(
            lambda f, z, x, y: f.kinked(1, f.eq(z, 0), z),
            # floor(x/y) as the value has it: x/y may vanish, or be rounded up to an integer.
            lambda f, z, x, y: f.kinked(-f.floor((x - z) / y + _HALF), f.eq(z, 0), z),
        ),
        python=helper(_mod),
        numpy=call("np.mod"),
        numba=infix("%"),
        mpmath=lambda x, y: x - y * mp.floor(x / y),
        ball=lambda x, y: x - y * (x / y).floor(),
        cost=DIVISION,
        domain=((-9, 9), (0.5, 3)),
        analytic=False,
        kink="1 and -floor(x/y) everywhere",
    ),
    _extreme(
        "maximum",
        "the larger of two",
        True,
        _maximum,
        "np.maximum",
        lambda x, y: x if x > y else y,
        lambda x, y: x.max(y),
    ),
    _extreme(
        "minimum",
        "the smaller of two",
        False,
        _minimum,
        "np.minimum",
        lambda x, y: x if x < y else y,
        lambda x, y: x.min(y),
    ),
    Op(
        name="heaviside",
        doc="0 below 0, 1 above, the second operand at 0",
        arity=2,
        sympy=("Heaviside",),
        partials=(lambda f, z, x, h: _step_partial(f, f.eq(x, 0), z), lambda f, z, x, h: f.select(f.eq(x, 0), 1, 0)),
        define=lambda f, x, h: f.select(f.lt(x, 0), 0, f.select(f.gt(x, 0), 1, f.select(f.eq(x, 0), h, x))),
        mpmath=lambda x, h: mp.mpf(x > 0) if x != 0 else h,
        cost=3 * ARITHMETIC,
        domain=((-3, 3), (0.5, 0.5)),
        analytic=False,
        kink="0 everywhere",
    ),
)
