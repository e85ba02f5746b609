"""SymPy scalar expressions to a graph: one loop over the distinct objects, never a recursion.

The loop visits operands before users. Sums and products stay n-ary here; `sharing` splits them into binary nodes and
recovers what SymPy's flattening hid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import sympy as sp

from symbackprop.errors import NameClash, UnboundSymbol, UnsupportedExpression
from symbackprop.frontend import registered
from symbackprop.frontend.atoms import exact_number, refusal
from symbackprop.frontend.functions import rows_by_class
from symbackprop.frontend.problems import Problems, short
from symbackprop.ir import Functions, GraphBuilder, Type, Value
from symbackprop.ir.node import REAL
from symbackprop.ops import REGISTRY, Op

_SUM_OF, _PRODUCT_OF = REGISTRY["sum_of"], REGISTRY["product_of"]

Build = Callable[["Translator", Any, tuple[int, ...]], int]


class Translator:
    """Appends expressions to a builder; symbols become inputs under the identifiers that `identifier` gives."""

    def __init__(self, identifier: Callable[[Any], str], input_type: Callable[[Any], Type] | None = None) -> None:
        self.builder = GraphBuilder()
        self.f = Functions(self.builder)
        self.problems = Problems()
        self._identifier = identifier
        self._input_type = input_type or (lambda symbol: REAL)
        self._done: dict[int, int] = {}
        self._bound: dict[Any, int] = {}
        self._parent: dict[int, tuple[Any, int]] = {}
        self._alive: list[Any] = []
        self.symbols: dict[Any, None] = {}

    def bind(self, symbol: Any, expr: Any) -> None:
        """Let `symbol` stand for `expr` in what follows, as `sympy.cse` means it.

        Raises NameClash for a symbol that is bound already, UnboundSymbol for one that was used before.
        """
        if symbol in self._bound:
            raise NameClash(f"{symbol} is bound twice in the let-bound part; give the second one a name of its own")
        index = self.translate(expr)
        if symbol in self.symbols:
            raise UnboundSymbol(f"{symbol} is used before it is bound, or by its own definition; put its binding first")
        self._bound[symbol] = index
        self.builder.label(index, symbol.name)

    def translate(self, root: Any) -> int:
        """The node of an expression. Problems are collected; a place that has one becomes nan."""
        done = self._done
        self._alive.append(root)
        stack = [root]
        while stack:
            expr = stack[-1]
            if id(expr) in done:
                stack.pop()
                continue
            operands = self._operands(expr)
            pending = [operand for operand in operands if id(operand) not in done]
            if pending:
                for position, operand in enumerate(operands):
                    self._parent.setdefault(id(operand), (expr, position))
                stack.extend(reversed(pending))
                continue
            stack.pop()
            done[id(expr)] = self._build(expr, tuple([done[id(operand)] for operand in operands]))
        return done[id(root)]

    def _operands(self, expr: Any) -> Sequence[Any]:
        rewritten = _REWRITE.get(type(expr))
        if isinstance(expr, sp.MatrixExpr | sp.matrices.expressions.matexpr.MatrixElement):
            return ()
        if rewritten is None:
            return expr.args if not getattr(expr, "is_Atom", False) else ()
        replacement = rewritten(expr)
        self._alive.append(replacement)
        return replacement

    def _build(self, expr: Any, operands: tuple[int, ...]) -> int:
        build = _BUILD.get(type(expr)) or next((_BUILD[base] for base in type(expr).__mro__ if base in _BUILD), None)
        try:
            if build is not None:
                return build(self, expr, operands)
            row = rows_by_class().get(type(expr))
            if row is not None:
                return self.apply(row, operands)
            return registered.build(self, expr, operands)
        except UnsupportedExpression as error:
            self.problems.add(str(error), self.path(expr), type(error))
            return self.builder.const("nan")

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
            return self._bound[symbol]
        reason = refusal(symbol)
        if reason:
            raise UnsupportedExpression(f"the symbol {symbol.name!r} {reason}")
        self.symbols.setdefault(symbol)
        return self.builder.input(self._identifier(symbol), self._input_type(symbol))

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
        # Constants last: Max(x, 0) reads maximum(x, 0).
        ordered = sorted(operands, key=lambda operand: t.f.is_constant(t.f.wrap(operand)))
        result = ordered[0]
        for operand in ordered[1:]:
            result = t.apply(REGISTRY[name], (result, operand))
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


def _zeta(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    return t.apply(REGISTRY["zeta"], operands if len(operands) == 2 else (*operands, t.builder.const(1)))


def _lambertw(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    if len(operands) == 2 and expr.args[1] != 0:
        raise UnsupportedExpression(f"LambertW has its branch 0 only here, not {short(expr.args[1])}")
    return t.apply(REGISTRY["lambertw"], operands[:1])


def _polygamma(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    order = exact_number(expr.args[0]) if expr.args[0].is_number else None
    if not isinstance(order, Fraction) or order.denominator != 1 or order < 0:
        raise UnsupportedExpression(
            f"polygamma needs a constant order 0, 1, 2, ... as its first argument, not {short(expr.args[0])}"
        )
    if order == 0:
        return t.apply(REGISTRY["digamma"], operands[1:])
    return t.apply(REGISTRY["polygamma"], operands)


def _heaviside(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    half = t.builder.const(Fraction(1, 2))
    return t.apply(REGISTRY["heaviside"], operands if len(operands) == 2 else (*operands, half))


def _refuse(reason: str) -> Build:
    def build(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
        raise UnsupportedExpression(f"{type(expr).__name__} {reason}")

    return build


def _evaluated(expr: Any) -> tuple[Any, ...]:
    result = expr.doit()
    return () if result == expr or isinstance(result, type(expr)) else (result,)


def _evaluated_or_refused(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    if not operands:
        raise UnsupportedExpression(f"SymPy leaves this {type(expr).__name__} unevaluated; evaluate it first")
    return operands[0]


def _membership(expr: Any) -> tuple[Any, ...]:
    try:
        return (expr.args[1].as_relational(expr.args[0]),)
    except (AttributeError, NotImplementedError):
        return ()


def _single_entry(expr: Any) -> tuple[Any, ...]:
    return (expr[0, 0],) if expr.shape == (1, 1) else ()


def _entry_or_refused(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    if not operands:
        raise UnsupportedExpression(
            f"a matrix of shape {expr.shape} stands where a scalar is due; pass its entries as a list: list(M)"
        )
    return operands[0]


_ARRAYS = "is array notation, which this version does not compile yet; write scalars out, or batch= over samples"

# What is visited instead of `expr.args`.
_REWRITE: dict[type, Callable[[Any], Sequence[Any]]] = {
    sp.Piecewise: lambda expr: [part for pair in expr.args for part in pair.args],
    sp.Derivative: _evaluated,
    sp.Subs: _evaluated,
    sp.Limit: _evaluated,
    sp.Contains: _membership,
    sp.im: lambda expr: (),
    sp.Integral: lambda expr: (),
    sp.Sum: lambda expr: (),
    sp.Product: lambda expr: (),
    sp.Indexed: lambda expr: (),
    sp.ImmutableDenseMatrix: _single_entry,
    sp.Matrix: _single_entry,
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
    sp.Max: _fold_left("maximum"),
    sp.Min: _fold_left("minimum"),
    sp.And: _fold_left("logical_and"),
    sp.Or: _fold_left("logical_or"),
    sp.Xor: _fold_left("logical_xor"),
    sp.Not: lambda t, expr, operands: t.apply(REGISTRY["logical_not"], operands),
    sp.ITE: _ite,
    sp.Piecewise: _piecewise,
    sp.Heaviside: _heaviside,
    sp.zeta: _zeta,
    sp.LambertW: _lambertw,
    sp.polygamma: _polygamma,
    sp.Contains: _evaluated_or_refused,
    sp.Derivative: _evaluated_or_refused,
    sp.Subs: _evaluated_or_refused,
    sp.Limit: _evaluated_or_refused,
    sp.UnevaluatedExpr: _first,
    # Symbols are real here, so that these are what they are on the real line.
    sp.re: _first,
    sp.im: _zero,
    sp.conjugate: _first,
    sp.ImmutableDenseMatrix: _entry_or_refused,
    sp.Matrix: _entry_or_refused,
    sp.Integral: _refuse("is not compiled; integrate first, or write a quadrature rule as a sum"),
    sp.Sum: _refuse(_ARRAYS),
    sp.Product: _refuse(_ARRAYS),
    sp.Indexed: _refuse(_ARRAYS),
    sp.MatrixExpr: _refuse(_ARRAYS),
    sp.matrices.expressions.matexpr.MatrixElement: _refuse(_ARRAYS),
}
