from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import trim_mean

from qevolve_bench.statistics import (
    AGGREGATES,
    a12,
    cliffs_delta,
    cohens_d,
    cohens_h,
    iqm,
    mean,
    median,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)
from qevolve_bench.statistics.aggregates import weighted_optimality_gap
from qevolve_envs.errors import BenchError

#: Three runs of four tasks.
SCORES = np.array([[0.1, 0.5, 0.9, 2.0], [0.2, 0.6, 0.7, 1.0], [0.3, 0.4, 0.8, 0.9]])


def test_worked_numbers():
    # Task means 0.2, 0.5, 0.8, 1.3.
    assert mean(SCORES) == pytest.approx(0.7)
    assert median(SCORES) == pytest.approx(0.65)
    # 12 scores: three are dropped at each end; 0.4 0.5 0.6 0.7 0.8 0.9 remain.
    assert iqm(SCORES) == pytest.approx(0.65)
    # The 2.0 counts as 1.0: the sum is 7.4 of 12.
    assert optimality_gap(SCORES) == pytest.approx(1 - 7.4 / 12)
    assert optimality_gap(SCORES, optimum=2.0) == pytest.approx(2 - 8.4 / 12)


def test_a_flat_list_is_the_runs_of_one_task():
    # Of five, one is dropped at each end (floor(5 / 4)).
    assert iqm([0, 1, 2, 3, 100]) == pytest.approx(2.0)
    assert median([0, 1, 5]) == mean([0, 1, 5]) == pytest.approx(2.0)


TABLES = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=st.floats(-5, 5)
)


@given(TABLES)
def test_aggregates_agree_with_numpy_and_scipy(scores):
    assert mean(scores) == pytest.approx(scores.mean(), abs=1e-12)
    assert median(scores) == pytest.approx(np.median(scores.mean(axis=0)), abs=1e-12)
    assert iqm(scores) == pytest.approx(trim_mean(scores, 0.25, axis=None), abs=1e-12)


@given(st.data())
def test_a_weight_is_a_repetition(data):
    runs, tasks = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    values = data.draw(hnp.arrays(np.float64, (runs, tasks), elements=st.floats(-5, 5)))
    rows = data.draw(hnp.arrays(np.int64, runs, elements=st.integers(0, 3)))
    columns = data.draw(hnp.arrays(np.int64, tasks, elements=st.integers(0, 3)))
    rows[0] += 1
    columns[0] += 1
    expanded = np.repeat(np.repeat(values, rows, axis=0), columns, axis=1)
    weights = (rows[:, None] * columns)[None].astype(float)
    for name, plain in [("mean", mean), ("median", median), ("iqm", iqm)]:
        assert AGGREGATES[name](values, weights)[0] == pytest.approx(plain(expanded), abs=1e-9), (
            name
        )
    gap = weighted_optimality_gap(0.5)(values, weights)[0]
    assert gap == pytest.approx(optimality_gap(expanded, 0.5), abs=1e-9)


@pytest.mark.parametrize("function", [mean, median, iqm, optimality_gap])
@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ([], "not empty"),
        (np.zeros((0, 3)), "not empty"),
        (np.zeros((2, 2, 2)), "runs x tasks"),
        ([[0.1, float("nan")]], "hold 1 number.* not finite"),
        ([[0.1, float("inf")], [float("nan"), 1]], "hold 2 number"),
        ([[0.1], [0.2, 0.3]], "rows of one length"),
        (["high"], "must be numbers"),
    ],
)
def test_refusals(function, scores, words):
    with pytest.raises(BenchError, match=words):
        function(scores)


def test_an_optimum_is_a_number():
    with pytest.raises(BenchError, match="finite number, not nan"):
        optimality_gap(SCORES, float("nan"))


# ── profiles ────────────────────────────────────────────────────────────────


def test_profile_by_hand():
    profile = performance_profile(SCORES, [0.0, 0.45, 0.9, 3.0])
    # Above 0.9 are 2.0 and 1.0 alone.
    assert profile.share == pytest.approx([1, 8 / 12, 2 / 12, 0])
    means = performance_profile(SCORES, [0.0, 0.45, 0.9, 3.0], of_means=True)
    assert means.share == pytest.approx([1, 3 / 4, 1 / 4, 0])
    for found in (profile, means):
        assert (found.low <= found.share).all() and (found.share <= found.high).all()
        assert (np.diff(found.low) <= 0).all() and (np.diff(found.high) <= 0).all()


def test_profile_is_seeded():
    assert (
        performance_profile(SCORES, [0.5], seed=1).low
        == performance_profile(SCORES, [0.5], seed=1).low
    ).all()


def test_profile_of_one_run_has_no_band_over_runs():
    with pytest.raises(BenchError, match="One run is no sample of runs"):
        performance_profile(SCORES[:1], [0.5])
    assert performance_profile(SCORES[:1], [0.5], design="tasks").share == pytest.approx([0.5])


def test_probability_of_improvement_by_hand():
    first, second = [[1.0, 5.0], [3.0, 5.0]], [[2.0, 5.0], [0.0, 5.0]]
    # Task 1: 1>2 no, 1>0 yes, 3>2 yes, 3>0 yes: 3/4. Task 2: ties, 1/2.
    found = probability_of_improvement(first, second)
    assert found.value == pytest.approx(0.625)
    assert found.interval.low <= 0.625 <= found.interval.high
    assert probability_of_improvement(second, first).value == pytest.approx(0.375)


def test_probability_of_improvement_of_certain_winners():
    found = probability_of_improvement(np.ones((3, 2)), np.zeros((4, 2)))
    assert found.value == 1.0 and found.interval == (1.0, 1.0)


@given(TABLES.filter(lambda t: len(t) > 1))
def test_probability_of_improvement_over_oneself_is_a_half(scores):
    assert probability_of_improvement(scores, scores, resamples=10).value == 0.5


def test_probability_of_improvement_needs_two_runs_on_the_same_tasks():
    with pytest.raises(BenchError, match="hold 1 run"):
        probability_of_improvement(SCORES, SCORES[:1])
    with pytest.raises(BenchError, match="they have 4 and 3"):
        probability_of_improvement(SCORES, SCORES[:, :3])


# ── effect sizes ────────────────────────────────────────────────────────────


def test_cohens_d_by_hand():
    # Mean 2, standard deviation 1; Hedges' factor for 2 degrees of freedom: 1 - 3/7.
    assert cohens_d([1, 2, 3]) == pytest.approx(2.0)
    assert cohens_d([1, 2, 3], unbiased=True) == pytest.approx(2 * (1 - 3 / 7))


def test_cohens_d_needs_spread():
    with pytest.raises(BenchError, match=r"equal \(0\.1\), so that Cohen's d"):
        cohens_d([0.1, 0.1, 0.1])
    with pytest.raises(BenchError, match="at least 2 numbers"):
        cohens_d([0.1])
    with pytest.raises(BenchError, match="too few to correct"):
        cohens_d([0.1, 0.2], unbiased=True)


def test_a12_by_hand():
    # Pairs (1,1) tie, (1,2) lose, (3,1) win, (3,2) win: 2.5 of 4.
    assert a12([1, 3], [1, 2]) == pytest.approx(0.625)
    assert cliffs_delta([1, 3], [1, 2]) == pytest.approx(0.25)


@given(st.lists(st.integers(0, 5), min_size=1), st.lists(st.integers(0, 5), min_size=1))
def test_a12_counts_pairs(first, second):
    pairs = [(x > y) + 0.5 * (x == y) for x in first for y in second]
    assert a12(first, second) == pytest.approx(np.mean(pairs))
    assert cliffs_delta(first, second) == pytest.approx(-cliffs_delta(second, first))


def test_cohens_h_by_hand():
    # asin sqrt(1/2) = pi/4, asin sqrt(1) = pi/2.
    assert cohens_h(1.0, 0.5) == pytest.approx(np.pi / 2)
    with pytest.raises(BenchError, match=r"between 0 and 1, not 1\.5"):
        cohens_h(1.5, 0.5)
