"""A model, the numbers that it is evaluated at, and its inputs as other systems know them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy as sp

from symbackprop.api import compiled_function
from symbackprop.check.points import drawn, none_found, small_lengths
from symbackprop.compiler import Request, read
from symbackprop.errors import CallError, ModelError, ShapeMismatch
from symbackprop.frontend import Model
from symbackprop.frontend.atoms import name_of
from symbackprop.ir.signature import Argument

_SPREAD = (0.9, 1.1)
"""The samples of a batch are so many times the one that was drawn, so that they stay where the model is real."""


@dataclass(frozen=True)
class Input:
    """A symbol, its value, whether each sample has its own, and whether the gradient is taken in it."""

    symbol: Any
    value: Any
    batched: bool
    trained: bool


@dataclass(frozen=True)
class Problem:
    """What all contenders solve: value and gradient of `request`, called with `values`.

    Other systems are given `expr`, with numbers for lengths, and `inputs`, its symbols one by one, in the order of the
    gradient and then the others; None where they are not numbers and matrices alone.
    """

    request: Request
    values: tuple[Any, ...]
    expr: Any
    inputs: tuple[Input, ...] | None


def posed(request: Request, at: Mapping[str, Any] | None, length: int) -> Problem:
    """The problem of a request: at a model file's point, or at numbers drawn with a seed, where named axes and batches
    have so many entries.

    Raises DomainError where no point with a finite value is found, and ModelError where `at` does not fit.
    """
    model = read(request)
    value = compiled_function(replace(request, mode="function", options=replace(request.options, target="numpy")))

    def passed(point: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(_passed(argument, point, length) for argument in model.arguments)

    def accept(point: Mapping[str, Any]) -> bool:
        return bool(np.all(np.isfinite(value(*passed(point)))))

    point = at
    if point is None:
        lengths = dict.fromkeys(small_lengths(model), length)
        point = next(iter(drawn(model, 1, 0, accept, lengths=lengths)), None)
        if point is None:
            raise none_found()
    values = passed(point)
    try:
        value(*values)
    except (CallError, ShapeMismatch) as error:
        raise ModelError(f"the model file's AT, as arguments of g(): {error}") from error
    return Problem(request, values, *_for_others(request, model, values))


def _passed(argument: Argument, point: Mapping[str, Any], length: int) -> Any:
    """What the caller passes for an argument."""
    if argument.name in point:
        found = [point[argument.name]]
    else:
        keys = [
            next((key for key in pair if key in point), None)
            for pair in zip(argument.names, argument.members, strict=True)
        ]
        if None in keys:
            raise ModelError(f"AT of the model file gives no value for {argument.name!r}")
        found = [point[key] for key in keys if key is not None]
    if argument.dimension or argument.dtype == "int":
        return np.asarray(found[0], np.int64)[()]
    array = np.asarray(found if argument.packed else found[0], np.float64)
    if argument.batched and array.ndim == len(argument.shape):
        spread = np.random.default_rng(list(argument.name.encode())).uniform(*_SPREAD, (length, *(1,) * array.ndim))
        return array * spread
    return float(array) if array.ndim == 0 else array


def _for_others(request: Request, model: Model, values: tuple[Any, ...]) -> tuple[Any, tuple[Input, ...] | None]:
    """The expression with numbers for lengths, and its inputs."""
    expr = request.expr
    if not isinstance(expr, sp.Basic) or expr.has(sp.Indexed, sp.IndexedBase):
        return expr, None
    symbols = {name_of(symbol): symbol for symbol in expr.atoms(sp.Symbol, sp.MatrixSymbol)}
    given: dict[str, tuple[Any, bool]] = {}
    lengths: dict[Any, int] = {}
    for argument, value in zip(model.arguments, values, strict=True):
        parts = list(value) if argument.packed else [value]
        given |= {name: (part, argument.batched) for name, part in zip(argument.names, parts, strict=True)}
        symbol = symbols.get(argument.name)
        for extent, length in zip(getattr(symbol, "shape", ()), np.shape(value)[argument.batched :], strict=False):
            if isinstance(extent, sp.Symbol):
                lengths[extent] = length
    trained = [name for variable in model.wrt for name in variable.names]
    free = {name_of(symbol): symbol for symbol in expr.free_symbols if symbol not in lengths}
    if any(variable.place is not None for variable in model.wrt) or not {*trained, *free} <= given.keys():
        return expr, None
    order = [*trained, *[name for name in free if name not in trained]]
    found = [Input(symbols[name].xreplace(lengths), *given[name], name in trained) for name in order if name in symbols]
    return expr.xreplace(lengths), tuple(found)
