"""Episodes as tokens: append-only transcripts, and the wording of their turns.

A transcript is what the model has read and written, token by token, in the order in which it
happened::

    [head: task and first observation][opening of a turn] action stop [closing] [observation][opening] …

It only ever grows, so that a decoder can keep its cache across turns, and the tokens that were
sampled are the tokens that are trained on: generated text is never tokenised a second time.

**Overlong episodes.** An observation of more than `max_observation_tokens` loses its middle and says
so. A transcript that would outgrow the model's context is closed, and a new one begins with the
whole head, a notice, the latest turn, and as many turns before it as half of the context holds. Earlier turns that
are repeated there are context, not actions, so no action is trained twice. The task is never cut: a
head that does not fit is an error.
"""

from __future__ import annotations

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
    """The fixed strings around what is said in a turn, as token ids.

    Attributes:
        start: Opens a transcript (begin-of-sequence, system prompt …).
        before: Opens an observation.
        after: Closes an observation and opens the action.
        stop: The token that ends an action; the model generates it.
        close: What stands between `stop` and the next observation.
    """

    start: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    stop: int
    close: tuple[int, ...]


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

    def ids(text: str) -> tuple[int, ...]:
        return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])

    if not tokenizer.chat_template:
        start = () if tokenizer.bos_token_id is None else (tokenizer.bos_token_id,)
        prompt = ids(REACT_PROMPT + "\n\n") if style == "react" else ()
        # A tokenizer of ours has a token of its own here, which costs one instead of several.
        act = tokenizer.convert_tokens_to_ids("<act>")
        known = act is not None and act != tokenizer.unk_token_id
        after = (int(act),) if known else ids("\n> ")
        close = () if known else ids("\n")
        return Wording(start + prompt, (), after, int(tokenizer.eos_token_id), close)

    first, answer, second = "QUESTION-ONE", "ANSWER-ONE", "QUESTION-TWO"
    system = [{"role": "system", "content": REACT_PROMPT}] if style == "react" else []
    turns = [
        {"role": "user", "content": first},
        {"role": "assistant", "content": answer},
        {"role": "user", "content": second},
    ]

    def render(messages: list[dict[str, str]], opening: bool) -> str:
        text: str = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=opening
        )
        return text

    try:
        one = render([*system, turns[0]], True)
    except Exception:  # Templates refuse a system message each in a way of their own.
        turns[0]["content"] = first = f"{REACT_PROMPT}\n\n{first}" if system else first
        system = []
        one = render([turns[0]], True)
    three = render([*system, *turns], True)
    if not three.startswith(one) or second not in three or first not in one:
        raise BenchError(
            f"The chat template of {tokenizer.name_or_path!r} rewrites earlier turns, and a"
            " transcript must only grow: give it another template, or none (tokenizer.chat_template"
            " = None)."
        )
    head, after = one.split(first)
    between, closing = three[len(one) :].removeprefix(answer).split(second)
    eos = tokenizer.eos_token
    for stop in (eos, "<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "</s>"):
        if stop and between.lstrip("\n").startswith(stop):
            break
    else:
        raise BenchError(
            f"The chat template of {tokenizer.name_or_path!r} does not end an answer with one"
            f" special token such as {eos!r}: give it another template, or none."
        )
    rest = between.split(stop, 1)[1]
    if closing != after:
        raise BenchError(
            f"The chat template of {tokenizer.name_or_path!r} words later turns differently:"
            " give it another template, or none."
        )
    # What opens the second question opens the first as well, behind what opens the dialogue.
    before = rest
    common = 0
    while common < min(len(head), len(rest)) and head[-1 - common] == rest[-1 - common]:
        common += 1
    before = rest[len(rest) - common :]
    return Wording(
        start=ids(head[: len(head) - common]),
        before=ids(before),
        after=ids(after),
        stop=int(tokenizer.convert_tokens_to_ids(stop)),
        close=ids(rest[: len(rest) - common]),
    )


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

    Args:
        tokenizer: A Hugging Face tokenizer.
        style: One of `STYLES`.
        context: Longest transcript, in tokens.
        max_action_tokens: Longest action, the stop token included.
        max_observation_tokens: Longest observation.
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
        self.notice = self.encode("\n" + NOTICE + "\n")
        self._cut = self.encode(CUT)
        # Environments say the same things over and over.
        self._cache: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, without special ones."""
        found: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    def observation(self, text: str) -> list[int]:
        """Tokens of an observation and of what surrounds it, the opening of the action included."""
        cached = self._cache.get(text)
        if cached is None:
            inner = self.encode(text)
            if len(inner) > self.max_observation_tokens:
                keep = self.max_observation_tokens - len(self._cut)
                inner = inner[: keep - keep // 2] + self._cut + inner[len(inner) - keep // 2 :]
            cached = [*self.wording.before, *inner, *self.wording.after]
            if len(self._cache) < 100_000:
                self._cache[text] = cached
        return cached

    def head(self, goal: str, observation: str) -> list[int]:
        """Tokens that open an episode; the goal is said if the observation does not say it.

        Raises:
            BenchError: When they leave no room for an action, because a task is never cut.
        """
        text = observation if goal in observation else f"Your task: {goal}\n{observation}"
        inner = [*self.wording.before, *self.encode(text), *self.wording.after]
        ids = [*self.wording.start, *inner]
        fixed = len(self.wording.close) + len(self.wording.before) + len(self.wording.after) + 1
        turn = self.max_action_tokens + self.max_observation_tokens + fixed
        if len(ids) + len(self.notice) + turn + self.max_action_tokens > self.context:
            raise BenchError(
                f"The task takes {len(ids)} tokens and a turn up to {turn}, which a context of"
                f" {self.context} cannot hold: give a longer context, or shorter turns"
                " (max_action_tokens, max_observation_tokens)."
            )
        return ids

    def action(self, text: str) -> list[int]:
        """Tokens of a demonstrated action, the stop token included."""
        said = f"Action: {text}" if self.style == "react" else text
        return [*self.encode(said), self.wording.stop]

    def command(self, ids: Sequence[int]) -> str:
        """What the environment is told for generated tokens.

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
        encoder: Its wording and limits.
        goal: The instruction.
        observation: What `reset` returned.
    """

    def __init__(self, encoder: Encoder, goal: str, observation: str) -> None:
        self._encoder = encoder
        self._head = encoder.head(goal, observation)
        self._turns: list[tuple[int, int]] = []  # (from, to) in the current transcript's ids
        self.transcripts = [Transcript(list(self._head))]
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
        answer = [*wording.close, *self._encoder.observation(observation)]
        transcript.ids.extend(answer)
        self._turns[-1] = (self._turns[-1][0], len(transcript.ids))
        if len(transcript.ids) + self._encoder.max_action_tokens > self._encoder.context:
            self._restart()

    def _restart(self) -> None:
        """Begins a new transcript: head, notice, and the latest turns that fill half the context."""
        encoder = self._encoder
        old = self.current.ids
        split = len(self._head) - len(encoder.wording.after)
        ids = [*self._head[:split], *encoder.notice, *self._head[split:]]
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
