"""The compiled function that users hold: it binds, casts, runs the emitted module, and shapes the results."""

from __future__ import annotations

import html
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from symbackprop.emit.escape import comment
from symbackprop.emit.files import write_atomically
from symbackprop.errors import CallError, ShapeMismatch
from symbackprop.ir.signature import SAMPLES, Argument, Signature
from symbackprop.jit.native import available
from symbackprop.ops.extents import Extent, Shape, dimensions, measured
from symbackprop.runtime.blocks import Blocks
from symbackprop.runtime.buffers import places, write
from symbackprop.runtime.direct import Direct
from symbackprop.runtime.door import bind, bound_dimensions, cast, check_lists, check_samples
from symbackprop.runtime.elementwise import Elementwise
from symbackprop.runtime.objective import flat_objective
from symbackprop.runtime.point import points
from symbackprop.runtime.runner import Runner

_DRAWN = 20_000
"""Up to so many nodes a notebook shows the picture without being asked: it takes 0.1 ms a node."""


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
        blocks: Blocks | None = None,
        subject: Any = None,
    ) -> None:
        self._source = source
        self.stats = stats
        self.signature = signature
        self.backend, self.dtype = target, dtype
        self._title = title
        self._respell = respell
        self._subject = subject
        self._runner = Runner(signature, target, dtype, lambda: self.source, direct, blocks)
        self._quick = self._runner.quick
        self._elementwise = Elementwise(self._runner)
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
        return "njit" if self._runner.direct is None else "direct"

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
        text = (
            f"<{self.signature.mode}{title}{what}: call with ({', '.join(self.args)}),"
            f" backend {self.backend}, {self.dtype}, {self.stats['ratio']:.2f}x the operations of the value>"
        )
        # A name may hold what ends a line or turns it around.
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

    def __reduce__(self) -> tuple[Any, ...]:
        direct = self._runner.direct
        code = None if direct is None else direct.all_assemblies()
        own = (self.source, self.signature, self.backend, self.dtype, self.stats, self._title)
        return _restored, (*own, code, self._runner.blocks)

    # What it does.

    def __call__(self, /, *args: Any, **named: Any) -> Any:
        """The derivative, in the structure of wrt (of the expressions, for a JVP).

        With `out=` it is written into arrays of that structure, which are returned. Contiguous arrays of the program's
        type that share no memory with the arguments are filled in place; after an error they hold anything.
        """
        if not named and "derivative" in self._quick:
            result = self._quick["derivative"](*args)
            if result is not NotImplemented and type(result) is not int:
                return result
        out = self._out(named)
        if out is not None:
            return self._write(args, named, out)[1]
        return self.value(*args, **named) if self.signature.mode == "function" else self._evaluate(args, named)[1]

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
        return self._evaluate(args, named) if out is None else self._write(args, named, out)

    value_and_derivative = value_and_grad

    def value(self, /, *args: Any, **named: Any) -> Any:
        """The value alone; directions of a JVP, VJP or HVP are left out."""
        if not named and "value" in self._quick:
            result = self._quick["value"](*args)
            if result is not NotImplemented and type(result) is not int:
                return result
        values, lengths = self._values(self.signature.primal_arguments, args, named)
        elementwise = not self._batched and self._elementwise.concerns(values)
        results = self._elementwise.results(values, False) if elementwise else self._runner.run("value", values)
        return self._shaped_values(results, lengths)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the emitted module, all of it or nothing. Raises EmitError where that is impossible."""
        return write_atomically(path, self.source)

    @property
    def kernel(self) -> Any:
        """The `@njit` function behind it: arguments as numbers and arrays, result ``(value, gradient)``.

        Your own `@njit` code may call it, and a `@cfunc` that SciPy's integrators take as a callback; it releases
        Python's lock. For another backend the same model is emitted for Numba. Raises CallError where the model is gone
        (after pickling).

        >>> import sympy as sp
        >>> from numba import njit
        >>> from symbackprop import compile_grad
        >>> x = sp.Symbol("x")
        >>> kernel = compile_grad(sp.cos(x), x).kernel
        >>> @njit
        ... def root(start):
        ...     for _ in range(9):
        ...         value, slope = kernel(start)
        ...         start -= value/slope
        ...     return start
        >>> round(root(1.0), 12)
        1.570796326795
        """
        if self.backend == "numba":
            runner = self._runner
            return runner.module[runner.main] if runner.direct is None else runner.direct.kernel
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

    def explain(self, /, *args: Any, **named: Any) -> Any:
        """How the value and its gradient come about at a point, as tables; see `symbackprop.explain`.

        Of a batch the first sample is explained, with a table of the first samples side by side; one sample alone, its
        inputs without the axis of samples, may be given, too. Raises CallError where the model is gone (after
        pickling).
        """
        inputs, count = self._points(args, named)
        compiled = {}
        if self.signature.mode == "grad" and (count is not None or not self._batched):
            value, leaves = self.leaves(dict(named), args)
            compiled["compiled value"] = value
            for what, leaf in zip(self.wrt, leaves, strict=True):
                compiled[f"compiled, in {what}"] = leaf
        return self._shown().explanation(inputs, compiled, count)

    @property
    def graph(self) -> Any:
        """The graph of the expression as it was given: ``.mermaid()``, ``.dot()``, ``.svg()``, also ``at=`` a point."""

        def bind(at: Mapping[Any, Any]) -> dict[str, Any]:
            return self._points((), {str(getattr(key, "name", key)): value for key, value in at.items()})[0][0]

        return self._shown().picture(bind)

    def trace(self, line: int | str | None = None) -> Any:
        """Where a line of `source` comes from: the SymPy sub-expressions behind it, and the rules that made it of them.

        `line` is its number, its text, the name that it assigns to, or a part of it that no other line has; without
        one it is all lines, as a sequence. A line has ``parts``, one an operation, each with ``expressions`` and
        ``rules``; ``str(...)`` tells them, and a notebook shows the table. The model is compiled once more for it, when
        it is first asked for. Raises OptionError for a line that is not there, CallError where the model is gone (after
        pickling).

        >>> import sympy as sp
        >>> from symbackprop import compile_grad
        >>> x, y = sp.symbols("x y")
        >>> g = compile_grad(sp.log(1 + sp.exp(x))*y, x, backend="numpy")
        >>> expressions, rules = g.trace("x_bar").parts[1]
        >>> expressions, rules[-1]
        ((log(exp(x) + 1),), 'reverse: its adjoint times the partial of softplus')
        """
        traces = self._shown().traces(self.source)
        return traces if line is None else traces.find(line)

    def measure(self, /, *args: Any, **named: Any) -> Any:
        """What a call takes at a point: seconds of the value and of value and derivative, beside those that the counts
        of operations and bytes let one expect, and what limits it. It takes half a second, and depends on the machine
        and its load, which it tells. The arguments are cast beforehand, and handed over by position.

        Raises CallError where the model is gone (after pickling).
        """
        shown = self._shown()
        values, lengths = self._values(self.signature.arguments, args, named)
        primal = values[: len(self.signature.primal_arguments)]
        scalars = [np.shape(v) for a, v in zip(self.signature.arguments, values, strict=True) if a.is_scalar]
        entries = math.prod(np.broadcast_shapes(*scalars))
        alone = self.signature.mode == "function"

        def value() -> Any:
            return self.value(*primal)

        def both() -> Any:
            return self.value_and_grad(*values)

        return shown.measurement(self.route, value, value if alone else both, lengths, entries)

    def _repr_html_(self) -> str:
        picture = "" if self._subject is None or self.stats["nodes"] > _DRAWN else self.graph._repr_html_()
        return f"<p><code>{html.escape(comment(repr(self)))}</code></p>{picture}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _points(self, args: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int | None]:
        return points(self.signature.primal_arguments, self._told, self.dtype, args, named)

    def _shown(self) -> Any:
        if self._subject is None:
            raise CallError("this function was unpickled and has no model to show; compile it again")
        return self._subject

    # How.

    def _out(self, named: dict[str, Any]) -> Any:
        """What `out=` was given, unless an argument is called so."""
        return None if any(argument.name == "out" for argument in self.signature.arguments) else named.pop("out", None)

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

    def _write(self, args: tuple[Any, ...], named: dict[str, Any], out: Any) -> tuple[Any, Any]:
        """The value, and `out`, which the derivative (of `compile_function` the value) is written into."""
        alone = self.signature.mode == "function"
        structure = self.signature.values if alone else self.signature.structure
        arrays = places(out, structure)
        if arrays is not None:
            values, lengths = self._values(self.signature.arguments, args, dict(named))
            elementwise = not self._batched and self._elementwise.concerns(values)
            flat = None if elementwise else self._runner.write(self._runner.main, values, arrays)
            if flat is not None:
                found = flat[: self.signature.value_count]
                return self._shaped_values(found[0] if self.signature.values.kind == "leaf" else found, lengths), out
        if alone:
            return None, write(out, self.value(*args, **named))
        value, derivative = self._evaluate(args, named)
        return value, write(out, derivative)

    def _evaluate(self, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
        value, leaves = self.leaves(named, args)
        return value, self.signature.structure.rebuild(iter(leaves))

    def leaves(self, named: dict[str, Any], args: tuple[Any, ...] = ()) -> tuple[Any, list[Any]]:
        """The value, and the leaves of the derivative in a flat list, whatever the structure of wrt."""
        values, lengths = self._values(self.signature.arguments, args, named)
        elementwise = not self._batched and self._elementwise.concerns(values)
        runner = self._runner
        results, leaves = self._elementwise.results(values, True) if elementwise else runner.run(runner.main, values)
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


def _restored(
    source: str,
    signature: Signature,
    target: str,
    dtype: str,
    stats: dict[str, Any],
    title: str,
    code: Any,
    blocks: Blocks | None,
) -> CompiledFunction:
    """A function out of a pickle."""
    direct = None if code is None or not available() else Direct(signature, dtype, assemblies=code)
    return CompiledFunction(source, signature, target, dtype, stats, title, None, direct, blocks)


def _told(extent: Extent, lengths: Mapping[str, int]) -> str:
    return " and ".join(f"{name} is {lengths[name]}" for name in sorted(dimensions(extent)))
