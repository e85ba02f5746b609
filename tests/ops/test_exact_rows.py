"""Rows without rounding, conditions and integers: the same as in Python, and without derivatives."""

from __future__ import annotations

import itertools
import math

import mpmath as mp
import numpy as np
import pytest

from symbackprop.ir import Functions, GraphBuilder, Type, interpret, verify
from symbackprop.ops import REGISTRY, Op

INTEGERS = [row for row in REGISTRY if row.elementwise and "int" in (row.result, row.operands)]
CONDITIONS = [row for row in REGISTRY if row.result == "bool"]


def by_name(row: Op) -> str:
    return row.name


@pytest.mark.parametrize("row", CONDITIONS, ids=by_name)
def test_conditions_are_exact(row: Op) -> None:
    booleans = row.operands == "bool"
    values = (False, True) if booleans else (-2.5, -0.0, 0.0, 1.0, math.nextafter(1.0, 2.0), math.inf)
    table = list(itertools.product(values, repeat=row.arity or 0))
    f = Functions(GraphBuilder())
    names = [f"x{i}" for i in range(row.arity or 0)]
    operands = [f.gt(f.input(name), 0) if booleans else f.input(name) for name in names]
    graph = f.builder.graph([f.apply(row, *operands).index])
    got = interpret(graph, {name: np.array([float(p[i]) for p in table]) for i, name in enumerate(names)})[0]
    assert row.mpmath is not None
    expected = [bool(row.mpmath(*[v if booleans else mp.mpf(v) for v in point])) for point in table]
    assert got.tolist() == expected
    assert all(partial is None for partial in row.partials)
    assert not row.missing


@pytest.mark.parametrize("row", INTEGERS, ids=by_name)
def test_integers_are_exact(row: Op) -> None:
    """Quotients round down and remainders have the divisor's sign, as in Python; and nothing has a derivative."""
    values = [range(int(low), int(high) + 1) for low, high in row.domain]
    beyond = {1: [(2**40,)], 2: [(-7, 2), (7, -2), (-7, -2), (2**40, 3)]}
    table = [*itertools.product(*values), *([] if row.name == "in_range" else beyond.get(row.arity or 0, []))]
    builder = GraphBuilder()
    names = [f"x{position}" for position in range(row.arity or 0)]
    operands = []
    for position, name in enumerate(names):
        if row.operand_dtype(position) == "bool":
            number = builder.input(name, Type("real", ("n",)))
            operands.append(builder.add(REGISTRY["gt"], (number, builder.const(0))))
        else:
            operands.append(builder.input(name, Type("int", ("n",))))
    graph = verify(builder.graph([builder.add(row, tuple(operands))]))
    columns = {name: np.array(column) for name, column in zip(names, zip(*table, strict=True), strict=True)}
    assert row.mpmath is not None
    want = [row.mpmath(*point) for point in table]
    for arithmetic in ("numpy", "mpmath"):
        (got,) = interpret(graph, columns, arithmetic)
        assert [int(entry) for entry in got] == want
    assert all(partial is None for partial in row.partials)
    assert not row.missing


@pytest.mark.parametrize("index", [-1, 5, -(2**40)])
def test_an_index_out_of_range_is_an_error(index: int) -> None:
    builder = GraphBuilder()
    operands = (builder.input("i", Type("int", ("n",))), builder.integer(5))
    graph = builder.graph([builder.add(REGISTRY["in_range"], operands)])
    assert interpret(graph, {"i": np.array([0, 4])})[0].tolist() == [0, 4]
    for arithmetic in ("numpy", "mpmath"):
        with pytest.raises(IndexError, match="out of range"):
            interpret(graph, {"i": np.array([0, index])}, arithmetic)
