"""Emitted text is parsed again and held against an allow-list before anything compiles or saves it.

Names are sanitised where they are allocated; this is the second lock on the same door. A module may import what the
targets import, define functions, assign, loop, branch on conditions, and call the functions it defines and the
attributes of math, np and special. Everything else is a bug of ours and is refused.
"""

from __future__ import annotations

import ast
from typing import NoReturn

from symbackprop.errors import InternalCompilerError

_STATEMENTS_AND_EXPRESSIONS = frozenset(
    {
        ast.Return,
        ast.AugAssign,
        ast.Break,
        ast.For,
        ast.If,
        ast.IfExp,
        ast.Raise,
        ast.Expr,
        ast.keyword,
        ast.Constant,
        ast.Tuple,
        ast.List,
        ast.ListComp,
        ast.comprehension,
        ast.BinOp,
        ast.UnaryOp,
        ast.BoolOp,
        ast.Compare,
        ast.Assign,
        ast.Subscript,
        ast.Slice,
        ast.GeneratorExp,
    }
)
_MODULES = frozenset({"math", "np", "special"})
_BUILTINS = frozenset({"abs", "any", "float", "int", "len", "range", "max", "min", "ValueError", "njit"})
# What may be asked of any array.
_OF_ARRAYS = frozenset({"T", "mT", "shape", "sum", "prod", "max", "min", "copy", "ravel", "reshape", "astype"})
# Functions that stand a level deeper in a module.
_INNER = frozenset({"np.add.at", "np.linalg.det"})
# Assembled by this package from its own text, word for word; see `emit.module`.
IMPORTS = frozenset(
    {
        "import math",
        "import numpy as np",
        "from scipy import linalg",
        "from scipy import special",
        "from scipy import linalg, special",
        "from numba import njit",
    }
)


def audit(source: str, helpers: frozenset[str] = frozenset()) -> ast.Module:
    """The parsed module; InternalCompilerError unless it is made of nothing but what emission makes.

    `helpers` are the texts of functions that this package pastes in as they are; a function with exactly such a text is
    not looked into.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise InternalCompilerError(f"emitted text does not parse: {error}") from error
    lines = source.splitlines() if helpers else []
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            if ast.unparse(statement) not in IMPORTS:
                _refuse(statement)
        elif "\n".join(lines[statement.lineno - 1 : statement.end_lineno]) not in helpers:
            _check(statement, defined)
    return tree


def _check(statement: ast.stmt, defined: set[str]) -> None:
    """Walk one top-level statement; names that it reads must be assigned in it, defined beside it, or built in."""
    known = _MODULES | _BUILTINS | defined
    read: list[ast.Name] = []
    assigned: set[str] = set()
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop()
        kind = type(node)
        if kind is ast.Name:
            if type(node.ctx) is ast.Store:  # type: ignore[attr-defined]
                assigned.add(node.id)  # type: ignore[attr-defined]
            else:
                read.append(node)  # type: ignore[arg-type]
            continue
        if kind is ast.Attribute:
            owner = node.value  # type: ignore[attr-defined]
            if node.attr in _OF_ARRAYS:  # type: ignore[attr-defined]
                stack.append(owner)
                continue
            if ast.unparse(node) in _INNER:
                continue
            if type(owner) is not ast.Name or owner.id not in _MODULES or node.attr.startswith("_"):  # type: ignore[attr-defined]
                _refuse(node)
            continue
        if kind is ast.Call:
            if type(node.func) not in (ast.Name, ast.Attribute):  # type: ignore[attr-defined]
                _refuse(node)
        elif kind is ast.FunctionDef:
            assigned.update(argument.arg for argument in node.args.args)  # type: ignore[attr-defined]
            stack.extend((*node.body, *node.decorator_list))  # type: ignore[attr-defined]
            continue
        elif kind not in _STATEMENTS_AND_EXPRESSIONS:
            _refuse(node)
        for name in kind._fields:
            child = getattr(node, name)
            if isinstance(child, ast.AST):
                if not isinstance(child, _LEAVES):
                    stack.append(child)
            elif type(child) is list:
                stack.extend([item for item in child if not isinstance(item, _LEAVES)])
    for used in read:
        if used.id not in known and used.id not in assigned and not used.id.startswith("_"):
            _refuse(used)


_LEAVES = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)


def _refuse(node: ast.AST) -> NoReturn:
    raise InternalCompilerError(f"emitted text holds something that emission never writes: {ast.unparse(node)[:80]!r}")
