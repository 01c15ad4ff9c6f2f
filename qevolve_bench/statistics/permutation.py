"""Permutation tests: how often chance alone would have made the difference that was seen.

If two methods are alike, it does not matter which of them a result is written under. Exchanging
the two for every unit, in all ways or in many, gives the differences that chance would make. The
unit is what was drawn independently: tasks, when two agents played a panel; seeds, when two
learners were trained. E. J. G. Pitman (1937), "Significance tests which may be applied to samples
from any populations", Supplement to the Journal of the Royal Statistical Society 4(1), 119-130.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from qevolve_bench.statistics.aggregates import Aggregate, weighted_mean
from qevolve_bench.statistics.checks import (
    Array,
    check_resamples,
    matrix,
    shared_shape,
    vector,
)
from qevolve_bench.statistics.paired import Alternative, check_alternative
from qevolve_envs.errors import UnknownName

Exchange = Literal["tasks", "runs", "cells"]

#: Sign patterns that are enumerated: 2^20.
_EXACT_UNITS = 20
#: Divisions of two samples that are enumerated.
_EXACT_SPLITS = 100_000
#: A lattice of sums is followed up to this many points.
_LATTICE = 200_000
_CHUNK = 1_000_000


@dataclass(frozen=True, slots=True)
class Permutation:
    """The outcome of a permutation test.

    Attributes:
        statistic: The difference that was seen.
        p_value: Its probability, or that of a more extreme one, if the two are alike.
        exact: All exchanges were counted, not a sample.
        units: How many units were exchanged.
        least: The smallest p-value that so many units can give; where it exceeds the level of the
            test, no data could have been significant.
    """

    statistic: float
    p_value: float
    exact: bool
    units: int
    least: float


def sign_flip_test(
    differences: npt.ArrayLike,
    *,
    alternative: Alternative = "two-sided",
    resamples: int = 100_000,
    seed: int | np.random.SeedSequence = 0,
) -> Permutation:
    """Tests that the differences of paired units are symmetric about zero, by their mean.

    R. A. Fisher (1935), "The Design of Experiments", section 21. Exact for up to 20 units that
    differ, and for any number of them when all are multiples of one step, as rates over equally
    many rounds are: the distribution of the sum is then followed point by point. (For single wins
    and losses that is the exact McNemar test.) Otherwise by `resamples` random signs, of which one
    counts as seen, so that p is never 0 (B. Phipson, G. K. Smyth (2010), "Permutation p-values
    should never be zero", Statistical Applications in Genetics and Molecular Biology 9(1), 39).

    Args:
        differences: Shape (units,), one for each independent pair: average what belongs together
            (rounds of a task, or tasks of a seed) first.
        alternative: ``"greater"``: the mean is above zero; ``"less"``: below; or either.
        resamples: Number of random sign patterns where the test is not exact.
        seed: Seed of the signs.
    """
    check_alternative(alternative)
    check_resamples(resamples)
    data = vector(differences, "differences")
    moving = data[np.abs(data) > 1e-12]
    least = min(1.0, (2.0 if alternative == "two-sided" else 1.0) * 0.5**data.size)
    mean = float(data.mean())

    def result(p: float, exact: bool) -> Permutation:
        return Permutation(mean, min(1.0, p), exact, data.size, least)

    if moving.size == 0:
        return result(1.0, True)
    seen = float(moving.sum())
    steps = _steps(moving)
    if steps is not None:
        return result(_lattice_tail(steps, alternative), True)
    if moving.size <= _EXACT_UNITS:
        sums = np.zeros(1)
        for value in moving:
            sums = np.concatenate([sums + value, sums - value])
        return result(float(_extreme(sums, seen, alternative).mean()), True)
    rng = np.random.default_rng(seed)
    extreme = 0
    block = max(1, _CHUNK // moving.size)
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        plus = _bits(rng, (size, moving.size)) @ moving
        extreme += int(_extreme(2 * plus - seen, seen, alternative).sum())
    return result((extreme + 1) / (resamples + 1), False)


def paired_permutation_test(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    exchange: Exchange = "tasks",
    aggregate: Aggregate = weighted_mean,
    alternative: Alternative = "two-sided",
    resamples: int = 10_000,
    seed: int | np.random.SeedSequence = 0,
) -> Permutation:
    """Tests that two methods are alike, by the difference of any aggregate on the same tasks.

    Args:
        first: Shape (runs, tasks).
        second: The same shape: the same tasks, and with ``exchange="runs"`` or ``"cells"`` the same
            seeds.
        exchange: What is exchanged between the two as a whole: each task with all its runs
            (clustered by task), each run with all its tasks (clustered by seed), or every single
            outcome, which takes all of them for independent.
        aggregate: What is compared; the mean takes the exact road of `sign_flip_test`.
        alternative: ``"greater"``: the first is better; ``"less"``: worse; or either.
        resamples: Number of random exchanges where the test is not exact.
        seed: Seed of the exchanges.
    """
    check_alternative(alternative)
    if exchange not in get_args(Exchange):
        raise UnknownName.of("unit of exchange", exchange, get_args(Exchange))
    a, b = matrix(first, "first scores"), matrix(second, "second scores")
    shared_shape(["the first", "the second"], [a, b], "runs x tasks")
    if aggregate is weighted_mean:
        gaps = a - b
        units = {"tasks": gaps.mean(axis=0), "runs": gaps.mean(axis=1), "cells": gaps.ravel()}
        return sign_flip_test(
            units[exchange], alternative=alternative, resamples=resamples, seed=seed
        )
    shape = {"tasks": (1, a.shape[1]), "runs": (len(a), 1), "cells": a.shape}[exchange]
    units_ = math.prod(shape)
    both = np.concatenate([a, b])

    def difference(keeps: Array) -> Array:
        # The first method's table is made of the rows of both that the weights choose.
        mine = np.broadcast_to(keeps.reshape(-1, *shape), (len(keeps), *a.shape))
        return aggregate(both, np.concatenate([mine, 1 - mine], axis=1)) - aggregate(
            both, np.concatenate([1 - mine, mine], axis=1)
        )

    seen = float(difference(np.ones((1, units_)))[0])
    exact = units_ <= _EXACT_UNITS and 2**units_ <= max(resamples, 2**12)
    block = max(1, _CHUNK // both.size)
    extreme = total = 0
    for keeps in _exchanges(units_, exact, resamples, block, seed):
        extreme += int(_extreme(difference(keeps), seen, alternative).sum())
        total += len(keeps)
    p = extreme / total if exact else (extreme + 1) / (total + 1)
    least = min(1.0, (2.0 if alternative == "two-sided" else 1.0) * 0.5**units_)
    return Permutation(seen, p, exact, units_, least)


def permutation_test(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    alternative: Alternative = "two-sided",
    resamples: int = 100_000,
    seed: int | np.random.SeedSequence = 0,
) -> Permutation:
    """Tests that two independent samples are alike, by the difference of their means.

    For seeds that are not paired. Exact while there are at most 100,000 ways to divide the values
    among the two; two times five seeds have 252.

    Args:
        first: Shape (n,), one value for each independent unit.
        second: Shape (k,).
        alternative: ``"greater"``: the first is better; ``"less"``: worse; or either.
        resamples: Number of random divisions where the test is not exact.
        seed: Seed of the divisions.
    """
    check_alternative(alternative)
    check_resamples(resamples)
    a, b = vector(first, "first values"), vector(second, "second values")
    both = np.concatenate([a, b])
    seen = float(a.mean() - b.mean())
    n, k = a.size, b.size
    # mean(a) - mean(b) by the sum of a alone.
    whole = float(both.sum())
    splits = math.comb(n + k, n)
    least = min(1.0, (2.0 if alternative == "two-sided" and n == k else 1.0) / splits)
    if splits <= _EXACT_SPLITS:
        chosen = np.array(list(itertools.combinations(range(n + k), n)))
        sums = both[chosen].sum(axis=1)
        gaps = sums / n - (whole - sums) / k
        p = float(_extreme(gaps, seen, alternative).mean())
        return Permutation(seen, p, True, n + k, least)
    rng = np.random.default_rng(seed)
    extreme = 0
    block = max(1, _CHUNK // both.size)
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        sums = rng.permuted(np.tile(both, (size, 1)), axis=1)[:, :n].sum(axis=1)
        extreme += int(_extreme(sums / n - (whole - sums) / k, seen, alternative).sum())
    return Permutation(seen, (extreme + 1) / (resamples + 1), False, n + k, least)


def _exchanges(
    units: int, exact: bool, resamples: int, block: int, seed: int | np.random.SeedSequence
) -> Iterator[Array]:
    """Blocks of shape (some, units) of 0 and 1: all of them, or a sample."""
    if exact:
        for start in range(0, 2**units, block):
            codes = np.arange(start, min(start + block, 2**units))
            yield ((codes[:, np.newaxis] >> np.arange(units)) & 1).astype(np.float64)
        return
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        yield _bits(rng, (size, units))


def _bits(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Fair zeros and ones; eight from each random byte."""
    count = math.prod(shape)
    drawn = np.frombuffer(rng.bytes(-(-count // 8)), dtype=np.uint8)
    return np.unpackbits(drawn, count=count).reshape(shape).astype(np.float64)


def _extreme(values: Array, seen: float, alternative: Alternative) -> npt.NDArray[np.bool_]:
    # What differs from the seen value by rounding alone is as extreme as it.
    slack = 1e-9 * max(abs(seen), float(np.abs(values).max(initial=0.0)))
    if alternative == "greater":
        return values >= seen - slack
    if alternative == "less":
        return values <= seen + slack
    return np.abs(values) >= abs(seen) - slack


def _steps(values: Array) -> npt.NDArray[np.int64] | None:
    """The values as integers of the coarsest common step 1/k, k <= 60, if there is one."""
    for denominator in range(1, 61):
        scaled = values * denominator
        steps = np.rint(scaled)
        if np.abs(scaled - steps).max() < 1e-9 * denominator:
            whole = steps.astype(np.int64)
            return whole if int(np.abs(whole).sum()) <= _LATTICE else None
    return None


def _lattice_tail(steps: npt.NDArray[np.int64], alternative: Alternative) -> float:
    """Tail probability of the sum of signed integers, from its exact distribution.

    The count of + signs weighted by size has the distribution of sum |s_i| B_i with fair bits B_i,
    followed by one addition of arrays for each i.
    """
    sizes = np.abs(steps)
    reach = int(sizes.sum())
    chances = np.zeros(reach + 1)
    chances[0] = 1.0
    filled = 0
    for size in np.sort(sizes).tolist():
        moved = chances[: filled + 1] / 2
        chances[: filled + 1] = moved
        chances[size : size + filled + 1] += moved
        filled += size
    seen = int(steps.sum())
    # sum = 2 * (weight of the + signs) - reach
    sums = 2 * np.arange(reach + 1) - reach
    if alternative == "greater":
        tail = sums >= seen
    elif alternative == "less":
        tail = sums <= seen
    else:
        tail = np.abs(sums) >= abs(seen)
    return max(math.fsum(chances[tail].tolist()), float(np.finfo(np.float64).tiny))
