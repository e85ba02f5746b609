"""What the front end could not take: collected over the whole expression, reported in one error."""

from __future__ import annotations

from typing import Any

from symbackprop.errors import MissingDerivative, UnsupportedExpression

_SHOWN = 10


def short(expr: Any, width: int = 60) -> str:
    """An expression for a message; a deep one by its kind alone, since printing recurses."""
    try:
        text = str(expr)
    except RecursionError:
        return f"a deep {type(expr).__name__}"
    return text if len(text) <= width else text[: width - 3] + "..."


class Problems:
    """A list of refusals, each with the place where it was met."""

    def __init__(self) -> None:
        self._found: list[tuple[str, str, type[UnsupportedExpression]]] = []

    def add(self, what: str, path: str, kind: type[UnsupportedExpression] = UnsupportedExpression) -> None:
        self._found.append((what, path, kind))

    def __bool__(self) -> bool:
        return bool(self._found)

    def raise_if_any(self) -> None:
        """Raise one error that lists everything."""
        if not self._found:
            return
        kinds = {kind for _, _, kind in self._found}
        error = MissingDerivative if kinds == {MissingDerivative} else UnsupportedExpression
        lines = [f"{what} (at {path})" for what, path, _ in self._found[:_SHOWN]]
        if len(self._found) > _SHOWN:
            lines.append(f"and {len(self._found) - _SHOWN} more")
        if len(lines) == 1:
            raise error(lines[0])
        raise error(f"{len(self._found)} things cannot be compiled:\n" + "\n".join(f"- {line}" for line in lines))
