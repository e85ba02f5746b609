"""The committed modules in `generated/` are what their models emit today, byte for byte.

``pytest tests/golden --update-golden`` writes them again, each by the command in its own header. The gradients of array
models are compared in `test_array_examples.py`, since `symbackprop check` knows scalars only.
"""

from __future__ import annotations

import importlib.util
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from symbackprop.cli import _header_command, main

ROOT = Path(__file__).resolve().parents[2]
GENERATED = sorted((ROOT / "generated").glob("*.py"))
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NEED_SCIKIT_LEARN = ("digits",)


def test_every_example_has_a_module() -> None:
    assert [path.name for path in GENERATED] == [path.name for path in EXAMPLES]
    assert len(GENERATED) >= 15


def emit_words(path: Path) -> list[str]:
    """The command in a module's header, without its output file."""
    options = vars(_header_command(path))
    words = ["emit", options["model"]]
    for name in ("wrt", "args", "batch", "reduce", "target", "dtype", "kinks"):
        if options[name] is not None:
            words += [f"--{name}", options[name]]
    return words


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_module_is_fresh_and_its_gradient_right(
    path: Path, update_golden: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    words = emit_words(path)
    if update_golden:
        assert main([*words, "-o", path.name]) == 0, shlex.join(words)
    text = path.read_text(encoding="utf-8")
    if "array of real numbers, shape" in text:
        capsys.readouterr()
        assert main(words) == 0, shlex.join(words)
        assert capsys.readouterr().out == text, f"stale: symbackprop {shlex.join(words)} -o {path.name}"
    else:
        assert main(["check", path.name]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_run(path: Path) -> None:
    if path.stem in NEED_SCIKIT_LEARN and importlib.util.find_spec("sklearn") is None:
        pytest.skip("its data come with scikit-learn, which is not installed")
    result = subprocess.run([sys.executable, "-W", "error", str(path)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


@pytest.mark.parametrize("name", NEED_SCIKIT_LEARN)
def test_a_missing_package_is_named(name: str) -> None:
    code = (
        "import runpy, sys; sys.modules['sklearn'] = None;"
        f"runpy.run_path({str(ROOT / 'examples' / f'{name}.py')!r}, run_name='__main__')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "pip install scikit-learn" in result.stderr
    assert "Traceback" not in result.stderr
