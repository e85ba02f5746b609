"""A series beside what cancels: removable singularities, and sums that vanish faster than their terms.

Such an expression depends on the rest of the graph through one other node u alone. Near the point where it cancels it
is its Taylor polynomial (`passes.series`), elsewhere what the user wrote. The derivatives of a polynomial cancel
nowhere, so that this serves all orders: (1 - cos(x))/x**2 at 1e-5 loses six digits as written, its derivative all.
"""

from __future__ import annotations

from fractions import Fraction

from symbackprop.ir import Graph
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import CONST, INPUT
from symbackprop.passes.dominators import dominators_of
from symbackprop.passes.guard import written
from symbackprop.passes.limits import Step
from symbackprop.passes.regions import regions_of, steps_of
from symbackprop.passes.regroup import regrouped
from symbackprop.passes.rewrite import sweep
from symbackprop.passes.series import Series, chosen, near, others_of, series_of
from symbackprop.passes.simplify import simplifier, simplify

_SELECT, _NOT, _POW, _POLYNOMIAL, _SQRT, _MUL, _DIV = (
    REGISTRY[name] for name in ("select", "logical_not", "pow", "polynomial", "sqrt", "mul", "div")
)
_SUMS_AND_PRODUCTS = frozenset({CONST, INPUT, *(REGISTRY[name] for name in ("add", "sub", "mul", "neg"))})
_SITES = frozenset(REGISTRY[name] for name in ("add", "sub", "mul", "div", "pow1p", "contrast", "log"))


def removable(graph: Graph, values: int = 0) -> Graph:
    """Put a series beside every site that needs one, from the outermost inwards.

    The first `values` outputs of a gradient have been through this, and stay what they are.
    """
    if _is_polynomial(graph):
        return graph
    given, graph = graph, regrouped(graph, values)
    done = written(graph, values) if values else [False] * len(graph.nodes)
    found: dict[int, tuple[int, tuple[Series, ...]]] = {}
    inside: set[int] = set()
    # The points of the series that nodes are inside of, where these are not 0: what cancels at 0 needs its own.
    elsewhere: dict[int, set[Fraction | None]] = {}
    users = _users(graph)
    direct = _served(graph, users)
    dominators = dominators_of(graph.nodes)
    for site in range(len(graph.nodes) - 1, -1, -1):
        # What only the direct arm of a series reads is computed where it does not cancel.
        if site not in users or site in direct:
            continue
        is_inner = site in inside and users[site] <= inside | set(found)
        if is_inner and not elsewhere.get(site):
            continue
        if not is_inner:
            inside.discard(site)
        is_root = graph.nodes[site].op is _SQRT
        if not (is_root or graph.nodes[site].op in _SITES) or done[site]:
            continue
        # Of a root it is what stands under it.
        looked_at = graph.nodes[site].operands[0] if is_root else site
        for argument, inner in regions_of(graph.nodes, looked_at, dominators):
            steps = steps_of(graph.nodes, argument, inner)
            series = _under_root(steps) if is_root else series_of(steps, values > 0)
            if is_inner and series is not None and series.centre in elsewhere[site]:
                break
            if series is not None:
                found[site] = argument, (series, *others_of(steps, series))
                inside.update(inner)
                if series.centre:
                    elsewhere |= {index: {one.centre for one in found[site][1]} for index in inner}
                break
    if found:
        return _with_series(graph, found)
    return graph if graph is given else simplify(graph)


def _under_root(steps: tuple[Step, ...]) -> Series | None:
    """The series of f(u)/u**2, where f vanishes like a square: sqrt(f(u)) is |u| times its root, whose slopes cancel
    nowhere. Those of acos(sin(u)/u) = 2*asin(sqrt(f(u))) had no digits of the second order near 0.
    """
    end = len(steps)
    series = series_of((*steps, (_MUL, None, -1, -1), (_DIV, None, end - 1, end)))
    return series if series is not None and series.centre == 0 and series.coefficients[0] > 0 else None


def _is_polynomial(graph: Graph) -> bool:
    """Whether nothing is divided and no function taken: such a graph has no series but itself."""
    return all(
        node.op in _SUMS_AND_PRODUCTS or (node.op is _POW and _is_whole(graph.nodes[node.operands[1]].attributes))
        for node in graph.nodes
    )


def _is_whole(exponent: object) -> bool:
    return type(exponent) is Fraction and exponent.denominator == 1 and exponent > 0


def _users(graph: Graph) -> dict[int, set[int]]:
    """For each node that an output needs, the nodes that read it."""
    users: dict[int, set[int]] = {output: {-1} for output in graph.outputs}
    for index in range(len(graph.nodes) - 1, -1, -1):
        if index in users:
            for operand in graph.nodes[index].operands:
                users.setdefault(operand, set()).add(index)
    return users


def _served(graph: Graph, users: dict[int, set[int]]) -> set[int]:
    """What only the direct arms of series read, of values and of their derivatives: there nothing cancels.

    A derivative of a series has the series' own condition as its gate.
    """
    nodes = graph.nodes
    near = {
        node.operands[0] for node in nodes if node.op is _SELECT and nodes[node.operands[1]].op.name == "polynomial"
    }
    served: set[int] = set()

    def is_direct(user: int, index: int) -> bool:
        if user in served:
            return True
        if user < 0 or nodes[user].op is not _SELECT:
            return False
        c, *arms = nodes[user].operands
        if nodes[c].op is _NOT:
            c, arms = nodes[c].operands[0], arms[::-1]
        return c in near and index == arms[1] and index not in (c, arms[0])

    for index in range(len(nodes) - 1, -1, -1) if near else ():
        if index in users and all(is_direct(user, index) for user in users[index]):
            served.add(index)
    return served


def _with_series(graph: Graph, found: dict[int, tuple[int, tuple[Series, ...]]]) -> Graph:
    """The graph with a choice between series and direct form at every site, simplified on the way."""
    r = simplifier()

    def beside(index: int, made: int, new: list[int]) -> int:
        if index not in found:
            return made
        argument, (series, *others) = found[index]
        first, u = len(r.nodes), r.f.wrap(new[argument])
        if graph.nodes[index].op is _SQRT:
            polynomial, is_near = near(u, series)
            both = r.f.select(is_near, r.f.abs(u) * r.f.sqrt(polynomial), r.f.wrap(made)).index
        else:
            both = chosen(u, series, r.f.wrap(made)).index
            for other in others:
                both = chosen(u, other, r.f.wrap(both)).index
        if graph.origins:
            polynomials = [node for node in range(first, len(r.nodes)) if r.nodes[node].op is _POLYNOMIAL]
            r.applied |= {node: ["its Taylor polynomial, where it cancels"] for node in polynomials}
        return both

    return sweep(graph, r, after=beside)
