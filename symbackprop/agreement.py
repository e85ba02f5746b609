"""What goes into a compiled function and what comes out, for a model and a derivative of it.

Scalars of a `wrt` are outputs of the graph one by one; arrays are whole. A Jacobian or a Hessian in several variables,
or in packed ones, is one matrix, a row an entry of the values and a column an entry of the variables; in one variable
it has the axes of the value and then those of the variable.
"""

from __future__ import annotations

from symbackprop.frontend import Model, Variable
from symbackprop.ir import Graph
from symbackprop.ir.signature import Argument, Leaf, Signature, Structure
from symbackprop.ops.extents import Extent, Shape, plus, product


def agree(model: Model, mode: str, graph: Graph) -> Signature:
    """The signature of a derivative of `graph`, whose outputs are the values."""
    structure, leaves = model.structure, tuple(_leaf(variable, "bar") for variable in model.wrt)
    shapes = tuple(graph.nodes[output].type.shape for output in graph.outputs)
    directions: tuple[Argument, ...] = ()
    free = Free(model.arguments)
    if mode == "function":
        structure, leaves = Structure("leaf"), ()
    elif mode == "jvp":
        directions = tuple(
            free.argument(f"{v.name}_dot", [f"{name}_dot" for name in v.names], v.packed, v.shape) for v in model.wrt
        )
        structure = model.values
        along = "along " + ", ".join(variable.name for variable in model.wrt)
        names = _numbered("result_dot", len(shapes))
        leaves = tuple(Leaf(n, along, shape, (), bool(shape)) for n, shape in zip(names, shapes, strict=True))
    elif mode == "vjp":
        names = _numbered("result_bar", len(shapes))
        directions = tuple(free.argument(n, [n], False, shape) for n, shape in zip(names, shapes, strict=True))
    elif mode in ("jacobian", "hessian"):
        structure = Structure("leaf")
        rows = _joint_shape(shapes, model.values.kind != "leaf") if mode == "jacobian" else _wrt_shape(model)
        leaves = (Leaf(mode, _names(model), rows + _wrt_shape(model), (), has_arrays(model, graph)),)
    elif mode == "hvp":
        directions = (_direction(model, free),)
        leaves = tuple(_leaf(variable, "bar_dot") for variable in model.wrt)
    return Signature(
        mode, (*model.arguments, *directions), leaves, structure, model.values, len(directions), model.at_least, shapes
    )


def has_arrays(model: Model, graph: Graph) -> bool:
    """Whether a variable or a value is an array."""
    return any(variable.shape for variable in model.wrt) or any(graph.nodes[o].type.shape for o in graph.outputs)


def is_flat(model: Model) -> bool:
    """Whether the variables of a second derivative are laid out one after the other."""
    return model.structure.kind != "leaf" or any(variable.packed for variable in model.wrt)


def members_of(model: Model) -> list[str]:
    """The identifiers of all variables."""
    return [member for variable in model.wrt for member in variable.members]


def _wrt_shape(model: Model) -> Shape:
    if not is_flat(model):
        return model.wrt[0].shape
    return (_total([variable_size(variable) for variable in model.wrt]),)


def variable_size(variable: Variable) -> Extent:
    """How many numbers a variable has."""
    if variable.place is not None:
        return 1
    return product(variable.shape) if variable.shape else len(variable.members)


def _joint_shape(shapes: tuple[Shape, ...], several: bool) -> Shape:
    return (_total([product(shape) for shape in shapes]),) if several else shapes[0]


def _total(sizes: list[Extent]) -> Extent:
    total: Extent = 0
    for size in sizes:
        total = plus(total, size)
    return total


def _direction(model: Model, free: Free) -> Argument:
    """The one direction of a Hessian-vector product: like the variable, or all of them in a row."""
    if any(variable.shape for variable in model.wrt):
        return free.argument("v", ["v"], False, _wrt_shape(model))
    flat = is_flat(model)
    return free.argument("v", [f"{name}_dot" for name in members_of(model)] if flat else ["v"], flat, ())


class Free:
    """Names and identifiers for directions that no symbol of the user's has, whatever it is called."""

    def __init__(self, arguments: tuple[Argument, ...]) -> None:
        self._taken = {argument.name for argument in arguments} | {m for a in arguments for m in a.members}

    def argument(self, name: str, parts: list[str], packed: bool, shape: Shape) -> Argument:
        members = tuple(self._allocate(part) for part in parts)
        return Argument(
            self._allocate(name) if packed else members[0], members, tuple(parts), packed, shape=() if packed else shape
        )

    def _allocate(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name


def _numbered(name: str, count: int) -> list[str]:
    """The name itself for one of a kind, else with a number after its first word: result_1_dot, result_2_dot."""
    head, _, tail = name.partition("_")
    return [name] if count == 1 else [f"{head}_{number}_{tail}" for number in range(1, count + 1)]


def _leaf(variable: Variable, suffix: str) -> Leaf:
    shown = ", ".join(variable.names[:8]) + (", ..." if len(variable.names) > 8 else "")
    what = f"({shown})" if variable.packed else variable.name
    if variable.packed:
        return Leaf(f"{variable.name}_{suffix}", what, (len(variable.members),), variable.members)
    if variable.place is not None:
        return Leaf(f"{variable.name}_{suffix}", what, (), variable.members)
    return Leaf(f"{variable.name}_{suffix}", what, variable.shape, variable.members, bool(variable.shape))


def _names(model: Model) -> str:
    return ", ".join(variable.name if variable.shape else name for variable in model.wrt for name in variable.names)
