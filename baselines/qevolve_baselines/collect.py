"""Collecting a learner's own episodes, as a stage of its run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from qevolve_baselines.data.transcript import Trajectory, Transcript
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.rollout import Collector, Start, World, collect, draw_starts, episode_seed
from qevolve_baselines.run.cache import fingerprint
from qevolve_baselines.run.run import Run
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError


@dataclass(slots=True)
class CollectConfig:
    """How a learner samples its own episodes.

    Attributes:
        tasks: Tasks for each collection; 0 for all of the split.
        per_task: Episodes for each of them.
        temperature: Of sampling.
        batch_size: Episodes in lockstep.
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
    run: Run, name: str, policy: Policy, world: World, config: CollectConfig, remaining: int = 1
) -> list[Trajectory]:
    """Samples `per_task` episodes of each task; kept on disk, counted in the ledger.

    Args:
        run: The run.
        name: Of the stage.
        policy: Acts.
        world: Where.
        config: How many.
        remaining: How many collections, this one included, share what is left of the run's budget
            of environment steps and episodes; this one stops at its share.
    """
    tasks = world.task_ids()
    count = len(tasks) if config.tasks == 0 else min(config.tasks, len(tasks))
    picked = [s.task_id for s in draw_starts(tasks, count, run.seed, name, "tasks")]
    starts = [
        Start(task, episode_seed(run.seed, name, lap, task))
        for lap in range(config.per_task)
        for task in picked
    ]
    return collect_starts(run, name, policy, world, starts, config, remaining, common=True)


def collect_starts(
    run: Run,
    name: str,
    policy: Policy,
    world: World,
    starts: Sequence[Start],
    config: CollectConfig,
    remaining: int = 1,
    *,
    common: bool = False,
) -> list[Trajectory]:
    """Samples the given episodes; see `collect_stage`.

    Args:
        run: The run.
        name: Of the stage.
        policy: Acts.
        world: Where.
        starts: The episodes.
        config: How.
        remaining: See `collect_stage`.
        common: Whether another run of a study may begin with the same ones; see `Run.common`. The
            hundreds of collections of an online learner are its own.
    """

    def play() -> list[dict[str, Any]]:
        collector = Collector(world, config.batch_size)
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

        def room() -> int:
            # As many as cannot go past the limit, even if all of them last to the horizon: a
            # batch of a hundred would otherwise overrun a small budget many times.
            steps, episodes = left()
            most = min(steps / longest, episodes)
            return config.batch_size if most == math.inf else int(most)

        longest = world.steps()

        try:
            played = collect(
                policy,
                collector,
                starts,
                temperature=config.temperature,
                name=name,
                on_batch=go_on,
                room=room,
            )
        finally:
            collector.close()
        return [pack(t) for t in played]

    def inputs() -> str:
        spent = {k: v for k, v in asdict(run.ledger).items() if "seconds" not in k}
        return fingerprint(
            name,
            policy.digest(),
            asdict(policy.form),
            asdict(world),
            starts,
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
    """How often the environment answered in which way."""
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
