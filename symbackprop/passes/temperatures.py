"""Logarithms of sums of exponentials over a factor of the exponents: t*log(exp(x/t) + exp(y/t)), log(1 + exp(b*x))/b.

Smooth maxima, free energies, certainty equivalents. The slope in the temperature t is an entropy; as written it is the
difference of a logarithm and a mean, which has lost what the exponents are larger than 1. Sums of more terms are smooth
maxima of smooth maxima. Where the weights add up to 1 the whole has a limit at t = inf, the mean: with z = (x - y)/t

    t*log(p*exp(x/t) + q*exp(y/t)) = p*x + q*y + (x - y)*(log(p*exp(q*z) + q*exp(-p*z))/z),

whose quotient has a series in z.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache, reduce

import mpmath as mp

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import CONST
from symbackprop.passes.exponential_sums import less
from symbackprop.passes.offsets import Parts, built, terms
from symbackprop.passes.powers import Powers, number_and_powers, raised
from symbackprop.passes.rewrite import Rewriter, Rule
from symbackprop.passes.series import Series, near, series_of

_ADD, _SUB, _NEG, _SOFTPLUS, _LOGADDEXP, _LOG_EXP_SUM, _LOG_COSH, _SMOOTH, _SHARP = (
    REGISTRY[name]
    for name in (
        "add",
        "sub",
        "neg",
        "softplus",
        "logaddexp",
        "log_exp_sum",
        "log_cosh",
        "smooth_maximum",
        "sharp_maximum",
    )
)
_MUL, _DIV = REGISTRY["mul"], REGISTRY["div"]
_MAXIMA = frozenset({_SMOOTH, _SHARP})
_LOGARITHMS = frozenset({_SOFTPLUS, _LOGADDEXP, _LOG_EXP_SUM, _LOG_COSH})
_MOST_TERMS, _MOST_NEAR = 8, 4
"""Of more terms, which take a polynomial each, the second derivatives at a large t have lost digits."""
# Constants like log(2) have 40 digits and more.
_DIGITS, _SAME = 50, Fraction(1, 10**35)
_LARGEST_WEIGHT, _LARGEST_CONSTANT = 10**6, 100
_NONE, _HALF, _ONE, _TWO = Fraction(0), Fraction(1, 2), Fraction(1), Fraction(2)
Weighted = tuple[Fraction, Parts]
"""A term of a sum of exponentials: its weight, and the terms of its exponent."""


def _quotient(r: Rewriter, x: int, y: int) -> int | None:
    number, above = number_and_powers(r.nodes, x)
    divisor, below = number_and_powers(r.nodes, y)
    for base, power in below.items():
        above[base] = above.get(base, 0) - power
    return _scaled(r, number / divisor, above)


def _product(r: Rewriter, x: int, y: int) -> int | None:
    number, powers = number_and_powers(r.nodes, x)
    factor, others = number_and_powers(r.nodes, y)
    for base, power in others.items():
        powers[base] = powers.get(base, 0) + power
    return _scaled(r, number * factor, powers)


def _scaled(r: Rewriter, number: Fraction, powers: Powers) -> int | None:
    """A product with a logarithm, and with a temperature that its exponents are over."""
    f = r.f
    for index, times in powers.items():
        found = _sum_under(r, index) if times == 1 else None
        if found is None:
            continue
        others = {base: power for base, power in powers.items() if base != index and power}
        temperature = temperature_of(r, [parts for _, parts in found], others)
        if not temperature:
            continue
        t = Temperature(r, temperature)
        values = [(weight, t.times(parts)) for weight, parts in found]
        if all(r.number(value.index) is not None for _, value in values):
            # One variable, which has a series.
            continue
        left = {base: power - temperature.get(base, 0) for base, power in others.items()}
        total, outside = t.logarithm(values), raised(f, left, number)
        return (total if r.number(outside.index) == 1 else outside * total).index
    return None


def temperature_of(r: Rewriter, exponents: list[Parts], others: Powers) -> Powers:
    """The factors of a product that an exponent is divided by, or the divisors that it is multiplied by."""
    shared: Powers = {}
    for parts in exponents:
        for node in parts:
            _, powers = number_and_powers(r.nodes, node)
            for base, power in others.items():
                own = powers.get(base, 0)
                if power * own < 0 and base not in shared:
                    shared[base] = min(power, -own) if power > 0 else max(power, -own)
    return shared


def _sum(r: Rewriter, x: int, y: int) -> int | None:
    """t*log(sum of w*exp(x/t)) - t*log(sum of w), two terms as users write the mean that has a limit at t = inf."""
    found = _less_weight(r, x, y, 1)
    return _less_weight(r, y, x, 1) if found is None else found


def _difference(r: Rewriter, x: int, y: int) -> int | None:
    found = _less_weight(r, y, x, -1)
    return _less_weight(r, x, y, -1) if found is None else r.add(_NEG, (found,))


def _less_weight(r: Rewriter, maximum: int, constant: int, sign: int) -> int | None:
    op, operands, *_ = r.nodes[maximum]
    if op not in _MAXIMA:
        return None
    number, powers = number_and_powers(r.nodes, constant)
    numerator, own = number_and_powers(r.nodes, operands[0])
    own = {base: -power for base, power in own.items()} if op is _SHARP else own
    if powers != own or numerator != 1:
        return None
    t = Temperature(r, own)
    values = [t.weighted(value) for value in operands[1:]]
    if abs(_logarithm(sum((weight for weight, _ in values), start=_NONE)) + sign * number) > _SAME:
        return None
    total = sum((weight for weight, _ in values), start=_NONE)
    return t.logarithm([(weight / total, value) for weight, value in values]).index


class Temperature:
    """t as a product, and what is made with it."""

    def __init__(self, r: Rewriter, powers: Powers, is_one: Value | None = None) -> None:
        self.r, self.powers = r, powers
        self.value = raised(r.f, powers)
        self.inverse = raised(r.f, {base: -power for base, power in powers.items()})
        # 1/t is what the user wrote where t is nothing but a quotient of 1.
        self.is_inverse = all(power < 0 for power in powers.values())
        if is_one is not None:
            given = r.f.select(is_one, 1, self.inverse if self.is_inverse else self.value)
            self.value, self.inverse = (1 / given, given) if self.is_inverse else (given, 1 / given)

    def times(self, parts: Parts) -> Value:
        """An exponent times the temperature."""
        total = self.r.f.const(0)
        for node, factor in parts.items():
            number, powers = number_and_powers(self.r.nodes, node)
            joined = {base: powers.get(base, 0) + self.powers.get(base, 0) for base in {**powers, **self.powers}}
            total = total + raised(self.r.f, joined, number * factor)
        return total

    def weighted(self, index: int) -> tuple[Fraction, Value]:
        """A value as another and a number times t: the logarithm of its weight."""
        constant, parts = terms(self.r, index) or (_NONE, {index: _ONE})
        for node, factor in parts.items():
            number, powers = number_and_powers(self.r.nodes, node)
            if powers == self.powers and abs(number * factor) < _LARGEST_CONSTANT:
                others = {other: own for other, own in parts.items() if other != node}
                return _weight(number * factor), self.r.f.wrap(built(self.r, constant, others))
        return _ONE, self.r.f.wrap(index)

    def logarithm(self, values: list[tuple[Fraction, Value]]) -> Value:
        """t*log(sum of w*exp(x/t))"""
        weight = sum((own for own, _ in values), start=_NONE)
        # Of two terms that weigh the same the slope in t is no difference, but where that tends to 0.
        alike = len(values) == 2 and values[0][0] == values[1][0]
        if weight != 1 and (alike or len(values) > _MOST_NEAR):
            return self.maximum(values)
        mean, conditions = self.mean(values)
        f, is_near = self.r.f, reduce(self.r.f.logical_and, conditions)
        # The maximum sees 1 where t is large: a sum over samples would multiply its zeros by 1/b**2.
        far = Temperature(self.r, self.powers, is_near).maximum(values)
        return f.select(is_near, self.shifted(mean, weight), far)

    def maximum(self, values: list[tuple[Fraction, Value]]) -> Value:
        return reduce(self._larger, [self.shifted(value, weight) for weight, value in values])

    def _larger(self, x: Value, y: Value) -> Value:
        f = self.r.f
        return f.apply(_SHARP, self.inverse, x, y) if self.is_inverse else f.apply(_SMOOTH, self.value, x, y)

    def mean(self, values: list[tuple[Fraction, Value]]) -> tuple[Value, list[Value]]:
        """The same for weights that add up to 1, where no x is far from the others."""
        r, (weight, total), conditions = self.r, values[0], []
        for own, value in values[1:]:
            p, q, d = weight / (weight + own), own / (weight + own), less(r, total, value)
            polynomial, is_near = near(d * self.inverse, _series_beside_mean(p))
            conditions.append(is_near)
            weight, total = weight + own, less(r, p * total, -(q * value)) + d * polynomial
        return total, conditions

    def shifted(self, value: Value, weight: Fraction) -> Value:
        return value if weight == 1 else value + _logarithm(weight) * self.value


@cache
def _series_beside_mean(p: Fraction) -> Series:
    """log(p*exp(q*z) + q*exp(-p*z))/z"""
    q = 1 - p
    found = series_of(
        (
            (CONST, p),
            (CONST, q),
            (CONST, -p),
            (_MUL, None, 1, -1),
            (_MUL, None, 2, -1),
            (_LOG_EXP_SUM, None, 3, 0, 4, 1),
            (_DIV, None, 5, -1),
        )
    )
    assert found is not None
    return found


@cache
def _logarithm(number: Fraction) -> Fraction:
    with mp.workdps(_DIGITS):
        value = mp.log(mp.mpf(number.numerator) / number.denominator)
        return Fraction(int(mp.nint(value * mp.mpf(2) ** 160)), 2**160)


@cache
def _weight(constant: Fraction) -> Fraction:
    """The number of which this is the logarithm: a simple one, if it is one."""
    with mp.workdps(_DIGITS):
        value = mp.exp(mp.mpf(constant.numerator) / constant.denominator)
        exact = int(value.man) * Fraction(2) ** int(value.exp)
    simple = exact.limit_denominator(_LARGEST_WEIGHT)
    return simple if simple > 0 and abs(exact - simple) < _SAME * simple else exact


# What the logarithm is of.


def _sum_under(r: Rewriter, index: int) -> list[Weighted] | None:
    """The sum of which a node is the logarithm: a few terms with positive numbers for weights, one of them at least a
    product; None for other nodes.
    """
    op = r.nodes[index].op
    if op in _LOGARITHMS:
        return _sum_of_row(r, index)
    if op is not _ADD and op is not _SUB:
        return None
    constant, parts = terms(r, index) or (_NONE, {})
    inner = next((node for node, factor in parts.items() if factor == 1 and r.nodes[node].op in _LOGARITHMS), None)
    found = None if inner is None else _sum_of_row(r, inner)
    if found is None or abs(constant) > _LARGEST_CONSTANT:
        return None
    beside = {node: factor for node, factor in parts.items() if node != inner}
    return [(weight * _weight(constant), _together(own, beside)) for weight, own in found]


def _sum_of_row(r: Rewriter, index: int) -> list[Weighted] | None:
    op, operands, *_ = r.nodes[index]
    weights: list[Fraction | None] = [_ONE, _ONE]
    if op is _LOG_COSH:
        weights, exponents = [_HALF, _HALF], [operands[0], r.add(_NEG, operands)]
    elif op is _LOG_EXP_SUM:
        weights, exponents = [r.number(operands[1]), r.number(operands[3])], [operands[0], operands[2]]
    else:
        exponents = [*operands] if op is _LOGADDEXP else [*operands, r.const(0)]
    found: list[Weighted] = []
    for weight, exponent in zip(weights, exponents, strict=True):
        if weight is None or weight <= 0:
            return None
        constant, parts = terms(r, exponent) or (_NONE, {exponent: _ONE})
        if abs(constant) > _LARGEST_CONSTANT:
            return None
        nested = _sum_under(r, exponent) or [(_weight(constant), parts)]
        found += [(weight * own, inner) for own, inner in nested]
    return found if len(found) <= _MOST_TERMS else None


def _together(one: Parts, other: Parts) -> Parts:
    return {node: one.get(node, _NONE) + other.get(node, _NONE) for node in {**one, **other}}


_NEEDS = tuple(sorted(row.name for row in _LOGARITHMS))

RULES = (
    Rule(
        "log(1 + exp(x*y))/x -> smooth_maximum(1/x, y, 0), and other logarithms over a factor of all exponents",
        "div",
        _quotient,
        lambda f, x, y, c: f.softplus(x * y) / x,
        needs=_NEEDS,
        domain=((0.1, 30.0), (-20.0, 20.0)),
        before=4e165,
        after=240,
    ),
    Rule(
        "smooth_maximum(x, y, 0) - x*log(2) -> y/2 + y*log(cosh(y/x/2))/(y/x) where y/x is small, and likewise",
        "sub",
        _difference,
        lambda f, x, y, c: f.smooth_maximum(x, y, 0) - _logarithm(_TWO) * x,
        among=("smooth_maximum", "sharp_maximum"),
        domain=((30.0, 1e4), (-20.0, 20.0)),
        before=8e22,
        after=3,
    ),
    Rule(
        "smooth_maximum(x, y, 0) + x*log(1/2) -> y/2 + y*log(cosh(y/x/2))/(y/x) where y/x is small, and likewise",
        "add",
        _sum,
        lambda f, x, y, c: f.smooth_maximum(x, y, 0) + _logarithm(_HALF) * x,
        among=("smooth_maximum", "sharp_maximum"),
        domain=((30.0, 1e4), (-20.0, 20.0)),
        before=2e22,
        after=3,
    ),
    Rule(
        "x*log(1 + exp(y/x)) -> smooth_maximum(x, y, 0), and other logarithms times a divisor of all exponents",
        "mul",
        _product,
        lambda f, x, y, c: x * f.softplus(y / x),
        needs=_NEEDS,
        domain=((0.1, 30.0), (-20.0, 20.0)),
        before=7e26,
        after=80,
    ),
)
