"""Divided differences: (f(u) - f(v))/(u - v), also of products and quotients, and what vanishes beside a parameter.

Chains of decays, the logarithmic mean, two rates that come together, annuities at no interest: where u is near v both
differences are small, and their slopes lose their digits twice. There the quotient is the slope of a secant
(`passes.secants`), which divides by nothing small; elsewhere it stays as written. Of a sum over axes that is divided by
what its terms vanish with, each term is divided: sum(expm1(a*x))/a had no digit of its slope at a = 1e-9.
"""

from __future__ import annotations

import math

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.ops.contraction import BROADCAST
from symbackprop.ops.leaves import INPUT
from symbackprop.ops.reduction import REDUCE_SUM
from symbackprop.passes.like_arguments import ORDERS
from symbackprop.passes.offsets import terms
from symbackprop.passes.rewrite import Rewriter, Rule
from symbackprop.passes.secants import Secants

_ADD, _SUB, _MUL, _DIV, _NEG, _POW = (REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "pow"))
_EXPM1, _POWM1 = REGISTRY["expm1"], REGISTRY["powm1"]
_SUMS = frozenset({_ADD, _SUB})
_POWERS = frozenset(REGISTRY[name] for name in ("pow1pm1", "powm1"))
_IN_A_PARAMETER = _POWERS | {REGISTRY["log_exp_sum"]}
_DIFFERENCES = _IN_A_PARAMETER | {
    *_SUMS,
    *(REGISTRY[name] for name in ("exp_difference", "difference_of_squares", "log", "log_near_one", "select")),
}
_MOST_FACTORS, _MOST_NODES = 6, 32
_AT_WORK = ("divided", 0)
_LARGE = 32
"""Whole powers below are `passes.removable`'s."""


def _divided(r: Rewriter, x: int, y: int) -> int | None:
    """The quotient of two differences among factors, with the slope of a secant beside it."""
    if r.memo.get(_AT_WORK):
        return None
    above, below = _factors(r, x, y)
    for node in above:
        if r.nodes[node].op is REDUCE_SUM and not r.nodes[y].type.shape:
            return _term_by_term(r, node, above, below)
    candidates = [
        (first, second, place)
        for place, (one, other) in enumerate(((above, below), (below, above)))
        for first in one
        for second in other
        if r.nodes[first].op in _DIFFERENCES and _may_be(r, first, second)
    ] + [
        (first, second, place)
        for place, (one, other) in enumerate(((above, below), (below, above)))
        for first in one
        if r.nodes[first].op in (_EXPM1, _POWM1)
        for second in other
        if r.nodes[second].op in _SUMS or _are_powers_of_one(r, first, second)
    ]
    for first, second, place in candidates:
        r.memo[_AT_WORK] = True
        try:
            found = _quotient(r, first, second, place)
        finally:
            r.memo[_AT_WORK] = False
        if found is None:
            continue
        slope, conditions = found
        f = r.f
        (above, below)[place].remove(first)
        (below, above)[place].remove(second)
        factor = math.prod(map(f.wrap, above), start=slope)
        for node in below:
            factor = factor / f.wrap(node)
        if not conditions:
            return factor.index
        is_near = conditions[0]
        for condition in conditions[1:]:
            is_near = f.logical_and(is_near, condition)
        # The quotient itself sees nothing that is near: neither 0/0, nor this rule once more.
        far = r.plain(_DIV, (x, f.select(is_near, 1, f.wrap(y)).index))
        return f.select(is_near, factor, f.wrap(far)).index
    return None


def _term_by_term(r: Rewriter, x: int, above: list[int], below: list[int]) -> int | None:
    """sum(g(a*u)*v)/a as sum(g(a*u)*v/a), where g vanishes, and so for differences that vanish with a divisor."""
    (inner,) = r.operands(x)
    y = math.prod(map(r.f.wrap, below), start=r.f.const(1)).index
    factors, _ = _factors(r, inner, r.const(1))
    vanishing = any(_vanishes(r, first, second) for first in factors for second in below)
    divided = r.add(_DIV, (inner, y)) if vanishing else _divided(r, inner, y)
    if divided is None:
        return None
    total = r.f.wrap(r.reduce_sum(r.broadcast(divided, r.nodes[inner].type.shape), r.nodes[x].attributes))
    return math.prod((r.f.wrap(node) for node in above if node != x), start=total).index


def _vanishes(r: Rewriter, index: int, divisor: int) -> bool:
    """Whether this is a function that vanishes like its argument, or its square, which the divisor is a factor of."""
    node = r.nodes[index]
    if ORDERS.get(node.op, 0) < 1:
        return False
    stack = [node.operands[0]]
    for _ in range(2 * _MOST_FACTORS):
        if not stack:
            break
        argument = stack.pop()
        if argument == divisor:
            return True
        op, operands = r.nodes[argument].op, r.operands(argument)
        if op is _MUL or op is _NEG or op is BROADCAST:
            stack += operands
        elif op is _DIV:
            stack.append(operands[0])
    return False


def _quotient(r: Rewriter, first: int, second: int, place: int) -> tuple[Value, list[Value]] | None:
    secants = Secants(r, second)
    slope = secants.of(first)
    if not slope or not isinstance(slope, Value):
        return _by_a_third(r, first, second, place)
    return (1 / slope if place else slope), secants.near.conditions


def _by_a_third(r: Rewriter, first: int, second: int, place: int) -> tuple[Value, list[Value]] | None:
    """Of two that vanish with a difference in one's exponent, (1 - exp(-n*(1 - c)))/(1 - c*exp(-n*(1 - c))), and of two
    powers of one base, (1 - x**n)/(1 - x**m).
    """
    for d in _thirds(r, first, second):
        secants = Secants(r, d)
        slope = secants.of(first)
        other = secants.of(second) if slope and isinstance(slope, Value) else None
        if other and isinstance(other, Value):
            return (other / slope if place else slope / other), secants.near.conditions
    return None


def _thirds(r: Rewriter, first: int, second: int) -> list[int]:
    """The sums that are factors of what expm1 is taken of, and what the base of two powers is away from 1."""
    if _are_powers_of_one(r, first, second):
        return [r.add(_SUB, (r.operands(first)[0], r.const(1)))]
    if r.nodes[first].op is not _EXPM1 or r.nodes[second].op not in _SUMS:
        return []
    factors = [factor for side in _factors(r, r.operands(first)[0], r.const(1)) for factor in side]
    return [factor for factor in factors if r.nodes[factor].op in _SUMS]


def _are_powers_of_one(r: Rewriter, first: int, second: int) -> bool:
    """Whether these are u**n - 1 and u**m - 1."""
    return r.nodes[first].op is r.nodes[second].op is _POWM1 and r.operands(first)[0] == r.operands(second)[0]


def _may_be(r: Rewriter, first: int, second: int) -> bool:
    """Whether one may vanish with the other, and they are no matter of one variable alone: these get a series."""
    op, operands, *_ = r.nodes[first]
    if op in _POWERS and (number := r.number(operands[1])) is not None:
        return abs(number) > _LARGE
    if r.nodes[second].op not in _SUMS:
        return op in _IN_A_PARAMETER
    found = terms(r, second)
    # A sum of numbers alone, which is not folded yet, has no other terms.
    return found is not None and any(len(found[1]) > 1 or not _is_of(r, first, node) for node in found[1])


def _is_of(r: Rewriter, index: int, u: int) -> bool:
    """Whether a node is a function of another and of numbers."""
    seen, stack = {index}, [index]
    while stack:
        node = r.nodes[stack.pop()]
        if node.op is INPUT or len(seen) > _MOST_NODES:
            return False
        new = {operand for operand in node.operands if operand != u} - seen
        seen |= new
        stack += new
    return True


def _factors(r: Rewriter, x: int, y: int) -> tuple[list[int], list[int]]:
    """The factors of a quotient, above and below: an annuity's r/(1 - 1/(1 + r)**n) has (1 + r)**n above."""
    sides: tuple[list[int], list[int]] = ([], [])
    stack = [(y, 1), (x, 0)]
    while stack:
        node, side = stack.pop()
        few = sum(map(len, sides)) + len(stack) < _MOST_FACTORS
        if few and (r.is_op(node, _MUL) or r.is_op(node, _DIV)):
            first, second = r.operands(node)
            stack += [(second, 1 - side if r.is_op(node, _DIV) else side), (first, side)]
        elif r.is_op(node, _NEG):
            stack += [(r.const(-1), side), (r.operands(node)[0], side)]
        elif few and r.is_op(node, _POW) and r.number(r.operands(node)[1]) == 2:
            stack += [(r.operands(node)[0], side)] * 2
        else:
            sides[side].append(node)
    return sides


RULES = (
    Rule(
        "(x - y)/log(x/y) -> y*d/log1p(d) with d = (x - y)/y, and other differences over one in them, by their series",
        "div",
        _divided,
        lambda f, x, y, c: (x - y) / f.log(x / y),
        domain=((1.0, 1.0001), (0.9, 1.0)),
        before=1e4,
        after=20,
    ),
)
