from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qevolve_bench.statistics import (
    AGGREGATES,
    paired_permutation_test,
    permutation_test,
    sign_flip_test,
)
from qevolve_envs.errors import BenchError

SIDES = ["two-sided", "greater", "less"]


def brute_force(values, side):
    """Share of all sign patterns that are at least as extreme."""
    signs = np.array(list(itertools.product([-1, 1], repeat=len(values))))
    sums, seen = signs @ np.asarray(values, float), float(np.sum(values))
    hit = {
        "greater": sums >= seen - 1e-9,
        "less": sums <= seen + 1e-9,
        "two-sided": np.abs(sums) >= abs(seen) - 1e-9,
    }
    return hit[side].mean()


def test_fishers_darwin_data():
    # Fisher (1935), section 21: 15 pairs of Darwin's maize, differences in eighths of an inch;
    # 1,726 of 32,768 patterns are as extreme.
    inches = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    found = sign_flip_test(inches)
    assert found.p_value == pytest.approx(1726 / 32768)
    assert found.exact and found.units == 15 and found.least == 2 / 2**15


@given(st.lists(st.integers(-6, 6), min_size=1, max_size=9), st.sampled_from(SIDES))
def test_lattice_road_counts_all_patterns(values, side):
    found = sign_flip_test(np.array(values) / 4, alternative=side)
    assert found.exact
    assert found.p_value == pytest.approx(brute_force(values, side))


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=9), st.sampled_from(SIDES))
def test_enumeration_counts_all_patterns(values, side):
    values = [v * math.pi for v in values if abs(v) > 1e-6] or [1.0]
    assert sign_flip_test(values, alternative=side).p_value == pytest.approx(
        brute_force(values, side)
    )


@given(st.integers(0, 40), st.integers(0, 40))
def test_wins_and_losses_are_mcnemars_exact_test(first_alone, second_alone):
    outcomes = [1] * first_alone + [-1] * second_alone + [0] * 5
    found = sign_flip_test(outcomes)
    n = first_alone + second_alone
    expected = stats.binomtest(first_alone, n).pvalue if n else 1.0
    assert found.p_value == pytest.approx(expected)


def test_large_lattices_stay_exact():
    # 3,321 tasks of three rounds, one agent a little better.
    rng = np.random.default_rng(0)
    values = rng.integers(-3, 4, 3321) / 3 + np.where(rng.random(3321) < 0.05, 1 / 3, 0)
    found = sign_flip_test(values)
    z = values.sum() / math.sqrt((values**2).sum())
    assert found.exact
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(z)), rel=0.05)
    assert sign_flip_test(np.ones(3321)).p_value > 0


def test_random_signs_approach_the_normal_tail_and_are_seeded():
    values = np.random.default_rng(2).normal(0.15, 1, 200)
    found = sign_flip_test(values, resamples=40_000, seed=1)
    z = values.sum() / math.sqrt((values**2).sum())
    expected = 2 * stats.norm.sf(abs(z))
    assert not found.exact
    assert found.p_value == pytest.approx(expected, abs=5 * math.sqrt(expected / 40_000))
    assert found == sign_flip_test(values, resamples=40_000, seed=1)
    assert found != sign_flip_test(values, resamples=40_000, seed=2)


def test_a_sampled_p_value_is_never_zero():
    values = np.random.default_rng(0).random(60) + 1
    assert sign_flip_test(values, resamples=999).p_value == pytest.approx(1 / 1000)


def test_five_seeds_cannot_show_anything_two_sided():
    found = sign_flip_test([0.12, 0.1, 0.15, 0.13, 0.11])
    assert found.p_value == found.least == 0.0625
    assert sign_flip_test([0.12, 0.1, 0.15, 0.13, 0.11], alternative="greater").p_value == 1 / 32


def test_no_difference_at_all():
    assert sign_flip_test([0.0, 0.0, 0.0]).p_value == 1.0


# ── paired tables ───────────────────────────────────────────────────────────

FIRST = np.array([[1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 0.0]])
SECOND = np.array([[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0]])


def test_clusters_by_hand():
    # Per task 1, 1/2, 0, 1/2: three of them move, the extreme patterns are two of eight.
    tasks = paired_permutation_test(FIRST, SECOND, exchange="tasks")
    assert tasks.p_value == pytest.approx(2 / 8) and tasks.units == 4
    # Per run 1/2, 1/2: two of four.
    runs = paired_permutation_test(FIRST, SECOND, exchange="runs")
    assert runs.p_value == pytest.approx(2 / 4) and runs.units == 2
    # Four single outcomes differ, all in favour of the first.
    cells = paired_permutation_test(FIRST, SECOND, exchange="cells")
    assert cells.p_value == pytest.approx(2 / 16) and cells.units == 8


@pytest.mark.parametrize("exchange", ["tasks", "runs", "cells"])
@pytest.mark.parametrize("side", SIDES)
def test_any_aggregate_takes_the_same_road_as_the_mean(exchange, side):
    rng = np.random.default_rng(5)
    a, b = rng.random((3, 4)), rng.random((3, 4))

    def plain_mean(scores, weights):
        return (weights * scores).sum(axis=(1, 2)) / weights.sum(axis=(1, 2))

    fast = paired_permutation_test(a, b, exchange=exchange, alternative=side)
    slow = paired_permutation_test(a, b, exchange=exchange, alternative=side, aggregate=plain_mean)
    assert slow.exact and slow.p_value == pytest.approx(fast.p_value)
    assert slow.statistic == pytest.approx(fast.statistic)


def test_an_iqm_is_tested_by_sampled_exchanges():
    rng = np.random.default_rng(5)
    a, b = rng.random((4, 30)) + 0.3, rng.random((4, 30))
    found = paired_permutation_test(a, b, aggregate=AGGREGATES["iqm"], resamples=999)
    assert not found.exact and found.p_value == pytest.approx(0.001)


# ── two samples ─────────────────────────────────────────────────────────────


def test_two_samples_by_hand():
    # Of C(6, 3) = 20 divisions, the seen one and its mirror are extreme.
    found = permutation_test([1, 2, 3], [4, 5, 6])
    assert found.p_value == found.least == pytest.approx(2 / 20)
    assert permutation_test([1, 2, 3], [4, 5, 6], alternative="less").p_value == 1 / 20


@given(
    st.lists(st.integers(0, 4), min_size=2, max_size=4),
    st.lists(st.integers(0, 4), min_size=2, max_size=4),
    st.sampled_from(["greater", "less"]),
)
def test_two_samples_agree_with_scipy(a, b, side):
    theirs = stats.permutation_test(
        (a, b), lambda x, y: np.mean(x) - np.mean(y), alternative=side, vectorized=False
    )
    assert permutation_test(a, b, alternative=side).p_value == pytest.approx(theirs.pvalue)


def test_large_samples_are_sampled():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.4, 1, 60), rng.normal(0, 1, 80)
    found = permutation_test(a, b, resamples=20_000)
    expected = stats.ttest_ind(a, b).pvalue
    assert not found.exact
    assert found.p_value == pytest.approx(expected, abs=5 * math.sqrt(expected / 20_000))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sign_flip_test([]), "at least one number"),
        (lambda: sign_flip_test([float("nan")]), "not finite"),
        (lambda: sign_flip_test([1.0], alternative="better"), "mean 'greater'"),
        (lambda: sign_flip_test([1.0], resamples=0), "at least one replication"),
        (lambda: permutation_test([], [1.0]), "first values must hold at least one"),
        (lambda: paired_permutation_test(FIRST, SECOND[:, :2]), "differ in their runs x tasks"),
        (lambda: paired_permutation_test(FIRST, SECOND, exchange="task"), "mean 'tasks'"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(BenchError, match=words):
        call()
