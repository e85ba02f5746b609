"""The command ``symbackprop show MODEL.py:NAME``: a model on its way through the compiler, and as a picture.

On a terminal it is coloured, where Pygments is installed and NO_COLOR is not set; in a pipe it is plain.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

from symbackprop.api import compiled_function
from symbackprop.compiler import Compiled, Request, compile_request
from symbackprop.errors import CallError, ModelError, OptionError, ShapeMismatch
from symbackprop.ir import Graph, to_text
from symbackprop.ops.extents import dimensions, measured
from symbackprop.runtime.point import points
from symbackprop.show import Batch, Explanation, Measurement, Subject, Trace, Traces, traced
from symbackprop.statistics import NOMINAL, work

WHAT = ("source", "graph", "stages", "stats", "explanation", "trace")
FORMATS = ("text", "mermaid", "dot", "svg")
_LANGUAGES = {"source": "python", "graph": "llvm", "stages": "llvm"}


def add_show_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL.py:NAME")
    parser.add_argument("--what", choices=WHAT, default="source")
    parser.add_argument(
        "--as",
        dest="format",
        choices=FORMATS,
        default="text",
        help="of --what graph: the nodes of the program, or a picture of the model as it was given; default: text",
    )
    parser.add_argument(
        "--line", metavar="LINE", help="of --what trace: one line of the module, by its number or a part of its text"
    )
    parser.add_argument(
        "--at",
        action="store_true",
        help="a picture with the numbers, or stats with the time of a call, at the model file's AT",
    )


def show_command(arguments: argparse.Namespace, request: Request, at: Mapping[str, Any] | None) -> int:
    """Print what was asked for; `at` is the model file's point."""
    if arguments.format != "text" and arguments.what != "graph":
        raise OptionError(f"--as {arguments.format} goes with --what graph")
    if arguments.at and arguments.format == "text" and arguments.what not in ("stats", "explanation"):
        raise OptionError("--at goes with a picture (--what graph --as mermaid, dot or svg), stats and explanation")
    if arguments.line is not None and arguments.what != "trace":
        raise OptionError("--line goes with --what trace")
    if at is None and (arguments.at or arguments.what == "explanation"):
        raise ModelError('the numbers of a point are those of AT = {"w": 0.5, ...}, which the model file lacks')
    stages: list[dict[str, Any]] = []
    before: list[Graph] = []

    def observe(step: str, graph: Graph) -> None:
        stages.append(_stage(step, graph, before[-1] if before else None))
        # A copy: the next stage may append to the nodes.
        before[:] = [Graph(list(graph.nodes), graph.outputs, dict(graph.labels), dict(graph.derived))]

    compiled = compile_request(request, observe if arguments.what == "stages" else None)
    shown = _shown(arguments, request, compiled, stages, at)
    if arguments.json:
        print(json.dumps({arguments.what: _plain(shown)}))
        return 0
    if arguments.what == "stages":
        text = "\n".join(_stage_text(stage) for stage in stages)
    else:
        text = "\n".join(_stat_lines(shown)) if arguments.what == "stats" else str(shown)
    language = _LANGUAGES.get(arguments.what, "") if arguments.format == "text" else ""
    print(coloured(text.rstrip("\n"), language))
    return 0


def _plain(shown: Any) -> Any:
    """What is shown, for JSON."""
    if isinstance(shown, Traces):
        return [trace.as_dict() for trace in shown]
    if isinstance(shown, dict):
        return {key: value.as_dict() if isinstance(value, Measurement) else value for key, value in shown.items()}
    return shown.as_dict() if isinstance(shown, Trace) else str(shown) if isinstance(shown, Explanation) else shown


def _shown(
    arguments: argparse.Namespace,
    request: Request,
    compiled: Compiled,
    stages: list[dict[str, Any]],
    at: Mapping[str, Any] | None,
) -> Any:
    if arguments.what == "source":
        return compiled.source
    if arguments.what == "trace":
        traces = traced(request, compiled.source)
        line = arguments.line
        return traces if line is None else traces.find(int(line) if line.isdecimal() else line)
    if arguments.what == "stages":
        return stages
    if arguments.what == "stats":
        measured_at = {"measured": _measured(request, compiled, at)} if arguments.at and at is not None else {}
        return {**compiled.stats, "by_operation": _by_operation(compiled), **measured_at}
    if arguments.format == "text" and arguments.what == "graph":
        return to_text(compiled.graph)
    batch = Batch.in_(compiled.signature, request.options.reduce)
    subject = Subject(request, batch)
    inputs, count = _points(compiled, request.options.dtype, at) if at is not None else ([], None)
    if arguments.what == "explanation":
        return subject.explanation(inputs, None, count)
    picture = subject.picture(lambda point: inputs[0])
    spelled = {"mermaid": picture.mermaid, "dot": picture.dot, "svg": picture.svg}[arguments.format]
    return spelled(at if arguments.at else None)


def _measured(request: Request, compiled: Compiled, at: Mapping[str, Any]) -> Measurement:
    """A call at those numbers of the file's point that this model takes: a file may have several."""
    own = {name: value for name, value in at.items() if name in _names(compiled)}
    try:
        measured: Measurement = compiled_function(request).measure(**own)
    except (CallError, ShapeMismatch) as error:
        raise _misfit(error) from error
    return measured


def _names(compiled: Compiled) -> set[str]:
    arguments = compiled.signature.primal_arguments
    return {name for argument in arguments for name in (argument.name, *argument.names, *argument.members)}


def _misfit(error: Exception) -> ModelError:
    return ModelError(f"the model file's AT, as arguments of g(): {error}")


def _points(compiled: Compiled, dtype: str, at: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int | None]:
    """The file's point by the inputs of the graph, of a batch sample by sample. Raises ModelError."""
    arguments = compiled.signature.primal_arguments
    try:
        return points(arguments, set(at) - _names(compiled), dtype, (), at)
    except (CallError, ShapeMismatch) as error:
        raise _misfit(error) from error


# Stages.


def _stage(step: str, graph: Graph, before: Graph | None) -> dict[str, Any]:
    """A stage, its operations, and what it changed, by kinds of operations."""
    now = _kinds(graph)
    earlier = _kinds(before) if before is not None else Counter()
    difference = {name: now[name] - earlier[name] for name in sorted(now | earlier) if now[name] != earlier[name]}
    text = to_text(graph)
    same = before is not None and text == to_text(before)
    return {
        "stage": step,
        "nodes": len(graph),
        "operations": _operations(graph),
        "changed": {} if before is None else difference,
        "unchanged": same,
        "text": text,
    }


def _kinds(graph: Graph) -> Counter[str]:
    return Counter(node.op.name for node in graph.nodes if node.operands)


def _operations(graph: Graph) -> int:
    """In additions, every symbolic length counting as `NOMINAL`."""
    total = 0
    for index, needed in enumerate(graph.reaching()):
        if needed:
            extent = work(graph, index)
            total += measured(extent, dict.fromkeys(dimensions(extent), NOMINAL))
    return total


def _stage_text(stage: dict[str, Any]) -> str:
    changed = ", ".join(f"{count:+d} {name}" for name, count in stage["changed"].items())
    head = f"== {stage['stage']}: {stage['nodes']} nodes, {stage['operations']} operations in additions"
    if stage["unchanged"]:
        return f"{head}; nothing changed\n"
    return f"{head}{f'; {changed}' if changed else ''}\n{stage['text']}\n"


# Counts.

_FORMULAS = (
    ("value", "value"),
    ("value and gradient", "value_and_grad"),
    ("bytes", "bytes"),
    ("bytes moved", "bytes_moved"),
)


def _by_operation(compiled: Compiled) -> dict[str, dict[str, int]]:
    """How often each operation stands in the program, for the value and for value and gradient."""
    graph = compiled.graph
    needed = graph.reaching(graph.outputs[: compiled.signature.value_count])
    value = Counter(n.op.name for n, used in zip(graph.nodes, needed, strict=True) if used and n.operands)
    return {
        name: {"value": value[name], "value_and_grad": count} for name, count in sorted(_kinds(compiled.graph).items())
    }


def _stat_lines(stats: dict[str, Any]) -> list[str]:
    operations, formulas = stats["operations"], stats["formulas"]
    symbolic = not formulas["value_and_grad"].isdecimal()
    where = f" where every symbolic length is {NOMINAL}" if symbolic else ""
    return [
        f"value               {stats['value']:>8} in additions, {operations['value']} operations",
        f"value and gradient  {stats['value_and_grad']:>8} in additions, {operations['value_and_grad']} operations",
        f"ratio               {stats['ratio']:>8.2f}",
        f"nodes               {stats['nodes']:>8}",
        f"temporaries         {stats['temporaries']:>8} ({stats['bytes']} bytes){where}",
        f"bytes moved         {stats['bytes_moved']:>8} in a call{where}: arguments, and arrays to memory and back",
        *[f"{name:<19} {formulas[key]}" for name, key in _FORMULAS if symbolic],
        *[
            f"{name:<19} {counts['value_and_grad']:>8}, {counts['value']} of them in the value"
            for name, counts in stats["by_operation"].items()
        ],
        *([f"\n{stats['measured']}"] if "measured" in stats else []),
    ]


# Colour.


def coloured(text: str, language: str) -> str:
    """Text with colours for a terminal, where stdout is one."""
    if not language or not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    try:
        from pygments import highlight
        from pygments.formatters import TerminalFormatter
        from pygments.lexers import get_lexer_by_name
    except ImportError:
        return text
    return str(highlight(text, get_lexer_by_name(language, stripnl=False), TerminalFormatter())).rstrip("\n")
