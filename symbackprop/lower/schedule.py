"""Graph and plan to statements: order, names, loops, accumulators, and where each argument is read."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product

from symbackprop.errors import EmitError
from symbackprop.ir import Graph, infix
from symbackprop.ir.signature import Argument, Leaf, Signature
from symbackprop.lower.fuse import Plan, plan
from symbackprop.lower.naming import Namer
from symbackprop.lower.program import (
    Accumulate,
    Allocate,
    Apply,
    Assign,
    Cast,
    Expr,
    Fill,
    For,
    Function,
    Item,
    Literal,
    Measure,
    Ref,
    Section,
    Statement,
    Total,
)
from symbackprop.ops.leaves import CONST, INPUT, LENGTH
from symbackprop.ops.reduction import BROADCAST, REDUCE_SUM

_WIDEST_NOTE = 60
_ZERO = Fraction(0)
_HEADINGS = {
    "grad": "Adjoints, from the result back to the inputs.",
    "vjp": "Adjoints, from the results back to the inputs.",
    "jvp": "Tangents, from the inputs on to the results.",
    "jacobian": "The Jacobian.",
    "hvp": "Adjoints, and their tangents in the direction v.",
    "hessian": "Adjoints, and their tangents in each direction.",
}


class Scheduler:
    """Turns one graph into one function."""

    def __init__(self, graph: Graph, signature: Signature, target: str, derivative: bool) -> None:
        self.graph, self.signature, self.derivative = graph, signature, derivative
        self.arguments = signature.arguments if derivative else signature.primal_arguments
        self.leaves = signature.leaves if derivative else ()
        self.loops = target != "numpy"
        self.plan: Plan = plan(graph, target)
        self.namer = Namer()
        self.parameters = [self.namer.allocate(argument.name) for argument in self.arguments]
        self.function = Function(
            signature.value_and if derivative else "value",
            self.parameters,
            [],
            leaves=[] if derivative else None,
            bare_value=signature.values.kind == "leaf",
            bare_leaf=signature.structure.kind == "leaf",
        )
        self.index = self.namer.allocate("i") if self.loops else ""
        self.samples = self.namer.allocate("samples")
        self.leaf_names = [self.namer.allocate(leaf.name) for leaf in self.leaves]
        self.expr: list[Expr] = [Ref("")] * len(graph.nodes)
        self.target: dict[int, Ref | Item] = {}
        self.formula_width: list[int] = []
        self.result_nodes = frozenset(graph.outputs)
        self.phases: dict[int, list[Statement]] = {}
        self.before: dict[int, list[Statement]] = {}
        self.allocations: list[Statement] = []
        self.places = self._places()
        self.users_own: set[Expr] = set(self.places.values())
        self.primal = graph.reaching(graph.outputs[: signature.value_count])

    def run(self) -> Function:
        self._doors()
        self._preferred_names()
        in_derivative = not self.derivative
        for index, node in enumerate(self.graph.nodes):
            op = node.op
            if op is CONST:
                self.expr[index] = Literal(node.attributes)
            elif op is INPUT:
                self.expr[index] = self._read(node.attributes)
            elif op is LENGTH:
                self.expr[index] = Ref(self.samples)
            elif op is BROADCAST and self.loops:
                self.expr[index] = self.expr[node.operands[0]]
            else:
                if not in_derivative and not self.primal[index]:
                    in_derivative = True
                    self._into(self.plan.phase[index]).append(Section(_HEADINGS[self.signature.mode]))
                self._node(index)
        self._results()
        self._assemble()
        return self.function

    # Arguments.

    def _places(self) -> dict[str, Expr]:
        places: dict[str, Expr] = {}
        for argument, name in zip(self.arguments, self.parameters, strict=True):
            for position, member in enumerate(argument.members):
                places[member] = self._place(argument, name, position)
        return places

    def _place(self, argument: Argument, name: str, position: int) -> Expr:
        if argument.packed:
            if argument.batched:
                raise EmitError(f"the packed argument {argument.name} cannot carry a batch axis; pass its parts apart")
            return Item(name, position)
        return Item(name, self.index) if argument.batched and self.loops else Ref(name)

    def _read(self, identifier: str) -> Expr:
        try:
            return self.places[identifier]
        except KeyError:
            raise EmitError(f"no argument provides {identifier!r}") from None

    def _doors(self) -> None:
        body = self.function.body
        pairs = list(zip(self.arguments, self.parameters, strict=True))
        for argument, name in pairs:
            length = len(argument.members) if argument.packed else None
            alone = any(other.batched for other in self.arguments) and not argument.batched and not argument.packed
            body.append(Cast(name, argument.packed or argument.batched, length, alone))
        batched = tuple(name for argument, name in pairs if argument.batched)
        if batched:
            body.append(Measure(self.samples, batched))

    # Names.

    def _preferred_names(self) -> None:
        """Results are called what the user calls them."""
        outputs = self.graph.outputs
        if self.signature.value_count == 1 and outputs[0] not in self.graph.labels:
            self.target[outputs[0]] = Ref(self.namer.allocate("result"))
        position = self.signature.value_count
        for leaf, name in zip(self.leaves, self.leaf_names, strict=True):
            nodes = outputs[position : position + leaf.size]
            position += leaf.size
            for place, node in zip(_places(leaf), nodes, strict=True):
                # What is a step of the value keeps the name of one.
                if not self.primal[node]:
                    self.target.setdefault(node, Item(name, place) if leaf.shape else Ref(name))

    def _target(self, index: int) -> Ref | Item:
        """What a node is assigned to: its place in the results, or a name of its own."""
        known = self.target.get(index)
        return (
            known
            if known is not None
            else Ref(self.namer.allocate(label) if (label := self._label(index)) else self.namer.temporary())
        )

    def _label(self, index: int) -> str | None:
        label = self.graph.labels.get(index)
        if self.primal[index] and self.graph.nodes[index].op is REDUCE_SUM:
            return "total"
        if label is not None or self.primal[index] or index not in self.graph.derived:
            return label
        primal, suffix = self.graph.derived[index]
        expr = self.expr[primal]
        if not isinstance(expr, Ref):
            return None
        return f"{expr.name}_{suffix}{'_sum' * (self.graph.nodes[index].op is REDUCE_SUM)}"

    # Statements.

    def _into(self, phase: int) -> list[Statement]:
        return self.phases.setdefault(phase, [])

    def _node(self, index: int) -> None:
        node, phase = self.graph.nodes[index], self.plan.phase[index]
        operands = tuple([self.expr[operand] for operand in node.operands])
        if node.op is REDUCE_SUM:
            if self.loops:
                self._accumulate(index, operands[0])
                return
            value: Expr = Total(operands[0])
        elif node.op is BROADCAST:
            value = Fill(operands[0], self.samples)
        else:
            value = Apply(node.op, operands)
        if not self.plan.assigned[index]:
            self.expr[index] = value
            return
        target = self._target(index)
        if self.loops and node.type.shape and (self.plan.last_phase[index] > phase or index in self.result_nodes):
            name = target.name if isinstance(target, Ref) else target.array
            self.allocations.append(Allocate(name, (self.samples,)))
            target = Item(name, self.index)
        self._into(phase).append(Assign(target, value, self._note(index, value, target)))
        self.expr[index] = target
        if index in self.graph.labels:
            self.users_own.add(target)

    def _accumulate(self, index: int, value: Expr) -> None:
        target = self._target(index)
        name = target.name if isinstance(target, Ref) else self.namer.temporary()
        phase = self.plan.phase[index] - 1
        self.before.setdefault(phase, []).append(Assign(Ref(name), Literal(_ZERO)))
        note = "" if self.primal[index] else self._note(index, value, Ref(name))
        self._into(phase).append(Accumulate(name, value, note))
        self.expr[index] = Ref(name)

    def _note(self, index: int, value: Expr, target: Ref | Item) -> str:
        """Which part of the user's expression a line belongs to: a formula if it is short, else a name."""
        names = self.graph.labels
        if self.primal[index]:
            if index in self.result_nodes or index in names or not self._is_short(index) or isinstance(value, Total):
                return ""
            return infix(self.graph, index, names) if self._mentions_temporary(value) else ""
        derived = self.graph.derived.get(index)
        if derived is None:
            return ""
        primal, suffix = derived
        if isinstance(target, Ref) and (primal in names or self.graph.nodes[primal].op is INPUT):
            return ""  # x_bar says it already.
        kind = "adjoint" if suffix == "bar" else "tangent"
        if primal in names or self._is_short(primal):
            return f"{kind} of {infix(self.graph, primal, names)}"
        expr = self.expr[primal]
        told = isinstance(target, Ref) and isinstance(expr, Ref) and target.name.startswith(f"{expr.name}_")
        return f"{kind} of {expr.name}" if isinstance(expr, Ref) and not told else ""

    def _mentions_temporary(self, value: Expr) -> bool:
        """Whether an expression uses a name that is not the user's."""
        stack: list[Expr] = [value]
        while stack:
            expr = stack.pop()
            if isinstance(expr, Apply):
                stack.extend(expr.operands)
            elif isinstance(expr, Total | Fill):
                stack.append(expr.operand)
            elif isinstance(expr, Ref | Item) and expr not in self.users_own:
                return True
        return False

    def _is_short(self, index: int) -> bool:
        """Whether the node's formula fits into a comment."""
        if not self.formula_width:
            widths = self.formula_width
            for node in self.graph.nodes:
                own = len(str(node.attributes)) if node.attributes is not None else len(node.op.name)
                widths.append(min(own + sum([widths[operand] for operand in node.operands]), _WIDEST_NOTE + 1))
        return self.formula_width[index] <= _WIDEST_NOTE

    # Results.

    def _results(self) -> None:
        outputs, count = self.graph.outputs, self.signature.value_count
        self.function.values = [self._result(output, None) for output in outputs[:count]]
        if self.function.leaves is None:
            return
        position = count
        for leaf, name in zip(self.leaves, self.leaf_names, strict=True):
            nodes = outputs[position : position + leaf.size]
            position += leaf.size
            result = self._array(leaf, name, nodes) if leaf.shape else self._result(nodes[0], name)
            self.function.leaves.append(result)

    def _result(self, index: int, name: str | None) -> Expr:
        """A result as something to return, under its name; an array that no loop filled is filled now."""
        node, expr = self.graph.nodes[index], self.expr[index]
        phase = self.plan.phase[index]
        if isinstance(expr, Item) and expr.place == self.index and expr.array not in self.parameters:
            expr = Ref(expr.array)
        elif node.type.shape and self.loops:
            name = name or self.namer.allocate("result")
            self.allocations.append(Allocate(name, (self.samples,)))
            self._into(phase | 1).append(Assign(Item(name, self.index), expr))
            return Ref(name)
        if name is None or expr == Ref(name):
            return expr
        self._into(self._last_phase()).append(Assign(Ref(name), expr))
        return Ref(name)

    def _last_phase(self) -> int:
        phase = max(self.plan.phase)
        return phase + phase % 2

    def _array(self, leaf: Leaf, name: str, nodes: Sequence[int]) -> Expr:
        if any(self.graph.nodes[node].type.shape for node in nodes):
            raise EmitError(f"the derivative in {leaf.what} cannot have one row a sample; name its parts apart in wrt")
        self.allocations.append(Allocate(name, leaf.shape))
        for place, node in zip(_places(leaf), nodes, strict=True):
            if self.expr[node] != Item(name, place):
                self._into(self._last_phase()).append(Assign(Item(name, place), self.expr[node]))
        return Ref(name)

    def _assemble(self) -> None:
        body = self.function.body
        body.extend(self.allocations)
        for phase in sorted(self.phases):
            body.extend(self.before.get(phase, ()))
            statements = self.phases[phase]
            if phase % 2:
                body.append(For(self.index, self.samples, tuple(statements)))
            else:
                body.extend(statements)


def _places(leaf: Leaf) -> list[int | tuple[int, ...]]:
    """The places of a leaf's entries in its array, row by row; one of no meaning for a scalar."""
    return [place if len(place) > 1 else place[0] for place in product(*map(range, leaf.shape))] if leaf.shape else [0]
