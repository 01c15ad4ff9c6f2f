"""Policy x environment -> trajectories: how learners meet the world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import gymnasium

from qevolve_baselines.data.transcript import Trajectory, Transcript
from qevolve_baselines.model.agent import PolicyAgent
from qevolve_baselines.model.policy import Policy
from qevolve_baselines.run import parallel
from qevolve_envs.agent import Agent, TaskView
from qevolve_envs.core import TextEnv
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError
from qevolve_envs.perturb import perturb
from qevolve_envs.registration import register_all
from qevolve_envs.rng import Chance

_CHANCE = Chance(entropy=20260608)


class Start(NamedTuple):
    """An episode to play: the task, and the episode's seed."""

    task_id: str
    seed: int


@dataclass(slots=True)
class World:
    """What a learner is told about the environment: how to make copies of it.

    Attributes:
        env_id: Gymnasium id.
        split: The panel to learn on.
        kwargs: Further arguments of the environment.
        horizon: Steps of an episode; None for the registered number.
        tasks: The tasks to learn on, if not all of the split. A study keeps some apart for tuning.
    """

    env_id: str
    split: str = "train"
    kwargs: dict[str, Any] = field(default_factory=dict)
    horizon: int | None = None
    tasks: tuple[str, ...] | None = None

    def make(self) -> gymnasium.Env[str, str]:
        """One copy of the environment, with its horizon."""
        if self.env_id not in gymnasium.registry:
            register_all()  # It looks through all that is installed, which takes its time.
        kwargs = dict(self.kwargs)
        perturbation = kwargs.pop("perturbation", None)
        if self.horizon is not None:
            kwargs["max_episode_steps"] = self.horizon
        env = gymnasium.make(self.env_id, split=self.split, disable_env_checker=True, **kwargs)
        return env if perturbation is None else perturb(env, perturbation)

    def steps(self) -> int:
        """Most steps of an episode."""
        env = self.make()
        try:
            longest = env.spec.max_episode_steps if env.spec is not None else None
        finally:
            env.close()
        if longest is None:
            raise BenchError(f"{self.env_id} has no horizon: give one (--horizon).")
        return longest

    def task_ids(self) -> Sequence[str]:
        """The tasks to learn on."""
        if self.tasks is not None:
            return self.tasks
        env = self.make()
        try:
            return tuple(_inner(env).task_ids(self.split))
        finally:
            env.close()

    def expert(self) -> Agent:
        """The environment's scripted expert."""
        env = self.make()
        try:
            return _inner(env).expert()
        finally:
            env.close()


def _inner(env: gymnasium.Env[str, str]) -> TextEnv:
    inner = env.unwrapped
    if not isinstance(inner, TextEnv):
        raise BenchError(
            f"{type(inner).__name__} is not a text environment with tasks (a TextEnv)."
        )
    return inner


def draw_starts(tasks: Sequence[str], count: int, seed: int, *names: str | int) -> list[Start]:
    """Draws `count` episodes over tasks, each task once before any comes again.

    Args:
        tasks: The panel.
        count: How many.
        seed: Seed of the draw and of the episodes.
        names: What the draw is for; another name draws independently.
    """
    starts: list[Start] = []
    lap = 0
    while len(starts) < count:
        rng = _CHANCE.generator("starts", seed, *names, lap)
        for index in rng.permutation(len(tasks))[: count - len(starts)]:
            task = tasks[int(index)]
            starts.append(Start(task, episode_seed(seed, *names, lap, task)))
        lap += 1
    return starts


def episode_seed(seed: int, *names: str | int) -> int:
    """The seed of the episode that `names` tell apart."""
    return int(_CHANCE.generator("episode", seed, *names).integers(2**32))


class Collector:
    """Plays episodes and keeps its environments.

    Args:
        world: Where to play.
        batch_size: Episodes in lockstep.
    """

    def __init__(self, world: World, batch_size: int) -> None:
        self.world = world
        self.batch_size = batch_size
        self._envs: list[gymnasium.Env[str, str]] = []

    def play(
        self,
        agent: Agent,
        starts: Sequence[Start],
        *,
        name: str,
        on_batch: Callable[[Sequence[Episode]], bool] | None = None,
        room: Callable[[], int] | None = None,
    ) -> list[Trajectory]:
        """Plays episodes in lockstep batches.

        Args:
            agent: Plays them; the trajectories of a `PolicyAgent` hold its tokens.
            starts: Which ones.
            name: What the episodes call the agent.
            on_batch: Called after each batch; False ends the collection there.
            room: Called before each batch: how many episodes it may hold at most.

        Returns:
            The trajectories, in the order of `starts`.
        """
        found: list[Trajectory] = []
        first = 0
        while first < len(starts):
            size = self.batch_size if room is None else min(self.batch_size, max(1, room()))
            batch = starts[first : first + size]
            first += size
            mine = parallel.share(batch)
            trajectories = parallel.gather(self._batch(agent, mine, name) if mine else [])
            found += trajectories
            if on_batch is not None and not on_batch([t.episode for t in trajectories]):
                break
        return found

    def _batch(self, agent: Agent, starts: Sequence[Start], name: str) -> list[Trajectory]:
        while len(self._envs) < len(starts):
            self._envs.append(self.world.make())
        episodes, views = [], []
        observations: list[str | None] = []
        recorded = dict(self.world.kwargs)
        if self.world.horizon is not None:
            recorded["max_episode_steps"] = self.world.horizon
        for env, start in zip(self._envs, starts, strict=False):
            observation, info = env.reset(seed=start.seed, options={"task": start.task_id})
            episode = Episode(
                env_id=self.world.env_id,
                env_kwargs=dict(recorded),
                task_id=start.task_id,
                split=self.world.split,
                seed=start.seed,
                agent=name,
            )
            episode.begin(observation, info)
            episodes.append(episode)
            observations.append(observation)
            views.append(
                TaskView(
                    env_id=self.world.env_id,
                    task_id=start.task_id,
                    goal=episode.goal,
                    seed=start.seed,
                    commands=_inner(env).admissible_commands,
                )
            )
        agent.reset(views)
        usage = getattr(agent, "usage", None)
        while any(observation is not None for observation in observations):
            actions = agent.act(list(observations))
            spent = usage() if usage is not None else [(0, 0)] * len(actions)
            for i, action in enumerate(actions):
                if observations[i] is None:
                    continue
                if not isinstance(action, str):
                    raise BenchError(f"{name} gave up on {episodes[i].task_id}: {action.reason}.")
                observation, reward, terminated, truncated, info = self._envs[i].step(action)
                episodes[i].record(
                    action,
                    observation,
                    float(reward),
                    terminated,
                    truncated,
                    info,
                    prompt_tokens=spent[i][0],
                    generated_tokens=spent[i][1],
                )
                observations[i] = None if terminated or truncated else observation
        return [
            Trajectory(episode, _final(agent, i, episode)) for i, episode in enumerate(episodes)
        ]

    def close(self) -> None:
        """Closes the environments."""
        for env in self._envs:
            env.close()
        self._envs = []


def _final(agent: Agent, index: int, episode: Episode) -> list[Transcript]:
    """An episode's transcripts, what the environment said last included."""
    if not isinstance(agent, PolicyAgent):
        return []
    return agent.finish(index, episode.steps[-1].observation) if episode.steps else []


def collect(
    policy: Policy,
    collector: Collector,
    starts: Sequence[Start],
    *,
    temperature: float,
    name: str,
    on_batch: Callable[[Sequence[Episode]], bool] | None = None,
    room: Callable[[], int] | None = None,
) -> list[Trajectory]:
    """Samples episodes with a policy; see `Collector.play`."""
    agent = PolicyAgent(policy, temperature=temperature)
    return collector.play(agent, starts, name=name, on_batch=on_batch, room=room)


def demonstrate(world: World, count: int, seed: int, batch_size: int = 64) -> list[Episode]:
    """Lets the environment's expert play training tasks; only won episodes are kept.

    Args:
        world: Where to play.
        count: Episodes to play, each task once before any comes again.
        seed: Seed of the draw.
        batch_size: Episodes in lockstep.

    Raises:
        BenchError: When no episode is won.
    """
    collector = Collector(world, batch_size)
    try:
        starts = draw_starts(world.task_ids(), count, seed, "demonstrations")
        played = collector.play(world.expert(), starts, name="expert")
    finally:
        collector.close()
    won = [t.episode for t in played if t.episode.won]
    if not won:
        raise BenchError(f"The expert of {world.env_id} won none of {count} episodes.")
    return won
