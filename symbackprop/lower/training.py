"""A training loop: epochs, minibatches, and in them one step, which is lowered like any other function.

The step's graph has the loss as its first output, then the norm of the gradient, the learning rate, and what the
carried arguments (parameters, and the optimiser's state) become. Its arguments are the carried ones, then those that
stay or hold the data, then the numbers of `NUMBERS`. Around it stand the statements that pick the rows of a minibatch
and put what the step returns in the place of what it was given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from symbackprop.ir import Graph
from symbackprop.ir.signature import Signature
from symbackprop.lower.doors import DOORS, names_in
from symbackprop.lower.in_place import VERDICT
from symbackprop.lower.lanes import in_lanes
from symbackprop.lower.loops import LoopScheduler
from symbackprop.lower.program import (
    Accumulate,
    Allocate,
    Apply,
    Assign,
    Break,
    Cast,
    Expr,
    For,
    Function,
    Invoke,
    Item,
    Literal,
    Measure,
    Program,
    Ref,
    Require,
    Rows,
    Section,
    Statement,
    Subscript,
    operands_of,
    with_operands,
)
from symbackprop.lower.schedule import Scheduler
from symbackprop.lower.split import PART, split
from symbackprop.lower.whole import WholeScheduler
from symbackprop.ops import REGISTRY
from symbackprop.ops.indexing import TO_REAL

NUMBERS = ("t", "epoch", "lr", "all_epochs")
"""The last arguments of a step: its number from 1 on, the epoch from 0 on, the learning rate that the user gave, and
how many epochs there will be in all.
"""
HISTORY = ("losses", "norms", "rates", "steps_done")
"""What `train` returns before the carried arrays: of each epoch the loss, the largest norm of a gradient, and the last
learning rate; and in an array of one, how many steps had a finite loss. After the first that has none it stops.
"""
TRAIN = "train"
_ADD, _SUB, _MUL, _FLOORDIV = (REGISTRY[name] for name in ("int_add", "int_sub", "int_mul", "int_floordiv"))
_MINUS, _TIMES, _DIV, _NE, _MAX = (REGISTRY[name] for name in ("sub", "mul", "div", "ne", "maximum"))
_NONE, _ONE = Literal(0), Literal(1)


@dataclass(frozen=True, slots=True)
class Loop:
    """What surrounds a step.

    The first `carried` arguments are replaced in each step. `rows` are the names of those that hold a sample a row, and
    `dimension` what counts them; without one, a step takes the data as they are. `mean` says whether the loss of a
    minibatch is a mean, `shuffled` whether an epoch takes the samples in an order that is given. The last `zeros` of
    the carried start from 0, and `rate` is the learning rate that the user named.
    """

    carried: int
    rows: frozenset[str]
    dimension: str | None
    mean: bool = True
    shuffled: bool = True
    zeros: int = 0
    rate: float = 0.0


def lower_training(graph: Graph, signature: Signature, loop: Loop, target: str) -> Program:
    """The program of the whole loop around a step."""
    kind = WholeScheduler if target == "numpy" else LoopScheduler
    scheduler = kind(graph, signature, target, derivative=True)
    if isinstance(scheduler, LoopScheduler):
        scheduler.carried = loop.carried
    *parts, step = split(scheduler.run(), PART[target])
    whole = _Writer(scheduler, step, loop, target).function()
    if target == "numba":
        whole = in_lanes(whole)
    return Program([*parts, whole], scheduler.arrays, scheduler.numbers)


class _Writer:
    """Writes the function around a step."""

    def __init__(self, scheduler: Scheduler, step: Function, loop: Loop, target: str) -> None:
        self.step, self.loop, self.whole_arrays = step, loop, target == "numpy"
        self.read = names_in([s for s in step.body if not isinstance(s, DOORS)])
        self.new = scheduler.namer.allocate
        self.counter = scheduler.counter if isinstance(scheduler, LoopScheduler) else lambda depth: Ref("")
        self.shapes = {
            name: tuple(scheduler.extent(extent) for extent in argument.full_shape)
            for argument, name in zip(scheduler.arguments, scheduler.parameters, strict=True)
        }
        self.dtypes = {
            name: argument.dtype for argument, name in zip(scheduler.arguments, scheduler.parameters, strict=True)
        }
        *others, self.t, self.epoch_number, self.lr, self.all_epochs = scheduler.parameters
        self.carried, self.given = others[: loop.carried], others[loop.carried :]
        own = dict(zip(scheduler.parameters, scheduler.arguments, strict=True))
        self.rows = [name for name in self.given if own[name].name in loop.rows]
        self.outer = {name: self.new(f"{name}_start") for name in self.carried}
        self.outer |= {name: self.new(f"{name}_all") for name in self.rows}
        self.length = scheduler.doors.names.get(loop.dimension or "", "")
        if self.length:
            self.outer[self.length] = self.new(f"{self.length}_all")
        self.order, self.epochs, self.batch_size = self.new("order"), self.new("epochs"), self.new("batch_size")
        self.steps_before, self.epochs_before = self.new("steps_before"), self.new("epochs_before")
        self.epoch, self.batch, self.batches = self.new("e"), self.new("step"), self.new("batches")
        self.start = self.new("start")
        self.losses, self.norms, self.rates, self.reached = map(self.new, HISTORY)
        self.loss, self.norm = self.new("loss"), self.new("largest")
        self.sum = self.new("loss_sum")

    def function(self) -> Function:
        loop = self.loop
        numbers = [self.lr, self.all_epochs]
        integers = [self.epochs, self.batch_size, self.steps_before, self.epochs_before]
        order = [self.order] if loop.shuffled and self.rows else []
        arguments = [*[self.outer.get(name, name) for name in (*self.carried, *self.given)], *order]
        body = [*self._doors(), *[Cast(name, 0, "int") for name in integers], *[Cast(name, 2, "int") for name in order]]
        if order:
            body.append(
                Require(self.order, (Ref(self.epochs), self._samples()), f"({self.epochs}, {self.outer[self.length]})")
            )
        body = _by_argument(body, [*arguments, *numbers, *integers])
        body += [*self._room(), *self._start(), self._epoch()]
        results: list[Expr] = [Ref(self.losses), Ref(self.norms), Ref(self.rates), Ref(self.reached)]
        carried: list[Expr] = [Ref(name) for name in self.carried]
        return Function(TRAIN, [*arguments, *numbers, *integers], body, results, carried, False, False)

    def _samples(self) -> Expr:
        return Ref(self.outer[self.length]) if self.length else _ONE

    # Before the loops.

    def _doors(self) -> list[Statement]:
        """Those of the step, over all samples instead of a minibatch."""
        doors: list[Statement] = []
        for statement in self.step.body:
            if isinstance(statement, DOORS) and not (
                isinstance(statement, Cast) and statement.name in (self.t, self.epoch_number)
            ):
                doors.append(_renamed(statement, self.outer, self._least()))
        return doors

    def _least(self) -> dict[str, Expr]:
        """The samples of the last minibatch, which is the smallest, for what a length must be at least."""
        if not self.length:
            return {}
        before = Apply(_FLOORDIV, (Apply(_SUB, (self._samples(), _ONE)), Ref(self.batch_size)))
        return {self.length: Apply(_SUB, (self._samples(), Apply(_MUL, (before, Ref(self.batch_size)))))}

    def _room(self) -> list[Statement]:
        made: list[Statement] = [
            Allocate(name, (Ref(self.epochs),), 0) for name in (self.losses, self.norms, self.rates)
        ]
        made.append(Allocate(self.reached, (_ONE,), 0, "int"))
        if self.whole_arrays:
            return made
        made += [Allocate(name, self.shapes[name]) for name in self.carried]
        if self.loop.shuffled:
            made += [Allocate(self._epoch_rows(name), self._all(name), None, self.dtypes[name]) for name in self.rows]
        return made

    def _all(self, name: str) -> tuple[Expr, ...]:
        return tuple(_substituted(extent, _refs(self.outer)) for extent in self.shapes[name])

    def _epoch_rows(self, name: str) -> str:
        key = f"{name} in an epoch"
        if key not in self.outer:
            self.outer[key] = self.new(f"{name}_epoch") if self.loop.shuffled else self.outer[name]
        return self.outer[key]

    def _start(self) -> list[Statement]:
        made: list[Statement] = []
        for name in self.carried:
            made += self._copied(name, Ref(self.outer[name]))
        batches: Expr = _ONE
        if self.length:
            last = Apply(_ADD, (self._samples(), Apply(_SUB, (Ref(self.batch_size), _ONE))))
            batches = Apply(_FLOORDIV, (last, Ref(self.batch_size)))
        return [*made, Assign(Ref(self.batches), batches)]

    def _copied(self, name: str, source: Expr) -> list[Statement]:
        """An array's entries put into another; of whole arrays its name alone."""
        if self.whole_arrays:
            return [Assign(Ref(name), source)]
        assert isinstance(source, Ref)
        place = self._place(name)
        return self._looped(Assign(Item(name, place), Item(source.name, place)), self.shapes[name])

    def _place(self, name: str) -> tuple[Expr, ...]:
        return tuple(_NONE if extent == _ONE else self.counter(axis) for axis, extent in enumerate(self.shapes[name]))

    def _looped(self, statement: Statement, extents: tuple[Expr, ...]) -> list[Statement]:
        for axis, extent in reversed(list(enumerate(extents))):
            if extent != _ONE:
                statement = For(self.counter(axis).name, extent, (statement,))
        return [statement]

    # The loops.

    def _epoch(self) -> Statement:
        made: list[Statement] = []
        if self.loop.shuffled:
            for name in self.rows:
                made += self._shuffled(name)
        if self.epoch_number in self.read:
            number = Apply(TO_REAL, (Apply(_ADD, (Ref(self.epochs_before), Ref(self.epoch))),))
            made.append(Assign(Ref(self.epoch_number), number))
        made += [
            Assign(Ref(self.sum), Literal(Fraction(0))),
            Assign(Ref(self.norm), Literal(Fraction(0))),
            For(self.batch, Ref(self.batches), tuple(self._batch())),
        ]
        total: Expr = Ref(self.sum)
        if self.loop.mean and self.length:
            total = Apply(_DIV, (total, Apply(TO_REAL, (self._samples(),))))
        place = (Ref(self.epoch),)
        whole = Apply(_MUL, (Apply(_ADD, (Ref(self.epoch), _ONE)), Ref(self.batches)))
        made += [
            Assign(Item(self.losses, place), total),
            Assign(Item(self.norms, place), Ref(self.norm)),
            # As a difference of integers, which float32 holds however many steps there are.
            Break(_differs(Apply(TO_REAL, (Apply(_SUB, (Item(self.reached, (_NONE,)), whole)),)))),
        ]
        return For(self.epoch, Ref(self.epochs), tuple(made))

    def _shuffled(self, name: str) -> list[Statement]:
        """An epoch's copy of the data in its order, so that minibatches are contiguous."""
        target, source = self._epoch_rows(name), self.outer[name]
        if self.whole_arrays:
            picked = Subscript(Ref(self.order), (Ref(self.epoch),))
            return [Assign(Ref(target), Subscript(Ref(source), (picked,)))]
        place = self._place(name)
        there = Item(self.order, (Ref(self.epoch), place[0]))
        return self._looped(Assign(Item(target, place), Item(source, (there, *place[1:]))), self._all(name))

    def _batch(self) -> list[Statement]:
        made: list[Statement] = []
        if self.length:
            made.append(Assign(Ref(self.start), Apply(_MUL, (Ref(self.batch), Ref(self.batch_size)))))
            left = Apply(_SUB, (self._samples(), Ref(self.start)))
            made.append(Assign(Ref(self.length), Invoke("min", (Ref(self.batch_size), left))))
            made += [
                Assign(Ref(name), Rows(self._epoch_rows(name), Ref(self.start), Ref(self.length))) for name in self.rows
            ]
        step = [s for s in self.step.body if not isinstance(s, DOORS)]
        if VERDICT not in step:
            assert not set(map(Ref, self.carried)) & set(self.step.leaves or ())
            return [*made, *self._numbered(), *step, *self._verdict(), *self._after()]
        place = step.index(VERDICT)
        update = [Section("The update: each array in its own place."), *step[place + 1 :]]
        return [*made, *self._numbered(), *step[:place], *self._verdict(), *update, *self._after()]

    def _numbered(self) -> list[Statement]:
        """The number of the step, where a rule or a schedule asks for it."""
        if self.t not in self.read:
            return []
        before = Apply(_MUL, (Ref(self.epoch), Ref(self.batches)))
        done = Apply(_ADD, (Ref(self.steps_before), before))
        number = Apply(_ADD, (Apply(_ADD, (done, Ref(self.batch))), _ONE))
        return [Assign(Ref(self.t), Apply(TO_REAL, (number,)))]

    def _verdict(self) -> list[Statement]:
        """The loss is noted; if it is not a number, or infinite, the loop stops before it writes what it carries."""
        (loss,) = self.step.values
        weighted: Expr = Ref(self.loss)
        if self.loop.mean and self.length:
            weighted = Apply(_TIMES, (weighted, Apply(TO_REAL, (Ref(self.length),))))
        return [
            VERDICT,
            Assign(Ref(self.loss), loss),
            Accumulate(Ref(self.sum), weighted),
            Break(_differs(Apply(_MINUS, (Ref(self.loss), Ref(self.loss))))),
        ]

    def _after(self) -> list[Statement]:
        """What the step gives is noted, and taken over where it is not in its place yet."""
        assert self.step.leaves is not None
        norm, rate, *updated = self.step.leaves
        done = Apply(_ADD, (Apply(_MUL, (Ref(self.epoch), Ref(self.batches))), Ref(self.batch)))
        made: list[Statement] = [
            Assign(Ref(self.norm), Apply(_MAX, (Ref(self.norm), norm))),
            Assign(Item(self.rates, (Ref(self.epoch),)), rate),
            Assign(Item(self.reached, (_NONE,)), Apply(_ADD, (done, _ONE))),
        ]
        for name, expr in zip(self.carried, updated, strict=True):
            made += self._copied(name, expr) if expr != Ref(name) else []
        return made


def _differs(expr: Expr) -> Expr:
    return Apply(_NE, (expr, Literal(Fraction(0))))


def _by_argument(doors: list[Statement], parameters: list[str]) -> list[Statement]:
    """Doors with the casts in the order of the parameters, before all that measures what they cast."""
    casts = {s.name: s for s in doors if isinstance(s, Cast)}
    return [*[casts[name] for name in parameters], *[s for s in doors if not isinstance(s, Cast)]]


# Names.


def _renamed(door: Any, names: dict[str, str], least: dict[str, Expr]) -> Any:
    """A door under other names, in what it shows as well; what is demanded of a length holds for the least one."""

    def word(text: str) -> str:
        return re.sub(r"\w+", lambda match: names.get(match[0], match[0]), text)

    refs = _refs(names)

    match door:
        case Cast():
            return door._replace(name=names.get(door.name, door.name))
        case Measure():
            return door._replace(name=word(door.name), array=word(door.array), shift=_substituted(door.shift, refs))
        case Require():
            shape = tuple(_substituted(extent, refs) for extent in door.shape)
            return Require(word(door.array), shape, word(door.shown))
    return door._replace(left=_substituted(door.left, least), right=_substituted(door.right, least))


def _refs(names: dict[str, str]) -> dict[str, Expr]:
    return {name: Ref(other) for name, other in names.items()}


def _substituted(expr: Expr, found: dict[str, Expr]) -> Expr:
    if isinstance(expr, Ref):
        return found.get(expr.name, expr)
    inner = operands_of(expr)
    return with_operands(expr, tuple(_substituted(operand, found) for operand in inner)) if inner else expr
