"""Model files: Python files that define SymPy expressions, and how the command line names what is in them."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import sympy as sp
from sympy.tensor.array.expressions import ArraySymbol

from symbackprop.errors import ModelError
from symbackprop.frontend.atoms import name_of
from symbackprop.frontend.model import split_cse

_INPUTS = (sp.Symbol, sp.MatrixSymbol, sp.IndexedBase, ArraySymbol)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One expression of a model file, with the file's other names."""

    path: Path
    name: str
    expr: Any
    scope: Mapping[str, Any]

    def symbols(self, text: str | None, what: str) -> Any:
        """Symbols out of ``"w,b"`` or ``"(q1,q2),x"``: by the symbol's own name, or by a name of the file.

        A name of the file may stand for a tuple of symbols, which is one packed array. None stays None.
        """
        if text is None:
            return None
        return [self._read(item, what) for item in _items(text, what)]

    def at(self) -> Mapping[str, float] | None:
        """The file's `AT`, flattened to one number a symbol: a plausible point to check gradients at."""
        given = self.scope.get("AT")
        if given is None:
            return None
        if not isinstance(given, Mapping):
            raise ModelError(f"{self.path}: AT must be a dict of numbers by symbol name, not a {type(given).__name__}")
        point: dict[str, float] = {}
        for name, value in given.items():
            members = self.scope.get(str(name))
            if isinstance(value, list | tuple) and isinstance(members, list | tuple | sp.Tuple):
                if len(value) != len(members):
                    raise ModelError(f"{self.path}: AT[{name!r}] has {len(value)} numbers for {len(members)} symbols")
                point.update({s.name: self._number(name, x) for s, x in zip(members, value, strict=True)})
            else:
                point[str(name)] = self._numbers(name, value)
        return point

    def _numbers(self, name: Any, value: Any) -> Any:
        """A number, or an array of numbers: integers stay integers."""
        try:
            array = np.asarray(value)
            if array.ndim:
                return array if array.dtype.kind in "iu" else array.astype(np.float64)
        except (TypeError, ValueError):
            raise ModelError(f"{self.path}: AT[{name!r}] is no array of numbers: {value!r}") from None
        return self._number(name, value)

    def _number(self, name: Any, value: Any) -> float:
        try:
            return float(value)
        except (TypeError, ValueError):
            raise ModelError(f"{self.path}: AT[{name!r}] is no number: {value!r}") from None

    def _read(self, item: str | list[str], what: str) -> Any:
        if isinstance(item, list):
            return tuple(self._one(name, what) for name in item)
        found = self._one(item, what)
        return tuple(found) if isinstance(found, list | tuple | sp.Tuple) else found

    def _one(self, name: str, what: str) -> Any:
        known = {name_of(symbol): symbol for symbol in self._free_symbols()}
        if name in known:
            return known[name]
        found = self.scope.get(name)
        if isinstance(found, _INPUTS) or (
            isinstance(found, list | tuple | sp.Tuple) and found and all(isinstance(part, sp.Symbol) for part in found)
        ):
            return found
        raise ModelError(
            f"{what} names {name!r}, no symbol of {self.name} and no name of {self.path} for one;"
            f" the symbols are {', '.join(sorted(known))}"
        )

    def _free_symbols(self) -> list[Any]:
        let, body = split_cse(self.expr)
        bound = {symbol for symbol, _ in let}
        found: dict[Any, None] = {}
        seen: set[int] = set()
        stack = [*([body] if isinstance(body, sp.Basic | sp.MatrixBase) else body), *[value for _, value in let]]
        while stack:
            expr = stack.pop()
            if id(expr) not in seen:
                seen.add(id(expr))
                if isinstance(expr, _INPUTS):
                    found.setdefault(expr)
                bound.update(getattr(expr, "bound_symbols", ()))
                # The label of an indexed base is a symbol of the base's name, but no input.
                stack.extend(expr.args[1:] if isinstance(expr, sp.IndexedBase) else expr.args)
        return [symbol for symbol in found if symbol not in bound]


def load_model(reference: str) -> ModelFile:
    """The expression that ``PATH.py:NAME`` names. Runs the file. Raises ModelError with one clear line."""
    path_text, colon, name = reference.rpartition(":")
    if not colon or not path_text or not name.isidentifier():
        alone = Path(reference)
        hint = _defined(vars(run_file(alone))) if alone.suffix == ".py" and alone.is_file() else ""
        raise ModelError(
            f"{reference!r} is not of the form MODEL.py:NAME, a Python file and a name that it defines{hint}"
        )
    path = Path(path_text)
    scope = vars(run_file(path))
    if name not in scope:
        raise ModelError(f"{path} has no {name!r}{_defined(scope)}")
    expr = scope[name]
    _, body = split_cse(expr)
    if not all(
        isinstance(part, sp.Basic | sp.MatrixBase) for part in (body if isinstance(body, list | tuple) else [body])
    ):
        raise ModelError(f"{path}:{name} is a {type(expr).__name__}, not a SymPy expression or what sympy.cse returns")
    return ModelFile(path, name, expr, scope)


def _defined(scope: Mapping[str, Any]) -> str:
    """What to say of the expressions of a file."""
    found = [key for key, value in scope.items() if _is_model(value)]
    return f"; it defines {', '.join(sorted(found)[:8])}" if found else "; it defines no expression at all"


def _is_model(value: Any) -> bool:
    _, body = split_cse(value)
    return isinstance(body, sp.Expr) and not isinstance(body, sp.Symbol | sp.Number)


def run_file(path: Path) -> ModuleType:
    """What a Python file defines. Raises ModelError with one clear line."""
    if not path.is_file():
        raise ModelError(f"there is no file {path}")
    # A model may import its neighbours, as a script does.
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec = importlib.util.spec_from_file_location("symbackprop_model", path)
        if spec is None or spec.loader is None:
            raise ModelError(f"{path} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        # What a model prints is not what the command prints.
        with contextlib.redirect_stdout(sys.stderr):
            sys.modules[spec.name] = module  # dataclasses look their own module up
            spec.loader.exec_module(module)
    except ModelError:
        raise
    except (Exception, SystemExit) as error:
        line = _line_in(error, path)
        where = f" at line {line}" if line else ""
        said = str(error).splitlines()[0] if str(error) else ""
        raise ModelError(f"{path} cannot be run{where}: {type(error).__name__}{f': {said}' if said else ''}") from error
    finally:
        sys.modules.pop("symbackprop_model", None)
        sys.dont_write_bytecode = writes_bytecode
        sys.path.remove(folder)
    return module


def _line_in(error: BaseException, path: Path) -> int | None:
    if isinstance(error, SyntaxError):
        return error.lineno
    trace, line = error.__traceback__, None
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).resolve() == path.resolve():
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _items(text: str, what: str) -> list[str | list[str]]:
    """``"(q1,q2),x"`` to ``[["q1", "q2"], "x"]``. Commas separate; brackets pack."""
    items: list[str | list[str]] = []
    pack: list[str] | None = None
    for piece in text.replace("(", ",(,").replace(")", ",),").split(","):
        piece = piece.strip()
        if piece == "(" and pack is None:
            pack = []
        elif piece == ")" and pack:
            items.append(pack)
            pack = None
        elif piece in ("(", ")"):
            raise ModelError(f"{what} has unbalanced or empty brackets: {text!r}")
        elif piece:
            (items if pack is None else pack).append(piece)
    if pack is not None or not items:
        raise ModelError(f"{what} must be names with commas between, (a,b) for a packed array; got {text!r}")
    return items
