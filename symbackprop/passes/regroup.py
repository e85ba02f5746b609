"""Products, quotients and sums of several variables, in which what is of one variable vanishes together.

y*cosm1(u)/u**2 is y*(cosm1(u)/u**2), near 0 (1 - cos(k*x))/x**2 is k**2*((1 - cos(u))/u**2) with u = k*x, and
y*sinh(u) - y*u is y*(sinh(u) - u): what vanishes together is put together first. Of the first and the last
`passes.removable` finds the series; of the second it is put here.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from symbackprop.ir import Functions, Graph, GraphBuilder, Node, Value
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import CONST
from symbackprop.passes.common_factors import without_common
from symbackprop.passes.dominators import chain_of, dominators_of, extend
from symbackprop.passes.guard import written
from symbackprop.passes.regions import between, regions_of, steps_of
from symbackprop.passes.series import Series, chosen, series_of

_ADD, _SUB, _MUL, _DIV, _POW = (REGISTRY[name] for name in ("add", "sub", "mul", "div", "pow"))
_LOGISTIC = REGISTRY["logistic"]
_MOST_FACTORS = 8
_MOST_STEPS = 8
"""A product is looked for so many nodes above a function of it: log(cosh(u)) - u**2/2 takes three."""

Powers = dict[int, int]
"""A product: its factors, each with a power that is not 0."""


def regrouped(graph: Graph, values: int = 0) -> Graph:
    """The graph with these taken apart, but for what its first outputs are made of; itself where there are none."""
    builder = GraphBuilder(graph)
    dominators = dominators_of(graph.nodes)
    needed = graph.reaching()
    new = list(range(len(graph.nodes)))
    changed = False
    done = written(graph, values) if values else [False] * len(graph.nodes)
    for index, node in enumerate(graph.nodes):
        if not needed[index]:
            continue
        if changed and any(new[operand] != operand for operand in node.operands):
            new[index] = builder.copy(node, tuple([new[operand] for operand in node.operands]))
        if done[index]:
            continue
        if node.op is _ADD or node.op is _SUB:
            extend(dominators, builder.nodes)
            found = _without_common_factor(builder, dominators, new[index])
            if found is not None:
                new[index], changed = found, True
        elif node.op is _DIV or node.op is _MUL:
            beside = _by_softplus(builder, new[index]) if node.op is _DIV else None
            if beside:
                new[index], changed = beside, True
            extend(dominators, builder.nodes)
            found = _by_common_variable(builder, dominators, new[index]) if node.op is _DIV else None
            found = found or _by_product(builder, dominators, new[index])
            if found:
                new[index], changed = found, True
    if not changed:
        return graph
    builder.carry_names(graph, new, needed)
    return builder.graph([new[output] for output in graph.outputs])


def _by_common_variable(builder: GraphBuilder, dominators: list[int], index: int) -> int | None:
    """The factors that go through one node apart from the others, if their quotient has a series."""
    if dominators[index] != -1:
        return None
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
        extend(dominators, builder.nodes)
        if _has_series(builder.nodes, dominators, quotient.index):
            rest = _product(f, others_above)
            return (quotient * (rest / _product(f, others_below) if others_below else rest)).index
    return None


def _by_softplus(builder: GraphBuilder, index: int) -> int | None:
    """logistic(u) is -expm1(-s) with s = softplus(u), beside which it vanishes: their quotient has a series in s."""
    f, nodes = Functions(builder), builder.nodes
    sides = [_factors(nodes, operand) for operand in nodes[index].operands]
    for side, other in (sides, sides[::-1]):
        for place, factor in enumerate(side):
            if nodes[factor].op is _LOGISTIC:
                s = f.softplus(f.wrap(nodes[factor].operands[0]))
                if s.index in other:
                    side[place] = (-f.expm1(-s)).index
                    return (_product(f, sides[0]) / _product(f, sides[1])).index
    return None


def _has_series(nodes: list[Node], dominators: list[int], site: int) -> bool:
    return any(series_of(steps_of(nodes, c, inner)) for c, inner in regions_of(nodes, site, dominators))


def _without_common_factor(builder: GraphBuilder, dominators: list[int], index: int) -> int | None:
    """y*g(u) - y*h(u) as y*(g(u) - h(u)), if that has a series."""
    f, node = Functions(builder), builder.nodes[index]
    split = without_common(builder.nodes, node.operands) if dominators[index] == -1 else None
    if split is None:
        return None
    common, others = split
    rest = builder.add(node.op, tuple([other.built(f).index for other in others]))
    extend(dominators, builder.nodes)
    return (common.built(f) * f.wrap(rest)).index if _has_series(builder.nodes, dominators, rest) else None


def _parted(factors: list[int], dominators: list[int], node: int) -> tuple[list[int], list[int]]:
    """The factors that go through a node, and the others."""
    through = [factor for factor in factors if node in chain_of(dominators, factor)]
    return through, [factor for factor in factors if factor not in through]


def _by_product(builder: GraphBuilder, dominators: list[int], index: int) -> int | None:
    """g(u)*rest/d**j with u = d*w is w**j*rest*(g(u)/u**j), which has a series; beyond it stays as written."""
    f, nodes = Functions(builder), builder.nodes
    whole = _powers(nodes, index)
    for factor in whole:
        for u in _arguments(nodes, dominators, factor):
            own = _powers(nodes, u)
            variables = [base for base in own if nodes[base].op is not CONST]
            most = max((-whole[base] // own[base] for base in variables if base in whole), default=0)
            if most < 1 or len(variables) < 2 or _has_series(nodes, dominators, index):
                continue
            through = {other: power for other, power in whole.items() if u in _arguments(nodes, dominators, other)}
            found = _series_over(f, _raised(f, through), f.wrap(u), most)
            if found is not None:
                order, series = found
                rest = {base: whole.get(base, 0) + order * own.get(base, 0) for base in {**whole, **own}}
                factors = _raised(f, {base: power for base, power in rest.items() if power and base not in through})
                return chosen(f.wrap(u), series, f.wrap(index), factors).index
    return None


def _arguments(nodes: list[Node], dominators: list[int], index: int) -> Iterator[int]:
    """The products and quotients that a node is a function of, entry by entry: what is moved has another shape."""
    shape = nodes[index].type.shape
    for _ in range(_MOST_STEPS):
        index = dominators[index]
        if index < 0 or nodes[index].type.shape != shape:
            return
        if nodes[index].op is _MUL or nodes[index].op is _DIV:
            yield index


def _series_over(f: Functions, g: Value, u: Value, most: int) -> tuple[int, Series] | None:
    """The largest power of u, up to `most`, over which g(u) has a series at 0, and that series."""
    nodes = f.builder.nodes
    for order in range(most, 0, -1):
        quotient = g / (f.pow(u, order) if order > 1 else u)
        inner = between(nodes, quotient.index, u.index)
        series = series_of(steps_of(nodes, u.index, inner)) if inner else None
        if series is not None and series.centre == 0:
            return order, series
    return None


def _powers(nodes: list[Node], index: int) -> Powers:
    """The factors of a product, of quotients and of whole powers of such."""
    found: Powers = {}
    stack = [(index, 1)]
    while stack:
        node, power = stack.pop()
        op, operands = nodes[node].op, nodes[node].operands
        exponent = nodes[operands[1]].attributes if op is _POW and nodes[operands[1]].op is CONST else None
        if (op is _MUL or op is _DIV) and len(found) + len(stack) < _MOST_FACTORS:
            stack += [(operands[1], power if op is _MUL else -power), (operands[0], power)]
        elif isinstance(exponent, Fraction) and exponent.denominator == 1 and exponent:
            stack.append((operands[0], power * int(exponent)))
        else:
            found[node] = found.get(node, 0) + power
    return {node: power for node, power in found.items() if power}


def _raised(f: Functions, powers: Powers) -> Value:
    """The product of factors to their powers."""
    parts: dict[bool, list[int]] = {True: [], False: []}
    for base, power in powers.items():
        number = f.builder.nodes[base].attributes if f.is_constant(f.wrap(base)) else None
        if isinstance(number, Fraction):
            parts[True].append(f.const(number**power).index)
        else:
            size = abs(power)
            parts[power > 0].append(f.pow(f.wrap(base), size).index if size > 1 else base)
    above = _product(f, parts[True])
    return above / _product(f, parts[False]) if parts[False] else above


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
