"""Derivatives of a loop that carries state, by loops of the same kind.

The states s[0], ..., s[T] are kept. Their adjoints run backwards, l[t] = s_bar[t] + (ds[t+1]/ds[t])^T l[t+1], which is
a scan over the stored states. What a step reads besides its state receives the sum over all steps of its own adjoint:
one step's adjoint, lifted over all steps at once, so that sums over steps become products of matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

from symbackprop.ad.batching import lift
from symbackprop.ir import Body, Functions, Graph, GraphBuilder, Node, Type, Value
from symbackprop.ir.body import STATE, STEP
from symbackprop.ir.stepping import Step, last, row, run
from symbackprop.ops.extents import Extent, Shape, minus, plus, product

# Inputs of a step's derivative; no body shares anything of such a name.
_BAR, _DOT = "(bar)", "(dot)"


def _all_states(f: Functions, node: Node, index: int) -> Value:
    """The states of a scan, also of one that keeps only the last."""
    body, length, kept = node.attributes
    if kept:
        return f.wrap(index)
    start, *shared = [f.wrap(operand) for operand in node.operands]
    return run(f, body, length, start, shared)


def _types(graph: Graph, operands: Sequence[int]) -> list[Type]:
    return [graph.nodes[operand].type for operand in operands]


def _step_adjoints(body: Body, kinks: str) -> Graph:
    """From a step's inputs and the cotangent of the next state to the cotangents of the state and of what it shares."""
    from symbackprop.ad.reverse import vjp

    graph = _surrounded(body, body.shared, kinks)
    builder = GraphBuilder(graph)
    output = graph.outputs[0]
    state = builder.input(STATE, graph.nodes[output].type)
    bar = builder.input(_BAR, graph.nodes[output].type)
    known = graph.inputs()
    wrt = [known[name] for name in body.shared if name in known and graph.nodes[known[name]].type.dtype == "real"]
    return builder.graph(vjp(builder.graph([output]), {output: bar}, [state, *wrt], builder, kinks))


def _surrounded(body: Body, moving: Sequence[str], kinks: str) -> Graph:
    """A user's step with arms at isolated points looked after; that of a derivative has had this done."""
    from symbackprop.ad.isolated import with_surroundings

    if body.is_derived:
        return body.graph
    known = body.graph.inputs()
    return with_surroundings(body.graph, [known[name] for name in (STATE, *moving) if name in known], kinks)[0]


def adjoints(graph: Graph, f: Functions, index: int, bar: int, wanted: Sequence[bool]) -> list[int | None]:
    """What each operand of a scan receives from the adjoint of its states."""
    node = graph.nodes[index]
    body, length, kept = node.attributes
    states = _all_states(f, node, index)
    rows = f.shape(states)
    # The last state alone is the last of the states.
    final = (((length, 1, 1), *[(0, 1, extent) for extent in rows[1:]]),)
    states_bar = f.wrap(bar) if kept else f.pad(f.reshape(f.wrap(bar), (1, *rows[1:])), rows, *final)
    shared = [f.wrap(operand) for operand in node.operands[1:]]
    types = dict(zip(body.shared, _types(graph, node.operands[1:]), strict=True))
    swept = _step_adjoints(body, f.kinks)
    known = body.graph.inputs()
    names = [name for name in body.shared if name in known and types[name].dtype == "real"]
    sweep = _accumulated if body.sparing else _lifted
    first, bars = sweep(f, body, length, swept, (states, states_bar), shared, types, names if any(wanted[1:]) else [])
    results: list[int | None] = [first.index if wanted[0] else None]
    for name, is_wanted in zip(body.shared, wanted[1:], strict=True):
        results.append(bars[name].index if is_wanted and name in bars else None)
    return results


def _lifted(
    f: Functions,
    body: Body,
    length: Extent,
    swept: Graph,
    both: tuple[Value, Value],
    shared: Sequence[Value],
    types: Mapping[str, Type],
    names: Sequence[str],
) -> tuple[Value, dict[str, Value]]:
    """The adjoint of the first state by a scan, and those of what is shared by one step lifted over all."""
    states, states_bar = both
    type_ = f.builder.nodes[states.index].type
    backwards = body.derive(("adjoint", f.kinks, length), lambda: _backwards(body, swept, length, type_, types))
    chain = run(f, backwards, length, last(f, states_bar, length), [states, states_bar, *shared])
    first = last(f, chain, length)
    if not names:
        return first, {}
    # Of all steps at once: the states before each, and the adjoints of the states after each.
    inner = [(0, 1, extent) for extent in type_.shape[1:]]
    before = f.slice(states, ((0, 1, length), *inner))
    after = f.slice(chain, ((minus(length, 1), -1, length), *inner))
    given = _given(swept, {STATE: before, STEP: f.iota(length), _BAR: after})
    alone = Graph(swept.nodes, swept.outputs[1:])
    around = _given(alone, dict(zip(body.shared, shared, strict=True)))
    summed = lift(alone, given, length, f.builder, around)
    return first, {name: f.reduce_sum(f.wrap(each), (0,)) for name, each in zip(names, summed, strict=True)}


def _accumulated(
    f: Functions,
    body: Body,
    length: Extent,
    swept: Graph,
    both: tuple[Value, Value],
    shared: Sequence[Value],
    types: Mapping[str, Type],
    names: Sequence[str],
) -> tuple[Value, dict[str, Value]]:
    """All adjoints by one scan that carries their sums and keeps only the last: nothing is stored for every step."""
    states, states_bar = both
    type_ = f.builder.nodes[states.index].type
    shapes = [type_.shape[1:], *[types[name].shape for name in names]]
    backwards = body.derive(
        ("sums", f.kinks, length, *names), lambda: _with_sums(body, swept, length, type_, types, names, shapes)
    )
    zeros = [f.fill(0, (product(shape),)) for shape in shapes[1:]]
    start = f.concatenate([f.reshape(last(f, states_bar, length), (product(shapes[0]),)), *zeros], 0)
    end = run(f, backwards, length, start, [states, states_bar, *shared], kept=False)
    first, *sums = _parts(f, end, shapes)
    return first, dict(zip(names, sums, strict=True))


def _parts(f: Functions, flat: Value, shapes: Sequence[Shape]) -> list[Value]:
    """Arrays of these shapes, laid out one after the other."""
    parts, start = [], cast(Extent, 0)
    for shape in shapes:
        size = product(shape)
        parts.append(f.reshape(f.slice(flat, ((start, 1, size),)), shape))
        start = plus(start, size)
    return parts


def _given(graph: Graph, values: Mapping[str, Value]) -> dict[int, int]:
    """The inputs of a body's graph, by name, as nodes of the builder."""
    inputs = graph.inputs()
    return {inputs[name]: value.index for name, value in values.items() if name in inputs}


def _backwards(body: Body, swept: Graph, length: Extent, states: Type, types: Mapping[str, Type]) -> Body:
    """One step of the adjoint chain: from l[t+1] to l[t], with t = length - 1 - step."""
    inside, bars = _step_back(swept, length, states, types, states.shape[1:], lambda f, state: state, 1)
    return inside.body(bars[0], f"{body.name}_bar")


def _with_sums(
    body: Body,
    swept: Graph,
    length: Extent,
    states: Type,
    types: Mapping[str, Type],
    names: Sequence[str],
    shapes: Sequence[Shape],
) -> Body:
    """One step of the adjoint chain that adds up what each shared value receives, beside l[t]."""
    carried = (_total(map(product, shapes)),)
    inside, bars = _step_back(swept, length, states, types, carried, lambda f, c: _parts(f, c, shapes)[0], len(shapes))
    f = inside.f
    sums = _parts(f, inside.state, shapes)[1:]
    following = [bars[0], *[total + bar for total, bar in zip(sums, bars[1:], strict=True)]]
    flat = [f.reshape(part, (product(shape),)) for part, shape in zip(following, shapes, strict=True)]
    return inside.body(f.concatenate(flat, 0) if len(flat) > 1 else flat[0], f"{body.name}_bar")


def _total(extents: Iterable[Extent]) -> Extent:
    total: Extent = 0
    for extent in extents:
        total = plus(total, extent)
    return total


def _step_back(
    swept: Graph,
    length: Extent,
    states: Type,
    types: Mapping[str, Type],
    carried: Shape,
    adjoint: Callable[[Functions, Value], Value],
    count: int,
) -> tuple[Step, list[Value]]:
    """The first `count` adjoints of step t = length - 1 - step, that of the state complete."""
    kept, kept_bar = _fresh("states", types), _fresh("states bar", types)
    inside = Step(carried, {kept: states, kept_bar: states, **types})
    f = inside.f
    t = f.int_sub(f.size(minus(length, 1)), inside.step)
    given = {
        STATE: row(f, inside.shared[kept], t),
        STEP: t,
        _BAR: adjoint(f, inside.state),
        **{name: inside.shared[name] for name in types},
    }
    bars = inside.inline(Graph(swept.nodes, swept.outputs[:count]), given)
    return inside, [row(f, inside.shared[kept_bar], t) + bars[0], *bars[1:]]


def _fresh(name: str, taken: Mapping[str, Type]) -> str:
    """A name for something new that a body reads."""
    while name in taken:
        name += "'"
    return name


def tangent(graph: Graph, f: Functions, index: int, tangents: Mapping[int, int]) -> int | None:
    """The tangents of the states, given those of the operands that move."""
    node = graph.nodes[index]
    body, length, kept = node.attributes
    states = _all_states(f, node, index)
    type_ = f.builder.nodes[states.index].type
    moving = [k for k, operand in enumerate(node.operands[1:]) if operand in tangents]
    if not moving and node.operands[0] not in tangents:
        return None
    types = dict(zip(body.shared, _types(graph, node.operands[1:]), strict=True))
    names = [body.shared[k] for k in moving]
    made = body.derive(("tangent", f.kinks, length, *names), lambda: _forwards(body, type_, types, names, f.kinks))
    shape = type_.shape[1:]
    operands = [node.operands[1 + k] for k in moving]
    moved = [_full(f, tangents[operand], graph.nodes[operand].type.shape) for operand in operands]
    start = _full(f, tangents.get(node.operands[0], f.builder.const(0)), shape)
    shared = [f.wrap(operand) for operand in node.operands[1:]]
    return run(f, made, length, start, [states, *shared, *moved], kept).index


def _forwards(body: Body, states: Type, types: Mapping[str, Type], names: Sequence[str], kinks: str) -> Body:
    """One step of the tangents, at the stored states."""
    from symbackprop.ad.forward import jvp

    kept = _fresh("states", types)
    dots = {name: _fresh(f"{name} dot", types) for name in names}
    graph = _surrounded(body, names, kinks)
    inner = GraphBuilder(graph)
    output = graph.outputs[0]
    state = inner.input(STATE, graph.nodes[output].type)
    seeds = {state: inner.input(_DOT, graph.nodes[output].type)}
    known = graph.inputs()
    for name, dot in dots.items():
        if name in known:
            seeds[known[name]] = inner.input(dot, types[name])
    swept = inner.graph(jvp(inner.graph([output]), seeds, [output], inner, kinks))
    inside = Step(states.shape[1:], {kept: states, **types, **{dot: types[name] for name, dot in dots.items()}})
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
