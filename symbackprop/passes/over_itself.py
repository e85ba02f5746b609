"""A function over its own argument, where that is small far out: exp(x)*sin(exp(-x)), (1 + x**2)*atan(1/(1 + x**2)).

The value has all its digits, and tends to 1; of the slope, a difference of two numbers of that size, nothing is left
where the argument is small. Beside the product stands the series of the function over its argument.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import reduce

from symbackprop.ops import REGISTRY, Op
from symbackprop.passes.exponential_sums import key_of, scaled
from symbackprop.passes.factors import all_factors
from symbackprop.passes.like_arguments import ORDERS, over_argument
from symbackprop.passes.offsets import terms
from symbackprop.passes.rewrite import Rewriter, Rule
from symbackprop.passes.secants import multiple
from symbackprop.passes.series import near

_MUL, _DIV, _POW, _EXP, _EXPM1, _LOGISTIC, _CLOGLOG, _SELECT = (
    REGISTRY[name] for name in ("mul", "div", "pow", "exp", "expm1", "logistic", "cloglog_inverse", "select")
)
_UPSIDE_DOWN = {REGISTRY[one]: REGISTRY[other] for one, other in (("sech", "cosh"), ("csch", "sinh"))}
_SUMS = frozenset({REGISTRY["add"], REGISTRY["sub"]})
_MULTIPLES = _SUMS | {REGISTRY["neg"], _MUL, _DIV}
_SMALL = frozenset({_DIV, _EXP, _LOGISTIC, *_UPSIDE_DOWN})
_FUNCTIONS = {function: order for function, order in ORDERS.items() if order > 0}
_NAMES = tuple(sorted(op.name for op in (*_FUNCTIONS, _CLOGLOG)))


def _over_itself(r: Rewriter, x: int, y: int) -> int | None:
    """g(u)*v among factors, where v is u**-n and g(u) is like u**n."""
    functions = _small_far_out(r, x) + _small_far_out(r, y)
    factors = all_factors(r, x) + all_factors(r, y) if functions else []
    for function in functions:
        op, order, u, sign = _read(r, function)
        for other in factors:
            size, series = _times_power(r, u, other, order), over_argument(op)
            if size is None or series is None or function not in factors:
                continue
            f, rest = r.f, list(factors)
            rest.remove(function)
            rest.remove(other)
            polynomial, is_near = near(f.wrap(u), series)
            # The product itself sees nothing that is near: neither 0 times infinity, nor this rule once more.
            far = r.plain(_MUL, (function, f.select(is_near, 1, f.wrap(other)).index))
            found = f.select(is_near, sign * size * polynomial, f.wrap(far))
            return math.prod(map(f.wrap, rest), start=found).index
    return None


def _small_far_out(r: Rewriter, index: int) -> tuple[int, ...]:
    """The factors that are such functions of what may be small far out. Most products have none, and few steps here."""
    question = ("functions of what is small far out", index)
    found: tuple[int, ...] | None = r.memo.get(question)
    if found is None:
        op, operands = r.nodes[index].op, r.operands(index)
        if op is _MUL:
            found = _small_far_out(r, operands[0]) + _small_far_out(r, operands[1])
        elif op is _CLOGLOG:
            found = (index,)
        else:
            function = _function(r, index)
            found = (index,) if function and r.nodes[_parts(r, function[1])[1]].op in _SMALL else ()
        r.memo[question] = found
    return found


def _function(r: Rewriter, index: int) -> tuple[Op, int] | None:
    """g and u of g(u), also where `passes.near` has put another form beside it for u near 1."""
    op, operands = r.nodes[index].op, r.operands(index)
    if op is _SELECT and r.nodes[operands[2]].op in _FUNCTIONS:
        condition, _, direct = operands
        inner = r.operands(direct)[0]
        if r.is_op(inner, _SELECT) and r.operands(inner)[0] == condition and r.number(r.operands(inner)[1]) == 0:
            return r.nodes[direct].op, r.operands(inner)[2]
    return (op, operands[0]) if op in _FUNCTIONS else None


def _by_argument(r: Rewriter, x: int, y: int) -> int | None:
    """g(u)/u or u/g(u) among factors, where g(u) has another form beside it: `passes.removable` sees no function of u
    alone.
    """
    f, above, below = r.f, all_factors(r, x), all_factors(r, y)
    for functions, others in ((above, below), (below, above)):
        for node in functions:
            function = _function(r, node) if r.is_op(node, _SELECT) else None
            if function is None or _FUNCTIONS[function[0]] != 1 or function[1] not in others:
                continue
            series = over_argument(function[0])
            if series is None:
                continue
            g, u = f.wrap(node), f.wrap(function[1])
            functions.remove(node)
            others.remove(u.index)
            polynomial, is_near = near(u, series)
            # The quotient itself sees nothing that is near: neither 0/0, nor this rule once more.
            one, other = (g, f.select(is_near, 1, u)) if functions is above else (f.select(is_near, 1, u), g)
            far = f.wrap(r.plain(_DIV, (one.index, other.index)))
            quotient = f.select(is_near, polynomial if functions is above else 1 / polynomial, far)
            return (
                math.prod(map(f.wrap, above), start=quotient) / math.prod(map(f.wrap, below), start=f.const(1))
            ).index
    return None


def _read(r: Rewriter, index: int) -> tuple[Op, int, int, int]:
    """g, the power that it is like, u and the sign of a factor sign*g(u)."""
    function = _function(r, index)
    if function is None:
        return _EXPM1, 1, (-r.f.exp(r.f.wrap(r.operands(index)[0]))).index, -1
    return function[0], _FUNCTIONS[function[0]], function[1], 1


def _times_power(r: Rewriter, u: int, v: int, order: int) -> Fraction | None:
    """The number v*u**order, if it is one."""
    (number, base), (factor, power) = _parts(r, u), _parts(r, v)
    op = r.nodes[base].op
    if op is _DIV:
        # Over another variable it may be small near 0 as well, which is for `passes.removable`.
        above, divisor = r.number(r.operands(base)[0]), r.operands(base)[1]
        return factor * (number * above) ** order if above and _is_power(r, power, divisor, order) else None
    if op is _EXP:
        inner = key_of(r, r.operands(base)[0])
        reciprocal = r.is_op(power, _EXP) and key_of(r, r.operands(power)[0]) == scaled(inner, -order)
    elif op is _LOGISTIC:
        found = terms(r, power) or (Fraction(0), {})
        inner = scaled(key_of(r, r.operands(base)[0]), -1)
        alone = found[0] == 1 and list(found[1].values()) == [1]
        reciprocal = (
            alone and order == 1 and any(r.is_op(k, _EXP) and key_of(r, r.operands(k)[0]) == inner for k in found[1])
        )
    else:
        other = _UPSIDE_DOWN.get(op)
        reciprocal = (
            order == 1 and other is not None and r.is_op(power, other) and r.operands(power) == r.operands(base)
        )
    return factor * number**order if reciprocal else None


def _parts(r: Rewriter, index: int) -> tuple[Fraction, int]:
    """A number, and what it multiplies."""
    found = terms(r, index)
    if found is None or found[0] or len(found[1]) != 1:
        return Fraction(1), index
    ((node, number),) = found[1].items()
    return number, node


def _is_power(r: Rewriter, index: int, base: int, power: int) -> bool:
    if power == 1:
        return index == base
    if r.is_op(index, _POW):
        return r.operands(index)[0] == base and r.number(r.operands(index)[1]) == power
    return r.is_op(index, _MUL) and power == 2 and r.operands(index) == (base, base)


def _beside_its_argument(r: Rewriter, x: int, y: int) -> int | None:
    """A product of g(u) and a multiple c*u of its argument that is another sum: 1/10 - v/100 beside expm1(1 - v/10), as
    the rates of Hodgkin and Huxley come out of SymPy. Through u alone both vanish together.
    """
    return _through_argument(r, all_factors(r, x) + all_factors(r, y), [])


def _over_its_argument(r: Rewriter, x: int, y: int) -> int | None:
    return _through_argument(r, all_factors(r, x), all_factors(r, y))


def _through_argument(r: Rewriter, above: list[int], below: list[int]) -> int | None:
    f, factors = r.f, above + below
    sums = [place for place, node in enumerate(factors) if r.nodes[node].op in _SUMS]
    arguments = [r.operands(node)[0] for node in factors if r.nodes[node].op in ORDERS] if sums else []
    for u in arguments:
        for place in sums if r.nodes[u].op in _MULTIPLES else ():
            ratio = None if factors[place] in arguments else multiple(r, factors[place], u)
            if ratio:
                # The number apart: -1 times a sum would be another sum. No rule sees parts of the product.
                factors[place] = u
                product = _plain_product(r, factors[: len(above)])
                divisor = _plain_product(r, factors[len(above) :])
                found = f.wrap(r.plain(_DIV, (product, divisor)) if below else product)
                return ((ratio if place < len(above) else 1 / ratio) * found).index
    return None


def _plain_product(r: Rewriter, factors: list[int]) -> int:
    return reduce(lambda a, b: r.plain(_MUL, (a, b)), factors) if factors else r.const(1)


RULES = (
    Rule(
        "exp(x)*sin(exp(-x)) -> its series in exp(-x) beside it, and likewise of others over their own argument",
        "mul",
        _over_itself,
        lambda f, x, y, c: f.exp(x) * f.sin(f.exp(-x)),
        domain=((0.0, 40.0), (0.0, 1.0)),
        needs=_NAMES,
        among=(*_NAMES, "mul", "select"),
        before=math.inf,
        after=4,
    ),
    Rule(
        "asin(erfc(x))/erfc(x) -> the series of asin(u)/u in u = erfc(x) beside it",
        "div",
        _by_argument,
        # As `passes.near` has it.
        lambda f, x, y, c: (
            f.select(
                f.lt(f.erf(x), Fraction(1, 2)),
                f.acos(f.erf(x)),
                f.asin(f.select(f.lt(f.erf(x), Fraction(1, 2)), 0, f.erfc(x))),
            )
            / f.erfc(x)
        ),
        domain=((0.5, 26.0),),
        needs=("asin", "atanh"),
        among=("select", "mul"),
        before=math.inf,
        after=40,
    ),
)

ARGUMENT_RULES = (
    Rule(
        "(2 - x/4)*reciprocal_expm1(8 - x) -> 1/4*((8 - x)*reciprocal_expm1(8 - x)), and likewise of others",
        "mul",
        _beside_its_argument,
        lambda f, x, y, c: (2 - x / 4) * f.reciprocal_expm1(8 - x),
        domain=((7.9, 8.1),),
        needs=tuple(sorted(op.name for op in ORDERS)),
        among=(*sorted(op.name for op in ORDERS), "mul"),
    ),
    Rule(
        "(2 - x/4)/expm1(8 - x) -> 1/4*((8 - x)/expm1(8 - x)), and likewise of others",
        "div",
        _over_its_argument,
        lambda f, x, y, c: (2 - x / 4) / f.expm1(8 - x),
        domain=((7.9, 8.1),),
        needs=tuple(sorted(op.name for op in ORDERS)),
    ),
)
"""Alone they change nothing: that the two are functions of one node is for `passes.removable`."""
