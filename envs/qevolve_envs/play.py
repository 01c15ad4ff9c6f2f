"""Playing a batch of episodes in lockstep; knows nothing of files, processes or panels."""

from __future__ import annotations

import os
import sysconfig
import traceback
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Protocol

import gymnasium
import numpy as np

import qevolve_envs.agent
from qevolve_envs.agent import Agent, Failed, PerEpisode, ReportsUsage, TaskView
from qevolve_envs.core import MAX_ACTION
from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError
from qevolve_envs.factory import text_env
from qevolve_envs.loading import MAX_REASON, describe

NO_TOKENS = (0, 0)
#: Most tokens of one step that are believed; a record holds no larger number.
MAX_TOKENS = 2**53
#: Longest action that is recorded; `verify` refuses a longer one, whatever was answered to it.
MAX_RECORDED_ACTION = 50 * MAX_ACTION


class Observer(Protocol):
    """Is told what happens while a batch is played."""

    def enter(self, phase: str) -> None:
        """What follows is the agent's (``"agent.reset"``, ``"agent.act"``) or ours (``""``)."""

    def begun(self, index: int, episode: Episode) -> None:
        """An episode has its first observation."""

    def stepped(self, index: int, episode: Episode, observation: str) -> None:
        """A step was recorded; its observation as JSON text, as `Step.to_json` takes it."""

    def ended(self, index: int, episode: Episode) -> None:
        """An episode is over, or failed."""


class Slot:
    """One place of a batch: an environment that is made when needed, and anew once it crashed."""

    def __init__(self, make: Callable[[], gymnasium.Env[str, str]]) -> None:
        self._make = make
        self._env: gymnasium.Env[str, str] | None = None

    @property
    def env(self) -> gymnasium.Env[str, str]:
        """The environment."""
        if self._env is None:
            self._env = self._make()
        return self._env

    def close(self) -> None:
        """Closes the environment; the next use makes another."""
        if self._env is not None:
            self._env.close()
            self._env = None

    def discard(self) -> None:
        """Forgets an environment that crashed; closing it may well fail too."""
        try:
            self.close()
        except Exception:
            self._env = None


def play_batch(
    slots: Sequence[Slot], agent: Agent, episodes: Sequence[Episode], observer: Observer
) -> None:
    """Plays prepared episodes in lockstep, and fills them in.

    Args:
        slots: One environment for each episode.
        agent: Plays them all.
        episodes: Records with their task and seed, not begun.
        observer: Told what happens, as it happens.

    Raises:
        BenchError: When an environment says that it cannot be played here, such as for want of
            data. Anything else that goes wrong is a failed episode.
    """
    running: list[str | None] = [None] * len(episodes)
    views = []
    for index, (slot, episode) in enumerate(zip(slots, episodes, strict=True)):
        running[index] = _start(slot, episode)
        world = None if running[index] is None else text_env(slot.env)
        views.append(
            TaskView(
                env_id=episode.env_id,
                task_id=episode.task_id,
                goal=episode.goal,
                seed=episode.seed,
                # An episode whose world did not begin still has its place in the batch.
                commands=list if world is None else world.admissible_commands,
            )
        )
        if running[index] is None:
            observer.ended(index, episode)
        else:
            observer.begun(index, episode)
    observer.enter("agent.reset")
    failure = begin(agent, views)
    observer.enter("")
    untold = [NO_TOKENS] * len(running)
    counting = agent if isinstance(agent, ReportsUsage) else None
    while any(observation is not None for observation in running):
        tokens: Sequence[tuple[int, int]] | Failed = untold
        if failure is None:
            observer.enter("agent.act")
            answers = ask(agent, running)
            if counting is not None:
                tokens = _usage(counting, len(running))
            observer.enter("")
        else:
            answers = [failure] * len(running)
        if isinstance(tokens, Failed):
            answers, tokens = [tokens] * len(running), untold
        for index, answer in enumerate(answers):
            if running[index] is None:
                continue
            episode = episodes[index]
            running[index] = following = _advance(
                index, slots[index], episode, answer, tokens[index], observer
            )
            if following is None:
                observer.ended(index, episode)


def blame(error: BaseException) -> str:
    """What was raised, and the file and line of the agent's code where it was.

    That is the innermost place outside of the standard library and of installed packages; for an
    agent that is itself installed, the place where the runner called it.
    """
    every = list(traceback.extract_tb(error.__traceback__))
    frames = [frame for frame in every if frame.filename not in _RUNNER] or every
    if not frames:
        return describe(error)
    own = [frame for frame in frames if not frame.filename.startswith(_INSTALLED)]
    frame = own[-1] if own else frames[0]
    # The name alone, because where it lies differs from machine to machine.
    return f"{describe(error)} ({Path(frame.filename).name}, line {frame.lineno})"


_INSTALLED = (
    "<frozen",
    *sorted(
        {sysconfig.get_path(n) + os.sep for n in ("stdlib", "platstdlib", "purelib", "platlib")}
    ),
)
_RUNNER = (__file__, qevolve_envs.agent.__file__)


def _start(slot: Slot, episode: Episode) -> str | None:
    """Resets an environment; returns the first observation, or None when that failed."""
    try:
        observation, info = slot.env.reset(seed=episode.seed, options={"task": episode.task_id})
        episode.begin(observation, info)
    except BenchError:
        raise
    except Exception as error:
        slot.discard()
        episode.error = f"environment raised {describe(error)} on reset"
        return None
    return observation


def begin(agent: Agent, views: Sequence[TaskView]) -> Failed | None:
    """Begins a batch of episodes; returns why it cannot, if the agent raises."""
    try:
        agent.reset(views)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # An agent must not end the harness by sys.exit() either.
        return Failed(f"agent.reset raised {blame(error)}")
    return None


def ask(agent: Agent, observations: Sequence[str | None]) -> Sequence[str | Failed]:
    """One action for each episode, or the reason why there is none; only Ctrl-C ever raises."""
    if isinstance(agent, PerEpisode) and type(agent).act is PerEpisode.act:
        return [
            "" if text is None else _ask_one(agent, index, text)
            for index, text in enumerate(observations)
        ]
    try:
        # A copy, for an agent may do with its list whatever it likes.
        answers: Any = agent.act(list(observations))
        if isinstance(answers, str) or not isinstance(answers, Sequence | np.ndarray):
            failure = Failed(f"agent.act returned a {type(answers).__name__}, not a list of text")
        elif len(answers) != len(observations):
            failure = Failed(
                f"agent.act returned {len(answers)} answers for {len(observations)} episodes"
            )
        else:
            return [_checked(answer) for answer in answers]
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        failure = Failed(f"agent.act raised {blame(error)}")
    return [failure] * len(observations)


def _ask_one(agent: PerEpisode, index: int, observation: str) -> str | Failed:
    """Asks the policy of one episode, so that its exception fails no other episode."""
    try:
        return _checked(agent.act_one(index, observation))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Failed(f"agent.act raised {blame(error)}")


def _checked(answer: object) -> str | Failed:
    if isinstance(answer, str):
        if len(answer) > MAX_RECORDED_ACTION:
            return Failed(f"agent.act answered with more than {MAX_RECORDED_ACTION:,} characters")
        return str(answer)  # A plain one: numpy's and other subclasses must not leak into records.
    if isinstance(answer, Failed):
        reason = " ".join(str(answer.reason).split())
        return Failed(reason[:MAX_REASON] or "the agent gave up without a reason")
    return Failed(f"agent.act answered with a {type(answer).__name__}, not text")


def _usage(agent: ReportsUsage, count: int) -> Sequence[tuple[int, int]] | Failed:
    """Tokens of the last answers. Who miscounts has failed: the ledger must not be silently low."""
    try:
        pairs = [(int(prompt), int(generated)) for prompt, generated in agent.usage()]
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Failed(f"agent.usage raised {blame(error)}")
    if len(pairs) != count or any(not 0 <= n <= MAX_TOKENS for pair in pairs for n in pair):
        return Failed(f"agent.usage did not return {count} pairs of token counts")
    return pairs


def _advance(
    index: int,
    slot: Slot,
    episode: Episode,
    answer: str | Failed,
    tokens: tuple[int, int],
    observer: Observer,
) -> str | None:
    """Plays one answer of an episode; returns the next observation, or None when it is over."""
    if isinstance(answer, Failed):
        episode.error = answer.reason
        episode.won = False
        return None
    try:
        observation, reward, terminated, truncated, info = slot.env.step(answer)
        if not (isfinite(reward) and isfinite(info["score"])):
            raise ValueError("reward or score is not finite")  # No record could hold it.
        quoted = episode.record(
            answer,
            observation,
            float(reward),
            terminated,
            truncated,
            info,
            prompt_tokens=tokens[0],
            generated_tokens=tokens[1],
        )
    except Exception as error:
        # An environment promises not to raise. If it does, whoever provoked it must neither lose
        # the other episodes nor be rid of this one.
        episode.error = f"environment raised {describe(error)} on action {answer[:200]!r}"
        episode.won = False
        slot.discard()
        return None
    observer.stepped(index, episode, quoted)
    return None if terminated or truncated else observation
