"""What is read off expressions before they are translated: bound symbols, and who depends on them.

Every distinct object is visited once. The bits of an expression say which symbols that are bound somewhere it uses
freely, so that a value is computed in the outermost scope that binds all it needs, and looked up there again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import sympy as sp
from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.matrices.expressions.matexpr import MatrixElement

from symbackprop.frontend.scan import Scan

# The bit of expressions that hold an access by a free symbol: they may have to be computed where a guard holds.
ACCESS = 1

_LEAVES = (sp.Symbol, sp.MatrixSymbol, sp.IndexedBase, sp.Idx, sp.tensor.array.expressions.ArraySymbol)


def children(expr: Any) -> Sequence[Any]:
    """What an object is made of; leaves, which hold their own shapes, are made of nothing."""
    if isinstance(expr, _LEAVES):
        return ()
    if isinstance(expr, sp.MatrixBase | sp.NDimArray) and not isinstance(expr, sp.Basic):
        return tuple(expr)
    return getattr(expr, "args", ())


def postorder(roots: Iterable[Any], inside: Callable[[Any], Sequence[Any]], seen: set[int]) -> Iterator[Any]:
    """Each distinct object that is not in `seen` yet, operands first."""
    stack = [(root, False) for root in reversed(list(roots))]
    while stack:
        expr, ready = stack.pop()
        if ready:
            yield expr
        elif id(expr) not in seen:
            seen.add(id(expr))
            stack.append((expr, True))
            stack.extend([(operand, False) for operand in reversed(inside(expr)) if id(operand) not in seen])


class Survey:
    """The distinct objects of all expressions met so far, and the bits of each."""

    def __init__(self) -> None:
        self.bits: dict[Any, int] = {}
        """A bit for each symbol that is bound somewhere."""
        self.definitions: dict[Any, Any] = {}
        """What let-bound symbols stand for."""
        self.indexed = False
        """Whether anything has an index or a bound one."""
        self._masks: dict[int, int] = {}
        self._order: list[Any] = []
        self._seen: set[int] = set()
        self._alive: list[Any] = []

    def read(self, roots: Sequence[Any]) -> list[Any]:
        """Visit expressions; the objects that are new, operands first."""
        self._alive.extend(roots)
        new = list(postorder(roots, children, self._seen))
        self._order.extend(new)
        known = len(self.bits)
        for expr in new:
            if isinstance(expr, ExprWithLimits):
                self.indexed = True
                for limit in expr.limits:
                    self.bits.setdefault(limit[0], 2 << len(self.bits))
            elif isinstance(expr, sp.Indexed | MatrixElement):
                self.indexed = True
        # A symbol that turns out to be bound changes what is known of all that use it.
        self._mark(self._order if len(self.bits) > known else new)
        return new

    def mask(self, expr: Any) -> int:
        """The bits of the symbols that an expression uses freely, with ACCESS."""
        known = self._masks.get(id(expr))
        if known is None:
            self.read([expr])
            known = self._masks.get(id(expr), 0)
        return known

    def _mark(self, exprs: Iterable[Any]) -> None:
        if not self.bits:
            return
        masks, bits, definitions = self._masks, self.bits, self.definitions
        for expr in exprs:
            if isinstance(expr, sp.Symbol | sp.Idx):
                meant = definitions.get(expr)
                mask = bits.get(expr, 0) if meant is None else masks.get(id(meant), 0)
            elif isinstance(expr, ExprWithLimits):
                mask = self._of_sum(expr)
            elif isinstance(expr, Scan):
                mask = self._of_scan(expr)
            else:
                mask = 0
                for operand in children(expr):
                    mask |= masks.get(id(operand), 0)
                if mask and isinstance(expr, sp.Indexed | MatrixElement):
                    mask |= ACCESS
            masks[id(expr)] = mask

    def _of_scan(self, expr: Any) -> int:
        # The number of the step and the states are the scan's own, in its steps.
        mask = 0
        for _, start, after in expr.steps:
            mask |= self._masks.get(id(after), 0)
            for symbol in expr.bound_symbols:
                mask &= ~self.bits.get(symbol, 0)
            mask |= self._masks.get(id(start), 0)
        for bound in expr.args[1][1:]:
            mask |= self._masks.get(id(bound), 0)
        return mask

    def _of_sum(self, expr: Any) -> int:
        # Limits are listed from the inside out; a bound may use the indices further out.
        mask = self._masks.get(id(expr.function), 0)
        for limit in expr.limits:
            mask &= ~self.bits[limit[0]]
            for bound in limit[1:]:
                mask |= self._masks.get(id(bound), 0)
        return mask
