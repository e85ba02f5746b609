"""The command ``symbackprop bench MODEL.py:NAME``: how fast a model is on each backend, beside other systems.

Each contender has a process of its own, so that none waits for what another imports or has running.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from symbackprop.bench import Contest, Entry, contenders, entered, posed
from symbackprop.compiler import Request
from symbackprop.errors import OptionError, SymbackpropError
from symbackprop.options import TARGETS

_CHILD = "import sys; sys.path[:] = {path!r}; from symbackprop.cli import main; sys.exit(main())"
"""It finds what this process finds: ``-m`` would put the working folder, with a user's ``random.py``, before all."""
_ANSWER = "\nsymbackprop bench found: "
"""Before what a contender found: a model, and what it imports, may print at any time, also when it ends."""


def add_bench_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL.py:NAME")
    parser.add_argument(
        "--only", metavar="NAMES", help=f"some of {','.join(contenders())}; default: all of these, as far as installed"
    )
    parser.add_argument(
        "--length",
        type=int,
        default=1000,
        metavar="N",
        help="samples of a batch, and entries along named axes, where the file's AT does not say; default: 1000",
    )
    parser.add_argument(
        "--limit", type=float, default=60.0, metavar="SECONDS", help="for each contender in all; default: 60"
    )
    parser.add_argument("--entry", help=argparse.SUPPRESS)


def bench_command(arguments: argparse.Namespace, request: Request, at: Mapping[str, Any] | None, title: str) -> int:
    """Print the contest at the model file's point, or at drawn numbers."""
    if arguments.length < 1:
        raise OptionError(f"--length {arguments.length}: at least 1 is due")
    if not 0 < arguments.limit < float("inf"):
        raise OptionError(f"--limit {arguments.limit:g}: a number of seconds above 0 is due")
    problem = posed(request, at, arguments.length)
    if arguments.entry:
        print(_ANSWER + json.dumps(asdict(entered(arguments.entry, problem))))
        return 0
    names = _chosen(arguments.only)
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    where = "at the file's AT" if at is not None else "at drawn numbers"
    head = f"{title}, {where}, {request.options.dtype}; the machine's load was {busy:.1f} on {os.cpu_count()} cores"
    contest = Contest(head, tuple(_alone(name, arguments) for name in names), request.options.dtype)
    print(json.dumps(contest.as_dict()) if arguments.json else contest)
    return 0


def _chosen(only: str | None) -> list[str]:
    names = contenders()
    if only is None:
        return names
    known = {name.lower(): name for name in names}
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in wanted if name.lower() not in known]
    if unknown or not wanted:
        raise OptionError(f"--only {only}: {', '.join(unknown) or 'nothing'} is not among {', '.join(names)}")
    return [name for name in names if name.lower() in map(str.lower, wanted)]


def _alone(name: str, arguments: argparse.Namespace) -> Entry:
    """What a contender took in a process that does nothing else."""
    verb, *words = arguments.words
    command = [sys.executable, "-c", _CHILD.format(path=sys.path), verb, "--entry", name, *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=arguments.limit, check=False)
    except subprocess.TimeoutExpired:
        return Entry(name, why=f"nothing within {arguments.limit:g} s")
    _, answered, rest = done.stdout.rpartition(_ANSWER)
    if not answered:
        told = (done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"])[-1]
        told = told.removeprefix("symbackprop: ")
        if name in TARGETS:
            raise SymbackpropError(f"{name}: {told}")
        return Entry(name, why=f"it did not get through: {told}"[:100])
    found = json.loads(rest.splitlines()[0])
    return Entry(**{**found, "answer": tuple(found["answer"])})
