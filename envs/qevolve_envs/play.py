"""Plays batches of episodes: draws tasks and seeds, makes environments, steps them, records.

Evaluation and the learners' collections call these functions, so that both record the episodes of
one configuration alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from qevolve_envs.agent import Agent, Failed, ReportsUsage, TaskView
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError
from qevolve_envs.factory import make_env, text_env
from qevolve_envs.guard import NO_TOKENS, GuardedAgent
from qevolve_envs.loading import describe
from qevolve_envs.registration import find_spec, local_arguments
from qevolve_envs.rng import SeedTree, child_seed, seed_sequence

# ── which episodes ──────────────────────────────────────────────────────────

_COLLECTIONS = SeedTree(entropy=20260608)


class Assignment(NamedTuple):
    """One episode to play: the task, and the seed of the episode."""

    task_id: str
    seed: int


def draw_tasks(
    panel: Sequence[str], episodes: int | None, seed: int, *purpose: str | int
) -> list[Assignment]:
    """Draws the episodes of an evaluation or of a collection: a pure function of its arguments.

    The panel is repeated as often as needed, each time in another permutation. Hence (a) fewer
    episodes than tasks are a random sample without repetition, (b) no task is played twice before
    every other was played once, (c) a longer evaluation begins with the shorter one, and (d) two
    agents evaluated with the same seed get the same tasks. The seed of an episode depends on
    `seed`, the purpose, the task and the round only, not on its place in the list.

    Args:
        panel: The task ids of a split.
        episodes: How many; None plays each task once.
        seed: Seed of the draw and of the episodes.
        purpose: Names of a draw that is independent of all others, such as a learner's collection;
            none for an evaluation.
    """
    if not panel:
        raise BenchError("There are no tasks to play.")
    total = len(panel) if episodes is None else episodes
    drawn: list[Assignment] = []
    for round_ in range(-(-total // len(panel))):
        # Two families of streams, because published results hold draws of both.
        if purpose:
            rng = _COLLECTIONS.generator("starts", seed, *purpose, round_)
        else:
            rng = np.random.default_rng(seed_sequence(seed, "tasks", round_))
        for index in rng.permutation(len(panel))[: total - len(drawn)]:
            task_id = panel[int(index)]
            if purpose:
                own = episode_seed(seed, *purpose, round_, task_id)
            else:
                own = child_seed(seed, "episode", task_id, round_)
            drawn.append(Assignment(task_id, own))
    return drawn


def episode_seed(seed: int, *names: str | int) -> int:
    """Seed of the episode of a learner's collection that `names` tell apart."""
    return int(_COLLECTIONS.generator("episode", seed, *names).integers(2**32))


# ── where, and how it is recorded ───────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class EpisodeTemplate:
    """The part of a record that all episodes of a configured environment share.

    Attributes:
        env_id: Gymnasium id.
        env_kwargs: The arguments that change the world: not where this machine keeps its data, and
            the horizon, as ``max_episode_steps``, only where it is not the registered one.
        split: The panel.
    """

    env_id: str
    env_kwargs: Mapping[str, Any]
    split: str

    def episodes(self, assignments: Sequence[Assignment], agent: str) -> list[Episode]:
        """Returns records of episodes that have not begun."""
        return [
            Episode(self.env_id, dict(self.env_kwargs), task_id, self.split, seed, agent)
            for task_id, seed in assignments
        ]


@dataclass(slots=True)
class EnvConfig:
    """An environment and its settings: makes copies, and says how their episodes are recorded.

    Attributes:
        env_id: Gymnasium id, or ``module:id``.
        split: The panel to play.
        kwargs: Further arguments of the environment; JSON scalars.
        horizon: Steps of an episode; None for the registered number.
        tasks: The tasks to play, if not all of the split. A study keeps some apart for tuning.
    """

    env_id: str
    split: str = "train"
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    horizon: int | None = None
    tasks: tuple[str, ...] | None = None

    def make(self) -> gymnasium.Env[str, str]:
        """Makes one copy of the environment, with its horizon."""
        return make_env(
            self.env_id, split=self.split, env_kwargs=self.kwargs, max_episode_steps=self.horizon
        )

    def template(self) -> EpisodeTemplate:
        """The beginning of every episode's record.

        It takes as long as a hundred steps: make it once for many episodes.
        """
        spec = find_spec(self.env_id)
        # Our own prefix only imports us, which every reader of episodes does anyway.
        env_id = spec.id if self.env_id.startswith("qevolve_bench:") else self.env_id
        local = local_arguments(spec.id)
        recorded = {name: value for name, value in self.kwargs.items() if name not in local}
        if self.horizon not in (None, spec.max_episode_steps):
            recorded["max_episode_steps"] = self.horizon
        return EpisodeTemplate(env_id, recorded, self.split)

    def steps(self) -> int:
        """Most steps of an episode."""
        with closing(self.make()) as env:
            longest = env.spec.max_episode_steps if env.spec is not None else None
        if longest is None:
            raise BenchError(f"{self.env_id} has no horizon: give one (--horizon).")
        return longest

    def task_ids(self) -> Sequence[str]:
        """The tasks to play.

        Raises:
            BenchError: When there is none.
        """
        if self.tasks is not None:
            return self.tasks
        with closing(self.make()) as env:
            return tuple(panel_of(env, self.env_id, self.split))

    def expert(self) -> Agent:
        """The environment's scripted expert."""
        with closing(self.make()) as env:
            return text_env(env).expert()


def panel_of(env: gymnasium.Env[str, str], env_id: str, split: str) -> Sequence[str]:
    """The tasks of a split.

    Raises:
        BenchError: When there is none.
    """
    panel = text_env(env).task_ids(split)
    if not panel:
        raise BenchError(f"{env_id} has no tasks in its split {split!r}: choose another one.")
    return panel


class Lane:
    """One place of a batch: an environment that is made when needed, and anew once it crashed."""

    def __init__(self, make: Callable[[], gymnasium.Env[str, str]]) -> None:
        self._make = make
        self._env: gymnasium.Env[str, str] | None = None

    @property
    def env(self) -> gymnasium.Env[str, str]:
        """The environment."""
        if self._env is None:
            self._env = self._make()
        return self._env

    def discard(self) -> None:
        """Closes the environment, which may fail once it crashed; the next use makes another."""
        env, self._env = self._env, None
        if env is not None:
            with suppress(Exception):
                env.close()


class Lanes:
    """The places of a batch, whose environments are kept for the next one.

    Args:
        make: Makes one environment.
    """

    def __init__(self, make: Callable[[], gymnasium.Env[str, str]]) -> None:
        self._make = make
        self._lanes: list[Lane] = []

    def take(self, count: int) -> list[Lane]:
        """Returns the first `count` places."""
        while len(self._lanes) < count:
            self._lanes.append(Lane(self._make))
        return self._lanes[:count]

    def close(self) -> None:
        """Closes all environments."""
        for lane in self._lanes:
            lane.discard()


# ── playing ─────────────────────────────────────────────────────────────────


class Observer:
    """Receives what happens while a batch is played; a subclass overrides what it needs."""

    def enter(self, phase: str) -> None:
        """The agent is asked next (``"agent.reset"``, ``"agent.act"``), or is not (``""``)."""

    def begun(self, index: int, episode: Episode) -> None:
        """An episode has its first observation."""

    def stepped(self, index: int, episode: Episode, observation: str) -> None:
        """A step was recorded; its observation as JSON text, as `Step.to_json` takes it."""

    def ended(self, index: int, episode: Episode) -> None:
        """An episode is over, or failed."""


def play_batch(
    lanes: Sequence[Lane],
    agent: Agent,
    episodes: Sequence[Episode],
    observer: Observer | None = None,
    *,
    strict: bool = False,
) -> None:
    """Plays prepared episodes in lockstep, and fills them in.

    Args:
        lanes: One for each episode.
        agent: Plays them all.
        episodes: Records with their task and seed, not begun.
        observer: Receives what happens, as it happens.
        strict: Raise what the agent or an environment raises. Otherwise it is a failed episode,
            with the reason in `Episode.error`.

    Raises:
        BenchError: When an environment says that it cannot be played here, such as for want of
            data; if strict, also when the agent gives up.
    """
    observer = observer or Observer()
    player: Agent = agent if strict else GuardedAgent(agent)
    counter = player if isinstance(player, ReportsUsage) else None
    observations = [_begin(*pair, strict) for pair in zip(lanes, episodes, strict=True)]
    views = [_view(*row) for row in zip(lanes, episodes, observations, strict=True)]
    for index, (episode, observation) in enumerate(zip(episodes, observations, strict=True)):
        if observation is None:
            observer.ended(index, episode)
        else:
            observer.begun(index, episode)
    observer.enter("agent.reset")
    player.reset(views)
    observer.enter("")
    while any(observation is not None for observation in observations):
        observer.enter("agent.act")
        answers = player.act(list(observations))
        tokens = [NO_TOKENS] * len(answers) if counter is None else counter.usage()
        observer.enter("")
        for index, (answer, spent) in enumerate(zip(answers, tokens, strict=True)):
            if observations[index] is None:
                continue
            episode = episodes[index]
            if isinstance(answer, Failed):
                if strict:
                    raise BenchError(
                        f"{episode.agent} gave up on {episode.task_id}: {answer.reason}."
                    )
                episode.error, episode.won = answer.reason, False
                observations[index] = None
            else:
                observations[index] = _advance(
                    index, lanes[index], episode, answer, spent, observer, strict
                )
            if observations[index] is None:
                observer.ended(index, episode)


def _begin(lane: Lane, episode: Episode, strict: bool) -> str | None:
    """Resets an environment; returns the first observation, or None when that failed."""
    try:
        observation, info = lane.env.reset(seed=episode.seed, options={"task": episode.task_id})
        episode.begin(observation, info)
    except BenchError:
        raise
    except Exception as error:
        if strict:
            raise
        lane.discard()
        episode.error = f"environment raised {describe(error)} on reset"
        return None
    return observation


def _view(lane: Lane, episode: Episode, observation: str | None) -> TaskView:
    return TaskView(
        env_id=episode.env_id,
        task_id=episode.task_id,
        goal=episode.goal,
        seed=episode.seed,
        # An episode that did not begin still has its place in the batch.
        commands=list if observation is None else text_env(lane.env).admissible_commands,
    )


def _advance(
    index: int,
    lane: Lane,
    episode: Episode,
    action: str,
    tokens: tuple[int, int],
    observer: Observer,
    strict: bool,
) -> str | None:
    """Plays one action; returns the next observation, or None when the episode is over."""
    try:
        observation, reward, terminated, truncated, info = lane.env.step(action)
        if not (isfinite(reward) and isfinite(info["score"])):
            raise ValueError("reward or score is not finite")  # No record could hold it.
        quoted = episode.record(
            action,
            observation,
            float(reward),
            terminated,
            truncated,
            info,
            prompt_tokens=tokens[0],
            generated_tokens=tokens[1],
        )
    except Exception as error:
        if strict:
            raise
        # An environment promises not to raise. If it does, this episode counts as failed, and the
        # others go on.
        episode.error = f"environment raised {describe(error)} on action {action[:200]!r}"
        episode.won = False
        lane.discard()
        return None
    observer.stepped(index, episode, quoted)
    return None if terminated or truncated else observation
