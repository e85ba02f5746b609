"""Graphs as text, for people: the node list, and an expression in ordinary infix notation."""

from __future__ import annotations

from fractions import Fraction

from symbackprop.ir.graph import Graph
from symbackprop.ir.node import Node, Number
from symbackprop.ops.extents import Extent, extent_text, plus, shape_text, times
from symbackprop.ops.indexing import SIZE
from symbackprop.ops.leaves import CONST, INPUT, LENGTH

_INFIX = {
    "add": ("+", 4),
    "sub": ("-", 4),
    "mul": ("*", 5),
    "div": ("/", 5),
    "pow": ("**", 7),
    "int_add": ("+", 4),
    "int_sub": ("-", 4),
    "int_mul": ("*", 5),
    "int_floordiv": ("//", 5),
    "int_mod": ("%", 5),
    "lt": ("<", 3),
    "le": ("<=", 3),
    "gt": (">", 3),
    "ge": (">=", 3),
    "eq": ("==", 3),
    "ne": ("!=", 3),
    "logical_and": ("and", 1),
    "logical_or": ("or", 0),
}
# What only moves or repeats entries is left out of formulas.
SILENT = frozenset({"broadcast", "reshape", "to_real", "in_range", "root_of_squares"})
_SPOKEN = {
    "reduce_sum": "sum",
    "reduce_prod": "prod",
    "reduce_max": "max",
    "reduce_min": "min",
    "reduce_norm": "norm",
    "reduce_squares": "norm",
    "maximum": "Max",
    "minimum": "Min",
    "select": "where",
}


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
    if node.op is LENGTH or node.op is SIZE:
        return [extent_text(node.attributes)]
    name = node.op.name
    if name in SILENT:
        subscript = _repeated(graph, node) if name != "to_real" and name != "in_range" else ""
        return [(node.operands[0], 8), subscript] if subscript else [(node.operands[0], strength)]
    if name == "transpose":
        return [(node.operands[0], 8), ".T"]
    if name == "contract":
        left, right, _ = node.attributes
        if len(left) < 3 and len(right) < 3 and len(set(left) & set(right)) == 1:
            return _product(node, strength)
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
    if name == "gather":
        body = [(node.operands[0], 8), "["]
        for position, operand in enumerate(node.operands[1:]):
            body += [", "] * (position > 0) + [(operand, 0)]
        return [*body, "]"]
    if name == "slice":
        shape = graph.nodes[node.operands[0]].type.shape
        pieces = [_piece(extent, *piece) for extent, piece in zip(shape, node.attributes, strict=True)]
        return [(node.operands[0], 8), f"[{', '.join(pieces)}]"]
    if name == "iota":
        return [f"0..{extent_text(plus(node.attributes, -1))}"]
    body = [f"{_SPOKEN.get(name, name)}("]
    for position, operand in enumerate(node.operands):
        if position:
            body.append(", ")
        body.append((operand, 0))
    if name.startswith("reduce_") and node.type.shape:
        axes = node.attributes[0] if len(node.attributes) == 1 else node.attributes
        body.append(f", axis={axes}")
    body.append(")")
    return body


def _repeated(graph: Graph, node: Node) -> str:
    """The subscript that lines up an array with others, as NumPy has it; nothing where trailing axes do so."""
    old = graph.nodes[node.operands[0]].type.shape
    if node.op.name == "broadcast":
        shape, axes = node.attributes
        pieces = [":" if axis in axes else "None" for axis in range(axes[0] if axes else 0, len(shape))]
        return f"[{', '.join(pieces)}]" if axes and "None" in pieces else ""
    left, right = [n for n in old if n != 1], [n for n in node.type.shape if n != 1]
    if left != right:
        return f".reshape{shape_text(node.type.shape)}"
    if len(node.type.shape) < len(old) and node.type.shape:
        return f"[{', '.join('0' if n == 1 else ':' for n in old)}]"
    return ""


def _piece(extent: Extent, start: Extent, step: int, length: Extent) -> str:
    """What a slice takes along one axis."""
    if (start, step, length) == (0, 1, extent):
        return ":"
    if length == 1:
        return extent_text(start)
    if step < 0:
        return f"{extent_text(start)}::{step}"
    stop = plus(start, times(step, length))
    first = "" if start == 0 else extent_text(start)
    end = "" if stop == extent else extent_text(stop)
    return f"{first}:{end}" + (f":{step}" if step > 1 else "")


def _product(node: Node, strength: int) -> list[str | tuple[int, int]]:
    """A product of matrices or vectors, as it is written."""
    left, right, out = node.attributes
    (label,) = set(left) & set(right)
    a, b = node.operands
    if len(out) == 2 and out[0] in right:
        a, b, left, right = b, a, right, left
    flipped = (len(left) == 2 and left[0] == label, len(right) == 2 and right[1] == label)
    body: list[str | tuple[int, int]] = []
    for operand, flip in zip((a, b), flipped, strict=True):
        body += [" @ "] * bool(body) + [(operand, 8 if flip else 5 + bool(body))] + [".T"] * flip
    return ["(", *body, ")"] if strength > 5 else body
