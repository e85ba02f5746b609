"""What must hold of every graph between any two passes."""

from __future__ import annotations

from symbackprop.errors import InternalCompilerError
from symbackprop.ir.graph import Graph
from symbackprop.ir.node import Node
from symbackprop.ir.text import node_text


def verify(graph: Graph, after: str = "") -> Graph:
    """Raise `InternalCompilerError` unless the graph is well formed; return it unchanged.

    Operands come first, arity, dtypes and shapes fit the row, no node is there twice, results exist. The error shows
    the ten nodes around the culprit.
    """
    seen: dict[Node, int] = {}
    for index, node in enumerate(graph.nodes):
        problem = _problem(graph, index, node)
        if problem is None and node in seen:
            problem = f"is the same as %{seen[node]}"
        if problem:
            stage = f" after {after}" if after else ""
            around = range(max(0, index - 5), min(len(graph.nodes), index + 5))
            excerpt = "\n".join(f"{'>' if i == index else ' '} {node_text(graph, i)}" for i in around)
            raise InternalCompilerError(f"the graph is malformed{stage}: %{index} {problem}\n{excerpt}")
        seen[node] = index
    for output in graph.outputs:
        if not 0 <= output < len(graph.nodes):
            raise InternalCompilerError(f"the graph has no node %{output}, which it returns")
    return graph


def _problem(graph: Graph, index: int, node: Node) -> str | None:
    op = node.op
    if any(not 0 <= operand < index for operand in node.operands):
        return "uses a node that does not come before it"
    if op.arity is not None and len(node.operands) != op.arity:
        return f"has {len(node.operands)} operands instead of {op.arity}"
    if op.infer is not None:
        expected = op.infer(node.attributes, *[graph.nodes[operand].type for operand in node.operands])
        return None if expected == node.type else f"is {node.type} where its operands give {expected}"
    shapes = {graph.nodes[operand].type.shape for operand in node.operands} - {()}
    if len(shapes) > 1 or (node.operands and node.type.shape != (shapes.pop() if shapes else ())):
        return "has a shape that its operands do not give it"
    for position, operand in enumerate(node.operands):
        dtype = graph.nodes[operand].type.dtype
        if dtype != op.operand_dtype(position):
            return f"takes a {op.operand_dtype(position)} at position {position} and got a {dtype}"
    if node.operands and node.type.dtype != op.result:
        return f"is a {node.type.dtype} and not the {op.result} that {op.name} gives"
    return None
