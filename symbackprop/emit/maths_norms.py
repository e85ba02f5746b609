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
    """Whether a sum of squares is near an end of its range, in any lane that has a turn to do; or is no number.

    Positive numbers are ordered as their bits: what is below the range is the furthest above it without a sign. Of
    several registers the largest is asked for, of `width` numbers each.
    """
    low, high, _ = _range(b)
    first, beyond = (_bits(b, bound) for bound in (low, high))
    scalar = "i64" if b.dtype == "float64" else "i32"
    own = f"<{b.width} x {scalar}>" if total.lanes else scalar
    spread = (lambda number, kind: f"splat ({scalar} {number})") if total.lanes else (lambda number, kind: str(number))
    bits = b.emit(f"bitcast {b.type('real', total.lanes)} {total.text} to {own}")
    above = b.emit(f"sub {own} {bits}, {spread(first, own)}")
    if not total.lanes:
        return b.emit(f"icmp uge {own} {above}, {beyond - first}")
    above = b.emit(f"select {b.type('bool', True)} {mask}, {own} {above}, {own} zeroinitializer")
    part = f"<{width} x {scalar}>"
    name = f"llvm.umax.v{width}{scalar}"
    b.declared[name] = f"declare {part} @{name}({part}, {part})"
    largest = ""
    for start in range(0, b.width, width):
        lanes = ", ".join(f"i32 {lane}" for lane in range(start, start + width))
        one = b.emit(f"shufflevector {own} {above}, {own} poison, <{width} x i32> <{lanes}>")
        largest = b.emit(f"call {part} @{name}({part} {largest}, {part} {one})") if largest else one
    flags = b.emit(f"icmp uge {part} {largest}, splat ({scalar} {beyond - first})")
    name = f"llvm.vector.reduce.or.v{width}i1"
    b.declared[name] = f"declare i1 @{name}(<{width} x i1>)"
    return b.emit(f"call i1 @{name}(<{width} x i1> {flags})")


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


def sum_or_root(b: Assembler, total: Word, scaled: Word, mask: str, width: int, seldom: str) -> Word:
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
