"""Bessel functions that grow or vanish exponentially, without that factor and as logarithms.

log(besseli(0, x)), in von Mises' distribution, is infinite from 714 on as it is written, and the ratio of besseli(1, x)
and besseli(0, x) nan: SciPy's scaled functions serve both.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import mpmath as mp

from symbackprop.ops.row import ELEMENTARY, SPECIAL, Op, call
from symbackprop.ops.special import by_orders, compiled_scalar, no_order


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
        return value
    return f.select(f.lt(f.abs(x), 1), f.polynomial(_log_coefficients(), x * x), value)


ROWS = (
    Op(
        name="besseli_scaled",
        doc="besseli(order, x)*exp(-abs(x))",
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
        partials=(None, lambda f, z, n, x: by_orders(f, f.besseli_scaled, n, x, 1) / f.besseli_scaled(n, x)),
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
