"""Every rule between arrays: it applies to its own example, alone and in its pass, and the values stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from symbackprop.ad import modes
from symbackprop.errors import EmitError
from symbackprop.ir import Functions, Graph, GraphBuilder, Type, interpret, verify
from symbackprop.ops import REGISTRY
from symbackprop.passes import Rule, dead, expand, guard, simplify, stabilise
from symbackprop.passes.arrays import RULES as ARRAY_RULES
from symbackprop.passes.contraction import contract
from symbackprop.passes.covariances import RULES as COVARIANCE_RULES
from symbackprop.passes.diagonals import RULES as DIAGONAL_RULES
from symbackprop.passes.free_energies import RULES as FREE_ENERGY_RULES
from symbackprop.passes.guard import RULES as GUARD_RULES
from symbackprop.passes.likelihoods import RULES as LIKELIHOOD_RULES
from symbackprop.passes.rewrite import Rewriter, sweep
from symbackprop.passes.simplify import RULES as SIMPLIFY_RULES
from symbackprop.passes.stabilise import RULES as STABILISE_RULES
from symbackprop.passes.stable_sums import RULES as STABLE_SUM_RULES
from symbackprop.passes.strength import RULES as STRENGTH_RULES

SHAPE = ("N", 3)
LENGTHS = (4, 1, 0)
STRUCTURAL_RULES = tuple(rule for rule in SIMPLIFY_RULES if rule.is_structural)
PASSES = {
    "simplify": (simplify, STRUCTURAL_RULES),
    "stabilise": (
        stabilise,
        STABLE_SUM_RULES + DIAGONAL_RULES + LIKELIHOOD_RULES + COVARIANCE_RULES + FREE_ENERGY_RULES,
    ),
}
RULES = [pytest.param(name, rule, id=f"{name}: {rule.name}") for name, (_, rules) in PASSES.items() for rule in rules]
# Sums and products of a dozen numbers in another order, and exponentials of sums of logarithms.
RTOL = 1e-14


def graph_of(example: Callable[..., Any]) -> Graph:
    f = Functions(GraphBuilder())
    x, y = (f.wrap(f.builder.input(name, Type("real", SHAPE))) for name in "xy")
    c = f.lt(f.wrap(f.builder.input("t", Type("real", SHAPE))), 0)
    return verify(f.builder.graph([example(f, x, y, c).index]))


def samples(length: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(20240301)
    x, y, t = rng.uniform(-4.0, 4.0, (3, length, 3))
    return {"x": np.abs(x), "y": y, "t": t}


def text(graph: Graph) -> list[tuple[object, ...]]:
    return [tuple(node) for node in dead(graph).nodes]


def assert_same(after: Graph, before: Graph, length: int, rtol: float = RTOL) -> None:
    try:
        expected = interpret(before, samples(length))
    except IndexError:
        assert length == 0, "an example may take an entry of what is not empty"
        return
    for got, want in zip(interpret(after, samples(length)), expected, strict=True):
        assert np.shape(got) == np.shape(want)
        scale = np.max(np.abs(want), initial=0.0)
        np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize(("name", "rule"), RULES)
def test_rule_rewrites_its_example(name: str, rule: Rule) -> None:
    before = graph_of(rule.example)
    assert rule.op in {node.op.name for node in before.nodes}
    after = verify(sweep(before, Rewriter([rule])), rule.name)
    assert text(after) != text(before)
    for length in LENGTHS:
        assert_same(after, before, length)


@pytest.mark.parametrize(("name", "rule"), RULES)
def test_pass_rewrites_the_example(name: str, rule: Rule) -> None:
    run, _ = PASSES[name]
    before = graph_of(rule.example)
    after = verify(run(before), name)
    assert text(after) != text(before)
    for length in LENGTHS:
        assert_same(after, before, length)
    assert text(verify(run(after), name)) == text(after), "a second sweep changes the graph again"


@pytest.mark.parametrize(("name", "rule"), RULES)
def test_derivatives_of_what_a_rule_writes(name: str, rule: Rule) -> None:
    """The gradient of the sum of all entries is the same before and after, and after the passes that follow it."""

    def total(f: Any, x: Any, y: Any, c: Any) -> Any:
        return f.reduce_sum(f.sin(rule.example(f, x, y, c)) * 2)

    before = graph_of(total)
    after = sweep(before, Rewriter([rule]))
    want = modes.gradient(before, [before.inputs()["x"]], "zero")
    inputs = after.inputs()
    if "x" not in inputs:
        pytest.skip("nothing of x is left")
    got = verify(modes.gradient(after, [inputs["x"]], "zero"))
    for length in LENGTHS[:2]:
        # Derivatives of quotients of exponentials take a handful of roundings more.
        assert_same(got, want, length, 100 * RTOL)
        assert_same(verify(expand(guard(got, 1), "numpy")), want, length, 100 * RTOL)


def test_every_rule_between_arrays_is_tried_here() -> None:
    tried = [rule for _, rules in PASSES.values() for rule in rules]
    everything = SIMPLIFY_RULES + STABILISE_RULES + GUARD_RULES + STRENGTH_RULES
    assert {rule for rule in everything if rule.is_structural} <= set(tried)
    assert set(ARRAY_RULES) <= set(tried)
    assert len({rule.name for rule in tried}) == len(tried)


EVERY_PASS = {
    "simplify": simplify,
    "guard": guard,
    "stabilise": stabilise,
    "contract": contract,
    "dead": dead,
    "expand": lambda graph: expand(graph, "numpy"),
}


@pytest.mark.parametrize("run", EVERY_PASS.values(), ids=EVERY_PASS)
def test_passes_keep_all_values(run: Callable[[Graph], Graph]) -> None:
    f = Functions(GraphBuilder())
    x, y = (f.wrap(f.builder.input(name, Type("real", SHAPE))) for name in "xy")
    c = f.lt(f.wrap(f.builder.input("t", Type("real", SHAPE))), 0)
    outputs = [rule.example(f, x, y, c).index for _, rules in PASSES.values() for rule in rules]
    before = verify(f.builder.graph(outputs))
    after = verify(run(before))
    for length in LENGTHS:
        assert_same(after, before, length)


# A transpose that a repetition cannot hold, as its axes keep their order.


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_repetition_keeps_the_order_of_axes(order: tuple[int, int]) -> None:
    builder = GraphBuilder()
    x = builder.input("x", Type("real", (2, 2)))
    same = builder.broadcast(x, (2, 2), order)
    larger = builder.broadcast(x, (2, 3, 2), (0, 2) if order == (0, 1) else (2, 0))
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    got, repeated = interpret(verify(builder.graph([same, larger])), {"x": values})
    want = values if order == (0, 1) else values.T
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(repeated, np.repeat(want[:, None, :], 3, axis=1))


# Rows that are made of others.


@pytest.mark.parametrize("target", ["numpy", "numba", "python"])
@pytest.mark.parametrize("name", [row.name for row in REGISTRY if row.define is not None and not row.elementwise])
def test_expand_writes_rows_on_arrays_by_their_definition(name: str, target: str) -> None:
    row = REGISTRY[name]
    for axes in ((0,), (1,), (0, 1)):

        def example(f: Any, x: Any, y: Any, c: Any, axes: Any = axes) -> Any:
            other = f.reduce_sum(y, axes) if name == "reduce_smooth_maximum" else y
            return getattr(f, name)(*[x, other][: row.arity], axes)

        before = graph_of(example)
        after = verify(expand(before, target))
        assert (row in {node.op for node in after.nodes}) is (getattr(row, target) is not None)
        assert text(expand(after, target)) == text(after)
        for length in (4, 1):
            assert_same(after, before, length)


def test_expand_still_refuses_what_a_target_cannot_compute() -> None:
    graph = graph_of(lambda f, x, y, c: f.logsumexp(f.digamma(x), (1,)))
    with pytest.raises(EmitError, match="digamma"):
        expand(graph, "python")


# Stable forms over huge ranges.


def total(f: Any, x: Any, axes: Any = (1,)) -> Any:
    shape, kept = f.shape(x), [axis for axis in (0, 1) if axis not in axes]
    return f.broadcast(f.reduce_sum(f.exp(x), axes), shape, kept)


def reciprocal(f: Any, x: Any) -> Any:
    return f.pow(x, f.const(-1))


def ones(f: Any, *shape: Any) -> Any:
    return f.fill(1, shape)


# As users write them, the row that is to come of it, and the exact result of one row of logits u and weights w.
FORMS: dict[str, tuple[Callable[..., Any], set[str], Callable[..., Any]]] = {
    "log of sum": (
        lambda f, u, w: f.log(f.reduce_sum(f.exp(u), (1,))),
        {"logsumexp"},
        lambda u, w: [mp.log(mp.fsum(map(mp.exp, u)))],
    ),
    "log of a product with ones": (
        lambda f, u, w: f.reshape(f.log(f.matmul(f.exp(u), ones(f, 3, 1))), ("N",)),
        {"logsumexp"},
        lambda u, w: [mp.log(mp.fsum(map(mp.exp, u)))],
    ),
    "log of mean": (
        lambda f, u, w: f.log(f.reduce_sum(f.exp(u), (1,)) / f.length(3)),
        {"logsumexp"},
        lambda u, w: [mp.log(mp.fsum(map(mp.exp, u)) / 3)],
    ),
    "log of weighted sum": (
        lambda f, u, w: f.log(f.reduce_sum(w * f.exp(u), (1,))),
        {"weighted_logsumexp"},
        lambda u, w: [mp.log(dot(w, u))],
    ),
    "log of a quotient of sums": (
        lambda f, u, w: f.log(f.reduce_sum(w * f.exp(u), (1,)) / f.reduce_sum(f.exp(-u), (1,))),
        {"weighted_logsumexp", "logsumexp"},
        lambda u, w: [mp.log(dot(w, u) / mp.fsum(mp.exp(-e) for e in u))],
    ),
    "softmax": (lambda f, u, w: f.exp(u) / total(f, u), {"softmax"}, lambda u, w: shares(u)),
    "softmax by HadamardPower": (
        lambda f, u, w: f.exp(u) * reciprocal(f, total(f, u)),
        {"softmax"},
        lambda u, w: shares(u),
    ),
    "softmax by products with ones": (
        lambda f, u, w: f.exp(u) * reciprocal(f, f.matmul(f.matmul(f.exp(u), ones(f, 3, 1)), ones(f, 1, 3))),
        {"softmax"},
        lambda u, w: shares(u),
    ),
    "softmin by HadamardPower": (
        lambda f, u, w: f.exp(-u) * reciprocal(f, total(f, -u)),
        {"softmax"},
        lambda u, w: shares([-e for e in u]),
    ),
    "log of softmax": (
        lambda f, u, w: f.log(f.exp(u) / total(f, u)),
        {"log_softmax"},
        lambda u, w: [mp.log(share) for share in shares(u)],
    ),
    "log of softmax by HadamardPower": (
        lambda f, u, w: f.log(f.exp(u) * reciprocal(f, total(f, u))),
        {"log_softmax"},
        lambda u, w: [mp.log(share) for share in shares(u)],
    ),
    "cross-entropy": (
        lambda f, u, w: -f.reduce_sum(w * f.log(f.exp(u) / total(f, u)), (1,)),
        {"log_softmax"},
        lambda u, w: [-mp.fsum(a * mp.log(share) for a, share in zip(w, shares(u), strict=True))],
    ),
    "log of picked softmax": (
        lambda f, u, w: f.log(f.reduce_sum(w * f.exp(u) / total(f, u), (1,))),
        {"weighted_logsumexp", "log_softmax"},
        lambda u, w: [mp.log(dot(w, u) / mp.fsum(map(mp.exp, u)))],
    ),
    "part of softmax": (
        lambda f, u, w: f.log(f.slice(f.exp(u) / total(f, u), ((0, 1, "N"), (1, 1, 1)))),
        {"log_softmax"},
        lambda u, w: [mp.log(shares(u)[1])],
    ),
    "weighted softmax": (
        lambda f, u, w: w * f.exp(u) / f.broadcast(f.reduce_sum(w * f.exp(u), (1,)), SHAPE, (0,)),
        {"weighted_softmax"},
        lambda u, w: [a * mp.exp(e) / dot(w, u) for a, e in zip(w, u, strict=True)],
    ),
    "other share": (
        lambda f, u, w: f.exp(w + u) / total(f, u),
        {"logsumexp"},
        lambda u, w: [mp.exp(a + e) / mp.fsum(map(mp.exp, u)) for a, e in zip(w, u, strict=True)],
    ),
}


def dot(w: Any, u: Any) -> Any:
    return mp.fsum(a * mp.exp(e) for a, e in zip(w, u, strict=True))


def shares(u: Any) -> list[Any]:
    exps = [mp.exp(e) for e in u]
    return [e / mp.fsum(exps) for e in exps]


RANGES = (1.0, 30.0, 700.0, 1e4)


def stable(form: str) -> Graph:
    f = Functions(GraphBuilder())
    u, w = (f.wrap(f.builder.input(name, Type("real", SHAPE))) for name in "uw")
    return verify(stabilise(simplify(f.builder.graph([FORMS[form][0](f, u, w).index]))))


@pytest.mark.parametrize("form", FORMS)
def test_a_form_becomes_its_rows(form: str) -> None:
    graph = dead(stable(form))
    names = {node.op.name for node in graph.nodes}
    assert FORMS[form][1] <= names
    if form not in ("weighted softmax", "other share"):
        assert not names & {"exp", "log"} or form == "log of mean"
    assert text(dead(stabilise(graph))) == text(graph)


@pytest.mark.parametrize("size", RANGES)
@pytest.mark.parametrize("form", FORMS)
def test_values_over_huge_ranges(form: str, size: float) -> None:
    rng = np.random.default_rng(7)
    u, w = size * rng.uniform(-1.0, 1.0, (6, 3)), rng.uniform(0.1, 1.0, (6, 3))
    graph = stable(form)
    for run in (lambda g: g, lambda g: expand(g, "numpy")):
        (got,) = interpret(verify(run(graph)), {"u": u, "w": w})
        with mp.workdps(60):
            exact = [
                FORMS[form][2]([mp.mpf(e) for e in row], [mp.mpf(a) for a in ws]) for ws, row in zip(w, u, strict=True)
            ]
            want = np.array([[float(entry) for entry in row] for row in exact]).reshape(np.shape(got))
        # Exponents of this size are rounded to so many ulp of 1, which an exponential turns into a relative error.
        np.testing.assert_allclose(got, want, rtol=4e-16 * max(size, 8.0), atol=4e-16 * max(1.0, size * 1e-4))


@pytest.mark.parametrize("size", RANGES)
@pytest.mark.parametrize("form", FORMS)
def test_gradients_over_huge_ranges(form: str, size: float) -> None:
    """Against central differences at as many digits as the range takes; in logits and in weights."""
    rng = np.random.default_rng(8)
    u, w = size * rng.uniform(-1.0, 1.0, (2, 3)), rng.uniform(0.1, 1.0, (2, 3))
    bars = rng.uniform(0.5, 1.0, 6)
    graph = stable(form)
    builder = GraphBuilder(graph)
    f = Functions(builder)
    (output,) = graph.outputs
    width = 3 if len(f.shape(f.wrap(output))) == 2 else 1
    weights = builder.input("bars", graph.nodes[output].type)
    value = f.reduce_sum(f.wrap(weights) * f.wrap(output)).index
    inputs = graph.inputs()
    names = [name for name in "uw" if name in inputs]
    gradient = modes.gradient(builder.graph([value]), [inputs[name] for name in names], "zero")
    shape = interpret(graph, {"u": u, "w": w})[0].shape
    bars = bars[: int(np.prod(shape))].reshape(shape)
    _, *found = interpret(verify(expand(guard(gradient, 1), "numpy")), {"u": u, "w": w, "bars": bars})
    flat = bars.reshape(2, -1)
    assert width in (1, 3)
    with mp.workdps(120):
        step = mp.mpf(10) ** -30

        def exact(row: int, logits: list[Any], scales: list[Any]) -> Any:
            return mp.fsum(b * e for b, e in zip(map(mp.mpf, flat[row]), FORMS[form][2](logits, scales), strict=True))

        for name, got in zip(names, found, strict=True):
            for row, k in np.ndindex(2, 3):
                point = {"u": [mp.mpf(e) for e in u[row]], "w": [mp.mpf(a) for a in w[row]]}
                sides = []
                for sign in (1, -1):
                    moved = {key: list(values) for key, values in point.items()}
                    moved[name][k] += sign * step
                    sides.append(exact(row, moved["u"], moved["w"]))
                want = float((sides[0] - sides[1]) / (2 * step))
                # A difference of terms of the size of the cotangents, which are below 1, or larger.
                scale = max(np.max(np.abs(got[row])), 1.0)
                assert abs(got[row, k] - want) <= 5e-16 * max(size, 8.0) * scale, (name, row, k)


@pytest.mark.parametrize("weights", [[1.0, 2.0, -5.0], [0.0, 1.0, 2.0], [-1.0, -2.0, -3.0], [0.0, 0.0, 1.0]], ids=str)
def test_quotients_by_sums_of_any_sign(weights: list[float]) -> None:
    """A weighted sum may be negative, and a weight of 0 may stand beside the largest exponent."""
    f = Functions(GraphBuilder())
    u, w = (f.wrap(f.builder.input(name, Type("real", SHAPE))) for name in "uw")
    share = f.exp(u) / f.broadcast(f.reduce_sum(w * f.exp(u), (1,)), SHAPE, (0,))
    graph = verify(expand(stabilise(f.builder.graph([share.index])), "numpy"))
    for logits in ([0.5, -0.5, 0.25], [700.0, -20.0, -30.0], [600.0, -150.0, -160.0]):
        (got,) = interpret(graph, {"u": np.array([logits]), "w": np.array([weights])})
        with mp.workdps(60):
            exact = [mp.exp(mp.mpf(e)) / dot(list(map(mp.mpf, weights)), list(map(mp.mpf, logits))) for e in logits]
        want = np.array([float(entry) if abs(entry) < 1e308 else float("inf") for entry in exact])
        # The exponents are rounded to an ulp of 750, and 1 - 5*exp(..) cancels by a factor of 4.
        np.testing.assert_allclose(got[0], np.where(np.isinf(want), got[0], want), rtol=1e-12)


def test_long_products_are_not_looked_through() -> None:
    f = Functions(GraphBuilder())
    x = f.wrap(f.builder.input("x", Type("real", SHAPE)))
    value = f.exp(x)
    for k in range(2000):
        value = value * (x + (k + 1))
    graph = f.builder.graph([f.log(f.reduce_sum(value, (1,))).index])
    assert len(dead(verify(stabilise(graph)))) == len(graph)
