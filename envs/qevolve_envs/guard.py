"""Asks an agent safely: whatever it raises or answers, only its own episodes fail."""

from __future__ import annotations

import os
import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import qevolve_envs.agent
from qevolve_envs.agent import Agent, Failed, PerEpisode, ReportsUsage, TaskView
from qevolve_envs.core import MAX_ACTION
from qevolve_envs.loading import MAX_REASON, describe

NO_TOKENS = (0, 0)
#: Most tokens of one step that are believed; a record holds no larger number.
MAX_TOKENS = 2**53
#: Longest action that is recorded; `verify` refuses a longer one, whatever was answered to it.
MAX_RECORDED_ACTION = 50 * MAX_ACTION


class GuardedAgent:
    """An agent whose exceptions and malformed answers become `Failed`; only Ctrl-C is raised.

    Args:
        agent: The agent to ask.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._counter = agent if isinstance(agent, ReportsUsage) else None
        #: Why the batch could not begin.
        self._failure: Failed | None = None
        self._tokens: Sequence[tuple[int, int]] = ()

    def reset(self, tasks: Sequence[TaskView]) -> None:
        """Begins a batch; when that raises, every answer to it is the reason."""
        self._failure = None
        try:
            self._agent.reset(tasks)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # An agent must not end the harness by sys.exit() either.
            self._failure = Failed(f"agent.reset raised {blame(error)}")

    def act(self, observations: Sequence[str | None]) -> Sequence[str | Failed]:
        """Returns one action for each episode, or the reason why there is none."""
        count = len(observations)
        self._tokens = [NO_TOKENS] * count
        if self._failure is not None:
            return [self._failure] * count
        answers = self._answers(observations)
        if self._counter is not None:
            tokens = _count_tokens(self._counter, count)
            if isinstance(tokens, Failed):
                return [tokens] * count
            self._tokens = tokens
        return answers

    def usage(self) -> Sequence[tuple[int, int]]:
        """Tokens read and written by the last `act`; zeros for an agent that does not count."""
        return self._tokens

    def _answers(self, observations: Sequence[str | None]) -> Sequence[str | Failed]:
        agent = self._agent
        if isinstance(agent, PerEpisode) and type(agent).act is PerEpisode.act:
            return [
                "" if text is None else _ask_one(agent, index, text)
                for index, text in enumerate(observations)
            ]
        try:
            # A copy, for an agent may do with its list whatever it likes.
            answers: Any = agent.act(list(observations))
            if isinstance(answers, str) or not isinstance(answers, Sequence | np.ndarray):
                failure = f"agent.act returned a {type(answers).__name__}, not a list of text"
            elif len(answers) != len(observations):
                failure = (
                    f"agent.act returned {len(answers)} answers for {len(observations)} episodes"
                )
            else:
                return [_checked(answer) for answer in answers]
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            failure = f"agent.act raised {blame(error)}"
        return [Failed(failure)] * len(observations)


def blame(error: BaseException) -> str:
    """Describes an exception, with the file and line of the agent's code that raised it.

    That is the innermost place outside of the standard library and of installed packages; for an
    agent that is itself installed, the place where it was called.
    """
    every = list(traceback.extract_tb(error.__traceback__))
    frames = [frame for frame in every if frame.filename not in _CALLERS] or every
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
_CALLERS = (__file__, qevolve_envs.agent.__file__)


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


def _count_tokens(agent: ReportsUsage, count: int) -> Sequence[tuple[int, int]] | Failed:
    """Tokens of the last answers; a wrong count is a failure, so that no ledger is too low."""
    try:
        pairs = [(int(prompt), int(generated)) for prompt, generated in agent.usage()]
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Failed(f"agent.usage raised {blame(error)}")
    if len(pairs) != count or any(not 0 <= n <= MAX_TOKENS for pair in pairs for n in pair):
        return Failed(f"agent.usage did not return {count} pairs of token counts")
    return pairs
