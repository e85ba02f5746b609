"""``symbackprop fit``, and ``emit`` and ``check`` of the loop that a file defines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symbackprop import Run
from symbackprop.cli import main

MODEL = """
import numpy as np
import sympy as sp
from symbackprop import SGD, affine, mse

N = sp.Symbol("N", integer=True, positive=True)
X, y = sp.MatrixSymbol("X", N, 2), sp.MatrixSymbol("y", N, 1)
w, b = sp.MatrixSymbol("w", 2, 1), sp.Symbol("b")
loss, batch = mse(affine(X, w, b), y), N
params = {w: np.zeros((2, 1)), b: 0.0}
data = {X: np.array([[0.0, 1], [1, 0], [1, 1], [2, 1]]), y: np.array([[2.0], [3], [4], [6]])}
optimizer = SGD(lr=0.1)
metrics = {"squares": mse(affine(X, w, b), y)}
fit = {"epochs": 2000}
"""

FULL = MODEL.replace("SGD(lr=0.1)", "LBFGS()").replace("import SGD", "import LBFGS").replace("metrics", "unused")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "line.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["fit", "line.py", "--json", *words]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_fit_says_what_came_out(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "line.py", "--backend", "numpy", "--epochs", "50"]) == 0
    out = capsys.readouterr().out
    assert "SGD(lr=0.1) on X, y: 50 epochs, 50 steps" in out
    assert "loss         16.25 ->" in out
    assert "w            array of shape (2, 1)" in out
    found = told(capsys)
    assert (found["epochs"], found["route"]) == (2000, "direct")
    np.testing.assert_allclose([*np.ravel(found["params"]["w"]), found["params"]["b"]], [2, 1, 1], atol=1e-6)
    assert found["last"]["squares"] < 1e-10


def test_a_fit_by_all_samples_says_what_came_out(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("line.py").write_text(FULL)
    found = told(capsys, "--quiet", "--save", "run.npz")
    np.testing.assert_allclose([*np.ravel(found["params"]["w"]), found["params"]["b"]], [2, 1, 1], atol=1e-6)
    assert (found["route"], found["stopped"]) == ("direct", "tolerance")
    assert Run.load("run.npz").params["b"] == found["params"]["b"]
    assert main(["emit", "line.py"]) == 2
    assert "is SciPy's; emit the gradient in it: line.py:loss" in capsys.readouterr().err


def test_a_loss_may_have_no_data(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bowl.py").write_text(
        'import sympy as sp\nw = sp.Symbol("w")\nloss, params, data, batch = (w - 3) ** 2, {w: 0}, {}, None\n'
        'fit = {"epochs": 9}\n'
    )
    assert main(["fit", "bowl.py"]) == 0
    assert capsys.readouterr().out.split(" steps")[0].endswith("): 9 epochs, 9")


def test_options_override_and_runs_go_on(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = told(capsys, "--epochs", "20", "--batch-size", "3", "--lr", "0.05", "--seed", "4")
    told(capsys, "--epochs", "12", "--batch-size", "3", "--lr", "0.05", "--seed", "4", "--save", "run.npz")
    assert Run.load("run.npz").state.epochs == 12
    rest = told(capsys, "--epochs", "8", "--batch-size", "3", "--lr", "0.05", "--resume", "run.npz")
    assert rest["params"] == whole["params"]
    assert rest["steps"] == whole["steps"] == 40


def test_data_come_from_files(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("table.csv").write_text("X_1,X_2,y\n0,1,5\n1,0,7\n1,1,9\n")
    np.savez("arrays.npz", X=[[0.0, 1], [1, 0], [1, 1]], y=[[5.0], [7], [9]])
    found = [told(capsys, "--data", name)["params"] for name in ("table.csv", "arrays.npz")]
    assert found[0] == found[1]
    np.testing.assert_allclose([*np.ravel(found[0]["w"]), found[0]["b"]], [4, 2, 3], atol=1e-5)


def test_columns_are_taken_by_their_names_and_numbers(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the order of the file, with the marks that Excel and `numpy.savetxt` write, and beside columns that are
    none of ours.
    """
    Path("plain.csv").write_text("X_1,X_2,y\n0,1,5\n1,0,7\n1,1,9\n")
    Path("other.csv").write_text("\ufeffy_err,y, X_2 ,X_max,X_1,who\n3,5,1,8,0,me\n3,7,0,8,1,you\n3,9,1,8,1,\n")
    Path("savetxt.csv").write_text("# X_1,X_2,y\n0,1,5\n1,0,7\n1,1,9\n")
    found = [told(capsys, "--data", name)["params"] for name in ("plain.csv", "other.csv", "savetxt.csv")]
    assert found[0] == found[1] == found[2]


def test_the_loop_is_emitted_and_checked(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for target in ("numpy", "numba"):
        assert main(["emit", "line.py", "--target", target, "-o", "loop.py"]) == 0
        assert f"From: symbackprop emit line.py --target {target}" in Path("loop.py").read_text()
        assert main(["check", "loop.py"]) == 0
    for words in (["--wrt", "w"], ["--batch", "X"], ["--dtype", "float32"], ["--kinks", "left"], ["--verify", "full"]):
        assert main(["emit", "line.py", *words]) == 2
        assert f"{words[0]} is of one expression, line.py:NAME" in capsys.readouterr().err
    Path("line.py").write_text(MODEL.replace("mse(affine(X, w, b), y), N", "2*mse(affine(X, w, b), y), N"))
    assert main(["check", "loop.py"]) == 1
    assert "emit line.py --target numba -o loop.py" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["line.py", "--data", "none.csv"], "there is no file none.csv"),
        (["line.py", "--data", "line.py"], "data come from a .csv or a .npz file"),
        (["line.py", "--data", "bad.csv"], "bad.csv, line 2: column X_2 has 'one'"),
        (["line.py", "--data", "short.csv"], "short.csv has no column X or X_1"),
        (["line.py", "--data", "semicolons.csv"], "of names with commas between, has X_1;X_2;y"),
        (["line.py", "--data", "cut.csv"], "cut.csv, line 3: 2 entries, where the first line names 3 columns"),
        (["line.py", "--data", "near.csv"], "near.csv has no column y or y_1"),
        (["line.py", "--data", "twice.csv"], "twice.csv names 2 columns X_1"),
        (["line.py", "--data", "latin.csv"], "latin.csv cannot be read"),
        (["line.py", "--data", "none.npz"], "there is no file none.npz"),
        (["line.py", "--data", "cut.npz"], "cut.npz is no npz file"),
        (["line.py", "--data", "nan.csv"], "there y is nan in 1 of 2 entries; the data must be finite"),
        (
            ["wild.py", "--epochs", "2000"],
            'inf in 4 of 4 entries; a smaller --lr, options = {"clip_norm": 1} in the file, or a stable',
        ),
        (["line.py", "--save", "none/run.npz"], "there is no folder none"),
        (["line.py", "--plot", "none/run.png"], "there is no folder none"),
        (["symbols.py"], "with --data"),
        (["symbols.py", "--lr", "1"], "names no optimizer"),
        (["full.py", "--batch-size", "2"], "a fit by LBFGS has no option 'batch_size'; it has epochs"),
        (["misspelt.py"], "a fit by SGD has no option 'epoch'; it has epochs, batch_size"),
        (["options.py"], "options.py: a training has no option 'clipnorm'"),
        (["line.py", "--resume", "line.py"], "line.py is no npz file"),
        (["line.py", "--batch-size", "9"], "batch_size=9 is more than the 4 samples"),
        (["line.py", "--lr", "-1"], "lr=-1.0"),
        (["line.py:loss"], "a training is a whole file: line.py, without loss"),
        (["empty.py"], "does not define loss, params, data"),
        (["british.py"], "british.py defines frozzen, which no training reads: did you mean frozen?"),
        (["apart.py"], 'apart.py defines epochs, which is read from fit alone: fit = {"epochs": epochs}'),
    ],
)
def test_trouble_is_one_line(model: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    Path("bad.csv").write_text("X_1,X_2,y\n0,one,5\n")
    Path("short.csv").write_text("y\n5\n")
    Path("empty.py").write_text("")
    Path("cut.csv").write_text("X_1,X_2,y\n0,1,5\n1,0\n")
    Path("semicolons.csv").write_text("X_1;X_2;y\n0;1;5\n")
    Path("near.csv").write_text("y_err,X_1,X_2\n0,1,5\n")
    Path("twice.csv").write_text("X_1,X_1,y\n0,1,5\n")
    Path("latin.csv").write_bytes(b"X_1,X_2,y\n0,1,\xe9\n")
    Path("nan.csv").write_text("X_1,X_2,y\n0,1,5\n1,0,nan\n")
    Path("wild.py").write_text(MODEL.replace("lr=0.1", "lr=9.0"))
    Path("cut.npz").write_bytes(b"PK\x03\x04 and no more")
    Path("full.py").write_text(FULL)
    Path("misspelt.py").write_text(f"{MODEL}\nfit = {{'epoch': 3}}\n")
    Path("options.py").write_text(f"{MODEL}\noptions = {{'clipnorm': 3}}\n")
    Path("british.py").write_text(f"{MODEL}\nfrozzen = {{}}\n")
    Path("apart.py").write_text(f"{MODEL}\nepochs = 10\nfit = {{'seed': 1}}\n")
    Path("symbols.py").write_text(f"{MODEL}\ndata = [X, y]\noptimizer = None\n")
    assert main(["fit", *words, "--backend", "numpy"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
