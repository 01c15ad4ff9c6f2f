"""The reward, number by number, after the official formula; every case is worked by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qevolve_envs.shop.catalogue import Goal, Product
from qevolve_envs.shop.nouns import nouns_of
from qevolve_envs.shop.reward import (
    base_colour,
    count_attributes,
    count_options,
    reward_of,
    same,
    title_share,
    type_factor,
)

PRODUCT = Product(
    ident="B01",
    title="Acme Cotton Shirt",
    department="shirts",
    category=("Clothing", "Men", "Shirts"),
    description="Made with natural ingredients.",
    bullets=("Easy to wash", "Has essential oils"),
    attributes=("tea tree", "long sleeve"),
    options={"color": ("red", "dark blue"), "size": ("small", "x-large")},
    price=35.0,
    price_text="$35.0",
)
GOAL = Goal(
    ident="B01",
    instruction="a shirt",
    title="Acme Cotton Shirt",
    department="shirts",
    category=("Clothing", "Men", "Shirts"),
    attributes=("tea tree", "long sleeve"),
    options={"color": "red", "size": "x-large"},
    budget=40.0,
)
#: Ten nouns.
LONG = "Anvil Boot Coat Drum Easel Fork Glove Hammer Iron Jacket"


def test_the_right_purchase_is_worth_one():
    reward = reward_of(PRODUCT, ["red", "x-large"], GOAL)
    assert (reward.total, reward.kind, reward.attributes, reward.options) == (1.0, 1.0, 2, 2)
    assert reward.affordable


@pytest.mark.parametrize(
    ("changes", "chosen", "total"),
    [
        ({}, ["red"], 4 / 5),  # 2 attributes, 1 of 2 options, price
        ({}, [], 3 / 5),
        ({"budget": 34.99}, ["red", "x-large"], 4 / 5),
        ({"budget": 35.0}, ["red", "x-large"], 1.0),  # at most, not less than
        ({"budget": None}, ["red", "x-large"], 1.0),
        ({"attributes": ("tea tree", "xyzzy")}, ["red", "x-large"], 4 / 5),
        ({"attributes": ("tea tree",), "options": {}}, [], 1.0),  # (1 + 0 + 1) / 2
        ({"attributes": ("xyzzy",), "options": {}, "budget": 1.0}, [], 0.0),
        ({"title": "Zebra"}, ["red", "x-large"], 0.0),  # r_type 0 takes all
    ],
)
def test_the_sum(changes, chosen, total):
    assert reward_of(PRODUCT, chosen, replace(GOAL, **changes)).total == pytest.approx(total)


@pytest.mark.parametrize(
    ("title", "department", "category", "factor"),
    [
        # share 1
        ("Acme Cotton Shirt", "other", ("x",), 1.0),
        # share 1/10: not below .1; neither department nor category
        (f"{LONG[:-7]} Shirt", "other", ("x",), 0.5),
        (f"{LONG[:-7]} Shirt", "shirts", ("x",), 1.0),
        (f"{LONG[:-7]} Shirt", "other", ("Shirts", "Men"), 1.0),
        (f"{LONG[:-7]} Shirt", "other", ("Shirts", "x"), 0.5),  # one category in common
        (f"{LONG[:-7]} Shirt", "other", ("Men", "Men", "x"), 0.5),  # the same one twice
        # share 1/11: below .1, whatever else agrees
        (f"{LONG} Shirt", "shirts", ("Shirts", "Men"), 0.1),
        # share 0
        (LONG[5:], "shirts", ("Shirts", "Men"), 0.0),
        # share 1/5: not above .2
        ("Boot Coat Drum Fork Shirt", "other", ("x",), 0.5),
        # share 1/4
        ("Boot Coat Drum Shirt", "other", ("x",), 1.0),
        # no noun at all counts as .2
        ("the 12 of", "other", ("x",), 0.5),
        ("the 12 of", "shirts", ("x",), 1.0),
    ],
)
def test_type_factor(title, department, category, factor):
    goal = replace(GOAL, title=title, department=department, category=category)
    assert type_factor(PRODUCT, goal) == factor


def test_repeated_nouns_count_below_the_line_only():
    assert title_share("Bar", "Bar Bar Cord Cord") == 1 / 4


@pytest.mark.parametrize(
    ("wanted", "bought", "share"),
    [
        # The pairs of upstream's own tests; spaCy's shares there: 0.3, 0.15, below 0.05, 0.333.
        (
            "Saireed UL Listed 2 Prong Power Cord for JBL Bar 3.1 Bar 2.1 Channel 4K Ultra HD "
            "Soundbar Home Theater System Subwoofer",
            "BRST AC Power Cord Outlet Socket Cable Plug Lead for Panasonic SC-HT830V DVD/VCR "
            "Combo Home Theater System",
            5 / 17,
        ),
        (
            "Saireed UL Listed 2 Prong Power Cord for JBL Bar 3.1 Bar 2.1 Channel 4K Ultra HD "
            "Soundbar",
            "BRST AC Power Cord Outlet Socket Cable Plug Lead for Panasonic SC-HT830V DVD/VCR "
            "Combo Home Theater System",
            2 / 13,
        ),
        (
            "Rusticware 921ORB Kitchen and Bath Cabinet Knob",
            "Minkissy 2pcs Stainless Steel Eyebrow Tweezers Blackhead Acne Remover Portable "
            "Makeup Tweezers (Silver)",
            0,
        ),
        (
            "Mens D.O.N. Issue 2 Gca Basketball Sneakers Shoes Casual - Off White",
            "PEAK High Top Mens Basketball Shoes Lou Williams Streetball Master Breathable Non "
            "Slip Outdoor Sneakers",
            4 / 9,
        ),
    ],
)
def test_shares_of_upstreams_titles(wanted, bought, share):
    assert title_share(bought, wanted) == pytest.approx(share)


@pytest.mark.parametrize(
    ("title", "nouns"),
    [
        ("red cotton shirt for men with pockets", ["cotton", "shirt", "men", "pockets"]),
        ("Set of 3 Washable, Long-Sleeve Shirts", ["set", "washable", "long", "sleeve", "shirts"]),
        ("beautifully printed waterproof bed cable", ["bed", "cable"]),
        ("10.5 oz 4K", ["oz"]),
        ("", []),
        ("\ud800 {0} %%", []),
    ],
)
def test_nouns(title, nouns):
    assert list(nouns_of(title)) == nouns


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (("tea tree",), 1),
        (("essential oils", "natural ingredients"), 2),  # bullets, description
        (("cotton",), 1),  # title
        (("tea trees",), 1),  # fuzzy
        (("wash has",), 1),  # across two bullets, as upstream joins them
        (("earl gray",), 0),
        ((), 0),
    ],
)
def test_attributes(wanted, count):
    assert count_attributes(PRODUCT, wanted) == count


@pytest.mark.parametrize(
    ("chosen", "wanted", "count"),
    [
        (["pack of 12", "grey", "XL"], ["grey", "XL", "pack of 12"], 3),
        (["pack of 12", "blue", "XL"], ["grey", "XL", "pack of 12"], 2),
        (["pack of 12", "powder snow", "XL"], ["cool powder snow", "XL", "pack of 12"], 3),
        ([], ["a", "b"], 0),
        (["a", "b"], [], 0),
        (["navy blue"], ["blue moon"], 1),  # both stand for blue
        (["dark red"], ["red"], 0),  # "dark" comes before "red"
        (["titanium"], ["tan"], 1),  # colours are found within words
    ],
)
def test_options(chosen, wanted, count):
    assert count_options(chosen, wanted) == count


def test_base_colours():
    assert base_colour("0-light purple") == "light"
    assert base_colour("heather grey | white") == "grey"
    assert base_colour("xx-large") == "xx-large"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("essential oils", "essential oil", True),
        ("long sleeve", "short sleeve", False),
        ("sleeve long", "long sleeve!", True),
        ("wash machine hot", "machine wash", True),  # one holds all words of the other
        ("", "red", False),
        ("\u00e9\u00e8", "\u5c0f", False),
        ("abcdefg", "abcdefgh", True),  # 2 * 7 / 15 = 93
        ("abc", "abcd", True),  # 2 * 3 / 7 = 85.7, rounded to 86
        ("abcdefghijk", "abcdefghijkxyzw", False),  # 2 * 11 / 26 = 84.6, rounded to 85
    ],
)
def test_same(one, other, expected):
    assert same(one, other) is expected
