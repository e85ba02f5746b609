"""Whole models: our gradient and Hessian-vector product against those of JAX and PyTorch.

A model is written once, over a namespace of functions that SymPy, JAX and PyTorch each fill in.
"""

from __future__ import annotations

import importlib
import itertools
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import compile_grad, compile_hvp, logistic

NAMES = ("sin", "cos", "tan", "exp", "log", "sqrt", "tanh", "atan2", "cosh", "erf", "sigmoid", "maximum", "where")


def namespace(peer: str) -> types.SimpleNamespace:
    if peer == "sympy":
        own = {name: getattr(sp, name) for name in NAMES if hasattr(sp, name)}
        own |= {"sigmoid": logistic, "maximum": sp.Max, "positive": lambda x, a, b: sp.Piecewise((a, x > 0), (b, True))}
        return types.SimpleNamespace(**own)
    numeric = importlib.import_module("jax.numpy" if peer == "jax" else "torch")
    found = {name: getattr(numeric, name) for name in NAMES if hasattr(numeric, name)}
    if peer == "jax":
        import jax

        found |= {"erf": jax.scipy.special.erf, "sigmoid": jax.nn.sigmoid, "atan2": numeric.arctan2}
    else:
        found["maximum"] = lambda x, y: numeric.maximum(x, numeric.as_tensor(y, dtype=numeric.float64))
    found["positive"] = lambda x, a, b: numeric.where(x > 0, a, b)
    return types.SimpleNamespace(**found)


def robot_arm(m: Any, a: Any, b: Any, c: Any, x: Any, y: Any) -> Any:
    reach = m.cos(a) + 0.8 * m.cos(a + b) + 0.5 * m.cos(a + b + c)
    height = m.sin(a) + 0.8 * m.sin(a + b) + 0.5 * m.sin(a + b + c)
    return (reach - x) ** 2 + (height - y) ** 2


def helmholtz(m: Any, *x: Any) -> Any:
    """Griewank's Helmholtz energy of a mixture."""
    total = sum(x)
    b = [0.1 + 0.02 * i for i in range(len(x))]
    volume = sum(bi * xi for bi, xi in zip(b, x, strict=True))
    energy = sum(xi * m.log(xi / (1 - volume)) for xi in x)
    pairs = sum((0.3 / (1 + i + j)) * x[i] * x[j] for i, j in itertools.product(range(len(x)), repeat=2))
    root = 2**0.5
    mixed = m.log((1 + (1 + root) * volume) / (1 + (1 - root) * volume))
    return energy + total - pairs / (8**0.5 * volume) * mixed


def network(m: Any, *w: Any) -> Any:
    """Two layers of two units on three samples, unrolled."""
    loss = 0
    for x, y, target in ((0.2, -1.0, 0.5), (1.5, 0.3, -0.25), (-0.7, 0.9, 0.1)):
        first = m.tanh(w[0] * x + w[1] * y + w[2])
        second = m.tanh(w[3] * x + w[4] * y + w[5])
        loss = loss + (m.sigmoid(w[6] * first + w[7] * second) - target) ** 2
    return loss


def logistic_map(m: Any, r: Any, x: Any) -> Any:
    for _ in range(12):
        x = r * x * (1 - x)
    return x


def rosenbrock(m: Any, *x: Any) -> Any:
    return sum(100 * (b - a**2) ** 2 + (1 - a) ** 2 for a, b in itertools.pairwise(x))


def kepler(m: Any, mean: Any, e: Any) -> Any:
    anomaly = mean
    for _ in range(6):
        anomaly = anomaly - (anomaly - e * m.sin(anomaly) - mean) / (1 - e * m.cos(anomaly))
    return m.atan2(m.sqrt(1 - e**2) * m.sin(anomaly), m.cos(anomaly) - e)


def pendulum(m: Any, angle: Any, speed: Any, length: Any) -> Any:
    for _ in range(8):
        speed = speed - 0.05 * 9.81 / length * m.sin(angle)
        angle = angle + 0.05 * speed
    return 0.5 * (length * speed) ** 2 + 9.81 * length * (1 - m.cos(angle))


def black_scholes(m: Any, spot: Any, strike: Any, sigma: Any, time: Any) -> Any:
    upper = (m.log(spot / strike) + (0.03 + sigma**2 / 2) * time) / (sigma * m.sqrt(time))
    lower = upper - sigma * m.sqrt(time)
    half = 2**-0.5
    return spot * (1 + m.erf(half * upper)) / 2 - strike * m.exp(-0.03 * time) * (1 + m.erf(half * lower)) / 2


def lennard_jones(m: Any, *p: Any) -> Any:
    atoms = [p[0:3], p[3:6], p[6:9]]
    total = 0
    for one, other in itertools.combinations(atoms, 2):
        square = sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
        total = total + 4 * (square**-6 - square**-3)
    return total


def cross_entropy(m: Any, u: Any, v: Any, w: Any) -> Any:
    return m.log(m.exp(u) + m.exp(v) + m.exp(w)) - v


def double_well(m: Any, x: Any, y: Any, k: Any) -> Any:
    return (x**2 - 1) ** 2 + k * (y - x**3) ** 2 - 0.1 * x * y


def damped_wave(m: Any, a: Any, decay: Any, frequency: Any, phase: Any) -> Any:
    return sum((a * m.exp(-decay * t) * m.cos(frequency * t + phase) - 0.3 * t) ** 2 for t in (0.1, 0.5, 0.9, 1.7))


def relu_network(m: Any, a: Any, b: Any, c: Any) -> Any:
    hidden = m.maximum(a * 0.7 + b, 0) - 0.5 * m.maximum(a - 2 * b, 0)
    return (c * hidden - 1.2) ** 2


def huber(m: Any, slope: Any, offset: Any) -> Any:
    loss = 0
    for x, y in ((0.0, 0.1), (1.0, 4.2), (2.0, 1.9), (3.0, -5.0)):
        error = slope * x + offset - y
        loss = loss + m.positive(error**2 - 1, m.sqrt(1 + error**2), 0.5 * error**2)
    return loss


def michaelis(m: Any, vmax: Any, km: Any, ki: Any) -> Any:
    return sum((vmax * s / (km + s * (1 + s / ki)) - 0.4 * s**0.5) ** 2 for s in (0.1, 0.4, 1.3, 5.0))


def quaternion(m: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    norm = m.sqrt(a**2 + b**2 + c**2 + d**2)
    a, b, c, d = a / norm, b / norm, c / norm, d / norm
    return (1 - 2 * (c**2 + d**2)) * 0.3 + 2 * (b * c - a * d) * 0.7 + 2 * (b * d + a * c) * 0.2


def catenary(m: Any, a: Any, x: Any) -> Any:
    return a * m.cosh(x / a) + m.tanh(a * x) / (1 + x**2)


def ackley(m: Any, x: Any, y: Any) -> Any:
    far = -20 * m.exp(-0.2 * m.sqrt((x**2 + y**2) / 2))
    return far - m.exp((m.cos(6.25 * x) + m.cos(6.25 * y)) / 2)


def gaussian_mixture(m: Any, u: Any, v: Any, s: Any, p: Any) -> Any:
    return -sum(
        m.log(m.sigmoid(p) * m.exp(-((x - u) ** 2) / s) + m.sigmoid(-p) * m.exp(-((x - v) ** 2))) for x in (0.3, 1, 2)
    )


def rational_power(m: Any, x: Any, y: Any) -> Any:
    return (x**1.7 + y ** (x / 3)) / (x * y) ** 0.25 + m.tan(x / 4)


MODELS: dict[Callable[..., Any], tuple[float, ...]] = {
    robot_arm: (0.3, -0.7, 1.1, 1.2, 0.4),
    helmholtz: (0.3, 0.7, 0.2, 0.5),
    network: (0.4, -0.3, 0.1, -0.8, 0.5, 0.2, 1.3, -0.6),
    logistic_map: (3.2, 0.37),
    rosenbrock: (-1.2, 1.0, 0.6, 1.4, -0.3),
    kepler: (1.1, 0.4),
    pendulum: (0.8, -0.2, 1.5),
    black_scholes: (105.0, 100.0, 0.25, 0.75),
    lennard_jones: (0.0, 0.1, -0.1, 1.1, 0.2, 0.0, 0.4, 1.2, 0.3),
    cross_entropy: (0.7, -1.2, 2.5),
    double_well: (0.6, -0.4, 2.0),
    damped_wave: (1.3, 0.8, 3.1, 0.4),
    relu_network: (1.1, 0.4, 0.9),
    huber: (0.9, 0.3),
    michaelis: (1.4, 0.6, 2.2),
    quaternion: (0.9, 0.2, -0.3, 0.4),
    catenary: (1.3, 0.8),
    ackley: (0.7, -1.1),
    gaussian_mixture: (0.4, 1.8, 0.9, 0.3),
    rational_power: (1.4, 0.8),
}
# Some hundred operations of a few ulp each, with condition numbers up to 1e3 (the logistic map doubles an error at each
# of its 12 steps): 1e-11 of the largest entry.
RTOL = 1e-11


def by_jax(model: Callable[..., Any], point: tuple[float, ...], direction: tuple[float, ...]) -> tuple[Any, Any]:
    import jax

    gradient = jax.grad(lambda values: model(namespace("jax"), *values))
    product = jax.jvp(gradient, (list(point),), (list(direction),))[1]
    return gradient(list(point)), product


def by_torch(model: Callable[..., Any], point: tuple[float, ...], direction: tuple[float, ...]) -> tuple[Any, Any]:
    import torch

    inputs = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in point]
    first = torch.autograd.grad(model(namespace("torch"), *inputs), inputs, create_graph=True)
    along = sum(entry * part for entry, part in zip(first, direction, strict=True))
    second = torch.autograd.grad(along, inputs)
    return [entry.item() for entry in first], [entry.item() for entry in second]


@pytest.mark.parametrize("peer", ["jax", "torch"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_model_against_peer(model: Callable[..., Any], peer: str) -> None:
    pytest.importorskip(peer)
    point = MODELS[model]
    symbols = sp.symbols(f"x0:{len(point)}", real=True)
    expr = model(namespace("sympy"), *symbols)
    direction = tuple(0.3 + 0.1 * place for place in range(len(point)))
    gradient = compile_grad(expr, list(symbols), args=list(symbols), backend="numpy")(*point)
    product = compile_hvp(expr, list(symbols), args=list(symbols), backend="numpy")(*point, direction)
    first, second = {"jax": by_jax, "torch": by_torch}[peer](model, point, direction)
    for got, want in ((gradient, first), (product, second)):
        want = np.array(want, float)
        np.testing.assert_allclose(got, want, rtol=0, atol=RTOL * max(1.0, float(np.max(np.abs(want)))))


def test_there_are_twenty_models() -> None:
    assert len(MODELS) >= 20
