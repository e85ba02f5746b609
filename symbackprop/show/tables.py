"""Tables, spelled as text, Markdown, HTML and LaTeX. What stands in them is decided elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from symbackprop.show import latex
from symbackprop.show.escapes import for_latex, for_markdown, for_markdown_code, for_xml, visible

LONGEST = 200
"""So many rows of a table are written; the rest are counted."""


class Cell(NamedTuple):
    """A formula or a name (`code`), or plain words and numbers. `tex` is its notation where it has one."""

    text: str
    code: bool = False
    tex: str = ""


def formula(text: str, tex: str = "") -> Cell:
    return Cell(text, True, tex)


class Tabled:
    """What is shown as a table, or as several: on a terminal, in a notebook, in a text."""

    __slots__ = ()

    @property
    def table(self) -> Table:
        raise NotImplementedError

    @property
    def tables(self) -> Sequence[Table]:
        return (self.table,)

    def __str__(self) -> str:
        return "\n\n".join(map(as_text, self.tables))

    def __repr__(self) -> str:
        return str(self)

    def markdown(self) -> str:
        """As Markdown."""
        return "\n\n".join(map(as_markdown, self.tables)) + "\n"

    def html(self) -> str:
        """As a fragment of HTML."""
        return "\n".join(map(as_html, self.tables))

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def _repr_html_(self) -> str:
        return self.html()


@dataclass(frozen=True, slots=True, repr=False)
class Table(Tabled):
    """A title, one word above each column, and rows."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]

    @property
    def table(self) -> Table:
        return self

    @property
    def left_out(self) -> str:
        more = len(self.rows) - LONGEST
        return f"... and {more} more" if more > 0 else ""


def as_text(table: Table) -> str:
    rows = [[visible(cell.text) for cell in row] for row in table.rows[:LONGEST]]
    lines = [list(map(visible, table.header)), *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.header))]
    lines.insert(1, ["-" * width for width in widths])
    written = ["  ".join(part.ljust(width) for part, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join([visible(table.title), *[f"  {line}".rstrip() for line in written], table.left_out]).rstrip("\n")


def as_markdown(table: Table) -> str:
    lines = [f"**{for_markdown(table.title)}**", "", _row(list(map(for_markdown, table.header)))]
    lines.append(_row(["---"] * len(table.header)))
    for row in table.rows[:LONGEST]:
        lines.append(_row([for_markdown_code(c.text) if c.code and c.text else for_markdown(c.text) for c in row]))
    return "\n".join(lines + (["", table.left_out] if table.left_out else []))


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def as_html(table: Table) -> str:
    def cell(c: Cell) -> str:
        return f"<td>{f'<code>{for_xml(c.text)}</code>' if c.code and c.text else for_xml(c.text)}</td>"

    head = "".join(f"<th>{for_xml(word)}</th>" for word in table.header)
    body = "\n".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in table.rows[:LONGEST])
    more = f"<p>{table.left_out}</p>" if table.left_out else ""
    return (
        f"<table>\n<caption>{for_xml(table.title)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>{more}"
    )


def as_latex(table: Table) -> str:
    def cell(c: Cell) -> str:
        if c.tex:
            return c.tex
        return latex.code(c.text) if c.code and c.text else f"\\text{{{_words(c.text)}}}"

    lines = [" & ".join(f"\\text{{{_words(word)}}}" for word in table.header) + r" \\ \hline"]
    lines += [" & ".join(map(cell, row)) + r" \\" for row in table.rows[:LONGEST]]
    body = "\n".join(lines)
    return f"\\begin{{array}}{{{'l' * len(table.header)}}}\n{body}\n\\end{{array}}"


def _words(text: str) -> str:
    return for_latex(text).replace("\\ ", " ")
