"""Reading sums of products: what one sum, contraction or diagonal alone uses, as one product over labelled axes.

Broadcasts, transposes, reshapes of ones and diagonal matrices are a matter of labels; signs and numbers come out, and
divisors that do not depend on what is summed. What others need too is a factor as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from symbackprop.ir import Graph, Node
from symbackprop.ops import REGISTRY
from symbackprop.ops.contraction import BROADCAST, CONTRACT, DIAGONAL, DIAGONALIZE, RESHAPE, TRANSPOSE
from symbackprop.ops.extents import Extent
from symbackprop.ops.leaves import CONST, LENGTH
from symbackprop.ops.reduction import REDUCE_SUM
from symbackprop.passes.contraction_order import Cost, nominal

_MUL, _DIV, _NEG = REGISTRY["mul"], REGISTRY["div"], REGISTRY["neg"]
ROOTS = frozenset({REDUCE_SUM, CONTRACT, DIAGONAL})
"""What a group is read from."""
_PRODUCTS = frozenset({_MUL, _NEG, BROADCAST, TRANSPOSE, RESHAPE, DIAGONALIZE})

MOST_FACTORS = 32
"""Longer products are cut: the greedy order is cubic in the number of factors."""
DIVISION_COST = 4

Labels = tuple[int, ...]


@dataclass(slots=True)
class Group:
    """A product over labelled axes, summed over the labels that are not in `out`."""

    out: Labels
    lengths: dict[int, Extent]
    factors: list[tuple[int, Labels]] = field(default_factory=list)
    divisors: list[tuple[int, Labels]] = field(default_factory=list)
    number: Fraction = Fraction(1)
    cost: Cost = field(default_factory=lambda: Cost(0, 0))
    """Of what was read, as it was written."""

    def size(self, labels: Iterable[int]) -> int:
        total = 1
        for label in labels:
            total *= nominal(self.lengths[label])
        return total


class Uses:
    """Who uses what, of the nodes that reach a result."""

    def __init__(self, graph: Graph) -> None:
        self.nodes = graph.nodes
        needed = graph.reaching()
        self.count = [0] * len(graph.nodes)
        # Whether all users are products that end in a sum.
        self.summed = list(needed)
        for output in graph.outputs:
            self.count[output] += 1
            self.summed[output] = False
        for index in range(len(graph.nodes) - 1, -1, -1):
            node = graph.nodes[index]
            if needed[index]:
                good = node.op in ROOTS or (node.op in _PRODUCTS and self.summed[index])
                for operand in node.operands:
                    self.count[operand] += 1
                    self.summed[operand] &= good

    def may_go(self, index: int) -> bool:
        """Whether to take this product apart: nobody else needs it, or it is an outer product only to be summed."""
        if self.count[index] == 1:
            return True
        node = self.nodes[index]
        if node.op is not _MUL or not self.summed[index]:
            return False
        size = node_size(node)
        return all(node_size(self.nodes[_unrepeated(self.nodes, operand)]) < size for operand in node.operands)


def node_size(node: Node) -> int:
    total = 1
    for extent in node.type.shape:
        total *= nominal(extent)
    return total


def _unrepeated(nodes: list[Node], index: int) -> int:
    while nodes[index].op is BROADCAST or nodes[index].op is TRANSPOSE:
        index = nodes[index].operands[0]
    return index


class Reader:
    """Reads the group under one root."""

    def __init__(self, graph: Graph, uses: Uses, root: int, divide: bool) -> None:
        self.nodes, self.uses, self.divide = graph.nodes, uses, divide
        self.lengths: dict[int, Extent] = {}
        self.same: dict[int, int] = {}
        self.out = self.fresh(graph.nodes[root].type.shape)
        self.group = Group(self.out, self.lengths)
        self.stack: list[tuple[int, Labels, bool]] = []
        self.root = root

    def fresh(self, shape: Iterable[Extent]) -> Labels:
        labels = []
        for extent in shape:
            labels.append(len(self.lengths))
            self.lengths[labels[-1]] = extent
        return tuple(labels)

    def resolved(self, label: int) -> int:
        while label in self.same:
            label = self.same[label]
        return label

    def read(self) -> Group:
        group = self.group
        self.take_apart(self.root, self.out, True)
        while self.stack:
            index, labels, owned = self.stack.pop()
            room = len(group.factors) + len(self.stack) < MOST_FACTORS
            if not (room and self.take_apart(index, labels, owned)):
                self.keep(index, labels)
        for pairs in (group.factors, group.divisors):
            pairs[:] = [(index, tuple(map(self.resolved, labels))) for index, labels in pairs]
        group.out = tuple(map(self.resolved, self.out))
        for label in self.same:
            del self.lengths[label]
        return group

    def keep(self, index: int, labels: Labels) -> None:
        node = self.nodes[index]
        if node.op is CONST and isinstance(node.attributes, Fraction):
            self.group.number *= node.attributes
        else:
            self.group.factors.append((index, labels))

    def take_apart(self, index: int, labels: Labels, owned: bool) -> bool:
        """Put what a node is a product of on the stack; False for a node that stays whole."""
        node, group = self.nodes[index], self.group
        is_root = index == self.root
        view = self.through_view(node, labels)
        if view is not None and not (is_root and node.op is not DIAGONAL):
            # What a view shows is computed once, however often it is looked at.
            self.stack.append((node.operands[0], view, is_root or (owned and self.uses.count[index] == 1)))
            return True
        if not is_root and not (owned and self.uses.may_go(index)):
            return False
        below = is_root or self.uses.count[index] == 1
        if node.op is _MUL or node.op is _NEG:
            group.cost = group.cost.plus(node_size(node), node_size(node))
            if node.op is _NEG:
                group.number = -group.number
            # The stack turns the order about; factors are to stand as they were written.
            self.stack += [(o, labels if self.nodes[o].type.shape else (), below) for o in node.operands[::-1]]
        elif node.op is CONTRACT:
            self.through_contraction(node, labels, below)
        elif node.op is REDUCE_SUM:
            operand = node.operands[0]
            shape = self.nodes[operand].type.shape
            kept, summed = iter(labels), iter(self.fresh(shape[axis] for axis in node.attributes))
            inner = tuple(next(summed) if axis in node.attributes else next(kept) for axis in range(len(shape)))
            group.cost = group.cost.plus(node_size(self.nodes[operand]), node_size(node))
            self.stack.append((operand, inner, below))
        elif node.op is _DIV and self.divide:
            return self.through_quotient(node, labels, below)
        else:
            return False
        return True

    def through_contraction(self, node: Node, labels: Labels, below: bool) -> None:
        left, right, out = node.attributes
        shapes = dict(zip((*left, *right), self.shapes_of(node), strict=True))
        known = dict(zip(out, labels, strict=True))
        for label in shapes:
            if label not in known:
                (known[label],) = self.fresh([shapes[label]])
        size = 1
        for extent in shapes.values():
            size *= nominal(extent)
        self.group.cost = self.group.cost.plus(size * (2 if len(shapes) > len(out) else 1), node_size(node))
        for operand, own in ((node.operands[1], right), (node.operands[0], left)):
            self.stack.append((operand, tuple(known[label] for label in own), below))

    def shapes_of(self, node: Node) -> list[Extent]:
        return [extent for operand in node.operands for extent in self.nodes[operand].type.shape]

    def through_quotient(self, node: Node, labels: Labels, below: bool) -> bool:
        """x/y with a divisor that does not depend on what is summed."""
        numerator, divisor = node.operands
        if self.nodes[divisor].op is LENGTH:
            # The mean over an axis of length 0 is a sum of nothing; 0/0 in the end would be nan.
            return False
        own = labels if self.nodes[divisor].type.shape else ()
        while self.nodes[divisor].op in (BROADCAST, TRANSPOSE):
            view = self.through_view(self.nodes[divisor], own)
            assert view is not None
            divisor, own = self.nodes[divisor].operands[0], view
        out = {self.resolved(label) for label in self.out}
        if any(self.resolved(label) not in out and self.lengths[label] != 1 for label in own):
            return False
        self.group.cost = self.group.cost.plus(DIVISION_COST * node_size(node), node_size(node))
        self.group.divisors.append((divisor, own))
        self.stack.append((numerator, labels if self.nodes[numerator].type.shape else (), below))
        return True

    def through_view(self, node: Node, labels: Labels) -> Labels | None:
        """The labels of the operand of a node that only shows it in another way; None for another node."""
        if node.op is TRANSPOSE:
            return tuple(labels[node.attributes.index(axis)] for axis in range(len(labels)))
        if node.op is DIAGONAL:
            return tuple(labels[label] for label in node.attributes)
        if node.op is BROADCAST:
            shape, axes = node.attributes
            own = self.nodes[node.operands[0]].type.shape
            stretched = [n == 1 and shape[axis] != 1 for n, axis in zip(own, axes, strict=True)]
            return tuple(self.fresh([1])[0] if s else labels[axis] for s, axis in zip(stretched, axes, strict=True))
        if node.op is RESHAPE:
            return self.through_ones(node, labels)
        return self.through_diagonal_matrix(node, labels) if node.op is DIAGONALIZE else None

    def through_ones(self, node: Node, labels: Labels) -> Labels | None:
        """A reshape that only brings or takes axes of length 1."""
        before = self.nodes[node.operands[0]].type.shape
        solid = [label for label, extent in zip(labels, node.type.shape, strict=True) if extent != 1]
        if [n for n in before if n != 1] != [n for n in node.type.shape if n != 1]:
            return None
        left = iter(solid)
        return tuple(self.fresh([1])[0] if n == 1 else next(left) for n in before)

    def through_diagonal_matrix(self, node: Node, labels: Labels) -> Labels | None:
        pattern, shape = node.attributes
        first = [pattern.index(label) for label in range(max(pattern) + 1)]
        if any(shape[axis] != shape[first[label]] for axis, label in enumerate(pattern)):
            return None
        self.group.cost = self.group.cost.plus(node_size(node), node_size(node))
        for axis, label in enumerate(pattern):
            self.identify(labels[first[label]], labels[axis])
        return tuple(labels[axis] for axis in first)

    def identify(self, one: int, other: int) -> None:
        """Let two axes run together; one of the result stays a label of the result."""
        one, other = self.resolved(one), self.resolved(other)
        if one != other:
            out = {self.resolved(label) for label in self.out}
            kept, gone = (other, one) if one not in out else (one, other)
            self.same[gone] = kept
