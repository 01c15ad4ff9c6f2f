"""A corridor with a locked door: a complete environment of the smallest kind, for the tests.

Registered as ``toy/Corridor-v0`` when this module is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qevolve_envs.agent import Agent, PerEpisode, TaskView
from qevolve_envs.catalog import EnvEntry
from qevolve_envs.core import ActionResult, Feedback, Task, TextEnv
from qevolve_envs.errors import UnknownName
from qevolve_envs.registration import register

SIZES = {"train": 8, "unseen": 4}
COMMANDS = ("left", "right", "take key", "open door", "look")


class Corridor(TextEnv):
    """Walk to the key, take it, walk to the door, open it.

    Args:
        extra_length: Cells added to every corridor.
        **kwargs: As for `TextEnv`.
    """

    splits = ("train", "unseen")

    def __init__(self, *, extra_length: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._extra_length = extra_length
        self._length = self._key = self._position = 0
        self._has_key = self._open = False

    def task_ids(self, split: str) -> Sequence[str]:
        return [f"corridor/{split}/{n:02}" for n in range(SIZES[split])]

    def task(self, task_id: str) -> Task:
        for split in self.splits:
            if task_id in self.task_ids(split):
                number = int(task_id.rsplit("/", 1)[1]) + 100 * (split == "unseen")
                rng = np.random.default_rng(np.random.SeedSequence([7, number]))
                length = int(rng.integers(3, 7)) + self._extra_length
                content = {"length": length, "key": int(rng.integers(1, length))}
                return Task(task_id, split, "Open the door at the end of the corridor.", content)
        known = [i for split in self.splits for i in self.task_ids(split)]
        raise UnknownName.of("task", task_id, known)

    def expert(self) -> Agent:
        return PerEpisode(_Expert)

    def _begin(self, task_id: str) -> tuple[str, str]:
        task = self.task(task_id)
        self._length, self._key = task.content["length"], task.content["key"]
        self._position, self._has_key, self._open = 0, False, False
        return task.goal, f"Your task: {task.goal}\n{self._look()}"

    def _act(self, command: str) -> ActionResult:
        word = " ".join(command.lower().split())
        if word not in COMMANDS:
            return ActionResult(f"I do not know how to {command[:40]!r}.", Feedback.MALFORMED)
        if word not in self._commands():
            return ActionResult(f"You cannot {word} here.", Feedback.INVALID)
        if word == "left":
            self._position -= 1
        elif word == "right":
            self._position += 1
        elif word == "take key":
            self._has_key = True
        elif word == "open door":
            self._open = True
        return ActionResult(self._look(), Feedback.OK)

    def _progress(self) -> tuple[float, bool]:
        return (1.0 if self._open else 0.5 if self._has_key else 0.0), self._open

    def _commands(self) -> list[str]:
        commands = ["look"]
        if self._position > 0:
            commands.append("left")
        if self._position < self._length:
            commands.append("right")
        if self._position == self._key and not self._has_key:
            commands.append("take key")
        if self._position == self._length and self._has_key and not self._open:
            commands.append("open door")
        return sorted(commands)

    def _look(self) -> str:
        here = []
        if self._position == self._key and not self._has_key:
            here.append("a key")
        if self._position == self._length:
            here.append("an open door" if self._open else "a locked door")
        return f"Cell {self._position}: you see {' and '.join(here) or 'nothing'}."


class _Expert:
    """Walks right for the key, then right to the door."""

    def __init__(self, task: TaskView) -> None:
        self._has_key = False

    def __call__(self, observation: str) -> str:
        if "a key" in observation:
            self._has_key = True
            return "take key"
        if "door" in observation.rsplit("\n", 1)[-1] and self._has_key:
            return "open door"
        return "right"


ENTRY = EnvEntry(
    id="toy/Corridor-v0",
    entry_point=f"{__name__}:Corridor",
    max_episode_steps=20,
    splits=Corridor.splits,
    summary="A corridor with a locked door.",
)
register(ENTRY)
