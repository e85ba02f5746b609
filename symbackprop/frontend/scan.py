"""A loop that carries state, as SymPy expressions: recurrences that must not be unrolled.

A `Scan` repeats a step. What comes out are expressions: the last value of a state, or all its values as a matrix.
"""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.matrices.expressions.matexpr import MatrixElement

from symbackprop.errors import OptionError, UnsupportedExpression
from symbackprop.frontend.problems import short


def _state(symbol: Any) -> Any:
    if isinstance(symbol, sp.Symbol | sp.MatrixSymbol):
        return symbol
    raise OptionError(f"a state must be a Symbol or a MatrixSymbol, not {symbol!r}")


def _value(given: Any) -> Any:
    return given.as_immutable() if isinstance(given, sp.MatrixBase) else sp.sympify(given)


class Scan(sp.Basic):  # type: ignore[misc]
    """``Scan((state, start, next), ..., (t, first, last))``: `state` becomes `next` for t = first, ..., last.

    Each state is a Symbol or a MatrixSymbol, `start` its first value and `next` an expression of the states, of `t`,
    and of anything else. All states of a step are replaced together. The number of steps may be symbolic; nothing is
    unrolled, and the gradient runs backwards over the stored states.

    With ``checkpoint=k`` only every k-th state is kept, and the k steps after it are computed again where the gradient
    needs them: memory for n/k + k states instead of n, for one more evaluation. k near the square root of n is best.

    Raises OptionError for a state that is no symbol.

    >>> import sympy as sp
    >>> a, s, t, n = sp.symbols("a s t n")
    >>> u = sp.IndexedBase("u", shape=(n,))
    >>> filtered = Scan((s, 0, a*s + u[t]), (t, 0, n - 1))
    >>> filtered.last(s)
    Last(s)
    >>> filtered.states(s).shape
    (n + 1, 1)
    """

    def __new__(cls, *parts: Any, checkpoint: int | None = None) -> Any:
        if len(parts) == 3 and isinstance(parts[2], sp.Integer):
            return super().__new__(cls, *parts)  # as SymPy rebuilds an expression from its args
        triples = [part for part in parts if isinstance(part, tuple | list | sp.Tuple) and len(part) == 3]
        if len(triples) < max(2, len(parts)) or not isinstance(triples[-1][0], sp.Symbol):
            raise OptionError("Scan takes (state, start, next), ..., (t, first, last)")
        *given, index = triples
        steps = [sp.Tuple(_state(state), _value(start), _value(after)) for state, start, after in given]
        if len({step[0] for step in steps}) < len(steps):
            raise OptionError("Scan is given two steps for one state")
        if checkpoint is not None and (not isinstance(checkpoint, int) or checkpoint < 1):
            raise OptionError(f"checkpoint must be a positive number of steps, not {checkpoint!r}")
        return super().__new__(cls, sp.Tuple(*steps), sp.Tuple(*index), sp.Integer(checkpoint or 0))

    def doit(self, **hints: Any) -> Any:
        """Itself: a scan is never unrolled."""
        return self

    @property
    def steps(self) -> tuple[Any, ...]:
        """(state, start, next) for each state."""
        return tuple(self.args[0])

    @property
    def length(self) -> Any:
        """The number of steps."""
        _, first, last = self.args[1]
        return last - first + 1

    @property
    def free_symbols(self) -> set[Any]:
        """All symbols but the states and the number of the step."""
        index, first, last = self.args[1]
        inside: set[Any] = set().union(*[after.free_symbols for _, _, after in self.steps])
        inside -= {index, *[state for state, _, _ in self.steps]}
        return inside.union(first.free_symbols, last.free_symbols, *[start.free_symbols for _, start, _ in self.steps])

    @property
    def bound_symbols(self) -> list[Any]:
        """The number of the step and the states."""
        return [self.args[1][0], *[state for state, _, _ in self.steps]]

    def last(self, state: Any) -> Any:
        """The value of a state after all steps: a scalar, or a matrix of the state's shape."""
        return (LastMatrix if isinstance(state, sp.MatrixSymbol) else Last)(self, self._position(state))

    def states(self, state: Any) -> Any:
        """All values of a state, before, between and after the steps: a matrix, a row a value; a matrix state is laid
        out row by row.
        """
        return Trajectory(self, self._position(state))

    def _position(self, state: Any) -> Any:
        for position, step in enumerate(self.steps):
            if step[0] == state:
                return sp.Integer(position)
        raise UnsupportedExpression(f"{short(state)} is no state of this Scan")


class _Result:
    """What the expressions that come out of a scan share."""

    args: tuple[Any, ...]

    @property
    def scan(self) -> Any:
        return self.args[0]

    @property
    def state(self) -> Any:
        return self.scan.steps[int(self.args[1])][0]

    @property
    def free_symbols(self) -> Any:
        return self.scan.free_symbols

    def _sympystr(self, printer: Any) -> str:
        return f"{type(self).__name__.replace('Matrix', '')}({self.state.name})"

    def _entry(self, i: Any, j: Any, **hints: Any) -> Any:
        return MatrixElement(self, i, j)

    def _eval_derivative(self, symbol: Any) -> Any:
        raise NotImplementedError("SymPy does not differentiate a Scan; compile_grad does")


class Last(_Result, sp.Expr):  # type: ignore[misc]
    """The last value of a scalar state."""

    is_commutative = True
    is_extended_real = True


class LastMatrix(_Result, sp.MatrixExpr):  # type: ignore[misc]
    """The last value of a matrix state."""

    @property
    def shape(self) -> Any:
        return self.state.shape


class Trajectory(_Result, sp.MatrixExpr):  # type: ignore[misc]
    """All values of a state, a row each."""

    @property
    def shape(self) -> Any:
        state = self.state
        size = state.shape[0] * state.shape[1] if isinstance(state, sp.MatrixSymbol) else sp.S.One
        return self.scan.length + 1, size


def recurrence(after: Any, state: Any, start: Any, index: Any, checkpoint: int | None = None) -> Any:
    """The last value of one state: ``Scan((state, start, after), index).last(state)``.

    >>> import sympy as sp
    >>> s, t, n = sp.symbols("s t n")
    >>> recurrence(s / 2 + 1 / s, s, 1, (t, 1, n))
    Last(s)
    """
    return Scan((state, start, after), index, checkpoint=checkpoint).last(state)
