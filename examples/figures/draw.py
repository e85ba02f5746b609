"""The figures of the training examples, drawn from what the examples themselves compute.

    python examples/figures/draw.py             # all of them
    python examples/figures/draw.py clipping    # one

They need matplotlib, and that of the digits scikit-learn. They are SVG with their text as text, and no date, names or
numbers in them that change from one drawing to the next.
"""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

HERE = Path(__file__).resolve().parent
BLUE, ORANGE, GREEN, RED, GREY = "#1f5fa8", "#d9822b", "#2f8f5b", "#c0392b", "#777777"
COLOURS = (BLUE, ORANGE, GREEN, RED, "#7d4fa0")
LIGHT = ("#cfe0f3", "#f7d9c8")


def example(name: str) -> Any:
    """What the example `train_NAME.py` defines."""
    return SimpleNamespace(**runpy.run_path(str(HERE.parent / f"train_{name}.py")))


def panels(*titles: str) -> tuple[Figure, Any]:
    """A figure with axes beside each other."""
    figure = Figure(figsize=(4.2 * len(titles) if len(titles) > 1 else 6.0, 3.3), layout="constrained")
    row = figure.subplots(1, len(titles), squeeze=False)[0]
    for axes, title in zip(row, titles, strict=True):
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, row if len(titles) > 1 else row[0]


def epochs_of(losses: Any) -> Any:
    return np.arange(1, len(losses) + 1)


def curves(axes: Any, by_name: dict[str, Any], label: str = "loss", log: bool = True) -> None:
    """One line a name, epoch by epoch."""
    for (name, values), colour in zip(by_name.items(), COLOURS, strict=False):
        axes.plot(epochs_of(values), values, label=name, color=colour, linewidth=1.3)
    if log:
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    if len(by_name) > 1:
        axes.legend(frameon=False, fontsize=8)


def boundary(axes: Any, score: Callable[[Any], Any], points: Any, classes: Any) -> None:
    """Where a classifier changes its mind, and points of both classes."""
    margin = 0.15 * np.ptp(points, axis=0)
    across, up = (np.linspace(low, high, 60) for low, high in zip(*limits(points, margin), strict=True))
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    scores = np.reshape(score(grid), (60, 60))
    axes.contourf(across, up, scores > 0.0, levels=[-0.5, 0.5, 1.5], colors=LIGHT)
    axes.contour(across, up, scores, levels=[0.0], colors="black", linewidths=1.0)
    for which, colour in ((0.0, BLUE), (1.0, RED)):
        mine = points[np.ravel(classes) == which]
        axes.plot(mine[:, 0], mine[:, 1], ".", markersize=3.5, color=colour)


def limits(points: Any, margin: Any) -> tuple[Any, Any]:
    return points.min(axis=0) - margin, points.max(axis=0) + margin


def line() -> Figure:
    found = example("line").trained()
    figure, axes = panels("Linear regression, a sample a step")
    losses, factor = found.history.loss, 0.98 * 0.92 * 0.82
    axes.plot(epochs_of(losses), losses, ".", markersize=4, color=BLUE, label="the compiled loop")
    axes.plot(
        epochs_of(losses),
        losses[0] * factor ** (2 * np.arange(len(losses))),
        color=GREY,
        linewidth=1.0,
        label="(0.98·0.92·0.82)$^{2·epoch}$",
    )
    axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.legend(frameon=False, fontsize=8)
    return figure


def network() -> Figure:
    made = example("network")
    figure, (left, right) = panels("2-3-1, gradient descent", "compiled loop against the loop by hand")
    curves(left, {"loss": made.trained().history.loss}, log=False)
    apart, counts = [], (1, 3, 10, 30, 100)
    for count in counts:
        made.fit["epochs"] = count
        compiled, hand = made.trained().params, made.by_hand(**made.START, **made.GIVEN)
        apart.append(max(float(np.abs(compiled[name] - hand[name]).max()) for name in hand))
    right.plot(counts, apart, "o-", color=BLUE, markersize=4, linewidth=1.0)
    right.axhline(2.0**-53, color=GREY, linewidth=1.0, linestyle="--")
    right.text(1, 2.0**-53 * 1.15, "half a unit in the last place of 1", fontsize=8, color=GREY)
    right.set(xscale="log", yscale="log", ylim=(1e-18, 1e-14), xlabel="epochs", ylabel="largest difference")
    return figure


def optimizers() -> Figure:
    found = example("optimizers").runs()
    figure, axes = panels("Two rings, 2-10-1, minibatches of 50")
    curves(axes, {name: run.history.loss for name, run in found.items()})
    return figure


def two_moons() -> Figure:
    made = example("two_moons")
    run = made.trained()
    figure, (left, middle, right) = panels(
        "cross-entropy", "accuracy on 200 points not learnt from", "where it decides"
    )
    curves(left, {"800 points": run.history.loss, "200 others": run.history.val_loss})
    curves(middle, {"accuracy": run.history.accuracy}, "", log=False)
    boundary(right, made.classifier(run.params), made._points[800:], made._classes[800:])
    right.set(xticks=[], yticks=[])
    return figure


def digits() -> Figure:
    made = example("digits")
    run = made.trained()
    figure, (left, right) = panels(
        "64-32-10 by Adam, minibatches of 32", "40 images that it has not seen, as it reads them"
    )
    curves(left, {"loss": run.history.loss})
    images = made._images[made.TRAINING : made.TRAINING + 40]
    seen, shown = made.read(run.params, images), made._shown[made.TRAINING :]
    tiles = np.zeros((4 * 14, 10 * 9))
    for k, image in enumerate(images):
        top, side = 14 * (k // 10), 9 * (k % 10)
        tiles[top : top + 8, side : side + 8] = image.reshape(8, 8)
        colour = GREY if seen[k] == shown[k] else RED
        right.text(side + 3.5, top + 10.0, str(seen[k]), ha="center", va="center", fontsize=8, color=colour)
    right.imshow(tiles, cmap="Greys", interpolation="none")
    right.axis("off")
    return figure


def oscillator() -> Figure:
    made = example("oscillator")
    run = made.trained()
    figure, (left, right) = panels("201 noisy positions, and the oscillator found", "mean squared distance")
    times, fitted = made.STEP * np.arange(made.STEPS + 1), {name: np.exp(run.params[name]) for name in ("k", "c")}
    left.plot(times, made.data[made.measured], ".", markersize=2.5, color=GREY, label="measured")
    left.plot(times, made.oscillation(1.0, 1.0), color=ORANGE, linewidth=1.0, label="first parameters")
    left.plot(times, made.oscillation(fitted["k"], fitted["c"]), color=BLUE, linewidth=1.3, label="found")
    left.set(xlabel="time", ylabel="position")
    left.legend(frameon=False, fontsize=8)
    curves(right, {"loss": run.history.loss})
    right.axhline(0.02**2, color=GREY, linewidth=1.0, linestyle="--")
    right.text(600, 0.02**2 * 1.1, "the noise's own", fontsize=8, color=GREY, ha="right")
    return figure


def gradient_check() -> Figure:
    made = example("gradient_check")
    found = made.errors()
    figure, axes = panels("How far from the exact gradient")
    axes.plot(made.STEPS, found.pop("differences"), "o-", color=BLUE, markersize=4, linewidth=1.0, label="differences")
    for (name, (error,)), colour, place in zip(found.items(), (GREEN, GREY, RED), (3.0, 0.3, 3.0), strict=True):
        axes.axhline(error, color=colour, linewidth=1.0, linestyle="--" if colour == GREY else "-")
        axes.text(1e-6, error * place, name, fontsize=8, color=colour, va="center", ha="center")
    axes.set(
        xscale="log", yscale="log", xlabel="step h of the differences", ylabel="relative error", ylim=(1e-17, 1e-1)
    )
    axes.legend(frameon=False, fontsize=8, loc="upper center")
    return figure


def clipping() -> Figure:
    made = example("clipping")
    found, paths = made.runs()
    figure, (left, middle, right) = panels("both ways over the cliff", "least loss so far", "length of the gradient")
    low, high = (4.1, -2.5), (5.1, -1.9)
    w, b = np.meshgrid(*np.linspace(low, high, 50).T)
    h = np.full_like(w, 0.5)
    for _ in range(50):
        h = 1.0 / (1.0 + np.exp(-(w * h + b)))
    left.contourf(w, b, np.sqrt((h - 0.7) ** 2), levels=8, cmap="Greys")
    for (name, path), colour in zip(paths.items(), (RED, BLUE), strict=True):
        at = np.array([(made.params[made.w], made.params[made.b]), *path])
        left.plot(*at.T, color=colour, linewidth=0.9, label=name)
        history = found[name].history
        for axes, values in ((middle, np.minimum.accumulate(history.loss)), (right, history.grad_norm)):
            axes.plot(epochs_of(values), values, color=colour, linewidth=0.9, label=name)
            axes.set(yscale="log", xlabel="epoch")
    left.plot(*at[-1], "o", color=BLUE, markersize=4)
    left.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="w", ylabel="b")
    left.legend(fontsize=8)
    return figure


def schedules() -> Figure:
    made = example("schedules")
    found, least = made.runs(), made.least_squares()
    figure, (left, right) = panels("learning rate at the end of an epoch", "loss above that of the best line")
    curves(left, {name: run.history.lr for name, run in found.items()}, "")
    curves(right, {name: run.history["all"] - least for name, run in found.items()}, "")
    right.get_legend().remove()
    return figure


def initialisation() -> Figure:
    made = example("initialisation")
    spread, found = made.sizes(), made.runs()
    figure, (left, right) = panels("signal behind each layer, before training", "loss")
    for (name, sizes), colour in zip(spread.items(), COLOURS, strict=True):
        if any(sizes):
            left.plot(np.arange(1, len(sizes) + 1), sizes, "o-", color=colour, markersize=3, linewidth=1.0, label=name)
        if hasattr(found[name], "history"):
            losses = found[name].history.loss
            # Two that learn nothing lie on each other.
            style = "-" if any(sizes) else "--"
            right.plot(epochs_of(losses), losses, style, color=colour, linewidth=1.3, label=name)
    left.set(yscale="log", xlabel="layer", ylabel="standard deviation")
    right.set(yscale="log", xlabel="epoch")
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=8)
    return figure


def batch_norm() -> Figure:
    made = example("batch_norm")
    found = made.runs()
    figure, (left, right) = panels("cross-entropy", "where it decides, in the data's own units")
    curves(left, {name: run.history.loss for name, run in found.items()})
    left.set_ylim(0.5 * min(np.min(run.history.loss) for run in found.values()), 3.0)
    boundary(right, made.classifier(found["batch norm"].params), *made.rings(200, seed=1))
    return figure


DRAWN: dict[str, Callable[[], Figure]] = {
    drawn.__name__: drawn
    for drawn in (
        line, network, two_moons, digits, optimizers, oscillator,
        gradient_check, clipping, schedules, initialisation, batch_norm,
    )
}  # fmt: skip


def svg(figure: Figure) -> bytes:
    """The figure as it is committed: no date, names from its content, coordinates to a hundredth of a point."""
    stream = BytesIO()
    with mpl.rc_context({"svg.hashsalt": "symbackprop", "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return re.sub(rb"(?<=[ \"(,ML-])(\d+\.\d{2})\d+", rb"\1", stream.getvalue())


def main(names: list[str]) -> None:
    for name in names or DRAWN:
        (HERE / f"{name}.svg").write_bytes(svg(DRAWN[name]()))


if __name__ == "__main__":
    main(sys.argv[1:])
