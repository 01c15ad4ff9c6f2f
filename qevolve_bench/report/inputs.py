"""Reader of a report's inputs, gathered by method: evaluations, training runs, studies, tipping.

Arguments are read and named as `qevolve-bench compare` does it; besides, a folder of a study stands
for its arms, and a ``tipping.json``, or a folder that holds one, for its section.
"""

from __future__ import annotations

import glob
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qevolve_bench.analysis import outcomes
from qevolve_bench.analysis.outcomes import BudgetPoint, CellKey, CellOutcomes, Source
from qevolve_bench.efficiency import AXES, Curve, common_budget
from qevolve_bench.efficiency.budgets import Outcome
from qevolve_bench.runner.results import MANIFEST, EvaluationRun, Manifest, read_lines
from qevolve_bench.schema import read_json
from qevolve_bench.tipping.document import check_document
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BadFile, BenchError
from qevolve_envs.factory import PERTURBATION

#: Results of `qevolve_bench.tipping`, by the name of their file.
TIPPING = "tipping.json"
_STUDY = "results.json"
_CURVE = "curve.jsonl"


@dataclass(slots=True)
class Method:
    """One agent or learner.

    Attributes:
        name: Its name throughout the report.
        entries: Its outcomes by cell; perturbed cells are in `perturbed`.
        scores: The same, as scores.
        perturbed: Episodes of runs that played perturbed worlds, the clean ones of these runs
            included; one list for each run.
        played: Its episodes, by the label of their cell.
        manifests: Of its runs, by the name of the run; None where there is none.
        specs: ``spec.json`` of its training runs, by the name of the run; None where it is missing.
        curves: Its training runs.
    """

    name: str
    entries: dict[CellKey, CellOutcomes] = field(default_factory=dict)
    scores: dict[CellKey, CellOutcomes] = field(default_factory=dict)
    perturbed: list[list[Episode]] = field(default_factory=list)
    played: dict[str, list[Episode]] = field(default_factory=dict)
    manifests: dict[str, Manifest | None] = field(default_factory=dict)
    specs: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    curves: list[Curve] = field(default_factory=list)


@dataclass(slots=True)
class ReportInputs:
    """Everything that a report shows.

    Attributes:
        arguments: As they were given.
        methods: In the order of the arguments.
        compared: The arguments with which `qevolve-bench compare` compares the same runs.
        axis: Of the budget at which the learners were taken; None where there are none.
        tipping: Results of tipping, by the path that was given.
        notes: Limits of the report, in whole sentences.
    """

    arguments: list[str]
    methods: list[Method]
    compared: list[str] = field(default_factory=list)
    axis: str | None = None
    tipping: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def cells(self) -> list[CellKey]:
        """Every clean cell that some method played, in the order of appearance."""
        return list(dict.fromkeys(cell for method in self.methods for cell in method.entries))


def read_inputs(
    arguments: Sequence[str], *, outcome: Outcome = "success", budget: BudgetPoint | None = None
) -> ReportInputs:
    """Reads what the arguments name.

    Args:
        arguments: Each ``PATH`` or ``NAME=PATH``; a path may be a glob.
        outcome: Outcome that the tables hold.
        budget: Where learners are compared; by default all that every run has spent, on the first
            axis on which they spent anything.

    Raises:
        BenchError: For what cannot be read, or has no name of its own.
    """
    tipping = {a: _tipping(path) for a in arguments if (path := _tipping_file(a)) is not None}
    notes: list[str] = []
    expanded = [e for a in arguments if a not in tipping for e in _expanded(a, notes)]
    # The readers of `compare`, so that a report names and groups things as `compare` does.
    found = [outcomes.read_source(argument) for argument in expanded]
    outcomes.check_distinct(found)
    clean = outcomes.joined([source for source in found if not _has_perturbed(source)])
    perturbed = [source for source in found if _has_perturbed(source)]
    alone = [source for source in perturbed if _same_agent(source, clean) is None]
    methods: dict[str, Method] = {}
    listed = [*clean, *alone]
    names = outcomes.distinct_names(listed)
    for source, name in zip(listed, names, strict=True):
        if source.curves:
            _add_training(methods, source)
            continue
        if name in methods:
            raise BenchError(f"Two methods are called {name!r}: name each, as in OTHER=PATH.")
        methods[name] = _evaluated(name, source.runs, outcome)
    for source in perturbed:
        place = _same_agent(source, clean)
        if place is not None:
            _add_episodes(methods[names[place]], source.runs, apart=", clean counterpart")
    inputs = ReportInputs(list(arguments), list(methods.values()), tipping=tipping, notes=notes)
    inputs.compared = [
        argument
        for argument, source in zip(expanded, found, strict=True)
        if not _has_perturbed(source) or _same_agent(source, clean) is None
    ]
    _add_learners(inputs, outcome, budget)
    if not inputs.methods and not inputs.tipping:
        raise BenchError("There is nothing to report.")
    return inputs


def _has_perturbed(source: Source) -> bool:
    return any(
        PERTURBATION in episode.env_kwargs
        for run in source.runs
        for episodes in run.cells.values()
        for episode in episodes[:1]
    )


def _same_agent(source: Source, others: Sequence[Source]) -> int | None:
    """Place of a robustness run's evaluation: that of the same name, else of the same agent."""
    if source.name:
        return next((i for i, o in enumerate(others) if o.name == source.name), None)
    mine = _agent(source)
    places = [i for i, other in enumerate(others) if other.runs and _agent(other) == mine]
    return places[0] if len(places) == 1 else None


def _agent(source: Source) -> Any:
    run = source.runs[0]
    return run.manifest["agent"] if run.manifest else run.agent


def _expanded(argument: str, notes: list[str]) -> list[str]:
    """The arms of a study, each ``NAME=GLOB``; any other argument as it is."""
    folder = Path(argument)
    runs = folder / "runs"
    if (folder / MANIFEST).exists() or not any(runs.glob("*/seed-*")):
        return [argument]
    arms = sorted(path for path in runs.iterdir() if path.is_dir())
    if (folder / _STUDY).is_file():
        record = read_json(folder / _STUDY)
        named = record.get("arms") if isinstance(record, dict) else None
        # In the order of the plan.
        order = list(named) if isinstance(named, dict) else []
        arms.sort(key=lambda arm: order.index(arm.name) if arm.name in order else len(order))
    found = []
    for arm in arms:
        seeds = len(list(arm.glob("seed-*")))
        known = len(list(arm.glob(f"seed-*/{_CURVE}")))
        if known:
            found.append(f"{arm.name}={glob.escape(str(arm))}/seed-*/{_CURVE}")
        if known < seeds:
            notes.append(
                f"{seeds - known} of {seeds} runs of {arm.name} have no learning curve yet and are"
                " left out."
            )
    if not found:
        raise BadFile(f"{folder} is a study of which no run has a learning curve yet.")
    return found


def _tipping_file(argument: str) -> Path | None:
    path = Path(argument)
    if path.name == TIPPING and path.is_file():
        return path
    return path / TIPPING if (path / TIPPING).is_file() else None


def _tipping(path: Path) -> dict[str, Any]:
    return check_document(read_json(path), path)


def _evaluated(name: str, runs: Sequence[EvaluationRun], outcome: Outcome) -> Method:
    entries, scores = (
        {cell: e for cell, e in found.items() if PERTURBATION not in json.loads(cell.env_kwargs)}
        for found in (outcomes.entries_of_runs(name, runs, o) for o in (outcome, "score"))
    )
    method = Method(name, entries, scores)
    _add_episodes(method, runs)
    return method


def _add_episodes(method: Method, runs: Sequence[EvaluationRun], *, apart: str = "") -> None:
    """Adds what runs played; `apart` marks clean cells that the method has played elsewhere."""
    for run in runs:
        method.manifests[_unused(run.name, method.manifests)] = run.manifest
        episodes = [episode for played in run.cells.values() for episode in played]
        if any(PERTURBATION in episode.env_kwargs for episode in episodes):
            method.perturbed.append(episodes)
        for episode in episodes:
            label = outcomes.cell_of_episode(episode).label
            if PERTURBATION not in episode.env_kwargs:
                label += apart
            method.played.setdefault(label, []).append(episode)


def _add_training(methods: dict[str, Method], source: Source) -> None:
    for curve in source.curves:
        name = source.name or curve.learner
        method = methods.setdefault(name, Method(name))
        if method.manifests:
            raise BenchError(f"{name!r} is both a learner and an agent: name one of them anew.")
        method.curves.append(curve)
    first = source.curves[0]
    method = methods[source.name or first.learner]
    for path in source.paths:
        if path.name != _CURVE and not path.is_dir():
            continue
        folder = path if path.is_dir() else path.parent
        spec = folder / "spec.json"
        method.specs[_unused(folder.name, method.specs)] = (
            read_json(spec) if spec.is_file() else None
        )
        for file in sorted((folder / "evaluation").glob("*.jsonl")):
            for episode in read_lines(file):
                method.played.setdefault(outcomes.cell_of_episode(episode).label, []).append(
                    episode
                )


def _unused(name: str, taken: dict[str, Any]) -> str:
    others = (f"{name} ({number})" for number in itertools.count(2))
    return name if name not in taken else next(free for free in others if free not in taken)


def _add_learners(inputs: ReportInputs, outcome: Outcome, budget: BudgetPoint | None) -> None:
    learners = [method for method in inputs.methods if method.curves]
    if not learners:
        if budget is not None:
            raise BenchError("--at is for training runs with a curve.jsonl, and there is none.")
        return
    curves = [curve for method in learners for curve in method.curves]
    if budget is None:
        spent = [axis for axis in AXES if any(curve.final(axis) > 0 for curve in curves)]
        budget = BudgetPoint(spent[0] if spent else AXES[0])
    amount = budget.amount
    if amount is None:
        spends = any(curve.final(budget.axis) > 0 for curve in curves)
        amount = common_budget(curves, budget.axis) if spends else 0.0
    inputs.axis = budget.axis
    inputs.notes.append(
        f"Learners are compared at {budget.axis} = {amount:,.0f}; choose another budget with --at."
    )
    for method in learners:
        if len(method.curves) == 1:
            inputs.notes.append(
                f"{method.name} is a single training run: its intervals are over tasks, and say"
                " nothing of what another seed would give."
            )
        of_learner = (method.name, method.curves)
        method.entries = outcomes.entries_of_curves(*of_learner, outcome, budget.axis, amount)
        method.scores = outcomes.entries_of_curves(*of_learner, "score", budget.axis, amount)
