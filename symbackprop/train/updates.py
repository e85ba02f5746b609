"""The graph of one step: the gradient, what is done to it, and what it does to parameters and state.

Rules and schedules are SymPy expressions of single numbers. Each becomes a graph once, which is spliced in for every
parameter; where that is an array, all of its entries go the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import sympy as sp

from symbackprop.agreement import Free
from symbackprop.errors import OptionError, ShapeMismatch
from symbackprop.frontend import Model, Variable
from symbackprop.ir import Functions, Graph, GraphBuilder, Type, Value
from symbackprop.ir.node import REAL
from symbackprop.ir.signature import SAMPLES, Argument, Leaf, Signature, Structure
from symbackprop.loop_compiler import Step, rule_graph
from symbackprop.lower.training import NUMBERS, Loop
from symbackprop.ops.extents import Shape, dimensions, shape_text
from symbackprop.ops.leaves import INPUT
from symbackprop.train.averages import Moving
from symbackprop.train.optimizers import Optimizer
from symbackprop.train.schedules import Schedule

_SUM = "sum"
"""The slot of a gradient that is accumulated over minibatches."""
_TORCHS_EPSILON = sp.Rational(1, 10**6)
"""What PyTorch adds to the norm that it divides by in clip_grad_norm_."""


@dataclass(frozen=True, slots=True)
class Update:
    """What a step does with a gradient, as the user asked for it."""

    optimizer: Optimizer
    schedule: Schedule | None = None
    clip_norm: float | None = None
    clip_value: float | None = None
    l1: float = 0.0
    l2: float = 0.0
    weight_decay: float = 0.0
    mean: bool = True
    dimension: str | None = None
    """The identifier of what counts samples, where the data carry it in their shapes."""
    shuffled: bool = True
    in_loops: bool = True
    """Whether the target has arrays in loops: then a number that is carried is an array of one."""
    groups: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By name of a parameter, its own `l1`, `l2` and `weight_decay`, and a factor `lr` of the learning rate."""
    accumulate: int = 1
    """How many minibatches make a step of the optimiser."""
    averages: Moving = field(default_factory=Moving)

    def __call__(self, graph: Graph, model: Model) -> Step:
        return _Writer(self, graph, model).step()


class _Writer:
    """Appends to the graph of loss and gradient."""

    def __init__(self, update: Update, graph: Graph, model: Model) -> None:
        self.update, self.model = update, model
        self.builder = GraphBuilder(graph)
        self.f = Functions(self.builder)
        averaged = len(update.averages.names)
        self.averaged, self.loss = graph.outputs[:averaged], graph.outputs[averaged]
        gradient = graph.outputs[averaged + 1 :]
        self.members = [(v, m, Type("real", v.shape)) for v in model.wrt for m in v.members]
        self.gradient = {m: self.f.wrap(g) for (_, m, _), g in zip(self.members, gradient, strict=True)}
        self.free = Free(model.arguments)
        self.numbers = {name: self.free.argument(name, [name], False, ()) for name in NUMBERS}
        self.number = {name: self.f.wrap(self.builder.input(a.members[0], REAL)) for name, a in self.numbers.items()}
        self.slots = (*update.optimizer.slots, *[_SUM] * (update.accumulate > 1))
        self.sums: dict[str, Value] = {}
        self.averages = [self._average(*named) for named in zip(*update.averages.named, strict=True)]
        # By slot, then by parameter: what carries it.
        self.states = {slot: [self._state(slot, variable) for variable in model.wrt] for slot in self.slots}

    def _state(self, slot: str, variable: Variable) -> Argument:
        parts = [f"{slot}_{name}" for name in variable.names]
        return self.free.argument(f"{slot}_{variable.name}", parts, variable.packed, variable.shape)

    def _average(self, name: str, shape: Shape) -> Argument:
        # Free, since the symbol is let-bound: no slot gets the name.
        return replace(self.free.argument(name, [name], False, shape), name=name, names=(name,))

    def step(self) -> Step:
        self._accumulated()
        norm = self._norm()
        rate = self._rate()
        self._penalised()
        self._clipped()
        outputs = [self.loss, norm.index, rate.index]
        updated = self._updated(rate)
        for slot in ("", *self.slots):
            outputs += [updated[slot, member].index for _, member, _ in self.members]
            outputs += self._moved() if not slot else []
        return Step(
            self.builder.graph(outputs), self._signature(), self._loop(), f"Training by {self.update.optimizer}."
        )

    # The gradient.

    def _norm(self) -> Value:
        squares = [self.f.reduce_sum(g * g) if self.f.shape(g) else g * g for g in self.gradient.values()]
        return self.f.sqrt(sum(squares[1:], squares[0]))

    def _accumulated(self) -> None:
        """The mean over minibatches so far, where several make a step."""
        if self.update.accumulate > 1:
            for position, variable in enumerate(self.model.wrt):
                for k, member in enumerate(variable.members):
                    self.sums[member] = self._carried_value(_SUM, position, k) + self.gradient[member]
                    self.gradient[member] = self.sums[member] / self.update.accumulate

    def _own(self, variable: Variable, option: str) -> float:
        """An option of a parameter's own group, or that of all."""
        return float(self.update.groups.get(variable.name, {}).get(option, getattr(self.update, option, 1.0)))

    def _penalised(self) -> None:
        for variable, member, type_ in self.members:
            p, g = self.f.wrap(self.builder.input(member, type_)), self.gradient[member]
            l1, l2 = self._own(variable, "l1"), self._own(variable, "l2")
            if l2:
                g = g + l2 * p
            if l1:
                g = g + l1 * self.f.sign(p)
            self.gradient[member] = g

    def _clipped(self) -> None:
        f, update = self.f, self.update
        if update.clip_value is not None:
            bound = update.clip_value
            self.gradient = {m: f.minimum(f.maximum(g, -bound), bound) for m, g in self.gradient.items()}
        if update.clip_norm is not None:
            norm = self._norm()
            x = sp.Symbol("x", real=True)
            shrunk = sp.Min(update.clip_norm / (x + _TORCHS_EPSILON), 1)
            (factor,) = self._spliced(rule_graph([shrunk], [x]), {"x": norm}, ())
            self.gradient = {m: g * factor for m, g in self.gradient.items()}

    # Rules.

    def _rate(self) -> Value:
        if self.update.schedule is None:
            return self.number["lr"]
        symbols = {name: sp.Symbol(name, positive=True) for name in ("lr", "t", "all_epochs")}
        symbols["epoch"] = sp.Symbol("epoch", nonnegative=True)
        rate = self.update.schedule(symbols["lr"], symbols["t"], symbols["epoch"], symbols["all_epochs"])
        rule = rule_graph([rate], list(symbols.values()))
        return self._spliced(rule, self.number, ())[0]

    def _updated(self, rate: Value) -> dict[tuple[str, str], Value]:
        """The new values, by slot ("" for the parameter itself) and by parameter."""
        slots, every = self.update.optimizer.slots, self.update.accumulate
        rule = _optimizer_rule(self.update.optimizer, slots)
        number = self.number["t"] / every if every > 1 else self.number["t"]
        found: dict[tuple[str, str], Value] = {}
        for position, variable in enumerate(self.model.wrt):
            factor, decay = self._own(variable, "lr"), self._own(variable, "weight_decay")
            own_rate = rate if factor == 1.0 else rate * factor
            for k, member in enumerate(variable.members):
                p = self.f.wrap(self.builder.input(member, Type("real", variable.shape)))
                before = [self._carried_value(slot, position, k) for slot in slots]
                given = {"p": p, "g": self.gradient[member], "lr": own_rate, "t": number}
                given |= {f"state_{slot}": value for slot, value in zip(slots, before, strict=True)}
                if decay:
                    given["p"] = p * (1 - own_rate * decay)
                results = self._spliced(rule, given, variable.shape)
                for slot, old, made in zip(("", *slots), (p, *before), results, strict=True):
                    found[slot, member] = made if every == 1 else self.f.select(self._is_due(), made, old)
                if every > 1:
                    found[_SUM, member] = self.f.select(self._is_due(), 0, self.sums[member])
        return found

    def _moved(self) -> list[int]:
        """The averages after this minibatch."""
        found = []
        for rule, argument, value in zip(self.update.averages.rules, self.averages, self.averaged, strict=True):
            before = self.f.wrap(self.builder.input(argument.members[0], Type("real", argument.shape)))
            now = self.f.wrap(value)
            if self.f.shape(now) != argument.shape:  # a matrix of one entry is read as a number
                now = self.f.reshape(now, argument.shape)
            found.append((before * (1 - rule.momentum) + now * rule.momentum).index)
        return found

    def _is_due(self) -> Value:
        """Whether this minibatch is the last of those that make a step."""
        return self.f.eq(self.f.mod(self.number["t"], self.update.accumulate), 0)

    def _carried_value(self, slot: str, position: int, k: int) -> Value:
        variable = self.model.wrt[position]
        name = self.states[slot][position].members[k]
        return self.f.wrap(self.builder.input(name, Type("real", variable.shape)))

    def _spliced(self, rule: Graph, given: Mapping[str, Value], shape: Shape) -> list[Value]:
        """The outputs of a rule over these values, of this shape."""
        new: list[int] = []
        for node in rule.nodes:
            if node.op is INPUT:
                new.append(given[node.attributes].index)
            else:
                new.append(self.builder.copy(node, tuple(new[operand] for operand in node.operands)))
        made = [self.f.wrap(new[output]) for output in rule.outputs]
        return [value if self.f.shape(value) == shape else self.f.fill(value, shape) for value in made]

    # What goes in and comes out.

    def _signature(self) -> Signature:
        model = self.model
        count = len(model.wrt)
        carried = [
            self._carried(a)
            for a in (*model.arguments[:count], *self.averages, *[s for row in self.states.values() for s in row])
        ]
        leaves = [Leaf("norm", "the norm of the gradient"), Leaf("rate", "the learning rate")]
        leaves += [_new(argument) for argument in carried]
        arguments = (*carried, *model.arguments[count:], *self.numbers.values())
        structure = Structure("tuple", (Structure("leaf"),) * len(leaves))
        return Signature("grad", arguments, tuple(leaves), structure, at_least=model.at_least, value_shapes=((),))

    def _carried(self, argument: Argument) -> Argument:
        return replace(argument, packed=True) if self.update.in_loops and argument.is_scalar else argument

    def _loop(self) -> Loop:
        count = len(self.model.wrt)
        dimension = SAMPLES if self.model.batched else self.update.dimension
        rows = frozenset(a.name for a in self.model.arguments[count:] if _has_rows(a, dimension))
        if dimension is not None and not rows:
            raise OptionError(f"batch={dimension}: none of the data has samples along {dimension}")
        zeros, update = count * len(self.slots), self.update
        carried = count + len(self.averages) + zeros
        return Loop(carried, rows, dimension, update.mean, update.shuffled, zeros, float(update.optimizer.lr))


def _has_rows(argument: Argument, dimension: str | None) -> bool:
    """Whether samples run along the first axis. Raises ShapeMismatch where they run along another."""
    if dimension is None:
        return False
    places = [axis for axis, extent in enumerate(argument.full_shape) if dimension in dimensions(extent)]
    if places and (places != [0] or argument.full_shape[0] != dimension):
        raise ShapeMismatch(
            f"{argument.name} has the shape {shape_text(argument.full_shape)}: the samples {dimension} must run along"
            " its first axis, and no other, for minibatches to be rows of it"
        )
    return bool(places)


def _new(argument: Argument) -> Leaf:
    shape = (len(argument.members),) if argument.packed else argument.shape
    return Leaf(f"{argument.name}_new", argument.name, shape, argument.members, bool(shape) and not argument.packed)


def _optimizer_rule(optimizer: Optimizer, slots: tuple[str, ...]) -> Graph:
    p, g = sp.symbols("p g", real=True)
    lr, t = sp.symbols("lr t", positive=True)
    state = [sp.Symbol(f"state_{slot}", real=True) for slot in slots]
    made = optimizer.update(p, g, lr, t, *state)
    results = list(made) if isinstance(made, tuple | list) else [made]
    if len(results) != 1 + len(slots):
        raise OptionError(
            f"{type(optimizer).__name__}.update returns {len(results)} values: it must return the new p, and the new"
            f" value of each of its states ({', '.join(slots) or 'it has none'})"
        )
    return rule_graph(results, [p, g, lr, t, *state])
