"""Binet's function and its derivatives: what is left of the logarithm of the gamma function beside Stirling's formula.

log(gamma(x)) - (x - 1/2)*log(x) + x - log(2*pi)/2 is 1/(12*x) and less from there on: as a difference it has no digits
where x is large, nor have log(x) - digamma(x) and 1/x - trigamma(x), by which gamma distributions are fitted.
"""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np

from symbackprop.ops.row import SPECIAL, Op, helper
from symbackprop.ops.special import no_order


def _gudermann(order: int, count: int, x: Any) -> Any:
    """The derivative of that order of (x + 1/2)*log(1 + 1/x) - 1, for x >= 1/4.

    That is atanh(s)/s - 1 with s = 1/(2*x + 1), the sum of s**(2*j)/(2*j + 1), whose derivatives all have one sign: the
    slope of s**m is -2*m*s**(m + 1).
    """
    s = 1.0 / (2.0 * x + 1.0)
    square = s * s
    total = 0.0 * s
    for j in range(count, 0, -1):
        coefficient = 1.0 / (2 * j + 1)
        for k in range(order):
            coefficient *= -2.0 * (2 * j + k)
        total = (total + coefficient) * square
    for _ in range(order):
        total = total * s
    return total


def _gudermann_small(order: int, x: Any) -> Any:
    """The same for x < 1/4, where s is near 1."""
    above = x + 1.0
    if order == 0:
        return (x + 0.5) * np.log1p(1.0 / x) - 1.0
    if order == 1:
        return np.log1p(1.0 / x) - (x + 0.5) / x / above
    half, other = 0.5, 1.0
    for k in range(2, order):
        half *= -k
        other *= 1.0 - k
    ends = half * (x ** (-1.0 * order) + above ** (-1.0 * order))
    return ends - other * (x ** (1.0 - order) - above ** (1.0 - order))


def _binet(order: float, x: Any) -> Any:
    """The derivative of that order of Binet's function, for x > 0; nan below."""
    n = int(order)
    left = ~(x > 0.0)
    start = np.where(left, 1.0, x)
    # Gudermann's series (DLMF 5.11.1 by 5.5.1) up to x + 16, and there Stirling's, of which the first term left out is
    # below 1e-16 of the whole for the orders 0 to 4.
    far = start + 16.0
    total, power = 0.0 * far, far ** (-1.0 - n)
    for k, bernoulli in enumerate((1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)):
        coefficient = bernoulli / ((2 * k + 2) * (2 * k + 1))
        for j in range(n):
            coefficient *= -1.0 * (2 * k + 1 + j)
        total = total + coefficient * power
        power = power / far / far
    for shift in range(15, 3, -1):
        total = total + _gudermann(n, 9, start + shift)
    for shift in range(3, 0, -1):
        total = total + _gudermann(n, 16, start + shift)
    small = start < 0.25
    near = _gudermann(n, 48, np.where(small, 1.0, start))
    total = total + np.where(small, _gudermann_small(n, np.where(small, start, 0.125)), near)
    return np.where(left, np.where(x == 0.0, np.inf * (1.0 - 2.0 * (n % 2)), np.nan), total)[()]


def _by_polygamma(n: int, x: Any, polygamma: Any) -> Any:
    """Of an order from 2 on, by the derivatives of digamma, log(x) and 1/x."""
    sign, factorial = (-1) ** (n - 1), mp.factorial
    powers = int(factorial(n - 2)) / x ** (n - 1) + int(factorial(n - 1)) / (2 * x**n)
    return polygamma + sign * powers


def _mp(n: Any, x: Any) -> Any:
    if n == 0:
        return mp.loggamma(x) - (x - mp.mpf(1) / 2) * mp.log(x) + x - mp.log(2 * mp.pi) / 2
    if n == 1:
        return mp.digamma(x) - mp.log(x) + 1 / (2 * x)
    return _by_polygamma(int(n), x, mp.polygamma(int(n) - 1, x))


def _ball(n: Any, x: Any) -> Any:
    if n == 0:
        return x.lgamma() - (x - 0.5) * x.log() + x - (x.pi() * 2).log() / 2
    if n == 1:
        return x.digamma() - x.log() + 1 / (2 * x)
    order = int(float(n))
    return _by_polygamma(order, x, (-1) ** order * n.gamma() * n.zeta(x))


ROWS = (
    Op(
        name="binet",
        doc="Binet's function log(gamma(x)) - (x - 1/2)*log(x) + x - log(2*pi)/2 of x > 0, its derivative of order n,"
        " called binet(n, x)",
        arity=2,
        partials=(None, lambda f, z, n, x: f.binet(n + 1, x)),
        missing=no_order("binet"),
        numpy=helper(_binet, _gudermann, _gudermann_small),
        numba=helper(_binet, _gudermann, _gudermann_small),
        mpmath=_mp,
        ball=_ball,
        cost=SPECIAL,
        domain=((1, 1), (0.2, 9)),
    ),
)
