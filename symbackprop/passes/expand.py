"""Rows that a target cannot spell, by their definition."""

from __future__ import annotations

from typing import Any

from symbackprop.errors import EmitError
from symbackprop.ir import Functions, Graph, Node
from symbackprop.ops import Op
from symbackprop.ops.contraction import CONTRACT
from symbackprop.passes.fold import fold
from symbackprop.passes.halves import by_halves
from symbackprop.passes.rewrite import Rewriter, sweep
from symbackprop.passes.simplify import RULES


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
        if op.define is None or getattr(op, self.target) is not None:
            return super().structural(op, operands, attributes)
        f = Functions(self)
        return int(op.define(f, attributes, *[f.wrap(operand) for operand in operands]).index)


def expand(graph: Graph, target: str) -> Graph:
    """The graph in operations that `target` spells. Raises EmitError for one that it does not."""
    if all(_stays(node, target) for node in graph.nodes):
        return graph
    # A product that has been settled stays so: a step of a training has gone through `settle` before its update.
    settled = [node.op is CONTRACT for node in graph.nodes]
    expander = _Expander(target)
    return sweep(graph, expander, settled, by_halves(graph, expander))


def _stays(node: Node, target: str) -> bool:
    if not node.op.elementwise:
        return node.op.define is None or getattr(node.op, target) is not None
    return getattr(node.op, target) is not None or not node.operands
