"""Taylor series of expressions in one variable, by Cauchy's integral, and how far they may be used.

The expression is evaluated to 130 digits on a circle around u0; the trapezoidal rule gives its Laurent coefficients
with an error that falls geometrically (Lyness and Moler, SIAM J. Numer. Anal. 4, 1967). If none of a negative power is
left, the function is analytic inside, however its formula fails at u0 itself. u0 is 0, a number that u is compared with
by a subtraction, or infinity, where the series is one in 1/u.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

import mpmath as mp
from mpmath.libmp import NoConvergence

from symbackprop.ir import Value
from symbackprop.ir.interpret import number_to_mpmath
from symbackprop.ops import REGISTRY, Op
from symbackprop.ops.leaves import CONST

_ADD, _SUB, _MUL, _DIV, _POW1P = (REGISTRY[name] for name in ("add", "sub", "mul", "div", "pow1p"))
RATIONAL = frozenset({CONST, *(REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "pow"))})
_NO_VALUE = (
    ValueError,
    ZeroDivisionError,
    OverflowError,
    TypeError,
    AttributeError,
    NotImplementedError,
    NoConvergence,
)
# The circle is small and the digits are many, so that one circle tells all: power k is known to 130 - 1.2*k digits, and
# a singularity 4 radii away leaves (1/4)**128 = 1e-77.
DIGITS = 130
_BITS = 500
"""More than 130 digits have."""
CIRCLES = (Fraction(1, 16), Fraction(1, 256))
POINTS = 128
MOST_POWERS = 80
MOST_TERMS = 40
_NEGATIVE_POWERS = 8
_NEXT_TO = Fraction(1, 2**30)
"""Within this of a point the fourth term of a series is nothing beside the first, if its coefficient is not large."""
_AT_ONE = frozenset(REGISTRY[name] for name in ("asin", "acos", "asin_slope", "acosh"))
"""Rows that end like a root at 1 or -1."""
_ONE_SIDED = _AT_ONE | {REGISTRY[name] for name in ("sqrt", "sqrt_slope", "pow")}
_LARGEST = 1000
_CHECKS = 32
_NOISE = mp.mpf(10) ** -40
_ROUNDED, _LONG = mp.mpf(10) ** -35, 10**30
"""What is left of coefficients that cancel but for the rounding of constants, which have 40 digits and more."""
_TRUNCATION = mp.mpf(2) ** -56
# The radius of use is the largest of these that MOST_TERMS terms serve. Beyond 2 no cancellation is left to speak of.
_REACHES = tuple(Fraction(k, 64) for k in (*range(128, 0, -8), 4, 1))

Step = tuple[Any, ...]
"""An operation, its attributes, and for each operand its position among the steps, or -1 for the variable."""


@dataclass(frozen=True, slots=True)
class Series:
    """c0 + c1*w + c2*w**2 + ... for |w| < radius.

    With t = u - centre, or 1/u where the centre is None (infinity), w is t; or t/(t + 2*a) where the function has a
    singularity at t = -a on the axis: in w it is as far away as infinity, and log(1 + t)/t is served from -0.55 to 1.2
    instead of to 0.38.
    """

    centre: Fraction | None
    singularity: Fraction | None
    coefficients: tuple[Fraction, ...]
    radius: Fraction
    side: int = 0
    """1 where the expression has values for t >= 0 alone, as cos(sqrt(u)), -1 where it has them for t <= 0."""


@lru_cache(maxsize=4096)
def series_of(steps: tuple[Step, ...], last: bool = False) -> Series | None:
    """The series of an expression where it cancels; None where it does not, or has none.

    The `last` derivative is not derived again: a product of what vanishes far out and what grows there has all digits,
    and twenty terms for it would only be read. So has one of roots, sin(sqrt(u))/sqrt(u), but at 0.
    """
    with mp.workdps(DIGITS):
        for centre in _centres(steps):
            if last and centre is None and steps[-1][0] is _MUL:
                continue
            orders = _orders(steps, centre)
            if orders is None:
                continue
            for radius in CIRCLES:
                found = _coefficients(steps, centre, None, radius)
                if found is not None:
                    of_roots = any(order != int(order) for order in orders)
                    if of_roots and last and steps[-1][0] not in (_ADD, _SUB):
                        return _checked(steps, _at_the_point(centre, found))
                    return _best(steps, centre, found)
    return None


def _at_the_point(centre: Fraction | None, coefficients: list[Any]) -> Series | None:
    """Three terms, as far as these serve a Hessian, too."""
    if not coefficients[0] or mp.mag(coefficients[3]) > mp.mag(coefficients[0]) + 8:
        return None
    return Series(centre, None, tuple(_rational(value) for value in coefficients[:3]), _NEXT_TO)


def _best(steps: tuple[Step, ...], centre: Fraction | None, coefficients: list[Any]) -> Series | None:
    plain = _checked(steps, _usable(centre, None, coefficients))
    singularity = _singularity(coefficients)
    if singularity is None or (plain is not None and plain.radius >= 1):
        return plain
    bent = _coefficients(steps, centre, singularity, CIRCLES[0])
    return plain if bent is None else _checked(steps, _usable(centre, singularity, bent)) or plain


def _checked(steps: tuple[Step, ...], series: Series | None) -> Series | None:
    """The series as far as it is the real expression: that may change branch, or end, inside the circle of convergence.

    asin(sin(u)) is u to all orders at 0, and pi - u beyond pi/2; cos(sqrt(u)) has a series at 0, and no value below.
    """
    if series is None:
        return None
    found = _reaching(steps, series, (1, -1))
    if found is None and series.singularity is None and any(step[0] in _ONE_SIDED for step in steps):
        for side in (1, -1):
            found = found or _reaching(steps, replace(series, side=side), (side,))
    return found


def _reaching(steps: tuple[Step, ...], series: Series, sides: tuple[int, ...]) -> Series | None:
    """The series with the radius in which it is the expression on these sides."""
    reach = series.radius
    with mp.workdps(40):
        size = mp.fsum(
            abs(number_to_mpmath(c)) * number_to_mpmath(reach) ** k for k, c in enumerate(series.coefficients)
        )
        for k in range(1, _CHECKS + 1):
            w = number_to_mpmath(reach) * k / _CHECKS
            for side in sides:
                if not _is_value(steps, series, side * w, size * _TRUNCATION * 16):
                    smaller = [radius for radius in _REACHES if number_to_mpmath(radius) <= w * (k - 1) / k]
                    return replace(series, radius=smaller[0]) if k > 1 and smaller else None
    return series


def _is_value(steps: tuple[Step, ...], series: Series, w: Any, tolerance: Any) -> bool:
    """Whether the polynomial is the expression's real value at w."""
    values = _values(steps, _point(series.centre, w, series.singularity))
    if values is None or any(isinstance(value, mp.mpc) for value in values):
        return False
    total = mp.mpf(0)
    for coefficient in reversed(series.coefficients):
        total = total * w + number_to_mpmath(coefficient)
    return bool(abs(total - values[len(steps) - 1]) <= tolerance)


def _singularity(coefficients: list[Any]) -> Fraction | None:
    """The distance -a of a singularity on the axis, which the last coefficients show: c[k]/c[k + 1] tends to it."""
    last = coefficients[-3:]
    if not all(last):
        return None
    one, other = last[0] / last[1], last[1] / last[2]
    if abs(one - other) > abs(other) / 100:
        return None
    eighths = int(mp.nint(-8 * other))
    return Fraction(eighths, 8) if 1 <= abs(eighths) <= 64 else None


def _centres(steps: tuple[Step, ...]) -> Iterator[Fraction | None]:
    """Where an expression may cancel."""
    seen = {Fraction(0)}
    yield Fraction(0)
    for op, _, *operands in steps:
        if op in (_ADD, _SUB) and -1 in operands:
            other = operands[1] if operands[0] == -1 else operands[0]
            number = steps[other][1] if other >= 0 and steps[other][0] is CONST else None
            if isinstance(number, Fraction):
                centre = number if op is _SUB else -number
                if centre not in seen:
                    seen.add(centre)
                    yield centre
        if op in _AT_ONE and operands == [-1]:
            yield from {Fraction(1), Fraction(-1)} - seen
            seen |= {Fraction(1), Fraction(-1)}
    # Quotients of polynomials have shares of their own at infinity, see `passes.quotients`.
    if any(step[0] not in RATIONAL for step in steps):
        yield None


def _values(steps: tuple[Step, ...], u: Any) -> list[Any] | None:
    """The value of each step at u, and of u last; None where one has none."""
    values: list[Any] = []
    for op, attributes, *operands in steps:
        value = value_of(op, attributes, [u if operand < 0 else values[operand] for operand in operands])
        if value is None:
            return None
        values.append(value)
    return [*values, u]


def value_of(op: Op, attributes: Any, operands: list[Any]) -> Any:
    """A row over numbers of mpmath; None where it has no value."""
    if op.mpmath is None and op is not CONST:
        return None
    try:
        value = op.mpmath(*operands) if op.mpmath is not None else number_to_mpmath(attributes)
    except _NO_VALUE:
        return None
    # Of a number with a thousand digits before the point mpmath would compute the sine, with as many digits of pi.
    return value if mp.isfinite(value) and mp.mag(value) <= _LARGEST else None


def _point(centre: Fraction | None, t: Any, singularity: Fraction | None = None) -> Any:
    if singularity is not None:
        # w = t/(t + 2*a), solved for t.
        t = 2 * number_to_mpmath(singularity) * t / (1 - t)
    return 1 / t if centre is None else number_to_mpmath(centre) + t


def _orders(steps: tuple[Step, ...], centre: Fraction | None) -> list[Any] | None:
    """The orders to which the last step and its operands vanish where it is 0/0, 0*inf or 1**inf, or a sum that
    vanishes faster than its terms; None where it is neither.

    The power of t with which a value goes to 0 is read off two points; one that is no half of a whole number is none.
    """
    near, nearer = (_values(steps, _point(centre, mp.mpf(10) ** -digits)) for digits in (8, 12))
    if near is None or nearer is None:
        return None
    op, _, *operands = steps[-1]
    orders = []
    for place in (len(steps) - 1, *operands):
        if near[place] == 0 or nearer[place] == 0:
            return None
        order = mp.log(abs(nearer[place] / near[place])) / mp.log(mp.mpf(10) ** -4)
        # sin(sqrt(x))/sqrt(x) has a series, of factors that have none.
        orders.append(mp.nint(2 * order) / 2)
        if abs(order - orders[-1]) > 1e-3:
            return None
    own, a, b = orders
    if own < 0:
        return None
    if op is _POW1P:
        return orders if a > 0 > b else None
    cancels = a * b > 0 if op is _DIV else a * b < 0 if op is _MUL else own > min(a, b)
    return orders if cancels else None


@cache
def _roots_of_unity() -> list[Any]:
    """exp(i*pi*k/POINTS)."""
    with mp.workdps(DIGITS + 10):
        return [mp.expjpi(mp.mpf(k) / POINTS) for k in range(2 * POINTS)]


def _coefficients(
    steps: tuple[Step, ...], centre: Fraction | None, singularity: Fraction | None, radius: Fraction
) -> list[Any] | None:
    """Taylor coefficients at the centre, from a circle; None where the expression is not analytic inside."""
    size, roots = number_to_mpmath(radius), _roots_of_unity()
    # Half of a circle, and no point on the axis, where branch cuts run; the other half is conjugate.
    samples = []
    for k in range(POINTS // 2):
        values = _values(steps, _point(centre, size * roots[2 * k + 1], singularity))
        if values is None:
            return None
        samples.append(mp.mpc(values[len(steps) - 1]))

    scaled = _transform(samples)
    found = [scaled(power) for power in range(MOST_POWERS)]
    largest = max(map(abs, found))
    if not largest or any(abs(scaled(-power)) > _NOISE * largest for power in range(1, _NEGATIVE_POWERS)):
        return None
    noise = mp.mpf(10) ** (10 - DIGITS) * largest
    if any(step[0] is CONST and _is_rounded(step[1]) for step in steps):
        # log(2) - softplus(-2*x) is no 6e-43 at 0.
        least = _ROUNDED * largest
        first = next(power for power, value in enumerate(found) if abs(value) > least)
        found[:first] = [mp.mpf(0)] * first
    return [value / size**power if abs(value) > noise else mp.mpf(0) for power, value in enumerate(found)]


def _is_rounded(number: Any) -> bool:
    """Whether this is no number of the user's but log(2), or another to 40 digits."""
    return isinstance(number, Fraction) and abs(number.numerator) > _LONG < number.denominator


def _transform(samples: list[Any]) -> Callable[[int], Any]:
    """The coefficients, times a power of the radius, from values on half a circle.

    In whole numbers, of which the largest value has all bits: mpmath's took 0.1 s for a series, a tenth of it is left.
    """
    top = max((mp.mag(part) for sample in samples for part in (sample.real, sample.imag) if part), default=0)
    scale = mp.mpf(2) ** (_BITS - top)
    values = [(int(mp.nint(sample.real * scale)), int(mp.nint(sample.imag * scale))) for sample in samples]
    roots = _whole_roots()

    def scaled(power: int) -> Any:
        total = 0
        for k, (real, imaginary) in enumerate(values):
            root = roots[-power * (2 * k + 1) % (2 * POINTS)]
            total += real * root[0] - imaginary * root[1]
        return mp.ldexp(mp.mpf(total), top - 2 * _BITS) * 2 / POINTS

    return scaled


@cache
def _whole_roots() -> list[tuple[int, int]]:
    """The roots of unity times 2**_BITS."""
    with mp.workdps(DIGITS + 30):
        scale = mp.mpf(2) ** _BITS
        points = [mp.expjpi(mp.mpf(k) / POINTS) * scale for k in range(2 * POINTS)]
        return [(int(mp.nint(point.real)), int(mp.nint(point.imag))) for point in points]


def _usable(centre: Fraction | None, singularity: Fraction | None, coefficients: list[Any]) -> Series | None:
    """The polynomial of so many terms, and the largest radius in which the rest is below half an ulp of it.

    Each term of the rest counts (k + 1)**2 times, as its second derivative does, which users take, too.
    """
    filled = [power for power, value in enumerate(coefficients) if value]
    for radius in _REACHES:
        reach = number_to_mpmath(radius)
        sizes = {power: abs(coefficients[power]) * reach**power * (power + 1) ** 2 for power in filled}
        enough = _TRUNCATION * abs(coefficients[filled[0]]) * reach ** filled[0]
        rest, last = mp.mpf(0), filled[-1] + 1
        for power in reversed(filled):
            if rest + sizes[power] > enough:
                break
            rest, last = rest + sizes[power], power
        kept = [power for power in filled if power < last]
        # Terms that were not computed are smaller than the last ones, if these fall; after a dozen zeros are none.
        ends = filled[-1] < MOST_POWERS - 12 or sizes[filled[-1]] <= enough / MOST_POWERS
        if kept and len(kept) <= MOST_TERMS and ends:
            return Series(
                centre, singularity, tuple(_rational(value) for value in coefficients[: kept[-1] + 1]), radius
            )
    return None


def _rational(number: Any) -> Fraction:
    """The simple fraction that a coefficient is, if it is one; else its double."""
    exact = Fraction(int(mp.nint(number * mp.mpf(2) ** 200)), 2**200)
    simple = exact.limit_denominator(10**9)
    return simple if abs(exact - simple) <= Fraction(1, 10**20) * abs(exact) else Fraction(float(number))


def chosen(u: Value, series: Series, direct: Value, factor: Value | None = None) -> Value:
    """The series in u, times a factor, where it may be used, and the direct form elsewhere."""
    polynomial, is_near = near(u, series)
    return u.f.select(is_near, polynomial if factor is None else factor * polynomial, direct)


def near(u: Value, series: Series) -> tuple[Value, Value]:
    """The series in u, and where it may be used."""
    f = u.f
    shifted = u - series.centre if series.centre else u
    t = 1 / u if series.centre is None else shifted
    if series.singularity is not None:
        t = t / (t + 2 * series.singularity)
    polynomial = f.polynomial(series.coefficients, t)
    f.builder.label(polynomial.index, "series")
    is_near = f.lt(f.abs(t), f.const(series.radius))
    if not series.side:
        return polynomial, is_near
    return polynomial, f.logical_and(f.ge(t, 0) if series.side > 0 else f.le(t, 0), is_near)
