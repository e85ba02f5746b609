"""Products and quotients with tails or poles: each factor overflows or vanishes, the product does not.

exp(u**2)*erfc(u) is inf*0 from u = 26.6 on, and gamma(p)/gamma(p + q) inf/inf from 171.6 on; gamma(u) and digamma(u)
have a pole at 0, which u takes away; of u/softplus(u) all but exp(-u) cancels in the derivative.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.offsets import is_like, terms
from symbackprop.passes.powers import number_and_powers, raised
from symbackprop.passes.rewrite import Rewriter, Rule

_ADD, _MUL, _DIV, _POW, _EXP, _ERFC, _BETA = (
    REGISTRY[name] for name in ("add", "mul", "div", "pow", "exp", "erfc", "beta")
)
_LAMBERTW = REGISTRY["lambertw"]
_SOFTPLUS, _OVER_SOFTPLUS, _SOFTPLUS_SHARE = (
    REGISTRY[name] for name in ("softplus", "over_softplus", "softplus_share")
)
# A coefficient like 1/sqrt(2) has 40 digits.
_SAME = Fraction(1, 10**35)
_MOST_FACTORS = 6


def _scaled(r: Rewriter, index: int) -> tuple[Fraction, int]:
    """A node as a number times another."""
    if r.is_op(index, _MUL) and r.number(r.operands(index)[0]) is not None:
        factor, base = r.operands(index)
        return r.number(factor) or Fraction(0), base
    found = terms(r, index)
    if found is None or found[0] or len(found[1]) != 1:
        return Fraction(1), index
    ((inner, scale),) = found[1].items()
    return scale, inner


def _is_square(r: Rewriter, index: int, root: int, sign: int) -> bool:
    """Whether this is sign*root**2."""
    factor, base = _scaled(r, root)
    number, square = _scaled(r, index)
    node = r.nodes[square]
    if (node.op is _MUL and node.operands[0] == node.operands[1]) or (
        node.op is _POW and r.number(node.operands[1]) == 2
    ):
        inner = node.operands[0]
    else:
        return False
    own, base_of_inner = _scaled(r, inner)
    return base_of_inner == base and abs(sign * number * own**2 - factor**2) < _SAME


def _product(r: Rewriter, x: int, y: int) -> int | None:
    for a, b in ((x, y), (y, x)):
        if not (r.is_op(a, _EXP) or r.is_op(a, _ERFC)):
            continue
        # x*exp(x**2) beside erfc(x): the partner may be one factor of a product.
        for own, others in _factors(r, b):
            for first, second in ((a, own), (own, a)):
                found = _tail(r, first, second)
                if found is not None:
                    return found if others is None else r.add(_MUL, (others, found))
    return None


def _without_pole(r: Rewriter, x: int, y: int) -> int | None:
    """u*gamma(u), u*digamma(u) and u*beta(u, v), u up to a number, among other factors."""
    for a, b in ((x, y), (y, x)):
        for own, others in along(r, b):
            for function, factor in ((a, own), (own, a)):
                found = _times_function(r, factor, function)
                if found is not None:
                    number, product = found
                    for other in others if number == 1 else (*others, r.const(number)):
                        product = r.add(_MUL, (other, product))
                    return product
    return None


def _times_function(r: Rewriter, factor: int, function: int) -> tuple[Fraction, int] | None:
    """A product with a function that has a pole where the factor is 0: a number, and what it multiplies."""
    operands = tuple(map(r.f.wrap, r.operands(function)))
    for position, without in _POLES.get(r.nodes[function].op, {}).items():
        u = operands[position].index
        ratio = ratio_of(r, factor, u)
        if ratio is not None:
            return ratio, without(r, *operands).index
        if r.is_op(function, _BETA) and ratio_of(r, u, operands[1 - position].index) is not None:
            # Of y*beta(x*y, x*y) it is one of the factors.
            number, powers = number_and_powers(r.nodes, u)
            if powers.get(factor, 0) > 0:
                rest = raised(r.f, {**powers, factor: powers[factor] - 1})
                return 1 / number, (without(r, *operands) / rest).index
    return None


def _beta_without_pole(r: Rewriter, u: Value, v: Value) -> Value:
    """u*beta(u, v); where v vanishes with u both slopes of that have a pole."""
    ratio = ratio_of(r, u.index, v.index)
    if ratio is not None:
        return (1 + ratio) * u.f.beta_regular(u, v)
    if is_like(r, u.index, v.index) or is_like(r, v.index, u.index):
        return (1 + u / v) * u.f.beta_regular(u, v)
    return u.f.beta1p(u, v)


def _gamma_without_pole(r: Rewriter, x: Value, d: Value) -> Value:
    """d*gamma(d - m) = (-1)**m*gamma(1 + d)*gamma(1 - d)/gamma(1 - d + m), a ratio, where d is small."""
    f, steps = r.f, _steps(x, d)
    odd = steps - 2 * f.floor(steps / 2)
    return _near_pole(r, x, d, "gamma_near", (1 - 2 * odd) * f.gamma1p(d) / f.rising(1 - d, steps))


def _digamma_without_pole(r: Rewriter, x: Value, d: Value) -> Value:
    """d*digamma(d - m) = d*digamma(d) - d*(digamma(1 - d) - digamma(1 - d + m)), where d is small."""
    f = r.f
    return _near_pole(r, x, d, "digamma_near", f.x_digamma(d) - d * f.digamma_difference(1 - d, _steps(x, d)))


def _steps(x: Value, d: Value) -> Value:
    """m of x = d - m"""
    return x.f.floor(d - x + Fraction(1, 2))


def _near_pole(r: Rewriter, x: Value, d: Value, name: str, near: Value) -> Value:
    f, is_near = r.f, r.f.lt(r.f.abs(d), Fraction(1, 2))
    # The product itself sees nothing that is near: this rule would find it once more.
    far = r.plain(_MUL, (f.select(is_near, 1, d).index, r.add(REGISTRY[name], (x.index, d.index))))
    return f.select(is_near, near, f.wrap(far))


def _over_argument(r: Rewriter, x: int, y: int) -> int | None:
    """u/softplus(u), softplus(u)/u, lambertw(u)/u and u/lambertw(u), u up to a number, among other factors."""
    for above, others in along(r, x):
        for below, rest in along(r, y):
            for function, factor in ((below, above), (above, below)):
                row = _SHARES.get(r.nodes[function].op)
                ratio = None if row is None else ratio_of(r, factor, r.operands(function)[0])
                if row is None or ratio is None:
                    continue
                # The rows are u/softplus(u), softplus(u)/u and lambertw(u)/u.
                if row is _OVER_SOFTPLUS and function == above:
                    row = _SOFTPLUS_SHARE
                found = r.add(row, r.operands(function))
                if function == below and row is not _OVER_SOFTPLUS:
                    found = r.add(_DIV, (r.const(ratio), found))
                elif ratio != 1:
                    found = r.add(_MUL, (r.const(1 / ratio if function == above else ratio), found))
                for other in others:
                    found = r.add(_MUL, (other, found))
                for other in rest:
                    found = r.add(_DIV, (found, other))
                return found
    return None


def ratio_of(r: Rewriter, x: int, y: int) -> Fraction | None:
    """x/y, where that is a number."""
    (number, base), (scale, same) = _scaled(r, x), _scaled(r, y)
    return number / scale if base == same and number and scale else None


def along(r: Rewriter, index: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The factors of a product, which is built from the left, each with the others."""
    others: tuple[int, ...] = ()
    for _ in range(_MOST_FACTORS):
        if not r.is_op(index, _MUL):
            break
        first, second = r.operands(index)
        yield second, (*others, first)
        index, others = first, (*others, second)
    yield index, others


_POLES: dict[object, dict[int, Callable[..., Value]]] = {
    REGISTRY["gamma"]: {0: lambda r, u: u.f.gamma1p(u)},
    REGISTRY["gamma_near"]: {0: lambda r, u, d: u.f.gamma(1 + u), 1: _gamma_without_pole},
    REGISTRY["digamma"]: {0: lambda r, u: u.f.x_digamma(u)},
    REGISTRY["digamma_near"]: {0: lambda r, u, d: u * u.f.digamma(1 + u) - 1, 1: _digamma_without_pole},
    _BETA: {0: _beta_without_pole, 1: lambda r, u, v: _beta_without_pole(r, v, u)},
    REGISTRY["beta1p"]: {1: lambda r, u, v: (u + v) * u.f.beta_regular(u, v)},
}
"""For the operands at 0 of which a function has a pole, its product with that operand, without the pole."""
_SHARES = {_SOFTPLUS: _OVER_SOFTPLUS, _LAMBERTW: REGISTRY["lambertw_share"]}


def _factors(r: Rewriter, index: int) -> list[tuple[int, int | None]]:
    if not r.is_op(index, _MUL):
        return [(index, None)]
    a, b = r.operands(index)
    return [(a, b), (b, a)]


def _tail(r: Rewriter, first: int, second: int) -> int | None:
    """exp(u**2)*erfc(u)."""
    if not (r.is_op(first, _EXP) and r.is_op(second, _ERFC)):
        return None
    u = r.operands(second)[0]
    return r.add(REGISTRY["scaled_erfc"], (u,)) if _is_square(r, r.operands(first)[0], u, 1) else None


def _quotient(r: Rewriter, x: int, y: int) -> int | None:
    """exp(-u**2)/erfc(u)."""
    for own, others in _factors(r, x):
        if r.is_op(y, _ERFC) and r.is_op(own, _EXP) and _is_square(r, r.operands(own)[0], r.operands(y)[0], -1):
            found = r.add(REGISTRY["erfc_hazard"], r.operands(y))
            return found if others is None else r.add(_MUL, (others, found))
    return None


def _of_exponential(r: Rewriter, x: int) -> int | None:
    """lambertw(exp(u)), which grows like u, and lambertw(a*exp(u)) where a > 0."""
    f = r.f
    if r.is_op(x, _EXP):
        return f.wright_omega(f.wrap(r.operands(x)[0])).index
    if r.is_op(x, _DIV) and r.is_op(r.operands(x)[0], _EXP):
        divisor = r.number(r.operands(x)[1])
        exponent = f.wrap(r.operands(r.operands(x)[0])[0])
        return f.wright_omega(exponent - f.log(f.const(divisor))).index if divisor and divisor > 0 else None
    for own, other in _factors(r, x):
        if not r.is_op(own, _EXP) or other is None or r.nodes[x].type.shape:
            continue
        u, a, number = f.wrap(r.operands(own)[0]), f.wrap(other), r.number(other)
        if number is not None:
            return f.wright_omega(u + f.log(a)).index if number > 0 else None
        positive = f.gt(a, 0)
        # Each arm sees its own side alone.
        direct = f.wrap(r.plain(_LAMBERTW, (f.select(positive, 0, f.wrap(x)).index,)))
        return f.select(positive, f.wright_omega(u + f.log(f.select(positive, a, 1))), direct).index
    return None


_WITH_POLES = ("gamma", "gamma_near", "digamma", "digamma_near", "beta", "beta1p")
_TAIL, _ALONE, _AROUND = (-6.0, 40.0), (0.1, 300.0), (-0.4, 0.15)

RULES = (
    Rule(
        "exp(x**2)*erfc(x) -> scaled_erfc(x)",
        "mul",
        _product,
        lambda f, x, y, c: f.exp(x * x) * f.erfc(x),
        needs=("erfc",),
        domain=(_TAIL,),
        before=math.inf,
        after=16,
    ),
    Rule(
        "exp(-x**2)/erfc(x) -> erfc_hazard(x)",
        "div",
        _quotient,
        lambda f, x, y, c: f.exp(-(x * x)) / f.erfc(x),
        domain=(_TAIL,),
        before=350,
        after=10,
    ),
    Rule(
        "x*gamma(x) -> gamma1p(x), and x*beta(x, y) -> beta1p(x, y)",
        "mul",
        _without_pole,
        lambda f, x, y, c: x * f.gamma(x),
        needs=_WITH_POLES,
        domain=(_AROUND,),
        before=4e9,
        after=10,
    ),
    Rule(
        "x*digamma(x) -> x_digamma(x)",
        "mul",
        _without_pole,
        lambda f, x, y, c: x * f.digamma(x),
        needs=_WITH_POLES,
        domain=(_AROUND,),
        before=4e10,
        after=10,
    ),
    Rule(
        "x/softplus(x) -> over_softplus(x)",
        "div",
        _over_argument,
        lambda f, x, y, c: x / f.softplus(x),
        domain=((-600.0, 600.0),),
        before=math.inf,
        after=3,
    ),
    Rule(
        "softplus(x)/x -> softplus_share(x)",
        "div",
        _over_argument,
        lambda f, x, y, c: f.softplus(x) / x,
        domain=((-600.0, 600.0),),
        before=math.inf,
        after=4,
    ),
    Rule(
        "lambertw(x)/x -> lambertw_share(x)",
        "div",
        _over_argument,
        lambda f, x, y, c: f.lambertw(x) / x,
        needs=("lambertw",),
        domain=((-0.3, 0.3),),
        before=1e8,
        after=8,
    ),
    Rule(
        "lambertw(exp(x)) -> wright_omega(x)",
        "lambertw",
        _of_exponential,
        lambda f, x, y, c: f.lambertw(f.exp(x)),
        among=("exp", "mul", "div"),
        domain=((-600.0, 1000.0),),
        before=math.inf,
        after=8,
    ),
)
