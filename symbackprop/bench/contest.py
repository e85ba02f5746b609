"""The contest: what each contender took, and whether it gave the same answer."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, replace
from textwrap import shorten
from typing import Any

import numpy as np
import sympy as sp

from symbackprop.api import compiled_function
from symbackprop.bench.peers import PEERS, NotGivenError, installed
from symbackprop.bench.problem import Input, Problem
from symbackprop.compiler import Request
from symbackprop.errors import EmitError
from symbackprop.options import TARGETS
from symbackprop.show.measure import best
from symbackprop.show.numbers import duration
from symbackprop.show.tables import Cell, Table, Tabled

_RTOL = {"float64": 1e-6, "float32": 1e-3}
"""Answers that differ by more of the largest entry are told apart: naive formulas lose half their digits, not more."""


@dataclass(frozen=True)
class Entry:
    """What one contender took: seconds from the expression to the first value and gradient (``first``; ``x**2`` had
    been compiled before), a call of the value (``value``) and of both (``both``). ``answer`` is the value and the
    entries of the gradient; ``why`` says what there is instead of figures.
    """

    name: str
    first: float = math.nan
    value: float = math.nan
    both: float = math.nan
    answer: tuple[float, ...] = ()
    why: str = ""

    @property
    def ratio(self) -> float:
        """Value and gradient, in values."""
        return self.both / self.value


@dataclass(frozen=True, repr=False)
class Contest(Tabled):
    """All contenders at one problem. The answers of the others are held against that of the first who has one."""

    title: str
    entries: tuple[Entry, ...]
    dtype: str = "float64"

    def remark(self, entry: Entry) -> str:
        """Why there are no figures, or how an answer differs, or that it is no number."""
        if entry.why:
            return entry.why
        wanted = np.array(next(other.answer for other in self.entries if other.answer))
        found = np.array(entry.answer)
        if wanted.shape != found.shape:
            return "another answer"
        off = np.flatnonzero(~_agrees(found, wanted, _RTOL[self.dtype]))
        if not off.size:
            return "" if np.isfinite(found[0]) else f"the value is {found[0]:.6g}"
        what = "the value" if off[0] == 0 else f"entry {off[0] - 1} of the gradient"
        return f"another answer: {what} is {found[off[0]]:.6g}, not {wanted[off[0]]:.6g}"

    @property
    def table(self) -> Table:
        rows = []
        for entry in self.entries:
            figures = [duration(x) if x == x else "-" for x in (entry.first, entry.value, entry.both)]
            ratio = f"{entry.ratio:.2f}" if entry.ratio == entry.ratio else "-"
            rows.append(tuple(map(Cell, (entry.name, *figures, ratio, self.remark(entry)))))
        header = ("by", "first answer", "value", "value and gradient", "ratio", "remark")
        return Table(self.title, header, rows)

    def as_dict(self) -> dict[str, Any]:
        """For JSON, without the answers."""
        kept = []
        for entry in self.entries:
            plain = {key: value for key, value in asdict(entry).items() if key not in ("answer", "why")}
            plain = {key: None if value != value else value for key, value in plain.items()}
            ratio = entry.ratio if entry.ratio == entry.ratio else None
            kept.append({**plain, "ratio": ratio, "remark": self.remark(entry)})
        return {"title": self.title, "entries": kept}


def _agrees(found: Any, wanted: Any, rtol: float) -> Any:
    """Which entries are as wanted: also what is infinite, or no number, in both."""
    finite = np.isfinite(found) & np.isfinite(wanted)
    largest = np.max(np.abs(wanted), initial=1e-300, where=np.isfinite(wanted))
    close = np.abs(np.subtract(found, wanted, out=np.zeros_like(wanted), where=finite)) <= rtol * largest
    return np.where(finite, close, (found == wanted) | (np.isnan(found) & np.isnan(wanted)))


def contenders() -> list[str]:
    """Our backends, then the peers that are installed."""
    return [*reversed(TARGETS), *installed()]


def entered(name: str, problem: Problem) -> Entry:
    """Let one contender compile and run, in this process."""
    run = _ours if name in TARGETS else _peer
    try:
        with np.errstate(all="ignore"):
            return run(name, problem)
    except NotGivenError as error:
        return Entry(name, why=f"it takes {error}")
    except EmitError as error:  # What one backend lacks, others may have.
        return Entry(name, why=str(error))
    except Exception as error:  # Whatever another system raises is its answer.
        if name in TARGETS:
            raise
        first = (str(error).splitlines() or [""])[0]
        told = f"cannot read this model: {type(error).__name__}: {first}"
        return Entry(name, why=shorten(told, 100, placeholder=" ..."))


def _ours(name: str, problem: Problem) -> Entry:
    request = replace(problem.request, options=replace(problem.request.options, target=name, cache=False))
    x = sp.Symbol("x")
    compiled_function(Request(x**2, x, options=replace(request.options, reduce=None))).value_and_grad(1.0)
    start = time.perf_counter()
    function = compiled_function(request)
    answer = function.value_and_grad(*problem.values)
    first = time.perf_counter() - start
    value, both = (lambda: function.value(*problem.values)), (lambda: function.value_and_grad(*problem.values))
    return Entry(name, first, best(value), best(both), _flat(answer))


def _peer(name: str, problem: Problem) -> Entry:
    make = PEERS[name][1]
    request = problem.request
    if problem.inputs is None:
        raise NotGivenError("one expression, in numbers and matrices")
    if any(one.batched for one in problem.inputs) and request.options.reduce is None:
        raise NotGivenError("a batch with --reduce sum or mean")
    x = sp.Symbol("x")
    make(x**2, [Input(x, 1.0, False, True)], None)[1]()
    start = time.perf_counter()
    value, both = make(problem.expr, problem.inputs, request.options.reduce)
    answer = both()
    first = time.perf_counter() - start
    return Entry(name, first, best(value), best(both), _flat(answer))


def _flat(answer: Any) -> tuple[float, ...]:
    """All numbers, in order."""
    if isinstance(answer, tuple | list):
        return tuple(number for part in answer for number in _flat(part))
    return tuple(np.ravel(np.asarray(answer, np.float64)).tolist())
