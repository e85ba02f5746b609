"""The README's promise: its examples run, and its commands are the ones that continuous integration runs."""

from __future__ import annotations

import doctest
import re
from pathlib import Path


def test_examples_in_the_readme_run(root: Path) -> None:
    results = doctest.testfile(str(root / "README.md"), module_relative=False)
    assert results.attempted >= 8
    assert results.failed == 0


def test_ci_runs_what_the_readme_says(root: Path) -> None:
    readme = (root / "README.md").read_text(encoding="utf-8")
    ci = (root / ".ci" / "run").read_text(encoding="utf-8")
    commands = [line for line in re.findall(r"```sh\n(.*?)\n```", readme, re.S) if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    job, tests = commands
    assert tests.rsplit("&& ", 1)[1] in ci
    assert (
        "emit examples/computational_graph.py:loss --wrt w,x" in job and "computational_graph.py:loss --wrt w,x" in ci
    )
