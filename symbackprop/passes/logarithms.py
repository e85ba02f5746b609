"""Logarithms of products, powers and tails, factor by factor where a factor may overflow or vanish.

log(exp(u)*a/b) is u + log(a/b); log(erfc(u)), log(gamma(u)) and log(cosh(u)) are rows of their own. Plain factors stay
together in one logarithm, which costs one call and keeps the sign of their product.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import CONST
from symbackprop.ops.reduction import REDUCE_PROD
from symbackprop.passes.exponential_sums import logarithm_of_sum, sum_of_exponentials
from symbackprop.passes.factors import all_factors
from symbackprop.passes.log_products import split, where
from symbackprop.passes.offsets import built, terms
from symbackprop.passes.rewrite import Rewriter, Rule
from symbackprop.passes.stable_sums import logarithm_of_positive
from symbackprop.passes.weighted_terms import is_nonnegative

_ADD, _MUL, _DIV, _NEG, _POW, _SQRT = (REGISTRY[name] for name in ("add", "mul", "div", "neg", "pow", "sqrt"))
_LOG, _SELECT, _SCALED_ERFC, _ONE_MINUS_SQUARE, _CSCH = (
    REGISTRY[name] for name in ("log", "select", "scaled_erfc", "one_minus_square", "csch")
)
_EXP, _EXPM1, _ERFC, _SINH = (REGISTRY[name] for name in ("exp", "expm1", "erfc", "sinh"))
_BESSELI, _BESSELK, _BETA, _ERF, _POW1P = (REGISTRY[name] for name in ("besseli", "besselk", "beta", "erf", "pow1p"))
_MOST_FACTORS = 16

_POSITIVE: dict[object, Callable[[Value], Value]] = {
    REGISTRY["exp"]: lambda u: u,
    REGISTRY["exp2"]: lambda u: u * u.f.log(u.f.const(2)),
    REGISTRY["logistic"]: lambda u: -u.f.softplus(-u),
    REGISTRY["logistic_slope"]: lambda u: -u.f.softplus(u) - u.f.softplus(-u),
    REGISTRY["cosh"]: lambda u: u.f.log_cosh(u),
    REGISTRY["sech"]: lambda u: -u.f.log_cosh(u),
    REGISTRY["double_exponential"]: lambda u: -u.f.exp(u),
    REGISTRY["double_exponential_slope"]: lambda u: u - u.f.exp(u),
    REGISTRY["cloglog_inverse"]: lambda u: u.f.log_cloglog_inverse(u),
    REGISTRY["erfc"]: lambda u: u.f.log_erfc(u),
}
"""The logarithms of rows that are positive everywhere."""
_SIGNED: dict[object, Callable[[Value], Value]] = {
    REGISTRY["sinh"]: lambda u: u.f.log_sinh(u),
    REGISTRY["expm1"]: lambda u: u.f.log_expm1(u),
    REGISTRY["reciprocal_expm1"]: lambda u: -u.f.log_expm1(u),
    REGISTRY["tanh"]: lambda u: u.f.log1mexp(2 * u) - u.f.softplus(-2 * u),
    REGISTRY["gamma"]: lambda u: u.f.log_of_gamma(u),
    REGISTRY["gamma_near"]: lambda u: u.f.log_of_gamma(u),
    REGISTRY["csc"]: lambda u: -u.f.log(u.f.sin(u)),
}
"""The logarithms of rows that are nan where the row is negative: at most one of them, beside what is positive."""


def logarithm(r: Rewriter, index: int) -> int | None:
    """The logarithm of a product, by its factors; None where nothing is gained."""
    factors = factors_of(r, index)
    if factors is None:
        return None
    beside = _of_sine_and_argument(r, factors)
    if beside is not None:
        return beside.index
    number, rest, total = Fraction(1), [], None
    half = _half_erfc(r, factors)
    if half is not None:
        position, total = half
        number, factors = Fraction(2), factors[:position] + factors[position + 1 :]
    for node, power in factors:
        value = r.number(node)
        known = None if value is not None else logarithm_of_positive_row(r, node)
        if value:
            number *= value**power
        elif known is None:
            rest.append((node, power))
        else:
            total = _plus(total, known, power)
    if number < 0:
        rest, number = _turned(r, rest), -number
    if len(rest) == 1:
        node, power = rest[0]
        known = _signed(r, node)
        if known is not None:
            total, rest = _plus(total, known, power), []
    apart = split(r, rest, _joined(r, Fraction(1), rest)) if number > 0 else None
    if apart is not None:
        total, rest = apart if total is None else total + apart, []
    if total is None:
        return _of_plain_factors(r, index, rest, number)
    if rest and all(power < 0 for _, power in rest):
        # Apart from its number: 1/u would be differentiated as a quotient, and u squared.
        total = total - r.f.log(_joined(r, Fraction(1), [(node, 1) for node, _ in rest]))
        rest = []
    return (total + r.f.log(_joined(r, number, rest)) if rest or number != 1 else total).index


def _half_erfc(r: Rewriter, factors: list[tuple[int, int]]) -> tuple[int, Value] | None:
    """The place of an erfc(u) in a product with 1/2, and log(erfc(u)/2): that product may be near 1, erfc(u) is not."""
    numbers = [(r.number(node) or Fraction(1)) ** power for node, power in factors if r.number(node) != 0]
    if math.prod(numbers) != Fraction(1, 2):
        return None
    for position, (node, power) in enumerate(factors):
        if power == 1 and r.nodes[node].op is _ERFC:
            return position, r.f.log_half_erfc(r.f.wrap(r.operands(node)[0]))
    return None


def _of_sine_and_argument(r: Rewriter, factors: list[tuple[int, int]]) -> Value | None:
    """log(c*sinh(u)/u) and log(c*u/sinh(u)), of directions on a sphere: sinh(u) overflows; near 0 both are near 1."""
    f = r.f
    others = [(node, power) for node, power in factors if not r.is_op(node, CONST)]
    numbers = [(node, power) for node, power in factors if r.is_op(node, CONST)]
    for function, power in others:
        op = r.nodes[function].op
        if op not in (_SINH, _CSCH):
            continue
        (argument,) = r.operands(function)
        sign = power if op is _SINH else -power
        inner = all_factors(r, argument)
        scale = [node for node in inner if r.is_op(node, CONST)]
        rest = sorted((node, -sign) for node in inner if node not in scale)
        positive = all(_is_positive_number(r, node) for node in (*scale, *(node for node, _ in numbers)))
        if positive and rest == sorted(other for other in others if other != (function, power)):
            total = f.log_sinhc(f.wrap(argument)) if sign > 0 else -f.log_sinhc(f.wrap(argument))
            for node, exponent in (*numbers, *((node, sign) for node in scale)):
                total = _plus(total, f.log(f.wrap(node)), exponent)
            return total
    return None


def _is_positive_number(r: Rewriter, index: int) -> bool:
    return r.nodes[index].attributes == "pi" or (r.number(index) or 0) > 0


def _plus(total: Value | None, term: Value, power: int) -> Value:
    if total is None:
        return term if power > 0 else -term
    return total + term if power > 0 else total - term


def factors_of(r: Rewriter, index: int) -> list[tuple[int, int]] | None:
    """The factors with the powers 1 and -1; None for a long product."""
    found: list[tuple[int, int]] = []
    stack = [(index, 1)]
    for _ in range(2 * _MOST_FACTORS):
        if not stack:
            return _gathered(r, found)
        node, power = stack.pop()
        op, operands = r.nodes[node].op, r.operands(node)
        if op is _MUL:
            stack += [(operands[1], power), (operands[0], power)]
        elif op is _DIV:
            stack += [(operands[1], -power), (operands[0], power)]
        elif op is _NEG:
            stack += [(operands[0], power), (r.const(-1), 1)]
        else:
            found.append((node, power))
    return None


def _gathered(r: Rewriter, factors: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Powers of one base as one factor: p*q*(p**49*q**49) is what is left of p**50*q**50 beside p*q."""
    groups: dict[int, list[tuple[int, int]]] = {}
    for node, power in factors:
        exponent = r.number(r.operands(node)[1]) if r.is_op(node, _POW) else None
        # A root of a negative number is nan, whatever it is multiplied by.
        is_power = exponent is not None and exponent.denominator == 1
        groups.setdefault(r.operands(node)[0] if is_power else node, []).append((node, power))
    found: list[tuple[int, int]] = []
    for base, group in groups.items():
        if len(group) == 1 or r.number(base) is not None:
            found += group
            continue
        exponents = [
            (Fraction(1) if node == base else r.number(r.operands(node)[1])) or Fraction(0) for node, _ in group
        ]
        total = sum((e * power for e, (_, power) in zip(exponents, group, strict=True)), Fraction(0))
        found.append((r.f.pow(r.f.wrap(base), r.f.const(total)).index, 1))
    return found


def _turned(r: Rewriter, rest: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The factors with the sign of one turned: expm1(u) where there is one, whose negative has a logarithm as well."""
    f = r.f
    for position, (node, power) in enumerate(rest):
        if r.is_op(node, _EXPM1):
            return [*rest[:position], (r.plain(_NEG, (node,)), power), *rest[position + 1 :]]
    return [(f.const(-1).index, 1), *rest]


def _joined(r: Rewriter, number: Fraction, rest: list[tuple[int, int]]) -> Value:
    above, below = [r.f.wrap(n) for n, power in rest if power > 0], [r.f.wrap(n) for n, power in rest if power < 0]
    total = r.f.const(number)
    for value in above:
        total = total * value
    return total / math.prod(below[1:], start=below[0]) if below else total


def _of_plain_factors(r: Rewriter, index: int, rest: list[tuple[int, int]], number: Fraction) -> int | None:
    """log(a*b*c) over scalars: two of the factors may overflow where all of them do not."""
    if len(rest) < 3 or r.nodes[index].type.shape or any(power < 0 for _, power in rest):
        return None
    (a, _), (b, _), *others = rest
    return r.f.log_product(r.f.wrap(a), r.f.wrap(b), _joined(r, number, others)).index


def logarithm_of_positive_row(r: Rewriter, index: int) -> Value | None:
    """The logarithm of what is positive wherever it is a number, if it has one of its own."""
    f, node = r.f, r.nodes[index]
    if node.op is _BESSELK or (node.op is _BESSELI and (r.number(node.operands[0]) or Fraction(0)) % 2 == 0):
        return _of_order(r, index)
    if node.op in _POSITIVE:
        return _POSITIVE[node.op](f.wrap(node.operands[0]))
    if node.op is _SELECT and any(r.nodes[o].op is _SCALED_ERFC for o in r.operands(node.operands[1])):
        # A tail as `passes.scaled_tails` has it, each side of which is a product.
        condition, *arms = node.operands
        right, left = (f.wrap(r.add(_LOG, (arm,))) for arm in arms)
        return f.select(f.wrap(condition), right, left)
    summed = logarithm_of_positive(r, index)
    if summed is not None:
        return f.wrap(summed)
    if node.op is REDUCE_PROD and is_nonnegative(r, node.operands[0]):
        return _sum_of_logarithms(r, index, node.operands[0])
    if node.op is _POW:
        exponent = r.number(node.operands[1])
        inner = logarithm_of_positive_row(r, node.operands[0])
        if inner is not None:
            return f.wrap(node.operands[1]) * inner
        if exponent is not None and exponent.denominator == 1 and exponent % 2 == 0:
            return f.const(exponent) * f.log(f.abs(f.wrap(node.operands[0])))
        return None
    if node.op is _SQRT:
        inner = logarithm_of_positive_row(r, node.operands[0])
        return None if inner is None else inner / 2
    if node.op is _ADD:
        parts = sum_of_exponentials(r, index)
        if parts is not None and all(term.number is not None and term.number > 0 for term in parts):
            return logarithm_of_sum(r, parts)
    return None


def _signed(r: Rewriter, index: int) -> Value | None:
    """The logarithm of what may be negative, nan there."""
    f, node = r.f, r.nodes[index]
    if node.op is _BESSELI:
        return _of_order(r, index)
    if node.op is _NEG and r.is_op(node.operands[0], _EXPM1):
        return f.log1mexp(-f.wrap(r.operands(node.operands[0])[0]))
    if node.op in _SIGNED:
        return _SIGNED[node.op](f.wrap(node.operands[0]))
    if node.op is _BETA or node.op is _POW1P:
        a, b = map(f.wrap, node.operands)
        positive = f.gt(a, -1) if node.op is _POW1P else f.logical_and(f.gt(a, 0), f.gt(b, 0))
        found = b * f.log1p(a) if node.op is _POW1P else f.log_beta(a, b)
        return where(r, positive, found, f.wrap(index))
    if node.op is _POW and not node.type.shape:
        base, exponent = (f.wrap(operand) for operand in node.operands)
        number = r.number(exponent.index)
        if number is None:
            return f.log_power(base, exponent)
        return exponent * f.log(base) if number.denominator % 2 == 0 or number % 2 == 1 else None
    if node.op is _SQRT:
        inner = _signed(r, node.operands[0])
        return None if inner is None else inner / 2
    parts = sum_of_exponentials(r, index)
    return None if parts is None else logarithm_of_sum(r, parts)


def _of_order(r: Rewriter, index: int) -> Value:
    row = REGISTRY["log_besselk" if r.is_op(index, _BESSELK) else "log_besseli"]
    return r.f.apply(row, *map(r.f.wrap, r.operands(index)))


def _sum_of_logarithms(r: Rewriter, product: int, factors: int) -> Value:
    return r.f.reduce_sum(r.f.log(r.f.wrap(factors)), r.nodes[product].attributes)


def _of_one_plus(r: Rewriter, x: int) -> int | None:
    """log1p of an exponential, or of a sum with one, of sinh(u)**2, and of erf(u), which may be -1."""
    if r.is_op(x, _ERF):
        return r.f.log(r.f.erfc(-r.f.wrap(r.operands(x)[0]))).index
    if r.is_op(x, _NEG) and r.is_op(r.operands(x)[0], _ONE_MINUS_SQUARE):
        return r.f.log(r.f.pow(r.f.wrap(r.operands(r.operands(x)[0])[0]), 2)).index
    found = terms(r, x)
    if found is not None and found[0] == -1 and found[1]:
        # log1p(u - 1) is log(u), whose u has not been rounded beside 1.
        return r.f.log(r.f.wrap(built(r, Fraction(0), found[1]))).index
    base = r.operands(x)[0] if r.is_op(x, _POW) and r.number(r.operands(x)[1]) == 2 else None
    if base is not None and r.is_op(base, _SINH):
        return (2 * r.f.log_cosh(r.f.wrap(r.operands(base)[0]))).index
    parts = sum_of_exponentials(r, x, 1)
    total = None if parts is None else logarithm_of_sum(r, parts)
    return None if total is None else total.index


_TAILS, _POSITIVES = (-1000.0, 1000.0), (1e-6, 1e6)

RULES = (
    Rule(
        "log(exp(x)*y) -> x + log(y), and logarithms of other products",
        "log",
        logarithm,
        lambda f, x, y, c: f.log(f.exp(x) * y),
        domain=(_TAILS, _POSITIVES),
        before=10,
        after=1,
    ),
    Rule(
        "log1p(x - 1) -> log(x)",
        "log1p",
        _of_one_plus,
        lambda f, x, y, c: f.log1p(x - 1),
        domain=((1e-9, 30.0),),
        before=1e8,
        after=1,
    ),
    Rule(
        "log1p(y*exp(x)) -> log(1*exp(0) + y*exp(x))",
        "log1p",
        _of_one_plus,
        lambda f, x, y, c: f.log1p(y * f.exp(x)),
        domain=(_TAILS, _POSITIVES),
        before=math.inf,
        after=2,
    ),
)
