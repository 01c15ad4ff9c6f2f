"""Regression tests of agents: scores by task, stored as a baseline, and a paired test.

The unit of the test is the task: both sides play the same tasks with the same seeds, and a task's
score is its mean over the rounds in which it was played. An agent that has not changed and whose
chance comes from the episodes' seeds plays the same episodes again, and cannot fail.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, TypedDict, get_args

from qevolve_bench.agents import resolve_agent
from qevolve_bench.analysis.outcomes import task_means
from qevolve_bench.efficiency.budgets import Outcome
from qevolve_bench.runner.evaluate import evaluate
from qevolve_bench.schema import Share, json_text, place, read_record
from qevolve_bench.statistics import Estimate, bootstrap_interval, holm, sign_flip_test
from qevolve_bench.suites import Cell, Suite, survey
from qevolve_envs.agent import Agent
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BadFile, BenchError, UnknownName
from qevolve_envs.files import write_file

SCHEMA = 1
#: Values of the tasks of a cell, by the name of the task.
ByTask = dict[str, float]


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of an agent on a suite.

    Attributes:
        agent: Its name.
        suite: What was played, with the digests of the panels.
        values: By metric, cell and task; cells that cannot be played here are left out.
        skipped: Why they cannot, by cell.
        failures: Reasons of the episodes that failed outside of the world.
    """

    agent: str
    suite: Suite
    values: dict[Outcome, dict[str, ByTask]]
    skipped: dict[str, str]
    failures: tuple[str, ...] = ()

    def mean(self, cell: str | None = None, metric: Outcome = "score") -> float:
        """Mean over the tasks of one cell, or of all."""
        chosen = self.values[metric] if cell is None else {cell: self.values[metric][cell]}
        values = [value for tasks in chosen.values() for value in tasks.values()]
        return fmean(values)


@dataclass(frozen=True, slots=True)
class RegressionRow:
    """Comparison of one cell with its baseline, or of all.

    Attributes:
        name: The cell, or ``"all"``.
        before: The tasks' values in the baseline.
        now: Those of the same tasks now, in the same order.
        change: Mean of now minus before, with a bootstrap interval over the tasks.
        p_value: Of a one-sided paired sign-flip test by task, Holm-corrected over the rows.
        worse: True for a regression, at the level and least effect of the comparison.
    """

    name: str
    before: tuple[float, ...]
    now: tuple[float, ...]
    change: Estimate
    p_value: float
    worse: bool


@dataclass(frozen=True, slots=True)
class Regression:
    """Comparison of scores with their baseline.

    Attributes:
        baseline: The stored scores.
        scores: Those of now.
        metric: Outcome that is compared.
        alpha: Level of the test, over all rows together.
        min_effect: Least loss that counts.
        rows: One for each cell, and one for all where there are several.
    """

    baseline: Scores
    scores: Scores
    metric: Outcome
    alpha: float
    min_effect: float
    rows: tuple[RegressionRow, ...]

    @property
    def worse(self) -> bool:
        """True if any row is a regression."""
        return any(row.worse for row in self.rows)

    @property
    def losses(self) -> list[str]:
        """The tasks that lost, those that lost most first, with their values."""
        before, now = self.baseline.values[self.metric], self.scores.values[self.metric]
        lost = [
            (now[cell][task] - value, task, f"{task}  {value:.3f} -> {now[cell][task]:.3f}")
            for cell, tasks in before.items()
            for task, value in tasks.items()
            if now[cell][task] < value
        ]
        return [line for _, _, line in sorted(lost)]


# ── playing ─────────────────────────────────────────────────────────────────


def play(
    agent: str | Agent,
    suite: Suite,
    *,
    options: Mapping[str, Any] | None = None,
    batch_size: int = 16,
) -> Scores:
    """Lets an agent play a suite in this process.

    Args:
        agent: An agent, or its name (see `qevolve_bench.agents`).
        suite: What is played; cells whose data are missing here are skipped.
        options: Options of a named agent.
        batch_size: Episodes that the agent plays in lockstep.

    Raises:
        BenchError: For what cannot be played. Failures of the agent are failed episodes.
    """
    if not isinstance(agent, str) and (isinstance(agent, type) or not isinstance(agent, Agent)):
        kind = f"the class {agent.__name__}" if isinstance(agent, type) else type(agent).__name__
        raise BenchError(f"An agent is an object with reset and act, or a name; not {kind}.")
    if options and not isinstance(agent, str):
        raise BenchError("Options are for agents that are given by name.")
    name = agent if isinstance(agent, str) else type(agent).__name__
    seen, _, skipped = survey(suite)
    values: dict[Outcome, dict[str, ByTask]] = {"score": {}, "success": {}}
    failures = []
    for cell in seen.cells:
        if cell.name in skipped:
            continue
        episodes = _play_cell(agent, cell, options or {}, batch_size, name)
        failures += [e.error for e in episodes if e.error is not None]
        for metric, tables in values.items():
            tables[cell.name] = task_means(episodes, metric)
    return Scores(name, seen, values, skipped, tuple(failures))


def _play_cell(
    agent: str | Agent, cell: Cell, options: Mapping[str, Any], batch_size: int, name: str
) -> list[Episode]:
    if isinstance(agent, str):
        made = cell.env.make()
        with closing(made) as env:
            agent = resolve_agent(agent, env, options)
    return [
        episode
        for seed in cell.seeds
        for episode in evaluate(
            cell.env_id,
            agent=agent,
            split=cell.split,
            episodes=cell.episodes,
            seed=seed,
            env_kwargs=cell.env_kwargs,
            max_episode_steps=cell.horizon,
            batch_size=batch_size,
            agent_name=name,
        )
    ]


# ── comparing ───────────────────────────────────────────────────────────────


def compare_with_baseline(
    baseline: Scores,
    scores: Scores,
    *,
    metric: Outcome = "score",
    alpha: float = 0.01,
    min_effect: float = 0.0,
) -> Regression:
    """Tests whether scores are worse than their baseline.

    Each cell is tested, and, where there are several, all tasks together; the p-values are
    Holm-corrected, so that an agent that is as good as before fails with probability `alpha` at
    most, whatever the number of cells.

    Args:
        baseline: The stored scores.
        scores: Those of now.
        metric: ``"score"`` or ``"success"``.
        alpha: Level of the test, in (0, 1]. With 1 any loss is a regression, which is the test for
            agents without chance.
        min_effect: Least loss that counts, in [0, 1]; a smaller one is no regression, however sure.

    Raises:
        BenchError: When the two cannot be compared (other tasks, panels, versions or settings), or
            when there are too few tasks for any result to be significant.
    """
    if metric not in get_args(Outcome):
        raise UnknownName.of("metric", metric, get_args(Outcome))
    if not 0 < alpha <= 1:
        raise BenchError(f"alpha must be more than 0 and at most 1, not {alpha}.")
    if not 0 <= min_effect <= 1:
        raise BenchError(f"min_effect must lie between 0 and 1, not {min_effect}.")
    _check_comparable(baseline, scores)
    then, now = baseline.values[metric], scores.values[metric]
    pairs = {
        cell: [(value, now[cell][task]) for task, value in tasks.items()]
        for cell, tasks in then.items()
    }
    if len(pairs) > 1:
        pairs["all"] = [pair for cell in pairs.values() for pair in cell]
    tests = [
        sign_flip_test([b - a for a, b in cell], alternative="less") for cell in pairs.values()
    ]
    # The row with the most tasks decides whether anything at all could come out.
    if min(test.least for test in tests) * len(tests) > alpha:
        needed = math.ceil(math.log2(len(tests) / alpha))
        raise BenchError(
            f"With {max(test.units for test in tests)} tasks no loss can be significant at"
            f" alpha={alpha:g}: play at least {needed}, or let any loss fail with alpha=1."
        )
    rows = []
    p_values = holm([test.p_value for test in tests]).tolist()
    for (name, cell), p_value in zip(pairs.items(), p_values, strict=True):
        changes = [b - a for a, b in cell]
        change = Estimate(fmean(changes), bootstrap_interval(changes))
        loss = -change.value
        worse = p_value <= alpha and loss > 1e-12 and loss >= min_effect - 1e-12
        before, after = zip(*cell, strict=True)
        rows.append(RegressionRow(name, before, after, change, p_value, worse))
    return Regression(baseline, scores, metric, alpha, min_effect, tuple(rows))


def _check_comparable(baseline: Scores, scores: Scores) -> None:
    """Refuses two things that differ in more than the agent.

    Raises:
        BenchError: Naming the first difference.
    """
    old, new = baseline.suite, scores.suite
    if old.name != new.name:
        raise BenchError(f"The baseline is of {old.name}, and the test plays {new.name}.")
    before, now = ({cell.name: cell for cell in suite.cells} for suite in (old, new))
    for name in [*before, *now]:
        if name not in now or name not in before:
            side = "baseline" if name not in before else "test"
            raise BenchError(f"The {side} has no cell {name}.")
        played, stored = name in scores.values["score"], name in baseline.values["score"]
        if stored and not played:
            raise BenchError(f"The cell {name} cannot be played here. {scores.skipped[name]}")
        if played and not stored:
            raise BenchError(f"The baseline was made where {name} could not be played.")
        if played:
            _check_cell(before[name], now[name])
            if baseline.values["score"][name].keys() != scores.values["score"][name].keys():
                raise BenchError(f"The baseline has other tasks of {name} than were played.")


def _check_cell(old: Cell, new: Cell) -> None:
    before, now = old.to_json(), new.to_json()
    if before["env_id"] != now["env_id"]:
        raise BenchError(
            f"The environment of {new.name} is {now['env_id']}, and that of the baseline"
            f" {before['env_id']}: scores of different versions cannot be compared."
        )
    for field in ("split", "env_kwargs", "horizon", "episodes", "seeds"):
        if before[field] != now[field]:
            raise BenchError(
                f"The cell {new.name} is played with {field} {now[field]}, and was with"
                f" {before[field]} for the baseline."
            )
    if before["panel"] != now["panel"]:
        raise BenchError(
            f"The tasks of {new.name} have changed since the baseline: the panel's digest is"
            f" {str(now['panel'])[:12]}, and was {str(before['panel'])[:12]}."
        )


# ── the file ────────────────────────────────────────────────────────────────


class _ByMetric(TypedDict):
    score: dict[str, dict[str, Share]]
    success: dict[str, dict[str, Share]]


class _Baseline(TypedDict):
    """A baseline, as its file holds it."""

    agent: str
    suite: Any
    skipped: dict[str, str]
    values: _ByMetric


def write_baseline(path: Path, scores: Scores) -> None:
    """Stores scores, one task a line; whoever reads meanwhile sees the old file or the new one.

    Raises:
        BenchError: When episodes failed: such scores are nothing to hold on to.
        BadFile: When the place cannot be written.
    """
    if scores.failures:
        raise BenchError(
            f"No baseline is made of a run in which {len(scores.failures)} episodes failed, the"
            f" first: {scores.failures[0]}"
        )
    content = {
        "schema": SCHEMA,
        "agent": scores.agent,
        "suite": scores.suite.to_json(),
        "skipped": scores.skipped,
        "values": scores.values,
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadFile(f"Cannot write {path}: {error.strerror or error}.") from None
    # Processes of xdist may write the same baseline.
    write_file(path, json_text(content), shared=True)


def read_baseline(path: Path) -> Scores:
    """Reads what `write_baseline` wrote, strictly.

    Raises:
        BadFile: When it cannot be read, or is something else.
    """
    raw: _Baseline = read_record(path, _Baseline, SCHEMA, "a baseline")
    score, success = raw["values"]["score"], raw["values"]["success"]
    with place(str(path)):
        suite = Suite.from_json(raw["suite"])
        played = {cell.name for cell in suite.cells} - raw["skipped"].keys()
        if not played == score.keys() == success.keys():
            raise BadFile("the values are not those of the suite's cells")
        for cell in played:
            if not score[cell]:
                raise BadFile(f"there are no values of {cell}")
            if score[cell].keys() != success[cell].keys():
                raise BadFile("score and success are not of the same tasks")
    return Scores(raw["agent"], suite, {"score": score, "success": success}, raw["skipped"])
