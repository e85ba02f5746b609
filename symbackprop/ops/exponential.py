"""Exponentials, logarithms, and the sigmoids made of them."""

from __future__ import annotations

import math
from typing import Any

import mpmath as mp

from symbackprop.ops.row import ELEMENTARY, Op, call, helper


def _exp(x: float) -> float:
    """e**x; inf where it overflows."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _exp2(x: float) -> float:
    """2**x; inf where it overflows."""
    try:
        return math.exp2(x)
    except OverflowError:
        return math.inf


def _expm1(x: float) -> float:
    """e**x - 1; inf where it overflows."""
    try:
        return math.expm1(x)
    except OverflowError:
        return math.inf


def _log(x: float) -> float:
    """The natural logarithm; -inf at 0, nan below."""
    if x > 0.0:
        return math.log(x)
    return -math.inf if x == 0.0 else math.nan


def _log2(x: float) -> float:
    """The binary logarithm; -inf at 0, nan below."""
    if x > 0.0:
        return math.log2(x)
    return -math.inf if x == 0.0 else math.nan


def _log10(x: float) -> float:
    """The decimal logarithm; -inf at 0, nan below."""
    if x > 0.0:
        return math.log10(x)
    return -math.inf if x == 0.0 else math.nan


def _log1p(x: float) -> float:
    """log(1 + x); -inf at -1, nan below."""
    if x > -1.0:
        return math.log1p(x)
    return -math.inf if x == -1.0 else math.nan


def _logaddexp(x: float, y: float) -> float:
    """log(exp(x) + exp(y)) without overflow."""
    if x == y:
        return x + math.log(2.0)
    if x != x or y != y:
        return math.nan
    return max(x, y) + math.log1p(math.exp(-abs(x - y)))


def _logistic(f: Any, x: Any) -> Any:
    # With e = exp(-|x|) <= 1 neither tail overflows: 1/(1 + e) to the right, e/(1 + e) to the left.
    e = f.exp(-f.abs(x))
    return f.select(f.lt(x, 0), e, 1) / (1 + e)


def _logistic_slope(f: Any, x: Any) -> Any:
    # e/(1 + e)**2, even in x; z*(1 - z) would cancel to the right.
    e = f.exp(-f.abs(x))
    return e / ((1 + e) * (1 + e))


def _softplus(f: Any, x: Any) -> Any:
    # log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)): right for every x, where the naive form is inf above 709.
    return f.maximum(x, 0) + f.log1p(f.exp(-f.abs(x)))


ROWS = (
    Op(
        name="exp",
        doc="e ** x",
        sympy=("exp",),
        partials=(lambda f, z, x: z,),
        python=helper(_exp),
        numpy=call("np.exp"),
        numba=call("math.exp"),
        mpmath=mp.exp,
        cost=ELEMENTARY,
        domain=((-5, 5),),
    ),
    Op(
        name="exp2",
        doc="2 ** x",
        sympy=("codegen.cfunctions.exp2",),
        partials=(lambda f, z, x: z * f.log(f.const(2)),),
        python=helper(_exp2),
        numpy=call("np.exp2"),
        numba=call("np.exp2"),
        mpmath=lambda x: mp.mpf(2) ** x,
        cost=ELEMENTARY,
        domain=((-5, 5),),
    ),
    Op(
        name="expm1",
        doc="e ** x - 1",
        sympy=("codegen.cfunctions.expm1",),
        partials=(lambda f, z, x: f.exp(x),),
        python=helper(_expm1),
        numpy=call("np.expm1"),
        numba=call("math.expm1"),
        mpmath=mp.expm1,
        cost=ELEMENTARY,
        domain=((-5, 5),),
    ),
    Op(
        name="log",
        doc="natural logarithm; -inf at 0, nan below",
        sympy=("log",),
        partials=(lambda f, z, x: 1 / x,),
        python=helper(_log),
        numpy=call("np.log"),
        numba=call("math.log"),
        mpmath=mp.log,
        cost=ELEMENTARY,
        domain=((0.05, 9),),
    ),
    Op(
        name="log2",
        doc="binary logarithm",
        sympy=("codegen.cfunctions.log2",),
        partials=(lambda f, z, x: 1 / (x * f.log(f.const(2))),),
        python=helper(_log2),
        numpy=call("np.log2"),
        numba=call("np.log2"),
        mpmath=lambda x: mp.log(x, 2),
        cost=ELEMENTARY,
        domain=((0.05, 9),),
    ),
    Op(
        name="log10",
        doc="decimal logarithm",
        sympy=("codegen.cfunctions.log10",),
        partials=(lambda f, z, x: 1 / (x * f.log(f.const(10))),),
        python=helper(_log10),
        numpy=call("np.log10"),
        numba=call("math.log10"),
        mpmath=mp.log10,
        cost=ELEMENTARY,
        domain=((0.05, 9),),
    ),
    Op(
        name="log1p",
        doc="log(1 + x)",
        sympy=("codegen.cfunctions.log1p",),
        partials=(lambda f, z, x: 1 / (1 + x),),
        python=helper(_log1p),
        numpy=call("np.log1p"),
        numba=call("math.log1p"),
        mpmath=mp.log1p,
        cost=ELEMENTARY,
        domain=((-0.9, 9),),
    ),
    Op(
        name="logaddexp",
        doc="log(exp(x) + exp(y))",
        arity=2,
        sympy=("codegen.numpy_nodes.logaddexp",),
        # The partials are the softmax of (x, y), each a logistic of the difference: no tail overflows.
        partials=(lambda f, z, x, y: f.logistic(x - y), lambda f, z, x, y: f.logistic(y - x)),
        python=helper(_logaddexp),
        numpy=call("np.logaddexp"),
        numba=call("np.logaddexp"),
        mpmath=lambda x, y: mp.log(mp.exp(x) + mp.exp(y)),
        cost=2 * ELEMENTARY,
        domain=((-5, 5), (-5, 5)),
    ),
    Op(
        name="logistic",
        doc="1 / (1 + exp(-x))",
        sympy=("symbackprop.logistic",),
        partials=(lambda f, z, x: f.logistic_slope(x),),
        define=_logistic,
        mpmath=lambda x: 1 / (1 + mp.exp(-x)),
        cost=ELEMENTARY + 6,
        domain=((-6, 6),),
    ),
    Op(
        name="logistic_slope",
        doc="derivative of the logistic function",
        # Differentiating the quotient cancels near 0, like 1 - 2*logistic(x); the hyperbolic tangent does not.
        partials=(lambda f, z, x: -(z * f.tanh(x / 2)),),
        define=_logistic_slope,
        mpmath=lambda x: mp.sech(x / 2) ** 2 / 4,
        cost=ELEMENTARY + 8,
        domain=((-6, 6),),
    ),
    Op(
        name="softplus",
        doc="log(1 + exp(x))",
        sympy=("symbackprop.softplus",),
        partials=(lambda f, z, x: f.logistic(x),),
        define=_softplus,
        mpmath=lambda x: mp.log1p(mp.exp(x)),
        cost=2 * ELEMENTARY + 3,
        domain=((-6, 6),),
    ),
)
