"""The same value and gradient by other systems, written as their users would write them, from the SymPy expression.

Each takes the inputs of a problem and gives two calls: the value, and the value with its gradient, entry by entry in
the order of the inputs. What it cannot read it refuses by raising whatever it raises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import sympy as sp

from symbackprop.bench.problem import Input

Call = Callable[[], Any]
Inputs = Sequence[Input]


class NotGivenError(Exception):
    """What another system is not given, in words behind "it takes"."""


def _imported(name: str) -> Any:
    return import_module(name)


def _trained(inputs: Inputs) -> list[Input]:
    return [one for one in inputs if one.trained]


def _written(expr: Any, inputs: Inputs, modules: Any) -> Callable[..., Any]:
    function: Callable[..., Any] = sp.lambdify([one.symbol for one in inputs], expr, modules=modules, cse=True)
    return function


def _numbers_alone(inputs: Inputs, batches: bool = False) -> None:
    if any(np.ndim(one.value) > (one.batched and batches) or one.symbol.is_Matrix for one in inputs):
        raise NotGivenError("numbers alone")


def with_sympy(expr: Any, inputs: Inputs, reduce: str | None) -> tuple[Call, Call]:
    """SymPy's own diff, and lambdify with cse, on NumPy."""
    _numbers_alone(inputs, batches=True)
    values = [one.value for one in inputs]
    partials = [sp.diff(expr, one.symbol) for one in _trained(inputs)]
    value, both = _written(expr, inputs, None), _written([expr, *partials], inputs, None)
    if reduce is None:
        return lambda: value(*values), lambda: both(*values)
    count = max((len(one.value) for one in inputs if one.batched), default=1)
    over = 1.0 if reduce == "sum" else 1.0 / count

    def reduced(found: Any) -> Any:
        return over * (np.sum(found) if np.ndim(found) else count * found)

    return lambda: reduced(value(*values)), lambda: [reduced(found) for found in both(*values)]


def with_jax(expr: Any, inputs: Inputs, reduce: str | None) -> tuple[Call, Call]:
    """JAX, jitted and waited for, in double precision."""
    jax, jnp = _imported("jax"), _imported("jax.numpy")
    jax.config.update("jax_enable_x64", True)
    function, n = _written(expr, inputs, "jax"), len(_trained(inputs))
    over = {None: jnp.sum, "sum": jnp.sum, "mean": jnp.mean}[reduce]

    def loss(trained: Any, rest: Any) -> Any:
        return over(function(*trained, *rest))

    values = [jnp.asarray(one.value) for one in inputs]
    given = values[:n], values[n:]
    value, both = jax.jit(loss), jax.jit(jax.value_and_grad(loss))

    def together() -> Any:
        found, gradient = jax.block_until_ready(both(*given))
        return found, *gradient

    return lambda: jax.block_until_ready(value(*given)), together


def with_torch(expr: Any, inputs: Inputs, reduce: str | None) -> tuple[Call, Call]:
    """PyTorch, eager, in double precision and one thread."""
    torch = _imported("torch")
    function = _written(expr, inputs, "torch")
    values = [torch.tensor(one.value, dtype=torch.float64, requires_grad=one.trained) for one in inputs]
    trained = values[: len(_trained(inputs))]
    over = torch.mean if reduce == "mean" else torch.sum

    def value() -> Any:
        with torch.no_grad():
            return over(function(*values))

    def both() -> Any:
        found = over(function(*values))
        return found.detach(), *torch.autograd.grad(found, trained, materialize_grads=True)

    return value, both


def with_casadi(expr: Any, inputs: Inputs, reduce: str | None) -> tuple[Call, Call]:
    """CasADi's virtual machine, through its buffers."""
    ca = _imported("casadi")
    _numbers_alone(inputs)
    count = len(_trained(inputs))
    x = ca.SX.sym("x", len(inputs))
    names = {name: getattr(ca, name) for name in dir(ca) if not name.startswith("_") and callable(getattr(ca, name))}
    found = _written(expr, inputs, [names])(*[x[k] for k in range(len(inputs))])
    at = np.array([one.value for one in inputs])

    def called(*results: Any) -> Call:
        function = ca.Function("f", [x], list(results))
        buffer, evaluate = function.buffer()
        out = [np.empty(result.numel()) for result in results]
        buffer.set_arg(0, memoryview(at.data))
        for k, array in enumerate(out):
            buffer.set_res(k, memoryview(array.data))

        def call() -> Any:
            evaluate()
            return out

        # The buffer belongs to the function.
        call.kept = function, buffer  # type: ignore[attr-defined]
        return call

    found = ca.SX(found)
    return called(found), called(found, ca.densify(ca.gradient(found, x))[:count])


def with_heyoka(expr: Any, inputs: Inputs, reduce: str | None) -> tuple[Call, Call]:
    """heyoka, compiled by LLVM."""
    hy = _imported("heyoka")
    _numbers_alone(inputs)
    own = [hy.expression(one.symbol.name) for one in inputs]
    # It takes no fraction whose denominator is not a power of two.
    fractions = {r: sp.Float(r, 17) for r in expr.atoms(sp.Rational) if r.q & (r.q - 1)}
    made = hy.from_sympy(expr.xreplace(fractions))
    trained = own[: len(_trained(inputs))]
    tensors = hy.diff_tensors([made], diff_args=trained, diff_order=1)
    at = np.array([one.value for one in inputs])

    def called(results: list[Any]) -> Call:
        function, out = hy.cfunc(results, vars=own), np.empty(len(results))
        return lambda: function(at, outputs=out)

    return called([made]), called([made, *tensors.gradient])


PEERS: dict[str, tuple[str, Callable[[Any, Inputs, str | None], tuple[Call, Call]]]] = {
    "SymPy": ("sympy", with_sympy),
    "JAX": ("jax", with_jax),
    "PyTorch": ("torch", with_torch),
    "CasADi": ("casadi", with_casadi),
    "heyoka": ("heyoka", with_heyoka),
}
"""By name: the package that must be installed, and how it is used."""


def installed() -> list[str]:
    """Those of them that are there."""
    return [name for name, (package, _) in PEERS.items() if find_spec(package) is not None]
