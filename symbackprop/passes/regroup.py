"""Quotients and sums of several variables, in which what is of one variable vanishes together.

y*cosm1(u)/u**2 is y*(cosm1(u)/u**2), near 0 y*expm1(p*x)/p is y*x*(expm1(p*x)/(p*x)), and y*sinh(u) - y*u is
y*(sinh(u) - u): what vanishes together is put together first, so that `passes.removable` finds its series.
"""

from __future__ import annotations

from collections.abc import Callable

from symbackprop.ir import Functions, Graph, GraphBuilder, Node, Value
from symbackprop.ops import REGISTRY, Op
from symbackprop.ops.leaves import CONST
from symbackprop.passes.common_factors import without_common
from symbackprop.passes.dominators import chain_of, extend
from symbackprop.passes.guard import written
from symbackprop.passes.regions import regions_of, steps_of
from symbackprop.passes.series import series_of

_ADD, _SUB, _MUL, _DIV, _NEG = (REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg"))
_MOST_FACTORS = 8
_VANISHING = frozenset(
    REGISTRY[name] for name in ("expm1", "log1p", "sin", "tan", "sinh", "tanh", "atan", "asin", "asinh", "erf")
)


def regrouped(graph: Graph, values: int = 0) -> Graph:
    """The graph with these taken apart, but for what its first outputs are made of; itself where there are none."""
    builder = GraphBuilder()
    dominators: list[int] = []
    needed = graph.reaching()
    new = [0] * len(graph.nodes)
    changed = False
    done = written(graph, values) if values else [False] * len(graph.nodes)
    for index, node in enumerate(graph.nodes):
        if not needed[index]:
            continue
        made = builder.copy(node, tuple([new[operand] for operand in node.operands]))
        new[index] = made
        for group in () if done[index] else _GROUPS.get(node.op, ()):
            extend(dominators, builder.nodes)
            found = group(builder, dominators, made) if dominators[made] == -1 else None
            if found is not None:
                new[index], changed = found, True
                break
    if not changed:
        return graph
    builder.carry_names(graph, new, needed)
    return builder.graph([new[output] for output in graph.outputs])


def _by_common_variable(builder: GraphBuilder, dominators: list[int], index: int) -> int | None:
    """The factors that go through one node apart from the others, if their quotient has a series."""
    f = Functions(builder)
    above, below = (_factors(builder.nodes, operand) for operand in builder.nodes[index].operands)
    for factor in above:
        common = [c for c in chain_of(dominators, factor) if any(c in chain_of(dominators, d) for d in below)]
        if not common:
            continue
        (own_above, others_above), (own_below, others_below) = (
            _parted(factors, dominators, common[0]) for factors in (above, below)
        )
        if not others_above and not others_below:
            continue
        quotient = _product(f, own_above) / _product(f, own_below)
        if _has_series(builder, dominators, quotient.index):
            rest = _product(f, others_above)
            return (quotient * (rest / _product(f, others_below) if others_below else rest)).index
    return None


def _has_series(builder: GraphBuilder, dominators: list[int], index: int) -> bool:
    extend(dominators, builder.nodes)
    graph = builder.graph([index])
    return any(series_of(steps_of(graph, c, inner)) for c, inner in regions_of(graph, index, dominators))


def _without_common_factor(builder: GraphBuilder, dominators: list[int], index: int) -> int | None:
    """y*g(u) - y*h(u) as y*(g(u) - h(u)), if that has a series."""
    f, node = Functions(builder), builder.nodes[index]
    split = without_common(builder.nodes, node.operands)
    if split is None:
        return None
    common, others = split
    rest = builder.add(node.op, tuple([other.built(f).index for other in others]))
    return (common.built(f) * f.wrap(rest)).index if _has_series(builder, dominators, rest) else None


def _parted(factors: list[int], dominators: list[int], node: int) -> tuple[list[int], list[int]]:
    """The factors that go through a node, and the others."""
    through = [factor for factor in factors if node in chain_of(dominators, factor)]
    return through, [factor for factor in factors if factor not in through]


def _by_common_factor(builder: GraphBuilder, _: list[int], index: int) -> int | None:
    """g(d*w)*rest/d = w*rest*(g(d*w)/(d*w)) where |d*w| < 1; beyond, its derivatives would cancel, and it does not."""
    f, nodes = Functions(builder), builder.nodes
    x, d = nodes[index].operands
    factors = _factors(nodes, x)
    for factor in factors:
        if nodes[factor].op not in _VANISHING:
            continue
        (argument,) = nodes[factor].operands
        negative = nodes[argument].op is _NEG
        inside = _factors(nodes, nodes[argument].operands[0] if negative else argument)
        if d not in inside or all(other == d or nodes[other].op is CONST for other in inside):
            continue
        u = f.wrap(argument)
        others = [other for other in factors if other != factor]
        inside.remove(d)
        near = _product(f, [*inside, *others]) * (f.wrap(factor) / (-u if negative else u))
        return f.select(f.lt(f.abs(u), 1), near, f.wrap(index)).index
    return None


def _factors(nodes: list[Node], index: int) -> list[int]:
    found: list[int] = []
    stack = [index]
    while stack:
        node = stack.pop()
        if nodes[node].op is _MUL and len(found) + len(stack) < _MOST_FACTORS:
            stack += nodes[node].operands[::-1]
        else:
            found.append(node)
    return found


def _product(f: Functions, factors: list[int]) -> Value:
    total = f.wrap(factors[0]) if factors else f.const(1)
    for factor in factors[1:]:
        total = total * f.wrap(factor)
    return total


_GROUPS: dict[Op, tuple[Callable[[GraphBuilder, list[int], int], int | None], ...]] = {
    _DIV: (_by_common_variable, _by_common_factor),
    _ADD: (_without_common_factor,),
    _SUB: (_without_common_factor,),
}
