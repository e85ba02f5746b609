"""The one place that knows the order of the stages: model -> graph -> derivative -> passes -> program -> text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from symbackprop.ad import modes
from symbackprop.ad.batching import lift
from symbackprop.ad.narrow import narrow
from symbackprop.agreement import agree, has_arrays, is_flat, members_of, variable_size
from symbackprop.collection import collection_paused
from symbackprop.emit import Header, emit
from symbackprop.errors import OptionError, ShapeMismatch
from symbackprop.frontend import Model, read_model, split_cse
from symbackprop.ir import Functions, Graph, GraphBuilder, infix, map_bodies
from symbackprop.ir.node import Type
from symbackprop.ir.signature import SAMPLES, Argument, Signature, Structure
from symbackprop.lower import Program, lower
from symbackprop.ops import REGISTRY
from symbackprop.ops.extents import Extent, plus, shape_text
from symbackprop.options import Options
from symbackprop.passes import (
    bounds,
    contract,
    dead,
    expand,
    factorise,
    guard,
    removable,
    settle,
    simplify,
    stabilise,
    strength,
)
from symbackprop.statistics import counts_text, statistics

_WIDEST = 240
"""So many characters of a formula stand in the header of its module, over several lines."""
_SHOWN = 10
"""So many steps and values of a model stand in the header of its module."""

_SPARING = (guard, stabilise, removable)
"""The passes over derivatives that leave the values as they are, in order."""

_ALL, DERIVATIVE, TARGET = slice(None), slice(-1), slice(4, None)
"""Of the passes of `optimise`: all; all but the checks of places; those that make a derivative a target's."""

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
    shapes: Any = None
    beside: Mapping[str, Any] = field(default_factory=dict)
    """Other values by name, which are computed before the expression's and are no part of what is differentiated."""
    caller: str = ""
    """Whom the user called, where that is not ``compile_`` and the mode."""

    def settled(self) -> Request:
        """The same, whatever the caller does to its lists and matrices afterwards: it may be compiled again."""
        given = {name: _copied(getattr(self, name)) for name in ("expr", "wrt", "args", "batch", "shapes")}
        return replace(self, **given)


def _copied(given: Any) -> Any:
    """Lists, tuples and dicts of what does not change, and matrices that would, once more."""
    if type(given) in (list, tuple):
        return type(given)(map(_copied, given))
    if type(given) is dict:
        return {key: _copied(value) for key, value in given.items()}
    return given.copy() if hasattr(given, "copyin_matrix") else given


@dataclass
class Compiled:
    """A graph and what is known about it. Programs and text are made of it when they are asked for."""

    signature: Signature
    graph: Graph
    stats: dict[str, Any]
    header: Header
    target: str
    _main: Program | None
    """The program of the function that computes most, as long as nobody has taken it."""

    @cached_property
    def source(self) -> str:
        """The text of the module; written when it is first asked for, since machine code is made without it."""
        return emit(lower(self.graph, self.signature, self.target), self.signature, self.header, self.target)

    def program(self, name: str) -> Program:
        """The function that computes most alone, or that of the values. It is not kept: a program takes more memory
        than its graph, and is needed once as a rule, to be written as machine code.
        """
        derivative = name != "value" or self.signature.mode == "function"
        made, self._main = (self._main, None) if derivative else (None, self._main)
        return made or lower(self.graph, self.signature, self.target, (derivative,), silent=True)


@collection_paused()
def compile_request(request: Request, observe: Observer | None = None, recording: bool = False) -> Compiled:
    """Everything from the user's expression to the text of a module; `recording` keeps where every node came from."""
    observe = observe or (lambda step, graph: None)
    options = request.options
    model, graph, formulas = understood(request, observe, recording)
    signature = agree(model, request.mode, graph)
    graph = differentiate(graph, model, signature, options)
    observe(request.mode, graph)
    graph = optimise(graph, options.target, signature.value_count, observe)
    signature = replace(signature, numbers_alone=not any(node.type.shape for node in graph.nodes))
    program = lower(graph, signature, options.target, (True,), silent=True)
    stats = statistics(graph, program, signature, options.dtype, model.batched)
    counts = counts_text(stats, model.batched)
    header = header_of(request, model, formulas, counts)
    return Compiled(signature, graph, stats, header, options.target, program)


def header_of(request: Request, model: Model, formulas: tuple[str, ...], counts: str) -> Header:
    options = request.options
    return Header(
        title=_title(request),
        formulas=formulas,
        kinks=options.kinks,
        dtype=options.dtype,
        counts=counts,
        reduce=_reduce_text(options, model.batched),
        regenerate=request.regenerate,
    )


def understood(request: Request, observe: Observer, recording: bool = False) -> tuple[Model, Graph, tuple[str, ...]]:
    """The model, its values as they are differentiated, and its formulas."""
    model = read(request, recording)
    _check(model, request)
    observe("frontend", model.graph)
    graph = _everywhere("simplify", simplify, model.graph)
    observe("simplify", graph)
    formulas = _formulas(graph, tuple(request.beside))
    for step, run in (("stabilise", stabilise), ("removable", removable), ("contract", contract)):
        graph = _everywhere(step, run, graph)
        observe(step, graph)
    return model, graph, formulas


def read(request: Request, recording: bool = False) -> Model:
    """The model as the front end reads it, before any pass."""
    let, body = split_cse(request.expr)
    exprs = [*request.beside.values(), body] if request.beside else body
    model = read_model(exprs, request.wrt, request.args, request.batch, let, request.shapes, recording)
    return replace(model, values=Structure("leaf")) if request.beside else model


def _check(model: Model, request: Request) -> None:
    scalar = model.values.kind == "leaf"
    caller, instead = request.caller or f"compile_{request.mode}", "" if request.caller else "see compile_jacobian"
    shape = model.graph.nodes[model.graph.outputs[-1]].type.shape
    if request.mode in ("grad", "hvp", "hessian") and shape and scalar:
        raise ShapeMismatch(
            f"{caller} takes one real number, not an array of shape {shape_text(shape)}: reduce it to a scalar"
            f" (a Trace, a Sum, a 1x1 product){instead and f', or {instead}'}"
        )
    if request.mode != "grad" and any(variable.place is not None for variable in model.wrt):
        raise OptionError(f"compile_{request.mode} differentiates in whole inputs; only compile_grad takes an entry")
    if request.mode in ("grad", "hvp", "hessian") and not scalar:
        raise OptionError(f"{caller} takes one real expression, not a list{instead and f'; for several {instead}'}")
    if request.options.reduce is not None and not model.batched:
        raise OptionError(f"reduce={request.options.reduce!r} needs batch=[...], the inputs that carry samples")
    if request.options.parallel and not model.batched:
        raise OptionError(
            "parallel=True lets threads share a batch: it needs batch=[...], the inputs that carry samples"
        )
    if model.batched and (request.mode not in ("grad", "function") or not scalar):
        raise OptionError(
            "batch= is for compile_grad and compile_function of one expression; elsewhere a sum over samples is a Sum"
            " over the index of an IndexedBase"
        )


# Derivatives.


def differentiate(graph: Graph, model: Model, signature: Signature, options: Options) -> Graph:
    """The graph of values and derivative, its outputs in the order of the signature."""
    members, kinks = members_of(model), options.kinks
    types = {m: Type("real", variable.shape) for variable in model.wrt for m in variable.members}
    wrt = [(member, types[member]) for member in members]
    directions = signature.arguments[-signature.directions :] if signature.directions else ()
    arrays = has_arrays(model, graph)
    if model.batched:
        return _over_samples(graph, types, model, signature.mode, options)
    if signature.mode == "function":
        return graph
    if signature.mode == "hvp":
        return modes.hessian_product(graph, wrt, partial(_along, model, directions), kinks, _tidy)
    if signature.mode == "hessian":
        if arrays:
            return modes.array_hessian(graph, wrt, kinks, _tidy, is_flat(model))
        return modes.hessian(graph, members, kinks, _tidy)
    graph, nodes = _with_inputs(graph, types, members)
    if signature.mode == "grad":
        return _at_places(modes.gradient(graph, nodes, kinks), model)
    if signature.mode == "jacobian":
        several = model.values.kind != "leaf" or is_flat(model)
        if arrays:
            return modes.array_jacobian(graph, nodes, kinks, len(graph.outputs), several)
        return modes.jacobian(graph, nodes, kinks)
    along = {m: Type("real", argument.shape) for argument in directions for m in argument.members}
    graph, seeds = _with_inputs(graph, along, list(along))
    sweep = modes.pushforward if signature.mode == "jvp" else modes.pullback
    return sweep(graph, nodes, seeds, kinks)


def _tidy(gradient: Graph) -> Graph:
    """A gradient before it is differentiated again: what cancels in it has a derivative that cancels worse."""
    for run in _SPARING:
        gradient = run(gradient, values=1)
    return gradient


def _along(model: Model, directions: tuple[Argument, ...], f: Functions) -> list[int]:
    """The directions of a Hessian-vector product, one a variable, from the inputs that give them.

    Of scalars each has an input; of arrays, several or in a list, one vector holds them all.
    """
    builder = f.builder
    inputs = [builder.input(m, Type("real", d.shape)) for d in directions for m in d.members]
    if not is_flat(model) or not any(variable.shape for variable in model.wrt):
        return inputs
    found: list[int] = []
    start: Extent = 0
    for variable in model.wrt:
        size = variable_size(variable)
        part = f.slice(f.wrap(inputs[0]), ((start, 1, size),))
        found.append(f.reshape(part, variable.shape).index)
        start = plus(start, size)
    return found


def _at_places(graph: Graph, model: Model) -> Graph:
    """The adjoints of single entries instead of those of their arrays."""
    if all(variable.place is None for variable in model.wrt):
        return graph
    builder = GraphBuilder(graph)
    f = Functions(builder)
    count = len(graph.outputs) - len(members_of(model))
    outputs = list(graph.outputs)
    position = count
    for variable in model.wrt:
        if variable.place is not None:
            whole = f.wrap(outputs[position])
            # Before the array's own axes, one of samples where each has an adjoint.
            samples = f.shape(whole)[: len(f.shape(whole)) - len(variable.place)]
            bounds_of = [(0, 1, length) for length in samples] + [(index, 1, 1) for index in variable.place]
            outputs[position] = f.reshape(f.slice(whole, tuple(bounds_of)), samples).index
        position += len(variable.members)
    return builder.graph(outputs)


def _with_inputs(graph: Graph, types: Mapping[str, Type], identifiers: list[str]) -> tuple[Graph, list[int]]:
    """The graph with these inputs, also those that its values do not depend on, and their nodes."""
    builder = GraphBuilder(graph)
    nodes = [builder.input(name, types[name]) for name in identifiers]
    return builder.graph(graph.outputs), nodes


def _over_samples(graph: Graph, types: Mapping[str, Type], model: Model, mode: str, options: Options) -> Graph:
    """The model of one sample over a batch: its sum, its mean, or one a sample, and the gradient of that."""
    members = members_of(model)
    graph, _ = _with_inputs(narrow(graph), types, members)
    in_batch = {member for argument in model.arguments if argument.batched for member in argument.members}
    each_alone = options.reduce is None
    builder = GraphBuilder()
    given, wrt = {}, {}
    for name, node in graph.inputs().items():
        dtype, shape = graph.nodes[node].type
        own = builder.input(name, Type(dtype, (SAMPLES, *shape) if name in in_batch else shape))
        # A gradient a sample is one in every sample's own copy of what all share.
        if name in in_batch:
            given[node] = own
        elif each_alone and name in members:
            own = given[node] = builder.broadcast(own, (SAMPLES, *shape), tuple(range(1, len(shape) + 1)))
        wrt[name] = own
    (each,) = lift(graph, given, SAMPLES, builder)
    value = each if each_alone else builder.reduce_sum(each)
    if options.reduce == "mean":
        value = builder.add(REGISTRY["div"], (value, builder.length(SAMPLES)))
    if mode == "function":
        return builder.graph([value])
    lifted = modes.gradient(builder.graph([value, each]), [wrt[name] for name in members], options.kinks)
    # Not the node of before: where a value is taken at a point, the graph is another.
    value, _, *gradient = lifted.outputs
    builder = GraphBuilder(lifted)
    if options.reduce == "mean":
        length = builder.length(SAMPLES)
        gradient = [builder.add(REGISTRY["div"], (entry, length)) for entry in gradient]
    return _at_places(builder.graph([value, *gradient]), model)


def optimise(graph: Graph, target: str, values: int, observe: Observer | None = None, stages: slice = _ALL) -> Graph:
    """The passes after differentiation, in order; `stages` are some of them, see `DERIVATIVE` and `TARGET`."""
    steps: list[tuple[str, Callable[[Graph], Graph]]] = [
        ("guard", guard),
        ("stabilise adjoints", stabilise),
        ("removable adjoints", removable),
        ("contract adjoints", contract),
        ("expand", partial(expand, target=target)),
        ("strength", strength),
        ("dead", dead),
        ("factorise", partial(factorise, target=target)),
        ("settle", settle),
        ("bounds", bounds),
    ]
    for step, run in steps[stages]:
        # What a body gives first is no user value, which would be spared.
        whole = partial(run, values=values) if run in _SPARING else run
        graph = bounds(graph) if run is bounds else whole(map_bodies(graph, f"{step} {target}", run))
        if observe:
            observe(step, graph)
    return graph


def _everywhere(step: str, run: Callable[[Graph], Graph], graph: Graph) -> Graph:
    """A pass over a graph and over the bodies of its scans."""
    return run(map_bodies(graph, step, run))


# What is said about it.


def _formulas(graph: Graph, beside: tuple[str, ...]) -> tuple[str, ...]:
    """The model as a header shows it: the user's let-bound steps, then the values; long ones by their size."""
    names = graph.labels
    steps = [(names[index], index) for index in sorted(names)]
    titles = [f"{name}, averaged" for name in beside]
    own = len(graph.outputs) - len(titles)
    titles += ["value"] if own == 1 else [f"value {k}" for k in range(1, own + 1)]
    values = list(zip(titles, graph.outputs, strict=True))
    lines = []
    for shown, kind in ((steps, "steps"), (values, "values")):
        for name, index in shown[:_SHOWN]:
            inner = {other: label for other, label in names.items() if other != index} if kind == "steps" else names
            text = infix(graph, index, inner, width=_WIDEST)
            if len(text) > _WIDEST + 40 or text.count("...") > 2:
                text = f"an expression of {sum(bool(node.operands) for node in graph.nodes)} operations in all"
            if name != f"{text}, averaged":  # a step that stands there already
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


def _reduce_text(options: Options, batched: bool) -> str:
    if not batched:
        return ""
    if options.reduce is None:
        return "The results have one entry a sample."
    return f"The results are the {options.reduce} over all samples."
