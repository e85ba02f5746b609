"""Axes of length 1 left out: a row matrix is a vector, so that the rows of many samples are one matrix.

Lifted as they stand, a row x of shape (1, d) and its layers would be arrays of shape (samples, 1, d), and the products
of their adjoints no products of matrices. Inputs and outputs keep their shapes.
"""

from __future__ import annotations

from typing import Any

from symbackprop.ir import Functions, Graph, GraphBuilder, Node, Value
from symbackprop.ops.contraction import BROADCAST, CONTRACT, RESHAPE, TRANSPOSE
from symbackprop.ops.extents import Shape
from symbackprop.ops.reduction import REDUCE_SUM


def narrow(graph: Graph) -> Graph:
    """The graph of one sample, with its axes of length 1 left out wherever an operation allows it."""
    if not any(1 in node.type.shape for node in graph.nodes):
        return graph
    builder = GraphBuilder()
    f = Functions(builder)
    new: list[Value] = []
    for node in graph.nodes:
        new.append(_narrowed(f, graph, node, [new[operand] for operand in node.operands]))
    builder.carry_names(graph, [value.index for value in new], [True] * len(new))
    outputs = [f.reshape(new[output], graph.nodes[output].type.shape).index for output in graph.outputs]
    return builder.graph(outputs)


def _narrowed(f: Functions, graph: Graph, node: Node, operands: list[Value]) -> Value:
    """The result of a node, narrow, from narrow operands."""
    shapes = [graph.nodes[operand].type.shape for operand in node.operands]
    wanted = _left(node.type.shape)
    if not operands:
        return f.reshape(f.wrap(f.builder.intern(node)), wanted)
    if node.op.elementwise:
        return f.wrap(f.builder.copy(node, tuple(operand.index for operand in operands)))
    if node.op is RESHAPE:
        return f.reshape(operands[0], wanted)
    if node.op is BROADCAST and _keeps(shapes[0], node):
        places = _places(node.type.shape)
        axes = [places[axis] for axis, extent in zip(node.attributes[1], shapes[0], strict=True) if extent != 1]
        return f.broadcast(operands[0], wanted, axes)
    if node.op is TRANSPOSE:
        places = _places(shapes[0])
        return f.transpose(operands[0], [places[axis] for axis in node.attributes if axis in places])
    if node.op is REDUCE_SUM:
        places = _places(shapes[0])
        return f.reduce_sum(operands[0], [places[axis] for axis in node.attributes if axis in places])
    if node.op is CONTRACT and all(f.shape(operand) for operand in operands):
        return _product(f, node.attributes, shapes, operands)
    whole = [f.reshape(operand, shape).index for operand, shape in zip(operands, shapes, strict=True)]
    return f.reshape(f.wrap(f.builder.copy(node, tuple(whole))), wanted)


def _product(f: Functions, attributes: Any, shapes: list[Shape], operands: list[Value]) -> Value:
    left, right, out = attributes
    lengths = dict(zip((*left, *right), (*shapes[0], *shapes[1]), strict=True))
    kept = [tuple(label for label in labels if lengths[label] != 1) for labels in (left, right, out)]
    return f.contract((kept[0], kept[1], kept[2]), *operands)


def _left(shape: Shape) -> Shape:
    return tuple(extent for extent in shape if extent != 1)


def _places(shape: Shape) -> dict[int, int]:
    """Where the axes are that are left."""
    return {axis: place for place, axis in enumerate(axis for axis, extent in enumerate(shape) if extent != 1)}


def _keeps(shape: Shape, node: Node) -> bool:
    """Whether a repetition stretches no axis of length 1."""
    full, axes = node.attributes
    return all(extent == full[axis] for extent, axis in zip(shape, axes, strict=True))
