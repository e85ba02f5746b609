"""Provenance: every line of an emitted module knows the expressions and the rules that it comes from."""

from __future__ import annotations

import pickle
import traceback
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import (
    CallError,
    DomainError,
    OptionError,
    Scan,
    affine,
    compile_function,
    compile_grad,
    compile_hessian,
    compile_hvp,
    compile_jacobian,
    compile_jvp,
    compile_vjp,
    mse,
    tanh,
)
from symbackprop.compiler import Request, compile_request
from symbackprop.jit import load

a, b, c, d, e, t, w, x, y, z = sp.symbols("a b c d e t w x y z", real=True)
N, i, k = sp.symbols("N i k", integer=True)
SEED = ([(c, a + b), (d, b + 1), (e, c * d)], [e])
X, Y = sp.MatrixSymbol("X", N, 2), sp.MatrixSymbol("Y", N, 1)
W1, W2 = sp.MatrixSymbol("W1", 2, 3), sp.MatrixSymbol("W2", 3, 1)
b1, b2, K, v = (sp.MatrixSymbol(*s) for s in (("b1", 1, 3), ("b2", 1, 1), ("K", 3, 3), ("v", 3, 1)))
xs, ys = sp.IndexedBase("xs", shape=(N,)), sp.IndexedBase("ys", shape=(N,))
pos, vel, rate, h = sp.symbols("pos vel rate h")
FALLING = Scan((pos, 1.0, pos + h * vel), (vel, 0.0, vel - h * rate * pos), (k, 1, N))
Q = sp.symbols("q1:301")

SCALARS: list[tuple[Any, dict[str, float]]] = [
    ((sp.tanh(x * w + sp.log(1 + sp.exp(w))) - t) ** 2 / (1 + sp.exp(-x)), {"t": 0.3, "w": -0.7, "x": 1.1}),
    (sp.exp(x * y) / z + sp.sin(x * y * z) ** 3, {"x": 0.3, "y": -0.7, "z": 1.1}),
    (sp.Piecewise((sp.log(x), x > 1), (x**3 / y, True)) * sp.sqrt(y), {"x": 0.5, "y": 2.0}),
    (sp.Max(x, y, z) * sp.Abs(x - y) + sp.atan2(x, y), {"x": 0.5, "y": 2.0, "z": 0.1}),
    (sp.sin(x) / x + sp.erf(y) * (sp.exp(x) - 1), {"x": 0.5, "y": 2.0}),
]
MODELS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "network": (compile_grad, (mse(affine(tanh(affine(X, W1, b1)), W2, b2), Y), [W1, b1, W2, b2]), {}),
    "sum": (compile_grad, (sp.Sum((ys[i] - w * xs[i]) ** 2, (i, 0, N - 1)), [w, xs]), {}),
    "system": (compile_grad, (v.T * K.I * v, [K, v]), {}),
    "loop": (compile_grad, (FALLING.last(pos), rate), {}),
    "batch": (compile_grad, ((sp.tanh(x * w + b) - t) ** 2, [w, b]), {"batch": [x, t], "reduce": "mean"}),
    "packed": (compile_grad, (sp.tanh(x * w + b) - t, [(w, b)]), {"args": [(w, b), x, t]}),
    "function": (compile_function, (sp.log(1 + sp.exp(x)) * y,), {}),
    "hessian": (compile_hessian, (sp.exp(x * y) / z, [x, y, z]), {}),
    "hvp": (compile_hvp, (sp.exp(x * y) / z, [x, y, z]), {}),
    "jacobian": (compile_jacobian, ([sp.exp(x * y), sp.sin(x)], [x, y]), {}),
    "jvp": (compile_jvp, ([sp.exp(x * y), sp.sin(x)], [x, y]), {}),
    "vjp": (compile_vjp, ([sp.exp(x * y), sp.sin(x)], [x, y]), {}),
    "in parts": (compile_grad, (sum(sp.sin(p * q) for p, q in pairwise(Q)), list(Q)), {}),
}


@pytest.mark.parametrize("target", ["python", "numpy", "numba"])
@pytest.mark.parametrize("name", MODELS)
def test_every_line_that_computes_knows_its_expressions_and_rules(name: str, target: str) -> None:
    make, args, options = MODELS[name]
    g = make(*args, backend=target, **options)
    traces = g.trace()
    assert [trace.text for trace in traces] == g.source.splitlines()
    computing = [trace for trace in traces if trace.parts]
    assert len(computing) >= 1 + (make is not compile_function)
    for trace in computing:
        known = all(part.expressions or part.rules[0].startswith("the result for") for part in trace.parts)
        assert known and all(isinstance(expr, sp.Basic) for expr in trace.expressions), trace
    # What is left are lengths and memory.
    left = [trace.text.strip() for trace in traces if trace.says.startswith("memory")]
    assert all(text.startswith(("N = ", "samples = ", "work = ")) for text in left), left


@pytest.mark.parametrize(("expr", "at"), SCALARS, ids=lambda thing: str(thing)[:30])
@pytest.mark.parametrize("target", ["python", "numpy"])
def test_a_line_that_is_as_it_was_written_has_the_value_of_its_expression(
    expr: Any, at: dict[str, float], target: str
) -> None:
    wrt = sorted(expr.free_symbols, key=str)
    g = compile_grad(expr, wrt, backend=target)
    lines = g.source.splitlines()
    last = max(number for number, line in enumerate(lines) if line.startswith("    return result, "))
    lines[last] = "    return locals()"
    scope: dict[str, Any] = {}
    exec("\n".join(lines), scope)
    found, checked = scope["value_and_grad"](**at), 0
    for trace in list(g.trace())[lines.index(next(s for s in lines if s.startswith("def value_and_grad"))) :]:
        if trace.parts and not trace.parts[0].rules:
            for own in trace.parts[0].expressions:
                exact = own.subs({symbol: at[symbol.name] for symbol in wrt})
                exact = float(bool(exact) if exact.is_Boolean else exact)
                assert float(found[trace.text.split(" = ")[0].strip()]) == pytest.approx(exact, rel=1e-13), trace
                checked += 1
    assert checked


def test_the_seed_of_the_subject() -> None:
    g = compile_grad(SEED, [a, b], backend="numpy")
    assert g.trace("c").expressions == (a + b,) and g.trace("c").rules == ()
    assert g.trace("e").expressions[0] == c * d
    assert g.trace("b_bar").parts[0] == ((b,), ("reverse: the sum over its uses",))
    assert g.trace("a_bar").parts[0][0] == (a,) and "known already" in g.trace("a_bar").rules[0]
    assert g.trace("import numpy as np").says == "what the module needs"
    assert g.trace(1).says == "the header"
    assert g.trace("a = np.asarray(a, np.float64)").says.startswith("an argument")
    assert "reverse: the sum over its uses" in str(g.trace("b_bar")) and "c\\*d" not in g.trace("e").markdown()


def test_lines_of_a_step_know_the_expressions_of_the_step() -> None:
    traces = compile_grad(FALLING.last(pos), rate, backend="numpy").trace()
    assert {pos + h * vel, vel - h * rate * pos, h * vel} <= set(traces.find("z2").expressions)
    assert traces.find("z2").parts[0] == ((pos + h * vel, -h * rate * pos + vel), ("made of these",))
    back = [trace for trace in traces if any("runs back over the steps" in rule for rule in trace.rules)]
    assert back and all(str(trace.expressions[0]).startswith(("Last", "rate")) for trace in back)
    assert any("one step: " in rule for trace in back for rule in trace.rules)


def test_rules_of_the_registry_and_of_the_passes_are_named() -> None:
    g = compile_grad(sp.log(1 + sp.exp(x)) * y + x**5, [x, y], backend="python")
    rules = {rule for trace in g.trace() for rule in trace.rules}
    assert "reverse: its adjoint times the partial of softplus" in rules
    assert "expand: the definition of a row, in what the target has" in rules
    assert "rule x**n -> x*x*..." in rules
    second = compile_hvp(sp.exp(x * y), [x, y], backend="python").trace()
    both = [part.rules for trace in second for part in trace.parts if len(part.rules) > 1]
    assert any(first.startswith("reverse: ") and then.startswith("forward: ") for first, then, *_ in both)


def test_hostile_names_stay_text(hostile: str) -> None:
    g = compile_grad(sp.Symbol(hostile) * y + sp.sin(sp.Symbol(hostile)), backend="numpy")
    for text in (str(g.trace()), g.trace().markdown(), g.trace().html(), *[str(trace) for trace in g.trace()]):
        assert "\u202e" not in text and "two\nlines" not in text
    assert "<script" not in g.trace().html() and g.trace()._repr_html_() == g.trace().html()


def test_large_expressions_are_told_by_their_kind() -> None:
    chain: Any = x
    for _ in range(200):
        chain = sp.sin(chain, evaluate=False)
    assert "a sin of 1 parts" in str(compile_grad(chain, x, backend="numpy").trace("result"))


def test_lines_are_found_or_refused() -> None:
    g = compile_grad(sp.sin(x) * y, x, backend="python")
    assert g.trace("result") == g.trace(g.trace("result").line)
    assert g.trace("y * _cos(").text == g.trace("x_bar").text
    for line, what in (
        (0, "no line 0"),
        (10**6, "lines 1 to"),
        ("nowhere", "in no line"),
        ("", "in no line"),
        ("=", "lines"),
    ):
        with pytest.raises(OptionError, match=what):
            g.trace(line)
    with pytest.raises(CallError, match="unpickled"):
        pickle.loads(pickle.dumps(g)).trace(1)


def test_nothing_is_recorded_unless_it_is_asked_for() -> None:
    for recording in (False, True):
        compiled = compile_request(Request(sp.sin(x) * y, [x]), recording=recording)
        assert bool(compiled.graph.origins) == recording


@pytest.mark.parametrize("backend", ["python", "numpy", "numba"])
def test_a_traceback_shows_the_emitted_line(backend: str) -> None:
    g = compile_grad(sp.Abs(x) * w, x, backend=backend, kinks="raise")
    for point in ((1.0, 0.0), (np.ones(3), np.zeros(3))):
        with pytest.raises(DomainError) as caught:
            g(*point)
        shown = "".join(traceback.format_exception(caught.value))
        (line,) = [trace for trace in g.trace() if trace.text.strip().startswith("x_bar = ")]
        assert f"line {line.line}: {line.text.strip()}" in shown


def test_errors_inside_a_module_show_its_lines() -> None:
    scope = load(compile_grad(sp.sin(x), x, backend="numpy").source)
    with pytest.raises(ValueError) as caught:
        scope["value_and_grad"]("no number")
    assert "x = np.asarray(x, np.float64)" in "".join(traceback.format_exception(caught.value))


def test_a_series_is_told_as_one_and_the_table_stays_narrow() -> None:
    x, y = sp.symbols("x y")
    g = compile_grad(x**2 * y * sp.exp(x) / (sp.exp(x) - 1) ** 2, x, backend="numpy")
    assert any("Taylor polynomial" in rule for rule in g.trace("series").rules)
    rows = [[cell.text for cell in row] for row in g.trace().table.rows]
    assert any(by.count(";") == 1 and " others" in by for *_, by in rows)
    for line, *_, by in rows:
        assert by.startswith("the result for") or len(by) < 160, (line, by)
