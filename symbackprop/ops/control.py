"""Choice between values."""

from __future__ import annotations

from functools import cache
from typing import Any

from symbackprop.ops.extents import plus
from symbackprop.ops.row import Op, Spelling, call


def _slope_beside(f: Any, other: Any) -> Any:
    # Where the other arm is taken this one contributes nothing; where that is a literal nan there is no derivative.
    return f.const("nan") if f.is_nan(other) else 0


@cache
def attached(count: int, alone: bool = True) -> Op:
    """The row for a value `a` at a point of a function of v1, v2, ...: operands (a, v1, g1, v2, g2, ...), where g1 is
    the function's derivative in v1. The derivative is the function's if all of it is finite, and else that of `a`; or
    the function's in any case, where the point is not one of a single variable (`alone`).

    Made before differentiation, and gone after it; not in the registry.
    """

    def broken(f: Any, slopes: Any) -> Any:
        total = slopes[0] - slopes[0]
        for slope in slopes[1:]:
            total = total + (slope - slope)
        return f.ne(total, 0)

    def known(f: Any, slopes: Any) -> bool:
        return all(f.is_constant(slope) for slope in slopes)

    def own(f: Any, z: Any, a: Any, *others: Any) -> Any:
        return 0 if not alone or known(f, others[1::2]) else f.select(broken(f, others[1::2]), 1, 0)

    def surrounding(f: Any, k: int, others: Any) -> Any:
        slope = others[2 * k + 1]
        return slope if not alone or known(f, others[1::2]) else f.select(broken(f, others[1::2]), 0, slope)

    slopes = [(lambda f, z, a, *others, k=k: surrounding(f, k, others), None) for k in range(count)]
    return Op(
        name="attached",
        doc="a value, with the derivative of a function around it",
        arity=1 + 2 * count,
        partials=(own, *[partial for pair in slopes for partial in pair]),
        define=lambda f, a, *others: a,
        mpmath=lambda a, *others: a,
        analytic=False,
    )


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
        ball=lambda c, a, b: a if c else b,
        analytic=False,
        domain=((0, 1), (-3, 3), (-3, 3)),
    ),
)
