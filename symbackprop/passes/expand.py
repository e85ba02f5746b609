"""Rows that a target cannot spell, by their definition."""

from __future__ import annotations

from typing import Any

from symbackprop.errors import EmitError
from symbackprop.ir import Functions, Graph, Node, Value
from symbackprop.ops import REGISTRY, Op
from symbackprop.ops.contraction import BROADCAST, CONTRACT
from symbackprop.ops.reduction import REDUCE_SUM
from symbackprop.passes.fold import fold
from symbackprop.passes.halves import by_halves
from symbackprop.passes.rewrite import Rewriter, sweep
from symbackprop.passes.simplify import RULES

_MUL, _ALONG, _INVERSE = (REGISTRY[name] for name in ("mul", "along_norm", "inverse_norm"))


class _Expander(Rewriter):
    def __init__(self, target: str) -> None:
        super().__init__(RULES, fold)
        self.target = target

    def plain(self, op: Op, operands: tuple[int, ...], attributes: object = None) -> int:
        if getattr(op, self.target) is None and op.elementwise:
            if op.define is None:
                others = [target for target in ("python", "numpy", "numba") if getattr(op, target) is not None]
                why = "the standard library has no such function" if self.target == "python" else "it has no spelling"
                raise EmitError(
                    f"target {self.target!r} cannot compute {op.name}: {why}; use {' or '.join(map(repr, others))}"
                )
            f = Functions(self)
            values = [f.wrap(operand) for operand in operands]
            return int((op.define(f, *values) if attributes is None else op.define(f, attributes, *values)).index)
        return super().plain(op, operands, attributes)

    def structural(self, op: Op, operands: tuple[int, ...], attributes: Any = None) -> int:
        # Rows on whole arrays are lowered as they are, but for those that are made of others.
        if op is REDUCE_SUM or op is CONTRACT:
            product = self._of_directions(op, operands, attributes)
            if product is not None:
                return int(product.index)
        if op.define is None or getattr(op, self.target) is not None:
            return super().structural(op, operands, attributes)
        f = Functions(self)
        return int(op.define(f, attributes, *[f.wrap(operand) for operand in operands]).index)

    def _of_directions(self, op: Op, operands: tuple[int, ...], attributes: Any) -> Value | None:
        """A sum of entries over their norms, and one with a weight for each norm, as a product with the reciprocals of
        the norms: gradients of distances between pairs of points took twice as long on Numba, as sums in memory and not
        in a register, and 1.4 times on NumPy.
        """
        f = self.f
        if op is REDUCE_SUM:
            found = self._direction(operands[0])
            if found is None or not set(attributes) <= set(found[2]):
                return None
            x, inverse, own = found
            every = tuple(range(len(f.shape(x))))
            return f.contract((own, every, tuple(axis for axis in every if axis not in attributes)), inverse, x)
        left, right, out = attributes
        for labels, other, index, weight in ((right, left, *operands[::-1]), (left, right, *operands)):
            found = self._direction(index)
            if found is not None and tuple(labels[axis] for axis in found[2]) == other:
                x, inverse, _ = found
                return f.contract((other, labels, out), f.wrap(weight) * inverse, x)
        return None

    def _direction(self, index: int) -> tuple[Value, Value, tuple[int, ...]] | None:
        """Entries over their norms as both, and the axes of the entries that the norms have."""
        node = self.nodes[index]
        if node.op is not _MUL or self.nodes[node.operands[1]].op is not BROADCAST:
            return None
        x, repeated = node.operands
        (inverse,), (_, own) = self.operands(repeated), self.nodes[repeated].attributes
        return (self.f.wrap(x), self.f.wrap(inverse), own) if self.is_op(inverse, _INVERSE) else None


def expand(graph: Graph, target: str) -> Graph:
    """The graph in operations that `target` spells. Raises EmitError for one that it does not."""
    if all(_stays(node, target) for node in graph.nodes):
        return graph

    def is_settled(node: Node) -> bool:
        """A product that has been settled stays so: a training step has gone through `settle` before its update."""
        return node.op is CONTRACT and all(graph.nodes[operand].op is not _ALONG for operand in node.operands)

    settled = [is_settled(node) for node in graph.nodes]
    expander = _Expander(target)
    return sweep(graph, expander, settled, by_halves(graph, expander))


def _stays(node: Node, target: str) -> bool:
    if not node.op.elementwise:
        return node.op.define is None or getattr(node.op, target) is not None
    return getattr(node.op, target) is not None or not node.operands
