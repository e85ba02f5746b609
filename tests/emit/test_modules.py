"""Emitted modules: standalone, deterministic, audited, written whole or not at all."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sympy as sp

import symbackprop as sb
from symbackprop.emit import checked
from symbackprop.emit.files import write_atomically

x, y, w, b = sp.symbols("x y w b")
MODELS = {
    "scalar": (sp.exp(-x * y) / (1 + sp.sqrt(x)), [x, y], {}),
    "piecewise": (sp.Piecewise((sp.log(x), x > 0), (x**2, x > -1), (y, True)), [x, y], {}),
    "special": (sp.gamma(x) * sp.besselj(1, y) + sp.LambertW(x) + sp.zeta(3, y), [x, y], {}),
    "batch": ((sp.tanh(w * x + b) - y) ** 2, {"w": w, "b": b}, {"batch": [x, y], "reduce": "mean"}),
    "samples": ((sp.tanh(w * x + b) - y) ** 2, {"w": w, "b": b}, {"batch": [x, y]}),
    "packed": (sp.sin(x) * y * w, [(x, y), w], {"args": [(x, y), w]}),
    "order": (
        sp.Max(x, y, w, b) + sp.Min(x * y, w, 2) + sp.Piecewise((1, sp.Or(x > y, w > b, x > 3)), (x, True)),
        None,
        {},
    ),
}

_EMIT_ALL = """
import sys, sympy as sp
sys.path.insert(0, {folder!r})
from test_modules import MODELS
import symbackprop as sb
for name, (expr, wrt, options) in MODELS.items():
    for target in ("python", "numpy", "numba"):
        if name == "special" and target == "python":
            continue
        print(sb.emit_module(expr, wrt, target=target, **options))
"""


def _run(code: str, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_output_does_not_depend_on_the_hash_seed() -> None:
    code = _EMIT_ALL.format(folder=str(Path(__file__).parent))
    outputs = {_run(code, PYTHONHASHSEED=seed) for seed in ("0", "1", "42")}
    assert len(outputs) == 1
    assert outputs.pop().count("def value_and_grad(") == 3 * len(MODELS) - 1


@pytest.mark.parametrize("target", ["python", "numpy", "numba"])
@pytest.mark.parametrize("name", MODELS)
def test_modules_stand_alone(name: str, target: str, tmp_path: Path) -> None:
    expr, wrt, options = MODELS[name]
    if name == "special" and target == "python":
        with pytest.raises(sb.EmitError, match="standard library"):
            sb.emit_module(expr, wrt, target=target)
        return
    path = tmp_path / "emitted.py"
    sb.emit_module(expr, wrt, path, target=target, **options)
    arguments = {
        "batch": "0.3, 0.2, [1.0, 2.0], [0.5, 0.6]",
        "samples": "0.3, 0.2, [1.0, 2.0], [0.5, 0.6]",
        "packed": "[0.3, 0.4], 0.5",
        "order": "0.1, 0.2, 0.3, 0.4",
    }.get(name, "0.7, 1.2")
    if target == "numba":
        arguments = arguments.replace("[", "np.array([").replace("]", "])")
    allowed = {"python": "math", "numpy": "numpy", "numba": "numba"}[target]
    code = (
        f"import sys, runpy\nimport {allowed}\n"
        + ("import numpy as np\n" if target == "numba" else "")
        + f"m = runpy.run_path({str(path)!r})\n"
        f"value, gradient = m['value_and_grad']({arguments})\n"
        f"assert str(m['grad']({arguments})) == str(gradient)\n"
        f"assert str(m['value']({arguments})) == str(value)\n"
        "assert not any(name.split('.')[0] in ('symbackprop', 'sympy') for name in sys.modules)\n"
        + ("assert 'numpy' not in sys.modules\n" if target == "python" else "")
    )
    _run(code)


@pytest.mark.parametrize(
    "text",
    [
        "import os\n",
        "from os import system\n",
        "import math\nmath.__loader__\n",
        "def f(x):\n    return x.real\n",
        "def f(x):\n    return eval('1')\n",
        "def f(x):\n    return (lambda: 1)()\n",
        "def f(x):\n    exec('1')\n",
        "def f(x):\n    with x:\n        pass\n",
        "def f(x):\n    global y\n",
        "def f(x):\n    return f'{x}'\n",
        "class A:\n    pass\n",
        "def f(x):\n    return open('a')\n",
        "x = __import__\n def",
        "@staticmethod\ndef f(x):\n    return x\n",
        "def f(x):\n    try:\n        return 1\n    finally:\n        pass\n",
    ],
)
def test_the_audit_refuses_what_emission_never_writes(text: str) -> None:
    with pytest.raises(sb.InternalCompilerError):
        checked(text)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("batch", (0.3, 0.2, [[1.0, 2.0]], [[0.5, 0.6]])),
        ("batch", (0.3, [0.2, 0.3], [1.0, 2.0], [0.5, 0.6])),
        ("batch", (0.3, 0.2, [1.0, 2.0], [0.5])),
        ("packed", ([0.3, 0.4, 0.5], 0.5)),
        ("packed", ([[0.3, 0.4]], 0.5)),
        ("packed", (0.3, 0.5)),
    ],
)
def test_standalone_numpy_modules_refuse_what_does_not_fit(name: str, arguments: tuple[object, ...]) -> None:
    expr, wrt, options = MODELS[name]
    scope: dict[str, Any] = {}
    exec(sb.emit_module(expr, wrt, target="numpy", **options), scope)
    with pytest.raises(ValueError, match="must"):
        scope["value_and_grad"](*arguments)


def test_emitted_text_reads_as_written_by_hand() -> None:
    source = sb.emit_module(MODELS["batch"][0], MODELS["batch"][1], **MODELS["batch"][2])
    assert max(len(line) for line in source.splitlines()) <= 100
    assert source.endswith("\n") and not source.endswith("\n\n")
    assert "\t" not in source and all(line == line.rstrip() for line in source.splitlines())
    docstring = ast.get_docstring(ast.parse(source)) or ""
    for words in ("value = ", "w  real number", "one a sample", "mean over all samples", "Operations:", "Kinks: zero"):
        assert words in docstring
    assert f"symbackprop {sb.__version__}" in docstring


def test_files_are_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kept.py"
    write_atomically(path, "old\n")
    path.chmod(0o640)

    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", broken)
        with pytest.raises(sb.EmitError, match="No space left"):
            write_atomically(path, "new\n")
    assert path.read_text() == "old\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept.py"]
    write_atomically(path, "new\n")
    assert path.read_text() == "new\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_what_is_no_ordinary_file_is_left_alone(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(sb.EmitError, match="no ordinary file"):
        write_atomically(pipe, "text")
    assert pipe.is_fifo() and [entry.name for entry in tmp_path.iterdir()] == ["pipe"]


def test_bad_paths_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "a.py"):
        with pytest.raises(sb.EmitError, match="cannot write"):
            sb.emit_module(x, x, path)


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target.py", tmp_path / "link.py"
    target.write_text("old")
    link.symlink_to(target)
    write_atomically(link, "new")
    assert link.is_symlink() and target.read_text() == "new"
