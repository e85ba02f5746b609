"""Pictures of a run, by matplotlib, which is an extra and imported only here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from symbackprop.errors import OptionError


def curves(history: Mapping[str, Any], title: str = "", path: str | os.PathLike[str] | None = None) -> Any:
    """Losses above, and below them what else there is of metrics; a figure, and a file if a path is given."""
    figure_of = figure_maker()
    metrics = [name for name in history if name not in ("loss", "val_loss", "grad_norm", "lr", "seconds")]
    figure = figure_of(figsize=(7, 3.2 * (1 + bool(metrics))), layout="constrained")
    axes = figure.subplots(1 + bool(metrics), 1, sharex=True, squeeze=False)[:, 0]
    epochs = np.arange(1, len(history["loss"]) + 1)
    for name, label in (("loss", "training"), ("val_loss", "validation")):
        if name in history:
            axes[0].plot(epochs, history[name], label=label)
    if min(float(np.min(history[name])) for name in ("loss", "val_loss") if name in history) > 0.0:
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
        figure.savefig(path, dpi=120)
    return figure


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
