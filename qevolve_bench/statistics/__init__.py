"""Statistics of evaluations: pure, seeded functions of plain numbers.

================  ==============================================================================
`intervals`       a proportion, a mean
`aggregates`      mean, median, IQM, optimality gap
`resampling`      bootstrap over runs, tasks, or both, of any aggregate
`profiles`        performance profiles, probability of improvement
`paired`          differences over seeds and tasks, with intervals that hold for few seeds
`permutation`     sign-flip and permutation tests
`multiplicity`    Holm, Benjamini-Hochberg
`effects`         effect sizes
`ranks`           rank ranges
`power`           how many seeds and tasks a study needs
================  ==============================================================================
"""

from qevolve_bench.statistics.aggregates import AGGREGATES, iqm, mean, median, optimality_gap
from qevolve_bench.statistics.effects import a12, cliffs_delta, cohens_d, cohens_h
from qevolve_bench.statistics.intervals import (
    Estimate,
    Interval,
    bootstrap_interval,
    wilson_interval,
)
from qevolve_bench.statistics.multiplicity import benjamini_hochberg, holm
from qevolve_bench.statistics.paired import (
    Components,
    Difference,
    crossed_difference,
    crossed_mean,
    success_difference,
    t_interval,
    variance_components,
)
from qevolve_bench.statistics.permutation import (
    Permutation,
    paired_permutation_test,
    permutation_test,
    sign_flip_test,
)
from qevolve_bench.statistics.power import (
    Plan,
    detectable_difference,
    power_of_seeds,
    power_of_tasks,
    seeds_needed,
    simulated_power,
    tasks_needed,
)
from qevolve_bench.statistics.profiles import (
    Profile,
    performance_profile,
    probability_of_improvement,
)
from qevolve_bench.statistics.ranks import RankRange, rank_ranges
from qevolve_bench.statistics.resampling import bootstrap

__all__ = [
    "AGGREGATES",
    "Components",
    "Difference",
    "Estimate",
    "Interval",
    "Permutation",
    "Plan",
    "Profile",
    "RankRange",
    "a12",
    "benjamini_hochberg",
    "bootstrap",
    "bootstrap_interval",
    "cliffs_delta",
    "cohens_d",
    "cohens_h",
    "crossed_difference",
    "crossed_mean",
    "detectable_difference",
    "holm",
    "iqm",
    "mean",
    "median",
    "optimality_gap",
    "paired_permutation_test",
    "performance_profile",
    "permutation_test",
    "power_of_seeds",
    "power_of_tasks",
    "probability_of_improvement",
    "rank_ranges",
    "seeds_needed",
    "sign_flip_test",
    "simulated_power",
    "success_difference",
    "t_interval",
    "tasks_needed",
    "variance_components",
    "wilson_interval",
]
