"""A text environment seen through perturbations: itself a `TextEnv`, with the same tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from qevolve_envs.agent import Agent
from qevolve_envs.core import MAX_ACTION, REWARDS, ActionResult, Feedback, Task, TextEnv
from qevolve_envs.perturb.layer import Layer, Moment


class PerturbedEnv(TextEnv):
    """Plays the tasks of another environment, with layers between the world and the agent.

    It is an environment rather than a Gymnasium wrapper, so that `unwrapped` is what the agent
    plays: instruction, observations and admissible commands are the perturbed ones, also for who
    asks `env.unwrapped.admissible_commands()`.

    Score, success, reward and the end of the episode are the world's. So is the feedback, with two
    exceptions that follow from what `Feedback` means:

    - An action that fails silently never reaches the world, which stays as it was. The agent is
      shown once more what it saw before, and the feedback is UNCHANGED, whatever the action was:
      a learner that reads it learns that this step achieved nothing.
    - If the agent is shown exactly the text it saw before, OK becomes UNCHANGED, as everywhere.

    The horizon counts actions that reach the world, because what fails silently must not make a
    task unsolvable; an episode is truncated by this environment itself.

    Args:
        world: The environment below. It belongs to this one from now on.
        layers: From the world to the agent.
        perturbation: How it was asked for, such as ``"typos:2"``.
        horizon: The world's horizon; None for none.
    """

    def __init__(
        self,
        world: TextEnv,
        layers: Sequence[Layer],
        perturbation: str,
        horizon: int | None = None,
    ) -> None:
        self.splits = world.splits  # type: ignore[misc]
        self.rewards = world.rewards  # type: ignore[misc]
        super().__init__(
            split=world.split,
            reward=world.reward,
            admissible=world.admissible,
            render_mode=world.render_mode,
        )
        self.world = world
        self.layers = tuple(layers)
        self.perturbation = perturbation
        self.horizon = horizon
        self.observation_space = world.observation_space
        self.action_space = world.action_space
        self._given: int | None = None
        self._resets = 0
        self._moment = Moment("", 0, list, (0, 0))
        self._limit: int | None = horizon
        self._delivered = 0
        self._result: tuple[float, bool] = (0.0, False)
        self._paid = 0.0
        self._ended = self._cut = False

    # ── tasks ───────────────────────────────────────────────────────────────

    def task_ids(self, split: str) -> Sequence[str]:
        """The world's panel."""
        return self.world.task_ids(split)

    def task(self, task_id: str) -> Task:
        """The world's task, with the instruction as the agent reads it."""
        task = self.world.task(task_id)
        content = {**task.content, "perturbation": self.perturbation}
        return Task(task.id, task.split, self._goal_of(task_id, task.goal), content)

    def expert(self) -> Agent:
        """The world's expert. It knows of no perturbation, and that is what is measured."""
        return self.world.expert()

    def _goal_of(self, task_id: str, goal: str) -> str:
        for layer in self.layers:
            goal = layer.goal(task_id, goal)
        return goal

    # ── an episode ──────────────────────────────────────────────────────────

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Starts an episode; `seed` also seeds what the perturbations draw. See `TextEnv`."""
        self._given = seed
        return super().reset(seed=seed, options=options)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Executes one command; see `TextEnv` and the docstring of this class."""
        self._paid = 0.0
        observation, reward, terminated, _, info = super().step(action)
        if self.reward not in REWARDS:
            # A form of the world's own, which only the world can pay.
            reward = self._paid
        cut = self._cut or (self._limit is not None and self._delivered >= self._limit)
        return observation, reward, terminated, cut, info

    def _begin(self, task_id: str) -> tuple[str, str]:
        # Later episodes of one seed are told apart by their number, and draw nothing of their own:
        # the tasks that follow are those that the clean environment would draw.
        self._resets = 0 if self._given is not None else self._resets + 1
        seed = self.np_random_seed if self._given is None else self._given
        world = self.world
        self._limit = self.horizon
        for layer in self.layers:
            layer.enter(world, task_id)
        for layer in self.layers:
            if self._limit is not None:
                self._limit = layer.limit(world, task_id, self._limit)
        text, info = world.reset(seed=self._given, options={"task": task_id})
        self._take(info, ended=False, cut=False)
        self._delivered = 0
        goal = info["goal"]
        for layer in self.layers:
            layer.begin(task_id, goal)
            goal = layer.goal(task_id, goal)
        self._moment = Moment(task_id, 0, self._commands, (seed, self._resets))
        return goal, self._shown(text)

    def _act(self, command: str) -> ActionResult:
        self._moment = moment = replace(self._moment, step=self._moment.step + 1)
        if any(layer.fails(moment) for layer in self.layers):
            return ActionResult(self.last_observation, Feedback.UNCHANGED)
        self._delivered += 1
        if len(command) <= MAX_ACTION:  # What is longer is malformed in every world.
            for layer in reversed(self.layers):
                command = layer.act(command, moment)
        text, self._paid, terminated, truncated, info = self.world.step(command)
        self._take(info, ended=terminated, cut=truncated)
        return ActionResult(self._shown(text), info["feedback"])

    def _shown(self, text: str) -> str:
        for layer in self.layers:
            text = layer.observe(text, self._moment)
        return text

    def _take(self, info: dict[str, Any], *, ended: bool, cut: bool) -> None:
        self._result = float(info["score"]), bool(info["won"])
        self._ended, self._cut = ended, cut

    def _progress(self) -> tuple[float, bool]:
        return self._result

    def _over(self) -> bool:
        return self._ended

    def _commands(self) -> list[str]:
        return sorted({self.say(command) for command in self.world.admissible_commands()})

    def say(self, command: str) -> str:
        """The agent's words for a command of the world, such as one of the true expert's."""
        for layer in self.layers:
            command = layer.say(command)
        return command

    def close(self) -> None:
        """Closes the world."""
        self.world.close()
