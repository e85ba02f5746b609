"""Names and formulas in LaTeX's mathematics."""

from __future__ import annotations

import re

from symbackprop.ir import Graph, infix
from symbackprop.ir.text import SILENT, number_text
from symbackprop.ops.leaves import CONST, INPUT
from symbackprop.show.escapes import for_latex

_DEEPEST = 8
"""Formulas of steps nest no deeper than a constant and what repeats it; deeper ones are set as code."""
_FUNCTIONS = frozenset(["sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "log"])
_BINARY = {"add": (" + ", 4), "sub": (" - ", 4), "mul": (" \\, ", 5)}


def name(text: str) -> str:
    r"""A user's name: one letter with its number below, a word upright, anything else escaped.

    >>> name("x12"), name("loss"), name("W1_bar")
    ('x_{12}', '\\mathrm{loss}', '\\bar{W_{1}}')
    """
    for suffix, accent in (("_bar", "bar"), ("_dot", "dot")):
        if text.endswith(suffix) and len(text) > len(suffix):
            return f"\\{accent}{{{name(text[: -len(suffix)])}}}"
    match = re.fullmatch(r"([A-Za-z]+)_?([0-9]+(?:_[0-9]+)*)?", text)
    if match is None:
        return f"\\mathrm{{{for_latex(text)}}}"
    word, below = match[1], match[2]
    word = word if len(word) == 1 else f"\\mathrm{{{word}}}"
    return f"{word}_{{{below.replace('_', ',')}}}" if below else word


def code(text: str) -> str:
    """A formula as it stands in code."""
    return f"\\mathtt{{{for_latex(text)}}}"


def formula(graph: Graph, index: int, names: dict[int, str]) -> str:
    """A step in terms of the named ones before it."""
    own = names.pop(index, None)
    try:
        return _formula(graph, index, names, 0, _DEEPEST) or code(infix(graph, index, names, 200))
    finally:
        if own is not None:
            names[index] = own


def _formula(graph: Graph, index: int, names: dict[int, str], strength: int, depth: int) -> str:
    """The formula; empty where an operation has no notation here."""
    node = graph.nodes[index]
    op, operands = node.op.name, node.operands
    if index in names:
        return name(names[index])
    if node.op is INPUT:
        return name(str(node.attributes))
    if node.op is CONST:
        text = for_latex(number_text(node.attributes))
        return f"\\left({text}\\right)" if strength and not text.isalnum() else text
    if not depth or not operands:
        return ""
    if op in SILENT:
        return _formula(graph, operands[0], names, strength, depth - 1) if not node.type.shape else ""
    bare = op in ("div", "sqrt", "exp") or op in _FUNCTIONS
    own = _BINARY[op][1] if op in _BINARY else 7
    parts = [
        _formula(graph, operand, names, 0 if bare else own + (op != "pow" and position > 0), depth - 1)
        for position, operand in enumerate(operands)
    ]
    if not all(parts):
        return ""
    if op in _BINARY:
        text = _BINARY[op][0].join(parts)
        return f"\\left({text}\\right)" if own < strength else text
    if op == "div":
        return f"\\frac{{{parts[0]}}}{{{parts[1]}}}"
    if op == "sqrt":
        return f"\\sqrt{{{parts[0]}}}"
    if op == "exp":
        return f"e^{{{parts[0]}}}"
    if op == "pow":
        return f"{{{parts[0]}}}^{{{parts[1]}}}"
    if op == "neg":
        return f"\\left(-{parts[0]}\\right)" if strength else f"-{parts[0]}"
    return f"\\{op}\\left({parts[0]}\\right)" if op in _FUNCTIONS else ""


def derivative(above: str, below: str) -> str:
    """A partial derivative of one step in another."""
    return f"\\frac{{\\partial {name(above)}}}{{\\partial {name(below)}}}"
