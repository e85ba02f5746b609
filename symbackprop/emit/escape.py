"""The one way in which a user's text gets into emitted files: on one line, and inert.

Letters and digits of any left-to-right script stay as they are; everything else that is not plain ASCII is escaped, so
that nothing can hide, reorder or end what it stands in.
"""

from __future__ import annotations

import re
import unicodedata


def _stays(char: str) -> bool:
    if " " <= char <= "~":
        return char != "\\"
    return unicodedata.bidirectional(char) == "L" and unicodedata.category(char) in ("Ll", "Lu", "Lo", "Nd")


def comment(text: str) -> str:
    r"""Text for people, as it may stand in a comment or a docstring of an emitted file.

    >>> print(comment('a\nb"' + chr(0x202e) + chr(955)))
    a\\nb'\\u202eλ
    """
    return _escaped(text.replace('"', "'"))


def exact(text: str) -> str:
    """Like `comment`, for text that `original` gives back, whatever it holds, once Python has read the docstring.

    >>> original(eval(f'"{exact(chr(34) + chr(92) + chr(955) + chr(10))}"')) == chr(34) + chr(92) + chr(955) + chr(10)
    True
    """
    return _escaped(text.replace("\\", "\\x5c").replace('"', "\\x22"))


def original(text: str) -> str:
    """What `exact` was given, from the text of a parsed docstring."""
    escapes = r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|[nrt])"
    return re.sub(escapes, lambda match: match[0].encode("ascii").decode("unicode_escape"), text)


def _escaped(text: str) -> str:
    pieces = []
    for char in text:
        if _stays(char):
            pieces.append(char)
        else:
            escape = char if char == "\\" else char.encode("unicode_escape").decode("ascii")
            pieces.append(escape.replace("\\", "\\\\"))
    return "".join(pieces)
