"""Graphs as text, for people: the node list, and an expression in ordinary infix notation."""

from __future__ import annotations

from fractions import Fraction

from symbackprop.ir.graph import Graph
from symbackprop.ir.node import Number
from symbackprop.ops.leaves import CONST, INPUT, LENGTH

_INFIX = {
    "add": ("+", 4),
    "sub": ("-", 4),
    "mul": ("*", 5),
    "div": ("/", 5),
    "pow": ("**", 7),
    "lt": ("<", 3),
    "le": ("<=", 3),
    "gt": (">", 3),
    "ge": (">=", 3),
    "eq": ("==", 3),
    "ne": ("!=", 3),
    "logical_and": ("and", 1),
    "logical_or": ("or", 0),
}
_SPOKEN = {"reduce_sum": "sum over samples of ", "maximum": "Max", "minimum": "Min", "select": "where"}


def number_text(number: Number) -> str:
    """An exact number as short as it can be read.

    >>> number_text(Fraction(1, 3)), number_text(Fraction(5)), number_text("pi")
    ('1/3', '5', 'pi')
    """
    if isinstance(number, Fraction):
        if number.denominator == 1 and abs(number.numerator) < 10**12:
            return str(number.numerator)
        if number.denominator < 1000 and abs(number.numerator) < 1000:
            return f"{number.numerator}/{number.denominator}"
        try:
            return repr(float(number))
        except OverflowError:
            return f"about {'-' if number < 0 else ''}10**{len(str(abs(number.numerator))) - 1}"
    return str(number)


def node_text(graph: Graph, index: int) -> str:
    """One line of `to_text`."""
    node = graph.nodes[index]
    operands = [f"%{operand}" for operand in node.operands]
    if node.op is CONST:
        operands.append(number_text(node.attributes))
    elif node.attributes is not None:
        operands.append(repr(node.attributes))
    shape = "x".join(str(extent) for extent in node.type.shape)
    type_ = node.type.dtype + (f"[{shape}]" if shape else "")
    note = f"  # {graph.labels[index]}" if index in graph.labels else ""
    if index in graph.derived:
        note += "  # {1} of %{0}".format(*graph.derived[index])
    return f"%{index} = {node.op.name}({', '.join(operands)}) : {type_}{note}"


def to_text(graph: Graph) -> str:
    """The whole graph, a node a line.

    >>> from symbackprop.ir import Functions, GraphBuilder
    >>> f = Functions(GraphBuilder()); x = f.input("x")
    >>> print(to_text(f.builder.graph([f.sin(2 * x).index])))
    %0 = input('x') : real
    %1 = const(2) : real
    %2 = mul(%1, %0) : real
    %3 = sin(%2) : real
    return %3
    """
    lines = [node_text(graph, index) for index in range(len(graph.nodes))]
    lines.append("return " + ", ".join(f"%{output}" for output in graph.outputs))
    return "\n".join(lines)


def infix(graph: Graph, index: int, names: dict[int, str] | None = None, width: int = 60) -> str:
    """A node as an ordinary formula over the inputs, with dots where it is longer than `width`.

    Nodes in `names` are written by their name. Linear in `width`, whatever the size of the graph.

    >>> from symbackprop.ir import Functions, GraphBuilder
    >>> f = Functions(GraphBuilder()); x = f.input("x")
    >>> g = f.builder.graph([((x + 1) * f.sin(x)).index])
    >>> infix(g, g.outputs[0])
    '(x + 1)*sin(x)'
    """
    pieces: list[str] = []
    room, steps = width, width
    stack: list[str | tuple[int, int]] = [(index, 0)]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            pieces.append(item)
            room -= len(item)
            continue
        steps -= 1
        if room <= 0 or steps <= 0:
            pieces.append("...")
            room -= 3
            if room < -width:
                break
            continue
        stack.extend(reversed(_spread(graph, *item, names or {})))
    return "".join(pieces)


def _spread(graph: Graph, index: int, strength: int, names: dict[int, str]) -> list[str | tuple[int, int]]:
    node = graph.nodes[index]
    if index in names:
        return [names[index]]
    if node.op is CONST:
        text = number_text(node.attributes)
        return [f"({text})" if strength > 4 and not text.replace(".", "").isalnum() else text]
    if node.op is INPUT:
        return [str(node.attributes)]
    if node.op is LENGTH:
        return [f"len({node.attributes})"]
    name = node.op.name
    if name in _INFIX:
        symbol, own = _INFIX[name]
        left, right = node.operands
        tight = symbol if own in (5, 7) else f" {symbol} "
        # Left association: the right operand needs brackets at equal strength, and the left one of a power.
        body: list[str | tuple[int, int]] = [(left, own + (own == 7)), tight, (right, own + (own != 7))]
        return ["(", *body, ")"] if own < strength else body
    if name == "neg":
        body = ["-", (node.operands[0], 5)]
        return ["(", *body, ")"] if strength > 4 else body
    body = [f"{_SPOKEN.get(name, name)}("]
    for position, operand in enumerate(node.operands):
        if position:
            body.append(", ")
        body.append((operand, 0))
    body.append(")")
    return body
