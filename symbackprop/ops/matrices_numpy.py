"""Linear algebra as emitted modules of target numpy have it: functions whose text is pasted. A singular matrix gives
nan where NumPy raises.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def _solve(a: Any, b: Any) -> Any:
    """X with A X = B; nan where A is singular."""
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        if a.ndim > 2:
            return np.array([_solve(*pair) for pair in zip(a, b, strict=True)])
        return np.full(b.shape, np.nan, b.dtype)


def _inv(a: Any) -> Any:
    """The inverse; nan where A is singular."""
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        return np.array([_inv(one) for one in a]) if a.ndim > 2 else np.full(a.shape, np.nan, a.dtype)


def _log_abs_det(a: Any) -> Any:
    """log |det A|; -inf where A is singular."""
    return np.linalg.slogdet(a)[1]


def _det_sign(a: Any) -> Any:
    """The sign of det A; 0 where A is singular."""
    return np.linalg.slogdet(a)[0]


def _cholesky(a: Any) -> Any:
    """The lower triangular L with A = L L^T; nan where A is not positive definite."""
    try:
        return np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        return np.array([_cholesky(one) for one in a]) if a.ndim > 2 else np.full(a.shape, np.nan, a.dtype)


def _triangular_solve(a: Any, b: Any, lower: bool, transposed: bool) -> Any:
    """X with A X = B or A^T X = B, of one triangle of A, by substitution."""
    a = a.mT if transposed else a
    n = a.shape[-1]
    x = np.empty_like(b)
    forward = lower != transposed
    for step in range(n):
        i = step if forward else n - 1 - step
        known = slice(0, i) if forward else slice(i + 1, n)
        done = a[..., i : i + 1, known] @ x[..., known, :]
        x[..., i, :] = (b[..., i, :] - done[..., 0, :]) / a[..., i, i, None]
    return x


def _cofactor(a: Any) -> Any:
    """The gradient of det A, at singular matrices too: from A = U S V^T, det(U) det(V) U adj(S) V^T. nan where an entry
    of A is not finite.
    """
    whole = np.isfinite(a).all((-2, -1), keepdims=True)
    u, s, vt = np.linalg.svd(np.where(whole, a, 0))
    others = np.empty_like(s)
    for i in range(s.shape[-1]):
        others[..., i] = np.prod(np.delete(s, i, -1), -1)
    sign = np.linalg.det(u) * np.linalg.det(vt)
    return np.where(whole, sign[..., None, None] * ((u * others[..., None, :]) @ vt), a.dtype.type(np.nan))


def _cofactor_tangent(a: Any, dot: Any) -> Any:
    """The derivative of the cofactors of A along a direction: second minors, from the same decomposition."""
    whole = np.isfinite(a).all((-2, -1), keepdims=True)
    u, s, vt = np.linalg.svd(np.where(whole, a, 0))
    n = s.shape[-1]
    turned = u.mT @ dot @ vt.mT
    change = np.zeros_like(turned)
    for i in range(n):
        for j in range(n):
            if i != j:
                pair = np.prod(np.delete(s, [i, j], -1), -1)
                change[..., i, j] -= turned[..., j, i] * pair
                change[..., i, i] += turned[..., j, j] * pair
    sign = np.linalg.det(u) * np.linalg.det(vt)
    return np.where(whole, sign[..., None, None] * (u @ change @ vt), a.dtype.type(np.nan))


def _linear_recurrence(a: Any, b: Any, axis: int, reverse: bool) -> Any:
    """y[k] = a[k]*y[k-1] + b[k] along an axis, or from its other end."""
    a, y = np.moveaxis(a, axis, 0), np.moveaxis(np.array(b), axis, 0)
    order = range(len(y) - 2, -1, -1) if reverse else range(1, len(y))
    for k in order:
        y[k] += a[k] * y[k + 1 if reverse else k - 1]
    return np.moveaxis(y, 0, axis)


def _cumulative_sum(x: Any, axis: int, reverse: bool) -> Any:
    """Running sums along an axis, or from its other end."""
    return np.flip(np.cumsum(np.flip(x, axis), axis), axis) if reverse else np.cumsum(x, axis)


def _cumulative_product(x: Any, axis: int, reverse: bool) -> Any:
    """Running products along an axis, or from its other end."""
    return np.flip(np.cumprod(np.flip(x, axis), axis), axis) if reverse else np.cumprod(x, axis)
