"""The Bessel functions J, Y, I and K: SciPy's, but J and I of small arguments."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath as mp

from symbackprop.ops.row import ELEMENTARY, SPECIAL, Op, call
from symbackprop.ops.special import compiled_scalar, no_order

NEAR_ZERO = Fraction(1, 2**8)


def by_orders(f: Any, function: Any, n: Any, x: Any, sign: int) -> Any:
    """Half of the function of the order below and, with a sign, of that above: at order 0 they are the same."""
    if f.is_constant(n) and f.attributes(n) == 0:
        return sign * function(n + 1, x)
    return (function(n - 1, x) + sign * function(n + 1, x)) / 2


def near_zero(f: Any, n: Any, x: Any, sign: int, beyond: Any, factor: Any = 1) -> Any:
    """Three terms of a Bessel function of small arguments (DLMF 10.2.2 and 10.25.2), elsewhere `beyond`.

    SciPy's J of order 1 errs by 210 ulp at 1e-300, its I is 0 from 1e-160 down.
    """
    half = x / 2
    q = sign * (half * half) / (n + 1)
    series = f.pow(half, n) / f.gamma(n + 1) * (1 + q * (1 + sign * (half * half) / (2 * (n + 2))))
    return f.select(f.logical_and(f.lt(f.abs(x), NEAR_ZERO), f.gt(n, -1)), series * factor, beyond)


ROWS = (
    Op(
        name="besselj",
        doc="Bessel function of the first kind, called besselj(order, x)",
        arity=2,
        sympy=("besselj",),
        partials=(None, lambda f, z, n, x: by_orders(f, f.besselj, n, x, -1)),
        missing=no_order("besselj"),
        define=lambda f, n, x: near_zero(f, n, x, -1, f.besselj_beyond(n, x)),
        mpmath=mp.besselj,
        swift=True,
        ball=lambda n, x: x.bessel_j(n),
        cost=SPECIAL,
        domain=((1, 1), (0.2, 9)),
    ),
    Op(
        name="besselj_beyond",
        doc="besselj by SciPy, of arguments that are not small",
        arity=2,
        partials=(None, lambda f, z, n, x: by_orders(f, f.besselj, n, x, -1)),
        missing=no_order("besselj"),
        numpy=call("special.jv"),
        numba=compiled_scalar("jv", 2),
        mpmath=mp.besselj,
        ball=lambda n, x: x.bessel_j(n),
        cost=SPECIAL,
        domain=((1, 1), (0.2, 9)),
    ),
    Op(
        name="bessely",
        doc="Bessel function of the second kind",
        arity=2,
        sympy=("bessely",),
        partials=(None, lambda f, z, n, x: by_orders(f, f.bessely, n, x, -1)),
        missing=no_order("bessely"),
        numpy=call("special.yv"),
        numba=compiled_scalar("yv", 2),
        mpmath=mp.bessely,
        ball=lambda n, x: x.bessel_y(n),
        cost=SPECIAL,
        domain=((1, 1), (0.5, 9)),
    ),
    Op(
        name="bessely_powered",
        doc="x**order*bessely(order, x)",
        arity=2,
        # DLMF 10.6.6
        partials=(None, lambda f, z, n, x: x * f.bessely_powered(n - 1, x)),
        missing=no_order("bessely"),
        define=lambda f, n, x: f.pow(x, n) * f.bessely(n, x),
        mpmath=lambda n, x: x**n * mp.bessely(n, x),
        ball=lambda n, x: x**n * x.bessel_y(n),
        cost=SPECIAL + ELEMENTARY,
        domain=((1, 1), (0.5, 9)),
    ),
    Op(
        name="besseli",
        doc="modified Bessel function of the first kind",
        arity=2,
        sympy=("besseli",),
        partials=(None, lambda f, z, n, x: by_orders(f, f.besseli, n, x, 1)),
        missing=no_order("besseli"),
        define=lambda f, n, x: near_zero(f, n, x, 1, f.besseli_beyond(n, x)),
        mpmath=mp.besseli,
        swift=True,
        ball=lambda n, x: x.bessel_i(n),
        cost=SPECIAL,
        domain=((1, 1), (0.2, 5)),
    ),
    Op(
        name="besseli_beyond",
        doc="besseli by SciPy, of arguments that are not small",
        arity=2,
        partials=(None, lambda f, z, n, x: by_orders(f, f.besseli, n, x, 1)),
        missing=no_order("besseli"),
        numpy=call("special.iv"),
        numba=compiled_scalar("iv", 2),
        mpmath=mp.besseli,
        ball=lambda n, x: x.bessel_i(n),
        cost=SPECIAL,
        domain=((1, 1), (0.2, 5)),
    ),
    Op(
        name="besselk",
        doc="modified Bessel function of the second kind",
        arity=2,
        sympy=("besselk",),
        partials=(None, lambda f, z, n, x: -by_orders(f, f.besselk, n, x, 1)),
        missing=no_order("besselk"),
        numpy=call("special.kv"),
        numba=compiled_scalar("kv", 2),
        mpmath=mp.besselk,
        ball=lambda n, x: x.bessel_k(n),
        cost=SPECIAL,
        domain=((1, 1), (0.5, 5)),
    ),
)
