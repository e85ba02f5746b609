"""The engine of the passes: one sweep over a graph that offers every node to a table of rules.

A rule sees operands that are already rewritten, and what it builds is offered to the table again, so that one sweep
reaches what a bottom-up fixpoint would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from symbackprop.ir import Functions, Graph, GraphBuilder, Node
from symbackprop.ir.node import Type
from symbackprop.ops import REGISTRY, Op
from symbackprop.ops.contraction import BROADCAST, RESHAPE, TRANSPOSE
from symbackprop.ops.leaves import CONST

Apply = Callable[..., int | None]
Plan = tuple[tuple[Op, ...], bool, tuple[Apply, ...]]
"""Of an operation over others: the operands that only show another, whether all are numbers, and the rules."""
_new_node = tuple.__new__
"""Of a named tuple: its own takes twice as long."""
_VIEWS = frozenset({BROADCAST, TRANSPOSE, RESHAPE})


@dataclass(frozen=True, slots=True)
class Rule:
    """One identity. `apply(r, *operands)` gives the node to use instead, or None where it does not apply.

    `example(f, x, y, c)` builds an expression of two reals and a condition that the rule rewrites; the tests check
    that it does and that the value stays. Rules for structural rows get the attributes before the operands; there x
    and y are matrices of shape ("N", 3).
    """

    name: str
    op: str
    apply: Apply
    example: Callable[..., Any]
    on_arrays: bool = False
    """Whether the example is over matrices although the row is elementwise."""
    domain: tuple[tuple[float, float], ...] = ((-4.0, 4.0), (-4.0, 4.0))
    """For a rule of accuracy: the intervals of x and y over which it is true, and from which the tests draw."""
    needs: tuple[str, ...] = ()
    """Rows of which one at least is in every graph to which this applies; it is not tried where there is none."""
    among: tuple[str, ...] = ()
    """Rows of which an operand is one wherever this applies; it is not tried over others."""
    before: float = 0.0
    after: float = 0.0
    """The worst error in ulp, of value or gradient, of the example as written and rewritten, measured over `domain`."""

    @property
    def is_structural(self) -> bool:
        """Whether x and y of the example are matrices."""
        return self.on_arrays or not REGISTRY[self.op].elementwise


class Rewriter(GraphBuilder):
    """A builder that applies rules to whatever is added."""

    def __init__(self, rules: Iterable[Rule], fold: Callable[..., int | None] | None = None) -> None:
        super().__init__()
        self.f = Functions(self)
        self.memo: dict[tuple[str, int], Any] = {}
        """What rules found out about nodes, by the name of the question."""
        self.taken_apart: dict[int, Any] = {}
        """What `passes.common_factors` knows about nodes."""
        self.nested = 0
        """How many rules are at work inside one another, where these count themselves."""
        self._written = tuple(rules)
        self.applied: dict[int, list[str]] = {}
        """The rules that made nodes, where that is recorded."""
        self._fold = fold
        self._awaited = {REGISTRY[name] for rule in self._written for name in rule.needs}
        self._set_plans()
        self._structural_rules = _by_op(rule for rule in self._written if not REGISTRY[rule.op].elementwise)

    def record(self) -> None:
        """From now on remember which rules made which nodes, in `applied`."""
        self._written = tuple(map(_recorded, self._written))
        self._set_plans()
        self._structural_rules = _by_op(rule for rule in self._written if not REGISTRY[rule.op].elementwise)

    def _set_plans(self) -> None:
        """The rules that may apply, now that the rows still awaited are in no node."""
        awaited = self._awaited
        rules = [r for r in self._written if not r.needs or any(REGISTRY[name] not in awaited for name in r.needs)]
        self._plans = _Plans(rules, self._fold is not None)

    def intern(self, node: Node) -> int:
        last = len(self.nodes)
        index = self._interned.setdefault(node, last)
        if index == last:
            self.nodes.append(node)
            if node.op in self._awaited:
                self._awaited.remove(node.op)
                self._set_plans()
        return index

    def add(self, op: Op, operands: tuple[int, ...], attributes: Any = None) -> int:
        nodes = self.nodes
        views, constant, rules = self._plans[op, *[nodes[operand].op for operand in operands]]
        if constant:
            assert self._fold is not None
            folded = self._fold(self, op, operands)
            if folded is not None:
                return folded
        for view in views:
            if view is BROADCAST:
                return self._lifted(op, operands, attributes)
            turned = self._turned(op, operands, attributes)
            if turned is not None:
                return turned
        return self._offered(op, operands, attributes, rules)

    def _offered(self, op: Op, operands: tuple[int, ...], attributes: Any, rules: Sequence[Apply]) -> int:
        for apply in rules:
            result = apply(self, *operands)
            if result is not None:
                return result
        return self.plain(op, operands, attributes)

    def _offered_again(self, op: Op, operands: tuple[int, ...], attributes: Any) -> int:
        """Offered to the rules over these operands, whatever may be done to their shapes."""
        _, _, rules = self._plans[op, *[self.nodes[operand].op for operand in operands]]
        return self._offered(op, operands, attributes, rules)

    def _lifted(self, op: Op, operands: tuple[int, ...], attributes: Any) -> int:
        """Elementwise operations repeat scalars by themselves; where all operands are repeated alike, the result is."""
        nodes = self.nodes
        scalars = tuple([nodes[o].operands[0] if self.is_fill(o) else o for o in operands])
        arrays = [o for o in scalars if nodes[o].type.shape]
        if not arrays:
            shape = next(nodes[o].type.shape for o in operands if nodes[o].type.shape)
            return self.broadcast(self.add(op, scalars, attributes), shape)
        first = nodes[arrays[0]]
        if first.op is BROADCAST and all(self._is_alike(nodes[o], first) for o in arrays[1:]):
            inner = tuple([nodes[o].operands[0] if nodes[o].type.shape else o for o in scalars])
            return self.broadcast(self.add(op, inner, attributes), *first.attributes)
        turned = self._turned(op, scalars, attributes)
        return self._offered_again(op, scalars, attributes) if turned is None else turned

    def _turned(self, op: Op, operands: tuple[int, ...], attributes: Any) -> int | None:
        """Over arrays that are all transposed (or reshaped) alike, the transpose of the row over the arrays."""
        nodes = self.nodes
        shaped = self._shaped(op, operands, attributes)
        if shaped is not None:
            return shaped
        orders = {nodes[operand].attributes for operand in operands if nodes[operand].op is TRANSPOSE}
        if len(orders) != 1:
            return None
        (order,) = orders
        inner: list[int] = []
        for operand in operands:
            node = nodes[operand]
            if not node.type.shape:
                inner.append(operand)
            elif node.op is TRANSPOSE:
                inner.append(node.operands[0])
            elif node.op is BROADCAST:
                shape, axes = node.attributes
                back = tuple(shape[order.index(axis)] for axis in range(len(shape)))
                inner.append(self.broadcast(node.operands[0], back, tuple(order[axis] for axis in axes)))
            else:
                return None
        return self.structural(TRANSPOSE, (self.add(op, tuple(inner), attributes),), order)

    def _shaped(self, op: Op, operands: tuple[int, ...], attributes: Any) -> int | None:
        """Over arrays that are all reshaped alike, the reshape of the row over the arrays."""
        nodes = self.nodes
        arrays = [operand for operand in operands if nodes[operand].type.shape]
        if any(nodes[operand].op is not RESHAPE for operand in arrays):
            return None
        if len({(nodes[o].attributes, nodes[nodes[o].operands[0]].type.shape) for o in arrays}) != 1:
            return None
        inner = tuple([nodes[o].operands[0] if nodes[o].type.shape else o for o in operands])
        return self.structural(RESHAPE, (self.add(op, inner, attributes),), nodes[arrays[0]].attributes)

    def is_fill(self, index: int) -> bool:
        """Whether this is a scalar, repeated."""
        node = self.nodes[index]
        return node.op is BROADCAST and not self.nodes[node.operands[0]].type.shape

    def _is_alike(self, node: Node, other: Node) -> bool:
        return (
            node.op is BROADCAST
            and node.attributes == other.attributes
            and self.nodes[node.operands[0]].type.shape == self.nodes[other.operands[0]].type.shape
        )

    def structural(self, op: Op, operands: tuple[int, ...], attributes: Any = None) -> int:
        for apply in self._structural_rules.get(op, ()):
            result = apply(self, attributes, *operands)
            if result is not None:
                return result
        return super().structural(op, operands, attributes)

    def plain(self, op: Op, operands: tuple[int, ...], attributes: Any = None) -> int:
        """The node as it stands, past the rules; x + y and y + x are one node."""
        type_ = self.type_of(op, operands)
        if op.commutative:
            # A tuple like a node finds it, and is made in half of the time.
            mirrored = self._interned.get((op, operands[::-1], None, type_))  # type: ignore[call-overload]
            if mirrored is not None:
                return int(mirrored)
        return self.intern(_new_node(Node, (op, operands, attributes, type_)))

    def known(self, op: Op, operands: tuple[int, ...]) -> int | None:
        """The node of this operation, if there is one already."""
        return self._interned.get(Node(op, operands, None, self.type_of(op, operands)))

    def known_structural(self, op: Op, operands: tuple[int, ...], attributes: Any) -> int | None:
        """The node of this structural row, if there is one already."""
        assert op.infer is not None
        types = [self.nodes[operand].type for operand in operands]
        return self._interned.get(Node(op, operands, attributes, Type(*op.infer(attributes, *types))))

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


class _Plans(dict[tuple[Op, ...], Plan]):
    """What to do with an operation over operations, by their rows, found out when it is first asked for."""

    def __init__(self, rules: Iterable[Rule], folds: bool) -> None:
        self._rules: dict[Op, list[tuple[Apply, frozenset[Op]]]] = {}
        self._folds = folds
        for rule in rules:
            among = frozenset(REGISTRY[name] for name in rule.among)
            self._rules.setdefault(REGISTRY[rule.op], []).append((rule.apply, among))

    def __missing__(self, rows: tuple[Op, ...]) -> Plan:
        op, *operands = rows
        views = tuple([row for row in operands if row in _VIEWS])
        rules = [apply for apply, among in self._rules.get(op, ()) if not among or not among.isdisjoint(operands)]
        constant = self._folds and all(row is CONST for row in operands)
        plan = self[rows] = views, constant, tuple(rules)
        return plan


def _recorded(rule: Rule) -> Rule:
    """The rule, which says of what it makes anew that it made it."""

    def apply(r: Rewriter, *operands: Any) -> int | None:
        before = len(r.nodes)
        made = rule.apply(r, *operands)
        if made is not None and made >= before:
            r.applied.setdefault(made, []).append(f"rule {rule.name}")
        return made

    return replace(rule, apply=apply)


def _by_op(rules: Iterable[Rule]) -> dict[Op, list[Apply]]:
    table: dict[Op, list[Apply]] = {}
    for rule in rules:
        table.setdefault(REGISTRY[rule.op], []).append(rule.apply)
    return table


def concern(rules: Iterable[Rule], graph: Graph) -> bool:
    """Whether there is a node of a row that one of these rules is for."""
    rows = {REGISTRY[rule.op] for rule in rules}
    return any(node.op in rows for node in graph.nodes)


def sweep(
    graph: Graph,
    rewriter: Rewriter,
    spared: list[bool] | None = None,
    after: Callable[[int, int, list[int]], int] | None = None,
) -> Graph:
    """Every node that reaches an output, added anew through the rewriter, but for those that are spared: they stay as
    they are. Labels go along. `after` is called with a node, what was made of it, and of all before: it may give
    another node to take instead.
    """
    needed = graph.reaching()
    new = [0] * len(graph.nodes)
    if graph.origins:
        rewriter.record()
    add, copy, intern = rewriter.add, rewriter.copy, rewriter.intern
    broadcast, nodes = rewriter.broadcast, rewriter.nodes
    for index, node in enumerate(graph.nodes):
        if needed[index]:
            op, given, attributes, type_ = node
            operands = tuple([new[operand] for operand in given])
            if spared is not None and spared[index]:
                new[index] = intern(node if operands == given else Node(op, operands, attributes, type_))
                continue
            made = add(op, operands, attributes) if operands and op.elementwise else copy(node, operands)
            # A rule may leave a scalar where the same number stands everywhere.
            same = nodes[made].type.shape == type_.shape
            new[index] = made if same else broadcast(made, type_.shape)
            if after is not None:
                new[index] = after(index, new[index], new)
    rewriter.carry_names(graph, new, needed)
    rewriter.complete_origins(rules=rewriter.applied)
    return rewriter.graph([new[output] for output in graph.outputs])
