"""The error function, of small arguments a polynomial in x*x, beyond 1 - exp(-x*x - P(x)), and its complement.

The polynomials are minimax (tests/benchmarks/minimax.py).
"""

from __future__ import annotations

from symbackprop.emit.maths_doubles import Doubles, added, divided, fast_added, multiplied
from symbackprop.emit.maths_exponential import exp_inside, exp_times

# erf(x)/x - 1 + 3/8*x*x in x*x, for |x| <= 1, to 2**-55.9. The coefficient of x*x is -0.376: with the rounding of such
# a number, and of what it is added to, the result has 1.17 ulp at 1.
_NEAR = [
    -7.801188870445835e-10, 1.3722976263826264e-08, -1.620917591122458e-07, 1.6447517677797258e-06,
    -1.4924744663328821e-05, 0.00012055295320493906, -0.0008548325989696743, 0.005223977607423468,
    -0.02686617064327622, 0.11283791670945253, -0.0011263890318354663, 0.12837916709551256,
]  # fmt: skip
# -log(exp(x*x)*erfc(x)) in x - 2, for x from 0.87 to 6; with the rest of the constant erfc is right to 2**-58.
_LOG = [
    -2.0174563094480166e-14, 3.2852894433985587e-13, -2.3931913403552762e-12, 1.0510406817484818e-11,
    -3.016081300472045e-11, 3.574760594068158e-11, 2.571340467234107e-10, -2.5193519463241973e-09,
    1.3976046225322813e-08, -5.782140923241671e-08, 1.7318000021744788e-07, -2.0362797437734504e-07,
    -1.95217883559424e-06, 2.070642891326139e-05, -0.00013530933950647574, 0.0007323993858256004,
    -0.003570756345498666, 0.01646511813692906, -0.07624915817622176, 0.41816080599441424, 1.3649412646166377,
]  # fmt: skip
_LOG_LOW = -1.0642075917820981e-16
# (1 + 2x)*exp(x*x)*erfc(x) in t = (x - 15/4)/(x + 15/4), for x from 1/2 to 27.5, to 2**-57; the constant in two parts.
_TAIL = [
    -3.8703098801139184e-09, -2.823280380291487e-09, 3.709702273453778e-08, 2.216152111115178e-08,
    -2.5782387797906987e-07, -5.657731398935021e-08, 1.7516147745598582e-06, -9.73694041562533e-07,
    -1.144438187491715e-05, 2.2384188398239264e-05, 5.164924543939098e-05, -0.0002901540385028147,
    0.00029371362069921026, 0.0017556258405405857, -0.009746579550217713, 0.02836227742083943,
    -0.05869339859039567, 0.09230432116022935, -0.10880393014171197, 0.08227673849015038, 0.003585415485463741,
    -0.14024059858554702,
]  # fmt: skip
_TAIL_HIGH, _TAIL_LOW = 1.2375126308378275, 1.0526781559492953e-16


def _near(d: Doubles, x: str) -> str:
    """erf(x)/x - 1 up to 1."""
    z = d.mul(x, x)
    rest = d.fma(z, d.const(-0.375), d.const(_NEAR[-1]))
    return d.fma(z, d.polynomial(z, _NEAR[:-1]), rest)


def erf(d: Doubles, x: str) -> str:
    size = d.abs(x)
    large = d.compare("ogt", size, d.const(0.92))
    return d.sign_of(d.by_case(large, lambda: _far(d, size), lambda: d.fma(size, _near(d, size), size)), x)


def _far(d: Doubles, size: str) -> str:
    """erf beyond 0.92. From 5.93 on the nearest double is 1."""
    capped = d.choose(d.compare("olt", size, d.const(6.0)), size, d.const(6.0))
    # The logarithm in two parts: in one the result has 1.27 ulp at 1. Differences with 2 are exact.
    square, square_lost = multiplied(d, capped, capped)
    total, lost = fast_added(d, square, d.polynomial(d.sub(capped, d.const(2.0)), _LOG))
    low = d.add(d.add(square_lost, d.const(_LOG_LOW)), lost)
    power, beyond = exp_inside(d, d.negative(total), d.negative(low))
    return d.fma(d.negative(power), beyond, d.sub(d.const(1.0), power))


def erfc(d: Doubles, x: str) -> str:
    large = d.compare("ogt", d.abs(x), d.const(0.65))
    return d.by_case(large, lambda: _complement_far(d, x), lambda: _complement_near(d, x))


def _complement_near(d: Doubles, x: str) -> str:
    """1 - erf(x)."""
    near, lost = fast_added(d, d.const(1.0), d.negative(x))
    return d.add(near, d.sub(lost, d.mul(x, _near(d, x))))


def _complement_far(d: Doubles, x: str) -> str:
    """erfc beyond 0.65, and 2 - erfc(-x) on the other side. From 27.3 on the nearest double is 0."""
    size, highest, lowest = d.abs(x), d.const(28.0), d.const(0.5)
    held = d.choose(d.compare("olt", size, highest), size, highest)
    tail = _tail(d, d.choose(d.compare("ogt", held, lowest), held, lowest))
    return d.choose(d.compare("olt", x, d.const(0.0)), d.sub(d.const(2.0), tail), tail)


def _tail(d: Doubles, x: str) -> str:
    """erfc(x) for x from 1/2 to 28: exp(-x*x)*P(t)/(1 + 2x), each factor in two parts."""
    centre = d.const(3.75)
    t = d.div(d.sub(x, centre), d.add(x, centre))
    top, top_lost = fast_added(d, d.const(_TAIL_HIGH), d.mul(t, d.polynomial(t, _TAIL)))
    bottom = added(d, d.add(x, x), d.const(1.0))
    quotient, quotient_lost = divided(d, (top, d.add(top_lost, d.const(_TAIL_LOW))), bottom)
    square, square_lost = multiplied(d, x, x)
    return exp_times(d, (d.negative(square), d.negative(square_lost)), (quotient, quotient_lost))
