"""A drawing as SVG: boxes with values in the forward colour and adjoints in the backward colour, partials on arrows."""

from __future__ import annotations

import unicodedata

from symbackprop.show.drawing import Arrow, Box, Drawing
from symbackprop.show.escapes import for_xml, visible
from symbackprop.show.layout import Layout, Place, lay_out

_CHARACTER, _LINE, _PAD, _MARGIN = 7.3, 16.0, 10.0, 14.0
FORWARD, BACKWARD, INK = "#0b5394", "#b3261e", "#222222"
FILLS = {"variable": "#fff2cc", "data": "#eeeeee", "step": "#ffffff", "value": "#d9ead3"}
# Every rule is for our own pictures: a style inside an SVG holds for the whole page that it is shown on.
_STYLE = "".join(
    f".symbackprop {rule}"
    for rule in (
        f"text{{font:12px monospace;fill:{INK};text-anchor:middle;unicode-bidi:isolate}}",
        f"text.value{{fill:{FORWARD}}}",
        f"text.adjoint{{fill:{BACKWARD}}}",
        f"text.partial{{fill:{BACKWARD};font-size:11px;paint-order:stroke;stroke:#ffffff;stroke-width:3px}}",
        "text.shape{font-size:10px;paint-order:stroke;stroke:#ffffff;stroke-width:3px}",
    )
)


def svg(drawing: Drawing, layout: str | None = None) -> str:
    sizes = [_size(box) for box in drawing.boxes]
    ends = [(arrow.source, arrow.target) for arrow in drawing.arrows]
    labels = [max(_width(arrow.partial), _width(arrow.shape)) for arrow in drawing.arrows]
    placed = lay_out(sizes, ends, labels, layout)
    width, height = placed.width + 2 * _MARGIN, placed.height + 2 * _MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="symbackprop" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="{-_MARGIN:.0f} {-_MARGIN:.0f} {width:.0f} {height:.0f}" style="max-width:100%;height:auto">',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="symbackprop-tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"'
        f' orient="auto"><path d="M0 0L10 5L0 10z" fill="{INK}"/></marker></defs>',
        f'<rect x="{-_MARGIN:.0f}" y="{-_MARGIN:.0f}" width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
    ]
    lines += [_arrow(arrow, placed, number) for number, arrow in enumerate(drawing.arrows)]
    for box, middle, size in zip(drawing.boxes, placed.boxes, sizes, strict=True):
        lines.append(_box(box, middle, size))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _width(text: str) -> int:
    """Characters, those of double width twice."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in visible(text))


def _lines(box: Box) -> list[tuple[str, str]]:
    return [(kind, text) for kind in ("title", "value", "adjoint") if (text := getattr(box, kind))]


def _size(box: Box) -> tuple[float, float]:
    lines = _lines(box)
    return max(_width(text) for _, text in lines) * _CHARACTER + 2 * _PAD, len(lines) * _LINE + _PAD


def _box(box: Box, middle: Place, size: tuple[float, float]) -> str:
    (x, y), (w, h) = middle, size
    lines = [
        f'<g class="box {box.role}"><rect x="{x - w / 2:.1f}" y="{y - h / 2:.1f}" width="{w:.1f}" height="{h:.1f}"'
        f' rx="5" fill="{FILLS[box.role]}" stroke="{INK}"/>'
    ]
    for number, (kind, text) in enumerate(_lines(box)):
        at = y - h / 2 + _PAD / 2 + _LINE * (number + 0.75)
        lines.append(f'<text class="{kind}" x="{x:.1f}" y="{at:.1f}">{for_xml(text)}</text>')
    return "".join([*lines, "</g>"])


def _arrow(arrow: Arrow, placed: Layout, number: int) -> str:
    points = placed.routes[number]
    start, *others = [f"{x:.1f} {y:.1f}" for x, y in points]
    path = f"M{start} {'C' if placed.curved else 'L'}{' '.join(others)}"
    lines = [
        f'<g class="arrow" data-from="{arrow.source}" data-to="{arrow.target}">'
        f'<path d="{path}" fill="none" stroke="{INK}" marker-end="url(#symbackprop-tip)"/>'
    ]
    x, y = _halfway(points)
    y -= 5 if arrow.partial and arrow.shape else 0
    for kind in ("partial", "shape"):
        text = getattr(arrow, kind)
        if text:
            lines.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{for_xml(text)}</text>')
            y += 11
    return "".join([*lines, "</g>"])


def _halfway(points: list[Place]) -> Place:
    """The middle of the segment in the middle; of a long arrow, near its target."""
    index = (len(points) - 1) // 2
    (x0, y0), (x1, y1) = points[index], points[index + 1]
    return (x0 + x1) / 2, (y0 + y1) / 2 + 4
