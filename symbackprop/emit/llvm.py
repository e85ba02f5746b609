"""Target llvm: a program as a module of LLVM assembly, which `jit.native` turns into machine code.

Each function has the uniform shape ``i64 name(ptr in, ptr shapes, ptr out)``: `in` has a slot of eight bytes for each
argument (a number, or the address of an array), `shapes` the extents of all arrays in order, `out` the address of each
result. It returns 0, or the number of an error in `Assembly.errors`, from 1 on. ``name_extents(in, shapes, extents)``
checks the arguments alone and writes the extents of all results that are arrays, so that a caller can make room.

What is lowered for target numba is spelled here: both routes run the same program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from symbackprop.emit import llvm_lapack
from symbackprop.emit.assembly import COMPARISONS, INT_SEQUENCES, Word
from symbackprop.emit.llvm_body import LOOP, Body, reassigned
from symbackprop.emit.llvm_lanes import statements_in
from symbackprop.emit.llvm_memory import BYTES, LINE, Array, NotLoweredError, Unit
from symbackprop.lower import Program
from symbackprop.lower.doors import INPUTS
from symbackprop.lower.program import (
    Allocate,
    Apply,
    Assign,
    Cast,
    Demand,
    Expr,
    Function,
    Item,
    Literal,
    Measure,
    Receive,
    Ref,
    Require,
    Statement,
    operands_of,
)
from symbackprop.ops import DType, Op, Spelling

__all__ = ["LOOP", "Assembly", "NotLoweredError", "Parameter", "Result", "assemble"]

_DOORS = (Cast, Measure, Require, Demand)
_STACK = 1024
"""Arrays of up to so many entries stand on the stack; larger ones come from malloc."""
_STACK_IN_ALL = 8 * _STACK
"""Together they take no more, since a thread's stack may be small: 256 KiB are not unusual."""
_NO_MEMORY = "there is not enough memory for the arrays on the way"
_ATTRIBUTES = """attributes #0 = { nounwind }
attributes #1 = { nounwind willreturn memory(none) }
attributes #2 = { nounwind noinline }"""


class Parameter(NamedTuple):
    """An argument as it arrives: a number, or an array of so many axes."""

    name: str
    kind: DType
    rank: int


class Result(NamedTuple):
    kind: DType
    rank: int


@dataclass(frozen=True, slots=True)
class Assembly:
    """The text of a module, and what has to be known to load and call it."""

    text: str
    name: str
    dtype: str
    parameters: tuple[Parameter, ...]
    results: tuple[Result, ...]
    errors: tuple[tuple[type[Exception], str], ...]
    helpers: dict[str, tuple[Spelling, int]]
    """External functions that are no part of the C library: the row's spelling and how many operands it has."""
    libraries: tuple[str, ...]
    """Functions of BLAS."""


def assemble(
    program: Program, name: str, dtype: str, width: int = 1, contract: bool = False, fast_sums: bool = False
) -> Assembly:
    """The module of one function of a program; `contract` and `fast_sums` are those of `options`. Raises
    NotLoweredError for what has no form here.
    """
    unit = Unit({function.name: function for function in program.functions}, dtype, width, contract, fast_sums)
    function = unit.functions[name]
    driver, extents = _Driver(unit, function), _Driver(unit, function)
    blocks = [driver.compute(), extents.measure()]
    ends = [_ATTRIBUTES, *["\n".join(unit.metadata)] * bool(unit.metadata)]
    text = "\n\n".join(["\n".join(unit.declared.values()), *unit.blocks, *map("\n".join, blocks), *ends])
    parameters, results, libraries = tuple(driver.parameters), tuple(driver.results), tuple(sorted(unit.libraries))
    return Assembly(text + "\n", name, dtype, parameters, results, tuple(unit.errors), unit.helpers, libraries)


def _is_made(statement: Assign) -> bool:
    """Whether a function of matrices makes the array that gets this name."""
    return isinstance(statement.value, Apply) and statement.value.op in llvm_lapack.SHAPED_LIKE


class _Driver(Body):
    """Writes the function that is called from outside."""

    def __init__(self, unit: Unit, function: Function) -> None:
        super().__init__(unit, function)
        self.parameters: list[Parameter] = []
        self.results: list[Result] = []
        self.freed: list[str] = []
        self.borrowed: list[str] = []
        """Places for addresses of memory that a loop has for itself; null while it has none."""
        self.growing: dict[str, tuple[str, str]] = {}
        """Arrays whose size a loop decides: where their memory is kept, and of how many bytes."""
        self.room = _STACK_IN_ALL
        statements = self._with_inputs(function.body)
        self.doors = [s for s in statements if isinstance(s, _DOORS)]
        self.rest: list[Statement] = [s for s in statements if not isinstance(s, _DOORS)]
        self.owners = self._owners()

    def _with_inputs(self, body: list[Statement]) -> list[Statement]:
        """The body, with the function that receives the arguments for all written out in its place."""
        found: list[Statement] = []
        for statement in body:
            found += self.unit.functions[INPUTS].body if isinstance(statement, Receive) else [statement]
        return found

    def _owners(self) -> dict[str, int]:
        """The arrays that have the memory of a result, which the caller gives."""
        allocated = {s.name for s, _ in statements_in(self.rest) if isinstance(s, Allocate)}
        allocated |= {
            s.target.name for s in self.rest if isinstance(s, Assign) and isinstance(s.target, Ref) and _is_made(s)
        }
        lenders = {
            s.target.name: s.value.name
            for s in self.rest
            if isinstance(s, Assign) and isinstance(s.target, Ref) and isinstance(s.value, Ref)
        }
        owners: dict[str, int] = {}
        for position, result in enumerate(self.function.results):
            name = result.name if isinstance(result, Ref) else ""
            while name not in allocated and name in lenders:
                name = lenders[name]
            if name in allocated:
                owners.setdefault(name, position)
        return owners

    # The two functions.

    def compute(self) -> list[str]:
        asm = self.asm
        self.slots = reassigned(self.rest)
        self._arguments()
        asm.stack.append("  %status = alloca i64")
        self._allocations()
        asm.do("store i64 0, ptr %status")
        self.exit = "done"
        for pointer in self.freed:
            good = Word(asm.emit(f"icmp ne ptr {pointer}, null"), "bool")
            self.check(good, MemoryError, _NO_MEMORY)
        self.run(self.rest)
        for position, result in enumerate(self.function.results):
            self._result(position, result)
        asm.do("br label %done")
        asm.label("done")
        for pointer in self.freed:
            asm.do(f"call void @free(ptr {pointer})")
        for place in self.borrowed:
            asm.do(f"call void @free(ptr {asm.emit(f'load ptr, ptr {place}')})")
        for kept, _ in self.growing.values():
            asm.do(f"call void @free(ptr {asm.emit(f'load ptr, ptr {kept}')})")
        asm.do(f"ret i64 {asm.emit('load i64, ptr %status')}")
        head = f"define i64 @{self.function.name}(ptr %in, ptr %shapes, ptr %out) #0 {{"
        return [head, "entry:", *asm.stack, *asm.lines, "}"]

    def measure(self) -> list[str]:
        """Arguments checked, and the extents of the results, one after the other."""
        asm, position = self.asm, 0
        self._arguments()
        self._allocations(only_shapes=True)
        for result in self.function.results:
            array = self._shape_of(result)
            for extent in array.extents if array else ():
                place = asm.emit(f"getelementptr i64, ptr %out, i64 {position}")
                asm.do(f"store i64 {extent.text}, ptr {place}")
                position += 1
        asm.do("ret i64 0")
        head = f"define i64 @{self.function.name}_extents(ptr %in, ptr %shapes, ptr %out) #0 {{"
        return [head, "entry:", *asm.stack, *asm.lines, "}"]

    def _shape_of(self, result: Expr) -> Array | None:
        if isinstance(result, Ref) and result.name not in self.env:
            for name, position in self.owners.items():
                if self.function.results[position] == result:
                    return self.array(name)
        return self.whole(result) if not isinstance(result, Ref) or result.name in self.env else None

    # Arguments.

    def _arguments(self) -> None:
        asm, axis = self.asm, 0
        for position, cast in enumerate(s for s in self.doors if isinstance(s, Cast)):
            rank = 1 if cast.length is not None else cast.rank
            self.parameters.append(Parameter(cast.name, cast.dtype, rank))
            place = asm.emit(f"getelementptr i64, ptr %in, i64 {position}")
            if not rank:
                own = asm.scalar[cast.dtype]
                self.env[cast.name] = Word(asm.emit(f"load {own}, ptr {place}"), cast.dtype)
                continue
            pointer = asm.emit(f"load ptr, ptr {place}")
            extents = []
            for _ in range(rank):
                there = asm.emit(f"getelementptr i64, ptr %shapes, i64 {axis}")
                extents.append(Word(asm.emit(f"load i64, ptr {there}"), "int"))
                axis += 1
            self.env[cast.name] = Array(pointer, tuple(extents), cast.dtype)
        for door in self.doors:
            self._door(door)

    def _door(self, door: Statement) -> None:
        asm = self.asm
        match door:
            case Cast(name, _, _, _, length):
                if length is not None:
                    good = asm.compare("eq", self.array(name).extents[0], asm.integer(length))
                    self.check(good, ValueError, f"{name} must hold {length} numbers")
            case Measure(name, array, axis, shift, factor):
                word = self.array(array).extents[axis]
                if shift != Literal(0):
                    word = asm.binary("sub", word, self.value(shift))
                self.env[name] = INT_SEQUENCES["//"](asm, word, asm.integer(factor)) if factor != 1 else word
            case Require(array, shape, shown):
                own = self.array(array)
                wanted = tuple(self.value(extent) for extent in shape)
                for found, extent in zip(own.extents, wanted, strict=True):
                    self.check(asm.compare("eq", found, extent), ValueError, f"{array} must have shape {shown}")
                self.env[array] = Array(own.pointer, wanted, own.kind)
            case Demand(left, relation, right, text):
                good = asm.compare(COMPARISONS["int"][relation], self.value(left), self.value(right))
                self.check(good, ValueError, text)

    # Functions of matrices.

    def _assign(self, target: Any, value: Expr) -> None:
        if isinstance(value, Apply) and value.op in llvm_lapack.SHAPED_LIKE:
            out = self.whole(target)
            assert out is not None
            llvm_lapack.into(self, value.op, value.operands, out)
        else:
            super()._assign(target, value)

    def _apply(self, op: Op, operands: tuple[Expr, ...]) -> Word:
        return llvm_lapack.number(self, op, operands) if op in llvm_lapack.NUMBERS else super()._apply(op, operands)

    # Memory.

    def _allocations(self, only_shapes: bool = False) -> None:
        """Memory for all arrays, before anything else; but for those whose size a loop decides."""
        for statement, _ in statements_in(self.rest):
            if isinstance(statement, Allocate) and not all(map(self._is_known, statement.extents)):
                if not only_shapes:
                    self._grow_later(statement)
            elif isinstance(statement, Allocate):
                self._make(statement, tuple(self.value(extent) for extent in statement.extents), only_shapes)
            elif isinstance(statement, Assign) and _is_made(statement):
                if isinstance(statement.target, Item):
                    continue  # one of a stack, which has its memory
                assert isinstance(statement.target, Ref) and isinstance(statement.value, Apply)
                like = self.whole(statement.value.operands[llvm_lapack.SHAPED_LIKE[statement.value.op]])
                if like is None:
                    raise NotLoweredError("a result of LAPACK whose size a loop decides")
                self._make(Allocate(statement.target.name, ()), like.extents, only_shapes)
            elif isinstance(statement, Assign) and isinstance(statement.value, Ref):
                # A name for memory that another array is done with.
                lender = self.env.get(statement.value.name)
                if isinstance(lender, Array) and isinstance(statement.target, Ref):
                    self.env[statement.target.name] = lender

    def _make(self, allocate: Allocate, extents: tuple[Word, ...], only_shapes: bool) -> None:
        pointer = "null" if only_shapes else self._memory(allocate, extents)
        self.env[allocate.name] = Array(pointer, extents, allocate.dtype)

    def _memory(self, allocate: Allocate, extents: tuple[Word, ...]) -> str:
        asm, element = self.asm, self.element(allocate.dtype)
        if allocate.name in self.owners:
            place = asm.emit(f"getelementptr ptr, ptr %out, i64 {self.owners[allocate.name]}")
            return asm.emit(f"load ptr, ptr {place}")
        size = self.size(extents)
        if size.constant and int(size.text) <= min(_STACK, self.room):
            self.room -= int(size.text)
            pointer = f"%{asm.fresh('slot')}"
            asm.stack.append(f"  {pointer} = alloca [{max(1, int(size.text))} x {element}], align 64")
            return pointer
        # Never of nothing, for which the C library may return null.
        length = asm.emit(f"add i64 {asm.emit(f'mul i64 {size.text}, {BYTES[element]}')}, 8")
        self.freed.append(self._malloc(length))
        return self.freed[-1]

    def _malloc(self, length: str) -> str:
        self.unit.declared["malloc"] = "declare noalias ptr @malloc(i64)"
        self.unit.declared["free"] = "declare void @free(ptr)"
        return self.asm.emit(f"call noalias ptr @malloc(i64 {length})")

    def borrow(self, size: Word) -> str:
        asm, place = self.asm, f"%{self.asm.fresh('slot')}"
        asm.stack += [f"  {place} = alloca ptr", f"  store ptr null, ptr {place}"]
        self.borrowed.append(place)
        pointer = self._malloc(asm.binary("add", size, asm.integer(LINE)).text)
        self.check(Word(asm.emit(f"icmp ne ptr {pointer}, null"), "bool"), MemoryError, _NO_MEMORY)
        asm.do(f"store ptr {pointer}, ptr {place}")
        behind = asm.emit(f"ptrtoint ptr {asm.emit(f'getelementptr i8, ptr {pointer}, i64 {LINE}')} to i64")
        return asm.emit(f"inttoptr i64 {asm.emit(f'and i64 {behind}, {-LINE}')} to ptr")

    def give_back(self) -> None:
        place = self.borrowed[-1]
        self.asm.do(f"call void @free(ptr {self.asm.emit(f'load ptr, ptr {place}')})")
        self.asm.do(f"store ptr null, ptr {place}")

    def _is_known(self, extent: Expr) -> bool:
        """Whether a length is known before the first loop."""
        if isinstance(extent, Ref):
            return extent.name in self.env
        return all(map(self._is_known, operands_of(extent)))

    def _grow_later(self, allocate: Allocate) -> None:
        asm = self.asm
        kept, size = f"%{asm.fresh('slot')}", f"%{asm.fresh('slot')}"
        asm.stack += [f"  {kept} = alloca ptr", f"  {size} = alloca i64"]
        asm.do(f"store ptr null, ptr {kept}")
        asm.do(f"store i64 0, ptr {size}")
        self.growing[allocate.name] = kept, size

    def fill(self, allocate: Allocate) -> None:
        if allocate.name in self.growing:
            self._grow(allocate)
        super().fill(allocate)

    def _grow(self, allocate: Allocate) -> None:
        """Memory of a size that is known only here; that of the turn before, where it is enough."""
        asm, extents = self.asm, tuple(self.value(extent) for extent in allocate.extents)
        kept, size = self.growing[allocate.name]
        self.unit.declared["realloc"] = "declare ptr @realloc(ptr, i64)"
        self.unit.declared["free"] = "declare void @free(ptr)"
        wanted = asm.emit(
            f"add i64 {asm.emit(f'mul i64 {self.size(extents).text}, {BYTES[self.element(allocate.dtype)]}')}, 8"
        )
        more, on = asm.fresh("more"), asm.fresh("on")
        enough = asm.emit(f"icmp sle i64 {wanted}, {asm.emit(f'load i64, ptr {size}')}")
        asm.do(f"br i1 {enough}, label %{on}, label %{more}")
        asm.label(more)
        made = asm.emit(f"call ptr @realloc(ptr {asm.emit(f'load ptr, ptr {kept}')}, i64 {wanted})")
        good = Word(asm.emit(f"icmp ne ptr {made}, null"), "bool")
        self.check(good, MemoryError, "there is not enough memory for the arrays on the way")
        asm.do(f"store ptr {made}, ptr {kept}")
        asm.do(f"store i64 {wanted}, ptr {size}")
        asm.do(f"br label %{on}")
        asm.label(on)
        self.env[allocate.name] = Array(asm.emit(f"load ptr, ptr {kept}"), extents, allocate.dtype)

    def _result(self, position: int, result: Expr) -> None:
        asm = self.asm
        place = asm.emit(f"getelementptr ptr, ptr %out, i64 {position}")
        there = asm.emit(f"load ptr, ptr {place}")
        array = self.whole(result)
        if array is None:
            word = asm.as_real(self.value(result))
            asm.do(f"store {asm.scalar[word.kind]} {word.text}, ptr {there}")
            self.results.append(Result(word.kind, 0))
            return
        self.results.append(Result(array.kind, len(array.extents)))
        if position not in self.owners.values():
            # Of two results that are one array each gets its own.
            name = "llvm.memcpy.p0.p0.i64"
            self.unit.declared[name] = f"declare void @{name}(ptr, ptr, i64, i1)"
            length = asm.emit(f"mul i64 {self.size(array.extents).text}, {BYTES[self.element(array.kind)]}")
            asm.do(f"call void @{name}(ptr {there}, ptr {array.pointer}, i64 {length}, i1 false)")
