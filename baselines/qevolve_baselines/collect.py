"""Collecting episodes for learners: of a policy, as a stage of its run, and of the expert."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from qevolve_baselines import parallel
from qevolve_baselines.data.transcript import Trajectory, Transcript
from qevolve_baselines.model.agent import PolicyAgent
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.run.cache import fingerprint
from qevolve_baselines.run.run import Run
from qevolve_envs.agent import Agent
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError
from qevolve_envs.play import (
    Assignment,
    EnvConfig,
    Lanes,
    draw_tasks,
    episode_seed,
    play_batch,
)


class Collector:
    """Plays episodes and keeps its environments.

    Args:
        env: The environment.
        batch_size: Episodes in lockstep.
    """

    def __init__(self, env: EnvConfig, batch_size: int) -> None:
        self.batch_size = batch_size
        self._template = env.template()
        self._lanes = Lanes(env.make)

    def play(
        self,
        agent: Agent,
        assignments: Sequence[Assignment],
        *,
        name: str,
        on_batch: Callable[[Sequence[Episode]], bool] | None = None,
        capacity: Callable[[], int] | None = None,
    ) -> list[Trajectory]:
        """Plays episodes in lockstep batches.

        Args:
            agent: Plays them; the trajectories of a `PolicyAgent` hold its tokens.
            assignments: The episodes to play.
            name: Name of the agent in the episodes.
            on_batch: Called after each batch; False ends the collection there.
            capacity: Called before each batch: how many episodes it may hold at most.

        Returns:
            The trajectories, in the order of `assignments`.

        Raises:
            BenchError: When the agent gives up on an episode. What it raises is passed on.
        """
        found: list[Trajectory] = []
        first = 0
        while first < len(assignments):
            size = self.batch_size
            if capacity is not None:
                size = min(size, max(1, capacity()))
            batch = assignments[first : first + size]
            first += size
            mine = parallel.share(batch)
            trajectories = parallel.gather(self._batch(agent, mine, name) if mine else [])
            found += trajectories
            if on_batch is not None and not on_batch([t.episode for t in trajectories]):
                break
        return found

    def _batch(
        self, agent: Agent, assignments: Sequence[Assignment], name: str
    ) -> list[Trajectory]:
        episodes = self._template.episodes(assignments, name)
        play_batch(self._lanes.take(len(episodes)), agent, episodes, strict=True)
        return [
            Trajectory(episode, _final(agent, i, episode)) for i, episode in enumerate(episodes)
        ]

    def close(self) -> None:
        """Closes the environments."""
        self._lanes.close()


def _final(agent: Agent, index: int, episode: Episode) -> list[Transcript]:
    """An episode's transcripts, what the environment said last included."""
    if not isinstance(agent, PolicyAgent):
        return []
    return agent.finish(index, episode.steps[-1].observation) if episode.steps else []


def demonstrate(env: EnvConfig, count: int, seed: int, batch_size: int = 64) -> list[Episode]:
    """Lets the environment's expert play training tasks; only won episodes are kept.

    Args:
        env: The environment.
        count: Episodes to play, each task once before any comes again.
        seed: Seed of the draw.
        batch_size: Episodes in lockstep.

    Raises:
        BenchError: When no episode is won.
    """
    assignments = draw_tasks(env.task_ids(), count, seed, "demonstrations")
    with closing(Collector(env, batch_size)) as collector:
        played = collector.play(env.expert(), assignments, name="expert")
    won = [t.episode for t in played if t.episode.won]
    if not won:
        raise BenchError(f"The expert of {env.env_id} won none of {count} episodes.")
    return won


@dataclass(slots=True)
class CollectConfig:
    """Settings of a learner's sampling of its own episodes.

    Attributes:
        tasks: Number of tasks for each collection; 0 for all of the split.
        per_task: Number of episodes of each task.
        temperature: Temperature of sampling.
        batch_size: Number of episodes that are played at the same time.
    """

    tasks: int = 0
    per_task: int = 3
    temperature: float = 1.0
    batch_size: int = 128

    def __post_init__(self) -> None:
        for name, least in (("tasks", 0), ("per_task", 1), ("temperature", 0), ("batch_size", 1)):
            if getattr(self, name) < least:
                raise BenchError(
                    f"collect.{name} must be {least} or more, not {getattr(self, name)}."
                )


def collect_stage(
    run: Run, name: str, policy: Policy, env: EnvConfig, config: CollectConfig, remaining: int = 1
) -> list[Trajectory]:
    """Samples `per_task` episodes of each task; kept on disk, counted in the ledger.

    Args:
        run: The run.
        name: Name of the stage.
        policy: The policy that acts.
        env: The environment.
        config: Settings.
        remaining: Number of collections, this one included, that share what is left of the budget
            of environment steps and episodes; this one stops at its share.
    """
    tasks = env.task_ids()
    count = len(tasks) if config.tasks == 0 else min(config.tasks, len(tasks))
    picked = [a.task_id for a in draw_tasks(tasks, count, run.seed, name, "tasks")]
    assignments = [
        Assignment(task, episode_seed(run.seed, name, round_, task))
        for round_ in range(config.per_task)
        for task in picked
    ]
    return collect_episodes(run, name, policy, env, assignments, config, remaining, common=True)


def collect_episodes(
    run: Run,
    name: str,
    policy: Policy,
    env: EnvConfig,
    assignments: Sequence[Assignment],
    config: CollectConfig,
    remaining: int = 1,
    *,
    common: bool = False,
) -> list[Trajectory]:
    """Samples the given episodes; see `collect_stage`.

    Args:
        run: The run.
        name: Name of the stage.
        policy: The policy that acts.
        env: The environment.
        assignments: The episodes.
        config: Settings.
        remaining: See `collect_stage`.
        common: True if another run of a study may begin with the same ones; see `Run.common`. The
            hundreds of collections of an online learner are its own.
    """

    def play() -> list[dict[str, Any]]:
        before = (run.ledger.env_steps, run.ledger.episodes)
        share = [
            run.budget.left(run.ledger, "env_steps") / remaining,
            run.budget.left(run.ledger, "episodes") / remaining,
        ]

        def left() -> tuple[float, float]:
            spent = (run.ledger.env_steps - before[0], run.ledger.episodes - before[1])
            return share[0] - spent[0], share[1] - spent[1]

        def go_on(episodes: Sequence[Episode]) -> bool:
            run.ledger.count(tuple(episodes))
            return not run.spent and min(left()) > 0

        def capacity() -> int:
            # As many as cannot go past the limit, even if all of them last to the horizon: a
            # batch of a hundred would otherwise overrun a small budget many times.
            steps, episodes = left()
            most = min(steps / longest, episodes)
            return config.batch_size if most == math.inf else int(most)

        longest = env.steps()
        agent = PolicyAgent(policy, temperature=config.temperature)
        with closing(Collector(env, config.batch_size)) as collector:
            played = collector.play(
                agent, assignments, name=name, on_batch=go_on, capacity=capacity
            )
        return [pack(t) for t in played]

    def inputs() -> str:
        spent = {k: v for k, v in asdict(run.ledger).items() if "seconds" not in k}
        return fingerprint(
            name,
            policy.digest(),
            asdict(policy.transcript_config),
            asdict(env),
            assignments,
            asdict(config),
            remaining,
            asdict(run.budget),
            spent,
        )

    def make() -> list[dict[str, Any]]:
        records, fresh = run.common("episodes", inputs, play) if common else (play(), True)
        played = [unpack(record) for record in records]
        if not fresh:
            run.ledger.count([t.episode for t in played])
        won = sum(t.episode.won for t in played)
        run.log(
            stage=f"{name}-collect",
            episodes=len(played),
            success=won / max(1, len(played)),
            steps=sum(len(t.episode.steps) for t in played) / max(1, len(played)),
            **feedback_shares(played),
        )
        return records

    return [unpack(record) for record in run.once(f"{name}-episodes", make)]


def feedback_shares(trajectories: Sequence[Trajectory]) -> dict[str, float]:
    """Shares of the steps by kind of feedback."""
    steps = [s.feedback for t in trajectories for s in t.episode.steps]
    kinds = ("ok", "unchanged", "invalid", "malformed")
    return {kind: steps.count(kind) / max(1, len(steps)) for kind in kinds}


def pack(trajectory: Trajectory) -> dict[str, Any]:
    """A trajectory as plain data, which loads without running any code."""
    return {
        "episode": trajectory.episode.to_json(),
        "transcripts": [
            {"ids": t.ids, "spans": t.spans, "logprobs": t.logprobs} for t in trajectory.transcripts
        ],
    }


def unpack(record: dict[str, Any]) -> Trajectory:
    """The inverse of `pack`."""
    return Trajectory(
        Episode.from_json(record["episode"]),
        [Transcript(t["ids"], t["spans"], t["logprobs"]) for t in record["transcripts"]],
    )


def forget(run: Run, stage: str) -> None:
    """Removes what `Run.once` has kept for a stage that is done, its episodes above all.

    An online learner has hundreds of such stages, and would fill the disk with them.
    """
    prefix = f"{stage}-"
    for name in [n for n in run._memory if n.startswith(prefix)]:
        del run._memory[name]
    if run.folder is not None:
        for file in (run.folder / "stages").glob(f"{prefix}*.pt"):
            file.unlink()
