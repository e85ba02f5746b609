"""Machine code of the direct route for Numba's callers: an njit function around it.

Numba compiles the few lines that cast the arguments and make room for the results; the program itself is called at its
address. So a kernel of 30,000 operations costs Numba what one of three does, 0.3 to 0.6 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symbackprop.emit.llvm import Assembly, Parameter
from symbackprop.jit.entry import Nesting

_NUMPY = {"float64": "np.float64", "float32": "np.float32"}


def kernel(assembly: Assembly, addresses: tuple[int, int], owner: Any, nesting: Nesting) -> Any:
    """The njit function of this name, which takes what the emitted function of target numba does and returns its
    results in this nesting.

    `addresses` are those of the function and of what tells the extents of its results; `owner` keeps the code alive.
    """
    import numpy as np
    from numba import njit

    run, extents = _call(assembly, addresses[0]), _extents(assembly, addresses[1])
    scope: dict[str, Any] = {"np": np, "run": run, "extents": extents}
    text = _text(assembly, nesting)
    exec(compile(text, f"<symbackprop kernel {assembly.name}>", "exec"), scope)
    made = njit(error_model="numpy", nogil=True)(scope[assembly.name])
    # Numba's functions are called through their addresses: the code stays as long as the function does.
    made.machine_code = owner
    return made


def _text(assembly: Assembly, nesting: Nesting) -> str:
    names = [f"a{position}" for position in range(len(assembly.parameters))]
    given = _group(names)
    casts = [
        f"{name} = {_cast(parameter, name, assembly.dtype)}"
        for name, parameter in zip(names, assembly.parameters, strict=True)
    ]
    axes = iter(range(sum(result.rank for result in assembly.results)))
    arrays, numbers = [], []
    for position, result in enumerate(assembly.results):
        if result.rank:
            shape = _group([f"extents_[{next(axes) + 1}]" for _ in range(result.rank)])
            kind = "np.int64" if result.kind == "int" else _NUMPY[assembly.dtype]
            arrays.append(f"r{position} = np.empty({shape}, {kind})")
        else:
            numbers.append(f"r{position}")
    rooms = _group([f"r{position}" for position, result in enumerate(assembly.results) if result.rank])
    failures = [
        line
        for number, (kind_, words) in enumerate(assembly.errors, 1)
        for line in (f"if status == {number}:", f"    raise {kind_.__name__}({words!r})")
    ]
    found = [f"{name} = found[{place}]" for place, name in enumerate(numbers, 1)]
    lines = [
        *casts,
        f"extents_ = extents({given})",
        "status = extents_[0]",
        *failures,
        *arrays,
        f"found = run({given}, {rooms})",
        "status = found[0]",
        *failures,
        *found,
        f"return {_nested(nesting)}",
    ]
    return "\n    ".join([f"def {assembly.name}({', '.join(names)}):", *lines]) + "\n"


def _cast(parameter: Parameter, name: str, dtype: str) -> str:
    """As the emitted module does it."""
    if parameter.kind == "int":
        return f"np.ascontiguousarray({name}).astype(np.int64)" if parameter.rank else f"int({name})"
    if parameter.rank:
        return f"np.ascontiguousarray(np.asarray({name}, {_NUMPY[dtype]}))"
    return f"{_NUMPY[dtype]}({name})"


def _group(items: Sequence[str]) -> str:
    return f"({', '.join(items)}{',' * (len(items) == 1)})"


def _nested(nesting: Nesting) -> str:
    return f"r{nesting}" if isinstance(nesting, int) else _group([_nested(item) for item in nesting[1]])


# The calls, as code that Numba's compiler puts in.


def _extents(assembly: Assembly, address: int) -> Any:
    """``extents(arguments)``: the status, and the extents of all results that are arrays."""
    from numba import types
    from numba.extending import intrinsic

    count = sum(result.rank for result in assembly.results)

    @intrinsic  # type: ignore[untyped-decorator]
    def extents(typing: Any, values: Any) -> Any:
        del typing
        _check(assembly, values)
        result = types.UniTuple(types.int64, count + 1)

        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            code = _Code(context, builder)
            inputs, shapes = code.arguments(signature.args[0], given[0])
            room = code.room(count)
            status = code.call(address, "extents", inputs, shapes, room)
            return code.together(result, [status, *[code.loaded(room, k, code.word) for k in range(count)]])

        return result(values), generate

    return extents


def _call(assembly: Assembly, address: int) -> Any:
    """``run(arguments, arrays)``: the status, and the results that are numbers; the arrays are filled."""
    from numba import types
    from numba.extending import intrinsic

    real = types.float64 if assembly.dtype == "float64" else types.float32
    numbers = [types.int64 if r.kind == "int" else real for r in assembly.results if not r.rank]

    @intrinsic  # type: ignore[untyped-decorator]
    def run(typing: Any, values: Any, arrays: Any) -> Any:
        del typing
        _check(assembly, values)
        result = types.Tuple((types.int64, *numbers))

        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            code = _Code(context, builder)
            inputs, shapes = code.arguments(signature.args[0], given[0])
            rooms = iter(code.pointers(signature.args[1], given[1]))
            out, own = code.room(len(assembly.results)), code.room(len(numbers))
            place = iter(range(len(numbers)))
            for position, one in enumerate(assembly.results):
                code.store(out, position, next(rooms) if one.rank else code.slot(own, next(place)))
            status = code.call(address, assembly.name, inputs, shapes, out)
            found = [code.loaded(own, k, context.get_value_type(kind)) for k, kind in enumerate(numbers)]
            return code.together(result, [status, *found])

        return result(values, arrays), generate

    return run


def _check(assembly: Assembly, values: Any) -> None:
    """Refuse arguments of another kind, where Numba reports it with the line of the caller."""
    from numba.core.errors import TypingError

    for parameter, kind in zip(assembly.parameters, values.types, strict=True):
        rank = getattr(kind, "ndim", 0)
        if rank != parameter.rank:
            raise TypingError(f"{parameter.name} must have {parameter.rank} axes, not {rank}")


class _Code:
    """Instructions in a function that Numba compiles: slots of eight bytes on the stack, as programs take them."""

    def __init__(self, context: Any, builder: Any) -> None:
        from llvmlite import ir

        self.context, self.builder, self.ir = context, builder, ir
        self.word, self.byte = ir.IntType(64), ir.IntType(8)

    def room(self, count: int) -> Any:
        from numba.core import cgutils

        return cgutils.alloca_once(self.builder, self.word, size=max(count, 1))

    def slot(self, room: Any, position: int) -> Any:
        return self.builder.gep(room, [self.word(position)])

    def store(self, room: Any, position: int, value: Any) -> None:
        slot = self.builder.bitcast(self.slot(room, position), value.type.as_pointer())
        self.builder.store(value, slot)

    def loaded(self, room: Any, position: int, kind: Any) -> Any:
        return self.builder.load(self.builder.bitcast(self.slot(room, position), kind.as_pointer()))

    def arguments(self, kinds: Any, values: Any) -> tuple[Any, Any]:
        """The slots of the arguments, and the extents of those that are arrays."""
        from numba.core import cgutils, types

        inputs = self.room(len(kinds.types))
        shapes = self.room(sum(getattr(kind, "ndim", 0) for kind in kinds.types))
        axis = 0
        for position, kind in enumerate(kinds.types):
            value = self.builder.extract_value(values, position)
            if isinstance(kind, types.Array):
                array = self.context.make_array(kind)(self.context, self.builder, value)
                self.store(inputs, position, array.data)
                for extent in cgutils.unpack_tuple(self.builder, array.shape, kind.ndim):
                    self.store(shapes, axis, extent)
                    axis += 1
            else:
                self.store(inputs, position, value)
        return inputs, shapes

    def pointers(self, kinds: Any, values: Any) -> list[Any]:
        return [
            self.context.make_array(kind)(self.context, self.builder, self.builder.extract_value(values, k)).data
            for k, kind in enumerate(kinds.types)
        ]

    def call(self, address: int, name: str, *rooms: Any) -> Any:
        pointer = self.byte.as_pointer()
        kind = self.ir.FunctionType(self.word, [pointer] * len(rooms)).as_pointer()
        # An address of this process: Numba keeps no code on disk that has one.
        place = self.context.add_dynamic_addr(self.builder, address, info=f"symbackprop {name}")
        function = self.builder.bitcast(place, kind)
        return self.builder.call(function, [self.builder.bitcast(room, pointer) for room in rooms])

    def together(self, kind: Any, items: Sequence[Any]) -> Any:
        return self.context.make_tuple(self.builder, kind, items)
