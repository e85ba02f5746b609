"""SymPy scalar expressions to a graph: one loop over the distinct objects, never a recursion.

The loop visits operands before users. Sums and products stay n-ary here; `sharing` splits them into binary nodes and
recovers what SymPy's flattening hid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sympy as sp

from symbackprop.errors import NameClash, UnboundSymbol, UnsupportedExpression
from symbackprop.frontend import (
    arrays,
    determinants,
    indexed,
    matrix,
    matrix_parts,
    reductions,
    registered,
    special,
    stepping,
    unevaluated,
)
from symbackprop.frontend.atoms import exact_number, refusal
from symbackprop.frontend.extents import extent_of
from symbackprop.frontend.functions import rows_by_class
from symbackprop.frontend.problems import Problems, short
from symbackprop.frontend.shapes import scalar_operands, unknown
from symbackprop.frontend.sharing import share
from symbackprop.ir import Functions, Graph, GraphBuilder, Type, Value
from symbackprop.ir.node import REAL
from symbackprop.ir.origin import Origin
from symbackprop.ops import REGISTRY, DType, Op
from symbackprop.ops.extents import Extent, Shape
from symbackprop.ops.nonsmooth import extreme_of

_SUM_OF, _PRODUCT_OF = REGISTRY["sum_of"], REGISTRY["product_of"]

Build = Callable[["Translator", Any, tuple[int, ...]], int]


class Translator:
    """Appends expressions to a builder; symbols become inputs under the identifiers that `identifier` gives."""

    def __init__(self, identifier: Callable[[Any], str], recording: bool = False) -> None:
        """`recording` gives every node the expression that it came from as its origin."""
        self.recording = recording
        self.builder = GraphBuilder()
        self.f = Functions(self.builder)
        self.problems = Problems()
        self._identifier = identifier
        self.done: dict[int, int] = {}
        """The nodes of the objects that were met outside all sums, by id."""
        self._bound: dict[Any, int] = {}
        self._parent: dict[int, tuple[Any, int]] = {}
        self._rewritten: dict[int, Sequence[Any]] = {}
        self._alive: list[Any] = []
        self.symbols: dict[Any, Type] = {}
        """The inputs that were met: Symbols, MatrixSymbols, IndexedBases, ArraySymbols, with their types."""
        self.dimensions: dict[Any, str] = {}
        """The symbols that lengths are made of, with their identifiers."""
        self.at_least: list[tuple[Extent, int, str]] = []
        """What a call must provide: a length, the least that it may be, and what goes wrong otherwise."""
        self.postponed: set[Any] = set()
        """Let-bound symbols whose meaning depends on where they stand, since it holds bound indices."""
        self.indices = indexed.Indices(self)
        self.scans: dict[Any, Any] = {}
        """Scans that were stepped already."""

    def dimension(self, symbol: Any) -> str:
        """The identifier of a symbol that stands in a length."""
        return self.dimensions.setdefault(symbol, self._identifier(symbol))

    def extent(self, expr: Any) -> Extent:
        """A length that SymPy gives, as an extent."""
        return extent_of(expr, self.dimension)

    def array(self, symbol: Any, shape: Shape, dtype: DType = "real") -> int:
        """The input that a matrix, an indexed base or an array symbol stands for, or what it is bound to."""
        if symbol in self._bound:
            return self._bound[symbol]
        type_ = self.symbols.setdefault(symbol, Type(dtype, shape))
        return self.builder.input(self._identifier(symbol), type_)

    def bind(self, symbol: Any, expr: Any) -> None:
        """Let `symbol` stand for `expr` in what follows, as `sympy.cse` means it.

        Raises NameClash for a symbol that is bound already, UnboundSymbol for one that was used before.
        """
        if symbol in self._bound:
            raise NameClash(f"{symbol} is bound twice in the let-bound part; give the second one a name of its own")
        self.indices.prepare((), [(symbol, expr)])
        index = -1 if symbol in self.postponed else self.translate(expr)
        if symbol in self.symbols:
            raise UnboundSymbol(f"{symbol} is used before it is bound, or by its own definition; put its binding first")
        if index < 0:
            return
        self._bound[symbol] = index
        self.builder.label(index, symbol.name)

    def translate(self, root: Any) -> int:
        """The node of an expression. Problems are collected; a place that has one becomes nan."""
        done = self.done
        self._alive.append(root)
        self.indices.prepare([root])
        stack = [root]
        while stack:
            expr = stack[-1]
            if id(expr) in done:
                stack.pop()
                continue
            operands = self.operands(expr)
            pending = [operand for operand in operands if id(operand) not in done]
            if pending:
                self.note_parents(expr, operands)
                stack.extend(reversed(pending))
                continue
            stack.pop()
            nodes = tuple([done[id(operand)] for operand in operands])
            done[id(expr)] = self.build(expr, operands, nodes)
            if self.recording:
                self.originate(expr, done[id(expr)])
        return done[id(root)]

    def originate(self, expr: Any, index: int) -> None:
        """Record that a node is this expression."""
        self.builder.origins.setdefault(index, Origin((expr,), (), self.builder.nodes[index].op.name))

    def translate_with(self, bindings: dict[Any, int], body: Any) -> int:
        """The node of `body` with variables of its own bound to nodes, as a Lambda is applied."""
        outer = self.done, self._bound, self.indices.done
        self.done, self._bound, self.indices.done = {}, {**self._bound, **bindings}, {}
        try:
            return self.translate(body)
        finally:
            self.done, self._bound, self.indices.done = outer

    def within(self) -> tuple[Translator, Callable[[str, Type], int]]:
        """A translator for a graph inside this one, and what gives the node here for an input there."""
        inner = Translator(self._identifier, self.recording)
        inner.problems, inner.symbols, inner.dimensions = self.problems, self.symbols, self.dimensions
        inner.at_least, inner.postponed, inner._alive = self.at_least, self.postponed, self._alive
        inner.indices.survey, inner.indices.bases = self.indices.survey, self.indices.bases
        outside = {f"let {k}": index for k, index in enumerate(self._bound.values())}
        for (symbol, index), name in zip(self._bound.items(), outside, strict=True):
            inner._bound[symbol] = inner.builder.input(name, self.builder.nodes[index].type)
        return inner, lambda name, type_: outside[name] if name in outside else self.builder.input(name, type_)

    def is_integer(self, symbol: Any) -> bool:
        """Whether a symbol stands for an integer that is no length: the number of a step."""
        return symbol in self._bound and self.builder.nodes[self._bound[symbol]].type.dtype == "int"

    def stand_for(self, meanings: dict[Any, int]) -> None:
        """Let symbols stand for nodes."""
        self._bound.update(meanings)

    def shared_graph(self, roots: Sequence[int]) -> Graph:
        """What was translated, with binary sums and products."""
        return share(self.builder.graph(roots))

    def operands(self, expr: Any) -> Sequence[Any]:
        rewrite = _REWRITE.get(type(expr))
        if rewrite is None:
            return () if getattr(expr, "is_Atom", False) or isinstance(expr, sp.MatrixExpr) else expr.args
        # Asked again after they were visited, an expression must name the same objects.
        known = self._rewritten.get(id(expr))
        if known is None:
            known = self._rewritten[id(expr)] = rewrite(expr)
            self._alive.append((expr, known))
        return known

    def build(self, expr: Any, operands: Sequence[Any], nodes: tuple[int, ...]) -> int:
        try:
            if type(expr) not in _TAKES_ARRAYS:
                nodes = scalar_operands(self, expr, operands, nodes)
            return self.assemble(expr, nodes)
        except UnsupportedExpression as error:
            return self.refused(expr, error)

    def assemble(self, expr: Any, nodes: tuple[int, ...]) -> int:
        """The node of an object over those of its operands. Raises UnsupportedExpression."""
        build = _BUILD.get(type(expr)) or next((_BUILD[base] for base in type(expr).__mro__ if base in _BUILD), None)
        if build is not None:
            return build(self, expr, nodes)
        row = rows_by_class().get(type(expr))
        if row is not None:
            return self.apply(row, nodes)
        return registered.build(self, expr, nodes)

    def refused(self, expr: Any, error: UnsupportedExpression) -> int:
        """Take note of a problem; nan stands in its place until all are reported."""
        self.problems.add(str(error), self.path(expr), type(error))
        return unknown(self, expr)

    def note_parents(self, expr: Any, operands: Sequence[Any]) -> None:
        """Remember where operands were met first, for `path`."""
        for position, operand in enumerate(operands):
            self._parent.setdefault(id(operand), (expr, position))

    def require(self, extent: Extent, minimum: int, otherwise: str) -> None:
        """A fact about lengths that is checked at the call."""
        if all((extent, minimum) != known[:2] for known in self.at_least):
            self.at_least.append((extent, minimum, otherwise))

    def apply(self, row: Op, operands: tuple[int, ...]) -> int:
        """A row over nodes, its operands' kinds checked in words that a user understands."""
        if row.arity is not None and len(operands) != row.arity:
            raise UnsupportedExpression(
                f"{row.name} takes {row.arity} argument{'s' * (row.arity != 1)}, not {len(operands)}"
            )
        for position, operand in enumerate(operands):
            dtype = self.builder.nodes[operand].type.dtype
            if dtype != row.operand_dtype(position):
                if dtype == "bool":
                    raise UnsupportedExpression(
                        f"a condition is used as a number in {row.name}; write Piecewise((1, condition), (0, True))"
                    )
                raise UnsupportedExpression(f"a number is used as a condition in {row.name}; compare it with something")
        return self.builder.add(row, operands)

    def values(self, operands: Sequence[int]) -> list[Value]:
        return [self.f.wrap(operand) for operand in operands]

    def symbol(self, symbol: Any) -> int:
        if symbol in self._bound:
            bound = self.f.wrap(self._bound[symbol])
            is_integer = self.builder.nodes[bound.index].type.dtype == "int"
            return self.f.to_real(bound).index if is_integer else bound.index
        reason = refusal(symbol)
        if reason:
            raise UnsupportedExpression(f"the symbol {symbol.name!r} {reason}")
        if symbol in self.postponed:
            return self.indices.translate(symbol)
        if symbol in self.dimensions:
            return self.builder.length(self.dimensions[symbol])
        if symbol in self.indices.bases.integers:
            return self.f.to_real(self.f.wrap(self.array(symbol, (), "int"))).index
        self.symbols.setdefault(symbol, REAL)
        return self.builder.input(self._identifier(symbol))

    def path(self, expr: Any) -> str:
        """Where an expression stands, as Python would reach it: ``expr.args[0].args[2]``."""
        steps: list[str] = []
        where = id(expr)
        while where in self._parent and len(steps) < 12:
            parent, position = self._parent[where]
            steps.append(f".args[{position}]")
            where = id(parent)
        return ("..." if where in self._parent else "expr") + "".join(reversed(steps)) + f": {short(expr)}"


def _number(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    number = exact_number(expr)
    if number is None:
        hint = " (a division by zero?)" if expr is sp.zoo else ""
        raise UnsupportedExpression(f"{short(expr)} is not a real number{hint}")
    return t.builder.const(number)


def _power(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    return t.apply(REGISTRY["pow"], operands)


def _fold_left(name: str) -> Build:
    def build(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
        result = operands[0]
        for operand in operands[1:]:
            result = t.apply(REGISTRY[name], (result, operand))
        return result

    return build


def _extreme(name: str) -> Build:
    def build(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
        # Constants last: Max(x, 0) reads maximum(x, 0).
        numbers = [bool(argument.is_number) for argument in expr.args]
        constant = [operand for operand, number in zip(operands, numbers, strict=True) if number]
        active = [operand for operand, number in zip(operands, numbers, strict=True) if not number]
        row = REGISTRY[name]
        several = len(active) > 2
        result = t.apply(extreme_of(name, len(active)), tuple(active)) if several else (active or constant)[0]
        for operand in [*([] if several else active[1:]), *(constant if active else constant[1:])]:
            result = t.apply(row, (result, operand))
        return result

    return build


def _piecewise(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    """The first arm whose condition holds; nan where none does."""
    result = t.builder.const("nan")
    for arm, condition in reversed(list(zip(operands[::2], operands[1::2], strict=True))):
        result = t.apply(REGISTRY["select"], (condition, arm, result))
    return result


def _ite(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    condition, then, otherwise = operands
    for operand in operands:
        if t.builder.nodes[operand].type.dtype != "bool":
            raise UnsupportedExpression("ITE chooses between conditions; for numbers write Piecewise")
    f = t.f
    c, a, b = t.values((condition, then, otherwise))
    return f.logical_or(f.logical_and(c, a), f.logical_and(f.logical_not(c), b)).index


def _boolean(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    return t.builder.const(bool(expr))


def _first(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    return operands[0]


def _zero(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    return t.builder.const(0)


def _refuse(reason: str) -> Build:
    def build(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
        raise UnsupportedExpression(f"{type(expr).__name__} {reason}")

    return build


# What is visited instead of `expr.args`.
_REWRITE: dict[type, Callable[[Any], Sequence[Any]]] = {
    sp.Piecewise: lambda expr: [part for pair in expr.args for part in pair.args],
    **unevaluated.OPERANDS,
    sp.im: lambda expr: (),
    sp.Integral: lambda expr: (),
}

# SymPy classes that are not one row.
_BUILD: dict[type, Build] = {
    sp.Symbol: lambda t, expr, operands: t.symbol(expr),
    sp.Dummy: lambda t, expr, operands: t.symbol(expr),
    sp.Number: _number,
    sp.NumberSymbol: _number,
    type(sp.nan): _number,
    type(sp.zoo): _number,
    type(sp.I): _number,
    type(sp.true): _boolean,
    type(sp.false): _boolean,
    sp.Add: lambda t, expr, operands: t.apply(_SUM_OF, operands),
    sp.Mul: lambda t, expr, operands: t.apply(_PRODUCT_OF, operands),
    sp.Pow: _power,
    sp.Max: _extreme("maximum"),
    sp.Min: _extreme("minimum"),
    sp.And: _fold_left("logical_and"),
    sp.Or: _fold_left("logical_or"),
    sp.Xor: _fold_left("logical_xor"),
    sp.Not: lambda t, expr, operands: t.apply(REGISTRY["logical_not"], operands),
    sp.ITE: _ite,
    sp.Piecewise: _piecewise,
    **special.BUILD,
    **unevaluated.BUILD,
    sp.UnevaluatedExpr: _first,
    # Symbols are real here, so that these are what they are on the real line.
    sp.re: _first,
    sp.im: _zero,
    sp.conjugate: _first,
    sp.Integral: _refuse("is not compiled; integrate first, or write a quadrature rule as a sum"),
}

# The classes that take matrices and arrays, or give them.
_TAKES_ARRAYS: set[type] = set()
for _family in (matrix, matrix_parts, determinants, arrays, reductions, stepping):
    _REWRITE.update(_family.OPERANDS)
    _BUILD.update(_family.BUILD)
    _TAKES_ARRAYS.update(_family.OPERANDS)
_REWRITE.update(indexed.OPERANDS)
_BUILD.update(indexed.BUILD)
