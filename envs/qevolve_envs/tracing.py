"""Traces: what an environment answers to a seeded mix of commands and junk, to the last byte."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import gymnasium
import numpy as np

from qevolve_envs.factory import text_env
from qevolve_envs.fuzz_inputs import ActionMix

TextEnvLike: TypeAlias = gymnasium.Env[str, str]
#: A Gymnasium id, or what makes an environment; called with keyword arguments of the environment.
EnvLike: TypeAlias = str | Callable[..., TextEnvLike]


@dataclass(frozen=True, slots=True)
class Record:
    """One call of a trace and its answer.

    Attributes:
        action: What was sent; None for a reset.
        observation: What came back.
        reward: The reward; 0 for a reset.
        terminated: The world ended the episode.
        truncated: The horizon ended the episode.
        info: The whole `info`, as JSON with sorted keys.
        commands: The commands that could then be executed.
        digest: SHA-256 chain up to and including this answer.
    """

    action: str | None
    observation: str
    reward: float
    terminated: bool
    truncated: bool
    info: str
    commands: tuple[str, ...]
    digest: str


def trace(env: EnvLike, task: str | None = None, seed: int = 0, steps: int = 100) -> list[Record]:
    """Plays a seeded mix of executable commands and junk; an episode that ends is followed by one
    whose task the environment draws.

    Args:
        env: The environment.
        task: The first task; None lets the seed draw it.
        seed: Seed of the environment and of the actions.
        steps: Number of calls after the first reset.
    """
    tracer = Tracer(make_copy(env), seed)
    try:
        return [tracer.reset(task), *tracer.run(steps)]
    finally:
        tracer.env.close()


def panel_digests(env: EnvLike, **kwargs: Any) -> dict[str, str]:
    """The SHA-256 of each split's panel, by the name of the split."""
    world = text_env(make_copy(env, **kwargs))
    return {split: world.panel_digest(split) for split in world.splits}


class Tracer:
    """An environment and the generator of the actions that it is sent; picklable together."""

    def __init__(self, env: TextEnvLike, seed: int) -> None:
        self.env = env
        self._seed: int | None = seed
        self._mix = ActionMix(np.random.default_rng(np.random.SeedSequence([seed, 2])))
        self._digest = ""
        self._commands: tuple[str, ...] = ()
        self._over = False

    def reset(self, task: str | None = None) -> Record:
        """Starts an episode; only the first one is seeded."""
        seed, self._seed = self._seed, None
        options = None if task is None else {"task": task}
        observation, info = self.env.reset(seed=seed, options=options)
        return self._record(None, observation, 0.0, False, False, info)

    def run(self, calls: int) -> list[Record]:
        """Goes on for a number of calls, resetting where an episode is over."""
        return [self.reset() if self._over else self._step() for _ in range(calls)]

    def _step(self) -> Record:
        action = self._mix.draw(self._commands)
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._record(action, observation, float(reward), terminated, truncated, info)

    def _record(
        self,
        action: str | None,
        observation: str,
        reward: float,
        terminated: bool,
        truncated: bool,
        info: dict[str, Any],
    ) -> Record:
        self._over = terminated or truncated
        self._commands = tuple(text_env(self.env).admissible_commands())
        shown = json.dumps(info, sort_keys=True)
        answer = [observation, reward, terminated, truncated, shown, self._commands]
        text = json.dumps([self._digest, action, *answer])
        self._digest = hashlib.sha256(text.encode()).hexdigest()
        return Record(
            action,
            observation,
            reward,
            terminated,
            truncated,
            shown,
            self._commands,
            self._digest,
        )


def make_copy(env: EnvLike, **kwargs: Any) -> TextEnvLike:
    """One copy of the environment."""
    return gymnasium.make(env, **kwargs) if isinstance(env, str) else env(**kwargs)


def fingerprint(env: EnvLike, seed: int, steps: int) -> dict[str, Any]:
    """Panels and traces, which must be the same in every process, as JSON."""
    world = text_env(make_copy(env))
    tasks = [world.task_ids(split)[0] for split in world.splits]
    return {
        "panels": panel_digests(env),
        "traces": {task: [asdict(r) for r in trace(env, task, seed, steps)] for task in tasks},
    }
