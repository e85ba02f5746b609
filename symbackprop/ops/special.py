"""Special functions, all from SciPy; the standard library serves target python where it has them.

Numba calls SciPy's compiled scalar functions through the addresses that `scipy.special.cython_special` publishes.
The three functions that it does not publish (zeta, polygamma, LambertW) are called back through Python there, about
2 us a call.
"""

from __future__ import annotations

import math
from typing import Any

import mpmath as mp
import numpy as np
from scipy import special

from symbackprop.ops.row import ELEMENTARY, SPECIAL, Op, Spelling, call, helper


def _gamma(x: float) -> float:
    """The gamma function; nan at its poles -1, -2, ..., an infinity at 0 and where it overflows."""
    try:
        return math.gamma(x)
    except OverflowError:
        return math.copysign(math.inf, x)
    except ValueError:
        return math.copysign(math.inf, x) if x == 0.0 else math.nan


def _loggamma(x: float) -> float:
    """log(gamma(x)) for x > 0; inf at 0, nan below."""
    try:
        return math.lgamma(x) if x > 0.0 else (math.inf if x == 0.0 else math.nan)
    except OverflowError:
        return math.inf


def _log_gamma(x: float) -> float:
    """log(gamma(x)) for x > 0; inf at 0, nan below."""
    return math.lgamma(x) if x > 0.0 else (math.inf if x == 0.0 else math.nan)


def _log_gammas(x: Any) -> Any:
    """log(gamma(x)) for x > 0; inf at 0, nan below. SciPy's is inf for denormal x already."""
    return np.where(x < 1e-300, -np.log(x), special.loggamma(x))[()]


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


def _called_back(name: str, arity: int) -> Any:
    """SciPy's function of this name, called back through Python: it publishes no compiled scalar form."""
    import ctypes

    from scipy import special

    function = getattr(special, name)

    def scalar(*arguments: float) -> float:
        result = complex(function(*arguments))
        return result.real if result.imag == 0.0 else float("nan")

    return ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_double] * arity)(scalar)


def _lambertw(x: Any) -> Any:
    """The principal real branch of Lambert's W; nan below -1/e."""
    w = special.lambertw(x)
    return np.where(w.imag == 0.0, w.real, np.nan)[()]


def _compiled_scalar(name: str, arity: int) -> Spelling:
    return Spelling(f"_{name}", helper=_compiled, binding=f'_compiled("{name}", {arity})', trailing="0")


def _callback(name: str, arity: int) -> Spelling:
    return Spelling(f"_{name}", helper=_called_back, binding=f'_called_back("{name}", {arity})')


def _order(name: str) -> str:
    return f"the derivative of {name} in its order has no closed form; only its argument can be differentiated"


ROWS = (
    Op(
        name="erf",
        doc="error function",
        sympy=("erf",),
        partials=(lambda f, z, x: 2 / f.sqrt(f.const("pi")) * f.exp(-(x * x)),),
        python=call("math.erf"),
        numpy=call("special.erf"),
        numba=call("math.erf"),
        mpmath=mp.erf,
        cost=ELEMENTARY,
        domain=((-3, 3),),
    ),
    Op(
        name="erfc",
        doc="complementary error function 1 - erf(x)",
        sympy=("erfc",),
        partials=(lambda f, z, x: -(2 / f.sqrt(f.const("pi")) * f.exp(-(x * x))),),
        python=call("math.erfc"),
        numpy=call("special.erfc"),
        numba=call("math.erfc"),
        mpmath=mp.erfc,
        cost=ELEMENTARY,
        domain=((-3, 3),),
    ),
    Op(
        name="erfinv",
        doc="inverse error function",
        sympy=("erfinv",),
        partials=(lambda f, z, x: f.sqrt(f.const("pi")) / 2 * f.exp(z * z),),
        numpy=call("special.erfinv"),
        numba=_compiled_scalar("erfinv", 1),
        mpmath=mp.erfinv,
        cost=SPECIAL,
        domain=((-0.95, 0.95),),
    ),
    Op(
        name="gamma",
        doc="gamma function",
        sympy=("gamma",),
        partials=(lambda f, z, x: z * f.digamma(x),),
        python=helper(_gamma),
        numpy=call("special.gamma"),
        numba=_compiled_scalar("gamma", 1),
        mpmath=mp.gamma,
        cost=SPECIAL,
        domain=((0.2, 6),),
    ),
    Op(
        name="loggamma",
        doc="log(gamma(x)), x > 0",
        sympy=("loggamma",),
        partials=(lambda f, z, x: f.digamma(x),),
        python=helper(_loggamma),
        numpy=helper(_log_gammas),
        numba=helper(_log_gamma),
        mpmath=mp.loggamma,
        cost=SPECIAL,
        domain=((0.2, 9),),
    ),
    Op(
        name="digamma",
        doc="derivative of loggamma",
        sympy=("digamma",),
        partials=(lambda f, z, x: f.polygamma(f.const(1), x),),
        numpy=call("special.digamma"),
        numba=_compiled_scalar("psi", 1),
        mpmath=mp.digamma,
        cost=SPECIAL,
        domain=((0.2, 9),),
    ),
    Op(
        name="polygamma",
        doc="derivative of digamma, of order n, called polygamma(n, x)",
        arity=2,
        sympy=("polygamma",),
        partials=(None, lambda f, z, n, x: f.polygamma(n + 1, x)),
        missing=_order("polygamma"),
        numpy=call("special.polygamma"),
        numba=_callback("polygamma", 2),
        mpmath=lambda n, x: mp.polygamma(int(n), x),
        cost=SPECIAL,
        domain=((1, 1), (0.2, 9)),
    ),
    Op(
        name="beta",
        doc="gamma(x)*gamma(y)/gamma(x + y)",
        arity=2,
        sympy=("beta",),
        partials=(
            lambda f, z, x, y: z * (f.digamma(x) - f.digamma(x + y)),
            lambda f, z, x, y: z * (f.digamma(y) - f.digamma(x + y)),
        ),
        numpy=call("special.beta"),
        numba=_compiled_scalar("beta", 2),
        mpmath=mp.beta,
        cost=3 * SPECIAL,  # three gamma functions
        domain=((0.2, 5), (0.2, 5)),
    ),
    Op(
        name="besselj",
        doc="Bessel function of the first kind, called besselj(order, x)",
        arity=2,
        sympy=("besselj",),
        partials=(None, lambda f, z, n, x: (f.besselj(n - 1, x) - f.besselj(n + 1, x)) / 2),
        missing=_order("besselj"),
        numpy=call("special.jv"),
        numba=_compiled_scalar("jv", 2),
        mpmath=mp.besselj,
        cost=SPECIAL,
        domain=((1, 1), (0.2, 9)),
    ),
    Op(
        name="bessely",
        doc="Bessel function of the second kind",
        arity=2,
        sympy=("bessely",),
        partials=(None, lambda f, z, n, x: (f.bessely(n - 1, x) - f.bessely(n + 1, x)) / 2),
        missing=_order("bessely"),
        numpy=call("special.yv"),
        numba=_compiled_scalar("yv", 2),
        mpmath=mp.bessely,
        cost=SPECIAL,
        domain=((1, 1), (0.5, 9)),
    ),
    Op(
        name="besseli",
        doc="modified Bessel function of the first kind",
        arity=2,
        sympy=("besseli",),
        partials=(None, lambda f, z, n, x: (f.besseli(n - 1, x) + f.besseli(n + 1, x)) / 2),
        missing=_order("besseli"),
        numpy=call("special.iv"),
        numba=_compiled_scalar("iv", 2),
        mpmath=mp.besseli,
        cost=SPECIAL,
        domain=((1, 1), (0.2, 5)),
    ),
    Op(
        name="besselk",
        doc="modified Bessel function of the second kind",
        arity=2,
        sympy=("besselk",),
        partials=(None, lambda f, z, n, x: -((f.besselk(n - 1, x) + f.besselk(n + 1, x)) / 2)),
        missing=_order("besselk"),
        numpy=call("special.kv"),
        numba=_compiled_scalar("kv", 2),
        mpmath=mp.besselk,
        cost=SPECIAL,
        domain=((1, 1), (0.5, 5)),
    ),
    Op(
        name="lambertw",
        doc="principal real branch of w*exp(w) = x, x >= -1/e",
        sympy=("LambertW",),
        # 1/((1 + w)*exp(w)) and not w/(x*(1 + w)), which is 0/0 at the origin.
        partials=(lambda f, z, x: 1 / ((1 + z) * f.exp(z)),),
        numpy=helper(_lambertw),
        numba=_callback("lambertw", 1),
        mpmath=lambda x: mp.lambertw(x).real if x >= -mp.exp(-1) else mp.nan,
        analytic=False,
        cost=SPECIAL + ELEMENTARY,
        domain=((-0.3, 5),),
    ),
    Op(
        name="zeta",
        doc="Hurwitz zeta function, called zeta(s, a); Riemann's is a = 1; s > 1",
        arity=2,
        sympy=("zeta",),
        partials=(None, lambda f, z, s, a: -(s * f.zeta(s + 1, a))),
        missing="SciPy has no derivative of zeta(s, a) in s; only a can be differentiated",
        numpy=call("special.zeta"),
        numba=_callback("zeta", 2),
        mpmath=lambda s, a: mp.zeta(s, a),
        cost=SPECIAL,
        domain=((1.5, 6), (0.5, 4)),
    ),
)
