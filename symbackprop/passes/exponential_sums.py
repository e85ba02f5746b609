"""Sums of exponentials as weighted terms, and their logarithms.

cosh, sinh, expm1 and differences of exponentials are two terms each; terms with equal exponents are one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.offsets import MOST_TERMS, built, terms
from symbackprop.passes.rewrite import Rewriter
from symbackprop.passes.stable_sums import SUMS, logarithm_of_positive

_ADD, _SUB, _MUL, _DIV, _NEG, _POW, _SQRT, _EXP, _EXPM1 = (
    REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "pow", "sqrt", "exp", "expm1")
)
_COSH, _SINH, _TANH, _LOGISTIC, _SOFTPLUS = (
    REGISTRY[name] for name in ("cosh", "sinh", "tanh", "logistic", "softplus")
)
_DIFFERENCE, _DOUBLE = REGISTRY["exp_difference"], REGISTRY["double_exponential"]
GROWING = frozenset({_EXP, _EXPM1, _COSH, _SINH, _DIFFERENCE})
_MOST_FACTORS = 8

Key = tuple[Fraction, frozenset[tuple[int, Fraction]]]
"""An exponent as a constant and the coefficients of other nodes, by which equal exponents are known."""
ZERO: Key = (Fraction(0), frozenset())


Expanded = tuple[Fraction, int | None, int | None]
"""A term as factor, node of the weight and node of the exponent."""


class Term(NamedTuple):
    """weight*exp(exponent)."""

    number: Fraction | None
    """The weight, where it is a number."""
    weight: Value
    key: Key
    exponent: Value


def sum_of_exponentials(r: Rewriter, index: int, more: int = 0) -> list[Term] | None:
    """The terms of a sum and the number `more`, those with equal exponents joined; None where it is no such sum."""
    # A sum over axes alone is for `passes.stable_sums`, whose softmax is not taken apart.
    found = None if r.nodes[index].op in SUMS and not more else terms(r, index)
    if found is None or not any(_grows(r, node) for node in found[1]):
        return None
    return joined(r, expanded(r, found[0] + more, found[1]))


def joined(r: Rewriter, parts: Iterable[Expanded]) -> list[Term] | None:
    """The terms with equal exponents as one each; None where no exponential is left, or too many."""
    weights: dict[Key, dict[int | None, Fraction]] = {}
    exponents: dict[Key, int] = {ZERO: r.const(0)}
    for factor, weight, exponent in parts:
        key = ZERO if exponent is None else key_of(r, exponent)
        if exponent is not None:
            exponents.setdefault(key, exponent)
        group = weights.setdefault(key, {})
        group[weight] = group.get(weight, Fraction(0)) + factor
    found = []
    for key, group in weights.items():
        number = group.pop(None, Fraction(0))
        others = {node: factor for node, factor in group.items() if factor and node is not None}
        if number or others:
            total = r.f.wrap(built(r, number, others))
            found.append(Term(None if others else number, total, key, r.f.wrap(exponents[key])))
    exponential = any(term.key[1] for term in found)
    return found if exponential and len(found) <= MOST_TERMS else None


def _grows(r: Rewriter, index: int) -> bool:
    node = r.nodes[index]
    if node.op is _MUL or node.op is _DIV:
        return any(r.nodes[operand].op is _MUL or _grows_alone(r, operand) for operand in node.operands)
    return _grows_alone(r, index)


def _grows_alone(r: Rewriter, index: int) -> bool:
    op = r.nodes[index].op
    return op in GROWING or (op in SUMS and logarithm_of_positive(r, index) is not None)


def expanded(r: Rewriter, constant: Fraction, parts: Mapping[int, Fraction]) -> list[Expanded]:
    found: list[Expanded] = [(constant, None, None)] if constant else []
    for node, factor in parts.items():
        if r.nodes[node].op in GROWING:
            found += [(factor * number, None, exponent) for number, exponent in exponentials(r, node)]
        else:
            found.append((factor, *split(r, node)))
    return found


def exponentials(r: Rewriter, index: int) -> list[tuple[Fraction, int | None]]:
    """The numbers and the exponents of the one or two exponentials that a row is."""
    one, half, (u, *others) = Fraction(1), Fraction(1, 2), r.operands(index)
    op = r.nodes[index].op
    if op is _EXP:
        return [(one, u)]
    if op is _COSH or op is _SINH:
        return [(half, u), (half if op is _COSH else -half, r.add(_NEG, (u,)))]
    return [(one, u), (-one, others[0] if others else None)]


def split(r: Rewriter, index: int) -> tuple[int | None, int | None]:
    """The weight and the exponent of a product; without an exponential in it, all of it is weight."""
    above: list[int] = []
    below: list[int] = []
    exponent: int | None = None
    stack = [(index, above)]
    for _ in range(2 * _MOST_FACTORS):
        if not stack:
            break
        node, side = stack.pop()
        op, operands = r.nodes[node].op, r.operands(node)
        own = None if side is below else operands[0] if op is _EXP else logarithm_of_positive(r, node)
        if op is _MUL:
            stack += [(operand, side) for operand in operands[::-1]]
        elif op is _DIV and side is above:
            stack += [(operands[1], below), (operands[0], above)]
        elif own is not None:
            exponent = own if exponent is None else r.add(_ADD, (exponent, own))
        else:
            side.append(node)
    if stack or exponent is None:
        return index, None
    weight: int | None = None
    for node in above:
        weight = node if weight is None else r.add(_MUL, (weight, node))
    for node in below:
        weight = r.add(_DIV, (r.const(1) if weight is None else weight, node))
    return weight, exponent


def key_of(r: Rewriter, exponent: int) -> Key:
    found = terms(r, exponent)
    return (
        (Fraction(0), frozenset({(exponent, Fraction(1))}))
        if found is None
        else (found[0], frozenset(found[1].items()))
    )


def scaled(key: Key, number: int) -> Key:
    return number * key[0], frozenset((node, number * factor) for node, factor in key[1])


def opposite(key: Key) -> Key:
    return scaled(key, -1)


def is_opposite(r: Rewriter, x: int, y: int) -> bool:
    return key_of(r, x) == opposite(key_of(r, y))


def less(r: Rewriter, x: Value, y: Value) -> Value:
    """x - y, by the terms of both: (a + b) - (a + c) is b - c."""
    left, right = terms(r, x.index), terms(r, y.index)
    if left is None or right is None:
        return x - y
    parts = dict(left[1])
    for node, factor in right[1].items():
        parts[node] = parts.get(node, Fraction(0)) - factor
    if len(parts) == len(left[1]) + len(right[1]):
        return x - y
    return r.f.wrap(built(r, left[0] - right[0], {node: factor for node, factor in parts.items() if factor}))


def halved(r: Rewriter, x: Value) -> Value:
    found = terms(r, x.index)
    if found is None or found[0] or len(found[1]) != 1:
        return x / 2
    return r.f.wrap(built(r, Fraction(0), {node: factor / 2 for node, factor in found[1].items()}))


def is_positive(parts: list[Term]) -> bool:
    return all(term.number is not None and term.number > 0 for term in parts)


def has_unknown(parts: list[Term]) -> bool:
    """Whether a weight is no number, whose sign nothing tells."""
    return any(term.number is None for term in parts)


def is_scalar(r: Rewriter, *nodes: int) -> bool:
    return not any(r.nodes[node].type.shape for node in nodes)


# Logarithms.


def logarithm_of_sum(r: Rewriter, parts: list[Term]) -> Value | None:
    """The logarithm of a sum of exponentials."""
    f = r.f
    parts = sorted(parts, key=lambda term: (term.key == ZERO, term.number != 1))
    a, *others = parts
    if not others:
        return a.exponent if a.number == 1 else f.log(a.weight) + a.exponent
    if len(others) == 1 and {a.number, others[0].number} == {1, -1}:
        b = others[0]
        return _logarithm_of_difference(r, a, b) if a.number == 1 else _logarithm_of_difference(r, b, a)
    if is_positive(parts):
        cosine = _logarithm_of_cosine(r, parts)
        if cosine is not None:
            return cosine
    if is_positive(parts) and (len(others) > 1 or all(term.number == 1 for term in parts)):
        total = lone_logarithm(a)
        for term in others:
            total = (
                f.softplus(total) if term.key == ZERO and term.number == 1 else f.logaddexp(total, lone_logarithm(term))
            )
        return total
    if len(others) == 1 and is_scalar(r, a.weight.index, others[0].weight.index, a.exponent.index):
        first, second = sorted(parts, key=lambda term: (term.number != 1, term.key != ZERO))
        return f.log_exp_sum(first.exponent, first.weight, second.exponent, second.weight)
    return None


def lone_logarithm(term: Term) -> Value:
    return term.exponent if term.number == 1 else term.exponent.f.log(term.weight) + term.exponent


def _logarithm_of_difference(r: Rewriter, plus: Term, minus: Term) -> Value:
    """log(exp(u) - exp(v)) for u > v."""
    f = r.f
    if minus.key == ZERO:
        return f.log_expm1(plus.exponent)
    above = -minus.exponent if plus.key == ZERO else less(r, plus.exponent, minus.exponent)
    near = f.log1mexp(above)
    return near if plus.key == ZERO else plus.exponent + near


def _logarithm_of_cosine(r: Rewriter, parts: list[Term]) -> Value | None:
    """c*(exp(u) + exp(-u)) = 2*c*cosh(u), and c*(exp(u) + 2 + exp(-u)) = 4*c*cosh(u/2)**2."""
    f = r.f
    a, b = parts[0], parts[1]
    if a.number is None or a.number != b.number or a.key != opposite(b.key):
        return None
    if len(parts) == 2:
        return f.log_cosh(a.exponent) + f.log(f.const(2 * a.number))
    if len(parts) == 3 and parts[2].key == ZERO and parts[2].number == 2 * a.number:
        return 2 * f.log_cosh(a.exponent / 2) + f.log(f.const(4 * a.number))
    return None
