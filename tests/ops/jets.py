"""The oracle of the registry's accuracy: balls that carry their first and second derivatives.

A row's `ball` reference is evaluated over jets (value, gradient, Hessian, each entry a `flint.arb` ball), by the
textbook derivatives of elementary and special functions and the chain rule. It knows nothing of the rows' partials,
and stability is no concern here: where digits cancel, the ball says so, and the precision is doubled until the entry is
known to a thousandth of an ulp.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from flint import arb, ctx

START, MOST = 192, 6144
"""Bits at first and at most: cos(1e308) takes 1024 for the argument alone, a cancelled tail another 2148."""
LARGEST, SMALLEST = math.ldexp(1 - 2.0**-53, 1024), 5e-324

Derivatives = tuple[Any, Any]


def _trigamma(x: arb) -> arb:
    # psi1(1 - x) + psi1(x) = pi**2/sin(pi*x)**2 (DLMF 5.15.6)
    return arb(2).zeta(x) if x > 0 else (arb.pi() / x.sin_pi()) ** 2 - arb(2).zeta(1 - x)


def _tetragamma(x: arb) -> arb:
    # psi2 = -2*zeta(3, x), and the derivative of the reflection above
    if x > 0:
        return -2 * arb(3).zeta(x)
    return -2 * arb.pi() ** 3 * x.cot_pi() / x.sin_pi() ** 2 - 2 * arb(3).zeta(1 - x)


def _circle(x: arb, sign: int) -> Derivatives:
    r = (1 - x * x).rsqrt()
    return sign * r, sign * x * r**3


def _gamma(x: arb, v: arb) -> Derivatives:
    psi = x.digamma()
    return v * psi, v * (psi * psi + _trigamma(x))


def _rgamma(x: arb, v: arb) -> Derivatives:
    psi = x.digamma()
    return -v * psi, v * (psi * psi - _trigamma(x))


def _sinc(x: arb, v: arb) -> Derivatives:
    if x == 0:
        return arb(0), arb(-1) / 3
    first = (x.cos() - v) / x
    return first, -v - 2 * first / x


def _lambertw(x: arb, w: arb) -> Derivatives:
    first = 1 / (w.exp() * (1 + w))
    return first, -(first**2) * (2 + w) / (1 + w)


def _normal(x: arb, sign: int) -> Derivatives:
    first = sign * 2 / arb.pi().sqrt() * (-x * x).exp()
    return first, -2 * x * first


def _erfinv(x: arb, v: arb) -> Derivatives:
    first = arb.pi().sqrt() / 2 * (v * v).exp()
    return first, 2 * v * first**2


def _inverse(root: Callable[[arb], arb]) -> Callable[[arb, arb], Derivatives]:
    def derivatives(x: arb, v: arb) -> Derivatives:
        r = root(x).rsqrt()
        return r, -x * r**3

    return derivatives


NONE = (0, 0)
FIRST_AND_SECOND: dict[str, Callable[[arb, arb], Derivatives]] = {
    "exp": lambda x, v: (v, v),
    "expm1": lambda x, v: (x.exp(), x.exp()),
    "log": lambda x, v: (1 / x, -1 / x**2),
    "log1p": lambda x, v: (1 / (1 + x), -1 / (1 + x) ** 2),
    "sin": lambda x, v: (x.cos(), -v),
    "cos": lambda x, v: (-x.sin(), -v),
    "tan": lambda x, v: (x.sec() ** 2, 2 * v * x.sec() ** 2),
    "sec": lambda x, v: (v * x.tan(), v * (x.tan() ** 2 + v * v)),
    "csc": lambda x, v: (-v * x.cot(), v * (x.cot() ** 2 + v * v)),
    "cot": lambda x, v: (-(x.csc() ** 2), 2 * v * x.csc() ** 2),
    "asin": lambda x, v: _circle(x, 1),
    "acos": lambda x, v: _circle(x, -1),
    "atan": lambda x, v: (1 / (1 + x * x), -2 * x / (1 + x * x) ** 2),
    "sinh": lambda x, v: (x.cosh(), v),
    "cosh": lambda x, v: (x.sinh(), v),
    "tanh": lambda x, v: (x.sech() ** 2, -2 * v * x.sech() ** 2),
    "sech": lambda x, v: (-v * x.tanh(), v * (1 - 2 * v * v)),
    "csch": lambda x, v: (-v * x.coth(), v * (x.coth() ** 2 + v * v)),
    "coth": lambda x, v: (-(x.csch() ** 2), 2 * v * x.csch() ** 2),
    "asinh": _inverse(lambda x: 1 + x * x),
    "acosh": _inverse(lambda x: x * x - 1),
    "atanh": lambda x, v: (1 / (1 - x * x), 2 * x / (1 - x * x) ** 2),
    "sinc": _sinc,
    "rsqrt": lambda x, v: (-(v**3) / 2, 3 * v**5 / 4),
    "sqrt": lambda x, v: (1 / (2 * v), -1 / (4 * v**3)),
    "sgn": lambda x, v: NONE,
    "floor": lambda x, v: NONE,
    "ceil": lambda x, v: NONE,
    "erf": lambda x, v: _normal(x, 1),
    "erfc": lambda x, v: _normal(x, -1),
    "erfinv": _erfinv,
    "gamma": _gamma,
    "rgamma": _rgamma,
    "lgamma": lambda x, v: (x.digamma(), _trigamma(x)),
    "digamma": lambda x, v: (_trigamma(x), _tetragamma(x)),
    "lambertw": _lambertw,
}


class Jet:
    """A ball with its derivatives in so many variables; 0 stands for what vanishes identically."""

    __slots__ = ("first", "second", "value")

    def __init__(self, value: arb, first: list[Any], second: list[list[Any]]) -> None:
        self.value, self.first, self.second = value, first, second

    @classmethod
    def variable(cls, number: float, position: int, count: int) -> Jet:
        """Variable `position` of `count`; a position below zero makes a constant."""
        return cls(arb(number), [int(i == position) for i in range(count)], [[0] * count for _ in range(count)])

    def through(self, value: arb, first: Any, second: Any) -> Jet:
        """f(self), by f, f' and f'' here."""
        u, span = self.first, range(len(self.first))
        hessian = [[first * self.second[i][j] + second * u[i] * u[j] for j in span] for i in span]
        return Jet(value, [first * entry for entry in u], hessian)

    def with_other(self, other: Jet, value: arb, a: Any, b: Any, aa: Any, ab: Any, bb: Any) -> Jet:
        """f(self, other), by f, its gradient (a, b) and its Hessian (aa, ab, bb)."""
        u, v, span = self.first, other.first, range(len(self.first))
        hessian = [
            [
                a * self.second[i][j] + b * other.second[i][j]
                + aa * u[i] * u[j] + ab * (u[i] * v[j] + v[i] * u[j]) + bb * v[i] * v[j]
                for j in span
            ]
            for i in span
        ]  # fmt: skip
        return Jet(value, [a * u[i] + b * v[i] for i in span], hessian)

    def lift(self, number: Any) -> Jet:
        return number if isinstance(number, Jet) else self.through(arb(number), 0, 0)

    def __getattr__(self, name: str) -> Callable[[], Jet]:
        try:
            derivatives = FIRST_AND_SECOND[name]
        except KeyError:
            raise AttributeError(name) from None

        def function() -> Jet:
            value = getattr(self.value, name)()
            return self.through(value, *derivatives(self.value, value))

        return function

    def __add__(self, other: Any) -> Jet:
        other = self.lift(other)
        return self.with_other(other, self.value + other.value, 1, 1, 0, 0, 0)

    __radd__ = __add__

    def __neg__(self) -> Jet:
        return self.through(-self.value, -1, 0)

    def __sub__(self, other: Any) -> Jet:
        return self + -self.lift(other)

    def __rsub__(self, other: Any) -> Jet:
        return -self + other

    def __mul__(self, other: Any) -> Jet:
        other = self.lift(other)
        return self.with_other(other, self.value * other.value, other.value, self.value, 0, 1, 0)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Jet:
        other = self.lift(other)
        one = 1 / other.value
        return self * other.through(one, -one * one, 2 * one**3)

    def __rtruediv__(self, other: Any) -> Jet:
        return self.lift(other) / self

    def __abs__(self) -> Jet:
        return self.through(abs(self.value), self.value.sgn(), 0)

    def __pow__(self, other: Any) -> Jet:
        x = self.value
        if isinstance(other, int):
            return self.through(x**other, other * x ** (other - 1), other * (other - 1) * x ** (other - 2))
        if not any(other.first):
            y = other.value
            return self.through(x**y, y * x ** (y - 1), y * (y - 1) * x ** (y - 2))
        y, z, log = other.value, x**other.value, x.log()
        below = x ** (y - 1)
        return self.with_other(
            other, z, y * below, z * log, y * (y - 1) * x ** (y - 2), below * (1 + y * log), z * log * log
        )

    def __rpow__(self, number: Any) -> Jet:
        return self.lift(number) ** self

    def root(self, n: int) -> Jet:
        value = self.value.root(n)
        first = value / (n * self.value)
        return self.through(value, first, first * (arb(1) / n - 1) / self.value)

    def atan2(self, other: Jet) -> Jet:
        y, x = self.value, other.value
        square = x * x + y * y
        cross = 2 * x * y / square**2
        mixed = (y * y - x * x) / square**2
        return self.with_other(other, arb.atan2(y, x), x / square, -y / square, -cross, mixed, cross)

    def max(self, other: Any) -> Jet:
        other = self.lift(other)
        return self if self.value > other.value else other

    def min(self, other: Any) -> Jet:
        other = self.lift(other)
        return self if self.value < other.value else other

    def zeta(self, a: Jet) -> Jet:
        s = self.value
        return a.through(s.zeta(a.value), -s * (s + 1).zeta(a.value), s * (s + 1) * (s + 2).zeta(a.value))

    def _bessel(self, function: Callable[[arb, arb], arb], n: arb, sign: int, whole: int) -> Jet:
        # The derivative by DLMF 10.6.1 and 10.29.1, applied twice; three of the orders by their recurrence.
        grown = [-2 * sign * whole * (n + k) / self.value for k in (-1, 0, 1)]
        below, here = function(self.value, n - 1), function(self.value, n)
        lowest, above = sign * (here - grown[0] * below), grown[1] * here + sign * below
        highest = grown[2] * above + sign * here
        return self.through(here, whole * (below + sign * above) / 2, (lowest + 2 * sign * here + highest) / 4)

    def bessel_j(self, n: Jet) -> Jet:
        return self._bessel(arb.bessel_j, n.value, -1, 1)

    def bessel_y(self, n: Jet) -> Jet:
        return self._bessel(arb.bessel_y, n.value, -1, 1)

    def bessel_i(self, n: Jet) -> Jet:
        return self._bessel(arb.bessel_i, n.value, 1, 1)

    def bessel_k(self, n: Jet) -> Jet:
        return self._bessel(arb.bessel_k, n.value, 1, -1)


def _compared(relation: Callable[[Any, Any], bool]) -> Callable[[Jet, Any], bool]:
    return lambda self, other: relation(self.value, other.value if isinstance(other, Jet) else other)


for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Jet, f"__{_name}__", _compared(getattr(operator, _name)))


Rounded = tuple[float, float]
"""A number as the nearest double and what is left, in units of that double's last place."""
UNKNOWN: Rounded = (math.nan, math.nan)


def rounded(ball: Any) -> Rounded | None:
    """A ball as such a pair; None where it is too wide, UNKNOWN where it is no number at all."""
    if isinstance(ball, int):
        return float(ball), 0.0
    nearest = min(max(float(ball), -LARGEST), LARGEST)
    if nearest != nearest:
        return UNKNOWN
    unit = arb(math.ulp(nearest))
    left = (ball - nearest) / unit
    # What is far above the largest double need only be that; else to 2**-10 of an ulp.
    if abs(nearest) == LARGEST and float(abs(left).lower()) >= 100:
        return nearest, math.copysign(math.inf, nearest)
    return (nearest, float(left)) if float(left.rad()) <= 2.0**-10 else None


def _place(operand: int, active: tuple[int, ...]) -> int:
    return active.index(operand) if operand in active else -1


def exact(reference: Callable[..., Any], point: tuple[float, ...], active: tuple[int, ...]) -> list[Rounded]:
    """Value, gradient and upper triangle of the Hessian of a row's reference at a point, by its active operands."""
    count = len(active)
    found: list[Rounded | None] = [None] * (1 + count + count * (count + 1) // 2)
    previous, precision = ctx.prec, START
    try:
        while precision <= MOST and None in found:
            ctx.prec = precision
            operands = [
                number if isinstance(number, bool) else Jet.variable(number, _place(i, active), count)
                for i, number in enumerate(point)
            ]
            jet = operands[-1].lift(reference(*operands))
            balls = [jet.value, *jet.first, *[jet.second[i][j] for i in range(count) for j in range(i, count)]]
            found = [rounded(ball) if known is None else known for ball, known in zip(balls, found, strict=True)]
            if found[0] is UNKNOWN:
                break
            precision *= 2
    finally:
        ctx.prec = previous
    return [UNKNOWN if pair is None else pair for pair in found]
