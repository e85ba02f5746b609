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
from symbackprop.ir import Graph, GraphBuilder, Type, interpret, verify
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
    *reduction("product_less_one", (0,), (1,)),
    *reduction("reduce_max", (0,), (1,), (0, 1), sizes=GENERAL[:3]),
    *reduction("reduce_min", (0,), (1,), (0, 1), sizes=GENERAL[:3]),
    *reduction("reduce_norm", (0,), (1,), (0, 1), sizes=GENERAL[:3]),
    *reduction("logsumexp", (0,), (1,), (0, 1), sizes=GENERAL[:3]),
    *reduction("softmax", (0,), (1,), (0, 1)),
    *reduction("log_softmax", (0,), (1,), (0, 1)),
    *reduction("softmax_entropy", (0,), (1,), (0, 1), sizes=GENERAL[:3]),
    *reduction("softmax_deviation", (0,), (1,), (0, 1), sizes=GENERAL[:3]),
    *[
        Sample("reduce_smooth_maximum", (NM, rest), axes, GENERAL[:3], (real, positive))
        for rest, axes in ((("m",), (0,)), (("n",), (1,)), ((), (0, 1)))
    ],
    *[
        Sample(name, (NM, NM), axes, GENERAL[:3], (positive, real))
        for name in ("weighted_logsumexp", "weighted_softmax")
        for axes in ((0,), (1,), (0, 1))
    ],
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


def test_third_derivatives_of_a_determinant_are_refused() -> None:
    sample = next(sample for sample in SAMPLES if sample.row == "cofactor")
    with pytest.raises(MissingDerivative, match=r"third derivatives of a determinant .* cofactor_tangent"):
        tangent_graph(adjoint_graph(graph_of(sample), sample), sample)
