"""How many vector registers a loop in lanes fills at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from symbackprop.lower.program import Accumulate, Apply, Assign, Expr, For, Literal, Statement, operands_of, runs_seldom
from symbackprop.ops import Op

FEW, MANY = 2, 4
_A_FUNCTION = 9
"""The cost of a row, in additions, from which on it is a chain of operations that wait for each other."""
_SHORT = 64
"""The additions of a turn that four registers have room for."""


def registers(loop: For) -> int:
    """How many vector registers a loop fills at once, if it has so many turns: what all turns share is read once for
    all, sums are read and written once, and instructions wait less for one another.

    Four, but for turns of many products between few functions: these find work enough, and values of theirs that the
    registers have no room for go to memory and back. Microseconds with one, two and four: a damped oscillator 26.6,
    21.4, 17.7; 100,000 samples of a logistic regression by symbols -, 199, 154; a mixture of Gaussians 434, 338, 266;
    two moons with tanh -, 30.3, 26.0, but with ReLU 13.9, 9.7, 10.6, and in float32 -, 6.4, 8.1.
    """
    functions = products = 0
    for op, times in _operations(loop.body, 1):
        if op.cost >= _A_FUNCTION:
            functions += times * op.cost
        else:
            products += times * op.cost
    return FEW if products > max(_SHORT, 4 * functions) else MANY


def _operations(statements: Iterable[Statement], times: int) -> Iterator[tuple[Op, int]]:
    """The operations of a turn, and how often each is in its straight-line code: loops of known extent are unrolled."""
    for statement in statements:
        if isinstance(statement, For) and not runs_seldom(statement):
            extent = statement.extent
            yield from _operations(statement.body, times * int(extent.number) if isinstance(extent, Literal) else times)
        elif isinstance(statement, Assign | Accumulate):
            for op in _rows(statement.value):
                yield op, times


def _rows(expr: Expr) -> Iterator[Op]:
    if isinstance(expr, Apply):
        yield expr.op
    for operand in operands_of(expr):
        yield from _rows(operand)
