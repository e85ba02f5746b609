"""Arrays passed for scalars: value and derivative elementwise, as a NumPy ufunc would."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symbackprop.errors import ShapeMismatch
from symbackprop.runtime.results import Nesting
from symbackprop.runtime.runner import Runner


class Elementwise:
    """The calls of one function over arrays of its numbers."""

    def __init__(self, runner: Runner) -> None:
        self.runner, self.signature = runner, runner.signature

    def concerns(self, values: list[Any]) -> bool:
        """Whether an array was passed for a scalar."""
        arguments = self.signature.arguments
        return any(
            isinstance(value, np.ndarray) and argument.is_scalar
            for argument, value in zip(arguments, values, strict=False)
        )

    def results(self, values: list[Any], derivative: bool) -> Any:
        """The results of `value` or of `value_and_*` over arrays, each with the arrays' common shape in front."""
        runner, signature, dtype = self.runner, self.signature, self.runner.dtype
        nesting = Nesting.of(signature, derivative)
        arguments = signature.arguments[: len(values)]
        leaves = signature.leaves if derivative else ()
        name = runner.main if derivative else "value"
        scalars = [argument.is_scalar for argument in arguments]
        shape = _common_shape([(a.name, v) for a, v in zip(arguments, values, strict=True) if a.is_scalar])
        shapes = [*signature.value_shapes, *[leaf.shape for leaf in leaves]]
        if runner.target == "numpy" and all(scalars) and signature.numbers_alone and not any(shapes):
            found = nesting.flat(runner.run(name, values))
            return nesting.nested([np.array(np.broadcast_to(np.asarray(result, dtype), shape)) for result in found])
        columns = [
            np.ascontiguousarray(np.broadcast_to(np.asarray(value, dtype), shape)).ravel() if scalar else value
            for value, scalar in zip(values, scalars, strict=True)
        ]
        length = math.prod(shape)
        known = all(isinstance(extent, int) for shape in shapes for extent in shape)
        if runner.target == "numba" and known and not any(argument.shape for argument in arguments):
            outs = runner.columns(name, length, columns, scalars, shapes)
        else:
            outs = self._one_by_one(name, length, columns, scalars, nesting)
        return nesting.nested([out.reshape(shape + out.shape[1:]) for out in outs])

    def _one_by_one(
        self, name: str, length: int, columns: list[Any], scalars: list[bool], nesting: Nesting
    ) -> list[Any]:
        """A call an entry."""
        rows = []
        for entry in range(max(length, 1)):
            # Where there is no entry the shapes of the results are still needed.
            one = [
                (c[entry].item() if length else math.nan) if scalar else c
                for c, scalar in zip(columns, scalars, strict=True)
            ]
            found = nesting.flat(self.runner.run(name, one))
            rows.append([np.asarray(result, self.runner.dtype) for result in found])
        return [np.stack(results)[:length] for results in zip(*rows, strict=True)]


def _common_shape(named: list[tuple[str, Any]]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*[np.shape(value) for _, value in named])
    except ValueError:
        shapes = ", ".join(f"{name} {np.shape(value)}" for name, value in named if np.ndim(value))
        raise ShapeMismatch(f"the arrays do not broadcast together: {shapes}") from None
