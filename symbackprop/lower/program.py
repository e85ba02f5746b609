"""The loop language between graphs and text: what a careful programmer decides before writing.

::

    program   ::= function*
    function  ::= name parameter* statement* result
    statement ::= Assign target expr | Accumulate name expr | For counter extent statement*
                | Allocate name extent* | Call function argument* | Cast parameter | Section text
    expr      ::= Ref name | Literal number | Item array place | Apply op expr* | Total expr | Fill expr extent
    target    ::= Ref | Item

Expressions are shallow (a line of text), so that walking them may recurse; statements never nest deeper than loops.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from symbackprop.ir import Number
from symbackprop.ops import Op


class Ref(NamedTuple):
    name: str


class Literal(NamedTuple):
    number: Number


class Item(NamedTuple):
    """One entry of an array, at a loop index or a fixed place."""

    array: str
    place: str | int | tuple[int, ...]


class Apply(NamedTuple):
    op: Op
    operands: tuple[Expr, ...]


class Total(NamedTuple):
    """The sum of an array, where arrays are values (target numpy)."""

    operand: Expr


class Fill(NamedTuple):
    """A scalar repeated to the length of the batch, where arrays are values."""

    operand: Expr
    extent: str


Expr = Ref | Literal | Item | Apply | Total | Fill


class Assign(NamedTuple):
    target: Ref | Item
    value: Expr
    note: str = ""


class Accumulate(NamedTuple):
    name: str
    value: Expr
    note: str = ""


class For(NamedTuple):
    counter: str
    extent: str
    body: tuple[Statement, ...]


class Allocate(NamedTuple):
    """A new array, to be filled; an extent is a number or the name of one."""

    name: str
    extents: tuple[int | str, ...]


class Measure(NamedTuple):
    """Bind the length of the batch and check that all batched arguments have it."""

    name: str
    arrays: tuple[str, ...]


class Call(NamedTuple):
    """A part of a big function, which works on the arrays it is given."""

    function: str
    arguments: tuple[str, ...]


class Cast(NamedTuple):
    """Bring an argument to the program's number type: a scalar, or an array, of a fixed length if one is given."""

    name: str
    array: bool
    length: int | None = None
    shared: bool = False
    """A number that all samples of a batch share."""


class Section(NamedTuple):
    """A comment on a line of its own."""

    text: str


Statement = Assign | Accumulate | For | Allocate | Measure | Call | Cast | Section


@dataclass(slots=True)
class Function:
    """What it returns: values, and where it computes a derivative its leaves. One of a group stands bare."""

    name: str
    parameters: list[str]
    body: list[Statement]
    values: list[Expr] = field(default_factory=list)
    leaves: list[Expr] | None = None
    bare_value: bool = True
    bare_leaf: bool = True
    part: bool = False

    @property
    def results(self) -> list[Expr]:
        return [*self.values, *(self.leaves or ())]


@dataclass(slots=True)
class Program:
    """Functions in the order in which they are defined: parts before what calls them."""

    functions: list[Function]
