"""The engine of the passes: one sweep over a graph that offers every node to a table of rules.

A rule sees operands that are already rewritten, and what it builds is offered to the table again, so that one sweep
reaches what a bottom-up fixpoint would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from symbackprop.ir import Functions, Graph, GraphBuilder, Node
from symbackprop.ir.node import Type
from symbackprop.ops import REGISTRY, Op
from symbackprop.ops.leaves import CONST
from symbackprop.ops.reduction import BROADCAST


@dataclass(frozen=True, slots=True)
class Rule:
    """One identity. `apply(r, *operands)` gives the node to use instead, or None where it does not apply.

    `example(f, x, y, c)` builds an expression of two reals and a condition that the rule rewrites; the tests check
    that it does and that the value stays.
    """

    name: str
    op: str
    apply: Callable[..., int | None]
    example: Callable[..., Any]


class Rewriter(GraphBuilder):
    """A builder that applies rules to whatever is added."""

    def __init__(
        self,
        rules: Iterable[Rule],
        fold: Callable[..., int | None] | None = None,
        spared: Iterable[Rule] = (),
    ) -> None:
        """`spared` are the rules for nodes that a sweep spares from the others."""
        super().__init__()
        self.f = Functions(self)
        self._all, self._spared = _by_op(rules), _by_op(spared)
        self._rules = self._all
        self._fold = fold

    def spare(self, spared: bool) -> None:
        """Apply only the rules for spared nodes, or all."""
        self._rules = self._spared if spared else self._all

    def add(self, op: Op, operands: tuple[int, ...], attributes: Any = None) -> int:
        nodes = self.nodes
        constant = self._fold is not None
        for operand in operands:
            made_by = nodes[operand].op
            if made_by is BROADCAST:
                return self._lifted(op, operands, attributes)
            if made_by is not CONST:
                constant = False
        if constant and self._fold is not None:
            folded = self._fold(self, op, operands)
            if folded is not None:
                return folded
        for apply in self._rules.get(op, ()):
            result = apply(self, *operands)
            if result is not None:
                return result
        return self.plain(op, operands, attributes)

    def _lifted(self, op: Op, operands: tuple[int, ...], attributes: Any) -> int:
        """Elementwise operations broadcast scalars by themselves: the broadcast goes, or comes after."""
        nodes = self.nodes
        shape = next(nodes[operand].type.shape for operand in operands if nodes[operand].op is BROADCAST)
        scalars = tuple([nodes[o].operands[0] if nodes[o].op is BROADCAST else o for o in operands])
        return self.broadcast(self.add(op, scalars, attributes), shape)

    def reduce_sum(self, operand: int) -> int:
        """The sum of a repeated scalar is a multiple of it."""
        node = self.nodes[operand]
        if node.op is BROADCAST and isinstance(node.attributes[0], str):
            return self.add(_MUL, (self.length(node.attributes[0]), node.operands[0]))
        return super().reduce_sum(operand)

    def plain(self, op: Op, operands: tuple[int, ...], attributes: Any = None) -> int:
        """The node as it stands, past the rules; x + y and y + x are one node."""
        if op.commutative:
            mirrored = self.known(op, operands[::-1])
            if mirrored is not None:
                return mirrored
        return super().add(op, operands, attributes)

    def known(self, op: Op, operands: tuple[int, ...]) -> int | None:
        """The node of this operation, if there is one already."""
        shape = next((self.nodes[operand].type.shape for operand in operands if self.nodes[operand].type.shape), ())
        return self._interned.get(Node(op, operands, None, Type(op.result, shape)))

    def is_op(self, index: int, op: Op) -> bool:
        return self.nodes[index].op is op

    def number(self, index: int) -> Fraction | None:
        """The value of a rational constant."""
        node = self.nodes[index]
        if node.op is CONST and type(node.attributes) is Fraction:
            return node.attributes
        return None

    def operands(self, index: int) -> tuple[int, ...]:
        return self.nodes[index].operands


_MUL = REGISTRY["mul"]


def _by_op(rules: Iterable[Rule]) -> dict[Op, list[Callable[..., int | None]]]:
    table: dict[Op, list[Callable[..., int | None]]] = {}
    for rule in rules:
        table.setdefault(REGISTRY[rule.op], []).append(rule.apply)
    return table


def sweep(graph: Graph, rewriter: Rewriter, spared: list[bool] | None = None) -> Graph:
    """Every node that reaches an output, added anew through the rewriter; labels go along."""
    needed = graph.reaching()
    new = [0] * len(graph.nodes)
    add, copy = rewriter.add, rewriter.copy
    for index, node in enumerate(graph.nodes):
        if needed[index]:
            operands = tuple([new[operand] for operand in node.operands])
            if spared is not None:
                rewriter.spare(spared[index])
            if operands and node.op.elementwise:
                new[index] = add(node.op, operands, node.attributes)
            else:
                new[index] = copy(node, operands)
    rewriter.carry_names(graph, new, needed)
    return rewriter.graph([new[output] for output in graph.outputs])
