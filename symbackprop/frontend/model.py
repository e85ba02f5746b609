"""What a user gives (expression, wrt, args, batch) to a graph and a signature."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp

from symbackprop.errors import (
    NameClash,
    OptionError,
    SymbackpropWarning,
    UnboundSymbol,
    UnsupportedExpression,
)
from symbackprop.frontend.atoms import declared_text, in_natural_order, refusal
from symbackprop.frontend.problems import short
from symbackprop.frontend.scalar import Translator
from symbackprop.frontend.sharing import share
from symbackprop.ir import Graph, Type
from symbackprop.ir.node import REAL
from symbackprop.ir.signature import SAMPLES, Argument, Structure


@dataclass(frozen=True, slots=True)
class Variable:
    """One leaf of `wrt`: the identifiers of its inputs, packed into an array or a single one."""

    name: str
    members: tuple[str, ...]
    names: tuple[str, ...]
    packed: bool


@dataclass(frozen=True, slots=True)
class Model:
    """A user's model, understood: the graph of its values, and what goes in and comes out."""

    graph: Graph
    arguments: tuple[Argument, ...]
    wrt: tuple[Variable, ...]
    structure: Structure
    values: Structure
    batched: bool


class _Names:
    """Identifiers of symbols: their names, numbered where two different symbols share one."""

    def __init__(self) -> None:
        self.identifiers: dict[Any, str] = {}
        self._first: dict[str, Any] = {}
        self._taken: set[str] = set()
        self.clashes: list[tuple[Any, Any]] = []

    def __call__(self, symbol: Any) -> str:
        known = self.identifiers.get(symbol)
        if known is None:
            first = self._first.setdefault(symbol.name, symbol)
            if first is not symbol:
                self.clashes.append((first, symbol))
            known, number = symbol.name, 1
            while known in self._taken:
                number += 1
                known = f"{symbol.name} ({number})"
            self._taken.add(known)
            self.identifiers[symbol] = known
        return known


def read_model(
    expr: Any, wrt: Any = None, args: Any = None, batch: Any = None, let: Sequence[tuple[Any, Any]] = ()
) -> Model:
    """The graph of a scalar expression, or of a list or tuple of them, over let-bound symbols.

    Raises UnsupportedExpression (everything that is not taken, in one error), UnboundSymbol, NameClash, OptionError.
    """
    names = _Names()
    batched = [_symbol(item, "batch") for item in _listed(batch, "batch")]
    in_batch = set(batched)
    type_of: Callable[[Any], Type] = lambda symbol: Type("real", (SAMPLES,)) if symbol in in_batch else REAL  # noqa: E731
    translator = Translator(names, type_of)
    for symbol, meant in let:
        translator.bind(symbol, meant)
    several = isinstance(expr, list | tuple | sp.Tuple)
    roots = [_real_root(translator, item) for item in (expr if several else [expr])]
    translator.problems.raise_if_any()
    bound = {symbol for symbol, _ in let}
    structure, wrt_leaves = _wrt(wrt, translator.symbols, bound)
    arguments = _arguments(args, translator.symbols, wrt_leaves, batched)
    _check_clashes(names, args, arguments)
    _warn_of_idle(wrt, wrt_leaves, translator.symbols)
    for members, _ in arguments:
        for symbol in members:
            translator.builder.input(names(symbol), type_of(symbol))
    return Model(
        share(translator.builder.graph(roots)),
        _distinct([_argument(members, packed, names, in_batch) for members, packed in arguments]),
        tuple(_variable(members, packed, names) for members, packed in wrt_leaves),
        structure,
        _value_structure(expr) if several else Structure("leaf"),
        bool(batched),
    )


def _distinct(arguments: list[Argument]) -> tuple[Argument, ...]:
    """Packed arguments get a number where their name is taken: packed, packed_2."""
    taken = {argument.name for argument in arguments if not argument.packed}
    result = []
    for argument in arguments:
        name, number = argument.name, 1
        while argument.packed and name in taken:
            number += 1
            name = f"{argument.name}_{number}"
        taken.add(name)
        result.append(replace(argument, name=name))
    return tuple(result)


def _value_structure(exprs: Any) -> Structure:
    return Structure("list" if isinstance(exprs, list) else "tuple", (Structure("leaf"),) * len(exprs))


def _variable(members: tuple[Any, ...], packed: bool, names: _Names) -> Variable:
    return Variable(
        _pack_name(members),
        tuple(names(symbol) for symbol in members),
        tuple(s.name for s in members),
        packed,
    )


def split_cse(expr: Any) -> tuple[Sequence[tuple[Any, Any]], Any]:
    """``(replacements, [expr])`` as `sympy.cse` returns it, or no replacements and the expression."""
    if isinstance(expr, tuple) and len(expr) == 2 and isinstance(expr[0], list):
        replacements, reduced = expr
        if isinstance(reduced, list | tuple) and len(reduced) == 1:
            reduced = reduced[0]
        return replacements, reduced
    return (), expr


def _real_root(translator: Translator, expr: Any) -> int:
    if isinstance(expr, str):
        raise UnsupportedExpression(
            f"the expression is the string {expr!r}; strings are never evaluated: build it with SymPy"
        )
    if isinstance(expr, bool | int | float):
        expr = sp.sympify(expr)
    if not isinstance(expr, sp.Basic | sp.MatrixBase):
        raise UnsupportedExpression(f"{type(expr).__name__} is not a SymPy expression")
    root = translator.translate(expr)
    if translator.builder.nodes[root].type.dtype == "bool":
        raise UnsupportedExpression(
            f"{short(expr)} is a condition, not a number; a loss must be real: use Piecewise((1, condition), (0, True))"
        )
    return root


def _listed(given: Any, what: str) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, set | frozenset | sp.FiniteSet):
        raise OptionError(f"{what} is a set, which has no order; give a list")
    return list(given) if isinstance(given, list | tuple | sp.Tuple) else [given]


def _symbol(item: Any, what: str) -> Any:
    if isinstance(item, sp.Symbol):
        reason = refusal(item)
        if reason:
            raise UnsupportedExpression(f"the symbol {item.name!r} in {what} {reason}")
        return item
    if isinstance(item, sp.Basic):
        raise UnsupportedExpression(
            f"{what} holds {short(item)}, a {type(item).__name__}; only Symbols are taken so far"
        )
    raise OptionError(f"{what} holds {item!r}, a {type(item).__name__}; give SymPy symbols")


_Members = tuple[tuple[Any, ...], bool]
"""Symbols that go together, and whether they are packed into one array."""


def _wrt(wrt: Any, found: Any, bound: set[Any]) -> tuple[Structure, list[_Members]]:
    if wrt is None:
        symbols = in_natural_order(found)
        return Structure("tuple", (Structure("leaf"),) * len(symbols)), [((symbol,), False) for symbol in symbols]
    leaves: list[_Members] = []

    def read(item: Any, inside: bool) -> Structure:
        if isinstance(item, set | frozenset | sp.FiniteSet):
            raise OptionError("wrt is a set, which has no order; give a list, tuple or dict")
        if isinstance(item, dict):
            return Structure("dict", tuple(read(value, True) for value in item.values()), tuple(item))
        if isinstance(item, tuple | sp.Tuple) and inside:
            leaves.append((tuple(_symbol(part, "wrt") for part in item), True))
            return Structure("leaf")
        if isinstance(item, list | tuple | sp.Tuple):
            inner = tuple(read(value, True) for value in item)
            return Structure("list" if isinstance(item, list) else "tuple", inner)
        leaves.append(((_symbol(item, "wrt"),), False))
        return Structure("leaf")

    structure = read(wrt, False)
    for members, _ in leaves:
        for symbol in members:
            if symbol in bound:
                raise OptionError(f"wrt holds {symbol}, which is let-bound: it is an expression and not an input")
    return structure, leaves


def _arguments(args: Any, found: Any, wrt_leaves: list[_Members], batched: list[Any]) -> list[_Members]:
    needed = dict.fromkeys([*found, *[symbol for leaf, _ in wrt_leaves for symbol in leaf], *batched])
    if args is None:
        return [((symbol,), False) for symbol in in_natural_order(needed)]
    arguments: list[_Members] = []
    for item in _listed(args, "args"):
        packed = isinstance(item, tuple | sp.Tuple | list)
        members = tuple(_symbol(part, "args") for part in item) if packed else (_symbol(item, "args"),)
        arguments.append((members, packed))
    given = [symbol for members, _ in arguments for symbol in members]
    repeated = (
        [symbol for symbol in dict.fromkeys(given) if given.count(symbol) > 1] if len(set(given)) < len(given) else []
    )
    if repeated:
        raise NameClash(f"args gives {repeated[0]} twice")
    missing = in_natural_order(set(needed) - set(given))
    if missing:
        listed = ", ".join(repr(symbol.name) for symbol in missing[:8]) + (", ..." if len(missing) > 8 else "")
        alike = [symbol for symbol in given if symbol.name in {other.name for other in missing}]
        hint = f"; args has {declared_text(alike[0])}, another symbol of that name" if alike else ""
        raise UnboundSymbol(f"args provides no value for {listed}{hint}; add it to args")
    return arguments


def _check_clashes(names: _Names, args: Any, arguments: list[_Members]) -> None:
    if names.clashes and args is None:
        first, second = names.clashes[0]
        raise NameClash(
            f"two different symbols are called {first.name!r}: {declared_text(first)} and {declared_text(second)};"
            " use one of them throughout, or give both a position with args=[...]"
        )


def _argument(members: tuple[Any, ...], packed: bool, names: _Names, in_batch: set[Any]) -> Argument:
    return Argument(
        _pack_name(members),
        tuple(names(symbol) for symbol in members),
        tuple(symbol.name for symbol in members),
        packed,
        batched=any(symbol in in_batch for symbol in members),
    )


def _pack_name(members: tuple[Any, ...]) -> str:
    """One symbol's name, or the common stem of several: q for q1, q2, q3."""
    if len(members) == 1:
        return str(members[0].name)
    stems = {symbol.name.rstrip("0123456789").rstrip("_") for symbol in members}
    return stems.pop() or "packed" if len(stems) == 1 else "packed"


def _warn_of_idle(wrt: Any, wrt_leaves: list[_Members], found: Any) -> None:
    if wrt is None:
        return
    idle = [symbol.name for leaf, _ in wrt_leaves for symbol in leaf if symbol not in found]
    if idle:
        warnings.warn(
            f"the expression does not contain {', '.join(map(repr, idle))}: the gradient in it is zero",
            SymbackpropWarning,
            stacklevel=_outside(),
        )


def _outside() -> int:
    """The stack level of the first caller that is not this package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and (
        frame.f_globals.get("__name__", "").startswith("symbackprop") or "contextlib" in frame.f_code.co_filename
    ):
        level, frame = level + 1, frame.f_back
    return level - 1
