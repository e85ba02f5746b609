"""Many fits of one training in one call: a block of series is one call of machine code, and threads share the blocks.

Rounds of epochs go over all series, so that Ctrl-C is heard: what a run is does not depend on how it is cut. A series
comes out bit for bit as `fit` alone gives it; one whose loss stops being finite is left where it is, done once more by
`fit`, which says why, and the others go on.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.errors import OptionError, ShapeMismatch, SymbackpropError, SymbackpropWarning
from symbackprop.ir.signature import Argument
from symbackprop.jit.blocks import InBlocks
from symbackprop.ops.extents import measured
from symbackprop.runtime.blocks import shared_out, threads
from symbackprop.train.data import counted, look_over, minibatch, named
from symbackprop.train.fit import BLOCK_SECONDS, EXPLODED, MOST_ORDERED
from symbackprop.train.run import History, Run, State
from symbackprop.train.series import Column, column, counted_series, seeds_of

if TYPE_CHECKING:
    from symbackprop.train.training import Training

_HISTORY = ("loss", "grad_norm", "lr")
_PARTS = 8
"""Blocks that a thread takes in a round: fits are not equally long."""


@dataclass(frozen=True)
class Runs:
    """Many runs: ``params`` by name, and the arrays of ``history`` (``loss``, ``grad_norm``, ``lr``), have an axis of
    series before all others. ``errors`` says by number of the series what went wrong in it; its parameters are those
    from before that epoch, its history ends in nan. ``runs[i]`` is one of them, with the `State` to go on from.
    """

    params: dict[str, Any]
    history: History
    epochs: Any
    seconds: float
    errors: dict[int, SymbackpropError] = field(default_factory=dict)
    stopped: str = ""
    state: Callable[[int], State] = field(default=lambda series: State({}), repr=False)
    """The `State` of a series."""

    def __len__(self) -> int:
        return len(self.epochs)

    def __getitem__(self, series: int) -> Run:
        own = range(len(self))[series]
        done = int(self.epochs[own])
        history = History({name: values[own, :done] for name, values in self.history.items()})
        params = {name: values[own] for name, values in self.params.items()}
        return Run(params, history, self.state(own), "diverged" if own in self.errors else self.stopped)

    def __repr__(self) -> str:
        """One line."""
        wrong = f", {len(self.errors)} of them went wrong (see errors)" if self.errors else ""
        return f"<{len(self)} runs of {', '.join(self.params)} in {self.seconds:.3g} s{wrong}>"


class ManyFits:
    """One call of `Training.fit_many`."""

    def __init__(
        self,
        training: Training,
        params: Mapping[Any, Any],
        data: Mapping[Any, Any],
        epochs: int,
        batch_size: int | None,
        shuffle: bool,
        seed: Any,
        threads: int | None,
    ) -> None:
        if training.plateau is not None or training.metrics:
            raise OptionError("fit_many does nothing between epochs: a plateau and metrics need fit")
        self.training, self.epochs = training, counted("epochs", epochs)
        self.threads = None if threads is None else counted("threads", threads, 1)
        self.options: dict[str, Any] = {"epochs": self.epochs, "batch_size": batch_size, "shuffle": bool(shuffle)}
        params = named(training.started(params), (*training.moved, *training.frozen), "params")
        values = params | named(data, training.inputs, "data")
        arguments = (*training.moved, *training.frozen, *training.inputs)
        self.columns = {a.name: column(a, values[a.name], training.dtype) for a in arguments}
        self.count = counted_series([*self.columns.values()], seed)
        self.seeds = seeds_of(seed, self.count)
        self.lengths = self._looked_over()
        dimension = training.dimension
        self.samples = np.array([lengths[dimension] if dimension else 1 for lengths in self.lengths])
        self.sizes = np.array([minibatch(batch_size, int(samples)) for samples in self.samples])
        self.batches = -(-self.samples // self.sizes)
        for size, samples in {*zip(self.sizes.tolist(), self.samples.tolist(), strict=True)}:
            training.check_minibatches(size, samples)
        # Of all samples at once every order gives the same.
        self.shuffled = (self.batches > 1) & bool(shuffle)
        self.carried = [self._first(argument) for argument in training.carried]
        self.history = {name: np.empty((self.count, self.epochs), training.dtype) for name in _HISTORY}
        self.done = np.zeros(self.count, np.int64)
        self.generators: dict[Any, Any] = {}
        self.errors: dict[int, SymbackpropError] = {}

    def _looked_over(self) -> list[dict[str, int]]:
        """The lengths of named dimensions, by series; one of each combination of shapes is looked over."""
        training, columns = self.training, self.columns
        arguments = tuple(found.argument for found in columns.values())
        ragged = [found for found in columns.values() if isinstance(found.each, list)]
        for found in ragged:
            if found.argument.name in training.params:
                raise ShapeMismatch(f"{found.argument.name!r} has one shape in all series: give an array of them all")
        known: dict[Any, dict[str, int]] = {}
        lengths: list[dict[str, int]] = []
        for series in range(self.count):
            if series and not ragged:
                return lengths * self.count
            key = tuple(found.of(series).shape for found in ragged)
            if key not in known:
                given = {name: found.of(series) for name, found in columns.items()}
                known[key] = look_over(arguments, given, training.dtype).lengths
            lengths.append(known[key])
        return lengths

    def _first(self, argument: Argument) -> Any:
        """What all series carry at first, of the shape that the loop takes, an axis of series before."""
        given = self.columns.get(argument.name)
        shape = tuple(measured(extent, self.lengths[0]) for extent in argument.full_shape)
        if given is None:
            return np.zeros((self.count, *shape), self.training.dtype)
        return np.array(given.stacked(self.count), self.training.dtype).reshape(self.count, *shape)

    def run(self) -> Runs:
        """All fits."""
        start, stopped = time.perf_counter(), ""
        try:
            for shuffled in (False, True):
                own = np.flatnonzero(self.shuffled == shuffled)
                if len(own):
                    self._fitted(own, shuffled)
        except KeyboardInterrupt:
            stopped = "interrupted"
        carried = zip(self.training.carried, self.carried, strict=True)
        params = {a.name: _plain(a, stack) for a, stack in carried if a.name in self.columns}
        params |= {a.name: self.columns[a.name].stacked(self.count) for a in self.training.frozen}
        most = int(self.done.max())
        self.history = {name: values[:, :most] for name, values in self.history.items()}
        for values in self.history.values():
            values[np.arange(most) >= self.done[:, None]] = np.nan
        self._warn_of_explosions()
        seconds = time.perf_counter() - start
        return Runs(params, History(self.history), self.done, seconds, self.errors, stopped, self._state)

    def _state(self, series: int) -> State:
        """Where a series stands."""
        done = int(self.done[series])
        found = self.generators.get(series) or self.generators.get(self._key(series))
        generator = found or dict(np.random.PCG64(self.seeds[series]).state)
        count = len(self.training.moved)
        values = [_plain(a, stack)[series] for a, stack in zip(self.training.carried, self.carried, strict=True)]
        slots = dict(zip(self.training.slots, values[count:], strict=True))
        return State(slots, done * int(self.batches[series]), done, generator)

    def _key(self, series: int) -> tuple[int, int] | None:
        """Series of one key take their samples in the same orders."""
        return (self.seeds[series], int(self.samples[series])) if self.shuffled[series] else None

    def _warn_of_explosions(self) -> None:
        norms = self.history["grad_norm"]
        if norms.size:
            with np.errstate(invalid="ignore"):
                wild = np.flatnonzero(np.any(norms > EXPLODED * (1.0 + norms[:, :1]), axis=1))
            if len(wild):
                warnings.warn(
                    f"the gradient explodes in {len(wild)} of {self.count} series, the first of them {wild[0]}: a"
                    " smaller learning rate or clip_norm= may help",
                    SymbackpropWarning,
                    stacklevel=4,
                )

    # Fits.

    def _fitted(self, own: Any, shuffled: bool) -> None:
        """These series, which all take their samples in orders, or none of them does."""
        loop = self.training.loop(shuffled)
        loop.prepare()
        if loop.in_blocks is None:
            for series in own:
                self._alone(int(series))
            return
        slots = Slots(self, own, loop.in_blocks)
        wrong, length, done = [], 1, 0
        try:
            while done < self.epochs and len(slots.own):
                length = min(length, self.epochs - done)
                start = time.perf_counter()
                wrong += slots.run(done, length)
                done += length
                seconds = time.perf_counter() - start
                length = max(1, min(slots.longest, int(length * min(16.0, BLOCK_SECONDS / max(seconds, 1e-9)))))
        finally:
            for series in wrong:
                self._alone(series)

    def _alone(self, series: int) -> None:
        """One series by `fit`."""
        training = self.training
        given = {name: found.of(series) for name, found in self.columns.items()}
        params, data = ({name: given[name] for name in names} for names in (training.params, training.data))
        run: Run | None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SymbackpropWarning)  # of explosions: told of all series at once
                run = training.fit(params, data, **self.options, seed=self.seeds[series], progress=False)
        except SymbackpropError as error:
            self.errors[series] = error
            run = getattr(error, "run", None)
        if run is not None:
            self._take(series, run)

    def _take(self, series: int, run: Run) -> None:
        done = self.done[series] = run.state.epochs
        for argument, stack in zip(self.training.carried, self.carried, strict=True):
            value = run.params[argument.name] if argument.name in run.params else run.state.slots[argument.name]
            stack[series] = np.reshape(value, stack.shape[1:])
        for name, values in self.history.items():
            values[series, :done] = run.history[name]
        self.generators[series] = run.state.generator


def _plain(argument: Argument, stack: Any) -> Any:
    """Numbers as numbers: the loop takes them in arrays of one."""
    return stack[:, 0] if argument.packed and len(argument.members) == 1 else stack


class Slots:
    """The tables of machine code for these series, and their rounds."""

    def __init__(self, fits: ManyFits, own: Any, call: InBlocks) -> None:
        self.fits, self.own, self.call = fits, own, call
        training, count = fits.training, fits.count
        self.real = np.float64 if training.dtype == "float64" else np.float32
        names = [argument.name for argument in (*training.frozen, *training.inputs)]
        self.given = [self._slot(fits.columns[name]) for name in names]
        arrays = [fits.columns[name] for name in names if len(fits.columns[name].argument.full_shape)]
        shapes = [np.repeat(np.array([stack.shape[1:]], np.int64), count, axis=0) for stack in fits.carried]
        self.shapes = np.concatenate([*shapes, *[found.extents(count) for found in arrays]], axis=1)
        self.orders: dict[Any, Any] = {}
        self.keys = {key for key in map(fits._key, own) if key}
        for key in self.keys:
            fits.generators.setdefault(key, dict(np.random.PCG64(key[0]).state))

    @property
    def longest(self) -> int:
        """How many epochs a round may have, for the sake of the orders that are drawn."""
        return max(1, MOST_ORDERED // max(1, sum(samples for _, samples in self.keys))) if self.keys else 10**6

    def _slot(self, found: Column) -> Any:
        if len(found.argument.full_shape):
            return found.addresses(self.fits.count)
        values = found.stacked(self.fits.count)
        return values if found.argument.dtype == "int" else self._reals(values)

    def _reals(self, values: Any) -> Any:
        """The bits of real numbers in slots of eight bytes."""
        slots = np.zeros(len(values), np.int64)
        slots.view(self.real)[:: 8 // np.dtype(self.real).itemsize] = values
        return slots

    def run(self, done: int, length: int) -> list[int]:
        """So many epochs of all series that are left; those in which something goes wrong are left out from then on.

        Nothing changes where it is interrupted.
        """
        fits, own = self.fits, self.own
        drawn, states = self._drawn(length)
        batches = fits.batches[own]
        reached = np.zeros((len(own), 1), np.int64)
        made = [np.empty((len(own), *stack.shape[1:]), self.real) for stack in fits.carried]
        numbers = self._reals(np.array([fits.training.optimizer.lr, fits.epochs], np.float64))
        counts = [length, fits.sizes[own], done * batches, done]
        columns: list[Any] = [stack.ctypes.data + stack.strides[0] * own for stack in fits.carried]
        columns += [slot[own] for slot in self.given]
        shapes = [self.shapes[own]]
        if drawn:
            keys = [fits._key(series) for series in own]
            columns.append(np.array([drawn[key].ctypes.data for key in keys], np.int64))
            shapes += [np.full((len(own), 1), length), fits.samples[own][:, None]]
        inputs = np.stack([np.broadcast_to(value, len(own)) for value in (*columns, *numbers, *counts)], axis=1)
        # The history is written where it stays: what comes after `done` is nobody's yet.
        places = [
            values.ctypes.data + values.itemsize * done + values.strides[0] * own for values in fits.history.values()
        ]
        places += [array.ctypes.data + array.strides[0] * np.arange(len(own)) for array in (reached, *made)]
        kept = (drawn, reached, made, fits)
        status = self._called(inputs, np.concatenate(shapes, axis=1), np.stack(places, axis=1), kept)
        good = (status == 0) & (reached[:, 0] == length * batches)
        fits.generators |= states
        for stack, values in zip(fits.carried, made, strict=True):
            stack[own[good]] = values[good]
        fits.done[own[good]] += length
        self.own = own[good]
        return [int(series) for series in own[~good]]

    def _drawn(self, length: int) -> tuple[dict[Any, Any], dict[Any, Any]]:
        """The orders of so many epochs by key, and where the generators stand after them."""
        orders, states = {}, {}
        for key in self.keys:
            generator = np.random.Generator(np.random.PCG64())
            generator.bit_generator.state = self.fits.generators[key]
            orders[key] = np.array([generator.permutation(key[1]) for _ in range(length)], np.int64)
            states[key] = dict(generator.bit_generator.state)
        return orders, states

    def _called(self, inputs: Any, shapes: Any, places: Any, kept: Any) -> Any:
        """The status of each series; threads share them in blocks. `kept` are the arrays that the tables only point to:
        a thread holds them.
        """
        block = max(1, -(-len(inputs) // (_PARTS * (self.fits.threads or threads()))))

        def run(start: int, held: Any = kept) -> Any:
            rows = slice(start, start + block)
            return self.call(inputs[rows], shapes[rows], places[rows])

        return np.concatenate(shared_out(run, range(0, len(inputs), block), self.fits.threads))
