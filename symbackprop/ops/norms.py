"""Norms of three and more numbers, right where the squares overflow or vanish.

Each component has a partial of its own, its cosine: one through the sum of squares would be 1/norm**2 on its way, which
is no double from 1e154 on. Nested hypots would have kinks where some components are 0, and take 2.4 times a root.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import mpmath as mp
import numpy as np

from symbackprop.ops.row import ARITHMETIC, DIVISION, Op, call, helper


def _norms(*parts: Any) -> Any:
    """The root of a sum of squares, by hypot where that leaves the range of numbers."""
    total = parts[0] * parts[0]
    for part in parts[1:]:
        total = total + part * part
    if np.all((total > 1e-30) & (total < 1e30)):
        return np.sqrt(total)
    total = np.abs(parts[0])
    for part in parts[1:]:
        total = np.hypot(total, part)
    return total


def _norm(*parts: float) -> float:
    """The root of a sum of squares, by hypot where that leaves the range of numbers."""
    total = parts[0] * parts[0]
    for part in parts[1:]:
        total += part * part
    if 1e-30 < total < 1e30:
        return math.sqrt(total)
    total = abs(parts[0])
    for part in parts[1:]:
        total = math.hypot(total, part)
    return total


def _cosine(f: Any, z: Any, part: Any) -> Any:
    return f.kinked(f.over_norm(part, z), f.eq(z, 0), z)


@cache
def norm_of(count: int) -> Op:
    """The row for a norm of so many components."""
    return Op(
        name="norm",
        doc="sqrt(x*x + y*y + ...) without overflow",
        arity=count,
        partials=tuple(lambda f, z, *parts, k=k: _cosine(f, z, parts[k]) for k in range(count)),
        python=call("math.hypot"),
        numpy=helper(_norms),
        # Machine code has instructions of its own, see `emit.maths_power`.
        numba=helper(_norm),
        mpmath=lambda *parts: mp.sqrt(mp.fsum(part * part for part in parts)),
        ball=lambda *parts: sum((part * part for part in parts[1:]), parts[0] * parts[0]).sqrt(),
        cost=DIVISION + 4 * count,
        domain=((-3, 3), (0.1, 3), (-3, 3)) if count == 3 else (),
        kink="0 at the origin",
    )


ROWS = (
    norm_of(3),
    Op(
        name="over_norm",
        doc="x/z, and 0 where z is 0: the cosine of a component x of a norm z",
        arity=2,
        # As a quotient by infinity and not as a gate, which would go through all that follows.
        partials=(lambda f, q, x, z: f.over_norm(1, z), lambda f, q, x, z: -f.over_norm(q, z)),
        define=lambda f, x, z: x / f.select(f.ne(z, 0), z, f.const("inf")),
        mpmath=lambda x, z: x / z if z else mp.mpf(0),
        ball=lambda x, z: x / z,
        cost=DIVISION + 2 * ARITHMETIC,
        domain=((-3, 3), (0.1, 3)),
        kink="0 where z is",
    ),
)
