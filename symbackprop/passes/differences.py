"""Differences of close numbers, as what they are and not as what is left of two roundings.

A sum whose constants cancel is made of the rests (`passes.offsets`); the differences of one function at two points go
through the difference of the points (`passes.apart`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import compress, islice, product

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import CONST, INPUT
from symbackprop.passes.apart import apart
from symbackprop.passes.asymptotes import beyond_asymptote
from symbackprop.passes.common_factors import Quotient, without_common
from symbackprop.passes.companions import identities
from symbackprop.passes.deviance import deviances
from symbackprop.passes.offsets import Offset, Parts, built, minus, offset, square_of, terms, with_term
from symbackprop.passes.rewrite import Rewriter, Rule
from symbackprop.passes.stirling import beside_stirling

_ADD, _SUB, _MUL, _DIV, _NEG, _POW, _SQRT, _LOG = (
    REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "pow", "sqrt", "log")
)
_SQUARES, _ONE_MINUS_SQUARE, _HYPOT = (
    REGISTRY[name] for name in ("difference_of_squares", "one_minus_square", "hypot")
)
_ROOTS = frozenset({_SQRT, _HYPOT, REGISTRY["norm_root"]})
_WITH_COMPLEMENTS = _ROOTS | {REGISTRY[name] for name in ("softplus", "logaddexp", "cosh")}
Form = Callable[[Rewriter, Fraction, Parts], int | None]
_NONE, _ONE = Fraction(0), Fraction(1)
_MOST_CHOICES = 64
_DEEPEST = 2


def _difference(r: Rewriter, x: int, y: int, sign: int) -> int | None:
    """x + sign*y, in the first of the forms below that fits."""
    # Differences inside differences inside a difference are not what users write, and grow like powers.
    if r.nested > _DEEPEST:
        return None
    r.nested += 1
    try:
        return _formed(r, x, y, sign)
    finally:
        r.nested -= 1


def _formed(r: Rewriter, x: int, y: int, sign: int) -> int | None:
    left = terms(r, x)
    right = None if left is None else terms(r, y)
    if left is None or right is None:
        return None
    (c, a), (d, b) = left, right
    parts = dict(a)
    for node, factor in b.items():
        signed = factor if sign > 0 else -factor
        parts[node] = parts[node] + signed if node in parts else signed
    constant = (c + d if sign > 0 else c - d) if d else c
    # What both sides have in common cancels here, and not after two roundings; what they count twice, where the rest
    # may cancel it: of t/2 - s + t/2 no rule would see both halves.
    cancelled = not all(parts.values()) or (c and not constant)
    counted_twice = len(parts) < len(a) + len(b) and min(len(a), len(b)) == 1 and len(parts) == 2
    if cancelled or (counted_twice and not constant and len({factor > 0 for factor in parts.values()}) == 2):
        parts = {node: factor for node, factor in parts.items() if factor}
        if parts:
            return built(r, constant, parts)
    if not parts:
        return None
    return _in_a_form(r, constant, parts, _FORMS)


def _in_a_form(r: Rewriter, constant: Fraction, parts: Parts, forms: Sequence[Form]) -> int | None:
    for form in forms:
        found = form(r, constant, parts)
        if found is not None:
            return found
    return None


def _add(r: Rewriter, x: int, y: int) -> int | None:
    return _difference(r, x, y, 1)


def _sub(r: Rewriter, x: int, y: int) -> int | None:
    return _difference(r, x, y, -1)


def _with_common_factor(r: Rewriter, constant: Fraction, parts: Parts) -> int | None:
    """y*exp(u) - y = y*(exp(u) - 1), as adjoints are: what reaches a node by two ways carries one cotangent."""
    split = None if constant or len(parts) < 2 else without_common(r.nodes, list(parts), r.taken_apart)
    if split is None:
        return None
    common, others = split
    number, rest = _NONE, dict[int, Fraction]()
    if not _may_cancel(r, others):
        return None
    for quotient, factor in zip(others, parts.values(), strict=True):
        if quotient.is_number:
            number += factor * quotient.number
        else:
            alone = quotient._replace(number=_ONE).built(r.f).index
            rest = with_term(rest, alone, factor * quotient.number)
    rest = {node: factor for node, factor in rest.items() if factor}
    found = _in_a_form(r, number, rest, _ALONE)
    return None if found is None else (common.built(r.f) * r.f.wrap(found)).index


def _may_cancel(r: Rewriter, terms: list[Quotient]) -> bool:
    """Whether a form may find something in the sum of these, before any of them is built. Products of inputs are none,
    and of three terms and more two are near numbers, or differ in the argument of one function.
    """
    if any(term.is_number for term in terms):
        return True
    if all(_is_of_inputs(r, term) for term in terms):
        return False
    if len(terms) == 2 or any(term.below or len(term.above) == 1 for term in terms):
        return True
    near = [term for term in terms if all(offset(r, factor) is not None for factor in term.above)]
    return len(near) > 1


def _is_of_inputs(r: Rewriter, term: Quotient) -> bool:
    factors = (*term.above, *term.below)
    return len(set(factors)) == len(factors) and all(r.nodes[factor].op is INPUT for factor in factors)


# Sums of squares with both signs.


_WITH_COMPANIONS = frozenset({"sin", "cos", "tanh", "sech", "cosh", "sec", "erf", "logistic"})


def _squares(r: Rewriter, constant: Fraction, parts: Parts) -> int | None:
    """1 - u**2 and u**2 - v**2, times a number."""
    roots = [(square_of(r, node), factor) for node, factor in parts.items()]
    if any(root is None for root, _ in roots) or len(roots) + (constant != 0) != 2:
        return None
    f = r.f
    (u, factor), *others = [(f.wrap(root), factor) for root, factor in roots if root is not None]
    inner = r.nodes[u.index].op
    if constant:
        # cos(u)**2 beside 1 has a companion.
        if constant != -factor or inner.name in _WITH_COMPANIONS:
            return None
        return (constant * f.one_minus_square(u)).index
    ((v, other),) = others
    if factor != -other:
        return None
    if inner.name == "cos" and r.nodes[v.index].op.name == "sin" and r.operands(u.index) == r.operands(v.index):
        return (factor * f.cos(2 * f.wrap(r.operands(u.index)[0]))).index
    if factor < 0:
        u, v, factor = v, u, -factor
    apart = minus(r, u.index, v.index)
    difference = f.difference_of_squares(u, v) if apart is None else f.wrap(apart) * (u + v)
    return (factor * difference).index


# Sums whose constants cancel.


def _companions(r: Rewriter, constant: Fraction, parts: Parts) -> int | None:
    """1 - tanh(u), 1 + erf(u), 1 - sin(u)**2 and their like: one term takes up the constant whole."""
    if not constant:
        return None
    for node, factor in parts.items():
        for value, rest in identities(r, node):
            if constant + factor * value == 0:
                return built(r, _NONE, with_term({n: c for n, c in parts.items() if n != node}, rest, factor))
    return None


def _rests(r: Rewriter, constant: Fraction, parts: Parts) -> int | None:
    """exp(u) - 1, 1 - sqrt(1 + u), cosh(u) - cos(v): terms give up constants that cancel."""
    if not constant and len(parts) < 2:
        return None
    known = [_offset_of_term(r, node) for node in parts]
    if not any(known):
        return None
    given = [found[0] * factor if found else None for found, factor in zip(known, parts.values(), strict=True)]
    for chosen in _cancelling(constant, given):
        if not constant and sum(chosen) < 2:
            continue
        rests: Parts = {}
        for found, taken, (node, factor) in zip(known, chosen, parts.items(), strict=True):
            rests = with_term(rests, found[1] if found and taken else node, factor)
        return built(r, _NONE, rests)
    return None


def _cancelling(constant: Fraction, given: list[Fraction | None]) -> Iterator[tuple[bool, ...]]:
    """Which of the numbers that terms give add up to nothing with a constant: a few choices are looked at, one by one.

    In whole numbers of their common denominator: of seven terms sums of fractions took 5 ms.
    """
    scale = math.lcm(constant.denominator, *[number.denominator for number in given if number is not None])
    whole = [0 if number is None else int(number * scale) for number in given]
    start = int(constant * scale)
    choices = product(*[(False,) if number is None else (False, True) for number in given])
    for chosen in islice(choices, 1, _MOST_CHOICES):
        if start + sum(compress(whole, chosen)) == 0:
            yield chosen


def _offset_of_term(r: Rewriter, node: int) -> Offset | None:
    return offset(r, node) if r.nodes[node].op is not CONST else None


def _quotient_and_number(r: Rewriter, constant: Fraction, parts: Parts) -> int | None:
    """n/d - c = (n - c*d)/d, where n and c*d have a term in common."""
    if not constant or len(parts) != 1:
        return None
    ((node, factor),) = parts.items()
    if not r.is_op(node, _DIV):
        return None
    n, d = r.operands(node)
    scaled = r.add(_MUL, (r.const(-constant / factor), d))
    rest = minus(r, n, scaled) if r.number(n) is None else None
    return None if rest is None else (factor * (r.f.wrap(rest) / r.f.wrap(d))).index


def _complements(r: Rewriter, constant: Fraction, parts: Parts) -> int | None:
    """pi/2 - atan(u), cosh(u) - sinh(u), softplus(u) - u, sqrt(u**2 + c) - u and sqrt(u**2 + c) + u."""
    if len(parts) == 1:
        return _of_quarter(r, constant, *next(iter(parts.items())))
    if constant or len(parts) != 2:
        return None
    (first, factor), (second, other) = parts.items()
    for (x, a), (y, b) in (((first, factor), (second, other)), ((second, other), (first, factor))):
        if r.nodes[x].op not in _WITH_COMPLEMENTS:
            continue
        name = r.nodes[y].op.name
        f = r.f
        if a == -b and r.nodes[x].op.name == "softplus" and r.operands(x) == (y,):
            return (a * f.softplus(-f.wrap(y))).index
        if a == -b and r.nodes[x].op.name == "logaddexp":
            others = _others(r, x, y)
            if others is not None:
                return (a * f.softplus(f.wrap(others) - f.wrap(y))).index
        if a == -b and name == "sinh" and r.nodes[x].op.name == "cosh" and r.operands(x) == r.operands(y):
            return (a * f.exp(-f.wrap(r.operands(y)[0]))).index
        if abs(a) == abs(b) and r.nodes[x].op in _ROOTS:
            conjugate = _over_conjugate(r, x, y, -1 if a == -b else 1)
            if conjugate is not None:
                return (a * conjugate).index
    return None


def _others(r: Rewriter, index: int, u: int) -> int | None:
    """logaddexp of the operands of nested ones besides u, None where u is not one of them."""
    leaves, stack = [], [index]
    while stack:
        node = stack.pop()
        if r.nodes[node].op.name == "logaddexp":
            stack += r.operands(node)[::-1]
        else:
            leaves.append(node)
    if leaves.count(u) != 1:
        return None
    leaves.remove(u)
    total = leaves[0]
    for leaf in leaves[1:]:
        total = r.add(REGISTRY["logaddexp"], (total, leaf))
    return total


def _of_quarter(r: Rewriter, constant: Fraction, node: int, factor: Fraction) -> int | None:
    """c*(pi/2 - atan(u)), and of asin and acos; pi/2 has been folded to a double."""
    if r.nodes[node].op.name not in _OF_QUARTER or abs(constant + factor * _QUARTER) > _DIGITS_OF_PI:
        return None
    f = r.f
    return (-factor * _OF_QUARTER[r.nodes[node].op.name](f, f.wrap(r.operands(node)[0]))).index


# Folded constants are rationals of many digits.
_QUARTER, _DIGITS_OF_PI = Fraction(math.pi) / 2, Fraction(1, 10**15)
_OF_QUARTER: dict[str, Callable[..., Value]] = {
    "atan": lambda f, u: f.atan2(f.const(1), u),
    "asin": lambda f, u: f.acos(u),
    "acos": lambda f, u: f.asin(u),
}


def _over_conjugate(r: Rewriter, root: int, other: int, sign: int) -> Value | None:
    """sqrt(u) - v = (u - v**2)/(sqrt(u) + v) for v > 0, where v**2 is a term of u; sqrt(u) + v for v < 0."""
    f = r.f
    v = f.wrap(other)
    rest = beside_square(r, root, r.operands(other)[0] if r.nodes[other].op.name == "abs" else other)
    if rest is None:
        return None
    # Where the other form is taken v stands for itself, so that no sweep finds this difference again.
    cancels = f.gt(-sign * v, 0)
    near = f.wrap(rest) / (f.wrap(root) - sign * f.select(cancels, v, -sign))
    return f.select(cancels, near, f.wrap(root) + sign * f.select(cancels, 0, v))


def _share_of_conjugate(r: Rewriter, x: int, y: int) -> int | None:
    """(sqrt(b**2 - 4*a*c) - b)/(2*a), without a, whose slope would be left of 1/a**2 - 1/a**2; and one over it."""
    for conjugate, other in ((x, y), (y, x)):
        number, node = _multiple(r, conjugate)
        rest = _rest_of_conjugate(r, node) if r.number(other) is None else None
        shared = None if rest is None else without_common(r.nodes, (rest, other), r.taken_apart)
        if shared is None:
            continue
        f, (above, below) = r.f, shared[1]
        cancels, near, apart = (f.wrap(operand) for operand in r.operands(node))
        ratio, whole = above.built(f) / below.built(f), f.wrap(r.operands(near.index)[1])
        if conjugate == x:
            return (number * f.select(cancels, ratio / whole, apart / f.wrap(y))).index
        return (f.select(cancels, whole / ratio, f.wrap(x) / apart) / number).index
    return None


def _multiple(r: Rewriter, index: int) -> tuple[Fraction, int]:
    """A number times a node."""
    constant, parts = terms(r, index) or (_ONE, {})
    if constant or len(parts) != 1:
        return _ONE, index
    ((node, factor),) = parts.items()
    return factor, node


def _rest_of_conjugate(r: Rewriter, index: int) -> int | None:
    """w, of c ? w/(root + v) : root - v."""
    if not r.is_op(index, REGISTRY["select"]) or not r.is_op(r.operands(index)[1], _DIV):
        return None
    rest, below = r.operands(r.operands(index)[1])
    apart = r.operands(index)[2]
    if any(r.nodes[node].op not in (_ADD, _SUB) for node in (below, apart)):
        return None
    roots = set(r.operands(below)) & set(r.operands(apart))
    return rest if any(r.nodes[node].op in _ROOTS for node in roots) else None


def beside_square(r: Rewriter, root: int, u: int) -> int | None:
    """w, of sqrt(u**2 + w)."""
    if r.is_op(root, _HYPOT):
        for own, leg in (r.operands(root), r.operands(root)[::-1]):
            if own == u:
                return r.add(_MUL, (leg, leg))
        return None
    index = r.operands(root)[0]
    node = r.nodes[index]
    if node.op is _SQUARES and node.operands[0] == u:
        return r.add(_NEG, (r.add(_MUL, (node.operands[1], node.operands[1])),))
    if node.op is _NEG and r.is_op(node.operands[0], _ONE_MINUS_SQUARE) and r.operands(node.operands[0]) == (u,):
        return r.const(-1)
    constant, parts = terms(r, index) or (_NONE, {})
    for term, factor in parts.items():
        if factor == 1 and square_of(r, term) == u:
            return built(r, constant, {n: c for n, c in parts.items() if n != term})
    return None


_FIRST: tuple[Form, ...] = (_squares, _companions, deviances, apart, beside_stirling)
_LAST: tuple[Form, ...] = (_rests, _quotient_and_number, _complements, beyond_asymptote)
_ALONE = (*_FIRST, *_LAST)
# A factor that is near 1 is no rest where it is common to all terms.
_FORMS = (*_FIRST, _with_common_factor, *_LAST)

_WIDE = (-700.0, 700.0)

RULES = (
    Rule(
        "exp(x) - 1 -> expm1(x), and other differences",
        "sub",
        _sub,
        lambda f, x, y, c: f.exp(x) - 1,
        domain=(_WIDE,),
        before=3e6,
        after=2,
    ),
    Rule(
        "cos(x) + -1 -> cosm1(x), and other differences",
        "add",
        _add,
        lambda f, x, y, c: f.cos(x) + (-1),
        domain=((-6, 6),),
        before=1e15,
        after=3,
    ),
    Rule(
        "(sqrt(x**2 + y) - x)/y -> 1/(sqrt(x**2 + y) + x), where x is positive",
        "div",
        _share_of_conjugate,
        lambda f, x, y, c: f.select(f.gt(x, 0), y / (f.sqrt(x * x + y) + x), f.sqrt(x * x + y) - x) / y,
        domain=((-300, 300), (1e-6, 300)),
        before=1e10,
        after=10,
    ),
)
