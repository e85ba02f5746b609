"""loss: value and gradient, by reverse accumulation.

    value = lam*sum((c[1:] - c[:n - 2])**2) + sum(((u[:T - 1, 1:n - 1] - u[:T - 1, :n - 2])*c[:n -
        2] - u[:T - 1, 1:n - 1] - (u[:T - 1, 2:] - u[:T - 1, 1:n - 1])*c[1:] + u[1:, 1:n - 1])**2)

Arguments:
    c    array of real numbers, shape (n - 1,)
    lam  real number
    u    array of real numbers, shape (T, n)

Gradient: c.
Operations: value 9*T*n - 18*T - 6*n + 14, with the derivative 13*T*n - 26*T - 3*n + 9, 1.45
    times as many where every length is 1000 (in additions).
Target numba, float64. Kinks: zero.
Verified when written: value and gradient at 3 points, to 1e-6 beyond rounding, against
    differences of the value in arbitrary precision.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/heat_equation.py:loss --wrt c --target numba
"""

import numpy as np
from numba import njit


@njit(error_model="numpy")
def _inputs(c, lam, u):
    """The arguments, cast and checked, and the lengths of their axes."""
    c = np.ascontiguousarray(np.asarray(c, np.float64))
    lam = float(lam)
    u = np.ascontiguousarray(np.asarray(u, np.float64))
    n = c.shape[0] + 1
    T = u.shape[0]
    if c.shape != (n - 1,):
        raise ValueError("c must have shape (n - 1,)")
    if u.shape != (T, n):
        raise ValueError("u must have shape (T, n)")
    if not n - 1 >= 0:
        raise ValueError("n - 1 must not be negative")
    if not n - 2 >= 0:
        raise ValueError("the range of i, from 0 to n - 3, is reversed")
    if not T - 1 >= 0:
        raise ValueError("the range of k, from 0 to T - 2, is reversed")
    return (c, lam, u, n, T)


@njit(error_model="numpy")
def value(c, lam, u):
    """The value alone."""
    c, lam, u, n, T = _inputs(c, lam, u)
    total = 0.0
    for i in range(n - 2):
        v1 = c[i + 1] - c[i]
        total += v1 * v1
    total_2 = 0.0
    for i in range(T - 1):
        for j in range(n - 2):
            v2 = (u[i, j + 1] - u[i, j]) * c[j] - u[i, j + 1] - (u[i, j + 2] - u[i, j + 1]) * c[j + 1]
            v3 = v2 + u[i + 1, j + 1]
            total_2 += v3 * v3
    result = lam * total + total_2
    return result


@njit(error_model="numpy")
def value_and_grad(c, lam, u):
    """The value and the gradient, sharing their work."""
    c, lam, u, n, T = _inputs(c, lam, u)
    z1 = np.zeros(n - 2, np.float64)
    z2 = np.zeros(n - 2, np.float64)
    v1_bar = np.empty(n - 2, np.float64)
    z3 = np.zeros(n - 1, np.float64)
    z4 = np.zeros(n - 1, np.float64)
    c_bar = np.empty(n - 1, np.float64)
    total = 0.0
    for i in range(n - 2):
        v1 = c[i + 1] - c[i]
        total += v1 * v1
        v1_bar[i] = lam * (2.0 * v1)  # adjoint of c[1:] - c[:n - 2]
    total_2 = 0.0
    for i in range(T - 1):
        for j in range(n - 2):
            v2 = u[i, j + 1] - u[i, j]
            v3 = u[i, j + 2] - u[i, j + 1]
            v4 = v2 * c[j] - u[i, j + 1] - v3 * c[j + 1] + u[i + 1, j + 1]
            total_2 += v4 * v4

            # Adjoints, from the result back to the inputs.
            z1[j] += v4 * v3
            z2[j] += v4 * v2
    result = lam * total + total_2
    for i in range(n - 2):
        v5 = -2.0 * z1[i] + v1_bar[i]  # adjoint of c[1:]
        v6 = 2.0 * z2[i] - v1_bar[i]  # adjoint of c[:n - 2]
        z3[i + 1] = v5
        z4[i] = v6
    for i in range(n - 1):
        c_bar[i] = z3[i] + z4[i]  # adjoint of c
    return result, c_bar


@njit(error_model="numpy")
def grad(c, lam, u):
    """The gradient alone."""
    return value_and_grad(c, lam, u)[1]
