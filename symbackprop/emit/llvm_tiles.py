"""Tiles of products of matrices, each a function: some rows by one or two registers' columns, in registers throughout.

A tile sums up the products with so many rows of the right matrix, one row after the other, and adds that to the result,
or makes it the result where it is the first.
"""

from __future__ import annotations

from symbackprop.emit.llvm_memory import Unit

NAME = "matrix.product"
"""With a dot, which no name of the program has."""
_ROWS = {64: 12, 32: 6, 16: 6}
"""By bytes of a register, the rows of a tile: with two registers a row they leave some for the right matrix."""
_TOGETHER = 3
"""So many rows of the left matrix are read from one address on, by strides of 0, 1 and 2 rows: there are 16 registers
for addresses. (With an address for each of 12 rows a product took 276 us instead of 113.)"""


def rows(unit: Unit) -> int:
    """The rows of a tile; none where there are no registers that tiles are made for."""
    return _ROWS.get(unit.width * (8 if unit.dtype == "float64" else 4), 0)


def own_type(unit: Unit) -> str:
    """The type of a number."""
    return "double" if unit.dtype == "float64" else "float"


class Tile:
    """Writes one tile of so many registers a row; where a part of its columns is left, the others are masked.

    ``(a, row stride, column stride, b, its row stride, c, its row stride, rows of b, columns left, whether it is the
    first, how many rows at its top stay as they are)``
    """

    def __init__(self, unit: Unit, registers: int, part: bool) -> None:
        self.unit, self.part, self.registers = unit, part, range(registers)
        self.own, self.tall, self.width = own_type(unit), rows(unit), unit.width
        self.vector, self.mask = f"<{self.width} x {self.own}>", f"<{self.width} x i1>"
        self.suffix = f"v{self.width}{'f64' if self.own == 'double' else 'f32'}"
        self.bytes = 8 if self.own == "double" else 4
        self.places = [(r, v) for r in range(self.tall) for v in self.registers]
        self.starts = range(0, self.tall, _TOGETHER)

    def text(self) -> str:
        """The function."""
        self._declare()
        vector, places = self.vector, self.places
        lines = [
            f"define internal void @{NAME}_{len(self.registers)}{'_part' * self.part}(ptr %a, i64 %ai, i64 %ak, ptr %b,"
            " i64 %gap, ptr %c, i64 %n, i64 %k, i64 %rest, i1 %first, i64 %skip) #2 {",
            "entry:",
            f"%nowhere = alloca [2 x {vector}]",
            *self._masks(),
            *self._addresses(),
            "br label %loop",
            "loop:",
            "%t = phi i64 [ 0, %entry ], [ %t.next, %loop ]",
            "%row = phi ptr [ %b, %entry ], [ %row.next, %loop ]",
            *[f"%a{r} = phi ptr [ %a{r}.start, %entry ], [ %a{r}.next, %loop ]" for r in self.starts],
            *[f"%s{r}.{v} = phi {vector} [ zeroinitializer, %entry ], [ %s{r}.{v}.next, %loop ]" for r, v in places],
            *self._turn(),
            f"%row.next = getelementptr {self.own}, ptr %row, i64 %gap",
            *[f"%a{r}.next = getelementptr {self.own}, ptr %a{r}, i64 %ak" for r in self.starts],
            "%t.next = add i64 %t, 1",
            "%more = icmp slt i64 %t.next, %k",
            # Two turns together would need more registers than there are: 700 us instead of 240.
            f"br i1 %more, label %loop, label %done{self.unit.as_it_is()}",
            "done:",
            "br i1 %first, label %write, label %add",
            "add:",
            *[self._read(f"%o{r}.{v}", f"%c{r}.{v}", v) for r, v in places],
            *[f"%u{r}.{v} = fadd {vector} %o{r}.{v}, %s{r}.{v}.next" for r, v in places],
            "br label %write",
            "write:",
            *[f"%w{r}.{v} = phi {vector} [ %s{r}.{v}.next, %done ], [ %u{r}.{v}, %add ]" for r, v in places],
            *self._writing(),
            "ret void",
            "}",
        ]
        return "\n".join(lines)

    def _declare(self) -> None:
        vector, suffix = self.vector, self.suffix
        for name, result, taken in (
            (f"llvm.fmuladd.{suffix}", vector, f"{vector}, {vector}, {vector}"),
            (f"llvm.masked.load.{suffix}.p0", vector, f"ptr, i32, {self.mask}, {vector}"),
            (f"llvm.masked.store.{suffix}.p0", "void", f"{vector}, ptr, i32, {self.mask}"),
        ):
            self.unit.declared[name] = f"declare {result} @{name}({taken})"

    def _masks(self) -> list[str]:
        """Which columns there are."""
        numbers, lines = f"<{self.width} x i64>", []
        for v in self.registers if self.part else ():
            lanes = ", ".join(f"i64 {v * self.width + lane}" for lane in range(self.width))
            lines += [
                f"%left{v}.one = insertelement {numbers} poison, i64 %rest, i64 0",
                f"%left{v} = shufflevector {numbers} %left{v}.one, {numbers} poison,"
                f" <{self.width} x i32> zeroinitializer",
                f"%mask{v} = icmp slt {numbers} <{lanes}>, %left{v}",
            ]
        return lines

    def _addresses(self) -> list[str]:
        """Where rows of the left matrix begin, and those of the result."""
        lines = ["%ai.twice = mul i64 %ai, 2"]
        for r in self.starts:
            lines += [
                f"%a{r}.place = mul i64 %ai, {r}",
                f"%a{r}.start = getelementptr {self.own}, ptr %a, i64 %a{r}.place",
            ]
        for r, v in self.places:
            if not v:
                lines += [
                    f"%c{r}.place = mul i64 %n, {r}",
                    f"%c{r} = getelementptr {self.own}, ptr %c, i64 %c{r}.place",
                ]
            lines.append(f"%c{r}.{v} = getelementptr {self.own}, ptr %c{r}, i64 {v * self.width}")
        return lines

    def _turn(self) -> list[str]:
        """One row of the right matrix."""
        own, vector, lines = self.own, self.vector, []
        for v in self.registers:
            lines.append(f"%b{v}.place = getelementptr {own}, ptr %row, i64 {v * self.width}")
            lines.append(self._read(f"%b{v}", f"%b{v}.place", v))
        for r in range(self.tall):
            place = ("0", "%ai", "%ai.twice")[r % _TOGETHER]
            lines += [
                f"%x{r}.place = getelementptr {own}, ptr %a{r - r % _TOGETHER}, i64 {place}",
                f"%x{r}.one = load {own}, ptr %x{r}.place",
                f"%x{r}.first = insertelement {vector} poison, {own} %x{r}.one, i64 0",
                f"%x{r} = shufflevector {vector} %x{r}.first, {vector} poison, <{self.width} x i32> zeroinitializer",
            ]
            lines += [
                f"%s{r}.{v}.next = call {vector} @llvm.fmuladd.{self.suffix}({vector} %x{r}, {vector} %b{v},"
                f" {vector} %s{r}.{v})"
                for v in self.registers
            ]
        return lines

    def _read(self, name: str, place: str, v: int) -> str:
        if not self.part:
            return f"{name} = load {self.vector}, ptr {place}, align {self.bytes}"
        return (
            f"{name} = call {self.vector} @llvm.masked.load.{self.suffix}.p0(ptr {place}, i32 {self.bytes},"
            f" {self.mask} %mask{v}, {self.vector} zeroinitializer)"
        )

    def _writing(self) -> list[str]:
        lines = []
        for r, v in self.places:
            if not v:
                lines.append(f"%kept{r} = icmp sge i64 {r}, %skip")
            lines.append(f"%d{r}.{v} = select i1 %kept{r}, ptr %c{r}.{v}, ptr %nowhere")
            value = f"{self.vector} %w{r}.{v}"
            if self.part:
                lines.append(
                    f"call void @llvm.masked.store.{self.suffix}.p0({value}, ptr %d{r}.{v}, i32 {self.bytes},"
                    f" {self.mask} %mask{v})"
                )
            else:
                lines.append(f"store {value}, ptr %d{r}.{v}, align {self.bytes}")
        return lines
