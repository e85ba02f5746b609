"""The command line: emit a gradient module, look at it, check it, measure it; fit a model.

Exit status: 0 done, 1 a check failed, 2 the command cannot be carried out. Errors are one line on stderr. With `--json`
a command prints one JSON object on stdout.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from symbackprop.api import emit_module
from symbackprop.check import VERIFICATIONS, GradientReport, check_grad
from symbackprop.cli_bench import add_bench_options, bench_command
from symbackprop.cli_fit import add_fit_options, emitted_training, fit_command, is_training, relative
from symbackprop.cli_show import add_show_options, show_command
from symbackprop.compiler import Request
from symbackprop.emit import MARK
from symbackprop.emit.escape import original
from symbackprop.emit.files import write_atomically
from symbackprop.errors import EmitError, ModelError, SymbackpropError, SymbackpropWarning
from symbackprop.frontend.model_file import ModelFile, load_model
from symbackprop.options import DTYPES, KINKS, REDUCTIONS, TARGETS, Options
from symbackprop.version import __version__

_EXAMPLES = """\
examples:
  symbackprop emit examples/linear_regression.py:loss --wrt w -o gradient.py
  symbackprop show examples/linear_regression.py:loss --wrt w --what stages
  symbackprop check gradient.py
  symbackprop check examples/linear_regression.py:loss --accuracy

A model is a Python file that you name; it is run, and strings are never evaluated.
"""
_FROM = "From: "


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    try:
        arguments = _parser().parse_args(argv)
        arguments.words = list(sys.argv[1:] if argv is None else argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", SymbackpropWarning)
            status: int = arguments.run(arguments)
        for warning in caught:
            print(f"symbackprop: warning: {warning.message}", file=sys.stderr)
        return status
    except SymbackpropError as error:
        print(f"symbackprop: {_one_line(error)}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing is left to flush to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _one_line(error: SymbackpropError) -> str:
    return " ".join(line.strip() for line in str(error).splitlines() if line.strip())


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"symbackprop: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="symbackprop",
        description="Compile SymPy models to readable, standalone gradient modules, and train them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"symbackprop {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    emit = _verb(verbs, "emit", "emit a gradient module", "emit MODEL.py:loss --wrt w,b -o gradient.py", _emit)
    emit.add_argument(
        "model", metavar="MODEL.py[:NAME]", help="an expression; or the training loop that a file defines"
    )
    _add_options(emit)
    emit.add_argument(
        "--verify",
        choices=VERIFICATIONS,
        default="quick",
        help="execute the module at a few points, and refuse it where it is wrong; default: quick",
    )
    emit.add_argument("-o", "--output", metavar="FILE", help="write to FILE instead of stdout")
    emit.add_argument("--force", action="store_true", help="replace FILE even if symbackprop did not write it")
    show = _verb(
        verbs,
        "show",
        "look at a model on its way through the compiler",
        "show MODEL.py:loss --what graph",
        _show,
    )
    add_show_options(show)
    _add_options(show)
    check = _verb(
        verbs,
        "check",
        "is FILE what its model emits today, and are its gradients right",
        "check generated/loss.py MODEL.py:loss",
        _check,
    )
    check.add_argument("what", metavar="FILE|MODEL.py:NAME", nargs="+")
    check.add_argument("--wrt", metavar="NAMES", help="for MODEL.py:NAME: what to differentiate in")
    check.add_argument(
        "--accuracy", action="store_true", help="hold value and gradient to 4 ulp, or to what their condition explains"
    )
    check.add_argument("--samples", type=int, help="points to draw; default: the model's AT, or 3 where it has none")
    check.add_argument("--seed", type=int, default=0, help="seed of the draw")
    fit = _verb(verbs, "fit", "run the training that a file defines", "fit examples/train_two_moons.py", fit_command)
    add_fit_options(fit)
    bench = _verb(
        verbs,
        "bench",
        "value, gradient, their ratio and the time to the first answer, beside other systems that are installed",
        "bench MODEL.py:loss --wrt w,b",
        _bench,
    )
    add_bench_options(bench)
    _add_options(bench, target=False)
    return parser


def _verb(verbs: Any, name: str, help_: str, example: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=help_,
        description=f"{help_[0].upper()}{help_[1:]}.",
        epilog=f"example: symbackprop {example}",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)
    return parser


def _add_options(parser: argparse.ArgumentParser, target: bool = True) -> None:
    parser.add_argument(
        "--wrt", metavar="NAMES", help="what to differentiate in: w,b or (q1,q2),x; default: all symbols"
    )
    parser.add_argument("--args", metavar="NAMES", help="call order; default: all symbols in natural order")
    parser.add_argument("--batch", metavar="NAMES", help="inputs that carry one value a sample")
    parser.add_argument("--reduce", choices=[r for r in REDUCTIONS if r], help="sum or mean over the samples")
    if target:
        parser.add_argument("--target", choices=TARGETS, default="numpy")
    parser.add_argument("--dtype", choices=DTYPES, default="float64")
    parser.add_argument("--kinks", choices=KINKS, default="zero")


def _symbols(model: ModelFile, text: str | None, what: str, alone: bool = False) -> Any:
    """Names on the command line to symbols; a single name under `--wrt` is that symbol and not a list of it."""
    found = model.symbols(text, what)
    return found[0] if alone and found is not None and len(found) == 1 and not isinstance(found[0], tuple) else found


def _keywords(model: ModelFile, arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "args": _symbols(model, arguments.args, "--args"),
        "batch": _symbols(model, arguments.batch, "--batch"),
        "reduce": arguments.reduce,
        "dtype": arguments.dtype,
        "kinks": arguments.kinks,
        "name": model.name,
    }


# emit


def _emit(arguments: argparse.Namespace) -> int:
    if arguments.output == "-":
        arguments.output = None
    if arguments.output:
        _check_overwriting(arguments)
    text = _emitted(arguments)
    if arguments.output:
        write_atomically(arguments.output, text)
    if arguments.json:
        print(json.dumps({"written": arguments.output, "source": None if arguments.output else text}))
    elif not arguments.output:
        sys.stdout.write(text)
    return 0


def _check_overwriting(arguments: argparse.Namespace) -> None:
    """Only what this command wrote is replaced without being asked."""
    path = Path(arguments.output)
    if arguments.force or not path.is_file():
        return
    if MARK not in path.read_bytes().decode("utf-8", "replace"):
        raise EmitError(f"{path} exists and was not written by symbackprop; name another file, or add --force")


def _emitted(arguments: argparse.Namespace) -> str:
    if is_training(arguments.model):
        return emitted_training(arguments)
    model = load_model(arguments.model)
    wrt = _symbols(model, arguments.wrt, "--wrt", alone=True)
    regenerate = _command(arguments, model)
    return emit_module(
        model.expr,
        wrt,
        target=arguments.target,
        regenerate=regenerate,
        verify=arguments.verify,
        **_keywords(model, arguments),
    )


def _command(arguments: argparse.Namespace, model: ModelFile) -> str:
    """The command that writes the module again, the model's path being relative to the module's folder."""
    words = ["symbackprop", "emit", f"{relative(arguments, model.path)}:{model.name}"]
    for option in ("wrt", "args", "batch", "reduce"):
        if getattr(arguments, option) is not None:
            words += [f"--{option}", getattr(arguments, option)]
    words += ["--target", arguments.target]
    for option, default in (("dtype", "float64"), ("kinks", "zero"), ("verify", "quick")):
        if getattr(arguments, option, default) != default:
            words += [f"--{option}", getattr(arguments, option)]
    return shlex.join(words)


# show and bench


def _show(arguments: argparse.Namespace) -> int:
    model = load_model(arguments.model)
    arguments.output = None
    request = replace(_request(model, arguments, arguments.target), regenerate=_command(arguments, model))
    return show_command(arguments, request, model.at())


def _bench(arguments: argparse.Namespace) -> int:
    model = load_model(arguments.model)
    request = _request(model, arguments, "numba")
    return bench_command(arguments, request, model.at(), f"{model.path.name}:{model.name}")


def _request(model: ModelFile, arguments: argparse.Namespace, target: str) -> Request:
    return Request(
        model.expr,
        _symbols(model, arguments.wrt, "--wrt", alone=True),
        _symbols(model, arguments.args, "--args"),
        _symbols(model, arguments.batch, "--batch"),
        options=Options(target, arguments.dtype, arguments.kinks, arguments.reduce),
        name=model.name,
    )


# check


def _check(arguments: argparse.Namespace) -> int:
    results = [_checked_or_failed(what, arguments) for what in arguments.what]
    if arguments.json:
        print(json.dumps({"passed": all(result["passed"] for result in results), "results": results}))
    else:
        for result in (result for result in results if not result.get("error")):
            print(f"{'ok' if result['passed'] else 'FAILED'}  {result['what']}: {result['said']}")
            print("".join(f"{line}\n" for line in result.get("lines", [])), end="")
    if any(result.get("error") for result in results):
        return 2
    return 0 if all(result["passed"] for result in results) else 1


def _checked_or_failed(what: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """One item; an error is said, and the other items are still checked."""
    try:
        return _checked(what, arguments)
    except SymbackpropError as error:
        print(f"symbackprop: {_one_line(error)}", file=sys.stderr)
        return {"what": what, "passed": False, "error": _one_line(error), "said": "could not be checked"}


def _checked(what: str, arguments: argparse.Namespace) -> dict[str, Any]:
    if ":" in Path(what).name:
        model = load_model(what)
        return _gradient_result(what, model, _symbols(model, arguments.wrt, "--wrt", alone=True), "zero", arguments)
    path = Path(what)
    emitting = _header_command(path)
    emitting.model = os.path.normpath(path.parent / emitting.model)
    emitting.output = str(path)
    if _emitted(emitting) != path.read_text(encoding="utf-8"):
        said = f"is not what its model emits today; write it again with: symbackprop {_rewrite(emitting)}"
        return {"what": what, "passed": False, "fresh": False, "said": said}
    if is_training(emitting.model):
        return {"what": what, "passed": True, "fresh": True, "said": "is what its training emits today"}
    model = load_model(emitting.model)
    result = _gradient_result(
        what, model, _symbols(model, emitting.wrt, "--wrt", alone=True), emitting.kinks, arguments
    )
    return {**result, "fresh": True, "said": f"is what its model emits today; {result['said']}"}


def _rewrite(emitting: argparse.Namespace) -> str:
    if is_training(emitting.model):
        return shlex.join(["emit", emitting.model, "--target", emitting.target, "-o", emitting.output])
    words = shlex.split(_command(emitting, load_model(emitting.model)))[1:]
    return shlex.join(["emit", emitting.model, *words[2:], "-o", emitting.output])


def _header_command(path: Path) -> argparse.Namespace:
    """The emit command in a module's header, parsed; the module itself is not run."""
    try:
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    except FileNotFoundError:
        raise ModelError(f"there is no file {path}") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as a module: {_first(error)}") from error
    lines = [line.removeprefix(_FROM) for line in docstring.splitlines() if line.startswith(_FROM)]
    if not lines:
        raise ModelError(
            f"the header of {path} does not say which model it came from; check MODEL.py:NAME, or emit it with"
            " symbackprop emit"
        )
    words = shlex.split(original(lines[-1]))
    if words[:2] != ["symbackprop", "emit"]:
        raise ModelError(f"the header of {path} names no emit command: {lines[-1]!r}")
    try:
        return _parser().parse_args(words[1:])
    except SystemExit:
        raise ModelError(f"the header of {path} names a command that cannot be read: {lines[-1]!r}") from None


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _gradient_result(
    what: str, model: ModelFile, wrt: Any, kinks: str, arguments: argparse.Namespace
) -> dict[str, Any]:
    report: GradientReport = check_grad(
        model.expr,
        wrt,
        model.at() if arguments.samples is None else None,
        samples=3 if arguments.samples is None else arguments.samples,
        seed=arguments.seed,
        kinks=kinks,
        accuracy=arguments.accuracy,
    )
    worst = report.worst
    count = len(report.components)
    said = (
        f"{count} derivative{'s' * (count != 1)} checked, worst {worst.label} with relative error {worst.error:.1e}"
        f" ({worst.ours!r}, exact {worst.exact!r})"
    )
    result = {
        "what": what,
        "passed": report.passed,
        "worst": worst.as_dict(),
        "said": said if report.passed else f"{'wrong' if worst.verdict == 'WRONG' else 'inexact'} gradient: {said}",
    }
    if arguments.accuracy:
        result["outputs"] = [report.worst_of(output).as_dict() for output in report.outputs]
        result["lines"] = report.as_lines()
    return result
