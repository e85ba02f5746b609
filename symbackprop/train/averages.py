"""Moving averages that a training keeps beside its parameters: what a minibatch has for the model in training, and what
the model takes for it afterwards, as batch normalisation has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
from sympy.matrices.expressions.hadamard import HadamardPower
from sympy.matrices.expressions.special import OneMatrix

from symbackprop.errors import OptionError, ShapeMismatch
from symbackprop.frontend.atoms import name_of


@dataclass(frozen=True)
class Average:
    """What a symbol of `compile_training`'s `averages` stands for.

    In the loss that is trained it is `value`, over the minibatch. Beside the parameters is kept
    ``(1 - momentum)*average + momentum*averaged`` after every minibatch, from `start` on; `averaged` is `value`, if it
    is not given. That is what the symbol is in metrics, for validation data, and in ``run.params``. A minibatch must
    have at least `least` samples.

    >>> import sympy as sp
    >>> Average(sp.Symbol("x")).momentum
    0.1
    """

    value: Any
    averaged: Any = None
    momentum: float = 0.1
    start: float = 0.0
    least: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.momentum, int | float) or not 0 < self.momentum <= 1:
            raise OptionError(f"Average(momentum={self.momentum!r}): a number above 0 is due, and at most 1")

    @property
    def kept(self) -> Any:
        """What is averaged."""
        return self.value if self.averaged is None else self.averaged


def batch_statistics(x: Any, mean: Any, variance: Any, momentum: float = 0.1) -> dict[Any, Average]:
    """What `mean` and `variance` stand for in ``batch_norm(x, gamma, beta, mean, variance)`` while it is trained: those
    of the minibatch's rows, column by column, and their moving averages afterwards; for ``averages=``.

    As in PyTorch's BatchNorm1d, rows are normalised by the variance with divisor N, and that with N - 1 is averaged.

    >>> import sympy as sp
    >>> N = sp.Symbol("N", integer=True, positive=True)
    >>> X, m, v = sp.MatrixSymbol("X", N, 3), sp.MatrixSymbol("m", 1, 3), sp.MatrixSymbol("v", 1, 3)
    >>> sorted(batch_statistics(X, m, v), key=str)
    [m, v]
    """
    averaging = OneMatrix(1, x.rows) / x.rows
    spread = averaging * HadamardPower(x - OneMatrix(x.rows, 1) * mean, 2)
    return {
        mean: Average(averaging * x, momentum=momentum),
        variance: Average(spread, variance * (x.rows / (x.rows - 1)), momentum, start=1.0, least=2),
    }


@dataclass(frozen=True)
class Moving:
    """The averages of a training: symbols in the order that their values need each other in."""

    symbols: tuple[Any, ...] = ()
    rules: tuple[Average, ...] = ()

    @classmethod
    def of(cls, given: Mapping[Any, Any], batch: Any) -> Moving:
        """Those that a user asks for. Raises OptionError, or ShapeMismatch for a value that is not like its symbol."""
        rules = {symbol: rule if isinstance(rule, Average) else Average(rule) for symbol, rule in given.items()}
        if rules and batch is True:
            raise OptionError("averages are of whole minibatches: write the loss over a dimension N, with batch=N")
        for symbol, rule in rules.items():
            if not isinstance(symbol, sp.Symbol | sp.MatrixSymbol):
                raise OptionError(
                    f"averages names {symbol!r}, a {type(symbol).__name__}: give a Symbol or MatrixSymbol"
                )
            own, shapes = _shape(symbol), {_shape(rule.value), _shape(rule.kept)}
            if shapes != {own}:
                raise ShapeMismatch(f"{symbol} has the shape {own}, what it averages {' and '.join(map(str, shapes))}")
            if not all(extent.is_Integer for extent in map(sp.sympify, own)):
                raise OptionError(f"{symbol} has the shape {own}: what is averaged has a shape of numbers")
        ordered = _ordered({symbol: rule.value for symbol, rule in rules.items()})
        return cls(tuple(ordered), tuple(rules[symbol] for symbol in ordered))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(map(name_of, self.symbols))

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(map(int, _shape(symbol))) for symbol in self.symbols)

    @property
    def named(self) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
        """Names and shapes."""
        return self.names, self.shapes

    @property
    def least(self) -> int:
        """The samples that a minibatch must have."""
        return max((rule.least for rule in self.rules), default=1)

    def bound(self, loss: Any) -> Any:
        """The loss that is trained, in which the symbols are let-bound, as `sympy.cse` returns it."""
        if not self.symbols:
            return loss
        cse = isinstance(loss, tuple) and len(loss) == 2 and isinstance(loss[0], list)
        steps, reduced = loss if cse else ([], [loss])
        return [*zip(self.symbols, (rule.value for rule in self.rules), strict=True), *steps], reduced

    def beside(self) -> dict[str, Any]:
        """What is averaged, by name."""
        return {name: rule.kept for name, rule in zip(self.names, self.rules, strict=True)}

    def first(self, name: str) -> Any:
        """Where an average starts that the user gives no value for."""
        place = self.names.index(name)
        return np.full(self.shapes[place], self.rules[place].start)


def _shape(expr: Any) -> tuple[Any, ...]:
    return tuple(getattr(expr, "shape", ()))


def _ordered(values: Mapping[Any, Any]) -> list[Any]:
    """Symbols before those whose values hold them."""
    needs = {symbol: _free(value) & set(values) for symbol, value in values.items()}
    found: list[Any] = []
    while len(found) < len(values):
        ready = [symbol for symbol in values if symbol not in found and needs[symbol] <= set(found)]
        if not ready:
            left = ", ".join(str(symbol) for symbol in values if symbol not in found)
            raise OptionError(
                f"averages of {left} need each other, or themselves: their values are of a minibatch alone"
            )
        found += ready
    return found


def _free(expr: Any) -> set[Any]:
    return set(getattr(expr, "free_symbols", ()))
