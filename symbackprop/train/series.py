"""What is given to many fits at once: for each argument one value for all, or one a series in a stack or a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from symbackprop.errors import OptionError, ShapeMismatch
from symbackprop.ir.signature import Argument
from symbackprop.runtime.door import cast
from symbackprop.train.data import own


@dataclass(frozen=True)
class Column:
    """The values of one argument, of the program's type and contiguous: `one` for all series, or `each`, which is an
    array with an axis of series before, or a list of arrays.
    """

    argument: Argument
    one: Any = None
    each: Any = None

    @property
    def count(self) -> int | None:
        """How many series there are by this argument, if it says so."""
        return None if self.each is None else len(self.each)

    def of(self, series: int) -> Any:
        """The value of one series; a number is a number."""
        return self.one if self.each is None else self.each[series]

    def stacked(self, count: int) -> Any:
        """All values in one array, an axis of series before; only of arguments of one shape."""
        return np.repeat(np.asarray(self.one)[None], count, axis=0) if self.each is None else np.asarray(self.each)

    def addresses(self, count: int) -> Any:
        """Where the array of each series begins."""
        if self.each is None:
            return np.full(count, self.one.ctypes.data, np.int64)
        if isinstance(self.each, list):
            return np.array([array.ctypes.data for array in self.each], np.int64)
        return self.each.ctypes.data + self.each.strides[0] * np.arange(count, dtype=np.int64)

    def extents(self, count: int) -> Any:
        """The shape of the array of each series, a row each."""
        if isinstance(self.each, list):
            return np.array([array.shape for array in self.each], np.int64)
        shape = self.one.shape if self.each is None else self.each.shape[1:]
        return np.repeat(np.array([shape], np.int64), count, axis=0)


def column(argument: Argument, value: Any, dtype: str) -> Column:
    """The values of an argument. What has as many axes as the argument is for all series, with one more it is a stack;
    a list may hold an array for each. Raises CallError or ShapeMismatch that names the argument.
    """
    rank = len(argument.full_shape)
    if isinstance(value, list | tuple) and rank:
        items = [item if isinstance(item, np.ndarray) else np.asarray(item) for item in value]
        if items and all(item.ndim == rank for item in items):
            if len({item.shape for item in items}) > 1:
                return Column(argument, each=[own(cast(argument, item, dtype), dtype) for item in items])
            value = np.stack(items)
    if np.ndim(value) > rank:
        # One more axis, before all others.
        several = replace(argument, packed=False, batched=True, shape=argument.full_shape)
        return Column(argument, each=own(cast(several, value, dtype), dtype))
    return Column(argument, one=own(cast(argument, value, dtype), dtype))


def counted_series(columns: Sequence[Column], seed: Any) -> int:
    """How many series there are. Raises ShapeMismatch where two arguments do not agree, or none says."""
    told: dict[str, int] = {c.argument.name: c.count for c in columns if c.count is not None}
    if np.ndim(seed):
        told["seed"] = len(seed)
    if not told:
        raise ShapeMismatch(
            "nothing says how many series there are: give some of params, data or seed an axis of series before all"
            " others, or a list of arrays"
        )
    first, count = next(iter(told.items()))
    for name, other in told.items():
        if other != count:
            raise ShapeMismatch(f"{name!r} has {other} series, where {first!r} has {count}")
    if not count:
        raise ShapeMismatch(f"{first!r} has no series")
    return count


def seeds_of(seed: Any, count: int) -> list[int]:
    """A seed for each series: one for all, or its own. Raises OptionError."""
    given = list(seed) if np.ndim(seed) else [seed]
    for one in given:
        if isinstance(one, bool) or not isinstance(one, int | np.integer) or one < 0:
            raise OptionError(f"seed={one!r}: an integer of at least 0 is due, or one for each series")
    return [int(one) for one in given] * (1 if np.ndim(seed) else count)
