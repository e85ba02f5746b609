"""One entry of an array as an expression of the loop counters: through broadcasts, slices and transposes to what is
stored or computed.
"""

from __future__ import annotations

from collections.abc import Callable

from symbackprop.ir import Graph
from symbackprop.lower.program import Apply, Expr, Item, Literal
from symbackprop.ops import REGISTRY
from symbackprop.ops.contraction import BROADCAST, DIAGONAL, RESHAPE, TRANSPOSE
from symbackprop.ops.extents import Extent, Shape, product
from symbackprop.ops.indexing import GATHER, IOTA, SLICE

_ADD, _MUL, _FLOORDIV, _MOD = (REGISTRY[name] for name in ("int_add", "int_mul", "int_floordiv", "int_mod"))
Place = tuple[Expr, ...]


def added(a: Expr, b: Expr) -> Expr:
    """The sum of two indices."""
    if isinstance(a, Literal) and isinstance(b, Literal):
        return Literal(int(a.number) + int(b.number))
    if a == Literal(0):
        return b
    if b == Literal(0):
        return a
    if isinstance(b, Literal) and int(b.number) < 0:
        return Apply(REGISTRY["int_sub"], (a, Literal(-int(b.number))))
    return Apply(_ADD, (a, b))


def scaled(a: Expr, factor: Expr) -> Expr:
    if factor == Literal(1):
        return a
    if isinstance(a, Literal) and isinstance(factor, Literal):
        return Literal(int(a.number) * int(factor.number))
    if a == Literal(0) or factor == Literal(0):
        return Literal(0)
    return Apply(_MUL, (factor, a))


def stepped(i: Expr, step: int, start: Expr) -> Expr:
    """start + step*i."""
    if step < 0 and not isinstance(i, Literal):
        back = scaled(i, Literal(-step))
        return Apply(REGISTRY["int_sub"], (start, back))
    return added(scaled(i, Literal(step)), start)


class Entries:
    """Reads nodes at places. `stored` maps nodes that are arrays to their names, `scalar` gives all other numbers."""

    def __init__(
        self,
        graph: Graph,
        stored: dict[int, str],
        scalar: Callable[[int], Expr],
        extent: Callable[[Extent], Expr],
    ) -> None:
        self.graph, self.stored, self.scalar, self.extent = graph, stored, scalar, extent
        self.prefix: dict[int, Place] = {}
        """Where in its array a node stands, of those that are a part of one."""
        self.local: dict[tuple[int, Place], Expr] = {}
        """Entries that a statement of the current loop has computed."""

    def at(self, index: int, place: Place) -> Expr:
        """The entry of a node at a place; an index an axis."""
        node = self.graph.nodes[index]
        known = self.local.get((index, place))
        if known is not None:
            return known
        if index in self.stored:
            return Item(self.stored[index], (*self.prefix.get(index, ()), *place))
        if not node.type.shape:
            return self.scalar(index)
        op, operands = node.op, node.operands
        if op.elementwise:
            return Apply(op, tuple([self.operand(operand, place) for operand in operands]))
        if op is IOTA:
            return place[0]
        if op is GATHER:
            return self.at(operands[0], tuple([self.operand(operand, place) for operand in operands[1:]]))
        return self.at(operands[0], self.behind(index, place))

    def operand(self, index: int, place: Place) -> Expr:
        return self.at(index, place if self.graph.nodes[index].type.shape else ())

    def behind(self, index: int, place: Place) -> Place:
        """Where the entry of a view at `place` stands in its operand."""
        node = self.graph.nodes[index]
        own = self.graph.nodes[node.operands[0]].type.shape
        if node.op is BROADCAST:
            shape, axes = node.attributes
            return tuple(Literal(0) if own[k] == 1 and shape[axis] != 1 else place[axis] for k, axis in enumerate(axes))
        if node.op is TRANSPOSE:
            return tuple(place[node.attributes.index(axis)] for axis in range(len(own)))
        if node.op is SLICE:
            return tuple(
                stepped(i, step, self.extent(start)) for i, (start, step, _) in zip(place, node.attributes, strict=True)
            )
        if node.op is DIAGONAL:
            return tuple(place[label] for label in node.attributes)
        assert node.op is RESHAPE
        return self._reshaped(own, node.type.shape, place)

    def _reshaped(self, old: Shape, new: Shape, place: Place) -> Place:
        solid = [(n, i) for n, i in zip(new, place, strict=True) if n != 1]
        if [n for n, _ in solid] == [n for n in old if n != 1]:
            indices = iter([i for _, i in solid])
            return tuple(Literal(0) if n == 1 else next(indices) for n in old)
        flat: Expr = Literal(0)
        for k, (n, i) in enumerate(zip(new, place, strict=True)):
            if n != 1:
                flat = added(flat, scaled(i, self.extent(product(new[k + 1 :]))))
        result: list[Expr] = []
        leading = True
        for k, n in enumerate(old):
            if n == 1:
                result.append(Literal(0))
                continue
            inner = self.extent(product(old[k + 1 :]))
            entry = flat if inner == Literal(1) else Apply(_FLOORDIV, (flat, inner))
            result.append(entry if leading else Apply(_MOD, (entry, self.extent(n))))
            leading = False
        return tuple(result)
