"""Where a loss stopped being a number: the first operation whose result is not finite although its operands are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from symbackprop.ir import Graph, infix
from symbackprop.ir.interpret import evaluate

_WIDEST = 80


def first_wrong(graph: Graph, inputs: Mapping[str, Any]) -> tuple[str, str]:
    """The formula of that operation (the name of an input), and what it gave; both "" where all are finite.

    `graph` is a step's, of whose outputs the first is the loss; `inputs` are values by identifier.
    """
    loss = Graph(graph.nodes, graph.outputs[:1], graph.labels)
    with np.errstate(all="ignore"):
        values = evaluate(loss, inputs)
    for index, (node, value) in enumerate(zip(graph.nodes, values, strict=True)):
        if value is None or node.type.dtype != "real" or _is_finite(value):
            continue
        if not node.operands:
            return infix(graph, index, graph.labels), _shown(value)
        if all(_is_finite(values[operand]) for operand in node.operands):
            return infix(graph, index, _others(graph, index), width=_WIDEST), _shown(value)
    return "", ""


def not_finite(data: Mapping[str, Any]) -> str:
    """What to say of the first of these arrays that has an entry which is not finite; "" if there is none."""
    for name, value in data.items():
        if not _is_finite(value):
            return f"{name} is {_shown(value)}; the data must be finite: leave such samples out"
    return ""


def _others(graph: Graph, index: int) -> dict[int, str]:
    return {other: name for other, name in graph.labels.items() if other != index}


def _is_finite(value: Any) -> bool:
    return bool(np.all(np.isfinite(value)))


def _shown(value: Any) -> str:
    """The first entry that is not finite, and where there are several how many."""
    array = np.asarray(value)
    wrong = array[~np.isfinite(array)]
    return f"{wrong[0]}" + (f" in {wrong.size} of {array.size} entries" if array.size > 1 else "")
