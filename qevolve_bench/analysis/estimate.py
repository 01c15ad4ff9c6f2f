"""Estimates of how well a method does: means over tasks, runs and cells, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qevolve_bench.analysis.outcomes import CellOutcomes
from qevolve_bench.efficiency.budgets import Outcome
from qevolve_bench.statistics import (
    Estimate,
    Interval,
    bootstrap_interval,
    crossed_mean,
    t_interval,
    wilson_interval,
)
from qevolve_bench.statistics.checks import Array


@dataclass(frozen=True, slots=True)
class MethodEstimate:
    """Mean of one method in a cell; no interval where one run on one task has none."""

    name: str
    mean: float
    interval: Interval | None
    seeds: int


def method_estimate(
    name: str, played: CellOutcomes, table: Array, outcome: Outcome, level: float
) -> MethodEstimate:
    """Estimates the mean of a method in a cell.

    Args:
        name: Name of the method.
        played: Its outcomes in the cell.
        table: Those that are compared: shape (runs, tasks).
        outcome: Kind of the outcomes.
        level: Confidence level.

    Returns:
        The mean. Its interval is t over seeds and tasks for several runs; for one run Wilson's if
        all values are 0 or 1, otherwise t over tasks.
    """
    found = None
    interval: Interval | None = None
    if len(table) > 1:
        found = crossed_mean(table, level=level)
    elif outcome == "success" and np.isin(table, (0, 1)).all():
        interval = wilson_interval(round(float(table.sum())), table.size, level)
    elif table.size > 1:
        found = t_interval(table[0], level=level)
    if found is not None and found.standard_error > 0:
        interval = found.estimate.interval
    seeds = len(table) if played.seeds or len(table) > 1 else 0
    return MethodEstimate(name, float(table.mean()), clipped(interval, 0.0), seeds)


def clipped(interval: Interval | None, least: float) -> Interval | None:
    """Cuts an interval at `least` and 1; t intervals of few seeds exceed what a rate can be."""
    if interval is None:
        return None
    return Interval(max(least, interval.low), min(1.0, interval.high))


def bootstrap_mean(
    values: Array, level: float, resamples: int, seed: np.random.SeedSequence
) -> Estimate:
    """Estimates a mean over tasks, with a bootstrap interval over them."""
    return Estimate(float(values.mean()), bootstrap_interval(values, level, resamples, seed))


def rate_or_mean(
    values: Array, level: float, resamples: int, seed: np.random.SeedSequence
) -> Estimate:
    """Estimates a mean over tasks: Wilson's interval if all values are 0 or 1, else a bootstrap."""
    if not np.isin(values, (0.0, 1.0)).all():
        return bootstrap_mean(values, level, resamples, seed)
    return Estimate(float(values.mean()), wilson_interval(int(values.sum()), values.size, level))


def mean_of_cells(estimates: Sequence[Estimate]) -> Estimate:
    """Averages independent estimates; the interval follows from theirs.

    The distances of the ends from the estimates are added as errors are, in squares, each side by
    itself (G. Y. Zou, A. Donner (2008), "Construction of confidence limits about effect measures: a
    general approach", Statistics in Medicine 27(10), 1693-1702). So a cell of nothing but failures
    still says, by its Wilson interval, how little it knows.
    """
    n = len(estimates)
    value = math.fsum(e.value for e in estimates) / n
    below = math.hypot(*(e.value - e.interval.low for e in estimates)) / n
    above = math.hypot(*(e.interval.high - e.value for e in estimates)) / n
    return Estimate(value, Interval(value - below, value + above))
