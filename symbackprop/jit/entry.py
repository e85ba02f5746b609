"""A compiled function as a builtin of CPython: arguments unpacked and results made in machine code.

The entry takes its arguments as CPython passes them (vectorcall, without names) and looks each over: a float, an
integer where a length is due, a contiguous array of the program's type. It returns the results in their nesting,
`NotImplemented` where an argument is something else (the caller casts it and calls again), or the number of an error as
an int, which no result is. Python's lock is released while the function runs.

Offsets are those of 64-bit CPython objects and of NumPy's PyArrayObject, which is part of its stable interface.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from symbackprop.emit.llvm import Assembly, Parameter

Nesting = int | tuple[str, tuple[Any, ...]]
"""The position of a result, or "tuple" or "list" with nestings inside."""

CONSTANTS = ("NotImplemented", "float", "numpy.float64", "numpy.float32", "int", "ndarray", "real", "integer")
"""What the entry compares with or returns, in the order of `@constants`, filled in when it is loaded."""
FUNCTIONS = (
    *("PyFloat_FromDouble", "PyLong_FromLong", "PyLong_AsLongLong", "PyErr_Occurred", "PyErr_Clear", "PyTuple_New"),
    *("PyTuple_SetItem", "PyList_New", "PyList_SetItem", "PyEval_SaveThread", "PyEval_RestoreThread", "Py_IncRef"),
    *("Py_DecRef", "PyArray_New", "PyArray_Scalar"),
)
"""What the entry calls, by its address behind these in `@constants`. To LLVM a call of a name that may be anywhere is a
matter of its slow selection of instructions: a square took 2.1 ms to machine code that way, and takes 1.6."""
_PLACE = {name: position for position, name in enumerate((*CONSTANTS, *FUNCTIONS))}

# Offsets in bytes.
_TYPE, _NUMBER = 8, 16
_DATA, _RANK, _DIMENSIONS, _DESCRIPTION, _FLAGS = 16, 24, 32, 56, 64
# NPY_ARRAY_C_CONTIGUOUS and NPY_ARRAY_ALIGNED.
_PLAIN = 0x101
_HEADER = f"""@constants = global [{len(_PLACE)} x ptr] zeroinitializer
@table = global ptr @constants
@budget = global i64 0
"""
_ENTRY = "entry:\n  %table = load ptr, ptr @table"
_UNROLLED = 4
"""More numbers in a row than this are unpacked, or packed, in a loop."""
# numpy/ndarraytypes.h
_TYPE_NUMBERS = {("real", "float64"): 12, ("real", "float32"): 11, ("int", "float64"): 7, ("int", "float32"): 7}


FLAT = "flat"
"""The entry that returns what the emitted function does: it always answers, whatever the budget."""


def declared(assembly: Assembly) -> str:
    """The functions that entries call, for entries in a module of their own."""
    return "\n".join(f"declare i64 @{assembly.name}{suffix}(ptr, ptr, ptr)" for suffix in ("", "_extents"))


def entries(
    assembly: Assembly, nestings: dict[str, Nesting], lengths: frozenset[int], lock: bool, counted: bool = False
) -> str:
    """The text of the builtins ``entry_name``, one for each nesting of the results.

    `lengths` are the positions of those integers that are lengths; `lock` keeps Python's lock. Where calls are counted,
    each takes one off `@budget`, and one that finds nothing left returns NotImplemented.
    """
    unpack = _Unpack(assembly, lengths).text()
    made = [
        _Entry(assembly, name, nesting, lock, counted and name != FLAT).text() for name, nesting in nestings.items()
    ]
    return "\n\n".join([_HEADER, unpack, *made])


class _Writer:
    """Instructions, one after the other."""

    def __init__(self, assembly: Assembly) -> None:
        self.assembly = assembly
        self.lines: list[str] = []
        self.labels = self.values = 0

    def fresh(self, stem: str) -> str:
        self.labels += 1
        return f"{stem}{self.labels}"

    def emit(self, instruction: str) -> str:
        name = f"%{self.values}"
        self.values += 1
        self.lines.append(f"  {name} = {instruction}")
        return name

    def do(self, instruction: str) -> None:
        self.lines.append(f"  {instruction}")

    def constant(self, name: str) -> str:
        return self.emit(f"load ptr, ptr {self.emit(f'getelementptr ptr, ptr %table, i64 {_PLACE[name]}')}")

    def calling(self, result: str, name: str, arguments: str = "") -> str:
        """The instruction that calls a function of Python or of NumPy."""
        return f"call {result} {self.constant(name)}({arguments})"

    def field(self, pointer: str, offset: int, own: str) -> str:
        return self.emit(f"load {own}, ptr {self.emit(f'getelementptr i8, ptr {pointer}, i64 {offset}')}")

    def slot(self, array: str, position: int | str) -> str:
        return self.emit(f"getelementptr i64, ptr %{array}, i64 {position}")

    def repeat(self, start: int, end: int, turn: Callable[[str], None]) -> None:
        """Do something for each position; in a loop where there are many."""
        if end - start <= _UNROLLED:
            for position in range(start, end):
                turn(str(position))
            return
        head, after, place = self.fresh("head"), self.fresh("after"), self.emit("alloca i64")
        self.do(f"store i64 {start}, ptr {place}")
        self.do(f"br label %{head}")
        self.lines.append(f"{head}:")
        index = self.emit(f"load i64, ptr {place}")
        turn(index)
        following = self.emit(f"add i64 {index}, 1")
        self.do(f"store i64 {following}, ptr {place}")
        self.do(f"br i1 {self.emit(f'icmp slt i64 {following}, {end}')}, label %{head}, label %{after}")
        self.lines.append(f"{after}:")


class _Unpack(_Writer):
    """What all entries share: the arguments looked over, and put into their slots."""

    def __init__(self, assembly: Assembly, lengths: frozenset[int]) -> None:
        super().__init__(assembly)
        self.lengths = lengths

    def require(self, condition: str) -> None:
        """Go on only if a condition holds; else the arguments are not for us."""
        good = self.fresh("good")
        self.do(f"br i1 {condition}, label %{good}, label %other")
        self.lines.append(f"{good}:")

    def text(self) -> str:
        parameters, position, axis = self.assembly.parameters, 0, 0
        self.require(self.emit(f"icmp eq i64 %count, {len(parameters)}"))
        while position < len(parameters):
            end = position + 1
            if not parameters[position].rank:
                while end < len(parameters) and self._alike(position, end):
                    end += 1
                integer = partial(self._integer, position in self.lengths)
                self.repeat(position, end, integer if parameters[position].kind == "int" else self._real)
            else:
                self._array(position, parameters[position], axis)
                axis += parameters[position].rank
            position = end
        head = "define internal i1 @unpack(ptr %args, i64 %count, ptr %in, ptr %shapes) noinline {"
        return "\n".join([head, _ENTRY, *self.lines, "  ret i1 true", "other:", "  ret i1 false", "}"])

    def _alike(self, one: int, other: int) -> bool:
        """Whether two arguments are numbers that are looked over in the same way."""
        a, b = self.assembly.parameters[one], self.assembly.parameters[other]
        return not b.rank and a.kind == b.kind and (one in self.lengths) == (other in self.lengths)

    def _given(self, position: str | int) -> tuple[str, str]:
        given = self.emit(f"load ptr, ptr {self.slot('args', position)}")
        return given, self.field(given, _TYPE, "ptr")

    def _integer(self, length: bool, position: str) -> None:
        given, own = self._given(position)
        self.require(self.emit(f"icmp eq ptr {own}, {self.constant('int')}"))
        number = self.emit(self.calling("i64", "PyLong_AsLongLong", f"ptr {given}"))
        # Of an integer of more than 64 bits it is -1, with an error that is not for our caller.
        lost, fits = self.fresh("lost"), self.fresh("fits")
        failed = self.emit(self.calling("ptr", "PyErr_Occurred"))
        self.do(f"br i1 {self.emit(f'icmp eq ptr {failed}, null')}, label %{fits}, label %{lost}")
        self.lines.append(f"{lost}:")
        self.do(self.calling("void", "PyErr_Clear"))
        self.do("br label %other")
        self.lines.append(f"{fits}:")
        if length:
            self.require(self.emit(f"icmp sge i64 {number}, 0"))
        self.do(f"store i64 {number}, ptr {self.slot('in', position)}")

    def _real(self, position: str) -> None:
        given, own = self._given(position)
        if self.assembly.dtype == "float64":
            first = self.emit(f"icmp eq ptr {own}, {self.constant('float')}")
            second = self.emit(f"icmp eq ptr {own}, {self.constant('numpy.float64')}")
            self.require(self.emit(f"or i1 {first}, {second}"))
            self.do(f"store double {self.field(given, _NUMBER, 'double')}, ptr {self.slot('in', position)}")
        else:
            self.require(self.emit(f"icmp eq ptr {own}, {self.constant('numpy.float32')}"))
            self.do(f"store float {self.field(given, _NUMBER, 'float')}, ptr {self.slot('in', position)}")

    def _array(self, position: int, parameter: Parameter, axis: int) -> None:
        given, own = self._given(position)
        self.require(self.emit(f"icmp eq ptr {own}, {self.constant('ndarray')}"))
        described = self.constant("integer" if parameter.kind == "int" else "real")
        self.require(self.emit(f"icmp eq ptr {self.field(given, _DESCRIPTION, 'ptr')}, {described}"))
        self.require(self.emit(f"icmp eq i32 {self.field(given, _RANK, 'i32')}, {parameter.rank}"))
        flags = self.emit(f"and i32 {self.field(given, _FLAGS, 'i32')}, {_PLAIN}")
        self.require(self.emit(f"icmp eq i32 {flags}, {_PLAIN}"))
        self.do(f"store ptr {self.field(given, _DATA, 'ptr')}, ptr {self.slot('in', position)}")
        dimensions = self.field(given, _DIMENSIONS, "ptr")
        for k in range(parameter.rank):
            extent = self.field(dimensions, 8 * k, "i64")
            self.do(f"store i64 {extent}, ptr {self.slot('shapes', axis + k)}")


class _Entry(_Writer):
    """One builtin."""

    def __init__(self, assembly: Assembly, name: str, nesting: Nesting, lock: bool, counted: bool) -> None:
        super().__init__(assembly)
        self.name, self.nesting, self.lock, self.counted = name, nesting, lock, counted

    def text(self) -> str:
        made = self.assembly
        if self.counted:
            self._count()
        ranks = sum(parameter.rank for parameter in made.parameters)
        shapes = sum(result.rank for result in made.results)
        good = self.emit("call i1 @unpack(ptr %args, i64 %count, ptr %in, ptr %shapes)")
        self.do(f"br i1 {good}, label %good, label %other")
        self.lines.append("good:")
        status = self.emit(f"call i64 @{made.name}_extents(ptr %in, ptr %shapes, ptr %extents)")
        self.do(f"br i1 {self.emit(f'icmp eq i64 {status}, 0')}, label %room, label %refused")
        self.lines.append("room:")
        objects = self._room()
        self._call()
        self._build(objects)
        self._failures(status, objects)
        sizes = {
            "in": len(made.parameters),
            "shapes": ranks,
            "extents": shapes,
            "out": len(made.results),
            "numbers": len(made.results),
        }
        return "\n".join(
            [
                f"define ptr @entry_{self.name}(ptr %self, ptr %args, i64 %count) {{",
                _ENTRY,
                *[f"  %{name} = alloca [{size + 1} x i64]" for name, size in sizes.items()],
                *self.lines,
                "}",
            ]
        )

    def _count(self) -> None:
        """One call off the budget. Python's lock is held here: nobody else counts."""
        left = self.emit("load i64, ptr @budget")
        self.do(f"br i1 {self.emit(f'icmp eq i64 {left}, 0')}, label %other, label %counted")
        self.lines.append("counted:")
        self.do(f"store i64 {self.emit(f'sub i64 {left}, 1')}, ptr @budget")

    # Results.

    def _room(self) -> dict[int, str]:
        """Room for every result, and the objects of those that are arrays."""
        objects: dict[int, str] = {}
        start = 0
        # Numbers have a slot each; those of arrays are overwritten.
        self.repeat(0, len(self.assembly.results), self._number_slot)
        for position, result in enumerate(self.assembly.results):
            if not result.rank:
                continue
            place = self.slot("out", position)
            array = self.constant("ndarray")
            number = _TYPE_NUMBERS[result.kind, self.assembly.dtype]
            arguments = (
                f"ptr {array}, i32 {result.rank}, ptr {self.slot('extents', start)}, i32 {number},"
                " ptr null, ptr null, i32 0, i32 0, ptr null"
            )
            made = self.emit(self.calling("ptr", "PyArray_New", arguments))
            self.do(f"br i1 {self.emit(f'icmp ne ptr {made}, null')}, label %made{position}, label %lost")
            self.lines.append(f"made{position}:")
            objects[position] = made
            self.do(f"store ptr {self.field(made, _DATA, 'ptr')}, ptr {place}")
            start += result.rank
        return objects

    def _number_slot(self, position: str) -> None:
        self.do(f"store ptr {self.slot('numbers', position)}, ptr {self.slot('out', position)}")

    def _call(self) -> None:
        thread = "" if self.lock else self.emit(self.calling("ptr", "PyEval_SaveThread"))
        self.do(f"%status = call i64 @{self.assembly.name}(ptr %in, ptr %shapes, ptr %out)")
        if thread:
            self.do(self.calling("void", "PyEval_RestoreThread", f"ptr {thread}"))
        self.do(f"br i1 {self.emit('icmp eq i64 %status, 0')}, label %build, label %failed")
        self.lines.append("build:")

    def _build(self, objects: dict[int, str]) -> None:
        used: set[int] = set()

        def make(nesting: Nesting) -> str:
            if isinstance(nesting, int):
                if nesting in objects:
                    if nesting in used:
                        self.do(self.calling("void", "Py_IncRef", f"ptr {objects[nesting]}"))
                    used.add(nesting)
                    return objects[nesting]
                return self._number(nesting)
            kind, items = nesting
            kind = "List" if kind == "list" else "Tuple"
            whole = self.emit(self.calling("ptr", f"Py{kind}_New", f"i64 {len(items)}"))
            for start, end in _runs(items, set(objects)):
                first = items[start]
                if end - start == 1 or not isinstance(first, int):
                    arguments = f"ptr {whole}, i64 {start}, ptr {make(first)}"
                    self.emit(self.calling("i32", f"Py{kind}_SetItem", arguments))
                else:
                    self.repeat(start, end, partial(self._numbers, kind, whole, first - start))
            return whole

        made = make(self.nesting)
        for position in sorted(set(objects) - used):
            self.do(self.calling("void", "Py_DecRef", f"ptr {objects[position]}"))
        self.do(f"ret ptr {made}")

    def _numbers(self, kind: str, whole: str, shift: int, position: str) -> None:
        """One of several results in a row that are numbers, into its place."""
        made = self._number(self.emit(f"add i64 {position}, {shift}"))
        self.emit(self.calling("i32", f"Py{kind}_SetItem", f"ptr {whole}, i64 {position}, ptr {made}"))

    def _number(self, position: int | str) -> str:
        place = self.slot("numbers", position)
        if self.assembly.dtype == "float32":
            arguments = f"ptr {place}, ptr {self.constant('real')}, ptr null"
            return self.emit(self.calling("ptr", "PyArray_Scalar", arguments))
        number = self.emit(f"load double, ptr {place}")
        return self.emit(self.calling("ptr", "PyFloat_FromDouble", f"double {number}"))

    # What else may happen.

    def _failures(self, status: str, objects: dict[int, str]) -> None:
        self.lines.append("other:")
        unknown = self.constant("NotImplemented")
        self.do(self.calling("void", "Py_IncRef", f"ptr {unknown}"))
        self.do(f"ret ptr {unknown}")
        self.lines.append("refused:")
        self.do(f"ret ptr {self.emit(self.calling('ptr', 'PyLong_FromLong', f'i64 {status}'))}")
        self.lines.append("failed:")
        for made in objects.values():
            self.do(self.calling("void", "Py_DecRef", f"ptr {made}"))
        self.do(f"ret ptr {self.emit(self.calling('ptr', 'PyLong_FromLong', 'i64 %status'))}")
        self.lines.append("lost:")
        # No memory for an array: NumPy has set the error. What was made before it is lost with it.
        self.do("ret ptr null")


def _runs(items: tuple[Nesting, ...], arrays: set[int]) -> Iterator[tuple[int, int]]:
    """Items in groups: numbers whose results stand in a row together, all others alone."""
    start = 0
    for end in range(1, len(items) + 1):
        last, following = items[end - 1], items[end] if end < len(items) else None
        row = isinstance(last, int) and isinstance(following, int) and following == last + 1
        if not row or last in arrays or following in arrays:
            yield start, end
            start = end
