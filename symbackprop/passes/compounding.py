"""Powers of 1 + u whose exponent grows as u vanishes: (1 + k*x)**(-1/k), the compound interest (1 + r/n)**(n*t).

Generalised Pareto and extreme values, Student's t, Arps' decline and the exponentials of Tsallis are 1**inf where their
shape is 0. With what the exponent v and u have in common taken away from v*u,

    (1 + u)**v = exp((v*u)*(log1p(u)/u)),

whose quotient has a series in u; so has v*log1p(u), as the logarithms of densities have it. From |u| = 1/2 on the power
stays as it is written.
"""

from __future__ import annotations

from fractions import Fraction

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY, Op
from symbackprop.passes.offsets import built, terms
from symbackprop.passes.powers import Powers, number_and_powers, raised
from symbackprop.passes.rewrite import Rewriter, Rule
from symbackprop.passes.secants import multiple

_ADD, _SUB, _MUL, _DIV, _POW, _POW1P, _POW1PM1 = (
    REGISTRY[name] for name in ("add", "sub", "mul", "div", "pow", "pow1p", "pow1pm1")
)
_LOG, _LOG1P, _LOG_NEAR_ONE, _LOG_RATIO, _SELECT = (
    REGISTRY[name] for name in ("log", "log1p", "log_near_one", "log_ratio", "select")
)
_NEAR = Fraction(1, 2)


def _power(r: Rewriter, u: int, v: int) -> int | None:
    return _raised(r, u, v, _POW1P)


def _power_less_one(r: Rewriter, u: int, v: int) -> int | None:
    return _raised(r, u, v, _POW1PM1)


def _raised(r: Rewriter, u: int, v: int, op: Op) -> int | None:
    f, product = r.f, _without_common(r, v, u)
    if product is None:
        return None
    is_near = _is_near(r, u)
    # Where u is near, the power sees 1, and has no infinite slopes.
    far = f.wrap(r.plain(op, (f.select(is_near, 1, f.wrap(u)).index, v)))
    exponent = product * _over_itself(r, u)
    return f.select(is_near, f.exp(exponent) if op is _POW1P else f.expm1(exponent), far).index


def _product(r: Rewriter, x: int, y: int) -> int | None:
    """A sum times log1p(u): that of a single quotient has its series already."""
    for logarithm, v in ((x, y), (y, x)):
        if not r.is_op(logarithm, _LOG1P) or not (r.is_op(v, _ADD) or r.is_op(v, _SUB)):
            continue
        (u,) = r.operands(logarithm)
        product = _without_common(r, v, u)
        if product is not None:
            f, is_near = r.f, _is_near(r, u)
            apart = f.log1p(f.select(is_near, 1, f.wrap(u)))
            far = f.wrap(r.plain(_MUL, (v, apart.index)))
            return f.select(is_near, product * _over_itself(r, u), far).index
    return None


def _of_ratio(r: Rewriter, x: int, y: int) -> int | None:
    """(u/v)**(w/(u - v)) = exp(w*(log(u/v)/(u - v))), whose quotient is a divided difference."""
    if not r.is_op(x, _DIV) or r.nodes[x].type.shape or r.nodes[y].type.shape:
        return None
    f, (u, v) = r.f, map(r.f.wrap, r.operands(x))
    number, powers = number_and_powers(r.nodes, y)
    apart = (u - v).index
    for base, power in powers.items():
        ratio = multiple(r, base, apart) if power == -1 else None
        if not ratio:
            continue
        left = raised(f, {other: count for other, count in powers.items() if other != base}, number / ratio)
        is_near = f.lt(2 * f.abs(u - v), f.minimum(f.abs(u), f.abs(v)))
        far = f.wrap(r.plain(_POW, (f.select(is_near, 1, f.wrap(x)).index, y)))
        return f.select(is_near, f.exp(left * (f.log(u / v) / (u - v))), far).index
    return None


def _beside_ratio(r: Rewriter, x: int, y: int) -> int | None:
    """v*log(u/(u + w)) = -v*log1p(w/u), where v has a factor of u: of w/u alone there is a series."""
    for logarithm, v in ((x, y), (y, x)):
        ratio = _ratio(r, logarithm)
        if ratio is None:
            continue
        above, below = ratio
        for base, total, sign in ((below, above, 1), (above, below, -1)):
            constant, parts = terms(r, total) or (Fraction(0), {})
            # Where terms have opposite signs the quotient by u may be -1, and the sum has digits that 1 + w/u has not.
            if parts.get(base) != 1 or constant < 0 or min(parts.values()) < 0 or not _has_factor(r, v, base):
                continue
            rest = built(r, constant, {node: factor for node, factor in parts.items() if node != base})
            return (sign * r.f.wrap(v) * r.f.log1p(r.f.wrap(rest) / r.f.wrap(base))).index
    return None


def _ratio(r: Rewriter, index: int) -> tuple[int, int] | None:
    """u and v of log(u/v), also as `passes.logarithms` writes a difference of two: near 1, and else log(u) - log(v)."""
    if r.is_op(index, _LOG_RATIO):
        u, v = r.operands(index)
        return u, v
    if r.is_op(index, _LOG_NEAR_ONE) and r.is_op(r.operands(index)[0], _DIV):
        u, v = r.operands(r.operands(index)[0])
        return u, v
    if r.is_op(index, _SELECT):
        _, near, apart = r.operands(index)
        if r.is_op(near, _LOG1P) and r.is_op(apart, _SUB) and all(r.is_op(o, _LOG) for o in r.operands(apart)):
            (u,), (v,) = map(r.operands, r.operands(apart))
            return u, v
    return None


def _has_factor(r: Rewriter, index: int, base: int) -> bool:
    """Whether a term of a sum has a factor of this product."""
    own = number_and_powers(r.nodes, base)[1]
    for node in (terms(r, index) or (0, {}))[1]:
        powers = number_and_powers(r.nodes, node)[1]
        if any(powers.get(factor, 0) * power > 0 for factor, power in own.items()):
            return True
    return False


def _is_near(r: Rewriter, u: int) -> Value:
    return r.f.lt(r.f.abs(r.f.wrap(u)), _NEAR)


def _over_itself(r: Rewriter, u: int) -> Value:
    """log1p(u)/u, past the rules: it is `passes.removable` that knows it."""
    return r.f.wrap(r.plain(_DIV, (r.plain(_LOG1P, (u,)), u)))


def _without_common(r: Rewriter, v: int, u: int) -> Value | None:
    """v*u, where a term of v is divided by a factor of u, or u by one of the term; None where no term is."""
    found = terms(r, v)
    if found is None or r.number(u) is not None:
        return None
    number, own = number_and_powers(r.nodes, u)
    pieces = [found[0] * r.f.wrap(u)] if found[0] else []
    shared = False
    for node, factor in found[1].items():
        coefficient, powers = number_and_powers(r.nodes, node)
        ratio, powers, meets = _joined(r, powers, own)
        shared = shared or meets
        pieces.append(raised(r.f, powers, factor * coefficient * number * ratio))
    return sum(pieces[1:], pieces[0]) if shared else None


def _joined(r: Rewriter, powers: Powers, own: Powers) -> tuple[Fraction, Powers, bool]:
    """The product of both, where g - 1 and (g - 1)/2 are one factor; whether something of both is gone."""
    ratio, joined, meets = Fraction(1), dict(own), False
    for base, power in powers.items():
        same, number = base, Fraction(1)
        for other in own:
            known = multiple(r, base, other) if base not in own else None
            if known:
                same, number = other, known
        before = joined.get(same, 0)
        meets = meets or before * power < 0
        joined[same] = before + power
        ratio *= number**power
    return ratio, {base: power for base, power in joined.items() if power}, meets


RULES = (
    Rule(
        "(1 + x*y)**(1/x) -> exp(y*(log1p(x*y)/(x*y))) where abs(x*y) < 1/2",
        "pow1p",
        _power,
        lambda f, x, y, c: f.pow1p(x * y, 1 / x),
        domain=((-1e-3, 1e-3), (0.1, 3.0)),
    ),
    Rule(
        "(1 + x*y)**(1/x) - 1 -> expm1(y*(log1p(x*y)/(x*y))) where abs(x*y) < 1/2",
        "pow1pm1",
        _power_less_one,
        lambda f, x, y, c: f.pow1pm1(x * y, 1 / x),
        domain=((-1e-3, 1e-3), (0.1, 3.0)),
    ),
    Rule(
        "(1 + 1/x)*log1p(x*y) -> (x*y + y)*(log1p(x*y)/(x*y)) where abs(x*y) < 1/2",
        "mul",
        _product,
        lambda f, x, y, c: (1 + 1 / x) * f.log1p(x * y),
        domain=((-1e-3, 1e-3), (0.1, 3.0)),
        among=("log1p",),
    ),
)
"""Alone they change no digit of slopes: the series is found by `passes.removable`."""

# Before quotients become shares.
RATIO_RULES = (
    Rule(
        "x*log(x/(x + y)) -> -x*log1p(y/x)",
        "mul",
        _beside_ratio,
        lambda f, x, y, c: x * f.log_near_one(x / (x + y), -y / (x + y)),
        domain=((1.0, 1e9), (0.1, 3.0)),
        among=("log_near_one", "log_ratio", "select"),
        needs=("log_near_one", "log_ratio", "log1p"),
    ),
    Rule(
        "(x/y)**(1/(x - y)) -> exp(log(x/y)/(x - y)) where x is near y",
        "pow",
        _of_ratio,
        lambda f, x, y, c: f.pow(x / y, 1 / (x - y)),
        among=("div",),
        needs=("sub", "add"),
        domain=((1.0, 1.0001), (0.9, 1.0)),
    ),
)
