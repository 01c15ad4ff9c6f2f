"""Sample efficiency: what a learner reaches, and what it spends on it.

===========  ===================================================================================
`curves`     reads ``curve.jsonl``, strictly
`budgets`    learning curves with bands, area under the curve, learners at equal budgets
`threshold`  cost to reach a threshold, where some runs never do
===========  ===================================================================================
"""

from qevolve_bench.efficiency.budgets import (
    CurvePoint,
    Outcomes,
    area_under_curve,
    common_budget,
    learning_curve,
    outcomes_at,
)
from qevolve_bench.efficiency.curves import AXES, Checkpoint, Curve, Panel, read_curves
from qevolve_bench.efficiency.threshold import Cost, cost_to_threshold, kaplan_meier

__all__ = [
    "AXES",
    "Checkpoint",
    "Cost",
    "Curve",
    "CurvePoint",
    "Outcomes",
    "Panel",
    "area_under_curve",
    "common_budget",
    "cost_to_threshold",
    "kaplan_meier",
    "learning_curve",
    "outcomes_at",
    "read_curves",
]
