"""Divided differences: (exp(u) - exp(v))/(u - v), as in chains of decays, and (u - v)/log(u/v), the logarithmic mean.

Where u is near v both differences are small, and their quotient is a function of d = u - v, or of d = (u - v)/v, which
has a series. Elsewhere it stays as written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY, Op
from symbackprop.passes.common_factors import without_common
from symbackprop.passes.offsets import terms
from symbackprop.passes.rewrite import Rewriter, Rule
from symbackprop.passes.series import Series, near, series_of

_SUB, _MUL, _DIV, _NEG, _LOG, _LOG1P, _EXPM1, _DIFFERENCE = (
    REGISTRY[name] for name in ("sub", "mul", "div", "neg", "log", "log1p", "expm1", "exp_difference")
)
_SUMS = frozenset({REGISTRY["add"], _SUB})
_MOST_FACTORS = 6
_ROUNDING = Fraction(1, 2**51)


def _divided(r: Rewriter, x: int, y: int) -> int | None:
    """The quotient of two differences among factors, with its series beside it."""
    f = r.f
    if r.nodes[x].type.shape or r.nodes[y].type.shape:
        return None
    above, below = _factors(r, x), _factors(r, y)
    for first in above:
        for second in below:
            found = _of_exponentials(r, first, second) or _of_logarithms(r, first, second)
            if found is not None:
                d, series, factor = found
                above.remove(first)
                below.remove(second)
                factor = math.prod(map(f.wrap, above), start=factor)
                for node in below:
                    factor = factor / f.wrap(node)
                polynomial, is_near = near(d, series)
                # The quotient itself sees nothing that is near: neither 0/0, nor this rule once more.
                far = r.plain(_DIV, (x, f.select(is_near, 1, f.wrap(y)).index))
                return f.select(is_near, factor * polynomial, f.wrap(far)).index
    return None


def _factors(r: Rewriter, index: int) -> list[int]:
    factors: list[int] = []
    stack = [index]
    while stack:
        node = stack.pop()
        if r.is_op(node, _MUL) and len(factors) + len(stack) < _MOST_FACTORS:
            stack += r.operands(node)[::-1]
        elif r.is_op(node, _NEG):
            stack += [r.const(-1), r.operands(node)[0]]
        else:
            factors.append(node)
    return factors


def _of_exponentials(r: Rewriter, x: int, y: int) -> tuple[Value, Series, Value] | None:
    """(exp(c*u) - exp(c*v))/(u - v) = exp(c*v)*c*expm1(d)/d with d = c*(u - v)."""
    if not r.is_op(x, _DIFFERENCE) or r.nodes[y].op not in _SUMS:
        return None
    f, (first, second) = r.f, r.operands(x)
    split = without_common(r.nodes, (first, second), r.taken_apart)
    if split is None:
        u, v, common = f.wrap(first), f.wrap(second), f.const(1)
    else:
        (u, v), common = (rest.built(f) for rest in split[1]), split[0].built(f)
    ratio = multiple(r, y, r.add(_SUB, (u.index, v.index)))
    series = _series(_EXPM1, _DIV)
    if ratio is None or series is None:
        return None
    # From the difference as it is written: it was rounded once.
    d = common / ratio * f.wrap(y)
    return d, series, common / ratio * f.exp(f.wrap(second))


def _of_logarithms(r: Rewriter, x: int, y: int) -> tuple[Value, Series, Value] | None:
    """(u - v)/log(u/v) = v*d/log1p(d) with d = (u - v)/v, and the same upside down."""
    f = r.f
    for logarithm, other in ((y, x), (x, y)):
        for first, second in _ratio(r, logarithm):
            ratio = multiple(r, other, r.add(_SUB, (first, second))) if r.nodes[other].op in _SUMS else None
            series = _series(_LOG1P, _MUL if logarithm == y else _DIV)
            if ratio is not None and series is not None:
                v = f.wrap(second)
                d = f.wrap(other) / (v if ratio == 1 else ratio * v)
                return d, series, ratio * v if logarithm == y else 1 / (ratio * v)
    return None


def _ratio(r: Rewriter, index: int) -> Iterator[tuple[int, int]]:
    """u and v of log(u/v), or of log(u) - log(v)."""
    node = r.nodes[index]
    if node.op is _LOG and r.is_op(node.operands[0], _DIV):
        first, second = r.operands(node.operands[0])
        yield first, second
    elif node.op is _SUB and all(r.is_op(operand, _LOG) for operand in node.operands):
        first, second = (r.operands(operand)[0] for operand in node.operands)
        yield first, second


def multiple(r: Rewriter, x: int, y: int) -> Fraction | None:
    """x/y, of two differences, where that is a number up to the rounding of coefficients like 0.01."""
    above, below = terms(r, x), terms(r, y)
    if above is None or below is None or len(below[1]) + bool(below[0]) < 2 or above[1].keys() != below[1].keys():
        return None
    ratios = [above[1][node] / below[1][node] for node in below[1]]
    if above[0] or below[0]:
        ratios.append(above[0] / below[0] if below[0] else Fraction(0))
    return ratios[0] if all(abs(ratio - ratios[0]) <= _ROUNDING * abs(ratio) for ratio in ratios) else None


def _series(function: Op, op: Op) -> Series | None:
    """Of expm1(d)/d, log1p(d)/d or d/log1p(d)."""
    return series_of(((function, None, -1), (_DIV, None, 0, -1) if op is _DIV else (_DIV, None, -1, 0)))


RULES = (
    Rule(
        "(x - y)/log(x/y) -> y*d/log1p(d) with d = (x - y)/y, and (exp(x) - exp(y))/(x - y), by their series",
        "div",
        _divided,
        lambda f, x, y, c: (x - y) / f.log(x / y),
        domain=((1.0, 1.0001), (0.9, 1.0)),
        needs=("exp_difference", "log"),
        before=1e4,
        after=20,
    ),
)
