"""A shorter horizon, long enough for whoever knows what to do."""

from __future__ import annotations

import math

from qevolve_envs.agent import TaskView
from qevolve_envs.core import TextEnv
from qevolve_envs.language import NO_LANGUAGE, Language
from qevolve_envs.perturb.layer import Layer

#: Severity -> share of the horizon that is left.
LEFT = (0.8, 0.6, 0.4)


class Horizon(Layer):
    """Leaves a share of the horizon, but never fewer steps than the expert needs for the task.

    That is guaranteed by playing: before a task begins for the first time, the scripted expert
    plays it in the clean world. A task that the expert does not solve keeps its whole horizon,
    because nothing proves that fewer steps would do.
    """

    def __init__(self, severity: int, language: Language = NO_LANGUAGE) -> None:
        super().__init__(severity, language)
        self._needed: dict[tuple[str, int], int] = {}

    def limit(self, world: TextEnv, task_id: str, horizon: int) -> int:
        """The shortened horizon of a task."""
        key = task_id, horizon
        if key not in self._needed:
            self._needed[key] = expert_steps(world, task_id, horizon)
        return max(math.ceil(LEFT[self.severity - 1] * horizon), self._needed[key])


def expert_steps(world: TextEnv, task_id: str, horizon: int) -> int:
    """Steps in which the world's expert solves a task; the horizon where it does not.

    The world is left in the middle of that episode.
    """
    observation, info = world.reset(options={"task": task_id})
    expert = world.expert()
    expert.reset([TaskView("", task_id, info["goal"], 0, world.admissible_commands)])
    for step in range(1, horizon + 1):
        action = expert.act([observation])[0]
        observation, _, terminated, truncated, info = world.step(str(action))
        if info["won"]:
            return step
        if terminated or truncated:
            break
    return horizon
