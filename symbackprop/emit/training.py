"""Modules that hold a whole training loop: one function, `train`, and the parts that it calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from symbackprop.emit.escape import comment, exact
from symbackprop.emit.module import DIALECTS, MARK, Header, clipped, described, filled, joined
from symbackprop.errors import OptionError
from symbackprop.ir.signature import Signature
from symbackprop.lower import Program
from symbackprop.lower.program import Apply, Assign, Cast, For, Invoke, Measure, Ref, Statement
from symbackprop.lower.training import NUMBERS, Loop
from symbackprop.version import __version__

_WHOLE = "The training loop: epochs, minibatches, and in each of these a gradient and an update."
_EPOCHS, _SAMPLES = 20, 32
"""Of the example."""
_WIDEST = 24
"""Letters of the arguments that it lists."""
_INTEGERS = "epochs to run, samples in a minibatch, steps and epochs that have been done before"


def emit_training(program: Program, signature: Signature, header: Header, target: str, loop: Loop) -> str:
    """The text of a standalone module that defines `train`, with an example of a call."""
    if target not in DIALECTS or target == "python":
        raise OptionError(f"a training loop has no target {target!r}; choose 'numpy' or 'numba'")
    dialect = DIALECTS[target](header.dtype)
    dialect.integers = set(_integers(statement for function in program.functions for statement in function.body))
    blocks = ["\n".join(dialect.function(f, "" if f.part else _WHOLE)) for f in program.functions]
    return joined(dialect, _docstring(signature, header, target, loop, program), blocks)


def _integers(statements: Iterable[Statement]) -> Iterator[str]:
    """The names of integers, in loops as well."""
    for statement in statements:
        match statement:
            case Cast(name, 0, "int") | Measure(name):
                yield name
            case For(counter, _, body):
                yield counter
                yield from _integers(body)
            case Assign(Ref(name), Apply(op, _)) if op.result == "int":
                yield name
            case Assign(Ref(name), Invoke("min", _)):
                yield name


def _docstring(signature: Signature, header: Header, target: str, loop: Loop, program: Program) -> str:
    lines = [f'"""{clipped(header.title)}', ""]
    for formula in header.formulas:
        first, *more = filled(comment(formula))
        lines += [f"    {first}", *[f"    {line}" for line in more]]
    parameters = program.functions[-1].parameters
    arguments = signature.arguments[: -len(NUMBERS)]
    lines += ["", "Arguments, of each of which the loop starts from a copy:"]
    width = max(len(name) for name in parameters)
    for position, (argument, name) in enumerate(zip(arguments, parameters, strict=False)):
        if position == loop.carried:
            lines += ["Arguments that stay as they are:"]
        at_first = ", zeros at first" if loop.carried - loop.zeros <= position < loop.carried else ""
        lines.append(f"    {name:<{width}}  {described(argument, argument.name)}{at_first}")
    for name in parameters[len(arguments) : -6]:
        lines.append(f"    {name:<{width}}  array of integers, shape (epochs, samples): the order of each epoch")
    rate, every, *integers = parameters[-6:]
    lines += filled(
        f"Numbers: {rate}, the learning rate; {every}, how many epochs there are in all, for schedules;"
        f" {', '.join(integers)}: {_INTEGERS}."
    )
    data = [name for argument, name in zip(arguments, parameters, strict=False) if argument.name in loop.rows]
    lines += _example(parameters, data, loop)
    lines += filled(
        "Returns losses, largest gradient norms and learning rates, one an epoch, and an array of one: how many steps"
        " had a finite loss, after which it stops; then the first arguments as they have become."
    )
    lines.append(f"Target {target}, {header.dtype}. Kinks: {header.kinks}.")
    lines.append(f"{MARK} {__version__}; edits are lost when it is written again.")
    if header.regenerate:
        lines.append(f"From: {exact(header.regenerate)}")
    return "\n".join([*lines, '"""'])


def _example(parameters: list[str], data: list[str], loop: Loop) -> list[str]:
    """A call for some epochs from the start, over arguments of the same names."""
    arrays, lines, told = parameters[:-6], [], f"For example, {_EPOCHS} epochs from the start:"
    if data:
        told = f"For example, {_EPOCHS} epochs from the start, {_SAMPLES} samples a step:"
    if data and loop.shuffled:
        lines.append(f"    {arrays[-1]} = np.array([np.random.permutation(len({data[0]})) for _ in range({_EPOCHS})])")
    shown = arrays if len(", ".join(arrays)) < _WIDEST else [arrays[0], "...", arrays[-1]]
    numbers = [repr(loop.rate), repr(float(_EPOCHS)), str(_EPOCHS), str(_SAMPLES if data else 1), "0", "0"]
    call = f"    (losses, norms, rates, steps), carried = train({', '.join([*shown, *numbers])})"
    return [told, *lines, call]
