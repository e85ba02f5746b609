"""The loop language between graphs and text: what a careful programmer decides before writing.

::

    program   ::= function*
    function  ::= name parameter* statement* result
    statement ::= Assign target expr | Accumulate target expr | For counter extent statement*
                | Allocate name shape | Call function argument* | Effect expr | Cast parameter | Measure dimension
                | Require array shape | Demand condition | Receive name* function | Section text | Break condition
    expr      ::= Ref name | Literal number | Item array place* | Rows array start length | Apply op expr*
                | Invoke callee expr* keyword* | Method expr name expr* keyword* | Attribute expr name
                | Subscript expr piece* | MatMul expr expr | Group expr*
    target    ::= Ref | Item | Subscript

Expressions are shallow (a line of text), so that walking them may recurse; statements never nest deeper than loops.
Targets with loops work on `Item`s; the last two lines of expressions are for targets where arrays are values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from symbackprop.ir import Number
from symbackprop.ops import REGISTRY, DType, Op
from symbackprop.ops.array_norms import TURNS_AGAIN
from symbackprop.ops.extents import Shape


class Ref(NamedTuple):
    name: str


class Literal(NamedTuple):
    """A number; an int where it counts or indexes."""

    number: Number | int


class Item(NamedTuple):
    """One entry of an array: an index an axis."""

    array: str
    place: tuple[Expr, ...]


class Rows(NamedTuple):
    """Some rows of an array, in its memory: so many from one on."""

    array: str
    start: Expr
    length: Expr


class Apply(NamedTuple):
    op: Op
    operands: tuple[Expr, ...]


class Invoke(NamedTuple):
    """A call of a library function; keywords are written as they are."""

    callee: str
    operands: tuple[Expr, ...]
    keywords: tuple[str, ...] = ()


class Method(NamedTuple):
    owner: Expr
    name: str
    operands: tuple[Expr, ...] = ()
    keywords: tuple[str, ...] = ()


class Attribute(NamedTuple):
    owner: Expr
    name: str


class Subscript(NamedTuple):
    """Parts of an array: slices and None as text, and indices."""

    owner: Expr
    pieces: tuple[Expr | str, ...]


class MatMul(NamedTuple):
    left: Expr
    right: Expr


class Group(NamedTuple):
    """A tuple."""

    items: tuple[Expr, ...]


class Text(NamedTuple):
    """A string of ours: an einsum."""

    text: str


Expr = Text | Ref | Literal | Item | Rows | Apply | Invoke | Method | Attribute | Subscript | MatMul | Group
Target = Ref | Item | Subscript


class Assign(NamedTuple):
    target: Target
    value: Expr
    note: str = ""


class Accumulate(NamedTuple):
    """``target = op(target, value)`` for addition, multiplication or one of `EXTREMES`."""

    target: Target
    value: Expr
    note: str = ""
    symbol: str = "+"

    @property
    def applied(self) -> Expr:
        """The right side of this as an assignment, for what no language has an operator for."""
        return Apply(EXTREMES[self.symbol], (self.target, self.value))


EXTREMES = {"max": REGISTRY["maximum"], "min": REGISTRY["minimum"]}
"""Accumulations that languages have no operator for, and their rows: a nan passes on, as in np.maximum."""


class For(NamedTuple):
    counter: str
    extent: Expr
    body: tuple[Statement, ...]
    lanes: bool = False
    """Whether several turns may run at once; see `lower.lanes`."""
    private: tuple[str, ...] = ()
    """Arrays that each turn has for itself."""
    start: Expr = Literal(0)
    """Where the counter starts; there is no turn where that is the extent or more."""


def length_of(loop: For) -> Expr:
    """The length that a loop runs over, if it runs."""
    extent = loop.extent
    return extent.operands[1] if isinstance(extent, Apply) and extent.op is TURNS_AGAIN else extent


def runs_seldom(loop: For) -> bool:
    """Whether a loop has no turn as a rule."""
    return length_of(loop) is not loop.extent


class Allocate(NamedTuple):
    """A new array, to be filled, or filled with a number."""

    name: str
    extents: tuple[Expr, ...]
    fill: Number | int | None = None
    dtype: DType = "real"


class Measure(NamedTuple):
    """Bind a dimension to the length of an axis: (length - shift)/factor."""

    name: str
    array: str
    axis: int
    shift: Expr
    factor: int = 1


class Require(NamedTuple):
    """An argument must have this shape; `shown` is the shape in the user's words."""

    array: str
    shape: tuple[Expr, ...]
    shown: str


class Demand(NamedTuple):
    """A condition on lengths that must hold; else an error with this text."""

    left: Expr
    relation: str
    right: Expr
    text: str


class Call(NamedTuple):
    """A part of a big function, which works on the arrays it is given."""

    function: str
    arguments: tuple[str, ...]


class Effect(NamedTuple):
    """An expression for what it does to an array."""

    value: Expr
    note: str = ""


class Cast(NamedTuple):
    """Bring an argument to the program's number type, or to integers; `rank` is that of the array it must be."""

    name: str
    rank: int
    dtype: DType = "real"
    shared: bool = False
    """A number that all samples of a batch share."""
    length: int | None = None


class Receive(NamedTuple):
    """Names bound to what a function returns of the arguments."""

    names: tuple[str, ...]
    function: str
    arguments: tuple[str, ...]


class Section(NamedTuple):
    """A comment on a line of its own."""

    text: str


class Break(NamedTuple):
    """Leave the innermost loop where a condition holds."""

    condition: Expr


Statement = (
    Assign | Accumulate | For | Allocate | Measure | Require | Demand | Call | Effect | Cast | Receive | Section | Break
)


def operands_of(expr: Expr) -> tuple[Expr, ...]:
    """The expressions right inside an expression."""
    # The most frequent first: matching patterns one after the other took a tenth of all lowering.
    if type(expr) is Ref or type(expr) is Literal:
        return ()
    if type(expr) is Apply:
        return expr.operands
    if type(expr) is Item:
        return expr.place
    match expr:
        case Invoke(_, operands, _) | Group(operands):
            return operands
        case Rows(_, start, length):
            return start, length
        case Method(owner, _, operands, _):
            return owner, *operands
        case Attribute(owner, _):
            return (owner,)
        case Subscript(owner, pieces):
            return owner, *[piece for piece in pieces if not isinstance(piece, str)]
        case MatMul(left, right):
            return left, right
    return ()


def with_operands(expr: Expr, operands: tuple[Expr, ...]) -> Expr:
    """The expression over others in the place of `operands_of`."""
    if type(expr) is Apply:
        return Apply(expr.op, operands)
    if type(expr) is Item:
        return Item(expr.array, operands)
    match expr:
        case Rows(array, _, _):
            return Rows(array, *operands)
        case Invoke(callee, _, keywords):
            return Invoke(callee, operands, keywords)
        case Group(_):
            return Group(operands)
        case Method(_, name, _, keywords):
            return Method(operands[0], name, operands[1:], keywords)
        case Attribute(_, name):
            return Attribute(operands[0], name)
        case Subscript(_, pieces):
            rest = iter(operands[1:])
            return Subscript(operands[0], tuple(p if isinstance(p, str) else next(rest) for p in pieces))
        case MatMul():
            return MatMul(*operands)
    return expr


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
    slots: dict[str, Item] = field(default_factory=dict)
    """Of a function that was cut into parts: where numbers that have a name stand in the array that these share."""

    @property
    def results(self) -> list[Expr]:
        return [*self.values, *(self.leaves or ())]


@dataclass(slots=True)
class Program:
    """Functions in the order in which they are defined: parts before what calls them; and of the last of them the
    shapes of the arrays that it makes on its way, results included, and how many numbers have a name.
    """

    functions: list[Function]
    arrays: list[Shape] = field(default_factory=list)
    numbers: int = 0
