"""Base class of perturbations, and the random numbers that they draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from qevolve_envs.core import TextEnv
from qevolve_envs.language import NO_LANGUAGE, Language
from qevolve_envs.rng import RandomStream, SeedTree

#: All draws of all perturbations; its entropy names their version.
SEEDS = SeedTree(entropy=20261122)


@dataclass(frozen=True, slots=True)
class Moment:
    """One call of an episode, as the layers see it.

    Attributes:
        task_id: The task.
        step: Number of the action, from 1; 0 is the reset.
        commands: What can be done now, in the agent's words; it costs time when it is called.
        episode: Seed of the episode, and number of resets since it was given.
    """

    task_id: str
    step: int
    commands: Callable[[], Sequence[str]]
    episode: tuple[int, int]

    def stream(self, name: str, step: int | None = None) -> RandomStream:
        """The draws of a perturbation at this step, or at another one of this episode.

        What happens at a step depends on the task, the seed of the episode and the number of the
        step, never on what was done before. At the reset the seed does not matter: a task begins
        the same in every episode (`testing.check_tasks`). The severity does not matter either, so
        that what a low one disturbs, a high one disturbs too.
        """
        step = self.step if step is None else step
        episode = self.episode if step else ()
        return SEEDS.stream(name, self.task_id, *episode, step)


class Layer:
    """One perturbation at one severity; the base class changes nothing.

    A layer may keep what it computes of a task, but nothing of the course of an episode.

    Args:
        severity: 1, 2 or 3.
        language: The world's.
    """

    def __init__(self, severity: int, language: Language = NO_LANGUAGE) -> None:
        self.severity = severity
        self.language = language
        self._instruction = ""

    def enter(self, world: TextEnv, task_id: str) -> None:
        """Changes the world itself; called before each reset of it."""

    def limit(self, world: TextEnv, task_id: str, horizon: int) -> int:
        """The horizon of a task; called before the world is reset, which it may use."""
        return horizon

    def begin(self, task_id: str, goal: str) -> None:
        """An episode begins; `goal` is the instruction as the layers below leave it."""
        self._instruction = goal

    def goal(self, task_id: str, goal: str) -> str:
        """The instruction as the agent reads it: a pure function of the arguments."""
        return goal

    def observe(self, text: str, moment: Moment) -> str:
        """Changes a text of the world for the agent."""
        return text

    def act(self, command: str, moment: Moment) -> str:
        """Changes a command of the agent for the world."""
        return command

    def say(self, command: str) -> str:
        """Changes a command of the world into the agent's words; `act` turns them back."""
        return command

    def fails(self, moment: Moment) -> bool:
        """Tells whether the action of this step never reaches the world."""
        return False


def outside(text: str, goal: str, change: Callable[[str], str]) -> str:
    """Changes a text everywhere but in the occurrences of the instruction, plain or as HTML."""
    for kept in (goal, escape(goal)):
        if kept and kept in text:
            return kept.join(change(part) if part else part for part in text.split(kept))
    return change(text)
