"""Norms, and shares in sums: x/(x + y), x**n/(x**n + y**n), x/sqrt(x**2 + y**2).

A square overflows from 1e154 on and vanishes below 1e-162; hypot does not. The derivative of a share as the quotient
rule has it, 1/(x + y) - x/(x + y)**2, has no digits of a small y; the row's own, y/(x + y)**2, has. Norms of scalars
alone: over arrays hypot would cost three times a root.
"""

from __future__ import annotations

import math
from fractions import Fraction

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.offsets import built, is_like, minus, terms
from symbackprop.passes.rewrite import Rewriter, Rule
from symbackprop.passes.strength import LONGEST_CHAIN

_ADD, _SUB, _MUL, _DIV, _NEG, _POW, _SQRT = (
    REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "pow", "sqrt")
)
_HYPOT, _SQUARES = REGISTRY["hypot"], REGISTRY["difference_of_squares"]
_MOST_FACTORS = 8


# Norms.


def _square_root_of(r: Rewriter, index: int) -> Value | None:
    """u, of u**2 or of a quotient of squares."""
    node = r.nodes[index]
    if node.op is _POW and r.number(node.operands[1]) == 2:
        return r.f.wrap(node.operands[0])
    if node.op is _MUL and node.operands[0] == node.operands[1]:
        return r.f.wrap(node.operands[0])
    if node.op is _DIV:
        above, below = (_square_root_of(r, operand) for operand in node.operands)
        return None if above is None or below is None else above / below
    return None


def _components(r: Rewriter, index: int, most_constant: bool = True) -> list[Value] | None:
    """u, v, ... of a sum u**2 + v**2 + ... over scalars, constants last."""
    if r.nodes[index].type.shape:
        return None
    found = terms(r, index)
    if found is None or found[0] < 0 or (found[0] and not most_constant):
        return None
    # Of more, the norm of a few would stand inside: it has no second derivative where these are 0 and the rest is not,
    # and a molecule's distances took 1.6 times as long.
    if len(found[1]) + bool(found[0]) > 2:
        return None
    components = []
    for node, factor in found[1].items():
        root = _square_root_of(r, node)
        if root is None or factor < 0:
            return None
        components.append(root if factor == 1 else _root(r, factor) * root)
    return components + ([_root(r, found[0])] if found[0] else [])


def _root(r: Rewriter, number: Fraction) -> Value:
    root = Fraction(math.isqrt(number.numerator), math.isqrt(number.denominator))
    return r.f.const(root) if root * root == number else r.f.sqrt(r.f.const(number))


def _norm(r: Rewriter, components: list[Value]) -> Value:
    return r.f.hypot(*components) if len(components) == 2 else r.f.abs(*components)


def _root_of_squares(r: Rewriter, x: int) -> int | None:
    components = _components(r, x)
    return _norm(r, components).index if components else None


def _logarithm(r: Rewriter, x: int) -> int | None:
    """log(u**2 + v**2) = 2*log(hypot(u, v)); near 1 log(1 + u**2) is better, see below."""
    components = _components(r, x, most_constant=False)
    return (2 * r.f.log(_norm(r, components))).index if components else None


def _logarithm_of_one_plus(r: Rewriter, x: int) -> int | None:
    components = _components(r, x, most_constant=False)
    return r.f.log1p_square(components[0]).index if components and len(components) == 1 else None


def _over_norm(r: Rewriter, x: int, y: int) -> int | None:
    """u/hypot(u, v)**k, u a factor of x: the cosine over the other powers."""
    f, power, norm = r.f, Fraction(1), y
    if r.is_op(y, _POW) and (r.number(r.operands(y)[1]) or Fraction(0)).denominator == 2:
        components = _components(r, r.operands(y)[0])
        if components is None or len(components) < 2:
            return None
        power, norm = 2 * (r.number(r.operands(y)[1]) or Fraction(0)), _norm(r, components).index
        if r.number(x) is not None:
            return (f.wrap(x) * f.pow(f.wrap(norm), f.const(-power))).index
    if not r.is_op(norm, _HYPOT) or power < 1:
        return None
    for factor, others in _factors(r, x):
        cosine = _cosine(r, factor, norm)
        if cosine is not None and r.number(factor) is None:
            rest = cosine if others is None else f.wrap(others) * cosine
            return (rest if power == 1 else rest * f.pow(f.wrap(norm), f.const(1 - power))).index
    return None


def _cosine(r: Rewriter, u: int, norm: int) -> Value | None:
    """u over hypot(u, v)."""
    if u not in r.operands(norm):
        return None
    f = r.f
    first, second = r.operands(norm)
    cosine = f.direction_cosine(f.wrap(u), f.wrap(second if u == first else first))
    # The row is 0 at the origin, as the subgradient of a norm; the quotient has no value there.
    if r.number(first) or r.number(second):
        return cosine
    return f.select(f.eq(f.wrap(norm), 0), f.const("nan"), cosine)


def _over_squares(r: Rewriter, x: int, y: int) -> Value | None:
    """A product over u**2 + v**2 of which u or v are factors, through the cosines u/h and v/h."""
    components = _components(r, y)
    if components is None or len(components) < 2:
        return None
    f, norm = r.f, _norm(r, components)
    if r.is_op(x, _SQUARES) and {*r.operands(x)} == {c.index for c in components}:
        return f.square_contrast(*(f.wrap(operand) for operand in r.operands(x)))
    left, total = 2, None
    rest: Value | None = None
    for factor in _all_factors(r, x):
        root = _square_root_of(r, factor)
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


def _angle(r: Rewriter, x: int) -> int | None:
    """atan(u/v), whose derivatives are cosines over the norm."""
    if not r.is_op(x, _DIV) or r.nodes[x].type.shape or any(r.number(o) is not None for o in r.operands(x)):
        return None
    return r.f.atan_ratio(*(r.f.wrap(operand) for operand in r.operands(x))).index


# Shares.


def _factors(r: Rewriter, index: int) -> list[tuple[int, int | None]]:
    """Each factor of a product, and the product of the others."""
    factors = _all_factors(r, index)
    found: list[tuple[int, int | None]] = []
    for position, factor in enumerate(factors):
        others = factors[:position] + factors[position + 1 :]
        product: int | None = None
        for other in others:
            product = other if product is None else r.add(_MUL, (product, other))
        found.append((factor, product))
    return found


def _all_factors(r: Rewriter, index: int) -> list[int]:
    factors: list[int] = []
    stack = [index]
    while stack:
        node = stack.pop()
        if (
            r.is_op(node, _MUL)
            and r.operands(node)[0] != r.operands(node)[1]
            and len(factors) + len(stack) < _MOST_FACTORS
        ):
            stack += r.operands(node)[::-1]
        else:
            factors.append(node)
    return factors


def _quotient(r: Rewriter, x: int, y: int) -> int | None:
    if r.number(y) is not None:
        return None
    for form in (_over_squares, _reciprocals, _contrast, _share, _near, _reciprocal_power):
        found = form(r, x, y)
        if found is not None:
            return found.index
    return _over_norm(r, x, y)


def _parts(r: Rewriter, index: int) -> dict[int, Fraction] | None:
    """The terms of a sum of two at least, a constant as the node 1 with a coefficient."""
    if not (r.is_op(index, _ADD) or r.is_op(index, _SUB)):
        return None
    found = terms(r, index)
    if found is None:
        return None
    parts = dict(found[1])
    if found[0]:
        parts[r.const(1)] = found[0]
    # A difference may be 0 where the numerator is: that is for `removable`, and for the points of an Eq.
    return parts if len(parts) > 1 and len({factor > 0 for factor in parts.values()}) == 1 else None


def _sum(r: Rewriter, parts: dict[int, Fraction]) -> Value:
    one = r.const(1)
    return r.f.wrap(built(r, parts.get(one, Fraction(0)), {n: c for n, c in parts.items() if n != one}))


def _reciprocals(r: Rewriter, x: int, y: int) -> Value | None:
    """x/(a/u + b/v + ...)"""
    parts = _parts(r, y)
    below = {node: _below(r, node) for node in parts or ()}
    if parts is None or None in below.values():
        return None
    total: Value | None = None
    for node, factor in parts.items():
        value = below[node]
        assert value is not None
        part = value / factor
        total = part if total is None else r.f.harmonic(total, part)
    return total if total is None or r.number(x) == 1 else r.f.wrap(x) * total


def _below(r: Rewriter, index: int) -> Value | None:
    """u, of a number over u or of a negative power."""
    node = r.nodes[index]
    if node.op is _DIV and r.number(node.operands[0]):
        return r.f.wrap(node.operands[1]) / (r.number(node.operands[0]) or 1)
    exponent = r.number(node.operands[1]) if node.op is _POW else None
    return r.f.pow(r.f.wrap(node.operands[0]), r.f.const(-exponent)) if exponent is not None and exponent < 0 else None


def _contrast(r: Rewriter, x: int, y: int) -> Value | None:
    """c*(u - v)/(u + v)"""
    above, below = terms(r, x), _parts(r, y)
    if above is None or below is None or len(below) != 2:
        return None
    over = above[1] | ({r.const(1): above[0]} if above[0] else {})
    if over.keys() != below.keys():
        return None
    (u, v) = below
    c, d = over[u] / below[u], over[v] / below[v]
    if c != -d:
        return None
    return c * r.f.contrast(_sum(r, {u: below[u]}), _sum(r, {v: below[v]}))


def _share(r: Rewriter, x: int, y: int) -> Value | None:
    """u*rest/(u + v): rest times a share; u*v/(u + v) is half their harmonic mean."""
    parts = _parts(r, y)
    if parts is None:
        return None
    f = r.f
    power = _power_share(r, x, parts)
    if power is not None:
        return power
    for factor, others in _factors(r, x):
        if factor not in parts or r.number(factor) is not None:
            continue
        own = _sum(r, {factor: parts[factor]})
        beside = {node: c for node, c in parts.items() if node != factor}
        rest = _sum(r, beside)
        scale = r.const(1) if others is None else others
        for second, remaining in _factors(r, scale):
            if list(beside) == [second] and r.number(second) is None:
                product = f.harmonic(own, rest) / (parts[factor] * beside[second])
                return product if remaining is None else f.wrap(remaining) * product
        return f.wrap(scale) / parts[factor] * f.proportion(own, rest)
    return None


def _near(r: Rewriter, x: int, y: int) -> Value | None:
    """(u + v)/(u + w) = 1 + (v - w)/(u + w), and (v - u)/(u + w) = -(u - v)/(u + w)."""
    f = r.f
    if (r.is_op(y, _ADD) or r.is_op(y, _SUB)) and _parts(r, y) is None:
        return None
    for turned in (False, True):
        above = r.add(_NEG, (x,)) if turned else x
        apart = minus(r, above, y)
        if apart is None or r.number(apart) == 0:
            continue
        # (u - sin(u))/u vanishes, and is nowhere near 1.
        if is_like(r, r.operands(apart)[0] if r.is_op(apart, _NEG) else apart, y):
            return None
        quotient = f.quotient_near(f.wrap(above), f.wrap(y), f.wrap(apart))
        return -quotient if turned else quotient
    return None


def _power_share(r: Rewriter, x: int, parts: dict[int, Fraction]) -> Value | None:
    """c*u**n/(u**n + v**n) and c/(1 + u**n), over scalars; squares are norms."""
    if len(parts) != 2 or set(parts.values()) != {Fraction(1)} or any(r.nodes[node].type.shape for node in (x, *parts)):
        return None
    f, one = r.f, r.const(1)
    exponents = {r.operands(node)[1] for node in parts if r.is_op(node, _POW)}
    if len(exponents) != 1 or not all(r.is_op(node, _POW) or node == one for node in parts):
        return None
    (exponent,) = exponents
    number = r.number(exponent)
    if number is not None and abs(number) <= 2:
        return None
    bases = {node: f.const(1) if node == one else f.wrap(r.operands(node)[0]) for node in parts}
    for factor, others in [*_factors(r, x), (one, x)]:
        if factor in parts:
            (other,) = [base for node, base in bases.items() if node != factor]
            share = f.power_share(bases[factor], other, f.wrap(exponent))
            return share if others is None else f.wrap(others) * share
    return None


def _reciprocal_power(r: Rewriter, x: int, y: int) -> Value | None:
    """c/u**n = c*u**-n: the derivative of the quotient squares u**n, which vanishes at 1e-27 for n = 12 already.

    Not of the powers that are chains of products, which the derivative shares with the value.
    """
    number = r.number(x)
    exponent = r.number(r.operands(y)[1]) if r.is_op(y, _POW) else None
    if number is None or exponent is None or exponent <= LONGEST_CHAIN:
        return None
    return r.f.wrap(x) * r.f.pow(r.f.wrap(r.operands(y)[0]), r.f.const(-exponent))


_WIDE = (1e-200, 1e200)
_BOTH = (_WIDE, _WIDE)

RULES = (
    Rule(
        "sqrt(1 + x**2) -> hypot(x, 1)",
        "sqrt",
        _root_of_squares,
        lambda f, x, y, c: f.sqrt(x * x + 1),
        domain=_BOTH,
        before=math.inf,
        after=1,
    ),
    Rule(
        "norm of scalars -> hypot",
        "norm_root",
        _root_of_squares,
        lambda f, x, y, c: f.norm_root(x * x + y * y),
        domain=_BOTH,
        before=math.inf,
        after=1,
    ),
    Rule(
        "log(x**2 + y**2) -> 2*log(hypot(x, y))",
        "log",
        _logarithm,
        lambda f, x, y, c: f.log(x * x + y * y),
        domain=_BOTH,
        before=math.inf,
        after=2,
    ),
    Rule(
        "log1p(x**2) -> log1p_square(x)",
        "log1p",
        _logarithm_of_one_plus,
        lambda f, x, y, c: f.log1p(x * x),
        domain=_BOTH,
        before=math.inf,
        after=1,
    ),
    Rule(
        "atan(x/y) -> atan_ratio(x, y)",
        "atan",
        _angle,
        lambda f, x, y, c: f.atan(x / y),
        domain=_BOTH,
        before=math.inf,
        after=2,
    ),
    Rule(
        "x/(x + y) -> proportion(x, y), and other shares",
        "div",
        _quotient,
        lambda f, x, y, c: x / (x + y),
        domain=_BOTH,
        before=8.8e15,
        after=2,
    ),
)
