"""The direct route of backend numba: a program's functions as machine code, each compiled when it is first called.

The builtins that come out take the arguments as `runtime.door` casts them. Two of them return what users get, in the
structure of their model; they serve calls whose arguments need no casting without a further step in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from symbackprop.emit.llvm import Assembly, NotLoweredError, assemble
from symbackprop.errors import InternalCompilerError
from symbackprop.ir.signature import Signature, Structure
from symbackprop.jit.entry import FLAT, Nesting
from symbackprop.jit.into import Into
from symbackprop.jit.kernel import kernel
from symbackprop.jit.native import Native, available, width
from symbackprop.lower import Program, each
from symbackprop.options import Options

EACH = "_each"
"""The suffix of a function over arrays of entries; see `lower.each`."""


class Direct:
    """The functions of a program."""

    def __init__(
        self,
        signature: Signature,
        dtype: str,
        programs: Callable[[str], Program] | None = None,
        assemblies: dict[str, Assembly] | None = None,
        options: Options | None = None,
    ) -> None:
        self.options = options or Options()
        self.signature, self.dtype, self.programs = signature, dtype, programs
        self.assemblies = assemblies or {}
        self.natives: dict[str, Native] = {}
        self.intos: dict[str, Into] = {}

    @cached_property
    def is_whole(self) -> bool:
        """Whether the program has a form in LLVM's assembly."""
        try:
            self.assembly(self.main)
        except NotLoweredError:
            return False
        return True

    @property
    def main(self) -> str:
        return self.signature.main

    def assembly(self, name: str) -> Assembly:
        if name not in self.assemblies:
            if self.programs is None:
                raise InternalCompilerError(f"{name} was never written")
            own = name.removesuffix(EACH)
            program = each(self.programs(own), own) if name.endswith(EACH) else self.programs(own)
            self.assemblies[name] = assemble(
                program, name, self.dtype, width(self.dtype), self.options.contract, self.options.fast_sums
            )
        return self.assemblies[name]

    def native(self, name: str) -> Native:
        if name not in self.natives:
            arguments = self.signature.arguments
            lengths = frozenset(position for position, argument in enumerate(arguments) if argument.dimension)
            self.natives[name] = Native(self.assembly(name), self._nestings(name), lengths, self.options.cache)
        return self.natives[name]

    def run(self, name: str, values: list[Any]) -> Any:
        """What the emitted function of this name returns, in its nesting."""
        native = self.native(name)
        if native.is_due:
            native.improve()
        native.count()
        result = native.entries[FLAT](*values)
        if type(result) is int:
            kind, text = native.errors[result - 1]
            raise kind(text)
        if result is NotImplemented:
            raise InternalCompilerError(f"{name} was called with other arguments than it was compiled for")
        return result

    @cached_property
    def kernel(self) -> Any:
        """The main function for callers that Numba compiles."""
        name = self.main
        native = self.native(name)
        native.improve()
        loaded = native.loaded
        addresses = loaded.address(name), loaded.address(f"{name}_extents")
        return kernel(self.assembly(name), addresses, loaded, self._nestings(name)[FLAT])

    def into(self, name: str) -> Into:
        """A function that fills arrays of the caller's."""
        if name not in self.intos:
            native = self.native(name)
            # Who keeps arrays for the results calls often.
            native.improve()
            self.intos[name] = Into(self.assembly(name), native.loaded)
        return self.intos[name]

    def columns(self, name: str, values: list[Any]) -> list[Any]:
        """The results of a function over 1-D arrays of its numbers: an array each, with an axis of entries in front."""
        return list(self.run(f"{name}{EACH}", values))

    def entries(self, name: str) -> dict[str, Callable[..., Any]]:
        """The builtins that return what users get."""
        return {results: entry for results, entry in self.native(name).entries.items() if results != FLAT}

    def all_assemblies(self) -> dict[str, Assembly]:
        """The text of everything that may be called, for another process."""
        names = ["value", self.main]
        if any(argument.is_scalar for argument in self.signature.arguments) and self.takes_columns:
            names += [f"{name}{EACH}" for name in names]
        return {name: self.assembly(name) for name in names}

    @property
    def takes_columns(self) -> bool:
        """Whether arrays may be passed for numbers: no argument is an array itself, but for packed ones."""
        arguments = self.signature.arguments
        return not any(argument.shape or argument.batched for argument in arguments)

    def _nestings(self, name: str) -> dict[str, Nesting]:
        """The emitted function's own nesting, and those that users get."""
        signature, count = self.signature, self.signature.value_count
        if name.endswith(EACH):
            return {FLAT: ("tuple", tuple(range(len(self.assembly(name).results))))}
        bare_value, bare_leaf = signature.values.kind == "leaf", signature.structure.kind == "leaf"
        values: Nesting = 0 if bare_value else ("tuple", tuple(range(count)))
        users = _nesting(signature.values, iter(range(count)))
        found: dict[str, Nesting] = {FLAT: values}
        if name == "value":
            if users is not None:
                found |= {"value": users} | ({"derivative": users} if signature.mode == "function" else {})
            return found
        total = count + len(signature.leaves)
        leaves: Nesting = count if bare_leaf else ("tuple", tuple(range(count, total)))
        found[FLAT] = "tuple", (values, leaves)
        derivative = _nesting(signature.structure, iter(range(count, total)))
        if users is not None and derivative is not None:
            found |= {"derivative": derivative, "both": ("tuple", (users, derivative))}
        return found


def direct_route(programs: Callable[[str], Program], signature: Signature, options: Options) -> Direct | None:
    """The direct route, where it is wanted and this Python has it; `programs` gives the program of a function."""
    if options.target != "numba" or options.route != "direct" or not available():
        return None
    return Direct(signature, options.dtype, programs, options=options)


def _nesting(structure: Structure, positions: Any) -> Nesting | None:
    """A structure over positions of results; None where there is a dict in it."""
    if structure.kind == "leaf":
        return int(next(positions))
    items = [_nesting(item, positions) for item in structure.items]
    if structure.kind == "dict" or any(item is None for item in items):
        return None
    return structure.kind, tuple(items)
