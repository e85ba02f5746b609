"""Every array row lowered for every target, value and gradient, against the reference evaluator."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symbackprop.ad import modes
from symbackprop.compiler import optimise
from symbackprop.emit import Header, emit
from symbackprop.ir import Functions, GraphBuilder, Type, interpret
from symbackprop.ir.signature import Argument, Leaf, Signature, Structure
from symbackprop.jit import load
from symbackprop.lower import lower
from symbackprop.ops import REGISTRY
from symbackprop.ops.extents import determined, dimensions

_path = Path(__file__).with_name("test_array_rows.py")
_spec = importlib.util.spec_from_file_location("array_rows", _path)
assert _spec is not None and _spec.loader is not None
array_rows: Any = importlib.util.module_from_spec(_spec)
sys.modules["array_rows"] = array_rows
_spec.loader.exec_module(array_rows)

# Sums in another order, and linear algebra by other algorithms, at condition numbers up to 100.
RTOL = 1e-10


def _program(sample: Any, target: str) -> tuple[Any, Any, list[str]]:
    """The emitted functions of sum(w * row(...)**2) and its gradient, and the graph that they come from."""
    builder = GraphBuilder()
    f = Functions(builder)
    names = [f"x{k}" for k in range(len(sample.shapes))]
    inputs = [
        f.wrap(builder.input(name, Type(dtype, tuple(shape))))
        for name, dtype, shape in zip(names, sample.dtypes(), sample.shapes, strict=True)
    ]
    row = f.wrap(builder.structural(REGISTRY[sample.row], tuple(x.index for x in inputs), sample.attributes))
    loss = f.reduce_sum(f.sin(row)) if f.shape(row) else f.sin(row)
    if not inputs or builder.nodes[row.index].type.dtype != "real" or sample.row == "cofactor_tangent":
        return None, None, names  # no input, or no derivative
    real = [x.index for x, dtype in zip(inputs, sample.dtypes(), strict=True) if dtype == "real"]
    graph = modes.gradient(builder.graph([row.index, loss.index]), real, "zero")
    arguments = tuple(
        Argument(name, (name,), (name,), shape=tuple(shape), dtype=dtype)  # type: ignore[arg-type]
        for name, dtype, shape in zip(names, sample.dtypes(), sample.shapes, strict=True)
    )
    untold = sorted({d for a in arguments for e in a.shape for d in dimensions(e)} | _named(graph))
    told = determined(argument.shape for argument in arguments)
    arguments += tuple(Argument(d, (d,), (d,), dtype="int", dimension=True) for d in untold if d not in told)
    leaves = tuple(
        Leaf(f"{name}_bar", name, tuple(shape), (name,), bool(shape))
        for name, dtype, shape in zip(names, sample.dtypes(), sample.shapes, strict=True)
        if dtype == "real"
    )
    values = Structure("tuple", (Structure("leaf"),) * 2)
    signature = Signature("grad", arguments, leaves, Structure("tuple", (Structure("leaf"),) * len(leaves)), values)
    best = optimise(graph, target, 2)
    text = emit(lower(best, signature, target), signature, Header("t", (), "zero", "float64", ""), target)
    return graph, load(text)["value_and_grad"], [argument.name for argument in arguments]


def _named(graph: Any) -> set[str]:
    return {d for node in graph.nodes for extent in node.type.shape for d in dimensions(extent)}


# Numba takes two seconds a module: one sample of each row and rank.
FEW = {(sample.row, len(sample.shapes[0])): sample for sample in array_rows.SAMPLES if sample.shapes}
CASES = [(sample, target) for sample in array_rows.SAMPLES for target in ("numpy", "python")]
CASES += [(sample, "numba") for sample in FEW.values()]


@pytest.mark.parametrize(("sample", "target"), CASES, ids=lambda part: str(part))
def test_row_on_every_target(sample: Any, target: str) -> None:
    graph, function, names = _program(sample, target)
    if graph is None:
        return
    for size in sample.sizes if target != "numba" else sample.sizes[:2]:
        given = {**size, **array_rows.inputs_of(sample, size)}
        given = {name: given[name] for name in names}
        if target == "python" and any(np.ndim(x) > 1 and np.size(x) == 0 for x in given.values()):
            continue  # A list of no rows does not tell how long they are.
        arguments = [np.asarray(given[name]).tolist() if target == "python" else given[name] for name in names]
        values, gradient = function(*arguments)
        expected = interpret(graph, given)
        for got, wanted in zip([*values, *gradient], expected, strict=True):
            wanted = np.asarray(wanted, float)
            got = np.asarray(got, float)
            if wanted.size == 0:
                assert got.size == 0
                continue
            scale = max(1.0, float(np.max(np.abs(wanted[np.isfinite(wanted)]), initial=0.0)))
            np.testing.assert_allclose(got, wanted, rtol=RTOL, atol=RTOL * scale)
