"""Scans to the IR: the step becomes a graph of its own, over a state that holds all of the user's states.

One state is carried as it is; several are laid out in one vector, in the order in which they were given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.errors import ShapeMismatch, UnsupportedExpression
from symbackprop.frontend.atoms import name_of
from symbackprop.frontend.problems import short
from symbackprop.frontend.scan import Last, LastMatrix, Trajectory
from symbackprop.frontend.shapes import single_entry
from symbackprop.frontend.survey import ACCESS
from symbackprop.ir import Body, Functions, Type, Value
from symbackprop.ir.body import STATE, STEP
from symbackprop.ir.node import INT
from symbackprop.ir.stepping import block_of, moved, run
from symbackprop.ops.extents import Extent, Shape, floored, is_nonnegative, minus, plus, product, shape_text, times
from symbackprop.ops.leaves import INPUT

if TYPE_CHECKING:
    from symbackprop.frontend.scalar import Build, Translator


class Layout:
    """Where each state stands in what is carried."""

    def __init__(self, t: Translator, scan: Any) -> None:
        self.shapes: list[Shape] = []
        for state, _, _ in scan.steps:
            matrix = isinstance(state, sp.MatrixSymbol)
            self.shapes.append(tuple(t.extent(extent) for extent in state.shape) if matrix else ())
        self.sizes = [product(shape) for shape in self.shapes]
        self.starts: list[Extent] = [0]
        for size in self.sizes:
            self.starts.append(plus(self.starts[-1], size))

    @property
    def carried(self) -> Shape:
        # Axes of length 1 stay outside: a row is carried as a vector.
        return _solid(self.shapes[0]) if len(self.shapes) == 1 else (self.starts[-1],)

    def join(self, f: Functions, values: Sequence[Value]) -> Value:
        """All states as they are carried."""
        if len(values) == 1:
            return f.reshape(values[0], self.carried)
        parts = [f.reshape(v, (size,)) for v, size in zip(values, self.sizes, strict=True)]
        return f.concatenate(parts, 0)

    def part(self, f: Functions, carried: Value, position: int) -> Value:
        """One state of what is carried."""
        if len(self.shapes) == 1:
            return f.reshape(carried, self.shapes[0])
        piece = f.slice(carried, ((self.starts[position], 1, self.sizes[position]),))
        return f.reshape(piece, self.shapes[position])


def _solid(shape: Shape) -> Shape:
    return tuple(extent for extent in shape if extent != 1)


def _scan(t: Translator, scan: Any) -> tuple[Value, Layout, Extent | None]:
    """The states of a scan, their layout, and the number of steps, None where only the last state is there; a scan is
    stepped once, whoever asks.
    """
    known = t.scans.get(scan)
    if known is None:
        known = t.scans[scan] = _stepped(t, scan)
    return known


def _stepped(t: Translator, scan: Any) -> tuple[Value, Layout, Extent | None]:
    if t.indices.survey.mask(scan) & ~ACCESS:
        raise UnsupportedExpression(f"{short(scan)} depends on the index of a sum around it; sum outside of it instead")
    index, first, _ = scan.args[1]
    length, layout = t.extent(scan.length), Layout(t, scan)
    if not is_nonnegative(length):
        t.require(length, 0, f"the range of {index} is reversed")
    starts = [
        _as_state(t, start, t.translate(start), shape)
        for (_, start, _), shape in zip(scan.steps, layout.shapes, strict=True)
    ]
    inner, around = t.within()
    f = inner.f
    carried = f.wrap(inner.builder.input(STATE, Type("real", layout.carried)))
    step = f.wrap(inner.builder.input(STEP, INT))
    number = step if first == 0 else f.int_add(step, f.size(t.extent(first)))
    bound = {state: layout.part(f, carried, k).index for k, (state, _, _) in enumerate(scan.steps)}
    inner.stand_for({**bound, index: number.index})
    following = [
        _as_state(inner, after, inner.translate(after), shape)
        for (_, _, after), shape in zip(scan.steps, layout.shapes, strict=True)
    ]
    graph = inner.shared_graph([layout.join(f, following).index])
    read = [node for node in graph.nodes if node.op is INPUT and node.attributes not in (STATE, STEP)]
    name = name_of(scan.steps[0][0]) if len(scan.steps) == 1 else "state"
    body = Body(graph, tuple(node.attributes for node in read), name)
    operands = [layout.join(t.f, starts).index, *[around(node.attributes, node.type) for node in read]]
    start, shared = t.f.wrap(operands[0]), [t.f.wrap(operand) for operand in operands[1:]]
    every = int(scan.args[2])
    if every:
        return _checkpointed(t.f, body, length, every, start, shared), layout, None
    return run(t.f, body, length, start, shared), layout, length


def _checkpointed(f: Functions, body: Body, length: Extent, every: int, start: Value, shared: list[Value]) -> Value:
    """The last state, by blocks of `every` steps of which only the first states are kept, and the steps left over."""
    blocks = floored(length, every)
    types = [f.builder.nodes[value.index].type for value in shared]
    block = block_of(body, every, f.shape(start), types)
    kept = run(f, block, blocks, start, shared, kept=False)
    rest = minus(length, times(every, blocks))
    if rest == 0:
        return kept
    offset = f.size(times(every, blocks))
    return run(f, moved(body, f.shape(start), types), rest, kept, [offset, *shared], kept=False)


def _as_state(t: Translator, expr: Any, node: int, shape: Shape) -> Value:
    """A value of a state's shape. Raises ShapeMismatch for another."""
    own = t.builder.nodes[node].type.shape
    if not shape and own:
        return t.f.wrap(single_entry(t, expr, node))
    if own != shape:
        if not own:
            return t.f.fill(t.f.wrap(node), shape)
        raise ShapeMismatch(
            f"{short(expr)} of shape {shape_text(own)} is to be a state of shape {shape_text(shape)}; they must agree"
        )
    return t.f.wrap(node)


def _last(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    states, layout, length = _scan(t, expr.scan)
    f, shape = t.f, layout.carried
    if length is None:
        return layout.part(f, states, int(expr.args[1])).index
    final = f.slice(states, ((length, 1, 1), *[(0, 1, extent) for extent in shape]))
    return layout.part(f, f.reshape(final, shape), int(expr.args[1])).index


def _trajectory(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    states, layout, length = _scan(t, expr.scan)
    f, position = t.f, int(expr.args[1])
    if length is None:
        raise UnsupportedExpression(
            f"{short(expr)}: a Scan with checkpoint= keeps only its last states; leave checkpoint out to have all"
        )
    rows, size = plus(length, 1), layout.sizes[position]
    if len(layout.shapes) == 1:
        return f.reshape(states, (rows, size)).index
    return f.slice(states, ((0, 1, rows), (layout.starts[position], 1, size))).index


_NOTHING: Callable[[Any], Sequence[Any]] = lambda expr: ()  # noqa: E731
OPERANDS: dict[type, Callable[[Any], Sequence[Any]]] = dict.fromkeys((Last, LastMatrix, Trajectory), _NOTHING)
BUILD: dict[type, Build] = {Last: _last, LastMatrix: _last, Trajectory: _trajectory}
