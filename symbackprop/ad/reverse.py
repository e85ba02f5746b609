"""Reverse accumulation: one sweep over the node list, from the outputs back.

Only nodes that depend on a `wrt` and reach an output take part (activity). Each row's partials are used as they stand;
a linear row is transposed, and so is the tangent of any other row on arrays. The result is one graph of primal and
adjoints, sharing all they share.
Source: Griewank and Walther, Evaluating Derivatives, 2nd ed., SIAM 2008, table 3.4 (incremental adjoint recursion).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symbackprop.ad import scan
from symbackprop.ad.zeros import Zeros
from symbackprop.errors import MissingDerivative
from symbackprop.ir import Functions, Graph, GraphBuilder, Kinked, Value, infix
from symbackprop.ops import REGISTRY
from symbackprop.ops.control import SCAN
from symbackprop.ops.leaves import CONST

_ADD, _MUL, _NEG = REGISTRY["add"], REGISTRY["mul"], REGISTRY["neg"]
Partial = Value | int | Kinked
"""What a derivative is multiplied by on its way through a node."""


def vjp(
    graph: Graph,
    seeds: Mapping[int, int],
    wrt: Sequence[int],
    builder: GraphBuilder,
    kinks: str = "zero",
    last: bool = False,
) -> list[int]:
    """Adjoints of the nodes `wrt`, given the cotangents of some nodes.

    `builder` already holds the nodes of `graph`, under the same indices; `seeds` maps nodes of the graph to their
    cotangents, which are nodes of the builder. `last` says that the adjoints are not differentiated again. Raises
    MissingDerivative where a needed partial is unknown.
    """
    f = Functions(builder, kinks)
    depends = graph.depending(wrt)
    reaches = graph.reaching(seeds, min(wrt, default=0))
    zeros = Zeros(graph, reaches, wrt) if last else None
    adjoint: dict[int, int] = dict(seeds)
    for index in range(max(seeds, default=-1), -1, -1):
        bar = adjoint.get(index)
        if bar is None or not depends[index] or not reaches[index]:
            continue
        operands = graph.nodes[index].operands
        received, first = None, len(builder.nodes)
        if graph.nodes[index].op is SCAN:
            bar = builder.broadcast(bar, graph.nodes[index].type.shape)
            received = scan.adjoints(graph, f, index, bar, [depends[operand] for operand in operands])
        for position, operand in enumerate(operands):
            if not depends[operand]:
                continue
            if received is None:
                contribution = _contribution(graph, f, index, position, bar, zeros)
            else:
                contribution = received[position]
            if contribution is None:
                continue
            if builder.origins:
                builder.originate(first, index, _rule(graph, index, position))
            known, first = adjoint.get(operand), len(builder.nodes)
            adjoint[operand] = contribution if known is None else builder.add(_ADD, (known, contribution))
            if builder.origins:
                builder.originate(first, operand, "reverse: the sum over its uses")
                first = len(builder.nodes)
        if index not in seeds and (bar not in builder.derived or index in graph.labels):
            builder.derived[bar] = (index, "bar")
    zero = builder.const(0)
    return [adjoint[node] if node in adjoint else builder.broadcast(zero, graph.nodes[node].type.shape) for node in wrt]


def _contribution(
    graph: Graph, f: Functions, index: int, position: int, bar: int, zeros: Zeros | None = None
) -> int | None:
    """What operand `position` of a node receives from the node's adjoint; None where it is nothing by nature."""
    node = graph.nodes[index]
    builder = f.builder
    shape = graph.nodes[node.operands[position]].type.shape
    if not node.op.elementwise:
        contribution = _structural(graph, f, index, position, bar)
    else:
        partial = partial_of(graph, f, index, position)
        contribution = None if partial is None else times_partial(builder, bar, partial)
        if zeros is not None and contribution is not None:
            contribution = zeros.beside(f, index, position, bar, contribution)
    if contribution is None:
        return None
    # A scalar that met an array was repeated; an adjoint that is the same everywhere may be a scalar so far.
    if not shape:
        if node.op.elementwise:
            contribution = builder.broadcast(contribution, node.type.shape)
        return builder.reduce_sum(contribution)
    return builder.broadcast(contribution, shape)


def _rule(graph: Graph, index: int, position: int) -> str:
    """What `_contribution` does, in words."""
    op = graph.nodes[index].op
    where = f" in operand {position + 1}" if len(graph.nodes[index].operands) > 1 else ""
    if op is SCAN:
        return "reverse: a loop that runs back over the steps"
    if op.elementwise:
        return f"reverse: its adjoint times the partial of {op.name}{where}"
    what = "transposed" if op.is_linear(position) else "transposed tangent of"
    return f"reverse: its adjoint through the {what} {op.name}{where}"


def _structural(graph: Graph, f: Functions, index: int, position: int, bar: int) -> int | None:
    node = graph.nodes[index]
    op, operands = node.op, [f.wrap(operand) for operand in node.operands]
    if op.is_linear(position):
        assert op.transpose is not None
        result = op.transpose(f, f.wrap(bar), position, node.attributes, operands)
        return None if result is None else int(result.index)
    # The tangent is a linear graph in a stand-in for the operand's own tangent; it is transposed in its turn.
    builder = f.builder
    stand_in = builder.input(
        f"tangent of %{node.operands[position]} in %{index}", graph.nodes[node.operands[position]].type
    )
    tangent = tangent_of(graph, f, index, position, stand_in)
    if tangent is None:
        return None
    linear = Graph(builder.nodes, (tangent,))
    return vjp(linear, {tangent: bar}, [stand_in], builder, f.kinks)[0]


def tangent_of(graph: Graph, f: Functions, index: int, position: int, dot: int) -> int | None:
    """The tangent of a structural node along one operand's; None where that operand has none (an index)."""
    node = graph.nodes[index]
    op = node.op
    if graph.nodes[node.operands[position]].type.dtype != "real":
        return None
    if op.tangent is None:
        raise MissingDerivative(f"{op.missing or f'{op.name} has no derivative'} (in {infix(graph, index)})")
    operands = [f.wrap(operand) for operand in node.operands]
    tangent: Value = op.tangent(f, f.wrap(index), f.wrap(dot), position, node.attributes, operands)
    return tangent.index


def times_partial(builder: GraphBuilder, derivative: int, partial: Partial) -> int:
    """An adjoint or a tangent times a partial, where 1 and -1 cost nothing or a sign."""
    if isinstance(partial, Kinked):
        shape = builder.nodes[partial.at.index].type.shape
        if not builder.nodes[derivative].type.shape:
            derivative = builder.broadcast(derivative, shape)
        derivative = builder.add(partial.check, (derivative, partial.at.index))
        partial = partial.partial or 1  # The check of a step gives 0 itself.
    if isinstance(partial, Value):
        return builder.add(_MUL, (derivative, partial.index))
    return derivative if partial == 1 else builder.add(_NEG, (derivative,))


def partial_of(graph: Graph, f: Functions, index: int, position: int) -> Partial | None:
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
    if isinstance(partial, Kinked):
        return partial._replace(partial=_plain(f, partial.partial))
    return _plain(f, partial) or None


def _plain(f: Functions, partial: Value | int) -> Value | int:
    """A partial, as a Python number where it is -1, 0 or 1."""
    if isinstance(partial, Value):
        made = f.builder.nodes[partial.index]
        if made.op is not CONST or made.attributes not in (-1, 0, 1):
            return partial
        return int(made.attributes)
    return partial if partial in (-1, 0, 1) else f.const(partial)
