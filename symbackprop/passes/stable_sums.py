"""Sums of exponentials and quotients by them, as users write softmax, log-likelihoods of mixtures and cross-entropies.

The naive forms overflow from 709.8 on, and their derivatives are inf/inf = nan there; below -745 they are log(0) and
0/0. The rows logsumexp, softmax and log_softmax are right to a few ulp of the largest exponent for all of them. Another
quotient by such a sum is an exponential of a difference; by a weighted sum, which may be negative, it is right whatever
the sign.
"""

from __future__ import annotations

from fractions import Fraction

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.ops.contraction import CONTRACT, DIAGONAL
from symbackprop.ops.indexing import GATHER, SLICE
from symbackprop.ops.reduction import REDUCE_SUM, spread
from symbackprop.ops.sums_of_exponentials import (
    LOG_SOFTMAX,
    LOGSUMEXP,
    SOFTMAX,
    WEIGHTED_LOGSUMEXP,
    WEIGHTED_SOFTMAX,
)
from symbackprop.passes.factors import all_factors, factors_and_others
from symbackprop.passes.rewrite import Rewriter, Rule
from symbackprop.passes.weighted_terms import (
    DEEPEST,
    MOST_FACTORS,
    VIEWS,
    Split,
    full,
    is_nonnegative,
    joined,
    seen,
    split_exponential,
    through_views,
)

_ADD, _SUB, _MUL, _DIV, _NEG, _POW, _ABS, _EXP, _LOG = (
    REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "pow", "abs", "exp", "log")
)
_NE, _SELECT = REGISTRY["ne"], REGISTRY["select"]
_PARTS = frozenset({SLICE, GATHER, DIAGONAL})
SUMS = frozenset({REDUCE_SUM, CONTRACT})
"""Sums over axes, of products or of two factors."""
_LOGARITHMS = frozenset({LOGSUMEXP, WEIGHTED_LOGSUMEXP})


# Logarithms.


def _log_of_sum(r: Rewriter, index: int) -> int | None:
    """The logarithm of a sum of exponentials; None for what is not one."""
    node = r.nodes[index]
    if node.op is REDUCE_SUM:
        operand = node.operands[0]
        found = split_exponential(r, operand)
        return None if found is None else _logarithm(r, _of_sums(r, found), operand, node.attributes)
    return _log_of_contraction(r, index) if node.op is CONTRACT else None


def _of_sums(r: Rewriter, found: Split) -> Split:
    """Weights that are sums of exponentials themselves, as in a chain of hidden states, as a part of the exponent."""
    if found.weight is None:
        return found
    inner, views = through_views(r, found.weight)
    own = logarithm_of_positive(r, inner)
    return found if own is None else Split(None, r.add(_ADD, (found.exponent, seen(r, own, views))))


def _logarithm(r: Rewriter, found: Split, like: int, axes: tuple[int, ...]) -> int:
    shape = r.nodes[like].type.shape
    exponent = full(r, found.exponent, shape)
    if found.weight is None:
        return r.structural(LOGSUMEXP, (exponent,), axes)
    return r.structural(WEIGHTED_LOGSUMEXP, (full(r, found.weight, shape), exponent), axes)


def _log_of_contraction(r: Rewriter, index: int) -> int | None:
    """A product of weights and exponentials where the latter have all axes that the weights have."""
    node = r.nodes[index]
    left, right, out = node.attributes
    for own, other, x, w in ((left, right, *node.operands), (right, left, *node.operands[::-1])):
        shape, weights = r.nodes[x].type.shape, r.nodes[w].type.shape
        lone = tuple(k for k, label in enumerate(other) if label not in own)
        found = split_exponential(r, x)
        if found is None or any(weights[k] != 1 for k in lone):
            continue
        squeezed = r.reduce_sum(w, lone)
        kept = tuple(label for label in other if label in own)
        weight = r.broadcast(squeezed, shape, tuple(own.index(label) for label in kept))
        total = weight if found.weight is None else r.add(_MUL, (found.weight, weight))
        axes = tuple(k for k, label in enumerate(own) if label not in out)
        value = _logarithm(r, _of_sums(r, Split(total, found.exponent)), x, axes)
        left_over = tuple(out.index(label) for label in own if label in out)
        return r.broadcast(value, node.type.shape, left_over) if left_over or node.type.shape else value
    return None


def _log(r: Rewriter, index: int, depth: int = 0) -> int | None:
    """The logarithm of what has a stable one: such a sum, a share in one, and products and quotients with these."""
    if depth > DEEPEST:
        return None
    node = r.nodes[index]
    if node.op in VIEWS or node.op in _PARTS:
        inner = _log(r, node.operands[0], depth + 1)
        return None if inner is None else seen(r, inner, (index,))
    if node.op is SOFTMAX:
        return r.structural(LOG_SOFTMAX, node.operands, node.attributes)
    if node.op is _EXP:
        return node.operands[0] if depth == 0 or _is_share(r, index) else None
    if node.op is _MUL or node.op is _DIV:
        logs = [_log(r, operand, depth + 1) for operand in node.operands]
        if logs == [None, None]:
            return None
        a, b = (r.add(_LOG, (o,)) if log is None else log for o, log in zip(node.operands, logs, strict=True))
        return r.add(_ADD if node.op is _MUL else _SUB, (a, b))
    return _log_of_sum(r, index)


def _is_share(r: Rewriter, index: int) -> bool:
    """Whether this is exp(u - log of a sum), or exp of minus one."""
    node = r.nodes[r.operands(index)[0]]
    if node.op is not _SUB and node.op is not _NEG:
        return False
    return r.nodes[through_views(r, node.operands[-1])[0]].op in _LOGARITHMS


def logarithm_of_positive(r: Rewriter, index: int) -> int | None:
    """The logarithm of a sum over axes of exponentials, whose weights are known to be none below zero."""
    if r.nodes[index].op not in SUMS:
        return None
    question = ("log of sum", index)
    if question not in r.memo:
        found = _log_of_sum(r, index)
        base = None if found is None else r.nodes[through_views(r, found)[0]]
        weighted = base is not None and base.op is WEIGHTED_LOGSUMEXP
        r.memo[question] = None if base is None or (weighted and not is_nonnegative(r, base.operands[0])) else found
    known: int | None = r.memo[question]
    return known


def size_and_sign(r: Rewriter, index: int) -> tuple[Value, Value] | None:
    """The logarithm of the size, and the sign, of a sum over axes of exponentials with weights of any sign."""
    found = _log_of_sum(r, index) if r.nodes[index].op in SUMS else None
    if found is None:
        return None
    base, views = through_views(r, found)
    op, operands, axes, _ = r.nodes[base]
    if op is not WEIGHTED_LOGSUMEXP:
        return None
    f, (w, u) = r.f, map(r.f.wrap, operands)
    # Shares have the sign of what they are divided by, which may have vanished itself.
    sign = f.sign(f.reduce_sum(f.weighted_softmax(w, u, axes), axes))
    size = f.weighted_logsumexp(w * spread(f, sign, f.shape(w), axes), u, axes)
    return f.wrap(seen(r, size.index, views)), f.wrap(seen(r, sign.index, views))


# Quotients.


def has_weighted_sum(r: Rewriter, x: int) -> bool:
    """Whether a factor is a sum of exponentials whose weights may be negative: it has no logarithm, but shares."""
    return any(
        r.nodes[node].op in SUMS and logarithm_of_positive(r, node) is None and _log_of_sum(r, node) is not None
        for node, _ in _powers(r, x)
    )


def share_of_sum(r: Rewriter, x: int, logarithm: int, times: int = 1) -> int | None:
    """x/exp(logarithm)**times, which sums of exponentials among the factors of x take up; None where none does."""
    left, total = times, None
    factors = _powers(r, x)
    for place, (node, power) in enumerate(factors):
        # What is left over is for the last one: sum(exp(2*u))/exp(v)**2 has one sum, sum(exp(u))**2/exp(v) half of v.
        is_last = not any(r.nodes[other].op in SUMS for other, _ in factors[place + 1 :])
        own = Fraction(left, power) if is_last else Fraction(1)
        share = None
        if 0 < own * power <= left:
            share = _sum_of_shares(r, node, r.add(_MUL, (r.const(own), logarithm)))
        if share is not None:
            left, node = left - int(own * power), share
        total = joined(r, total, node if power == 1 else r.add(_POW, (node, r.const(power))), _MUL)
    if left == times or total is None:
        return None
    return total if not left else r.add(_MUL, (total, r.add(_EXP, (r.add(_MUL, (r.const(-left), logarithm)),))))


def _powers(r: Rewriter, index: int) -> list[tuple[int, int]]:
    """The factors of a product, and of whole powers, each with its power."""
    found: list[tuple[int, int]] = []
    stack = [index]
    while stack:
        factor = stack.pop()
        node = r.nodes[factor]
        number = r.number(node.operands[1]) if node.op is _POW else None
        if node.op is _MUL and len(found) + len(stack) < MOST_FACTORS:
            stack += node.operands[::-1]
        elif number is not None and number.denominator == 1 and number > 0:
            found.append((node.operands[0], int(number)))
        else:
            found.append((factor, 1))
    return found


def _sum_of_shares(r: Rewriter, x: int, logarithm: int) -> int | None:
    """sum(w*exp(u))/exp(logarithm) as sum(w*exp(u - logarithm)); None where x is no such sum."""
    node = r.nodes[x]
    for position, operand in enumerate(node.operands if node.op in SUMS else ()):
        shape = r.nodes[operand].type.shape
        if node.op is REDUCE_SUM:
            places = tuple(axis for axis in range(len(shape)) if axis not in node.attributes)
        else:
            labels, out = node.attributes[position], node.attributes[2]
            if not set(out) <= set(labels):
                continue
            places = tuple(labels.index(label) for label in out)
        if split_exponential(r, operand) is not None:
            scalar = not r.nodes[logarithm].type.shape
            part = _share(r, operand, logarithm if scalar else r.broadcast(logarithm, shape, places))
            operands = tuple(full(r, part, shape) if k == position else o for k, o in enumerate(node.operands))
            return r.structural(node.op, operands, node.attributes)
    return None


def _share(r: Rewriter, x: int, logarithm: int) -> int:
    """x/exp(logarithm)."""
    found = split_exponential(r, x)
    if found is None:
        summed = share_of_sum(r, x, logarithm)
        if summed is not None:
            return summed
        scale = r.add(_EXP, (r.add(_NEG, (logarithm,)),))
        return r.add(_MUL, (x, scale))
    share = _softmax(r, found.exponent, logarithm)
    if share is None:
        share = r.add(_EXP, (r.add(_SUB, (found.exponent, logarithm)),))
    return share if found.weight is None else r.add(_MUL, (found.weight, share))


def _softmax(r: Rewriter, exponent: int, logarithm: int) -> int | None:
    base, _ = through_views(r, logarithm)
    node = r.nodes[base]
    if node.op not in _LOGARITHMS or node.operands[-1] != exponent:
        return None
    shape = r.nodes[exponent].type.shape
    kept = tuple(axis for axis in range(len(shape)) if axis not in node.attributes)
    if logarithm != base and logarithm != r.broadcast(base, shape, kept):
        return None
    if logarithm == base and kept:
        return None
    return r.structural(SOFTMAX if node.op is LOGSUMEXP else WEIGHTED_SOFTMAX, node.operands, node.attributes)


def _exp_of_share(r: Rewriter, x: int) -> int | None:
    return _softmax(r, *r.operands(x)) if r.is_op(x, _SUB) else None


def _over_sum(r: Rewriter, x: int, y: int) -> int | None:
    power = r.number(r.operands(y)[1]) if r.is_op(y, _POW) else None
    if power is not None and power.denominator == 1 and power > 1:
        logarithm = logarithm_of_positive(r, r.operands(y)[0])
        return None if logarithm is None else _over_power(r, x, logarithm, int(power))
    if r.is_op(y, _MUL):
        return _over_product(r, x, y)
    inner, outer = through_views(r, y)
    found = _log_of_sum(r, inner)
    if found is None:
        return None
    base, views = through_views(r, found)
    views = (*outer, *views)
    node = r.nodes[base]
    if node.op is not WEIGHTED_LOGSUMEXP or is_nonnegative(r, node.operands[0]):
        return _share(r, x, seen(r, base, views))
    # sum(w*exp(u)) = exp(m)*sum(w*exp(u - m)), where m is its logarithm by |w|: right whatever the sign of the sum.
    weight, exponent = node.operands
    sizes = r.add(_ABS, (weight,)), exponent
    size = r.structural(WEIGHTED_LOGSUMEXP, sizes, node.attributes)
    term = r.add(_MUL, (weight, r.structural(WEIGHTED_SOFTMAX, sizes, node.attributes)))
    terms = r.add(_SELECT, (r.add(_NE, (weight, r.const(0))), term, r.const(0)))
    total = r.reduce_sum(full(r, terms, r.nodes[exponent].type.shape), node.attributes)
    return r.add(_DIV, (_share(r, x, seen(r, size, views)), seen(r, total, views)))


def _over_product(r: Rewriter, x: int, y: int) -> int | None:
    """By such a sum first, and then by the other factors."""
    for factor, others in factors_and_others(r, y):
        if others is not None and r.nodes[through_views(r, factor)[0]].op in SUMS:
            share = _over_sum(r, x, factor)
            if share is not None:
                return r.add(_DIV, (share, others))
    return None


def _over_power(r: Rewriter, x: int, logarithm: int, times: int) -> int:
    """x/exp(logarithm)**times, as in a variance: sum(w*exp(u))**2/sum(exp(u))**2."""
    summed = share_of_sum(r, x, logarithm, times)
    return _share(r, x, r.add(_MUL, (r.const(times), logarithm))) if summed is None else summed


def _times_reciprocal(r: Rewriter, x: int, y: int) -> int | None:
    """A term times the reciprocal of a sum, which may be a factor of a product."""
    for value, product in ((x, y), (y, x)):
        factors = all_factors(r, product)
        for place, factor in enumerate(factors):
            inner, views = through_views(r, factor)
            if not (r.is_op(inner, _EXP) and r.is_op(r.operands(inner)[0], _NEG) and _is_share(r, inner)):
                continue
            found = split_exponential(r, value)
            if found is None or _is_reciprocal(r, found.exponent):
                break
            share = _share(r, value, seen(r, r.operands(r.operands(inner)[0])[0], views))
            for other in factors[:place] + factors[place + 1 :]:
                share = r.add(_MUL, (other, share))
            return share
    return None


def _is_reciprocal(r: Rewriter, exponent: int) -> bool:
    """Whether an exponent is minus the logarithm of a sum: two such factors stay two."""
    index, _ = through_views(r, exponent)
    return r.is_op(index, _NEG) and r.nodes[through_views(r, r.operands(index)[0])[0]].op in _LOGARITHMS


def _power_of_minus_one(r: Rewriter, x: int, y: int) -> int | None:
    return r.add(_DIV, (r.const(1), x)) if r.number(y) == -1 else None


def _total(f: object, x: object) -> object:
    """The sum of exponentials over the second axis, repeated along it."""
    return f.broadcast(f.reduce_sum(f.exp(x), (1,)), ("N", 3), (0,))  # type: ignore[attr-defined]


RULES = (
    Rule(
        "exp(x - logsumexp(x)) -> softmax(x)",
        "exp",
        _exp_of_share,
        lambda f, x, y, c: f.exp(x - f.broadcast(f.logsumexp(x, (1,)), ("N", 3), (0,))),
    ),
    Rule(
        "log(sum(exp(x))) -> logsumexp(x), and logarithms of other products with such sums",
        "log",
        _log,
        lambda f, x, y, c: f.log(f.reduce_sum(f.exp(x), (1,))),
    ),
    Rule(
        "exp(x)/sum(exp(x)) -> softmax(x), and other quotients by such a sum",
        "div",
        _over_sum,
        lambda f, x, y, c: f.exp(x) / _total(f, x),
    ),
    Rule(
        "exp(x)*exp(-logsumexp(x)) -> softmax(x)",
        "mul",
        _times_reciprocal,
        lambda f, x, y, c: f.exp(x) * f.broadcast(f.exp(-f.logsumexp(x, (1,))), ("N", 3), (0,)),
        needs=("logsumexp", "weighted_logsumexp"),
    ),
    Rule("x**-1 -> 1/x", "pow", _power_of_minus_one, lambda f, x, y, c: f.pow(x, f.const(-1))),
)
