"""Norms: sqrt(x**2 + y**2), x/sqrt(x**2 + y**2), log(x**2 + y**2).

A square overflows from 1e154 on and vanishes below 1e-162; hypot does not, nor does a norm of more, or over axes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.ops.array_norms import REDUCE_NORM
from symbackprop.ops.contraction import CONTRACT, RESHAPE, TRANSPOSE
from symbackprop.ops.indexing import SLICE
from symbackprop.ops.leaves import LENGTH
from symbackprop.ops.norms import norm_of
from symbackprop.ops.reduction import REDUCE_SUM
from symbackprop.passes.factors import all_factors, factors_and_others
from symbackprop.passes.offsets import terms
from symbackprop.passes.rewrite import Rewriter, Rule

_MUL, _DIV, _POW = (REGISTRY[name] for name in ("mul", "div", "pow"))
_ALONG, _HYPOT, _SQUARES, _ABS = (REGISTRY[name] for name in ("along_norm", "hypot", "difference_of_squares", "abs"))
_VIEWS = frozenset({RESHAPE, SLICE, TRANSPOSE})
_MOST_COMPONENTS = 64
_HALF = Fraction(1, 2)


def _square_root_of(r: Rewriter, index: int, of_powers: bool = True) -> Value | None:
    """u, of u**2 or of a quotient of squares; of u**-4, if it is asked for, its second power."""
    node = r.nodes[index]
    exponent = r.number(node.operands[1]) if node.op is _POW else None
    if exponent == 2 or (of_powers and exponent is not None and exponent.denominator == 1 and exponent % 2 == 0):
        base = r.f.wrap(node.operands[0])
        return base if exponent == 2 else r.f.pow(base, exponent / 2)
    if node.op is _MUL and node.operands[0] == node.operands[1]:
        return r.f.wrap(node.operands[0])
    if node.op is _DIV:
        one = of_powers and r.number(node.operands[0]) == 1
        above = r.f.const(1) if one else _square_root_of(r, node.operands[0], of_powers)
        below = _square_root_of(r, node.operands[1], of_powers)
        return None if above is None or below is None else above / below
    return None


def _components(
    r: Rewriter, index: int, most_constant: bool = True, of_powers: bool = True, most: int = 2
) -> list[Value] | None:
    """u, v, ... of a sum u**2 + v**2 + ... over scalars, constants last."""
    if r.nodes[index].type.shape:
        return None
    found = terms(r, index)
    if found is None or found[0] < 0 or (found[0] and not most_constant):
        return None
    # The rows of quotients by two squares are not those of more.
    if len(found[1]) + bool(found[0]) > most:
        return None
    components = []
    for node, factor in found[1].items():
        root = _square_root_of(r, node, of_powers)
        if root is None or factor < 0:
            return None
        components.append(root if factor == 1 else _root(r, factor) * root)
    return components + ([_root(r, found[0])] if found[0] else [])


def _root(r: Rewriter, number: Fraction) -> Value:
    root = Fraction(math.isqrt(number.numerator), math.isqrt(number.denominator))
    return r.f.const(root) if root * root == number else r.f.sqrt(r.f.const(number))


def norm_of_squares(r: Rewriter, index: int) -> Value | None:
    """hypot(u, v), or a norm of more, of u**2 + v**2 + ..."""
    components = _components(r, index, of_powers=False, most=_MOST_COMPONENTS)
    return None if components is None or len(components) < 2 else _norm(r, components)


def _norm(r: Rewriter, components: list[Value]) -> Value:
    if len(components) > 2:
        return r.f.apply(norm_of(len(components)), *components)
    return r.f.hypot(*components) if len(components) == 2 else r.f.abs(*components)


def _root_of_squares(r: Rewriter, x: int) -> int | None:
    components = _components(r, x, most=_MOST_COMPONENTS)
    norm = _norm(r, components) if components else _over_axes(r, x)
    return None if norm is None else norm.index


def _power(r: Rewriter, x: int, y: int) -> int | None:
    """(u**2 + v**2)**n = hypot(u, v)**(2*n): no square leaves the range, and at the origin there is a slope."""
    exponent = r.number(y)
    # A root is a norm already. Of higher powers a norm's second derivative leaves the range of doubles, of whole ones
    # nothing but the square does.
    if exponent is not None and (exponent.denominator == 1 or abs(exponent) == _HALF or abs(exponent) > 3 * _HALF):
        return None
    components = _components(r, x, most_constant=False, of_powers=False, most=_MOST_COMPONENTS)
    if components is None or len(components) < 2:
        return None
    return r.f.pow(_norm(r, components), 2 * r.f.wrap(y)).index


def _logarithm(r: Rewriter, x: int) -> int | None:
    """log(u**2 + v**2) = 2*log(hypot(u, v)); near 1 log(1 + u**2) is better, see below."""
    components = _components(r, x, most_constant=False, most=_MOST_COMPONENTS)
    # Of many such sums the root would be dear: logarithms of squared distances took 1.2 to 1.5 times as long.
    many = bool(r.nodes[x].type.shape)
    norm = _norm(r, components) if components else None if many else _over_axes(r, x)
    return None if norm is None else (2 * r.f.log(norm)).index


def _root_of_view(r: Rewriter, index: int) -> Value | None:
    """The root of an array of squares, or of what shows one."""
    node = r.nodes[index]
    if node.op not in _VIEWS:
        return _square_root_of(r, index, of_powers=False)
    root = _root_of_view(r, node.operands[0])
    return None if root is None else r.f.wrap(r.structural(node.op, (root.index,), node.attributes))


def _over_axes(r: Rewriter, x: int) -> Value | None:
    """The root of a sum of squares over axes, and of it times or over a number that is not negative."""
    node = r.nodes[x]
    if node.op is REDUCE_SUM:
        root = _root_of_view(r, node.operands[0])
        return None if root is None else r.f.wrap(r.structural(REDUCE_NORM, (root.index,), node.attributes))
    if node.op is CONTRACT and node.operands[0] == node.operands[1]:
        left, right, out = node.attributes
        if left != right or tuple(label for label in left if label in out) != out:
            return None
        axes = tuple(axis for axis, label in enumerate(left) if label not in out)
        return r.f.wrap(r.structural(REDUCE_NORM, (node.operands[0],), axes))
    if node.op is _MUL or node.op is _DIV:
        for factor, others in [node.operands, node.operands[::-1]][: 1 + (node.op is _MUL)]:
            number = r.number(others)
            if r.nodes[others].op is LENGTH or (number is not None and number > 0):
                norm, root = _over_axes(r, factor), r.f.sqrt(r.f.wrap(others))
                return None if norm is None else norm * root if node.op is _MUL else norm / root
    return None


def _logarithm_of_one_plus(r: Rewriter, x: int) -> int | None:
    components = _components(r, x, most_constant=False)
    return r.f.log1p_square(components[0]).index if components and len(components) == 1 else None


def over_norm(r: Rewriter, x: int, y: int) -> int | None:
    """u/hypot(u, v)**k, u a factor of x: the cosine over the other powers."""
    f, power, norm = r.f, Fraction(1), y
    if r.is_op(y, _POW) and r.nodes[r.operands(y)[0]].op.name in ("hypot", "norm"):
        # What `_power` has made of it, and 1/hypot(x, y)**3 as it is written.
        norm, power = r.operands(y)[0], r.number(r.operands(y)[1]) or Fraction(0)
        if r.number(x) is not None and power > 0:
            return (f.wrap(x) * f.pow(f.wrap(norm), f.const(-power))).index
    elif r.is_op(y, _POW) and (r.number(r.operands(y)[1]) or Fraction(0)).denominator == 2:
        components = _components(r, r.operands(y)[0], most=_MOST_COMPONENTS)
        if components is None or len(components) < 2:
            return None
        power, norm = 2 * (r.number(r.operands(y)[1]) or Fraction(0)), _norm(r, components).index
        if r.number(x) is not None:
            return (f.wrap(x) * f.pow(f.wrap(norm), f.const(-power))).index
    if r.nodes[norm].op.name == "norm" and power > 1:
        return _over_longer(r, x, norm, power)
    if not r.is_op(norm, _HYPOT) or power < 1:
        return None
    for factor, others in factors_and_others(r, x):
        cosine = _cosine(r, factor, norm)
        if cosine is not None and r.number(factor) is None:
            rest = cosine if others is None else f.wrap(others) * cosine
            return (rest if power == 1 else rest * f.pow(f.wrap(norm), f.const(1 - power))).index
    return None


def _over_longer(r: Rewriter, x: int, norm: int, power: Fraction) -> int:
    """A product over a power of a norm of more than two: the component among its factors over the norm, the rest over
    the other powers.
    """
    f, z = r.f, r.f.wrap(norm)
    for factor, others in factors_and_others(r, x):
        if factor in r.operands(norm):
            cosine = f.wrap(factor) / z
            return ((cosine if others is None else f.wrap(others) * cosine) * f.pow(z, f.const(1 - power))).index
    return (f.wrap(x) * f.pow(z, f.const(-power))).index


def norm_over(r: Rewriter, x: int, y: int) -> Value | None:
    """hypot(u, v)/u among factors as the reciprocal of a cosine: its slope in u is no difference for a small v."""
    above, below = all_factors(r, x), all_factors(r, y)
    for norm in above:
        for divisor in below if r.is_op(norm, _HYPOT) else ():
            cosine = _cosine(r, divisor, norm) if r.number(divisor) is None else None
            if cosine is not None:
                above.remove(norm)
                below.remove(divisor)
                below_all = math.prod(map(r.f.wrap, below), start=cosine)
                return math.prod(map(r.f.wrap, above), start=r.f.const(1)) / below_all
    return None


def _over_itself(r: Rewriter, x: int, y: int) -> int | None:
    """(u/norm)/norm, the slope of a logarithm, by the reciprocal of the norm, which is taken once."""
    if not r.is_op(x, _ALONG) or r.operands(x)[1] != y:
        return None
    norm = r.f.wrap(y)
    once = r.f.select(r.f.eq(norm, 0), r.f.const("nan"), r.f.along_norm(1, norm))
    return (r.f.wrap(x) * once).index


def _into_norm(r: Rewriter, x: int, y: int) -> int | None:
    """u*hypot(a/u, b) = sign(u)*hypot(a, b*u), of which u may be small."""
    f = r.f
    for norm, factor in ((x, y), (y, x)):
        for own, other in (r.operands(norm), r.operands(norm)[::-1]) if r.is_op(norm, _HYPOT) else ():
            if r.is_op(own, _DIV) and r.operands(own)[1] == factor:
                u = f.wrap(factor)
                sign = f.select(f.lt(u, 0), -1, f.select(f.gt(u, 0), 1, f.const("nan")))
                return (sign * f.hypot(f.wrap(r.operands(own)[0]), f.wrap(other) * u)).index
    return None


def _cosine(r: Rewriter, u: int, norm: int) -> Value | None:
    """u over hypot(u, v), and |u|."""
    if r.is_op(u, _ABS):
        cosine = _cosine(r, r.operands(u)[0], norm)
        return None if cosine is None else r.f.abs(cosine)
    if u not in r.operands(norm):
        return None
    f, (first, second) = r.f, r.operands(norm)
    cosine = f.direction_cosine(f.wrap(u), f.wrap(second if u == first else first))
    # The row is 0 at the origin, as the subgradient of a norm; the quotient has no value there.
    if r.number(first) or r.number(second):
        return cosine
    return f.select(f.eq(f.wrap(norm), 0), f.const("nan"), cosine)


def over_squares(r: Rewriter, x: int, y: int) -> Value | None:
    """A product over u**2 + v**2 of which u or v are factors, through the cosines u/h and v/h."""
    # Shares of higher powers are rows of their own.
    components = _components(r, y, of_powers=False)
    if components is None or len(components) < 2:
        return None
    f, norm = r.f, _norm(r, components)
    if r.is_op(x, _SQUARES) and {*r.operands(x)} == {c.index for c in components}:
        return f.square_contrast(*(f.wrap(operand) for operand in r.operands(x)))
    left, total = 2, None
    rest: Value | None = None
    for factor in _squares_apart(r, all_factors(r, x), norm.index):
        root = _square_root_of(r, factor, False)
        for own, count in ((factor, 1), (factor if root is None else root.index, 2)):
            cosine = _cosine(r, own, norm.index) if count <= left and (count == 1 or root is not None) else None
            if cosine is not None:
                left -= count
                found = cosine if count == 1 else cosine * cosine
                total = found if total is None else total * found
                break
        else:
            rest = f.wrap(factor) if rest is None else rest * f.wrap(factor)
    # Without such a factor nothing cancels.
    if total is None:
        return None
    if left:
        total = total / norm
    return total if rest is None else rest * total


def _squares_apart(r: Rewriter, factors: list[int], norm: int) -> Iterator[int]:
    """The factors, of a higher power of a component its square and the rest."""
    for factor in factors:
        base, exponent = r.operands(factor) if r.is_op(factor, _POW) else (factor, factor)
        number = r.number(exponent)
        if number is not None and number > 2 and r.is_op(norm, _HYPOT) and base in r.operands(norm):
            for part in (r.const(2), r.const(number - 2)):
                yield r.f.pow(r.f.wrap(base), r.f.wrap(part)).index
        else:
            yield factor


def _angle(r: Rewriter, x: int) -> int | None:
    """atan(u/v), whose derivatives are cosines over the norm."""
    if not r.is_op(x, _DIV) or r.nodes[x].type.shape or any(r.number(o) is not None for o in r.operands(x)):
        return None
    return r.f.atan_ratio(*(r.f.wrap(operand) for operand in r.operands(x))).index


_WIDE = (1e-200, 1e200)
BOTH = (_WIDE, _WIDE)

RULES = (
    Rule(
        "sqrt(1 + x**2) -> hypot(x, 1)",
        "sqrt",
        _root_of_squares,
        lambda f, x, y, c: f.sqrt(x * x + 1),
        domain=BOTH,
        before=math.inf,
        after=1,
    ),
    Rule(
        "root of a sum of squares -> hypot, norm",
        "norm_root",
        _root_of_squares,
        lambda f, x, y, c: f.norm_root(x * x + y * y),
        domain=BOTH,
        before=math.inf,
        after=1,
    ),
    Rule(
        "(x**2 + y**2)**(3/4) -> hypot(x, y)**(3/2), and other powers that are not whole",
        "pow",
        _power,
        lambda f, x, y, c: f.pow(x * x + y * y, Fraction(3, 4)),
        among=("add",),
        domain=((1e-20, 1e200), (1e-20, 1e200)),
        before=math.inf,
        after=3,
    ),
    Rule(
        "log(x**2 + y**2) -> 2*log(hypot(x, y))",
        "log",
        _logarithm,
        lambda f, x, y, c: f.log(x * x + y * y),
        domain=BOTH,
        before=math.inf,
        after=2,
    ),
    Rule(
        "log1p(x**2) -> log1p_square(x)",
        "log1p",
        _logarithm_of_one_plus,
        lambda f, x, y, c: f.log1p(x * x),
        domain=BOTH,
        before=math.inf,
        after=1,
    ),
    Rule(
        "y*hypot(1/y, x) -> sign(y)*hypot(1, x*y)",
        "mul",
        _into_norm,
        lambda f, x, y, c: y * f.hypot(1 / y, x),
        among=("hypot",),
        domain=((1e-9, 1e9), (1e-9, 1e9)),
        before=1e12,
        after=2,
    ),
    Rule(
        "x/|y|/|y| -> x/|y|*(1/|y|)",
        "div",
        _over_itself,
        lambda f, x, y, c: f.along_norm(x, f.abs(y)) / f.abs(y),
        among=("along_norm",),
        domain=((-3, 3), (0.1, 3)),
    ),
    Rule(
        "atan(x/y) -> atan_ratio(x, y)",
        "atan",
        _angle,
        lambda f, x, y, c: f.atan(x / y),
        domain=BOTH,
        before=math.inf,
        after=2,
    ),
)
