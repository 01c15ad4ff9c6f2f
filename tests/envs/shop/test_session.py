"""The pages of a shop and the ways through them, on a shop of thirty shirts."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from qevolve_envs.core import CHARSET, MAX_OBSERVATION, Feedback, Task
from qevolve_envs.errors import UnknownName
from qevolve_envs.shop.actions import ShopCommand, parse
from qevolve_envs.shop.base import ShopBase
from qevolve_envs.shop.catalogue import Goal, Product
from qevolve_envs.shop.session import Shop

SEP = " [SEP] "
WISH = "i want a red shirt, and price lower than 20.00 dollars"
HEAD = f"Instruction:{SEP}{WISH}{SEP}Back to Search"


def make_product(number: int, **changes: object) -> Product:
    fields = {
        "ident": f"B{number:03}",
        "title": f"Acme Shirt No {number}",
        "department": "shirts",
        "category": ("Clothing", "Men", "Shirts"),
        "description": f"Shirt number {number}.",
        "bullets": ("Soft", "Washable"),
        "attributes": ("machine wash",),
        "options": {"color": ("red", "dark blue"), "size": ("s", "m | l")},
        "price": 10.0 + number,
        "price_text": f"${10.0 + number}",
    }
    return Product(**{**fields, **changes})


GOAL = Goal(
    ident="B003",
    instruction=WISH,
    title="Acme Shirt No 3",
    department="shirts",
    category=("Clothing", "Men", "Shirts"),
    attributes=("machine wash",),
    options={"color": "red"},
    budget=20.0,
)


class Shirts(ShopBase):
    splits = ("train",)

    def __init__(self, products=None, goal=GOAL, **kwargs):
        super().__init__(**kwargs)
        self.shop = Shop.build(products or map(make_product, range(30)))
        self.goal = goal

    def task_ids(self, split):
        return ["shirts/0"]

    def task(self, task_id):
        return Task(task_id, "train", self.goal.instruction, {})

    def _shop(self):
        return self.shop

    def _goal_of(self, task_id):
        return self.goal


def play(*actions: str, **kwargs: object):
    """The environment after these actions, and what it answered to each."""
    env = Shirts(**kwargs)
    answers = [env.reset()]
    for action in actions:
        answers.append(env.step(action))
    return env, answers


def seen(*actions: str, **kwargs: object) -> str:
    return play(*actions, **kwargs)[1][-1][0]


# ── pages ───────────────────────────────────────────────────────────────────


def test_search_page():
    assert seen() == f"WebShop{SEP}Instruction:{SEP}{WISH}{SEP}Search"
    assert seen(observation="text_rich") == (
        f"WebShop\nInstruction:\n{WISH}\n[button] Search [button_]"
    )


def test_results_pages():
    first = seen("search[acme]")
    assert first.startswith(f"{HEAD}{SEP}Page 1 (Total results: 30){SEP}Next >{SEP}B000{SEP}")
    assert first.endswith(f"{SEP}B009{SEP}Acme Shirt No 9{SEP}$19.0")
    second = seen("search[acme]", "click[next >]")
    assert f"Page 2 (Total results: 30){SEP}< Prev{SEP}Next >{SEP}B010{SEP}" in second
    assert seen("search[acme]", "click[next >]", "click[< prev]") == first
    # As upstream, there is a next page after the last, and it is empty.
    beyond = seen("search[acme]", *["click[next >]"] * 3)
    assert beyond == f"{HEAD}{SEP}Page 4 (Total results: 30){SEP}< Prev{SEP}Next >"
    none = seen("search[xyzzy]")
    assert none == f"{HEAD}{SEP}Page 1 (Total results: 0){SEP}Next >"


def test_no_more_than_fifty_results():
    text = seen("search[acme]", products=[make_product(n) for n in range(80)])
    assert "(Total results: 50)" in text


def test_item_page_and_what_is_behind_it():
    item = seen("search[acme]", "click[b003]")
    options = ["color", "red", "dark blue", "size", "s", "m | l"]
    facts = ["Acme Shirt No 3", "Price: $13.0", "Rating: N.A."]
    buttons = ["Description", "Features", "Reviews", "Buy Now"]
    assert item == SEP.join([HEAD, "< Prev", *options, *facts, *buttons])
    way = ("search[acme]", "click[B003]")
    assert seen(*way, "click[description]") == f"{HEAD}{SEP}< Prev{SEP}Shirt number 3."
    assert seen(*way, "click[features]") == f"{HEAD}{SEP}< Prev{SEP}Soft{SEP}Washable"
    assert seen(*way, "click[reviews]") == f"{HEAD}{SEP}< Prev"
    assert seen(*way, "click[reviews]", "click[< prev]") == item
    assert seen(*way, "click[< prev]") == seen("search[acme]")
    assert seen(*way, "click[back to search]") == seen()


def test_choices_are_shown_kept_and_dropped():
    way = ("search[acme]", "click[b003]")
    item = seen(*way)
    red = seen(*way, "click[red]")
    assert red == f"You have clicked red.{SEP}{item}"
    assert seen(*way, "click[red]", "click[features]", "click[< prev]") == red
    both = seen(*way, "click[red]", "click[M | L]")
    assert both == f"You have clicked m | l.{SEP}You have clicked red.{SEP}{item}"
    assert seen(*way, "click[red]", "click[dark blue]").startswith("You have clicked dark blue.")
    assert seen(*way, "click[red]", "click[< prev]", "click[b003]") == item
    _, answers = play(*way, "click[red]", "click[red]")
    assert answers[-2][4]["feedback"] is Feedback.OK
    assert answers[-1][4]["feedback"] is Feedback.UNCHANGED


def test_rich_text_marks_what_can_be_clicked():
    text = seen("search[acme]", "click[b003]", "click[red]", observation="text_rich")
    assert text.startswith(f"You have clicked red.\nInstruction:\n{WISH}\n[button] Back to Search")
    assert (
        "\ncolor\n  [clicked button] red [clicked button_]\n  [button] dark blue [button_]" in text
    )
    way = ("search[acme]", "click[b003]", "click[< prev]")
    text = seen(*way, observation="text_rich")
    assert "\n\n[clicked button] B003 [clicked button_]\nAcme Shirt No 3\n$13.0" in text
    assert "\n\n[button] B004 [button_]\n" in text
    assert seen(*way, "back to search", "search[acme]", observation="text_rich") != text


class Strict(HTMLParser):
    """Counts what is opened and closed."""

    def __init__(self):
        super().__init__()
        self.open, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("input",):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data.strip())


@pytest.mark.parametrize("way", [(), ("search[acme]",), ("search[acme]", "click[b003]", "red")])
def test_html_is_well_formed(way):
    parser = Strict()
    parser.feed(seen(*way, observation="html"))
    assert parser.open == []
    assert [t for t in parser.texts if t and t != "Shop"] == seen(*way).split(SEP)


def test_html_says_what_is_chosen():
    text = seen("search[acme]", "click[b003]", "click[red]", observation="html")
    assert '<input type="radio" name="color" checked> red' in text


@pytest.mark.parametrize("observation", ["text", "text_rich", "html"])
def test_hostile_products(observation):
    """Whatever a catalogue holds, pages stay within the space and buttons can be clicked."""
    options = {
        "na\u00efve <b>": ("caf\u00e9", "\u5c0f", "[2 pack] red", "a  b\n", "buy now", "x" * 3000),
        "size": ("caf\u00e9", "", "%s", *(f"value {n}" for n in range(3000))),
    }
    product = make_product(
        3, title="<script>\u2603 & \ud800 acme", description="long " * 9000, options=options
    )
    goal = Goal("B003", "a \u5c0f ]shirt[\n acme", "Acme Shirt", "shirts", (), ("soft",))
    env = Shirts([product], goal, observation=observation, admissible=True)
    _, info = env.reset()
    observation, _, _, _, info = env.step(info["admissible_commands"][0])
    assert "Total results: 1" in observation
    observation, _, _, _, info = env.step("click[b003]")
    for command in info["admissible_commands"]:
        if "value" in command or command in ("click[buy now]", "click[back to search]"):
            continue
        if command == "click[< prev]":
            continue
        observation, _, _, _, answer = env.step(command)
        assert answer["feedback"] in (Feedback.OK, Feedback.UNCHANGED), command
        assert len(observation) <= MAX_OBSERVATION
        assert CHARSET.issuperset(observation)
        if command in ("click[description]", "click[features]", "click[reviews]"):
            env.step("click[< prev]")
    assert "click[cafe]" in info["admissible_commands"]
    assert "click[[2 pack] red]" in info["admissible_commands"]


# ── actions ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("command", "action"),
    [
        ("search[Red  Shoes]", ShopCommand(True, "red shoes")),
        (" SEARCH [x]", ShopCommand(True, "x")),
        ("search[a [b] c] and more", ShopCommand(True, "a [b] c")),
        ("Click[Buy Now]", ShopCommand(False, "buy now")),
        ("search for red shoes", ShopCommand(True, "red shoes")),
        ("Look for red\nshoes.", ShopCommand(True, "red shoes")),
        ("click buy now", ShopCommand(False, "buy now")),
        ("click on the red button", ShopCommand(False, "red")),
        ("choose dark blue", ShopCommand(False, "dark blue")),
        ("BUY", ShopCommand(False, "buy")),
        ("next page", ShopCommand(False, "next page")),
        ("Back.", ShopCommand(False, "back")),
        ("< Prev", ShopCommand(False, "< prev")),
        ("search[]", None),
        ("click[ ]", None),
        ("search", None),
        ("think[hm]", None),
        ("red", None),
        ("", None),
        ("search[" + "x" * 3000 + "]", None),
    ],
)
def test_language(command, action):
    assert parse(command) == action


@pytest.mark.parametrize(
    ("way", "command", "feedback"),
    [
        ((), "buy", Feedback.INVALID),
        ((), "click[search]", Feedback.INVALID),
        ((), "click[< prev]", Feedback.INVALID),
        ((), "hello", Feedback.MALFORMED),
        ((), "look for acme", Feedback.OK),
        (("search[acme]",), "click[b029]", Feedback.INVALID),  # on another page
        (("search[acme]",), "click[attributes]", Feedback.INVALID),
        (("search[acme]",), "previous page", Feedback.INVALID),
        (("search[acme]",), "back", Feedback.OK),
        (("search[acme]",), "search[shirt 4]", Feedback.OK),  # as upstream
        (("search[acme]", "click[b003]"), "click[b004]", Feedback.INVALID),
        (("search[acme]", "click[b003]"), "search[no 4]", Feedback.OK),
        (("search[acme]", "click[b003]"), "next", Feedback.INVALID),
        (("search[acme]", "click[b003]"), "back", Feedback.OK),
        (("search[acme]", "click[b003]", "features"), "buy now", Feedback.INVALID),
        (("search[acme]", "click[b003]", "buy"), "search[x]", Feedback.INVALID),
    ],
)
def test_feedback(way, command, feedback):
    _, answers = play(*way, command)
    assert answers[-1][4]["feedback"] is feedback
    if feedback is Feedback.INVALID:
        assert answers[-1][0] == f"That is not possible here.{SEP}{answers[-2][0]}"


def test_commands():
    env, _ = play()
    assert env.admissible_commands() == ["search[i want a red shirt]"]
    env, _ = play("search[acme]", "click[b003]")
    assert env.admissible_commands() == [
        "click[< prev]",
        "click[back to search]",
        "click[buy now]",
        "click[dark blue]",
        "click[description]",
        "click[features]",
        "click[m | l]",
        "click[red]",
        "click[reviews]",
        "click[s]",
    ]
    env, _ = play("search[acme]", "click[b003]", "buy")
    assert env.admissible_commands() == []


# ── purchases ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("reward", ["sparse", "dense"])
@pytest.mark.parametrize(("way", "score"), [(("red",), 1.0), ((), 2 / 3)])
def test_any_purchase_ends_the_episode(reward, way, score):
    clicks = [f"click[{value}]" for value in way]
    _, answers = play("search[acme]", "click[b003]", *clicks, "buy now", reward=reward)
    assert all(answer[1] == 0 and not answer[2] for answer in answers[1:-1])
    text, paid, terminated, truncated, info = answers[-1]
    assert text == f"Thank you for shopping with us!{SEP}Your score (min 0.0, max 1.0){SEP}{score}"
    assert (terminated, truncated, info["won"], info["score"]) == (True, False, score == 1, score)
    assert paid == (score if reward == "dense" else float(score == 1))


def test_the_last_of_equal_values_is_chosen():
    options = {"top": ("red", "blue"), "bottom": ("red",)}
    env, _ = play("search[acme]", "click[b003]", "red", products=[make_product(3, options=options)])
    env.step("click[red]")
    assert env._visit.place.chosen == {"bottom": "red"}


def test_unknown_observation():
    with pytest.raises(UnknownName, match="did you mean 'text_rich'"):
        Shirts(observation="text_ric")
