"""A compiled training: its loop, its emitted source, its runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from symbackprop.compiler import Request
from symbackprop.emit.files import write_atomically
from symbackprop.errors import OptionError
from symbackprop.frontend.variables import listed
from symbackprop.ir import Graph
from symbackprop.keywords import tells_options
from symbackprop.loop_compiler import CompiledLoop, compile_loop
from symbackprop.ops.extents import measured
from symbackprop.runtime import CompiledFunction
from symbackprop.runtime.training import LoopFunction
from symbackprop.train.evaluation import compiled_function
from symbackprop.train.fit import Fit
from symbackprop.train.many import ManyFits, Runs
from symbackprop.train.run import Run, State
from symbackprop.train.schedules import Plateau
from symbackprop.train.updates import Update


@dataclass(frozen=True)
class Compiled:
    """A loop, in text and as a function."""

    loop: CompiledLoop
    function: LoopFunction


class Training:
    """A loss and the loop that trains it; made by `compile_training`.

    ``params`` and ``data`` are the names of what `fit` takes, in order.
    """

    def __init__(
        self,
        request: Request,
        evaluated: Request,
        update: Update,
        frozen: int,
        metrics: Mapping[str, Any],
        plateau: Plateau | None,
    ) -> None:
        self.plateau = plateau
        self._request, self._evaluated, self._update, self._metrics = request, evaluated, update, dict(metrics)
        self.optimizer = update.optimizer
        self._loops: dict[bool, Compiled] = {}
        self._functions: dict[str, CompiledFunction] = {}
        step = self._compiled(True).loop.step
        count = len(listed(request.wrt, "params"))
        arguments = step.signature.arguments
        self.averages = update.averages
        own = arguments[: count + len(self.averages.names)]
        self.moved = [replace(a, packed=a.packed and len(a.members) > 1) for a in own]
        self.carried = arguments[: step.loop.carried]
        rest = arguments[len(self.carried) : -4]
        self.frozen, self.inputs = rest[:frozen], rest[frozen:]
        self.dimension = step.loop.dimension

    @property
    def params(self) -> tuple[str, ...]:
        """The names of the parameters: those that are trained, moving averages, and those that are frozen."""
        return tuple(argument.name for argument in (*self.moved, *self.frozen))

    @property
    def data(self) -> tuple[str, ...]:
        """The names of the data."""
        return tuple(argument.name for argument in self.inputs)

    @property
    def backend(self) -> str:
        """What the loop was compiled for."""
        return self._request.options.target

    @property
    def dtype(self) -> str:
        """The type of all numbers."""
        return self._request.options.dtype

    @property
    def route(self) -> str:
        """How the loop runs: "direct" in machine code, "njit" through Numba, or "numpy"."""
        return self._compiled(True).function.route

    @property
    def source(self) -> str:
        """The emitted module: the whole loop, epochs x minibatches x gradient x update, as one function, `train`."""
        return self.emitted()

    def emitted(self, regenerate: str = "") -> str:
        """`source`, with the command in its header that writes it again."""
        return self._compiled(True).loop.source(regenerate)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write that module, atomically."""
        return write_atomically(path, self.source)

    def __repr__(self) -> str:
        return f"<training of {', '.join(self.params)} on {', '.join(self.data)} by {self.optimizer}, {self.backend}>"

    @tells_options
    def fit(
        self,
        params: Mapping[Any, Any],
        data: Mapping[Any, Any],
        epochs: int = 100,
        batch_size: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        validation: Mapping[Any, Any] | None = None,
        patience: int | None = None,
        progress: bool | None = None,
        callback: Callable[[int, Run], Any] | None = None,
        state: State | None = None,
    ) -> Run:
        """Train from these parameters on these data, both dicts of arrays by name.

        Each epoch goes through all samples in minibatches of `batch_size` (None: all at once; the last one may be
        smaller), in an order of its own where `shuffle` is set, which `seed` decides. `validation` are data like those:
        their loss, and the metrics of them, join the history. With `patience` the run ends after so many epochs without
        a better validation loss (of the training, where there are no other data), and has the best parameters.
        `callback(epoch, run)` is called after every epoch, and ends the run by returning True. `progress` shows a line
        on stderr: None where that is a terminal, False never. `state` is that of an earlier run, to go on from there.

        Ctrl-C ends the run and returns what has been reached. Raises Diverged where the loss is no longer finite, and
        CallError, ShapeMismatch or OptionError for what does not fit.
        """
        options = {
            "epochs": epochs,
            "batch_size": batch_size,
            "shuffle": shuffle,
            "seed": seed,
            "validation": validation,
            "patience": patience,
            "progress": progress,
            "callback": callback,
            "state": state,
        }
        return Fit(self, params, data, **options).run()  # type: ignore[arg-type]

    @tells_options
    def fit_many(
        self,
        params: Mapping[Any, Any],
        data: Mapping[Any, Any],
        epochs: int = 100,
        batch_size: int | None = None,
        shuffle: bool = True,
        seed: int | Sequence[int] = 0,
        threads: int | None = None,
    ) -> Runs:
        """Train many times, each on data, or from parameters, of its own: one call of machine code for a block of fits,
        and threads share the blocks (None: as many as may run).

        What has one axis more than `fit` takes, before all others, has an entry for each series; data whose samples are
        not equally many are a list of arrays. All else is shared by all series; `seed` may be a sequence, too. Each
        comes out bit for bit as `fit` alone gives it, whatever the number of threads. Where a loss stops being finite,
        the others go on: see `Runs.errors`. Ctrl-C returns what has been reached.

        Raises CallError, ShapeMismatch or OptionError for what does not fit.
        """
        return ManyFits(self, params, data, epochs, batch_size, shuffle, seed, threads).run()

    # What a fit runs.

    @property
    def graph(self) -> Graph:
        """A step's graph; its first output is the loss."""
        return self._compiled(True).loop.step.graph

    def inputs_of(self, carried: Sequence[Any], given: Sequence[Any], rows: Any) -> dict[str, Any]:
        """Values by identifier, as the graph takes them, of these rows of the data."""
        found: dict[str, Any] = {}
        for argument, value in zip(self.carried, carried, strict=True):
            entries = np.reshape(value, -1) if argument.packed else [value]
            found |= dict(zip(argument.members, entries, strict=True))
        in_rows = self._compiled(True).loop.step.loop.rows
        for argument, value in zip((*self.frozen, *self.inputs), given, strict=True):
            if argument.packed:
                found |= dict(zip(argument.members, value, strict=True))
            else:
                found[argument.members[0]] = value[rows] if argument.name in in_rows else value
        return found

    @property
    def title(self) -> str:
        """What the training is called."""
        return self._request.name or ""

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of what the optimiser carries."""
        return tuple(argument.name for argument in self.carried[len(self.moved) :])

    def zeros(self, lengths: Mapping[str, int]) -> dict[str, Any]:
        """The first state of the optimiser."""
        found = {}
        for argument in self.carried[len(self.moved) :]:
            shape = tuple(measured(extent, lengths) for extent in argument.full_shape)
            found[argument.name] = np.zeros(() if len(argument.members) == 1 and argument.packed else shape, self.dtype)
        return found

    def started(self, params: Any) -> Any:
        """First parameters, with the averages that are not given."""
        if not isinstance(params, Mapping):
            return params
        known = {getattr(key, "name", key) for key in params}
        return {**params, **{name: self.averages.first(name) for name in self.averages.names if name not in known}}

    def check_minibatches(self, size: int, samples: int) -> None:
        """Raise OptionError where the last minibatch is too small for what is averaged over it."""
        last, least = samples - (samples - 1) // size * size, self.averages.least
        if last < least:
            raise OptionError(
                f"batch_size={size}: the last minibatch has {last} of the {samples} samples, and statistics of a batch"
                f" need {least}"
            )

    def packed(self, carried: Sequence[Any]) -> list[Any]:
        """Carried values as the loop takes them."""
        return [
            np.array(value, self.dtype).reshape(-1) if argument.packed else np.asarray(value, self.dtype)
            for argument, value in zip(self.carried, carried, strict=True)
        ]

    def unpacked(self, carried: Sequence[Any]) -> list[Any]:
        """Carried values as users know them: numbers as numbers."""
        found = []
        for argument, value in zip(self.carried, carried, strict=True):
            array = np.asarray(value)
            number = array.ndim == 0 or (argument.packed and len(argument.members) == 1)
            found.append(array.reshape(())[()] if number else array)
        return found

    def loop(self, shuffled: bool) -> LoopFunction:
        """The loop over samples in a given order, or in their own."""
        return self._compiled(shuffled).function

    def _compiled(self, shuffled: bool) -> Compiled:
        if shuffled not in self._loops:
            made = compile_loop(self._request, replace(self._update, shuffled=shuffled))
            function = LoopFunction(made.program, made.source, self._request.options)
            self._loops[shuffled] = Compiled(made, function)
        return self._loops[shuffled]

    def evaluate(self, params: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, float]:
        """The loss and the metrics of data, all samples at once."""
        given = {**params, **data}
        return {name: float(self._function(name)(**given)) for name in ("loss", *self._metrics)}

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics."""
        return tuple(self._metrics)

    def _function(self, name: str) -> CompiledFunction:
        if name not in self._functions:
            expr = self._evaluated.expr if name == "loss" else self._metrics[name]
            request = replace(self._evaluated, expr=expr, name=name)
            self._functions[name] = compiled_function(request)
        return self._functions[name]
