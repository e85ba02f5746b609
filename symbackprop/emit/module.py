"""Whole modules: header, imports, helpers, functions."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache

from symbackprop.emit.audit import audit
from symbackprop.emit.escape import comment, exact
from symbackprop.emit.numba import Numba
from symbackprop.emit.numpy import Numpy
from symbackprop.emit.python import Python
from symbackprop.emit.spell import Dialect, helper_source, wrapped
from symbackprop.errors import OptionError
from symbackprop.ir.signature import SAMPLES, Argument, Signature
from symbackprop.lower import Program
from symbackprop.lower.doors import INPUTS
from symbackprop.lower.program import Cast, Function, Measure
from symbackprop.ops import REGISTRY
from symbackprop.ops.extents import shape_text
from symbackprop.ops.nonsmooth import CHECKS
from symbackprop.version import __version__

_NOUNS = {
    "function": "nothing else",
    "grad": "the gradient",
    "jvp": "the tangent",
    "vjp": "the cotangent",
    "jacobian": "the Jacobian",
    "hessian": "the Hessian",
    "hvp": "the Hessian-vector product",
}
MARK = "Written by symbackprop"
"""What stands in the header of every emitted module."""
_LONGEST_NAME = 72
DIALECTS: dict[str, type[Dialect]] = {"python": Python, "numpy": Numpy, "numba": Numba}


@dataclass(frozen=True, slots=True)
class Header:
    """What the docstring of a module says besides the signature."""

    title: str
    formulas: tuple[str, ...]
    kinks: str
    dtype: str
    counts: str
    reduce: str = ""
    regenerate: str = ""


def emit(program: Program, signature: Signature, header: Header, target: str) -> str:
    """The text of a standalone module that defines `value`, `grad` and `value_and_grad`."""
    if target not in DIALECTS:
        raise OptionError(f"there is no target {target!r}; choose one of {', '.join(map(repr, DIALECTS))}")
    dialect = DIALECTS[target](header.dtype)
    dialect.integers = _integers(program)
    blocks = [_function(dialect, function, signature.mode) for function in program.functions]
    parameters = program.functions[-1].parameters
    if signature.mode != "function":
        blocks.append(_derivative(dialect, program.functions[-1], signature.mode))
    return joined(dialect, _docstring(signature, header, target, parameters), blocks)


def joined(dialect: Dialect, docstring: str, blocks: list[str]) -> str:
    """A module of these functions, with what they need before them."""
    helpers, bindings = _helpers(dialect)
    imports = "\n".join(dialect.imports("\n".join([*helpers, *bindings, *blocks])))
    head = docstring + (f"\n\n{imports}" if imports else "")
    text = "\n\n\n".join([head, *helpers])
    if bindings:
        text += "\n\n\n" + "\n".join(bindings)
    return text + "".join(f"\n\n\n{block}" for block in blocks) + "\n"


def stated(source: str, statement: str) -> str:
    """The text of a module whose header says one thing more, before the line that says who wrote it."""
    # Lines that a user has a say in are indented, or begin with words of ours.
    mark = f"\n{MARK} "
    return source.replace(mark, "\n".join(["", *filled(statement)]) + mark, 1)


def _integers(program: Program) -> set[str]:
    statements = [statement for function in program.functions for statement in function.body]
    casts = {s.name for s in statements if isinstance(s, Cast) and s.dtype == "int" and not s.rank}
    return casts | {s.name for s in statements if isinstance(s, Measure)}


def checked(source: str) -> ast.Module:
    """An emitted module, parsed and held against the allow-list; see `emit.audit`."""
    return audit(source, _helper_texts())


@cache
def _helper_texts() -> frozenset[str]:
    spellings = [s for op in (*REGISTRY, *CHECKS) for s in (op.python, op.numpy, op.numba) if s is not None]
    return frozenset(helper_source(function) for s in spellings if s.helper for function in (s.helper, *s.uses))


def _function(dialect: Dialect, function: Function, mode: str) -> str:
    docs = {
        "value": "The value alone.",
        INPUTS: "The arguments, cast and checked, and the lengths of their axes.",
        f"value_and_{mode}": f"The value and {_NOUNS[mode]}, sharing their work.",
    }
    return "\n".join(dialect.function(function, docs.get(function.name, "")))


def _derivative(dialect: Dialect, function: Function, mode: str) -> str:
    decorator = dialect.decorator(Function(mode, [], []))
    lines = [decorator] if decorator and dialect.target == "numba" else []
    lines += wrapped(f"def {mode}(", function.parameters, "):", "")
    lines.append(f'    """{_NOUNS[mode][0].upper()}{_NOUNS[mode][1:]} alone."""')
    lines += wrapped(f"    return {function.name}(", function.parameters, ")[1]", "    ")
    return "\n".join(lines)


def _helpers(dialect: Dialect) -> tuple[list[str], list[str]]:
    """The texts of the helpers in use, each once and sorted, and the names bound to what they make."""
    texts: dict[str, str] = {}
    bindings: set[str] = set()
    for spelling in dialect.spellings:
        if spelling.helper is None:
            continue
        decorator = "" if spelling.binding else dialect.decorator(Function("", [], [], part=True))
        for function in (spelling.helper, *spelling.uses):
            texts[function.__name__] = f"{decorator}\n{helper_source(function)}".lstrip("\n")
        if spelling.binding:
            bindings.add(f"{spelling.callee} = {spelling.binding}")
    return [texts[name] for name in sorted(texts)], sorted(bindings)


def _docstring(signature: Signature, header: Header, target: str, parameters: list[str]) -> str:
    lines = [f'"""{clipped(header.title)}', ""]
    for formula in header.formulas:
        first, *more = filled(comment(formula))
        lines += [f"    {first}", *[f"    {line}" for line in more]]
    lines += ["", "Arguments:"]
    width = max([len(name) for name in parameters], default=0)
    for argument, name in zip(signature.arguments, parameters, strict=True):
        lines.append(f"    {name:<{width}}  {described(argument, name)}")
    if not parameters:
        lines.append("    none")
    lines.append("")
    if signature.mode != "function":
        leaves = ", ".join(clipped(leaf.what) for leaf in signature.leaves) or "nothing"
        order = ", in this order" if len(signature.leaves) > 1 else ""
        noun = _NOUNS[signature.mode].removeprefix("the ")
        lines += filled(f"{noun[0].upper()}{noun[1:]}: {leaves}{order}.")
    if header.reduce:
        lines.append(header.reduce)
    lines += filled(f"Operations: {header.counts}")
    lines.append(f"Target {target}, {header.dtype}. Kinks: {header.kinks}.")
    lines.append(f"{MARK} {__version__}; edits are lost when it is written again.")
    if header.regenerate:
        lines.append(f"From: {exact(header.regenerate)}")
    return "\n".join([*lines, '"""'])


def described(argument: Argument, name: str) -> str:
    kind = "integer" if argument.dtype == "int" else "real"
    what = f"{len(argument.members)} real numbers in an array" if argument.packed else f"{kind} number"
    if argument.dimension:
        what = "integer, a length"
    elif argument.shape:
        what = f"array of {kind} numbers, shape {shape_text(argument.full_shape)}"
        what += ", the first axis counts samples" if argument.batched else ""
    elif argument.batched:
        what = f"{kind} numbers, one a sample, shape ({SAMPLES},)"
    if argument.packed:
        shown = ", ".join(argument.names[:8]) + (", ..." if len(argument.names) > 8 else "")
        return f"{what}: {clipped(shown)}"
    return what if argument.names[0] == name else f"{what}; the symbol '{clipped(argument.names[0])}'"


def clipped(text: str) -> str:
    """A user's text as a header shows it: escaped, and of bounded length."""
    return comment(text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 3] + "...")


def filled(text: str) -> list[str]:
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + len(word) + 1 > 96:
            lines.append(line)
            line = "    " + word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]
