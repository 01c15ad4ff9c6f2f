"""Bootstrap of a table of runs x tasks: what is resampled, and the intervals that follow.

A *run* is one training seed, or one round of an agent; a *task* is a column that all runs share.
What may be resampled is what may be called a sample; each design answers another question:

==============  ================================================================================
``stratified``  the runs of each task, task by task: the same tasks, other runs, where the runs of
                one task have nothing to do with those of another (Agarwal et al. 2021)
``runs``        whole runs, with all their tasks: the same tasks, other training seeds
``tasks``       whole tasks, with all their runs: these runs, other tasks
``crossed``     runs and tasks, each on its own: other seeds and other tasks
``nested``      runs, then tasks within each drawn run: each run met its own tasks
==============  ================================================================================

``runs`` and ``tasks`` are cluster bootstraps; ``nested`` is the hierarchical one (A. C. Davison,
D. V. Hinkley (1997), "Bootstrap Methods and their Application", section 3.8); ``crossed`` is the
pigeonhole bootstrap of A. B. Owen (2007), Annals of Applied Statistics 1(2), 386-411, and what a
panel played by several seeds calls for.

**Few runs.** A bootstrap of n runs knows a variance that is (n - 1)/n of the right one, and no
tails. What 95 % intervals of the mean and the IQM of 6 tasks held under ``stratified``
(`tests/bench/statistics/test_coverage.py`): percentile and BCa 86-87 % over 3 runs, 89-91 % over 5,
92-94 % over 10; ``method="expanded"`` 94-96 % over any of these. Over whole seeds use
`qevolve_bench.statistics.paired`, whose table is worse still for the bootstrap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from statistics import NormalDist
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from qevolve_bench.statistics.aggregates import AGGREGATES, Aggregate
from qevolve_bench.statistics.checks import Array, check_level, check_resamples, matrix
from qevolve_bench.statistics.intervals import Estimate, Interval
from qevolve_envs.errors import BenchError, UnknownName

Design = Literal["stratified", "runs", "tasks", "crossed", "nested"]
Method = Literal["percentile", "bca", "expanded"]

#: Weights made at once, few enough that the allocator hands the same memory out again (three times
#: as fast as fresh pages), and the fewest replications for which a block is worth its overhead.
_CHUNK, _FEWEST = 25_000, 32


def bootstrap(
    scores: npt.ArrayLike,
    aggregates: Mapping[str, Aggregate] = AGGREGATES,
    *,
    design: Design = "stratified",
    method: Method = "percentile",
    level: float = 0.95,
    resamples: int = 5_000,
    seed: int | np.random.SeedSequence = 0,
) -> dict[str, Estimate]:
    """Estimates with bootstrap intervals, all of them from the same resamples.

    Args:
        scores: Shape (runs, tasks).
        aggregates: What to estimate, by name.
        design: What is resampled; see the module.
        method: ``percentile``: quantiles of the resampled values. ``bca``: bias-corrected and
            accelerated (B. Efron (1987), "Better bootstrap confidence intervals", Journal of the
            American Statistical Association 82(397), 171-185). ``expanded``: percentiles further
            out, as Student's t is wider than the normal over n units (T. C. Hesterberg (2015),
            "What teachers should know about the bootstrap", The American Statistician 69(4),
            371-386).
        level: Confidence level, in (0, 1).
        resamples: Number of replications.
        seed: Seed of the resampling.

    Raises:
        BenchError: When there is only one of what the design resamples: it would give an interval
            of no width, which says nothing.
    """
    check_level(level)
    data = matrix(scores)
    check_design(design, data.shape)
    if method not in get_args(Method):
        raise UnknownName.of("bootstrap method", method, get_args(Method))
    drawn: dict[str, list[Array]] = {name: [] for name in aggregates}
    for weights in draw_weights(design, data.shape, resamples, seed):
        for name, aggregate in aggregates.items():
            drawn[name].append(aggregate(data, weights))
    estimates = {}
    whole = np.ones((1, *data.shape))
    for name, aggregate in aggregates.items():
        value = float(aggregate(data, whole)[0])
        values = np.concatenate(drawn[name])
        if method == "bca":
            influence = jackknife(data, aggregate, design)
            low, high = bca_levels(value, values, influence, level)
        elif method == "expanded":
            low, high = expanded_levels(*_sample(design, data.shape), level)
        else:
            low, high = (1 - level) / 2, (1 + level) / 2
        ends = np.quantile(values, [low, high])
        estimates[name] = Estimate(value, Interval(float(ends[0]), float(ends[1])))
    return estimates


def draw_weights(
    design: Design,
    shape: tuple[int, ...],
    resamples: int,
    seed: int | np.random.SeedSequence | np.random.Generator,
) -> Iterator[Array]:
    """Yields draws of each score, counted: blocks of shape (some, runs, tasks), `resamples` in all.

    Args:
        design: What is resampled.
        shape: (runs, tasks).
        resamples: Number of replications over all blocks.
        seed: Seed of the draws.
    """
    check_design(design, shape)
    rng = np.random.default_rng(seed)
    for size in blocks(resamples, math.prod(shape)):
        yield draw(design, shape, size, rng)


def blocks(resamples: int, cells: int) -> Iterator[int]:
    """Sizes of blocks of replications, when each has a table of `cells` weights."""
    check_resamples(resamples)
    block = max(_FEWEST, _CHUNK // cells)
    for start in range(0, resamples, block):
        yield min(block, resamples - start)


def draw(design: Design, shape: tuple[int, ...], size: int, rng: np.random.Generator) -> Array:
    """One block of `draw_weights`: shape (size, runs, tasks)."""
    runs, tasks = shape
    if design == "stratified":
        return _stratified(rng, size, runs, tasks)
    if design == "runs":
        return _counts(rng, (size,), runs)[:, :, np.newaxis] * np.ones(tasks)
    if design == "tasks":
        return _counts(rng, (size,), tasks)[:, np.newaxis, :] * np.ones((runs, 1))
    if design == "crossed":
        rows, columns = _counts(rng, (size,), runs), _counts(rng, (size,), tasks)
        return rows[:, :, np.newaxis] * columns[:, np.newaxis, :]
    times = _counts(rng, (size,), runs).astype(np.int64)
    # Each drawn run brings tasks of its own; where one was drawn twice, its two draws add up.
    drawn = np.repeat(np.arange(size * runs), times.ravel())
    columns = _counts(rng, (size, runs), tasks)
    weights = np.zeros((size * runs, tasks))
    np.add.at(weights, drawn, columns.reshape(-1, tasks))
    return weights.reshape(size, runs, tasks)


def check_design(design: str, shape: tuple[int, ...]) -> None:
    """Refuses a design that the table cannot bear.

    Raises:
        UnknownName: For a design that does not exist.
        BenchError: When there is only one of what would be resampled.
    """
    if design not in get_args(Design):
        raise UnknownName.of("bootstrap design", design, get_args(Design))
    runs, tasks = shape
    if design != "tasks" and runs < 2:
        raise BenchError(
            "One run is no sample of runs, and has no interval over them: play more seeds, or"
            " resample tasks (design='tasks')."
        )
    if design in ("tasks", "crossed", "nested") and tasks < 2:
        raise BenchError(
            "One task is no sample of tasks, and has no interval over them: play more tasks, or"
            " resample runs (design='runs')."
        )


def jackknife(scores: Array, aggregate: Aggregate, design: Design) -> Array:
    """Influence of every resampled unit on the aggregate, by leaving it out.

    Where several samples are drawn independently (the tasks of ``stratified``, the runs and the
    tasks of ``crossed``), the influences of all of them stand one after another, each weighted by
    (n - 1)/n of its sample.

    Returns:
        Shape (units,); the acceleration of BCa is a sixth of its skewness (not of its size).
    """
    runs, tasks = scores.shape
    found = []

    def leave_out(left_out: Array) -> None:
        # The weights of the remaining units grow, so that every stratum keeps its size.
        units = len(left_out)
        values = aggregate(scores, left_out)
        found.append((units - 1) / units * (values.mean() - values))

    if design == "stratified":
        for task in range(tasks):
            weights = np.ones((runs, runs, tasks))
            weights[:, :, task] = (1 - np.eye(runs)) * runs / (runs - 1)
            leave_out(weights)
    if design in ("runs", "crossed", "nested"):
        one = (1 - np.eye(runs)) * runs / (runs - 1)
        leave_out(one[:, :, np.newaxis] * np.ones(tasks))
    if design in ("tasks", "crossed"):
        one = (1 - np.eye(tasks)) * tasks / (tasks - 1)
        leave_out(one[:, np.newaxis, :] * np.ones((runs, 1)))
    return np.concatenate(found)


def bca_levels(
    value: float, resampled: Array, influence: Array, level: float
) -> tuple[float, float]:
    """The two quantiles of the resampled values at which a BCa interval ends.

    Efron (1987): with the bias z0 = Phi^-1(share of resampled values below the estimate)
    and the acceleration a = sum u^3 / (6 (sum u^2)^1.5) of the influences u, the ends lie at
    Phi(z0 + (z0 + z)/(1 - a (z0 + z))) for z = Phi^-1((1 -+ level)/2). Half of the ties count as
    below, because discrete scores have many.

    Args:
        value: The estimate.
        resampled: Shape (resamples,).
        influence: Shape (units,), of `jackknife`.
        level: Confidence level, in (0, 1).
    """
    normal = NormalDist()
    scale = 1e-12 * max(1.0, abs(value))
    ties = (np.abs(resampled - value) <= scale).mean()
    below = (resampled < value - scale).mean() + ties / 2
    if not 0 < below < 1:
        # The estimate lies outside of all it was resampled to; there is no bias to speak of.
        below = min(max(below, 0.5 / resampled.size), 1 - 0.5 / resampled.size)
    bias = normal.inv_cdf(below)
    spread = float((influence**2).sum())
    acceleration = float((influence**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    ends = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        shifted = bias + normal.inv_cdf(share)
        ends.append(normal.cdf(bias + shifted / (1 - acceleration * shifted)))
    return ends[0], ends[1]


def expanded_levels(units: int, degrees: int, level: float) -> tuple[float, float]:
    """Quantiles that give a resampled mean of `units` numbers the reach of a t interval.

    Hesterberg (2015): Phi(-sqrt(n / (n - 1)) t) in place of (1 - level)/2, with t the
    quantile of Student's distribution with n - 1 degrees of freedom, or with those that several
    samples of n have together.
    """
    from scipy.special import stdtrit

    t = float(stdtrit(degrees, (1 + level) / 2))
    low = NormalDist().cdf(-math.sqrt(units / (units - 1)) * t)
    return low, 1 - low


def _sample(design: Design, shape: tuple[int, ...]) -> tuple[int, int]:
    """Size of the smallest sample that is drawn from, and the degrees of freedom of its variance.

    The tasks of ``stratified`` are samples of one size that add up; of two crossed samples the
    smaller one decides.
    """
    runs, tasks = shape
    if design == "stratified":
        return runs, tasks * (runs - 1)
    units = {"runs": runs, "nested": runs, "tasks": tasks, "crossed": min(runs, tasks)}[design]
    return units, units - 1


def _counts(rng: np.random.Generator, shape: tuple[int, ...], n: int) -> Array:
    """Numbers of draws of each of `n` items in n draws with replacement: shape (*shape, n)."""
    samples = math.prod(shape)
    flat = _draws(rng, n, (samples, n)) + np.arange(0, samples * n, n)[:, np.newaxis]
    counts = np.bincount(flat.ravel(), minlength=samples * n)
    return counts.reshape(*shape, n).astype(np.float64)


def _stratified(rng: np.random.Generator, size: int, runs: int, tasks: int) -> Array:
    """`_counts` of runs for every task of its own: shape (size, runs, tasks)."""
    # Counted where they belong, so that nothing has to be transposed afterwards.
    first = np.arange(0, size * runs * tasks, runs * tasks)[:, np.newaxis, np.newaxis]
    flat = _draws(rng, runs, (size, runs, tasks)) * np.int64(tasks)
    flat += first + np.arange(tasks)
    counts = np.bincount(flat.ravel(), minlength=flat.size)
    return counts.reshape(flat.shape).astype(np.float64)


def _draws(
    rng: np.random.Generator, n: int, shape: tuple[int, ...]
) -> npt.NDArray[np.integer[Any]]:
    # Numbers of one byte are drawn several times as fast.
    return rng.integers(n, size=shape, dtype=np.uint8 if n <= 256 else np.int64)
