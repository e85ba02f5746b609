"""Lambert's W on its principal real branch."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np

from symbackprop.ops.row import DIVISION, ELEMENTARY, SPECIAL, Op, helper
from symbackprop.ops.scipy import special
from symbackprop.ops.special import callback

_FAR = 300


def _lambertw(x: Any) -> Any:
    """The principal real branch of Lambert's W; nan below -1/e."""
    w = special.lambertw(x)
    return np.where(w.imag == 0.0, w.real, np.nan)[()]


def _lambertw_slope(f: Any, x: Any) -> Any:
    # 1/((1 + w)*exp(w)), since w/(x*(1 + w)) is 0/0 at the origin; the latter for large x, where the exponential would
    # amplify the rounding of w, 500 ulp at 1e256.
    w = f.lambertw(x)
    return f.select(f.gt(x, 1), w / x, f.exp(-w)) / (1 + w)


def _lambertw_share(f: Any, x: Any) -> Any:
    # As above.
    w = f.lambertw(x)
    return f.select(f.gt(x, 1), w / x, f.exp(-w))


def _wright_omega(f: Any, x: Any) -> Any:
    # w + log(w) = x, by Newton's method from x - log(x): to the last digit after three steps from 300 on.
    far = f.gt(x, _FAR)
    start = f.select(far, x, _FAR)
    w = start - f.log(start)
    for _ in range(3):
        w = w * ((1 + (start - f.log(w))) / (1 + w))
    beyond = f.select(f.lt(x, f.const("inf")), w, x)
    return f.select(far, beyond, f.lambertw(f.exp(f.select(far, 0, x))))


ROWS = (
    Op(
        name="lambertw",
        doc="principal real branch of w*exp(w) = x, x >= -1/e",
        sympy=("LambertW",),
        partials=(lambda f, z, x: f.lambertw_slope(x),),
        numpy=helper(_lambertw),
        numba=callback("lambertw", 1, "special.lambertw"),
        mpmath=lambda x: mp.lambertw(x).real if x >= -mp.exp(-1) else mp.nan,
        ball=lambda x: x.lambertw(),
        analytic=False,
        cost=SPECIAL + ELEMENTARY,
        domain=((-0.3, 5),),
    ),
    Op(
        name="lambertw_share",
        doc="lambertw(x)/x = exp(-lambertw(x))",
        partials=(lambda f, z, x: -(z * f.lambertw_slope(x)),),
        define=_lambertw_share,
        mpmath=lambda x: mp.exp(-mp.lambertw(x).real) if x >= -mp.exp(-1) else mp.nan,
        ball=lambda x: (-x.lambertw()).exp(),
        analytic=False,
        cost=SPECIAL + 2 * ELEMENTARY + DIVISION,
        domain=((-0.3, 5),),
    ),
    Op(
        name="lambertw_slope",
        doc="derivative of Lambert's W",
        partials=(lambda f, z, x: -(z * (z * ((2 + f.lambertw(x)) / (1 + f.lambertw(x))))),),
        define=_lambertw_slope,
        mpmath=lambda x: 1 / ((1 + mp.lambertw(x).real) * mp.exp(mp.lambertw(x).real)) if x >= -mp.exp(-1) else mp.nan,
        ball=lambda x: 1 / ((1 + x.lambertw()) * x.lambertw().exp()),
        analytic=False,
        cost=SPECIAL + 2 * ELEMENTARY + DIVISION,
        domain=((-0.3, 5),),
    ),
    Op(
        name="wright_omega",
        doc="lambertw(exp(x))",
        partials=(lambda f, z, x: f.proportion(z, 1),),
        define=_wright_omega,
        mpmath=lambda x: mp.lambertw(mp.exp(x)).real,
        ball=lambda x: x.exp().lambertw(),
        analytic=False,
        cost=SPECIAL + 6 * ELEMENTARY,
        domain=((-5, 5),),
    ),
)
