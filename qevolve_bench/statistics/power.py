"""Power: how many seeds and tasks it takes to see a given difference.

Two designs. *Learners* are compared over seeds and tasks (`crossed_difference`); what their
differences vary by comes from a pilot study (`variance_components` of its table of paired
differences). *Agents* that are only evaluated are compared over tasks (the exact test of
`sign_flip_test` on single wins and losses, which is McNemar's).

More tasks cannot make up for seeds: the standard error of a difference never falls below
sqrt(runs / seeds), whatever the number of tasks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qevolve_bench.statistics.checks import check_level
from qevolve_bench.statistics.paired import Components, crossed_mean
from qevolve_envs.errors import BenchError

#: The search for a sample size ends here.
_MOST_SEEDS, _MOST_TASKS = 1_000, 1_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """A size of a study and what it can see.

    Attributes:
        seeds: Training runs of each method.
        tasks: Tasks that each of them plays.
        power: Chance that the test finds the difference.
    """

    seeds: int
    tasks: int
    power: float


def power_of_seeds(
    difference: float,
    components: Components,
    seeds: int,
    tasks: int,
    *,
    significance: float = 0.05,
    same_tasks: bool = False,
) -> float:
    """Chance that `crossed_difference` finds a true difference, two-sided.

    The noncentral t distribution (J. Cohen (1988), "Statistical Power Analysis for the Behavioral
    Sciences"), with the standard error sqrt(runs/n + tasks/m + rest/(n m)) of n seeds and m tasks
    and Satterthwaite's degrees of freedom at the expected mean squares.

    Args:
        difference: True difference of the means.
        components: Variance components of the paired differences.
        seeds: At least 2.
        tasks: At least 2.
        significance: Level of the test (divide it by the number of tests for Bonferroni).
        same_tasks: The test speaks of the same tasks only (``target="same tasks"``).
    """
    from scipy.special import nctdtr, stdtrit

    check_level(1 - significance)
    if seeds < 2 or tasks < 2:
        raise BenchError("A plan needs at least two seeds and two tasks.")
    if not math.isfinite(difference):
        raise BenchError(f"The difference must be a finite number, not {difference}.")
    n, m = seeds, tasks
    # Expected mean squares over n m.
    runs = components.runs / n + components.rest / (n * m)
    own = 0.0 if same_tasks else components.tasks / m
    rest = components.rest / (n * m)
    variance = runs + own
    if variance <= 0:
        return 1.0 if difference else significance
    squares = runs**2 / (n - 1)
    if own > 0:
        squares += (own + rest) ** 2 / (m - 1) + rest**2 / ((n - 1) * (m - 1))
    degrees = max(variance**2 / squares, n - 1)
    bar = float(stdtrit(degrees, 1 - significance / 2))
    shift = abs(difference) / math.sqrt(variance)
    # The other tail finds the wrong direction; it is no success.
    missed = float(nctdtr(degrees, shift, bar))
    return 1.0 if math.isnan(missed) else 1.0 - missed


def seeds_needed(
    difference: float,
    components: Components,
    tasks: int,
    *,
    power: float = 0.8,
    significance: float = 0.05,
    same_tasks: bool = False,
) -> Plan:
    """The fewest seeds, on so many tasks, that find a true difference with the wanted chance.

    Raises:
        BenchError: When no number of seeds up to 1,000 does.
    """

    def chance(seeds: int) -> float:
        return power_of_seeds(
            difference,
            components,
            seeds,
            tasks,
            significance=significance,
            same_tasks=same_tasks,
        )

    seeds = _fewest(chance, power, _MOST_SEEDS, f"seeds on {tasks} tasks show {difference:g}")
    return Plan(seeds, tasks, chance(seeds))


def detectable_difference(
    components: Components,
    seeds: int,
    tasks: int,
    *,
    power: float = 0.8,
    significance: float = 0.05,
    same_tasks: bool = False,
) -> float:
    """The smallest true difference that a study of this size finds with the wanted chance."""
    check_level(power)

    def chance(difference: float) -> float:
        return power_of_seeds(
            difference,
            components,
            seeds,
            tasks,
            significance=significance,
            same_tasks=same_tasks,
        )

    high = 1e-6
    while chance(high) < power:
        high *= 2
    low = high / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if chance(middle) >= power else (middle, high)
    return high


def power_of_tasks(
    difference: float, tasks: int, *, disagreement: float, significance: float = 0.05
) -> float:
    """Chance that the exact paired test over tasks finds a difference of two success rates.

    Exact, by summing over how many of the tasks the two agents disagree on, and who wins those:
    for the two-sided exact McNemar test (Q. McNemar (1947), "Note on the sampling error of the
    difference between correlated proportions or percentages", Psychometrika 12(2), 153-157).

    Args:
        difference: True difference of the success rates.
        tasks: Number of shared tasks, each played once by both.
        disagreement: Share of the tasks that exactly one of the two wins, at least `difference`.
            Unknown, it is at most ``p(1-q) + q(1-p)`` for agents whose successes are unrelated or
            positively related.
        significance: Level of the test.
    """
    from scipy.stats import binom

    check_level(1 - significance)
    if tasks < 1:
        raise BenchError(f"A plan needs at least one task, not {tasks}.")
    gap = abs(difference)
    if not 0 <= gap <= disagreement <= 1:
        raise BenchError(
            f"Rates that differ by {gap:g} disagree on at least that share of the tasks and at most"
            f" on all, not on {disagreement:g}."
        )
    if disagreement == 0:
        return 0.0
    share = (1 + gap / disagreement) / 2
    spread = math.sqrt(tasks * disagreement * (1 - disagreement))
    # All but 1e-15 of the distribution of the number of disagreements.
    low = max(0, math.floor(tasks * disagreement - 9 * spread - 9))
    high = min(tasks, math.ceil(tasks * disagreement + 9 * spread + 9))
    counts = np.arange(low, high + 1)
    # The fewest wins of the better one, n of them, for which 2 P(X >= wins) <= significance.
    wins = binom.isf(significance / 2, counts, 0.5) + 1
    found = binom.sf(wins - 1, counts, share)
    return float(binom.pmf(counts, tasks, disagreement) @ found)


def tasks_needed(
    difference: float, *, disagreement: float, power: float = 0.8, significance: float = 0.05
) -> Plan:
    """The fewest shared tasks on which two agents' rates show a true difference.

    The power of an exact test is not quite monotone in the number of tasks; this is the end of a
    bisection, after which a few more tasks may now and then lose a fraction of a percent again.
    """

    def chance(tasks: int) -> float:
        return power_of_tasks(
            difference, tasks, disagreement=disagreement, significance=significance
        )

    tasks = _fewest(chance, power, _MOST_TASKS, f"tasks show {difference:g}", least=1)
    return Plan(1, tasks, chance(tasks))


def simulated_power(
    difference: float,
    components: Components,
    seeds: int,
    tasks: int,
    *,
    significance: float = 0.05,
    studies: int = 1_000,
    seed: int | np.random.SeedSequence = 0,
) -> float:
    """`power_of_seeds` by playing the study: the share of normal studies that find the difference.

    The check on the formula, and the way to ask about a design that it does not know.

    Args:
        difference: True difference of the means.
        components: Variance components of the paired differences.
        seeds: At least 2.
        tasks: At least 2.
        significance: Level of the test.
        studies: How many are simulated.
        seed: Seed of the simulation.
    """
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(studies):
        table = (
            difference
            + rng.normal(0, math.sqrt(components.runs), (seeds, 1))
            + rng.normal(0, math.sqrt(components.tasks), (1, tasks))
            + rng.normal(0, math.sqrt(components.rest), (seeds, tasks))
        )
        outcome = crossed_mean(table, alternative="greater" if difference >= 0 else "less")
        found += outcome.p_value is not None and outcome.p_value <= significance / 2
    return found / studies


def _fewest(
    chance: Callable[[int], float], power: float, most: int, what: str, least: int = 2
) -> int:
    """The smallest size with at least the wanted power."""
    check_level(power)
    high = least
    while chance(high) < power:
        if high >= most:
            raise BenchError(
                f"Not even {most:,} {what} with a chance of {power:.0%}: look for a larger"
                " difference, or vary less."
            )
        high = min(2 * high, most)
    low = max(least - 1, high // 2)
    if chance(max(low, least)) >= power:
        return max(low, least)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if chance(middle) >= power else (middle, high)
    return high
