"""Arms that are taken at isolated points have the derivative of what surrounds them.

``Piecewise((1, Eq(x, 0)), (sin(x)/x, True))`` says what the value is where the formula has none; its derivative at 0 is
not that of the constant 1. So an arm under a condition that holds on a set of measure zero gives its value alone, and
the derivative is that of the other arm: by a Taylor polynomial where that is a quotient of zeros, and that of the arm's
own where it is not finite even so (x*log(x), exp(-1/x**2), 1/x); under Eq or Ne of several variables, where the
arm's own may well be another number than the limit, it is nan then. A condition on what is not differentiated, a label
or an index, is an ordinary one.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from typing import NamedTuple

from symbackprop.ad.distances import touches
from symbackprop.ad.limits import AGREED, Beside, as_number, samples
from symbackprop.ad.points import COMPARISONS, Conditions, Equation, Link, compared, not_below_zero, origin_of
from symbackprop.ad.quotients import Removable
from symbackprop.ad.reverse import vjp
from symbackprop.ir import Functions, Graph, GraphBuilder, Node, Type
from symbackprop.ops import REGISTRY
from symbackprop.ops.control import attached
from symbackprop.ops.finite import SMOOTH
from symbackprop.ops.leaves import CONST, INPUT

_SELECT, _AND, _OR, _NOT, _POW, _ADD, _SUB, _EQ, _NE = (
    REGISTRY[name] for name in ("select", "logical_and", "logical_or", "logical_not", "pow", "add", "sub", "eq", "ne")
)
_LARGEST = 100
"""Arms of more nodes than this are not searched for quotients of zeros."""


def with_surroundings(
    graph: Graph, wrt: Sequence[int], kinks: str, count: int | None = None
) -> tuple[Graph, list[int]]:
    """The graph with every arm of measure zero replaced, and where the nodes `wrt` are in it, of which the first
    `count` move (all, if that is not given). For what a user wrote: not for derivatives, whose conditions are none of
    these.
    """
    conditions = Conditions(graph, wrt[:count])
    if not any(node.op is _SELECT and conditions.any_thin(index) for index, node in enumerate(graph.nodes)):
        return graph, list(wrt)
    builder = GraphBuilder()
    surroundings = _Surroundings(builder, kinks)
    new: list[int] = []
    for index, node in enumerate(graph.nodes):
        operands = tuple([new[operand] for operand in node.operands])
        made = _choice(conditions, surroundings, index, new) if node.op is _SELECT else None
        new.append(builder.intern(node._replace(operands=operands)) if made is None else made)
    builder.carry_names(graph, new, [True] * len(new))
    return builder.graph([new[output] for output in graph.outputs]), [new[node] if node >= 0 else -1 for node in wrt]


def _choice(conditions: Conditions, surroundings: _Surroundings, index: int, new: Sequence[int]) -> int | None:
    """A choice with an arm at isolated points; None for one without."""
    add = surroundings.builder.add
    chain = conditions.chain(index)
    if chain:
        return _chain(surroundings, chain, new)
    condition = conditions.graph.nodes[index].operands[0]
    c, a, b = (new[operand] for operand in conditions.graph.nodes[index].operands)
    if conditions.thin[condition]:
        return surroundings.arm(c, a, b, _made(conditions.equation(condition), new))
    # Of f where p and x != c, a elsewhere: where p holds, a at a point.
    others, spared = conditions.split(condition)
    if not spared:
        return None
    outside = new[spared[0]]
    for each in spared[1:]:
        outside = add(_AND, (outside, new[each]))
    equation = _made(conditions.equation(spared[0]), new) if len(spared) == 1 else None
    result = surroundings.arm(add(_NOT, (outside,)), b, a, equation)
    for each in others:
        result = None if result is None else add(_SELECT, (new[each], result, b))
    return result


def _chain(surroundings: _Surroundings, chain: list[Link], new: Sequence[int]) -> int | None:
    """Arms by one variable, of which the earlier leave points to some: those without these, and these in front."""
    add = surroundings.builder.add
    wide = [link for link in chain if not link.thin]
    result = new[wide[-1].arm]
    for link in reversed(wide[:-1]):
        result = add(_SELECT, (new[link.condition], new[link.arm], result))
    before: list[int] = []
    for link in chain:
        parts = ([new[link.condition]] if link.condition >= 0 else []) + [add(_NOT, (c,)) for c in before]
        if link.thin:
            here = reduce(lambda one, other: add(_AND, (one, other)), parts)
            made = surroundings.arm(here, new[link.arm], result, _made(link.equation, new))
            if made is None:
                return None
            result = made
        before += parts[: link.condition >= 0]
    return result


def _made(equation: Equation | None, new: Sequence[int]) -> Equation | None:
    """An equation between the nodes that were made of those of the graph."""
    if equation is None:
        return None
    point = equation.point
    return Equation(new[equation.variable], new[point] if isinstance(point, int) else point)


class _Slopes(NamedTuple):
    """Nodes and derivatives in them, which a value at a point gets in the place of its own, or beside them."""

    known: list[tuple[int, int]]
    own: bool


class _Surroundings:
    """Builds arms with the derivatives of what surrounds them."""

    def __init__(self, builder: GraphBuilder, kinks: str) -> None:
        self.builder, self.kinks = builder, kinks
        self._core: dict[int, int] = {}
        """For a choice that was made here, the arm that holds almost everywhere."""

    def arm(self, c: int, a: int, b: int, equation: Equation | None) -> int | None:
        """``c ? a : b`` for a thin condition; None where nothing surrounds the arm."""
        b_core = self._core.get(b, b)
        if self.builder.nodes[b_core].attributes == "nan":
            return None
        add = self.builder.add
        if self._is_as_given(c, a, b_core):
            result = add(_SELECT, (c, a, b))
            self._core[result] = b_core
            return result
        region, frontier = self._region(b_core, self._sources(b_core, c))
        if all(self._is_smooth(self.builder.nodes[index]) for index in region):
            # Nothing is singular here: the derivative is that of the other arm everywhere.
            result = add(attached(1), (add(_SELECT, (c, a, b)), b_core, self.builder.const(1)))
        else:
            slopes = self._slopes(c, a, b_core, equation, region, frontier)
            operands = [index for pair in slopes.known for index in pair]
            if not slopes.own:
                a = add(attached(len(slopes.known), self._keeps_own(c)), (a, *operands))
            elif operands:
                a = add(_ADD, (a, add(attached(len(slopes.known), False), (self.builder.const(0), *operands))))
            result = add(_SELECT, (c, a, b))
        self._core[result] = b_core
        return result

    def _is_as_given(self, c: int, a: int, b: int) -> bool:
        """Whether the arm at the origin of a norm (r > 0) is a function that the other one touches there to second
        order: no formula of that one has its limit at hand as this has.
        """
        nodes = self.builder.nodes
        while nodes[c].op is _NOT:
            (c,) = nodes[c].operands
        parts = origin_of(nodes, c)
        difference = self.builder.add(_SUB, (b, a))
        return len(parts) > 1 and touches(Graph(nodes, ()), parts, difference)

    def _slopes(
        self, c: int, a: int, b: int, equation: Equation | None, region: list[int], frontier: list[int]
    ) -> _Slopes:
        """The derivatives of the other arm in the nodes that it is a function of, 0 where `c` does not hold."""
        nodes = self.builder.nodes
        local = GraphBuilder()
        names = {node: f"operand {node}" for node in frontier}
        inside = {node: local.input(name, Type(nodes[node].type.dtype, ())) for node, name in names.items()}
        for index in region:
            inside[index] = local.copy(nodes[index], tuple([inside[operand] for operand in nodes[index].operands]))
        root = inside[b]
        if self._is_parted(b, c, equation, names):
            return _Slopes([], own=True)
        if equation is not None and len(region) <= _LARGEST:
            found, is_kink = self._beside(local, inside, names, root, equation, a)
            if found is None:
                unknown = self.builder.add(_SELECT, (c, self.builder.const("nan"), self.builder.const(0)))
                return _Slopes([] if is_kink else [(equation.variable, unknown)], own=True)
            root = found
        gate = local.add(_SELECT, (local.input("here", Type("bool", ())), local.const(1), local.const(0)))
        moving = [node for node in names if nodes[node].type.dtype == "real"]
        bars = vjp(local.graph([root]), {root: gate}, [inside[node] for node in moving], local, self.kinks)
        outside = self._inlined(local.graph(bars), {name: node for node, name in names.items()} | {"here": c})
        zero = self.builder.const(0)
        return _Slopes([(node, slope) for node, slope in zip(moving, outside, strict=True) if slope != zero], own=False)

    def _is_parted(self, b: int, c: int, equation: Equation | None, names: dict[int, str]) -> bool:
        """Whether the other arm is two by the same condition, of which nothing tells whether they meet."""
        if equation is not None and equation.variable in names:
            return False
        compared_with = self._compared(c)
        node = self.builder.nodes[b]
        return node.op is _SELECT and bool(set(self._compared(node.operands[0])) & set(compared_with))

    def _is_smooth(self, node: Node) -> bool:
        if node.op is not _POW:
            return node.op in SMOOTH
        exponent = self.builder.nodes[node.operands[1]].attributes
        return isinstance(exponent, Fraction) and exponent.denominator == 1 and exponent > 0

    def _beside(
        self, local: GraphBuilder, inside: dict[int, int], names: dict[int, str], root: int, equation: Equation, a: int
    ) -> tuple[int | None, bool]:
        """The function around the point where the equation holds, differentiable there if it can be had so; None where
        it is not known, and whether that is because two formulas do not meet.
        """
        variable, point = equation
        unsampled = isinstance(point, int) and point not in names
        if variable not in names or unsampled or not_below_zero(self.builder.nodes, variable):
            return self._removed(local, inside, names, root, equation), False
        sample = samples([name for node, name in names.items() if self.builder.nodes[node].type.dtype == "real"])
        at = sample[names[point]] if isinstance(point, int) else as_number(point)
        around = Beside(local, inside[variable], sample, at)
        sides = (around.arm(root, 1), 1), (around.arm(root, -1), -1)
        (right, _), (left, _) = sides
        if right != left and not around.agree(right, left):
            return None, True
        removed = self._removed(local, inside, names, root if right == left else left, equation)
        if isinstance(point, int) or around.is_regular(removed):
            return removed, False
        for arm, side in sides:
            by_numbers = around.by_numbers(arm, side, point)
            if by_numbers is not None:
                return by_numbers, False
        slopes = [found[1] for arm, side in sides if (found := around.taylor(arm, side)) is not None]
        own = Graph(self.builder.nodes, ()).depending([variable])[a]
        return None if slopes and (own or max(map(abs, slopes)) > AGREED) else removed, False

    def _removed(
        self, local: GraphBuilder, inside: dict[int, int], names: dict[int, str], root: int, equation: Equation
    ) -> int:
        """The function without quotients of zeros where the equation holds."""
        nodes = self.builder.nodes
        left, right = equation.variable, self._node(equation.point)
        for variable, point in ((left, right), (right, left)):
            if variable not in names or Graph(nodes, ()).depending([variable])[point]:
                continue
            if point not in inside:
                names[point] = f"operand {point}"
                constant = nodes[point].op is CONST
                inside[point] = local.intern(nodes[point]) if constant else local.input(names[point])
                if constant:
                    del names[point]
            return Removable(Functions(local), inside[variable], inside[point])(root)
        return root

    def _node(self, point: int | Fraction) -> int:
        return point if isinstance(point, int) else self.builder.const(point)

    def _sources(self, b: int, c: int) -> list[int]:
        """What the condition compares, if the arm depends on it, or else the inputs of that."""
        found = self._compared(c)
        needed = Graph(self.builder.nodes, ()).reaching([b])
        leaves = self._leaves(c)
        norm = any(not_below_zero(self.builder.nodes, node) for node in found)
        if norm and self._passes_by(b, found, leaves):
            return leaves
        return found if any(needed[node] for node in found) else leaves

    def _passes_by(self, b: int, compared_with: list[int], leaves: list[int]) -> bool:
        """Whether an arm depends on inputs of a condition otherwise than through what is compared."""
        nodes = self.builder.nodes
        depends = Graph(nodes, ()).depending(leaves)
        stack, seen = [b], {b, *compared_with}
        while stack:
            index = stack.pop()
            if index in leaves:
                return True
            new = [operand for operand in nodes[index].operands if depends[operand] and operand not in seen]
            seen.update(new)
            stack += new
        return False

    def _compared(self, c: int) -> list[int]:
        """The nodes that a condition compares."""
        nodes = self.builder.nodes
        found, stack = [], [c]
        while stack:
            index = stack.pop()
            known = compared(nodes, index, {}) if nodes[index].op in COMPARISONS else None
            found += known.variables(nodes) if known is not None else []
            stack.extend(operand for operand in nodes[index].operands if nodes[operand].type.dtype == "bool")
        return found

    def _keeps_own(self, c: int) -> bool:
        """Whether the arm's own derivative answers where that of its surroundings is not finite."""
        # r > 0 stands before r**2*log(r), whose slope at 0 is that of the arm; Eq and Ne promise nan there.
        nodes = self.builder.nodes
        inside = Graph(nodes, ()).reaching([c])
        named = any(inside[index] and nodes[index].op in (_EQ, _NE) for index in range(c + 1))
        return not named or len(self._leaves(c)) == 1

    def _leaves(self, c: int) -> list[int]:
        """The inputs that a condition depends on."""
        nodes = self.builder.nodes
        needed = Graph(nodes, ()).reaching([c])
        return [index for index, reached in enumerate(needed) if reached and nodes[index].op is INPUT]

    def _region(self, b: int, sources: list[int]) -> tuple[list[int], list[int]]:
        """The elementwise nodes between the sources and the arm, in order, and what they read besides each other."""
        nodes = self.builder.nodes
        depends = Graph(nodes, ()).depending(sources)
        shape = nodes[b].type.shape
        region: set[int] = set()
        frontier: dict[int, None] = {}
        stack = [b]
        while stack:
            index = stack.pop()
            if index in region or index in frontier:
                continue
            node = nodes[index]
            between = depends[index] and index not in sources and node.op.elementwise and node.type.shape in ((), shape)
            if (between and node.operands) or node.op is CONST:
                region.add(index)
                stack.extend(node.operands)
            else:
                frontier[index] = None
        return sorted(region), sorted(frontier)

    def _inlined(self, graph: Graph, places: dict[str, int]) -> list[int]:
        needed = graph.reaching()
        new = [-1] * len(graph.nodes)
        for index, node in enumerate(graph.nodes):
            if needed[index]:
                operands = tuple([new[operand] for operand in node.operands])
                new[index] = places[node.attributes] if node.op is INPUT else self.builder.copy(node, operands)
        return [new[output] for output in graph.outputs]
