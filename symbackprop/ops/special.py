"""Special functions, all from SciPy; the standard library serves target python where it has them.

Numba calls SciPy's compiled scalar functions through the addresses that `scipy.special.cython_special` publishes.
The three functions that it does not publish (zeta, polygamma, LambertW) are called back through Python there, about
2 us a call.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any

import mpmath as mp
import numpy as np

from symbackprop.ops.row import DIVISION, ELEMENTARY, SPECIAL, Op, Spelling, call, helper
from symbackprop.ops.scipy import special


def _erfcs(x: Any) -> Any:
    """The complementary error function; SciPy's own errs by 250 ulp to the right, and is 0 where it is denormal."""
    # erfcx(x)*exp(-x*x), the square in two parts: that of a number of 25 bits, exactly, and the rest.
    x = np.asarray(x)
    tail = np.clip(x, 0.5, 30.0)
    high = (tail + 6442450944.0) - 6442450944.0
    small = special.erfcx(tail) * np.exp(-high * high) * np.exp((high - tail) * (high + tail))
    return np.where(x < 0.5, special.erfc(x), small)[()]


def _compiled(name: str, arity: int) -> Any:
    """SciPy's compiled scalar function of this name, as a pointer that Numba can call."""
    import ctypes

    from numba.extending import get_cython_function_address
    from scipy.special import cython_special

    # A function over several types is published once a type; the right one says "double (double, ...".
    start = f'"double ({", ".join(["double"] * arity)}'
    for symbol in (name, f"__pyx_fuse_0{name}", f"__pyx_fuse_1{name}"):
        if start in str(cython_special.__pyx_capi__.get(symbol, "")):
            address = get_cython_function_address("scipy.special.cython_special", symbol)
            # The last argument is Cython's own: skip the dispatch on Python overrides.
            signature = ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_double] * arity, ctypes.c_int)
            return signature(address)
    raise ImportError(f"this SciPy publishes no compiled scalar {name}")


def _called_back(function: Any, arity: int) -> Any:
    """A function of SciPy's, called back through Python: it publishes no compiled scalar form."""
    import ctypes

    from numpy import errstate

    def scalar(*arguments: float) -> float:
        with errstate(all="ignore"):
            result = complex(function(*arguments))
        return result.real if result.imag == 0.0 else float("nan")

    return ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_double] * arity)(scalar)


def _zetas(s: Any, a: Any) -> Any:
    """The Hurwitz zeta function for s > 1."""
    # SciPy counts up from a negative a, and never ends from -5e11. There the function at 1 - a is the left half of the
    # sum of (a + k)**-s over all integers k, which is a polynomial in cot(pi*a) (DLMF 25.11.1, 4.22.3).
    s, a = np.broadcast_arrays(s, a)
    left = (a < 0) & (a > -np.inf) & (s == np.floor(s)) & (s > 1) & (s < np.inf)
    value = np.asarray(special.zeta(s, np.where(left, 1.0 - a, a)))
    for order in np.unique(s[left]):
        at = left & (s == order)
        value[at] = _over_integers(order, a[at]) - (1.0 - 2.0 * (order % 2.0)) * value[at]
    return value[()]


def _over_integers(order: float, a: Any) -> Any:
    """The sum of (a + k)**-order over all integers k: all its terms as a polynomial in the cotangent are positive."""
    rest = a - np.floor(a + 0.5)
    # At a pole, and where the result overflows, it is infinite.
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        if order > 24.0:
            # The nearest three terms are all of it: 3**-25 is 1e-12, 5**-25 below an ulp.
            return rest**-order + (rest - 1.0) ** -order + (rest + 1.0) ** -order
        near_half = np.abs(rest) > 0.25
        tangent = np.tan(np.pi * np.where(near_half, np.copysign(0.5, rest) - rest, rest))
        cotangent = np.where(near_half, tangent, 1.0 / tangent)
        coefficients = np.array([0.0, 1.0])
        for k in range(1, int(order)):
            coefficients = (
                np.polynomial.polynomial.polymul(np.polynomial.polynomial.polyder(coefficients), [1, 0, 1]) / k
            )
        total = coefficients[-1] + 0.0 * rest
        for coefficient in coefficients[-2::-1]:
            total = total * cotangent + coefficient
        return np.pi**order * total


def compiled_scalar(name: str, arity: int) -> Spelling:
    """Spell a row as a call of SciPy's compiled scalar function of this name."""
    return Spelling(f"_{name}", helper=_compiled, binding=f'_compiled("{name}", {arity})', trailing="0")


def callback(name: str, arity: int, function: str, *uses: Callable[..., Any]) -> Spelling:
    """Spell a row as a call, through Python, of a function of SciPy's or of one of those in `uses`."""
    return Spelling(f"_{name}", helper=_called_back, binding=f"_called_back({function}, {arity})", uses=uses)


def _bell(f: Any, x: Any) -> Any:
    # The rounding of x*x, which the exponential would amplify up to 745 times, is found and made up for: x is taken
    # apart into 25 bits, whose square is exact, and a rest. Beyond 64 the result is 0 whatever the rest.
    size = f.minimum(f.abs(x), 64)
    square = size * size
    high = (size + _CUT) - _CUT
    lost = (high * high - square) + (size - high) * (size + high)
    return f.exp(-(square / 2)) * (1 - lost / 2)


def _erfinv_slope(f: Any, x: Any) -> Any:
    # sqrt(pi)/2*exp(z*z) amplifies the error of z = erfinv(x) up to 70 times. But erfc(|z|) is 1 - |x|, and so it is
    # sqrt(pi)/2*erfcx(|z|)/(1 - |x|), which does not; in the middle SciPy's erfcx errs by 8 ulp, and exp(z*z) serves.
    z = f.abs(f.erfinv(x))
    outer = f.const(_HALF_ROOT_PI) * f.erfcx(z) / (1 - f.abs(x))
    return f.select(f.lt(z, 0.6), f.const(_HALF_ROOT_PI) * f.exp(z * z), outer)


def _erfcinv(x: Any) -> Any:
    # 1 - x keeps x only with as many digits more as x is small.
    with mp.extraprec(max(0, -int(mp.mag(x)) if x else 0)):
        return mp.erfinv(1 - x)


@cache
def _erfinv_coefficients(precision: int) -> tuple[Any, ...]:
    """Of erfinv(2*t/sqrt(pi))/t in t*t (DLMF 7.17.2 and 7.17.3)."""
    with mp.workprec(precision):
        found = [mp.mpf(1)]
        for k in range(1, _ERFINV_TERMS):
            found.append(sum(found[m] * found[k - 1 - m] / ((m + 1) * (2 * m + 1)) for m in range(k)))
        return tuple(c / (2 * k + 1) for k, c in enumerate(found))


def _erfinv_mp(x: Any) -> Any:
    """Near 0 by its series, which takes complex numbers as well; mpmath's function takes none."""
    if 5 * abs(x) >= 1:
        return mp.erfinv(x)
    with mp.extraprec(20):
        t = x * mp.sqrt(mp.pi) / 2
        value = mp.polyval(_erfinv_coefficients(mp.mp.prec)[::-1], t * t) * t
    return +value


def no_order(name: str) -> str:
    """Why a derivative in the order is missing."""
    return f"the derivative of {name} in its order has no closed form; only its argument can be differentiated"


# Added and subtracted, it leaves of a number below 64 what is a multiple of 2**-20.
_CUT = 3 * 2**31
_TWO_OVER_ROOT_PI = Fraction("1.1283791670955125738961589031215451716881012586580")
_HALF_ROOT_PI = Fraction("0.88622692545275801364908374167057259139877472806119")
# At 1/5 the first omitted term is 1e-130 of the sum, at 1/16 1e-200.
_ERFINV_TERMS = 90

ROWS = (
    Op(
        name="erf",
        doc="error function",
        sympy=("erf",),
        partials=(lambda f, z, x: f.const(_TWO_OVER_ROOT_PI) * f.bell(x) * f.bell(x),),
        python=call("math.erf"),
        numpy=call("special.erf"),
        numba=call("math.erf"),
        mpmath=mp.erf,
        ball=lambda x: x.erf(),
        cost=ELEMENTARY,
        domain=((-3, 3),),
    ),
    Op(
        name="erfc",
        doc="complementary error function 1 - erf(x)",
        sympy=("erfc",),
        partials=(lambda f, z, x: f.const(-_TWO_OVER_ROOT_PI) * f.bell(x) * f.bell(x),),
        python=call("math.erfc"),
        numpy=helper(_erfcs),
        numba=call("math.erfc"),
        mpmath=mp.erfc,
        ball=lambda x: x.erfc(),
        cost=ELEMENTARY,
        domain=((-3, 3),),
    ),
    Op(
        name="bell",
        doc="exp(-x*x/2)",
        partials=(lambda f, z, x: -(x * z),),
        define=_bell,
        mpmath=lambda x: mp.exp(-x * x / 2),
        ball=lambda x: (-x * x / 2).exp(),
        cost=ELEMENTARY + 17,
        domain=((-4, 4),),
    ),
    Op(
        name="erfcx",
        doc="exp(x*x) * erfc(x)",
        partials=(lambda f, z, x: 2 * (x * z) - f.const(_TWO_OVER_ROOT_PI),),
        numpy=call("special.erfcx"),
        numba=compiled_scalar("erfcx", 1),
        mpmath=lambda x: mp.exp(x * x) * mp.erfc(x),
        ball=lambda x: (x * x).exp() * x.erfc(),
        cost=SPECIAL,
        domain=((0, 6),),
    ),
    Op(
        name="erfinv_slope",
        doc="derivative of erfinv",
        partials=(lambda f, z, x: 2 * f.erfinv(x) * z * z,),
        define=_erfinv_slope,
        mpmath=lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(mp.erfinv(x) ** 2),
        ball=lambda x: ((0 * x).acos() / 2).sqrt() * (x.erfinv() ** 2).exp(),
        cost=2 * SPECIAL + ELEMENTARY + DIVISION + 8,
        domain=((-0.95, 0.95),),
        analytic=False,
    ),
    Op(
        name="erfinv",
        doc="inverse error function",
        sympy=("erfinv",),
        partials=(lambda f, z, x: f.erfinv_slope(x),),
        numpy=call("special.erfinv"),
        numba=compiled_scalar("erfinv", 1),
        mpmath=_erfinv_mp,
        swift=True,
        ball=lambda x: x.erfinv(),
        cost=SPECIAL,
        domain=((-0.95, 0.95),),
    ),
    Op(
        name="erfcinv_slope",
        doc="derivative of erfcinv",
        partials=(lambda f, z, x: 2 * f.erfcinv(x) * z * z,),
        # As that of erfinv: exp(z*z) amplifies the error of z, erfcx(|z|)/erfc(|z|) does not.
        define=lambda f, x: -(f.const(_HALF_ROOT_PI) * f.erfcx(f.abs(f.erfcinv(x))) / f.minimum(x, 2 - x)),
        mpmath=lambda x: -mp.sqrt(mp.pi) / 2 * mp.exp(_erfcinv(x) ** 2),
        ball=lambda x: -((0 * x).acos() / 2).sqrt() * ((1 - x).erfinv() ** 2).exp(),
        cost=2 * SPECIAL + DIVISION + 5,
        domain=((0.05, 0.95),),
        analytic=False,
    ),
    Op(
        name="erfcinv",
        doc="inverse complementary error function",
        partials=(lambda f, z, x: f.erfcinv_slope(x),),
        numpy=call("special.erfcinv"),
        numba=compiled_scalar("erfcinv", 1),
        mpmath=_erfcinv,
        ball=lambda x: (1 - x).erfinv(),
        cost=SPECIAL,
        domain=((0.05, 0.95),),
    ),
)
