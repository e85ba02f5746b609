"""Random nested sums, over triangles and bands, symbolic lengths, products, powers and maxima: target numba's loops,
bounds, lanes and powers against target numpy's whole arrays, which have none of these.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb

LENGTHS = dict(zip("nKd", sp.symbols("n K d", integer=True), strict=True))
INDICES = sp.symbols("i0:6", integer=True)
AXES = {"x": "n", "X": "nd", "w": "d", "W": "Kd", "b": "K", "M": "dd", "T": "Kdd", "S": "nn"}
BASES = {name: sp.IndexedBase(name, shape=tuple(LENGTHS[axis] for axis in axes)) for name, axes in AXES.items()}
# Fewer samples than lanes, whole lanes and remainders, and rows too long for lanes.
SIZES = ({"n": 1, "K": 1, "d": 2}, {"n": 17, "K": 2, "d": 3}, {"n": 9, "K": 4, "d": 5}, {"n": 8, "K": 12, "d": 40})
Index = tuple[Any, str]


class Draw:
    """Expressions over the indices in scope, each with the letter of its length."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def entry(self, scope: list[Index]) -> Any:
        names = [name for name, axes in AXES.items() if all(any(kind == axis for _, kind in scope) for axis in axes)]
        if not names:
            return sp.Integer(2)
        name = self.rng.choice(names)
        return BASES[name][tuple(self.rng.choice([i for i, kind in scope if kind == axis]) for axis in AXES[name])]

    def sum(self, scope: list[Index], depth: int) -> Any:
        index, kind = INDICES[len(scope)], self.rng.choice("nKd")
        low, high = 0, LENGTHS[kind] - 1
        outer = [other for other, own in scope if own == kind]
        if outer and self.rng.random() < 0.7:
            o = self.rng.choice(outer)
            low, high = self.rng.choice([(low, o - 1), (low, o), (o, high), (o + 1, high), (low, high - o)])
        body = self.expression([*scope, (index, kind)], depth - 1)
        return sp.Sum(body * self.entry([(index, kind)]), (index, low, high))

    def expression(self, scope: list[Index], depth: int) -> Any:
        chance = self.rng.random()
        if depth == 0 or chance < 0.15:
            return self.entry(scope)
        if chance < 0.45 and len(scope) < 5:
            return self.sum(scope, depth)
        u = self.expression(scope, depth - 1)
        if chance < 0.75:
            v = self.expression(scope, depth - 1)
            return self.rng.choice([u + v, u * v, sp.Max(u, v)])
        power = sp.tanh(u) ** self.rng.choice(scope)[0]
        return self.rng.choice([sp.sin(u), sp.tanh(u), sp.exp(-(u**2)), sp.Max(u, 0), sp.log(1 + u**2), power])


@pytest.mark.parametrize("seed", range(16))
def test_loops_are_what_whole_arrays_are(seed: int) -> None:
    draw = Draw(seed)
    scope = [(INDICES[0], draw.rng.choice("nnKd"))]
    body = draw.expression(scope, 4)
    body = draw.rng.choice([body, sp.log(1 + sp.exp(sp.tanh(body)))]) * draw.entry(scope)
    loss = sp.Sum(body, (INDICES[0], 0, LENGTHS[scope[0][1]] - 1))
    wrt = [base for base in BASES.values() if loss.has(base)]
    ours, theirs = (sb.compile_grad(loss, wrt, args=wrt, backend=backend) for backend in ("numba", "numpy"))
    assert ours.route == "direct"
    for sizes in SIZES:
        rng = np.random.default_rng(seed)
        given = [rng.normal(scale=0.7, size=[sizes[axis] for axis in AXES[str(base.label)]]) for base in wrt]
        try:
            value, gradient = theirs.value_and_grad(*given)
        except ValueError:  # a range that is reversed at these lengths
            with pytest.raises(ValueError, match=r"must not be negative|reversed"):
                ours.value_and_grad(*given)
            continue
        found, slopes = ours.value_and_grad(*given)
        # Sums of up to 40*40 terms in other orders, and functions of their results.
        np.testing.assert_allclose(found, value, rtol=1e-9, atol=1e-9)
        for mine, expected in zip(slopes, gradient, strict=True):
            np.testing.assert_allclose(mine, expected, rtol=1e-8, atol=1e-9 * (1 + np.nanmax(np.abs(expected))))
