"""The gamma function, its logarithm and their derivatives, and the zeta function, which these are.

SciPy's, but where it loses digits: the logarithm near its zeros 1 and 2, digamma near its poles.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np

from symbackprop.ops.row import ELEMENTARY, SPECIAL, Op, call, helper
from symbackprop.ops.scipy import special
from symbackprop.ops.special import _over_integers, _zetas, callback, compiled_scalar, no_order

LEFT = Fraction(-3, 4)
"""Below, digamma and gamma functions are those of 1 - x, and what has the poles."""


def _gamma(x: float) -> float:
    """The gamma function; nan at its poles -1, -2, ..., an infinity at 0 and where it overflows."""
    try:
        return math.gamma(x)
    except OverflowError:
        return math.copysign(math.inf, x)
    except ValueError:
        return math.copysign(math.inf, x) if x == 0.0 else math.nan


def _log_gamma_near(d: Any) -> Any:
    """log(gamma(2 + d)) for |d| <= 1/2 (DLMF 5.7.3); the first omitted of the terms is 1e-17 of the sum."""
    value = 0.0 * d
    for coefficient in (
        5.731367241678862e-10, -1.1921401405860912e-09, 2.4836745438024785e-09, -5.183475041970047e-09,
        1.0838659214896955e-08, -2.2711094608943164e-08, 4.7698101693639804e-08, -1.0043224823968099e-07,
        2.1207184805554665e-07, -4.492469198764566e-07, 9.55141213040742e-07, -2.039215753801366e-06,
        4.374866789907488e-06, -9.439488275268397e-06, 2.050721277567069e-05, -4.492623673813314e-05,
        9.945751278180853e-05, -0.00022315475845357939, 0.0005096695247430425, -0.001192753911703261,
        0.0028905103307415234, -0.007385551028673986, 0.020580808427784546, -0.0673523010531981,
        0.3224670334241132, 0.42278433509846713,
    ):  # fmt: skip
        value = value * d + coefficient
    return value * d


def _loggamma(x: float) -> float:
    """log(gamma(x)) for x > 0; inf at 0 and where it overflows, nan below."""
    if 0.5 < x < 2.5:
        return float(_log_gamma_near(x - 2.0) if x > 1.5 else _log_gamma_near(x - 1.0) - math.log(x))
    try:
        return math.lgamma(x) if x > 0.0 else (math.inf if x == 0.0 else math.nan)
    except OverflowError:
        return math.inf


def _log_gamma(x: float) -> float:
    """log(gamma(x)) for x > 0; inf at 0, nan below."""
    if 0.5 < x < 2.5:
        return float(_log_gamma_near(x - 2.0) if x > 1.5 else _log_gamma_near(x - 1.0) - math.log(x))
    return math.lgamma(x) if x > 0.0 else (math.inf if x == 0.0 else math.nan)


def _log_gammas(x: Any) -> Any:
    """log(gamma(x)) for x > 0; inf at 0, nan below."""
    x = np.asarray(x)
    # SciPy's is right only to an ulp of 1 around the zeros 1 and 2, and inf for denormal x.
    near = np.clip(x, 0.5, 2.5)
    around = np.where(near > 1.5, _log_gamma_near(near - 2.0), _log_gamma_near(near - 1.0) - np.log(near))
    far = np.where(x < 1e-300, -np.log(x), special.loggamma(x))
    return np.where((x > 0.5) & (x < 2.5), around, far)[()]


def digamma_by_distance(f: Any, x: Any, d: Any) -> Any:
    """digamma(x), given d, which differs from x by a whole number."""
    # psi(1 - x) - pi*cot(pi*x) to the left (DLMF 5.5.4), the cotangent of what x differs from an integer, exactly:
    # SciPy has 1 digit at a distance of 1e-16 from a pole, but all at its zero -0.504. At the poles nan.
    left = f.lt(x, LEFT)
    rest = d - f.floor(d + 0.5)
    pole = f.const("pi") / f.tan(f.const("pi") * f.select(f.eq(rest, 0), f.const("nan"), rest))
    return f.digamma_right(f.select(left, 1 - x, x)) - f.select(left, pole, 0)


def _polygammas(n: Any, x: Any) -> Any:
    """The derivative of order n of digamma (DLMF 25.11.12)."""
    return (2.0 * (n % 2.0) - 1.0) * special.gamma(n + 1.0) * _zetas(n + 1.0, x)


def _gamma1p(f: Any, x: Any) -> Any:
    # x*gamma(x), which does not round 1 + x; its derivative has no poles that cancel, and no need for it.
    return f.select(f.lt(f.abs(x), 1e-300), 1, x * f.gamma(x))


def _x_digamma(f: Any, x: Any) -> Any:
    near = f.lt(f.abs(x), 1)
    return x * f.digamma(f.select(near, 1 + x, x)) - f.select(near, 1, 0)


def _log_of_gamma(f: Any, x: Any) -> Any:
    return f.select(f.gt(x, 0), f.loggamma(x), f.log(f.gamma(x)))


ROWS = (
    Op(
        name="zeta",
        doc="Hurwitz zeta function, called zeta(s, a); Riemann's is a = 1; s > 1",
        arity=2,
        sympy=("zeta",),
        partials=(None, lambda f, z, s, a: -(s * f.zeta(s + 1, a))),
        missing="SciPy has no derivative of zeta(s, a) in s; only a can be differentiated",
        numpy=helper(_zetas, _over_integers),
        numba=callback("zeta", 2, "_zetas", _zetas, _over_integers),
        mpmath=lambda s, a: mp.zeta(s, a),
        ball=lambda s, a: s.zeta(a),
        cost=SPECIAL,
        domain=((1.5, 6), (0.5, 4)),
    ),
    Op(
        name="gamma",
        doc="gamma function",
        sympy=("gamma",),
        partials=(lambda f, z, x: z * f.digamma(x),),
        python=helper(_gamma),
        numpy=call("special.gamma"),
        numba=compiled_scalar("gamma", 1),
        mpmath=mp.gamma,
        ball=lambda x: x.gamma(),
        cost=SPECIAL,
        domain=((0.2, 6),),
    ),
    Op(
        name="loggamma",
        doc="log(gamma(x)), x > 0",
        sympy=("loggamma",),
        partials=(lambda f, z, x: f.digamma(x),),
        python=helper(_loggamma, _log_gamma_near),
        numpy=helper(_log_gammas, _log_gamma_near),
        numba=helper(_log_gamma, _log_gamma_near),
        mpmath=mp.loggamma,
        ball=lambda x: x.lgamma(),
        cost=SPECIAL,
        domain=((0.2, 9),),
    ),
    Op(
        name="digamma",
        doc="derivative of loggamma",
        sympy=("digamma",),
        partials=(lambda f, z, x: f.polygamma(f.const(1), x),),
        define=lambda f, x: digamma_by_distance(f, x, x),
        mpmath=mp.digamma,
        ball=lambda x: x.digamma(),
        cost=SPECIAL + 2 * ELEMENTARY,
        domain=((0.2, 9),),
    ),
    Op(
        name="digamma_right",
        doc="derivative of loggamma, x > 0",
        partials=(lambda f, z, x: f.polygamma(f.const(1), x),),
        numpy=call("special.digamma"),
        numba=compiled_scalar("psi", 1),
        mpmath=mp.digamma,
        ball=lambda x: x.digamma(),
        cost=SPECIAL,
        domain=((0.2, 9),),
    ),
    Op(
        name="polygamma",
        doc="derivative of digamma, of order n, called polygamma(n, x)",
        arity=2,
        sympy=("polygamma",),
        partials=(None, lambda f, z, n, x: f.polygamma(n + 1, x)),
        missing=no_order("polygamma"),
        numpy=helper(_polygammas, _zetas, _over_integers),
        numba=callback("polygamma", 2, "_polygammas", _polygammas, _zetas, _over_integers),
        mpmath=lambda n, x: mp.polygamma(int(n), x),
        ball=lambda n, x: (-1) ** (n + 1) * (n + 1).gamma() * (n + 1).zeta(x),
        cost=SPECIAL,
        domain=((1, 1), (0.2, 9)),
    ),
    Op(
        name="gamma1p",
        doc="gamma(1 + x) = x*gamma(x)",
        partials=(lambda f, z, x: z * f.digamma(1 + x),),
        define=_gamma1p,
        mpmath=lambda x: mp.gamma(1 + x),
        ball=lambda x: (1 + x).gamma(),
        cost=SPECIAL + 3,
        domain=((-0.8, 6),),
    ),
    Op(
        name="x_digamma",
        doc="x*digamma(x)",
        # That of x*digamma(1 + x) - 1.
        partials=(lambda f, z, x: f.digamma(1 + x) + x * f.polygamma(f.const(1), 1 + x),),
        define=_x_digamma,
        mpmath=lambda x: x * mp.digamma(1 + x) - 1,
        ball=lambda x: x * (1 + x).digamma() - 1,
        cost=SPECIAL + 2 * ELEMENTARY + 6,
        domain=((-0.3, 6),),
    ),
    Op(
        name="log_of_gamma",
        doc="log(gamma(x)), nan where gamma(x) < 0",
        partials=(lambda f, z, x: f.digamma(x),),
        define=_log_of_gamma,
        mpmath=lambda x: mp.log(mp.gamma(x)),
        ball=lambda x: x.gamma().log() if x < 1 else x.lgamma(),
        cost=2 * SPECIAL + ELEMENTARY,
        domain=((0.2, 9),),
    ),
)
