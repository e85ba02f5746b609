"""loss: value and gradient, by reverse accumulation.

    D = x - x
    K = diagonalize(exp(2*s)) + exp(2*f - (1/2)*(D**2*exp((-2)*l)))
    value = an expression of 38 operations in all

Arguments:
    f  real number
    l  real number
    s  real number
    x  array of real numbers, shape (n, 1)
    y  array of real numbers, shape (n, 1)

Gradient: f, l, s, in this order.
Operations: value 6*n*n*n + 27*n*n + 3*n + 50, with the derivative 10*n*n*n + 37*n*n + 5*n + 58, 1.67 times as many where every length is 1000 (in additions).
Target numpy, float64. Kinks: zero.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/gaussian_process.py:loss --wrt f,l,s --target numpy
"""

import numpy as np


def _det_sign(a):
    """The sign of det A; 0 where A is singular."""
    return np.linalg.slogdet(a)[0]


def _inv(a):
    """The inverse; nan where A is singular."""
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        return np.array([_inv(one) for one in a]) if a.ndim > 2 else np.full(a.shape, np.nan, a.dtype)


def _log_abs_det(a):
    """log |det A|; -inf where A is singular."""
    return np.linalg.slogdet(a)[1]


def _solve(a, b):
    """X with A X = B; nan where A is singular."""
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        if a.ndim > 2:
            return np.array([_solve(*pair) for pair in zip(a, b, strict=True)])
        return np.full(b.shape, np.nan, b.dtype)


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
    v1 = 0.5 * np.where(_det_sign(K) < 0.0, np.nan, _log_abs_det(K))
    result = 0.5 * np.sum(y * _solve(K, y)) + v1 + 0.9189385332046728 * n
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
    Z1 = _solve(K, y)
    v3 = _det_sign(K) < 0.0
    v4 = 0.5 * np.sum(y * Z1) + 0.5 * np.where(v3, np.nan, _log_abs_det(K))
    result = v4 + 0.9189385332046728 * n

    # Adjoints, from the result back to the inputs.
    K_bar = (0.5 * np.where(v3, np.nan, 1.0) * _inv(K)).T + _solve(K.T, -0.5 * y) @ Z1.T
    A3 = K_bar * A2
    l_bar = -2.0 * (-0.5 * np.sum(A3 * A1) * v2)
    f_bar = 2.0 * np.sum(A3)
    s_bar = 2.0 * (np.sum(np.diagonal(K_bar)) * v1)
    return result, (f_bar, l_bar, s_bar)


def grad(f, l, s, x, y):
    """The gradient alone."""
    return value_and_grad(f, l, s, x, y)[1]
