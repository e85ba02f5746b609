"""The one place that knows the order of the stages: model -> graph -> derivatives -> passes -> program -> text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from symbackprop.ad import vjp
from symbackprop.emit import Header, emit
from symbackprop.errors import OptionError
from symbackprop.frontend import Model, read_model, split_cse
from symbackprop.ir import Graph, GraphBuilder, infix
from symbackprop.ir.signature import SAMPLES, Signature
from symbackprop.lower import lower
from symbackprop.lower.program import Assign, For, Program
from symbackprop.ops import REGISTRY
from symbackprop.options import Options
from symbackprop.passes import dead, expand, guard, simplify, strength

Observer = Callable[[str, Graph], Any]
"""Called with the name of each step and the graph after it."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A module and what is known about it."""

    source: str
    signature: Signature
    options: Options
    graph: Graph
    stats: dict[str, Any]
    title: str


def compile_gradient(
    expr: Any,
    wrt: Any,
    args: Any,
    batch: Any,
    options: Options,
    name: str | None = None,
    regenerate: str = "",
    observe: Observer | None = None,
) -> Compiled:
    """Everything from the user's expression to the text of its gradient module."""
    let, body = split_cse(expr)
    model = read_model([body], wrt, args, batch, let)
    if options.reduce is not None and not model.batched:
        raise OptionError(f"reduce={options.reduce!r} needs batch=[...], the inputs that carry samples")
    graph = gradient_graph(model, options, observe)
    formula = infix(model.graph, model.graph.outputs[0], width=88)
    graph = optimise(graph, options.target, observe)
    program = lower(graph, model.signature, options.target)
    stats = statistics(graph, program, options)
    title = f"{'Value' if name is None else name + ': value'} and gradient, by reverse accumulation."
    header = Header(
        title=title,
        formula=formula,
        kinks=options.kinks,
        dtype=options.dtype,
        counts=_counts_text(stats, model.batched),
        reduce=_reduce_text(options, model.batched),
        regenerate=regenerate,
    )
    source = emit(program, model.signature, header, options.target)
    return Compiled(source, model.signature, options, graph, stats, name or "")


def gradient_graph(model: Model, options: Options, observe: Observer | None = None) -> Graph:
    """The graph of the value followed by its derivative in each member of each leaf."""
    observe = observe or (lambda step, graph: None)
    observe("frontend", model.graph)
    graph = simplify(model.graph)
    observe("simplify", graph)
    builder = GraphBuilder(graph)
    inputs = graph.inputs()
    value = graph.outputs[0]
    wrt = [
        inputs.get(member, -1) for leaf in model.signature.leaves for member in leaf.members
    ]
    if model.batched:
        value = builder.broadcast(value, (SAMPLES,))
        graph = Graph(list(builder.nodes), (value,), builder.labels, builder.derived)
    total = builder.reduce_sum(value) if model.batched and options.reduce else value
    seed = builder.broadcast(builder.const(1), builder.nodes[value].type.shape)
    sources = [node for node in wrt if node >= 0]
    per_sample = model.batched and options.reduce is None
    found = dict(zip(sources, vjp(graph, {value: seed}, sources, builder, options.kinks, per_sample), strict=True))
    zero = builder.const(0)
    gradient = [found.get(node, zero) for node in wrt]
    outputs = _reduced(builder, [total, *gradient], options, model.batched)
    graph = builder.graph(outputs)
    observe("reverse", graph)
    return graph


def _reduced(
    builder: GraphBuilder, outputs: list[int], options: Options, batched: bool
) -> list[int]:
    """Value and gradient of the sum over samples, of the mean, or one a sample."""
    if not batched:
        return outputs
    if options.reduce is None:
        return [builder.broadcast(output, (SAMPLES,)) for output in outputs]
    if options.reduce == "mean":
        length = builder.length(SAMPLES)
        outputs = [builder.add(REGISTRY["div"], (output, length)) for output in outputs]
    return outputs


def optimise(graph: Graph, target: str, observe: Observer | None = None) -> Graph:
    """The passes after differentiation, in order."""
    steps: list[tuple[str, Callable[[Graph], Graph]]] = [
        ("guard", guard),
        ("expand", partial(expand, target=target)),
        ("strength", strength),
        ("dead", dead),
    ]
    for step, run in steps:
        graph = run(graph)
        if observe:
            observe(step, graph)
    return graph


def statistics(graph: Graph, program: Program, options: Options) -> dict[str, Any]:
    """Operation counts of the value and of value and gradient, weighed by the rows' costs, and sizes."""
    in_value = graph.reaching(graph.outputs[:1])
    value = sum(node.op.cost for node, needed in zip(graph.nodes, in_value, strict=True) if needed)
    both = sum(node.op.cost for node in graph.nodes)
    operations = sum(bool(node.operands) for node in graph.nodes)
    in_value_operations = sum(
        bool(node.operands) and needed for node, needed in zip(graph.nodes, in_value, strict=True)
    )
    temporaries = sum(
        sum(isinstance(inner, Assign) for inner in (statement.body if isinstance(statement, For) else (statement,)))
        for function in program.functions
        if "value_and_grad" in function.name
        for statement in function.body
    )
    return {
        "value": value,
        "value_and_grad": both,
        "ratio": both / value if value else 0.0,
        "operations": {"value": in_value_operations, "value_and_grad": operations},
        "nodes": len(graph.nodes),
        "temporaries": temporaries,
        "bytes": temporaries * (8 if options.dtype == "float64" else 4),
    }


def _counts_text(stats: dict[str, Any], batched: bool) -> str:
    ratio = f", {stats['ratio']:.2f} times as many" if stats["value"] else ""
    unit = " a sample" if batched else ""
    return f"value {stats['value']}, value and gradient {stats['value_and_grad']}{ratio}{unit} (in additions)."


def _reduce_text(options: Options, batched: bool) -> str:
    if not batched:
        return ""
    if options.reduce is None:
        return "The value and the gradient have one entry a sample."
    return f"The value and the gradient are the {options.reduce} over all samples."
