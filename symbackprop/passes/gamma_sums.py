"""Sums of logarithms of gamma functions: log-likelihoods of counts, as the field writes them.

Logarithms of gamma functions of opposite signs meet wherever they stand in the sum, as a logarithm of a binomial
coefficient or of a ratio. That of gamma(x + d)/gamma(x) grows like d*log(x), and where the rest of the sum has
-d*log(x) again, as y*log(a*mu) has for x = 1/a, both go, before they are computed: what is left is of the order of
1/x (negative binomial, Student's t, Dirichlet-multinomial at small dispersions, where these are Poisson's, Gauss's and
multinomial distributions).
"""

from __future__ import annotations

from fractions import Fraction
from math import prod

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.factors import all_factors
from symbackprop.passes.offsets import Parts, built, terms
from symbackprop.passes.powers import Powers, number_and_powers, raised
from symbackprop.passes.rewrite import Rewriter, Rule

_ADD, _SUB, _MUL, _NEG, _LOG, _LOG1P, _LOG_NEAR_ONE = (
    REGISTRY[name] for name in ("add", "sub", "mul", "neg", "log", "log1p", "log_near_one")
)
_LOGGAMMA, _LOG_RISING, _LOG_BETA, _LOG_BINOMIAL = (
    REGISTRY[name] for name in ("loggamma", "log_rising", "log_beta", "log_binomial")
)
_LOGGAMMAS = frozenset({_LOGGAMMA, REGISTRY["loggamma_near"]})
_MET = _LOGGAMMAS | {_LOG_RISING, _LOG_BETA, _LOG_BINOMIAL}
_NONE, _ONE = Fraction(0), Fraction(1)
_DEEPEST = 3
Sum = tuple[Fraction, Parts]


def _added(r: Rewriter, x: int, y: int) -> int | None:
    return _met(r, x, y, _ONE)


def _subtracted(r: Rewriter, x: int, y: int) -> int | None:
    return _met(r, x, y, -_ONE)


def _met(r: Rewriter, x: int, y: int, sign: Fraction) -> int | None:
    one, other = terms(r, x), terms(r, y)
    if one is None or other is None:
        return None
    constant, parts = _plus(one, other, sign)
    if not any(r.nodes[node].op in _MET and not r.nodes[node].type.shape for node in parts):
        return None
    gammas = _Gammas(r, parts)
    ratios = gammas.ratios()
    rest: Sum = (constant, {node: factor for node, factor in parts.items() if node not in gammas.nodes})
    met = False
    for factor, x, d in [ratio for ratio in ratios if not ratio[2][1]]:
        if abs(d[0]) == 1:
            # gamma(x + 1)/gamma(x) is x.
            argument = x if d[0] > 0 else r.add(_SUB, (x, r.const(1)))
            rest, met = _with(r, rest, r.add(_LOG, (argument,)), factor * d[0]), True
            ratios.remove((factor, x, d))
    for place in range(len(ratios) - 1, -1, -1):
        found = _scaled(r, ratios[place], ratios[:place], rest)
        if found is not None:
            rest, met = found, True
            del ratios[place]
    made = gammas.joined(ratios)
    if not met and made == {node: parts[node] for node in gammas.nodes}:
        return None
    return _written(r, rest, made)


def _written(r: Rewriter, rest: Sum, gammas: Parts) -> int:
    """The sum; logarithms of gamma functions past the rules, which would begin anew with a part of them."""
    total = built(r, *rest) if rest[0] or rest[1] else None
    for node, factor in sorted(gammas.items(), key=lambda part: part[1] < 0):
        size = abs(factor)
        term = node if size == 1 else r.plain(_MUL, (r.const(size), node))
        if total is None:
            total = term if factor > 0 else r.plain(_NEG, (term,))
        else:
            total = r.plain(_ADD if factor > 0 else _SUB, (total, term))
    return r.const(0) if total is None else total


def _plus(one: Sum, other: Sum, factor: Fraction) -> Sum:
    parts = dict(one[1])
    for node, coefficient in other[1].items():
        parts[node] = parts.get(node, _NONE) + factor * coefficient
    return one[0] + factor * other[0], {node: coefficient for node, coefficient in parts.items() if coefficient}


def _with(r: Rewriter, total: Sum, node: int, factor: Fraction) -> Sum:
    return _plus(total, terms(r, node) or (_NONE, {node: _ONE}), factor)


def _length(total: Sum) -> int:
    return len(total[1]) + bool(total[0])


class _Gammas:
    """The logarithms of gamma functions in a sum, however they are paired there."""

    def __init__(self, r: Rewriter, parts: Parts) -> None:
        self.r = r
        self.nodes: set[int] = set()
        self._factors: dict[int, Fraction] = {}
        """By argument, these as sums of one order."""
        self._sums: dict[int, Sum] = {}
        self._known: dict[tuple[object, ...], int] = {}
        for node, factor in parts.items():
            op, operands = r.nodes[node].op, r.operands(node)
            if op not in _MET or r.nodes[node].type.shape:
                continue
            self.nodes.add(node)
            if op in _LOGGAMMAS:
                self._count(operands[0], factor)
                continue
            u, v = operands
            both = _with(r, terms(r, u) or (_NONE, {u: _ONE}), v, _ONE)
            if op is _LOG_RISING:
                self._count_sum(both, factor)
                self._count(u, -factor)
            else:
                sign = -factor if op is _LOG_BINOMIAL else factor
                self._count_sum(both if op is _LOG_BETA else _plus(both, (_ONE, {}), -_ONE), -sign)
                for operand in operands:
                    self._count(operand, sign)

    def _count(self, argument: int, factor: Fraction) -> None:
        self._count_sum(terms(self.r, argument) or (_NONE, {argument: _ONE}), factor, argument)

    def _count_sum(self, total: Sum, factor: Fraction, argument: int | None = None) -> None:
        key = _key(total)
        if key not in self._known:
            self._known[key] = built(self.r, *total) if argument is None else argument
        node = self._known[key]
        self._sums[node] = total
        self._factors[node] = self._factors.get(node, _NONE) + factor

    def ratios(self) -> list[Ratio]:
        """c*log(gamma(x + d)/gamma(x)) of arguments that differ least; what is left stays in `_factors`."""
        order = sorted(self._factors, key=lambda node: _key(self._sums[node]))
        candidates: list[tuple[int, int, int, int, Sum]] = []
        for u in order:
            for v in order:
                if self._factors[u] > 0 > self._factors[v]:
                    d, most = (
                        _plus(self._sums[u], self._sums[v], -_ONE),
                        max(map(_length, (self._sums[u], self._sums[v]))),
                    )
                    if _length(d) < most:
                        candidates.append((_length(d), len(candidates), u, v, d))
        found = []
        for _, _, u, v, d in sorted(candidates):
            factor = min(self._factors[u], -self._factors[v])
            if factor > 0:
                self._factors[u] -= factor
                self._factors[v] += factor
                up = _length(self._sums[v]) <= _length(self._sums[u])
                # u + a of a small u has lost digits that u has.
                found.append((factor, v, d) if up else (-factor, u, _plus((_NONE, {}), d, -_ONE)))
        return found

    def joined(self, ratios: list[Ratio]) -> Parts:
        """Ratios and what is left as terms of a sum; with a third a beta function, or a binomial coefficient."""
        r, made = self.r, Parts()
        for factor, x, d in ratios:
            row, other = self._with_third(factor, x, d)
            if other is None:
                beyond = _plus(self._sums[x], d, _ONE)
                row, other = self._with_third(-factor, self._known[_key(beyond)], _plus((_NONE, {}), d, -_ONE))
            if other is None:
                node = r.add(_LOG_RISING, (x, built(r, *d)))
            else:
                node, factor = row
                self._factors[other] += factor if r.nodes[node].op is _LOG_BINOMIAL else -factor
            made[node] = made.get(node, _NONE) + factor
        for argument, factor in self._factors.items():
            if factor:
                node = r.add(_LOGGAMMA, (argument,))
                made[node] = made.get(node, _NONE) + factor
        return {node: factor for node, factor in made.items() if factor}

    def _with_third(self, factor: Fraction, x: int, d: Sum) -> tuple[tuple[int, Fraction], int | None]:
        """c*log(gamma(x + d)/gamma(x)) - c*loggamma(d), or less c*loggamma(d + 1)."""
        for op, sign, more in ((_LOG_BETA, -1, 0), (_LOG_BINOMIAL, 1, 1)):
            third = self._known.get(_key(_plus(d, (Fraction(more), {}), _ONE)))
            if third is not None and self._factors[third] * factor < 0 and abs(self._factors[third]) >= abs(factor):
                return (self.r.add(op, (x, third)), sign * factor), third
        return (x, factor), None


Ratio = tuple[Fraction, int, Sum]
"""c, x and d of c*log(gamma(x + d)/gamma(x))."""


def _key(total: Sum) -> tuple[object, ...]:
    return total[0], *sorted(total[1].items())


# What a logarithm of a ratio has in common with others.


def _scaled(r: Rewriter, ratio: Ratio, others: list[Ratio], rest: Sum) -> Sum | None:
    """log_rising(x, d) as log_rising_scaled(1/x, d) and d*log(x), where the sum has other multiples of log(x)."""
    factor, x, d = ratio
    number, powers = number_and_powers(r.nodes, x)
    if not powers or r.number(x) is not None:
        return None
    times, size = _plus((_NONE, {}), d, factor), _length(d)
    row = r.f.log_rising_scaled(raised(r.f, _inverse(powers), 1 / number), r.f.wrap(built(r, *d)))
    found = _with(r, rest, row.index, factor)
    for other, coefficient in rest[1].items():
        taken = _without(r, other, powers)
        if taken is None:
            continue
        multiple, left = taken
        after = _with(r, times, multiple.index, coefficient)
        if _length(after) <= _length(times) and _meet(r, times, multiple.index):
            times = after
            found = _with(r, _plus(found, (_NONE, {other: _ONE}), -coefficient), left.index, coefficient)
    if _length(times) >= size:
        return None
    if times[0] or times[1]:
        left = r.f.log(raised(r.f, powers)) * r.f.wrap(built(r, *times))
        found = _with(r, found, left.index, _ONE)
    if number != 1:
        # log(number*x) was as many logarithms of x alone.
        found = _with(r, found, (r.f.log(r.f.const(number)) * r.f.wrap(built(r, *d))).index, factor)
    return found


def _inverse(powers: Powers) -> Powers:
    return {base: -power for base, power in powers.items()}


def _meet(r: Rewriter, times: Sum, multiple: int) -> bool:
    """Whether two sums have a term in common."""
    constant, parts = terms(r, multiple) or (_NONE, {multiple: _ONE})
    return bool(constant and times[0]) or any(node in times[1] for node in parts)


def _without(r: Rewriter, index: int, own: Powers, depth: int = 0) -> tuple[Value, Value] | None:
    """A product with a logarithm as a multiple m of log(x) and what is left of it; None where it has none."""
    f, node = r.f, r.nodes[index]
    if depth > _DEEPEST or node.type.shape:
        return None
    if node.op in (_LOG, _LOG_NEAR_ONE, _LOG1P):
        inside = node.operands[0] if node.op is not _LOG1P else r.plain(_ADD, (node.operands[0], r.const(1)))
        order, rest = _order(r, inside, own)
        return (f.const(order), f.log(rest)) if order else None
    if node.op in (_ADD, _SUB):
        return _without_in_sum(r, index, own, depth)
    if node.op is _MUL:
        factors = all_factors(r, index)
        for place, factor in enumerate(factors):
            found = _without(r, factor, own, depth + 1)
            if found is not None:
                others = [f.wrap(other) for other in factors[:place] + factors[place + 1 :]]
                beside = prod(others[1:], start=others[0])
                number = r.number(found[0].index)
                # A number first, as sums know their terms.
                return found[0] * beside if number != 1 else beside, beside * found[1]
    return None


def _without_in_sum(r: Rewriter, index: int, own: Powers, depth: int) -> tuple[Value, Value] | None:
    whole = terms(r, index)
    if whole is None:
        return None
    multiple: Sum = (_NONE, {})
    rest: Sum = (whole[0], {})
    for term, factor in whole[1].items():
        found = _without(r, term, own, depth + 1)
        if found is None:
            rest = _plus(rest, (_NONE, {term: _ONE}), factor)
            continue
        multiple, rest = (
            _plus(into, terms(r, part.index) or (_NONE, {part.index: _ONE}), factor)
            for into, part in zip((multiple, rest), found, strict=True)
        )
    if not multiple[0] and not multiple[1]:
        return None
    return r.f.wrap(built(r, *multiple)), r.f.wrap(built(r, *rest))


def _order(r: Rewriter, index: int, own: Powers) -> tuple[int, Value]:
    """The power of x in a product, in which r + mu counts as r*(1 + mu/r), and the product without it."""
    f = r.f
    number, powers = number_and_powers(r.nodes, index)
    order, left = 0, dict(powers)
    made: list[tuple[Value, int]] = []
    for base, power in powers.items():
        inner = _sum_over(r, base, own)
        if inner is not None:
            order += inner[1] * power
            del left[base]
            made.append((inner[0], power))
    direct = _times_in(left, own)
    for base, power in own.items():
        left[base] = left.get(base, 0) - direct * power
    rest = raised(f, left, number)
    for total, power in made:
        rest = rest * total if power == 1 else rest / total if power == -1 else rest * f.pow(total, power)
    return order + direct, rest


def _times_in(powers: Powers, own: Powers) -> int:
    """How often x is a factor."""
    counts = [Fraction(powers.get(base, 0), power) for base, power in own.items()]
    if not counts or any(count * counts[0] <= 0 for count in counts):
        return 0
    smallest = min(counts, key=abs)
    return int(smallest)


def _sum_over(r: Rewriter, index: int, own: Powers) -> tuple[Value, int] | None:
    """A sum over the highest power of x among its terms, and that power; None where it is none."""
    if not (r.is_op(index, _ADD) or r.is_op(index, _SUB)):
        return None
    found = terms(r, index)
    if found is None:
        return None
    constant, parts = found
    pieces = []
    for term, factor in parts.items():
        number, powers = number_and_powers(r.nodes, term)
        pieces.append((factor * number, powers))
    if constant:
        pieces.append((constant, {}))
    order = max(_times_in(powers, own) for _, powers in pieces)
    if not order:
        return None
    # What is left without x comes last, as a number does.
    pieces.sort(key=lambda piece: _times_in(piece[1], own))
    over = [
        raised(r.f, {base: powers.get(base, 0) - order * own.get(base, 0) for base in {**powers, **own}}, number)
        for number, powers in pieces
    ]
    return sum(over[1:], over[0]), order


_COUNT, _DISPERSION = (2.0, 9.0), (1e-9, 1.0)
_NEEDS = ("loggamma", "loggamma_near", "log_rising", "log_beta", "log_binomial")

RULES = (
    Rule(
        "y*log(x) + loggamma(y + 1/x) - loggamma(1/x) -> log_rising_scaled(x, y)",
        "add",
        _added,
        lambda f, x, y, c: f.loggamma(y + 1 / x) + (y * f.log(x) - f.loggamma(1 / x)),
        needs=_NEEDS,
        domain=(_DISPERSION, _COUNT),
        before=1e9,
        after=10,
    ),
    Rule(
        "loggamma(x + y) - loggamma(x) -> log_rising(x, y), log_beta and log_binomial of three",
        "sub",
        _subtracted,
        lambda f, x, y, c: f.loggamma(x + y) - f.loggamma(x),
        needs=_NEEDS,
        domain=((20.0, 3000.0), (0.1, 3.0)),
        before=900,
        after=10,
    ),
)
