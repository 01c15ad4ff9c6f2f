"""Differences on shared tasks: how large, and how sure, when the samples are seeds, tasks or both.

Learners are compared by training runs. Five seeds on 400 tasks are 2,000 outcomes but five runs:
whoever takes the outcomes for independent, or bootstraps the seeds, promises too much. How often
95 % intervals of the difference of two learners held the truth, in five worlds that vary by seeds,
by tasks, by both or by chance alone (`tests/bench/statistics/test_coverage.py`):

====================================================  ===========================  ============
interval                                              seeds x tasks                held
====================================================  ===========================  ============
percentile bootstrap over seeds                       5 x 60                       72-82 %
BCa bootstrap over seeds                              5 x 60                       72-83 %
percentile bootstrap over tasks alone                 5 x 60                       75-93 %
percentile bootstrap, nested                          5 x 60                       90-98 %
percentile bootstrap, crossed                         5 x 60                       95-100 %
t over the means of the seeds                         5 or 10 x 60 or 400          82-95 %
t over seeds and tasks (`crossed_difference`)         5 or 10 x 60 or 400          93-96 %
the same, seeds not paired                            5 or 10 x 60 or 400          94-96 %
the same, paired or not                               3 x 60 or 400                92-98 %
====================================================  ===========================  ============

`crossed_difference` is what `qevolve-bench compare` uses for learners. (The t over the means of the
seeds is right for the same tasks; it fails for new ones where the difference varies by task.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from qevolve_bench.statistics.checks import Array, check_level, matrix, vector
from qevolve_bench.statistics.intervals import Estimate, Interval
from qevolve_envs.errors import BenchError, UnknownName

Alternative = Literal["two-sided", "greater", "less"]
Target = Literal["new tasks", "same tasks"]


@dataclass(frozen=True, slots=True)
class Difference:
    """An estimated mean or difference of means, with its test against zero.

    Attributes:
        estimate: The value and its interval.
        p_value: Of the hypothesis that the true value is zero; None where the data have no spread
            to measure it by.
        standard_error: Of the value.
        degrees: Degrees of freedom of Student's t; infinite for a normal interval.
    """

    estimate: Estimate
    p_value: float | None
    standard_error: float
    degrees: float


@dataclass(frozen=True, slots=True)
class Components:
    """Variance components of a table of runs x tasks: score = mean + run + task + rest.

    Attributes:
        runs: Variance of the runs' true means.
        tasks: Variance of the tasks' true means.
        rest: Variance of what is left: interaction and chance.
    """

    runs: float
    tasks: float
    rest: float


def t_interval(
    values: npt.ArrayLike, *, level: float = 0.95, alternative: Alternative = "two-sided"
) -> Difference:
    """Student's t interval of a mean, and its test against zero.

    "Student" (1908), "The probable error of a mean", Biometrika 6(1), 1-25. For the means of a few
    seeds, whose differences are about normal; the interval is two-sided whatever the test.

    Args:
        values: Shape (n,), n >= 2, one for each independent unit.
        level: Confidence level, in (0, 1).
        alternative: What the test holds against zero.
    """
    data = vector(values, least=2)
    n = data.size
    error = float(data.std(ddof=1)) / math.sqrt(n)
    return _student(float(data.mean()), error, n - 1, level, alternative)


def crossed_difference(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    paired_runs: bool = True,
    target: Target = "new tasks",
    level: float = 0.95,
    alternative: Alternative = "two-sided",
) -> Difference:
    """Mean of `first` minus mean of `second`, over runs (seeds) and the tasks they share.

    Both factors are samples: the runs, of all trainings there could be; the tasks, of all tasks
    like them. With MS the mean squares of the two-way table of differences (n runs, m tasks), the
    variance of the mean is (MS_runs + max(MS_tasks - MS_rest, 0)) / (n m), and its degrees of
    freedom follow from F. E. Satterthwaite (1946), "An approximate distribution of estimates of
    variance components", Biometrics Bulletin 2(6), 110-114, but are never fewer than n - 1. The
    tasks' own part is not allowed below zero, and where the means of the runs agree by accident
    MS_rest takes the place of MS_runs. `crossed_mean` is the same for one table.

    Without paired runs, each method's runs have a variance of their own, and the tasks that both
    share count once, by their mean differences.

    Args:
        first: Shape (runs, tasks), at least two runs.
        second: The same; with `paired_runs` of the same shape.
        paired_runs: Row i of both started alike (the same seed and warm start).
        target: Whether the interval speaks of new tasks, or of these same tasks alone. The latter
            is narrower and says nothing about others.
        level: Confidence level, in (0, 1).
        alternative: What the test holds against zero.

    Raises:
        BenchError: With a single run on a side (an interval from one run would be none), or for
            tables that do not fit.
    """
    a, b = matrix(first, "first scores", runs=2), matrix(second, "second scores", runs=2)
    if a.shape[1] != b.shape[1]:
        raise BenchError(
            f"Both sides must have played the same tasks; they have {a.shape[1]} and {b.shape[1]}."
        )
    if paired_runs:
        if len(a) != len(b):
            raise BenchError(f"Paired runs come in equal numbers, not {len(a)} and {len(b)}.")
        return crossed_mean(a - b, target=target, level=level, alternative=alternative)
    # Sums of independent parts: each is (its share of the variance, its degrees of freedom).
    parts = []
    chance = 0.0
    for table in (a, b):
        n, m = table.shape
        runs, _, rest = _mean_squares(table)
        parts.append((runs / (n * m), n - 1))
        chance += rest / (n * m)
    n, m = min(len(a), len(b)), a.shape[1]
    tasks = float((a.mean(axis=0) - b.mean(axis=0)).var(ddof=1)) / m if m > 1 else 0.0
    parts += _tasks_part(tasks, chance, n, m, target)
    return _from_parts(float(a.mean() - b.mean()), parts, n, level, alternative)


def crossed_mean(
    scores: npt.ArrayLike,
    *,
    target: Target = "new tasks",
    level: float = 0.95,
    alternative: Alternative = "two-sided",
) -> Difference:
    """Mean of a table of runs x tasks; see `crossed_difference`.

    Args:
        scores: Shape (runs, tasks), at least two runs.
        target: What the interval speaks of.
        level: Confidence level, in (0, 1).
        alternative: What the test holds against zero.
    """
    data = matrix(scores, runs=2)
    n, m = data.shape
    runs, tasks, rest = _mean_squares(data)
    parts = [(runs / (n * m), n - 1)]
    parts += _tasks_part(tasks / (n * m), rest / (n * m), n, m, target)
    return _from_parts(float(data.mean()), parts, n, level, alternative)


def variance_components(scores: npt.ArrayLike) -> Components:
    """Variance components by the analysis of variance of a two-way table without repetition.

    What a pilot study tells about the size of the real one (`qevolve_bench.statistics.power`).
    Estimates below zero are set to zero.

    Args:
        scores: Shape (runs, tasks), both at least 2: one method's scores, or paired differences.
    """
    data = matrix(scores, runs=2)
    n, m = data.shape
    if m < 2:
        raise BenchError("One task cannot tell the variance of tasks: play more.")
    runs, tasks, rest = _mean_squares(data)
    return Components(max((runs - rest) / m, 0.0), max((tasks - rest) / n, 0.0), rest)


def success_difference(
    first: npt.ArrayLike, second: npt.ArrayLike, *, level: float = 0.95
) -> Estimate:
    """Difference of two success rates on the same tasks, with an interval over tasks.

    D. G. Bonett, R. M. Price (2012), "Adjusted Wald confidence interval for a difference of
    binomial proportions based on paired data", Journal of Educational and Behavioral Statistics
    37(4), 479-488: one imagined task that only the first wins and one that only the second wins are
    added, so that the interval neither collapses nor under-covers where all tasks agree. Here a
    task may also have been played in several rounds, and then counts with its rate of success.

    Args:
        first: Shape (tasks,), rates of success in [0, 1].
        second: The same tasks in the same order.
        level: Confidence level, in (0, 1).

    Returns:
        The plain difference of the means, inside of the interval.
    """
    check_level(level)
    a, b = vector(first, "first rates"), vector(second, "second rates")
    if a.size != b.size:
        raise BenchError(
            f"Both sides must have played the same tasks; they have {a.size} and {b.size}."
        )
    if min(a.min(), b.min()) < 0 or max(a.max(), b.max()) > 1:
        raise BenchError("A rate of success must lie between 0 and 1.")
    gaps = a - b
    n = gaps.size + 2
    centre = float(gaps.sum()) / n
    variance = (float((gaps**2).sum()) + 2) / n - centre**2
    half = NormalDist().inv_cdf(0.5 + level / 2) * math.sqrt(variance / n)
    value = float(gaps.mean())
    low, high = max(-1.0, centre - half), min(1.0, centre + half)
    return Estimate(value, Interval(min(low, value), max(high, value)))


def check_alternative(alternative: str) -> None:
    """Refuses a side of a test that does not exist.

    Raises:
        UnknownName: With the three that do.
    """
    if alternative not in get_args(Alternative):
        raise UnknownName.of("alternative", alternative, get_args(Alternative))


def _p_of_t(statistic: float, degrees: float, alternative: Alternative) -> float:
    from scipy.special import stdtr

    if alternative == "two-sided":
        return min(1.0, 2 * float(stdtr(degrees, -abs(statistic))))
    return float(stdtr(degrees, -statistic if alternative == "greater" else statistic))


def _mean_squares(table: Array) -> tuple[float, float, float]:
    """Mean squares of runs, tasks and rest; those of a single task are zero for the last two."""
    n, m = table.shape
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    runs = m * float(rows.var(ddof=1))
    if m == 1:
        return runs, 0.0, 0.0
    tasks = n * float(columns.var(ddof=1))
    left = table - rows[:, np.newaxis] - columns + table.mean()
    rest = float((left**2).sum()) / ((n - 1) * (m - 1))
    if runs <= 1e-12 * rest:
        # Counts of wins may agree by accident; then what is left tells how much they might not.
        runs = rest
    return runs, tasks, rest


def _tasks_part(
    tasks: float, rest: float, n: int, m: int, target: Target
) -> list[tuple[float, float]]:
    """Variance that the choice of tasks adds to the mean, and its degrees of freedom."""
    if target not in get_args(Target):
        raise UnknownName.of("target", target, get_args(Target))
    own = tasks - rest
    if target == "same tasks" or own <= 0:
        return []
    squares = tasks**2 / (m - 1) + rest**2 / ((n - 1) * (m - 1))
    return [(own, own**2 / squares)]


def _from_parts(
    value: float,
    parts: list[tuple[float, float]],
    n: int,
    level: float,
    alternative: Alternative,
) -> Difference:
    variance = math.fsum(part for part, _ in parts)
    squares = math.fsum(part**2 / degrees for part, degrees in parts)
    degrees = max(variance**2 / squares, n - 1) if squares > 0 else n - 1
    return _student(value, math.sqrt(variance), degrees, level, alternative)


def _student(
    value: float, error: float, degrees: float, level: float, alternative: Alternative
) -> Difference:
    from scipy.special import stdtrit

    check_level(level)
    check_alternative(alternative)
    # Equal numbers differ from their mean by rounding, which is no spread.
    if error <= 1e-14 * max(1.0, abs(value)):
        p = 1.0 if abs(value) <= 1e-14 else None
        return Difference(Estimate(value, Interval(value, value)), p, 0.0, degrees)
    half = float(stdtrit(degrees, 0.5 + level / 2)) * error
    p = _p_of_t(value / error, degrees, alternative)
    return Difference(Estimate(value, Interval(value - half, value + half)), p, error, degrees)
