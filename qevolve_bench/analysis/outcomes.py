"""Outcomes of evaluations, submissions, files of episodes and training runs, in one form.

All of them become methods: a name and, for each cell (environment, arguments, split), a table of
runs x tasks. An evaluation is one run, however many rounds it played; several of them under one
name, or the seeds of a learner, are runs of one method, and a sample of what it does.
"""

from __future__ import annotations

import glob
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qevolve_bench.efficiency import Curve, common_budget, outcomes_at, read_curves
from qevolve_bench.efficiency.budgets import Outcome, check_axis
from qevolve_bench.folders import SPEC
from qevolve_bench.runner.results import MANIFEST, EvaluationRun, load_run
from qevolve_bench.schema import read_lines
from qevolve_bench.statistics.checks import Array
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BadFile, BenchError

#: Under this name an episode records a horizon that is not the registered one.
_HORIZON = "max_episode_steps"
#: Longest error of an episode that is repeated in a note.
_MAX_ERROR = 200
_NAMED = re.compile(r"([\w.+-]+)=(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CellKey:
    """Environment, arguments and split of episodes; those of equal keys can be compared."""

    env_id: str
    env_kwargs: str
    split: str

    @classmethod
    def of(cls, env_id: str, env_kwargs: Mapping[str, Any], split: str) -> CellKey:
        """Makes a key; the horizon is compared apart, because not all records have it."""
        kwargs = {key: value for key, value in env_kwargs.items() if key != _HORIZON}
        return cls(env_id, json.dumps(kwargs, sort_keys=True, separators=(",", ":")), split)

    @property
    def label(self) -> str:
        """Name for people: ``Household unseen``, ``Household unseen (size=small)``."""
        name = self.env_id.rpartition("/")[2].removesuffix("-v0")
        arguments = json.loads(self.env_kwargs)
        said = ", ".join(f"{key}={value}" for key, value in arguments.items())
        return f"{name} {self.split}" + (f" ({said})" if said else "")


@dataclass(frozen=True, slots=True)
class CellOutcomes:
    """Outcomes of one method in one cell.

    Attributes:
        tasks: Ids of the tasks that all runs played.
        table: Success or score, averaged over the rounds of a run: shape (runs, tasks).
        seeds: Training seeds of the runs; None where the runs are evaluations.
        rounds: Most rounds that a run played of a task.
        panel: Digest of the panel, where it was recorded.
        horizon: Most steps of an episode, where it was recorded.
        notes: What a reader has to know, in whole sentences.
    """

    tasks: tuple[str, ...]
    table: Array
    seeds: tuple[int, ...] | None = None
    rounds: int = 1
    panel: str | None = None
    horizon: int | None = None
    notes: tuple[str, ...] = ()

    def columns(self, tasks: Sequence[str]) -> Array:
        """Table of these tasks, in their order."""
        places = {task: i for i, task in enumerate(self.tasks)}
        chosen: Array = self.table[:, [places[task] for task in tasks]]
        return chosen


@dataclass(frozen=True, slots=True)
class MethodOutcomes:
    """Name of a method, and its outcomes by cell."""

    name: str
    entries: dict[CellKey, CellOutcomes]


@dataclass(frozen=True, slots=True)
class ComparisonInputs:
    """Everything that a comparison is made of.

    Attributes:
        sides: In the order of the arguments.
        learners: The training runs among them, by the name of their side.
        axis: Of the budget at which the learners were taken.
        notes: What a reader has to know, in whole sentences.
    """

    sides: list[MethodOutcomes]
    learners: dict[str, list[Curve]]
    axis: str
    notes: list[str]


@dataclass(slots=True)
class Source:
    """Runs that one argument names; its name is None where the argument gives none."""

    name: str | None
    paths: list[Path] = field(default_factory=list)
    runs: list[EvaluationRun] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BudgetPoint:
    """Point at which learning curves are compared: ``env_steps=40000``."""

    axis: str = "env_steps"
    amount: float | None = None

    @classmethod
    def parse(cls, text: str) -> BudgetPoint:
        """Reads ``AXIS=AMOUNT`` or ``AXIS`` (then all that every run has spent).

        Raises:
            BenchError: For what is neither.
        """
        axis, equals, amount = text.partition("=")
        check_axis(axis)
        if not equals:
            return cls(axis)
        try:
            return cls(axis, float(amount.replace("_", "").replace(",", "")))
        except ValueError:
            raise BenchError(
                f"--at needs AXIS=AMOUNT, such as env_steps=40000, not {text!r}."
            ) from None


def read_sides(
    arguments: Sequence[str], *, outcome: Outcome = "success", budget: BudgetPoint | None = None
) -> ComparisonInputs:
    """Reads what the arguments name.

    Args:
        arguments: Each ``PATH`` or ``NAME=PATH``; a path may be a glob. Training runs of one
            learner are one side wherever they come from; so are all runs under one NAME.
        outcome: What the tables hold.
        budget: Where learning curves are compared; by default at the env_steps that all reached.

    Raises:
        BenchError: For what cannot be read, has no name of its own, or is no two samples.
    """
    sources = [read_source(argument) for argument in arguments]
    check_distinct(sources)
    sources = joined(sources)
    sides: dict[str, dict[CellKey, CellOutcomes]] = {}
    notes: list[str] = []
    learners: dict[str, list[Curve]] = {}
    for source, name in zip(sources, distinct_names(sources), strict=True):
        if source.curves:
            for curve in source.curves:
                learners.setdefault(source.name or curve.learner, []).append(curve)
                sides.setdefault(source.name or curve.learner, {})
            continue
        if name in sides:
            raise BenchError(f"Two sides are called {name!r}: name each, as in OTHER=PATH.")
        sides[name] = entries_of_runs(name, source.runs, outcome)
    budget = budget or BudgetPoint()
    if learners:
        everything = [curve for curves in learners.values() for curve in curves]
        amount = budget.amount
        if amount is None:
            amount = common_budget(everything, budget.axis)
        notes.append(f"Learners at {budget.axis} = {amount:,.0f}.")
        for name, curves in learners.items():
            if sides[name]:
                raise BenchError(f"{name!r} is both a learner and an agent: name one of them anew.")
            sides[name] = entries_of_curves(name, curves, outcome, budget.axis, amount)
    found = [MethodOutcomes(name, entries) for name, entries in sides.items()]
    return ComparisonInputs(found, learners, budget.axis, notes)


def read_source(argument: str) -> Source:
    """Reads one argument of the command line: ``[NAME=]PATH``, where the path may be a glob.

    Raises:
        BenchError: For what cannot be read, or is not one method.
    """
    named = None if Path(argument).exists() else _NAMED.fullmatch(argument)
    name, pattern = (named[1], named[2]) if named else (None, argument)
    found = [pattern] if Path(pattern).exists() else sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - absolute patterns, too
    paths = [Path(one) for one in found]
    if not paths:
        what = "Nothing matches" if glob.has_magic(pattern) else "There is no"
        raise BenchError(f"{what} {pattern}.")
    source = Source(name)
    for path in paths:
        source.paths.append(path.resolve())
        if _is_curve(path):
            source.curves += read_curves(path)
        elif path.is_file() and not path.name.endswith((".jsonl", ".jsonl.gz")):
            raise BadFile(f"{path} is no run folder, no submission and no .jsonl file.")
        elif path.is_dir() and not any(path.iterdir()):
            raise BadFile(f"{path} is empty: it holds no results.")
        elif (path / SPEC).exists():
            raise BadFile(
                f"{path} is a training run that has no evaluation yet: let the same qevolve-bench"
                " train go on, with --evaluate."
            )
        elif path.is_dir() and not (path / MANIFEST).exists() and _inside(path):
            raise BadFile(f"{path} holds runs, but is none: did you mean '{path}/*'?")
        else:
            source.runs.append(load_run(path))
    if source.curves and source.runs:
        raise BenchError(f"{argument} mixes training runs and evaluations: name one kind of them.")
    agents = sorted({run.agent for run in source.runs})
    if not source.name and len(agents) > 1:
        raise BenchError(
            f"{argument} matches runs of several agents ({', '.join(agents[:4])}): give each of"
            " them an argument."
        )
    return source


def _is_curve(path: Path) -> bool:
    if path.is_dir():
        return (path / "curve.jsonl").exists()
    if path.suffix != ".jsonl":
        return False
    try:
        first = next(read_lines(path, lambda line: line), None)
    except BadFile:
        return False
    return isinstance(first, dict) and "learner" in first


def _inside(folder: Path) -> bool:
    """True for a folder of runs, which is no run itself."""
    return any(
        (child / MANIFEST).exists() or (child / "curve.jsonl").exists()
        for child in folder.iterdir()
        if child.is_dir()
    )


def check_distinct(sources: Sequence[Source]) -> None:
    """Refuses the same thing given twice."""
    paths = Counter(path for source in sources for path in source.paths)
    for path, count in paths.items():
        if count > 1:
            raise BenchError(f"{path.name} is given twice: a run is not compared with itself.")


def joined(sources: Sequence[Source]) -> list[Source]:
    """Joins runs of one agent that played different cells: together they are one evaluation."""
    joined: list[Source] = []
    for source in sources:
        other = next((other for other in joined if _complements(source, other)), None)
        if other is None:
            joined.append(source)
        else:
            other.runs += source.runs
    return joined


def _complements(source: Source, other: Source) -> bool:
    if source.curves or other.curves or source.name or other.name:
        return False
    runs = source.runs + other.runs
    agents = [run.manifest["agent"] if run.manifest else run.agent for run in runs]
    cells: list[CellKey] = []
    for run in runs:
        cells += {cell_of_episode(e) for episodes in run.cells.values() for e in episodes}
    return all(agent == agents[0] for agent in agents) and len(set(cells)) == len(cells)


def distinct_names(sources: Sequence[Source]) -> list[str]:
    """Name of each source: given, else the agent's if no other has it, else the folder's."""
    agents = Counter(source.runs[0].agent for source in sources if source.runs)
    names = []
    for source in sources:
        first = source.runs[0] if source.runs else None
        short = "" if first is None else first.agent if agents[first.agent] == 1 else first.name
        names.append(source.name or short)
    return names


def outcome_of(episode: Episode, outcome: Outcome) -> float:
    """Outcome of an episode; one that failed by an error is not won, and keeps its score."""
    if outcome == "score":
        return episode.score
    return float(episode.won and episode.error is None)


def task_means(episodes: Iterable[Episode], outcome: Outcome) -> dict[str, float]:
    """Mean outcome of each task over its rounds, by task id, sorted."""
    rounds: dict[str, list[float]] = {}
    for episode in episodes:
        rounds.setdefault(episode.task_id, []).append(outcome_of(episode, outcome))
    return {task: math.fsum(rounds[task]) / len(rounds[task]) for task in sorted(rounds)}


@dataclass(frozen=True, slots=True)
class _CellEpisodes:
    """Episodes of one run in one cell, with what its suite records of the panel."""

    episodes: list[Episode]
    panel: str | None
    horizon: int | None


def entries_of_runs(
    name: str, runs: Sequence[EvaluationRun], outcome: Outcome
) -> dict[CellKey, CellOutcomes]:
    """Makes tables of the evaluations of one method.

    Raises:
        BenchError: When there are no episodes, or the runs differ in more than their chance.
    """
    played: dict[CellKey, list[_CellEpisodes]] = {}
    for run in runs:
        described = {cell.name: cell for cell in run.suite.cells} if run.suite else {}
        mine: dict[CellKey, _CellEpisodes] = {}
        for cell_name, episodes in run.cells.items():
            by_cell: dict[CellKey, list[Episode]] = {}
            for episode in episodes:
                by_cell.setdefault(cell_of_episode(episode), []).append(episode)
            for cell, some in by_cell.items():
                if cell in mine:
                    raise BenchError(
                        f"{name} played {cell.label} in two cells, which differ in more than that:"
                        " compare runs that have one of them."
                    )
                known = described.get(cell_name)
                horizon = some[0].env_kwargs.get(_HORIZON) or (known.horizon if known else None)
                mine[cell] = _CellEpisodes(some, known.panel if known else None, horizon)
        for cell, found in mine.items():
            played.setdefault(cell, []).append(found)
    if not played:
        raise BenchError(f"{name} holds no episodes.")
    # Either every run played every cell, or the cells are shared out among the runs.
    count = 1 if all(len(found) == 1 for found in played.values()) else len(runs)
    return {cell: _entry(name, cell, found, count, outcome) for cell, found in played.items()}


def failures(whose: str, episodes: Sequence[Episode]) -> str:
    """Note on the episodes that failed by an error; ``""`` where none did."""
    errors = [episode.error for episode in episodes if episode.error is not None]
    if not errors:
        return ""
    first = " ".join(errors[0].split())
    first = first if len(first) <= _MAX_ERROR else first[: _MAX_ERROR - 3] + "..."
    return (
        f"{len(errors):,} of {len(episodes):,} episodes of {whose} failed by an error, the first:"
        f" {first.rstrip('.')}."
    )


def _entry(
    name: str, cell: CellKey, found: Sequence[_CellEpisodes], runs: int, outcome: Outcome
) -> CellOutcomes:
    if len(found) < runs:
        raise BenchError(f"Only {len(found)} of the {runs} runs of {name} played {cell.label}.")
    panels, horizons = {one.panel for one in found}, {one.horizon for one in found}
    if len(panels) > 1 or len(horizons) > 1:
        what = "panels" if len(panels) > 1 else "horizons"
        raise BenchError(f"The runs of {name} played {cell.label} with different {what}.")
    rounds = [Counter(episode.task_id for episode in one.episodes) for one in found]
    tasks = tuple(sorted(set(rounds[0]).intersection(*rounds[1:])))
    if not tasks:
        raise BenchError(f"The runs of {name} share no task of {cell.label}.")
    notes = []
    most = max(map(len, rounds))
    if len(tasks) < most:
        notes.append(f"The runs of {name} share {len(tasks)} of {most} tasks; only these count.")
    counts = {of_run[task] for of_run in rounds for task in tasks}
    if len(counts) > 1:
        notes.append(
            f"{name} played tasks {min(counts)} to {max(counts)} times; each task weighs the same."
        )
    everything = [episode for one in found for episode in one.episodes]
    if failed := failures(f"{name} in {cell.label}", everything):
        notes.append(failed)
    means = [task_means(one.episodes, outcome) for one in found]
    table = np.array([[of_run[task] for task in tasks] for of_run in means])
    return CellOutcomes(tasks, table, None, max(counts), panels.pop(), horizons.pop(), tuple(notes))


def entries_of_curves(
    name: str, curves: Sequence[Curve], outcome: Outcome, axis: str, amount: float
) -> dict[CellKey, CellOutcomes]:
    """Makes tables of the training runs of one method, at a point of their curves."""
    worlds: dict[str, list[Curve]] = {}
    for curve in curves:
        worlds.setdefault(curve.world, []).append(curve)
    entries = {}
    for runs in worlds.values():
        runs.sort(key=lambda curve: curve.seed)
        splits = [s for s in runs[0].splits if all(s in run.splits for run in runs)]
        for split in splits:
            found = outcomes_at(runs, axis, amount, split, outcome=outcome)
            cell, horizon = cell_of(runs[0], split), runs[0].env_kwargs.get(_HORIZON)
            if cell in entries:
                raise BenchError(f"{name} was trained in {cell.label} with two horizons: name one.")
            entries[cell] = CellOutcomes(
                found.tasks, found.table, found.seeds, horizon=horizon, notes=found.notes
            )
    if not entries:
        raise BenchError(f"The checkpoints of {name} share no split.")
    return entries


def cell_of(curve: Curve, split: str) -> CellKey:
    """Cell that a training run was evaluated in."""
    return CellKey.of(curve.env_id, curve.env_kwargs, split)


def cell_of_episode(episode: Episode) -> CellKey:
    """Cell that an episode was played in."""
    return CellKey.of(episode.env_id, episode.env_kwargs, episode.split)
