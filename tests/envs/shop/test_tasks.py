"""The panels of qevolve/Shop-v0: their size, their splits, and that every goal can be met."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from qevolve_envs.core import Feedback
from qevolve_envs.errors import UnknownName
from qevolve_envs.shop.env import ShopEnv, embedded_shop
from qevolve_envs.shop.generate import catalogue
from qevolve_envs.shop.reward import reward_of
from qevolve_envs.shop.session import Visit
from qevolve_envs.shop.tasks import PANELS, ShopTask, article, make_task, task_ids
from qevolve_envs.shop.vocabulary import KINDS
from qevolve_envs.shop.wording import LIMITS, REQUESTS

PUBLISHED = Path(__file__).parents[2] / "golden" / "panels.json"
HORIZON = 10


@pytest.fixture(scope="module")
def panels() -> dict[str, list[ShopTask]]:
    return {split: [make_task(i) for i in task_ids(split)] for split in PANELS}


def everything(panels) -> list[ShopTask]:
    return [spec for split in panels.values() for spec in split]


def test_panels_have_their_counts(panels):
    counts = {split: len(specs) for split, specs in panels.items()}
    assert counts == {"train": 1938, "seen": 200, "unseen": 160}


def test_every_goal_can_be_met_within_the_horizon(panels):
    """By somebody who knows the product: search its words, page to it, choose, buy."""
    longest = 0
    for spec in everything(panels):
        visit = Visit(embedded_shop(), spec.goal)
        words = " ".join((spec.product.title, *spec.goal.attributes, *spec.goal.options.values()))
        commands = [f"search[{words}]"]
        visit.act(commands[0])
        wanted = f"click[{spec.product.ident.lower()}]"
        while wanted not in visit.commands():
            commands.append("click[next >]")
            assert visit.act(commands[-1])[0] is Feedback.OK, f"{spec.id}: not found"
            assert len(commands) < HORIZON, f"{spec.id}: not found"
        ahead = [wanted, *(f"click[{v}]" for v in spec.goal.options.values()), "click[buy now]"]
        for command in ahead:
            assert visit.act(command)[0] is Feedback.OK, f"{spec.id}: {command} cannot be done"
        assert visit.over and visit.result is not None
        assert visit.result.total == 1.0, f"{spec.id} gives {visit.result}"
        longest = max(longest, len(commands) + len(ahead))
    assert longest <= HORIZON


def best_purchase(product, goal) -> float:
    """The score of a product with the best choice of its options."""
    values = [v for n, v in goal.options.items() if v in product.options.get(n, ())]
    return reward_of(product, values, goal).total


def test_goals_discriminate(panels):
    """Near-duplicates of what is wanted score less, and few products of the category score 1."""
    products = catalogue().products
    families = {
        products[number].ident: family
        for family in catalogue().families
        for number in family.members
    }
    by_kind: dict[tuple[str, ...], list] = {}
    for product in products:
        by_kind.setdefault(product.category, []).append(product)
    specs = [spec for panel in panels.values() for spec in panel[::8]]
    between = apart = full = 0
    for spec in specs:
        scores = [best_purchase(p, spec.goal) for p in by_kind[spec.goal.category]]
        between += any(0 < score < 1 for score in scores)
        full += sum(score == 1 for score in scores)
        members = [products[n] for n in families[spec.product.ident].members]
        apart += any(best_purchase(p, spec.goal) < 1 for p in members)
        # Without choosing the options that were asked for it is not enough.
        if spec.goal.options:
            assert reward_of(spec.product, (), spec.goal).total < 1
    assert between == len(specs)
    assert apart > 0.85 * len(specs)
    assert full / len(specs) < 6, "of about 72 products of a category"


def test_goals_ask_for_what_the_product_has(panels):
    for spec in everything(panels):
        goal, product = spec.goal, spec.product
        assert goal.ident == product.ident and goal.title == product.title
        assert 1 <= len(goal.attributes) == len(set(goal.attributes)) <= 3
        assert set(goal.attributes) <= set(product.attributes)
        assert all(value in product.options[name] for name, value in goal.options.items())
        assert product.price < goal.budget <= 3 * product.price + 5
        text = goal.instruction.lower()
        wanted = [*goal.attributes, *goal.options.values(), f"{goal.budget:.0f}"]
        assert all(words in text for words in wanted), text


def test_options_and_attributes_vary(panels):
    for specs in panels.values():
        options = Counter(len(spec.goal.options) for spec in specs)
        attributes = Counter(len(spec.goal.attributes) for spec in specs)
        assert set(options) == {0, 1, 2, 3} and set(attributes) == {1, 2, 3}
        assert options[0] < 0.15 * len(specs)


def test_wording_varies(panels):
    specs = everything(panels)
    texts = [spec.goal.instruction for spec in specs]
    assert len(set(texts)) == len(texts)
    for request in REQUESTS:
        pattern = re.sub(r"\\\{\w+\\\}", "(.+)", re.escape(request))
        assert sum(bool(re.fullmatch(pattern, text)) for text in texts) > 50, request
    for limit in LIMITS:
        pattern = re.sub(r"\\\{sum\\\}", r"\\d+", re.escape(limit))
        assert sum(bool(re.search(pattern, text)) for text in texts) > 100, limit
    assert all(text.isascii() and "  " not in text for text in texts)


def test_seen_goals_are_new_ones_in_known_categories(panels):
    def wishes(split):
        return {
            (g.category, frozenset(g.attributes), frozenset(g.options.items()), g.budget)
            for g in (spec.goal for spec in panels[split])
        }

    assert not {s.product.ident for s in panels["seen"]} & {
        s.product.ident for s in panels["train"]
    }
    assert len(wishes("seen") & wishes("train")) <= 1
    known = {spec.goal.category for spec in panels["train"]}
    assert {spec.goal.category for spec in panels["seen"]} <= known
    assert len(known) == sum(not kind.held_out for kind in KINDS)


def test_unseen_categories_never_occur_in_training(panels):
    known = {spec.goal.category for split in ("train", "seen") for spec in panels[split]}
    unseen = {spec.goal.category for spec in panels["unseen"]}
    assert not known & unseen
    assert unseen == {kind.category for kind in KINDS if kind.held_out}


def test_a_task_is_a_pure_function_of_its_id():
    ids = [task_ids(split)[7] for split in PANELS]
    first = [make_task(i) for i in ids]
    assert [make_task(i) for i in reversed(ids)] == first[::-1]


@pytest.mark.parametrize(
    ("task_id", "hint"),
    [
        ("shop/unsen/0001", "shop/unseen/0000"),
        ("shop/unseen/0160", "shop/unseen/0159"),
        ("shop/unseen/13", "shop/unseen"),
        ("household/train/0001", "look like"),
        ("", "look like"),
    ],
)
def test_unknown_task_ids_are_refused_with_a_hint(task_id, hint):
    with pytest.raises(UnknownName, match="Unknown task id") as caught:
        make_task(task_id)
    assert hint in str(caught.value)


def test_articles():
    assert article("over-ear headphones") == article("unsalted nuts") == "an"
    assert article("usb cable") == article("tent") == "a"


def test_panel_digests_are_the_published_ones():
    """A change of any task shows here: it is a new version of the environment, or a mistake."""
    published = json.loads(PUBLISHED.read_text())["qevolve/Shop-v0"]
    env = ShopEnv()
    assert {split: env.panel_digest(split) for split in PANELS} == published
