"""Linear algebra on the last two axes; axes before them count independent matrices.

Derivatives follow M. B. Giles, Collected matrix derivative results for forward and reverse mode algorithmic
differentiation (2008). A singular matrix gives nan from `solve` and `inv`, -inf from `log_abs_det`, 0 from `det`.
"""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np

from symbackprop.ops import matrices_numba as for_numba
from symbackprop.ops import matrices_numpy as for_numpy
from symbackprop.ops import matrices_python as for_python
from symbackprop.ops.extents import plus, product
from symbackprop.ops.row import Op, call, helper


def _cubic(attributes: Any, a: Any, *others: Any) -> Any:
    """n**3, and n**2 a column of what is solved for; of a stack, for each."""
    n = a.shape[-1]
    columns = others[0].shape[-1] if others else n
    return product((*a.shape, plus(n, columns) if others else n))


_MINORS = (for_python._minor, for_python._det, for_python._eliminated)


def _reference(exact: Any, doubles: Any, scalar: bool = False) -> Any:
    """A row over arrays of doubles, or matrix by matrix over those of mpmath numbers; with `scalar` to numbers."""

    def evaluate(attributes: Any, *operands: Any) -> Any:
        arrays = [np.asarray(x) for x in operands]
        if all(array.dtype != object for array in arrays):
            return doubles(*arrays, *(attributes or ()))
        lead = arrays[0].shape[:-2]
        if not lead:
            return np.asarray(exact(attributes, *arrays))[()]
        results = [exact(attributes, *[a[place] for a in arrays]) for place in np.ndindex(*lead)]
        own = () if scalar else arrays[-1].shape[-2:]
        return np.asarray(results, object).reshape((*lead, *own))

    return evaluate


def _matrix(a: Any) -> Any:
    return mp.matrix(a.tolist())


def _array(m: Any) -> Any:
    return np.array(m.tolist(), object).reshape(m.rows, m.cols)


def _exact_solve(attributes: Any, a: Any, b: Any) -> Any:
    return _array(_matrix(a) ** -1 * _matrix(b)) if b.size else b


def _exact_inv(attributes: Any, a: Any) -> Any:
    return _array(_matrix(a) ** -1) if a.size else a


def _exact_det(attributes: Any, a: Any) -> Any:
    return mp.det(_matrix(a)) if a.size else mp.mpf(1)


def _exact_log_abs_det(attributes: Any, a: Any) -> Any:
    return mp.log(abs(_exact_det(None, a)))


def _exact_det_sign(attributes: Any, a: Any) -> Any:
    return mp.sign(_exact_det(None, a))


def _exact_cofactor(attributes: Any, a: Any) -> Any:
    n = len(a)
    minors = [[np.delete(np.delete(a, i, 0), j, 1) for j in range(n)] for i in range(n)]
    signed = [
        [(-1) ** (i + j) * (mp.det(_matrix(m)) if n > 1 else mp.mpf(1)) for j, m in enumerate(r)]
        for i, r in enumerate(minors)
    ]
    return np.array(signed, object).reshape(n, n)


def _exact_cofactor_tangent(attributes: Any, a: Any, dot: Any) -> Any:
    step = mp.mpf(10) ** (-mp.mp.dps // 3)
    return (_exact_cofactor(None, a + step * dot) - _exact_cofactor(None, a - step * dot)) / (2 * step)


def _exact_cholesky(attributes: Any, a: Any) -> Any:
    return _array(mp.cholesky(_matrix(a))) if a.size else a


def _exact_triangular(attributes: Any, a: Any, b: Any) -> Any:
    lower, transposed = attributes
    a = np.tril(a) if lower else np.triu(a)
    return _exact_solve(None, a.T if transposed else a, b)


def _lead_batch(name: str) -> Any:
    def batch(f: Any, attributes: Any, operands: Any, batched: Any) -> Any:
        given = () if attributes is None else attributes
        return getattr(f, name)(*f.all_batched(operands, batched), *given)

    return batch


def _same(attributes: Any, a: Any) -> Any:
    return "real", a.shape


def _solve_tangent(f: Any, x: Any, dot: Any, position: int, attributes: Any, operands: Any) -> Any:
    return -f.solve(operands[0], f.matmul(dot, x))


SOLVE = Op(
    name="solve",
    doc="X with A X = B",
    arity=2,
    elementwise=False,
    cost=2,
    work=_cubic,
    infer=lambda attributes, a, b: ("real", b.shape),
    linear=(1,),
    tangent=_solve_tangent,
    transpose=lambda f, bar, position, attributes, operands: f.solve(f.mt(operands[0]), bar),
    evaluate=_reference(_exact_solve, for_numpy._solve),
    numpy=helper(for_numpy._solve),
    numba=helper(for_numba._solve),
    python=helper(for_python._solve, for_python._eliminated),
    batch=_lead_batch("solve"),
)
INV = Op(
    name="inv",
    doc="the inverse of a matrix",
    elementwise=False,
    cost=2,
    work=_cubic,
    infer=_same,
    tangent=lambda f, z, dot, position, attributes, operands: -f.matmul(f.matmul(z, dot), z),
    evaluate=_reference(_exact_inv, for_numpy._inv),
    numpy=helper(for_numpy._inv),
    numba=helper(for_numba._inv),
    python=helper(for_python._inv, for_python._solve, for_python._eliminated),
    batch=_lead_batch("inv"),
)
DET = Op(
    name="det",
    doc="the determinant",
    elementwise=False,
    cost=2,
    work=_cubic,
    infer=lambda attributes, a: ("real", a.shape[:-2]),
    tangent=lambda f, z, dot, position, attributes, operands: f.inner(f.cofactor(operands[0]), dot),
    evaluate=_reference(_exact_det, np.linalg.det, scalar=True),
    numpy=call("np.linalg.det"),
    numba=helper(for_numba._det),
    python=helper(for_python._det, for_python._eliminated),
    batch=_lead_batch("det"),
)
COFACTOR = Op(
    name="cofactor",
    doc="the matrix of cofactors, which is the gradient of the determinant",
    elementwise=False,
    cost=2,
    work=_cubic,
    infer=_same,
    tangent=lambda f, z, dot, position, attributes, operands: f.cofactor_tangent(operands[0], dot),
    evaluate=_reference(_exact_cofactor, for_numpy._cofactor),
    numpy=helper(for_numpy._cofactor),
    numba=helper(for_numba._cofactor),
    python=helper(for_python._cofactor, *_MINORS),
    batch=_lead_batch("cofactor"),
)
# The second derivative of a determinant is symmetric: what maps a direction to the change of the cofactors is its own
# transpose.
COFACTOR_TANGENT = Op(
    name="cofactor_tangent",
    doc="the derivative of the cofactors along a direction",
    arity=2,
    elementwise=False,
    cost=2,
    work=_cubic,
    infer=lambda attributes, a, dot: ("real", a.shape),
    linear=(1,),
    missing="third derivatives of a determinant are not available",
    transpose=lambda f, bar, position, attributes, operands: f.cofactor_tangent(operands[0], bar),
    evaluate=_reference(_exact_cofactor_tangent, for_numpy._cofactor_tangent),
    numpy=helper(for_numpy._cofactor_tangent),
    numba=helper(for_numba._cofactor_tangent),
    python=helper(
        for_python._cofactor_tangent, for_python._cofactor, for_python._minor, for_python._det, for_python._eliminated
    ),
    batch=_lead_batch("cofactor_tangent"),
)
LOG_ABS_DET = Op(
    name="log_abs_det",
    doc="the logarithm of the absolute determinant",
    elementwise=False,
    cost=2,
    work=_cubic,
    infer=lambda attributes, a: ("real", a.shape[:-2]),
    tangent=lambda f, z, dot, position, attributes, operands: f.inner(f.mt(f.inv(operands[0])), dot),
    evaluate=_reference(_exact_log_abs_det, for_numpy._log_abs_det, scalar=True),
    numpy=helper(for_numpy._log_abs_det),
    numba=helper(for_numba._log_abs_det),
    python=helper(for_python._log_abs_det, for_python._eliminated),
    batch=_lead_batch("log_abs_det"),
)


def _cholesky_tangent(f: Any, z: Any, dot: Any, position: int, attributes: Any, operands: Any) -> Any:
    # L' = L Phi(L^-1 A' L^-T), Phi the lower triangle with half its diagonal; only the symmetric part of A' counts.
    symmetric = (dot + f.mt(dot)) * f.const((1, 2))
    half = f.triangular_solve(z, symmetric, True, False)
    inner = f.mt(f.triangular_solve(z, f.mt(half), True, False))
    shape = f.shape(z)
    rank = len(shape)
    row = f.broadcast(f.to_real(f.iota(shape[-2])), shape, (rank - 2,))
    column = f.broadcast(f.to_real(f.iota(shape[-1])), shape, (rank - 1,))
    weight = f.select(f.gt(row, column), 1, f.select(f.eq(row, column), f.const((1, 2)), 0))
    return f.matmul(z, weight * inner)


DET_SIGN = Op(
    name="det_sign",
    doc="the sign of the determinant, which may itself be too large or too small for a number",
    elementwise=False,
    cost=2,
    work=_cubic,
    infer=lambda attributes, a: ("real", a.shape[:-2]),
    tangent=lambda f, z, dot, position, attributes, operands: 0 * z,
    evaluate=_reference(_exact_det_sign, for_numpy._det_sign, scalar=True),
    numpy=helper(for_numpy._det_sign),
    numba=helper(for_numba._det_sign),
    python=helper(for_python._det_sign, for_python._eliminated),
    batch=_lead_batch("det_sign"),
)


CHOLESKY = Op(
    name="cholesky",
    doc="the lower triangular L with A = L L^T, of a symmetric positive definite A",
    elementwise=False,
    cost=2,
    work=_cubic,
    infer=_same,
    tangent=_cholesky_tangent,
    evaluate=_reference(_exact_cholesky, for_numpy._cholesky),
    numpy=helper(for_numpy._cholesky),
    numba=helper(for_numba._cholesky),
    python=helper(for_python._cholesky),
    batch=_lead_batch("cholesky"),
)


def _triangular_tangent(f: Any, x: Any, dot: Any, position: int, attributes: Any, operands: Any) -> Any:
    lower, transposed = attributes
    shape = f.shape(dot)
    rank = len(shape)
    row = f.broadcast(f.to_real(f.iota(shape[-2])), shape, (rank - 2,))
    column = f.broadcast(f.to_real(f.iota(shape[-1])), shape, (rank - 1,))
    inside = f.select(f.ge(row, column) if lower else f.le(row, column), dot, 0)
    inside = f.mt(inside) if transposed else inside
    return -f.triangular_solve(operands[0], f.matmul(inside, x), lower, transposed)


TRIANGULAR_SOLVE = Op(
    name="triangular_solve",
    doc="X with A X = B or A^T X = B, of a triangle of A; attributes (lower, transposed)",
    arity=2,
    elementwise=False,
    cost=2,
    work=_cubic,
    infer=lambda attributes, a, b: ("real", b.shape),
    linear=(1,),
    tangent=_triangular_tangent,
    transpose=lambda f, bar, position, attributes, operands: f.triangular_solve(
        operands[0], bar, attributes[0], not attributes[1]
    ),
    evaluate=_reference(_exact_triangular, for_numpy._triangular_solve),
    numpy=helper(for_numpy._triangular_solve),
    numba=helper(for_numba._triangular_solve),
    python=helper(for_python._triangular_solve),
    batch=_lead_batch("triangular_solve"),
)

ROWS = (SOLVE, INV, DET, COFACTOR, COFACTOR_TANGENT, LOG_ABS_DET, DET_SIGN, CHOLESKY, TRIANGULAR_SOLVE)
