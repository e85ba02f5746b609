"""`compile_training`: a loss, its parameters and its data to a loop that trains it."""

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
from symbackprop.frontend.atoms import name_of
from symbackprop.frontend.variables import listed, pack_name, symbol_in
from symbackprop.ir import Graph
from symbackprop.loop_compiler import CompiledLoop, compile_loop
from symbackprop.ops.extents import measured
from symbackprop.options import Options
from symbackprop.runtime import CompiledFunction
from symbackprop.runtime.training import LoopFunction
from symbackprop.train.data import counted
from symbackprop.train.evaluation import compiled_function
from symbackprop.train.fit import Fit
from symbackprop.train.lbfgs import LBFGS, FullBatch
from symbackprop.train.optimizers import Adam, Optimizer
from symbackprop.train.run import Run, State
from symbackprop.train.schedules import Plateau, Schedule
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
        self, request: Request, update: Update, frozen: int, metrics: Mapping[str, Any], plateau: Plateau | None
    ) -> None:
        self.plateau = plateau
        self._request, self._update, self._metrics = request, update, dict(metrics)
        self.optimizer = update.optimizer
        self._loops: dict[bool, Compiled] = {}
        self._functions: dict[str, CompiledFunction] = {}
        step = self._compiled(True).loop.step
        count = len(listed(request.wrt, "params"))
        arguments = step.signature.arguments
        self.trained = [replace(a, packed=a.packed and len(a.members) > 1) for a in arguments[:count]]
        self.carried = arguments[: step.loop.carried]
        rest = arguments[len(self.carried) : -4]
        self.frozen, self.inputs = rest[:frozen], rest[frozen:]
        self.dimension = step.loop.dimension

    @property
    def params(self) -> tuple[str, ...]:
        """The names of the parameters, those that are frozen last."""
        return tuple(argument.name for argument in (*self.trained, *self.frozen))

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
        return tuple(argument.name for argument in self.carried[len(self.trained) :])

    def zeros(self, lengths: Mapping[str, int]) -> dict[str, Any]:
        """The first state of the optimiser."""
        found = {}
        for argument in self.carried[len(self.trained) :]:
            shape = tuple(measured(extent, lengths) for extent in argument.full_shape)
            found[argument.name] = np.zeros(() if len(argument.members) == 1 and argument.packed else shape, self.dtype)
        return found

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
            expr = self._request.expr if name == "loss" else self._metrics[name]
            request = replace(self._request, expr=expr, wrt=None, mode="function", name=name)
            self._functions[name] = compiled_function(request)
        return self._functions[name]


def _check(rule: Any, schedule: Any) -> None:
    if not isinstance(rule, Optimizer):
        raise OptionError(f"optimizer={rule!r}: an Optimizer is due, such as Adam(lr=0.001)")
    if schedule is not None and not (callable(schedule) or isinstance(schedule, Plateau)):
        raise OptionError(f"schedule={schedule!r}: a function of (lr, t, epoch, epochs) is due, such as cosine()")


def _check_sizes(**sizes: Any) -> None:
    for option, value in sizes.items():
        if value is not None and (not isinstance(value, int | float) or not 0 <= value < float("inf")):
            raise OptionError(f"{option}={value!r}: a number is due, finite and not negative")


def compile_training(
    loss: Any,
    params: Sequence[Any] | Mapping[str, Any],
    data: Sequence[Any] | Mapping[str, Any],
    *,
    optimizer: Optimizer | LBFGS | None = None,
    batch: Any = True,
    reduce: str = "mean",
    backend: str = "numba",
    dtype: str = "float64",
    kinks: str = "zero",
    schedule: Schedule | Plateau | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    l1: float = 0.0,
    l2: float = 0.0,
    weight_decay: float = 0.0,
    groups: Mapping[Any, Mapping[str, float]] | None = None,
    accumulate: int = 1,
    frozen: Sequence[Any] = (),
    metrics: Mapping[str, Any] | None = None,
    route: str = "direct",
    cache: bool = True,
    name: str | None = None,
) -> Any:
    """Compile the training of a loss: epochs, minibatches, gradient and update in one function, see `Training.fit`.

    With ``batch=True``, `loss` is that of one sample; each of `data` carries a leading axis of samples, and the loss of
    a minibatch is the mean (or the sum, by `reduce`) over its samples. With ``batch=N``, a dimension symbol of the
    data's shapes, `loss` is written over the whole batch, its mean, and minibatches bind N. With ``batch=None`` every
    step takes the data as they are.

    `optimizer` is `SGD`, `Momentum`, `Nesterov`, `RMSprop`, `Adagrad`, `Adam` (the default), `AdamW`, `Lion`, or a
    class of your own, see `Optimizer`; or `LBFGS`, which is SciPy's loop around the compiled gradient of all samples,
    and takes none of what follows but `frozen`. `schedule` is one of `constant`, `step`, `exponential`, `cosine`,
    `warmup`, `plateau`, or a function of (lr, t, epoch, epochs). To the gradient are added ``l2*p`` and ``l1*sign(p)``;
    then its entries are cut to `clip_value`, and it is shortened to the norm `clip_norm`; `weight_decay` draws every
    parameter to 0 beside the step, by ``lr*weight_decay*p``. `groups` gives parameters their own ``l1``, ``l2`` and
    ``weight_decay``, and a factor ``lr`` of the learning rate: ``{W: {"lr": 0.1}, b: {"l2": 0}}``. With `accumulate` so
    many minibatches make a step, of the mean of their gradients. `frozen` are parameters that `fit` takes and leaves as
    they are. `metrics` are expressions by name, like the loss, that are evaluated after every epoch.

    Raises what `compile_grad` raises, and ShapeMismatch where samples do not run along the first axis of the data.

    >>> import sympy as sp
    >>> from symbackprop import SGD, compile_training
    >>> w, b, x, y = sp.symbols("w b x y")
    >>> t = compile_training((w*x + b - y)**2, [w, b], [x, y], optimizer=SGD(lr=0.1), backend="numpy")
    >>> run = t.fit({"w": 0, "b": 0}, {"x": [0.0, 1.0, 2.0], "y": [1.0, 3.0, 5.0]}, epochs=500)
    >>> print(f"{run.params['w']:.3f} {run.params['b']:.3f}")
    2.000 1.000
    """
    options = Options(backend, dtype, kinks, reduce if batch is True else None, route, cache)
    if backend == "python":
        raise OptionError("a training loop has no backend 'python'; take 'numpy' or 'numba'")
    if reduce not in ("mean", "sum"):
        raise OptionError(f"reduce={reduce!r}: the loss of a minibatch is the 'mean' or the 'sum' over its samples")
    trained, given, kept = (
        _listed(what, which) for what, which in ((params, "params"), (data, "data"), (frozen, "frozen"))
    )
    if not trained:
        raise OptionError("params names nothing to train")
    args = [*trained, *kept, *given]
    request = Request(loss, trained, args, given if batch is True else None, "grad", options, name)
    rule = Adam() if optimizer is None else optimizer
    if isinstance(rule, LBFGS):
        if any((schedule, clip_norm, clip_value, l1, l2, weight_decay, groups, accumulate != 1, metrics)):
            raise OptionError("LBFGS takes no schedule, clipping, penalty, group, accumulation or metric")
        return FullBatch(request, len(kept), rule)
    _check(rule, schedule)
    _check_sizes(clip_norm=clip_norm, clip_value=clip_value, l1=l1, l2=l2, weight_decay=weight_decay)
    dimension = None if batch is True or not batch else name_of(batch)
    mean = reduce == "mean" or batch is not True
    update = Update(
        rule,
        None if isinstance(schedule, Plateau) else schedule,
        clip_norm,
        clip_value,
        l1,
        l2,
        weight_decay,
        mean,
        dimension,
        in_loops=backend != "numpy",
        groups=_groups(groups or {}, trained),
        accumulate=counted("accumulate", accumulate, 1),
    )
    waiting = schedule if isinstance(schedule, Plateau) else None
    return Training(request, update, len(kept), metrics or {}, waiting)


def _groups(groups: Mapping[Any, Mapping[str, float]], trained: Sequence[Any]) -> dict[str, dict[str, float]]:
    names = {_parameter(symbol) for symbol in trained}
    found = {_parameter(symbol): dict(options) for symbol, options in groups.items()}
    for name, options in found.items():
        if name not in names:
            raise OptionError(f"groups names {name}, which is no parameter; they are {', '.join(sorted(names))}")
        for option, value in options.items():
            if option not in ("lr", "l1", "l2", "weight_decay") or not 0 <= value < float("inf"):
                raise OptionError(
                    f"groups gives {name} {option}={value!r}; a parameter has lr, l1, l2 and weight_decay, not negative"
                )
    return found


def _parameter(symbol: Any) -> str:
    return pack_name(symbol if isinstance(symbol, tuple) else (symbol,))


def _listed(given: Any, what: str) -> list[Any]:
    items = list(given.values()) if isinstance(given, Mapping) else listed(given, what)
    for item in items:
        for symbol in listed(item, what):
            symbol_in(symbol, what)
    return items
