"""Whole arrays as values: a statement a node, in the words of NumPy."""

from __future__ import annotations

from collections.abc import Sequence

from symbackprop.ir.node import Node
from symbackprop.lower.fuse import VIEWS
from symbackprop.lower.product import product_expr
from symbackprop.lower.program import (
    Accumulate,
    Allocate,
    Apply,
    Assign,
    Attribute,
    Effect,
    Expr,
    Group,
    Invoke,
    Item,
    Literal,
    Method,
    Ref,
    Section,
    Statement,
    Subscript,
    Text,
)
from symbackprop.lower.schedule import Scheduler
from symbackprop.lower.steps import scan_of_arrays
from symbackprop.ops.contraction import ADD_DIAGONAL, BROADCAST, CONTRACT, DIAGONAL, DIAGONALIZE, RESHAPE, TRANSPOSE
from symbackprop.ops.control import SCAN
from symbackprop.ops.extents import Extent, Shape, extent_text, minus, plus, times
from symbackprop.ops.indexing import CONCATENATE, GATHER, IOTA, PAD, SCATTER_ADD, SLICE
from symbackprop.ops.leaves import INPUT

_REDUCTIONS = {"reduce_sum": "sum", "reduce_prod": "prod", "reduce_max": "max", "reduce_min": "min"}
_STARTS = {"reduce_max": ("initial=-np.inf",), "reduce_min": ("initial=np.inf",)}
LETTERS = "ijklmnopqrstuvwxyz"


class WholeScheduler(Scheduler):
    """Lowering for target numpy."""

    def node(self, index: int) -> None:
        node = self.graph.nodes[index]
        if node.op is SCAN:
            scan_of_arrays(self, index)
            return
        if node.op is ADD_DIAGONAL:
            self._with_diagonal(index)
            return
        if node.op in (PAD, SCATTER_ADD) or (node.op is DIAGONALIZE and node.attributes[0] != (0, 0)):
            self._filled(index)
            return
        value = self._value(index)
        if not self.assigned[index]:
            self.expr[index] = value
            return
        target = self.pick(index)
        if node.type.shape:
            self.arrays.append(node.type.shape)
        self.function.body.append(Assign(target, value, self.note(index, value, target)))
        self.expr[index] = target
        if isinstance(target, Ref):
            self.named[index] = target.name
        if index in self.graph.labels:
            self.users_own.add(target)

    def section(self, index: int, section: Section) -> None:
        self.function.body.append(section)

    def last(self, statement: Statement) -> None:
        self.function.body.append(statement)

    def allocate(self, statement: Allocate) -> None:
        place = next((k for k, s in enumerate(self.function.body) if isinstance(s, Assign | Section)), None)
        self.function.body.insert(len(self.function.body) if place is None else place, statement)

    def array(self, index: int, name: str | None) -> Expr:
        expr = self.expr[index]
        if isinstance(expr, Ref) and self.graph.nodes[index].op is not INPUT and self.named.get(index) == expr.name:
            if name is None or expr.name == name:
                return expr
            # Two results that are equal are two arrays.
            value: Expr = Method(expr, "copy")
        else:
            value = self.full(index)
            # A caller may change what it gets; neither its own input nor another result may change with it.
            if self._is_shared(index):
                value = Method(value, "copy")
        target = Ref(name or self.namer.allocate("result"))
        self.function.body.append(Assign(target, value))
        return target

    def _is_shared(self, index: int) -> bool:
        """Whether the expression of a node only looks at entries that have another name, or repeat themselves."""
        while self.graph.nodes[index].op in VIEWS:
            if self.graph.nodes[index].op is BROADCAST:
                return not self._is_fill(index)
            index = self.graph.nodes[index].operands[0]
        return self.graph.nodes[index].op is INPUT or index in self.named

    # Shapes.

    def _shape(self, index: int) -> Shape:
        return self.graph.nodes[index].type.shape

    def _is_fill(self, index: int) -> bool:
        node = self.graph.nodes[index]
        return node.op is BROADCAST and not self._shape(node.operands[0])

    def _is_real(self, index: int) -> bool:
        return self.graph.nodes[index].type.dtype == "real"

    def shape_group(self, shape: Shape) -> Expr:
        return Group(tuple(self.extent(extent) for extent in shape))

    def full(self, index: int) -> Expr:
        """The expression of a node with all its axes, also where it repeats itself."""
        if self.graph.nodes[index].op is not BROADCAST:
            return self.expr[index]
        shape = self.shape_group(self._shape(index))
        if self._is_fill(index):
            return Invoke("np.full", (shape, self.expr[index]), ("dtype",) if self._is_real(index) else ())
        return Invoke("np.broadcast_to", (self.expr[index], shape))

    def _covered(self, index: int) -> set[int]:
        """The axes along which the expression of a node really has its length."""
        node = self.graph.nodes[index]
        if node.op is not BROADCAST:
            return set(range(len(node.type.shape)))
        shape, axes = node.attributes
        own = self._shape(node.operands[0])
        return {axis for k, axis in enumerate(axes) if own[k] == shape[axis]}

    def _complete(self, operands: Sequence[int], shape: Shape) -> tuple[Expr, ...]:
        """Expressions that NumPy broadcasts to `shape`: if none has an axis, the first array is spread over it."""
        exprs = [self.expr[operand] for operand in operands]
        arrays = [k for k, operand in enumerate(operands) if self._shape(operand)]
        covered = set().union(*[self._covered(operands[k]) for k in arrays]) if arrays else set()
        if arrays and covered != set(range(len(shape))):
            exprs[arrays[0]] = self.full(operands[arrays[0]])
        return tuple(exprs)

    # Nodes.

    def _value(self, index: int) -> Expr:
        node = self.graph.nodes[index]
        op, operands = node.op, node.operands
        if op.elementwise:
            return Apply(op, self._complete(operands, node.type.shape))
        if op is BROADCAST:
            return self._broadcast(node)
        if op is TRANSPOSE:
            x = self.full(operands[0])
            if node.attributes == (1, 0):
                return Attribute(x, "T")
            return Invoke("np.transpose", (x, Group(tuple(Literal(axis) for axis in node.attributes))))
        if op is RESHAPE:
            return self._reshape(node)
        if op is SLICE:
            return self._sliced(self.full(operands[0]), self._shape(operands[0]), node.attributes)
        if op is CONTRACT:
            return product_expr(node.attributes, self.full(operands[0]), self.full(operands[1]))
        if op.name in _REDUCTIONS:
            return self._reduction(node)
        if op is CONCATENATE:
            if all(self._shape(operand) == (1,) and self._is_fill(operand) for operand in operands):
                return Invoke("np.array", (Group(tuple(self.expr[operand] for operand in operands)),), ("dtype",))
            parts = Group(tuple(self.full(operand) for operand in operands))
            return Invoke("np.concatenate", (parts,), (f"axis={node.attributes}",))
        if op is GATHER:
            return self._gathered(node)
        if op is IOTA:
            return Invoke("np.arange", (self.extent(node.attributes),))
        if op is DIAGONAL:
            return self._diagonal(node)
        if op is DIAGONALIZE:
            return Invoke("np.diag", (self.full(operands[0]),))
        return self._called(node)

    def _called(self, node: Node) -> Expr:
        """A row that a function of its own computes, with its attributes after the operands."""
        attributes = node.attributes if isinstance(node.attributes, tuple) else ()
        literals = tuple(Literal(bool(item) if isinstance(item, bool) else item) for item in attributes)
        return Apply(node.op, (*[self.full(operand) for operand in node.operands], *literals))

    def _broadcast(self, node: Node) -> Expr:
        _, axes = node.attributes
        x = self.full(node.operands[0])
        if not axes:
            return x
        pieces = [":" if axis in axes else "None" for axis in range(axes[0], len(node.attributes[0]))]
        return Subscript(x, tuple(pieces)) if "None" in pieces else x

    def _reduction(self, node: Node) -> Expr:
        axes, (operand,) = node.attributes, node.operands
        x, name = self.full(operand), _REDUCTIONS[node.op.name]
        start = _STARTS.get(node.op.name, ())
        if len(axes) == len(self._shape(operand)):
            return Invoke(f"np.{name}", (x,), start)
        axis = f"axis={axes[0]}" if len(axes) == 1 else f"axis={tuple(axes)}"
        return Method(x, name, (), (axis, *start))

    def _reshape(self, node: Node) -> Expr:
        (operand,), new = node.operands, node.type.shape
        old, x = self._shape(operand), self.full(operand)
        inner = self.graph.nodes[operand]
        if isinstance(x, Method) and inner.op.name in _REDUCTIONS and not self.assigned[operand]:
            before = self._shape(inner.operands[0])
            if new == tuple(1 if axis in inner.attributes else n for axis, n in enumerate(before)):
                return x._replace(keywords=(*x.keywords, "keepdims=True"))
        if not old:  # a number may be Python's, which takes no index
            return Invoke("np.full", (self.shape_group(new), x), ("dtype",) if self._is_real(operand) else ())
        pieces = _ones(old, new)
        if pieces is not None:
            if inner.op is SLICE and isinstance(x, Subscript) and all(step > 0 for _, step, _ in inner.attributes):
                starts = [self.extent(start) for start, _, _ in inner.attributes]
                kept = iter(pieces)
                merged: list[Expr | str] = []
                given = [*x.pieces, *[":"] * (len(old) - len(x.pieces))]
                for piece in kept:
                    if piece == "None":
                        merged.append(piece)
                        continue
                    own = given.pop(0)
                    merged.append(starts[len(old) - len(given) - 1] if piece == "0" else own)
                return Subscript(x.owner, _trimmed(merged))
            return Subscript(x, _trimmed([Literal(0) if piece == "0" else piece for piece in pieces]))
        if len(new) == 1:
            return Method(x, "ravel")
        return Method(x, "reshape", tuple(self.extent(extent) for extent in new))

    def _sliced(self, x: Expr, shape: Shape, pieces: Sequence[tuple[Extent, int, Extent]]) -> Expr:
        texts = [self._piece(extent, *piece) for extent, piece in zip(shape, pieces, strict=True)]
        result = Subscript(x, _trimmed([*texts])) if any(text != ":" for text in texts) else x
        if any(step < 0 for _, step, _ in pieces):
            return Subscript(result, _trimmed(["::-1" if step < 0 else ":" for _, step, _ in pieces]))
        return result

    def _piece(self, extent: Extent, start: Extent, step: int, length: Extent) -> str:
        """What a slice takes along one axis, in ascending order. The stop may be past the end: it is never negative."""
        if step < 0:
            last = plus(start, times(step, minus(length, 1)))
            start, stop, step = last, plus(start, 1), -step
        else:
            stop = plus(start, times(step, length))
        first = "" if start == 0 else self.text(start)
        end = "" if stop == extent else self.text(stop)
        return f"{first}:{end}" + (f":{step}" if step != 1 else "")

    def text(self, extent: Extent) -> str:
        return extent_text(extent, self.doors.names.__getitem__)

    def _gathered(self, node: Node) -> Expr:
        """Entries at computed places; whole axes as slices where the others are single numbers."""
        source, *indices = node.operands
        pieces: list[Expr | str] = []
        axis = 0
        for index, extent in zip(indices, self._shape(source), strict=True):
            made = self.graph.nodes[index]
            inner = made.operands[0] if made.op is BROADCAST else index
            if self._is_fill(index) or not self._shape(index):
                pieces.append(self.expr[inner])
            elif self.graph.nodes[inner].op is IOTA and self._counts(index, axis, extent):
                pieces.append(":")
                axis += 1
            else:
                return Subscript(self.full(source), self._indices(indices))
        if axis != len(node.type.shape):
            return Subscript(self.full(source), self._indices(indices))
        return Subscript(self.full(source), _trimmed(pieces))

    def _counts(self, index: int, axis: int, extent: Extent) -> bool:
        """Whether an index is 0, 1, 2, ... along this axis, up to this length."""
        node = self.graph.nodes[index]
        if node.op is IOTA:
            return axis == 0 and node.attributes == extent and len(node.type.shape) == 1
        return bool(node.attributes[1] == (axis,) and self.graph.nodes[node.operands[0]].attributes == extent)

    def _indices(self, operands: Sequence[int]) -> tuple[Expr, ...]:
        shape = max([self._shape(operand) for operand in operands], key=len, default=())
        return self._complete(operands, shape)

    def _diagonal(self, node: Node) -> Expr:
        labels, x = node.attributes, self.full(node.operands[0])
        if labels == (0, 0):
            return Invoke("np.diagonal", (x,))
        return Invoke("np.einsum", (Text(_einsum(labels)), x))

    def _with_diagonal(self, index: int) -> None:
        """A matrix of its own, and then its diagonal."""
        node = self.graph.nodes[index]
        matrix, vector = node.operands
        x = self.full(matrix)
        if self._is_shared(matrix):
            x = Method(x, "copy")
        target = self.pick(index)
        name = target.name if isinstance(target, Ref) else self.namer.temporary("Z")
        self.arrays.append(node.type.shape)
        self.function.body.append(Assign(Ref(name), x, self.note(index, x, Ref(name))))
        places = Invoke("np.diag_indices", (self.extent(node.type.shape[0]),))
        added = self.expr[vector] if self._is_fill(vector) else self.full(vector)
        self.function.body.append(Accumulate(Subscript(Ref(name), (places,)), added))
        self.expr[index] = Ref(name)
        self.named[index] = name

    def _filled(self, index: int) -> None:
        """Zeros, and then what stands among them."""
        node = self.graph.nodes[index]
        target = self.pick(index)
        name = target.name if isinstance(target, Ref) else self.namer.temporary("Z")
        shape = tuple(self.extent(extent) for extent in node.type.shape)
        body = self.function.body
        self.arrays.append(node.type.shape)
        body.append(Allocate(name, shape, 0))
        x = self.expr[node.operands[0]] if self._is_fill(node.operands[0]) else self.full(node.operands[0])
        if node.op is PAD:
            place = self._sliced(Ref(name), node.type.shape, node.attributes[1])
            body.append(Assign(place if isinstance(place, Subscript) else Subscript(Ref(name), (":",)), x))
        elif node.op is SCATTER_ADD:
            indices = self._indices(node.operands[1:])
            where = indices[0] if len(indices) == 1 else Group(indices)
            body.append(Effect(Invoke("np.add.at", (Ref(name), where, x))))
        else:
            diagonal = Invoke("np.einsum", (Text(_einsum(node.attributes[0])), Ref(name)))
            body.append(Assign(Subscript(diagonal, ("...",)), x))
        self.expr[index] = Ref(name)
        self.named[index] = name
        if isinstance(target, Item):
            body.append(Assign(target, Ref(name)))


def _einsum(labels: Sequence[int]) -> str:
    """The einsum that takes a diagonal: "iij->ij"."""
    return f"{''.join(LETTERS[label] for label in labels)}->{LETTERS[: max(labels) + 1]}"


def _trimmed(pieces: list[Expr | str]) -> tuple[Expr | str, ...]:
    while len(pieces) > 1 and pieces[-1] == ":":
        pieces = pieces[:-1]
    return tuple(pieces)


def _ones(old: Shape, new: Shape) -> list[str] | None:
    """The subscript that drops and adds axes of length 1, if that is all that a reshape does."""
    pieces: list[str] = []
    left, right = list(old), list(new)
    while left or right:
        if left and right and left[0] == right[0]:
            left, right = left[1:], right[1:]
            pieces.append(":")
        elif right and right[0] == 1:
            right = right[1:]
            pieces.append("None")
        elif left and left[0] == 1:
            left = left[1:]
            pieces.append("0")
        else:
            return None
    return pieces
