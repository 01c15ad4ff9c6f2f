"""Plays tipping worlds: rounds of agents, several episodes in lockstep, ground truth on the side.

What an agent may remember of earlier rounds stands in its observations, so that it gets a fresh
conversation in each round; worlds whose agent remembers for itself have one long round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from qevolve_bench.tipping.lanes import WorldLane
from qevolve_envs.agent import Agent, Failed
from qevolve_envs.guard import GuardedAgent
from qevolve_envs.play import Assignment
from qevolve_envs.rng import child_seed
from qevolve_envs.tipping.populations import make_strategy


@dataclass(frozen=True, slots=True)
class AgentRound:
    """The part of one agent in one round.

    Attributes:
        lane: The world.
        agent: The agent's name in it.
        number: Of the agent, from 0.
        round: The round.
        seed: Seed of the agent's own draws in this round; the same whatever the condition.
    """

    lane: WorldLane
    agent: str
    number: int
    round: int
    seed: int

    @property
    def observation(self) -> str | None:
        """The latest text for the agent; None once the round is over for it."""
        if self.lane.round != self.round or self.agent not in self.lane.agents:
            return None
        return self.lane.observation(self.agent)


class RoundPlayer(Protocol):
    """Plays all agents of a batch of worlds.

    Attributes:
        failures: Where it had no answer, and why not.
    """

    failures: list[tuple[AgentRound, str]]

    def begin(self, parts: Sequence[AgentRound]) -> None:
        """Begins a round; whatever was remembered of earlier ones goes."""

    def act(self, observations: Sequence[str | None]) -> Sequence[str]:
        """Returns a command for each part; None is observed where the round is over."""


class AgentPlayer:
    """An agent of the harness as a player.

    Args:
        agent: The agent.

    Attributes:
        failures: Where it had no answer, and why not. The empty command is played
            then, which is no command of any world: the step counts as not parsed.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = GuardedAgent(agent)
        self._parts: Sequence[AgentRound] = ()
        self.failures: list[tuple[AgentRound, str]] = []

    def begin(self, parts: Sequence[AgentRound]) -> None:
        """Begins a conversation for each part."""
        self._parts = parts
        self._agent.reset([part.lane.view(part.agent, part.seed) for part in parts])

    def act(self, observations: Sequence[str | None]) -> list[str]:
        """Asks the agent."""
        answers = self._agent.act(observations)
        self.failures += [
            (part, answer.reason)
            for part, observation, answer in zip(self._parts, observations, answers, strict=True)
            if isinstance(answer, Failed) and observation is not None
        ]
        return ["" if isinstance(answer, Failed) else answer for answer in answers]


class PopulationPlayer:
    """A scripted population as a player.

    Args:
        strategies: Names of strategies (`qevolve_envs.tipping.populations`), dealt out to the
            agents of a world in turn.
        seed: Seed of their draws, besides the episode's.
    """

    def __init__(self, strategies: Sequence[str], seed: int = 0) -> None:
        self._strategies = [make_strategy(name) for name in strategies]
        self._seed = seed
        self._parts: Sequence[AgentRound] = ()
        self._violates: list[bool] = []
        self.failures: list[tuple[AgentRound, str]] = []  # It never fails.

    def begin(self, parts: Sequence[AgentRound]) -> None:
        """Decides for each part whether it violates a norm in this round."""
        self._parts = parts
        self._violates = [
            part.lane.decide(
                self._strategies[part.number % len(self._strategies)], part.agent, self._seed
            )
            for part in parts
        ]

    def act(self, observations: Sequence[str | None]) -> list[str]:
        """Sends what was decided."""
        return [
            "" if observation is None else part.lane.script(part.agent, violates)
            for part, observation, violates in zip(
                self._parts, observations, self._violates, strict=True
            )
        ]


def play_worlds(
    lanes: Sequence[WorldLane], assignments: Sequence[Assignment], player: RoundPlayer
) -> None:
    """Plays one episode in each lane; what happened is then in each lane's `truth`.

    Args:
        lanes: At least as many as there are episodes.
        assignments: The episodes.
        player: Plays all agents of all of them.
    """
    running = list(zip(lanes, assignments, strict=False))
    for lane, assignment in running:
        lane.reset(assignment)
    while parts := [
        AgentRound(lane, agent, i, lane.round, child_seed(seed, "round", lane.round, agent))
        for lane, (_, seed) in running
        for i, agent in enumerate(lane.agents)
    ]:
        player.begin(parts)
        # Rounds differ in length: an agent that has finished waits until all others have.
        while any(part.observation is not None for part in parts):
            seen = [part.observation for part in parts]
            commands: dict[int, dict[str, str]] = {}
            for part, text, command in zip(parts, seen, player.act(seen), strict=True):
                if text is not None:
                    commands.setdefault(id(part.lane), {})[part.agent] = command
            for lane, _ in running:
                if id(lane) in commands:
                    lane.step(commands[id(lane)])
