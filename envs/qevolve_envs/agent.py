"""The agent protocol: batched, so that a language model can batch its episodes.

It lives in the lowest layer because the scripted experts of the environments implement it too;
`qevolve_bench.agents` finds agents by name and adds those that belong to the harness.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class TaskView:
    """What an agent is told about an episode when it begins. Nothing here is hidden state.

    Attributes:
        env_id: Gymnasium id of the environment.
        task_id: The task, for the record; an agent that looks it up is cheating.
        goal: The instruction.
        seed: Seed of the agent's own chance in this episode.
        commands: Returns the commands that can be executed now. Meant for baselines such as the
            random agent; it costs time only when it is called.
    """

    env_id: str
    task_id: str
    goal: str
    seed: int
    commands: Callable[[], Sequence[str]]


@runtime_checkable
class Agent(Protocol):
    """Plays a batch of episodes in lockstep."""

    def reset(self, tasks: Sequence[TaskView]) -> None:
        """Begins a batch: one episode for each task, all memory of earlier ones dropped."""

    def act(self, observations: Sequence[str | None]) -> Sequence[str]:
        """Chooses one action for each episode of the batch.

        Args:
            observations: The latest text of each episode, in the order of `reset`; None where
                the episode is over (whatever is answered there is ignored).
        """


class EpisodePolicy(Protocol):
    """Plays one episode: called with the first observation, then with each answer."""

    def __call__(self, observation: str) -> str:
        """The next action."""


class PerEpisode:
    """Makes a batched agent of a policy for single episodes.

    Args:
        start: Called with each task; returns what plays that episode.
    """

    def __init__(self, start: Callable[[TaskView], EpisodePolicy]) -> None:
        self._start = start
        self._policies: list[EpisodePolicy] = []

    def reset(self, tasks: Sequence[TaskView]) -> None:
        """Begins one policy for each task."""
        self._policies = [self._start(task) for task in tasks]

    def act(self, observations: Sequence[str | None]) -> Sequence[str]:
        """Asks the policy of each episode that is still running."""
        return [
            "" if observation is None else policy(observation)
            for policy, observation in zip(self._policies, observations, strict=True)
        ]
