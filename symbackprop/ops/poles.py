"""Gamma functions of what is near a whole number, given how far it is from one.

Beside their poles, where they are 1, and where their logarithm is 0, the sum x = n + d has lost the digits of d.

All of the derivative goes through x: the value of x is that of n + d.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath as mp

from symbackprop.ops.beta import _sum
from symbackprop.ops.gamma import LEFT, digamma_by_distance
from symbackprop.ops.row import ELEMENTARY, SPECIAL, Op


def _is_near(f: Any, d: Any) -> Any:
    return f.lt(f.abs(d), Fraction(1, 2))


def _series(f: Any, d: Any, c: Any) -> Any:
    """log(gamma(c + d)): its series at 2, which at 1 has log(1 + d) taken off."""
    return d * f.polynomial(_AT_2, d) - (2 - c) * f.log1p(d)


# The coefficients of _log_gamma_near: 1 - gamma, and then (-1)**k*(zeta(k) - 1)/k (DLMF 5.7.3).
_AT_2 = tuple(
    Fraction(number)
    for number in (
        0.42278433509846713, 0.3224670334241132, -0.0673523010531981, 0.020580808427784546,
        -0.007385551028673986, 0.0028905103307415234, -0.001192753911703261, 0.0005096695247430425,
        -0.00022315475845357939, 9.945751278180853e-05, -4.492623673813314e-05, 2.050721277567069e-05,
        -9.439488275268397e-06, 4.374866789907488e-06, -2.039215753801366e-06, 9.55141213040742e-07,
        -4.492469198764566e-07, 2.1207184805554665e-07, -1.0043224823968099e-07, 4.7698101693639804e-08,
        -2.2711094608943164e-08, 1.0838659214896955e-08, -5.183475041970047e-09, 2.4836745438024785e-09,
        -1.1921401405860912e-09, 5.731367241678862e-10,
    )
)  # fmt: skip


def _gamma(f: Any, x: Any, d: Any) -> Any:
    # pi/(sin(pi*x)*gamma(1 - x)), DLMF 5.5.3, where the gamma function amplifies what 1 - x rounds off.
    rest = d - f.floor(d + 0.5)
    whole = f.floor(x - rest + 0.5)
    by_pole = f.logical_and(f.lt(x, LEFT), f.ne(rest, 0))
    mirrored, lost = _sum(1 - whole, -rest)
    other = f.gamma(f.select(by_pole, mirrored, x))
    odd = whole - 2 * f.floor(whole / 2)
    pole = f.const("pi") / ((1 - 2 * odd) * f.sin(f.const("pi") * f.select(by_pole, rest, Fraction(1, 2))))
    return f.select(by_pole, pole / other * (1 - lost * f.log(f.maximum(mirrored, 1))), other)


def _trigamma(f: Any, x: Any, d: Any) -> Any:
    # (pi/sin(pi*x))**2 - polygamma(1, 1 - x), DLMF 5.15.6.
    left, rest = f.lt(x, LEFT), d - f.floor(d + 0.5)
    pole = f.const("pi") / f.sin(f.const("pi") * f.select(left, rest, Fraction(1, 2)))
    right = f.polygamma(f.const(1), f.select(left, 1 - x, x))
    return f.select(left, pole * pole - right, right)


ROWS = (
    Op(
        name="loggamma_near",
        doc="log(gamma(x)), given d = x - c without cancellation, c being 1 or 2: loggamma_near(x, d, c)",
        arity=3,
        # The value of x is that of c + d: all of the derivative goes through x; c is a literal.
        partials=(lambda f, z, x, d, c: f.digamma(x), 0, 0),
        define=lambda f, x, d, c: f.select(_is_near(f, d), _series(f, d, c), f.loggamma(x)),
        mpmath=lambda x, d, c: mp.loggamma(x),
        ball=lambda x, d, c: x.lgamma(),
        cost=SPECIAL + ELEMENTARY + 40,
        domain=((0.2, 9), (2, 2), (1, 1)),
    ),
    Op(
        name="gammam1",
        doc="gamma(x) - 1, given d = x - c without cancellation, c being 1 or 2: gammam1(x, d, c)",
        arity=3,
        partials=(lambda f, z, x, d, c: (z + 1) * f.digamma(x), 0, 0),
        define=lambda f, x, d, c: f.select(_is_near(f, d), f.expm1(_series(f, d, c)), f.gamma(x) - 1),
        mpmath=lambda x, d, c: mp.gamma(x) - 1,
        ball=lambda x, d, c: x.gamma() - 1,
        cost=SPECIAL + 2 * ELEMENTARY + 40,
        domain=((0.2, 9), (2, 2), (1, 1)),
    ),
    Op(
        name="gamma_near",
        doc="gamma(x), given d, which differs from x by a whole number, without cancellation: gamma_near(x, d)",
        arity=2,
        partials=(lambda f, z, x, d: z * f.digamma_near(x, d), 0),
        define=_gamma,
        mpmath=lambda x, d: mp.gamma(x),
        ball=lambda x, d: x.gamma(),
        cost=SPECIAL + 2 * ELEMENTARY + 16,
        domain=((0.2, 6), (2, 2)),
    ),
    Op(
        name="log_of_gamma_near",
        doc="log_of_gamma(x), given d, which differs from x by a whole number: log_of_gamma_near(x, d)",
        arity=2,
        partials=(lambda f, z, x, d: f.digamma_near(x, d), 0),
        define=lambda f, x, d: f.select(f.gt(x, 0), f.loggamma(x), f.log(f.gamma_near(x, d))),
        mpmath=lambda x, d: mp.log(mp.gamma(x)),
        ball=lambda x, d: x.gamma().log() if x < 1 else x.lgamma(),
        cost=2 * SPECIAL + 3 * ELEMENTARY,
        domain=((0.2, 9), (2, 2)),
    ),
    Op(
        name="digamma_near",
        doc="digamma(x), given d, which differs from x by a whole number: digamma_near(x, d)",
        arity=2,
        partials=(lambda f, z, x, d: f.trigamma_near(x, d), 0),
        define=digamma_by_distance,
        mpmath=lambda x, d: mp.digamma(x),
        ball=lambda x, d: x.digamma(),
        cost=SPECIAL + 2 * ELEMENTARY,
        domain=((0.2, 9), (2, 2)),
    ),
    Op(
        name="trigamma_near",
        doc="polygamma(1, x), given d, which differs from x by a whole number: trigamma_near(x, d)",
        arity=2,
        partials=(lambda f, z, x, d: f.polygamma(f.const(2), x), 0),
        define=_trigamma,
        mpmath=lambda x, d: mp.polygamma(1, x),
        cost=SPECIAL + ELEMENTARY,
        domain=((0.2, 9), (2, 2)),
    ),
)
