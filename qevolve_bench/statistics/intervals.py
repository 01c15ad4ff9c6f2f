"""Interval estimates of a mean and of a proportion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qevolve_bench.statistics.checks import check_level, check_resamples, vector
from qevolve_envs.errors import BenchError

#: Resampled values held in memory at once (8 MB of indices).
_CHUNK = 1_000_000


class Interval(NamedTuple):
    """The two ends of an interval estimate."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its interval; it prints as ``0.250 [0.112, 0.469]``."""

    value: float
    interval: Interval

    def __format__(self, spec: str) -> str:
        low, high = self.interval
        return f"{self.value:{spec}} [{low:{spec}}, {high:{spec}}]"

    def __str__(self) -> str:
        return f"{self:.3f}"


def wilson_interval(successes: int, n: int, level: float = 0.95) -> Interval:
    """Wilson's score interval for a proportion, without continuity correction.

    E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22(158), 209-212. Unlike the normal
    approximation it stays inside [0, 1] and does not collapse at 0 or n successes.

    Args:
        successes: Number of successes, in [0, n].
        n: Number of trials, at least 1.
        level: Confidence level, in (0, 1).
    """
    check_level(level)
    if n < 1:
        raise BenchError(f"A proportion needs at least one trial, not {n}.")
    if not 0 <= successes <= n:
        raise BenchError(f"The number of successes must be in [0, {n}], not {successes}.")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    p = successes / n
    shrink = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # At the two ends the formula gives 0 and 1 exactly; rounding would not.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(low, high)


def bootstrap_interval(
    values: Sequence[float] | npt.NDArray[np.float64],
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int | np.random.SeedSequence = 0,
) -> Interval:
    """Percentile bootstrap interval of the mean.

    B. Efron (1979), "Bootstrap methods: another look at the jackknife", Annals of Statistics 7(1),
    1-26. The values are resampled with replacement, and the interval lies between the
    ``(1 - level) / 2`` and ``(1 + level) / 2`` quantiles of the resampled means. A single value, or
    equal ones, give an interval of no width: the bootstrap knows of no values but these.

    Args:
        values: At least one finite number.
        level: Confidence level, in (0, 1).
        resamples: Number of bootstrap samples.
        seed: Seed of the resampling.
    """
    check_level(level)
    check_resamples(resamples)
    data = vector(values)
    rng = np.random.default_rng(seed)
    # In blocks, because all indices at once would take gigabytes for a large panel.
    rows = max(1, _CHUNK // data.size)
    blocks = [min(rows, resamples - done) for done in range(0, resamples, rows)]
    means = np.concatenate(
        [data[rng.integers(data.size, size=(block, data.size))].mean(axis=1) for block in blocks]
    )
    # Rounding can carry the mean of equal values a little way past them.
    means = means.clip(data.min(), data.max())
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))
