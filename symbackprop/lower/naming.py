"""Identifiers are allocated, never copied: ASCII, unique, no keyword, nothing that the module itself uses.

A user's name survives where it is an identifier already and is transliterated where it is not: Greek letters by their
names, primes as `_prime`, TeX without its backslashes and braces. What the original was stands in the header only.
"""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata

from symbackprop.ir import Graph

# Module names, and the names that emitted modules define.
RESERVED = frozenset(
    {"math", "np", "numpy", "special", "linalg", "njit", "numba", "scipy", "ctypes", "value", "work", "_inputs"}
    | {"grad", "jacobian", "hessian", "hvp", "jvp", "vjp", "function"}
    | {
        "value_and_grad",
        "value_and_jacobian",
        "value_and_hessian",
        "value_and_hvp",
        "value_and_jvp",
        "value_and_vjp",
    }
    | set(keyword.kwlist)
    | set(keyword.softkwlist)
    | set(dir(builtins))
)
_LONGEST = 32
_GREEK = re.compile(r"GREEK (SMALL|CAPITAL) LETTER (?:FINAL )?(\w+)$")


def readable(name: str) -> str:
    r"""An ASCII identifier that resembles `name`.

    >>> [readable(name) for name in (r"\theta_{1}", "x'", "λ", "lambda", "2x", "x0; import os")]
    ['theta_1', 'x_prime', 'lamda', 'lambda', 'x_2x', 'x0_import_os']
    """
    # Most are identifiers already: adjoints and results of ours.
    plain_name = name.isascii() and name.isidentifier()
    pieces = [name] if plain_name else []
    for char in "" if plain_name else unicodedata.normalize("NFKC", name):
        greek = _GREEK.match(unicodedata.name(char, ""))
        if char.isascii() and (char.isalnum() or char == "_"):
            pieces.append(char)
        elif greek:
            pieces.append(greek[2].lower() if greek[1] == "SMALL" else greek[2].capitalize())
        elif char in "'\N{PRIME}":
            pieces.append("_prime")
        elif char not in "\\{}$":
            plain = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
            pieces.append(plain if plain.isalnum() else "_")
    text = re.sub(r"_+", "_", "".join(pieces)).lstrip("_")[:_LONGEST].rstrip("_")
    if not text:
        return "symbol"
    return f"x_{text}" if text[0].isdigit() else text


def stem(graph: Graph, index: int) -> str:
    """What a value without a name is called, as textbooks do: Z1 for a matrix, A1 for a function of Z1, z1, a1 for
    vectors, v1 for numbers.
    """
    node = graph.nodes[index]
    if not node.type.shape:
        return "v"
    capital = len(node.type.shape) > 1
    linear = node.op.name in ("add", "sub", "neg") or not node.op.elementwise
    return ("Z" if linear else "A") if capital else ("z" if linear else "a")


class Namer:
    """Hands out identifiers, each once."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self._next: dict[str, int] = {}

    def allocate(self, wanted: str) -> str:
        """`wanted` made an identifier; with an underscore if it is reserved, with a number if it is taken.

        >>> n = Namer()
        >>> n.allocate("x"), n.allocate("x"), n.allocate("np")
        ('x', 'x_2', 'np_')
        """
        base = readable(wanted)
        if base in RESERVED:
            base += "_"
        name = base
        while name in self.taken:
            self._next[base] = self._next.get(base, 1) + 1
            name = f"{base}_{self._next[base]}"
        self.taken.add(name)
        return name

    def temporary(self, stem: str = "v") -> str:
        """The next of v1, v2, ... that is free."""
        while True:
            number = self._next[stem] = self._next.get(stem, 0) + 1
            name = f"{stem}{number}"
            if name not in self.taken:
                self.taken.add(name)
                return name
