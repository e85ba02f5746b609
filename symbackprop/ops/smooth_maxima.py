"""Smooth maxima with a temperature, t*log(exp(x/t) + exp(y/t)), or its inverse, and the entropy that is their slope.

Differentiated as written, the slope in t is a logarithm less a mean of the exponents, of which all but the entropy
cancels: nothing was left of it for (x - y)/t = 37. As a row the slope is the entropy, all of whose terms are positive.
"""

from __future__ import annotations

from typing import Any

import mpmath as mp

from symbackprop.ops.row import DIVISION, ELEMENTARY, Op


def _entropy(f: Any, x: Any) -> Any:
    # -s*log(s) - (1 - s)*log(1 - s) with s = logistic(x), even in x.
    size = f.abs(x)
    e = f.exp(-size)
    return f.log1p(e) + size * (e / (1 + e))


def _entropy_mp(x: Any) -> Any:
    return mp.log1p(mp.exp(-x)) + x / (1 + mp.exp(x))


def _entropy_ball(x: Any) -> Any:
    return (-x).exp().log1p() + x / (1 + x.exp())


def _smooth_maximum(f: Any, t: Any, x: Any, y: Any) -> Any:
    # From the larger one; from the smaller one, where t is negative.
    u = (x - y) / t
    return f.select(f.gt(u, 0), x, y) + t * f.log1p(f.exp(-f.abs(u)))


def _sharp_maximum(f: Any, b: Any, x: Any, y: Any) -> Any:
    u = b * (x - y)
    return f.select(f.gt(u, 0), x, y) + f.log1p(f.exp(-f.abs(u))) / b


ROWS = (
    Op(
        name="logistic_entropy",
        doc="entropy of the probabilities logistic(x) and logistic(-x)",
        partials=(lambda f, z, x: -(x * f.logistic_slope(x)),),
        define=_entropy,
        mpmath=_entropy_mp,
        ball=_entropy_ball,
        cost=2 * ELEMENTARY + DIVISION + 5,
        domain=((-6, 6),),
    ),
    Op(
        name="smooth_maximum",
        doc="t*log(exp(x/t) + exp(y/t)), called smooth_maximum(t, x, y)",
        arity=3,
        partials=(
            lambda f, z, t, x, y: f.logistic_entropy((x - y) / t),
            lambda f, z, t, x, y: f.logistic((x - y) / t),
            lambda f, z, t, x, y: f.logistic((y - x) / t),
        ),
        define=_smooth_maximum,
        mpmath=lambda t, x, y: t * mp.log(mp.exp(x / t) + mp.exp(y / t)),
        ball=lambda t, x, y: t * ((x / t).exp() + (y / t).exp()).log(),
        cost=2 * ELEMENTARY + DIVISION + 6,
        domain=((0.2, 3), (-5, 5), (-5, 5)),
    ),
    # Apart, since 1/b is infinite where b is 0: there the value is, too, but its slopes in x and y are 1/2.
    Op(
        name="sharp_maximum",
        doc="log(exp(b*x) + exp(b*y))/b, called sharp_maximum(b, x, y)",
        arity=3,
        partials=(
            lambda f, z, b, x, y: -(f.logistic_entropy(b * (x - y)) / b / b),
            lambda f, z, b, x, y: f.logistic(b * (x - y)),
            lambda f, z, b, x, y: f.logistic(b * (y - x)),
        ),
        define=_sharp_maximum,
        mpmath=lambda b, x, y: mp.log(mp.exp(b * x) + mp.exp(b * y)) / b,
        ball=lambda b, x, y: ((b * x).exp() + (b * y).exp()).log() / b,
        cost=2 * ELEMENTARY + DIVISION + 6,
        domain=((0.2, 3), (-5, 5), (-5, 5)),
    ),
)
