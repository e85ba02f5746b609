"""Elementary functions in instructions that have no branch, so that one text serves numbers and lanes alike.

A number alone and a number in a lane go through the same instructions: the same answers, to the last bit. All are
right to 1 ulp (tests/jit/test_maths.py has the figures), with nan, infinities, signed zeros and denormals. float32 is
computed in doubles.
"""

from __future__ import annotations

from symbackprop.emit.assembly import Assembler, Word
from symbackprop.emit.maths_circular import cos, sin
from symbackprop.emit.maths_doubles import Doubles
from symbackprop.emit.maths_exponential import exp, expm1, tanh
from symbackprop.emit.maths_logarithm import log, log1p

FUNCTIONS = {"exp": exp, "expm1": expm1, "log": log, "log1p": log1p, "tanh": tanh, "sin": sin, "cos": cos}


def elementary(b: Assembler, name: str, x: Word) -> Word:
    """One of these functions of a number of the program, or of one in each lane.

    In lanes it is written in place. Alone it is a function of the module: of the gradient of 2,000 sines and
    exponentials the code in place takes 8.5 s to compile and 12 ns each to run, calls take 1.0 s and 7 ns; where
    there is a loop LLVM puts it in place by itself.
    """
    if x.lanes:
        return Word(_spelled(b, name, x), "real", True)
    symbol, own = f"own_{name}", b.type("real", False)
    if symbol not in b.declared:
        inner = Assembler(b.dtype)
        inner.declared = b.declared
        found = _spelled(inner, name, Word("%x", "real"))
        head = f"define internal {own} @{symbol}({own} %x) #1 {{"
        b.declared[symbol] = "\n".join([head, "entry:", *inner.lines, f"  ret {own} {found}", "}"])
    return b.called(symbol, x)


def _spelled(b: Assembler, name: str, x: Word) -> str:
    d = Doubles(b, x.lanes)
    if b.dtype == "float64":
        return FUNCTIONS[name](d, x.text)
    own = b.type("real", x.lanes)
    wide = b.emit(f"fpext {own} {x.text} to {d.own}")
    return b.emit(f"fptrunc {d.own} {FUNCTIONS[name](d, wide)} to {own}")
