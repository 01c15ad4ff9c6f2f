"""Learning curves, their areas, and learners at equal budgets.

What a run is worth at a budget is what its last checkpoint within the budget achieved: what one
would hold in hands had training stopped there. Nothing is interpolated towards later results.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from qevolve_bench.efficiency.curves import AXES, Checkpoint, Curve
from qevolve_bench.statistics.checks import Array
from qevolve_bench.statistics.intervals import Interval
from qevolve_bench.statistics.paired import Difference, crossed_mean, t_interval
from qevolve_envs.errors import BenchError, UnknownName

Outcome = Literal["success", "score"]

#: A checkpoint is taken when a budget is passed, by the size of a batch: this share of it is
#: still within the budget.
SLACK = 0.05


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes of several training runs at one budget, on the tasks that all of them played.

    Attributes:
        seeds: Of the runs.
        tasks: Their ids.
        table: Success or score: shape (seeds, tasks).
        spent: What the checkpoints that were taken had spent: shape (seeds,).
        notes: What a reader has to know, in whole sentences.
    """

    seeds: tuple[int, ...]
    tasks: tuple[str, ...]
    table: Array
    spent: Array
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A learning curve at one budget.

    Attributes:
        budget: On the axis of the curve.
        value: Mean over seeds and tasks.
        interval: Over seeds and tasks; None for a single seed, which has none.
        seeds: How many runs had a checkpoint by then.
    """

    budget: float
    value: float
    interval: Interval | None
    seeds: int


def outcomes_at(
    curves: Sequence[Curve],
    axis: str,
    budget: float,
    split: str,
    *,
    outcome: Outcome = "success",
) -> Outcomes:
    """The results of one learner's runs at a budget.

    A run that ended earlier, or does not spend on this axis at all, counts with its last checkpoint
    and a note.

    Args:
        curves: Runs of one learner in one environment, of different seeds.
        axis: One of `AXES`.
        budget: On that axis.
        split: The panel.
        outcome: What is counted.

    Raises:
        BenchError: When a run has no checkpoint within the budget, or when no task is shared.
    """
    check_curves(curves, axis, split, outcome)
    if not 0 <= budget < math.inf:
        raise BenchError(f"A budget must be a number that is not negative, not {budget}.")
    taken = [_within(curve, axis, budget) for curve in curves]
    panels = [checkpoint.panels[split] for checkpoint in taken]
    shared = set(panels[0].tasks).intersection(*(panel.tasks for panel in panels[1:]))
    if not shared:
        raise BenchError(
            f"The runs of {curves[0].learner} share no task of {split}: they cannot be averaged."
        )
    tasks = tuple(sorted(shared))
    rows = []
    for panel in panels:
        place = {task: i for i, task in enumerate(panel.tasks)}
        rows.append(panel.outcome(outcome)[[place[task] for task in tasks]])
    spent = np.array([checkpoint.ledger[axis] for checkpoint in taken])
    notes = _notes(curves, axis, budget, spent)
    most = max(len(panel.tasks) for panel in panels)
    if len(tasks) < most:
        notes.append(
            f"The runs of {curves[0].learner} share {len(tasks)} of {most} tasks of {split};"
            " only these count."
        )
    seeds = tuple(curve.seed for curve in curves)
    return Outcomes(seeds, tasks, np.stack(rows), spent, tuple(notes))


def common_budget(curves: Sequence[Curve], axis: str) -> float:
    """The largest budget that every run reached that spends on this axis at all.

    Raises:
        BenchError: When none does.
    """
    check_axis(axis)
    spent = [curve.final(axis) for curve in curves if curve.final(axis) > 0]
    if not spent:
        raise BenchError(f"None of the runs spent any {axis}: compare on another axis.")
    return min(spent)


def learning_curve(
    curves: Sequence[Curve],
    axis: str,
    split: str,
    *,
    outcome: Outcome = "success",
    budgets: Sequence[float] | None = None,
    level: float = 0.95,
) -> list[CurvePoint]:
    """Mean over seeds and tasks along an axis, with a pointwise band.

    The band is the t interval over seeds and tasks (`qevolve_bench.statistics.paired`).

    Args:
        curves: Runs of one learner in one environment, of different seeds.
        axis: One of `AXES`.
        split: The panel.
        outcome: What is counted.
        budgets: Where; by default wherever a run has a checkpoint, from where all have one to where
            the first ends.
        level: Confidence level at each point (of the whole curve it is lower).
    """
    check_curves(curves, axis, split, outcome)
    if budgets is None:
        start = max(curve.checkpoints[0].ledger[axis] for curve in curves)
        end = min(curve.final(axis) for curve in curves)
        every = {c.ledger[axis] for curve in curves for c in curve.checkpoints}
        budgets = sorted(b for b in every if start <= b <= end) or [start]
    points = []
    for budget in budgets:
        found = outcomes_at(curves, axis, budget, split, outcome=outcome)
        estimate = mean_over_seeds(found.table, level)
        interval = None if estimate is None else estimate.estimate.interval
        points.append(CurvePoint(budget, float(found.table.mean()), interval, len(curves)))
    return points


def mean_over_seeds(table: Array, level: float) -> Difference | None:
    """`crossed_mean` of shape (seeds, tasks); None for a single seed, which has no interval."""
    return None if len(table) < 2 else crossed_mean(table, level=level)


def area_under_curve(
    curves: Sequence[Curve],
    axis: str,
    split: str,
    *,
    outcome: Outcome = "success",
    start: float | None = None,
    end: float | None = None,
    scale: Literal["linear", "log"] = "linear",
    level: float = 0.95,
) -> Difference | float:
    """Area under the learning curve over a range of budgets, divided by the length of the range.

    The average performance while the budget is spent, by the trapezoidal rule between checkpoints
    (here the curve is drawn as it is usually seen, in straight lines; on a logarithmic scale, in
    the logarithm of the budget). Each seed has an area, and the interval is Student's t over them.

    Args:
        curves: Runs of one learner in one environment, of different seeds.
        axis: One of `AXES`.
        split: The panel.
        outcome: What is counted.
        start: Lower end; by default the last of the runs' first checkpoints (on a logarithmic
            scale, of their first above zero).
        end: Upper end; by default the first of the runs' last checkpoints.
        scale: Of the axis.
        level: Confidence level.

    Returns:
        The mean area and its interval; a single seed has none, and gives a number.

    Raises:
        BenchError: When a run does not cover the range.
    """
    check_curves(curves, axis, split, outcome)
    if scale not in ("linear", "log"):
        raise UnknownName.of("scale", scale, ("linear", "log"))
    lines = []
    for curve in curves:
        points = [
            (c.ledger[axis], float(c.panels[split].outcome(outcome).mean()))
            for c in curve.checkpoints
            if scale == "linear" or c.ledger[axis] > 0
        ]
        if not points:
            raise BenchError(f"Seed {curve.seed} of {curve.learner} spent no {axis} at all.")
        lines.append(np.array(points).T)
    low = max(float(line[0][0]) for line in lines) if start is None else start
    high = min(float(line[0][-1]) for line in lines) if end is None else end
    if not low < high or (scale == "log" and low <= 0):
        raise BenchError(f"There is no curve between {low:g} and {high:g} {axis}.")
    areas = []
    for curve, (spent, values) in zip(curves, lines, strict=True):
        if low < spent[0] or high > spent[-1]:
            raise BenchError(
                f"Seed {curve.seed} of {curve.learner} covers {spent[0]:g} to {spent[-1]:g} {axis},"
                f" not {low:g} to {high:g}."
            )
        at = np.log(spent) if scale == "log" else spent
        ends = np.log([low, high]) if scale == "log" else np.array([low, high])
        inside = at[(at > ends[0]) & (at < ends[1])]
        grid = np.concatenate([ends[:1], inside, ends[1:]])
        heights = np.interp(grid, at, values)
        area = float((heights[1:] + heights[:-1]) @ np.diff(grid)) / 2
        areas.append(area / float(ends[1] - ends[0]))
    return areas[0] if len(areas) == 1 else t_interval(areas, level=level)


def check_curves(curves: Sequence[Curve], axis: str, split: str, outcome: str) -> None:
    """Refuses runs that cannot be averaged: of several learners or worlds, or of the same seed.

    Raises:
        UnknownName: For an axis, split or outcome that is not there.
        BenchError: For the rest.
    """
    check_axis(axis)
    if outcome not in get_args(Outcome):
        raise UnknownName.of("outcome", outcome, get_args(Outcome))
    if not curves:
        raise BenchError("There is no training run.")
    first = curves[0]
    for curve in curves:
        if (curve.learner, curve.world) != (first.learner, first.world):
            raise BenchError(
                f"Runs of {first.learner} in {first.world} and of {curve.learner} in {curve.world}"
                " are not runs of one learner."
            )
        if split not in curve.splits:
            raise UnknownName.of("split", split, curve.splits)
    seeds = [curve.seed for curve in curves]
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if twice:
        raise BenchError(
            f"{first.learner} has two runs of seed {twice[0]}: they are no two samples; name one."
        )


def check_axis(axis: str) -> None:
    """Refuses what no ledger counts.

    Raises:
        UnknownName: With what they do count.
    """
    if axis not in AXES:
        raise UnknownName.of("axis", axis, AXES)


def _within(curve: Curve, axis: str, budget: float) -> Checkpoint:
    spent = [checkpoint.ledger[axis] for checkpoint in curve.checkpoints]
    place = bisect.bisect_right(spent, budget * (1 + SLACK))
    if place == 0:
        raise BenchError(
            f"Seed {curve.seed} of {curve.learner} has no checkpoint within {budget:,.0f} {axis}:"
            f" its first is at {spent[0]:,.0f}."
        )
    return curve.checkpoints[place - 1]


def _notes(curves: Sequence[Curve], axis: str, budget: float, spent: Array) -> list[str]:
    """Notes on checkpoints that spent less than the budget: whole sentences."""
    learner = curves[0].learner
    if not spent.any():
        return [f"{learner} spends no {axis}: its last checkpoint counts."] if budget > 0 else []
    short = [
        curve
        for curve, at in zip(curves, spent, strict=True)
        if at < budget * (1 - SLACK) and curve.final(axis) == at
    ]
    early = [
        curve
        for curve, at in zip(curves, spent, strict=True)
        if at < budget * (1 - SLACK) and curve.final(axis) > at
    ]
    notes = []
    if short:
        ends = ", ".join(f"seed {c.seed} at {c.final(axis):,.0f}" for c in short)
        notes.append(f"{learner} ended before {budget:,.0f} {axis} ({ends}): the last counts.")
    if early:
        notes.append(
            f"{learner} has no checkpoint close to {budget:,.0f} {axis} in {len(early)} of"
            f" {len(curves)} runs; those before it count, the earliest at {spent.min():,.0f}."
        )
    return notes
