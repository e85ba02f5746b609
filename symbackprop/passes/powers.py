"""Products and quotients as powers of their factors."""

from __future__ import annotations

from fractions import Fraction

from symbackprop.ir import Functions, Node, Value
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import CONST

_MUL, _DIV, _NEG, _POW = (REGISTRY[name] for name in ("mul", "div", "neg", "pow"))
_PRODUCTS = frozenset({_MUL, _DIV, _POW})
MOST_FACTORS = 8
_ONE = Fraction(1)

Powers = dict[int, int]
"""A product: its factors, each with a power that is not 0."""


def powers_of(nodes: list[Node], index: int) -> Powers:
    """The factors of a product, of quotients and of whole powers of such."""
    op, operands, *_ = nodes[index]
    if op not in _PRODUCTS:
        return {index: 1}
    one, other = operands
    if op is not _POW and nodes[one].op not in _PRODUCTS and nodes[other].op not in _PRODUCTS:
        # Most that there are.
        if one == other:
            return {one: 2} if op is _MUL else {}
        return {one: 1, other: 1 if op is _MUL else -1}
    found: Powers = {}
    stack = [(index, 1)]
    while stack:
        node, power = stack.pop()
        op, operands = nodes[node].op, nodes[node].operands
        exponent = nodes[operands[1]].attributes if op is _POW and nodes[operands[1]].op is CONST else None
        if (op is _MUL or op is _DIV) and len(found) + len(stack) < MOST_FACTORS:
            stack += [(operands[1], power if op is _MUL else -power), (operands[0], power)]
        elif type(exponent) is Fraction and exponent.denominator == 1 and exponent:
            stack.append((operands[0], power * int(exponent)))
        else:
            found[node] = found.get(node, 0) + power
    return {node: power for node, power in found.items() if power}


def number_and_powers(nodes: list[Node], index: int) -> tuple[Fraction, Powers]:
    """A product as a number and its other factors, each with a power."""
    number, found = _ONE, Powers()
    stack = [(index, 1)]
    while stack:
        product, times = stack.pop()
        for base, power in powers_of(nodes, product).items():
            node, power = nodes[base], power * times
            if node.op is _NEG:
                number = -number if power % 2 else number
                stack.append((node.operands[0], power))
            elif node.op is CONST and type(node.attributes) is Fraction and node.attributes:
                # Arithmetic of Fractions is slow, and most products have one number.
                factor = node.attributes if power == 1 else node.attributes**power
                number = factor if number is _ONE else number * factor
            else:
                found[base] = found.get(base, 0) + power
    return number, {base: power for base, power in found.items() if power}


def over(one: Powers, other: Powers) -> Powers:
    return {base: one.get(base, 0) - other.get(base, 0) for base in {**one, **other}}


def order_of(ratio: Powers, own: Powers) -> int:
    """n, where the ratio is a product to its power n; 0 where it is none."""
    left = {base: power for base, power in ratio.items() if power}
    order = next((left.get(base, 0) // power for base, power in own.items()), 0)
    return order if left == {base: order * power for base, power in own.items()} else 0


def raised(f: Functions, powers: Powers, number: Fraction = _ONE) -> Value:
    """The product of a number and of factors to their powers."""
    parts: dict[bool, list[int]] = {True: [] if number == 1 else [f.const(number).index], False: []}
    for base, power in powers.items():
        if not power:
            continue
        value = f.builder.nodes[base].attributes if f.is_constant(f.wrap(base)) else None
        if isinstance(value, Fraction):
            parts[True].append(f.const(value**power).index)
        else:
            size = abs(power)
            parts[power > 0].append(f.pow(f.wrap(base), size).index if size > 1 else base)
    above = product_of(f, parts[True])
    return above / product_of(f, parts[False]) if parts[False] else above


def product_of(f: Functions, factors: list[int]) -> Value:
    total = f.wrap(factors[0]) if factors else f.const(1)
    for factor in factors[1:]:
        total = total * f.wrap(factor)
    return total
