"""Computed places are checked where nothing proves that they are inside their array: an index out of range is an
error on every target, and neither wraps around nor reads what is not there.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from symbackprop.ir import Body, Functions, Graph, GraphBuilder, Node
from symbackprop.ir.body import STEP
from symbackprop.ops import REGISTRY
from symbackprop.ops.contraction import BROADCAST, DIAGONAL, RESHAPE, TRANSPOSE
from symbackprop.ops.control import SCAN
from symbackprop.ops.extents import Extent, is_nonnegative, minus, plus, times
from symbackprop.ops.indexing import GATHER, IN_RANGE, IOTA, SCATTER_ADD, SIZE, SLICE
from symbackprop.ops.leaves import CONST, INPUT

Range = tuple[Extent | None, Extent | None]
"""The smallest and the largest value of an integer, None where that is not known."""

_VIEWS = frozenset({BROADCAST, DIAGONAL, RESHAPE, SLICE, TRANSPOSE})
_ADD, _SUB, _MUL, _MOD = (REGISTRY[name] for name in ("int_add", "int_sub", "int_mul", "int_mod"))
_UNKNOWN: Range = (None, None)


def bounds(graph: Graph, steps: Extent | None = None) -> Graph:
    """The graph with a check at every place of a gather or scatter that is not known to be inside; likewise the bodies
    of its scans, in which the number of the step is below `steps`.
    """
    if all(node.op not in (GATHER, SCATTER_ADD, SCAN) for node in graph.nodes):
        return graph
    ranges: list[Range] = []
    builder = GraphBuilder()
    f = Functions(builder)
    new: list[int] = []
    for node in graph.nodes:
        counts = steps is not None and node.op is INPUT and node.attributes == STEP
        inside = [ranges[operand] for operand in node.operands]
        ranges.append((0, minus(steps or 0, 1)) if counts else _range(node, inside))
        operands = [new[operand] for operand in node.operands]
        if node.op is GATHER or node.op is SCATTER_ADD:
            shape = node.attributes if node.op is SCATTER_ADD else graph.nodes[node.operands[0]].type.shape
            for position, extent in enumerate(shape, 1):
                if not _inside(ranges[node.operands[position]], extent):
                    operands[position] = _check(f, operands[position], extent)
        attributes = node.attributes
        if node.op is SCAN:
            body, length, kept = attributes
            attributes = (_checked(body, length), length, kept)
        new.append(builder.intern(node._replace(operands=tuple(operands), attributes=attributes)))
    builder.carry_names(graph, new, [True] * len(new))
    return builder.graph([new[output] for output in graph.outputs])


def _check(f: Functions, index: int, extent: Extent) -> int:
    """The index with a check; one that is the same everywhere is checked once."""
    node = f.builder.nodes[index]
    if node.op is BROADCAST and not f.builder.nodes[node.operands[0]].type.shape:
        once = f.in_range(f.wrap(node.operands[0]), f.size(extent))
        return f.broadcast(once, node.type.shape).index
    return int(f.in_range(f.wrap(index), f.size(extent)).index)


def _checked(body: Body, length: Extent) -> Body:
    return body.derive(("bounds", length), lambda: replace(body, graph=bounds(body.graph, length), derived={}))


def _inside(known: Range, extent: Extent) -> bool:
    low, high = known
    if low is None or high is None:
        return False
    return is_nonnegative(low) and is_nonnegative(minus(minus(extent, 1), high))


def _range(node: Node, operands: list[Range]) -> Range:
    op = node.op
    if node.type.dtype != "int":
        return _UNKNOWN
    if op is CONST and isinstance(node.attributes, Fraction):
        return int(node.attributes), int(node.attributes)
    if op is SIZE:
        return node.attributes, node.attributes
    if op is IOTA:
        return 0, minus(node.attributes, 1)
    if op in _VIEWS or op is IN_RANGE:
        return operands[0]
    if op in (_ADD, _SUB, _MUL, _MOD):
        return _combined(op, *operands)
    return _UNKNOWN


def _combined(op: object, a: Range, b: Range) -> Range:
    """The range of a sum, a difference, a multiple by a known number, or a remainder by one."""
    (low, high), (least, most) = a, b
    if op is _MOD:
        return (0, minus(most, 1)) if isinstance(least, int) and least > 0 and most == least else _UNKNOWN
    if op is _MUL:
        if isinstance(low, int) and low == high:
            (low, high), (least, most) = b, a
        if not isinstance(least, int) or least != most or low is None or high is None:
            return _UNKNOWN
        ends = (times(low, least), times(high, least))
        return ends if least >= 0 else ends[::-1]
    if op is _SUB:
        least, most = (None if end is None else times(end, -1) for end in (most, least))
    return (
        None if low is None or least is None else plus(low, least),
        None if high is None or most is None else plus(high, most),
    )
