"""The naive forms that users write, in their tails: value and gradient on every backend."""

from __future__ import annotations

import importlib.util
import itertools
import math
import random
from pathlib import Path
from typing import Any

import mpmath as mp
import pytest
import sympy as sp

import symbackprop as sb
from symbackprop.check.engines import Balls, Numbers
from symbackprop.frontend import read_model
from symbackprop.passes import dead, removable, simplify, stabilise
from symbackprop.passes.fold import fold
from symbackprop.passes.quotients import RULES as QUOTIENT_RULES
from symbackprop.passes.rewrite import Rewriter, concern, sweep
from symbackprop.passes.simplify import RULES as SIMPLIFY_RULES
from symbackprop.passes.strength import RULES as STRENGTH_RULES

_spec = importlib.util.spec_from_file_location("forms", Path(__file__).with_name("forms.py"))
assert _spec is not None and _spec.loader is not None
_forms = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_forms)

x, k = sp.symbols("x k")
FORMS = {
    "logistic": 1 / (1 + sp.exp(-x)),
    "scaled logistic": k / (1 + sp.exp(-3 * (x - 1))),
    "logistic by exp(x)": sp.exp(x) / (1 + sp.exp(x)),
    "falling logistic": 1 / (1 + sp.exp(x)),
    "softplus": sp.log(1 + sp.exp(x)),
    "softplus of -x": sp.log(1 + sp.exp(-x)),
}


@pytest.mark.parametrize("backend", ["python", "numpy", "numba"])
@pytest.mark.parametrize("name", FORMS)
def test_tails_are_right(name: str, backend: str) -> None:
    expr = FORMS[name]
    g = sb.compile_grad(expr, [x], args=[x, k] if expr.has(k) else [x], backend=backend)
    rest: tuple[Any, ...] = (2.0,) if expr.has(k) else ()
    reference = sp.lambdify([x, k], expr, "mpmath")
    for at in (-1000.0, -745.0, -710.0, -40.0, -1.0, 0.0, 0.5, 30.0, 700.0, 1000.0):
        value, (slope,) = g.value_and_grad(at, *rest)
        with mp.workdps(1500):
            exact = reference(mp.mpf(at), 2)
            exact_slope = (reference(mp.mpf(at) + mp.mpf(10) ** -600, 2) - exact) * mp.mpf(10) ** 600
        # 4 ulp of exp's argument, and one denormal, whose spacing is 5e-324.
        assert value == pytest.approx(float(exact), rel=4e-15 * max(1.0, abs(at) / 10), abs=1e-323)
        assert slope == pytest.approx(float(exact_slope), rel=4e-15 * max(1.0, abs(at) / 10), abs=1e-323)


u, v = sp.symbols("u v", positive=True)
# Quotients whose numerator and denominator share a term, with all signs, of one and of two variables.
NEAR = {
    f"{above} over {below}": above / below
    for w in (sp.Integer(6), v)
    for one, other in itertools.product((1, -1), repeat=2)
    for above, below in ((one * u + other * w, u), (u, one * u + other * w), (one * u + other * w, u + v + 2))
}
ALL = {
    **{name: expr for family in _forms.FORMS.values() for name, expr in family.items()},
    **NEAR,
    # Where the reference was 2 too large for numerator and denominator of opposite signs, the series was, too.
    **{f"{name}, less its square": expr - expr**2 for name, expr in NEAR.items()},
}


@pytest.mark.parametrize("engine", [Balls(), Numbers()], ids=["balls", "mpmath"])
def test_references_are_what_was_written(engine: Any) -> None:
    """A row that rules put in has references of its own, which series and the oracle read: the same function."""
    rng = random.Random(7)
    for name, expr in ALL.items():
        graph = simplify(read_model(expr, None, None, None, ()).graph)
        stable = stabilise(graph)
        for _ in range(3):
            point = {identifier: rng.uniform(0.1, 3) for identifier in graph.inputs()}
            # A polynomial has no reference over balls.
            after = (stable, removable(stable))
            if not isinstance(engine, Numbers):
                after = tuple(g for g in after if all(node.op.name != "polynomial" for node in g.nodes))
            want, *others = (engine.evaluate(g, point, 300) for g in (graph, *after))
            if want is None:
                continue
            for got in others:
                # The coefficients of a series are doubles.
                assert got is not None and math.isclose(
                    engine.middle(got), engine.middle(want), rel_tol=1e-13, abs_tol=1e-13
                ), f"{name}: {got} and not {want} at {point}"


def test_sweeps_that_are_left_out_would_have_changed_nothing() -> None:
    left_out = 0
    for name, expr in ALL.items():
        graph = dead(stabilise(simplify(read_model(expr, None, None, None, ()).graph)))
        for rules in (QUOTIENT_RULES, STRENGTH_RULES):
            if not concern(rules, graph):
                own = rules if rules is STRENGTH_RULES else rules + SIMPLIFY_RULES
                swept = dead(sweep(graph, Rewriter(own, fold)))
                assert (swept.nodes, swept.outputs) == (graph.nodes, graph.outputs), name
                left_out += 1
    assert left_out > 100
