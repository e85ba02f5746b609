"""An untaken branch contributes exactly nothing.

The reverse sweep multiplies a cotangent that is 0 in an untaken branch by partials that may be nan or infinite there,
and 0*nan is nan. So the zero is kept outermost: a gated value ``c ? a : 0`` takes products and quotients inside, sums
of gated values stay gated, and nested gates become one gate over a conjunction, which keeps a chain of n arms O(n).
A gate is seen through what only moves entries; a contraction is gated, too, or its other factor where the gate stands
over axes that are summed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symbackprop.ir import Graph, GraphBuilder
from symbackprop.ops import REGISTRY, Op
from symbackprop.ops.contraction import BROADCAST, CONTRACT, DIAGONAL, DIAGONALIZE, RESHAPE, TRANSPOSE
from symbackprop.ops.control import attached
from symbackprop.ops.indexing import PAD, SCATTER_ADD, SLICE
from symbackprop.ops.nonsmooth import CHECKS
from symbackprop.ops.reduction import REDUCE_MAX, REDUCE_SUM
from symbackprop.passes.choices import is_zero, sum_of_choices
from symbackprop.passes.finite import is_finite
from symbackprop.passes.fold import fold
from symbackprop.passes.rewrite import Apply, Rewriter, Rule, sweep
from symbackprop.passes.simplify import RULES as SIMPLIFY_RULES

_ADD, _SUB, _MUL, _DIV, _NEG, _SELECT = (REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "select"))
_AND, _OR, _NOT, _GT = (REGISTRY[name] for name in ("logical_and", "logical_or", "logical_not", "gt"))


_CHECKS = frozenset(op.name for op in CHECKS)
_ATTACHED = attached(0).name
# What only moves entries: a gate is seen through it.
_VIEWS = frozenset({BROADCAST, TRANSPOSE, RESHAPE, SLICE, DIAGONAL})
_PLACED = frozenset({PAD, SCATTER_ADD, DIAGONALIZE})
_ENTRYWISE = frozenset({_ADD, _SUB, _MUL, _NEG})
_SEEN_THROUGH = _VIEWS | _PLACED | _ENTRYWISE | {CONTRACT, REDUCE_SUM}
_DEEPEST = 6
"""So many steps back a gate is looked for."""


def _gate(r: Rewriter, index: int) -> tuple[int, int] | None:
    """(condition, value) of ``condition ? value : 0``."""
    node = r.nodes[index]
    if node.op is _SELECT:
        c, a, b = node.operands
        if is_zero(r, b):
            return c, a
    return None


def _gate_beside(r: Rewriter, index: int, other: int) -> tuple[int, int] | None:
    """The gate of a factor; where the other factor need not be finite, also a gate that was repeated, moved or summed.

    The value is the factor itself where the gate was not taken off it.
    """
    gate, node = _gate(r, index), r.nodes[index]
    if gate is not None or node.op not in _SEEN_THROUGH:
        return gate
    # In a sum or product of numbers none is hidden, and nobody has to know whether the other is finite.
    if (node.op in _ENTRYWISE and not node.type.shape) or is_finite(r, other):
        return None
    return _hidden_gate(r, index, _DEEPEST)


def _hidden_gate(r: Rewriter, index: int, depth: int) -> tuple[int, int] | None:
    gate = _gate(r, index)
    node = r.nodes[index]
    if gate is not None or node.op not in _SEEN_THROUGH or not depth:
        return gate
    if node.op is CONTRACT:
        return _gate_of_contraction(r, index, depth - 1)
    if node.op in _ENTRYWISE:
        gates = [_hidden_gate(r, operand, depth - 1) for operand in node.operands] if node.type.shape else []
        found = [gate[0] for gate in gates if gate is not None]
        if not found or (node.op in (_ADD, _SUB) and len(found) < len(gates)):
            return None
        return found[0] if node.op not in (_ADD, _SUB) else r.add(_OR, (found[0], found[1])), index
    if node.op in _PLACED:
        # Where nothing was put there is nothing, whatever it meets.
        inner = _hidden_gate(r, node.operands[0], depth - 1)
        ones = r.broadcast(r.const(1), r.nodes[node.operands[0]].type.shape)
        mask = r.add(_SELECT, (inner[0], ones, r.const(0))) if inner else ones
        return r.add(_GT, (r.copy(node, (mask, *node.operands[1:])), r.const(0))), index
    gate = _hidden_gate(r, node.operands[0], depth - 1)
    if gate is None:
        return None
    if node.op is REDUCE_SUM:
        return _any(r, gate[0], r.nodes[node.operands[0]].type.shape, node.attributes), index
    taken_off = index if gate[1] == node.operands[0] else _moved(r, node, gate[1])
    return _moved(r, node, gate[0]), taken_off


def _gate_of_contraction(r: Rewriter, index: int, depth: int) -> tuple[int, int] | None:
    """Where no product under the sum passes the gate of its factor, the sum is 0."""
    left, right, out = r.nodes[index].attributes
    shape = r.nodes[index].type.shape
    for labels, operand in zip((left, right), r.operands(index), strict=True):
        gate = _hidden_gate(r, operand, depth)
        if gate is None or len(set(labels)) < len(labels) or len(set(out)) < len(out):
            continue
        own = r.nodes[operand].type.shape
        condition = _any(r, gate[0], own, tuple(axis for axis, label in enumerate(labels) if label not in out))
        kept = tuple(label for label in labels if label in out)
        return _placed(r, (condition, kept if r.nodes[condition].type.shape else ()), out, shape), index
    return None


def _any(r: Rewriter, condition: int, shape: Any, axes: Any) -> int:
    """Whether a condition over such a shape holds anywhere along some axes."""
    if not axes or not r.nodes[condition].type.shape:
        return condition
    condition, places = _axes_of(r, condition, tuple(range(len(shape))))
    inner = tuple(place for place, axis in enumerate(places) if axis in axes)
    if inner:
        ones = r.add(_SELECT, (condition, r.const(1), r.const(0)))
        condition = r.add(_GT, (r.structural(REDUCE_MAX, (ones,), inner), r.const(0)))
    left = [axis for axis in range(len(shape)) if axis not in axes]
    kept = [axis for axis in places if axis not in axes]
    return r.broadcast(condition, tuple(shape[axis] for axis in left), tuple(left.index(axis) for axis in kept))


def _moved(r: Rewriter, view: Any, index: int) -> int:
    # Scalars go with any shape.
    if not r.nodes[index].type.shape and view.op is not BROADCAST:
        return index
    if not r.nodes[index].type.shape:
        return r.broadcast(index, view.type.shape)
    return r.copy(view, (index,))


def _gated(r: Rewriter, c: int, value: int) -> int:
    return r.add(_SELECT, (c, value, r.const(0)))


def _zero_last(r: Rewriter, c: int, a: int, b: int) -> int | None:
    # One is no gate yet: a factor goes in first, see `_product_of_choice`. Any other number is a factor that went in.
    if r.number(a) == 0 and r.number(b) not in (0, 1, -1):
        return _gated(r, r.add(_NOT, (c,)), b)
    return None


def _nested(r: Rewriter, c: int, a: int, b: int) -> int | None:
    inner = _gate(r, a) if r.number(b) == 0 else None
    return _gated(r, r.add(_AND, (c, inner[0])), inner[1]) if inner else None


def _into_product(r: Rewriter, x: int, y: int) -> int | None:
    gate = _gate_beside(r, x, y)
    if gate:
        return _gated(r, gate[0], _inside(r, _MUL, gate[1], y, gate[1] == x))
    gate = _gate_beside(r, y, x)
    return _gated(r, gate[0], _inside(r, _MUL, x, gate[1], gate[1] == y)) if gate else None


def _inside(r: Rewriter, op: Op, x: int, y: int, still_gated: bool) -> int:
    return r.plain(op, (x, y)) if still_gated else r.add(op, (x, y))


def _product_of_choice(r: Rewriter, x: int, y: int) -> int | None:
    # x*(c ? 1 : 0) is a gate already; x*(c ? 1 : -1) is c ? x : -x, without a multiplication.
    for value, choice in ((x, y), (y, x)):
        if r.is_op(choice, _SELECT):
            c, a, b = r.operands(choice)
            if {r.number(a), r.number(b)} <= {1, -1, 0} and r.number(b) != 0:
                arms = [_times_sign(r, value, r.number(arm)) for arm in (a, b)]
                return r.add(_SELECT, (c, *arms))
    return None


def _times_sign(r: Rewriter, value: int, sign: object) -> int:
    if sign == 0:
        return r.const(0)
    return value if sign == 1 else r.add(_NEG, (value,))


def _into_quotient(r: Rewriter, x: int, y: int) -> int | None:
    # Any divisor may be 0.
    gate = _gate_beside(r, x, r.const("nan"))
    return _gated(r, gate[0], _inside(r, _DIV, gate[1], y, gate[1] == x)) if gate else None


def _into_negation(r: Rewriter, x: int) -> int | None:
    gate = _gate(r, x)
    return _gated(r, gate[0], r.add(_NEG, (gate[1],))) if gate else None


def _combine(op: Op) -> object:
    def combine(r: Rewriter, x: int, y: int) -> int | None:
        left, right = _gate(r, x), _gate(r, y)
        if not left or not right:
            return None
        # The raw sum stays inside: it is nan-free by itself, but a partial that multiplies it need not be.
        return _gated(r, r.add(_OR, (left[0], right[0])), r.plain(op, (x, y)))

    return combine


# Contractions.


def _gated_contraction(r: Rewriter, attributes: Any, x: int, y: int) -> int | None:
    """0 times what an untaken branch made is 0 in a sum of products, too, wherever that need not be finite."""
    left, right, out = attributes
    for labels, other_labels, gated, other in ((left, right, x, y), (right, left, y, x)):
        gate = _gate_beside(r, gated, other) if not is_finite(r, other) else None
        if gate is None or any(len(set(own)) < len(own) for own in attributes):
            continue
        c, value = gate
        over = _axes_of(r, c, labels)
        swapped = (value, other) if gated == x else (other, value)
        if set(over[1]) <= set(out):
            whole = (GraphBuilder if value == gated else Rewriter).structural(r, CONTRACT, swapped, attributes)
            return _gated(r, _placed(r, over, out, r.nodes[whole].type.shape), whole)
        if set(over[1]) <= set(other_labels):
            condition = _placed(r, over, other_labels, r.nodes[other].type.shape)
            known = _gate(r, other)
            if known is not None and known[0] == condition:
                continue
            spared = _gated(r, condition, other)
            pair = (gated, spared) if gated == x else (spared, gated)
            return GraphBuilder.structural(r, CONTRACT, pair, attributes)
        return _entry_by_entry(r, attributes, x, y, over, swapped)
    return None


def _axes_of(r: Rewriter, condition: int, labels: Any) -> tuple[int, tuple[int, ...]]:
    """A condition without the axes along which it only repeats itself, and the labels of those that stay."""
    labels = labels if r.nodes[condition].type.shape else ()
    while r.is_op(condition, BROADCAST):
        shape, axes = r.nodes[condition].attributes
        inner = r.operands(condition)[0]
        if r.nodes[inner].type.shape != tuple(shape[axis] for axis in axes):
            break
        condition, labels = inner, tuple(labels[axis] for axis in axes)
    return condition, labels


def _placed(r: Rewriter, over: tuple[int, tuple[int, ...]], labels: Any, shape: Any) -> int:
    condition, own = over
    return r.broadcast(condition, shape, tuple(labels.index(label) for label in own)) if own else condition


def _entry_by_entry(
    r: Rewriter, attributes: Any, x: int, y: int, over: tuple[int, tuple[int, ...]], factors: tuple[int, int]
) -> int:
    """The sum of gated products: no gate over one factor alone says what the gate over both does."""
    left, right, out = attributes
    every = (*out, *[label for label in dict.fromkeys((*left, *right)) if label not in out])
    lengths: dict[int, Any] = {}
    for labels, operand in ((left, x), (right, y)):
        lengths.update(zip(labels, r.nodes[operand].type.shape, strict=True))
    shape = tuple(lengths[label] for label in every)
    placed = [_placed(r, (o, own), every, shape) for o, own in zip(factors, (left, right), strict=True)]
    products = _gated(r, _placed(r, over, every, shape), r.add(_MUL, tuple(placed)))
    return r.reduce_sum(
        r.broadcast(products, shape) if not r.nodes[products].type.shape else products, _summed(out, every)
    )


def _summed(out: Any, every: Any) -> tuple[int, ...]:
    return tuple(range(len(out), len(every)))


RULES = (
    Rule("c ? 0 : x -> not c ? x : 0", "select", _zero_last, lambda f, x, y, c: f.select(c, 0, x)),
    Rule(
        "c ? (d ? x : 0) : 0 -> c and d ? x : 0",
        "select",
        _nested,
        lambda f, x, y, c: f.select(c, f.select(f.gt(x, y), x, 0), 0),
    ),
    Rule("(c ? x : 0)*y -> c ? x*y : 0", "mul", _into_product, lambda f, x, y, c: f.select(c, x, 0) * y),
    Rule(
        "x*(c ? 1 : -1) -> c ? x : -x",
        "mul",
        _product_of_choice,
        lambda f, x, y, c: x * f.select(c, 1, -1),
        among=("select",),
    ),
    Rule("(c ? x : 0)/y -> c ? x/y : 0", "div", _into_quotient, lambda f, x, y, c: f.select(c, x, 0) / y),
    Rule("-(c ? x : 0) -> c ? -x : 0", "neg", _into_negation, lambda f, x, y, c: -f.select(c, x, 0), among=("select",)),
    Rule(
        "(c ? x : 0) + (not c ? y : 0) -> c ? x : y, and other sums of choices",
        "add",
        sum_of_choices(_ADD),
        lambda f, x, y, c: f.select(c, x, 0) + f.select(f.logical_not(c), y, 0),
        among=("select",),
    ),
    Rule(
        "(c ? x : y) - (c ? y : 0) -> c ? x - y : y",
        "sub",
        sum_of_choices(_SUB),
        lambda f, x, y, c: f.select(c, x, y) - f.select(c, y, 0),
        among=("select",),
    ),
    Rule(
        "(c ? x : 0) + (d ? y : 0) -> gated sum",
        "add",
        _combine(_ADD),  # type: ignore[arg-type]
        lambda f, x, y, c: f.select(c, x, 0) + f.select(f.gt(x, y), y, 0),
        among=("select",),
    ),
    Rule(
        "(c ? x : 0) - (d ? y : 0) -> gated difference",
        "sub",
        _combine(_SUB),  # type: ignore[arg-type]
        lambda f, x, y, c: f.select(c, x, 0) - f.select(f.gt(x, y), y, 0),
        among=("select",),
    ),
)


CONTRACTION_RULES = (
    Rule(
        "sum of (c ? x : 0)*y -> sum of gated products",
        "contract",
        _gated_contraction,
        lambda f, x, y, c: f.inner(f.select(f.gt(x, 0), x, f.fill(0, f.shape(x))), f.log(y)),
    ),
)


class _Guard(Rewriter):
    def __init__(self) -> None:
        super().__init__(RULES + CONTRACTION_RULES + SIMPLIFY_RULES, fold)

    def _offered(self, op: Op, operands: tuple[int, ...], attributes: Any, rules: Sequence[Apply]) -> int:
        # The check of a kink passes a 0 on; it stays inside the gate, so that it sees the 0.
        if op.name in _CHECKS:
            gate = _gate(self, operands[0])
            if gate:
                return _gated(self, gate[0], self.plain(op, operands, attributes))
        return super()._offered(op, operands, attributes, rules)


def guard(graph: Graph, values: int = 0) -> Graph:
    """Keep gates outermost, simplifying on the way.

    The first `values` outputs are the user's own expressions: what they are made of keeps IEEE's 0*nan = nan.
    A graph without choices has no gates; what else there is to simplify in it, `stabilise` does behind this.
    """
    if not any(node.op is _SELECT or node.op.name in _CHECKS for node in graph.nodes):
        return graph
    return sweep(graph, _Guard(), written(graph, values) if values else None)


def written(graph: Graph, values: int) -> list[bool]:
    """The nodes that the first outputs are made of; the slopes that are attached to one are derivatives."""
    needed = [False] * len(graph.nodes)
    for output in graph.outputs[:values]:
        needed[output] = True
    for index in range(len(graph.nodes) - 1, -1, -1):
        if needed[index]:
            node = graph.nodes[index]
            for operand in node.operands[:1] if node.op.name == _ATTACHED else node.operands:
                needed[operand] = True
    return needed
