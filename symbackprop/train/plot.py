"""Pictures of a run, by matplotlib, which is an extra and imported only here."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from symbackprop.emit.files import replace_atomically
from symbackprop.errors import EmitError, OptionError, ShapeMismatch

HISTORY = ("loss", "val_loss", "grad_norm", "lr", "seconds")
"""What a history has beside metrics."""


def curves(history: Mapping[str, Any], title: str = "", path: str | os.PathLike[str] | None = None) -> Any:
    """Losses above, and below them what else there is of metrics; a figure, and a file if a path is given."""
    figure_of = figure_maker()
    metrics = [name for name in history if name not in HISTORY]
    figure = figure_of(figsize=(7, 3.2 * (1 + bool(metrics))), layout="constrained")
    axes = figure.subplots(1 + bool(metrics), 1, sharex=True, squeeze=False)[:, 0]
    epochs = np.arange(1, len(history["loss"]) + 1)
    for name, label in (("loss", "training"), ("val_loss", "validation")):
        if name in history:
            axes[0].plot(epochs, history[name], label=label)
    if min(float(np.min(history[name], initial=np.inf)) for name in ("loss", "val_loss") if name in history) > 0.0:
        axes[0].set_yscale("log")
    axes[0].set_ylabel("loss")
    axes[0].legend()
    axes[0].set_title(title)
    for name in metrics:
        axes[1].plot(epochs, history[name], label=name)
    if metrics:
        axes[1].legend()
    axes[-1].set_xlabel("epoch")
    if path is not None:
        _write(figure, path)
    return figure


def plot_decision_boundary(
    score: Callable[[Any], Any],
    points: Any,
    classes: Any,
    path: str | os.PathLike[str] | None = None,
    steps: int = 200,
) -> Any:
    """Points of two classes in the plane, and where the classifier changes its mind; a figure, and a file at `path`.

    `score` takes points, one a row, and gives a number for each, above 0 for class 1: a logit. Raises OptionError where
    matplotlib is not installed, ShapeMismatch for points that are not in the plane.
    """
    points, classes = np.asarray(points, np.float64), np.ravel(classes)
    if points.ndim != 2 or points.shape[1] != 2 or len(classes) != len(points):
        raise ShapeMismatch(f"points must be of shape (n, 2) with n classes, got {points.shape} and {classes.shape}")
    figure = figure_maker()(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    margin = 0.1 * np.ptp(points, axis=0)
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    across, up = (np.linspace(low[axis], high[axis], steps) for axis in (0, 1))
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    scores = np.reshape(score(grid), (steps, steps))
    axes.contourf(across, up, scores > 0.0, levels=[-0.5, 0.5, 1.5], colors=["#cfe0f3", "#f7d9c8"])
    axes.contour(across, up, scores, levels=[0.0], colors="black", linewidths=1.0)
    for which, colour in ((0, "#1f5fa8"), (1, "#c4511b")):
        mine = points[classes == which]
        axes.scatter(mine[:, 0], mine[:, 1], s=8, color=colour, label=f"class {which}")
    axes.legend()
    if path is not None:
        _write(figure, path)
    return figure


def _write(figure: Any, path: str | os.PathLike[str]) -> None:
    kind = Path(path).suffix.lower().lstrip(".") or "png"
    known = figure.canvas.get_supported_filetypes()
    if kind not in known:
        raise EmitError(f"cannot draw {os.fspath(path)}: matplotlib writes {', '.join(sorted(known))}")
    replace_atomically(path, lambda stream: figure.savefig(stream, format=kind, dpi=120))


def figure_maker() -> Any:
    """What makes a figure with no window of its own, so that no display is needed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise OptionError("plots need matplotlib: pip install 'symbackprop[plot]'") from None

    def made(**options: Any) -> Any:
        figure = Figure(**options)
        FigureCanvasAgg(figure)
        return figure

    return made
