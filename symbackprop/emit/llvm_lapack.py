"""Functions of matrices as calls of LAPACK, on a copy of the matrix, column by column.

Each is a function of the module, written where it is first called. They follow NumPy step by step (rows exchanged,
logarithms of the pivots added up), so that both routes find the same matrices singular: there `solve` and `inv` are
nan, the determinant 0 and its logarithm -inf. With a nan in the matrix everything is nan. Each returns 0, or 1 where
there is no memory for the copy.
"""

from __future__ import annotations

from collections.abc import Callable

from symbackprop.emit.assembly import INSTRUCTIONS, Word
from symbackprop.emit.llvm_blas import called, count_of, flag
from symbackprop.emit.llvm_body import Body
from symbackprop.emit.llvm_memory import Array, Unit
from symbackprop.emit.maths import elementary
from symbackprop.lower.program import Expr, Function
from symbackprop.ops import REGISTRY, Op

Write = Callable[[Unit, str], list[str]]
_BLOCK = 64
"""Columns that LAPACK works on at once: what `getri` gets room for, as many as it asks for."""

SHAPED_LIKE = {REGISTRY["solve"]: 1, REGISTRY["inv"]: 0}
"""Rows whose result is an array, and the operand whose shape it has."""
NUMBERS = frozenset(REGISTRY[name] for name in ("det", "log_abs_det", "det_sign"))
_NO_MEMORY = "there is not enough memory for a copy of a matrix"


def into(body: Body, op: Op, operands: tuple[Expr, ...], out: Array) -> None:
    """Fill an array with the solution of a system, or with an inverse."""
    arrays = [_array(body, operand) for operand in operands]
    n = arrays[0].extents[0]
    if op is REGISTRY["solve"]:
        _call(body, "solve", _solve, [arrays[0].pointer, arrays[1].pointer, out.pointer], [n, arrays[1].extents[1]])
    else:
        _call(body, "inv", _inverse, [arrays[0].pointer, out.pointer], [n])


def number(body: Body, op: Op, operands: tuple[Expr, ...]) -> Word:
    """The determinant, the logarithm of its size, or its sign."""
    asm, array = body.asm, _array(body, operands[0])
    sign, size = (_place(body, asm.scalar["real"]) for _ in range(2))
    _call(body, "log_det", _logarithm, [array.pointer, sign, size], [array.extents[0]])
    found_sign, found_size = (Word(asm.emit(f"load {asm.scalar['real']}, ptr {p}"), "real") for p in (sign, size))
    if op is REGISTRY["det_sign"]:
        return found_sign
    if op is REGISTRY["log_abs_det"]:
        return found_size
    return asm.binary("fmul", found_sign, elementary(asm, "exp", found_size))


def _array(body: Body, expr: Expr) -> Array:
    array = body.whole(expr)
    assert array is not None
    return array


def _place(body: Body, own: str) -> str:
    pointer = f"%{body.asm.fresh('slot')}"
    body.asm.stack.append(f"  {pointer} = alloca {own}")
    return pointer


def _call(body: Body, name: str, write: Write, pointers: list[str], lengths: list[Word]) -> None:
    """Call a function of the module, which is written if it is not there yet."""
    symbol = f"lapack_{name}"
    if symbol not in body.unit.parts:
        body.unit.parts[symbol] = False
        body.unit.blocks.append("\n".join(write(body.unit, symbol)))
    given = [*[f"ptr {pointer}" for pointer in pointers], *[f"i64 {length.text}" for length in lengths]]
    status = body.asm.emit(f"call i64 @{symbol}({', '.join(given)})")
    body.check(Word(body.asm.emit(f"icmp eq i64 {status}, 0"), "bool"), MemoryError, _NO_MEMORY)


# The functions.


class _Writer:
    """A function of the module over matrices whose parameters are named."""

    def __init__(self, unit: Unit, symbol: str, pointers: str, lengths: str) -> None:
        self.body = Body(unit, Function(symbol, [], []))
        self.asm, self.symbol = self.body.asm, symbol
        self.pointers, self.lengths = pointers.split(), lengths.split()
        self.real = self.asm.scalar["real"]
        self.freed: list[str] = []

    def length(self, name: str) -> Word:
        return Word(f"%{name}", "int")

    def matrix(self, pointer: str, *extents: Word) -> Array:
        return Array(pointer, extents, "real")

    def entry(self, array: Array, *place: Word) -> Word:
        return self.body.load(array, self.body._index(list(place), array.extents))

    def put(self, array: Array, value: Word, *place: Word) -> None:
        self.body.store(array, self.body._index(list(place), array.extents), value)

    def memory(self, entries: Word, size: int) -> str:
        """Room for so many entries; the function returns 1 where there is none."""
        asm = self.asm
        self.body.unit.declared["malloc"] = "declare noalias ptr @malloc(i64)"
        self.body.unit.declared["free"] = "declare void @free(ptr)"
        length = asm.emit(f"add i64 {asm.emit(f'mul i64 {entries.text}, {size}')}, 8")
        pointer = asm.emit(f"call noalias ptr @malloc(i64 {length})")
        good, lost = asm.fresh("good"), asm.fresh("lost")
        asm.do(f"br i1 {asm.emit(f'icmp ne ptr {pointer}, null')}, label %{good}, label %{lost}")
        asm.label(lost)
        self._leave(1)
        asm.label(good)
        self.freed.append(pointer)
        return pointer

    def _leave(self, status: int) -> None:
        for pointer in self.freed:
            self.asm.do(f"call void @free(ptr {pointer})")
        self.asm.do(f"ret i64 {status}")

    def each(self, rows: Word, columns: Word, turn: Callable[[Word, Word], None]) -> None:
        self.body.loop(rows, lambda i: self.body.loop(columns, lambda j: turn(i, j)))

    def transposed(self, source: Array, target: Array) -> None:
        """target[j, i] = source[i, j]"""
        rows, columns = source.extents
        self.each(rows, columns, lambda i, j: self.put(target, self.entry(source, i, j), j, i))

    def unless(self, condition: str, usual: Callable[[], None], other: Callable[[], None]) -> None:
        asm = self.asm
        yes, no, after = asm.fresh("yes"), asm.fresh("no"), asm.fresh("after")
        asm.do(f"br i1 {condition}, label %{yes}, label %{no}")
        asm.label(yes)
        other()
        asm.do(f"br label %{after}")
        asm.label(no)
        usual()
        asm.do(f"br label %{after}")
        asm.label(after)

    def factors(self, n: Word) -> tuple[Array, str, str, str]:
        """The factors of the matrix at %a by columns, the rows exchanged, and whether a pivot is 0 and an entry nan."""
        lu = self.matrix(self.memory(self.asm.binary("mul", n, n), 8 if self.asm.dtype == "float64" else 4), n, n)
        pivots = self.memory(n, 4)
        self.transposed(self.matrix("%a", n, n), lu)
        unknown = self.any_nan(lu)
        order = count_of(self.body, n)
        info = _place(self.body, "i32")
        called(self.body, "getrf", [order, order, lu.pointer, self.stride(n), pivots, info])
        singular = self.asm.emit(f"icmp sgt i32 {self.asm.emit(f'load i32, ptr {info}')}, 0")
        return lu, pivots, singular, unknown

    def any_nan(self, array: Array) -> str:
        """Whether an entry is nan, which LAPACK may lose: it looks for the largest pivot."""
        asm, found = self.asm, _place(self.body, "i1")
        asm.do(f"store i1 false, ptr {found}")

        def turn(i: Word, j: Word) -> None:
            entry = self.entry(array, i, j)
            own = asm.compare("uno", entry, entry)
            before = asm.emit(f"load i1, ptr {found}")
            asm.do(f"store i1 {asm.emit(f'or i1 {own.text}, {before}')}, ptr {found}")

        rows, columns = array.extents
        self.each(rows, columns, turn)
        return asm.emit(f"load i1, ptr {found}")

    def stride(self, n: Word) -> str:
        """A leading dimension, which must not be 0."""
        one = self.asm.integer(1)
        return count_of(self.body, self.asm.choose(self.asm.compare("sgt", n, one), n, one))

    def text(self) -> list[str]:
        self._leave(0)
        given = [*[f"ptr %{name}" for name in self.pointers], *[f"i64 %{name}" for name in self.lengths]]
        head = f"define internal i64 @{self.symbol}({', '.join(given)}) #2 {{"
        return [head, "entry:", *self.asm.stack, *self.asm.lines, "}"]


def _solve(unit: Unit, symbol: str) -> list[str]:
    """X with A X = B, of n rows and k columns."""
    w = _Writer(unit, symbol, "a b x", "n k")
    n, k = w.length("n"), w.length("k")
    given, found = w.matrix("%b", n, k), w.matrix("%x", n, k)
    lu, pivots, singular, unknown = w.factors(n)
    columns = w.matrix(w.memory(w.asm.binary("mul", n, k), 8), k, n)

    def usual() -> None:
        w.transposed(given, columns)
        info = _place(w.body, "i32")
        arguments = [flag(w.body, False), count_of(w.body, n), count_of(w.body, k), lu.pointer, w.stride(n), pivots]
        called(w.body, "getrs", [*arguments, columns.pointer, w.stride(n), info])
        w.transposed(columns, found)

    refused = w.asm.emit(f"or i1 {singular}, {unknown}")
    w.unless(refused, usual, lambda: w.each(n, k, lambda i, j: w.put(found, w.asm.real(float("nan")), i, j)))
    return w.text()


def _inverse(unit: Unit, symbol: str) -> list[str]:
    w = _Writer(unit, symbol, "a x", "n")
    n = w.length("n")
    found = w.matrix("%x", n, n)
    lu, pivots, singular, unknown = w.factors(n)
    size = w.asm.binary("mul", n, w.asm.integer(_BLOCK))
    work = w.memory(size, 8)

    def usual() -> None:
        info = _place(w.body, "i32")
        arguments = [count_of(w.body, n), lu.pointer, w.stride(n), pivots, work, w.stride(size), info]
        called(w.body, "getri", arguments)
        w.transposed(lu, found)

    refused = w.asm.emit(f"or i1 {singular}, {unknown}")
    w.unless(refused, usual, lambda: w.each(n, n, lambda i, j: w.put(found, w.asm.real(float("nan")), i, j)))
    return w.text()


def _logarithm(unit: Unit, symbol: str) -> list[str]:
    """The sign of the determinant and the logarithm of its size."""
    w = _Writer(unit, symbol, "a sign size", "n")
    n, asm = w.length("n"), w.asm
    lu, pivots, singular, unknown = w.factors(n)
    sign, size = (w.matrix(f"%{name}") for name in ("sign", "size"))

    def usual() -> None:
        w.put(sign, asm.real(1.0))
        w.put(size, asm.real(0.0))

        def turn(i: Word) -> None:
            pivot = w.entry(lu, i, i)
            row = asm.emit(f"load i32, ptr {asm.emit(f'getelementptr i32, ptr {pivots}, i64 {i.text}')}")
            following = asm.emit(f"trunc i64 {asm.emit(f'add i64 {i.text}, 1')} to i32")
            exchanged = Word(asm.emit(f"icmp ne i32 {row}, {following}"), "bool")
            below = asm.compare("olt", pivot, asm.real(0.0))
            turned = asm.binary(INSTRUCTIONS["bool"]["!="], exchanged, below)
            before = w.entry(sign)
            w.put(sign, asm.choose(turned, asm.negative(before), before))
            logarithm = elementary(asm, "log", asm.intrinsic("fabs", pivot))
            w.put(size, asm.binary("fadd", w.entry(size), logarithm))

        w.body.loop(n, turn)

    def other() -> None:
        nan, some = asm.real(float("nan")), Word(unknown, "bool")
        w.put(sign, asm.choose(some, nan, asm.real(0.0)))
        w.put(size, asm.choose(some, nan, asm.real(float("-inf"))))

    w.unless(asm.emit(f"or i1 {singular}, {unknown}"), usual, other)
    return w.text()
