"""Agreement with rliable, the reference implementation of Agarwal et al. (2021).

rliable does not import with pandas 3 and ignores its own seed, so it is no dependency. Run this in
an environment of its own: ``pip install -e ".[rliable,test]"``, then
``pytest tests/bench/statistics/test_rliable.py``.
"""

from __future__ import annotations

import numpy as np
import pytest

from qevolve_bench.statistics import (
    AGGREGATES,
    bootstrap,
    iqm,
    mean,
    median,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)
from qevolve_bench.statistics.resampling import bca_levels, draw_weights, jackknife

try:
    from rliable import library, metrics
except Exception as error:  # An incompatible pandas fails with more than an ImportError.
    pytest.skip(f"rliable cannot be imported ({error})", allow_module_level=True)

RESAMPLES = 20_000
#: Runs x tasks, even and odd, with ties, and more or fewer runs than tasks.
SHAPES = [(10, 6), (5, 7), (3, 40), (25, 2)]


def table(shape, seed=0):
    """Scores with outliers and ties."""
    rng = np.random.default_rng([seed, *shape])
    return np.round(rng.gamma(2.0, 0.4, shape), 2)


def close(ours, theirs, scale):
    """Within Monte-Carlo error: both ends are 2.5 % quantiles of 20,000 values.

    Their standard error is sqrt(.025 * .975 / 20,000) / density, for a normal distribution 1.9 % of
    its standard deviation, or 0.5 % of the width of the interval; two of them, four errors wide.
    """
    assert np.asarray(ours) == pytest.approx(np.asarray(theirs), abs=4 * 2**0.5 * 0.005 * scale)


@pytest.mark.parametrize("shape", SHAPES)
def test_point_estimates(shape):
    scores = table(shape)
    assert mean(scores) == pytest.approx(metrics.aggregate_mean(scores), abs=1e-12)
    assert median(scores) == pytest.approx(metrics.aggregate_median(scores), abs=1e-12)
    assert iqm(scores) == pytest.approx(metrics.aggregate_iqm(scores), abs=1e-12)
    gap = metrics.aggregate_optimality_gap(scores, 0.9)
    assert optimality_gap(scores, 0.9) == pytest.approx(gap, abs=1e-12)
    other = table((4, shape[1]), seed=1)
    theirs = metrics.probability_of_improvement(scores, other)
    ours = probability_of_improvement(scores, other, resamples=10).value
    assert ours == pytest.approx(theirs, abs=1e-12)


THEIRS = {
    "mean": metrics.aggregate_mean,
    "median": metrics.aggregate_median,
    "iqm": metrics.aggregate_iqm,
    "optimality_gap": metrics.aggregate_optimality_gap,
}


def rliable_interval(scores, name, method):
    """One aggregate at a time: the BCa of the package below it mixes those of one call."""
    np.random.seed(0)  # noqa: NPY002 - rliable draws from the global generator
    _, intervals = library.get_interval_estimates(
        {"x": scores}, lambda x: np.array([THEIRS[name](x)]), reps=RESAMPLES, method=method
    )
    return intervals["x"][:, 0]


@pytest.mark.parametrize("shape", [(10, 6), (5, 7)])
@pytest.mark.parametrize("name", THEIRS)
def test_percentile_intervals(shape, name):
    scores = table(shape)
    low, high = rliable_interval(scores, name, "percentile")
    ours = bootstrap(scores, {name: AGGREGATES[name]}, resamples=RESAMPLES)
    close(ours[name].interval, (low, high), high - low)


@pytest.mark.parametrize("name", ["mean", "iqm", "optimality_gap"])
def test_bca_intervals(name):
    # rliable's acceleration leaves out whole rows, also where each task is resampled on its own;
    # `bootstrap` leaves out what is resampled. Here ours leaves out rows, too. (The median is not
    # compared: a third of its resamples tie with the estimate, which we count by halves.)
    scores, aggregate = table((10, 6)), AGGREGATES[name]
    low, high = rliable_interval(scores, name, "bca")
    drawn = [aggregate(scores, w) for w in draw_weights("stratified", scores.shape, RESAMPLES, 1)]
    value = float(aggregate(scores, np.ones((1, *scores.shape)))[0])
    levels = bca_levels(value, np.concatenate(drawn), jackknife(scores, aggregate, "runs"), 0.95)
    close(np.quantile(np.concatenate(drawn), levels), (low, high), high - low)


def test_performance_profile():
    scores, at = table((10, 6)), np.linspace(0, 2, 9)
    np.random.seed(0)  # noqa: NPY002
    shares, bands = library.create_performance_profile({"x": scores}, at, reps=RESAMPLES)
    ours = performance_profile(scores, at, resamples=RESAMPLES)
    assert ours.share == pytest.approx(shares["x"], abs=1e-12)
    # Shares are multiples of 1/60; a quantile may fall on the next one.
    assert np.abs(ours.low - bands["x"][0]).max() <= 1 / 60 + 1e-9
    assert np.abs(ours.high - bands["x"][1]).max() <= 1 / 60 + 1e-9
    means = performance_profile(scores, at, of_means=True, resamples=RESAMPLES)
    assert means.share == pytest.approx(library.average_score_distributions(scores, at), abs=1e-12)


def test_probability_of_improvement():
    first, second = table((6, 4)), table((5, 4), seed=1) * 0.8
    np.random.seed(0)  # noqa: NPY002
    points, intervals = library.get_interval_estimates(
        {"x": [first, second]},
        lambda a, b: np.array([metrics.probability_of_improvement(a, b)]),
        reps=2_000,
    )
    ours = probability_of_improvement(first, second, resamples=RESAMPLES)
    assert ours.value == pytest.approx(points["x"][0], abs=1e-12)
    low, high = intervals["x"][:, 0]
    # One side has 2,000 replications only: sqrt(10) times the error.
    close(ours.interval, (low, high), 2.4 * (high - low))
