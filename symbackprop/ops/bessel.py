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

_LEVELS = 21


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
        partials=(None, lambda f, z, n, x: by_orders(f, f.besseli_scaled, n, x, 1) - f.sign(x) * z),
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
        partials=(None, lambda f, z, n, x: by_orders(f, f.besseli_scaled, n, x, 1) - f.sign(x) * z),
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
        name="besseli_quotient",
        doc="besseli(order + 1, x)/besseli(order, x)/x, order > -1",
        arity=2,
        partials=(None, lambda f, z, n, x: -(x * z * (z - f.besseli_quotient(n + 1, x)))),
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
        partials=(None, lambda f, z, n, x: z - by_orders(f, f.besselk_scaled, n, x, 1)),
        missing=no_order("besselk"),
        numpy=call("special.kve"),
        numba=compiled_scalar("kve", 2),
        mpmath=lambda n, x: mp.besselk(n, x) * mp.exp(x),
        ball=lambda n, x: x.bessel_k(n) * x.exp(),
        cost=SPECIAL,
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
