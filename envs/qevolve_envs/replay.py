"""Replays recorded episodes and finds the first difference; golden traces are such episodes.

An episode is a pure function of environment, task, seed and actions, so a record is believed when
the environment answers its actions again with the same bytes.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from qevolve_envs.agent import TaskView
from qevolve_envs.episode import Episode, read_episodes, write_episodes
from qevolve_envs.errors import BadFile, BenchError
from qevolve_envs.factory import make_env, text_env
from qevolve_envs.fuzz_inputs import ActionMix
from qevolve_envs.play import Assignment, EnvConfig

_OUTCOME = ("score", "won", "terminated", "truncated", "digest")
_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 200


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first point at which a record and its replay differ.

    Attributes:
        step: Number of the step, from 1; 0 is the reset.
        name: What differs: a field of `Step` or of `Episode`.
        recorded: What the record says.
        replayed: What the environment says.
    """

    step: int
    name: str
    recorded: object
    replayed: object

    def __str__(self) -> str:
        where = f"step {self.step}" if self.step else "reset"
        return (
            f"{where}: recorded {self.name} {_repr.repr(self.recorded)}, "
            f"replayed {_repr.repr(self.replayed)}"
        )


def replay(episode: Episode, env: gymnasium.Env[str, str] | None = None) -> Mismatch | None:
    """Plays the actions of an episode again and compares every answer.

    The environment is reset with ``seed=episode.seed`` and the episode's task. Numbers must be the
    same in JSON too: 1 is not 1.0, and 0.0 is not -0.0. An episode that failed before its first
    observation must say so, and then claims nothing.

    Args:
        episode: The record.
        env: Environment to replay in, when one for the same id and arguments exists already. If
            there is none, one is made, and perturbed where ``env_kwargs["perturbation"]`` says so.

    Returns:
        The first difference, or None where the record is true.

    Raises:
        BenchError: For an environment, task or argument that does not exist.
    """
    if episode.error is not None and not episode.digest:
        return _claim(episode)
    if env is not None:
        return _replay(episode, env)
    kwargs = dict(episode.env_kwargs)
    horizon = kwargs.pop("max_episode_steps", None)
    with closing(make_env(episode.env_id, env_kwargs=kwargs, max_episode_steps=horizon)) as made:
        return _replay(episode, made)


def write_golden(
    path: Path | str,
    env_id: str,
    *,
    tasks_per_split: int = 2,
    steps: int = 40,
    seed: int = 0,
    **kwargs: Any,
) -> int:
    """Records golden traces: a mix of commands and junk, and the expert where there is one.

    Args:
        path: JSON-lines file of episodes, replaced as a whole.
        env_id: Gymnasium id.
        tasks_per_split: Tasks spread evenly over each panel.
        steps: Most actions of an episode.
        seed: Seed of the chosen actions.
        **kwargs: Arguments of `gymnasium.make`.

    Returns:
        The number of episodes written.
    """
    with closing(gymnasium.make(env_id, **kwargs)) as env:
        world = text_env(env)
        tasks = [
            (split, task)
            for split in world.splits
            for task in spread(world.task_ids(split), tasks_per_split)
        ]
        return write_episodes(path, _golden(env, env_id, kwargs, tasks, steps, seed))


def check_golden(path: Path | str) -> int:
    """Replays golden traces.

    Returns:
        The number of episodes that were compared.

    Raises:
        AssertionError: Naming the line and the first step that differs.
        BadFile: When the file cannot be read, or is empty.
    """
    count = 0
    for count, episode in enumerate(read_episodes(path), 1):
        mismatch = replay(episode)
        if mismatch is not None:
            raise AssertionError(f"{path}, line {count} ({episode.task_id}): {mismatch}.")
    if not count:
        raise BadFile(f"{path} holds no episode.")
    return count


def spread(ids: Any, count: int) -> list[str]:
    """At most `count` items, evenly spread, with the first and the last."""
    places = np.linspace(0, len(ids) - 1, min(count, len(ids))).round().astype(int)
    return [ids[i] for i in places.tolist()]


def _golden(
    env: gymnasium.Env[str, str],
    env_id: str,
    kwargs: dict[str, Any],
    tasks: list[tuple[str, str]],
    steps: int,
    seed: int,
) -> Iterator[Episode]:
    world = text_env(env)
    agents = ["mixed"]
    try:
        expert = world.expert()
        agents.append("expert")
    except BenchError:
        pass
    templates = {split: EnvConfig(env_id, split, kwargs).template() for split in world.splits}
    for number, (split, task) in enumerate(tasks):
        for agent in agents:
            (episode,) = templates[split].episodes([Assignment(task, seed)], agent)
            mix = ActionMix(np.random.default_rng(np.random.SeedSequence([seed, number])))
            observation, info = env.reset(seed=seed, options={"task": task})
            episode.begin(observation, info)
            if agent == "expert":
                expert.reset(
                    [TaskView(env_id, task, episode.goal, seed, world.admissible_commands)]
                )
            while len(episode.steps) < steps and not (episode.terminated or episode.truncated):
                if agent == "expert":
                    answer = expert.act([observation])[0]
                    if not isinstance(answer, str):
                        raise BenchError(f"The expert fails on {task}: {answer.reason}")
                    action = answer
                else:
                    action = mix.draw(world.admissible_commands())
                observation, reward, terminated, truncated, info = env.step(action)
                episode.record(action, observation, float(reward), terminated, truncated, info)
            yield episode


def _replay(episode: Episode, env: gymnasium.Env[str, str]) -> Mismatch | None:
    again = Episode(
        episode.env_id, episode.env_kwargs, episode.task_id, "", episode.seed, episode.agent
    )
    observation, info = env.reset(seed=episode.seed, options={"task": episode.task_id})
    again.begin(observation, info)
    again.split = text_env(env).task(episode.task_id).split
    for name in ("split", "goal", "first_observation"):
        if not _same(getattr(episode, name), getattr(again, name)):
            return Mismatch(0, name, getattr(episode, name), getattr(again, name))
    for number, step in enumerate(episode.steps, 1):
        if again.terminated or again.truncated:
            return Mismatch(number, "action", step.action, None)
        observation, reward, terminated, truncated, info = env.step(step.action)
        again.record(step.action, observation, float(reward), terminated, truncated, info)
        for name in ("observation", "reward", "feedback", "score"):
            recorded, replayed = getattr(step, name), getattr(again.steps[-1], name)
            if not _same(recorded, replayed):
                return Mismatch(number, name, recorded, replayed)
    for name in _OUTCOME:
        if not _same(getattr(episode, name), getattr(again, name)):
            return Mismatch(len(episode.steps), name, getattr(episode, name), getattr(again, name))
    return None


def _claim(episode: Episode) -> Mismatch | None:
    """The first thing that an episode claims although it never began."""
    nothing = Episode("", {}, "", "", 0, "")
    for name in ("goal", "first_observation", "steps", *_OUTCOME):
        claimed, due = getattr(episode, name), getattr(nothing, name)
        if not _same(claimed, due):
            return Mismatch(0, name, claimed, due)
    return None


def _same(recorded: object, replayed: object) -> bool:
    """Equal, and written alike: 1 equals 1.0, and 0.0 equals -0.0, but their bytes differ."""
    return recorded == replayed and (isinstance(recorded, str) or repr(recorded) == repr(replayed))
