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


def close(drawn, levels, theirs, resamples=RESAMPLES):
    """Whether `theirs` are the quantiles of our `drawn` values within Monte-Carlo error.

    The share of R values below a true quantile q varies by sqrt(q (1 - q) / R) on either side: here
    by four standard errors of both together, whatever the distribution.
    """
    for level, end in zip(levels, theirs, strict=True):
        error = 4 * np.sqrt(level * (1 - level) * (1 / len(drawn) + 1 / resamples))
        low, high = np.quantile(drawn, [max(0.0, level - error), min(1.0, level + error)])
        assert low - 1e-12 <= end <= high + 1e-12


def draw(scores, aggregate):
    """What `bootstrap` draws by default."""
    blocks = draw_weights("stratified", scores.shape, RESAMPLES, 0)
    return np.concatenate([aggregate(scores, weights) for weights in blocks])


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
    drawn = draw(scores, AGGREGATES[name])
    ours = bootstrap(scores, resamples=RESAMPLES)[name].interval
    assert ours == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))
    close(drawn, (0.025, 0.975), rliable_interval(scores, name, "percentile"))


@pytest.mark.parametrize("name", ["mean", "iqm", "optimality_gap"])
def test_bca_intervals(name):
    # rliable's acceleration leaves out whole rows, also where each task is resampled on its own;
    # `bootstrap` leaves out what is resampled. Here ours leaves out rows, too. (The median is not
    # compared: a third of its resamples tie with the estimate, which we count by halves.)
    scores, aggregate = table((10, 6)), AGGREGATES[name]
    drawn = draw(scores, aggregate)
    value = float(aggregate(scores, np.ones((1, *scores.shape)))[0])
    levels = bca_levels(value, drawn, jackknife(scores, aggregate, "runs"), 0.95)
    # The bias is estimated from the draws, too: that adds about as much error as they have.
    close(drawn, levels, rliable_interval(scores, name, "bca"), resamples=RESAMPLES / 8)


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
    assert probability_of_improvement(first, second).value == pytest.approx(
        points["x"][0], abs=1e-12
    )
    # Ours at levels one Monte-Carlo error of 2,000 draws further in and out than 95 %.
    error = 2 * 4 * np.sqrt(0.025 * 0.975 * (1 / 2_000 + 1 / RESAMPLES))
    inner, outer = (
        probability_of_improvement(first, second, level=level, resamples=RESAMPLES).interval
        for level in (0.95 - error, min(0.95 + error, 0.9999))
    )
    low, high = intervals["x"][:, 0]
    assert outer.low <= low <= inner.low and inner.high <= high <= outer.high
