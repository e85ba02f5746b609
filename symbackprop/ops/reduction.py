"""Linear maps between shapes: sums over axes and their transpose, the broadcast."""

from __future__ import annotations

from symbackprop.ops.row import Op

REDUCE_SUM = Op(
    name="reduce_sum",
    doc="sum over all axes",
    elementwise=False,
    transpose=lambda f, cotangent, operand: f.broadcast(cotangent, operand),
)
BROADCAST = Op(
    name="broadcast",
    doc="repeat a scalar over the shape of the attribute",
    elementwise=False,
    cost=0,
    transpose=lambda f, cotangent, operand: f.reduce_sum(cotangent),
)

ROWS = (REDUCE_SUM, BROADCAST)
