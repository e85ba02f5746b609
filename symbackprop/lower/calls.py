"""Rows that have loops or library calls of their own where arrays are not values: products of matrices, running sums,
concatenations, linear algebra.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from symbackprop.ir import Graph, Node
from symbackprop.lower.entries import Place, added
from symbackprop.lower.product import Labels, matmul_of
from symbackprop.lower.program import (
    Accumulate,
    Apply,
    Assign,
    Attribute,
    Effect,
    Expr,
    For,
    Invoke,
    Item,
    Literal,
    Ref,
    Statement,
)
from symbackprop.lower.steps import scan_in_loops
from symbackprop.ops import REGISTRY
from symbackprop.ops.contraction import CONTRACT
from symbackprop.ops.control import SCAN
from symbackprop.ops.extents import Extent, Shape, minus, plus, product
from symbackprop.ops.indexing import CONCATENATE
from symbackprop.ops.linalg import ROWS as LINALG

if TYPE_CHECKING:
    from symbackprop.lower.loops import LoopScheduler

_MUL, _ADD, _SUB = REGISTRY["mul"], REGISTRY["add"], REGISTRY["int_sub"]
_ALONG = {"cumulative_sum": "+", "cumulative_product": "*", "linear_recurrence": ""}
# Products of known sizes up to this many multiplications are loops: a call of BLAS costs about as much.
SMALL = 512


def is_blas(graph: Graph, node: Node, target: str) -> bool:
    """Whether a product goes to BLAS: a matrix with a matrix or a vector, on Numba, of no small known size."""
    if node.op is not CONTRACT or target != "numba" or matmul_of(node.attributes) is None:
        return False
    lengths: dict[int, Extent] = {}
    for labels, operand in zip(node.attributes, node.operands, strict=False):
        lengths.update(zip(labels, graph.nodes[operand].type.shape, strict=True))
    size = product(lengths.values())
    return not isinstance(size, int) or size > SMALL


class Calls:
    """Writes such nodes into the body of their group."""

    def __init__(self, scheduler: LoopScheduler) -> None:
        self.s = scheduler

    @staticmethod
    def takes_arrays(graph: Graph, node: Node, target: str) -> bool:
        """Whether the node reads its operands as whole arrays."""
        return node.op in LINALG or node.op is SCAN or is_blas(graph, node, target)

    def write(self, index: int, body: list[Statement]) -> None:
        node = self.s.graph.nodes[index]
        if node.op is CONTRACT:
            if is_blas(self.s.graph, node, self.s.target_name):
                self._blas(index, node, body)
            else:
                self._product(index, node, body)
        elif node.op is SCAN:
            scan_in_loops(self.s, index, body)
        elif node.op is CONCATENATE:
            self._concatenate(index, node, body)
        elif node.op.name in _ALONG:
            self._along(index, node, body)
        else:
            self._called(index, node, body)

    def whole(self, index: int) -> Expr:
        if index not in self.s.stored:
            return self.s.expr[index]
        prefix = self.s.entries.prefix.get(index, ())
        return Item(self.s.stored[index], prefix) if prefix else Ref(self.s.stored[index])

    def _new(self, index: int, fill: int | None = None) -> str:
        _, name = self.s.own(index)
        shape = self.s.graph.nodes[index].type.shape
        if shape:
            self.s.new_array(name, shape, fill)
            self.s.stored[index] = name
        else:
            self.s.expr[index] = Ref(name)
        return name

    def loops(self, statements: list[Statement], shape: Shape, first: int = 0) -> list[Statement]:
        for depth in range(len(shape) - 1, -1, -1):
            if shape[depth] != 1:
                counter = self.s.counter(first + depth).name
                statements = [For(counter, self.s.extent(shape[depth]), tuple(statements))]
        return statements

    def _place(self, shape: Shape, first: int = 0) -> Place:
        return tuple(Literal(0) if extent == 1 else self.s.counter(first + depth) for depth, extent in enumerate(shape))

    # Products.

    def _blas(self, index: int, node: Node, body: list[Statement]) -> None:
        found = matmul_of(node.attributes)
        assert found is not None
        swap, left_flipped, right_flipped = found
        left, right = (self.whole(operand) for operand in (node.operands[::-1] if swap else node.operands))
        operands = (
            Attribute(left, "T") if left_flipped else left,
            Attribute(right, "T") if right_flipped else right,
        )
        name = self._new(index)
        note = self.s.note(index, Ref(name), Ref(name))
        if not node.type.shape:
            body.append(Assign(Ref(name), Invoke("np.dot", operands), note))
        else:
            body.append(Effect(Invoke("np.dot", (*operands, Ref(name))), note))

    def _product(self, index: int, node: Node, body: list[Statement]) -> None:
        """out[...] = the sum over the other labels of a[...]*b[...], in a local.

        A sum over the first axis of both goes through both in the order of their entries, row by row, and adds to all
        of out.
        """
        left, right, out = node.attributes
        s, (a, b) = self.s, node.operands
        lengths = dict(zip((*left, *right), (*self._shape(a), *self._shape(b)), strict=True))
        summed = [label for label in lengths if label not in out]
        rows = bool(out) and left[0] == right[0] and left[0] in summed
        order = [left[0], *out, *[k for k in summed if k != left[0]]] if rows else [*out, *summed]
        place: dict[int, Expr] = {}
        for depth, label in enumerate(order):
            place[label] = Literal(0) if lengths[label] == 1 else s.counter(depth)
        name = self._new(index, 0 if rows else None)
        factors = (s.entries.at(a, self._at(left, place)), s.entries.at(b, self._at(right, place)))
        value = Apply(_MUL, factors)
        note = s.note(index, value, Ref(name))
        if rows:
            step = Accumulate(Item(name, self._at(out, place)), value, note)
            body.extend(self.loops([step], tuple(lengths[label] for label in order)))
            return
        total = Ref(s.namer.temporary()) if out else Ref(name)
        inner = self.loops([Accumulate(total, value, note)], tuple(lengths[label] for label in summed), first=len(out))
        statements: list[Statement] = [Assign(total, Literal(Fraction(0))), *inner]
        if out:
            statements.append(Assign(Item(name, self._at(out, place)), total))
        body.extend(self.loops(statements, tuple(lengths[label] for label in out)))

    @staticmethod
    def _at(labels: Labels, place: dict[int, Expr]) -> Place:
        return tuple(place[label] for label in labels)

    def _shape(self, index: int) -> Shape:
        return self.s.graph.nodes[index].type.shape

    # Along an axis.

    def _concatenate(self, index: int, node: Node, body: list[Statement]) -> None:
        axis, name = node.attributes, self._new(index)
        start: Extent = 0
        for operand in node.operands:
            shape = self._shape(operand)
            place = self._place(shape)
            there = tuple(added(i, self.s.extent(start)) if k == axis else i for k, i in enumerate(place))
            value = self.s.entries.at(operand, place)
            body.extend(self.loops([Assign(Item(name, there), value)], shape))
            start = plus(start, shape[axis])

    def _along(self, index: int, node: Node, body: list[Statement]) -> None:
        """A running value in a local, over the axis inside loops over the others."""
        (axis, reverse), s = node.attributes, self.s
        shape = node.type.shape
        others = tuple(1 if k == axis else extent for k, extent in enumerate(shape))
        place = list(self._place(others))
        counter = s.counter(len(shape))
        place[axis] = Apply(_SUB, (s.extent(minus(shape[axis], 1)), counter)) if reverse else counter
        name, running = self._new(index), Ref(s.namer.temporary())
        there = tuple(place)
        values = [s.entries.at(operand, there) for operand in node.operands]
        symbol = _ALONG[node.op.name]
        if symbol:
            step: Statement = Accumulate(running, values[0], "", symbol)
        else:
            step = Assign(running, Apply(_ADD, (Apply(_MUL, (values[0], running)), values[1])))
        loop = For(counter.name, s.extent(shape[axis]), (step, Assign(Item(name, there), running)))
        first = Literal(Fraction(1 if symbol == "*" else 0))
        body.extend(self.loops([Assign(running, first), loop], others))

    # Library functions.

    def _called(self, index: int, node: Node, body: list[Statement]) -> None:
        """A function of matrices; of stacks of them in loops over the leading axes."""
        lead = self._shape(node.operands[0])[:-2]
        literals = tuple(Literal(item) for item in node.attributes or ())
        if not lead:
            _, name = self.s.own(index)
            value = Apply(node.op, (*[self.whole(operand) for operand in node.operands], *literals))
            body.append(Assign(Ref(name), value, self.s.note(index, value, Ref(name))))
            if node.type.shape:
                self.s.stored[index] = name
            else:
                self.s.expr[index] = Ref(name)
            return
        place = self._place(lead)
        name = self._new(index)
        arrays = tuple(Item(self.s.stored[operand], place) for operand in node.operands)
        body.extend(self.loops([Assign(Item(name, place), Apply(node.op, (*arrays, *literals)))], lead))
