"""Evaluation of a policy at the checkpoints of its training: tasks, results, learning curve."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qevolve_bench.schema import read_lines
from qevolve_bench.training.specification import SCHEMA, TUNING, TrainingSpec
from qevolve_envs.episode import Episode, write_episodes
from qevolve_envs.errors import BenchError, UnknownName
from qevolve_envs.files import write_file
from qevolve_envs.play import Assignment, EnvConfig
from qevolve_envs.rng import child_seed, seed_sequence

if TYPE_CHECKING:
    from qevolve_baselines.model.policy import Policy

#: Episodes of an evaluation in lockstep.
BATCH = 128


def worlds(spec: TrainingSpec) -> tuple[EnvConfig, tuple[str, ...]]:
    """Divides the training tasks into those to train on and those kept apart for choosing settings.

    The division does not depend on the seed: all runs of a study tune on the same tasks.

    Returns:
        The world to train in, and the ids of the tasks that are kept apart.

    Raises:
        BenchError: For splits or numbers of tasks that do not exist.
    """
    import numpy as np

    from qevolve_envs.factory import make_env, text_env

    env = make_env(
        spec.env_id, split=spec.split, env_kwargs=spec.env_kwargs, max_episode_steps=spec.horizon
    )
    panel = tuple(text_env(env).task_ids(spec.split))
    splits = text_env(env).splits
    env.close()
    for split in spec.evaluate:
        if split not in (*splits, TUNING):
            raise UnknownName.of("panel to evaluate", split, [*splits, TUNING])
    if TUNING in spec.evaluate and not spec.tuning_tasks:
        raise BenchError("There are no tasks to tune on: set tuning_tasks above 0.")
    if spec.tuning_tasks >= len(panel):
        raise BenchError(
            f"tuning_tasks {spec.tuning_tasks} leaves none of {len(panel)} tasks to train on."
        )
    order = np.random.default_rng(seed_sequence(0, "tuning tasks")).permutation(len(panel))
    apart = {panel[int(i)] for i in order[: spec.tuning_tasks]}
    world = EnvConfig(
        env_id=spec.env_id,
        split=spec.split,
        kwargs=dict(spec.env_kwargs),
        horizon=spec.horizon,
        tasks=tuple(task for task in panel if task not in apart),
    )
    return world, tuple(task for task in panel if task in apart)


def evaluate_policy(
    spec: TrainingSpec, policy: Policy, kept_apart: Sequence[str], folder: Path
) -> dict[str, dict[str, Any]]:
    """Plays every split of an evaluation greedily, and keeps the episodes of the latest one.

    Args:
        spec: Specification of the run.
        policy: The policy.
        kept_apart: Tasks of the split `TUNING`.
        folder: Folder of the run.

    Returns:
        Split -> ``n, success, score`` and the per-task lists ``tasks, won, scores``.
    """
    from qevolve_baselines import parallel
    from qevolve_baselines.collect import Collector
    from qevolve_baselines.rerank import agent_of

    results: dict[str, dict[str, Any]] = {}
    for split in spec.evaluate:
        world = EnvConfig(
            env_id=spec.env_id,
            split=spec.split if split == TUNING else split,
            kwargs=dict(spec.env_kwargs),
            horizon=spec.horizon,
            tasks=tuple(kept_apart) if split == TUNING else None,
        )
        panel = world.task_ids()
        starts = [
            Assignment(panel[i % len(panel)], child_seed(0, "evaluation", split, i))
            for i in range(spec.episodes or len(panel))
        ]
        with closing(Collector(world, BATCH)) as collector:
            played = collector.play(agent_of(policy), starts, name=spec.learner)
        episodes = [t.episode for t in played]
        if parallel.is_main():
            (folder / "evaluation").mkdir(exist_ok=True)
            write_episodes(folder / "evaluation" / f"{split}.jsonl", episodes)
        results[split] = summary(episodes)
    return results


def summary(episodes: Sequence[Episode]) -> dict[str, Any]:
    """Sums episodes up: rates and per-task lists, as a point of a learning curve holds them."""
    return {
        "n": len(episodes),
        "success": sum(e.won for e in episodes) / len(episodes),
        "score": sum(e.score for e in episodes) / len(episodes),
        "tasks": [e.task_id for e in episodes],
        "won": [int(e.won) for e in episodes],
        "scores": [e.score for e in episodes],
    }


def read_curve(folder: Path) -> list[dict[str, Any]]:
    """Reads the points of a learning curve, in the order of their checkpoints."""
    file = folder / "curve.jsonl"
    if not file.is_file():
        return []
    return list(read_lines(file, lambda point: point))


def add_point(
    folder: Path,
    spec: TrainingSpec,
    number: int,
    ledger: dict[str, float],
    results: dict[str, dict[str, Any]],
) -> None:
    """Adds a checkpoint to the curve; one that a resumed run reaches again replaces itself."""
    # As evaluated episodes record it, so that both are of one cell.
    env = EnvConfig(spec.env_id, spec.split, dict(spec.env_kwargs), spec.horizon).template()
    point = {
        "schema": SCHEMA,
        "learner": spec.learner,
        "env_id": env.env_id,
        "env_kwargs": dict(env.env_kwargs),
        "seed": spec.seed,
        "checkpoint": number,
        "ledger": ledger,
        "results": results,
    }
    points = [p for p in read_curve(folder) if p["checkpoint"] < number] + [point]
    write_file(folder / "curve.jsonl", "".join(json.dumps(p) + "\n" for p in points))
