"""Exponentials, logarithms, and the sigmoids made of them."""

from __future__ import annotations

import math
from fractions import Fraction
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


def _logistic_difference(f: Any, x: Any, y: Any) -> Any:
    # 1/(1 + exp(y - x)). The rounding of x - y, which the exponential would amplify |x - y| times (490 ulp), is found
    # exactly (Knuth's sum of two numbers) and made up for to first order. Where the difference is beyond all
    # exponentials there is nothing to make up for, and infinities would meet.
    d = x - y
    lost = _lost(x, y, d)
    near = f.lt(f.abs(d), 2000)
    return f.logistic(d) * (1 + f.select(near, lost, 0) * f.logistic(-d))


def _lost(x: Any, y: Any, d: Any) -> Any:
    """x - y - d, exactly."""
    back = x - d
    return (x - (d + back)) + (back - y)


_LOG_2 = Fraction("0.69314718055994530941723212145817656807550013436026")
_LOG2_E = Fraction("1.4426950408889634073599246810018921374266459541530")
_LOG10_E = Fraction("0.43429448190325182765112891891660508229439700580367")

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
        ball=lambda x: x.exp(),
        cost=ELEMENTARY,
        domain=((-5, 5),),
    ),
    Op(
        name="exp2",
        doc="2 ** x",
        sympy=("codegen.cfunctions.exp2",),
        partials=(lambda f, z, x: z * f.const(_LOG_2),),
        python=helper(_exp2),
        numpy=call("np.exp2"),
        numba=call("np.exp2"),
        mpmath=lambda x: mp.mpf(2) ** x,
        ball=lambda x: (x * (0 * x + 2).log()).exp(),
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
        ball=lambda x: x.expm1(),
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
        ball=lambda x: x.log(),
        cost=ELEMENTARY,
        domain=((0.05, 9),),
    ),
    Op(
        name="log2",
        doc="binary logarithm",
        sympy=("codegen.cfunctions.log2",),
        partials=(lambda f, z, x: f.const(_LOG2_E) / x,),
        python=helper(_log2),
        numpy=call("np.log2"),
        numba=call("np.log2"),
        mpmath=lambda x: mp.log(x, 2),
        ball=lambda x: x.log() / (0 * x + 2).log(),
        cost=ELEMENTARY,
        domain=((0.05, 9),),
    ),
    Op(
        name="log10",
        doc="decimal logarithm",
        sympy=("codegen.cfunctions.log10",),
        partials=(lambda f, z, x: f.const(_LOG10_E) / x,),
        python=helper(_log10),
        numpy=call("np.log10"),
        numba=call("math.log10"),
        mpmath=mp.log10,
        ball=lambda x: x.log() / (0 * x + 10).log(),
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
        ball=lambda x: x.log1p(),
        cost=ELEMENTARY,
        domain=((-0.9, 9),),
    ),
    Op(
        name="logaddexp",
        doc="log(exp(x) + exp(y))",
        arity=2,
        sympy=("codegen.numpy_nodes.logaddexp",),
        # The partials are the softmax of (x, y), each a logistic of a difference: no tail overflows.
        partials=(lambda f, z, x, y: f.logistic_difference(x, y), lambda f, z, x, y: f.logistic_difference(y, x)),
        python=helper(_logaddexp),
        numpy=call("np.logaddexp"),
        numba=call("np.logaddexp"),
        mpmath=lambda x, y: mp.log(mp.exp(x) + mp.exp(y)),
        ball=lambda x, y: (x.exp() + y.exp()).log(),
        cost=2 * ELEMENTARY,
        domain=((-5, 5), (-5, 5)),
    ),
    Op(
        name="logistic_difference",
        doc="exp(x) / (exp(x) + exp(y))",
        arity=2,
        partials=(
            lambda f, z, x, y: z * f.logistic_difference(y, x),
            lambda f, z, x, y: -(z * f.logistic_difference(y, x)),
        ),
        define=_logistic_difference,
        mpmath=lambda x, y: 1 / (1 + mp.exp(y - x)),
        ball=lambda x, y: 1 / (1 + (y - x).exp()),
        cost=ELEMENTARY + 22,
        domain=((-5, 5), (-5, 5)),
    ),
    Op(
        name="logistic",
        doc="1 / (1 + exp(-x))",
        sympy=("symbackprop.logistic",),
        partials=(lambda f, z, x: f.logistic_slope(x),),
        define=_logistic,
        mpmath=lambda x: 1 / (1 + mp.exp(-x)),
        ball=lambda x: 1 / (1 + (-x).exp()),
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
        ball=lambda x: (x / 2).sech() ** 2 / 4,
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
        ball=lambda x: x.exp().log1p(),
        cost=2 * ELEMENTARY + 3,
        domain=((-6, 6),),
    ),
)
