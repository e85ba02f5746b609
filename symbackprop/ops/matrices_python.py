"""Linear algebra as emitted modules of target python have it: lists of rows, Gaussian elimination with partial
pivoting. Functions whose text is pasted.
"""

from __future__ import annotations

import math
from typing import Any


def _eliminated(a: Any, b: Any) -> Any:
    """The rows of A and B after elimination with partial pivoting, and the sign of the permutation; see Golub and Van
    Loan, Matrix Computations, 4th ed., algorithm 3.4.1.
    """
    rows = [[*row, *other] for row, other in zip(a, b, strict=True)]
    n, sign = len(rows), 1.0
    for k in range(n):
        pivot = max(range(k, n), key=lambda i: abs(rows[i][k]))
        if pivot != k:
            rows[k], rows[pivot], sign = rows[pivot], rows[k], -sign
        if rows[k][k] == 0.0:
            continue
        for i in range(k + 1, n):
            factor = rows[i][k] / rows[k][k]
            rows[i] = [x - factor * y if j > k else 0.0 for j, (x, y) in enumerate(zip(rows[i], rows[k], strict=True))]
    return rows, sign


def _solve(a: Any, b: Any) -> Any:
    """X with A X = B; nan where A is singular."""
    rows, _ = _eliminated(a, b)
    n = len(rows)
    if any(rows[k][k] == 0.0 for k in range(n)):
        return [[math.nan for _ in row] for row in b]
    x = [row[n:] for row in rows]
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            x[i] = [p - rows[i][j] * q for p, q in zip(x[i], x[j], strict=True)]
        x[i] = [p / rows[i][i] for p in x[i]]
    return x


def _inv(a: Any) -> Any:
    """The inverse; nan where A is singular."""
    n = len(a)
    return _solve(a, [[1.0 if i == j else 0.0 for j in range(n)] for i in range(n)])


def _det(a: Any) -> Any:
    """The determinant."""
    rows, sign = _eliminated(a, [[] for _ in a])
    for k in range(len(rows)):
        sign *= rows[k][k]
    return sign


def _det_sign(a: Any) -> Any:
    """The sign of det A; 0 where A is singular."""
    rows, sign = _eliminated(a, [[] for _ in a])
    for k in range(len(rows)):
        sign *= math.copysign(1.0, rows[k][k]) if rows[k][k] else 0.0
    return sign


def _log_abs_det(a: Any) -> Any:
    """log |det A|; -inf where A is singular."""
    rows, _ = _eliminated(a, [[] for _ in a])
    if any(rows[k][k] == 0.0 for k in range(len(rows))):
        return -math.inf
    return sum([math.log(abs(rows[k][k])) for k in range(len(rows))], 0.0)


def _cofactor(a: Any) -> Any:
    """The gradient of det A, at singular matrices too: the signed minors. nan where an entry of A is not finite."""
    n = len(a)
    if not all(math.isfinite(entry) for row in a for entry in row):
        return [[math.nan] * n for _ in range(n)]
    return [[(-1.0) ** (i + j) * _det(_minor(a, i, j)) for j in range(n)] for i in range(n)]


def _minor(a: Any, i: int, j: int) -> Any:
    """A without row i and column j."""
    return [[*row[:j], *row[j + 1 :]] for k, row in enumerate(a) if k != i]


def _cofactor_tangent(a: Any, dot: Any) -> Any:
    """The derivative of the cofactors of A along a direction."""
    n = len(a)
    if not all(math.isfinite(entry) for row in a for entry in row):
        return [[math.nan] * n for _ in range(n)]
    result = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(n):
            inner, change = _cofactor(_minor(a, i, j)), _minor(dot, i, j)
            pairs = [p * q for row, other in zip(inner, change, strict=True) for p, q in zip(row, other, strict=True)]
            result[i][j] = (-1.0) ** (i + j) * math.fsum(pairs)
    return result


def _cholesky(a: Any) -> Any:
    """The lower triangular L with A = L L^T; nan where A is not positive definite."""
    n = len(a)
    x = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            rest = a[i][j] - sum([p * q for p, q in zip(x[i][:j], x[j][:j], strict=True)], 0.0)
            if i == j and not rest > 0.0:
                return [[math.nan] * n for _ in range(n)]
            x[i][j] = math.sqrt(rest) if i == j else rest / x[j][j]
    return x


def _triangular_solve(a: Any, b: Any, lower: bool, transposed: bool) -> Any:
    """X with A X = B or A^T X = B, of one triangle of A, by substitution."""
    n = len(a)
    x = [list(row) for row in b]
    forward = lower != transposed
    for step in range(n):
        i = step if forward else n - 1 - step
        for j in range(i) if forward else range(i + 1, n):
            entry = a[j][i] if transposed else a[i][j]
            x[i] = [p - entry * q for p, q in zip(x[i], x[j], strict=True)]
        x[i] = [p / a[i][i] if a[i][i] else p * math.inf for p in x[i]]
    return x
