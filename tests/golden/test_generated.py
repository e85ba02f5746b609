"""The committed modules in `generated/` are what their models emit today, byte for byte.

``pytest tests/golden --update-golden`` writes them again, each by the command in its own header.
"""

from __future__ import annotations

import importlib.util
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from symbackprop.cli import _header_command, main

ROOT = Path(__file__).resolve().parents[2]
GENERATED = sorted((ROOT / "generated").glob("*.py"))
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NEED_SCIKIT_LEARN = ("digits", "train_digits")


def test_every_example_has_a_module() -> None:
    assert [path.name for path in GENERATED] == [path.name for path in EXAMPLES]
    assert len(GENERATED) >= 15


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_module_is_fresh_and_its_gradient_right(
    path: Path, update_golden: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if update_golden:
        monkeypatch.chdir(path.parent)
        options = vars(_header_command(path))
        words = ["emit", options["model"], "-o", path.name]
        training = ":" not in options["model"]
        for name in ("target",) if training else ("wrt", "args", "batch", "reduce", "target", "dtype", "kinks"):
            if options[name] is not None:
                words += [f"--{name}", options[name]]
        assert main(words) == 0, shlex.join(words)
    assert main(["check", str(path)]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_run(path: Path) -> None:
    if path.stem in NEED_SCIKIT_LEARN and importlib.util.find_spec("sklearn") is None:
        pytest.skip("its data come with scikit-learn, which is not installed")
    result = subprocess.run([sys.executable, "-W", "error", str(path)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


@pytest.mark.parametrize(("kept", "options"), [("gallery.md", []), ("gallery.ipynb", ["--notebook"])])
def test_the_gallery_is_what_its_example_prints(
    kept: str,
    options: list[str],
    update_golden: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = str(ROOT / "examples" / "gallery.py")
    monkeypatch.setattr(sys, "argv", [script, *options])
    runpy.run_path(script, run_name="__main__")
    printed, page = capsys.readouterr().out, ROOT / "examples" / kept
    if update_golden:
        page.write_text(printed, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == printed


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
