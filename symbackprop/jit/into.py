"""Machine code called with arrays for its results that the caller has made: nothing is allocated, nothing copied."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from symbackprop.emit.llvm import Assembly
from symbackprop.jit.native import Loaded

_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


class Into:
    """A function of a program over arguments as `runtime.door` casts them; Python's lock is released while it runs.

    Raises what the function raises.
    """

    def __init__(self, assembly: Assembly, loaded: Loaded) -> None:
        self.assembly, self._loaded = assembly, loaded
        self._run = _FUNCTION(loaded.address(assembly.name))
        self._extents = _FUNCTION(loaded.address(f"{assembly.name}_extents"))

    def shapes(self, values: Sequence[Any]) -> list[tuple[int, ...]]:
        """The shapes of all results, those of numbers empty."""
        inputs, shapes = self._given(values)
        extents = np.zeros(1 + sum(result.rank for result in self.assembly.results), np.int64)
        self._checked(self._extents(inputs.ctypes.data, shapes.ctypes.data, extents.ctypes.data))
        found, start = [], 0
        for result in self.assembly.results:
            found.append(tuple(extents[start : start + result.rank].tolist()))
            start += result.rank
        return found

    def run(self, values: Sequence[Any], arrays: Sequence[Any]) -> list[Any]:
        """The results: `arrays`, filled, and numbers where these hold None.

        An array is contiguous, of the program's type and of the shape that `shapes` gives, and shares no memory with
        an argument or another one.
        """
        inputs, shapes = self._given(values)
        numbers = np.zeros(len(arrays), np.int64)
        places = numbers.ctypes.data + 8 * np.arange(len(arrays), dtype=np.int64)
        for position, array in enumerate(arrays):
            if array is not None:
                places[position] = array.ctypes.data
        self._checked(self._run(inputs.ctypes.data, shapes.ctypes.data, places.ctypes.data))
        real = numbers.view(self.assembly.dtype)
        step = len(real) // max(len(numbers), 1)
        return [real[step * k] if array is None else array for k, array in enumerate(arrays)]

    def _given(self, values: Sequence[Any]) -> tuple[Any, Any]:
        """The slots of the arguments, and the extents of those that are arrays."""
        inputs = np.zeros(max(len(values), 1), np.int64)
        real = inputs.view(self.assembly.dtype)
        step = len(real) // len(inputs)
        shapes: list[int] = []
        for position, (parameter, value) in enumerate(zip(self.assembly.parameters, values, strict=True)):
            if parameter.rank:
                inputs[position] = value.ctypes.data
                shapes.extend(value.shape)
            elif parameter.kind == "int":
                inputs[position] = value
            else:
                real[step * position] = value
        return inputs, np.array([*shapes, 0], np.int64)

    def _checked(self, status: int) -> None:
        if status:
            kind, text = self.assembly.errors[status - 1]
            raise kind(text)
