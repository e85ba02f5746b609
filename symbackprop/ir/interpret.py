"""The reference evaluator: it walks the node list and knows nothing but the rows.

It works on floats and NumPy arrays (by the rows' `numpy` spelling) and in arbitrary precision (by their `mpmath` or
`ball` reference), and is the link in the chain of oracles between the mathematics and everything that is emitted.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from typing import Any

import mpmath as mp
import numpy as np

from symbackprop.errors import UnsupportedExpression
from symbackprop.ir.body import STATE, STEP
from symbackprop.ir.graph import Graph
from symbackprop.ir.node import Node, Number, to_float
from symbackprop.ops import Op
from symbackprop.ops.control import SCAN
from symbackprop.ops.extents import Polynomial, bound_by, dimensions, measured
from symbackprop.ops.leaves import CONST, INPUT, LENGTH
from symbackprop.ops.scipy import special

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

_BALL_NAMES = {
    "pi": lambda arb: arb.pi(),
    "e": lambda arb: arb.const_e(),
    "euler_gamma": lambda arb: arb.const_euler(),
    "golden_ratio": lambda arb: (1 + arb(5).sqrt()) / 2,
    "catalan": lambda arb: arb.const_catalan(),
    "inf": lambda arb: arb.pos_inf(),
    "-inf": lambda arb: arb.neg_inf(),
    "nan": lambda arb: arb.nan(),
}


def interpret(graph: Graph, inputs: Mapping[str, Any], arithmetic: str = "numpy") -> list[Any]:
    """The values of the graph's outputs.

    `inputs` maps identifiers to floats or arrays. With `arithmetic="mpmath"` everything is computed to mpmath's
    current precision, in arrays of objects; with "ball" in python-flint's balls, to the precision of `flint.ctx`.
    Raises KeyError for a missing input.

    >>> from symbackprop.ir import Functions, GraphBuilder
    >>> f = Functions(GraphBuilder()); x = f.input("x")
    >>> [float(value) for value in interpret(f.builder.graph([(x * x + 1).index]), {"x": 3.0})]
    [10.0]
    """
    with np.errstate(all="ignore"):
        values = evaluate(graph, inputs, arithmetic)
    return [values[output] for output in graph.outputs]


def evaluate(
    graph: Graph, inputs: Mapping[str, Any], arithmetic: str = "numpy", around: Mapping[str, int] | None = None
) -> list[Any]:
    """The value of every node that an output needs; None of the others. `around` are lengths that are known already."""
    lengths = {**(around or {}), **bound_lengths(graph, inputs)}
    values: list[Any] = []
    for node, needed in zip(graph.nodes, graph.reaching(), strict=True):
        op = node.op
        value: Any = None
        if not needed:
            pass
        elif op is CONST:
            value = _constant(node, arithmetic)
        elif op is INPUT:
            value = _lift(inputs[node.attributes], arithmetic, node.type.dtype)
        elif op is LENGTH:
            value = _lift(measured(node.attributes, lengths), arithmetic)
        else:
            operands = [values[operand] for operand in node.operands]
            if op.elementwise and op.evaluate is None:
                value = _apply(op, operands, arithmetic)
            elif op is SCAN:
                body, length, kept = node.attributes
                states = _stepped(body, length, operands, arithmetic, lengths)
                value = states if kept else states[-1]
            else:
                value = _over_arrays(op, arithmetic)(resolved(node.attributes, lengths), *operands)
                value = value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
        values.append(value)
    return values


def _constant(node: Node, arithmetic: str) -> Any:
    if node.type.dtype == "int":
        return np.int64(int(node.attributes))
    return _NUMBERS[arithmetic](node.attributes)


def _stepped(body: Any, length: Any, operands: list[Any], arithmetic: str, lengths: Mapping[str, int]) -> Any:
    """The states of a scan."""
    states = [np.asarray(operands[0])]
    shared = dict(zip(body.shared, operands[1:], strict=True))
    for step in range(measured(length, lengths)):
        inputs = {**shared, STATE: states[-1][()], STEP: step}
        values = evaluate(body.graph, inputs, arithmetic, lengths)
        states.append(np.asarray(values[body.graph.outputs[0]]))
    return np.stack(states)


def _double(number: Number) -> Any:
    return number if isinstance(number, bool) else np.float64(to_float(number))


def _lift(value: Any, arithmetic: str, dtype: str = "real") -> Any:
    if dtype == "int":
        return np.asarray(value, dtype=np.int64)[()]
    if arithmetic == "numpy":
        return np.asarray(value, dtype=np.float64)[()]
    lift = _exact if arithmetic == "mpmath" else _ball
    return np.frompyfunc(lift, 1, 1)(np.asarray(value, object)) if np.ndim(value) else lift(value)


def _exact(number: Any) -> Any:
    if isinstance(number, Fraction):
        return number_to_mpmath(number)
    return number if isinstance(number, mp.mpc) else mp.mpf(number)


def _ball(number: Any) -> Any:
    from flint import arb

    if isinstance(number, Fraction):
        return number_to_ball(number)
    return arb(number.item() if isinstance(number, np.generic) else number)


def bound_lengths(graph: Graph, inputs: Mapping[str, Any]) -> dict[str, int]:
    """Named dimensions, from the shapes of the inputs, or given by name beside them."""
    known: dict[str, int] = {}
    axes = [
        (extent, np.shape(inputs[node.attributes])[axis])
        for node in graph.nodes
        if node.op is INPUT and node.attributes in inputs
        for axis, extent in enumerate(node.type.shape)
    ]
    for _ in axes:
        for extent, length in axes:
            found = bound_by(extent, length, known)
            if found is not None:
                known.setdefault(*found)
    named: set[str] = set()
    for node in graph.nodes:
        for extent in node.type.shape if node.op is not LENGTH else (node.attributes,):
            named |= dimensions(extent)
    return known | {name: int(inputs[name]) for name in sorted(named - set(known)) if name in inputs}


def resolved(attributes: Any, lengths: Mapping[str, int]) -> Any:
    """Attributes with numbers in the place of symbolic lengths."""
    if isinstance(attributes, Polynomial | str):
        return measured(attributes, lengths)
    return tuple(resolved(item, lengths) for item in attributes) if isinstance(attributes, tuple) else attributes


def _apply(op: Op, operands: list[Any], arithmetic: str) -> Any:
    if arithmetic == "numpy":
        return numpy_function(op)(*operands)
    reference = _reference(op, arithmetic)
    if not any(isinstance(operand, np.ndarray) for operand in operands):
        return reference(*operands)
    return np.frompyfunc(reference, len(operands), 1)(*operands)


def _reference(op: Op, arithmetic: str) -> Callable[..., Any]:
    """An elementwise row as a function of mpmath's numbers or of balls."""
    if arithmetic == "mpmath":
        return _real(op)
    if op.ball is not None:
        return _told(op.ball) if op.operands == "real" and op.result == "real" else op.ball
    # Integers are exact in any arithmetic.
    exact = op.mpmath
    if op.result == "int" and exact is not None:
        return exact
    if op.operands == "int" and exact is not None:
        return lambda *operands: _ball(exact(*operands))
    return _defined(op, arithmetic)


@cache
def _real(op: Op) -> Callable[..., Any]:
    """A row as a function of mpmath's numbers: nan where its result is not real, unless an operand is complex."""
    reference = op.mpmath or _defined(op, "mpmath")
    if op.result != "real" or op.operands == "int":
        return reference
    strict = op.operands == "real"

    def real(*operands: Any) -> Any:
        # mpmath has the larger of nan and 1 as 1; an arm of a select may be nan.
        if strict and any(operand != operand for operand in operands):
            return mp.nan
        value = reference(*operands)
        if isinstance(value, mp.mpc) and not any(isinstance(operand, mp.mpc) for operand in operands):
            return value.real if value.imag == 0 else mp.nan
        return value

    return real


@cache
def _told(reference: Callable[..., Any]) -> Callable[..., Any]:
    """A function of balls: nan where an operand is, of which Arb's sinc is the ball from -1 to 1."""

    def told(*operands: Any) -> Any:
        for operand in operands:
            if operand.is_nan():
                return operand
        return reference(*operands)

    return told


# Rows on arrays, besides the linear ones, that no more than move, add and multiply entries. What the references of
# others make of balls are mpmath's numbers: middles, to 53 bits, without their radii.
_EXACT_OVER_BALLS = frozenset(
    {"reduce_prod", "cumulative_product", "linear_recurrence", "gather", "scatter_add", "iota", "size"}
)


def _over_arrays(op: Op, arithmetic: str) -> Callable[..., Any]:
    """A row on arrays as a function of its attributes and operands."""
    if arithmetic == "ball":
        if op.ball is not None:
            return op.ball
        if op.linear not in ("each", "all") and op.name not in _EXACT_OVER_BALLS:
            raise UnsupportedExpression(f"{op.name} has no reference over balls")
    assert op.evaluate is not None
    return op.evaluate


def number_to_mpmath(number: Number) -> Any:
    """An exact number at mpmath's current precision."""
    if isinstance(number, bool):
        return number
    if isinstance(number, Fraction):
        return mp.mpf(number.numerator) / number.denominator
    return _MPMATH_NAMES[number]()


def number_to_ball(number: Number) -> Any:
    """An exact number as a ball of flint's current precision."""
    from flint import arb

    if isinstance(number, bool):
        return number
    if isinstance(number, Fraction):
        return arb(number.numerator) / number.denominator
    return _BALL_NAMES[number](arb)


_NUMBERS: dict[str, Callable[[Number], Any]] = {
    "numpy": _double,
    "mpmath": number_to_mpmath,
    "ball": number_to_ball,
}


@cache
def numpy_function(op: Op) -> Callable[..., Any]:
    """A row as a function of floats or arrays, made from its own `numpy` spelling or definition."""
    names = [f"a{position}" for position in range(op.arity or 0)]
    spelling = op.numpy
    if spelling is None:
        return _defined(op, "numpy")
    scope: dict[str, Any] = {"np": np, "special": special}
    for function in (spelling.helper, *spelling.uses) if spelling.helper is not None else ():
        exec("from __future__ import annotations\n" + inspect.getsource(function), scope)
    if not spelling.operator:
        body = f"{spelling.callee}({', '.join(names)})"
    else:
        body = f" {spelling.callee} ".join(names) if len(names) == 2 else f"{spelling.callee}{names[0]}"
    made: Callable[..., Any] = eval(f"lambda {', '.join(names)}: {body}", scope)
    return made


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
