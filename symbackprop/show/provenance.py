"""From the lines of an emitted module back to the user's expressions.

The model is compiled once more, by the same stages in the same order, with origins recorded; nobody who does not ask
pays for it. Then every statement of the text is a name, the scheduler knows which node that is, and what else was
written into the line; the node has an origin (see `ir.origin`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from symbackprop.compiler import Compiled, Request, compile_request
from symbackprop.emit import emit
from symbackprop.errors import InternalCompilerError
from symbackprop.ir import Graph, infix
from symbackprop.ir.origin import complete
from symbackprop.ir.signature import Leaf
from symbackprop.lower import Scheduler, lower
from symbackprop.lower.program import Function, Item, Literal, Ref
from symbackprop.lower.schedule import places_of
from symbackprop.ops import REGISTRY
from symbackprop.ops.control import SCAN
from symbackprop.ops.leaves import CONST, INPUT, LENGTH
from symbackprop.show.trace import RESULT, Part, Trace, Traces

Key = tuple[str, tuple[str, ...]]
"""What a statement assigns to: a name, and the place of an entry that is written alone."""
_LONGEST = 64
"""So many operations of a line are looked at."""
_STEPS = {
    "grad": "the gradient, of all samples where there are several",
    "stabilise": "stabilise: a form that keeps its digits",
    "removable": "removable: a polynomial beside a removable singularity",
    "contract": "contract: the order of products",
    "guard": "guard: an arm that is not taken contributes nothing",
    "stabilise adjoints": "stabilise: a form of the derivative that keeps its digits",
    "removable adjoints": "removable: a polynomial beside a removable singularity of the derivative",
    "contract adjoints": "contract: the order of products of the derivative",
    "expand": "expand: the definition of a row, in what the target has",
    "strength": "strength: cheaper operations for dear ones",
    "factorise": "factorise: a factorisation that systems share",
    "settle": "settle: a product taken transposed",
    "bounds": "bounds: a place that is checked",
}


def traced(request: Request, source: str) -> Traces:
    """Where each line of `source` comes from, which must be what the request emits."""
    compiled = compile_request(request, _fill, recording=True)
    known = _Known(compiled)
    if known.source != source:
        raise InternalCompilerError("the model emits another module when it is traced; please report this")
    lines = source.splitlines()
    says: dict[int, str] = {}
    parts: dict[int, tuple[Part, ...]] = {}
    tree = ast.parse(source)
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef):
            known.read(statement, says, parts)
        else:
            what = "the header" if isinstance(statement, ast.Expr) else "what the module needs"
            _say(says, statement, what)
    made = []
    for number, text in enumerate(lines, 1):
        empty = "a heading" if text.strip() else "an empty line"
        what = "computes" if number in parts else says.get(number, empty)
        made.append(Trace(number, text, what, parts.get(number, ())))
    return Traces(made, f"target {compiled.target}")


def _fill(step: str, graph: Graph) -> None:
    """After each stage: an origin for what it made, in the bodies of loops as well."""
    graphs = [graph]
    while graphs:
        one = graphs.pop()
        graphs += [node.attributes[0].graph for node in one.nodes if node.op is SCAN]
        if one.origins:
            complete(one.nodes, one.origins, _STEPS.get(step, step), {})


def _say(says: dict[int, str], statement: ast.AST, what: str) -> None:
    first, last = getattr(statement, "lineno", 0), getattr(statement, "end_lineno", 0)
    last = first if isinstance(statement, ast.For) else last
    first -= len(getattr(statement, "decorator_list", ()))
    for number in range(first, (last or first) + 1):
        says.setdefault(number, what)


class _Known:
    """What the schedulers know: the nodes behind names, by the function that these stand in."""

    def __init__(self, compiled: Compiled) -> None:
        self.functions: dict[str, _Names] = {}
        schedulers: list[Scheduler] = []
        program = lower(compiled.graph, compiled.signature, compiled.target, watch=schedulers.append)
        self.source = emit(program, compiled.signature, compiled.header, compiled.target)
        made = {function.name: function for function in program.functions}
        for scheduler in schedulers:
            name = scheduler.function.name
            self.functions[name] = _Names(scheduler, made[name])
        self.helpers: dict[str, list[str]] = {}
        for op in REGISTRY:
            for spelling in (getattr(op, compiled.target),):
                if spelling is not None and spelling.helper is not None:
                    for helper in (spelling.helper, *spelling.uses):
                        self.helpers.setdefault(helper.__name__, []).append(op.name)

    def names_of(self, function: str) -> _Names | None:
        return self.functions.get(function.removeprefix("_").split("_part_")[0] if "_part_" in function else function)

    def read(self, function: ast.FunctionDef, says: dict[int, str], parts: dict[int, tuple[Part, ...]]) -> None:
        """What the lines of a function are."""
        names = self.names_of(function.name)
        if names is None:
            rows = self.helpers.get(function.name)
            what = f"a helper for {', '.join(rows[:4])}" if rows else "calls the function that computes all of it"
            _say(says, function, "arguments, cast and checked" if function.name == "_inputs" else what)
            return
        statements = list(_statements(function.body))
        # From the last to the first: a name that no node has comes from where it is read.
        read: dict[str, tuple[Part, ...]] = {}
        for statement in reversed(statements):
            key = _target(statement)
            found: tuple[Part, ...] = ()
            if key is not None and not names.is_argument(statement, key):
                found = names.parts(key) or read.get(key[0], ())
            elif isinstance(statement, ast.Expr):
                found = names.parts_of_call(statement)
            if found:
                for word in ast.walk(statement):
                    if isinstance(word, ast.Name) and names.parts((word.id, ())) == ():
                        read.setdefault(word.id, found)
                for number in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1):
                    parts[number] = found
            _say(says, statement, _kind(statement, names, key))
        for statement in statements:
            if isinstance(statement, ast.For):
                says[statement.lineno] = "a loop over entries, or over the steps of a Scan"
                parts.pop(statement.lineno, None)
        for number in range(function.lineno - len(function.decorator_list), function.body[0].lineno):
            says.setdefault(number, "the head of the function")


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        if isinstance(statement, ast.For):
            yield from _statements(statement.body)


def _kind(statement: ast.stmt, names: _Names, key: Key | None) -> str:
    if isinstance(statement, ast.Return):
        return "the results"
    if isinstance(statement, ast.If | ast.Raise):
        return "a check"
    if isinstance(statement, ast.Break):
        return "leaves the loop"
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return "what the function returns"
    if key is not None and names.is_argument(statement, key):
        return "an argument, cast to the numbers of the program"
    if isinstance(statement, ast.Expr):
        return "calls a part of the function"
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Tuple):
        return "the arguments, cast and checked, and lengths"
    return "memory, lengths, or a name for what is known"


def _target(statement: ast.stmt) -> Key | None:
    """What a statement assigns to."""
    if isinstance(statement, ast.Assign):
        target = statement.targets[0]
    elif isinstance(statement, ast.AugAssign):
        target = statement.target
    else:
        return None
    place: list[str] = []
    while isinstance(target, ast.Subscript | ast.Attribute):
        if isinstance(target, ast.Subscript):
            inside = target.slice.elts if isinstance(target.slice, ast.Tuple) else [target.slice]
            place[:0] = [ast.unparse(index) for index in inside]
        target = target.value
    return (target.id, tuple(place)) if isinstance(target, ast.Name) else None


class _Names:
    """The nodes behind the names of one function, those of the bodies of its loops included."""

    def __init__(self, scheduler: Scheduler, function: Function) -> None:
        self.scheduler = scheduler
        self.parameters = set(scheduler.parameters)
        self.nodes: dict[Key, tuple[Scheduler, int]] = {}
        self.leading: dict[Key, Part] = {}
        """What a name is besides the node behind it: a derivative that something else is, too."""
        for one in (scheduler, *scheduler.inners):
            for index, name in one.named.items():
                if one.graph.nodes[index].op is not INPUT:
                    self.nodes.setdefault((name, ()), (one, index))
            for index, assigned in enumerate(one.assigned):
                expr = one.expr[index]
                if assigned and isinstance(expr, Ref | Item):
                    self.nodes.setdefault(_key(expr), (one, index))
        self._results()
        for name, slot in function.slots.items():
            if (name, ()) in self.nodes:
                self.nodes.setdefault(_key(slot), self.nodes[name, ()])

    def _results(self) -> None:
        """Results that are named where they are returned."""
        s = self.scheduler
        position = s.signature.value_count
        for leaf, name in zip(s.leaves, s.leaf_names, strict=True):
            nodes = s.graph.outputs[position : position + leaf.count]
            position += leaf.count
            if len(nodes) == 1:
                self._alias((name, ()), nodes[0], leaf)
            for place, node in zip(places_of(leaf), nodes, strict=False) if leaf.shape else ():
                self._alias(_key(Item(name, place)), node, leaf)

    def _alias(self, key: Key, node: int, leaf: Leaf) -> None:
        """A result, which may be known by another name, or not computed at all."""
        s = self.scheduler
        inputs = s.graph.inputs()
        origins = [s.graph.origins.get(inputs[member]) for member in leaf.members if member in inputs]
        of = tuple(expr for origin in origins if origin is not None for expr in origin.of)
        what = ", ".join(leaf.members[:4]) or leaf.what
        known = "" if key in self.nodes else ", which is known already"
        self.nodes.setdefault(key, (s, node))
        self.leading[key] = Part(of, (f"{RESULT} {what}{known}",))

    def is_argument(self, statement: ast.stmt, key: Key) -> bool:
        """Whether a statement casts an argument."""
        value = getattr(statement, "value", None)
        words = {word.id for word in ast.walk(value) if isinstance(word, ast.Name)} if value is not None else set()
        return key[0] in self.parameters and key[0] in words and not key[1]

    def parts(self, key: Key) -> tuple[Part, ...]:
        """The operations of the line that assigns to this; none where no node is known by it."""
        key = key if key in self.nodes else (key[0], ())
        if key not in self.nodes:
            return ()
        parts = list(dict.fromkeys(self._parts(*self.nodes[key])))
        lead = self.leading.get(key)
        # A sum over the uses of an input says itself what it is.
        if lead is not None and (not parts or parts[0].expressions != lead.expressions):
            parts.insert(0, lead)
        return tuple(parts)

    def parts_of_call(self, statement: ast.Expr) -> tuple[Part, ...]:
        """Of a call that fills an array: that is its last argument."""
        call = statement.value
        if isinstance(call, ast.Call) and call.args and isinstance(call.args[-1], ast.Name):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            return self.parts((call.args[-1].id, ())) if name else ()
        return ()

    def _parts(self, s: Scheduler, index: int) -> Iterator[Part]:
        """The node of a line, and what is written into the line with it."""
        graph = s.graph
        if s is not self.scheduler:
            # What a step computes has an origin of its own where the user wrote the step.
            yield from [self._part_of_step(graph, index)] if index not in graph.origins else self._written(s, index)
            return
        yield from self._written(s, index)

    def _written(self, s: Scheduler, index: int) -> Iterator[Part]:
        """The operations of a line, each with its origin."""
        graph = s.graph
        stack, seen = [index], {index}
        while stack and len(seen) <= _LONGEST:
            node = stack.pop()
            origin = graph.origins.get(node)
            if origin is not None:
                yield Part(origin.of, origin.how)
            for operand in reversed(graph.nodes[node].operands):
                leaf = graph.nodes[operand].op in (CONST, INPUT, LENGTH)
                if not leaf and not s.assigned[operand] and operand not in seen:
                    seen.add(operand)
                    stack.append(operand)

    def _part_of_step(self, body: Graph, index: int) -> Part:
        """A node of a loop's body: the loop as the user wrote it, and what the step computes."""
        outer = self.scheduler.graph
        for place, node in enumerate(outer.nodes):
            if node.op is SCAN and node.attributes[0].graph is body:
                origin = outer.origins.get(place)
                if origin is not None:
                    return Part(origin.of, (*origin.how, f"one step: {infix(body, index)}"))
        return Part((), (f"one step of a loop: {infix(body, index)}",))


def _key(expr: Ref | Item) -> Key:
    if isinstance(expr, Ref):
        return expr.name, ()
    literal = all(isinstance(index, Literal) for index in expr.place)
    return expr.array, tuple(str(index.number) for index in expr.place if isinstance(index, Literal)) if literal else ()
