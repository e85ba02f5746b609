"""Trainings as files: a Python file that defines a loss, its parameters, its data, and how they are fitted.

``loss`` is the expression; ``params`` a dict of first values by symbol, ``data`` one of arrays by symbol (or a list of
symbols, where a file of data gives the arrays). The others may be missing: ``batch`` (True, or the symbol of the
dimension that counts samples), ``optimizer``, ``schedule``, ``metrics``, ``averages``, ``frozen`` (a dict like params),
``options`` for `compile_training`, and ``fit`` for `Training.fit`, such as ``{"epochs": 100, "batch_size": 32}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

from symbackprop.errors import ModelError, OptionError
from symbackprop.frontend.atoms import name_of
from symbackprop.frontend.model_file import run_file
from symbackprop.train.array_files import read_data
from symbackprop.train.compilation import compile_training
from symbackprop.train.lbfgs import FullBatch
from symbackprop.train.optimizers import Optimizer
from symbackprop.train.run import Run
from symbackprop.train.training import Training

_OPTIONS = ("batch", "optimizer", "schedule", "metrics", "averages")
_NAMES = ("loss", "params", "data", *_OPTIONS, "frozen", "options", "fit")
_OF_FIT = ("epochs", "batch_size", "patience")
_ALIKE = 0.85
"""How close a name has to be to one of these to be meant for it: optimiser and metric are."""


@dataclass(frozen=True)
class TrainingFile:
    """What a file defines, ready to be fitted."""

    training: Training | FullBatch
    params: dict[str, Any]
    data: dict[str, Any] | None
    fit: dict[str, Any]

    def run(self, **overriding: Any) -> Run:
        """Fit, with these options instead of the file's own where they are not None."""
        if self.data is None:
            raise ModelError("data names symbols alone: give their arrays in a file, with --data, or make it a dict")
        given = {name: value for name, value in overriding.items() if value is not None}
        if isinstance(self.training, FullBatch):
            given.pop("progress", None)
        start: dict[str, Any] = self.params
        if "resume" in given:
            earlier = Run.load(given.pop("resume"))
            start, given["state"] = earlier.params, earlier.state
        options = {**self.fit, **given}
        _check(options, self.training.fit, f"a fit by {type(self.training.optimizer).__name__}")
        return self.training.fit(start, self.data, **options)


def load_training(
    path: str | Path, data: str | Path | None = None, lr: float | None = None, backend: str = "numba"
) -> TrainingFile:
    """The training that a file defines. Raises ModelError with one clear line.

    `data` is a csv or npz file with arrays in the place of the file's own, `lr` another learning rate.
    """
    file, colon, name = str(path).rpartition(":")
    if colon and file.endswith(".py") and not Path(path).exists():
        raise ModelError(f"a training is a whole file: {file}, without {name}")
    scope = vars(run_file(Path(path)))
    missing = [name for name in ("loss", "params", "data") if name not in scope]
    if missing:
        raise ModelError(
            f"{path} does not define {', '.join(missing)}: a training needs loss, params and data (for a file of data"
            " its symbols alone: data = [x, y]); one expression is MODEL.py:NAME"
        )
    _check_names(scope, path)
    params, frozen = _dict(scope, "params", path), _dict(scope, "frozen", path)
    given = scope["data"]
    symbols = list(given)
    options = {name: scope[name] for name in _OPTIONS if name in scope} | _dict(scope, "options", path)
    if lr is not None:
        if not isinstance(options.get("optimizer"), Optimizer):
            raise OptionError(f"{path} names no optimizer whose learning rate --lr could be")
        options["optimizer"] = replace(options["optimizer"], lr=lr)
    _check(options, compile_training, f"{path}: a training")
    training = compile_training(
        scope["loss"],
        list(params),
        symbols,
        frozen=list(frozen),
        name=Path(path).stem,
        **{"backend": backend, **options},
    )
    found = given if data is None else read_data(Path(data), symbols)
    named = {name_of(symbol): value for symbol, value in found.items()} if isinstance(found, Mapping) else None
    start = {name_of(symbol): value for symbol, value in {**params, **frozen}.items()}
    return TrainingFile(training, start, named, _dict(scope, "fit", path))


def _check_names(scope: Mapping[str, Any], path: Any) -> None:
    """Raise ModelError for a name that looks like one that is read, and is not: training would go on without it."""
    for name in scope:
        meant = get_close_matches(name, [known for known in _NAMES if known not in scope], 1, _ALIKE)
        if meant and not name.startswith("_") and not isinstance(scope[name], ModuleType):
            raise ModelError(
                f"{path} defines {name}, which no training reads: did you mean {meant[0]}? (If not, call it _{name}.)"
            )
        if name in _OF_FIT and name not in _dict(scope, "fit", path):
            raise ModelError(f'{path} defines {name}, which is read from fit alone: fit = {{"{name}": {name}}}')


def _check(options: Mapping[str, Any], function: Callable[..., Any], whose: str) -> None:
    """Raise OptionError for names that are no options of it."""
    known = [
        name for name in signature(function).parameters if name not in ("loss", "params", "data", "frozen", "name")
    ]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise OptionError(f"{whose} has no option {', '.join(map(repr, unknown))}; it has {', '.join(known)}")


def _dict(scope: Mapping[str, Any], name: str, path: Any) -> dict[Any, Any]:
    found = scope.get(name, {})
    if not isinstance(found, Mapping):
        raise ModelError(f"{path}: {name} must be a dict, not a {type(found).__name__}")
    return dict(found)
