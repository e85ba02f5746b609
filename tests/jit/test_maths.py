"""The functions of `emit.maths` against Arb, over all doubles; in lanes and alone the same bits."""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest
import sympy as sp
from flint import arb, ctx

from symbackprop import compile_function
from symbackprop.emit.assembly import Assembler, Word
from symbackprop.emit.maths import FUNCTIONS, elementary, sine_and_cosine
from symbackprop.jit.native import Loaded, object_code
from symbackprop.ops import REGISTRY

BOUND = 1.0
"""In ulp of the truth; ARCHITECTURE, decision 37, has each function's worst over 300,000 points where it is hardest."""
every_function = pytest.mark.parametrize("name", FUNCTIONS)
# What is made of two of them is right to 2 ulp of its parts, which may cancel.
every_part = pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "logaddexp"])
Columns = Callable[..., np.ndarray]


@cache
def compiled(name: str, width: int, dtype: str = "float64") -> Columns:
    """A function of a column; in a register of `width` numbers, or (1) of one number after the other."""
    asm, arity = Assembler(dtype, width), REGISTRY[name].arity
    own = asm.type("real", width > 1)
    found = elementary(asm, name, *[Word(f"%x{k}", "real", width > 1) for k in range(arity)])
    loads = [
        line
        for k in range(arity)
        for line in (
            f"  %there{k} = getelementptr {asm.scalar['real']}, ptr %in{k}, i64 %i",
            f"  %x{k} = load {own}, ptr %there{k}, align 4",
        )
    ]
    text = [
        *asm.declared.values(),
        f"define void @column({', '.join(f'ptr %in{k}' for k in range(arity))}, ptr %out, i64 %count) {{",
        "entry:",
        "  br label %turn",
        "turn:",
        "  %i = phi i64 [0, %entry], [%following, %last]",
        *loads,
        *asm.lines,
        f"  %result = getelementptr {asm.scalar['real']}, ptr %out, i64 %i",
        f"  store {own} {found.text}, ptr %result, align 4",
        "  br label %last",
        "last:",
        f"  %following = add i64 %i, {width}",
        "  %more = icmp slt i64 %following, %count",
        "  br i1 %more, label %turn, label %done",
        "done:",
        "  ret void",
        "}",
        "attributes #1 = { nounwind willreturn memory(none) }",
    ]
    loaded = Loaded([object_code("\n".join(text))], {}, ())
    pointers = [ctypes.c_void_p] * (arity + 1)
    function = ctypes.CFUNCTYPE(None, *pointers, ctypes.c_int64)(loaded.address("column"))

    def call(*columns: np.ndarray) -> np.ndarray:
        count = len(columns[0])
        padded = np.zeros((arity + 1, count + width), dtype)
        padded[:-1, :count] = columns
        function(*[row.ctypes.data for row in padded], count)
        assert loaded is not None  # It must live as long as the call.
        return padded[-1, :count]

    return call


@cache
def sine_beside_cosine(dtype: str) -> Callable[[float], tuple[float, float]]:
    """What one call gives for both of a number alone."""
    asm = Assembler(dtype)
    own = asm.type("real", False)
    found = sine_and_cosine(asm, Word("%x", "real"))
    text = [
        *asm.declared.values(),
        f"define void @both({own} %x, ptr %out) {{",
        "entry:",
        *asm.lines,
        f"  %second = getelementptr {own}, ptr %out, i64 1",
        f"  store {own} {found[0].text}, ptr %out",
        f"  store {own} {found[1].text}, ptr %second",
        "  ret void",
        "}",
        "attributes #1 = { nounwind willreturn memory(none) }",
    ]
    loaded = Loaded([object_code("\n".join(text))], {}, ())
    number = ctypes.c_double if dtype == "float64" else ctypes.c_float
    function = ctypes.CFUNCTYPE(None, number, ctypes.c_void_p)(loaded.address("both"))

    def call(x: float) -> tuple[float, float]:
        out = np.zeros(2, dtype)
        function(x, out.ctypes.data)
        assert loaded is not None  # It must live as long as the call.
        return out[0], out[1]

    return call


@cache
def points(arity: int, count: int = 5000) -> tuple[np.ndarray, ...]:
    """Of all magnitudes, and dense where a reduction, a scale or a formula changes."""
    draw = Draw(np.random.default_rng(7), count)
    sets = draw.numbers() if arity == 1 else draw.pairs()
    columns = [np.concatenate(columns) for columns in zip(*sets, strict=True)]
    # A third is smaller than the first, by little or much.
    return (*columns, columns[0] * 10.0 ** draw.rng.uniform(-20, 0, len(columns[0])))[:arity]


class Draw:
    def __init__(self, rng: np.random.Generator, count: int) -> None:
        self.rng, self.count = rng, count

    def between(self, low: float, high: float) -> np.ndarray:
        return self.rng.uniform(low, high, self.count)

    def whole(self, low: int, high: int) -> np.ndarray:
        return self.rng.integers(low, high, self.count).astype(float)

    def near(self, centre: np.ndarray | float, least: int = -16) -> np.ndarray:
        return centre * (1 + self.between(-1, 1) * 10.0 ** self.between(least, 0))

    def signed(self, column: np.ndarray) -> np.ndarray:
        return column * self.rng.choice([-1, 1], self.count)

    def magnitudes(self, low: int = -1074, high: int = 1024) -> np.ndarray:
        return self.signed(np.ldexp(self.between(1, 2), self.rng.integers(low, high, self.count)))

    def denormal(self) -> np.ndarray:
        return self.signed(np.ldexp(self.whole(1, 2**40), -1074))

    def numbers(self) -> list[tuple[np.ndarray]]:
        columns = [
            self.magnitudes(),
            self.magnitudes(-60, 11),
            self.denormal(),
            *[self.signed(self.near(c)) for c in (1.0, 0.35, 0.5, math.tan(math.pi / 8), math.tan(math.pi * 3 / 8))],
            self.between(-1, 1),
            self.signed(self.between(0.4, 1.2)),
            self.between(0.5, 27.3),
            self.between(-6.5, 6.5),
            self.between(-50, 50),
            self.between(-750, 720),
            self.signed(self.between(709.7, 709.8)),
            self.signed(self.between(710.4, 710.5)),
            self.between(-746, -708),
            self.between(18, 42) * self.rng.choice([-1, -0.5, 0.5, 1], self.count),
            (self.whole(-1080, 1030) + 0.5) * math.log(2),
            self.near(self.whole(-2000, 2000) * (math.pi / 4)),
            self.whole(-1000, 1000) * (math.pi / 2),
            self.whole(-6 * 10**8, 6 * 10**8) * (math.pi / 2),
            self.near(1e9, -6),
            self.between(-1e9, 1e9),
        ]
        return [(column,) for column in columns]

    def pairs(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """For atan2 and hypot at all ratios; for powers with results of all magnitudes."""
        bases = [abs(self.magnitudes()), abs(self.magnitudes(-60, 11)), self.between(0.5, 2), abs(self.denormal())]
        # Where the logarithm's reduction changes, and where it is small.
        bases += [abs(self.near(c)) for c in (0.9, 1.155, math.sqrt(0.5), math.sqrt(2.0), 1.0)]
        bases = [np.where(base == 1.0, 2.0, base) for base in bases]
        powers = [(base, self.between(-750, 715) / np.log(base)) for base in bases]
        large, middle = self.magnitudes(-900), self.magnitudes(-60, 11)
        slope = self.near(math.tan(math.pi / 8))
        return [
            *powers,
            (self.between(0.5, 2), self.signed(self.between(700, 709.8))),
            (self.between(-10, 10), self.whole(-40, 40)),
            (self.between(0, 100), self.whole(-40, 40) / 2),
            (self.magnitudes(), self.magnitudes()),
            (self.between(-3, 3), self.between(-3, 3)),
            (self.denormal(), self.denormal()),
            (self.denormal(), self.magnitudes()),
            (large, large * 2.0 ** self.between(-60, 0)),
            (middle, middle * slope),
            (middle, self.near(middle)),
            (middle * slope, -middle),
        ]


# Arguments beyond which a function no longer changes, since balls of such numbers take a million bits.
REACH = {
    "exp": 800.0,
    "expm1": 800.0,
    "sinh": 800.0,
    "cosh": 800.0,
    "tanh": 100.0,
    "erf": 100.0,
    "erfc": 100.0,
    "exp2": 1200.0,
}


def truth(name: str, *x: float) -> arb:
    if name == "pow":
        return power_of_balls(*x)
    ctx.prec = 1400 if name in ("sin", "cos", "tan") and abs(x[0]) > 2.0**60 else 240
    reach = REACH.get(name, math.inf)
    return REGISTRY[name].ball(*[arb(min(max(one, -reach), reach)) for one in x])


def power_of_balls(x: float, y: float) -> arb:
    ctx.prec = 240
    if x < 0.0 and y != math.floor(y):
        return arb("nan")
    exponent = arb(abs(x)).log() * arb(y)
    size = (exponent if abs(exponent) < 2000 else arb(2000 if exponent > 0 else -2000)).exp()
    return -size if x < 0.0 and y % 2.0 == 1.0 else size


def errors(
    name: str, given: tuple[np.ndarray, ...], got: np.ndarray, smallest: float
) -> Iterator[tuple[float, list[float]]]:
    """Each error in ulp, and where; `smallest` is that of the relative spacing of the type."""
    for y, *x in zip(got.tolist(), *[column.tolist() for column in given], strict=True):
        want = truth(name, *x)
        nearest = float(want)
        if not math.isfinite(nearest) or math.isinf(y):
            # At poles, which are notable values below, a ball has no value either.
            yield 0.0 if y == nearest or (not math.isfinite(y) and nearest != nearest) else math.inf, x
            continue
        ulp = max(math.ulp(nearest) * (smallest / 2.0**-52), 2.0**-1074 if smallest == 2.0**-52 else 2.0**-149)
        yield abs(float((arb(y) - want) / arb(ulp))) if y == y else math.inf, x


@every_part
def test_every_function_is_right_to_one_ulp(name: str) -> None:
    given = points(REGISTRY[name].arity)
    worst, at = max(errors(name, given, compiled(name, 1)(*given), 2.0**-52))
    # The roundings of a sum of three squares, halved by the root; for two, hypot takes them back.
    assert worst <= (1.5 if name == "norm" else BOUND), f"{name}: {worst:.3f} ulp at {at!r}"


@every_part
def test_single_precision_is_rounded_once(name: str) -> None:
    with np.errstate(over="ignore"):
        given = np.array(points(REGISTRY[name].arity, 1000)).astype(np.float32)
    # Signed zeros are no balls; they are notable values below.
    given = given[:, (np.isfinite(given) & (given != 0.0)).all(axis=0)]
    got = compiled(name, 1, "float32")(*given)
    kept = np.isfinite(got)
    with np.errstate(over="ignore"):
        # What is infinite in single precision need not be in double precision.
        wide = compiled(name, 1)(*given.astype(float)).astype(np.float32)
        assert_same_bits(got[~kept], wide[~kept])
    # Half an ulp from rounding, and a double's ulp of 2**-29 of these, or 2**-45 of the result of a power.
    worst, at = max(errors(name, tuple(given[:, kept].astype(float)), got[kept].astype(float), 2.0**-23))
    assert worst <= 0.5 + 1e-6, f"{name}: {worst:.7f} ulp at {at!r}"


def test_logarithms_of_powers_of_their_base_are_whole() -> None:
    twos, tens = np.arange(-1074.0, 1024.0), np.arange(23.0)
    np.testing.assert_array_equal(compiled("log2", 1)(np.ldexp(1.0, twos.astype(int))), twos)
    np.testing.assert_array_equal(compiled("log10", 1)(np.array([float(10**k) for k in range(23)])), tens)


def test_the_logarithm_of_a_sum_is_right_to_two_ulp_of_its_parts() -> None:
    rng = np.random.default_rng(5)
    x = rng.uniform(-800, 800, 20_000) * 10.0 ** rng.uniform(-3, 0, 20_000)
    y = x + rng.uniform(-60, 60, 20_000) * 10.0 ** rng.uniform(-20, 0, 20_000)
    got = compiled("logaddexp", 1)(x, y)
    ctx.prec = 240
    want = np.array([float((arb(a).exp() + arb(b).exp()).log()) for a, b in zip(x.tolist(), y.tolist(), strict=True)])
    parts = np.maximum(np.maximum(abs(x), abs(y)), 0.7)
    assert np.max(abs(got - want) / np.spacing(parts)) <= 2.0


INF, NAN = math.inf, math.nan
LAST = 1.7976931348623157e308
SPECIAL: dict[str, list[tuple[float, float]]] = {
    "exp": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (NAN, NAN), (LAST, INF), (-LAST, 0.0), (710.0, INF),
            (-745.2, 0.0), (-745.0, 5e-324), (5e-324, 1.0)],
    "expm1": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1.0), (NAN, NAN), (LAST, INF), (-LAST, -1.0),
              (5e-324, 5e-324), (-5e-324, -5e-324), (1e-310, 1e-310)],
    "log": [(0.0, -INF), (-0.0, -INF), (INF, INF), (-INF, NAN), (NAN, NAN), (-5e-324, NAN), (-1.0, NAN), (1.0, 0.0),
            (5e-324, -744.4400719213812), (LAST, 709.782712893384)],
    "log1p": [(0.0, 0.0), (-0.0, -0.0), (-1.0, -INF), (INF, INF), (-INF, NAN), (NAN, NAN), (-1.0000000000000002, NAN),
              (5e-324, 5e-324), (-5e-324, -5e-324), (LAST, 709.782712893384), (-LAST, NAN)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (NAN, NAN), (LAST, 1.0), (-LAST, -1.0),
             (5e-324, 5e-324), (-5e-324, -5e-324), (20.0, 1.0)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN), (NAN, NAN), (5e-324, 5e-324), (-5e-324, -5e-324)],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN), (NAN, NAN), (5e-324, 1.0)],
}  # fmt: skip


@pytest.mark.parametrize("name", SPECIAL)
@pytest.mark.parametrize("width", [1, 4])
def test_special_values(name: str, width: int) -> None:
    given, want = (np.array(column) for column in zip(*SPECIAL[name], strict=True))
    np.testing.assert_array_equal(compiled(name, width)(given), want)
    got = compiled(name, width)(given)
    real = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got[real]), np.signbit(want[real]))


NOTABLE = [0.0, 5e-324, 1e-310, 2.0**-1022, 1e-200, 2.0**-54, 0.5, 1.0, 1 + 2.0**-52, 2.0, 2.5, 3.0, 1e10, 2.0**53,
           2.0**53 + 2, 2.0**70, 1e200, LAST, INF]  # fmt: skip


@every_function
@pytest.mark.parametrize("width", [1, 8])
def test_notable_values_are_those_of_the_row(name: str, width: int) -> None:
    """All combinations: what is infinite, no number or a signed zero is so in the row's own reference as well."""
    row = REGISTRY[name]
    assert row.python is not None
    reference = row.python.helper or getattr(math, row.python.callee.removeprefix("math."))
    ones = [NAN, *NOTABLE, *[-x for x in NOTABLE]]
    given = np.array(list(itertools.product(ones, repeat=row.arity))).T
    want = np.array([reference(*x) for x in given.T.tolist()])
    got = compiled(name, width)(*given)
    np.testing.assert_array_max_ulp(got[np.isfinite(want)], want[np.isfinite(want)], 2)
    exact = ~np.isfinite(want) | (want == 0.0)
    np.testing.assert_array_equal(got[exact], want[exact])
    real = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got[real]), np.signbit(want[real]))


def assert_same_bits(got: np.ndarray, want: np.ndarray) -> None:
    same = (got.view(f"i{got.itemsize}") == want.view(f"i{want.itemsize}")) | (np.isnan(got) & np.isnan(want))
    assert np.all(same), f"{np.count_nonzero(~same)} differ"


@every_function
@pytest.mark.parametrize(
    "dtype, width", [("float64", 2), ("float64", 4), ("float64", 8), ("float32", 4), ("float32", 8), ("float32", 16)]
)
def test_lanes_have_the_bits_of_numbers_alone(name: str, dtype: str, width: int) -> None:
    arity = REGISTRY[name].arity
    notable = np.array(list(itertools.product([NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 5e-324], repeat=arity))).T
    with np.errstate(over="ignore"):
        given = np.concatenate([points(arity, 1000), notable], axis=1).astype(dtype)
    # Out of order, so that near and far arguments, and nan, share registers.
    given = np.random.default_rng(width).permutation(given, axis=1)
    assert_same_bits(compiled(name, width, dtype)(*given), compiled(name, 1, dtype)(*given))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_columns_of_every_length_have_the_bits_of_numbers(dtype: str) -> None:
    """Where the last register is filled in part."""
    x = sp.Symbol("x", real=True)
    exprs = [sp.exp(x), sp.exp(x) - 1, sp.log(x), sp.log(1 + x), x ** sp.sqrt(2), sp.sinh(x), sp.cosh(x), sp.tanh(x)]
    exprs += [sp.sin(x), sp.cos(x), sp.tan(x), sp.asin(x), sp.acos(x), sp.atan(x), sp.atan2(x, 2), sp.erf(x)]
    function = compile_function(exprs, args=[x], dtype=dtype)
    assert function.route == "direct"
    given = np.random.default_rng(1).uniform(0.1, 3.0, 21).astype(dtype)
    given[3], given[9] = 1e12, np.nan
    alone = np.array([function(number) for number in given], dtype)
    for length in range(21):
        got = function(given[:length])
        for position, column in enumerate(got):
            assert column.shape == (length,)
            assert_same_bits(np.ascontiguousarray(column), np.ascontiguousarray(alone[:length, position]))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_sine_beside_its_cosine_has_the_same_bits(dtype: str) -> None:
    with np.errstate(over="ignore"):  # Beyond float32 they are infinite.
        drawn = np.concatenate([points(1)[0][::40], [0.0, -0.0, np.inf, -np.inf, np.nan, 1e300]]).astype(dtype)
    found = np.array([sine_beside_cosine(dtype)(x) for x in drawn]).T
    for name, column in zip(("sin", "cos"), found, strict=True):
        alone = compiled(name, 1, dtype)(drawn)
        np.testing.assert_array_equal(column, alone, err_msg=name)
        np.testing.assert_array_equal(np.signbit(column), np.signbit(alone), err_msg=name)
