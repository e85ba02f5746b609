"""Every row over whole arrays that JAX or PyTorch has too: value, gradient and a Hessian-vector product."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symbackprop.ad import jvp, modes
from symbackprop.ir import Functions, Graph, GraphBuilder, Type, interpret, verify
from symbackprop.ops import REGISTRY, factors
from symbackprop.passes import dead, expand, guard, simplify, stabilise
from symbackprop.passes.contraction import contract
from tests.autodiff.array_cases import CASES, INDEX, OTHER, Case, real

# Of the largest entry. Matrices have condition numbers of 100 at most, of which a second derivative of an inverse takes
# three factors; everything else agrees to 1e-14.
RTOL = 1e-10

# Without derivatives, or with a graph of their own, which is tried where it is made.
# Integers; what is compared in tests of its own; what comes after all derivatives; a sign, whose derivative is zero.
UNTRIED = {"iota", "size", "scan", "add_diagonal", "det_sign", *(row.name for row in factors.ROWS)}

every = pytest.mark.parametrize("name", CASES)


def points(case: Case) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Operands and directions, the same in every run."""
    rng = np.random.default_rng([len(case.shapes), *[n for shape in case.shapes for n in shape]])
    return [case.data(rng, shape) for shape in case.shapes], [real(rng, shape) for shape in case.shapes]


def weights(shape: tuple[int, ...]) -> np.ndarray:
    return np.cos(1.0 + np.arange(int(np.prod(shape)), dtype=float)).reshape(shape)


def ours(case: Case, optimised: bool) -> list[np.ndarray]:
    """Value, gradient of a weighted sum of sines of all entries, and a Hessian-vector product."""
    f = Functions(GraphBuilder())
    names = [f"x{k}" for k in range(len(case.shapes))]
    operands = [f.wrap(f.builder.input(n, Type("real", s))) for n, s in zip(names, case.shapes, strict=True)]
    result = case.ours(f, *operands)
    weight = f.wrap(f.builder.input("weight", Type("real", f.shape(result))))
    primal = f.builder.graph([result.index, f.reduce_sum(f.sin(result) * weight).index])
    primal = prepared(primal) if optimised else verify(primal)
    inputs = primal.inputs()
    first = modes.gradient(primal, [inputs[n] for n in names], "zero")
    builder = GraphBuilder(first)
    seeds = {inputs[n]: builder.input(f"dot_{n}", Type("real", s)) for n, s in zip(names, case.shapes, strict=True)}
    graph = builder.graph([*first.outputs, *jvp(first, seeds, first.outputs[2:], builder)])
    values, dots = points(case)
    data: dict[str, Any] = dict(zip(names, values, strict=True)) | {"i": INDEX, "j": OTHER}
    data |= {f"dot_{n}": dot for n, dot in zip(names, dots, strict=True)}
    data["weight"] = weights(interpret(primal, {**data, "weight": np.zeros(f.shape(result))})[0].shape)[()]
    value, _, *rest = interpret(final(graph) if optimised else verify(graph), data)
    return [value, *rest]


def prepared(graph: Graph) -> Graph:
    return verify(contract(verify(stabilise(simplify(graph)))))


def final(graph: Graph) -> Graph:
    return verify(dead(verify(expand(verify(contract(verify(guard(graph, 2)))), "numpy"))))


def assert_close(got: list[Any], want: list[Any], name: str) -> None:
    for mine, theirs in zip(got, want, strict=True):
        theirs = np.asarray(theirs)
        assert np.shape(mine) == theirs.shape
        scale = np.max(np.abs(theirs), initial=1e-3)
        assert np.max(np.abs(mine - theirs), initial=0.0) <= RTOL * scale, name


@pytest.mark.parametrize("optimised", [False, True], ids=["as written", "after the passes"])
@every
def test_jax_agrees(name: str, optimised: bool) -> None:
    jax = pytest.importorskip("jax")
    import jax.numpy as jnp
    from jax.scipy import linalg, special  # noqa: F401

    case = CASES[name]
    assert case.jax is not None
    values, dots = points(case)

    def theirs(*operands: Any) -> Any:
        assert case.jax is not None
        return case.jax(jax, jnp, *operands)

    value = theirs(*map(jnp.asarray, values))
    weight = weights(np.shape(value))

    def loss(operands: Any) -> Any:
        return jnp.sum(jnp.sin(theirs(*operands)) * weight)

    operands, directions = (tuple(map(jnp.asarray, arrays)) for arrays in (values, dots))
    gradient, product = jax.jvp(jax.grad(loss), (operands,), (directions,))
    assert_close(ours(case, optimised), [value, *gradient, *product], name)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.torch is not None])
def test_torch_agrees(name: str) -> None:
    torch = pytest.importorskip("torch")
    case = CASES[name]
    assert case.torch is not None
    values, dots = points(case)
    operands = [torch.tensor(value, requires_grad=True) for value in values]
    value = case.torch(torch, *operands)
    loss = (torch.sin(value) * torch.tensor(weights(tuple(value.shape)))).sum()
    gradient = torch.autograd.grad(loss, operands, create_graph=True)
    along = sum((g * torch.tensor(dot)).sum() for g, dot in zip(gradient, dots, strict=True))
    product = torch.autograd.grad(along, operands)
    want = [entry.detach().numpy() for entry in (value, *gradient, *product)]
    assert_close(ours(case, optimised=True), want, name)


def test_every_row_is_compared() -> None:
    structural = {row.name for row in REGISTRY if not row.elementwise}
    compared = {row for name, case in CASES.items() for row in (case.rows or (name,))}
    assert structural - UNTRIED == compared
