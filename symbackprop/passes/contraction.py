"""Sums of products, each in its cheapest order: no outer product that is summed afterwards, no diagonal matrix in a
product, no product of matrices where one with a vector does.

A sum, a contraction or a diagonal is read together with all that it alone uses (`product_groups`); the order that is
then found (`contraction_order`) replaces what was written where it takes fewer operations, or as many and less memory.
Sums are never distributed over additions, which could cancel otherwise than it was written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from symbackprop.ir import Graph
from symbackprop.ops import REGISTRY
from symbackprop.ops.contraction import DIAGONAL, DIAGONALIZE, relabelled
from symbackprop.ops.extents import Extent, product
from symbackprop.passes.contraction_order import Cost, Tree, best_order
from symbackprop.passes.fold import fold
from symbackprop.passes.product_groups import DIVISION_COST, ROOTS, Group, Labels, Reader, Uses
from symbackprop.passes.rewrite import Rewriter
from symbackprop.passes.simplify import RULES as SIMPLIFY_RULES

_MUL, _DIV, _NEG = REGISTRY["mul"], REGISTRY["div"], REGISTRY["neg"]


@dataclass(slots=True)
class Plan:
    """A group and the order in which it is multiplied; None where nothing but numbers is left."""

    group: Group
    tree: Tree | None


def _plan(graph: Graph, uses: Uses, root: int) -> Plan | None:
    """A cheaper order than what is written under `root`, if there is one."""
    for divide in (True, False):
        group = Reader(graph, uses, root, divide).read()
        factors = group.factors
        # Scalars come last, so that of equal orders the one that scales the result is taken.
        factors.sort(key=lambda pair: not pair[1])
        out = frozenset(group.out)
        scale = [frozenset[int]()] if group.number not in (1, -1) else []
        tree, cost = None, Cost(0, 0)
        if factors or scale:
            tree, cost = best_order([frozenset(labels) for _, labels in factors] + scale, out, group.lengths)
        size, divisions, signs = group.size(out), len(group.divisors), int(group.number == -1)
        cost = cost.plus(size * (DIVISION_COST * divisions + signs), size * (divisions + signs))
        if len(out) < len(group.out):
            cost = cost.plus(group.size(group.out), group.size(group.out))
        if cost < group.cost:
            return Plan(group, tree)
        if not group.divisors:
            break
    return None


class _Writer:
    """Builds a planned group."""

    def __init__(self, r: Rewriter, plan: Plan, new: list[int]) -> None:
        self.r, self.group, self.new, self.tree = r, plan.group, new, plan.tree
        self.unique = tuple(dict.fromkeys(self.group.out))

    def shape(self, labels: Iterable[int]) -> tuple[Extent, ...]:
        return tuple(self.group.lengths[label] for label in labels)

    def build(self) -> int:
        r, group = self.r, self.group
        value, labels = (r.const(1), ()) if self.tree is None else self.product(self.tree, frozenset(group.out))
        for divisor, own in group.divisors:
            squeezed = r.reduce_sum(self.new[divisor], tuple(k for k, n in enumerate(own) if n not in self.unique))
            own = tuple(label for label in own if label in self.unique)
            both = tuple(label for label in self.unique if label in labels or label in own)
            quotient = (self.spread(value, labels, both), self.spread(squeezed, own, both))
            value, labels = r.add(_DIV, quotient), both
        if group.number == -1:
            value = r.add(_NEG, (value,))
        value = self.spread(self.repeated(value), labels, self.unique)
        if self.unique == group.out:
            return value
        return r.structural(DIAGONALIZE, (value,), (relabelled(group.out), self.shape(group.out)))

    def repeated(self, value: int) -> int:
        """Times the length of what is summed and no factor has."""
        used = {label for _, labels in self.group.factors for label in labels} | set(self.group.out)
        count = product(extent for label, extent in self.group.lengths.items() if label not in used)
        return value if count == 1 else self.r.add(_MUL, (self.r.length(count), value))

    def spread(self, value: int, labels: Labels, to: Labels) -> int:
        shape = self.shape(to)
        if not labels:
            return self.r.broadcast(value, shape) if self.r.nodes[value].type.shape != shape else value
        return self.r.broadcast(value, shape, tuple(to.index(label) for label in labels))

    def product(self, tree: Tree, wanted: frozenset[int]) -> tuple[int, Labels]:
        """A part of the tree, summed over all labels that are not `wanted` outside."""
        if isinstance(tree, int):
            return self.factor(tree, wanted)
        left, right = tree
        a, a_labels = self.product(left, wanted | self.labels_in(right))
        b, b_labels = self.product(right, wanted | self.labels_in(left))
        both = tuple(dict.fromkeys((*a_labels, *b_labels)))
        kept = self.ordered(both, wanted)
        if all(label in wanted for label in both):
            return self.r.add(_MUL, (self.spread(a, a_labels, kept), self.spread(b, b_labels, kept))), kept
        if set(a_labels) == set(b_labels):
            full = self.r.add(_MUL, (a, self.spread(b, b_labels, a_labels)))
            summed = self.r.reduce_sum(full, tuple(k for k, label in enumerate(a_labels) if label not in kept))
            left_over = tuple(label for label in a_labels if label in kept)
            return self.spread(summed, left_over, kept), kept
        names = (a_labels, b_labels, kept)
        return self.r.f.contract(names, self.r.f.wrap(a), self.r.f.wrap(b)).index, kept

    def ordered(self, labels: Labels, wanted: frozenset[int]) -> Labels:
        """Labels of an intermediate result: as the result has them, if it is all of it, else as they come."""
        kept = tuple(label for label in labels if label in wanted)
        in_result = tuple(label for label in self.unique if label in kept)
        return in_result if len(in_result) == len(kept) else kept

    def labels_in(self, tree: Tree) -> frozenset[int]:
        stack, found = [tree], set[int]()
        while stack:
            item = stack.pop()
            if isinstance(item, tuple):
                stack += item
            elif item < len(self.group.factors):
                found |= set(self.group.factors[item][1])
        return frozenset(found)

    def factor(self, number: int, wanted: frozenset[int]) -> tuple[int, Labels]:
        if number == len(self.group.factors):
            return self.r.const(self.group.number), ()
        index, labels = self.group.factors[number]
        value = self.new[index]
        unique = tuple(dict.fromkeys(labels))
        if unique != labels:
            value = self.r.structural(DIAGONAL, (value,), relabelled(labels))
        value = self.r.reduce_sum(value, tuple(k for k, label in enumerate(unique) if label not in wanted))
        return value, tuple(label for label in unique if label in wanted)


def contract(graph: Graph) -> Graph:
    """Every sum of products in its cheapest order. Idempotent; a graph without such sums is given back."""
    uses = Uses(graph)
    needed = [False] * len(graph.nodes)
    plans: dict[int, Plan] = {}
    for output in graph.outputs:
        needed[output] = True
    for index in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[index]
        if not needed[index]:
            continue
        plan = _plan(graph, uses, index) if node.op in ROOTS else None
        if plan is None:
            operands: Iterable[int] = node.operands
        else:
            plans[index] = plan
            operands = [factor for factor, _ in (*plan.group.factors, *plan.group.divisors)]
        for operand in operands:
            needed[operand] = True
    return _rebuilt(graph, needed, plans) if plans else graph


def _rebuilt(graph: Graph, needed: list[bool], plans: dict[int, Plan]) -> Graph:
    r = Rewriter(SIMPLIFY_RULES, fold)
    new = [0] * len(graph.nodes)
    for index, node in enumerate(graph.nodes):
        if not needed[index]:
            continue
        if index in plans:
            made = _Writer(r, plans[index], new).build()
        else:
            operands = tuple([new[operand] for operand in node.operands])
            rewritten = operands and node.op.elementwise
            made = r.add(node.op, operands, node.attributes) if rewritten else r.copy(node, operands)
        new[index] = made if r.nodes[made].type.shape == node.type.shape else r.broadcast(made, node.type.shape)
    r.carry_names(graph, new, needed)
    return r.graph([new[output] for output in graph.outputs])
