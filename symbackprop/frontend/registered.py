"""Functions that a user brings: by `register`, or by a SymPy Function class with `fdiff` and a definition."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from symbackprop.errors import MissingDerivative, OptionError, UnsupportedExpression
from symbackprop.frontend.functions import rows_by_class
from symbackprop.frontend.problems import short
from symbackprop.ops import Op, Spelling
from symbackprop.ops.row import SPECIAL
from symbackprop.ops.scipy import special

if TYPE_CHECKING:
    from symbackprop.frontend.scalar import Translator

_ROWS: dict[Any, Op] = {}
# The modules that emitted code of each target imports.
_OFFERED: dict[str, dict[str, Any]] = {
    "python": {"math": math},
    "numpy": {"np": np, "special": special},
    "numba": {"math": math, "np": np},
}


def register(
    function: Any,
    value: Any = None,
    *,
    partials: Any = None,
    spelling: Mapping[str, str] | None = None,
    mpmath: Callable[..., Any] | None = None,
) -> None:
    """Teach the compiler a function of your own.

    `function` is a `sympy.Function` class, or an undefined one (``sympy.Function("f")``). Its value is either `value`,
    a SymPy Lambda (or a Python callable that returns a SymPy expression of its arguments), or `spelling`: for each
    target ("python", "numpy", "numba") the dotted name of a function that the target's modules offer (``math.erf``,
    ``special.ndtr``, ``np.sinc``). `partials` gives the derivative in each argument, a callable or Lambda each; without
    it the function's own `fdiff` serves, and without that `value` is differentiated. `mpmath` is a reference for
    `check_grad`.

    Raises OptionError for anything inconsistent. Registering again replaces.

    >>> import sympy as sp
    >>> from symbackprop import compile_grad, register
    >>> x = sp.Symbol("x")
    >>> swish = sp.Function("swish")
    >>> register(swish, lambda x: x / (1 + sp.exp(-x)))
    >>> compile_grad(swish(x), x, backend="python")(0.0)
    0.5
    """
    if not isinstance(function, sp.core.function.FunctionClass):
        raise OptionError(f"register takes a sympy Function class, not {short(function)}")
    if function in rows_by_class() or _is_builtin(function):
        raise OptionError(f"{function} is built in; register a function of your own")
    if (value is None) == (spelling is None):
        raise OptionError(f"register({function}) needs either value= or spelling=, one of the two")
    spelled = dict(spelling or {})
    for target, callee in spelled.items():
        module, _, attribute = callee.partition(".")
        offered = _OFFERED.get(target, {}).get(module)
        if offered is None or not attribute.isidentifier() or not callable(getattr(offered, attribute, None)):
            raise OptionError(
                f"register({function}): {target!r}: {callee!r} is not of the form {{'python': 'math.erf', 'numpy':"
                " 'special.ndtr', 'numba': 'math.erf'}, a function that the target's modules offer"
            )
    arity = _arity(function, value, partials)
    _try_out(function, value, arity)
    expressions = _partial_expressions(function, partials, arity)
    if expressions is None and value is None:
        raise MissingDerivative(f"register({function}) with spelling= needs partials=, or an fdiff on the class")
    _ROWS[function] = Op(
        name=str(function),
        doc=f"the user's {function}",
        arity=arity,
        partials=tuple(_as_rows(expression) for expression in expressions) if expressions else (),
        define=_as_rows(value, partial=False) if value is not None else None,
        python=Spelling(spelled["python"]) if "python" in spelled else None,
        numpy=Spelling(spelled["numpy"]) if "numpy" in spelled else None,
        numba=Spelling(spelled["numba"]) if "numba" in spelled else None,
        mpmath=mpmath,
        cost=SPECIAL,
    )


def _is_builtin(function: Any) -> bool:
    return (getattr(function, "__module__", None) or "").startswith("sympy.")


def _try_out(function: Any, value: Any, arity: int) -> None:
    """A definition must give a SymPy expression, which shows when it is called once."""
    if value is None:
        return
    try:
        expr = sp.sympify(value(*_dummies(arity)), strict=True)
        if expr.has(function):
            raise ValueError("it uses itself")
    except Exception as error:
        raise OptionError(
            f"register({function}): its definition does not give a SymPy expression: {type(error).__name__}: {error}"
        ) from error


def build(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    """A node for an applied function that no row and no other rule knows."""
    row = _ROWS.get(expr.func)
    if row is None and isinstance(expr, sp.Function) and not isinstance(expr, sp.core.function.AppliedUndef):
        row = _row_of_class(expr)
    if row is not None:
        if len(operands) != row.arity:
            raise UnsupportedExpression(f"{row.name} was registered with {row.arity} arguments, not {len(operands)}")
        if not row.partials and row.define is not None:
            return int(row.define(t.f, *t.values(operands)).index)
        return t.apply(row, operands)
    name = type(expr).__name__
    if isinstance(expr, sp.Function):
        raise UnsupportedExpression(
            f"the function {name} is unknown here; give its value and derivative with symbackprop.register({name}, ...)"
        )
    raise UnsupportedExpression(f"{name} is not something that can be compiled to a number")


def _row_of_class(expr: Any) -> Op | None:
    """A row for a Function class that defines itself: `_eval_expand_func` or `doit` for the value, `fdiff`."""
    function = expr.func
    if not _is_own(function):
        return None
    arguments = _dummies(len(expr.args))
    applied = function(*arguments)
    value = applied.expand(func=True, deep=False)
    value = applied.doit(deep=False) if value == applied else value
    if value == applied or value.has(function):
        return None
    expressions = _partial_expressions(function, None, len(arguments))
    _ROWS[function] = row = Op(
        name=str(function),
        doc=f"the user's {function}",
        arity=len(arguments),
        partials=tuple(_as_rows(expression) for expression in expressions) if expressions else (),
        define=_as_rows(sp.Lambda(arguments, value), partial=False),
        cost=SPECIAL,
    )
    return row


def _dummies(count: int) -> tuple[Any, ...]:
    return tuple(sp.Dummy(f"a{position}", real=True) for position in range(count))


def _arity(function: Any, value: Any, partials: Any) -> int:
    if isinstance(value, sp.Lambda):
        return len(value.signature)
    if callable(value):
        try:
            return len(inspect.signature(value).parameters)
        except (TypeError, ValueError):
            raise OptionError(
                f"register({function}): {value!r} computes numbers; give a function of SymPy expressions (sp.sin)"
            ) from None
    if function.nargs is not sp.S.Naturals0 and function.nargs is not None and len(function.nargs) == 1:
        return int(next(iter(function.nargs)))
    if isinstance(partials, list | tuple):
        return len(partials)
    return 1


def _partial_expressions(function: Any, partials: Any, arity: int) -> list[Any] | None:
    if partials is not None:
        given = list(partials) if isinstance(partials, list | tuple) else [partials]
        if len(given) != arity:
            raise OptionError(f"register({function}): {len(given)} partials for {arity} arguments")
        return given
    if "fdiff" not in {name for base in function.__mro__ for name in vars(base) if _is_own(base)}:
        return None
    arguments = _dummies(arity)
    applied = function(*arguments)
    return [sp.Lambda(arguments, applied.fdiff(position + 1)) for position in range(arity)]


def _is_own(base: type) -> bool:
    return not (base.__module__ or "").startswith("sympy.")


def _as_rows(expression: Any, partial: bool = True) -> Callable[..., Any]:
    """A Lambda or callable over SymPy expressions as a row's mathematics over values."""

    def apply(f: Any, *values: Any) -> Any:
        operands = values[1:] if partial else values
        arguments = _dummies(len(operands))
        body = expression(*arguments)
        return substitute(f, sp.sympify(body, strict=True), dict(zip(arguments, operands, strict=True)))

    return apply


def substitute(f: Any, body: Any, operands: Mapping[Any, Any]) -> Any:
    """A SymPy expression over dummies as a value over `f`'s graph."""
    from symbackprop.frontend.scalar import Translator
    from symbackprop.frontend.sharing import share

    identifiers = {symbol: f"operand {position}" for position, symbol in enumerate(operands)}
    inner = Translator(lambda symbol: identifiers[symbol])
    free = [symbol for symbol in body.free_symbols if symbol not in identifiers]
    if free:
        raise UnsupportedExpression(f"the definition {short(body)} uses {short(free[0])}, which is no argument of it")
    root = inner.translate(body)
    inner.problems.raise_if_any()
    graph = share(inner.builder.graph([root]))
    by_identifier = {identifiers[symbol]: value.index for symbol, value in operands.items()}
    mapping: list[int] = []
    for node in graph.nodes:
        if node.attributes in by_identifier and node.op.name == "input":
            mapping.append(by_identifier[node.attributes])
        else:
            mapping.append(f.builder.copy(node, tuple(mapping[operand] for operand in node.operands)))
    return f.wrap(mapping[graph.outputs[0]])
