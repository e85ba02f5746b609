"""Forward accumulation: the other sweep, from the same rows.

Each node's tangent is the sum of its partials times the tangents of its operands; a structural row, being linear,
maps tangents as it maps values. Source: Griewank and Walther, 2nd ed., table 2.5 (tangent recursion).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symbackprop.ad import scan
from symbackprop.ad.branches import anywhere, conditions
from symbackprop.ad.reverse import partial_of, tangent_of, times_partial
from symbackprop.ir import Functions, Graph, GraphBuilder, Kinked
from symbackprop.ops import REGISTRY
from symbackprop.ops.array_norms import REDUCE_NORM
from symbackprop.ops.control import SCAN

_ADD, _SUB, _SELECT, _NORM_ROOT = (REGISTRY[name] for name in ("add", "sub", "select", "norm_root"))


def jvp(
    graph: Graph, seeds: Mapping[int, int], outputs: Sequence[int], builder: GraphBuilder, kinks: str = "zero"
) -> list[int]:
    """Tangents of the nodes `outputs`, given the tangents of some nodes.

    `builder` already holds the nodes of `graph`, under the same indices. Raises MissingDerivative where a needed
    partial is unknown.
    """
    f = Functions(builder, kinks)
    reaches = graph.reaching(outputs)
    # No kink in a branch that is not taken is an error; in the reverse sweep cotangents are 0 there.
    taken = conditions(graph, outputs, builder) if kinks == "raise" else {}
    tangent: dict[int, int] = dict(seeds)
    for index in range(len(reaches)):
        node = graph.nodes[index]
        if not reaches[index] or index in seeds:
            continue
        together = node.op.linear == "all" or node.op is SCAN
        total, first = None, len(builder.nodes)
        if together:
            scanned = node.op is SCAN
            moving = {o: _where_taken(builder, tangent[o], taken.get(index)) for o in node.operands if o in tangent}
            total = scan.tangent(graph, f, index, moving) if scanned else _joint(graph, builder, index, moving)
        if builder.origins:
            builder.originate(first, index, f"forward: {node.op.name} of the tangents")
        for position, operand in enumerate(() if together else node.operands):
            if operand not in tangent:
                continue
            first = len(builder.nodes)
            term = _term(graph, f, index, position, tangent[operand], taken.get(index))
            if builder.origins:
                where = f" in operand {position + 1}" if len(node.operands) > 1 else ""
                builder.originate(first, index, f"forward: the partial of {node.op.name}{where} times a tangent")
            if term is not None:
                total = term if total is None else builder.add(_ADD, (total, term))
        if builder.origins:
            builder.originate(first, index, "forward: the sum over its operands")
        if total is not None:
            tangent[index] = builder.broadcast(total, node.type.shape)
            builder.derived.setdefault(tangent[index], (index, "dot"))
    zero = builder.const(0)
    return [
        tangent[node] if node in tangent else builder.broadcast(zero, graph.nodes[node].type.shape) for node in outputs
    ]


def _term(graph: Graph, f: Functions, index: int, position: int, dot: int, taken: int | None) -> int | None:
    node = graph.nodes[index]
    builder = f.builder
    if node.op.elementwise:
        partial = partial_of(graph, f, index, position)
        if isinstance(partial, Kinked):
            dot = _where_taken(builder, dot, taken)
            if node.op is _NORM_ROOT:
                # At the origin the tangent of the squares is 0 in every direction, and says nothing about the norm's.
                one = builder.broadcast(builder.const(1), builder.nodes[partial.at.index].type.shape)
                one = _where_taken(builder, one, taken)
                nothing = builder.add(_SUB, (builder.add(partial.check, (one, partial.at.index)), one))
                dot = builder.add(_ADD, (dot, nothing))
        return None if partial is None else times_partial(builder, dot, partial)
    if not node.op.is_linear(position):
        tangent = tangent_of(graph, f, index, position, _where_taken(builder, dot, taken))
        if node.op is REDUCE_NORM and tangent is not None and f.kinks == "raise":
            # At the origin the tangent is 0 in every direction, as above.
            norm = f.wrap(index)
            unit = f.wrap(_where_taken(builder, f.fill(1, f.shape(norm)).index, taken))
            tangent = (f.wrap(tangent) + (f.unless_kink(unit, f.eq(norm, 0), norm, "it is 0") - unit)).index
        return tangent
    operands = list(node.operands)
    operands[position] = builder.broadcast(dot, graph.nodes[node.operands[position]].type.shape)
    return builder.copy(node, tuple(operands))


def _where_taken(builder: GraphBuilder, dot: int, taken: int | None) -> int:
    """A tangent where its user is part of the result, 0 elsewhere."""
    if taken is None:
        return dot
    condition, shape = builder.nodes[taken].type.shape, builder.nodes[dot].type.shape
    taken = taken if condition in ((), shape) or not shape else anywhere(builder, taken)
    return builder.add(_SELECT, (taken, dot, builder.const(0)))


def _joint(graph: Graph, builder: GraphBuilder, index: int, tangent: Mapping[int, int]) -> int | None:
    """The row over the tangents of all its operands, zeros where one stands still."""
    node = graph.nodes[index]
    if not any(operand in tangent for operand in node.operands):
        return None
    zero = builder.const(0)
    dots = [builder.broadcast(tangent.get(o, zero), graph.nodes[o].type.shape) for o in node.operands]
    return builder.copy(node, tuple(dots))
