"""The derivatives that people ask for, each as sweeps over a graph: gradient, Jacobian, Hessian, and products.

Every function takes a graph and returns one whose outputs are the values followed by the derivative's entries, row by
row. `wrt` and `directions` are nodes of the graph. Arms at isolated points are looked after once, before the first
sweep: the conditions that derivatives bring along are none of the user's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symbackprop.ad.batching import lift
from symbackprop.ad.distances import smooth_at_zero
from symbackprop.ad.forward import jvp
from symbackprop.ad.isolated import with_surroundings
from symbackprop.ad.reverse import vjp
from symbackprop.ir import Functions, Graph, GraphBuilder, Type, Value
from symbackprop.ops import REGISTRY
from symbackprop.ops.extents import Extent, Shape, dimensions, measured, product
from symbackprop.ops.nonsmooth import CHECKS, off_jump

_ADD = REGISTRY["add"]
Tidy = Callable[[Graph], Graph]
Inputs = Sequence[tuple[str, Type]]
"""Identifiers of inputs and their types, one of them perhaps several times."""


def gradient(graph: Graph, wrt: Sequence[int], kinks: str, again: bool = False) -> Graph:
    """One reverse sweep from the last output, whose adjoint is 1; `again` where the gradient is differentiated, too."""
    graph, wrt = with_surroundings(graph, wrt, kinks)
    if again:
        graph, wrt = smooth_at_zero(graph, wrt)
    builder = GraphBuilder(graph)
    output = graph.outputs[-1]
    seed = builder.broadcast(builder.const(1), graph.nodes[output].type.shape)
    return builder.graph([*graph.outputs, *vjp(graph, {output: seed}, wrt, builder, kinks, last=not again)])


def pullback(graph: Graph, wrt: Sequence[int], directions: Sequence[int], kinks: str) -> Graph:
    """One reverse sweep from all outputs, with the given cotangents."""
    graph, nodes = with_surroundings(graph, [*wrt, *directions], kinks, len(wrt))
    wrt, directions = nodes[: len(wrt)], nodes[len(wrt) :]
    builder = GraphBuilder(graph)
    seeds = _seeds(builder, graph.outputs, directions)
    return builder.graph([*graph.outputs, *vjp(graph, seeds, wrt, builder, kinks)])


def pushforward(graph: Graph, wrt: Sequence[int], directions: Sequence[int], kinks: str) -> Graph:
    """One forward sweep, with the given tangents."""
    graph, nodes = with_surroundings(graph, [*wrt, *directions], kinks, len(wrt))
    wrt, directions = nodes[: len(wrt)], nodes[len(wrt) :]
    builder = GraphBuilder(graph)
    tangents = jvp(graph, _seeds(builder, wrt, directions), graph.outputs, builder, kinks)
    return builder.graph([*graph.outputs, *tangents])


def jacobian(graph: Graph, wrt: Sequence[int], kinks: str) -> Graph:
    """Of scalars in scalars, the cheaper mode: a reverse sweep an output or a forward sweep an input."""
    graph, wrt = with_surroundings(graph, wrt, kinks)
    builder = GraphBuilder(graph)
    one = builder.const(1)
    if len(graph.outputs) <= len(wrt):
        rows = [vjp(graph, {output: one}, wrt, builder, kinks) for output in graph.outputs]
    else:
        columns = [jvp(graph, {node: one}, graph.outputs, builder, kinks) for node in wrt]
        rows = [list(row) for row in zip(*columns, strict=True)]
    return builder.graph([*graph.outputs, *[entry for row in rows for entry in row]])


def array_jacobian(graph: Graph, wrt: Sequence[int], kinks: str, values: int, flat: bool) -> Graph:
    """Of arrays in arrays: one sweep, lifted over all seeds at once, in the cheaper mode.

    The first `values` outputs are returned as they are; all later ones, or where there are none these, are
    differentiated. With `flat` the result is one matrix, a row an entry of the outputs and a column an entry of wrt;
    otherwise there is one output and one variable, and the result has the axes of the one and then of the other.
    """
    graph, wrt = with_surroundings(graph, wrt, kinks)
    return _array_jacobian(graph, wrt, kinks, values, flat)


def _array_jacobian(graph: Graph, wrt: Sequence[int], kinks: str, values: int, flat: bool) -> Graph:
    outputs = graph.outputs[values:] or graph.outputs
    rows = [graph.nodes[output].type.shape for output in outputs]
    columns = [graph.nodes[node].type.shape for node in wrt]
    builder = GraphBuilder(graph)
    f = Functions(builder)
    blocks: list[list[Value]]
    if _fewer(columns, rows):
        found = [_along_inputs(graph, node, shape, outputs, f, kinks) for node, shape in zip(wrt, columns, strict=True)]
        blocks = [[column[row] for column in found] for row in range(len(rows))]
    else:
        pairs = zip(outputs, rows, strict=True)
        blocks = [_from_output(graph, output, shape, wrt, f, kinks) for output, shape in pairs]
    kept = graph.outputs[:values]
    if not flat:
        return builder.graph([*kept, f.reshape(blocks[0][0], (*rows[0], *columns[0])).index])
    strips = [f.concatenate(row, 1) if len(row) > 1 else row[0] for row in blocks]
    return builder.graph([*kept, (f.concatenate(strips, 0) if len(strips) > 1 else strips[0]).index])


def _fewer(a: Sequence[Shape], b: Sequence[Shape]) -> bool:
    """Whether arrays of shapes `a` have fewer entries than those of shapes `b`; symbolic lengths count as long."""
    return _nominal(a) < _nominal(b)


def _nominal(shapes: Sequence[Shape]) -> int:
    return sum(measured(size, dict.fromkeys(dimensions(size), 1000)) for size in map(product, shapes))


def _from_output(graph: Graph, output: int, shape: Shape, wrt: Sequence[int], f: Functions, kinks: str) -> list[Value]:
    """The rows of one output: a matrix for each variable."""
    size = product(shape)
    alone = GraphBuilder(graph)
    bar = alone.input(f"cotangent of %{output}", Type("real", shape))
    swept = alone.graph(vjp(graph, {output: bar}, wrt, alone, kinks))
    lifted = lift(swept, {bar: _unit(f, size, shape)}, size, f.builder)
    columns = [product(graph.nodes[node].type.shape) for node in wrt]
    return [f.reshape(f.wrap(made), (size, column)) for made, column in zip(lifted, columns, strict=True)]


def _along_inputs(
    graph: Graph, node: int, shape: Shape, outputs: Sequence[int], f: Functions, kinks: str
) -> list[Value]:
    """The columns of one variable: a matrix for each output."""
    size = product(shape)
    sizes = [product(graph.nodes[output].type.shape) for output in outputs]
    alone = GraphBuilder(graph)
    dot = alone.input(f"tangent of %{node}", Type("real", shape))
    swept = alone.graph(jvp(graph, {node: dot}, outputs, alone, kinks))
    lifted = lift(swept, {dot: _unit(f, size, shape)}, size, f.builder)
    return [
        f.transpose(f.reshape(f.wrap(made), (size, rows)), (1, 0)) for made, rows in zip(lifted, sizes, strict=True)
    ]


def _unit(f: Functions, size: Extent, shape: Shape) -> int:
    """Every unit array of a shape, one after the other."""
    one = f.fill(1, (size,))
    return f.reshape(f.diagonalize(one, (0, 0), (size, size)), (size, *shape)).index


def hessian_product(
    graph: Graph, wrt: Inputs, along: Callable[[Functions], list[int]], kinks: str, tidy: Tidy
) -> Graph:
    """Forward over reverse: the tangents of the gradient in one direction.

    `along` gives the directions, one for each entry of `wrt`, as nodes of the builder.
    """
    builder = GraphBuilder(graph)
    nodes = [builder.input(name, type_) for name, type_ in wrt]
    first = tidy(gradient(builder.graph(graph.outputs), nodes, kinks, again=True))
    builder = GraphBuilder(first)
    nodes = [builder.input(name, type_) for name, type_ in wrt]
    value, *entries = first.outputs
    with_inputs = builder.graph([])
    seeds = _seeds(builder, nodes, along(Functions(builder)))
    return builder.graph([value, *_checked(builder, jvp(with_inputs, seeds, entries, builder, kinks), entries)])


def hessian(graph: Graph, wrt: Sequence[str], kinks: str, tidy: Tidy) -> Graph:
    """Of a scalar in scalars: forward over reverse in each direction, one triangle; the other is its mirror image."""
    first = tidy(gradient(graph, _nodes(graph, wrt), kinks, again=True))
    builder = GraphBuilder(first)
    value, *entries = first.outputs
    size = len(entries)
    matrix: dict[tuple[int, int], int] = {}
    for row, node in enumerate(_nodes(first, wrt)):
        seeds = {node: builder.const(1)} if node >= 0 else {}
        for column, entry in enumerate(jvp(first, seeds, entries[row:], builder, kinks), row):
            matrix[row, column] = matrix[column, row] = entry
    if size:
        (matrix[0, 0],) = _checked(builder, [matrix[0, 0]], entries)
    return builder.graph([value, *[matrix[row, column] for row in range(size) for column in range(size)]])


def array_hessian(graph: Graph, wrt: Inputs, kinks: str, tidy: Tidy, flat: bool) -> Graph:
    """Of a scalar in arrays of these types: the Jacobian of the gradient, see `array_jacobian`."""
    builder = GraphBuilder(graph)
    nodes = [builder.input(name, type_) for name, type_ in wrt]
    first = tidy(gradient(builder.graph(graph.outputs), nodes, kinks, again=True))
    builder = GraphBuilder(first)
    nodes = [builder.input(name, type_) for name, type_ in wrt]
    second = _array_jacobian(builder.graph(first.outputs), nodes, kinks, 1, flat)
    builder = GraphBuilder(second)
    return builder.graph([second.outputs[0], *_checked(builder, second.outputs[1:], first.outputs[1:])])


def _checked(builder: GraphBuilder, results: Sequence[int], entries: Sequence[int]) -> list[int]:
    """Second derivatives, beside which the kinks of the gradient are checked: they are no points for the second either.

    The gradient's entries are nodes of the builder. A check gives 0, which is added to the first result.
    """
    first, *others = results
    checks = {op.name for op in CHECKS}
    reaching = builder.graph(entries).reaching()
    if any(needed and node.op.name in checks for node, needed in zip(builder.nodes, reaching, strict=True)):
        never = builder.const(False)
        for entry in entries:
            nothing = builder.reduce_sum(builder.add(off_jump("unless the gradient exists"), (entry, never)))
            first = builder.add(_ADD, (first, nothing))
    return [first, *others]


def _nodes(graph: Graph, identifiers: Sequence[str]) -> list[int]:
    """The nodes of inputs; -1 for one that the graph no longer holds."""
    inputs = graph.inputs()
    return [inputs.get(identifier, -1) for identifier in identifiers]


def _seeds(builder: GraphBuilder, nodes: Sequence[int], directions: Sequence[int]) -> dict[int, int]:
    """Directions by node; a node that is named twice moves along the sum."""
    seeds: dict[int, int] = {}
    for node, direction in zip(nodes, directions, strict=True):
        seeds[node] = builder.add(_ADD, (seeds[node], direction)) if node in seeds else direction
    return seeds
