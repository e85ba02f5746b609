"""What a node is beside a constant: z = c + rest, where the rest is computed without subtracting c.

cos(u) is 1 + cosm1(u), 1/(1 + d) is 1 - d/(1 + d), sqrt(1 + d) is 1 + d/(sqrt(1 + d) + 1), and so on through products
and quotients. Sums in which the constants cancel are built from the rests; see `passes.differences`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import isqrt
from typing import Any

from symbackprop.ir import Node
from symbackprop.ops import REGISTRY, Op
from symbackprop.ops.leaves import CONST
from symbackprop.ops.reduction import REDUCE_PROD
from symbackprop.passes.rewrite import Rewriter

_ADD, _SUB, _MUL, _DIV, _NEG, _POW, _SQRT = (
    REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "pow", "sqrt")
)
_ONE_MINUS_SQUARE, _POW1P, _SQRT_SLOPE, _SECH, _EXP2, _SELECT = (
    REGISTRY[name] for name in ("one_minus_square", "pow1p", "sqrt_slope", "sech", "exp2", "select")
)
_EXPM1, _LOGISTIC, _SINM1 = (REGISTRY[name] for name in ("expm1", "logistic", "sinm1"))
DEEPEST = 6
MOST_TERMS = 8
"""Longer sums are left as they are: they are data, not identities."""

_NONE, _ONE, _MINUS_ONE = Fraction(0), Fraction(1), Fraction(-1)
Parts = dict[int, Fraction]
"""Terms of a sum, with their coefficients."""
_UNKNOWN: Any = object()
Offset = tuple[Fraction, int]
"""The constant, and the node of the rest."""


def _of_row(names: str) -> dict[Op, Op]:
    pairs = [pair.split(":") for pair in names.split()]
    return {REGISTRY[row]: REGISTRY[rest] for row, rest in pairs}


# f(u) = 1 + g(u), and f(u)**2 = 1 + s*g(u)**2.
_ONE_AND = _of_row("exp:expm1 cos:cosm1 cosh:coshm1")
# f(u) = 1/(1 + g(u)) = 1 - g(u)*f(u).
_RECIPROCALS = _of_row("sec:cosm1")
# f(u) = 1 + s*u**2*f(u), and 1 + s*(u*f(u))**2/(1 + f(u)): the derivatives of inverse functions.
_BY_SQUARE = {REGISTRY["atan_slope"]: -1, REGISTRY["atanh_slope"]: 1}
_BY_ROOT_OF_SQUARE = {REGISTRY["asin_slope"]: 1, REGISTRY["asinh_slope"]: -1}
# f(u)/u = 1 + (f(u) - u)/u, which has a series.
_LIKE_THEIR_ARGUMENT = {
    REGISTRY[name] for name in ("sin", "tan", "sinh", "tanh", "asin", "atan", "asinh", "atanh", "expm1", "log1p")
}


def terms(r: Rewriter, index: int) -> tuple[Fraction, Parts] | None:
    """A sum as its constant and the coefficients of its other terms; None where there are more than a few."""
    known: tuple[Fraction, Parts] | None = r.memo.get(("terms", index), _UNKNOWN)
    if known is _UNKNOWN:
        known = r.memo["terms", index] = _terms(r, index)
    return known


def _terms(r: Rewriter, index: int) -> tuple[Fraction, Parts] | None:
    nodes = r.nodes
    if not _is_taken_apart(nodes, nodes[index]):
        return _NONE, {index: _ONE}
    constant = _NONE
    found: Parts = {}
    stack: list[tuple[int, Fraction]] = [(index, _ONE)]
    for _ in range(4 * MOST_TERMS):
        if not stack:
            return (constant, found) if len(found) <= MOST_TERMS else None
        current, factor = stack.pop()
        op, operands, number, _ = nodes[current]
        if op is _ADD or op is _SUB:
            inner = r.memo.get(("terms", current), _UNKNOWN)
            if inner is None:
                return None
            if inner is not _UNKNOWN:
                constant = constant + factor * inner[0] if inner[0] else constant
                for term, coefficient in inner[1].items():
                    _count(found, term, coefficient if factor is _ONE else factor * coefficient)
                continue
            other = (_MINUS_ONE if factor is _ONE else -factor) if op is _SUB else factor
            stack += [(operands[1], other), (operands[0], factor)]
        elif not _is_taken_apart(nodes, nodes[current]):
            _count(found, current, factor)
        elif op is CONST:
            constant = (constant + number if constant else number) if factor is _ONE else constant + factor * number
        elif op is _NEG:
            stack.append((operands[0], _MINUS_ONE if factor is _ONE else -factor))
        elif op is _MUL:
            scale = nodes[operands[0]].attributes
            stack.append((operands[1], scale if factor is _ONE else factor * scale))
        else:
            stack.append((operands[0], factor / nodes[operands[1]].attributes))
    return None


def _is_taken_apart(nodes: Sequence[Node], node: Node) -> bool:
    """Whether a term is a number, a sum, or a number times something else; most are none of these."""
    op = node.op
    if op is _MUL:
        return _is_rational(nodes[node.operands[0]])
    if op is _DIV:
        divisor = nodes[node.operands[1]]
        return _is_rational(divisor) and bool(divisor.attributes)
    return op is _ADD or op is _SUB or op is _NEG or (op is CONST and _is_rational(node))


def _is_rational(node: Node) -> bool:
    return node.op is CONST and type(node.attributes) is Fraction


def _count(found: Parts, term: int, factor: Fraction) -> None:
    total = found[term] + factor if term in found else factor
    if total:
        found[term] = total
    else:
        found.pop(term, None)


def built(r: Rewriter, constant: Fraction, parts: Mapping[int, Fraction]) -> int:
    """The sum with this constant and these terms, positive ones first."""
    order = sorted(parts.items(), key=lambda part: part[1] < 0)
    total: int | None = None
    for node, factor in order:
        size = abs(factor)
        term = node if size == 1 else r.add(_MUL, (r.const(size), node))
        if total is None:
            total = term if factor > 0 else r.add(_NEG, (term,))
        else:
            total = r.add(_ADD if factor > 0 else _SUB, (total, term))
    if total is None:
        return r.const(constant)
    return r.add(_ADD, (total, r.const(constant))) if constant else total


def with_term(parts: Parts, node: int, factor: Fraction) -> Parts:
    """A rest may itself be a number times a node, or a sum."""
    return {**parts, node: _more(parts, node, factor)}


def _more(parts: Parts, node: int, factor: Fraction) -> Fraction:
    """The coefficient of a term that comes so often more; mostly it comes once, and sums of Fractions are slow."""
    return parts[node] + factor if node in parts else factor


def is_like(r: Rewriter, index: int, u: int) -> bool:
    """Whether this is sin(u) or another function whose quotient by u is near 1."""
    return r.nodes[index].op in _LIKE_THEIR_ARGUMENT and r.operands(index) == (u,)


def square_of(r: Rewriter, index: int) -> int | None:
    node = r.nodes[index]
    if node.op is _POW:
        number = r.number(node.operands[1])
        return node.operands[0] if number is not None and number.as_integer_ratio() == (2, 1) else None
    return node.operands[0] if node.op is _MUL and node.operands[0] == node.operands[1] else None


def minus(r: Rewriter, x: int, y: int) -> int | None:
    """x - y, where a term that is no number cancels; None where none does."""
    left, right = terms(r, x), terms(r, y)
    if left is None or right is None:
        return None
    (c, a), (d, b) = left, right
    rest = dict(a)
    for node, factor in b.items():
        rest[node] = _more(rest, node, -factor)
    rest = {node: factor for node, factor in rest.items() if factor}
    return built(r, c - d, rest) if len(rest) < max(len(a), len(b)) else None


def offset(r: Rewriter, index: int, depth: int = 0) -> Offset | None:
    """The constant that a node is near where its operands are 0, and the rest; None where there is none."""
    if depth > DEEPEST:
        return None
    # Nearer the top more might be seen than what was found, or not, at this depth.
    known: Offset | int = r.memo.get(("offset", index), DEEPEST + 1)
    if not isinstance(known, int):
        return known
    if depth >= known:
        return None
    found = _found(r, index, depth)
    r.memo["offset", index] = depth if found is None else found
    return found


def _found(r: Rewriter, index: int, depth: int) -> Offset | None:
    node = r.nodes[index]
    operands = node.operands
    if node.op in _ONE_AND:
        return _ONE, r.add(_ONE_AND[node.op], operands)
    if node.op in _RECIPROCALS:
        f = r.f
        return _ONE, (-(f.apply(_RECIPROCALS[node.op], f.wrap(operands[0])) * f.wrap(index))).index
    if node.op is _SINM1:
        return Fraction(-1), r.f.sin(r.f.wrap(operands[0])).index
    if node.op is _EXP2:
        return _ONE, r.f.expm1(r.f.wrap(operands[0]) * r.f.log(r.f.const(2))).index
    if node.op is _SECH:
        # 1 - sech(u) = tanh(u)*tanh(u/2), nothing of whose slope cancels; that of coshm1(u)*sech(u) is 0 from 37 on.
        u = r.f.wrap(operands[0])
        return _ONE, (-(r.f.tanh(u) * r.f.tanh(u / 2))).index
    if node.op in _BY_SQUARE or node.op in _BY_ROOT_OF_SQUARE:
        return _of_inverse_slope(r, index)
    if node.op is _SQRT_SLOPE:
        return _of_root_slope(r, index, depth)
    if node.op is _ONE_MINUS_SQUARE:
        return _ONE, r.add(_NEG, (r.add(_MUL, (operands[0], operands[0])),))
    if node.op is _POW1P:
        return _ONE, r.add(REGISTRY["pow1pm1"], operands)
    if node.op is _ADD or node.op is _SUB:
        return _of_sum(r, index, depth)
    if node.op is _NEG:
        inner = offset(r, operands[0], depth + 1)
        return None if inner is None else (-inner[0], r.add(_NEG, (inner[1],)))
    if node.op is _SQRT:
        return _of_root(r, index, depth)
    if node.op is _POW:
        return _of_power(r, index, depth)
    if node.op is REGISTRY["gamma"]:
        whole, rest = offset(r, operands[0], depth + 1) or (_NONE, -1)
        return (_ONE, r.add(REGISTRY["gammam1"], (operands[0], rest, r.const(whole)))) if whole in (1, 2) else None
    if node.op is REGISTRY["sinc"]:
        u = r.f.wrap(operands[0])
        return _ONE, ((r.f.sin(u) - u) / u).index
    if node.op is _DIV and is_like(r, operands[0], operands[1]):
        return _ONE, r.add(_DIV, (r.add(_SUB, operands), operands[1]))
    if node.op is _MUL or node.op is _DIV:
        return _of_product(r, index, depth)
    if node.op is _SELECT and r.is_op(operands[1], _POW1P):
        # u**a by 1 + d where u is near 1, and as it is elsewhere: see `passes.near_one`.
        f, near = r.f, r.add(REGISTRY["pow1pm1"], r.operands(operands[1]))
        return _ONE, f.select(f.wrap(operands[0]), f.wrap(near), f.wrap(operands[2]) - 1).index
    return _of_product_over_axis(r, index, depth) if node.op is REDUCE_PROD else None


def _of_product_over_axis(r: Rewriter, index: int, depth: int) -> Offset | None:
    """Of factors beside 1, which tend to it far out where they are 1 - exp(u) or 1/(1 + exp(-u))."""
    f, (factor,) = r.f, r.operands(index)
    op, operands, *_ = r.nodes[factor]
    if op is _NEG and r.is_op(operands[0], _EXPM1):
        rest = -f.exp(f.wrap(r.operands(operands[0])[0]))
    elif op is _LOGISTIC:
        rest = -f.logistic(-f.wrap(operands[0]))
    else:
        constant, beside = offset(r, factor, depth + 1) or (_NONE, -1)
        if constant != 1:
            return None
        rest = f.wrap(beside)
    full = rest if f.shape(rest) else f.fill(rest, r.nodes[factor].type.shape)
    return _ONE, f.product_less_one(full, r.nodes[index].attributes).index


def _of_sum(r: Rewriter, index: int, depth: int) -> Offset | None:
    found = terms(r, index)
    if found is None:
        return None
    constant, parts = found
    rests: dict[int, Fraction] = {}
    for node, factor in parts.items():
        # A symbolic power is near 1 for small exponents, and beside a number it is as likely to be small itself.
        inner = None if constant and r.is_op(node, _POW) else offset(r, node, depth + 1)
        if inner is not None:
            constant += factor * inner[0]
            node = inner[1]
        rests[node] = _more(rests, node, factor)
    return (constant, built(r, _NONE, rests)) if constant and rests else None


def _of_root(r: Rewriter, index: int, depth: int) -> Offset | None:
    inner = offset(r, r.operands(index)[0], depth + 1)
    if inner is None or inner[0] <= 0:
        return None
    square, rest = inner
    root = Fraction(isqrt(square.numerator), isqrt(square.denominator))
    if root * root != square:
        return None
    return root, r.add(REGISTRY["root_near"], (r.operands(index)[0], rest, r.const(root)))


def _of_inverse_slope(r: Rewriter, index: int) -> Offset | None:
    # Of atan_slope(3 + sin(x)) the rest is larger than the whole; the rests of products of such grew to 1e14.
    own = terms(r, r.operands(index)[0])
    if own is None or own[0]:
        return None
    node, z = r.nodes[index], r.f.wrap(index)
    u = r.f.wrap(node.operands[0])
    rest = u * z * (u if node.op in _BY_SQUARE else u * z / (1 + z))
    sign = _BY_SQUARE[node.op] if node.op in _BY_SQUARE else _BY_ROOT_OF_SQUARE[node.op]
    return _ONE, (rest if sign > 0 else -rest).index


def _of_root_slope(r: Rewriter, index: int, depth: int) -> Offset | None:
    """1/(2*sqrt(u)) = 1/(2*c) - (sqrt(u) - c)/(2*c*sqrt(u))."""
    root = _of_root(r, index, depth)
    if root is None:
        return None
    c, rest = root
    return 1 / (2 * c), (r.f.wrap(rest) * r.f.wrap(index) / -c).index


def _of_power(r: Rewriter, index: int, depth: int) -> Offset | None:
    base, exponent = r.operands(index)
    number, power = r.number(base), r.number(exponent)
    if number is not None:
        return (_ONE, r.add(REGISTRY["powm1"], (base, exponent))) if number > 0 else None
    inner = offset(r, base, depth + 1)
    if inner is None and power is None:
        return _ONE, r.add(REGISTRY["powm1"], (base, exponent))
    if inner is None:
        return None
    constant, rest = inner
    if power == 2:
        return constant**2, r.add(_MUL, (rest, r.plain(_ADD, (base, r.const(constant)))))
    return (_ONE, r.add(REGISTRY["pow1pm1"], (rest, exponent))) if constant == 1 else None


def _of_product(r: Rewriter, index: int, depth: int) -> Offset | None:
    """(a + d)*(b + e) = a*b + d*(b + e) + a*e, and (a + d)/(b + e) = a/b + (b*d - a*e)/(b*(b + e))."""
    x, y = r.operands(index)
    number = r.number(x)
    if number and r.is_op(index, _DIV) and r.nodes[y].op is _POW1P:
        # The slope of 1 - 1/(1 + u)**n as a quotient is a difference: 64 ulp at n*u = 100.
        u, n = r.operands(y)
        return number, (number * r.f.pow1pm1(r.f.wrap(u), -r.f.wrap(n))).index
    (a, d), (b, e) = (_known(r, operand, depth) for operand in (x, y))
    if not a or not b or (d is None and e is None):
        return None
    parts: dict[int, Fraction] = {}
    if r.is_op(index, _MUL):
        if d is not None:
            parts[r.add(_MUL, (d, y))] = _ONE
        if e is not None:
            parts[e] = _more(parts, e, a)
        return a * b, built(r, _NONE, parts)
    for rest, factor in ((d, b), (e, -a)):
        if rest is None:
            continue
        # The rests' own terms: (1 + x)/(1 - x) has d - e = x + x.
        found = terms(r, rest)
        for part, coefficient in found[1].items() if found and not found[0] else ((rest, 1),):
            parts[part] = _more(parts, part, factor * coefficient)
    parts = {part: factor for part, factor in parts.items() if factor}
    if not parts:
        return None
    return a / b, r.add(_DIV, (built(r, _NONE, parts), r.add(_MUL, (r.const(b), y))))


def _known(r: Rewriter, index: int, depth: int) -> tuple[Fraction, int | None]:
    """A number without a rest, an offset, or (0, None)."""
    number = r.number(index)
    if number is not None:
        return number, None
    return offset(r, index, depth + 1) or (_NONE, None)
