"""Ranks of methods over the tasks that all of them played, for leaderboards and reports."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from qevolve_bench.analysis.outcomes import CellOutcomes
from qevolve_bench.statistics import RankRange, rank_ranges
from qevolve_bench.statistics.checks import Array


def rank_methods(
    methods: Mapping[str, Mapping[str, CellOutcomes]],
    *,
    level: float,
    seed: np.random.SeedSequence,
) -> dict[str, RankRange]:
    """Ranks methods by their mean over cells, each of which weighs the same.

    Args:
        methods: Outcomes by name of the method and name of the cell; the same cells for all.
        level: Confidence level of all ranges together.
        seed: Seed of the resampling.

    Returns:
        Ranks by name, the best first; empty where there are no methods, or in some cell no task
        that all of them played.
    """
    cells = next(iter(methods.values()), {})
    tables: dict[str, dict[str, Array]] = {name: {} for name in methods}
    for cell in cells:
        shared = set.intersection(*(set(played[cell].tasks) for played in methods.values()))
        if not shared:
            return {}
        for name, played in methods.items():
            tables[name][cell] = played[cell].columns(sorted(shared))
    return rank_ranges(tables, level=level, seed=seed) if tables else {}
