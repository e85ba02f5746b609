"""What a user gives (expression, wrt, args, batch) to a graph and a signature."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
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
from symbackprop.frontend.atoms import declared_text, in_natural_order, name_of
from symbackprop.frontend.problems import short
from symbackprop.frontend.scalar import Translator
from symbackprop.frontend.sharing import share
from symbackprop.frontend.variables import (
    Leaf,
    check_place,
    entry_name,
    leaves_of,
    listed,
    pack_name,
    symbol_in,
)
from symbackprop.ir import Graph, Type
from symbackprop.ir.node import REAL
from symbackprop.ir.signature import SAMPLES, Argument, Structure
from symbackprop.ops.extents import Extent, Shape, determined


@dataclass(frozen=True, slots=True)
class Variable:
    """One leaf of `wrt`: the identifiers of its inputs, packed into an array or a single one.

    An input may be an array of a `shape`, and the variable one entry of it, at a `place`.
    """

    name: str
    members: tuple[str, ...]
    names: tuple[str, ...]
    packed: bool
    shape: Shape = ()
    place: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A user's model, understood: the graph of its values, and what goes in and comes out."""

    graph: Graph
    arguments: tuple[Argument, ...]
    wrt: tuple[Variable, ...]
    structure: Structure
    values: Structure
    batched: bool
    at_least: tuple[tuple[Extent, int, str], ...] = ()


class _Names:
    """Identifiers of symbols: their names, numbered where two different symbols share one."""

    def __init__(self, reserved: Sequence[str] = ()) -> None:
        self.identifiers: dict[Any, str] = {}
        self._first: dict[str, Any] = {}
        self._taken: set[str] = set(reserved)
        self.clashes: list[tuple[Any, Any]] = []

    def __call__(self, symbol: Any) -> str:
        known = self.identifiers.get(symbol)
        if known is None:
            name = name_of(symbol)
            first = self._first.setdefault(name, symbol)
            if first is not symbol and first != symbol:
                self.clashes.append((first, symbol))
            known, number = name, 1
            while known in self._taken:
                number += 1
                known = f"{name} ({number})"
            self._taken.add(known)
            self.identifiers[symbol] = known
        return known


def read_model(
    expr: Any,
    wrt: Any = None,
    args: Any = None,
    batch: Any = None,
    let: Sequence[tuple[Any, Any]] = (),
    shapes: Any = None,
    recording: bool = False,
) -> Model:
    """The graph of a scalar expression, or of a list or tuple of them, over let-bound symbols.

    `shapes` gives those of indexed bases that have none; `recording` keeps with every node what it came from.

    Raises UnsupportedExpression (everything that is not taken, in one error), UnboundSymbol, NameClash, OptionError.
    """
    batched = [symbol_in(item, "batch") for item in listed(batch, "batch")]
    # The dimension that counts samples is ours; a symbol of the user's with its name is another one.
    names = _Names([SAMPLES] if batched else [])
    in_batch = set(batched)
    translator = Translator(names, recording)
    several = isinstance(expr, list | tuple | sp.Tuple)
    exprs = list(expr) if several else [expr]
    translator.indices.bases.declared = _shapes(translator, shapes)
    translator.indices.prepare(exprs, let)
    for symbol, meant in let:
        translator.bind(symbol, meant)
    roots = [_real_root(translator, item) for item in exprs]
    translator.problems.raise_if_any()
    bound = {symbol for symbol, _ in let}
    found, met = translator.symbols, set(translator.symbols)
    structure, wrt_leaves = leaves_of(wrt, found, bound)
    owners = [symbol for leaf in wrt_leaves for symbol in leaf.symbols]
    for symbol in owners:
        if symbol in translator.dimensions:
            raise OptionError(f"wrt holds {symbol}, which is a length: integers have no derivative")
    for symbol in dict.fromkeys([*owners, *batched, *_flat(args)]):
        _declare(translator, symbol)
    for leaf in wrt_leaves:
        check_place(translator, leaf)
    lengths = _lengths(translator, args)
    arguments = _arguments(args, [*found, *lengths], owners, batched)
    for symbol in [*owners, *[symbol for members, _ in arguments for symbol in members]]:
        names(symbol)
    _check_clashes(names, args)
    _warn_of_idle(wrt, owners, met)
    for members, _ in arguments:
        for symbol in members:
            if symbol not in lengths:
                type_ = found[symbol]
                translator.builder.input(names(symbol), type_)
    return Model(
        share(translator.builder.graph(roots)),
        _distinct([_argument(members, packed, names, in_batch, found, lengths) for members, packed in arguments]),
        tuple(_variable(leaf, names, found) for leaf in wrt_leaves),
        structure,
        _value_structure(expr) if several else Structure("leaf"),
        bool(batched),
        tuple(translator.at_least),
    )


def _shapes(translator: Translator, shapes: Any) -> dict[Any, Shape]:
    """The option `shapes`: lengths by indexed base."""
    if shapes is not None and not isinstance(shapes, Mapping):
        raise OptionError(f"shapes= must be a dict of IndexedBase to shape, not a {type(shapes).__name__}")
    found: dict[Any, Shape] = {}
    for base, shape in (shapes or {}).items():
        if not isinstance(base, sp.IndexedBase) or base.shape is not None:
            raise OptionError(
                f"shapes= gives a shape for {base}; it is for IndexedBases that were declared without one"
            )
        lengths = shape if isinstance(shape, tuple | list | sp.Tuple) else (shape,)
        found[base] = tuple(translator.extent(length) for length in lengths)
    return found


def _declare(translator: Translator, symbol: Any) -> None:
    """Give a symbol that the expression may lack its type."""
    if symbol in translator.symbols or symbol in translator.dimensions:
        return
    if isinstance(symbol, sp.Symbol):
        translator.symbols[symbol] = REAL
        return
    declared = translator.indices.bases.declared.get(symbol)
    if declared is not None:
        translator.symbols[symbol] = Type("real", declared)
        return
    if symbol.shape is None:
        raise UnsupportedExpression(
            f"{symbol} is not in the expression and has no shape; declare it:"
            f" IndexedBase({name_of(symbol)!r}, shape=(...))"
        )
    translator.symbols[symbol] = Type("real", tuple(translator.extent(extent) for extent in symbol.shape))


def _flat(args: Any) -> list[Any]:
    """The symbols that args names."""
    flat: list[Any] = []
    for item in listed(args, "args"):
        parts = item if isinstance(item, tuple | sp.Tuple | list) else (item,)
        flat.extend(symbol_in(part, "args") for part in parts)
    return flat


def _lengths(translator: Translator, args: Any) -> dict[Any, None]:
    """The dimensions that are arguments: those that args names, and those that no array tells."""
    known = determined(type_.shape for type_ in translator.symbols.values())
    named = set(_flat(args))
    return {
        symbol: None
        for symbol, identifier in translator.dimensions.items()
        if symbol in named or identifier not in known
    }


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


def _variable(leaf: Leaf, names: _Names, found: dict[Any, Type]) -> Variable:
    shape = () if leaf.packed else found[leaf.symbols[0]].shape
    return Variable(
        pack_name(leaf.symbols) if leaf.place is None else entry_name(leaf),
        tuple(names(symbol) for symbol in leaf.symbols),
        tuple(name_of(s) for s in leaf.symbols),
        leaf.packed,
        shape,
        leaf.place,
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
    if not isinstance(expr, sp.Basic | sp.MatrixBase | sp.NDimArray):
        raise UnsupportedExpression(f"{type(expr).__name__} is not a SymPy expression")
    root = translator.translate(expr)
    if set(translator.builder.nodes[root].type.shape) == {1}:
        root = translator.f.reshape(translator.f.wrap(root), ()).index
    if translator.builder.nodes[root].type.dtype == "bool":
        raise UnsupportedExpression(
            f"{short(expr)} is a condition, not a number; a loss must be real: use Piecewise((1, condition), (0, True))"
        )
    return root


_Members = tuple[tuple[Any, ...], bool]
"""Symbols that go together, and whether they are packed into one array."""


def _arguments(args: Any, found: list[Any], owners: list[Any], batched: list[Any]) -> list[_Members]:
    needed = dict.fromkeys([*found, *owners, *batched])
    if args is None:
        return [((symbol,), False) for symbol in in_natural_order(needed)]
    arguments: list[_Members] = []
    for item in listed(args, "args"):
        packed = isinstance(item, tuple | sp.Tuple | list)
        members = tuple(symbol_in(part, "args") for part in item) if packed else (symbol_in(item, "args"),)
        if packed and not all(isinstance(symbol, sp.Symbol) for symbol in members):
            raise OptionError(f"args packs {short(sp.Tuple(*item))}: only scalars are packed; name arrays apart")
        arguments.append((members, packed))
    given = [symbol for members, _ in arguments for symbol in members]
    repeated = (
        [symbol for symbol in dict.fromkeys(given) if given.count(symbol) > 1] if len(set(given)) < len(given) else []
    )
    if repeated:
        raise NameClash(f"args (of a training: params, frozen and data) gives {repeated[0]} twice")
    missing = in_natural_order(set(needed) - set(given))
    if missing:
        shown = ", ".join(repr(name_of(symbol)) for symbol in missing[:8]) + (", ..." if len(missing) > 8 else "")
        alike = [symbol for symbol in given if name_of(symbol) in {name_of(other) for other in missing}]
        hint = f"; args has {declared_text(alike[0])}, another symbol of that name" if alike else ""
        raise UnboundSymbol(
            f"args provides no value for {shown}{hint}; add it to args (of a training: to params, frozen or data)"
        )
    return arguments


def _check_clashes(names: _Names, args: Any) -> None:
    if names.clashes and args is None:
        first, second = names.clashes[0]
        raise NameClash(
            f"two different symbols are called {name_of(first)!r}: {declared_text(first)} and"
            f" {declared_text(second)}; use one of them throughout, or give both a position with args=[...]"
        )


def _argument(
    members: tuple[Any, ...],
    packed: bool,
    names: _Names,
    in_batch: set[Any],
    found: dict[Any, Type],
    lengths: dict[Any, None],
) -> Argument:
    identifiers, own = tuple(names(symbol) for symbol in members), tuple(name_of(symbol) for symbol in members)
    if not packed and members[0] in lengths:
        return Argument(pack_name(members), identifiers, own, dtype="int", dimension=True)
    type_ = REAL if packed else found[members[0]]
    batched = any(symbol in in_batch for symbol in members)
    return Argument(pack_name(members), identifiers, own, packed, batched, type_.shape, type_.dtype)


def _warn_of_idle(wrt: Any, owners: list[Any], met: set[Any]) -> None:
    if wrt is None:
        return
    idle = [name_of(symbol) for symbol in owners if symbol not in met]
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
