import numpy as np
import pytest

from qevolve_bench.statistics import wilson_interval
from qevolve_bench.tipping.bootstrap import resampling
from qevolve_envs.errors import BenchError

EPISODES = [("", f"s{i}", e) for i in range(5) for e in range(2)]


def test_episodes_of_one_run():
    draws = resampling(EPISODES, resamples=50)
    assert draws.units == 10
    assert draws.said == "10 episodes (scenario, seed)"
    assert (draws.weights.sum(axis=1) == 10).all()
    again = resampling(reversed(EPISODES), resamples=50)
    np.testing.assert_array_equal(draws.of(EPISODES), again.of(EPISODES))
    other = resampling(EPISODES, resamples=50, seed=1)
    assert not np.array_equal(draws.weights, other.weights)


def test_runs_and_scenarios():
    clusters = [(f"r{i}", f"s{j}", e) for i in range(3) for j in range(4) for e in range(2)]
    draws = resampling(clusters, resamples=50)
    assert (draws.units, draws.said) == (3, "3 runs x 4 scenarios")
    table = draws.of(clusters).reshape(50, 3, 4, 2)
    # Both seeds of a scenario are drawn together, and weights are products.
    np.testing.assert_array_equal(table[..., 0], table[..., 1])
    np.testing.assert_allclose(table[..., 0].sum(axis=(1, 2)), 12)
    rows, columns = table[..., 0].sum(axis=2) / 4, table[..., 0].sum(axis=1) / 3
    np.testing.assert_allclose(table[..., 0], rows[:, :, None] * columns[:, None, :])
    alone = resampling([("r0", "s", 0), ("r1", "s", 0)], resamples=20)
    assert (alone.units, alone.said) == (2, "2 runs")


def test_intervals_of_what_all_resamples_agree_on():
    draws = resampling(EPISODES, resamples=50)
    assert draws.interval(np.zeros(50), 0.0, "share") == wilson_interval(0, 10)
    assert draws.interval(np.ones(50), 1.0, "share") == wilson_interval(10, 10)
    assert draws.interval(np.full(50, 0.5), 0.5, "share") is None
    assert draws.interval(np.zeros(50), 0.0, "amount") is None
    assert draws.interval(np.full(50, 3.0), 3.0, "time") == (3, 3)


def test_intervals_of_what_is_not_always_defined():
    draws = resampling(EPISODES, resamples=100)
    some = np.arange(100.0)
    some[:40] = np.nan
    low, high = draws.interval(some, 70.0, "amount")
    assert 40 <= low < high <= 99
    some[:60] = np.nan
    assert draws.interval(some, 70.0, "amount") is None
    late = np.where(np.arange(100) < 80, 4.0, np.inf)
    assert draws.interval(late, 4.0, "time") == (4, np.inf)


def test_nothing_to_resample():
    draws = resampling([("", "s", 0)])
    assert draws.interval(np.ones(1), 1.0, "share") is None
    assert draws.of([("", "s", 0)]).tolist() == [[1.0]]


def test_bad_settings():
    with pytest.raises(BenchError, match="level must lie between 0 and 1"):
        resampling(EPISODES, level=1.0)
    with pytest.raises(BenchError, match="at least one replication"):
        resampling(EPISODES, resamples=0)
