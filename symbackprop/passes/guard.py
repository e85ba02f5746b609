"""An untaken branch contributes exactly nothing.

The reverse sweep multiplies a cotangent that is 0 in an untaken branch by partials that may be nan or infinite there,
and 0*nan is nan. So the zero is kept outermost: a gated value ``c ? a : 0`` takes products and quotients inside, sums
of gated values stay gated, and nested gates become one gate over a conjunction, which keeps a chain of n arms O(n).
"""

from __future__ import annotations

from symbackprop.ir import Graph
from symbackprop.ops import REGISTRY, Op
from symbackprop.passes.fold import fold
from symbackprop.passes.rewrite import Rewriter, Rule, sweep
from symbackprop.passes.simplify import RULES as SIMPLIFY_RULES

_ADD, _SUB, _MUL, _DIV, _NEG, _SELECT = (REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "select"))
_AND, _OR, _NOT = (REGISTRY[name] for name in ("logical_and", "logical_or", "logical_not"))


def _gate(r: Rewriter, index: int) -> tuple[int, int] | None:
    """(condition, value) of ``condition ? value : 0``."""
    if r.is_op(index, _SELECT):
        c, a, b = r.operands(index)
        if r.number(b) == 0:
            return c, a
    return None


def _gated(r: Rewriter, c: int, value: int) -> int:
    return r.add(_SELECT, (c, value, r.const(0)))


def _zero_last(r: Rewriter, c: int, a: int, b: int) -> int | None:
    if r.number(a) == 0 and r.number(b) is None:
        return _gated(r, r.add(_NOT, (c,)), b)
    return None


def _nested(r: Rewriter, c: int, a: int, b: int) -> int | None:
    inner = _gate(r, a) if r.number(b) == 0 else None
    return _gated(r, r.add(_AND, (c, inner[0])), inner[1]) if inner else None


def _into_product(r: Rewriter, x: int, y: int) -> int | None:
    gate = _gate(r, x)
    if gate:
        return _gated(r, gate[0], r.add(_MUL, (gate[1], y)))
    gate = _gate(r, y)
    return _gated(r, gate[0], r.add(_MUL, (x, gate[1]))) if gate else None


def _product_of_choice(r: Rewriter, x: int, y: int) -> int | None:
    # x*(c ? 1 : 0) is a gate already; x*(c ? 1 : -1) is c ? x : -x, without a multiplication.
    for value, choice in ((x, y), (y, x)):
        if r.is_op(choice, _SELECT):
            c, a, b = r.operands(choice)
            if {r.number(a), r.number(b)} <= {1, -1, 0} and r.number(b) != 0:
                arms = [_times_sign(r, value, r.number(arm)) for arm in (a, b)]
                return r.add(_SELECT, (c, *arms))
    return None


def _times_sign(r: Rewriter, value: int, sign: object) -> int:
    if sign == 0:
        return r.const(0)
    return value if sign == 1 else r.add(_NEG, (value,))


def _into_quotient(r: Rewriter, x: int, y: int) -> int | None:
    gate = _gate(r, x)
    return _gated(r, gate[0], r.add(_DIV, (gate[1], y))) if gate else None


def _into_negation(r: Rewriter, x: int) -> int | None:
    gate = _gate(r, x)
    return _gated(r, gate[0], r.add(_NEG, (gate[1],))) if gate else None


def _combine(op: Op) -> object:
    def combine(r: Rewriter, x: int, y: int) -> int | None:
        left, right = _gate(r, x), _gate(r, y)
        if not left or not right:
            return None
        (c, a), (d, b) = left, right
        if c == d:
            return _gated(r, c, r.add(op, (a, b)))
        # The raw sum stays inside: it is nan-free by itself, but a partial that multiplies it need not be.
        return _gated(r, r.add(_OR, (c, d)), r.plain(op, (x, y)))

    return combine


def _complementary_sum(r: Rewriter, x: int, y: int) -> int | None:
    left, right = _gate(r, x), _gate(r, y)
    if left and right:
        (c, a), (d, b) = left, right
        if r.is_op(d, _NOT) and r.operands(d)[0] == c:
            return r.add(_SELECT, (c, a, b))
        if r.is_op(c, _NOT) and r.operands(c)[0] == d:
            return r.add(_SELECT, (d, b, a))
    return None


RULES = (
    Rule("c ? 0 : x -> not c ? x : 0", "select", _zero_last, lambda f, x, y, c: f.select(c, 0, x)),
    Rule(
        "c ? (d ? x : 0) : 0 -> c and d ? x : 0",
        "select",
        _nested,
        lambda f, x, y, c: f.select(c, f.select(f.gt(x, y), x, 0), 0),
    ),
    Rule("(c ? x : 0)*y -> c ? x*y : 0", "mul", _into_product, lambda f, x, y, c: f.select(c, x, 0) * y),
    Rule("x*(c ? 1 : -1) -> c ? x : -x", "mul", _product_of_choice, lambda f, x, y, c: x * f.select(c, 1, -1)),
    Rule("(c ? x : 0)/y -> c ? x/y : 0", "div", _into_quotient, lambda f, x, y, c: f.select(c, x, 0) / y),
    Rule("-(c ? x : 0) -> c ? -x : 0", "neg", _into_negation, lambda f, x, y, c: -f.select(c, x, 0)),
    Rule(
        "(c ? x : 0) + (not c ? y : 0) -> c ? x : y",
        "add",
        _complementary_sum,
        lambda f, x, y, c: f.select(c, x, 0) + f.select(f.logical_not(c), y, 0),
    ),
    Rule(
        "(c ? x : 0) + (d ? y : 0) -> gated sum",
        "add",
        _combine(_ADD),  # type: ignore[arg-type]
        lambda f, x, y, c: f.select(c, x, 0) + f.select(f.gt(x, y), y, 0),
    ),
    Rule(
        "(c ? x : 0) - (d ? y : 0) -> gated difference",
        "sub",
        _combine(_SUB),  # type: ignore[arg-type]
        lambda f, x, y, c: f.select(c, x, 0) - f.select(f.gt(x, y), y, 0),
    ),
)


def guard(graph: Graph, values: int = 0) -> Graph:
    """Keep gates outermost, simplifying on the way.

    The first `values` outputs are the user's own expressions: what they are made of keeps IEEE's 0*nan = nan.
    """
    rewriter = Rewriter(RULES + SIMPLIFY_RULES, fold, spared=SIMPLIFY_RULES)
    return sweep(graph, rewriter, graph.reaching(graph.outputs[:values]) if values else None)
