"""What a user names: the symbols of `args` and `batch`, and the leaves of `wrt` in their nesting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sympy as sp
from sympy.tensor.array.expressions import ArrayElement, ArraySymbol

from symbackprop.errors import OptionError, ShapeMismatch, UnsupportedExpression
from symbackprop.frontend.atoms import in_natural_order, name_of, refusal
from symbackprop.frontend.problems import short
from symbackprop.ir import Type
from symbackprop.ir.signature import Structure
from symbackprop.ops.extents import minus, shape_text

if TYPE_CHECKING:
    from symbackprop.frontend.scalar import Translator


def listed(given: Any, what: str) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, set | frozenset | sp.FiniteSet):
        raise OptionError(f"{what} is a set, which has no order; give a list")
    return list(given) if isinstance(given, list | tuple | sp.Tuple) else [given]


def symbol_in(item: Any, what: str) -> Any:
    if isinstance(item, sp.Symbol):
        reason = refusal(item)
        if reason:
            raise UnsupportedExpression(f"the symbol {item.name!r} in {what} {reason}")
        return item
    if isinstance(item, sp.MatrixSymbol | sp.IndexedBase | ArraySymbol):
        return item
    if isinstance(item, sp.Basic | sp.MatrixBase):
        raise UnsupportedExpression(
            f"{what} holds {short(item)}, a {type(item).__name__}; name inputs: Symbol, MatrixSymbol, IndexedBase,"
            " ArraySymbol"
        )
    raise OptionError(f"{what} holds {item!r}, a {type(item).__name__}; give SymPy symbols")


_OWNER = {sp.matrices.expressions.matexpr.MatrixElement: "parent", sp.Indexed: "base", ArrayElement: "name"}


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf of wrt as the user named it."""

    symbols: tuple[Any, ...]
    packed: bool = False
    place: tuple[int, ...] | None = None


def _leaf(item: Any) -> Leaf:
    """An input, or one entry of it at constant indices."""
    owner = getattr(item, _OWNER.get(type(item), ""), None)
    if not isinstance(owner, sp.MatrixSymbol | sp.IndexedBase | ArraySymbol):
        return Leaf((symbol_in(item, "wrt"),))
    if not all(index.is_Integer and index >= 0 for index in item.indices):
        raise OptionError(f"wrt holds {short(item)}; name an entry by constant indices, or the whole array")
    return Leaf((owner,), place=tuple(int(index) for index in item.indices))


def check_place(translator: Translator, leaf: Leaf) -> None:
    """Refuse an entry that its array does not have, here or, where its lengths are named, at the call."""
    if leaf.place is None:
        return
    shape, text = translator.symbols[leaf.symbols[0]].shape, entry_name(leaf)
    pairs = list(zip(leaf.place, shape, strict=False))
    if len(shape) != len(leaf.place) or any(isinstance(length, int) and index >= length for index, length in pairs):
        raise ShapeMismatch(f"wrt holds {text}, but the array is of shape {shape_text(shape)}; indices start at 0")
    for index, length in pairs:
        translator.require(minus(length, index), 1, f"wrt holds {text}, which reaches index {index}")


def entry_name(leaf: Leaf) -> str:
    return f"{pack_name(leaf.symbols)}[{', '.join(map(str, leaf.place or ()))}]"


def leaves_of(wrt: Any, found: dict[Any, Type], bound: set[Any]) -> tuple[Structure, list[Leaf]]:
    if wrt is None:
        symbols = in_natural_order(symbol for symbol, type_ in found.items() if type_.dtype == "real")
        return Structure("tuple", (Structure("leaf"),) * len(symbols)), [Leaf((symbol,)) for symbol in symbols]
    leaves: list[Leaf] = []

    def read(item: Any, inside: bool) -> Structure:
        if isinstance(item, set | frozenset | sp.FiniteSet):
            raise OptionError("wrt is a set, which has no order; give a list, tuple or dict")
        if isinstance(item, dict):
            return Structure("dict", tuple(read(value, True) for value in item.values()), tuple(item))
        if isinstance(item, tuple | sp.Tuple) and inside and all(isinstance(part, sp.Symbol) for part in item):
            leaves.append(Leaf(tuple(symbol_in(part, "wrt") for part in item), packed=True))
            return Structure("leaf")
        if isinstance(item, list | tuple | sp.Tuple):
            inner = tuple(read(value, True) for value in item)
            return Structure("list" if isinstance(item, list) else "tuple", inner)
        leaves.append(_leaf(item))
        return Structure("leaf")

    structure = read(wrt, False)
    for leaf in leaves:
        for symbol in leaf.symbols:
            if symbol in bound:
                raise OptionError(f"wrt holds {symbol}, which is let-bound: it is an expression and not an input")
            if symbol in found and found[symbol].dtype == "int":
                raise OptionError(f"wrt holds {symbol}, which is used as an index: integers have no derivative")
    return structure, leaves


def pack_name(members: tuple[Any, ...]) -> str:
    """One symbol's name, or the common stem of several: q for q1, q2, q3."""
    if len(members) == 1:
        return name_of(members[0])
    stems = {name_of(symbol).rstrip("0123456789").rstrip("_") for symbol in members}
    return stems.pop() or "packed" if len(stems) == 1 else "packed"
