"""The polynomials of `emit/maths_*`: prints their coefficients, the highest power first, and the error they leave.

    python tests/benchmarks/minimax.py

Remez's exchange at 60 digits: the polynomial whose largest weighted error over an interval is least. Its coefficients
are rounded to doubles, and the error is that of the rounded ones, at 2,000 points.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp

Function = Callable[[mp.mpf], mp.mpf]


def minimax(f: Function, weight: Function, low: float, high: float, degree: int) -> list[mp.mpf]:
    """The coefficients, the lowest power first; the error is (p - f)*weight."""
    centre, half = (mp.mpf(low) + high) / 2, (mp.mpf(high) - low) / 2
    count = degree + 2
    grid = [centre - half * mp.cos(mp.pi * k / (20 * (count - 1))) for k in range(20 * (count - 1) + 1)]
    places = grid[::20]
    known = [(x, f(x), weight(x)) for x in grid]
    for _ in range(8):
        rows = [[*(t**k for k in range(degree + 1)), (-1) ** j / weight(t)] for j, t in enumerate(places)]
        found = list(mp.lu_solve(mp.matrix(rows), mp.matrix([f(t) for t in places])))[:-1]
        errors = [(mp.polyval(found[::-1], x) - value) * scale for x, value, scale in known]
        places = _alternating(grid, errors, count)
    return found


def _alternating(grid: list[mp.mpf], errors: list[mp.mpf], count: int) -> list[mp.mpf]:
    """Where the error is largest between one change of its sign and the next; of more than `count`, the larger ones."""
    found = [0]
    for k in range(1, len(grid)):
        if errors[k] * errors[found[-1]] < 0:
            found.append(k)
        elif abs(errors[k]) > abs(errors[found[-1]]):
            found[-1] = k
    while len(found) > count:
        found.pop(0 if abs(errors[found[0]]) < abs(errors[found[-1]]) else -1)
    return [grid[k] for k in found]


def _atanh_rest(z: mp.mpf) -> mp.mpf:
    """(atanh(s)/s - 1 - z/3)/z**2 with z = s*s."""
    s = mp.sqrt(z)
    return (mp.atanh(s) / s - 1 - z / 3) / z**2


def _rest(f: Function, z: mp.mpf) -> mp.mpf:
    """(f(s)/s - 1)/z with z = s*s, for an odd f with slope 1 at 0."""
    s = mp.sqrt(z)
    return (f(s) / s - 1) / z


def _near_erf(z: mp.mpf) -> mp.mpf:
    """erf(s)/s - 1 + 3/8*z with z = s*s."""
    s = mp.sqrt(z)
    return mp.erf(s) / s - 1 + 3 * z / 8


def _log_erfcx(u: mp.mpf) -> mp.mpf:
    return -mp.log(mp.erfc(u + 2)) - (u + 2) ** 2


def _tail(t: mp.mpf) -> mp.mpf:
    """(1 + 2x)*exp(x*x)*erfc(x) with t = (x - 15/4)/(x + 15/4)."""
    x = mp.mpf(15) / 4 * (1 + t) / (1 - t)
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


PROBLEMS: dict[str, tuple[Function, Function, float, float, int]] = {
    # The name, the function, the weight that makes its error one relative to the result, the interval, the degree.
    "atan": (lambda z: _rest(mp.atan, z), lambda z: z, 1e-6, 0.17158, 11),
    "asin": (lambda z: _rest(mp.asin, z), lambda z: z, 1e-6, 0.25, 12),
    "erf": (_near_erf, lambda z: mp.mpf(1), 1e-9, 1.0, 11),
    "-log(erfcx(2 + u))": (_log_erfcx, lambda u: mp.erfc(u + 2), -1.13, 4.0, 20),
    "(1 + 2x)*erfcx(x)": (_tail, lambda t: 1 / _tail(t), -3.25 / 4.25, 23.75 / 31.25, 22),
    "log": (_atanh_rest, lambda z: z * z, 1e-6, 0.00518, 6),
}


def main() -> None:
    for name, (f, weight, low, high, degree) in PROBLEMS.items():
        found = minimax(f, weight, low, high, degree)
        rounded = [float(c) for c in found]
        points = [low + (mp.mpf(high) - low) * k / 2000 for k in range(2001)]
        error = max(abs((mp.polyval([mp.mpf(c) for c in rounded[::-1]], t) - f(t)) * weight(t)) for t in points)
        print(f"{name}, degree {degree} over [{low}, {high}]: {mp.nstr(error, 3)} = 2**{mp.nstr(mp.log(error, 2), 4)}")
        print(f"    {rounded[::-1]}, and of the constant {float(found[0] - rounded[0])!r}")


if __name__ == "__main__":
    with mp.workdps(60):
        main()
