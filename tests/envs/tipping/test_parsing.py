"""Decisions in replies, read as leniently as the paper's testbeds do, or strictly."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qevolve_envs.errors import UnknownName
from qevolve_envs.tipping.parsing import (
    Reading,
    coordination_choice,
    reader,
    role_play_choice,
    strict_choice,
)

ROUTES = ("Route A", "Route B")
WORDS = ("invest", "keep")
#: The expressions of the specification; `parsing` finds the same in linear time.
OBJECT = re.compile(r'\{[^}]*"choice"\s*:\s*"([^"]+)"[^}]*\}', re.IGNORECASE)
WORD = re.compile(r'"?choice"?\s*:\s*"?([^"\n\r]+?)"?(?:[\s,\}]|$)', re.IGNORECASE)


def by_expressions(reply, labels):
    for pattern in (OBJECT, WORD):
        found = pattern.search(reply)
        if found:
            for label in labels:
                if found[1].strip().lower() == label.lower():
                    return label
    return None


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ('{"choice": "Route A"}', "Route A"),
        ('I think. {"choice": "route b"} Done.', "Route B"),
        ('{"CHOICE" :\n"ROUTE A", "why": "fast"}', "Route A"),
        ('{"why": "fast", "choice": " Route A "}', "Route A"),
        ('{"choice": "Route A"} or {"choice": "Route B"}', "Route A"),
        ('{"choice": "Route A", "choice": "Route B"}', "Route B"),
        ('{"choice": "neither"} {"choice": "Route B"}', Reading.OTHER),
        ('"choice": "Route A"', Reading.OTHER),
        ("choice: Route A", Reading.OTHER),
        ('{"choice": "Route A"', Reading.OTHER),
        ("Route A", Reading.UNCLEAR),
        ("", Reading.UNCLEAR),
    ],
)
def test_role_play_reads_the_first_object(reply, choice):
    assert role_play_choice(reply, ROUTES) == choice


@pytest.mark.parametrize("read", [role_play_choice, coordination_choice])
def test_one_word_needs_no_object(read):
    assert read("my choice: keep", WORDS) == "keep"
    assert read('"choice": "Invest"', WORDS) == "invest"
    assert read("choice: keep, invest", WORDS) == "keep"


def test_the_two_games_read_spaces_differently():
    assert role_play_choice('{"choice": "invest "}', WORDS) == "invest"
    assert coordination_choice('{"choice": "invest "}', ("Invest", "keep")) == "Invest"
    assert coordination_choice('{"choice": "keep money "}', ("invest", "keep money")) == (
        Reading.OTHER
    )


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ('Because. {"choice": "Route A"}\n', "Route A"),
        ('{"choice": "Route B"}', "Route B"),
        ('{"choice": "route a"}', Reading.OTHER),
        ('{"choice": "Route A"}.', Reading.UNCLEAR),
        ('{"choice": "Route A", "why": "x"}', Reading.UNCLEAR),
        ('{"choice": "Route A"} {"choice": "Route A"}', Reading.UNCLEAR),
        ('{"choice": "Route A"} no: {"choice": "Route B"}', Reading.UNCLEAR),
        ('{"choice": ["Route A"]}', Reading.OTHER),
        ("choice: Route A", Reading.UNCLEAR),
        ("[" * 5000, Reading.UNCLEAR),
        ('{"choice":' + "[" * 50_000, Reading.UNCLEAR),
    ],
)
def test_strict_wants_one_decision_at_the_end(reply, choice):
    assert strict_choice(reply, ROUTES) == choice


PIECES = st.lists(
    st.sampled_from(
        ["{", "}", '"choice"', ":", " ", '"', "A", "b c", "\n", '"choice":"A"', "choice:", ",",
         '{"choice": "b C"}', "CHOICE", "a"]
    ),
    max_size=16,
).map("".join)  # fmt: skip


@settings(max_examples=400)
@given(PIECES)
def test_it_finds_what_the_papers_expressions_find(reply):
    found = role_play_choice(reply, ("A", "b c"))
    expected = by_expressions(reply, ("A", "b c"))
    assert (None if isinstance(found, Reading) else found) == expected


@settings(max_examples=200)
@given(st.text(), st.sampled_from(["faithful", "strict"]))
def test_any_text_is_read(reply, parse):
    for game in ("role_play", "coordination"):
        assert reader(game, parse)(reply, ROUTES) in (*ROUTES, *Reading)


@pytest.mark.parametrize(
    "reply",
    ["{" * 100_000, "choice:" * 15_000 + '"b', '{"choice":"A" ' * 7_000, '{"choice":' * 10_000],
    ids=["braces", "words", "objects", "open"],
)
def test_long_replies_are_read_too(reply):
    """Quadratic search takes from seconds to minutes for these."""
    assert role_play_choice(reply, ROUTES) not in ROUTES
    assert coordination_choice(reply, ROUTES) not in ROUTES


def test_unknown_parser():
    with pytest.raises(UnknownName, match="did you mean 'strict'"):
        reader("role_play", "stric")
