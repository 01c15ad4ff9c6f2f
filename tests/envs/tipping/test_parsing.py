"""Decisions in replies, read as leniently as the paper's testbeds do, or strictly."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qevolve_envs.errors import UnknownName
from qevolve_envs.tipping.parsing import (
    NoLabel,
    coordination_choice,
    reader,
    role_play_choice,
    strict_choice,
)

ROUTES = ("Route A", "Route B")
WORDS = ("invest", "keep")


def naive_object(reply):
    """The search in braces as it is defined: from each brace, as far as possible, then back."""
    lower = reply.lower()
    for opened in (i for i, c in enumerate(reply) if c == "{"):
        closed = reply.find("}", opened)
        limit = len(reply) if closed < 0 else closed
        for key in range(limit, opened, -1):
            if not lower.startswith('"choice"', key):
                continue
            rest = reply[key + len('"choice"') :].lstrip()
            if not rest.startswith(":") or not (rest := rest[1:].lstrip()).startswith('"'):
                continue
            label, quote, behind = rest[1:].partition('"')
            if label and quote and "}" in behind:
                return label
    return None


def naive_word(reply):
    """The first key, and the shortest label behind it that a space, comma, brace or end closes."""
    lower = reply.lower()
    for key in (i for i in range(len(reply)) if lower.startswith("choice", i)):
        at = key + len("choice")
        at += reply[at : at + 1] == '"'
        at += len(reply[at:]) - len(reply[at:].lstrip())
        if reply[at : at + 1] != ":":
            continue
        at += 1
        blanks = len(reply[at:]) - len(reply[at:].lstrip())
        for start in range(at + blanks, at - 1, -1):
            for quote in (1, 0) if reply[start : start + 1] == '"' else (0,):
                label = ""
                for i in range(start + quote, len(reply)):
                    if reply[i] in '"\n\r':
                        break
                    label += reply[i]
                    for end in (i + 2, i + 1) if reply[i + 1 : i + 2] == '"' else (i + 1,):
                        if end == len(reply) or reply[end].isspace() or reply[end] in ",}":
                            return label
    return None


def by_definition(reply, labels):
    for said in (naive_object(reply), naive_word(reply)):
        for label in labels:
            if said is not None and said.strip().lower() == label.lower():
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
        ('{"choice": "neither"} {"choice": "Route B"}', NoLabel.OTHER),
        ('"choice": "Route A"', NoLabel.OTHER),
        ("choice: Route A", NoLabel.OTHER),
        ('{"choice": "Route A"', NoLabel.OTHER),
        ("Route A", NoLabel.UNCLEAR),
        ("", NoLabel.UNCLEAR),
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
        NoLabel.OTHER
    )


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ('Because. {"choice": "Route A"}\n', "Route A"),
        ('{"choice": "Route B"}', "Route B"),
        ('{"choice": "route a"}', NoLabel.OTHER),
        ('{"choice": "Route A"}.', NoLabel.UNCLEAR),
        ('{"choice": "Route A", "why": "x"}', NoLabel.UNCLEAR),
        ('{"choice": "Route A"} {"choice": "Route A"}', NoLabel.UNCLEAR),
        ('{"choice": "Route A"} no: {"choice": "Route B"}', NoLabel.UNCLEAR),
        ('{"choice": ["Route A"]}', NoLabel.OTHER),
        ("choice: Route A", NoLabel.UNCLEAR),
        ("[" * 5000, NoLabel.UNCLEAR),
        ('{"choice":' + "[" * 50_000, NoLabel.UNCLEAR),
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
def test_it_finds_what_the_definition_finds(reply):
    found = role_play_choice(reply, ("A", "b c"))
    expected = by_definition(reply, ("A", "b c"))
    assert (None if isinstance(found, NoLabel) else found) == expected


@settings(max_examples=200)
@given(st.text(), st.sampled_from(["faithful", "strict"]))
def test_any_text_is_read(reply, parse):
    for game in ("role_play", "coordination"):
        assert reader(game, parse)(reply, ROUTES) in (*ROUTES, *NoLabel)


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
