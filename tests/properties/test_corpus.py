"""Random expressions: 5,000 gradients against the oracle, none silently wrong.

The shares are what the compiler promises over such expressions; ARCHITECTURE.md has the figures of 20,000 of them.
What is further off than 2**20 ulp has to be ill-conditioned itself, or to stand in the table of what is known.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from typing import Any

import pytest

_path = Path(__file__).with_name("corpus.py")
_spec = importlib.util.spec_from_file_location("corpus", _path)
assert _spec is not None and _spec.loader is not None
corpus = importlib.util.module_from_spec(_spec)
# Data classes look their module up.
sys.modules["corpus"] = corpus
_spec.loader.exec_module(corpus)

COUNT, CHUNK = 5000, 500
SEED = 11
FAR = 2.0**20
# A rounding error of one ulp in each input and operation, amplified by the condition of the result: a dozen of them.
ROUNDINGS = 64.0
# Seeds of cases that lose more than their condition explains, and why.
KNOWN = {
    110001726: "beta far below 1, under a polygamma function",
}


def shares(found: list[Any]) -> tuple[float, float]:
    return tuple(sum(m.ulps <= limit for m in found) / len(found) for limit in (4, 64))  # type: ignore[return-value]


@pytest.mark.parametrize("chunk", range(COUNT // CHUNK))
def test_gradients_of_random_expressions(chunk: int) -> None:
    seeds = range(SEED * 10_000_000 + chunk * CHUNK, SEED * 10_000_000 + (chunk + 1) * CHUNK)
    results = [corpus._by_seed(seed) for seed in seeds]
    assert not [result for result in results if isinstance(result, str)], "an expression was refused"
    found = [m for result in results for m in result]
    gradient = [m for m in found if m.name != "value"]
    assert len(gradient) >= CHUNK // 2
    within_4, within_64 = shares(gradient)
    # 90 % and 98 % are promised over all; a chunk of 600 components scatters by 1 %.
    assert within_4 >= 0.9, f"only {within_4:.1%} within 4 ulp"
    assert within_64 >= 0.96, f"only {within_64:.1%} within 64 ulp"
    for m in found:
        if m.ulps > FAR and m.case.seed not in KNOWN:
            kappa = corpus.condition(m.case, m.name)
            assert m.ulps <= ROUNDINGS * kappa or math.isnan(kappa), (
                f"{m.name} of {m.case.expr} at {m.case.point} (seed {m.case.seed}) is {m.got!r} and not {m.want!r}: "
                f"{m.ulps:.3g} ulp, condition {kappa:.3g}"
            )


def test_the_corpus_knows_all_rows() -> None:
    """Every row that SymPy can write occurs, and a seed is a case."""
    seen = set()
    for seed in range(1500):
        case = corpus.random_case(seed)
        seen |= {type(node).__name__ for node in case.expr.atoms(corpus.sp.Function)}
    assert len(seen) >= 45
    assert str(corpus.random_case(7)) == str(corpus.random_case(7))
