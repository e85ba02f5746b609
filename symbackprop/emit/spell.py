"""Expressions and statements to Python text. Nothing is decided here but brackets and spaces."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from fractions import Fraction

from symbackprop.emit.escape import comment
from symbackprop.errors import EmitError, InternalCompilerError
from symbackprop.ir import Number
from symbackprop.ir.node import NAMED_NUMBERS, to_float
from symbackprop.lower.program import (
    EXTREMES,
    Accumulate,
    Allocate,
    Apply,
    Assign,
    Attribute,
    Break,
    Call,
    Cast,
    Demand,
    Effect,
    Expr,
    For,
    Function,
    Group,
    Invoke,
    Item,
    Literal,
    MatMul,
    Measure,
    Method,
    Receive,
    Ref,
    Require,
    Rows,
    Section,
    Statement,
    Subscript,
    Text,
)
from symbackprop.ops import REGISTRY, Op, Spelling
from symbackprop.ops.indexing import TO_REAL

# Binding strength of Python's operators, the higher the tighter.
_STRENGTH = {
    "if": 1,
    "or": 2,
    "and": 3,
    "not": 4,
    "<": 5,
    "<=": 5,
    ">": 5,
    ">=": 5,
    "==": 5,
    "!=": 5,
    "+": 6,
    "-": 6,
    "*": 7,
    "/": 7,
    "//": 7,
    "%": 7,
    "@": 7,
    "unary": 8,
    "**": 9,
}
_ATOM = 10
_NEG = REGISTRY["neg"]
LINE = 100


class Dialect:
    """How one target writes the loop language. Subclasses give the target's own words."""

    target = ""
    constants = "math"

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.kinds = {"real": dtype, "int": "int64", "bool": "bool_"}
        """What NumPy calls the types of the program."""
        self.spellings: dict[Spelling, None] = {}
        self.integers: set[str] = set()
        """The local names that are lengths and integer arguments, throughout a module."""

    # Words of the target.

    def imports(self, body: str) -> list[str]:
        """Import statements for what the text of the module uses."""
        raise NotImplementedError

    def decorator(self, function: Function) -> str:
        return ""

    def allocate(self, name: str, extents: tuple[str, ...], fill: str | None, kind: str) -> str:
        raise NotImplementedError

    def item(self, array: str, place: list[str]) -> str:
        return f"{array}[{', '.join(place)}]"

    def cast(self, cast: Cast) -> str:
        raise NotImplementedError

    def axis_length(self, array: str, axis: int) -> str:
        return f"{array}.shape[{axis}]"

    def wrong_shape(self, array: str, shape: list[str]) -> str:
        """The condition that an array has another shape than this."""
        return f"{array}.shape != ({', '.join(shape)}{',' * (len(shape) == 1)})"

    def keyword(self, text: str) -> str:
        return f"dtype=np.{self.dtype}" if text == "dtype" else text

    def literal(self, text: str, argument: bool) -> str:
        return text

    def result_of_call(self, text: str, op: Op) -> str:
        return text

    # Expressions.

    def number(self, number: Number) -> str:
        if isinstance(number, bool):
            return str(number)
        if isinstance(number, Fraction):
            value = to_float(number)
            if value - value == 0.0:
                return repr(value)
            number = "inf" if value > 0 else "-inf"
        if number in ("pi", "e", "inf", "nan"):
            return f"{self.constants}.{number}"
        return f"-{self.constants}.inf" if number == "-inf" else repr(NAMED_NUMBERS[number])

    def expression(self, expr: Expr) -> str:
        return self._text(expr)[0]

    def _text(self, expr: Expr, argument: bool = False) -> tuple[str, int]:
        """The text of an expression and its binding strength."""
        match expr:
            case Apply(op, operands):
                return self._apply(op, operands)
            case Ref(name):
                return name, _ATOM
            case Item(array, place):
                return self.item(array, [self.expression(index) for index in place]), _ATOM
            case Rows(array, start, length):
                first = self._bracketed(start, _STRENGTH["+"])
                return f"{array}[{first} : {first} + {self._bracketed(length, _STRENGTH['*'])}]", _ATOM
            case Literal(number):
                if type(number) is int:
                    return str(number), _STRENGTH["unary"] if number < 0 else _ATOM
                text = self.number(number)  # type: ignore[arg-type]
                if not isinstance(number, bool):
                    text = self.literal(text, argument)
                return text, _STRENGTH["unary"] if text.startswith("-") else _ATOM
            case MatMul(left, right):
                own = _STRENGTH["@"]
                return f"{self._bracketed(left, own)} @ {self._bracketed(right, own + 1)}", own
            case Invoke(callee, operands, keywords):
                return f"{callee}({self._listed(operands, keywords)})", _ATOM
            case Method(owner, name, operands, keywords):
                return f"{self._bracketed(owner, _ATOM)}.{name}({self._listed(operands, keywords)})", _ATOM
            case Attribute(owner, name):
                return f"{self._bracketed(owner, _ATOM)}.{name}", _ATOM
            case Subscript(owner, pieces):
                texts = [piece if isinstance(piece, str) else self.expression(piece) for piece in pieces]
                return f"{self._bracketed(owner, _ATOM)}[{', '.join(texts)}]", _ATOM
            case Group(items):
                inside = ", ".join(self.expression(item) for item in items)
                return f"({inside}{',' * (len(items) == 1)})", _ATOM
            case Text(words):
                return f'"{words}"', _ATOM
        raise InternalCompilerError(f"no way to spell {expr!r}")

    def _listed(self, operands: tuple[Expr, ...], keywords: tuple[str, ...]) -> str:
        return ", ".join([*[self.expression(operand) for operand in operands], *map(self.keyword, keywords)])

    def _apply(self, op: Op, operands: tuple[Expr, ...]) -> tuple[str, int]:
        spelling: Spelling | None = getattr(op, self.target)
        if spelling is None:
            raise EmitError(f"target {self.target!r} has no {op.name}")
        if self.dtype == "float32" and (self.target == "numba" or not spelling.operator):
            # An int64 lifts a float32 beside it to float64; NumPy's operators alone let a Python int pass.
            operands = tuple([self._lifted(op, k, operand) for k, operand in enumerate(operands)])
        if spelling.operator:
            return self._operator(spelling.callee, operands)
        self.spellings.setdefault(spelling)
        arguments = [self._text(operand, argument=True)[0] for operand in operands]
        if spelling.trailing:
            arguments.append(spelling.trailing)
        callee = f"np.{self.dtype}" if op is TO_REAL and self.dtype == "float32" else spelling.callee
        return self.result_of_call(f"{callee}({', '.join(arguments)})", op), _ATOM

    def _lifted(self, op: Op, position: int, operand: Expr) -> Expr:
        """An integer where a real number is due, turned into one of the program's type."""
        integer = operand.name in self.integers if isinstance(operand, Ref) else False
        if isinstance(operand, Apply):
            integer = operand.op.result == "int"
        return Apply(TO_REAL, (operand,)) if integer and op.operand_dtype(position) == "real" else operand

    def _operator(self, symbol: str, operands: tuple[Expr, ...]) -> tuple[str, int]:
        if symbol == "if":
            own = _STRENGTH["if"]
            condition, then, otherwise = operands
            parts = [
                self._bracketed(then, own + 1),
                self._bracketed(condition, own + 1),
                self._bracketed(otherwise, own),
            ]
            return f"{parts[0]} if {parts[1]} else {parts[2]}", own
        if len(operands) == 1:
            own = _STRENGTH["not" if symbol == "not" else "unary"]
            space = " " if symbol == "not" else ""
            return f"{symbol}{space}{self._bracketed(operands[0], own)}", own
        own = _STRENGTH[symbol]
        # Left association; a comparison binds neither side, a power only its right one.
        left = self._bracketed(operands[0], own + (symbol == "**" or own == 5))
        right = self._bracketed(operands[1], _STRENGTH["unary"] if symbol == "**" else own + 1)
        return f"{left} {symbol} {right}", own

    def _bracketed(self, expr: Expr, strength: int) -> str:
        text, own = self._text(expr)
        return text if own >= strength else f"({text})"

    # Statements.

    def statement(self, statement: Statement, indent: str) -> list[str]:
        match statement:
            case Assign(target, value, note):
                return [noted(f"{indent}{self.expression(target)} = {self.expression(value)}", note)]
            case Accumulate(target, Apply(op, (operand,)), note, "+") if op is _NEG:
                taken = self._bracketed(operand, _STRENGTH["-"])
                return [noted(f"{indent}{self.expression(target)} -= {taken}", note)]
            case Accumulate(target, _, note, symbol) if symbol in EXTREMES:
                return self.statement(Assign(target, statement.applied, note), indent)
            case Accumulate(target, value, note, symbol):
                return [noted(f"{indent}{self.expression(target)} {symbol}= {self.expression(value)}", note)]
            case For(counter, extent, body):
                turns = [statement.start, extent] if statement.start != Literal(0) else [extent]
                lines = [f"{indent}for {counter} in range({', '.join(map(self.expression, turns))}):"]
                for inner in body:
                    spelled = self.statement(inner, indent + "    ")
                    lines.extend(spelled[1:] if not spelled[0] and lines[-1].endswith(":") else spelled)
                return lines
            case Allocate(name, extents, fill, dtype):
                start = None if fill is None else self.number(Fraction(fill) if isinstance(fill, int) else fill)
                made = self.allocate(name, tuple(map(self.expression, extents)), start, self.kinds[dtype])
                return [f"{indent}{name} = {made}"]
            case Effect(value, note):
                return [noted(f"{indent}{self.expression(value)}", note)]
            case Call(function, arguments):
                return wrapped(f"{indent}{function}(", arguments, ")", indent)
            case Cast():
                return self.door(statement, indent)
            case Measure():
                return [f"{indent}{statement.name} = {self._measured(statement)}"]
            case Require(array, shape, shown):
                wrong = self.wrong_shape(array, [self._bracketed(extent, _STRENGTH["+"]) for extent in shape])
                return [f"{indent}if {wrong}:", f'{indent}    raise ValueError("{array} must have shape {shown}")']
            case Demand(left, relation, right, text):
                condition = f"{self.expression(left)} {relation} {self.expression(right)}"
                return [f"{indent}if not {condition}:", f'{indent}    raise ValueError("{comment(text)}")']
            case Receive(names, function, arguments):
                call = f"{function}({', '.join(arguments)})"
                line = f"{indent}{', '.join(names)} = {call}"
                return [line] if len(line) <= LINE else wrapped(f"{indent}(", names, f") = {call}", indent)
            case Section(text):
                return ["", f"{indent}# {text}"]
            case Break(condition):
                return [f"{indent}if {self.expression(condition)}:", f"{indent}    break"]
        raise InternalCompilerError(f"no way to spell {statement!r}")

    def _measured(self, measure: Measure) -> str:
        length = self.axis_length(measure.array, measure.axis)
        shift = self._bracketed(measure.shift, _STRENGTH["+"] + 1)
        if measure.shift != Literal(0):
            length = f"{length} + {shift[1:]}" if shift.startswith("-") else f"{length} - {shift}"
        if measure.factor == 1:
            return length
        return f"({length}) // {measure.factor}" if measure.shift != Literal(0) else f"{length} // {measure.factor}"

    def door(self, cast: Cast, indent: str) -> list[str]:
        """An argument cast, and refused where its length is not what the program was made for."""
        lines = [f"{indent}{cast.name} = {self.cast(cast)}"]
        if cast.length is not None:
            lines.append(f"{indent}if len({cast.name}) != {cast.length}:")
            lines.append(f'{indent}    raise ValueError("{cast.name} must hold {cast.length} numbers")')
        return lines

    def function(self, function: Function, docstring: str = "") -> list[str]:
        decorator = self.decorator(function)
        lines = [decorator] if decorator else []
        lines.extend(wrapped(f"def {function.name}(", function.parameters, "):", ""))
        if docstring:
            lines.append(f'    """{docstring}"""')
        for statement in function.body:
            text = self.statement(statement, "    ")
            # A blank line would stand first in a block otherwise.
            lines.extend(text[1:] if not text[0] and lines[-1].endswith(":") else text)
        if not function.part:
            lines.extend(self._return(function))
        return lines

    def _return(self, function: Function) -> list[str]:
        values = [self.expression(result) for result in function.values]
        if function.leaves is None:
            if function.bare_value:
                return [f"    return {values[0]}"]
            return wrapped("    return (", values, ")", "    ", one_tuple=True)
        leaves = [self.expression(result) for result in function.leaves]
        if function.bare_value:
            if function.bare_leaf:
                return [f"    return {values[0]}, {leaves[0]}"]
            return wrapped(f"    return {values[0]}, (", leaves, ")", "    ", one_tuple=True)
        last = leaves[0] if function.bare_leaf else f"({', '.join(leaves)}{',' * (len(leaves) == 1)})"
        return wrapped("    return (", values, f"), {last}", "    ", one_tuple=True)


def noted(line: str, note: str) -> str:
    """A line with its comment, if there is room for a useful piece of it and it does not repeat the line."""
    if not note or line.partition(" = ")[2].replace(" ", "") == note.replace(" ", ""):
        return line
    room = LINE - len(line) - 4
    text = comment(note)
    if len(text) > room:
        text = text[: room - 3].rstrip() + "..."
    return f"{line}  # {text}" if room >= 16 else line


def wrapped(head: str, items: Iterable[str], tail: str, indent: str, one_tuple: bool = False) -> list[str]:
    """A bracketed list on one line if it fits, else an item a line."""
    items = list(items)
    line = head + ", ".join(items) + ("," if one_tuple and len(items) == 1 else "") + tail
    if len(line) <= LINE:
        return [line]
    return [head, *[f"{indent}    {item}," for item in items], f"{indent}{tail}"]


def scipy_imports(body: str) -> list[str]:
    """The import of those parts of SciPy that a text mentions, if any."""
    used = [name for name in ("linalg", "special") if re.search(rf"(?<![.\w]){name}\.", body)]
    return [f"from scipy import {', '.join(used)}"] if used else []


def shape_text(extents: tuple[str, ...]) -> str:
    """The shape of a new array: a number or name alone, or a tuple of them."""
    return extents[0] if len(extents) == 1 else f"({', '.join(extents)})"


def helper_source(function: Callable[..., object]) -> str:
    """The text of a helper function; annotations stay behind, since emitted modules have none."""
    text = inspect.getsource(function).rstrip()
    return re.sub(r"^( *def .*)$", lambda match: re.sub(r": \w+(?=[,)])| -> \w+", "", match[1]), text, flags=re.M)
