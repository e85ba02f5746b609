"""The README's promise: its examples run, and its commands are the ones that continuous integration runs."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from symbackprop.cli import main


def test_examples_in_the_readme_run(root: Path) -> None:
    results = doctest.testfile(str(root / "README.md"), module_relative=False)
    assert results.attempted >= 8
    assert results.failed == 0


def test_ci_runs_what_the_readme_says(root: Path) -> None:
    job, tests = set_up_commands(root)
    ci = (root / ".ci" / "run").read_text(encoding="utf-8")
    for command in (tests.rsplit("&& ", 1)[1], job.rsplit("&& ", 1)[1]):
        assert f"\n{command}\n" in ci


def test_the_main_job_prints_what_the_readme_says(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    command = set_up_commands(root)[0].rsplit("/symbackprop ", 1)[1]
    assert main(command.split()) == 0
    printed = capsys.readouterr().out.splitlines()
    promised = re.findall(r"`((?:loss|accuracy) [^`]+)`", (root / "README.md").read_text(encoding="utf-8"))
    assert len(promised) == 2
    for line in promised:
        # Six digits after 1,000 steps: on another machine the last one may round the other way.
        name, *numbers = line.replace(" ->", "").split()
        (found,) = [words.split() for words in printed if words.split()[0] == name]
        assert [float(found[1]), float(found[3])] == pytest.approx([float(number) for number in numbers], rel=1e-5)


def set_up_commands(root: Path) -> list[str]:
    """The command of the main job, and that of the tests."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    commands = [line for line in re.findall(r"```sh\n(.*?)\n```", readme, re.S) if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    return commands
