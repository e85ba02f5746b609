"""The command ``symbackprop fit MODEL.py``: run the training that a file defines, and say what came out.

The loop of such a training is emitted by ``symbackprop emit MODEL.py``, without a name in the file.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
from pathlib import Path
from typing import Any

from symbackprop.emit.files import writable
from symbackprop.errors import Diverged, ModelError, OptionError
from symbackprop.show.numbers import duration
from symbackprop.train import Run
from symbackprop.train.lbfgs import FullBatch
from symbackprop.train.model_file import TrainingFile, load_training
from symbackprop.train.plot import figure_maker

_OF_GRADIENTS = {
    "wrt": None,
    "args": None,
    "batch": None,
    "reduce": None,
    "dtype": "float64",
    "kinks": "zero",
    "verify": "quick",
}
"""What `emit` takes for a gradient alone, with the defaults."""


def add_fit_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL.py", help="defines loss, params, data, and more: see README")
    parser.add_argument("--data", metavar="FILE", help="arrays from a .csv or .npz file instead of the model's own")
    parser.add_argument("--epochs", type=int, help="how often all samples are gone through")
    parser.add_argument("--batch-size", type=int, metavar="N", help="samples in a minibatch; default: all")
    parser.add_argument("--lr", type=float, help="learning rate of the model's optimizer")
    parser.add_argument("--seed", type=int, help="seed of the order of the samples")
    parser.add_argument("--patience", type=int, metavar="N", help="stop after N epochs without a better loss")
    parser.add_argument("--backend", choices=("numba", "numpy"), default="numba")
    parser.add_argument("--resume", metavar="FILE.npz", help="go on from a saved run")
    parser.add_argument("--save", metavar="FILE.npz", help="write parameters, history and state")
    parser.add_argument("--plot", metavar="FILE.png", help="draw the curves (needs matplotlib)")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def is_training(reference: str) -> bool:
    """Whether a file is meant, and no name in it: the training that it defines."""
    return Path(reference).suffix == ".py"


def emitted_training(arguments: argparse.Namespace) -> str:
    """The module of a training's loop, with the command in its header that writes it again."""
    model, target = arguments.model, arguments.target
    others = [name for name, default in _OF_GRADIENTS.items() if getattr(arguments, name) != default]
    if others:
        raise OptionError(
            f"--{others[0]} is of one expression, {model}:NAME; a training's loop is what its file says: set"
            " batch, or options = {...}, there"
        )
    words = ["symbackprop", "emit", relative(arguments, Path(model)), "--target", target]
    training = load_training(model, backend=target).training
    if isinstance(training, FullBatch):
        raise ModelError(f"the loop of {training.optimizer} is SciPy's; emit the gradient in it: {model}:loss")
    return training.emitted(shlex.join(words))


def relative(arguments: argparse.Namespace, path: Path) -> str:
    """The model's path, relative to the folder of the module that is written."""
    folder = Path(arguments.output).resolve().parent if arguments.output else Path.cwd()
    return os.path.relpath(path.resolve(), folder).replace(os.sep, "/")


def fit_command(arguments: argparse.Namespace) -> int:
    for path in (arguments.save, arguments.plot):
        if path:
            writable(path)  # or an error before anything takes time
    if arguments.plot:
        figure_maker()
    file = load_training(arguments.model, arguments.data, arguments.lr, arguments.backend)
    try:
        run = file.run(
            epochs=arguments.epochs,
            batch_size=arguments.batch_size,
            seed=arguments.seed,
            patience=arguments.patience,
            resume=arguments.resume,
            progress=False if arguments.quiet else None,
        )
    except Diverged as error:
        if not error.found:
            raise
        raise Diverged(
            f'{error.found}; a smaller --lr, options = {{"clip_norm": 1}} in the file, or a stable form of'
            " the loss may help"
        ) from error
    if arguments.json:
        print(json.dumps(_summary(file, run) | {"params": {n: _plain(v) for n, v in run.params.items()}}))
    else:
        print("\n".join(_lines(file, run)))
    # What came out is said before a file can fail.
    if arguments.save:
        run.save(arguments.save)
    if arguments.plot:
        run.plot(arguments.plot)
    return 0


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _summary(file: TrainingFile, run: Run) -> dict[str, Any]:
    history = run.history
    last = run.best_epoch if run.best_epoch is not None else -1
    names = [name for name in history if name not in ("seconds", "lr", "grad_norm")]
    seconds = float(sum(history["seconds"]))
    return {
        "epochs": len(history["loss"]),
        "steps": run.state.steps,
        "stopped": run.stopped,
        "seconds": seconds,
        "route": file.training.route,
        "first": {name: float(history[name][0]) for name in names if len(history[name])},
        "last": {name: float(history[name][last]) for name in names if len(history[name])},
    }


def _lines(file: TrainingFile, run: Run) -> list[str]:
    said, training = _summary(file, run), file.training
    why = f", stopped by {run.stopped}" if run.stopped else ""
    data = f" on {', '.join(training.data)}" if training.data else ""
    lines = [
        f"{training.optimizer}{data}: {said['epochs']} epochs, {said['steps']} steps in"
        f" {duration(said['seconds'])} ({training.route}){why}"
    ]
    for name, last in said["last"].items():
        lines.append(f"{name:<12} {said['first'][name]:.6g} -> {last:.6g}")
    for name, value in run.params.items():
        shape = getattr(value, "shape", ())
        lines.append(f"{name:<12} {f'array of shape {shape}' if shape else f'{float(value):.6g}'}")
    return lines
