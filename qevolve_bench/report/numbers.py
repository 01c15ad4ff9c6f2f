"""The numbers of a report: all of them from `statistics`, `efficiency`, `robustness`, `compare`.

Nothing is estimated here. This module only decides which of these functions answers a section's
question, and says in words where one has no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from qevolve_bench.analysis.compare import Comparison, compare
from qevolve_bench.analysis.estimate import MethodEstimate, mean_of_cells, method_estimate
from qevolve_bench.analysis.outcomes import CellKey, MethodOutcomes
from qevolve_bench.analysis.rank import rank_methods
from qevolve_bench.analysis.robustness import Robustness, robustness
from qevolve_bench.efficiency import AXES, Curve, CurvePoint, learning_curve
from qevolve_bench.efficiency.budgets import Outcome
from qevolve_bench.report.inputs import Method, ReportInputs
from qevolve_bench.statistics import (
    Estimate,
    Profile,
    RankRange,
    bootstrap,
    performance_profile,
)
from qevolve_envs.errors import BenchError
from qevolve_envs.rng import seed_sequence

THRESHOLDS = tuple(i / 50 for i in range(50))
RESAMPLES = 2_000
#: More comparisons than this are no longer read by anyone; `--baseline` leaves few.
MOST_COMPARISONS = 400


@dataclass(frozen=True, slots=True)
class RankedMethod:
    """One row of a leaderboard.

    Attributes:
        name: The method.
        cells: Its estimate on each cell.
        overall: Mean over the cells, each of which weighs the same; None where a cell has no
            interval.
        rank: Among the methods of the table; None where they cannot be ranked.
        aggregates: Mean, median, IQM and optimality gap of the score over all tasks; empty where
            a bootstrap has nothing to draw from.
    """

    name: str
    cells: dict[CellKey, MethodEstimate]
    overall: Estimate | None
    rank: RankRange | None
    aggregates: dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class MethodTable:
    """Methods that played the same cells.

    Attributes:
        cells: The cells that all of them played.
        methods: The best first.
        notes: Limits of the table, in whole sentences.
    """

    cells: tuple[CellKey, ...]
    methods: list[RankedMethod]
    notes: list[str]

    @property
    def label(self) -> str:
        """Short name of the cells."""
        return self.cells[0].label if len(self.cells) == 1 else f"{len(self.cells)} cells"


@dataclass(frozen=True, slots=True)
class LearningCurves:
    """Learning curves of several learners on one panel.

    Attributes:
        label: The panel.
        axis: Unit of the budget, such as `env_steps`.
        lines: By method.
        seeds: The single runs, by method: lists of (spent, outcome).
        notes: In whole sentences.
    """

    label: str
    axis: str
    lines: dict[str, list[CurvePoint]]
    seeds: dict[str, list[list[tuple[float, float]]]]
    notes: list[str]


@dataclass(slots=True)
class ReportNumbers:
    """Everything that is shown.

    Attributes:
        outcome: The outcome that is shown.
        level: Of all intervals.
        method_tables: One for each set of cells that was played.
        comparisons: Pairs of methods.
        comparison_note: Reason why there is none.
        profiles: By cell and method.
        profile_notes: In whole sentences.
        curves: By panel and axis.
        robustness: By method.
        robustness_notes: Reasons why methods have none.
    """

    outcome: Outcome
    level: float
    method_tables: list[MethodTable] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    comparison_note: str = ""
    profiles: dict[CellKey, dict[str, Profile]] = field(default_factory=dict)
    profile_notes: list[str] = field(default_factory=list)
    curves: list[LearningCurves] = field(default_factory=list)
    robustness: dict[str, list[Robustness]] = field(default_factory=dict)
    robustness_notes: list[str] = field(default_factory=list)


def compute(
    inputs: ReportInputs,
    *,
    outcome: Outcome = "success",
    level: float = 0.95,
    baseline: str | None = None,
) -> ReportNumbers:
    """Computes all numbers of a report.

    Args:
        inputs: The inputs, read with the same outcome.
        outcome: The outcome that is shown: ``success`` or ``score``.
        level: Confidence level of all intervals.
        baseline: Compare all other methods with this one only.

    Raises:
        BenchError: For methods that played different panels under one name, or an unknown baseline.
    """
    numbers = ReportNumbers(outcome, level)
    # First, because it refuses what must not stand side by side.
    _compare(numbers, inputs, baseline)
    groups: dict[frozenset[CellKey], list[Method]] = {}
    for method in inputs.methods:
        if method.entries:
            groups.setdefault(frozenset(method.entries), []).append(method)
    numbers.method_tables = [_method_table(group, outcome, level) for group in groups.values()]
    for cell in inputs.cells:
        numbers.profiles[cell] = {}
        for method in inputs.methods:
            if cell in method.scores:
                _profile(numbers, cell, method)
    numbers.curves = _curves(inputs.methods, outcome, level)
    for method in inputs.methods:
        for episodes in method.perturbed:
            try:
                found = robustness(episodes, outcome=outcome, level=level)
            except BenchError as error:
                numbers.robustness_notes.append(f"{method.name}: {error}")
            else:
                numbers.robustness.setdefault(method.name, []).extend(found)
    return numbers


def _compare(numbers: ReportNumbers, inputs: ReportInputs, baseline: str | None) -> None:
    sides = [MethodOutcomes(m.name, m.entries) for m in inputs.methods if m.entries]
    shared = [
        cell
        for i, a in enumerate(sides)
        for b in sides[:i]
        for cell in a.entries
        if cell in b.entries and (baseline is None or baseline in (a.name, b.name))
    ]
    if len(sides) < 2:
        numbers.comparison_note = "There is one method, hence nothing to compare it with."
        if baseline is not None and baseline not in [side.name for side in sides]:
            raise BenchError(f"There is no method {baseline!r} to compare with.")
    elif not shared and (baseline is None or baseline in [side.name for side in sides]):
        numbers.comparison_note = "No two methods played the same cell, so none are compared."
    elif len(shared) > MOST_COMPARISONS:
        numbers.comparison_note = (
            f"All pairs would be {len(shared)} comparisons, too many to read or to correct for:"
            " choose a --baseline."
        )
    else:
        numbers.comparisons = compare(
            sides, outcome=numbers.outcome, baseline=baseline, level=numbers.level
        )


def _method_table(methods: Sequence[Method], outcome: Outcome, level: float) -> MethodTable:
    cells = tuple(methods[0].entries)
    notes = []
    ranks: dict[str, RankRange] = {}
    if len(methods) > 1:
        played = {m.name: {cell.label: of for cell, of in m.entries.items()} for m in methods}
        ranks = rank_methods(played, level=level, seed=seed_sequence(0, "report", "ranks"))
        if not ranks:
            notes.append("These methods share no task in some cell, so they are not ranked.")
    ranked = []
    for method in methods:
        values = {
            cell: method_estimate(method.name, entry, entry.table, outcome, level)
            for cell, entry in method.entries.items()
        }
        known = [Estimate(v.mean, v.interval) for v in values.values() if v.interval is not None]
        overall = mean_of_cells(known) if len(known) == len(values) else None
        aggregates = _aggregates(method, cells, level)
        if isinstance(aggregates, str):
            notes.append(aggregates)
            aggregates = {}
        rank = ranks.get(method.name)
        ranked.append(RankedMethod(method.name, values, overall, rank, aggregates))
        notes += [note for entry in method.entries.values() for note in entry.notes]
    place = {name: i for i, name in enumerate(ranks)}
    ranked.sort(key=lambda s: (place.get(s.name, 0), s.name if not ranks else ""))
    return MethodTable(cells, ranked, list(dict.fromkeys(notes)))


def _aggregates(
    method: Method, cells: Sequence[CellKey], level: float
) -> dict[str, Estimate] | str:
    """Aggregates of the score over all tasks of all cells, or why there are none."""
    tables = [method.scores[cell].table for cell in cells if cell in method.scores]
    if len({len(table) for table in tables}) != 1:
        return f"{method.name} has cells of different numbers of runs, hence no aggregates."
    pooled = np.concatenate(tables, axis=1)
    if pooled.shape[1] < 2:
        return f"{method.name} played one task, which is no sample: it has no aggregates."
    return bootstrap(
        pooled,
        design="tasks" if len(pooled) == 1 else "crossed",
        # Percentiles over a few seeds are too narrow (`statistics.resampling`).
        method="percentile" if len(pooled) == 1 else "expanded",
        level=level,
        resamples=RESAMPLES,
        seed=seed_sequence(0, "report", "aggregates", method.name),
    )


def _profile(numbers: ReportNumbers, cell: CellKey, method: Method) -> None:
    table = method.scores[cell].table
    if table.shape[1] < 2:
        numbers.profile_notes.append(
            f"{method.name} played one task of {cell.label}: one task has no profile."
        )
        return
    numbers.profiles[cell][method.name] = performance_profile(
        table,
        THRESHOLDS,
        design="tasks" if len(table) == 1 else "crossed",
        level=numbers.level,
        resamples=RESAMPLES,
        seed=seed_sequence(0, "report", "profile", method.name, cell.label),
    )


def _curves(methods: Sequence[Method], outcome: Outcome, level: float) -> list[LearningCurves]:
    learners = {method.name: method.curves for method in methods if method.curves}
    panels = dict.fromkeys(
        (curve.env_id, curve.world, split)
        for curves in learners.values()
        for curve in curves
        for split in curve.splits
    )
    found = []
    for env_id, world, split in panels:
        arguments = world[len(env_id) :].strip()
        label = CellKey(env_id, arguments, split).label
        for axis in AXES:
            lines, seeds, notes = {}, {}, []
            for name, curves in learners.items():
                mine = [c for c in curves if c.world == world and split in c.splits]
                if not mine:
                    continue
                if not any(curve.final(axis) > 0 for curve in mine):
                    notes.append(f"{name} spends no {axis.replace('_', ' ')} and is not drawn.")
                    continue
                lines[name] = learning_curve(mine, axis, split, outcome=outcome, level=level)
                seeds[name] = [_points(curve, axis, split, outcome) for curve in mine]
                if len(mine) == 1:
                    notes.append(f"{name} is one training run, which has no band.")
            if lines:
                found.append(LearningCurves(label, axis, lines, seeds, notes))
    return found


def _points(curve: Curve, axis: str, split: str, outcome: Outcome) -> list[tuple[float, float]]:
    """Amount spent and mean outcome of each checkpoint."""
    return [
        (c.ledger[axis], float(c.panels[split].outcome(outcome).mean())) for c in curve.checkpoints
    ]
