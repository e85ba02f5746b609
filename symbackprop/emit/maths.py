"""Elementary functions in instructions that hardly branch, so that one text serves numbers and lanes alike.

A number alone and a number in a lane go through the same instructions: the same answers, to the last bit. All are
right to 1 ulp, with nan, infinities, signed zeros and denormals. float32 is computed in doubles. ARCHITECTURE, decision
37, has the figures.
"""

from __future__ import annotations

from collections.abc import Callable

from symbackprop.emit.assembly import Assembler, Word
from symbackprop.emit.maths_arcs import acos, asin, atan, atan2
from symbackprop.emit.maths_areas import acosh, asinh, atanh
from symbackprop.emit.maths_circular import cos, sin, sin_and_cos, tan
from symbackprop.emit.maths_doubles import Doubles
from symbackprop.emit.maths_error import erf, erfc
from symbackprop.emit.maths_exponential import cosh, exp, exp2, expm1, sinh, tanh
from symbackprop.emit.maths_logarithm import log, log1p, log2, log10, logaddexp
from symbackprop.emit.maths_power import hypot, norm, power

FUNCTIONS: dict[str, Callable[..., str]] = {
    "exp": exp,
    "expm1": expm1,
    "exp2": exp2,
    "log": log,
    "log2": log2,
    "log10": log10,
    "log1p": log1p,
    "logaddexp": logaddexp,
    "pow": power,
    "hypot": hypot,
    "norm": norm,
    "sinh": sinh,
    "cosh": cosh,
    "tanh": tanh,
    "asinh": asinh,
    "acosh": acosh,
    "atanh": atanh,
    "sin": sin,
    "cos": cos,
    "tan": tan,
    "asin": asin,
    "acos": acos,
    "atan": atan,
    "atan2": atan2,
    "erf": erf,
    "erfc": erfc,
}


OWN = "own_"
"""The names of these functions begin so in a module."""


def elementary(b: Assembler, name: str, *words: Word) -> Word:
    """One of these functions of numbers of the program, or of one in each lane.

    In lanes it is written in place. Alone it is a function of the module: of the gradient of 2,000 sines and
    exponentials the code in place takes 8.5 s to compile and 12 ns each to run, calls take 1.0 s and 7 ns; where
    there is a loop LLVM puts it in place by itself.
    """
    lanes, texts = b.together(*words)
    if lanes:
        return Word(_spelled(b, name, texts, True), "real", True)
    symbol, own = f"{OWN}{name}{len(words)}", b.type("real", False)
    if symbol not in b.declared:
        inner = Assembler(b.dtype)
        inner.declared = b.declared
        operands = [f"%x{k}" for k in range(len(words))]
        found = _spelled(inner, name, operands, False)
        head = f"define internal {own} @{symbol}({', '.join(f'{own} {operand}' for operand in operands)}) #1 {{"
        b.declared[symbol] = "\n".join([head, "entry:", *inner.lines, f"  ret {own} {found}", "}"])
    return b.called(symbol, *words)


def sine_and_cosine(b: Assembler, word: Word) -> tuple[Word, Word]:
    """Both of one number alone, of which the two take one call: 14 ns of a chain of them, where two calls take 17."""
    symbol, own = f"{OWN}sin_and_cos", b.type("real", False)
    if symbol not in b.declared:
        inner = Assembler(b.dtype)
        inner.declared = b.declared
        d = Doubles(inner, False)
        found = [_narrowed(d, text) for text in sin_and_cos(d, _widened(d, "%x"))]
        first = inner.emit(f"insertvalue {{ {own}, {own} }} poison, {own} {found[0]}, 0")
        both = inner.emit(f"insertvalue {{ {own}, {own} }} {first}, {own} {found[1]}, 1")
        head = f"define internal {{ {own}, {own} }} @{symbol}({own} %x) #1 {{"
        b.declared[symbol] = "\n".join([head, "entry:", *inner.lines, f"  ret {{ {own}, {own} }} {both}", "}"])
    pair = b.emit(f"call {{ {own}, {own} }} @{symbol}({own} {word.text}) #1")
    sine, cosine = (b.emit(f"extractvalue {{ {own}, {own} }} {pair}, {k}") for k in range(2))
    return Word(sine, "real"), Word(cosine, "real")


def _spelled(b: Assembler, name: str, texts: list[str], lanes: bool) -> str:
    d = Doubles(b, lanes)
    return _narrowed(d, FUNCTIONS[name](d, *[_widened(d, text) for text in texts]))


def _widened(d: Doubles, text: str) -> str:
    """A number of the program as a double."""
    return text if d.b.dtype == "float64" else d.b.emit(f"fpext {d.b.type('real', d.lanes)} {text} to {d.own}")


def _narrowed(d: Doubles, text: str) -> str:
    return text if d.b.dtype == "float64" else d.b.emit(f"fptrunc {d.own} {text} to {d.b.type('real', d.lanes)}")
