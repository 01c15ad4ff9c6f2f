"""Tokenizers of models that are made from scratch, trained on what the environment says.

With ``words``, no token is longer than a word, as in most language models. With ``phrases``, tokens
may span words (Liu et al. 2025, "SuperBPE", arXiv 2503.13423), within bounds that keep names whole
and apart: a phrase ends behind a number, at punctuation, and behind function words of English. "You
walk to the countertop 1. On the countertop 1: candle 2, and tissue box 1." is then

    You walk to the| countertop 1|.| On the| countertop 1|:| candle 2|, and| tissue box 1|.

A small model copies a name by one token instead of three, and a transcript is half as long
(`tests/benchmarks/tokens.py` shows how long, and what that is worth).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qevolve_envs.errors import BenchError, UnknownName

TOKENS = ("phrases", "words")
#: Words that no name begins with, and that sentences are built of.
FUNCTION_WORDS = ("a", "an", "and", "from", "in", "on", "the", "to", "with")


def train_tokenizer(texts: Iterable[str], vocabulary: int, tokens: str = "phrases") -> Any:
    """Trains a byte-level BPE tokenizer; any text can be encoded and comes back unchanged.

    What the texts repeat becomes a single token. ``<act>`` opens an action, ``<end>`` (the
    end-of-sequence token) closes it, ``<pad>`` fills up batches.

    Args:
        texts: Observations and actions.
        vocabulary: Most entries; at least 320, because single bytes take 256.
        tokens: Largest unit of a token: one of ``phrases`` and ``words``.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    if vocabulary < 320:
        raise BenchError(f"A vocabulary needs at least 320 entries, not {vocabulary}.")
    if tokens not in TOKENS:
        raise UnknownName.of("kind of tokens", tokens, TOKENS)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = (
        _phrases() if tokens == "phrases" else pre_tokenizers.ByteLevel(add_prefix_space=False)
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=["<pad>", "<act>", "<end>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<end>",
        additional_special_tokens=["<act>"],
        clean_up_tokenization_spaces=False,
    )


def _phrases() -> Any:
    """Cuts a text where no token may reach across."""
    from tokenizers import Regex, pre_tokenizers

    function_words = "|".join(FUNCTION_WORDS)
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior)
            for pattern, behavior in (
                (r"\n+", "isolated"),
                (r"[.,:;!?]+(?: and(?= ))?", "isolated"),
                (r"(?<=\d)(?=\D)", "isolated"),
                (rf"(?: (?:{function_words}))+(?= )", "merged_with_previous"),
            )
        ]
        + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
