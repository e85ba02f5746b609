"""The house rules: who may import what, how long a file may be, what is exported."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import symbackprop

PACKAGE = Path(symbackprop.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# Each room may import those before it; `compiler` alone knows them all in order, and what stands after it uses that.
ORDER = (
    ("version", "errors"),
    ("options", "collection", "keywords"),
    ("ops",),
    ("ir",),
    ("frontend", "ad", "passes"),
    ("lower",),
    ("emit",),
    ("jit",),
    ("runtime",),
    ("agreement", "statistics"),
    ("compiler",),
    ("loop_compiler",),
    ("check",),
    ("train", "show"),
    ("api",),
    ("bench",),
    ("cli_bench", "cli_fit", "cli_show"),
    ("cli",),
    ("__init__", "__main__"),
)
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
# SymPy and Numba stay where they belong; `mpmath` and SciPy are mathematics and may be anywhere.
ONLY_IN = {"sympy": {"frontend", "train", "bench"}, "numba": {"jit"}, "llvmlite": {"jit"}, "flint": {"ir", "check"}}
# Source that is pasted into emitted modules, which import Numba themselves.
PASTED = {PACKAGE / "ops" / "special.py"}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nobody_imports_upstream(path: Path) -> None:
    room = room_of(path)
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] == "symbackprop" and room not in ("__init__", "__main__"):
            other = parts[1] if len(parts) > 1 else "__init__"
            assert other == room or LEVEL[other] < LEVEL[room], f"{room} imports {name}"
        if parts[0] in ONLY_IN and path not in PASTED:
            assert room in ONLY_IN[parts[0]], f"{room} imports {parts[0]}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_short_and_say_what_they_own(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") < 400
    assert ast.get_docstring(ast.parse(text)), f"{path} has no docstring"


def test_numba_is_imported_only_when_something_goes_through_it() -> None:
    code = (
        "import sys, sympy, symbackprop\n"
        "x = sympy.Symbol('x')\n"
        "symbackprop.emit_module(sympy.sin(x), x, target='numba')\n"
        "symbackprop.compile_grad(sympy.sin(x), x)\n"
        "assert 'numba' not in sys.modules and 'llvmlite' not in sys.modules\n"
        "assert symbackprop.compile_grad(sympy.sin(x), x)(0.0) == 1.0\n"
        "assert 'numba' not in sys.modules and 'llvmlite' in sys.modules\n"
        "assert symbackprop.compile_grad(x**2, [(x,)], args=[(x,)])([3])[0][0] == 6.0\n"
        "assert 'numpy.ma' not in sys.modules\n"
        "assert symbackprop.compile_grad(sympy.sin(x), x, route='njit')(0.0) == 1.0\n"
        "assert 'numba' in sys.modules\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_scipy_is_imported_only_for_models_that_need_it() -> None:
    code = (
        "import sys, sympy, symbackprop\n"
        "x = sympy.Symbol('x')\n"
        "for backend in ('python', 'numpy', 'numba'):\n"
        "    assert symbackprop.compile_grad(sympy.sin(x), x, backend=backend)(0.0) == 1.0\n"
        "assert not [name for name in sys.modules if name.startswith('scipy.')]\n"
        "assert symbackprop.compile_grad(sympy.erfinv(x), x, backend='numpy')(0.0) > 0.88\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_python_flint_is_imported_only_by_checks() -> None:
    code = (
        "import sys, sympy, symbackprop\n"
        "x = sympy.Symbol('x')\n"
        "assert symbackprop.compile_grad(sympy.sin(x), x, backend='python')(0.0) == 1.0\n"
        "symbackprop.emit_module(sympy.sin(x), x, verify='none')\n"
        "assert 'flint' not in sys.modules\n"
        "sys.modules['flint'] = None\n"
        "assert 'Verified when written' in symbackprop.emit_module(sympy.sin(x), x)\n"
    )
    # Left to itself, SymPy takes its integers from python-flint.
    environment = {**os.environ, "SYMPY_GROUND_TYPES": "python"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr


def test_scikit_learn_is_imported_when_an_estimator_is_asked_for_and_missed_by_name() -> None:
    code = (
        "import sys, symbackprop\n"
        "assert 'sklearn' not in sys.modules\n"
        "sys.modules['sklearn'] = None\n"
        "try:\n"
        "    symbackprop.SymbolicRegressor\n"
        "except symbackprop.OptionError as error:\n"
        "    assert str(error).endswith(\"needs scikit-learn: pip install 'symbackprop[sklearn]'\"), error\n"
        "else:\n"
        "    raise AssertionError\n"
        "assert not hasattr(symbackprop, 'Symbolic')\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_all_that_is_exported_is_meant_to_be() -> None:
    public = {name for name in vars(symbackprop) if not name.startswith("_")}
    modules = {room_of(path) for path in FILES}
    assert public - modules == set(symbackprop.__all__) - {"__version__"}
    for name in symbackprop.__all__:
        thing = getattr(symbackprop, name)
        assert isinstance(thing, str) or thing.__doc__, f"{name} has no docstring"


def test_every_error_derives_from_the_base_and_from_a_builtin() -> None:
    errors = [
        thing
        for name in symbackprop.__all__
        if isinstance(thing := getattr(symbackprop, name), type) and issubclass(thing, Exception)
    ]
    ours = [error for error in errors if issubclass(error, symbackprop.SymbackpropError)]
    builtin = (ValueError, TypeError, NotImplementedError, RuntimeError, IndexError)
    assert len(ours) >= 12
    assert all(issubclass(error, builtin) for error in ours if error is not symbackprop.SymbackpropError)
