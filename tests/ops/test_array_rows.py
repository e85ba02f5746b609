"""Every row over whole arrays: value, tangents, adjoints and second derivatives, each at several shapes.

The oracle is the row's own reference at 50 digits and central differences of it, with a step of 1e-15: their truncation
error is 1e-30 of the third derivative, so that what is left over is the rounding of the doubles that are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from symbackprop.ad import jvp, vjp
from symbackprop.ad.batching import lift
from symbackprop.errors import MissingDerivative
from symbackprop.ir import Functions, Graph, GraphBuilder, Type, interpret, verify
from symbackprop.ops import REGISTRY, factors
from symbackprop.ops.extents import plus, times

DIGITS, STEP = 50, mp.mpf(10) ** -15
# Of the largest entry of each result. Samples have condition numbers of 100 at most, and a second derivative of an
# inverse takes three factors of it; everything else is right to a few ulp.
RTOL = 1e-11

Array = Any
Lengths = Mapping[str, int]


def real(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.uniform(-2.0, 2.0, shape)


def positive(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.uniform(0.5, 2.0, shape)


def regular(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Diagonally dominant matrices, of either sign of the determinant."""
    return rng.uniform(-1.0, 1.0, shape) + (shape[-1] + 1) * np.diag(rng.choice([-1.0, 1.0], shape[-1]))


def definite(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    a = rng.uniform(-1.0, 1.0, shape)
    return a @ np.swapaxes(a, -1, -2) + np.eye(shape[-1])


def below(limit: str) -> Callable[..., Array]:
    """Indices below a length, with repetitions."""
    return lambda rng, shape, lengths: rng.integers(0, max(lengths[limit], 1), shape)


def symmetric(dot: Array) -> Array:
    return (dot + np.swapaxes(dot, -1, -2)) / 2


@dataclass(frozen=True)
class Sample:
    """A row with attributes over operands of symbolic shapes, and the lengths at which it is tried."""

    row: str
    shapes: tuple[Any, ...]
    attributes: Any = None
    sizes: tuple[dict[str, int], ...] = ()
    data: tuple[Callable[..., Array], ...] = ()
    direction: Callable[[Array], Array] = lambda dot: dot

    def dtypes(self) -> list[str]:
        op = REGISTRY[self.row]
        if op.name in ("gather", "scatter_add"):
            return ["real"] + ["int"] * (len(self.shapes) - 1)
        return ["real"] * len(self.shapes)

    def real_names(self) -> list[str]:
        return [f"x{k}" for k, dtype in enumerate(self.dtypes()) if dtype == "real"]

    def __str__(self) -> str:
        shapes = "-".join("x".join(map(str, shape)) or "scalar" for shape in self.shapes)
        return f"{self.row}-{shapes}-{self.attributes}".replace(" ", "").replace("'", "")


GENERAL = ({"n": 4, "m": 3}, {"n": 1, "m": 1}, {"n": 1, "m": 5}, {"n": 0, "m": 3}, {"n": 3, "m": 0})
CUBES = ({"k": 2, "n": 4, "m": 3}, {"k": 3, "n": 1, "m": 2}, {"k": 0, "n": 2, "m": 1}, {"k": 2, "n": 0, "m": 3})
SQUARES = ({"n": 3, "m": 2}, {"n": 1, "m": 1}, {"n": 5, "m": 1}, {"n": 2, "m": 0}, {"n": 0, "m": 2})
STACKS = ({"k": 2, "n": 3, "m": 2}, {"k": 1, "n": 1, "m": 1}, {"k": 0, "n": 2, "m": 2})
LONG = ({"n": 5, "m": 2}, {"n": 1, "m": 3}, {"n": 2, "m": 0}, {"n": 8, "m": 1})
MANY = ({"n": 4, "m": 6}, {"n": 1, "m": 2}, {"n": 3, "m": 0})
NM = ("n", "m")
KNM = ("k", "n", "m")
KNN = ("k", "n", "n")
NN = ("n", "n")


def reduction(name: str, *attributes: tuple[int, ...], sizes: Any = GENERAL) -> list[Sample]:
    return [Sample(name, (NM,), axes, sizes) for axes in attributes]


def running(name: str, operands: int) -> list[Sample]:
    return [
        Sample(name, (shape,) * operands, (axis, reverse), sizes)
        for shape, axis, sizes in ((("n",), 0, LONG), (NM, 0, LONG), (KNM, 1, CUBES[:2]), (KNM, 2, CUBES[:2]))
        for reverse in (False, True)
    ]


def einsum(labels: Any, *shapes: Any, sizes: Any = CUBES) -> Sample:
    return Sample("contract", shapes, labels, sizes)


SAMPLES = [
    Sample("broadcast", (("n",),), (NM, (0,)), GENERAL),
    Sample("broadcast", (("m",),), (NM, (1,)), GENERAL),
    Sample("broadcast", ((1, "m"),), (NM, (0, 1)), GENERAL),
    Sample("broadcast", (("n", 1),), (("k", "n", "m"), (1, 2)), CUBES),
    Sample("broadcast", ((),), (NM, ()), GENERAL),
    Sample("broadcast", ((1,),), (NM, (1,)), GENERAL),
    Sample("transpose", (NM,), (1, 0), GENERAL),
    Sample("transpose", (KNM,), (2, 0, 1), CUBES),
    Sample("reshape", (NM,), (times("n", "m"),), GENERAL),
    Sample("reshape", (NM,), ("n", 1, "m"), GENERAL),
    Sample("reshape", ((6,),), (2, 3), ({},)),
    einsum(((0, 1), (1, 2), (0, 2)), NM, ("m", "k")),
    einsum(((0, 1), (0, 1), ()), NM, NM),
    einsum(((0, 1), (0, 1), (1,)), NM, NM),
    einsum(((0, 1), (1,), (0,)), NM, ("m",)),
    einsum(((0, 1), (1,), ()), NM, ("m",)),
    einsum(((0,), (1,), (1, 0)), ("n",), ("m",)),
    einsum(((0, 1, 2), (0, 2, 3), (0, 3, 1)), KNM, ("k", "m", 2)),
    einsum(((0, 1, 2), (2, 0), (1, 2)), KNM, ("m", "k")),
    einsum(((0, 1), (), (1,)), NM, ()),
    Sample("add_diagonal", (NN, ("n",)), None, SQUARES),
    Sample("diagonal", (NN,), (0, 0), SQUARES),
    Sample("diagonal", (("n", "m", "n"),), (0, 1, 0), GENERAL),
    Sample("diagonal", ((3, 3, 3),), (0, 0, 0), ({},)),
    Sample("diagonalize", (("n",),), ((0, 0), NN), SQUARES),
    Sample("diagonalize", (NM,), ((0, 1, 1), ("n", "m", "m")), GENERAL),
    *reduction("reduce_sum", (0,), (1,), (0, 1)),
    *reduction("reduce_prod", (0,), (1,)),
    *reduction("reduce_max", (0,), (1,), (0, 1), sizes=GENERAL[:3]),
    *reduction("reduce_min", (0,), (1,), (0, 1), sizes=GENERAL[:3]),
    *reduction("logsumexp", (0,), (1,), (0, 1), sizes=GENERAL[:3]),
    *reduction("softmax", (0,), (1,), (0, 1)),
    *reduction("log_softmax", (0,), (1,), (0, 1)),
    *[Sample("weighted_logsumexp", (NM, NM), axes, GENERAL[:3], (positive, real)) for axes in ((0,), (1,), (0, 1))],
    *running("cumulative_sum", 1),
    *running("cumulative_product", 1),
    *running("linear_recurrence", 2),
    Sample("slice", (NM,), ((1, 1, plus("n", -2)), (0, 2, 2)), ({"n": 4, "m": 3}, {"n": 2, "m": 5})),
    Sample("slice", (NM,), ((plus("n", -1), -1, "n"), (0, 1, "m")), GENERAL[:3]),
    Sample("slice", (("n",),), ((2, 3, 0),), ({"n": 1},)),
    Sample("pad", (NM,), (("n", plus(times("m", 2), 1)), ((0, 1, "n"), (1, 2, "m"))), GENERAL),
    Sample("pad", (NM,), ((plus("n", 3), "m"), ((2, 1, "n"), (0, 1, "m"))), GENERAL),
    Sample("concatenate", (NM, (2, "m"), NM), 0, GENERAL),
    Sample("concatenate", (("n", 1), NM), 1, GENERAL),
    Sample("concatenate", (NM,), 0, GENERAL[:1]),
    Sample("gather", (("n",), ("m",)), None, MANY, (real, below("n"))),
    Sample("gather", (NM, ("k",), ("k",)), None, CUBES[:2], (real, below("n"), below("m"))),
    Sample("gather", (("n",), KNM), None, CUBES[:2], (real, below("n"))),
    Sample("gather", (("n",), ()), None, ({"n": 3},), (real, below("n"))),
    Sample("scatter_add", (("m",), ("m",)), ("n",), ({"n": 4, "m": 6}, {"n": 2, "m": 0}), (real, below("n"))),
    Sample("scatter_add", (("k",), ("k",), ("k",)), NM, CUBES[:2], (real, below("n"), below("m"))),
    Sample("scatter_add", ((), ()), ("n",), ({"n": 3},), (real, below("n"))),
    Sample("solve", (NN, NM), None, SQUARES, (regular, real)),
    Sample("solve", (KNN, KNM), None, STACKS, (regular, real)),
    Sample("inv", (NN,), None, SQUARES, (regular,)),
    Sample("inv", (KNN,), None, STACKS, (regular,)),
    Sample("det", (NN,), None, SQUARES, (regular,)),
    Sample("det", (KNN,), None, STACKS, (regular,)),
    Sample("log_abs_det", (NN,), None, SQUARES, (regular,)),
    Sample("log_abs_det", (KNN,), None, STACKS, (regular,)),
    Sample("det_sign", (NN,), None, SQUARES, (regular,)),
    Sample("det_sign", (KNN,), None, STACKS, (regular,)),
    Sample("cofactor", (NN,), None, SQUARES, (regular,)),
    Sample("cofactor", (KNN,), None, STACKS, (regular,)),
    Sample("cofactor_tangent", (NN, NN), None, SQUARES, (regular, real)),
    Sample("cofactor_tangent", (KNN, KNN), None, STACKS, (regular, real)),
    Sample("cholesky", (NN,), None, SQUARES, (definite,), symmetric),
    Sample("cholesky", (KNN,), None, STACKS, (definite,), symmetric),
    *[
        Sample("triangular_solve", shapes, (lower, transposed), sizes, (regular, real))
        for shapes, sizes in (((NN, NM), SQUARES), ((KNN, KNM), STACKS))
        for lower in (True, False)
        for transposed in (True, False)
    ],
]
# Integers made of lengths, which have no derivative.
COUNTED = {"iota", "size"}
# Rows that carry a graph of their own in their attributes are tried where that graph is made.
# Scans have tests of their own (tests/frontend/test_scan.py), and so have factorisations (tests/passes).
ROWS = [row for row in REGISTRY if not row.elementwise and row.name != "scan" and row not in factors.ROWS]
# A derivative that has none itself: it would make third derivatives of a determinant.
LAST = {"cofactor_tangent"}

every = pytest.mark.parametrize("sample", SAMPLES, ids=str)
differentiable = pytest.mark.parametrize("sample", [s for s in SAMPLES if s.row not in LAST], ids=str)
twice = pytest.mark.parametrize("sample", [s for s in SAMPLES if s.row not in {"cofactor", *LAST}], ids=str)


def graph_of(sample: Sample) -> Graph:
    builder = GraphBuilder()
    operands = tuple(
        builder.input(f"x{k}", Type(dtype, shape))
        for k, (shape, dtype) in enumerate(zip(sample.shapes, sample.dtypes(), strict=True))
    )
    return verify(builder.graph([builder.structural(REGISTRY[sample.row], operands, sample.attributes)]))


def inputs_of(sample: Sample, lengths: Lengths) -> dict[str, Array]:
    """Operands, the same in every run, and the lengths by name."""
    rng = np.random.default_rng(list(f"{sample} {sorted(lengths.items())}".encode()))
    found: dict[str, Array] = dict(lengths)
    for k, shape in enumerate(sample.shapes):
        sizes = tuple(lengths.get(extent, extent) for extent in shape)
        make = sample.data[k] if sample.data else real
        drawn = make(rng, sizes, lengths) if sample.dtypes()[k] == "int" else make(rng, sizes)
        found[f"x{k}"] = np.asarray(drawn)[()]
    return found


def directions_of(sample: Sample, inputs: Mapping[str, Array]) -> dict[str, Array]:
    rng = np.random.default_rng(list(str(sample).encode()))
    return {name: sample.direction(real(rng, np.shape(inputs[name])))[()] for name in sample.real_names()}


def tangent_graph(graph: Graph, sample: Sample) -> Graph:
    """The tangents of all outputs along the inputs dot_x0, ..."""
    builder = GraphBuilder(graph)
    nodes = graph.inputs()
    seeds = {nodes[n]: builder.input(f"dot_{n}", graph.nodes[nodes[n]].type) for n in sample.real_names()}
    return verify(builder.graph(jvp(graph, seeds, graph.outputs, builder)))


def adjoint_graph(graph: Graph, sample: Sample) -> Graph:
    """The adjoints of the real inputs, for the cotangent bar."""
    builder = GraphBuilder(graph)
    (output,) = graph.outputs
    bar = builder.input("bar", graph.nodes[output].type)
    nodes = graph.inputs()
    return verify(builder.graph(vjp(graph, {output: bar}, [nodes[n] for n in sample.real_names()], builder)))


def along(inputs: Mapping[str, Array], dots: Mapping[str, Array], step: Any) -> dict[str, Array]:
    """Inputs moved by a step, in mpmath's numbers."""
    moved = dict(inputs)
    for name, dot in dots.items():
        moved[name] = _exact(inputs[name]) + step * _exact(dot)
    return moved


def _exact(array: Array) -> Array:
    return np.frompyfunc(mp.mpf, 1, 1)(np.asarray(array, object))


def differences(graph: Graph, inputs: Mapping[str, Array], dots: Mapping[str, Array]) -> list[Array]:
    after = interpret(graph, along(inputs, dots, STEP), "mpmath")
    before = interpret(graph, along(inputs, dots, -STEP), "mpmath")
    return [(np.asarray(a) - np.asarray(b)) / (2 * STEP) for a, b in zip(after, before, strict=True)]


def assert_close(got: Array, want: Array, what: str, rtol: float = RTOL) -> None:
    want = np.asarray(want).astype(float)
    got = np.asarray(got, float)
    assert got.shape == want.shape, what
    if got.size:
        finite = np.isfinite(want)
        np.testing.assert_array_equal(got[~finite], want[~finite])
        scale = np.max(np.abs(want[finite]), initial=1e-3)
        error = np.max(np.abs(got[finite] - want[finite]), initial=0.0)
        assert error <= rtol * scale, f"{what}: off by {error:.3g} of {scale:.3g}"


def dotted(dots: Mapping[str, Array]) -> dict[str, Array]:
    return {f"dot_{name}": dot for name, dot in dots.items()}


@every
def test_value_is_that_of_the_reference(sample: Sample) -> None:
    graph = graph_of(sample)
    for lengths in sample.sizes:
        inputs = inputs_of(sample, lengths)
        (got,) = interpret(graph, inputs)
        with mp.workdps(DIGITS):
            (want,) = interpret(graph, inputs, "mpmath")
        assert_close(got, want, f"{sample} at {lengths}")


@differentiable
def test_tangents_are_central_differences(sample: Sample) -> None:
    graph = graph_of(sample)
    tangents = tangent_graph(graph, sample)
    for lengths in sample.sizes:
        inputs = inputs_of(sample, lengths)
        dots = directions_of(sample, inputs)
        (got,) = interpret(tangents, inputs | dotted(dots))
        with mp.workdps(DIGITS):
            (want,) = differences(graph, inputs, dots)
        assert_close(got, want, f"{sample} at {lengths}")


@differentiable
def test_adjoints_are_transposed_tangents(sample: Sample) -> None:
    """<bar, J dot> = <J^T bar, dot>."""
    graph = graph_of(sample)
    tangents, adjoints = tangent_graph(graph, sample), adjoint_graph(graph, sample)
    for lengths in sample.sizes:
        inputs = inputs_of(sample, lengths)
        dots = directions_of(sample, inputs)
        (result,) = interpret(graph, inputs)
        bar = np.random.default_rng(1).uniform(-2.0, 2.0, np.shape(result))
        (forward,) = interpret(tangents, inputs | dotted(dots))
        backward = interpret(adjoints, inputs | {"bar": bar})
        assert [np.shape(entry) for entry in backward] == [np.shape(inputs[name]) for name in sample.real_names()]
        left = np.sum(bar * forward)
        terms = [np.sum(entry * dots[name]) for entry, name in zip(backward, sample.real_names(), strict=True)]
        scale = np.sum(np.abs(bar * forward)) + 1e-3
        assert abs(left - sum(terms)) <= RTOL * scale, f"{sample} at {lengths}: {left} and {sum(terms)}"


@twice
def test_second_derivatives_are_central_differences_of_adjoints(sample: Sample) -> None:
    adjoints = adjoint_graph(graph_of(sample), sample)
    second = tangent_graph(adjoints, sample)
    for lengths in sample.sizes[:3]:
        inputs = inputs_of(sample, lengths)
        dots = directions_of(sample, inputs)
        (result,) = interpret(graph_of(sample), inputs)
        inputs["bar"] = np.random.default_rng(1).uniform(-2.0, 2.0, np.shape(result))[()]
        got = interpret(second, inputs | dotted(dots))
        with mp.workdps(DIGITS):
            want = differences(adjoints, inputs, dots)
        for ours, exact in zip(got, want, strict=True):
            assert_close(ours, exact, f"{sample} at {lengths}")


@every
def test_lifting_is_a_loop_over_samples(sample: Sample) -> None:
    """With a leading axis on all operands, and on each alone."""
    graph = graph_of(sample)
    names = [f"x{k}" for k in range(len(sample.shapes))]
    for chosen in [names, *[[name] for name in names if len(names) > 1]]:
        builder = GraphBuilder()
        given = {}
        for name, node in graph.inputs().items():
            type_ = graph.nodes[node].type
            shape = ("S", *type_.shape) if name in chosen else type_.shape
            own = builder.input(name, Type(type_.dtype, shape))
            if name in chosen:
                given[node] = own
        lifted = verify(builder.graph(lift(graph, given, "S", builder)))
        for lengths in sample.sizes[:3]:
            draws = [inputs_of(sample, lengths | {"draw": draw}) for draw in range(3)]
            shared = draws[0]
            stacked = shared | {name: np.stack([draw[name] for draw in draws]) for name in chosen}
            (got,) = interpret(lifted, stacked)
            for k, draw in enumerate(draws):
                (want,) = interpret(graph, shared | {name: draw[name] for name in chosen})
                assert_close(got[k], want, f"{sample} at {lengths} over {chosen}")


def test_every_row_has_a_sample() -> None:
    assert {sample.row for sample in SAMPLES} | COUNTED == {row.name for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_is_complete(row: Any) -> None:
    assert row.doc
    assert row.infer is not None
    assert row.evaluate is not None
    if row.arity != 0:
        assert row.batch is not None
    linear = row.linear if isinstance(row.linear, tuple) else range(row.arity or 1) if row.linear else ()
    assert not linear or row.transpose is not None
    if row.arity and row.name not in LAST:
        assert row.tangent is not None or set(linear) == set(range(row.arity))
    assert not row.partials, "derivatives of these rows are tangents and transposes"


@pytest.mark.parametrize("n", [0, 1, 5])
def test_lengths_count(n: int) -> None:
    f = Functions(GraphBuilder())
    x = f.wrap(f.builder.input("x", Type("real", ("n",))))
    outputs = [x, f.iota(plus("n", 1)), f.size(times("n", 2)), f.length(plus("n", -1))]
    graph = verify(f.builder.graph([value.index for value in outputs]))
    _, counted, doubled, less = interpret(graph, {"x": np.zeros(n)})
    assert counted.tolist() == list(range(n + 1))
    assert counted.dtype == np.int64
    assert doubled == 2 * n and less == n - 1


def test_third_derivatives_of_a_determinant_are_refused() -> None:
    sample = next(sample for sample in SAMPLES if sample.row == "cofactor")
    with pytest.raises(MissingDerivative, match=r"third derivatives of a determinant .* cofactor_tangent"):
        tangent_graph(adjoint_graph(graph_of(sample), sample), sample)


# Where single rows have something of their own to keep.


def value_and_gradient(build: Callable[..., Any], x: Array, order: int = 1) -> list[Array]:
    """Value, gradient, and the gradient's tangents along each unit matrix, of a scalar function of a matrix."""
    f = Functions(GraphBuilder())
    node = f.builder.input("x", Type("real", np.shape(x)))
    graph = f.builder.graph([build(f, f.wrap(node)).index])
    builder = GraphBuilder(graph)
    first = builder.graph([*graph.outputs, *vjp(graph, {graph.outputs[0]: builder.const(1)}, [node], builder)])
    found = interpret(verify(first), {"x": x})
    if order == 2:
        builder = GraphBuilder(first)
        dot = builder.input("dot", Type("real", np.shape(x)))
        second = verify(builder.graph(jvp(first, {node: dot}, first.outputs[1:], builder)))
        units = np.eye(np.size(x)).reshape(-1, *np.shape(x))
        found.append(np.array([interpret(second, {"x": x, "dot": unit})[0] for unit in units]))
    return found


def exact_determinant(x: Array) -> list[Array]:
    """Determinant, cofactors and second minors by expansion over permutations, in exact integers."""
    import itertools

    n = len(x)
    value, first, second = 0, np.zeros((n, n)), np.zeros((n * n, n, n))
    for places in itertools.permutations(range(n)):
        sign = np.linalg.det(np.eye(n)[list(places)])
        entries = [x[i][places[i]] for i in range(n)]
        value += sign * np.prod(entries)
        for i in range(n):
            first[i, places[i]] += sign * np.prod(np.delete(entries, i))
            for j in range(n):
                if i != j:
                    second[i * n + places[i], j, places[j]] += sign * np.prod(np.delete(entries, [i, j]))
    return [value, first, second]


SINGULAR = {
    "regular": [[2, 1, 0, 1], [1, 3, 1, 0], [0, 1, 4, 2], [1, 0, 2, 5]],
    "negative determinant": [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 3, 1], [0, 0, 1, 2]],
    "rank n - 1": [[1, 2, 3, 4], [2, 1, 0, 1], [1, 1, 1, 1], [3, 3, 3, 5]],
    "rank n - 2": [[1, 2, 3, 4], [2, 4, 6, 8], [1, 0, 1, 0], [2, 2, 4, 4]],
    "rank n - 3": [[1, 2, 3, 4], [2, 4, 6, 8], [3, 6, 9, 12], [-1, -2, -3, -4]],
    "zero": [[0] * 4] * 4,
    "identity": np.eye(4, dtype=int).tolist(),
    "equal singular values": [[1, 1, 0, 0], [1, -1, 0, 0], [0, 0, 1, 1], [0, 0, 1, -1]],
}


@pytest.mark.parametrize("name", SINGULAR)
def test_determinants_are_right_at_singular_matrices(name: str) -> None:
    x = np.array(SINGULAR[name], float)
    for got, want in zip(value_and_gradient(lambda f, x: f.det(x), x, 2), exact_determinant(x), strict=True):
        # Products of up to three singular values, each right to a few ulp of the largest.
        assert_close(got, want, name, 64 * 2.0**-52 * max(1.0, np.linalg.norm(x, 2) ** 3))


def test_ties_of_an_extreme_split_evenly() -> None:
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    for reduce, sign in (("reduce_max", 1.0), ("reduce_min", -1.0)):
        _, gradient = value_and_gradient(lambda f, x, r=reduce: f.reduce_sum(getattr(f, r)(x, (1,))), sign * x)
        np.testing.assert_array_equal(gradient, [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]])


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_gradient_of_a_product_is_exact_with_zeros(zeros: int) -> None:
    x = np.array([2.0, 3.0, 5.0, 7.0])
    x[:zeros] = 0.0
    value, gradient, hessian = value_and_gradient(lambda f, x: f.reduce_prod(x, (0,)), x, 2)
    assert value == np.prod(x)
    assert gradient.tolist() == [np.prod(np.delete(x, k)) for k in range(4)]
    pairs = [[0.0 if i == j else np.prod(np.delete(x, [i, j])) for j in range(4)] for i in range(4)]
    assert hessian.tolist() == pairs


def test_gradient_of_running_products_is_finite_with_zeros() -> None:
    x = np.array([2.0, 0.0, 3.0, 0.0, 5.0])
    _, gradient = value_and_gradient(lambda f, x: f.reduce_sum(f.cumulative_product(x, 0)), x)
    assert gradient.tolist() == [1.0, 2.0 * (1 + 3), 0.0, 0.0, 0.0]


def test_singular_matrices_have_their_documented_results() -> None:
    f = Functions(GraphBuilder())
    a = f.wrap(f.builder.input("a", Type("real", (2, 2))))
    b = f.wrap(f.builder.input("b", Type("real", (2, 1))))
    outputs = [f.solve(a, b), f.inv(a), f.log_abs_det(a), f.det(a), f.cholesky(-a)]
    graph = f.builder.graph([value.index for value in outputs])
    a, b = np.array([[1.0, 2.0], [2.0, 4.0]]), np.ones((2, 1))
    solved, inverse, logarithm, determinant, factor = interpret(graph, {"a": a, "b": b})
    assert np.all(np.isnan(solved)) and np.all(np.isnan(inverse)) and np.all(np.isnan(factor))
    assert logarithm == -np.inf and determinant == 0.0


HUGE = [[1e4, -1e4, 0.0], [1e4, 1e4 - 20.0, -1e4], [-1e4, -1e4, -1e4 - 3.0], [-np.inf, 0.0, 1.0]]


def test_softmax_family_keeps_its_digits_at_huge_logits() -> None:
    x = np.array(HUGE)
    f = Functions(GraphBuilder())
    u = f.wrap(f.builder.input("u", Type("real", ("n", 3))))
    graph = f.builder.graph([f.logsumexp(u, (1,)).index, f.softmax(u, (1,)).index, f.log_softmax(u, (1,)).index])
    with mp.workdps(60):
        exps = [[mp.exp(mp.mpf(float(entry))) for entry in row] for row in x]
        sums = [mp.fsum(row) for row in exps]
        want = [float(mp.log(total)) for total in sums]
        shares = [[float(e / s) for e in row] for row, s in zip(exps, sums, strict=True)]
        logs = [[float(mp.log(e / s)) if e else -np.inf for e in row] for row, s in zip(exps, sums, strict=True)]
    lse, softmax, log_softmax = interpret(graph, {"u": x})
    np.testing.assert_allclose(lse, want, rtol=4e-16)
    # Differences of logits are rounded to an ulp of at most 2e4, and exponentiated.
    np.testing.assert_allclose(softmax, shares, rtol=8e-16, atol=5e-324)
    np.testing.assert_allclose(log_softmax, logs, rtol=8e-16, atol=2e-16)


def test_weights_of_any_sign_and_zero_weights() -> None:
    f = Functions(GraphBuilder())
    w, u = (f.wrap(f.builder.input(name, Type("real", (4, 3)))) for name in "wu")
    graph = f.builder.graph([f.weighted_logsumexp(w, u, (1,)).index])
    weights = np.array([[1.0, 2.0, -0.5], [0.0, 1.0, 1.0], [-1.0, 0.5, 0.1], [0.0, 0.0, 0.0]])
    logits = np.array([[700.0, 701.0, 700.5], [1e4, 3.0, 3.0], [800.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
    (got,) = interpret(graph, {"w": weights, "u": logits})
    first = 701.0 + np.log(2.0 + np.exp(-1.0) - 0.5 * np.exp(-0.5))
    # 16 ulp for the naive expectation, which is of order 1 before the shift.
    np.testing.assert_allclose(got[:2], [first, 3.0 + np.log(2.0)], rtol=16 * 2.0**-52)
    assert np.isnan(got[2]) and got[3] == -np.inf
