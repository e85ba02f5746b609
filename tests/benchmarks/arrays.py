"""How fast the emitted gradients of array models are, beside NumPy by hand, JAX and PyTorch.

    python tests/benchmarks/arrays.py [--networks] [--sums]

Networks: value and gradient on one batch, in float64. Each competitor's answer is compared with the hand-written one
before anything is timed. The competitors take turns in every round, so that a busy moment of the machine strikes all of
them; printed are the median time of the hand-written form, and the medians over rounds of the ratios to it.

Everything runs in one thread: threads of several libraries side by side wait for each other more than they work.

Sums: value and derivative of sum((y[i] - a*x[i])**2) for N = 10**3 to 10**7, which should cost the same for each
element, and the size of the emitted module, which should not depend on N.
"""

# Matrices have upper-case names here, as in the models.
# ruff: noqa: N803, N806

from __future__ import annotations

import functools
import itertools
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import one_core  # noqa: F401  isort: skip
import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp
import torch

import symbackprop as sb

torch.set_num_threads(1)
jax.config.update("jax_enable_x64", True)

ROUNDS = 31
BURST = 4e-3
BATCHES = (32, 1000)
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Network:
    """One loss four times: in SymPy's words, by hand with its gradient, and for JAX and PyTorch."""

    name: str
    loss: Any
    parameters: tuple[Any, ...]
    by_hand: Callable[..., tuple[float, tuple[np.ndarray, ...]]]
    jax: Callable[..., Any]
    torch: Callable[..., Any]
    classes: int


# 2-3-1, ReLU, squared error.


def hand_2_3_1(W1: Any, b1: Any, W2: Any, b2: Any, X: Any, Y: Any) -> Any:
    Z1 = X @ W1 + b1
    A1 = np.maximum(Z1, 0.0)
    E = A1 @ W2 + b2 - Y
    P_bar = E * (2.0 / len(X))
    Z1_bar = (P_bar @ W2.T) * (Z1 > 0.0)
    gradient = X.T @ Z1_bar, Z1_bar.sum(axis=0, keepdims=True), A1.T @ P_bar, P_bar.sum(axis=0, keepdims=True)
    return np.mean(E * E), gradient


def jax_2_3_1(W1: Any, b1: Any, W2: Any, b2: Any, X: Any, Y: Any) -> Any:
    return jnp.mean((jax.nn.relu(X @ W1 + b1) @ W2 + b2 - Y) ** 2)


def torch_2_3_1(W1: Any, b1: Any, W2: Any, b2: Any, X: Any, Y: Any) -> Any:
    return torch.mean((torch.relu(X @ W1 + b1) @ W2 + b2 - Y) ** 2)


# 2-10-8-1, tanh, binary cross-entropy of logits.


def hand_2_10_8_1(W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any, X: Any, Y: Any) -> Any:
    A1 = np.tanh(X @ W1 + b1)
    A2 = np.tanh(A1 @ W2 + b2)
    Z3 = A2 @ W3 + b3
    e = np.exp(-np.abs(Z3))
    value = np.mean(np.maximum(Z3, 0.0) + np.log1p(e) - Y * Z3)
    Z3_bar = (np.where(Z3 < 0.0, e, 1.0) / (1.0 + e) - Y) / len(X)
    Z2_bar = (Z3_bar @ W3.T) * (1.0 - A2 * A2)
    Z1_bar = (Z2_bar @ W2.T) * (1.0 - A1 * A1)
    return value, (
        X.T @ Z1_bar,
        Z1_bar.sum(axis=0, keepdims=True),
        A1.T @ Z2_bar,
        Z2_bar.sum(axis=0, keepdims=True),
        A2.T @ Z3_bar,
        Z3_bar.sum(axis=0, keepdims=True),
    )


def jax_2_10_8_1(W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any, X: Any, Y: Any) -> Any:
    Z = jnp.tanh(jnp.tanh(X @ W1 + b1) @ W2 + b2) @ W3 + b3
    return jnp.mean(jax.nn.softplus(Z) - Y * Z)


def torch_2_10_8_1(W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any, X: Any, Y: Any) -> Any:
    Z = torch.tanh(torch.tanh(X @ W1 + b1) @ W2 + b2) @ W3 + b3
    return torch.nn.functional.binary_cross_entropy_with_logits(Z, Y)


# Softmax regression, 64-10.


def _cross_entropy_by_hand(Z: Any, Y: Any) -> tuple[Any, Any]:
    """The loss, and its adjoint of Z."""
    shifted = Z - Z.max(axis=1, keepdims=True)
    e = np.exp(shifted)
    total = e.sum(axis=1, keepdims=True)
    return -np.sum(Y * (shifted - np.log(total))) / len(Z), (e / total - Y) / len(Z)


def hand_64_10(W: Any, b: Any, X: Any, Y: Any) -> Any:
    value, Z_bar = _cross_entropy_by_hand(X @ W + b, Y)
    return value, (X.T @ Z_bar, Z_bar.sum(axis=0, keepdims=True))


def jax_64_10(W: Any, b: Any, X: Any, Y: Any) -> Any:
    return -jnp.mean(jnp.sum(Y * jax.nn.log_softmax(X @ W + b, axis=1), axis=1))


def torch_64_10(W: Any, b: Any, X: Any, Y: Any) -> Any:
    return torch.nn.functional.cross_entropy(X @ W + b, Y)


# The same with a hidden layer of 32 ReLUs.


def hand_64_32_10(W1: Any, b1: Any, W2: Any, b2: Any, X: Any, Y: Any) -> Any:
    Z1 = X @ W1 + b1
    A1 = np.maximum(Z1, 0.0)
    value, Z2_bar = _cross_entropy_by_hand(A1 @ W2 + b2, Y)
    Z1_bar = (Z2_bar @ W2.T) * (Z1 > 0.0)
    return value, (
        X.T @ Z1_bar,
        Z1_bar.sum(axis=0, keepdims=True),
        A1.T @ Z2_bar,
        Z2_bar.sum(axis=0, keepdims=True),
    )


def jax_64_32_10(W1: Any, b1: Any, W2: Any, b2: Any, X: Any, Y: Any) -> Any:
    return jax_64_10(W2, b2, jax.nn.relu(X @ W1 + b1), Y)


def torch_64_32_10(W1: Any, b1: Any, W2: Any, b2: Any, X: Any, Y: Any) -> Any:
    return torch_64_10(W2, b2, torch.relu(X @ W1 + b1), Y)


def networks() -> list[Network]:
    N = sp.Symbol("N", integer=True, positive=True)

    def matrices(*sizes: int) -> tuple[Any, Any, list[Any]]:
        """The data, and a W and a b for each layer of a network of these sizes."""
        parameters = []
        for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes), 1):
            suffix = str(number) if len(sizes) > 2 else ""
            parameters += [sp.MatrixSymbol(f"W{suffix}", inputs, outputs), sp.MatrixSymbol(f"b{suffix}", 1, outputs)]
        return sp.MatrixSymbol("X", N, sizes[0]), sp.MatrixSymbol("Y", N, sizes[-1]), parameters

    def stacked(X: Any, parameters: list[Any], activation: Callable[[Any], Any]) -> tuple[list[Any], Any]:
        """The steps of the hidden layers, let-bound, and the last layer."""
        steps, below = [], X
        for number in range(0, len(parameters) - 2, 2):
            W, b = parameters[number : number + 2]
            Z, A = (sp.MatrixSymbol(f"{stem}{number // 2 + 1}", N, W.cols) for stem in "ZA")
            steps += [(Z, sb.affine(below, W, b)), (A, activation(Z))]
            below = A
        last = sp.MatrixSymbol("P", N, parameters[-1].cols)
        return [*steps, (last, sb.affine(below, *parameters[-2:]))], last

    found = []
    for name, sizes, activation, loss, peers, classes in (
        ("2-3-1", (2, 3, 1), sb.relu, sb.mse, (hand_2_3_1, jax_2_3_1, torch_2_3_1), 0),
        (
            "2-10-8-1",
            (2, 10, 8, 1),
            sb.tanh,
            lambda Z, Y: sb.binary_cross_entropy(Z, Y, from_logits=True),
            (hand_2_10_8_1, jax_2_10_8_1, torch_2_10_8_1),
            2,
        ),
        ("64-10", (64, 10), sb.relu, sb.cross_entropy, (hand_64_10, jax_64_10, torch_64_10), 10),
        ("64-32-10", (64, 32, 10), sb.relu, sb.cross_entropy, (hand_64_32_10, jax_64_32_10, torch_64_32_10), 10),
    ):
        X, Y, parameters = matrices(*sizes)
        steps, last = stacked(X, parameters, activation)
        found.append(Network(name, (steps, [loss(last, Y)]), tuple(parameters), *peers, classes))
    return found


def batch_of(network: Network, samples: int) -> tuple[Arrays, Arrays]:
    """Parameters and data."""
    rng = np.random.default_rng(samples)
    shapes = {symbol.name: tuple(map(int, symbol.shape)) for symbol in network.parameters}
    parameters = {name: rng.normal(0.0, shape[0] ** -0.5, shape) for name, shape in shapes.items()}
    inputs, outputs = network.parameters[0].rows, network.parameters[-1].cols
    targets = rng.normal(size=(samples, int(outputs)))
    if network.classes == 2:
        targets = (targets > 0.0).astype(float)
    elif network.classes:
        targets = np.eye(network.classes)[rng.integers(0, network.classes, samples)]
    return parameters, {"X": rng.normal(size=(samples, int(inputs))), "Y": targets}


def emitted(network: Network, target: str) -> dict[str, Any]:
    """What an emitted module defines."""
    scope: dict[str, Any] = {"__name__": "emitted"}
    exec(sb.emit_module(network.loss, list(network.parameters), target=target), scope)
    return scope


def competitors(network: Network, parameters: Arrays, data: Arrays, modules: dict[str, Any]) -> dict[str, Any]:
    """Functions without arguments that give value and gradient; the first one is by hand."""
    point = {**parameters, **data}
    on_device = {name: jnp.asarray(entries) for name, entries in point.items()}
    compiled = jax.jit(jax.value_and_grad(lambda wrt, data: network.jax(**wrt, **data)))
    wrt = {name: on_device[name] for name in parameters}
    fixed = {name: on_device[name] for name in data}

    def by_jax() -> Any:
        value, gradient = jax.block_until_ready(compiled(wrt, fixed))
        return value, tuple(gradient[name] for name in parameters)

    leaves = {name: torch.tensor(entries, requires_grad=name in parameters) for name, entries in point.items()}
    wanted = [leaves[name] for name in parameters]

    def by_torch() -> Any:
        value = network.torch(**leaves)
        return value.detach(), torch.autograd.grad(value, wanted)

    ours = {f"ours, {target}": module["value_and_grad"] for target, module in modules.items()}
    return {
        "by hand": functools.partial(network.by_hand, **point),
        **{name: functools.partial(function, **point) for name, function in ours.items()},
        "JAX": by_jax,
        "PyTorch": by_torch,
    }


def assert_equal(name: str, ours: Any, reference: Any) -> None:
    (value, gradient), (expected, slopes) = ours, reference
    assert abs(float(value) - float(expected)) <= 1e-12 * abs(float(expected)), name
    for entries, slope in zip(gradient, slopes, strict=True):
        entries = np.asarray(entries)
        assert entries.shape == slope.shape, name
        # Sums of up to 1,000 products of order 1, in different orders.
        np.testing.assert_allclose(entries, slope, rtol=1e-10, atol=1e-12 * np.abs(slope).max(), err_msg=name)


def burst(function: Callable[[], Any], calls: int) -> float:
    """Seconds for one call, over several."""
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls


def race(functions: dict[str, Callable[[], Any]]) -> tuple[float, dict[str, float]]:
    """The median time of the first function, and for each the median of its ratio to the first in the same round."""
    names = list(functions)
    calls = {name: max(1, round(BURST / burst(functions[name], 5))) for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(ROUNDS):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            times[name].append(burst(functions[name], calls[name]))
    first = times[names[0]]
    ratios = {
        name: statistics.median(own / base for own, base in zip(times[name], first, strict=True)) for name in names
    }
    return statistics.median(first), ratios


def compare_networks() -> None:
    print("networks, float64, one thread; ratios to NumPy by hand, smaller is faster")
    print(f"{'network':>10}{'batch':>7}{'by hand':>11}{'ours, numpy':>14}{'ours, numba':>14}{'JAX':>8}{'PyTorch':>10}")
    for network in networks():
        modules = {target: emitted(network, target) for target in ("numpy", "numba")}
        for samples in BATCHES:
            functions = competitors(network, *batch_of(network, samples), modules)
            reference = functions["by hand"]()
            for name, function in functions.items():
                assert_equal(f"{network.name}, {samples}: {name}", function(), reference)
            base, ratios = race(functions)
            print(
                f"{network.name:>10}{samples:>7}{base * 1e6:8.1f} us{ratios['ours, numpy']:14.2f}"
                f"{ratios['ours, numba']:14.2f}{ratios['JAX']:8.2f}{ratios['PyTorch']:10.2f}",
                flush=True,
            )


def squared_error(length: Any) -> tuple[Any, Any]:
    """The sum over `length` samples, a symbol or a number, and what to differentiate it in."""
    i, a = sp.Symbol("i", integer=True), sp.Symbol("a")
    x, y = (sp.IndexedBase(name, shape=(length,)) for name in "xy")
    return sp.Sum((y[i] - a * x[i]) ** 2, (i, 0, length - 1)), a


def compare_sums() -> None:
    n = sp.Symbol("n", integer=True, positive=True)
    sizes = [10**power for power in range(3, 8)]
    print("\nsum((y[i] - a*x[i])**2): value and derivative, nanoseconds for each element")
    print(f"{'':>8}" + "".join(f"{'N = 10**' + str(len(str(size)) - 1):>13}" for size in sizes) + "   lines emitted")
    for target in ("numpy", "numba"):
        source = sb.emit_module(*squared_error(n), target=target)
        lines = len(source.splitlines())
        ends = [squared_error(sp.Integer(size)) for size in (sizes[0], sizes[-1])]
        fixed = [sb.emit_module(*end, target=target, verify="none") for end in ends]
        assert len({len(text.splitlines()) for text in fixed}) == 1, "the module grows with N"
        scope: dict[str, Any] = {"__name__": "emitted"}
        exec(source, scope)
        function, row = scope["value_and_grad"], []
        for size in sizes:
            rng = np.random.default_rng(0)
            x = rng.normal(size=size)
            y = 0.7 * x + rng.normal(size=size)
            value, slope = function(a=0.5, x=x, y=y)
            # Pairwise or plain sums of 10**7 terms: plain ones are off by sqrt(N)*eps = 1e-12 of the sum at most.
            np.testing.assert_allclose(value, np.sum((y - 0.5 * x) ** 2), rtol=1e-10)
            np.testing.assert_allclose(slope, -2.0 * np.sum((y - 0.5 * x) * x), rtol=1e-9)
            calls = max(3, 10**6 // size)
            call = functools.partial(function, a=0.5, x=x, y=y)
            row.append(statistics.median(burst(call, calls) for _ in range(7)) / size)
        print(f"{target:>8}" + "".join(f"{seconds * 1e9:13.2f}" for seconds in row) + f"{lines:16}", flush=True)


def main() -> None:
    chosen = set(sys.argv[1:])
    if not chosen <= {"--networks", "--sums"}:
        raise SystemExit(__doc__)
    if not chosen or "--networks" in chosen:
        compare_networks()
    if not chosen or "--sums" in chosen:
        compare_sums()


if __name__ == "__main__":
    main()
