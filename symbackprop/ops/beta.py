"""The beta function, and the differences of polygamma functions that its derivatives are made of.

SciPy's rounds the sum of its operands, which gamma functions amplify, and does not reflect; differences of digammas of
close numbers cancel.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np

from symbackprop.ops.row import ELEMENTARY, SPECIAL, Op, call, helper
from symbackprop.ops.special import compiled_scalar, no_order


def _power_difference(x: Any, y: Any, order: int) -> Any:
    """x**-order - (x + y)**-order, in which nothing cancels."""
    first, second = 1.0 / x, 1.0 / (x + y)
    value, power = 0.0, 1.0
    for _ in range(order):
        value = value * first + power
        power = power * second
    return y * second * first * value


def _cotangent_difference(order: int, x: Any, y: Any) -> Any:
    """The derivative of that order of pi*cot(pi*x) less that at x + y, in which nothing cancels for small y."""
    total = x + y
    back = total - x
    lost = (x - (total - back)) + (y - back)
    first, second = x - np.floor(x + 0.5), (total - np.floor(total + 0.5)) + lost
    # cot(a) - cot(b) = sin(b - a)/(sin(a)*sin(b)); b - a is y but for whole numbers.
    rest = y - np.floor(y + 0.5)
    odd = np.abs(np.floor(second - first - rest + 0.5))
    apart = (1.0 - 2.0 * odd) * np.sin(np.pi * rest) / (np.sin(np.pi * first) * np.sin(np.pi * second))
    one, other = 1.0 / np.tan(np.pi * first), 1.0 / np.tan(np.pi * second)
    # The derivatives are polynomials p in the cotangent c, p' of each being -(1 + c*c)*dp/dc, and their differences
    # are those of the powers: c - d times the sum of all products of c and d of one degree.
    polynomial = [0.0, 1.0]
    for _ in range(order):
        following = [0.0] * (len(polynomial) + 1)
        for k in range(1, len(polynomial)):
            following[k - 1] -= k * polynomial[k]
            following[k + 1] -= k * polynomial[k]
        polynomial = following
    total, products, power = 0.0 * one, 0.0 * one, 0.0 * one + 1.0
    for k in range(1, len(polynomial)):
        products = products * one + power
        power = power * other
        total = total + polynomial[k] * products
    return np.pi ** (order + 1) * apart * total


def _polygamma_difference(order: float, x: Any, y: Any) -> Any:
    """The derivative of that order of digamma at x less that at x + y, both positive or both negative."""
    last, factorial = int(order), 1.0
    for n in range(2, last + 1):
        factorial *= n
    # To the left the difference at 1 - x and 1 - x - y, less that of the cotangents (DLMF 5.15.6).
    left = x < 0.0
    start = np.where(left, 1.0 - np.maximum(x, x + y), np.minimum(x, x + y))
    size = np.abs(y)
    # DLMF 5.15.1 up to x + 16, then term by term the asymptotic series 5.11.2 and 5.15.8; the first omitted term is
    # below 1e-17 for the orders 0 to 2.
    far = start + 16.0
    total = np.log1p(size / far) if last == 0 else factorial / last * _power_difference(far, size, last)
    total = total + 0.5 * factorial * _power_difference(far, size, last + 1)
    k, scale = 1, 0.5 * factorial * (last + 1)
    for bernoulli in (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510):
        total = total + bernoulli * scale * _power_difference(far, size, 2 * k + last)
        scale *= (2 * k + last) * (2 * k + last + 1) / ((2 * k + 1) * (2 * k + 2))
        k += 1
    for shift in range(15, -1, -1):
        total = total + factorial * _power_difference(start + shift, size, last + 1)
    total = np.copysign(total, y) if last % 2 else -np.copysign(total, y)
    mirrored = (2.0 * (last % 2) - 1.0) * total - _cotangent_difference(last, np.where(left, x, -0.25), y)
    return np.where(left, mirrored, total)[()]


def _beta(f: Any, x: Any, y: Any) -> Any:
    # By reflection (DLMF 5.5.3) the function of two positive numbers p and q, or one over it: of a negative number a
    # and a positive one b, of -a and a + b or of b and -a - b, which add up to b and -a; of two negative ones -x, -y.
    total, lost = _sum(x, y)
    low, high = f.minimum(x, y), f.maximum(x, y)
    both, mixed = f.lt(high, 0), f.logical_and(f.lt(low, 0), f.ge(high, 0))
    right = f.ge(total, 0)
    p = f.select(both, -low, f.select(mixed, f.select(right, -low, high), low))
    q = f.select(both, -high, f.select(mixed, f.abs(total), high))
    value = _beta_right(f, p, q)
    # The rounding of a + b, times the difference of digammas; where a + b < 1, half an ulp at most is left.
    slope = f.log(f.maximum(q, 1e-300) / f.maximum(high, -low)) - f.const((1, 2)) / f.maximum(q, 1)
    value = value * (1 + f.select(mixed, f.select(right, lost, -lost) * slope, 0))
    # In an order in which nothing overflows: the function of small numbers p and q is 1/p + 1/q.
    sine, ratio = _sine(f, low, 0), _sine(f, total, lost) / _sine(f, low, 0) * (total / low)
    two = f.const("pi") / _sine(f, high, 0) / -value / high * ratio
    one = f.select(right, f.const("pi") / sine / value / -low, ratio * value)
    return f.select(both, two, f.select(mixed, one, value))


def _sum(x: Any, y: Any) -> tuple[Any, Any]:
    """x + y and what it rounds off (Knuth's sum of two numbers)."""
    total = x + y
    back = total - x
    return total, (x - (total - back)) + (y - back)


def _sine(f: Any, x: Any, lost: Any) -> Any:
    """sin(pi*(x + lost)), of what differs from a whole number."""
    whole = f.floor(x + 0.5)
    odd = whole - 2 * f.floor(whole / 2)
    return (1 - 2 * odd) * f.sin(f.const("pi") * ((x - whole) + lost))


def _beta_right(f: Any, x: Any, y: Any) -> Any:
    # gamma and pow amplify the rounding of x + y, log(x + y) times and more: it is found and made up for. Where gamma
    # overflows, too, SciPy's logarithms serve, to 1e4 ulp.
    total, lost = _sum(x, y)
    small, large = f.minimum(x, y), f.maximum(x, y)
    product = f.gamma(small) * (f.gamma(large) / f.gamma(total)) * (1 - lost * f.log(total))
    # Half of the power at a time: all of it vanishes before the product with gamma does.
    half, rest = f.pow(total, -small / 2), f.exp(_stirling(f, small, large, total)) * (1 - small * (lost / total))
    far = f.gamma(small) * half * rest * half
    within = f.logical_and(f.gt(small, 1e-300), f.lt(small, 171))
    return f.select(within, f.select(f.lt(total, 171), product, far), f.beta_beyond(x, y))


def _stirling(f: Any, small: Any, large: Any, total: Any) -> Any:
    """log(total**small*gamma(large)/gamma(total)) for a total from 171 on (DLMF 5.11.1); the next term is 2e-17."""

    def rest(x: Any) -> Any:
        square = 1 / (x * x)
        return (f.const((1, 12)) - square * (f.const((1, 360)) - square / 1260)) / x

    return small - (large - f.const((1, 2))) * f.log1p(small / large) + (rest(large) - rest(total))


def _beta_regular(f: Any, x: Any, y: Any) -> Any:
    # Where both are small beta is near the ends of the range, and where their sum is it vanishes.
    size = f.maximum(f.abs(x), f.abs(y))
    near = f.logical_or(f.lt(size, 1), f.logical_and(f.lt(f.abs(x + y), Fraction(1, 2)), f.lt(size, 80)))
    near = f.logical_or(near, f.lt(f.minimum(f.abs(x), f.abs(y)), Fraction(1, 10**290)))
    u, v = (f.select(near, 1, operand) for operand in (x, y))
    product = f.gamma1p(x) * (f.gamma1p(y) / f.gamma1p(x + y))
    return f.select(near, f.select(f.lt(size, 80), product, 1), f.beta(u, v) / (1 / u + 1 / v))


def _beta_by(f: Any, z: Any, x: Any, y: Any) -> Any:
    return z * f.digamma_difference(x, y)


def _one_side(f: Any, x: Any, y: Any) -> Any:
    return f.logical_or(f.gt(f.minimum(x, x + y), 0), f.lt(f.maximum(x, x + y), 0))


def _digamma_difference(f: Any, x: Any, y: Any) -> Any:
    # On both sides of 0 what is negative is reflected; next to a pole what x + y rounds off counts.
    total, lost = _sum(x, y)
    left, one_side = f.lt(x, 0), _one_side(f, x, y)
    whole = f.floor(f.select(left, x, total) + 0.5)
    rest = f.select(left, x - whole, (total - whole) + lost)
    pole = f.const("pi") / f.tan(f.const("pi") * f.select(f.eq(rest, 0), f.const("nan"), rest))
    one, other = f.select(left, 1 - x, x), f.select(left, total, 1 - total)
    start, last = f.minimum(one, other), f.maximum(one, other)
    far = f.polygamma_difference(0, f.select(one_side, x, start), f.select(one_side, y, last - start))
    return f.select(f.logical_or(one_side, f.le(one, other)), far, -far) + f.select(
        one_side, 0, f.select(left, -pole, pole)
    )


def _digamma_difference_by(f: Any, x: Any, y: Any) -> Any:
    apart = f.polygamma(f.const(1), x) - f.polygamma(f.const(1), x + y)
    return f.select(_one_side(f, x, y), f.polygamma_difference(1, x, y), apart)


def _difference_ball(n: Any, x: Any, y: Any) -> Any:
    if n >= 1:
        return (-1) ** (n + 1) * (n + 1).gamma() * ((n + 1).zeta(x) - (n + 1).zeta(x + y))
    return x.digamma() - (x + y).digamma()


ROWS = (
    Op(
        name="polygamma_difference",
        doc="polygamma(n, x) - polygamma(n, x + y), called polygamma_difference(n, x, y), for x and x + y of one sign",
        arity=3,
        partials=(
            None,
            lambda f, z, n, x, y: f.polygamma_difference(n + 1, x, y),
            lambda f, z, n, x, y: -f.polygamma(n + 1, x + y),
        ),
        missing=no_order("polygamma"),
        numpy=helper(_polygamma_difference, _power_difference, _cotangent_difference),
        numba=helper(_polygamma_difference, _power_difference, _cotangent_difference),
        mpmath=lambda n, x, y: mp.polygamma(int(n), x) - mp.polygamma(int(n), x + y),
        ball=_difference_ball,
        cost=SPECIAL,
        domain=((1, 1), (0.2, 9), (0.2, 9)),
    ),
    Op(
        name="digamma_difference",
        doc="digamma(x) - digamma(x + y)",
        arity=2,
        partials=(
            lambda f, z, x, y: _digamma_difference_by(f, x, y),
            lambda f, z, x, y: -f.polygamma(f.const(1), x + y),
        ),
        define=_digamma_difference,
        mpmath=lambda x, y: mp.digamma(x) - mp.digamma(x + y),
        ball=lambda x, y: x.digamma() - (x + y).digamma(),
        cost=SPECIAL + 2 * ELEMENTARY,
        domain=((0.2, 5), (0.2, 5)),
    ),
    Op(
        name="beta_beyond",
        doc="gamma(x)*gamma(y)/gamma(x + y) by logarithms where it has to be",
        arity=2,
        partials=(lambda f, z, x, y: _beta_by(f, z, x, y), lambda f, z, x, y: _beta_by(f, z, y, x)),
        numpy=call("special.beta"),
        numba=compiled_scalar("beta", 2),
        mpmath=mp.beta,
        ball=lambda x, y: x.gamma() * y.gamma() * (x + y).rgamma(),
        cost=3 * SPECIAL,
        domain=((0.2, 5), (0.2, 5)),
    ),
    Op(
        name="beta",
        doc="gamma(x)*gamma(y)/gamma(x + y)",
        arity=2,
        sympy=("beta",),
        partials=(lambda f, z, x, y: _beta_by(f, z, x, y), lambda f, z, x, y: _beta_by(f, z, y, x)),
        define=_beta,
        mpmath=mp.beta,
        ball=lambda x, y: x.gamma() * y.gamma() * (x + y).rgamma(),
        cost=6 * SPECIAL + 5 * ELEMENTARY,
        domain=((0.2, 5), (0.2, 5)),
    ),
    Op(
        name="beta1p",
        doc="x*beta(x, y) = gamma(1 + x)*gamma(y)/gamma(x + y)",
        arity=2,
        # Of digamma(x) - digamma(x + y) and 1/x the pole cancels.
        partials=(lambda f, z, x, y: z * f.digamma_difference(1 + x, y - 1), lambda f, z, x, y: _beta_by(f, z, y, x)),
        define=lambda f, x, y: f.select(f.lt(f.abs(x), Fraction(1, 10**290)), 1, x * f.beta(x, y)),
        mpmath=lambda x, y: mp.gamma(1 + x) * mp.gamma(y) * mp.rgamma(x + y),
        ball=lambda x, y: (1 + x).gamma() * y.gamma() * (x + y).rgamma(),
        cost=6 * SPECIAL + 5 * ELEMENTARY + 4,
        domain=((0.2, 5), (0.2, 5)),
    ),
    Op(
        name="beta_regular",
        doc="x*y/(x + y)*beta(x, y) = gamma(1 + x)*gamma(1 + y)/gamma(1 + x + y)",
        arity=2,
        partials=(
            lambda f, z, x, y: z * f.digamma_difference(1 + x, y),
            lambda f, z, x, y: z * f.digamma_difference(1 + y, x),
        ),
        define=_beta_regular,
        mpmath=lambda x, y: mp.gamma(1 + x) * mp.gamma(1 + y) * mp.rgamma(1 + x + y),
        ball=lambda x, y: (1 + x).gamma() * (1 + y).gamma() * (1 + x + y).rgamma(),
        cost=9 * SPECIAL + 5 * ELEMENTARY + 4,
        domain=((-0.4, 5), (-0.4, 5)),
    ),
)
