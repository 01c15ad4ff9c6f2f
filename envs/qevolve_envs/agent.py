"""The agent protocol: batched, so that a language model can batch its episodes.

An agent must be an `Agent`. It may besides, found by ``isinstance``, be one that `ReportsUsage`
(how many tokens it read and wrote) and one that `Describes` itself (for the record of a run).

The protocol lives in the lowest layer because the scripted experts of the environments implement it
too; `qevolve_bench.agents` finds agents by name and adds those that belong to the harness.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class TaskView:
    """Description of an episode that an agent gets when it begins; it holds no hidden state.

    Attributes:
        env_id: Gymnasium id of the environment.
        task_id: The task, for the record; an agent that looks it up is cheating.
        goal: The instruction.
        seed: Seed of the agent's own random draws in this episode.
        commands: Returns the commands that can be executed now. Meant for baselines such as the
            random agent; it costs time only when it is called.
    """

    env_id: str
    task_id: str
    goal: str
    seed: int
    commands: Callable[[], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Failed:
    """Stands in an agent's answers where it has none: that episode fails, the others go on.

    An exception out of `Agent.act`, in contrast, fails all episodes of the batch that still run.

    Attributes:
        reason: One sentence without a line break; it becomes `Episode.error`.
    """

    reason: str


@runtime_checkable
class Agent(Protocol):
    """Plays a batch of episodes in lockstep."""

    def reset(self, tasks: Sequence[TaskView]) -> None:
        """Begins a batch: one episode for each task, all memory of earlier ones dropped."""

    def act(self, observations: Sequence[str | None]) -> Sequence[str | Failed]:
        """Chooses one action for each episode of the batch.

        Args:
            observations: The latest text of each episode, in the order of `reset`; None where
                the episode is over (whatever is answered there is ignored).

        Returns:
            The actions, in the same order; `Failed` where an episode cannot be continued.
        """


@runtime_checkable
class ReportsUsage(Protocol):
    """An agent that counts its tokens."""

    def usage(self) -> Sequence[tuple[int, int]]:
        """(prompt tokens read, tokens generated) of the last `Agent.act`, for each episode.

        In the order of `Agent.reset`; (0, 0) where the episode was over or where nothing is known.
        A runner reads it right after `act` and puts it into that step's record.
        """


@runtime_checkable
class Describes(Protocol):
    """An agent that says what it is, so that a run's manifest can."""

    def describe(self) -> dict[str, Any]:
        """A JSON object, the same for the same agent: model, prompt, decoding.

        Never a secret, never a private host name, nothing of this machine and no time of day: two
        runs of the same agent must describe it by the same bytes.
        """


class EpisodePolicy(Protocol):
    """Plays one episode: called with the first observation, then with each answer."""

    def __call__(self, observation: str) -> str | Failed:
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

    def act(self, observations: Sequence[str | None]) -> Sequence[str | Failed]:
        """Asks the policy of each episode that is still running."""
        return [
            "" if observation is None else policy(observation)
            for policy, observation in zip(self._policies, observations, strict=True)
        ]

    def act_one(self, index: int, observation: str) -> str | Failed:
        """Asks the policy of one episode; what it raises then concerns no other."""
        return self._policies[index](observation)
