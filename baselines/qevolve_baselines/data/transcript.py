"""Episodes as tokens: append-only transcripts, and the wording of their turns.

A transcript is what the model has read and written, token by token, in the order in which it
happened::

    [task and first observation, opening of an action] action stop [observation, opening] action …

It only ever grows, so that a decoder can keep its cache across turns, and the tokens that were
sampled are the tokens that are trained on: generated text is never tokenised a second time.

**Overlong episodes.** An observation of more than `max_observation_tokens` loses its middle, and
says so. A transcript that would outgrow the model's context is closed, and a new one begins with
the whole task, a notice, the latest turn, and as many turns before it as half of the context holds.
Turns that are repeated there are context, not actions, so no action is trained twice. The task is
never cut: one that does not fit is an error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from qevolve_envs.episode import Episode
from qevolve_envs.errors import BenchError

STYLES = ("bare", "react")
#: What stands where the middle of an overlong observation stood.
CUT = " [...] "
NOTICE = "[Earlier turns are left out.]"
REACT_PROMPT = (
    "You act in a text world. Answer each observation with one line of thought and one action:\n"
    "Thought: why\nAction: the command"
)


@dataclass(frozen=True, slots=True)
class Wording:
    """The fixed strings around what is said in a turn.

    Attributes:
        start: Opens a transcript (begin-of-sequence, system prompt …).
        before: Opens an observation.
        after: Closes an observation and opens the action.
        lead: White space that an action begins with, which is the model's to write.
        stop: The token that ends an action; the model writes it too.
        stop_text: The same as text.
        close: Text between `stop` and the next observation.
    """

    start: str
    before: str
    after: str
    lead: str
    stop: int
    stop_text: str
    close: str


def derive_wording(tokenizer: Any, *, style: str = "bare") -> Wording:
    """Finds the wording of a tokenizer: of its chat template if it has one, else a plain one.

    A chat template is a program. It is run on a made-up dialogue, and the strings around the
    messages are read off; a longer dialogue must then come out as these strings say, because a
    template that rewrites earlier turns has no append-only transcript.

    Args:
        tokenizer: A Hugging Face tokenizer.
        style: One of `STYLES`; ``react`` puts its instruction before the first observation.

    Raises:
        BenchError: For a tokenizer without an end-of-sequence token, or a template that rewrites
            earlier turns.
    """
    if tokenizer.eos_token_id is None:
        raise BenchError(
            f"The tokenizer of {tokenizer.name_or_path!r} has no end-of-sequence token, so an"
            " action would never end: set tokenizer.eos_token and save it."
        )
    if tokenizer.chat_template:
        return _wording_of_template(tokenizer, style)
    # A tokenizer of ours has a token of its own here, which costs one instead of several.
    known = "<act>" in special_texts(tokenizer)
    return Wording(
        start=(tokenizer.bos_token or "") + (f"{REACT_PROMPT}\n\n" if style == "react" else ""),
        before="",
        after="<act>" if known else "\n> ",
        lead="",
        stop=int(tokenizer.eos_token_id),
        stop_text=tokenizer.eos_token,
        close="" if known else "\n",
    )


def _wording_of_template(tokenizer: Any, style: str) -> Wording:
    name = tokenizer.name_or_path
    first, answer, second = "QUESTION-ONE", "ANSWER-ONE", "QUESTION-TWO"

    def render(*contents: str, system: str | None) -> str:
        messages = [] if system is None else [{"role": "system", "content": system}]
        for i, content in enumerate(contents):
            messages.append({"role": "assistant" if i % 2 else "user", "content": content})
        text: str = tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            add_generation_prompt=True,
            # Some templates would say what day it is.
            date_string="01 Jan 2025",
        )
        return text

    system = REACT_PROMPT if style == "react" else None
    try:
        try:
            one = render(first, system=system)
            refused = system is not None and system not in one
        except Exception:  # Templates refuse a system message each in a way of their own.
            refused = system is not None
            if not refused:
                raise
        if refused:  # The instruction then opens the first message of the user.
            first, system = f"{REACT_PROMPT}\n\n{first}", None
            one = render(first, system=None)
        three = render(first, answer, second, system=system)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise BenchError(
            f"The chat template of {name!r} cannot be used ({type(error).__name__}: {reason}): give"
            " it another template, or none (tokenizer.chat_template = None)."
        ) from error
    tail = three.removeprefix(one)
    if (
        not three.startswith(one)
        or one.count(first) != 1
        or tail.count(answer) != 1
        or tail.count(second) != 1
    ):
        raise BenchError(
            f"The chat template of {name!r} rewrites earlier turns, and a transcript must only"
            " grow: give it another template, or none (tokenizer.chat_template = None)."
        )
    head, after = one.split(first)
    lead, rest = tail.split(answer)
    between, closing = rest.split(second)
    if closing != after or lead.strip():
        raise BenchError(
            f"The chat template of {name!r} words later turns differently: give it another"
            " template, or none (tokenizer.chat_template = None)."
        )
    stops = [t for t in special_texts(tokenizer) if between.startswith(t)]
    if not stops:
        raise BenchError(
            f"The chat template of {name!r} does not end an answer with one special token such as"
            f" {tokenizer.eos_token!r}: give it another template, or none"
            " (tokenizer.chat_template = None)."
        )
    stop = max(stops, key=len)
    rest = between.removeprefix(stop)
    # What opens the second question opens the first as well, behind what opens the dialogue.
    common = 0
    while common < min(len(head), len(rest)) and head[-1 - common] == rest[-1 - common]:
        common += 1
    prompt = first.removesuffix("QUESTION-ONE")
    return Wording(
        # An instruction that stands in the first question opens the transcript, not each turn.
        start=head + prompt if prompt else head[: len(head) - common],
        before="" if prompt else rest[len(rest) - common :],
        after=after,
        lead=lead,
        stop=int(tokenizer.convert_tokens_to_ids(stop)),
        stop_text=stop,
        close=rest if prompt else rest[: len(rest) - common],
    )


def special_texts(tokenizer: Any) -> list[str]:
    """The strings that a tokenizer takes for its special tokens, wherever they stand."""
    added = (str(token) for token in tokenizer.added_tokens_decoder.values() if token.special)
    return sorted({*added, *tokenizer.all_special_tokens})


@dataclass(slots=True)
class Transcript:
    """One append-only sequence of tokens, and where its actions stand.

    Attributes:
        ids: The tokens.
        spans: ``(step, start, end)`` of each action that counts: tokens ``start`` up to ``end``
            were written by the agent at environment step ``step``. ``start - 1`` is the last token
            that was read before, where a state value belongs; ``end - 1`` is the last token of the
            action, where an action value belongs.
        logprobs: Behaviour log-probability of each token of `spans`, in their order; empty for
            what no policy of ours has sampled.
    """

    ids: list[int] = field(default_factory=list)
    spans: list[tuple[int, int, int]] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Trajectory:
    """An episode, and the tokens that a policy has read and written in it.

    Attributes:
        episode: The record.
        transcripts: One, or several if the context overflowed. Their spans cover every step that
            was played, each once, in order.
    """

    episode: Episode
    transcripts: list[Transcript]

    @property
    def action_tokens(self) -> int:
        """Number of tokens that the agent wrote."""
        return sum(end - start for t in self.transcripts for _, start, end in t.spans)


class Encoder:
    """Turns text into the tokens of turns, under limits on the length.

    Everything between two actions is tokenised in one piece, so that a transcript of a chat model
    is, token for token, what its template makes of the dialogue. What an environment says cannot
    contain special tokens: their names are broken up by a space.

    Args:
        tokenizer: A Hugging Face tokenizer.
        style: One of `STYLES`.
        context: Longest transcript, in tokens.
        max_action_tokens: Longest action, the stop token included.
        max_observation_tokens: Longest observation.

    Raises:
        BenchError: For limits that leave no room for anything.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        style: str = "bare",
        context: int = 2048,
        max_action_tokens: int = 32,
        max_observation_tokens: int = 512,
    ) -> None:
        self.tokenizer = tokenizer
        self.style = style
        self.context = context
        self.max_action_tokens = max_action_tokens
        self.max_observation_tokens = max_observation_tokens
        self.wording = derive_wording(tokenizer, style=style)
        self._special = re.compile("|".join(map(re.escape, special_texts(tokenizer))) or r"(?!)")
        self._cut = self.encode(CUT)
        if max_action_tokens < 1 or max_observation_tokens < len(self._cut) + 2:
            raise BenchError(
                f"max_action_tokens {max_action_tokens} must be 1 or more, and"
                f" max_observation_tokens {max_observation_tokens} at least {len(self._cut) + 2}."
            )
        self._opening = self.encode(self.wording.close + self.wording.before)
        self._after = self.encode(self.wording.after)
        self._notice_size = len(self.encode("\n" + NOTICE)) + 4
        #: Longest tokens between two actions.
        self.max_turn_tokens = max_observation_tokens + len(self._opening) + len(self._after)
        # Environments say the same things over and over.
        self._cache: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """Tokens of a text in the middle of a transcript; special tokens are taken as such."""
        # Some tokenizers put a space before what they take for the beginning of a text.
        given = self.wording.stop_text + text
        found: list[int] = self.tokenizer(given, add_special_tokens=False)["input_ids"]
        return found[1:]

    def _plain(self, text: str) -> str:
        """A text in which no special token is spelt out."""
        return self._special.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)

    def observation(self, text: str) -> list[int]:
        """Tokens between two actions: an observation and all that surrounds it."""
        cached = self._cache.get(text)
        if cached is None:
            wording = self.wording
            plain = self._plain(text)
            cached = self.encode(f"{wording.close}{wording.before}{plain}{wording.after}")
            if len(cached) > self.max_turn_tokens:
                inner = self.encode(plain)
                if len(inner) > self.max_observation_tokens:
                    keep = self.max_observation_tokens - len(self._cut)
                    tail = inner[len(inner) - keep // 2 :]
                    inner = inner[: keep - keep // 2] + self._cut + tail
                cached = [*self._opening, *inner, *self._after]
            if len(self._cache) < 100_000:
                self._cache[text] = cached
        return cached

    def head(self, goal: str, observation: str, notice: str = "") -> list[int]:
        """Tokens that open a transcript; the goal is said if the observation does not say it.

        Args:
            goal: The instruction.
            observation: First observation of the episode.
            notice: Text behind it.

        Raises:
            BenchError: When they leave no room for a turn, because a task is never cut.
        """
        wording = self.wording
        text = observation if goal in observation else f"Your task: {goal}\n{observation}"
        whole = f"{wording.start}{wording.before}{self._plain(text)}{notice}{wording.after}"
        ids: list[int] = self.tokenizer(whole, add_special_tokens=False)["input_ids"]
        # An action that runs into its limit is closed by a stop token of ours.
        turn = self.max_action_tokens + 1 + self.max_turn_tokens
        extra = 0 if notice else self._notice_size
        if len(ids) + extra + turn + self.max_action_tokens > self.context:
            raise BenchError(
                f"The task takes {len(ids)} tokens and a turn up to {turn}, which a context of"
                f" {self.context} cannot hold: give a longer context, or shorter turns"
                " (max_action_tokens, max_observation_tokens)."
            )
        return ids

    def action(self, text: str) -> list[int]:
        """Tokens of a demonstrated action, the stop token included.

        Raises:
            BenchError: When a policy could not write it, because it is too long.
        """
        plain = self._plain(text)
        said = f"Action: {plain}" if self.style == "react" else plain
        ids = [*self.encode(self.wording.lead + said), self.wording.stop]
        if len(ids) > self.max_action_tokens:
            raise BenchError(
                f"The demonstrated action {text[:60]!r} takes {len(ids)} tokens, and a policy may"
                f" write {self.max_action_tokens}: raise max_action_tokens"
                " (--transcript-config)."
            )
        return ids

    def command(self, ids: Sequence[int]) -> str:
        """Extracts the command for the environment from generated tokens.

        In style ``react`` it is the text behind the last ``Action:``; an answer without one goes to
        the environment as it is, which will call it malformed.
        """
        inner = [i for i in ids if i != self.wording.stop]
        text: str = self.tokenizer.decode(inner, skip_special_tokens=True)
        text = text.strip()
        if self.style == "react" and "Action:" in text:
            text = text.rsplit("Action:", 1)[1].strip()
        return text

    def demonstration(self, episode: Episode) -> Trajectory:
        """An episode of any agent as tokens, as a policy would have read and written it.

        Raises:
            BenchError: When the episode has no step.
        """
        if not episode.steps:
            raise BenchError(f"The episode of {episode.task_id} has no step to learn from.")
        writer = Writer(self, episode.goal, episode.first_observation)
        for step in episode.steps:
            writer.write(self.action(step.action))
            writer.read(step.observation)
        return Trajectory(episode, writer.transcripts)


class Writer:
    """Grows the transcripts of one episode, turn by turn.

    Args:
        encoder: Encoder of its turns.
        goal: The instruction.
        observation: First observation of the episode.
    """

    def __init__(self, encoder: Encoder, goal: str, observation: str) -> None:
        self._encoder = encoder
        self._task = (goal, observation)
        self._turns: list[tuple[int, int]] = []  # (from, to) in the current transcript's ids
        self.transcripts = [Transcript(encoder.head(goal, observation))]
        self.step = 0

    @property
    def current(self) -> Transcript:
        """The transcript that is being written."""
        return self.transcripts[-1]

    def write(self, ids: Sequence[int], logprobs: Sequence[float] = ()) -> None:
        """Appends an action: the tokens that were sampled, or demonstrated."""
        transcript = self.current
        start = len(transcript.ids)
        transcript.ids.extend(ids)
        transcript.spans.append((self.step, start, len(transcript.ids)))
        transcript.logprobs.extend(logprobs)
        self._turns.append((start, start))
        self.step += 1

    def read(self, observation: str) -> None:
        """Appends what the environment answered, and opens the next action."""
        wording = self._encoder.wording
        transcript = self.current
        # An action that ran into its limit did not end itself. Its end is then part of what is
        # read, not of what is trained.
        if transcript.ids[-1] != wording.stop:
            transcript.ids.append(wording.stop)
        transcript.ids.extend(self._encoder.observation(observation))
        self._turns[-1] = (self._turns[-1][0], len(transcript.ids))
        if len(transcript.ids) + self._encoder.max_action_tokens > self._encoder.context:
            self._restart()

    def _restart(self) -> None:
        """Begins a new transcript: task, notice, and the latest turns in half of the context."""
        encoder = self._encoder
        old = self.current.ids
        ids = encoder.head(*self._task, notice="\n" + NOTICE)
        room = encoder.context // 2 - len(ids)
        # The latest turn is kept in any case: `Encoder.head` has made sure that it fits.
        kept = [self._turns[-1]]
        size = kept[0][1] - kept[0][0]
        for start, end in reversed(self._turns[:-1]):
            size += end - start
            if size > room:
                break
            kept.insert(0, (start, end))
        self._turns = []
        for start, end in kept:
            self._turns.append((len(ids), len(ids) + end - start))
            ids += old[start:end]
        self.transcripts.append(Transcript(ids))
