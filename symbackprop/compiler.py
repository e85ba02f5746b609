"""The one place that knows the order of the stages: model -> graph -> derivative -> passes -> program -> text."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from symbackprop.ad import modes
from symbackprop.emit import Header, emit
from symbackprop.errors import OptionError
from symbackprop.frontend import Model, Variable, read_model, split_cse
from symbackprop.ir import Graph, GraphBuilder, infix
from symbackprop.ir.node import REAL, Type
from symbackprop.ir.signature import SAMPLES, Argument, Leaf, Signature, Structure
from symbackprop.lower import lower
from symbackprop.lower.program import Assign, For, Program
from symbackprop.ops import REGISTRY
from symbackprop.options import Options
from symbackprop.passes import dead, expand, guard, simplify, stabilise, strength

_SHOWN = 10
"""So many steps and values of a model stand in the header of its module."""

Observer = Callable[[str, Graph], Any]
"""Called with the name of each step and the graph after it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a user wants compiled: the model as given, the derivative, and how."""

    expr: Any
    wrt: Any = None
    args: Any = None
    batch: Any = None
    mode: str = "grad"
    options: Options = field(default_factory=Options)
    name: str | None = None
    regenerate: str = ""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A module and what is known about it."""

    source: str
    signature: Signature
    graph: Graph
    stats: dict[str, Any]


@contextmanager
def _collection_paused() -> Iterator[None]:
    """No garbage collection while graphs grow: they hold no cycles, and collecting cost 30 % on 20,000 nodes."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_collection_paused()
def compile_request(request: Request, observe: Observer | None = None) -> Compiled:
    """Everything from the user's expression to the text of a module."""
    observe = observe or (lambda step, graph: None)
    options = request.options
    let, body = split_cse(request.expr)
    model = read_model(body, request.wrt, request.args, request.batch, let)
    _check(model, request)
    observe("frontend", model.graph)
    graph = simplify(model.graph)
    observe("simplify", graph)
    formulas = _formulas(graph)
    graph = stabilise(graph)
    observe("stabilise", graph)
    signature = _signature(model, request.mode)
    graph = differentiate(graph, model, signature, options)
    observe(request.mode, graph)
    graph = optimise(graph, options.target, signature.value_count, observe)
    program = lower(graph, signature, options.target)
    stats = statistics(graph, program, signature, options, model.batched)
    header = Header(
        title=_title(request),
        formulas=formulas,
        kinks=options.kinks,
        dtype=options.dtype,
        counts=_counts_text(stats, model.batched),
        reduce=_reduce_text(options, model.batched),
        regenerate=request.regenerate,
    )
    return Compiled(emit(program, signature, header, options.target), signature, graph, stats)


def _check(model: Model, request: Request) -> None:
    scalar = model.values.kind == "leaf"
    if request.mode in ("grad", "hvp", "hessian") and not scalar:
        raise OptionError(
            f"compile_{request.mode} takes one real expression, not a list; for several see compile_jacobian"
        )
    if request.options.reduce is not None and not model.batched:
        raise OptionError(f"reduce={request.options.reduce!r} needs batch=[...], the inputs that carry samples")
    if model.batched and (request.mode not in ("grad", "function") or not scalar):
        raise OptionError("batch= is for compile_grad and compile_function of one expression")


# What goes in and comes out.


def _signature(model: Model, mode: str) -> Signature:
    structure, leaves = model.structure, tuple(_leaf(variable, "bar") for variable in model.wrt)
    directions: tuple[Argument, ...] = ()
    count = sum(len(variable.members) for variable in model.wrt)
    flat = (count,) if structure.kind != "leaf" or any(variable.packed for variable in model.wrt) else ()
    free = _Free(model.arguments)
    if mode == "function":
        structure, leaves = Structure("leaf"), ()
    elif mode == "jvp":
        directions = tuple(
            free.argument(f"{v.name}_dot", [f"{name}_dot" for name in v.names], v.packed) for v in model.wrt
        )
        structure = model.values
        along = "along " + ", ".join(variable.name for variable in model.wrt)
        leaves = tuple(Leaf(name, along) for name in _numbered("result_dot", _count(model)))
    elif mode == "vjp":
        directions = tuple(free.argument(name, [name], False) for name in _numbered("result_bar", _count(model)))
    elif mode == "jacobian":
        rows = () if model.values.kind == "leaf" else (_count(model),)
        structure, leaves = Structure("leaf"), (Leaf("jacobian", _names(model), rows + flat),)
    elif mode == "hessian":
        structure, leaves = Structure("leaf"), (Leaf("hessian", _names(model), flat + flat),)
    elif mode == "hvp":
        parts = [f"{name}_dot" for name in _members(model)] if flat else ["v"]
        directions = (free.argument("v", parts, bool(flat)),)
        leaves = tuple(_leaf(variable, "bar_dot") for variable in model.wrt)
    return Signature(mode, (*model.arguments, *directions), leaves, structure, model.values, len(directions))


class _Free:
    """Names and identifiers for directions that no symbol of the user's has, whatever it is called."""

    def __init__(self, arguments: tuple[Argument, ...]) -> None:
        self._taken = {argument.name for argument in arguments} | {m for a in arguments for m in a.members}

    def argument(self, name: str, parts: list[str], packed: bool) -> Argument:
        members = tuple(self._allocate(part) for part in parts)
        return Argument(self._allocate(name) if packed else members[0], members, tuple(parts), packed)

    def _allocate(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name


def _numbered(name: str, count: int) -> list[str]:
    """The name itself for one of a kind, else with a number after its first word: result_1_dot, result_2_dot."""
    head, _, tail = name.partition("_")
    return [name] if count == 1 else [f"{head}_{number}_{tail}" for number in range(1, count + 1)]


def _leaf(variable: Variable, suffix: str) -> Leaf:
    shown = ", ".join(variable.names[:8]) + (", ..." if len(variable.names) > 8 else "")
    what = f"({shown})" if variable.packed else variable.name
    shape = (len(variable.members),) if variable.packed else ()
    return Leaf(f"{variable.name}_{suffix}", what, shape, variable.members)


def _count(model: Model) -> int:
    return len(model.values.items) if model.values.kind != "leaf" else 1


def _members(model: Model) -> list[str]:
    return [member for variable in model.wrt for member in variable.members]


def _names(model: Model) -> str:
    return ", ".join(name for variable in model.wrt for name in variable.names)


# Derivatives.


def differentiate(graph: Graph, model: Model, signature: Signature, options: Options) -> Graph:
    """The graph of values and derivative, its outputs in the order of the signature."""
    members, kinks = _members(model), options.kinks
    directions = [member for argument in signature.arguments[-signature.directions :] for member in argument.members]
    if signature.mode == "function":
        batched = _batched(graph, model, options)
        return GraphBuilder(batched).graph(batched.outputs[: len(graph.outputs)])
    if signature.mode == "hvp":
        return modes.hessian_product(graph, members, directions, kinks, partial(guard, values=1))
    if signature.mode == "hessian":
        return modes.hessian(graph, members, kinks, partial(guard, values=1))
    graph, nodes = _with_inputs(graph, members, model)
    if signature.mode == "grad":
        graph = _batched(graph, model, options)
        return _reduced(
            modes.gradient(graph, nodes, kinks, options.reduce is None and model.batched),
            options,
            model.batched,
        )
    if signature.mode == "jacobian":
        return modes.jacobian(graph, nodes, kinks)
    graph, seeds = _with_inputs(graph, directions, model)
    sweep = modes.pushforward if signature.mode == "jvp" else modes.pullback
    return sweep(graph, nodes, seeds, kinks)


def _with_inputs(graph: Graph, identifiers: list[str], model: Model) -> tuple[Graph, list[int]]:
    """The graph with these inputs, also those that its values do not depend on, and their nodes."""
    builder = GraphBuilder(graph)
    in_batch = {member for argument in model.arguments if argument.batched for member in argument.members}
    known = graph.inputs()
    nodes = []
    for identifier in identifiers:
        type_ = Type("real", (SAMPLES,)) if identifier in in_batch else REAL
        nodes.append(known.get(identifier, -1) if identifier in known else builder.input(identifier, type_))
    return builder.graph(graph.outputs), nodes


def _batched(graph: Graph, model: Model, options: Options) -> Graph:
    """With a batch: what is returned as the value, and last the value of each sample, which is differentiated."""
    if not model.batched:
        return graph
    builder = GraphBuilder(graph)
    each = builder.broadcast(graph.outputs[0], (SAMPLES,))
    if options.reduce is None:
        return builder.graph([each])
    total = builder.reduce_sum(each)
    if options.reduce == "mean":
        total = builder.add(REGISTRY["div"], (total, builder.length(SAMPLES)))
    return builder.graph([total, each])


def _reduced(graph: Graph, options: Options, batched: bool) -> Graph:
    """The gradient of the sum over samples, of the mean, or one a sample."""
    if not batched:
        return graph
    builder = GraphBuilder(graph)
    if options.reduce is None:
        return builder.graph([builder.broadcast(output, (SAMPLES,)) for output in graph.outputs])
    total, _, *gradient = graph.outputs
    if options.reduce == "mean":
        length = builder.length(SAMPLES)
        gradient = [builder.add(REGISTRY["div"], (entry, length)) for entry in gradient]
    return builder.graph([total, *gradient])


def optimise(graph: Graph, target: str, values: int, observe: Observer | None = None) -> Graph:
    """The passes after differentiation, in order."""
    steps: list[tuple[str, Callable[[Graph], Graph]]] = [
        ("guard", partial(guard, values=values)),
        ("expand", partial(expand, target=target)),
        ("strength", strength),
        ("dead", dead),
    ]
    for step, run in steps:
        graph = run(graph)
        if observe:
            observe(step, graph)
    return graph


# What is said about it.


def statistics(graph: Graph, program: Program, signature: Signature, options: Options, batched: bool) -> dict[str, Any]:
    """Operation counts of the value and of value and derivative, weighed by the rows' costs, and sizes.

    Of a batch, what is done for each sample is counted.
    """
    in_value = graph.reaching(graph.outputs[: signature.value_count])
    pairs = [
        (node, needed)
        for node, needed in zip(graph.nodes, in_value, strict=True)
        if not batched or node.type.shape or not node.op.elementwise
    ]
    value = sum(node.op.cost for node, needed in pairs if needed)
    both = sum(node.op.cost for node, _ in pairs)
    temporaries = sum(
        sum(isinstance(inner, Assign) for inner in (statement.body if isinstance(statement, For) else (statement,)))
        for function in program.functions
        if signature.value_and in function.name or signature.mode == "function"
        for statement in function.body
    )
    return {
        "value": value,
        "value_and_grad": both,
        "ratio": both / value if value else 0.0,
        "operations": {
            "value": sum(bool(node.operands) and needed for node, needed in pairs),
            "value_and_grad": sum(bool(node.operands) for node, _ in pairs),
        },
        "nodes": len(graph.nodes),
        "temporaries": temporaries,
        "bytes": temporaries * (8 if options.dtype == "float64" else 4),
    }


def _formulas(graph: Graph) -> tuple[str, ...]:
    """The model as a header shows it: the user's let-bound steps, then the values; long ones by their size."""
    names = graph.labels
    steps = [(names[index], index) for index in sorted(names)]
    values = [("value" if len(graph.outputs) == 1 else f"value {k}", o) for k, o in enumerate(graph.outputs, 1)]
    lines = []
    for shown, kind in ((steps, "steps"), (values, "values")):
        for name, index in shown[:_SHOWN]:
            inner = {other: label for other, label in names.items() if other != index} if kind == "steps" else names
            text = infix(graph, index, inner, width=80)
            if len(text) > 88 or text.count("...") > 2:
                text = f"an expression of {sum(bool(node.operands) for node in graph.nodes)} operations in all"
            lines.append(f"{name} = {text}")
        if len(shown) > _SHOWN:
            lines.append(f"... and {len(shown) - _SHOWN} more {kind}")
    return tuple(lines)


def _title(request: Request) -> str:
    what = {
        "function": "value",
        "grad": "value and gradient, by reverse accumulation",
        "jvp": "values and their tangents, by forward accumulation",
        "vjp": "values and a vector-Jacobian product, by reverse accumulation",
        "jacobian": "values and Jacobian",
        "hessian": "value and Hessian, by forward over reverse accumulation",
        "hvp": "value and Hessian-vector product, by forward over reverse accumulation",
    }[request.mode]
    return f"{request.name}: {what}." if request.name else f"{what[0].upper()}{what[1:]}."


def _counts_text(stats: dict[str, Any], batched: bool) -> str:
    ratio = f", {stats['ratio']:.2f} times as many" if stats["value"] else ""
    unit = " a sample" if batched else ""
    return f"value {stats['value']}, with the derivative {stats['value_and_grad']}{ratio}{unit} (in additions)."


def _reduce_text(options: Options, batched: bool) -> str:
    if not batched:
        return ""
    if options.reduce is None:
        return "The results have one entry a sample."
    return f"The results are the {options.reduce} over all samples."
