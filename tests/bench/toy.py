"""A corridor of rooms with a door at one end: the smallest world with tasks, chance and a bug.

Importing this module registers ``benchtoy/Corridor-v0``; tests also copy it into a folder
of its own, to be found there as ``toy:benchtoy/Corridor-v0``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium

from qevolve_envs.agent import Agent, PerEpisode
from qevolve_envs.core import ActionResult, Feedback, Task, TextEnv
from qevolve_envs.errors import UnknownName

SIZES = {"small": 3, "large": 6}
PANELS = {"train": 12, "test": 5}


class CorridorEnv(TextEnv):
    """A corridor with a door at its right end."""

    splits = tuple(PANELS)

    def __init__(self, *, size: str = "small", data: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if size not in SIZES:
            raise UnknownName.of("size", size, SIZES)
        if data is not None:
            Path(data).open().close()
        self.length = SIZES[size]
        self.place = 0

    def task_ids(self, split: str) -> Sequence[str]:
        return [f"corridor/{split}/{i:04d}" for i in range(PANELS[split])]

    def task(self, task_id: str) -> Task:
        known = [t for split in PANELS for t in self.task_ids(split)]
        if task_id not in known:
            raise UnknownName.of("task", task_id, known)
        start = int(task_id[-4:]) % 3
        return Task(task_id, task_id.split("/")[1], "Reach the door.", {"start": start})

    def _begin(self, task_id: str) -> tuple[str, str]:
        task = self.task(task_id)
        self.place = -task.content["start"]
        return task.goal, self._look()

    def _act(self, command: str) -> ActionResult:
        if command == "crash":
            self.place = 10**6  # A broken world must not reach the next episode.
            raise RuntimeError("the world\nends")
        if command == "roll":
            return ActionResult(f"You roll {self.np_random.integers(10**6)}.", Feedback.OK)
        if command == "left":
            self.place -= 1
        elif command == "right":
            self.place += 1
        elif command != "look":
            return ActionResult("What?", Feedback.MALFORMED)
        return ActionResult(self._look(), Feedback.OK)

    def _look(self) -> str:
        return f"You are {self.length - self.place} rooms from the door."

    def _progress(self) -> tuple[float, bool]:
        won = self.place >= self.length
        return (1.0 if won else max(0.0, self.place / self.length)), won

    def _commands(self) -> list[str]:
        return ["left", "look", "right", "roll"]

    def expert(self) -> Agent:
        return PerEpisode(lambda task: lambda observation: "right")


ENTRY = {"max_episode_steps": 10, "disable_env_checker": True}
if "benchtoy/Corridor-v0" not in gymnasium.registry:
    gymnasium.register("benchtoy/Corridor-v0", CorridorEnv, **ENTRY)
    gymnasium.register("benchtoy/Endless-v0", CorridorEnv)
    gymnasium.register("benchtoy/Missing-v0", "no_such_module_at_all:Env", max_episode_steps=3)
