"""Training by L-BFGS: all samples at once, through SciPy, over the compiled value and gradient."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from symbackprop.compiler import Request
from symbackprop.errors import CallError, Diverged, OptionError
from symbackprop.keywords import TellsOptions, tells_options
from symbackprop.train.data import counted, look_over, named
from symbackprop.train.evaluation import compiled_function
from symbackprop.train.run import History, Run, State
from symbackprop.train.trouble import not_finite


@dataclass(frozen=True)
class LBFGS(TellsOptions):
    """The limited-memory method of Byrd, Lu, Nocedal and Zhu (1995), as SciPy has it: `memory` corrections, and an end
    where no entry of the gradient is larger than `tolerance`. An epoch is an iteration; it takes no learning rate.

    >>> LBFGS().memory
    10
    """

    memory: int = 10
    tolerance: float = 1e-8

    def __post_init__(self) -> None:
        if self.memory < 1 or self.tolerance < 0.0:
            raise OptionError(f"LBFGS(memory={self.memory!r}, tolerance={self.tolerance!r}): neither may be negative")


class FullBatch:
    """A loss and its gradient, minimised by SciPy; made by `compile_training` with `LBFGS`.

    ``params`` and ``data`` are the names of what `fit` takes, in order.
    """

    def __init__(self, request: Request, frozen: int, optimizer: LBFGS) -> None:
        self.optimizer = optimizer
        self.function = compiled_function(request)
        arguments, count = self.function.signature.arguments, len(request.wrt)
        self._trained, rest = arguments[:count], arguments[count:]
        self._frozen, self._data = rest[:frozen], rest[frozen:]

    @property
    def params(self) -> tuple[str, ...]:
        """The names of the parameters, those that are frozen last."""
        return tuple(argument.name for argument in (*self._trained, *self._frozen))

    @property
    def data(self) -> tuple[str, ...]:
        """The names of the data."""
        return tuple(argument.name for argument in self._data)

    @property
    def route(self) -> str:
        """How loss and gradient run: "direct" in machine code, "njit" through Numba, or "numpy"."""
        return self.function.route

    @property
    def source(self) -> str:
        """The emitted module of the loss and its gradient; the loop around it is SciPy's."""
        return self.function.source

    @tells_options
    def fit(self, params: Mapping[Any, Any], data: Mapping[Any, Any], epochs: int = 100) -> Run:
        """At most so many iterations from these parameters; see `Training.fit`. `stopped` of the run is "tolerance"
        where the gradient is small enough, and "line search" where SciPy finds no lower loss.
        """
        counted("epochs", epochs)
        own = named(params, (*self._trained, *self._frozen), "params")
        given = named(data, self._data, "data")
        arguments = self.function.signature.arguments
        cast = look_over(arguments, {**own, **given}, self.function.dtype).values
        start = {argument.name: own.pop(argument.name) for argument in self._trained}

        def evaluate(values: Mapping[str, Any]) -> Any:
            loss, gradient = self.function.value_and_grad(**values, **own, **given)
            return loss, dict(zip(start, gradient, strict=True))

        first = evaluate(start)[0]
        if not np.isfinite(first):
            data = {a.name: value for a, value in zip(arguments, cast, strict=True) if a.name in given}
            raise Diverged(f"the loss of the first parameters is {first}: {not_finite(data) or 'start elsewhere'}")
        run = _minimised(self.optimizer, start, epochs, evaluate, self.function.dtype)
        return replace(run, params={**run.params, **own})

    def fit_many(self, *args: Any, **options: Any) -> Any:
        """L-BFGS has none, and raises CallError: SciPy's loop is of one fit."""
        raise CallError("L-BFGS has no fit_many: call fit for each series, or give an optimizer such as Adam(lr=0.01)")


def _minimised(
    rule: LBFGS, start: Mapping[str, Any], epochs: int, evaluate: Callable[[Mapping[str, Any]], Any], dtype: str
) -> Run:
    """The run from these parameters; `evaluate` gives the loss and its gradient by name. SciPy computes in float64, the
    results have the type of the program.
    """
    from scipy.optimize import minimize

    shapes = {name: np.shape(value) for name, value in start.items()}
    history: dict[str, list[float]] = {"loss": [], "grad_norm": [], "seconds": []}
    latest: list[tuple[Any, float, float]] = []
    best = np.concatenate([np.ravel(np.asarray(value, np.float64)) for value in start.values()])
    clock = time.perf_counter()

    def objective(flat: Any) -> tuple[float, Any]:
        loss, gradient = evaluate(_named(flat, shapes))
        slope = np.concatenate([np.ravel(np.asarray(gradient[name], np.float64)) for name in shapes])
        latest[:] = [(flat.copy(), float(loss), float(np.linalg.norm(slope)))]
        return float(loss), slope

    def note(flat: Any) -> None:
        nonlocal best, clock
        best, now = flat.copy(), time.perf_counter()
        _, loss, norm = latest[0]
        for name, value in (("loss", loss), ("grad_norm", norm), ("seconds", now - clock)):
            history[name].append(value)
        clock = now

    options = {
        "maxiter": epochs,
        "maxcor": rule.memory,
        "gtol": rule.tolerance,
        "ftol": 0.0,
        "maxfun": 20 * epochs + 20,
    }
    stopped = ""
    try:
        if epochs:
            found = minimize(objective, best, jac=True, method="L-BFGS-B", callback=note, options=options)
            stopped = "" if len(history["loss"]) >= epochs else "tolerance" if found.success else "line search"
    except KeyboardInterrupt:
        stopped = "interrupted"
    done = len(history["loss"])
    seconds = np.array(history.pop("seconds"))
    arrays = History({name: np.array(values, dtype) for name, values in history.items()}, seconds=seconds)
    params = {name: np.asarray(value, dtype)[()] for name, value in _named(best, shapes).items()}
    return Run(params, arrays, replace(State({}), steps=done, epochs=done), stopped)


def _named(flat: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """The parts of a vector, in their shapes."""
    found, start = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        part = flat[start : start + size].reshape(shape)
        found[name], start = part if shape else part[()], start + size
    return found
