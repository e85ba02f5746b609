"""Shapes of SymPy's matrices and arrays: what must agree, and where a scalar is due."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sympy as sp
from sympy.tensor.array.expressions.array_expressions import _ArrayExpr, _CodegenArrayAbstract

from symbackprop.errors import ShapeMismatch, UnsupportedExpression
from symbackprop.frontend.problems import short
from symbackprop.ops.extents import Extent, Shape, shape_text

if TYPE_CHECKING:
    from symbackprop.frontend.scalar import Translator

ARRAYS = (_ArrayExpr, _CodegenArrayAbstract)
"""The bases of SymPy's array expressions."""
_SHAPED = (sp.MatrixBase, sp.MatrixExpr, *ARRAYS)


def is_single(expr: Any) -> bool:
    return tuple(expr.shape) == (1, 1)


def fits(t: Translator, expr: Any, parts: Sequence[Any], operands: Sequence[int], what: str) -> None:
    """Raise ShapeMismatch unless all operands have one shape; both that differ are named."""
    shapes = [t.builder.nodes[operand].type.shape for operand in operands]
    for part, shape in zip(parts, shapes, strict=True):
        if shape != shapes[0]:
            raise ShapeMismatch(
                f"{what} of {short(parts[0])} of shape {shape_text(shapes[0])} and {short(part)} of shape"
                f" {shape_text(shape)}: the shapes must be equal; give the dimensions the same symbol if they are"
                f" (at {t.path(expr)})"
            )


def square(t: Translator, expr: Any, part: Any, operand: int, what: str = "") -> Extent:
    """The number of rows of a square matrix. Raises ShapeMismatch for another."""
    shape = t.builder.nodes[operand].type.shape
    if shape[0] != shape[1]:
        raise ShapeMismatch(
            f"{what or type(expr).__name__} needs a square matrix, and {short(part)} has the shape {shape_text(shape)}"
            f" (at {t.path(expr)})"
        )
    return shape[0]


def single_entry(t: Translator, expr: Any, operand: int, user: str = "") -> int:
    """A matrix of one entry, or an array without axes, as a scalar.

    Raises UnsupportedExpression for anything larger; `user` is the function that wanted a scalar.
    """
    shape = t.builder.nodes[operand].type.shape
    if shape in ((), (1, 1)):
        return t.f.reshape(t.f.wrap(operand), ()).index
    kind = "an array" if isinstance(expr, ARRAYS) else "a matrix"
    where = f"{short(expr)} is {kind} of shape {shape_text(shape)} and stands where a scalar is due"
    if user:
        each = f"({short(expr)}).applyfunc({user})" if kind == "a matrix" else f"ArrayElementwiseApplyFunc({user}, ...)"
        raise UnsupportedExpression(f"{where}, in {user}; to apply {user} to every entry write {each}")
    if kind == "an array":
        raise UnsupportedExpression(f"{where}; combine arrays by ArrayAdd, ArrayTensorProduct and ArrayContraction")
    raise UnsupportedExpression(f"{where}; take an entry, a Trace or a sum of it, or pass its entries as a list")


def scalar_operands(t: Translator, expr: Any, operands: Sequence[Any], nodes: tuple[int, ...]) -> tuple[int, ...]:
    """The operands of a scalar expression: matrices of one entry as scalars; larger ones are refused."""
    types = t.builder.nodes
    if not any(types[node].type.shape for node in nodes):
        return nodes
    user = type(expr).__name__ if isinstance(expr, sp.Function) and len(expr.args) == 1 else ""
    return tuple(
        single_entry(t, operand, node, user) if isinstance(operand, _SHAPED) else node
        for operand, node in zip(operands, nodes, strict=True)
    )


def filled(t: Translator, node: int, shape: Shape) -> int:
    """A value for every entry: a scalar is repeated."""
    return node if t.builder.nodes[node].type.shape else t.f.fill(t.f.wrap(node), shape).index


def unknown(t: Translator, expr: Any) -> int:
    """nan, in the shape of an expression that was refused, so that the search for further problems goes on."""
    shape = getattr(expr, "shape", ()) if isinstance(expr, _SHAPED) else ()
    try:
        lengths = tuple(t.extent(length) for length in shape)
    except UnsupportedExpression:
        lengths = (1,) * len(shape)
    return t.f.fill(t.f.const("nan"), lengths).index


def shape_of(t: Translator, expr: Any) -> Shape:
    return tuple(t.extent(length) for length in expr.shape)
