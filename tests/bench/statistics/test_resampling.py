from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from qevolve_bench.statistics import AGGREGATES, bootstrap
from qevolve_bench.statistics.aggregates import weighted_mean
from qevolve_bench.statistics.resampling import (
    bca_levels,
    draw_weights,
    expanded_levels,
    jackknife,
)
from qevolve_envs.errors import BenchError, UnknownName

DESIGNS = ["stratified", "runs", "tasks", "crossed", "nested"]
SCORES = np.random.default_rng(3).random((5, 8))


@settings(max_examples=40)
@given(st.sampled_from(DESIGNS), st.integers(2, 6), st.integers(2, 6), st.integers(0, 2**32))
def test_every_resample_is_as_large_as_the_table(design, runs, tasks, seed):
    weights = np.concatenate(list(draw_weights(design, (runs, tasks), 7, seed)))
    assert weights.shape == (7, runs, tasks)
    assert (weights >= 0).all() and (weights == weights.round()).all()
    assert (weights.sum(axis=(1, 2)) == runs * tasks).all()
    if design == "stratified":
        assert (weights.sum(axis=1) == runs).all()
    if design == "runs":
        assert (weights == weights[:, :, :1]).all()
    if design == "tasks":
        assert (weights == weights[:, :1]).all()
    if design == "crossed":
        rank_one = weights.sum(axis=2, keepdims=True) * weights.sum(axis=1, keepdims=True)
        assert (weights * runs * tasks == rank_one).all()
    if design == "nested":
        assert (weights.sum(axis=2) % tasks == 0).all()


# Over n units with population variance s^2, the resampled mean has variance s^2 / n.
def test_each_design_has_the_variance_of_its_theory():
    grand = SCORES.mean()
    rows, columns = SCORES.mean(axis=1).var() / 5, SCORES.mean(axis=0).var() / 8
    within_tasks = SCORES.var(axis=0).mean() / 5 / 8
    within_runs = SCORES.var(axis=1).mean() / 8 / 5
    rest = SCORES - SCORES.mean(axis=1, keepdims=True) - SCORES.mean(axis=0) + grand
    theory = {
        "stratified": within_tasks,
        "runs": rows,
        "tasks": columns,
        "nested": rows + within_runs,
        # Owen (2007): rows and columns vary together, too.
        "crossed": rows + columns + (rest**2).mean() / 40,
    }
    for design, variance in theory.items():
        means = [weighted_mean(SCORES, w) for w in draw_weights(design, (5, 8), 40_000, 1)]
        drawn = np.concatenate(means)
        assert drawn.mean() == pytest.approx(grand, abs=4 * np.sqrt(variance / 40_000)), design
        # The relative standard error of a variance of 40,000 numbers is about 0.7 %.
        assert drawn.var() == pytest.approx(variance, rel=0.03), design


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("method", ["percentile", "bca", "expanded"])
def test_intervals_hold_their_estimate_and_depend_on_the_seed_alone(design, method):
    found = bootstrap(SCORES, design=design, method=method, resamples=500, seed=4)
    assert found == bootstrap(SCORES, design=design, method=method, resamples=500, seed=4)
    assert found != bootstrap(SCORES, design=design, method=method, resamples=500, seed=5)
    assert found.keys() == AGGREGATES.keys()
    for estimate in found.values():
        assert estimate.interval.low <= estimate.value <= estimate.interval.high


def test_more_than_one_block_is_drawn():
    blocks = list(draw_weights("stratified", (50, 40), 120, 0))
    assert len(blocks) > 1 and sum(map(len, blocks)) == 120


@pytest.mark.parametrize("n", [12, 60])
def test_bca_agrees_with_scipy(n):
    values = np.random.default_rng(n).exponential(size=n)
    ours = bootstrap(values, design="runs", method="bca", resamples=50_000)["mean"].interval
    theirs = stats.bootstrap(
        (values,), np.mean, method="BCa", n_resamples=50_000, rng=np.random.default_rng(1)
    ).confidence_interval
    # Monte-Carlo error of a 2.5 % quantile: sqrt(.025 * .975 / 50,000) / density, about 0.3 % of
    # the interval's width.
    width = theirs.high - theirs.low
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.02 * width)


def test_bca_by_hand():
    # No bias, no acceleration: the plain percentiles.
    even = np.concatenate([np.full(50, -1.0), np.full(50, 1.0)])
    assert bca_levels(0.0, even, np.array([1.0, -1.0]), 0.95) == pytest.approx((0.025, 0.975))
    # Bias alone: 60 % below gives z0 = 0.2533, so the ends lie at Phi(2 * 0.2533 -+ 1.96).
    skewed = np.concatenate([np.full(60, -1.0), np.full(40, 1.0)])
    expected = stats.norm.cdf([2 * 0.253347 - 1.959964, 2 * 0.253347 + 1.959964])
    assert bca_levels(0.0, skewed, np.array([1.0, -1.0]), 0.95) == pytest.approx(expected, abs=1e-6)
    # Acceleration alone: u = (2, -1, -1), a = 6 / (6 * 6^1.5); the upper end at
    # Phi(1.96 / (1 - 1.96 a)).
    a = 1 / 6**1.5
    low, high = bca_levels(0.0, even, np.array([2.0, -1.0, -1.0]), 0.95)
    assert high == pytest.approx(stats.norm.cdf(1.959964 / (1 - 1.959964 * a)), abs=1e-6)
    assert low == pytest.approx(stats.norm.cdf(-1.959964 / (1 + 1.959964 * a)), abs=1e-6)


def test_bca_of_a_constant_is_its_value():
    found = bootstrap(np.full((4, 3), 0.25), method="bca", resamples=100)
    assert found["iqm"].interval == pytest.approx((0.25, 0.25))


def test_jackknife_of_a_mean_is_its_influence():
    values = np.array([1.0, 2.0, 6.0])
    # Leaving x out moves the mean by (x - mean) / (n - 1); weighted by (n - 1) / n.
    found = jackknife(values[:, None], weighted_mean, "runs")
    assert found == pytest.approx((values - 3.0) / 3)


def test_expanded_levels_by_hand():
    # Five units: sqrt(5/4) * t_4(.975) = 1.118034 * 2.776445 = 3.104160; Phi(-3.104160) = .000954.
    assert expanded_levels(5, 4, 0.95) == pytest.approx((0.000954, 0.999046), abs=1e-6)


@pytest.mark.parametrize(
    ("scores", "options", "words"),
    [
        (SCORES[:1], {}, "One run is no sample of runs"),
        (SCORES[:1], {"design": "crossed"}, "One run is no sample of runs"),
        (SCORES[:, :1], {"design": "crossed"}, "One task is no sample of tasks"),
        (SCORES[:, :1], {"design": "tasks"}, "One task is no sample"),
        (SCORES, {"level": 1.0}, "between 0 and 1"),
        (SCORES, {"resamples": 0}, "at least one replication"),
    ],
)
def test_refusals(scores, options, words):
    with pytest.raises(BenchError, match=words):
        bootstrap(scores, **options)


def test_unknown_names_are_told_the_known_ones():
    with pytest.raises(UnknownName, match="did you mean 'crossed'"):
        bootstrap(SCORES, design="cross")
    with pytest.raises(UnknownName, match="percentile, bca, expanded"):
        bootstrap(SCORES, method="wild")
