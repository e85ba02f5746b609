"""Matrix algebra in SymPy's notation to nodes. A matrix expression is a node of shape (rows, cols), 1 included.

`OPERANDS` says what the translator visits in the place of `expr.args`, `BUILD` makes the node. An inverse in a product
is a solve: the product starts at a factor that is none and grows to both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import sympy as sp
from sympy.matrices.expressions import hadamard, special
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction
from sympy.matrices.expressions.matexpr import MatrixElement
from sympy.matrices.expressions.permutation import MatrixPermute, PermutationMatrix
from sympy.tensor.array.expressions import ArrayElement

from symbackprop.errors import ShapeMismatch, UnsupportedExpression
from symbackprop.frontend.problems import short
from symbackprop.frontend.shapes import filled, fits, is_single, shape_of, square
from symbackprop.ops import REGISTRY
from symbackprop.ops.extents import Extent, Shape, shape_text, terms_of, times

if TYPE_CHECKING:
    from symbackprop.frontend.scalar import Build, Translator

_SUM_OF, _PRODUCT_OF, _POW = REGISTRY["sum_of"], REGISTRY["product_of"], REGISTRY["pow"]

# So many solves in a row before a power of the inverse takes fewer operations.
_SOLVES = 4


class Factor(NamedTuple):
    """A factor of a matrix product: a matrix, or `inverses` times the inverse of it (of its transpose)."""

    expr: Any
    inverses: int = 0
    transposed: bool = False


# Leaves.


def _symbol(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    return t.array(expr, shape_of(t, expr))


def _fill(number: int) -> Build:
    def build(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
        return t.f.fill(number, shape_of(t, expr)).index

    return build


def identity(t: Translator, size: Extent) -> int:
    return t.f.diagonalize(t.f.fill(1, (size,)), (0, 0), (size, size)).index


# Sums and products by entries.


def _sum(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    fits(t, expr, expr.args, operands, "the sum")
    return t.apply(_SUM_OF, operands)


def _hadamard_product(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    fits(t, expr, expr.args, operands, "the entry-wise product")
    return t.apply(_PRODUCT_OF, operands)


def _hadamard_power(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    if all(t.builder.nodes[operand].type.shape for operand in operands):
        fits(t, expr, expr.args, operands, "the entry-wise power")
    return t.apply(_POW, operands)


def _subscript_with(body: Any, variables: set[Any]) -> Any:
    """An access in `body` with one of the variables in its subscripts, or None."""
    stack, seen = [body], set()
    while stack:
        expr = stack.pop()
        if id(expr) in seen:
            continue
        seen.add(id(expr))
        if isinstance(expr, sp.Indexed | MatrixElement | ArrayElement):
            indices = expr.args[1:]
            if any(variables & index.atoms(sp.Symbol) for index in indices):
                return expr
        stack.extend(getattr(expr, "args", ()))
    return None


def applied(t: Translator, function: Any, nodes: Sequence[int], shape: Shape) -> int:
    """A Lambda over nodes of one shape, entry by entry."""
    if len(function.signature) != len(nodes) or not all(isinstance(v, sp.Symbol) for v in function.signature):
        raise UnsupportedExpression(
            f"{short(function)} takes {len(function.signature)} arguments where {len(nodes)} are given"
        )
    subscript = _subscript_with(function.expr, set(function.signature))
    if subscript is not None:
        raise UnsupportedExpression(
            f"{short(subscript)} has the variable of a Lambda as a subscript; subscripts run in a Sum or Product only."
            " A matrix of all pairs is x*OneMatrix(1, n) - OneMatrix(n, 1)*x.T, to which applyfunc applies a kernel"
        )
    node = t.translate_with(dict(zip(function.signature, nodes, strict=True)), function.expr)
    return filled(t, node, shape)


def _applyfunc(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    return applied(t, expr.function, operands, t.builder.nodes[operands[0]].type.shape)


def _function_matrix(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    shape = shape_of(t, expr)
    f = t.f
    indices = [f.broadcast(f.to_real(f.iota(n)), shape, (axis,)).index for axis, n in enumerate(shape)]
    return applied(t, expr.lamda, indices, shape)


# Matrix products.


def _factor(arg: Any) -> Factor:
    """A factor with its inverse, if it is one, taken off."""
    inner, transposed = arg, False
    if isinstance(arg, sp.Transpose | sp.Adjoint) and isinstance(arg.arg, sp.MatPow):
        inner, transposed = arg.arg, True
    if isinstance(inner, sp.MatPow) and inner.exp.is_Integer and inner.exp < 0 and not is_single(inner):
        return Factor(inner.base, -int(inner.exp), transposed)
    return Factor(arg)


def _split(expr: Any) -> tuple[list[Any], list[Factor]]:
    """The scalars of a product and its matrices, without identities."""
    scalars = [arg for arg in expr.args if not getattr(arg, "is_Matrix", False)]
    matrices = [arg for arg in expr.args if getattr(arg, "is_Matrix", False)]
    solid = [arg for arg in matrices if not isinstance(arg, sp.Identity)] or matrices[:1]
    return scalars, [_factor(arg) for arg in solid]


def _product_operands(expr: Any) -> Sequence[Any]:
    scalars, factors = _split(expr)
    return [*scalars, *[factor.expr for factor in factors]]


def _product(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    scalars, factors = _split(expr)
    values = t.values(operands[len(scalars) :])
    for factor, value in zip(factors, values, strict=True):
        if factor.inverses:
            square(t, expr, factor.expr, value.index, "Inverse")
    for k in range(1, len(factors)):
        left, right = t.f.shape(values[k - 1]), t.f.shape(values[k])
        # A square factor reads the same from both sides, so inverse and transpose make no difference here.
        if left[1] != right[0]:
            raise ShapeMismatch(
                f"the product of {short(factors[k - 1].expr)} of shape {shape_text(left)} and {short(factors[k].expr)}"
                f" of shape {shape_text(right)}: {left[1]} columns meet {right[0]} rows (at {t.path(expr)})"
            )
    result = _chain(t, factors, values).index
    return t.apply(_PRODUCT_OF, (*operands[: len(scalars)], result)) if scalars else result


def _chain(t: Translator, factors: list[Factor], values: list[Any]) -> Any:
    """The product of all factors, grown from a start that is no inverse; inverses become solves."""
    f = t.f
    if not any(factor.inverses for factor in factors):
        result = values[0]
        for value in values[1:]:
            result = f.matmul(result, value)
        return result
    start, stop = _start(factors, [f.shape(value) for value in values])
    result = _inverse_power(t, factors[start], values[start]) if factors[start].inverses else values[start]
    for value in values[start + 1 : stop]:
        result = f.matmul(result, value)
    for factor, value in zip(reversed(factors[:start]), reversed(values[:start]), strict=True):
        result = _from_left(t, factor, value, result)
    for factor, value in zip(factors[stop:], values[stop:], strict=True):
        result = _from_right(t, factor, value, result)
    return result


def _start(factors: list[Factor], shapes: list[Shape]) -> tuple[int, int]:
    """The run of plain factors that is solved for: the one with the fewest right-hand sides, the last of equals."""
    runs: list[tuple[int, int, int]] = []
    k = 0
    while k < len(factors):
        stop = k
        while stop < len(factors) and not factors[stop].inverses:
            stop += 1
        if stop > k:
            columns = nominal(shapes[stop - 1][1]) if k > 0 else nominal(shapes[k][0])
            runs.append((columns, -k, stop))
        k = stop + 1
    if not runs:
        return len(factors) - 1, len(factors)
    _, negative, stop = min(runs)
    return -negative, stop


def nominal(extent: Extent) -> int:
    """A length as a number to compare costs by: every dimension counts as 1000.

    >>> nominal(3), nominal("N")
    (3, 1000)
    """
    return sum(count * 1000 ** len(monomial) for monomial, count in terms_of(extent).items())


def _inverse_power(t: Translator, factor: Factor, value: Any) -> Any:
    inverse = t.f.inv(t.f.mt(value) if factor.transposed else value)
    return t.f.wrap(_powered(t, inverse.index, factor.inverses))


def _from_left(t: Translator, factor: Factor, value: Any, result: Any) -> Any:
    f = t.f
    if not factor.inverses:
        return f.matmul(value, result)
    if factor.inverses > _SOLVES:
        return f.matmul(_inverse_power(t, factor, value), result)
    matrix = f.mt(value) if factor.transposed else value
    for _ in range(factor.inverses):
        result = f.solve(matrix, result)
    return result


def _from_right(t: Translator, factor: Factor, value: Any, result: Any) -> Any:
    # X A^-1 = (A^-T X^T)^T
    f = t.f
    if not factor.inverses:
        return f.matmul(result, value)
    return f.mt(_from_left(t, factor._replace(transposed=not factor.transposed), value, f.mt(result)))


def _powered(t: Translator, base: int, exponent: int) -> int:
    """A positive power by repeated squaring."""
    square_, result = t.f.wrap(base), None
    while exponent:
        if exponent % 2:
            result = square_ if result is None else t.f.matmul(result, square_)
        exponent //= 2
        if exponent:
            square_ = t.f.matmul(square_, square_)
    assert result is not None
    return result.index


def _power_operands(expr: Any) -> Sequence[Any]:
    return tuple(expr.args if is_single(expr) else expr.args[:1])


def _power(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    if is_single(expr):
        return t.apply(_POW, operands)
    if not expr.exp.is_Integer:
        raise UnsupportedExpression(
            f"{short(expr)}: a matrix takes a constant integer power, not {short(expr.exp)}; for the power of every"
            f" entry write HadamardPower({short(expr.base)}, {short(expr.exp)})"
        )
    size = square(t, expr, expr.base, operands[0])
    exponent = int(expr.exp)
    if exponent == 0:
        return identity(t, size)
    base = t.f.inv(t.f.wrap(operands[0])).index if exponent < 0 else operands[0]
    return _powered(t, base, abs(exponent))


def _kronecker(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    f = t.f
    result, *others = t.values(operands)
    for other in others:
        (a, b), (c, d) = f.shape(result), f.shape(other)
        blocks = f.contract(((0, 1), (2, 3), (0, 2, 1, 3)), result, other)
        result = f.reshape(blocks, (times(a, c), times(b, d)))
    return result.index


# Transposes and what a square matrix gives.


def _transpose(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    return t.f.mt(t.f.wrap(operands[0])).index


def _trace(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    square(t, expr, expr.arg, operands[0])
    return t.f.reduce_sum(t.f.diagonal(t.f.wrap(operands[0]), (0, 0))).index


_REFUSED: dict[type, str] = {
    PermutationMatrix: "write out the rows that it picks",
    MatrixPermute: "write out the rows that it picks",
    sp.Permanent: "there is no fast way to compute it",
}


def _refused(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    hint = next((text for cls, text in _REFUSED.items() if isinstance(expr, cls)), "write it with +, *, .T, applyfunc")
    raise UnsupportedExpression(f"{type(expr).__name__} is not compiled; {hint}")


def _nothing(expr: Any) -> Sequence[Any]:
    return ()


def _every(expr: Any) -> Sequence[Any]:
    return tuple(expr.args)


def _first(expr: Any) -> Sequence[Any]:
    return (expr.args[0],)


OPERANDS: dict[type, Callable[[Any], Sequence[Any]]] = {
    sp.MatrixSymbol: _nothing,
    sp.Identity: _nothing,
    sp.ZeroMatrix: _nothing,
    special.OneMatrix: _nothing,
    sp.MatAdd: _every,
    sp.MatMul: _product_operands,
    sp.MatPow: _power_operands,
    sp.Inverse: _power_operands,
    sp.Transpose: _first,
    sp.Adjoint: _first,
    sp.Trace: _first,
    hadamard.HadamardProduct: _every,
    hadamard.HadamardPower: _every,
    ElementwiseApplyFunction: lambda expr: (expr.expr,),
    sp.KroneckerProduct: _every,
    sp.FunctionMatrix: _nothing,
    sp.Permanent: _nothing,
}

BUILD: dict[type, Build] = {
    sp.MatrixSymbol: _symbol,
    sp.Identity: lambda t, expr, operands: identity(t, t.extent(expr.rows)),
    sp.ZeroMatrix: _fill(0),
    special.OneMatrix: _fill(1),
    sp.MatAdd: _sum,
    sp.MatMul: _product,
    sp.MatPow: _power,
    sp.Inverse: _power,
    sp.Transpose: _transpose,
    # Entries are real, so that the adjoint is the transpose.
    sp.Adjoint: _transpose,
    sp.Trace: _trace,
    hadamard.HadamardProduct: _hadamard_product,
    hadamard.HadamardPower: _hadamard_power,
    ElementwiseApplyFunction: _applyfunc,
    sp.KroneckerProduct: _kronecker,
    sp.FunctionMatrix: _function_matrix,
    sp.Permanent: _refused,
    sp.MatrixExpr: _refused,
}
