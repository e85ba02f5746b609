"""Every rule for accuracy alone, over the domain that it states: it is true, and it is better.

True: before and after are the same number to 100 digits, at 1,000 points. Better: the worst error of value or gradient
in units of the last place is smaller after than before, and no larger than the rule says. Rules between arrays, whose
truth is tested in test_array_rules, have no such figures.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from symbackprop.ad import vjp
from symbackprop.check.engines import Balls, Numbers
from symbackprop.check.oracle import Oracle
from symbackprop.check.rounding import ulps
from symbackprop.ir import Functions, Graph, GraphBuilder, interpret, verify
from symbackprop.passes import Rule, guard
from symbackprop.passes.compounding import RATIO_RULES
from symbackprop.passes.compounding import RULES as COMPOUNDING_RULES
from symbackprop.passes.over_itself import ARGUMENT_RULES
from symbackprop.passes.rewrite import Rewriter, sweep
from symbackprop.passes.roots import RULES as ROOT_RULES
from symbackprop.passes.stabilise import RULES, WRITTEN_RULES
from symbackprop.passes.stable_sums import RULES as SUM_RULES

# A norm is a rule about the subgradient at the origin, and no more accurate elsewhere; see test_norms.
SCALAR = [
    rule
    for rule in RULES + WRITTEN_RULES + ROOT_RULES
    if not rule.is_structural and rule not in SUM_RULES and "-> norm" not in rule.name
]
# Better at single points, or with `passes.removable`: see test_poles, test_compounding and test_at_zero.
# Reciprocals of norms are shared by all entries: a product is for speed.
ELSEWHERE = (
    *(*ARGUMENT_RULES, *COMPOUNDING_RULES, *RATIO_RULES, *ROOT_RULES),
    *[rule for rule in RULES if "along_norm" in rule.among],
)
POINTS = 1000
MEASURED = 150
# Measured figures are rounded up and of another sample; what a rule promises may be passed by half.
SLACK = 1.5


def drawn(rng: random.Random, interval: tuple[float, float]) -> float:
    """From an interval: evenly, or evenly in the logarithm of the distance from 0."""
    low, high = interval
    if rng.random() < 0.4 or low == high:
        return rng.uniform(low, high)
    least = min(abs(low), abs(high)) if low * high > 0 else 1e-10 * max(abs(low), abs(high))
    for _ in range(1000):
        size = math.exp(rng.uniform(math.log(least), math.log(max(abs(low), abs(high)))))
        number = size if rng.random() < 0.5 else -size
        if low <= number <= high:
            return number
    return rng.uniform(low, high)


def points_of(rule: Rule, count: int) -> list[dict[str, float]]:
    rng = random.Random(rule.name)
    x, y = (rule.domain[k] if k < len(rule.domain) else (-4.0, 4.0) for k in (0, 1))
    return [{"x": drawn(rng, x), "y": drawn(rng, y), "t": -1.0} for _ in range(count)]


def derived(graph: Graph) -> Graph:
    """Value and gradient in x and y."""
    builder = GraphBuilder(graph)
    wrt = [builder.input(name) for name in "xy"]
    whole = builder.graph(graph.outputs)
    bars = vjp(whole, {whole.outputs[0]: builder.const(1)}, wrt, builder)
    return verify(guard(builder.graph([*graph.outputs, *bars]), 1), "derived")


def errors(rule: Rule, before: Graph, after: Graph) -> tuple[float, float]:
    """The worst error in ulp of value or gradient, of both forms, where the oracle knows the truth."""
    points = points_of(rule, MEASURED)
    columns = {name: np.array([point[name] for point in points]) for name in "xyt"}
    graphs = (derived(before), derived(after))
    got = [[np.broadcast_to(value, len(points)) for value in interpret(graph, columns)] for graph in graphs]
    oracle = Oracle(before)
    used = {node.attributes for node in before.nodes if node.op.name == "input"}
    worst = [0.0, 0.0]
    for k, point in enumerate(points):
        given = {name: value for name, value in point.items() if name in used}
        truth = [oracle.value(given)]
        truth += [oracle.derivative(given, (name, ())).middle if name in used else 0.0 for name in "xy"]
        for entry, want in enumerate(truth):
            if math.isfinite(want) and (want == 0 or abs(want) > 1e-290):
                for which in (0, 1):
                    worst[which] = max(worst[which], ulps(float(got[which][entry][k]), want))
    return worst[0], worst[1]


@pytest.fixture(scope="module")
def forms() -> Callable[[Rule], tuple[Graph, Graph]]:
    def of(rule: Rule) -> tuple[Graph, Graph]:
        f = Functions(GraphBuilder())
        x, y, c = f.input("x"), f.input("y"), f.lt(f.input("t"), 0)
        before = f.builder.graph([rule.example(f, x, y, c).index])
        return before, verify(sweep(before, Rewriter([rule])), rule.name)

    return of


@pytest.mark.parametrize("rule", SCALAR, ids=lambda rule: rule.name)
def test_rule_is_true(rule: Rule, forms: Any) -> None:
    before, after = forms(rule)
    balls, numbers = Balls(), Numbers()
    checked = 0
    for point in points_of(rule, POINTS):
        pair: list[Any] = []
        for graph in (before, after):
            given = {n.attributes: point[n.attributes] for n in graph.nodes if n.op.name == "input"}
            # Cancellation of the naive form takes up to 1e-10**4 of the digits, exponents of 1e3 some hundreds.
            engine, bits = balls, 4000
            number = engine.evaluate(graph, given, bits)
            if number is None:
                engine = numbers
                number = engine.evaluate(graph, given, bits)
            pair.append(None if number is None else (engine, number))
        if pair[0] is None:
            continue
        assert pair[1] is not None, f"no value at {point}"
        (one, first), (other, second) = pair
        want, got = one.middle(first), other.middle(second)
        if one is other is balls:
            assert first.overlaps(second), f"{got!r} and not {want!r} at {point}"
            assert first.rel_accuracy_bits() > 330 or abs(want) < 1e-300
        else:
            assert math.isclose(got, want, rel_tol=2.0**-52, abs_tol=1e-300), f"{got!r} and not {want!r} at {point}"
        checked += 1
    assert checked >= POINTS // 2, f"only {checked} points have a value"


@pytest.mark.parametrize("rule", [rule for rule in SCALAR if rule not in ELSEWHERE], ids=lambda rule: rule.name)
def test_rule_is_better(rule: Rule, forms: Any) -> None:
    before, after = forms(rule)
    worse, better = errors(rule, before, after)
    assert better < worse, f"{better:.3g} ulp after and {worse:.3g} before"
    assert rule.after > 0, f"{rule.name} states no error: measured {worse:.3g} before and {better:.3g} after"
    assert better <= SLACK * rule.after, f"{better:.3g} ulp and not {rule.after:.3g}"
    assert worse >= rule.before / SLACK or worse > 1e6, f"{worse:.3g} ulp before, and not {rule.before:.3g}"
