"""Choice between values."""

from __future__ import annotations

from symbackprop.ops.row import Op, Spelling, call

ROWS = (
    Op(
        name="select",
        doc="a where the condition holds, else b",
        arity=3,
        partials=(None, lambda f, z, c, a, b: f.select(c, 1, 0), lambda f, z, c, a, b: f.select(c, 0, 1)),
        operands=("bool", "real", "real"),
        python=Spelling("if", operator=True),
        numpy=call("np.where"),
        numba=Spelling("if", operator=True),
        mpmath=lambda c, a, b: a if c else b,
        analytic=False,
        domain=((0, 1), (-3, 3), (-3, 3)),
    ),
)
