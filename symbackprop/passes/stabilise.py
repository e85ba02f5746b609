"""Accurate forms for what users write: the naive form loses its value or its derivative somewhere, the row does not.

The logistic function as quotients of exponentials: at x = -710 the naive 1/(1 + exp(-x)) has a gradient of 0*inf = nan,
and log(1 + exp(x)) is inf from 709.8 on. Both rows are right to 2 ulp for every x.
"""

from __future__ import annotations

from symbackprop.ir import Graph
from symbackprop.ops import REGISTRY
from symbackprop.ops.contraction import BROADCAST, RESHAPE, TRANSPOSE
from symbackprop.ops.reduction import REDUCE_SUM
from symbackprop.passes.fold import fold
from symbackprop.passes.rewrite import Rewriter, Rule, sweep
from symbackprop.passes.simplify import RULES as SIMPLIFY_RULES
from symbackprop.passes.stable_sums import RULES as SUM_RULES

_ADD, _MUL, _NEG, _EXP = (REGISTRY[name] for name in ("add", "mul", "neg", "exp"))
_LOGISTIC, _SOFTPLUS = REGISTRY["logistic"], REGISTRY["softplus"]
_POW, _NORM_ROOT = REGISTRY["pow"], REGISTRY["norm_root"]


def _exponent_beside_one(r: Rewriter, index: int) -> int | None:
    """u, if the node is exp(u) + 1."""
    if r.is_op(index, _ADD):
        for term, other in (r.operands(index), r.operands(index)[::-1]):
            if r.number(other) == 1 and r.is_op(term, _EXP):
                return r.operands(term)[0]
    return None


def _quotient(r: Rewriter, x: int, y: int) -> int | None:
    u = _exponent_beside_one(r, y)
    if u is None:
        return None
    if r.is_op(x, _EXP) and r.operands(x)[0] == u:
        return r.add(_LOGISTIC, (u,))
    return r.add(_MUL, (x, r.add(_LOGISTIC, (r.add(_NEG, (u,)),))))


def _logarithm(r: Rewriter, x: int) -> int | None:
    u = _exponent_beside_one(r, x)
    return None if u is None else r.add(_SOFTPLUS, (u,))


def _one_plus(r: Rewriter, x: int) -> int | None:
    return r.add(_SOFTPLUS, (r.operands(x)[0],)) if r.is_op(x, _EXP) else None


def _root_of_squares(r: Rewriter, x: int) -> int | None:
    """A norm: its gradient at the origin is 0, where that of the root is infinite and those of the squares are 0."""
    stack = [x]
    for _ in range(_MOST_SQUARES):
        if not stack:
            return r.add(_NORM_ROOT, (x,))
        node = r.nodes[stack.pop()]
        if node.op in _PASSED:
            stack.extend(node.operands)
        elif not (node.op is _MUL and node.operands[0] == node.operands[1]) and not (
            node.op is _POW and r.number(node.operands[1]) == 2
        ):
            return None
    return None


_PASSED = frozenset({_ADD, REDUCE_SUM, BROADCAST, RESHAPE, TRANSPOSE})
# Longer sums of single squares are not looked through; sums over an axis are one step.
_MOST_SQUARES = 64

RULES = (
    Rule("sqrt(x**2 + y**2) -> norm", "sqrt", _root_of_squares, lambda f, x, y, c: f.sqrt(x * x + f.pow(y, 2))),
    Rule("x/(exp(y) + 1) -> x*logistic(-y)", "div", _quotient, lambda f, x, y, c: x / (f.exp(y) + 1)),
    Rule("exp(x)/(exp(x) + 1) -> logistic(x)", "div", _quotient, lambda f, x, y, c: f.exp(x) / (f.exp(x) + 1)),
    Rule("log(exp(x) + 1) -> softplus(x)", "log", _logarithm, lambda f, x, y, c: f.log(f.exp(x) + 1)),
    Rule("log1p(exp(x)) -> softplus(x)", "log1p", _one_plus, lambda f, x, y, c: f.log1p(f.exp(x))),
    *SUM_RULES,
)


def stabilise(graph: Graph) -> Graph:
    """Recognise the families above, simplifying on the way."""
    return sweep(graph, Rewriter(RULES + SIMPLIFY_RULES, fold))
