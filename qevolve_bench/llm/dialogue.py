"""From an episode to chat messages, and from a model's answer to an action."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypedDict

from qevolve_bench.llm.prompt import Prompt
from qevolve_envs.episode import Episode


class ChatMessage(TypedDict):
    """One message of a chat, as the protocol of chat completions has it."""

    role: Literal["system", "user", "assistant"]
    content: str


class ParsedAnswer(NamedTuple):
    """Action that was read out of an answer.

    Attributes:
        action: The command that is played; may be empty.
        kept: The part of the answer that the dialogue goes on with.
    """

    action: str
    kept: str


_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL | re.IGNORECASE)
_QUOTES = ("`", '"', "'", "**", "*")


def read_answer(text: str, marker: str) -> ParsedAnswer:
    """Reads the action out of a model's answer; never fails.

    1. What stands between ``<think>`` and ``</think>`` is dropped (a block that is not closed
       reaches to the end; one that was opened by the chat template has only its end).
    2. The action is the rest of the line behind the *first* ``marker:``, or the next line that is
       not empty where that rest is. Whatever follows was made up by the model and is dropped.
    3. Without the marker, the last line that is not empty is the action. If that is no command, the
       world says so: the feedback is MALFORMED, and the step is spent.
    4. Quotation marks, backticks and asterisks around the action are removed.

    Args:
        text: What the model wrote.
        marker: The prompt's word, such as ``"Action"``; capitals do not matter.
    """
    visible = _THOUGHTS.sub("", text)
    head, closing, tail = visible.rpartition("</think>")
    visible = (tail if closing else head + tail).strip()
    found = re.search(rf"\b{re.escape(marker)}\s*\d*\s*\**\s*:", visible, re.IGNORECASE)
    if found is None:
        lines = _lines(visible)
        return ParsedAnswer(_bare(lines[-1]) if lines else "", visible)
    lines = _lines(visible[found.end() :])
    action = lines[0] if lines else ""
    end = visible.find(action, found.end()) + len(action)
    return ParsedAnswer(_bare(action), visible[:end])


def _lines(text: str) -> list[str]:
    """Lines with something in them; the fences of code blocks are nothing."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line.strip("*_ ") and not line.startswith("```")]


def _bare(action: str) -> str:
    """An action without what is wrapped around it, as often as something is."""
    action = action.strip()
    action = action.removeprefix("**").strip()  # The end of a marker in bold: "**Action:** look".
    for quote in _QUOTES * 2:
        if len(action) > 2 * len(quote) and action.startswith(quote) and action.endswith(quote):
            action = action[len(quote) : -len(quote)].strip()
    return action


class Dialogue:
    """One episode as a chat.

    The first message holds the task and the first observation and is always kept; after it come the
    turns: an answer of the model, and the observation that followed.

    Args:
        prompt: The words.
        env_id: Whose commands the system message explains.
        goal: The task.
        demonstrations: Whole episodes that precede this one, each as a dialogue of its own.
        history: Number of the last turns that are kept; None keeps all.
    """

    def __init__(
        self,
        prompt: Prompt,
        env_id: str,
        goal: str,
        demonstrations: Iterable[Episode] = (),
        history: int | None = None,
    ) -> None:
        self._prompt = prompt
        self._goal = goal
        self._history = history
        self._observations: list[str] = []
        self._answers: list[str] = []
        system = prompt.system.format(world=prompt.explain(env_id)).strip()
        self._preamble: list[ChatMessage] = [{"role": "system", "content": system}]
        for episode in demonstrations:
            self._preamble += _demonstrate(prompt, episode)

    @property
    def turn(self) -> int:
        """Number of answers so far."""
        return len(self._answers)

    def observe(self, observation: str) -> None:
        """Adds the latest observation."""
        self._observations.append(observation)

    def answer(self, kept: str) -> None:
        """Adds the latest answer of the model."""
        self._answers.append(kept)

    def messages(self, commands: Sequence[str] | None = None) -> list[ChatMessage]:
        """The chat up to the latest observation: system, then user and assistant in turn.

        Args:
            commands: Listed after the latest observation, when given.
        """
        turns = len(self._answers)
        left_out = 0 if self._history is None else max(0, turns - self._history)
        prompt = self._prompt
        first = prompt.first.format(goal=self._goal, observation=self._observations[0]).strip()
        if left_out:
            latest = self._observations[left_out]
            first += "\n\n" + prompt.elided.format(turns=left_out, observation=latest)
        chat: list[ChatMessage] = [*self._preamble, {"role": "user", "content": first}]
        for turn in range(left_out, turns):
            following = prompt.next.format(observation=self._observations[turn + 1])
            chat.append({"role": "assistant", "content": self._answers[turn]})
            chat.append({"role": "user", "content": following})
        if commands is not None:
            listed = prompt.commands.format(commands="\n".join(commands))
            chat[-1] = {"role": "user", "content": chat[-1]["content"] + "\n\n" + listed}
        return chat


def _demonstrate(prompt: Prompt, episode: Episode) -> list[ChatMessage]:
    """A played episode as user and assistant messages; it ends with the last action."""
    dialogue = Dialogue(prompt, episode.env_id, episode.goal)
    dialogue.observe(episode.first_observation)
    chat: list[ChatMessage] = []
    for step in episode.steps:
        answer = prompt.demonstration.format(action=step.action)
        chat = [*dialogue.messages(), {"role": "assistant", "content": answer}]
        dialogue.answer(answer)
        dialogue.observe(step.observation)
    return chat[1:]
