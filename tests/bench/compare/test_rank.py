from __future__ import annotations

import numpy as np

from qevolve_bench.analysis.outcomes import CellOutcomes
from qevolve_bench.analysis.rank import rank_methods
from qevolve_envs.rng import seed_sequence

SEED = seed_sequence(0, "test")


def outcomes(**values):
    """One run in one cell, by task."""
    return {"cell": CellOutcomes(tuple(values), np.array([list(values.values())], dtype=float))}


def test_only_tasks_that_all_played_are_ranked_by():
    methods = {"a": outcomes(x=0, y=1, z=0), "b": outcomes(z=1, x=0)}
    ranks = rank_methods(methods, level=0.95, seed=SEED)
    assert [(name, rank.rank, rank.score) for name, rank in ranks.items()] == [
        ("b", 1, 0.5),
        ("a", 2, 0.0),
    ]


def test_no_shared_task_and_no_methods_have_no_ranks():
    assert rank_methods({"a": outcomes(x=1), "b": outcomes(y=1)}, level=0.95, seed=SEED) == {}
    assert rank_methods({}, level=0.95, seed=SEED) == {}
