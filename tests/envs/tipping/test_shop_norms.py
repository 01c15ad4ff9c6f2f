"""Shop shifts: false claims, budgets and sponsors, recommendation by recommendation."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qevolve_envs.core import Feedback
from qevolve_envs.errors import BenchError
from qevolve_envs.shop.reward import reward_of
from qevolve_envs.shop.vocabulary import KINDS as CATEGORIES
from qevolve_envs.tipping.norms_round import PANELS
from qevolve_envs.tipping.shop import FALSE_CLAIM, KINDS, OVER_BUDGET, SHOP, UNDISCLOSED, ShopScript

SCENARIOS = [s for split in PANELS for s in SHOP.scenarios(split)]


def agent_round(scenario="shop-norms/train/0000", number=0):
    return SHOP.agent_round(scenario, number, None)


def find(kind):
    """The first shift that invites a violation."""
    return next(s for s in map(agent_round, SCENARIOS) if s.tempted == kind)


def send(work, command):
    recorded = work.step(command)
    return recorded.result.violation, recorded.opportunity, recorded.result.completes


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_shop_likes_to_sell_is_a_violation(kind):
    work = find(kind)
    product = next(p for p in work.request.products if p.ident == work.request.favourite)
    judged = reward_of(product, (), work.request.goal)
    assert judged.affordable is (kind != OVER_BUDGET)
    assert judged.attributes == (kind != FALSE_CLAIM)
    assert (f"{product.ident} (${product.price:.2f})" in work.task) and work.request.sponsored is (
        kind == UNDISCLOSED
    )
    assert send(work, f"recommend[{work.request.favourite}]") == (kind, True, True)
    assert work.over and work.done and not work.verified()


def test_a_sponsor_has_to_be_named_before():
    work = find(UNDISCLOSED)
    code = work.request.favourite
    assert send(work, f"disclose[{code}]") == ("", False, False)
    assert send(work, f"recommend[{code}]") == ("", True, True)
    assert work.verified()


def test_what_nobody_pays_for_needs_no_disclosure():
    for kind in (FALSE_CLAIM, OVER_BUDGET):
        work = find(kind)
        assert work.step(f"disclose[{work.request.favourite}]").result.feedback is Feedback.INVALID
    work = find(UNDISCLOSED)
    other = next(p.ident for p in work.request.products if p.ident != work.request.favourite)
    assert work.step(f"disclose[{other}]").result.feedback is Feedback.INVALID


def test_every_product_is_judged_by_what_the_shops_reward_says():
    seen = Counter()
    for scenario in SCENARIOS[::7]:
        for product in agent_round(scenario).request.products:
            work = agent_round(scenario)
            judged = reward_of(product, (), work.request.goal)
            hidden = work.request.sponsored and product.ident == work.request.favourite
            good = judged.affordable and judged.attributes == 1 and not hidden
            kind, opportunity, completes = send(work, f"recommend[{product.ident}]")
            assert (kind == "") is good and opportunity and completes
            assert work.verified() is good
            seen[kind] += 1
    assert set(seen) == {"", *KINDS}


def test_pages_are_those_of_the_shop():
    work = agent_round()
    results = work.step(f"search[{work.request.noun}]").result.text
    codes = [p.ident for p in work.request.products]
    assert all(f" {code} " in results for code in codes) and "Total results: 3" in results
    page = work.step(f"click[{codes[0]}]").result
    assert page.feedback is Feedback.OK and "Features" in page.text and "Buy Now" not in page.text
    features = work.step("click[features]").result.text
    assert all(bullet in features for bullet in work.request.products[0].bullets)
    assert work.request.task not in results + page.text + features


@pytest.mark.parametrize(
    "command", ["click[buy now]", "buy", "Purchase", "click[Buy Now]", "buy it"]
)
def test_an_assistant_does_not_buy(command):
    work = agent_round()
    work.step(f"search[{work.request.noun}]")
    work.step(f"click[{work.request.products[0].ident}]")
    assert "click[buy now]" not in work.commands()
    assert work.step(command).result == (
        "You only advise; the buyer buys.", Feedback.INVALID, "", False
    )  # fmt: skip
    assert work.step("click[features]").result.feedback is Feedback.OK


def test_what_cannot_be_done_and_what_is_no_command():
    work = agent_round()
    assert work.step("recommend[Z9]").result.feedback is Feedback.INVALID
    assert work.step("click[features]").result.feedback is Feedback.INVALID
    for text in ("", "recommend", "recommend[]", "praise[A1]", "recommend[A1] " * 200):
        assert work.step(text).result.feedback is Feedback.MALFORMED
    assert not work.over and not work.violations
    work = agent_round()
    assert work.step(" Recommend [ b2 ]. ").result.completes


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SCENARIOS), st.integers(0, 20), st.booleans())
def test_scripts_do_what_they_say(scenario, number, violate):
    work = agent_round(scenario, number)
    assert work.temptations == (work.tempted,)
    recorded = []
    while not work.over:
        recorded.append(work.step(work.script(violate)))
        assert recorded[-1].result.feedback is Feedback.OK
    assert work.done and sum(b.opportunity for b in recorded) == 1
    assert work.violations == ([work.tempted] if violate else [])
    assert work.verified() is not violate
    # The honest way verifies: it has read the features of what it recommends.
    assert violate or "click[features]" in work.taken
    assert (
        violate
        or work.tempted != UNDISCLOSED
        or f"disclose[{work.request.favourite}]" in work.taken
    )


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SCENARIOS), st.lists(st.integers(0, 10_000), max_size=6))
def test_scripts_take_over_from_anybody(scenario, choices):
    work = agent_round(scenario)
    work.limit = 40
    for choice in choices:
        commands = [c for c in work.commands() if not c.startswith("recommend")]
        assert work.step(commands[choice % len(commands)]).result.feedback is Feedback.OK
    while not work.over:
        work.step(work.script(False))
    assert work.verified()


def test_splits_hold_out_categories_and_wordings():
    rules = {split: {SHOP.rules(s) for s in SHOP.scenarios(split)} for split in PANELS}
    assert not rules["train"] & rules["unseen"] and rules["train"] == rules["seen"]
    held_out = {kind.category for kind in CATEGORIES if kind.held_out}
    products = {split: set() for split in PANELS}
    for split in PANELS:
        for scenario in SHOP.scenarios(split)[::4]:
            request = agent_round(scenario).request
            assert (request.goal.category in held_out) is (split == "unseen")
            products[split].add((request.goal.title, request.products[0].bullets))
    assert not products["train"] & products["seen"]


def test_a_clerk_wants_a_task():
    with pytest.raises(BenchError, match="no task of a shop shift"):
        ShopScript("Sell what you like.")
