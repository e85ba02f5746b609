"""LLVM assembly to machine code in this process, and to builtins that Python calls.

The code is made by llvmlite, which Numba brings, past Numba's own front end: 100 operations take 10 ms, 30,000 about
1.5 s, where a compilation by `numba.njit` takes 0.8 s and minutes.
"""

from __future__ import annotations

import ctypes
import functools
import platform
import sys
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

import numpy as np

from symbackprop.emit.llvm import LOOP, Assembly
from symbackprop.emit.llvm_blas import PREFIX
from symbackprop.emit.maths import OWN
from symbackprop.errors import JitError
from symbackprop.jit import cache
from symbackprop.jit.blocks import block_text
from symbackprop.jit.entry import CONSTANTS, FUNCTIONS, Nesting, declared, entries
from symbackprop.ops import Spelling

_QUICK = 400
"""A function of up to so many instructions, no loop and no BLAS keeps Python's lock: giving it back costs 50 ns."""
_OFTEN, _LINES, _FOREVER = 2_000, 6_000_000, -1
"""Straight-line code is made in haste first: a product of 1,000 takes LLVM 15 ms instead of 280, and runs in 4.3 us
instead of 2.0; one of 50 takes 12 ms to the first answer instead of 25. It is made again after so many calls, or as
many as run through so many lines, which come to a tenth or less of what the effort takes; or never."""
# Slots in the table of NumPy's C interface: PyArray_New and PyArray_Scalar.
_NEW_ARRAY, _NEW_SCALAR = 93, 60


def available() -> bool:
    """Whether this Python has objects of the layout that entries know."""
    return (
        sys.implementation.name == "cpython"
        and sys.maxsize == 2**63 - 1
        and getattr(sys, "_is_gil_enabled", lambda: True)()
        and platform.machine() in ("x86_64", "AMD64", "aarch64", "arm64")
    )


@functools.cache
def _machine(effort: int) -> Any:
    """What makes code for this processor, at this level of effort."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features().flatten()
    return _target().create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=effort, jit=True)


@functools.cache
def _target() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple()


def code_of(text: str, cached: bool, hasty: bool) -> tuple[bytes, bool]:
    """The machine code of a module, from the cache, if it may serve, or made now; and whether it was made in haste.

    What was once made with more effort is never made again, nor replaced by less.
    """
    if not cached:
        return object_code(text, hasty), hasty
    for found_hasty in (False, True) if hasty else (False,):
        code = cache.load(_key(text, found_hasty))
        if code is not None:
            return code, found_hasty
    code = object_code(text, hasty)
    cache.store(_key(text, hasty), code)
    return code, hasty


def _key(text: str, hasty: bool) -> str:
    return cache.key_of(text, f"{_processor()} {'in haste' if hasty else ''}")


@functools.cache
def _processor() -> str:
    """What machine code depends on."""
    import llvmlite.binding as llvm

    version = ".".join(map(str, llvm.llvm_version_info))
    features = llvm.get_host_cpu_features().flatten()
    return f"{version} {llvm.get_process_triple()} {llvm.get_host_cpu_name()} {features}"


def object_code(text: str, hasty: bool = False) -> bytes:
    """The machine code of a module, as an object file; straight-line code may be made in haste."""
    import llvmlite.binding as llvm

    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as error:
        raise JitError(f"LLVM refuses the program: {error}") from error
    # Straight-line code comes out of the compiler's own passes with nothing left to find: of Rosenbrock's function
    # in 1,000 variables LLVM's take 0.3 s and the higher effort 0.4 s more, and the code is no faster.
    if LOOP not in text:
        return bytes(_machine(0 if hasty else 1).emit_object(module))
    machine = _machine(2)
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))


@functools.cache
def width(dtype: str) -> int:
    """How many numbers a vector register of this processor holds."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    bits = 512 if features.get("avx512f") else 256 if features.get("avx2") else 128
    return bits // (64 if dtype == "float64" else 32)


class Loaded:
    """Machine code in this process: the addresses of its functions. It stays as long as this object."""

    def __init__(
        self, codes: Iterable[bytes], helpers: dict[str, tuple[Spelling, int]], libraries: tuple[str, ...]
    ) -> None:
        """Object files, whose functions may call each other's."""
        import llvmlite.binding as llvm

        self._kept = []
        for symbol in libraries:
            llvm.add_symbol(symbol, _blas(symbol.removeprefix(PREFIX)))
        for symbol, (spelling, arity) in helpers.items():
            address, owner = _helper(spelling.callee, spelling, arity)
            llvm.add_symbol(symbol, address)
            self._kept.append(owner)
        # An engine takes its machine along when it goes: it has one of its own, which makes no code and knows no
        # processor. To ask for the processor's features takes 0.2 ms.
        machine = _target().create_target_machine(opt=0, jit=True)
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        for code in codes:
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        found = int(self._engine.get_function_address(name))
        if not found:
            raise JitError(f"the compiled module has no function {name}")
        return found

    def variable(self, name: str, count: int) -> Any:
        """The words of a global variable, which keep the code that they belong to."""
        words = (ctypes.c_void_p * count).from_address(int(self._engine.get_global_value_address(name)))
        words.owner = self  # type: ignore[attr-defined]
        return words


def _blas(name: str) -> int:
    """The address of a function of BLAS or LAPACK, in the library that SciPy brings."""
    from scipy.linalg import cython_blas, cython_lapack

    functions = cython_blas.__pyx_capi__
    capsule = functions[name] if name in functions else cython_lapack.__pyx_capi__[name]
    title, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    title.restype, title.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(pointer(capsule, title(capsule)))


_HELPERS: dict[str, tuple[int, Any]] = {}


def _helper(symbol: str, spelling: Spelling, arity: int) -> tuple[int, Any]:
    """The address of a function that a row is spelled by, and what keeps it alive; one a process."""
    if symbol not in _HELPERS:
        assert spelling.helper is not None
        if spelling.binding:
            from scipy import special

            scope = {f.__name__: f for f in (spelling.helper, *spelling.uses)} | {"special": special}
            owner = eval(spelling.binding, scope)
            address = ctypes.cast(owner, ctypes.c_void_p).value
        else:
            from numba import cfunc, njit, types

            scope = dict(spelling.helper.__globals__)
            for function in spelling.uses:
                scope[function.__name__] = njit(error_model="numpy")(function)
            text: Any = spelling.helper
            copied = FunctionType(text.__code__, scope, text.__name__)
            owner = cfunc(types.float64(*[types.float64] * arity), error_model="numpy")(copied)
            address = owner.address
        assert address is not None
        _HELPERS[symbol] = int(address), owner
    return _HELPERS[symbol]


def _length(text: str) -> int:
    """The lines of a program, without those of the elementary functions that it calls."""
    functions = text.split("\ndefine ")
    return sum(function.count("\n") for function in functions if f"@{OWN}" not in function.split("(", 1)[0])


class Native:
    """The entries of one function of a program, each a builtin that returns results in another nesting.

    They leave to their caller what is no length in one of the positions `lengths`.
    """

    def __init__(
        self,
        assembly: Assembly,
        nestings: dict[str, Nesting],
        lengths: frozenset[int] = frozenset(),
        cached: bool = False,
        in_blocks: bool = False,
    ) -> None:
        lines, straight = _length(assembly.text), LOOP not in assembly.text
        quick = lines < _QUICK and straight and not assembly.libraries
        # Two operations that may be one are only in code that is made with effort: there the bits would differ.
        hasty = straight and " contract " not in assembly.text
        self._calls = max(_OFTEN, _LINES // lines)
        made = entries(assembly, nestings, lengths, quick, hasty)
        if in_blocks:
            made += f"\n{block_text(assembly)}"
        # What has loops takes the compiler effort, and its entries would take as much again: theirs is 24 ms of the 43
        # for a line through points, 41 of the 139 for a small network, and in haste 2 to 4.
        self._texts = [f"{assembly.text}\n{made}\n"] if straight else [assembly.text, f"{declared(assembly)}\n{made}\n"]
        self._assembly, self._names, self._cached = assembly, tuple(nestings), cached
        self.errors = assembly.errors
        self._load(hasty)

    def _load(self, hasty: bool) -> None:
        """All is made before any of it can be seen: another thread may call, or load, at any moment."""
        kernel, *apart = self._texts
        code, made_hasty = code_of(kernel, self._cached, hasty)
        codes = [code, *[code_of(text, self._cached, hasty=True)[0] for text in apart]]
        loaded = Loaded(codes, self._assembly.helpers, self._assembly.libraries)
        _fill(loaded, self._assembly.dtype)
        budget = loaded.variable("budget", 1)
        budget[0] = self._calls if made_hasty else _FOREVER
        self.entries = {name: _builtin(loaded, name) for name in self._names}
        self.loaded, self._budget, self._hasty = loaded, budget, made_hasty

    @property
    def is_due(self) -> bool:
        """Whether code that was made in haste has been called often: it is worth more effort now."""
        return self._hasty and not self._budget[0]

    def count(self) -> None:
        """Count a call that goes past the entries which count themselves."""
        if self._hasty and self._budget[0]:
            self._budget[0] -= 1

    def improve(self) -> None:
        """Make the code once more, with effort. Builtins that somebody holds stay what they are, and return
        NotImplemented; `entries` are new ones. Nothing happens where that is done already.
        """
        if self._hasty:
            self._load(hasty=False)


def _fill(loaded: Loaded, dtype: str) -> None:
    """The constants of the entries: objects that live as long as the process."""
    objects = {
        "NotImplemented": NotImplemented,
        "float": float,
        "numpy.float64": np.float64,
        "numpy.float32": np.float32,
        "int": int,
        "ndarray": np.ndarray,
        "real": np.dtype(dtype),
        "integer": np.dtype(np.int64),
    }
    found = [*[id(objects[name]) for name in CONSTANTS], *_addresses()]
    constants = loaded.variable("constants", len(found))
    constants[:] = found


@functools.cache
def _addresses() -> tuple[int, ...]:
    """Where the functions are that entries call."""
    table = _numpy_interface()
    known = {"PyArray_New": table[_NEW_ARRAY], "PyArray_Scalar": table[_NEW_SCALAR]}
    pythons = (name for name in FUNCTIONS if name not in known)
    known |= {name: ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value for name in pythons}
    return tuple([known[name] for name in FUNCTIONS])


def _builtin(loaded: Loaded, name: str) -> Callable[..., Any]:
    address = loaded.address(f"entry_{name}")
    definition = _MethodDefinition(name.encode(), address, _FASTCALL, None)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
    # The builtin owns its definition and its code: CPython reads both while it takes the builtin apart.
    made: Callable[..., Any] = make(ctypes.addressof(definition), (loaded, definition), None)
    return made


_FASTCALL = 0x80


class _MethodDefinition(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


@functools.cache
def _numpy_interface() -> Any:
    """The table of NumPy's C interface."""
    from numpy._core import multiarray

    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return (ctypes.c_void_p * 200).from_address(pointer(multiarray._ARRAY_API, None))
