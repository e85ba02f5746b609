"""A matrix factorised once, for solutions, inverse and determinant: LU with partial pivoting, by LAPACK.

The factors are one array of shape (n, n + 1): L below the diagonal, U above and on it, and the pivots as a last column.
These rows are made after all derivatives (`passes.factorise`); none of them has one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symbackprop.ops.extents import plus, product
from symbackprop.ops.row import Op, helper
from symbackprop.ops.scipy import linalg


def _factorise(a: Any) -> Any:
    """The LU factors of A, with the pivots as a last column."""
    if a.size == 0:
        return np.empty((0, 1), a.dtype)
    (getrf,) = linalg.get_lapack_funcs(("getrf",), (a,))
    lu, pivots, _ = getrf(a)
    return np.column_stack((lu, pivots.astype(a.dtype)))


def _solve_factored(factors: Any, b: Any, transposed: bool) -> Any:
    """X with A X = B or A^T X = B; nan where A is singular."""
    lu, pivots = factors[:, :-1], factors[:, -1].astype(np.int32)
    if b.size == 0 or not np.all(np.diagonal(lu)):
        return np.full(b.shape, np.nan, b.dtype)
    (getrs,) = linalg.get_lapack_funcs(("getrs",), (lu, b))
    return getrs(lu, pivots, b, trans=int(transposed))[0]


def _inv_factored(factors: Any) -> Any:
    """The inverse of A; nan where A is singular."""
    lu, pivots = factors[:, :-1], factors[:, -1].astype(np.int32)
    if lu.size == 0 or not np.all(np.diagonal(lu)):
        return np.full(lu.shape, np.nan, lu.dtype)
    getri, workspace = linalg.get_lapack_funcs(("getri", "getri_lwork"), (lu,))
    # SciPy's own workspace is the smallest that works: 1.5 s for 1,000 rows instead of 0.18 s.
    return getri(lu, pivots, lwork=int(workspace(len(lu))[0]))[0]


def _log_abs_det_factored(factors: Any) -> Any:
    """log |det A|; -inf where A is singular."""
    return np.sum(np.log(np.abs(np.diagonal(factors))))


def _det_sign_factored(factors: Any) -> Any:
    """The sign of det A; 0 where A is singular."""
    exchanges = np.count_nonzero(factors[:, -1] != np.arange(len(factors)))
    return np.prod(np.sign(np.diagonal(factors))) * (-1.0) ** exchanges


def _doubles(function: Any) -> Any:
    """The reference is the function itself, in doubles; the tests compare it with the rows that it serves."""
    return lambda attributes, *arrays: function(*arrays, *(attributes or ()))


FACTORISE = Op(
    name="factorise",
    doc="the LU factors of a matrix, and the pivots as a last column",
    elementwise=False,
    work=lambda attributes, a: product((*a.shape, a.shape[0])),
    infer=lambda attributes, a: ("real", (a.shape[0], plus(a.shape[1], 1))),
    evaluate=_doubles(_factorise),
    numpy=helper(_factorise),
)
SOLVE_FACTORED = Op(
    name="solve_factored",
    doc="X with A X = B or A^T X = B, from the factors of A; attribute (transposed,)",
    arity=2,
    elementwise=False,
    cost=2,
    work=lambda attributes, factors, b: product((factors.shape[0], *b.shape)),
    infer=lambda attributes, factors, b: ("real", b.shape),
    evaluate=_doubles(_solve_factored),
    numpy=helper(_solve_factored),
)
INV_FACTORED = Op(
    name="inv_factored",
    doc="the inverse, from the factors",
    elementwise=False,
    cost=2,
    work=lambda attributes, factors: product((factors.shape[0],) * 3),
    infer=lambda attributes, factors: ("real", (factors.shape[0], factors.shape[0])),
    evaluate=_doubles(_inv_factored),
    numpy=helper(_inv_factored),
)
LOG_ABS_DET_FACTORED = Op(
    name="log_abs_det_factored",
    doc="the logarithm of the absolute determinant, from the factors",
    elementwise=False,
    work=lambda attributes, factors: factors.shape[0],
    infer=lambda attributes, factors: ("real", ()),
    evaluate=_doubles(_log_abs_det_factored),
    numpy=helper(_log_abs_det_factored),
)
DET_SIGN_FACTORED = Op(
    name="det_sign_factored",
    doc="the sign of the determinant, from the factors",
    elementwise=False,
    work=lambda attributes, factors: factors.shape[0],
    infer=lambda attributes, factors: ("real", ()),
    evaluate=_doubles(_det_sign_factored),
    numpy=helper(_det_sign_factored),
)

ROWS = (FACTORISE, SOLVE_FACTORED, INV_FACTORED, LOG_ABS_DET_FACTORED, DET_SIGN_FACTORED)
