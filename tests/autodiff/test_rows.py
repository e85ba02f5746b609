"""Every row that JAX or PyTorch has too: gradient and second derivatives, theirs against ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import compile_grad, compile_hessian
from symbackprop.frontend.functions import resolve
from symbackprop.ops import REGISTRY, Op

STRUCTURAL = {"const", "input", "length", "sum_of", "product_of", "reduce_sum", "broadcast"}
X, Y, T = sp.symbols("x y t", real=True)
BY_HAND: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "pow": lambda x, y: x**y,
    "maximum": sp.Max,
    "minimum": sp.Min,
    "select": lambda c, x, y: sp.Piecewise((x, c > 0), (y, True)),
}

# A row without a class serves only the partials of others, and is reached through these.
ROWS = {
    row.name: row
    for row in REGISTRY
    if row.result == "real" and row.name not in STRUCTURAL and (row.sympy or row.name in BY_HAND)
}

# Both sides round: ours a few ulp (tests/ops), theirs more. 1e-11 of the largest entry leaves room for formulas like
# 1 - tanh(x)**2, which lose a factor of 1/sech(5)**2 = 5e3 at the ends of the domains.
RTOL = 1e-11
# PyTorch's trigamma stops its asymptotic series early: it is 3e-10 off at 0.5, where ours agrees with mpmath to 6 ulp
# (tests/ops). It is in every second derivative of the gamma family.
LOOSE = {"jax": {}, "torch": dict.fromkeys(("gamma", "loggamma", "digamma", "polygamma", "beta"), 2e-9)}


def jax_rows() -> dict[str, Callable[..., Any]]:
    import jax
    import jax.numpy as jnp
    from jax.scipy import special

    return {
        "add": jnp.add,
        "sub": jnp.subtract,
        "mul": jnp.multiply,
        "div": jnp.divide,
        "neg": jnp.negative,
        "pow": jnp.power,
        "sqrt": jnp.sqrt,
        "cbrt": jnp.cbrt,
        "hypot": jnp.hypot,
        "fma": lambda x, y, t: x * y + t,
        "exp": jnp.exp,
        "exp2": jnp.exp2,
        "expm1": jnp.expm1,
        "log": jnp.log,
        "log2": jnp.log2,
        "log10": jnp.log10,
        "log1p": jnp.log1p,
        "logaddexp": jnp.logaddexp,
        "logistic": jax.nn.sigmoid,
        "softplus": jax.nn.softplus,
        "sin": jnp.sin,
        "cos": jnp.cos,
        "tan": jnp.tan,
        "asin": jnp.arcsin,
        "acos": jnp.arccos,
        "atan": jnp.arctan,
        "atan2": jnp.arctan2,
        "sec": lambda x: 1 / jnp.cos(x),
        "csc": lambda x: 1 / jnp.sin(x),
        "cot": lambda x: 1 / jnp.tan(x),
        "asec": lambda x: jnp.arccos(1 / x),
        "acsc": lambda x: jnp.arcsin(1 / x),
        "acot": lambda x: jnp.arctan(1 / x),
        "sinc": lambda x: jnp.sinc(x / jnp.pi),
        "sinh": jnp.sinh,
        "cosh": jnp.cosh,
        "tanh": jnp.tanh,
        "asinh": jnp.arcsinh,
        "acosh": jnp.arccosh,
        "atanh": jnp.arctanh,
        "sech": lambda x: 1 / jnp.cosh(x),
        "csch": lambda x: 1 / jnp.sinh(x),
        "coth": lambda x: 1 / jnp.tanh(x),
        "asech": lambda x: jnp.arccosh(1 / x),
        "acsch": lambda x: jnp.arcsinh(1 / x),
        "acoth": lambda x: jnp.arctanh(1 / x),
        "erf": special.erf,
        "erfc": special.erfc,
        "erfinv": special.erfinv,
        "gamma": lambda x: jnp.exp(special.gammaln(x)),
        "loggamma": special.gammaln,
        "digamma": special.digamma,
        "polygamma": lambda n, x: special.polygamma(int(n), x),
        "beta": lambda x, y: jnp.exp(special.betaln(x, y)),
        "besseli": lambda n, x: special.i1(x),
        "abs": jnp.abs,
        "sign": jnp.sign,
        "floor": jnp.floor,
        "ceiling": jnp.ceil,
        "frac": lambda x: x - jnp.floor(x),
        "mod": jnp.mod,
        "maximum": jnp.maximum,
        "minimum": jnp.minimum,
        "heaviside": jnp.heaviside,
        "select": lambda c, x, y: jnp.where(c > 0, x, y),
    }


def torch_rows() -> dict[str, Callable[..., Any]]:
    import torch
    from torch import special

    return {
        "add": torch.add,
        "sub": torch.sub,
        "mul": torch.mul,
        "div": torch.div,
        "neg": torch.neg,
        "pow": torch.pow,
        "sqrt": torch.sqrt,
        "hypot": torch.hypot,
        "fma": lambda x, y, t: torch.addcmul(t, x, y),
        "exp": torch.exp,
        "exp2": torch.exp2,
        "expm1": torch.expm1,
        "log": torch.log,
        "log2": torch.log2,
        "log10": torch.log10,
        "log1p": torch.log1p,
        "logaddexp": torch.logaddexp,
        "logistic": torch.sigmoid,
        "softplus": lambda x: torch.nn.functional.softplus(x, threshold=1000.0),
        "sin": torch.sin,
        "cos": torch.cos,
        "tan": torch.tan,
        "asin": torch.asin,
        "acos": torch.acos,
        "atan": torch.atan,
        "atan2": torch.atan2,
        "sec": lambda x: 1 / torch.cos(x),
        "csc": lambda x: 1 / torch.sin(x),
        "cot": lambda x: 1 / torch.tan(x),
        "asec": lambda x: torch.acos(1 / x),
        "acsc": lambda x: torch.asin(1 / x),
        "acot": lambda x: torch.atan(1 / x),
        "sinc": lambda x: torch.sinc(x / torch.pi),
        "sinh": torch.sinh,
        "cosh": torch.cosh,
        "tanh": torch.tanh,
        "asinh": torch.asinh,
        "acosh": torch.acosh,
        "atanh": torch.atanh,
        "sech": lambda x: 1 / torch.cosh(x),
        "csch": lambda x: 1 / torch.sinh(x),
        "coth": lambda x: 1 / torch.tanh(x),
        "asech": lambda x: torch.acosh(1 / x),
        "acsch": lambda x: torch.asinh(1 / x),
        "acoth": lambda x: torch.atanh(1 / x),
        "erf": special.erf,
        "erfc": special.erfc,
        "erfinv": special.erfinv,
        "gamma": lambda x: torch.exp(torch.lgamma(x)),
        "loggamma": torch.lgamma,
        "digamma": torch.digamma,
        "polygamma": lambda n, x: torch.polygamma(int(n), x),
        "beta": lambda x, y: torch.exp(torch.lgamma(x) + torch.lgamma(y) - torch.lgamma(x + y)),
        "besseli": lambda n, x: special.i1(x),
        "abs": torch.abs,
        "sign": torch.sign,
        "floor": torch.floor,
        "ceiling": torch.ceil,
        "frac": lambda x: x - torch.floor(x),
        "mod": torch.remainder,
        "maximum": torch.maximum,
        "minimum": torch.minimum,
        "select": lambda c, x, y: torch.where(c > 0, x, y),
    }


# What the peers do not have, with a derivative to compare.
LACKING = {
    "jax": {"besselj", "bessely", "besselk", "lambertw", "zeta"},
    "torch": {"besselj", "bessely", "besselk", "lambertw", "zeta", "cbrt", "heaviside"},
}
TABLES = {"jax": jax_rows, "torch": torch_rows}


def derivatives_by_jax(function: Callable[..., Any], wrt: list[int], point: tuple[float, ...]) -> tuple[Any, Any]:
    import jax

    def of_wrt(values: list[Any]) -> Any:
        operands = list(point)
        for position, value in zip(wrt, values, strict=True):
            operands[position] = value
        return function(*operands)

    start = [point[position] for position in wrt]
    return jax.grad(of_wrt)(start), jax.hessian(of_wrt)(start)


def derivatives_by_torch(function: Callable[..., Any], wrt: list[int], point: tuple[float, ...]) -> tuple[Any, Any]:
    import torch

    operands = [torch.tensor(value, dtype=torch.float64) for value in point]
    for position in wrt:
        operands[position].requires_grad_(True)
    inputs = [operands[position] for position in wrt]
    options: dict[str, Any] = {"create_graph": True, "allow_unused": True, "materialize_grads": True}
    first = torch.autograd.grad(function(*operands), inputs, **options)
    second = [
        torch.autograd.grad(entry, inputs, **options) if entry.requires_grad else [torch.zeros(())] * len(inputs)
        for entry in first
    ]
    return [entry.item() for entry in first], [[entry.item() for entry in row] for row in second]


DERIVATIVES = {"jax": derivatives_by_jax, "torch": derivatives_by_torch}


def ours(row: Op) -> tuple[Any, Any, list[int], int]:
    """Our gradient and Hessian, the operands that they are taken in, and how many operands are constants."""
    build = BY_HAND.get(row.name) or resolve(row.sympy[0])
    symbols = list((X, Y, T)[: row.arity])
    held = row.domain[0][0] == row.domain[0][1]
    expr = build(int(row.domain[0][0]), *symbols[1:]) if held else build(*symbols)
    wrt = [i for i, partial in enumerate(row.partials) if not (held and i == 0)]
    args, names = [symbols[i] for i in range(held, len(symbols))], [symbols[i] for i in wrt]
    options: dict[str, Any] = {"args": args, "backend": "numpy"}
    return compile_grad(expr, names, **options), compile_hessian(expr, names, **options), wrt, int(held)


@pytest.mark.parametrize("peer", ["jax", "torch"])
@pytest.mark.parametrize("name", ROWS)
def test_row_against_peer(name: str, peer: str, points_of) -> None:
    pytest.importorskip(peer)
    row = ROWS[name]
    function = TABLES[peer]().get(name)
    if function is None:
        assert name in LACKING[peer]
        pytest.skip(f"{peer} has no {name} with a derivative")
    gradient, hessian, wrt, held = ours(row)
    rtol = LOOSE[peer].get(name, RTOL)
    for point in points_of(row, 6):
        first, second = DERIVATIVES[peer](function, wrt, point)
        for got, want in ((gradient(*point[held:]), first), (hessian(*point[held:]), second)):
            got, want = np.array(got, float), np.array(want, float)
            scale = max(1.0, float(np.max(np.abs(want))))
            np.testing.assert_allclose(got, want, rtol=0, atol=rtol * scale, err_msg=f"{name}{point}")


@pytest.mark.parametrize("peer", ["jax", "torch"])
def test_every_row_is_compared_or_known_to_be_lacking(peer: str) -> None:
    pytest.importorskip(peer)
    compared = set(TABLES[peer]())
    assert compared | LACKING[peer] == set(ROWS)
    assert not compared & LACKING[peer]
