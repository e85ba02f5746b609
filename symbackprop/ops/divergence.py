"""The divergence x*log(x/y) - x + y, of which Poisson deviances and relative entropies are sums.

It vanishes like (x - y)**2 where x is near y, and as it is written has lost twice the digits that x - y has. SciPy's
name for it is kl_div, R's (Loader's, of the saddle-point expansion of the binomial probabilities) bd0.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath as mp

from symbackprop.ops.row import DIVISION, ELEMENTARY, Op

# (atanh(d)/d - 1)/d**2 in d**2 up to 1/4, to 6e-17 (tests/benchmarks/minimax.py).
_ATANH = tuple(
    map(
        Fraction,
        (
            0.3333333333333333, 0.20000000000000906, 0.14285714285481046, 0.11111111134744274, 0.0909090784436564,
            0.07692346958603118, 0.06665868451991151, 0.05893310328524436, 0.05159075080043007, 0.05451268907163607,
            0.011944223227480334, 0.13641479885676747, -0.14567237790620743, 0.21170208020132064,
        ),
    )
)  # fmt: skip


def _kl_div(f: Any, x: Any, y: Any) -> Any:
    # With d = (x - y)/(x + y) it is (x - y)*d + 2*x*(atanh(d) - d), in which nothing cancels; for x/y beyond 3 little
    # does as it is written. The sum of halves does not overflow.
    half = (x - y) / 2
    d = half / (x / 2 + y / 2)
    square = d * d
    near = 2 * (half * d + x * (d * square * f.polynomial(_ATANH, square)))
    far = x * (f.log_ratio(x, y) - 1) + y
    return f.select(f.lt(f.abs(d), Fraction(1, 2)), near, f.select(f.eq(x, 0), y, far))


ROWS = (
    Op(
        name="kl_div",
        doc="x*log(x/y) - x + y, and y at x = 0",
        arity=2,
        partials=(lambda f, z, x, y: f.log_ratio(x, y), lambda f, z, x, y: (y - x) / y),
        define=_kl_div,
        mpmath=lambda x, y: x * mp.log(x / y) - x + y if x else y,
        ball=lambda x, y: x * (x / y).log() - x + y if x != 0 else y,
        cost=2 * ELEMENTARY + 2 * DIVISION + 40,
        domain=((0.2, 5), (0.2, 5)),
    ),
)
