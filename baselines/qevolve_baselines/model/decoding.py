"""Batched decoding with a key-value cache that is kept across the turns of an episode.

Reading a whole transcript again at each turn, as a call of `generate` per turn does, makes an
episode quadratic in its length. Here every token is read once: the episodes of a batch grow in
lockstep, each with a length of its own, and a turn reads only what is new.

`LockstepDecoder` does that for any causal language model that takes a four-dimensional attention
mask; `GenerateDecoder` calls the model's own `generate` at each turn, for models that do not (see
`reads_in_lockstep`), and to check the other one. Both sample from the softmax of the logits divided
by the temperature, without top-k or nucleus filters: the log-probabilities they return are those of
the sampling distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import GenerationConfig
from transformers.generation.logits_process import LogitsProcessor, LogitsProcessorList

from qevolve_baselines.model.forward import backbone, head_logits
from qevolve_baselines.model.kv_cache import RaggedCache

#: Numbers in the attention mask of one forward pass; longer texts are read in pieces.
MASK_NUMBERS = 2**26
#: Rows with so many times the median number of tokens to read are read by themselves.
LONG_CHUNK = 2.0


class Sampled(NamedTuple):
    """The tokens of one action, and their log-probabilities under the sampling distribution."""

    ids: list[int]
    logprobs: list[float]


class Decoder(Protocol):
    """Writes the next action of each episode of a batch."""

    def begin(self, rows: int) -> None:
        """Forgets everything; the next turns are of a batch of `rows` episodes."""

    def turn(
        self,
        transcripts: Sequence[Sequence[int] | None],
        uniforms: npt.NDArray[np.float64] | None,
        *,
        stop: int,
        max_new_tokens: int,
        temperature: float,
    ) -> list[Sampled]:
        """Samples one action for each episode.

        Args:
            transcripts: All tokens of each episode so far; None where the episode is over. An
                episode that is over stays over until `begin`.
            uniforms: Numbers in [0, 1), shape (rows, max_new_tokens), that the tokens are drawn
                with; None takes the likeliest token.
            stop: The token that ends an action; it belongs to the answer.
            max_new_tokens: Most tokens of an action.
            temperature: Divides the logits; 1 for greedy decoding's log-probabilities.
        """


def draw(logits: Tensor, uniforms: Tensor | None, temperature: float) -> tuple[Tensor, Tensor]:
    """Draws one token per row by the inverse of the distribution function.

    Args:
        logits: Shape (rows, vocabulary).
        uniforms: Shape (rows,), in [0, 1); None takes the likeliest token.
        temperature: Divides the logits.

    Returns:
        Tokens and their log-probabilities, each of shape (rows,).
    """
    exact = logits if logits.dtype == torch.float64 else logits.float()
    logprobs = torch.log_softmax(exact / temperature, dim=-1)
    if uniforms is None:
        token = logprobs.argmax(dim=-1)
    else:
        cumulated = logprobs.exp().double().cumsum(dim=-1)
        # The sum differs from 1 by rounding; scaled by it, no number falls behind the last token.
        threshold = uniforms.to(cumulated)[:, None] * cumulated[:, -1:]
        token = (cumulated <= threshold).sum(dim=-1).clamp_(max=logits.shape[-1] - 1)
    return token, logprobs.gather(1, token[:, None])[:, 0]


def reads_in_lockstep(model: Any, context: int) -> bool:
    """Checks that `LockstepDecoder` computes what the model itself would.

    It gives the attention mask and keeps the cache. Flash attention takes no such mask, a model
    with a recurrent state has no such cache, and a sliding window that is shorter than the
    transcripts would be ignored.

    Args:
        model: A causal language model.
        context: Longest transcript.
    """
    config = model.config
    if getattr(config, "_attn_implementation", "sdpa") not in ("sdpa", "eager"):
        return False
    if getattr(model, "_is_stateful", False):
        return False
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds - {"full_attention", "sliding_attention"}:
        return False
    window = getattr(config, "sliding_window", None)
    slides = "sliding_attention" in kinds or not hasattr(config, "layer_types")
    return not (slides and window is not None and window < context)


def _common(ids: Sequence[int], read: Sequence[int]) -> int:
    """Length of the common beginning of two sequences."""
    if list(ids[: len(read)]) == list(read):
        return len(read)
    return next(i for i, (a, b) in enumerate(zip_longest(ids, read)) if a != b)


class LockstepDecoder:
    """Keeps the cache of every episode across turns, and reads each token once.

    Args:
        model: A causal language model in evaluation mode.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.begin(0)

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        device: torch.device = self.model.device
        return device

    def begin(self, rows: int) -> None:
        """See `Decoder.begin`."""
        self._rows = list(range(rows))  # the episode that each row of the cache belongs to
        self._read: list[Sequence[int]] = [()] * rows  # what the cache holds of each episode
        self._cache = RaggedCache(rows, self.device)

    @torch.inference_mode()
    def turn(
        self,
        transcripts: Sequence[Sequence[int] | None],
        uniforms: npt.NDArray[np.float64] | None,
        *,
        stop: int,
        max_new_tokens: int,
        temperature: float,
    ) -> list[Sampled]:
        """See `Decoder.turn`."""
        answers = [Sampled([], []) for _ in transcripts]
        self._compact(transcripts)
        rows = self._rows
        active = np.array([transcripts[episode] is not None for episode in rows], dtype=bool)
        if not active.any():
            return answers
        chunks: list[list[int]] = []
        lengths = self._cache.lengths.tolist()
        for row, episode in enumerate(rows):
            ids = transcripts[episode]
            if ids is None:
                chunks.append([])
                continue
            # What was read and is not in the transcript is forgotten: it began anew, or another
            # answer than the one sampled here was taken.
            lengths[row] = min(_common(ids, self._read[episode][: lengths[row]]), len(ids) - 1)
            chunks.append(list(ids[lengths[row] :]))
            self._read[episode] = list(ids)
        self._cache.lengths = torch.tensor(lengths, dtype=torch.long, device=self.device)
        logits = self._take_in(chunks)

        draws = None
        if uniforms is not None:
            draws = torch.from_numpy(uniforms[rows]).to(self.device)
        tokens, logprobs, counts = self._write(
            logits,
            torch.from_numpy(active).to(self.device),
            draws,
            stop,
            max_new_tokens,
            temperature,
        )
        # One transfer for all of it.
        all_tokens, all_logprobs, all_counts = tokens.tolist(), logprobs.tolist(), counts.tolist()
        lengths = self._cache.lengths.tolist()
        for row, episode in enumerate(rows):
            count = all_counts[row]
            answers[episode] = Sampled(all_tokens[row][:count], all_logprobs[row][:count])
            ids = transcripts[episode]
            if ids is not None:
                # The end of the answer is not read yet: it comes with the next turn.
                self._read[episode] = [*ids, *all_tokens[row][:count]][: lengths[row]]
        return answers

    def _write(
        self,
        logits: Tensor,
        open_: Tensor,
        draws: Tensor | None,
        stop: int,
        max_new_tokens: int,
        temperature: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Draws tokens until every row has ended.

        Once half of the rows have ended, the others go on in a copy of their part of the cache;
        what they read there they read again with the next turn, which costs little.

        Args:
            logits: Logits of the first token, shape (rows, vocabulary).
            open_: True for the rows that answer, shape (rows,).
            draws: Shape (rows, max_new_tokens), or None.
            stop: See `Decoder.turn`.
            max_new_tokens: See `Decoder.turn`.
            temperature: See `Decoder.turn`.

        Returns:
            Tokens and log-probabilities, shape (rows, max_new_tokens), and how many of them each
            row has, shape (rows,).
        """
        shape = (len(open_), max_new_tokens)
        tokens = torch.zeros(shape, dtype=torch.long, device=self.device)
        logprobs = torch.zeros(shape, dtype=torch.float64, device=self.device)
        counts = torch.zeros(len(open_), dtype=torch.long, device=self.device)
        cache, rows = self._cache, torch.arange(len(open_), device=self.device)
        for step in range(max_new_tokens):
            draw_now = None if draws is None else draws[rows, step]
            token, logprob = draw(logits, draw_now, temperature)
            tokens[rows, step] = token
            logprobs[rows, step] = logprob.double()
            counts[rows] += open_.long()
            open_ = open_ & (token != stop)
            left = int(open_.sum())
            if left == 0 or step + 1 == max_new_tokens:
                break
            if left <= len(rows) // 2:
                going_on = open_.nonzero()[:, 0]
                cache, rows, token = cache.part(going_on), rows[going_on], token[going_on]
                open_ = open_[going_on]
            states = self._states(cache, token[:, None], open_.long())
            cache.lengths = cache.lengths + open_.long()
            logits = head_logits(self.model, states[:, 0])
        return tokens, logprobs, counts

    def _compact(self, transcripts: Sequence[Sequence[int] | None]) -> None:
        """Drops rows of episodes that are over, once they are a quarter of the batch."""
        left = [row for row, episode in enumerate(self._rows) if transcripts[episode] is not None]
        if len(left) <= 0.75 * len(self._rows):
            self._cache.keep(torch.tensor(left, dtype=torch.long, device=self.device))
            self._rows = [self._rows[row] for row in left]

    def _take_in(self, chunks: Sequence[Sequence[int]]) -> Tensor:
        """Reads a chunk of each row; returns the logits behind its last token, (rows, vocab).

        A few rows that have much more to read than the others, such as transcripts that begin
        anew, are read by themselves, so that the others are not padded to their width.
        """
        sizes = np.array([len(chunk) for chunk in chunks])
        long = sizes > LONG_CHUNK * max(1.0, float(np.median(sizes)))
        if self._cache.empty or not long.any():
            return self._read_chunks(self._cache, chunks)
        apart = torch.from_numpy(long.nonzero()[0]).to(self.device)
        copy = self._cache.part(apart)
        theirs = self._read_chunks(copy, [chunks[row] for row in apart.tolist()])
        logits = self._read_chunks(
            self._cache, [[] if alone else c for alone, c in zip(long, chunks, strict=True)]
        )
        self._cache.absorb(apart, copy)
        logits[apart] = theirs
        return logits

    def _read_chunks(self, cache: RaggedCache, chunks: Sequence[Sequence[int]]) -> Tensor:
        """Reads chunks into a cache, padded to the longest; see `_take_in`."""
        rows, width = len(chunks), max(len(chunk) for chunk in chunks)
        padded = np.zeros((rows, width), dtype=np.int64)
        for row, chunk in enumerate(chunks):
            padded[row, : len(chunk)] = chunk
        ids = torch.from_numpy(padded).to(self.device)
        counts = torch.tensor([len(chunk) for chunk in chunks], device=self.device)
        # Of a long text, the mask alone would be rows x width x width numbers.
        piece = max(1, MASK_NUMBERS // (rows * (int(cache.lengths.max()) + width)))
        every = torch.arange(rows, device=self.device)
        last: Tensor | None = None
        for first in range(0, width, piece):
            part = ids[:, first : first + piece]
            filled = (counts - first).clamp(0, part.shape[1])
            states = self._states(cache, part, filled)[every, (filled - 1).clamp(min=0)]
            last = states if last is None else torch.where((filled > 0)[:, None], states, last)
            cache.lengths = cache.lengths + filled
        assert last is not None
        return head_logits(self.model, last)

    def _states(self, cache: RaggedCache, ids: Tensor, filled: Tensor) -> Tensor:
        """Last hidden states of the next tokens, of which row ``b`` has ``filled[b]``.

        A row that is done reads into a place that nobody looks at.
        """
        rows, width = ids.shape
        longest = int(cache.lengths.max()) + width
        cache.plan(width, longest)
        # Padding stays at the last position of its row: the one behind may be past the model's end.
        steps = torch.arange(width, device=ids.device)
        positions = cache.lengths[:, None] + steps.minimum((filled - 1).clamp(min=0)[:, None])
        seen = torch.arange(longest, device=ids.device) <= positions[:, :, None]
        mask = torch.zeros(rows, 1, width, longest, dtype=self.model.dtype, device=ids.device)
        mask.masked_fill_(~seen[:, None], torch.finfo(self.model.dtype).min)
        output = backbone(self.model)(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        )
        states: Tensor = output.last_hidden_state
        return states


class _Inverse(LogitsProcessor):  # type: ignore[misc]
    """Makes greedy search pick the token that `draw` picks, and keeps its log-probability."""

    def __init__(self, uniforms: Tensor | None, temperature: float) -> None:
        self.uniforms = uniforms
        self.temperature = temperature
        self.logprobs: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        step = len(self.logprobs)
        uniform = None if self.uniforms is None else self.uniforms[:, step]
        token, logprob = draw(scores, uniform, self.temperature)
        self.logprobs.append(logprob)
        forced = torch.full_like(scores, float("-inf"))
        return forced.scatter_(1, token[:, None], 0.0)


class GenerateDecoder:
    """Calls the model's own `generate` at each turn, on all tokens so far.

    Args:
        model: A causal language model in evaluation mode.
        pad: The token that fills up shorter rows on the left.
    """

    def __init__(self, model: Any, pad: int) -> None:
        self.model = model
        self.pad = pad

    def begin(self, rows: int) -> None:
        """See `Decoder.begin`; nothing is kept between turns."""

    @torch.inference_mode()
    def turn(
        self,
        transcripts: Sequence[Sequence[int] | None],
        uniforms: npt.NDArray[np.float64] | None,
        *,
        stop: int,
        max_new_tokens: int,
        temperature: float,
    ) -> list[Sampled]:
        """See `Decoder.turn`."""
        answers = [Sampled([], []) for _ in transcripts]
        rows = [i for i, ids in enumerate(transcripts) if ids is not None]
        given = [list(ids) for ids in transcripts if ids is not None]
        if not rows:
            return answers
        width = max(len(ids) for ids in given)
        ids = torch.tensor([[self.pad] * (width - len(g)) + g for g in given])
        mask = torch.tensor([[0] * (width - len(g)) + [1] * len(g) for g in given])
        draws = None
        if uniforms is not None:
            draws = torch.from_numpy(uniforms[rows]).to(self.model.device)
        inverse = _Inverse(draws, temperature)
        output = self.model.generate(
            input_ids=ids.to(self.model.device),
            attention_mask=mask.to(self.model.device),
            logits_processor=LogitsProcessorList([inverse]),
            # A configuration of its own: a model's defaults may filter (top_k = 50) or penalise.
            generation_config=GenerationConfig(
                max_new_tokens=max_new_tokens,
                do_sample=False,
                eos_token_id=stop,
                pad_token_id=self.pad,
            ),
        )
        new = output[:, width:].tolist()
        logprobs = torch.stack(inverse.logprobs, 1).tolist()
        for row, episode in enumerate(rows):
            count = new[row].index(stop) + 1 if stop in new[row] else len(new[row])
            answers[episode] = Sampled(new[row][:count], logprobs[row][:count])
        return answers
