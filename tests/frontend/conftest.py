"""A model with arrays, from SymPy to numbers without lowering, beside the same model in JAX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from symbackprop.ad import modes
from symbackprop.ad.forward import jvp
from symbackprop.frontend.scalar import Translator
from symbackprop.frontend.shapes import single_entry
from symbackprop.frontend.sharing import share
from symbackprop.ir import Graph, GraphBuilder, interpret, verify
from symbackprop.ir.interpret import bound_lengths
from symbackprop.passes import guard, simplify

Point = Mapping[str, Any]


def graph_of(expr: Any) -> Graph:
    """The graph of a scalar expression, simplified and verified."""
    translator = Translator(lambda symbol: str(symbol.name))
    root = translator.translate(expr)
    translator.problems.raise_if_any()
    graph = simplify(share(translator.builder.graph([single_entry(translator, expr, root)])))
    verify(graph)
    return graph


class ArrayModel:
    """Value, gradient and second derivatives along a direction of a scalar expression with arrays."""

    def __init__(self, expr: Any, wrt: Sequence[str]) -> None:
        self.wrt = list(wrt)
        self.graph = graph_of(expr)
        inputs = self.graph.inputs()
        nodes = [inputs[name] for name in self.wrt]
        self.derivative = guard(modes.gradient(self.graph, nodes, "zero"))
        verify(self.derivative)
        builder = GraphBuilder(self.derivative)
        inputs = self.derivative.inputs()
        # An input of which the derivative is free has no second derivative.
        seeds = {
            inputs[name]: builder.input(f"{name} dot", builder.nodes[inputs[name]].type)
            for name in self.wrt
            if name in inputs
        }
        self.product = guard(builder.graph(jvp(self.derivative, seeds, self.derivative.outputs[1:], builder)))
        verify(self.product)

    def graph_has_dimensions(self) -> bool:
        """Whether the model can be called with several sizes."""
        return any(isinstance(length, str) for node in self.graph.nodes for length in node.type.shape)

    def value(self, point: Point) -> Any:
        return interpret(self.graph, point)[0]

    def gradient(self, point: Point) -> list[Any]:
        return interpret(self.derivative, point)[1:]

    def operations(self) -> list[str]:
        """The names of the rows of value and gradient."""
        return [
            node.op.name
            for node, needed in zip(self.derivative.nodes, self.derivative.reaching(), strict=True)
            if needed
        ]

    def second_order_error(self, point: Point) -> float:
        """How far the product with the second derivative is from central differences, relative to its size."""
        rng = np.random.default_rng(7)
        along = {name: rng.normal(size=np.shape(point[name])) for name in self.wrt}
        step = 1e-5
        ahead, behind = ({**point, **{n: point[n] + s * along[n] for n in self.wrt}} for s in (step, -step))
        lengths = bound_lengths(self.graph, point)
        exact = interpret(self.product, {**lengths, **point, **{f"{name} dot": along[name] for name in self.wrt}})
        pairs = zip(exact, self.gradient(ahead), self.gradient(behind), strict=True)
        error = scale = 0.0
        for product, a, b in pairs:
            if np.size(product):
                error = max(error, float(np.max(np.abs(product - (a - b) / (2 * step)))))
                scale = max(scale, float(np.max(np.abs(product))), float(np.max(np.abs(a))))
        return error / max(scale, 1.0)


@pytest.fixture(scope="session")
def array_graph() -> Callable[..., Graph]:
    return graph_of


@pytest.fixture(scope="session")
def array_model() -> type[ArrayModel]:
    return ArrayModel


def compare_with_jax(model: ArrayModel, reference: Callable[..., Any], point: Point) -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    value, gradient = jax.value_and_grad(lambda part: reference(**{**point, **part}))(
        {name: np.asarray(point[name], dtype=float) for name in model.wrt}
    )
    # Both round some dozen times; relative to the largest entry, since small ones are differences of large ones.
    np.testing.assert_allclose(model.value(point), value, rtol=1e-10, atol=1e-12)
    for name, own in zip(model.wrt, model.gradient(point), strict=True):
        expected = np.asarray(gradient[name])
        assert np.shape(own) == np.shape(point[name])
        largest = np.max(np.abs(expected), initial=0.0)
        np.testing.assert_allclose(own, expected, rtol=1e-10, atol=1e-10 * largest + 1e-13, err_msg=name)
    # Central differences with a step of 1e-5: about 1e-10 from the next term and 1e-10 from rounding, times the
    # curvature of the sample.
    assert model.second_order_error(point) < 1e-6


@pytest.fixture(scope="session")
def against_jax() -> Callable[..., None]:
    return compare_with_jax
