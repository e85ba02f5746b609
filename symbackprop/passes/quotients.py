"""Shares in sums, x/(x + y) and x**n/(x**n + y**n), and quotients of what is nearly equal.

The derivative of a share as the quotient rule has it, 1/(x + y) - x/(x + y)**2, has no digits of a small y; the row's
own, y/(x + y)**2, has.
"""

from __future__ import annotations

import math
from fractions import Fraction

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.asymptotes import RULES as ASYMPTOTE_RULES
from symbackprop.passes.differences import beside_square
from symbackprop.passes.factors import all_factors, factors_and_others
from symbackprop.passes.norms import BOTH, norm_over, over_norm, over_squares
from symbackprop.passes.norms import RULES as NORM_RULES
from symbackprop.passes.offsets import built, is_like, minus, terms
from symbackprop.passes.radial import radial
from symbackprop.passes.rewrite import Rewriter, Rule
from symbackprop.passes.strength import LONGEST_CHAIN

_ADD, _SUB, _MUL, _DIV, _NEG, _POW, _SQRT = (
    REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "pow", "sqrt")
)
_SUMS = frozenset({_ADD, _SUB})


def _quotient(r: Rewriter, x: int, y: int) -> int | None:
    if r.number(y) is not None:
        return None
    near = radial(r, x, y)
    if near is not None and near.is_near is None:
        return near.value.index
    found = _in_a_form(r, x, y)
    if near is None or near.is_near is None:
        return found
    far = r.f.wrap(r.plain(_DIV, (x, y)) if found is None else found)
    return r.f.select(near.is_near, near.value, far).index


def _in_a_form(r: Rewriter, x: int, y: int) -> int | None:
    for form in (
        over_squares,
        _reciprocals,
        _contrast,
        _share,
        _parallel,
        _near,
        norm_over,
        _like_powers,
        _reciprocal_power,
        _over_root,
    ):
        if (found := form(r, x, y)) is not None:
            return found.index
    return over_norm(r, x, y)


def _parts(r: Rewriter, index: int) -> dict[int, Fraction] | None:
    """The terms of a sum of two at least, or of a number times one, a constant as the node 1 with a coefficient."""
    if not (r.is_op(index, _ADD) or r.is_op(index, _SUB)) and not _is_multiple_of_sum(r, index):
        return None
    found = terms(r, index)
    if found is None:
        return None
    parts = dict(found[1])
    if found[0]:
        parts[r.const(1)] = found[0]
    # A difference may be 0 where the numerator is: that is for `removable`, and for the points of an Eq.
    return parts if len(parts) > 1 and len({factor > 0 for factor in parts.values()}) == 1 else None


def _is_multiple_of_sum(r: Rewriter, index: int) -> bool:
    """2*(y/2 + z), as SymPy has it under y."""
    operands = r.operands(index) if r.is_op(index, _MUL) else ()
    return any(r.number(o) is not None for o in operands) and any(r.nodes[o].op in _SUMS for o in operands)


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
    for factor, others in factors_and_others(r, x):
        if factor not in parts or r.number(factor) is not None:
            continue
        own = _sum(r, {factor: parts[factor]})
        beside = {node: c for node, c in parts.items() if node != factor}
        rest = _sum(r, beside)
        scale = r.const(1) if others is None else others
        for second, remaining in factors_and_others(r, scale):
            if list(beside) == [second] and r.number(second) is None:
                product = f.harmonic(own, rest) / (parts[factor] * beside[second])
                return product if remaining is None else f.wrap(remaining) * product
        return f.wrap(scale) / parts[factor] * f.proportion(own, rest)
    return None


def _parallel(r: Rewriter, x: int, y: int) -> Value | None:
    """u*v*w/(u*v + v*w + w*u) = 1/(1/u + 1/v + 1/w): products of three are none beyond 1e103."""
    parts = _parts(r, y)
    if parts is None or len(parts) < 3 or any(r.number(node) is not None for node in parts):
        return None
    total: Value | None = None
    for node, factor in parts.items():
        rest = all_factors(r, x)
        for own in all_factors(r, node):
            if own not in rest:
                return None
            rest.remove(own)
        if not rest:
            return None
        part = math.prod(map(r.f.wrap, rest[1:]), start=r.f.wrap(rest[0])) / factor
        total = part if total is None else r.f.harmonic(total, part)
    return total


def _over_root(r: Rewriter, x: int, y: int) -> Value | None:
    """u/sqrt(u**2 + w) = sign(u)/sqrt(1 + w/u**2) where w is small beside u**2: of the slope 1/s - u**2/s**3 little is
    left there.
    """
    for factor, others in factors_and_others(r, x) if r.is_op(y, _SQRT) else ():
        rest = beside_square(r, y, factor) if r.number(factor) is None else None
        if rest is None:
            continue
        f, u = r.f, r.f.wrap(factor)
        share = f.wrap(rest) / u / u
        is_near = f.lt(f.abs(share), Fraction(1, 4))
        # Elsewhere the quotient sees nothing that is near, nor does this rule see it once more.
        far = r.plain(_DIV, (factor, f.select(is_near, 1, f.wrap(y)).index))
        found = f.select(is_near, f.select(f.lt(u, 0), -1, 1) / f.sqrt(1 + share), f.wrap(far))
        return found if others is None else f.wrap(others) * found
    return None


def _near(r: Rewriter, x: int, y: int) -> Value | None:
    """(u + v)/(u + w) = 1 + (v - w)/(u + w), and (v - u)/(u + w) = -(u - v)/(u + w), among other factors."""
    f, above, below = r.f, all_factors(r, x), all_factors(r, y)
    for divisor in below:
        for factor in above:
            # Among factors, a sum over one of its terms: y/((x + y)*x) is for the rules of shares.
            alone = len(below) == 1 and (len(above) == 1 or r.nodes[factor].op in _SUMS)
            if not alone and (r.nodes[factor].op not in _SUMS or r.nodes[divisor].op in _SUMS):
                continue
            if (quotient := _one_near(r, factor, divisor)) is None:
                continue
            above.remove(factor)
            below.remove(divisor)
            rest = math.prod(map(f.wrap, above), start=quotient)
            return rest / math.prod(map(f.wrap, below[1:]), start=f.wrap(below[0])) if below else rest
    return None


def _one_near(r: Rewriter, x: int, y: int) -> Value | None:
    f = r.f
    if r.number(y) is not None or (r.nodes[y].op in _SUMS and _parts(r, y) is None):
        return None
    for turned in (False, True):
        above = r.add(_NEG, (x,)) if turned else x
        apart = minus(r, above, y)
        if apart is None or r.number(apart) == 0:
            continue
        # (u - sin(u))/u and (sin(u) - u)/sin(u) vanish, and are nowhere near 1.
        inner = r.operands(apart)[0] if r.is_op(apart, _NEG) else apart
        if is_like(r, inner, y) or is_like(r, y, inner):
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
    for factor, others in [*factors_and_others(r, x), (one, x)]:
        own, beyond = factor, Fraction(0)
        if number is not None and r.is_op(factor, _POW) and factor not in parts:
            # u**(n + m)/(u**n + v**n) is u**m times a share: u**(n + m) may be no number.
            base, power = r.operands(factor)
            beyond = (r.number(power) or Fraction(0)) - number
            own = next((node for node, root in bases.items() if root.index == base and beyond > 0), factor)
        if own in parts:
            (other,) = [base for node, base in bases.items() if node != own]
            share = f.power_share(bases[own], other, f.wrap(exponent))
            share = f.pow(bases[own], f.const(beyond)) * share if beyond > 0 else share
            return share if others is None else f.wrap(others) * share
    return None


def _like_powers(r: Rewriter, x: int, y: int) -> Value | None:
    """u**n*w/v**n = (u/v)**n*w, where u/v has a form of its own: the slope of (z - x)**2/z**2 is a difference else."""
    exponent = r.operands(y)[1] if r.is_op(y, _POW) else None
    number = None if exponent is None else r.number(exponent)
    if exponent is None or number is None or number.denominator != 1:
        return None
    for factor, others in factors_and_others(r, x):
        if r.is_op(factor, _POW) and r.operands(factor)[1] == exponent:
            above, below = r.operands(factor)[0], r.operands(y)[0]
            quotient = r.add(_DIV, (above, below))
            if r.is_op(quotient, _DIV) and r.operands(quotient) == (above, below):
                continue
            power = r.f.pow(r.f.wrap(quotient), r.f.wrap(exponent))
            return power if others is None else r.f.wrap(others) * power
    return None


def _reciprocal_power(r: Rewriter, x: int, y: int) -> Value | None:
    """c/u**n = c*u**-n: the derivative of the quotient squares u**n, which vanishes at 1e-27 for n = 12 already.

    Not of the powers that are chains of products, which the derivative shares with the value.
    """
    exponent = r.number(r.operands(y)[1]) if r.is_op(y, _POW) else None
    if r.number(x) is None or exponent is None or exponent <= LONGEST_CHAIN:
        return None
    return r.f.wrap(x) * r.f.pow(r.f.wrap(r.operands(y)[0]), r.f.const(-exponent))


RULES = (
    *NORM_RULES,
    Rule(
        "x/(x + y) -> proportion(x, y), and other shares",
        "div",
        _quotient,
        lambda f, x, y, c: x / (x + y),
        domain=BOTH,
        before=8.8e15,
        after=2,
    ),
    *ASYMPTOTE_RULES,
)
