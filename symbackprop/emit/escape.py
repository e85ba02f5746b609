"""The one way in which a user's text gets into emitted files: printable ASCII, on one line, inert."""

from __future__ import annotations


def comment(text: str) -> str:
    r"""Text for people, as it may stand in a comment or a docstring of an emitted file.

    >>> comment('a\nb"' + chr(0x202e) + chr(92))
    "a\\\\nb'\\\\u202e\\\\"
    """
    pieces = []
    for char in text:
        if char == '"':
            pieces.append("'")
        elif " " <= char <= "~" and char != "\\":
            pieces.append(char)
        else:
            pieces.append("\\" + ("\\" if char == "\\" else char.encode("unicode_escape").decode("ascii")))
    return "".join(pieces)


def exact(text: str) -> str:
    """Text that `original` gives back, whatever it holds, once `comment` and Python's parser have been over it.

    >>> original(exact('"' + chr(92) + chr(955))) == '"' + chr(92) + chr(955)
    True
    """
    return text.encode("unicode_escape").decode("ascii").replace('"', "\\x22")


def original(text: str) -> str:
    """The inverse of `exact`."""
    return text.encode("ascii").decode("unicode_escape")
