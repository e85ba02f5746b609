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
        self.name: dict[int, str] = {}
        self.spent: set[str] = set()
        self.formula_width: list[int] = []
        self.result_nodes = frozenset(graph.outputs)
        self.phases: dict[int, list[Statement]] = {}
        self.before: dict[int, list[Statement]] = {}
        self.allocations: list[Statement] = []
        self.places = self._places()
        self.read = frozenset(self.places.values())
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
        body.extend(Cast(name, array=argument.packed or argument.batched) for argument, name in pairs)
        batched = tuple(name for argument, name in pairs if argument.batched)
        if batched:
            body.append(Measure(self.samples, batched))

    # Names.

    def _preferred_names(self) -> None:
        """Results are called what the user calls them."""
        outputs = self.graph.outputs
        if self.signature.value_count == 1 and outputs[0] not in self.graph.labels:
            self.name[outputs[0]] = self.namer.allocate("result")
        position = self.signature.value_count
        for leaf, name in zip(self.leaves, self.leaf_names, strict=True):
            if not leaf.shape:
                self.name.setdefault(outputs[position], name)
            position += leaf.size

    def _name(self, index: int) -> str:
        known = self.name.get(index)
        if known is not None and known not in self.spent:
            self.spent.add(known)
            return known
        label = self.graph.labels.get(index)
        if label is None and index in self.graph.derived:
            primal, suffix = self.graph.derived[index]
            expr = self.expr[primal]
            if isinstance(expr, Ref):
                label = f"{expr.name}_{suffix}"
        return self.namer.allocate(label) if label else self.namer.temporary()

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
        name = self._name(index)
        target: Ref | Item = Ref(name)
        if self.loops and node.type.shape and (self.plan.last_phase[index] > phase or index in self.result_nodes):
            self.allocations.append(Allocate(name, (self.samples,)))
            target = Item(name, self.index)
        self._into(phase).append(Assign(target, value, self._note(index, value)))
        self.expr[index] = target

    def _accumulate(self, index: int, value: Expr) -> None:
        name = self._name(index)
        phase = self.plan.phase[index] - 1
        self.before.setdefault(phase, []).append(Assign(Ref(name), Literal(_ZERO), ""))
        self._into(phase).append(Accumulate(name, value, self._note(index, value)))
        self.expr[index] = Ref(name)

    def _note(self, index: int, value: Expr) -> str:
        """Which part of the user's expression a line belongs to: a formula if it is short, else a name."""
        if self.primal[index]:
            if index in self.result_nodes or not self._is_short(index) or not _mentions_temporary(value, self.read):
                return ""
            return infix(self.graph, index)
        derived = self.graph.derived.get(index)
        if derived is None:
            return ""
        primal, suffix = derived
        kind = "adjoint" if suffix == "bar" else "tangent"
        if self._is_short(primal):
            return f"{kind} of {infix(self.graph, primal)}"
        expr = self.expr[primal]
        return f"{kind} of {expr.name}" if isinstance(expr, Ref) else ""

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
        self.function.values = [self._result(output, "result") for output in outputs[:count]]
        if self.function.leaves is None:
            return
        position = count
        for leaf, name in zip(self.leaves, self.leaf_names, strict=True):
            nodes = outputs[position : position + leaf.size]
            position += leaf.size
            result = self._array(leaf, name, nodes) if leaf.shape else self._result(nodes[0], name)
            self.function.leaves.append(result)

    def _result(self, index: int, name: str) -> Expr:
        """A result as something to return; an array that no loop filled is filled now."""
        node, expr = self.graph.nodes[index], self.expr[index]
        if not node.type.shape:
            return expr
        if isinstance(expr, Item) and expr.place == self.index and expr.array not in self.parameters:
            return Ref(expr.array)
        if not self.loops and isinstance(expr, Ref):
            return expr
        own = self.namer.allocate(name) if name in self.spent or name not in self.leaf_names else name
        self.spent.add(own)
        if not self.loops:
            self._into(0).append(Assign(Ref(own), expr))
            return Ref(own)
        self.allocations.append(Allocate(own, (self.samples,)))
        self._into(self.plan.phase[index] | 1).append(Assign(Item(own, self.index), expr))
        return Ref(own)

    def _array(self, leaf: Leaf, name: str, nodes: Sequence[int]) -> Expr:
        if any(self.graph.nodes[node].type.shape for node in nodes):
            raise EmitError(f"the derivative in {leaf.what} cannot have one row a sample; name its parts apart in wrt")
        self.allocations.append(Allocate(name, leaf.shape))
        phase = max(self.plan.phase)
        phase += phase % 2
        for place, node in zip(product(*map(range, leaf.shape)), nodes, strict=True):
            self._into(phase).append(Assign(Item(name, place if len(place) > 1 else place[0]), self.expr[node]))
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


def _mentions_temporary(value: Expr, arguments: frozenset[Expr]) -> bool:
    stack: list[Expr] = [value]
    while stack:
        expr = stack.pop()
        if isinstance(expr, Apply):
            stack.extend(expr.operands)
        elif isinstance(expr, Total | Fill):
            stack.append(expr.operand)
        elif isinstance(expr, Ref | Item) and expr not in arguments:
            return True
    return False
