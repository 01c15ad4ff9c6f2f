"""Agreement with rliable, the reference implementation of Agarwal et al. (2021).

rliable does not import with pandas 3 and ignores its own seed, so it is no dependency. Run this in
an environment of its own: ``pip install -e ".[rliable,test]"``, then
``pytest tests/bench/statistics/test_rliable.py``, or ``tox -e rliable``.
"""

from __future__ import annotations

import numpy as np
import pytest

from qevolve_bench.statistics import (
    bootstrap,
    iqm,
    mean,
    median,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)

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


def four(scores):
    return np.array(
        [
            metrics.aggregate_mean(scores),
            metrics.aggregate_median(scores),
            metrics.aggregate_iqm(scores),
            metrics.aggregate_optimality_gap(scores),
        ]
    )


@pytest.mark.parametrize("shape", [(10, 6), (5, 7)])
@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_intervals(shape, method):
    scores = table(shape)
    np.random.seed(0)  # noqa: NPY002 - rliable draws from the global generator
    points, intervals = library.get_interval_estimates(
        {"x": scores}, four, reps=RESAMPLES, method=method
    )
    ours = bootstrap(scores, method=method, resamples=RESAMPLES)
    for i, name in enumerate(("mean", "median", "iqm", "optimality_gap")):
        assert ours[name].value == pytest.approx(points["x"][i], abs=1e-12)
        low, high = intervals["x"][:, i]
        # Its acceleration leaves out whole rows, ours one run of one task at a time: another
        # estimate of the same skewness, which moves the ends by some percent of the width.
        scale = high - low if method == "percentile" else 3 * (high - low)
        close(ours[name].interval, (low, high), scale)


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
