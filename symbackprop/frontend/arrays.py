"""SymPy's array expressions to nodes.

Tensor products, contractions, diagonals and permutations that stand inside one another are read as ONE einsum: every
axis of every operand gets a label, axes that run together the same one. It is carried out operand by operand, and what
is summed over is summed as soon as no later operand has it, so that a tensor product that is contracted is never built.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sympy as sp
from sympy.tensor.array.expressions import array_expressions as ae

from symbackprop.errors import UnsupportedExpression
from symbackprop.frontend.matrix import applied
from symbackprop.frontend.matrix_parts import entry
from symbackprop.frontend.shapes import ARRAYS, filled, fits, shape_of
from symbackprop.ops import REGISTRY
from symbackprop.ops.contraction import relabelled

if TYPE_CHECKING:
    from symbackprop.frontend.scalar import Build, Translator
    from symbackprop.ir.value import Value

_EINSUM = (ae.ArrayTensorProduct, ae.ArrayContraction, ae.ArrayDiagonal, ae.PermuteDims)


@dataclass(slots=True)
class Einsum:
    """Operands with a label an axis, and the labels of the result."""

    operands: list[tuple[Any, list[int]]] = field(default_factory=list)
    out: list[int] = field(default_factory=list)


class _Labels:
    """Labels that are merged: each leads to the one that stands for all that run together."""

    def __init__(self) -> None:
        self._same: list[int] = []

    def fresh(self) -> int:
        self._same.append(len(self._same))
        return len(self._same) - 1

    def of(self, label: int) -> int:
        while self._same[label] != label:
            label = self._same[label]
        return label

    def merge(self, labels: Sequence[int]) -> int:
        first = self.of(labels[0])
        for label in labels[1:]:
            self._same[self.of(label)] = first
        return first


def _rank(expr: Any) -> int:
    return len(getattr(expr, "shape", ()))


def read_einsum(root: Any) -> Einsum:
    """The einsum that nested tensor products, contractions, diagonals and permutations are."""
    labels = _Labels()
    result = Einsum()
    # Every occurrence is visited, since each has axes of its own.
    stack: list[tuple[Any, bool]] = [(root, False)]
    values: list[list[int]] = []
    while stack:
        expr, visited = stack.pop()
        if not isinstance(expr, _EINSUM):
            own = [labels.fresh() for _ in range(_rank(expr))]
            result.operands.append((expr, own))
            values.append(own)
        elif not visited:
            stack.append((expr, True))
            parts = expr.args if isinstance(expr, ae.ArrayTensorProduct) else (expr.expr,)
            stack.extend((part, False) for part in reversed(parts))
        else:
            count = len(expr.args) if isinstance(expr, ae.ArrayTensorProduct) else 1
            inner = [label for part in values[len(values) - count :] for label in part]
            del values[len(values) - count :]
            values.append(_labels_after(expr, inner, labels))
    result.operands = [(expr, [labels.of(label) for label in own]) for expr, own in result.operands]
    result.out = [labels.of(label) for label in values[0]]
    return result


def _labels_after(expr: Any, inner: list[int], labels: _Labels) -> list[int]:
    """The labels of the result of one operation on axes with the labels `inner`."""
    if isinstance(expr, ae.PermuteDims):
        return [inner[axis] for axis in expr.permutation.array_form]
    if isinstance(expr, ae.ArrayTensorProduct):
        return inner
    groups = expr.contraction_indices if isinstance(expr, ae.ArrayContraction) else expr.diagonal_indices
    taken = {int(axis) for group in groups for axis in group}
    rest = [label for axis, label in enumerate(inner) if axis not in taken]
    merged = [labels.merge([inner[int(axis)] for axis in group]) for group in groups]
    # The axes of a diagonal come last.
    return rest if isinstance(expr, ae.ArrayContraction) else rest + merged


def _einsum_operands(expr: Any) -> Sequence[Any]:
    return [operand for operand, _ in read_einsum(expr).operands]


def _einsum(t: Translator, expr: Any, nodes: tuple[int, ...]) -> int:
    einsum = read_einsum(expr)
    f = t.f
    left = [
        _own_diagonal(t, f.wrap(node), own, _needed(einsum, position))
        for position, (node, (_, own)) in enumerate(zip(nodes, einsum.operands, strict=True))
    ]
    value, labels = left.pop(0)
    while left:
        # A partner that shares an axis comes before one that does not.
        chosen = next((k for k, (_, own) in enumerate(left) if set(own) & set(labels)), 0)
        other, own = left.pop(chosen)
        needed = set(einsum.out).union(*[later for _, later in left])
        kept = [label for label in dict.fromkeys([*labels, *own]) if label in needed]
        value = f.contract((tuple(labels), tuple(own), tuple(kept)), value, other)
        labels = kept
    return f.transpose(value, tuple(labels.index(label) for label in einsum.out)).index


def _needed(einsum: Einsum, position: int) -> set[int]:
    """The labels that the result or another operand has."""
    return set(einsum.out).union(*[own for k, (_, own) in enumerate(einsum.operands) if k != position])


def _own_diagonal(t: Translator, value: Value, labels: list[int], needed: set[int]) -> tuple[Value, list[int]]:
    """An operand without axes that run together, and without those that nothing else has."""
    distinct = list(dict.fromkeys(labels))
    if len(distinct) < len(labels):
        value = t.f.diagonal(value, relabelled(labels))
    alone = [axis for axis, label in enumerate(distinct) if label not in needed]
    return t.f.reduce_sum(value, alone), [label for label in distinct if label in needed]


def _symbol(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    return t.array(expr, shape_of(t, expr))


def _element(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    return entry(t, expr, operands[0], expr.indices)


def _sum(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    fits(t, expr, expr.args, operands, "the sum")
    return t.apply(REGISTRY["sum_of"], operands)


def _applied(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    function = expr.function
    if not isinstance(function, sp.Lambda):
        variable = sp.Dummy("entry")
        function = sp.Lambda(variable, function(variable))
    return applied(t, function, operands, t.builder.nodes[operands[0]].type.shape)


def _reshape(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    # SymPy has checked that the number of entries stays.
    return t.f.reshape(t.f.wrap(operands[0]), shape_of(t, expr)).index


def _fill(number: int) -> Build:
    def build(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
        return filled(t, t.builder.const(number), shape_of(t, expr))

    return build


def _nothing(expr: Any) -> Sequence[Any]:
    return ()


def _inner(expr: Any) -> Sequence[Any]:
    return (expr.expr,)


def _refused(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    raise UnsupportedExpression(f"{type(expr).__name__} is not compiled; use ArrayContraction, PermuteDims or Reshape")


OPERANDS: dict[type, Callable[[Any], Sequence[Any]]] = {
    ae.ArraySymbol: _nothing,
    ae.ZeroArray: _nothing,
    ae.OneArray: _nothing,
    ae.ArrayElement: lambda expr: (expr.args[0],),
    ae.ArrayAdd: lambda expr: tuple(expr.args),
    ae.ArrayElementwiseApplyFunc: _inner,
    ae.Reshape: _inner,
    **dict.fromkeys(_EINSUM, _einsum_operands),
}

BUILD: dict[type, Build] = {
    ae.ArraySymbol: _symbol,
    ae.ZeroArray: _fill(0),
    ae.OneArray: _fill(1),
    ae.ArrayElement: _element,
    ae.ArrayAdd: _sum,
    ae.ArrayElementwiseApplyFunc: _applied,
    ae.Reshape: _reshape,
    **dict.fromkeys(ARRAYS, _refused),
    **dict.fromkeys(_EINSUM, _einsum),
}
