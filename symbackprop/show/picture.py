"""The picture of a model, which a notebook shows: as Mermaid, as Graphviz's language, as SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from symbackprop.errors import OptionError
from symbackprop.show.batch import Batch
from symbackprop.show.derivation import Derivation
from symbackprop.show.drawing import LIMIT, Box, Drawing, drawing
from symbackprop.show.escapes import for_dot, for_mermaid, for_xml
from symbackprop.show.svg import BACKWARD, FILLS, FORWARD, INK, svg

Binding = Callable[[Mapping[Any, Any]], Mapping[str, Any]]
_SHAPES = {"variable": ('(["', '"])'), "data": ('(["', '"])'), "step": ('["', '"]'), "value": ('[["', '"]]')}


class Picture:
    """The graph of the expression as it was given; in a notebook, its picture.

    Each method takes a point, ``at={"a": 2, "b": 1}``, whose values then stand in the boxes, the local partials on the
    arrows, and the adjoints in the backward colour; without one these are formulas. Graphs of more than `limit` boxes
    are collapsed to sub-expressions, layers, and bands of layers; None draws every step. Of a batch one sample is
    drawn, and what is made of all of them; at a point it is the first.
    """

    def __init__(
        self, derivation: Derivation, bind: Binding, batch: Batch | None = None, at: Mapping[Any, Any] | None = None
    ) -> None:
        self._derivation, self._bind, self._batch, self._at = derivation, bind, batch, at

    def at(self, point: Mapping[Any, Any]) -> Picture:
        """The picture with the numbers of a point, for a notebook to show."""
        return Picture(self._derivation, self._bind, self._batch, point)

    def value(self, number: int) -> Picture:
        """The picture of one of several values, from 1 on, with its adjoints: those of all of them have no one meaning.

        Raises OptionError where there is none.
        """
        count = len(self._derivation.outputs)
        if not 1 <= number <= count:
            raise OptionError(f"the model has the values 1 to {count}, and no value {number}")
        return Picture(self._derivation.alone(number - 1), self._bind, self._batch, self._at)

    def _drawing(self, at: Mapping[Any, Any] | None, limit: int | None) -> Drawing:
        at = self._at if at is None else at
        point = None if at is None else self._derivation.at(self._bind(at))
        return drawing(self._derivation, point, limit, self._batch)

    def mermaid(self, at: Mapping[Any, Any] | None = None, limit: int | None = LIMIT) -> str:
        """The picture in Mermaid's language, which GitHub and JupyterLab render in a block of that name."""
        drawn = self._drawing(at, limit)
        lines = ["flowchart TD"]
        for number, box in enumerate(drawn.boxes):
            opening, closing = _SHAPES[box.role]
            label = "<br/>".join(_coloured(for_mermaid(line), ink) for line, ink in _lines(box))
            lines.append(f"    n{number}{opening}{label}{closing}:::{box.role}")
        for arrow in drawn.arrows:
            label = for_mermaid("; ".join(part for part in (arrow.partial, arrow.shape) if part))
            between = f'-->|"{label}"|' if label else "-->"
            lines.append(f"    n{arrow.source} {between} n{arrow.target}")
        partials = ",".join(str(number) for number, arrow in enumerate(drawn.arrows) if arrow.partial)
        lines += [f"    linkStyle {partials} color:{BACKWARD}"] if partials else []
        used = {box.role for box in drawn.boxes}
        lines += [
            f"    classDef {role} fill:{fill},stroke:{INK},color:{INK}" for role, fill in FILLS.items() if role in used
        ]
        return "\n".join(lines) + "\n"

    def dot(self, at: Mapping[Any, Any] | None = None, limit: int | None = LIMIT) -> str:
        """The picture in Graphviz's language."""
        drawn = self._drawing(at, limit)
        lines = ["digraph model {", '    node [shape=box style="rounded,filled" fontname="Courier" fontsize=12]']
        lines.append('    edge [fontname="Courier" fontsize=10]')
        for number, box in enumerate(drawn.boxes):
            lines.append(f'    n{number} [label={_rich(_lines(box))} fillcolor="{FILLS[box.role]}"]')
        for arrow in drawn.arrows:
            label = [(arrow.partial, BACKWARD), (arrow.shape, INK)]
            lines.append(f"    n{arrow.source} -> n{arrow.target} [label={_rich(label)}]")
        return "\n".join([*lines, "}"]) + "\n"

    def svg(self, at: Mapping[Any, Any] | None = None, limit: int | None = LIMIT, layout: str | None = None) -> str:
        """The picture itself, laid out by Graphviz if its `dot` is installed, else by grandalf (extra `show`).

        `layout` chooses between them: "dot" or "grandalf". Raises OptionError where neither is there.
        """
        return svg(self._drawing(at, limit), layout)

    def __str__(self) -> str:
        return self.mermaid()

    def __repr__(self) -> str:
        d = self._derivation
        return f"<graph of {len(d.inputs)} inputs, {len(d.steps)} steps, {len(d.edges)} edges>"

    def _repr_svg_(self) -> str | None:
        try:
            return self.svg()
        except OptionError:
            return None

    def _repr_html_(self) -> str:
        return self._repr_svg_() or f"<pre>{for_xml_lines(self.mermaid())}</pre>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        drawn = self._repr_svg_()
        bundle = {"text/plain": repr(self), "text/html": drawn or self._repr_html_()}
        return {**bundle, "image/svg+xml": drawn} if drawn else bundle


def _lines(box: Box) -> list[tuple[str, str]]:
    """The lines of a box, each with its colour."""
    lines = [(box.title, INK), (box.value, FORWARD), (box.adjoint, BACKWARD)]
    return [(text, ink) for text, ink in lines if text]


def _coloured(text: str, ink: str) -> str:
    """A line of a Mermaid label; adjoints in their colour, which makes the text no harder to read as it is."""
    return f"<font color='{ink}'>{text}</font>" if ink == BACKWARD else text


def _rich(lines: Sequence[tuple[str, str]]) -> str:
    """A label of Graphviz's, in its notation that resembles HTML."""
    texts = [f'<FONT COLOR="{ink}">{for_dot(text)}</FONT>' for text, ink in lines if text]
    return f"<{'<BR/>'.join(texts)}>" if texts else '""'


def for_xml_lines(text: str) -> str:
    """Text of several lines in HTML."""
    return "\n".join(map(for_xml, text.splitlines()))


__all__ = ["BACKWARD", "FORWARD", "Picture"]
