"""A language model as an agent: one dialogue for each episode, completed by a backend."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Protocol

from qevolve_bench.llm.dialogue import ChatMessage, Dialogue, read_answer
from qevolve_bench.llm.prompt import Prompt, load_prompt
from qevolve_bench.schema import Bounds
from qevolve_envs.agent import Failed, TaskView
from qevolve_envs.episode import Episode, read_episodes
from qevolve_envs.errors import BenchError
from qevolve_envs.rng import child_seed


@dataclass(frozen=True)
class ChatConfig:
    """Settings by which an episode becomes a chat.

    Attributes:
        prompt: A prompt's name or file (`load_prompt`).
        history: Turns of the episode that the model is shown; None shows all. The task and the
            first observation are always shown.
        shots: Number of demonstrations before an episode.
        demonstrations: A file of episodes; the first `shots` won ones of the same environment, and
            never of the task that is played, are taken.
        list_commands: List the commands that are possible with the latest observation. This makes
            every world easier, and is another protocol than the one without.
    """

    prompt: str = "react"
    history: Annotated[int | None, Bounds(0)] = None
    shots: Annotated[int, Bounds(0)] = 0
    demonstrations: str | None = None
    list_commands: bool = False


class Request(NamedTuple):
    """Chat that a backend is asked to complete.

    Attributes:
        messages: The chat; the last message is the user's.
        seed: For sampling: a function of the episode's seed and the turn.
    """

    messages: Sequence[ChatMessage]
    seed: int


class Completion(NamedTuple):
    """Answer of a backend, with the tokens that it took (0 where unknown)."""

    text: str
    prompt_tokens: int
    generated_tokens: int


class Backend(Protocol):
    """Completes chats."""

    def complete(self, requests: Sequence[Request]) -> Sequence[Completion | Failed]:
        """One completion for each request, or the reason why there is none."""

    def describe(self) -> dict[str, Any]:
        """Model and decoding, as a JSON object without secrets or host names."""


class ChatAgent:
    """Plays episodes as chats.

    Args:
        backend: Completes the chats.
        config: How episodes become chats.

    Raises:
        BenchError: For a prompt or for demonstrations that cannot be used.
    """

    def __init__(self, backend: Backend, config: ChatConfig) -> None:
        self._backend = backend
        self._config = config
        self._prompt: Prompt = load_prompt(config.prompt)
        self._demonstrations, self._demonstrations_digest = _read_demonstrations(config)
        self._tasks: Sequence[TaskView] = ()
        self._dialogues: list[Dialogue] = []
        self._usage: list[tuple[int, int]] = []

    def reset(self, tasks: Sequence[TaskView]) -> None:
        """Begins a dialogue for each task."""
        self._tasks = list(tasks)
        self._usage = [(0, 0)] * len(tasks)
        self._dialogues = [
            Dialogue(
                self._prompt,
                task.env_id,
                task.goal,
                self._choose_demonstrations(task),
                self._config.history,
            )
            for task in tasks
        ]

    def act(self, observations: Sequence[str | None]) -> Sequence[str | Failed]:
        """Has the dialogues of all running episodes completed; see `read_answer` for the action."""
        answers: list[str | Failed] = [""] * len(observations)
        self._usage = [(0, 0)] * len(observations)
        running = [i for i, observation in enumerate(observations) if observation is not None]
        for i in running:
            self._dialogues[i].observe(observations[i] or "")
        completions = self._backend.complete([self._request(i) for i in running])
        for i, completion in zip(running, completions, strict=True):
            if isinstance(completion, Failed):
                answers[i] = completion
                continue
            self._usage[i] = completion.prompt_tokens, completion.generated_tokens
            reading = read_answer(completion.text, self._prompt.marker)
            self._dialogues[i].answer(reading.kept)
            answers[i] = reading.action
        return answers

    def usage(self) -> Sequence[tuple[int, int]]:
        """(prompt tokens, generated tokens) of the last `act`, for each episode."""
        return list(self._usage)

    def describe(self) -> dict[str, Any]:
        """Model, decoding, the whole prompt, and digests of what was read from files."""
        return {
            **self._backend.describe(),
            "prompt": self._prompt.describe(),
            "history": self._config.history,
            "shots": self._config.shots,
            "demonstrations": self._demonstrations_digest,
            "list_commands": self._config.list_commands,
        }

    def _request(self, index: int) -> Request:
        task, dialogue = self._tasks[index], self._dialogues[index]
        commands = task.commands() if self._config.list_commands else None
        seed = child_seed(task.seed, "language model", dialogue.turn)
        return Request(dialogue.messages(commands), seed)

    def _choose_demonstrations(self, task: TaskView) -> list[Episode]:
        fitting = [
            e
            for e in self._demonstrations
            if e.env_id.rpartition(":")[2] == task.env_id.rpartition(":")[2]
            and e.task_id != task.task_id
        ]
        chosen = fitting[: self._config.shots]
        if len(chosen) < self._config.shots:
            raise BenchError(
                f"{self._config.demonstrations} has {len(chosen)} won episodes of {task.env_id}"
                f" that can go before {task.task_id}, not {self._config.shots}."
            )
        return chosen


def _read_demonstrations(config: ChatConfig) -> tuple[list[Episode], str | None]:
    """The won episodes of the file, and its digest."""
    if (config.demonstrations is None) != (config.shots == 0):
        raise BenchError("shots and demonstrations go together: a number, and a file of episodes.")
    if config.demonstrations is None:
        return [], None
    episodes = [e for e in read_episodes(config.demonstrations) if e.won and e.error is None]
    if len(episodes) < config.shots:
        raise BenchError(
            f"{config.demonstrations} has {len(episodes)} won episodes, but shots={config.shots}."
        )
    return episodes, hashlib.sha256(Path(config.demonstrations).read_bytes()).hexdigest()


def cost(description: dict[str, Any], prompt_tokens: int, generated_tokens: int) -> float | None:
    """Computes the price of tokens from an agent's description; None without prices.

    Args:
        description: What `ChatAgent.describe` returned, as a run's manifest keeps it.
        prompt_tokens: Tokens read.
        generated_tokens: Tokens written.
    """
    prices = description.get("prices_per_million_tokens")
    if not prices:
        return None
    millionths = prompt_tokens * prices["prompt"] + generated_tokens * prices["generated"]
    return float(millionths / 1e6)
