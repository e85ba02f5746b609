"""The one way in which a user's text gets into pictures and tables: visible, on one line, and inert."""

from __future__ import annotations

import html
import re
import unicodedata

_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def visible(text: str) -> str:
    r"""Text in which nothing hides or reorders: control characters, marks and line ends are written as escapes.

    >>> print(visible("a" + chr(10) + "b" + chr(0x202e)))
    a\nb\u202e
    """
    return "".join(
        char.encode("unicode_escape").decode("ascii") if unicodedata.category(char) in _HIDDEN else char
        for char in text
    )


def for_xml(text: str) -> str:
    """Text of HTML or SVG, or of an attribute in it."""
    return html.escape(visible(text), quote=True)


def for_markdown_code(text: str) -> str:
    """A code span in a cell of a Markdown table.

    >>> for_markdown_code("a|b"), for_markdown_code("`")
    ('`a\\\\|b`', '`` ` ``')
    """
    text = visible(text).replace("|", "\\|")
    runs, longest = 0, 0
    for char in text:
        runs = runs + 1 if char == "`" else 0
        longest = max(longest, runs)
    if not longest:
        return f"`{text}`"
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}"


def for_markdown(text: str) -> str:
    """Plain text in Markdown: what could mean something there is an entity."""
    return "".join(f"&#{ord(c)};" if c in "\\`*_{}[]<>#|&~$!" else c for c in visible(text))


def for_mermaid(text: str) -> str:
    """Text inside quotes in Mermaid, whose own entities are #NN; codes.

    >>> for_mermaid('<b>"'), for_mermaid("a:b")
    ('#60;b#62;#34;', 'a#58;b')
    """
    # A colon, too: Mermaid takes "style:x#95;" for a style, and the semicolon away. A backslash before an n would end
    # the line, however it is written: it becomes the sign that looks like one.
    text = visible(text).replace("\\n", "\N{SET MINUS}n")
    inner = "".join(c if c.isalnum() or c in " =+/(),.-" else f"#{ord(c)};" for c in text)
    # A label that starts like a list item is refused: "- x", "1. x".
    return re.sub(r"^([0-9]*)([-+.]) ", lambda match: f"{match[1]}#{ord(match[2])}; ", inner)


def for_dot(text: str) -> str:
    r"""Text of a label in Graphviz's language that resembles HTML, where a backslash still means something.

    >>> print(for_dot("a\\N<b>"))
    a&#92;&#92;N&lt;b&gt;
    """
    return for_xml(text).replace("\\", "&#92;&#92;")


_LATEX = {
    "\\": "{\\backslash}",
    "{": "\\{",
    "}": "\\}",
    "$": "\\$",
    "&": "\\&",
    "#": "\\#",
    "%": "\\%",
    "_": "\\_",
    "^": "{\\wedge}",
    "~": "{\\sim}",
    "<": "{<}",
    " ": "\\ ",
}


def for_latex(text: str) -> str:
    """Text in LaTeX's mathematics, inside braces."""
    return "".join(_LATEX.get(char, char) for char in visible(text))
