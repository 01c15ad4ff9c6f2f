"""The smallest world and policy that a learner can be tested on.

Importing this module registers ``tiny/Hall-v0``: a key, and doors of several colours, one of which
is to be opened. An expert needs three steps, the horizon is six, and all kinds of feedback occur.
Test modules say ``import tiny`` (the folder's conftest makes that work).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import gymnasium
import torch

from qevolve_baselines.collect import Collector, demonstrate
from qevolve_baselines.data.transcript import Trajectory
from qevolve_baselines.learners.base import Learner
from qevolve_baselines.learners.sft import SFT, SFTConfig
from qevolve_baselines.model.agent import PolicyAgent
from qevolve_baselines.model.policy import Policy, ScratchConfig, TranscriptConfig
from qevolve_baselines.optim import OptimConfig
from qevolve_baselines.run.ledger import Budget
from qevolve_baselines.run.run import Run
from qevolve_envs.agent import Agent, PerEpisode, TaskView
from qevolve_envs.core import ActionResult, Feedback, Task, TextEnv
from qevolve_envs.episode import Episode
from qevolve_envs.errors import UnknownName
from qevolve_envs.play import EnvConfig, draw_tasks

COLOURS = ("red", "blue", "green", "white")
PANELS = {"train": 12, "unseen": 4}
ENV_ID = "tiny/Hall-v0"
HORIZON = 6
TRANSCRIPTS = TranscriptConfig(context=256, max_action_tokens=8, max_observation_tokens=48)


class HallEnv(TextEnv):
    """Take the key, go to the door of the goal's colour, open it."""

    splits = tuple(PANELS)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._colour = self._at = ""
        self._key = self._open = False

    def task_ids(self, split: str) -> Sequence[str]:
        return [f"hall/{split}/{i:02}" for i in range(PANELS[split])]

    def task(self, task_id: str) -> Task:
        known = [t for split in PANELS for t in self.task_ids(split)]
        if task_id not in known:
            raise UnknownName.of("task", task_id, known)
        number = int(task_id[-2:])
        colour = COLOURS[number % len(COLOURS)]
        rooms = 1 + number // len(COLOURS)
        return Task(
            task_id,
            task_id.split("/")[1],
            f"Open the {colour} door.",
            {"colour": colour, "rooms": rooms},
        )

    def expert(self) -> Agent:
        return PerEpisode(_Expert)

    def _begin(self, task_id: str) -> tuple[str, str]:
        task = self.task(task_id)
        self._colour, self._at = task.content["colour"], "hall"
        self._key = self._open = False
        # Tasks differ in length, so that batches are ragged.
        size = "long " * task.content["rooms"]
        return task.goal, f"Your task: {task.goal}\nYou are in a {size}hall. Here is a key."

    def _act(self, command: str) -> ActionResult:
        words = command.split()
        if words == ["take", "key"]:
            if self._key or self._at != "hall":
                return ActionResult("There is no key.", Feedback.INVALID)
            self._key = True
            return ActionResult("You have the key.", Feedback.OK)
        if len(words) == 2 and words[0] == "go" and words[1] in COLOURS:
            if self._at == words[1]:
                return ActionResult(f"You are at the {self._at} door.", Feedback.UNCHANGED)
            self._at = words[1]
            return ActionResult(f"You are at the {self._at} door.", Feedback.OK)
        if words == ["open", "door"]:
            if not self._key or self._at == "hall":
                return ActionResult("You cannot do that.", Feedback.INVALID)
            self._open = self._at == self._colour
            return ActionResult(f"The {self._at} door is open.", Feedback.OK)
        return ActionResult("What do you mean?", Feedback.MALFORMED)

    def _progress(self) -> tuple[float, bool]:
        return (1.0 if self._open else 0.5 if self._key else 0.0), self._open

    def _commands(self) -> list[str]:
        return ["open door", "take key", *(f"go {c}" for c in COLOURS)]


class _Expert:
    def __init__(self, task: TaskView) -> None:
        colour = task.goal.split()[2]
        self._plan = iter(["take key", f"go {colour}", "open door"])

    def __call__(self, observation: str) -> str:
        return next(self._plan)


if ENV_ID not in gymnasium.registry:
    gymnasium.register(
        ENV_ID, HallEnv, max_episode_steps=HORIZON, disable_env_checker=True, order_enforce=False
    )


def world(**changes: Any) -> EnvConfig:
    """The training panel of the hall."""
    return EnvConfig(env_id=ENV_ID, **changes)


@cache
def _demos(count: int) -> tuple[Episode, ...]:
    return tuple(demonstrate(world(), count, seed=0))


def demos(count: int = 12) -> list[Episode]:
    """Won episodes of the expert."""
    return list(_demos(count))


def texts() -> list[str]:
    """All that is said in the hall."""
    return [
        text
        for episode in demos()
        for step in episode.steps
        for text in (episode.goal, episode.first_observation, step.action, step.observation)
    ]


def policy(
    seed: int = 0,
    *,
    transcript_config: TranscriptConfig | None = None,
    dtype: torch.dtype = torch.float32,
    **scratch: Any,
) -> Policy:
    """A policy of some 40,000 parameters that has learnt nothing.

    Args:
        seed: Of its weights.
        transcript_config: Settings of its transcripts.
        dtype: Of its weights.
        **scratch: Fields of `ScratchConfig`.
    """
    config = ScratchConfig(
        **{"hidden_size": 32, "layers": 2, "vocabulary": 360, "tokens": "words", **scratch}
    )
    made = Policy.scratch(texts(), config, transcript_config or TRANSCRIPTS, seed)
    made.model.to(dtype)
    return made


def own_episodes(
    actor: Policy, count: int = 12, *, temperature: float = 1.0, seed: int = 0, **changes: Any
) -> list[Trajectory]:
    """Episodes that a policy plays in the hall, with its tokens."""
    where = world(**changes)
    collector = Collector(where, batch_size=8)
    try:
        starts = draw_tasks(where.task_ids(), count, seed, "tests")
        agent = PolicyAgent(actor, temperature=temperature)
        return collector.play(agent, starts, name="tiny")
    finally:
        collector.close()


@cache
def _warm() -> Policy:
    made = policy()
    optim = OptimConfig(lr=1e-2, batch_tokens=400, schedule="linear")
    SFT(SFTConfig(epochs=25, optim=optim)).train(world(), demos(), made, Run(seed=0))
    return made


def warm_policy() -> Policy:
    """A policy that knows the hall's language, and wins about a quarter of its episodes."""
    return copy.deepcopy(_warm())


def weights(actor: Policy) -> list[torch.Tensor]:
    """A copy of a policy's weights."""
    return [p.detach().clone() for p in actor.model.parameters()]


def same(first: Sequence[torch.Tensor], second: Sequence[torch.Tensor]) -> bool:
    """Whether all weights are equal, bit for bit."""
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def check_budget(learner: Learner, env_steps: int = 150, **budget: Any) -> Run:
    """Trains on a budget of steps: the weights change, and at most a batch of steps is too many."""
    start = warm_policy()
    before = weights(start)
    run = Run(seed=0, budget=Budget(env_steps=env_steps, **budget))
    trained = learner.train(world(), demos(), start, run)
    assert not same(before, weights(trained))
    assert 0 < run.ledger.env_steps < env_steps + 8 * HORIZON
    assert run.ledger.trained_tokens > 0
    return run


class Killed(Exception):
    """What stands for a machine that goes down."""


def check_resume(learner: Learner, folder: Path, env_steps: int = 150, points: int = 4) -> None:
    """Kills a run at several points: what resumes it has the weights of an undisturbed one."""
    lines: list[dict[str, Any]] = []
    run = Run(seed=0, budget=Budget(env_steps=env_steps), on_log=lines.append)
    expected = weights(learner.train(world(), demos(), warm_policy(), run))
    for save_every in (0.0, 1e9):  # after each update, and only where a stage ends
        place = folder / f"every-{save_every:g}"
        for kill_at in [len(lines) * k // points for k in range(1, points)]:
            left = iter(range(kill_at))

            def kill(line: dict[str, Any], left: Any = left) -> None:
                if next(left, None) is None:
                    raise Killed

            stopped = Run(
                seed=0,
                budget=Budget(env_steps=env_steps),
                folder=place,
                on_log=kill,
                save_every=save_every,
            )
            with suppress(Killed):
                learner.train(world(), demos(), warm_policy(), stopped)
        resumed = Run(seed=0, budget=Budget(env_steps=env_steps), folder=place)
        assert same(expected, weights(learner.train(world(), demos(), warm_policy(), resumed)))
        for name in ("env_steps", "episodes", "generated_tokens", "trained_tokens"):
            assert getattr(resumed.ledger, name) == getattr(run.ledger, name)
        # What has ended stays as it is.
        again = Run(seed=0, budget=Budget(env_steps=env_steps), folder=place)
        assert same(expected, weights(learner.train(world(), demos(), warm_policy(), again)))
        assert again.ledger.env_steps == run.ledger.env_steps
