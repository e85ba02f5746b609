"""What runs an emitted program: machine code, a module through Numba, or a module in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from symbackprop.emit.escape import comment
from symbackprop.errors import DomainError, OutOfRange
from symbackprop.ir.signature import Signature
from symbackprop.jit import elementwise_loop, explained, load
from symbackprop.runtime.blocks import Blocks
from symbackprop.runtime.direct import Direct
from symbackprop.runtime.results import Nesting


class Runner:
    """The functions of one program, called with arguments as `runtime.door` casts them."""

    def __init__(
        self,
        signature: Signature,
        target: str,
        dtype: str,
        source: Callable[[], str],
        direct: Direct | None,
        blocks: Blocks | None,
    ) -> None:
        """`blocks` says how threads share a batch; None where one thread does it all."""
        self.signature, self.target, self.dtype, self.blocks = signature, target, dtype, blocks
        self._source, self._machine_code = source, direct
        self.main = signature.main
        self.quick: dict[str, Callable[..., Any]] = {}
        """What serves calls whose arguments need no casting, once a first call has gone the long way."""
        self._loops: dict[str, Any] = {}

    @property
    def direct(self) -> Direct | None:
        """The direct route; None where another backend or route is wanted, or the program has no form there."""
        direct = self._machine_code
        return direct if direct is not None and direct.is_whole else None

    @cached_property
    def module(self) -> dict[str, Any]:
        """The names of the emitted module."""
        return load(self._source())

    def run(self, name: str, values: list[Any]) -> Any:
        """What the emitted function of this name returns."""
        if self.target == "python":
            values = [value.tolist() if isinstance(value, np.ndarray) else value for value in values]
        if self.target == "numba":
            values = _plain(values)
        with self._own_errors(values):
            if self.direct is None:
                return self.module[name](*values)
            if self.blocks is not None:
                return self.blocks.run(self.direct.into(name), values, self.signature, name != "value")
            result = self.direct.run(name, values)
            self.quick.update(self.direct.entries(name))
            return result

    def write(self, name: str, values: list[Any], out: list[Any]) -> list[Any] | None:
        """The values and leaves of the emitted function of this name, the last of them in the arrays `out`; None where
        these cannot be written as they are, and nothing is done.
        """
        if self.direct is None or self.blocks is not None:
            return None
        values = _plain(values)
        with self._own_errors(values):
            into = self.direct.into(name)
            shapes = into.shapes(values)
            count = len(shapes) - len(out)
            if not _serve(out, shapes[count:], into.assembly.dtype, values):
                return None
            room = [np.empty(shape, self.dtype) if shape else None for shape in shapes[:count]]
            found = into.run(values, [*room, *[array if array.shape else None for array in out]])
            for array, number in zip(out, found[count:], strict=True):
                if not array.shape:
                    array[...] = number
            return found

    def columns(self, name: str, length: int, columns: list[Any], scalars: list[bool], shapes: list[Any]) -> list[Any]:
        """The results of a function over 1-D arrays of the arguments that are `scalars`, in one compiled loop: an
        array each, with an axis of entries in front. `shapes` are those of single results.
        """
        try:
            if self.direct is not None:
                return self.direct.columns(name, _plain(columns))
            outs = [np.empty((length, *own), self.dtype) for own in shapes]
            if name not in self._loops:
                nesting = Nesting.of(self.signature, name != "value")
                bare = nesting.bare_value, nesting.bare_leaf
                numbers = [not own for own in shapes]
                self._loops[name] = elementwise_loop(
                    self.module[name], scalars, numbers, nesting.values, nesting.derivative, bare
                )
            self._loops[name](length, *columns, *outs)
            return outs
        except ValueError as error:
            raise self._at_kink(error) or error from error

    @contextmanager
    def _own_errors(self, values: list[Any]) -> Iterator[None]:
        """Errors of emitted code as ours."""
        try:
            yield
        except IndexError as error:
            given = "; ".join(_given(self.signature, values))
            raise OutOfRange(f"{error}: {given}. Indices start at 0, and none wraps around") from error
        except Exception as error:
            failure = self._at_kink(error) or explained(error)
            if failure is None:
                raise
            raise failure from error

    def _at_kink(self, error: Exception) -> DomainError | None:
        """What an emitted module raises at a kink (see `ops.nonsmooth.off_kink`), as our own error, with the line that
        checks it: machine code has no lines of its own in a traceback.
        """
        if not (isinstance(error, ValueError) and "kinks='raise'" in str(error)):
            return None
        failure = DomainError(str(error))
        lines = enumerate(self._source().splitlines(), 1)
        found = [f"line {number}: {line.strip()}" for number, line in lines if comment(str(error)) in line]
        if found:
            failure.add_note("\n".join(["in the emitted module (see .source and .trace):", *found[-3:]]))
        return failure


def _given(signature: Signature, values: list[Any]) -> Iterator[str]:
    """What integers hold, one of which is, or leads to, the index that is wrong; and how long the arrays are."""
    for argument, value in zip(signature.arguments, values, strict=True):
        if argument.dtype == "int" and np.size(value):
            low, high = np.min(value), np.max(value)
            yield f"{argument.name} holds {low} to {high}" if np.ndim(value) else f"{argument.name} is {value}"
        elif np.ndim(value):
            yield f"{argument.name} has shape {np.shape(value)}"


def _plain(values: list[Any]) -> list[Any]:
    """The arrays among arguments contiguous and aligned, of the very type that NumPy has for their numbers: without
    metadata.
    """
    return [_plain_array(value) if isinstance(value, np.ndarray) else value for value in values]


def _plain_array(array: Any) -> Any:
    array = np.ascontiguousarray(array)
    array = array if array.flags.aligned else array.copy()
    own = np.dtype(array.dtype.str)
    return array if array.dtype is own else array.view(own)


def _serve(out: list[Any], shapes: list[tuple[int, ...]], dtype: str, values: list[Any]) -> bool:
    """Whether machine code may write its results into these arrays: of their shape and type, and nobody else's."""
    for position, (array, shape) in enumerate(zip(out, shapes, strict=True)):
        if type(array) is not np.ndarray or array.shape != shape or array.dtype != dtype:
            return False
        if not (array.flags.c_contiguous and array.flags.aligned and array.flags.writeable):
            return False
        others = [*out[:position], *[value for value in values if isinstance(value, np.ndarray)]]
        if any(np.may_share_memory(array, other) for other in others):
            return False
    return True
