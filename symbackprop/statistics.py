"""What a program costs: operations weighed by the rows' costs, and the arrays that it makes on its way.

Where lengths are symbolic, counts are polynomials in them; the numbers are those at 1000 for each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from symbackprop.ir import Graph, Node
from symbackprop.ir.signature import SAMPLES, Signature
from symbackprop.lower import Program
from symbackprop.ops.control import SCAN
from symbackprop.ops.extents import (
    Extent,
    Monomial,
    dimensions,
    extent_from,
    extent_text,
    measured,
    plus,
    product,
    terms_of,
    times,
)

NOMINAL = 1000
"""What a symbolic length counts as."""


def statistics(graph: Graph, program: Program, signature: Signature, dtype: str, batched: bool) -> dict[str, Any]:
    """Operation counts of the value and of value and derivative, and sizes; of a batch, those of one sample."""
    in_value = graph.reaching(graph.outputs[: signature.value_count])
    # Of a batch, those of one sample.
    counted = [
        (work(graph, index), bool(node.operands), needed)
        for index, (node, needed) in enumerate(zip(graph.nodes, in_value, strict=True))
        if not batched or node.type.shape or not node.op.elementwise
    ]
    value = _of_one(_total([cost for cost, _, needed in counted if needed]), batched)
    both = _of_one(_total([cost for cost, _, _ in counted]), batched)
    size = 8 if dtype == "float64" else 4
    stored = plus(program.numbers, _total(map(product, program.arrays)))
    moved = _of_one(bytes_moved(program, signature, size), batched)
    counts = {"value": _number(value), "value_and_grad": _number(both)}
    return {
        **counts,
        "ratio": counts["value_and_grad"] / counts["value"] if counts["value"] else 0.0,
        "formulas": {
            "value": extent_text(value),
            "value_and_grad": extent_text(both),
            "bytes": f"{size}*({extent_text(stored)})",
            "bytes_moved": extent_text(moved),
        },
        "operations": {
            "value": sum([is_operation and needed for _, is_operation, needed in counted]),
            "value_and_grad": sum([is_operation for _, is_operation, _ in counted]),
        },
        "nodes": len(graph.nodes),
        "temporaries": program.numbers + len(program.arrays),
        "bytes": size * _number(stored),
        "bytes_moved": _number(moved),
    }


def bytes_moved(program: Program, signature: Signature, size: int) -> Extent:
    """What goes through memory in one call, of all samples: arguments read, and arrays written and read again, results
    included. Numbers that have a name stay in registers, as far as anybody knows.
    """
    given = _total(product(argument.full_shape) for argument in signature.arguments)
    return times(size, plus(given, times(2, _total(map(product, program.arrays)))))


def additions(graph: Graph) -> Extent:
    """The operations of a whole program, of all samples, in additions."""
    return _total(work(graph, index) for index in range(len(graph.nodes)))


def applications(graph: Graph) -> Extent:
    """The operations of a whole program, of all samples, one as good as another."""
    return _total(_applications(graph, node) for node in graph.nodes if node.op.cost and node.operands)


def counts_text(stats: dict[str, Any], batched: bool) -> str:
    """The counts as a header shows them."""
    formulas = stats["formulas"]
    ratio = f", {stats['ratio']:.2f} times as many" if stats["value"] else ""
    unit = " a sample" if batched else ""
    if formulas["value_and_grad"].isdecimal():
        return f"value {stats['value']}, with the derivative {stats['value_and_grad']}{ratio}{unit} (in additions)."
    where = f" where every length is {NOMINAL}" if ratio else ""
    both = f"value {formulas['value']}, with the derivative {formulas['value_and_grad']}"
    return f"{both}{unit}{ratio}{where} (in additions)."


def work(graph: Graph, index: int) -> Extent:
    """The operations of one node, in additions."""
    node = graph.nodes[index]
    if node.op is SCAN:
        body, length, _ = node.attributes
        return times(length, _total(work(body.graph, k) for k in range(len(body.graph.nodes))))
    if node.op.work is None and not node.type.shape:
        return node.op.cost
    return times(node.op.cost, _applications(graph, node)) if node.op.cost else 0


def _applications(graph: Graph, node: Node) -> Extent:
    if node.op.work is not None:
        return node.op.work(node.attributes, *[graph.nodes[operand].type for operand in node.operands])
    return product(node.type.shape)


def _total(extents: Iterable[Extent]) -> Extent:
    total: Extent = 0
    numbers = 0
    for extent in extents:
        if type(extent) is int:
            numbers += extent
        else:
            total = plus(total, extent)
    return plus(total, numbers)


def _of_one(extent: Extent, batched: bool) -> Extent:
    """The extent with one sample."""
    if not batched:
        return extent
    left: dict[Monomial, int] = {}
    for monomial, count in terms_of(extent).items():
        rest = tuple(atom for atom in monomial if atom != SAMPLES)
        left[rest] = left.get(rest, 0) + count
    return extent_from(left)


def _number(extent: Extent) -> int:
    return measured(extent, dict.fromkeys(dimensions(extent), NOMINAL))
