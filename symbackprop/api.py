"""The public functions. Each reads its options, calls the compiler, and wraps what comes out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypedDict, Unpack, cast

import numpy as np

from symbackprop.check import VERIFICATIONS, verified
from symbackprop.compiler import Request, compile_request
from symbackprop.emit import checked
from symbackprop.emit.files import write_atomically
from symbackprop.emit.module import stated
from symbackprop.errors import OptionError
from symbackprop.keywords import check_options
from symbackprop.options import TARGETS, Options
from symbackprop.runtime import Blocks, CompiledFunction, direct_route
from symbackprop.show import Batch, Explanation, Subject


class CompileOptions(TypedDict, total=False):
    """The keywords that every `compile_*` takes; see `compile_grad`."""

    args: Any
    batch: Any
    reduce: str | None
    backend: str
    route: str
    dtype: str
    shapes: Any
    kinks: str
    name: str | None
    cache: bool
    parallel: bool
    contract: bool
    fast_sums: bool


def _request(expr: Any, wrt: Any, mode: str, options: CompileOptions, regenerate: str = "") -> Request:
    check_options(f"compile_{mode}", options, CompileOptions.__annotations__)
    return Request(
        expr,
        wrt,
        options.get("args"),
        options.get("batch"),
        mode,
        Options(
            target=options.get("backend", "numba"),
            dtype=options.get("dtype", "float64"),
            kinks=options.get("kinks", "zero"),
            reduce=options.get("reduce"),
            route=options.get("route", "direct"),
            cache=options.get("cache", True),
            parallel=options.get("parallel", False),
            contract=options.get("contract", False),
            fast_sums=options.get("fast_sums", False),
        ),
        options.get("name"),
        regenerate,
        options.get("shapes"),
    )


def compiled_function(request: Request) -> CompiledFunction:
    """What a request compiles to, for the `compile_*` functions and the command line."""
    request = request.settled()
    compiled, options = compile_request(request), request.options

    def respell(target: str) -> CompiledFunction:
        return compiled_function(replace(request, options=replace(options, target=target)))

    return CompiledFunction(
        lambda: compiled.source,
        compiled.signature,
        options.target,
        options.dtype,
        compiled.stats,
        request.name or "",
        respell,
        direct_route(compiled.program, compiled.signature, options),
        Blocks.of(compiled.stats["value_and_grad"], options.reduce) if options.parallel else None,
        Subject(request, Batch.in_(compiled.signature, options.reduce)),
    )


def compile_grad(expr: Any, wrt: Any = None, **options: Unpack[CompileOptions]) -> CompiledFunction:
    """Compile the gradient of a real scalar SymPy expression.

    `expr` is an expression, or ``(replacements, [expr])`` as `sympy.cse` returns it. `wrt` is a symbol or a list, tuple
    or dict of symbols, whose structure the gradient mirrors; None means every free symbol, in natural order.

    Options: `args` is the call order, by default the free symbols in natural order; a tuple of symbols inside `args`
    or `wrt` is one 1-D array. With `batch=[x, y]`, `expr` is the loss of one sample, x and y carry one entry a sample,
    and `reduce` is "sum", "mean", or None for one gradient a sample. `backend` is "python", "numpy" or "numba", `dtype`
    "float64" or "float32", `kinks` (what a derivative is at a kink) "zero", "left", "right" or "raise". `name` is a
    title for the emitted module. `shapes` gives the shape of an IndexedBase that has none: ``{x: (n,)}``. With
    `backend="numba"`, `route` is "direct" (LLVM alone) or "njit" (Numba's front end), and `cache` keeps machine code in
    the user's cache folder, or in that of the environment variable SYMBACKPROP_CACHE. `parallel=True` lets threads
    share a batch, in blocks of samples whose sums are added up in order: any number of threads gives the same result.
    `contract=True` lets a*b + c round once, `fast_sums=True` lets sums be added up in another order: both are faster by
    some per cent where they help, change last bits, and keep nan and infinity.

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
    return compiled_function(_request(expr, wrt, "grad", options))


def compile_function(exprs: Any, **options: Unpack[CompileOptions]) -> CompiledFunction:
    """Compile values alone: of one expression, or of a list or tuple of them, whose structure the result mirrors.

    Options and errors as for `compile_grad`.

    >>> import sympy as sp
    >>> from symbackprop import compile_function
    >>> x, y = sp.symbols("x y")
    >>> compile_function([x + y, x*y], backend="python")(2, 3)
    [5.0, 6.0]
    """
    return compiled_function(_request(exprs, [], "function", options))


def compile_jacobian(
    exprs: Any, wrt: Any = None, *, sparse: bool = False, **options: Unpack[CompileOptions]
) -> CompiledFunction:
    """Compile the Jacobian of m expressions in n inputs: an array of shape (m, n).

    One expression instead of a list gives shape (n,), one bare symbol as `wrt` drops the other axis. The cheaper of
    forward and reverse mode is taken. Options and errors as for `compile_grad`; `sparse=True` is refused so far.

    >>> import sympy as sp
    >>> from symbackprop import compile_jacobian
    >>> x, y = sp.symbols("x y")
    >>> compile_jacobian([x + y, x*y], [x, y], backend="python")(2, 3).tolist()
    [[1.0, 1.0], [3.0, 2.0]]
    """
    if sparse:
        raise OptionError("sparse=True is not available in this version; the dense Jacobian is")
    return compiled_function(_request(exprs, wrt, "jacobian", options))


def compile_hessian(
    expr: Any, wrt: Any = None, *, sparse: bool = False, **options: Unpack[CompileOptions]
) -> CompiledFunction:
    """Compile the Hessian: an array of shape (n, n) for n inputs, a number for one bare symbol.

    Forward over reverse, one triangle of it. Options and errors as for `compile_grad`; `sparse=True` is refused so far.

    >>> import sympy as sp
    >>> from symbackprop import compile_hessian
    >>> x, y = sp.symbols("x y")
    >>> compile_hessian(x**2*y, [x, y], backend="python")(3, 5).tolist()
    [[10.0, 6.0], [6.0, 0.0]]
    """
    if sparse:
        raise OptionError("sparse=True is not available in this version; the dense Hessian is")
    return compiled_function(_request(expr, wrt, "hessian", options))


def compile_hvp(expr: Any, wrt: Any = None, **options: Unpack[CompileOptions]) -> CompiledFunction:
    """Compile the Hessian-vector product; call it with one more input `v` after the others.

    `v` is an array with one entry for each input in `wrt`, in order; a number for one bare symbol. The result mirrors
    `wrt`. Forward over reverse: a small multiple of the gradient's cost. Options and errors as for `compile_grad`.

    >>> import sympy as sp
    >>> from symbackprop import compile_hvp
    >>> x, y = sp.symbols("x y")
    >>> compile_hvp(x**2*y, [x, y], backend="python")(3, 5, [1, 0])
    [10.0, 6.0]
    """
    return compiled_function(_request(expr, wrt, "hvp", options))


def compile_jvp(exprs: Any, wrt: Any = None, **options: Unpack[CompileOptions]) -> CompiledFunction:
    """Compile the Jacobian-vector product, by one forward sweep; call it with a tangent for each `wrt` last.

    The result mirrors `exprs`. Options and errors as for `compile_grad`.

    >>> import sympy as sp
    >>> from symbackprop import compile_jvp
    >>> a, b = sp.symbols("a b")
    >>> compile_jvp((a + b)*(b + 1), [b], backend="python")(2, 1, 1)
    5.0
    """
    return compiled_function(_request(exprs, wrt, "jvp", options))


def compile_vjp(exprs: Any, wrt: Any = None, **options: Unpack[CompileOptions]) -> CompiledFunction:
    """Compile the vector-Jacobian product, by one reverse sweep; call it with a cotangent for each expression last.

    The result mirrors `wrt`. Options and errors as for `compile_grad`.

    >>> import sympy as sp
    >>> from symbackprop import compile_vjp
    >>> x, y = sp.symbols("x y")
    >>> compile_vjp([x + y, x*y], [x, y], backend="python")(2, 3, 1, 10)
    [31.0, 21.0]
    """
    return compiled_function(_request(exprs, wrt, "vjp", options))


def explain(
    expr: Any,
    wrt: Any = None,
    *,
    at: Mapping[Any, Any],
    args: Any = None,
    kinks: str = "zero",
    shapes: Any = None,
    name: str | None = None,
) -> Explanation:
    """How the value and the gradient of an expression come about at a point: the forward table, the backward table,
    forward mode beside reverse mode, the sum over paths.

    `at` gives each symbol, or its name, a number or an array. ``str(...)`` is text; ``markdown()``, ``html()`` and
    ``latex()`` are the same for elsewhere, and a notebook shows the tables. The steps are those of the expression as it
    stands, of several values forward alone; let-bound ones, ``([(c, a + b)], [c**2])``, keep their names. Options and
    errors as for `compile_grad`.

    >>> import sympy as sp
    >>> from symbackprop import explain
    >>> a, b = sp.symbols("a b")
    >>> print(explain((a + b)*(b + 1), [a, b], at={a: 2, b: 1}).result.rows[-1][1].text)
    5
    """
    point = {str(getattr(key, "name", key)): value for key, value in at.items()}
    g = compile_grad(expr, wrt, args=args, kinks=kinks, shapes=shapes, name=name, backend="numpy")
    return cast(Explanation, g.explain(**point))


def emit_module(
    expr: Any,
    wrt: Any = None,
    path: str | os.PathLike[str] | None = None,
    target: str = "numpy",
    *,
    regenerate: str = "",
    verify: str = "quick",
    **options: Unpack[CompileOptions],
) -> str:
    """The text of a standalone gradient module, also written to `path` if one is given.

    The module defines `value`, `grad` and `value_and_grad`, imports nothing of this package, and is byte for byte the
    same wherever it is emitted. `target` is "python", "numpy" or "numba"; `regenerate` is a line for its header that
    says what to run to write it again.

    With `verify="quick"` the emitted text is executed at three points (of a batch, at three samples), and held against
    differences of the model's value in arbitrary precision; the header says so, or why not: models of more than 20,000
    operations take `verify="full"`, which also looks at more points and every entry. `verify="none"` leaves it out.

    Options and errors as for `compile_grad`, and EmitError where the module's value or gradient is wrong, or `path`
    cannot be written; then nothing on disk has changed.

    >>> import sympy as sp
    >>> from symbackprop import emit_module
    >>> x = sp.Symbol("x")
    >>> "def value_and_grad(x):" in emit_module(sp.sin(x), x, target="python")
    True
    """
    if "backend" in options:
        raise OptionError("emit_module takes target=, not backend=")
    own = [name for name in CompileOptions.__annotations__ if name != "backend"]
    check_options("emit_module", options, ["path", "target", "verify", "regenerate", *own])
    if target not in TARGETS:
        raise OptionError(f"target={target!r} is not one of {', '.join(map(repr, TARGETS))}")
    if verify not in VERIFICATIONS:
        raise OptionError(f"verify={verify!r} is not one of {', '.join(map(repr, VERIFICATIONS))}")
    request = _request(expr, wrt, "grad", {**options, "backend": target}, regenerate)
    compiled = compile_request(request)
    source = compiled.source
    if verify != "none":
        source = stated(source, verified(request, compiled, verify))
    checked(source)
    if path is not None:
        write_atomically(path, source)
    return source


def lambdify(
    args: Any,
    expr: Any,
    modules: Any = None,
    *,
    jacobian: bool = False,
    backend: str = "numpy",
    **options: Any,
) -> Callable[..., Any]:
    """A drop-in for `sympy.lambdify`: a function of `args` that gives the value of `expr`, right in its tails.

    `args` is a symbol or a list; a tuple or list inside it is one array argument. `expr` is an expression, a list or
    tuple of them, or a Matrix, whose values come as an array of its shape (the axes of arrays passed in follow). Arrays
    broadcast. With `jacobian=True` the function returns ``(value, jacobian)``, in all members of `args` in order; of a
    Matrix, in the order of its entries. `modules` is accepted for compatibility: "numpy", "math" and "numba" choose the
    backend; `cse` and `dummify` are, too, and make no difference: work is always shared, names are always safe.

    >>> import sympy as sp
    >>> from symbackprop import lambdify
    >>> x, y = sp.symbols("x y")
    >>> lambdify([x, y], x*y)(2, 3)
    6.0
    >>> value, jacobian = lambdify([x, (y,)], x*y, jacobian=True)(2, [3])
    >>> value, jacobian.tolist()
    (6.0, [3.0, 2.0])
    """
    if modules is not None:
        known = {"numpy": "numpy", "scipy": "numpy", "math": "python", "numba": "numba"}
        first = modules[0] if isinstance(modules, list | tuple) and modules else modules
        if not isinstance(first, str) or first not in known:
            raise OptionError(f"modules={modules!r} is not supported; use backend='python', 'numpy' or 'numba'")
        backend = known[first]
    items = args if _several(args) else [args]
    listed = [tuple(item) if hasattr(item, "__iter__") else item for item in items]
    shared = {key: value for key, value in options.items() if key not in ("cse", "dummify")}
    shared.update(args=listed, backend=backend)
    matrix = hasattr(expr, "tolist") and hasattr(expr, "shape")
    entries = [entry for row in expr.tolist() for entry in row] if matrix else expr
    if jacobian:
        flat = [symbol for item in listed for symbol in (item if isinstance(item, tuple) else [item])]
        return compile_jacobian(entries, flat, **shared).value_and_derivative
    function = compile_function(entries, **shared)
    return _matrix_function(function, tuple(expr.shape)) if matrix else function


def _several(args: Any) -> bool:
    return hasattr(args, "__iter__") and not isinstance(args, str)


def _matrix_function(function: CompiledFunction, shape: tuple[int, ...]) -> Callable[..., Any]:
    """A function of a matrix's entries as one that returns an array of the matrix's shape."""

    def evaluate(*args: Any, **named: Any) -> Any:
        entries = np.array(np.broadcast_arrays(*function(*args, **named)))
        return entries.reshape(shape + entries.shape[1:])

    return evaluate
