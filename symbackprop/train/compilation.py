"""`compile_training`: a loss, its parameters and its data to a loop that trains it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, overload

import sympy as sp

from symbackprop.compiler import Request
from symbackprop.errors import NameClash, OptionError
from symbackprop.frontend.atoms import name_of
from symbackprop.frontend.variables import listed, pack_name, symbol_in
from symbackprop.keywords import tells_options
from symbackprop.options import Options
from symbackprop.train.averages import Moving
from symbackprop.train.data import counted
from symbackprop.train.lbfgs import LBFGS, FullBatch
from symbackprop.train.optimizers import Adam, Optimizer
from symbackprop.train.plot import HISTORY
from symbackprop.train.schedules import Plateau, Schedule
from symbackprop.train.training import Training
from symbackprop.train.updates import Update


def _check(rule: Any, schedule: Any) -> None:
    if not isinstance(rule, Optimizer):
        raise OptionError(f"optimizer={rule!r}: an Optimizer is due, such as Adam(lr=0.001)")
    if schedule is not None and not (callable(schedule) or isinstance(schedule, Plateau)):
        raise OptionError(f"schedule={schedule!r}: a function of (lr, t, epoch, epochs) is due, such as cosine()")


def _check_apart(**named: Sequence[Any]) -> None:
    """Raise NameClash where a symbol is named twice, say as a parameter that is trained and one that is frozen."""
    seen: dict[Any, str] = {}
    for what, items in named.items():
        for symbol in (symbol for item in items for symbol in listed(item, what)):
            if symbol in seen:
                where = f"both in {seen[symbol]} and in" if seen[symbol] != what else "twice in"
                raise NameClash(f"{name_of(symbol)} is {where} {what}: what is it, to be trained, kept, or given?")
            seen[symbol] = what


def _check_batch(batch: Any) -> None:
    if batch is not True and batch is not None and not isinstance(batch, sp.Symbol):
        raise OptionError(f"batch={batch!r}: True is due, or the symbol of the dimension that counts samples, or None")


def _check_metrics(metrics: Any) -> None:
    """Raise OptionError for metrics without a name, or with the name of what a history has anyway."""
    if metrics is None:
        return
    if not isinstance(metrics, Mapping):
        raise OptionError(
            f'metrics must be a dict of expressions by name, {{"mae": ...}}, not a {type(metrics).__name__}'
        )
    for name, expr in metrics.items():
        if name in HISTORY:
            raise OptionError(f"metrics names {name!r}, which a history has anyway: take another name")
        if callable(expr) and not isinstance(expr, sp.Basic):
            raise OptionError(f"metrics[{name!r}] is a function: give an expression in the symbols of the loss")


def _check_sizes(**sizes: Any) -> None:
    for option, value in sizes.items():
        if value is not None and (not isinstance(value, int | float) or not 0 <= value < float("inf")):
            raise OptionError(f"{option}={value!r}: a number is due, finite and not negative")


@overload
def compile_training(
    loss: Any,
    params: Sequence[Any] | Mapping[str, Any],
    data: Sequence[Any] | Mapping[str, Any],
    *,
    optimizer: LBFGS,
    batch: Any = True,
    reduce: str = "mean",
    backend: str = "numba",
    dtype: str = "float64",
    kinks: str = "zero",
    frozen: Sequence[Any] = (),
    route: str = "direct",
    cache: bool = True,
    name: str | None = None,
) -> FullBatch: ...


@overload
def compile_training(
    loss: Any,
    params: Sequence[Any] | Mapping[str, Any],
    data: Sequence[Any] | Mapping[str, Any],
    *,
    optimizer: Optimizer | None = None,
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
    averages: Mapping[Any, Any] | None = None,
    route: str = "direct",
    cache: bool = True,
    name: str | None = None,
) -> Training: ...


@tells_options
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
    averages: Mapping[Any, Any] | None = None,
    route: str = "direct",
    cache: bool = True,
    name: str | None = None,
) -> Training | FullBatch:
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
    they are. `metrics` are expressions by name, like the loss, that are evaluated after every epoch. `averages` gives,
    by symbol, an expression over the minibatch, or an `Average` of one: that is what the symbol stands for in the loss
    that is trained; beside the parameters its moving average is kept, for which the symbol stands in metrics, for
    validation data and ever after (with ``batch=N``; see `batch_statistics`).

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
    _check_batch(batch)
    trained, given, kept = (
        _listed(what, which) for what, which in ((params, "params"), (data, "data"), (frozen, "frozen"))
    )
    if not trained:
        raise OptionError("params names nothing to train")
    moving = Moving.of(averages or {}, batch)
    _check_apart(params=trained, averages=moving.symbols, frozen=kept, data=given)
    samples = given if batch is True else None
    inputs, beside = [*trained, *kept, *given], moving.beside()
    request = Request(
        moving.bound(loss), trained, inputs, samples, "grad", options, name, beside=beside, caller="compile_training"
    )
    evaluated = Request(loss, None, [*trained, *moving.symbols, *kept, *given], samples, "function", options)
    _check_metrics(metrics)
    rule = Adam() if optimizer is None else optimizer
    if isinstance(rule, LBFGS):
        if any((schedule, clip_norm, clip_value, l1, l2, weight_decay, groups, accumulate != 1, metrics, averages)):
            raise OptionError("LBFGS takes no schedule, clipping, penalty, group, accumulation, metric or average")
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
        averages=moving,
    )
    waiting = schedule if isinstance(schedule, Plateau) else None
    return Training(request, evaluated, update, len(kept), metrics or {}, waiting)


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
    """The name of a parameter, which may also be given by name."""
    if isinstance(symbol, str):
        return symbol
    return pack_name(symbol if isinstance(symbol, tuple) else (symbol,))


def _listed(given: Any, what: str) -> list[Any]:
    items = list(given.values()) if isinstance(given, Mapping) else listed(given, what)
    for item in items:
        for symbol in listed(item, what):
            symbol_in(symbol, what)
    return items
