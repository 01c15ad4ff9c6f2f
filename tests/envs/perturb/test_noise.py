"""Typos, lost observations, failures: bounds, rates and what is spared."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qevolve_envs.perturb.layer import Moment
from qevolve_envs.perturb.noise import (
    DROPOUT,
    FAILURES,
    LOST,
    TYPOS,
    Dropout,
    Failures,
    Typos,
    misspell,
)

unit = st.floats(0, 1, exclude_max=True)
words = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=12)


def moment(step=1, commands=(), seed=0, task="t"):
    return Moment(task, step, lambda: list(commands), (seed, 0))


def begun(layer, goal=""):
    layer.begin("t", goal)
    return layer


@given(words, unit, unit, unit)
def test_a_slip_changes_a_word_by_at_most_one_letter(word, place, kind, key):
    slip = misspell(word, place, kind, key)
    assert slip != word and slip.isalpha() and abs(len(slip) - len(word)) <= 1


@pytest.mark.parametrize(
    ("kind", "expected"), [(0.0, "almp"), (0.3, "amp"), (0.6, "llamp"), (0.9, "kamp")]
)
def test_the_four_slips(kind, expected):
    assert misspell("lamp", 0.0, kind, 0.0) == expected


@given(st.text("abcdeFGH019 \n.,[]<>&;SEP-", max_size=300), st.integers(1, 3), st.integers(0, 50))
def test_typos_keep_lengths_numbers_and_marks(text, severity, seed):
    shown = begun(Typos(severity)).observe(text, moment(seed=seed))
    words_ = len(re.findall(r"[A-Za-z]{4,}", text))
    assert abs(len(shown) - len(text)) <= words_
    assert re.findall(r"\d+", shown) == re.findall(r"\d+", text)
    assert re.sub("[A-Za-z]", "", shown) == re.sub("[A-Za-z]", "", text)
    assert re.findall(r"\[[^\[\]]*\]", shown) == re.findall(r"\[[^\[\]]*\]", text)


def test_typos_hit_as_many_words_as_they_say_and_a_high_severity_hits_the_same_ones():
    text = "wandering sideways " * 1500
    hit = []
    for severity in (1, 2, 3):
        shown = begun(Typos(severity)).observe(text, moment()).split()
        hit.append({i for i, (a, b) in enumerate(zip(text.split(), shown, strict=True)) if a != b})
        assert len(hit[-1]) / 3000 == pytest.approx(TYPOS[severity - 1], abs=0.02)
    assert hit[0] < hit[1] < hit[2]


def test_what_has_to_be_copied_is_spared_until_severity_3():
    text = "Here is a teapot near the window. " * 200
    commands = ["take teapot"]
    for severity in (1, 2, 3):
        shown = begun(Typos(severity)).observe(text, moment(commands=commands))
        assert (shown.count("teapot") == 200) is (severity < 3)
        assert shown.count("window") < 200


def test_the_instruction_is_never_misspelt():
    goal = "carry the heavy parcel elsewhere"
    text = f"Somewhere something. Your task: {goal}. Anything else."
    for seed in range(60):
        shown = begun(Typos(3), goal).observe(text, moment(seed=seed))
        assert f": {goal}." in shown


def test_html_instructions_are_spared_too():
    goal = "I'd like <nothing> & more"
    text = "<p>I&#x27;d like &lt;nothing&gt; &amp; more</p><p>wandering words</p>" * 3
    for seed in range(30):
        shown = begun(Typos(3), goal).observe(text, moment(seed=seed))
        assert shown.count("I&#x27;d like &lt;nothing&gt; &amp; more") == 3
        assert shown.count("<p>") == 6


@pytest.mark.parametrize("severity", (1, 2, 3))
def test_observations_are_lost_at_a_rate_never_the_first_and_never_two_in_a_row(severity):
    layer, lost = Dropout(severity), []
    for task in range(150):
        run = [layer.observe("text", moment(step, task=str(task))) == LOST for step in range(40)]
        assert not run[0]
        assert not any(a and b for a, b in pairwise(run))
        lost += run[1:]
    p = DROPOUT[severity - 1]
    # A loss is drawn with p where there was none before: the long-run rate is p / (1 + p).
    assert sum(lost) / len(lost) == pytest.approx(p / (1 + p), abs=0.02)


@pytest.mark.parametrize("severity", (1, 2, 3))
def test_actions_fail_at_a_rate_and_never_three_in_a_row(severity):
    layer, failed = Failures(severity), []
    for task in range(150):
        run = [layer.fails(moment(step, task=str(task))) for step in range(41)]
        assert not run[0], "a reset does not fail"
        assert not any(all(run[i : i + 3]) for i in range(38))
        failed += run[1:]
    p = FAILURES[severity - 1]
    # In the long run, of (1 + p + p^2) draws p + p^2 fail: the third of a row never does.
    rate = (p + p * p) / (1 + p + p * p)
    assert sum(failed) / len(failed) == pytest.approx(rate, abs=0.02)
