"""Products, quotients and sums of several variables, in which what is of one variable vanishes together.

y*cosm1(u)/u**2 is y*(cosm1(u)/u**2), near 0 (1 - cos(k*x))/x**2 is k**2*((1 - cos(u))/u**2) with u = k*x, and
y*sinh(u) - y*u is y*(sinh(u) - u): what vanishes together is put together first. Of the first and the last
`passes.removable` finds the series; of the second it is put here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

from symbackprop.ir import Functions, Graph, GraphBuilder, Node, Value
from symbackprop.ops import REGISTRY, Op
from symbackprop.ops.leaves import CONST
from symbackprop.passes.common_factors import Quotient, without_common
from symbackprop.passes.dominators import chain_of, extend
from symbackprop.passes.guard import written
from symbackprop.passes.like_arguments import ORDERS, RATIOS, by_like_arguments
from symbackprop.passes.one_polynomial import among_factors, one_polynomial
from symbackprop.passes.powers import (
    MOST_FACTORS,
    Powers,
    number_and_powers,
    order_of,
    over,
    powers_of,
    product_of,
    raised,
)
from symbackprop.passes.regions import between, regions_of, steps_of
from symbackprop.passes.series import Series, chosen, series_of

_ADD, _SUB, _MUL, _DIV = (REGISTRY[name] for name in ("add", "sub", "mul", "div"))
_SUMS = frozenset({_ADD, _SUB})
_PRODUCTS = frozenset({_MUL, _DIV, REGISTRY["neg"]})
_LOGISTIC, _POW = REGISTRY["logistic"], REGISTRY["pow"]
_WITH_A_POLE = frozenset(REGISTRY[name] for name in ("reciprocal_expm1", "csch", "coth", "csc", "cot"))
_MOST_STEPS = 8
"""A product is looked for so many nodes above a function of it: log(cosh(u)) - u**2/2 takes three."""


@dataclass(slots=True)
class _Known:
    """What was found out about nodes, of which there come more and more."""

    read_once: list[bool]
    """Of the nodes that there were at first."""
    quotients: dict[int, Quotient] = field(default_factory=dict)
    powers: dict[int, tuple[Fraction, Powers]] = field(default_factory=dict)
    dominators: list[int] = field(default_factory=list)
    is_of_products: list[bool] = field(default_factory=list)
    """Whether a node, or one of its factors, is a function of a product of several: most are not, and are no matter of
    powers and orders."""
    wide: dict[int, bool] = field(default_factory=dict)

    def number_and_powers(self, nodes: list[Node], index: int) -> tuple[Fraction, Powers]:
        found = self.powers.get(index)
        if found is None:
            found = self.powers[index] = number_and_powers(nodes, index)
        return found

    def extend(self, nodes: list[Node]) -> None:
        """Append what is missing about new nodes."""
        known = self.is_of_products
        if len(known) == len(nodes):
            return
        extend(self.dominators, nodes)
        for index in range(len(known), len(nodes)):
            op, operands, *_ = nodes[index]
            of_products = (op in _PRODUCTS or op is _POW) and (known[operands[0]] or known[operands[-1]])
            if not of_products and self.dominators[index] >= 0:  # most go through no single node
                of_products = any(self._is_wide(nodes, u) for u in _arguments(nodes, self.dominators, index))
            known.append(of_products)

    def without_common(self, nodes: list[Node], terms: tuple[int, ...]) -> tuple[Quotient, list[Quotient]] | None:
        """Terms without what they have in common. A sum that only this sum reads is no factor of another term."""
        once = self.read_once
        if max(terms) < len(once) and any(once[term] and nodes[term].op in _SUMS for term in terms):
            return None
        return without_common(nodes, terms, self.quotients)

    def _is_wide(self, nodes: list[Node], product: int) -> bool:
        """Whether a product has several factors that are no numbers."""
        found = self.wide.get(product)
        if found is None:
            variables = [base for base in powers_of(nodes, product) if nodes[base].op is not CONST]
            found = len(variables) > 1 or len(self.number_and_powers(nodes, product)[1]) > 1
            self.wide[product] = found
        return found


def regrouped(graph: Graph, values: int = 0) -> Graph:
    """The graph with these taken apart, but for what its first outputs are made of; itself where there are none."""
    builder = GraphBuilder(graph)
    needed = graph.reaching()
    new = list(range(len(graph.nodes)))
    changed = False
    done = written(graph, values) if values else [False] * len(graph.nodes)
    is_factor = _factors_alone(graph, needed)
    series = among_factors(graph)
    has_pole = any(node.op in _WITH_A_POLE for node in graph.nodes)
    has_like = sum([node.op in ORDERS for node in graph.nodes]) > 1
    # What stood in the place of a series, for a sum that has one of its own.
    direct: dict[int, int] = {}
    known = _Known([count == 1 for count in graph.use_counts()])
    known.extend(graph.nodes)
    dominators = known.dominators
    for index, node in enumerate(graph.nodes):
        if not needed[index]:
            continue
        if changed and any(new[operand] != operand for operand in node.operands):
            new[index] = builder.copy(node, tuple([new[operand] for operand in node.operands]))
        if done[index]:
            continue
        if node.op is _ADD or node.op is _SUB:
            written_out = new[index]
            if direct:
                operands = tuple([direct.get(operand, operand) for operand in builder.nodes[new[index]].operands])
                written_out = builder.add(node.op, operands)
            known.extend(builder.nodes)
            found = one_polynomial(builder, new[index]) if all(series[o] for o in node.operands) else None
            found = found or _without_common_factor(builder, written_out, known)
            if found is not None:
                new[index], changed = found, True
        elif node.op in RATIOS:
            found = _by_like_arguments(builder, new[index], known)
            if found:
                new[index], changed = found, True
        elif node.op is _DIV or node.op is _MUL:
            beside = _by_softplus(builder, new[index]) if node.op is _DIV else None
            if beside:
                new[index], changed = beside, True
            known.extend(builder.nodes)
            found = _by_common_variable(builder, dominators, new[index]) if node.op is _DIV else None
            if not is_factor[index]:
                if has_pole:
                    found = found or _by_pole(builder, dominators, new[index])
                if known.is_of_products[new[index]]:
                    found = found or _by_product(builder, dominators, new[index])
                if has_like:
                    found = found or _by_like_arguments(builder, new[index], known)
            if found:
                direct[found] = new[index]
                new[index], changed = found, True
    if not changed:
        return graph
    builder.carry_names(graph, new, needed)
    return builder.graph([new[output] for output in graph.outputs])


def _by_like_arguments(builder: GraphBuilder, index: int, known: _Known) -> int | None:
    known.extend(builder.nodes)
    return by_like_arguments(Functions(builder), index, known.number_and_powers, known.dominators[index] != -1)


def _factors_alone(graph: Graph, needed: list[bool]) -> list[bool]:
    """The nodes that one product or quotient alone reads: of u/sinh(u)/w all factors are seen there, and only there."""
    users = [0] * len(graph.nodes)
    for output in graph.outputs:
        users[output] = 2
    for index, node in enumerate(graph.nodes):
        if needed[index]:
            for operand in node.operands:
                users[operand] += 1 if node.op is _MUL or node.op is _DIV else 2
    return [count == 1 for count in users]


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
        quotient = product_of(f, own_above) / product_of(f, own_below)
        extend(dominators, builder.nodes)
        if _has_series(builder.nodes, dominators, quotient.index):
            rest = product_of(f, others_above)
            return (quotient * (rest / product_of(f, others_below) if others_below else rest)).index
    return None


def _by_pole(builder: GraphBuilder, dominators: list[int], index: int) -> int | None:
    """y*x**2*csch(x)**2 as y*(x**2*csch(x)**2): what takes a pole away beside it, if their product has a series."""
    if dominators[index] != -1 or builder.nodes[index].op is not _MUL:
        return None
    f, nodes = Functions(builder), builder.nodes
    factors = _factors(nodes, index)
    for factor in factors:
        if _base_of(nodes, factor) not in _WITH_A_POLE:
            continue
        for variable in chain_of(dominators, factor)[1:]:
            own, others = _parted(factors, dominators, variable)
            if len(own) < 2 or not others:
                continue
            product = product_of(f, own)
            extend(dominators, nodes)
            if _has_series(nodes, dominators, product.index):
                rest = product_of(f, others)
                extend(dominators, nodes)
                further = _by_pole(builder, dominators, rest.index)
                return (product * (rest if further is None else f.wrap(further))).index
    return None


def _base_of(nodes: list[Node], index: int) -> Op:
    """The row of a factor, or of what it is a power of."""
    node = nodes[index]
    return nodes[node.operands[0]].op if node.op is _POW else node.op


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
                    return (product_of(f, sides[0]) / product_of(f, sides[1])).index
    return None


def _has_series(nodes: list[Node], dominators: list[int], site: int) -> bool:
    return any(series_of(steps_of(nodes, c, inner)) for c, inner in regions_of(nodes, site, dominators))


def _without_common_factor(builder: GraphBuilder, index: int, known: _Known) -> int | None:
    """y*g(u) - y*h(u) as y*(g(u) - h(u)), if that has a series."""
    f, node, dominators = Functions(builder), builder.nodes[index], known.dominators
    if dominators[index] != -1:
        return None
    split = known.without_common(builder.nodes, node.operands)
    if split is not None:
        common, others = split
        rest = builder.add(node.op, tuple([other.built(f).index for other in others]))
        extend(dominators, builder.nodes)
        if _has_series(builder.nodes, dominators, rest):
            return (common.built(f) * f.wrap(rest)).index
    # tau*coth(x/tau) - tau**2/x has tau in common, and what is left is in x and tau still.
    functions = any(
        known.is_of_products[operand] and _is_of_functions(builder.nodes, dominators, operand)
        for operand in node.operands
    )
    return _by_ratio(builder, dominators, index, known) if functions else None


def _is_of_functions(nodes: list[Node], dominators: list[int], index: int) -> bool:
    """Whether a factor is a function of a product."""
    stack = [index]
    for _ in range(2 * MOST_FACTORS):
        if not stack:
            break
        node = stack.pop()
        if nodes[node].op in _PRODUCTS:
            stack += nodes[node].operands
        elif next(_arguments(nodes, dominators, node), None) is not None:
            return True
    return False


def _by_ratio(builder: GraphBuilder, dominators: list[int], index: int, known: _Known) -> int | None:
    """t - tau*g(t/tau) as tau*(u - g(u)) with u = t/tau, and coth(u) - tau/t as coth(u) - 1/u, if that has a series."""
    f, nodes, node = Functions(builder), builder.nodes, builder.nodes[index]
    parts = [known.number_and_powers(nodes, operand) for operand in node.operands]
    for place, other in ((0, 1), (1, 0)):
        (number, powers), (scale, alone) = parts[place], parts[other]
        for u in sorted({u for factor in powers for u in _arguments(nodes, dominators, factor)}):
            inner, own = known.number_and_powers(nodes, u)
            if len(own) < 2:
                continue
            through = {g: n for g, n in powers.items() if u in _arguments(nodes, dominators, g)}
            common = {base: n for base, n in powers.items() if base not in through}
            order = order_of(over(alone, common), own)
            if not order:
                continue
            power = f.pow(f.wrap(u), abs(order)) if abs(order) > 1 else f.wrap(u)
            size = f.const(scale / inner**order)
            pair = [raised(f, through, number), size * power if order > 0 else size / power]
            rest = builder.add(node.op, (pair[place].index, pair[other].index))
            within = between(nodes, rest, u)
            series = series_of(steps_of(nodes, u, within)) if within else None
            if series is not None and series.centre == 0:
                # Its first power goes to the factors: of q*(c*u + ...) with u = p/q the slope in q would cancel.
                first = next(k for k, c in enumerate(series.coefficients) if c) if series.singularity is None else 0
                factors = {base: common.get(base, 0) + first * own.get(base, 0) for base in {**common, **own}}
                factor = raised(f, factors, inner**first)
                series = replace(series, coefficients=series.coefficients[first:])
                return chosen(f.wrap(u), series, f.wrap(index), factor).index
    return None


def _parted(factors: list[int], dominators: list[int], node: int) -> tuple[list[int], list[int]]:
    """The factors that go through a node, and the others."""
    through = [factor for factor in factors if node in chain_of(dominators, factor)]
    return through, [factor for factor in factors if factor not in through]


def _by_product(builder: GraphBuilder, dominators: list[int], index: int) -> int | None:
    """g(u)*rest/d**j with u = d*w is w**j*rest*(g(u)/u**j), which has a series; beyond it stays as written.

    So does d/sinh(u), which is u/sinh(u)/w.
    """
    f, nodes = Functions(builder), builder.nodes
    whole = powers_of(nodes, index)
    for factor in whole:
        for u in _arguments(nodes, dominators, factor):
            own = powers_of(nodes, u)
            variables = [base for base in own if nodes[base].op is not CONST]
            divided = [-whole[base] // own[base] for base in variables if base in whole]
            orders = [*range(max(divided, default=0), 0, -1), *range(-1, min(divided, default=0) - 1, -1)]
            if not orders or len(variables) < 2 or _has_series(nodes, dominators, index):
                continue
            through = {other: power for other, power in whole.items() if u in _arguments(nodes, dominators, other)}
            found = _seriesover(f, raised(f, through), f.wrap(u), orders)
            if found is not None:
                order, series = found
                rest = {base: whole.get(base, 0) + order * own.get(base, 0) for base in {**whole, **own}}
                factors = raised(f, {base: power for base, power in rest.items() if base not in through})
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


def _seriesover(f: Functions, g: Value, u: Value, orders: list[int]) -> tuple[int, Series] | None:
    """The first of these powers of u, over which g(u) has a series at 0, and that series."""
    nodes = f.builder.nodes
    for order in orders:
        power = f.pow(u, abs(order)) if abs(order) > 1 else u
        quotient = g / power if order > 0 else g * power
        inner = between(nodes, quotient.index, u.index)
        series = series_of(steps_of(nodes, u.index, inner)) if inner else None
        if series is not None and series.centre == 0:
            return order, series
    return None


def _factors(nodes: list[Node], index: int) -> list[int]:
    found: list[int] = []
    stack = [index]
    while stack:
        node = stack.pop()
        if nodes[node].op is _MUL and len(found) + len(stack) < MOST_FACTORS:
            stack += nodes[node].operands[::-1]
        else:
            found.append(node)
    return found
