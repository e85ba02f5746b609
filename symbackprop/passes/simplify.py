"""Identities that hold for every double, infinities and nan included, up to the sign of a zero.

One is better than true: x*(1/y) -> x/y rounds once, and is finite in places where 1/y has overflowed. What is merely
usually right (x*0 -> 0, x/x -> 1, x - x -> 0) is not here.
"""

from __future__ import annotations

from fractions import Fraction

from symbackprop.ir import Graph
from symbackprop.ops import REGISTRY
from symbackprop.ops.contraction import BROADCAST
from symbackprop.passes.arrays import RULES as ARRAY_RULES
from symbackprop.passes.fold import fold
from symbackprop.passes.gathers import RULES as GATHER_RULES
from symbackprop.passes.orientation import RULES as ORIENTATION_RULES
from symbackprop.passes.rewrite import Rewriter, Rule, sweep

_ADD, _SUB, _MUL, _DIV, _NEG, _POW, _ABS, _SELECT, _NOT = (
    REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "pow", "abs", "select", "logical_not")
)


_TINY, _HUGE = Fraction(1, 10**290), Fraction(10**290)


_NORMS = frozenset({REGISTRY["hypot"]})


def _is(r: Rewriter, index: int, number: int) -> bool:
    # Comparing a Fraction with an int goes through three abstract classes, and takes ten times as long.
    found = r.number(index)
    return found is not None and found.as_integer_ratio() == (number, 1)


def _add_zero(r: Rewriter, x: int, y: int) -> int | None:
    if _is(r, y, 0):
        return _like(r, x, y)
    return _like(r, y, x) if _is(r, x, 0) else None


def _like(r: Rewriter, kept: int, dropped: int) -> int | None:
    """`kept`, unless dropping the other operand would lose the shape of the result."""
    return kept if not r.nodes[dropped].type.shape or r.nodes[kept].type.shape else None


def _negated(r: Rewriter, index: int) -> int | None:
    """u of -u; and of -u that is repeated, which saves an array of its own."""
    if r.is_op(index, _NEG):
        return r.operands(index)[0]
    if r.is_op(index, BROADCAST) and r.is_op(r.operands(index)[0], _NEG):
        return r.broadcast(r.operands(r.operands(index)[0])[0], *r.nodes[index].attributes)
    return None


def _add_negative(r: Rewriter, x: int, y: int) -> int | None:
    for other, negative in ((x, y), (y, x)):
        positive = _negated(r, negative)
        if positive is not None:
            return r.add(_SUB, (other, positive))
    number = r.number(y)
    return r.add(_SUB, (x, r.const(-number))) if number is not None and number < 0 else None


def _add_itself(r: Rewriter, x: int, y: int) -> int | None:
    # Exact, and one operand to read.
    return r.add(_MUL, (r.const(2), x)) if x == y else None


def _constant_last(r: Rewriter, x: int, y: int) -> int | None:
    return r.add(_ADD, (y, x)) if r.number(x) is not None and r.number(y) is None else None


def _sub_zero(r: Rewriter, x: int, y: int) -> int | None:
    if _is(r, y, 0):
        return x
    return r.add(_NEG, (y,)) if _is(r, x, 0) else None


def _sub_negative(r: Rewriter, x: int, y: int) -> int | None:
    positive = _negated(r, y)
    if positive is not None:
        return r.add(_ADD, (x, positive))
    positive = _negated(r, x)
    return r.add(_NEG, (r.add(_ADD, (positive, y)),)) if positive is not None else None


def _sub_known(r: Rewriter, x: int, y: int) -> int | None:
    # x - y = -(y - x), exactly. Differences from a number have a form of their own.
    if r.number(x) is not None or r.number(y) is not None:
        return None
    known = r.known(_SUB, (y, x))
    return r.add(_NEG, (known,)) if known is not None else None


def _fma(r: Rewriter, x: int, y: int, t: int) -> int | None:
    return r.add(_ADD, (r.add(_MUL, (x, y)), t))


def _mul_one(r: Rewriter, x: int, y: int) -> int | None:
    for kept, factor in ((y, x), (x, y)):
        number = r.number(factor)
        ratio = None if number is None else number.as_integer_ratio()
        if ratio == (1, 1):
            return kept
        if ratio == (-1, 1):
            return r.add(_NEG, (kept,))
    return None


def _mul_negative(r: Rewriter, x: int, y: int) -> int | None:
    for other, negative in ((y, x), (x, y)):
        positive = _negated(r, negative)
        if positive is not None:
            number = r.number(other)
            if number is not None:
                return r.add(_MUL, (r.const(-number), positive))
            return r.add(_NEG, (r.add(_MUL, (positive, y) if negative == x else (x, positive)),))
    return None


def _constant_first(r: Rewriter, x: int, y: int) -> int | None:
    return r.add(_MUL, (y, x)) if r.number(y) is not None and r.number(x) is None else None


def _mul_constants(r: Rewriter, x: int, y: int) -> int | None:
    # c*(d*z) = (c*d)*z, with c*d exact: one rounding instead of two. Likewise (c*w)*(z/c) = w*z.
    if r.is_op(x, _MUL) and r.is_op(y, _MUL):
        (c, w), (d, z) = r.operands(x), r.operands(y)
        first, second = r.number(c), r.number(d)
        # In whole numbers: a product of Fractions takes 2 us.
        if first and second and first.numerator * second.numerator == first.denominator * second.denominator:
            return r.add(_MUL, (w, z))
    outer = r.number(x)
    if outer and r.is_op(y, _MUL):
        a, b = r.operands(y)
        inner = r.number(a)
        # Not where c*d leaves the range of doubles and x would have brought it back.
        if inner and _TINY < abs(scale := outer * inner) < _HUGE:
            return r.add(_MUL, (r.const(scale), b))
    return None


def _mul_reciprocal(r: Rewriter, x: int, y: int) -> int | None:
    # x*(1/y) = x/y: one rounding instead of two, and one operation.
    for other, quotient in ((x, y), (y, x)):
        if r.is_op(quotient, _DIV):
            numerator, denominator = r.operands(quotient)
            if _is(r, numerator, 1):
                return r.add(_DIV, (other, denominator))
    return None


def _div_one(r: Rewriter, x: int, y: int) -> int | None:
    if _is(r, y, 1):
        return x
    return r.add(_NEG, (x,)) if _is(r, y, -1) else None


def _div_negative(r: Rewriter, x: int, y: int) -> int | None:
    if r.is_op(x, _NEG):
        return r.add(_NEG, (r.add(_DIV, (r.operands(x)[0], y)),))
    if r.is_op(y, _NEG):
        return r.add(_NEG, (r.add(_DIV, (x, r.operands(y)[0])),))
    return None


def _first_power(r: Rewriter, x: int, y: int) -> int | None:
    return _like(r, x, y) if _is(r, y, 1) else None


def _even_power(r: Rewriter, x: int, y: int) -> int | None:
    number = r.number(y)
    is_even = number is not None and number.denominator == 1 and number.numerator % 2 == 0
    return r.add(_POW, (r.operands(x)[0], y)) if is_even and r.is_op(x, _NEG) else None


def _neg_neg(r: Rewriter, x: int) -> int | None:
    return r.operands(x)[0] if r.is_op(x, _NEG) else None


def _neg_sub(r: Rewriter, x: int) -> int | None:
    # -(c - x) = x - c, exact. Only from a constant: elsewhere c - x is often needed itself.
    if r.is_op(x, _SUB) and r.number(r.operands(x)[0]) is not None:
        a, b = r.operands(x)
        return r.add(_SUB, (b, a))
    return None


def _neg_product(r: Rewriter, x: int) -> int | None:
    if r.is_op(x, _MUL):
        a, b = r.operands(x)
        number = r.number(a)
        if number is not None:
            return r.add(_MUL, (r.const(-number), b))
    return None


def _abs_of_sign(r: Rewriter, x: int) -> int | None:
    if r.is_op(x, _NEG):
        return r.add(_ABS, (r.operands(x)[0],))
    return x if r.nodes[x].op in _NOT_NEGATIVE else None


_NOT_NEGATIVE = frozenset(REGISTRY[name] for name in ("abs", "exp", "cosh", "logistic", "softplus"))


def _select_known(r: Rewriter, c: int, a: int, b: int) -> int | None:
    node = r.nodes[c]
    if node.attributes is True:
        return _like(r, a, b)
    if node.attributes is False:
        return _like(r, b, a)
    return a if a == b and not r.nodes[c].type.shape else None


def _not_not(r: Rewriter, c: int) -> int | None:
    return r.operands(c)[0] if r.is_op(c, _NOT) else None


def _and_known(r: Rewriter, a: int, b: int) -> int | None:
    for known, other in ((a, b), (b, a)):
        if r.nodes[known].attributes is True:
            return other
        if r.nodes[known].attributes is False:
            return known
    return a if a == b else None


def _xor_known(r: Rewriter, a: int, b: int) -> int | None:
    for known, other in ((a, b), (b, a)):
        if r.nodes[known].attributes is False:
            return other
        if r.nodes[known].attributes is True:
            return r.add(_NOT, (other,))
    return None


def _or_known(r: Rewriter, a: int, b: int) -> int | None:
    for known, other in ((a, b), (b, a)):
        if r.nodes[known].attributes is False:
            return other
        if r.nodes[known].attributes is True:
            return known
    return a if a == b else None


def _never_zero(r: Rewriter, x: int, y: int) -> int | None:
    for norm, other in ((x, y), (y, x)):
        if r.nodes[norm].op in _NORMS and _is(r, other, 0) and any(map(r.number, r.operands(norm))):
            return r.const(False)
    return None


RULES: tuple[Rule, ...] = (
    *ARRAY_RULES,
    *GATHER_RULES,
    *ORIENTATION_RULES,
    Rule(
        "hypot(x, 1) == 0 -> False",
        "eq",
        _never_zero,
        lambda f, x, y, c: f.select(f.eq(f.hypot(x, 1), 0), y, x),
        needs=("hypot",),
        among=("hypot",),
    ),
    Rule("x + 0 -> x", "add", _add_zero, lambda f, x, y, c: x + 0, among=("const",)),
    Rule("x + -y -> x - y", "add", _add_negative, lambda f, x, y, c: x + -y, among=("neg", "const", "broadcast")),
    Rule("x + x -> 2*x", "add", _add_itself, lambda f, x, y, c: f.sin(x) + f.sin(x)),
    Rule("c + x -> x + c", "add", _constant_last, lambda f, x, y, c: 3 + x, among=("const",)),
    # No target has a fused one; what x*y + t is has rules.
    Rule("fma(x, y, t) -> x*y + t", "fma", _fma, lambda f, x, y, c: f.fma(x, y, x)),
    Rule("x - 0 -> x", "sub", _sub_zero, lambda f, x, y, c: x - 0, among=("const",)),
    Rule("x - -y -> x + y", "sub", _sub_negative, lambda f, x, y, c: x - -y, among=("neg", "broadcast")),
    Rule("y - x -> -(x - y)", "sub", _sub_known, lambda f, x, y, c: f.sin(x - y) * (y - x)),
    Rule("x*1 -> x", "mul", _mul_one, lambda f, x, y, c: x * 1, among=("const",)),
    Rule("-x*y -> -(x*y)", "mul", _mul_negative, lambda f, x, y, c: -x * y, among=("neg", "broadcast")),
    Rule("x*c -> c*x", "mul", _constant_first, lambda f, x, y, c: x * 3, among=("const",)),
    Rule("c*(d*x) -> (c*d)*x", "mul", _mul_constants, lambda f, x, y, c: 3 * (5 * x), among=("mul",)),
    Rule("x*(1/y) -> x/y", "mul", _mul_reciprocal, lambda f, x, y, c: x * (1 / y), among=("div",)),
    Rule("x/1 -> x", "div", _div_one, lambda f, x, y, c: x / 1, among=("const",)),
    Rule("-x/y -> -(x/y)", "div", _div_negative, lambda f, x, y, c: -x / y, among=("neg",)),
    Rule("x**1 -> x", "pow", _first_power, lambda f, x, y, c: f.pow(x, f.const(1)), among=("const",)),
    Rule("(-x)**2 -> x**2", "pow", _even_power, lambda f, x, y, c: f.pow(-x, f.const(2)), among=("neg",)),
    Rule("--x -> x", "neg", _neg_neg, lambda f, x, y, c: -(-x), among=("neg",)),  # noqa: B002
    Rule("-(c - x) -> x - c", "neg", _neg_sub, lambda f, x, y, c: -(3 - x), among=("sub",)),
    Rule("-(c*x) -> (-c)*x", "neg", _neg_product, lambda f, x, y, c: -(3 * x), among=("mul",)),
    Rule("|-x| -> |x|", "abs", _abs_of_sign, lambda f, x, y, c: f.abs(-x)),
    Rule("|exp(x)| -> exp(x)", "abs", _abs_of_sign, lambda f, x, y, c: f.abs(f.exp(x))),
    Rule("c ? x : x -> x", "select", _select_known, lambda f, x, y, c: f.select(c, x, x)),
    Rule(
        "not not c -> c",
        "logical_not",
        _not_not,
        lambda f, x, y, c: f.select(f.logical_not(f.logical_not(c)), x, y),
    ),
    Rule("c and c -> c", "logical_and", _and_known, lambda f, x, y, c: f.select(f.logical_and(c, c), x, y)),
    Rule(
        "false xor c -> c",
        "logical_xor",
        _xor_known,
        lambda f, x, y, c: f.select(f.logical_xor(f.const(False), c), x, y),
    ),
    Rule("c or c -> c", "logical_or", _or_known, lambda f, x, y, c: f.select(f.logical_or(c, c), x, y)),
)


def simplify(graph: Graph) -> Graph:
    """Fold constants and apply the identities above, and those of `passes.arrays`."""
    return sweep(graph, simplifier())


def simplifier() -> Rewriter:
    """A builder that folds constants and applies the identities above."""
    return Rewriter(RULES, fold)
