"""A gallery: the seeds of the subject, drawn and explained by the compiler itself.

It prints a page of Markdown, kept in examples/gallery.md, where GitHub draws the pictures, or a notebook whose cells
are the code of this file, kept in examples/gallery.ipynb:

    python examples/gallery.py > examples/gallery.md
    python examples/gallery.py --notebook > examples/gallery.ipynb

The first seed is e = (a + b)*(b + 1), whose steps are let-bound so that they keep their names: c = a + b,
d = b + 1, e = c*d. At a = 2, b = 1 the partials on its edges are 1, 1, 1, 2 and 3, and its gradient is (2, 5).

Emit its module:

    symbackprop emit examples/gallery.py:seed --wrt a,b
"""

import inspect
import json
import sys
from pathlib import Path

import numpy as np
import sympy as sp

from symbackprop import affine, compile_grad, mse, recurrence, relu

a, b, c, d, e = sp.symbols("a b c d e")
seed = ([(c, a + b), (d, b + 1), (e, c * d)], [e])

AT = {"a": 2.0, "b": 1.0}


def addition():
    """The seed, what it is differentiated in, and a point."""
    return seed, [a, b], AT


def neuron():
    """A neuron with its loss."""
    w, x, t, h, loss = sp.symbols("w x t h L")
    model = ([(h, sp.tanh(w * x + b)), (loss, (h - t) ** 2)], [loss])
    return model, [w, b], {"x": 1.5, "w": 0.5, "b": -0.25, "t": 1.0}


def network():
    """Two layers on N samples: the loss with its steps, what is learnt, and a point."""
    n = sp.Symbol("N", integer=True, positive=True)
    data, target = sp.MatrixSymbol("X", n, 2), sp.MatrixSymbol("Y", n, 1)
    w1, b1 = sp.MatrixSymbol("W1", 2, 3), sp.MatrixSymbol("b1", 1, 3)
    w2, b2 = sp.MatrixSymbol("W2", 3, 1), sp.MatrixSymbol("b2", 1, 1)
    z1, a1, p = sp.MatrixSymbol("Z1", n, 3), sp.MatrixSymbol("A1", n, 3), sp.MatrixSymbol("P", n, 1)
    model = ([(z1, affine(data, w1, b1)), (a1, relu(z1)), (p, affine(a1, w2, b2))], [mse(p, target)])
    point = {
        "X": np.array([[0.5, -1.0], [1.5, 2.0]]),
        "Y": np.array([[1.0], [-0.5]]),
        "W1": np.array([[0.5, -1.0, 1.0], [0.25, 1.0, -0.5]]),
        "b1": np.array([[0.0, 0.5, 0.25]]),
        "W2": np.array([[1.0], [-0.5], [0.5]]),
        "b2": np.array([[0.25]]),
    }
    return model, [w1, b1, w2, b2], point


def recurrent():
    """A state of one number, tanh(w*h + x) again and again, ten times."""
    w, x, t, h = sp.symbols("w x t h")
    model = recurrence(sp.tanh(w * h + x), h, t, (sp.Symbol("k", integer=True), 1, 10))
    return model, [w, x, t], {"w": 0.9, "x": 0.1, "t": 0.5}


SECTIONS = [
    ("(a + b)(b + 1)", "The smallest graph in which paths meet: b reaches e twice.", addition),
    ("A neuron", "One weight, one sample.", neuron),
    ("A network of two layers", "Arrays keep their shapes on the arrows.", network),
    ("A recurrent network", "Ten steps are one scan, and its adjoint another that runs back.", recurrent),
]


def shown(title, words, make):
    """A section of the page; what it says is held against the compiled gradient first."""
    model, wrt, at = make()
    g = compile_grad(model, wrt, backend="numpy")
    explanation = g.explain(**at)
    compiled = [entry for leaf in g(**at) for entry in np.ravel(leaf)]
    explained = [entry for leaf in explanation.gradient.values() for entry in np.ravel(leaf)]
    if not np.allclose(compiled, explained, rtol=1e-12):
        raise SystemExit(f"{title}: explained {explained}, compiled {compiled}")
    return [f"## {title}", words, f"```mermaid\n{g.graph.mermaid(at=at)}```", explanation.markdown().rstrip()]


def notebook():
    """The same as cells, with the code that makes them; outputs come when it is run."""
    text = Path(__file__).read_text(encoding="utf-8")
    head = text[text.index("import numpy") : text.index("def addition")].rstrip()
    cells = [("markdown", "# Gallery\n\nWritten by `python examples/gallery.py --notebook`."), ("code", head)]
    for title, words, make in SECTIONS:
        run = 'g = compile_grad(model, wrt, backend="numpy")\ng.graph.at(at)'
        cells += [
            ("markdown", f"## {title}\n\n{words}"),
            ("code", f"{inspect.getsource(make)}\n\nmodel, wrt, at = {make.__name__}()\n{run}"),
            ("code", "g.explain(**at)"),
            ("code", "print(g.source)"),
            ("code", "g.trace()"),
        ]
    cells += [("markdown", "What a call of the last one takes here, and why."), ("code", "g.measure(**at)")]
    made = []
    for number, (kind, source) in enumerate(cells):
        own = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": source.splitlines(keepends=True)}
        made.append(own | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def main():
    if sys.argv[1:] == ["--notebook"]:
        print(notebook())
        return
    page = [
        "# Gallery",
        "What `examples/gallery.py` prints: pictures by `g.graph.mermaid(at=...)`, tables by `g.explain(...)`.",
        *[part for section in SECTIONS for part in shown(*section)],
    ]
    print("\n\n".join(page))


if __name__ == "__main__":
    main()
