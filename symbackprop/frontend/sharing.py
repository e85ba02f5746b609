"""Find again the partial sums and products that SymPy's flattening hid, and make every sum and product binary.

SymPy flattens `(a + b) + c`, so that `a + b` is no longer shared, and turns a recurrence of n steps into n products of
up to n factors. What is shared is decided in `grouping`, on sums and on products alike; here it is built.

Binary nodes make prefix and suffix products come out of the reverse sweep by themselves: O(n) for n factors, without a
division, exact with any number of zeros.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from symbackprop.frontend.grouping import Family, Token
from symbackprop.ir import Functions, Graph, GraphBuilder, Node
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import CONST

_SUM_OF, _PRODUCT_OF, _POW = REGISTRY["sum_of"], REGISTRY["product_of"], REGISTRY["pow"]
_ADD, _SUB, _MUL, _DIV, _NEG = (REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg"))
_SQRT = REGISTRY["sqrt"]


# A divisor that a user may have written; a larger one comes from a float and stays a factor.
_SMALL = 10**6


@dataclass(slots=True)
class Product:
    """A product taken apart: coefficient * (numerator group) / (denominator group)."""

    coefficient: Fraction
    numerator: int | None
    denominator: int | None


class _Sharing:
    """Rebuilds a raw graph with binary sums and products."""

    def __init__(self, raw: Graph) -> None:
        self.raw = raw
        self.builder = GraphBuilder()
        self.f = Functions(self.builder)
        self.new: list[int] = []
        self.products, self.sums = Family(), Family()
        self.product: dict[int, Product] = {}
        self.sum: dict[int, tuple[Fraction, int | None]] = {}
        self.built_products: dict[int, int] = {}
        self.built_sums: dict[int, tuple[bool, int]] = {}
        self.built_pairs: dict[tuple[bool, int], Any] = {}

    def run(self) -> Graph:
        for index, node in enumerate(self.raw.nodes):
            if node.op is _PRODUCT_OF:
                self._take_product(index, node)
            elif node.op is _SUM_OF:
                self._take_sum(index, node)
        self.products.recover()
        self.sums.recover()
        for index, node in enumerate(self.raw.nodes):
            self.new.append(self._rebuild(index, node))
        for index, label in self.raw.labels.items():
            self.builder.label(self.new[index], label)
        for index, origin in self.raw.origins.items():
            made = self.new[index]
            self.builder.origins.setdefault(made, origin._replace(op=self.builder.nodes[made].op.name))
        self.builder.complete_origins()
        return self.builder.graph([self.new[output] for output in self.raw.outputs])

    def _rebuild(self, index: int, node: Node) -> int:
        if node.op is _PRODUCT_OF:
            return self._product(self.product[index])
        if node.op is _SUM_OF:
            return self._sum(*self.sum[index])
        if node.op is _POW and (exponent := self._constant(node.operands[1])) is not None:
            return self._power(self.new[node.operands[0]], exponent)
        return self.builder.copy(node, tuple([self.new[operand] for operand in node.operands]))

    def _constant(self, index: int) -> Fraction | None:
        node = self.raw.nodes[index]
        return node.attributes if node.op is CONST and isinstance(node.attributes, Fraction) else None

    # Products: an integer exponent is the multiplicity of its base; other constant exponents stay with it.

    def _take_product(self, index: int, node: Node) -> None:
        coefficient = Fraction(1)
        over: dict[Token, int] = {}
        under: dict[Token, int] = {}
        nodes = self.raw.nodes
        for operand in node.operands:
            op = nodes[operand].op
            if op is CONST and (constant := self._constant(operand)) is not None:
                coefficient *= constant
            elif op is _POW and (exponent := self._constant(nodes[operand].operands[1])):
                base = nodes[operand].operands[0]
                side = over if exponent > 0 else under
                if exponent.denominator == 1:
                    side[base] = side.get(base, 0) + abs(exponent.numerator)
                else:
                    side[base, abs(exponent)] = side.get((base, abs(exponent)), 0) + 1
            else:
                over[operand] = over.get(operand, 0) + 1
        self.product[index] = Product(
            coefficient,
            self.products.add(over) if over else None,
            self.products.add(under) if under else None,
        )

    def _product(self, product: Product) -> int:
        c = product.coefficient
        over = self._product_group(product.numerator) if product.numerator is not None else None
        under = self._product_group(product.denominator) if product.denominator is not None else None
        if under is None:
            if over is None:
                return self.builder.const(c)
            return self._scaled(over, c)
        if over is None:
            return self.builder.add(_DIV, (self.builder.const(c), under))
        if abs(c.numerator) == 1 and 1 < c.denominator <= _SMALL:
            # One division in all: x/(3*y).
            under = self._times(self.builder.const(c.denominator), under)
            c = Fraction(c.numerator)
        return self._scaled(self.builder.add(_DIV, (over, under)), c)

    def _scaled(self, node: int, c: Fraction) -> int:
        if c == 1:
            return node
        if c == -1:
            return self.builder.add(_NEG, (node,))
        if abs(c.numerator) == 1 and c.denominator <= _SMALL and c.denominator & (c.denominator - 1):
            # x/3 rounds once; x*(1/3) twice.
            quotient = self.builder.add(_DIV, (node, self.builder.const(c.denominator)))
            return self.builder.add(_NEG, (quotient,)) if c < 0 else quotient
        return self._times(self.builder.const(c), node)

    def _times(self, x: int, y: int) -> int:
        return self.builder.add(_MUL, (x, y))

    def _product_group(self, index: int) -> int:
        for member in self._chain(self.products, index, self.built_products):
            group = self.products.groups[member]
            factors = [self._factor(item) for item in group.rest or ()]
            if group.inside is not None:
                factors.insert(0, self.built_products[group.inside])
            self.built_products[member] = self._multiply(factors)
        return self.built_products[index]

    def _multiply(self, factors: Iterable[int]) -> int:
        iterator = iter(factors)
        result = next(iterator)
        for factor in iterator:
            result = self._times(result, factor)
        return result

    def _factor(self, item: tuple[Token, int]) -> int:
        token, times = item
        if isinstance(token, tuple):
            base, exponent = token
            # The power of the root and not base**(exponent*times), which would be real where the root is nan.
            root = self._power(self.new[base], exponent)
            return root if times == 1 else self._power(root, Fraction(times))
        if token >= 0:
            return self.new[token] if times == 1 else self._power(self.new[token], Fraction(times))
        known = self.built_pairs.get((True, token))
        if known is None:
            known = self._multiply([self._factor(part) for part in self.products.pairs[-token - 1]])
            self.built_pairs[True, token] = known
        return int(known)

    def _power(self, base: int, exponent: Fraction) -> int:
        if exponent == 1:
            return base
        if exponent < 0:
            return self.builder.add(_DIV, (self.builder.const(1), self._power(base, -exponent)))
        if exponent == Fraction(1, 2):
            return self.builder.add(_SQRT, (base,))
        return self.builder.add(_POW, (base, self.builder.const(exponent)))

    # Sums: tokens are raw nodes; a signed value is (negative?, node).

    def _take_sum(self, index: int, node: Node) -> None:
        constant = Fraction(0)
        terms: dict[Token, int] = {}
        for operand in node.operands:
            number = self._constant(operand)
            if number is not None:
                constant += number
            else:
                terms[operand] = terms.get(operand, 0) + 1
        self.sum[index] = constant, (self.sums.add(terms) if terms else None)

    def _sum(self, constant: Fraction, group: int | None) -> int:
        if group is None:
            return self.builder.const(constant)
        signed = self._sum_group(group)
        if constant:
            # 1 - x starts with the constant, x + 1 and x - 1 end with it.
            own = (constant < 0, self.builder.const(abs(constant)))
            signed = self._combine([own, signed] if signed[0] and not own[0] else [signed, own])
        negative, node = signed
        return self.builder.add(_NEG, (node,)) if negative else node

    def _sum_group(self, index: int) -> tuple[bool, int]:
        for member in self._chain(self.sums, index, self.built_sums):
            group = self.sums.groups[member]
            terms = [self._term(item) for item in group.rest or ()]
            if group.inside is not None:
                terms.insert(0, self.built_sums[group.inside])
            self.built_sums[member] = self._combine(terms)
        return self.built_sums[index]

    def _combine(self, terms: list[tuple[bool, int]]) -> tuple[bool, int]:
        """Add signed terms; start with the first positive one, so that a - b needs no negation."""
        first = next((position for position, (negative, _) in enumerate(terms) if not negative), None)
        if first is None:
            return True, self._combine([(False, node) for _, node in terms])[1]
        result = terms[first][1]
        for position, (negative, node) in enumerate(terms):
            if position != first:
                result = self.builder.add(_SUB if negative else _ADD, (result, node))
        return False, result

    def _term(self, item: tuple[Token, int]) -> tuple[bool, int]:
        token, times = item
        if token < 0:
            known = self.built_pairs.get((False, token))
            if known is None:
                known = self._combine([self._term(part) for part in self.sums.pairs[-token - 1]])
                self.built_pairs[False, token] = known
            return known
        product = self.product.get(token)
        if product is not None and product.coefficient < 0:
            positive = Product(-product.coefficient * times, product.numerator, product.denominator)
            return True, self._product(positive)
        return False, self.new[token] if times == 1 else self._scaled(self.new[token], Fraction(times))

    @staticmethod
    def _chain(family: Family, index: int, built: dict[int, Any]) -> list[int]:
        """The groups inside this one that are still to be built, the innermost first."""
        chain: list[int] = []
        where: int | None = index
        while where is not None and where not in built:
            chain.append(where)
            where = family.groups[where].inside
        return chain[::-1]


def share(raw: Graph) -> Graph:
    """The graph with binary sums and products, shared where they were hidden."""
    return _Sharing(raw).run()
