"""A graph for one sample, lifted to many: every node that depends on a sample gets a leading axis.

Elementwise rows are lifted as they stand, their operands aligned; each structural row knows its own lifting. What no
sample touches stays as it was, and is computed once.
"""

from __future__ import annotations

from collections.abc import Mapping

from symbackprop.errors import UnsupportedExpression
from symbackprop.ir import Body, Functions, Graph, GraphBuilder, Node, Type, Value
from symbackprop.ir.body import STATE
from symbackprop.ops.control import SCAN
from symbackprop.ops.extents import Extent


def lift(
    graph: Graph,
    given: Mapping[int, int],
    samples: Extent,
    builder: GraphBuilder,
    shared: Mapping[int, int] | None = None,
) -> list[int]:
    """The outputs of `graph` over samples, as nodes of `builder`; an output that no sample touches is repeated.

    `given` maps nodes of the graph to nodes of the builder that have the leading axis, `shared` to such that all
    samples have in common; other inputs are inputs of the builder, in common too. Raises UnsupportedExpression for a
    row that cannot be lifted.
    """
    f = Functions(builder)
    needed = graph.reaching()
    new = [-1] * len(graph.nodes)
    batched = [False] * len(graph.nodes)
    for index, node in enumerate(graph.nodes):
        if not needed[index]:
            continue
        if index in given:
            new[index], batched[index] = given[index], True
            continue
        if shared and index in shared:
            new[index] = shared[index]
            continue
        operands = tuple([new[operand] for operand in node.operands])
        flags = [batched[operand] for operand in node.operands]
        if not any(flags):
            new[index] = builder.copy(node, operands)
            continue
        batched[index] = True
        if node.op.elementwise:
            shape = (samples, *node.type.shape)
            aligned = [_aligned(builder, o, flag, shape) for o, flag in zip(operands, flags, strict=True)]
            new[index] = builder.add(node.op, tuple(aligned), node.attributes)
        elif node.op is SCAN:
            new[index] = _lifted_scan(f, node, [f.wrap(operand) for operand in operands], flags, samples)
        elif node.op.batch is None:
            raise UnsupportedExpression(f"{node.op.name} cannot run over a batch of samples")
        else:
            new[index] = node.op.batch(f, node.attributes, [f.wrap(operand) for operand in operands], flags).index
    kept = [needed[index] and new[index] >= 0 for index in range(len(graph.nodes))]
    builder.carry_names(graph, new, kept)
    results = []
    for output in graph.outputs:
        shape = graph.nodes[output].type.shape
        full = (samples, *shape)
        own = new[output]
        results.append(own if batched[output] else builder.broadcast(own, full, tuple(range(1, len(full)))))
    return results


def _lifted_scan(f: Functions, node: Node, operands: list[Value], flags: list[bool], samples: Extent) -> int:
    """All samples step together: their states are one state."""
    body, length, kept = node.attributes
    carried = node.type.shape[1:] if kept else node.type.shape
    start = operands[0] if flags[0] else _repeated(f, operands[0], samples)

    def make() -> Body:
        builder = GraphBuilder()
        inputs = body.graph.inputs()
        state = builder.input(STATE, Type("real", (samples, *carried)))
        given = {inputs[STATE]: state} if STATE in inputs else {}
        for name, flag in zip(body.shared, flags[1:], strict=True):
            if flag and name in inputs:
                dtype, shape = body.graph.nodes[inputs[name]].type
                given[inputs[name]] = builder.input(name, Type(dtype, (samples, *shape)))
        (result,) = lift(body.graph, given, samples, builder)
        return Body(builder.graph([result]), body.shared, body.name, body.sparing)

    lifted = body.derive(("lifted", samples, tuple(flags)), make)
    stepped = f.builder.structural(SCAN, (start.index, *[o.index for o in operands[1:]]), (lifted, length, kept))
    if not kept:
        return stepped
    rank = len(node.type.shape) + 1
    return f.transpose(f.wrap(stepped), (1, 0, *range(2, rank))).index


def _repeated(f: Functions, value: Value, samples: Extent) -> Value:
    shape = f.shape(value)
    return f.broadcast(value, (samples, *shape), range(1, len(shape) + 1))


def _aligned(builder: GraphBuilder, operand: int, is_batched: bool, shape: tuple[Extent, ...]) -> int:
    """An operand of an elementwise row at the row's own shape; scalars that all samples share go as they are."""
    own = builder.nodes[operand].type.shape
    if not own or own == shape:
        return operand
    axes = (0, *range(1, len(own))) if is_batched else tuple(range(1, len(own) + 1))
    return builder.broadcast(operand, shape, axes)
