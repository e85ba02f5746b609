"""Reverse accumulation: one sweep over the node list, from the outputs back.

Only nodes that depend on a `wrt` and reach an output take part (activity). Each row's partials are used as they stand;
a linear, structural row is transposed. The result is one graph of primal and adjoints, sharing all they share.
Source: Griewank and Walther, Evaluating Derivatives, 2nd ed., SIAM 2008, table 3.4 (incremental adjoint recursion).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symbackprop.errors import MissingDerivative
from symbackprop.ir import Functions, Graph, GraphBuilder, Value, infix
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import CONST
from symbackprop.ops.reduction import BROADCAST

_ADD, _MUL, _NEG = REGISTRY["add"], REGISTRY["mul"], REGISTRY["neg"]


def vjp(
    graph: Graph,
    seeds: Mapping[int, int],
    wrt: Sequence[int],
    builder: GraphBuilder,
    kinks: str = "zero",
    per_sample: bool = False,
) -> list[int]:
    """Adjoints of the nodes `wrt`, given the cotangents of some nodes.

    `builder` already holds the nodes of `graph`, under the same indices; `seeds` maps nodes of the graph to their
    cotangents, which are nodes of the builder. With `per_sample` the adjoint of a scalar that all samples share is not
    summed over them. Raises MissingDerivative where a needed partial is unknown.
    """
    f = Functions(builder, kinks)
    depends = graph.depending(wrt)
    reaches = graph.reaching(seeds)
    adjoint: dict[int, int] = dict(seeds)
    for index in range(max(seeds, default=-1), -1, -1):
        bar = adjoint.get(index)
        if bar is None or not depends[index] or not reaches[index]:
            continue
        node = graph.nodes[index]
        for position, operand in enumerate(node.operands):
            if not depends[operand]:
                continue
            # One sample's share of a scalar is not summed, neither here nor below.
            shared = per_sample and node.op is BROADCAST
            contribution = bar if shared else _contribution(graph, f, index, position, bar)
            if contribution is None:
                continue
            if not per_sample and not graph.nodes[operand].type.shape:
                contribution = builder.reduce_sum(contribution)
            known = adjoint.get(operand)
            adjoint[operand] = contribution if known is None else builder.add(_ADD, (known, contribution))
        if index not in seeds and (bar not in builder.derived or index in graph.labels):
            builder.derived[bar] = (index, "bar")
    zero = builder.const(0)
    return [adjoint[node] if node in adjoint else builder.broadcast(zero, graph.nodes[node].type.shape) for node in wrt]


def _contribution(graph: Graph, f: Functions, index: int, position: int, bar: int) -> int | None:
    """What operand `position` of a node receives from the node's adjoint; None where it is nothing by nature."""
    node = graph.nodes[index]
    op, builder = node.op, f.builder
    if op.transpose is not None:
        return op.transpose(f, f.wrap(bar), f.wrap(node.operands[position])).index  # type: ignore[no-any-return]
    partial = partial_of(graph, f, index, position)
    if partial is None:
        return None
    return times_partial(builder, bar, partial)


def times_partial(builder: GraphBuilder, derivative: int, partial: Value | int) -> int:
    """An adjoint or a tangent times a partial, where 1 and -1 cost nothing or a sign."""
    if isinstance(partial, Value):
        return builder.add(_MUL, (derivative, partial.index))
    return derivative if partial == 1 else builder.add(_NEG, (derivative,))


def partial_of(graph: Graph, f: Functions, index: int, position: int) -> Value | int | None:
    """A row's partial in one operand at this node: a value, 1, -1, or None where it is nothing by nature."""
    node = graph.nodes[index]
    op = node.op
    partial = op.partials[position]
    if partial is None:
        if op.missing:
            raise MissingDerivative(f"{op.missing} (in {infix(graph, index)})")
        return None
    if not isinstance(partial, int):
        partial = partial(f, f.wrap(index), *[f.wrap(operand) for operand in node.operands])
    if isinstance(partial, Value):
        made = f.builder.nodes[partial.index]
        if made.op is not CONST or made.attributes not in (-1, 0, 1):
            return partial
        partial = int(made.attributes)
    if partial == 0:
        return None
    return partial if partial in (1, -1) else f.const(partial)
