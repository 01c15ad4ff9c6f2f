"""Renaming is a swap: nothing is confused, everything turns back, old names are gone."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qevolve_envs.core import Feedback
from qevolve_envs.lab.houses import KNOWN_HOUSES
from qevolve_envs.lab.spec import build_world
from qevolve_envs.lab.tasks import make_task, task_ids
from qevolve_envs.language import find_language
from qevolve_envs.perturb import make_perturbed
from qevolve_envs.perturb.rename import draw_names, inventions, swap_names

ENVS = ("qevolve/Household-v0", "qevolve/Shop-v0", "qevolve/Lab-v0")
HOUSEHOLD, SHOP, LAB = ENVS


def lexicon(env_id):
    return find_language(env_id).names


def old_and_new(env_id):
    words = lexicon(env_id)
    new = {name for pair in words.synonyms.values() for name in pair}
    new |= {*inventions(words), *(f"{word}s" for word in inventions(words))}
    return {*words.plurals, *words.plurals.values()}, new


# ── the tables ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("env_id", ENVS)
def test_synonyms_are_different_new_and_begin_alike(env_id):
    words = lexicon(env_id)
    old, _ = old_and_new(env_id)
    singular = [synonym for synonym, _ in words.synonyms.values()]
    plural = [plural for _, plural in words.synonyms.values()]
    assert len(set(singular)) == len(singular) and len(set(plural)) == len(plural)
    assert not set(singular + plural) & old
    assert set(words.synonyms) <= set(words.plurals)
    for name, (synonym, _) in words.synonyms.items():
        if env_id == HOUSEHOLD:  # Only there do texts write "a" and "an" before names.
            assert (name[0] in "aeiou") == (synonym[0] in "aeiou"), name


@pytest.mark.parametrize("env_id", ENVS)
def test_invented_words_are_enough_different_and_unheard_of(env_id):
    words = lexicon(env_id)
    old, _ = old_and_new(env_id)
    taken = old | {name for pair in words.synonyms.values() for name in pair}
    assert len(set(inventions(words))) == len(inventions(words)) == 2 * len(words.plurals)
    assert not {*inventions(words), *(f"{w}s" for w in inventions(words))} & taken
    for one, other in pairwise(inventions(words)[:20:2]):
        assert one[0] not in "aeiou" and other != one
    assert all(word[0] in "aeiou" for word in inventions(words)[1::2])


# ── the swap ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("env_id", ENVS)
@pytest.mark.parametrize("severity", (1, 2, 3))
def test_a_swap_is_its_own_inverse_and_one_to_one(env_id, severity):
    words = lexicon(env_id)
    for task in range(20):
        names = draw_names(f"task {task}", severity, words)
        assert all(names[names[name]] == name for name in names)
        assert len(set(names.values())) == len(names)
        renamed = {name for name in words.plurals if name in names}
        if severity == 1:
            assert 0 < len(renamed) < 0.5 * len(words.plurals)
        elif severity == 2:
            assert renamed == set(words.synonyms)
        else:
            assert renamed == set(words.plurals) - words.kept


CASES = (str.lower, str.capitalize, str.upper)


@given(st.data())
def test_texts_of_names_old_and_new_turn_back(data):
    env_id = data.draw(st.sampled_from(ENVS))
    severity = data.draw(st.integers(1, 3))
    old, new = old_and_new(env_id)
    piece = st.one_of(
        st.sampled_from(sorted(old | new)), st.sampled_from(["the", "1", "x", "lamp", "stand"])
    )
    pieces = data.draw(st.lists(piece, max_size=12))
    case = data.draw(st.sampled_from(CASES))
    text = data.draw(st.sampled_from([" ", ", ", " 1. "])).join(map(case, pieces))
    names = draw_names(data.draw(st.sampled_from(["a", "b", "c"])), severity, lexicon(env_id))
    there = swap_names(text, names, lexicon(env_id))
    assert swap_names(there, names, lexicon(env_id)) == text


def test_cases_plurals_and_names_within_names():
    names = {"desk": "bunk", "bunk": "desk", "desks": "bunks", "bunks": "desks"}
    household = lexicon(HOUSEHOLD)
    assert swap_names("Desk DESK desk 1, desks.", names, household) == "Bunk BUNK bunk 1, desks."
    text = "a desk lamp 1, desktop, undesk, desk2 on the side table 1 and a dining table 2"
    # A longer name that is not renamed keeps its words; parts of words are no names.
    assert swap_names(text, {**names, "table": "x"}, household) == text
    both = {"mug": "beaker", "mugs": "beakers"}
    assert swap_names("two mugs, Mug 3", both, household) == "two beakers, Beaker 3"
    assert swap_names("Coffee Table", {"coffee table": "low table"}, lexicon(LAB)) == "Low Table"


def test_nothing_in_a_lab_has_a_renamed_name_within_its_own():
    """Otherwise a thing would be renamed by halves, and be found by nobody."""
    words = set(lexicon(LAB).plurals)
    for split in ("train", "unseen"):
        for task_id in task_ids(split)[:: 3 if split == "unseen" else 11]:
            world = build_world(make_task(task_id))
            titles = {t.title for room in world.rooms.values() for t in room.walk()} - words
            for title in titles:
                inside = [w for w in words if re.search(rf"\b{re.escape(w)}\b", title)]
                assert not inside, f"{title!r} in {task_id} has {inside} within"
    assert KNOWN_HOUSES  # Both sides of the split were looked at.


# ── in the worlds ───────────────────────────────────────────────────────────


@pytest.mark.parametrize("env_id", (HOUSEHOLD, LAB))
def test_no_renamed_name_is_seen_any_more(env_id):
    words = lexicon(env_id)
    gone = set(words.plurals) - words.kept
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(gone, key=len)))})\b", re.I)
    env = make_perturbed(env_id, "rename:3", admissible=True)
    known = re.compile("|".join(map(re.escape, words.kept)) or "$.")
    for seed in range(6):
        text, info = env.reset(seed=seed)
        for step in range(12):
            commands = info["admissible_commands"]
            for said in (text, info["goal"], *commands):
                assert not pattern.search(known.sub("", said)), said
            text, *_, info = env.step(commands[(7 * step) % len(commands)])


def test_old_names_are_not_understood():
    env = make_perturbed(HOUSEHOLD, "rename:2")
    env.reset(options={"task": "household/train/0009"})
    assert env.step("go to bookcase 1")[4]["feedback"] is Feedback.INVALID
    assert env.step("Go to the Bookrack 1.")[4]["feedback"] is Feedback.OK


def test_a_renamed_colour_is_searched_and_clicked():
    env = make_perturbed(SHOP, "rename:2")
    world = env.unwrapped
    ids = [t for t in world.task_ids("train")[:200] if "black" in world.world.task(t).goal]
    _, info = env.reset(options={"task": ids[0]})
    assert "sable" in info["goal"] and "black" not in info["goal"]
    env.step("search[sable]")
    shown = world.world._visit.place.found
    assert shown == world.world._shop().search("black")
