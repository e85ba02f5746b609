"""What a training run leaves: parameters, history, and the state from which it can go on; and files of these."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from symbackprop.emit.files import replace_atomically
from symbackprop.errors import ModelError, OptionError
from symbackprop.train.array_files import read_npz
from symbackprop.train.plot import curves

_FORMAT = 1


class History(dict[str, Any]):
    """Arrays with one entry an epoch: ``loss``, ``grad_norm`` (the largest of the epoch), ``lr``, ``seconds``, and
    where they are asked for ``val_loss`` and metrics. Names are attributes as well.

    >>> History(loss=np.array([1.0, 0.5])).loss[-1]
    np.float64(0.5)
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the history has no {name!r}; it has {', '.join(self)}") from None

    def frame(self) -> Any:
        """The history as a pandas frame. Raises OptionError where pandas is not installed."""
        try:
            import pandas
        except ImportError:
            raise OptionError("history.frame() needs pandas: pip install pandas") from None
        return pandas.DataFrame(dict(self)).rename_axis("epoch")


@dataclass(frozen=True)
class State:
    """Where a run stands, at the end of an epoch: what the optimiser carries, how many steps and epochs are done, and
    the generator that orders the samples.
    """

    slots: dict[str, Any]
    steps: int = 0
    epochs: int = 0
    generator: dict[str, Any] | None = None
    scale: float = 1.0
    """What the learning rate is multiplied by, where a plateau has reduced it."""
    best: float = float("inf")
    waited: int = 0
    """On a plateau: the least loss so far, and how many epochs have not been better."""


@dataclass(frozen=True)
class Run:
    """A training run, finished or not: ``params`` by name, `History`, and the `State` to go on from.

    ``stopped`` says why it ended before its last epoch: "" if it did not, "patience", "callback" or "interrupted".
    """

    params: dict[str, Any]
    history: History
    state: State
    stopped: str = ""
    best_epoch: int | None = None
    title: str = field(default="", repr=False)

    def __repr__(self) -> str:
        """One line: a run at the prompt has thousands of numbers."""
        losses = self.history.get("loss", ())
        said = [f"{len(losses)} epochs, {self.state.steps} steps in all"]
        if len(losses):
            said.append(f"loss {losses[0]:.6g} -> {losses[-1]:.6g}")
        if self.stopped:
            said.append(f"stopped by {self.stopped}")
        if self.best_epoch is not None:
            said.append(f"best after epoch {self.best_epoch}")
        return f"<run of {', '.join(self.params)}: {', '.join(said)}>"

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """The curves of the history, as a matplotlib figure; written to `path` if there is one.

        Raises OptionError where matplotlib is not installed.
        """
        return curves(self.history, self.title, path)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the run to an npz file: aside, and then renamed. Raises EmitError where that cannot be done."""
        state = self.state
        about = {
            "format": _FORMAT,
            "steps": state.steps,
            "epochs": state.epochs,
            "generator": state.generator,
            "plateau": [state.scale, state.best, state.waited],
            "stopped": self.stopped,
            "best_epoch": self.best_epoch,
            "title": self.title,
        }
        arrays = {"about": np.array(json.dumps(about))}
        for kind, named in (("params", self.params), ("slots", state.slots), ("history", self.history)):
            arrays |= {f"{kind}/{name}": np.asarray(value) for name, value in named.items()}
        replace_atomically(path, lambda stream: np.savez(stream, allow_pickle=False, **arrays))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Run:
        """A run out of a file that `save` wrote. Raises ModelError for any other."""
        arrays = read_npz(path)
        if "about" not in arrays:
            raise ModelError(f"{os.fspath(path)} is no run: it holds {', '.join(arrays)}; Run.save writes one")
        about = json.loads(str(arrays.pop("about")))
        if about.get("format") != _FORMAT:
            raise ModelError(f"{os.fspath(path)} is a run of another format, {about.get('format')!r}")
        state = State(_part(arrays, "slots"), about["steps"], about["epochs"], about["generator"], *about["plateau"])
        history = History(_part(arrays, "history"))
        return cls(_part(arrays, "params"), history, state, about["stopped"], about["best_epoch"], about["title"])


def _part(arrays: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {
        name.removeprefix(f"{kind}/"): array if array.ndim else array[()]
        for name, array in arrays.items()
        if name.startswith(f"{kind}/")
    }
