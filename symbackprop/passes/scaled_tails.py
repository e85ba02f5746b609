"""exp(u)*erfc(v) whose exponents cancel when all is multiplied out: exp(h**2*t)*erfc(h*sqrt(t)), modified Gaussians.

erfc(v) is exp(-v**2) times a function without a tail, so that the product is exp(u - v**2) times that where v > 0. It
was inf*0 from v = 27 on, in exp(a**2 + 2*a*b)*erfc(a + b) from a = 27 on.
"""

from __future__ import annotations

import math
from fractions import Fraction

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.exponential_sums import is_scalar
from symbackprop.passes.factors import all_factors
from symbackprop.passes.offsets import terms
from symbackprop.passes.powers import number_and_powers
from symbackprop.passes.rewrite import Rewriter, Rule

_ADD, _SUB, _MUL, _SQRT, _EXP, _ERFC = (REGISTRY[name] for name in ("add", "sub", "mul", "sqrt", "exp", "erfc"))
_SUMS = frozenset({_ADD, _SUB})
_MOST_TERMS, _DEEPEST = 16, 3
# A coefficient like 1/sqrt(2) has 40 digits.
_ROUNDING = Fraction(1, 10**30)
_NONE, _ONE = Fraction(0), Fraction(1)
_Monomial = frozenset[tuple[int, Fraction]]
_Polynomial = dict[_Monomial, Fraction]
"""Products of powers, which may be halves, with their coefficients."""


def _product(r: Rewriter, x: int, y: int) -> int | None:
    for tail, other in ((x, y), (y, x)):
        if r.is_op(tail, _ERFC):
            for factor in all_factors(r, other):
                found = _joined(r, factor, tail) if r.is_op(factor, _EXP) else None
                if found is not None:
                    return _beside(r, other, factor, found)
        elif r.is_op(tail, _EXP):
            for factor in all_factors(r, other):
                found = _joined(r, tail, factor) if r.is_op(factor, _ERFC) else None
                if found is not None:
                    return _beside(r, other, factor, found)
    return None


def _beside(r: Rewriter, product: int, factor: int, found: Value) -> int:
    others = all_factors(r, product)
    others.remove(factor)
    return math.prod(map(r.f.wrap, others), start=found).index


def _joined(r: Rewriter, exponential: int, tail: int) -> Value | None:
    """exp(u)*erfc(v), where terms of u and v**2 are the same."""
    f, (u,), (v,) = r.f, r.operands(exponential), r.operands(tail)
    above, root = _multiplied_out(r, u), _multiplied_out(r, v)
    square = None if root is None else _times(root, root)
    if above is None or square is None or not is_scalar(r, u, v) or not any(monomial in square for monomial in above):
        return None
    rest = _less(above, square)
    if len(rest) > len(above) + len(square) - 2:
        return None
    at = f.wrap(v)
    if not rest:
        return f.scaled_erfc(at)
    right = f.gt(at, 0)
    # Each arm sees its own side alone.
    near = f.exp(_built(r, rest)) * f.scaled_erfc(f.select(right, at, 1))
    direct = f.wrap(r.plain(_MUL, (exponential, f.erfc(f.select(right, 0, at)).index)))
    return f.select(right, near, direct)


def _multiplied_out(r: Rewriter, index: int, depth: int = 0) -> _Polynomial | None:
    found = terms(r, index)
    if found is None or depth > _DEEPEST:
        return None
    total: _Polynomial = {frozenset(): found[0]} if found[0] else {}
    for node, factor in found[1].items():
        number, powers = number_and_powers(r.nodes, node)
        product: _Polynomial | None = {frozenset(): number * factor}
        for base, power in powers.items():
            own: _Polynomial | None = {frozenset({(base, Fraction(power))}): _ONE}
            if r.is_op(base, _SQRT):
                inner, under = number_and_powers(r.nodes, r.operands(base)[0])
                if inner == 1:
                    own = {frozenset((node, Fraction(power * each, 2)) for node, each in under.items()): _ONE}
            elif r.nodes[base].op in _SUMS and 0 < power <= 2:
                own = _multiplied_out(r, base, depth + 1)
                own = own if own is None or power == 1 else _times(own, own)
            product = None if product is None or own is None else _times(product, own)
        if product is None:
            return None
        for monomial, coefficient in product.items():
            total[monomial] = total.get(monomial, _NONE) + coefficient
    return total if len(total) <= _MOST_TERMS else None


def _times(one: _Polynomial, other: _Polynomial) -> _Polynomial | None:
    total: _Polynomial = {}
    for first, a in one.items():
        for second, b in other.items():
            powers = dict(first)
            for base, power in second:
                powers[base] = powers.get(base, _NONE) + power
            monomial = frozenset((base, power) for base, power in powers.items() if power)
            total[monomial] = total.get(monomial, _NONE) + a * b
    return total if len(total) <= _MOST_TERMS else None


def _less(one: _Polynomial, other: _Polynomial) -> _Polynomial:
    rest = {monomial: one.get(monomial, _NONE) - other.get(monomial, _NONE) for monomial in {**one, **other}}
    return {m: c for m, c in rest.items() if abs(c) > _ROUNDING * (abs(one.get(m, _NONE)) + abs(other.get(m, _NONE)))}


def _built(r: Rewriter, polynomial: _Polynomial) -> Value:
    f, square = r.f, _as_square(polynomial)
    if square is not None:
        first, second, sign, scale = square
        root = _of(r, first) + _of(r, second) if sign > 0 else _of(r, first) - _of(r, second)
        return scale.limit_denominator(10**12) * (root * root)
    total = f.const(0)
    for monomial, coefficient in polynomial.items():
        total = total + coefficient.limit_denominator(10**12) * _of(r, monomial)
    return total


def _as_square(polynomial: _Polynomial) -> tuple[_Monomial, _Monomial, int, Fraction] | None:
    """c*(p + q)**2 or c*(p - q)**2: p, q, the sign and c."""
    if len(polynomial) != 3:
        return None
    for mixed, b in polynomial.items():
        (first, a), (second, c) = [part for part in polynomial.items() if part[0] != mixed]
        p, q = (frozenset((base, power / 2) for base, power in each) for each in (first, second))
        whole = all(power.denominator == 1 for _, power in p | q)
        if whole and abs(a - c) <= _ROUNDING * abs(a) and next(iter(_times({p: _ONE}, {q: _ONE}) or {})) == mixed:
            for sign in (1, -1):
                if abs(b - 2 * sign * a) <= _ROUNDING * abs(a):
                    return p, q, sign, a
    return None


def _of(r: Rewriter, monomial: _Monomial) -> Value:
    f, above, below = r.f, r.f.const(1), r.f.const(1)
    for base, power in sorted(monomial):
        value = f.wrap(base)
        size = abs(power)
        own = value if size == 1 else f.sqrt(value) if size == Fraction(1, 2) else f.pow(value, f.const(size))
        above, below = (above * own, below) if power > 0 else (above, below * own)
    return above / below


RULES = (
    Rule(
        "exp(x*x + 2*x*y)*erfc(x + y) -> exp(-y*y)*scaled_erfc(x + y) where x + y > 0, and likewise",
        "mul",
        _product,
        lambda f, x, y, c: f.exp(x * x + 2 * (x * y)) * f.erfc(x + y),
        needs=("erfc",),
        among=("erfc", "exp"),
        domain=((0.1, 300.0), (0.1, 3.0)),
        before=math.inf,
        after=12,
    ),
)
