"""Backpropagation by hand on a graph of three steps, and the same by symbackprop.

The model is handed over let-bound, as `sympy.cse` returns an expression, so that its steps keep their names
in the emitted code:

    y = x*w        z = y**2        L = (z - t)**2

The adjoint of a step is the derivative of L in it. Backpropagation starts with L_bar = 1 and goes backwards,
each adjoint from the one before:

    z_bar = 2*(z - t)*L_bar
    y_bar = 2*y*z_bar
    w_bar = x*y_bar
    x_bar = w*y_bar

At x = 2, w = 1, t = 4 the loss is 0, its minimum, and so is every adjoint before L_bar; at t = 3 none is.

Emit its module:

    symbackprop emit examples/computational_graph.py:loss --wrt x,w
"""

import sympy as sp

from symbackprop import compile_grad

x, w, t = sp.symbols("x w t")
y, z = sp.symbols("y z")

loss = ([(y, x * w), (z, y**2)], [(z - t) ** 2])

AT = {"x": 2.0, "w": 1.0, "t": 3.0}

POINTS = ({"x": 2.0, "w": 1.0, "t": 4.0}, {"x": 2.0, "w": 1.0, "t": 3.0})


def by_hand(x: float, w: float, t: float) -> list[tuple[str, float, float]]:
    """Each step with its value, computed forwards, and its adjoint, computed backwards; the last first."""
    y = x * w
    z = y**2
    value = (z - t) ** 2

    value_bar = 1.0
    z_bar = 2 * (z - t) * value_bar
    y_bar = 2 * y * z_bar
    w_bar = x * y_bar
    x_bar = w * y_bar
    return [("L", value, value_bar), ("z", z, z_bar), ("y", y, y_bar), ("w", w, w_bar), ("x", x, x_bar)]


def by_symbackprop(x_value: float, w_value: float, t_value: float) -> dict[str, float]:
    """The same adjoints: those of x and w from `loss`, those of z and y from what comes after them."""
    in_inputs = compile_grad(loss, {"x": x, "w": w}, backend="python")
    in_y = compile_grad(([(z, y**2)], [(z - t) ** 2]), y, backend="python")
    in_z = compile_grad((z - t) ** 2, z, backend="python")
    y_value = x_value * w_value
    return {
        "L": 1.0,
        "z": in_z(z=y_value**2, t=t_value),
        "y": in_y(y=y_value, t=t_value),
        **in_inputs(x=x_value, w=w_value, t=t_value),
    }


def main() -> None:
    for point in POINTS:
        ours = by_symbackprop(point["x"], point["w"], point["t"])
        print("At " + ", ".join(f"{name} = {number:g}" for name, number in point.items()))
        print(f"{'step':>6}{'value':>8}{'adjoint by hand':>18}{'by symbackprop':>18}")
        for step, value, adjoint in by_hand(**point):
            print(f"{step:>6}{value:8g}{adjoint:18g}{ours[step]:18g}")
            if ours[step] != adjoint:
                raise SystemExit(f"dL/d{step} is {adjoint} by hand and {ours[step]} by symbackprop")
        print()
    print("The adjoints agree to the last bit.")


if __name__ == "__main__":
    main()
