"""loss: value and gradient, by reverse accumulation.

    D = x - x[:, 0]
    K = diagonalize(exp(2*s)) + exp(2*f - (1/2)*(D**2*exp((-2)*l)))
    value = (1/2)*sum(y*solve(K, y)) + (1/2)*where(det_sign(K) < 0, nan, log_abs_det(K)) +
        0.9189385332046728*n

Arguments:
    f  real number
    l  real number
    s  real number
    x  array of real numbers, shape (n, 1)
    y  array of real numbers, shape (n, 1)

Gradient: f, l, s, in this order.
Operations: value n*n*n + 27*n*n + 5*n + 50, with the derivative 3*n*n*n + 37*n*n + 7*n + 58,
    2.96 times as many where every length is 1000 (in additions).
Target numpy, float64. Kinks: zero.
Verified when written: value and gradient at 3 points, to 1e-6 beyond rounding, against
    differences of the value in arbitrary precision.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/gaussian_process.py:loss --wrt f,l,s --target numpy
"""

import numpy as np
from scipy import linalg


def _det_sign_factored(factors):
    """The sign of det A; 0 where A is singular."""
    exchanges = np.count_nonzero(factors[:, -1] != np.arange(len(factors)))
    return np.prod(np.sign(np.diagonal(factors))) * (-1.0) ** exchanges


def _factorise(a):
    """The LU factors of A, with the pivots as a last column."""
    if a.size == 0:
        return np.empty((0, 1), a.dtype)
    (getrf,) = linalg.get_lapack_funcs(("getrf",), (a,))
    lu, pivots, _ = getrf(a)
    return np.column_stack((lu, pivots.astype(a.dtype)))


def _inv_factored(factors):
    """The inverse of A; nan where A is singular."""
    lu, pivots = factors[:, :-1], factors[:, -1].astype(np.int32)
    if lu.size == 0 or not np.all(np.diagonal(lu)):
        return np.full(lu.shape, np.nan, lu.dtype)
    getri, workspace = linalg.get_lapack_funcs(("getri", "getri_lwork"), (lu,))
    # SciPy's own workspace is the smallest that works: 1.5 s for 1,000 rows instead of 0.18 s.
    return getri(lu, pivots, lwork=int(workspace(len(lu))[0]))[0]


def _log_abs_det_factored(factors):
    """log |det A|; -inf where A is singular."""
    return np.sum(np.log(np.abs(np.diagonal(factors))))


def _solve_factored(factors, b, transposed):
    """X with A X = B or A^T X = B; nan where A is singular."""
    lu, pivots = factors[:, :-1], factors[:, -1].astype(np.int32)
    if b.size == 0 or not np.all(np.diagonal(lu)):
        return np.full(b.shape, np.nan, b.dtype)
    (getrs,) = linalg.get_lapack_funcs(("getrs",), (lu, b))
    return getrs(lu, pivots, b, trans=int(transposed))[0]


@np.errstate(all="ignore")
def _inputs(f, l, s, x, y):
    """The arguments, cast and checked, and the lengths of their axes."""
    f = np.asarray(f, np.float64)
    l = np.asarray(l, np.float64)
    s = np.asarray(s, np.float64)
    x = np.asarray(x, np.float64)
    if np.ndim(x) != 2:
        raise ValueError("x must have 2 axes")
    y = np.asarray(y, np.float64)
    if np.ndim(y) != 2:
        raise ValueError("y must have 2 axes")
    n = x.shape[0]
    if x.shape != (n, 1):
        raise ValueError("x must have shape (n, 1)")
    if y.shape != (n, 1):
        raise ValueError("y must have shape (n, 1)")
    return (f, l, s, x, y, n)


@np.errstate(all="ignore")
def value(f, l, s, x, y):
    """The value alone."""
    f, l, s, x, y, n = _inputs(f, l, s, x, y)
    D = x - x[:, 0]
    Z1 = 2.0 * f - 0.5 * (D * D * np.exp(-2.0 * l))
    K = np.exp(Z1)
    K[np.diag_indices(n)] += np.exp(2.0 * s)
    Z2 = _factorise(K)
    v1 = 0.5 * np.where(_det_sign_factored(Z2) < 0.0, np.nan, _log_abs_det_factored(Z2))
    result = 0.5 * np.sum(y * _solve_factored(Z2, y, False)) + v1 + 0.9189385332046728 * n
    return result


@np.errstate(all="ignore")
def value_and_grad(f, l, s, x, y):
    """The value and the gradient, sharing their work."""
    f, l, s, x, y, n = _inputs(f, l, s, x, y)
    D = x - x[:, 0]
    v1 = np.exp(2.0 * s)
    A1 = D * D
    v2 = np.exp(-2.0 * l)
    A2 = np.exp(2.0 * f - 0.5 * (A1 * v2))
    K = A2.copy()
    K[np.diag_indices(n)] += v1
    Z1 = _factorise(K)
    Z2 = _solve_factored(Z1, y, False)
    v3 = _det_sign_factored(Z1) < 0.0
    v4 = 0.5 * np.sum(y * Z2) + 0.5 * np.where(v3, np.nan, _log_abs_det_factored(Z1))
    result = v4 + 0.9189385332046728 * n

    # Adjoints, from the result back to the inputs.
    K_bar = (0.5 * np.where(v3, np.nan, 1.0) * _inv_factored(Z1)).T + _solve_factored(Z1, -0.5 * y, True) @ Z2.T
    A3 = K_bar * A2
    l_bar = -2.0 * (-0.5 * np.sum(A3 * A1) * v2)
    f_bar = 2.0 * np.sum(A3)
    s_bar = 2.0 * (np.sum(np.diagonal(K_bar)) * v1)
    return result, (f_bar, l_bar, s_bar)


def grad(f, l, s, x, y):
    """The gradient alone."""
    return value_and_grad(f, l, s, x, y)[1]
