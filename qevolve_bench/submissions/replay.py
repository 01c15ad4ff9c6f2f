"""One cell of a submission against the panel: every episode in its place, every action replayed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import gymnasium

from qevolve_bench.schema import quoted, sentence
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BadFile
from qevolve_envs.factory import PERTURBATION
from qevolve_envs.guard import MAX_RECORDED_ACTION, MAX_TOKENS
from qevolve_envs.loading import describe
from qevolve_envs.play import Assignment
from qevolve_envs.replay import replay

MAX_ERROR = 2_000
#: Findings of one cell; what follows them adds nothing.
MAX_FINDINGS = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake in a submission.

    Attributes:
        problem: One sentence, without a full stop; foreign text in it is quoted.
        cell: The cell, or ``""`` where the submission as a whole is meant.
        episode: Number of the episode in its cell, from 1; 0 where the cell as a whole is meant.
        step: Number of the first step that differs, from 1; 0 for the reset, None where no step is
            meant.
    """

    problem: str
    cell: str = ""
    episode: int = 0
    step: int | None = None

    def __str__(self) -> str:
        place = [self.cell] if self.cell else []
        if self.episode:
            place.append(f"episode {self.episode}")
        if self.step is not None:
            place.append(f"step {self.step}" if self.step else "reset")
        text = sentence(f"{', '.join(place)}: {self.problem}" if place else self.problem)
        # Whatever slipped through: no control characters, nothing that a terminal would interpret.
        text = " ".join(text.split()).encode("ascii", "backslashreplace").decode()
        return text if len(text) <= 600 else text[:597] + "..."


@dataclass(frozen=True, slots=True)
class CellPlan:
    """Content that the file of a cell must have, by its suite.

    Attributes:
        name: The cell.
        horizon: Most steps of an episode.
        common: An episode that was not begun, with what all of them have in common.
        count: How many episodes there are; None where even that is not known.
        assignments: Task and seed of each episode, in order; None where the panel is not known
            here.
    """

    name: str
    horizon: int
    common: Episode
    count: int | None
    assignments: Sequence[Assignment] | None


def check_cell(
    lines: Iterable[bytes], plan: CellPlan, env: gymnasium.Env[str, str] | None
) -> tuple[list[Episode], list[Finding]]:
    """Reads the episodes of a cell, and replays them.

    Args:
        lines: JSON lines without their newlines; reading them may raise `BadFile`.
        plan: What they have to hold.
        env: The cell's environment; None where it cannot be had or does not answer alike twice.
            Then the records are only checked against themselves.

    Returns:
        The episodes, and what is wrong. Reading stops at the first episode that is not the one
        which has its place there, and after `MAX_FINDINGS`.
    """
    episodes: list[Episode] = []
    findings: list[Finding] = []
    order = _Order(plan)
    try:
        for number, line in enumerate(lines, 1):
            try:
                episode = _parse(line)
                order.check(episode, number)
            except BadFile as error:
                findings.append(Finding(str(error), plan.name, number))
                return episodes, findings
            finding = _check_claims(episode, plan, number)
            if finding is None:
                finding = (
                    _check_alone(episode, plan, number)
                    if env is None
                    else _check_replay(episode, plan, number, env)
                )
            if finding is not None:
                findings.append(finding)
                if len(findings) == MAX_FINDINGS:
                    return episodes, findings
            episodes.append(episode)
    except BadFile as error:
        findings.append(Finding(str(error).rstrip("."), plan.name))
        return episodes, findings
    if (missing := order.missing(len(episodes))) and not findings:
        findings.append(Finding(missing, plan.name))
    return episodes, findings


def _parse(line: bytes) -> Episode:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise BadFile("the line is not UTF-8 text") from None
    episode = Episode.from_json(text)
    # One record, one spelling: nothing can hide in spaces, in the order of fields or in escapes.
    if episode.to_json() != text:
        raise BadFile("the line is not written as this package writes episodes")
    return episode


class _Order:
    """Check that each episode is the one that the suite has at its place."""

    def __init__(self, plan: CellPlan) -> None:
        self._plan = plan
        self._kwargs = _canonical(plan.common.env_kwargs)
        self._due = None if plan.assignments is None else [Assignment(*a) for a in plan.assignments]
        self._places = {a: n for n, a in enumerate(self._due or (), 1)}
        self._tasks = {a.task_id for a in self._due or ()}
        self._seen: dict[Assignment, int] = {}

    def check(self, episode: Episode, number: int) -> None:
        """Raises `BadFile` where it is another one."""
        plan = self._plan
        for name in ("env_id", "split", "agent"):
            found, due = getattr(episode, name), getattr(plan.common, name)
            if found != due:
                raise BadFile(f"{name} is {quoted(found)}, not {due!r}")
        if _canonical(episode.env_kwargs) != self._kwargs:
            raise BadFile(
                f"env_kwargs is {quoted(_canonical(episode.env_kwargs))}, not {self._kwargs}"
            )
        place = Assignment(episode.task_id, episode.seed)
        if place in self._seen:
            raise BadFile(
                f"task {quoted(episode.task_id)} with seed {episode.seed} is already episode"
                f" {self._seen[place]}"
            )
        self._seen[place] = number
        if self._plan.count is not None and number > self._plan.count:
            raise BadFile(
                f"the suite has {self._plan.count} episodes of this cell, and here is one more"
            )
        if self._due is None:
            return
        due = self._due[number - 1]
        if place == due:
            return
        if place in self._places:
            raise BadFile(
                f"it is the episode of place {self._places[place]}; here belongs {due.task_id} with"
                f" seed {due.seed}"
            )
        if episode.task_id == due.task_id or episode.task_id in self._tasks:
            raise BadFile(
                f"the seed of {quoted(episode.task_id)} is {episode.seed}, which the suite does not"
                f" play; here belongs {due.task_id} with seed {due.seed}"
            )
        raise BadFile(
            f"task {quoted(episode.task_id)} is not one of this cell; here belongs {due.task_id}"
        )

    def missing(self, count: int) -> str:
        """Words for episodes that are missing; ``""`` for none."""
        due = self._plan.count
        return "" if due in (None, count) else f"{due - count} of {due} episodes are missing"


def _check_claims(episode: Episode, plan: CellPlan, number: int) -> Finding | None:
    """Checks what a record says of itself, which needs no environment."""
    count = len(episode.steps)
    for at, step in enumerate(episode.steps, 1):
        if len(step.action) > MAX_RECORDED_ACTION:
            problem = f"the action has more than {MAX_RECORDED_ACTION:,} characters"
            return Finding(problem, plan.name, number, at)
        if not (0 <= step.prompt_tokens <= MAX_TOKENS and 0 <= step.generated_tokens <= MAX_TOKENS):
            problem = f"the tokens of a step must be in [0, {MAX_TOKENS:,}]"
            return Finding(problem, plan.name, number, at)
    if episode.error is None:
        if not (episode.terminated or episode.truncated):
            problem = "it stops without an end, the horizon or an error"
            return Finding(problem, plan.name, number, count)
        return None
    if len(episode.error) > MAX_ERROR:
        return Finding(f"its error has more than {MAX_ERROR:,} characters", plan.name, number)
    if episode.won or episode.terminated or episode.truncated:
        name = next(n for n in ("won", "terminated", "truncated") if getattr(episode, n))
        return Finding(f"it failed by an error, and claims to be {name}", plan.name, number, count)
    return None


def _check_replay(
    episode: Episode, plan: CellPlan, number: int, env: gymnasium.Env[str, str]
) -> Finding | None:
    try:
        mismatch = replay(episode, env)
    except Exception as error:
        # An environment promises never to raise; a record that makes it raise is not believed.
        problem = f"{episode.task_id} cannot be replayed: {describe(error)}"
        return Finding(problem.rstrip("."), plan.name, number)
    if mismatch is None:
        return None
    if mismatch.name == "action":
        problem = f"{episode.task_id} was already over"
    else:
        problem = f"{episode.task_id}: {str(mismatch).partition(': ')[2]}"
    return Finding(problem, plan.name, number, mismatch.step)


def _check_alone(episode: Episode, plan: CellPlan, number: int) -> Finding | None:
    """Checks a record for itself, where it cannot be replayed."""
    # A perturbation may lose actions, which then do not count.
    if len(episode.steps) > plan.horizon and PERTURBATION not in episode.env_kwargs:
        problem = f"it has {len(episode.steps)} steps, and the horizon is {plan.horizon}"
        return Finding(problem, plan.name, number, plan.horizon + 1)
    if episode.steps and episode.score != episode.steps[-1].score:
        problem = "its score is not that of its last step"
        return Finding(problem, plan.name, number, len(episode.steps))
    if not 0 <= episode.score <= 1 or (episode.won and episode.score != 1):
        return Finding("its score is not one that an environment gives", plan.name, number)
    return None


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)
