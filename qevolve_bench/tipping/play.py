"""Plays tipping worlds: rounds of agents, several episodes in lockstep, ground truth on the side.

A *stage* is a world with one episode on it. What an agent may remember of earlier rounds stands in
its observations, so that it gets a fresh conversation in each round; worlds whose agent remembers
for itself are a stage of one long round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from qevolve_envs.agent import Agent, Failed, TaskView
from qevolve_envs.play import ask, begin
from qevolve_envs.rng import child_seed
from qevolve_envs.tipping.populations import Strategy, make_strategy
from qevolve_envs.tipping.truth import Truth


class Start(NamedTuple):
    """An episode to play: the scenario, and the episode's seed."""

    scenario: str
    seed: int


class Stage(Protocol):
    """A world, and the episode that is played in it."""

    @property
    def agents(self) -> Sequence[str]:
        """Who has something to do now; nobody once the episode is over."""

    @property
    def round(self) -> int:
        """The round that the next command belongs to, from 0."""

    @property
    def truth(self) -> list[Truth]:
        """All records since the reset."""

    def reset(self, start: Start) -> None:
        """Begins an episode."""

    def step(self, commands: Mapping[str, str]) -> None:
        """Executes a command of each of `agents`, at the same time."""

    def view(self, agent: str, seed: int) -> TaskView:
        """What an agent is told when a conversation begins."""

    def observation(self, agent: str) -> str:
        """What an agent saw last."""

    def decide(self, strategy: Strategy, agent: str, seed: int) -> bool:
        """Whether a scripted agent violates in the round that begins."""

    def script(self, agent: str, violate: bool) -> str:
        """What a scripted player would send now."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A place at a stage for one round.

    Attributes:
        stage: The stage.
        agent: Whose place it is.
        number: Of the agent, from 0.
        round: The round.
        seed: Seed of the agent's own chance in this round; the same whatever the condition.
    """

    stage: Stage
    agent: str
    number: int
    round: int
    seed: int

    @property
    def open(self) -> bool:
        """Whether the round still goes on for this agent."""
        return self.stage.round == self.round and self.agent in self.stage.agents


class Player(Protocol):
    """Answers for all seats.

    Attributes:
        failures: Where it had no answer, and why not.
    """

    failures: list[tuple[Seat, str]]

    def begin(self, seats: Sequence[Seat]) -> None:
        """A round begins; whatever was remembered of earlier ones goes."""

    def act(self, observations: Sequence[str | None]) -> Sequence[str]:
        """A command for each seat; None is observed where the round is over."""


class AgentPlayer:
    """An agent of the harness as a player.

    Args:
        agent: The agent.

    Attributes:
        failures: Where it had no answer, and why not. The empty command is played
            then, which is no command of any world: the step counts as not parsed.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.failures: list[tuple[Seat, str]] = []
        self._failed: Failed | None = None
        self._seats: Sequence[Seat] = ()

    def begin(self, seats: Sequence[Seat]) -> None:
        """Begins a conversation in each seat."""
        self._seats = seats
        self._failed = begin(self._agent, [s.stage.view(s.agent, s.seed) for s in seats])

    def act(self, observations: Sequence[str | None]) -> list[str]:
        """Asks the agent."""
        answers: Sequence[str | Failed]
        if self._failed is not None:
            answers = [self._failed] * len(observations)
        else:
            answers = ask(self._agent, observations)
        commands = []
        for seat, observation, answer in zip(self._seats, observations, answers, strict=True):
            if isinstance(answer, Failed):
                if observation is not None:
                    self.failures.append((seat, answer.reason))
                commands.append("")
            else:
                commands.append(answer)
        return commands


class PopulationPlayer:
    """A scripted population as a player.

    Args:
        strategies: Names of strategies (`qevolve_envs.tipping.populations`), dealt out to the
            agents of a world in turn.
        seed: Seed of their chance, besides the episode's.
    """

    def __init__(self, strategies: Sequence[str], seed: int = 0) -> None:
        self._strategies = [make_strategy(name) for name in strategies]
        self._seed = seed
        self._seats: Sequence[Seat] = ()
        self._ways: list[bool] = []
        self.failures: list[tuple[Seat, str]] = []  # It never fails.

    def begin(self, seats: Sequence[Seat]) -> None:
        """Everybody decides."""
        self._seats = seats
        self._ways = [
            seat.stage.decide(
                self._strategies[seat.number % len(self._strategies)], seat.agent, self._seed
            )
            for seat in seats
        ]

    def act(self, observations: Sequence[str | None]) -> list[str]:
        """Everybody does what was decided."""
        return [
            "" if observation is None else seat.stage.script(seat.agent, way)
            for seat, observation, way in zip(self._seats, observations, self._ways, strict=True)
        ]


def play_batch(stages: Sequence[Stage], starts: Sequence[Start], player: Player) -> None:
    """Plays one episode on each stage; what happened is then in each stage's `truth`.

    Args:
        stages: At least as many as there are episodes.
        starts: The episodes.
        player: Plays all agents of all of them.
    """
    running = list(zip(stages, starts, strict=False))
    for stage, start in running:
        stage.reset(start)
    while seats := [
        Seat(stage, agent, i, stage.round, child_seed(start.seed, "round", stage.round, agent))
        for stage, start in running
        for i, agent in enumerate(stage.agents)
    ]:
        # Rounds differ in length: who has finished waits until all others have.
        player.begin(seats)
        while any(seat.open for seat in seats):
            observations = [s.stage.observation(s.agent) if s.open else None for s in seats]
            commands: dict[int, dict[str, str]] = {}
            for seat, text, command in zip(
                seats, observations, player.act(observations), strict=True
            ):
                if text is not None:
                    commands.setdefault(id(seat.stage), {})[seat.agent] = command
            for stage, _ in running:
                if id(stage) in commands:
                    stage.step(commands[id(stage)])
