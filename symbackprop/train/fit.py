"""One run: the compiled loop called for blocks of epochs, with what has to happen between them.

A block takes `_BLOCK` seconds, so that Ctrl-C is heard and progress shown; it is one epoch where something is to be
done after each. What a run is does not depend on how it is cut: orders are drawn epoch by epoch.
"""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.errors import CallError, Diverged, OptionError, OutOfRange, ShapeMismatch, SymbackpropWarning
from symbackprop.train.data import counted, look_over, minibatch, named
from symbackprop.train.run import History, Run, State
from symbackprop.train.schedules import Plateau
from symbackprop.train.trouble import first_wrong

if TYPE_CHECKING:
    from symbackprop.train.training import Training

BLOCK_SECONDS = 0.2
MOST_ORDERED = 4_000_000
"""No block is given more places of samples than this: 32 MB."""
EXPLODED = 1e6
"""A gradient so many times as long as that of the first epoch is warned of."""
_SHOWN_AFTER = 1.0
"""Seconds after which a run shows its progress, on a terminal, where it is not told to."""


class Fit:
    """One call of `Training.fit`."""

    def __init__(
        self,
        training: Training,
        params: Mapping[Any, Any],
        data: Mapping[Any, Any],
        epochs: int,
        batch_size: int | None,
        shuffle: bool,
        seed: int,
        validation: Mapping[Any, Any] | None,
        patience: int | None,
        progress: bool | None,
        callback: Callable[[int, Run], Any] | None,
        state: State | None,
    ) -> None:
        self.training, self.dtype = training, np.dtype(training.dtype)
        self.epochs = counted("epochs", epochs)
        given_params = named(training.started(params), (*training.moved, *training.frozen), "params")
        given_data = named(data, training.inputs, "data")
        arguments = (*training.moved, *training.frozen, *training.inputs)
        given = look_over(arguments, {**given_params, **given_data}, training.dtype)
        # A run keeps parameters, and hands them out: those of the user stay the user's.
        given.values[: len(training.params)] = map(copy, given.values[: len(training.params)])
        count, self.kept = len(training.moved), given.values[len(training.moved) :]
        self.frozen = dict(zip(training.params[count:], self.kept, strict=False))
        self.samples = given.lengths[training.dimension] if training.dimension else 1
        self.batch_size = minibatch(batch_size, self.samples)
        self.batches = -(-self.samples // self.batch_size)
        training.check_minibatches(self.batch_size, self.samples)
        # Of all samples at once every order gives the same.
        self.shuffled = bool(shuffle) and self.batches > 1
        self.loop = training.loop(self.shuffled)
        self.loop.prepare()
        self.validation = None if validation is None else self._held_out(validation, given_params)
        self.data = dict(zip(training.data, given.values[len(training.params) :], strict=True))
        self.patience = None if patience is None else counted("patience", patience, 1)
        self.progress, self.callback = progress, callback
        start = state or State(training.zeros(given.lengths), generator=_generator_state(_seeded(seed)))
        # Replaced as one, so that an interrupt finds what belongs together.
        self.reached = [*given.values[:count], *self._slots(start)], start
        self.generator = np.random.Generator(np.random.PCG64())
        if start.generator is not None:
            self.generator.bit_generator.state = start.generator
        self.first = start.epochs
        self.history: dict[str, list[Any]] = {name: [] for name in ("loss", "grad_norm", "lr", "seconds")}
        self.best: tuple[float, int, dict[str, Any]] | None = None

    def _held_out(self, validation: Mapping[Any, Any], params: Mapping[str, Any]) -> dict[str, Any]:
        """The validation data, looked over. Raises ShapeMismatch where they hold no samples, which have no loss."""
        training = self.training
        arguments = (*training.moved, *training.frozen, *training.inputs)
        values = named(validation, training.inputs, "validation data")
        found = look_over(arguments, {**params, **values}, training.dtype)
        if training.dimension and found.lengths[training.dimension] == 0:
            raise ShapeMismatch("the validation data hold no samples")
        return values

    def _slots(self, state: State) -> list[Any]:
        names = self.training.slots
        if not isinstance(state, State) or set(state.slots) != set(names):
            raise CallError(
                f"state is not that of a run of this optimizer, which carries {', '.join(names) or 'nothing'}"
            )
        return [np.array(state.slots[name], self.dtype) for name in names]

    @property
    def state(self) -> State:
        """Where the run stands."""
        return self.reached[1]

    # Blocks.

    def run(self) -> Run:
        """All epochs, or as many as there are until something ends the run."""
        stopped, length, started, done = "", 1, time.perf_counter(), 0
        try:
            while done < self.epochs:
                length = min(length, self.epochs - done)
                seconds = self._block(length)
                done += length
                stopped = self._after_epoch() if self._every_epoch else ""
                self._show(done, time.perf_counter() - started)
                if stopped:
                    break
                length = self._next_length(length, seconds)
        except KeyboardInterrupt:
            stopped = "interrupted"
        finally:
            self._show(done, time.perf_counter() - started, last=True)
        run = self._run(stopped)
        _warn_of_explosion(run.history.grad_norm)
        return run

    @property
    def _every_epoch(self) -> bool:
        watches = self.patience or self.callback or self.training.metrics or self.training.plateau
        return self.validation is not None or bool(watches)

    def _next_length(self, length: int, seconds: float) -> int:
        if self._every_epoch:
            return 1
        longest = max(1, MOST_ORDERED // self.samples) if self.shuffled else 10**6
        return max(1, min(longest, int(length * min(16.0, BLOCK_SECONDS / max(seconds, 1e-9)))))

    def _block(self, length: int) -> float:
        """So many epochs. Nothing of this object changes where it is interrupted."""
        before = self.generator.bit_generator.state
        start = time.perf_counter()
        try:
            results = self._called(length)
        except BaseException:
            self.generator.bit_generator.state = before
            raise
        seconds = time.perf_counter() - start
        reached = int(results[3][0])
        if reached < length * self.batches:
            self.generator.bit_generator.state = before
            self._diverged(*divmod(reached, self.batches), results[4:])
        losses, norms, rates, _, *carried = results
        for name, values in (("loss", losses), ("grad_norm", norms), ("lr", rates)):
            self.history[name].append(values)
        self.history["seconds"].append(np.full(length, seconds / length))
        self.reached = carried, self._advanced(carried, length)
        return seconds

    def _advanced(self, carried: list[Any], length: int) -> State:
        state, count = self.state, len(self.training.moved)
        slots = dict(zip(self.training.slots, carried[count:], strict=True))
        epochs, steps = state.epochs + length, state.steps + length * self.batches
        generator = _generator_state(self.generator.bit_generator)
        return replace(state, slots=slots, steps=steps, epochs=epochs, generator=generator)

    def _called(self, length: int) -> list[Any]:
        training, state = self.training, self.state
        order = []
        if self.shuffled:
            drawn = [self.generator.permutation(self.samples) for _ in range(length)]
            order = [np.array(drawn, np.int64).reshape(length, self.samples)]
        # Exactly the type of the program, which the entry asks for.
        real = float if self.dtype == np.float64 else np.float32
        rate, total = real(training.optimizer.lr * state.scale), real(self.first + self.epochs)
        carried = training.packed(self.reached[0])
        try:
            results = self.loop(
                *carried, *self.kept, *order, rate, total, length, self.batch_size, state.steps, state.epochs
            )
        except IndexError as error:
            raise OutOfRange(f"{error}: the data hold an index, or a label, that the model has no place for") from error
        except ValueError as error:
            raise CallError(str(error)) from error
        return [*results[:4], *training.unpacked(results[4:])]

    def _diverged(self, epochs: int, batch: int, carried: list[Any]) -> None:
        """Say where, with the epochs before it done once more; `carried` is what the bad step started from."""
        if epochs:
            self._block(epochs)
        rows = slice(batch * self.batch_size, (batch + 1) * self.batch_size)
        order = np.random.Generator(np.random.PCG64())
        order.bit_generator.state = self.state.generator or order.bit_generator.state
        picked = (order.permutation(self.samples) if self.shuffled else np.arange(self.samples))[rows]
        formula, found = first_wrong(self.training.graph, self.training.inputs_of(carried, self.kept, picked))
        where = (
            f"the loss is not a finite number in epoch {self.state.epochs}, batch {batch} (both from 0)"
            f"{f': there {formula} is {found}' if found else ''}"
        )
        if formula in self.training.params and not self.state.steps and not batch:
            error = Diverged(f"{where}; the first values must be finite")
        elif formula in self.data:
            error = Diverged(f"{where}; the data must be finite: leave such samples out")
        else:
            error = Diverged(
                f"{where}; a smaller learning rate, clip_norm=, or a stable form of the loss may help; error.run is"
                " what was reached before that epoch"
            )
            error.found = where
        error.run = self._run("diverged")
        raise error

    # After an epoch.

    def _after_epoch(self) -> str:
        """What the user wants to know or to do; the reason to end the run, if there is one."""
        params = self._params()
        watched = float(self.history["loss"][-1][-1])
        if self.validation is not None or self.training.metrics:
            found = self.training.evaluate(params, self.validation if self.validation is not None else self.data)
            loss = found.pop("loss")
            if self.validation is not None:
                found["val_loss"], watched = loss, loss
            for name, value in found.items():
                self.history.setdefault(name, []).append(np.array([value]))
        if self.training.plateau is not None:
            self.reached = self.reached[0], _waited(self.state, self.training.plateau, watched)
        if self.patience:
            # No loss is the worst there is: the first number after it is better.
            watched = math.inf if math.isnan(watched) else watched
            if self.best is None or watched < self.best[0]:
                self.best = watched, self.state.epochs, params
            elif self.state.epochs - self.best[1] >= self.patience:
                return "patience"
        if self.callback is not None and self.callback(self.state.epochs - 1, self._run("")) is True:
            return "callback"
        return ""

    def _params(self) -> dict[str, Any]:
        own = dict(zip(self.training.params, self.reached[0], strict=False))
        return {**own, **self.frozen}

    def _run(self, stopped: str) -> Run:
        done = self.state.epochs - self.first
        history = History({name: _epochs(values, done) for name, values in self.history.items()})
        params = self._params() if self.best is None else self.best[2]
        best = None if self.best is None else self.best[1] - 1
        return Run(params, history, self.state, stopped, best, self.training.title)

    def _show(self, done: int, seconds: float, last: bool = False) -> None:
        """A line on stderr, over and over."""
        wanted = self.progress
        if wanted is None:
            wanted = sys.stderr.isatty() and seconds > _SHOWN_AFTER
        if not wanted or not self.history["loss"]:
            return
        loss = self.history["loss"][-1][-1]
        line = f"epoch {done}/{self.epochs}   loss {loss:.6g}   {seconds:.1f} s"
        print(f"\r{line:<60}", end="\n" if last else "", file=sys.stderr, flush=True)


def _warn_of_explosion(norms: Any) -> None:
    if len(norms) and np.max(norms) > EXPLODED * (1.0 + norms[0]):
        epoch = int(np.argmax(norms > EXPLODED * (1.0 + norms[0])))
        warnings.warn(
            f"the gradient's norm grew from {norms[0]:.3g} to {norms[epoch]:.3g} in epoch {epoch} (from 0): it"
            " explodes; a smaller learning rate or clip_norm= may help",
            SymbackpropWarning,
            stacklevel=5,
        )


def _waited(state: State, plateau: Plateau, loss: float) -> State:
    """A lower learning rate where the loss has stayed too long."""
    if loss < state.best * (1.0 - plateau.threshold):
        return replace(state, best=loss, waited=0)
    if state.waited < plateau.patience:
        return replace(state, waited=state.waited + 1)
    return replace(state, scale=state.scale * plateau.factor, waited=0)


def _epochs(blocks: list[Any], done: int) -> Any:
    """An entry an epoch; nan where an interrupt came before it."""
    found = np.concatenate(blocks)[:done] if blocks else np.empty(0)
    return np.concatenate([found, np.full(done - len(found), np.nan)]) if len(found) < done else found


def _seeded(seed: Any) -> np.random.PCG64:
    try:
        return np.random.PCG64(seed)
    except (TypeError, ValueError):
        raise OptionError(f"seed={seed!r}: an integer of at least 0 is due") from None


def _generator_state(generator: Any) -> dict[str, Any]:
    return dict(generator.state)
