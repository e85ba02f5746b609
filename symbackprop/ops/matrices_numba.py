"""Linear algebra as emitted modules of target numba have it: functions whose text is pasted and compiled. Numba catches
no exception by its class; what LAPACK raises here is that a matrix is singular or not positive definite. Its own
determinants raise for a matrix with an entry that is not finite: here they are nan.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def _solve(a: Any, b: Any) -> Any:
    """X with A X = B; nan where A is singular."""
    x = np.full(b.shape, np.nan, b.dtype)
    if len(a) == 0 or b.shape[1] == 0:
        return x
    try:
        x[:] = np.linalg.solve(np.ascontiguousarray(a), np.ascontiguousarray(b))
    except Exception:
        pass
    return x


def _inv(a: Any) -> Any:
    """The inverse; nan where A is singular."""
    x = np.full(a.shape, np.nan, a.dtype)
    if len(a) == 0:
        return x
    try:
        x[:] = np.linalg.inv(np.ascontiguousarray(a))
    except Exception:
        pass
    return x


def _det(a: Any) -> Any:
    """The determinant."""
    if not np.isfinite(a).all():
        return a.dtype.type(np.nan)
    return a.dtype.type(np.linalg.det(np.ascontiguousarray(a)) if len(a) > 0 else 1.0)


def _log_abs_det(a: Any) -> Any:
    """log |det A|; -inf where A is singular."""
    if not np.isfinite(a).all():
        return a.dtype.type(np.nan)
    return a.dtype.type(np.linalg.slogdet(np.ascontiguousarray(a))[1] if len(a) > 0 else 0.0)


def _det_sign(a: Any) -> Any:
    """The sign of det A; 0 where A is singular."""
    if not np.isfinite(a).all():
        return a.dtype.type(np.nan)
    return a.dtype.type(np.linalg.slogdet(np.ascontiguousarray(a))[0] if len(a) > 0 else 1.0)


def _cholesky(a: Any) -> Any:
    """The lower triangular L with A = L L^T; nan where A is not positive definite."""
    x = np.full(a.shape, np.nan, a.dtype)
    if len(a) == 0:
        return x
    try:
        x[:] = np.linalg.cholesky(np.ascontiguousarray(a))
    except Exception:
        pass
    return x


def _triangular_solve(a: Any, b: Any, lower: bool, transposed: bool) -> Any:
    """X with A X = B or A^T X = B, of one triangle of A, by substitution."""
    n = len(a)
    x = np.empty_like(b)
    forward = lower != transposed
    for step in range(n):
        i = step if forward else n - 1 - step
        first, last = (0, i) if forward else (i + 1, n)
        for c in range(b.shape[1]):
            total = b[i, c]
            for j in range(first, last):
                total -= (a[j, i] if transposed else a[i, j]) * x[j, c]
            x[i, c] = total / a[i, i]
    return x


def _cofactor(a: Any) -> Any:
    """The gradient of det A, at singular matrices too: from A = U S V^T, det(U) det(V) U adj(S) V^T. nan where an entry
    of A is not finite.
    """
    n = len(a)
    if n == 0 or not np.isfinite(a).all():
        return np.full(a.shape, np.nan, a.dtype)
    u, s, vt = np.linalg.svd(np.ascontiguousarray(a))
    scaled = np.empty_like(u)
    for k in range(n):
        others = s.dtype.type(1)
        for m in range(n):
            if m != k:
                others *= s[m]
        for i in range(n):
            scaled[i, k] = u[i, k] * others
    return a.dtype.type(np.linalg.det(u) * np.linalg.det(vt)) * np.dot(scaled, vt)


def _cofactor_tangent(a: Any, dot: Any) -> Any:
    """The derivative of the cofactors of A along a direction: second minors, from the same decomposition."""
    n = len(a)
    if n == 0 or not np.isfinite(a).all():
        return np.full(a.shape, np.nan, a.dtype)
    u, s, vt = np.linalg.svd(np.ascontiguousarray(a))
    turned = np.dot(np.dot(u.T, np.ascontiguousarray(dot)), vt.T)
    change = np.zeros_like(a)
    for i in range(n):
        for j in range(n):
            if i != j:
                pair = s.dtype.type(1)
                for m in range(n):
                    if m not in (i, j):
                        pair *= s[m]
                change[i, j] -= turned[j, i] * pair
                change[i, i] += turned[j, j] * pair
    return a.dtype.type(np.linalg.det(u) * np.linalg.det(vt)) * np.dot(np.dot(u, change), vt)
