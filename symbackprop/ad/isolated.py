"""Arms that are taken at isolated points have the derivative of what surrounds them.

``Piecewise((1, Eq(x, 0)), (sin(x)/x, True))`` says what the value is where the formula has none; its derivative at 0 is
not that of the constant 1. So an arm under a condition that holds on a set of measure zero gives its value alone, and
the derivative is that of the other arm: by a Taylor polynomial where that is a quotient of zeros, and that of the arm's
own where it is not finite even so (x*log(x), exp(-1/x**2), 1/x); under a condition on several variables, where the
arm's own may well be another number than the limit, it is nan then. A condition on what is not differentiated, a label
or an index, is an ordinary one.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from symbackprop.ad.quotients import Removable
from symbackprop.ad.reverse import vjp
from symbackprop.ir import Functions, Graph, GraphBuilder, Node, Type
from symbackprop.ops import REGISTRY
from symbackprop.ops.control import attached
from symbackprop.ops.finite import SMOOTH
from symbackprop.ops.leaves import CONST, INPUT

_SELECT, _EQ, _NE, _AND, _OR, _NOT, _ADD, _SUB, _ABS, _POW = (
    REGISTRY[name]
    for name in ("select", "eq", "ne", "logical_and", "logical_or", "logical_not", "add", "sub", "abs", "pow")
)
# Rows that are constant somewhere, or whose derivative is: an equation between such may hold on more than a boundary.
_FLAT = frozenset(
    REGISTRY[name]
    for name in (
        *("select", "maximum", "minimum", "reduce_max", "reduce_min"),
        *("floor", "ceiling", "sign", "frac", "mod", "heaviside", "abs"),
    )
)
_STEPS = frozenset(REGISTRY[name] for name in ("floor", "ceiling", "sign", "to_real"))
_LARGEST = 100
"""Arms of more nodes than this are not searched for quotients of zeros."""


def with_surroundings(
    graph: Graph, wrt: Sequence[int], kinks: str, count: int | None = None
) -> tuple[Graph, list[int]]:
    """The graph with every arm of measure zero replaced, and where the nodes `wrt` are in it, of which the first
    `count` move (all, if that is not given). For what a user wrote: not for derivatives, whose conditions are none of
    these.
    """
    conditions = _Conditions(graph, wrt[:count])
    if not any(node.op is _SELECT and conditions.any_thin(node.operands[0]) for node in graph.nodes):
        return graph, list(wrt)
    builder = GraphBuilder()
    surroundings = _Surroundings(builder, kinks)
    new: list[int] = []
    for node in graph.nodes:
        operands = tuple([new[operand] for operand in node.operands])
        made = _choice(conditions, surroundings, node, new) if node.op is _SELECT else None
        new.append(builder.intern(node._replace(operands=operands)) if made is None else made)
    builder.carry_names(graph, new, [True] * len(new))
    return builder.graph([new[output] for output in graph.outputs]), [new[node] if node >= 0 else -1 for node in wrt]


def _choice(conditions: _Conditions, surroundings: _Surroundings, node: Node, new: Sequence[int]) -> int | None:
    """A choice with an arm at isolated points; None for one without."""
    add = surroundings.builder.add
    condition = node.operands[0]
    c, a, b = (new[operand] for operand in node.operands)
    if conditions.thin[condition]:
        return surroundings.arm(c, a, b, conditions.equation(condition, new))
    # Of f where p and x != c, a elsewhere: where p holds, a at a point.
    others, spared = conditions.split(condition)
    if not spared:
        return None
    outside = new[spared[0]]
    for each in spared[1:]:
        outside = add(_AND, (outside, new[each]))
    equation = conditions.equation(spared[0], new) if len(spared) == 1 else None
    result = surroundings.arm(add(_NOT, (outside,)), b, a, equation)
    for each in others:
        result = None if result is None else add(_SELECT, (new[each], result, b))
    return result


class _Equation(NamedTuple):
    variable: int
    point: int


class _Conditions:
    """Which conditions hold on a set of measure zero only (thin), and which everywhere but there (thick)."""

    def __init__(self, graph: Graph, wrt: Sequence[int]) -> None:
        self.graph = graph
        moving, smooth = _moving(graph, wrt), _smooth(graph)
        self.thin, self.thick = [False] * len(graph.nodes), [False] * len(graph.nodes)
        for index, node in enumerate(graph.nodes):
            if node.type.dtype != "bool" or not node.operands:
                continue
            thin, thick = [[kind[o] for o in node.operands] for kind in (self.thin, self.thick)]
            if node.op is _EQ or node.op is _NE:
                sides = [self._inside(operand) for operand in node.operands]
                isolated = all(smooth[side] for side in sides) and any(moving[side] for side in sides)
                (self.thin if node.op is _EQ else self.thick)[index] = isolated
            elif node.op is _NOT:
                self.thin[index], self.thick[index] = thick[0], thin[0]
            elif node.op is _AND:
                self.thin[index], self.thick[index] = any(thin), all(thick)
            elif node.op is _OR:
                self.thin[index], self.thick[index] = all(thin), any(thick)

    def any_thin(self, condition: int) -> bool:
        return self.thin[condition] or bool(self.split(condition)[1])

    def _inside(self, side: int) -> int:
        # |x| = c holds where x = c or x = -c.
        node = self.graph.nodes[side]
        return node.operands[0] if node.op is _ABS else side

    def split(self, condition: int) -> tuple[list[int], list[int]]:
        """The parts of a conjunction that are not thick, and those that are."""
        parts, stack = [], [condition]
        while stack:
            index = stack.pop()
            if self.graph.nodes[index].op is _AND:
                stack.extend(self.graph.nodes[index].operands)
            else:
                parts.append(index)
        return [p for p in parts if not self.thick[p]], [p for p in parts if self.thick[p]]

    def equation(self, condition: int, new: Sequence[int]) -> _Equation | None:
        """The one equation that a condition is, or the negation of."""
        node = self.graph.nodes[condition]
        if node.op is _NOT:
            return self.equation(node.operands[0], new)
        return _Equation(new[node.operands[0]], new[node.operands[1]]) if node.op in (_EQ, _NE) else None


def _moving(graph: Graph, wrt: Sequence[int]) -> list[bool]:
    """Whether a node changes with those, other than in steps."""
    moving = [False] * len(graph.nodes)
    sources = set(wrt)
    for index, node in enumerate(graph.nodes):
        moves = node.type.dtype == "real" and node.op not in _STEPS
        moving[index] = index in sources or (moves and any(moving[operand] for operand in node.operands))
    return moving


def _smooth(graph: Graph) -> list[bool]:
    smooth: list[bool] = []
    for node in graph.nodes:
        smooth.append(node.op not in _FLAT and all(smooth[operand] for operand in node.operands))
    return smooth


class _Surroundings:
    """Builds arms with the derivatives of what surrounds them."""

    def __init__(self, builder: GraphBuilder, kinks: str) -> None:
        self.builder, self.kinks = builder, kinks
        self._core: dict[int, int] = {}
        """For a choice that was made here, the arm that holds almost everywhere."""

    def arm(self, c: int, a: int, b: int, equation: _Equation | None) -> int | None:
        """``c ? a : b`` for a thin condition; None where nothing surrounds the arm."""
        b_core = self._core.get(b, b)
        if self.builder.nodes[b_core].attributes == "nan":
            return None
        add = self.builder.add
        region, frontier = self._region(b_core, self._sources(b_core, c))
        if all(self._is_smooth(self.builder.nodes[index]) for index in region):
            # Nothing is singular here: the derivative is that of the other arm everywhere.
            result = add(attached(1), (add(_SELECT, (c, a, b)), b_core, self.builder.const(1)))
        else:
            slopes = self._slopes(c, b_core, equation, region, frontier)
            row = attached(len(slopes), len(self._leaves(c)) == 1)
            value = add(row, (a, *[index for pair in slopes for index in pair]))
            result = add(_SELECT, (c, value, b))
        self._core[result] = b_core
        return result

    def _slopes(
        self, c: int, b: int, equation: _Equation | None, region: list[int], frontier: list[int]
    ) -> list[tuple[int, int]]:
        """Nodes that the other arm is a function of, and its derivatives in these, 0 where `c` does not hold."""
        nodes = self.builder.nodes
        local = GraphBuilder()
        names = {node: f"operand {node}" for node in frontier}
        inside = {node: local.input(name, Type(nodes[node].type.dtype, ())) for node, name in names.items()}
        for index in region:
            inside[index] = local.copy(nodes[index], tuple([inside[operand] for operand in nodes[index].operands]))
        root = inside[b]
        if equation is not None and len(region) <= _LARGEST:
            root = self._removed(local, inside, names, root, equation)
        gate = local.add(_SELECT, (local.input("here", Type("bool", ())), local.const(1), local.const(0)))
        moving = [node for node in names if nodes[node].type.dtype == "real"]
        bars = vjp(local.graph([root]), {root: gate}, [inside[node] for node in moving], local, self.kinks)
        outside = self._inlined(local.graph(bars), {name: node for node, name in names.items()} | {"here": c})
        zero = self.builder.const(0)
        return [(node, slope) for node, slope in zip(moving, outside, strict=True) if slope != zero]

    def _is_smooth(self, node: Node) -> bool:
        if node.op is not _POW:
            return node.op in SMOOTH
        exponent = self.builder.nodes[node.operands[1]].attributes
        return isinstance(exponent, Fraction) and exponent.denominator == 1 and exponent > 0

    def _removed(
        self, local: GraphBuilder, inside: dict[int, int], names: dict[int, str], root: int, equation: _Equation
    ) -> int:
        """The function without quotients of zeros where the equation holds."""
        nodes = self.builder.nodes
        left, right = self._sides(*equation)
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

    def _sources(self, b: int, c: int) -> list[int]:
        """What the condition compares, if the arm depends on it, or else the inputs of that."""
        nodes = self.builder.nodes
        compared, stack = [], [c]
        while stack:
            node = nodes[stack.pop()]
            if node.op is _EQ or node.op is _NE:
                compared += [side for side in self._sides(*node.operands) if nodes[side].op is not CONST]
            else:
                stack.extend(operand for operand in node.operands if nodes[operand].type.dtype == "bool")
        needed = Graph(nodes, ()).reaching([b])
        if any(needed[node] for node in compared):
            return compared
        return self._leaves(c)

    def _leaves(self, c: int) -> list[int]:
        """The inputs that a condition depends on."""
        nodes = self.builder.nodes
        needed = Graph(nodes, ()).reaching([c])
        return [index for index, reached in enumerate(needed) if reached and nodes[index].op is INPUT]

    def _sides(self, x: int, y: int) -> tuple[int, int]:
        """The sides of an equation, with what is added to the left one brought to the right: x - y = 0 is x = y."""
        f = Functions(self.builder)
        while self.builder.nodes[y].op is CONST and isinstance(self.builder.nodes[y].attributes, Fraction):
            node = self.builder.nodes[x]
            number = self.builder.nodes[y].attributes
            last = self.builder.nodes[node.operands[1]] if node.op in (_ADD, _SUB) else node
            if node.op is _SUB and number == 0:
                return node.operands[0], node.operands[1]
            if node.op not in (_ADD, _SUB) or last.op is not CONST or not isinstance(last.attributes, Fraction):
                break
            x, y = node.operands[0], f.const(number + (last.attributes if node.op is _SUB else -last.attributes)).index
        return x, y

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
