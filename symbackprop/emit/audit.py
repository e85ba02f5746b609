"""Emitted text is parsed again and held against an allow-list before anything compiles or saves it.

Names are sanitised where they are allocated; this is the second lock on the same door. A module may import what the
targets import, define functions, assign, loop, branch on conditions, and call the functions it defines and the
attributes of math, np and special. Everything else is a bug of ours and is refused.
"""

from __future__ import annotations

import ast

from symbackprop.errors import InternalCompilerError

_NODES = (
    ast.Module,
    ast.FunctionDef,
    ast.arguments,
    ast.arg,
    ast.Return,
    ast.Assign,
    ast.AugAssign,
    ast.For,
    ast.If,
    ast.IfExp,
    ast.Raise,
    ast.Expr,
    ast.Call,
    ast.keyword,
    ast.Name,
    ast.Attribute,
    ast.Subscript,
    ast.Constant,
    ast.Tuple,
    ast.List,
    ast.ListComp,
    ast.comprehension,
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.expr_context,
    ast.operator,
    ast.unaryop,
    ast.boolop,
    ast.cmpop,
)
_MODULES = frozenset({"math", "np", "special"})
_BUILTINS = frozenset({"abs", "float", "len", "range", "max", "ValueError", "njit"})
# Assembled by this package from its own text, word for word; see `emit.module`.
IMPORTS = frozenset(
    {
        "import math",
        "import numpy as np",
        "from scipy import special",
        "from numba import njit",
    }
)


def audit(source: str, trusted: tuple[str, ...] = ()) -> None:
    """Raise InternalCompilerError unless the module is made of nothing but what emission makes.

    `trusted` are pieces of the module that are this package's own source, which are not looked into.
    """
    for piece in trusted:
        source = source.replace(piece, "", 1)
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise InternalCompilerError(f"emitted text does not parse: {error}") from error
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            if ast.unparse(statement) not in IMPORTS:
                _refuse(statement)
        else:
            _check(statement, defined)


def _check(statement: ast.stmt, defined: set[str]) -> None:
    assigned = {
        node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    assigned.update(node.arg for node in ast.walk(statement) if isinstance(node, ast.arg))
    for node in ast.walk(statement):
        if not isinstance(node, _NODES):
            _refuse(node)
        elif isinstance(node, ast.Attribute):
            if not isinstance(node.value, ast.Name) or node.value.id not in _MODULES or node.attr.startswith("_"):
                _refuse(node)
        elif isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Name | ast.Attribute):
                _refuse(node)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            if node.id not in assigned | defined | _MODULES | _BUILTINS and not node.id.startswith("_"):
                _refuse(node)


def _refuse(node: ast.AST) -> None:
    raise InternalCompilerError(f"emitted text holds something that emission never writes: {ast.unparse(node)[:80]!r}")
