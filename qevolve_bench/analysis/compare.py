"""Comparisons of methods: differences on shared tasks, with intervals and tests.

The test depends on what is a sample. *Agents* are compared over tasks: the rounds of a task are
averaged, the interval of two success rates is that of `success_difference` and the test is exact
sign flips (for one round McNemar's). *Learners*, several training runs each, are compared over
seeds and tasks by `crossed_difference`; pairs of the same seed count as pairs. Over five seeds a
sign-flip test cannot give less than p = 0.0625, so that the t test decides unless asked otherwise.

All tests of one comparison are one family, corrected after Holm; intervals are not corrected.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from qevolve_bench.analysis.estimate import MethodEstimate, clipped, method_estimate
from qevolve_bench.analysis.outcomes import CellKey, CellOutcomes, MethodOutcomes, cell_of
from qevolve_bench.efficiency import Cost, Curve, cost_to_threshold
from qevolve_bench.efficiency.budgets import Outcome
from qevolve_bench.statistics import (
    Interval,
    benjamini_hochberg,
    cohens_d,
    crossed_difference,
    crossed_mean,
    holm,
    sign_flip_test,
    success_difference,
    t_interval,
)
from qevolve_bench.statistics.checks import Array, check_level
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.rng import seed_sequence

Test = Literal["auto", "sign-flip"]
Correction = Literal["holm", "bh", "none"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Difference of two methods in one cell.

    Attributes:
        cell: What was played.
        first: The side named first.
        second: The other one.
        difference: Mean of the first minus mean of the second.
        interval: Of the difference; None where the data give none.
        p_value: Of no difference; None where the data give none.
        adjusted: The p-value corrected for all of the comparison's tests.
        family: How many tests that were.
        correction: Its name.
        test: How p was found, in words.
        least: The smallest p that the test can give on these data, whatever they show.
        tasks: How many tasks are shared.
        ahead: On how many of them each side is ahead.
        cohens_d: Paired effect size over the units of the test; None without spread.
        over: What was a sample: ``"tasks"``, or ``"seeds and tasks"``.
        notes: What a reader has to know, in whole sentences.
    """

    cell: CellKey
    first: MethodEstimate
    second: MethodEstimate
    difference: float
    interval: Interval | None
    p_value: float | None
    adjusted: float | None
    family: int
    correction: Correction
    test: str
    least: float
    tasks: int
    ahead: tuple[int, int]
    cohens_d: float | None
    over: str
    notes: tuple[str, ...]


def compare(
    sides: Sequence[MethodOutcomes],
    *,
    outcome: Outcome = "success",
    baseline: str | None = None,
    test: Test = "auto",
    correction: Correction = "holm",
    level: float = 0.95,
    seed: int = 0,
) -> list[Comparison]:
    """Compares every pair of sides in every cell that both played.

    Args:
        sides: At least two, of different names.
        outcome: What their tables hold.
        baseline: Compare all others with this side only.
        test: ``sign-flip`` flips the signs of seeds also for learners.
        correction: For all tests together: ``holm``, ``bh`` (false discovery rate) or ``none``.
        level: Confidence level of the intervals.
        seed: Seed of random sign flips, where they are not exact.

    Raises:
        BenchError: When there is nothing to compare, or when what has the same name is not the
            same.
    """
    check_level(level)
    names = [side.name for side in sides]
    if len(sides) < 2:
        raise BenchError(f"A comparison takes two sides or more, not {len(sides)}.")
    for what, value, known in (("correction", correction, Correction), ("test", test, Test)):
        if value not in get_args(known):
            raise UnknownName.of(what, value, get_args(known))
    if baseline is not None and baseline not in names:
        raise UnknownName.of("baseline", baseline, names)
    found = []
    for first, second in itertools.combinations(sides, 2):
        if baseline is not None:
            if baseline not in (first.name, second.name):
                continue
            if first.name == baseline:
                first, second = second, first
        shared = [cell for cell in first.entries if cell in second.entries]
        found += [_compare(cell, first, second, outcome, test, level, seed) for cell in shared]
    if not found:
        said = " and ".join(
            f"{side.name} played {', '.join(cell.label for cell in side.entries)}"
            for side in sides[:2]
        )
        raise BenchError(f"No two sides played the same cell, so nothing can be compared: {said}.")
    return _corrected(found, correction)


def costs(
    learners: Mapping[str, Sequence[Curve]],
    axis: str,
    threshold: float,
    *,
    outcome: Outcome = "success",
    level: float = 0.95,
) -> list[Cost]:
    """Computes the budget that each learner spent until it reached a threshold, by split.

    All learners are followed up to the same budget.

    Args:
        learners: Training runs by the name of the learner.
        axis: What is counted; learners that spend none of it are left out.
        threshold: Success or score to reach.
        outcome: What is counted.
        level: Confidence level.
    """
    panels: dict[tuple[str, str], dict[str, list[Curve]]] = {}
    for name, curves in learners.items():
        for curve in curves:
            for split in curve.splits if curve.final(axis) > 0 else ():
                panels.setdefault((curve.world, split), {}).setdefault(name, []).append(curve)
    found = []
    for (_, split), runs in panels.items():
        horizon = min(curve.final(axis) for curves in runs.values() for curve in curves)
        for name, curves in runs.items():
            cost = cost_to_threshold(
                curves, axis, split, threshold, outcome=outcome, horizon=horizon, level=level
            )
            panel = cell_of(curves[0], split).label
            found.append(replace(cost, learner=name, panel=panel))
    return found


def unshared(sides: Sequence[MethodOutcomes]) -> list[str]:
    """Notes on cells that not all sides played."""
    notes = []
    every = {cell: None for side in sides for cell in side.entries}
    for cell in every:
        without = [side.name for side in sides if cell not in side.entries]
        if without:
            notes.append(f"{cell.label} was not played by {', '.join(without)}.")
    return notes


def _compare(
    cell: CellKey,
    first: MethodOutcomes,
    second: MethodOutcomes,
    outcome: Outcome,
    test: Test,
    level: float,
    seed: int,
) -> Comparison:
    a, b = first.entries[cell], second.entries[cell]
    notes = _check_alike(cell, first.name, a, second.name, b) + list(a.notes + b.notes)
    tasks = sorted(set(a.tasks) & set(b.tasks))
    most = max(len(a.tasks), len(b.tasks))
    if not tasks:
        raise BenchError(
            f"{first.name} and {second.name} share no task of {cell.label}: they played different"
            " panels and cannot be compared."
        )
    if len(tasks) < most:
        notes.append(f"Only the {len(tasks)} tasks that both played count, of {most}.")
    left, right = a.columns(tasks), b.columns(tasks)
    pairs = _pairs(a, b)
    if pairs and len(pairs) < max(len(left), len(right)):
        notes.append(f"Only the {len(pairs)} seeds that both have are compared, as pairs.")
    if pairs:
        left, right = left[[i for i, _ in pairs]], right[[k for _, k in pairs]]
    chance = seed_sequence(seed, "compare", cell.label, first.name, second.name)
    values = [
        method_estimate(side.name, side.entries[cell], table, outcome, level)
        for side, table in ((first, left), (second, right))
    ]
    result = (
        _over_seeds(left, right, bool(pairs), test, level, chance)
        if max(len(left), len(right)) > 1
        else _over_tasks(left[0], right[0], outcome, level, chance)
    )
    for name, entry, table in ((first.name, a, left), (second.name, b, right)):
        if entry.seeds is not None and len(table) == 1:
            notes.append(
                f"{name} is a single training run: nothing is said of what another seed would give."
            )
    gaps, units = left.mean(axis=0) - right.mean(axis=0), result.units
    return Comparison(
        cell=cell,
        first=values[0],
        second=values[1],
        difference=float(gaps.mean()),
        interval=clipped(result.interval, -1.0),
        p_value=result.p_value,
        adjusted=result.p_value,
        family=1,
        correction="none",
        test=result.test,
        least=result.least,
        tasks=len(tasks),
        ahead=(int((gaps > 1e-12).sum()), int((gaps < -1e-12).sum())),
        cohens_d=cohens_d(units) if units.size > 1 and units.std() > 1e-12 else None,
        over=result.over,
        notes=tuple(dict.fromkeys(notes + result.notes)),
    )


@dataclass(frozen=True, slots=True)
class _PairedTest:
    """Result of a test, in the fields of `Comparison`; `units` are the differences tested."""

    interval: Interval | None
    p_value: float | None
    test: str
    over: str
    units: Array
    notes: list[str]
    least: float = 0.0


def _over_tasks(
    left: Array, right: Array, outcome: Outcome, level: float, chance: np.random.SeedSequence
) -> _PairedTest:
    """Tests two agents, or two single training runs: the tasks are the sample."""
    gaps = left - right
    notes = []
    interval = None
    if gaps.size < 2:
        notes.append("One task is no sample of tasks: there is no interval and no test.")
        return _PairedTest(None, None, "none", "tasks", gaps, notes)
    if outcome == "success":
        interval = success_difference(left, right, level=level).interval
    elif np.ptp(gaps) > 1e-12:
        interval = t_interval(gaps, level=level).estimate.interval
    else:
        notes.append("The difference is the same on every task, so that it has no interval.")
    flips = sign_flip_test(gaps, seed=chance)
    words = f"{'exact' if flips.exact else 'random'} sign flips over tasks"
    return _PairedTest(interval, flips.p_value, words, "tasks", gaps, notes, flips.least)


def _over_seeds(
    left: Array,
    right: Array,
    paired: bool,
    test: Test,
    level: float,
    chance: np.random.SeedSequence,
) -> _PairedTest:
    """Tests two methods of which one has several runs: seeds and tasks are samples."""
    notes: list[str] = []
    gaps: Array | None = None
    if paired or min(len(left), len(right)) == 1:
        gaps = left - right
        found = crossed_mean(gaps, level=level)
        if not paired:
            single, many = ("first", right) if len(left) == 1 else ("second", left)
            notes.append(
                f"The {single} side is one run, taken as it is; the interval is over the"
                f" {len(many)} runs of the other."
            )
    else:
        notes.append("Their runs are no pairs of one seed and are compared as independent.")
        found = crossed_difference(left, right, paired_runs=False, level=level)
    interval: Interval | None = found.estimate.interval
    if found.standard_error == 0:
        notes.append("There is no spread over seeds or tasks, so that there is no interval.")
        interval = None
    p_value, words, least = found.p_value, "t over seeds and tasks", 0.0
    units = np.zeros(0) if gaps is None else gaps.mean(axis=1)
    if test == "sign-flip" and units.size:
        flips = sign_flip_test(units, seed=chance)
        p_value, words, least = flips.p_value, f"sign flips over {len(units)} seeds", flips.least
        if least > 1 - level:
            notes.append(
                f"Over {len(units)} seeds sign flips cannot give less than p = {least:.4g}."
            )
    return _PairedTest(interval, p_value, words, "seeds and tasks", units, notes, least)


def _pairs(a: CellOutcomes, b: CellOutcomes) -> list[tuple[int, int]]:
    """Rows of the same training seed, if there are at least two, or one on each side."""
    if a.seeds is None or b.seeds is None:
        return []
    pairs = [(a.seeds.index(s), b.seeds.index(s)) for s in a.seeds if s in b.seeds]
    return pairs if len(pairs) > 1 or len(a.seeds) == len(b.seeds) == 1 else []


def _check_alike(
    cell: CellKey, one: str, a: CellOutcomes, other: str, b: CellOutcomes
) -> list[str]:
    """Refuses what was not played under the same rules; notes what is not known."""
    if a.panel and b.panel and a.panel != b.panel:
        raise BenchError(
            f"{one} and {other} played different panels of {cell.label} (digests {a.panel[:12]} and"
            f" {b.panel[:12]}): they cannot be compared."
        )
    if a.horizon and b.horizon and a.horizon != b.horizon:
        raise BenchError(
            f"{one} and {other} played {cell.label} with horizons of {a.horizon} and {b.horizon}"
            " steps: they cannot be compared."
        )
    notes = []
    if bool(a.horizon) != bool(b.horizon):
        said, silent, steps = (one, other, a.horizon) if a.horizon else (other, one, b.horizon)
        notes.append(f"{said} had {steps} steps in {cell.label}; {silent} does not record it.")
    if a.seeds is None and b.seeds is None and a.rounds != b.rounds:
        notes.append(f"{one} and {other} played {a.rounds} and {b.rounds} rounds of each task.")
    return notes


def _corrected(found: list[Comparison], correction: Correction) -> list[Comparison]:
    tested = [c.p_value for c in found if c.p_value is not None]
    if not tested or correction == "none":
        return [replace(c, family=len(tested)) for c in found]
    adjusted = iter((holm if correction == "holm" else benjamini_hochberg)(tested).tolist())
    return [
        replace(
            c,
            adjusted=None if c.p_value is None else next(adjusted),
            family=len(tested),
            correction=correction,
        )
        for c in found
    ]
