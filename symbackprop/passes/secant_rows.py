"""f(u) - f(v) over u - v, for each function of which that is known where u is near v.

By what the field calls addition theorems: sin(u) - sin(v) = 2*cos((u + v)/2)*sin((u - v)/2), and tanh((a - b)/2) =
(sinh(a) - sinh(b))/(cosh(a) + cosh(b)) for the inverse functions. What is left is a function of one small number, over
that number: a series.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from symbackprop.ir import Functions, Value
from symbackprop.ops import REGISTRY, Op
from symbackprop.passes.like_arguments import ORDERS, over_argument
from symbackprop.passes.series import near

_NODES = 8
"""Of Gauss and Legendre's rule: of exp(-u**2) over |u - v|*(2 + |u + v|/2) < 1 it errs by less than 1e-17, as do its
second derivatives."""


class Near:
    """Functions over their argument where that is small, and the conditions under which they are right."""

    def __init__(self, f: Functions) -> None:
        self.f = f
        self.conditions: list[Value] = []

    def over(self, function: Op | str, u: Value) -> Value:
        """g(u)/u."""
        series = over_argument(REGISTRY[function] if isinstance(function, str) else function)
        assert series is not None
        polynomial, is_near = near(u, series)
        self._where(is_near)
        return polynomial

    def expm1(self, u: Value) -> Value:
        return self.over("expm1", u)

    def power(self, w: Value, n: Value) -> Value:
        """((1 + w)**n - 1)/w, as expm1(s)/s*n*log1p(w)/w with s = n*log1p(w)."""
        growth = n * self.over("log1p", w)
        return growth * self.expm1(growth * w)

    def positive(self, u: Value) -> None:
        self._where(self.f.gt(u, 0))

    def within(self, u: Value, reach: Fraction) -> None:
        self._where(self.f.lt(self.f.abs(u), self.f.const(reach)))

    def _where(self, condition: Value) -> None:
        if all(condition.index != known.index for known in self.conditions):
            self.conditions.append(condition)


Row = Callable[[Near, Value, Value, Value], Value]
"""``(near, u, v, d)`` to (f(u) - f(v))/d, with d = u - v."""


def _middle(u: Value, v: Value) -> Value:
    return (u + v) / 2


def _sine(near: Near, u: Value, v: Value, d: Value) -> Value:
    return near.f.cos(_middle(u, v)) * near.over("sin", d / 2)


def _cosine(near: Near, u: Value, v: Value, d: Value) -> Value:
    return -(near.f.sin(_middle(u, v)) * near.over("sin", d / 2))


def _sinh(near: Near, u: Value, v: Value, d: Value) -> Value:
    return near.f.cosh(_middle(u, v)) * near.over("sinh", d / 2)


def _cosh(near: Near, u: Value, v: Value, d: Value) -> Value:
    return near.f.sinh(_middle(u, v)) * near.over("sinh", d / 2)


def _tangent(near: Near, u: Value, v: Value, d: Value) -> Value:
    return near.over("sin", d) / (near.f.cos(u) * near.f.cos(v))


def _tanh(near: Near, u: Value, v: Value, d: Value) -> Value:
    return near.f.sech(u) * near.f.sech(v) * near.over("sinh", d)


def _exponential(near: Near, u: Value, v: Value, d: Value) -> Value:
    return near.f.exp(v) * near.expm1(d)


def _logistic(near: Near, u: Value, v: Value, d: Value) -> Value:
    return near.f.logistic(u) * near.f.logistic(-v) * near.expm1(-d)


def _softplus(near: Near, u: Value, v: Value, d: Value) -> Value:
    slope = near.f.logistic(v) * near.expm1(d)
    return slope * near.over("log1p", slope * d)


def _logarithm(near: Near, u: Value, v: Value, d: Value) -> Value:
    # Of two negative numbers there is none.
    near.positive(v)
    return near.over("log1p", d / v) / v


def _log1p(near: Near, u: Value, v: Value, d: Value) -> Value:
    return _logarithm(near, 1 + u, 1 + v, d)


def _root(near: Near, u: Value, v: Value, d: Value) -> Value:
    return 1 / (near.f.sqrt(u) + near.f.sqrt(v))


def _inverse_tangent(near: Near, u: Value, v: Value, d: Value) -> Value:
    below = 1 + u * v
    near.positive(below)
    return near.over("atan", d / below) / below


def _inverse_tanh(near: Near, u: Value, v: Value, d: Value) -> Value:
    below = 1 - u * v
    near.positive(below)
    return near.over("atanh", d / below) / below


def _by_half_angle(inverse: str, companion: Callable[[Functions, Value], Value], sign: int = 1) -> Row:
    def row(near: Near, u: Value, v: Value, d: Value) -> Value:
        total = companion(near.f, u) + companion(near.f, v)
        return (2 * sign) * (near.over(inverse, d / total) / total)

    return row


def _error_function(near: Near, u: Value, v: Value, d: Value) -> Value:
    """The mean of its slope from v to u."""
    f, middle = near.f, _middle(u, v)
    near.within(d * (2 + f.abs(middle)), Fraction(1))
    places, weights = np.polynomial.legendre.leggauss(_NODES)
    total = f.const(0)
    for place, weight in zip(places.tolist(), weights.tolist(), strict=True):
        at = middle + Fraction(place / 2) * d
        total = total + Fraction(weight / math.sqrt(math.pi)) * f.exp(-(at * at))
    return total


def _negative(row: Row) -> Row:
    return lambda near, u, v, d: -row(near, u, v, d)


_cosine_of_sine = lambda f, u: f.sqrt(f.one_minus_square(u))  # noqa: E731

SECANTS: dict[Op, Row] = {
    REGISTRY[name]: row
    for names, row in (
        ("sin", _sine),
        ("cos cosm1", _cosine),
        ("sinh", _sinh),
        ("cosh coshm1", _cosh),
        ("tan", _tangent),
        ("tanh", _tanh),
        ("exp expm1", _exponential),
        ("logistic", _logistic),
        ("softplus", _softplus),
        ("log", _logarithm),
        ("log1p", _log1p),
        ("sqrt", _root),
        ("atan", _inverse_tangent),
        ("atanh", _inverse_tanh),
        ("asin", _by_half_angle("atan", _cosine_of_sine)),
        ("acos", _by_half_angle("atan", _cosine_of_sine, -1)),
        ("asinh", _by_half_angle("atanh", lambda f, u: f.sqrt(1 + u * u))),
        ("acosh", _by_half_angle("atanh", lambda f, u: f.sqrt(u * u - 1))),
        ("erf", _error_function),
        ("erfc", _negative(_error_function)),
    )
    for name in names.split()
}
VANISHING = frozenset({op for op in ORDERS if ORDERS[op] == 1})
"""Functions that vanish like their argument."""


def whole_power(u: Value, v: Value, n: int) -> Value:
    """(u**n - v**n)/(u - v), by halves: of u = -v nothing cancels but u + v."""
    if n == 1:
        return u.f.const(1)
    if n % 2 == 0:
        half = n // 2
        total = _power(u, half) + _power(v, half)
        return total if half == 1 else total * whole_power(u, v, half)
    middle = [_power(u, n - 1 - k) * _power(v, k) for k in range(1, n - 1)]
    return sum([*middle, _power(v, n - 1)], start=_power(u, n - 1))


def _power(u: Value, n: int) -> Value:
    return u.f.pow(u, n) if n > 1 else u
