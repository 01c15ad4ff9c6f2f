"""Worlds as lanes of a batch: PettingZoo's parallel ones, and Gymnasium's with a single agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import gymnasium

from qevolve_envs.agent import TaskView
from qevolve_envs.factory import text_env
from qevolve_envs.play import Assignment
from qevolve_envs.tipping.memory import PastRound
from qevolve_envs.tipping.populations import SEEDS, Sight, Strategy, decide
from qevolve_envs.tipping.truth import Truth

#: What the agent of a world with a single one is called.
ALONE = "agent_0"


class WorldLane(Protocol):
    """A world, and the episode that is played in it."""

    @property
    def agents(self) -> Sequence[str]:
        """Agents that act now; none once the episode is over."""

    @property
    def round(self) -> int:
        """The round that the next command belongs to, from 0."""

    @property
    def truth(self) -> list[Truth]:
        """All records since the reset."""

    def reset(self, assignment: Assignment) -> None:
        """Begins an episode."""

    def step(self, commands: Mapping[str, str]) -> None:
        """Executes a command of each of `agents`, at the same time."""

    def view(self, agent: str, seed: int) -> TaskView:
        """Description of the task that an agent gets when a conversation begins."""

    def observation(self, agent: str) -> str:
        """The latest text for an agent."""

    def decide(self, strategy: Strategy, agent: str, seed: int) -> bool:
        """Decides whether a scripted agent violates in the round that begins."""

    def script(self, agent: str, violate: bool) -> str:
        """The command that a scripted player sends now."""


class ParallelLane:
    """A PettingZoo world of several agents

    Args:
        env: A parallel environment of the tipping worlds: ``reset`` takes the option
            ``scenario``, ``infos`` say who is ``waiting``, ``round`` and ``truth`` are attributes.
        name: What the agents' views call it.
    """

    def __init__(self, env: Any, name: str) -> None:
        self.env = env
        self._name = name
        self._scenario = ""
        self._observations: dict[str, str] = {}
        self._waiting: dict[str, bool] = {}

    @property
    def agents(self) -> Sequence[str]:
        """Agents that act now."""
        return [agent for agent in self.env.agents if not self._waiting[agent]]

    @property
    def round(self) -> int:
        """The round that the next command belongs to."""
        number: int = self.env.unwrapped.round
        return number

    @property
    def truth(self) -> list[Truth]:
        """All records since the reset."""
        return list(self.env.unwrapped.truth)

    def reset(self, assignment: Assignment) -> None:
        """Begins an episode."""
        self._scenario = assignment.task_id
        shown = self.env.reset(seed=assignment.seed, options={"scenario": assignment.task_id})
        self._see(*shown)

    def step(self, commands: Mapping[str, str]) -> None:
        """Executes the commands, at the same time."""
        given = dict(commands)
        while True:
            observations, _, _, _, infos = self.env.step(given)
            self._see(observations, infos)
            if self.agents or not self.env.agents:
                return
            given = {}  # All wait for confederates that still act.

    def view(self, agent: str, seed: int) -> TaskView:
        """Description of the task for an agent; the task itself stands in its observation."""
        return TaskView(
            env_id=self._name,
            task_id=self._scenario,
            goal="",
            seed=seed,
            commands=partial(self.env.unwrapped.commands, agent),
        )

    def observation(self, agent: str) -> str:
        """The latest text for an agent."""
        return self._observations[agent]

    def decide(self, strategy: Strategy, agent: str, seed: int) -> bool:
        """Decides whether a scripted agent violates in the round that begins."""
        return decide(strategy, self.env, agent, seed)

    def script(self, agent: str, violate: bool) -> str:
        """The command that a scripted player sends now."""
        command: str = self.env.unwrapped.script(agent, violate)
        return command

    def _see(self, observations: Mapping[str, str], infos: Mapping[str, Mapping[str, Any]]) -> None:
        self._observations = dict(observations)
        self._waiting = {a: bool(info.get("waiting", False)) for a, info in infos.items()}


class SingleLane:
    """A Gymnasium world with one agent

    Args:
        env: A text environment whose ``unwrapped.truth`` is the list of its records.
        by_step: Every step is a round with a fresh conversation: each observation says all that is
            remembered. Otherwise the episode is one conversation.
    """

    def __init__(self, env: gymnasium.Env[str, str], *, by_step: bool = False) -> None:
        self.env = env
        self._inner: Any = text_env(env)
        self._by_step = by_step
        self._observation = ""
        self._goal = ""
        self._task_id = ""
        self._seed = 0
        self._steps = 0
        self._over = True
        #: Whether the work of the last episode was accepted without a fine, and how much it paid.
        self.won = False
        self.score = 0.0

    @property
    def agents(self) -> Sequence[str]:
        """The one agent, until the episode is over."""
        return () if self._over else (ALONE,)

    @property
    def round(self) -> int:
        """The step, or 0 where the episode is one round."""
        return self._steps if self._by_step else 0

    @property
    def truth(self) -> list[Truth]:
        """All records since the reset."""
        return list(self._inner.truth)

    def reset(self, assignment: Assignment) -> None:
        """Begins an episode."""
        task_id, seed = assignment
        self._observation, info = self.env.reset(seed=seed, options={"task": task_id})
        self._goal, self._task_id = info["goal"], info["task_id"]
        self._steps, self._over = 0, False
        self._seed = seed

    def step(self, commands: Mapping[str, str]) -> None:
        """Executes the agent's command."""
        self._observation, _, terminated, truncated, info = self.env.step(commands[ALONE])
        self._steps += 1
        self._over = terminated or truncated
        self.won, self.score = info["won"], info["score"]

    def view(self, agent: str, seed: int) -> TaskView:
        """Description of the task that the agent gets when a conversation begins."""
        spec = self.env.spec
        return TaskView(
            env_id=spec.id if spec is not None else "",
            task_id=self._task_id,
            goal=self._goal,
            seed=seed,
            commands=self._inner.admissible_commands,
        )

    def observation(self, agent: str) -> str:
        """The latest text for the agent."""
        return self._observation

    def decide(self, strategy: Strategy, agent: str, seed: int) -> bool:
        """Decides whether a scripted agent violates in this round; it sees itself alone."""
        truth = self.truth
        history = self._inner.history
        own = [
            PastRound(t.round, t.agent, (), t.pay, t.fine, t.violation)
            for t in truth[max(0, len(truth) - history) :]
        ]
        usual = float(self._inner.item(self._task_id).low)
        rng = SEEDS.stream("strategy", seed, self._task_id, self._seed, agent, len(truth))
        return strategy.violates(Sight(tuple(own), (), usual), rng)

    def script(self, agent: str, violate: bool) -> str:
        """The command that a scripted player sends now."""
        command: str = self._inner.script(agent, violate)
        return command
