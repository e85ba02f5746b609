"""Norms over axes, right where the squares overflow or vanish.

Squares of doubles overflow from 1e154 on and lose digits from 1e-154 down. The sum is added up as it is, and once
more, scaled by a power of two, only where it comes near the ends of the range. The slope is the unit vector, a row of
its own: through the sum of squares there is 1/norm**2 on the way.
"""

from __future__ import annotations

import math
from typing import Any

import mpmath as mp
import numpy as np

from symbackprop.ops.reduction import every_entry, remaining, shifted_batch, spread
from symbackprop.ops.row import ARITHMETIC, DIVISION, Op, helper


def _norm_over(x: Any, *axes: Any) -> Any:
    """The root of the sum of squares over axes, with scaled squares where these leave the range of numbers."""
    total = np.asarray(np.vdot(x, x) if x.ndim == len(axes) else (x * x).sum(axis=axes))
    norm, limits = np.sqrt(total), np.finfo(total.dtype)
    inside = (total > limits.tiny / limits.eps**2) & (total < limits.max * limits.eps)
    if not np.all(inside):
        norm = np.asarray(norm)
        rows = np.moveaxis(x, axes, range(-len(axes), 0))[~inside].reshape(np.sum(~inside), -1)
        largest = np.max(abs(rows), axis=1, keepdims=True, initial=0.0)
        power = np.frexp(np.where(largest < np.inf, largest, 0.0))[1]
        rows = np.ldexp(rows, -power)
        norm[~inside] = np.ldexp(np.sqrt((rows * rows).sum(axis=1)), power[:, 0])
    return norm[()]


def _norm_tangent(f: Any, z: Any, dot: Any, position: int, axes: Any, operands: Any) -> Any:
    (x,) = operands
    tangent = f.reduce_sum(dot * f.along_norm(x, spread(f, z, f.shape(x), axes)), axes)
    return f.unless_kink(tangent, f.eq(z, 0), z, "it is 0")


def _norm_values(axes: Any, x: Any) -> Any:
    x = np.asarray(x)
    if x.dtype == object:
        return np.frompyfunc(mp.sqrt, 1, 1)(np.sum(x * x, axis=tuple(axes)))
    return _norm_over(x, *axes)


# How loops take a norm: the sum of squares; as many turns as it needs to be added up once more, scaled; and the root,
# which is left to a loop of its own, in lanes: what was added up once more is handed on as minus its root. With tiny
# and eps the least normal number and what 1 is rounded by, no square that counts has vanished or overflowed from
# tiny/eps**2 to max*eps; eps*sqrt(tiny), a power of two, takes the largest number there, its reciprocal the smallest.
# Machine code has instructions of its own for these functions, see `emit.maths_norms`.


def _turns_again(total: float, length: int) -> int:
    """As many turns as are to be done once more: all, if a sum of squares is near the ends of its range, else none."""
    return 0 if 2.0**-918 < total < 2.0**972 else length


def _norm_scale(total: float) -> float:
    """What takes numbers with such a sum of squares into the range."""
    return 2.0**563 if total < 1.0 else 2.0**-563


def _sum_or_root(total: float, scaled: float) -> float:
    """A sum of squares, or minus its root where the scaled squares were added up, too."""
    if 2.0**-918 < total < 2.0**972:
        return total
    return -math.sqrt(scaled) * (2.0**-563 if total < 1.0 else 2.0**563)


def _turns(total: Any, length: int) -> int:
    """As many turns as are to be done once more: all, if a sum of squares is near the ends of its range, else none."""
    limits = np.finfo(total)
    return 0 if limits.tiny / limits.eps**2 < total < limits.max * limits.eps else length


def _scale_of(total: Any) -> Any:
    """What takes numbers with such a sum of squares into the range."""
    limits = np.finfo(total)
    down = limits.eps * math.sqrt(limits.tiny)
    return 1.0 / down if total < 1.0 else down


def _squares(total: Any, scaled: Any) -> Any:
    """A sum of squares, or minus its root where the scaled squares were added up, too."""
    limits = np.finfo(total)
    if limits.tiny / limits.eps**2 < total < limits.max * limits.eps:
        return total
    down = limits.eps * math.sqrt(limits.tiny)
    return -math.sqrt(scaled) * (down if total < 1.0 else 1.0 / down)


def _root_of_squares(squares: float) -> float:
    """The root of a sum of squares; of what is below zero, which is minus a root, its size."""
    return math.sqrt(squares) if squares > 0.0 else abs(squares)


def _roots_of_squares(squares: Any) -> Any:
    """The root of a sum of squares; of what is below zero, which is minus a root, its size."""
    return np.where(squares > 0.0, np.sqrt(abs(squares)), abs(squares))


def _inverse(norm: float) -> float:
    """1/norm, and 0 where that is 0."""
    return 1.0 / norm if norm != 0.0 else 0.0


def _inverses(norm: Any) -> Any:
    """1/norm, and 0 where that is 0."""
    return 1.0 / np.where(norm != 0.0, norm, np.inf)


TURNS_AGAIN = Op(
    name="turns_again",
    doc="the number of turns if a sum of squares is near the ends of its range, else 0",
    arity=2,
    operands=("real", "int"),
    result="int",
    python=helper(_turns_again),
    numba=helper(_turns),
)
NORM_SCALE = Op(
    name="norm_scale",
    doc="the power of two by which numbers are multiplied whose squares leave the range",
    python=helper(_norm_scale),
    numba=helper(_scale_of),
)
SUM_OR_ROOT = Op(
    name="sum_or_root",
    doc="a sum of squares, or minus the root of the scaled ones where it is near the ends of its range",
    arity=2,
    python=helper(_sum_or_root),
    numba=helper(_squares),
)
REDUCE_SQUARES = Op(
    name="reduce_squares",
    doc="the sum of squares over axes, or minus its root: loops alone have it, behind all derivatives",
    elementwise=False,
    cost=2 * ARITHMETIC,
    work=every_entry,
    infer=remaining,
    evaluate=lambda axes, x: -_norm_values(axes, x),
)
REDUCE_NORM = Op(
    name="reduce_norm",
    doc="root of the sum of squares over axes, without overflow",
    elementwise=False,
    # A root is taken once; what is paid for each entry is its square.
    cost=2 * ARITHMETIC,
    work=every_entry,
    infer=remaining,
    tangent=_norm_tangent,
    evaluate=_norm_values,
    batch=shifted_batch("reduce_norm"),
    numpy=helper(_norm_over),
    define=lambda f, axes, x: f.root_of_squares(f.reduce_squares(x, axes)),
    kink="0 at the origin",
)
ROWS = (
    REDUCE_NORM,
    Op(
        name="root_of_squares",
        doc="the root of a sum of squares; of what is below zero its size",
        partials=(lambda f, z, x: f.select(f.gt(x, 0), 0.5 / z, -1),),
        numpy=helper(_roots_of_squares),
        python=helper(_root_of_squares, _sum_or_root, _turns_again, _norm_scale),
        numba=helper(_root_of_squares, _squares, _turns, _scale_of),
        mpmath=lambda x: mp.sqrt(x) if x > 0 else -x,
        ball=lambda x: x.sqrt(),
        cost=DIVISION,
        domain=((0.05, 9),),
    ),
    Op(
        name="along_norm",
        doc="x*(1/z), and 0 where z is 0: an entry over the norm of many",
        arity=2,
        partials=(lambda f, q, x, z: f.along_norm(1, z), lambda f, q, x, z: -f.along_norm(q, z)),
        # One division for all entries of a norm.
        define=lambda f, x, z: x * f.inverse_norm(z),
        mpmath=lambda x, z: x / z if z else mp.mpf(0),
        ball=lambda x, z: x / z,
        cost=DIVISION + 3 * ARITHMETIC,
        domain=((-3, 3), (0.1, 3)),
        kink="0 where z is",
    ),
    Op(
        name="inverse_norm",
        doc="1/z, and 0 where z is 0",
        partials=(lambda f, q, z: -f.along_norm(q, z),),
        python=helper(_inverse),
        numpy=helper(_inverses),
        numba=helper(_inverse),
        mpmath=lambda z: 1 / z if z else mp.mpf(0),
        ball=lambda z: 1 / z,
        cost=DIVISION + 2 * ARITHMETIC,
        domain=((0.1, 3),),
        kink="0 at z = 0",
    ),
)
