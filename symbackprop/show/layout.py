"""Where boxes and arrows stand: by Graphviz, if its `dot` is installed, else by grandalf, which pip brings.

Both lay a graph out in layers, inputs at the top (Sugiyama, Tagawa and Toda 1981). Neither sees a name: boxes are
numbers and sizes.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from symbackprop.errors import OptionError

_INCH = 72.0
_GAP = 28.0
_SECONDS = 20
"""Graphviz is given up after this long."""
LAYOUTS = ("dot", "grandalf")

Place = tuple[float, float]


@dataclass(slots=True)
class Layout:
    """The middle of each box, the points of each arrow, whether these are Bézier curves, and the size of it all."""

    boxes: list[Place]
    routes: list[list[Place]]
    curved: bool
    width: float
    height: float


def lay_out(
    sizes: Sequence[tuple[float, float]],
    arrows: Sequence[tuple[int, int]],
    labels: Sequence[int],
    by: str | None = None,
) -> Layout:
    """A layout of boxes of these sizes, in points; `labels` are the lengths of the arrows' labels, in characters.

    `by` is one of `LAYOUTS`; None means the first that is installed. Raises OptionError where none is.
    """
    if by not in (None, *LAYOUTS):
        raise OptionError(f"layout={by!r} is not one of {', '.join(map(repr, LAYOUTS))}")
    found = _by_dot(sizes, arrows, labels) if by != "grandalf" else None
    if found is None and by != "dot":
        found = _by_grandalf(sizes, arrows)
    if found is None:
        raise OptionError(
            "a picture needs Graphviz's `dot` on the path, or pip install 'symbackprop[show]'; mermaid() and dot()"
            " need neither"
        )
    return found


def _by_dot(
    sizes: Sequence[tuple[float, float]], arrows: Sequence[tuple[int, int]], labels: Sequence[int]
) -> Layout | None:
    program = shutil.which("dot")
    if program is None:
        return None
    lines = ["digraph {", "node [shape=box fixedsize=true]", "edge [fontname=Courier fontsize=10 arrowhead=none]"]
    lines += [f"{k} [width={w / _INCH:.4f} height={h / _INCH:.4f}]" for k, (w, h) in enumerate(sizes)]
    for (source, target), length in zip(arrows, labels, strict=True):
        lines.append(f'{source} -> {target} [label="{"m" * length}"]')
    try:
        done = subprocess.run(
            [program, "-Tplain"],
            input="\n".join([*lines, "}"]),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return _read_plain(done.stdout, len(sizes), arrows)


def _read_plain(text: str, count: int, arrows: Sequence[tuple[int, int]]) -> Layout:
    """Graphviz's plain format: inches, from the lower left corner."""
    boxes: list[Place] = [(0.0, 0.0)] * count
    routes: dict[tuple[int, int], list[Place]] = {}
    width = height = 0.0
    for line in text.replace("\\\n", "").splitlines():
        words = line.split()
        if words[0] == "graph":
            width, height = float(words[2]) * _INCH, float(words[3]) * _INCH
        elif words[0] == "node":
            boxes[int(words[1])] = (float(words[2]) * _INCH, height - float(words[3]) * _INCH)
        elif words[0] == "edge":
            numbers = [float(word) * _INCH for word in words[4 : 4 + 2 * int(words[3])]]
            points = [(x, height - y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
            routes[int(words[1]), int(words[2])] = points
    return Layout(boxes, [routes[arrow] for arrow in arrows], True, width, height)


class _View:
    """What grandalf wants to know of a box or an arrow, and where it puts what it finds."""

    def __init__(self, w: float = 0.0, h: float = 0.0) -> None:
        self.w, self.h = w, h
        self.xy: Place = (0.0, 0.0)
        self.points: list[Place] = []

    def setpath(self, points: list[Place]) -> None:
        self.points = list(points)


def _by_grandalf(sizes: Sequence[tuple[float, float]], arrows: Sequence[tuple[int, int]]) -> Layout | None:
    try:
        from grandalf.graphs import Edge, Graph, Vertex
        from grandalf.layouts import SugiyamaLayout
        from grandalf.routing import route_with_lines
    except ImportError:
        return None
    vertices, edges = [Vertex(k) for k in range(len(sizes))], []
    for vertex, (w, h) in zip(vertices, sizes, strict=True):
        vertex.view = _View(w, h)
    for source, target in arrows:
        edge = Edge(vertices[source], vertices[target])
        edge.view = _View()
        edges.append(edge)
    left = height = 0.0
    for component in Graph(vertices, edges).C:
        engine = SugiyamaLayout(component)
        engine.xspace, engine.yspace = _GAP, _GAP * 1.4
        engine.route_edge = route_with_lines
        engine.init_all()
        engine.draw(3)
        placed = [vertex.view for vertex in component.sV]
        routes = [edge.view for edge in component.sE]
        shift = left - min(view.xy[0] - view.w / 2 for view in placed)
        top = min(view.xy[1] - view.h / 2 for view in placed)
        for view in placed:
            view.xy = (view.xy[0] + shift, view.xy[1] - top)
        for view in routes:
            view.points = [(x + shift, y - top) for x, y in view.points]
        left = max(view.xy[0] + view.w / 2 for view in placed) + _GAP
        height = max(height, max(view.xy[1] + view.h / 2 for view in placed))
    return Layout([v.view.xy for v in vertices], [e.view.points for e in edges], False, max(left - _GAP, 0.0), height)
