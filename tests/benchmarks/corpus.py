"""The cases that operation counts are printed for: the registry's rows, and models that people differentiate."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import sympy as sp

from symbackprop.frontend.functions import rows_by_class

x, y, t = sp.symbols("x y t")


def rows() -> dict[str, Any]:
    """Each row of the registry that SymPy can write, over fresh symbols; orders are constants."""
    cases = {}
    for function, row in rows_by_class().items():
        if row.result != "real":
            continue
        arguments: list[Any] = [x, y, t][: row.arity]
        if row.missing:
            arguments[0] = sp.Integer(2)
        cases[row.name] = function(*arguments)
    return cases


def algebra() -> dict[str, Any]:
    """Forms that SymPy's core spells without a function."""
    forms = [
        x * y,
        x / y,
        1 / x,
        x**2,
        x**7,
        x**20,
        x**-3,
        x**y,
        sp.sqrt(x),
        x ** sp.Rational(3, 2),
        sp.Max(x, y),
        sp.Max(x, y, t),
        sp.Min(x, y, t),
        sp.Max(x, 0),
        sp.Piecewise((x, x > 0), (y, True)),
        sp.Piecewise(*[(x**k, x < k) for k in range(1, 20)], (y, True)),
    ]
    return {str(form) if len(str(form)) < 30 else f"{str(form)[:27]}...": form for form in forms}


def rosenbrock(n: int) -> Any:
    v = sp.symbols(f"v:{n}")
    terms = [100 * (v[i + 1] - v[i] ** 2) ** 2 for i in range(n - 1)] + [(1 - v[i]) ** 2 for i in range(n - 1)]
    return sp.Add(*terms, evaluate=False)


def product(n: int) -> Any:
    return sp.Mul(*sp.symbols(f"v:{n}"))


def logistic_map(n: int) -> Any:
    value: Any = x
    for _ in range(n):
        value = t * value * (1 - value)
    return value


def helmholtz(n: int) -> Any:
    """Helmholtz energy of a mixed fluid in the Peng-Robinson form; Griewank and Walther, section 1.4."""
    v = sp.symbols(f"v:{n}")
    b = [sp.Rational(i + 1, 20 * n) for i in range(n)]
    mixed = sp.Add(*[b[i] * v[i] for i in range(n)])
    quadratic = sp.Add(*[v[i] * sp.Add(*[v[j] * sp.Rational(1, i + j + 1) for j in range(n)]) for i in range(n)])
    entropy = sp.Add(*[v[i] * sp.log(v[i] / (1 - mixed)) for i in range(n)])
    root = sp.sqrt(2)
    return entropy - quadratic / (root * mixed) * sp.log((1 + (1 + root) * mixed) / (1 + (1 - root) * mixed))


def network(widths: tuple[int, ...]) -> Any:
    """A network unrolled to scalars: tanh between layers, squared error, its parameters all symbols."""
    values: list[Any] = list(sp.symbols(f"in:{widths[0]}"))
    for layer, (inner, outer) in enumerate(pairwise(widths)):
        w = [[sp.Symbol(f"w{layer}_{i}_{j}") for j in range(inner)] for i in range(outer)]
        sums = [sp.Add(sp.Symbol(f"b{layer}_{i}"), *[w[i][j] * values[j] for j in range(inner)]) for i in range(outer)]
        values = sums if outer == widths[-1] else [sp.tanh(s) for s in sums]
    return (values[0] - t) ** 2


def models() -> dict[str, Any]:
    return {
        "Rosenbrock, 100": rosenbrock(100),
        "product of 50": product(50),
        "logistic map, 50 steps": logistic_map(50),
        "Helmholtz energy, 30": helmholtz(30),
        "network 8-16-16-1": network((8, 16, 16, 1)),
        "sin(cos(...)), 200 deep": _nested(200),
        "softmax of 20": sp.log(sp.Add(*[sp.exp(s) for s in sp.symbols("s:20")])),
    }


def _nested(depth: int) -> Any:
    value: Any = x
    for level in range(depth):
        value = (sp.sin if level % 2 else sp.cos)(value, evaluate=False)
    return value
