"""wrt, args, batch and let-bound input: what is taken, in which order, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import sympy as sp

import symbackprop as sb

x, y, z, x2, x10 = sp.symbols("x y z x2 x10")


def grad(expr: Any, wrt: Any = None, **options: Any) -> sb.CompiledFunction:
    return sb.compile_grad(expr, wrt, backend="python", **options)


def test_default_order_is_natural() -> None:
    g = grad(x10 * x2 + y + x)
    assert g.args == g.wrt == ("x", "x2", "x10", "y")


@pytest.mark.parametrize(
    ("wrt", "expected"),
    [
        (x, 3.0),
        ([x], [3.0]),
        ((y, x), (2.0, 3.0)),
        ({"first": x, "second": [y, x]}, {"first": 3.0, "second": [2.0, 3.0]}),
        ([x, [y, x]], [3.0, [2.0, 3.0]]),
        (sp.Tuple(x, y), (3.0, 2.0)),
    ],
    ids=str,
)
def test_gradient_mirrors_wrt(wrt: Any, expected: Any) -> None:
    assert grad(x * y, wrt)(2.0, 3.0) == expected


def test_a_tuple_inside_is_one_array() -> None:
    g = grad(x * y * z, [(x, y), z], args=[(x, y), z])
    gradient = g([2.0, 3.0], 5.0)
    assert gradient[0].tolist() == [15.0, 10.0]
    assert gradient[1] == 6.0
    assert g(x=2.0, y=3.0, z=5.0)[0].tolist() == [15.0, 10.0]


def test_let_bound_input_is_differentiated_without_expanding() -> None:
    expr = sp.sin(x * y) ** 2 + sp.exp(sp.sin(x * y))
    replacements, reduced = sp.cse(expr)
    expected = grad(expr)(0.3, 0.7)
    assert grad((replacements, reduced))(0.3, 0.7) == pytest.approx(expected, rel=1e-15)
    assert grad((replacements, reduced[0]))(0.3, 0.7) == pytest.approx(expected, rel=1e-15)
    value = x
    chain = []
    for k in range(60):
        symbol = sp.Symbol(f"t{k}")
        chain.append((symbol, value * value + value))
        value = symbol
    # Expanded, this polynomial has degree 2**60.
    assert len(grad((chain, [value])).source) < 20_000


@pytest.mark.parametrize(
    ("let", "error", "words"),
    [
        ([(z, y * z)], sb.UnboundSymbol, "by its own definition"),
        ([(x2, x10 + 1), (x10, x**2)], sb.UnboundSymbol, "before it is bound"),
        ([(y, x), (y, x**2)], sb.NameClash, "bound twice"),
    ],
)
def test_let_bound_input_must_be_in_order(let: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        grad((let, [let[0][0] * x]))


def test_unnamed_packs_are_told_apart() -> None:
    g = grad(x * y + z * x2, [(x, y), (z, x2)], args=[(x, y), (z, x2)])
    assert g.args == ("packed", "packed_2")
    assert g(packed_2=[1.0, 2.0], packed=[3.0, 4.0])[0].tolist() == [4.0, 3.0]
    fun, pack = g.as_scipy()
    assert fun(pack(x=3.0, y=4.0, z=1.0, x2=2.0))[0] == 14.0


def test_let_bound_names_survive() -> None:
    hidden = sp.Symbol("hidden")
    source = grad(([(hidden, x * y)], [sp.sin(hidden) + hidden])).source
    assert "hidden = x * y" in source
    assert "hidden_bar = " in source


def test_a_wrt_that_does_not_occur_is_zero_and_warned_of() -> None:
    with pytest.warns(sb.SymbackpropWarning, match="'z'"):
        g = grad(x * y, [x, z])
    assert g(x=2.0, y=3.0, z=9.0) == [3.0, 0.0]
    with pytest.warns(sb.SymbackpropWarning):
        g = grad(x, [(y, z)])
    assert g(1.0, 2.0, 3.0)[0].tolist() == [0.0, 0.0]


def test_constants_have_a_gradient_of_nothing() -> None:
    assert grad(sp.Integer(5))() == ()
    assert grad(sp.Integer(5)).value() == 5.0


@pytest.mark.parametrize(
    ("keywords", "error", "words"),
    [
        ({"wrt": {x, y}}, sb.OptionError, "wrt is a set"),
        ({"wrt": [{x}]}, sb.OptionError, "wrt is a set"),
        ({"wrt": "x"}, sb.OptionError, "give SymPy symbols"),
        ({"wrt": x * y}, sb.UnsupportedExpression, r"wrt holds x\*y, a Mul; name inputs"),
        ({"args": {x, y}}, sb.OptionError, "args is a set"),
        ({"args": [x]}, sb.UnboundSymbol, "'y'"),
        ({"args": [x, y, x]}, sb.NameClash, "twice"),
        ({"args": [sp.Symbol("x", positive=True), y]}, sb.UnboundSymbol, "another symbol of that name"),
        ({"batch": {x}}, sb.OptionError, "batch is a set"),
        ({"reduce": "mean"}, sb.OptionError, "needs batch"),
        ({"batch": [x], "reduce": "median"}, sb.OptionError, "not one of"),
        ({"dtype": "float16"}, sb.OptionError, "not one of"),
        ({"kinks": "up"}, sb.OptionError, "not one of"),
        ({"parallel": True}, sb.OptionError, "parallel=True is for machine code"),
        ({"dtype": "float32"}, sb.OptionError, "float64"),
    ],
)
def test_bad_requests(keywords: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        grad(x * y, keywords.pop("wrt", None), **keywords)
    assert isinstance(caught.value, ValueError | NotImplementedError)


def test_unknown_options_are_a_type_error() -> None:
    with pytest.raises(TypeError, match="no option 'wibble'"):
        grad(x, wibble=1)  # type: ignore[call-arg]


def test_two_symbols_of_one_name() -> None:
    other = sp.Symbol("x", positive=True)
    with pytest.raises(sb.NameClash, match=r"Symbol\('x'\) and Symbol\('x', positive=True\)"):
        grad(x * other**2)
    g = grad(x * other**2, [x, other], args=[other, x])
    assert g(3.0, 2.0) == [9.0, 12.0]


def test_wrt_of_a_let_bound_symbol_is_refused() -> None:
    with pytest.raises(sb.OptionError, match="let-bound"):
        grad(([(y, x * 2)], [y**2]), y)
