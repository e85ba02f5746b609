"""Indexed expressions to a graph: a bound index becomes an axis, and a sum over it one reduction.

Inside a sum a value is a node together with the bound indices that are its first axes (`placed`). Values combine over
the union of their axes; what does not depend on an index does not have its axis, and is computed once. The walk is a
loop over pairs of an object and a scope, so that neither bodies nor nested sums recurse.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import sympy as sp
from sympy.matrices.expressions.matexpr import MatrixElement

from symbackprop.errors import NameClash, UnboundSymbol, UnsupportedExpression
from symbackprop.frontend.access import holds, read
from symbackprop.frontend.bases import Bases
from symbackprop.frontend.extremes import MaxOver, MinOver
from symbackprop.frontend.integers import affine, affine_node, real
from symbackprop.frontend.opening import Opened, opened
from symbackprop.frontend.placed import Placed, full, together, union
from symbackprop.frontend.problems import short
from symbackprop.frontend.ranges import ROOT, Axis, Condition, Scope
from symbackprop.frontend.survey import ACCESS, Survey, children, postorder
from symbackprop.ops import DType

if TYPE_CHECKING:
    from symbackprop.frontend.scalar import Translator

_OVER = (sp.Sum, sp.Product, MaxOver, MinOver)
_NEUTRAL: dict[Any, int | str] = {sp.Sum: 0, sp.Product: 1, MaxOver: "-inf", MinOver: "inf"}

Located = tuple[Any, Scope]
"""An object and the scope in which it is met."""
_Key = Any


class Indices:
    """The part of a `Translator` that knows scopes."""

    def __init__(self, t: Translator) -> None:
        self.t = t
        self.f = t.f
        self.survey = Survey()
        self.bases = Bases()
        self.done: dict[_Key, Placed] = {}
        self._operands: dict[_Key, list[Located]] = {}
        self._opened: dict[_Key, Opened] = {}
        self._visited: set[_Key] = set()
        self._defined: set[Any] = set()
        self._used: set[Any] = set()
        self._in_definitions: set[int] = set()

    # Before anything is translated.

    def prepare(self, roots: Sequence[Any], let: Sequence[tuple[Any, Any]] = ()) -> None:
        """Find bound symbols, the symbols that lengths are made of, and all accesses.

        Shapes that are not declared are read off the accesses, so give all expressions of a model at once. Raises
        NameClash, UnboundSymbol for let-bound symbols that are bound twice or too late.
        """
        for symbol, meant in let:
            self._define(symbol, meant)
        for expr in self.survey.read([*[meant for _, meant in let], *roots]):
            if isinstance(expr, _SHAPED):
                self._take_dimensions(expr)
        self.t.postponed |= {symbol for symbol, meant in let if self.survey.mask(meant)}
        if self.survey.indexed:
            self._walk([*[meant for symbol, meant in let if symbol not in self.t.postponed], *roots])
        self.t.postponed |= {symbol for symbol, _ in let if symbol in self.bases.integers}

    def _define(self, symbol: Any, meant: Any) -> None:
        definitions = self.survey.definitions
        if definitions.setdefault(symbol, meant) is not meant:
            raise NameClash(f"{symbol} is bound twice in the let-bound part; give the second one a name of its own")
        parts = postorder([meant], children, self._in_definitions)
        self._used.update(part for part in parts if isinstance(part, sp.Symbol))
        if symbol in self._used and symbol not in self._defined:
            raise UnboundSymbol(f"{symbol} is used before it is bound, or by its own definition; put its binding first")
        self._defined.add(symbol)

    def _take_dimensions(self, expr: Any) -> None:
        shape = (expr.lower, expr.upper) if isinstance(expr, sp.Idx) else getattr(expr, "shape", None)
        for extent in shape or ():
            for symbol in sorted(extent.atoms(sp.Symbol), key=lambda s: s.name) if extent is not None else ():
                self.t.dimension(symbol)

    def _walk(self, roots: Sequence[Any]) -> None:
        stack: list[Located] = [(root, ROOT) for root in reversed(roots)]
        while stack:
            expr, scope = stack.pop()
            key = self._key(expr, scope)
            if key in self._visited:
                continue
            self._visited.add(key)
            if isinstance(expr, sp.Indexed | MatrixElement):
                self.bases.met(self, expr, self._narrow(expr, scope))
            # What cannot be taken is reported where it is translated.
            with suppress(UnsupportedExpression):
                stack.extend(reversed(self._inside(expr, scope)))

    # Scopes.

    def _narrow(self, expr: Any, scope: Scope) -> Scope:
        """The scope itself, or the outermost one for an object that uses none of its indices."""
        return scope if scope is not ROOT and self.survey.mask(expr) & scope.mask else ROOT

    def _key(self, expr: Any, scope: Scope) -> _Key:
        mask = self.survey.mask(expr) & scope.mask if scope is not ROOT else 0
        if not mask:
            return id(expr)
        guarded = bool(self.survey.mask(expr) & ACCESS and scope.guards)
        return (id(expr), *scope.key(mask, guarded))

    def _inside(self, expr: Any, scope: Scope) -> list[Located]:
        """What must be translated before an object, and in which scopes; the same objects whenever it is asked."""
        scope = self._narrow(expr, scope)
        key = self._key(expr, scope)
        if isinstance(expr, sp.Symbol):
            # That a let-bound symbol counts or indexes is known only once all accesses have been met.
            return self._find_inside(expr, scope, key)
        known = self._operands.get(key)
        if known is None:
            known = self._operands[key] = self._find_inside(expr, scope, key)
        return known

    def _find_inside(self, expr: Any, scope: Scope, key: _Key) -> list[Located]:
        if isinstance(expr, _OVER):
            inner = self._opened[key] = opened(self, expr, scope)
            return [(expr.function, inner.scope)]
        if isinstance(expr, sp.Indexed):
            return []
        if isinstance(expr, MatrixElement):
            return [(expr.parent, scope)] if not isinstance(expr.parent, sp.MatrixSymbol) else []
        if isinstance(expr, sp.Symbol | sp.Idx):
            return [(self.survey.definitions[expr], scope)] if expr in self.t.postponed else []
        if isinstance(expr, sp.Piecewise) and scope is not ROOT:
            return self._arms(expr, scope)
        if isinstance(expr, sp.KroneckerDelta):
            return [(argument, scope) for argument in expr.args[:2]]
        return [(operand, scope) for operand in self.t.operands(expr)]

    def _arms(self, expr: Any, scope: Scope) -> list[Located]:
        """All conditions, then each arm where its condition holds and those before do not."""
        conditions: list[Located] = []
        arms: list[Located] = []
        for pair in expr.args:
            conditions.append((pair.cond, scope))
            truth = Condition(pair.cond, scope, True)
            arms.append((pair.expr, scope.under(truth) if pair.cond != sp.true else scope))
            scope = scope.under(Condition(pair.cond, scope, False))
        return conditions + arms

    # Translation.

    def translate(self, root: Any) -> int:
        """The node of an object that is met outside all sums."""
        stack: list[Located] = [(root, ROOT)]
        while stack:
            expr, scope = stack[-1]
            key = self._key(expr, scope)
            if self._known(key) is not None:
                stack.pop()
                continue
            try:
                operands = self._inside(expr, scope)
                pending = [located for located in operands if self._known(self._key(*located)) is None]
                if pending:
                    self.t.note_parents(expr, [operand for operand, _ in operands])
                    stack.extend(reversed(pending))
                    continue
                stack.pop()
                placed = self._translated(expr, self._narrow(expr, scope), operands)
                self._keep(key, placed)
                if self.t.recording:
                    self.t.originate(expr, placed.value.index)
            except UnsupportedExpression as error:
                self._keep(key, Placed(self.f.wrap(self.t.refused(expr, error)), ()))
        return self.t.done[id(root)]

    def _known(self, key: _Key) -> Placed | None:
        if isinstance(key, int):
            node = self.t.done.get(key)
            return None if node is None else Placed(self.f.wrap(node), ())
        return self.done.get(key)

    def _keep(self, key: _Key, placed: Placed) -> None:
        if isinstance(key, int):
            self.t.done[key] = placed.value.index
        else:
            self.done[key] = placed

    def value(self, located: Located) -> Placed:
        """What an object that was translated before became."""
        known = self._known(self._key(*located))
        assert known is not None
        return known

    def _translated(self, expr: Any, scope: Scope, inside: list[Located]) -> Placed:
        operands = [self.value(located) for located in inside]
        if isinstance(expr, _OVER):
            return self._reduced(type(expr), operands[0], self._opened[self._key(expr, scope)])
        if isinstance(expr, sp.Indexed):
            return self._as_real(self.access(expr, scope, None))
        if isinstance(expr, MatrixElement):
            return self._element(expr, scope, operands)
        if isinstance(expr, sp.Symbol | sp.Idx) and (operands or expr in scope.bound):
            if operands and not operands[0].axes:
                self.t.builder.label(operands[0].value.index, expr.name)
            return operands[0] if operands else real(self, affine_node(self, scope.bound[expr]))
        if isinstance(expr, sp.KroneckerDelta):
            return self._delta(expr, scope, operands)
        if scope is ROOT:
            nodes = tuple(operand.value.index for operand in operands)
            return Placed(self.f.wrap(self.t.build(expr, [operand for operand, _ in inside], nodes)), ())
        if isinstance(expr, sp.MatrixExpr):
            raise UnsupportedExpression(
                f"the matrix {short(expr)} depends on a bound index; sum over its entries, which may be subscripted"
            )
        if isinstance(expr, sp.Piecewise):
            half = len(operands) // 2
            operands = [operands[(half if arm else 0) + k] for k in range(half) for arm in (True, False)]
        values, axes = together(self.f, operands)
        node = self.f.wrap(self.t.assemble(expr, tuple(value.index for value in values)))
        return Placed(node, axes if self.f.shape(node) else ())

    # Sums.

    def _reduced(self, kind: Any, body: Placed, opened: Opened) -> Placed:
        self._must_be(body, "real", "a condition is summed; write Piecewise((1, condition), (0, True))")
        neutral = self.f.const(_NEUTRAL[kind])
        masked = [affine for axis in opened.axes for affine in axis.inside()] + list(opened.replaced)
        if masked:
            (mask, inner, _), axes = together(self.f, [holds(self, masked), body, Placed(neutral, ())])
            body = Placed(self.f.select(mask, inner, neutral), axes)
        absent = [axis for axis in opened.axes if axis not in body.axes]
        if kind in (MaxOver, MinOver) and absent:
            axes = union([body, Placed(neutral, tuple(absent))])
            body, absent = Placed(full(self.f, body, axes), axes), []
        body = self._over_axes(kind, body, opened.axes)
        for axis in absent:
            if kind is sp.Product:
                body = Placed(self.f.pow(body.value, self.f.length(axis.length)), body.axes)
                continue
            # Summed as an axis, of which a pass makes a multiple: nothing of none, also where the term is infinite.
            shape = self.f.shape(body.value)
            repeated = self.f.broadcast(body.value, (axis.length, *shape), range(1, len(shape) + 1))
            body = Placed(self.f.reduce_sum(repeated, (0,)), body.axes)
        return body

    def _over_axes(self, kind: Any, body: Placed, bound: tuple[Axis, ...]) -> Placed:
        places = [place for place, axis in enumerate(body.axes) if axis in bound]
        if not places:
            return body
        reduce = {
            sp.Sum: self.f.reduce_sum,
            sp.Product: self.f.reduce_prod,
            MaxOver: self.f.reduce_max,
            MinOver: self.f.reduce_min,
        }[kind]
        return Placed(reduce(body.value, places), tuple(axis for axis in body.axes if axis not in bound))

    # Entries.

    def access(self, expr: Any, scope: Scope, dtype: DType | None) -> Placed:
        """The entries of an indexed base. Raises UnsupportedExpression, ShapeMismatch."""
        symbol = expr.base
        shape = self.bases.shape(self, symbol)
        kind: DType = "int" if symbol in self.bases.integers else "real"
        source = self.f.wrap(self.t.array(symbol, shape, kind))
        return read(self, source, str(symbol.label), expr.indices, self._narrow(expr, scope))

    def _element(self, expr: Any, scope: Scope, operands: list[Placed]) -> Placed:
        parent = expr.parent
        if operands and operands[0].axes:
            raise UnsupportedExpression(f"the matrix {short(parent)} depends on a bound index; write its entries out")
        if operands:
            source = operands[0].value
        else:
            source = self.f.wrap(self.t.array(parent, tuple(self.t.extent(extent) for extent in parent.shape)))
        return read(self, source, short(parent), expr.args[1:], scope)

    def _as_real(self, placed: Placed) -> Placed:
        node = self.t.builder.nodes[placed.value.index]
        return real(self, placed) if node.type.dtype == "int" else placed

    def condition(self, guard: Condition) -> Placed:
        """Where a guard holds."""
        placed = self.value((guard.expr, guard.scope))
        return placed if guard.truth else Placed(self.f.logical_not(placed.value), placed.axes)

    def _delta(self, expr: Any, scope: Scope, operands: list[Placed]) -> Placed:
        forms = [affine(self, argument, scope) for argument in expr.args[:2]]
        if forms[0] is not None and forms[1] is not None:
            difference = forms[0].minus(forms[1])
            if not difference.terms and isinstance(difference.constant, int):
                return Placed(self.f.const(int(difference.constant == 0)), ())
        (a, b), axes = together(self.f, operands)
        return Placed(self.f.select(self.f.eq(a, b), 1, 0), axes)

    def _must_be(self, placed: Placed, dtype: DType, otherwise: str) -> None:
        if self.t.builder.nodes[placed.value.index].type.dtype != dtype:
            raise UnsupportedExpression(otherwise)


_SHAPED = (
    sp.MatrixSymbol,
    sp.IndexedBase,
    sp.Idx,
    sp.ZeroMatrix,
    sp.OneMatrix,
    sp.Identity,
    sp.tensor.array.expressions.ArraySymbol,
)


def _translated(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    return t.indices.translate(expr)


def _whole_base(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    raise UnsupportedExpression(f"{expr} stands for a whole array; give it subscripts, and sum over them")


def _loose_index(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    raise UnsupportedExpression(f"the index {expr} is bound by no sum; sum over it, or give a Symbol in its place")


_OWN = (*_OVER, sp.Indexed, MatrixElement, sp.KroneckerDelta)

OPERANDS: dict[type, Any] = {kind: lambda expr: () for kind in (*_OWN, sp.IndexedBase)}
BUILD: dict[type, Any] = {
    **dict.fromkeys(_OWN, _translated),
    sp.IndexedBase: _whole_base,
    sp.Idx: _loose_index,
}
