"""The command line: verbs, exit status, errors on one line, JSON."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import symbackprop
from symbackprop.cli import main

MODEL = """
import sympy as sp
x, w, t = sp.symbols("x w t")
q1, q2 = q = sp.symbols("q1 q2")
loss = (sp.tanh(x*w) - t)**2
arm = sp.sin(q1)*q2 + x
let = ([(sp.Symbol("h"), x*w)], [sp.Symbol("h")**2])
condition = x > 1
number = 3
AT = {"x": 0.5, "w": 0.25, "t": 0.1, "q": [0.3, 0.4]}
"""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "model.py"


def run(*words: str) -> int:
    return main(list(words))


def test_emit_writes_what_the_library_emits(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("emit", "model.py:loss", "--wrt", "w", "-o", "out.py") == 0
    text = Path("out.py").read_text()
    assert run("emit", "model.py:loss", "--wrt", "w") == 0
    assert capsys.readouterr().out == text
    assert "From: symbackprop emit model.py:loss --wrt w --target numpy" in text
    scope: dict[str, object] = {}
    exec(text, scope)
    assert callable(scope["value_and_grad"])


@pytest.mark.parametrize(
    "words",
    [
        ("model.py:loss", "--wrt", "x,w"),
        ("model.py:loss", "--batch", "x,t", "--reduce", "mean", "--wrt", "w", "--target", "numba"),
        ("model.py:arm", "--wrt", "q,x", "--args", "q,x", "--target", "python"),
        ("model.py:arm", "--wrt", "(q1,q2)", "--args", "(q1,q2),x"),
        ("model.py:let", "--dtype", "float32", "--kinks", "left"),
    ],
    ids=str,
)
def test_check_finds_the_model_of_a_file_and_passes(
    words: tuple[str, ...], model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("sub").mkdir()
    assert run("emit", *words, "-o", "sub/out.py") == 0
    assert run("check", "sub/out.py") == 0
    assert "is what its model emits today" in capsys.readouterr().out
    # From elsewhere, too: the header is relative to the file.
    monkeypatch.chdir("sub")
    assert run("check", "out.py") == 0


def test_check_fails_on_a_stale_file(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("emit", "model.py:loss", "-o", "out.py") == 0
    model.write_text(MODEL.replace("tanh", "sin"))
    assert run("check", "out.py") == 1
    said = capsys.readouterr().out
    assert said.startswith("FAILED") and "emit model.py:loss" in said and "-o out.py" in said
    assert run("check", "out.py", "--json") == 1
    assert json.loads(capsys.readouterr().out)["results"][0]["fresh"] is False


def test_check_of_a_model_reports_its_gradients(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "model.py:loss", "model.py:arm", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["passed"] is True
    assert report["results"][0]["worst"]["point"] == {"t": 0.1, "w": 0.25, "x": 0.5}


def test_check_fails_on_a_wrong_derivative(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wrong.py").write_text(
        "import sympy as sp\n"
        "x = sp.Symbol('x')\n"
        "class cube(sp.Function):\n"
        "    nargs = 1\n"
        "    def fdiff(self, argindex=1):\n"
        "        return 4*self.args[0]**2\n"
        "    def doit(self, **hints):\n"
        "        return self.args[0]**3\n"
        "loss = cube(x)\n"
    )
    assert run("check", f"{tmp_path}/wrong.py:loss") == 1
    assert "wrong gradient" in capsys.readouterr().out


def test_accuracy_prints_the_worst_point_of_each_output(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "model.py:loss", "--accuracy", "--wrt", "x,w") == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("ok  model.py:loss: 2 derivatives checked")
    assert [line.split(":")[0].split()[1] for line in lines] == ["value", "d/dx", "d/dw"]
    assert all(re.search(r" ulp.* at t = 0\.1, w = 0\.25, x = 0\.5: .*, exact ", line) for line in lines)
    # Points that are drawn take the place of the model's.
    assert run("check", "model.py:loss", "--accuracy", "--samples", "4", "--json") == 0
    outputs = json.loads(capsys.readouterr().out)["results"][0]["outputs"]
    assert [output["output"] for output in outputs] == ["value", "d/dt", "d/dw", "d/dx"]
    assert all(output["point"] != {"t": 0.1, "w": 0.25, "x": 0.5} for output in outputs)
    assert run("emit", "model.py:loss", "-o", "out.py") == 0
    assert run("check", "out.py", "--accuracy") == 0
    assert "d/dw: " in capsys.readouterr().out


LOSSY = """
import sympy as sp
from symbackprop import register
x = sp.Symbol("x")
lossy = sp.Function("lossy")
register(lossy, lambda t: sp.sin(t), partials=lambda t: sp.cos(t)*(1 + sp.Rational(1, {})))
loss = lossy(x)
"""


def test_accuracy_fails_on_lost_digits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lossy.py").write_text(LOSSY.format(10**10))
    assert run("check", "lossy.py:loss") == 0
    assert run("check", "lossy.py:loss", "--accuracy") == 1
    said = capsys.readouterr().out
    assert "inexact gradient" in said and re.search(r"INEXACT  d/dx: .* ulp, condition .* at x = ", said)


def test_emit_verifies_what_it_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lossy.py").write_text(LOSSY.format(10**10))
    assert run("emit", "lossy.py:loss", "-o", "out.py") == 0
    written = Path("out.py").read_text()
    assert "\nVerified when written: value and gradient at 3 points" in written
    Path("lossy.py").write_text(LOSSY.format(10**3))
    assert run("emit", "lossy.py:loss", "-o", "out.py") == 2
    error = capsys.readouterr().err
    assert "the emitted module is wrong: d/dx at x = " in error and error.count("\n") == 1
    assert Path("out.py").read_text() == written and sorted(p.name for p in Path().iterdir()) == ["lossy.py", "out.py"]
    assert run("check", "out.py") == 2
    assert run("emit", "lossy.py:loss", "-o", "out.py", "--verify", "none") == 0
    text = Path("out.py").read_text()
    assert "erified when" not in text and "--target numpy --verify none\n" in text
    assert run("check", "out.py") == 1
    Path("lossy.py").write_text(LOSSY.format(10**10))
    assert run("emit", "lossy.py:loss", "-o", "out.py", "--verify", "full") == 0
    assert "at 10 points" in Path("out.py").read_text() and run("check", "out.py") == 0


@pytest.mark.parametrize("what", ["source", "graph", "stages", "stats"])
def test_show(what: str, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "model.py:loss", "--what", what) == 0
    text = capsys.readouterr().out
    expected = {"source": "def value_and_grad(", "graph": "tanh(", "stages": "== guard:", "stats": "ratio"}[what]
    assert expected in text
    assert run("show", "model.py:loss", "--what", what, "--json") == 0
    assert what in json.loads(capsys.readouterr().out)


def test_show_draws_and_explains(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def shown(*words: str) -> str:
        assert run("show", "model.py:loss", "--wrt", "w", *words) == 0
        return capsys.readouterr().out

    assert shown("--what", "graph", "--as", "mermaid").startswith("flowchart TD\n")
    assert shown("--what", "graph", "--as", "dot").startswith("digraph")
    assert "w#95;bar = 0.0239764" in shown("--what", "graph", "--as", "mermaid", "--at")
    for at in ([], ["--at"]):
        assert re.search(r"\ndloss/dw +0\.0239764", shown("--what", "explanation", *at).replace("\n  ", "\n"))
    stats = json.loads(shown("--what", "stats", "--json"))["stats"]
    assert stats["by_operation"]["tanh"] == {"value": 1, "value_and_grad": 1}
    stages = shown("--what", "stages")
    assert "; nothing changed\n" in stages and re.search(r"== grad: .*; .*\+\d mul", stages)
    for words, said in (
        (("--as", "svg"), "goes with --what graph"),
        (("--what", "graph", "--at"), "goes with a picture"),
    ):
        assert run("show", "model.py:loss", *words) == 2
        assert said in capsys.readouterr().err


def test_show_is_coloured_on_a_terminal_alone(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pygments")
    for terminal, no_color, colours in ((True, "", True), (True, "1", False), (False, "", False)):
        monkeypatch.setattr(sys.stdout, "isatty", lambda answer=terminal: answer, raising=False)
        monkeypatch.setenv("NO_COLOR", no_color)
        for what in ("source", "stages", "graph"):
            assert run("show", "model.py:loss", "--what", what) == 0
            text = capsys.readouterr().out
            assert ("\x1b[" in text) is colours
        assert "== guard" in re.sub(r"\x1b\[[0-9;]*m", "", text) or what == "graph"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("emit", "missing.py:loss"), "no file missing.py"),
        (("emit", "model.py"), "MODEL.py:NAME"),
        (("emit", "model.py:los"), "defines arm, let, loss"),
        (("show", "model.py"), "of the form MODEL.py:NAME, .*; it defines arm, let, loss"),
        (("show", "half.py:f", "--what", "explanation"), r"the model file's AT, as .* misses 'y'"),
        (("show", "half.py:f", "--what", "stats", "--at"), r"the model file's AT, as .* misses 'y'"),
        (("check", "half.py:f"), r"AT of a model file\) gives no value for 'y'; it has x, z"),
        (("show", "gone.py"), "of the form MODEL.py:NAME"),
        (("emit", "model.py:number"), "not a SymPy expression"),
        (("emit", "model.py:condition"), "condition, not a number"),
        (("emit", "model.py:loss", "--wrt", "zz"), "names 'zz'"),
        (("emit", "model.py:loss", "--wrt", "(x,w"), "brackets|packed array"),
        (("emit", "model.py:loss", "--wrt", ","), "names with commas"),
        (("emit", "model.py:loss", "--args", "x"), "args provides no value"),
        (("emit", "model.py:loss", "-o", "no/such/folder.py"), "cannot write"),
        (("emit", "model.py:loss", "--target", "fortran"), "invalid choice"),
        (("emit", "model.py:loss", "--reduce", "sum"), "needs batch"),
        (("emit", "raises.py:loss"), "line 2: ZeroDivisionError"),
        (("emit", "exits.py:loss"), "SystemExit"),
        (("emit", "syntax.py:loss"), "line 1: SyntaxError"),
        (("check", "model.py"), "does not say which model"),
        (("check", "gone.py"), "no file gone.py"),
        (("check", "syntax.py"), "cannot be read"),
        ((), "required: VERB"),
        (("frobnicate",), "invalid choice"),
    ],
    ids=str,
)
def test_errors_are_one_clear_line(
    words: tuple[str, ...], said: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("raises.py").write_text("import sympy\n1/0\n")
    Path("half.py").write_text('import sympy\nx, y = sympy.symbols("x y")\nf, AT = x*y, {"x": 1, "z": 2}\n')
    Path("exits.py").write_text("raise SystemExit(0)\n")
    Path("syntax.py").write_text("def\n")
    assert run(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("symbackprop: ") and captured.err.count("\n") == 1
    assert re.search(said, captured.err), captured.err


def test_emit_replaces_only_what_it_wrote(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("emit", "model.py:loss", "-o", "model.py") == 2
    assert "not written by symbackprop" in capsys.readouterr().err
    assert model.read_text() == MODEL
    Path("notes.txt").write_text("mine")
    assert run("emit", "model.py:loss", "-o", "notes.txt") == 2
    assert Path("notes.txt").read_text() == "mine"
    assert run("emit", "model.py:loss", "-o", "notes.txt", "--force") == 0
    assert run("emit", "model.py:loss", "-o", "notes.txt") == 0
    assert run("emit", "model.py:loss", "-o", "-") == 0
    assert not Path("-").exists()


def test_what_a_model_prints_stays_out_of_the_output(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model.write_text(MODEL + "print('hello')\n")
    assert run("show", "model.py:loss", "--what", "stats", "--json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) and "hello" in captured.err


def test_a_model_may_define_a_dataclass(model: Path) -> None:
    model.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Options:\n    rate: float = 0.1\n" + MODEL
    )
    assert run("show", "model.py:loss", "--what", "stats") == 0


def test_check_goes_on_after_an_item_that_cannot_be_checked(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "gone.py", "model.py:loss") == 2
    captured = capsys.readouterr()
    assert captured.out.startswith("ok  model.py:loss") and "no file gone.py" in captured.err


def test_odd_names_survive_the_round_trip_through_a_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(["α", "my var", "it's", '"q"', "\\theta", "\u202ex", "a\\x22b"]):
        Path(f"m{number}.py").write_text(f"import sympy as sp\nx = sp.Symbol({name!r})\nloss = sp.sin(x)\n", "utf-8")
        assert run("emit", f"m{number}.py:loss", "--wrt", name, "-o", "out.py", "--force") == 0
        assert run("check", "out.py") == 0, name


def test_an_unwritable_file_keeps_what_it_had(model: Path) -> None:
    Path("folder").mkdir()
    assert run("emit", "model.py:loss", "-o", "folder") == 2
    assert list(Path("folder").iterdir()) == []


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    assert "symbackprop emit examples/" in capsys.readouterr().out
    for verb in ("emit", "show", "check"):
        assert run(verb, "--help") == 0
        assert f"example: symbackprop {verb}" in capsys.readouterr().out


def test_runs_as_a_module_and_survives_a_closed_pipe(model: Path) -> None:
    version = subprocess.run(
        [sys.executable, "-m", "symbackprop", "--version"], capture_output=True, text=True, check=True
    )
    assert version.stdout.strip() == f"symbackprop {symbackprop.__version__}"
    piped = subprocess.run(
        f"{sys.executable} -m symbackprop show model.py:loss --what stages | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert piped.stdout.startswith("== frontend") and piped.stderr == ""
