"""Functions of a distance that are smooth where it is 0, before they are differentiated twice.

|u| has a kink at 0 and a norm one at the origin, but cos(|u|) has none, nor has Matern's (1 + r)*exp(-r): what has
no odd term below r**3 has the second derivative there that its even terms have. Its slope is 0 whatever is taken for
that of r, but the second derivative was sign(0)**2 times the true one, and of a norm nan. So |u| is u times its side,
which is 1 at 0; of a norm the function is its Taylor polynomial of second order at the origin. Other functions of
distances stay what they are, kinks included.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from heapq import heappop, heappush
from typing import Any, NamedTuple

import mpmath as mp

from symbackprop.ad.forward import jvp
from symbackprop.ad.limits import NO_VALUE, samples
from symbackprop.ad.points import COMPARISONS
from symbackprop.ir import Functions, Graph, GraphBuilder, Node, Type, Value, interpret
from symbackprop.ops import REGISTRY
from symbackprop.ops.array_norms import REDUCE_NORM
from symbackprop.ops.control import attached
from symbackprop.ops.leaves import CONST, INPUT

_ABS, _MAXIMUM, _NEG, _SUB, _HYPOT, _ROOT, _SELECT, _ADD, _MUL, _DIV = (
    REGISTRY[name] for name in ("abs", "maximum", "neg", "sub", "hypot", "norm_root", "select", "add", "mul", "div")
)
# What is added to a function, or a number that it is multiplied by, changes nothing about its kink.
_SUMS, _MULTIPLES = frozenset({_ADD, _SUB, _NEG}), frozenset({_MUL, _DIV})
_MOST_USERS, _MOST_NODES, _MOST_TRIED = 80, 300, 4
_DIGITS, _STEP = 80, mp.mpf(10) ** -15
_LARGEST = 10**6
"""The odd part of a function, over the third power of a small distance, is no larger where there is no lower power."""


class _Distance(NamedTuple):
    """A node that is |u|, a norm of parts or of an array, or the root of a sum of squares, then the only part."""

    node: int
    parts: tuple[int, ...]


def smooth_at_zero(graph: Graph, wrt: Sequence[int]) -> tuple[Graph, list[int]]:
    """The graph with the second derivatives that exist where distances are 0, and where the nodes `wrt` are in it."""
    found = _smooth_functions(graph, wrt)
    if not found:
        return graph, list(wrt)
    builder = GraphBuilder()
    f = Functions(builder)
    new: list[int] = []
    norms: dict[int, list[tuple[_Distance, list[int]]]] = {}
    for distance, inside in found.values():
        if not _is_norm(graph.nodes[distance.node]):
            continue
        norms.setdefault(inside[-1], []).append((distance, inside))
    for index, node in enumerate(graph.nodes):
        if index in found and not _is_norm(node):
            u = f.wrap(new[found[index][0].parts[0]])
            new.append((u * f.select(f.ge(u, 0), 1, -1)).index)
            continue
        new.append(builder.copy(node, tuple([new[operand] for operand in node.operands])))
        for distance, inside in norms.get(index, ()):
            new[index] = _around_origin(f, graph, distance, inside, new)
    builder.carry_names(graph, new, [True] * len(new))
    return builder.graph([new[output] for output in graph.outputs]), [new[node] if node >= 0 else -1 for node in wrt]


def _smooth_functions(graph: Graph, wrt: Sequence[int]) -> dict[int, tuple[_Distance, list[int]]]:
    """By its node each distance of which all goes through a function that is smooth at 0, and the nodes between."""
    distances = [d for index in range(len(graph.nodes)) if (d := _distance(graph.nodes, index)) is not None]
    if not distances:
        return {}
    moving, needed = graph.depending(wrt), graph.reaching()
    users: list[list[int]] = [[] for _ in graph.nodes]
    for index, node in enumerate(graph.nodes):
        for operand in dict.fromkeys(node.operands) if needed[index] else ():
            users[operand].append(index)
    found = {}
    for distance in distances:
        index = distance.node
        if moving[index] and any(graph.nodes[user].type.dtype == "real" for user in users[index]):
            inside = _through(graph, distance, users)
            if inside:
                found[index] = distance, inside
    return found


def _distance(nodes: Sequence[Node], index: int) -> _Distance | None:
    op, operands = nodes[index].op, nodes[index].operands
    if op is _ABS:
        return _Distance(index, operands)
    if op is _MAXIMUM:
        one, other = sorted(operands)
        node = nodes[other]
        opposite = node.op is _NEG and node.operands[0] == one
        turned = node.op is _SUB is nodes[one].op and node.operands == nodes[one].operands[::-1]
        return _Distance(index, (one,)) if opposite or turned else None
    if _is_norm(nodes[index]) and not any(nodes[part].op is CONST for part in operands):
        return _Distance(index, operands)
    return None


def _is_norm(node: Node) -> bool:
    return node.op is _HYPOT or node.op is _ROOT or node.op is REDUCE_NORM or node.op.name == "norm"


def _through(graph: Graph, distance: _Distance, users: list[list[int]]) -> list[int]:
    """The nodes from a distance up to the first through which all of it goes and which is smooth at 0."""
    shape = graph.nodes[distance.node].type.shape
    pending = list(users[distance.node])
    waiting = set(pending)
    inside: list[int] = []
    tried = 0
    pending.sort()
    while pending and len(inside) < _MOST_USERS:
        index = heappop(pending)
        node = graph.nodes[index]
        if not node.op.elementwise or node.type.shape != shape:
            break
        inside.append(index)
        if not pending and node.type.dtype == "real" and not _is_plain(graph.nodes, node, {distance.node, *inside}):
            tried += 1
            if _is_smooth_at_zero(graph, distance, index):
                return inside
        if index in graph.outputs or tried >= _MOST_TRIED:
            break
        for user in users[index]:
            if user not in waiting:
                waiting.add(user)
                heappush(pending, user)
    return []


def _is_plain(nodes: Sequence[Node], node: Node, among: set[int]) -> bool:
    """Whether this has the kink that one operand has."""
    others = [operand for operand in node.operands if operand not in among]
    if len(node.operands) - len(others) > 1:
        return False
    return node.op in _SUMS or (node.op in _MULTIPLES and all(nodes[other].op is CONST for other in others))


def _is_smooth_at_zero(graph: Graph, distance: _Distance, root: int) -> bool:
    """Whether a function of a distance, and of its parts, has no odd terms below the third power of the distance."""
    cut = [distance.node, *distance.parts]
    local, place = _alone(graph, cut, root)
    if local is None:
        return False
    return _has_no_odd_part(
        tuple(local), place[root], tuple(place.get(node, -1) for node in cut), graph.nodes[cut[0]].op is _ROOT
    )


def _alone(graph: Graph, cut: list[int], root: int) -> tuple[list[Node] | None, dict[int, int]]:
    """The nodes that lead to a root, over inputs in the place of those at which they are cut, and of arrays."""
    nodes, shape = graph.nodes, graph.nodes[root].type.shape
    wanted, stack = {root}, [root]
    leaves = set(cut)
    while stack:
        node = nodes[stack.pop()]
        for operand in node.operands:
            if operand not in wanted:
                wanted.add(operand)
                inner = nodes[operand]
                entrywise = inner.op.elementwise and inner.type.shape in ((), shape) and inner.op is not INPUT
                if operand in leaves or not (entrywise or inner.op is CONST):
                    leaves.add(operand)
                elif len(wanted) > _MOST_NODES:
                    return None, {}
                else:
                    stack.append(operand)
    local = GraphBuilder()
    place: dict[int, int] = {}
    for index in sorted(wanted):
        if index in leaves:
            place[index] = local.input(f"x{len(place)}", Type(nodes[index].type.dtype, ()))
        else:
            place[index] = local.copy(nodes[index], tuple([place[operand] for operand in nodes[index].operands]))
    return local.nodes, place


@lru_cache(maxsize=4096)
def _has_no_odd_part(nodes: tuple[Node, ...], root: int, cut: tuple[int, ...], is_squared: bool) -> bool:
    distance, *parts = cut
    names = [node.attributes for node in nodes if node.op is INPUT]
    with mp.workdps(_DIGITS):
        point: dict[str, Any] = samples(names)
        point |= {node.attributes: True for node in nodes if node.op is INPUT and node.type.dtype == "bool"}
        along = [_STEP * (k + 1) / len(parts) for k in range(len(parts))]
        for part, value in zip(parts, along, strict=True):
            if part >= 0:
                point[nodes[part].attributes] = value * value if is_squared else value
        size = mp.sqrt(mp.fsum(value * value for value in along))
        graph = Graph(list(nodes), (root,))
        try:
            ahead, back = [
                interpret(graph, {**point, nodes[distance].attributes: side * size}, "mpmath")[0] for side in (1, -1)
            ]
        except NO_VALUE:
            return False
        if not all(isinstance(value, mp.mpf) and mp.isfinite(value) for value in (ahead, back)):
            return False
        return bool(abs(ahead - back) <= _LARGEST * size**3 * max(1, abs(ahead)))


def touches(graph: Graph, parts: list[int], difference: int) -> bool:
    """Whether a difference vanishes faster than the squares of these nodes, where all of these are small."""
    local, place = _alone(graph, parts, difference)
    if local is None:
        return False
    names = [node.attributes for node in local if node.op is INPUT]
    with mp.workdps(_DIGITS):
        point: dict[str, Any] = samples(names)
        point |= {node.attributes: True for node in local if node.op is INPUT and node.type.dtype == "bool"}
        for turn in (1, -1):
            small = {part: _STEP * turn**k * (k + 1) / len(parts) for k, part in enumerate(parts)}
            at = {local[place[part]].attributes: value for part, value in small.items() if part in place}
            try:
                value = interpret(Graph(local, (place[difference],)), {**point, **at}, "mpmath")[0]
            except NO_VALUE:
                return False
            if not isinstance(value, mp.mpf) or not abs(value) <= _STEP**2 / _LARGEST:
                return False
    return True


def _around_origin(f: Functions, graph: Graph, distance: _Distance, inside: list[int], new: list[int]) -> int:
    """A function of a norm, with the derivatives of its Taylor polynomial at the origin."""
    builder, nodes = f.builder, graph.nodes
    local = GraphBuilder()
    place: dict[int, int] = {}
    outside: dict[int, int] = {}
    for index in inside:
        for operand in nodes[index].operands:
            if nodes[operand].op is CONST:
                place[operand] = local.intern(nodes[operand])
            elif operand not in place:
                place[operand] = local.input(f"%{operand}", Type(nodes[operand].type.dtype, ()))
                outside[place[operand]] = new[operand]
        place[index] = local.copy(nodes[index], tuple([place[operand] for operand in nodes[index].operands]))
    results = [place[inside[-1]]]
    variable, one = place[distance.node], local.const(1)
    for _ in range(2):
        results += jvp(Graph(local.nodes, ()), {variable: one}, results[-1:], local)
    taylor = local.graph([results[0], results[2]])
    if not _has_values(taylor, variable):
        return new[inside[-1]]
    outside[variable] = builder.const(0)
    value, second = _inlined(f, taylor, outside)
    z, h = f.wrap(new[distance.node]), f.wrap(new[inside[-1]])
    parts = [f.wrap(new[part]) for part in distance.parts]
    squares = _sum_of_squares(f, nodes[distance.node], parts)
    around = f.select(f.eq(z, 0), value + second * (squares / 2), h)
    return builder.add(attached(1), (h.index, around.index, builder.const(1)))


def _sum_of_squares(f: Functions, norm: Node, parts: list[Value]) -> Value:
    if norm.op is _ROOT:
        return parts[0]
    if norm.op is REDUCE_NORM:
        return f.reduce_sum(parts[0] * parts[0], norm.attributes)
    return sum((part * part for part in parts[1:]), parts[0] * parts[0])


def _has_values(taylor: Graph, variable: int) -> bool:
    """Whether the formulas of the coefficients have values where the variable is 0."""
    f = Functions(GraphBuilder())
    inputs = {index: node for index, node in enumerate(taylor.nodes) if node.op is INPUT}
    places = {index: f.builder.intern(node) for index, node in inputs.items()} | {variable: f.builder.const(0)}
    outputs = [value.index for value in _inlined(f, taylor, places)]
    point: dict[str, Any] = samples([node.attributes for node in inputs.values()])
    point |= {node.attributes: True for node in inputs.values() if node.type.dtype == "bool"}
    try:
        values = interpret(f.builder.graph(outputs), point, "mpmath")
    except NO_VALUE:
        return False
    return all(isinstance(value, mp.mpf) and mp.isfinite(value) for value in values)


def _inlined(f: Functions, graph: Graph, places: dict[int, int]) -> list[Value]:
    """The outputs of a graph over these nodes, with the zeros and constants among them worked out."""
    needed, made = graph.reaching(), list[int]()
    for index, node in enumerate(graph.nodes):
        operands = tuple([made[operand] for operand in node.operands])
        known = places.get(index)
        if known is None:
            known = _folded(f.builder, node, operands) if needed[index] else 0
        made.append(known)
    return [f.wrap(made[output]) for output in graph.outputs]


def _folded(builder: GraphBuilder, node: Node, operands: tuple[int, ...]) -> int:
    if not operands:
        return builder.intern(node)
    zeros = [builder.nodes[operand].op is CONST and builder.nodes[operand].attributes == 0 for operand in operands]
    if (node.op is _MUL and any(zeros)) or (node.op is _DIV and zeros == [True, False]):
        return builder.const(0)
    if node.op in (_ADD, _SUB) and zeros[1]:
        return operands[0]
    if node.op is _ADD and zeros[0]:
        return operands[1]
    rational = node.op.rational
    numbers = [builder.nodes[operand].attributes for operand in operands if builder.nodes[operand].op is CONST]
    if len(numbers) == len(operands) and all(type(number) is Fraction for number in numbers) and rational is not None:
        result = rational(*numbers)
        if result is not None:
            return builder.const(result)
    if len(numbers) == len(operands) and node.op in COMPARISONS:
        return builder.const(COMPARISONS[node.op](*numbers))
    if node.op is _SELECT and builder.nodes[operands[0]].op is CONST:
        return operands[1] if builder.nodes[operands[0]].attributes else operands[2]
    return builder.copy(node, operands)
