from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from qevolve_bench.statistics import (
    Components,
    crossed_difference,
    crossed_mean,
    success_difference,
    t_interval,
    variance_components,
)
from qevolve_envs.errors import BenchError, UnknownName

#: Two seeds of three tasks.
TABLE = np.array([[1.0, 2.0, 6.0], [3.0, 4.0, 5.0]])


# ── over one sample ─────────────────────────────────────────────────────────


def test_t_interval_by_hand():
    # Mean 3, s = 1.581139, error .707107; t_4(.975) = 2.776445; t = 4.242641, p = .013236.
    found = t_interval([1, 2, 3, 4, 5])
    assert found.estimate.value == 3
    assert found.estimate.interval == pytest.approx((3 - 1.963243, 3 + 1.963243), abs=1e-6)
    assert found.p_value == pytest.approx(0.013236, abs=5e-7)
    assert (found.standard_error, found.degrees) == (pytest.approx(math.sqrt(0.5)), 4)


@given(hnp.arrays(np.float64, st.integers(2, 9), elements=st.floats(-9, 9), unique=True))
def test_t_interval_agrees_with_scipy(values):
    for side in ("two-sided", "greater", "less"):
        found = t_interval(values, level=0.9, alternative=side)
        if found.standard_error == 0:
            continue
        theirs = stats.ttest_1samp(values, 0, alternative=side)
        assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert found.estimate.interval == pytest.approx((theirs.low, theirs.high), rel=1e-6, abs=1e-9)


def test_one_value_has_no_interval():
    with pytest.raises(BenchError, match="at least 2 numbers, not 1"):
        t_interval([0.5])


def test_no_spread_gives_no_p_value():
    found = t_interval([0.25, 0.25, 0.25])
    assert found.p_value is None and found.estimate.interval == (0.25, 0.25)
    assert t_interval([0.0, 0.0]).p_value == 1.0


# ── over seeds and tasks ────────────────────────────────────────────────────


def test_crossed_mean_by_hand():
    # Run means 3 4, task means 2 3 5.5, mean 3.5. MS_runs 3 * (.25 + .25) = 1.5; MS_tasks
    # 2 * (2.25 + .25 + 4) / 2 = 6.5; rest +-(-.5 -.5 1), MS_rest 3 / 2 = 1.5. The variance is
    # (1.5 + 6.5 - 1.5) / 6 = 1.083333, of parts .25 with 1 degree of freedom and .833333 with
    # .833333^2 / (1.083333^2 / 2 + .25^2 / 2) = 1.123596: together
    # 1.083333^2 / (.25^2 + .618056) = 1.724490.
    found = crossed_mean(TABLE)
    assert found.estimate.value == 3.5
    assert found.standard_error == pytest.approx(math.sqrt(6.5 / 6))
    assert found.degrees == pytest.approx(1.724490, abs=1e-6)
    half = stats.t.ppf(0.975, found.degrees) * math.sqrt(6.5 / 6)
    assert found.estimate.interval == pytest.approx((3.5 - half, 3.5 + half))
    assert found.p_value == pytest.approx(2 * stats.t.sf(3.5 / math.sqrt(6.5 / 6), found.degrees))


def test_runs_that_agree_by_accident_do_not_end_the_doubt():
    # Both runs win two of four tasks, but other ones: MS_runs is 0, MS_rest (4 * .25) * 2 / 3.
    found = crossed_mean([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])
    assert found.standard_error == pytest.approx(math.sqrt(2 / 3 / 8)) and found.degrees == 1
    # Where they agree on every task there is none.
    assert crossed_mean([[1.0, 1.0], [1.0, 1.0]]).p_value is None


def test_variance_components_by_hand():
    # As above: runs (1.5 - 1.5) / 3, tasks (6.5 - 1.5) / 2.
    assert variance_components(TABLE) == Components(0.0, 2.5, 1.5)


def test_variance_components_come_back():
    rng = np.random.default_rng(0)
    found = [
        variance_components(
            rng.normal(0, 0.3, (6, 1)) + rng.normal(0, 0.5, (1, 40)) + rng.normal(0, 1, (6, 40))
        )
        for _ in range(400)
    ]
    assert np.mean([f.runs for f in found]) == pytest.approx(0.09, rel=0.1)
    assert np.mean([f.tasks for f in found]) == pytest.approx(0.25, rel=0.1)
    assert np.mean([f.rest for f in found]) == pytest.approx(1.0, rel=0.02)


PAIRS = st.tuples(st.integers(2, 5), st.integers(1, 6)).flatmap(
    lambda shape: st.tuples(
        *(hnp.arrays(np.float64, shape, elements=st.integers(-20, 20).map(float)),) * 2
    )
)


@given(PAIRS)
def test_paired_differences(pair):
    a, b = pair
    found = crossed_difference(a, b)
    assert found == crossed_mean(a - b)
    mirrored = crossed_difference(b, a)
    assert mirrored.estimate.value == pytest.approx(-found.estimate.value)
    assert mirrored.estimate.interval == pytest.approx(
        (-found.estimate.interval.high, -found.estimate.interval.low), abs=1e-9
    )
    assert found.degrees >= len(a) - 1


@given(PAIRS)
def test_on_the_same_tasks_the_means_of_the_seeds_are_all_that_counts(pair):
    a, b = pair
    found = crossed_difference(a, b, target="same tasks")
    theirs = t_interval((a - b).mean(axis=1))
    if theirs.standard_error < 1e-9:
        return
    assert found.standard_error == pytest.approx(theirs.standard_error, abs=1e-9)
    assert found.estimate.interval == pytest.approx(theirs.estimate.interval, rel=1e-6)


@given(PAIRS)
def test_unpaired_seeds_on_the_same_tasks_are_welchs_test(pair):
    a, b = pair
    found = crossed_difference(a, b, paired_runs=False, target="same tasks")
    rows = a.mean(axis=1), b.mean(axis=1)
    if min(r.std() for r in rows) < 1e-9:
        return
    theirs = stats.ttest_ind(*rows, equal_var=False)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-6)
    assert found.degrees == pytest.approx(theirs.df)


def test_unpaired_seeds_may_differ_in_number():
    rng = np.random.default_rng(1)
    a, b = rng.random((3, 10)) + 1, rng.random((6, 10))
    found = crossed_difference(a, b, paired_runs=False)
    assert found.estimate.value == pytest.approx(a.mean() - b.mean())
    assert found.p_value < 0.01
    with pytest.raises(BenchError, match="equal numbers, not 3 and 6"):
        crossed_difference(a, b)


def test_one_sided():
    table = TABLE + np.array([[0.5], [-0.5]])
    up, down = (crossed_mean(table, alternative=side).p_value for side in ("greater", "less"))
    assert up + down == pytest.approx(1.0) and up < 0.5
    assert crossed_mean(table).p_value == pytest.approx(2 * up)


@pytest.mark.parametrize(
    ("first", "second", "options", "words"),
    [
        (TABLE[:1], TABLE[:1], {}, "hold 1 run: an interval over runs needs at least 2"),
        (TABLE, TABLE[:, :2], {}, "same tasks; they have 3 and 2"),
        (TABLE, [[1.0, 2.0, float("nan")]] * 2, {}, "second scores hold 2 number"),
        (TABLE, TABLE, {"level": 95}, "between 0 and 1, not 95"),
        (TABLE, TABLE, {"target": "tasks"}, "'new tasks' or 'same tasks'"),
        (TABLE, TABLE[::-1], {"alternative": "more"}, "two-sided, greater, less"),
    ],
)
def test_refusals(first, second, options, words):
    with pytest.raises(BenchError, match=words):
        crossed_difference(first, second, **options)


def test_one_task_has_no_variance_of_tasks():
    assert crossed_mean([[1.0], [2.0]]).estimate.value == 1.5
    with pytest.raises(BenchError, match="One task"):
        variance_components([[1.0], [2.0]])


def test_an_unknown_target_is_named():
    with pytest.raises(UnknownName, match="target 'old tasks'"):
        crossed_mean(TABLE, target="old tasks")


# ── success rates of two agents ─────────────────────────────────────────────


def test_success_difference_by_hand():
    # 10 tasks: the first alone wins 4, the second alone 1. Of 12: (5 - 2) / 12 = .25;
    # variance ((5 + 2) / 12 - .25^2) / 12 = .0434028, half 1.959964 * .208333 = .408326.
    first = np.array([1, 1, 1, 1, 0, 1, 1, 0, 0, 0])
    second = np.array([0, 0, 0, 0, 1, 1, 1, 0, 0, 0])
    found = success_difference(first, second)
    assert found.value == pytest.approx(0.3)
    assert found.interval == pytest.approx((0.25 - 0.408326, 0.25 + 0.408326), abs=1e-6)


def test_a_clean_sweep_keeps_an_interval():
    found = success_difference(np.ones(100), np.zeros(100))
    assert found.value == found.interval.high == 1.0
    assert 0.9 < found.interval.low < 0.97
    tie = success_difference(np.ones(100), np.ones(100))
    assert tie.interval.low < 0 < tie.interval.high and tie.value == 0


@given(hnp.arrays(np.float64, st.tuples(st.just(2), st.integers(1, 30)), elements=st.floats(0, 1)))
def test_success_difference_is_antisymmetric_and_bounded(rates):
    found, back = success_difference(*rates), success_difference(*rates[::-1])
    assert -1 <= found.interval.low <= found.value <= found.interval.high <= 1
    assert back.interval == pytest.approx((-found.interval.high, -found.interval.low), abs=1e-12)


def test_success_difference_refuses_what_is_no_rate():
    with pytest.raises(BenchError, match="rate of success must lie between"):
        success_difference([2.0], [0.0])
    with pytest.raises(BenchError, match="they have 1 and 2"):
        success_difference([1.0], [0.0, 1.0])
