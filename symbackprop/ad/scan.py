"""Derivatives of a loop that carries state, by loops of the same kind.

The states s[0], ..., s[T] are kept. Their adjoints run backwards, l[t] = s_bar[t] + (ds[t+1]/ds[t])^T l[t+1], which is
a scan over the stored states. What a step reads besides its state receives the sum over all steps of its own adjoint:
one step's adjoint, lifted over all steps at once, so that sums over steps become products of matrices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symbackprop.ad.batching import lift
from symbackprop.ir import Body, Functions, Graph, GraphBuilder, Type, Value
from symbackprop.ir.body import STATE, STEP
from symbackprop.ir.node import INT
from symbackprop.ops.control import SCAN
from symbackprop.ops.extents import Extent, Shape, minus

# Inputs of a step's derivative; no body shares anything of such a name.
_BAR, _DOT = "(bar)", "(dot)"


def row(f: Functions, array: Value, index: Value) -> Value:
    """array[index], for an integer."""
    shape = f.shape(array)[1:]
    places = [f.broadcast(f.iota(extent), shape, (axis,)) for axis, extent in enumerate(shape)]
    return f.gather(array, f.broadcast(index, shape), *places)


def _last(f: Functions, states: Value, length: Extent) -> Value:
    """The state after all steps."""
    shape = f.shape(states)[1:]
    return f.reshape(f.slice(states, ((length, 1, 1), *[(0, 1, extent) for extent in shape])), shape)


def scan(f: Functions, body: Body, length: Extent, start: Value, shared: Sequence[Value]) -> Value:
    """The states before, between and after `length` steps, along a first axis of length + 1."""
    return f.wrap(f.builder.structural(SCAN, (start.index, *[value.index for value in shared]), (body, length)))


class _Inside:
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
            if node.op.name == "input" and node.attributes in given:
                new.append(given[node.attributes].index)
            else:
                new.append(self.f.builder.copy(node, tuple([new[operand] for operand in node.operands])))
        return [self.f.wrap(new[output]) for output in graph.outputs]

    def body(self, result: Value, name: str) -> Body:
        return Body(self.f.builder.graph([result.index]), tuple(self.shared), name)


def _types(graph: Graph, operands: Sequence[int]) -> list[Type]:
    return [graph.nodes[operand].type for operand in operands]


def _step_adjoints(body: Body, kinks: str) -> Graph:
    """From a step's inputs and the cotangent of the next state to the cotangents of the state and of what it shares."""
    from symbackprop.ad.reverse import vjp

    builder = GraphBuilder(body.graph)
    output = body.graph.outputs[0]
    state = builder.input(STATE, body.graph.nodes[output].type)
    bar = builder.input(_BAR, body.graph.nodes[output].type)
    known = body.graph.inputs()
    wrt = [known[name] for name in body.shared if name in known and body.graph.nodes[known[name]].type.dtype == "real"]
    return builder.graph(vjp(builder.graph([output]), {output: bar}, [state, *wrt], builder, kinks))


def adjoints(graph: Graph, f: Functions, index: int, bar: int, wanted: Sequence[bool]) -> list[int | None]:
    """What each operand of a scan receives from the adjoint of its states."""
    node = graph.nodes[index]
    body, length = node.attributes
    shape = node.type.shape[1:]
    shared = [f.wrap(operand) for operand in node.operands[1:]]
    states, states_bar = f.wrap(index), f.wrap(bar)
    types = dict(zip(body.shared, _types(graph, node.operands[1:]), strict=True))
    swept = _step_adjoints(body, f.kinks)
    backwards = body.derive(("adjoint", f.kinks), lambda: _backwards(body, swept, length, node.type, types))
    last = _last(f, states_bar, length)
    chain = scan(f, backwards, length, last, [states, states_bar, *shared])
    results: list[int | None] = [_last(f, chain, length).index if wanted[0] else None]
    known = body.graph.inputs()
    names = [name for name in body.shared if name in known and types[name].dtype == "real"]
    bars: dict[str, int] = {}
    if any(wanted[1:]):
        # Of all steps at once: the states before each, and the adjoints of the states after each.
        before = f.slice(states, ((0, 1, length), *[(0, 1, extent) for extent in shape]))
        after = f.slice(chain, ((minus(length, 1), -1, length), *[(0, 1, extent) for extent in shape]))
        given = _given(swept, {STATE: before, STEP: f.iota(length), _BAR: after})
        around = dict(zip(body.shared, shared, strict=True))
        alone = Graph(swept.nodes, swept.outputs[1:])
        summed = lift(alone, given, length, f.builder, _given(alone, around))
        bars = {name: f.reduce_sum(f.wrap(each), (0,)).index for name, each in zip(names, summed, strict=True)}
    for name, is_wanted in zip(body.shared, wanted[1:], strict=True):
        results.append(bars.get(name) if is_wanted else None)
    return results


def _given(graph: Graph, values: Mapping[str, Value]) -> dict[int, int]:
    """The inputs of a body's graph, by name, as nodes of the builder."""
    inputs = graph.inputs()
    return {inputs[name]: value.index for name, value in values.items() if name in inputs}


def _backwards(body: Body, swept: Graph, length: Extent, states: Type, types: Mapping[str, Type]) -> Body:
    """One step of the adjoint chain: from l[t+1] to l[t], with t = length - 1 - step."""
    kept, kept_bar = _fresh("states", types), _fresh("states bar", types)
    inside = _Inside(states.shape[1:], {kept: states, kept_bar: states, **types})
    f = inside.f
    t = f.int_sub(f.size(minus(length, 1)), inside.step)
    given = {
        STATE: row(f, inside.shared[kept], t),
        STEP: t,
        _BAR: inside.state,
        **{name: inside.shared[name] for name in body.shared},
    }
    bar = inside.inline(Graph(swept.nodes, swept.outputs[:1]), given)[0]
    return inside.body(row(f, inside.shared[kept_bar], t) + bar, f"{body.name}_bar")


def _fresh(name: str, taken: Mapping[str, Type]) -> str:
    """A name for something new that a body reads."""
    while name in taken:
        name += "'"
    return name


def tangent(graph: Graph, f: Functions, index: int, tangents: Mapping[int, int]) -> int | None:
    """The tangents of the states, given those of the operands that move."""
    node = graph.nodes[index]
    body, length = node.attributes
    moving = [k for k, operand in enumerate(node.operands[1:]) if operand in tangents]
    if not moving and node.operands[0] not in tangents:
        return None
    types = dict(zip(body.shared, _types(graph, node.operands[1:]), strict=True))
    names = [body.shared[k] for k in moving]
    made = body.derive(("tangent", f.kinks, *names), lambda: _forwards(body, node.type, types, names, f.kinks))
    shape = node.type.shape[1:]
    operands = [node.operands[1 + k] for k in moving]
    moved = [_full(f, tangents[operand], graph.nodes[operand].type.shape) for operand in operands]
    start = _full(f, tangents.get(node.operands[0], f.builder.const(0)), shape)
    shared = [f.wrap(operand) for operand in node.operands[1:]]
    return scan(f, made, length, start, [f.wrap(index), *shared, *moved]).index


def _forwards(body: Body, states: Type, types: Mapping[str, Type], names: Sequence[str], kinks: str) -> Body:
    """One step of the tangents, at the stored states."""
    from symbackprop.ad.forward import jvp

    kept = _fresh("states", types)
    dots = {name: _fresh(f"{name} dot", types) for name in names}
    inner = GraphBuilder(body.graph)
    output = body.graph.outputs[0]
    state = inner.input(STATE, body.graph.nodes[output].type)
    seeds = {state: inner.input(_DOT, body.graph.nodes[output].type)}
    known = body.graph.inputs()
    for name, dot in dots.items():
        if name in known:
            seeds[known[name]] = inner.input(dot, types[name])
    swept = inner.graph(jvp(inner.graph([output]), seeds, [output], inner, kinks))
    inside = _Inside(states.shape[1:], {kept: states, **types, **{dot: types[name] for name, dot in dots.items()}})
    given = {
        STATE: row(inside.f, inside.shared[kept], inside.step),
        STEP: inside.step,
        _DOT: inside.state,
        **{name: value for name, value in inside.shared.items() if name != kept},
    }
    return inside.body(inside.inline(swept, given)[0], f"{body.name}_dot")


def _full(f: Functions, tangent: int, shape: Shape) -> Value:
    """A tangent that may be the same number everywhere, at the shape of its primal."""
    value = f.wrap(tangent)
    return value if f.shape(value) == shape else f.fill(value, shape)
