"""The slope of a secant: q with x - y = q*d, from how x and y are made, for a difference d that both have inside.

Differences have rules as derivatives have: u*v - s*t = (u - s)*v + s*(v - t), u/v - s/t = ((u - s) - (s/t)*(v - t))/v,
and f(u) - f(v) = g(u, v)*(u - v) with a g for each function (`passes.secant_rows`) that has its digits at u = v.
Nothing in q is divided by d.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import permutations
from typing import Any

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import CONST
from symbackprop.passes.offsets import Parts, offset, terms
from symbackprop.passes.rewrite import Rewriter
from symbackprop.passes.secant_rows import SECANTS, VANISHING, Near, Row, whole_power

_ADD, _SUB, _MUL, _DIV, _NEG, _POW, _LOG, _SELECT = (
    REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "pow", "log", "select")
)
_SUMS = frozenset({_ADD, _SUB})
_MOST_STEPS = 64
"""So many pairs are looked at: users' differences take fewer than ten."""
_MOST_FACTORS = 4
_LONGEST_POWER = 8
_ROUNDING = Fraction(1, 2**51)
_NONE, _ONE = Fraction(0), Fraction(1)
Slope = Any
"""A Value, or a Fraction: what does not change is no factor 0 of what may be infinite. None where there is none."""


class Secants:
    """Slopes over one difference, and the conditions under which what they are made of may be used."""

    def __init__(self, r: Rewriter, d: int) -> None:
        self.r, self.f, self.d = r, r.f, r.f.wrap(d)
        self.near = Near(r.f)
        self._constant, self._parts = terms(r, d) or (_NONE, {d: _ONE})
        self._left = _MOST_STEPS

    def of(self, index: int) -> Slope:
        """q with x = q*d."""
        self._left -= 1
        node = self.r.nodes[index]
        op, operands = node.op, node.operands
        linear = self._linear(*(terms(self.r, index) or (_NONE, {index: _ONE})))
        if linear is not None or self._left < 0:
            return linear
        if op in _SUMS:
            found = terms(self.r, index)
            return None if found is None else self._of_terms(*found)
        if op is _NEG:
            inner = self.of(operands[0])
            return None if inner is None else -inner
        if op is _MUL:
            return self._of_product(*operands)
        if op is _DIV:
            above = self.of(operands[0])
            return above if not above else above / self.f.wrap(operands[1])
        if op is _SELECT:
            return self._of_choice(*operands)
        return self._of_row(index)

    def between(self, x: int, y: int) -> Slope:
        """q with x - y = q*d."""
        self._left -= 1
        if x == y:
            return _NONE
        if self._left < 0:
            return None
        r, (one, other) = self.r, (self.r.nodes[x], self.r.nodes[y])
        for near, number, sign in ((x, r.number(y), 1), (y, r.number(x), -1)):
            if number is not None:
                return None if r.nodes[near].op is CONST else _signed(self._from_number(near, number), sign)
        if one.op in _SUMS or other.op in _SUMS or _is_scaled(r, x) or _is_scaled(r, y):
            return self._of_difference(x, y)
        linear = self._linear(_NONE, {x: _ONE, y: -_ONE})
        if linear is not None:
            return linear
        if one.op is _MUL or other.op is _MUL:
            return self._between_products(x, y)
        if one.op is not other.op:
            return None
        if one.op is _DIV:
            found = self._between_quotients(one.operands, other.operands)
            return self._between_products(x, y) if found is None else found
        if one.op in (_POW, REGISTRY["powm1"]):
            return self._between_powers(one.operands, other.operands)
        if one.op not in SECANTS:
            return None
        inner = self.between(one.operands[0], other.operands[0])
        return self._through(SECANTS[one.op], one.operands[0], other.operands[0], inner)

    # Sums.

    def _linear(self, constant: Fraction, parts: Parts) -> Fraction | None:
        """A number times d, up to the rounding of coefficients like 0.01."""
        if parts.keys() != self._parts.keys():
            return _NONE if not parts and not constant else None
        return _ratio((constant, parts), (self._constant, self._parts))

    def _of_difference(self, x: int, y: int) -> Slope:
        left, right = terms(self.r, x), terms(self.r, y)
        if left is None or right is None:
            return None
        parts = dict(left[1])
        for node, factor in right[1].items():
            parts[node] = parts.get(node, _NONE) - factor
        return self._of_terms(left[0] - right[0], {node: factor for node, factor in parts.items() if factor})

    def _of_terms(self, constant: Fraction, parts: Parts) -> Slope:
        """Terms two by two, or one beside the constant; what is left is a multiple of d."""
        linear = self._linear(constant, parts)
        if linear is not None:
            return linear
        total: Slope = _NONE
        left = dict(parts)
        for node, factor in parts.items():
            if node not in left or node in self._parts:
                continue
            found = self._with_partner(node, factor, left)
            if found is None and constant:
                found = _scaled(factor, self._from_number(node, -constant / factor))
                if found is not None:
                    del left[node]
                    constant = _NONE
            if found is None:
                found = _scaled(factor, self.of(node))
                if found is not None:
                    del left[node]
            if found is None:
                return None
            total = _plus(total, found)
        rest = self._linear(constant, left)
        return None if rest is None else _plus(total, rest)

    def _with_partner(self, node: int, factor: Fraction, left: Parts) -> Slope:
        for other, opposite in left.items():
            if opposite == -factor and other != node:
                found = self.between(node, other)
                if found is not None:
                    del left[node], left[other]
                    return _scaled(factor, found)
        return None

    def _from_number(self, index: int, number: Fraction) -> Slope:
        """q with x - c = q*d."""
        op, operands, *_ = self.r.nodes[index]
        found = terms(self.r, index)
        linear = None if found is None else self._linear(found[0] - number, found[1])
        if linear is not None:
            return linear
        if op in _SUMS or _is_scaled(self.r, index):
            return None if found is None else self._of_terms(found[0] - number, found[1])
        if number == 1 and op is _DIV:
            return _over(self.between(*operands), self.f.wrap(operands[1]))
        if number == 1 and op is _POW:
            return self._of_power(*operands)
        if number == 1 and op is _MUL and offset(self.r, index) is None:
            return self._of_product_less_one(*operands)
        rest = offset(self.r, index)
        return self.of(rest[1]) if rest is not None and rest[0] == number else None

    # Products, quotients and powers.

    def _of_product_less_one(self, x: int, y: int) -> Slope:
        """Of u*v - 1 = (u - 1)*v + (v - 1)."""
        first = self._from_number(x, _ONE)
        second = None if first is None else self._from_number(y, _ONE)
        return None if second is None else _plus(_times(first, self.f.wrap(y)), second)

    def _of_product(self, x: int, y: int) -> Slope:
        for own, other in ((x, y), (y, x)):
            if self.r.nodes[own].op is not CONST:
                found = self.of(own)
                if found is not None:
                    return found * self.f.wrap(other) if found else found
        return None

    def _between_products(self, x: int, y: int) -> Slope:
        """Factor by factor, those that are in both apart."""
        first, second = (self._factors_of(index) for index in (x, y))
        common = []
        for factor in first[:]:
            if factor in second:
                common.append(factor)
                first.remove(factor)
                second.remove(factor)
        if len(first) != len(second) or len(first) > _MOST_FACTORS:
            return None
        for order in permutations(second):
            slopes = self._of_pairs(first, order)
            if slopes is not None:
                total: Slope = _NONE
                for k, slope in enumerate(slopes):
                    total = _plus(total, _times(slope, self._product([*order[:k], *first[k + 1 :]])))
                return _times(total, self._product(common))
        return None

    def _factors_of(self, index: int) -> list[int]:
        """The factors; of c*t/v beside a term c/v of the difference that term and t."""
        op, operands, *_ = self.r.nodes[index]
        for part in self._parts if op is _DIV else ():
            own = self.r.nodes[part]
            if own.op is _DIV and own.operands[1] == operands[1]:
                rest = list(_factors(self.r, operands[0]))
                inner = [factor for factor in _factors(self.r, own.operands[0]) if self.r.number(factor) != 1]
                if all(factor in rest for factor in inner):
                    for factor in inner:
                        rest.remove(factor)
                    return [part, *rest]
        return list(_factors(self.r, index))

    def _of_pairs(self, first: list[int], second: tuple[int, ...]) -> list[Slope] | None:
        slopes = []
        for x, y in zip(first, second, strict=True):
            slope = self.between(x, y)
            if slope is None:
                return None
            slopes.append(slope)
        return slopes

    def _product(self, factors: list[int]) -> Slope:
        total: Slope = _ONE
        for factor in factors:
            total = _times(total, self.f.wrap(factor))
        return total

    def _between_quotients(self, one: tuple[int, ...], other: tuple[int, ...]) -> Slope:
        (u, v), (s, t) = one, other
        above, below = self.between(u, s), self.between(v, t)
        if above is None or below is None:
            return None
        if below:
            above = _plus(above, -_times(below, self.f.wrap(s)) / self.f.wrap(t))
        return _over(above, self.f.wrap(v))

    def _between_powers(self, one: tuple[int, ...], other: tuple[int, ...]) -> Slope:
        """u**n - v**n and u**a - u**b."""
        f, (u, n), (v, m) = self.f, one, other
        if n == m:
            inner, number = self.between(u, v), self.r.number(n)
            if not inner:
                return inner
            if number is not None and number.denominator == 1 and 1 < number <= _LONGEST_POWER:
                return inner * whole_power(f.wrap(u), f.wrap(v), int(number))
            base, power = f.wrap(v), f.wrap(n)
            return inner * (f.pow(base, power - 1) * self.near.power(inner * self.d / base, power))
        inner = self.between(n, m) if u == v else None
        if not inner:
            return inner
        logarithm = f.log(f.wrap(u))
        return inner * (f.pow(f.wrap(v), f.wrap(m)) * logarithm * self.near.expm1(inner * self.d * logarithm))

    def _of_power(self, base: int, exponent: int) -> Slope:
        """Of u**n - 1, where n vanishes or u is near 1."""
        f = self.f
        inner = self.of(exponent)
        if inner is not None:
            logarithm = f.log(f.wrap(base))
            return inner * (logarithm * self.near.expm1(f.wrap(exponent) * logarithm))
        inner = self._from_number(base, _ONE)
        return inner if not inner else inner * self.near.power(inner * self.d, f.wrap(exponent))

    # Functions.

    def _through(self, row: Row, u: int, v: int, inner: Slope) -> Slope:
        if not inner:
            return inner
        f = self.f
        return inner * row(self.near, f.wrap(u), f.wrap(v), inner * self.d)

    def _of_choice(self, condition: int, x: int, y: int) -> Slope:
        first = self.of(x)
        second = None if first is None else self.of(y)
        return None if second is None else self.f.select(self.f.wrap(condition), first, second)

    def _of_row(self, index: int) -> Slope:
        f, (op, operands, *_) = self.f, self.r.nodes[index]
        if op in VANISHING:
            inner = self.of(operands[0])
            return inner if not inner else inner * self.near.over(op, f.wrap(operands[0]))
        name = op.name
        if name == "exp_difference":
            return self._through(SECANTS[REGISTRY["exp"]], operands[0], operands[1], self.between(*operands))
        if name == "difference_of_squares":
            u, v = map(f.wrap, operands)
            return _times(self.between(*operands), u + v)
        if name == "one_minus_square":
            return _times(_signed(self._from_number(operands[0], _ONE), -1), 1 + f.wrap(operands[0]))
        if name == "pow1pm1":
            return self._of_pow1pm1(*operands)
        if name == "powm1":
            return self._of_power(*operands)
        if name == "log_near_one":
            inner = self.of(operands[1])
            return inner if not inner else inner * self.near.over(REGISTRY["log1p"], f.wrap(operands[1]))
        if op is _LOG:
            inner = self._from_number(operands[0], _ONE)
            return inner if not inner else inner * self.near.over(REGISTRY["log1p"], inner * self.d)
        if name == "log_exp_sum":
            return self._of_log_exp_sum(*operands)
        return None

    def _of_pow1pm1(self, u: int, n: int) -> Slope:
        f = self.f
        inner = self.of(u)
        if inner is not None:
            return inner if not inner else inner * self.near.power(f.wrap(u), f.wrap(n))
        inner = self.of(n)
        if not inner:
            return inner
        logarithm = f.log1p(f.wrap(u))
        return inner * (logarithm * self.near.expm1(f.wrap(n) * logarithm))

    def _of_log_exp_sum(self, u: int, a: int, v: int, b: int) -> Slope:
        """log(a*exp(u) + b*exp(v)), where a + b is 1 and both exponents vanish."""
        f = self.f
        weights = f.wrap(a) + f.wrap(b)
        total = self._from_number(weights.index, _ONE) if self.r.number(weights.index) != 1 else _NONE
        for exponent, weight in ((u, a), (v, b)):
            inner = None if total is None else self.of(exponent)
            if inner is None or total is None:
                return None
            if inner:
                total = _plus(total, inner * (f.wrap(weight) * self.near.expm1(f.wrap(exponent))))
        if not total:
            return total
        return total * self.near.over(REGISTRY["log1p"], total * self.d)


def multiple(r: Rewriter, x: int, y: int) -> Fraction | None:
    """x/y, of two differences, where that is a number."""
    above, below = terms(r, x), terms(r, y)
    if above is None or below is None or len(below[1]) + bool(below[0]) < 2 or above[1].keys() != below[1].keys():
        return None
    return _ratio(above, below)


def _ratio(one: tuple[Fraction, Parts], other: tuple[Fraction, Parts]) -> Fraction | None:
    """The ratio of two sums of the same terms where it is one number, up to the rounding of coefficients like 0.01.

    Of 0 over 0 it is none.
    """
    (constant, parts), (divisor, divisors) = one, other
    ratios = [parts[node] / divisors[node] for node in divisors]
    if constant or divisor:
        ratios.append(constant / divisor if divisor else _NONE)
    return ratios[0] if ratios and all(abs(ratio - ratios[0]) <= _ROUNDING * abs(ratio) for ratio in ratios) else None


def _factors(r: Rewriter, index: int) -> Iterator[int]:
    stack = [index]
    for _ in range(2 * _MOST_FACTORS):
        if not stack:
            return
        node = stack.pop()
        if r.is_op(node, _MUL):
            stack += r.operands(node)[::-1]
        else:
            yield node
    yield from stack


def _is_scaled(r: Rewriter, index: int) -> bool:
    """Whether a node is a number times another."""
    found = terms(r, index)
    return found is not None and index not in found[1]


def _signed(slope: Slope, sign: int) -> Slope:
    return slope if slope is None or sign > 0 else -slope


def _scaled(factor: Fraction, slope: Slope) -> Slope:
    return slope if slope is None or factor == 1 else factor * slope


def _times(slope: Slope, factor: Slope) -> Slope:
    """None of none, and 0 of 0."""
    return slope * factor if slope else slope


def _over(slope: Slope, divisor: Value) -> Slope:
    return slope / divisor if slope else slope


def _plus(one: Slope, other: Slope) -> Slope:
    return (one + other if other else one) if one else other
