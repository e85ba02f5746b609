"""loss: value and gradient, by reverse accumulation.

    E = M*(U @ V.T - R)
    value = (1/2)*sum(E**2) + (1/2)*(lam*(sum(U**2) + sum(V**2)))

Arguments:
    M    array of real numbers, shape (n, m)
    R    array of real numbers, shape (n, m)
    U    array of real numbers, shape (n, k)
    V    array of real numbers, shape (m, k)
    lam  real number

Gradient: U, V, in this order.
Operations: value 2*k*m*n + 2*k*m + 2*k*n + 4*m*n + 5, with the derivative 6*k*m*n + 4*k*m +
    4*k*n + 5*m*n + 5, 2.99 times as many where every length is 1000 (in additions).
Target numpy, float64. Kinks: zero.
Verified when written: value and gradient at 3 points, to 1e-6 beyond rounding, against
    differences of the value in arbitrary precision.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/matrix_factorisation.py:loss --wrt U,V --target numpy
"""

import numpy as np


@np.errstate(all="ignore")
def _inputs(M, R, U, V, lam):
    """The arguments, cast and checked, and the lengths of their axes."""
    M = np.asarray(M, np.float64)
    if np.ndim(M) != 2:
        raise ValueError("M must have 2 axes")
    R = np.asarray(R, np.float64)
    if np.ndim(R) != 2:
        raise ValueError("R must have 2 axes")
    U = np.asarray(U, np.float64)
    if np.ndim(U) != 2:
        raise ValueError("U must have 2 axes")
    V = np.asarray(V, np.float64)
    if np.ndim(V) != 2:
        raise ValueError("V must have 2 axes")
    lam = np.asarray(lam, np.float64)
    n = M.shape[0]
    m = V.shape[0]
    k = U.shape[1]
    if M.shape != (n, m):
        raise ValueError("M must have shape (n, m)")
    if R.shape != (n, m):
        raise ValueError("R must have shape (n, m)")
    if U.shape != (n, k):
        raise ValueError("U must have shape (n, k)")
    if V.shape != (m, k):
        raise ValueError("V must have shape (m, k)")
    return (M, R, U, V, lam)


@np.errstate(all="ignore")
def value(M, R, U, V, lam):
    """The value alone."""
    M, R, U, V, lam = _inputs(M, R, U, V, lam)
    E = M * (U @ V.T - R)
    result = 0.5 * np.sum(E * E) + 0.5 * (lam * (np.sum(U * U) + np.sum(V * V)))
    return result


@np.errstate(all="ignore")
def value_and_grad(M, R, U, V, lam):
    """The value and the gradient, sharing their work."""
    M, R, U, V, lam = _inputs(M, R, U, V, lam)
    E = M * (U @ V.T - R)
    result = 0.5 * np.sum(E * E) + 0.5 * (lam * (np.sum(U * U) + np.sum(V * V)))

    # Adjoints, from the result back to the inputs.
    A1 = E * M  # adjoint of U @ V.T - R
    U_bar = lam * U + A1 @ V
    V_bar = lam * V + A1.T @ U
    return result, (U_bar, V_bar)


def grad(M, R, U, V, lam):
    """The gradient alone."""
    return value_and_grad(M, R, U, V, lam)[1]
