"""Tokenizers from scratch: nothing is lost, names stay whole, no token crosses its bounds."""

from __future__ import annotations

import re

import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from qevolve_baselines.model.tokenizer import FUNCTION_WORDS, TOKENS, train_tokenizer
from qevolve_envs.errors import BenchError, UnknownName

WALK = "You walk to the countertop 1. On the countertop 1: candle 2, and tissue box 1."
ROOM = "You see a shelf 12.\n\nYour task: look at a candle in the light of a desk lamp."
ANSWERS = ["go to countertop 1", "take tissue box 1 from countertop 1", WALK, ROOM]


@pytest.fixture(scope="module", params=TOKENS)
def tokenizer(request):
    return train_tokenizer(tiny.texts(), 360, request.param)


def pieces(tokenizer, text):
    return [tokenizer.decode([token]) for token in tokenizer(text)["input_ids"]]


WORDS = st.sampled_from(
    [*FUNCTION_WORDS, "key", "door", "1", "23", ".", ", ", ": ", " ", "\n", "é"]
)


@given(text=st.one_of(st.text(), st.lists(WORDS).map(" ".join), st.lists(WORDS).map("".join)))
@settings(max_examples=300, deadline=None)
def test_any_text_comes_back_unchanged(tokenizer, text):
    for special in tokenizer.all_special_tokens:
        text = text.replace(special, "")
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_a_phrase_is_cut_behind_numbers_and_function_words_and_at_punctuation():
    # All merges that the bounds allow: what is left are the bounds.
    tokenizer = train_tokenizer(ANSWERS * 3, 2000)
    assert pieces(tokenizer, WALK) == [
        "You walk to the", " countertop 1", ".", " On the", " countertop 1", ":", " candle 2",
        ", and", " tissue box 1", ".",
    ]  # fmt: skip
    assert pieces(tokenizer, ROOM) == [
        "You see a", " shelf 12", ".", "\n\n", "Your task", ":", " look at a", " candle in the",
        " light of a", " desk lamp", ".",
    ]  # fmt: skip
    assert pieces(tokenizer, "go to countertop 1") == ["go to", " countertop 1"]
    assert pieces(tokenizer, "take tissue box 1 from countertop 1") == [
        "take tissue box 1", " from", " countertop 1"
    ]  # fmt: skip


def test_words_are_cut_at_spaces():
    tokenizer = train_tokenizer(ANSWERS * 3, 2000, "words")
    assert pieces(tokenizer, "go to countertop 1") == ["go", " to", " countertop", " 1"]


def test_no_token_of_phrases_crosses_a_bound():
    crossing = re.compile(r"\d\D|[^\n]\n|\n[^\n]|[^.,:;!?][.,:;!?]")
    tokenizer = train_tokenizer(tiny.texts(), 600)
    tokens = [tokenizer.decode([i]) for i in range(len(tokenizer)) if i >= 3]
    assert [token for token in tokens if crossing.search(token)] == []
    assert any(" " in token.strip() for token in tokens)


def test_a_long_text_without_bounds_is_no_trap(tokenizer):
    """Patterns that backtrack would take for ever, or raise."""
    for text in ("word " * 5_000, "the " * 5_000, "7" * 5_000, "." * 5_000, " " * 5_000):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@pytest.mark.parametrize("tokens", TOKENS)
def test_training_is_a_function_of_the_texts(tokens):
    one, other = (train_tokenizer(tiny.texts(), 400, tokens) for _ in range(2))
    assert one.get_vocab() == other.get_vocab()


def test_what_cannot_be_trained_is_told():
    with pytest.raises(BenchError, match="at least 320"):
        train_tokenizer(ANSWERS, 100)
    with pytest.raises(UnknownName, match="did you mean 'phrases'"):
        train_tokenizer(ANSWERS, 400, "phrase")
