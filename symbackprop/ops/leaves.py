"""What an expression starts from: constants, inputs, and the length of a named dimension."""

from __future__ import annotations

from symbackprop.ops.row import Op

CONST = Op(
    name="const",
    doc="a number, exact: a Fraction, a bool, or the name of one (pi, inf, nan)",
    arity=0,
    cost=0,
)
INPUT = Op(name="input", doc="a value that the caller gives, by its identifier", arity=0, cost=0)
LENGTH = Op(name="length", doc="the length of an axis, as a real number", arity=0, cost=0)

ROWS = (CONST, INPUT, LENGTH)
