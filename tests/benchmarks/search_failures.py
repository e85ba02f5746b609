"""Search for points at which naive code is wrong: SymPy's own derivative through lambdify, over the forms of users.

Run ``python tests/benchmarks/search_failures.py`` to write tests/passes/hard_points.json again, which
tests/passes/test_hard_points.py holds every backend to. A point is kept where the naive value or gradient is not
finite, or is off by more than 2**20 units in the last place, although the problem is well conditioned there.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

from symbackprop.check.oracle import Oracle
from symbackprop.check.rounding import change, ulps
from symbackprop.frontend import read_model

PASSES = Path(__file__).resolve().parent.parent / "passes"
WRONG = 2.0**20
WELL_CONDITIONED = 100.0


def forms() -> dict[str, sp.Expr]:
    spec = importlib.util.spec_from_file_location("forms", PASSES / "forms.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: expr for family in module.FORMS.values() for name, expr in family.items()}


def drawn(rng: random.Random, positive: bool) -> float:
    """Mostly within what people compute with; one in ten far out. Few digits, to be read."""
    kind = rng.random()
    size = 10 ** (rng.uniform(-10, 3) if kind < 0.9 else rng.uniform(-60, 60))
    number = float(f"{size:.4g}")
    return number if positive or rng.random() < 0.5 else -number


def naive(expr: Any, symbols: list[Any]) -> Any:
    """Value and gradient as SymPy differentiates and NumPy evaluates."""
    function = sp.lambdify(symbols, [expr, *[sp.diff(expr, symbol) for symbol in symbols]], ["numpy", "scipy"])

    def evaluate(*point: float) -> list[float]:
        try:
            return [float(np.real(x)) for x in function(*map(np.float64, point))]
        except (ZeroDivisionError, OverflowError, TypeError, ValueError):
            return [math.nan] * (1 + len(symbols))

    return evaluate


def found(expr: Any, tries: int, most: int, seed: int) -> list[dict[str, Any]]:
    """Points at which the naive form is wrong, with the truth in hexadecimal."""
    symbols = sorted(expr.free_symbols, key=lambda symbol: symbol.name)
    oracle = Oracle(read_model(expr, symbols, None, None, ()).graph)
    evaluate, rng = naive(expr, symbols), random.Random(seed)
    points: list[dict[str, Any]] = []
    for _ in range(tries):
        point = {symbol.name: drawn(rng, bool(symbol.is_positive)) for symbol in symbols}
        slopes = [oracle.derivative(point, (name, ())) for name in point]
        truth = [oracle.value(point), *[slope.middle for slope in slopes]]
        if not all(map(math.isfinite, truth)) or any(slope.is_kink for slope in slopes):
            continue
        errors = [ulps(got, want) for got, want in zip(evaluate(*point.values()), truth, strict=True)]
        worst = max(range(len(errors)), key=lambda k: errors[k] if errors[k] == errors[k] else math.inf)
        if errors[worst] <= WRONG:
            continue
        entries = [None, *((name, ()) for name in point)]
        changes = [change(oracle, point, entry) for entry in entries]
        kappas = [c / abs(x) if x else math.inf for c, x in zip(changes, truth, strict=True)]
        if kappas[worst] <= WELL_CONDITIONED:
            numbers = [{"exact": x.hex(), "kappa": float(f"{k:.2g}")} for x, k in zip(truth, kappas, strict=True)]
            points.append({"at": point, "truth": numbers})
            if len(points) == most:
                break
    return points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=150)
    parser.add_argument("--most", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    table = {}
    for name, expr in forms().items():
        points = found(expr, arguments.tries, arguments.most, arguments.seed)
        if points:
            table[name] = points
    path = PASSES / "hard_points.json"
    lines = [
        f"  {json.dumps(name)}: [\n    " + ",\n    ".join(map(json.dumps, points)) + "\n  ]"
        for name, points in table.items()
    ]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{sum(map(len, table.values()))} points of {len(table)} forms")


if __name__ == "__main__":
    main()
