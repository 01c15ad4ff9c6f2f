"""Performance profiles and the probability of improvement: whole distributions, not one number.

Agarwal et al. (2021), sections 4.2 and 4.3; see `qevolve_bench.statistics.aggregates`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qevolve_bench.statistics.checks import (
    Array,
    check_level,
    matrix,
    vector,
)
from qevolve_bench.statistics.intervals import Estimate, Interval
from qevolve_bench.statistics.resampling import Design, blocks, draw, draw_weights
from qevolve_envs.errors import BenchError


@dataclass(frozen=True, slots=True)
class Profile:
    """Share of the runs that score above each threshold, with a pointwise band.

    Attributes:
        thresholds: Shape (thresholds,).
        share: Shape (thresholds,).
        low: Lower end of the band, the same shape.
        high: Upper end of the band.
    """

    thresholds: Array
    share: Array
    low: Array
    high: Array


def performance_profile(
    scores: npt.ArrayLike,
    thresholds: npt.ArrayLike,
    *,
    of_means: bool = False,
    design: Design = "stratified",
    level: float = 0.95,
    resamples: int = 2_000,
    seed: int | np.random.SeedSequence = 0,
) -> Profile:
    """Run-score distribution: the share of all runs on all tasks with a score above a threshold.

    Args:
        scores: Shape (runs, tasks).
        thresholds: Shape (thresholds,), in any order.
        of_means: Take the share of tasks whose mean over runs is above the threshold instead (the
            average-score distribution), which is biased over few runs.
        design: What is resampled for the band; see `qevolve_bench.statistics.resampling`.
        level: Confidence level at each threshold (of the whole curve it is lower).
        resamples: Number of replications.
        seed: Seed of the resampling.
    """
    check_level(level)
    data = matrix(scores)
    at = vector(thresholds, "thresholds")

    def shares(weights: Array) -> Array:
        if not of_means:
            above = data.reshape(-1, 1) > at
            flat: Array = weights.reshape(len(weights), -1) @ above / weights[0].sum()
            return flat
        totals = weights.sum(axis=1)
        sums = np.einsum("rnm,nm->rm", weights, data)
        means = np.divide(sums, totals, out=np.zeros_like(sums), where=totals > 0)
        result: Array = np.einsum("rm,rmt->rt", totals, means[:, :, np.newaxis] > at)
        result /= weights[0].sum()
        return result

    drawn = [shares(weights) for weights in draw_weights(design, data.shape, resamples, seed)]
    low, high = np.quantile(np.concatenate(drawn), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Profile(at, shares(np.ones((1, *data.shape)))[0], low, high)


def probability_of_improvement(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = 2_000,
    seed: int | np.random.SeedSequence = 0,
) -> Estimate:
    """Chance that a run of the first beats a run of the second on a random task; ties count half.

    The Mann-Whitney U of each task over the number of pairs of runs, averaged over tasks. The runs
    of each method and task are resampled on their own, and the interval is of percentiles: it
    speaks of other runs on the same tasks. Every pair of runs is compared once; a resample only
    weighs the outcomes.

    Args:
        first: Shape (runs, tasks).
        second: Shape (other runs, tasks): the same tasks in the same order.
        level: Confidence level, in (0, 1).
        resamples: Number of replications.
        seed: Seed of the resampling.

    Raises:
        BenchError: When one side has a single run, which cannot be resampled.
    """
    check_level(level)
    a, b = matrix(first, "first scores", runs=2), matrix(second, "second scores", runs=2)
    if a.shape[1] != b.shape[1]:
        raise BenchError(
            f"Both sides must have played the same tasks; they have {a.shape[1]} and {b.shape[1]}."
        )
    # Shape (tasks, runs of a, runs of b): 1 for a win, 0.5 for a tie.
    left, right = a.T[:, :, np.newaxis], b.T[:, np.newaxis, :]
    wins = (left > right) + 0.5 * (left == right)
    rng = np.random.default_rng(seed)
    values = []
    for size in blocks(resamples, max(a.size, b.size)):
        mine, theirs = (
            draw("stratified", a.shape, size, rng),
            draw("stratified", b.shape, size, rng),
        )
        met = mine.transpose(2, 0, 1) @ wins
        met *= theirs.transpose(2, 0, 1)
        values.append(met.sum(axis=(0, 2)))
    shares = np.concatenate(values) / (len(a) * len(b) * a.shape[1])
    low, high = np.quantile(shares, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(wins.mean()), Interval(float(low), float(high)))
