from __future__ import annotations

import numpy as np
import pytest

from qevolve_bench.efficiency import cost_to_threshold, kaplan_meier
from qevolve_bench.statistics import t_interval
from qevolve_envs.errors import BenchError

#: (env_steps, wins of ten tasks).
THREE = {
    0: [(0, 2), (100, 6), (400, 5), (1000, 8)],
    1: [(0, 2), (100, 3), (400, 6), (1000, 6)],
    2: [(0, 2), (100, 3), (400, 4), (1200, 5)],
}


def test_kaplan_meier_by_hand():
    # Freireich's trial (1963), 6-MP arm, weeks of remission, + censored: 6 6 6 6+ 7 9+ 10 10+ 11+
    # 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+, an example of many textbooks.
    weeks = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    censored = {3, 5, 7, 8, 11, 12, 13, 16, 17, 18, 19, 20}
    at, share = kaplan_meier(weeks, [i not in censored for i in range(21)])
    assert at.tolist() == [6, 7, 10, 13, 16, 22, 23]
    expected = [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    assert share == pytest.approx(expected, abs=5e-5)


def test_kaplan_meier_without_censoring_is_a_share():
    at, share = kaplan_meier([3, 1, 1, 2], [True] * 4)
    assert at.tolist() == [1, 2, 3] and share.tolist() == [0.5, 0.25, 0.0]
    assert kaplan_meier([3, 1], [False, False])[0].size == 0
    with pytest.raises(BenchError, match="2 costs, but 1 marks"):
        kaplan_meier([1, 2], [True])


def test_censored_runs_stay_in(curves):
    found = cost_to_threshold(curves(THREE), "env_steps", "unseen", 0.6)
    assert found.costs == (100, 400, None)
    assert (found.horizon, found.reached, found.median) == (1000, 2, 400)
    expected = t_interval([100, 400, 1000]).estimate
    assert found.restricted_mean == expected
    assert found.sentence == (
        "rft reached success 0.6 on unseen in 2 of 3 runs within 1,000 env_steps; half of all runs"
        " had by 400; the mean cost is at least 500 [0, 1,638]."
    )


def test_all_get_there(curves):
    found = cost_to_threshold(curves(THREE), "env_steps", "unseen", 0.4)
    assert found.costs == (100, 400, 400) and found.reached == 3
    assert "at least" not in found.sentence


def test_all_at_one_checkpoint(curves):
    found = cost_to_threshold(curves({0: THREE[0], 5: THREE[0]}), "env_steps", "unseen", 0.6)
    assert found.sentence.endswith(
        "half of all runs had by 100; the mean cost is 100, in all runs alike."
    )


def test_none_gets_there(curves):
    found = cost_to_threshold(curves(THREE), "env_steps", "unseen", 0.9)
    assert found.reached == 0 and found.median is None
    assert found.sentence == (
        "rft reached success 0.9 on unseen in 0 of 3 runs within 1,000 env_steps."
    )


def test_sustained(curves):
    found = cost_to_threshold(curves(THREE), "env_steps", "unseen", 0.6, sustained=True)
    assert found.costs == (1000, 400, None)


def test_a_lower_horizon_censors_more(curves):
    found = cost_to_threshold(curves(THREE), "env_steps", "unseen", 0.6, horizon=200)
    assert found.reached == 1 and found.restricted_mean.value == pytest.approx(500 / 3)


def test_beyond_the_end_of_a_run_nothing_is_known(curves):
    with pytest.raises(BenchError, match=r"Seed 2 of rft ended at 1,200 env_steps, below 0\.6"):
        cost_to_threshold(curves(THREE), "env_steps", "unseen", 0.6, horizon=5000)


def test_one_run_has_no_interval(curves):
    found = cost_to_threshold(curves({0: THREE[0]}), "env_steps", "unseen", 0.6)
    assert found.restricted_mean is None and found.sentence.endswith("; one run has no interval.")
    with pytest.raises(BenchError, match="finite number, not nan"):
        cost_to_threshold(curves(THREE), "env_steps", "unseen", np.nan)
