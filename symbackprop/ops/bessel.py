"""Bessel functions that grow or vanish exponentially, without that factor and as logarithms.

log(besseli(0, x)), in von Mises' distribution, is infinite from 714 on as it is written, and the ratio of besseli(1, x)
and besseli(0, x) nan: SciPy's scaled functions serve both.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import mpmath as mp

from symbackprop.ops.cylinder import NEAR_ZERO, by_orders, near_zero
from symbackprop.ops.row import DIVISION, ELEMENTARY, SPECIAL, Op, call
from symbackprop.ops.special import compiled_scalar, no_order

_LEVELS, _LEVELS_OF_K = 21, 26
_FAR, _MOST_TERMS = 24, 40
_K_FAR = 4
_HALF = Fraction(1, 2)


def _besseli_quotient(f: Any, n: Any, x: Any) -> Any:
    # 1/(2*(n + 1) + x*x*(the same of n + 1)), DLMF 10.33.1 for I: what is left of twenty levels is below 1e-16. There
    # both functions may vanish, SciPy's err by n/2 ulp for large orders, and the difference of two quotients shows it.
    square = x * x
    fraction = 1 / (2 * (n + _LEVELS))
    for level in range(_LEVELS - 1, 0, -1):
        fraction = 1 / (2 * (n + level) + square * fraction)
    near = f.lt(square, f.maximum(25, (n + 1) * (n + 2) / 2))
    return f.select(near, fraction, f.besseli_scaled(n + 1, x) / f.besseli_scaled(n, x) / x)


@cache
def _log_coefficients() -> tuple[Fraction, ...]:
    """Of log(besseli(0, x)) in powers of x**2; the sum serves up to 1, where the first omitted is 1e-17 of it."""
    powers = [Fraction(1)]
    for k in range(1, 24):
        powers.append(powers[-1] / (4 * k * k))
    found = [Fraction(0)]
    for k in range(1, 24):
        rest = sum((j * found[j] * powers[k - j] for j in range(1, k)), Fraction(0))
        found.append((k * powers[k] - rest) / k)
    return tuple(found)


def _log_besseli(f: Any, n: Any, x: Any) -> Any:
    value = f.log(f.besseli_scaled(n, x)) + f.abs(x)
    if not (f.is_constant(n) and f.attributes(n) == 0):
        # Of an even order it is that of -x.
        even = f.is_constant(n) and f.attributes(n) % 2 == 0
        series = n * f.log((f.abs(x) if even else x) / 2) - f.loggamma(n + 1) + x * x / (4 * (n + 1))
        return f.select(f.logical_and(f.lt(f.abs(x), NEAR_ZERO / 64), f.gt(n, 0)), series, value)
    return f.select(f.lt(f.abs(x), 1), f.polynomial(_log_coefficients(), x * x), value)


def _log_besseli_slope(f: Any, n: Any, x: Any) -> Any:
    if f.is_constant(n) and f.attributes(n) >= 0:
        return x * f.besseli_quotient(n, x) + n / x if f.attributes(n) else x * f.besseli_quotient(n, x)
    return by_orders(f, f.besseli_scaled, n, x, 1) / f.besseli_scaled(n, x)


def _square_less_quarter(n: Any) -> Any:
    return n * n - Fraction(1, 4)


@cache
def _expansion(n: Fraction) -> tuple[tuple[Fraction, ...], int] | None:
    """F = f1/x + f2/x**2 + ... of besseli(n, x)' = besseli(n, x)*(1 - (1/2 + F)/x), and from which x on it serves.

    By Bessel's equation F' = (F**2 + F - (n**2 - 1/4))/x - 2*F. From 24 on what is left is 1e-18, n up to 5.
    """
    found = [Fraction(0), -_square_less_quarter(n) / 2]
    for k in range(1, _MOST_TERMS):
        found.append(((k + 1) * found[k] + sum(found[i] * found[k - i] for i in range(1, k))) / 2)
    for far in (_FAR * 2**k for k in range(8)):
        for k in range(1, _MOST_TERMS):
            if abs(found[k]) * k * 2**56 <= far**k:
                return tuple(found[:k]), far
    return None


def _where_far(f: Any, n: Any, size: Any, near: Any, far: Any) -> Any:
    """`far` of the coefficients of F and a size, from which on F serves; elsewhere `near`."""
    expansion = _expansion(f.attributes(n)) if f.is_constant(n) else None
    if expansion is None:
        return near
    coefficients, least = expansion
    beyond = f.gt(size, least)
    return f.select(beyond, far(coefficients, f.select(beyond, size, least)), near)


def _with_slope(coefficients: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    """Of F - x*F'."""
    return tuple((k + 1) * c for k, c in enumerate(coefficients))


def _besseli_scaled_by(f: Any, n: Any, x: Any, z: Any) -> Any:
    # Of the difference of two scaled functions 2*x roundings are left.
    near = by_orders(f, f.besseli_scaled, n, x, 1) - f.sign(x) * z
    return _where_far(f, n, f.abs(x), near, lambda c, u: -(f.sign(x) * z * (_HALF + f.polynomial(c, 1 / u)) / u))


def _besseli_decaying_by(f: Any, n: Any, x: Any, z: Any) -> Any:
    near = by_orders(f, f.besseli_decaying, n, x, 1) - z
    return _where_far(f, n, x, near, lambda c, u: -(z * (_HALF + f.polynomial(c, 1 / u)) / u))


def _besseli_quotient_by(f: Any, n: Any, x: Any, z: Any) -> Any:
    def far(coefficients: tuple[Fraction, ...], u: Any) -> Any:
        # Of (1 - (n + 1/2 + F)/x)/x.
        both = tuple(one + other for one, other in zip(coefficients, _with_slope(coefficients), strict=True))
        return -f.sign(x) * (1 - (2 * n + 1 + f.polynomial(both, 1 / u)) / u) / u / u

    return _where_far(f, n, f.abs(x), -(x * z * (z - f.besseli_quotient(n + 1, x))), far)


def _besseli_ratio_by(f: Any, n: Any, x: Any) -> Any:
    quotient = f.besseli_quotient(n, x)
    near = quotient - x * x * quotient * (quotient - f.besseli_quotient(n + 1, x))

    def far(coefficients: tuple[Fraction, ...], u: Any) -> Any:
        # (n + 1/2 + F)/x**2 - F'/x
        return (n + _HALF + f.polynomial(_with_slope(coefficients), 1 / u)) / u / u

    return _where_far(f, n, f.abs(x), near, far)


def _besselk_rest(f: Any, n: Any, x: Any) -> Any:
    """x*(besselk(n + 1, x)/besselk(n, x) - 1) - n - 1/2"""
    # (n**2 - 1/4)*U'/U of Tricomi's U by its continued fraction (DLMF 13.3.7; Temme's second), none of whose terms
    # cancel: what is left of 26 levels is 1e-17 from 4 on.
    fraction = 2 * (x + _LEVELS_OF_K)
    for level in range(_LEVELS_OF_K - 1, 0, -1):
        fraction = 2 * (x + level) + (n * n - (level + _HALF) ** 2) / fraction
    return _square_less_quarter(n) / fraction


def _besselk_far(f: Any, x: Any, near: Any, far: Any) -> Any:
    beyond = f.ge(x, _K_FAR)
    return f.select(beyond, far(f.select(beyond, x, _K_FAR)), near)


def _besselk_scaled_by(f: Any, n: Any, x: Any, z: Any) -> Any:
    near = z - by_orders(f, f.besselk_scaled, n, x, 1)
    return _besselk_far(f, x, near, lambda u: -(z * (_HALF + _besselk_rest(f, n, u)) / u))


def _besselk_ratio(f: Any, n: Any, x: Any) -> Any:
    beyond = f.besselk_scaled(n + 1, x) / f.besselk_scaled(n, x)
    order = f.attributes(n) if f.is_constant(n) else Fraction(0)
    if order.denominator != 1 or not 1 < order <= _MOST_TERMS:
        return beyond
    # Both overflow near 0. There their ratio is 2*n/x and one over that of the order below (DLMF 10.29.1).
    ratio = f.besselk_scaled(2, x) / f.besselk_scaled(1, x)
    for k in range(2, int(order) + 1):
        ratio = 2 * k / x + 1 / ratio
    return f.select(f.lt(x, 1), ratio, beyond)


def _besselk_ratio_by(f: Any, n: Any, x: Any, z: Any) -> Any:
    def far(u: Any) -> Any:
        rest = _besselk_rest(f, n, u)
        return (2 * rest + (rest * rest - (n + _HALF) * (n + _HALF)) / u) / u

    return _besselk_far(f, x, z * (z - (2 * n + 1) / x) - 1, far)


ROWS = (
    Op(
        name="besselk_powered",
        doc="x**order*besselk(order, x)",
        arity=2,
        # DLMF 10.29.4
        partials=(None, lambda f, z, n, x: -(x * f.besselk_powered(n - 1, x))),
        missing=no_order("besselk"),
        define=lambda f, n, x: f.pow(x, n) * f.besselk(f.abs(n), x),
        mpmath=lambda n, x: x**n * mp.besselk(n, x),
        ball=lambda n, x: x**n * x.bessel_k(n),
        cost=SPECIAL + ELEMENTARY,
        domain=((1, 1), (0.5, 5)),
    ),
    Op(
        name="besseli_scaled",
        doc="besseli(order, x)*exp(-abs(x))",
        arity=2,
        partials=(None, lambda f, z, n, x: _besseli_scaled_by(f, n, x, z)),
        missing=no_order("besseli"),
        define=lambda f, n, x: near_zero(f, n, x, 1, f.besseli_scaled_beyond(n, x), f.exp(-f.abs(x))),
        mpmath=lambda n, x: mp.besseli(n, x) * mp.exp(-abs(x)),
        ball=lambda n, x: x.bessel_i(n) * (-abs(x)).exp(),
        analytic=False,
        cost=SPECIAL,
        domain=((1, 1), (0.2, 5)),
    ),
    Op(
        name="besseli_scaled_beyond",
        doc="besseli(order, x)*exp(-abs(x)) by SciPy, of arguments that are not small",
        arity=2,
        partials=(None, lambda f, z, n, x: _besseli_scaled_by(f, n, x, z)),
        missing=no_order("besseli"),
        numpy=call("special.ive"),
        numba=compiled_scalar("ive", 2),
        mpmath=lambda n, x: mp.besseli(n, x) * mp.exp(-abs(x)),
        ball=lambda n, x: x.bessel_i(n) * (-abs(x)).exp(),
        analytic=False,
        cost=SPECIAL,
        domain=((1, 1), (0.2, 5)),
    ),
    Op(
        name="besseli_decaying",
        doc="exp(-x)*besseli(order, x)",
        arity=2,
        partials=(None, lambda f, z, n, x: _besseli_decaying_by(f, n, x, z)),
        missing=no_order("besseli"),
        define=lambda f, n, x: f.exp(f.abs(x) - x) * f.besseli_scaled(n, x),
        mpmath=lambda n, x: mp.besseli(n, x) * mp.exp(-x),
        ball=lambda n, x: x.bessel_i(n) * (-x).exp(),
        cost=SPECIAL + ELEMENTARY,
        domain=((1, 1), (0.2, 5)),
    ),
    Op(
        name="besseli_quotient",
        doc="besseli(order + 1, x)/besseli(order, x)/x, order > -1",
        arity=2,
        partials=(None, lambda f, z, n, x: _besseli_quotient_by(f, n, x, z)),
        missing=no_order("besseli"),
        define=_besseli_quotient,
        mpmath=lambda n, x: mp.besseli(n + 1, x) / mp.besseli(n, x) / x if x else 1 / (2 * n + 2),
        ball=lambda n, x: x.bessel_i(n + 1) / x.bessel_i(n) / x,
        cost=2 * SPECIAL + 24 * DIVISION,
        domain=((1, 1), (0.2, 5)),
    ),
    Op(
        name="besselk_scaled",
        doc="besselk(order, x)*exp(x)",
        arity=2,
        partials=(None, lambda f, z, n, x: _besselk_scaled_by(f, n, x, z)),
        missing=no_order("besselk"),
        numpy=call("special.kve"),
        numba=compiled_scalar("kve", 2),
        mpmath=lambda n, x: mp.besselk(n, x) * mp.exp(x),
        ball=lambda n, x: x.bessel_k(n) * x.exp(),
        cost=SPECIAL,
        domain=((1, 1), (0.5, 5)),
    ),
    Op(
        name="besseli_ratio",
        doc="besseli(order + 1, x)/besseli(order, x), order > -1",
        arity=2,
        partials=(None, lambda f, z, n, x: _besseli_ratio_by(f, n, x)),
        missing=no_order("besseli"),
        define=lambda f, n, x: x * f.besseli_quotient(n, x),
        mpmath=lambda n, x: mp.besseli(n + 1, x) / mp.besseli(n, x) if x else mp.mpf(0),
        ball=lambda n, x: x.bessel_i(n + 1) / x.bessel_i(n),
        cost=2 * SPECIAL + 24 * DIVISION,
        domain=((1, 1), (0.2, 5)),
    ),
    Op(
        name="besselk_ratio",
        doc="besselk(order + 1, x)/besselk(order, x)",
        arity=2,
        partials=(None, lambda f, z, n, x: _besselk_ratio_by(f, n, x, z)),
        missing=no_order("besselk"),
        define=_besselk_ratio,
        mpmath=lambda n, x: mp.besselk(n + 1, x) / mp.besselk(n, x),
        ball=lambda n, x: x.bessel_k(n + 1) / x.bessel_k(n),
        cost=4 * SPECIAL + 6 * DIVISION,
        domain=((1, 1), (0.5, 5)),
    ),
    Op(
        name="log_besseli",
        doc="log(besseli(order, x))",
        arity=2,
        partials=(None, lambda f, z, n, x: _log_besseli_slope(f, n, x)),
        missing=no_order("besseli"),
        define=_log_besseli,
        mpmath=lambda n, x: mp.log(mp.besseli(n, x)),
        ball=lambda n, x: x.bessel_i(n).log(),
        cost=SPECIAL + ELEMENTARY + 30,
        domain=((1, 1), (0.2, 5)),
    ),
    Op(
        name="log_besselk",
        doc="log(besselk(order, x))",
        arity=2,
        partials=(None, lambda f, z, n, x: -(by_orders(f, f.besselk_scaled, n, x, 1) / f.besselk_scaled(n, x))),
        missing=no_order("besselk"),
        define=lambda f, n, x: f.log(f.besselk_scaled(n, x)) - x,
        mpmath=lambda n, x: mp.log(mp.besselk(n, x)),
        ball=lambda n, x: x.bessel_k(n).log(),
        cost=SPECIAL + ELEMENTARY + 1,
        domain=((1, 1), (0.5, 5)),
    ),
)
