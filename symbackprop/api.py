"""The public functions. Each reads its options, calls the compiler, and wraps what comes out."""

from __future__ import annotations

import os
from typing import Any

from symbackprop.compiler import compile_gradient
from symbackprop.emit.files import write_atomically
from symbackprop.options import Options
from symbackprop.runtime import GradFunction


def compile_grad(
    expr: Any,
    wrt: Any = None,
    *,
    args: Any = None,
    batch: Any = None,
    reduce: str | None = None,
    backend: str = "numba",
    dtype: str = "float64",
    kinks: str = "zero",
    name: str | None = None,
) -> GradFunction:
    """Compile the gradient of a real scalar SymPy expression.

    `expr` is an expression, or ``(replacements, [expr])`` as `sympy.cse` returns it. `wrt` is a symbol or a list, tuple
    or dict of symbols, whose structure the gradient mirrors; None means every free symbol, in natural order. `args` is
    the call order, by default the free symbols in natural order; a tuple of symbols inside `args` or `wrt` is one 1-D
    array. With `batch=[x, y]`, `expr` is the loss of one sample, x and y carry one entry a sample, and `reduce` is
    "sum", "mean", or None for one gradient a sample. `backend` is "python", "numpy" or "numba", `dtype` "float64" or
    "float32", `kinks` "zero", "left" or "right", see the documentation of subgradients.

    An array passed for a scalar symbol gives value and gradient elementwise, as a NumPy ufunc would.

    Raises UnsupportedExpression with everything that cannot be compiled, MissingDerivative, UnboundSymbol, NameClash,
    OptionError; warns of a `wrt` that does not occur.

    >>> import sympy as sp
    >>> from symbackprop import compile_grad
    >>> x, w, t = sp.symbols("x w t")
    >>> g = compile_grad(((x*w)**2 - t)**2, [x, w], backend="python")
    >>> g.args
    ('t', 'w', 'x')
    >>> g(4, 1, 2)
    [0.0, 0.0]
    >>> g.value_and_grad(t=3, w=1, x=2)
    (1.0, [8.0, 16.0])
    """
    options = Options(target=backend, dtype=dtype, kinks=kinks, reduce=reduce)
    return _compile(expr, wrt, args, batch, options, name)


def _compile(expr: Any, wrt: Any, args: Any, batch: Any, options: Options, name: str | None) -> GradFunction:
    compiled = compile_gradient(expr, wrt, args, batch, options, name)

    def respell(target: str) -> GradFunction:
        other = Options(target, options.dtype, options.kinks, options.reduce)
        return _compile(expr, wrt, args, batch, other, name)

    return GradFunction(
        compiled.source,
        compiled.signature,
        options.target,
        options.dtype,
        compiled.stats,
        compiled.title,
        compiled.graph,
        respell,
    )


def emit_module(
    expr: Any,
    wrt: Any = None,
    path: str | os.PathLike[str] | None = None,
    target: str = "numpy",
    *,
    args: Any = None,
    batch: Any = None,
    reduce: str | None = None,
    dtype: str = "float64",
    kinks: str = "zero",
    name: str | None = None,
    regenerate: str = "",
) -> str:
    """The text of a standalone gradient module, also written to `path` if one is given.

    The module defines `value`, `grad` and `value_and_grad`, imports nothing of this package, and is byte for byte the
    same wherever it is emitted. Options are those of `compile_grad`; `regenerate` is a line for its header that says
    what to run to write it again. Raises what `compile_grad` raises, and EmitError where `path` cannot be written.

    >>> import sympy as sp
    >>> from symbackprop import emit_module
    >>> x = sp.Symbol("x")
    >>> "def value_and_grad(x):" in emit_module(sp.sin(x), x, target="python")
    True
    """
    options = Options(target=target, dtype=dtype, kinks=kinks, reduce=reduce)
    source = compile_gradient(expr, wrt, args, batch, options, name, regenerate).source
    if path is not None:
        write_atomically(path, source)
    return source
