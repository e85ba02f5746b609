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

from symbackprop.ir import Value
from symbackprop.ir.interpret import number_to_mpmath
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import CONST
from symbackprop.passes.limits import ENDING_AT_ONE, Step, centres, is_of_logarithms, orders_of, point, values_at

_ADD, _SUB, _MUL, _DIV = (REGISTRY[name] for name in ("add", "sub", "mul", "div"))
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
_ONE_SIDED = ENDING_AT_ONE | {REGISTRY[name] for name in ("sqrt", "sqrt_slope", "pow")}
_CHECKS = 32
_NOISE = mp.mpf(10) ** -40
_ROUNDED, _LONG = mp.mpf(10) ** -35, 10**30
"""What is left of coefficients that cancel but for the rounding of constants, which have 40 digits and more."""
_TRUNCATION = mp.mpf(2) ** -56
# The radius of use is the largest of these that MOST_TERMS terms serve. Beyond 2 no cancellation is left to speak of.
_REACHES = tuple(Fraction(k, 64) for k in (*range(128, 0, -8), 4, 1))


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
    """1 where the expression has values for t >= 0 alone, as cos(sqrt(u)) and log(sinh(u)) - log(u) at 0; -1 where it
    has them for t <= 0.
    """


@lru_cache(maxsize=4096)
def series_of(steps: tuple[Step, ...], last: bool = False) -> Series | None:
    """The series of an expression where it cancels; None where it does not, or has none.

    The `last` derivative is not derived again: a product of what vanishes far out and what grows there has all digits,
    and twenty terms for it would only be read. So has one of roots, sin(sqrt(u))/sqrt(u), but at 0.
    """
    with mp.workdps(DIGITS):
        for centre in centres(steps):
            if last and centre is None and steps[-1][0] is _MUL:
                continue
            orders = orders_of(steps, centre)
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


def others_of(steps: tuple[Step, ...], series: Series) -> Iterator[Series]:
    """Series at other points, of what has one at a number that is not 0: cos(pi*u/2)/(1 - u**2) at -1 and 1."""
    if not series.centre or steps[-1][0] is not _DIV:
        return
    with mp.workdps(DIGITS):
        for centre in centres(steps):
            if centre not in (None, series.centre) and orders_of(steps, centre) is not None:
                found = _coefficients(steps, centre, None, CIRCLES[0])
                other = None if found is None else _best(steps, centre, found)
                if other is not None:
                    yield other


def _best(steps: tuple[Step, ...], centre: Fraction | None, coefficients: list[Any]) -> Series | None:
    usable = _short_of_zero(_usable(centre, None, coefficients))
    plain = _checked(steps, usable)
    singularity = _singularity(coefficients)
    if singularity is None or (plain is not None and plain.radius >= 1):
        return plain
    bent = _coefficients(steps, centre, singularity, CIRCLES[0])
    return plain if bent is None else _checked(steps, _short_of_zero(_usable(centre, singularity, bent))) or plain


def _checked(steps: tuple[Step, ...], series: Series | None) -> Series | None:
    """The series as far as it is the real expression: that may change branch, or end, inside the circle of convergence.

    asin(sin(u)) is u to all orders at 0, and pi - u beyond pi/2; cos(sqrt(u)) has a series at 0, and no value below.
    """
    if series is None:
        return None
    found = _reaching(steps, series, (1, -1))
    one_sided = is_of_logarithms(steps) or any(step[0] in _ONE_SIDED for step in steps)
    if found is None and series.singularity is None and series.centre is not None and one_sided:
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
    values = values_at(steps, point(series.centre, w, series.singularity))
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
        values = values_at(steps, point(centre, size * roots[2 * k + 1], singularity))
        if values is None:
            return None
        samples.append(mp.mpc(values[len(steps) - 1]))

    if is_of_logarithms(steps):
        samples = _unwound(samples)
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


def _unwound(samples: list[Any]) -> list[Any]:
    """Values along a half circle from the axis on, without the jumps of logarithms at their cuts: 3*log(t) is no
    logarithm of t**3 where that has gone round.
    """
    turn, last = 2 * mp.pi, mp.mpf(0)
    unwound = []
    for sample in samples:
        last = sample.imag + turn * mp.nint((last - sample.imag) / turn)
        unwound.append(mp.mpc(sample.real, last))
    return unwound


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


def _short_of_zero(series: Series | None) -> Series | None:
    """Not as far as u = 0 where the function or its slope vanishes: a polynomial in u - 1 has not their digits."""
    if series is None or not series.centre:
        return series
    away = -series.centre
    if series.singularity is not None:
        if away + 2 * series.singularity == 0:
            return series
        away /= away + 2 * series.singularity
    terms = [c * away**k for k, c in enumerate(series.coefficients)]
    slopes = [k * term for k, term in enumerate(terms)]
    if abs(away) >= series.radius or not (_vanishes(terms) or _vanishes(slopes)):
        return series
    smaller = [radius for radius in _REACHES if radius <= abs(away) / 2]
    return replace(series, radius=smaller[0]) if smaller else None


def _vanishes(terms: list[Fraction]) -> bool:
    """Whether a sum is nothing beside its terms."""
    return 1000 * abs(sum(terms, start=Fraction(0))) < sum(map(abs, terms), start=Fraction(0))


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
