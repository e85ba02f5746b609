"""Norms over axes in instructions: what stands between the sum of squares and its root, see `ops.array_norms`."""

from __future__ import annotations

import struct
from collections.abc import Callable

from symbackprop.emit.assembly import Assembler, Word


def _range(b: Assembler) -> tuple[float, float, float]:
    """From where to where sums of squares have their digits, and what takes large numbers there."""
    least, spacing, most = (-1022, -52, 1024) if b.dtype == "float64" else (-126, -23, 128)
    return 2.0 ** (least - 2 * spacing), 2.0 ** (most + spacing), 2.0 ** (spacing + least // 2)


def is_outside(b: Assembler, total: Word, mask: str, width: int) -> str:
    """Whether a sum of squares is near an end of its range, or no number, in any lane that has a turn to do.

    Positive numbers are ordered as their bits. When the least of the range is taken away, those below it are above it,
    without a sign: one comparison. Several registers, of `width` numbers each, are compared at once. By two comparisons
    a lane, and the flags of all lanes together, sums over pairs of points took 1.25 times as long.
    """
    low, high, _ = _range(b)
    first, length = _bits(b, low), _bits(b, high) - _bits(b, low)
    scalar = "i64" if b.dtype == "float64" else "i32"
    if not total.lanes:
        bits = b.emit(f"bitcast {b.scalar['real']} {total.text} to {scalar}")
        return b.emit(f"icmp uge {scalar} {b.emit(f'sub {scalar} {bits}, {first}')}, {length}")
    own, part = f"<{b.width} x {scalar}>", f"<{width} x {scalar}>"
    bits = b.emit(f"bitcast {b.type('real', True)} {total.text} to {own}")
    above = b.emit(f"sub {own} {bits}, splat ({scalar} {first})")
    above = b.emit(f"select {b.type('bool', True)} {mask}, {own} {above}, {own} zeroinitializer")
    larger = f"llvm.umax.v{width}{scalar}"
    b.declared[larger] = f"declare {part} @{larger}({part}, {part})"
    largest = ""
    for start in range(0, b.width, width):
        lanes = ", ".join(f"i32 {lane}" for lane in range(start, start + width))
        one = b.emit(f"shufflevector {own} {above}, {own} poison, <{width} x i32> <{lanes}>")
        largest = b.emit(f"call {part} @{larger}({part} {largest}, {part} {one})") if largest else one
    return b.any(b.emit(f"icmp uge {part} {largest}, splat ({scalar} {length})"), width)


def _bits(b: Assembler, number: float) -> int:
    """A number of the program's type as an integer."""
    real, integer = (">d", ">q") if b.dtype == "float64" else (">f", ">i")
    return int(struct.unpack(integer, struct.pack(real, number))[0])


def _outside(b: Assembler, total: Word) -> Word:
    low, high, _ = _range(b)
    return b.binary("or", b.compare("ole", total, b.real(low)), b.compare("oge", total, b.real(high)))


def _scale(b: Assembler, total: Word) -> Word:
    """What takes numbers with such a sum into the range; in lanes where nothing is outside, 1."""
    low, high, down = _range(b)
    other = b.choose(b.compare("oge", total, b.real(high)), b.real(down), b.real(1.0))
    return b.choose(b.compare("ole", total, b.real(low)), b.real(1.0 / down), other)


def sum_or_root(b: Assembler, total: Word, scaled: Word, *, mask: str, width: int, seldom: str) -> Word:
    """A sum of squares, or minus the root of the scaled ones."""
    low, _, down = _range(b)
    flag, names = is_outside(b, total, mask, width), [b.fresh(stem) for stem in ("inside", "outside", "on")]
    b.do(f"br label %{names[0]}")
    b.label(names[0])
    b.do(f"br i1 {flag}, label %{names[1]}, label %{names[2]}{seldom}")
    b.label(names[1])
    back = b.choose(b.compare("ole", total, b.real(low)), b.real(-down), b.real(-1.0 / down))
    root = b.choose(_outside(b, total), b.binary("fmul", b.intrinsic("sqrt", scaled), back), total)
    b.do(f"br label %{names[2]}")
    b.label(names[2])
    either = f"[ {total.text}, %{names[0]} ], [ {root.text}, %{names[1]} ]"
    return Word(b.emit(f"phi {b.type('real', total.lanes)} {either}"), "real", total.lanes)


def _root_of_squares(b: Assembler, squares: Word) -> Word:
    size = b.intrinsic("fabs", squares)
    return b.choose(b.compare("ogt", squares, b.real(0.0)), b.intrinsic("sqrt", squares), size)


def _inverse(b: Assembler, norm: Word) -> Word:
    divisor = b.choose(b.compare("une", norm, b.real(0.0)), norm, b.real(float("inf")))
    return b.binary("fdiv", b.real(1.0), divisor)


NORMS: dict[str, Callable[..., Word]] = {
    "_scale_of": _scale,
    "_root_of_squares": _root_of_squares,
    "_inverse": _inverse,
}
"""By the helper that target numba calls."""
