"""Statistics of evaluations: pure, seeded functions of plain numbers."""

from qevolve_bench.statistics.aggregates import AGGREGATES, iqm, mean, median, optimality_gap
from qevolve_bench.statistics.intervals import (
    Estimate,
    Interval,
    bootstrap_interval,
    wilson_interval,
)
from qevolve_bench.statistics.multiplicity import benjamini_hochberg, holm
from qevolve_bench.statistics.ranks import RankRange, rank_ranges
from qevolve_bench.statistics.resampling import bootstrap

__all__ = [
    "AGGREGATES",
    "Estimate",
    "Interval",
    "RankRange",
    "benjamini_hochberg",
    "bootstrap",
    "bootstrap_interval",
    "holm",
    "iqm",
    "mean",
    "median",
    "optimality_gap",
    "rank_ranges",
    "wilson_interval",
]
