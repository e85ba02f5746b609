"""What an emitted function does before it computes: arguments cast, dimensions measured, shapes checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from symbackprop.errors import EmitError
from symbackprop.ir import Graph
from symbackprop.ir.signature import Argument, Signature
from symbackprop.lower.program import (
    Accumulate,
    Apply,
    Assign,
    Cast,
    Demand,
    Expr,
    Function,
    Literal,
    Measure,
    Receive,
    Ref,
    Require,
    Section,
    Statement,
)
from symbackprop.ops import REGISTRY
from symbackprop.ops.control import SCAN
from symbackprop.ops.extents import Extent, Quotient, dimensions, extent_text, is_nonnegative, solved, terms_of
from symbackprop.ops.indexing import SIZE
from symbackprop.ops.leaves import LENGTH

DOORS = (Cast, Measure, Require, Demand)
_ADD, _SUB, _MUL, _FLOORDIV = (REGISTRY[name] for name in ("int_add", "int_sub", "int_mul", "int_floordiv"))


def extent_expr(extent: Extent, names: dict[str, str]) -> Expr:
    """A length as integer arithmetic over the local names of dimensions."""
    if isinstance(extent, int):
        return Literal(extent)
    result: Expr | None = None
    for monomial, count in terms_of(extent).items():
        term: Expr | None = None if abs(count) == 1 and monomial else Literal(abs(count))
        for atom in monomial:
            factor = _atom(atom, names)
            term = factor if term is None else Apply(_MUL, (term, factor))
        assert term is not None
        if result is None:
            result = term if count > 0 else Apply(_MUL, (Literal(-1), term))
        else:
            result = Apply(_ADD if count > 0 else _SUB, (result, term))
    assert result is not None
    return result


def _atom(atom: str | Quotient, names: dict[str, str]) -> Expr:
    if isinstance(atom, str):
        return Ref(names[atom])
    return Apply(_FLOORDIV, (extent_expr(atom.of, names), Literal(atom.by)))


def dimensions_of(graph: Graph, arguments: Iterable[Argument]) -> list[str]:
    """The named dimensions that a program speaks of, in order of appearance."""
    found: dict[str, None] = {}
    for argument in arguments:
        for extent in argument.full_shape:
            found.update(dict.fromkeys(sorted(dimensions(extent))))
        if argument.dimension:
            found[argument.members[0]] = None
    graphs = [graph]
    while graphs:
        for node in graphs.pop().nodes:
            if node.op is SCAN:
                graphs.append(node.attributes[0].graph)
            extents = (node.attributes,) if node.op in (LENGTH, SIZE) else node.type.shape
            for extent in extents:
                if not isinstance(extent, int):
                    found.update(dict.fromkeys(sorted(dimensions(extent))))
    return list(found)


# From so many statements on, the functions of a module share one that receives their arguments.
_SHARED = 8
INPUTS = "_inputs"


def shared(functions: list[Function], lengths: list[str]) -> list[Function]:
    """The functions, where their arguments take long to check with a function before them that does so for all."""
    doors = [s for s in functions[0].body if isinstance(s, DOORS)]
    alike = all([s for s in function.body if isinstance(s, DOORS)] == doors for function in functions)
    if len(functions) < 2 or len(doors) < _SHARED or not alike:
        return functions
    parameters = functions[0].parameters
    bodies = [[s for s in function.body if not isinstance(s, DOORS)] for function in functions]
    used = set().union(*[names_in(body) for body in bodies])
    names = (*parameters, *[name for name in lengths if name in used])
    for function, body in zip(functions, bodies, strict=True):
        function.body[:] = [Receive(names, INPUTS, tuple(parameters)), *body]
    results: list[Expr] = [Ref(name) for name in names]
    return [Function(INPUTS, parameters, list(doors), results, bare_value=False), *functions]


def names_in(statements: Sequence[Statement]) -> set[str]:
    """All words in statements but those of comments, which local names are among."""
    found: set[str] = set()
    stack: list[object] = list(statements)
    while stack:
        item = stack.pop()
        if isinstance(item, Assign | Accumulate):
            stack += (item.target, item.value)
        elif isinstance(item, str):
            found.update((item,) if item.isidentifier() else re.findall(r"\w+", item))
        elif isinstance(item, tuple) and not isinstance(item, Section):
            stack.extend(item)
    return found


class Doors:
    """The statements, made from the arguments in order; `names` maps dimensions to local names."""

    def __init__(self, signature: Signature, arguments: tuple[Argument, ...], parameters: list[str]) -> None:
        self.signature = signature
        self.pairs = list(zip(arguments, parameters, strict=True))
        self.names: dict[str, str] = {}
        self.statements: list[Statement] = []

    def build(self, graph: Graph, allocate: Callable[[str], str]) -> list[Statement]:
        batched = any(argument.batched for argument, _ in self.pairs)
        for argument, name in self.pairs:
            if argument.dimension:
                self.names[argument.members[0]] = name
            shared = batched and argument.is_scalar
            length = len(argument.members) if argument.packed else None
            dtype = "int" if argument.dimension else argument.dtype
            self.statements.append(Cast(name, len(argument.full_shape), dtype, shared, length))
        needed = dimensions_of(graph, [argument for argument, _ in self.pairs])
        measured = self._measure(needed, allocate)
        for argument, name in self.pairs:
            self._require(argument, name, measured)
        self._demand(graph)
        return self.statements

    def _measure(self, needed: list[str], allocate: Callable[[str], str]) -> set[tuple[str, int]]:
        """Bind every dimension to the first axis that tells it; which axes these are."""
        measured: set[tuple[str, int]] = set()
        axes = [
            (name, axis, extent)
            for argument, name in self.pairs
            if not argument.packed
            for axis, extent in enumerate(argument.full_shape)
        ]
        # A list of no rows does not tell how long they are: first axes first.
        axes.sort(key=lambda item: item[1])
        progress = True
        while progress:
            progress = False
            for name, axis, extent in axes:
                found = solved(extent, self.names)
                if found is None:
                    continue
                dimension, factor, rest = found
                local = self.names[dimension] = allocate(dimension)
                self.statements.append(Measure(local, name, axis, extent_expr(rest, self.names), factor))
                if factor == 1 and rest == 0:
                    measured.add((name, axis))
                progress = True
        missing = [dimension for dimension in needed if dimension not in self.names]
        if missing:
            raise EmitError(f"no argument tells the length {missing[0]}; name it in args")
        return measured

    def _require(self, argument: Argument, name: str, measured: set[tuple[str, int]]) -> None:
        shape = argument.full_shape
        if argument.packed or all((name, axis) in measured for axis in range(len(shape))):
            return
        local = [extent_text(extent, self.names.__getitem__) for extent in shape]
        shown = f"({', '.join(local)}{',' * (len(local) == 1)})"
        self.statements.append(Require(name, tuple(extent_expr(extent, self.names) for extent in shape), shown))

    def _demand(self, graph: Graph) -> None:
        """Lengths that must not be negative, and those that a fixed index needs."""
        seen: dict[Extent, None] = {}
        for node in graph.nodes:
            for extent in node.type.shape:
                if not is_nonnegative(extent):
                    seen[extent] = None
        told = {extent for extent, least, _ in self.signature.at_least if least >= 0}
        for extent in [extent for extent in seen if extent not in told]:
            text = f"{extent_text(extent, self.names.__getitem__)} must not be negative"
            self.statements.append(Demand(extent_expr(extent, self.names), ">=", Literal(0), text))
        for extent, least, why in self.signature.at_least:
            if dimensions(extent) <= set(self.names):
                self.statements.append(Demand(extent_expr(extent, self.names), ">=", Literal(least), why))
