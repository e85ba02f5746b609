"""Accurate forms for what users write: the naive form loses its value or its derivative somewhere, the row does not.

The logistic function as quotients of exponentials: at x = -710 the naive 1/(1 + exp(-x)) has a gradient of 0*inf = nan,
and log(1 + exp(x)) is inf from 709.8 on. Both rows are right to 2 ulp for every x.
"""

from __future__ import annotations

from symbackprop.ir import Graph
from symbackprop.ops import REGISTRY
from symbackprop.ops.contraction import BROADCAST, RESHAPE, TRANSPOSE
from symbackprop.ops.reduction import REDUCE_SUM
from symbackprop.passes.bessels import RULES as BESSEL_RULES
from symbackprop.passes.binding import RULES as BINDING_RULES
from symbackprop.passes.cancelling import RULES as CANCELLING_RULES
from symbackprop.passes.certainty import RULES as CERTAINTY_RULES
from symbackprop.passes.compounding import RATIO_RULES
from symbackprop.passes.compounding import RULES as COMPOUNDING_RULES
from symbackprop.passes.covariances import RULES as COVARIANCE_RULES
from symbackprop.passes.dead import dead
from symbackprop.passes.diagonals import RULES as DIAGONAL_RULES
from symbackprop.passes.differences import RULES as DIFFERENCE_RULES
from symbackprop.passes.divided import RULES as DIVIDED_RULES
from symbackprop.passes.dominant import LOGARITHM_RULES as DOMINANT_LOGARITHM_RULES
from symbackprop.passes.dominant import RULES as DOMINANT_RULES
from symbackprop.passes.exponentials import RULES as EXPONENTIAL_RULES
from symbackprop.passes.fold import fold
from symbackprop.passes.free_energies import RULES as FREE_ENERGY_RULES
from symbackprop.passes.gamma_sums import RULES as GAMMA_SUM_RULES
from symbackprop.passes.gammas import RULES as GAMMA_RULES
from symbackprop.passes.guard import written
from symbackprop.passes.likelihoods import RULES as LIKELIHOOD_RULES
from symbackprop.passes.logarithms import RULES as LOGARITHM_RULES
from symbackprop.passes.near import RULES as NEAR_RULES
from symbackprop.passes.near_one import LATE_RULES
from symbackprop.passes.near_one import RULES as NEAR_ONE_RULES
from symbackprop.passes.over_itself import ARGUMENT_RULES
from symbackprop.passes.over_itself import RULES as OVER_ITSELF_RULES
from symbackprop.passes.power_means import RULES as POWER_MEAN_RULES
from symbackprop.passes.quotients import RULES as QUOTIENT_RULES
from symbackprop.passes.rewrite import Rewriter, Rule, concern, sweep
from symbackprop.passes.roots import RULES as ROOT_RULES
from symbackprop.passes.scaled_tails import RULES as SCALED_TAIL_RULES
from symbackprop.passes.simplify import RULES as SIMPLIFY_RULES
from symbackprop.passes.stable_sums import RULES as SUM_RULES
from symbackprop.passes.stirling import RULES as STIRLING_RULES
from symbackprop.passes.tails import RULES as TAIL_RULES
from symbackprop.passes.temperatures import RULES as TEMPERATURE_RULES
from symbackprop.passes.whole_numbers import RULES as WHOLE_NUMBER_RULES

_ADD, _MUL, _POW, _NORM_ROOT = (REGISTRY[name] for name in ("add", "mul", "pow", "norm_root"))


def _root_of_squares(r: Rewriter, x: int) -> int | None:
    """A norm: its gradient at the origin is 0, where that of the root is infinite and those of the squares are 0."""
    stack = [x]
    for _ in range(_MOST_SQUARES):
        if not stack:
            return r.add(_NORM_ROOT, (x,))
        node = r.nodes[stack.pop()]
        if node.op in _PASSED:
            stack.extend(node.operands)
        elif not (node.op is _MUL and node.operands[0] == node.operands[1]) and not (
            node.op is _POW and r.number(node.operands[1]) == 2
        ):
            return None
    return None


_PASSED = frozenset({_ADD, REDUCE_SUM, BROADCAST, RESHAPE, TRANSPOSE})
# Longer sums of single squares are not looked through; sums over an axis are one step.
_MOST_SQUARES = 64

_EARLY_RULES = (
    *DIAGONAL_RULES,
    *BINDING_RULES,
    *GAMMA_RULES,
    *GAMMA_SUM_RULES,
    *TAIL_RULES,
    *SCALED_TAIL_RULES,
    *TEMPERATURE_RULES,
    *BESSEL_RULES,
    *LIKELIHOOD_RULES,
    *LOGARITHM_RULES,
    *EXPONENTIAL_RULES,
    Rule("sqrt(x**2 + y**2) -> norm", "sqrt", _root_of_squares, lambda f, x, y, c: f.sqrt(x * x + f.pow(y, 2))),
    *SUM_RULES,
    *COVARIANCE_RULES,
    *FREE_ENERGY_RULES,
    *DIFFERENCE_RULES,
    *STIRLING_RULES,
)
_LATER_RULES = (
    *NEAR_ONE_RULES,
    *NEAR_RULES,
    *RATIO_RULES,
    *WHOLE_NUMBER_RULES,
    *CERTAINTY_RULES,
    *DIVIDED_RULES,
    *OVER_ITSELF_RULES,
    *ARGUMENT_RULES,
)
FIRST_RULES = (*_EARLY_RULES, *_LATER_RULES)


# Differences look into roots of squares and quotients as they were written: norms and shares come after them.
_SECOND_RULES = (*QUOTIENT_RULES, *LATE_RULES)
RULES = (*FIRST_RULES, *_SECOND_RULES)
# What users write: of derivatives nothing has these forms but what these rules left as it was. Of 1 - (1 + u)**v
# there is a row, which comes first.
WRITTEN_RULES = (*DOMINANT_LOGARITHM_RULES, *DOMINANT_RULES, *POWER_MEAN_RULES, *COMPOUNDING_RULES)
# The logarithm of a sum of exponentials is one near 1 where no exponent is far out, and there alone.
_WRITTEN_FIRST_RULES = (
    *POWER_MEAN_RULES,
    *_EARLY_RULES,
    *DOMINANT_LOGARITHM_RULES,
    *_LATER_RULES,
    *DOMINANT_RULES,
)
_LAST_RULES = (*_SECOND_RULES, *COMPOUNDING_RULES)
DERIVATIVE_RULES = (*RULES, *CANCELLING_RULES, *ROOT_RULES)


def stabilise(graph: Graph, values: int = 0) -> Graph:
    """Recognise the families above, simplifying on the way.

    A gradient, whose first `values` outputs have been through this already, has differences of its own: that of
    exp(x) - x is exp(x) - 1. The values stay what they are.
    """
    if values:
        # Norms and shares are no longer written out: one sweep does.
        return sweep(graph, Rewriter(DERIVATIVE_RULES + SIMPLIFY_RULES, fold), written(graph, values))
    graph = sweep(graph, Rewriter(_WRITTEN_FIRST_RULES + SIMPLIFY_RULES, fold))
    if not concern(_LAST_RULES, graph):
        return dead(graph)
    return sweep(graph, Rewriter(_LAST_RULES + SIMPLIFY_RULES, fold))
