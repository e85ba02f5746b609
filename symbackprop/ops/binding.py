"""The smaller root of a quadratic equation whose coefficient is a sum with both factors of the other: tight binding.

y = (p + q + k - sqrt((p + q + k)**2 - 4*p*q))/2 solves (p - y)*(q - y) = k*y: Morrison's equation, the complex that
totals p and q form at a dissociation constant k. Its slopes are what is free over the root, in which nothing cancels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp

from symbackprop.ops.row import DIVISION, ELEMENTARY, Op


def _root(f: Any, p: Any, q: Any, k: Any) -> Any:
    """sqrt((p + q + k)**2 - 4*p*q), whose square is (p - q)**2 + k*(2*(p + q) + k)."""
    other = 2 * (p + q) + k
    whole = f.sqrt(f.maximum((p - q) * (p - q) + k * other, 0))
    right = f.logical_and(f.gt(k, 0), f.gt(other, 0))
    legs = f.hypot(p - q, f.sqrt(f.select(right, k, 1)) * f.sqrt(f.select(right, other, 1)))
    # Below 0 there is no root.
    real = f.ge((p - q) * (p - q) + k * other, 0)
    return f.select(right, legs, f.select(real, whole, f.const("nan")))


def _bound(f: Any, p: Any, q: Any, k: Any) -> Any:
    root, total = f.binding_root(p, q, k), p + q + k
    size, other = f.maximum(f.abs(p), f.abs(q)), f.select(f.gt(f.abs(p), f.abs(q)), q, p)
    larger = f.select(f.gt(f.abs(p), f.abs(q)), p, q)
    right = f.logical_and(f.gt(total, 0), f.gt(size, 0))
    return f.select(right, 2 * (larger / f.select(right, total + root, 1)) * other, (total - root) / 2)


def _free(f: Any, p: Any, q: Any, k: Any) -> Any:
    root, rest = f.binding_root(p, q, k), p - q - k
    left = f.lt(rest, 0)
    return f.select(left, 2 * (k / f.select(left, root - rest, 1)) * p, (root + rest) / 2)


def _root_mp(p: Any, q: Any, k: Any) -> Any:
    return mp.sqrt((p + q + k) ** 2 - 4 * p * q)


def _root_ball(p: Any, q: Any, k: Any) -> Any:
    return ((p + q + k) * (p + q + k) - 4 * p * q).sqrt()


def _bound_mp(p: Any, q: Any, k: Any) -> Any:
    return (p + q + k - _root_mp(p, q, k)) / 2


def _bound_ball(p: Any, q: Any, k: Any) -> Any:
    return (p + q + k - _root_ball(p, q, k)) / 2


# Second derivatives of the root, halved: products over its cube, as R**2 - (p - q + k)**2 is 4*k*q.


def _over_cube(f: Any, u: Any, v: Any, p: Any, q: Any, k: Any) -> Any:
    root = f.binding_root(p, q, k)
    return u / root * (v / root) / root


def _by_p(f: Any, z: Any, p: Any, q: Any, k: Any) -> Any:
    return _over_cube(f, -2 * k, q, p, q, k)


def _by_q(f: Any, z: Any, p: Any, q: Any, k: Any) -> Any:
    return _over_cube(f, k, p + q + k, p, q, k)


def _by_k(f: Any, z: Any, p: Any, q: Any, k: Any) -> Any:
    return _over_cube(f, q, p - q - k, p, q, k)


def _negative(partial: Callable[..., Any]) -> Callable[..., Any]:
    return lambda f, z, p, q, k: -partial(f, z, p, q, k)


def _bound_fraction(f: Any, p: Any, q: Any, k: Any) -> Any:
    total = p + q + k
    right = f.gt(total, 0)
    size = f.select(right, total + f.binding_root(p, q, k), 1)
    return f.select(right, 2 * (q / size), f.bound(p, q, k) / f.select(right, 1, p))


def _free_fraction(f: Any, p: Any, q: Any, k: Any) -> Any:
    # k/(free(q, p, k) + k), and where all of q is bound and k is 0 what is free of p.
    below = f.free(q, p, k) + k
    right = f.gt(below, 0)
    return f.select(right, k / f.select(right, below, 1), f.free(p, q, k) / f.select(right, 1, p))


def _fraction_by_p(f: Any, z: Any, p: Any, q: Any, k: Any) -> Any:
    below, slope = f.free(q, p, k) + k, f.bound_slope(p, q, k)
    right = f.gt(below, 0)
    near = -(f.free_fraction(p, q, k) * slope / f.select(right, below, 1))
    return f.select(right, near, (slope - f.bound_fraction(p, q, k)) / f.select(right, 1, p))


def _fraction_by_q(f: Any, z: Any, p: Any, q: Any, k: Any) -> Any:
    return f.free_fraction(p, q, k) / f.binding_root(p, q, k)


def _fraction_by_k(f: Any, z: Any, p: Any, q: Any, k: Any) -> Any:
    return -(f.bound_fraction(p, q, k) / f.binding_root(p, q, k))


_COST = ELEMENTARY + 6 * DIVISION
_DOMAIN = ((0.2, 5), (0.2, 5), (0.2, 5))

ROWS = (
    Op(
        name="binding_root",
        doc="sqrt((p + q + k)**2 - 4*p*q)",
        arity=3,
        partials=(
            lambda f, z, p, q, k: (p - q + k) / z,
            lambda f, z, p, q, k: (q - p + k) / z,
            lambda f, z, p, q, k: (p + q + k) / z,
        ),
        define=_root,
        mpmath=_root_mp,
        ball=_root_ball,
        cost=ELEMENTARY + 4 * DIVISION,
        domain=_DOMAIN,
    ),
    Op(
        name="bound",
        doc="(p + q + k - sqrt((p + q + k)**2 - 4*p*q))/2, tight binding",
        arity=3,
        partials=(
            lambda f, z, p, q, k: f.bound_slope(p, q, k),
            lambda f, z, p, q, k: f.bound_slope(q, p, k),
            lambda f, z, p, q, k: -f.bound_share(p, q, k),
        ),
        define=_bound,
        mpmath=_bound_mp,
        ball=_bound_ball,
        cost=_COST,
        domain=_DOMAIN,
    ),
    Op(
        name="free",
        doc="p - bound(p, q, k)",
        arity=3,
        partials=(
            lambda f, z, p, q, k: f.free_slope(p, q, k),
            lambda f, z, p, q, k: -f.bound_slope(q, p, k),
            lambda f, z, p, q, k: f.bound_share(p, q, k),
        ),
        define=_free,
        mpmath=lambda p, q, k: p - _bound_mp(p, q, k),
        ball=lambda p, q, k: p - _bound_ball(p, q, k),
        cost=_COST,
        domain=_DOMAIN,
    ),
    Op(
        name="bound_slope",
        doc="the derivative of bound(p, q, k) in p, free(q, p, k)/binding_root(p, q, k)",
        arity=3,
        partials=(_by_p, _by_q, _by_k),
        define=lambda f, p, q, k: f.free(q, p, k) / f.binding_root(p, q, k),
        mpmath=lambda p, q, k: (q - _bound_mp(p, q, k)) / _root_mp(p, q, k),
        ball=lambda p, q, k: (q - _bound_ball(p, q, k)) / _root_ball(p, q, k),
        cost=2 * _COST,
        domain=_DOMAIN,
    ),
    Op(
        name="free_slope",
        doc="1 - bound_slope(p, q, k) = (free(p, q, k) + k)/binding_root(p, q, k)",
        arity=3,
        partials=tuple(_negative(partial) for partial in (_by_p, _by_q, _by_k)),
        define=lambda f, p, q, k: (f.free(p, q, k) + k) / f.binding_root(p, q, k),
        mpmath=lambda p, q, k: (p - _bound_mp(p, q, k) + k) / _root_mp(p, q, k),
        ball=lambda p, q, k: (p - _bound_ball(p, q, k) + k) / _root_ball(p, q, k),
        cost=2 * _COST,
        domain=_DOMAIN,
    ),
    Op(
        name="bound_share",
        doc="bound(p, q, k)/binding_root(p, q, k), less the derivative of bound in k",
        arity=3,
        partials=(
            lambda f, z, p, q, k: -_by_k(f, z, p, q, k),
            lambda f, z, p, q, k: -_by_k(f, z, q, p, k),
            lambda f, z, p, q, k: _over_cube(f, -2 * p, q, p, q, k),
        ),
        define=lambda f, p, q, k: f.bound(p, q, k) / f.binding_root(p, q, k),
        mpmath=lambda p, q, k: _bound_mp(p, q, k) / _root_mp(p, q, k),
        ball=lambda p, q, k: _bound_ball(p, q, k) / _root_ball(p, q, k),
        cost=2 * _COST,
        domain=_DOMAIN,
    ),
    Op(
        name="bound_fraction",
        doc="bound(p, q, k)/p = 2*q/(p + q + k + binding_root(p, q, k))",
        arity=3,
        partials=(_fraction_by_p, _fraction_by_q, _fraction_by_k),
        define=_bound_fraction,
        mpmath=lambda p, q, k: _bound_mp(p, q, k) / p,
        ball=lambda p, q, k: _bound_ball(p, q, k) / p,
        cost=2 * _COST,
        domain=_DOMAIN,
    ),
    Op(
        name="free_fraction",
        doc="free(p, q, k)/p = 1 - bound_fraction(p, q, k)",
        arity=3,
        partials=tuple(_negative(partial) for partial in (_fraction_by_p, _fraction_by_q, _fraction_by_k)),
        define=_free_fraction,
        mpmath=lambda p, q, k: 1 - _bound_mp(p, q, k) / p,
        ball=lambda p, q, k: 1 - _bound_ball(p, q, k) / p,
        cost=2 * _COST,
        domain=_DOMAIN,
    ),
)
