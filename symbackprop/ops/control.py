"""Choice between values."""

from __future__ import annotations

from typing import Any

from symbackprop.ops.extents import plus
from symbackprop.ops.row import Op, Spelling, call


def _slope_beside(f: Any, other: Any) -> Any:
    # Where the other arm is taken this one contributes nothing; where that is a literal nan there is no derivative.
    return f.const("nan") if f.is_nan(other) else 0


SCAN = Op(
    name="scan",
    doc="the states before, between and after so many steps, or the last alone; operands are the first state and what"
    " the steps read, attributes (body, length, whether all states are kept)",
    arity=None,
    elementwise=False,
    infer=lambda attributes, start, *shared: (
        "real",
        (plus(attributes[1], 1), *start.shape) if attributes[2] else start.shape,
    ),
)

ROWS = (
    SCAN,
    Op(
        name="select",
        doc="a where the condition holds, else b",
        arity=3,
        partials=(
            None,
            lambda f, z, c, a, b: f.select(c, 1, _slope_beside(f, b)),
            lambda f, z, c, a, b: f.select(c, _slope_beside(f, a), 1),
        ),
        operands=("bool", "real", "real"),
        python=Spelling("if", operator=True),
        numpy=call("np.where"),
        numba=Spelling("if", operator=True),
        mpmath=lambda c, a, b: a if c else b,
        analytic=False,
        domain=((0, 1), (-3, 3), (-3, 3)),
    ),
)
