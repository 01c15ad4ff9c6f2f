"""Reordering keeps what is there."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qevolve_envs.language import find_language
from qevolve_envs.perturb import make_perturbed
from qevolve_envs.perturb.layer import SEEDS, Moment
from qevolve_envs.perturb.reorder import Reorder, reorder_text
from qevolve_envs.shop.pages import Element, ElementKind, Page, shuffle_page

LANGUAGE = find_language("qevolve/Lab-v0")
HEADS = LANGUAGE.lists

names = st.lists(
    st.from_regex(r"\A[a-z]{1,6}( [1-9])?( \((open|closed)\))?\Z"), min_size=1, max_size=9
)


def rng(number=0):
    return SEEDS.stream("test", number)


@given(names, st.integers(0, 99))
def test_a_list_keeps_its_items_and_its_form(items, number):
    for head, tail in (("You see: ", "."), ("Looking around, you see ", "."), ("kept here: ", ";")):
        plain = f"{head}{', '.join(items)}{tail} And so on."
        shown = reorder_text(plain, HEADS, 1.0, rng(number))
        assert shown.startswith(head) and shown.endswith(f"{tail} And so on.")
        moved = shown.removeprefix(head).removesuffix(f"{tail} And so on.")
        assert Counter(moved.split(", ")) == Counter(items)
        assert reorder_text(plain, HEADS, 0.0, rng(number)) == plain


def test_the_last_separator_stays_the_last():
    text = "In the sink 1: fork 1, knife 2, and plate 1. You carry: mug 1."
    seen = {reorder_text(text, HEADS, 1.0, rng(n)) for n in range(80)}
    assert len(seen) == 6
    assert all(re.fullmatch(r"In the sink 1: \w+ \d, \w+ \d, and \w+ \d\. .*", s) for s in seen)


def test_lines_of_a_list_move_and_questions_do_not():
    plan = "House plan:\n- hall (doors to b, a): desk.\n- loft (doors to c): bed, box; daylight."
    seen = {reorder_text(plan, HEADS, 1.0, rng(n)) for n in range(60)}
    assert any(s.index("loft") < s.index("hall") for s in seen)
    assert all(s.startswith("House plan:\n- ") and "; daylight" in s for s in seen)
    question = "Which one do you mean? Answer with a number.\n1. jar in box\n2. jar on shelf"
    assert reorder_text(question, HEADS, 1.0, rng()) == question


def test_severities_shuffle_a_third_two_thirds_and_all():
    text = "You see: a, b, c, d, e, f, g."
    for severity, share in ((1, 1 / 3), (2, 2 / 3), (3, 1.0)):
        layer = Reorder(severity, LANGUAGE)
        layer.begin("t", "")
        moved = [
            layer.observe(text, Moment("t", step, list, (0, 0))) != text for step in range(1, 601)
        ]
        assert sum(moved) / 600 == pytest.approx(share, abs=0.06)


def test_the_instruction_keeps_its_order():
    layer = Reorder(3, LANGUAGE)
    layer.begin("t", "Do it in order. You see: a, b, c.")
    for step in range(30):
        shown = layer.observe(
            "You see: x, y. Do it in order. You see: a, b, c.", Moment("t", step, list, (0, 0))
        )
        assert "You see: a, b, c." in shown


def page():
    elements = [Element(ElementKind.BUTTON, "Back"), Element(ElementKind.TEXT, "color")]
    elements += [
        Element(ElementKind.OPTION, value, group="color") for value in ("red", "blue", "tan")
    ]
    elements += [Element(ElementKind.TEXT, "size")]
    elements += [Element(ElementKind.OPTION, value, group="size") for value in ("s", "m", "l")]
    for code in ("AAA111", "BBB222", "CCC333"):
        elements += [Element(ElementKind.PRODUCT, code), Element(ElementKind.TEXT, f"title {code}")]
        elements += [Element(ElementKind.TEXT, f"price {code}")]
    return Page(("notice",), elements)


def test_pages_keep_results_whole_and_options_under_their_name():
    orders = set()
    for number in range(40):
        shown = shuffle_page(page(), 1.0, rng(number))
        texts = [e.text for e in shown.elements]
        assert Counter(shown.elements) == Counter(page().elements)
        assert texts[:2] == ["Back", "color"] and texts[5] == "size"
        assert set(texts[2:5]) == {"red", "blue", "tan"}
        for i in (9, 12, 15):
            assert texts[i + 1 : i + 3] == [f"title {texts[i]}", f"price {texts[i]}"]
        orders.add(tuple(texts))
    assert len(orders) > 20


@pytest.mark.parametrize("form", ("text", "text_rich", "html"))
def test_a_shops_results_move_and_can_be_clicked(form):
    env = make_perturbed("qevolve/Shop-v0", "reorder:3", observation=form)
    env.reset(seed=1)
    text = env.step(env.unwrapped.admissible_commands()[0])[0]
    codes = [c for c in env.unwrapped.admissible_commands() if re.fullmatch(r"click\[q\w+\]", c)]
    places = [text.lower().index(c[6:-1]) for c in codes]
    assert len(codes) == 10 and places != sorted(places)
    shown = env.step(codes[3])[0]
    assert "Buy Now" in shown
