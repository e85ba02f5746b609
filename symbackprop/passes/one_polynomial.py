"""Sums of polynomials in one variable, each among factors, as one polynomial: what cancels does so in its coefficients.

The slope of S(u)/k with u = k*x, which a series is, is S'(u)*x/k - S(u)/k**2 in k: (u*S'(u) - S(u))/k**2.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from symbackprop.ir import Functions, Graph, GraphBuilder, Node, Value
from symbackprop.ops import REGISTRY, Op
from symbackprop.passes.powers import number_and_powers, order_of, over, raised

_ADD, _SUB, _MUL, _DIV, _NEG, _SELECT, _NOT = (
    REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "select", "logical_not")
)
_POLYNOMIAL = REGISTRY["polynomial"]
_CARRIERS = frozenset({_MUL, _DIV, _NEG, _SELECT})
_DEEPEST = 4


def among_factors(graph: Graph) -> list[bool]:
    """The nodes that are a polynomial among factors, or a choice or sum of such."""
    found: list[bool] = []
    for op, operands, *_ in graph.nodes:
        if op is _ADD or op is _SUB:
            one, other = operands
            gated = graph.nodes[one].op is _SELECT or graph.nodes[other].op is _SELECT
            found.append((found[one] and found[other]) or (gated and (found[one] or found[other])))
        else:
            found.append(op is _POLYNOMIAL or (op in _CARRIERS and any(found[operand] for operand in operands)))
    return found


def one_polynomial(builder: GraphBuilder, index: int) -> int | None:
    """A sum of two such terms, of which each may be the near arm of a choice: of one, then, between the sums."""
    f, node = Functions(builder), builder.nodes[index]
    one, other = node.operands
    found = _joined(f, node.op, one, other)
    if found is not None:
        return found.index
    gates = [_gate(builder.nodes, operand, _DEEPEST) for operand in node.operands]
    if gates[0] is None or gates[0] != gates[1]:
        return None
    (near, far), (near_other, far_other) = (_arms(f, operand) for operand in node.operands)
    found = _joined(f, node.op, near.index, near_other.index)
    return None if found is None else f.select(f.wrap(gates[0]), found, _sum(f, node.op, far, far_other)).index


def _gate(nodes: Sequence[Node], index: int, depth: int) -> int | None:
    """The condition of a choice among factors; where it is a negation, of what."""
    op, operands = nodes[index].op, nodes[index].operands
    if op is _SELECT:
        condition = nodes[operands[0]]
        return condition.operands[0] if condition.op is _NOT else operands[0]
    if not depth or op not in (_MUL, _DIV, _NEG, _ADD, _SUB):
        return None
    found = _gate(nodes, operands[0], depth - 1)
    if op is _ADD or op is _SUB:
        return found if found is not None and found == _gate(nodes, operands[1], depth - 1) else None
    return _gate(nodes, operands[1], depth - 1) if found is None and op is _MUL else found


def _arms(f: Functions, index: int) -> tuple[Value, Value]:
    """What a product with one choice among its factors is where that holds, and elsewhere."""
    nodes = f.builder.nodes
    op, operands = nodes[index].op, nodes[index].operands
    if _gate(nodes, index, _DEEPEST) is None:
        # Further in than one looks for a choice, or without one: the same in both.
        return f.wrap(index), f.wrap(index)
    if op is _SELECT:
        arms = f.wrap(operands[1]), f.wrap(operands[2])
        return arms[::-1] if nodes[operands[0]].op is _NOT else arms
    if op is _ADD or op is _SUB:
        pairs = zip(_arms(f, operands[0]), _arms(f, operands[1]), strict=True)
        first, second = (_sum(f, op, *pair) for pair in pairs)
        return first, second
    place = 0 if op is not _MUL or _gate(nodes, operands[0], _DEEPEST) is not None else 1
    arms = _arms(f, operands[place])
    if op is _NEG:
        return -arms[0], -arms[1]
    # A gate is 0 whatever it is multiplied by.
    zero, other = f.const(0), f.wrap(operands[1 - place])
    first, second = (
        a if a.index == zero.index else f.apply(op, *((a, other) if place == 0 else (other, a))) for a in arms
    )
    return first, second


def _sum(f: Functions, op: Op, one: Value, other: Value) -> Value:
    """A sum or difference, in which a gate's 0 is left out."""
    zero = f.const(0).index
    if other.index == zero:
        return one
    if one.index == zero:
        return other if op is _ADD else -other
    return f.apply(op, one, other)


def _joined(f: Functions, op: Op, one: int, other: int) -> Value | None:
    """The sum or difference of two polynomials among factors that differ by a power of their variable."""
    nodes = f.builder.nodes
    parts, found = [], []
    for term in (one, other):
        parts.append(number_and_powers(nodes, term))
        polynomials = [base for base, n in parts[-1][1].items() if n == 1 and nodes[base].op is _POLYNOMIAL]
        if len(polynomials) != 1:
            return None
        found += polynomials
    first, second = found
    if nodes[first].operands != nodes[second].operands or nodes[one].type != nodes[other].type:
        return None
    (u,) = nodes[first].operands
    inner, own = number_and_powers(nodes, u)
    rests = [
        {base: n for base, n in powers.items() if base != p}
        for (_, powers), p in zip(parts, (first, second), strict=True)
    ]
    order = 0 if rests[0] == rests[1] else order_of(over(rests[1], rests[0]), own)
    if not order and rests[0] != rests[1]:
        return None
    numbers = [parts[0][0], parts[1][0] if op is _ADD else -parts[1][0]]
    # From the term with fewer powers of u.
    low, high = (0, 1) if order >= 0 else (1, 0)
    coefficients = [numbers[low] * c for c in nodes[found[low]].attributes]
    for k, c in enumerate(nodes[found[high]].attributes, abs(order)):
        coefficients += [Fraction(0)] * (k + 1 - len(coefficients))
        coefficients[k] += numbers[high] / inner ** abs(order) * c
    least = next((k for k, c in enumerate(coefficients) if c), None)
    if least is None:
        return f.const(0)
    powers = {base: rests[low].get(base, 0) + least * own.get(base, 0) for base in {**rests[low], **own}}
    factor = raised(f, powers, inner**least)
    return factor * f.polynomial(tuple(coefficients[least:]), f.wrap(u))
