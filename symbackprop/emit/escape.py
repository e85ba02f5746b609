"""The one way in which a user's text gets into emitted files: printable ASCII, on one line, inert."""

from __future__ import annotations


def comment(text: str) -> str:
    r"""Text that may stand in a comment or docstring.

    >>> comment('a\nb"' + chr(0x202e) + chr(92))
    "a\\nb'\\u202e\\\\"
    """
    pieces = []
    for char in text:
        if char == '"':
            pieces.append("'")
        elif char == "\\":
            pieces.append("\\\\")
        elif " " <= char <= "~":
            pieces.append(char)
        else:
            pieces.append(char.encode("unicode_escape").decode("ascii"))
    return "".join(pieces)
