"""Every rule over numbers: it applies to its own example, and the value stays what it was.

Rules between arrays are in test_array_rules."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from symbackprop.ir import Functions, Graph, GraphBuilder, interpret, verify
from symbackprop.ops import REGISTRY
from symbackprop.passes import Rule, dead, expand, guard, simplify, stabilise, strength
from symbackprop.passes.guard import RULES as GUARD_RULES
from symbackprop.passes.rewrite import Rewriter, sweep
from symbackprop.passes.simplify import RULES as SIMPLIFY_RULES
from symbackprop.passes.stabilise import RULES as STABILISE_RULES
from symbackprop.passes.stabilise import WRITTEN_RULES
from symbackprop.passes.stable_sums import RULES as STABLE_SUM_RULES
from symbackprop.passes.strength import LONGEST_CHAIN
from symbackprop.passes.strength import RULES as STRENGTH_RULES

Pass = Callable[[Graph], Graph]


def over_numbers(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules if not rule.is_structural and rule not in STABLE_SUM_RULES)


PASSES: dict[str, tuple[Pass, tuple[Rule, ...]]] = {
    "simplify": (simplify, over_numbers(SIMPLIFY_RULES)),
    "guard": (guard, over_numbers(GUARD_RULES)),
    "strength": (strength, over_numbers(STRENGTH_RULES)),
    "stabilise": (stabilise, over_numbers(STABILISE_RULES + WRITTEN_RULES)),
}
RULES = [pytest.param(name, rule, id=f"{name}: {rule.name}") for name, (_, rules) in PASSES.items() for rule in rules]
ALL_RULES = [rule for _, rules in PASSES.values() for rule in rules]

# What each rule may cost. Rules of simplify and guard are exact or save a rounding; the two quotient rules and the
# product of constants replace two roundings by others, each of half an ulp: 2 ulp between both forms.
REASSOCIATING_ULP = 2.0
# x**n by a chain of products errs by up to (n - 1)/2 ulp and pow by 1: at n = 8, below 4.5 in all.
POWER_ULP = (LONGEST_CHAIN - 1) / 2 + 1
# How much better the rules of stabilise are is tested in test_stable_rules: before and after are not the same.
ALLOWED = {"simplify": REASSOCIATING_ULP, "guard": REASSOCIATING_ULP, "strength": POWER_ULP, "stabilise": math.inf}

SPECIAL = (0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 1e200, -1e200, 1e-200, 5e-324, -1e308)


def text(graph: Graph) -> list[tuple[object, ...]]:
    return [tuple(node) for node in dead(graph).nodes]


def alone(rule: Rule, graph: Graph) -> Graph:
    """The graph after this rule and no other."""
    return sweep(graph, Rewriter([rule]))


def assert_same(after: Graph, before: Graph, inputs: dict[str, np.ndarray], ulp: float) -> None:
    """The same results, infinities and nan included; finite ones up to units in the last place, which may be any.

    A result that is a sum is measured against its largest term, as it may cancel.
    """
    if ulp == math.inf:
        return
    shape = inputs["x"].shape
    terms = [*before.nodes[before.outputs[0]].operands, before.outputs[0]]
    wanted = Graph(before.nodes, tuple(term for term in terms if before.nodes[term].type.dtype == "real"))
    values = [np.broadcast_to(value, shape) for value in interpret(wanted, inputs)]
    want, got = values[-1], np.broadcast_to(interpret(after, inputs)[0], shape)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite])
    scale = np.max([np.where(np.isfinite(value), np.abs(value), 0.0) for value in values], axis=0)[finite]
    error = np.abs(got[finite] - want[finite])
    worst = np.argmax(error / np.spacing(scale))
    point = {name: float(column[finite][worst]) for name, column in inputs.items()}
    assert error[worst] <= ulp * np.spacing(scale[worst]), (
        f"{got[finite][worst]} and not {want[finite][worst]} at {point}"
    )


@pytest.mark.parametrize(("name", "rule"), RULES)
def test_rule_rewrites_its_example(name: str, rule: Rule, graph_of, samples) -> None:
    before = verify(graph_of(rule.example), "the example")
    after = verify(alone(rule, before), rule.name)
    assert text(after) != text(before)
    assert_same(after, before, samples, ALLOWED[name])


@pytest.mark.parametrize(("name", "rule"), RULES)
def test_pass_rewrites_the_example(name: str, rule: Rule, graph_of, samples) -> None:
    run, _ = PASSES[name]
    before = graph_of(rule.example)
    after = verify(run(before), name)
    assert text(after) != text(before)
    assert_same(after, before, samples, ALLOWED[name])
    # Where nothing is far out the quotient stays as it was written, and is not swept twice.
    if rule not in WRITTEN_RULES:
        assert text(verify(run(after), name)) == text(after), "a second sweep changes the graph again"


# Dropping the rounded 1/y is the point of this rule: where 1/y overflows, the quotient alone is right.
SAVES_AN_OVERFLOW = "x*(1/y) -> x/y"


@pytest.mark.parametrize("rule", over_numbers(SIMPLIFY_RULES), ids=lambda rule: rule.name)
def test_simplify_is_right_for_every_double(rule: Rule, graph_of) -> None:
    table = np.array(list(itertools.product(SPECIAL, SPECIAL, (-1.0, 1.0))))
    inputs = {"x": table[:, 0], "y": table[:, 1], "t": table[:, 2]}
    before = graph_of(rule.example)
    if rule.name == SAVES_AN_OVERFLOW:
        before = graph_of(lambda f, x, y, c: x / y)
        assert text(alone(rule, graph_of(rule.example))) == text(before)
    # Zeros compare equal whatever their sign, as simplify promises.
    assert_same(alone(rule, graph_of(rule.example)), before, inputs, REASSOCIATING_ULP)


@pytest.mark.parametrize(
    ("x", "a", "y", "product"),
    [(1e-200, 1e308, 1e200, 1e-92), (1e150, 1e-300, 1e-200, 1e50), (1e-160, 1e160, 1e170, 1e-170)],
)
def test_a_quotient_is_shared_only_where_nothing_is_lost(x: float, a: float, y: float, product: float) -> None:
    """x*(a/y) beside x/y: the shared quotient x/y must not overflow or vanish where the product does not."""
    f = Functions(GraphBuilder())
    left, numerator, denominator = f.input("x"), f.input("a"), f.input("y")
    graph = f.builder.graph([(left / denominator).index, (left * (numerator / denominator)).index])
    _, got = interpret(verify(simplify(graph)), {"x": x, "a": a, "y": y})
    # Three roundings at most, one of them in the literal.
    assert math.isclose(got, product, rel_tol=4 * 2.0**-52)


@pytest.mark.parametrize("name", PASSES)
def test_rules_name_the_operation_that_they_rewrite(name: str, graph_of) -> None:
    _, rules = PASSES[name]
    for rule in rules:
        ops = {node.op.name for node in graph_of(rule.example).nodes}
        assert rule.op in ops, rule.name
    assert len({rule.name for rule in rules}) == len(rules)


def everything() -> Graph:
    """All examples of all passes in one graph, an output each."""
    f = Functions(GraphBuilder())
    x, y, c = f.input("x"), f.input("y"), f.lt(f.input("t"), 0)
    # The standard library has no erfinv.
    rules = [rule for _, rules in PASSES.values() for rule in rules if rule.op != "erfinv"]
    return f.builder.graph([rule.example(f, x, y, c).index for rule in rules])


def expand_for_numpy(graph: Graph) -> Graph:
    return expand(graph, "numpy")  # target python has no digamma function


# A power becomes several products, and a row what it is defined by.
GROWING = (strength, expand_for_numpy)


@pytest.mark.parametrize("run", [simplify, guard, dead, *GROWING], ids=lambda run: run.__name__)
def test_passes_keep_all_values_and_well_formed_graphs(run: Pass, samples) -> None:
    before = verify(everything())
    after = verify(run(before))
    assert len(after) <= len(before) or run in GROWING
    for got, want in zip(after.outputs, before.outputs, strict=True):
        assert_same(Graph(after.nodes, (got,)), Graph(before.nodes, (want,)), samples, POWER_ULP)


@pytest.mark.parametrize("exponent", range(-LONGEST_CHAIN - 1, LONGEST_CHAIN + 2))
def test_integer_powers(exponent: int, graph_of, samples) -> None:
    before = graph_of(lambda f, x, y, c: f.pow(x, exponent))
    after = verify(strength(before))
    names = {node.op.name for node in after.nodes}
    assert ("pow" in names) == (abs(exponent) > LONGEST_CHAIN)
    # A negative power adds the rounding of its quotient.
    assert_same(after, before, samples, POWER_ULP + 1)


@pytest.mark.parametrize("halves", [-5, -3, -1, 1, 3, 5])
def test_half_powers_are_nan_below_zero(halves: int, graph_of, samples) -> None:
    before = graph_of(lambda f, x, y, c: f.pow(x, f.const((halves, 2))))
    after = verify(strength(before))
    assert "sqrt" in {node.op.name for node in after.nodes}
    assert_same(after, before, samples, POWER_ULP)
    np.testing.assert_array_equal(np.isnan(interpret(after, samples)[0]), samples["x"] < 0)


@pytest.mark.parametrize(
    "name", [row.name for row in REGISTRY if row.define is not None and row.elementwise and row.domain]
)
def test_expand_writes_what_the_row_computes(name: str) -> None:
    row = REGISTRY[name]
    f = Functions(GraphBuilder())
    names = [f"x{position}" for position in range(row.arity or 0)]
    before = f.builder.graph([f.apply(row, *[f.input(identifier) for identifier in names]).index])
    after = verify(expand(before, "numpy"), "expand")
    assert all(node.op.numpy is not None for node in after.nodes if node.operands)
    rng = np.random.default_rng(1)
    inputs = {n: rng.uniform(low, high, 100) for n, (low, high) in zip(names, row.domain, strict=True)}
    # The identities that run on the way save roundings; nothing else may change.
    np.testing.assert_allclose(interpret(after, inputs)[0], interpret(before, inputs)[0], rtol=4 * 2.0**-52, atol=0)


def test_dead_keeps_only_what_is_used(graph_of) -> None:
    f = Functions(GraphBuilder())
    x = f.input("x")
    kept = f.sin(x)
    f.exp(f.input("unused"))
    graph = verify(dead(f.builder.graph([kept.index])), "dead")
    assert [node.op.name for node in graph.nodes] == ["input", "sin"]
    assert dead(graph) is graph


@pytest.mark.parametrize("constant", [3, -3, (1, 2)], ids=str)
def test_rules_do_not_undo_each_other(constant: int | tuple[int, int], samples) -> None:
    """Both orders of each operation with a constant, side by side: what one rule writes, no other may take back."""
    f = Functions(GraphBuilder())
    x, c = f.input("x"), f.const(constant)
    pairs = [(c - x, x - c), (c + x, x + c), (c * x, x * c), (-(c - x), -(x - c)), (x - c, c - x), (-(c * x), -x * c)]
    for first, second in pairs:
        for outputs in ([first, second], [second, first], [first * second, second, first]):
            graph = f.builder.graph([value.index for value in outputs])
            for run in (simplify, guard):
                after = verify(run(graph))
                for got, want in zip(after.outputs, graph.outputs, strict=True):
                    assert_same(Graph(after.nodes, (got,)), Graph(graph.nodes, (want,)), samples, REASSOCIATING_ULP)


def menu(f: Functions) -> list[int]:
    """Operands of all kinds that rules ask about."""
    x, y = f.input("x"), f.input("y")
    numbers = [f.const(number) for number in (0, 1, -1, 2, -3, (1, 2), "nan")]
    values = [
        x,
        y,
        -x,
        x - y,
        x + y,
        x * y,
        3 * x,
        3 - x,
        x - 3,
        x / y,
        1 / y,
        f.sin(x),
        f.pow(x, f.const(2)),
        f.exp(-x),
    ]
    return [value.index for value in (*numbers, *values, f.select(f.gt(x, y), x, 0), f.abs(x))]


@pytest.mark.parametrize("rule", [rule for rule in ALL_RULES if rule.among], ids=lambda rule: rule.name)
def test_rules_apply_only_among_the_operands_that_they_name(rule: Rule) -> None:
    """Where no operand is of a row in `among` the rule is not tried: it must have nothing to say there."""
    r = Rewriter([])
    operands, row = menu(r.f), REGISTRY[rule.op]
    tried = 0
    for chosen in itertools.product(operands, repeat=row.arity or 2):
        if {r.nodes[operand].op.name for operand in chosen}.isdisjoint(rule.among):
            tried += 1
            assert rule.apply(r, *chosen) is None, [r.nodes[operand] for operand in chosen]
    assert tried > 1
