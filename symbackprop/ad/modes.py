"""The derivatives that people ask for, each as sweeps over a graph: gradient, Jacobian, Hessian, and products.

Every function takes a graph and returns one whose outputs are the values followed by the derivative's entries, row by
row. `wrt` and `directions` are nodes of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symbackprop.ad.forward import jvp
from symbackprop.ad.reverse import vjp
from symbackprop.ir import Graph, GraphBuilder
from symbackprop.ops import REGISTRY

_ADD = REGISTRY["add"]
Tidy = Callable[[Graph], Graph]


def gradient(graph: Graph, wrt: Sequence[int], kinks: str, per_sample: bool = False) -> Graph:
    """One reverse sweep from the last output, whose adjoint is 1."""
    builder = GraphBuilder(graph)
    output = graph.outputs[-1]
    seed = builder.broadcast(builder.const(1), graph.nodes[output].type.shape)
    return builder.graph([*graph.outputs, *vjp(graph, {output: seed}, wrt, builder, kinks, per_sample)])


def pullback(graph: Graph, wrt: Sequence[int], directions: Sequence[int], kinks: str) -> Graph:
    """One reverse sweep from all outputs, with the given cotangents."""
    builder = GraphBuilder(graph)
    seeds = _seeds(builder, graph.outputs, directions)
    return builder.graph([*graph.outputs, *vjp(graph, seeds, wrt, builder, kinks)])


def pushforward(graph: Graph, wrt: Sequence[int], directions: Sequence[int], kinks: str) -> Graph:
    """One forward sweep, with the given tangents."""
    builder = GraphBuilder(graph)
    tangents = jvp(graph, _seeds(builder, wrt, directions), graph.outputs, builder, kinks)
    return builder.graph([*graph.outputs, *tangents])


def jacobian(graph: Graph, wrt: Sequence[int], kinks: str) -> Graph:
    """The cheaper mode: a reverse sweep an output or a forward sweep an input."""
    builder = GraphBuilder(graph)
    one = builder.const(1)
    if len(graph.outputs) <= len(wrt):
        rows = [vjp(graph, {output: one}, wrt, builder, kinks) for output in graph.outputs]
    else:
        columns = [jvp(graph, {node: one}, graph.outputs, builder, kinks) for node in wrt]
        rows = [list(row) for row in zip(*columns, strict=True)]
    return builder.graph([*graph.outputs, *[entry for row in rows for entry in row]])


def hessian_product(graph: Graph, wrt: Sequence[str], directions: Sequence[str], kinks: str, tidy: Tidy) -> Graph:
    """Forward over reverse: the tangents of the gradient in one direction. Inputs are given by identifier."""
    first = tidy(gradient(graph, _nodes(graph, wrt), kinks))
    builder = GraphBuilder(first)
    present = [(n, builder.input(d)) for n, d in zip(_nodes(first, wrt), directions, strict=True) if n >= 0]
    seeds = _seeds(builder, [node for node, _ in present], [direction for _, direction in present])
    value, *entries = first.outputs
    return builder.graph([value, *jvp(first, seeds, entries, builder, kinks)])


def hessian(graph: Graph, wrt: Sequence[str], kinks: str, tidy: Tidy) -> Graph:
    """Forward over reverse in each direction, one triangle of it; the other is its mirror image."""
    first = tidy(gradient(graph, _nodes(graph, wrt), kinks))
    builder = GraphBuilder(first)
    value, *entries = first.outputs
    size = len(entries)
    matrix: dict[tuple[int, int], int] = {}
    for row, node in enumerate(_nodes(first, wrt)):
        seeds = {node: builder.const(1)} if node >= 0 else {}
        for column, entry in enumerate(jvp(first, seeds, entries[row:], builder, kinks), row):
            matrix[row, column] = matrix[column, row] = entry
    return builder.graph([value, *[matrix[row, column] for row in range(size) for column in range(size)]])


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
