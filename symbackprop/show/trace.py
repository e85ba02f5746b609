"""What an emitted line comes from, as people read it: expressions of the user's, and the rules that made the line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from symbackprop.errors import OptionError
from symbackprop.show.tables import LONGEST, Cell, Table, Tabled, formula

_LARGEST = 150
"""Expressions of more objects than this are told by their kind: SymPy takes long to print them, and recurses."""
_WIDEST = 70
_ROWS = 12
"""So many parts of a line are told."""
_LATEST = 2
"""In the table of all lines, so many rules of one."""
RESULT = "the result for"
"""How the rule begins that says what a line is, before what it is made of."""


class Part(NamedTuple):
    """One operation of a line: the expressions that it stands for, or whose derivative it serves, and its rules."""

    expressions: tuple[Any, ...]
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Trace(Tabled):
    """Where one line of an emitted module comes from.

    ``line`` is its number, from 1 on, ``text`` the line; ``parts`` its operations, the one that names the line first;
    ``says`` what the line is where it computes nothing (an argument, a check, a loop).
    """

    line: int
    text: str
    says: str
    parts: tuple[Part, ...] = ()

    @property
    def expressions(self) -> tuple[Any, ...]:
        """The SymPy sub-expressions behind the line, each once."""
        return tuple(dict.fromkeys(expr for part in self.parts for expr in part.expressions))

    @property
    def rules(self) -> tuple[str, ...]:
        """What made the line of them, each once."""
        return tuple(dict.fromkeys(rule for part in self.parts for rule in part.rules))

    @property
    def table(self) -> Table:
        rows = [
            (formula("; ".join(map(shown, part.expressions))), Cell("; ".join(part.rules) or "as it was written"))
            for part in self.parts[:_ROWS]
        ]
        if len(self.parts) > _ROWS:
            rows.append((Cell(""), Cell(f"... and {len(self.parts) - _ROWS} more operations")))
        title = f"{self.line}: {self.text.strip()}"
        return Table(title, ("from", "by"), rows or [(Cell(""), Cell(self.says))])

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        parts = [{"from": list(map(shown, p.expressions)), "by": list(p.rules)} for p in self.parts]
        return {"line": self.line, "text": self.text, "says": self.says, "parts": parts}


class Traces(Tabled, Sequence[Trace]):
    """All lines of an emitted module, in order: number k stands at place k - 1."""

    def __init__(self, lines: Sequence[Trace], main: str) -> None:
        self._lines, self._main = tuple(lines), main

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, place: Any) -> Any:
        return self._lines[place]

    def __iter__(self) -> Iterator[Trace]:
        return iter(self._lines)

    def find(self, line: int | str) -> Trace:
        """A line by its number, by its text, by the name that it assigns to, or by a part of it that no other line has;
        of several alike the last, which stands in the function that computes most. Raises OptionError where there is
        none.
        """
        if isinstance(line, str):
            wanted = line.strip()
            texts = [(trace, trace.text.strip()) for trace in self._lines if wanted]
            named = [trace for trace, text in texts if text == wanted or text.startswith(f"{wanted} = ")]
            found = named or [trace for trace, text in texts if wanted in text]
            if named or len({trace.text.strip() for trace in found}) == 1:
                return found[-1]
            numbers = ", ".join(str(trace.line) for trace in found[:8])
            why = f"stands in the lines {numbers}{', ...' if len(found) > 8 else ''}" if found else "is in no line"
            raise OptionError(f"{line!r} {why} of the emitted module; give a number, or more of the text")
        if isinstance(line, bool) or not isinstance(line, int) or not 1 <= line <= len(self._lines):
            raise OptionError(f"the emitted module has the lines 1 to {len(self._lines)}, and no line {line!r}")
        return self._lines[line - 1]

    @property
    def table(self) -> Table:
        """The lines that compute something, each with what its name stands for."""
        computing = [trace for trace in self._lines if trace.parts]
        # What is not written needs no words: SymPy takes longer for those than the compiler for the module.
        rows = [*map(_row, computing[:LONGEST]), *[()] * (len(computing) - LONGEST)]
        return Table(f"Where the lines of {self._main} come from", ("line", "text", "from", "by"), rows)


def _row(trace: Trace) -> tuple[Cell, ...]:
    """A line in the table of all; of a result, what it is and what is done last."""
    parts = trace.parts
    first = parts[:2] if parts[0].rules[:1] and parts[0].rules[0].startswith(RESULT) else parts[:1]
    others = f" (and {len(parts) - len(first)} more)" if len(parts) > len(first) else ""
    by = "; ".join(map(_latest, first)) + others
    of = "; ".join(shown(expr) for part in first for expr in part.expressions)
    return Cell(str(trace.line)), formula(trace.text.strip()), formula(of), Cell(by)


def _latest(part: Part) -> str:
    """What was done last; all of it is told of one line. The steps before are common to nearly all of a series."""
    rules, before = part.rules[-_LATEST:], len(part.rules) - _LATEST
    if before > 0:
        return f"{'; '.join(rules)}, after {before} other{'s' * (before > 1)}"
    return "; ".join(rules) or "as it was written"


def shown(expr: Any) -> str:
    """An expression in a table; a large one by its kind."""
    stack, count = [expr], 0
    while stack and count <= _LARGEST:
        count += 1
        stack.extend(getattr(stack.pop(), "args", ()))
    if count > _LARGEST:
        return f"a {type(expr).__name__} of {len(expr.args)} parts"
    text = str(expr)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."
