"""The compiled function that users hold: it binds, casts, runs the emitted module, and shapes the results."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symbackprop.emit.files import write_atomically
from symbackprop.errors import CallError, DomainError, OutOfRange, ShapeMismatch
from symbackprop.ir.signature import SAMPLES, Argument, Signature
from symbackprop.jit import elementwise_loop, explained, load
from symbackprop.jit.native import available
from symbackprop.ops.extents import Extent, Shape, dimensions, measured
from symbackprop.runtime.buffers import write
from symbackprop.runtime.direct import Direct
from symbackprop.runtime.door import bind, bound_dimensions, cast, check_lists, check_samples
from symbackprop.runtime.objective import flat_objective


class CompiledFunction:
    """A derivative, its value, and the program that computes both.

    ``args`` and ``wrt`` are names in call order, ``source`` is the emitted module, ``backend`` and ``dtype`` what it
    was compiled for. ``stats`` counts: ``value``, ``value_and_grad`` and their ``ratio`` in additions, plain
    ``operations``, ``nodes``, ``temporaries`` and the ``bytes`` that they take.

    Calling it gives the derivative (for `compile_function` the value), in the structure it was compiled for. Instances
    come from the `compile_*` functions, are immutable, may be called from several threads, and pickle by their source.
    """

    def __init__(
        self,
        source: str | Callable[[], str],
        signature: Signature,
        target: str,
        dtype: str,
        stats: dict[str, Any],
        title: str,
        respell: Callable[[str], CompiledFunction] | None = None,
        direct: Direct | None = None,
    ) -> None:
        self._source = source
        self.stats = stats
        self.signature = signature
        self.backend, self.dtype = target, dtype
        self._title = title
        self._respell = respell
        self._machine_code = direct
        # What serves calls whose arguments need no casting, once a first call has gone the long way.
        self._quick: dict[str, Callable[..., Any]] = {}
        self._scope: dict[str, Any] | None = None
        self._loops: dict[str, Any] = {}
        self._main = "value" if signature.mode == "function" else signature.value_and
        self._in_batch = {m for argument in signature.arguments if argument.batched for m in argument.members}
        self._batched = bool(self._in_batch)
        self._has_lengths = any(argument.full_shape or argument.dimension for argument in signature.arguments)
        # Lengths that arrays tell may be given by name besides, and are checked then.
        shapes = [argument.full_shape for argument in signature.arguments]
        names = {argument.name for argument in signature.arguments}
        self._told = {d for shape in shapes for extent in shape for d in dimensions(extent)} - names

    # What it is.

    @property
    def args(self) -> tuple[str, ...]:
        """The names of the arguments, in call order."""
        return tuple(argument.name for argument in self.signature.arguments)

    @property
    def source(self) -> str:
        """The emitted module: whatever route runs, it runs this program."""
        if not isinstance(self._source, str):
            self._source = self._source()
        return self._source

    @property
    def route(self) -> str:
        """How the program is run: "direct" by LLVM alone, "njit" through Numba's front end, "module" by Python."""
        if self.backend != "numba":
            return "module"
        return "njit" if self._direct is None else "direct"

    @property
    def wrt(self) -> tuple[str, ...]:
        """What the derivative is taken in, in order."""
        return tuple(leaf.what for leaf in self.signature.leaves)

    def __repr__(self) -> str:
        title = f" of {self._title}" if self._title else ""
        what = (
            f" in {', '.join(self.wrt)}"
            if self.wrt and self.signature.mode != "jvp"
            else "".join(f" {w}" for w in self.wrt[:1])
        )
        return (
            f"<{self.signature.mode}{title}{what}: call with ({', '.join(self.args)}),"
            f" backend {self.backend}, {self.dtype}, {self.stats['ratio']:.2f}x the operations of the value>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        code = None if self._direct is None else self._direct.all_assemblies()
        return _restored, (self.source, self.signature, self.backend, self.dtype, self.stats, self._title, code)

    # What it does.

    def __call__(self, /, *args: Any, **named: Any) -> Any:
        """The derivative, in the structure of wrt (of the expressions, for a JVP).

        With `out=` it is written into arrays of that structure, which are returned.
        """
        if not named and "derivative" in self._quick:
            result = self._quick["derivative"](*args)
            if result is not NotImplemented and type(result) is not int:
                return result
        out = self._out(named)
        result = self.value(*args, **named) if self.signature.mode == "function" else self._evaluate(args, named)[1]
        return result if out is None else write(out, result)

    def value_and_grad(self, /, *args: Any, **named: Any) -> tuple[Any, Any]:
        """The value and the gradient, from one program that shares their work.

        With `out=` the gradient is written into arrays of its structure.
        """
        if self.signature.mode == "function":
            raise CallError("compile_function compiles no derivative; use compile_grad or compile_jacobian")
        if not named and "both" in self._quick:
            result: tuple[Any, Any] | int = self._quick["both"](*args)
            if type(result) is tuple:
                return result
        out = self._out(named)
        value, gradient = self._evaluate(args, named)
        return value, gradient if out is None else write(out, gradient)

    value_and_derivative = value_and_grad

    def value(self, /, *args: Any, **named: Any) -> Any:
        """The value alone; directions of a JVP, VJP or HVP are left out."""
        if not named and "value" in self._quick:
            result = self._quick["value"](*args)
            if result is not NotImplemented and type(result) is not int:
                return result
        values, lengths = self._values(self.signature.primal_arguments, args, named)
        results = self._elementwise(values, False) if self._is_elementwise(values) else self._run("value", values)
        return self._shaped_values(results, lengths)

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
            return self._module()[self._main]
        if self._respell is None:
            raise CallError(
                "this function was unpickled and knows only its own backend; compile it with backend='numba'"
            )
        return self._respell("numba").kernel

    def as_scipy(self, /, **fixed: Any) -> tuple[Callable[[Any], tuple[float, Any]], Callable[..., Any]]:
        """``(fun, pack)`` for `scipy.optimize.minimize(fun, pack(...), jac=True)`.

        `fixed` gives the arguments that are not fitted. ``fun(x)`` returns the value and the flat gradient;
        ``pack(**start)`` lays starting values out as x. Raises CallError for a name that is missing or unknown, and
        where `wrt` holds only a part of a packed argument.
        """
        return flat_objective(self, fixed)

    # How.

    def _out(self, named: dict[str, Any]) -> Any:
        """What `out=` was given, unless an argument is called so."""
        return None if any(argument.name == "out" for argument in self.signature.arguments) else named.pop("out", None)

    @property
    def _direct(self) -> Direct | None:
        """The direct route; None where another backend or route is wanted, or the program has no form there."""
        direct = self._machine_code
        return direct if direct is not None and direct.is_whole else None

    def _module(self) -> dict[str, Any]:
        if self._scope is None:
            self._scope = load(self.source)
        return self._scope

    def _values(
        self, arguments: tuple[Argument, ...], args: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[list[Any], dict[str, int]]:
        """The arguments as the module takes them, and the lengths of the dimensions."""
        lengths: dict[str, int] = {}
        given = {name: named.pop(name) for name in self._told & set(named)} if self._told else {}
        values = bind(arguments, args, named)
        values = [cast(argument, value, self.dtype) for argument, value in zip(arguments, values, strict=True)]
        if self._batched:
            check_samples(arguments, values)
        if self._has_lengths:
            lengths = bound_dimensions(arguments, values, given)
            for extent, least, why in self.signature.at_least:
                if measured(extent, lengths) < least:
                    raise ShapeMismatch(f"{why}, but {_told(extent, lengths)}")
            if self.backend == "python":
                check_lists(arguments, values, lengths)
        return values, lengths

    def _evaluate(self, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
        value, leaves = self.leaves(named, args)
        return value, self.signature.structure.rebuild(iter(leaves))

    def leaves(self, named: dict[str, Any], args: tuple[Any, ...] = ()) -> tuple[Any, list[Any]]:
        """The value, and the leaves of the derivative in a flat list, whatever the structure of wrt."""
        values, lengths = self._values(self.signature.arguments, args, named)
        elementwise = self._is_elementwise(values)
        results, leaves = self._elementwise(values, True) if elementwise else self._run(self._main, values)
        flat = [leaves] if self.signature.structure.kind == "leaf" else leaves
        value = self._shaped_values(results, lengths)
        each = self._batched and np.ndim(value) > 0
        found = []
        for entry, leaf in zip(flat, self.signature.leaves, strict=True):
            batched = each or (self._batched and not self._in_batch.isdisjoint(leaf.members))
            found.append(self._number(entry, (SAMPLES, *leaf.shape) if batched else leaf.shape, lengths))
        return value, found

    def _shaped_values(self, results: Any, lengths: Mapping[str, int]) -> Any:
        structure, shapes = self.signature.values, self.signature.value_shapes
        if structure.kind == "leaf":
            return self._number(results, shapes[0], lengths)
        pairs = zip(results, shapes, strict=True)
        return structure.rebuild(iter([self._number(result, shape, lengths) for result, shape in pairs]))

    def _run(self, name: str, values: list[Any]) -> Any:
        if self.backend == "numba":
            values = [_plain(value) if isinstance(value, np.ndarray) else value for value in values]
        if self.backend == "python":
            values = [value.tolist() if isinstance(value, np.ndarray) else value for value in values]
        try:
            if self._direct is None:
                return self._module()[name](*values)
            result = self._direct.run(name, values)
            self._quick.update(self._direct.entries(name))
            return result
        except IndexError as error:
            raise OutOfRange(f"{error}; indices start at 0, and none wraps around") from error
        except Exception as error:
            failure = _at_kink(error) or explained(error)
            if failure is None:
                raise
            raise failure from error

    def _number(self, result: Any, shape: Shape, lengths: Mapping[str, int]) -> Any:
        """A result as a float or an array of the program's type, which has this shape or one with more axes."""
        if isinstance(result, float) and self.dtype == "float64":
            return float(result)
        array = np.asarray(result, self.dtype)
        if array.ndim == 0:
            return float(array) if self.dtype == "float64" else array[()]
        if array.ndim < len(shape):
            # A list without entries does not say which axes follow.
            return array.reshape([measured(extent, lengths) for extent in shape])
        return array

    # Arrays passed for scalars: the gradient elementwise, as a NumPy ufunc would.

    def _is_elementwise(self, values: list[Any]) -> bool:
        return not self._batched and any(
            isinstance(value, np.ndarray) and argument.is_scalar
            for argument, value in zip(self.signature.arguments, values, strict=False)
        )

    def _elementwise(self, values: list[Any], derivative: bool) -> Any:
        """The results of `value` or of `value_and_*` over arrays, each with the arrays' common shape in front."""
        signature = self.signature
        arguments = signature.arguments[: len(values)]
        leaves = signature.leaves if derivative else ()
        name = self._main if derivative else "value"
        scalars = [argument.is_scalar for argument in arguments]
        shape = _common_shape([(a.name, v) for a, v in zip(arguments, values, strict=True) if a.is_scalar])
        bare = (signature.values.kind == "leaf", signature.structure.kind == "leaf")
        shapes = [*signature.value_shapes, *[leaf.shape for leaf in leaves]]
        if self.backend == "numpy" and all(scalars) and signature.numbers_alone and not any(shapes):
            found = _flat(self._run(name, values), derivative, *bare)
            full = [np.array(np.broadcast_to(np.asarray(result, self.dtype), shape)) for result in found]
            return _nested(full, signature.value_count, derivative, *bare)
        columns = [
            np.ascontiguousarray(np.broadcast_to(np.asarray(value, self.dtype), shape)).ravel() if scalar else value
            for value, scalar in zip(values, scalars, strict=True)
        ]
        length = math.prod(shape)
        known = all(isinstance(extent, int) for shape in shapes for extent in shape)
        if self.backend == "numba" and known and not any(argument.shape for argument in arguments):
            outs = self._looped(name, length, columns, scalars, shapes)
        else:
            outs = self._one_by_one(name, length, columns, scalars, bare)
        full = [out.reshape(shape + out.shape[1:]) for out in outs]
        return _nested(full, signature.value_count, derivative, *bare)

    def _looped(
        self, name: str, length: int, columns: list[Any], scalars: list[bool], shapes: Sequence[Any]
    ) -> list[Any]:
        """All entries in one compiled loop."""
        try:
            if self._direct is not None:
                return self._direct.columns(name, [_plain(c) if isinstance(c, np.ndarray) else c for c in columns])
            return self._looped_by_numba(name, length, columns, scalars, shapes)
        except ValueError as error:
            raise _at_kink(error) or error from error

    def _looped_by_numba(
        self, name: str, length: int, columns: list[Any], scalars: list[bool], shapes: Sequence[Any]
    ) -> list[Any]:
        signature = self.signature
        outs = [np.empty((length, *own), self.dtype) for own in shapes]
        if name not in self._loops:
            self._loops[name] = elementwise_loop(
                self._module()[name],
                scalars,
                [not own for own in shapes],
                signature.value_count,
                name != "value",
                (signature.values.kind == "leaf", signature.structure.kind == "leaf"),
            )
        self._loops[name](length, *columns, *outs)
        return outs

    def _one_by_one(
        self, name: str, length: int, columns: list[Any], scalars: list[bool], bare: tuple[bool, bool]
    ) -> list[Any]:
        """A call an entry."""
        rows = []
        for entry in range(max(length, 1)):
            # Where there is no entry the shapes of the results are still needed.
            one = [
                (c[entry].item() if length else math.nan) if scalar else c
                for c, scalar in zip(columns, scalars, strict=True)
            ]
            found = _flat(self._run(name, one), name != "value", *bare)
            rows.append([np.asarray(result, self.dtype) for result in found])
        return [np.stack(results)[:length] for results in zip(*rows, strict=True)]


def _restored(
    source: str, signature: Signature, target: str, dtype: str, stats: dict[str, Any], title: str, code: Any
) -> CompiledFunction:
    """A function out of a pickle."""
    direct = None if code is None or not available() else Direct(signature, dtype, assemblies=code)
    return CompiledFunction(source, signature, target, dtype, stats, title, None, direct)


def _plain(array: Any) -> Any:
    """The array, contiguous and aligned, of the very type that NumPy has for its numbers: without metadata."""
    array = np.ascontiguousarray(array)
    array = array if array.flags.aligned else array.copy()
    own = np.dtype(array.dtype.str)
    return array if array.dtype is own else array.view(own)


def _told(extent: Extent, lengths: Mapping[str, int]) -> str:
    return " and ".join(f"{name} is {lengths[name]}" for name in sorted(dimensions(extent)))


def _at_kink(error: Exception) -> DomainError | None:
    """What an emitted module raises at a kink (see `ops.nonsmooth.off_kink`), as our own error."""
    return DomainError(str(error)) if isinstance(error, ValueError) and "kinks='raise'" in str(error) else None


def _flat(results: Any, derivative: bool, bare_value: bool, bare_leaf: bool) -> list[Any]:
    """What an emitted function returned, as one list: values, then leaves."""
    values, leaves = results if derivative else (results, ())
    leaves = [leaves] if derivative and bare_leaf else list(leaves)
    return [*([values] if bare_value else values), *leaves]


def _nested(flat: list[Any], count: int, derivative: bool, bare_value: bool, bare_leaf: bool) -> Any:
    """The inverse of `_flat`."""
    values = flat[0] if bare_value else flat[:count]
    if not derivative:
        return values
    return values, flat[count] if bare_leaf else flat[count:]


def _common_shape(named: list[tuple[str, Any]]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*[np.shape(value) for _, value in named])
    except ValueError:
        shapes = ", ".join(f"{name} {np.shape(value)}" for name, value in named if np.ndim(value))
        raise ShapeMismatch(f"the arrays do not broadcast together: {shapes}") from None
