"""Aggregates of a table of runs x tasks: one number for a method, and for its resamples.

The measures of R. Agarwal, M. Schwarzer, P. S. Castro, A. Courville, M. Bellemare (2021), "Deep
reinforcement learning at the edge of the statistical precipice", NeurIPS 34; values equal those of
the authors' package rliable.

A resample is a table of *weights*, how often each score was drawn. Every aggregate here takes a
stack of such tables at once, all of the same sum, so that a bootstrap of thousands of replications
is a few array operations, and one draw serves all aggregates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from qevolve_bench.statistics.checks import Array, matrix
from qevolve_envs.errors import BenchError

#: (scores of shape (runs, tasks), weights of shape (resamples, runs, tasks)) -> shape (resamples,).
Aggregate = Callable[[Array, Array], Array]

#: Share of the scores that the interquartile mean drops at each end.
_TRIM = 0.25


def mean(scores: npt.ArrayLike) -> float:
    """Mean over tasks of the mean over runs; `scores` has shape (runs, tasks)."""
    return _point(weighted_mean, scores)


def median(scores: npt.ArrayLike) -> float:
    """Median over tasks of the mean over runs; `scores` has shape (runs, tasks)."""
    return _point(weighted_median, scores)


def iqm(scores: npt.ArrayLike) -> float:
    """Interquartile mean: of the middle half of all scores, over runs and tasks together.

    Agarwal et al. (2021), section 4.3: hardly moved by outliers, unlike the mean, and with far
    smaller intervals than the median. Of n scores, floor(n / 4) are dropped at each end.
    """
    return _point(weighted_iqm, scores)


def optimality_gap(scores: npt.ArrayLike, optimum: float = 1.0) -> float:
    """Mean distance of scores below `optimum`; a score above it counts as 0.

    Agarwal et al. (2021), section 4.3.
    """
    return _point(weighted_optimality_gap(optimum), scores)


def weighted_mean(scores: Array, weights: Array) -> Array:
    """`mean` of resamples (every task weighs as often as it was drawn)."""
    means: Array = weights.reshape(len(weights), -1) @ scores.ravel() / weights[0].sum()
    return means


def weighted_median(scores: Array, weights: Array) -> Array:
    """`median` of resamples; a task that was drawn k times counts as k tasks."""
    totals = np.einsum("rnm->rm", weights)
    # A task that was not drawn has no mean; its weight of 0 keeps it out of the median.
    sums = np.einsum("rnm,nm->rm", weights, scores)
    means = np.divide(sums, totals, out=np.zeros_like(sums), where=totals > 0)
    if np.ptp(totals) == 0:
        means.sort(axis=1)
        half = means.shape[1] // 2
        upper: Array = means[:, half]
        return upper if means.shape[1] % 2 else (means[:, half - 1] + upper) / 2
    order = np.argsort(means, axis=1, kind="stable")
    means = np.take_along_axis(means, order, axis=1)
    reached = np.take_along_axis(totals, order, axis=1).cumsum(axis=1)
    half = reached[:, -1:] / 2
    # A hair of slack, because leave-one-out weights are not integers.
    slack = 1e-9 * half
    low = (reached < half - slack).sum(axis=1)
    high = (reached <= half + slack).sum(axis=1)
    rows = np.arange(len(means))
    middle: Array = means[rows, low] + means[rows, high.clip(max=means.shape[1] - 1)]
    return middle / 2


def weighted_iqm(scores: Array, weights: Array) -> Array:
    """`iqm` of resamples: the trimmed mean by the cumulated weights of the sorted scores."""
    flat = scores.ravel()
    order = np.argsort(flat, kind="stable")
    reached = weights.reshape(len(weights), -1)[:, order].cumsum(axis=1)
    size = weights[0].sum()
    trimmed = np.floor(_TRIM * size + 1e-9)
    # How much weight up to each score lies inside the middle; summed by parts over the scores.
    inside = reached.clip(trimmed, size - trimmed)
    inside -= trimmed
    ordered = flat[order]
    total = size - 2 * trimmed
    means: Array = ordered[-1] - inside[:, :-1] @ np.diff(ordered) / total
    return means


def weighted_optimality_gap(optimum: float = 1.0) -> Aggregate:
    """`optimality_gap` of resamples, at one optimum."""
    if not np.isfinite(optimum):
        raise BenchError(f"The optimum must be a finite number, not {optimum}.")

    def gap(scores: Array, weights: Array) -> Array:
        return optimum - weighted_mean(np.minimum(scores, optimum), weights)

    return gap


#: The aggregates of Agarwal et al. (2021) by name, at an optimum of 1.
AGGREGATES: Mapping[str, Aggregate] = MappingProxyType(
    {
        "mean": weighted_mean,
        "median": weighted_median,
        "iqm": weighted_iqm,
        "optimality_gap": weighted_optimality_gap(),
    }
)


def _point(aggregate: Aggregate, scores: npt.ArrayLike) -> float:
    data = matrix(scores)
    return float(aggregate(data, np.ones((1, *data.shape)))[0])
