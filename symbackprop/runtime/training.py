"""A compiled training loop as a function of this process: a block of epochs a call, with no Python between steps.

On backend numba it is machine code on the direct route (see `runtime.direct`), and Python's lock is released while it
runs; what that route does not know is compiled by Numba from the emitted module.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from symbackprop.emit.llvm import Assembly, NotLoweredError, assemble
from symbackprop.errors import InternalCompilerError
from symbackprop.jit.blocks import InBlocks
from symbackprop.jit.load import explained, load
from symbackprop.jit.native import Native, available, width
from symbackprop.lower import Program
from symbackprop.lower.training import TRAIN
from symbackprop.options import Options


class LoopFunction:
    """`train` of a program, called with arguments as they are cast at the door; it returns its results in a row."""

    def __init__(self, program: Program, source: Callable[[], str], options: Options) -> None:
        self._program, self._source, self._options = program, source, options
        self._function: Callable[..., Any] | None = None

    @property
    def route(self) -> str:
        """How the loop runs: "direct" in machine code, "njit" through Numba, or "numpy"."""
        return "direct" if self._assembly else "njit" if self._options.target == "numba" else "numpy"

    @cached_property
    def _assembly(self) -> Assembly | None:
        options = self._options
        if options.target != "numba" or options.route != "direct" or not available():
            return None
        try:
            own = options.contract, options.fast_sums
            return assemble(self._program, TRAIN, options.dtype, width(options.dtype), *own)
        except NotLoweredError:
            return None

    @cached_property
    def _native(self) -> Native:
        """The machine code, made when the loop first runs."""
        assert self._assembly is not None
        results = "tuple", tuple(range(len(self._assembly.results)))
        return Native(self._assembly, {"flat": results}, frozenset(), self._options.cache, in_blocks=True)

    @cached_property
    def in_blocks(self) -> InBlocks | None:
        """The machine code for many sets of arguments, where there is any."""
        return InBlocks(self._assembly, self._native.loaded) if self._assembly else None

    def prepare(self) -> None:
        """Make the machine code, if it is not there yet, so that no later call takes the time."""
        if self._assembly:
            _ = self._native

    def __call__(self, *values: Any) -> list[Any]:
        """The results in a row: the history, then what is carried."""
        return self._run(values) if self._assembly else self._emitted(values)

    def _run(self, values: tuple[Any, ...]) -> list[Any]:
        result = self._native.entries["flat"](*values)
        if type(result) is int:
            kind, text = self._native.errors[result - 1]
            raise kind(text)
        if result is NotImplemented:
            raise InternalCompilerError("a training loop was called with other arguments than it was compiled for")
        return list(result)

    def _emitted(self, values: tuple[Any, ...]) -> list[Any]:
        if self._function is None:
            self._function = load(self._source())[TRAIN]
        try:
            history, carried = self._function(*values)
        except Exception as error:
            told = explained(error)
            if told is None:
                raise
            raise told from error
        return [*history, *carried]
