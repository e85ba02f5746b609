"""The reference evaluator: it walks the node list and knows nothing but the rows.

It works on floats and NumPy arrays (by the rows' `numpy` spelling) and in arbitrary precision (by their `mpmath`
reference), and is the link in the chain of oracles between the mathematics and everything that is emitted.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from typing import Any

import mpmath as mp
import numpy as np
from scipy import special

from symbackprop.errors import UnsupportedExpression
from symbackprop.ir.graph import Graph
from symbackprop.ir.node import Number, to_float
from symbackprop.ops import Op
from symbackprop.ops.leaves import CONST, INPUT, LENGTH
from symbackprop.ops.reduction import BROADCAST, REDUCE_SUM

_MPMATH_NAMES = {
    "pi": lambda: +mp.pi,
    "e": lambda: +mp.e,
    "euler_gamma": lambda: +mp.euler,
    "golden_ratio": lambda: +mp.phi,
    "catalan": lambda: +mp.catalan,
    "inf": lambda: mp.inf,
    "-inf": lambda: -mp.inf,
    "nan": lambda: mp.nan,
}


def interpret(graph: Graph, inputs: Mapping[str, Any], arithmetic: str = "numpy") -> list[Any]:
    """The values of the graph's outputs.

    `inputs` maps identifiers to floats or arrays. With `arithmetic="mpmath"` everything is computed to mpmath's
    current precision, arrays as lists. Raises KeyError for a missing input.

    >>> from symbackprop.ir import Functions, GraphBuilder
    >>> f = Functions(GraphBuilder()); x = f.input("x")
    >>> [float(value) for value in interpret(f.builder.graph([(x * x + 1).index]), {"x": 3.0})]
    [10.0]
    """
    with np.errstate(all="ignore"):
        values = evaluate(graph, inputs, arithmetic)
    return [values[output] for output in graph.outputs]


def evaluate(graph: Graph, inputs: Mapping[str, Any], arithmetic: str = "numpy") -> list[Any]:
    """The value of every node."""
    lengths = _lengths(graph, inputs)
    exact = arithmetic == "mpmath"
    values: list[Any] = []
    for node in graph.nodes:
        op = node.op
        if op is CONST:
            value: Any = number_to_mpmath(node.attributes) if exact else _double(node.attributes)
        elif op is INPUT:
            value = _lift(inputs[node.attributes], exact)
        elif op is LENGTH:
            value = _lift(lengths[node.attributes], exact)
        elif op is REDUCE_SUM:
            operand = values[node.operands[0]]
            value = mp.fsum(operand) if exact else np.sum(operand)
        elif op is BROADCAST:
            operand, length = values[node.operands[0]], lengths[node.attributes[0]]
            value = [operand] * length if exact else np.full(length, operand)
        else:
            operands = [values[operand] for operand in node.operands]
            value = _apply_exact(op, operands) if exact else numpy_function(op)(*operands)
        values.append(value)
    return values


def _double(number: Number) -> Any:
    return number if isinstance(number, bool) else np.float64(to_float(number))


def _lift(value: Any, exact: bool) -> Any:
    if not exact:
        return np.asarray(value, dtype=np.float64)[()]
    if isinstance(value, mp.mpc):
        return value
    return [mp.mpf(item) for item in value] if np.ndim(value) else mp.mpf(value)


def _lengths(graph: Graph, inputs: Mapping[str, Any]) -> dict[str, int]:
    lengths: dict[str, int] = {}
    for node in graph.nodes:
        if node.op is INPUT:
            for axis, extent in enumerate(node.type.shape):
                if isinstance(extent, str):
                    lengths[extent] = np.shape(inputs[node.attributes])[axis]
    return lengths


def _apply_exact(op: Op, operands: list[Any]) -> Any:
    reference = op.mpmath or _defined(op, "mpmath")
    if not any(isinstance(operand, list) for operand in operands):
        return reference(*operands)
    length = max(len(operand) for operand in operands if isinstance(operand, list))
    columns = [operand if isinstance(operand, list) else [operand] * length for operand in operands]
    return [reference(*items) for items in zip(*columns, strict=True)]


def number_to_mpmath(number: Number) -> Any:
    """An exact number at mpmath's current precision."""
    if isinstance(number, bool):
        return number
    if isinstance(number, Fraction):
        return mp.mpf(number.numerator) / number.denominator
    return _MPMATH_NAMES[number]()


@cache
def numpy_function(op: Op) -> Callable[..., Any]:
    """A row as a function of floats or arrays, made from its own `numpy` spelling or definition."""
    names = [f"a{position}" for position in range(op.arity or 0)]
    spelling = op.numpy
    if spelling is None:
        return _defined(op, "numpy")
    scope: dict[str, Any] = {"np": np, "special": special}
    if spelling.helper is not None:
        exec("from __future__ import annotations\n" + inspect.getsource(spelling.helper), scope)
    if not spelling.operator:
        body = f"{spelling.callee}({', '.join(names)})"
    else:
        body = f" {spelling.callee} ".join(names) if len(names) == 2 else f"{spelling.callee}{names[0]}"
    function: Callable[..., Any] = eval(f"lambda {', '.join(names)}: {body}", scope)
    return function


@cache
def _defined(op: Op, arithmetic: str) -> Callable[..., Any]:
    """A row as a function, by its definition in terms of others."""
    from symbackprop.ir.graph import GraphBuilder
    from symbackprop.ir.value import Functions

    if op.define is None:
        raise UnsupportedExpression(f"{op.name} has no {arithmetic} reference; give one to register({op.name}, ...)")
    names = [f"a{position}" for position in range(op.arity or 0)]
    f = Functions(GraphBuilder())
    body = f.builder.graph([op.define(f, *[f.input(name) for name in names]).index])
    return lambda *operands: evaluate(body, dict(zip(names, operands, strict=True)), arithmetic)[body.outputs[0]]
