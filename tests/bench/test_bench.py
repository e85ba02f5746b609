"""The contest of a model with other systems: the same answers, told apart where they are not; and its command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import cli
from symbackprop.bench import Contest, Entry, contenders, entered, posed
from symbackprop.bench.peers import PEERS, installed
from symbackprop.compiler import Request
from symbackprop.errors import DomainError, ModelError
from symbackprop.options import TARGETS, Options

w, b, x, y = sp.symbols("w b x y")
MODEL = """
import sympy as sp
w, x, y = sp.symbols("w x y")
loss = (sp.sin(w*x) - y)**2
scores = ([(x, w**2)], [x*y])
AT = {"w": 0.5, "x": 2.0, "y": 0.25}
"""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here looks at a time."""
    monkeypatch.setattr("symbackprop.show.measure._SECONDS", 1e-5)


def request(expr: Any, wrt: Any = None, batch: Any = None, reduce: str | None = None) -> Request:
    return Request(expr, wrt, None, batch, options=Options("numba", reduce=reduce))


@pytest.mark.parametrize("name", [*TARGETS, *PEERS])
def test_everyone_finds_the_same_gradient(name: str) -> None:
    """Of w alone, which is not the first symbol, and of both; x stays in its place."""
    if name not in TARGETS and name not in installed():
        pytest.skip(f"{name} is not installed")
    for wrt in ([w], [w, b]):
        problem = posed(request(sp.exp(-w) * x + b**2 / 3, wrt), {"w": 0.5, "x": 3.0, "b": 1.5}, 1)
        entry = entered(name, problem)
        value, dw, db = np.exp(-0.5) * 3.0 + 0.75, -np.exp(-0.5) * 3.0, 1.0
        np.testing.assert_allclose(entry.answer, [value, dw, db][: 1 + len(wrt)], rtol=1e-14)
        assert entry.why == ""
        assert min(entry.first, entry.value, entry.both) > 0.0


@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize("name", ["numpy", "SymPy", "JAX", "PyTorch"])
def test_batches_are_summed_up_alike(name: str, reduce: str) -> None:
    """Also where an entry of the gradient is the same for all samples, as that of b."""
    if name not in TARGETS and name not in installed():
        pytest.skip(f"{name} is not installed")
    problem = posed(request((w * x) ** 2 + 3 * b, [w, b], [x], reduce), None, 50)
    xs = problem.values[sorted("wxb").index("x")]
    assert xs.shape == (50,)
    entry = entered(name, problem)
    over = np.sum if reduce == "sum" else np.mean
    wanted = entered("python", problem).answer
    np.testing.assert_allclose(entry.answer, wanted, rtol=1e-12)
    np.testing.assert_allclose(entry.answer[2], over(np.full(50, 3.0)), rtol=1e-12)


@pytest.mark.parametrize("name", ["numba", "JAX", "PyTorch"])
def test_matrices_have_their_lengths(name: str) -> None:
    if name not in TARGETS and name not in installed():
        pytest.skip(f"{name} is not installed")
    n = sp.Symbol("n", integer=True, positive=True)
    X, v = sp.MatrixSymbol("X", n, 2), sp.MatrixSymbol("v", 2, 1)  # noqa: N806
    problem = posed(request(v.T * X.T * X * v / n, [v]), None, 30)
    assert (30, 2) in [np.shape(value) for value in problem.values]
    np.testing.assert_allclose(entered(name, problem).answer, entered("numpy", problem).answer, rtol=1e-12)


def test_another_answer_is_told() -> None:
    problem = posed(request(sp.log(1 + sp.exp(x)), x), {"x": 800.0}, 1)
    contest = Contest("softplus", tuple(entered(name, problem) for name in ("numba", "SymPy")))
    assert [contest.remark(entry) for entry in contest.entries] == ["", "another answer: the value is inf, not 800"]
    assert "another answer" in str(contest)
    assert contest.as_dict()["entries"][1]["remark"].startswith("another answer")


def test_what_others_are_not_given_is_said() -> None:
    i, n = sp.symbols("i n", integer=True)
    z = sp.IndexedBase("z", shape=(n,))
    problem = posed(request(sp.Sum(z[i] ** 2, (i, 0, n - 1)), z), None, 10)
    assert entered("SymPy", problem).why == "it takes one expression, in numbers and matrices"
    assert len(entered("numba", problem).answer) == 11
    problem = posed(request(w * x, w, [x]), None, 10)
    assert entered("SymPy", problem).why == "it takes a batch with --reduce sum or mean"
    if "heyoka" in installed():
        problem = posed(request(sp.gamma(x), x), {"x": 2.5}, 1)
        assert entered("heyoka", problem).why.startswith("cannot read this model: ")


def test_points_that_do_not_fit_are_told() -> None:
    with pytest.raises(ModelError, match="AT of the model file gives no value for 'y'"):
        posed(request(x * y), {"x": 1.0}, 1)
    with pytest.raises(DomainError, match="no point with a real, finite value"):
        posed(request(sp.log(-(x**2) - 1)), None, 1)


def test_the_command_lets_each_run_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model.py"
    model.write_text(MODEL)
    assert cli.main(["bench", f"{model}:loss", "--wrt", "w", "--only", "sympy,numpy", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["title"].startswith("model.py:loss, at the file's AT, float64; the machine's load was ")
    assert [entry["name"] for entry in told["entries"]] == ["numpy", "SymPy"]
    for entry in told["entries"]:
        assert entry["remark"] == ""
        assert entry["ratio"] == pytest.approx(entry["both"] / entry["value"])
    assert cli.main(["bench", f"{model}:loss", "--only", "python", "--limit", "0.01"]) == 0
    assert "nothing within 0.01 s" in capsys.readouterr().out


def test_a_model_may_print_and_lie_beside_files_called_as_a_library(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any time, also behind the answer; a file ``random.py`` beside it is none of a contender's business."""
    printing = "import atexit\nprint('begun', end='')\natexit.register(lambda: print('{\"done\": 1}'))\n"
    (tmp_path / "model.py").write_text(printing + MODEL)
    for shadow in ("random", "statistics", "symbackprop"):
        (tmp_path / f"{shadow}.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["bench", "--only", "numpy", "--json", "--", "model.py:loss"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["entries"]
    assert entry["remark"] == ""


def test_what_one_contender_lacks_or_dies_of_does_not_end_the_contest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.py"
    dies = "import os, sys\nif 'SymPy' in sys.argv:\n    os._exit(3)\n"
    model.write_text(f"{dies}import sympy as sp\nloss = sp.besselj(0, sp.Symbol('x'))\nAT = {{'x': 1.5}}\n")
    assert cli.main(["bench", f"{model}:loss", "--only", "numpy,python,SymPy", "--json"]) == 0
    numpy, python, peer = [entry["remark"] for entry in json.loads(capsys.readouterr().out)["entries"]]
    assert numpy == ""
    assert python.startswith("target 'python' cannot compute besselj")
    assert peer == "it did not get through: it ended with status 3"


@pytest.mark.parametrize("found", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_in_both_is_the_same_answer(found: float) -> None:
    """As the value, which is said, and as an entry beside others, which are still compared."""
    entries = tuple(Entry(name, 1.0, 1.0, 1.0, (found, 1.0, found)) for name in "ab")
    contest = Contest("", (*entries, Entry("c", 1.0, 1.0, 1.0, (found, 2.0, found))))
    assert [contest.remark(entry) for entry in contest.entries] == [
        f"the value is {found:.6g}",
        f"the value is {found:.6g}",
        "another answer: entry 0 of the gradient is 2, not 1",
    ]
    contest = Contest("", (entries[0], Entry("c", 1.0, 1.0, 1.0, (2.0, 1.0, found))))
    assert contest.remark(contest.entries[1]) == f"another answer: the value is 2, not {found:.6g}"


def test_single_precision_is_held_against_double_by_its_own_digits() -> None:
    entries = tuple(Entry(name, 1.0, 1.0, 1.0, (1.0, x)) for name, x in (("a", 1.0), ("b", 1.0 + 1e-5)))
    assert [Contest("", entries, dtype).remark(entries[1])[:14] for dtype in ("float64", "float32")] == [
        "another answer",
        "",
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--only", "numba,Theano"], "--only numba,Theano: Theano is not among numba, numpy, python, SymPy"),
        (["--length", "0"], "--length 0: at least 1 is due"),
        (["--limit", "0"], "--limit 0: a number of seconds above 0 is due"),
        (["--limit", "nan"], "--limit nan: a number of seconds above 0 is due"),
        (["--limit", "inf"], "--limit inf: a number of seconds above 0 is due"),
        (["--wrt", "q"], "--wrt names 'q'"),
        (["--reduce", "sum"], "reduce='sum' needs batch"),
    ],
)
def test_the_command_says_what_is_wrong(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.py"
    model.write_text(MODEL)
    assert cli.main(["bench", f"{model}:loss", *words]) == 2
    caught = capsys.readouterr()
    assert told in caught.err
    assert caught.out == ""
    assert len(caught.err.splitlines()) == 1


def test_ratios_and_order() -> None:
    assert contenders()[:4] == ["numba", "numpy", "python", "SymPy"]
    assert Entry("numba", 1.0, 2.0, 3.0).ratio == 1.5
