"""A batch in blocks of samples, which the threads of a machine share.

Where the blocks begin depends on the model and the number of samples alone, and what is summed over samples is summed
block after block, so that one thread or sixteen give the same result to the last bit.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from symbackprop.ir.signature import Signature
from symbackprop.jit.into import Into
from symbackprop.runtime.results import Nesting

_FEWEST, _MOST, _WORK = 256, 1 << 17, 1 << 22
"""Samples of a block: as many powers of two as hold so many additions, 0.1 to 1 ms of work in lanes. A block costs 7 us
more than its samples, and as much again where another thread does it."""


class Blocks(NamedTuple):
    """How a batch is cut, and what becomes of the results of the blocks."""

    samples: int
    reduce: str | None

    @classmethod
    def of(cls, operations: float, reduce: str | None) -> Blocks:
        """Blocks for a model of so many additions a sample."""
        samples = _MOST
        while samples > _FEWEST and samples * operations > _WORK:
            samples //= 2
        return cls(samples, reduce)

    def run(self, into: Into, values: list[Any], signature: Signature, derivative: bool) -> Any:
        """What the emitted function returns for a whole batch, block by block."""
        arguments = signature.arguments[: len(values)]
        in_batch = [argument.batched for argument in arguments]
        count = next(len(value) for value, batched in zip(values, in_batch, strict=True) if batched)
        one_a_sample = self._one_a_sample(signature, derivative)
        shapes, dtype = into.shapes(values), into.assembly.dtype
        wholes = [np.empty(shape, dtype) if own else None for shape, own in zip(shapes, one_a_sample, strict=True)]

        def block(start: int) -> list[Any]:
            end = min(start + self.samples, count)
            given = [value[start:end] if batched else value for value, batched in zip(values, in_batch, strict=True)]
            room = [
                whole[start:end] if whole is not None else np.empty(shape, dtype) if shape else None
                for whole, shape in zip(wholes, shapes, strict=True)
            ]
            found = into.run(given, room)
            if self.reduce == "mean" and count > self.samples:
                # A mean over a block counts as much as the block has samples.
                found = [
                    np.multiply(part, (end - start) / count, out=part if np.ndim(part) else None) for part in found
                ]
            return found

        parts = shared_out(block, range(0, max(count, 1), self.samples))
        flat = [
            functools.reduce(lambda total, part: total + part, column) if whole is None else whole
            for column, whole in zip(zip(*parts, strict=True), wholes, strict=True)
        ]
        return Nesting.of(signature, derivative).nested(flat)

    def _one_a_sample(self, signature: Signature, derivative: bool) -> list[bool]:
        """Of each result, whether it has an entry for each sample."""
        alone = self.reduce is None
        members = {m for argument in signature.arguments if argument.batched for m in argument.members}
        leaves = [alone or not members.isdisjoint(leaf.members) for leaf in signature.leaves] if derivative else []
        return [alone] * signature.value_count + leaves


def shared_out(block: Callable[[int], Any], starts: range, most: int | None = None) -> list[Any]:
    """The results of all blocks, in order, by as many threads as may run, or at most so many."""
    workers = min(threads(), len(starts), most or threads())
    results: list[Any] = [None] * len(starts)

    def work(worker: int) -> None:
        for position in range(worker, len(starts), workers):
            results[position] = block(starts[position])

    others = [_pool().submit(work, worker) for worker in range(1, workers)]
    try:
        work(0)
    finally:
        errors = ended(others)
    for error in errors:
        if error is not None:
            raise error
    return results


def ended(others: list[Future[None]]) -> list[BaseException | None]:
    """What other threads ended with. They are waited for, whatever comes: they write into arrays of their caller's."""
    interrupt: KeyboardInterrupt | None = None
    while True:
        try:
            errors = [other.exception() for other in others]
        except KeyboardInterrupt as error:
            interrupt = error
        else:
            return errors if interrupt is None else [interrupt, *errors]


def threads() -> int:
    """How many threads may run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, threads() - 1), thread_name_prefix="symbackprop")


# A child of a fork has none of its parent's threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
