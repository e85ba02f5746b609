"""What a picture holds: boxes with their lines, arrows with partials and shapes. How it is written is decided later."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from symbackprop.ir import infix
from symbackprop.ir.signature import SAMPLES
from symbackprop.ops.extents import extent_text
from symbackprop.show.batch import Batch
from symbackprop.show.collapse import Group, collapse
from symbackprop.show.derivation import Derivation, Edge, Point
from symbackprop.show.numbers import factor, natural, number

LIMIT = 60
"""So many boxes fit on a screen."""
_WIDEST = 52
_NAMED = 4
"""So many names of a group of inputs are written."""


class Box(NamedTuple):
    """A step, an input or a group of them. `role` is "variable", "data", "step" or "value"."""

    role: str
    title: str
    value: str = ""
    adjoint: str = ""


class Arrow(NamedTuple):
    """The use of a box by another: the local partial, and the shape of what is handed on where that is an array.

    Several uses are one arrow, whose partial is their sum, as the chain rule has it.
    """

    source: int
    target: int
    partial: str = ""
    shape: str = ""


class Drawing(NamedTuple):
    boxes: list[Box]
    arrows: list[Arrow]


def drawing(
    derivation: Derivation, point: Point | None = None, limit: int | None = LIMIT, batch: Batch | None = None
) -> Drawing:
    """A derivation as boxes and arrows, at most about `limit` boxes; at a point, with the numbers there. Of a `batch`
    it is that of one sample, with a box for what all of them make.
    """
    groups, group_of = collapse(derivation, limit)
    whole = all(group.size == 1 for group in groups)
    formulas = {}
    if point is None and whole:
        formulas = {index: text for index, text, _ in derivation.adjoint_formulas() if index in derivation.names}
    known = {root: derivation.names[root] for group in groups for root in group.roots}
    boxes = [_box(derivation, group, point, formulas, known) for group in groups]
    if batch is not None:
        boxes = [
            box._replace(title=f"{box.title}, one a sample") if _carries(derivation, group, batch) else box
            for box, group in zip(boxes, groups, strict=True)
        ]
    between: dict[tuple[int, int], list[Edge]] = {}
    for edge in derivation.edges:
        pair = (group_of[edge.source], group_of[edge.step])
        if pair[0] != pair[1]:
            between.setdefault(pair, []).append(edge)
    arrows = []
    for (source, target), edges in between.items():
        alone = groups[source].size == groups[target].size == 1
        partial = " + ".join(_partial(derivation, edge, point) for edge in edges if edge.partial is not None)
        shapes = {_shape(derivation, edge.source) for edge in edges}
        arrows.append(Arrow(source, target, _cut(partial) if alone else "", shapes.pop() if len(shapes) == 1 else ""))
    if batch is not None:
        output = derivation.outputs[0]
        arrows.append(Arrow(group_of[output], len(boxes), "", SAMPLES))
        boxes.append(Box("value", batch.told(derivation.names.get(output, "value"))))
    return Drawing(boxes, arrows)


def _carries(derivation: Derivation, group: Group, batch: Batch) -> bool:
    """Whether inputs have an entry a sample."""
    return group.is_input and any(derivation.graph.nodes[root].attributes in batch.members for root in group.roots)


def _box(
    derivation: Derivation, group: Group, point: Point | None, formulas: dict[int, str], known: dict[int, str]
) -> Box:
    root, names = group.roots[0], derivation.names
    if group.is_input:
        role = "variable" if root in derivation.variables.values() else "data"
        named = ", ".join(sorted((names[index] for index in group.roots), key=natural)[:_NAMED])
        title = named if group.size <= _NAMED else f"{named}, ... ({group.size} inputs)"
    else:
        role = "value" if set(group.roots) & set(derivation.outputs) else "step"
        title = f"{names[root]} = {_formula(derivation, group, known)}"
        if len(group.roots) > 1:
            of = "" if role == "step" else f"{names[derivation.outputs[0]]} and "
            title = f"{of}{len(group.roots)} like {names[root]} = {_formula(derivation, group, known)}"
    if point is None:
        return Box(role, title, "", f"{names[root]}_bar = {_cut(formulas[root])}" if root in formulas else "")
    values = [point.values[index] for index in group.roots]
    bars = [point.adjoint(i) for i in group.roots if i in derivation.adjoints and i in derivation.active]
    several = len(group.roots) > 1
    value = f"values {_range(values)}" if several else f"= {_range(values)}"
    adjoint = ("adjoints " if several else f"{names[root]}_bar = ") + _range(bars) if bars else ""
    return Box(role, title, value, adjoint)


def _formula(derivation: Derivation, group: Group, known: dict[int, str]) -> str:
    """The formula of a group's first root, over inputs and the roots of groups."""
    root = group.roots[0]
    own = known.pop(root)
    text = _cut(infix(derivation.graph, root, known, _WIDEST))
    known[root] = own
    return text


def _range(values: list[object]) -> str:
    if len(values) == 1:
        return number(values[0])
    entries = [float(entry) for value in values for entry in np.ravel(np.asarray(value))]
    return f"{min(entries):.3g} to {max(entries):.3g}"


def _partial(derivation: Derivation, edge: Edge, point: Point | None) -> str:
    if point is not None:
        return factor(point.partial(edge))
    return derivation.partial_text(edge.partial) if edge.partial is not None else ""


def _shape(derivation: Derivation, index: int) -> str:
    return "×".join(extent_text(extent) for extent in derivation.graph.nodes[index].type.shape)


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."
