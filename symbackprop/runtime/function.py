"""The compiled function that users hold: it binds, casts, runs the emitted module, and shapes the results."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from symbackprop.emit.files import write_atomically
from symbackprop.errors import CallError, ShapeMismatch
from symbackprop.ir.signature import Signature
from symbackprop.jit import elementwise_loop, explained, load
from symbackprop.runtime.door import bind, cast, check_samples


class GradFunction:
    """A gradient, its value, and the program that computes both.

    Calling it gives the gradient, in the structure of the `wrt` it was compiled for. Instances come from
    `compile_grad`, are immutable, may be called from several threads, and pickle by their source.
    """

    def __init__(
        self,
        source: str,
        signature: Signature,
        target: str,
        dtype: str,
        stats: dict[str, Any],
        title: str,
        graph: Any = None,
        respell: Callable[[str], GradFunction] | None = None,
    ) -> None:
        self.source = source
        self.stats = stats
        self.signature = signature
        self.backend, self.dtype = target, dtype
        self._title = title
        self._graph = graph
        self._respell = respell
        self._scope: dict[str, Any] | None = None
        self._loop: Any = None
        self._batched = any(argument.batched for argument in signature.arguments)

    # What it is.

    @property
    def args(self) -> tuple[str, ...]:
        """The names of the arguments, in call order."""
        return tuple(argument.name for argument in self.signature.arguments)

    @property
    def wrt(self) -> tuple[str, ...]:
        """The names of what the gradient is taken in, in order."""
        return tuple(leaf.name for leaf in self.signature.leaves)

    def __repr__(self) -> str:
        title = f" of {self._title}" if self._title else ""
        return (
            f"<gradient{title} in ({', '.join(self.wrt)}): call with ({', '.join(self.args)}),"
            f" backend {self.backend}, {self.dtype}, {self.stats['ratio']:.2f}x the operations of the value>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return GradFunction, (self.source, self.signature, self.backend, self.dtype, self.stats, self._title)

    # What it does.

    def __call__(self, *args: Any, **named: Any) -> Any:
        """The gradient, in the structure of wrt."""
        return self._evaluate(args, named)[1]

    def value_and_grad(self, *args: Any, **named: Any) -> tuple[Any, Any]:
        """The value and the gradient, from one program that shares their work."""
        return self._evaluate(args, named)

    def value(self, *args: Any, **named: Any) -> Any:
        """The value alone."""
        values = self._values(args, named)
        if self._is_elementwise(values):
            return self._elementwise(values)[0]
        return self._number(self._run("value", values))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the emitted module, all of it or nothing. Raises EmitError where that is impossible."""
        return write_atomically(path, self.source)

    @property
    def kernel(self) -> Any:
        """The `@njit` function behind it: arguments as numbers and arrays, result ``(value, gradient)``.

        For another backend the same model is emitted for Numba. Raises CallError where the model is gone (after
        pickling).
        """
        if self.backend == "numba":
            return self._module()["value_and_grad"]
        if self._respell is None:
            raise CallError("this function was unpickled and knows only its own backend; compile it with backend='numba'")
        return self._respell("numba").kernel

    def as_scipy(self, **fixed: Any) -> tuple[Callable[[Any], tuple[float, Any]], Callable[..., Any]]:
        """``(fun, pack)`` for `scipy.optimize.minimize(fun, pack(...), jac=True)`.

        `fixed` gives the arguments that are not fitted. ``fun(x)`` returns the value and the flat gradient;
        ``pack(**start)`` lays starting values out as x. Raises CallError for a name that is missing or unknown.
        """
        leaves = self.signature.leaves
        owner = {member: argument for argument in self.signature.arguments for member in argument.members}
        members = [member for leaf in leaves for member in leaf.members]
        if len({owner[m].name for m in members}) != len(members) and any(owner[m].packed for m in members):
            members = list(dict.fromkeys(members))

        def fun(x: Any) -> tuple[float, Any]:
            entries = dict(zip(members, np.asarray(x, np.float64).tolist(), strict=True))
            named = dict(fixed)
            for argument in self.signature.arguments:
                if argument.members[0] in entries:
                    parts = [entries[member] for member in argument.members]
                    named[argument.name] = parts if argument.packed else parts[0]
            value, gradient = self._flat(self._values((), named))
            return float(value), np.concatenate([np.atleast_1d(np.asarray(leaf, np.float64)) for leaf in gradient])

        def pack(**start: Any) -> Any:
            unknown = set(start) - {argument.name for argument in self.signature.arguments} - set(members)
            if unknown:
                raise CallError(f"pack() has no argument {sorted(unknown)[0]!r}; it takes {', '.join(members)}")
            entries: dict[str, float] = {}
            for name, value in start.items():
                argument = next((a for a in self.signature.arguments if a.name == name and a.packed), None)
                parts = np.asarray(value, np.float64).ravel()
                entries.update(zip(argument.members if argument else (name,), parts.tolist(), strict=True))
            missing = [member for member in members if member not in entries]
            if missing:
                raise CallError(f"pack() misses {', '.join(map(repr, missing))}")
            return np.array([entries[member] for member in members])

        return fun, pack

    # How.

    def _module(self) -> dict[str, Any]:
        if self._scope is None:
            self._scope = load(self.source)
        return self._scope

    def _values(self, args: tuple[Any, ...], named: dict[str, Any]) -> list[Any]:
        arguments = self.signature.arguments
        values = bind(self.signature, args, named)
        values = [cast(argument, value, self.dtype) for argument, value in zip(arguments, values, strict=True)]
        if self._batched:
            check_samples(arguments, values)
        return values

    def _evaluate(self, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
        value, leaves = self._flat(self._values(args, named))
        return value, self.signature.structure.rebuild(iter(leaves))

    def _flat(self, values: list[Any]) -> tuple[Any, list[Any]]:
        if self._is_elementwise(values):
            return self._elementwise(values)
        value, gradient = self._run("value_and_grad", values)
        leaves = [gradient] if self.signature.single else list(gradient)
        return self._number(value), [self._number(leaf) for leaf in leaves]

    def _run(self, name: str, values: list[Any]) -> Any:
        if self.backend == "python":
            values = [value.tolist() if isinstance(value, np.ndarray) else value for value in values]
        try:
            return self._module()[name](*values)
        except Exception as error:
            failure = explained(error)
            if failure is None:
                raise
            raise failure from error

    def _number(self, result: Any) -> Any:
        """A result as a float or an array of the program's type."""
        if isinstance(result, float) and self.dtype == "float64":
            return float(result)
        array = np.asarray(result, self.dtype)
        if array.ndim == 0:
            return float(array) if self.dtype == "float64" else array[()]
        return array

    # Arrays passed for scalars: the gradient elementwise, as a NumPy ufunc would.

    def _is_elementwise(self, values: list[Any]) -> bool:
        return not self._batched and any(
            isinstance(value, np.ndarray) and not argument.packed
            for argument, value in zip(self.signature.arguments, values, strict=True)
        )

    def _elementwise(self, values: list[Any]) -> tuple[Any, list[Any]]:
        arguments, leaves = self.signature.arguments, self.signature.leaves
        scalars = [not argument.packed for argument in arguments]
        shape = _common_shape([(a.name, v) for a, v in zip(arguments, values, strict=True) if not a.packed])
        if self.backend == "numpy" and all(scalars) and not any(leaf.packed for leaf in leaves):
            value, gradient = self._run("value_and_grad", values)
            results = [value, *([gradient] if self.signature.single else gradient)]
            full = [np.array(np.broadcast_to(np.asarray(result, self.dtype), shape)) for result in results]
            return full[0], full[1:]
        columns = [
            np.ascontiguousarray(np.broadcast_to(np.asarray(value, self.dtype), shape)).ravel() if scalar else value
            for value, scalar in zip(values, scalars, strict=True)
        ]
        length = int(np.prod(shape))
        sizes = [(len(leaf.members),) if leaf.packed else () for leaf in leaves]
        value = np.empty(length, self.dtype)
        outs = [np.empty((length, *size), self.dtype) for size in sizes]
        if self.backend == "numba":
            if self._loop is None:
                self._loop = elementwise_loop(
                    self._module(), scalars, [not leaf.packed for leaf in leaves], self.signature.single
                )
            self._loop(length, *columns, value, *outs)
        else:
            for entry in range(length):
                one = [c[entry].item() if scalar else c for c, scalar in zip(columns, scalars, strict=True)]
                value[entry], gradient = self._run("value_and_grad", one)
                for out, leaf in zip(outs, [gradient] if self.signature.single else gradient, strict=True):
                    out[entry] = leaf
        return value.reshape(shape), [out.reshape(shape + size) for out, size in zip(outs, sizes, strict=True)]


def _common_shape(named: list[tuple[str, Any]]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*[np.shape(value) for _, value in named])
    except ValueError:
        shapes = ", ".join(f"{name} {np.shape(value)}" for name, value in named if np.ndim(value))
        raise ShapeMismatch(f"the arrays do not broadcast together: {shapes}") from None

