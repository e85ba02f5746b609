"""The functions of `emit.maths` against Arb, over all doubles; in lanes and alone the same bits."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest
import sympy as sp
from flint import arb, ctx

from symbackprop import compile_function
from symbackprop.emit.assembly import Assembler, Word
from symbackprop.emit.maths import FUNCTIONS, elementary
from symbackprop.jit.native import Loaded, object_code

BOUND = 1.0
"""In ulp of the truth. Over 300,000 points each where it is hardest: exp 0.76 (denormal results), expm1 0.88, log 0.81,
log1p 0.80, tanh 0.75, sin 0.78, cos 0.76."""
every_function = pytest.mark.parametrize("name", FUNCTIONS)
Columns = Callable[[np.ndarray], np.ndarray]


@cache
def compiled(name: str, width: int, dtype: str = "float64") -> Columns:
    """A function of a column; in a register of `width` numbers, or (1) of one number after the other."""
    asm = Assembler(dtype, width)
    own = asm.type("real", width > 1)
    found = elementary(asm, name, Word("%x", "real", width > 1))
    text = [
        *asm.declared.values(),
        "define void @column(ptr %in, ptr %out, i64 %count) {",
        "entry:",
        "  br label %turn",
        "turn:",
        "  %i = phi i64 [0, %entry], [%following, %last]",
        f"  %there = getelementptr {asm.scalar['real']}, ptr %in, i64 %i",
        f"  %x = load {own}, ptr %there, align 4",
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
    loaded = Loaded(object_code("\n".join(text)), {}, ())
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(loaded.address("column"))

    def call(column: np.ndarray) -> np.ndarray:
        padded = np.zeros(len(column) + width, dtype)
        padded[: len(column)] = column
        out = np.empty_like(padded)
        function(padded.ctypes.data, out.ctypes.data, len(column))
        assert loaded is not None  # It must live as long as the call.
        return out[: len(column)]

    return call


@cache
def points(count: int = 2000) -> np.ndarray:
    """Of all magnitudes, and dense where a reduction, a scale or a formula changes."""
    rng = np.random.default_rng(7)

    def near(centre: np.ndarray | float, least: int = -16) -> np.ndarray:
        return centre * (1 + rng.uniform(-1, 1, count) * 10.0 ** rng.uniform(least, 0, count))

    def signed(column: np.ndarray) -> np.ndarray:
        return column * rng.choice([-1, 1], count)

    half_turns = [rng.integers(-1000, 1000, count), rng.integers(-6 * 10**8, 6 * 10**8, count)]
    return np.concatenate(
        [
            signed(np.ldexp(rng.uniform(1, 2, count), rng.integers(-1074, 1024, count))),
            signed(np.ldexp(rng.uniform(1, 2, count), rng.integers(-60, 11, count))),
            signed(np.ldexp(rng.integers(1, 2**40, count).astype(float), -1074)),
            near(1.0),
            near(-1.0),
            near(0.35),
            rng.uniform(-0.5, 0.5, count),
            rng.uniform(-50, 50, count),
            rng.uniform(-750, 720, count),
            rng.uniform(709.7, 709.8, count),
            rng.uniform(-746, -708, count),
            rng.uniform(18, 42, count) * rng.choice([-1, -0.5, 0.5, 1], count),
            (rng.integers(-1080, 1030, count) + 0.5) * math.log(2),
            *[turns * (math.pi / 2) for turns in half_turns],
            near(1e9, -6),
            rng.uniform(-1e9, 1e9, count),
        ]
    )


def truth(name: str, x: float) -> arb:
    # Arguments beyond which a function no longer changes, since balls of such numbers take a million bits.
    lowest, highest = {"exp": (-800.0, 800.0), "expm1": (-800.0, 800.0), "tanh": (-100.0, 100.0)}.get(
        name, (-math.inf, math.inf)
    )
    ctx.prec = 1400 if name in ("sin", "cos") and abs(x) > 2.0**60 else 200
    return getattr(arb(min(max(x, lowest), highest)), name)()


def errors(name: str, given: np.ndarray, got: np.ndarray, smallest: float) -> Iterator[tuple[float, float]]:
    """Each error in ulp, and where; `smallest` is that of the relative spacing of the type."""
    for x, y in zip(given.tolist(), got.tolist(), strict=True):
        if (name == "log" and x <= 0) or (name == "log1p" and x <= -1):
            continue
        want = truth(name, x)
        nearest = float(want)
        if math.isinf(nearest) or math.isinf(y):
            yield 0.0 if y == nearest else math.inf, x
            continue
        ulp = max(math.ulp(nearest) * (smallest / 2.0**-52), 2.0**-1074 if smallest == 2.0**-52 else 2.0**-149)
        yield abs(float((arb(y) - want) / arb(ulp))) if y == y else math.inf, x


@every_function
def test_every_function_is_right_to_one_ulp(name: str) -> None:
    worst, at = max(errors(name, points(), compiled(name, 1)(points()), 2.0**-52))
    assert worst <= BOUND, f"{name}: {worst:.3f} ulp at {at!r}"


@every_function
def test_single_precision_is_rounded_once(name: str) -> None:
    with np.errstate(over="ignore"):
        given = points().astype(np.float32)
    given = given[np.isfinite(given)]
    got = compiled(name, 1, "float32")(given)
    kept = np.isfinite(got)
    with np.errstate(over="ignore"):
        # What is infinite in single precision need not be in double precision.
        assert_same_bits(got[~kept], compiled(name, 1)(given.astype(float)).astype(np.float32)[~kept])
    # Half an ulp from rounding, and a double's ulp of 2**-29 of these.
    worst, at = max(errors(name, given[kept].astype(float), got[kept].astype(float), 2.0**-23))
    assert worst <= 0.5 + 1e-6, f"{name}: {worst:.7f} ulp at {at!r}"


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


@every_function
@pytest.mark.parametrize("width", [1, 4])
def test_special_values(name: str, width: int) -> None:
    given, want = (np.array(column) for column in zip(*SPECIAL[name], strict=True))
    np.testing.assert_array_equal(compiled(name, width)(given), want)
    got = compiled(name, width)(given)
    real = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got[real]), np.signbit(want[real]))


def assert_same_bits(got: np.ndarray, want: np.ndarray) -> None:
    same = (got.view(f"i{got.itemsize}") == want.view(f"i{want.itemsize}")) | (np.isnan(got) & np.isnan(want))
    assert np.all(same), f"{np.count_nonzero(~same)} differ"


@every_function
@pytest.mark.parametrize("width", [2, 4, 8, 16])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_lanes_have_the_bits_of_numbers_alone(name: str, width: int, dtype: str) -> None:
    with np.errstate(over="ignore"):
        given = np.concatenate([points(), [x for x, _ in SPECIAL[name]]]).astype(dtype)
    # Out of order, so that near and far arguments, and nan, share registers.
    given = np.random.default_rng(width).permutation(given)
    assert_same_bits(compiled(name, width, dtype)(given), compiled(name, 1, dtype)(given))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_columns_of_every_length_have_the_bits_of_numbers(dtype: str) -> None:
    """Where the last register is filled in part."""
    x = sp.Symbol("x", real=True)
    exprs = [sp.exp(x), sp.exp(x) - 1, sp.log(x), sp.log(1 + x), sp.tanh(x), sp.sin(x), sp.cos(x)]
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
