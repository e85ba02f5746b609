"""Scans and the bodies of scans, put together from values and graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symbackprop.ir.body import STATE, STEP, Body
from symbackprop.ir.graph import Graph, GraphBuilder
from symbackprop.ir.node import INT, Type
from symbackprop.ir.value import Functions, Value
from symbackprop.ops.control import SCAN
from symbackprop.ops.extents import Extent, Shape
from symbackprop.ops.leaves import INPUT

_FIRST = "(first step)"


def row(f: Functions, array: Value, index: Value) -> Value:
    """array[index], for an integer."""
    shape = f.shape(array)[1:]
    places = [f.broadcast(f.iota(extent), shape, (axis,)) for axis, extent in enumerate(shape)]
    return f.gather(array, f.broadcast(index, shape), *places)


def last(f: Functions, states: Value, length: Extent) -> Value:
    """The state after all steps."""
    shape = f.shape(states)[1:]
    return f.reshape(f.slice(states, ((length, 1, 1), *[(0, 1, extent) for extent in shape])), shape)


def run(f: Functions, body: Body, length: Extent, start: Value, shared: Sequence[Value], kept: bool = True) -> Value:
    """The states before, between and after `length` steps, along a first axis of length + 1; or the last alone."""
    operands = (start.index, *[value.index for value in shared])
    return f.wrap(f.builder.structural(SCAN, operands, (body, length, kept)))


class Step:
    """A body under construction: its inputs by name."""

    def __init__(self, state: Shape, shared: Mapping[str, Type]) -> None:
        self.f = Functions(GraphBuilder())
        self.state = self.f.wrap(self.f.builder.input(STATE, Type("real", state)))
        self.step = self.f.wrap(self.f.builder.input(STEP, INT))
        self.shared = {name: self.f.wrap(self.f.builder.input(name, type_)) for name, type_ in shared.items()}

    def inline(self, graph: Graph, given: Mapping[str, Value]) -> list[Value]:
        """The outputs of a graph over values of this one in the place of its inputs."""
        new: list[int] = []
        for node in graph.nodes:
            if node.op is INPUT and node.attributes in given:
                new.append(given[node.attributes].index)
            else:
                new.append(self.f.builder.copy(node, tuple([new[operand] for operand in node.operands])))
        return [self.f.wrap(new[output]) for output in graph.outputs]

    def body(self, result: Value, name: str) -> Body:
        return Body(self.f.builder.graph([result.index]), tuple(self.shared), name)


def moved(body: Body, state: Shape, types: Sequence[Type]) -> Body:
    """The body with its steps counted from a number that it reads first."""

    def make() -> Body:
        inside = Step(state, {_FIRST: INT, **dict(zip(body.shared, types, strict=True))})
        step = inside.f.int_add(inside.step, inside.shared[_FIRST])
        given = {STATE: inside.state, STEP: step, **{name: inside.shared[name] for name in body.shared}}
        return inside.body(inside.inline(body.graph, given)[0], body.name)

    return body.derive(("moved", state), make)


def block_of(body: Body, every: int, state: Shape, types: Sequence[Type]) -> Body:
    """`every` steps of a body as one step, which is computed again where its adjoint is wanted."""
    inside = Step(state, dict(zip(body.shared, types, strict=True)))
    f = inside.f
    first = f.int_mul(f.size(every), inside.step)
    shared = [first, *[inside.shared[name] for name in body.shared]]
    end = last(f, run(f, moved(body, state, types), every, inside.state, shared), every)
    return Body(f.builder.graph([end.index]), tuple(inside.shared), body.name, sparing=True)
